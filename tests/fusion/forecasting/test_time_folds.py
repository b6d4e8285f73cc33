"""Dates are held out at the end, in blocks of near dates, with something to learn from before."""

import numpy as np
import pytest

from fusion.forecasting.examples import past_examples
from fusion.forecasting.members.example import HORIZON, example_panel
from fusion.forecasting.time_folds import held_out_blocks


@pytest.fixture(scope="module")
def examples():
    panel = example_panel()
    return past_examples(panel, horizon=HORIZON, until=panel.end)


def test_the_latest_dates_whose_steps_are_over_stand_in_one_block_each(examples):
    blocks = held_out_blocks(examples, share=0.2, most=3)
    dates = [np.unique(examples.as_of[rows]) for rows in blocks]
    assert len(blocks) == 3 and all(len(one) for one in dates)
    held = np.concatenate(dates)
    over = np.unique(examples.as_of[examples.as_of + HORIZON <= examples.until])
    assert held.tolist() == over[-round(0.2 * len(over)) :].tolist()


def test_before_each_block_there_is_an_example_that_is_over(examples):
    for rows in held_out_blocks(examples, share=0.99, most=4):
        assert (examples.as_of + HORIZON <= examples.as_of[rows].min()).any()


def test_sales_that_are_too_short_hold_no_date_out():
    panel = example_panel()
    short = past_examples(panel, horizon=HORIZON, until=panel.start + HORIZON + 1)
    assert held_out_blocks(short, share=0.5, most=3) == []
