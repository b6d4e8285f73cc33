import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neighbors import KNeighborsRegressor

from fusion import FusionRegressor
from fusion.members.neighbours import NeighbourMember, joined, nearest, weighted_means
from heads import HotItemHead, RegressionHead


def unit(n, dim=4, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, dim))
    return torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).float()


def kernel_means(queries, known, *, n_neighbours, temperature):
    near = nearest(queries, known, dims=[queries.shape[1]], n_neighbours=n_neighbours)
    return weighted_means(near, temperature)


def test_a_sharp_kernel_is_the_nearest_neighbour():
    known, queries = unit(50), unit(20, seed=1)
    targets = torch.from_numpy(np.random.default_rng(2).normal(size=(50, 1))).float()
    found = kernel_means(queries, (known, targets), n_neighbours=5, temperature=1e-6)
    oracle = KNeighborsRegressor(1).fit(known, targets).predict(queries)
    np.testing.assert_allclose(found, oracle, atol=1e-3)


def test_a_flat_kernel_is_the_mean_of_the_nearest():
    known, queries = unit(50), unit(20, seed=1)
    targets = torch.from_numpy(np.random.default_rng(2).normal(size=(50, 2))).float()
    found = kernel_means(queries, (known, targets), n_neighbours=3, temperature=1e6)
    oracle = KNeighborsRegressor(3).fit(known, targets).predict(queries)
    np.testing.assert_allclose(found, oracle, atol=1e-4)


def test_fewer_known_items_than_neighbours_and_no_query_are_fine():
    known, targets = unit(2), torch.tensor([[1.0], [3.0]])
    assert kernel_means(unit(3), (known, targets), n_neighbours=5, temperature=1e6).shape == (3, 1)
    assert kernel_means(unit(0), (known, targets), n_neighbours=5, temperature=1.0).shape == (0, 1)


def test_what_stands_in_an_absent_modality_changes_nothing():
    present = {"image": torch.tensor([False, True]), "text": torch.tensor([True, True])}
    text = unit(2)
    images = torch.tensor([[float("nan"), 5.0], [3.0, 4.0]])
    vectors = joined({"image": images, "text": text}, present, ("image", "text"))
    assert vectors.isfinite().all()
    np.testing.assert_allclose(vectors[0, :2], [0, 0])
    np.testing.assert_allclose(vectors[1, :2], [0.6, 0.8])


def test_the_answer_moves_towards_the_nearest_items_by_their_share():
    heads = {"price": RegressionHead.tiny(), "hot": HotItemHead.tiny()}
    part = NeighbourMember({"text": 4}, heads, n_known=6)
    part.vectors.copy_(unit(6))
    part.targets.copy_(torch.ones(6, 2))
    embeddings, present = {"text": unit(3, seed=1)}, {"text": torch.ones(3).bool()}
    raw = {name: torch.randn(3, 2, head.raw_dim) for name, head in heads.items()}
    assert all(torch.equal(part.blend(raw, embeddings, present)[n], raw[n]) for n in raw)
    part.blend_weights.fill_(1.0)
    blended = part.blend(raw, embeddings, present)
    assert all(blended[n].shape == raw[n].shape for n in raw)
    assert all(torch.allclose(blended[n][:, 0], blended[n][:, 1]) for n in raw)


def part_of(known, targets, *, dims=None, n_neighbours=5):
    """A part that answers in units of the targets, and by nothing else."""
    dims = dims or {"text": known.shape[1]}
    heads = {"price": RegressionHead()}
    part = NeighbourMember(dims, heads, n_known=len(known), n_neighbours=n_neighbours)
    part.vectors.copy_(known)
    part.targets.copy_(targets[:, None])
    torch.nn.init.ones_(part.answers["price"].linear.weight)
    torch.nn.init.zeros_(part.answers["price"].linear.bias)
    part.blend_weights.fill_(0.5)
    return part


@pytest.mark.parametrize("absent", ["mask", "zeros"])
def test_rows_without_the_modality_leave_their_share_to_the_others(absent):
    part = part_of(unit(50), torch.full((50,), 7.0))
    queries, present = unit(4, seed=1), torch.ones(4).bool()
    if absent == "mask":
        present[2] = False
    else:
        queries[2] = 0.0  # no direction: a text of unknown words
    raw = {"price": torch.ones(4, 2, 1)}
    with torch.no_grad():
        blended = part.blend(raw, {"text": queries}, {"text": present})["price"]
    assert torch.equal(blended[2], raw["price"][2])
    torch.testing.assert_close(blended[[0, 1, 3]], torch.full((3, 2, 1), 4.0))


def test_absent_items_are_no_neighbours_even_beside_opposite_ones():
    query = torch.tensor([[1.0, 0.0]])
    known = torch.tensor([[-1.0, 0.0], [0.0, 0.0], [-0.6, 0.8], [0.0, 0.0]])
    targets = torch.tensor([[1.0], [100.0], [3.0], [100.0]])
    found = kernel_means(query, (known, targets), n_neighbours=3, temperature=1e6)
    torch.testing.assert_close(found, torch.tensor([[2.0]]))
    nobody = kernel_means(query, (torch.zeros(3, 2), targets[:3]), n_neighbours=2, temperature=1.0)
    assert nobody.tolist() == [[0.0]]


