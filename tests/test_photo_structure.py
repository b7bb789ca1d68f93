"""Small files made to keep a decoder busy, or to fill the memory, are refused from their structure."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from fashion import photo_file, photo_structure, photos
from fashion.errors import PhotoError

ROOT = Path(__file__).resolve().parents[1]
SCAN = b"\xff\xda"


def encoded(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def jpeg(**options):
    return encoded(Image.new("RGB", (64, 48), (40, 90, 200)), "JPEG", **options)


def with_last_scan_repeated(data, count):
    last = data[data.rindex(SCAN) : -2]
    return data[:-2] + last * count + data[-2:]


def tiff(order, is_big, tags):
    """A TIFF whose only directory holds these (tag, type, count, value), the value inline; no pixels."""
    prefix = {"little": "<", "big": ">"}[order]
    mark = b"II" if order == "little" else b"MM"
    if is_big:
        head = mark + struct.pack(prefix + "HHHQ", 43, 8, 0, 16) + struct.pack(prefix + "Q", len(tags))
    else:
        head = mark + struct.pack(prefix + "HI", 42, 8) + struct.pack(prefix + "H", len(tags))
    width = 8 if is_big else 4
    entries = b""
    for tag, kind, count, value in tags:
        inline = struct.pack(prefix + {3: "H", 4: "I", 7: "I", 16: "Q"}[kind], value).ljust(width, b"\0")
        entries += struct.pack(prefix + ("HHQ" if is_big else "HHI"), tag, kind, count) + inline
    return head + entries + bytes(width)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"progressive": True, "restart_marker_blocks": 1}]
)
def test_a_jpeg_as_programs_write_it_is_read(options):
    """Baseline, progressive, and with restart markers among its pixels."""
    data = jpeg(quality=90, **options)

    assert photo_structure.excess(data) == ""
    assert photos.read(data).size == (64, 48)


def test_what_follows_the_picture_does_not_count():
    """A phone's film of a megabyte after the photo holds dozens of byte pairs that would start a scan."""
    film = np.random.default_rng(0).integers(0, 256, 8_000_000, dtype=np.uint8).tobytes()
    assert film.count(SCAN) > photo_structure.MAX_SCANS

    assert photos.read(jpeg() + film).size == (64, 48)


def test_what_a_segment_holds_does_not_count():
    """Sixty scans within a thumbnail, or within any other segment, are not the picture's."""
    hidden = SCAN * 60 + b"\xff\xd9"
    segment = b"\xff\xe5" + struct.pack(">H", 2 + len(hidden)) + hidden
    data = jpeg()

    assert photos.read(data[:2] + segment + data[2:]).size == (64, 48)


def test_a_jpeg_of_many_scans_is_refused():
    """Each scan is a pass over all pixels: 20,000 of them fit into 2 MB and take minutes."""
    data = jpeg(progressive=True)
    bad = with_last_scan_repeated(data, photo_structure.MAX_SCANS)

    with pytest.raises(PhotoError, match="Received: a.jpg, a JPEG of more than 50 scans, .* save it as JPEG"):
        photos.read(bad, "a.jpg")
    assert photos.read(with_last_scan_repeated(data, 20)).size == (64, 48)


@pytest.mark.parametrize("marker", [0xE5, 0xFE, 0xE1])
def test_a_jpeg_of_many_segments_is_refused(marker):
    """Millions of empty segments or comments would take seconds and half a gigabyte."""
    data = jpeg()
    filled = data[:2] + bytes((0xFF, marker, 0, 2)) * 3_000 + data[2:]

    with pytest.raises(PhotoError, match="more than 2,000 segments"):
        photos.read(filled)


@pytest.mark.parametrize("fill", [b"\xff", b"\xff\x00"])
def test_a_jpeg_padded_between_its_segments_is_refused(fill):
    """Such bytes are skipped one by one."""
    data = jpeg()

    with pytest.raises(PhotoError, match="between its segments"):
        photos.read(data[:2] + fill * 200_000 + data[2:])


