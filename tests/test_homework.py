"""The course's homework network: exact layers, two classes, the test watched, changes that begin later; and in the same
worker a range test and the mistake of changing validation pictures too.
"""

import json
import os
import subprocess
import sys

import clothing_folder
import numpy as np
import pandas as pd
import pytest

from fashion import (
    architectures,
    clothing,
    datasets,
    jobs,
    lessons_homework,
    range_test,
    runs,
    summary,
    watched,
)
from fashion.errors import SettingsError
from fashion.setting_fields import applies
from fashion.settings import FIELDS, HOMEWORK, RunSettings, learning_rate_at

HOMEWORK_150, HOMEWORK_200 = (lessons_homework.settings(side) for side in (150, 200))
TINY = lessons_homework.settings(64, "dress,hat").replace(epochs=2, augment_from=1)
SMALL = RunSettings(
    dataset="sketches", architecture="mlp", inner_width=0, num_train=1000, batch_size=50, epochs=2
)
CHANGED = SMALL.replace(rotate=30.0, shift=4)


# Settings


@pytest.mark.parametrize(("settings", "total"), [(HOMEWORK_150, 11_215_873), (HOMEWORK_200, 20_073_473)])
def test_the_network_has_the_parameters_of_the_course(settings, total):
    """As the course's solutions print them, from our layer table."""
    assert architectures.cost_of(settings)[0] == total == lessons_homework.num_parameters(settings.image_size)


def test_the_settings_are_those_of_the_homework():
    """SGD of rate 0.002 with plain momentum 0.8, batches of 20, ten epochs and ten more with augmentation."""
    one = HOMEWORK_150

    assert (one.optimizer, one.learning_rate, one.momentum, one.nesterov) == ("sgd", 0.002, 0.8, False)
    assert (one.batch_size, one.epochs, one.augment_from, one.label_smoothing) == (20, 20, 10, 0.0)
    assert architectures.scaling(one) == (1 / 255, 0.0)
    assert architectures.scaling(RunSettings()) != (1 / 255, 0.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"classes": ""},
            "tells two classes of the clothing photos apart. Received: dataset='clothing', classes=''",
        ),
        ({"classes": "pants"}, "`classes` must be two of dress, hat"),
        ({"classes": "pants,pants"}, "`classes` must be two of dress, hat"),
        ({"classes": "pants,hat,dress"}, "`classes` must be two of dress, hat"),
        ({"classes": "pants,../etc"}, "`classes` must be two of dress, hat"),
        (
            {"classes": "pants,hat", "architecture": "mobilenetv2"},
            "networks from scratch. Received: classes='hat,pants'",
        ),
        ({"dataset": "sketches", "image_size": 28, "crop": 0.0}, "`classes` is for the clothing photos"),
        ({"predict_size": 200}, "judges pictures of the size that it learned from"),
        ({"schedule": "range-test", "learning_rate": 1e-6}, "A range test rises from 1e-06"),
    ],
)
def test_contradictions_are_refused_in_words(values, words):
    """What was expected, what came, what to do."""
    with pytest.raises(SettingsError) as caught:
        HOMEWORK_150.replace(**values)

    assert words in str(caught.value)


def test_validation_of_stored_vectors_cannot_be_changed():
    """There is no picture to change; with fine-tuning there is."""
    values = {
        "dataset": "clothing",
        "image_size": 96,
        "architecture": "mobilenetv2-035",
        "augment_validation": True,
    }
    with pytest.raises(SettingsError, match="Received: a head on stored vectors"):
        RunSettings(**values)
    assert RunSettings(**values, fine_tune="last").augment_validation


def test_a_pair_is_one_setting_in_whatever_order_it_came():
    """Two links to the same run compare equal."""
    assert HOMEWORK_150.replace(classes="pants,hat") == HOMEWORK_150.replace(classes="hat, pants")
    assert HOMEWORK_150.replace(classes="pants,hat").class_names == ("hat", "pants")
    assert RunSettings().class_names == ()


