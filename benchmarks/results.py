"""Writes a section of RESULTS.md: what was run, on what, and the table that came out."""

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parent / "RESULTS.md"
HEADER = """# Results

Every section is written by the script that it names and by nothing else. Ratios compare runs that
alternated in one call on one machine; absolute times differ from machine to machine.
"""
PACKAGES = ("torch", "torchvision", "transformers", "scikit-learn", "numpy")


def write_section(
    name: str,
    *,
    command: str,
    workload: str,
    rows: Sequence[dict[str, object]],
    notes: str = "",
    trial: bool = False,
) -> None:
    """Prints a section, and replaces or adds it in RESULTS.md.

    Args:
        name: Heading.
        command: The command that makes it.
        workload: What was measured, in words.
        rows: Rows of the table; all have the same keys.
        notes: What a reader should know besides.
        trial: Print only: sizes were chosen to try the script.
    """
    body = "\n\n".join(
        part
        for part in (
            f"## {name}",
            workload.strip(),
            _table(rows),
            notes.strip(),
            f"`{command}` with {_versions()}; {_machine()}.",
        )
        if part
    )
    print(body)
    if trial:
        return
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else HEADER
    pattern = re.compile(rf"## {re.escape(name)}\n.*?(?=\n## |\Z)", re.DOTALL)
    if pattern.search(page):
        page = pattern.sub(lambda _: body + "\n", page)
    else:
        page = f"{page.rstrip()}\n\n{body}\n"
    PAGE.write_text(page, encoding="utf-8")


def _table(rows: Sequence[dict[str, object]]) -> str:
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {packages}"


def _machine() -> str:
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8") if os.name == "posix" else ""
    model = re.search(r"model name\s*:\s*(.+)", cpu)
    flags = re.search(r"flags\s*:\s*(.+)", cpu)
    known = set(flags.group(1).split()) if flags else set()
    special = [name for name in ("avx2", "avx512_bf16", "amx_bf16") if name in known]
    name = model.group(1) if model else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {', '.join(special) or 'no vector extensions listed'}"
