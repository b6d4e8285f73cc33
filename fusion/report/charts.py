"""What all charts share: colours of the page, no text of anybody else's, plain inline SVG."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from encoders.process_lock import ProcessLock
from fusion.report.content import Losses
from fusion.report.number_text import compact

# Stand-ins that become variables of the style sheet, so that one chart suits light and dark.
INK, MUTED, LINE, ACCENT, SOFT = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", ACCENT: "accent", SOFT: "accent-soft"}
LINES = "Strong lines: validation rows. Grey lines: training rows."
FONT_SIZE = 10.5
SIZE = (4.8, 3.8)
_DRAWING = ProcessLock()  # settings of matplotlib are the whole process's
CLUTTER = (
    re.compile(r"<metadata>.*?</metadata>", re.DOTALL),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"<style[^>]*>.*?</style>", re.DOTALL),
    re.compile(r"\sxmlns(:xlink)?=\"[^\"]*\""),
    re.compile(r"\s(width|height)=\"[\d.]+pt\""),
    re.compile(r"font-family:[^;\"]*;?"),
)


@dataclass(frozen=True)
class Chart:
    """One chart: heading, drawing, and what to see in it, in words."""

    title: str
    svg: Markup
    caption: str


def new_axes(x: str, y: str) -> Axes:
    """Empty axes in the style of the page; labels are the project's own words only."""
    figure = Figure(figsize=SIZE, facecolor="none")
    figure.subplots_adjust(left=0.16, right=0.96, bottom=0.16, top=0.97)
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    axes.set_xlabel(x, color=MUTED, fontsize=FONT_SIZE, labelpad=5)
    axes.set_ylabel(y, color=MUTED, fontsize=FONT_SIZE, labelpad=5)
    axes.tick_params(colors=MUTED, labelsize=FONT_SIZE, length=0, pad=5, which="both")
    axes.grid(visible=True, color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(LINE)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    return axes


def to_svg(axes: Axes, *, name: str, label: str, words: Mapping[str, str] | None = None) -> Markup:
    """The chart as inline SVG.

    Args:
        axes: What `new_axes` gave, drawn upon.
        name: Unique in the page: identifiers inside the drawing begin with it.
        label: What a screen reader says.
        words: Text that was drawn -> text of somebody else that takes its place, escaped.
    """
    figure, buffer = cast(Figure, axes.figure), io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _DRAWING.held(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for pattern in CLUTTER:
        text = pattern.sub("", text)
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)  # a hundredth of a point cannot be seen
    text = re.sub(r"(\bid=\"|href=\"#|url\(#)", rf"\g<1>{name}-", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    for drawn, said in (words or {}).items():
        text = text.replace(f">{drawn}<", f">{escape(said)}<")
    opening = Markup('<svg role="img" aria-label="{}"').format(label)
    return Markup(opening + Markup(text.removeprefix("<svg")))


def training_chart(networks: Sequence[Losses]) -> Chart | None:
    """Training and validation losses by epoch, kept epochs marked; None without epochs."""
    trained = [losses for losses in networks if losses.validation]
    if not trained:
        return None
    axes = _loss_axes()
    for losses in trained:
        _draw_validated(axes, losses)
    caption = _kept_epochs(trained, "networks")
    svg = to_svg(axes, name="training", label=f"Loss by epoch. {caption}")
    return Chart("Training", svg, f"{caption} {LINES}")


def tuning_chart(runs: Sequence[Losses]) -> Chart | None:
    """The same of tuning runs, of which one may have no validation rows; None without epochs."""
    validated = [losses for losses in runs if losses.validation]
    others = [losses for losses in runs if losses.train and not losses.validation]
    if not validated and not others:
        return None
    axes, sentences = _loss_axes(), []
    for losses in validated:
        _draw_validated(axes, losses)
    for losses in others:
        dashes = (0, (4, 2))
        _draw_curve(axes, losses.train, color=INK, linewidth=1.6, linestyle=dashes, mfc="none")
    if validated:
        sentences += [_kept_epochs(validated, "tuning runs"), LINES]
    if others:
        mark = "Dashed line" if any(len(losses.train) > 1 for losses in others) else "Ring"
        sentences.append(
            f"{mark}: training rows of the run on all rows, which leaves none to validate it."
        )
    caption = " ".join(sentences)
    svg = to_svg(axes, name="tuning", label=f"Loss of tuning by epoch. {caption}")
    return Chart("Tuning", svg, caption)


def _loss_axes() -> Axes:
    axes = new_axes("epoch", "loss (1 = best constant answer)")
    axes.axhline(1.0, color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    return axes


def _draw_validated(axes: Axes, losses: Losses) -> None:
    """Both lines of a run, up to the last epoch that was validated, and the epoch kept."""
    n_epochs = len(losses.validation)
    _draw_curve(axes, losses.train[:n_epochs], color=MUTED, linewidth=1.2)
    _draw_curve(axes, losses.validation, color=ACCENT, linewidth=2.0)
    if 1 <= losses.best_epoch <= n_epochs:
        kept = losses.validation[losses.best_epoch - 1]
        axes.plot([losses.best_epoch], [kept], "o", color=ACCENT, markersize=7)


def _draw_curve(axes: Axes, values: Sequence[float], **style: Any) -> None:
    marker = "o" if len(values) == 1 else None  # a line of one point cannot be seen
    axes.plot(range(1, len(values) + 1), values, marker=marker, markersize=5, **style)


def _kept_epochs(trained: Sequence[Losses], what: str) -> str:
    """Which epochs were kept, and how good they were."""
    kept = [losses for losses in trained if 1 <= losses.best_epoch <= len(losses.validation)]
    if not kept:
        return f"{max(len(losses.validation) for losses in trained)} epochs."
    best = [losses.validation[losses.best_epoch - 1] for losses in kept]
    epochs = ", ".join(str(losses.best_epoch) for losses in kept)
    share = " to ".join(dict.fromkeys([compact(min(best)), compact(max(best))]))
    start = (
        f"The weights of epoch {epochs} were kept (dot)"
        if len(kept) == 1
        else f"{len(kept)} {what}, each stopped on another fold of the rows; the weights of "
        f"epochs {epochs} were kept (dots)"
    )
    return f"{start}: there the validation loss was lowest, {share} of the best constant answer's."
