"""The datasets a network can be trained on: what exists, where it comes from, fetching, checking, loading.

Arrays leave this module with the pixels exactly as published: nothing is scaled, normalised or augmented
here. Nothing is downloaded unless `fetch` is called, and nothing here knows about photos of visitors.
"""

import contextlib
import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pooch

from fashion import clothing_archive, clothing_files, fashion_mnist, sketches
from fashion.clothing_files import CLASSES_CLOTHING, Photos
from fashion.errors import DataError
from fashion.fashion_mnist import CLASSES_FASHION, IMAGE_SHAPE

SPLIT_NAMES = ("train", "validation", "test")

SKETCHES_VERSION = 1  # raise it when the stored file is written differently
SKETCHES_SPLITS = {"train": (6_000, 1), "validation": (1_000, 2), "test": (1_000, 3)}
"""Split name -> (number of images, seed)."""


@dataclass(frozen=True)
class DatasetInfo:
    """What a visitor should know about a dataset before using it."""

    name: str
    title: str
    classes: tuple[str, ...]
    """Class names; the position is the label number."""
    image_shape: tuple[int, ...]
    """Height and width in pixels; and 3 for the colours of photos, which are read at any size asked for."""
    source_url: str
    """The publisher's page; empty for a dataset made by this program."""
    licence: str
    citation: str
    description: str
    split_sizes: dict[str, int]
    """Number of images in train, validation and test."""
    download_bytes: int = 0
    """About how much is downloaded; 0 if nothing is."""


DATASETS = {
    "fashion-mnist": DatasetInfo(
        name="fashion-mnist",
        title="Fashion-MNIST",
        classes=CLASSES_FASHION,
        image_shape=IMAGE_SHAPE,
        source_url="https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT, Zalando SE",
        citation=(
            "Han Xiao, Kashif Rasul, Roland Vollgraf (2017). Fashion-MNIST: a Novel Image Dataset for "
            "Benchmarking Machine Learning Algorithms. arXiv:1708.07747"
        ),
        description=(
            "Product pictures from an online shop, shrunk to 28 by 28 grey pixels on black: 7,000 for each of "
            "ten kinds of clothing, shoes and bags. Small enough to train on in minutes, and hard enough that "
            "shirts, pullovers and coats are still mixed up."
        ),
        split_sizes={"train": 55_000, "validation": 5_000, "test": 10_000},
        download_bytes=sum(file.num_bytes for file in fashion_mnist.FASHION_MNIST_FILES.values()),
    ),
    "sketches": DatasetInfo(
        name="sketches",
        title="Drawn garments",
        classes=CLASSES_FASHION,
        image_shape=IMAGE_SHAPE,
        source_url="",
        licence="the licence of this program",
        citation="Drawn by this program (fashion/sketches.py).",
        description=(
            "Simple garments of the same ten kinds, drawn by this program with random cut, size and shading. "
            "They need no download, so everything can be tried without internet. They are much easier than "
            "real pictures: a high accuracy here says little about photographs."
        ),
        split_sizes={name: num_images for name, (num_images, _) in SKETCHES_SPLITS.items()},
    ),
    "clothing": DatasetInfo(
        name="clothing",
        title="Clothing photos",
        classes=CLASSES_CLOTHING,
        image_shape=(clothing_files.SIDE, clothing_files.SIDE, 3),
        source_url="https://github.com/alexeygrigorev/clothing-dataset-small",
        licence="CC0 (public domain)",
        citation="Alexey Grigorev and contributors (2020). Clothing dataset, small version.",
        description=(
            "Photos of ten kinds of clothes, taken by volunteers with phones at home. Few, uneven in number and real: "
            "the ground on which a pretrained network shows what it is worth."
        ),
        split_sizes=clothing_files.SPLIT_SIZES,
        download_bytes=clothing_archive.ARCHIVE_BYTES,
    ),
}
"""All datasets by name, in the order in which they are offered: best first."""


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a dataset.

    images: uint8 (n, 28, 28), 0 black background to 255 white, or `Photos`, which are read from their files when
    they are asked for; labels: uint8 (n,), 0 to 9. Both read-only.
    """

    name: str
    images: np.ndarray | Photos
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in memory; each published image is in exactly one of the three splits.

    digest: first 16 hexadecimal digits of the SHA-256 over images and labels of train, validation and test,
    in this order (of photos: over names and bytes of the files): the same digest means the same data.
    notes: what a user of the data should know, a sentence each, e.g. that photos were left out.
    """

    info: DatasetInfo
    train: Split
    validation: Split
    test: Split
    digest: str
    notes: tuple[str, ...] = ()

    def split(self, name: str) -> Split:
        """The split called "train", "validation" or "test"; ValueError for any other name."""
        if name not in SPLIT_NAMES:
            raise ValueError(f"The split must be one of {', '.join(SPLIT_NAMES)}. Received: {name!r}.")
        return getattr(self, name)


