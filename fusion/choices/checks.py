"""Checks of what a user chose, against names and tables, before any work begins.

Each check gives back sentences; `fusion.choices.mistakes.Mistakes` gathers them with those of all
others.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.process_state import OwnGenerators
from encoders.spelling import unknown_name
from fusion.choices.build import CLOSED_FORM_FUSION, decoder_name
from fusion.choices.heads import HeadChoice
from fusion.choices.mistakes import option_names
from fusion.data.catalogue import Catalogue
from fusion.data.known import any_of_row, is_known, known_rows
from fusion.data.problems import Problem, shown
from fusion.data.schema import Schema, missing_columns
from fusion.errors import CatalogueError
from fusion.strategies import FUSIONS
from heads import HEADS
from heads.base import Head
from heads.decoders import DECODERS

Targets = Mapping[str, NDArray[np.float64]]
SHOWN_COLUMNS = 20


def is_closed_form(heads: Mapping[str, HeadChoice]) -> bool:
    """True where all heads are answered by decoders that are solved without gradient steps."""
    known = bool(heads) and are_known(heads)
    return known and all(DECODERS[decoder_name(choice)].closed_form for choice in heads.values())


def are_known(heads: Mapping[str, HeadChoice]) -> bool:
    """True where every head is a name in `HEADS`, and every decoder one in `DECODERS`."""
    return not _unknown_names(heads.values())


def _unknown_names(choices: Iterable[HeadChoice]) -> list[str]:
    mistakes = []
    for choice in choices:
        if not isinstance(choice.head, str) or choice.head not in HEADS:
            mistakes.append(unknown_name("head", choice.head, HEADS))
        elif not isinstance(decoder_name(choice), str) or decoder_name(choice) not in DECODERS:
            mistakes.append(unknown_name("decoder", decoder_name(choice), DECODERS))
    return mistakes


def strategy_mistakes(
    strategy: str | None, options: Any, *, heads: Mapping[str, HeadChoice]
) -> list[str]:
    """What is wrong with a fusion strategy and its options; a small one is built to find out."""
    strategy = "concat" if strategy is None else strategy
    if not isinstance(strategy, str) or strategy not in FUSIONS:
        return [unknown_name("strategy", strategy, FUSIONS)]
    name = CLOSED_FORM_FUSION if is_closed_form(heads) else strategy
    kind = FUSIONS[name]
    return _option_mistakes(
        f"strategy {name}",
        options,
        kind,
        taken=("dims",),
        trial=lambda: kind({"a": 2, "b": 3}, **options),
    )


def head_mistakes(heads: Mapping[str, HeadChoice], targets: Targets) -> list[str]:
    """What is wrong with heads and their options, tried out on the sound ones of their targets.

    Args:
        heads: By name.
        targets: Targets `[n, *target_shape]` of these heads; those of a head may be left out.
    """
    if not heads:
        return ["heads must hold at least one head, got none."]
    if unknown := _unknown_names(heads.values()):
        return unknown
    mistakes = []
    if len({DECODERS[decoder_name(choice)].closed_form for choice in heads.values()}) > 1:
        mistakes.append(
            "heads must all be trained by gradient or all be solved in closed form, got both. "
            "Train the linear head in a run of its own."
        )
    for name, choice in heads.items():
        mistakes += _head_mistakes(choice, targets.get(name))
    return mistakes


def _head_mistakes(choice: HeadChoice, target: NDArray[np.float64] | None) -> list[str]:
    kind = HEADS[choice.head]
    sound = np.empty(0) if target is None else target[~faulty_rows(choice, target)]

    def trial() -> None:
        if kind.target_shape is Head.target_shape and choice.target_shape:  # before it is fitted
            raise ValueError(_other_shape(choice, ()))
        if len(sound):
            head = kind.fitted(sound, **choice.options)
            _check_shape(choice, head)
            DECODERS[decoder_name(choice)](1, head)

    what = f"head {choice.head} of {choice.target_name}"
    return _option_mistakes(what, choice.options, kind, taken=("target",), trial=trial)


def _check_shape(choice: HeadChoice, head: Head) -> None:
    """Refuses another number of target columns than a head answers.

    Raises:
        ValueError: Saying how many it answers.
    """
    if head.target_shape != choice.target_shape:
        raise ValueError(_other_shape(choice, head.target_shape))


def _other_shape(choice: HeadChoice, shape: tuple[int, ...]) -> str:
    """What is wrong with the target columns of a head that answers another number of them."""
    wanted = f"a list of {shape[0]} columns" if shape else "one column, not a list"
    todo = (
        "Name one for each step, in order."
        if shape
        else "Write a head for each column, or take one that answers several steps."
    )
    got = list(choice.columns) if choice.target_shape else choice.target
    return f"target must be {wanted}, got {shown(got)}. {todo}"


def few_target_mistakes(
    heads: Mapping[str, HeadChoice], targets: Targets, *, least: int, rows: str = "usable rows"
) -> list[str]:
    """What is wrong with targets that too few rows have, where some rows lack them.

    Args:
        heads: By name.
        targets: Targets `[n, *target_shape]` of these heads, NaN where there is none.
        least: Rows that must have each target; fewer where there are fewer in all.
        rows: What they are called.
    """
    mistakes = {}
    for name, values in targets.items():
        n_known = len(known_rows(values))
        if n_known < min(least, len(values)):
            column = heads[name].target_name
            mistakes[column] = (
                f"{column} must be known in {least} or more {rows}, got {n_known} of "
                f"{len(values)}. Give more items that have it, or leave its heads out."
            )
    return list(mistakes.values())


def faulty_rows(choice: HeadChoice, target: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask `[n]` of the targets that break a rule of their head."""
    faulty = np.zeros(len(target), dtype=bool)
    for mask in HEADS[choice.head].target_faults(target).values():
        faulty |= any_of_row(mask)
    return faulty


