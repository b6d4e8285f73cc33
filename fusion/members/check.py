"""The contract of members, as a test that anybody can run on a member of their own."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoders.base import Encoder
from fusion.members.base import Floats, Member, State
from fusion.members.example import Example, example_rows, poisoned, without
from fusion.members.view import View
from fusion.network import Raw
from heads.base import Head
from heads.registry import HEADS

CLOSE = 1e-3
"""Answers that differ by less, as a share of how far they spread, differ by rounding."""
FOLLOWS = 0.15
"""Share of a change of a row's own target above which an answer has seen that target."""
Build = Callable[[], Member]


def check_member(build: Build, *, heads: Mapping[str, type[Head]] = HEADS) -> None:
    """Holds a member to the contract of `Member`.

    The rows have two kinds of vectors, numbers, a category and terms; some rows lack some of them,
    and a few lack all.

    Args:
        build: Makes a small and fast member that has learned nothing, such as its class's `tiny`.
        heads: What it must answer, all at once; `regression` and `hot_item` are among them.

    Raises:
        AssertionError: At the first broken rule, which it names.
    """
    example = example_rows(heads)
    few = example.of_heads("regression", "hot_item")
    _check_answers(build, example)
    _check_one_validation(build, few)
    _check_absent(build, few)
    _check_unknown_targets(build, few)
    _check_honest(build, few)
    _check_weights(build, few)


def _check_answers(build: Build, example: Example) -> None:
    """Shapes, rows, seeds, and a round trip, for all heads."""
    given = {name: json.dumps(head.config) for name, head in example.heads.items()}
    before = {name: target.copy() for name, target in example.targets.items()}
    member = build()
    out_of_fold = example.fitted(member)
    for name, head in example.heads.items():
        _require(json.dumps(head.config) == given[name], f"leave the head {name} as it is")
        same = np.array_equal(example.targets[name], before[name], equal_nan=True)
        _require(same, f"leave the targets of {name} as they are")
    _check_raw(out_of_fold, example, len(example), "fit")
    _check_raw(member.raw(example.view), example, len(example), "raw")
    _check_rows(member, example)
    _check_knows(member, example.view)
    _check_round_trip(member, example)
    again = build()
    _require_close(example.fitted(again), out_of_fold, "give the same answers for the same seed")
    _require_close(again.raw(example.view), member.raw(example.view), "be the same by its seed")


def _check_raw(raw: Raw, example: Example, n_rows: int, method: str) -> None:
    _require(set(raw) == set(example.heads), f"answer every head in {method}")
    for name, head in example.heads.items():
        found = tuple(raw[name].shape)
        shape = (n_rows, found[1] if len(found) > 1 else 0, *head.target_shape, head.raw_dim)
        _require(
            found == shape and found[1] > 0, f"give {name} as {shape} in {method}, not {found}"
        )
        _require(bool(raw[name].isfinite().all()), f"give finite answers to {name} in {method}")
        _require(not raw[name].requires_grad, f"give answers without gradients in {method}")


def _check_rows(member: Member, example: Example) -> None:
    whole = member.raw(example.view)
    order = np.random.default_rng(1).permutation(len(example))
    moved = {name: raw[torch.from_numpy(order)] for name, raw in whole.items()}
    _require_close(member.raw(example.view.take(order)), moved, "follow the order of rows")
    for row in range(0, len(example), 12):
        alone = member.raw(example.view.take(np.array([row])))
        one = {name: raw[row : row + 1] for name, raw in whole.items()}
        _require_close(alone, one, "answer a row without regard to the others", spread=whole)
    _check_raw(member.raw(example.view.take(np.arange(0))), example, 0, "raw of no rows")


def _check_knows(member: Member, view: View) -> None:
    known = member.knows(view)
    _require(known.shape == (len(view),) and known.dtype == np.bool_, "say by row what it knows")
    there = np.stack([view.present[name] for name in view.blocks])
    _require(not known[~there.any(axis=0)].any(), "know nothing of a row of which all is absent")
    _require(bool(known[there.all(axis=0)].all()), "know something of a row that has everything")


def _check_round_trip(member: Member, example: Example) -> None:
    config, state = json.loads(json.dumps(member.config)), member.state()
    known = member.set_by_fit <= config.keys()
    _require(known, "name in set_by_fit arguments that config holds")
    for name, value in state.items():
        if isinstance(value, bytes):
            _require(
                re.fullmatch(r"[A-Za-z0-9_]{1,100}\.txt", name) is not None,
                f"name the file {name} by letters, digits and _, with .txt behind",
            )
        else:
            _require(bool(value.isfinite().all()), f"have finite numbers in {name}")
    encoders = example.view.encoders
    rebuilt = _loaded(member, config, state, example.heads, encoders)
    whole = member.raw(example.view)
    _require_close(rebuilt.raw(example.view), whole, "be rebuilt by its config and state")
    same = np.array_equal(rebuilt.knows(example.view), member.knows(example.view))
    _require(same, "know the same after it was rebuilt")
    _require(json.loads(json.dumps(rebuilt.config)) == config, "keep its config when rebuilt")
    if state:
        some = {name: state[name] for name in list(state)[1:]}
        _require_refused(member, config, some, example, "refuse a state that lacks something")
        more: State = {**state, "left_over": torch.zeros(1)}
        _require_refused(member, config, more, example, "refuse a state with something left over")


