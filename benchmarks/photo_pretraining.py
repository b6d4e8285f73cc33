"""Photos of clothes: a ResNet-18 without training, trained by itself, and trained with labels.

python benchmarks/photo_pretraining.py --clothing FOLDER --visuelle FOLDER --work FOLDER
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from results import write_section
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from visuelle2_550 import SCHEMA, TARGET, Launches

from encoders import ResNetEncoder
from fusion import FusionClassifier, FusionRegressor
from fusion.choices.encoders import EncoderChoices
from fusion.jobs.pretrain import Source, pretrain
from fusion.modalities import input_roles
from fusion.pretraining import PretrainingSettings
from fusion.progress import progress_shown
from fusion.store import embed_values
from heads import HotItemHead
from heads.metrics import pr_auc, wape

Floats = NDArray[np.float64]

NOT_CLASSES = ("Not sure", "Other", "Skip")
SETTINGS = PretrainingSettings(objective="self_supervised", epochs=20, image_size=64)
SIZE = {"resize": 67, "crop": 64}
N_DRAWS = 2000


class Clothes:
    """Photos with classes; the senders of the test photos sent no other."""

    def __init__(self, folder: Path) -> None:
        table = pd.read_csv(folder / "images.csv")
        table = table[~table["label"].isin(NOT_CLASSES)].reset_index(drop=True)
        self.photos = folder / "images"
        self.names, self.labels = table["image"], table["label"].to_numpy()
        splitter = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=0)
        self.train, self.test = next(splitter.split(table, groups=table["sender_id"]))

    def vectors(self, encoder: ResNetEncoder, store: Path) -> NDArray[np.float32]:
        """One embedding a photo."""
        paths = [[self.photos / name] for name in self.names]
        return embed_values(encoder, paths, store=store).vectors


def self_supervised(clothes: Clothes, work: Path, settings: PretrainingSettings) -> Path:
    """Weights that learned from the training senders' photos, without their classes."""
    folder = work / "self_supervised"
    if not (folder / "pretraining.json").is_file():
        work.mkdir(parents=True, exist_ok=True)
        clothes.names.iloc[clothes.train].to_frame("photo").to_csv(work / "photos.csv", index=False)
        source = Source(work / "photos.csv", clothes.photos, {"image": ["photo"]})
        encoders = EncoderChoices({"image": {"name": "resnet18", "weights": None}})
        with progress_shown() as stage:
            pretrain(source, folder, settings, encoders=encoders, stage=stage)
    return folder / "image.safetensors"


