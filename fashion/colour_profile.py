"""The colour profile of a photo that names its colours by numbers only, and whether one can be used in a moment.

Phones since 2016 take photos in Display P3, a third more colours than sRGB; read as sRGB, a red shirt is paler than it is.
What cameras, screens and presses use (a matrix with curves, or tables of colours) takes at most a second. ICC.1:2010 also
allows any number of calculations, one after another, for every pixel: profiles of 1 MB took 12 to over 60 s.
"""

import struct

MAX_BYTES = 8_000_000
"""Largest profile; a printing press's has up to 3 million bytes."""
MAX_TAGS = 100
"""Most entries of its table; LittleCMS reads no more, and programs write 10 to 30."""
_CALCULATIONS = {b"D2B0", b"D2B1", b"D2B2", b"D2B3", b"B2D0", b"B2D1", b"B2D2", b"B2D3"}
_HEAD, _ENTRY = 128, 12  # bytes
_P3, _CURVES_LIKE_SRGB = 12, (1, 6, 13)
# Red, green and blue of P3 (SMPTE EG 432-1) as seen under D50, to which every profile refers, and that white itself.
_COLORANTS = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
_WHITE = (0.96420, 1.0, 0.82491)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1


def is_quick(profile: bytes) -> bool:
    """Whether it holds no calculations, and is no larger than profiles are. Damage is LittleCMS's to tell."""
    num_tags = int.from_bytes(profile[_HEAD : _HEAD + 4])
    if len(profile) > MAX_BYTES or num_tags > MAX_TAGS:
        return False
    first = _HEAD + 4
    for place in range(first, first + _ENTRY * num_tags, _ENTRY):
        begin = int.from_bytes(profile[place + 4 : place + 8])
        if profile[place : place + 4] in _CALCULATIONS or profile[begin : begin + 4] == b"mpet":
            return False
    return True


def named(primaries: int, curve: int) -> bytes | None:
    """The profile for colours that a HEIC or AVIF names by these numbers; None for sRGB and its like, and for those of films.

    Display P3 is number 12 with the curve of sRGB (13) or of cameras (1 and 6, which are taken for it, as screens do);
    ITU-T H.273 (07/2024), tables 2 and 3.
    """
    return _display_p3() if primaries == _P3 and curve in _CURVES_LIKE_SRGB else None


def _display_p3() -> bytes:
    """A profile of colorants and a curve, as ICC.1:2010 lays it out (sections 7, 8.3.2, 10.16 and 10.31)."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    curve = struct.pack(">4s4xHxx", b"para", 3) + fixed(*_SRGB_CURVE)
    text = "Display P3".encode("utf-16-be")
    tags = {
        b"desc": struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(text), 28) + text,
        b"wtpt": b"XYZ " + bytes(4) + fixed(*_WHITE),
    }
    for letter, colorant in zip((b"r", b"g", b"b"), _COLORANTS, strict=True):
        tags |= {letter + b"XYZ": b"XYZ " + bytes(4) + fixed(*colorant), letter + b"TRC": curve}
    table, body, begin = struct.pack(">I", len(tags)), b"", _HEAD + 4 + _ENTRY * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, begin + len(body), len(content))
        body += content.ljust(-(-len(content) // 4) * 4, b"\0")
    head = struct.pack(">I4xI4s4s4s12x4s", begin + len(body), 4 << 24, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (head.ljust(68, b"\0") + fixed(*_WHITE)).ljust(_HEAD, b"\0") + table + body
