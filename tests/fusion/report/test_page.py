import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from fusion.evaluation.result import Score
from fusion.report import HeadResult, Losses, ReportItem, render_report, write_report
from fusion.report.cards import SIDE
from fusion.report.class_charts import MOST_CLASSES, joined_classes
from fusion.report.number_text import GAP, number
from heads import Column

VOID = {"meta", "img", "br", "line", "circle", "use", "path"}


class Page(HTMLParser):
    """Tags with their attributes and headings, and whether every tag is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.headings = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2", "h3", "bdi") and data.strip():
            self.headings.append(data.strip())

    def values(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def full(make, photos):
    return render_report(make.report(make.volume(photos), make.hot(), make.price()))


def test_page_has_every_section_in_order(full):
    page = Page(full)
    assert page.open == []
    wanted = [
        "Spring catalogue",
        "The fusion is ahead.",
        "Against simple methods",
        "What each modality adds",
        "Predicted against actual",
        "Where the errors lie",
        "Closest",
        "Furthest off",
        "Are the probabilities honest?",
        "How pure is the top of the list?",
        "Training",
        "Data",
        "Problems found",
        "Rows left out",
        "How to read this",
        "Made with",
    ]
    places = [page.headings.index(heading) for heading in wanted]
    assert places == sorted(places)


def test_every_score_appears(full):
    for text in ("31.0", "38.0", "92.0", "55.0", "33.0"):
        assert f"{text}{GAP}%" in full
    for text in ("median", "boosted trees", "text alone", "without image", "+7.0", "+2.0 to +12.0"):
        assert text in full


def test_page_needs_nothing_from_outside(full):
    page = Page(full)
    assert "http:" not in full
    assert "https:" not in full
    assert "url(http" not in full
    assert "@import" not in full
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for address in page.values("src"):
        assert address.startswith("data:image/jpeg;base64,")
    for address in page.values("href") + page.values("xlink:href"):
        assert address.startswith("#")


def test_identifiers_are_unique_and_links_lead_to_them(full):
    page = Page(full)
    identifiers = page.values("id")
    assert len(identifiers) == len(set(identifiers))
    for address in page.values("href") + page.values("xlink:href"):
        assert address[1:] in identifiers
    for clip in re.findall(r"url\(#([^)]+)\)", full):
        assert clip in identifiers
    for label in page.values("aria-labelledby"):
        assert label in identifiers


def test_pictures_and_charts_have_words_for_screen_readers(full):
    page = Page(full)
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    assert all(attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg")
    headers = [attributes for tag, attributes in page.tags if tag == "th"]
    assert all(attributes.get("scope") in ("row", "col") for attributes in headers)


def test_charts_take_the_colours_of_the_page(full):
    charts = re.findall(r"<figure.*?</figure>", full, re.DOTALL)
    assert len(charts) == 7
    for chart in charts:
        assert "var(--accent)" in chart
        assert set(re.findall(r"#[0-9a-fA-F]{6}\b", chart)) == set()


def test_page_with_24_photos_is_small(make, photos):
    size = len(render_report(make.report(make.volume(photos), make.volume(photos))).encode())
    assert size < 1_500_000


def test_thumbnails_are_small_jpegs(full):
    content = re.findall(r"base64,([^\"]+)", full)
    assert len(content) == 12
    for one in content:
        image = Image.open(io.BytesIO(base64.b64decode(one)))
        assert (image.format, max(image.size)) == ("JPEG", SIDE)


def test_photo_that_cannot_be_read_is_a_tile_without_photo(make, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing more")
    pipe = tmp_path / "folder.jpg"
    pipe.mkdir()
    paths = [broken, pipe, tmp_path / "absent.jpg", tmp_path / "nul\0.jpg"] * 15
    page = render_report(make.report(make.volume(paths)))
    assert page.count('<div class="nophoto">no photo</div>') == 12
    assert "<img" not in page


def test_undefined_metric_is_a_dash_and_never_nan(make):
    page = render_report(make.report(make.volume()))
    assert '<td class="num">–</td>' in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)
    assert not re.search(r"\binf\b", page)


def test_gain_without_interval_is_a_dash(make):
    head = make.volume()
    found = replace(
        head.evaluation,
        scores=(
            Score("fusion", "fusion", {"wape": 0.3}),
            Score("odd", "baseline", {"wape": 0.4}, float("nan"), float("nan"), float("nan")),
        ),
    )
    page = render_report(make.report(replace(head, evaluation=found)))
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)
    assert '<svg class="gain ' not in page


def test_three_items_are_enough(make):
    page = render_report(make.report(make.volume(n=3)))
    assert page.count('<li class="card">') == 3


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_test_rows_still_give_a_page(make, n):
    values = np.arange(n, dtype=float)
    items = tuple(ReportItem(f"P{i}", "", None) for i in range(n))
    for kind, metric in (("mean", "wape"), ("probability", "pr_auc")):
        found = make.evaluation(metric=metric, n_test=n)
        columns = (Column("x", kind),)
        result = HeadResult(found, columns, values, {"x": values + 1}, items)
        page = render_report(make.report(result))
        assert page.count('<li class="card">') <= n


@pytest.mark.parametrize("size", [1e-300, 1e6, 1e12, 1e100, 1e300])
def test_huge_and_tiny_values_still_give_a_page(make, size):
    head = make.volume()
    columns = {column.name: np.full(60, size) for column in head.columns}
    page = render_report(make.report(replace(head, actual=head.actual * size, predicted=columns)))
    assert not re.search(r"\b(nan|inf)\b", page)


def test_equal_and_negative_values_still_give_a_page(make):
    found = make.evaluation(head="price", metric="r2")
    for values in (np.zeros(60), np.full(60, -5.0), np.linspace(-1e4, 10, 60)):
        result = HeadResult(found, (Column("p", "mean"),), values, {"p": values * 1.0})
        assert "<svg" in render_report(make.report(result))


def test_long_title_is_cut_by_the_style_and_kept_whole(make):
    head = make.volume()
    items = tuple(replace(item, title="wool " * 400) for item in head.items)
    page = render_report(make.report(replace(head, items=items)))
    assert "-webkit-line-clamp" in page
    assert ("wool " * 400) in page


def test_report_without_heads_or_epochs_says_so(make):
    page = render_report(replace(make.report(), losses=(Losses([], [], 0),)))
    assert "No training curve" in page
    Page(page)


def test_many_test_items_do_not_make_the_page_heavy(make):
    page = render_report(make.report(make.volume(n=20_000)))
    assert len(page) < 1_000_000
    assert "1,500 of 20,000 items are drawn" in page


def test_same_report_gives_the_same_bytes(make):
    report = make.report(make.volume())
    assert render_report(report) == render_report(report)


def test_report_is_written_as_a_whole(make, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(make.report(make.volume()), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_lone_surrogates_and_control_marks_can_be_written(make, tmp_path):
    head = make.volume()
    items = tuple(replace(item, title="a\ud800b\0c", id="\x1b[2J\ud9ff") for item in head.items)
    write_report(make.report(replace(head, items=items)), tmp_path / "report.html")
    (tmp_path / "report.html").read_bytes().decode("utf-8")


def test_prediction_of_another_length_is_refused(make):
    with pytest.raises(ValueError, match=r"predicted must be columns of shape \(3,\)"):
        HeadResult(make.evaluation(), (Column("x", "mean"),), np.zeros(3), {"x": np.zeros(2)})


def test_thumbnails_of_tall_and_turned_photos_fit_their_frame(make, tmp_path):
    tall, turned = tmp_path / "tall.png", tmp_path / "turned.jpg"
    Image.new("RGB", (2, 20_000), "red").save(tall)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 300), "red").save(turned, exif=exif)
    page = render_report(make.report(make.volume([tall, turned] * 30)))
    shown = re.findall(r"base64,([^\"]+)", page)
    sizes = {Image.open(io.BytesIO(base64.b64decode(one))).size for one in shown}
    assert sizes == {(1, SIDE), (SIDE * 3 // 4, SIDE)}


def test_classes_get_a_confusion_matrix_with_their_names_and_cards_of_them(make):
    result = make.classes(("down", "a <b> & $x_1$", "1.23456"))
    page = render_report(make.report(result))
    assert Page(page).headings.count("Which class is taken for which?") == 1
    assert "Are the probabilities honest?" in page
    figure = re.search(r"<figure.*?</figure>", page, re.DOTALL)[0]
    for label in ("down", "a &lt;b&gt; &amp; $x_1$", "1.23456"):  # told as they are, not drawn
        assert figure.count(f">{label}<") == 2
    right = np.mean(result.answer == result.actual)
    assert f"the class is right, as for {100 * right:.0f}{GAP}% of all" in page
    assert "Items whose class was given the lowest probability." in page
    cards = re.findall(r"<dt>Predicted</dt><dd>(.*?)</dd>", page)
    assert set(cards) <= {"down", "a &lt;b&gt; &amp; $x_1$", "1.23456"} and len(cards) == 12


def test_many_classes_share_a_row_where_they_are_rare(make):
    labels = tuple(f"category {number}" for number in range(30))
    page = render_report(make.report(make.classes(labels, n=400)))
    figure = re.search(r"<figure.*?</figure>", page, re.DOTALL)[0]
    assert figure.count(">all others<") == 2
    assert f"The {30 - MOST_CLASSES} rarest classes share the last row and column." in figure
    assert len(re.findall(r">category \d+<", figure)) == 2 * MOST_CLASSES


def test_a_confusion_matrix_keeps_its_rows_where_classes_are_joined():
    matrix = np.diag(np.arange(1, 31))
    matrix[0, 29] = 5
    joined, labels = joined_classes(matrix, tuple(map(str, range(30))))
    assert joined.sum() == matrix.sum() and joined.shape == (MOST_CLASSES + 1,) * 2
    assert labels == (*map(str, range(21, 30)), "all others")
    assert joined[-1, -2] == 5  # of the rarest class, called the commonest one


def test_quantiles_are_held_against_the_shares_below_them(make):
    result = make.quantiles()
    page = render_report(make.report(result))
    low, high = (result.predicted[f"prediction_p{level}"] for level in (10, 90))
    inside = np.mean((low <= result.actual) & (result.actual <= high))
    assert f"should hold 80{GAP}% of the items and holds {100 * inside:.0f}{GAP}%" in page
    assert Page(page).headings.count("Do the ranges hold?") == 1


def test_a_head_with_steps_has_one_row_a_step(make):
    result = make.steps(n_steps=6)
    page = render_report(make.report(result))
    table = re.search(r'<table class="plain steps".*?</table>', page, re.DOTALL)[0]
    rows = re.findall(r"<tr role=\"row\"><th role=\"rowheader\".*?</tr>", table, re.DOTALL)
    assert len(rows) == 6
    for step, row in enumerate(rows):
        cells = [re.sub(r"<.*?>", " ", cell) for cell in re.findall(r"<td.*?</td>", row)]
        assert f"week {step + 1}" in row
        assert number(result.actual[:, step].mean()) in cells[0]
        assert "%" in cells[3]  # how many lie in the range
    assert {"Step by step", "Predicted against actual, mean of the steps"} <= set(
        Page(page).headings
    )
    assert page.count('<li class="card">') == 12