@pytest.mark.parametrize("frame", [0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
def test_a_jpeg_with_arithmetic_coding_is_refused(frame):
    """A small one keeps a decoder busy for seconds; the same byte within another segment does not count."""
    data = jpeg()
    start = data.index(b"\xff\xc0") + 1
    comment = b"\xff\xfe\x00\x06ab\xff" + bytes([frame])

    with pytest.raises(PhotoError, match="a JPEG with arithmetic coding"):
        photos.read(data[:start] + bytes([frame]) + data[start + 1 :])
    assert photos.read(data[:2] + comment + data[2:]).size == (64, 48)


@pytest.mark.parametrize(
    "end", [b"", b"\xff", b"\xff\xe1", b"\xff\xe1\x00", b"\xff\xda\x00\x00", b"\xff\x01\xff\xd8"]
)
def test_a_jpeg_that_stops_anywhere_is_judged_without_an_error(end):
    """Damage is left to the decoder."""
    assert photo_structure.excess(b"\xff\xd8" + end) == ""


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("tag", [273, 324])
def test_a_tiff_of_many_strips_or_tiles_is_refused(order, is_big, tag):
    """Each would become an object of its own before any pixel is read."""
    data = tiff(order, is_big, [(256, 4, 1, 100), (257, 4, 1, 100), (tag, 4, 1_700_000, 8)])

    with pytest.raises(PhotoError, match="a TIFF of 1,700,000 strips or tiles"):
        photos.read(data)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(("is_big", "kind"), [(False, 3), (False, 4), (True, 3), (True, 4), (True, 16)])
def test_a_tiff_of_huge_tiles_is_refused(order, is_big, kind):
    """A tile is decoded whole, so one of 20,000 x 20,000 pixels takes 400 MB for a picture of 100 x 100."""
    sides = [(256, 4, 1, 100), (257, 4, 1, 100)]
    tiles = [(322, kind, 1, 20_000), (323, kind, 1, 20_000)]

    with pytest.raises(PhotoError, match="tiles of 20000x20000 pixels"):
        photos.read(tiff(order, is_big, sides + tiles))
    assert (
        photo_structure.excess(tiff(order, is_big, sides + [(322, kind, 1, 256), (323, kind, 1, 256)])) == ""
    )


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("directory", [None, 0x8769, 0x8825])
def test_a_tiff_of_many_numbers_beside_its_pixels_is_refused(order, directory):
    """A single tag may hold two million fractions, each an object; the directories for EXIF and the place count too."""
    tags = [(256, 4, 1, 100), (257, 4, 1, 100), (50_000, 4, 1_800_000, 8)]
    data = tiff(order, False, tags) + bytes(4 * 1_800_000)
    if directory is not None:
        within = data[8:]
        head = tiff(order, False, [(256, 4, 1, 100), (directory, 4, 1, 8 + 2 + 2 * 12 + 4)])
        data = head + within

    with pytest.raises(PhotoError, match="a TIFF of 1,800,00. numbers beside its pixels"):
        photos.read(data)
    of_bytes = tiff(order, False, [(256, 4, 1, 100), (34675, 7, 1_800_000, 8)])  # as a colour profile is
    assert photo_structure.excess(of_bytes) == ""


def tiles(width, length, count, samples=3, planes=1, picture=(1600, 1600)):
    """The tags of a TIFF of tiles that are all in the same place."""
    return [
        (256, 4, 1, picture[0]), (257, 4, 1, picture[1]), (277, 3, 1, samples), (284, 3, 1, planes),
        (322, 4, 1, width), (323, 4, 1, length), (324, 4, count, 8),
    ]  # fmt: skip


@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize(
    ("tags", "millions"),
    [
        (tiles(16, 1_562_480, 100), "7,500"),
        (tiles(16, 1_562_480, 300, planes=2), "7,500"),
        (tiles(16, 1_562_480, 1), "7,500"),  # as many as the picture needs are decoded all the same
        (tiles(1599, 1600, 99_000), "759,845"),  # more of them than the picture needs
        ([(256, 4, 1, 5000), (257, 4, 1, 5000), (278, 4, 1, 4999), (273, 4, 50_000, 8)], "1,249,750"),
    ],
)
def test_a_tiff_whose_pieces_hold_far_more_than_its_picture_is_refused(is_big, tags, millions):
    """All tiles, or all strips, may be the same few bytes, and each is decoded whole."""
    with pytest.raises(PhotoError, match=f"a TIFF whose strips or tiles hold {millions} million numbers"):
        photos.read(tiff("little", is_big, tags))


@pytest.mark.parametrize(
    "tags",
    [
        tiles(256, 256, 400, samples=4, picture=(5000, 5000)),
        tiles(256, 256, 1600, samples=4, planes=2, picture=(5000, 5000)),
        tiles(5008, 4992, 1, samples=4, picture=(5000, 4990)),
        [(256, 4, 1, 5000), (257, 4, 1, 5000), (277, 3, 1, 4), (273, 4, 5000, 8), (278, 4, 1, 1)],
        [(256, 4, 1, 5000), (257, 4, 1, 5000), (277, 3, 1, 4), (273, 4, 1, 8), (278, 4, 1, 2**32 - 1)],
    ],
)
def test_the_largest_tiff_in_pieces_is_allowed(tags):
    """25 million pixels of four colours, in tiles of any size, rows, or one piece."""
    assert photo_structure.excess(tiff("little", False, tags)) == ""


def test_a_tiff_of_many_entries_is_refused_and_not_described_either():
    """Each becomes an object; 14 MB of them took 5 s to read and 4 s to describe."""
    many = tiff("little", True, [(256, 4, 1, 100), (257, 4, 1, 100)] + [(50_000, 3, 0, 0)] * 5_000)

    with pytest.raises(PhotoError, match="a TIFF of 5,002 entries in a directory"):
        photos.read(many)
    assert photo_file.describe(many) is None


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_a_tiff_as_programs_write_it_is_read(compression):
    """Plain, and with the usual compressions."""
    data = encoded(Image.new("RGB", (64, 48), "teal"), "TIFF", compression=compression)

    assert photos.read(data).size == (64, 48)


@pytest.mark.parametrize(
    "data", [b"II*\0", b"MM\0*\0\0", b"II+\0\x08", b"II*\0\xff\xff\xff\xff", b"II*\0\x04\0\0\0" * 9]
)
def test_a_tiff_that_stops_or_points_nowhere_is_judged_without_an_error(data):
    """Damage is left to the decoder."""
    assert photo_structure.excess(data) == ""


def chunk(kind, content=b""):
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"IDAT", b"aaAa"])
def test_a_png_of_many_chunks_is_refused(kind):
    """A million of them, before or after the pixels, would take seconds."""
    data = encoded(Image.new("RGB", (64, 48)), "PNG")
    pixels, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4

    for place in (pixels, end):
        with pytest.raises(PhotoError, match="Received: a.png, a PNG of more than 20,000 chunks"):
            photos.read(data[:place] + chunk(kind) * 21_000 + data[place:], "a.png")
    assert photos.read(data + chunk(kind) * 21_000).size == (64, 48)  # after its end


