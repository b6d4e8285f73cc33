"""What happened when: one JSON object a line for machines, the work of the job for people."""

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion.progress import Stage, Work
from fusion.system.files import named_errors

if TYPE_CHECKING:
    from fusion.shards.run import Outcome

MOST_REASONS = 3


class EventLog:
    """Appends to `events.jsonl` and keeps the counts that people want to see.

    Args:
        folder: Output folder of the job.
        n_before: Rows that were finished before.
        work: The job; its units are rows. It is told of those that are done, inside shards too.
    """

    def __init__(self, folder: Path, *, n_before: int, work: Work) -> None:
        self._path = folder / "events.jsonl"
        self._work = work
        self._under_way: dict[int, int] = {}  # shard -> rows of it that are done
        self.n_rows = n_before
        self.n_failed = 0
        self.n_parts = 0
        self.n_encoded = 0
        self.reasons: Counter[str] = Counter()
        _end_torn_line(self._path)
        work.known(n_before)

    def write(self, event: str, **fields: Any) -> None:
        """Appends one event; a torn last line is possible after a power cut, and harmless."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **fields})
        with named_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def done(self, outcome: "Outcome") -> None:
        """A shard was finished now."""
        receipt = outcome.receipt
        self.n_rows += receipt.n_rows
        self.n_failed += receipt.n_failed
        self.n_parts += outcome.n_parts
        self.n_encoded += outcome.n_encoded
        self.reasons.update(receipt.reasons)
        self.write(
            "shard_done",
            shard=receipt.shard,
            rows=receipt.n_rows,
            failed=receipt.n_failed,
            reasons=receipt.reasons,
            parts=outcome.n_parts,
            encoded=outcome.n_encoded,
            found=outcome.n_found,
            seconds=round(outcome.seconds, 3),
            commit_seconds=round(outcome.commit_seconds, 4),
        )
        self._work.say(self.state())
        self.at(receipt.shard, 0)

    def at(self, shard: int, rows: int) -> None:
        """So many rows of a shard are done that is not finished; 0 of one that has ended."""
        self._under_way[shard] = rows
        self._work(self.n_rows + sum(self._under_way.values()) - self._work.done)

    def stage(self, shard: int) -> Stage:
        """What follows a shard that is done in this process."""
        return lambda name, total, unit: Work(
            name, total, unit, lambda work: self.at(shard, work.done)
        )

    def state(self) -> str:
        """Failures by reason and the share of embeddings that needed no encoding."""
        words = []
        if self.n_failed:
            most = ", ".join(f"{n} {code}" for code, n in self.reasons.most_common(MOST_REASONS))
            words.append(f"{self.n_failed} failed ({most})")
        if self.n_encoded < self.n_parts:
            share = 1 - self.n_encoded / self.n_parts
            words.append(f"{share:.0%} of embeddings found in the store or repeated")
        return ", ".join(words)


def _end_torn_line(path: Path) -> None:
    """Keeps the next event from sharing a line with one that a full disk or power cut broke off."""
    with named_errors(path), path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                file.write(b"\n")
