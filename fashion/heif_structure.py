"""How much a HEIC or AVIF file makes its decoder read: pictures may be put together from others, and name these often.

Phones cut a photo into some fifty tiles, each of which is in the file once. A file of 80 kB that names one tile of noise a
thousand times keeps a decoder busy for many seconds, and one of 5 kB may hold tiles of one colour, larger than the picture
that is cut from them. ISO/IEC 14496-12 (boxes) and 23008-12 (pictures made from others).
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fashion import av1_structure

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
MAX_COPIES = 20
"""Most smaller copies of a picture; phones write one."""
MAX_ANIMATIONS = 8
"""Most animations of an AVIF; one has two, its colours and its transparency."""
_MAX_ENTRIES = 100_000  # of each table; decoders themselves stop at some thousands
_MAX_DEPTH = 8  # of pictures made from pictures made from pictures
_UNBOUNDED = float("inf")
_TO_ANIMATION = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


class _Damaged(Exception):
    """The boxes do not fit into each other; a decoder will say so."""


class _Endless(Exception):
    """A table has more entries than any photo's, or is there twice."""


@dataclass
class _Tables:
    """What a file says of its items, by their numbers; `main` is the one that is the picture."""

    main: int = 0
    places: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    """Of the pieces of its bytes: where they are counted from (0: the file, 1: `idat`), begin, and how many they are."""
    idat: int = 0
    parts: dict[int, list[int]] = field(default_factory=dict)
    companions: dict[int, list[int]] = field(default_factory=dict)
    thumbnails: dict[int, list[int]] = field(default_factory=dict)
    num_pixels: dict[int, int] = field(default_factory=dict)
    num_kept: dict[int, int] = field(default_factory=dict)
    """Pixels that are left of an item once it is cut to the rectangle that it names; only items with one."""
    of_av1: set[int] = field(default_factory=set)
    turns: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)
    """How an item is to be turned (`irot`: quarters to the left) and mirrored (`imir`: 1 left and right, 0 up and down)."""
    colours: dict[int, tuple[int, int]] = field(default_factory=dict)
    """The numbers of an item's primaries and of its curve (`colr` of the kind `nclx`)."""

    def needed(self) -> dict[int, list[int]]:
        """Item -> what is decoded for it: its parts and what goes with it."""
        items = {*self.parts, *self.companions}
        return {item: [*self.parts.get(item, ()), *self.companions.get(item, ())] for item in items}


def excess(data: bytes) -> str:
    """What is too much, in words; "" if nothing is."""
    try:
        tables = _tables(data)
    except _Endless:
        return "a picture with endless tables of what it is made of"
    if _bytes_read(tables) > max(MAX_REPEATS * len(data), FEW_BYTES):
        return "a picture put together from the same pieces over and over"
    return _excess_of_pixels(tables) or _excess_of_av1(data, tables)


def bytes_read(data: bytes) -> float:
    """How many bytes are read to decode the picture that needs most, each as often as it is named."""
    try:
        return _bytes_read(_tables(data))
    except _Endless:
        return _UNBOUNDED


def orientation(data: bytes) -> int:
    """How a decoder turns the picture, as one of EXIF's eight numbers. EXIF itself does not count in such a file."""
    try:
        tables = _tables(data)
    except _Endless:
        return 1
    mirrored, quarters = False, 0  # left and right first, then to the right
    for kind, value in tables.turns.get(tables.main, ()):
        if kind == b"irot":
            quarters = (quarters - value) % 4
        else:
            mirrored, quarters = not mirrored, ((0 if value else 2) - quarters) % 4
    return ((2, 7, 4, 5) if mirrored else (1, 6, 3, 8))[quarters]


def colours(data: bytes) -> tuple[int, int] | None:
    """The numbers of the picture's primaries and of its curve, as ITU-T H.273 counts them; None where it names none."""
    try:
        tables = _tables(data)
    except _Endless:
        return None
    parts = tables.parts.get(tables.main, ())  # some programs name the colours of the tiles only
    return next((tables.colours[item] for item in (tables.main, *parts[:1]) if item in tables.colours), None)


def _bytes_read(tables: _Tables) -> float:
    known: dict[int, float] = {}
    num_bytes = {item: sum(length for _, _, length in places) for item, places in tables.places.items()}
    items = {*num_bytes, *tables.parts}
    return max((_cost(item, num_bytes, tables.parts, known, _MAX_DEPTH) for item in items), default=0)


