"""`--log-json`: what a run does, for programs, one JSON object a line on the error stream.

Every line has `time` (seconds since 1970) and `event`, as in `events.jsonl` of a job:

- `started`: `verb`, `version`.
- `progress`: `stage`, `done`, `total`, `unit`, and `state` (words, such as failures by reason)
  where there is one; at the begin of a stage, at most once a second in between, and at its end with
  `ending`: `done`, `stopped early` or `broken off`.
- `note`: `message`, what a person would read as a line beside the bars.
- `error`: `message`, why a run was refused or has stopped.
- `ended`: `exit_code`, `seconds`; always the last line, whatever happened.
"""

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from fusion.progress import Work
from fusion.system.files import readable

SECONDS_APART = 1.0
LOGGERS = ("fusion", "py.warnings")


def write_event(event: str, **fields: Any) -> None:
    """Writes one event to the error stream, at once."""
    line = json.dumps({"time": round(time.time(), 3), "event": event, **fields})
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def stage_lines(name: str, total: int, unit: str) -> Work:
    """A stage that is told in lines, see `fusion.progress.Stage`."""
    told = -math.inf

    def changed(work: Work) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= SECONDS_APART or work.ending:
            told = now
            more = {"state": readable(work.words)} if work.words else {}
            more |= {"ending": work.ending} if work.ending else {}
            place = {"stage": readable(name), "done": work.done, "total": work.total}
            write_event("progress", **place, unit=unit, **more)

    work = Work(name, total, unit, changed)
    changed(work)
    return work


@contextmanager
def run_lines(verb: str) -> Iterator[Callable[[str], None]]:
    """Tells begin and end of a run; what it gives is called with why the run stops."""
    import fusion

    begun = time.monotonic()
    write_event("started", verb=verb, version=fusion.__version__)
    exit_code = 0
    try:
        with _notes():
            yield lambda message: write_event("error", message=readable(message))
    except typer.Exit as end:
        exit_code = end.exit_code
        raise
    except BaseException:
        exit_code = 1
        raise
    finally:
        seconds = round(time.monotonic() - begun, 3)
        write_event("ended", exit_code=exit_code, seconds=seconds)


class _Notes(logging.Handler):
    """Writes what is logged, and Python's warnings, as events."""

    def emit(self, record: logging.LogRecord) -> None:
        write_event("note", message=readable(record.getMessage().strip()))


@contextmanager
def _notes() -> Iterator[None]:
    handler = _Notes()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        logging.captureWarnings(False)
