"""How much a HEIC or AVIF file makes its decoder read: pictures may be put together from others, and name these often.

Phones cut a photo into some fifty tiles, each of which is in the file once. A file of 80 kB that names one tile of noise a
thousand times keeps a decoder busy for many seconds, and one of 5 kB may hold tiles of one colour, larger than the picture
that is cut from them. ISO/IEC 14496-12 (boxes) and 23008-12 (pictures made from others).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MAX_REPEATS = 3
"""A file's bytes may be read so many times: a photo, and perhaps a version of it with other brightness."""
FEW_BYTES = 1_000_000
"""So many are read in a moment, however often they are named."""
MAX_DECODED_PIXELS = 104_000_000
"""Most pixels decoded for one picture, with its transparency and the like: twice a phone's 50 million. They take 1.2 s."""
MAX_PIXELS_OF_PARTS = 28_000_000
"""Most pixels of a picture's parts if one of them is large; of full colours and 10 bits each needs 13 bytes."""
MAX_PIXELS_OF_PART = 1_100_000
"""Most pixels of each part if there are more; phones write 262,144. Four are decoded at once: of 3 million, they and a
picture of 50 million needed 570 MB."""
MAX_PIXELS_OF_COMPANION = 25_000_000
"""Most pixels of what goes with a picture: transparency, brightness or depth. That of phones has up to 12 million."""
_MAX_ENTRIES = 100_000  # of each table; decoders themselves stop at some thousands
_MAX_DEPTH = 8  # of pictures made from pictures made from pictures
_UNBOUNDED = float("inf")
_PARTS, _COMPANION, _THUMBNAIL = b"dimg", b"auxl", b"thmb"


class _Damaged(Exception):
    """The boxes do not fit into each other; a decoder will say so."""


class _Endless(Exception):
    """A table has more entries than any photo's, or is there twice."""


@dataclass
class _Tables:
    """What a file says of its items, by their numbers; `main` is the one that is the picture."""

    main: int = 0
    num_bytes: dict[int, int] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)
    companions: dict[int, list[int]] = field(default_factory=dict)
    thumbnails: dict[int, list[int]] = field(default_factory=dict)
    num_pixels: dict[int, int] = field(default_factory=dict)
    num_kept: dict[int, int] = field(default_factory=dict)
    """Pixels that are left of an item once it is cut to the rectangle that it names; only items with one."""


def excess(data: bytes) -> str:
    """What is too much, in words; "" if nothing is."""
    try:
        tables = _tables(data)
    except _Damaged:
        return ""
    except _Endless:
        return "a picture with endless tables of what it is made of"
    if _bytes_read(tables) > max(MAX_REPEATS * len(data), FEW_BYTES):
        return "a picture put together from the same pieces over and over"
    for picture in {tables.main, *tables.thumbnails.get(tables.main, ())}:
        words = _excess_of_pixels(picture, tables)
        if words:
            return words
    return ""


def bytes_read(data: bytes) -> float:
    """How many bytes are read to decode the picture that needs most, each as often as it is named; 0 for a damaged file."""
    try:
        return _bytes_read(_tables(data))
    except _Damaged:
        return 0
    except _Endless:
        return _UNBOUNDED


def _bytes_read(tables: _Tables) -> float:
    known: dict[int, float] = {}
    items = {*tables.num_bytes, *tables.parts}
    return max((_cost(item, tables.num_bytes, tables.parts, known, _MAX_DEPTH) for item in items), default=0)


def _excess_of_pixels(picture: int, tables: _Tables) -> str:
    """What is too much of the pixels decoded for one picture. Decoders refuse an item that is not as large as it says."""
    parts, companions = tables.parts, tables.companions
    needed = {item: [*parts.get(item, ()), *companions.get(item, ())] for item in {*parts, *companions}}
    coded: dict[int, float] = {item: size for item, size in tables.num_pixels.items() if item not in parts}
    for item in {companion for several in companions.values() for companion in several}:
        if item not in parts and not coded.get(item):
            coded[item] = _UNBOUNDED  # a companion that does not say how large it is is decoded all the same
    known: dict[int, float] = {}
    if _cost(picture, coded, needed, known, _MAX_DEPTH) > MAX_DECODED_PIXELS:
        return f"a picture put together from more than {MAX_DECODED_PIXELS // 1_000_000} million pixels"
    of_parts = sum(known[part] for part in parts.get(picture, ()))
    own = of_parts or coded.get(picture, 0)
    if any(known[item] > max(MAX_PIXELS_OF_COMPANION, own) for item in companions.get(picture, ())):
        return f"a picture whose transparency or the like has over {MAX_PIXELS_OF_COMPANION // 1_000_000} million pixels"
    if own > MAX_PIXELS_OF_PARTS and 2 * tables.num_kept.get(picture, own) < own:
        return f"a small cutting from a picture of {own / 1e6:.0f} million pixels"
    largest = max((coded.get(piece, 0) for piece in _pieces(parts.get(picture, ()), needed)), default=0)
    if of_parts > MAX_PIXELS_OF_PARTS and largest > MAX_PIXELS_OF_PART:
        return f"a picture of {of_parts / 1e6:.0f} million pixels put together from large pieces"
    return ""


def _pieces(items: Iterable[int], needed: dict[int, list[int]]) -> set[int]:
    """Items and all that they need."""
    pieces, new = set(), set(items)
    while new:
        pieces |= new
        new = {piece for item in new for piece in needed.get(item, ())} - pieces
    return pieces


