"""Speed of `efficientnet_lite0` beside `resnet18` on the same photos.

Run: python benchmarks/photo_lite0.py
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from photo_embedding import draw_photos
from results import write_section

from encoders.base import Encoder
from encoders.image.efficientnet_lite0 import EfficientNetLite0Encoder
from encoders.image.resnet import ResNetEncoder
from fusion.store import embed_values

SIZE = (800, 600)
N_PHOTOS, ROUNDS = 64, 3


def photos_per_second(encoder: Encoder, photos: Sequence[Path], *, store: Path) -> float:
    """Photos that are read and embedded in a second, into an empty store."""
    start = time.perf_counter()
    embed_values(encoder, list(photos), store=store)
    return len(photos) / (time.perf_counter() - start)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=N_PHOTOS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    encoders = {
        "resnet18 clothing18, float32": ResNetEncoder("resnet18", dtype="float32"),
        "efficientnet_lite0, float32": EfficientNetLite0Encoder(dtype="float32"),
    }
    speeds: dict[str, list[float]] = {name: [] for name in encoders}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photos = draw_photos(folder, size=SIZE, n=options.photos, seed=0)
        for turn in range(options.rounds + 1):  # the first warms up
            for name, encoder in encoders.items():
                speed = photos_per_second(encoder, photos, store=folder / f"{turn} {name}")
                speeds[name] += [speed] if turn else []
    first = speeds[next(iter(speeds))]
    write_section(
        "Photo embedding: efficientnet_lite0",
        command="python benchmarks/photo_lite0.py",
        workload=f"{options.photos} JPEGs of {SIZE[0]} x {SIZE[1]}, into an empty store; "
        f"{options.rounds} rounds in turns after one to warm up.",
        rows=[
            {
                "encoder": name,
                "photos/s": f"{median(some):.1f}",
                "beside resnet18": f"{median(b / a for a, b in zip(first, some, strict=True)):.2f}",
            }
            for name, some in speeds.items()
        ],
        trial=options.rounds < ROUNDS,
    )


if __name__ == "__main__":
    main()
