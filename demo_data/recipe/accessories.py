"""Outlines of bags, shoes and hats."""

import numpy as np

from recipe.looks import Look
from recipe.outline import Part, Points, Silhouette, Stroke, both_sides, ellipse, sharp


def arc(rx: float, ry: float, *, y: float) -> Points:
    """Return the upper half of an ellipse around (0, y), from left to right."""
    angles = np.linspace(np.pi, 2 * np.pi, 9)
    return [(rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]


def bag(look: Look) -> Silhouette:
    """Return a tote, a flap bag, a bucket bag or a backpack."""
    kind = int(4 * look.kind)
    wide = 0.42 + 0.22 * look.volume
    tall = 0.36 + 0.22 * look.length
    top, low = 0.15 - tall, 0.15 + tall
    taper = (1.12, 0.97, 0.78, 0.92)[kind]
    half: Points = [(0.0, top), *sharp((wide * taper, top)), (wide, 0.3), (wide * 0.96, low - 0.06)]
    half += [(wide * 0.82, low), (0.0, low + 0.01)]
    grip = (0.55, 0.8, 0.62, 0.25)[kind] * wide
    rise = (0.42, 0.62, 0.55, 0.18)[kind]
    made = Silhouette([Part(both_sides(half))])
    made.strokes.append(Stroke(arc(grip, rise, y=top + 0.04), 0.06, "trim", under=True))
    if kind == 0:
        made.strokes.append(Stroke([(-grip, top), (-grip, top + 0.22)], 0.05, "trim"))
        made.strokes.append(Stroke([(grip, top), (grip, top + 0.22)], 0.05, "trim"))
    elif kind == 1:
        flap = [(-wide * 0.97, top), (wide * 0.97, top), (wide * 0.85, 0.16), (0.0, 0.24)]
        made.parts.append(Part([*sharp(*flap[:2]), *flap[2:], (-wide * 0.85, 0.16)], shade=0.07))
        made.parts.append(Part(ellipse((0.0, 0.2), 0.06, 0.045), "metal"))
    elif kind == 2:
        made.strokes.append(
            Stroke([(-wide * 0.8, top + 0.1), (wide * 0.8, top + 0.1)], 0.03, "trim")
        )
        made.parts.append(Part(ellipse((0.0, top + 0.12), 0.04, 0.05), "metal"))
    else:
        front = [(-0.7 * wide, 0.2), (0.7 * wide, 0.2), (0.66 * wide, low - 0.06)]
        made.parts.append(Part([*sharp(*front), *sharp((-0.66 * wide, low - 0.06))], shade=0.06))
        made.strokes.append(Stroke([(-0.7 * wide, 0.24), (0.7 * wide, 0.24)], 0.02, "metal"))
    return made


def shoe(look: Look) -> Silhouette:
    """Return a pair in side view: trainers, ankle boots, heels or loafers."""
    front = one_shoe(look, dx=0.0, dy=0.16, shade=0.0)
    behind = one_shoe(look, dx=0.16, dy=-0.34, shade=-0.08)
    return Silhouette(behind.parts + front.parts, behind.strokes + front.strokes)


def one_shoe(look: Look, *, dx: float, dy: float, shade: float) -> Silhouette:
    """Return one shoe with its toe to the left, moved by (dx, dy)."""
    kind = int(4 * look.kind)
    sole = 0.04 + 0.12 * look.volume
    lift = (0.12 + 0.18 * look.length) if kind == 2 else 0.0
    heel_y = 0.30 - lift
    shaft = (0.02, -0.42, 0.08 - lift, 0.06)[kind]
    upper = [(-0.74, 0.27), (-0.70, 0.15), (-0.45, 0.08), (-0.16, -0.02 - lift * 0.5)]
    upper += [
        *sharp((0.05, shaft - 0.06), (0.50, shaft)),
        (0.56, 0.12 - lift),
        *sharp((0.55, heel_y)),
    ]
    upper += [(0.1, 0.31 - 0.45 * lift), *sharp((-0.3, 0.31))]
    base = sharp((-0.75, 0.27), (-0.3, 0.29), (0.56, heel_y - 0.01), (0.57, heel_y + sole))
    base += sharp((0.3, heel_y + sole), (-0.3, 0.30 + sole))
    base += [(-0.70, 0.30 + sole), (-0.79, 0.28 + sole / 2)]
    parts = [Part(base, "trim", shade), Part(upper, shade=shade)]
    mouth = [
        (0.07, shaft - 0.05),
        (0.28, shaft + 0.035),
        (0.48, shaft + 0.005),
        (0.28, shaft - 0.05),
    ]
    parts.append(Part(mouth, "inside", shade))
    if kind == 2:
        parts.insert(
            0, Part(sharp((0.40, heel_y), (0.56, heel_y), (0.54, 0.42), (0.47, 0.42)), "trim")
        )
    strokes = []
    if kind in (0, 1):
        for step in np.linspace(0.0, 1.0, 4):
            x, y = -0.34 + 0.30 * float(step), 0.07 - 0.10 * float(step)
            strokes.append(Stroke([(x, y + 0.02), (x + 0.12, y + 0.09)], 0.024, "trim"))
    else:
        strokes.append(Stroke([(-0.34, 0.06), (-0.2, 0.19), (0.0, 0.2)], 0.012))
    moved = [Part([(x + dx, y + dy) for x, y in p.points], p.stuff, p.shade) for p in parts]
    lines = [Stroke([(x + dx, y + dy) for x, y in s.points], s.width, s.stuff) for s in strokes]
    return Silhouette(moved, lines)


def hat(look: Look) -> Silhouette:
    """Return a brimmed hat, a cap, a beanie or a bucket hat."""
    kind = int(4 * look.kind)
    tall, brim = 0.42 + 0.16 * look.length, 0.56 + 0.34 * look.volume
    if kind == 0:
        crown = [(0.0, 0.12 - tall), (0.16, 0.08 - tall), (0.33, 0.14 - tall), (0.40, 0.2)]
        made = Silhouette([Part(ellipse((0.0, 0.24), brim, 0.17, n=16), shade=-0.05)])
        made.parts.append(Part(both_sides([*crown, (0.2, 0.28), (0.0, 0.30)])))
        made.strokes.append(Stroke([(-0.40, 0.14), (0.0, 0.24), (0.40, 0.14)], 0.10, "trim"))
    elif kind == 1:
        dome: Points = [
            (-0.46, 0.2),
            (-0.42, -0.15),
            (-0.1, 0.14 - tall),
            (0.28, -0.15),
            (0.40, 0.2),
        ]
        peak = [
            (0.0, 0.18),
            (0.40, 0.10),
            (0.55 + 0.4 * look.volume, 0.26),
            (0.4, 0.34),
            (0.05, 0.28),
        ]
        made = Silhouette([Part([*sharp(dome[0]), *dome[1:4], *sharp(dome[4]), (0.0, 0.26)])])
        made.parts.append(Part(peak, shade=-0.06))
        made.strokes.append(Stroke([(-0.08, 0.14 - tall), (-0.04, -0.1), (-0.02, 0.22)], 0.01))
        made.parts.append(Part(ellipse((-0.08, 0.13 - tall), 0.04, 0.025), "trim"))
    elif kind == 2:
        wide = 0.36 + 0.12 * look.volume
        half = [(0.0, 0.1 - tall), (0.6 * wide, 0.14 - tall), (wide, 0.0), *sharp((wide, 0.42))]
        fold = sharp((-wide - 0.02, 0.2), (wide + 0.02, 0.2), (wide, 0.46), (-wide, 0.46))
        made = Silhouette([Part(both_sides([*half, (0.0, 0.44)])), Part(fold, shade=0.06)])
        for x in np.linspace(-wide + 0.04, wide - 0.04, 14):
            made.strokes.append(Stroke([(float(x), 0.22), (float(x), 0.44)], 0.010))
    else:
        crown = [(0.0, 0.0 - tall * 0.7), *sharp((0.32, 0.02 - tall * 0.7)), (0.37, 0.14)]
        made = Silhouette([Part(both_sides([*crown, (0.0, 0.2)]))])
        half = [(0.0, 0.14), *sharp((0.37, 0.10)), *sharp((brim, 0.42)), (0.4, 0.50), (0.0, 0.53)]
        made.parts.append(Part(both_sides(half), shade=-0.05))
        for y in (0.24, 0.34, 0.44):
            made.strokes.append(Stroke([(-0.85 * brim, y), (0, y + 0.08), (0.85 * brim, y)], 0.006))
    return made
