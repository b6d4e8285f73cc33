"""The made-up sales process: shares of variance, and signals that can be learned."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeCV

PARTS = ("text", "photo", "numbers", "history")
N_TRAIN = 800


def held_out_r2(features: Any, outcome: NDArray[np.float64]) -> float:
    order = np.random.default_rng(0).permutation(len(outcome))
    train, test = order[:N_TRAIN], order[N_TRAIN:]
    model = RidgeCV(np.logspace(-2, 4, 13)).fit(features[train], outcome[train])
    return float(model.score(features[test], outcome[test]))


def test_every_part_explains_12_to_25_percent(process: dict[str, Any]) -> None:
    shares = process["variance_shares"]
    assert set(shares) == {*PARTS, "noise"}
    for name in PARTS:
        assert 0.10 <= shares[name] <= 0.35, name
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)


def test_shares_follow_from_latents_and_target(
    process: dict[str, Any], items: pd.DataFrame, latents: pd.DataFrame
) -> None:
    table = items.merge(latents, on="item_id")
    outcome = np.log1p(table["units_next_8w"])
    for name in PARTS:
        share = table[f"{name}_part"].cov(outcome) / outcome.var()
        assert share == pytest.approx(process["variance_shares"][name], abs=1e-3)


def test_readme_tells_the_shares(demo: Path, process: dict[str, Any]) -> None:
    text = (demo / "README.md").read_text(encoding="utf-8")
    for name, share in process["variance_shares"].items():
        assert f"| {name} | {100 * share:.1f} % |" in text


def test_parts_are_nearly_uncorrelated(latents: pd.DataFrame) -> None:
    correlation = latents[[f"{name}_part" for name in PARTS]].corr().to_numpy()
    assert np.abs(correlation - np.eye(4)).max() < 0.12


def test_latents_are_not_among_the_item_columns(
    items: pd.DataFrame, new_items: pd.DataFrame, latents: pd.DataFrame
) -> None:
    hidden = set(latents.columns) - {"item_id"}
    assert not hidden & set(items.columns)
    assert not hidden & set(new_items.columns)
    assert "Never" in (Path(__file__).parents[2] / "demo_data/process.json").read_text("utf-8")


def test_expected_units_are_calibrated(items: pd.DataFrame, latents: pd.DataFrame) -> None:
    table = items.merge(latents, on="item_id")
    ratio = table["units_next_8w"].sum() / table["expected_units_8w"].sum()
    assert 0.95 < ratio < 1.25


def test_words_of_the_description_foretell_the_text_part(
    items: pd.DataFrame, latents: pd.DataFrame
) -> None:
    told = items["description"].notna()
    words = TfidfVectorizer(min_df=2, sublinear_tf=True)
    features = words.fit_transform(items.loc[told, "description"])
    text = latents["text_part"].iloc[: len(items)][told].to_numpy()
    photo = latents["photo_part"].iloc[: len(items)][told].to_numpy()
    assert held_out_r2(features, text) > 0.3
    assert held_out_r2(features, photo) < 0.1


def colours(path: Path) -> NDArray[np.float64]:
    """Colour counts of the middle, the top and the bottom of a photo."""
    with Image.open(path) as photo:
        photo.draft("RGB", (50, 60))  # decodes at a smaller size, several times as fast
        pixels = np.asarray(photo.convert("RGB").resize((50, 60))) // 64
    code = pixels @ np.array([16, 4, 1])
    regions = (code[15:45, 15:35], code[:8], code[-8:])
    counts = [np.bincount(region.ravel(), minlength=64) / region.size for region in regions]
    return np.sqrt(np.concatenate(counts))


def test_colours_of_the_photo_foretell_the_photo_part(
    demo: Path, items: pd.DataFrame, latents: pd.DataFrame
) -> None:
    shown = items["photo"].notna() & items["photo"].str.endswith(".jpg", na=False)
    names = items.loc[shown, "photo"]
    features = np.array([colours(demo / "photos" / name) for name in names])
    photo = latents["photo_part"].iloc[: len(items)][shown].to_numpy()
    text = latents["text_part"].iloc[: len(items)][shown].to_numpy()
    assert held_out_r2(features, photo) > 0.4
    assert held_out_r2(features, text) < 0.1
