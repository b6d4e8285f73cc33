"""Smooth outlines: the geometry that every silhouette is drawn with.

Coordinates are in product units: x to the right, y downwards, (0, 0) the middle of the photo,
and about 1.0 to each side of it.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = list[tuple[float, float]]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One closed piece of the product.

    Args:
        points: corners in product units; a point given twice is a sharp corner.
        stuff: what fills it: "fabric", "second" (the second colour), "inside", "trim", "metal".
        shade: added to the brightness, -1 to 1 (0 = as the fabric).
    """

    points: Points
    stuff: str = "fabric"
    shade: float = 0.0


@dataclass(frozen=True)
class Stroke:
    """One open line: a seam, a strap, a button row.

    Args:
        points: corners in product units.
        width: in product units.
        stuff: what it is made of, as in `Part`, or "seam" (darkens what lies below).
        under: drawn before the parts instead of after them.
    """

    points: Points
    width: float = 0.012
    stuff: str = "seam"
    under: bool = False


@dataclass
class Silhouette:
    """All pieces of one product, in the order in which they are drawn."""

    parts: list[Part] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)


def smooth(points: Points, *, closed: bool = True, steps: int = 10) -> Array:
    """Catmull-Rom curve through the points.

    Shape:
        [n_curve_points, 2]

    Args:
        points: corners; a point given twice stays a sharp corner.
        closed: whether the curve returns to its first point.
        steps: curve points a segment.

    Returns:
        Points of the curve, in the units of `points`.

    Example:
        >>> smooth([(0.0, 0.0), (1.0, 0.0)], closed=False, steps=2).shape
        (3, 2)
    """
    knots = np.asarray(points, dtype=float)
    n = len(knots)
    before, after = (knots[-1], knots[:2]) if closed else (knots[0], knots[[-1, -1]])
    padded = np.vstack([before, knots, after])
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    pieces = []
    for i in range(n if closed else n - 1):
        p0, p1, p2, p3 = padded[i : i + 4]
        if (p1 == p2).all():  # a corner: this segment has no length and would draw a loop
            continue
        m1, m2 = (p2 - p0) / 2, (p3 - p1) / 2
        curve = (2 * t**3 - 3 * t**2 + 1) * p1 + (t**3 - 2 * t**2 + t) * m1
        pieces.append(curve + (-2 * t**3 + 3 * t**2) * p2 + (t**3 - t**2) * m2)
    return np.vstack(pieces if closed else [*pieces, knots[-1:]])


def sharp(*points: tuple[float, float]) -> Points:
    """Return the points with every one of them a sharp corner.

    Example:
        >>> sharp((0.0, 1.0))
        [(0.0, 1.0), (0.0, 1.0)]
    """
    return [point for point in points for _ in range(2)]


def mirror(points: Points) -> Points:
    """Return the points with left and right exchanged, walked backwards.

    Example:
        >>> mirror([(1.0, 0.0), (2.0, 3.0)])
        [(-2.0, 3.0), (-1.0, 0.0)]
    """
    return [(-x, y) for x, y in reversed(points)]


def both_sides(half: Points) -> Points:
    """Return a closed outline from its right half, given from top to bottom."""
    return [*half, *mirror(half)]


def ellipse(centre: tuple[float, float], rx: float, ry: float, *, n: int = 12) -> Points:
    """Return `n` points on an ellipse with half axes `rx`, `ry` in product units."""
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return [(centre[0] + rx * float(np.cos(a)), centre[1] + ry * float(np.sin(a))) for a in angles]
