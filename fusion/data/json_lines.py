"""Tables of JSON lines: one object a line, its keys are the columns."""

import json
from collections import Counter
from typing import Any

import pandas as pd

from fusion.data.header import check_width
from fusion.data.problems import Problem, raise_for, shown


def read_json_lines(text: str, *, source: str) -> pd.DataFrame:
    """A table from JSON lines; cells are the Python objects that JSON gives, None where absent.

    Raises:
        CatalogueError: With every line that is no object, or has a key twice.
    """
    rows: list[dict[str, Any]] = []
    problems = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_object(line))
        except ValueError as error:
            problems.append(Problem("line_json", f"line {number} must be a JSON object, {error}"))
    raise_for(problems, source=source)
    names = dict.fromkeys(name for row in rows for name in row)
    check_width(len(names), source=source)
    # Objects: a column's type must not depend on which rows are in the file.
    columns = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"got {shown(line.strip())} ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"got {shown(value)}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"got the key {shown(name)} twice")
    return found
