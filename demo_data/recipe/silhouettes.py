"""Outlines of clothes: what makes a shirt look like a shirt."""

from collections.abc import Callable

import numpy as np

from recipe.accessories import bag, hat, shoe
from recipe.looks import Look
from recipe.outline import Part, Points, Silhouette, Stroke, both_sides, ellipse, mirror, sharp


def silhouette(look: Look) -> Silhouette:
    """Return the pieces of the product that `look` describes."""
    return SHAPES[look.family](look)


def sleeve_part(length: float, *, body: float, wide: float) -> Part:
    """Return the right sleeve; `length` 0.2 (cap) to 1 (wrist)."""
    angle = np.radians(48 - 33 * length)
    shoulder = (0.44 + 0.3 * (body - 0.4), -0.60)
    reach = 0.30 + 0.85 * length
    outer = (
        shoulder[0] + reach * float(np.sin(angle)),
        shoulder[1] + reach * float(np.cos(angle)),
    )
    cuff = (0.24 - 0.10 * length) * (0.8 + 0.5 * wide)
    inner = (outer[0] - cuff * float(np.cos(angle)), outer[1] + cuff * float(np.sin(angle)))
    bend = (0.7 * shoulder[0] + 0.3 * outer[0] + 0.02, 0.7 * shoulder[1] + 0.3 * outer[1])
    points = [*sharp((shoulder[0] - 0.14, shoulder[1] - 0.02)), shoulder, bend]
    points += [*sharp(outer, inner), (body - 0.02, -0.16), (body - 0.14, -0.3)]
    return Part(points, shade=-0.07)


def upper(look: Look, *, body: float, hem: float, sleeve: float, dip: float) -> Silhouette:
    """Return a top: back of the neck, sleeves, body; `hem` is the y of the lower edge."""
    shoulder = (0.44 + 0.3 * (body - 0.4), -0.60)
    neck = 0.15 + 0.05 * look.neck
    inside = [(-neck, -0.69), (0.0, -0.72), (neck, -0.69), (neck, -0.5), (0.0, dip), (-neck, -0.5)]
    made = Silhouette([Part(inside, "inside")])
    if sleeve > 0:
        arm = sleeve_part(sleeve, body=body, wide=look.volume)
        made.parts += [arm, Part(mirror(arm.points), shade=-0.07)]
        cuff = arm.points[4], arm.points[6]
        for side in (1, -1):
            edge = [(side * (x - 0.01), y - 0.035) for x, y in cuff]
            made.strokes.append(Stroke(edge, 0.008))
    else:
        shoulder = (neck + 0.13, -0.62)
    half: Points = [(0.0, dip), (0.6 * neck, dip - 0.05), *sharp((neck, -0.70)), *sharp(shoulder)]
    half += [(body - 0.05, -0.25), (body - 0.02, 0.0), *sharp((body, hem)), (0.0, hem + 0.03)]
    made.parts.append(Part(both_sides(half)))
    collar = [(-neck, -0.69), (-0.6 * neck, dip - 0.05), (0, dip), (0.6 * neck, dip - 0.05)]
    made.strokes.append(Stroke([*collar, (neck, -0.69)], 0.035, "trim"))
    return made


def t_shirt(look: Look) -> Silhouette:
    """Return a t-shirt: crew, scoop or deep neck, cap to long sleeves."""
    body, hem = 0.36 + 0.16 * look.volume, 0.42 + 0.36 * look.length
    sleeve = (0.2, 0.25, 0.35, 0.95)[int(4 * look.sleeve)]
    made = upper(look, body=body, hem=hem, sleeve=sleeve, dip=-0.56 + 0.22 * look.neck**2)
    made.strokes.append(
        Stroke([(-body + 0.01, hem - 0.05), (0, hem - 0.025), (body - 0.01, hem - 0.05)])
    )
    return made


