"""A photo's answer is the network's on the very square it was given, calibrated, with where it looked."""

import numpy as np
import photo_models
import pytest
from photo_models import BLUE, GREEN, RED, SIDE, ColourNetwork
from PIL import Image

from fashion import answers, evaluation, photos, runs, sketches, squares
from fashion.errors import ModelError
from fashion.predictor import Predictor


@pytest.fixture(autouse=True)
def _colour_network(monkeypatch):
    photo_models.install(monkeypatch)
    monkeypatch.setattr(ColourNetwork, "largest_batch", 0)


def _two_colours(left: tuple, right: tuple) -> Image.Image:
    image = Image.new("RGB", (200, 200), left)
    image.paste(right, (100, 0, 200, 200))
    return image


# The predictor with two outputs


@pytest.mark.parametrize(("colour", "label"), photo_models.MEANS.items())
def test_the_probabilities_are_the_output_with_fewer_axes(colour, label):
    """The map comes first in the file, and is not taken for them."""
    model = Predictor(photo_models.make_run())
    image = np.full((SIDE, SIDE, 3), colour, np.uint8)

    look = model.look(image)

    assert model.sees_photos
    assert look.probabilities.shape == (10,)
    assert look.feature_map.shape == (4, 4, 3)
    assert look.vector == pytest.approx(np.array(colour) / 255, abs=1e-5)
    assert model.classes[model.predict(image[None])[0].argmax()] == label


def test_photos_are_asked_few_at_a_time():
    """Forty photos of 64 pixels are never in the network together, and none is lost or exchanged."""
    model = Predictor(photo_models.make_run())
    images = np.random.default_rng(1).integers(0, 256, (40, SIDE, SIDE, 3), np.uint8)

    together = model.predict(images)

    assert ColourNetwork.largest_batch <= 4
    assert together == pytest.approx(
        np.stack([model.look(image).probabilities for image in images]), abs=1e-6
    )


