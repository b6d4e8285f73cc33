"""The page itself: views of the report, put into the templates beside this file."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fusion.report.answer import Answer, head_answer
from fusion.report.cards import CardGrid, card_grids, thumbnail
from fusion.report.charts import Chart, training_chart
from fusion.report.class_charts import class_charts
from fusion.report.classification_charts import classification_charts
from fusion.report.comparison import (
    Comparison,
    MetricTable,
    against_simple,
    metric_table,
    without_each,
)
from fusion.report.content import DataSummary, NewItems, TrainingReport
from fusion.report.data_view import dropped_groups, problem_groups, share_bar, split_bars
from fusion.report.head_result import HeadResult
from fusion.report.interval_charts import interval_charts
from fusion.report.members_view import member_tables
from fusion.report.metric_names import metric_name
from fusion.report.number_text import GAP, number
from fusion.report.period_words import day_text
from fusion.report.regression_charts import regression_charts
from fusion.report.steps_view import StepTable, step_charts, step_table
from fusion.report.tuning_view import tuning_view
from fusion.system.files import readable, write_atomically

TEMPLATE = "page.html.j2"
ITEMS_TEMPLATE = "new_items.html.j2"
STYLE, FORECAST_STYLE = "page.css", "forecast.css"
MOST_IN_REPORT = 30  # new items: 200 of them made 20 of 31 printed pages
SMALL = 96  # pixels of the longer side of a photo in a table


@dataclass(frozen=True)
class HeadView:
    """One head as the page shows it."""

    slug: str
    target: str
    description: str
    metric: str
    answer: Answer
    simple: Comparison
    without: Comparison
    metrics: MetricTable
    charts: list[Chart]
    steps: StepTable | None
    grids: tuple[CardGrid, ...]


def write_page(text: str, path: Path) -> None:
    """Write a page that was rendered as one self-contained file, as a whole or not at all.

    Args:
        text: The page.
        path: Where to write; a file that is there is replaced.

    Raises:
        OSError: If it cannot be written.
    """
    # A lone surrogate, which a broken table may hold, has no place in UTF-8.
    write_atomically(path, readable(text).encode())


def write_report(report: TrainingReport, path: Path) -> None:
    """Write the report as one self-contained HTML file, as a whole or not at all.

    Args:
        report: What to show.
        path: Where to write; a file that is there is replaced.

    Raises:
        OSError: If it cannot be written.
    """
    write_page(render_report(report), path)


def write_new_items(new: NewItems, path: Path, *, title: str) -> None:
    """Write the table of new items as one self-contained HTML file, as a whole or not at all.

    Args:
        new: What to show.
        path: Where to write; a file that is there is replaced.
        title: Heading of the page.

    Raises:
        OSError: If it cannot be written.
    """
    write_page(render_new_items(new, title=title), path)


def _first_items(new: NewItems | None) -> NewItems | None:
    """The new items that a report shows; the others stand on a page of their own."""
    return None if new is None else replace(new, items=new.items[:MOST_IN_REPORT])


def render_new_items(new: NewItems, *, title: str) -> str:
    """The table of new items as the text of one HTML page; every text of it is escaped."""
    return environment().get_template(ITEMS_TEMPLATE).render(new=new, title=title)


def render_report(report: TrainingReport) -> str:
    """The report as the text of one HTML page, without any address outside of it.

    Every text of the report is escaped: titles, ids, column names and messages are not trusted.
    """
    heads = [_head_view(result, f"head-{n}") for n, result in enumerate(report.heads)]
    titles = {
        each.evaluation.head: view.answer.name
        for each, view in zip(report.heads, heads, strict=True)
    }
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            title=report.title,
            new=_first_items(report.new_items),
            heads=heads,
            tuning=tuning_view(report),
            training=training_chart(report.losses),
            members=member_tables(report.blend_weights, report.new_weights, titles=titles),
            data=_data_view(report.summary),
            glossary=_glossary(report.heads),
            made_with=report.made_with,
            alarms=report.alarms,
        )
    )


@cache
def environment() -> Environment:
    """Templates of this folder, compiled once."""
    loader = PackageLoader("fusion.report", ".")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["small"] = lambda photo: thumbnail(photo, side=SMALL)
    environment.filters["photo"] = lambda photo, side: thumbnail(photo, side=side)
    environment.filters["day"] = day_text
    environment.filters["tight"] = lambda text: text.replace(" %", f"{GAP}%")
    for name, file in {"style": STYLE, "forecast_style": FORECAST_STYLE}.items():
        environment.globals[name] = Markup(loader.get_source(environment, file)[0])
    return environment


def _head_view(result: HeadResult, slug: str) -> HeadView:
    evaluation = result.evaluation
    return HeadView(
        slug=slug,
        target=evaluation.target,
        description=evaluation.description,
        metric=metric_name(evaluation.primary_metric).label,
        answer=head_answer(result),
        simple=against_simple(evaluation),
        without=without_each(evaluation),
        metrics=metric_table(evaluation),
        charts=head_charts(result, name=slug),
        steps=step_table(result),
        grids=card_grids(result),
    )


def head_charts(result: HeadResult, *, name: str) -> list[Chart]:
    """The charts that suit what is asked: numbers, a probability or classes, by step or not."""
    if result.actual.ndim > 1:
        is_number = not (result.labels or result.positive)
        means = regression_charts(result.over_steps(), name=name) if is_number else []
        titled = [replace(each, title=f"{each.title}, mean of the steps") for each in means]
        return [*step_charts(result, name=name), *titled]
    if result.labels:
        return class_charts(result, name=name)
    if result.positive:
        return classification_charts(result, name=name)
    return [*regression_charts(result, name=name), *interval_charts(result, name=name)]


def _data_view(summary: DataSummary) -> dict[str, Any]:
    return {
        "source": summary.source,
        "n_rows": summary.n_rows,
        "split": summary.split,
        "split_bars": split_bars(summary),
        "modalities": [
            (modality, share_bar(name, modality.share_present))
            for name, modality in summary.modalities.items()
        ],
        "columns": [
            (column, share_bar(column.name, column.share_missing)) for column in summary.columns
        ],
        "ignored": summary.ignored,
        "problems": problem_groups(summary.problems),
        "notes": summary.notes,
        "n_problems": len(summary.problems),
        "dropped": dropped_groups(summary.dropped),
        "n_dropped": len(summary.dropped),
    }


def _glossary(heads: tuple[HeadResult, ...]) -> dict[str, str]:
    """Every metric that the page shows, by label."""
    scores = [score for result in heads for score in result.evaluation.scores]
    names = [metric_name(name) for score in scores for name in score.metrics]
    return {name.label: name.says for name in names}
