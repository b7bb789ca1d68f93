"""A photo becomes the square that a network sees."""

import numpy as np
import pytest
from PIL import Image

from fashion import squares


def _stripes(width: int, height: int) -> Image.Image:
    """Red in the first quarter of the longer side, blue in the last, white between."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    if width > height:
        pixels[:, : width // 4], pixels[:, -width // 4 :] = (255, 0, 0), (0, 0, 255)
    else:
        pixels[: height // 4], pixels[-height // 4 :] = (255, 0, 0), (0, 0, 255)
    return Image.fromarray(pixels)


def test_cropping_keeps_the_middle_and_the_proportions():
    """Of a photo twice as wide as high, the outer quarters are cut away."""
    square = squares.square(_stripes(400, 200), 50)

    assert square.shape == (50, 50, 3)
    assert square.dtype == np.uint8
    assert (square[:, 2:-2] == 255).all()


def test_squashing_keeps_everything():
    """The outer quarters stay outer quarters."""
    square = squares.square(_stripes(200, 400), 40, "squash")

    assert (square[:8] == (255, 0, 0)).all()
    assert (square[12:28] == 255).all()
    assert (square[32:] == (0, 0, 255)).all()


def test_between_the_two_loses_half_of_the_ends_and_half_of_the_proportions():
    """Of a photo twice as high as wide, 283 of 400 rows stay: 41 of the red 100, which fill an eighth and more of the square."""
    photo = _stripes(200, 400)

    left, top, right, bottom = squares.part(photo.size, "between")
    square = squares.square(photo, 100, "between")

    assert (left, right) == (0, 200)
    assert (top, bottom) == pytest.approx((58.58, 341.42), abs=0.01)
    assert (square[:13] == (255, 0, 0)).all()
    assert (square[17:83] == 255).all()
    assert (square[87:] == (0, 0, 255)).all()
    assert squares.part((300, 300), "between") == (0, 0, 300, 300)


def test_a_fine_pattern_becomes_its_mean():
    """Black and white lines of one pixel turn grey when shrunk, not into another pattern."""
    lines = np.zeros((400, 400, 3), np.uint8)
    lines[:, ::2] = 255

    square = squares.square(Image.fromarray(lines), 50)

    assert np.abs(square[:, 2:-2].astype(int) - 127).max() <= 2


def test_an_enlarged_photo_has_the_size_asked_for():
    """Photos smaller than the input are enlarged."""
    assert squares.square(Image.new("RGB", (30, 40)), 96).shape == (96, 96, 3)


def test_another_fit_is_refused():
    """The message names what there is."""
    with pytest.raises(ValueError, match="must be one of crop, between, squash. Received: 'pad'"):
        squares.square(Image.new("RGB", (30, 40)), 96, "pad")
