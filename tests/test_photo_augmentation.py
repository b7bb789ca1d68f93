"""Random changes to photos do what they say, and no more."""

import numpy as np
import pytest
from PIL import Image

from fashion import photo_augmentation, squares
from fashion.photo_augmentation import PhotoAugmentation, mix


@pytest.fixture
def photo() -> Image.Image:
    """Left dark red, right light blue, a green band on top; 120 by 160."""
    pixels = np.empty((160, 120, 3), np.uint8)
    pixels[:, :60], pixels[:, 60:] = (120, 20, 20), (150, 180, 250)
    pixels[:30] = (20, 200, 20)
    return Image.fromarray(pixels)


def _views(
    augmentation: PhotoAugmentation, photo: Image.Image, count: int = 40, side: int = 48
) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.stack([augmentation(photo, side, rng) for _ in range(count)]).astype(int)


def test_nothing_chosen_is_the_square_that_prediction_uses(photo):
    """Without any change the view is the middle square, up to resampling at the edges of colours."""
    view = PhotoAugmentation()(photo, 48, np.random.default_rng(0)).astype(int)

    assert PhotoAugmentation().none
    assert np.abs(view - squares.square(photo, 48)).mean() < 4


def test_half_of_the_photos_are_mirrored(photo):
    """A flipped view has the red side on the right, and nothing else differs."""
    views = _views(PhotoAugmentation(flip=True), photo, 200)
    mirrored = views[:, 40, 44, 0] < views[:, 40, 4, 0]

    assert 70 <= mirrored.sum() <= 130
    assert np.abs(views[mirrored][0][:, ::-1] - views[~mirrored][0]).mean() < 4


def test_cropping_takes_other_parts(photo):
    """Some views have none of the green band, some have more of it than the middle square."""
    green = (_views(PhotoAugmentation(crop=0.5), photo)[..., 1] > 190).mean(axis=(1, 2))
    middle = (squares.square(photo, 48)[..., 1] > 190).mean()

    assert green.min() == 0
    assert green.max() > 1.3 * middle


def test_turning_moves_the_corners_only_so_far(photo):
    """The middle stays in place; the corners of some views show the mean colour."""
    plain = Image.new("RGB", (100, 100), (200, 100, 50))
    pixels = np.asarray(plain).copy()
    pixels[45:55, 45:55] = 0
    views = _views(PhotoAugmentation(rotate=30), Image.fromarray(pixels), side=100)

    assert (views[:, 48:52, 48:52] < 30).all()
    assert (np.abs(views[:, 20:30, 20:30] - (200, 100, 50)) <= 3).all()


def test_other_light_keeps_the_places(photo):
    """Colours change between views; where they change within a view does not."""
    views = _views(PhotoAugmentation(colour=0.4), photo)

    assert views[:, 40, 5].std(axis=0).min() > 3
    assert (np.abs(views[:, 20:, :20] - views[:, 30:31, 10:11]) <= 2).all()


def test_grey_stays_grey_but_for_warmth():
    """Brightness and contrast move all channels of a grey photo together; warmth parts them by a third of the amount."""
    grey = Image.new("RGB", (60, 60), (100, 100, 100))
    views = _views(PhotoAugmentation(colour=0.3), grey)[:, 30, 30]

    assert (views.max(axis=1) / views.min(axis=1)).max() < 1.1 / 0.9 + 0.03


def test_erasing_hides_a_rectangle_in_that_fraction(photo):
    """About half of the views have noise somewhere, from a fiftieth to a third of the picture."""
    plain = Image.new("RGB", (80, 80), (255, 255, 255))
    hidden = (_views(PhotoAugmentation(erase=0.5), plain, 200) != 255).any(axis=-1).mean(axis=(1, 2))

    assert 70 <= (hidden > 0).sum() <= 130
    assert hidden[hidden > 0].min() > 0.015
    assert hidden.max() < 0.35


def test_the_same_generator_gives_the_same_view(photo):
    """A resumed run sees what the uninterrupted one would have."""
    augmentation = PhotoAugmentation(flip=True, crop=0.3, rotate=10, colour=0.3, erase=0.5)
    first, second = (augmentation(photo, 32, np.random.default_rng(9)) for _ in range(2))

    assert (first == second).all()


def test_very_narrow_photos_can_be_cut():
    """A photo of 28 by 1,600 pixels gives a full square."""
    augmentation = PhotoAugmentation(flip=True, crop=0.7, rotate=45)
    rng = np.random.default_rng(1)

    assert all(
        augmentation(Image.new("RGB", size), 64, rng).shape == (64, 64, 3)
        for size in [(28, 1600), (1600, 28)]
    )


def test_mixing_changes_pictures_and_labels_in_proportion():
    """White pictures of one class mixed with black ones of another: the label's share is the share of white."""
    images = np.zeros((8, 40, 40, 3), np.uint8)
    images[:4] = 255
    targets = np.zeros((8, 2), np.float32)
    targets[:4, 0] = targets[4:, 1] = 1
    kinds = set()

    for seed in range(30):
        mixed, labels = mix(images, targets, 1.0, np.random.default_rng(seed))
        assert labels.sum(axis=1) == pytest.approx(1.0)
        assert mixed.mean(axis=(1, 2, 3)) / 255 == pytest.approx(labels[:, 0], abs=0.01)
        kinds.add(set(np.unique(mixed)) <= {0, 255})

    assert kinds == {True, False}  # pasted and blended


def test_without_mixing_the_batch_is_the_same():
    """A chance of nothing changes nothing."""
    images, targets = np.zeros((2, 8, 8, 3), np.uint8), np.eye(2, dtype=np.float32)

    mixed, labels = mix(images, targets, 0.0, np.random.default_rng(0))

    assert mixed is images
    assert labels is targets
    assert photo_augmentation.PhotoAugmentation(flip=False).none