def _loaded(
    member: Member,
    config: Mapping[str, Any],
    state: State,
    heads: Mapping[str, Head],
    encoders: Mapping[str, Encoder],
) -> Member:
    rebuilt = type(member)(**config)
    rebuilt.load_state(state, heads=heads, encoders=encoders)
    return rebuilt


def _require_refused(
    member: Member, config: Mapping[str, Any], state: State, example: Example, rule: str
) -> None:
    try:
        _loaded(member, config, state, example.heads, example.view.encoders)
    except ValueError:
        return
    _require(False, rule)


def _check_one_validation(build: Build, example: Example) -> None:
    """One fold of given rows, with whom it is judged."""
    member, fold = build(), example.folds[0]
    raw = replace(example, folds=[fold]).fitted(member)
    for name in example.heads:
        asked = raw[name][torch.from_numpy(fold)]
        _require(bool(asked.isfinite().all()), "answer given validation rows")
    _check_raw(member.raw(example.view), example, len(example), "raw after one validation")


def _check_absent(build: Build, example: Example) -> None:
    """What stands where nothing is, even NaN, and a block that nobody or one fold alone has."""
    member, other = build(), build()
    out_of_fold = example.fitted(member)
    other_view = poisoned(example.view)
    rule = "not let what is absent, even NaN, change an answer"
    _require_close(member.raw(other_view), member.raw(example.view), f"{rule} (raw)")
    _require_close(replace(example, view=other_view).fitted(other), out_of_fold, f"{rule} (fit)")
    _require_close(other.raw(other_view), member.raw(example.view), f"{rule} (fit, then raw)")
    nothing = without(example.view, {name: np.arange(len(example)) for name in ("photo", "text")})
    _check_raw(member.raw(nothing), example, len(example), "raw without two modalities")
    outside = np.setdiff1d(np.arange(len(example)), example.folds[0])
    rare = without(example.view, {"photo": outside, "text": np.arange(len(example))})
    again = build()
    _check_raw(replace(example, view=rare).fitted(again), example, len(example), "fit on little")
    _check_raw(again.raw(example.view), example, len(example), "raw after fit on little")


def _check_unknown_targets(build: Build, example: Example) -> None:
    """One of two heads lacks targets in places, and in one fold everywhere."""
    unknown = {name: target.copy() for name, target in example.targets.items()}
    unknown["regression"][::5] = np.nan
    unknown["regression"][example.folds[1]] = np.nan
    member = build()
    out_of_fold = replace(example, targets=unknown).fitted(member)
    _check_raw(out_of_fold, example, len(example), "fit where targets are unknown")
    _check_raw(member.raw(example.view), example, len(example), "raw where targets were unknown")


def _check_honest(build: Build, example: Example) -> None:
    """Answers to a fold do not follow the targets of that fold.

    Few numbers (a penalty, when to stop, a spread) may be chosen by all rows held out together, so
    answers may move; but not each row towards its own target.
    """
    fold = example.folds[0]
    draw = np.random.default_rng(2)
    changed = {name: target.copy() for name, target in example.targets.items()}
    far = 2.0 * changed["regression"].std()
    changed["regression"][fold] += far * draw.choice([-1.0, 1.0], len(fold))
    changed["hot_item"][fold] = draw.permutation(changed["hot_item"][fold])
    before = example.fitted(build())
    after = replace(example, targets=changed).fitted(build())
    for name, head in example.heads.items():
        given, turned = (head.encode_target(t[name][fold]) for t in (example.targets, changed))
        asked = torch.from_numpy(fold)
        away = _answers(head, after[name][asked]) - _answers(head, before[name][asked])
        moved = turned - given
        share = float(moved @ (away - away.mean()) / (moved @ moved))
        rule = f"answer a fold of {name} by what did not see it (it followed {share:.0%})"
        _require(share < FOLLOWS, rule)


def _answers(head: Head, raw: Tensor) -> Floats:
    """What a head answers `[n]`, on the scale of its encoded target."""
    answers = head.decode(raw)[head.column_names[0]].numpy()
    return head.encode_target(answers).astype(np.float64) if head.raw_is_additive else answers


def _check_weights(build: Build, example: Example) -> None:
    """What is asked of a row of weight 0 has no say."""
    rows = np.arange(0, len(example), 3)
    weight = np.ones(len(example))
    weight[rows] = 0.0
    weight *= len(weight) / weight.sum()
    turned = {name: target.copy() for name, target in example.targets.items()}
    for name, target in turned.items():
        target[rows] = target[rows[::-1]] + (5.0 if name == "regression" else 0.0)
    one, other = build(), build()
    out_of_fold = replace(example, weight=weight).fitted(one)
    found = replace(example, weight=weight, targets=turned).fitted(other)
    rule = "give a row of weight 0 no say"
    _require_close(found, out_of_fold, f"{rule} (fit)")
    _require_close(other.raw(example.view), one.raw(example.view), f"{rule} (raw)")
    _check_raw(one.raw(example.view), example, len(example), "raw with weights")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(f"a member must {rule}")


def _require_close(found: Raw, wanted: Raw, rule: str, *, spread: Raw | None = None) -> None:
    """Stops where answers differ by more than rounding, in units of how far they spread."""
    for name, raw in wanted.items():
        size = float((wanted if spread is None else spread)[name].double().std())
        away = float((found[name] - raw).abs().max()) if len(raw) else 0.0
        _require(away <= CLOSE * max(size, 1e-3), f"{rule}: {name} moved by {away:.3g}")
