"""The datasets a network can be trained on: what exists, where it comes from, fetching, checking, loading.

Arrays leave this module with the pixels exactly as published: nothing is scaled, normalised or augmented
here. Nothing is downloaded unless `fetch` is called, and nothing here knows about photos of visitors.
"""

import contextlib
import gzip
import hashlib
import math
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pooch
import requests
import urllib3

from fashion import sketches
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
SPLIT_NAMES = ("train", "validation", "test")


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

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0  # without a single byte; a slow download that keeps moving may take any time
DOWNLOAD_CHUNK_BYTES = 256 * 1024  # about 120 progress calls for all of Fashion-MNIST

VALIDATION_PER_CLASS = 500
VALIDATION_SEED = 2017

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
    image_shape: tuple[int, int]
    """Height and width in pixels."""
    source_url: str
    """The publisher's page; empty for a dataset made by this program."""
    licence: str
    citation: str
    description: str
    split_sizes: dict[str, int]
    """Number of images in train, validation and test."""


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
}
"""All datasets by name, in the order in which they are offered: best first."""


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a dataset.

    images: uint8 (n, 28, 28), 0 black background to 255 white; labels: uint8 (n,), 0 to 9. Both read-only.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in memory; each published image is in exactly one of the three splits.

    digest: first 16 hexadecimal digits of the SHA-256 over images and labels of train, validation and test,
    in this order: the same digest means the same data in the same order.
    """

    info: DatasetInfo
    train: Split
    validation: Split
    test: Split
    digest: str

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


def data_folder() -> Path:
    """The folder of all datasets: FASHION_DATA where set, else this user's cache folder "fashion-lab"."""
    chosen = os.environ.get("FASHION_DATA")
    return Path(chosen).expanduser() if chosen else pooch.os_cache("fashion-lab")


def status(name: str) -> DataStatus:
    """Whether the dataset is complete and undamaged; never downloads.

    The first call reads the files once to check their SHA-256 (25 ms for Fashion-MNIST); as long as
    sizes and modification times stay the same, later calls only look at those (0.1 ms).
    Drawn garments are always present. ValueError if there is no dataset of this name.
    """
    _info(name)
    if name == "sketches":
        return DataStatus(name, True, _sketches_file().parent, ())
    folder = data_folder() / name
    found = (_problem(folder / file_name, expected) for file_name, expected in FASHION_MNIST_FILES.items())
    problems = tuple(problem for problem in found if problem)
    return DataStatus(name, not problems, folder, problems)


def usable() -> list[str]:
    """Names of the datasets that can be loaded now, best first; "sketches" is always among them."""
    return [name for name in DATASETS if status(name).present]


def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> None:
    """Download what is missing or damaged of a dataset; files that are already right are kept.

    progress(done_bytes, total_bytes) is called often; files that are kept count as done. It steps back when
    a file is started again from the second address, and its last call has done_bytes == total_bytes. An
    exception raised by it ends the download and passes through.

    A file takes its final name only after its SHA-256 was found right, so a download that breaks off, or
    brings other bytes, leaves whatever was there before. Drawn garments need no download.

    Raises DataError, in words, if no address delivers a file (not found, refused, no internet, nothing
    received for READ_TIMEOUT_SECONDS, broken off, other bytes) or if the folder cannot be written.
    """
    _info(name)
    if name == "sketches":
        return
    total_bytes = sum(expected.num_bytes for expected in FASHION_MNIST_FILES.values())
    report = _Progress(progress or (lambda done_bytes, total_bytes: None), total_bytes)
    for file_name, expected in FASHION_MNIST_FILES.items():
        path = data_folder() / name / file_name
        report.begin(expected.num_bytes)
        if _problem(path, expected):
            _download(path, expected, report)
        report.finish()


def load(name: str) -> Dataset:
    """The dataset as read-only arrays; never downloads.

    Fashion-MNIST comes as published: 60,000 training and 10,000 test images. For choosing settings and
    stopping early, 5,000 of the 60,000 become the validation split: 500 per class, chosen with a fixed seed.
    The other 55,000, and the 5,000, stay in the published order. Takes about 0.5 s.

    Drawn garments: 6,000 training, 1,000 validation and 1,000 test images, drawn once (about 5 s) and then
    kept in the user cache folder.

    Raises DataError if a file is missing, damaged or not what it should be, naming it and the remedy;
    ValueError if there is no dataset of this name. Source and licence: DATASETS[name].
    """
    info = _info(name)
    arrays = _sketches_arrays() if name == "sketches" else _fashion_mnist_arrays()
    digest = hashlib.sha256()
    for images, labels in arrays.values():
        for array in (images, labels):
            array.flags.writeable = False
            digest.update(array)
    splits = {split_name: Split(split_name, *arrays[split_name]) for split_name in SPLIT_NAMES}
    return Dataset(info=info, digest=digest.hexdigest()[:16], **splits)


def _info(name: str) -> DatasetInfo:
    if name not in DATASETS:
        raise ValueError(f"The dataset must be one of {', '.join(DATASETS)}. Received: {name!r}.")
    return DATASETS[name]


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


# Downloading


