"""What a photo's file says about itself, for telling its owner what was done with it: form, size, and how to turn it.

Reading the photo is `photos.py`; nothing here is kept but these few words.
"""

import io
from dataclasses import dataclass

from PIL import Image

from fashion import heif_structure, photo_structure
from fashion.photos import DECODER_ERRORS, FORMATS

_TURNS = {
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored upside down",
    5: "mirrored and turned by 90°",
    6: "turned by 90° to the right",
    7: "mirrored and turned by 90°",
    8: "turned by 90° to the left",
}
_ORIENTATION, _PLACE = 0x0112, 0x8825  # EXIF 2.3: tags 274 and GPSInfo


@dataclass(frozen=True)
class PhotoFile:
    """format: JPEG, HEIF, ...; width and height as stored, in pixels. turn: what the file asked for and `photos.read`
    did, in words, or "". has_place: whether it says where it was taken."""

    format: str
    width: int
    height: int
    turn: str = ""
    has_place: bool = False


def describe(data: bytes) -> PhotoFile | None:
    """The facts in a file's header; None where it cannot be read, or would take too long. No pixel is decoded."""
    if photo_structure.excess(data):
        return None
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            exif = image.getexif()
            is_heic = image.format == "HEIF"
            # HEIC is turned by its decoder, by what its boxes say; that is the rule, whatever EXIF says.
            orientation = heif_structure.orientation(data) if is_heic else exif.get(_ORIENTATION, 1)
            return PhotoFile(
                "HEIC" if is_heic else image.format or "",
                *image.size,
                turn=_TURNS.get(orientation, ""),
                has_place=bool(exif.get_ifd(_PLACE)),
            )
    except DECODER_ERRORS:
        return None
