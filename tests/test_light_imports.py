"""Heavy libraries are imported where they are used, so that short commands answer at once."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from encoders import ENCODERS
from encoders.names import KNOWN
from fusion import FusionRegressor
from fusion.choices.encoders import EncoderChoices, described
from fusion.errors import ConfigError
from fusion.first_use import modules_of_table
from fusion.modalities import MODALITIES
from fusion.plugins import KINDS, known_names
from fusion.shards import (
    DataPaths,
    InProcessEngine,
    JobSettings,
    embed_catalogue,
    predict_catalogue,
)

ROOT = Path(__file__).parent.parent
WHERE_THEY_ARE_USED = {
    "matplotlib": {"fusion/report/backtest_charts.py", "fusion/report/charts.py",
                   "fusion/report/class_charts.py", "fusion/report/classification_charts.py",
                   "fusion/report/interval_charts.py",
                   "fusion/report/regression_charts.py", "fusion/report/steps_view.py"},
    "jinja2": {"fusion/report/page.py"},
    "skimage": set(),
    "lightgbm": set(),
    "torchvision": {"encoders/image/weights/train_clothing18.py"},
    "transformers": {"fusion/tuning/trainers.py", "fusion/tuning/fusion_trainer.py",
                     "fusion/tuning/tune.py", "fusion/pretraining/run.py",
                     "fusion/pretraining/trainer.py"},
    "accelerate": {"fusion/tuning/trainers.py", "fusion/tuning/guards.py"},
}  # fmt: skip
COMMANDS = """
import contextlib, io, json, sys
from fusion.cli import app
seen, codes = [], []
for step in json.loads(sys.argv[1]):
    if step == ["import FusionRegressor"]:
        from fusion import FusionRegressor
    else:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                app(step)
            except SystemExit as end:
                codes.append(end.code or 0)
    seen.append(sorted(set(sys.modules) & set(json.loads(sys.argv[2]))))
