import pytest

from benchmarks.promises.made_report import poisoned
from benchmarks.promises.reports import PAYLOADS, Finds, broken_by
from fusion.report import render_report


@pytest.fixture(scope="module")
def harmless():
    """What a browser finds in a page without payloads."""
    return Finds(render_report(poisoned("plain")))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payload_stays_text(harmless, payload):
    assert broken_by(payload, harmless) == ""


def test_policy_of_the_page_forbids_scripts_and_addresses(make):
    page = render_report(make.report())
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
