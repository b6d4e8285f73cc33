"""What the pages of a forecast, of a backtest and of an item say, and what they do not say."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.promises.made_forecast import backtest_report, forecast_report
from fusion.data.panel.frequency import Frequency
from fusion.forecasting.backtest.result import FORECAST
from fusion.report import (
    default_pages,
    render_backtest,
    render_forecast,
    render_item,
    unknown_pages,
    write_forecast_report,
    write_page,
)
from fusion.report.backtest_view import backtest_answer
from fusion.report.fan import Fan, fan_svg
from fusion.report.forecast_answer import forecast_answer, sums_by_period
from fusion.report.forecast_items import ItemViews, item_groups
from fusion.report.forecast_numbers import ForecastNumbers
from fusion.report.line_svg import Drawing
from fusion.report.number_text import GAP, number
from fusion.report.period_words import day_text, span_text
from fusion.report.stage_weights import stage_rows


@pytest.fixture(scope="module")
def report(photos):
    return forecast_report(photos)


@pytest.fixture(scope="module")
def numbers(report):
    return ForecastNumbers.of(report)


@pytest.fixture(scope="module")
def page(report):
    return render_forecast(report)


def changed_later(report):
    """The same report, where everything from the date of the forecast on was sold otherwise."""
    panel = report.history.panel
    later = panel.units.copy()
    for row in range(panel.n_series):
        begin = int(panel.offsets[row] + max(report.asked.until - panel.first[row], 0))
        later[begin : panel.offsets[row + 1]] = 777.0
    panel = replace(panel, units=later)
    windows = replace(report.asked.windows, columns={"units": later})
    asked = replace(report.asked, panel=panel, windows=windows)
    return replace(report, asked=asked, history=replace(report.history, panel=panel))


def test_page_holds_every_section_in_order(page):
    wanted = ["All items together", "Items that matter", "Largest", "New", "Young", "All items"]
    wanted += ["Which models answer", "Backtest", "Against simple methods, step by step"]
    wanted += ["How the error grows", "By life stage", "How to read this", "Made with"]
    headings = re.findall(r"<h[23][^>]*>(?:<bdi>)?([^<]+)<", page)
    assert [heading for heading in headings if heading in wanted] == wanted


def test_pages_need_nothing_from_outside_and_every_link_leads_somewhere(report, tmp_path):
    written = write_forecast_report(report, tmp_path / "report.html")
    (tmp_path / report.table).touch()
    assert len(written) == 1 + len(report.pages)
    for path in written:
        text = path.read_text()
        assert not re.search(r"https?:|url\(http|@import|<script|<link", text)
        names = re.findall(r'\bid="([^"]+)"', text)
        assert len(names) == len(set(names))
        for address in re.findall(r'href="([^"]+)"', text):
            there = address[1:] in names if address[0] == "#" else (path.parent / address).is_file()
            assert there, address


def test_page_of_an_item_that_is_not_there_is_refused_before_anything_is_written(report, tmp_path):
    wrong = replace(report, pages=(*report.pages, "nobody"))
    with pytest.raises(ValueError, match="with sales or a launch, got nobody"):
        write_forecast_report(wrong, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
    assert unknown_pages(report.history, ["nobody", *report.pages, "nobody"]) == ["nobody"]


def test_pages_of_an_earlier_run_are_removed_and_those_of_others_are_not(report, tmp_path):
    write_forecast_report(report, tmp_path / "report.html")
    other = replace(report, pages=report.pages[:2])
    write_forecast_report(other, tmp_path / "other.html")
    (tmp_path / "items" / "notes.html").write_text('<a href="../report.html">mine</a>')
    write_forecast_report(replace(report, pages=report.pages[:1]), tmp_path / "report.html")
    left = sorted(path.name for path in (tmp_path / "items").iterdir())
    assert len(report.pages) == 3 and left == ["001.html", "002.html", "notes.html"]


def test_headline_is_the_sum_of_the_means_and_has_no_range(report, numbers, page):
    total = float(sums_by_period(numbers).sum())
    assert total == pytest.approx(report.answers.mean[:, -1].sum())
    answer = forecast_answer(numbers, report.backtest)
    assert answer.tiles[0].value == number(round(total))
    assert "do not add up" in answer.proof
    assert "likely" not in answer.lead + answer.sentence


def test_headline_says_how_far_off_sums_were_at_past_dates_or_that_nobody_knows(report, numbers):
    origins = next(table for table in report.backtest.tables if table.by == "origin")
    biases = [row.metrics["bias"] for row in origins.rows if row.method == FORECAST]
    said = forecast_answer(numbers, report.backtest).proof
    assert all(f"{100 * abs(bias):.1f}{GAP}%" in said for bias in biases)
    assert "was not measured" in forecast_answer(numbers, None).proof
    assert "Not measured." in render_forecast(replace(report, backtest=None))


def with_stock(examples, *out, quantity="units"):
    """The examples, of a panel of known units but in some places that were out of stock."""
    units = np.nan_to_num(examples.panel.units, nan=5.0)
    share = np.ones_like(units)
    units[list(out)], share[list(out)] = np.nan, 0.0
    columns = {**examples.panel.columns, "in_stock": share}
    panel = replace(examples.panel, units=units, columns=columns, quantity=quantity)
    return replace(examples, panel=panel)


def test_demand_is_not_held_against_what_was_sold_while_stock_was_out(numbers):
    sold = replace(numbers, asked=with_stock(numbers.asked))
    assert re.search(r"were sold \([+−]", forecast_answer(sold, None).sentence)
    demand = replace(numbers, asked=with_stock(numbers.asked, quantity="demand"))
    said = forecast_answer(demand, None).sentence
    assert said.endswith("were sold, without what was wanted while stock was out.")


def test_units_are_not_held_against_those_of_weeks_out_of_stock(numbers):
    last = int(numbers.asked.as_of.min() - numbers.asked.panel.first[0]) - 1  # of the first item
    for place, is_compared in ((0, True), (last, False)):
        short = replace(numbers, asked=with_stock(numbers.asked, place))
        said = forecast_answer(short, None).sentence
        assert bool(re.search(r"were sold \([+−]", said)) == is_compared
        assert ("sold, without what was wanted while stock was out." in said) != is_compared
        assert "Weeks out of stock are unknown to the forecast, so it tells what would sell" in said
        assert 'head = "demand"' in said
    whole = forecast_answer(replace(numbers, asked=with_stock(numbers.asked)), None).sentence
    assert "stock" not in whole


def test_units_that_are_not_all_known_are_told_without_a_change(numbers):
    last = int(numbers.asked.as_of.min() - numbers.asked.panel.first[0]) - 1
    asked = with_stock(numbers.asked, last)
    asked = replace(asked, panel=replace(asked.panel, columns={}))
    said = forecast_answer(replace(numbers, asked=asked), None).sentence
    assert said.endswith("were sold, as far as is known.")


@pytest.mark.parametrize(("quantity", "which"), [("units", "with any"), ("demand", "in full")])
def test_past_errors_are_those_of_periods_that_stock_lets_be_known(report, quantity, which):
    backtest, numbers = report.backtest, ForecastNumbers.of(report)
    whole = replace(backtest, examples=with_stock(backtest.examples))
    told = f" in weeks {which} stock"
    short = replace(backtest, examples=with_stock(backtest.examples, 0, quantity=quantity))
    assert f"{told} (WAPE)" in backtest_answer(short).sentence
    assert forecast_answer(numbers, short).proof.endswith(f"{told}.")
    assert "stock" not in backtest_answer(whole).sentence + forecast_answer(numbers, whole).proof


def test_a_card_tells_median_and_mean_apart(page):
    assert "Its number in bold is the median of the total." in page
    assert re.search(r'<span class="muted">on average [\d.]+ a week', page)


def test_items_that_come_later_count_from_their_launch_on(numbers):
    later = numbers.asked.windows.period.copy()
    later[0] += 1
    asked = replace(numbers.asked, windows=replace(numbers.asked.windows, period=later))
    moved = replace(numbers, asked=asked)
    sums = sums_by_period(moved)
    assert "1 of them come later" in forecast_answer(moved, None).sentence
    assert sums[0] == pytest.approx(numbers.mean[1:, 0].sum())
    assert sums[1] == pytest.approx(numbers.mean[1:, 1].sum() + numbers.mean[0, 0])


def test_no_item_stands_in_two_groups_and_groups_hold_what_they_say(report, numbers):
    groups = item_groups(ItemViews(numbers, report.history, {}))
    shown = [item.id for group in groups for item in group.items]
    assert len(shown) == len(set(shown))
    by_title = {group.title: group.items for group in groups}
    assert {item.stage for item in by_title["New"]} == {"new"}
    assert {item.stage for item in by_title["Young"]} == {"young"}
    assert {item.trend for item in by_title["Rising"]} == {"up"}
    assert {item.trend for item in by_title["Falling"]} == {"down"}


def test_pages_are_of_new_items_first_then_of_young_ones(report):
    names = default_pages(report.asked, report.answers, most=3)
    stages = report.asked.stages()
    found = [int(stages[list(report.asked.panel.ids).index(name)]) for name in names]
    assert found == [0, 1, 1]


def fan(past, actual=(np.nan, np.nan)):
    days = np.datetime64("2025-01-06") + 7 * np.arange(len(past) + 2)
    quantiles = np.array([[1.0, 2.0, 4.0], [1.0, 3.0, 5.0]])
    return Fan(
        np.array(past, dtype=float), quantiles, (0.1, 0.5, 0.9), np.array(actual), days, "week"
    )


def test_periods_without_stock_are_gaps_and_the_line_breaks_there():
    whole = fan_svg(fan([3.0, 4.0, 5.0, 6.0, 7.0]), label="one")
    broken = fan_svg(fan([3.0, 4.0, np.nan, 6.0, 7.0]), label="one")
    counts = [
        (svg.count('class="gap"'), svg.count('<polyline class="past"')) for svg in (whole, broken)
    ]
    assert counts == [(0, 1), (1, 2)]


def test_demand_is_drawn_through_periods_without_full_stock():
    short = np.array([False, True, False, False])
    wanted = fan([4.0, 1.0, 5.0, np.nan])
    drawn = replace(wanted, quantity="demand", demand=np.array([4.0, 6, 5, np.nan]), is_short=short)
    svg = fan_svg(drawn, label="one")
    assert svg.count('class="gap"') == 2 and 'class="gap"' in fan_svg(wanted, label="one")
    assert "sold 1, about 6 wanted" in svg and "27 Jan 2025: not known" in svg
    assert svg.count('<polyline class="wanted"') == 1
    assert "wanted" not in fan_svg(wanted, label="one")


def test_rings_stand_where_it_is_known_what_was_sold_since():
    assert fan_svg(fan([3.0]), label="one").count('class="came"') == 0
    svg = fan_svg(fan([3.0], (2.0, np.nan)), label="one")
    assert svg.count('class="came"') == 1
    assert "6 Jan" in fan_svg(fan([]), label="one")
    assert "13 Jan 2025: about 2, likely 1 to 4; sold 2" in svg


def test_one_step_of_a_new_item_is_drawn():
    one = fan([])
    one = replace(one, quantiles=one.quantiles[:1], actual=one.actual[:1], days=one.days[:1])
    svg = fan_svg(one, label="one")
    assert (svg.count('class="middle dot"'), svg.count('<rect class="band"')) == (1, 1)


def test_levels_without_a_range_are_told_with_one(report):
    numbers = ForecastNumbers.of(replace(report, levels=(0.5,)))
    assert numbers.levels == (0.1, 0.5, 0.9)
    assert (numbers.low < numbers.high).all()


def test_labels_that_would_touch_are_left_out():
    drawing = Drawing(n=30, top=10.0)
    text = drawing.labels([(0, "6 Jan 2025"), (2, "20 Jan"), (29, "28 Jul")])
    assert re.findall(">([^<]+)</text>", text) == ["6 Jan 2025", "28 Jul"]


@pytest.mark.parametrize("top", [0.0, 0.2, 7.0, 99.0, 101.0, 2.5e6])
def test_no_value_lies_outside_the_drawing(top):
    drawing = Drawing(n=3, top=top)
    assert 0 < drawing.y(top) <= drawing.y(0.0) == drawing.y(-5.0) < drawing.height


def test_nothing_of_an_item_but_rings_and_sums_since_tells_of_later_sales(report):
    for item in report.pages[:2]:
        before, after = render_item(report, item), render_item(changed_later(report), item)
        like = [text.split('id="like-title"')[1] for text in (before, after)]
        assert like[0] == like[1]
        assert before != after  # the rings


def test_page_of_an_item_shows_what_like_items_sold_at_its_age(report):
    text = render_item(report, report.pages[0])
    assert text.count('class="other"') + text.count('class="other dot"') > 2
    assert "alike in all" in text
    assert "in the first" in text
    assert "Clean seams and combed cotton." in text


def test_items_that_nothing_is_known_of_have_none_like_them(report):
    asked = report.asked
    assert "None: no past item" not in render_item(report, report.pages[0])
    nothing = np.full(len(asked.content_rows), len(asked.content) - 1)
    report = replace(report, asked=replace(asked, content_rows=nothing))
    assert "None: no past item" in render_item(report, report.pages[0])


def test_shops_of_an_item_have_a_chart_each_and_only_their_means_add_up():
    report = forecast_report(shops=True)
    item = report.pages[-1]
    text, numbers = render_item(report, item), ForecastNumbers.of(report)
    rows = numbers.rows_of(item)
    assert len(rows) == 2
    assert f"<dd>{number(round(numbers.mean[rows, -1].sum()))}<small>" in text
    assert "(median)" not in text
    assert "south 2" in text and "north" in text


def test_members_are_told_by_stage_and_those_that_never_count_are_not():
    weights = {
        "new": {"trees": 0.0, "analogues": 1.0, "ridge": 0.0},
        "young": {"trees": 0.4, "analogues": 0.6, "ridge": 0.0},
        "known": {"trees": 0.9, "analogues": 0.1, "ridge": 0.0},
    }
    rows = stage_rows(weights)
    assert [row.key for row in rows] == ["analogues", "trees"]
    assert [bar.text for bar in rows[1].bars] == ["–", f"40{GAP}%", f"90{GAP}%"]


def test_backtest_claims_no_win_that_the_interval_does_not_show():
    result = backtest_report().backtest
    assert backtest_answer(result).lead == "The forecast is ahead."
    rows = tuple(replace(row, low=-0.1, high=0.1) for row in result.gains.rows)
    unsure = replace(result, gains=replace(result.gains, rows=rows))
    assert backtest_answer(unsure).lead.startswith("No clear winner")
    rows = tuple(replace(row, low=-0.3, high=-0.1) for row in result.gains.rows)
    behind = replace(result, gains=replace(result.gains, rows=rows))
    assert backtest_answer(behind).lead.startswith("The forecast does not win")


def test_backtest_page_tells_every_method_and_why_some_are_left_out(tmp_path):
    write_page(render_backtest(backtest_report()), tmp_path / "backtest.html")
    text = (tmp_path / "backtest.html").read_text()
    for said in ("mean of last 8", "last value", "seasonal naive", "no item has a year of sales"):
        assert said in text
    for heading in ("How the error grows", "Do the ranges hold?", "Ranges over time"):
        assert f"<h3>{heading}</h3>" in text
    assert "no promise" in text
    assert "forecast better" in text
    assert not re.search(r"\bfusion\b", re.sub(r"<h3>Made with.*?</p>", "", text, flags=re.S))


def test_backtest_of_steps_that_nobody_knows_is_drawn_all_the_same():
    report = backtest_report()
    actual = report.backtest.actual
    for unknown in (slice(-1, None), slice(None)):
        steps = actual.steps.copy()
        steps[:, unknown] = np.nan
        backtest = replace(report.backtest, actual=replace(actual, steps=steps))
        assert ">nan" not in render_backtest(replace(report, backtest=backtest))


def test_dates_and_months_are_words():
    weeks, months = Frequency("week"), Frequency("month")
    first = int(weeks.period(np.array(["2025-03-03"], dtype="datetime64[D]"))[0])
    assert span_text(first, 8, weeks) == "3 Mar 2025 to 27 Apr 2025"
    assert span_text(12 * 55, 3, months) == "Jan 2025 to Mar 2025"
    assert day_text("2025-03-01", unit="month") == "Mar 2025"
