"""Which members make a forecast, and how much each counts in each life stage."""

from collections.abc import Mapping
from dataclasses import dataclass

from fusion.forecasting.examples import STAGES
from fusion.report.data_view import Bar, share_bar

WORDS = {
    "network": ("networks", "read past sales, texts, photos and numbers together"),
    "trees": ("boosted trees", "rules of if and then over past sales, prices and dates"),
    "ridge": ("linear model", "adds up what each past period and number is worth"),
    "classical": ("smoothing", "carries recent sales forward, without a look at the item"),
    "kernel": ("kernel", "items that are alike get answers that are alike"),
    "analogues": ("analogues", "curves of past items like it, at the same age"),
}
"""What members are called on the page, and what they do; others have their names."""


@dataclass(frozen=True)
class StageRow:
    """One member: its key, what it is called, what it does, and a bar for each life stage."""

    key: str
    name: str
    says: str
    bars: tuple[Bar, ...]


def stage_rows(weights: Mapping[str, Mapping[str, float]]) -> tuple[StageRow, ...]:
    """Members that count in any stage, the one that counts most first.

    Args:
        weights: Life stage -> member -> how much it counts, in [0, 1]; every stage, or nothing.
    """
    members = {name for own in weights.values() for name, weight in own.items() if weight > 0.0}
    summed = {name: sum(own.get(name, 0.0) for own in weights.values()) for name in members}
    found = []
    for member in sorted(summed, key=lambda name: (-summed[name], name)):
        name, says = WORDS.get(member, (member, ""))
        shares = [weights[stage].get(member, 0.0) for stage in STAGES]
        bars = [share_bar(name, share) if share > 0.0 else Bar(name, "–", 0.0) for share in shares]
        found.append(StageRow(member, name, says, tuple(bars)))
    return tuple(found)
