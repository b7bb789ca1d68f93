"""Turn a stranger's file into an upright RGB photo, and a photo into a 28x28 image as in Fashion-MNIST.

`read` decides what is a picture at all; `prepare` separates the garment from its background with colours
alone, no trained network, so that every step can be shown and overruled. It does not correct perspective,
turn a garment, take a pair of shoes apart or find several garments. Nothing here writes to disk or logs (Pillow
itself may warn on stderr about a damaged file, without its content).
"""

import io
import struct
import threading
import zlib
from dataclasses import dataclass

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from fashion import colour_profile, heif_structure, photo_structure
from fashion.errors import PhotoError

# Photos of iPhones; AVIF is Pillow's own.
pillow_heif.register_heif_opener(depth_images=False, aux_images=False)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
"""The only decoders tried (JPEG includes MPO). Pillow knows forty more, each one more way in for a hostile file."""
MAX_BYTES = 15_000_000
"""Largest file accepted, in bytes; a 50 megapixel phone photo has 10 to 14 million."""
MAX_SIDE = 1600
"""Longest side of the photo returned by `read`, in pixels."""
MIN_SIDE = 28
"""Shortest side accepted, in pixels: that of the network's input."""

_DAMAGE = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError)
_RARE_DAMAGE = (AssertionError, MemoryError, struct.error, zlib.error)  # the first: a PNG without palette
DECODER_ERRORS = (*_DAMAGE, *_RARE_DAMAGE, Image.DecompressionBombError)
"""What Pillow's decoders may raise for damaged bytes."""

# A class drops its photos in the same minute. Thirty HEIC files of 12 million pixels took 1.4 GB when all were decoded at once,
# and no less time: two at a time take 0.36 GB.
_DECODING = threading.BoundedSemaphore(2)


def read(data: bytes, name: str = "photo") -> Image.Image:
    """The picture in a file: RGB, upright, no metadata, longest side at most 1600 pixels.

    Colours are converted to sRGB where the file says they are not, unless its profile would take too long. Transparent
    parts become white, as the background of a catalogue picture. Of an animation the first frame is taken. 16-bit and
    float pictures are reduced to 8 bits.

    Raises PhotoError, with `name` in its words, for anything that is not a readable picture of a sensible size.
    """
    name = "".join(letter if letter.isprintable() else "?" for letter in name)[:60]
    if not data:
        raise PhotoError(f"Expected a photo. Received: {name}, an empty file. Choose the file again.")
    if len(data) > MAX_BYTES:
        raise PhotoError(
            f"A photo may have at most {MAX_BYTES / 1e6:.0f} MB. Received: {name}, {len(data) / 1e6:.1f} MB. "
            "Save it smaller or as JPEG."
        )
    excess = photo_structure.excess(data)
    if excess:
        raise PhotoError(_excessive(name, excess))
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoError(photo_structure.too_many_pixels(name, "far more")) from None
    except UnidentifiedImageError:
        if photo_structure.is_known(data):
            raise PhotoError(_damaged(name)) from None
        raise PhotoError(
            f"Expected a photo as JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF. Received: {name}, "
            f"{photo_structure.looks_like(data)}. Choose a photo, or save it as JPEG."
        ) from None
    except DECODER_ERRORS:
        raise PhotoError(_damaged(name)) from None

    excess = photo_structure.excess_of_metadata(image)
    if excess:
        raise PhotoError(_excessive(name, excess))
    width, height = image.size  # known from the header; no pixel has been decoded yet
    if width * height > photo_structure.most_pixels(image):
        raise PhotoError(photo_structure.too_many_pixels(name, f"{width}x{height}"))
    scale = min(1.0, MAX_SIDE / max(width, height))
    if min(width, height) * scale < MIN_SIDE:
        raise PhotoError(
            f"The photo must be at least {MIN_SIDE} pixels on each side once its longest side is at most "
            f"{MAX_SIDE}. Received: {name}, {width}x{height}. Use a larger or less narrow picture."
        )
    try:
        with _DECODING:
            # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, which saves most of the time and memory.
            image.draft("RGB", (round(width * scale), round(height * scale)))
            ImageOps.exif_transpose(image, in_place=True)
            return _plain_rgb(image, _profile(data, image))
    except DECODER_ERRORS:
        raise PhotoError(_damaged(name)) from None


