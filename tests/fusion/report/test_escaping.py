"""A text of somebody else stands in a page as it is, and starts nothing."""

import pytest

from benchmarks.promises.reports import PAYLOADS, broken_by, poisoned_pages
from fusion.report import render_report

pytestmark = pytest.mark.usefixtures("few_draws")
OF_EACH_KIND = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</svg><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "' onfocus='alert(1)' autofocus='",
    "<!--><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}<b>",
    "$\\mathbf{x}$ $unclosed_{ <u onclick=alert(1)>",
    "javascript:alert(1)",
    "<scr\0ipt>alert(1)</scr\0ipt>",
)
"""A tag, out of an attribute, a drawing and a title, an address, an attribute, a comment, a
template, a formula of a chart, an address by itself, and a tag around a zero."""


def test_payloads_of_each_kind_are_among_all():
    assert set(OF_EACH_KIND) < set(PAYLOADS)


@pytest.fixture(scope="module")
def harmless(few_draws):
    """What a browser finds in pages without payloads."""
    return poisoned_pages("plain")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(payload, marks=() if payload in OF_EACH_KIND else pytest.mark.slow)
        for payload in PAYLOADS
    ],
)
def test_payload_stays_text(harmless, payload):
    assert broken_by(payload, harmless) == ""


def test_policy_of_the_page_forbids_scripts_and_addresses(make):
    page = render_report(make.report())
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
