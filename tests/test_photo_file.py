"""What is said of a photo's turn is what was done with it."""

import io

import pillow_heif
import pytest
from PIL import Image

from fashion import heif_structure, photo_file, photos

pillow_heif.register_heif_opener()


def heic(orientation: int) -> bytes:
    """A HEIC whose EXIF asks for a turn, and whose boxes do, as the library writes both."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image, buffer = Image.new("RGB", (128, 64), "teal"), io.BytesIO()
    image.info["exif"] = exif.tobytes()  # given to `save` instead, only EXIF would ask for it
    image.save(buffer, "HEIF")
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_turn_of_a_heic_is_read_from_its_boxes(orientation):
    """Whether mirrored, turned, or both."""
    assert heif_structure.orientation(heic(orientation)) == orientation


def test_a_heic_is_not_said_to_be_turned_where_only_exif_asks_for_it():
    """The rule of its format is that EXIF does not count; nothing is turned then."""
    data = heic(6)
    value = data.index(b"irot") + 4
    not_turned = data[:value] + b"\0" + data[value + 1 :]

    assert photos.read(data).size == (64, 128)
    assert photo_file.describe(data).turn == "turned by 90° to the right"
    assert photos.read(not_turned).size == (128, 64)
    assert photo_file.describe(not_turned) == photo_file.PhotoFile("HEIC", 128, 64)


def test_a_heic_is_said_to_be_turned_where_exif_does_not_ask_for_it():
    """As some programs write it: only the box turns."""
    data = heic(6)
    tag = data.index(b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06")
    without = data[: tag + 9] + b"\1" + data[tag + 10 :]

    assert photos.read(without).size == (64, 128)
    assert photo_file.describe(without).turn == "turned by 90° to the right"