def _profile(data: bytes, image: Image.Image) -> bytes | None:
    """The colour profile in a file, or the one that belongs to the numbers by which a HEIC or AVIF names its colours."""
    profile = image.info.get("icc_profile")
    if not profile and image.format in ("HEIF", "AVIF"):
        numbers = heif_structure.colours(data)
        profile = numbers and colour_profile.named(*numbers)
    return profile


def _plain_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A new RGB image of the same picture, reduced to MAX_SIDE, in sRGB, without anything but its pixels.

    profile: the colour profile of its numbers; those of sRGB if None.
    """
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    elif image.has_transparency_data and image.mode != "RGBA":  # converting would copy it all the same
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB", "RGBA", "CMYK"):
        image = image.convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE), reducing_gap=2.0)
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    if profile and colour_profile.is_quick(profile):  # otherwise the numbers are taken as sRGB
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(source).lower():
                srgb = ImageCms.createProfile("sRGB")
                image = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile, or one for another kind of picture: the numbers are taken as sRGB
    plain = Image.new("RGB", image.size)
    plain.paste(image.convert("RGB"))
    return plain


def _eight_bits(image: Image.Image) -> Image.Image:
    """A 16-bit, 32-bit or float grey picture as 8-bit grey.

    The smallest usual range that holds all values is taken as black to white: 0 to 1 (float only), 0 to 255
    (not for 16-bit files), 0 to 65,535. Other ranges are stretched from their least to their greatest value.
    """
    is_float, is_16_bit = image.mode == "F", image.mode.startswith("I;16")
    image = image.convert("F")
    image.thumbnail((MAX_SIDE, MAX_SIDE), reducing_gap=2.0)  # first, or 60 megapixels would take a gigabyte
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0, neginf=0)
    low, high = 0.0, 65535.0
    if values.min() < 0 or values.max() > high:
        low, high = values.min(), values.max()
    elif is_float and values.max() <= 1:
        high = 1.0
    elif not is_16_bit and values.max() <= 255:
        high = 255.0
    grey = np.rint((values - low) / max(high - low, 1e-9) * 255)
    return Image.fromarray(grey.astype(np.uint8))


def _excessive(name: str, excess: str) -> str:
    return (
        f"Expected a photo as cameras and programs write it. Received: {name}, {excess}, which would take too long to "
        "read. Open it on your device and save it as JPEG."
    )


def _damaged(name: str) -> str:
    return (
        f"Expected a complete photo. Received: {name}, which is damaged, cut off or of a rare kind. "
        "Upload it again, or open it on your device and save it as JPEG."
    )


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """What the visitor overrules in `prepare`."""

    crop: bool = True
    """Cut out the garment; False keeps the whole frame."""
    invert: bool | None = None
    """Make dark light and light dark; None decides from the background."""
    threshold: float | None = None
    """How much a pixel must look like the garment to be kept, 0 (keep all) to 1; None decides from the photo."""

    def __post_init__(self):
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"`threshold` must be None or 0 to 1. Received: threshold={self.threshold}.")


@dataclass(frozen=True)
class Step:
    """One picture on the way from the photo to the network's input, and what was done to get it."""

    title: str
    caption: str
    image: Image.Image


@dataclass(frozen=True)
class Prepared:
    """The network's input and how it came about."""

    steps: tuple[Step, ...]
    """Upright, cropped, background black, grey, centred, 28x28."""
    result: np.ndarray
    """uint8 (28, 28), 0 black background to 255, read-only."""
    inverted: bool
    threshold: float
    """The threshold used, 0 to 1."""


