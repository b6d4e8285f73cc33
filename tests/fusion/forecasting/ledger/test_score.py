"""Sealed forecasts are scored when their periods are over, beside simple methods and a planner."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.errors import CatalogueError, ConfigError
from fusion.forecasting.backtest.baselines import RULES
from fusion.forecasting.backtest.result import FORECAST
from fusion.forecasting.history import SalesSpec, frames_reader
from fusion.forecasting.ledger import score as score_room
from fusion.forecasting.ledger.append import append_entry
from fusion.forecasting.ledger.chain import read_ledger
from fusion.forecasting.ledger.score import PlannerTable, score_ledger, since_column
from fusion.forecasting.ledger.value_added import NAIVE, PLANNER

COLUMNS = SalesColumns(item="sku", date="week", units="sold")


@pytest.fixture(autouse=True)
def few_methods(monkeypatch):
    """Two simple methods: each needs a thousand draws for its interval."""
    monkeypatch.setattr(score_room, "RULES", {name: RULES[name] for name in ("zero", NAIVE)})


def score(folder, sales, **asked):
    def read(run):
        spec = SalesSpec(run.sales.columns, run.frequency.unit, since_column(run.sales.item))
        return frames_reader(frame_parts(sales), spec)

    return score_ledger(read_ledger(folder), read, **asked)


def of_group(tables, by, group, method=FORECAST):
    table = next(table for table in tables if table.by == by)
    return next(one.metrics for one in table.rows if (one.group, one.method) == (group, method))


def test_errors_are_those_of_hand(ledger, sold):
    found = score(ledger, sold)
    sure = sold[sold["week"].isin(["2024-03-04", "2024-03-11"])]["sold"].to_numpy()
    said = np.array([10, 10, 20, 20])
    metrics = of_group(found.result.tables, "entry", "1 (2024-03-04)")
    assert metrics["wape"] == pytest.approx(np.abs(sure - said).sum() / sure.sum())
    assert metrics["bias"] == pytest.approx((said - sure).sum() / sure.sum())
    inside = (0.6 * said <= sure) & (sure <= 1.4 * said)
    assert metrics["coverage"] == pytest.approx(inside.mean())
    steps = next(table for table in found.result.tables if table.by == "step")
    assert {row.group for row in steps.rows} == {"1", "2"}
    assert of_group(found.result.tables, "life stage", "known")["wape"] > 0


def test_entries_that_are_not_over_wait(ledger, sold):
    found = score(ledger, sold[sold["week"] < "2024-04-29"])
    assert [one.state for one in found.states] == ["scored", "scored", "waiting"]
    assert found.states[2].why == "is over when sales up to 2024-05-12 are there"
    assert found.result.tables[0].rows[0].n_rows == 4
    by_entry = next(table for table in found.result.tables if table.by == "entry")
    assert {row.group for row in by_entry.rows} == {one.label for one in found.states[:2]}


def test_simple_methods_know_what_was_known_at_each_entry(ledger, sold):
    found = score(ledger, sold)
    last = found.result.forecasts[NAIVE].median
    at = [sold[(sold["sku"] == "A") & (sold["week"] < day)]["sold"].iloc[-1] for day in
          ("2024-03-04", "2024-04-01", "2024-04-29")]  # fmt: skip
    assert last[::2, 0].tolist() == at
    later = sold.assign(sold=np.where(sold["week"] >= "2024-03-04", 999, sold["sold"]))
    changed = score(ledger, later).result.forecasts
    for method, before in found.result.forecasts.items():
        assert np.allclose(changed[method].quantiles[:2], before.quantiles[:2]), method


def test_without_the_history_the_forecast_stands_alone(ledger, sold):
    found = score(ledger, sold[sold["week"] >= "2024-03-04"])
    assert list(found.result.forecasts) == [FORECAST] and found.added is None
    assert "too late to know" in found.result.left_out["simple methods"]


def test_an_item_without_a_row_is_told_and_left_out(ledger, sold):
    found = score(ledger, sold[sold["sku"] == "A"])
    assert found.result.tables[0].rows[0].n_rows == 3
    assert any(
        "1 item(s) of the ledger have no row in sales at all ('B')" in one for one in found.notes
    )


def test_items_that_all_begin_later_wait(tmp_path, sold, run_of, answers_of):
    answers = answers_of("2024-05-13", {"A": 4, "B": 5})  # of launches, two weeks ahead
    append_entry(tmp_path, run_of("2024-04-29"), answers)
    with pytest.raises(CatalogueError, match=r"sales up to 2024-05-19, .* none is over") as caught:
        score(tmp_path, sold)
    assert "entry 1 forecasts items that begin later, over when sales up to 2024-05-26" in str(
        caught.value
    )


def test_an_entry_without_rows_is_not_counted_as_scored(ledger, sold, run_of, answers_of):
    append_entry(ledger, run_of("2024-03-18"), answers_of("2024-03-18", {"Z": 4}))
    append_entry(ledger, run_of("2024-04-22"), answers_of("2024-05-13", {"A": 4}))
    found = score(ledger, sold)
    assert [one.state for one in found.states] == ["scored"] * 3 + ["without rows", "waiting"]
    assert found.states[3].why == "forecasts no item that has a row in sales"
    assert "3 of 3 scored entries" in found.notes[0]


def test_a_period_without_a_row_is_a_zero_from_the_first_day_forecast_on(
    tmp_path, run_of, answers_of
):
    append_entry(tmp_path, run_of("2024-03-04"), answers_of("2024-03-04", {"A": 4, "N": 5}))
    rows = [("A", f"2024-03-{day:02}", 4) for day in (4, 11, 18)] + [("N", "2024-03-11", 7)]
    sales = pd.DataFrame(rows, columns=["sku", "week", "sold"])
    assert score(tmp_path, sales).result.actual.steps.tolist() == [[4, 4], [0, 7]]


def test_an_entry_with_the_answers_of_another_counts_once(ledger, sold, run_of, answers_of):
    answers = answers_of("2024-04-29", {"A": 12, "B": 20})
    append_entry(ledger, run_of("2024-04-29"), answers)
    found = score(ledger, sold)
    assert [one.state for one in found.states] == ["scored"] * 3 + ["repeated"]
    assert found.states[3].why == "has the answers of entry 3"


def test_entries_of_other_steps_are_scored_when_they_are_asked_for(
    ledger, sold, run_of, answers_of
):
    answers = answers_of("2024-04-15", {"A": 12}, horizon=3)
    append_entry(ledger, run_of("2024-04-15", horizon=3), answers)
    found = score(ledger, sold)
    assert [one.state for one in found.states] == ["of another kind"] * 3 + ["scored"]
    chosen = score(ledger, sold, entries=[1, 2])
    assert [one.number for one in chosen.states] == [1, 2]
    assert all(one.state == "scored" for one in chosen.states)


def test_a_waiting_entry_of_other_columns_hides_no_entry_that_is_over(
    ledger, sold, run_of, answers_of
):
    other = replace(COLUMNS, price="eur")
    append_entry(
        ledger, run_of("2024-05-13", columns=other), answers_of("2024-05-13", {"A": 12, "B": 20})
    )
    found = score(ledger, sold.assign(eur=9.0))
    assert [one.state for one in found.states] == ["scored"] * 3 + ["waiting"]
    assert found.states[3].why == "is over when sales up to 2024-05-26 are there"
    found = score(ledger, sold)
    assert [one.state for one in found.states] == ["scored"] * 3 + ["not covered"]
    assert "cannot be compared with sales: " in found.states[3].why and "eur" in found.states[3].why


def test_the_last_entry_that_is_over_says_of_which_columns_the_others_are(
    ledger, sold, run_of, answers_of
):
    other = replace(COLUMNS, price="eur")
    answers = answers_of("2024-04-29", {"A": 12, "B": 20})  # those of entry 3, of another kind
    append_entry(ledger, run_of("2024-04-29", columns=other), answers)
    append_entry(ledger, run_of("2024-05-20"), answers_of("2024-05-20", {"A": 12}))
    found = score(ledger, sold.assign(eur=9.0))
    assert [one.state for one in found.states] == ["of another kind"] * 3 + ["scored", "waiting"]
    assert found.states[0].why == "is of sales in other columns or periods; score it alone"


def test_a_planner_is_read_in_the_columns_of_the_last_entry_that_is_over(
    ledger, sold, run_of, answers_of
):
    other = replace(COLUMNS, units="pieces")
    append_entry(
        ledger, run_of("2024-05-13", columns=other), answers_of("2024-05-13", {"A": 12, "B": 20})
    )
    figures = sold[sold["week"] == "2024-03-04"]
    found = score(ledger, sold, planner=PlannerTable(figures))
    assert found.added.n_figures == len(figures)


def test_every_entry_says_why_where_none_is_scored(ledger, sold, run_of, answers_of):
    append_entry(
        ledger, run_of("2024-03-18", head="price_path"), answers_of("2024-03-18", {"A": 3})
    )
    some = sold[sold["week"].between("2024-03-11", "2024-04-01")]
    with pytest.raises(CatalogueError) as caught:
        score(ledger, some)
    for said in (
        "entry 1 of 2024-03-04 to 2024-03-17 begins before the sales, 2024-03-11",
        "entry 2 of 2024-04-01 to 2024-04-14 is over when sales up to 2024-04-14 are there",
        "entry 4 of 2024-03-18 to 2024-03-31 answers price_path",
    ):
        assert said in str(caught.value)


def test_a_ledger_of_prices_alone_is_refused_for_that(tmp_path, sold, run_of, answers_of):
    append_entry(
        tmp_path, run_of("2024-03-04", head="price_path"), answers_of("2024-03-04", {"A": 3})
    )
    with pytest.raises(ConfigError, match=r"must hold a forecast of units .* got price_path alone"):
        score(tmp_path, sold)


def test_an_entry_that_answers_no_units_is_told(ledger, sold, run_of, answers_of):
    append_entry(
        ledger, run_of("2024-03-18", head="price_path"), answers_of("2024-03-18", {"A": 3})
    )
    found = score(ledger, sold)
    assert [one.state for one in found.states] == ["scored"] * 3 + ["of another kind"]
    assert found.states[3].why == "answers price_path, which units sold do not tell"


def test_demand_is_compared_in_periods_in_full_stock(tmp_path, sold, run_of, answers_of):
    columns = replace(COLUMNS, in_stock="shelf")
    run = run_of("2024-03-04", head="demand", columns=columns)
    append_entry(tmp_path, run, answers_of("2024-03-04", {"A": 10, "B": 20}))
    is_short = (sold["sku"] == "A") & (sold["week"] == "2024-03-11")
    stocked = sold.assign(shelf=np.where(is_short, 0.5, 1.0), sold=sold["sold"].mask(is_short, 1))
    found = score(tmp_path, stocked)
    came = stocked[stocked["week"].isin(["2024-03-04", "2024-03-11"])]["sold"].tolist()
    np.testing.assert_array_equal(found.result.actual.steps, [[came[0], np.nan], came[2:]])


def test_an_entry_that_was_sealed_too_late_is_told(ledger, sold):
    found = score(ledger, sold)
    assert all(one.is_late for one in found.states)
    assert "3 of 3 scored entries were sealed when their first period was over" in found.notes[0]
    entry = read_ledger(ledger).entries[0].entry
    early = replace(entry, made="2024-03-10T23:59:59+00:00")
    assert not early.is_late and replace(entry, made="2024-03-11T00:00:00+00:00").is_late


def test_a_planner_is_compared_where_all_say_something(ledger, sold):
    weeks = ["2024-03-04", "2024-03-11", "2024-04-01"]
    figures = sold[sold["week"].isin(weeks) & ~((sold["sku"] == "B") & (sold["week"] == weeks[0]))]
    figures = figures.assign(sold=figures["sold"] + 1)
    added = score(ledger, sold, planner=PlannerTable(figures, "plan.csv")).added
    assert added.n_figures == 5 == len(figures)
    real = figures["sold"] - 1
    assert of_group(added.tables, "all", "all", PLANNER)["wape"] == pytest.approx(5 / real.sum())
    assert np.isnan(of_group(added.tables, "all", "all", PLANNER)["coverage"])
    own = of_group(added.tables, "all", "all")["wape"]
    said = {(one.reference, row.method): row.gain for one in added.gains for row in one.rows
            if row.metric == "wape"}  # fmt: skip
    assert set(said) == {(FORECAST, PLANNER), (FORECAST, NAIVE), (PLANNER, NAIVE)}
    assert said[FORECAST, PLANNER] == pytest.approx(5 / real.sum() - own)
    assert said[FORECAST, NAIVE] == pytest.approx(said[FORECAST, PLANNER] + said[PLANNER, NAIVE])


def test_a_better_planner_adds_value_with_an_interval(tmp_path, run_of, answers_of):
    names = [f"i{number:02}" for number in range(30)]
    append_entry(tmp_path, run_of("2024-03-04"), answers_of("2024-03-04", dict.fromkeys(names, 9)))
    draw = np.random.default_rng(0)
    weeks = [str(day.date()) for day in pd.date_range("2024-01-01", periods=11, freq="W-MON")]
    rows = [(name, week, draw.poisson(6)) for name in names for week in weeks]
    sales = pd.DataFrame(rows, columns=["sku", "week", "sold"])
    gains = score(tmp_path, sales, planner=PlannerTable(sales)).added.gains
    over = {(one.reference, row.method): row for one in gains for row in one.rows
            if row.metric == "wape"}  # fmt: skip
    assert over[FORECAST, PLANNER].verdict == "worse"
    assert over[PLANNER, NAIVE].verdict == "better" and over[PLANNER, NAIVE].low > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda frame: pd.concat([frame, frame.tail(1)]),
            r"the week of 2024-03-11 again \(row 4\)",
        ),
        (lambda frame: frame.assign(sku="Z"), "must be an item of the ledger, got 'Z'"),
        (lambda frame: frame.assign(sold=["4", "x", "5", "6"]), "got 'x'"),
        (lambda frame: frame.assign(sold=[4, None, 5, 6]), "row 2, column sold: must be given"),
        (lambda frame: frame.assign(sold=1e308), r"must be at most 1e\+30, got 1e\+308"),
        (lambda frame: frame.drop(columns="sold"), "sold"),
        (lambda frame: frame.head(0), "got a header alone"),
        (lambda frame: frame.assign(week="2023-01-02").drop_duplicates("sku"), "2024-03-04 to"),
    ],
)
def test_a_faulty_table_of_a_planner_is_one_message(ledger, sold, change, said):
    figures = sold[sold["week"].isin(["2024-03-04", "2024-03-11"])]
    with pytest.raises(CatalogueError, match=said) as caught:
        score(ledger, sold, planner=PlannerTable(change(figures), "plan.csv"))
    assert "plan.csv" in str(caught.value)


def test_rows_of_a_planner_that_stand_twice_are_told_beside_other_faults(ledger, sold):
    figures = sold[sold["week"] == "2024-03-04"].astype({"sold": object})
    faulty = pd.concat([figures, figures.head(1), figures.tail(1).assign(sold="x", sku="Z")])
    with pytest.raises(CatalogueError, match=r"2024-03-04 again \(row 1\)") as caught:
        score(ledger, sold, planner=PlannerTable(faulty, "plan.csv"))
    assert "got 'x'" in str(caught.value) and "plan.csv has 3 problems" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.assign(sku="Z"), r"none of its 2 \('A', 'B'\)"),
        (lambda frame: frame[frame["week"] < "2024-03-11"], "to 2024-03-10 beside 3 entries"),
        (lambda frame: frame.assign(week=frame["week"].str[:7] + "-01"), "frequency must be month"),
    ],
)
def test_sales_that_do_not_fit_are_one_message(ledger, sold, change, said):
    with pytest.raises(CatalogueError, match=said):
        score(ledger, change(sold).drop_duplicates(["sku", "week"]), source="new.csv")


def test_weeks_that_begin_on_another_day_are_refused(ledger, sold):
    moved = pd.to_datetime(sold["week"]) + pd.Timedelta(days=2)
    with pytest.raises(CatalogueError, match="weeks that begin as in the ledger"):
        score(ledger, sold.assign(week=moved.dt.strftime("%Y-%m-%d")))


def test_mistakes_in_both_tables_are_told_together(ledger, sold):
    with pytest.raises(ConfigError, match=r"(?s)2 mistakes:.*plan.*none of its 2"):
        score(
            ledger,
            sold.assign(sku="Z"),
            planner=PlannerTable(sold.assign(sold="x"), "plan"),
        )


def test_an_entry_that_is_not_there_is_refused(ledger, sold):
    with pytest.raises(ConfigError, match="entry must be one of 1 to 3, got 4"):
        score(ledger, sold, entries=[4])


def test_shops_are_scored_each_by_itself(tmp_path, run_of, answers_of):
    columns = replace(COLUMNS, shop="shop")
    parts = []
    for shop, units in (("north", 4), ("south", 6)):
        parts.append(answers_of("2024-03-04", {"A": units}).assign(shop=shop))
    together = parts[0].assign(shop="", p10=np.nan, p50=np.nan, p90=np.nan)
    append_entry(tmp_path, run_of("2024-03-04", columns=columns), pd.concat([*parts, together]))
    rows = [
        ("A", f"2024-0{month}-{day:02}", units, shop)
        for shop, units in (("north", 5), ("south", 5))
        for month, day in ((2, 19), (2, 26), (3, 4), (3, 11))
    ]
    sales = pd.DataFrame(rows, columns=["sku", "week", "sold", "shop"])
    found = score(tmp_path, sales).result
    assert found.forecasts[FORECAST].median[:, 0].tolist() == [4, 6]
    assert found.actual.steps.tolist() == [[5, 5], [5, 5]]
