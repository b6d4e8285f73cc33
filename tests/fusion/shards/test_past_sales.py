"""Past sales in a job of predictions: summed up once, part by part, and looked up by shard."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion import FusionRegressor, load_bundle
from fusion.bundle import save_bundle
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.tables import add_history
from fusion.data.tables import read_table
from fusion.errors import CatalogueError, ConfigError, JobError
from fusion.predictor import Predictor
from fusion.shards import (
    DataPaths,
    InProcessEngine,
    PastSales,
    PredictSettings,
    history,
    predict_catalogue,
    verify_job,
)

AS_OF = "2024-06-03"
NAMES = SalesColumns("item_id", "week", "units")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    draw = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": [f"i{row}" for row in range(40)]})
    items["price"] = draw.uniform(5, 50, 40).round(2)
    weeks = pd.date_range("2024-01-01", periods=40, freq="7D")
    sales = pd.DataFrame(
        {
            "item_id": [f"i{row}" for row in draw.integers(0, 30, 600)],
            "week": draw.choice(weeks.strftime("%d/%m/%Y"), 600),
            "units": draw.integers(-1, 9, 600),
        }
    )
    sales.to_csv(folder / "sales.csv", index=False)
    items.to_csv(folder / "items.csv", index=False)
    sales = read_table(folder / "sales.csv")
    frame = add_history(items, sales, columns=NAMES, as_of=AS_OF)
    columns = {"id": ["item_id"], "numeric": ["price"], "history": list(frame.columns[2:])}
    small = {
        "members": ["network"],
        "training": {"epochs": 1, "folds": 1},
        "strategy_options": {"width": 8},
    }
    FusionRegressor(columns=columns, **small, random_state=0).fit(frame, np.arange(40.0)).save(
        folder / "bundle"
    )
    bundle = load_bundle(folder / "bundle")
    columns = {"item": "item_id", "date": "week", "units": "units", "frequency": "week"}
    save_bundle(replace(bundle, info={**bundle.info, "sales": columns}), folder / "bundle")
    return folder


def asked(shop, output, *, sales="sales.csv", as_of=AS_OF, items="items.csv", shard_rows=9):
    settings = PredictSettings(shard_rows=shard_rows, sales=PastSales(shop / sales, as_of))
    paths = DataPaths(shop / items, bundle=shop / "bundle")
    return predict_catalogue(paths, output, settings, engine=InProcessEngine())


@pytest.mark.parametrize("part_rows", [65_536, 50])
def test_answers_with_past_sales_are_those_of_tables_joined_as_a_whole(
    shop, tmp_path, monkeypatch, part_rows
):
    monkeypatch.setattr(history, "PART_ROWS", part_rows)
    asked(shop, tmp_path / "out.csv")
    items, sales = read_table(shop / "items.csv"), read_table(shop / "sales.csv")
    joined = add_history(items, sales, columns=NAMES, as_of=AS_OF)
    expected = Predictor(load_bundle(shop / "bundle")).predict(joined)
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["present"].tolist() == expected["present"].tolist()
    assert set(found["present"]) == {"history+numeric", "numeric"}  # some were never sold
    gap = (found["prediction"] - expected["prediction"]).abs().max()
    assert gap < 1e-5 * expected["prediction"].std()


def test_another_sales_table_or_date_does_not_go_on_and_a_lost_sum_is_told(shop, tmp_path):
    folder = tmp_path / "job"
    asked(shop, folder)
    with pytest.raises(JobError, match="as_of: begun with '2024-06-03', now '2024-06-10'"):
        asked(shop, folder, as_of="2024-06-10")
    text = (shop / "sales.csv").read_text()
    (shop / "other.csv").write_text(text[: text.rindex("\n", 0, -1) + 1])
    with pytest.raises(JobError, match="- sales: begun with"):
        asked(shop, folder, sales="other.csv")
    assert verify_job(folder) == []
    history._history.cache_clear()
    (folder / "history.parquet").unlink()
    (folder / "receipts" / "000001.json").unlink()
    with pytest.raises(JobError, match="must hold the past sales as they were planned"):
        asked(shop, folder)


def test_faulty_sales_and_strange_ids_are_refused_before_any_work(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "PART_ROWS", 50)
    monkeypatch.setattr(Predictor, "answers", None)
    lines = (shop / "sales.csv").read_text().splitlines()
    lines[120] = "i3,01/01/2024,many"
    (shop / "faulty.csv").write_text("\n".join(lines))
    with pytest.raises(CatalogueError, match=r"row 120.*must be a number, got 'many'"):
        asked(shop, tmp_path / "out.csv", sales="faulty.csv")
    frame = pd.read_csv(shop / "items.csv")
    frame.assign(item_id=[f"x{row}" for row in range(40)]).to_csv(shop / "far.csv", index=False)
    with pytest.raises(CatalogueError, match="must share ids in column item_id"):
        asked(shop, tmp_path / "out.csv", items="far.csv")
    frame.assign(weeks_on_sale=1).to_csv(shop / "twice.csv", index=False)
    with pytest.raises(CatalogueError, match="must not have the columns weeks_on_sale"):
        asked(shop, tmp_path / "out.csv", items="twice.csv")
    with pytest.raises(CatalogueError, match=r"gone\.csv must be a file, got none"):
        asked(shop, tmp_path / "out.csv", sales="gone.csv")
    assert list(tmp_path.iterdir()) == []


def test_sales_for_a_model_that_knows_none_are_refused(shop, tmp_path):
    with pytest.raises(ConfigError, match="sales must be left out"):
        history.sales_columns({}, PastSales(shop / "sales.csv", AS_OF))
    earlier = {"sales": {"item": "item_id", "week": "week", "units": "units"}}
    with pytest.raises(ConfigError, match="an earlier version trained it"):
        history.sales_columns(earlier, PastSales(shop / "sales.csv", AS_OF))


def test_past_sales_are_joined_where_a_column_is_absent_but_never_without_ids(shop, tmp_path):
    items = read_table(shop / "items.csv")
    items[["item_id"]].to_csv(tmp_path / "ids.csv", index=False)
    items[["price"]].to_csv(tmp_path / "prices.csv", index=False)
    settings = PredictSettings(on_bad_rows="absent", sales=PastSales(shop / "sales.csv", AS_OF))
    paths = DataPaths(tmp_path / "ids.csv", bundle=shop / "bundle")
    predict_catalogue(paths, tmp_path / "out.csv", settings, engine=InProcessEngine())
    frame = add_history(
        items[["item_id"]], read_table(shop / "sales.csv"), columns=NAMES, as_of=AS_OF
    )
    alone = Predictor(load_bundle(shop / "bundle"), on_bad_rows="absent").predict(frame)
    found = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(found["prediction_p50"], alone["prediction_p50"], rtol=1e-5)
    with pytest.raises(CatalogueError, match="column item_id"):
        lost = replace(paths, items=tmp_path / "prices.csv")
        predict_catalogue(lost, tmp_path / "lost.csv", settings, engine=InProcessEngine())