def read(clothes: Clothes, vectors: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
    """Which test photos are told right, by their neighbours and by a linear probe."""
    readers = {
        "5 nearest neighbours": KNeighborsClassifier(5, metric="cosine"),
        "linear probe": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
    }
    train, test, labels = clothes.train, clothes.test, clothes.labels
    return {
        name: reader.fit(vectors[train], labels[train]).predict(vectors[test]) == labels[test]
        for name, reader in readers.items()
    }


def launches_read(
    launches: Launches, encoder: ResNetEncoder, *, n_seeds: int
) -> dict[str, list[Floats]]:
    """Answers on the test launches from tags and photo: units, and chances of hot items."""
    hot = HotItemHead.fitted(launches.units_training)
    labels = hot.encode_target(launches.units_training).astype(np.float64)
    columns = {role: list(SCHEMA.columns_of(role)) for role in input_roles()}
    used = [name for names in columns.values() for name in names]
    encoders = {**launches.options["encoders"], "image": encoder}
    options = {**launches.options, "columns": columns, "encoders": encoders}
    found: dict[str, list[Floats]] = {"units": [], "hot": []}
    for seed in range(n_seeds):
        units = FusionRegressor(head="sales_volume", random_state=seed, **options)
        units.fit(launches.training[used], pd.Series(launches.units_training, name=TARGET))
        found["units"].append(units.predict(launches.test[used]))
        chance = FusionClassifier(random_state=seed, **options)
        chance.fit(launches.training[used], pd.Series(labels, name=TARGET))
        found["hot"].append(chance.predict_proba(launches.test[used])[:, 1])
    return found


def interval(first: Callable[[NDArray[np.int64]], float], n_rows: int) -> str:
    """A difference with its 95 % interval over draws of the test rows."""
    random = np.random.default_rng(0)
    draws = [first(random.integers(0, n_rows, n_rows)) for _ in range(N_DRAWS)]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return f"{first(np.arange(n_rows)):+.3f} ({low:+.3f} .. {high:+.3f})"


def clothing_rows(
    clothes: Clothes, encoders: dict[str, ResNetEncoder], store: Path
) -> list[dict[str, object]]:
    """Accuracy of each encoder, with its distance to no training."""
    right = {name: read(clothes, clothes.vectors(e, store)) for name, e in encoders.items()}
    base = right["random weights"]

    def row(name: str) -> dict[str, object]:
        cells: dict[str, object] = {"encoder": name}
        for reader, hits in right[name].items():
            gained = hits.astype(float) - base[reader]
            cells[reader] = f"{hits.mean():.3f}"
            cells[f"{reader}: gain"] = interval(lambda rows, g=gained: g[rows].mean(), len(hits))
        return cells

    return [row(name) for name in encoders]


def launch_rows(
    launches: Launches, encoders: dict[str, ResNetEncoder], *, n_seeds: int
) -> list[dict[str, object]]:
    """WAPE and PR-AUC with each encoder, with their distance to no training."""
    actual = launches.units_test
    rule = HotItemHead.fitted(launches.units_training)
    hot = rule.encode_target(actual).astype(np.float64)
    found = {n: launches_read(launches, e, n_seeds=n_seeds) for n, e in encoders.items()}
    base = found["random weights"]

    def mean(metric: Callable[..., float], target: Floats, answers: list[Floats], rows) -> float:
        return float(np.mean([metric(target[rows], answer[rows]) for answer in answers]))

    def row(name: str) -> dict[str, object]:
        units, chances = found[name]["units"], found[name]["hot"]
        everyone = np.arange(len(actual))
        return {
            "photo encoder": name,
            "WAPE": f"{mean(wape, actual, units, everyone):.3f}",
            "gain in WAPE": interval(
                lambda rows: (
                    mean(wape, actual, base["units"], rows) - mean(wape, actual, units, rows)
                ),
                len(actual),
            ),
            "hot PR-AUC": f"{mean(pr_auc, hot, chances, everyone):.3f}",
            "gain in PR-AUC": interval(
                lambda rows: (
                    mean(pr_auc, hot, chances, rows) - mean(pr_auc, hot, base["hot"], rows)
                ),
                len(actual),
            ),
        }

    return [row(name) for name in encoders]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes both sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clothing", type=Path, required=True, help="images.csv and images/")
    parser.add_argument("--visuelle", type=Path, required=True, help="products.csv and images/")
    parser.add_argument("--work", type=Path, required=True, help="weights and store")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the script")
    options = parser.parse_args(arguments)
    for folder, name in ((options.clothing, "images.csv"), (options.visuelle, "products.csv")):
        if not (folder / name).is_file():
            parser.error(f"{name} must be in its folder, got {folder}.")
    clothes = Clothes(options.clothing)
    trial = options.epochs is not None
    settings = SETTINGS.model_copy(update={"epochs": options.epochs}) if trial else SETTINGS
    weights = self_supervised(clothes, options.work, settings)
    torch.manual_seed(0)
    encoders = {
        "random weights": ResNetEncoder("resnet18", weights=None, preprocessing=SIZE),
        "self-supervised": ResNetEncoder("resnet18", weights=weights),
        "supervised (clothing18)": ResNetEncoder("resnet18", weights="clothing18"),
    }
    store = options.work / "store"
    command = (
        "python benchmarks/photo_pretraining.py --clothing CLOTHING --visuelle VISUELLE --work WORK"
    )
    write_section(
        "Photos of clothes: self-supervised, supervised, untrained",
        command=command,
        workload=f"{len(clothes.train):,} photos for learning and {len(clothes.test):,} of other "
        "senders for the test, 17 classes. Self-supervised: `fusion pretrain --objective "
        f"self_supervised`, ResNet-18 from random weights, {settings.epochs} epochs at 64 pixels, "
        "no labels. Supervised: clothing18, which comes along, trained on the same photos "
        "with their classes. Gains are over random weights, 95 % paired intervals.",
        rows=clothing_rows(clothes, encoders, store),
        trial=trial,
    )
    launches = Launches(
        options.visuelle, store=store, training={"epochs": options.epochs} if trial else {}
    )
    write_section(
        "visuelle2_550 with photo encoders that were trained in other ways",
        command=command,
        workload=f"{len(launches.training)} launches for learning, {len(launches.test)} for "
        f"the test, tags and one photo, {options.seeds} seeds; only the photo encoder differs. "
        f"{TARGET}: `FusionRegressor`, hot "
        "items: `FusionClassifier`. Gains are over random weights, 95 % paired intervals.",
        rows=launch_rows(launches, encoders, n_seeds=options.seeds),
        trial=trial,
    )


if __name__ == "__main__":
    main()
