"""Speed of text embedding: the toolkit beside sentence-transformers and a transformers pipeline.

python benchmarks/text_embedding.py
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peak import SIDE, gflop, matrix_peak
from results import write_section
from sentence_transformers import SentenceTransformer
from text_profile import told
from transformers import pipeline

from encoders.dtype import processor_has_bfloat16
from encoders.text.bert import BertEncoder
from encoders.text.checkpoints import find_checkpoint
from fusion.store import embed_values

Vectors = NDArray[np.float32]
Way = Callable[[], Vectors]

PLAIN = "sentence-transformers"
MEAN_WORDS = 30  # about 35 tokens: a word of this list is 1.04, start and end are two more
SPREAD = 0.6  # of the logarithm of the length
WORDS = (
    "soft cotton dress with long sleeves and a round neck for summer evenings in the garden light "
    "wool coat warm lining two pockets zip black navy red green cream striped plain floral print "
    "made from recycled polyester wash at thirty degrees do not iron slim fit true to size our "
    "model wears small leather bag strap gold buckle shoes rubber sole trainers everyday comfort "
    "kitchen knife steel handle dishwasher safe set of four glass bowl oven wooden table lamp "
    "shade baby blanket gentle skin toy battery included waterproof jacket hood running walking "
    "travel"
).split()


def product_texts(n: int, *, seed: int) -> list[str]:
    """Distinct texts of common words, lengths lognormal with a mean of about 35 tokens."""
    generator = np.random.default_rng(seed)
    centre = np.log(MEAN_WORDS) - SPREAD**2 / 2
    texts: dict[str, None] = {}
    while len(texts) < n:
        n_words = max(3, round(generator.lognormal(centre, SPREAD)))
        texts[" ".join(generator.choice(WORDS, size=n_words))] = None
    return list(texts)


def toolkit(encoder: BertEncoder, texts: list[str], *, store: Path) -> Vectors:
    """Through the embedding store, as every model of the toolkit does it."""
    return embed_values(encoder, texts, store=store).vectors


def piped(pipe: Any, texts: list[str]) -> Vectors:
    """Mean over the tokens of what a feature-extraction pipeline gives, text by text.

    Batches would be padded, and their output does not say where.
    """
    options = {"truncation": True, "max_length": 256}
    found = pipe(texts, return_tensors=True, tokenize_kwargs=options)
    return np.stack([tokens[0].mean(dim=0).numpy() for tokens in found])


def as_vectors(found: Any) -> Vectors:
    """Float32 rows from an array, a tensor or a list of tensors; NumPy has no bfloat16."""
    if isinstance(found, np.ndarray):
        return found.astype(np.float32, copy=False)
    rows = found if isinstance(found, torch.Tensor) else torch.stack(list(found))
    return np.asarray(rows.float().numpy())


def cosines(first: Vectors, second: Vectors) -> Vectors:
    """Cosine of each pair of rows."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(axis=1) / lengths)


