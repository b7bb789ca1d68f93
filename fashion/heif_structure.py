"""How much a HEIC or AVIF file makes its decoder read: pictures may be put together from others, and name these often.

Phones cut a photo into some fifty tiles, each of which is in the file once. A file of 80 kB that names one tile of noise a
thousand times keeps a decoder busy for many seconds. ISO/IEC 14496-12 (boxes) and 23008-12 (pictures made from others).
"""

from collections.abc import Iterator

MAX_REPEATS = 3
"""A file's bytes may be read so many times: a photo, and perhaps a version of it with other brightness."""
FEW_BYTES = 1_000_000
"""So many are read in a moment, however often they are named."""
_MAX_ENTRIES = 100_000  # of each table; decoders themselves stop at some thousands
_MAX_DEPTH = 8  # of pictures made from pictures made from pictures
_UNBOUNDED = float("inf")


class _Damaged(Exception):
    """The boxes do not fit into each other; a decoder will say so."""


class _Endless(Exception):
    """A table has more entries than any photo's."""


def excess(data: bytes) -> str:
    """What is too much, in words; "" if nothing is."""
    if bytes_read(data) <= max(MAX_REPEATS * len(data), FEW_BYTES):
        return ""
    return "a picture put together from the same pieces over and over"


def bytes_read(data: bytes) -> float:
    """How many bytes are read to decode the picture that needs most, each as often as it is named; 0 for a damaged file."""
    try:
        lengths: dict[int, int] = {}
        parts: dict[int, list[int]] = {}
        for kind, start, end in _boxes(data, 0, len(data)):
            tables = _boxes(data, start + 4, end) if kind == b"meta" else ()
            for table, begin, stop in tables:
                if table == b"iloc":
                    lengths |= _lengths(data, begin, stop)
                elif table == b"iref":
                    parts |= _parts(data, begin, stop)
    except _Damaged:
        return 0
    except _Endless:
        return _UNBOUNDED
    known: dict[int, float] = {}
    return max((_cost(item, lengths, parts, known, _MAX_DEPTH) for item in {*lengths, *parts}), default=0)


def _cost(item: int, lengths: dict, parts: dict, known: dict, depth: int) -> float:
    """Bytes of an item and of all that it is made of. One that is made of itself has no end."""
    if depth == 0:
        return _UNBOUNDED
    if item not in known:
        known[item] = _UNBOUNDED  # until it is known: a circle leads here
        known[item] = lengths.get(item, 0) + sum(
            _cost(part, lengths, parts, known, depth - 1) for part in parts.get(item, ())
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


def _parts(data: bytes, start: int, end: int) -> dict[int, list[int]]:
    """Item -> the items that it is made of, from the box `iref`."""
    wide = 4 if _number(data, start, 1) else 2
    parts: dict[int, list[int]] = {}
    num_entries = 0
    for kind, place, until in _boxes(data, start + 4, end):
        if kind != b"dimg":
            continue
        item, count = _number(data, place, wide), _number(data, place + wide, 2)
        place += wide + 2
        num_entries += 1 + count
        if num_entries > _MAX_ENTRIES:
            raise _Endless
        if place + count * wide > until:
            raise _Damaged
        parts.setdefault(item, []).extend(_number(data, place + wide * k, wide) for k in range(count))
    return parts


def _number(data: bytes, place: int, num_bytes: int) -> int:
    if place + num_bytes > len(data):
        raise _Damaged
    return int.from_bytes(data[place : place + num_bytes])
