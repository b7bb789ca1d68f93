"""Augmentation against NumPy's and Pillow's own flips, moves and turns, and against its stated ranges."""

import numpy as np
import pytest
from PIL import Image

from fashion import augmentation
from fashion.augmentation import Augmentation

SWITCHED_OFF = {"flip": False, "shift": 0, "rotate": 0.0, "zoom": 0.0, "erase": 0.0}


def augment(images, *, rng, fill=0, **how):
    return Augmentation(**how)(images, rng, fill=fill)


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def warp(picture, *, flip=False, right=0, down=0, degrees=0.0, scale=1.0, fill=0):
    """One grey picture through the interpolation with given parameters."""
    changed = augmentation._warp(
        picture[None, :, :, None],
        np.array([flip]),
        np.array([[right], [down]]),
        np.array([degrees]),
        np.array([scale]),
        fill,
    )
    return changed[0, :, :, 0]


def test_nothing_switched_on_returns_an_equal_copy():
    """With everything off, the result equals the input and shares no memory with it."""
    images = noise((3, 5, 7))

    changed = augment(images, **SWITCHED_OFF, rng=np.random.default_rng(0))

    np.testing.assert_array_equal(changed, images)
    assert not np.shares_memory(changed, images)


@pytest.mark.parametrize("shape", [(9, 28, 28), (9, 12, 20), (9, 20, 12, 3), (2, 100, 120, 3), (1, 4, 4, 1)])
@pytest.mark.parametrize("zoom", [0.0, 0.2])
def test_shape_and_dtype_are_kept_and_the_input_is_not_touched(shape, zoom):
    """Any height, width and number of channels goes in and comes out; the given array stays as it was."""
    images = noise(shape)
    before = images.copy()

    changed = augment(
        images, flip=True, shift=2, rotate=30 * zoom, zoom=zoom, erase=0.5, rng=np.random.default_rng(1)
    )

    assert changed.shape == shape
    assert changed.dtype == np.uint8
    assert not np.shares_memory(changed, images)
    np.testing.assert_array_equal(images, before)


def test_an_empty_batch_stays_empty():
    """No pictures in, no pictures out."""
    everything = Augmentation(flip=True, shift=1, rotate=5, zoom=0.1, erase=1.0)

    assert everything(np.zeros((0, 28, 28), np.uint8), np.random.default_rng(0)).shape == (0, 28, 28)


@pytest.mark.parametrize("shape", [(2000, 4, 3), (2000, 3, 4, 3)])
def test_flip_gives_each_picture_or_its_mirror_image_half_the_time(shape):
    """Every result is the picture or np.flip of it, about as often."""
    images = noise(shape)

    changed = augment(images, **SWITCHED_OFF | {"flip": True}, rng=np.random.default_rng(0))

    kept = np.array([np.array_equal(a, b) for a, b in zip(changed, images, strict=True)])
    mirrored = np.array([np.array_equal(a, np.flip(b, axis=1)) for a, b in zip(changed, images, strict=True)])
    assert np.all(kept ^ mirrored)
    assert 910 < mirrored.sum() < 1090  # four standard deviations of 22 around 1000


@pytest.mark.parametrize("shape", [(300, 9, 8), (300, 9, 8, 3)])
def test_shift_is_a_roll_within_a_margin_and_reaches_every_offset(shape):
    """A picture with an empty margin comes back as np.roll of itself, in all 25 moves of up to two pixels."""
    images = np.zeros(shape, np.uint8)
    images[:, 2:-2, 2:-2] = noise(images[:, 2:-2, 2:-2].shape) | 1

    changed = augment(images, **SWITCHED_OFF | {"shift": 2}, rng=np.random.default_rng(0))

    moves = set()
    for before, after in zip(images, changed, strict=True):
        found = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if np.array_equal(after, np.roll(before, (down, right), axis=(0, 1)))
        ]
        assert len(found) == 1
        moves.add(found[0])
    assert len(moves) == 25


def test_what_leaves_the_picture_is_lost_and_the_gap_is_filled():
    """Moved by one to the right and two down: no pixel comes in again on the other side."""
    picture = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)

    moved = augmentation._flip_and_move(
        picture[None, :, :, None], np.array([False]), np.array([[1], [2]]), fill=200
    )

    np.testing.assert_array_equal(moved[0, :, :, 0], [[200, 200, 200], [200, 200, 200], [200, 1, 2]])


