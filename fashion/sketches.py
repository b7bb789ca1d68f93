"""Drawn garments: endless pictures of the ten Fashion-MNIST classes from a seed, with no download.

Every garment is described once, as a list of filled outlines in free coordinates, and one renderer
makes both pictures from it: the 28x28 grey one and the coloured one that passes for a photo. As in
Fashion-MNIST, grey is the negative of the photo: a dark garment is bright, the background is black.

It copies no picture of Fashion-MNIST and is no replacement for it: results on drawings say nothing
about results on real clothes.
"""

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

NUM_CLASSES = 10
IMAGE_SIDE = 28
OVERSAMPLING = 4  # drawn at 112x112 and averaged down; 3 leaves visible stairs on straps
SHARPENING = ImageFilter.UnsharpMask(radius=1, percent=70, threshold=0)  # Fashion-MNIST was sharpened too
COLOUR_MARGIN = 0.09  # of the picture's side, on each side of the garment
PAPER, SHADOW = (244, 243, 240), (90, 90, 100)
FABRIC, ACCENT, NEUTRAL = range(3)  # the inks a part can be dyed with; neutral: soles, metal, thread
PLEASANT_INKS = (  # hue in turns, saturation 0 to 1
    (0.61, 0.45), (0.57, 0.50), (0.48, 0.45), (0.37, 0.35), (0.21, 0.35), (0.12, 0.65), (0.06, 0.60),
    (0.01, 0.55), (0.96, 0.45), (0.90, 0.30), (0.74, 0.30), (0.53, 0.40), (0.08, 0.30), (0.60, 0.12),
)  # fmt: skip
NEUTRAL_INK = (0.09, 0.12)


@dataclass(frozen=True)
class Part:
    """A filled outline: float (n, 2) points x, y (y downwards), and how strongly it is dyed."""

    outline: np.ndarray
    shade: float
    """0 white cloth (black in the 28x28 picture) to 1 black cloth (white in the 28x28 picture)."""
    ink: int = FABRIC
    marks: tuple["Part", ...] = ()
    """Parts drawn on this one and cut off at its outline: stripes, prints, seams."""


# ---- Pictures ------------------------------------------------------------------------------------


def draw(label: int, seed: int) -> np.ndarray:
    """One drawn garment like those of Fashion-MNIST: uint8 (28, 28), 0 black background to 255.

    The same label (0 to 9, the order of Fashion-MNIST) and seed (0 or more) give the same bytes in
    every process. Raises ValueError for any other label or seed.
    """
    parts, rng = _garment(label, seed)
    shades = _render(parts, IMAGE_SIDE * OVERSAMPLING, 0.0, _shade_level).reduce(OVERSAMPLING)
    shades = ImageChops.multiply(shades, _light(rng, shades.size))
    return np.array(shades.filter(SHARPENING))


def draw_colour(label: int, seed: int, size: int) -> Image.Image:
    """The garment of `draw(label, seed)` in colour on a plain light background: RGB, size x size pixels.

    Its brightness is the negative of the grey picture, so a classifier that prepares photos as
    Fashion-MNIST did sees the same garment. Raises ValueError as `draw` does, or for a size under 28.
    """
    if size < IMAGE_SIDE:
        raise ValueError(
            f"size must be at least {IMAGE_SIDE} pixels. Received: size={size}. Use a larger size."
        )
    parts, rng = _garment(label, seed)
    shades = _render(parts, size * OVERSAMPLING, COLOUR_MARGIN, _shade_level)
    shades = ImageChops.multiply(shades, _light(rng, shades.size))
    inks = _render(parts, size * OVERSAMPLING, COLOUR_MARGIN, lambda part: part.ink + 1)  # 0 stays background
    picture = Image.fromarray(_ink_table(rng)[np.asarray(inks), np.asarray(shades)])
    cover = inks.point(lambda ink: 255 if ink else 0)
    return Image.composite(picture, _paper(cover), cover).reduce(OVERSAMPLING)


