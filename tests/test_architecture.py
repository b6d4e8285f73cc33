"""Imports go one way: each layer imports only what stands above it in this list."""

import ast
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from fusion.modalities import MODALITIES

ROOT = Path(__file__).parent.parent
LAYERS = [
    {"encoders", "heads", "fusion.first_use"},
    {"fusion.errors", "fusion.strategies"},
    {"fusion.progress", "fusion.system"},
    {"fusion.plugins"},
    {"fusion.saved_parts"},
    {"fusion.data"},
    {"fusion.network", "fusion.store"},
    {"fusion.choices"},
    {"fusion.training"},
    {"fusion.members"},
    {"fusion.calibration", "fusion.stack"},
    {"fusion.model"},
    {"fusion.embedding"},
    {"fusion.bundle", "fusion.ready"},
    {"fusion.predictor", "fusion.tuning"},
    {"fusion.evaluation", "fusion.pretraining"},
    {"fusion.fitting"},
    {"fusion.forecasting"},
    {"fusion.estimators", "fusion.report", "fusion.shards"},
    {"fusion.job_steps"},
    {"fusion.jobs"},
    {"fusion.cli"},
    {"fusion.__main__"},
]
TOGETHER = {"fusion.modalities": "fusion.data"}  # the table names readers, the room follows it
NAMES_OF_MODALITIES = {
    "fusion/modalities.py": "the table",
    "fusion/data/catalogue.py": "photos need a folder, and the first text is an item's title",
    "fusion/data/infer.py": "finds roles in a table by rules that are about each of them",
    "fusion/data/schema.py": "how numbers are written, and which are read out of texts",
    "fusion/fitting/groups.py": "groups of near-duplicate texts and photos",
    "fusion/forecasting/members/example.py": "made-up items that members are tested on",
    "fusion/jobs/pretrain.py": "objectives that learn from texts and photos",
    "fusion/job_steps/split.py": "groups of near-duplicate texts and photos",
    "fusion/members/example.py": "made-up rows of several modalities that members are tested on",
    "fusion/pretraining/contrastive.py": "texts with their photos is what it learns from",
    "fusion/pretraining/result.py": "how trained encoders of texts and photos are written",
    "fusion/pretraining/rows.py": "pairs of texts and photos",
    "fusion/pretraining/settings.py": "what each objective learns from",
}
"""Files that may hold the names of two modalities, and why."""
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted(
    path for room in ("encoders", "heads", "fusion") for path in (ROOT / room).rglob("*.py")
)


def room_of(module):
    parts = module.split(".")
    name = parts[0] if parts[0] != "fusion" else ".".join(parts[:2])
    name = TOGETHER.get(name, name)
    return name if name in RANK else None


@dataclass(frozen=True)
class Content:
    """What the rules ask of a file."""

    imports: set
    modalities: set
    """Names of modalities that stand in it as a whole text."""
    functions: list
    """Of every function: where it stands with its name, its lines, its parameters."""