def test_mirroring_comes_before_moving():
    """A mirrored picture moves to the right for a positive move, like any other."""
    picture = np.array([[1, 2, 3]], np.uint8)

    moved = augmentation._flip_and_move(
        picture[None, :, :, None], np.array([True]), np.array([[1], [0]]), fill=0
    )

    np.testing.assert_array_equal(moved[0, :, :, 0], [[0, 3, 2]])


@pytest.mark.parametrize(
    ("flip", "right", "down"), [(False, 0, 0), (True, 0, 0), (False, 3, -2), (True, -1, 4)]
)
@pytest.mark.parametrize("fill", [0, 255])
def test_interpolation_without_turn_and_scale_equals_the_exact_copy(flip, right, down, fill):
    """With rotate or zoom on but drawn as nothing, not a single pixel changes its value."""
    picture = noise((11, 14))

    exact = augmentation._flip_and_move(
        picture[None, :, :, None], np.array([flip]), np.array([[right], [down]]), fill
    )

    np.testing.assert_array_equal(
        warp(picture, flip=flip, right=right, down=down, fill=fill), exact[0, :, :, 0]
    )


@pytest.mark.parametrize("size", [28, 31])
@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_quarter_turn_is_exactly_rot90(size, quarter_turns):
    """Ninety degrees are counter-clockwise and about the exact centre, for even and odd sides."""
    picture = noise((size, size))

    np.testing.assert_array_equal(warp(picture, degrees=90 * quarter_turns), np.rot90(picture, quarter_turns))


@pytest.mark.parametrize(
    ("flip", "right", "down", "degrees", "scale"),
    [
        (False, 0, 0, 7.5, 1.0),
        (False, 0, 0, -170.0, 1.0),
        (False, 0, 0, 0.0, 1.15),
        (False, 0, 0, 0.0, 0.55),
        (True, 3, -2, 21.0, 0.8),
        (True, -5, 1, -33.0, 1.3),
    ],
)
@pytest.mark.parametrize("shape", [(28, 28), (31, 22)])
def test_all_changes_agree_with_pillow(shape, flip, right, down, degrees, scale):
    """Mirror, turn, scale and move, in this order, equal one inverse map given to Pillow's Image.transform.

    Pillow computes in floating point on a picture with a wide black margin, where it has no edges to decide
    about.
    """
    picture = (noise(shape) > 127) * np.uint8(255)  # black and white: nothing shows errors better
    margin = 40
    framed = np.pad(picture, margin)
    centre_y, centre_x = np.array(framed.shape) / 2  # Pillow measures from the corner of the first pixel
    to_centre = np.array([[1, 0, -centre_x], [0, 1, -centre_y], [0, 0, 1]])
    mirror = np.diag([-1.0 if flip else 1.0, 1.0, 1.0])
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    enlarge = np.diag([scale, scale, 1.0])
    back = np.array([[1, 0, centre_x + right], [0, 1, centre_y + down], [0, 0, 1]])
    inverse = np.linalg.inv(back @ enlarge @ turn @ mirror @ to_centre)

    transformed = Image.fromarray(framed.astype(np.float32)).transform(
        framed.shape[::-1], Image.Transform.AFFINE, inverse[:2].ravel(), Image.Resampling.BILINEAR
    )
    expected = np.asarray(transformed)[margin:-margin, margin:-margin]

    changed = warp(picture, flip=flip, right=right, down=down, degrees=degrees, scale=scale)
    assert np.abs(changed - expected).max() < 1.5
    assert abs((changed - expected).mean()) < 0.06  # rounded to the nearest, not cut off


def test_a_picture_of_the_fill_colour_stays_it_everywhere():
    """Filling leaves no seam: white pictures filled with white stay white, at each place in a batch."""
    images = np.full((50, 28, 28), 255, np.uint8)

    changed = Augmentation(shift=5, rotate=45, zoom=0.5)(images, np.random.default_rng(0), fill=255)

    assert changed.min() == 255


def test_the_neighbour_in_the_batch_never_shows():
    """Black pictures between white ones stay black, however far out a place lies."""
    images = np.zeros((60, 28, 28), np.uint8)
    images[::2] = 255

    changed = Augmentation(shift=9, rotate=180, zoom=0.5)(images, np.random.default_rng(0))

    assert changed[1::2].max() == 0
    assert changed[::2].max(axis=(1, 2)).min() == 255