def _excess_of_pixels(tables: _Tables) -> str:
    """What is too much of the pixels decoded for the picture, or for a smaller copy of it that may be decoded in its place.
    Decoders refuse an item that is not as large as it says."""
    pictures = {tables.main, *tables.thumbnails.get(tables.main, ())}
    if len(pictures) > MAX_COPIES:
        return f"a picture with more than {MAX_COPIES} smaller copies"
    parts, companions, needed = tables.parts, tables.companions, tables.needed()
    coded: dict[int, float] = {item: size for item, size in tables.num_pixels.items() if item not in parts}
    for item in {companion for several in companions.values() for companion in several}:
        if item not in parts and not coded.get(item):
            coded[item] = _UNBOUNDED  # a companion that does not say how large it is is decoded all the same
    known: dict[int, float] = {}
    for picture in pictures:
        if _cost(picture, coded, needed, known, _MAX_DEPTH) > MAX_DECODED_PIXELS:
            return f"a picture put together from more than {MAX_DECODED_PIXELS / 1e6:.0f} million pixels"
        of_parts = sum(known[part] for part in parts.get(picture, ()))
        own = of_parts or coded.get(picture, 0)
        if any(known[item] > max(MAX_PIXELS_OF_COMPANION, own) for item in companions.get(picture, ())):
            return f"a picture whose transparency or the like has over {MAX_PIXELS_OF_COMPANION / 1e6:.0f} million pixels"
        if own > MAX_PIXELS_OF_PARTS and 2 * tables.num_kept.get(picture, own) < own:
            return f"a small cutting from a picture of {own / 1e6:.0f} million pixels"
        largest = max((coded.get(piece, 0) for piece in _pieces(parts.get(picture, ()), needed)), default=0)
        if of_parts > MAX_PIXELS_OF_PARTS and largest > MAX_PIXELS_OF_PART:
            return f"a picture of {of_parts / 1e6:.0f} million pixels put together from large pieces"
    return ""


def _excess_of_av1(data: bytes, tables: _Tables) -> str:
    """What is too much in the compressed pixels of an AVIF, of its picture as of the first one of an animation."""
    items = _pieces([tables.main], tables.needed()) & tables.of_av1
    num_bytes = sum(length for item in items for _, _, length in tables.places.get(item, ()))
    if num_bytes > max(MAX_REPEATS * len(data), FEW_BYTES):
        return "an AVIF put together from the same pieces over and over"
    for item in items:
        pieces = []
        for counted_from, begin, length in tables.places.get(item, ()):
            begin += tables.idat if counted_from else 0
            pieces.append(data[begin : begin + length])
        words = av1_structure.excess(b"".join(pieces))
        if words:
            return words
    for num_animations, (begin, end) in enumerate(_first_samples(data, 0, len(data)), 1):
        if num_animations > MAX_ANIMATIONS:
            return f"an AVIF of more than {MAX_ANIMATIONS} animations"
        words = av1_structure.excess(data[begin:end])
        if words:
            return words
    return ""


def _first_samples(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[tuple[int, int]]:
    """Where the first picture of each AV1 animation begins and ends."""
    tables: dict[bytes, int] = {}
    for kind, begin, stop in _boxes(data, start, end):
        if depth < len(_TO_ANIMATION) and kind == _TO_ANIMATION[depth]:
            yield from _first_samples(data, begin, stop, depth + 1)
        if kind in (b"stsd", b"stsz", b"stco", b"co64"):
            tables[kind] = begin
    is_av1 = data[tables.get(b"stsd", len(data)) + 12 :][:4] == b"av01"
    if depth < len(_TO_ANIMATION) or not is_av1 or b"stsz" not in tables:
        return
    sizes = tables[b"stsz"]
    for kind, num_bytes in ((b"stco", 4), (b"co64", 8)):
        with contextlib.suppress(_Damaged, KeyError):
            # The size of all pictures, or that of the first.
            size = _number(data, sizes + 4, 4) or _number(data, sizes + 12, 4)
            begin = _number(data, tables[kind] + 8, num_bytes)
            yield begin, begin + size


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
            if table not in _READERS:
                continue
            if table in seen:  # decoders differ in which one they believe
                raise _Endless
            seen.add(table)
            with contextlib.suppress(_Damaged):  # decoders pass over some damage
                _READERS[table](data, begin, stop, tables)
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
    """Kind of each box between two places, and where its content begins and ends. One that is cut off ends with the others:
    some decoders mind neither that nor bytes after the last one."""
    while start + 8 <= end:
        size, kind, head = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16]), 16
        size = size or end - start  # 0: to the end
        if size < head:
            return
        yield kind, start + head, min(start + size, end)
        start += size


