"""What a file claims to be, judged before a decoder is trusted with its pixels: too large, or built as no photo is.

A small file can keep a decoder busy for minutes: 20,000 scans over the same pixels are a JPEG of 2 MB. Such files are
found here from their structure, in milliseconds; no pixel is decoded. Reading a photo is `photos.py`. All figures are for
files of at most 15 MB.
"""

import re

from PIL import Image

from fashion import heif_structure

MAX_PIXELS_OF_JPEG = 60_000_000
"""Most pixels of a JPEG, read from the header; phones make 50 million. Decoded reduced, they need 1 to 8 bytes each."""
MAX_PIXELS_OF_HEIC = 52_000_000
"""Most pixels of a HEIC file of 8 bits; phones make 50 million, and each needs up to 9 bytes of memory."""
MAX_PIXELS = 25_000_000
"""Most pixels of any other file: lossy WebP needs up to 17 bytes for each, HEIC of 10 bits or with transparency up to 19."""
MAX_SCANS = 50
"""Most passes over the pixels of one JPEG; programs write 1 to 20. At 60 million pixels each takes 0.04 s."""
MAX_COEFFICIENT_BYTES = 320_000_000
"""Most memory for what a JPEG of several passes is collected in, two bytes per value: 50 million pixels of three full
colours. With the usual halved colours they need half of it."""
MAX_SEGMENTS = 2_000
"""Most segments of a JPEG; a large colour profile and all that a phone adds are some hundreds."""
MAX_FILL_BYTES = 100_000
"""Most bytes between the segments of a JPEG before its pixels; there should be none."""
MAX_PIECES = 100_000
"""Most strips or tiles of a TIFF; of one row each, they are as many as the picture is high."""
MAX_TILE_PIXELS = 25_000_000
"""Most pixels of one tile of a TIFF: it is decoded whole, even if the picture is smaller."""
MAX_SAMPLES = 400_000_000
"""Most numbers decoded from all strips or tiles of a TIFF: four times those of 25 million pixels of four colours. At worst
they take 0.8 s; tiles far higher than the picture, all of the same bytes, took 44 s."""
MAX_ENTRIES = 4_096
"""Most entries of a directory of a TIFF; programs write some dozens. Opening one of 700,000 took 5 s."""
MAX_CHUNKS = 20_000
"""Most chunks of a PNG; programs put 8,000 bytes of pixels or more into each. A million would take 7 s."""
MAX_BLOCKS = 20_000
"""Most blocks of a GIF before its first picture; there should be a dozen. Of millions of comments come 700 MB."""
MAX_RLE_BYTES = 5_000_000
"""Largest BMP whose pixels are run-length encoded, in bytes: they are decoded run by run, 2 million a second."""
MAX_RLE_PIXELS = 8_000_000
"""Most pixels of one: 25 million, of rows that are nearly empty, took 3.6 s in 21 kB."""
MAX_LOSSLESS_MEMORY = 260_000_000
"""Most memory of a lossless WebP, in bytes, beside 207 MB for tables of the least size: 14 for each pixel, and 46 for each
byte of the file, which may hold larger tables. So 3 million pixels may be in 4.7 MB, 12 million in 2."""
MAX_NUMBERS = 300_000
"""Most numbers in the tags of a TIFF: strips and tiles have two each. Nearly two million would take 7 s."""
MAX_AVIF_BYTES = 8_000_000
"""Largest AVIF; one of 25 million pixels has 3 to 5 MB. Opening it reads all of its metadata: of 14 MB of them, 6 s."""
MAX_METADATA_BYTES = 1_000_000
"""Most bytes of what a file says about itself (EXIF); phones write up to 100,000. Each number of it becomes an object."""

# 0xFF and a marker's number, but neither what stands for 0xFF within pixels (00) nor a restart within them (D0 to D7).
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xC6)
_ARITHMETIC = frozenset(range(0xC9, 0xD0)) - {0xCC}
_FRAME_LENGTH = 8 + 3 * 4  # of up to four colours
_START_OF_SCAN, _END_OF_IMAGE, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, 0xD8)
_WIDTH, _LENGTH, _SAMPLES, _ROWS, _PLANES, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 277, 278, 284, 322, 323
_SIZES = (_WIDTH, _LENGTH, _SAMPLES, _ROWS, _PLANES, _TILE_WIDTH, _TILE_LENGTH)
_PIECES = (273, 324)  # where the strips begin, or the tiles
_DIRECTORIES = (0x8769, 0x8825)  # the tags that hold where others begin: EXIF, and the place
_OF_BYTES = (1, 2, 6, 7)  # types of values that stay as they are
_BYTES_OF_TYPE = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
_OTHER_KINDS = (
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\xc5\xd0\xd3\xc6", "an EPS drawing"),
)
_PNG = b"\x89PNG\r\n\x1a\n"
_EXTENSION, _PICTURE, _END_OF_GIF = 0x21, 0x2C, 0x3B


