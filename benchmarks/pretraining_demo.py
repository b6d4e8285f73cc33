"""Demo catalogue: what contrastive pretraining on unlabelled items buys with few labels.

python benchmarks/pretraining_demo.py --work FOLDER
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from results import write_section

from fusion import FusionRegressor
from fusion.jobs.demo import demo_folder
from fusion.jobs.pretrain import Source, pretrain
from fusion.pretraining import PretrainingSettings
from fusion.progress import progress_bars
from heads.metrics import wape

TEXT, IMAGE, TARGET = ["title", "description"], ["photo", "photo_2"], "units_next_8w"
N_TEST, N_DRAWS = 400, 1000
SETTINGS = PretrainingSettings(objective="contrastive", text_layers=2, epochs=6)


def learned(frame: pd.DataFrame, work: Path, photos: Path) -> Path:
    """Encoders that have seen photos and texts of the items that are not tested, no sales."""
    folder = work / "pretrained"
    if not (folder / "pretraining.json").is_file():
        work.mkdir(parents=True, exist_ok=True)
        items = work / "unlabelled.csv"
        frame[["item_id", *TEXT, *IMAGE]].to_csv(items, index=False)
        columns = {"id": ["item_id"], "text": TEXT, "image": IMAGE}
        source = Source(items, photos, columns, on_bad_rows="record")
        with progress_bars() as stage:
            pretrain(source, folder, SETTINGS, stage=stage)
    return folder


def answers(
    labelled: pd.DataFrame,
    test: pd.DataFrame,
    encoders: dict[str, str],
    *,
    seed: int,
    **places: Any,
) -> np.ndarray:
    """Units of the test rows from texts and photos alone, learned from some labelled rows."""
    model = FusionRegressor(
        text=TEXT, image=IMAGE, numeric=[], categorical=[], dates=[], history=[], row=[],
        head="sales_volume", on_bad_rows="absent", random_state=seed, **encoders, **places,
    )  # fmt: skip
    used = [*TEXT, *IMAGE]
    model.fit(labelled[used], labelled[TARGET])
    return np.asarray(model.predict(test[used]))


def gain(actual: np.ndarray, plain: np.ndarray, pretrained: np.ndarray) -> tuple[float, ...]:
    """Mean gain in WAPE over draws of labels, with its 95 % interval over test rows and draws."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(N_DRAWS):
        rows = random.integers(0, len(actual), len(actual))
        draws = random.integers(0, len(plain), len(plain))
        found.append(
            np.mean(
                [
                    wape(actual[rows], plain[d][rows]) - wape(actual[rows], pretrained[d][rows])
                    for d in draws
                ]
            )
        )
    mean = np.mean(
        [wape(actual, a) - wape(actual, b) for a, b in zip(plain, pretrained, strict=True)]
    )
    low, high = np.quantile(found, [0.025, 0.975])
    return float(mean), float(low), float(high)


def main() -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="encoders, store, answers")
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--draws", type=int, default=8, help="draws of labelled rows")
    options = parser.parse_args()
    photos = demo_folder() / "photos"
    frame = pd.read_csv(demo_folder() / "items.csv")
    order = np.random.default_rng(0).permutation(len(frame))
    test, rest = frame.iloc[order[:N_TEST]], frame.iloc[order[N_TEST:]]
    folder = learned(rest, options.work, photos)
    ways = {
        "as they were": {},
        "pretrained": {
            "text_encoder": str(folder / "text"),
            "image_weights": str(folder / "image.safetensors"),
        },
    }
    actual = test[TARGET].to_numpy(dtype=np.float64)
    rows = []
    for n_labels in options.labels:
        given: dict[str, list[np.ndarray]] = {name: [] for name in ways}
        for draw in range(options.draws):
            path = options.work / f"answers_{n_labels}_{draw}.json"
            if not path.is_file():
                labelled = rest.sample(n_labels, random_state=draw)
                places = {"photos": photos, "store": options.work / "store"}
                path.write_text(
                    json.dumps(
                        {
                            name: answers(labelled, test, way, seed=draw, **places).tolist()
                            for name, way in ways.items()
                        }
                    )
                )
            for name, values in json.loads(path.read_text()).items():
                given[name].append(np.asarray(values))
        plain, better = (np.stack(given[name]) for name in ways)
        mean, low, high = gain(actual, plain, better)
        errors = {name: np.mean([wape(actual, a) for a in found]) for name, found in given.items()}
        rows.append(
            {
                "labelled rows": n_labels,
                **{f"WAPE, encoders {name}": f"{error:.3f}" for name, error in errors.items()},
                "gain by pretraining": f"{mean:+.3f} ({low:+.3f} .. {high:+.3f})",
            }
        )
        print(rows[-1], flush=True)
    write_section(
        "Demo catalogue: pretraining on unlabelled items, then few labels",
        command="python benchmarks/pretraining_demo.py --work WORK",
        workload=f"{len(rest):,} made-up items without sales: CLIP loss between photo and text, "
        f"{SETTINGS.epochs} epochs, all of clothing18 and the last {SETTINGS.text_layers} layers "
        f"of MiniLM. Then `FusionRegressor` on texts and photos of some labelled ones, "
        f"{options.draws} draws of labels, {N_TEST} other items for the test. Interval: 95 %, over "
        "draws and test rows.",
        rows=rows,
    )


if __name__ == "__main__":
    main()
