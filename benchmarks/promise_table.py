"""Every promise tried in both precisions: how often, how often it held, and what failed first.

python benchmarks/promise_table.py --work WORK

What was tried is kept in the work folder, one file each; an interrupted run goes on
with what is missing. Delete a file to try its promise again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import write_section
from fusion.system.files import json_bytes, write_atomically

SETTINGS = ("yes", "no")
"""Values of `FUSION_BF16`: as if the processor had bf16, and as if it had not."""
NAMES = (
    *("bad_rows", "kills", "full_disk", "two_writers", "poison", "bombs", "mutations", "cells"),
    *("paths", "urls", "bundles", "reports", "batch", "memory", "sklearn", "modalities"),
)
"""As `PROMISES`, which imports everything."""
PATIENCE_S = 3 * 3600


def try_one(name: str, *, scale: float) -> dict[str, Any]:
    """Tries a promise in this process."""
    from benchmarks.promises import PROMISES, Settings

    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder).resolve(), scale)
        outcome = PROMISES[name].run(settings)
    return {
        "claim": PROMISES[name].claim,
        "scale": scale,
        "seconds": time.monotonic() - start,
        **outcome.to_dict(),
    }


def try_apart(name: str, result: Path, *, scale: float, bf16: str) -> dict[str, Any]:
    """Tries a promise in a process of its own, which writes its result; an end of it is a failure.

    Raises:
        subprocess.TimeoutExpired: After three hours.
    """
    told = {"FUSION_BF16": bf16, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, __file__, "--here", name, "--scale", str(scale)]
    start = time.monotonic()
    done = subprocess.run(
        [*command, "--result", str(result)], env=os.environ | told, timeout=PATIENCE_S, check=False
    )
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(result.read_bytes())
        return found
    broken = {
        "claim": name,
        "scale": scale,
        "seconds": time.monotonic() - start,
        "tried": 1,
        "n_failed": 1,
        "failures": [f"its process ended with {done.returncode}"],
        "detail": [],
    }
    write_atomically(result, json_bytes(broken))
    return broken


def kept(result: Path, *, scale: float) -> dict[str, Any] | None:
    """What an earlier run kept of a promise, if it tried it at the same scale."""
    if not result.exists():
        return None
    found: dict[str, Any] = json.loads(result.read_bytes())
    return found if found["scale"] == scale else None


def table_row(found: dict[str, Any], *, bf16: str) -> dict[str, object]:
    """A row of the table."""
    first = found["failures"][0] if found["failures"] else ""
    return {
        "promise": found["claim"],
        "setting": f"FUSION_BF16={bf16}",
        "tried": f"{found['tried']:,}",
        "held": f"{found['tried'] - found['n_failed']:,}",
        "failed": f"{found['n_failed']:,}",
        "first failure": first.replace("|", "\\|"),
        "seconds": f"{found['seconds']:.0f}",
    }


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="folder that keeps what was tried")
    parser.add_argument("--only", nargs="+", choices=NAMES, help="these promises alone")
    parser.add_argument("--precision", choices=[*SETTINGS, "both"], default="both")
    parser.add_argument("--scale", type=float, default=1.0, help="less, to try the script")
    parser.add_argument("--here", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here is None and options.work is None:
        parser.error("--work must be given. Name a folder that keeps what was tried.")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Tries what is missing and writes the section."""
    options = parsed(arguments)
    if options.here is not None:
        found = try_one(options.here, scale=options.scale)
        write_atomically(options.result, json_bytes(found))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    names = options.only or NAMES
    settings = SETTINGS if options.precision == "both" else (options.precision,)
    for bf16 in settings:
        for name in names:
            result = options.work / f"{name}.{bf16}.json"
            if kept(result, scale=options.scale) is None:
                found = try_apart(name, result, scale=options.scale, bf16=bf16)
                print(name, bf16, *found["detail"], *found["failures"], sep="\n  ", flush=True)
    write_table(options.work, scale=options.scale)


def write_table(work: Path, *, scale: float) -> None:
    """Writes the section from everything that the work folder keeps at a scale."""
    rows, told = [], []
    for name in NAMES:
        for bf16 in SETTINGS:
            found = kept(work / f"{name}.{bf16}.json", scale=scale)
            if found is not None:
                rows.append(table_row(found, bf16=bf16))
                told += [f"- {name}, {bf16}: {sentence}" for sentence in found["detail"]]
    write_section(
        "Promises",
        command="python benchmarks/promise_table.py --work WORK",
        workload="Each promise in a process of its own, with one thread, on made-up tables and "
        "photos; jobs are real ones with tiny encoders. FUSION_BF16 answers in place of the "
        "processor whether it has bf16. Tried are single cases: rows, kills, errors of the disk, "
        "files, names, drawn tables.",
        rows=rows,
        notes="\n".join(told),
        trial=scale != 1.0,
    )


if __name__ == "__main__":
    main()
