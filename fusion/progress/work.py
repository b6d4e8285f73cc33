"""How far a piece of work is: counts of what was really done, rate, time left, how it ended."""

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

WINDOW_S = 60.0
"""The rate is that of the last minute: what an hour ago was slow says nothing of the next."""
SAMPLE_S = 0.5

Ending = Literal["", "done", "stopped early", "broken off"]


class Work:
    """A piece of work under way; call it with the number of units that were finished now.

    It ends with its block: `done` where all units were finished, `stopped early` where fewer were
    needed, `broken off` by an error.

    Args:
        name: What is done, "embedding text".
        total: How many units there are.
        unit: What is counted, "texts".
        on_change: Called after each change, and at the end.

    Example:
        >>> with Work("embedding text", 4, "texts") as work:
        ...     work.known(1)
        ...     work(3)
        >>> work.done, work.ending
        (4, 'done')
    """

    def __init__(
        self,
        name: str,
        total: int,
        unit: str,
        on_change: Callable[["Work"], None] = lambda work: None,
    ) -> None:
        self.name = name
        self.total = total
        self.unit = unit
        self.done = 0
        self.words = ""
        self.ending: Ending = ""
        self.n_known = 0
        self._on_change = on_change
        self._begun = time.monotonic()
        self._ended = 0.0
        self._samples = deque([(self._begun, 0)])

    def __call__(self, count: int) -> None:
        """So many more units are finished; 0 is a sign of life."""
        self.done += count
        now = time.monotonic()
        if now - self._samples[-1][0] >= SAMPLE_S:
            self._samples.append((now, self.done))
        while len(self._samples) > 2 and now - self._samples[1][0] > WINDOW_S:
            self._samples.popleft()
        self._on_change(self)

    def known(self, count: int) -> None:
        """So many units need no work: found, repeated, or done by an earlier run."""
        self.done += count
        self.n_known += count
        self._samples = deque([(time.monotonic(), self.done)])
        self._on_change(self)

    def expect(self, total: int) -> None:
        """There are so many units: more is known now than when the work began."""
        self.total = total
        self._on_change(self)

    def say(self, words: str) -> None:
        """Something besides numbers that people want to know."""
        self.words = words
        self._on_change(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = time.monotonic()
        if self.done == self.total:
            self.ending = "done"
        else:
            self.ending = "stopped early" if kind is None else "broken off"
        self._on_change(self)

    @property
    def seconds(self) -> float:
        """Since the work began, until now or its end."""
        return (self._ended or time.monotonic()) - self._begun

    @property
    def rate(self) -> float:
        """Units a second in the last minute, at the end over all; what was known is not counted."""
        if self._ended:
            return (self.done - self.n_known) / max(self.seconds, 1e-9)
        since, before = self._samples[0]
        return max(0.0, (self.done - before) / max(time.monotonic() - since, 1e-9))

    def told(self) -> str:
        """Counts, rate, and time left by this rate, or how it ended, in words."""
        share = 100 * self.done // self.total if self.total else 100
        parts = [f"{self.done:,}/{self.total:,} ({share} %)"]
        rate = self.rate
        if rate > 0:
            parts.append(_rate(rate, self.unit))
        if self.ending:
            how = "" if self.ending == "done" else f"{self.ending}, "
            parts.append(f"{how}took {_duration(self.seconds)}")
        elif rate > 0:
            parts.append(f"{_duration((self.total - self.done) / rate)} left")
        return ", ".join([*parts, *([self.words] if self.words else [])])


Stage = Callable[[str, int, str], Work]
"""Opens a piece of work: `with stage("embedding text", 1200, "texts") as work:`."""


def silent(name: str, total: int, unit: str) -> Work:
    """A stage that shows nothing."""
    return Work(name, total, unit)


def within(stage: Stage, where: str) -> Stage:
    """The same stage, whose names say where they belong: "embedding text, test rows"."""
    return lambda name, total, unit: stage(f"{name}, {where}", total, unit)


def _rate(rate: float, unit: str) -> str:
    """Units a second; where each takes more than 10 seconds, how long."""
    if rate < 0.1:
        return f"{_duration(1 / rate)} each"
    return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.2g} {unit}/s"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
