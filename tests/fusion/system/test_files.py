import json
import math

import numpy as np
import pandas as pd
import pytest

from fusion import FusionClassifier
from fusion.bundle import load_bundle, save_bundle
from fusion.job_steps.source import ItemSource
from fusion.jobs.evaluate import evaluate
from fusion.system.files import json_bytes, write_atomically


def strictly(content):
    """What any other reader makes of it: NaN and Infinity are no JSON."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(content, parse_constant=refuse)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_numbers_that_are_not_finite_are_null_at_any_depth(odd):
    document = {"a": odd, "b": [1.5, (odd, {"c": odd})], "d": "NaN", "e": None}
    found = strictly(json_bytes(document))
    assert found == {"a": None, "b": [1.5, [None, {"c": None}]], "d": "NaN", "e": None}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    price = np.arange(40.0)
    items = pd.DataFrame({"price": price, "hot": (price > 20).astype(int)})
    settings = {
        "members": ["network"],
        "training": {"epochs": 1, "folds": 1},
        "strategy_options": {"width": 8},
    }
    model = FusionClassifier(**settings).fit(items[["price"]], items["hot"])
    model.bundle_.info["metrics"] = {"roc_auc": math.nan}
    model.save(folder / "bundle")
    items.to_csv(folder / "items.csv", index=False)
    items.query("hot == 1").to_csv(folder / "hot.csv", index=False)
    return folder


def test_metrics_that_are_not_defined_are_written_as_null(saved, tmp_path):
    source = ItemSource(saved / "hot.csv")
    metrics = evaluate(saved / "bundle", source, output=tmp_path / "metrics.json")
    assert math.isnan(metrics["hot"]["roc_auc"])  # one class alone
    written = strictly((tmp_path / "metrics.json").read_bytes())
    assert written["hot"]["roc_auc"] is None and written["hot"]["n_rows"] == 19


def test_a_bundle_is_described_in_json_that_anyone_reads(saved, tmp_path):
    document = strictly((saved / "bundle" / "bundle.json").read_bytes())
    assert document["info"]["metrics"] == {"roc_auc": None}
    save_bundle(load_bundle(saved / "bundle"), tmp_path / "again")
    assert strictly((tmp_path / "again" / "bundle.json").read_bytes())["info"] == document["info"]


def test_a_file_behind_a_link_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]
