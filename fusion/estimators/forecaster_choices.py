"""From the parameters of a forecaster to what it is asked to do; every mistake is told at once."""

from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.utils import check_random_state

from fusion.choices.columns import named_columns
from fusion.choices.encoders import EncoderChoices
from fusion.choices.members import build_mistakes, choice_mistakes, named_members
from fusion.choices.mistakes import Mistakes
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import check_unit
from fusion.data.problems import check_policy, shown
from fusion.errors import ConfigError
from fusion.forecasting.saved.document import MOST_STEPS
from fusion.system.files import expanded
from heads.levels import checked_levels

if TYPE_CHECKING:
    from fusion.estimators.forecaster import FusionForecaster
    from fusion.forecasting.content import ContentSpec
    from fusion.forecasting.history import SalesSpec
    from fusion.forecasting.trained import ForecastSpec


ELSEWHERE = {
    "launch": "A launch is launch = of the forecaster.",
    "frequency": "A frequency is frequency = of the forecaster.",
    "horizon": "A horizon is horizon = of the forecaster.",
    "market": "A table of the market is market = of fit and predict.",
    "planned": "A table of plans is planned = of fit and predict.",
    "as_of": "A date is as_of = of fit and predict.",
    "table": "The sales table is the second argument of fit and predict.",
}
"""What a mapping of sales columns may not hold, though `[sales]` of a file may -> its place."""


def forecast_spec(estimator: "FusionForecaster") -> "ForecastSpec":
    """How a forecast is made.

    Raises:
        ConfigError: With every parameter that does not suit.
    """
    from fusion.forecasting.content import ContentSpec
    from fusion.forecasting.heads import head_mistakes
    from fusion.forecasting.trained import ForecastSpec

    mistakes = Mistakes()
    seed, levels, encoders, members = 0, [0.5], EncoderChoices(), None
    horizon = estimator.horizon
    is_whole = isinstance(horizon, Integral) and not isinstance(horizon, bool)
    if not is_whole or not 1 <= horizon <= MOST_STEPS:
        mistakes.add([f"horizon must be a whole number from 1 to {MOST_STEPS}, got {horizon!r}."])
    with mistakes.gathered():
        seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    with mistakes.gathered():
        levels = checked_levels(estimator.levels)
    with mistakes.gathered():
        encoders = EncoderChoices({} if estimator.encoders is None else estimator.encoders)
    with mistakes.gathered():
        check_policy(estimator.on_bad_rows)
    with mistakes.gathered():
        members = None if estimator.members is None else named_members(estimator.members)
    mistakes.add(forecast_member_mistakes(members))
    columns = named_columns(estimator.columns, True, mistakes)
    with mistakes.gathered():
        mistakes.add(head_mistakes(estimator.head, sales_columns(estimator.sales)))
    mistakes.refuse()
    item = sales_columns(estimator.sales).item
    content = ContentSpec(
        columns={"id": [item], **columns},
        encoders=encoders,
        photos=None if estimator.photos is None else expanded(estimator.photos),
        store=None if estimator.store is None else expanded(estimator.store),
        on_bad_rows=estimator.on_bad_rows,
    )
    return ForecastSpec(int(horizon), levels, members, content, seed, estimator.head)


def asked_content(estimator: "FusionForecaster") -> "ContentSpec":
    """Where photos and embeddings of items lie that a trained forecast is asked about.

    Raises:
        ConfigError: If what faulty rows do is none.
    """
    from fusion.forecasting.content import ContentSpec

    check_policy(estimator.on_bad_rows)
    return ContentSpec(
        photos=None if estimator.photos is None else expanded(estimator.photos),
        store=None if estimator.store is None else expanded(estimator.store),
        on_bad_rows=estimator.on_bad_rows,
    )


def sales_spec(
    estimator: "FusionForecaster",
    *,
    market: pd.DataFrame | None = None,
    planned: pd.DataFrame | None = None,
) -> "SalesSpec":
    """How sales are read.

    Raises:
        ConfigError: If columns or the frequency are none.
    """
    from fusion.forecasting.history import SalesSpec

    frequency: Any = estimator.frequency
    check_unit(frequency)
    columns = sales_columns(estimator.sales)
    return SalesSpec(columns, frequency, estimator.launch, market, planned)


def sales_columns(given: Any) -> SalesColumns:
    """Names of the columns of a sales table.

    Raises:
        ConfigError: If they are none.
    """
    if isinstance(given, SalesColumns):
        return given
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"sales must be SalesColumns or names by role, got {shown(given)}.")
    roles = [one.name for one in fields(SalesColumns)]
    if unknown := [name for name in given or {} if name not in roles]:
        hint = "".join(f" {ELSEWHERE[name]}" for name in unknown if name in ELSEWHERE)
        raise ConfigError(
            f"sales must name columns by {', '.join(roles)}, got "
            f"{', '.join(map(shown, unknown))}.{hint}"
        )
    try:
        return SalesColumns(**(given or {}))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sales: {error}") from error


def forecast_member_mistakes(members: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with the members of a forecast: names, options and their values."""
    from fusion.forecasting.members.base import ForecastMember
    from fusion.forecasting.members.registry import FORECAST_MEMBERS

    found: list[str] = []
    for name, choice in (members or {}).items():
        own = choice_mistakes(name, choice, kind=ForecastMember, registry=FORECAST_MEMBERS)
        if not own and not isinstance(choice, ForecastMember):
            own = build_mistakes(name, choice, FORECAST_MEMBERS)
        found += own
    return found
