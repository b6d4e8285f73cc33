"""Heads whose options are left open get those that answer best on rows held out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fusion.choices.checks import Targets
from fusion.choices.heads import HeadChoice
from fusion.data.known import known_rows
from fusion.members.base import Floats
from fusion.members.options import best_options
from fusion.members.view import Rows, View
from heads import HEADS


def decided_heads(
    choices: Mapping[str, HeadChoice],
    view: View,
    targets: Targets,
    *,
    folds: Sequence[Rows],
    sample_weight: Floats,
    seed: int,
) -> Mapping[str, HeadChoice]:
    """The same heads, with what rows held out say where one leaves its options open.

    It is decided by encoders as they are before a tuning, which needs the heads.

    Args:
        choices: Heads by name.
        view: All rows.
        targets: Targets `[n, *target_shape]` in business units for each head, NaN for none.
        folds: Positions of the rows of each fold.
        sample_weight: `[n]`, how much each row counts.
        seed: Draws rows where there are many.
    """
    known = {name: values[known_rows(values)] for name, values in targets.items()}
    options = {
        name: HEADS[choice.head].open_options(known[name], **choice.options)
        for name, choice in choices.items()
    }
    candidates = {
        name: [HEADS[choices[name].head].fitted(known[name], **each) for each in some]
        for name, some in options.items()
        if len(some) > 1
    }
    if not candidates:
        return choices
    best = best_options(
        view,
        {name: targets[name] for name in candidates},
        candidates=candidates,
        folds=folds,
        sample_weight=sample_weight,
        seed=seed,
    )
    decided = {
        name: replace(choices[name], options=options[name][place]) for name, place in best.items()
    }
    return {**choices, **decided}
