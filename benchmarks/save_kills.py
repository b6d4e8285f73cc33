"""Saves of a small model that are killed at random moments, over a bundle that lies there.

python benchmarks/save_kills.py
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of torch do not survive a fork

import numpy as np
import pandas as pd
from kill_job import run_until

from fusion import BundleError, FusionRegressor, load_bundle, save_bundle
from fusion.bundle import Bundle
from fusion.system import folders

BEYOND = 1.2
"""A save is killed within this many times what a whole one takes."""


@dataclass
class Tally:
    """What became of saves that were killed.

    Args:
        tried: Saves that were begun.
        killed: Those that a SIGKILL met.
        old: Whole bundles from before, found afterwards.
        new: Whole bundles of the save, found afterwards.
        lost: Times that no whole bundle was found, or another one.
        refused: Saves that ended with an error.
        left: Folders of dead saves that still lay there after a last save without a kill.
        seconds: Wall time.
    """

    tried: int = 0
    killed: int = 0
    old: int = 0
    new: int = 0
    lost: int = 0
    refused: int = 0
    left: int = 0
    seconds: float = 0.0


def small_bundle() -> Bundle:
    """A model of one number."""
    ads = np.arange(20.0)
    model = FusionRegressor(head="linear").fit(pd.DataFrame({"ads": ads}), 2 * ads + 1)
    return model.bundle_


def kill_saves(bundle: Bundle, place: Path, *, tries: int, seed: int = 0) -> Tally:
    """Saves again and again, kills, and looks at what is there.

    Args:
        bundle: What is saved, each time with another note.
        place: Where; may be a link.
        tries: Number of saves.
        seed: Of the moments of the kills.
    """
    draw = np.random.default_rng(seed)
    save_bundle(noted(bundle, -1), place)
    start = time.monotonic()
    run_until(partial(save_bundle, noted(bundle, -1), place), None)
    longest_s = BEYOND * (time.monotonic() - start)
    tally, before = Tally(), -1
    for number in range(tries):
        tally.tried += 1
        save = partial(save_bundle, noted(bundle, number), place)
        try:
            tally.killed += run_until(save, draw.uniform(0, longest_s))
        except RuntimeError:  # it ended by itself, with an error
            tally.refused += 1
        try:
            found = load_bundle(place).info["note"]
        except BundleError as error:
            print(f"save {number}: {error}")
            found = None
        tally.old += found == before
        tally.new += found == number
        tally.lost += found not in (before, number)
        before = number if found is None else found
    save_bundle(noted(bundle, tries), place)
    tally.left = len(list(place.resolve().parent.glob(f".{place.resolve().name}.*")))
    tally.seconds = time.monotonic() - start
    return tally


def noted(bundle: Bundle, number: int) -> Bundle:
    """The same bundle with a number that tells it apart."""
    return replace(bundle, info={**bundle.info, "note": number})


def measure(*, tries: int) -> dict[str, Tally]:
    """Kills saves into a folder and through a link, with and without an exchange in one step."""
    bundle, tallies = small_bundle(), {}
    exchange: Callable[[Path, Path], bool] = folders.exchange_folders
    ways = {"exchanged in one step": exchange, "moved in two steps": lambda first, second: False}
    try:
        for way, function in ways.items():
            folders.exchange_folders = function  # type: ignore[attr-defined]
            for kind in ("a folder", "a link"):
                with tempfile.TemporaryDirectory() as name:
                    place = Path(name) / "bundle"
                    if kind == "a link":
                        (Path(name) / "target").mkdir()
                        place.symlink_to(Path(name) / "target")
                    tallies[f"{kind}, {way}"] = kill_saves(bundle, place, tries=tries)
                    if kind == "a link" and not place.is_symlink():
                        raise SystemExit("the link must stay, got a folder in its place")
    finally:
        folders.exchange_folders = exchange  # type: ignore[attr-defined]
    return tallies


def main(arguments: Sequence[str] | None = None) -> None:
    """Kills and writes the section."""
    from results import write_section

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, help="number of saves each way, to try the script")
    options = parser.parse_args(arguments)
    rows = [
        {
            "saved to": name,
            "saves tried": tally.tried,
            "killed": tally.killed,
            "the old one was there": tally.old,
            "the new one was there": tally.new,
            "lost": tally.lost,
            "saves that failed": tally.refused,
            "folders left behind": tally.left,
            "seconds": f"{tally.seconds:.0f}",
        }
        for name, tally in measure(tries=options.tries or 200).items()
    ]
    write_section(
        "Bundles: saves killed at random moments",
        command="python benchmarks/save_kills.py",
        workload="A model of one number is saved over the bundle that lies there, by a forked "
        f"process that gets SIGKILL after a time drawn evenly from 0 to {BEYOND} times what a save "
        "takes; then the bundle is loaded, which checks every byte, and the next save begins. "
        "Moved in two steps is what happens where a file system cannot exchange two names.",
        rows=rows,
        trial=options.tries is not None,
    )


if __name__ == "__main__":
    main()
