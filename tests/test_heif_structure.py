"""HEIC files whose pieces are named so often that a small file keeps its decoder busy are refused; photos are not."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from fashion import heif_structure, photos
from fashion.errors import PhotoError

pillow_heif.register_heif_opener()
TILE = 64


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full(kind: bytes, version: int, *content: bytes) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *content)


def inside(data: bytes, *path: bytes) -> bytes:
    """The content of the box at the end of a path of kinds."""
    for kind in path:
        place = data.index(kind)
        size = int.from_bytes(data[place - 4 : place])
        data = data[place + (8 if kind == b"meta" else 4) : place - 4 + size]
    return data


@pytest.fixture(scope="module")
def tile() -> bytes:
    """A HEIC of 64x64 pixels of noise."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (TILE, TILE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "HEIF", quality=95)
    return buffer.getvalue()


def grid(tile: bytes, rows: int, columns: int, parts: list[int] | None = None, extra: bytes = b"") -> bytes:
    """A HEIC whose picture is a grid, made from one tile or from several items that are all the same bytes.

    parts: the item of each place; all the same one if None. extra: more of the box `iref`.
    """
    parts = parts or [2] * (rows * columns)
    items = sorted(set(parts))
    configuration = inside(tile, b"ipco")
    start = configuration.index(b"hvcC") - 4
    codec = configuration[start : start + int.from_bytes(configuration[start : start + 4])]
    pixels = inside(tile, b"mdat")
    shape = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, TILE * columns, TILE * rows)
    head = box(b"ftyp", inside(tile, b"ftyp"))

    def named(number: int, kind: bytes) -> bytes:
        return full(b"infe", 2, struct.pack(">HH4s", number, 0, kind), b"\0")

    def meta(offset: int) -> bytes:
        places = struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(shape)) + b"".join(
            struct.pack(">HHHHII", number, 0, 0, 1, offset, len(pixels)) for number in items
        )
        sizes = [struct.pack(">II", TILE * columns, TILE * rows), struct.pack(">II", TILE, TILE)]
        properties = box(b"ipco", *(full(b"ispe", 0, size) for size in sizes), codec)
        uses = (
            struct.pack(">HB", 1, 1)
            + bytes([1])
            + b"".join(struct.pack(">HB", number, 2) + bytes([2, 0x83]) for number in items)
        )
        named_parts = struct.pack(">HH", 1, len(parts)) + b"".join(struct.pack(">H", part) for part in parts)
        return full(
            b"meta", 0,
            full(b"hdlr", 0, b"\0\0\0\0pict" + bytes(13)),
            full(b"pitm", 0, struct.pack(">H", 1)),
            full(b"iloc", 1, struct.pack(">BBH", 0x44, 0, 1 + len(items)), places),
            full(b"iinf", 0, struct.pack(">H", 1 + len(items)), named(1, b"grid"), *(named(n, b"hvc1") for n in items)),
            full(b"iref", 0, box(b"dimg", named_parts), extra),
            box(b"iprp", properties, full(b"ipma", 0, struct.pack(">I", 1 + len(items)), uses)),
            box(b"idat", shape),
        )  # fmt: skip

    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", pixels)


def test_a_photo_cut_into_tiles_is_read(tile):
    """As phones do; a small one may even name a tile a few times."""
    data = grid(tile, 2, 3)

    assert photos.read(data).size == (3 * TILE, 2 * TILE)
    assert len(inside(tile, b"mdat")) * 6 < heif_structure.bytes_read(data) < len(data) * 6


@pytest.mark.parametrize("several", [False, True])
def test_a_tile_named_a_thousand_times_is_refused(tile, several):
    """Whether it is one item or many that are the same bytes: it would be decoded each time."""
    parts = [2 + number % 300 for number in range(992)] if several else None
    data = grid(tile, 31, 32, parts)

    with pytest.raises(PhotoError, match="a picture put together from the same pieces over and over"):
        photos.read(data)
    assert len(data) < 30_000
    assert heif_structure.bytes_read(data) > 5_000_000


def test_a_picture_that_is_part_of_itself_is_refused(tile):
    """In a circle of two, and pieces of pieces of pieces."""
    circle = box(b"dimg", struct.pack(">HHH", 2, 1, 1))
    chain = b"".join(box(b"dimg", struct.pack(">HHH", number, 1, number + 1)) for number in range(2, 40))

    assert heif_structure.bytes_read(grid(tile, 1, 2, extra=circle)) == float("inf")
    assert heif_structure.bytes_read(grid(tile, 1, 2, extra=chain)) == float("inf")


def test_tables_without_end_are_refused(tile):
    """65,535 parts, again and again."""
    many = box(b"dimg", struct.pack(">HH", 3, 60_000), struct.pack(">H", 2) * 60_000)

    assert heif_structure.excess(grid(tile, 1, 2, extra=many * 2)) != ""


@pytest.mark.parametrize("end", range(0, 700, 7))
def test_a_heic_that_stops_anywhere_is_judged_without_an_error(tile, end):
    """Damage is the decoder's to tell."""
    assert heif_structure.excess(grid(tile, 2, 3)[:end]) == ""


def test_the_files_of_usual_programs_are_read():
    """HEIC and AVIF as our own library writes them."""
    for file_format in ("HEIF", "AVIF"):
        buffer = io.BytesIO()
        Image.new("RGB", (300, 200), (40, 90, 200)).save(buffer, file_format)
        assert 0 < heif_structure.bytes_read(buffer.getvalue()) < len(buffer.getvalue())
        assert photos.read(buffer.getvalue()).size == (300, 200)
