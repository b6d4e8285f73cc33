"""How alike items are in what people see of them."""

import numpy as np
import pandas as pd
import pytest

from fusion import FusionRegressor
from fusion.bundle import Content
from fusion.bundle.content import largest

SMALL = {
    "members": ["network"],
    "encoders": {"text": "tfidf"},
    "training": {"epochs": 2, "folds": 1},
    "strategy_options": {"n_networks": 1, "width": 8},
    "random_state": 0,
}


def unit(*vectors):
    rows = np.array(vectors, dtype=np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def levels(*rows):
    return np.array(rows, dtype=np.int64).reshape(len(rows), -1)


def alike(known, asked):
    return np.concatenate(list(known.similarity(asked)))


def test_new_items_stand_beside_items_of_their_kind_whatever_sold_alike():
    """A network that has learned that only the price counts has neighbours of the same price."""
    draw = np.random.default_rng(0)
    kinds = ["hat", "skirt", "coat", "scarf"]
    items = pd.DataFrame(
        {
            "kind": draw.choice(kinds, 80),
            "weeks": draw.uniform(0, 100, 80),
            "stock": draw.uniform(0, 100, 80),
        }
    )
    items["title"] = [f"{kind} for all days, cut {row}" for row, kind in enumerate(items["kind"])]
    sold = 3 * items["weeks"] + items["stock"]
    columns = {"text": ["title"], "categorical": ["kind"], "numeric": ["weeks", "stock"]}
    model = FusionRegressor(columns=columns, **SMALL).fit(items.head(60), sold.head(60))
    near = model.similar(items.tail(20), 3)
    asked = items["kind"].iloc[np.repeat(np.arange(60, 80), 3)].to_numpy()
    found = items["kind"].iloc[near["similar_id"].astype(int)].to_numpy()
    assert (asked == found).mean() == 1.0


def test_a_part_in_which_all_are_alike_counts_as_much_as_one_in_which_they_differ():
    photos = unit([1, 0.02, 0], [1, 0, 0.02], [1, -0.02, 0], [1, 0, -0.02])
    texts = unit([1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0])
    known = Content({"image": photos, "text": texts}, levels([], [], [], []))
    far, near = known.mean_distances["text"], known.mean_distances["image"]
    found = alike(known, known.take(np.array([0])))[0]
    cosines = {"image": photos @ photos[0], "text": texts @ texts[0]}
    weighted = (cosines["image"] / near + cosines["text"] / far) / (1 / near + 1 / far)
    assert found == pytest.approx(weighted, abs=1e-6)
    assert far > 1 and found.argmax() == 0


def test_the_mean_distance_is_that_of_all_pairs_of_different_items():
    draw = np.random.default_rng(0)
    vectors = unit(*draw.normal(size=(9, 4)))
    codes = levels(*draw.integers(0, 5, (9, 1)))
    found = Content({"text": vectors}, codes).mean_distances
    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    assert found["text"] == pytest.approx(np.mean([1 - vectors[i] @ vectors[j] for i, j in pairs]))
    known = [(i, j) for i, j in pairs if codes[i, 0] > 1 and codes[j, 0] > 1]
    equal = np.mean([codes[i, 0] == codes[j, 0] for i, j in known])
    assert found["categories"] == pytest.approx(1 - equal)


def test_an_item_that_lacks_a_part_is_as_far_away_as_items_are_in_the_mean():
    texts = unit([1, 0], [0, 1], [-1, 0], [0, 0])
    known = Content({"text": texts}, levels([2], [3], [2], [2]))
    distance = known.mean_distances
    found = alike(known, Content({"text": unit([1, 0])}, levels([2])))[0]
    share = 1 / distance["categories"] / (1 / distance["categories"] + 1 / distance["text"])
    assert found[3] == pytest.approx(share + (1 - share) * (1 - distance["text"]), abs=1e-6)
    assert found[0] == pytest.approx(1.0) and found.argmax() == 0


def test_a_query_is_compared_in_what_it_has_alone():
    known = Content({"text": unit([1, 0], [0, 1])}, levels([2, 3], [2, 4]))
    no_text = Content({"text": unit([0, 0])}, levels([2, 4]))
    assert alike(known, no_text).tolist() == [[0.5, 1.0]]
    unknown_level = Content({"text": unit([0, 0])}, levels([2, 1]))
    assert alike(known, unknown_level).tolist() == [[1.0, 1.0]]
    nothing = Content({"text": unit([0, 0])}, levels([0, 0]))
    assert np.isnan(alike(known, nothing)).all()


def test_many_queries_are_compared_a_few_at_a_time(monkeypatch):
    draw = np.random.default_rng(0)
    known = Content({"text": unit(*draw.normal(size=(7, 3)))}, levels(*draw.integers(0, 4, (7, 2))))
    whole = alike(known, known)
    monkeypatch.setattr("fusion.bundle.content.SCORES", 14)
    parts = list(known.similarity(known))
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    assert np.concatenate(parts) == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize(("n", "m", "k"), [(30, 50, 5), (5, 4, 4), (3, 1, 1), (0, 4, 2)])
def test_the_largest_by_a_partial_sort_are_those_of_a_whole_one(n, m, k):
    draw = np.random.default_rng(n)
    scores = draw.integers(0, 6, (n, m)) / 5  # many are equal
    scores[draw.random((n, m)) < 0.3] = np.nan
    scores[:2] = np.nan
    whole = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert largest(scores, k).tolist() == whole.tolist()


def test_items_of_which_only_numbers_are_known_are_compared_by_these():
    numbers = pd.DataFrame({"price": np.arange(30.0), "weight": np.arange(30.0)[::-1] ** 2})
    model = FusionRegressor(**SMALL).fit(numbers, np.arange(30.0))
    near = model.similar(numbers.iloc[[4, 20]], 2)
    assert near["similar_id"].iloc[::2].tolist() == ["4", "20"]
    assert {near["similar_id"].iloc[1], near["similar_id"].iloc[3]} <= {"3", "5", "19", "21"}