@dataclass(frozen=True)
class DataStatus:
    """Whether a dataset can be loaded now, and if not, what is wrong with which file."""

    name: str
    present: bool
    folder: Path
    problems: tuple[str, ...]
    """One sentence per file that is missing, truncated, of other bytes or unreadable."""
    notes: tuple[str, ...] = ()
    """What a user of data that can be loaded should know, a sentence each."""


def data_folder() -> Path:
    """The folder of all datasets: FASHION_DATA where set, else this user's cache folder "fashion-lab"."""
    chosen = os.environ.get("FASHION_DATA")
    return Path(chosen).expanduser() if chosen else pooch.os_cache("fashion-lab")


def status(name: str) -> DataStatus:
    """Whether the dataset is complete and undamaged; never downloads.

    The first call reads the files once to check them (25 ms for Fashion-MNIST, 0.5 s for the photos); as long as
    sizes and modification times stay the same, later calls only look at those (0.1 to 0.5 ms).
    Drawn garments are always present. ValueError if there is no dataset of this name.
    """
    _info(name)
    if name == "sketches":
        return DataStatus(name, True, _sketches_file().parent, ())
    folder = _folder(name)
    if name == "clothing":
        found = clothing_files.survey(folder)
        return DataStatus(name, not found.problems, folder, found.problems, found.notes)
    problems = fashion_mnist.problems(folder)
    return DataStatus(name, not problems, folder, problems)


def usable() -> list[str]:
    """Names of the datasets that can be loaded now, best first; "sketches" is always among them."""
    return [name for name in DATASETS if status(name).present]


def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> None:
    """Download what is missing or damaged of a dataset; files that are already right are kept.

    progress(done_bytes, total_bytes) is called often; files that are kept count as done. It steps back when
    a file is started again from the second address, and its last call has done_bytes == total_bytes. An
    exception raised by it ends the download and passes through.

    A file takes its final name only after its SHA-256 was found right, and the photos, which come as one archive,
    theirs only after all of them were found right; so a download that breaks off, or brings other bytes, leaves
    whatever was there before. Drawn garments need no download.

    Raises DataError, in words, if no address delivers a file (not found, refused, no internet, nothing received
    for a while, broken off, other bytes) or if the folder cannot be written.
    """
    _info(name)
    if name == "fashion-mnist":
        fashion_mnist.fetch(_folder(name), progress)
    if name == "clothing":
        clothing_archive.fetch(_folder(name), progress)


def load(name: str) -> Dataset:
    """The dataset as read-only arrays; never downloads.

    Fashion-MNIST comes as published: 60,000 training and 10,000 test images. For choosing settings and
    stopping early, 5,000 of the 60,000 become the validation split: 500 per class, chosen with a fixed seed.
    The other 55,000, and the 5,000, stay in the published order. Takes about 0.5 s.

    Drawn garments: 6,000 training, 1,000 validation and 1,000 test images, drawn once (about 5 s) and then
    kept in the user cache folder.

    Clothing photos: as published, 3,068, 341 and 372, in each split by class, then by name; photos that cannot be
    read are left out (see `notes`). `Photos.at` gives them at another size.

    Raises DataError if a file is missing, damaged or not what it should be, naming it and the remedy;
    ValueError if there is no dataset of this name. Source and licence: DATASETS[name].
    """
    info = _info(name)
    if name == "clothing":
        return _clothing(info)
    arrays = _sketches_arrays() if name == "sketches" else fashion_mnist.arrays(_folder(name))
    digest = hashlib.sha256()
    for images, labels in arrays.values():
        for array in (images, labels):
            array.flags.writeable = False
            digest.update(array)
    splits = {split_name: Split(split_name, *arrays[split_name]) for split_name in SPLIT_NAMES}
    return Dataset(info=info, digest=digest.hexdigest()[:16], **splits)


