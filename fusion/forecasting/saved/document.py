"""What `forecast.json` must look like: one schema for all that a trained forecast is made of."""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, with_config

from encoders.blocks import BlockKind
from fusion.bundle.kinds import (
    MOST_PARTS,
    EncoderEntry,
    FileEntries,
    Kind,
    MadeWith,
    MemberEntries,
    Shares,
    or_null,
)
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import FARTHEST_PERIOD, Unit
from fusion.system.documents import EXACT, Count, Finite, Nested, Positive, Text

FORMAT = 1
FILES = ("weights.safetensors",)
"""Files of every forecast, beside its description; members may have files of their own."""
HISTORIES = "histories.safetensors"
"""File of what is kept of the training, where anything is."""
MOST_STEPS = 1000
MOST_LEVELS = 1000
MOST_DISPERSION = 1e6
LARGEST_LEVEL = 1e18
"""Bound of the units a period of new items."""

MOST_BLOCKS = 10_000

Period = Annotated[int, Strict(), Field(ge=-FARTHEST_PERIOD, le=FARTHEST_PERIOD)]
Truth = Annotated[bool, Strict()]
Names = Annotated[list[Text], Field(max_length=MOST_PARTS)]
NameOrNull = Annotated[Text, or_null]


@with_config(EXACT)
@dataclass(frozen=True)
class SalesEntry:
    """Names of the columns of the sales table, see `SalesColumns`."""

    item: Text
    date: Text
    units: Text
    price: NameOrNull
    promotion: NameOrNull
    stock: NameOrNull
    in_stock: NameOrNull
    shop: NameOrNull
    past: Names
    known: Names

    @classmethod
    def of(cls, columns: SalesColumns) -> Self:
        """These columns as an entry."""
        names = asdict(columns) | {"past": list(columns.past), "known": list(columns.known)}
        return cls(**names)

    @property
    def columns(self) -> SalesColumns:
        """The columns that are meant.

        Raises:
            ValueError: If they stand in roles that exclude each other.
        """
        names = vars(self) | {"past": tuple(self.past), "known": tuple(self.known)}
        return SalesColumns(**names)


@with_config(EXACT)
@dataclass(frozen=True)
class FrequencyEntry:
    """What a period is, see `Frequency`."""

    unit: Unit
    anchor: Annotated[Count, Field(le=6)]


@with_config(EXACT)
@dataclass(frozen=True)
class UnitsEntry:
    """How answers become units, see `SalesUnits`."""

    family: Text
    dispersion: Annotated[list[list[Annotated[Finite, Field(gt=0.0, le=MOST_DISPERSION)]]], or_null]
    zeros: Annotated[list[list[Annotated[Finite, Field(ge=0.0, lt=1.0)]]], or_null]
    rounding: Annotated[list[list[Annotated[Finite, Field(ge=0.0, lt=1.0)]]], or_null]


@with_config(EXACT)
@dataclass(frozen=True)
class PathHeadEntry:
    """Which head, its steps and quantile levels, and where it starts, see `SalesPathHead`.

    `name` is one of `FORECAST_HEADS`; forecasts that were saved without one are of `sales_path`.
    """

    horizon: Annotated[Positive, Field(le=MOST_STEPS)]
    levels: Annotated[list[Finite], Field(min_length=1, max_length=MOST_LEVELS)]
    starts: Annotated[list[list[Finite]], Field(max_length=MOST_STEPS + 1)]
    units: UnitsEntry
    name: Text = "sales_path"


@with_config(EXACT)
@dataclass(frozen=True)
class HotEntry:
    """Which items are hot, see `HotRule`."""

    threshold: Annotated[Finite, Field(gt=0.0, le=LARGEST_LEVEL)]


@with_config(EXACT)
@dataclass(frozen=True)
class BlockEntry:
    """A block of what is known of items, see `Block`; `name` is that in the view."""

    name: Text
    within: Text
    kind: BlockKind
    dim: Count
    n_levels: Count
    labels: list[Text]


@with_config(EXACT)
@dataclass(frozen=True)
class KeptEntry:
    """What is kept of the training, see `fusion.forecasting.kept.Kept`; numbers lie in a file."""

    start: Period
    learned_until: Period
    seed: Count
    open_weekdays: Annotated[list[Annotated[Count, Field(le=6)]], Field(max_length=7)]
    has_shops: Truth
    known: Names
    n_items: Count
    blocks: Annotated[list[BlockEntry], Field(max_length=MOST_BLOCKS)]
    out_of_fold: Annotated[Count, or_null]


@with_config(EXACT)
@dataclass(frozen=True)
class ForecastDocument:
    """The content of `forecast.json`, version 1.

    Encoders read the content of items, by modality; members stand under the names that the forecast
    has for them, and the name inside is the one in `FORECAST_MEMBERS`. `calibration` is the config
    of `PathCalibration`. `kept` is absent where nothing is.
    """

    format: Literal[1]
    made_with: MadeWith
    schema: Nested
    sales: SalesEntry
    frequency: FrequencyEntry
    launch: NameOrNull
    head: PathHeadEntry
    encoders: Annotated[dict[Text, EncoderEntry], Field(max_length=MOST_PARTS)]
    members: MemberEntries
    blend: Shares
    calibration: Nested
    new_level: Annotated[Finite, Field(gt=0.0, le=LARGEST_LEVEL)]
    hot: Annotated[HotEntry, or_null]
    info: Nested
    files: FileEntries
    kept: KeptEntry | None = None


FORECAST = Kind(
    name="forecast",
    schema=ForecastDocument,
    format=FORMAT,
    files=FILES,
    optional=(HISTORIES,),
    keys=frozenset({"format", "schema", "sales", "members", "blend", "files"}),
)
"""Trained forecasts of sales."""
