"""Where a network looked follows from its last map and layers exactly, and from covering parts of the picture."""

import time

import numpy as np
import pytest

from fashion import explain
from fashion.errors import ModelError
from fashion.explain import Head

rng = np.random.default_rng(7)
ONE = Head(((rng.normal(size=(6, 3)), rng.normal(size=3)),))
TWO = Head(
    ((rng.normal(size=(6, 8)), rng.normal(size=8)), (rng.normal(size=(8, 3)), rng.normal(size=3))),
)
MAP = rng.normal(size=(4, 5, 6)) + 0.5


def _score(head: Head, vector: np.ndarray, label: int) -> float:
    """The score of one class, number by number, written out without matrices."""
    values = list(vector)
    for number, (kernel, bias) in enumerate(head.layers):
        if number:
            values = [max(value, 0.0) for value in values]
        values = [
            sum(value * kernel[row, unit] for row, value in enumerate(values)) + bias[unit]
            for unit in range(kernel.shape[1])
        ]
    return values[label]


@pytest.mark.parametrize("head", [ONE, TWO], ids=["one layer", "two layers"])
def test_the_gradient_is_that_of_finite_differences(head):
    """Moving one number of the vector by a little moves the score by that much times the gradient."""
    vector = rng.normal(size=6)
    step = 1e-6

    for place in range(6):
        up, down = vector.copy(), vector.copy()
        up[place] += step
        down[place] -= step
        for label in range(3):
            measured = (_score(head, up, label) - _score(head, down, label)) / (2 * step)
            assert head.gradient(vector)[place, label] == pytest.approx(measured, abs=1e-5)


def test_a_unit_at_zero_lets_nothing_through():
    """Of two hidden units one is silenced by ReLU: only the other's weights count."""
    head = Head(
        (
            (np.array([[1.0, 2.0]]), np.array([0.0, -10.0])),
            (np.array([[3.0], [5.0]]), np.array([0.0])),
        )
    )

    assert head.gradient(np.array([1.0])) == pytest.approx(np.array([[3.0]]))
    assert head.gradient(np.array([6.0])) == pytest.approx(np.array([[3.0 + 2.0 * 5.0]]))


def test_the_map_of_a_class_is_the_weighted_sum_of_the_channels():
    """Zhou's class activation map, summed by hand."""
    maps = explain.activation_maps(MAP, ONE)

    kernel = ONE.layers[0][0]
    assert maps.shape == (3, 4, 5)
    assert maps.dtype == np.float32
    for label, row, column in np.ndindex(3, 4, 5):
        expected = sum(MAP[row, column, channel] * kernel[channel, label] for channel in range(6))
        assert maps[label, row, column] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("head", [ONE, TWO], ids=["one layer", "two layers"])
def test_the_places_add_up_to_the_score(head):
    """What all places say, averaged, is the score but for a number that is the same at a little distance too."""
    near = MAP.copy()
    near[1, 2] += 1e-4  # too little to wake or silence a unit

    def rest(feature_map: np.ndarray) -> np.ndarray:
        scores = head.logits(feature_map.mean(axis=(0, 1))[None])[0]
        return scores - explain.activation_maps(feature_map, head).mean(axis=(1, 2))

    assert rest(MAP) == pytest.approx(rest(near), abs=1e-4)
    if head is ONE:
        assert rest(MAP) == pytest.approx(head.layers[0][1], abs=1e-5)


def test_heat_counts_what_speaks_for_the_class_only():
    """Below zero is nothing, the most is one; a map without any evidence stays cold."""
    assert explain.heat(np.array([[-3.0, 1.0], [4.0, 0.0]])) == pytest.approx(np.array([[0, 0.25], [1, 0]]))
    assert (explain.heat(np.full((2, 2), -1.0)) == 0).all()


def test_an_enlarged_map_keeps_its_place_and_range():
    """The warm corner stays in its corner, without a seam and without leaving 0 to 1."""
    small = np.zeros((4, 4))
    small[0, 3] = 1.0

    large = explain.enlarged(small, 80, 60)

    assert large.shape == (80, 60)
    assert (large.min(), large.max()) == (0, pytest.approx(1, abs=0.01))
    row, column = np.unravel_index(large.argmax(), large.shape)
    assert (row < 20, column >= 45) == (True, True)
    assert np.abs(np.diff(large, axis=0)).max() < 0.1


