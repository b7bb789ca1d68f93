"""Stored vectors of photos: their files, those that come with the project, and how they are computed."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import clothing_folder
import numpy as np
import pytest

from fashion import clothing, datasets, feature_store, pretrained
from fashion.errors import DataError
from fashion.runs import ROOT
from fashion.settings import RunSettings

SETTINGS = RunSettings(dataset="clothing", architecture="mobilenetv2-035", image_size=64)
SIZE = 1280
DIGEST = "0123456789abcdef"


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A weights file of the network, which nobody opens."""
    folder = tmp_path / "weights"
    folder.mkdir()
    path = folder / pretrained.BASES["mobilenetv2-035"].weights[0]
    path.write_bytes(b"weights")
    monkeypatch.setenv("FASHION_WEIGHTS", str(folder))
    return path


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """A machine without pretrained weights that does not ask the internet for them."""
    monkeypatch.setenv("FASHION_WEIGHTS", str(tmp_path / "no-weights"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KERAS_HOME", raising=False)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two photos of each class in each split: 20 + 20 + 20."""
    clothing_folder.write(tmp_path / "data" / clothing.FOLDER, clothing_folder.files())
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    return clothing.load(64)


@pytest.fixture
def no_photos(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "no-data"))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty place for shipped vectors, and none kept here."""
    monkeypatch.setattr(feature_store, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(feature_store.pooch, "os_cache", lambda name: tmp_path / "cache")
    monkeypatch.delenv("FASHION_FEATURES", raising=False)


def _vectors(n: int, size: int = SIZE) -> np.ndarray:
    """Row number and column number, as far as float16 goes."""
    return (np.arange(n)[:, None] + np.arange(size)[None] / 10_000).astype(np.float16)


# Files


def test_what_is_written_is_read_again(tmp_path):
    """A file holds the vectors as they were, and nothing is left beside it."""
    path = tmp_path / "store" / "one.npz"
    feature_store.write(path, _vectors(3))
    assert np.array_equal(feature_store.read(path, SIZE), _vectors(3))
    assert [one.name for one in path.parent.iterdir()] == ["one.npz"]


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "cut off", "one byte", "other size", "not numbers", "NaN"]
)
def test_a_file_that_is_not_whole_counts_as_none(tmp_path, damage):
    """Whatever is wrong with a file, its vectors are computed again."""
    path = tmp_path / "one.npz"
    vectors = _vectors(3, 16 if damage == "other size" else SIZE)
    if damage == "NaN":
        vectors[1, 5] = np.nan
    feature_store.write(path, vectors.astype(str) if damage == "not numbers" else vectors)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "one byte":
        path.write_bytes(content[:3000] + bytes([content[3000] ^ 1]) + content[3001:])
    assert feature_store.read(path, SIZE).shape == (0, SIZE)


def test_a_folder_that_refuses_is_no_error(tmp_path):
    """Vectors that cannot be kept are computed again by the next run."""
    (tmp_path / "file").write_text("no folder")
    feature_store.write(tmp_path / "file" / "one.npz", _vectors(1))


def test_the_name_of_a_file_changes_with_all_that_changes_the_vectors(weights):
    """Network, size, data and weights belong to the name; how the head is trained does not."""

    def name(settings=SETTINGS, digest=DIGEST, view=0):
        return feature_store.path_of(settings, digest, weights, view).name

    assert name() == name(SETTINGS.replace(epochs=3, num_train=200, seed=9, flip=True, fine_tune="all"))
    others = {
        name(SETTINGS.replace(image_size=96)),
        name(SETTINGS.replace(architecture="mobilenetv2")),
        name(digest="f" * 16),
        name(view=1),
        name(view=2),
        name(SETTINGS.replace(seed=9), view=1),
        name(SETTINGS.replace(flip=True), view=1),
        name(SETTINGS.replace(colour=0.5), view=1),
    }
    before = name()
    weights.write_bytes(b"other weights")
    others.add(name())
    assert len(others) == 9
    assert before not in others


def test_vectors_are_at_hand_only_when_whole(shelf, weights, photos):
    """After a stop some are missing; the splits and views come out as they went in."""
    path = feature_store.path_of(SETTINGS, photos.digest, weights)
    feature_store.write(path, _vectors(59))
    assert feature_store.at_hand(SETTINGS, photos) is None
    feature_store.write(path, _vectors(60))
    found = feature_store.at_hand(SETTINGS, photos)
    assert found.source == "stored"
    assert [found.train.shape, found.validation.shape, found.test.shape] == [
        (1, 20, SIZE),
        (20, SIZE),
        (20, SIZE),
    ]
    assert [found.train[0, 0, 0], found.validation[0, 0], found.test[0, 0]] == [0, 20, 40]
    two = SETTINGS.replace(views=2, flip=True)
    assert feature_store.at_hand(two, photos) is None
    feature_store.write(feature_store.path_of(two, photos.digest, weights, 1), _vectors(20) + 100)
    assert feature_store.at_hand(two, photos).train[:, 0, 0].tolist() == [0, 100]


def test_kept_vectors_can_be_counted_and_deleted(shelf):
    """`clear` frees what `files` lists."""
    feature_store.write(feature_store.folder() / "one.npz", _vectors(2))
    (path,) = feature_store.files()
    num_bytes = path.stat().st_size
    assert num_bytes > 2 * SIZE * 2
    assert feature_store.clear() == num_bytes
    assert feature_store.files() == []


# Shipped vectors


@pytest.fixture
def shipped(shelf, weights, photos):
    """Shipped vectors of the sixty photos."""
    feature_store.write(feature_store.path_of(SETTINGS, photos.digest, weights), _vectors(60))
    path = feature_store.ship("mobilenetv2-035", 64)
    feature_store.clear()
    return path


def test_shipped_vectors_are_found_for_the_photos_they_are_of(shipped, photos):
    """The very photos need no computing; at another size, with more views, or of other photos, they do."""
    found = feature_store.at_hand(SETTINGS, photos)
    assert found.source == "shipped"
    assert found.test[0, 0] == 40
    assert feature_store.at_hand(SETTINGS.replace(views=2, flip=True), photos) is None
    assert feature_store.at_hand(SETTINGS.replace(image_size=96), photos) is None
    other = datasets.Dataset(photos.info, photos.train, photos.validation, photos.test, "f" * 16)
    assert feature_store.at_hand(SETTINGS, other) is None


def test_without_photos_the_shipped_labels_and_names_stand_in(shipped, photos, no_photos):
    """A head can be trained and tested; who asks for a photo itself is told that it is not here."""
    data = feature_store.load(SETTINGS, 64)
    assert data.digest == photos.digest
    assert np.array_equal(data.test.labels, photos.test.labels)
    assert [path.name for path in data.train.images.paths] == [
        path.name for path in photos.train.images.paths
    ]
    assert len(clothing.without_doubtful(data.train)) == 20
    with pytest.raises(DataError, match="Fetch the photos again"):
        data.test.images[0]
    with pytest.raises(DataError, match="data --fetch clothing"):
        feature_store.load(SETTINGS.replace(fine_tune="all"), 64)


def test_a_folder_of_ones_own_passes_over_the_shipped_vectors(shipped, photos, tmp_path, monkeypatch):
    """So they can be computed anew, and measured."""
    monkeypatch.setenv("FASHION_FEATURES", str(tmp_path / "own"))
    assert feature_store.at_hand(SETTINGS, photos) is None
    assert feature_store.shipped_here() == []


def test_damaged_shipped_vectors_are_named(shipped, photos):
    """The message says which file, and how to get it back."""
    shipped.write_bytes(shipped.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"clothing-mobilenetv2-035-64\.npz must .*git checkout models"):
        feature_store.at_hand(SETTINGS, photos)


def test_only_whole_vectors_can_be_shipped(shelf, weights, photos):
    """Without any, the message names the command that computes them."""
    with pytest.raises(
        DataError, match="train --dataset clothing --architecture mobilenetv2-035 --image-size 64"
    ):
        feature_store.ship("mobilenetv2-035", 64)


def test_one_network_is_not_taken_for_another_whose_name_it_begins(shipped):
    """mobilenetv2-035 at 64 pixels is no mobilenetv2."""
    assert feature_store.shipped_here() == ["MobileNetV2, 0.35 wide at 64 pixels"]


def test_the_shipped_file_holds_what_its_card_says():
    """Photos by split, ten classes; the class whose mean is nearest is right for four photos in five."""
    known = feature_store.shipped("efficientnetv2-b0", 224)
    if known is None:
        pytest.skip("no vectors come with this copy")
    data = known.data
    sizes = {name: len(data.split(name)) for name in datasets.SPLIT_NAMES}
    assert sizes == {"train": 3068, "validation": 341, "test": 372} == known.card["photos"]
    assert known.vectors.shape == (3781, 1280)
    assert known.vectors.dtype == np.float16
    assert known.card["weights_licence"] == pretrained.LICENCE
    unit = known.vectors.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    means = np.stack([unit[:3068][data.train.labels == label].mean(axis=0) for label in range(10)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    right = (unit[-372:] @ means.T).argmax(axis=1) == data.test.labels
    assert right.mean() > 0.8
    assert all(path.stem for path in data.test.images.paths)


# What is possible here


def test_nothing_is_in_the_way_with_photos_and_weights(photos, weights, shelf):
    assert feature_store.obstacle(SETTINGS.replace(fine_tune="all", views=3, flip=True)) is None


def test_missing_photos_are_an_obstacle_unless_vectors_will_do(shipped, no_photos):
    """A head alone on one view needs no photo; all else says what is missing and what is possible."""
    assert feature_store.obstacle(SETTINGS) is None
    for change in (
        {"fine_tune": "last"},
        {"views": 2, "flip": True},
        {"mirror": True},
        {"predict_size": 96},
        {"image_size": 96},
    ):
        words = feature_store.obstacle(SETTINGS.replace(**change))
        assert "Clothing photos must be on this machine" in words
        assert "MobileNetV2, 0.35 wide at 64 pixels" in words


def test_shipped_vectors_are_unpacked_once_for_all_questions_about_obstacles(shipped, no_photos, monkeypatch):
    """A page asks for each run at each of its reruns; only files that changed are read anew."""
    assert feature_store.obstacle(SETTINGS) is None
    read = []
    nothing = None, SimpleNamespace(digest="")
    monkeypatch.setattr(feature_store, "_unpacked", lambda *what: read.append(what) or nothing)

    assert feature_store.obstacle(SETTINGS) is None
    assert read == []
    path = feature_store.shipped_path(SETTINGS.architecture, SETTINGS.image_size)
    os.utime(path, (1, 1))
    assert feature_store.obstacle(SETTINGS) is not None
    assert len(read) == 1


def test_shipped_vectors_are_unpacked_once_until_their_file_changes(shipped):
    """Each run of a lesson asks for them several times; nobody can spoil them for the next."""
    which = SETTINGS.architecture, SETTINGS.image_size
    known = feature_store.shipped(*which)

    assert feature_store.shipped(*which) is known
    assert not known.vectors.flags.writeable
    os.utime(feature_store.shipped_path(*which), (1, 1))
    assert feature_store.shipped(*which) is not known


def test_missing_weights_are_an_obstacle_unless_vectors_will_do(shipped, no_weights):
    """The file that is missing is named."""
    assert feature_store.obstacle(SETTINGS) is None
    words = feature_store.obstacle(SETTINGS.replace(fine_tune="all"))
    assert (
        "needs the weights file mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5" in words
    )
    assert feature_store.obstacle(SETTINGS.replace(architecture="cnn")) is None


def test_without_the_internet_weights_cannot_be_had(no_weights, photos, shelf, monkeypatch):
    """Unset FASHION_WEIGHTS means a download, which is asked about before the start."""
    monkeypatch.delenv("FASHION_WEIGHTS")
    monkeypatch.setattr(pretrained, "_internet", lambda minute: False)
    assert "Connect to the internet" in feature_store.obstacle(SETTINGS)
    monkeypatch.setattr(pretrained, "_internet", lambda minute: True)
    assert feature_store.obstacle(SETTINGS) is None


def test_a_network_from_scratch_needs_the_photos_only(no_photos, no_weights, shelf):
    assert "data --fetch clothing" in feature_store.obstacle(SETTINGS.replace(architecture="cnn"))


# Computing, with a network that Keras does not know: the mean colour of a photo, in another process


_COMPUTE = """
import json, sys
from pathlib import Path
import numpy as np
from fashion import clothing, feature_store, features, networks, runs
from fashion.settings import RunSettings
from fashion.worker import StopRequested

class Base:
    batches = 0
    def predict_on_batch(self, pixels):
        Base.batches += 1
        colour = pixels.reshape(len(pixels), -1, 3).mean(axis=1)
        return np.tile(colour, (1, 427))[:, :1280].astype(np.float32)

class Reporter:
    def __init__(self, stop_after=None):
        self.status, self.stop_after, self.told = runs.Status(), stop_after, []
    def update(self, **changes):
        self.status = __import__("dataclasses").replace(self.status, **changes)
        self.told.append(changes)
    def stop_reason(self):
        return "Stopped." if self.stop_after is not None and Base.batches >= self.stop_after else None

networks.build_base = lambda name, weights: Base()
settings = RunSettings(dataset="clothing", architecture="mobilenetv2-035", image_size=64)
data = clothing.load(64)
seen = {}
reporter = Reporter(stop_after=1)
try:
    features.vectors(settings, data, reporter)
except StopRequested as request:
    seen["stop"] = str(request)
weights = features.pretrained.weights_file("mobilenetv2-035")
seen["kept_after_stop"] = len(feature_store.read(feature_store.path_of(settings, data.digest, weights), 1280))
reporter, Base.batches = Reporter(), 0
made = features.vectors(settings, data, reporter)
seen |= {"source": made.source, "batches_after_stop": Base.batches, "last": reporter.told[-1]}
seen["first"] = [reporter.told[0]["phase"], reporter.told[1]]
seen["shapes"] = [made.train.shape, made.validation.shape, made.test.shape]
seen["means"] = [float(made.train[0, 0, 0]), float(made.train[0, 19, 0]), float(made.test[7, 0])]
Base.batches = 0
again = features.vectors(settings.replace(num_train=100, batch_size=8), data, Reporter())
seen |= {"again": again.source, "batches_again": Base.batches}
seen["same"] = bool((again.train == made.train).all())
views = features.vectors(settings.replace(views=3, crop=0.5, seed=4), data, Reporter())
seen |= {"views": views.train.shape, "view_batches": Base.batches}
seen["views_differ"] = bool((views.train[1] != views.train[2]).any() and (views.train[0] == made.train[0]).all())
Base.batches = 0
more = features.vectors(settings.replace(views=4, crop=0.5, seed=4), data, Reporter())
seen |= {"one_more_view": Base.batches, "views_kept": bool((more.train[:3] == views.train).all())}
for path in feature_store.files():
    if "-photos-" in path.name:
        path.write_bytes(path.read_bytes()[:200])
Base.batches = 0
mended = features.vectors(settings, data, Reporter())
seen |= {"mended": mended.source, "mended_same": bool((mended.train == made.train).all())}
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the process saw that computed vectors of sixty photos several times."""
    folder = tmp_path_factory.mktemp("compute")
    clothing_folder.write(folder / "data" / clothing.FOLDER, clothing_folder.files())
    (folder / "weights").mkdir()
    (folder / "weights" / pretrained.BASES["mobilenetv2-035"].weights[0]).write_bytes(b"weights")
    environment = os.environ | {
        "FASHION_DATA": str(folder / "data"),
        "FASHION_WEIGHTS": str(folder / "weights"),
        "FASHION_FEATURES": str(folder / "vectors"),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", _COMPUTE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_vectors_come_in_the_order_of_the_photos(seen):
    """A photo's upper half has the grey value 20 * class + number; cropped to a square, about half of it is left."""
    assert seen["shapes"] == [[1, 20, 1280], [20, 1280], [20, 1280]]
    first, last, seventh = seen["means"]
    assert first == pytest.approx(0, abs=1)
    assert last == pytest.approx((20 * 9 + 1) / 2, abs=3)
    assert seventh == pytest.approx((20 * 3 + 1) / 2, abs=3)


def test_a_stop_keeps_what_was_computed(seen):
    """One batch of 32 before the stop; the next run computes the other 28 in one more."""
    assert seen["stop"] == "Stopped."
    assert seen["kept_after_stop"] == 32
    assert seen["batches_after_stop"] == 1
    assert seen["source"] == "computed"


def test_progress_counts_photos(seen):
    """It begins where the stop was, and ends with all."""
    assert seen["first"] == ["features", {"step": 32, "num_steps": 60}]
    assert seen["last"]["step"] == 60


def test_a_later_run_computes_nothing(seen):
    """Another choice of training photos takes other rows of the same vectors."""
    assert seen["again"] == "stored"
    assert seen["batches_again"] == 0
    assert seen["same"]


def test_each_view_is_computed_once(seen):
    """Views change the training photos only, each otherwise; one more costs one more pass."""
    assert seen["views"] == [3, 20, 1280]
    assert seen["view_batches"] == 2
    assert seen["views_differ"]
    assert seen["one_more_view"] == 1
    assert seen["views_kept"]


def test_a_damaged_file_is_computed_again(seen):
    assert seen["mended"] == "computed"
    assert seen["mended_same"]
