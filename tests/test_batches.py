"""What a network is fed: shuffled, changed and weighted as the settings say, and the same again after a restart."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fashion.runs import ROOT

# Keras stays out of this process: the batches are made in another, which says what it saw.
_LOOK = """
import json, sys
from pathlib import Path
import numpy as np
from fashion import batches
from fashion.clothing import Photos
from fashion.errors import SettingsError
from fashion.settings import RunSettings

folder = Path(sys.argv[1])
base = RunSettings(dataset="clothing", image_size=64, batch_size=8, num_train=100, seed=3)
paths = tuple(sorted(folder.glob("*.jpg")))
labels = np.array([0] * 15 + [1] * 5, np.uint8)
photos = Photos(paths, 64)
plain = batches.PhotoBatches(photos, labels, base, 2)
seen = {"steps": len(plain), "shape": plain[0][0].shape, "parts": len(plain[0]), "dtype": str(plain[0][0].dtype)}
seen["epochs_differ"] = bool((plain[0][0] != (plain.shuffle(1) or plain[0][0])).any())
plain.shuffle(0)
again = batches.PhotoBatches(photos, labels, base, 2)
seen["same_again"] = all((plain[i][0] == again[i][0]).all() for i in range(2))
# A photo's red value is its number times ten.
first = [round(image[32, 32, 0] / 10) for i in range(2) for image in plain[i][0]]
seen["no_photo_twice"] = len(set(first)) == 16
seen["labels_fit"] = all(
    int(target.argmax()) == int(labels[number])
    for number, target in zip(first, np.concatenate([plain[0][1], plain[1][1]]))
)
changed = batches.PhotoBatches(photos, labels, base.replace(flip=True, crop=0.4, colour=0.3, mixing=1.0), 2)
seen["changed"] = bool((changed[0][0] != plain[0][0]).any())
seen["changed_again"] = bool((changed[0][0] == changed[0][0]).all())
weighted = batches.PhotoBatches(photos, labels, base.replace(balance=1.0), 2)
images, targets, weights = weighted[0]
seen["weights"] = sorted({(int(t.argmax()), round(float(w), 4)) for t, w in zip(targets, weights)})
views = np.stack([np.full((20, 4), view, np.float16) + np.arange(20, dtype=np.float16)[:, None] * 10 for view in (0, 1, 2)])
vectors = batches.VectorBatches(views, labels, base, 2)
inputs, targets = vectors[0]
seen["vector_dtype"] = str(inputs.dtype)
seen["views"] = sorted({int(value) % 10 for value in inputs[:, 0]})
seen["vector_labels_fit"] = all(int(t.argmax()) == int(labels[int(v[0]) // 10]) for v, t in zip(inputs, targets))
try:
    batches.PhotoBatches(photos, labels, base.replace(batch_size=32), 2)
except SettingsError as error:
    seen["refused"] = str(error)
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    """What a process with Keras saw of twenty one-coloured photos: fifteen of class 0, five of class 1."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(20):
        Image.new("RGB", (80, 100), (number * 10, 90, 60)).save(folder / f"{number:02d}.jpg", quality=95)
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, str(folder)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_batch_of_photos_has_the_size_of_the_settings(seen):
    """Twenty photos make two steps of eight; pictures and labels, and no weights where classes count alike."""
    assert seen["steps"] == 2
    assert seen["shape"] == [8, 64, 64, 3]
    assert seen["dtype"] == "uint8"
    assert seen["parts"] == 2


def test_every_epoch_has_an_order_of_its_own_that_can_be_repeated(seen):
    """Another epoch, another order; another process, the same. No photo comes twice in an epoch."""
    assert seen["epochs_differ"]
    assert seen["same_again"]
    assert seen["no_photo_twice"]


def test_photos_keep_their_labels(seen):
    """Shuffling moves both together, for photos and for vectors."""
    assert seen["labels_fit"]
    assert seen["vector_labels_fit"]


def test_changes_are_random_and_can_be_repeated(seen):
    """Augmented batches differ from plain ones, and not from themselves."""
    assert seen["changed"]
    assert seen["changed_again"]


def test_rare_classes_weigh_more(seen):
    """With full class weights, fifteen pictures of one class weigh as much as five of the other, 1 on average."""
    assert seen["weights"] == [[0, 0.6667], [1, 2.0]]


def test_of_stored_views_one_is_taken_at_random(seen):
    """A batch holds vectors of several views, as float32."""
    assert seen["vector_dtype"] == "float32"
    assert len(seen["views"]) >= 2
    assert np.isin(seen["views"], (0, 1, 2)).all()


def test_a_batch_larger_than_the_training_set_is_refused_in_words(seen):
    """Twenty photos make no batch of 32: an epoch would have no step."""
    assert seen["refused"].startswith("`batch_size` must be at most the number of training pictures, 20.")
    assert "Received: batch_size=32." in seen["refused"]
