"""fashion.photos: what is refused and in which words, what survives reading, and the way to 28x28."""

import contextlib
import io
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageDraw

from fashion import photos
from fashion.errors import PhotoError

ROOT = Path(__file__).resolve().parents[1]


def encoded(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def corner_picture(size=(80, 60)):
    """White with a red block at the top left and a blue one at the top right: no two orientations look alike."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 23, 15), fill="red")
    draw.rectangle((size[0] - 24, 0, size[0] - 1, 15), fill="blue")
    return image


def shirt_photo(garment="navy", background="white", size=(400, 300), shift=(0, 0), noise=0.0):
    """A drawn T-shirt, 120 wide and 160 high, in the middle of a plain background."""
    image = Image.new("RGB", size, background)
    left, top = size[0] // 2 - 60 + shift[0], size[1] // 2 - 80 + shift[1]
    body, sleeves = (left + 25, top, left + 95, top + 160), (left, top, left + 120, top + 45)
    for box in (body, sleeves):
        ImageDraw.Draw(image).rectangle(box, fill=garment)
    grain = np.random.default_rng(0).normal(0, noise, (size[1], size[0], 3)) if noise else 0
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def png_header(width, height, colours=2, pixels=b""):
    """A PNG that claims a size and kind of colours (2: RGB, 3: a palette, which is missing), and holds these pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# read: what is refused


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "an empty file", id="zero bytes"),
        pytest.param(b"Dear sir or madam", "a text file", id="text named .jpg"),
        pytest.param(b'<?xml version="1.0"?><svg width="9"/>', "an SVG drawing", id="SVG"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3", "a PDF document", id="PDF"),
        pytest.param(b"\x00\x01\x02\x03" * 40, "not a picture that we can identify", id="noise"),
        pytest.param(
            b"%!PS-Adobe-3.0 EPSF-3.0\n", "an EPS drawing", id="EPS, which Pillow knows and we do not allow"
        ),
        pytest.param(b"#define a_width 8\n#define a_height 8\n", "an XBM picture", id="XBM"),
        pytest.param(b"8BPS\0\1" + bytes(20), "a Photoshop file", id="PSD"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20), "a JPEG 2000 picture", id="JPEG 2000"),
        pytest.param(b"\xff\x0a" + bytes(20), "a JPEG XL picture", id="JPEG XL"),
        pytest.param(b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a film", id="MOV"),
        pytest.param(b"\0\0\0\x14ftypisom\0\0\0\0mp42", "a film", id="MP4"),
        pytest.param(b"PK\3\4" + bytes(30), "a ZIP archive", id="ZIP"),
        pytest.param(b"II*\0\x08\0\0\0\1\0\x12\xc6\1\0\4\0\0\0\1\4\0\0", "a raw photo", id="DNG"),
        pytest.param(b"\0\0\0\x14ftypcrx \0\0\0\0isom", "a raw photo", id="CR3"),
        pytest.param(b"BMW and Audi", "a text file", id="text that begins as a BMP"),
        pytest.param(png_header(20_000, 20_000), "far more", id="decompression bomb"),
        pytest.param(png_header(5_001, 5_000), "5001x5000", id="over the pixel limit"),
        pytest.param(png_header(32, 32, 3, zlib.compress(bytes(33 * 32))), "damaged", id="no palette"),
        pytest.param(png_header(1, 1), "1x1", id="one pixel"),
        pytest.param(png_header(27, 400), "27x400", id="side below 28"),
        pytest.param(png_header(20_000, 100), "20000x100", id="too narrow once reduced"),
        pytest.param(b"\xff\xd8" + bytes(15_000_000), "15.0 MB", id="over the byte limit"),
    ],
)
def test_bad_files_are_refused_saying_what_was_received(data, words):
    """A file that is no usable picture raises PhotoError with its name, what it is, and what to do."""
    with pytest.raises(PhotoError, match=words) as error:
        photos.read(data, "holiday.jpg")

    assert "Received: holiday.jpg" in str(error.value)
    assert str(error.value).count(". ") >= 2


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
def test_a_file_cut_in_half_is_refused(file_format):
    """The first half of a photo's bytes raises PhotoError, in every format."""
    data = encoded(shirt_photo(size=(160, 170), noise=20), file_format)

    with pytest.raises(PhotoError, match="cut off"):
        photos.read(data[: len(data) // 2])


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("num_bytes", [12, 24, 60])
def test_the_beginning_of_a_photo_is_called_damaged(file_format, num_bytes):
    """A kind that the app reads is recognised by its first bytes, even if there is nothing else."""
    with pytest.raises(PhotoError, match="damaged, cut off"):
        photos.read(encoded(shirt_photo(size=(160, 170)), file_format)[:num_bytes])


def test_the_first_bytes_of_a_jpeg_are_no_text():
    """Two or three of them."""
    for beginning in (b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0"):
        with pytest.raises(PhotoError, match="damaged, cut off"):
            photos.read(beginning)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
def test_damaged_bytes_never_raise_anything_but_photo_error(file_format):
    """Twenty-five files with a few bytes overwritten are read or refused in words, with no other exception."""
    data = encoded(corner_picture(), file_format)
    rng = np.random.default_rng(1)

    for _ in range(25):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 6):
            damaged[position] = rng.integers(0, 256)
        with contextlib.suppress(PhotoError):
            assert photos.read(bytes(damaged)).mode == "RGB"


def test_a_phone_photo_of_50_megapixels_is_accepted_and_reduced():
    """A JPEG of 8,160 x 6,120 pixels is read, its longest side reduced to 1,600."""
    data = encoded(Image.new("L", (8160, 6120), 128), "JPEG")

    assert photos.read(data).size == (1600, 1200)


def test_a_jpeg_over_60_megapixels_is_refused_before_decoding():
    """A JPEG whose header claims 65,000 x 1,000 pixels is refused by that claim."""
    data = encoded(Image.new("L", (64, 64)), "JPEG")
    frame = data.index(b"\xff\xc0") + 5  # height and width follow marker, length and precision
    data = data[:frame] + struct.pack(">HH", 1_000, 65_000) + data[frame + 4 :]

    with pytest.raises(PhotoError, match="65000x1000"):
        photos.read(data)


def test_a_class_that_drops_photos_at_once_has_two_decoded_at_a_time(monkeypatch):
    """Eight threads: each gets its picture, and no three are in memory in full together; a damaged one lets the next in."""
    decoding, most = [], []
    plain_rgb = photos._plain_rgb

    def slowly(image, profile):
        decoding.append(image)
        most.append(len(decoding))
        time.sleep(0.02)
        try:
            return plain_rgb(image, profile)
        finally:
            decoding.remove(image)

    monkeypatch.setattr(photos, "_plain_rgb", slowly)
    good, cut = encoded(shirt_photo(), "JPEG"), encoded(shirt_photo(noise=5), "PNG")[:20_000]

    def size(data: bytes) -> tuple[int, int] | None:
        try:
            return photos.read(data).size
        except PhotoError:
            return None

    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(size, [cut, good] * 8))

    assert sizes == [None, (400, 300)] * 8
    assert max(most) == 2


def test_control_characters_in_a_name_do_not_reach_the_message():
    """A file name is shortened and its unprintable letters replaced."""
    with pytest.raises(PhotoError) as error:
        photos.read(b"", "a\nb\x1b" + "c" * 500)

    assert "a?b?c" in str(error.value)
    assert len(str(error.value)) < 200


# read: what survives


def test_every_format_is_read_alike():
    """One picture saved in seven formats gives the same corners."""
    for file_format in ("HEIF", "AVIF", "WEBP", "PNG", "JPEG", "TIFF", "BMP"):
        image = photos.read(
            encoded(corner_picture(), file_format, **({"quality": 95} if file_format != "BMP" else {}))
        )

        assert image.size == (80, 60)
        assert np.allclose(image.getpixel((5, 5)), (255, 0, 0), atol=12), file_format
        assert np.allclose(image.getpixel((75, 5)), (0, 0, 255), atol=12), file_format
        assert np.allclose(image.getpixel((5, 55)), (255, 255, 255), atol=12), file_format


ROTATED = {  # how a camera stores an upright picture under each orientation of the Exif standard
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_every_exif_orientation_gives_the_same_upright_picture(orientation, file_format):
    """A picture stored in any of the eight orientations is returned as it was seen."""
    upright = np.asarray(corner_picture())
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(np.ascontiguousarray(ROTATED[orientation](upright)))
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}

    image = photos.read(encoded(stored, file_format, exif=exif, **options.get(file_format, {})))

    assert image.size == (80, 60)
    assert np.abs(np.asarray(image).astype(int) - upright).mean() < 3


def test_heic_is_turned_by_its_own_rotation():
    """A HEIC photo stored turned, as phones do, comes out upright once, not twice."""
    stored = corner_picture().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored.info["exif"] = exif.tobytes()

    image = photos.read(encoded(stored, "HEIF", quality=95))

    assert image.size == (80, 60)
    assert np.allclose(image.getpixel((5, 5)), (255, 0, 0), atol=12)


def test_metadata_is_gone():
    """Place, camera, comment, thumbnail and colour profile of a JPEG are not in the returned image."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(corner_picture(), "JPEG", exif=exif, comment=b"my street", icc_profile=profile)
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(ExifTags.IFD.GPSInfo)  # it was there

    image = photos.read(data)

    assert type(image) is Image.Image
    assert image.info == {}
    assert dict(image.getexif()) == {}
    assert b"my street" not in encoded(image, "JPEG")
    assert b"Camera" not in encoded(image, "JPEG")


def test_text_in_a_png_is_gone():
    """Text chunks and Exif of a PNG are not in the returned image."""
    data = Image.open(io.BytesIO(encoded(corner_picture(), "PNG")))
    data.info["dpi"] = (72, 72)

    assert photos.read(encoded(data, "PNG", dpi=(72, 72))).info == {}


def test_colours_of_another_profile_are_converted():
    """A picture stored in CIELAB comes out in sRGB; a broken profile changes nothing."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    picture = Image.new("RGB", (40, 40), (200, 30, 30))
    as_lab = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")

    from_lab = photos.read(encoded(as_lab, "TIFF", icc_profile=lab.tobytes()))
    from_broken = photos.read(encoded(picture, "PNG", icc_profile=b"not a profile"))

    assert np.allclose(from_lab.getpixel((20, 20)), (200, 30, 30), atol=4)
    assert from_broken.getpixel((20, 20)) == (200, 30, 30)


GREY_RAMP = np.tile(np.linspace(0, 1, 40), (40, 1))


@pytest.mark.parametrize(
    ("image", "file_format"),
    [
        pytest.param(Image.fromarray((GREY_RAMP * 65535).astype(np.uint16)), "PNG", id="16 bit"),
        pytest.param(Image.fromarray((GREY_RAMP * 65535).astype(np.uint16)), "TIFF", id="16 bit TIFF"),
        pytest.param(Image.fromarray((GREY_RAMP * 65535).astype(np.int32)), "TIFF", id="32 bit"),
        pytest.param(Image.fromarray((GREY_RAMP * 2**30).astype(np.int32)), "TIFF", id="32 bit, full range"),
        pytest.param(Image.fromarray(GREY_RAMP.astype(np.float32)), "TIFF", id="float 0 to 1"),
        pytest.param(Image.fromarray((GREY_RAMP * 255).astype(np.float32)), "TIFF", id="float 0 to 255"),
        pytest.param(Image.fromarray((GREY_RAMP * 255).astype(np.uint8)), "PNG", id="8 bit"),
        pytest.param(
            Image.fromarray((GREY_RAMP * 255).astype(np.uint8)).convert("LA"), "PNG", id="with alpha"
        ),
        pytest.param(Image.fromarray((GREY_RAMP * 255).astype(np.uint8)).convert("P"), "PNG", id="palette"),
        pytest.param(Image.fromarray((GREY_RAMP * 255).astype(np.uint8)).convert("P"), "GIF", id="GIF"),
    ],
)
def test_grey_of_any_depth_becomes_the_same_8_bits(image, file_format):
    """A ramp from black to white stays one, whatever its numbers."""
    pixels = np.asarray(photos.read(encoded(image, file_format)))

    assert pixels.shape == (40, 40, 3)
    assert np.abs(pixels[..., 1] - GREY_RAMP * 255).max() <= 1.5


def test_float_that_is_not_a_number_becomes_black():
    """Undefined values in a float picture do not spoil the rest."""
    values = np.full((40, 40), 200, dtype=np.float32)
    values[0, 0] = np.nan

    pixels = np.asarray(photos.read(encoded(Image.fromarray(values), "TIFF")))

    assert pixels[0, 0, 0] == 0
    assert pixels[20, 20, 0] == 200


def test_transparent_parts_become_white():
    """Fully transparent is white, half transparent red is pink, in RGBA and in a palette."""
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    image.paste((255, 0, 0, 128), (20, 0, 40, 40))
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([0, 0, 0, 9, 9, 9])

    read = photos.read(encoded(image, "PNG"))
    read_palette = photos.read(encoded(palette, "PNG", transparency=0))

    assert read.getpixel((5, 5)) == (255, 255, 255)
    assert np.allclose(read.getpixel((30, 5)), (255, 127, 127), atol=1)
    assert read_palette.getpixel((5, 5)) == (255, 255, 255)


def test_cmyk_and_one_bit_are_read():
    """A printer's JPEG keeps its colour; a fax keeps black and white."""
    cmyk = Image.new("CMYK", (40, 40), (0, 255, 255, 0))
    fax = Image.new("1", (40, 40), 1)

    assert np.allclose(photos.read(encoded(cmyk, "JPEG")).getpixel((9, 9)), (255, 0, 0), atol=4)
    assert photos.read(encoded(fax, "TIFF")).getpixel((9, 9)) == (255, 255, 255)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(file_format):
    """A red, then blue picture is read as red."""
    blue = Image.new("RGB", (40, 40), "blue")
    data = encoded(Image.new("RGB", (40, 40), "red"), file_format, save_all=True, append_images=[blue])

    assert np.allclose(photos.read(data).getpixel((9, 9)), (255, 0, 0), atol=12)


def test_reading_imports_neither_streamlit_nor_tensorflow():
    """The server's photo code stays light."""
    code = "import sys, fashion.photos; print([m for m in ('streamlit', 'tensorflow', 'keras') if m in sys.modules])"

    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert output.stdout.strip() == "[]"


# prepare


def filled(result):
    """Fraction of pixels that are garment, and their mean level."""
    return (result > 0).mean(), result[result > 0].mean()


def test_result_is_one_network_input_and_every_step_is_shown():
    """Six named steps with a picture and a sentence with numbers; the last picture is the result."""
    prepared = photos.prepare(shirt_photo())

    assert prepared.result.shape == (28, 28)
    assert prepared.result.dtype == np.uint8
    assert not prepared.result.flags.writeable
    titles = [step.title for step in prepared.steps]
    assert titles == [
        "Upright",
        "Cropped to the garment",
        "Background made black",
        "Grey",
        "Centred",
        "28x28",
    ]
    assert all(step.caption.endswith(".") for step in prepared.steps)
    assert "400 by 300" in prepared.steps[0].caption
    assert np.array_equal(np.asarray(prepared.steps[-1].image), prepared.result)


def test_garment_fills_the_height_and_is_centred():
    """A shirt of 120 x 160 pixels becomes 21 x 28, in the middle, on pure black."""
    result = photos.prepare(shirt_photo()).result

    rows, columns = np.flatnonzero(result.max(axis=1) > 60), np.flatnonzero(result.max(axis=0) > 60)
    assert (rows[0], rows[-1]) == (0, 27)
    assert abs(columns[0] - 4) <= 1
    assert abs(columns[-1] - 24) <= 1
    assert result[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("shift", [(60, 0), (-70, 30), (0, -45), (37, 21)])
def test_moving_the_garment_in_the_photo_changes_almost_nothing(shift):
    """The 28x28 image is the same to within 4 levels of 255 on average wherever the garment was."""
    still = photos.prepare(shirt_photo()).result.astype(int)

    moved = photos.prepare(shirt_photo(shift=shift)).result.astype(int)

    assert np.abs(still - moved).mean() < 4


@pytest.mark.parametrize(
    ("garment", "background", "inverted"),
    [
        pytest.param("black", "white", True, id="black on white"),
        pytest.param("white", (12, 12, 12), False, id="white on black cloth"),
        pytest.param("white", "black", False, id="white drawn on black"),
        pytest.param("darkred", (200, 180, 150), True, id="red on wood"),
        pytest.param((235, 235, 235), (250, 250, 250), True, id="white on a white wall"),
    ],
)
def test_garment_comes_out_bright_on_black(garment, background, inverted):
    """Dark on light and light on dark both give a bright shape on black."""
    prepared = photos.prepare(shirt_photo(garment, background))

    fraction, level = filled(prepared.result)
    assert 0.4 < fraction < 0.7
    assert level > 150
    assert prepared.inverted is inverted


def test_uneven_light_striped_background_and_noise_are_separated():
    """On a striped floor lit from one side, at least 95 % of the pixels are told right."""
    picture = np.asarray(shirt_photo((30, 90, 60), noise=4)).astype(float)
    is_garment = np.asarray(shirt_photo("black"))[..., 0] == 0
    stripes = np.where(np.arange(300) // 20 % 2, 1.0, 0.85)[:, None]
    picture[~is_garment] *= np.broadcast_to(stripes, is_garment.shape)[~is_garment][:, None]
    picture *= np.linspace(1, 0.7, 400)[None, :, None]

    prepared = photos.prepare(Image.fromarray(picture.astype(np.uint8)), photos.PrepareOptions(crop=False))

    found = np.asarray(prepared.steps[2].image).max(axis=-1) > 0
    assert found.shape == is_garment.shape
    assert (found == is_garment).mean() > 0.95


def picture_on_black(width):
    """As in the dataset: uint8 (28, 28), grey trousers of full height on black, an odd column of black at the left."""
    picture = np.zeros((28, 28), dtype=np.uint8)
    left = (28 + 1 - width) // 2
    picture[:, left : left + width] = np.linspace(40, 255, 28).astype(np.uint8)[:, None]
    picture[10:, 14] = 0
    return picture


@pytest.mark.parametrize("width", [12, 13])
def test_a_picture_of_the_dataset_comes_back_as_it_was(width):
    """Grey on black at 28x28 is neither negated nor moved nor changed in level."""
    picture = picture_on_black(width)

    prepared = photos.prepare(Image.fromarray(picture).convert("RGB"))

    assert not prepared.inverted
    assert np.array_equal(prepared.result, picture)


def test_an_enlarged_picture_of_the_dataset_nearly_survives():
    """Enlarged tenfold and saved as JPEG, it comes back to within 3 levels on average."""
    picture = picture_on_black(12)
    enlarged = Image.fromarray(picture).resize((280, 280), Image.Resampling.NEAREST)

    prepared = photos.prepare(photos.read(encoded(enlarged, "JPEG", quality=90)))

    assert not prepared.inverted
    assert np.abs(prepared.result.astype(int) - picture).mean() < 3


def test_under_the_handle_of_a_bag_there_is_background():
    """A large enclosed gap stays black; a button in the background's colour does not."""
    bag = Image.new("RGB", (300, 300), "white")
    draw = ImageDraw.Draw(bag)
    draw.ellipse((90, 40, 210, 200), outline="saddlebrown", width=16)
    draw.rectangle((60, 130, 240, 260), fill="saddlebrown")
    draw.ellipse((146, 190, 154, 198), fill="white")

    result = photos.prepare(bag).result

    assert result[6:10, 13:15].max() == 0
    kept = np.asarray(photos.prepare(bag).steps[2].image)
    assert kept.max(axis=-1)[-60:, 20:-20].min() > 0


def test_a_hanger_away_from_the_garment_is_left_out():
    """A small thing in the corner does not widen the crop."""
    photo = shirt_photo()
    ImageDraw.Draw(photo).rectangle((5, 5, 25, 12), fill="black")

    alone, accompanied = photos.prepare(shirt_photo()).result, photos.prepare(photo).result

    assert np.abs(alone.astype(int) - accompanied).mean() < 4


def test_overrules_are_followed():
    """Crop off keeps the frame, invert sets the sign, threshold 0 keeps every pixel."""
    photo = shirt_photo()

    whole = photos.prepare(photo, photos.PrepareOptions(crop=False))
    kept_light = photos.prepare(photo, photos.PrepareOptions(invert=False))
    all_pixels = photos.prepare(photo, photos.PrepareOptions(threshold=0.0))

    assert whole.steps[1].image.size == (400, 300)
    assert (whole.result > 60).sum() < 0.5 * (photos.prepare(photo).result > 60).sum()
    assert kept_light.inverted is False
    assert photos.prepare(photo, photos.PrepareOptions(invert=True)).inverted is True
    assert all_pixels.threshold == 0.0
    assert np.array_equal(np.asarray(all_pixels.steps[2].image), np.asarray(photo))


def test_a_higher_threshold_never_keeps_more():
    """The garment's share falls, or stays, as the threshold rises."""
    photo = shirt_photo((150, 140, 160), (225, 220, 210), noise=8)
    shares = []

    for threshold in (0.0, 0.2, 0.4, 0.6, 0.8):
        options = photos.PrepareOptions(threshold=threshold, crop=False)
        shares.append((np.asarray(photos.prepare(photo, options).steps[2].image).max(axis=-1) > 0).mean())

    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]


@pytest.mark.parametrize("colour", ["white", "black", "grey", "red"])
def test_a_blank_photo_is_refused_in_words(colour):
    """Of one colour there is nothing to find: PhotoError says what to do."""
    with pytest.raises(PhotoError, match="Expected a garment"):
        photos.prepare(Image.new("RGB", (200, 200), colour))


def test_a_blank_photo_can_be_taken_whole():
    """With threshold 0, as the message advises, even a blank photo gives an image."""
    prepared = photos.prepare(Image.new("RGB", (200, 200), "grey"), photos.PrepareOptions(threshold=0.0))

    assert prepared.result.min() == prepared.result.max()


def test_a_threshold_that_keeps_nothing_is_refused_in_words():
    """The message gives the highest score found."""
    with pytest.raises(PhotoError, match="highest score is 0.9"):
        photos.prepare(shirt_photo(), photos.PrepareOptions(threshold=1.0))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    """Thresholds are fractions."""
    with pytest.raises(ValueError, match="0 to 1"):
        photos.PrepareOptions(threshold=threshold)


def test_prepare_is_deterministic_and_leaves_the_photo_alone():
    """The same photo gives the same bytes and is not changed."""
    photo = shirt_photo(noise=6)
    before = photo.tobytes()

    first, second = photos.prepare(photo), photos.prepare(photo)

    assert np.array_equal(first.result, second.result)
    assert first.threshold == second.threshold
    assert photo.tobytes() == before


@pytest.mark.parametrize("size", [(28, 28), (1600, 28), (28, 1600), (1600, 1600)])
def test_every_size_that_read_returns_can_be_prepared(size):
    """The smallest, narrowest and largest photos give an image that is not empty."""
    photo = Image.new("RGB", size, "white")
    box = [round(length * fraction) for fraction in (0.3, 0.7) for length in size]
    ImageDraw.Draw(photo).rectangle(box, fill="navy")

    assert photos.prepare(photo).result.max() > 0


def test_regions_are_told_apart_as_by_flood_fill():
    """Region numbers agree with Pillow's flood fill on a random mask and on a spiral."""
    spiral = np.zeros((15, 15), dtype=bool)
    for inset in range(0, 8, 2):
        spiral[inset, inset : -inset or None] = spiral[inset : -inset or None, -1 - inset] = True
        spiral[-1 - inset, inset : -inset or None] = True
        spiral[inset + 2 : -inset or None, inset] = True
        spiral[inset + 2, inset : inset + 2] = True
    random_mask = np.random.default_rng(2).random((40, 30)) < 0.6

    for mask in (spiral, random_mask):
        labels = photos._labelled(mask)
        for row, column in np.argwhere(mask)[::7]:
            canvas = Image.fromarray(mask.astype(np.uint8)).copy()
            ImageDraw.floodfill(canvas, (int(column), int(row)), 2)
            assert np.array_equal(labels == labels[row, column], np.asarray(canvas) == 2)
        assert np.array_equal(labels > 0, mask)


def test_lightness_of_greys_is_that_of_published_tables():
    """Greys have no colour in CIELAB, and the middle of sRGB has lightness 53.6."""
    greys = np.array([[0, 0, 0], [60, 60, 60], [128, 128, 128], [255, 255, 255]], dtype=float)

    lightness = photos._lab(greys)

    assert np.allclose(lightness[:, 0], [0.0, 25.3, 53.6, 100.0], atol=0.3)
    assert np.allclose(lightness[:, 1:], 0, atol=0.1)