def measure(texts: list[str], *, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each round and the least cosine to sentence-transformers, way by way.

    The ways take turns within a round. Cold runs begin with an empty store, warm ones find all.
    """
    folder = str(find_checkpoint("minilm").folder)
    reference = SentenceTransformer(folder, device="cpu")
    pipe = pipeline("feature-extraction", model=folder, tokenizer=folder, device="cpu")
    peers: dict[str, Callable[[list[str]], Vectors]] = {
        PLAIN: partial(reference.encode, show_progress_bar=False),
        "transformers pipeline": partial(piped, pipe),
    }
    dtypes = ["float32", "bfloat16"] if processor_has_bfloat16() else ["float32"]
    if "bfloat16" in dtypes:
        low = SentenceTransformer(folder, device="cpu").bfloat16()
        peers["sentence-transformers, bfloat16"] = partial(
            low.encode, show_progress_bar=False, convert_to_numpy=False
        )
    encoders = {dtype: BertEncoder("minilm", dtype=dtype) for dtype in dtypes}
    seconds: dict[str, list[float]] = {}
    least: dict[str, float] = {}
    expected: Vectors | None = None
    for turn in range(rounds + 1):  # the first turn, on few texts, warms up and is not counted
        shown = texts if turn else texts[:64]
        with tempfile.TemporaryDirectory() as folder:
            ways: dict[str, Way] = {name: partial(peer, shown) for name, peer in peers.items()}
            for dtype, encoder in encoders.items():
                run = partial(toolkit, encoder, shown, store=Path(folder) / dtype)
                ways |= {f"{dtype}, empty store": run, f"{dtype}, filled store": run}
            for name, way in ways.items():
                start = time.perf_counter()
                vectors = as_vectors(way())
                elapsed = time.perf_counter() - start
                if turn == 0:
                    continue
                expected = vectors if expected is None else expected
                seconds.setdefault(name, []).append(elapsed)
                least[name] = float(cosines(vectors, expected).min())
    return seconds, least


def needed_gflop(tokens: list[int]) -> float:
    """GFLOP for all texts without padding: what the model has to compute on real tokens."""
    encoder = BertEncoder("minilm", dtype="float32")
    one = {
        length: gflop(partial(encoder.model, torch.ones(1, length, dtype=torch.int64))) / length
        for length in set(tokens)
    }
    return sum(one[length] * length for length in tokens)


def table(
    seconds: dict[str, list[float]], least: dict[str, float], *, n_texts: int, needed: float
) -> list[dict[str, object]]:
    """One row a way; its ratio is that of medians, its range that of single rounds."""
    plain = np.array(seconds[PLAIN])
    rows: list[dict[str, object]] = []
    for name, times in seconds.items():
        ratios = plain / np.array(times)
        peak = matrix_peak(torch.bfloat16 if "bfloat16" in name else torch.float32)
        share = f"{needed / np.median(times) / peak:.0%}" if "filled" not in name else "-"
        rows.append(
            {
                "embedded by": name,
                "texts/s": f"{n_texts / np.median(times):,.0f}",
                "times as fast": f"{np.median(plain) / np.median(times):.2f} "
                f"({ratios.min():.2f} .. {ratios.max():.2f})",
                "share of peak": share,
                "least cosine": f"{least[name]:.6f}",
            }
        )
    if not any(name.startswith("bfloat16") for name in seconds):
        reason = "not run: this processor has no bf16"
        rows.append(dict.fromkeys(rows[0], "-") | {"embedded by": f"bfloat16, {reason}"})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="turns of all ways")
    parser.add_argument("--limit", type=int, help="number of texts, to try the script")
    options = parser.parse_args(arguments)
    texts = product_texts(options.limit or 2_000, seed=0)
    tokens = BertEncoder("minilm").preprocess(texts)["attention_mask"].sum(dim=1).tolist()
    seconds, least = measure(texts, rounds=options.rounds)
    dtype = "bfloat16" if processor_has_bfloat16() else "float32"
    profiled = told(BertEncoder("minilm", dtype=dtype), texts)
    rows = table(seconds, least, n_texts=len(texts), needed=needed_gflop(tokens))
    write_section(
        "Text embedding: speed beside sentence-transformers",
        command="python benchmarks/text_embedding.py",
        workload=f"{len(texts):,} different texts of product words, lengths lognormal, mean "
        f"{np.mean(tokens):.0f} tokens, longest {max(tokens)}, drawn with a seed; all-MiniLM-L6-v2 "
        f"on the CPU, {torch.get_num_threads()} threads. sentence-transformers: `encode` with its "
        "defaults, float32. Pipeline: `feature-extraction` and the mean over the tokens. Toolkit: "
        "`embed_values` of `BertEncoder`, reading and writing the "
        f"store included; {options.rounds} rounds in turns after one to warm up.",
        rows=rows,
        notes="Share of peak: floating-point operations on real tokens, padding not counted, per "
        f"second, of what a product of two {SIDE} x {SIDE} matrices reaches in that format: "
        f"float32 {matrix_peak(torch.float32):.0f} GFLOP/s. Times as fast: ratio of the medians "
        "(least .. greatest ratio of a single round). "
        "Cosines are to the float32 vectors of sentence-transformers, the least of all texts. "
        "`dtype='auto'`, the default, takes bfloat16 where the processor has it. Aims: 4 times as "
        "fast in bfloat16, 1.4 times sentence-transformers in bfloat16, 65% of the bfloat16 peak, "
        f"80% of the float32 peak. What {dtype} spends its time on (processor time on one "
        f"thread, no store; tokenising runs beside the model where it can): {profiled}.",
        trial=options.limit is not None,
    )


if __name__ == "__main__":
    main()
