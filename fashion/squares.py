"""A photo -> the square of pixels that a network for photos receives: the one way, for training and prediction alike.

The 28x28 pictures have a way of their own, in `photos.py`. Random changes for training are `photo_augmentation.py`.
"""

import math

import numpy as np
from PIL import Image

FITS = {
    "crop": "Cropped to the middle square",
    "between": "Half cropped, half squashed",
    "squash": "Squashed to a square",
}
"""How a photo that is not square becomes one: without its ends, with a little of both losses, or without its proportions."""


def square(image: Image.Image, side: int, fit: str = "crop") -> np.ndarray:
    """The photo as uint8 (side, side, 3), 0 to 255, resized with all of its pixels taken into account.

    image: RGB, upright. fit: a key of `FITS`. The course squashes; for a frozen base, cropping was better here by one to
    two points of accuracy. A network that learned from random cuts, of all proportions between the square's and the
    photo's own, judges best between the two.
    """
    box = part(image.size, fit)
    # Bicubic over all pixels under each new one: taking only the nearest few would make patterns glitter.
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0))


def part(size: tuple[int, int], fit: str = "crop") -> tuple[float, float, float, float]:
    """The part of a photo of this width and height that `square` keeps: left, top, right, bottom in its pixels."""
    width, height = size
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side
    if fit == "between":  # as long as the mean, in proportions, of the square and the whole photo
        longer = math.sqrt(width * height)
        kept = (min(width, longer), min(height, longer))
        left, top = (width - kept[0]) / 2, (height - kept[1]) / 2
        return left, top, left + kept[0], top + kept[1]
    if fit != "squash":
        raise ValueError(f"`fit` must be one of {', '.join(FITS)}. Received: {fit!r}.")
    return 0, 0, width, height
