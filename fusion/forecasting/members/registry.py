"""Every kind of member of a forecast on one screen.

Another one is one file, one line here and one test file; `check_forecast_member` tests its laws.
"""

from fusion.forecasting.members.analogues import AnaloguesMember
from fusion.forecasting.members.base import ForecastMember
from fusion.forecasting.members.chronos import ChronosMember
from fusion.forecasting.members.classical import ClassicalMember
from fusion.forecasting.members.fracast import FracastMember
from fusion.forecasting.members.kernel import KernelPathMember
from fusion.forecasting.members.network import NetworkPathMember
from fusion.forecasting.members.ridge import RidgePathMember
from fusion.forecasting.members.trees import TreesPathMember

FORECAST_MEMBERS: dict[str, type[ForecastMember]] = {
    "network": NetworkPathMember,
    "trees": TreesPathMember,
    "ridge": RidgePathMember,
    "classical": ClassicalMember,
    "fracast": FracastMember,
    "chronos": ChronosMember,
    "kernel": KernelPathMember,
    "analogues": AnaloguesMember,
}
"""Every member by its registry name."""
