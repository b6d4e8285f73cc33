"""Demo catalogue: what pretraining on unlabelled items buys with few labels.

python benchmarks/pretraining_demo.py --work FOLDER
"""

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
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
from fusion.progress import progress_shown
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
    "row_text": [],
}
INPUTS = {"texts and photos": ("text", "image"), "numbers and history too": tuple(COLUMNS)}
OBJECTIVES = {
    "mlm": PretrainingSettings(objective="mlm", epochs=8, batch_size=32, learning_rate=5e-4),
    "contrastive": PretrainingSettings(objective="contrastive", text_layers=2, epochs=6),
}
PLAIN = "as it was"
N_TEST, N_POOL, N_DRAWS = 400, 600, 1000


def learned(frame: pd.DataFrame, work: Path, settings: PretrainingSettings) -> dict[str, Any]:
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
        with progress_shown() as stage:
            pretrain(source, folder, settings, stage=stage)
    text, image = folder / "text", folder / "image.safetensors"
    made: dict[str, Any] = {"text": text} if text.exists() else {}
    return made | ({"image": {"weights": image}} if image.exists() else {})


def forecast(
    rows: pd.DataFrame,
    labelled: pd.DataFrame,
    encoders: dict[str, Any],
    *,
    roles: tuple[str, ...],
    seed: int,
    store: Path,
    training: dict[str, int],
) -> list[float]:
    """Median units of the rows, learned from some labelled ones."""
    columns = {role: names if role in roles else [] for role, names in COLUMNS.items()}
    used = [name for names in columns.values() for name in names]
    model = FusionRegressor(
        head="sales_volume", on_bad_rows="absent", random_state=seed,
        training=training, photos=demo_folder() / "photos", store=store, columns=columns,
        encoders=encoders,
    )  # fmt: skip
    model.fit(labelled[used], labelled[TARGET])
    return [float(units) for units in model.predict_table(rows[used])[FORECAST]]


def draws_of(
    frame: pd.DataFrame,
    drawn: list[pd.DataFrame],
    ways: dict[str, dict[str, Any]],
    *,
    inputs: str,
    work: Path,
    training: dict[str, int],
) -> dict[str, Floats]:
    """Forecasts `[draws, rows]` of each way; kept, so that a stopped run goes on."""
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for draw, labelled in enumerate(drawn):
        path = work / f"forecasts of {inputs}, {len(labelled)}, {draw}.json"
        if not path.is_file():
            options = {"roles": INPUTS[inputs], "seed": draw, "store": work / "store"}
            options["training"] = training
            answers = {n: forecast(frame, labelled, way, **options) for n, way in ways.items()}
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


def table_row(actual: Floats, found: dict[str, Floats]) -> dict[str, object]:
    """Errors of each way, and what each kind of pretraining gained."""

    def unranked(target: Floats, prediction: Floats) -> float:
        return -spearman(target, prediction)

    row: dict[str, object] = {}
    for name, answers in found.items():
        row[f"WAPE, {name}"] = f"{np.mean([wape(actual, a) for a in answers]):.3f}"
    for name in OBJECTIVES:
        row[f"gain by {name}"] = gain(wape, actual, found[PLAIN], found[name])
    for name, answers in found.items():
        row[f"rank, {name}"] = f"{np.mean([spearman(actual, a) for a in answers]):.3f}"
    for name in OBJECTIVES:
        row[f"rank gained by {name}"] = gain(unranked, actual, found[PLAIN], found[name])
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="encoders, store, forecasts")
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 200, 400])
    parser.add_argument("--draws", type=int, default=8, help="draws of labelled rows")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the script")
    options = parser.parse_args(arguments)
    trial = options.epochs is not None
    training = {"epochs": options.epochs} if trial else {}
    frame = pd.read_csv(demo_folder() / "items.csv")
    order = np.random.default_rng(0).permutation(len(frame))
    rest = frame.iloc[order[N_TEST:]]
    pool = rest.iloc[:N_POOL]
    ways: dict[str, dict[str, Any]] = {PLAIN: {}}
    for name, settings in OBJECTIVES.items():
        chosen = settings.model_copy(update={"epochs": options.epochs}) if trial else settings
        ways[name] = learned(rest, options.work, chosen)
    units = frame[TARGET].to_numpy(dtype=np.float64)
    asked = {"new": order[:N_TEST], "seen": order[N_TEST + N_POOL :]}
    rows = []
    for inputs, n_labels in itertools.product(INPUTS, options.labels):
        drawn = [pool.sample(n_labels, random_state=draw) for draw in range(options.draws)]
        found = draws_of(frame, drawn, ways, inputs=inputs, work=options.work, training=training)
        for name, places in asked.items():
            scores = table_row(units[places], {n: f[:, places] for n, f in found.items()})
            rows.append({"from": inputs, "labels": n_labels, "items": name, **scores})
            print(rows[-1], flush=True)
    constant = wape(units[order[:N_TEST]], np.full(N_TEST, rest[TARGET].median()))
    mlm, pairs = OBJECTIVES["mlm"], OBJECTIVES["contrastive"]
    write_section(
        "Demo catalogue: pretraining on unlabelled items, then few labels",
        command="python benchmarks/pretraining_demo.py --work WORK",
        workload=f"{len(rest):,} made-up items without sales are pretrained on. mlm: MiniLM as a "
        f"whole guesses hidden words, {mlm.epochs} epochs, batches of {mlm.batch_size}, learning "
        f"rate {mlm.learning_rate}; photos as they were. contrastive: CLIP loss between photo and "
        f"text, {pairs.epochs} epochs, all of clothing18 and the last {pairs.text_layers} layers "
        f"of MiniLM. Then `FusionRegressor` learns from some of {N_POOL} of them with sales, "
        f"{options.draws} draws. Asked of {N_TEST} new items, and of {len(asked['seen']):,} that "
        "were pretrained on and never had sales.",
        rows=rows,
        notes="WAPE is of the median forecast, rank the Spearman correlation with the units sold. "
        f"The median of all other items alone has WAPE {constant:.3f} (new items). Gains "
        "(positive: better) with 95 % intervals over draws of labels and the items asked of.",
        trial=trial,
    )


if __name__ == "__main__":
    main()
