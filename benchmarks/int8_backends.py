"""Text encoders in int8: speed and what it costs in quality, beside float32 in torch.

python benchmarks/int8_backends.py
"""

import argparse
import time
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import torch
from results import write_section
from text_embedding import Vectors, cosines, product_texts

from encoders.bert import BertEncoder
from encoders.int8 import RUNTIMES

WARM_UP = 64  # texts; the first call also makes the int8 graph


def measure(
    encoders: dict[str, BertEncoder], texts: list[str], *, rounds: int
) -> tuple[dict[str, list[float]], dict[str, Vectors]]:
    """Seconds of each round, backends in turns, and the vectors."""
    seconds: dict[str, list[float]] = {backend: [] for backend in encoders}
    vectors: dict[str, Vectors] = {}
    for _ in range(rounds):
        for backend, encoder in encoders.items():
            start = time.perf_counter()
            vectors[backend] = encoder.encode(texts)
            seconds[backend].append(time.perf_counter() - start)
    return seconds, vectors


def first_call(encoder: BertEncoder, texts: list[str]) -> float:
    """Seconds of the first call, in which an int8 graph is made."""
    start = time.perf_counter()
    encoder.encode(texts[:WARM_UP])
    return time.perf_counter() - start


def nearest(vectors: Vectors) -> np.ndarray:
    """Position of each row's nearest other row by cosine."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    return np.asarray(similarity.argmax(axis=1))


def similarity_lost(vectors: Vectors, exact: Vectors) -> float:
    """How much less alike, in float32, the neighbours found with `vectors` are than the nearest."""
    rows = np.arange(len(exact))
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    best = (unit[rows] * unit[nearest(exact)]).sum(axis=1)
    found = (unit[rows] * unit[nearest(vectors)]).sum(axis=1)
    return float((best - found).mean())


def alone_difference(encoder: BertEncoder, vectors: Vectors, texts: list[str]) -> float:
    """Largest difference between texts embedded alone and among all."""
    alone = np.concatenate([encoder.encode([text]) for text in texts[:WARM_UP]])
    return float(np.abs(alone - vectors[: len(alone)]).max())


def table(
    encoders: dict[str, BertEncoder],
    texts: list[str],
    *,
    first: dict[str, float],
    rounds: int,
) -> list[dict[str, object]]:
    """One row a backend; its ratio is that of medians, its range that of single rounds."""
    seconds, vectors = measure(encoders, texts, rounds=rounds)
    exact, plain = vectors["torch"], np.array(seconds["torch"])
    rows: list[dict[str, object]] = []
    for backend, encoder in encoders.items():
        near = cosines(vectors[backend], exact)
        ratios = plain / np.array(seconds[backend])
        same = np.mean(nearest(vectors[backend]) == nearest(exact))
        rows.append(
            {
                "backend": backend + (", float32" if backend == "torch" else ", int8"),
                "texts/s": f"{len(texts) / np.median(seconds[backend]):,.0f}",
                "times as fast": f"{np.median(plain) / np.median(seconds[backend]):.2f} "
                f"({ratios.min():.2f} .. {ratios.max():.2f})",
                "first call": f"{first[backend]:.1f} s",
                "cosine, mean": f"{near.mean():.4f}",
                "cosine, least": f"{near.min():.4f}",
                "same nearest": f"{same:.1%}",
                "similarity lost": f"{similarity_lost(vectors[backend], exact):.4f}",
                "alone": f"{alone_difference(encoder, vectors[backend], texts):.1g}",
            }
        )
    return rows


def int8_instructions() -> str:
    """Whether the processor has instructions made for int8."""
    has = torch.cpu.get_capabilities()
    names = [name for name in ("avx512_vnni", "avx_vnni", "amx_int8") if has.get(name)]
    return ", ".join(names) or "none"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of all backends")
    parser.add_argument("--limit", type=int, help="number of texts, to try the script")
    parser.add_argument("--backends", nargs="+", choices=list(RUNTIMES), default=list(RUNTIMES))
    options = parser.parse_args(arguments)
    texts = product_texts(options.limit or 2_000, seed=0)
    encoders = {
        backend: BertEncoder("minilm", dtype="float32", backend=backend)
        for backend in ("torch", *options.backends)
    }
    first = {backend: first_call(encoder, texts) for backend, encoder in encoders.items()}
    rows = table(encoders, texts, first=first, rounds=options.rounds)
    used = [RUNTIMES[backend] for backend in encoders if backend in RUNTIMES]
    runtimes = ", ".join(f"{name} {version(name)}" for name in used)
    write_section(
        "Text embedding in int8: ONNX Runtime and OpenVINO",
        command="python benchmarks/int8_backends.py",
        workload=f"{len(texts):,} different texts of product words, mean 35 tokens; "
        f"`BertEncoder.encode` with all-MiniLM-L6-v2 on the CPU, {torch.get_num_threads()} "
        f"threads, {runtimes}, int8 instructions of the processor: {int8_instructions()}; "
        f"{options.rounds} rounds in turns after the first call.",
        rows=rows,
        notes="Times as fast: ratio of the medians (least .. greatest ratio of a single round). "
        f"First call: {WARM_UP} texts, the making of the graph included. Cosines are to the "
        "float32 vectors. Same nearest: share of texts whose nearest other text is that of "
        "float32; similarity lost: by how much less alike, in float32, the text found is than "
        "the nearest, on average. These texts are words at random, so that neighbours are "
        "nearly equally near: a hard test. Alone: largest difference between a text embedded "
        "alone and among all.",
        trial=options.limit is not None or len(options.backends) < len(RUNTIMES),
    )


if __name__ == "__main__":
    main()
