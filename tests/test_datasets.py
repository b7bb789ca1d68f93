"""Datasets: fetched from a local HTTP server, checked, parsed and split, on toy IDX files of 30 + 10 images.

Run: python -m pytest tests/test_datasets.py
"""

import gzip
import hashlib
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from fashion import datasets, downloads, fashion_mnist
from fashion.errors import DataError

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
NOBODY_LISTENS_URL = "http://127.0.0.1:9/"


def idx(array, magic):
    return gzip.compress(struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes(), mtime=0)


def numbered_images(first, count):
    """Noise that does not compress (so that files span several chunks), the image's number in pixel (0, 0)."""
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    images[:, 0, 0] = np.arange(first, first + count)
    return images


TOY_FILES = {
    TRAIN_IMAGES: idx(numbered_images(0, 30), 2051),
    TRAIN_LABELS: idx(np.arange(30, dtype=np.uint8) % 10, 2049),
    TEST_IMAGES: idx(numbered_images(100, 10), 2051),
    TEST_LABELS: idx(np.arange(10, dtype=np.uint8), 2049),
}


def expect(monkeypatch, files):
    """Make the given bytes the right ones."""
    table = {
        name: fashion_mnist.ExpectedFile(len(content), hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    }
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST_FILES", table)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The toy files are the right ones, one image per class is for validation; the data folder is empty."""
    expect(monkeypatch, TOY_FILES)
    monkeypatch.setattr(fashion_mnist, "VALIDATION_PER_CLASS", 1)
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "data" / "fashion-mnist"


@pytest.fixture
def filled(folder):
    folder.mkdir(parents=True)
    for name, content in TOY_FILES.items():
        (folder / name).write_bytes(content)
    return folder


class Mirror:
    """A web server on this machine; `faults` maps a file name to what goes wrong with it."""

    def __init__(self):
        self.faults = {}
        self.requests = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rpartition("/")[2]
                mirror.requests.append(name)
                mirror.answer(self, name, mirror.faults.get(name))

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/data"
        # The poll interval bounds how long shutdown takes.
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, handler, name, fault):
        content = TOY_FILES[name]
        if fault == "missing":
            handler.send_error(404)
            return
        if fault == "other bytes":
            content = b"<html>Please log in</html>"
        if fault == "silent":
            time.sleep(0.6)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if fault == "breaks off":
            content = content[: len(content) // 2]
        if fault == "stalls":
            handler.wfile.write(content[: len(content) // 2])
            time.sleep(0.6)
            return
        handler.wfile.write(content)

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mirror(monkeypatch):
    mirror = Mirror()
    monkeypatch.setenv("FASHION_MNIST_URL", mirror.url)
    yield mirror
    mirror.stop()


def test_fetch_stores_the_four_files(mirror, folder):
    """After fetching, the folder holds the four files, byte for byte, and nothing else."""
    datasets.fetch("fashion-mnist")

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == TOY_FILES
    assert datasets.status("fashion-mnist").present


def test_fetched_files_are_readable_by_other_accounts(mirror, folder):
    """A folder shared by a class is of use to everyone."""
    datasets.fetch("fashion-mnist")

    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.iterdir())


def test_progress_grows_to_the_total(mirror, monkeypatch):
    """Progress never steps back or exceeds the total on a good download, and ends at the total."""
    monkeypatch.setattr(downloads, "DOWNLOAD_CHUNK_BYTES", 1000)
    calls = []

    datasets.fetch("fashion-mnist", lambda done, total: calls.append((done, total)))

    total = sum(len(content) for content in TOY_FILES.values())
    done = [call[0] for call in calls]
    assert {call[1] for call in calls} == {total}
    assert done == sorted(done)
    assert done[-1] == total
    assert len(set(done)) > 20


def test_fetch_keeps_files_that_are_right(mirror, filled):
    """A second fetch asks the server for the missing file only, and counts the others as done."""
    (filled / TRAIN_LABELS).unlink()
    calls = []

    datasets.fetch("fashion-mnist", lambda done, total: calls.append((done, total)))

    assert mirror.requests == [TRAIN_LABELS]
    assert calls[0][0] == len(TOY_FILES[TRAIN_IMAGES])
    assert calls[-1][0] == calls[-1][1]


def test_fetch_with_everything_right_writes_and_asks_nothing(mirror, filled):
    """A complete folder, which may be read-only, is left as it is."""
    before = {path: path.stat().st_mtime_ns for path in [filled, *filled.iterdir()]}

    datasets.fetch("fashion-mnist")

    assert mirror.requests == []
    assert {path: path.stat().st_mtime_ns for path in [filled, *filled.iterdir()]} == before


@pytest.mark.parametrize("damage", [lambda content: content[:9], lambda content: content[:-1] + b"?"])
def test_fetch_replaces_a_damaged_file(mirror, filled, damage):
    """A truncated or altered file is downloaded again, and only that one."""
    (filled / TEST_LABELS).write_bytes(damage(TOY_FILES[TEST_LABELS]))

    datasets.fetch("fashion-mnist")

    assert mirror.requests == [TEST_LABELS]
    assert (filled / TEST_LABELS).read_bytes() == TOY_FILES[TEST_LABELS]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("missing", "no such file there \\(HTTP 404\\)"),
        ("other bytes", "other bytes, by their SHA-256"),
        ("breaks off", "the connection broke off"),
        ("silent", "nothing received for 0.2 seconds"),
        ("stalls", "nothing received for 0.2 seconds"),
    ],
)
def test_failed_download_says_why_and_leaves_the_old_file(mirror, filled, monkeypatch, fault, words):
    """A download that fails raises DataError in words; the file from before and the other files stay."""
    if fault in ("silent", "stalls"):
        monkeypatch.setattr(downloads, "READ_TIMEOUT_SECONDS", 0.2)
    (filled / TEST_IMAGES).write_bytes(b"damaged before")
    mirror.faults[TEST_IMAGES] = fault

    with pytest.raises(DataError, match=f"{TEST_IMAGES} could not be downloaded.*{words}.*try again"):
        datasets.fetch("fashion-mnist")

    assert {path.name: path.read_bytes() for path in filled.iterdir()} == {
        **TOY_FILES,
        TEST_IMAGES: b"damaged before",
    }