def shirt(look: Look) -> Silhouette:
    """Return a shirt: collar, button row, perhaps a pocket."""
    body, hem = 0.36 + 0.16 * look.volume, 0.52 + 0.3 * look.length
    sleeve = 0.35 if look.sleeve < 0.3 else 1.0
    made = upper(look, body=body, hem=hem, sleeve=sleeve, dip=-0.48)
    made.strokes.pop()
    collar = sharp((0.0, -0.50), (0.17, -0.73), (0.25, -0.60), (0.12, -0.42))
    made.parts += [Part(collar, shade=0.06), Part(mirror(collar), shade=0.06)]
    made.strokes += [Stroke([(-0.035, -0.45), (-0.035, hem)], 0.008)]
    made.strokes += [Stroke([(0.035, -0.45), (0.035, hem)], 0.008)]
    for y in np.arange(-0.36, hem - 0.05, 0.16):
        made.parts.append(Part(ellipse((0.0, float(y)), 0.017, 0.017), "trim"))
    if look.kind > 0.5:
        pocket = [(0.14, -0.25), (0.32, -0.25), (0.32, -0.03), (0.23, 0.02), (0.14, -0.03)]
        made.strokes.append(Stroke([*pocket, (0.14, -0.25)], 0.01))
    return made


def knit(look: Look) -> Silhouette:
    """Return a jumper, roll neck or cardigan with ribbed edges."""
    body, hem = 0.40 + 0.16 * look.volume, 0.40 + 0.34 * look.length
    cardigan = look.kind > 0.65
    made = upper(look, body=body, hem=hem, sleeve=1.0, dip=-0.2 if cardigan else -0.58)
    for x in np.linspace(-body + 0.03, body - 0.03, 17):
        made.strokes.append(Stroke([(float(x), hem - 0.09), (float(x), hem + 0.01)], 0.012))
    made.strokes.append(Stroke([(-body + 0.01, hem - 0.1), (body - 0.01, hem - 0.1)], 0.01))
    if cardigan:
        made.strokes.append(Stroke([(0.0, -0.2), (0.0, hem)], 0.05, "trim"))
        for y in np.arange(-0.1, hem - 0.04, 0.15):
            made.parts.append(Part(ellipse((0.0, float(y)), 0.022, 0.022), "metal"))
    elif look.kind < 0.25:
        roll = [*sharp((-0.17, -0.60), (-0.15, -0.85), (0.15, -0.85), (0.17, -0.60)), (0.0, -0.54)]
        made.parts.append(Part(roll, shade=0.05))
    return made


def jacket(look: Look) -> Silhouette:
    """Return a jacket or coat: lapels or zip, pockets, open neck."""
    body = 0.40 + 0.16 * look.volume
    hem = 0.34 + 0.62 * look.length
    made = upper(look, body=body, hem=hem, sleeve=1.0, dip=-0.30)
    made.strokes.pop()
    if look.kind < 0.6:
        lapel = sharp((0.0, -0.14), (0.15, -0.74), (0.27, -0.56), (0.20, -0.46), (0.25, -0.41))
        made.parts += [Part(lapel, shade=0.07), Part(mirror(lapel), shade=0.07)]
        made.strokes.append(Stroke([(0.0, -0.14), (0.012, hem + 0.02)], 0.014))
        for y in (0.0, 0.2, 0.4)[: 2 + int(hem > 0.6)]:
            made.parts.append(Part(ellipse((0.06, y), 0.026, 0.026), "trim"))
    else:
        stand = sharp((-0.20, -0.58), (-0.17, -0.80), (0.17, -0.80), (0.20, -0.58), (0.0, -0.40))
        made.parts.append(Part(stand, shade=0.05))
        made.strokes.append(Stroke([(0.0, -0.78), (0.0, hem)], 0.022, "metal"))
    low = min(hem - 0.22, 0.32)
    for side in (1, -1):
        made.strokes.append(Stroke([(side * 0.15, low), (side * (body - 0.07), low - 0.04)], 0.022))
    return made


