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
FRAME = """<body><iframe src="{address}" style="width:{width}px;height:900px;border:0"></iframe>
<script>
onmessage = told => document.body.setAttribute("data-told", JSON.stringify(told.data));
</script></body>"""
MM = 96 / 25.4
PAGE_MM = 297 - 2 * 14


def measured(page, folder, *, width):
    """What the script above finds in a page of this width, in pixels."""
    inner, outer = folder / "inner.html", folder / "outer.html"
    page = page.replace("default-src 'none'", "script-src 'unsafe-inline'")
    inner.write_text(page.replace("</body>", MEASURE))
    outer.write_text(FRAME.format(address=inner.as_uri(), width=round(width)))
    shown = dom(outer, folder / "profile", "--virtual-time-budget=3000")
    return json.loads(html.unescape(re.search('data-told="([^"]*)"', shown.stdout)[1]))


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
@pytest.mark.parametrize("name", ["report", "new items", "questions", *FORECASTS])
def test_nothing_is_torn_or_cut_on_a_phone(pages, name, tmp_path):
    found = measured(pages[name], tmp_path, width=390)
    assert (found["torn"], found["wide"], found["overflow"]) == ([], [], 0)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
@pytest.mark.parametrize("name", ["questions", "several answers", *FORECASTS])
def test_nothing_is_torn_or_cut_on_a_wide_screen(pages, name, tmp_path):
    """Nor has a table to be moved to the side, where the screen has room for it."""
    page = pages[name].replace('class="panel scroll"', 'class="panel"')
    found = measured(page, tmp_path, width=1200)
    assert (found["torn"], found["wide"], found["overflow"]) == ([], [], 0)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
@pytest.mark.parametrize("name", ["forecast", "item", "backtest", "score"])
def test_pages_of_a_forecast_suit_a_tablet_and_paper(pages, name, tmp_path):
    found = measured(pages[name], tmp_path, width=700)
    assert (found["torn"], found["wide"], found["overflow"]) == ([], [], 0)
    page = pages[name].replace("@media screen and", "@media speech and")
    on_paper = measured(page.replace("@media print", "@media all"), tmp_path, width=184 * MM)
    assert (on_paper["torn"], on_paper["wide"]) == ([], [])


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
def test_printed_pages_are_few_and_full_and_nothing_on_them_is_torn_or_cut(pages, tmp_path):
    page = pages["report"].replace("@media screen and", "@media speech and")
    on_paper = measured(page.replace("@media print", "@media all"), tmp_path, width=184 * MM)
    assert (on_paper["torn"], on_paper["wide"]) == ([], [])
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
    filled = on_paper["height"] / (PAGE_MM * MM)
    assert n_pages <= 1.35 * filled + 1
    assert n_pages <= 10
