"""The vectors that pretrained networks made of the clothing photos: where they are kept, and what a run can do with them.

Computing them is `features.py`; this module reads and writes files, and the server may use it. A file belongs to one
network at one size, to its weights, and to the bytes of all photos: whatever changes, the name changes.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pooch

from fashion import clothing, datasets, disk, pretrained, runs, teachers, weight_mean
from fashion.errors import DataError
from fashion.pretrained import BASES
from fashion.settings import PHOTOS, RunSettings

SHIPPED = runs.SHIPPED / "features"
FIT = "crop"
FORMAT = 1  # raise it when the same file would hold something else
_DAMAGED = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a pretrained network made of the photos: float16; train (views, n, size), validation and test (n, size).

    source: "computed" in this run, "stored" by an earlier one here, or "shipped" with the project.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    source: str

    @classmethod
    def split(
        cls, plain: np.ndarray, views: list[np.ndarray], data: datasets.Dataset, source: str
    ) -> "Vectors":
        """plain: of all photos, in the order of the splits; views: of the changed training photos, an array each."""
        num_train, num_validation = len(data.train), len(data.validation)
        return cls(
            np.stack([plain[:num_train], *views]),
            plain[num_train : num_train + num_validation],
            plain[num_train + num_validation :],
            source,
        )


# The files of this machine


def folder() -> Path:
    """Where vectors are kept: FASHION_FEATURES where set, else "features" in this user's cache folder.

    Where it is set, those that come with the project are passed over.
    """
    chosen = os.environ.get("FASHION_FEATURES")
    return Path(chosen).expanduser() if chosen else pooch.os_cache("fashion-lab") / "features"


def path_of(settings: RunSettings, data_digest: str, weights: Path, view: int = 0) -> Path:
    """The file of one pass through the network: of all photos as they are, or of a changed view of the training ones."""
    key = [FORMAT, settings.architecture, settings.image_size, FIT, data_digest, _digest(weights)]
    if view:
        changes = ("flip", "crop", "rotate", "colour", "erase")
        key += [view, settings.seed, *(getattr(settings, name) for name in changes)]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    what = f"view{view}" if view else "photos"
    return folder() / f"{settings.architecture}-{settings.image_size}-{what}-{name}.npz"


def read(path: Path, vector_size: int) -> np.ndarray:
    """The vectors in a file, float16 (n, size): fewer than photos after a stop, none where the file is not whole."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            vectors = stored["vectors"]
    except _DAMAGED:
        vectors = np.empty(0)
    if vectors.dtype != np.float16 or vectors.shape[1:] != (vector_size,) or not np.isfinite(vectors).all():
        return np.empty((0, vector_size), np.float16)
    return vectors


