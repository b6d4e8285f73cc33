"""The table of new items: words, order, what is alike, what is unknown, what could not be read."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion import FusionClassifier, FusionRegressor, Predictor
from fusion.report import build_new_items, render_new_items, render_report
from fusion.report.forecast_words import HeadWords, head_title, head_words
from fusion.report.new_items import N_SIMILAR
from fusion.report.number_text import rough

SMALL = {
    "columns": {"categorical": ["brand"]},
    "members": ["network"],
    "encoders": {"text": "tfidf"},
    "training": {"epochs": 3, "folds": 1},
    "strategy_options": {"n_networks": 1, "width": 8},
    "random_state": 0,
    "on_bad_rows": "record",
}


@pytest.fixture(scope="module")
def items():
    draw = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "sku": [f"A{row}" for row in range(n)],
            "title": [f"{draw.choice(['warm', 'thin'])} coat, cut {row}" for row in range(n)],
            "brand": draw.choice(["Vela", "Tern"], n),
            "price": draw.uniform(10, 90, n).round(2),
            "units": draw.poisson(40, n).astype(float),
        }
    )


@pytest.fixture(scope="module")
def new(items):
    frame = items.tail(5).drop(columns="units").reset_index(drop=True)
    frame["sku"] = [f"N{row}" for row in range(5)]
    frame.loc[1, "brand"] = "Okami"
    return frame.astype(object)


@pytest.fixture(scope="module")
def predictor(items):
    model = FusionRegressor(head="sales_volume", **SMALL)
    model.fit(items.drop(columns="units"), items["units"])
    return Predictor(model.bundle_, on_bad_rows="record")


@pytest.mark.parametrize(
    ("value", "whole", "text"),
    [
        (1234.5, False, "1,200"),
        (-118.0, False, "−120"),
        (99.6, True, "100"),
        (9.96, False, "10"),
        (0.0421, False, "0.042"),
        (0.2, True, "0"),
        (0.0, False, "0"),
        (math.nan, False, "–"),
        (1e12, True, "1.0e12"),
    ],
)
def test_forecasts_have_no_digits_that_they_cannot_claim(value, whole, text):
    assert rough(value, whole=whole) == text


def test_a_range_of_one_number_is_said_once():
    words = HeadWords("units", "units", "p50", "mean", "p10", "p90", 0.8, "units")
    assert words.say({"p50": 0.0, "p10": 0.0, "p90": 0.3}) == "about 0, likely 0"


def test_the_best_come_first_with_a_range_and_what_similar_items_sold(predictor, items, new):
    found = build_new_items(predictor, new, details=["brand", "price"], source="new.csv")
    table = predictor.predict(new)
    order = table.sort_values("sales_units_p50", ascending=False, kind="stable")
    best = order["sales_units_p50"].iloc[0]
    assert table.set_index("id")["sales_units_p50"][found.items[0].id] == best
    assert [item.rank for item in found.items] == [1, 2, 3, 4, 5]
    assert found.items[0].answers[0].startswith(f"about {rough(best, whole=True)}, likely ")
    sold = {
        sku: f"sold {units:.0f}" for sku, units in zip(items["sku"], items["units"], strict=False)
    }
    titles = dict(zip(items["sku"], items["title"], strict=False))
    for item in found.items:
        assert len(item.similar) == N_SIMILAR
        for known in item.similar:
            assert (known.title, known.outcome) == (titles[known.id], sold[known.id])
        assert item.title == dict(zip(new["sku"], new["title"], strict=False))[item.id]
        assert set(item.details) == {"brand", "price"}


def test_a_category_that_training_never_saw_is_flagged(predictor, new):
    found = build_new_items(predictor, new)
    flags = {item.id: item.unknown for item in found.items}
    assert flags == {"N0": (), "N1": ("brand: Okami",), "N2": (), "N3": (), "N4": ()}


def test_medians_are_said_not_to_add_up_beside_the_sum_of_the_means(predictor, new):
    notes = build_new_items(predictor, new).notes
    total = rough(float(predictor.predict(new)["sales_units"].sum()), whole=True)
    assert any("do not add up" in note and f"reach {total}" in note for note in notes)
    assert any("8 items of 10" in note for note in notes)


def test_a_row_that_cannot_be_read_stands_last_with_its_reason(predictor, new):
    new = new.copy()
    new.loc[2, "price"] = "12,9O"
    found = build_new_items(predictor, new)
    last = found.items[-1]
    assert (last.rank, last.id, last.is_hot, last.similar) == (None, "N2", False, ())
    assert "12,9O" in last.error
    assert [item.rank for item in found.items[:-1]] == [1, 2, 3, 4]


def test_hot_is_what_the_best_quarter_of_known_items_reached(predictor, items, new):
    found = build_new_items(predictor, new)
    threshold = math.ceil(np.quantile(items["units"], 0.75))
    assert any(f"{threshold} or more" in note for note in found.notes)
    medians = predictor.predict(new).set_index("id")["sales_units_p50"]
    assert {item.id: item.is_hot for item in found.items} == dict(medians >= threshold)


def test_known_items_without_a_target_are_a_dash_and_no_part_of_the_rule_of_hot(items, new):
    targets = items[["units", "price"]].assign(units=items["units"].where(items.index % 2 == 0))
    heads = {"price": "regression", "units": "sales_volume"}
    model = FusionRegressor(head=heads, **SMALL).fit(items[["sku", "title", "brand"]], targets)
    predictor = Predictor(model.bundle_)
    assert head_words(predictor, "units").say_known(math.nan) == "–"
    threshold = math.ceil(np.quantile(items["units"][::2], 0.75))
    found = build_new_items(predictor, new[["sku", "title", "brand"]])
    assert any(f"{threshold} or more" in note for note in found.notes)
    assert found.questions == ("price", "Units")
    assert found.order == "ranked by “price”, the largest forecast first"


def test_headings_that_differ_by_capitals_alone_are_told_apart(items):
    targets = items[["units"]].assign(sold=items["units"])
    heads = {"units": "quantiles", "sold": "sales_volume"}
    model = FusionRegressor(head=heads, **SMALL).fit(items[["sku", "title", "brand"]], targets)
    titles = [head_title(model.bundle_, name) for name in model.bundle_.model.heads]
    assert titles == ["units", "Units (sold)"]


def test_a_probability_is_told_by_the_name_of_its_class(items, new):
    labels = np.where(items["units"] > 40, "seller", "shelf")
    model = FusionClassifier(**SMALL).fit(items.drop(columns="units"), labels)
    found = build_new_items(Predictor(model.bundle_), new)
    label = model.classes_[1]
    assert found.questions == (f"{label}?",) and found.hot == label
    assert all(item.answers[0].endswith("%") for item in found.items)
    outcomes = {known.outcome for item in found.items for known in item.similar}
    assert outcomes <= {label, f"not {label}"}


def test_more_items_than_a_page_holds_are_counted(predictor, new, monkeypatch):
    monkeypatch.setattr("fusion.report.new_items.MOST_SHOWN", 2)
    found = build_new_items(predictor, new)
    assert len(found.items) == 2
    assert "The first 2 of 5 items" in render_new_items(found, title="New")


def test_the_report_has_a_section_of_new_items_only_where_there_are_some(make, photos):
    report = make.report(make.volume(photos))
    assert "new-items" not in render_report(report)
    page = render_report(replace(report, new_items=make.new_items(photos)))
    assert '<section id="new-items"' in page and 'href="#new-items"' in page
    assert ">about 120,</span> <span" in page and ">likely 80 to 190</span>" in page
    for text in ("sold 118", "brand: Nordhem", "got &#39;x&#39;"):
        assert text in page


def test_a_report_shows_the_first_new_items_and_counts_the_others(make, photos, monkeypatch):
    monkeypatch.setattr("fusion.report.page.MOST_IN_REPORT", 1)
    found = make.new_items(photos)
    page = render_report(replace(make.report(make.volume(photos)), new_items=found))
    assert page.count('class="num rank"') == 1
    assert f"The first 1 of {found.n_items} items" in page