def test_fetch_resumes_after_a_failure(mirror, folder):
    """What arrived before a failure is not downloaded again by the next attempt."""
    mirror.faults[TEST_IMAGES] = "breaks off"
    with pytest.raises(DataError):
        datasets.fetch("fashion-mnist")
    mirror.faults.clear()

    datasets.fetch("fashion-mnist")

    assert Counter(mirror.requests) == {TRAIN_IMAGES: 1, TRAIN_LABELS: 1, TEST_IMAGES: 2, TEST_LABELS: 1}


def test_fetch_without_a_server_says_no_connection(monkeypatch):
    """A refused connection, as without internet, is told in words and names the folder for a copy by hand."""
    monkeypatch.setenv("FASHION_MNIST_URL", NOBODY_LISTENS_URL)

    with pytest.raises(
        DataError, match="no connection .no internet.* copy the files by hand to .*fashion-mnist"
    ):
        datasets.fetch("fashion-mnist")


def test_second_address_is_tried_when_the_first_fails(mirror, monkeypatch, folder):
    """Without FASHION_MNIST_URL, each file that the first address lacks comes from the second."""
    monkeypatch.delenv("FASHION_MNIST_URL")
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST_URLS", (NOBODY_LISTENS_URL, mirror.url))

    datasets.fetch("fashion-mnist")

    assert len(mirror.requests) == 4
    assert datasets.status("fashion-mnist").present


def test_password_of_a_private_mirror_is_not_shown(monkeypatch):
    """User name and password in FASHION_MNIST_URL do not reach the message that visitors see."""
    monkeypatch.setenv("FASHION_MNIST_URL", "http://teacher:secret@127.0.0.1:9/data?key=hidden")

    with pytest.raises(DataError) as caught:
        datasets.fetch("fashion-mnist")

    assert "127.0.0.1:9/data" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("teacher", "secret", "hidden"))


def test_address_that_is_none_is_told(monkeypatch):
    """FASHION_MNIST_URL without http:// is named as the fault."""
    monkeypatch.setenv("FASHION_MNIST_URL", "mirror.example/data")

    with pytest.raises(DataError, match="not a web address"):
        datasets.fetch("fashion-mnist")


