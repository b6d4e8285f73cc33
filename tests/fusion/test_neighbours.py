import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neighbors import KNeighborsRegressor

from fusion import FusionRegressor
from fusion.neighbours import NeighbourPart, joined, kernel_means
from heads import HotItemHead, RegressionHead


def unit(n, dim=4, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, dim))
    return torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).float()


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
    part = NeighbourPart({"text": 4}, heads, n_known=6)
    part.vectors.copy_(unit(6))
    part.targets.copy_(torch.ones(6, 2))
    embeddings, present = {"text": unit(3, seed=1)}, {"text": torch.ones(3).bool()}
    raw = {name: torch.randn(3, 2, head(torch.zeros(1, head.config["in_dim"])).shape[-1])
           for name, head in heads.items()}  # fmt: skip
    assert all(torch.equal(part.blend(raw, embeddings, present)[n], raw[n]) for n in raw)
    part.shares.fill_(1.0)
    blended = part.blend(raw, embeddings, present)
    assert all(blended[n].shape == raw[n].shape for n in raw)
    assert all(torch.allclose(blended[n][:, 0], blended[n][:, 1]) for n in raw)


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
        text=["title"], text_encoder="tfidf", row=[], training={"epochs": 3}, random_state=0
    )


def test_variants_of_one_product_are_asked_where_they_say_more(variants, tmp_path):
    fitted = model().fit(variants[["title"]][:240], variants["price"][:240])
    ensemble = fitted.bundle_.model
    assert ensemble.neighbours.neighbour_shares["price"] > 0.5
    answers = fitted.predict(variants[["title"]][240:])
    error = np.abs(answers - variants["price"][240:]).mean()
    ensemble.neighbours.shares.fill_(0.0)
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
    shares = {} if ensemble.neighbours is None else ensemble.neighbours.neighbour_shares
    assert max(shares.values(), default=0.0) < 0.3
