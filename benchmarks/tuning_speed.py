"""What tuning costs: beside transformers' Trainer, and tune-then-cache beside end to end.

python benchmarks/tuning_speed.py --data FOLDER_WITH_babies_r_us.csv
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers
from babies_r_us import DROPPED
from results import write_section
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from encoders import BertEncoder
from encoders.text.checkpoints import find_checkpoint
from fusion import FusionRegressor
from fusion.members.defaults import DEFAULT_MEMBERS

EPOCHS = 2
SPEED_ROWS = 1024
FULL = {"kind": "layers"}


class Prices:
    """The first of the five folds.

    Args:
        folder: Holds babies_r_us.csv.
        speed_rows: Training rows that speed is measured on.
        epochs: Passes over the rows.
    """

    def __init__(self, folder: Path, *, speed_rows: int = SPEED_ROWS, epochs: int = EPOCHS) -> None:
        self.speed_rows, self.epochs = speed_rows, epochs
        self.frame = pd.read_csv(folder / "babies_r_us.csv").drop(columns=DROPPED)
        self.price = self.frame.pop("price").to_numpy()
        self.train, self.test = train_test_split(
            np.arange(len(self.frame)), test_size=int(len(self.frame) * 0.1), random_state=42
        )

    def texts(self, rows: np.ndarray) -> list[str]:
        """Each row written as one text, as the toolkit does."""
        return [
            "\n".join(f"{name}: {value}" for name, value in row.items() if pd.notna(value))
            for row in self.frame.iloc[rows].to_dict("records")
        ]


def by_trainer(data: Prices) -> dict[str, float]:
    """One epoch by transformers' Trainer with its defaults: batches of 8, float32, random order."""
    folder = str(find_checkpoint("minilm").folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=1, problem_type="regression"
    )
    goal = _standardised(data)
    rows, test = data.train[: data.speed_rows], data.test

    def dataset(chosen: np.ndarray) -> list[dict[str, Any]]:
        tokens = tokenizer(data.texts(chosen), truncation=True, max_length=256)["input_ids"]
        return [
            {"input_ids": t, "labels": float(goal[row])}
            for t, row in zip(tokens, chosen, strict=True)
        ]

    with tempfile.TemporaryDirectory() as scratch:
        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(
                scratch, num_train_epochs=data.epochs, report_to=[], save_strategy="no",
                disable_tqdm=True, use_cpu=not torch.cuda.is_available(), logging_strategy="no",
            ),
            train_dataset=dataset(rows),
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        answers = trainer.predict(dataset(test)).predictions[:, 0]
    return {"seconds": seconds, "r2": r2_score(goal[test], answers), **_peak()}


def by_toolkit(data: Prices, settings: dict[str, Any]) -> dict[str, float]:
    """The same epochs by `tune_model`: batches of 32 sorted by length in windows."""
    from fusion.choices.build import build_decoders
    from fusion.data.batch import ModelInputs
    from fusion.network import FusionNetwork
    from fusion.strategies import JoinFusion
    from fusion.tuning import TuningSettings
    from fusion.tuning.rows import TuningRows
    from fusion.tuning.tune import tune_model
    from heads import RegressionHead

    goal = _standardised(data)
    rows, test = data.train[: data.speed_rows], data.test
    texts = data.texts(np.concatenate([rows, test]))
    values = goal[np.concatenate([rows, test])]
    torch.manual_seed(0)
    how = TuningSettings(**settings, epochs=data.epochs)
    encoder = BertEncoder("minilm", adapter=how.adapter)
    fusion = JoinFusion({"text": encoder.embedding_dim})
    heads = {"y": RegressionHead.fitted(values[: len(rows)])}
    decoders = build_decoders(heads, fused_dim=fusion.fused_dim)
    model = FusionNetwork({"text": encoder}, fusion=fusion, heads=heads, decoders=decoders)
    present = torch.ones(len(texts), dtype=torch.bool)
    inputs = ModelInputs({"text": present}, values={"text": texts}, encoders={"text": encoder})
    start = time.perf_counter()
    learn = (np.arange(len(rows)), np.empty(0, dtype=np.int64))
    tune_model(model, TuningRows(inputs, {"y": values}, *learn), settings=how)
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        embedded = torch.from_numpy(encoder.encode(texts[len(rows) :]))
        raw = model.forward_embeddings({"text": embedded}, {"text": present[len(rows) :]})
    answers = heads["y"].decode(raw["y"])["prediction"].numpy()
    return {"seconds": seconds, "r2": r2_score(goal[test], answers), **_peak()}


