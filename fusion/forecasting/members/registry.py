"""Every kind of member of a forecast on one screen.

Another one is one file, one line here and one test file; `check_forecast_member` tests its laws.
"""

from fusion.forecasting.members.base import ForecastMember
from fusion.forecasting.members.classical import ClassicalMember

FORECAST_MEMBERS: dict[str, type[ForecastMember]] = {
    "classical": ClassicalMember,
}
"""Every member by its registry name."""
