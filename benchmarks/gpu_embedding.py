"""Embedding on a GPU: texts and photos a second, share of the device's peak, and decoding beside.

python benchmarks/gpu_embedding.py
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from peak import SIDE, gflop
from photo_embedding import draw_photos
from results import write_section
from text_embedding import product_texts

from encoders.base import Encoder
from encoders.image.resnet import ResNetEncoder
from encoders.stream import encode_each
from encoders.text.bert import BertEncoder

ROUNDS = 3
READ_ALONE = 64
"""Parts that one thread reads by itself: photos are slow, and the device waits for it."""
NAME = "Embedding on a GPU"
COMMAND = "python benchmarks/gpu_embedding.py"


def seconds(work: Callable[[], object]) -> float:
    """Median wall time of three runs after one to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def device_peak() -> float:
    """GFLOP/s of a product of two large bfloat16 matrices on the device."""
    side = 4 * SIDE
    left = torch.ones(side, side, dtype=torch.bfloat16, device="cuda")
    return 2 * side**3 / seconds(partial(torch.matmul, left, left)) / 1e9


def row(
    name: str, encoder: Encoder, parts: list[object], *, needed: float, peak: float
) -> dict[str, object]:
    """One line: rate from files or words to vectors, and of reading alone."""
    taken = seconds(partial(encode_each, encoder, parts))
    few = parts[:READ_ALONE]
    read = seconds(partial(encoder.read, few))
    return {
        "encoder": name,
        "a second": f"{len(parts) / taken:,.0f}",
        "share of peak": f"{needed / taken / peak:.0%}",
        "read by one thread, a second": f"{len(few) / read:,.0f}",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section, or writes that there was no GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="texts and photos, to try the script")
    limit = parser.parse_args(arguments).limit
    n_texts, n_photos = (50_000, 512) if limit is None else (limit, limit)
    if not torch.cuda.is_available():
        write_section(
            NAME,
            command=COMMAND,
            workload="Not run: this machine has no CUDA device. The script is ready.",
            rows=[{"encoder": "-", "a second": "not run"}],
            trial=limit is not None,
        )
        return
    peak = device_peak()
    texts: list[object] = list(product_texts(n_texts, seed=0))
    text_encoder = BertEncoder("minilm").cuda()
    tokens = [len(part.value) for part in text_encoder.read(texts)]
    one = gflop(partial(text_encoder, text_encoder.collate([[1] * 64]))) / 64
    rows = [row("MiniLM", text_encoder, texts, needed=one * sum(tokens), peak=peak)]
    with tempfile.TemporaryDirectory() as folder:
        paths: list[object] = (
            list(draw_photos(Path(folder), size=(800, 600), n=n_photos, seed=0)) * 8
        )
        for architecture in ("resnet18", "resnet50"):
            photo_encoder = ResNetEncoder(architecture, weights=None).cuda()
            values = [part.value for part in photo_encoder.read(paths[:1])]
            needed = gflop(partial(photo_encoder, photo_encoder.collate(values)))
            rows.append(
                row(architecture, photo_encoder, paths, needed=needed * len(paths), peak=peak)
            )
    write_section(
        NAME,
        command=COMMAND,
        workload=f"{torch.cuda.get_device_name()}: {n_texts:,} product texts; {8 * n_photos:,} "
        f"JPEGs of 800 x 600 ({n_photos} different ones), from file to vector, "
        f"{torch.get_num_threads()} threads.",
        rows=rows,
        notes=f"Share of peak: operations on real tokens and pixels, of {peak:,.0f} GFLOP/s that "
        f"a bfloat16 product of two {4 * SIDE} x {4 * SIDE} matrices reaches. Decoding keeps up "
        "where "
        "reading by one thread times the number of threads is above the rate.",
        trial=limit is not None,
    )


if __name__ == "__main__":
    main()
