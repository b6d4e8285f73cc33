"""Runs that are killed at one moment each and go on; kill_runs.py does it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes(request):
    """Moment of the kill -> what became of the run, for the moments that are tested now."""
    here = [item for item in request.session.items if item.path == Path(__file__)]
    moments = [item.callspec.params["moment"] for item in here]
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_runs.py"), *moments],
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
        pytest.param("before the first checkpoint", [], marks=SLOW),
        pytest.param("between checkpoints, inside an epoch", ["checkpoint-3"], marks=SLOW),
        pytest.param("at the end of an epoch", ["checkpoint-6"], marks=SLOW),
        ("in the middle of writing a checkpoint", ["checkpoint-3"]),
        pytest.param("after a checkpoint, before its receipt", ["checkpoint-3"], marks=SLOW),
        pytest.param("while the checkpoint before is removed", ["checkpoint-6"], marks=SLOW),
        pytest.param("after the last step", ["checkpoint-12"], marks=SLOW),
        pytest.param("before the result is noted", ["checkpoint-12"], marks=SLOW),
        pytest.param("before the last checkpoint is removed", ["checkpoint-12"], marks=SLOW),
        ("with a photo network, inside an epoch", ["checkpoint-3"]),
    ],
)
def test_a_run_that_is_killed_goes_on_to_the_same_bytes(moment, receipts, outcomes):
    expected = {"killed": -9, "receipts": receipts, "again": 0, "same": True}
    assert outcomes[moment] == expected
