"""Which members answer, and how much each counts, as the page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from fusion.report.data_view import Bar, share_bar

MEMBER_WORDS = {
    "network": ("networks", "small neural networks, averaged"),
    "kernel": ("kernel", "items that are alike get answers that are alike"),
    "ridge": ("linear model", "adds up what each word and number is worth"),
    "trees": ("boosted trees", "rules of if and then, one on top of the other"),
}
"""What members are called on the page, and what they do; others have their names."""


@dataclass(frozen=True)
class MemberRow:
    """One member: what it is called, what it does, and how much it counts.

    Args:
        key: The name by which it is chosen, as in `members=["ridge"]`.
        name: In words.
        says: What it does; empty for members of one's own.
        share: How much it counts in the answer.
        of_new: The same for items with a category never seen; None where it is no other.
    """

    key: str
    name: str
    says: str
    share: Bar
    of_new: Bar | None


@dataclass(frozen=True)
class MemberTable:
    """The members of one head, those that count most first."""

    title: str
    rows: tuple[MemberRow, ...]
    has_new: bool


def member_tables(
    blend_weights: Mapping[str, Mapping[str, float]],
    of_new: Mapping[str, Mapping[str, float]] | None = None,
    *,
    titles: Mapping[str, str],
) -> tuple[MemberTable, ...]:
    """What each answer is made of, one table a head; none where the model has one member alone.

    Args:
        blend_weights: Head -> member -> weight, in [0, 1].
        of_new: The same for items with a category never seen; None where it is no other.
        titles: Head -> what is asked, in words; the head's own name where it is not there.
    """
    return tuple(
        _table(titles.get(head, head), weights, (of_new or blend_weights)[head])
        for head, weights in blend_weights.items()
        if len(weights) > 1
    )


def _table(title: str, weights: Mapping[str, float], new: Mapping[str, float]) -> MemberTable:
    has_new = dict(new) != dict(weights)
    rows = []
    for member in sorted(weights, key=lambda name: -weights[name]):
        name, says = MEMBER_WORDS.get(member, (member, ""))
        rows.append(
            MemberRow(
                key=member,
                name=name,
                says=says,
                share=_bar(name, weights[member]),
                of_new=_bar(name, new.get(member, 0.0)) if has_new else None,
            )
        )
    return MemberTable(title, tuple(rows), has_new)


def _bar(name: str, weight: float) -> Bar:
    return share_bar(name, weight) if weight > 0.0 else Bar(name, "left out", 0.0)
