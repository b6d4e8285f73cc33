"""Every promise of the toolkit, each with the cases that try it."""

from benchmarks.promises import (
    bad_rows,
    batch,
    bombs,
    bundles,
    cells,
    estimator_checks,
    full_disk,
    kills,
    memory,
    modalities,
    mutations,
    paths,
    poison,
    reports,
    two_writers,
    urls,
)
from benchmarks.promises.base import Outcome, Promise, Settings

PROMISES: dict[str, Promise] = {
    "bad_rows": bad_rows.PROMISE,
    "kills": kills.PROMISE,
    "full_disk": full_disk.PROMISE,
    "two_writers": two_writers.PROMISE,
    "poison": poison.PROMISE,
    "bombs": bombs.PROMISE,
    "mutations": mutations.PROMISE,
    "cells": cells.PROMISE,
    "paths": paths.PROMISE,
    "urls": urls.PROMISE,
    "bundles": bundles.PROMISE,
    "reports": reports.PROMISE,
    "batch": batch.PROMISE,
    "memory": memory.PROMISE,
    "sklearn": estimator_checks.PROMISE,
    "modalities": modalities.PROMISE,
}

__all__ = ["PROMISES", "Outcome", "Promise", "Settings"]
