"""What a browser makes of the page: all of it is there, and nothing complains."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from fusion.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run --enable-logging=stderr --v=0"
).split()


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


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
def test_words_of_the_table_of_columns_stay_whole_on_a_phone(make, photos, tmp_path):
    path = tmp_path / "report.html"
    write_report(make.report(make.volume(photos)), path)
    measured = (
        "<style>main { width: 390px }</style><script>"
        "const cells = [...document.querySelectorAll('#data tbody td:nth-child(2)')];"
        "document.body.dataset.squeezed = cells.some("
        "cell => cell.getBoundingClientRect().width < 40);"
        "</script></body>"
    )
    page = path.read_text().replace("default-src 'none'", "script-src 'unsafe-inline'")
    path.write_text(page.replace("</body>", measured))
    shown = dom(path, tmp_path / "profile", "--window-size=500,900")
    assert 'data-squeezed="false"' in shown.stdout