def test_a_large_png_is_read_in_which_every_chunk_is_small():
    """Programs put 8,000 bytes of pixels into a chunk; here 1,000."""
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), "PNG", compress_level=0)
    begin = data.index(b"IDAT") - 4
    length = struct.unpack(">I", data[begin : begin + 4])[0]
    pixels, position = b"", begin
    while data[position + 4 : position + 8] == b"IDAT":
        length = struct.unpack(">I", data[position : position + 4])[0]
        pixels += data[position + 8 : position + 8 + length]
        position += 12 + length
    small = b"".join(chunk(b"IDAT", pixels[at : at + 1000]) for at in range(0, len(pixels), 1000))

    assert photos.read(data[:begin] + small + data[position:]).size == (1000, 1000)


@pytest.mark.parametrize("filling", [b"\x21\xfe\x01a\x00", b"\x21\xff\x01a\x00", b"\x00"])
def test_a_gif_of_many_blocks_before_its_picture_is_refused(filling):
    """Each comment is put behind the one before: three million of them take 600 MB."""
    data = encoded(Image.new("P", (64, 48)), "GIF")
    begin = data.index(b"\x2c\x00\x00\x00\x00\x40")

    assert photos.read(data[:begin] + filling * 100 + data[begin:]).size == (64, 48)
    with pytest.raises(PhotoError, match="a GIF of more than 20,000 blocks"):
        photos.read(data[:begin] + filling * 21_000 + data[begin:])
    parts = b"\x21\xfe" + b"\x01a" * 21_000 + b"\x00"  # one comment of many parts
    with pytest.raises(PhotoError, match="a GIF of more than 20,000 blocks"):
        photos.read(data[:begin] + parts + data[begin:])


def test_the_pixels_and_the_further_pictures_of_a_gif_do_not_count():
    """The pixels come in parts of 255 bytes, and an animation has many pictures; only the first is decoded."""
    noise = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (600, 600), dtype=np.uint8))
        for seed in range(14)
    ]
    data = encoded(noise[0], "GIF", save_all=True, append_images=noise[1:])
    assert len(data) > 255 * photo_structure.MAX_BLOCKS

    assert photos.read(data).size == (600, 600)


def claiming(data: bytes, width: int, height: int) -> bytes:
    """The same JPEG with another size in its header."""
    (start,) = [place for kind in (b"\xff\xc0", b"\xff\xc2") if (place := data.find(kind)) >= 0]
    return data[: start + 5] + struct.pack(">HH", height, width) + data[start + 9 :]


