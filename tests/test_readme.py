"""What the pages say is true: their code runs, their links lead somewhere, their keys exist."""

import doctest
import json
import re
import tomllib
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from encoders import ENCODERS
from encoders.names import KNOWN
from encoders.text.augmentation import TextAugmentation
from fusion.bundle.document import FORMAT
from fusion.choices.mistakes import option_names
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.job_steps.config import (
    DataSection,
    EvaluationSection,
    ModelSection,
    SalesSection,
    SplitSection,
    TrainConfig,
)
from fusion.job_steps.forecast_config import ForecastConfig, ForecastSection
from fusion.job_steps.head_sections import HeadSection
from fusion.members.registry import MEMBERS
from fusion.modalities import MODALITIES, input_roles
from fusion.pretraining import PretrainingSettings
from fusion.strategies import FUSIONS
from fusion.training import TrainingSettings
from fusion.tuning import TuningSettings
from heads import HEADS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SECTIONS = {
    "Top level": TrainConfig,
    "[data]": DataSection,
    "[sales]": SalesSection,
    "[[heads]]": HeadSection,
    "[model]": ModelSection,
    "[training]": TrainingSettings,
    "[split]": SplitSection,
    "[evaluation]": EvaluationSection,
}
SETUP = (
    "python3 -m venv .venv && .venv/bin/pip install --quiet uv && "
    '.venv/bin/uv pip install --quiet --python .venv/bin/python -e ".[{extra}]" && .venv/bin/{run}'
)
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for room in ("encoders", "heads", "fusion")
    for path in (ROOT / room).rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def links():
    for page in PAGES:
        prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            yield pytest.param(page, target, id=f"{page.name}: {target}")


@pytest.mark.usefixtures("registries", "forked_pool", "few_draws")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for number, source in enumerate(blocks(page, "python"), start=1):
        exec(compile(source, f"{page.name}, block {number}", "exec"), namespace)
    tables = re.findall(r"^\| ask \| answer \|\n((?:\|.*\n)+)", text_of(page), re.MULTILINE)
    claims = re.findall(r"^\| `(.+)` \| `(.+)` \|$", "".join(tables), re.MULTILINE)
    wrong = {ask: found for ask, told in claims if (found := str(eval(ask, namespace))) != told}
    assert wrong == {}, f"{page.name} answers otherwise than it says"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_configurations_of_a_page_are_valid(page):
    for source in blocks(page, "toml"):
        TrainConfig.from_dict(tomllib.loads(source))


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_a_link_leads_to_a_file_of_the_project(page, target):
    assert "://" not in target, "pages link to files of the project alone"
    path = (page.parent / target.partition("#")[0]).resolve()
    assert path.is_relative_to(ROOT.resolve()) and path.exists()


@pytest.mark.parametrize(
    ("table", "parts"),
    [("encoders", ENCODERS), ("strategies", FUSIONS), ("members", MEMBERS), ("heads", HEADS)],
)
def test_the_readme_has_every_part_that_comes_along(table, parts):
    rows = text_of(ROOT / "README.md").split(f"\n| {table} |")[1].split("\n\n")[0]
    named = re.findall(r"^\| `(\w+)`", rows, re.MULTILINE)
    assert sorted(named) == sorted(parts), f"README.md, table of {table}"


@pytest.mark.parametrize(
    ("mark", "extra", "run"),
    [
        ("demo", "minilm", "fusion demo"),
        ("tests", "test", "python -m pytest -n 2 --dist worksteal"),
    ],
)
def test_setting_up_is_one_line_between_its_marks(mark, extra, run):
    found = re.findall(
        rf"<!-- {mark} -->\n```sh\n(.*)\n```\n<!-- end -->", text_of(ROOT / "README.md")
    )
    assert found == [SETUP.format(extra=extra, run=run)]


def test_the_page_on_tests_has_every_marker_and_says_which_are_left_out():
    section = text_of(ROOT / "docs" / "extending.md").split("\n## Tests\n")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", section, re.MULTILINE))
    options = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["pytest"]["ini_options"]
    assert [*rows] == [marker.partition(":")[0] for marker in options["markers"]]
    left_out = options["addopts"][options["addopts"].index("-m") + 1]
    assert left_out == "not slow" and "-m slow" in text_of(ROOT / "README.md")
    assert [name for name, when in rows.items() if "by default" not in when] == ["slow"]


def default_of(field):
    if field.is_required():
        return "required"
    value = field.default if field.default is not PydanticUndefined else field.default_factory()
    return "none" if value is None else f"`{json.dumps(value)}`"


def defaults_of(fields):
    return {name: default_of(field) for name, field in fields.items()}


def check_rows(place, rows, wanted):
    """Holds rows of a page, name -> second cell, to what they must be; says which line to write."""
    lines = [f"add | `{n}` | {wanted[n]} | ... |" for n in wanted if n not in rows]
    lines += [f"take | `{name}` | out" for name in rows if name not in wanted]
    lines += [
        f"write {wanted[name]} beside `{name}`, not {cell}"
        for name, cell in rows.items()
        if wanted.get(name, cell) != cell
    ]
    assert lines == [], f"docs/{place}: " + "; ".join(lines)


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_configuration_page_has_every_key_with_its_default(heading):
    page = text_of(ROOT / "docs" / "configuration.md")
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| ", section.split("\n| head |")[0], re.MULTILINE)
    fields = SECTIONS[heading].model_fields
    if heading == "Top level":
        fields = {name: fields[name] for name in ("title", "store")}
    check_rows(f"configuration.md, ## {heading}", dict(rows), defaults_of(fields))


