"""The committed demo catalogue, read once."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

DEMO = Path(__file__).parents[2] / "demo_data"


@pytest.fixture(scope="session")
def demo() -> Path:
    return DEMO


@pytest.fixture(scope="session")
def items() -> pd.DataFrame:
    return pd.read_csv(DEMO / "items.csv", encoding="utf-8")


@pytest.fixture(scope="session")
def new_items() -> pd.DataFrame:
    return pd.read_csv(DEMO / "new_items.csv", encoding="utf-8")


@pytest.fixture(scope="session")
def sales() -> pd.DataFrame:
    return pd.read_csv(DEMO / "sales.csv", parse_dates=["week"])


@pytest.fixture(scope="session")
def latents() -> pd.DataFrame:
    return pd.read_csv(DEMO / "latents.csv")


@pytest.fixture(scope="session")
def process() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DEMO / "process.json").read_text(encoding="utf-8"))
    return content
