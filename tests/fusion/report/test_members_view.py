"""The page says which members answer, and how much each counts."""

from dataclasses import replace

from fusion.members.registry import MEMBERS
from fusion.report.members_view import MEMBER_WORDS, member_tables
from fusion.report.page import render_report

WEIGHTS = {
    "price": {"network": 0.2, "kernel": 0.5, "mine": 0.3, "ridge": 0.0},
    "units": {"network": 0.0, "kernel": 1.0, "mine": 0.0, "ridge": 0.0},
}


def told(table):
    return [(row.name, row.share.text.replace("\u202f", " ")) for row in table.rows]


def test_what_counts_most_stands_first_and_what_counts_nothing_is_left_out():
    price, units = member_tables(WEIGHTS, titles={})
    expected = [("kernel", "50 %"), ("mine", "30 %"), ("networks", "20 %")]
    assert told(price) == [*expected, ("linear model", "left out")]
    assert told(units)[0] == ("kernel", "100 %")
    assert {text for _, text in told(units)[1:]} == {"left out"}
    assert not price.has_new and price.rows[0].of_new is None


def test_other_weights_of_new_categories_are_told_for_their_head_alone():
    of_new = {"price": {"mine": 1.0, "network": 0.0, "kernel": 0.0, "ridge": 0.0}}
    price, units = member_tables(WEIGHTS, {**WEIGHTS, **of_new}, titles={})
    assert [row.of_new.text for row in price.rows if row.name == "mine"] == ["100\u202f%"]
    assert not units.has_new


def test_one_member_alone_needs_no_table():
    assert member_tables({"price": {"network": 1.0}}, titles={}) == ()


def test_every_member_that_comes_along_has_words():
    assert set(MEMBER_WORDS) == set(MEMBERS)


def test_weights_are_on_the_page_without_networks_too(make):
    weights = {"<b>": {"kernel": 0.25, "trees": 0.75}, "units": {"kernel": 1.0, "trees": 0.0}}
    page = render_report(replace(make.report(), losses=(), blend_weights=weights))
    assert "Which models answer" in page and "No training curve" not in page
    assert "25\u202f%" in page and "75\u202f%" in page and "left out" in page
    assert "<code>trees</code>" in page  # as it is chosen
    assert "&lt;b&gt;" in page and "<b></bdi>" not in page


def test_the_members_of_a_question_stand_under_its_title(make):
    result = replace(make.volume(), title="Units, next 8 weeks")
    head, other = result.evaluation.head, make.hot()
    weights = {head: {"kernel": 0.25, "trees": 0.75}, "mine": {"kernel": 0.5, "trees": 0.5}}
    page = render_report(replace(make.report(result, other), blend_weights=weights))
    assert '<th scope="col"><bdi>Units, next 8 weeks</bdi></th>' in page
    assert '<th scope="col"><bdi>mine</bdi></th>' in page
