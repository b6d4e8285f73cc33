"""Five folds of babies_r_us: R2 of the price from title and attributes, MiniLM frozen.

python benchmarks/babies_r_us.py --data FOLDER_WITH_babies_r_us.csv
"""

import argparse
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from results import write_section
from scipy.sparse import hstack
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

from fusion import FusionRegressor

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
    model = HistGradientBoostingRegressor(random_state=0).fit(
        codes.iloc[train], np.log(price[train])
    )
    return np.exp(model.predict(codes))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with babies_r_us.csv")
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--folds", type=int, default=len(FOLDS), help="fewer folds, to try it")
    parser.add_argument("--epochs", type=int, help="fewer epochs, to try the script")
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
        f"embeddings .872. Peak memory of the whole run {peak:.1f} GiB.",
        trial=options.folds < len(FOLDS) or bool(training),
    )


if __name__ == "__main__":
    main()