def is_known(data: bytes) -> bool:
    """Whether a file begins as one of a kind that the app reads: if it cannot be opened, it is damaged."""
    return (
        (
            data.startswith((b"\xff\xd8", _PNG[:4], b"GIF8", *_TIFF))
            or (
                data[:2] == b"BM" and data[6:10] == bytes(4)
            )  # a word may begin so; four bytes of zeros are no text
            or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
            or not _BRANDS.isdisjoint(_brands(data))
        )
        and not _is_raw(data)
    )


def looks_like(data: bytes) -> str:
    """What a file that is no picture, or of a kind that is not read, probably is, in words."""
    head = data[:512].lstrip().lower()
    if _is_raw(data):
        return "a raw photo as a camera's sensor saw it"
    if data[4:8] in (b"ftyp", b"moov", b"wide", b"mdat") or data.startswith(b"\x1a\x45\xdf\xa3"):
        return "a film"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "a film"
    for start, words in _OTHER_KINDS:
        if data.startswith(start):
            return words
    if head.startswith(b"%pdf"):
        return "a PDF document"
    if head.startswith(b"%!ps"):
        return "an EPS drawing"
    if b"<svg" in head:
        return "an SVG drawing"
    if head.startswith(b"#define ") and b"_width " in head:
        return "an XBM picture"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "a text file"
    return "not a picture that we can identify"


def _brands(data: bytes) -> set[bytes]:
    """What a file of ISO's family says that it is."""
    end = min(int.from_bytes(data[:4]), 256)
    return {data[place : place + 4] for place in range(8, end, 4)} if data[4:8] == b"ftyp" else set()


