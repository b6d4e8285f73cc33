"""Table rows to embeddings: robust scaling, categories, dates, and every bad cell named."""

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from encoders import NumericEncoder, check_encoder


def linear(frame: pd.DataFrame, **columns: Any) -> NumericEncoder:
    return NumericEncoder.fitted(frame, transform="linear", **columns)


def forward(encoder: NumericEncoder, frame: pd.DataFrame) -> torch.Tensor:
    output: torch.Tensor = encoder(encoder.preprocess(frame))
    return output


def test_least_squares_on_linear_embeddings_extrapolates_a_line_exactly() -> None:
    ads = np.arange(10.0, 51.0, 10.0)
    frame = pd.DataFrame({"ads": ads, "reviews": 10 * ads})
    encoder = linear(frame, numeric=["ads", "reviews"])
    design = np.c_[np.ones(5), forward(encoder, frame).numpy()]
    weights = np.linalg.lstsq(design, 500 + 50 * ads, rcond=None)[0]
    new = forward(encoder, pd.DataFrame({"ads": [60.0], "reviews": [600.0]})).numpy()
    assert float((np.c_[1.0, new] @ weights)[0]) == pytest.approx(3500.0, abs=1e-6)


def test_linear_mode_scales_by_median_and_interquartile_range() -> None:
    frame = pd.DataFrame({"price": [0.0, 1.0, 2.0, 3.0, 1000.0]})
    output = forward(linear(frame, numeric=["price"]), frame)
    assert output.dtype == torch.float64
    assert output[:, 0].tolist() == [-1.0, -0.5, 0.0, 0.5, 499.0]


def test_linear_mode_has_nothing_to_train() -> None:
    frame = pd.DataFrame({"brand": ["a", "b"]})
    assert not linear(frame, categorical=["brand"]).is_trainable
    assert NumericEncoder.fitted(frame, categorical=["brand"]).is_trainable


def test_squashed_numbers_stay_within_three() -> None:
    frame = pd.DataFrame({"price": [*np.arange(20.0), 1e308, -1e308]})
    encoder = NumericEncoder.fitted(frame, numeric=["price"], n_bins=0)
    embeddings = encoder.encode(frame)[:, 0]
    assert embeddings.max() == pytest.approx(3.0)
    assert embeddings.min() == pytest.approx(-3.0)


def test_squash_hardly_changes_ordinary_numbers() -> None:
    frame = pd.DataFrame({"price": np.arange(101.0)})
    encoder = NumericEncoder.fitted(frame, numeric=["price"])
    expected = 0.5 / np.sqrt(1 + (0.5 / 3) ** 2)
    assert encoder.encode(pd.DataFrame({"price": [75.0]}))[0, 0] == pytest.approx(expected)


