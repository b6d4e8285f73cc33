"""What a promise is: how its cases are tried, and how what came of them is counted."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MOST_FAILURES = 20
"""Failures that are kept in words; more are only counted."""


@dataclass(frozen=True)
class Settings:
    """Where a promise is tried and how often.

    Args:
        folder: An empty folder of its own for everything that is made.
        scale: 1.0 for the numbers that are promised; less to try the script.
    """

    folder: Path
    scale: float = 1.0

    def n(self, full: int, *, least: int = 1) -> int:
        """A number of cases: `full` at scale 1.0, never fewer than `least`."""
        return max(least, round(full * self.scale))

    def some(self, cases: Sequence[T]) -> list[T]:
        """As many of some cases as the scale says, spread evenly over them."""
        wanted = min(len(cases), self.n(len(cases)))
        return [cases[place * len(cases) // wanted] for place in range(wanted)]


@dataclass
class Outcome:
    """What came of the cases of a promise.

    Args:
        tried: Number of cases.
        n_failed: Those in which it was broken.
        failures: The first of them in words.
        detail: What a reader should know besides, one sentence each.
    """

    tried: int = 0
    n_failed: int = 0
    failures: list[str] = field(default_factory=list)
    detail: list[str] = field(default_factory=list)

    @property
    def held(self) -> int:
        """Cases in which the promise was kept."""
        return self.tried - self.n_failed

    def case(self, name: str, broken: str = "") -> None:
        """Counts a case.

        Args:
            name: What was tried.
            broken: What was wrong; empty where the promise was kept.
        """
        self.tried += 1
        if broken:
            self.n_failed += 1
            if len(self.failures) < MOST_FAILURES:
                self.failures.append(f"{name}: {' '.join(broken.split())[:300]}")

    def cases(self, name: str, *, tried: int, failed: int, broken: str = "") -> None:
        """Counts many cases of one kind."""
        self.tried += tried
        self.n_failed += failed
        if failed and len(self.failures) < MOST_FAILURES:
            self.failures.append(f"{name}: {failed:,} of {tried:,}: {broken[:300]}")

    def attempt(self, name: str, work: Callable[[], str]) -> None:
        """Counts a case whose work says what was wrong; an exception is a failure too."""
        try:
            broken = work()
        except Exception as error:
            broken = f"{type(error).__name__}: {error}"
        self.case(name, broken)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class Promise:
    """One line of the table.

    Args:
        claim: What is promised, as the table says it.
        run: Tries it; `bf16` is what the environment says.
    """

    claim: str
    run: Callable[[Settings], Outcome]


def bfloat16_is_emulated() -> bool:
    """True where bf16 was asked for by `FUSION_BF16=yes` and the processor has none: it is slow."""
    import torch

    has = torch.cpu.get_capabilities()
    in_hardware = has.get("avx512_bf16") or has.get("amx_bf16")
    return os.environ.get("FUSION_BF16") == "yes" and not in_hardware
