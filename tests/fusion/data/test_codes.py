import numpy as np
import pandas as pd
import pytest

from fusion import FusionRegressor
from fusion.data import infer_schema
from fusion.data.codes import coded_columns

RANDOM = np.random.default_rng(0)
N = 400


def drawn(*values):
    return RANDOM.choice(values, N)


LABELS = {
    "zip": drawn(10115, 20095, 80331, 50667, 60311),
    "zip_code": drawn(1067, 4103, 10115),
    "postcode": drawn(2000, 3000, 4000, 6000),
    "PLZ": drawn(10115, 20095, 80331),
    "code_postal": drawn(75001, 69001, 13001),
    "storeId": drawn(1, 2, 3, 4, 5, 6),
    "store": drawn(1, 2, 3, 4, 5, 6),
    "store_nr": drawn(12, 14, 19, 33),
    "Filiale": drawn(3, 5, 8, 13),
    "category_code": drawn(*range(40)),
    "category": drawn(1, 2, 3),
    "Kategorie 2": drawn(1, 2, 3),
    "class": drawn(1, 2, 3, 9),
    "dept": drawn(10, 20, 30),
    "department_number": drawn(10, 20, 30),
    "id_tienda": drawn(1, 2, 3),
    "supplier": drawn(1001, 1002, 1005),
    "StockCode": drawn(22423, 22424, 85123),
    "colour": drawn(1, 2, 3, 4),
    "size": drawn(36, 38, 40, 42),
    "product_type": drawn(1, 2, 3),
    "region": drawn(1.0, 2.0, 3.0, np.nan),
    "plain_name": drawn("01067", "04103", "10115", "20095"),
    "hierarchy": drawn(1001, 1003, 1004, 2017, 2018, 7203, 7204),
}
NUMBERS = {
    "price": drawn(9, 19, 29, 49),
    "price_eur": drawn(9, 19, 29),
    "units": drawn(*range(12)),
    "n_sizes": drawn(1, 2, 3, 4),
    "n_stores": drawn(1, 2, 3, 4),
    "stores": drawn(10, 20, 126),
    "store_count": drawn(1, 2, 3, 4),
    "store_size": drawn(100, 150, 200),
    "size_cm": drawn(36, 38, 40),
    "class_size": drawn(20, 25, 30),
    "year": drawn(2019, 2020, 2021, 2022, 2023, 2024),
    "modelljahr": drawn(2013, 2014, 2017, 2018, 2019, 2024),
    "age": drawn(*range(18, 80)),
    "Positive Feedback Count": drawn(*range(9)),
    "discount_percent": drawn(0, 10, 20, 30),
    "rating": drawn(1, 2, 3, 4, 5),
    "weight_g": drawn(1250, 1503, 2207, 3011, 9977),
    "stock": drawn(0, 1, 2, 3),
    "watt": drawn(1000, 1200, 1800, 2000, 9500),
    "power": drawn(1001, 1203, 1801, 2003, 9502),
    "promo_weeks": drawn(0, 1, 2, 3),
    "w0": drawn(1, 2, 346, 380),
    "category_units_last_month": drawn(100, 200, 300),
    "brand_mean_price": drawn(10, 20, 30),
    "pages": drawn(120, 240, 356, 412),
    "steps": RANDOM.integers(1000, 9999, N),
    "type_share": drawn(0.1, 0.2),
    "is_group": drawn(0, 1),
    "length": drawn(50, 60, 70),
    "balance_code": drawn(-3, 1, 2, 4),
    "half_class": drawn(1.5, 2.0, 3.0),
    "zip": RANDOM.permutation(np.arange(10_000, 10_000 + N)),
}


@pytest.mark.parametrize("name", LABELS)
def test_whole_numbers_that_name_things_are_labels(name):
    for cells in (pd.Series(LABELS[name]), pd.Series(LABELS[name]).astype(object)):
        assert infer_schema(pd.DataFrame({name: cells}), photos=None).columns_of("categorical") == (
            name,
        )


@pytest.mark.parametrize("name", NUMBERS)
def test_whole_numbers_that_count_or_measure_stay_numbers(name):
    frame = pd.DataFrame({name: NUMBERS[name]})
    assert infer_schema(frame, photos=None).columns_of("numeric") == (name,)
    assert infer_schema(frame.astype(str), photos=None).columns_of("numeric") == (name,)


def test_what_is_read_as_a_label_is_told_and_can_be_changed(caplog):
    frame = pd.DataFrame({"store": LABELS["store"], "price": NUMBERS["price"]})
    schema = infer_schema(frame, photos=None)
    told = coded_columns(frame, schema, listed=None)
    assert "not as numbers: store." in told and "list all number columns under numeric" in told
    assert coded_columns(frame, schema, listed=["store"]) == ""
    given = {"numeric": ["store", "price"]}
    assert infer_schema(frame, photos=None, given=given).columns_of("numeric") == ("store", "price")
    FusionRegressor(head="linear").fit(frame, RANDOM.normal(size=N))
    assert told in caplog.text


def test_codes_predict_alike_however_a_later_file_writes_them():
    frame = pd.DataFrame({"store": LABELS["store"], "price": NUMBERS["price"]})
    effect = {1: 5.0, 2: -3.0, 3: 9.0, 4: 0.0, 5: 7.0, 6: -8.0}
    y = frame["store"].map(effect) + 0.1 * frame["price"]
    model = FusionRegressor(head="linear").fit(frame, y)
    assert np.abs(model.predict(frame) - y).max() < 0.1  # as numbers they explain next to nothing
    later = frame.head(3).astype({"store": float})
    later.loc[len(later)] = [np.nan, 9]
    np.testing.assert_allclose(model.predict(later.head(3)), model.predict(frame.head(3)))
    texts = frame.head(3).astype({"store": str})
    np.testing.assert_allclose(model.predict(texts), model.predict(frame.head(3)))
