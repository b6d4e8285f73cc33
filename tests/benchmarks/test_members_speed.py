"""Benchmarks of what members changed run on tiny sizes."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from encoders.image.efficientnet_lite0_weights import PACKAGE

REPOSITORY = Path(__file__).parents[2]


def test_the_kernel_is_measured_by_the_number_of_rows(script, monkeypatch, capsys):
    kernel_rows = script("kernel_rows")

    def at_once(work, n_rows):
        work(n_rows)
        return 1.0, 2.0

    monkeypatch.setattr(kernel_rows, "measured", at_once)
    kernel_rows.main(["--rows", "60"])
    printed = capsys.readouterr().out
    assert "| 60 | 0." in printed and "|  | 1.0 | 2 |" in printed


def test_two_versions_of_the_demo_are_timed_in_turns(script, monkeypatch, capsys):
    demo_time = script("demo_time")
    ran = []

    def run(checkout):
        ran.append(checkout)
        return (4.0, 8.0) if checkout == Path("/") else (1.0, 6.0)

    monkeypatch.setattr(demo_time, "demo", run)
    demo_time.main(["--before", "/", "--rounds", "1"])
    assert ran == [Path("/"), REPOSITORY]
    assert "| seconds | 4 | 1 | 0.25 (0.25 .. 0.25) | <= 0.5 |" in capsys.readouterr().out


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra lite0")
def test_readers_of_photos_are_timed_side_by_side(script, capsys):
    script("photo_lite0").main(["--photos", "2", "--rounds", "1"])
    assert "| efficientnet_lite0, float32 |" in capsys.readouterr().out
