import re

import numpy as np
import pytest

from fusion.members.boosting import PARAMETERS
from fusion.members.forest import Forest
from fusion.members.forest_text import constant_text, slim
from fusion.members.openmp import lightgbm

N_COLUMNS = 5
CODES = 3
"""Place of the column that is a category."""


def table(n, seed=0):
    """Numbers with and without missing ones, codes, and a column that is always the same."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(n, N_COLUMNS))
    rows[draw.random(n) < 0.2, 1] = np.nan
    rows[:, CODES] = draw.integers(0, 40, n)
    rows[draw.random(n) < 0.1, CODES] = np.nan
    rows[:, 4] = 7.0
    return rows


def booster(*, rows=None, labels=None, n_trees=12, **options):
    rows = table(400) if rows is None else rows
    if labels is None:
        labels = rows[:, 0] * 2 + np.nan_to_num(rows[:, 1]) + np.nan_to_num(rows[:, CODES]) % 3
    settings = {"num_leaves": 8, "min_data_per_group": 5, "num_threads": 1, "verbosity": -1}
    library = lightgbm()
    data = library.Dataset(rows, labels, categorical_feature=[CODES])
    return library.train({**settings, **options}, data, n_trees)


@pytest.fixture(scope="module")
def grown():
    return booster()


@pytest.fixture(scope="module")
def text(grown):
    return slim(grown.model_to_string())


def asked():
    """Rows that no training row was like: unseen codes, missing and huge numbers."""
    rows = table(60, seed=1)
    rows[0] = np.nan
    rows[1, CODES] = 1e6
    rows[2, CODES] = -1.0
    rows[3, 0] = 1e300
    rows[4, 0] = -1e300
    rows[5, 2] = np.nan  # a column in which no training row lacked a number
    return rows


def read(text, n_outputs=1):
    return Forest.read(text, n_features=N_COLUMNS, n_outputs=n_outputs)


def test_trees_answer_as_lightgbm_does(grown, text):
    found = read(text).answers(asked())
    assert found.shape == (60, 1)
    np.testing.assert_allclose(found[:, 0], grown.predict(asked(), raw_score=True), rtol=1e-12)


def test_classes_are_answered_as_lightgbm_does():
    model = booster(
        labels=np.arange(400) % 3, objective="multiclass", num_class=4, n_trees=5
    )  # class 3 has no row, and so trees of one leaf
    found = read(slim(model.model_to_string()), n_outputs=4).answers(asked())
    np.testing.assert_allclose(found, model.predict(asked(), raw_score=True), rtol=1e-12)


def test_a_split_by_what_is_missing_alone_is_answered_as_lightgbm_does():
    rows = table(400)
    gaps = np.isnan(rows[:, 1])
    rows[:, 1] = np.where(gaps, np.nan, 0.0)
    model = booster(rows=rows, labels=3.0 * gaps, **PARAMETERS, min_data_in_leaf=10)
    kept = slim(model.model_to_string())
    assert re.search(rb"^threshold=.*\binf\b", kept, flags=re.MULTILINE)
    found = read(kept).answers(rows)[:, 0]
    assert found[gaps].min() > found[~gaps].max()
    np.testing.assert_allclose(found, model.predict(rows, raw_score=True), rtol=1e-12)


def test_lightgbm_reads_the_text_that_is_kept(grown, text):
    again = lightgbm().Booster(model_str=text.decode())
    np.testing.assert_array_equal(again.predict(asked()), grown.predict(asked()))
    shares = {"pred_contrib": True}
    np.testing.assert_allclose(again.predict(asked(), **shares), grown.predict(asked(), **shares))


def test_a_row_does_not_depend_on_its_neighbours(text):
    forest, rows = read(text), asked()
    one_by_one = np.vstack([forest.answers(rows[[place]]) for place in range(len(rows))])
    np.testing.assert_array_equal(forest.answers(rows), one_by_one)
    assert forest.answers(rows[:0]).shape == (0, 1)


def test_trees_without_columns_answer_0():
    forest = Forest.read(constant_text(3), n_features=0, n_outputs=3)
    np.testing.assert_array_equal(forest.answers(np.empty((2, 0))), np.zeros((2, 3)))


def replaced(name, change):
    """A change of the first line of a name, whose numbers are given as a list."""

    def crafted(text):
        def line(match):
            return f"{name}={' '.join(change(match[1].split(' ')))}"

        return re.sub(rf"^{name}=(.*)$", line, text, count=1, flags=re.MULTILINE)

    return crafted


def first(value):
    return lambda numbers: [value, *numbers[1:]]


CRAFTED = {
    "a column that is not there": replaced("split_feature", first("5")),
    "a negative column": replaced("split_feature", first("-1")),
    "a node that is not there": replaced("left_child", first("99")),
    "a leaf that is not there": replaced("left_child", first("-99")),
    "a node that leads to itself": replaced("left_child", first("0")),
    "two nodes that lead to one": replaced("left_child", lambda found: [found[1]] * len(found)),
    "more leaves than there are": replaced("num_leaves", first("4000")),
    "huge numbers of leaves": replaced("num_leaves", first("99999999999999999999")),
    "fewer leaves than there are": replaced("num_leaves", first("1")),
    "a set of codes that is not there": replaced("cat_boundaries", lambda found: ["0", "9" * 9]),
    "sets in a wrong order": replaced("cat_boundaries", lambda found: found[::-1]),
    "words of codes that are too large": replaced("cat_threshold", first("4294967296")),
    "a decision that there is not": replaced("decision_type", first("64")),
    "zeros that are missing": replaced("decision_type", first("4")),
    "an answer that is no number": replaced("leaf_value", first("nan")),
    "an answer without end": replaced("leaf_value", first("inf")),
    "an answer beyond sums": replaced("leaf_value", first("1e308")),
    "words for numbers": replaced("threshold", first("one")),
    "a threshold that is no number": replaced("threshold", first("nan")),
    "linear leaves": replaced("is_linear", first("1")),
    "an averaged model": lambda text: text.replace(
        "label_index=0", "average_output\nlabel_index=0"
    ),
    "more columns": replaced("max_feature_idx", first("9999999")),
    "more classes": replaced("num_class", first("1000")),
    "another version": lambda text: text.replace("version=v4", "version=v9"),
    "a name beside the names": replaced("feature_names", first("Other")),
    "no description of a column": replaced("feature_infos", lambda found: found[1:]),
    "an odd objective": replaced("objective", first("custom;rm")),
    "an odd line": lambda text: text.replace("is_linear=0", "is_linear=0\nodd=1", 1),
    "a line twice": lambda text: text.replace("is_linear=0", "is_linear=0\nis_linear=0", 1),
    "a tree left out": lambda text: text.replace("Tree=0", "Tree=1"),
    "no end": lambda text: text.replace("end of trees", ""),
    "something behind the end": lambda text: text + "parameters:\n",
    "no trees": lambda text: text[: text.index("\n\nTree=0")] + "\n\nend of trees\n",
    "no text": lambda text: "",
    "other letters": lambda text: text.replace("tree", "trée", 1),
    "digits of another script": replaced("num_leaves", first("٨")),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_text_is_refused(text, what):
    crafted = CRAFTED[what](text.decode())
    assert crafted != text.decode()
    with pytest.raises(ValueError, match="trees must be"):
        read(crafted.encode())


def test_a_mutated_text_is_refused_or_answers_with_numbers(text):
    draw = np.random.default_rng(0)
    rows, n_refused, n_mutations = asked(), 0, 600
    for _ in range(n_mutations):
        mutated = mutation(text, draw)
        try:
            forest = read(mutated)
        except ValueError:
            n_refused += 1
            continue
        assert np.isfinite(forest.answers(rows)).all()
    assert n_mutations * 0.5 < n_refused < n_mutations


def mutation(text, draw):
    """Bytes or a whole number changed, cut out, or written twice."""
    kind, place = draw.integers(4), int(draw.integers(len(text)))
    if kind == 0:
        return text[:place] + bytes([int(draw.integers(256))]) + text[place + 1 :]
    end = place + int(draw.integers(1, 30))
    if kind == 1:
        return text[:place] + text[end:]
    if kind == 2:
        return text[:end] + text[place:end] + text[end:]
    numbers = list(re.finditer(rb"-?\d+", text))
    chosen = numbers[int(draw.integers(len(numbers)))]
    other = str(int(draw.choice([-1, 0, 1, 7, 2**31, -(2**31), 2**63]))).encode()
    return text[: chosen.start()] + other + text[chosen.end() :]


def test_the_arrays_of_a_text_are_not_larger_than_it_allows(text):
    forest = read(text)
    arrays = [value for value in vars(forest).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in arrays) < 10 * len(text)
