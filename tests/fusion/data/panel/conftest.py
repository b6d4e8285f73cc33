"""Each test hears every line, whatever was said before."""

import pytest

from fusion.progress import notices


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_SAID", set())