def test_folder_that_cannot_be_made_is_told(mirror, tmp_path, monkeypatch):
    """A data folder that cannot be written is told in words, with FASHION_DATA as the remedy."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "file"))

    with pytest.raises(DataError, match="could not be stored.*FASHION_DATA"):
        datasets.fetch("fashion-mnist")


def test_full_disk_is_told(mirror, monkeypatch):
    """No space left on the disk is told in words, with the space needed."""

    def write_to_full_disk(self, url, output_file, pooch):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads.pooch.HTTPDownloader, "__call__", write_to_full_disk)

    with pytest.raises(DataError, match="MB free. Received: No space left on device"):
        datasets.fetch("fashion-mnist")


def test_error_of_the_progress_callback_ends_the_download(mirror, folder):
    """A visitor who leaves (an exception from the callback) stops the download; nothing half is left."""

    def leave(done_bytes, total_bytes):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        datasets.fetch("fashion-mnist", leave)

    assert not folder.exists() or list(folder.iterdir()) == []


def test_status_names_every_file_and_its_fault(filled):
    """Missing, truncated, too long and altered files are each named in the status."""
    (filled / TRAIN_IMAGES).unlink()
    (filled / TRAIN_LABELS).write_bytes(TOY_FILES[TRAIN_LABELS][:-5])
    (filled / TEST_IMAGES).write_bytes(TOY_FILES[TEST_IMAGES] + b"x")
    (filled / TEST_LABELS).write_bytes(TOY_FILES[TEST_LABELS][:-1] + b"?")

    status = datasets.status("fashion-mnist")

    assert not status.present
    assert status.folder == filled
    assert [problem.split(":")[0] for problem in status.problems] == [
        f"{TRAIN_IMAGES} is missing.",
        f"{TRAIN_LABELS} is truncated",
        f"{TEST_IMAGES} is too long",
        f"{TEST_LABELS} has other bytes",
    ]


def test_status_notices_a_file_altered_later(filled):
    """A checksum is remembered for a file only as long as the file is unchanged."""
    assert datasets.status("fashion-mnist").present

    (filled / TEST_LABELS).write_bytes(TOY_FILES[TEST_LABELS][:-1] + b"?")

    assert not datasets.status("fashion-mnist").present


def test_load_of_an_empty_folder_says_how_to_fetch():
    """Loading never downloads; it names the missing file and the command that fetches it."""
    with pytest.raises(
        DataError, match=f"{TRAIN_IMAGES} is missing.*python -m fashion data --fetch fashion-mnist"
    ):
        datasets.load("fashion-mnist")


def test_load_of_a_truncated_file_names_both_sizes(filled):
    """A truncated file is named with expected and received size and the command that restores it."""
    (filled / TEST_IMAGES).write_bytes(TOY_FILES[TEST_IMAGES][:1000])
    right = f"{len(TOY_FILES[TEST_IMAGES]):,}"

    with pytest.raises(
        DataError, match=f"{TEST_IMAGES} is truncated: expected {right} bytes, received 1,000.*--fetch"
    ):
        datasets.load("fashion-mnist")


def test_load_of_an_altered_file_names_both_checksums(filled):
    """A file of the right size but other bytes is named with expected and received SHA-256."""
    right = TOY_FILES[TEST_LABELS]
    altered = right[:-1] + bytes([right[-1] ^ 1])
    (filled / TEST_LABELS).write_bytes(altered)

    with pytest.raises(DataError) as caught:
        datasets.load("fashion-mnist")

    assert hashlib.sha256(right).hexdigest() in str(caught.value)
    assert hashlib.sha256(altered).hexdigest() in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        pytest.param(TRAIN_LABELS, b"plain text", "Expected: a gzip file", id="not gzip"),
        pytest.param(TRAIN_LABELS, TOY_FILES[TRAIN_LABELS][:-12], "Expected: a gzip file", id="cut gzip"),
        pytest.param(TRAIN_LABELS, gzip.compress(b"\0\0"), "Expected: a header of 8 bytes", id="no header"),
        pytest.param(
            TRAIN_LABELS, idx(np.zeros(30, np.uint8), 2051), "magic number 2049. Received: 2051", id="magic"
        ),
        pytest.param(
            TRAIN_LABELS, gzip.compress(struct.pack(">2I", 2049, 30) + b"\0" * 29), "30 bytes.*29", id="count"
        ),
        pytest.param(
            TRAIN_LABELS,
            idx(np.zeros(29, np.uint8), 2049),
            "30 labels, one per image. Received: 29",
            id="pair",
        ),
        pytest.param(
            TRAIN_LABELS,
            idx(np.full(30, 10, np.uint8), 2049),
            "labels from 0 to 9. Received: label 10",
            id="label",
        ),
        pytest.param(
            TRAIN_IMAGES,
            idx(np.zeros((30, 32, 32), np.uint8), 2051),
            "28x28 pixels. Received: 32x32",
            id="size",
        ),
    ],
)
def test_file_that_is_not_fashion_mnist_is_refused(filled, monkeypatch, name, content, words):
    """Even with the right checksum, a file that is no IDX file of the right kind is refused in words."""
    (filled / name).write_bytes(content)
    expect(monkeypatch, {**TOY_FILES, name: content})

    with pytest.raises(DataError, match=f"{name}.*{words}"):
        datasets.load("fashion-mnist")


def test_load_keeps_each_image_with_its_label(filled):
    """Rows are as published: in training and validation, image number i has label i modulo 10."""
    dataset = datasets.load("fashion-mnist")

    for split in (dataset.train, dataset.validation):
        assert (split.images[:, 0, 0] % 10 == split.labels).all()
    assert dataset.test.images[:, 0, 0].tolist() == [100, 101, 102, 103, 104, 105, 106, 107, 108, 109]
    assert dataset.test.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_validation_is_stratified_disjoint_and_in_order(filled):
    """One image per class goes to validation, the others to training, each once and in published order."""
    dataset = datasets.load("fashion-mnist")

    train = dataset.train.images[:, 0, 0].tolist()
    validation = dataset.validation.images[:, 0, 0].tolist()
    assert sorted(dataset.validation.labels) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert sorted(train + validation) == list(range(30))
    assert train == sorted(train)
    assert validation == sorted(validation)
    assert validation != list(range(10))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (20, 10, 10)


def test_arrays_are_read_only_bytes(filled):
    """Nobody can change the arrays that all visitors share."""
    dataset = datasets.load("fashion-mnist")

    for name in ("train", "validation", "test"):
        split = dataset.split(name)
        assert split.images.dtype == split.labels.dtype == np.uint8
        with pytest.raises(ValueError, match="read-only"):
            split.images[0, 0, 0] = 1
        with pytest.raises(ValueError, match="read-only"):
            split.labels[0] = 1


def test_digest_tells_data_apart(filled, monkeypatch):
    """Loading twice gives the same digest; one other label gives another."""
    digest = datasets.load("fashion-mnist").digest
    assert datasets.load("fashion-mnist").digest == digest
    assert len(digest) == 16

    other_labels = idx(np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8], np.uint8), 2049)
    (filled / TEST_LABELS).write_bytes(other_labels)
    expect(monkeypatch, {**TOY_FILES, TEST_LABELS: other_labels})

    assert datasets.load("fashion-mnist").digest != digest


def test_unknown_names_are_refused(filled):
    """A name that is none raises ValueError and lists those there are."""
    for function in (datasets.status, datasets.fetch, datasets.load):
        with pytest.raises(ValueError, match="fashion-mnist, sketches, clothing. Received: 'mnist'"):
            function("mnist")
    with pytest.raises(ValueError, match="train, validation, test. Received: 'training'"):
        datasets.load("fashion-mnist").split("training")


def test_data_folder_is_chosen_by_the_environment(tmp_path, monkeypatch):
    """FASHION_DATA names the folder; without it, the user's cache folder is used."""
    assert datasets.data_folder() == tmp_path / "data"
    monkeypatch.delenv("FASHION_DATA")
    assert datasets.data_folder() == tmp_path / "cache" / "fashion-lab"