def test_colours_grow_lighter_with_the_heat():
    """So that the order shows in grey too."""
    colours = explain.coloured(np.linspace(0, 1, 50)[None])
    lightness = colours[0] @ [0.299, 0.587, 0.114]

    assert colours.dtype == np.uint8
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize("shape", [(28, 28), (64, 64, 3)])
def test_covering_what_counts_costs_the_most(shape):
    """A network that looks at the lower right corner alone is found out."""
    image = np.zeros(shape, np.uint8)
    image[-6:, -6:] = 255

    def predict(images: np.ndarray) -> np.ndarray:
        seen = images.reshape(len(images), *shape[:2], -1)[:, -6:, -6:].mean(axis=(1, 2, 3)) / 255
        return np.stack([seen, 1 - seen], axis=1)

    maps = explain.occlusion_maps(predict, image)

    assert maps.shape == (2, 7, 7)
    assert np.unravel_index(maps[0].argmax(), (7, 7)) == (6, 6)
    assert maps[0, 6, 6] > 0.9
    assert (maps[0, :5, :5] == 0).all()
    assert maps[1] == pytest.approx(-maps[0], abs=1e-6)


def test_what_it_takes_to_change_the_answer():
    """Two places of nine say "a", seven weakly "b": without the loudest, "b" wins; counted one by one."""
    head = Head(((np.eye(2), np.zeros(2)),))
    feature_map = np.tile([0.0, 1.0], (3, 3, 1))
    feature_map[0, 0] = [6.0, 0.0]
    feature_map[2, 1] = [5.0, 0.0]

    change = explain.change_of_mind(feature_map, head)

    # All: a 11/9, b 7/9. Without 6.0: a 5/8, b 7/8.
    assert (change.num_left_out, change.num_places, change.label) == (1, 9, 1)


def test_an_answer_that_this_map_does_not_give_needs_nothing_left_out():
    """The mirror image decided for b, but the photo alone says a; were it b, the same places would change it as ever."""
    head = Head(((np.eye(2), np.zeros(2)),))
    feature_map = np.tile([2.0, 1.0], (3, 3, 1))

    assert explain.change_of_mind(feature_map, head, 1) == explain.ChangeOfMind(0, 9, 0)
    assert explain.change_of_mind(feature_map, head, 0) == explain.change_of_mind(feature_map, head)


def test_an_answer_that_every_place_agrees_on_does_not_change():
    """Nothing to leave out would help."""
    head = Head(((np.eye(2), np.zeros(2)),))

    assert explain.change_of_mind(np.tile([1.0, 0.0], (3, 3, 1)), head) is None


def test_a_head_is_read_from_its_file(tmp_path):
    """Kernels and biases by number, in the order of the layers."""
    arrays = {}
    for number, (kernel, bias) in enumerate(TWO.layers):
        arrays |= {f"kernel{number}": kernel, f"bias{number}": bias}
    np.savez(tmp_path / "head.npz", **arrays)

    head = Head.load(tmp_path / "head.npz")

    vector = rng.normal(size=(1, 6))
    assert head.logits(vector) == pytest.approx(TWO.logits(vector))


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"kernel0": np.zeros((4, 3))},
        {"kernel0": np.zeros((4, 3)), "bias0": np.zeros(2)},
        {
            "kernel0": np.zeros((4, 3)),
            "bias0": np.zeros(3),
            "kernel1": np.zeros((5, 2)),
            "bias1": np.zeros(2),
        },
        {"kernel0": np.array([{}], dtype=object), "bias0": np.zeros(3)},
    ],
    ids=["empty", "no bias", "bias of another size", "layers that do not join", "pickled"],
)
def test_a_damaged_head_is_told_in_words(tmp_path, arrays):
    """It names the file, and nothing in it is executed."""
    np.savez(tmp_path / "head.npz", **arrays)

    with pytest.raises(ModelError, match="head.npz must hold the dense layers"):
        Head.load(tmp_path / "head.npz")


def test_a_head_that_is_no_archive_is_told_in_words(tmp_path):
    """Cut off, or something else altogether."""
    (tmp_path / "head.npz").write_bytes(b"PK\x03\x04 and then nothing")

    with pytest.raises(ModelError, match="head.npz must hold the dense layers"):
        Head.load(tmp_path / "head.npz")


def test_a_map_of_a_shipped_size_takes_no_time():
    """All ten classes of a map of 10 x 10 places and 1,280 channels, and what it takes to change its mind: far
    below the 300 ms that a visitor would wait for."""
    head = Head(((rng.normal(size=(1280, 10)).astype(np.float32), np.zeros(10, np.float32)),))
    feature_map = rng.normal(size=(10, 10, 1280)).astype(np.float32)

    began = time.perf_counter()
    maps = explain.activation_maps(feature_map, head)
    for one in maps:
        explain.coloured(explain.enlarged(explain.heat(one), 72, 72))
    explain.change_of_mind(feature_map, head)

    assert time.perf_counter() - began < 0.3
