"""What a product looks like, and how fashionable that look is: the PHOTO latent."""

from dataclasses import dataclass, replace

import numpy as np

FAMILIES = (
    "t-shirts",
    "shirts",
    "dresses",
    "trousers",
    "skirts",
    "jackets",
    "knitwear",
    "bags",
    "shoes",
    "hats",
)

# name: (red, green, blue, fashion score)
COLOURS: dict[str, tuple[int, int, int, float]] = {
    "sage": (150, 170, 134, 1.3),
    "butter": (245, 222, 138, 1.2),
    "rust": (178, 84, 46, 1.1),
    "terracotta": (202, 114, 84, 1.0),
    "camel": (192, 150, 104, 0.9),
    "cream": (238, 228, 206, 0.8),
    "burgundy": (114, 30, 48, 0.8),
    "olive": (110, 114, 68, 0.7),
    "chocolate": (88, 60, 48, 0.6),
    "lilac": (192, 172, 216, 0.5),
    "sky": (150, 190, 222, 0.3),
    "denim": (84, 112, 152, 0.2),
    "navy": (36, 48, 86, 0.1),
    "white": (242, 242, 240, 0.1),
    "black": (36, 36, 40, 0.0),
    "mustard": (208, 162, 46, -0.1),
    "charcoal": (76, 78, 84, -0.3),
    "red": (198, 40, 44, -0.4),
    "grey": (152, 154, 158, -0.5),
    "pink": (238, 150, 174, -0.5),
    "orange": (242, 130, 32, -0.8),
    "royal": (40, 70, 202, -0.9),
    "turquoise": (40, 182, 182, -1.0),
    "purple": (112, 60, 152, -1.1),
    "magenta": (216, 40, 140, -1.4),
    "neon": (124, 222, 62, -1.5),
}
PATTERNS = {"plain": 0.0, "stripes": 0.5, "floral": 0.9, "block": 0.1, "dots": -0.5, "checks": -0.9}
BACKGROUNDS = {"white": 0.4, "beige": 0.7, "wood": 0.1, "wall": -0.5, "coloured": -0.9}
PATTERN_ODDS = (0.46, 0.14, 0.11, 0.09, 0.09, 0.11)
BACKGROUND_ODDS = (0.30, 0.22, 0.16, 0.17, 0.15)

# what each part of the look adds to the photo latent, before it is put on the scale of sales
WEIGHTS = {"colour": 0.65, "pattern": 0.60, "background": 0.65, "light": 0.55, "volume": 0.25}


@dataclass(frozen=True)
class Look:
    """Everything that the photo of one product is drawn from.

    `length`, `volume` (narrow to wide), `sleeve`, `neck`, `kind` and `light` (dim to bright) are in
    0 to 1. `length` and `kind` carry no sales effect.
    """

    family: str
    colour: str
    second: str
    pattern: str
    background: str
    length: float
    volume: float
    sleeve: float
    neck: float
    kind: float
    light: float
    seed: int


def draw_look(rng: np.random.Generator, *, family: str) -> Look:
    """Return a random look for one product of `family`."""
    names = list(COLOURS)
    colour = str(rng.choice(names))
    second = str(rng.choice([n for n in names if contrast(n, colour) > 130]))
    shape = {name: float(rng.random()) for name in ("length", "volume", "sleeve", "neck", "kind")}
    return Look(
        family=family,
        colour=colour,
        second=second,
        pattern=str(rng.choice(list(PATTERNS), p=PATTERN_ODDS)),
        background=str(rng.choice(list(BACKGROUNDS), p=BACKGROUND_ODDS)),
        light=float(rng.beta(2.2, 1.6)),
        seed=int(rng.integers(2**31)),
        **shape,
    )


def contrast(one: str, other: str) -> float:
    """Return the distance of two colours, 0 to about 440 (RGB, Euclidean)."""
    difference = np.subtract(COLOURS[one][:3], COLOURS[other][:3])
    return float(np.sqrt((difference**2).sum()))


def second_shot(look: Look) -> Look:
    """Return the look of the same product in a second photo: other background, other moment."""
    others = [name for name in BACKGROUNDS if name != look.background]
    return replace(look, background=others[look.seed % len(others)], seed=look.seed + 1)


def photo_score(look: Look) -> float:
    """Return the appeal of a look, about -3 to 3: the photo latent before scaling.

    Only what the photo shows enters; no table column and no word tells it.
    """
    scores = {
        "colour": COLOURS[look.colour][3],
        "pattern": PATTERNS[look.pattern],
        "background": BACKGROUNDS[look.background],
        "light": 4 * (look.light - 0.58),
        "volume": 3 * (look.volume - 0.5),
    }
    return sum(WEIGHTS[name] * score for name, score in scores.items())
