"""Speed of photo embedding: the toolkit beside a plain torchvision loop with the same weights.

python benchmarks/photo_embedding.py
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from peak import SIDE, gflop, matrix_peak
from PIL import Image, ImageDraw
from results import write_section

from encoders.dtype import processor_has_bfloat16
from encoders.image.resnet import ResNetEncoder
from fusion.store import embed_values

Vectors = NDArray[np.float32]
Way = Callable[[], Vectors]
Times = dict[str, list[float]]

ARCHITECTURES = ("resnet18", "resnet50")
SETS = {(800, 600): 64, (3000, 2000): 32}  # width and height -> number of photos
PLAIN = "torchvision loop"
LOADED = "DataLoader, 2 workers"
FILLED = "toolkit, filled store"
BATCH = 32
AIMS = {"exact": 3.0, "filled": 30.0, "fast": 5.0}  # times the plain loop; fast: large photos alone
FAST_AIM_FROM = 3000  # pixels across


def draw_photos(folder: Path, *, size: tuple[int, int], n: int, seed: int) -> list[Path]:
    """JPEGs with smooth shades, fine noise and a few shapes, so that decoding costs as usual."""
    generator = np.random.default_rng(seed)
    paths = []
    for number in range(n):
        coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        pen = ImageDraw.Draw(picture)
        for _ in range(6):
            across, down = (np.sort(generator.integers(0, side, 2)).tolist() for side in size)
            colour = tuple(generator.integers(0, 256, 3).tolist())
            pen.ellipse((across[0], down[0], across[1], down[1]), fill=colour)
        noise = generator.normal(0.0, 8.0, (size[1], size[0], 3))
        pixels = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
        paths.append(folder / f"{size[0]}x{size[1]}_{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=90)
    return paths


def plain_loop(
    network: torch.nn.Module, transform: Callable[[Image.Image], torch.Tensor], paths: list[Path]
) -> Vectors:
    """What one writes without the toolkit: open, transform, stack 32, predict."""
    found = []
    with torch.no_grad():
        for start in range(0, len(paths), BATCH):
            pictures = [Image.open(path).convert("RGB") for path in paths[start : start + BATCH]]
            found.append(network(torch.stack([transform(picture) for picture in pictures])))
    return np.asarray(torch.cat(found).numpy())


class Photos(torch.utils.data.Dataset[torch.Tensor]):
    """Transformed photos, for a DataLoader."""

    def __init__(self, transform: Callable[[Image.Image], torch.Tensor], paths: list[Path]) -> None:
        self.transform = transform
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[place]).convert("RGB"))


def loader_loop(network: torch.nn.Module, photos: Photos) -> Vectors:
    """The plain loop with two processes that decode beside the model."""
    loader = torch.utils.data.DataLoader(photos, batch_size=BATCH, num_workers=2)
    with torch.no_grad():
        return np.asarray(torch.cat([network(batch) for batch in loader]).numpy())


def through_store(encoder: ResNetEncoder, paths: list[Path], *, store: Path) -> Vectors:
    """Embeddings from the store, as every model of the toolkit asks for them."""
    return embed_values(encoder, paths, store=store).vectors


def least_cosine(first: Vectors, second: Vectors) -> float:
    """Least cosine of matching rows, after the mean of the second was taken from both.

    Why: random weights make all embeddings nearly parallel; the rest is what tells photos apart.
    """
    centre = second.mean(axis=0)
    first, second = first - centre, second - centre
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / lengths).min())


def encoders_of(architecture: str) -> dict[str, ResNetEncoder]:
    """The toolkit's encoders that this processor can run, with the same random weights."""
    dtypes = ["float32", "bfloat16"] if processor_has_bfloat16() else ["float32"]
    torch.manual_seed(0)
    encoders = {
        **{dtype: ResNetEncoder(architecture, weights=None, dtype=dtype) for dtype in dtypes},
        f"{dtypes[-1]}, fast decoder": ResNetEncoder(
            architecture, weights=None, dtype=dtypes[-1], decoder="fast"
        ),
    }
    state = encoders["float32"].network.state_dict()
    for encoder in encoders.values():
        encoder.network.load_state_dict(state)
    return encoders


def plain_network(encoder: ResNetEncoder) -> torch.nn.Module:
    """Torchvision's network with an encoder's weights."""
    network = torchvision.models.get_model(encoder.architecture, weights=None)
    network.fc = torch.nn.Identity()
    network.load_state_dict(encoder.network.state_dict())
    return network.eval()


def preset_of(architecture: str) -> Callable[[Image.Image], torch.Tensor]:
    """Torchvision's transforms: resize 256, crop 224; downloads nothing."""
    known = torchvision.models.get_model_weights(architecture)
    preset: Callable[[Image.Image], torch.Tensor] = known["IMAGENET1K_V1"].transforms()
    return preset


