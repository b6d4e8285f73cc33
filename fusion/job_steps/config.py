"""Configuration of a training job: a TOML file, checked as a whole before anything runs."""

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from fusion.choices.columns import numbers_off_mistake
from fusion.choices.encoders import EncoderChoices
from fusion.choices.members import named_members
from fusion.choices.mistakes import checked_settings
from fusion.data.dates import date_advice, date_cells
from fusion.data.delimiters import checked_delimiter
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import UNITS, Unit, unknown_unit
from fusion.data.problems import OnBadRows
from fusion.data.schema import NUMBERS
from fusion.job_steps.config_file import config_values
from fusion.job_steps.head_sections import HeadSection, head_names
from fusion.job_steps.sections import Section, check_names, column_roles, known_name, place_of_key
from fusion.plugins import known_names
from fusion.system.files import expanded
from fusion.training import TrainingSettings
from fusion.tuning import TuningSettings


class DataSection(Section):
    """Where the items are and which columns play which role; roles left out are found."""

    items: Path
    new_items: Path | None = Field(
        default=None, description="Items without an outcome, to be forecast after the training."
    )
    delimiter: str | None = None
    photos: Path | None = None
    on_bad_rows: OnBadRows = "raise"
    columns: dict[str, list[str]] = Field(
        default_factory=dict, description="Columns by role; an empty list means none."
    )
    text_numbers: bool = Field(
        default=True, description="Numbers in texts, such as `set of 6`, are read as numbers too."
    )
    exclude: list[str] = Field(default_factory=list, description="Columns never to be used.")
    weight: str | None = Field(
        default=None, description="Column that says how much a row counts in training."
    )
    details: list[str] = Field(
        default_factory=list, description="Columns shown beside an item in the report."
    )

    @classmethod
    def place_of(cls, key: str) -> str:
        """Where the role of a column, or what is said of sales, has its place."""
        return place_of_key(key, SalesTable.model_fields)

    @field_validator("columns")
    @classmethod
    def _known_roles(cls, columns: dict[str, list[str]]) -> dict[str, list[str]]:
        check_names("role", columns, column_roles())
        return columns

    @model_validator(mode="after")
    def _numbers_on_or_off(self) -> Self:
        if not self.text_numbers and self.columns.get(NUMBERS):
            raise ValueError(numbers_off_mistake("data.columns", self.columns[NUMBERS]))
        return self

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        return None if delimiter is None else checked_delimiter(delimiter)


class SalesTable(Section):
    """A sales table beside the items table, and which of its columns say what."""

    table: Path
    item: str = "item_id"
    date: str = "date"
    units: str = "units"
    price: str | None = None
    promotion: str | None = None
    stock: str | None = None
    in_stock: str | None = None
    shop: str | None = None
    past: tuple[str, ...] = Field(
        default=(), description="Columns of numbers that are known up to the date of a forecast."
    )
    known: tuple[str, ...] = Field(
        default=(), description="Columns of numbers that are known ahead, such as a planned price."
    )
    market: Path | None = Field(
        default=None, description="Dates and numbers of the whole market, named in past or known."
    )
    planned: Path | None = Field(
        default=None, description="Item, date and numbers named in known; or rows without units."
    )
    duckdb: bool = Field(
        default=False,
        description="Rows of single sales are summed up by DuckDB before they are read.",
    )
    launch: str | None = Field(
        default=None, description="Column of the items table: the day an item came on sale."
    )
    frequency: Unit | None = Field(
        default=None, description="What a period is; absent: as the dates of the table are."
    )
    as_of: str | None = None

    @field_validator("as_of")
    @classmethod
    def _is_a_date(cls, as_of: str | None) -> str | None:
        if as_of is None:
            return None
        dates, _ = date_cells(pd.Series([as_of], dtype=object))
        if np.isnat(dates).any():
            raise ValueError(
                f"must be a date such as 2024-01-31, got {as_of!r}. {date_advice(as_of)}".rstrip()
            )
        return as_of

    @field_validator("frequency", mode="before")
    @classmethod
    def _is_a_unit(cls, frequency: Any) -> Any:
        if frequency is not None and frequency not in UNITS:
            raise ValueError(unknown_unit(frequency))
        return frequency

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        assert self.columns  # says which exclude each other
        return self

    @property
    def columns(self) -> SalesColumns:
        """Names of the columns of the table."""
        return SalesColumns(
            self.item,
            self.date,
            self.units,
            price=self.price,
            promotion=self.promotion,
            stock=self.stock,
            in_stock=self.in_stock,
            shop=self.shop,
            past=self.past,
            known=self.known,
        )


