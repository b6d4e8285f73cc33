"""What `forecast.json` must look like: one schema for all that a trained forecast is made of."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, with_config

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
from fusion.data.panel.frequency import Unit
from fusion.system.documents import EXACT, Count, Finite, Nested, Positive, Text

FORMAT = 1
FILES = ("weights.safetensors",)
"""Files of every forecast, beside its description; members may have files of their own."""
MOST_STEPS = 1000
MOST_LEVELS = 1000
MOST_DISPERSION = 1e6
LARGEST_LEVEL = 1e18
"""Bound of the units a period of new items."""

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
class ForecastDocument:
    """The content of `forecast.json`, version 1.

    Encoders read the content of items, by modality; members stand under the names that the forecast
    has for them, and the name inside is the one in `FORECAST_MEMBERS`. `calibration` is the config
    of `PathCalibration`.
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
    hot: HotEntry
    info: Nested
    files: FileEntries


FORECAST = Kind(
    name="forecast",
    schema=ForecastDocument,
    format=FORMAT,
    files=FILES,
    keys=frozenset({"format", "schema", "sales", "members", "blend", "files"}),
)
"""Trained forecasts of sales."""
