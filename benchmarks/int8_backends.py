"""Text encoders in int8: speed and what it costs in quality, beside float32 in torch.

python benchmarks/int8_backends.py [--data FOLDER_WITH_babies_r_us.csv]
"""

import argparse
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results import write_section
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from text_embedding import PLAIN, Vectors, cosines, product_texts

from encoders.text.bert import BertEncoder
from encoders.text.checkpoints import find_checkpoint
from encoders.text.int8 import RUNTIMES
from fusion.evaluation import paired_bootstrap
from fusion.evaluation.bootstrap import Columns
from heads import Floats

WARM_UP = 64  # texts; the first call also makes the int8 graph
AIM = "aim: OpenVINO at least 5 times as fast as sentence-transformers, least cosine .99"


def measure(
    encoders: dict[str, BertEncoder], texts: list[str], *, rounds: int
) -> tuple[dict[str, list[float]], dict[str, Vectors]]:
    """Seconds of each round, sentence-transformers and backends in turns, and the vectors."""
    plain = SentenceTransformer(str(find_checkpoint("minilm").folder), device="cpu")
    plain.encode(texts[:WARM_UP], show_progress_bar=False)
    ways: dict[str, Callable[[], Vectors]] = {
        PLAIN: lambda: np.asarray(plain.encode(texts, show_progress_bar=False))
    }
    for backend, encoder in encoders.items():
        ways[backend] = lambda encoder=encoder: encoder.encode(texts)  # type: ignore[misc]
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    vectors: dict[str, Vectors] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            vectors[name] = way()
            seconds[name].append(time.perf_counter() - start)
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
    exact, plain = vectors["torch"], np.array(seconds[PLAIN])
    rows: list[dict[str, object]] = []
    for way, times in seconds.items():
        near = cosines(vectors[way], exact)
        ratios = plain / np.array(times)
        same = np.mean(nearest(vectors[way]) == nearest(exact))
        row = {
            "backend": way,
            "texts/s": f"{len(texts) / np.median(times):,.0f}",
            "times as fast": f"{np.median(plain) / np.median(times):.2f} "
            f"({ratios.min():.2f} .. {ratios.max():.2f})",
            "first call": "-",
            "cosine, mean": f"{near.mean():.4f}",
            "cosine, least": f"{near.min():.4f}",
            "same nearest": f"{same:.1%}",
            "similarity lost": f"{similarity_lost(vectors[way], exact):.4f}",
            "alone": "-",
        }
        if way in encoders:
            row |= {
                "backend": way + (", float32" if way == "torch" else ", int8"),
                "first call": f"{first[way]:.1f} s",
                "alone": f"{alone_difference(encoders[way], vectors[way], texts):.1g}",
            }
        rows.append(row)
    return rows


def _r2(target: Floats, columns: Columns) -> float:
    return float(r2_score(target, columns["price"]))


def price_effect(encoders: dict[str, BertEncoder], data: Path, *, limit: int | None) -> list[str]:
    """What int8 costs a task: R2 of prices by ridge on embeddings of titles, with its interval."""
    frame = pd.read_csv(data / "babies_r_us.csv")[:limit]
    titles, price = frame["title"].astype(str).tolist(), frame["price"].to_numpy(dtype=float)
    train, test = train_test_split(np.arange(len(frame)), test_size=0.2, random_state=42)
    answers: dict[str, Columns] = {}
    for backend, encoder in encoders.items():
        vectors = encoder.encode(titles)
        model = RidgeCV(alphas=np.logspace(-3, 2, 11)).fit(vectors[train], np.sqrt(price[train]))
        answers[backend] = {"price": np.maximum(model.predict(vectors[test]), 0) ** 2}
    told = []
    for backend, answer in answers.items():
        scored = f"{backend} {_r2(price[test], answer):.4f}"
        if backend != "torch":
            gain, low, high = paired_bootstrap(
                _r2, price[test], answer, answers["torch"], higher_is_better=True
            )
            scored += f" ({gain:+.4f}, from {low:+.4f} to {high:+.4f})"
        told.append(scored)
    return told


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
    parser.add_argument("--data", type=Path, help="folder with babies_r_us.csv: effect on a task")
    options = parser.parse_args(arguments)
    texts = product_texts(options.limit or 2_000, seed=0)
    encoders = {
        backend: BertEncoder("minilm", dtype="float32", backend=backend)
        for backend in ("torch", *options.backends)
    }
    first = {backend: first_call(encoder, texts) for backend, encoder in encoders.items()}
    rows = table(encoders, texts, first=first, rounds=options.rounds)
    effect = ""
    if options.data is not None:
        told = price_effect(encoders, options.data, limit=options.limit)
        effect = (
            " R2 of the price of babies_r_us by ridge on embeddings of the titles alone (square "
            "root of the price, four fifths of the rows for training, split by a seed), with the "
            f"paired 95 % interval of its difference to float32: {'; '.join(told)}."
        )
    used = [RUNTIMES[backend] for backend in encoders if backend in RUNTIMES]
    runtimes = ", ".join(f"{name} {version(name)}" for name in used)
    write_section(
        "Text embedding in int8: ONNX Runtime and OpenVINO",
        command="python benchmarks/int8_backends.py" + (" --data DATA" if effect else ""),
        workload=f"{len(texts):,} different texts of product words, mean 35 tokens; "
        f"`BertEncoder.encode` with all-MiniLM-L6-v2 on the CPU, {torch.get_num_threads()} "
        f"threads, {runtimes}, int8 instructions of the processor: {int8_instructions()}; "
        f"{options.rounds} rounds in turns after the first call.",
        rows=rows,
        notes="Times as fast as sentence-transformers' `encode` with its defaults, float32: "
        "ratio of the medians (least .. greatest ratio of a single round). "
        f"First call: {WARM_UP} texts, the making of the graph included. Cosines are to the "
        "float32 vectors. Same nearest: share of texts whose nearest other text is that of "
        "float32; similarity lost: by how much less alike, in float32, the text found is than "
        "the nearest, on average. These texts are words at random, so that neighbours are "
        "nearly equally near: a hard test. Alone: largest difference between a text embedded "
        f"alone and among all. {AIM}.{effect}",
        trial=options.limit is not None or len(options.backends) < len(RUNTIMES),
    )


if __name__ == "__main__":
    main()
