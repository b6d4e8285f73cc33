"""A call leaves nothing of the process changed, and threads change nothing of each other."""

import csv
import gc
import locale
import logging
import multiprocessing
import os
import random
import re
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from accelerate.state import AcceleratorState, GradientState, PartialState
from PIL import Image, ImageFile
from sklearn.model_selection import cross_val_score
from typer.testing import CliRunner

from encoders.dtype import SWITCH
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import FusionRegressor, Predictor, load_bundle
from fusion.cli import app
from fusion.strategies import FUSIONS
from fusion.strategies.check import check_fusion

pytestmark = pytest.mark.usefixtures("few_draws")

FAST = {"epochs": 1, "batch_size": 16, "folds": 1}
CONFIG = """
[data]
items = "items.csv"
photos = "photos"
{more}
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
epochs = 1
folds = 2
[evaluation]
modalities = false
"""


def process_state():
    """All that a process has once and that libraries like to change."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    hub = sys.modules["huggingface_hub.utils.tqdm"]
    accelerate = (PartialState, AcceleratorState, GradientState)
    return {
        "default dtype": (torch.get_default_dtype(), torch.get_default_device()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "chance of torch": torch.get_rng_state().numpy().tobytes(),
        "chance of numpy": repr(np.random.get_state()),  # noqa: NPY002
        "chance of python": random.getstate(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            torch.get_float32_matmul_precision(),
        ),
        "functions of torch": [torch.linspace, *vars(torch.nn.init).values()],
        "warnings": (list(warnings.filters), warnings.showwarning),
        "loggers": {
            log.name: (
                log.level,
                list(log.handlers),
                list(log.filters),
                log.propagate,
                log.disabled,
            )
            for log in loggers
            if isinstance(log, logging.Logger)
        },
        "transformers": (
            transformers.logging.get_verbosity(),
            transformers.logging.is_progress_bar_enabled(),
            transformers.utils.logging._tqdm_hook,
        ),
        "hub": dict(hub.progress_bar_states),
        "accelerate": [dict(kind._shared_state) for kind in accelerate],
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "pillow": (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        "matplotlib": dict(mpl.rcParams),
        "python": (sys.path.copy(), sys.getrecursionlimit(), sys.getswitchinterval(), sys.stdout),
        "start of processes": multiprocessing.get_start_method(allow_none=True),
        "locale": locale.setlocale(locale.LC_ALL),
        "csv": csv.field_size_limit(),
        "numpy": (np.geterr(), np.get_printoptions()),
        "pandas": (pd.get_option("display.precision"), pd.get_option("display.max_rows")),
        "garbage": (gc.isenabled(), gc.get_threshold()),
    }


def changes(before):
    """Names of what is not as it was; a logger that an import has made is no change."""
    after = process_state()
    after["loggers"] = {name: after["loggers"][name] for name in before["loggers"]}
    return [name for name, value in before.items() if value != after[name]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory, write_scarves):
    folder = tmp_path_factory.mktemp("shop")
    write_scarves(folder)
    for name, text, more in (
        ("train", "tfidf", ""),
        ("broken", "tfidf", 'text = ["no such column"]'),
    ):
        (folder / f"{name}.toml").write_text(CONFIG.format(text=text, more=more))
    return folder


@pytest.fixture(scope="module")
def frame(shop):
    return pd.read_csv(shop / "items.csv")


@pytest.fixture(scope="module")
def fitted(shop, frame):
    return regressor(shop).fit(frame.drop(columns="units"), frame["units"])


@pytest.fixture(scope="module")
def bundle(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    fitted.save(folder)
    return folder


def regressor(shop=None, **options):
    given = {
        "columns": {
            "text": ["title"],
            "image": [] if shop is None else ["photo"],
            "numeric": ["price"],
            "categorical": [],
            "id": ["item_id"],
        },
        "encoders": {"text": str(tiny_checkpoint()), "image": "colour_texture"},
        "photos": None if shop is None else shop / "photos",
        "training": FAST,
        "strategy_options": {"n_networks": 2, "width": 16},
        "random_state": 0,
    }
    return FusionRegressor(**{**given, **options})


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


CALLS = {
    "fit": lambda s: s.new().fit(s.x, s.y),
    "fit with a store": lambda s: s.new(store=s.out / "store").fit(s.x, s.y),
    "fit that diverges": lambda s: s.new(training={**FAST, "learning_rate": 1e30}).fit(s.x, s.y),
    "fit with a wrong option": lambda s: s.new(strategy="no such").fit(s.x, s.y),
    "fit with tuning": lambda s: s.new(
        tuning={"mode": "last_layers", "epochs": 1, "folds": 1}
    ).fit(s.x, s.y),
    "predict": lambda s: s.fitted.predict(s.x),
    "predict without a column": lambda s: s.fitted.predict(s.x.drop(columns="price")),
    "embed": lambda s: s.fitted.embed(s.x),
    "similar": lambda s: s.fitted.similar(s.x, 2),
    "save": lambda s: s.fitted.save(s.out / "bundle"),
    "save over a file": lambda s: s.fitted.save(s.shop / "items.csv"),
    "load": lambda s: FusionRegressor.load(s.bundle),
    "load what is no bundle": lambda s: load_bundle(s.shop),
    "check_fusion": lambda s: check_fusion(FUSIONS["concat"].tiny),
    "fusion train": lambda s: run(
        "train", s.shop / "train.toml", "--out", s.out / "run", "--quiet"
    ),
    "fusion train with mistakes": lambda s: run("train", s.shop / "broken.toml"),
    "fusion predict": lambda s: run(
        "predict", s.bundle, "--items", s.shop / "items.csv", "--photos", s.shop / "photos",
        "--out", s.out / "answers.csv", "--quiet",
    ),
    "fusion embed in process": lambda s: run(
        "embed", "--items", s.shop / "items.csv", "--out", s.out / "job", "--workers", "0",
        "--column", "id=item_id", "--column", "text=title", "--quiet", "--encoder",
        f"text={tiny_checkpoint()}",
    ),
    "fusion pretrain": lambda s: run(
        "pretrain", "--items", s.shop / "items.csv", "--out", s.out / "mlm", "--column",
        "text=title", "--objective", "mlm", "--encoder", f"text={tiny_checkpoint()}", "--epochs",
        "1", "--quiet",
    ),
}  # fmt: skip


class Setting:
    """What the calls are made with."""

    def __init__(self, shop, frame, fitted, bundle, out):
        self.shop, self.fitted, self.bundle, self.out = shop, fitted, bundle, out
        self.x, self.y = frame.drop(columns="units"), frame["units"]

    def new(self, **options):
        return regressor(self.shop, **options)


@pytest.fixture
def setting(shop, frame, fitted, bundle, tmp_path):
    return Setting(shop, frame, fitted, bundle, tmp_path)


SLOW = {"fit", "fit with a store", "fusion train with mistakes", "fit with a wrong option"}
REFUSED = {
    name for name in CALLS if re.search(" that | wrong | without | over | no | mistakes", name)
}


def marked(names):
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in sorted(names)
    ]


@pytest.mark.parametrize("name", marked({*CALLS} - REFUSED))
def test_a_call_leaves_the_process_as_it_was(name, setting):
    before = process_state()
    CALLS[name](setting)
    assert changes(before) == []


@pytest.mark.parametrize("name", marked(REFUSED))
def test_a_call_that_raises_leaves_the_process_as_it_was(name, setting):
    before = process_state()
    with pytest.raises(Exception, match=r"must|should match"):
        CALLS[name](setting)
    assert changes(before) == []


def test_without_a_seed_fit_draws_one_number_from_numpy_as_scikit_learn_does(frame):
    np.random.seed(3)  # noqa: NPY002
    np.random.randint(2**31 - 1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    model = regressor(random_state=None, training={**FAST, "epochs": 1})
    model.fit(frame.drop(columns="units"), frame["units"])
    assert np.random.random() == expected  # noqa: NPY002


def together(*works):
    """Runs all at once, each in a thread of its own, and gives back what they give."""
    begin = threading.Barrier(len(works))

    def wait_and_work(work):
        begin.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(wait_and_work, works))


def fit_and_predict(frame, seed):
    x = frame.drop(columns="units")
    return regressor(random_state=seed).fit(x, frame["units"]).predict(x)


@pytest.mark.parametrize("has_bf16", ["no", pytest.param("yes", marks=pytest.mark.slow)])
def test_fits_in_threads_give_the_numbers_of_fits_alone(frame, has_bf16, monkeypatch):
    monkeypatch.setenv(SWITCH, has_bf16)
    alone = [fit_and_predict(frame, seed) for seed in range(3)]
    before = process_state()
    found = together(*(lambda seed=seed: fit_and_predict(frame, seed) for seed in range(3)))
    after = process_state()
    assert all(np.array_equal(*pair) for pair in zip(alone, found, strict=True))
    for name in ("default dtype", "chance of torch", "transformers", "accelerate"):
        assert before[name] == after[name], name


def test_predictions_and_loads_beside_a_fit_are_those_of_alone(frame, fitted, bundle, shop):
    x = frame.drop(columns="units")
    answers, trained = fitted.predict(x), fit_and_predict(frame, 5)

    def predict():
        return [fitted.predict(x) for _ in range(2)]

    def load():
        predictor = Predictor(load_bundle(bundle), photos=shop / "photos")
        return predictor.predict(x).iloc[:, 1].to_numpy()

    found = together(lambda: fit_and_predict(frame, 5), *[predict] * 2, *[load] * 3)
    assert np.array_equal(found[0], trained)
    assert all(np.array_equal(each, answers) for some in found[1:3] for each in some)
    assert all(np.array_equal(each, answers) for each in found[3:])


def test_a_prediction_and_a_load_do_not_wait_for_a_fit(frame, fitted, bundle, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def wait(*_, **__):
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr("fusion.training.loop.NetworkTraining._keep", wait)
    fit = threading.Thread(
        target=regressor().fit, args=(frame.drop(columns="units"), frame["units"])
    )
    fit.start()
    try:
        assert begun.wait(60)
        fitted.predict(frame.drop(columns="units"))
        load_bundle(bundle)
    finally:
        go_on.set()
        fit.join()


def test_draws_of_a_thread_go_on_as_without_loads_and_predictions_beside_it(frame, fitted, bundle):
    done = threading.Event()

    def work():
        for _ in range(2):
            load_bundle(bundle)
            fitted.predict(frame.drop(columns="units"))
        done.set()

    def draw():
        found = [torch.rand(3)]
        while not done.wait(0.002):
            found.append(torch.rand(3))
        return torch.stack(found)

    torch.manual_seed(11)
    _, drawn = together(work, draw)
    torch.manual_seed(11)
    assert torch.equal(drawn, torch.stack([torch.rand(3) for _ in drawn]))


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_cross_validation_on_two_workers_gives_the_scores_of_one(frame, backend):
    from joblib import parallel_config

    x, y = frame.drop(columns="units"), frame["units"]
    alone = cross_val_score(regressor(), x, y, cv=2)
    with parallel_config(backend):
        found = cross_val_score(regressor(), x, y, cv=2, n_jobs=2)
    assert np.array_equal(alone, found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("what", ["predict", pytest.param("fit", marks=pytest.mark.slow)])
def test_a_forked_child_gives_what_its_parent_does(what, frame, fitted):
    x = frame.drop(columns="units")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    work = {"predict": lambda: fitted.predict(x), "fit": lambda: fit_and_predict(frame, 5)}[what]
    answers = work()
    torch.rand(2000, 300) @ torch.rand(300, 2000)  # all threads exist now
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        try:
            assert np.allclose(work(), answers, rtol=1e-2)
            os._exit(0)
        finally:
            os._exit(1)
    torch.set_num_threads(n_threads)
    assert os.waitpid(child, 0)[1] == 0
