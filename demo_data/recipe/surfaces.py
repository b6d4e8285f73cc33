"""Surfaces: fabric patterns, backgrounds and light, as arrays of red, green and blue in 0 to 1."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from recipe.looks import COLOURS, Look

Pixels = NDArray[np.float32]


def rgb(name: str, rng: np.random.Generator) -> Pixels:
    """Return the named colour with a slight dye difference.

    Shape:
        [3], each 0 to 1
    """
    base = np.array(COLOURS[name][:3], dtype=np.float32)
    return np.asarray(np.clip((base + rng.normal(0, 5, 3)) / 255, 0, 1), dtype=np.float32)


def soft_noise(
    rng: np.random.Generator, *, cells: tuple[int, int], size: tuple[int, int]
) -> Pixels:
    """Return smooth noise in 0 to 1 with `cells` bumps down and across.

    Shape:
        [height, width] for `size` = (height, width)
    """
    coarse = Image.fromarray(rng.integers(0, 256, cells).astype(np.uint8))
    fine = coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(np.asarray(fine) / 255, dtype=np.float32)


def wave(position: Pixels, *, period: float, share: float) -> Pixels:
    """Return bands of the given period: 1 inside a band, 0 outside, with soft edges.

    Args:
        position: in product units.
        period: in product units.
        share: part of the period that is band, 0 to 1.
    """
    phase = np.abs((position / period) % 1.0 - 0.5) * 2
    return np.asarray(np.clip((share - phase) * period * 45 + 0.5, 0, 1), dtype=np.float32)


def pattern_mask(look: Look, u: Pixels, v: Pixels, rng: np.random.Generator) -> Pixels:
    """Return how much of the second colour shows at each pixel, 0 to 1.

    Args:
        look: names the pattern.
        u: x of each pixel in product units.
        v: y of each pixel in product units.
        rng: draws period and direction.
    """
    if look.pattern == "stripes":
        along = v if rng.random() < 0.65 else u
        return wave(along, period=rng.uniform(0.11, 0.26), share=rng.uniform(0.3, 0.55))
    if look.pattern == "checks":
        period = rng.uniform(0.16, 0.30)
        across, down = (wave(x, period=period, share=0.48) for x in (u, v))
        return np.asarray(0.45 * across + 0.45 * down + 0.1 * across * down, dtype=np.float32)
    if look.pattern == "dots":
        period = rng.uniform(0.14, 0.24)
        row = np.floor(v / period)
        x = ((u / period + 0.5 * (row % 2)) % 1.0 - 0.5) * period
        y = ((v / period) % 1.0 - 0.5) * period
        return np.asarray(
            np.clip((period * 0.28 - np.hypot(x, y)) * 60 + 0.5, 0, 1), dtype=np.float32
        )
    if look.pattern == "block":
        edge = v + rng.uniform(-0.4, 0.4) * u - rng.uniform(-0.25, 0.15)
        return np.asarray(np.clip(edge * 60 + 0.5, 0, 1), dtype=np.float32)
    return np.zeros_like(u)


def flowers(fabric: Pixels, second: Pixels, rng: np.random.Generator) -> Pixels:
    """Return the fabric with scattered five-petalled flowers and leaves."""
    height, width, _ = fabric.shape
    layer = Image.fromarray((fabric * 255).astype(np.uint8))
    pen = ImageDraw.Draw(layer)
    step, petal = int(rng.integers(38, 56)), tuple(int(255 * c) for c in second)
    centre = (246, 210, 90) if rng.random() < 0.5 else (250, 246, 236)
    for y in range(0, height, step):
        for x in range(0, width, step):
            cx, cy = x + rng.uniform(-0.3, 0.3) * step, y + rng.uniform(-0.3, 0.3) * step
            size, turn = rng.uniform(0.14, 0.22) * step, rng.uniform(0, 2 * np.pi)
            leaf = turn + 0.6
            lx, ly = cx + 2.3 * size * np.cos(leaf), cy + 2.3 * size * np.sin(leaf)
            pen.line([cx, cy, lx, ly], fill=(92, 122, 78), width=4)
            for k in range(5):
                angle = turn + k * 2 * np.pi / 5
                px, py = cx + size * np.cos(angle), cy + size * np.sin(angle)
                pen.ellipse([px - size, py - size, px + size, py + size], fill=petal)
            half = size * 0.6
            pen.ellipse([cx - half, cy - half, cx + half, cy + half], fill=centre)
    return np.asarray(np.asarray(layer) / 255, dtype=np.float32)


def fabric(look: Look, u: Pixels, v: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Return the product's fabric over the whole picture, and the plain second colour.

    Shape:
        [height, width, 3] and [3]
    """
    main, second = rgb(look.colour, rng), rgb(look.second, rng)
    mask = pattern_mask(look, u, v, rng)[..., None]
    cloth = (main * (1 - mask) + second * mask).astype(np.float32)
    if look.pattern == "floral":
        cloth = flowers(cloth, second, rng)
    if look.family == "knitwear":
        rib = 0.5 * np.sin(2 * np.pi * u / 0.05)
        rib = rib + 0.3 * np.sin(2 * np.pi * (v / 0.045 + u / 0.025))
        cloth = cloth * (1 + 0.10 * rib[..., None])
    return np.clip(cloth, 0, 1).astype(np.float32), second