def test_colour_pictures_change_like_three_grey_ones():
    """Each channel of a colour picture becomes what it would become alone."""
    images = noise((30, 28, 28, 3))
    change = Augmentation(flip=True, shift=3, rotate=20, zoom=0.2)

    together = change(images, np.random.default_rng(4))

    for channel in range(3):
        alone = change(np.ascontiguousarray(images[..., channel]), np.random.default_rng(4))
        np.testing.assert_array_equal(together[..., channel], alone)


@pytest.mark.parametrize("chunk_pixels", [1, 784 * 7, 10**6])
def test_the_size_of_a_chunk_changes_nothing(monkeypatch, chunk_pixels):
    """One picture at a time, a last chunk that is not full, and all at once give the same bytes."""
    images = noise((30, 28, 28))
    change = Augmentation(rotate=20, zoom=0.2)
    expected = change(images, np.random.default_rng(4))

    monkeypatch.setattr(augmentation, "_CHUNK_PIXELS", chunk_pixels)

    np.testing.assert_array_equal(change(images, np.random.default_rng(4)), expected)


def test_zoom_changes_the_size_within_its_limits():
    """A 20-pixel square comes back 16 to 24 pixels wide for zoom=0.2, and both ends are approached."""
    images = np.zeros((400, 40, 40), np.uint8)
    images[:, 10:30, 10:30] = 200

    changed = augment(images, **SWITCHED_OFF | {"zoom": 0.2}, rng=np.random.default_rng(0))

    sides = np.sqrt(changed.sum(axis=(1, 2)) / 200)
    assert 15.9 < sides.min() < 16.3
    assert 23.7 < sides.max() < 24.1


def test_rotation_stays_within_its_limits_both_ways():
    """The direction of a bar turns by up to 30 degrees either way, evenly."""
    images = np.zeros((300, 41, 41), np.uint8)
    images[:, 19:22, 6:35] = 255

    changed = augment(images, **SWITCHED_OFF | {"rotate": 30.0}, rng=np.random.default_rng(0)).astype(float)

    row, column = np.mgrid[-20:21, -20:21]
    spread_x, spread_y, both = ((changed * m).sum(axis=(1, 2)) for m in (column**2, row**2, -row * column))
    angles = np.rad2deg(0.5 * np.arctan2(2 * both, spread_x - spread_y))  # main axis from second moments
    assert -30.5 < angles.min() < -28
    assert 28 < angles.max() < 30.5
    assert abs(angles.mean()) < 4  # four standard errors of 17.3 / sqrt(300)


def test_erase_hides_one_rectangle_of_the_stated_size_in_the_stated_share_of_pictures():
    """Thirty percent of pictures lose one rectangle: 2 to 20 % of the area, aspect 0.3 to 3.3."""
    images = np.zeros((2000, 50, 50, 3), np.uint8)

    changed = augment(images, **SWITCHED_OFF | {"erase": 0.3}, rng=np.random.default_rng(0))

    hidden = (changed != 0).any(axis=-1)
    erased = hidden.any(axis=(1, 2))
    heights = hidden[erased].any(axis=2).sum(axis=1)
    widths = hidden[erased].any(axis=1).sum(axis=1)
    areas = heights * widths / 2500
    assert 0.26 < erased.mean() < 0.34
    np.testing.assert_array_equal(hidden[erased].sum(axis=(1, 2)), heights * widths)  # a full rectangle
    assert 0.015 < areas.min() < 0.03
    assert 0.19 < areas.max() < 0.215
    assert abs(areas.mean() - 0.11) < 0.01
    assert 0.25 < (heights / widths).min() < 0.4
    assert 2.5 < (heights / widths).max() < 4
    assert abs(np.log(heights / widths).mean()) < 0.12


def test_erased_rectangles_reach_every_pixel():
    """Corners are hidden too, and the noise covers all grey levels."""
    images = np.zeros((4000, 10, 12), np.uint8)

    changed = augment(images, **SWITCHED_OFF | {"erase": 1.0}, rng=np.random.default_rng(0))

    assert (changed != 0).any(axis=0).all()
    assert abs(changed[changed != 0].mean() - 128) < 2
    assert changed.max() == 255


