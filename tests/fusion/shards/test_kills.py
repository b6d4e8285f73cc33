"""Jobs that are killed at random moments; benchmarks/promises/kills.py does it 400 times."""

from functools import partial

import pytest

from benchmarks.kill_job import OneProcess, job_of, kill_at_random, run_until, write_items
from fusion.shards.layout import Layout
from fusion.shards.pool import LocalEngine

ROWS, SHARD_ROWS, LONGEST_S = 300, 20, 0.5

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def whole(tally):
    return (tally.lost, tally.twice, tally.differing, tally.problems) == (0, 0, 0, [])


@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_a_job_that_is_killed_at_random_loses_and_repeats_nothing(tmp_path, kills):
    write_items(tmp_path / "items.csv", rows=ROWS)
    run = job_of(tmp_path / "items.csv", shard_rows=SHARD_ROWS, engine=OneProcess)
    run_until(partial(run, tmp_path / "straight"), None)
    tally = kill_at_random(
        run, tmp_path / "killed", tmp_path / "straight", kills=kills, longest_s=LONGEST_S
    )
    assert tally.kills == kills
    assert whole(tally), tally
    assert tally.touched == 0
    assert not list((tmp_path / "killed").rglob("*.tmp"))


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_workers_that_outlive_their_killed_job_do_no_harm_to_the_next(tmp_path, forked_pool, kills):
    write_items(tmp_path / "items.csv", rows=ROWS)
    engine = partial(LocalEngine, layout=Layout(2, 1), stall_s=60.0)
    run = job_of(tmp_path / "items.csv", shard_rows=SHARD_ROWS, engine=engine)
    run_until(partial(run, tmp_path / "straight"), None)
    tally = kill_at_random(
        run, tmp_path / "killed", tmp_path / "straight", kills=kills, longest_s=LONGEST_S
    )
    assert whole(tally), tally