def _is_raw(data: bytes) -> bool:
    """Adobe's DNG, which is a TIFF that says so in tag 50706 (a version, four bytes), or a camera's own kind."""
    return (
        data.startswith((b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR"))
        or data[:4] + data[8:10] == b"II*\0CR"
        or b"crx " in _brands(data)
        or (
            data.startswith(_TIFF)
            and any(entry in data[:65_536] for entry in (b"\x12\xc6\1\0\4\0\0\0", b"\xc6\x12\0\1\0\0\0\4"))
        )
    )


def most_pixels(image: Image.Image) -> int:
    """How many pixels an opened, not yet decoded file may have, so that reading it takes at most 500 MB of memory."""
    if image.format in ("JPEG", "MPO"):
        return MAX_PIXELS_OF_JPEG
    plain_heic = image.format == "HEIF" and image.info.get("bit_depth", 8) == 8 and image.mode in ("L", "RGB")
    return MAX_PIXELS_OF_HEIC if plain_heic else MAX_PIXELS


def too_many_pixels(name: str, received: str) -> str:
    """What to say of a file that has more."""
    return (
        f"A photo may have at most {MAX_PIXELS_OF_JPEG // 1_000_000} million pixels as JPEG, "
        f"{MAX_PIXELS_OF_HEIC // 1_000_000} million as HEIC of 8 bits, {MAX_PIXELS // 1_000_000} million otherwise. "
        f"Received: {name}, {received}. Save it smaller."
    )


def excess(data: bytes) -> str:
    """What there is too much of in a file, in words; "" for one that is as it should be, and for a kind not known here.

    Damage is not looked for: a decoder tells it soon enough.
    """
    if data.startswith(b"\xff\xd8"):
        return _excess_of_jpeg(data)
    if data.startswith(_TIFF):
        return _excess_of_tiff(data)
    if data.startswith(_PNG):
        return _excess_of_png(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _excess_of_gif(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _excess_of_webp(data)
    if data.startswith(b"BM") and data[30:31] in (b"\1", b"\2"):
        return _excess_of_runs(data)
    kind_of_film = data[8 : min(int.from_bytes(data[:4]), 256)]  # what a file of ISO's family says that it is
    if data[4:8] == b"ftyp" and b"avi" in kind_of_film and len(data) > MAX_AVIF_BYTES:
        return f"an AVIF of {len(data) / 1e6:.0f} MB"
    return heif_structure.excess(data) if data[4:8] == b"ftyp" else ""


def excess_of_metadata(image: Image.Image) -> str:
    """The same for what an opened file says about itself."""
    num_bytes = len(image.info.get("exif") or b"")
    return _too_much_metadata(num_bytes) if num_bytes > MAX_METADATA_BYTES else ""


def _too_much_metadata(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB of metadata"


def _excess_of_runs(data: bytes) -> str:
    """The size of a run-length encoded BMP, in bytes and in pixels; a negative height is one from top to bottom."""
    if len(data) > MAX_RLE_BYTES:
        return f"a run-length encoded BMP of {len(data) / 1e6:.0f} MB"
    width, height = (abs(int.from_bytes(data[at : at + 4], "little", signed=True)) for at in (18, 22))
    if width * height > MAX_RLE_PIXELS:
        return f"a run-length encoded BMP of {width}x{height} pixels"
    return ""


def _excess_of_jpeg(data: bytes) -> str:
    """Follows the segments of the first picture in the file, as a decoder would (ITU-T T.81, annex B)."""
    position, num_segments, num_scans, num_fill_bytes, num_coefficients = 2, 0, 0, 0, 0
    progressive = False
    while marker := _MARKER.search(data, position):
        number = data[marker.end() - 1]
        if num_scans == 0:
            num_fill_bytes += marker.start() - position
        if number == _END_OF_IMAGE:
            break
        num_segments += 1
        num_scans += number == _START_OF_SCAN
        if num_scans > MAX_SCANS:
            return f"a JPEG of more than {MAX_SCANS} scans"
        if number in _ARITHMETIC:
            # No camera writes it, and it is slow: 60 million pixels in three scans, a file of 766 bytes, took 9 s.
            return "a JPEG with arithmetic coding"
        if number in _FRAMES:
            progressive = number in _PROGRESSIVE
            num_coefficients = _coefficients(data[marker.end() : marker.end() + _FRAME_LENGTH])
        if 2 * num_coefficients > MAX_COEFFICIENT_BYTES and (progressive or num_scans > 1):
            return f"a JPEG in several passes that takes {2 * num_coefficients / 1e6:,.0f} MB to put together"
        if num_segments > MAX_SEGMENTS:
            return f"a JPEG of more than {MAX_SEGMENTS:,} segments"
        if num_fill_bytes > MAX_FILL_BYTES:
            return f"a JPEG with more than {MAX_FILL_BYTES:,} bytes between its segments"
        position = marker.end()
        if number not in _WITHOUT_LENGTH:
            position += int.from_bytes(data[position : position + 2])
    return ""


def _coefficients(frame: bytes) -> int:
    """How many numbers a JPEG of several passes is put together from: the header after its marker (T.81, B.2.2)."""
    height, width = int.from_bytes(frame[3:5]), int.from_bytes(frame[5:7])
    factors = [(byte >> 4, byte & 15) for byte in frame[9 : 8 + 3 * frame[7] : 3]] if len(frame) > 7 else []
    full = max((across for across, _ in factors), default=0) * max((down for _, down in factors), default=0)
    return width * height * sum(across * down for across, down in factors) // full if full else 0


def _excess_of_tiff(data: bytes) -> str:
    """Looks at the first directory of the file, that of the first picture, and at those within it (TIFF 6.0, section 2;
    BigTIFF)."""
    order = "little" if data[:2] == b"II" else "big"

    def number(position: int, num_bytes: int) -> int:
        return int.from_bytes(data[position : position + num_bytes], order)

    is_big = b"+" in data[:4]
    width = 8 if is_big else 4  # bytes of an offset
    sizes: dict[int, int] = {}
    starts, num_numbers, num_pieces = [number(8 if is_big else 4, width)], 0, 0
    for start in starts:  # which grows by the directories within the first
        num_entries, entries = (number(start, 8), start + 8) if is_big else (number(start, 2), start + 2)
        length = 4 + 2 * width  # of an entry
        there = range(entries, min(entries + num_entries * length, len(data)), length)
        if len(there) > MAX_ENTRIES:
            return f"a TIFF of {num_entries:,} entries in a directory"
        for position in there:
            tag, kind, count = number(position, 2), number(position + 2, 2), number(position + 4, width)
            if tag in _PIECES and count > MAX_PIECES:
                return f"a TIFF of {count:,} strips or tiles"
            if tag in _PIECES:
                num_pieces = max(num_pieces, count)
            if kind not in _OF_BYTES and count <= len(data):  # a decoder passes over what cannot be there
                num_numbers += count
            value = position + 4 + width
            if tag in _SIZES:
                num_bytes = _BYTES_OF_TYPE.get(kind, width)
                size = number(value if num_bytes * count <= width else number(value, width), num_bytes)
                sizes[tag] = max(size, sizes.get(tag, 0))
            if tag in _DIRECTORIES and len(starts) <= len(_DIRECTORIES):
                starts.append(number(value, width))
    if num_numbers > MAX_NUMBERS:
        return f"a TIFF of {num_numbers:,} numbers beside its pixels"
    tile_width, tile_length = sizes.get(_TILE_WIDTH, 0), sizes.get(_TILE_LENGTH, 0)
    if tile_width * tile_length > MAX_TILE_PIXELS:
        return f"a TIFF of tiles of {tile_width}x{tile_length} pixels"
    num_samples = _samples(sizes, num_pieces)
    if num_samples > MAX_SAMPLES:
        return f"a TIFF whose strips or tiles hold {num_samples / 1e6:,.0f} million numbers"
    return ""


def _samples(sizes: dict[int, int], num_pieces: int) -> int:
    """How many numbers are decoded from the strips or tiles of a TIFF, each of which is decoded whole. Some decoders follow
    the list of them, others the size of the picture."""
    width, length = sizes.get(_WIDTH, 0), sizes.get(_LENGTH, 0)
    piece_width = sizes.get(_TILE_WIDTH) or width
    piece_length = sizes.get(_TILE_LENGTH) or min(sizes.get(_ROWS) or length, length)
    if not piece_width or not piece_length:
        return 0
    num_needed = -(-width // piece_width) * -(-length // piece_length)
    colours, in_planes = sizes.get(_SAMPLES, 1), sizes.get(_PLANES, 1) == 2
    num_pieces = max(num_pieces, num_needed * (colours if in_planes else 1))
    return num_pieces * piece_width * piece_length * (1 if in_planes else colours)


def _excess_of_png(data: bytes) -> str:
    """Counts the chunks, and looks at the size of the one for EXIF (PNG 3rd edition, section 5)."""
    position = len(_PNG)
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        if len(kind) < 4 or kind == b"IEND":
            return ""
        if kind == b"eXIf" and length > MAX_METADATA_BYTES:
            return _too_much_metadata(length)
        position += 12 + length  # length, kind, what it holds, checksum
    return f"a PNG of more than {MAX_CHUNKS:,} chunks"


def _excess_of_webp(data: bytes) -> str:
    """Looks at the chunks up to the pixels of the first picture (RFC 9649): whether these, or their transparency, are coded
    without loss, as pixels whose codes change from place to place."""
    num_pixels, position = 0, 12
    while position + 8 <= len(data):
        kind, length = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 : position + 8], "little"),
        )
        content = data[position + 8 : position + 18]
        if kind == b"VP8X":
            num_pixels = (1 + int.from_bytes(content[4:7], "little")) * (
                1 + int.from_bytes(content[7:], "little")
            )
        elif kind == b"VP8L":
            sides = int.from_bytes(content[1:5], "little")
            num_pixels = max(num_pixels, (1 + (sides & 0x3FFF)) * (1 + (sides >> 14 & 0x3FFF)))
        is_lossless = kind == b"VP8L" or (kind == b"ALPH" and content[:1] and content[0] & 3 == 1)
        if is_lossless and 14 * num_pixels + 46 * length > MAX_LOSSLESS_MEMORY:
            return (
                f"a lossless WebP of {num_pixels / 1e6:.0f} million pixels in {length / 1e6:.1f} MB (its tables may need "
                "500 MB of memory)"
            )
        if kind in (b"VP8L", b"VP8 "):
            break
        # A frame of an animation holds chunks after 16 bytes of its own; of other chunks the length is made even.
        position += 24 if kind == b"ANMF" else 8 + length + length % 2
    return ""


def _excess_of_gif(data: bytes) -> str:
    """Counts the blocks, and parts of blocks, before the first picture (GIF89a, sections 15 and 23 to 26)."""
    flags = data[10] if len(data) > 10 else 0
    position = 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)  # after the table of colours
    within = False  # an extension, whose parts begin with their length; one of length 0 ends it
    for _ in range(MAX_BLOCKS):
        if position >= len(data):
            return ""
        number = data[position]
        if within:
            position += 1 + number
            within = number > 0
        elif number in (_PICTURE, _END_OF_GIF):
            return ""
        else:
            within = number == _EXTENSION
            position += 2 if within else 1  # a decoder skips what is no block
    return f"a GIF of more than {MAX_BLOCKS:,} blocks before its first picture"
