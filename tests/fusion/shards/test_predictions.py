"""Predictions as a job: any size, any way of running it, one file in the order of the input."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion import FusionRegressor, load_bundle
from fusion.data.tables import read_table
from fusion.errors import CatalogueError, ConfigError, JobError
from fusion.predictor import Predictor
from fusion.shards import (
    DataPaths,
    InProcessEngine,
    PredictSettings,
    job_status,
    predict_catalogue,
    read_embeddings,
    verify_job,
)
from fusion.shards.forecaster import Forecaster
from fusion.shards.layout import Layout
from fusion.shards.pool import LocalEngine
from fusion.shards.predict_job import job_folder
from fusion.system.lock import LockedError

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

N_ROWS = 50
SMALL = {
    "members": ["network"],
    "training": {"epochs": 1, "folds": 1},
    "strategy_options": {"width": 8},
}
OUTPUTS = ["out.csv", "out.parquet"]


def shop_of(folder):
    """Items, some of them faulty, as CSV and Parquet, and a model that knows them."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sku": [f"A{row}" for row in range(N_ROWS)],
            "title": [f"red coat {row % 7} of wool" for row in range(N_ROWS)],
            "price": [f"{price:.2f}" for price in random.uniform(5, 50, N_ROWS)],
        }
    )
    columns = {"id": ["sku"], "text": ["title"], "numeric": ["price"]}
    model = FusionRegressor(columns=columns, encoders={"text": "tfidf"}, **SMALL, random_state=0)
    model.fit(frame, np.arange(float(N_ROWS))).save(folder / "bundle")
    frame.loc[3, "price"] = "cheap"
    frame.loc[33, "sku"] = "A2"
    frame.loc[34, ["sku", "price"]] = [None, "dear"]
    frame.to_csv(folder / "items.csv", index=False)
    frame.to_parquet(folder / "items.parquet")
    return DataPaths(folder / "items.csv", bundle=folder / "bundle")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return shop_of(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def expected(places):
    """What the predictor says of the whole table in memory."""
    predictor = Predictor(load_bundle(places.bundle), on_bad_rows="record")
    return predictor.predict(read_table(places.items))


def predicted(places, output, *, engine=None, **settings):
    settings = PredictSettings(**{"shard_rows": 20, **settings})
    return predict_catalogue(places, output, settings, engine=engine or InProcessEngine())


def read(path):
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return frame.fillna({"id": "", "present": "", "error": ""})


def assert_agree(found, expected):
    """Texts are the same, numbers within a hundred-thousandth of their standard deviation."""
    numbers = expected.select_dtypes("number").columns
    texts = [name for name in expected.columns if name not in numbers]
    assert list(found.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(found[texts].astype(object), expected[texts].astype(object))
    spread = expected[numbers].std()
    assert ((found[numbers].isna()) == (expected[numbers].isna())).all(axis=None)
    assert (((found[numbers] - expected[numbers]).abs() / spread).max() < 1e-5).all()


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("shard_rows", [4096, 20, 7])
@pytest.mark.parametrize(
    ("items", "name"), [("items.csv", "out.csv"), ("items.parquet", "out.parquet")]
)
def test_answers_come_in_input_order_and_do_not_depend_on_the_cut(
    places, expected, tmp_path, items, name, shard_rows
):
    asked = replace(places, items=places.items.with_name(items))
    result = predicted(asked, tmp_path / name, shard_rows=shard_rows)
    assert (result.n_rows, result.n_failed, result.failed_shards) == (N_ROWS, 3, {})
    assert_agree(read(tmp_path / name), expected)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", [".csv.gz", ".jsonl", ".feather"])
def test_tables_that_cannot_be_cut_are_answered_too(places, expected, tmp_path, kind):
    frame = pd.read_parquet(places.items.with_suffix(".parquet"))
    items = tmp_path / "in" / f"items{kind}"
    items.parent.mkdir()
    if kind == ".csv.gz":
        frame.to_csv(items, index=False)
    elif kind == ".jsonl":
        frame.to_json(items, orient="records", lines=True)
    else:
        frame.to_feather(items)
    output = tmp_path / "out" / "out.csv"
    assert predicted(replace(places, items=items), output).n_shards == 3
    assert_agree(read(output), expected)
    assert [path.name for path in output.parent.iterdir()] == ["out.csv"]


def test_no_table_is_read_as_a_whole(places, expected, tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise AssertionError("the whole table is read")

    for place in ("data.tables", "shards.history"):
        monkeypatch.setattr(f"fusion.{place}.read_table", refused)
    largest = []
    answers = Predictor.answers

    def counted(self, inputs):
        largest.append(len(inputs))
        return answers(self, inputs)

    monkeypatch.setattr(Predictor, "answers", counted)
    predicted(places, tmp_path / "out.csv", shard_rows=10)
    assert len(largest) == 5 and max(largest) <= 10


@pytest.mark.usefixtures("forked_pool")
def test_two_workers_and_a_stop_after_each_shard_give_the_bytes_of_one_run(
    places, tmp_path, in_process
):
    class One(in_process):
        def run(self, folder, shards, log):
            super().run(folder, shards[:1], log)
            raise KeyboardInterrupt

    for name in OUTPUTS:
        straight, by_two, stopped = (tmp_path / f"{k}{name}" for k in ("straight", "two", "stop"))
        predicted(places, straight)
        predicted(places, by_two, engine=LocalEngine(layout=Layout(2, 1), stall_s=60))
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                predicted(places, stopped, engine=One())
            assert not stopped.exists()
        status = job_status(job_folder(stopped))
        assert (status.kind, status.n_done, status.n_failed) == ("predictions", 3, 3)
        assert predicted(places, stopped).n_already == 3
        assert straight.read_bytes() == by_two.read_bytes() == stopped.read_bytes()
    assert not list(tmp_path.glob("*.job"))


POINTS = [
    ("half", "out.csv.job/plan.json"),
    ("synced", "out.csv.job/plan.json"),
    ("replace", "out.csv.job/predictions/part-000001.parquet"),
    ("replace", "out.csv.job/errors/part-000000.parquet"),
    ("half", "out.csv.job/receipts/000001.json"),
    ("synced", "out.csv.job/receipts/000002.json"),
    ("replace", "out.csv.job/manifest.json"),
    ("half", "out.csv"),
    ("replace", "out.csv"),
    ("synced", "out.csv"),
    ("replace", ".out.csv.job.done"),
]


@pytest.mark.parametrize(("step", "name"), POINTS)
def test_a_killed_prediction_goes_on_to_the_same_bytes_after(step, name, places, tmp_path, crash):
    straight, killed = tmp_path / "straight" / "out.csv", tmp_path / "killed" / "out.csv"
    predicted(places, straight)
    crash(step, name, killed.parent, lambda: predicted(places, killed))
    assert killed.exists() == ((step, name) in POINTS[-2:])
    result = predicted(places, killed)
    assert result.failed_shards == {}
    assert killed.read_bytes() == straight.read_bytes()
    assert [path.name for path in killed.parent.iterdir()] == ["out.csv"]


def test_a_job_that_was_killed_while_it_was_removed_leaves_nothing(places, tmp_path):
    half = tmp_path / ".out.csv.job.done" / "receipts"
    half.mkdir(parents=True)
    predicted(places, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_folder_stays_is_verified_and_holds_every_row_once(places, expected, tmp_path):
    folder = tmp_path / "answers"
    predicted(places, folder)
    assert verify_job(folder) == []
    found = pd.read_parquet(folder / "predictions")
    failed = pd.read_parquet(folder / "errors")
    assert sorted([*found["row"], *failed["row"]]) == list(range(N_ROWS))
    assert failed["message"].tolist() == [text for text in expected["error"] if text]
    with pytest.raises(JobError, match="must be the folder of an embedding job"):
        read_embeddings(folder, "fused")
    with pytest.raises(JobError, match="begun with something else"):
        predicted(places, folder, shard_rows=30)
    part = folder / "predictions" / "part-000001.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"!")
    assert ["other bytes than were committed" in problem for problem in verify_job(folder)] == [
        True
    ]


def test_faulty_rows_end_the_job_before_the_model_is_asked_where_they_must(
    places, tmp_path, monkeypatch
):
    monkeypatch.setattr(Predictor, "answers", None)
    output = tmp_path / "out.csv"
    with pytest.raises(CatalogueError, match=r"has 4 problems(.|\n)*row 4 .*got 'cheap'"):
        predicted(places, output, on_bad_rows="raise", shard_rows=40)
    assert list(tmp_path.iterdir()) == []


def test_a_faulty_value_is_absent_where_that_is_asked_for(places, tmp_path):
    predicted(places, tmp_path / "out.csv", on_bad_rows="absent")
    whole = Predictor(load_bundle(places.bundle), on_bad_rows="absent")
    assert_agree(read(tmp_path / "out.csv"), whole.predict(read_table(places.items)))


def test_a_table_of_another_content_does_not_go_on(places, tmp_path, in_process):
    class One(in_process):
        def run(self, folder, shards, log):
            super().run(folder, shards[:1], log)
            raise KeyboardInterrupt

    items = tmp_path / "in" / "items.csv"
    items.parent.mkdir()
    items.write_bytes(places.items.read_bytes())
    asked = replace(places, items=items)
    with pytest.raises(KeyboardInterrupt):
        predicted(asked, tmp_path / "out.csv", engine=One())
    items.write_bytes(items.read_bytes().replace(b"red", b"led"))
    with pytest.raises(JobError, match=r"other content(.|\n)*out\.csv\.job: delete that to begin"):
        predicted(asked, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_folder_of_somebody_else_in_the_place_of_the_job_is_left_alone(places, tmp_path):
    mine = tmp_path / "out.csv.job" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(JobError, match=r"got one with notes\.txt"):
        predicted(places, tmp_path / "out.csv")
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_a_folder_of_somebody_else_is_refused_before_anything_is_made_in_it(places, tmp_path, name):
    items = tmp_path / "in" / name
    items.parent.mkdir()
    frame = pd.read_parquet(places.items.with_suffix(".parquet"))
    if items.suffix == ".csv":
        frame.to_csv(items, index=False)
    else:
        frame.to_json(items, orient="records", lines=True)
    mine = tmp_path / "mine" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(JobError, match=r"got one with notes\.txt"):
        predicted(replace(places, items=items), mine.parent)
    assert list(mine.parent.iterdir()) == [mine]


def test_no_copy_of_a_table_is_made_in_a_folder_that_another_process_holds(places, tmp_path):
    items = tmp_path / "items.jsonl"
    frame = pd.read_parquet(places.items.with_suffix(".parquet"))
    frame.to_json(items, orient="records", lines=True)
    asked = replace(places, items=items)
    copy = tmp_path / "answers" / "input" / "items.jsonl.parquet"

    class Twice(InProcessEngine):
        def run(self, folder, shards, log):
            before = copy.read_bytes()
            frame.head(2).to_json(items, orient="records", lines=True)
            with pytest.raises(LockedError):
                predicted(asked, folder)
            assert copy.read_bytes() == before
            return super().run(folder, shards, log)

    assert predicted(asked, tmp_path / "answers", engine=Twice()).n_rows == N_ROWS


def test_the_tables_that_are_read_are_no_output(places, tmp_path):
    before = places.items.read_bytes()
    for name in ("new.csv", "new", "items.csv"):
        with pytest.raises(ConfigError, match="out must not"):
            predicted(replace(places, items=places.items.parent), places.items.parent / name)
    with pytest.raises(ConfigError, match="out must not be the file of the items"):
        predicted(places, places.items)
    assert places.items.read_bytes() == before


def test_an_output_that_can_be_neither_a_file_nor_a_folder_is_refused(places, tmp_path):
    with pytest.raises(ConfigError, match=r"must end in \.csv or \.parquet, or be a folder"):
        predicted(places, tmp_path / "out.xlsx")


def test_a_row_that_raises_gets_an_error_and_the_others_their_answers(
    places, expected, tmp_path, monkeypatch
):
    prepare = Forecaster.prepare

    def poisoned(self, catalogue, **options):
        if "A7" in catalogue.ids:
            raise ZeroDivisionError("in a decoder")
        return prepare(self, catalogue, **options)

    monkeypatch.setattr(Forecaster, "prepare", poisoned)
    assert predicted(places, tmp_path / "out.csv").n_failed == 4
    found = read(tmp_path / "out.csv")
    assert "worker_error: must be a row" in found["error"][7]
    others = found.index != 7
    assert_agree(found[others], expected[others])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_real_ray_gives_the_bytes_of_one_process(places, tmp_path):
    ray = pytest.importorskip("ray")
    from fusion.shards.ray_engine import RayEngine

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        engine = RayEngine(workers=2, gpus_per_worker=0, address=None, stall_s=60)
        predicted(places, tmp_path / "ray.csv", engine=engine)
    finally:
        ray.shutdown()
    predicted(places, tmp_path / "one.csv")
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_that_the_table_lacks_is_absent_where_that_is_asked_for(
    suffix, places, tmp_path, caplog
):
    frame = read_table(places.items).drop(columns="price").iloc[:30]
    for name, less in (("lacks", frame), ("blank", frame.assign(price=None))):
        path = tmp_path / f"{name}.{suffix}"
        less.to_csv(path, index=False) if suffix == "csv" else less.to_parquet(path)
    here = {
        name: replace(places, items=tmp_path / f"{name}.{suffix}") for name in ("lacks", "blank")
    }
    names = ("lacks", "blank")
    with pytest.raises(CatalogueError, match=r"lacks\.\w+ has 1 problem(.|\n)*column price"):
        predicted(here["lacks"], tmp_path / "strict.csv")
    with caplog.at_level(logging.WARNING, "fusion"):
        for name in names:
            predicted(here[name], tmp_path / f"{name}_out.csv", on_bad_rows="absent")
    told = [r.getMessage().split(":")[0] for r in caplog.records if "column" in r.getMessage()]
    assert told == [f"lacks.{suffix} has no column price"]
    lacks, blank = (pd.read_csv(tmp_path / f"{name}_out.csv") for name in names)
    pd.testing.assert_frame_equal(lacks, blank)
    assert lacks["error"].isna().all() and lacks["prediction_p50"].notna().all()
