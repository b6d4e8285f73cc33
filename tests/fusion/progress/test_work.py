import io
import re
import sys
import threading
import time

import pytest

from fusion.progress import Work, progress_shown, silent, within
from fusion.progress import work as clock
from fusion.progress.bars import progress_bars
from fusion.progress.lines import progress_lines


class Time:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def at(monkeypatch):
    found = Time()
    monkeypatch.setattr(clock, "time", found)
    return found


def test_the_line_says_counts_share_rate_and_the_time_left_by_that_rate(at):
    work = Work("embedding text", 4000, "texts")
    at.now += 10
    work(1200)
    assert work.told() == "1,200/4,000 (30 %), 120 texts/s, 23 s left"


def test_slow_work_says_how_long_each_unit_takes(at):
    work = Work("measuring modalities", 8, "models")
    at.now += 160
    work(2)
    assert work.told() == "2/8 (25 %), 80 s each, 8 min left"


def test_what_was_found_makes_no_rate(at):
    work = Work("embedding text", 4000, "texts")
    at.now += 5
    work.known(3000)
    assert work.told() == "3,000/4,000 (75 %)"
    at.now += 10
    work(500)
    assert work.told() == "3,500/4,000 (87 %), 50 texts/s, 10 s left"


def test_the_rate_is_that_of_the_last_minute(at):
    work = Work("embedding", 100_000, "rows")
    for _ in range(100):
        at.now += 10
        work(10)
    for _ in range(7):
        at.now += 10
        work(1000)
    assert work.rate == pytest.approx(100)


def test_it_ends_done_or_says_that_it_stopped_early_or_broke_off(at):
    with Work("training", 80, "epochs") as whole:
        at.now += 40
        whole(80)
    assert whole.told() == "80/80 (100 %), 2 epochs/s, took 40 s"
    with Work("training", 80, "epochs") as early:
        at.now += 100
        early(20)
    assert early.told() == "20/80 (25 %), 0.2 epochs/s, stopped early, took 2 min"
    with pytest.raises(ZeroDivisionError), Work("training", 80, "epochs") as broken:
        raise ZeroDivisionError
    assert broken.told() == "0/80 (0 %), broken off, took 0 s"


def test_all_but_one_of_many_is_not_yet_all():
    work = Work("embedding", 1000, "rows")
    work(999)
    assert work.told().startswith("999/1,000 (99 %)")


def test_names_say_where_they_belong():
    assert within(silent, "test rows")("embedding text", 3, "texts").name == (
        "embedding text, test rows"
    )


@pytest.mark.parametrize("shown", [progress_lines, progress_shown])
def test_off_a_terminal_each_end_is_one_plain_line(shown, capsys):
    with shown() as stage:
        with stage("embedding text", 4, "texts") as work:
            work.known(1)
            work(3)
        with stage("training 1 of 4", 80, "epochs") as work:
            work(37)
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"embedding text 4/4 \(100 %\), [\d,.e+]+ texts/s, took 0 s", first)
    assert re.fullmatch(r"training 1 of 4 37/80 \(46 %\), .* stopped early, took 0 s", second)


def test_off_a_terminal_there_is_a_line_every_few_seconds_even_when_nothing_moves(monkeypatch):
    written, twice = io.StringIO(), threading.Event()

    class Stream(io.StringIO):
        encoding = "ascii"

        def write(self, text):
            written.write(text)
            if written.getvalue().count("\n") == 2:
                twice.set()
            return len(text)

    monkeypatch.setattr(sys, "stderr", Stream())
    with progress_lines(every_s=0.01) as stage, stage("caf\u00e9\r\x1b[1m", 4, "texts"):
        assert twice.wait(60)
    lines = written.getvalue().split("\n")
    assert lines[0] == lines[1] == "caf\\xe9??[1m 0/4 (0 %)"
    assert "broken" not in written.getvalue() and "\r" not in written.getvalue()


def test_nothing_is_written_after_the_block(capsys):
    with progress_lines(every_s=0.01) as stage:
        stage("embedding", 4, "rows")
    capsys.readouterr()
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_bar_shows_the_same_words(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with progress_bars() as stage, stage("embedding text", 4, "texts") as work:
        work.expect(5)
        work(5)
    assert "5/5 (100 %)" in capsys.readouterr().err