def test_usable_lists_the_best_first(folder, mirror):
    """Drawn garments are always usable; Fashion-MNIST comes before them once it is complete."""
    assert datasets.usable() == ["sketches"]
    datasets.fetch("fashion-mnist")
    assert datasets.usable() == ["fashion-mnist", "sketches"]


@pytest.fixture
def drawn(monkeypatch):
    """Drawing is replaced by noise from the same seed; returns the list of seeds that were drawn."""
    seeds = []

    def generate(num_images, seed):
        seeds.append(seed)
        images = np.random.default_rng(seed).integers(0, 256, (num_images, 28, 28), np.uint8)
        return images, (np.arange(num_images) % 10).astype(np.uint8)

    monkeypatch.setattr(datasets.sketches, "generate", generate)
    monkeypatch.setattr(
        datasets, "SKETCHES_SPLITS", {"train": (30, 1), "validation": (20, 2), "test": (10, 3)}
    )
    return seeds


def test_sketches_are_drawn_once(drawn, mirror):
    """The first load draws the three splits from three seeds; the second reads the very same from the cache."""
    first = datasets.load("sketches")
    second = datasets.load("sketches")

    assert drawn == [1, 2, 3]
    assert (len(first.train), len(first.validation), len(first.test)) == (30, 20, 10)
    assert second.digest == first.digest
    assert (second.validation.images == first.validation.images).all()
    assert not second.train.images.flags.writeable
    assert mirror.requests == []