def ways_of(architecture: str, paths: list[Path], *, store: Path) -> dict[str, Way]:
    """The plain loop and the toolkit's runs, all with the same random weights."""
    encoders = encoders_of(architecture)
    network, transform = plain_network(encoders["float32"]), preset_of(architecture)
    ways: dict[str, Way] = {PLAIN: partial(plain_loop, network, transform, paths)}
    ways[LOADED] = partial(loader_loop, network, Photos(transform, paths))
    ways |= {f"toolkit, {name}": partial(e.encode, paths) for name, e in encoders.items()}
    filled = partial(through_store, encoders["float32"], paths, store=store)
    filled()
    return {**ways, FILLED: filled}


def measure(ways: dict[str, Way], *, rounds: int) -> tuple[Times, dict[str, float]]:
    """Seconds of each round, in turns, and the least cosine to the plain loop."""
    seconds: Times = {name: [] for name in ways}
    expected = ways[PLAIN]()  # not timed: it warms up
    cosine = {}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            vectors = way()
            seconds[name].append(time.perf_counter() - start)
            cosine[name] = least_cosine(vectors, expected)
    return seconds, cosine


def needed_gflop(architecture: str) -> float:
    """GFLOP for one photo of 224 x 224 pixels."""
    network = torchvision.models.get_model(architecture, weights=None).eval()
    return gflop(partial(network, torch.zeros(1, 3, 224, 224)))


def aim_of(name: str, *, width: int) -> float | None:
    """How many times as fast as the plain loop a way should be."""
    if name == FILLED:
        return AIMS["filled"]
    if "fast" in name:
        return AIMS["fast"] if width >= FAST_AIM_FROM else None
    best = "bfloat16" if processor_has_bfloat16() else "float32"
    return AIMS["exact"] if name == f"toolkit, {best}" else None


def aim_cell(ratio: float, aim: float | None) -> str:
    """The aim in words, and whether it was reached."""
    return "" if aim is None else f">= {aim:g}: {'met' if ratio >= aim else 'missed'}"


def table(
    size: tuple[int, int],
    architecture: str,
    n: int,
    seconds: Times,
    cosine: dict[str, float],
) -> list[dict[str, object]]:
    """One row a way; its ratio is that of medians, its range that of single rounds."""
    plain = np.array(seconds[PLAIN])
    needed = needed_gflop(architecture)
    label = f"{architecture}, {size[0]} x {size[1]}"
    rows: list[dict[str, object]] = []
    for name, times in seconds.items():
        ratios = plain / np.array(times)
        peak = matrix_peak(torch.bfloat16 if "bfloat16" in name else torch.float32)
        share = f"{needed * n / np.median(times) / peak:.0%}" if "filled" not in name else "-"
        rows.append(
            {
                "network and photos": label,
                "embedded by": name,
                "photos/s": f"{n / np.median(times):,.1f}",
                "times as fast": f"{np.median(plain) / np.median(times):.2f} "
                f"({ratios.min():.2f} .. {ratios.max():.2f})",
                "aim": aim_cell(
                    float(np.median(plain) / np.median(times)), aim_of(name, width=size[0])
                ),
                "share of peak": share,
                "least cosine": f"{cosine[name]:.6f}",
            }
        )
    if not processor_has_bfloat16():
        reason = "bfloat16 not run: this processor has no bf16"
        empty = dict.fromkeys(rows[0], "-")
        rows.append(empty | {"network and photos": label, "embedded by": reason})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of all ways")
    parser.add_argument("--limit", type=int, help="photos of each size, to try the script")
    options = parser.parse_args(arguments)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size, wanted in SETS.items():
            n = options.limit or wanted
            paths = draw_photos(Path(folder), size=size, n=n, seed=0)
            for architecture in ARCHITECTURES:
                ways = ways_of(architecture, paths, store=Path(folder) / "store")
                found = measure(ways, rounds=options.rounds)
                rows += table(size, architecture, n, *found)
                print(rows[-1], flush=True)
    counts = " and ".join(f"{options.limit or n} of {w} x {h}" for (w, h), n in SETS.items())
    write_section(
        "Photo embedding: speed beside a plain torchvision loop",
        command="python benchmarks/photo_embedding.py",
        workload=f"JPEGs drawn with a seed, {counts}; random weights, the same for all; CPU, "
        f"{torch.get_num_threads()} threads. Torchvision loop: Pillow, the preset's transforms, "
        f"batches of {BATCH}, float32, `no_grad`. Toolkit: `ResNetEncoder.encode` of the paths; "
        "with a filled store `embed_values`, which still reads each file to know its content and, "
        "as random weights have no file, hashes the network. "
        f"{options.rounds} rounds in turns.",
        rows=rows,
        notes="Share of peak: floating-point operations of the network per second, decoding "
        f"included in the time, of what a product of two {SIDE} x {SIDE} matrices reaches: float32 "
        f"{matrix_peak(torch.float32):.0f} GFLOP/s. Times as fast: ratio of the medians (least .. "
        "greatest ratio of a single round). "
        'Aims are for the toolkit by default (`dtype="auto"`), and of its '
        "fast decoder on large photos; `photo_profile.py` says where the time goes. "
        "Cosines are to the loop's vectors, the least of all photos, after the mean vector was "
        "subtracted from both: random weights make all embeddings nearly parallel.",
        trial=options.limit is not None,
    )


if __name__ == "__main__":
    main()
