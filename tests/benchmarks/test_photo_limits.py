"""The benchmark of photos at the limits makes its files, measures them and names what fails."""

import os

import pytest
from PIL import Image

from encoders.image import photo

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore"),
]


def test_it_measures_every_use_of_small_files(script, capsys):
    script("photo_limits").main(["--only", "BMP: runs of a pixel"])
    said = capsys.readouterr().out
    assert "| BMP | 1 | 5 | 5 | 0 |" in said and "FAILED" not in said


def test_a_file_that_is_decoded_though_it_should_be_refused_has_failed(script, capsys, monkeypatch):
    limits, cases = script("photo_limits"), script("photo_cases")
    wrong = {"PNG": {"small": cases.sized(8, 8, code="too_many_pixels")}}
    monkeypatch.setattr(limits, "all_cases", lambda: wrong)
    limits.main(["--dry"])
    said = capsys.readouterr().out
    assert "| PNG | 1 | 5 | 0 | 5 |" in said and "FAILED PNG: small" in said


def test_there_are_more_than_100_files_within_the_limits_and_beyond(script):
    cases = [
        case for named in script("photo_cases_rare").all_cases().values() for case in named.values()
    ]
    assert len(cases) > 100
    assert 30 < sum(case.code != "" for case in cases) < 90


def test_a_use_decodes_a_plain_photo_once(script, tmp_path, monkeypatch):
    limits, cases = script("photo_limits"), script("photo_cases")
    path = tmp_path / "plain.png"
    path.write_bytes(cases.encoded(Image.new("RGB", (40, 40), "red"), "PNG"))
    decoded, decode = [], photo.decode
    monkeypatch.setattr(photo, "decode", lambda *a, **k: decoded.append(a) or decode(*a, **k))
    for name, use in limits.uses().items():
        decoded.clear()
        use(path)
        assert len(decoded) == 1, name
