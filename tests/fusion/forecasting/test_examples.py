"""Examples ask what is sold from a date on, and know what was before."""

from dataclasses import replace

import numpy as np

from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel
from fusion.forecasting.examples import STAGES, examples_at, past_examples
from fusion.forecasting.time_folds import latest_origins

START = 100


def panel_of(*rows, first):
    """A panel whose series begin at some periods and all end together."""
    lengths = np.array([len(row) for row in rows])
    return Panel(
        frequency=Frequency("week"),
        start=START,
        ids=tuple(f"i{row}" for row in range(len(rows))),
        shops=None,
        first=np.array(first),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        units=np.concatenate(rows).astype(np.float32),
        given=np.ones(lengths.sum(), dtype=bool),
        reported=np.ones(max(lengths), dtype=bool),
    )


PANEL = panel_of(np.arange(10.0), [3.0, np.nan, 5.0, 1.0], first=[START, START + 6])


def test_every_question_of_which_a_step_is_known_is_asked_but_unknown_ages():
    asked = past_examples(PANEL, horizon=2, until=START + 10)
    pairs = list(zip(asked.windows.series.tolist(), (asked.as_of - START).tolist(), strict=True))
    assert pairs == [(0, n) for n in range(1, 10)] + [(1, n) for n in range(6, 10)]


def test_targets_are_the_units_of_the_steps_and_unknown_where_not_yet_over():
    asked = examples_at(PANEL, np.array([0, 0, 1]), START + np.array([3, 9, 6]), horizon=2)
    assert np.array_equal(asked.targets(), [[3, 4], [9, np.nan], [3, np.nan]], equal_nan=True)
    cut = past_examples(PANEL, horizon=2, until=START + 5)
    assert np.array_equal(cut.targets()[-1], [4, np.nan], equal_nan=True)


def test_the_level_is_the_mean_of_the_last_eight_known_periods_and_one():
    asked = examples_at(PANEL, np.array([0, 1, 1]), START + np.array([10, 9, 6]), horizon=2)
    assert asked.levels().tolist() == [np.arange(2, 10).mean() + 1, 5.0, 1.0]


def test_paths_are_relative_and_end_with_the_mean_of_the_window():
    asked = examples_at(PANEL, np.array([0]), np.array([START + 8]), horizon=2)
    level = asked.levels()[0]
    assert np.allclose(asked.paths(), [[8 / level, 9 / level, 8.5 / level]])


def test_stages_follow_the_history_that_is_there():
    asked = examples_at(PANEL, np.array([1, 1, 0, 0]), START + np.array([6, 7, 4, 5]), horizon=2)
    assert [STAGES[one] for one in asked.stages()] == ["new", "young", "young", "known"]
    masked = asked.recent(np.array([0, 0, 0, 2]))
    assert [STAGES[one] for one in masked.stages()] == ["new", "new", "new", "young"]


def test_the_market_is_the_sum_over_all_series():
    asked = examples_at(PANEL, np.array([0]), np.array([START + 8]), horizon=2)
    assert asked.windows.market["units"].tolist() == [0, 1, 2, 3, 4, 5, 9, 7, 13, 10]


def test_no_step_that_is_learned_from_lies_in_a_period_that_is_asked_about():
    asked = past_examples(PANEL, horizon=3, until=START + 10)
    learned, later = latest_origins(asked, 0.3)
    assert (asked.as_of[learned] + 3).max() <= asked.as_of[later].min()
    assert (asked.as_of[later] + 3).max() <= START + 10
    assert len(learned) and len(later)


def test_too_few_dates_hold_nothing_out():
    asked = past_examples(PANEL, horizon=8, until=START + 10)
    assert [len(part) for part in latest_origins(asked, 0.5)] == [0, 0]


def test_steps_before_the_first_value_of_a_series_are_not_known():
    asked = examples_at(PANEL, np.array([1]), np.array([START + 5]), horizon=3)
    assert asked.windows.lengths.tolist() == [0]
    assert np.array_equal(asked.targets(), [[np.nan, 3, np.nan]], equal_nan=True)


def rows_given(panel, places):
    given = np.zeros(len(panel.units), dtype=bool)
    given[places] = True
    return replace(panel, given=given)


def test_a_series_is_not_known_before_its_first_row_whenever_its_launch_was():
    panel = rows_given(PANEL, [0, 1, 12, 13])  # the second one has its first row at START + 8
    assert (panel.first_row - START).tolist() == [0, 8]
    asked = examples_at(panel, np.array([1, 1]), START + np.array([8, 9]), horizon=2)
    assert [STAGES[one] for one in asked.stages()] == ["new", "young"]
    assert asked.targets()[0].tolist() == [5, 1]
    learned = past_examples(panel, horizon=2, until=START + 10)
    assert (learned.as_of[learned.windows.series == 1] - START).tolist() == [6, 9]


def test_a_series_whose_first_row_comes_later_is_not_learned_from():
    learned = past_examples(rows_given(PANEL, [0, 12]), horizon=2, until=START + 8)
    assert set(learned.windows.series.tolist()) == {0}
    none = rows_given(PANEL, [0])
    assert (none.first_row - START).tolist() == [0, 10]


def test_an_item_that_comes_later_reads_no_market_of_the_time_until_then():
    market = {name: np.arange(12, dtype=np.float32) for name in ("rain", "holidays")}
    panel = replace(PANEL, market=market, known=frozenset({"holidays"}))
    asked = examples_at(panel, np.array([0]), np.array([START + 9]), horizon=2, until=START + 7)
    nan = np.nan
    for name, known in (("rain", [5, 6, nan, nan]), ("units", [5, 9, nan, nan])):
        found = asked.windows.past_market(name, 4)
        assert np.array_equal(found, [known], equal_nan=True)
    assert asked.windows.past_market("holidays", 4).tolist() == [[5, 6, 7, 8]]
    assert asked.windows.future_market("holidays").tolist() == [[9, 10]]