@cache
def content_of(path):
    """Reads a file once for all rules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports, texts = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.add(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    return Content(imports, set(MODALITIES) & texts, list(functions_of(tree, path)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downwards(path):
    own = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own is None:  # fusion/__init__.py gathers the public names
        assert path == ROOT / "fusion" / "__init__.py"
        return
    for module in sorted(content_of(path).imports):
        other = room_of(module)
        if other is None or other == own:
            continue
        assert RANK[other] < RANK[own], f"{path.relative_to(ROOT)} must not import {module}"


def test_no_file_beside_the_table_lists_modalities():
    lists = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if path.is_relative_to(ROOT / "fusion") and len(content_of(path).modalities) > 1
    }
    assert lists == set(NAMES_OF_MODALITIES)


def test_the_readme_draws_this_order():
    drawn = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("encoders | heads | strategies ->")
    )
    steps = [step.replace(",", " ").split() for step in drawn[1].split("```")[0].split("->")]
    ranks = [{RANK[f"fusion.{room}"] for room in step} for step in steps]
    assert all(max(one) < min(next_one) for one, next_one in pairwise(ranks))
    assert len(ranks) > 8


def test_every_room_of_the_list_exists():
    names = {Path(*room.split(".")) for rooms in LAYERS for room in rooms}
    assert [n for n in names if not ((ROOT / n).is_dir() or (ROOT / f"{n}.py").is_file())] == []


MOST_LINES, MOST_LINES_WITH_A_REASON = 300, 400
MOST_LINES_OF_A_FUNCTION = 80
MOST_PARAMETERS = 6
LONG_FILES = {
    "encoders/image/weights/train_clothing18.py": "the script that made these weights, whole",
    "encoders/table/numeric.py": "one encoder: what it learns, its tensors, its embedding",
    "encoders/text/bert.py": "one encoder: which checkpoint, reading, batches, pooling, tuning",
    "fusion/data/infer.py": "the rules by which roles are found",
    "fusion/estimators/base.py": "most of it are the parameters, and what each of them means",
    "fusion/estimators/forecaster.py": "one door: parameters, and everything a forecast is asked",
    "fusion/predictor.py": "one door: everything that a trained model is asked",
    "fusion/shards/csv_rows.py": "one format: where its rows begin, and their cells",
    "heads/metrics.py": "a list: every metric with its formula",
}
"""Files of more than 300 lines, and why they are not two."""
OPTIONS = "options of a part, a keyword each: they are its config"
VERB = "what a verb of the command line is asked, an option each"
MANY_PARAMETERS = {
    "encoders/image/resnet.py: ResNetEncoder.__init__": OPTIONS,
    "encoders/table/numeric.py: NumericEncoder.__init__": OPTIONS,
    "encoders/text/bert.py: BertEncoder.__init__": OPTIONS,
    "fusion/cli/embedding.py: embed": VERB,
    "fusion/cli/forecasting.py: forecast": VERB,
    "fusion/cli/pretraining.py: pretrain": VERB,
    "fusion/cli/scoring.py: score": VERB,
    "fusion/cli/training.py: fine_tune": VERB,
    "fusion/cli/updating.py: update": VERB,
    "fusion/cli/using.py: evaluate": VERB,
    "fusion/cli/using.py: predict": VERB,
    "fusion/cli/using.py: similar": VERB,
    "fusion/estimators/base.py: FusionEstimator.__init__": "parameters of a scikit-learn estimator",
    "fusion/estimators/forecaster.py: FusionForecaster.__init__": "parameters of an estimator",
    "fusion/estimators/forecaster.py: FusionForecaster.backtest": "tables, and at which dates",
    "fusion/evaluation/bootstrap.py: paired_bootstrap": "a pair, a metric, and how rows are drawn",
    "fusion/jobs/predict.py: predict": VERB,
    "fusion/strategies/concat.py: ConcatFusion.__init__": OPTIONS,
    "fusion/strategies/gated.py: GatedFusion.__init__": OPTIONS,
    "heads/regression.py: RegressionHead.__init__": OPTIONS,
}
"""Functions of more than 6 parameters, and why they keep them."""


def test_every_file_has_a_size_that_can_be_read():
    sizes = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in FILES
    }
    assert {name: n for name, n in sizes.items() if n > MOST_LINES_WITH_A_REASON} == {}
    assert {name for name, n in sizes.items() if n > MOST_LINES} == set(LONG_FILES)


def functions_of(tree, path):
    """Every function of a file: where it stands with its name, its lines and parameters."""
    file = path.relative_to(ROOT).as_posix()

    def below(node, names):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                own = [*names, child.name]
                if not isinstance(child, ast.ClassDef):
                    lines = child.end_lineno - child.lineno + 1
                    yield f"{file}: {'.'.join(own)}", lines, n_parameters(child)
                yield from below(child, own)
            else:
                yield from below(child, names)

    yield from below(tree, [])


def n_parameters(function):
    arguments = function.args
    names = [one.arg for one in arguments.posonlyargs + arguments.args]
    return len(names) + len(arguments.kwonlyargs) - (names[:1] in (["self"], ["cls"]))


def test_every_function_has_a_length_that_can_be_read():
    functions = [one for path in FILES for one in content_of(path).functions]
    assert {name: n for name, n, _ in functions if n > MOST_LINES_OF_A_FUNCTION} == {}


def test_functions_take_six_parameters_at_most():
    functions = [one for path in FILES for one in content_of(path).functions]
    many = {name for name, _, n in functions if n > MOST_PARAMETERS}
    assert many == set(MANY_PARAMETERS)


def test_no_file_is_a_drawer():
    drawers = {"utils.py", "common.py", "core.py", "helpers.py", "misc.py"}
    assert [path for path in FILES if path.name in drawers] == []


CONVERSIONS = ("resnet_weights.py", "efficientnet_lite0_weights.py")


def test_nothing_is_ever_unpickled():
    for path in FILES:
        if "weights" in path.parts or path.name in CONVERSIONS:
            continue  # the one conversion of files that others published, see its docstring
        assert not content_of(path).imports & {"pickle", "joblib", "dill", "cloudpickle"}, path
        assert "torch.load(" not in path.read_text(encoding="utf-8"), path