def of_classes(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Only the pictures of these classes, with their positions as labels; the dataset itself for () or all its classes.

    Its digest is one of its own. ValueError for a class that the dataset does not have.
    """
    if tuple(classes) in ((), dataset.info.classes):
        return dataset
    splits = {}
    for name in SPLIT_NAMES:
        split = dataset.split(name)
        chosen = np.flatnonzero(np.isin(split.labels, [dataset.info.classes.index(one) for one in classes]))
        images = split.images.take(chosen) if isinstance(split.images, Photos) else split.images[chosen]
        names = [dataset.info.classes[label] for label in split.labels[chosen]]
        labels = np.array([classes.index(one) for one in names], np.uint8)
        labels.flags.writeable = False
        splits[name] = Split(name, images, labels)
    sizes = {name: len(split) for name, split in splits.items()}
    info = replace(dataset.info, classes=tuple(classes), split_sizes=sizes)
    digest = hashlib.sha256(f"{dataset.digest} {','.join(classes)}".encode()).hexdigest()[:16]
    return Dataset(info=info, digest=digest, notes=dataset.notes, **splits)


def split_sizes(name: str, classes: tuple[str, ...] = ()) -> dict[str, int]:
    """Number of pictures in train, validation and test as published; of photos, also of some classes only."""
    if not classes:
        return DATASETS[name].split_sizes
    places = [CLASSES_CLOTHING.index(one) for one in classes]
    return {
        split: sum(sizes[place] for place in places) for split, sizes in clothing_files.CLASS_SIZES.items()
    }


def _info(name: str) -> DatasetInfo:
    if name not in DATASETS:
        raise ValueError(f"The dataset must be one of {', '.join(DATASETS)}. Received: {name!r}.")
    return DATASETS[name]


def _folder(name: str) -> Path:
    return data_folder() / (clothing_files.FOLDER if name == "clothing" else name)


def _clothing(info: DatasetInfo) -> Dataset:
    folder = _folder("clothing")
    found = clothing_files.survey(folder)
    if found.problems:
        raise DataError(
            "The clothing photos must be folders train, validation and test, in each a folder per class with JPEG "
            f"files. Received in {folder}: {' '.join(found.problems)} Fetch them: python -m fashion data --fetch clothing"
        )
    splits = {}
    for name, photos in found.photos.items():
        labels = np.array([label for _, label in photos], np.uint8)
        labels.flags.writeable = False
        splits[name] = Split(name, Photos(tuple(path for path, _ in photos), clothing_files.SIDE), labels)
    sizes = {name: len(split) for name, split in splits.items()}
    return Dataset(info=replace(info, split_sizes=sizes), digest=found.digest, notes=found.notes, **splits)


# Drawn garments


def _sketches_file() -> Path:
    """Where the drawn garments are kept: outside FASHION_DATA, which may be read-only.

    The name changes with the drawing code and with what is asked of it, so a file is never out of date.
    """
    recipe = hashlib.sha256(Path(sketches.__file__).read_bytes())
    recipe.update(repr((SKETCHES_VERSION, SKETCHES_SPLITS)).encode())
    return pooch.os_cache("fashion-lab") / "sketches" / f"{SKETCHES_VERSION}-{recipe.hexdigest()[:16]}.npz"


def _sketches_arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    path = _sketches_file()
    arrays = _stored_sketches(path)
    if arrays is None:
        arrays = {name: sketches.generate(num, seed) for name, (num, seed) in SKETCHES_SPLITS.items()}
        _store_sketches(path, arrays)
    return arrays


def _stored_sketches(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]] | None:
    """The kept drawings; None if there are none, or if the file is not whole and must be drawn again."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: (stored[f"{name}_images"], stored[f"{name}_labels"]) for name in SKETCHES_SPLITS}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
    for name, (num_images, _) in SKETCHES_SPLITS.items():
        images, labels = arrays[name]
        if images.shape != (num_images, *IMAGE_SHAPE) or labels.shape != (num_images,):
            return None
        if images.dtype != np.uint8 or labels.dtype != np.uint8:
            return None
    return arrays


def _store_sketches(path: Path, arrays: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Keep the drawings for the next start; where that is impossible, they are simply drawn again."""
    named = {}
    for name, (images, labels) in arrays.items():
        named[f"{name}_images"], named[f"{name}_labels"] = images, labels
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            beside = Path(folder) / path.name
            np.savez(beside, **named)
            beside.replace(path)
