"""Convolution and pooling do what they are said to do, and a network computed with them answers as LiteRT does."""

import io
import zipfile

import numpy as np
import pytest

from fashion import convolution, runs, sketches
from fashion.errors import ModelError
from fashion.predictor import Interpreter
from fashion.settings import RunSettings


def test_a_kernel_slides_without_hanging_over_the_edge():
    """Each output number is the sum of nine products, worked out by hand here."""
    image = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], np.uint8)
    kernel = np.array([[0, 1, 0], [0, 0, 2], [0, 0, 0]])

    output = convolution.convolve(image, kernel)

    assert output.tolist() == [[2 + 2 * 7, 3 + 2 * 8]]


def test_one_position_adds_up_to_the_number_of_the_whole():
    """What is written out for one position is that position's number in the output."""
    image = sketches.draw(0, 1)
    kernel = np.array(convolution.KERNELS["Vertical edges"])

    one = convolution.step(image, kernel, 9, 11)

    assert one.pixels.tolist() == image[9:12, 11:14].tolist()
    assert one.total == convolution.convolve(image, kernel)[9, 11]


def test_the_sum_is_written_out_without_its_result():
    """Nine terms for the student to add; a negative number stands in brackets."""
    image = np.arange(9, dtype=np.uint8).reshape(3, 3)
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])

    words = convolution.in_words(convolution.step(image, kernel, 0, 0), kernel)

    assert words.startswith("0 x (-1) + 1 x 0 + 2 x 1 + 3 x (-2)")
    assert words.count("+") == 8


@pytest.mark.parametrize(("row", "column"), [(2, 0), (0, 2), (-1, 0)])
def test_a_window_beyond_the_picture_is_refused(row, column):
    """Both numbers are told."""
    with pytest.raises(ValueError, match=f"row={row}, column={column}"):
        convolution.step(np.zeros((4, 4)), np.zeros((3, 3)), row, column)


@pytest.mark.parametrize("name", ["Vertical edges", "Horizontal edges", "All edges"])
def test_edge_kernels_answer_nothing_to_an_even_colour(name):
    """Their numbers add up to zero."""
    output = convolution.convolve(np.full((5, 5), 200, np.uint8), np.array(convolution.KERNELS[name]))

    assert np.abs(output).max() == 0


def test_pooling_keeps_the_largest_of_each_square():
    """An odd last row or column is dropped."""
    image = np.array([[1, 2, 9], [3, 4, 9], [9, 9, 9]])

    assert convolution.pool(image).tolist() == [[4]]
    assert convolution.pool(np.stack([image, -image], axis=-1)).tolist() == [[[4, -1]]]


def test_numbers_become_grey_from_lowest_to_highest():
    """An even map is middle grey instead of a division by zero."""
    assert convolution.as_grey(np.array([-1.0, 0.0, 1.0])).tolist() == [0, 128, 255]
    assert convolution.as_grey(np.zeros(2)).tolist() == [128, 128]


def test_a_strided_convolution_looks_at_every_second_place():
    """Of the three places that are missing around a 4x4 picture, one is before it and two are behind, as in Keras."""
    values = np.arange(16.0).reshape(4, 4, 1)
    kernel = np.zeros((5, 5, 1, 1))
    kernel[1, 1, 0, 0] = 1.0  # copies the place at which each window begins within the picture

    output = convolution.convolve_channels(values, kernel, stride=2)

    assert output[..., 0].tolist() == [[0.0, 2.0], [8.0, 10.0]]


@pytest.mark.skipif(
    not (runs.SHIPPED / "fashion-mnist" / "model.keras").exists(), reason="no shipped model is here"
)
@pytest.mark.parametrize("label", [0, 5, 9])
def test_the_network_in_numpy_answers_as_its_exported_file(label):
    """Residual blocks, normalisations and all: the same probabilities up to the export's 16-bit weights."""
    run = runs.find("fashion-mnist")
    network = convolution.SmallNetwork(run)
    image = sketches.draw(label, 4)

    maps = network.forward(image)

    expected = Interpreter(run.folder / "model.tflite").predict(image[None])[0]
    np.testing.assert_allclose(maps[-1].values, expected, atol=2e-3)
    assert maps[0].values.shape == (28, 28, 36)
    assert network.filters.shape == (36, 3, 3)


def test_photo_networks_are_not_computed_here():
    """They have millions of weights and other layers."""
    run = runs.create(RunSettings(dataset="clothing", architecture="mobilenetv2-035", image_size=96))

    with pytest.raises(ModelError, match="for small pictures only"):
        convolution.SmallNetwork(run)


@pytest.mark.parametrize("content", ["no zip", "empty zip"])
def test_a_damaged_model_file_is_told(content):
    """Neither a wrong file nor one without weights is an exception of Python's."""
    run = runs.create(RunSettings(architecture="softmax"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w"):
        pass
    (run.folder / "model.keras").write_bytes(b"abc" if content == "no zip" else buffer.getvalue())

    with pytest.raises(ModelError, match="must hold its weights"):
        convolution.SmallNetwork(run)