def test_a_model_made_so_judges_the_mirror_image_too():
    """The mean of two answers, whichever way the photo lies."""
    model = Predictor(photo_models.make_run(mirror=True))
    plain = Predictor(photo_models.make_run("20260102-120000-photo-0002"))
    image = squares.square(_two_colours(RED, BLUE), SIDE)
    both = plain.predict(np.stack([image, image[:, ::-1]]))
    assert np.abs(both[0] - both[1]).max() > 0.001

    assert model.predict(image[None])[0] == pytest.approx(both.mean(axis=0), abs=1e-6)
    assert model.look(image).probabilities == pytest.approx(both.mean(axis=0), abs=1e-6)
    assert model.look(image[:, ::-1]).probabilities == pytest.approx(both.mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("shape", [(28, 28), (SIDE, SIDE), (SIDE + 1, SIDE + 1, 3)])
def test_a_photo_of_another_shape_is_refused(shape):
    """Both ways of asking name both shapes."""
    model = Predictor(photo_models.make_run())

    for ask in (model.look, lambda image: model.predict(image[None])):
        with pytest.raises(ModelError, match=r"pictures of shape \(64, 64, 3\)"):
            ask(np.zeros(shape, np.uint8))


def test_no_photos_give_no_predictions():
    """Also where each is judged twice."""
    for number, mirror in enumerate((False, True)):
        model = Predictor(photo_models.make_run(f"20260102-120000-photo-000{number}", mirror=mirror))
        assert model.predict(np.zeros((0, SIDE, SIDE, 3), np.uint8)).shape == (0, 10)


def test_a_damaged_head_is_told_when_the_model_is_loaded():
    """Not later, in the middle of an answer."""
    run = photo_models.make_run()
    (run.folder / "head.npz").write_bytes(b"damaged")

    with pytest.raises(ModelError, match="head.npz"):
        Predictor(run)


# The answer


def test_what_is_told_is_calibrated():
    """The card's temperature changes the probabilities told, and not the answer."""
    image = _two_colours(RED, GREEN).resize((90, 120))
    plain = answers.of_photo(Predictor(photo_models.make_run()), image).prediction
    warm = answers.of_photo(
        Predictor(photo_models.make_run("20260102-120000-photo-0002", temperature=2.0)), image
    ).prediction

    expected = evaluation.apply_temperature(np.array([[p for _, p in plain.top]]), 2.0)[0]
    assert [label for label, _ in warm.top][:2] == [label for label, _ in plain.top][:2]
    assert [p for _, p in warm.top] == pytest.approx(expected, abs=1e-5)
    assert warm.probability < plain.probability


def test_the_answer_shows_the_square_and_where_it_lies():
    """Of a photo 120 x 160, the middle 120 x 120; red outside of it does not count."""
    model = Predictor(photo_models.make_run())
    image = Image.new("RGB", (120, 160), RED)
    image.paste(BLUE, (0, 20, 120, 140))

    answer = answers.of_photo(model, image)

    assert answer.box == (0, 20, 120, 140)
    assert answer.pixels.shape == (SIDE, SIDE, 3)
    assert answer.prediction.label == "shoes"
    assert np.abs(answer.pixels[4:-4].astype(int) - BLUE).max() <= 1  # the outermost rows touch the red


def test_the_evidence_lies_where_the_colour_is():
    """Half red, half green: dress on the left, hat on the right."""
    model = Predictor(photo_models.make_run())

    answer = answers.of_photo(model, _two_colours(RED, GREEN))

    dress, hat = (answer.evidence[model.classes.index(name)] for name in ("dress", "hat"))
    assert (dress[:, :2] > 1).all()
    assert (dress[:, 2:] < 1).all()
    assert (hat[:, 2:] > dress[:, 2:]).all()
    assert answer.change is not None


def test_a_grey_model_answers_as_it_always_did(tiny_run):
    """Through the 28x28 preparation, with its steps, and without evidence until it is asked for."""
    model = Predictor(tiny_run)
    image = sketches.draw_colour(1, 3, 300)

    answer = answers.of_photo(model, image)

    prepared = photos.prepare(image)
    assert np.array_equal(answer.pixels, prepared.result)
    assert len(answer.steps) == 6
    assert answer.prediction == model.describe(model.predict(prepared.result[None])[0])
    assert answer.evidence is None
    assert answers.occluded(model, answer).shape == (10, 9, 9)


def test_a_kept_photo_is_small_and_of_the_same_form():
    """The shorter side has at most 480 pixels; smaller photos stay the very same."""
    small = Image.new("RGB", (300, 500))

    assert answers.kept(Image.new("RGB", (1600, 1200))).size == (640, 480)
    assert answers.kept(Image.new("RGB", (1600, 200))).size == (1600, 200)
    assert answers.kept(small) is small


def test_a_kept_photo_gives_nearly_the_same_28x28_pixels():
    """Reduced in two steps instead of one: less than three levels of 255 on average, for a patterned bag."""
    whole = sketches.draw_colour(8, 5, 900)

    pixels = photos.prepare(answers.kept(whole)).result.astype(int)

    assert np.abs(pixels - photos.prepare(whole).result).mean() < 3


# Which models there are


def test_photo_models_come_before_the_others(tiny_run, monkeypatch, tmp_path):
    """The shipped one for photos, then runs on photos, then the shipped 28x28 model, then other runs."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")
    photo_models.make_run("20250101-120000-photo-0001")
    assert [one.run.id for one in answers.models()] == ["20250101-120000-photo-0001", tiny_run.id]

    photo_models.make_run("clothing", folder=tmp_path / "models")
    photo_models.make_run("fashion-mnist", folder=tmp_path / "models")

    assert [one.run.id for one in answers.models()] == [
        "clothing",
        "20250101-120000-photo-0001",
        "fashion-mnist",
        tiny_run.id,
    ]
