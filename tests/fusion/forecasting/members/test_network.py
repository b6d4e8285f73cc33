"""Networks of paths: what they learn, what they must not see, and how they are told to."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.forecasting.examples import Examples
from fusion.forecasting.members import network as member_file
from fusion.forecasting.members import path_training
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.check import fitted
from fusion.forecasting.members.example import example_examples
from fusion.forecasting.members.item_content import ItemBlock, ItemContent, readable_blocks
from fusion.forecasting.members.network import NetworkPathMember
from fusion.forecasting.members.path_settings import PathSettings
from fusion.forecasting.members.path_training import PathData, one_cycle, path_data, with_masked
from fusion.members.view import View
from heads.sales_path import SalesPathHead

SMALL = {"width": 32, "epochs": 8, "batch_size": 64, "learning_rate": 1e-2, "dropout": 0.0}
MEDIAN = 6
"""Place of the median in a path: behind the mean and five lower quantiles."""


def head_of(examples: Examples) -> SalesPathHead:
    return SalesPathHead.fitted(examples.paths(), levels=(0.1, 0.5, 0.9))


def fit(examples: Examples, **options: Any) -> NetworkPathMember:
    options = {"settings": SMALL, **options}
    member = fitted(lambda: NetworkPathMember(**options), examples, head_of(examples))
    assert isinstance(member, NetworkPathMember)
    return member


def with_price(examples: Examples, price: float) -> Examples:
    """The same questions, with another price planned for every step to come."""
    windows = examples.windows
    values = windows.columns["price"].copy()
    places = windows.end[:, None] + np.arange(examples.horizon)
    values[np.minimum(places, len(values) - 1).ravel()] = price
    return replace(examples, windows=replace(windows, columns={**windows.columns, "price": values}))


@pytest.mark.parametrize(
    ("series", "decoder"),
    [
        ("lag_features", "linear"),
        ("temporal_convolution", "seq2seq"),
        ("series_transformer", "transformer"),
        ("lstm", "linear"),
    ],
)
def test_a_promotion_that_is_known_ahead_raises_the_answer(series: str, decoder: str) -> None:
    examples = example_examples()
    small = {"length": 8, "steps_dim": 8, "embedding_dim": 16} if series != "lag_features" else {}
    member = fit(examples, series={series: small}, decoder=decoder)
    asked = examples.take(np.flatnonzero(examples.as_of == examples.as_of.max() - 4))
    cheap, dear = (member.raw(with_price(asked, price)) for price in (6.0, 9.0))
    assert cheap[:, :, MEDIAN].mean() > 1.15 * dear[:, :, MEDIAN].mean()


def test_content_decides_the_level_of_items_that_never_sold() -> None:
    examples = example_examples()
    rng = np.random.default_rng(0)
    panel = examples.panel
    level = np.array(
        [
            np.nanmean(panel.units[begin:stop])
            for begin, stop in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)
        ]
    )
    told = np.stack([np.log(level), *rng.normal(size=(2, len(level)))], axis=1).astype(np.float32)
    there = np.ones(len(level), dtype=bool)
    content = View(
        {"numeric": Block("", "numbers", told)},
        {"numeric": there},
        ModelInputs({"numeric": torch.from_numpy(there)}),
        {},
    )
    new = replace(examples, content=content).recent(np.zeros(len(examples), dtype=np.int64))
    member = fit(new)
    answers = member.raw(new)[:, -1, MEDIAN] * new.levels()
    large = level[examples.windows.series] > np.median(level)
    assert answers[large].mean() > 2.0 * answers[~large].mean()


def test_content_that_is_not_given_counts_as_absent() -> None:
    examples = example_examples()
    member = fit(examples, settings={**SMALL, "epochs": 1})
    content = examples.content
    assert content is not None
    nothing = {name: np.zeros_like(mask) for name, mask in content.present.items()}
    absent = member.raw(replace(examples, content=replace(content, present=nothing)))
    assert np.allclose(member.raw(replace(examples, content=None)), absent)
    assert not np.allclose(member.raw(examples), absent)


def test_nothing_is_known_of_an_item_without_history_and_content() -> None:
    examples = example_examples()
    member = fit(examples, settings={**SMALL, "epochs": 1})
    new = examples.recent(np.zeros(len(examples), dtype=np.int64))
    last = examples.windows.series == examples.panel.n_series - 1  # it lacks all content
    assert member.knows(examples).tolist() == ((examples.windows.lengths > 0) | ~last).tolist()
    assert not member.knows(replace(new, content=None)).any()


def test_blocks_of_another_size_are_refused() -> None:
    examples = example_examples()
    blocks = [ItemBlock("text", "vectors", 9)]
    with pytest.raises(ValueError, match="text must be vectors of size 9, got vectors of size 8"):
        ItemContent(examples, blocks)
    assert [block.name for block in readable_blocks(examples)] == [
        "numeric",
        "numeric.brand",
        "text",
    ]


def test_shortened_examples_ask_for_the_same_units_with_the_same_weight() -> None:
    examples = example_examples()
    targets, levels = examples.paths(), examples.levels()
    learned, training = with_masked(
        examples, PathTraining(targets, levels / levels.mean()), share=0.5, seed=0
    )
    n = len(examples)
    assert len(learned) == n + round(n / 2)
    assert (learned.windows.lengths[n:] <= 4).all()
    assert np.array_equal(learned.windows.lengths[:n], examples.windows.lengths)
    assert np.allclose(
        training.targets[n:], learned.take(np.arange(n, len(learned))).paths(), equal_nan=True
    )
    assert np.allclose(training.weight / learned.levels(), 1 / levels.mean())


def test_networks_are_averaged() -> None:
    examples = example_examples()
    member = fit(examples, n_networks=2, settings={**SMALL, "epochs": 1})
    both, networks = member.raw(examples), member.networks
    each = []
    for network in networks:
        member.networks = [network]
        each.append(member.raw(examples))
    assert np.allclose(both, np.mean(each, axis=0))
    assert not np.allclose(each[0], each[1])


def test_embeddings_that_are_too_many_to_hold_are_made_batch_by_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples = example_examples()
    held = fit(examples, settings={**SMALL, "epochs": 1}).raw(examples)
    monkeypatch.setattr(path_training, "HELD_BYTES", 0)
    made = fit(examples, settings={**SMALL, "epochs": 1}).raw(examples)
    assert np.allclose(held, made, atol=1e-4)


def test_no_examples_end_in_the_best_constant_answer() -> None:
    examples = example_examples()
    head, none = head_of(examples), examples.take(np.arange(0))
    member = NetworkPathMember.tiny()
    member.fit(none, head=head, training=PathTraining(none.paths(), none.levels()), seed=0)
    assert np.isfinite(member.raw(examples)).all()


def test_weights_of_another_shape_are_refused() -> None:
    examples = example_examples()
    member = fit(examples, settings={**SMALL, "epochs": 1})
    state = member.state()
    again = NetworkPathMember(**member.config)
    with pytest.raises(ValueError, match=r"missing or left over: 0\.trunk\.0\.bias \(1\)"):
        again.load_state(
            {name: tensor for name, tensor in state.items() if name != "0.trunk.0.bias"},
            head=head_of(examples),
        )
    with pytest.raises(ValueError, match=r"0\.trunk\.0\.bias must be of shape \[32\]"):
        again.load_state({**state, "0.trunk.0.bias": torch.zeros(3)}, head=head_of(examples))


def test_every_unknown_name_is_told_at_once() -> None:
    with pytest.raises(ValueError) as told:
        NetworkPathMember(series={"lstn": {}}, decoder="least_squares", n_networks=0)
    for words in ("lstm", "decoder", "n_networks must be from 1"):
        assert words in str(told.value)


@pytest.mark.parametrize(
    ("n", "epochs", "batch_size", "dropout"),
    [(0, 60, 32, 0.5), (500, 25, 32, 0.5), (10_000, 8, 156, 0.35), (200_000, 8, 1024, 0.2)],
)
def test_few_examples_are_seen_more_often_in_smaller_batches_with_more_dropout(
    n: int, epochs: int, batch_size: int, dropout: float
) -> None:
    found = PathSettings().schedule(n)
    assert (found.epochs, found.n_batches) == (epochs, max(1, round(n / batch_size)))
    assert found.rate == pytest.approx(4e-3 * (batch_size / 1024) ** 0.5)
    assert found.dropout == pytest.approx(dropout)
    assert PathSettings(dropout=0.0).schedule(n).dropout == 0.0
    assert PathSettings(epochs=3, batch_size=7).schedule(700)[:2] == (3, 100)


@pytest.mark.parametrize(
    ("n", "threads", "n_networks", "expected"),
    [
        (10_000, None, 1, (1, 1)),
        (10_000, None, 3, (2, 1)),
        (10_000, 3, 1, (1, 3)),
        (200_000, None, 1, (1, 2)),
        (200_000, None, 3, (2, 1)),
        (200_000, 1, 3, (1, 1)),
    ],
)
def test_small_networks_take_one_thread_each_and_large_ones_share_all(
    n: int,
    threads: int | None,
    n_networks: int,
    expected: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    assert PathSettings(threads=threads).shared_out(n, n_networks=n_networks) == expected


def test_a_training_computes_with_the_threads_that_settings_share_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: dict[str, int] = {}
    monkeypatch.setattr(
        member_file, "run_at_once", lambda trainings, work, **given: told.update(given)
    )
    fit(example_examples(), n_networks=3, settings={**SMALL, "threads": 2})
    assert told == {"at_once": 2, "n_threads": 1}


def test_step_sizes_rise_and_fall_once() -> None:
    rates = np.array([one_cycle(step, 50) for step in range(50)])
    assert rates.max() > 0.99 and rates[-1] < 1e-4
    assert (np.diff(np.sign(np.diff(rates))) != 0).sum() == 1


def data_of(examples: Examples, weight: np.ndarray) -> PathData:
    return path_data(
        examples,
        PathTraining(examples.paths(), weight),
        head=head_of(examples),
        encoders={},
        content=ItemContent(examples, []),
    )


def test_old_examples_are_drawn_less_often_and_count_as_much_as_their_weight_says() -> None:
    examples = example_examples()
    known = np.flatnonzero(np.isfinite(examples.paths()).any(axis=1))
    examples = examples.take(known)
    recent = 0.5 ** ((examples.as_of.max() - examples.as_of) / 4)
    weight = examples.levels() * recent
    data = data_of(examples, weight)
    assert data.n_drawn < len(examples)
    np.testing.assert_allclose(data.chance, np.sqrt(recent))
    counted = data.weight.numpy() * data.chance
    np.testing.assert_allclose(counted / counted.sum(), weight / weight.sum(), rtol=1e-5)


def test_examples_of_one_age_are_all_drawn() -> None:
    examples = example_examples()
    data = data_of(examples, examples.levels())
    assert data.n_drawn == len(data.weight)