def test_a_range_test_rises_by_the_same_factor_at_each_step():
    """From a millionth to one: a thousandth in the middle."""
    chosen = RunSettings(schedule="range-test", learning_rate=1.0)

    assert [learning_rate_at(chosen, step, 6) for step in range(7)] == pytest.approx(
        [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    )


@pytest.mark.parametrize(
    ("changes", "used", "unused"),
    [
        (
            {},
            {"classes", "momentum", "nesterov", "augment_from", "watch_test"},
            {"width", "inner_width", "dropout"},
        ),
        ({"optimizer": "adam"}, {"classes"}, {"momentum", "nesterov"}),
        ({"architecture": "mobilenetv2"}, {"watch_test"}, {"classes", "augment_from", "augment_validation"}),
    ],
)
def test_the_form_shows_only_what_the_network_uses(changes, used, unused):
    """Momentum is SGD's, classes are for networks from scratch, the homework's layers are fixed."""
    values = HOMEWORK_150.to_json() | changes
    found = {name for name in FIELDS if applies(name, values)}

    assert used <= found
    assert not unused & found


# Two classes of the photos


def test_only_the_photos_of_the_two_classes_are_left(tmp_path, monkeypatch):
    """Two of each class and split, labels 0 and 1 in the order of the dataset, and a fingerprint of their own."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    clothing_folder.write(tmp_path / clothing.FOLDER, clothing_folder.files(2))
    whole = clothing.load(32)

    pair = datasets.of_classes(whole, ("hat", "pants"))

    assert pair.info.classes == ("hat", "pants")
    assert pair.test.labels.tolist() == [0, 0, 1, 1]
    assert [path.parent.name for path in pair.test.images.paths] == ["hat", "hat", "pants", "pants"]
    assert pair.test.images.shape == (4, 32, 32, 3)
    assert pair.digest not in (whole.digest, datasets.of_classes(whole, ("hat", "shirt")).digest)
    assert datasets.of_classes(whole, ()) is whole
    assert datasets.of_classes(whole, whole.info.classes) is whole


def test_the_sizes_of_classes_add_up_to_the_published_ones():
    """Longsleeve and pants: 923, 98 and 114 photos; all ten: those of the dataset."""
    assert datasets.split_sizes("clothing", ("longsleeve", "pants")) == {
        "train": 923,
        "validation": 98,
        "test": 114,
    }
    assert datasets.split_sizes("clothing", clothing.CLASSES_CLOTHING) == clothing.SPLIT_SIZES
    assert datasets.split_sizes("sketches")["train"] == 6000


def test_before_the_test_a_run_of_two_classes_is_summed_up_by_their_photos(tmp_path):
    """0.5 of the 98 validation photos of the pair, not of all 341."""
    run = runs.create(HOMEWORK_150)
    (run.folder / "log.csv").write_text(
        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n1,0.7,0.5,0.7,0.5,0.002,9,100\n"
    )

    one = summary.summarise(run)

    assert (one.validation.correct, one.validation.n) == (49, 98)
    assert one.classes == ("longsleeve", "pants")


# The questions


def test_the_parts_with_and_without_augmentation_are_asked_about_on_their_own():
    """By hand, two plain epochs and two augmented ones; the test's numbers are those of the second part."""
    log = pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "loss": [1.0, 3.0, 5.0, 5.0],
            "accuracy": [0.2, 0.4, 0.6, 1.0],
            "val_loss": [9.0] * 4,
            "val_accuracy": [0.0] * 4,
        }
    )
    test = pd.DataFrame(
        {"epoch": [1, 2, 3, 4], "test_loss": [7.0, 7.0, 1.0, 2.0], "test_accuracy": [0.1, 0.1, 0.5, 0.7]}
    )

    asked = lessons_homework.questions(log, test, augment_from=2)

    assert [one.answer for one in asked] == pytest.approx([0.3, 1.0, 0.8, 0.0, 1.5, 0.6])
    assert "without augmentation" in asked[0].text
    assert asked[-2].text == "Mean of test loss over 2 epochs with augmentation"

    asked = lessons_homework.questions(log, test, augment_from=3)
    assert [one.text for one in asked[-2:]] == [
        "Mean of test loss over 1 epoch with augmentation", "Mean test accuracy of the last epoch",
    ]  # fmt: skip


# In a real worker


_BUILD = """
import json, os, sys
import keras, numpy as np
from fashion import networks
from fashion.settings import RunSettings
settings = RunSettings.from_json(json.loads(sys.argv[1]))
model = networks.build(settings, (64, 64, 3), 2)
photos = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype("float32")
z = keras.Model(model.inputs, [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1].output)(photos)
p = keras.ops.convert_to_numpy(keras.ops.sigmoid(z))[:, 0]
said = keras.ops.convert_to_numpy(model(photos))
truth = np.array([0, 1, 1, 0])
binary = float(keras.losses.BinaryCrossentropy()(truth[:, None].astype("float32"), p[:, None]))
both = float(keras.losses.CategoricalCrossentropy()(np.eye(2, dtype="float32")[truth], said))
optimizer = networks.optimizer(settings)
print(json.dumps({"p": p.tolist(), "said": said.tolist(), "binary": binary, "both": both,
    "kinds": [type(layer).__name__ for layer in model.layers], "parameters": model.count_params(),
    "sgd": [optimizer.name, optimizer.momentum, optimizer.nesterov]}))
"""


