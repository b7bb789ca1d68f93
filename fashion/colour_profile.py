"""Whether a photo's colour profile can be used in a moment, judged by its table of contents.

What cameras, screens and presses use (a matrix with curves, or tables of colours) takes at most a second. ICC.1:2010 also
allows any number of calculations, one after another, for every pixel: profiles of 1 MB took 12 to over 60 s.
"""

MAX_BYTES = 8_000_000
"""Largest profile; a printing press's has up to 3 million bytes."""
MAX_TAGS = 100
"""Most entries of its table; LittleCMS reads no more, and programs write 10 to 30."""
_CALCULATIONS = {b"D2B0", b"D2B1", b"D2B2", b"D2B3", b"B2D0", b"B2D1", b"B2D2", b"B2D3"}
_HEAD, _ENTRY = 128, 12  # bytes


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