def tune_then_cache(data: Prices) -> dict[str, float]:
    """Tuning, embedding and training the default members on what the tuned encoder gives."""
    tuning = {"mode": "full", "epochs": data.epochs, "folds": 1}
    return _fit(data, encoders={"text": "minilm"}, tuning=tuning)


def end_to_end(data: Prices) -> dict[str, float]:
    """One network whose encoder trains along, for the same epochs."""
    encoder = BertEncoder("minilm", adapter=FULL)
    rate = {"learning_rate": 3e-4, "batch_size": 32}
    return _fit(
        data, encoders={"text": encoder}, training={"folds": 1, "epochs": data.epochs, **rate}
    )


def _fit(data: Prices, **options: Any) -> dict[str, float]:
    columns = list(data.frame.columns)
    start = time.perf_counter()
    model = FusionRegressor(
        columns={"text": columns, "row_text": columns}, random_state=0, **options
    )
    model.fit(data.frame.iloc[data.train], data.price[data.train])
    seconds = time.perf_counter() - start
    answers = model.predict(data.frame.iloc[data.test])
    return {"seconds": seconds, "r2": r2_score(data.price[data.test], answers), **_peak()}


def _standardised(data: Prices) -> np.ndarray:
    logs = np.log(data.price)
    known = logs[data.train]
    return np.asarray((logs - known.mean()) / known.std())


def _peak() -> dict[str, float]:
    return {"gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def apart(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """The work in a process of its own, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def table(found: dict[str, dict[str, float]], **scales: float) -> list[dict[str, object]]:
    """Rows with ratios to the first."""
    first = next(iter(found.values()))
    return [
        {
            "by": name,
            "seconds": f"{one['seconds']:.0f}",
            **{k: f"{n / one['seconds']:.0f}" for k, n in scales.items()},
            "times as fast": f"{first['seconds'] / one['seconds']:.2f}",
            "peak GiB": f"{one['gib']:.2f}",
            "memory ratio": f"{one['gib'] / first['gib']:.2f}",
            "R2 of the test rows": f"{one['r2']:.3f}",
        }
        for name, one in found.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes both sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with babies_r_us.csv")
    parser.add_argument("--part", choices=["speed", "cost", "both"], default="both")
    parser.add_argument("--rows", type=int, help="rows that speed is measured on, to try it")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the script")
    options = parser.parse_args(arguments)
    if not (options.data / "babies_r_us.csv").is_file():
        parser.error(f"--data must hold babies_r_us.csv, got {options.data}.")
    speed_rows, epochs = options.rows or SPEED_ROWS, options.epochs or EPOCHS
    data = Prices(options.data, speed_rows=speed_rows, epochs=epochs)
    trial = (speed_rows, epochs) != (SPEED_ROWS, EPOCHS)
    command = "python benchmarks/tuning_speed.py --data DATA"
    if options.part != "cost":
        found = {
            "transformers' Trainer": apart(by_trainer, data),
            "fusion.tuning, all layers": apart(by_toolkit, data, {"mode": "full"}),
            "fusion.tuning, last 2 layers (default)": apart(by_toolkit, data, {}),
        }
        write_section(
            "Tuning: speed beside transformers' Trainer",
            command=command,
            workload=f"The first {speed_rows:,} training rows of babies_r_us written as texts, "
            f"MiniLM, log price, {epochs} epochs, {torch.get_num_threads()} threads, one after the "
            "other, each in a process of its own. Trainer: its defaults (all layers, batches of "
            "8 in random order, padded to the longest, float32). R2 of the log price.",
            rows=table(found, **{"texts/s": speed_rows * epochs}),
            trial=trial,
        )
    if options.part != "speed":
        found = {
            "end to end, one network": apart(end_to_end, data),
            "tune, cache, train the default members": apart(tune_then_cache, data),
        }
        write_section(
            "Tuning: cost of tune-then-cache beside end to end",
            command=command,
            workload=f"Fold 0 of babies_r_us, all columns as text, all layers of MiniLM, {epochs} "
            "epochs of 90 % of the training rows. End to end: one network whose encoder trains "
            "along. Tune-then-cache: the same epochs, then the row embedded by the tuned encoder, "
            f"and the default members ({', '.join(DEFAULT_MEMBERS)}) trained on it.",
            rows=table(found),
            trial=trial,
        )


if __name__ == "__main__":
    main()