def write(path: Path, vectors: np.ndarray) -> None:
    """Keep vectors for later runs; where the disk refuses, they are simply computed again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as beside:
            np.savez(Path(beside) / path.name, vectors=vectors)
            (Path(beside) / path.name).replace(path)


def files() -> list[Path]:
    """The files that are kept here, by name."""
    return sorted(folder().glob("*.npz"))


def clear() -> int:
    """Delete all kept vectors; returns how many bytes that freed."""
    found = files()
    num_bytes = sum(path.stat().st_size for path in found)
    for path in found:
        path.unlink(missing_ok=True)
    return num_bytes


def _digest(path: Path) -> str:
    facts = path.stat()
    return _file_sha256(path, facts.st_size, facts.st_mtime_ns)[:16]


@lru_cache(maxsize=16)
def _file_sha256(path: Path, num_bytes: int, modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Those that come with the project


@dataclass(frozen=True, eq=False)
class Shipped:
    """Vectors with all that is needed to train a head without the photos.

    card: base, size, licence and origin of the weights, digest of the photos, versions. vectors: float16 (n, size) of
    all photos, in the order of the splits. data: their labels, and the photos as they would lie here.
    """

    card: dict
    vectors: np.ndarray
    data: datasets.Dataset


def shipped_path(architecture: str, image_size: int) -> Path:
    """Where the shipped vectors of this network and size would be; their card is beside, `.json`."""
    return SHIPPED / f"clothing-{architecture}-{image_size}.npz"


def shipped(architecture: str, image_size: int) -> Shipped | None:
    """The shipped vectors of this network at this size; None where there are none, or FASHION_FEATURES is set.

    Raises DataError if the files are damaged.
    """
    path = shipped_path(architecture, image_size)
    if os.environ.get("FASHION_FEATURES") or not path.exists():
        return None
    return _read_shipped(path, image_size, datasets.data_folder() / clothing.FOLDER, _facts(path))


# A worker asks four times for each run, a page for each of a lesson's runs at each of its reruns: unpacking 10 MB took 0.1 s
# each time.
@lru_cache(maxsize=1)
def _read_shipped(path: Path, image_size: int, root: Path, facts: tuple) -> Shipped:
    """root: where the photos would lie. facts: of the files, so that others are not taken for them."""
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        received = _file_sha256(path, path.stat().st_size, path.stat().st_mtime_ns)
        if received != card["sha256"]:
            raise ValueError(f"SHA-256 {received} instead of {card['sha256']}")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Shipped(card, *_unpacked(arrays, card, image_size, root))
    except (*_DAMAGED, TypeError) as error:
        raise DataError(
            f"{path.name} must hold the stored vectors that its card describes. Received: {error}. Restore it "
            "(git checkout models)."
        ) from None


def _facts(path: Path) -> tuple[tuple[int, int], ...]:
    """Size and time of the file with shipped vectors, and of its card."""
    facts = [one.stat() for one in (path, path.with_suffix(".json")) if one.exists()]
    return tuple((one.st_size, one.st_mtime_ns) for one in facts)


def _unpacked(arrays: dict, card: dict, image_size: int, root: Path) -> tuple[np.ndarray, datasets.Dataset]:
    splits = {}
    for name in datasets.SPLIT_NAMES:
        labels = arrays[f"{name}_labels"]
        labels.flags.writeable = False
        photos = clothing.Photos(tuple(root / photo for photo in arrays[f"{name}_photos"]), image_size, FIT)
        if not len(photos) == len(labels) == len(arrays[name]):
            raise ValueError(
                f"{len(arrays[name])} vectors, {len(labels)} labels and {len(photos)} photos of {name}"
            )
        splits[name] = datasets.Split(name, photos, labels)
    info = datasets.DATASETS["clothing"]
    sizes = {name: len(split) for name, split in splits.items()}
    info = dataclasses.replace(info, image_shape=(image_size, image_size, 3), split_sizes=sizes)
    data = datasets.Dataset(info=info, digest=card["data_digest"], **splits)
    vectors = np.concatenate([arrays[name] for name in datasets.SPLIT_NAMES])
    vectors.flags.writeable = False
    return vectors, data


def ship(architecture: str, image_size: int) -> Path:
    """Write the vectors kept here of this network at this size to `models/features`, with their card.

    Raises DataError where they are not kept here, or not whole.
    """
    import importlib.metadata

    settings = RunSettings(dataset="clothing", architecture=architecture, image_size=image_size)
    data = clothing.load(image_size)
    weights = pretrained.weights_file(architecture)
    vectors = _kept(settings, data, weights) if weights else None
    if vectors is None:
        raise DataError(
            f"Shipping needs the vectors of {BASES[architecture].title} at {image_size} pixels in {folder()}. Received "
            f"none. Train a head first: {_training_command(architecture, image_size)}"
        )
    arrays = {"train": vectors.train[0], "validation": vectors.validation, "test": vectors.test}
    for name in datasets.SPLIT_NAMES:
        split = data.split(name)
        arrays[f"{name}_labels"] = split.labels
        arrays[f"{name}_photos"] = np.array(["/".join(path.parts[-3:]) for path in split.images.paths])
    path = shipped_path(architecture, image_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as beside:
        np.savez_compressed(Path(beside) / path.name, **arrays)
        (Path(beside) / path.name).replace(path)
    card = {
        "format": FORMAT,
        "dataset": "clothing",
        "data_digest": data.digest,
        "data_licence": data.info.licence,
        "data_source": data.info.source_url,
        "photos": data.info.split_sizes,
        "architecture": architecture,
        "image_size": image_size,
        "fit": FIT,
        "vector_size": BASES[architecture].vector_size,
        "weights": weights.name,
        "weights_sha256": _file_sha256(weights, weights.stat().st_size, weights.stat().st_mtime_ns),
        "weights_licence": pretrained.LICENCE,
        "versions": {
            name: importlib.metadata.version(name) for name in ("keras", "tensorflow", "numpy", "pillow")
        },
        "command": f"{_training_command(architecture, image_size)} && FASHION_FEATURES=vectors "
        f"python -m fashion features --ship {architecture}-{image_size}",
        "sha256": _file_sha256(path, path.stat().st_size, path.stat().st_mtime_ns),
    }
    disk.write_json(path.with_suffix(".json"), card)
    return path


def _training_command(architecture: str, image_size: int) -> str:
    """Computes the vectors anew, as those that come with the project are passed over with a folder of one's own."""
    return (
        "FASHION_FEATURES=vectors python -m fashion train --dataset clothing "
        f"--architecture {architecture} --image-size {image_size}"
    )


