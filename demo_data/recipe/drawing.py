"""Draws one product photo: silhouette, fabric, folds, shadow, background, light, noise."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from recipe.looks import Look
from recipe.outline import Array, Part, Points, Stroke, smooth
from recipe.silhouettes import silhouette
from recipe.surfaces import Pixels, background, fabric, light, soft_noise

PHOTO_SIZE = (200, 240)  # width, height in pixels
CANVAS = (400, 480)  # drawn at twice the size
MARGIN = 24  # canvas pixels around a part, room for its soft edge
MASK = 2  # outlines are drawn at twice the canvas, so at four times the photo


Box = tuple[slice, slice]


@dataclass(frozen=True)
class Frame:
    """Where the product lies in the picture: turn in radians, canvas pixels for one unit."""

    turn: float
    scale: float
    shift: tuple[float, float]

    def to_pixels(self, points: Array) -> Array:
        """Return product units as canvas pixels, [n, 2]."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        x = points[:, 0] * cos - points[:, 1] * sin
        y = points[:, 0] * sin + points[:, 1] * cos
        return np.column_stack([x, y]) * self.scale + self.shift

    def grid(self) -> tuple[Pixels, Pixels]:
        """Return the product-unit x and y of every canvas pixel, [height, width] each."""
        y, x = np.mgrid[0 : CANVAS[1], 0 : CANVAS[0]].astype(np.float32)
        x, y = (x - self.shift[0]) / self.scale, (y - self.shift[1]) / self.scale
        cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        return x * cos + y * sin, y * cos - x * sin


