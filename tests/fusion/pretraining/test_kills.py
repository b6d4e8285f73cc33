"""Runs that are killed at one moment each and go on; kill_runs.py does it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def outcomes():
    """Moment of the kill -> what became of the run."""
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_runs.py")],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("moment", "receipts"),
    [
        ("before the first checkpoint", []),
        ("between checkpoints, inside an epoch", ["checkpoint-3"]),
        ("at the end of an epoch", ["checkpoint-6"]),
        ("in the middle of writing a checkpoint", ["checkpoint-3"]),
        ("after a checkpoint, before its receipt", ["checkpoint-3"]),
        ("while the checkpoint before is removed", ["checkpoint-6"]),
        ("after the last step", ["checkpoint-12"]),
        ("before the result is noted", ["checkpoint-12"]),
        ("before the last checkpoint is removed", ["checkpoint-12"]),
        ("with a photo network, inside an epoch", ["checkpoint-3"]),
    ],
)
def test_a_run_that_is_killed_goes_on_to_the_same_bytes(moment, receipts, outcomes):
    expected = {"killed": -9, "receipts": receipts, "again": 0, "same": True}
    assert outcomes[moment] == expected
