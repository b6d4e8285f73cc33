"""What a browser makes of the page: all of it is there, and nothing complains."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from benchmarks.promises.made_forecast import backtest_report, forecast_report, score_report
from fusion.report import (
    ColumnSummary,
    render_backtest,
    render_forecast,
    render_item,
    render_new_items,
    render_report,
    render_score,
    write_report,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run --enable-logging=stderr --v=0"
).split()
FORECASTS = ("forecast", "forecast in shops", "item", "item in shops", "backtest", "score")


def dom(path, profile, *flags):
    return subprocess.run(
        [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
def test_browser_shows_the_whole_page_without_complaint(make, photos, tmp_path):
    path = tmp_path / "report.html"
    report = make.report(make.tuned(make.volume(photos)), make.hot())
    write_report(replace(report, tuning=make.tuning()), path)
    shown = dom(path, tmp_path / "profile")
    assert "CONSOLE" not in shown.stderr
    for text in (
        "The fusion is ahead.",
        "boosted trees",
        "Closest",
        "Fine-tuning",
        "How to read this",
    ):
        assert text in shown.stdout
    assert len(re.findall(r"<img ", shown.stdout)) == 12
    assert shown.stdout.rstrip().endswith("</html>")


# What of a page is cut or torn: told to the page around it, whose frame has the width of a phone.
MEASURE = """<script>
const torn = new Set(), wide = [];
const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  let box = node.parentElement;
  while (box && box.getBoundingClientRect().width > 1) box = box.parentElement;
  if (box || node.parentElement.closest(".hash")) continue;  // for screen readers; no words
  for (const word of node.data.matchAll(/[\\p{L}\\p{N}_.,]{2,24}/gu)) {
    const range = document.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const lines = new Set([...range.getClientRects()].map(r => Math.round(r.top)));
    if (lines.size > 1) torn.add(word[0]);
  }
}
const right = document.querySelector("main").getBoundingClientRect().right;
for (const cell of document.querySelectorAll("th, td, dd, img, svg, p"))
  if (!cell.closest(".scroll") && cell.getBoundingClientRect().right > right + 1)
    wide.push(cell.tagName + " " + cell.textContent.slice(0, 20));
const root = document.documentElement;
parent.postMessage({
  torn: [...torn], wide, overflow: root.scrollWidth - root.clientWidth,
  height: document.querySelector("main").scrollHeight,
}, "*");
</script></body>"""
FRAME = '<iframe src="{address}" style="width:{width}px;height:900px;border:0"></iframe>'
LISTENER = """<script>
const told = {};
onmessage = ({source, data}) => {
  const nth = Array.from(frames).indexOf(source);
  told[nth] = data;
  document.body.setAttribute("data-told", JSON.stringify(told));
};
</script>"""
MM = 96 / 25.4
PAGE_MM = 297 - 2 * 14
WIDTHS = {"phone": 390, "tablet": 700, "wide screen": 1200, "paper": 184 * MM}
SHOWN = {
    "phone": ("report", "new items", "questions", *FORECASTS),
    "tablet": ("forecast", "item", "backtest", "score"),
    "wide screen": ("questions", "several answers", *FORECASTS),
    "paper": ("report", "forecast", "item", "backtest", "score"),
}


def on(medium, page):
    """A page as it is on a medium, without what a table needs to be moved to the side."""
    if medium == "wide screen":  # it has room for the table
        return page.replace('class="panel scroll"', 'class="panel"')
    if medium == "paper":
        page = page.replace("@media screen and", "@media speech and")
        return page.replace("@media print", "@media all")
    return page


@pytest.fixture(scope="module")
def measured(pages, tmp_path_factory):
    """What the script above finds in pages: (medium, page) -> numbers in pixels."""
    folder = tmp_path_factory.mktemp("measured")
    shown = [(medium, name) for medium, names in SHOWN.items() for name in names]
    outer = folder / "outer.html"
    frames = ""
    for nth, (medium, name) in enumerate(shown):
        page = on(medium, pages[name]).replace("default-src 'none'", "script-src 'unsafe-inline'")
        inner = folder / f"{nth}.html"
        inner.write_text(page.replace("</body>", MEASURE))
        frames += FRAME.format(address=inner.as_uri(), width=round(WIDTHS[medium]))
    outer.write_text(f"<body>{LISTENER}{frames}</body>")
    dumped = dom(outer, folder / "profile", "--virtual-time-budget=3000").stdout
    told = json.loads(html.unescape(re.search('data-told="([^"]*)"', dumped)[1]))
    return {asked: told[str(nth)] for nth, asked in enumerate(shown)}


@pytest.fixture(scope="module")
def pages(make, photos):
    """A report with every section and long cells, and the page of new items."""
    report = make.report(make.tuned(make.volume(photos)), make.hot())
    columns = tuple(
        ColumnSummary("weeks_out_of_stock_13w", role, 0.12, "Care label on the side seam " * 2)
        for role in ("numeric, written as 1.234,50 EUR", "categorical", "history")
    )
    summary = replace(report.summary, columns=columns)
    new = make.new_items(photos)
    full = replace(report, tuning=make.tuning(), summary=summary, new_items=new)
    long = make.classes(("on the way down", "flat", "strongly up, sold out early"))
    several = replace(
        new,
        questions=("Which trend?", "price_eur", "returns", "Units, next 8 weeks", "hot?"),
        items=tuple(
            replace(item, answers=("on the way down (83 %)", *4 * ("about 29, likely 19 to 36",)))
            for item in new.items
        ),
    )
    cards = tuple(
        replace(item, details={"brand": "Strickwaren- und Bekleidungswerke"}) for item in long.items
    )
    long = replace(long, items=cards)
    questions = make.report(long, make.quantiles(), make.steps(n_steps=12))
    forecast, in_shops = forecast_report(photos), forecast_report(photos, shops=True)
    return {
        "forecast": render_forecast(forecast),
        "forecast in shops": render_forecast(in_shops),
        "item": render_item(forecast, forecast.pages[0]),
        "item in shops": render_item(in_shops, in_shops.pages[-1]),
        "backtest": render_backtest(backtest_report()),
        "score": render_score(score_report()),
        "report": render_report(full),
        "new items": render_new_items(new, title="New items"),
        "questions": render_report(questions),
        "several answers": render_new_items(several, title="New items"),
    }


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
@pytest.mark.parametrize(
    ("medium", "name"), [(one, name) for one in ("phone", "tablet") for name in SHOWN[one]]
)
def test_nothing_is_torn_or_cut_on_a_small_screen(measured, medium, name):
    found = measured[medium, name]
    assert (found["torn"], found["wide"], found["overflow"]) == ([], [], 0)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
@pytest.mark.parametrize("name", SHOWN["wide screen"])
def test_nothing_is_torn_or_cut_on_a_wide_screen(measured, name):
    """Nor has a table to be moved to the side, where the screen has room for it."""
    found = measured["wide screen", name]
    assert (found["torn"], found["wide"], found["overflow"]) == ([], [], 0)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
@pytest.mark.parametrize("name", SHOWN["paper"])
def test_nothing_is_torn_or_cut_on_paper(measured, name):
    found = measured["paper", name]
    assert (found["torn"], found["wide"]) == ([], [])


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
def test_printed_pages_are_few_and_full(pages, measured, tmp_path):
    path, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    path.write_text(pages["report"])
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run(
        [*command, f"--print-to-pdf={printed}", path.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    n_pages = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    filled = measured["paper", "report"]["height"] / (PAGE_MM * MM)
    assert n_pages <= 1.35 * filled + 1
    assert n_pages <= 10