print(json.dumps([seen, codes]))
"""


WRONG = """
heads = [{head = "regresion", target = "ads"}]
model = {strategy = "concatt"}
encoders = {text = "minlm", image = {weigths = "imagenet"}, numeric = 3}
training = {epochs = -1}
tuning = {mode = "all", precision = "float8"}
[data]
items = "items.csv"
columns = {txet = ["title"]}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A finished job with its store, and a model of TF-IDF, colours and numbers."""
    folder = tmp_path_factory.mktemp("shop")
    photos = folder / "photos"
    photos.mkdir()
    draw = np.random.default_rng(0)
    for item in range(8):
        pixels = draw.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{item}.png")
    items = pd.DataFrame(
        {
            "id": [f"a{item}" for item in range(8)],
            "title": [f"{'red' if item % 2 else 'blue'} shirt" for item in range(8)],
            "photo": [f"{item}.png" for item in range(8)],
            "ads": np.arange(8.0),
        }
    )
    items.to_csv(folder / "items.csv", index=False)
    items.drop(columns="title").to_csv(folder / "less.csv", index=False)
    (folder / "wrong.toml").write_text(WRONG)
    columns = {"image": ["photo"], "id": ["id"]}
    settings = JobSettings(EncoderChoices({"image": "colour_texture"}), columns)
    paths = DataPaths(folder / "less.csv", photos, folder / "store")
    embed_catalogue(paths, folder / "job", settings, engine=InProcessEngine())
    model = FusionRegressor(
        columns={"text": ["title"], "image": ["photo"], "numeric": ["ads"], "id": ["id"]},
        encoders={"text": "tfidf", "image": "colour_texture"}, photos=photos, head="linear",
    )  # fmt: skip
    model.fit(items, np.arange(8.0)).save(folder / "model")
    paths = DataPaths(folder / "items.csv", photos, bundle=folder / "model")
    embed_catalogue(paths, folder / "fused", engine=InProcessEngine())
    predict_catalogue(paths, folder / "answers", engine=InProcessEngine())
    return folder


def run_steps(steps, watched):
    """What each step, one after the other in one new process, has imported; exit codes."""
    command = [sys.executable, "-c", COMMANDS, json.dumps(steps), json.dumps(watched)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(found.stdout.splitlines()[-1])


def test_each_command_imports_only_what_it_uses(shop):
    items, photos = str(shop / "items.csv"), ["--photos", str(shop / "photos")]
    embed = ["embed", "--items", str(shop / "less.csv"), *photos, "--column", "id=id", "--column",
             "image=photo", "--encoder", "image=colour_texture", "--quiet"]  # fmt: skip
    predict = ["predict", str(shop / "model"), *photos, "--out", str(shop / "out.csv"), "--quiet"]
    without_torch = [
        ["forecast", "--help"],
        ["verify", str(shop / "job")],
        ["embed", "--status", str(shop / "job")],
        [*embed, "--store", str(shop / "store"), "--out", str(shop / "job")],
        ["merge", str(shop / "store"), "--out", str(shop / "merged")],
        [
            "embed",
            "--items",
            items,
            *photos,
            "--bundle",
            str(shop / "model"),
            "--quiet",
            "--out",
            str(shop / "fused"),
        ],
        [*predict[:4], "--out", str(shop / "answers"), "--items", items],
        ["embed", "--items", items, "--out", str(shop / "job"), "--dtype", "float8"],
        [*embed, "--out", str(shop / "new"), "--encoder", "image=resnet19"],
        [*embed, "--out", str(shop / "new"), "--encoder", "text=minlm"],
        [*embed, "--out", str(shop / "new"), "--delimiter", "ab"],
        ["predict", str(shop / "modle"), "--items", items, "--out", str(shop / "out.csv")],
        [*predict, "--items", str(shop / "less.csv")],
        [*predict, "--items", str(shop / "gone.csv")],
        ["evaluate", str(shop / "model"), "--items", str(shop / "less.csv")],
        ["train", str(shop / "gone.toml")],
        ["backtest", str(shop / "gone.toml")],
        ["forecast", str(shop / "model"), "--items", items],
        ["import FusionRegressor"],
    ]
    wrong = ["train", str(shop / "wrong.toml")]
    steps = [*without_torch, wrong, ["forecast", *wrong[1:]], [*predict, "--items", items]]
    watched = ["torch", "pandas", "transformers", "torchvision", "torch._dynamo", "matplotlib",
               "skimage", "accelerate", "jinja2"]  # fmt: skip
    seen, codes = run_steps(steps, watched)
    n = len(without_torch) - 1
    assert codes == [0, 0, 0, 0, 0, 0, 0, 2, *[1] * (n - 6), 0]
    assert seen[:n] == [[]] * n
    assert seen[n : n + 3] == [["pandas"]] * 3  # FusionRegressor, values of configurations
    assert seen[n + 3] == ["pandas", "skimage", "torch"]  # predictions


PREDICT = """
import json, sys
import fusion
from fusion import load_bundle
from fusion.predictor import Predictor
bundle = load_bundle(sys.argv[1])
assert len(bundle.model.stack.asked) >= 4
Predictor(bundle).predict(json.load(open(sys.argv[2])))
print(sorted(set(sys.modules) & set(sys.argv[3:])))
"""


def test_predicting_by_every_member_imports_nothing_that_trains():
    frozen = max(Path(__file__).parent.glob("fusion/bundle/frozen/*"), key=lambda path: path.name)
    heavy = ["transformers", "accelerate", "matplotlib", "torchvision", "lightgbm", "sklearn",
             "skimage", "jinja2", "torch._dynamo", "torch.utils.tensorboard", "scipy.optimize",
             "scipy.stats", "scipy.special"]  # fmt: skip
    command = [sys.executable, "-c", PREDICT, frozen / "bundle", frozen / "items.json", *heavy]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_of_encoders_without_torch_is_what_they_say(name):
    kind, known = ENCODERS[name], KNOWN[name]
    assert kind.modality == known.kind
    assert known.learns == ("fitted" in vars(kind))
    own, taken = described(kind).options, {*known.options, known.named_by} - {""}
    assert taken <= set(own)
    assert known.learns or taken == set(own)  # what is fitted says what may be chosen of it


@pytest.mark.parametrize("modality", MODALITIES.values(), ids=lambda modality: modality.name)
def test_default_encoders_are_checked_without_torch(modality):
    names = {name for entry, known in KNOWN.items() for name in known.names or (entry,)}
    assert modality.default_encoder in names, (
        f"encoders/names.py must know the default encoder of {modality.name}, which every job "
        f'checks before torch is imported. Add to KNOWN: "{modality.default_encoder}": '
        f'Known("{modality.kind}"), with learns=True if it has `fitted`, and its options.'
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "modality"])
def test_names_are_read_from_the_source_of_a_table_as_it_holds_them(kind):
    module, table = KINDS[kind].table
    held = getattr(import_module(module), table)
    read = modules_of_table(module, table)
    assert read == {name: part.__module__ for name, part in held.items()}
    assert known_names(kind) == tuple(held)


def test_an_encoder_needs_no_second_entry(monkeypatch):
    monkeypatch.delitem(KNOWN, "tfidf")
    choice = EncoderChoices({"text": {"name": "tfidf", "min_count": 3}})["text"]
    assert (choice.encoder, choice.learns, choice.options) == ("tfidf", True, {"min_count": 3})
    with pytest.raises(ConfigError, match=r"options of encoders.text .* must be one of .*min_"):
        EncoderChoices({"text": {"name": "tfidf", "mincount": 3}})
    for module in ("encoders.base", "encoders.registry"):  # as where nobody has imported torch
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ConfigError, match=r"encoders.text must be one of .*tfidf, got 'tfidff'"):
        EncoderChoices({"text": "tfidff"})
    assert "encoders.registry" not in sys.modules


def imports_at_the_top(path):
    """Packages that a file imports as soon as it is imported, outside functions."""
    waiting = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif not isinstance(node, ast.FunctionDef):
            waiting += [
                inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt)
            ]


@pytest.mark.parametrize("library", WHERE_THEY_ARE_USED)
def test_heavy_libraries_are_imported_at_the_top_of_a_few_files_alone(library):
    files = [
        path for room in ("encoders", "heads", "fusion") for path in (ROOT / room).rglob("*.py")
    ]
    found = {
        path.relative_to(ROOT).as_posix() for path in files if library in imports_at_the_top(path)
    }
    assert found == WHERE_THEY_ARE_USED[library]
