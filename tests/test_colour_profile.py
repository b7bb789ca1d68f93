"""Colour profiles as cameras and presses have them are used, also those named by a number; those that calculate for every
pixel are passed over."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from fashion import colour_profile, photos

RED, BLUE = (200, 30, 30), (30, 30, 200)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(
    tags: dict[bytes, bytes], space: bytes = b"RGB ", connection: bytes = b"XYZ ", version: int = 2
) -> bytes:
    """A profile of a screen or press with this content."""
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, 4) + b"odd\0" + bytes(78),
        b"wtpt": xyz(0.9642, 1, 0.8249),
    } | tags
    place, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, place + len(body), len(content))
        body += content.ljust(-(-len(content) // 4) * 4, b"\0")
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"", version << 24, b"prtr", space, connection)
    return (
        (head + bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249)).ljust(128, b"\0") + table + body
    )


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + fixed(*values)


CURVE = b"curv" + struct.pack(">IIH", 0, 1, 2 * 256)
SWAPPED = {  # a screen whose red is blue
    b"rXYZ": xyz(0.143, 0.061, 0.714), b"gXYZ": xyz(0.385, 0.717, 0.097), b"bXYZ": xyz(0.436, 0.222, 0.014),
    b"rTRC": CURVE, b"gTRC": CURVE, b"bTRC": CURVE,
}  # fmt: skip


def table(kind: bytes, num_inks: int) -> bytes:
    """A table in which every colour is the same grey: of 8 or 16 bits, with curves of two entries or 256."""
    length, dtype = (256, "B") if kind == b"mft1" else (2, "H")
    ramp = [value * (255 if dtype == "B" else 65535) // (length - 1) for value in range(length)]
    levels = ramp * num_inks + [128 if dtype == "B" else 32768] * 3 * 2**num_inks + ramp * 3
    head = kind + bytes(4) + bytes([num_inks, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return (
        head
        + (b"" if dtype == "B" else struct.pack(">HH", 2, 2))
        + struct.pack(f">{len(levels)}{dtype}", *levels)
    )


def read(icc_profile: bytes, mode: str = "RGB") -> tuple[int, int, int]:
    """The middle of a red photo with this profile, once read."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), RED).convert(mode).save(buffer, "TIFF", icc_profile=icc_profile)
    return photos.read(buffer.getvalue()).getpixel((20, 20))


def is_near(colour: tuple[int, int, int], expected: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 25 for one, other in zip(colour, expected, strict=True))


def test_a_profile_of_a_matrix_and_curves_is_used():
    """As of cameras, Display P3 and Adobe RGB."""
    assert is_near(read(profile(SWAPPED)), BLUE)


@pytest.mark.parametrize("kind", [b"mft1", b"mft2"])
@pytest.mark.parametrize(("mode", "space"), [("RGB", b"RGB "), ("CMYK", b"CMYK")])
def test_a_profile_of_tables_is_used(kind, mode, space):
    """As of scanners and printing presses, which have 3 million bytes with all that goes with them."""
    tags = {b"A2B0": table(kind, len(mode)), b"B2A0": bytes(3_000_000)}

    colour = read(profile(tags, space, b"Lab "), mode)

    assert max(colour) - min(colour) <= 4


def test_a_profile_of_curves_in_steps_is_used():
    """The tables of the fourth version; here red, green and blue are taken as lightness and two colours."""
    curves = (b"curv" + bytes(8)) * 3
    steps = b"mAB " + bytes(4) + bytes([3, 3, 0, 0]) + struct.pack(">5I", 32, 0, 0, 0, 0) + curves

    assert not is_near(read(profile({b"A2B0": steps}, connection=b"Lab ", version=4)), RED)


@pytest.mark.parametrize("name", [b"D2B0", b"D2B3", b"B2D1", b"A2B0", b"gamt"])
def test_a_profile_that_calculates_is_passed_over(name):
    """The photo is read, its numbers taken as sRGB; LittleCMS would run through 60,000 steps for each pixel."""
    calculation = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, 0)

    assert is_near(read(profile(SWAPPED | {name: calculation})), RED)


