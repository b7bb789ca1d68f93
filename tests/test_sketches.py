"""Drawn garments: what a picture looks like, that seeds decide it, and that the classes can be told apart."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion import sketches

ROOT = Path(__file__).parents[1]
LABELS = range(10)
SHOES = (5, 7, 9)  # sandal, sneaker, ankle boot
DIGEST_SCRIPT = """
import hashlib
from fashion import sketches
images, labels = sketches.generate(40, 7)
colour = sketches.draw_colour(8, 3, 64).tobytes()
print(hashlib.sha256(images.tobytes() + labels.tobytes() + colour).hexdigest())
"""


@pytest.mark.parametrize("label", LABELS)
def test_a_drawing_is_28x28_grey_on_black(label):
    """The corners are background (a square bag may reach the lower ones), and the garment can be seen."""
    for seed in range(20):
        image = sketches.draw(label, seed)
        assert image.shape == (28, 28)
        assert image.dtype == np.uint8
        assert not image[0, [0, -1]].any()
        assert not image[-1, [0, -1]].any() or label == 8
        assert image.max() > 60
        assert 0.08 < (image > 20).mean() < 0.9


@pytest.mark.parametrize("label", LABELS)
def test_the_longest_edge_fills_the_frame_and_the_garment_is_centred(label):
    """Fashion-MNIST scales the longest edge to 28 pixels and centres the garment."""
    for seed in range(20):
        rows, columns = np.nonzero(sketches.draw(label, seed))
        assert max(np.ptp(rows), np.ptp(columns)) >= 26
        assert abs(rows.min() + rows.max() - 27) <= 2
        assert abs(columns.min() + columns.max() - 27) <= 2


def test_trousers_are_tall_and_shoes_wide():
    """Mean proportions point the way they do in Fashion-MNIST."""

    def mean_height_and_width(label):
        covered = np.stack([sketches.draw(label, seed) for seed in range(30)]) > 20
        return covered.any(axis=2).sum(axis=1).mean(), covered.any(axis=1).sum(axis=1).mean()

    height, width = mean_height_and_width(1)
    assert height > 1.8 * width
    height, width = mean_height_and_width(7)
    assert width > 1.6 * height


@pytest.mark.parametrize("label", SHOES)
def test_the_toe_points_left(label):
    """The upper third of a shoe, its ankle side, lies right of the middle."""
    for seed in range(20):
        image = sketches.draw(label, seed).astype(float)
        rows = np.nonzero(image.any(axis=1))[0]
        upper = image[rows[0] : rows[0] + max(1, len(rows) // 3)]
        if label == 5 and len(rows) < 10:  # a slide has its strap at the toes
            continue
        assert (upper.sum(axis=0) * np.arange(28)).sum() / upper.sum() > 14


def test_another_process_draws_the_same_bytes():
    """Nothing depends on the process, such as the random seed of Python's hash()."""
    images, labels = sketches.generate(40, 7)
    colour = sketches.draw_colour(8, 3, 64).tobytes()
    expected = hashlib.sha256(images.tobytes() + labels.tobytes() + colour).hexdigest()
    done = subprocess.run(
        [sys.executable, "-c", DIGEST_SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("label", LABELS)
def test_every_seed_gives_another_picture(label):
    """Fifty seeds give fifty different pictures."""
    assert len({sketches.draw(label, seed).tobytes() for seed in range(50)}) == 50


def test_generate_gives_balanced_shuffled_classes():
    """Class sizes differ by one at most and labels are not in order."""
    images, labels = sketches.generate(104, 5)
    assert images.shape == (104, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert sorted(np.bincount(labels, minlength=10)) == [10] * 6 + [11] * 4
    assert (np.diff(labels.astype(int)) < 0).any()


def test_generate_with_another_seed_shares_no_picture():
    """Train and test sets made from two seeds do not overlap."""
    first = {image.tobytes() for image in sketches.generate(100, 1)[0]}
    second = {image.tobytes() for image in sketches.generate(100, 2)[0]}
    assert len(first) == 100
    assert not first & second


def test_generate_zero_images_is_empty():
    """An empty dataset keeps its shape."""
    images, labels = sketches.generate(0, 1)
    assert images.shape == (0, 28, 28)
    assert labels.shape == (0,)


@pytest.mark.parametrize("label", [-1, 10])
def test_an_unknown_label_is_refused_in_words(label):
    """The message says what is allowed and what was received."""
    with pytest.raises(ValueError, match=f"label must be from 0 to 9. Received: label={label}"):
        sketches.draw(label, 0)


def test_negative_seeds_and_counts_are_refused_in_words():
    """NumPy would answer with a message about bit generators."""
    with pytest.raises(ValueError, match="seed must be a whole number from 0 up. Received: seed=-1"):
        sketches.draw(0, -1)
    with pytest.raises(ValueError, match="Received: num_images=-5, seed=0"):
        sketches.generate(-5, 0)
    with pytest.raises(ValueError, match="Received: size=27"):
        sketches.draw_colour(0, 0, 27)


@pytest.mark.parametrize("label", LABELS)
def test_the_colour_picture_has_a_light_plain_background(label):
    """All four edges are light, even and free of the garment."""
    picture = sketches.draw_colour(label, 4, 90)
    assert picture.mode == "RGB"
    assert picture.size == (90, 90)
    pixels = np.asarray(picture)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert edges.min() > 220
    assert np.ptp(edges, axis=0).max() < 12


@pytest.mark.parametrize("label", LABELS)
def test_the_colour_picture_is_the_negative_of_the_grey_one(label):
    """Cropped to the frame, shrunk and negated by Pillow, it agrees with the 28x28 drawing."""
    grey = sketches.draw(label, 6).astype(float)
    photo = sketches.draw_colour(label, 6, 300).convert("L").crop((27, 27, 273, 273))
    negative = 255.0 - np.asarray(photo.resize((28, 28), Image.Resampling.BOX))
    assert np.corrcoef(grey.ravel(), negative.ravel())[0, 1] > 0.95


def test_colour_pictures_are_coloured_and_differ():
    """Ten seeds give ten pictures, most of them clearly not grey."""
    pictures = [np.asarray(sketches.draw_colour(0, seed, 60)).astype(int) for seed in range(10)]
    assert len({picture.tobytes() for picture in pictures}) == 10
    colourfulness = [np.ptp(picture, axis=2).max() for picture in pictures]
    assert np.median(colourfulness) > 50


def test_the_nearest_class_mean_names_a_fresh_set_of_seeds():
    """The classes differ enough, and consistently enough, for the plainest of classifiers."""
    images, labels = sketches.generate(1200, 11)
    fresh_images, fresh_labels = sketches.generate(400, 12)
    means = np.stack([images[labels == label].mean(axis=0) for label in LABELS])
    distances = ((fresh_images[:, None] - means) ** 2).sum(axis=(2, 3))
    assert (distances.argmin(axis=1) == fresh_labels).mean() > 0.8
