"""HEIC files whose pieces are named so often that a small file keeps its decoder busy are refused; photos are not."""

import io
import itertools
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


def heic(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "HEIF", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def tile() -> bytes:
    """A HEIC of 64x64 pixels of noise."""
    return heic(Image.fromarray(np.random.default_rng(0).integers(0, 255, (TILE, TILE, 3), dtype=np.uint8)))


@pytest.fixture(scope="module")
def plain() -> bytes:
    """A HEIC of 64x64 pixels of one colour: however often it is named, it has few bytes."""
    return heic(Image.new("RGB", (TILE, TILE), "teal"))


def grid(
    tile: bytes,
    rows: int,
    columns: int,
    parts: list[int] | None = None,
    extra: bytes = b"",
    size: tuple[int, int] | None = (TILE, TILE),
) -> bytes:
    """A HEIC whose picture is a grid, made from one tile or from several items that are all the same bytes.

    parts: the item of each place; all the same one if None. extra: more of the box `iref`. size: what each tile says of
    itself; nothing if None.
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
        sizes = [struct.pack(">II", TILE * columns, TILE * rows), struct.pack(">II", *(size or (TILE, TILE)))]
        properties = box(b"ipco", *(full(b"ispe", 0, size) for size in sizes), codec)
        uses = (
            struct.pack(">HB", 1, 1)
            + bytes([1])
            + b"".join(struct.pack(">HB", number, 2) + bytes([2 if size else 3, 0x83]) for number in items)
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


def goes_with(item: int, picture: int) -> bytes:
    """Names an item as transparency, depth or the like of another."""
    return box(b"auxl", struct.pack(">HHH", item, 1, picture))


@pytest.mark.parametrize(
    ("shape", "size", "words"),
    [
        (
            (2, 2),
            (4096, 4096),
            "67 million pixels put together from large pieces",
        ),
        ((1, 1), (11900, 11900), "more than 104 million"),
        ((20, 20), (512, 512), "more than 104 million"),
        ((1, 1), (7200, 7200), "52 million pixels put together from large pieces"),
    ],
)
def test_tiles_larger_than_any_phone_needs_are_refused(plain, shape, size, words):
    """A tile of one colour has few bytes however large it is, and the picture cut from it may be small."""
    with pytest.raises(PhotoError, match=words):
        photos.read(grid(plain, *shape, size=size))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((12, 16), (512, 512)), ((7, 7), (1024, 1024)), ((2, 2), (2600, 2600)), ((1, 1), (5200, 5200))],
)
def test_the_tiles_of_phones_are_allowed(plain, shape, size):
    """48 million pixels in small tiles, and 27 million in any."""
    assert heif_structure.excess(grid(plain, *shape, size=size)) == ""


def test_transparency_far_larger_than_any_picture_is_refused(plain):
    """Larger than 25 million pixels and than the picture, or belonging to each of its tiles; one that does not say how
    large it is counts as endless. What a phone puts beside 48 million pixels is allowed."""
    of_picture, of_tiles = goes_with(3, picture=1), goes_with(3, picture=2)
    three = [2, 3]

    of_three_tiles = box(b"dimg", struct.pack(">HHHHH", 3, 3, 2, 2, 2))
    too_large = heif_structure.excess(grid(plain, 1, 1, extra=of_picture + of_three_tiles, size=(3600, 3600)))
    assert too_large == "a picture whose transparency or the like has over 25 million pixels"
    in_tiles = heif_structure.excess(grid(plain, 1, 4, [2, 2, 2, 3], of_tiles, size=(3000, 3000)))
    assert in_tiles == "a picture of 63 million pixels put together from large pieces"
    assert "104 million" in heif_structure.excess(grid(plain, 1, 2, three, of_picture, size=None))
    assert heif_structure.excess(grid(plain, 1, 2, three, of_picture, size=(3000, 3000))) == ""
    several = [2 + number % 60 for number in range(192)]
    mattes = b"".join(goes_with(item, picture=1) for item in range(2, 50))
    assert heif_structure.excess(grid(plain, 12, 16, several, mattes, size=(512, 512))) == ""


def test_a_small_cutting_from_a_huge_picture_is_refused(plain):
    """Its size as it is told before decoding is that of the cutting; a program's, which ends at odd sides, is allowed."""

    def cut_to(side: int) -> bytes:
        cutting = struct.pack(">IIIIIIII", side, 1, side, 1, 0, 1, 0, 1)
        data = grid(plain, 20, 14, size=(512, 512))
        codec = data.index(b"hvcC") - 4  # a property that no check needs, its place in the table is reused
        size = int.from_bytes(data[codec : codec + 4])
        filler = size - len(box(b"clap", cutting))
        data = data[:codec] + box(b"clap", cutting + bytes(filler)) + data[codec + size :]
        return data.replace(struct.pack(">HBB", 1, 1, 1), struct.pack(">HBB", 1, 1, 3))  # the grid's

    assert heif_structure.excess(cut_to(1000)) == "a small cutting from a picture of 73 million pixels"
    assert heif_structure.excess(cut_to(8001)) == ""


def test_a_maze_of_pieces_is_judged_at_once(tile):
    """Seven layers of thirty items, each of which needs all of the next."""
    layers = [range(100 * layer, 100 * layer + 30) for layer in range(1, 8)]
    maze = b"".join(
        box(b"dimg", struct.pack(f">HH{len(below)}H", item, len(below), *below))
        for above, below in itertools.pairwise([[1], *layers])
        for item in above
    )

    assert heif_structure.excess(grid(tile, 1, 1, extra=maze)) == ""


def test_a_second_table_is_refused(tile):
    """Decoders differ in which one they believe."""
    data = grid(tile, 1, 2)

    assert heif_structure.excess(data + full(b"meta", 0, full(b"iref", 0))) != ""


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