def test_a_profile_larger_than_any_is_passed_over():
    """By its bytes, or by the entries of its table."""
    names = (b"x%03d" % number for number in range(100))

    assert is_near(read(profile(SWAPPED | {b"more": bytes(8_000_000)})), RED)
    assert is_near(read(profile(SWAPPED | {name: b"text" + bytes(8) for name in names})), RED)


@pytest.mark.parametrize("end", [0, 100, 130, 140, 200])
def test_a_profile_that_stops_anywhere_is_judged_without_an_error(end):
    """The photo is read, its numbers taken as sRGB."""
    cut_off = profile(SWAPPED)[:end]

    assert colour_profile.is_quick(cut_off)
    assert is_near(read(cut_off), RED)


@pytest.mark.parametrize("name", ["sRGB", "LAB", "XYZ"])
def test_the_profiles_of_little_cms_are_quick(name):
    """Those that programs write most."""
    assert colour_profile.is_quick(ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes())


def naming_colours(file_format: str, primaries: int, curve: int) -> bytes:
    """A red picture whose colours are named by two numbers, in the box that Pillow and libheif write for sRGB."""
    stored = io.BytesIO()
    picture = Image.new("RGB", (64, 64), RED)
    if file_format == "AVIF":
        picture.save(stored, "AVIF", quality=100, subsampling="4:4:4")
    else:
        pillow_heif.from_pillow(picture).save(stored, quality=-1, chroma=444, save_nclx_profile=True)
    data = stored.getvalue()
    place = data.index(b"colrnclx") + 8
    return data[:place] + struct.pack(">HH", primaries, curve) + data[place + 4 :]


def p3_as_srgb(colour: tuple[int, ...]) -> list[float]:
    """A colour of Display P3 in sRGB, 0 to 255, by the matrix of CSS Color 4 (section 18), which both share their white with."""
    values = np.array(colour) / 255
    linear = np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
    matrix = [[1.2249, -0.2249, 0], [-0.0420, 1.0420, 0], [-0.0196, -0.0786, 1.0983]]
    linear = np.clip(np.array(matrix) @ linear, 0, 1)
    return list(255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear))


@pytest.mark.parametrize("file_format", ["HEIC", "AVIF"])
@pytest.mark.parametrize("curve", [1, 13])
def test_a_photo_that_names_display_p3_by_numbers_is_no_paler_than_it_was(file_format, curve):
    """Many phones give no profile, but number 12; the red of P3 is a stronger one than sRGB's."""
    received = photos.read(naming_colours(file_format, 12, curve)).getpixel((30, 30))

    assert received == pytest.approx(p3_as_srgb(RED), abs=4)
    assert received[0] > RED[0] + 10


@pytest.mark.parametrize("file_format", ["HEIC", "AVIF"])
@pytest.mark.parametrize(("primaries", "curve"), [(1, 13), (2, 2), (9, 16), (12, 16), (4, 4)])
def test_other_colours_by_numbers_are_taken_as_srgb(file_format, primaries, curve):
    """sRGB's own, none, those of films, and those of old screens."""
    assert is_near(photos.read(naming_colours(file_format, primaries, curve)).getpixel((30, 30)), RED)


def test_a_profile_counts_more_than_numbers():
    """ISO/IEC 23008-12 allows both; programs that know profiles use these."""
    stored = io.BytesIO()
    picture = Image.new("RGB", (64, 64), RED)
    picture.save(stored, "AVIF", quality=100, icc_profile=profile(SWAPPED))
    data = stored.getvalue()
    place = data.index(b"colrnclx") + 8

    received = photos.read(data[:place] + struct.pack(">HH", 12, 13) + data[place + 4 :])

    assert not is_near(received.getpixel((30, 30)), RED)
    assert received.getpixel((30, 30))[2] > received.getpixel((30, 30))[0]


def test_the_profile_of_display_p3_leaves_white_and_grey_alone():
    """All its three colours together are white."""
    source, srgb = colour_profile.named(12, 13), ImageCms.createProfile("sRGB")
    for level in (0, 128, 255):
        grey = ImageCms.profileToProfile(
            Image.new("RGB", (1, 1), (level,) * 3), ImageCms.ImageCmsProfile(io.BytesIO(source)), srgb
        )
        assert grey.getpixel((0, 0)) == pytest.approx((level,) * 3, abs=1)
    assert colour_profile.is_quick(source)
