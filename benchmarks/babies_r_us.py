"""Five folds of babies_r_us: R2 of the price from title and attributes, MiniLM frozen.

python benchmarks/babies_r_us.py --data FOLDER_WITH_babies_r_us.csv
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from results import write_section
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

from fusion import FusionRegressor
from fusion.members.openmp import lightgbm

ONE_TRAINING = """
import sys, time
import numpy as np, pandas as pd
from sklearn.model_selection import train_test_split
from fusion import FusionRegressor
data, store, fold = sys.argv[1], sys.argv[2], int(sys.argv[3])
frame = pd.read_csv(data + "/babies_r_us.csv").drop(columns=["int_id", "ext_id", "SKU", "brand"])
price = frame.pop("price").to_numpy()
rows, _ = train_test_split(
    np.arange(len(frame)), test_size=int(len(frame) * 0.1), random_state=42 + fold
)
FusionRegressor(store=store, training={"epochs": 1}).fit(frame.iloc[:40], price[:40])
start = time.perf_counter()
FusionRegressor(store=store, random_state=fold).fit(frame.iloc[rows], price[rows])
print(time.perf_counter() - start)
"""
"""One training by whichever version of the toolkit stands first on the path; prints its seconds."""
DROPPED = ["int_id", "ext_id", "SKU", "brand"]
FOLDS = range(5)


def tfidf_ridge(frame: pd.DataFrame, price: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Ridge on TF-IDF of each row written as text; log price; predictions of all rows."""
    text = frame.fillna("").astype(str).apply(" ".join, axis=1)
    words = TfidfVectorizer(min_df=2, sublinear_tf=True, ngram_range=(1, 2)).fit(text.iloc[train])
    letters = TfidfVectorizer(
        min_df=2, sublinear_tf=True, analyzer="char_wb", ngram_range=(3, 5), max_features=100_000
    ).fit(text.iloc[train])
    features = hstack([words.transform(text), letters.transform(text)]).tocsr()
    model = RidgeCV(alphas=[0.1, 0.3, 1.0, 3.0]).fit(features[train], np.log(price[train]))
    return np.exp(model.predict(features))


def category_trees(frame: pd.DataFrame, price: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Boosted trees on categories alone (no title), on the log price."""
    codes = frame.drop(columns="title").apply(lambda column: pd.factorize(column)[0])
    model = (
        lightgbm()
        .LGBMRegressor(random_state=0, verbosity=-1)
        .fit(codes.iloc[train], np.log(price[train]))
    )
    return np.exp(model.predict(codes))


def training_seconds(checkout: Path, options: argparse.Namespace, *, fold: int) -> float:
    """Seconds of one training, embeddings cached, by the version of the toolkit in a folder."""
    given = [str(options.data.resolve()), str(options.store.resolve()), str(fold)]
    done = subprocess.run(
        [sys.executable, "-c", ONE_TRAINING, *given],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def beside(options: argparse.Namespace) -> str:
    """How long this version trains beside an earlier one, fold by fold, one after the other."""
    here = Path(__file__).parent.parent
    for place in (options.before, here):  # each keeps embeddings under keys of its own
        training_seconds(place, options, fold=0)
    pairs = [
        [training_seconds(place, options, fold=fold) for place in (options.before, here)]
        for fold in FOLDS[: options.folds]
    ]
    ratios = [new / old for old, new in pairs]
    old, new = np.median(pairs, axis=0)
    return (
        f" Training beside the commit before members ({len(pairs)} folds, in turns): {new:.1f} s "
        f"against {old:.1f} s, ratio {np.median(ratios):.2f} ({min(ratios):.2f} .. "
        f"{max(ratios):.2f}); aim 0.33."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with babies_r_us.csv")
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--folds", type=int, default=len(FOLDS), help="fewer folds, to try it")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the script")
    parser.add_argument("--before", type=Path, help="checkout of an earlier version, to compare")
    options = parser.parse_args(arguments)
    if not (options.data / "babies_r_us.csv").is_file():
        parser.error(f"--data must hold babies_r_us.csv, got {options.data}.")
    frame = pd.read_csv(options.data / "babies_r_us.csv").drop(columns=DROPPED)
    price = frame.pop("price").to_numpy()
    rows = []
    FusionRegressor(store=options.store, training={"epochs": 1}).fit(
        frame, price
    )  # fills the store
    training = {} if options.epochs is None else {"epochs": options.epochs}
    for fold in FOLDS[: options.folds]:
        train, test = train_test_split(
            np.arange(len(frame)), test_size=int(len(frame) * 0.1), random_state=42 + fold
        )
        start = time.perf_counter()
        model = FusionRegressor(store=options.store, random_state=fold, training=training)
        model.fit(frame.iloc[train], price[train])
        seconds = time.perf_counter() - start
        predicted = model.predict(frame.iloc[test])
        answers = {
            "median": np.full(len(test), np.median(price[train])),
            "categories (boosted trees)": category_trees(frame, price, train)[test],
            "TF-IDF ridge": tfidf_ridge(frame, price, train)[test],
            "fusion": predicted,
        }
        rows.append(
            {
                "fold": fold,
                **{f"R2 {name}": f"{r2_score(price[test], p):.3f}" for name, p in answers.items()},
                "MAE fusion": f"{mean_absolute_error(price[test], predicted):.2f}",
                "training s": f"{seconds:.0f}",
            }
        )
        print(rows[-1], flush=True)
    mean = {
        name: f"{np.mean([float(row[name]) for row in rows]):.3f}"
        for name in rows[0]
        if name != "fold"
    }
    rows.append({"fold": "mean", **mean})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    write_section(
        "babies_r_us: price from title and attributes",
        command="python benchmarks/babies_r_us.py --data DATA --store STORE",
        workload=f"{len(frame):,} products, {options.folds} random folds (test 10 %), defaults of "
        "`FusionRegressor`, MiniLM frozen, one seed a fold; embeddings cached before the clock "
        "starts.",
        rows=rows,
        notes=f"Published means on the same folds: AutoGluon MultiModal .905, CatBoost on frozen "
        f"embeddings .872. Peak memory of the whole run {peak:.1f} GiB."
        + ("" if options.before is None else beside(options)),
        trial=options.folds < len(FOLDS) or bool(training),
    )


if __name__ == "__main__":
    main()