class SalesSection(SalesTable):
    """History of items before a date, and their target after it, out of a sales table."""

    as_of: str
    horizon: int = Field(default=8, ge=1, description="Periods of the target.")


class ModelSection(Section):
    """Which members answer, and how networks join the modalities."""

    members: Any = Field(
        default=None,
        description="Names, or a table of options for each name; absent: the default members.",
    )
    strategy: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("members")
    @classmethod
    def _known_members(cls, members: Any) -> dict[str, Any] | None:
        if members is None:
            return None
        named = named_members(members)
        check_names("member", named, known_names("member"))
        return named

    @field_validator("strategy")
    @classmethod
    def _known_strategy(cls, strategy: str | None) -> str | None:
        return strategy and known_name("strategy", strategy, known_names("fusion"))


class SplitSection(Section):
    """Which rows are held out; near-duplicate texts and photos stay on one side."""

    kind: Literal["random", "date", "group"] = "random"
    column: str | None = None
    test: float = Field(default=0.2, gt=0, lt=1)
    validation: float = Field(default=0.1, gt=0, lt=1)
    gap_days: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _column_given(self) -> Self:
        if self.kind != "random" and self.column is None:
            raise ValueError(f"column must be given for a split by {self.kind}, got none.")
        if self.test + self.validation >= 1:
            raise ValueError(
                f"test and validation must sum to less than 1, got {self.test:g} and "
                f"{self.validation:g}: nothing is left to learn from."
            )
        return self


class EvaluationSection(Section):
    """What is measured beside the fusion itself."""

    modalities: bool = Field(
        default=True,
        description="Also train each modality alone and all but one; not where encoders are "
        "tuned, since each of these would need a tuning of its own.",
    )


class CatalogueConfig(Section):
    """What every job on a catalogue with sales is told."""

    title: str = "Product forecast"
    data: DataSection
    sales: SalesTable | None = None
    encoders: dict[str, Any] = Field(
        default_factory=dict,
        description="Modality -> encoder: a name, or a table of a name and options.",
    )
    store: Path | None = Field(default=None, description="Embedding store; default: OUT/store.")

    @field_validator("encoders")
    @classmethod
    def _known_encoders(cls, encoders: dict[str, Any]) -> dict[str, Any]:
        EncoderChoices(encoders)
        return encoders

    @classmethod
    def from_file(cls, path: Path, *, overrides: dict[str, Any] | None = None) -> Self:
        """A configuration file; its relative paths start at the file's own folder.

        Raises:
            ConfigError: With every mistake of the file.
        """
        values = config_values(path)
        for dotted, value in (overrides or {}).items():
            section, _, key = dotted.partition(".")
            table = values.setdefault(section, {})
            if isinstance(table, dict):  # else the mistake is reported with all others
                table[key] = value
        return cls.from_dict(values, source=str(path), base=path.parent)

    @classmethod
    def from_dict(
        cls, values: dict[str, Any], *, source: str = "config", base: Path | None = None
    ) -> Self:
        """A configuration from plain values.

        Raises:
            ConfigError: With every mistake.
        """
        config = checked_settings(cls, values, source=source)
        if base is not None:
            config._resolve(base)
        return config

    def _resolve(self, base: Path) -> None:
        self.data.items = base / expanded(self.data.items)
        new = self.data.new_items
        self.data.new_items = None if new is None else base / expanded(new)
        self.data.photos = None if self.data.photos is None else base / expanded(self.data.photos)
        self.store = None if self.store is None else base / expanded(self.store)
        if self.sales is not None:
            self.sales.table = base / expanded(self.sales.table)
            for name in ("market", "planned"):
                beside = getattr(self.sales, name)
                setattr(self.sales, name, None if beside is None else base / expanded(beside))


class TrainConfig(CatalogueConfig):
    """Everything a training job needs to know.

    Example:
        >>> TrainConfig.from_dict({"data": {"items": "items.csv"}, "heads": [
        ...     {"head": "regression", "target": "price"}]}).model.strategy is None
        True
    """

    sales: SalesSection | None = None
    heads: list[HeadSection] = Field(min_length=1)
    model: ModelSection = ModelSection()
    training: TrainingSettings = TrainingSettings()
    tuning: TuningSettings = TuningSettings(mode="none")
    split: SplitSection = SplitSection()
    evaluation: EvaluationSection = EvaluationSection()

    @field_validator("heads")
    @classmethod
    def _heads_told_apart(cls, heads: list[HeadSection]) -> list[HeadSection]:
        head_names(heads)
        return heads
