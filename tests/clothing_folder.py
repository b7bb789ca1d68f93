"""Tiny clothing photos for tests: a folder of them, one-coloured, and archives as their publisher packs them."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from fashion.clothing import CLASSES_CLOTHING

SPLITS = ("train", "validation", "test")
TOP = "clothing-dataset-small-master"


def jpeg(value: int, size: tuple[int, int] = (40, 60), orientation: int = 1) -> bytes:
    """A photo whose upper half is grey of this value, and whose lower half is black."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = value
    exif = Image.Exif()
    exif[274] = orientation
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def files(per_class: int = 2) -> dict[str, bytes]:
    """Relative path -> bytes; photo number n of class c has the grey value 20 * c + n."""
    return {
        f"{split}/{name}/{split}-{label}-{number}.jpg": jpeg(20 * label + number)
        for split in SPLITS
        for label, name in enumerate(CLASSES_CLOTHING)
        for number in range(per_class)
    }


def write(root: Path, content: dict[str, bytes]) -> Path:
    """The files in a folder, which is returned."""
    for name, data in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def packed(content: dict[str, bytes], top: str = TOP) -> bytes:
    """The archive of a repository with these files, and with those that are not photos."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"0123456789abcdef0123456789abcdef01234567"
        archive.writestr(f"{top}/", b"")
        for name, data in {"README.md": b"# Clothing", "LICENSE": b"CC0", **content}.items():
            archive.writestr(f"{top}/{name}", data)
    return buffer.getvalue()
