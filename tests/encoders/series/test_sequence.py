"""Encoders that read a series period by period: masks, padding, scales, and what they tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders import ENCODERS
from encoders.series.example import example_windows
from encoders.series.inputs import NumberScale, SeriesInputs
from encoders.series.sequence import SequenceEncoder
from encoders.series.steps import StepsEncoder
from encoders.series.windows import Calendar, Windows

SAMPLES = example_windows()
NAMES = ("lstm", "temporal_convolution", "series_transformer")


def encoder_of(name: str, *, length: int = 10) -> SequenceEncoder:
    torch.manual_seed(0)
    kind = ENCODERS[name]
    assert issubclass(kind, SequenceEncoder)
    return kind.fitted(example_windows(24), length=length, steps_dim=8, embedding_dim=6).eval()


def longer(encoder: SequenceEncoder, length: int) -> SequenceEncoder:
    """The same weights, reading more periods."""
    inputs = {**encoder.inputs.config, "length": length}
    found = type(encoder)(**{**encoder.config, "inputs": inputs})
    found.load_state_dict(encoder.state_dict())
    return found.eval()


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(name: str) -> None:
    encoder = encoder_of(name)
    windows = example_windows().recent(np.full(12, 10))
    found = longer(encoder, 31).encode(windows)
    assert np.allclose(found, encoder.encode(windows), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_history_has_a_finite_embedding_and_nothing_in_its_memory(name: str) -> None:
    encoder = encoder_of(name)
    assert isinstance(encoder, StepsEncoder)
    windows = example_windows()
    with torch.no_grad():
        steps = encoder.steps(encoder.preprocess(windows))
    empty = windows.lengths == 0
    assert empty.sum() == 2
    assert not steps.mask[empty].any() and (steps.memory[empty] == 0).all()
    assert steps.embedding.isfinite().all()
    lengths = np.minimum(windows.lengths, encoder.inputs.length)
    assert steps.mask.sum(dim=1).tolist() == lengths.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_each_past_period_reaches_the_embedding(name: str) -> None:
    encoder = encoder_of(name, length=6)
    tensors = encoder.preprocess(example_windows())
    tensors["past"].requires_grad_()
    encoder(tensors).pow(2).sum().backward()
    gradient = tensors["past"].grad
    assert gradient is not None
    reached = gradient.abs().sum(dim=-1) > 0
    assert torch.equal(reached, tensors["mask"])


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_periods_counts(name: str) -> None:
    encoder, windows = encoder_of(name, length=6), example_windows(24)
    tensors = encoder.preprocess(windows.take(np.flatnonzero(windows.lengths >= 8)))
    turned = {**tensors, "past": tensors["past"].flip(1)}
    apart = encoder.steps(tensors).memory.mean(dim=1) - encoder.steps(turned).memory.mean(dim=1)
    assert apart.abs().max() > 1e-3


def changed_later(windows: Windows, names: set[str]) -> Windows:
    """The same, but for other numbers after the first step of the only row."""
    end = int(windows.end[0])
    columns = {
        name: np.where(np.arange(len(values)) >= end, values * 3 + 7, values)
        for name, values in windows.columns.items()
        if name in names
    }
    market = {
        name: np.where(
            np.arange(len(values)) >= windows.period[0] - windows.market_start, 99.0, values
        )
        for name, values in windows.market.items()
    }
    return replace(windows, columns={**windows.columns, **columns}, market=market)


@pytest.mark.parametrize("row", range(6))
def test_what_comes_later_changes_no_tensor_unless_it_is_known_ahead(row: int) -> None:
    inputs = SeriesInputs.fitted(example_windows(24), length=10)
    windows = example_windows().take(np.array([row]))
    before = inputs.tensors(windows)
    later = inputs.tensors(changed_later(windows, {"units", "visitors"}))
    assert all(torch.equal(later[name], before[name]) for name in before)
    planned = inputs.tensors(changed_later(windows, {"price"}))
    assert not torch.equal(planned["future"], before["future"])


def test_units_are_read_by_their_level() -> None:
    windows = example_windows()
    large = {**windows.columns, "units": windows.columns["units"] * 1000}
    inputs = SeriesInputs.fitted(windows, length=10)
    small, big = inputs.tensors(windows), inputs.tensors(replace(windows, columns=large))
    assert (small["past"] - big["past"]).abs().max() < 0.5
    assert (big["own"][5, 0] - small["own"][5, 0]) > 2.0


def test_a_shortened_history_equals_a_short_one() -> None:
    inputs, windows = SeriesInputs.fitted(example_windows(24), length=10), example_windows()
    cut = inputs.tensors(windows.recent(np.full(12, 3)))
    begin = np.maximum(windows.begin, windows.end - 3)
    short = inputs.tensors(replace(windows, begin=begin, is_cut=np.zeros(12, dtype=bool)))
    assert all(torch.equal(cut[name], short[name]) for name in cut)


def test_scales_are_learned_from_what_was_known() -> None:
    windows = example_windows(24)
    later = replace(
        windows,
        columns={
            **windows.columns,
            "visitors": np.where(
                np.isin(
                    np.arange(len(windows.columns["visitors"])),
                    (windows.end[:, None] + np.arange(4)).ravel(),
                ),
                1e6,
                windows.columns["visitors"],
            ),
        },
    )
    assert SeriesInputs.fitted(later).config == SeriesInputs.fitted(windows).config


def test_what_all_series_share_at_a_date_is_read_where_windows_cover_years() -> None:
    windows = example_windows(24)
    short = SeriesInputs.fitted(windows)
    assert "units" not in short.market and not short.reads_year and short.future_dim == 2
    long = SeriesInputs.fitted(replace(windows, period=windows.period - 4 * np.arange(24)))
    assert "units" in long.market and long.reads_year and long.future_dim == 6
    assert SeriesInputs.from_config(long.config) == long


def test_days_are_read_with_their_day_of_the_week() -> None:
    windows = replace(example_windows(), calendar=Calendar("day"))
    inputs = SeriesInputs.fitted(windows)

    def weekdays(later: int) -> torch.Tensor:
        moved = replace(windows, period=windows.period + later)
        return inputs.tensors(moved)["future"][..., :2]

    assert torch.allclose(weekdays(0), weekdays(7), atol=1e-6)
    assert not torch.allclose(weekdays(0), weekdays(1), atol=1e-2)


def test_numbers_that_act_by_factors_are_read_as_logarithms() -> None:
    rng = np.random.default_rng(0)
    skewed, even = np.exp(2 * rng.normal(size=(50, 4))), rng.normal(size=(50, 4))
    assert NumberScale.fitted(skewed).is_log
    found = NumberScale.fitted(even)
    assert not found.is_log and abs(found.std - 1.0) < 0.2
    assert NumberScale.fitted(np.full((3, 2), np.nan)) == NumberScale()


def test_other_columns_and_horizons_are_refused() -> None:
    windows = example_windows()
    inputs = SeriesInputs.fitted(windows)
    units = replace(windows, columns={"units": windows.columns["units"]})
    with pytest.raises(ValueError, match="must have the columns price, visitors"):
        inputs.tensors(units)
    with pytest.raises(ValueError, match="must ask for 4 steps, got 2"):
        inputs.tensors(example_windows(n_steps=2))


@pytest.mark.parametrize("name", NAMES)
def test_sizes_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="steps_dim must be a whole number"):
        ENCODERS[name](steps_dim=0)
    with pytest.raises(ValueError, match="length must be a whole number"):
        ENCODERS[name](inputs={"length": 0})
