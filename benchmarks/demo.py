"""The demo catalogue: the whole training job, and how much of the known contributions it finds.

python benchmarks/demo.py --store STORE
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from results import write_section

from fusion.bundle import Bundle, load_bundle
from fusion.data.schema import Schema
from fusion.evaluation import Evaluation, Score
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.items import labelled_items
from fusion.job_steps.measure import Experiment, head_columns
from fusion.jobs.demo import demo_folder
from fusion.jobs.train import build_experiment, train
from fusion.modalities import input_roles
from heads import metrics

Floats = NDArray[np.float64]
Row = dict[str, object]

HEAD = "Units, next 8 weeks"
METRICS = ("wape", "spearman")
PARTS = {"text": "text", "image": "photo", "numeric": "numbers", "history": "history"}
"""Modality -> what process.json and latents.csv call its part of the demand."""


def configuration(*, seed: int, store: Path, epochs: int | None) -> TrainConfig:
    """The demo job with another seed, which also draws the split."""
    overrides = {"training.seed": seed} | ({} if epochs is None else {"training.epochs": epochs})
    config = TrainConfig.from_file(demo_folder() / "train.toml", overrides=overrides)
    config.store = store.absolute()
    return config


def without(schema: Schema, modality: str) -> dict[str, list[str]]:
    """Columns of each role once a modality's columns have left every role, `row_text` included."""
    hidden = set(schema.columns_read_by(modality))
    return {
        role: [name for name in schema.columns_of(role) if name not in hidden]
        for role in input_roles()
    }


def experiment_of(config: TrainConfig, store: Path) -> Experiment:
    """The rows, split and spec of a training job."""
    return build_experiment(config, labelled_items(config, store=store), folder=store.parent)


def log_median(experiment: Experiment, bundle: Bundle) -> Floats:
    """log(1 + predicted median units) of the test rows."""
    columns = head_columns(bundle, HEAD, experiment.predict(bundle))
    return np.asarray(np.log1p(columns["sales_units_p50"]))


def contributions(experiment: Experiment, bundle: Bundle) -> dict[str, dict[str, float]]:
    """What leaving out each modality costs, and whether what is lost is the modality's true part.

    Returns:
        Modality -> `drop` of R2 of log(1 + units), and `correlation` of the true part with the
        fusion's log forecast less the log forecast of a model trained without the modality.
    """
    test = experiment.split.test
    target = np.log1p(experiment.targets[HEAD][test])
    latents = pd.read_csv(demo_folder() / "latents.csv").set_index("item_id")
    true = latents.loc[experiment.catalogue.frame["item_id"].iloc[test]]
    full = log_median(experiment, bundle)
    found = {"fusion": {"r2": metrics.r2(target, full)}}
    for modality, part in PARTS.items():
        less = experiment.narrowed(without(experiment.catalogue.schema, modality))
        rest = log_median(less, less.fit().bundle)
        truth = true[f"{part}_part"].to_numpy(dtype=np.float64)
        found[modality] = {
            "drop": metrics.r2(target, full) - metrics.r2(target, rest),
            "correlation": float(np.corrcoef(truth, full - rest)[0, 1]),
        }
    return found


def gains(scores: Sequence[Score]) -> str:
    """The gain of the fusion with its 95 % interval, one for each seed."""
    return "; ".join(
        f"{score.gain:+.3f} [{score.low:+.3f}, {score.high:+.3f}]"
        for score in scores
        if score.gain is not None
    )


def score_rows(runs: Sequence[Evaluation]) -> list[Row]:
    """One row for each way of predicting: means over the seeds, gains of each seed."""
    rows: list[Row] = []
    for place, first in enumerate(runs[0].scores):
        scores = [run.scores[place] for run in runs]
        wape, spearman = (np.mean([s.metrics[name] for s in scores]) for name in METRICS)
        rows.append(
            {
                "predicted by": first.name,
                "WAPE": f"{wape:.3f}",
                "rank correlation": f"{spearman:.3f}",
                "gain of the fusion in WAPE": gains(scores),
            }
        )
    return rows


def contribution_rows(found: Sequence[dict[str, dict[str, float]]]) -> list[Row]:
    """True share of each modality beside what leaving it out costs, over the seeds."""
    process = json.loads((demo_folder() / "process.json").read_text(encoding="utf-8"))
    rows: list[Row] = []
    for modality, part in PARTS.items():
        drops = [run[modality]["drop"] for run in found]
        correlations = [run[modality]["correlation"] for run in found]
        rows.append(
            {
                "left out": part,
                "true share of the variance": f"{process['variance_shares'][part]:.3f}",
                "R2 lost": _with_range(drops),
                "correlation of the lost part with the true part": _with_range(correlations),
            }
        )
    return rows


def _with_range(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f} .. {max(values):.3f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes both sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--seeds", type=int, default=3, help="jobs; each has its own split")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the script")
    options = parser.parse_args(arguments)
    runs, found = [], []
    for seed in range(options.seeds):
        config = configuration(seed=seed, store=options.store, epochs=options.epochs)
        with tempfile.TemporaryDirectory() as folder:
            result = train(config, Path(folder))
            runs.append(result.evaluations[HEAD])
            experiment = experiment_of(config, options.store)
            found.append(contributions(experiment, load_bundle(result.bundle)))
        print(f"seed {seed}: {found[-1]}", flush=True)
    scores, parts = score_rows(runs), contribution_rows(found)
    trial = options.epochs is not None
    command = f"python benchmarks/demo.py --store STORE --seeds {options.seeds}"
    n_test = [run.n_test for run in runs]
    noise = 1.0 - sum(float(str(row["true share of the variance"])) for row in parts)
    r2 = _with_range([run["fusion"]["r2"] for run in found])
    write_section(
        "Demo catalogue: units of eight weeks",
        command=command,
        workload=f"`fusion.jobs.train` on demo_data/train.toml with {options.seeds} seeds, each "
        f"with its own split ({', '.join(map(str, n_test))} test rows). Made-up products, so the "
        "numbers say that the toolkit works, not how well real sales can be foretold.",
        rows=scores,
        notes="WAPE is of the median forecast; scores are means over the seeds. A gain is how much "
        "better the fusion is (positive: better), one for each seed, with its 95 % interval from "
        "1,000 paired draws of the test rows.",
        trial=trial,
    )
    write_section(
        "Demo catalogue: known contributions recovered",
        command=command,
        workload="The demo's process is known: each modality has a true part in the logarithm of "
        "demand. A model is trained without each modality's columns and compared with the fusion "
        "on the test rows, on the scale log(1 + units).",
        rows=parts,
        notes=f"R2 of the fusion: {r2}; the noise alone is {noise:.3f} of the variance. Past sales "
        "tell a part of all the others, so R2 lost may stay below the true share. Correlation: of "
        "the true part with the fusion's log forecast less that of the model without the modality. "
        "Means over the seeds (least .. greatest).",
        trial=trial,
    )


if __name__ == "__main__":
    main()
