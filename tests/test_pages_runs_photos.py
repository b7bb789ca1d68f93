"""The Runs page for runs on clothing photos: all sections, photos in colour, and words where they are not here."""

import re

import clothing_folder
import numpy as np
import pytest
from run_folders import change_card, make_run, write_arrays
from runs_page import button, open_page, words

from fashion import datasets, jobs, machine, runs
from fashion.clothing import CLASSES_CLOTHING
from fashion.settings import PHOTO_DEFAULTS, RunSettings
from fashion.ui import charts, components, state

VIEWS = ("Summary", "Curves", "Confusion matrix", "Classes", "Mistakes", "Calibration", "Probe pictures")
A, B = "20260102-030405-efficientnetv2-b0-aaaa", "20260103-030405-mobilenetv2-bbbb"
# Two photos of each of ten classes, by class. Photo 7, the second of class 3, is taken for class 2; photo 10 for class 0.
LABELS = np.repeat(np.arange(10, dtype=np.uint8), 2)
WRONG = {7: 2, 10: 0}


@pytest.fixture(autouse=True)
def _tiny_photos(monkeypatch, tmp_path):
    """A folder of 60 one-coloured photos as the dataset, no shipped models, and nothing that asks a framework."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    clothing_folder.write(tmp_path / "data" / "clothing-dataset-small", clothing_folder.files())


@pytest.fixture
def shown(monkeypatch):
    """What picture grids show: key -> (pictures, captions, alts) of the last drawing."""
    grids = {}

    def record(images, captions, *, key, alts=None, **_):
        grids[key] = (list(images), list(captions), alts)

    monkeypatch.setattr(components, "picture_grid", record)
    return grids


def photo_run(name: str = A, wrong: dict[int, int] = WRONG, **settings) -> runs.Run:
    """A finished run on the tiny photos; those of `wrong`, position -> predicted class, are mistaken."""
    chosen = RunSettings(**(PHOTO_DEFAULTS.to_json() | settings))
    run = make_run(name, **chosen.to_json())
    probabilities = np.full((20, 10), 0.02)
    probabilities[np.arange(20), LABELS] = 0.82
    for position, predicted in wrong.items():
        probabilities[position] = 0.02
        probabilities[position, predicted] = 0.82
    correct = 20 - len(wrong)
    metric = {"accuracy": correct / 20, "correct": correct, "n": 20, "interval": [0, 1], "loss": 0.4}
    change_card(
        run,
        classes=list(CLASSES_CLOTHING),
        image_shape=[224, 224, 3],
        data_digest=datasets.load("clothing").digest,
        metrics={"validation": metric, "test": metric},
    )
    splits = {f"{split}_probabilities": probabilities.astype(np.float16) for split in ("validation", "test")}
    write_arrays(run, "evaluation.npz", **splits, validation_labels=LABELS, test_labels=LABELS)
    indices = np.array([0, 2, 19])
    write_arrays(run, "probes.npz", indices=indices, probabilities=np.stack([probabilities[indices]] * 3))
    return run


@pytest.mark.parametrize("view", VIEWS)
def test_every_section_renders_for_a_run_on_photos(view):
    """With the photos here."""
    photo_run()

    at = open_page(open=A, view=view)

    assert not at.exception
    assert not at.error
    assert at.button_group(key=state.VIEW).value == view


def test_a_confusion_cell_opens_its_photos_in_colour(shown):
    """The second outwear photo was taken for a long sleeve: one photo, encoded as a photo, with both claims."""
    photo_run()

    at = open_page(open=A, view="Confusion matrix", true="outwear", predicted="longsleeve")

    pictures, captions, alts = shown["_cell_grid"]
    assert "outwear taken for longsleeve: 1 picture" in words(at)
    assert len(pictures) == 1
    assert re.match(r"data:image/(jpeg|webp);base64,", pictures[0])
    assert captions[0].replace("\u00a0", " ") == "✗ is outwear, said longsleeve 82.0%"
    assert alts == ["Number 7, labelled outwear, taken for longsleeve with 82.0%, 2.0% for the label"]


def test_the_most_confident_mistakes_show_the_mistaken_photos(shown):
    """Both of them, and no other."""
    photo_run()

    open_page(open=A, view="Mistakes")

    _, captions, alts = shown["_mistakes_grid"]
    assert sorted(alt.split(",")[0] for alt in alts) == ["Number 10", "Number 7"]


def test_probe_photos_show_how_likely_the_right_answer_became(shown):
    """Numbered, with the probability after the first and after the last epoch."""
    photo_run()

    open_page(open=A, view="Probe pictures")

    pictures, captions, _ = shown["_probe_grid"]
    assert captions == ["1 dress: 82% → 82%", "2 hat: 82% → 82%", "3 t-shirt: 82% → 82%"]
    assert all(picture.startswith("data:image/") for picture in pictures)


@pytest.mark.parametrize("view", VIEWS)
def test_without_the_photos_all_else_is_shown(shown, monkeypatch, tmp_path, view):
    """The run came from another machine, or its head was trained on stored vectors."""
    photo_run()
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "elsewhere"))

    at = open_page(open=A, view=view)

    assert not at.exception
    assert not shown
    if view in ("Confusion matrix", "Mistakes", "Probe pictures"):
        assert "The pictures of Clothing photos are not on this machine" in words(at)


def test_other_photos_are_not_shown_as_those_that_were_tested(shown, tmp_path):
    """A photo was replaced since."""
    photo_run()
    one = tmp_path / "data" / "clothing-dataset-small" / "test" / "hat" / "test-1-0.jpg"
    one.unlink()
    one.with_name("other.jpg").write_bytes(clothing_folder.jpeg(99))

    at = open_page(open=A, view="Mistakes")

    assert not at.exception
    assert "other pictures than the Clothing photos" in words(at)
    assert not shown


def test_two_runs_on_photos_are_compared_in_what_they_differ(shown):
    """Base and size; the better one is named with its interval on the same 20 photos."""
    photo_run()
    photo_run(B, wrong={}, architecture="mobilenetv2", image_size=96)

    at = open_page(runs=f"{A},{B}")

    assert not at.exception
    assert at.table[0].value["Setting"].tolist() == ["Architecture", "Image size"]
    assert "the same 20 test pictures" in words(at) or "These 20 test pictures" in words(at)


def test_a_run_on_photos_is_not_compared_with_one_on_small_pictures():
    """Other pictures, other classes: said, and nothing breaks."""
    photo_run()
    make_run("20260104-030405-softmax-cccc")

    at = open_page(runs=f"{A},20260104-030405-softmax-cccc")

    assert not at.exception
    assert "tested on the same pictures" in words(at)


def test_a_run_on_photos_is_trained_again_with_all_its_settings():
    """Also by a visitor whose form stood at small pictures before."""
    photo_run(fine_tune="last", fine_tune_epochs=4, mirror=True, crop=0.3, image_size=96)
    at = open_page(open=A)
    at.switch_page("pages/train.py").run()
    assert at.button_group(key="dataset").value == "fashion-mnist"
    at.switch_page("pages/runs.py").run()

    button(at, "Use these settings again").click().run()

    assert not at.exception
    assert at.button_group(key="dataset").value == "clothing"
    for name, value in {"fine_tune": "last", "fine_tune_epochs": 4, "mirror": True, "crop": 0.3}.items():
        assert at.session_state[name] == value, name


def test_a_run_that_could_not_be_exported_says_why():
    """A head trained on the vectors that come with the app, where the pretrained weights are missing."""
    run = photo_run()
    (run.folder / "model.tflite").unlink()
    change_card(run, no_export="MobileNetV2 needs the weights file. Connect to the internet.")

    at = open_page(open=A)

    assert not at.exception
    assert "It cannot be tried on photos yet. MobileNetV2 needs the weights file." in words(at)


def test_the_curves_mark_where_fine_tuning_began():
    """After the first of three epochs; a run without it, or without the note, has no such line."""
    tuned = photo_run(fine_tune="last")
    (tuned.folder / "head.json").write_text('{"epochs": 1}')
    photo_run(B, architecture="mobilenetv2")

    marked = open_page(open=A, view="Curves").get("vega_lite_chart")
    plain = open_page(open=B, view="Curves").get("vega_lite_chart")

    assert len(marked) == len(plain) == 2
    assert all('"rule"' in chart.proto.spec for chart in marked)
    assert not any('"rule"' in chart.proto.spec for chart in plain)


def test_curves_tell_why_the_finished_network_has_another_validation_accuracy():
    """One that judges mirrored photos, too, does so only when it is finished."""
    photo_run(A, mirror=True)
    photo_run(B)

    assert "more or fewer right than its ring says" in words(open_page(open=A, view="Curves"))
    assert "more or fewer right" not in words(open_page(open=B, view="Curves"))


def test_a_garment_has_the_same_colour_in_every_dataset():
    """Dress, shirt and T-shirt; and the ten clothing classes have ten colours."""
    small = dict(zip(datasets.CLASSES_FASHION, charts.class_colours(datasets.CLASSES_FASHION), strict=True))
    photos = dict(zip(CLASSES_CLOTHING, charts.class_colours(CLASSES_CLOTHING), strict=True))

    for ours, theirs in {
        "dress": "dress",
        "shirt": "shirt",
        "t-shirt": "t-shirt/top",
        "pants": "trouser",
    }.items():
        assert photos[ours] == small[theirs]
    assert set(photos.values()) == set(small.values())
    scale = charts.class_scale(CLASSES_CLOTHING).to_dict()
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == photos


def test_fine_tuned_runs_that_are_compared_can_become_one_network():
    """The button queues a run that gets the mean of their weights; heads on stored vectors do not offer it."""
    photo_run(A, fine_tune="all", batch_size=8)
    photo_run(B, fine_tune="all", batch_size=8, seed=2)
    for name in (A, B):
        (runs.find(name).folder / "head.json").write_text('{"epochs": 1}')  # the best epoch is a later one

    at = open_page(runs=f"{A},{B}")
    button(at, "Average their weights").click().run()

    assert not at.exception
    made = next(run for run in runs.list_runs() if run.id not in (A, B))
    assert set(made.settings.mean_names) == {A, B}
    assert made.status().state == "queued"
    assert "Average their weights" not in [one.label for one in at.button]  # the new run is open instead


@pytest.mark.parametrize("view", ["Curves", "Replay", "Epochs", "Probe pictures"])
def test_a_mean_of_weights_has_no_epochs_to_look_at(view):
    """It says why instead of drawing a single point."""
    photo_run(A, fine_tune="all", mean_of=f"{B}_epoch-002,{B}_epoch-003")

    at = open_page(open=A, view=view)

    assert not at.exception
    assert "Nothing was trained here" in at.info[0].value


def test_a_mean_of_weights_has_no_curve_beside_those_of_others():
    """A single point at an epoch 1 that never was is left out, and why."""
    photo_run(A, fine_tune="all", mean_of=f"{B}_epoch-002,{B}_epoch-003")
    photo_run(B, fine_tune="all")

    at = open_page(runs=f"{A},{B}")

    assert not at.exception
    assert "Not drawn: efficientnetv2-b0-aaaa." in words(at)
    assert [chart.proto.spec.count("efficientnetv2-b0-aaaa") for chart in at.get("vega_lite_chart")] == [0, 0]


def test_the_time_of_a_mean_of_weights_speaks_of_no_first_epoch():
    """Its summary says what was done in that time, and that there are no epochs."""
    photo_run(A, fine_tune="all", mean_of=f"{B}_epoch-002,{B}_epoch-003")
    photo_run(B, fine_tune="all")

    mean, trained = (words(open_page(open=name)) for name in (A, B))

    assert "Nothing was trained, so there are no epochs" in mean
    assert "The first epoch includes" not in mean
    assert "The first epoch includes" in trained


def test_heads_have_no_mean():
    """Their weights began from different random numbers, and only the pretrained layers are shared."""
    photo_run(A)
    photo_run(B, seed=2)

    at = open_page(runs=f"{A},{B}")

    assert not at.exception
    assert "2 runs compared" in words(at)
    assert "Average their weights" not in [one.label for one in at.button]
