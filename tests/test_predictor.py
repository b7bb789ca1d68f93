"""Predictions come from the exported file alone; a damaged one is told, and what ships is what its card says."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from fashion import architectures, datasets, evaluation, predictor, runs, sketches
from fashion.errors import ModelError
from fashion.predictor import Predictor

SHIPPED = [run.id for run in runs.shipped()]
GREY = "fashion-mnist"
MAX_BYTES = {"fashion-mnist": 6_000_000, "clothing": 60_000_000}
MAX_LITERT_BYTES = 25_000_000


@pytest.fixture
def copied(tmp_path) -> runs.Run:
    """A copy of the shipped model for 28x28 pictures, to be damaged."""
    if GREY not in SHIPPED:
        pytest.skip("no model comes with this copy of the project")
    shutil.copytree(runs.SHIPPED / GREY, tmp_path / "copied")
    return runs.Run(tmp_path / "copied")


def _write_card(run: runs.Run, **files: bytes) -> None:
    """Replace the model, and make its card agree."""
    card = run.card()
    for data in files.values():
        (run.folder / "model.tflite").write_bytes(data)
        card["files"]["model.tflite"]["sha256"] = hashlib.sha256(data).hexdigest()
    (run.folder / "card.json").write_text(json.dumps(card))


def test_a_damaged_file_is_told_with_both_hashes(copied):
    """One changed byte is enough; what was expected, what came, and the remedy are named."""
    path = copied.folder / "model.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(ModelError, match="SHA-256") as caught:
        Predictor(copied)
    assert copied.card()["files"]["model.tflite"]["sha256"] in str(caught.value)
    assert hashlib.sha256(data).hexdigest() in str(caught.value)
    assert "restore it" in str(caught.value)


def test_a_file_that_its_card_does_not_know_is_told(copied):
    """As a run is left that was killed on the way from its test to its export."""
    card = copied.card()
    del card["files"]["model.tflite"]
    (copied.folder / "card.json").write_text(json.dumps(card))

    with pytest.raises(ModelError, match="must have SHA-256 in its card"):
        Predictor(copied)


@pytest.mark.parametrize("data", [b"", b"\x00" * 4096, b"not a model"], ids=["empty", "zeros", "text"])
def test_a_file_that_is_no_model_is_told_in_words(copied, data):
    """Even if its hash is the card's."""
    _write_card(copied, model=data)

    with pytest.raises(ModelError, match="must be a LiteRT model"):
        Predictor(copied)


@pytest.mark.parametrize("name", ["model.tflite", "card.json"])
def test_an_unfinished_run_cannot_predict(copied, name):
    """Either file alone is not enough."""
    (copied.folder / name).unlink()

    with pytest.raises(ModelError, match="must be a finished run"):
        Predictor(copied)


@pytest.mark.parametrize("shape", [(1, 32, 32), (28, 28), (1, 28, 28, 3)])
def test_pictures_of_another_shape_are_refused(copied, shape):
    """The message names both shapes."""
    with pytest.raises(ModelError, match=r"pictures of shape \(28, 28\)"):
        Predictor(copied).predict(np.zeros(shape, np.uint8))


def test_seventy_pictures_at_once_are_seventy_pictures_one_by_one(copied):
    """Work is done in portions: none is lost or exchanged at their border."""
    images, _ = sketches.generate(70, seed=3)
    model = Predictor(copied)

    together = model.predict(images)
    one_by_one = np.concatenate([model.predict(image[None]) for image in images])

    assert together.shape == (70, 10)
    assert together.dtype == np.float32
    assert together == pytest.approx(one_by_one, abs=1e-4)
    assert together.sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    assert len(np.unique(together.argmax(axis=1))) > 3


def test_no_pictures_give_no_predictions(copied):
    """An empty batch has its shape all the same."""
    assert Predictor(copied).predict(np.zeros((0, 28, 28), np.uint8)).shape == (0, 10)


def test_a_description_ranks_the_classes(copied):
    """By falling probability, ties by class number; unsure below the limit, not at it."""
    model = Predictor(copied)
    rest = (1 - predictor.UNSURE_BELOW) / 9
    sure = np.array([rest] * 4 + [predictor.UNSURE_BELOW] + [rest] * 5)

    answer = model.describe(sure)
    assert (answer.label, answer.unsure) == (model.classes[4], False)
    assert [label for label, _ in answer.top] == [model.classes[i] for i in (4, 0, 1, 2, 3, 5, 6, 7, 8, 9)]

    assert model.describe(np.full(10, 0.1)).unsure


# What ships


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_what_its_card_says(name):
    """Files, hashes, parameters and size; its settings can train it again."""
    run = runs.find(name)
    card = run.card()

    for file, record in card["files"].items():
        path = run.folder / file
        if file == "model.tflite" or path.exists():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == record["sha256"], file
            assert path.stat().st_size == record["bytes"], file
    assert sum(path.stat().st_size for path in run.folder.iterdir()) <= MAX_BYTES[name]
    assert (run.folder / "model.tflite").stat().st_size <= MAX_LITERT_BYTES
    assert architectures.cost_of(run.settings)[0] == card["num_parameters"]
    assert tuple(card["classes"]) == datasets.DATASETS[card["dataset"]].classes
    for metric in card["metrics"].values():
        low, high = evaluation.wilson_interval(metric["correct"], metric["n"])
        assert metric["accuracy"] == metric["correct"] / metric["n"]
        assert metric["interval"] == pytest.approx([low, high], abs=1e-6)
    assert 0.2 < card["temperature"] < 5


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_reaches_the_accuracy_of_its_card(name):
    """Counted anew on the whole test set, through the exported file."""
    model = Predictor(runs.find(name))
    if not datasets.status(model.card["dataset"]).present:
        pytest.skip(f"{model.card['dataset']} is not on this machine")
    data = datasets.load(model.card["dataset"])
    images = data.test.images
    if model.sees_photos:
        images = images.at(model.image_shape[0], model.card["fit"])

    measured = evaluation.accuracy(model.predict(images), data.test.labels)

    assert data.digest == model.card["data_digest"]
    # The card counted before the export to float16: some of 10,000 answers on the edge may turn, or one of 372.
    assert measured.value == pytest.approx(
        model.card["metrics"]["test"]["accuracy"], abs=max(0.001, 1.5 / measured.n)
    )
