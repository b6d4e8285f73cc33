"""The contract of members of a forecast, as a test that anybody can run on one of their own."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from fusion.forecasting.examples import Examples
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.example import example_examples
from fusion.members.base import State
from fusion.members.view import Mask
from heads.sales_path import SalesPathHead

CLOSE = 1e-3
"""Answers that differ by less differ by rounding."""
Build = Callable[[], ForecastMember]


def check_forecast_member(build: Build) -> None:
    """Holds a member to the contract of `ForecastMember`.

    Args:
        build: Makes a small and fast member that has learned nothing, such as its class's `tiny`.

    Raises:
        AssertionError: At the first broken rule, which it names.
    """
    examples = example_examples()
    head = SalesPathHead.fitted(examples.paths(), levels=(0.1, 0.5, 0.9))
    given = json.dumps(head.config)
    member = fitted(build, examples, head)
    raw = member.raw(examples)
    shape = (len(examples), examples.horizon + 1, head.raw_dim)
    _require(raw.shape == shape, f"give raw as {shape}, not {raw.shape}")
    _require(bool(np.isfinite(raw).all()), "give finite answers")
    known = member.knows(examples)
    _require(known.shape == (len(examples),) and known.dtype == np.bool_, "say by example")
    none = np.arange(0)
    _require(member.raw(examples.take(none)).shape == (0, *shape[1:]), "answer no examples")
    order = np.random.default_rng(1).permutation(len(examples))
    _require_close(member.raw(examples.take(order)), raw[order], "follow the order of examples")
    for row in range(0, len(examples), 97):
        alone = member.raw(examples.take(np.array([row])))
        _require_close(alone, raw[row : row + 1], "answer an example without regard to others")
    _require_close(fitted(build, examples, head).raw(examples), raw, "be the same by its seed")
    again = type(member)(**json.loads(json.dumps(member.config)))
    again.load_state(member.state(), head=head)
    _require_close(again.raw(examples), raw, "answer the same after a round trip")
    _require(json.dumps(head.config) == given, "leave the head as it is")
    _check_refusals(member, head)
    _check_causal(member, examples)
    _check_absent(member, examples)


def fitted(build: Build, examples: Examples, head: SalesPathHead) -> ForecastMember:
    """A member that has learned from examples."""
    targets, levels = examples.paths(), examples.levels()
    training = PathTraining(targets, levels / levels.mean())
    member = build()
    member.fit(examples, head=head, training=training, seed=0)
    return member


def _check_refusals(member: ForecastMember, head: SalesPathHead) -> None:
    """A state, which may come from a stranger, that lacks something or holds more."""
    state = member.state()
    lacking = {name: state[name] for name in list(state)[1:]}
    more: State = {**state, "left_over": torch.zeros(1)}
    for broken, rule in ((lacking, "lacks something"), (more, "has something left over")):
        try:
            type(member)(**member.config).load_state(broken, head=head)
        except ValueError:
            continue
        _require(False, f"refuse a state that {rule}")


def _check_causal(member: ForecastMember, examples: Examples) -> None:
    """Nothing at or after the date of an example, but what is known ahead, changes its answer."""
    panel, date = examples.panel, int(np.median(examples.as_of))
    rows = np.flatnonzero(examples.as_of == date)
    asked = examples.take(rows)
    later = np.zeros(len(panel.units), dtype=bool)
    for one in range(panel.n_series):
        begin, stop = int(panel.offsets[one]), int(panel.offsets[one + 1])
        later[max(begin + date - int(panel.first[one]), begin) : stop] = True
    columns = {
        name: values if name in panel.known else np.where(later, values * 3 + 7, values)
        for name, values in asked.windows.columns.items()
    }
    market = {
        name: np.where(np.arange(len(values)) >= date - panel.start, values * 3 + 7, values)
        for name, values in asked.windows.market.items()
    }
    changed = replace(asked, windows=replace(asked.windows, columns=columns, market=market))
    changed = replace(
        changed, panel=replace(panel, units=columns["units"], columns={**panel.columns, **columns})
    )
    _require_close(member.raw(changed), member.raw(asked), "see nothing of what comes later")


def _check_absent(member: ForecastMember, examples: Examples) -> None:
    """What is absent of an item, even NaN, changes nothing."""
    content = examples.content
    assert content is not None
    blocks = {
        name: replace(block, values=_poisoned(block.values, content.present[name]))
        for name, block in content.blocks.items()
        if block.kind in ("vectors", "numbers")
    }
    poisoned = replace(examples, content=replace(content, blocks={**content.blocks, **blocks}))
    _require_close(member.raw(poisoned), member.raw(examples), "not read what is absent")


def _poisoned(values: Paths, there: Mask) -> Paths:
    return np.where(there[:, None], values, np.nan).astype(values.dtype)


def _require_close(found: Paths, wanted: Paths, rule: str) -> None:
    _require(bool(np.allclose(found, wanted, atol=CLOSE, rtol=CLOSE)), rule)


def _require(holds: bool, rule: str) -> None:
    assert holds, f"a member of a forecast must {rule}"
