import pytest

from benchmarks.promises.reports import PAYLOADS, broken_by, poisoned_pages
from fusion.report import render_report


@pytest.fixture(scope="module")
def harmless():
    """What a browser finds in pages without payloads."""
    return poisoned_pages("plain")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payload_stays_text(harmless, payload):
    assert broken_by(payload, harmless) == ""


def test_policy_of_the_page_forbids_scripts_and_addresses(make):
    page = render_report(make.report())
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