@pytest.mark.slow
def test_keras_builds_the_homework_with_a_column_for_each_class():
    """1 - p and p of its sigmoid; so crossentropy over both is the homework's binary crossentropy."""
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, json.dumps(TINY.to_json())],
        cwd=runs.ROOT,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    built = json.loads(done.stdout.splitlines()[-1])

    assert np.array(built["said"])[:, 1] == pytest.approx(np.array(built["p"]), abs=1e-6)
    assert np.array(built["said"]).sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert built["both"] == pytest.approx(built["binary"], rel=1e-4)
    assert built["parameters"] == architectures.cost_of(TINY)[0] == lessons_homework.num_parameters(64)
    assert built["kinds"][:7] == [
        "InputLayer",
        "Rescaling",
        "Conv2D",
        "ReLU",
        "MaxPooling2D",
        "Flatten",
        "Dense",
    ]
    assert built["sgd"] == ["sgd", 0.8, False]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, runs.Run]:
    """Four tiny runs that one worker made one after another."""
    data = tmp_path_factory.mktemp("data")
    clothing_folder.write(data / clothing.FOLDER, clothing_folder.files(20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("FASHION_DATA", str(data))
        datasets.load("sketches")
        chosen = {
            "homework": TINY,
            "range": SMALL.replace(schedule="range-test", learning_rate=10.0, optimizer="sgd", epochs=5),
            "as they are": CHANGED,
            "changed too": CHANGED.replace(augment_validation=True),
        }
        found = {name: runs.create(settings, task="measure", group="g") for name, settings in chosen.items()}
        jobs.start_worker(*found.values()).wait(timeout=200)
    for run in found.values():
        assert run.status().state == "finished", run.status().reason
    return found


@pytest.mark.slow
def test_the_homework_run_knows_two_classes_and_has_watched_the_test(made):
    """Two columns of answers on its forty test photos, and a row of the test for each epoch."""
    run = made["homework"]
    card, answers, tested = run.card(), run.evaluation(), watched.read(run)

    assert card["classes"] == ["dress", "hat"]
    assert answers["test_probabilities"].shape == (40, 2)
    assert (card["metrics"]["test"]["n"], card["num_train"]) == (40, 40)
    assert run.probes()["probabilities"].shape == (2, 4, 2)
    assert tested.epoch.tolist() == run.log().epoch.tolist() == [1, 2]
    best = tested[tested.epoch == card["best_epoch"]].iloc[0]
    assert best.test_accuracy == pytest.approx(card["metrics"]["test"]["accuracy"])
    assert best.test_loss == pytest.approx(card["metrics"]["test"]["loss"], abs=1e-4)
    assert summary.predictions(summary.summarise(run)).probabilities.shape == (40, 2)


@pytest.mark.slow
def test_a_range_test_that_explodes_is_finished_and_not_failed(made):
    """It ends before its hundred steps, with all that it saw."""
    run = made["range"]
    table = range_test.read(run)

    assert 50 < len(table) < 100
    assert table.learning_rate.iloc[0] == pytest.approx(1e-6)
    assert table.learning_rate.is_monotonic_increasing
    assert np.log10(table.learning_rate).diff().iloc[1:].to_numpy() == pytest.approx(7 / 100, rel=0.01)
    assert table.loss.iloc[0] == pytest.approx(2.3, abs=0.8)
    assert range_test.suggest(table) is not None
    assert run.card()["metrics"]["test"]["n"] == 1000


@pytest.mark.slow
def test_changed_validation_pictures_change_the_curve_and_nothing_else(made):
    """The same losses in training to the last digit, another validation; the card judges pictures as they are."""
    plain, changed = made["as they are"], made["changed too"]

    assert plain.log().loss.tolist() == changed.log().loss.tolist()
    assert plain.log().val_loss.tolist() != changed.log().val_loss.tolist()
    assert changed.log().val_accuracy.max() < plain.log().val_accuracy.max()
    assert changed.card()["metrics"]["validation"]["accuracy"] > changed.log().val_accuracy.max()
    assert not watched.read(plain).size


def test_only_the_photos_offer_the_homework_network():
    """The small grey pictures have networks of their own."""
    with pytest.raises(SettingsError, match="two classes of the clothing photos"):
        RunSettings(architecture=HOMEWORK)
