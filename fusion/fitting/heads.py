"""Heads whose options are left open get those that answer best on rows held out."""

from collections.abc import Mapping
from dataclasses import replace

from fusion.choices.heads import HeadChoice
from fusion.data.known import known_rows
from fusion.data.training_rows import TrainingRows
from fusion.members.options import best_options
from fusion.members.view import View
from heads import HEADS


def decided_heads(
    choices: Mapping[str, HeadChoice],
    view: View,
    training: TrainingRows,
    *,
    seed: int,
) -> Mapping[str, HeadChoice]:
    """The same heads, with what rows held out say where one leaves its options open.

    It is decided by encoders as they are before a tuning, which needs the heads.

    Args:
        choices: Heads by name.
        view: All rows.
        training: Targets, folds and weights of the rows.
        seed: Draws rows where there are many.
    """
    known = {name: values[known_rows(values)] for name, values in training.targets.items()}
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
    best = best_options(view, training, candidates=candidates, seed=seed)
    decided = {
        name: replace(choices[name], options=options[name][place]) for name, place in best.items()
    }
    return {**choices, **decided}
