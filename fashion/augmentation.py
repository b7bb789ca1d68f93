"""Random changes to training pictures that leave the class as it was.

Mirror, move, turn, scale and erase, for a whole batch at once and in NumPy only: training itself wants the
cores of the machine, so a picture of 28x28 must cost microseconds. Labels and colours do not change, and
nothing here decides which augmentation helps: that is for the settings of a run and its validation accuracy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

MAX_ZOOM = 0.5
"""Largest `zoom`: sizes from a half to one and a half times the original."""
MAX_SIDE = 4096
"""Largest height or width in pixels. Up to here a coordinate fits into 16 bits before the binary point."""
ERASED_AREA = (0.02, 0.20)
"""Smallest and largest hidden part of a picture. Zhong et al. go to 0.4; a garment fills its picture, and a
rectangle that size can hide the sleeves and the collar, which is all that tells a shirt from a t-shirt."""
ERASED_ASPECT = (0.3, 1 / 0.3)
"""Lowest and highest height of the rectangle over its width, both as fractions of the picture's."""

# Output pixels computed at a time. On 128 pictures of 28x28: 17 microseconds each for 4,096 pixels, 8 for
# 8,192, 9 for 16,384, 13 for 32,768: from 128 kB an array is fresh memory from the system at every call.
_CHUNK_PIXELS = 8_192


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What may happen to a picture each time it is seen. The defaults change nothing.

    Raises ValueError for a value out of range.

    Example:
        change = Augmentation(flip=True, shift=2)
        batch = change(images, np.random.default_rng(seed))
    """

    flip: bool = False
    """Mirror left and right with probability 1/2."""
    shift: int = 0
    """Largest move in pixels: whole pixels, along each side independently, uniform in [-shift, shift]."""
    rotate: float = 0.0
    """Largest turn in degrees, 0 to 180: uniform in [-rotate, rotate]."""
    zoom: float = 0.0
    """Largest change of size as a fraction, 0 to 0.5: the scale is uniform in [1 - zoom, 1 + zoom]."""
    erase: float = 0.0
    """Probability, 0 to 1, that a rectangle of the picture is replaced by noise."""

    def __post_init__(self):
        if self.shift < 0 or self.shift != int(self.shift):
            raise ValueError(
                "`shift` must be a whole number of pixels, 0 or more."
                f" Received: shift={self.shift!r}. Give the largest move, rounded and without a sign."
            )
        for name, high, unit in (
            ("rotate", 180, "degrees"),
            ("zoom", MAX_ZOOM, "a fraction of the size"),
            ("erase", 1, "a probability"),
        ):
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise ValueError(
                    f"`{name}` must be from 0 to {high}, {unit}. Received: {name}={value!r}."
                    " Choose a value in that range; 0 switches it off."
                )

    @property
    def none(self) -> bool:
        """Whether nothing is switched on."""
        return not (self.flip or self.shift or self.rotate or self.zoom or self.erase)

    def __call__(self, images: np.ndarray, rng: np.random.Generator, *, fill: int = 0) -> np.ndarray:
        """A changed copy of each picture: a new array, uint8, shape as given.

        images: uint8 (n, height, width) or (n, height, width, channels), sides up to MAX_SIDE pixels.
        rng: the same state and the same pictures give the same result.
        fill: 0 to 255, what shows where a picture has moved away; 0 is the black background of
            Fashion-MNIST, 255 suits photos on white.

        Mirroring and moving alone copy pixels exactly. With `rotate` or `zoom`, the picture is mirrored,
        turned counter-clockwise about its centre, scaled and moved in one bilinear interpolation, so that it
        is blurred once only. Erasing comes last: a rectangle of ERASED_AREA and ERASED_ASPECT filled with
        uniform noise, as in Zhong et al., "Random Erasing Data Augmentation" (2017), arXiv:1708.04896.
        Noise and not zeros, because on a black background zeros would only draw a garment of another shape.

        Raises ValueError if the pictures are not as above, `fill` is out of range, or `shift` is as long as a
        side and could move the whole picture out of sight.
        """
        _check(images, self.shift, fill)
        pictures = images if images.ndim == 4 else images[..., None]
        # All ten rows are drawn whether used or not: in a preview, moving one slider then leaves the other
        # changes as they were.
        uniform = rng.random((10, len(pictures)))
        flips = (uniform[0] < 0.5) & bool(self.flip)
        moves = np.floor(uniform[1:3] * (2 * self.shift + 1)).astype(np.intp) - int(self.shift)
        if self.rotate or self.zoom:
            degrees = self.rotate * (2 * uniform[3] - 1)
            scales = 1 + self.zoom * (2 * uniform[4] - 1)
            changed = _warp(pictures, flips, moves, degrees, scales, fill)
        elif self.flip or self.shift:
            changed = _flip_and_move(pictures, flips, moves, fill)
        else:
            changed = pictures.copy()
        if self.erase:
            chosen = np.flatnonzero(uniform[5] < self.erase)
            _erase(changed, chosen, *uniform[6:, chosen], rng)
        return changed.reshape(images.shape)


def _check(images: np.ndarray, shift: int, fill: int) -> None:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or min(images.shape[1:]) < 1:
        raise ValueError(
            "`images` must be uint8 of shape (n, height, width) or (n, height, width, channels)."
            f" Received: {images.dtype} {images.shape}. Augment raw pixels, 0 to 255, before any scaling."
        )
    height, width = images.shape[1:3]
    if max(height, width) > MAX_SIDE:
        raise ValueError(
            f"`images` must have sides of at most {MAX_SIDE} pixels. Received: {height}x{width}."
            " Make the pictures smaller first."
        )
    if shift >= min(height, width):
        raise ValueError(
            f"`shift` must be shorter than both sides of the picture, {height}x{width}."
            f" Received: shift={shift}. Choose a smaller one; a tenth of the side is plenty."
        )
    if fill not in range(256):
        raise ValueError(
            f"`fill` must be a whole number from 0 to 255. Received: fill={fill!r}."
            " Give the value of the background."
        )


def _flip_and_move(pictures: np.ndarray, flips: np.ndarray, moves: np.ndarray, fill: int) -> np.ndarray:
    """Mirror where `flips` (n,) is True, then move by `moves` (2, n) whole pixels: right, down."""
    num_images, height, width, num_channels = pictures.shape
    margin = int(np.abs(moves).max(initial=0))
    inside = (slice(margin, margin + height), slice(margin, margin + width))
    canvas = np.full(
        (num_images, height + 2 * margin, width + 2 * margin, num_channels), fill, dtype=np.uint8
    )
    canvas[:, *inside] = pictures
    # One channel at a time: NumPy reverses three-byte pixels 2.5 times slower than three planes.
    for channel in range(num_channels):
        canvas[..., channel][flips, *inside] = pictures[flips, :, ::-1, channel]
    # A moved picture is a window of the canvas. With the channels laid out along the row, each row of the
    # window is one contiguous copy.
    rows = canvas.reshape(num_images, height + 2 * margin, -1)
    windows = sliding_window_view(rows, (height, width * num_channels), axis=(1, 2))
    right, down = moves
    moved = windows[np.arange(num_images), margin - down, (margin - right) * num_channels]
    return moved.reshape(pictures.shape)


def _warp(
    pictures: np.ndarray,
    flips: np.ndarray,
    moves: np.ndarray,
    degrees: np.ndarray,
    scales: np.ndarray,
    fill: int,
) -> np.ndarray:
    """Mirror, turn counter-clockwise by `degrees` (n,), scale by `scales` (n,), move by `moves` (2, n).

    For every output pixel the inverse map says where it comes from, and the four pixels around that place are
    mixed. Places are 32-bit integers in units of 1/65536 pixel; mixing uses the nearest 1/256, so that the
    result is within one grey level of exact arithmetic.

    The four neighbours sit in the four bytes of one word, so there is one look-up and not four, and the two
    pairs of a word are mixed by one multiplication (a pair of bytes 16 bits apart leaves each product room).
    """
    num_images, height, width, num_channels = pictures.shape
    across_x, across_y, down_x, down_y = _source_places(height, width, flips, moves, degrees, scales)

    per_chunk = max(1, min(num_images, _CHUNK_PIXELS // (height * width)))
    # Each picture has a frame of one pixel of `fill`: places further out are clipped onto it.
    stride, framed_size = width + 2, (height + 2) * (width + 2)
    framed = np.full((per_chunk, height + 2, stride), fill, dtype=np.uint32)
    flat = framed.reshape(-1)
    first_pixel = (np.arange(per_chunk, dtype=np.int32) * framed_size + stride + 1)[:, None, None]
    # Work arrays are made once: fresh ones at every step cost seven times the arithmetic.
    pairs, words = np.full_like(flat, fill), np.full_like(flat, fill)
    shape = (per_chunk, height, width)
    all_x, all_y, all_rows = (np.empty(shape, dtype=np.int32) for _ in range(3))
    all_index = np.empty(shape, dtype=np.intp)
    all_near, all_far = (np.empty(shape, dtype=np.uint32) for _ in range(2))

    warped = np.empty_like(pictures)
    for start in range(0, num_images, per_chunk):
        chunk = slice(start, min(start + per_chunk, num_images))
        used = slice(0, chunk.stop - chunk.start)
        x, y, rows, index = all_x[used], all_y[used], all_rows[used], all_index[used]
        near, far = all_near[used], all_far[used]

        np.add(across_x[chunk, None, :], down_x[chunk, :, None], out=x)
        np.add(across_y[chunk, None, :], down_y[chunk, :, None], out=y)
        np.clip(x, -1 << 16, width << 16, out=x)
        np.clip(y, -1 << 16, height << 16, out=y)
        np.right_shift(y, 16, out=rows)
        rows *= stride
        rows += first_pixel[used]
        np.right_shift(x, 16, out=index)
        index += rows
        for place in (x, y):  # from here on only the fraction of a pixel, 0 to 255
            place >>= 8
            place &= 255
        weight_right, weight_below = x.view(np.uint32), y.view(np.uint32)

        for channel in range(num_channels):
            framed[used, 1:-1, 1:-1] = pictures[chunk, ..., channel]
            # Bytes of a word from low to high: this pixel, its right neighbour, the one below, below right.
            # Beyond the end of a row lies the frame of the next. The last row has nothing below: its weight
            # is 0.
            np.left_shift(flat[stride:], 16, out=pairs[:-stride])
            pairs[:-stride] |= flat[:-stride]
            np.left_shift(pairs[1:], 8, out=words[:-1])
            words[:-1] |= pairs[:-1]

            np.take(words, index, out=near, mode="clip")
            np.right_shift(near, 8, out=far)
            near &= 0x00FF00FF
            far &= 0x00FF00FF
            _mix(near, far, weight_right)
            np.right_shift(near, 16, out=far)
            near &= 0xFFFF
            _mix(near, far, weight_below)
            near += 1 << 15  # to the nearest grey level
            near >>= 16
            warped[chunk, ..., channel] = near
    return warped


def _source_places(
    height: int, width: int, flips: np.ndarray, moves: np.ndarray, degrees: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where output pixels come from: x[i, row, column] = across_x[i, column] + down_x[i, row]; y likewise.

    (across_x, across_y, down_x, down_y), int32 (n, width) twice and (n, height) twice, in units of 1/65536
    pixel. 1/512 of a pixel is added already, so that cutting off all below 1/256 rounds.
    """
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    columns = np.arange(width) - centre_x - moves[0][:, None]
    rows = np.arange(height) - centre_y - moves[1][:, None]
    cosine = (np.cos(np.deg2rad(degrees)) / scales)[:, None]
    sine = (np.sin(np.deg2rad(degrees)) / scales)[:, None]
    mirror = np.where(flips, -1, 1)[:, None]
    places = (
        mirror * cosine * columns + (centre_x + 1 / 512),
        sine * columns + (centre_y + 1 / 512),
        mirror * -sine * rows,
        cosine * rows,
    )
    return tuple(np.rint(place * 65536).astype(np.int32) for place in places)


