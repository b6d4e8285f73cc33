"""How long `fusion demo` takes, beside an earlier version of the toolkit, in turns.

Run: python benchmarks/demo_time.py --before CHECKOUT_OF_AN_EARLIER_COMMIT
Takes about ten minutes on two cores; nothing else should run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from results import write_section

HERE = Path(__file__).resolve().parents[1]
AIM = 0.5
Cost = tuple[float, float]


def demo(checkout: Path) -> Cost:
    """Seconds, and seconds of all processors, of one run into a new folder."""
    before = os.times()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "fusion", "demo", "--out", f"{folder}/demo", "--quiet"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    seconds, after = time.perf_counter() - start, os.times()
    user = after.children_user - before.children_user
    return seconds, user + after.children_system - before.children_system


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args(arguments)
    pairs = [(demo(options.before), demo(HERE)) for _ in range(options.rounds)]
    rows = []
    for place, what in enumerate(("seconds", "CPU seconds")):
        ratios = [new[place] / old[place] for old, new in pairs]
        rows.append(
            {
                "": what,
                "before": f"{median(old[place] for old, _ in pairs):.0f}",
                "now": f"{median(new[place] for _, new in pairs):.0f}",
                "ratio": f"{median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})",
                "aim": f"<= {AIM}",
            }
        )
    write_section(
        "The demo: time beside the version before members",
        command="python benchmarks/demo_time.py --before CHECKOUT",
        workload=f"`fusion demo` into an empty folder, embeddings, baselines and the models of the "
        f"ablation included; {options.rounds} rounds in turns.",
        rows=rows,
        trial=options.rounds < 2,
    )


if __name__ == "__main__":
    main()