@pytest.mark.parametrize(
    ("mode", "subsampling", "size", "megabytes"),
    [("CMYK", 0, (7680, 7680), 472), ("RGB", 0, (7680, 7680), 354), ("CMYK", 0, (6400, 6400), 328)],
)
def test_a_jpeg_in_passes_that_fills_the_memory_is_refused(mode, subsampling, size, megabytes):
    """All of its numbers are collected before there is a picture: two bytes for each pixel and colour."""
    plain = encoded(Image.new(mode, (64, 64)), "JPEG", progressive=True, subsampling=subsampling)

    assert (
        photo_structure.excess(claiming(plain, *size))
        == f"a JPEG in several passes that takes {megabytes} MB to put together"
    )


@pytest.mark.parametrize(
    ("mode", "options", "size"),
    [
        ("RGB", {"progressive": True, "subsampling": 0}, (8160, 6144)),  # a phone's 50 million
        ("RGB", {"progressive": True, "subsampling": 2}, (7680, 7680)),
        ("CMYK", {"progressive": False}, (7680, 7680)),
    ],
)
def test_a_large_jpeg_that_needs_less_is_read(mode, options, size):
    """With halved colours, or in one pass, the most pixels that are allowed fit."""
    plain = encoded(Image.new(mode, (64, 64)), "JPEG", **options)

    assert photo_structure.excess(claiming(plain, *size)) == ""


@pytest.mark.parametrize("end", [b"", b"GIF89a", b"GIF89a\x01\x00\x01\x00\xff", b"\x89PNG\r\n\x1a\n\x00"])
def test_a_gif_or_png_that_stops_anywhere_is_judged_without_an_error(end):
    """Damage is left to the decoder."""
    assert photo_structure.excess(end) == ""


def test_a_large_run_length_encoded_bmp_is_refused():
    """Decoded run by run, 15 MB of them take 4 s; other BMPs are read at that size."""
    plain = encoded(Image.new("RGB", (1500, 1200), "teal"), "BMP")
    encoded_in_runs = plain[:28] + struct.pack("<HI", 8, 1) + plain[34:]

    assert photos.read(plain).size == (1500, 1200)
    with pytest.raises(PhotoError, match="a run-length encoded BMP of 5 MB"):
        photos.read(encoded_in_runs)


@pytest.mark.parametrize("height", [3_000, -3_000])
def test_a_run_length_encoded_bmp_of_many_pixels_is_refused(height):
    """Each row of it is two bytes that say that it ends."""
    plain = encoded(Image.new("P", (64, 48), 1), "BMP")
    in_runs = plain[:30] + struct.pack("<I", 1) + plain[34 : 14 + 40 + 4 * 256]

    assert photos.read(in_runs + b"\x40\1\0\0" * 48 + b"\0\1").size == (64, 48)
    with pytest.raises(PhotoError, match="a run-length encoded BMP of 3000x3000 pixels"):
        photos.read(in_runs[:18] + struct.pack("<ii", 3_000, height) + in_runs[26:] + b"\0\0" * 3_000)


def exif_of(num_bytes):
    """EXIF that asks for a turn by 90 degrees, with a description of so many bytes."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * num_bytes
    return exif.tobytes()


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "HEIF", "AVIF"])
def test_metadata_larger_than_a_phone_writes_is_refused(file_format):
    """Each number among them becomes an object; what phones write, some 100,000 bytes, is read, and the photo turned."""
    pillow_heif.register_heif_opener()
    image = Image.new("RGB", (64, 48))

    assert photos.read(encoded(image, file_format, exif=exif_of(200_000))).size == (48, 64)
    with pytest.raises(PhotoError, match="1.2 MB of metadata"):
        photos.read(encoded(image, file_format, exif=exif_of(1_200_000)))


def test_an_avif_is_limited_in_bytes_as_it_is_read_whole_to_be_opened():
    """Where its brand is not the first one that it names, too."""
    data = encoded(Image.new("RGB", (64, 48)), "AVIF", quality=50)
    larger = data + struct.pack(">I4s", 8_000_000, b"free") + bytes(8_000_000 - 8)

    assert photos.read(data + b"\0" * 1000).size == (64, 48)
    for one in (larger, larger[:8] + b"mif1" + larger[12:]):
        with pytest.raises(PhotoError, match="an AVIF of 8 MB"):
            photos.read(one)


def heic_claiming(size, **options):
    """A HEIC of 64x64 whose header claims another size: of 8 bits, or of 10 if its pixels have 16."""
    mode = options.pop("mode", "RGB")
    pixels = np.full((64, 64, len(mode.split(";")[0])), 99, np.uint16 if ";16" in mode else np.uint8)
    buffer = io.BytesIO()
    pillow_heif.from_bytes(mode, (64, 64), pixels.tobytes()).save(buffer, **options)
    said, claimed = (b"ispe\0\0\0\0" + struct.pack(">II", *one) for one in ((64, 64), size))
    assert said in buffer.getvalue()
    return buffer.getvalue().replace(said, claimed)


def test_heic_is_limited_by_the_memory_that_its_pixels_need():
    """33 million pixels: of 8 bits they may be decoded, of 10 bits or with transparency they are too many."""
    with pytest.raises(PhotoError, match="damaged"):  # it does not hold what it claims
        photos.read(heic_claiming((7008, 4672)))
    for mode in ("RGB;16", "RGBA"):
        with pytest.raises(PhotoError, match="52 million as HEIC of 8 bits, 25 million otherwise.*7008x4672"):
            photos.read(heic_claiming((7008, 4672), mode=mode))
    with pytest.raises(PhotoError, match="8000x7000"):
        photos.read(heic_claiming((8000, 7000)))


def lossless_webp(width, height, num_bytes=17, kind=b"VP8L"):
    """Of one transparent colour; with more bytes, the rest is nothing that matters."""
    sides = (width - 1) | (height - 1) << 14 | 1 << 28
    content = b"\x2f" + struct.pack("<I", sides) + bytes.fromhex("07d0b12634a1788188e87f00")
    content = content.ljust(num_bytes, b"\0")
    chunk_of_it = (
        kind + struct.pack("<I", len(content)) + content.ljust(len(content) + len(content) % 2, b"\0")
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunk_of_it)) + b"WEBP" + chunk_of_it


def extended(width, height, *chunks):
    """A WebP of several chunks."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    content = b"VP8X" + struct.pack("<I", 10) + bytes([0x10, 0, 0, 0]) + sides + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content


