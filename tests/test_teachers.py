"""A network learns from labels and from what other models say: who can teach, what they are asked, what comes of it."""

import dataclasses

import clothing_folder
import numpy as np
import photo_models
import pytest
from PIL import Image
from run_folders import make_run

from fashion import clothing, runs, teachers
from fashion.errors import SettingsError
from fashion.settings import PHOTO_DEFAULTS, RunSettings
from fashion.worker import StopRequested

FIRST, SECOND = "20260102-120000-photo-0001", "20260102-120000-photo-0002"
SETTINGS = PHOTO_DEFAULTS.replace(num_train=100, teachers=FIRST)


class Listener:
    """Stands for the worker's reporter: remembers what it was told, and asks for a stop if it should."""

    def __init__(self, reason: str | None = None):
        self.told, self.reason = [], reason

    def update(self, **changes) -> None:
        self.told.append(changes)

    def stop_reason(self) -> str | None:
        return self.reason


def _photo(number: int) -> bytes:
    """Twice as wide as high, with red at its left end, so that cutting and mirroring matter; each has another blue."""
    image = Image.new("RGB", (80, 40), (0, 0, 2 * number))
    image.paste((255, 0, 0), (0, 0, 15, 40))
    return photo_models.encoded(image, format="JPEG", quality=95)


@pytest.fixture
def learner(monkeypatch, tmp_path) -> runs.Run:
    """A run that has not begun, forty photos on this machine, and a finished model that knows their classes."""
    monkeypatch.setenv("FASHION_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    photos = {name: _photo(number) for number, name in enumerate(clothing_folder.files(per_class=4))}
    clothing_folder.write(tmp_path / "data" / clothing.FOLDER, photos)
    photo_models.install(monkeypatch)
    photo_models.make_run(FIRST)
    return runs.create(SETTINGS)


def asked(model: str, fit: str = "crop") -> np.ndarray:
    """What a model says of the training photos, asked as on the Predict page."""
    from fashion.predictor import Predictor

    return Predictor(runs.find(model)).predict(clothing.load(photo_models.SIDE, fit).train.images)


def test_a_teacher_is_asked_as_a_visitor_would(learner):
    """At the size and in the way in which it judges: its answers to the learner's own photos, to half a thousandth."""
    split = clothing.load(224).train
    listener = Listener()

    said = teachers.answers(learner, SETTINGS, split, listener)

    assert said.shape == (40, 10)
    np.testing.assert_allclose(said, asked(FIRST), atol=5e-4)
    assert np.ptp(said, axis=0).max() > 0.01  # it tells photos apart
    assert listener.told[0] == {"phase": "teachers", "step": 0, "num_steps": 40, "seconds_left": None}
    assert [told["step"] for told in listener.told[1:]] == [32, 40]


def test_of_several_teachers_the_mean_counts(learner):
    """Each is asked in its own way."""
    photo_models.make_run(SECOND, fit="squash", mirror=True)
    split = clothing.load(224).train

    said = teachers.answers(learner, SETTINGS.replace(teachers=f"{FIRST},{SECOND}"), split, Listener())

    other = asked(SECOND, "squash")
    assert np.abs(asked(FIRST) - other).max() > 0.002
    np.testing.assert_allclose(said, (asked(FIRST) + other) / 2, atol=5e-4)


def test_what_was_said_is_not_asked_again(learner):
    """A run that goes on finds the answers in its folder, even if the teacher is gone."""
    split = clothing.load(224).train
    before = teachers.answers(learner, SETTINGS, split, Listener())
    runs.delete(runs.find(FIRST))
    listener = Listener()

    np.testing.assert_array_equal(teachers.answers(learner, SETTINGS, split, listener), before)
    assert listener.told == []


def test_a_stop_is_heard_while_teachers_are_asked(learner):
    """With thousands of photos it takes minutes."""
    with pytest.raises(StopRequested, match="Stopped by hand"):
        teachers.answers(learner, SETTINGS, clothing.load(224).train, Listener("Stopped by hand."))
    assert not (learner.folder / teachers.FILE).exists()


def test_without_a_teacher_labels_are_all_there_is(learner):
    """Nothing is asked or written."""
    assert (
        teachers.answers(learner, SETTINGS.replace(teachers=""), clothing.load(224).train, Listener()) is None
    )
    np.testing.assert_array_equal(teachers.targets(np.array([1, 0]), 3, None), [[0, 1, 0], [1, 0, 0]])


def test_label_and_teacher_count_alike():
    """Each row still sums to 1."""
    said = np.float32([[0.2, 0.5, 0.3]])

    np.testing.assert_allclose(teachers.targets(np.array([0]), 3, said), [[0.6, 0.25, 0.15]])


def test_a_teacher_that_cannot_teach_is_refused_with_the_reason(learner):
    """It is gone, knows other classes, or was not exported."""
    other = make_run("20260102-120000-other-0001")  # Fashion-MNIST
    bare = make_run("20260102-120000-bare-0001")
    (bare.folder / "model.tflite").unlink()
    missing = "20260102-120000-missing-0009"

    def problem(name: str, settings: RunSettings = SETTINGS) -> str | None:
        return teachers.problem(dataclasses.replace(settings, teachers=name))

    assert problem(FIRST) is None
    assert problem("") is None
    assert "same classes of the same dataset, clothing. Received: 20260102-120000-other-0001" in problem(
        other.id
    )
    assert "finished run with an exported model. Received: 20260102-120000-bare-0001" in problem(bare.id)
    assert (
        f"The teacher is not here. There must be a run or a shipped model of that name. Received: '{missing}'"
        in problem(missing)
    )
    with pytest.raises(SettingsError, match="The teacher is not here"):
        teachers.answers(learner, SETTINGS.replace(teachers=missing), clothing.load(224).train, Listener())


@pytest.mark.parametrize("name", ["../clothing", "a/b", "A B", "one,", "a,b,c,d", "x" * 101])
def test_a_name_that_could_be_a_path_is_refused(name):
    """It comes from links and command lines."""
    with pytest.raises(SettingsError, match="`teachers` must be the names of up to 3 runs or shipped models"):
        RunSettings(teachers=name)