@pytest.mark.parametrize(
    "damage", [lambda content: content[:5000], lambda content: b"", lambda content: b"text"]
)
def test_damaged_sketches_are_drawn_again(drawn, damage):
    """A cache file that is not whole is replaced."""
    digest = datasets.load("sketches").digest
    path = next(datasets.status("sketches").folder.iterdir())
    path.write_bytes(damage(path.read_bytes()))

    assert datasets.load("sketches").digest == digest
    assert drawn == [1, 2, 3, 1, 2, 3]
    datasets.load("sketches")
    assert len(drawn) == 6


@pytest.mark.parametrize(("num_images", "dtype"), [(29, np.uint8), (30, np.float32)])
def test_sketches_of_another_form_are_drawn_again(drawn, num_images, dtype):
    """A whole cache file with another number or type of images is not believed."""
    datasets.load("sketches")
    path = next(datasets.status("sketches").folder.iterdir())
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, "train_images": np.zeros((num_images, 28, 28), dtype)})

    assert datasets.load("sketches").train.images.any()
    assert len(drawn) == 6


def test_sketches_need_no_writable_cache(drawn, tmp_path, monkeypatch):
    """Where the cache folder cannot be made, the garments are drawn at every load."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda project: tmp_path / "file" / project)

    assert len(datasets.load("sketches").train) == 30
    assert len(datasets.load("sketches").train) == 30
    assert len(drawn) == 6


def test_info_describes_every_dataset():
    """Every dataset has ten classes, and the source, licence and citation that its users must name."""
    assert list(datasets.DATASETS) == ["fashion-mnist", "sketches", "clothing"]
    for name, info in datasets.DATASETS.items():
        assert info.name == name
        assert len(info.classes) == 10
        assert info.image_shape == ((96, 96, 3) if name == "clothing" else (28, 28))
        assert sorted(info.split_sizes) == ["test", "train", "validation"]
    assert datasets.DATASETS["fashion-mnist"].download_bytes == 30_878_645
    assert datasets.DATASETS["fashion-mnist"].licence == "MIT, Zalando SE"
    assert "arXiv:1708.07747" in datasets.DATASETS["fashion-mnist"].citation


def test_real_fashion_mnist_is_whole(monkeypatch):
    """The published files: 7,000 images per class in all, split 55,000, 5,000 and 10,000, stratified, disjoint."""
    monkeypatch.undo()
    if not datasets.status("fashion-mnist").present:
        pytest.skip(
            f"Fashion-MNIST is not in {datasets.data_folder()}; set FASHION_DATA to test the real files"
        )

    dataset = datasets.load("fashion-mnist")

    splits = [dataset.train, dataset.validation, dataset.test]
    assert [split.images.shape for split in splits] == [(55000, 28, 28), (5000, 28, 28), (10000, 28, 28)]
    assert {split.name: len(split) for split in splits} == dataset.info.split_sizes
    assert np.bincount(dataset.validation.labels).tolist() == [500] * 10
    assert np.bincount(np.concatenate([split.labels for split in splits])).tolist() == [7000] * 10
    # The first published training image is an ankle boot, the first test image as well.
    assert dataset.info.classes[dataset.train.labels[0]] == "ankle boot"
    assert dataset.info.classes[dataset.test.labels[0]] == "ankle boot"
    # No validation image is also a training image, byte for byte.
    training = {image.tobytes() for image in dataset.train.images}
    assert sum(image.tobytes() in training for image in dataset.validation.images) == 0
    # A changed choice of validation images would make earlier results incomparable.
    assert dataset.digest == "410aa2a23eca21f9"