def _read_places(data: bytes, start: int, end: int, tables: _Tables) -> None:
    """Where the bytes of each item are, from the box `iloc`."""
    version, first, second = _number(data, start, 1), _number(data, start + 4, 1), _number(data, start + 5, 1)
    of_offset, of_length, of_base, of_index = first >> 4, first & 15, second >> 4, second & 15
    wide = 4 if version == 2 else 2
    place = start + 6
    count, place = _number(data, place, wide), place + wide
    num_entries = 0
    for _ in range(count):
        item, place = _number(data, place, wide), place + wide
        counted_from = _number(data, place, 2) & 15 if version else 0
        place += (2 if version else 0) + 2
        base, place = _number(data, place, of_base), place + of_base
        num_extents, place = _number(data, place, 2), place + 2
        num_entries += 1 + num_extents
        if num_entries > _MAX_ENTRIES:
            raise _Endless
        tables.places[item] = []
        for _ in range(num_extents):
            place += of_index if version else 0
            offset, place = _number(data, place, of_offset), place + of_offset
            length, place = _number(data, place, of_length), place + of_length
            if place > end:
                raise _Damaged
            tables.places[item].append((counted_from, base + offset, length))


def _check(num_entries: int, place: int, end: int) -> None:
    """Raise where a table is too long, or what an entry says that it holds leads beyond its end."""
    if num_entries > _MAX_ENTRIES:
        raise _Endless
    if place > end:
        raise _Damaged


def _read_references(data: bytes, start: int, end: int, tables: _Tables) -> None:
    """What each item is made of, what goes with it, and its smaller copies, from the box `iref`."""
    wide = 4 if _number(data, start, 1) else 2
    # A picture names its parts; a companion or a thumbnail names its picture.
    of_kind = {b"dimg": tables.parts, b"auxl": tables.companions, b"thmb": tables.thumbnails}
    num_entries = 0
    for kind, place, until in _boxes(data, start + 4, end):
        if kind not in of_kind:
            continue
        item, count = _number(data, place, wide), _number(data, place + wide, 2)
        place += wide + 2
        num_entries += 1 + count
        _check(num_entries, place + count * wide, until)
        for k in range(count):
            named = _number(data, place + wide * k, wide)
            key, value = (item, named) if kind == b"dimg" else (named, item)
            of_kind[kind].setdefault(key, []).append(value)


def _read_properties(data: bytes, start: int, end: int, tables: _Tables) -> None:
    """How many pixels each item says that it has, how many it keeps of them, whether it is of AV1, how it is turned and what
    its colours are, from the box `iprp`: properties, and which item has which."""
    properties: list[tuple[bytes, int]] = []
    for table, begin, stop in _boxes(data, start, end):
        for kind, place, _ in _boxes(data, begin, stop) if table == b"ipco" else ():
            if len(properties) == _MAX_ENTRIES:
                raise _Endless
            properties.append((kind, place))
    num_entries = 0
    for table, place, stop in _boxes(data, start, end):
        if table != b"ipma":
            continue
        wide = 4 if _number(data, place, 1) else 2
        of_index = 2 if _number(data, place + 3, 1) & 1 else 1
        without_essential = (1 << 8 * of_index - 1) - 1  # which is the first bit
        count, place = _number(data, place + 4, 4), place + 8
        for _ in range(count):
            item, num_indices = _number(data, place, wide), _number(data, place + wide, 1)
            place += wide + 1
            num_entries += 1 + num_indices
            _check(num_entries, place + num_indices * of_index, stop)
            for _ in range(num_indices):
                index = _number(data, place, of_index) & without_essential
                place += of_index
                kind, where = properties[index - 1] if 0 < index <= len(properties) else (b"", 0)
                if kind == b"ispe":
                    pixels = _number(data, where + 4, 4) * _number(data, where + 8, 4)
                    tables.num_pixels[item] = max(tables.num_pixels.get(item, 0), pixels)
                elif kind == b"clap":  # each side as a fraction
                    over, under, over2, under2 = (_number(data, where + 4 * k, 4) for k in range(4))
                    tables.num_kept[item] = over * over2 // max(under * under2, 1)
                elif kind == b"av1C":
                    tables.of_av1.add(item)
                elif kind in (b"irot", b"imir"):
                    tables.turns.setdefault(item, []).append((kind, _number(data, where, 1) & 3))
                elif kind == b"colr" and data[where : where + 4] == b"nclx":
                    tables.colours[item] = (_number(data, where + 4, 2), _number(data, where + 6, 2))


def _read_main(data: bytes, start: int, end: int, tables: _Tables) -> None:
    """Which item is the picture, from the box `pitm`."""
    tables.main = _number(data, start + 4, 4 if _number(data, start, 1) else 2)


def _read_idat(data: bytes, start: int, end: int, tables: _Tables) -> None:
    tables.idat = start


_READERS = {
    b"pitm": _read_main,
    b"iloc": _read_places,
    b"iref": _read_references,
    b"iprp": _read_properties,
    b"idat": _read_idat,
}


def _number(data: bytes, place: int, num_bytes: int) -> int:
    if place + num_bytes > len(data):
        raise _Damaged
    return int.from_bytes(data[place : place + num_bytes])
