"""What the guards on the data say at the end of a training: report, terminal, metrics."""

import json

import numpy as np
import pandas as pd
import pytest

from fusion.job_steps.config import TrainConfig
from fusion.jobs.train import train


@pytest.fixture
def job(tmp_path):
    random = np.random.default_rng(0)
    price = random.lognormal(3, 0.5, 90).round(2)
    frame = pd.DataFrame(
        {
            "item_id": [f"A{row}" for row in range(90)],
            "store": random.choice([12, 15, 19], 90),
            "weight": random.uniform(1, 9, 90).round(2),
            "tax": (0.93 * price).round(3),
            "price": price,
        }
    ).astype({"price": object})
    frame.loc[[3, 8], "price"] = None
    frame.to_csv(tmp_path / "items.csv", index=False)

    def run(**data):
        head = {"head": "linear", "target": "price"}
        items = {"items": str(tmp_path / "items.csv"), **data}
        config = {"data": items, "heads": [head], "evaluation": {"modalities": False}}
        return train(TrainConfig.from_dict(config), tmp_path / "out")

    return run


def test_a_leak_stands_above_the_figures_in_metrics_and_in_the_last_lines(job):
    result = job()
    told = "price may be given away: tax alone"
    page = result.report.read_text()
    assert told in result.notes[0]
    assert page.index(told) < page.index('class="answer')
    metrics = json.loads((result.folder / "metrics.json").read_text())
    assert metrics["linear"]["leak"].startswith(told)
    assert job(exclude=["tax"]).notes[0] != result.notes[0]


def test_rows_without_a_target_are_left_out_and_counted(job):
    result = job()
    reason = "price must be given, got none"
    assert result.dropped == {3: reason, 8: reason}
    assert f"2 rows left out: {reason}." in result.notes
    assert reason in result.report.read_text()


def test_labels_written_as_numbers_are_told_and_named_as_categories(job):
    result = job()
    assert any("not as numbers: store." in note for note in result.notes)
    page = result.report.read_text()
    assert "not as numbers: store." in page and "numeric (numbers, categories)" in page
