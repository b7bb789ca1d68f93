"""What the blocks of the shipped network for photos make of a picture, and that a model that cannot be read is told."""

import numpy as np
import pytest

from fashion import block_maps, runs
from fashion.errors import ModelError

CLOTHING = runs.Run(runs.SHIPPED / "clothing")
needs_model = pytest.mark.skipif(not CLOTHING.can_predict, reason="the model for photos is not shipped")


def half_striped(side: int) -> np.ndarray:
    """The left half even grey, the right half stripes of four pixels."""
    image = np.full((side, side, 3), 128, np.uint8)
    image[:, side // 2 :] = np.where(np.arange(side // 2) // 2 % 2, 255, 0)[None, :, None]
    return image


@needs_model
def test_each_block_sees_fewer_positions_with_more_maps():
    """Six blocks: the first at half the side, the last at a thirty-second of it, from 16 maps to 192."""
    found = block_maps.of_picture(CLOTHING, half_striped(128))

    assert [one.block for one in found] == [1, 2, 3, 4, 5, 6]
    assert [one.maps.shape[0] for one in found] == [64, 32, 16, 8, 8, 4]
    assert [one.num_maps for one in found] == [16, 32, 48, 96, 112, 192]
    assert all(one.maps.shape[2] == min(one.num_maps, block_maps.MAX_MAPS) for one in found)


@needs_model
def test_the_strongest_maps_come_first_and_answer_where_something_is():
    """In the first block the even half varies far less than the striped one."""
    first = block_maps.of_picture(CLOTHING, half_striped(128))[0].maps

    assert (np.diff(first.max(axis=(0, 1))) <= 0).all()
    even, striped = first[8:-8, 8:24], first[8:-8, 40:-8]
    assert even.std(axis=(0, 1)).max() < 0.2 * striped.std(axis=(0, 1)).max()


@needs_model
def test_a_picture_that_the_network_cannot_take_is_told():
    """It has three channels, not one; the words name the shape."""
    with pytest.raises(ModelError, match=r"must take a picture of shape \(64, 64, 1\)"):
        block_maps.of_picture(CLOTHING, np.zeros((64, 64, 1), np.uint8))


def test_a_damaged_file_is_told(tmp_path):
    """Bytes that are no model."""
    (tmp_path / "model.tflite").write_bytes(b"abc" * 100)

    with pytest.raises(ModelError, match="model.tflite of"):
        block_maps.of_picture(runs.Run(tmp_path), np.zeros((64, 64, 3), np.uint8))
