import numpy as np
import pandas as pd
import pytest

from fusion import FusionRegressor
from fusion.data import build_catalogue, infer_schema
from fusion.data.leaks import find_leaks

RANDOM = np.random.default_rng(3)
N = 300
PRICE = RANDOM.lognormal(3, 0.6, N)
WEEKS = {f"w{week}": RANDOM.poisson(RANDOM.uniform(2, 9, N)).astype(float) for week in range(12)}
HONEST = {"stores": RANDOM.integers(1, 90, N).astype(float), "brand": RANDOM.choice(list("abc"), N)}


def leaks(target, **columns):
    frame = pd.DataFrame(HONEST | columns)
    return find_leaks(
        build_catalogue(frame, infer_schema(frame, photos=None), photos=None), {"y": target}
    ).get("y", "")


@pytest.mark.parametrize(
    ("column", "target"),
    [
        pytest.param(0.93 * PRICE, PRICE, id="a share of it"),
        pytest.param(np.log(PRICE), PRICE, id="on another scale"),
        pytest.param(-(PRICE**3), PRICE, id="upside down"),
        pytest.param(0.93 * PRICE + RANDOM.normal(0, 0.3, N), PRICE, id="with noise"),
        pytest.param(np.where(np.arange(N) % 4 == 0, np.nan, PRICE), PRICE, id="with holes"),
        pytest.param((PRICE > 20) + RANDOM.uniform(0, 0.9, N), (PRICE > 20) * 1.0, id="a class"),
        pytest.param(
            pd.Series(np.digitize(PRICE, [15, 25])).map({0: "S", 1: "M", 2: "L"}).to_numpy(),
            np.digitize(PRICE, [15, 25]) * 10.0 + RANDOM.normal(0, 0.1, N),
            id="a label",
        ),
    ],
)
def test_a_column_that_says_nearly_all_is_named(column, target):
    told = leaks(target, copy=column)
    assert told.startswith("y may be given away: copy alone, says nearly all of it")


def test_a_sum_of_few_columns_is_named_with_its_parts_alone():
    told = leaks(sum(WEEKS.values()), **WEEKS)
    assert f"a sum of {', '.join(WEEKS)}," in told
    assert "w1, w2," not in leaks(WEEKS["w0"] + 2 * WEEKS["w1"], **WEEKS)
    assert "a sum of w0, w1," in leaks(WEEKS["w0"] + 2 * WEEKS["w1"], **WEEKS)


def test_a_sum_is_found_among_many_columns_and_in_few_rows():
    noise = {f"z{place}": RANDOM.normal(0, 1, N) for place in range(60)}
    assert f"a sum of {', '.join(WEEKS)}," in leaks(sum(WEEKS.values()), **noise, **WEEKS)
    frame = pd.DataFrame(WEEKS).head(45)
    catalogue = build_catalogue(frame, infer_schema(frame, photos=None), photos=None)
    told = find_leaks(catalogue, {"y": frame.sum(axis=1).to_numpy()})
    assert f"a sum of {', '.join(WEEKS)}," in told["y"]


def test_numbers_near_the_largest_that_there_are_end_nothing():
    huge = {name: RANDOM.uniform(-1, 1, N) * 1e308 for name in ("a", "b")}
    assert leaks(PRICE, **huge) == ""
    assert "copy alone" in leaks(PRICE, copy=PRICE * 1e304, **huge)
    assert "copy alone" in leaks(huge["a"], copy=huge["a"] / 1e308)


def test_columns_that_only_help_are_not_blamed():
    noisy = sum(WEEKS.values()) * RANDOM.lognormal(0, 0.15, N)
    assert leaks(noisy, **WEEKS) == ""
    assert leaks(PRICE, hint=PRICE * RANDOM.lognormal(0, 0.15, N)) == ""
    label = np.where(PRICE > 20, "dear", "cheap")
    assert leaks(PRICE, label=label) == ""
    few = np.where(np.arange(N) < 30, PRICE, np.nan)
    assert leaks(PRICE, few=few) == ""


def test_history_of_a_sales_table_is_never_blamed():
    units = RANDOM.poisson(PRICE).astype(float)
    assert leaks(units, units_last_4w=units) == ""


def test_an_estimator_says_it_by_the_training_rows(caplog):
    frame = pd.DataFrame({"tax": 0.93 * PRICE, "stores": HONEST["stores"]})
    model = FusionRegressor(head="linear").fit(frame, pd.Series(PRICE, name="price"))
    assert "price may be given away: tax alone" in caplog.text
    assert model.fitted_.leaks["price"] in caplog.text