def test_erasing_a_picture_leaves_the_rest_of_it_alone():
    """Outside the rectangle every pixel is as before."""
    images = noise((200, 28, 28))

    changed = augment(images, **SWITCHED_OFF | {"erase": 1.0}, rng=np.random.default_rng(0))

    for before, after in zip(images, changed, strict=True):
        rows, columns = np.nonzero(before != after)
        outside = np.ones((28, 28), bool)
        outside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = False
        assert 0.75 < outside.mean() < 1
        np.testing.assert_array_equal(after[outside], before[outside])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    """All randomness comes from the given generator."""
    images = noise((20, 28, 28))
    change = Augmentation(flip=True, shift=2, rotate=10, zoom=0.1, erase=0.5)

    first, again, other = (change(images, np.random.default_rng(seed)) for seed in (7, 7, 8))

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_switching_on_erase_leaves_the_other_changes_as_they_were():
    """A preview with the same seed keeps its moves when another slider is touched."""
    images = noise((40, 28, 28))
    moved = Augmentation(flip=True, shift=4)(images, np.random.default_rng(3))

    erased = Augmentation(flip=True, shift=4, erase=1.0)(images, np.random.default_rng(3))

    assert ((moved == erased).mean(axis=(1, 2)) > 0.75).all()


@pytest.mark.parametrize(
    "switched_on", [{"flip": True}, {"shift": 1}, {"rotate": 1.0}, {"zoom": 0.1}, {"erase": 0.1}]
)
def test_none_is_true_only_if_nothing_is_switched_on(switched_on):
    """The defaults do nothing; any one setting ends that."""
    assert Augmentation().none
    assert not Augmentation(**switched_on).none


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shift": -1}, "`shift` must be a whole number .* Received: shift=-1"),
        ({"shift": 1.5}, "`shift` must be a whole number"),
        ({"rotate": 181}, "`rotate` must be from 0 to 180, degrees. Received: rotate=181"),
        ({"zoom": 0.6}, "`zoom` must be from 0 to 0.5"),
        ({"zoom": float("nan")}, "`zoom` must be from 0 to 0.5"),
        ({"erase": -0.1}, "`erase` must be from 0 to 1, a probability"),
    ],
)
def test_settings_out_of_range_are_refused_in_words(settings, words):
    """The message names the setting, its range and what was received."""
    with pytest.raises(ValueError, match=words):
        Augmentation(**settings)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((2, 28, 28), np.float32), r"`images` must be uint8 .* Received: float32 \(2, 28, 28\)"),
        (np.zeros((28, 28), np.uint8), "`images` must be uint8 of shape"),
        (np.zeros((2, 0, 28), np.uint8), "`images` must be uint8 of shape"),
        (np.zeros((0, 2, 4097), np.uint8), "sides of at most 4096 pixels. Received: 2x4097"),
        (np.zeros((2, 28, 2), np.uint8), "`shift` must be shorter than both sides"),
    ],
)
def test_pictures_of_another_form_are_refused_in_words(images, words):
    """Another dtype, shape or size is refused, and so is a shift that could empty the picture."""
    with pytest.raises(ValueError, match=words):
        Augmentation(shift=2)(images, np.random.default_rng(0))


@pytest.mark.parametrize("fill", [-1, 256, 0.5])
def test_a_fill_that_is_no_grey_level_is_refused(fill):
    """Only whole numbers from 0 to 255 are grey levels."""
    with pytest.raises(ValueError, match="`fill` must be a whole number from 0 to 255"):
        Augmentation(shift=2)(noise((2, 28, 28)), np.random.default_rng(0), fill=fill)


def test_the_largest_picture_at_the_largest_zoom_does_not_overflow():
    """Places in a picture of 4096 pixels stay true at half size, where they lie furthest out."""
    across_x, across_y, down_x, down_y = augmentation._source_places(
        4096, 4096, np.array([True]), np.array([[4095], [-4095]]), np.array([135.0]), np.array([0.5])
    )
    reach = [
        np.abs(a.astype(float)).max() + np.abs(b.astype(float)).max()
        for a, b in ((across_x, down_x), (across_y, down_y))
    ]

    assert max(reach) < 2**31
    assert max(reach) > 2**29  # the case is a demanding one
