"""Fashion launches of visuelle2_550: units of twelve weeks from tags and photo, without history.

python benchmarks/visuelle2_550.py --data FOLDER_WITH_products.csv_AND_images --store STORE
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from results import write_section

from encoders.base import Encoder
from encoders.image.efficientnet_lite0 import EfficientNetLite0Encoder
from encoders.image.resnet import ResNetEncoder
from encoders.text.bert import BertEncoder
from fusion import FusionClassifier, FusionRegressor
from fusion.data.catalogue import build_catalogue
from fusion.data.folds import DRAWN, validation_folds
from fusion.data.schema import Schema
from fusion.embedding import prepare_inputs
from fusion.evaluation import BASELINES, Evaluation, Score, baseline_rows, evaluate_head
from fusion.evaluation.result import Kind
from fusion.modalities import input_roles
from fusion.ready import ReadyItems
from heads import Head, HotItemHead, SalesVolumeHead

Floats = NDArray[np.float64]
Columns = dict[str, Floats]
Ways = dict[tuple[str, Kind], Columns]

TARGET = "total12"
TRAINING_SEASONS = ("SS17", "AW17", "SS18", "AW18")
TAGS = ("category", "color", "fabric")
SCHEMA = Schema(columns={"text": ("text",), "image": ("image",), "categorical": TAGS})
PHOTOS: Mapping[str, Callable[[], Encoder]] = {
    "clothing18": lambda: ResNetEncoder("resnet18", weights="clothing18"),
    "efficientnet_lite0": EfficientNetLite0Encoder,
}
MODALITIES: Mapping[tuple[str, Kind], tuple[str, ...]] = {
    ("fusion", "fusion"): ("text", "image", "categorical"),
    ("text of tags alone", "alone"): ("text",),
    ("photo alone", "alone"): ("image",),
    ("tags as categories alone", "alone"): ("categorical",),
}


class Launches:
    """Products of the catalogue, split by season, and what every model shares.

    Args:
        data: Holds products.csv and images/.
        store: Embedding store.
        training: Settings of training.
        photos: What reads the photos.
    """

    def __init__(
        self,
        data: Path,
        *,
        store: Path,
        training: Mapping[str, int],
        photos: str = "clothing18",
    ) -> None:
        products = pd.read_csv(data / "products.csv")
        products = products[products["in_catalog"] == 1]
        tags = products["category"] + ", " + products["color"] + " " + products["fabric"]
        frame = products[["image", *TAGS]].assign(text=tags).astype(str)
        known = products["season"].isin(TRAINING_SEASONS).to_numpy()
        self.training, self.test = (frame[rows].reset_index(drop=True) for rows in (known, ~known))
        units = products[TARGET].to_numpy(dtype=np.float64)
        self.units_training, self.units_test = units[known], units[~known]
        self.photos = data / "images"
        self.options = {
            "photos": self.photos,
            "store": store,
            "training": training,
            "encoders": {
                "text": BertEncoder("minilm"),
                "image": PHOTOS[photos](),
            },
        }

    def ready(self, frame: pd.DataFrame) -> ReadyItems:
        """Rows as the baselines read them."""
        catalogue = build_catalogue(frame, SCHEMA, photos=self.photos)
        encoders = self.options["encoders"]
        prepared = prepare_inputs(encoders, catalogue, store=self.options["store"])
        return ReadyItems(catalogue, encoders, prepared.inputs)


def answers(launches: Launches, head: Head, target: Floats, *, seed: int) -> Ways:
    """Test columns of the fusion and of each modality alone."""
    kind = FusionClassifier if isinstance(head, HotItemHead) else FusionRegressor
    name = "hot_item" if isinstance(head, HotItemHead) else "sales_volume"
    found: Ways = {}
    for key, roles in MODALITIES.items():
        columns = {
            role: list(SCHEMA.columns_of(role)) if role in roles else [] for role in input_roles()
        }
        used = [column for names in columns.values() for column in names]
        model = kind(head=name, random_state=seed, columns=columns, **launches.options)
        model.fit(launches.training[used], pd.Series(target, name=TARGET))
        table = model.predict_table(launches.test[used])
        found[key] = {
            column: table[column].to_numpy(dtype=np.float64) for column in head.column_names
        }
    return found


def evaluated(launches: Launches, head: Head, *, seed: int) -> Evaluation:
    """Scores of every way of predicting with one seed; labels for hot items, units otherwise."""
    training, test = launches.units_training, launches.units_test
    if isinstance(head, HotItemHead):
        rule = HotItemHead.fitted(training)  # the top quarter of all training rows
        training, test = (
            rule.encode_target(units).astype(np.float64) for units in (training, test)
        )
    models = answers(launches, head, training, seed=seed)
    known, asked = baseline_rows(launches.ready(launches.training), launches.ready(launches.test))
    folds = validation_folds(DRAWN, n_rows=len(training), n_folds=4, share=0.15, seed=seed)
    for name, predict in BASELINES.items():
        found = predict(
            known, {"head": training}, asked, heads={"head": head}, folds=folds, seed=seed
        )
        if found is not None:
            models[name, "baseline"] = found["head"]
    return evaluate_head(
        head,
        name=type(head).__name__,
        target_column=TARGET,
        target=test,
        answers=models,
    )


def gains(scores: Sequence[Score]) -> str:
    """The gain of the fusion with its 95 % interval, one for each seed."""
    return "; ".join(
        f"{score.gain:+.3f} [{score.low:+.3f}, {score.high:+.3f}]"
        for score in scores
        if score.gain is not None
    )


def table(volumes: Sequence[Evaluation], hot: Sequence[Evaluation]) -> list[dict[str, object]]:
    """One row for each way of predicting: means over the seeds, gains of each seed."""
    rows: list[dict[str, object]] = []
    for place, first in enumerate(volumes[0].scores):
        units = [evaluation.scores[place] for evaluation in volumes]
        labels = [evaluation.scores[place] for evaluation in hot]
        mean = {name: np.mean([s.metrics[name] for s in units]) for name in first.metrics}
        pr_auc = np.mean([score.metrics["pr_auc"] for score in labels])
        rows.append(
            {
                "predicted by": first.name,
                "WAPE": f"{mean['wape']:.3f}",
                "WAPE of the mean": f"{mean['wape_mean']:.3f}",
                "MAE": f"{mean['mae']:.0f}",
                "gain of the fusion in WAPE": gains(units),
                "hot PR-AUC": f"{pr_auc:.3f}",
                "gain in PR-AUC": gains(labels),
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with products.csv, images")
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model")
    parser.add_argument("--photos", choices=PHOTOS, default="clothing18", help="reads the photos")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the script")
    options = parser.parse_args(arguments)
    if not (options.data / "products.csv").is_file() or not (options.data / "images").is_dir():
        parser.error(f"--data must hold products.csv and images/, got {options.data}.")
    training = {} if options.epochs is None else {"epochs": options.epochs}
    launches = Launches(options.data, store=options.store, training=training, photos=options.photos)
    heads: tuple[Head, Head] = (
        SalesVolumeHead.fitted(launches.units_training),
        HotItemHead(),
    )
    volumes, hot = (
        [evaluated(launches, head, seed=seed) for seed in range(options.seeds)] for head in heads
    )
    rows = table(volumes, hot)
    prevalence = hot[0].scores[0].metrics["prevalence"]
    write_section(
        "visuelle2_550: twelve weeks of units of fashion launches from tags and photo, "
        f"{options.photos}",
        command=f"python benchmarks/visuelle2_550.py --data DATA --store STORE "
        f"--photos {options.photos} --seeds {options.seeds}",
        workload=f"{len(launches.training)} products of the seasons SS17 to AW18 for training, "
        f"{len(launches.test)} of SS19 and AW19 for the test. "
        "Inputs known before the launch: category, colour and fabric, as text "
        '("long dress, black tulle") and as categories, and one photo. Sales volume of `total12` '
        "by `FusionRegressor`, hot items (top quarter of the training rows) by `FusionClassifier`; "
        f"MiniLM and {options.photos} frozen, {options.seeds} seeds.",
        rows=rows,
        notes="WAPE and MAE are of the median forecast, WAPE of the mean of the mean forecast; "
        "scores are means over the seeds. A gain is how much better the fusion is (positive: "
        "better), one for each seed, with its 95 % interval from 1,000 paired draws of the test "
        f"rows. PR-AUC by chance: the prevalence, {prevalence:.3f} of the test rows. The season is "
        "not used: no season of the test stands in the training rows.",
        trial=options.epochs is not None,
    )


if __name__ == "__main__":
    main()