def _option_mistakes(
    what: str,
    options: Any,
    kind: Callable[..., Any],
    *,
    taken: Iterable[str],
    trial: Callable[[], object],
) -> list[str]:
    """Options that a class does not have, or else why a trial of all of them fails."""
    if not isinstance(options, Mapping):
        return [f"options of {what} must be names and values, got {shown(options)}."]
    names = option_names(kind)
    if names is not None:
        valid = names - set(taken)
        unknown = [name for name in options if name not in valid]
        if unknown and not valid:
            return [f"options of {what} must be none, got {shown(unknown)}. Leave them out."]
        if unknown:
            return [unknown_name(f"options of {what}", name, valid) for name in unknown]
    try:
        with OwnGenerators(0):
            trial()
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        return [f"{what}: {error}"]
    return []


def column_mistakes(
    named: Mapping[str, Iterable[str]], columns: Iterable[str], *, source: str
) -> list[str]:
    """Columns that settings name and a table lacks, with the nearest names it has.

    Args:
        named: Setting -> columns.
        columns: Those of the table.
        source: Name of the table.
    """
    names = list(columns)
    return [
        f"{setting}: {problem.column} {problem.message} ({source})"
        for setting, wanted in named.items()
        for problem in missing_columns(wanted, names)
    ]


def check_usable(schema: Schema, *, source: str) -> None:
    """Refuses a table of which no column can be learned from.

    Raises:
        CatalogueError: With the reason why each column is not used.
    """
    if not schema.modalities:
        raise CatalogueError(
            f"{source} must have a column to learn from, got none.{why_ignored(schema)}"
        )


def why_ignored(schema: Schema) -> str:
    """One line for each column without a role: its name and the reason."""
    ignored = list(schema.ignored.items())
    lines = [f"\n- {name} {_reason(reason)}" for name, reason in ignored[:SHOWN_COLUMNS]]
    if len(ignored) > SHOWN_COLUMNS:
        lines.append(f"\n- ... and {len(ignored) - SHOWN_COLUMNS} more")
    return "".join(lines)


def _reason(reason: str) -> str:
    return "is excluded, or is the target" if reason == "excluded" else reason


def target_problems(
    catalogue: Catalogue, heads: Mapping[str, HeadChoice], targets: Targets
) -> list[Problem]:
    """One problem for each target that breaks a rule of its head; a missing one breaks none."""
    return [
        Problem(
            code="bad_target",
            message=f"must be {rule}, got {values[row, place]:g}",
            row=int(row),
            id=catalogue.ids[row],
            column=heads[name].columns[place],
        )
        for name, target in targets.items()
        for rule, mask in HEADS[heads[name].head].target_faults(target).items()
        for values in [target.reshape(len(target), len(heads[name].columns))]
        for row, place in np.argwhere(mask.reshape(values.shape) & ~np.isnan(values))
    ]


def unknown_rows(
    catalogue: Catalogue, heads: Mapping[str, HeadChoice], targets: Targets
) -> list[Problem]:
    """One problem for each row that has no target at all, so that no head learns from it."""
    columns = list(dict.fromkeys(choice.target_name for choice in heads.values()))
    what = "must be given" if len(columns) == 1 else f"one of {', '.join(columns)} must be given"
    unknown = ~np.any([is_known(values) for values in targets.values()], axis=0)
    return [
        Problem(
            code="target_missing",
            message=f"{what}, got none",
            row=int(row),
            id=catalogue.ids[row],
            column=columns[0] if len(columns) == 1 else None,
        )
        for row in np.flatnonzero(unknown)
    ]
