"""Demo catalogue: what pretraining on unlabelled items buys with few labels.

python benchmarks/pretraining_demo.py --work FOLDER
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from results import write_section

from fusion import FusionRegressor
from fusion.jobs.demo import demo_folder
from fusion.jobs.pretrain import Source, pretrain
from fusion.pretraining import PretrainingSettings
from fusion.progress import progress_bars
from heads.metrics import spearman, wape

Floats = NDArray[np.float64]

TARGET, FORECAST = "units_next_8w", "sales_units_p50"
COLUMNS = {
    "text": ["title", "description"],
    "image": ["photo", "photo_2"],
    "numeric": ["price_eur", "list_price_eur", "promo_weeks_planned", "n_sizes", "supplier_rating"],
    "categorical": ["category", "brand", "season"],
    "dates": ["launch_date"],
    "history": [
        "units_last_4w",
        "units_last_13w",
        "units_last_52w",
        "weeks_on_sale",
        "weeks_out_of_stock_13w",
        "mean_discount_13w",
    ],
    "row": [],
}
USED = [name for names in COLUMNS.values() for name in names]
OBJECTIVES = {
    "mlm": PretrainingSettings(objective="mlm", epochs=8, batch_size=32, learning_rate=5e-4),
    "contrastive": PretrainingSettings(objective="contrastive", text_layers=2, epochs=6),
}
PLAIN = "as it was"
N_TEST, N_DRAWS = 400, 1000


def learned(frame: pd.DataFrame, work: Path, settings: PretrainingSettings) -> dict[str, str]:
    """Encoders that have seen photos or texts of the items that are not tested, no sales."""
    folder = work / settings.objective
    if not (folder / "pretraining.json").is_file():
        work.mkdir(parents=True, exist_ok=True)
        items = work / "unlabelled.csv"
        columns = {name: COLUMNS[name] for name in settings.modalities}
        used = [name for names in columns.values() for name in names]
        frame[["item_id", *used]].to_csv(items, index=False)
        source = Source(
            items, demo_folder() / "photos", {"id": ["item_id"], **columns}, on_bad_rows="record"
        )
        with progress_bars() as stage:
            pretrain(source, folder, settings, stage=stage)
    made = {"text_encoder": folder / "text", "image_weights": folder / "image.safetensors"}
    return {option: str(path) for option, path in made.items() if path.exists()}


def forecast(
    labelled: pd.DataFrame, test: pd.DataFrame, encoders: dict[str, str], *, seed: int, store: Path
) -> list[float]:
    """Median units of the test rows, learned from some labelled rows."""
    model = FusionRegressor(
        head="sales_volume", on_bad_rows="absent", random_state=seed,
        photos=demo_folder() / "photos", store=store, **COLUMNS, **encoders,
    )  # fmt: skip
    model.fit(labelled[USED], labelled[TARGET])
    return [float(units) for units in model.predict_table(test[USED])[FORECAST]]


def draws_of(
    rest: pd.DataFrame,
    test: pd.DataFrame,
    ways: dict[str, dict[str, str]],
    *,
    n_labels: int,
    n_draws: int,
    work: Path,
) -> dict[str, Floats]:
    """Forecasts `[draws, test rows]` of each way; kept, so that a stopped run goes on."""
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for draw in range(n_draws):
        path = work / f"forecasts_{n_labels}_{draw}.json"
        if not path.is_file():
            labelled = rest.sample(n_labels, random_state=draw)
            answers = {
                name: forecast(labelled, test, way, seed=draw, store=work / "store")
                for name, way in ways.items()
            }
            path.write_text(json.dumps(answers))
        for name, values in json.loads(path.read_text()).items():
            found[name].append(values)
    return {name: np.asarray(values) for name, values in found.items()}


def gain(
    error: Callable[[Floats, Floats], float], actual: Floats, plain: Floats, other: Floats
) -> str:
    """Mean fall of an error over draws of labels, with its 95 % interval over rows and draws."""

    def fall(rows: Any, draws: Any) -> float:
        pairs = [
            error(actual[rows], plain[d, rows]) - error(actual[rows], other[d, rows]) for d in draws
        ]
        return float(np.mean(pairs))

    random = np.random.default_rng(0)
    found = [
        fall(
            random.integers(0, len(actual), len(actual)), random.integers(0, len(plain), len(plain))
        )
        for _ in range(N_DRAWS)
    ]
    low, high = np.quantile(found, [0.025, 0.975])
    return f"{fall(np.arange(len(actual)), range(len(plain))):+.4f} ({low:+.4f} .. {high:+.4f})"


def table_row(n_labels: int, actual: Floats, found: dict[str, Floats]) -> dict[str, object]:
    """Errors of each way, and what each kind of pretraining gained."""

    def unranked(target: Floats, prediction: Floats) -> float:
        return -spearman(target, prediction)

    row: dict[str, object] = {"labelled rows": n_labels}
    for name, answers in found.items():
        row[f"WAPE {name}"] = f"{np.mean([wape(actual, a) for a in answers]):.3f}"
    for name in OBJECTIVES:
        row[f"gain by {name}"] = gain(wape, actual, found[PLAIN], found[name])
    for name, answers in found.items():
        row[f"rank {name}"] = f"{np.mean([spearman(actual, a) for a in answers]):.3f}"
    for name in OBJECTIVES:
        row[f"rank gained by {name}"] = gain(unranked, actual, found[PLAIN], found[name])
    return row


def main() -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="encoders, store, forecasts")
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--draws", type=int, default=12, help="draws of labelled rows")
    options = parser.parse_args()
    frame = pd.read_csv(demo_folder() / "items.csv")
    order = np.random.default_rng(0).permutation(len(frame))
    test, rest = frame.iloc[order[:N_TEST]], frame.iloc[order[N_TEST:]]
    ways: dict[str, dict[str, str]] = {PLAIN: {}}
    for name, settings in OBJECTIVES.items():
        ways[name] = learned(rest, options.work, settings)
    actual = test[TARGET].to_numpy(dtype=np.float64)
    rows = []
    for n_labels in options.labels:
        found = draws_of(
            rest, test, ways, n_labels=n_labels, n_draws=options.draws, work=options.work
        )
        rows.append(table_row(n_labels, actual, found))
        print(rows[-1], flush=True)
    constant = wape(actual, np.full(len(actual), rest[TARGET].median()))
    mlm, pairs = OBJECTIVES["mlm"], OBJECTIVES["contrastive"]
    write_section(
        "Demo catalogue: pretraining on unlabelled items, then few labels",
        command="python benchmarks/pretraining_demo.py --work WORK",
        workload=f"{len(rest):,} made-up items without sales. mlm: MiniLM as a whole guesses "
        f"hidden words of their texts, {mlm.epochs} epochs, batches of {mlm.batch_size}, learning rate "
        f"{mlm.learning_rate}; photos as they were. contrastive: CLIP loss between photo and text, "
        f"{pairs.epochs} epochs, all of clothing18 and the last {pairs.text_layers} layers of "
        "MiniLM. Then `FusionRegressor` on all columns of the demo, from a few labelled items, "
        f"{options.draws} draws of them; {N_TEST} other items for the test.",
        rows=rows,
        notes="WAPE is of the median forecast, rank the Spearman correlation with the units sold. "
        f"The median of all other items alone has WAPE {constant:.3f}. Gains (positive: better) "
        "with 95 % intervals over draws and test rows.",
    )


if __name__ == "__main__":
    main()