def dress(look: Look) -> Silhouette:
    """Return a dress: straps or sleeves, a waist, a narrow or wide skirt, mini to maxi."""
    hem = 0.42 + 0.60 * look.length
    flare = 0.30 + 0.40 * look.volume * (0.6 + 0.4 * look.length)
    sleeve = (0.0, 0.0, 0.28, 0.95)[int(4 * look.sleeve)]
    made = upper(look, body=0.34, hem=-0.08, sleeve=sleeve, dip=-0.58 + 0.3 * look.neck)
    bodice = made.parts.pop()
    top = [p for p in bodice.points[: len(bodice.points) // 2] if p[1] < -0.2]
    waist = 0.25 + 0.05 * look.volume
    half = [*top, (0.29, -0.28), (waist, -0.06), (0.5 * (waist + flare) + 0.02, 0.45 * hem)]
    half += [*sharp((flare, hem)), (0.4 * flare, hem + 0.04), (0.0, hem + 0.05)]
    made.parts.append(Part(both_sides(half)))
    made.strokes.append(Stroke([(-waist, -0.06), (0, -0.04), (waist, -0.06)], 0.03, "trim"))
    for x in (-0.6, -0.25, 0.2, 0.55):
        made.strokes.append(Stroke([(x * waist, 0.0), (x * flare * 0.9, hem)], 0.008))
    return made


def trousers(look: Look) -> Silhouette:
    """Return trousers: skinny to wide legs, cropped to full length."""
    hem, wide = 0.42 + 0.5 * look.length, 0.11 + 0.22 * look.volume
    outer, inner = 0.40 + 0.16 * look.volume, 0.40 + 0.16 * look.volume - 2 * wide
    inner = max(inner, 0.05)
    half: Points = [(0.0, -0.86), *sharp((0.30, -0.88)), (0.38, -0.55), (0.41, -0.25)]
    half += [*sharp((outer, hem), (inner, hem + 0.02)), *sharp((0.0, -0.18))]
    made = Silhouette([Part(both_sides(half))])
    made.strokes += [Stroke([(-0.31, -0.79), (0.0, -0.77), (0.31, -0.79)], 0.012)]
    made.strokes += [Stroke([(0.0, -0.77), (0.0, -0.18)], 0.012)]
    made.parts.append(Part(ellipse((0.0, -0.82), 0.02, 0.02), "metal"))
    for side in (1, -1):
        made.strokes.append(Stroke([(side * 0.2, -0.77), (side * 0.36, -0.58)], 0.012))
        crease = [(side * 0.21, -0.55), (side * 0.5 * (outer + inner), hem)]
        made.strokes.append(Stroke(crease, 0.007))
    return made


def skirt(look: Look) -> Silhouette:
    """Return a skirt: pencil to flared, mini to maxi, perhaps pleated."""
    hem, flare = 0.05 + 0.75 * look.length, 0.32 + 0.42 * look.volume
    half: Points = [(0.0, -0.64), *sharp((0.25, -0.66)), (0.36, -0.36), *sharp((flare, hem))]
    half += [(0.5 * flare, hem + 0.05), (0.0, hem + 0.06)]
    made = Silhouette([Part(both_sides(half))])
    made.strokes.append(Stroke([(-0.26, -0.61), (0.0, -0.59), (0.26, -0.61)], 0.075, "trim"))
    count = 9 if look.kind > 0.5 else 4
    for x in np.linspace(-0.8, 0.8, count):
        made.strokes.append(
            Stroke([(0.25 * float(x), -0.55), (flare * float(x), hem + 0.03)], 0.01)
        )
    return made


SHAPES: dict[str, Callable[[Look], Silhouette]] = {
    "t-shirts": t_shirt,
    "shirts": shirt,
    "dresses": dress,
    "trousers": trousers,
    "skirts": skirt,
    "jackets": jacket,
    "knitwear": knit,
    "bags": bag,
    "shoes": shoe,
    "hats": hat,
}