def test_every_section_of_a_configuration_has_a_heading():
    headings = {heading.strip("[]") for heading in SECTIONS} - {"Top level"}
    assert headings | {"title", "store", "tuning", "encoders"} == set(TrainConfig.model_fields)


def rows_of(heading, until="\n## "):
    page = text_of(ROOT / "docs" / "configuration.md")
    section = page.split(f"\n## {heading}\n")[1].split(until)[0]
    return re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE)


def test_the_configuration_page_has_every_role_and_the_encoder_of_every_modality():
    roles = dict.fromkeys(("id", *input_roles()), "its columns")
    rows = dict.fromkeys(dict(rows_of("[data.columns]")), "its columns")
    check_rows("configuration.md, ## [data.columns]", rows, roles)
    defaults = {name: f"`{each.default_encoder}`" for name, each in MODALITIES.items()}
    rows = dict(rows_of("[encoders]", until="\n| encoder |"))
    check_rows("configuration.md, ## [encoders]", rows, defaults)
    options = {name for known in KNOWN.values() for name in known.options}
    page = text_of(ROOT / "docs" / "configuration.md").split("\n## [encoders]\n")[1]
    untold = [name for name in options if f"`{name}`" not in page.split("\n## ")[0]]
    assert untold == [], f"docs/configuration.md, ## [encoders]: say what {untold} mean."


def test_the_configuration_page_has_every_option_of_every_member():
    section = text_of(ROOT / "docs" / "configuration.md").split("\n| member | options |\n")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section.split("\n\n")[0], re.MULTILINE))
    for name, member in MEMBERS.items():
        told = rows.pop(name, "")
        untold = sorted(one for one in option_names(member) if f"`{one}`" not in told)
        assert untold == [], f"docs/configuration.md, ## [model], {name}: say what {untold} mean."
    assert rows == {}, f"docs/configuration.md, ## [model]: no members: {', '.join(rows)}"


def test_the_configuration_page_has_every_option_of_every_head():
    section = text_of(ROOT / "docs" / "configuration.md").split("\n| head | options |\n")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section.split("\n\n")[0], re.MULTILINE))
    for name, head in HEADS.items():
        told = set(re.findall(r"(?:^|; )`(\w+)`:", rows.pop(name, "")))
        options = option_names(head) - {"target"}
        assert told == options, f"docs/configuration.md, [[heads]], {name}: tell of {options}."
    assert rows == {}, f"docs/configuration.md, [[heads]]: no heads: {', '.join(rows)}"


def test_the_page_on_fine_tuning_has_every_key_with_its_default():
    section = text_of(ROOT / "docs" / "fine_tuning.md").split("\n## Settings\n")[1]
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \| ", section.split("\n## ")[0], re.MULTILINE))
    changes = {"text": TextAugmentation(), "photos": TuningSettings().photos}
    fields = {n: f for n, f in TuningSettings.model_fields.items() if n not in changes}
    defaults = {name: default_of(field) for name, field in fields.items()} | {
        f"{name}.{key}": f"`{json.dumps(value)}`"
        for name, augmentation in changes.items()
        for key, value in asdict(augmentation).items()
    }
    mode = {"mode": '`"none"`'}  # of the file and the estimators
    check_rows("fine_tuning.md, ## Settings", rows, {**defaults, **mode})


def test_the_page_on_forecasts_has_every_key_with_its_default_and_every_member():
    page = text_of(ROOT / "docs" / "forecasting.md")
    section = page.split("\n## [forecast]\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| ", section, re.MULTILINE))
    check_rows("forecasting.md, ## [forecast]", rows, defaults_of(ForecastSection.model_fields))
    told = page.split("\n## Members\n")[1].split("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE)
    assert sorted(named) == sorted(FORECAST_MEMBERS), "docs/forecasting.md, ## Members"


def test_the_configuration_of_the_page_on_forecasts_is_valid():
    source = blocks(ROOT / "docs" / "forecasting.md", "text")[0]
    assert ForecastConfig.from_dict(tomllib.loads(source)).forecast.horizon == 8


def test_the_page_on_bundles_names_the_format_that_is_read():
    page = text_of(ROOT / "docs" / "bundles.md")
    assert re.findall(r"`format must be (\d+)", page) == [str(FORMAT)]


def test_the_page_on_pretraining_has_every_key_with_its_default():
    section = text_of(ROOT / "docs" / "pretraining.md").split("\n## Settings\n")[1]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| ", section.split("\n## ")[0], re.MULTILINE)
    wanted = defaults_of(PretrainingSettings.model_fields)
    check_rows("pretraining.md, ## Settings", dict(rows), wanted)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0 and result.failed == 0
