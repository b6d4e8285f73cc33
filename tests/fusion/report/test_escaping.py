import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fusion.data.problems import Problem
from fusion.report import ColumnSummary, ModalitySummary, TuningCost, render_report

PAYLOADS = [
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
]


class Finds(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.addresses, self.text = set(), set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attributes}
        for name, value in attributes:
            if name in ("href", "src", "xlink:href", "action", "style"):
                self.addresses.append(value)

    def handle_data(self, data):
        self.text.append(data)


def poisoned(make, text):
    """A report in which everything that comes from a table or a person is the payload."""
    head = make.tuned(make.volume(n=4))
    scores = tuple(
        replace(score, name=text, metrics={**score.metrics, text: 0.5})
        for score in head.evaluation.scores
    )
    found = replace(head.evaluation, head=text, target=text, statement=text, scores=scores)
    items = tuple(replace(item, id=text, title=text, details={text: text}) for item in head.items)
    summary = replace(
        make.summary(),
        source=text,
        split=text,
        modalities={text: ModalitySummary((text,), text, 0.5)},
        columns=(ColumnSummary(text, text, 0.5, text),),
        ignored={text: text},
        problems=(Problem(text, text, 1, text, text),),
        dropped={1: text},
    )
    report = make.report(replace(head, evaluation=found, items=items))
    costs = (TuningCost(text, 1.0, 1.0), TuningCost(text, 2.0, 1.0))
    tuning = replace(make.tuning(), statement=text, how=text, costs=costs)
    return replace(report, title=text, summary=summary, made_with={text: text}, tuning=tuning)


@pytest.fixture(scope="module")
def harmless():
    """Tags and attributes of each page, kept between payloads."""
    return {}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payload_stays_text(make, harmless, payload):
    if not harmless:
        plain = Finds(render_report(poisoned(make, "plain")))
        harmless.update(tags=plain.tags, attributes=plain.attributes)
    page = render_report(poisoned(make, payload))
    found = Finds(page)
    assert found.tags == harmless["tags"]
    assert found.attributes == harmless["attributes"]
    assert not [a for a in found.addresses if re.match(r"\s*(javascript|vbscript|//)", a)]
    assert sum(payload.replace("\0", "") in t.replace("\0", "") for t in found.text) >= 20


def test_policy_of_the_page_forbids_scripts_and_addresses(make):
    page = render_report(make.report())
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
