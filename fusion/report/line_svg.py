"""Lines and bands over periods as plain inline SVG, in the colours of the style sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from fusion.report.number_text import compact

Floats = NDArray[np.float64]
LEFT, RIGHT, TOP, BOTTOM = 38.0, 10.0, 8.0, 24.0
"""Margins in units of the drawing."""
N_TICKS = 4
LETTER = 6.0 / 360.0
"""Width of a letter of a label by the width of the drawing, where that is as wide as a phone."""


@dataclass(frozen=True)
class Drawing:
    """Where values lie in a drawing.

    Args:
        n: Places along the axis, >= 2.
        top: The largest value, >= 0; what is below 0 is drawn at 0.
        width: Of the drawing.
        height: Of the drawing.
    """

    n: int
    top: float
    width: float = 360.0
    height: float = 200.0

    @property
    def step(self) -> float:
        """From one tick of the values to the next: 1, 2 or 5 times a power of ten."""
        least = max(self.top, 1.0) / N_TICKS
        power = 10.0 ** math.floor(math.log10(least))
        return next(size * power for size in (1.0, 2.0, 5.0, 10.0) if size * power >= least)

    def x(self, place: float) -> float:
        """Across; places count from 0."""
        span = self.width - LEFT - RIGHT
        return LEFT + span * place / max(self.n - 1, 1)

    def y(self, value: float) -> float:
        """Down."""
        n_steps = max(math.ceil(self.top / self.step), 1)
        share = min(max(value / (n_steps * self.step), 0.0), 1.0)
        return self.height - BOTTOM - share * (self.height - BOTTOM - TOP)

    def line(self, values: Floats, name: str, *, begin: int = 0) -> str:
        """A line of a class of the style sheet; broken where values are not known."""
        parts, points = [], self._points(values, begin)
        for run in _runs(np.isfinite(values)):
            found = points[run]
            if len(found) == 1:
                x, y = found[0].split(",")
                parts.append(f'<circle class="{name} dot" cx="{x}" cy="{y}" r="2.4"/>')
            else:
                parts.append(f'<polyline class="{name}" points="{" ".join(found)}"/>')
        return "".join(parts)

    def dots(self, values: Floats, name: str, *, begin: int = 0) -> str:
        """A dot for each value that is known."""
        points = [one.split(",") for one in self._points(values, begin)]
        return "".join(
            f'<circle class="{name}" cx="{x}" cy="{y}" r="3.2"/>'
            for (x, y), value in zip(points, values, strict=True)
            if math.isfinite(value)
        )

    def band(self, low: Floats, high: Floats, name: str, *, begin: int = 0) -> str:
        """The area between two lines; a narrow bar where there is one place alone."""
        lower, upper = self._points(low, begin), self._points(high, begin)
        if len(low) == 1:
            bottom, top = self.y(float(low[0])), self.y(float(high[0]))
            left, height = self.x(begin) - 4, max(bottom - top, 1.0)
            size = f'width="8" height="{height:.1f}"'
            return f'<rect class="{name}" x="{left:.1f}" y="{top:.1f}" {size}/>'
        return f'<polygon class="{name}" points="{" ".join([*lower, *reversed(upper)])}"/>'

    def column(self, begin: int, end: int, name: str, says: str = "") -> str:
        """A bar over the whole height from one place to before another; says may be a hint."""
        half = 0.5
        left = max(self.x(begin - half), LEFT)
        right = min(self.x(end - half), self.width - RIGHT)
        hint = f"<title>{escape(says)}</title>" if says else ""
        size = f'width="{right - left:.1f}" height="{self.height - TOP - BOTTOM:.1f}"'
        return f'<rect class="{name}" x="{left:.1f}" y="{TOP:.1f}" {size}>{hint}</rect>'

    def upright(self, place: float, name: str) -> str:
        """A line over the whole height."""
        x = f"{self.x(place):.1f}"
        ends = f'y1="{TOP:.1f}" y2="{self.height - BOTTOM:.1f}"'
        return f'<line class="{name}" x1="{x}" x2="{x}" {ends}/>'

    def grid(self) -> str:
        """Level lines with their values."""
        parts = []
        for tick in np.arange(0.0, max(math.ceil(self.top / self.step), 1) + 0.5) * self.step:
            y = self.y(float(tick))
            ends = f'x1="{LEFT:.1f}" x2="{self.width - RIGHT:.1f}"'
            parts.append(f'<line class="grid" {ends} y1="{y:.1f}" y2="{y:.1f}"/>')
            place = f'x="{LEFT - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end"'
            parts.append(f"<text {place}>{compact(float(tick))}</text>")
        return "".join(parts)

    def labels(self, texts: Sequence[tuple[int, str]]) -> str:
        """Labels of places; one that would touch an earlier one of the list is left out."""
        parts: list[str] = []
        taken: list[tuple[float, float]] = []
        for place, text in texts:
            x, letter = self.x(place), LETTER * self.width
            width = letter * len(text)
            anchor = "start" if place == 0 else "end" if place == self.n - 1 else "middle"
            begin = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            end = begin + width
            if any(begin < after + letter and start < end + letter for start, after in taken):
                continue
            taken.append((begin, end))
            where = f'x="{x:.1f}" y="{self.height - 6:.1f}" text-anchor="{anchor}"'
            parts.append(f"<text {where}>{escape(text)}</text>")
        return "".join(parts)

    def svg(self, parts: Sequence[str], *, label: str) -> Markup:
        """The whole drawing; a screen reader says the label."""
        opening = Markup('<svg class="lines" role="img" aria-label="{}" viewBox="0 0 {} {}">')
        inside = Markup("".join(parts))  # numbers, and texts that were escaped
        return (
            opening.format(label, f"{self.width:g}", f"{self.height:g}") + inside + Markup("</svg>")
        )

    def _points(self, values: Floats, begin: int) -> list[str]:
        return [
            f"{self.x(begin + place):.1f},{self.y(value if math.isfinite(value) else 0.0):.1f}"
            for place, value in enumerate(values.tolist())
        ]


def _runs(there: NDArray[np.bool_]) -> list[slice]:
    """Places in a row that are there."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return [slice(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def unknown_runs(values: Floats) -> list[slice]:
    """Places in a row whose value is not known."""
    return _runs(~np.isfinite(values))