# What a run can do


def load(settings: RunSettings, side: int, fit: str = FIT) -> datasets.Dataset:
    """The photos at this size, made square in this way; where they are not here, what is known of them from the shipped vectors.

    Raises DataError where neither will do for these settings.
    """
    try:
        return clothing.load(side, fit)
    except DataError:
        known = shipped(settings.architecture, settings.image_size) if vectors_suffice(settings) else None
        if known is None:
            raise
        return known.data


def at_hand(settings: RunSettings, data: datasets.Dataset) -> Vectors | None:
    """The vectors of all these photos if nothing need be computed: kept here, or shipped. None otherwise."""
    weights = pretrained.weights_file(settings.architecture)
    kept = _kept(settings, data, weights) if weights else None
    if kept is not None or settings.views > 1:
        return kept
    known = shipped(settings.architecture, settings.image_size)
    if known is None or known.data.digest != data.digest:
        return None
    return Vectors.split(known.vectors, [], data, "shipped")


def _kept(settings: RunSettings, data: datasets.Dataset, weights: Path) -> Vectors | None:
    size = BASES[settings.architecture].vector_size
    passes = [read(path_of(settings, data.digest, weights, view), size) for view in range(settings.views)]
    num_train = len(data.train)
    expected = [num_train + len(data.validation) + len(data.test)] + [num_train] * (settings.views - 1)
    if [len(one) for one in passes] != expected:
        return None
    return Vectors.split(passes[0], passes[1:], data, "stored")


def vectors_suffice(settings: RunSettings) -> bool:
    """Whether vectors of the photos as they are would do for this run: it never looks at a photo itself."""
    return (
        settings.dataset in PHOTOS
        and settings.pretrained
        and settings.fine_tune == "none"
        and settings.views == 1
        and settings.judged_size == settings.image_size
        and settings.predict_fit == FIT
        and not settings.mirror
    )


def obstacle(settings: RunSettings) -> str | None:
    """Why a run with these settings cannot be had here, in words; None if it can.

    It looks for the photos, for the pretrained weights (also whether they could be downloaded, which takes up to three
    seconds the first time), and for stored vectors, which may spare both.
    """
    if words := teachers.problem(settings) or weight_mean.problem(settings):
        return words
    status = datasets.status(settings.dataset)
    title = datasets.DATASETS[settings.dataset].title
    no_photos = no_weights = ""
    if not status.present:
        no_photos = (
            f"{title} must be on this machine. Received: {' '.join(status.problems)} Fetch them on the Dataset page, or "
            f"with: python -m fashion data --fetch {settings.dataset}."
        )
    needed = settings.pretrained and not settings.mean_of  # whose networks hold all weights
    if needed and not pretrained.obtainable(settings.architecture):
        no_weights = pretrained.missing(settings.architecture)
    if not no_photos and not no_weights:
        return None
    if vectors_suffice(settings):
        known = shipped(settings.architecture, settings.image_size)
        digest = known and known.data.digest
        if digest and (no_photos or digest == datasets.load(settings.dataset).digest):
            return None
    words = " ".join(filter(None, [no_photos, no_weights]))
    there = shipped_here()
    if settings.pretrained and there:
        words += (
            f" Without them, a new head can be trained on stored vectors: {' or '.join(there)}, no fine-tuning, one view "
            "per photo."
        )
    return words


def shipped_here() -> list[str]:
    """What vectors come with the project, in words: "EfficientNetV2-B0 at 224 pixels"."""
    if os.environ.get("FASHION_FEATURES"):
        return []
    found = []
    for name, base in BASES.items():
        named = (re.fullmatch(rf"clothing-{name}-(\d+)", path.stem) for path in SHIPPED.glob("*.npz"))
        found += [f"{base.title} at {size} pixels" for size in sorted(int(one[1]) for one in named if one)]
    return found