class Painter:
    """Paints the pieces of one product onto one canvas.

    Args:
        look: what to draw.
    """

    def __init__(self, look: Look) -> None:
        """Lay out the background, the fabric and the place of the product."""
        self.look = look
        self.rng = np.random.default_rng(look.seed)
        self.size = (CANVAS[1], CANVAS[0])
        self.frame = self.place()
        u, v = self.frame.grid()
        self.cloth, self.second = fabric(look, u, v, self.rng)
        self.average = self.cloth.mean(axis=(0, 1))
        self.folds = soft_noise(self.rng, cells=(5, 11), size=self.size)
        self.canvas = background(look, self.rng, size=self.size)

    def place(self) -> Frame:
        """Return a random slight turn, size and shift that keep the product in the picture."""
        shape = silhouette(self.look)
        outlines = [part.points for part in shape.parts] + [line.points for line in shape.strokes]
        points = np.vstack([smooth(outline) for outline in outlines])
        low, high = points.min(axis=0), points.max(axis=0)
        room = float(min(CANVAS[0] / (high[0] - low[0]), CANVAS[1] / (high[1] - low[1])))
        scale = min(room * 0.90, 255.0) * self.rng.uniform(0.86, 0.98)
        turn = float(self.rng.normal(0, 0.03))
        middle = (low + high) / 2 * scale
        wander = self.rng.normal(0, 4, 2)
        x, y = np.array(CANVAS) / 2 - middle + wander
        return Frame(turn, float(scale), (float(x), float(y)))

    def stencil(self, points: Array, *, width: int | None = None) -> tuple[Image.Image, Box]:
        """Return a filled outline, or a line of `width` mask pixels, as a soft-edged mask.

        Only the box around it is drawn, which makes a photo four times as fast.

        Args:
            points: in canvas pixels, [n, 2].
            width: of the line; None fills the outline.
        """
        low = np.clip(np.floor(points.min(axis=0)) - MARGIN, 0, CANVAS).astype(int)
        high = np.clip(np.ceil(points.max(axis=0)) + MARGIN, low + 1, CANVAS).astype(int)
        mask = Image.new("L", tuple((high - low) * MASK))
        path = [tuple(p) for p in ((points - low) * MASK).tolist()]
        if width is None:
            ImageDraw.Draw(mask).polygon(path, fill=255)
        else:
            ImageDraw.Draw(mask).line(path, fill=255, width=width, joint="curve")
        return mask.reduce(MASK), (slice(low[1], high[1]), slice(low[0], high[0]))

    def mask(self, points: Points) -> tuple[Image.Image, Box]:
        """Return a part as a mask and the box of the canvas that it covers."""
        return self.stencil(self.frame.to_pixels(smooth(points)))

    def line(self, stroke: Stroke) -> tuple[Image.Image, Box]:
        """Return a line as a mask and the box of the canvas that it covers."""
        path = self.frame.to_pixels(smooth(stroke.points, closed=False))
        return self.stencil(path, width=max(2, round(stroke.width * self.frame.scale * MASK)))

    def lay(self, mask: Image.Image, box: Box, colour: Pixels) -> None:
        """Put `colour` on the box of the canvas where the mask is."""
        alpha = (np.asarray(mask, dtype=np.float32) / 255)[..., None]
        self.canvas[box] += (colour - self.canvas[box]) * alpha

    def colour_of(self, stuff: str, *, box: Box, shade: float) -> Pixels:
        """Return the colour of a piece over the box, before its folds."""
        if stuff == "metal":
            return np.array([0.80, 0.76, 0.64], dtype=np.float32)
        if stuff == "inside":
            return np.asarray(self.average * np.float32(0.55))
        if stuff == "trim":
            plain = self.look.pattern in ("plain", "floral")
            base = self.average * np.float32(0.82) if plain else self.second
            return np.asarray(base + np.float32(0.04))
        return np.asarray(self.cloth[box] + np.float32(shade * 0.9))

    def piece(self, part: Part) -> None:
        """Paint one part: round it off towards its edge, and fold the fabric."""
        mask, box = self.mask(part.points)
        inner = np.asarray(mask.filter(ImageFilter.GaussianBlur(11)), dtype=np.float32) / 255
        round_off = 0.70 + 0.30 * np.clip((inner - 0.45) / 0.5, 0, 1)
        folds = 1 + 0.22 * (self.folds[box] - 0.5)
        rim = np.asarray(mask.filter(ImageFilter.GaussianBlur(5)), dtype=np.float32)[..., None]
        self.canvas[box] *= 1 - rim * np.float32(0.16 / 255)  # a soft dark rim around it
        colour = self.colour_of(part.stuff, box=box, shade=part.shade)
        self.lay(mask, box, np.clip(colour * (round_off * folds)[..., None], 0, 1))

    def stroke(self, stroke: Stroke) -> None:
        """Paint one line; a seam darkens what lies below it."""
        mask, box = self.line(stroke)
        if stroke.stuff == "seam":
            faint = mask.point([int(0.34 * i) for i in range(256)])
            self.lay(faint, box, np.zeros(3, dtype=np.float32))
            return
        self.lay(mask.filter(ImageFilter.GaussianBlur(2)), box, self.canvas[box] * np.float32(0.8))
        self.lay(mask, box, self.colour_of(stroke.stuff, box=box, shade=0.0))

    def shadow(self, points: list[Points], strokes: list[Stroke]) -> None:
        """Paint the shadow of the whole product on the background."""
        whole = np.zeros(self.size, dtype=np.uint8)
        for mask, box in [self.mask(p) for p in points] + [self.line(s) for s in strokes]:
            whole[box] = np.maximum(whole[box], np.asarray(mask))
        angle, reach = self.rng.uniform(0.2, np.pi - 0.2), self.rng.uniform(5, 12)
        step = (round(reach * float(np.sin(angle))), round(reach * float(np.cos(angle))))
        moved = Image.fromarray(np.roll(whole, step, axis=(0, 1)))
        blurred = moved.filter(ImageFilter.GaussianBlur(float(self.rng.uniform(5, 11))))
        dark = 0.45 * np.asarray(blurred, dtype=np.float32)[..., None] / 255
        self.canvas *= 1 - dark

    def paint(self) -> Image.Image:
        """Return the finished photo, RGB, `PHOTO_SIZE`."""
        shape = silhouette(self.look)
        under = [s for s in shape.strokes if s.under]
        self.shadow([part.points for part in shape.parts], under)
        for stroke in under:
            self.stroke(stroke)
        for part in shape.parts:
            self.piece(part)
        for stroke in shape.strokes:
            if not stroke.under:
                self.stroke(stroke)
        lit = self.canvas * light(self.look, self.rng, size=self.size)
        grain = np.float32(0.022) * self.rng.standard_normal((*self.size, 1), dtype=np.float32)
        full = Image.fromarray((np.clip(lit + grain, 0, 1) * 255).astype(np.uint8))
        return full.resize(PHOTO_SIZE, Image.Resampling.LANCZOS)


def draw_photo(look: Look) -> Image.Image:
    """Return the photo of one product; the same look gives the same pixels.

    Args:
        look: what to draw, its seed included.

    Returns:
        RGB picture of 200 x 240 pixels.
    """
    return Painter(look).paint()