def background(look: Look, rng: np.random.Generator, *, size: tuple[int, int]) -> Pixels:
    """Return the wall or floor behind the product.

    Shape:
        [height, width, 3] for `size` = (height, width)
    """
    height, width = size
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    if look.background == "wood":
        return wood(x, y, rng, size=size)
    base = {"white": (0.96, 0.96, 0.955), "beige": (0.90, 0.85, 0.77), "wall": (0.60, 0.60, 0.61)}
    vivid = [(0.98, 0.62, 0.66), (0.45, 0.78, 0.85), (0.97, 0.83, 0.32), (0.62, 0.55, 0.86)]
    tone = np.array(base.get(look.background, vivid[int(rng.integers(4))]), dtype=np.float32)
    flat = np.ones((height, width, 1), dtype=np.float32) * (tone + rng.normal(0, 0.012, 3))
    if look.background == "wall":
        stain = soft_noise(rng, cells=(9, 8), size=size)
        flat *= (0.90 + 0.2 * stain)[..., None]
    floor = rng.uniform(0.80, 0.9)
    drop = np.clip((y - floor) * 14, 0, 1) * 0.06  # the paper roll bends into the floor
    return np.asarray(
        np.clip(flat * (1 - drop * np.ones_like(x))[..., None], 0, 1), dtype=np.float32
    )


def wood(x: Pixels, y: Pixels, rng: np.random.Generator, *, size: tuple[int, int]) -> Pixels:
    """Return a floor of wooden boards with grain, [height, width, 3]."""
    count = int(rng.integers(4, 7))
    board = np.floor(x * count)
    tint = rng.uniform(0.88, 1.08, count + 1).astype(np.float32)[board.astype(int)]
    grain = soft_noise(rng, cells=(7, 70), size=size)
    gap = (np.abs((x * count) % 1.0 - 0.5) > 0.485).astype(np.float32)
    tones = [(0.72, 0.55, 0.38), (0.62, 0.46, 0.33), (0.80, 0.68, 0.52)]
    tone = np.array(tones[int(rng.integers(3))])
    shade = tint * (0.88 + 0.22 * grain) * (1 - 0.35 * gap) + 0 * y
    return np.asarray(np.clip(shade[..., None] * tone, 0, 1), dtype=np.float32)


def light(look: Look, rng: np.random.Generator, *, size: tuple[int, int]) -> Pixels:
    """Return the factor of the light: brightness, warmth, direction and vignette.

    Shape:
        [height, width, 3]
    """
    height, width = size
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    angle, warm = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.035)
    slope = rng.uniform(0.02, 0.11) * (x * np.cos(angle) + y * np.sin(angle))
    vignette = rng.uniform(0.0, 0.07) + 0.16 * (1 - look.light) ** 2
    level = 0.52 + 0.56 * look.light
    field = level * (1 + slope) * (1 - vignette * (x**2 + y**2))
    tone = np.array([1 + warm, 1.0, 1 - warm], dtype=np.float32)
    return np.asarray(field[..., None] * tone, dtype=np.float32)