def test_pieces_give_the_place_among_training_quantiles() -> None:
    frame = pd.DataFrame({"price": np.arange(9.0)})
    encoder = NumericEncoder.fitted(frame, numeric=["price"], n_bins=4)
    rows = encoder.encode(pd.DataFrame({"price": [-5.0, 3.0, 99.0]}))[:, 2:]
    assert rows.tolist() == [[0, 0, 0, 0], [1, 0.5, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("transform", ["squash", "linear"])
@pytest.mark.parametrize(
    "numbers",
    [[5.0, 5.0, 5.0], [np.nan] * 3, [0.0, 0.0, 9.0, 0.0, 0.0], [1e308, -1e308], [5e-324, 0.0], []],
)
def test_odd_columns_give_finite_embeddings(transform: str, numbers: list[float]) -> None:
    frame = pd.DataFrame({"price": np.array(numbers, dtype=float)})
    encoder = NumericEncoder.fitted(frame, numeric=["price"], transform=transform)
    new = pd.DataFrame({"price": [*numbers, 1e308, -1e308, 0.0, np.nan]})
    assert np.isfinite(encoder.encode(new)).all()


def test_column_that_is_mostly_zero_is_scaled_by_its_standard_deviation() -> None:
    frame = pd.DataFrame({"discount": [0.0] * 9 + [10.0]})
    encoder = linear(frame, numeric=["discount"])
    assert forward(encoder, frame)[-1, 0].item() == pytest.approx(10.0 / 3.0)


def test_missing_number_is_zero_with_its_indicator() -> None:
    frame = pd.DataFrame({"price": [1.0, 2.0, 30.0, np.nan]})
    encoder = NumericEncoder.fitted(frame, numeric=["price"], n_bins=2)
    assert encoder.encode(frame)[3].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_none_and_pandas_na_are_missing_too() -> None:
    frame = pd.DataFrame({"price": pd.array([1, None, 3], dtype="Int64")})
    objects = pd.DataFrame({"price": [1, None, 3]}, dtype=object)
    encoder = linear(frame, numeric=["price"])
    assert forward(encoder, frame)[:, 1].tolist() == [0.0, 1.0, 0.0]
    assert torch.equal(forward(encoder, objects), forward(encoder, frame))


@pytest.mark.parametrize(
    ("cell", "rule"), [(np.inf, "finite"), (-np.inf, "finite"), ("3", "a number or missing")]
)
def test_unreadable_number_names_its_column_and_row(cell: object, rule: str) -> None:
    frame = pd.DataFrame({"price": [1.0, cell]}, index=["sku-1", "sku-2"], dtype=object)
    encoder = linear(pd.DataFrame({"price": [1.0, 2.0]}), numeric=["price"])
    with pytest.raises(ValueError, match=rf"price must be {rule}, got .*row 'sku-2'"):
        encoder.preprocess(frame)


def test_absent_column_is_named_with_the_nearest_one() -> None:
    encoder = NumericEncoder(numeric=["price_eur"])
    with pytest.raises(ValueError, match=r"'price_eur' must be in the table.*mean 'price_usd'"):
        encoder.preprocess(pd.DataFrame({"price_usd": [1.0]}))


def test_codes_tell_missing_from_unseen_from_known_levels() -> None:
    train = pd.DataFrame({"brand": ["b", "b", "b", "a", "a", "a", "a", "rare", None]})
    encoder = NumericEncoder.fitted(train, categorical=["brand"])
    assert encoder.config["categories"] == {"brand": ["a", "b"]}
    new = pd.DataFrame({"brand": [None, "new", "rare", "a", "b"]})
    assert encoder.preprocess(new)["codes"][:, 0].tolist() == [0, 1, 1, 2, 3]


def test_levels_do_not_depend_on_how_a_column_stores_them() -> None:
    train = pd.DataFrame({"size": [3, 3, 3, 4, 4, 4]})
    encoder = NumericEncoder.fitted(train, categorical=["size"])
    for column in (np.array([3.0, np.nan]), pd.Categorical([3, None]), np.array(["3", None])):
        codes = encoder.preprocess(pd.DataFrame({"size": column}))["codes"]
        assert codes[:, 0].tolist() == [2, 0]


def test_rows_of_missing_and_never_seen_levels_start_at_zero() -> None:
    encoder = NumericEncoder.fitted(pd.DataFrame({"brand": ["a"] * 3}), categorical=["brand"])
    embeddings = encoder.encode(pd.DataFrame({"brand": [None, "new", "a"]}))
    assert not embeddings[:2].any()
    assert embeddings[2].any()


def test_linear_categories_are_one_hot() -> None:
    frame = pd.DataFrame({"brand": ["a", "b", "a", "b", "b", "a"]})
    encoder = linear(frame, categorical=["brand"])
    new = pd.DataFrame({"brand": [None, "new", "a", "b"]})
    assert torch.equal(forward(encoder, new), torch.eye(4, dtype=torch.float64))


def test_a_label_is_the_same_whatever_stands_above_it() -> None:
    cells = [1, True, 1.0, "1", "True", 0, False, None]
    frame = pd.DataFrame({"label": pd.Series(cells, dtype=object)})
    encoder = NumericEncoder(categories={"label": ["1", "True", "0", "False"]})
    together = encoder.preprocess(frame)["codes"][:, 0].tolist()
    alone = [int(encoder.preprocess(frame[n : n + 1])["codes"]) for n in range(len(frame))]
    assert together == alone == [2, 3, 2, 2, 3, 4, 5, 0]


def test_dates_turn_into_the_calendar() -> None:
    days = pd.to_datetime(["2024-01-01", "2024-01-11", "2024-01-21"])
    encoder = linear(pd.DataFrame({"launch": days}), dates=["launch"])
    embedding = forward(encoder, pd.DataFrame({"launch": pd.to_datetime(["2025-04-07", None])}))
    # days in interquartile ranges of 10 from 11 January 2024, then the year, of range 1
    assert embedding[0, :2].tolist() == [45.2, 1.0]
    # a quarter of a year has gone by at the month; week 15 is 14 of 52; the day is a Monday
    sines_and_cosines = [1.0, np.sin(2 * np.pi * 14 / 52), 0.0, 0.0, np.cos(2 * np.pi * 14 / 52), 1]
    assert embedding[0, 3:].numpy() == pytest.approx(np.array(sines_and_cosines), abs=1e-6)
    assert embedding[1].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_the_calendar_of_every_day_is_that_of_the_standard_library() -> None:
    days = [date.fromordinal(day) for day in range(date(1952, 12, 20).toordinal(), 735_000, 3)]
    evenings = pd.Series(days, dtype="datetime64[us]") + pd.Timedelta(hours=23, minutes=59)
    tensors = NumericEncoder(dates=["launch"]).preprocess(pd.DataFrame({"launch": evenings}))
    since = [[(day - date(1970, 1, 1)).days, day.year] for day in days]
    assert tensors["numbers"].tolist() == since
    parts = [
        ((day.month - 1) / 12, (day.isocalendar().week - 1) / 52, day.weekday() / 7) for day in days
    ]
    angles = 2 * np.pi * np.array(parts)
    expected = np.hstack([np.sin(angles), np.cos(angles)]).astype(np.float32)
    assert np.array_equal(tensors["cycles"].numpy(), expected)


def test_dates_as_objects_and_timestamps_are_equal() -> None:
    days = [date(2024, 2, 29), date(2025, 1, 1), None]
    objects = pd.DataFrame({"launch": days}, dtype=object)
    stamps = pd.DataFrame({"launch": pd.to_datetime(days)})
    zoned = pd.DataFrame({"launch": stamps["launch"].dt.tz_localize("UTC")})
    encoder = NumericEncoder.fitted(objects, dates=["launch"])
    for frame in (stamps, zoned):
        assert np.array_equal(encoder.encode(frame), encoder.encode(objects))


@pytest.mark.parametrize("cell", ["soon", "2024-12-31"])
def test_text_is_no_date_and_names_its_column_and_row(cell: str) -> None:
    frame = pd.DataFrame({"launch": [date(2024, 1, 1), cell]}, index=["sku-1", "sku-2"])
    with pytest.raises(ValueError, match=r"launch must be a date .*row 'sku-2'"):
        NumericEncoder(dates=["launch"]).preprocess(frame)


def test_numbers_are_no_dates() -> None:
    with pytest.raises(ValueError, match="launch must be dates, got int64"):
        NumericEncoder(dates=["launch"]).preprocess(pd.DataFrame({"launch": [20240101]}))


@pytest.mark.parametrize("transform", ["squash", "linear"])
def test_every_kind_of_column_together_keeps_the_laws(transform: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "price": rng.lognormal(size=40),
            "stock": rng.integers(0, 9, 40),
            "brand": rng.choice(["a", "b", "c"], 40),
            "organic": rng.random(40) < 0.5,
            "launch": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, 40), "D"),
        }
    )
    encoder = NumericEncoder.fitted(
        frame,
        numeric=["price", "stock"],
        categorical=["brand", "organic"],
        dates=["launch"],
        transform=transform,
    )
    check_encoder(encoder, frame.head(8))
    assert json.loads(json.dumps(encoder.config)) == encoder.config
    assert encoder.encode(frame).shape == (40, encoder.embedding_dim)


def test_column_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="columns must be named once, got 'price' twice"):
        NumericEncoder(numeric=["price"], dates=["price"])


def test_unknown_transform_is_refused() -> None:
    with pytest.raises(ValueError, match="transform must be one of linear, squash, got 'log'"):
        NumericEncoder(transform="log")
