"""The clothing photos as files: which ones there are, which can be read, and reading them as squares of any size.

It writes nothing: a folder that is given is used as it is. Fetching the photos is `clothing_archive.py`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fashion import squares
from fashion.errors import DataError

CLASSES_CLOTHING = (
    "dress",
    "hat",
    "longsleeve",
    "outwear",
    "pants",
    "shirt",
    "shoes",
    "shorts",
    "skirt",
    "t-shirt",
)
"""The ten classes, in the order of their label numbers 0 to 9."""

FOLDER = "clothing-dataset-small"
SPLIT_SIZES = {"train": 3_068, "validation": 341, "test": 372}
"""Number of photos as published."""
CLASS_SIZES = {
    "train": (241, 123, 455, 184, 468, 290, 198, 202, 112, 795),
    "validation": (32, 14, 49, 24, 49, 29, 26, 25, 12, 81),
    "test": (15, 12, 72, 38, 42, 26, 73, 30, 12, 52),
}
"""The same for each class, in the order of `CLASSES_CLOTHING`."""
DIGEST = "66d712aad3cb1079"
"""What `Survey.digest` is for the photos as published in 2020."""
SIDE = 96
"""Side in pixels of the photos as `datasets.load` gives them: enough for a grid on screen."""
MAX_PIXELS = 40_000_000  # of one photo: a file of some kB may claim to be of any size
NUM_NAMED = 3  # photos that cannot be read are counted; so many of them are named

_END_OF_JPEG = b"\xff\xd9"


class Photos:
    """Photos as a read-only array uint8 (n, side, side, 3), read from their files when indexed (about 3 ms each).

    All of them at 224 pixels would be 570 MB; so only what is looked at is in memory.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: tuple[Path, ...], side: int, fit: str = "crop"):
        self.paths, self.side, self.fit = paths, side, fit

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.paths), self.side, self.side, 3

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index) -> np.ndarray:
        """One photo (side, side, 3) for a number; (k, side, side, 3) for a slice or an array of numbers or booleans."""
        if isinstance(index, int | np.integer):
            return squares.square(self.original(int(index)), self.side, self.fit)
        chosen = np.arange(len(self))[index]
        if not len(chosen):
            return np.empty((0, *self.shape[1:]), np.uint8)
        return np.stack([self[int(number)] for number in chosen])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self)))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        images = self[:]
        return images if dtype is None else images.astype(dtype)

    def original(self, index: int, side: int | None = None) -> Image.Image:
        """The photo itself, RGB and upright; reduced by the decoder to no less than `side` pixels where that is given.

        Raises DataError if the file is gone or cannot be read.
        """
        path = self.paths[index]
        try:
            with Image.open(path, formats=("JPEG",)) as image:
                _check_size(image)
                if side is not None:
                    image.draft("RGB", (side, side))
                return ImageOps.exif_transpose(image).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(
                f"A clothing photo must be a readable JPEG file. Received: {path.parent.name}/{path.name}: {error}. "
                "Fetch the photos again: python -m fashion data --fetch clothing"
            ) from None

    def thumbnails(self, side: int, indices: Iterable[int] | None = None) -> np.ndarray:
        """Photos for people to look at, uint8 (k, side, side, 3), all or those with the given numbers, in their order.

        Nearly `self.at(side)[indices]`, in half of the time: the decoder leaves out what is too fine to be seen.
        """
        chosen = range(len(self)) if indices is None else [int(index) for index in indices]
        images = np.empty((len(chosen), side, side, 3), np.uint8)
        for place, index in enumerate(chosen):
            images[place] = squares.square(self.original(index, side), side, self.fit)
        return images

    def photo_id(self, index: int) -> str:
        """The name under which this photo stands in the lists of its publisher."""
        return self.paths[index].stem

    def take(self, indices: np.ndarray) -> "Photos":
        """The photos with these numbers, in this order."""
        return Photos(tuple(self.paths[int(index)] for index in indices), self.side, self.fit)

    def at(self, side: int, fit: str = "crop") -> "Photos":
        """The same photos at another size."""
        return Photos(self.paths, side, fit)