WORK_SIDE = 400  # longest side while working, pixels; 14 times the result's, 16 times less to do than at 1600
SEARCH_SIDE = 112  # longest side while looking for the garment, pixels; 64 lost 1 to 2 %, 240 gained nothing
NUM_COLOURS = 64  # colours told apart in the search; 128 did equally well
COLOUR_SUPPORT = 0.15  # fraction of a region a colour must be near to count as of it; 0.2 did equally well
LIGHTNESS_WEIGHT = 0.6  # of CIELAB's L against a and b: a shadow differs from its wall mostly in lightness
MIN_DIFFERENCE = 2.0  # CIELAB distance of garment and background; about what an eye can just tell apart
SPECK_FRACTION = 0.01  # of the garment's area; enclosed gaps up to this size are filled
PURE_BLACK = (
    2  # grey level of 255; a border this dark is no photographed cloth: the picture is drawn on black
)
PAINTED_LEVEL = 10  # grey level from which a pixel of such a picture is garment; JPEG leaves less on black
BLACK_CLOTH = 40  # grey level below which a background is black, so that a lighter garment on it stays light
DARKEST_GARMENT = 30  # grey level given to a garment's darkest 2 %, so that it stays apart from black
MAX_GAIN = 3.0  # most that contrast is raised, so that the weave of a plain shirt does not become a pattern


