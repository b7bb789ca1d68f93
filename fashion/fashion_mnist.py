"""Fashion-MNIST: its four files, fetching and checking them to the byte, and reading them as arrays.

Source: https://github.com/zalandoresearch/fashion-mnist (Zalando SE, MIT licence).
"""

import gzip
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from fashion import downloads
from fashion.errors import DataError

CLASSES_FASHION = (
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""The ten classes, in the order of their label numbers 0 to 9."""

IMAGE_SHAPE = (28, 28)


@dataclass(frozen=True)
class ExpectedFile:
    """What a downloaded file must be, to the byte."""

    num_bytes: int
    sha256: str


FASHION_MNIST_FILES = {
    "train-images-idx3-ubyte.gz": ExpectedFile(
        26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": ExpectedFile(
        29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": ExpectedFile(
        4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": ExpectedFile(
        5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}

FASHION_MNIST_URLS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # the copy that Keras downloads
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # the authors' own; without https
)
"""Folders that hold the four files, tried in this order. The environment variable FASHION_MNIST_URL
replaces them, e.g. with a school's own copy."""

VALIDATION_PER_CLASS = 500
VALIDATION_SEED = 2017


def problems(folder: Path) -> tuple[str, ...]:
    """A sentence per file that is missing, truncated, of other bytes or unreadable; none if all is right.

    The first call reads the files (25 ms); as long as sizes and times stay the same, later calls look only at those.
    """
    found = (_problem(folder / file_name, expected) for file_name, expected in FASHION_MNIST_FILES.items())
    return tuple(problem for problem in found if problem)


def fetch(folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Download the files that are missing or damaged; those that are right are kept: see `datasets.fetch`."""
    report = downloads.Progress(progress, sum(file.num_bytes for file in FASHION_MNIST_FILES.values()))
    chosen_url = os.environ.get("FASHION_MNIST_URL")
    for file_name, expected in FASHION_MNIST_FILES.items():
        path = folder / file_name
        report.begin(expected.num_bytes)
        if _problem(path, expected):
            downloads.download(
                [
                    f"{url.rstrip('/')}/{file_name}"
                    for url in ((chosen_url,) if chosen_url else FASHION_MNIST_URLS)
                ],
                path,
                report,
                num_bytes=expected.num_bytes,
                max_bytes=expected.num_bytes + 1_000_000,  # then it cannot be right
                sha256=expected.sha256,
                by_hand=f"Files that are complete are kept. Or copy the files by hand to {folder}.",
            )
        report.finish()


def arrays(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images uint8 (n, 28, 28) and labels uint8 (n,) of train, validation and test; see `datasets.load`.

    Raises DataError if a file is missing, damaged or not what it should be, naming it and the remedy.
    """
    train_images, train_labels = _read_pair(folder, "train")
    test = _read_pair(folder, "t10k")
    chosen = _validation_rows(train_labels)
    return {
        "train": (train_images[~chosen], train_labels[~chosen]),
        "validation": (train_images[chosen], train_labels[chosen]),
        "test": test,
    }


def _read_pair(folder: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    images_name, labels_name = f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"
    images = _parse_idx(images_name, _read_verified(folder / images_name), num_dimensions=3)
    labels = _parse_idx(labels_name, _read_verified(folder / labels_name), num_dimensions=1)
    if images.shape[1:] != IMAGE_SHAPE:
        raise _not_idx(images_name, "images of 28x28 pixels", f"{images.shape[1]}x{images.shape[2]}")
    if len(images) != len(labels):
        raise _not_idx(labels_name, f"{len(images):,} labels, one per image", f"{len(labels):,}")
    if labels.max(initial=0) >= len(CLASSES_FASHION):
        raise _not_idx(labels_name, "labels from 0 to 9", f"label {labels.max()}")
    return images, labels


def _read_verified(path: Path) -> bytes:
    """The file's bytes; checked here as well as in `problems`, so that what is parsed is what was checked."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        problem = f"{path.name} is missing."
    except OSError as error:
        problem = f"{path.name} cannot be read ({error.strerror})."
    else:
        sha256 = hashlib.sha256(content).hexdigest()
        problem = _difference(path.name, FASHION_MNIST_FILES[path.name], len(content), sha256)
        if problem is None:
            return content
    raise DataError(
        f"Fashion-MNIST cannot be loaded from {path.parent}. {problem} "
        "Fetch it again: python -m fashion data --fetch fashion-mnist"
    )


def _parse_idx(file_name: str, compressed: bytes, num_dimensions: int) -> np.ndarray:
    """An uint8 array from gzipped IDX: magic number, one size per dimension (all uint32, big-endian), data.

    Format: http://yann.lecun.com/exdb/mnist/ ; 0x08 in the magic number means uint8.
    """
    try:
        content = gzip.decompress(compressed)
    except (OSError, EOFError, zlib.error) as error:
        raise _not_idx(file_name, "a gzip file", str(error)) from error
    header_bytes = 4 * (1 + num_dimensions)
    if len(content) < header_bytes:
        raise _not_idx(file_name, f"a header of {header_bytes} bytes", f"{len(content)} bytes")
    magic, *shape = struct.unpack_from(f">{1 + num_dimensions}I", content)
    if magic != 0x0800 + num_dimensions:
        raise _not_idx(file_name, f"magic number {0x0800 + num_dimensions}", str(magic))
    if len(content) - header_bytes != math.prod(shape):
        sizes = "x".join(str(size) for size in shape)
        raise _not_idx(file_name, f"{sizes} bytes after the header", f"{len(content) - header_bytes:,}")
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _not_idx(file_name: str, expected: str, received: str) -> DataError:
    return DataError(
        f"{file_name} is not a Fashion-MNIST file. Expected: {expected}. Received: {received}. "
        "Fetch it again: python -m fashion data --fetch fashion-mnist"
    )


def _validation_rows(labels: np.ndarray) -> np.ndarray:
    """Which rows of the published training part are validation: bool (n,), VALIDATION_PER_CLASS per class."""
    rng = np.random.default_rng(VALIDATION_SEED)
    chosen = np.zeros(len(labels), bool)
    for label in range(len(CLASSES_FASHION)):
        rows = np.flatnonzero(labels == label)
        chosen[rng.choice(rows, VALIDATION_PER_CLASS, replace=False)] = True
    return chosen


# Checking files


def _problem(path: Path, expected: ExpectedFile) -> str | None:
    """What is wrong with the file, as a sentence; None if it is right."""
    try:
        facts = path.stat()
        if facts.st_size != expected.num_bytes:  # spares reading what cannot be right
            return _difference(path.name, expected, facts.st_size, "")
        sha256 = _file_sha256(path, facts.st_size, facts.st_mtime_ns)
    except FileNotFoundError:
        return f"{path.name} is missing."
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})."
    return _difference(path.name, expected, facts.st_size, sha256)


@lru_cache(maxsize=16)
def _file_sha256(path: Path, num_bytes: int, modified_ns: int) -> str:
    """SHA-256 of a file, remembered while its size and time stay the same: pages ask at every click."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _difference(file_name: str, expected: ExpectedFile, num_bytes: int, sha256: str) -> str | None:
    if num_bytes != expected.num_bytes:
        fault = "is truncated" if num_bytes < expected.num_bytes else "is too long"
        return f"{file_name} {fault}: expected {expected.num_bytes:,} bytes, received {num_bytes:,}."
    if sha256 != expected.sha256:
        return f"{file_name} has other bytes: expected SHA-256 {expected.sha256}, received {sha256}."
    return None
