"""AVIF files whose compressed pixels are more, or larger, than the file around them says are refused; pictures are not."""

import io
import struct

import pytest
from PIL import Image

from fashion import av1_structure, photos
from fashion.errors import PhotoError


def avif(mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (64, 48), "teal" if mode != "L" else 99).save(buffer, "AVIF", **options)
    return buffer.getvalue()


def stream_of(data: bytes) -> bytes:
    """The compressed pixels: all that follows the kind of the last box."""
    return data[data.rindex(b"mdat") + 4 :]


def with_stream(data: bytes, stream: bytes) -> bytes:
    """The same AVIF of one item with other compressed pixels."""
    old = stream_of(data)
    place = data.index(struct.pack(">I", len(old)), data.index(b"iloc"))
    return (
        data[:place]
        + struct.pack(">I", len(stream))
        + data[place + 4 : -len(old) - 8]
        + struct.pack(">I4s", 8 + len(stream), b"mdat")
        + stream
    )


def header(width: int, height: int) -> str:
    """The end of a sequence header, in bits: the largest frame that there may be."""
    return f"{15:04b}{15:04b}{width - 1:016b}{height - 1:016b}"


def unit(kind: int, content: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(content)]) + content


def sequence_header(bits: str) -> bytes:
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    return unit(1, int(bits, 2).to_bytes(len(bits) // 8))


@pytest.mark.parametrize("options", [{}, {"subsampling": "4:4:4"}, {"mode": "RGBA"}, {"mode": "L"}])
def test_an_avif_as_programs_write_it_is_read(options):
    """One frame; its transparency is an item of its own."""
    data = avif(**options)

    assert av1_structure.excess(stream_of(data)) == ""
    assert photos.read(data).size == (64, 48)


def test_a_picture_of_many_frames_is_refused():
    """Each would be decoded: 2,000 of them took over a minute."""
    data = avif()

    assert photos.read(with_stream(data, stream_of(data) * 4)).size == (64, 48)
    with pytest.raises(PhotoError, match="an AVIF of more than 4 frames in one picture"):
        photos.read(with_stream(data, stream_of(data) * 5))


def test_the_first_picture_of_an_animation_is_looked_at_too():
    """The sizes of its pictures are in a table; here the first is said to reach over all of a longer animation."""
    frames = [Image.new("RGB", (64, 48), (level, 90, 90)) for level in range(0, 240, 30)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:])
    data = buffer.getvalue()
    sizes = data.index(b"stsz") + 16
    num_bytes = len(data) - int.from_bytes(data[data.index(b"stco") + 12 :][:4])

    assert photos.read(data).size == (64, 48)
    with pytest.raises(PhotoError, match="an AVIF of more than 4 frames in one picture"):
        photos.read(data[:sizes] + struct.pack(">I", num_bytes) + data[sizes + 4 :])


def test_frames_larger_than_any_avif_may_be_are_refused():
    """However small the file says that the picture is."""
    data = avif()
    large = sequence_header("000" "0" "0" "0" "0" "00000" + "0" * 17 + header(6_000, 5_000))  # fmt: skip

    with pytest.raises(PhotoError, match="an AVIF whose frames have 6000x5000 pixels"):
        photos.read(with_stream(data, stream_of(data) + large))


TIMES = f"{1:032b}{1:032b}"


@pytest.mark.parametrize(
    "bits",
    [
        pytest.param("000" "1" "1" "00000", id="still picture"),
        pytest.param("000" "0" "0" "0" "0" "00000" + "0" * 12 + "00000", id="without times"),
        pytest.param("000" "0" "0" "0" "0" "00001" + 2 * ("0" * 12 + "010001"), id="two layers of a high level"),
        pytest.param("000" "0" "0" "1" + TIMES + "1" "00101" "0" "0" "00000" + "0" * 17, id="equal times"),
        pytest.param(
            "000" "0" "0" "1" + TIMES + "0" "1" "00011" + f"{1:032b}" + "0" * 10 + "1" "00000"
            + "0" * 17 + "1" + "0" * 9 + "1" "0000",
            id="times and delays",
        ),
    ],
)  # fmt: skip
def test_the_largest_frame_is_found_behind_all_options(bits):
    """What a sequence header says before it depends on half a dozen switches."""
    stream = unit(2, b"") + sequence_header(bits + header(12_000, 9_000))

    assert av1_structure.excess(stream) == "an AVIF whose frames have 12000x9000 pixels"
    assert av1_structure.excess(sequence_header(bits + header(5_000, 5_000))) == ""


def test_units_without_end_are_refused():
    """Millions of empty ones fit into a file."""
    assert av1_structure.excess(unit(15, b"") * 6_000) == "an AVIF of more than 5,000 pieces"


@pytest.mark.parametrize("end", range(40))
def test_a_stream_that_stops_anywhere_is_judged_without_an_error(end):
    """Damage is the decoder's to tell."""
    assert av1_structure.excess(stream_of(avif())[:end]) == ""
    assert av1_structure.excess(b"\xff" * end) == ""