def test_rows_are_compared_in_what_they_have_with_items_that_have_all_of_it():
    both, image, text = [1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]
    known = torch.tensor([both, image, text, [0.0, 1.0, 1.0, 0.0]])
    targets = torch.tensor([[1.0], [10.0], [100.0], [7.0]])
    queries = torch.tensor([both, image, text, [0.0, 0.0, 0.0, 0.0]])
    near = nearest(queries, (known, targets), dims=[2, 2], n_neighbours=2)
    assert near.found.tolist() == [True, True, True, False]
    torch.testing.assert_close(near.similarities[:3, 0], torch.ones(3))  # a mean, not a sum
    found = weighted_means(near, 1e6)[:, 0]
    assert found.tolist() == pytest.approx([4.0, 5.5, 50.5, 0.0])


def test_the_order_of_the_known_items_changes_no_answer_also_where_many_are_equal():
    known = unit(6).repeat(5, 1)  # each of six texts five times, at other prices
    targets = torch.from_numpy(np.random.default_rng(2).normal(size=30)).float()
    queries, present = {"text": unit(9, seed=1)}, {"text": torch.ones(9).bool()}
    answers = []
    for seed in range(5):
        order = torch.from_numpy(np.random.default_rng(seed).permutation(30))
        part = part_of(known[order], targets[order], n_neighbours=3)
        answers.append(part.scores(queries, present))
    for answer in answers[1:]:
        torch.testing.assert_close(answer, answers[0])


def test_a_known_item_that_is_equal_to_others_counts_like_them():
    known, targets = torch.ones(4, 1), torch.tensor([[0.0], [4.0], [8.0], [100.0]])
    found = kernel_means(torch.ones(1, 1), (known, targets), n_neighbours=1, temperature=0.1)
    assert found.item() == pytest.approx(28.0)


@pytest.fixture(scope="module")
def variants():
    """Products in families: the family decides the price, in a way that nothing smooth follows."""
    random = np.random.default_rng(0)
    names = [" ".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 5)) for _ in range(60)]
    prices = random.uniform(5, 100, 60)
    rows = [(f"{names[i]} {size}", prices[i]) for i in range(60) for size in "12345"]
    frame = pd.DataFrame(rows, columns=["title", "price"])
    return frame.sample(frac=1, random_state=0, ignore_index=True)


def model():
    return FusionRegressor(
        columns={"text": ["title"], "row_text": []},
        encoders={"text": "tfidf"},
        training={"epochs": 3},
        random_state=0,
    )


def test_variants_of_one_product_are_asked_where_they_say_more(variants, tmp_path):
    fitted = model().fit(variants[["title"]][:240], variants["price"][:240])
    ensemble = fitted.bundle_.model
    assert ensemble.neighbours.neighbour_weights["price"] > 0.5
    answers = fitted.predict(variants[["title"]][240:])
    error = np.abs(answers - variants["price"][240:]).mean()
    ensemble.neighbours.blend_weights.fill_(0.0)
    without = np.abs(fitted.predict(variants[["title"]][240:]) - variants["price"][240:]).mean()
    assert error < 0.6 * without


def test_the_nearest_items_travel_in_the_bundle(variants, tmp_path):
    fitted = model().fit(variants[["title"]][:240], variants["price"][:240])
    fitted.save(tmp_path / "bundle")
    loaded = FusionRegressor.load(tmp_path / "bundle")
    part = loaded.bundle_.model.neighbours
    assert part.config == fitted.bundle_.model.neighbours.config
    frame = variants[["title"]][240:]
    np.testing.assert_array_equal(loaded.predict(frame), fitted.predict(frame))


def test_where_neighbours_say_nothing_they_are_not_kept():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"title": [" ".join(random.choice(list("abcdef"), 6)) for _ in range(200)]}
    )
    price = pd.Series(random.normal(50, 10, 200), name="price")
    ensemble = model().fit(frame, price).bundle_.model
    shares = {} if ensemble.neighbours is None else ensemble.neighbours.neighbour_weights
    assert max(shares.values(), default=0.0) < 0.3


def test_rows_without_a_text_are_answered_as_if_there_were_no_neighbours(variants):
    frame = variants[["title"]].assign(size=np.arange(300) % 7)
    frame.loc[frame.index % 4 == 0, "title"] = None
    fitted = FusionRegressor(
        columns={"text": ["title"], "numeric": ["size"], "row_text": []},
        encoders={"text": "tfidf"}, random_state=0, training={"epochs": 3, "folds": 2},
        strategy_options={"width": 16, "depth": 1},
    ).fit(frame[:240], variants["price"][:240])  # fmt: skip
    ensemble, rows = fitted.bundle_.model, frame[240:]
    assert ensemble.neighbours.neighbour_weights["price"] > 0.2
    answers = fitted.predict(rows)
    ensemble.neighbours = None
    same = answers == fitted.predict(rows)
    assert same.tolist() == rows["title"].isna().tolist()