def generate(num_images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawn dataset: images uint8 (num_images, 28, 28) and labels uint8 (num_images,), shuffled.

    Class sizes differ by one at most. The same arguments give the same bytes in every process.
    Raises ValueError if num_images or seed is negative.
    """
    if num_images < 0 or seed < 0:
        raise ValueError(
            "num_images and seed must be whole numbers from 0 up. "
            f"Received: num_images={num_images}, seed={seed}. Change the negative one."
        )
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(num_images) % NUM_CLASSES).astype(np.uint8)
    garment_seeds = rng.integers(2**63, size=num_images)
    images = np.empty((num_images, IMAGE_SIDE, IMAGE_SIDE), np.uint8)
    for index in range(num_images):
        images[index] = draw(labels[index], garment_seeds[index])
    return images, labels


# ---- Rendering -----------------------------------------------------------------------------------


def _garment(label: int, seed: int) -> tuple[list[Part], np.random.Generator]:
    """The parts of one garment, back to front, and the generator that goes on to choose light and inks."""
    label, seed = operator.index(label), operator.index(seed)
    if not 0 <= label < NUM_CLASSES:
        raise ValueError(
            f"label must be from 0 to {NUM_CLASSES - 1}. Received: label={label}. Use a class number."
        )
    if seed < 0:
        raise ValueError(f"seed must be a whole number from 0 up. Received: seed={seed}. Use another seed.")
    rng = np.random.default_rng((label, seed))
    return GARMENTS[label](rng), rng


def _shade_level(part: Part) -> int:
    return round(part.shade * 255)


def _render(parts: list[Part], side: int, margin: float, level: Callable[[Part], int]) -> Image.Image:
    """Paint parts back to front into an L picture, scaled so that the longest edge fills it, centred.

    That is how the makers of Fashion-MNIST framed their photos. `level` gives each part's grey, 0 to 255.
    """
    points = np.concatenate([part.outline for part in parts])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = side * (1 - 2 * margin) / (high - low).max()
    offset = side / 2 - scale * (low + high) / 2

    def paint(canvas: Image.Image, parts: Iterable[Part]) -> None:
        pen = ImageDraw.Draw(canvas)
        for part in parts:
            corners = (part.outline * scale + offset).ravel().tolist()
            pen.polygon(corners, fill=level(part))
            if part.marks:
                marked, inside = canvas.copy(), Image.new("1", canvas.size)
                ImageDraw.Draw(inside).polygon(corners, fill=1)
                paint(marked, part.marks)
                canvas.paste(marked, mask=inside)

    canvas = Image.new("L", (side, side))
    paint(canvas, parts)
    return canvas


def _light(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Soft, mostly upright folds: an L picture to multiply with, from a few random brightnesses."""
    folds = rng.integers(200, 256, (3, 11), dtype=np.uint8)
    return Image.fromarray(folds).resize(size, Image.Resampling.BICUBIC)


def _ink_table(rng: np.random.Generator) -> np.ndarray:
    """Colours uint8 (background + 3 inks, 256 shades, 3); a shade has the same luma in every ink."""
    fabric, accent = rng.permutation(len(PLEASANT_INKS))[:2]
    inks = ((0, 0), PLEASANT_INKS[fabric], PLEASANT_INKS[accent], NEUTRAL_INK)
    hues, saturations = np.array(inks).T
    # A pure hue has a luma of its own: darker shades of it are mixed with black, lighter ones with white.
    pure = np.clip(np.abs((hues[:, None] * 6 + (0, 4, 2)) % 6 - 3) - 1, 0, 1)[:, None, :]
    pure_luma = pure @ (0.299, 0.587, 0.114)
    luma = np.linspace(0.95, 0.08, 256)[None, :]
    darker = pure * (luma / pure_luma)[..., None]
    lighter = 1 - (1 - pure) * ((1 - luma) / (1 - pure_luma))[..., None]
    vivid = np.where((luma < pure_luma)[..., None], darker, lighter)
    colours = luma[..., None] + (vivid - luma[..., None]) * saturations[:, None, None]
    return np.round(colours * 255).astype(np.uint8)


def _paper(cover: Image.Image) -> Image.Image:
    """The background: plain paper with a faint soft shadow around and below the garment."""
    shadow = ImageChops.offset(cover.resize((64, 64), Image.Resampling.BOX), 0, 1)
    shadow = shadow.filter(ImageFilter.GaussianBlur(1.5)).point(lambda level: level * 0.14)
    shadow = shadow.resize(cover.size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", cover.size, SHADOW), Image.new("RGB", cover.size, PAPER), shadow)


# ---- Outlines ------------------------------------------------------------------------------------


def _curve(points, roundness: float = 0.3, closed: bool = True) -> np.ndarray:
    """Points joined by straight lines with rounded corners: 0 a polygon, 1 all curve (a B-spline)."""
    return _corner_weights(len(points), roundness, closed) @ np.asarray(points, float)


@lru_cache(maxsize=256)
def _corner_weights(num_points: int, roundness: float, closed: bool) -> np.ndarray:
    """Weights (6 per corner, num_points): each corner becomes a quadratic Bezier curve of six points."""
    t = np.linspace(0, 1, 6)
    weights = np.zeros((num_points, 6, num_points))
    for corner in range(num_points):
        weights[corner, :, corner] = 1
        for neighbour, weight in ((corner - 1, (1 - t) ** 2), (corner + 1, t**2)):
            if closed or 0 <= neighbour < num_points:
                weights[corner, :, neighbour % num_points] += weight * roundness / 2
                weights[corner, :, corner] -= weight * roundness / 2
    return weights.reshape(-1, num_points)


def _ribbon(points, width: float, roundness: float = 1.0) -> np.ndarray:
    """The outline of a stroke of this width along points: straps, laces, seams, handles."""
    line = _curve(points, roundness, closed=False) if len(points) > 2 else np.asarray(points, float)
    step = np.empty_like(line)
    step[0], step[-1] = line[1] - line[0], line[-1] - line[-2]
    step[1:-1] = line[2:] - line[:-2]
    normal = step[:, ::-1] * (-width / 2, width / 2) / (np.hypot(step[:, :1], step[:, 1:]) + 1e-9)
    return np.concatenate([line + normal, (line - normal)[::-1]])


def _ellipse(x: float, y: float, radius_x: float, radius_y: float | None = None) -> np.ndarray:
    return _CIRCLE * (radius_x, radius_x if radius_y is None else radius_y) + (x, y)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def _both(right_half) -> list:
    """An outline symmetric about x = 0 from its right half, listed from top to bottom."""
    return [*right_half, *[(-x, y) for x, y in reversed(right_half)]]


_SIDES = ((1, 1), (-1, 1))  # multiply points by these for the right and the left half of a garment
_CIRCLE = np.stack([np.cos(np.arange(24) * np.pi / 12), np.sin(np.arange(24) * np.pi / 12)], axis=1)
_HEART = [(0, 1), (-1, 0), (-1, -0.8), (-0.5, -1), (0, -0.45), (0.5, -1), (1, -0.8), (1, 0)]
_MOUNTAINS = [(-1.3, 0.6), (-0.5, -0.5), (-0.1, 0), (0.4, -0.9), (1.3, 0.6)]
_STAR_ANGLES = np.arange(10) * np.pi / 5 - np.pi / 2
_STAR = np.stack([np.cos(_STAR_ANGLES), np.sin(_STAR_ANGLES)], axis=1) * np.resize((1.2, 0.5), 10)[:, None]
_EMBLEMS = (_CIRCLE, _STAR, _curve(_HEART, 0.6), np.array(_MOUNTAINS))  # all about 2 wide, around (0, 0)
_LATTICE = np.stack(np.meshgrid(np.linspace(-0.4, 0.4, 5), np.linspace(0.04, 0.96, 7)), -1).reshape(-1, 2)


# ---- Cloth ---------------------------------------------------------------------------------------


def _contrast(shade: float, amount: float) -> float:
    """A shade that stands out from this one: lighter on dark cloth, darker on light cloth."""
    return max(0.04, shade - amount) if shade > 0.55 else min(1.0, shade + amount)


def _dye(rng: np.random.Generator, lightest: float = 0.25) -> float:
    """A fabric's shade; high ones (dark cloth) are the commonest, as in Fashion-MNIST."""
    return rng.triangular(lightest, 0.92, 1.0)


def _pattern(rng: np.random.Generator, shade: float, kinds: dict[str, float]) -> tuple[Part, ...]:
    """Marks for a garment within x -0.6 to 0.6, y 0 to 1; `kinds` gives each kind's probability."""
    kind = rng.choice([*kinds, "plain"], p=[*kinds.values(), 1 - sum(kinds.values())])
    ink = int(rng.integers(3))
    other = _contrast(shade, rng.uniform(0.25, 0.55))
    pitch = rng.uniform(0.08, 0.15)
    width = pitch * rng.uniform(0.3, 0.5)
    marks = []
    if kind in ("stripes", "check"):
        marks += [Part(_box(-0.6, y, 0.6, y + width), other, ink) for y in np.arange(-0.05, 1.05, pitch)]
    if kind in ("pinstripes", "check"):
        between = (shade + other) / 2
        columns = np.arange(-6, 7) * pitch
        marks += [Part(_box(x - width / 2, -0.1, x + width / 2, 1.1), between, ink) for x in columns]
    if kind == "block":
        top = rng.uniform(0.25, 0.6)
        marks.append(Part(_box(-0.6, top, 0.6, top + rng.choice([0.12, 0.2, 0.7])), other, ink))
    if kind == "print":
        dot = _CIRCLE[::2] * rng.uniform(0.018, 0.045)
        spots = _LATTICE + rng.uniform(-0.06, 0.06, _LATTICE.shape)
        shades = np.clip(shade + rng.choice([-0.45, -0.3, 0.2], len(spots)), 0.1, 1)
        marks += [Part(dot + spot, spot_shade, ink) for spot, spot_shade in zip(spots, shades, strict=True)]
    if kind == "emblem":
        emblem = _EMBLEMS[rng.integers(len(_EMBLEMS))] * rng.uniform(0.09, 0.13)
        marks.append(Part(emblem + (0, rng.uniform(0.32, 0.42)), other, ink))
    return tuple(marks)


# Garments: each function below draws its own random proportions from `rng` and returns parts, back to
# front. Sizes are relative: the renderer fits the whole to the frame. Point lists read best several to a
# line, so the formatter stays out.
# fmt: off

# ---- Tops, trousers and dresses: symmetric about x = 0, neck or waist at y = 0, hem at y = 1 -----


def _top(rng, shade, marks, *, neck, neck_depth, shoulder, chest, waist, hem, armpit_y=0.3, waist_y=0.62,
         tail=0.0, sleeve=None, cuff=0.1):
    """The inside of the back, two sleeves and the body: the base of every garment with a neckline.

    `sleeve` is the outer end (x, y) of the right sleeve and `cuff` its width; widths of the body are
    half widths; `tail` is how far the middle of the hem hangs lower than its sides.
    """
    seam = _contrast(shade, 0.2)
    slope = min(armpit_y * 0.28, (shoulder - neck) / 2)
    half_neckline = [(neck, 0), (neck * 0.8, neck_depth)]
    neckline = _curve(_both(half_neckline), 0.9, closed=False)
    parts = [Part(np.concatenate([neckline, neckline[::-1] * (1, 0.35)]), _contrast(shade, 0.25))]
    side = [(neck, 0), (shoulder, slope), (chest - 0.035, armpit_y * 0.6), (chest, armpit_y),
            (waist, waist_y), (hem, 1), (hem * 0.5, 1 + tail)]
    details = [*marks, Part(_box(-0.5, 0.955, 0.5, 0.968), seam), Part(_ribbon(neckline[::3], 0.045), seam)]
    if sleeve is not None:
        top, end = np.array([shoulder, slope + 0.005]), np.array(sleeve)
        length = np.hypot(*(end - top))
        along = (end - top) / length
        outward = along[::-1] * (1, -1)
        elbow = top + length * (0.42 * along + 0.075 * outward)
        arm = np.array([(shoulder - 0.1, slope), top, elbow, end, end - cuff * outward,
                        (chest - 0.06, armpit_y + 0.04)])
        cuff_seam = _ribbon([end - along * 0.035, end - along * 0.035 - cuff * outward], 0.016)
        armhole = [(shoulder - 0.02, slope - 0.01), (chest - 0.05, armpit_y * 0.6), (chest, armpit_y + 0.04)]
        for flip in _SIDES:
            # Sleeves lie lower than the body and get less light.
            sewn = (*marks, Part(cuff_seam * flip, seam))
            parts.append(Part(_curve(arm * flip, 0.35), min(1, shade * 1.12), marks=sewn))
            details.append(Part(_ribbon(armhole, 0.014) * flip, seam))
    body = np.concatenate([_curve(_both(side), 0.35, closed=False), neckline[::-1]])
    return [*parts, Part(body, shade, marks=tuple(details))]


def _front(rng, shade, top, closure):
    """A front opening from y = top down to the hem: a zip, or a placket with buttons."""
    if closure == "zip":
        teeth = _contrast(shade, 0.35)
        slider = _ellipse(0, top + 0.04, 0.02)
        return [Part(_box(-0.014, top, 0.014, 0.985), teeth, NEUTRAL), Part(slider, teeth, NEUTRAL)]
    heights = np.linspace(top + 0.06, 0.9, rng.integers(4, 8))
    return [
        Part(_box(-0.034, top, 0.034, 0.985), _contrast(shade, 0.08)),
        Part(_box(0.034, top, 0.045, 0.985), _contrast(shade, 0.28)),
        *[Part(_ellipse(0, y, 0.016), _contrast(shade, 0.4), NEUTRAL) for y in heights],
    ]


def _collar(shade, half, amount):
    """A turned-down collar from its right half: front point first, then up and round to the tip."""
    right = np.array(half)
    top, width = right[1:3, 1].max(), right[2, 0]
    parts = [Part(_box(-width, top, width, 0.1), _contrast(shade, 0.3))]  # the inside, behind the neck
    for flip in _SIDES:
        parts.append(Part(_curve(right * flip, 0.15), _contrast(shade, amount)))
        parts.append(Part(_ribbon(right[[0, 4, 3]] * flip, 0.012, 0.0), _contrast(shade, 0.28)))
    return parts


def _t_shirt(rng):
    shade = _dye(rng)
    marks = _pattern(rng, shade, {"emblem": 0.35, "stripes": 0.14, "print": 0.1, "block": 0.06})
    chest, neck = rng.uniform(0.22, 0.27), rng.uniform(0.09, 0.13)
    cut = {"neck": neck, "chest": chest, "waist": chest - rng.uniform(0, 0.025),
           "hem": chest + rng.uniform(-0.015, 0.02)}
    if rng.random() < 0.12:  # a tank top
        return _top(rng, shade, marks, **cut, shoulder=neck + 0.05, neck_depth=rng.uniform(0.16, 0.24))
    return _top(rng, shade, marks, **cut, neck_depth=rng.uniform(0.06, 0.14),
                shoulder=rng.uniform(0.23, 0.26), sleeve=(rng.uniform(0.37, 0.44), rng.uniform(0.24, 0.34)),
                cuff=rng.uniform(0.13, 0.17))


def _trouser(rng):
    shade = _dye(rng, 0.35)
    seam = _contrast(shade, 0.22)
    pattern = _pattern(rng, shade, {"pinstripes": 0.05, "print": 0.06})
    waist, hip, crotch = rng.uniform(0.14, 0.17), rng.uniform(0.17, 0.205), rng.uniform(0.3, 0.36)
    ankle_out = rng.uniform(0.14, 0.24)
    ankle_in = ankle_out - rng.uniform(0.09, 0.15)
    knee = ((hip + ankle_out) / 2, rng.uniform(0.5, 0.62))
    leg = np.array([(0, 0.03), (waist, 0.03), (hip, 0.22), knee, (ankle_out, 1), (ankle_in, 1),
                    (0.03, crotch + 0.08), (0, crotch)])
    faded = _ellipse((ankle_out + ankle_in) / 2, 0.45, 0.025, 0.22)
    pocket = _ribbon([(waist * 0.6, 0.06), (waist * 0.75, 0.13), (hip, 0.16)], 0.012)
    hem = Part(_box(-0.5, 0.963, 0.5, 0.975), seam)
    parts = []
    for flip in _SIDES:
        marks = (*pattern, Part(faded * flip, shade * 0.92), Part(pocket * flip, seam), hem)
        parts.append(Part(_curve(leg * flip, 0.2), shade, marks=marks))
    return [
        *parts,
        Part(_ribbon([(0, 0.06), (0, crotch)], 0.012), seam),
        Part(_ribbon([(0.04, 0.06), (0.04, 0.17), (0, 0.21)], 0.01), seam),  # the fly
        Part(_box(-waist, 0, waist, 0.055), _contrast(shade, 0.1)),  # the waistband and its loops
        *[Part(_box(x - 0.008, 0, x + 0.008, 0.06), seam) for x in (-waist * 0.6, waist * 0.6)],
        Part(_ellipse(0, 0.028, 0.014), _contrast(shade, 0.45), NEUTRAL),
    ]


def _pullover(rng):
    shade = _dye(rng)
    marks = _pattern(rng, shade, {"emblem": 0.18, "stripes": 0.15, "block": 0.15})
    chest = rng.uniform(0.21, 0.24)
    parts = _top(rng, shade, marks, neck=rng.uniform(0.09, 0.12), neck_depth=rng.uniform(0.06, 0.11),
                 shoulder=rng.uniform(0.255, 0.285), chest=chest, waist=chest,
                 hem=chest - rng.uniform(0, 0.02), cuff=rng.uniform(0.1, 0.125),
                 sleeve=(rng.uniform(0.36, 0.42), rng.uniform(0.95, 1.06)))
    rib = _contrast(shade, 0.12)
    groove = _contrast(rib, 0.12)
    lines = tuple(Part(_box(x, 0.94, x + 0.008, 1), groove) for x in np.arange(-0.23, 0.23, 0.035))
    return [*parts, Part(_box(-chest + 0.018, 0.94, chest - 0.018, 1), rib, marks=lines)]


def _dress(rng):
    shade = _dye(rng, 0.3)
    chest, waist_y = rng.uniform(0.12, 0.15), rng.uniform(0.36, 0.44)
    waist, hem = chest * rng.uniform(0.78, 0.95), rng.uniform(0.14, 0.28)
    marks = [*_pattern(rng, shade, {"print": 0.2, "stripes": 0.06, "block": 0.05})]
    for x, tone in zip((-0.75, -0.4, 0, 0.4, 0.75), rng.choice([-0.14, -0.1, 0.1], 5), strict=True):
        pleat = _ribbon([(x * waist, waist_y), (x * hem, 1.02)], 0.014)
        marks.append(Part(pleat, np.clip(shade + tone, 0.1, 1)))
    belt = _box(-waist - 0.01, waist_y - 0.018, waist + 0.01, waist_y + 0.018)
    marks.append(Part(belt, _contrast(shade, rng.uniform(0.1, 0.4)), ACCENT))
    neck = rng.uniform(0.06, 0.08)
    cut = {"neck": neck, "neck_depth": rng.uniform(0.07, 0.16), "chest": chest, "waist": waist, "hem": hem,
           "armpit_y": 0.2, "waist_y": waist_y, "tail": 0.02}
    if rng.random() < 0.5:  # sleeveless
        return _top(rng, shade, tuple(marks), **cut, shoulder=neck + 0.03)
    sleeve = (chest + rng.uniform(0.07, 0.1), 0.19 if rng.random() < 0.6 else rng.uniform(0.45, 0.58))
    return _top(rng, shade, tuple(marks), **cut, shoulder=chest, sleeve=sleeve, cuff=0.075)


def _coat(rng):
    shade = _dye(rng, 0.5)
    marks = _pattern(rng, shade, {"block": 0.06, "print": 0.04})
    long = rng.random() < 0.5  # to the knee, so that the sleeves end higher; else a jacket
    chest = rng.uniform(0.165, 0.2) if long else rng.uniform(0.2, 0.23)
    sleeve = (chest + rng.uniform(0.12, 0.15), rng.uniform(0.7, 0.85) if long else rng.uniform(0.9, 1.02))
    neck, opening = chest * 0.42, rng.uniform(0.12, 0.26)
    parts = _top(rng, shade, marks, neck=neck, neck_depth=0.09, shoulder=chest + rng.uniform(0.03, 0.05),
                 chest=chest, waist=chest - rng.uniform(0, 0.02), hem=chest + rng.uniform(0, 0.04),
                 sleeve=sleeve, cuff=rng.uniform(0.13, 0.16))
    pocket = _ribbon([(chest * 0.4, 0.66), (chest * 0.8, 0.63)], 0.022)
    lapel = [(0, opening), (neck * 0.4, -0.05), (neck, -0.045), (neck + 0.07, 0.09), (neck + 0.02, 0.14)]
    return [
        *parts,
        *_front(rng, shade, opening - 0.02, rng.choice(["zip", "buttons"])),
        *_collar(shade, lapel, rng.uniform(0.08, 0.2)),
        *[Part(pocket * flip, _contrast(shade, 0.28)) for flip in _SIDES],
    ]


def _shirt(rng):
    shade = _dye(rng, 0.2) * 0.9
    marks = _pattern(rng, shade, {"check": 0.25, "pinstripes": 0.18, "print": 0.22})
    chest, neck = rng.uniform(0.185, 0.22), rng.uniform(0.08, 0.1)
    if rng.random() < 0.15:  # short sleeves
        arms = {"sleeve": (rng.uniform(0.37, 0.41), rng.uniform(0.32, 0.44)), "cuff": 0.14}
    else:
        arms = {"sleeve": (rng.uniform(0.375, 0.415), rng.uniform(0.9, 1.0)), "cuff": rng.uniform(0.1, 0.12)}
    parts = _top(rng, shade, marks, neck=neck, neck_depth=0.1, shoulder=rng.uniform(0.26, 0.29), chest=chest,
                 waist=chest - rng.uniform(0.01, 0.04), hem=chest, tail=0.04, **arms)
    collar = [(0, 0.1), (neck * 0.5, 0), (neck + 0.01, -0.015), (neck + 0.04, 0.07), (0.075, 0.15)]
    pocket = [(0.07, 0.32), (0.16, 0.32), (0.16, 0.42), (0.115, 0.44), (0.07, 0.42), (0.07, 0.32)]
    parts += [*_front(rng, shade, 0.09, "buttons"), *_collar(shade, collar, 0.1)]
    if rng.random() < 0.6:
        parts.append(Part(_ribbon(pocket, 0.012, 0.0), _contrast(shade, 0.28)))
    return parts


# ---- Shoes: toe at x = 0 on the left, heel at x = 1, the ground at y = 0 -------------------------


def _sandal(rng):
    shade, sole_shade = _dye(rng, 0.4), rng.uniform(0.35, 1.0)
    kind = rng.choice(["slide", "flat", "wedge", "heel"], p=[0.15, 0.35, 0.2, 0.3])
    rise = {"slide": 0.0, "flat": 0.0, "wedge": rng.uniform(0.15, 0.26), "heel": rng.uniform(0.3, 0.48)}[kind]
    bed = np.array([(0, -0.05), (0.12, -0.04), (0.36, -0.05), (0.6, -0.06 - rise * 0.6),
                    (0.82, -0.055 - rise), (1, -0.06 - rise)])
    parts = []
    if kind == "heel":
        heel = [(0.84, -0.05 - rise), (0.99, -0.06 - rise), (0.965, 0), (0.925, 0)]
        parts.append(Part(_curve(heel, 0.1), sole_shade, NEUTRAL))
    if kind == "wedge":
        parts.append(Part(_curve([*bed, (0.98, 0), (0.3, 0), (0.02, 0)], 0.3), sole_shade, NEUTRAL))
    parts.append(Part(_ribbon(bed, 0.07), sole_shade * 0.85, NEUTRAL))
    if kind == "slide":
        band = [(0.14, -0.05), (0.2, -0.2), (0.36, -0.27), (0.52, -0.26), (0.62, -0.06)]
        seam = Part(_ribbon([(0.1, -0.09), (0.36, -0.13), (0.7, -0.09)], 0.016), _contrast(shade, 0.25))
        return [*parts, Part(_curve(band, 0.5), shade, marks=(seam,))]
    strap = rng.uniform(0.04, 0.07)
    heel_top = bed[-1] + (-0.02, -rng.uniform(0.2, 0.3))
    instep = heel_top + (-rng.uniform(0.26, 0.34), 0.04)
    buckle = (heel_top + instep) / 2 + (0, 0.05)
    behind_heel = [bed[-1] + (-0.03, 0), bed[-1] + (0.01, -0.12), heel_top + (0, -0.02)]
    over_instep = [instep + (0.01, -0.04), instep + (-0.03, 0.1), bed[3] + (-0.04, 0)]
    round_ankle = [heel_top + (0.01, 0), buckle + (0, 0.03), instep + (-0.01, 0)]
    arch = [(0.1, -0.04), (0.13, -0.17), (0.28, -0.23), (0.4, -0.18), (0.45, -0.05)]
    parts += [
        Part(_ribbon(behind_heel, strap * 1.4), shade),
        Part(_ribbon(over_instep, strap), shade * 0.9),
        Part(_ribbon(round_ankle, strap), shade),
        Part(_ribbon(arch, strap * rng.uniform(1, 2.2)), shade),
        Part(_ellipse(*buckle, 0.03), _contrast(shade, 0.4), NEUTRAL),
    ]
    if rng.random() < 0.5:
        parts.append(Part(_ribbon([(0.3, -0.2), (0.42, -0.24 - rise * 0.4), instep], strap), shade * 0.95))
    return parts


def _sneaker(rng):
    shade, sole_shade = _dye(rng, 0.3), rng.uniform(0.15, 0.8)
    trim, lace = _contrast(shade, rng.uniform(0.1, 0.3)), _contrast(shade, 0.5)
    # Here y = 0 is the top of the sole.
    toe, vamp, tongue = rng.uniform((-0.17, -0.21, -0.43), (-0.12, -0.16, -0.35))
    upper = [(0.01, 0.01), (0.02, toe + 0.04), (0.12, toe - 0.01), (0.3, vamp - 0.03), (0.5, tongue + 0.03),
             (0.57, tongue - 0.02), (0.64, tongue + 0.04), (0.74, -0.29), (0.86, -0.32), (0.95, -0.4),
             (0.99, -0.33), (0.97, -0.15), (0.99, 0.01)]
    cap = [(-0.05, 0.1), (-0.05, -0.2), (0.16, -0.2), (0.24, -0.1), (0.22, 0.1)]
    heel = [(1.05, -0.46), (0.9, -0.41), (0.86, -0.21), (0.8, 0.1), (1.05, 0.1)]
    collar = [(0.6, tongue + 0.05), (0.73, -0.27), (0.87, -0.3), (0.96, -0.39)]
    marks = [Part(_curve(cap, 0.5), _contrast(shade, 0.15)), Part(_curve(heel, 0.4), trim, ACCENT),
             Part(_ribbon(collar, 0.035), _contrast(shade, 0.25))]
    kind = rng.choice(["wave", "bars", "plain"], p=[0.4, 0.35, 0.25])
    if kind == "wave":
        wave = [(0.3, -0.03), (0.42, -0.21), (0.52, -0.05), (0.64, -0.23), (0.74, -0.07), (0.88, -0.21)]
        marks.append(Part(_ribbon(wave, 0.04), trim, ACCENT))
    if kind == "bars":
        marks += [Part(_ribbon([(x, -0.31), (x - 0.08, 0.02)], 0.045), trim, ACCENT) for x in (0.58, 0.7)]
    parts = [Part(_curve(upper, 0.5), shade, marks=tuple(marks))]
    for along in (0.1, 0.35, 0.6, 0.85):
        x, y = 0.29 + along * 0.22, vamp + (tongue + 0.03 - vamp) * along
        parts.append(Part(_ribbon([(x - 0.015, y - 0.02), (x + 0.07, y + 0.055)], 0.022), lace, NEUTRAL))
    thick = rng.uniform(0.05, 0.09)
    sole = [(0, -0.04), (0.3, 0), (0.7, 0), (1, -0.03), (0.99, thick - 0.01), (0.4, thick),
            (0.06, thick - 0.01), (-0.01, 0)]
    tread = _ribbon([(0, thick - 0.03), (0.4, thick - 0.015), (1, thick - 0.025)], 0.02)
    sole_marks = (Part(tread, _contrast(sole_shade, 0.3), NEUTRAL),)
    return [*parts, Part(_curve(sole, 0.4), sole_shade, NEUTRAL, sole_marks)]


def _ankle_boot(rng):
    shade, sole_shade = _dye(rng, 0.45), rng.uniform(0.3, 0.95)
    rise = rng.choice([0.0, rng.uniform(0.05, 0.12), rng.uniform(0.15, 0.3)], p=[0.4, 0.35, 0.25])
    shaft, front = rng.uniform(0.5, 0.68) + rise * 0.6, rng.uniform(0.44, 0.54)
    upper = [(0, -0.05), (0.01, -0.15), (0.12, -0.21), (0.3, -0.25 - rise * 0.3),
             (front - 0.02, -0.34 - rise * 0.7), (front + 0.02, -shaft * 0.75), (front, -shaft),
             (0.97, -shaft + rng.uniform(-0.02, 0.02)), (0.95, -0.35 - rise), (0.99, -0.2 - rise),
             (0.98, -0.05 - rise), (0.7, -0.05 - rise), (0.4, -0.05)]
    line = _contrast(shade, 0.28)
    marks = [Part(_ribbon([(0.7, -0.02), (0.78, -0.28 - rise), (1, -0.3 - rise)], 0.014), line)]
    laces = []
    kind = rng.choice(["zip", "gore", "cuff", "laces"])
    if kind == "zip":
        zipper = [(0.78, -shaft), (0.74, -0.3 - rise), (0.7, -0.08 - rise)]
        marks.append(Part(_ribbon(zipper, 0.022), line, NEUTRAL))
    if kind == "gore":
        gore = [(0.6, -shaft - 0.05), (0.84, -shaft - 0.05), (0.76, -0.28 - rise), (0.68, -0.28 - rise)]
        marks.append(Part(_curve(gore, 0.4), _contrast(shade, 0.35), ACCENT))
    if kind == "cuff":
        marks.append(Part(_box(0.3, -shaft - 0.1, 1.1, -shaft + 0.1), _contrast(shade, 0.3), ACCENT))
    if kind == "laces":
        for y in np.linspace(-shaft + 0.05, -0.3 - rise * 0.7, 5):
            x = front - 0.03 - max(0.0, y + 0.42 + rise) * 0.7
            lace = _ribbon([(x, y - 0.015), (x + 0.13, y + 0.025)], 0.022)
            laces.append(Part(lace, _contrast(shade, 0.45), NEUTRAL))
    sole = [(-0.01, -0.06), (0.4, -0.06), (0.7, -0.07 - rise), (1, -0.07 - rise), (1, -rise), (0.72, -rise),
            (0.42, 0), (0.02, 0)]
    width = rng.uniform(0.1, 0.3)
    heel = [(0.98 - width, -0.02 - rise), (1, -0.02 - rise), (0.97, 0.02), (0.99 - width, 0.02)]
    return [
        Part(_curve(upper, 0.35), shade, marks=tuple(marks)), *laces,
        Part(_curve(heel, 0.1), sole_shade * 0.9, NEUTRAL), Part(_curve(sole, 0.3), sole_shade, NEUTRAL),
    ]


# ---- Bags: symmetric about x = 0, opening at y = 0 -----------------------------------------------


def _bag(rng):
    shade = _dye(rng, 0.35)
    marks = [*_pattern(rng, shade, {"print": 0.12, "check": 0.06, "block": 0.1, "stripes": 0.04})]
    width, height, taper = rng.uniform(0.42, 0.5), rng.uniform(0.48, 0.72), rng.uniform(-0.08, 0.08)
    reach, lift = width * rng.uniform(0.4, 0.6), rng.uniform(0.15, 0.36)
    line, metal = _contrast(shade, 0.25), _contrast(shade, 0.55)
    body = _curve(_both([(width - max(taper, 0), 0), (width + min(taper, 0), height)]), 0.15)
    style = rng.choice(["tote", "satchel", "clutch", "bowling"], p=[0.33, 0.2, 0.14, 0.33])
    if style == "tote":
        marks.append(Part(_box(-0.6, 0.06, 0.6, 0.075), line))
        marks += [Part(_box(x - 0.03, -0.1, x + 0.03, 0.2), line, ACCENT) for x in (-reach, reach)]
    if style in ("satchel", "clutch"):
        half_flap = [(width + 0.02, -0.02), (width, height * 0.4), (width * 0.3, height * 0.55)]
        flap = _curve(_both(half_flap), 0.4)
        marks += [Part(flap + (0, 0.018), line), Part(flap, shade * 0.95)]
        marks.append(Part(_box(-0.05, height * 0.45, 0.05, height * 0.62), metal, NEUTRAL))
    if style == "bowling":
        body = _curve(_both([(width * 0.6, 0), (width, height * 0.35), (width, height)]), 0.4)
        zipper = [(-width, height * 0.2), (0, height * 0.14), (width, height * 0.2)]
        marks.append(Part(_ribbon(zipper, 0.025), line))
        marks.append(Part(_ellipse(width * 0.55, height * 0.2, 0.03), metal, NEUTRAL))
    marks.append(Part(_box(-0.6, height - 0.05, 0.6, height - 0.037), line))
    parts = [Part(body, shade, marks=tuple(marks))]
    if style != "clutch":
        handle = [(-reach, 0.05), (-reach * 0.95, -lift * 0.9), (-reach * 0.4, -lift * 1.15),
                  (reach * 0.4, -lift * 1.15), (reach * 0.95, -lift * 0.9), (reach, 0.05)]
        parts.insert(0, Part(_ribbon(handle, rng.uniform(0.03, 0.055)), shade * 0.9, ACCENT))
    return parts


# fmt: on

# Index = label, in the order of Fashion-MNIST.
GARMENTS = (_t_shirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _ankle_boot)
