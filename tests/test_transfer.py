"""A new head on a pretrained network, in real worker processes: with photos and weights, again, and with neither.

The weights are random where that will do; pytest itself never imports Keras.
"""

import shutil
import subprocess
import sys
from types import SimpleNamespace

import clothing_folder
import numpy as np
import pytest

import fashion
from fashion import clothing, feature_store, jobs, pretrained, runs, worker
from fashion.errors import ModelError
from fashion.predictor import Predictor
from fashion.runs import ROOT, Run
from fashion.settings import PHOTO_DEFAULTS

WAIT_SECONDS = 240.0
TINY = PHOTO_DEFAULTS.replace(
    architecture="mobilenetv2-035", image_size=64, epochs=6, batch_size=8, learning_rate=0.003, seed=5
)
# Goes on as the worker of a run, so that Keras is loaded once.
_SAVE_RANDOM_WEIGHTS_AND_WORK = """
import sys
import h5py, keras, numpy as np
from keras.src.legacy.saving import legacy_h5_format
keras.utils.set_random_seed(1)
model = keras.applications.MobileNetV2(input_shape=(64, 64, 3), alpha=0.35, include_top=False, weights=None)
# Normalisations that fit random noise: without them hardly anything gets through fifty random layers.
for layer in model.layers:
    layer.momentum = 0.0
model(np.random.default_rng(1).normal(size=(16, 64, 64, 3)).astype("float32"), training=True)
with h5py.File(sys.argv[1], "w") as file:
    legacy_h5_format.save_weights_to_hdf5_group(file, model)
from fashion import worker
sys.exit(worker.main([sys.argv[2]]))
"""


def _worked(*several: Run) -> None:
    """Let one worker make these runs."""
    jobs.start_worker(*several).wait(WAIT_SECONDS)
    for run in several:
        status = run.status()
        assert status.state == "finished", (
            status.reason,
            (several[0].folder / "worker.log").read_text()[-3000:],
        )


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Forty tiny photos in each split, random weights, an empty store: a run, and from another worker one alike and one with
    fine-tuning."""
    folder = tmp_path_factory.mktemp("transfer")
    clothing_folder.write(folder / "data" / clothing.FOLDER, clothing_folder.files(per_class=4))
    (folder / "weights").mkdir()
    weights = folder / "weights" / pretrained.BASES["mobilenetv2-035"].weights[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_DATA", str(folder / "data"))
        patch.setenv("FASHION_WEIGHTS", str(folder / "weights"))
        patch.setenv("FASHION_FEATURES", str(folder / "vectors"))
        patch.setenv("FASHION_RUNS", str(folder / "runs"))
        tuned = TINY.replace(
            fine_tune="last", fine_tune_epochs=1, num_train=100, clean_labels=True, predict_fit="between"
        )
        made = SimpleNamespace(
            first=runs.create(TINY), again=runs.create(TINY, task="measure"), tuned=runs.create(tuned)
        )
        done = subprocess.run(
            [sys.executable, "-c", _SAVE_RANDOM_WEIGHTS_AND_WORK, str(weights), str(made.first.folder)],
            cwd=ROOT, check=False, capture_output=True, text=True, env=jobs.worker_environment(TINY),
        )  # fmt: skip
        assert done.returncode == 0, (made.first.status().reason, done.stderr[-3000:])
        _worked(made.again, made.tuned)
        yield made


@pytest.mark.slow
def test_a_head_is_trained_on_vectors_and_joined_to_its_network(machine):
    """The finished run has all files of a photo run, and its card says where the vectors came from."""
    run, card = machine.first, machine.first.card()
    assert {"model.keras", "model.tflite", "head.npz", "evaluation.npz"} <= {
        p.name for p in run.folder.iterdir()
    }
    assert card["features"]["source"] == "computed"
    assert card["fit"] == "crop"
    assert card["no_export"] == ""
    assert card["image_shape"] == [64, 64, 3]
    assert [len(run.log()), card["metrics"]["test"]["n"]] == [6, 40]


@pytest.mark.slow
def test_the_exported_network_says_of_photos_what_the_head_said_of_vectors(machine):
    """The stored answers come from vectors; the model for prediction computes them from pixels."""
    photos = clothing.load(64).test.images
    said = Predictor(machine.first).predict(photos[:])
    stored = machine.first.evaluation()["test_probabilities"].astype(np.float32)
    assert np.abs(said - stored).max() < 0.03


@pytest.mark.slow
def test_the_next_run_computes_no_vector_and_ends_alike(machine):
    """Stored vectors change nothing but the time."""
    assert machine.again.card()["features"]["source"] == "stored"
    assert len(feature_store.files()) == 1
    before, after = (run.evaluation()["test_probabilities"] for run in (machine.first, machine.again))
    assert np.ptp(before, axis=0).max() > 0.1  # it tells photos apart, so random beginnings would show
    assert np.array_equal(before, after)


@pytest.mark.slow
def test_fine_tuning_goes_on_where_the_head_ended(machine):
    """Its epoch is counted after the head's; the vectors were there already."""
    card = machine.tuned.card()
    assert card["features"]["source"] == "stored"
    assert machine.tuned.log().epoch.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert machine.tuned.can_predict