class _Progress:
    """Adds up the bytes of several files; `total`, `update`, `reset` and `close` are what pooch calls."""

    def __init__(self, callback: Callable[[int, int], None], total_bytes: int):
        self.total = 0  # set by pooch to what the server announces; not relied upon
        self._callback = callback
        self._total_bytes = total_bytes
        self._earlier_bytes = 0
        self._file_bytes = 0
        self._received_bytes = 0

    def begin(self, file_bytes: int) -> None:
        self._earlier_bytes += self._file_bytes
        self._file_bytes = file_bytes
        self._received_bytes = 0

    def finish(self) -> None:
        self._callback(self._earlier_bytes + self._file_bytes, self._total_bytes)

    def update(self, num_bytes: int) -> None:
        # pooch counts every chunk as a full one, so the last one would overshoot.
        self._received_bytes = min(self._received_bytes + num_bytes, self._file_bytes)
        self._callback(self._earlier_bytes + self._received_bytes, self._total_bytes)

    def reset(self) -> None:
        self._received_bytes = 0

    def close(self) -> None:
        pass


def _download(path: Path, expected: ExpectedFile, report: _Progress) -> None:
    chosen_url = os.environ.get("FASHION_MNIST_URL")
    folder_urls = (chosen_url,) if chosen_url else FASHION_MNIST_URLS
    timeouts = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
    downloader = pooch.HTTPDownloader(progressbar=report, chunk_size=DOWNLOAD_CHUNK_BYTES, timeout=timeouts)
    pooch.get_logger().setLevel("WARNING")  # its notes would land between the lines of our own progress
    failures = []
    for folder_url in folder_urls:
        url = f"{folder_url.rstrip('/')}/{path.name}"
        report.reset()
        try:
            pooch.retrieve(
                url, f"sha256:{expected.sha256}", fname=path.name, path=path.parent, downloader=downloader
            )
        except requests.RequestException as error:  # before OSError, of which it is a kind
            failures.append(f"{_public_address(url)}: {_reason(error)}")
        except ValueError as error:
            if "known hash" not in str(error):  # not pooch's verdict on the bytes
                raise
            failures.append(
                f"{_public_address(url)}: other bytes, by their SHA-256 (perhaps a log-in page of the network)"
            )
        except OSError as error:
            raise DataError(
                f"{path.name} could not be stored. Expected: a folder that can be written, with "
                f"{expected.num_bytes / 1e6:.1f} MB free. Received: {error.strerror or error} ({path.parent}). "
                "Free some space or set FASHION_DATA to another folder, and try again."
            ) from error
        else:
            # pooch's temporary files are private; a folder shared by a class must be readable by others.
            with contextlib.suppress(OSError):
                path.chmod(0o644)
            return
    raise DataError(
        f"{path.name} could not be downloaded. Expected: {expected.num_bytes:,} bytes. Received from "
        f"{'; '.join(failures)}. Check the internet connection and try again: files that are complete are "
        f"kept. Or copy the files by hand to {path.parent}."
    )


def _public_address(url: str) -> str:
    """The address without user name and password, which a private FASHION_MNIST_URL may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _reason(error: requests.RequestException) -> str:
    cause = error.args[0] if error.args else None
    if isinstance(error, requests.HTTPError):
        code = error.response.status_code
        return f"no such file there (HTTP {code})" if code == 404 else f"the server refused (HTTP {code})"
    if isinstance(error, requests.ConnectTimeout):
        return f"no answer within {CONNECT_TIMEOUT_SECONDS:g} seconds"
    # While the body is read, requests reports a time-out as a ConnectionError.
    if isinstance(error, requests.ReadTimeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return f"nothing received for {READ_TIMEOUT_SECONDS:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was not accepted, so the connection is not secure"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy server did not answer"
    if isinstance(cause, urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection (no internet, or the server refused)"
    if isinstance(error, ValueError):  # MissingSchema, InvalidURL and the like
        return "this is not a web address (http:// or https://)"
    return f"the download failed ({type(error).__name__})"


# Fashion-MNIST


def _fashion_mnist_arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    train_images, train_labels = _read_pair("train")
    test = _read_pair("t10k")
    chosen = _validation_rows(train_labels)
    return {
        "train": (train_images[~chosen], train_labels[~chosen]),
        "validation": (train_images[chosen], train_labels[chosen]),
        "test": test,
    }


def _read_pair(prefix: str) -> tuple[np.ndarray, np.ndarray]:
    images_name, labels_name = f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"
    images = _parse_idx(images_name, _read_verified(images_name), num_dimensions=3)
    labels = _parse_idx(labels_name, _read_verified(labels_name), num_dimensions=1)
    if images.shape[1:] != IMAGE_SHAPE:
        raise _not_idx(images_name, "images of 28x28 pixels", f"{images.shape[1]}x{images.shape[2]}")
    if len(images) != len(labels):
        raise _not_idx(labels_name, f"{len(images):,} labels, one per image", f"{len(labels):,}")
    if labels.max(initial=0) >= len(CLASSES_FASHION):
        raise _not_idx(labels_name, "labels from 0 to 9", f"label {labels.max()}")
    return images, labels


def _read_verified(file_name: str) -> bytes:
    """The file's bytes; checked here as well as in `status`, so that what is parsed is what was checked."""
    path = data_folder() / "fashion-mnist" / file_name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        problem = f"{file_name} is missing."
    except OSError as error:
        problem = f"{file_name} cannot be read ({error.strerror})."
    else:
        sha256 = hashlib.sha256(content).hexdigest()
        problem = _difference(file_name, FASHION_MNIST_FILES[file_name], len(content), sha256)
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