def _mix(near: np.ndarray, far: np.ndarray, weight: np.ndarray) -> None:
    """near = near * (256 - weight) + far * weight, in place; `far` is overwritten.

    The difference may wrap around below 0; the sum wraps it back.
    """
    far -= near
    far *= weight
    near <<= 8
    near += far


def _erase(
    pictures: np.ndarray,
    chosen: np.ndarray,
    area: np.ndarray,
    aspect: np.ndarray,
    along: np.ndarray,
    down: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Put noise into one rectangle of each picture of index `chosen` (m,), in place.

    area, aspect, along, down: (m,) uniform in [0, 1): size, shape and place of the rectangle. The aspect is
    spread evenly on a log scale, so that tall and wide ones are equally frequent.
    """
    _, height, width, num_channels = pictures.shape
    smallest, largest = ERASED_AREA
    part = smallest + (largest - smallest) * area
    narrowest, widest = ERASED_ASPECT
    ratio = narrowest * (widest / narrowest) ** aspect
    heights = np.clip(np.rint(height * np.sqrt(part * ratio)), 1, height).astype(np.intp)
    widths = np.clip(np.rint(width * np.sqrt(part / ratio)), 1, width).astype(np.intp)
    tops = (down * (height - heights + 1)).astype(np.intp)
    lefts = (along * (width - widths + 1)).astype(np.intp)

    ends = np.cumsum(heights * widths * num_channels)
    noise = rng.integers(0, 256, size=ends[-1] if len(ends) else 0, dtype=np.uint8)
    columns = (chosen, tops, lefts, heights, widths, ends)
    for index, top, left, tall, wide, end in zip(*(column.tolist() for column in columns), strict=True):
        patch = noise[end - tall * wide * num_channels : end].reshape(tall, wide, num_channels)
        pictures[index, top : top + tall, left : left + wide] = patch
