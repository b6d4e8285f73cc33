"""A small ledger: what two items sell in each of two weeks, at several dates."""

from contextlib import contextmanager

import pandas as pd
import pytest

from fusion.data.panel.columns import SalesColumns
from fusion.forecasting.ledger.append import append_entry
from fusion.forecasting.ledger.entries import ForecastRun
from fusion.forecasting.saved.document import FrequencyEntry, SalesEntry

COLUMNS = SalesColumns(item="sku", date="week", units="sold")


def make_run(as_of, *, horizon=2, columns=COLUMNS, head="sales_path"):
    return ForecastRun(
        title="Coats",
        head=head,
        forecast="f" * 64,
        inputs={"items": "1" * 64, "sales": "2" * 64},
        as_of=as_of,
        frequency=FrequencyEntry("week", 0),
        horizon=horizon,
        levels=[0.1, 0.5, 0.9],
        sales=SalesEntry.of(columns),
    )


def make_answers(as_of, said, *, horizon=2):
    """Answers that are sure of the same units in each step; `said`: item -> units."""
    first = pd.Timestamp(as_of)
    rows = []
    for item, units in said.items():
        for step in range(1, horizon + 2):
            is_total = step > horizon
            middle = units * (horizon if is_total else 1)
            rows.append(
                {
                    "id": item,
                    "window": "total" if is_total else "step",
                    "from": first + pd.Timedelta(weeks=0 if is_total else step - 1),
                    "mean": float(middle),
                    **{f"p{10 * k}": middle * (0.5 + k / 10) for k in (1, 5, 9)},
                    "life_stage": "known",
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture
def run_of():
    return make_run


@pytest.fixture
def answers_of():
    return make_answers


@pytest.fixture
def ledger(tmp_path):
    """Folder of a ledger of three entries, four weeks apart."""
    folder = tmp_path / "ledger"
    for place, as_of in enumerate(["2024-03-04", "2024-04-01", "2024-04-29"]):
        answers = make_answers(as_of, {"A": 10 + place, "B": 20})
        append_entry(folder, make_run(as_of), answers)
    return folder


@pytest.fixture
def sold():
    """Sales of both items in 20 weeks from January on: 10 and 20 units, a little more each week."""
    weeks = pd.date_range("2024-01-01", periods=20, freq="W-MON")
    rows = [
        (item, str(week.date()), units + place % 3)
        for item, units in (("A", 10), ("B", 20))
        for place, week in enumerate(weeks)
    ]
    return pd.DataFrame(rows, columns=["sku", "week", "sold"])


@pytest.fixture
def changed_byte():
    """Changes one byte of a file as long as the block runs."""

    @contextmanager
    def change(path, place, by):
        content = path.read_bytes()
        other = bytearray(content)
        other[place % len(content)] = (other[place % len(content)] + by) % 256
        path.write_bytes(other)
        try:
            yield
        finally:
            path.write_bytes(content)

    return change
