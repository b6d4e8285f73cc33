"""Progress and notices of long work, on the error stream: standard output is for results.

Whoever works opens a stage: `with stage("embedding text", 1200, "texts") as work: work(10)`. What
is shown of it is decided outside: bars on a terminal, lines elsewhere, nothing by default.
"""

from fusion.progress.notices import say_once
from fusion.progress.show import progress_shown, quiet
from fusion.progress.work import Stage, Work, silent, within

__all__ = [
    "Stage",
    "Work",
    "progress_shown",
    "quiet",
    "say_once",
    "silent",
    "within",
]
