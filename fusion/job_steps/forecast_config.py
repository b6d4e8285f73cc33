"""Configuration of a forecast: a TOML file, checked as a whole before anything runs."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from encoders.spelling import unknown_name
from fusion.choices.members import named_members
from fusion.forecasting.saved.document import MOST_STEPS
from fusion.job_steps.config import CatalogueConfig, SalesTable
from fusion.job_steps.sections import Section
from fusion.plugins import known_names


class ForecastSection(Section):
    """What is forecast, by which members, and at which past dates it is measured."""

    head: str = Field(default="sales_path", description="What is asked.")
    horizon: int = Field(default=8, ge=1, le=MOST_STEPS, description="Periods, each a step.")
    levels: list[float] = Field(
        default_factory=lambda: [0.1, 0.5, 0.9], description="Quantile levels that are told."
    )
    members: Any = Field(
        default=None,
        description="Names, or a table of options for each name; absent: the default members.",
    )
    origins: int = Field(default=3, ge=1, description="Past dates of the backtest, the latest.")
    every: int | None = Field(
        default=None, ge=1, description="Periods from one of them to the next; absent: the horizon."
    )
    gap: int = Field(
        default=0, ge=0, description="Periods for which a forecast has been in use when asked."
    )
    seed: int = Field(default=0, ge=0)
    keep_histories: bool = Field(
        default=True, description="Sales stay in the forecast, so that it can be updated."
    )

    @field_validator("levels")
    @classmethod
    def _between_0_and_1(cls, levels: list[float]) -> list[float]:
        if not levels or len(set(levels)) < len(levels) or not all(0 < one < 1 for one in levels):
            raise ValueError(
                f"must be one or more different numbers in (0, 1), got {levels}. Give "
                "[0.1, 0.5, 0.9] for a median and an interval of 80 %."
            )
        return levels

    @field_validator("members")
    @classmethod
    def _known_members(cls, members: Any) -> dict[str, Any] | None:
        if members is None:
            return None
        named, valid = named_members(members), known_names("forecast_member")
        unknown = [unknown_name("member", name, valid) for name in named if name not in valid]
        if unknown:
            raise ValueError("\n".join(unknown))
        return named


class ForecastConfig(CatalogueConfig):
    """Everything a forecast needs to know.

    Example:
        >>> ForecastConfig.from_dict({"data": {"items": "items.csv"},
        ...     "sales": {"table": "sales.csv"}}).forecast.horizon
        8
    """

    sales: SalesTable
    forecast: ForecastSection = ForecastSection()

    @model_validator(mode="after")
    def _all_items_count(self) -> "ForecastConfig":
        if self.data.weight is not None:
            raise ValueError(
                f"data.weight must be left out of a forecast, got {self.data.weight!r}: items "
                "count by what they sell."
            )
        return self