def _tables(data: bytes) -> _Tables:
    tables, seen = _Tables(), set()
    for kind, start, end in _boxes(data, 0, len(data)):
        for table, begin, stop in _boxes(data, start + 4, end) if kind == b"meta" else ():
            if table in seen:  # decoders differ in which one they believe
                raise _Endless
            if table == b"pitm":
                tables.main = _number(data, begin + 4, 4 if data[begin] else 2)
            elif table == b"iloc":
                tables.num_bytes = _lengths(data, begin, stop)
            elif table == b"iref":
                of_kind = _references(data, begin, stop)
                tables.parts, tables.companions, tables.thumbnails = (
                    of_kind[which] for which in (_PARTS, _COMPANION, _THUMBNAIL)
                )
            elif table == b"iprp":
                tables.num_pixels, tables.num_kept = _sizes(data, begin, stop)
            else:
                continue
            seen.add(table)
    return tables


def _cost(item: int, own: dict, parts: dict, known: dict, depth: int) -> float:
    """Bytes or pixels of an item and of all that it is made of. One that is made of itself has no end."""
    if depth == 0:
        return _UNBOUNDED
    if item not in known:
        known[item] = _UNBOUNDED  # until it is known: a circle leads here
        known[item] = own.get(item, 0) + sum(
            _cost(part, own, parts, known, depth - 1) for part in parts.get(item, ())
        )
    return known[item]


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each box between two places, and where its content begins and ends."""
    while start + 8 <= end:
        size, kind, head = _number(data, start, 4), data[start + 4 : start + 8], 8
        if size == 1:
            size, head = _number(data, start + 8, 8), 16
        size = size or end - start  # 0: to the end
        if size < head or start + size > end:
            raise _Damaged
        yield kind, start + head, start + size
        start += size


def _lengths(data: bytes, start: int, end: int) -> dict[int, int]:
    """Item -> its number of bytes, from the box `iloc`."""
    version, first, second = _number(data, start, 1), _number(data, start + 4, 1), _number(data, start + 5, 1)
    of_offset, of_length, of_base, of_index = first >> 4, first & 15, second >> 4, second & 15
    wide = 4 if version == 2 else 2
    place = start + 6
    count, place = _number(data, place, wide), place + wide
    lengths: dict[int, int] = {}
    num_entries = 0
    for _ in range(count):
        item, place = _number(data, place, wide), place + wide
        place += (2 if version else 0) + 2 + of_base
        num_extents, place = _number(data, place, 2), place + 2
        total = 0
        num_entries += 1 + num_extents
        if num_entries > _MAX_ENTRIES:
            raise _Endless
        for _ in range(num_extents):
            place += (of_index if version else 0) + of_offset
            total += _number(data, place, of_length)
            place += of_length
            if place > end:
                raise _Damaged
        lengths[item] = total
    return lengths


def _references(data: bytes, start: int, end: int) -> dict[bytes, dict[int, list[int]]]:
    """Kind -> item -> the items that it is made of, that go with it, or that are smaller copies of it; from `iref`."""
    wide = 4 if _number(data, start, 1) else 2
    of_kind: dict[bytes, dict[int, list[int]]] = {_PARTS: {}, _COMPANION: {}, _THUMBNAIL: {}}
    num_entries = 0
    for kind, place, until in _boxes(data, start + 4, end):
        if kind not in of_kind:
            continue
        item, count = _number(data, place, wide), _number(data, place + wide, 2)
        place += wide + 2
        num_entries += 1 + count
        if num_entries > _MAX_ENTRIES:
            raise _Endless
        if place + count * wide > until:
            raise _Damaged
        for k in range(count):
            named = _number(data, place + wide * k, wide)
            # A picture names its parts; a companion or a thumbnail names its picture.
            key, value = (item, named) if kind == _PARTS else (named, item)
            of_kind[kind].setdefault(key, []).append(value)
    return of_kind


def _sizes(data: bytes, start: int, end: int) -> tuple[dict[int, int], dict[int, int]]:
    """Item -> how many pixels it says that it has, and how many it keeps of them, from the box `iprp`: properties, and
    which item has which."""
    boxes = list(_boxes(data, start, end))
    properties = [
        (kind, place)
        for table, begin, stop in boxes
        if table == b"ipco"
        for kind, place, _ in _boxes(data, begin, stop)
    ]
    sizes: dict[int, int] = {}
    kept: dict[int, int] = {}
    num_entries = 0
    for table, place, stop in boxes:
        if table != b"ipma":
            continue
        wide = 4 if _number(data, place, 1) else 2
        of_index = 2 if _number(data, place + 3, 1) & 1 else 1
        count, place = _number(data, place + 4, 4), place + 8
        for _ in range(count):
            item, num_indices, place = (
                _number(data, place, wide),
                _number(data, place + wide, 1),
                place + wide + 1,
            )
            num_entries += 1 + num_indices
            if num_entries > _MAX_ENTRIES:
                raise _Endless
            if place + num_indices * of_index > stop:
                raise _Damaged
            for _ in range(num_indices):
                index = _number(data, place, of_index) & (
                    0x7FFF if of_index == 2 else 0x7F
                )  # without "essential"
                place += of_index
                kind, where = properties[index - 1] if 0 < index <= len(properties) else (b"", 0)
                if kind == b"ispe":
                    pixels = _number(data, where + 4, 4) * _number(data, where + 8, 4)
                    sizes[item] = max(sizes.get(item, 0), pixels)
                elif kind == b"clap":  # each side as a fraction of two numbers
                    sides = [
                        _number(data, where + k, 4) / max(_number(data, where + k + 4, 4), 1) for k in (0, 8)
                    ]
                    kept[item] = int(sides[0] * sides[1])
    return sizes, kept


def _number(data: bytes, place: int, num_bytes: int) -> int:
    if place + num_bytes > len(data):
        raise _Damaged
    return int.from_bytes(data[place : place + num_bytes])
