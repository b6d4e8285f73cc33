"""The data summary as the page shows it: shares, groups and counts, ready to write."""

from collections.abc import Sequence
from dataclasses import dataclass

from fusion.data.problems import SHOWN_ROWS, Problem, advice
from fusion.report.content import DataSummary
from fusion.report.number_text import number, percent


@dataclass(frozen=True)
class Bar:
    """A share: what of, the number in words, and the length in percent."""

    name: str
    text: str
    width: float


@dataclass(frozen=True)
class ProblemGroup:
    """Problems with the same code and column; the first few places and what to do."""

    code: str
    column: str
    count: str
    places: tuple[str, ...]
    example: str
    advice: str


@dataclass(frozen=True)
class DroppedGroup:
    """Rows that were left out for the same reason."""

    reason: str
    count: str
    places: tuple[str, ...]


def split_bars(summary: DataSummary) -> tuple[Bar, ...]:
    """Training, validation and test rows as parts of the rows that were used."""
    parts = {
        "Training": summary.n_train,
        "Validation": summary.n_validation,
        "Test": summary.n_test,
    }
    whole = sum(parts.values()) or 1
    return tuple(Bar(name, number(n), round(100 * n / whole, 2)) for name, n in parts.items() if n)


def share_bar(name: str, share: float) -> Bar:
    """A share in [0, 1] as a bar; a tiny one is never written as 0 %, nor a large one as 100 %."""
    text = percent(share, digits=0)
    if 0 < share < 0.01 or 0.99 < share < 1:
        text = percent(share)
    return Bar(name, text, round(100 * min(max(share, 0.0), 1.0), 1))


def problem_groups(problems: Sequence[Problem]) -> tuple[ProblemGroup, ...]:
    """Groups by code and column, the largest first."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.code, problem.column or ""), []).append(problem)
    order = sorted(groups.items(), key=lambda pair: -len(pair[1]))
    return tuple(
        ProblemGroup(
            code=code,
            column=column,
            count=number(len(group)),
            places=tuple(_place(problem) for problem in group[:SHOWN_ROWS]),
            example=group[0].message,
            advice=advice(code),
        )
        for (code, column), group in order
    )


def dropped_groups(dropped: dict[int, str]) -> tuple[DroppedGroup, ...]:
    """Groups by reason, the largest first; rows counted from 1."""
    groups: dict[str, list[int]] = {}
    for row, reason in sorted(dropped.items()):
        groups.setdefault(reason, []).append(row)
    order = sorted(groups.items(), key=lambda pair: -len(pair[1]))
    return tuple(
        DroppedGroup(
            reason, number(len(rows)), tuple(f"row {row + 1}" for row in rows[:SHOWN_ROWS])
        )
        for reason, rows in order
    )


def _place(problem: Problem) -> str:
    if problem.id:
        return problem.id
    return "the table" if problem.row is None else f"row {problem.row + 1}"