def prepare(image: Image.Image, options: PrepareOptions = PrepareOptions()) -> Prepared:
    """A photo of one garment as a 28x28 image like those of Fashion-MNIST, with every step in between.

    image: as from `read`, at least 28x28. The same photo and options give the same bytes.

    Fashion-MNIST was made from catalogue pictures on near-white: trimmed of what is close to the corners'
    colour, longest edge reduced to 28 by leaving out pixels, sharpened, centred, negated, made grey (Xiao,
    Rasul and Vollgraf 2017, arXiv:1708.07747, section 2). Photos are not catalogue pictures, so we differ:
    the background is found by colour and painted black; pixels are averaged instead of left out, which is
    calmer with a camera's noise; no sharpening, which gained nothing on real photos; contrast is stretched,
    since nearly all of the dataset's images reach 254 or 255; and neither a light garment on black nor a
    picture whose background is black already is negated.

    Raises PhotoError if nothing stands out from the background, and at a threshold that keeps nothing.
    """
    photo = image.convert("RGB")
    photo.thumbnail((WORK_SIDE, WORK_SIDE), Image.Resampling.BOX)
    grey = np.asarray(photo.convert("L"), dtype=np.float32)
    on_black = bool(np.median(grey[_border(grey.shape)]) <= PURE_BLACK)

    garment, threshold = _find_garment(photo, on_black, options.threshold)
    # A picture drawn on black is not painted over unless asked: its dim edges would be lost.
    kept = np.ones_like(garment) if on_black and options.threshold is None else garment
    box = _bounding_box(garment) if options.crop else (0, 0, *photo.size)
    blackened = Image.fromarray(np.asarray(photo) * kept[..., None]).crop(box)

    garment_level = float(np.median(grey[garment]))
    background_level = float(np.median(grey[_border(grey.shape)]))
    on_cloth = background_level < BLACK_CLOTH and garment_level > background_level
    inverted = not (on_black or on_cloth) if options.invert is None else options.invert
    levels = 255 - grey if inverted else grey
    levels = _stretched(levels, levels[garment], keep_black=on_black and not inverted)
    grey_image = _grey_image(levels * kept).crop(box)

    side = max(grey_image.size)
    square = Image.new("L", (side, side))
    # Rounded to the right and down, as in 98 % of the dataset's images with an odd margin.
    square.paste(grey_image, ((side + 1 - grey_image.width) // 2, (side + 1 - grey_image.height) // 2))
    small = square.resize((MIN_SIDE, MIN_SIDE), Image.Resampling.BOX)
    result = np.array(small)
    result.flags.writeable = False

    covered = float(garment.mean())
    chosen = "found from the photo" if options.threshold is None else "set by you"
    cut = f"cut to {box[2] - box[0]} by {box[3] - box[1]} of {photo.width} by {photo.height} pixels"
    untouched = "Nothing is painted over" + (": the background is black already." if on_black else ".")
    painted = f"All that is not garment, {1 - covered:.0%} of the photo, is painted black."
    why = "set by you" if options.invert is not None else "decided from the two levels"
    steps = (
        Step(
            "Upright",
            f"The photo the right way up, {image.width} by {image.height} pixels, "
            f"worked on at {photo.width} by {photo.height}.",
            photo,
        ),
        Step(
            "Cropped to the garment",
            f"Pixels score from 0, background, to 1, garment; those from {threshold:.2f} on ({chosen}) cover "
            f"{covered:.0%} of the photo; {cut if options.crop else 'not cut, as set by you'}.",
            photo.crop(box),
        ),
        Step("Background made black", untouched if kept.all() else painted, blackened),
        Step(
            "Grey",
            f"Colour is dropped and light and dark are {'swapped' if inverted else 'kept'} ({why}: garment "
            f"{garment_level:.0f} and background {background_level:.0f} of 255); the brightest part becomes 255.",
            grey_image,
        ),
        Step("Centred", f"Black on the shorter sides makes a square of {side} by {side} pixels.", square),
        Step(
            "28x28", f"Each pixel averages {side / 28:.1f} by {side / 28:.1f}: what the network sees.", small
        ),
    )
    return Prepared(steps=steps, result=result, inverted=inverted, threshold=threshold)


def _find_garment(photo: Image.Image, on_black: bool, threshold: float | None) -> tuple[np.ndarray, float]:
    """Where the garment is, bool (h, w) of the photo's size, and the threshold used."""
    search = photo.copy()
    if on_black:
        scores, found = np.asarray(photo.convert("L")) / 255, PAINTED_LEVEL / 255
    else:
        search.thumbnail((SEARCH_SIDE, SEARCH_SIDE), Image.Resampling.BOX)
        scores = _garment_scores(search)
        found = _otsu(scores)
    used = found if threshold is None else threshold
    above = scores >= used
    garment = above if on_black else _without_specks(_central(above))
    if threshold is None and not on_black and _difference(search, garment) < MIN_DIFFERENCE:
        raise PhotoError(
            "Expected a garment that differs from its background. Received: a picture of nearly one colour. "
            "Use a background of another colour, or set the threshold to 0 to take the whole picture."
        )
    # Enlarging the scores, not the mask, puts the outline between the pixels of the search: without it, moving
    # a shirt by some pixels changed its 28x28 image by up to 14 levels on average.
    scores = np.where(garment, np.where(above, scores, 1.0), np.where(above, 0.0, scores))
    enlarged = Image.fromarray(scores.astype(np.float32)).resize(photo.size, Image.Resampling.BILINEAR)
    garment = np.asarray(enlarged) >= np.float32(used)
    if not garment.any():
        raise PhotoError(
            f"Expected a garment that stands out from its background at threshold {used:.2f}. Received: a "
            f"photo whose highest score is {scores.max():.2f}. Use another photo or a lower threshold."
        )
    return garment, used


def _garment_scores(search: Image.Image) -> np.ndarray:
    """How much each pixel looks like the middle of the picture rather than its border: float (h, w), 0 to 1.

    The picture is reduced to 64 colours. Each gets two distances, to the border's colours and to those of
    the middle: how far one must go from it to have met 15 % of that region's pixels. So the background may
    have several colours (tiles, stripes, uneven light), and a sleeve that touches the border is too little
    of it to count as background.
    """
    paletted = search.quantize(NUM_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colour_of = np.asarray(paletted)
    num_colours = int(colour_of.max()) + 1
    palette = _lab(np.array(paletted.getpalette(), dtype=np.float64).reshape(-1, 3)[:num_colours])
    palette *= (LIGHTNESS_WEIGHT, 1, 1)
    distances = np.linalg.norm(palette[:, None] - palette[None], axis=-1)
    nearest_first = distances.argsort(axis=1, kind="stable")
    sorted_distances = np.take_along_axis(distances, nearest_first, axis=1)

    def distance_to(region: np.ndarray) -> np.ndarray:
        num_pixels = np.bincount(colour_of[region], minlength=num_colours)
        met = num_pixels[nearest_first].cumsum(axis=1)
        enough = (met >= COLOUR_SUPPORT * region.sum()).argmax(axis=1)
        return sorted_distances[np.arange(num_colours), enough]

    to_border = distance_to(_border(colour_of.shape))
    to_middle = distance_to(_distance_from_middle(colour_of.shape) < 0.3)
    scores = to_border / (to_border + to_middle + 2)  # differences of 2 units are noise, not colour
    padded = np.pad(scores[colour_of], 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9  # mean of 3x3, against single noisy pixels


def _distance_from_middle(shape: tuple[int, int]) -> np.ndarray:
    """Distance of each pixel from the picture's middle, as a fraction of its height and width: float (h, w)."""
    y, x = ((np.arange(length) + 0.5) / length - 0.5 for length in shape)
    return np.hypot(y[:, None], x[None, :])


def _border(shape: tuple[int, int]) -> np.ndarray:
    """The outermost pixels, 3 % of the longer side wide: bool (h, w)."""
    thickness = max(1, round(0.03 * max(shape)))
    border = np.ones(shape, dtype=bool)
    border[thickness:-thickness, thickness:-thickness] = False
    return border


def _lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of sRGB colours 0 to 255, (..., 3); IEC 61966-2-1 and CIE 15."""
    linear = np.where(rgb > 0.04045 * 255, ((rgb / 255 + 0.055) / 1.055) ** 2.4, rgb / 255 / 12.92)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _otsu(scores: np.ndarray) -> float:
    """The threshold that parts the scores into two groups as unlike as possible (Otsu 1979)."""
    counts, edges = np.histogram(scores, bins=128)
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()
    sum_below = (counts * middles).cumsum()
    above = below[-1] - below
    between = (sum_below[-1] * below - sum_below * below[-1]) ** 2 / np.maximum(below * above, 1)
    return float(edges[between[:-1].argmax() + 1])


def _labelled(mask: np.ndarray) -> np.ndarray:
    """Connected regions of a mask: int (h, w), 0 outside, one number per region (4 neighbours).

    Each pixel starts with its own number; the greatest spreads along rows, then along columns, until no
    number changes: about ten rounds for a garment.
    """
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        before = labels
        for _ in ("rows", "columns"):
            is_start = np.ones(labels.shape, dtype=bool)
            is_start[:, 1:] = (labels[:, 1:] > 0) != (labels[:, :-1] > 0)
            starts = np.flatnonzero(is_start)
            greatest = np.maximum.reduceat(labels.ravel(), starts)
            labels = np.repeat(greatest, np.diff(starts, append=labels.size)).reshape(labels.shape).T
        if np.array_equal(labels, before):
            return labels


def _central(mask: np.ndarray) -> np.ndarray:
    """The region with most pixels near the middle, and those a quarter as important: a pair of shoes is two."""
    labels = _labelled(mask)
    nearness = np.exp(-((_distance_from_middle(mask.shape) / 0.4) ** 2))
    importance = np.bincount(labels.ravel(), weights=nearness.ravel())
    importance[0] = 0
    return mask & (importance[labels] >= importance.max() / 4)


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """The mask with its small enclosed gaps filled: buttons and spots in the background's colour.

    Larger ones stay: under the handle of a bag and between the straps of a sandal there is background.
    """
    labels = _labelled(~mask)
    outside = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    num_pixels = np.bincount(labels.ravel())
    is_speck = num_pixels[labels] <= SPECK_FRACTION * mask.sum()
    return mask | (is_speck & ~np.isin(labels, outside))


def _difference(search: Image.Image, garment: np.ndarray) -> float:
    """CIELAB distance between the mean colours inside and outside the mask."""
    if garment.all() or not garment.any():
        return 0.0
    pixels = np.asarray(search, dtype=np.float64)
    means = np.stack([pixels[garment].mean(axis=0), pixels[~garment].mean(axis=0)])
    return float(np.linalg.norm(np.subtract(*_lab(means))))


def _bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _stretched(levels: np.ndarray, garment_levels: np.ndarray, keep_black: bool) -> np.ndarray:
    """Grey levels with the garment's brightest at 255; with `keep_black`, 0 stays 0."""
    if keep_black:
        return levels * (255 / max(float(garment_levels.max()), 1))
    low, high = np.percentile(garment_levels, [2, 98])
    gain = min((255 - DARKEST_GARMENT) / max(high - low, 1), MAX_GAIN)
    return np.clip(255 - (high - levels) * gain, 0, 255)


def _grey_image(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(levels).astype(np.uint8))
