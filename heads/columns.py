"""Which columns of a head belong together: those of a step, the probabilities of its classes."""

from collections.abc import Sequence

from heads.base import Column


def columns_by_step(columns: Sequence[Column]) -> dict[int | None, tuple[Column, ...]]:
    """Columns of each step, in the order of the steps; one entry, None, where there are none."""
    steps = sorted({each.step for each in columns}, key=lambda step: step or 0)
    return {step: tuple(each for each in columns if each.step == step) for step in steps}


def probability_columns(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Those that tell the probability of a class, in the order of the classes."""
    return tuple(each for each in columns if each.kind == "probability")


def class_labels(columns: Sequence[Column]) -> tuple[str, ...]:
    """Labels that the positions in a class column stand for; none without such a column.

    Example:
        >>> up, down = (Column(f"p_{name}", "probability", label=name) for name in ("up", "down"))
        >>> class_labels([Column("trend", "class"), up, down]), class_labels([up])
        (('up', 'down'), ())
    """
    if not any(each.kind == "class" for each in columns):
        return ()
    first = next(iter(columns_by_step(columns).values()))
    return tuple(each.label for each in probability_columns(first))
