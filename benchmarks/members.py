"""What each member of the stack is worth: alone, in pairs and all together, on four sets.

python benchmarks/members.py --data FOLDER_OF_SETS --store STORE
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from cases import Case, demo_items, launches, prices, reviews
from numpy.typing import NDArray
from results import write_section

from fusion import FusionClassifier, FusionRegressor
from fusion.evaluation.bootstrap import paired_bootstrap
from fusion.members import MEMBERS, Member
from fusion.members.defaults import DEFAULT_MEMBERS
from fusion.network import Raw
from heads import metrics

Floats = NDArray[np.float64]
Members = tuple[str, ...]
DEFAULT: Members = tuple(DEFAULT_MEMBERS)


@dataclass(frozen=True)
class Question:
    """How a set is asked and judged.

    Args:
        make: Its rows, by folder and seed.
        head: Head that answers.
        column: Prediction column that is judged.
        metric: Name of the metric, as the table shows it.
        score: The metric of answers.
        higher_is_better: Its direction.
        n_splits: Splits, or seeds where there is one split.
    """

    make: Callable[[Path, int], Case]
    head: str
    column: str
    metric: str
    score: Callable[[Floats, Floats], float]
    higher_is_better: bool
    n_splits: int


QUESTIONS = {
    "babies_r_us": Question(prices, "regression", "prediction", "R2", metrics.r2, True, 5),
    "womens_clothing": Question(
        reviews, "hot_item", "hot_probability", "PR-AUC", metrics.pr_auc, True, 1
    ),
    "visuelle2_550": Question(
        launches, "sales_volume", "sales_units_p50", "WAPE", metrics.wape, False, 3
    ),
    "demo_data": Question(
        demo_items, "sales_volume", "sales_units_p50", "WAPE", metrics.wape, False, 3
    ),
}


@dataclass(frozen=True)
class Run:
    """Answers to the test rows of one split, and what they cost.

    Args:
        target: `[n]`, of the test rows.
        answers: `[n]`.
        seconds: Of processor time of its members, embeddings cached.
        weights: Member -> how much it counts.
    """

    target: Floats
    answers: Floats
    seconds: float
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Fit:
    """A member that has learned from the training rows of one split.

    Args:
        learned: Its attributes.
        raw: What it answers out of fold.
        seconds: Of processor time.
    """

    learned: Mapping[str, Any]
    raw: Raw
    seconds: float


@contextmanager
def fitted_once(members: Members, known: dict[str, Fit]) -> Iterator[None]:
    """Members learn once and are used in each stack: what they learn hangs on no other member.

    Args:
        members: That may be asked.
        known: Those that have learned from this split; others are added.
    """

    def fit(self: Member, *given: Any, name: str, own: Callable[..., Raw], **options: Any) -> Raw:
        if name not in known:
            start = time.process_time()
            raw = own(self, *given, **options)
            known[name] = Fit(dict(vars(self)), raw, time.process_time() - start)
        vars(self).update(known[name].learned)
        return known[name].raw

    with ExitStack() as stack:
        for name in members:
            kind = MEMBERS[name]
            learn = partial(fit, name=name, own=kind.fit)
            stack.enter_context(patch.object(kind, "fit", _method(learn)))
        yield


def _method(function: Callable[..., Raw]) -> Callable[..., Raw]:
    return lambda self, *given, **options: function(self, *given, **options)


def trained(
    case: Case,
    question: Question,
    members: Members,
    *,
    store: Path,
    seed: int,
    known: dict[str, Fit],
) -> Run:
    """One training and what it answers to the test rows."""
    kind = FusionClassifier if question.head == "hot_item" else FusionRegressor
    model = kind(
        head=question.head, members=list(members), store=store, random_state=seed, **case.options
    )
    rows, asked = case.frame.iloc[case.training], case.frame.iloc[case.test]
    with fitted_once(members, known):
        model.fit(rows, case.target[case.training])
    answers = model.predict_table(asked)[question.column].to_numpy(dtype=np.float64)
    weights = next(iter(model.bundle_.model.blend_weights.values()))
    seconds = sum(known[name].seconds for name in members)
    return Run(case.target[case.test], answers, seconds, weights)


def chosen(members: Sequence[str]) -> list[Members]:
    """Every member alone, every pair, all of them, and the default."""
    some = [*combinations(members, 1), *combinations(members, 2), tuple(members)]
    return [*(names for names in dict.fromkeys(some) if names != DEFAULT), DEFAULT]


def gains(question: Question, runs: Sequence[Run], default: Sequence[Run]) -> str:
    """By how much the default is better, with the 95 % interval of paired draws.

    The test rows of all splits are drawn as one; a row that stands in several splits is drawn in
    all of them at once where the splits are the same.
    """
    if runs is default:
        return ""
    same = all(np.array_equal(run.target, runs[0].target) for run in runs)
    columns = []
    for some in (default, runs):
        answers = [run.answers for run in some]
        columns.append(
            {f"{place}": one for place, one in enumerate(answers)}
            if same
            else {"0": np.concatenate(answers)}
        )
    target = runs[0].target if same else np.concatenate([run.target for run in runs])

    def mean_score(values: Floats, given: Mapping[str, Floats]) -> float:
        return float(np.mean([question.score(values, one) for one in given.values()]))

    gain, low, high = paired_bootstrap(
        mean_score, target, *columns, higher_is_better=question.higher_is_better
    )
    return f"{gain:+.4f} [{low:+.4f}, {high:+.4f}]"


def rows_of(
    name: str, data: Path, members: Sequence[str], *, store: Path, n_splits: int
) -> list[dict[str, object]]:
    """Rows of one set."""
    question = QUESTIONS[name]
    cases = [question.make(data, seed) for seed in range(n_splits)]
    trained(cases[0], question, DEFAULT[:1], store=store, seed=0, known={})  # fills the store
    known: list[dict[str, Fit]] = [{} for _ in cases]
    found = {}
    for some in chosen(members):
        found[some] = [
            trained(case, question, some, store=store, seed=seed, known=known[seed])
            for seed, case in enumerate(cases)
        ]
        scores = [question.score(run.target, run.answers) for run in found[some]]
        print(name, some, scores, [round(run.seconds, 1) for run in found[some]], flush=True)
    return [
        {
            "set": f"{name}, {question.metric}",
            "members": "default" if some == DEFAULT else " + ".join(some),
            "score": f"{np.mean([question.score(run.target, run.answers) for run in runs]):.4f}",
            "gain of the default": gains(question, runs, found[DEFAULT]),
            "training CPU s": f"{np.mean([run.seconds for run in runs]):.1f}",
            "weights": ", ".join(
                f"{member} {np.mean([run.weights.get(member, 0.0) for run in runs]):.2f}"
                for member in some
            ),
        }
        for some, runs in found.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder a set")
    parser.add_argument("--store", type=Path, required=True, help="embedding store")
    parser.add_argument("--splits", type=int, help="fewer splits or seeds, to try the script")
    parser.add_argument("--sets", nargs="+", default=list(QUESTIONS), help="some of the sets")
    parser.add_argument("--members", nargs="+", default=list(MEMBERS), help="some of the members")
    options = parser.parse_args(arguments)
    rows = []
    for name in options.sets:
        n_splits = options.splits or QUESTIONS[name].n_splits
        rows += rows_of(name, options.data, options.members, store=options.store, n_splits=n_splits)
    write_section(
        "Members: alone, in pairs, all together",
        command="python benchmarks/members.py --data DATA --store STORE",
        workload="Estimators with their defaults but the members; encoders frozen (MiniLM, "
        "clothing18), embeddings cached before the clock starts. babies_r_us: five published "
        "folds; womens_clothing: published split, without Rating; visuelle2_550: split by season; "
        "demo_data: three random fifths. Default: " + ", ".join(DEFAULT) + ".",
        rows=rows,
        notes="Gain of the default: how much better it is (positive: better), with its 95 % "
        "interval from 1,000 paired draws of the test rows. Weights: how much each member counts, "
        "found on rows held out of the training rows. Each member "
        "learns once a split and is used in every stack; CPU s: processor time of its members.",
        trial=options.splits is not None or options.sets != list(QUESTIONS),
    )


if __name__ == "__main__":
    main()
