"""What photos at the limits cost: memory and processor time, each in a process of its own.

python benchmarks/photo_limits.py
"""

import argparse
import gc
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import PIL
import torch
from children import cost_of
from photo_cases import Case
from photo_cases_rare import all_cases
from results import write_section

from encoders.image.colour_texture import ColourTextureEncoder
from encoders.image.photo import PhotoError, load_photo
from encoders.image.resnet import ResNetEncoder
from fusion.data.duplicates import small_grey
from fusion.report.cards import thumbnail

MOST_MB = 300
MOST_SECONDS = 2.0

Use = Callable[[Path], object]


@dataclass(frozen=True)
class Run:
    """What one use of one file came to.

    Args:
        case: Format and name of the file.
        use: What was done with it.
        outcome: "decoded", the code of a refusal, or what went wrong.
        wanted: Whether that is what must come of it.
        megabytes: Memory above what the process had before.
        seconds: Of processor time.
    """

    case: str
    use: str
    outcome: str
    wanted: bool
    megabytes: float
    seconds: float

    @property
    def held(self) -> bool:
        """Whether the promise is kept."""
        return self.wanted and self.megabytes < MOST_MB and self.seconds < MOST_SECONDS


def uses() -> dict[str, Use]:
    """Name -> every way that decodes a photo; each raises what it refuses.

    A thumbnail alone raises nothing, so what it refuses is read once more for its code.
    """
    network = ResNetEncoder("resnet18", weights=None)
    colours = ColourTextureEncoder()
    return {
        "load_photo": load_photo,
        "resnet": lambda path: network.preprocess([path]),
        "colour_texture": lambda path: colours.preprocess([path]),
        "thumbnail": lambda path: thumbnail(path) or refused(path),
        "duplicates": small_grey,
    }


def refused(path: Path) -> None:
    """Raises the reason for which a photo cannot be used."""
    load_photo(path)


def run_case(path: Path, use: Use) -> tuple[str, float, float]:
    """Outcome, megabytes and seconds of one use in a forked process."""
    try:
        cost = cost_of(partial(outcome_of, path, use))
    except RuntimeError:
        return "died", 0.0, 0.0
    return str(cost.answer), cost.megabytes, cost.cpu_s


def outcome_of(path: Path, use: Use) -> str:
    """What came of a use: "decoded", or the code of a refusal."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff tells the terminal of every fault
    try:
        use(path)
    except PhotoError as error:
        return error.code
    return "decoded"


def run_all(cases: Mapping[str, Mapping[str, Case]], only: str) -> list[Run]:
    """Every use of every file whose name has `only` in it."""
    torch.set_num_threads(1)
    ways = uses()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, named in cases.items():
            for name, case in named.items():
                if only in f"{kind}: {name}":
                    path = Path(folder) / f"photo.{kind.lower()}"
                    path.write_bytes(case.make())
                    gc.collect()
                    runs += [one_run(f"{kind}: {name}", case, path, way, ways[way]) for way in ways]
    return runs


def one_run(name: str, case: Case, path: Path, way: str, use: Use) -> Run:
    """One use, said on the terminal if it does not hold."""
    outcome, megabytes, seconds = run_case(path, use)
    run = Run(name, way, outcome, outcome == (case.code or "decoded"), megabytes, seconds)
    if not run.held:
        size = path.stat().st_size
        print(
            "FAILED",
            name,
            f"({size:,} bytes)",
            way,
            outcome,
            f"{megabytes:.0f} MB, {seconds:.2f} s",
        )
    return run


def rows_of(runs: Sequence[Run]) -> list[dict[str, object]]:
    """Tried, held and failed by format, and the most that a file of it cost."""
    kinds = dict.fromkeys(run.case.split(":")[0] for run in runs)
    grouped = {kind: [run for run in runs if run.case.startswith(f"{kind}:")] for kind in kinds}
    grouped["all"] = list(runs)
    return [
        {
            "format": kind,
            "files": len({run.case for run in some}),
            "tried": len(some),
            "held": sum(run.held for run in some),
            "failed": sum(not run.held for run in some),
            "most memory": f"{max(run.megabytes for run in some):.0f} MB",
            "most time": f"{max(run.seconds for run in some):.2f} s",
        }
        for kind, some in grouped.items()
    ]


def worst(runs: Sequence[Run]) -> str:
    """The three runs with the most memory, and the three with the most time."""
    large = sorted(runs, key=lambda run: -run.megabytes)[:3]
    slow = sorted(runs, key=lambda run: -run.seconds)[:3]
    return (
        "Most memory: "
        + "; ".join(f"{run.case} ({run.use}), {run.megabytes:.0f} MB" for run in large)
        + ". Most time: "
        + "; ".join(f"{run.case} ({run.use}), {run.seconds:.2f} s" for run in slow)
        + "."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs all and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a name, as in `TIFF: tiles`")
    parser.add_argument("--dry", action="store_true", help="print only, to try it")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    runs = run_all(all_cases(), options.only)
    write_section(
        "Photos at the limits: memory and time",
        command="python benchmarks/photo_limits.py",
        workload=f"{len({run.case for run in runs})} files made by the script, at the limits on "
        "pixels, sides, scans, strips, tiles, chunks and texts, and just beyond. Each is read, "
        "decoded and made small in a process of its own: by `load_photo`, by both photo encoders, "
        f"as a thumbnail and for the search of duplicates. Held: what should be is decoded and the "
        f"rest refused by name, each with less than {MOST_MB} MB above what the process had and "
        f"less than {MOST_SECONDS:.0f} s of processor time. Pillow {PIL.__version__}.",
        rows=rows_of(runs),
        notes=worst(runs),
        trial=options.dry or bool(options.only),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
