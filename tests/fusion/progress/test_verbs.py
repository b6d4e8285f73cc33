"""Every verb, on tiny data: what its progress says is what it does."""

import pandas as pd
import pytest
import torch

from encoders.text.tiny_bert import tiny_checkpoint
from fusion import FusionRegressor
from fusion.choices.encoders import EncoderChoices
from fusion.evaluation import BASELINES
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.source import ItemSource
from fusion.jobs.embed import embed
from fusion.jobs.evaluate import evaluate
from fusion.jobs.predict import predict
from fusion.jobs.pretrain import Source, pretrain, settings_of
from fusion.jobs.train import train
from fusion.shards import DataPaths, InProcessEngine, JobSettings
from fusion.shards.layout import Layout
from fusion.shards.pool import LocalEngine

pytestmark = pytest.mark.usefixtures("few_draws")

N_ROWS = 40
CONFIG = """
[data]
items = "items.csv"
photos = "photos"
on_bad_rows = "absent"
[data.columns]
id = ["item_id"]
[[heads]]
head = "sales_volume"
target = "units"
[encoders]
text = "{text}"
image = "colour_texture"
[model.options]
n_networks = 2
width = 16
[training]
epochs = 3
folds = 2
patience = 1
{more}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory, write_scarves):
    """A catalogue in which one photo is broken, one item has none, and some have two."""
    folder = tmp_path_factory.mktemp("shop")
    frame = write_scarves(folder)
    (folder / "photos" / "3.png").write_bytes(b"no photo")
    second = [f"{number // 2}.png" if number % 3 else None for number in range(len(frame))]
    frame.insert(3, "photo_2", second)
    frame.loc[5, "photo"] = frame.loc[5, "photo_2"] = None
    frame.to_csv(folder / "items.csv", index=False)
    return folder


def configured(shop, *, more=""):
    path = shop / "train.toml"
    path.write_text(CONFIG.format(text=tiny_checkpoint(), more=more))
    return TrainConfig.from_file(path)


@pytest.fixture(scope="module")
def trained(shop, tmp_path_factory, new_works):
    works, threads = new_works(), []

    def median(*arguments, **options):
        threads.append(torch.get_num_threads())
        return BASELINES["category median"](*arguments, **options)

    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BASELINES, "median", median)
        result = train(configured(shop), tmp_path_factory.mktemp("run"), stage=works)
    torch.set_num_threads(n_threads)
    return result, works, threads


def test_each_stage_of_a_training_ends_at_its_total_or_early_and_stands_once(trained):
    _, works, _ = trained
    works.check()
    names = [work.name for work in works.opened]
    assert names == [
        "embedding image",
        "embedding text",
        "training",
        "fitting the kernel",
        "fitting the ridge",
        "growing trees",
        "measuring modalities",
        "measuring baselines",
    ]
    assert works.opened[-1].total == len(BASELINES)
    assert {"texts", "photos", "epochs", "models"} <= {work.unit for work in works.opened}


def test_simple_methods_of_a_training_compute_with_one_thread(trained):
    assert trained[2] == [1]


def test_a_model_that_is_measured_embeds_each_modality_once(trained, shop, works):
    source = ItemSource(shop / "items.csv", shop / "photos", on_bad_rows="absent")
    evaluate(trained[0].bundle, source, stage=works)
    works.check()
    assert [work.name for work in works.opened] == ["embedding image", "embedding text"]


def test_predictions_are_one_stage_that_counts_rows(trained, shop, works, tmp_path):
    source = ItemSource(shop / "items.csv", shop / "photos", on_bad_rows="absent")
    result = predict(trained[0].bundle, source, tmp_path / "answers.csv", stage=works)
    works.check()
    told = [(work.name, work.unit, work.total) for work in works.opened]
    assert told == [("predicting", "rows", result.n_rows)]


def test_each_stage_of_a_tuning_stands_once(shop, works, tmp_path):
    more = '[tuning]\nmode = "last_layers"\nepochs = 2\nfolds = 2\nbatch_size = 16'
    train(configured(shop, more=more), tmp_path / "run", stage=works)
    works.check()
    names = {work.name for work in works.opened}
    assert {"tuning, part 1", "tuning, part 2", "tuning, all rows"} <= names
    assert "embedding text, tuned on all but part 1" in names
    assert "training, original encoders" in names


def test_each_stage_of_a_pretraining_ends_at_its_total(shop, works, tmp_path):
    source = Source(shop / "items.csv", columns={"text": ["title"]})
    pretrain(
        source,
        tmp_path / "out",
        settings_of(objective="mlm", epochs=1),
        encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
        stage=works,
    )
    works.check()
    assert [work.name for work in works.opened] == ["reading text", "pretraining"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("engine", [InProcessEngine(), LocalEngine(layout=Layout(1, 1))])
def test_a_job_counts_rows_inside_a_shard(engine, shop, tmp_path, works, monkeypatch, forked_pool):
    monkeypatch.setattr("fusion.shards.worker.BEAT_S", 0.0)
    seen = []

    def stage(name, total, unit):
        work = works(name, total, unit)
        work._on_change = lambda work: seen.append(work.done)
        return work

    settings = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint()), "image": "colour_texture"}),
        columns={"text": ["title"], "image": ["photo"], "id": ["item_id"]},
        shard_rows=N_ROWS,
    )
    paths = DataPaths(shop / "items.csv", shop / "photos")
    for _ in range(2):
        result = embed(paths, tmp_path / "out", settings, engine=engine, stage=stage)
    assert result.n_failed == 1
    first, again = works.opened
    assert (first.done, first.total, first.unit) == (N_ROWS, N_ROWS, "rows")
    assert {first.ending, again.ending} == {"done"} and again.n_known == N_ROWS
    assert any(0 < done < N_ROWS for done in seen)  # it moves inside the one shard
    assert max(seen) == N_ROWS


def test_a_fit_shows_nothing_unless_it_is_asked_to(shop, capfd):
    frame = pd.read_csv(shop / "items.csv")
    options = {"columns": {"text": [], "image": []}, "training": {"epochs": 1, "folds": 1}}
    for verbose in (False, True):
        model = FusionRegressor(verbose=verbose, random_state=0, **options)
        model.fit(frame[["price"]], frame["units"])
        assert ("fitting the ridge 1/1 (100 %)" in capfd.readouterr().err) == verbose
