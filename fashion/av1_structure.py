"""What an AVIF's compressed pixels claim to be, read from their first bits: how many frames, and how large.

The boxes around them may say less: a decoder of 0.3 s a frame was kept busy for a minute by one picture of 2,000 frames,
and took 523 MB for one of 12,000 x 12,000 in a file that said 400 x 300. AV1 Bitstream & Decoding Process Specification,
sections 5.3 to 5.5.
"""

from collections.abc import Iterator

MAX_FRAMES = 4
"""Most frames of one picture: a layered one may have as many layers, all others have a single frame."""
MAX_UNITS = 5_000
"""Most units (headers, frames and parts of them) of one picture; programs write two or three."""
MAX_PIXELS = 28_000_000
"""Most pixels of a frame: of the 25 million of an AVIF, and the rest of a tile at its border."""
_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6


def excess(stream: bytes) -> str:
    """What is too much in the compressed pixels of one picture, in words; "" if nothing is."""
    num_frames = 0
    for num_units, (kind, content) in enumerate(_units(stream), 1):
        if num_units > MAX_UNITS:
            return f"an AVIF of more than {MAX_UNITS:,} pieces"
        num_frames += kind in (_FRAME_HEADER, _FRAME)
        if num_frames > MAX_FRAMES:
            return f"an AVIF of more than {MAX_FRAMES} frames in one picture"
        if kind == _SEQUENCE_HEADER:
            width, height = _largest_frame(content)
            if width * height > MAX_PIXELS:
                return f"an AVIF whose frames have {width}x{height} pixels"
    return ""


def _units(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind of each unit, and the first bytes of its content: no sequence header is longer, whatever its options."""
    place = 0
    while place < len(stream):
        head = stream[place]
        place += 2 if head & 4 else 1  # with or without a second byte of its own
        size = len(stream) - place
        if head & 2:  # its size, 7 bits a byte, the lowest first
            size = 0
            for k, byte in enumerate(stream[place : place + 8]):
                size |= (byte & 127) << 7 * k
                if byte < 128:
                    break
            place += k + 1 if place < len(stream) else 0
        yield head >> 3 & 15, stream[place : place + min(size, 1_000)]
        place += size


def _largest_frame(header: bytes) -> tuple[int, int]:
    """Width and height that no frame may exceed, from a sequence header; 0 where it ends before."""
    bits, place = int.from_bytes(header), 8 * len(header)

    def read(num_bits: int) -> int:
        nonlocal place
        place -= num_bits
        return bits >> place & (1 << num_bits) - 1 if place >= 0 else 0

    read(3 + 1)  # profile; whether it is a still picture
    if read(1):  # the short header of one
        read(5)
    else:
        of_delay = 0
        if read(1):  # times
            read(32 + 32)
            if read(1):
                num_zeros = 0
                while place > 0 and not read(1):
                    num_zeros += 1
                read(num_zeros)
            if read(1):
                of_delay = read(5) + 1
                read(32 + 5 + 5)
        has_display_delay = read(1)
        for _ in range(read(5) + 1):
            read(12)
            if read(5) > 7:
                read(1)
            if of_delay and read(1):
                read(2 * of_delay + 1)
            if has_display_delay and read(1):
                read(4)
    of_width, of_height = read(4) + 1, read(4) + 1
    return read(of_width) + 1, read(of_height) + 1