def test_a_large_lossless_webp_is_refused_for_the_memory_that_its_tables_may_need():
    """By pixels and bytes: 12 million in 5 MB, or 25 million in any."""
    with pytest.raises(
        PhotoError, match="a lossless WebP of 25 million pixels in 0.0 MB .its tables may need 500 MB"
    ):
        photos.read(lossless_webp(5000, 5000))
    assert "12 million pixels in 5.0 MB" in photo_structure.excess(lossless_webp(4000, 3000, 5_000_000))
    assert photo_structure.excess(lossless_webp(4000, 3000, 1_900_000)) == ""
    assert photo_structure.excess(lossless_webp(2000, 1500, 4_700_000)) == ""
    assert photos.read(lossless_webp(2000, 1500)).size == (1600, 1200)


def test_transparency_and_animations_of_a_webp_count_where_they_are_lossless():
    """Transparency may be coded in the same way, and a frame of an animation holds chunks of its own."""
    tables = b"ALPH" + struct.pack("<I", 6_000_000) + b"\1" + bytes(5_999_999)
    plain = b"ALPH" + struct.pack("<I", 6_000_000) + bytes(6_000_000)
    lossy = b"VP8 " + struct.pack("<I", 10) + bytes(10)
    frame = b"ANMF" + struct.pack("<I", 16) + bytes(16)
    lossless = lossless_webp(4000, 3000, 6_000_000)[12:]

    assert "12 million pixels" in photo_structure.excess(extended(4000, 3000, tables, lossy))
    assert "12 million pixels" in photo_structure.excess(extended(4000, 3000, frame, lossless))
    assert photo_structure.excess(extended(4000, 3000, plain, lossy)) == ""
    assert photo_structure.excess(extended(4000, 3000, lossy, tables)) == ""


@pytest.mark.parametrize("end", range(12, 40, 3))
def test_a_webp_that_stops_anywhere_is_judged_without_an_error(end):
    """Damage is left to the decoder."""
    assert photo_structure.excess(lossless_webp(100, 100)[:end]) == ""
    assert photo_structure.excess(extended(100, 100)[:end]) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="The peak of a process's memory is told elsewhere.")
def test_the_most_wasteful_picture_stays_under_500_mb():
    """A lossless WebP of 4,300 x 4,300 transparent pixels is a file of 38 bytes."""
    webp = lossless_webp(4300, 4300).hex()
    code = (
        "import re, sys; from pathlib import Path; from fashion import photos\n"
        # Not from `resource`: there a process begins with the peak of the one that started it.
        "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "before = peak(); size = photos.read(bytes.fromhex(sys.argv[1])).size\n"
        "print(*size, peak() - before)"
    )

    output = subprocess.run(
        [sys.executable, "-c", code, webp], cwd=ROOT, capture_output=True, text=True, check=True
    )

    width, height, kilobytes = map(int, output.stdout.split())
    assert (width, height) == (1600, 1600)
    assert 100_000 < kilobytes < 500_000