@dataclass(frozen=True, eq=False)
class Survey:
    """What lies in the folder of the photos.

    photos: per split, path and label of every photo that can be read, by class, then by name.
    sizes: per split, (width, height) of each of these photos in pixels, as stored.
    digest: first 16 hexadecimal digits of the SHA-256 over names and bytes of these photos.
    problems: why they cannot be used, a sentence each; none if they can.
    notes: what a user should know: photos left out, another version than the published one.
    """

    photos: dict[str, tuple[tuple[Path, int], ...]]
    sizes: dict[str, tuple[tuple[int, int], ...]]
    digest: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def survey(root: Path) -> Survey:
    """What lies in this folder: train, validation and test, in each a folder per class, in each JPEG files (.jpg).

    The first call reads all files (0.5 s) and remembers what it found as long as no file is added, removed or
    renamed; later calls only look at the folders (0.3 ms).
    """
    folders = [root / split / class_name for split in SPLIT_SIZES for class_name in CLASSES_CLOTHING]
    return _survey(root, tuple(_changed_ns(folder) for folder in folders))


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4)
def _survey(root: Path, changed_ns: tuple[int, ...]) -> Survey:
    problems, unreadable = [], []
    sizes_of: dict[Path, tuple[int, int]] = {}
    digest = hashlib.sha256()
    for path in sorted(
        path
        for split in SPLIT_SIZES
        for class_name in CLASSES_CLOTHING
        for path in (root / split / class_name).glob("*.jpg")
    ):
        try:
            content = path.read_bytes()
            sizes_of[path] = _jpeg_size(content)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            unreadable.append("/".join(path.parts[-3:]))
        else:
            digest.update("/".join(path.parts[-3:]).encode())
            digest.update(content)
    photos, sizes = {}, {}
    for split in SPLIT_SIZES:
        of_split = []
        for label, class_name in enumerate(CLASSES_CLOTHING):
            folder = root / split / class_name
            of_class = sorted(path for path in sizes_of if path.parent == folder)
            if not of_class:
                problems.append(f"{split}/{class_name} has no photo that can be read.")
            of_split += [(path, label) for path in of_class]
        photos[split] = tuple(of_split)
        sizes[split] = tuple(sizes_of[path] for path, _ in of_split)
    if len(problems) == len(SPLIT_SIZES) * len(CLASSES_CLOTHING):
        problems = [f"The photos are missing: {root.name} has no train, validation and test folder with any."]
    return Survey(photos, sizes, digest.hexdigest()[:16], tuple(problems), _notes(photos, unreadable, digest))


def _notes(photos: dict[str, tuple], unreadable: list[str], digest) -> tuple[str, ...]:
    notes = []
    if unreadable:
        named = ", ".join(unreadable[:NUM_NAMED]) + (" and others" if len(unreadable) > NUM_NAMED else "")
        are = "photo cannot be read and is" if len(unreadable) == 1 else "photos cannot be read and are"
        notes.append(f"{len(unreadable):,} {are} left out: {named}.")
    counts = {split: len(found) for split, found in photos.items()}
    if counts != SPLIT_SIZES and not unreadable:
        listed = ", ".join(f"{counts[split]:,} for {split}" for split in SPLIT_SIZES)
        published = ", ".join(f"{number:,}" for number in SPLIT_SIZES.values())
        notes.append(f"Another version of the photos: {listed}; published were {published}.")
    elif digest.hexdigest()[:16] != DIGEST and not unreadable:
        notes.append(
            "Another version of the photos: as many as published, but with other names or bytes, so results may "
            "differ a little from those shown."
        )
    return tuple(notes)


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height of a JPEG file that is whole; OSError, ValueError or SyntaxError for any other file.

    The header and the last two bytes tell nearly everything, in a tenth of the time that decoding takes.
    """
    with Image.open(BytesIO(content), formats=("JPEG",)) as image:
        _check_size(image)
        if not content.endswith(_END_OF_JPEG):  # cut off, or with something behind: decoding tells
            image.load()
        return image.size


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