@pytest.mark.slow
def test_an_epoch_without_a_checkpoint_is_trained_again(machine):
    """Killed, or the disk full, between the epoch's row and its checkpoint: fine-tuning begins anew, and the head is kept."""
    run = runs.create(machine.tuned.settings, task="measure")
    for name in ("log.csv", "steps.csv", "probes.npz", "head.json", "features.json", "model.keras"):
        shutil.copyfile(machine.tuned.folder / name, run.folder / name)

    _worked(run)

    before, after = machine.tuned.log(), run.log()
    assert after.epoch.tolist() == before.epoch.tolist()
    assert (after.seconds == before.seconds).tolist() == [True] * 6 + [False]


@pytest.mark.slow
def test_a_network_is_tested_on_photos_made_square_as_for_its_users(machine):
    """Half cropped, half squashed, as its settings say and its card tells the page."""
    assert machine.tuned.card()["fit"] == "between"
    photos = clothing.load(64, "between").test.images
    said = Predictor(machine.tuned).predict(photos[:])
    stored = machine.tuned.evaluation()["test_probabilities"].astype(np.float32)
    assert np.abs(said - stored).max() < 0.03
    cropped = Predictor(machine.tuned).predict(clothing.load(64).test.images[:])
    assert np.abs(cropped - stored).max() > 0.03


@pytest.mark.slow
def test_a_head_can_be_trained_without_photos_and_weights(tmp_path, monkeypatch):
    """From the vectors that come with the project: tested on 372 photos, but without a model for prediction."""
    if not feature_store.shipped_path("efficientnetv2-b0", 224).exists():
        pytest.skip("no vectors come with this copy")
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "no-data"))
    monkeypatch.setenv("FASHION_WEIGHTS", str(tmp_path / "no-weights"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.delenv("FASHION_FEATURES", raising=False)
    assert feature_store.obstacle(PHOTO_DEFAULTS) is None
    run = runs.create(PHOTO_DEFAULTS.replace(epochs=3))
    _worked(run)
    card = run.card()
    assert card["features"]["source"] == "shipped"
    assert card["metrics"]["test"]["n"] == 372
    assert card["metrics"]["test"]["accuracy"] > 0.88
    assert not run.can_predict
    assert "efficientnetv2-b0_notop.h5" in card["no_export"]
    assert list(card["files"]) == ["model.keras"]


def test_a_stop_before_the_first_epoch_ends_as_stopped(tmp_path, monkeypatch):
    """There is no model to test then, and that is no failure."""

    def stop(run, settings, reporter):
        raise worker.StopRequested("Stopped by hand.")

    def finish(run, settings, reporter):
        raise ModelError("There is nothing to finish.")

    monkeypatch.setattr(fashion, "training", SimpleNamespace(train=stop, finish=finish), raising=False)
    run = runs.create(TINY)
    assert worker.work(run, "train") == 0
    status = run.status()
    assert status.state == "stopped"
    assert status.reason == "Stopped by hand. No epoch was finished."


def test_progress_with_features_is_a_share_of_the_photos():
    """Afterwards it is a share of the epochs, as for any run."""
    status = runs.Status(phase="features", step=30, num_steps=120, num_epochs=10)
    assert status.fraction == 0.25
    assert runs.Status(phase="features", num_epochs=10).fraction == 0.0
    assert runs.Status(phase="training", step=30, num_steps=120, num_epochs=10).fraction == 0.025
    assert runs.Status(phase="comparing", step=30, num_steps=120, epoch=10, num_epochs=10).fraction == 0.25
    assert runs.Status(phase="exporting", epoch=10, num_epochs=10).fraction == 1.0
