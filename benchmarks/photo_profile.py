"""Where the time of photo embedding goes, and what ratio to a plain loop could be reached at most.

python benchmarks/photo_profile.py
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from peak import SIDE
from photo_embedding import (
    ARCHITECTURES,
    BATCH,
    SETS,
    draw_photos,
    encoders_of,
    needed_gflop,
    plain_network,
    preset_of,
)
from PIL import Image
from results import write_section

from encoders.dtype import processor_has_bfloat16
from encoders.image.photo import load_photo

ROUNDS = 3


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside the block torch computes in the calling thread alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def milliseconds(work: Callable[[], object], n: int) -> float:
    """Least of three: processor time of this thread for one of n photos, in ms."""
    found = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        work()
        found.append(time.thread_time() - start)
    return min(found) / n * 1000


def for_each(work: Callable[[Path], object], paths: list[Path]) -> None:
    """The work on one photo after the other."""
    for path in paths:
        work(path)


def costs_of(architecture: str, paths: list[Path], *, batch: int) -> dict[str, float]:
    """What each step costs one thread, in ms a photo."""
    encoders = encoders_of(architecture)
    exact, fast = list(encoders.values())[-2:]
    network, preset = plain_network(encoders["float32"]), preset_of(architecture)
    cost = partial(milliseconds, n=len(paths))
    pixels = torch.zeros(batch, 3, 224, 224)
    tensors = exact.collate([part.value for part in exact.read(paths[:1])] * batch)
    with torch.inference_mode(), one_thread():
        return {
            "plain: decode, transform": cost(
                lambda: for_each(lambda path: preset(Image.open(path).convert("RGB")), paths)
            ),
            "plain: network": milliseconds(lambda: network(pixels), batch),
            "decode": cost(lambda: for_each(load_photo, paths)),
            "decode and resize": cost(lambda: for_each(lambda path: exact.read([path]), paths)),
            "the same, fast": cost(lambda: for_each(lambda path: fast.read([path]), paths)),
            "network": milliseconds(lambda: exact(tensors), batch),
            "network at the peak": needed_gflop(architecture) / peak() * 1000,
        }


def peak() -> float:
    """GFLOP/s of this thread in the format that "auto" takes: a product of two large matrices."""
    dtype = torch.bfloat16 if processor_has_bfloat16() else torch.float32
    left, right = torch.ones(SIDE, SIDE, dtype=dtype), torch.ones(SIDE, SIDE, dtype=dtype)
    return 2 * SIDE**3 / milliseconds(lambda: left @ right, 1) / 1e6


def row_of(label: str, costs: dict[str, float], *, n_threads: int) -> dict[str, object]:
    """The costs, and the ratio to the plain loop where all threads always work."""
    plain = costs["plain: decode, transform"] + costs["plain: network"] / n_threads
    ceilings = {
        "ceiling, exact": costs["decode and resize"] + costs["network"],
        "ceiling, fast": costs["the same, fast"] + costs["network"],
        "at the peak, fast": costs["the same, fast"] + costs["network at the peak"],
    }
    return {
        "network and photos": label,
        **{name: f"{cost:.1f}" for name, cost in costs.items()},
        **{name: f"{plain / (spent / n_threads):.2f}" for name, spent in ceilings.items()},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="photos of each size, to try the script")
    options = parser.parse_args(arguments)
    rows = []
    n_threads = torch.get_num_threads()
    n = options.limit or 8
    with tempfile.TemporaryDirectory() as folder:
        for size in SETS:
            paths = draw_photos(Path(folder), size=size, n=n, seed=0)
            for architecture in ARCHITECTURES:
                costs = costs_of(architecture, paths, batch=min(n, BATCH))
                label = f"{architecture}, {size[0]} x {size[1]}"
                rows.append(row_of(label, costs, n_threads=n_threads))
                print(rows[-1], flush=True)
    write_section(
        "Photo embedding: where the time goes",
        command="python benchmarks/photo_profile.py",
        workload=f"Processor time of one thread in ms a photo, least of {ROUNDS} rounds; the "
        f"photos of `photo_embedding.py`, {n} of each size. Network: the toolkit's folded pass in "
        f"{'bfloat16' if processor_has_bfloat16() else 'float32'}.",
        rows=rows,
        notes="Ceiling: what the times as fast of `photo_embedding.py` would be if its "
        f"{n_threads} threads always worked, none slowed the other down and nothing but these "
        "steps were done; the plain loop decodes in one thread and computes in all. At the peak: "
        "the same if the network also ran as fast as a product of two large matrices. The fast "
        "decoder skips pixels; the compressed data of a JPEG it has to read whole.",
        trial=options.limit is not None,
    )


if __name__ == "__main__":
    main()
