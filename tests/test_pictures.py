"""fashion.pictures on toy pictures of a few pixels. Run: pytest tests/test_pictures.py"""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fashion import pictures

TWO_BY_TWO = np.array([[0, 50], [100, 255]], dtype=np.uint8)


def test_an_enlarged_png_repeats_each_pixel_as_a_square():
    """Enlarged three times, pixel (1, 0) fills rows 3 to 5 and columns 0 to 2, and nothing is blurred."""
    opened = np.asarray(Image.open(BytesIO(pictures.png(TWO_BY_TWO, scale=3))))

    assert opened.shape == (6, 6)
    assert (opened[3:6, 0:3] == 100).all()
    assert sorted(set(opened.ravel().tolist())) == [0, 50, 100, 255]


def test_a_colour_picture_keeps_its_colours():
    """A red pixel is still red in the PNG."""
    red = np.array([[[255, 0, 0]]], dtype=np.uint8)

    assert Image.open(BytesIO(pictures.png(red))).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.zeros((2, 2)), id="float"),
        pytest.param(np.zeros(4, dtype=np.uint8), id="flat"),
        pytest.param(np.zeros((2, 2, 4), dtype=np.uint8), id="four channels"),
    ],
)
def test_an_array_that_is_no_picture_is_refused_with_its_shape(image):
    """The message names the dtype and shape that came in."""
    with pytest.raises(ValueError, match=r"must be uint8 .* Received: (float64|uint8) \("):
        pictures.png(image)


def test_a_scale_below_one_is_refused():
    """Shrinking is not what enlarging does."""
    with pytest.raises(ValueError, match="scale=0"):
        pictures.png(TWO_BY_TWO, scale=0)


def test_a_data_uri_holds_the_picture_itself():
    """Decoded again, the text gives the same pixels."""
    head, _, text = pictures.data_uri(TWO_BY_TWO).partition(",")

    assert head == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(BytesIO(base64.b64decode(text)))), TWO_BY_TWO)


def test_the_mean_picture_of_a_class_ignores_the_other_classes():
    """Class 0 averages 10 and 21 to 16 (rounded to even from 15.5), class 2 has one picture, class 1 none."""
    images = np.array([[[10]], [[21]], [[200]]], dtype=np.uint8)

    means = pictures.mean_pictures(images, np.array([0, 0, 2]), num_classes=3)

    assert means.dtype == np.uint8
    assert means.ravel().tolist() == [16, 0, 200]


def test_many_bright_pictures_do_not_overflow_the_mean():
    """A thousand white pictures average to white, although their sum is far over 255."""
    images = np.full((1000, 2, 2), 255, dtype=np.uint8)

    assert (pictures.mean_pictures(images, np.zeros(1000, dtype=np.uint8), num_classes=1) == 255).all()


def test_brightness_is_the_mean_pixel_value():
    """(0 + 50 + 100 + 255) / 4 = 101.25."""
    assert pictures.brightness(TWO_BY_TWO[None]).tolist() == [101.25]


def test_brightness_per_class_gives_quantiles_and_leaves_out_empty_classes():
    """Five pictures of brightness 0, 10, 20, 30, 40 have quartiles 10, 20, 30; a class without pictures has no row."""
    images = np.array([0, 10, 20, 30, 40, 7], dtype=np.uint8).reshape(6, 1, 1)

    table = pictures.brightness_per_class(images, np.array([1, 1, 1, 1, 1, 2]), ("hat", "coat", "bag"))

    assert table["class"].tolist() == ["coat", "bag"]
    assert table["n"].tolist() == [5, 1]
    assert table.loc[0, ["p5", "p25", "median", "p75", "p95"]].tolist() == [2, 10, 20, 30, 38]


def test_the_network_receives_one_batch_of_one_channel_scaled():
    """Black becomes -0.5 and white 1.5, as float32, with a batch and a channel axis around the picture."""
    received = pictures.network_input(TWO_BY_TWO)

    assert received.dtype == np.float32
    assert received.shape == (1, 2, 2, 1)
    assert received.min() == -0.5
    assert received.max() == 1.5


def test_the_description_of_a_picture_names_shape_type_and_range():
    """A 2x2 picture of 0 to 255 is 4 bytes as stored and 16 as the network receives it."""
    table = pictures.describe_arrays(TWO_BY_TWO).set_index("Property")

    assert table["As stored"].tolist() == ["2 x 2", "uint8", "0", "255", "101", "4 bytes"]
    assert table["As the network receives it"].tolist()[:4] == ["1 x 2 x 2 x 1", "float32", "-0.5", "1.5"]
    assert table.loc["Memory", "As the network receives it"] == "16 bytes"


def test_the_middle_picture_of_each_class_stands_for_it():
    """Of two, the second; a class without a picture has none."""
    assert pictures.middle_of_each(np.array([3, 0, 0, 3, 0, 1])) == [2, 5, 3]


def test_classes_take_turns_until_each_ends():
    """Every picture once, each class in its own order: by hand for classes of three, one and two pictures."""
    assert pictures.taking_turns(np.array([0, 0, 0, 1, 2, 2])).tolist() == [0, 3, 4, 1, 5, 2]
    assert pictures.taking_turns(np.array([2, 1, 2])).tolist() == [1, 0, 2]
    assert pictures.taking_turns(np.array([], int)).tolist() == []
