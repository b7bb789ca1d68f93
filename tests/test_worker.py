"""Real, tiny training runs in real worker processes: what they leave behind, also when they are cut off.

Each run starts TensorFlow, which takes seconds; so a few runs are shared by many tests, and pytest itself never
imports Keras.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from fashion import architectures, datasets, jobs, runs, worker
from fashion.errors import DataError
from fashion.predictor import Predictor
from fashion.settings import RunSettings

TINY = RunSettings(
    dataset="sketches", architecture="softmax", num_train=1000, batch_size=50, epochs=200, learning_rate=0.01
)
# Everything that draws random numbers or keeps a state that a resumed run must find again.
FULL = TINY.replace(
    architecture="cnn", width=0.25, inner_width=16, epochs=6, seed=7, learning_rate=0.003, schedule="cosine",
    averaging=True, label_smoothing=0.05, dropout=0.2, flip=True, shift=1,
)  # fmt: skip
WAIT_SECONDS = 240.0

CARD_KEYS = {
    "format", "name", "created", "dataset", "data_digest", "num_train", "classes", "image_shape", "num_parameters",
    "num_multiply_adds", "best_epoch", "num_epochs", "metrics", "temperature", "startup_seconds", "train_seconds",
    "first_epoch_seconds", "steady_epoch_seconds", "images_per_second", "seconds_to", "batch_size", "seed",
    "framework", "device", "versions", "machine", "files", "export_difference",
    "mirror", "base",
}  # fmt: skip


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the worker took too long"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def runs_here(tmp_path_factory):
    """The folder of the runs that the tests of this file share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_RUNS", str(tmp_path_factory.mktemp("runs")))
        datasets.load("sketches")  # drawn at the first use on a machine: not while a run is being timed
        yield


# Runs that cannot work.
_HOPELESS = {
    "diverges": (TINY.replace(architecture="mlp", inner_width=0, optimizer="sgd", learning_rate=10.0), "smaller learning rate than 10"),
    "framework": (TINY.replace(framework="jax"), "needs the framework JAX. Received a worker with tensorflow"),
    "gpu": (TINY.replace(device="gpu:0"), "asks for gpu:0. Received a machine on which TensorFlow sees no GPU"),
    "data": (TINY.replace(dataset="fashion-mnist"), "train-images-idx3-ubyte.gz"),
}  # fmt: skip


@dataclass
class Together:
    """What one worker did, one after another: the first run as if it were alone, then those without hope, then a group."""

    whole: runs.Run
    hopeless: dict[str, runs.Run]
    group: list[runs.Run]


@pytest.fixture(scope="module")
def together(runs_here, tmp_path_factory) -> Together:
    """The group: its first run diverges, the second is stopped while it waits, the third is undisturbed and like `whole`."""
    whole = runs.create(FULL)
    hopeless = {name: runs.create(chosen) for name, (chosen, _) in _HOPELESS.items()}
    several = [
        FULL.replace(architecture="mlp", optimizer="sgd", learning_rate=10.0, averaging=False, epochs=30),
        TINY,
        FULL,
    ]
    group = [runs.create(settings, task="measure", group="g-1") for settings in several]
    runs.request_stop(group[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_DATA", str(tmp_path_factory.mktemp("no-data")))
        jobs.start_worker(whole, *hopeless.values(), *group).wait(WAIT_SECONDS)
    return Together(whole, hopeless, group)


@pytest.fixture(scope="module")
def whole(together) -> runs.Run:
    """A run that nobody disturbed, the first of its worker."""
    status = together.whole.status()
    assert status.state == "finished", status.reason
    return together.whole


@pytest.fixture(scope="module")
def hopeless(together) -> dict[str, runs.Run]:
    """Each of the runs above after its worker gave up."""
    return together.hopeless


@pytest.fixture(scope="module")
def group(together) -> list[runs.Run]:
    """Three runs of an experiment, in a worker that has seen others."""
    return together.group


@dataclass
class Cut:
    """A run as it stood after each thing that happened to it."""

    run: runs.Run
    statuses: list[runs.Status]
    logs: list[pd.DataFrame]
    checkpoints: list[Path]
    cards: list[dict | None]

    def note(self) -> None:
        kept = self.run.folder.parent / f"kept-{len(self.logs)}-{self.run.id}.keras"
        shutil.copy(self.run.folder / "model.keras", kept)
        self.statuses.append(self.run.status())
        self.logs.append(self.run.log())
        self.checkpoints.append(kept)
        self.cards.append(self.run.card())


@pytest.fixture(scope="module")
def disk_full(runs_here) -> Cut:
    """The same settings as `whole`; after its first epoch no file may grow large."""
    cut = Cut(runs.create(FULL), [], [], [], [])
    process = jobs.start_worker(cut.run)
    _wait_until(lambda: (cut.run.folder / "last.keras").exists())
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, (20_000, 20_000))
    process.wait(WAIT_SECONDS)
    cut.note()
    return cut


@pytest.fixture(scope="module")
def stopped(runs_here) -> Cut:
    """Stopped by hand, resumed, and killed."""
    cut, queue = Cut(runs.create(TINY), [], [], [], []), jobs.LocalQueue(jobs.Limits())
    process = jobs.start_worker(cut.run)
    _wait_until(lambda: len(cut.run.log()) >= 2)
    queue.stop(cut.run)
    process.wait(WAIT_SECONDS)
    cut.note()

    queue.resume(cut.run)
    process = jobs.start_worker(cut.run)
    _wait_until(lambda: len(cut.run.log()) >= len(cut.logs[0]) + 2)
    process.send_signal(signal.SIGKILL)
    process.wait(WAIT_SECONDS)
    cut.note()
    return cut


@dataclass
class Continued:
    """Runs after a second worker went on with them."""

    resumed: Cut
    finished: Cut
    exported: runs.Run
    before_export: dict  # its card


@pytest.fixture(scope="module")
def continued(disk_full, stopped, group) -> Continued:
    """One worker resumes the run of the full disk, finishes the killed one with what there was, and exports one of a group."""
    queue = jobs.LocalQueue(jobs.Limits())
    assert not group[2].can_predict
    before = group[2].card()
    runs.set_status(stopped.run, state="interrupted")  # the queue does this at its next look
    queue.resume(disk_full.run)
    queue.finish(stopped.run)
    queue.finish(group[2])
    jobs.start_worker(disk_full.run, stopped.run, group[2]).wait(WAIT_SECONDS)
    disk_full.note()
    stopped.note()
    return Continued(disk_full, stopped, group[2], before)


@pytest.mark.slow
def test_a_finished_run_holds_all_its_files_and_nothing_else(whole):
    """No half-written or temporary file stays behind."""
    assert {path.name for path in whole.folder.iterdir()} == {
        "settings.json", "status.json", "log.csv", "steps.csv", "probes.npz", "last.keras", "model.keras",
        "model.tflite", "evaluation.npz", "card.json", "worker.log",
    }  # fmt: skip


@pytest.mark.slow
def test_the_card_says_what_the_files_are(whole):
    """Hashes, sizes and parameters follow from the files and the settings."""
    card = whole.card()

    assert set(card) == CARD_KEYS
    assert set(card["files"]) == {"model.keras", "model.tflite"}
    for name, record in card["files"].items():
        data = (whole.folder / name).read_bytes()
        assert record == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert card["num_parameters"] == architectures.cost_of(FULL)[0]
    assert card["data_digest"] == datasets.load("sketches").digest
    assert (card["seed"], card["batch_size"], card["num_train"], card["num_epochs"]) == (7, 50, 1000, 6)
    assert set(card["versions"]) == {"keras", "tensorflow", "numpy"}
    assert card["machine"]["num_cores"] >= 1


@pytest.mark.slow
def test_the_card_reports_what_the_best_epoch_predicted(whole):
    """Its accuracies are those of the stored probabilities, and validation's is the best of the log."""
    card, evaluation, log = whole.card(), whole.evaluation(), whole.log()

    for split in ("validation", "test"):
        predicted = evaluation[f"{split}_probabilities"].argmax(axis=1)
        correct = int((predicted == evaluation[f"{split}_labels"]).sum())
        metric = card["metrics"][split]
        assert metric["n"] == 1000
        assert metric["correct"] == pytest.approx(correct, abs=1)  # stored in float16: a tie may turn
        assert metric["accuracy"] == metric["correct"] / 1000
        assert 0 <= metric["interval"][0] < metric["accuracy"] < metric["interval"][1] <= 1
    best = log.loc[log.val_accuracy.idxmax()]
    assert card["best_epoch"] == best.epoch
    assert card["metrics"]["validation"]["accuracy"] == pytest.approx(best.val_accuracy)
    assert card["train_seconds"] == pytest.approx(log.seconds.sum())


@pytest.mark.slow
def test_the_log_has_a_row_per_epoch_and_the_curve_reaches_the_end(whole):
    """Twenty steps an epoch; the cosine schedule ends near zero."""
    log, steps, status = whole.log(), whole.steps(), whole.status()

    assert log.epoch.tolist() == [1, 2, 3, 4, 5, 6]
    assert np.isfinite(log.to_numpy()).all()
    assert log.learning_rate.is_monotonic_decreasing
    assert log.learning_rate.iloc[-1] < FULL.learning_rate / 10
    assert steps.step.iloc[-1] == 120
    assert steps.step.is_monotonic_increasing
    assert (status.epoch, status.num_epochs, status.fraction, status.seconds_left) == (6, 6, 1.0, None)


@pytest.mark.slow
def test_the_probe_pictures_are_followed_through_all_epochs(whole):
    """Probabilities of a dozen validation pictures after each epoch, of every class."""
    probes = whole.probes()

    assert probes["probabilities"].shape == (6, 12, 10)
    assert probes["probabilities"].sum(axis=2) == pytest.approx(1.0, abs=0.01)
    assert set(datasets.load("sketches").validation.labels[probes["indices"]]) == set(range(10))


@pytest.mark.slow
def test_the_exported_model_agrees_with_the_trained_one(whole):
    """On all test pictures, through LiteRT in this process."""
    test = datasets.load("sketches").test
    expected = whole.evaluation()["test_probabilities"].astype(np.float32)

    assert Predictor(whole).predict(test.images) == pytest.approx(expected, abs=0.01)


_PLAIN_KERAS = """
import json, sys
import keras, numpy as np
images = np.load(sys.argv[1])
answers = [keras.saving.load_model(path).predict(images, verbose=0).tolist() for path in sys.argv[2:]]
assert not [name for name in sys.modules if name.split(".")[0] == "fashion"]
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_checkpoints_open_in_plain_keras(whole, continued, tmp_path):
    """Without this package, from another folder; those of failed, stopped and killed runs too."""
    test = datasets.load("sketches").test
    np.save(tmp_path / "images.npy", test.images)
    cuts = [continued.resumed.checkpoints[0], *continued.finished.checkpoints]
    done = subprocess.run(
        [sys.executable, "-I", "-c", _PLAIN_KERAS, "images.npy", whole.folder / "model.keras", *cuts],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = np.array(json.loads(done.stdout.splitlines()[-1]))

    assert answers.shape == (5, 1000, 10)
    assert answers[0] == pytest.approx(whole.evaluation()["test_probabilities"].astype(float), abs=1e-3)
    for answer in answers[2:]:
        assert (answer.argmax(axis=1) == test.labels).mean() > 0.5


@pytest.mark.slow
def test_a_full_disk_ends_the_run_in_words(disk_full):
    """The epochs before are kept."""
    status = disk_full.statuses[0]

    assert status.state == "failed"
    assert status.reason.startswith("The disk is full")
    assert len(disk_full.logs[0]) < 6


@pytest.mark.slow
def test_a_resumed_run_learns_what_an_undisturbed_one_learns(whole, continued):
    """Same seed, same order, same augmentation, same dropout, same averages: the tables agree to their last digit."""
    same = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    cut = continued.resumed

    assert cut.statuses[1].state == "finished"
    pd.testing.assert_frame_equal(cut.run.log()[same], whole.log()[same], check_exact=True)
    assert cut.run.steps().step.is_monotonic_increasing
    assert cut.run.probes()["probabilities"].shape == (6, 12, 10)


@pytest.mark.slow
def test_a_stopped_run_keeps_its_best_epoch(stopped):
    """It ended long before its 200 epochs, tested and exported."""
    status, log, card = stopped.statuses[0], stopped.logs[0], stopped.cards[0]

    assert (status.state, status.reason) == ("stopped", "Stopped by hand.")
    assert 2 <= len(log) < 200
    assert card["best_epoch"] == log.epoch[log.val_accuracy.idxmax()]
    assert card["metrics"]["test"]["accuracy"] > 0.5


@pytest.mark.slow
def test_a_killed_run_reads_as_cut_off(stopped):
    """Its card was of an earlier stop, and went when the run went on."""
    status = stopped.statuses[1]

    assert status.state == "interrupted"
    assert "cut off" in status.reason
    assert "Resume it" in status.reason
    assert stopped.cards[1] is None


@pytest.mark.slow
def test_a_resumed_run_counts_on_without_gaps(stopped):
    """Epochs 1 to n, each once; n has grown."""
    first, second = stopped.logs[:2]

    assert second.epoch.tolist() == list(range(1, len(second) + 1))
    assert len(second) >= len(first) + 2
    assert second.loss[: len(first)].tolist() == first.loss.tolist()


@pytest.mark.slow
def test_a_cut_off_run_can_be_finished_without_training_on(continued):
    """Its best epoch is tested and exported; the log stays as it was."""
    cut = continued.finished
    status, card = cut.statuses[2], cut.cards[2]

    assert status.state == "stopped"
    assert "Cut off before its last epoch" in status.reason
    assert card["num_epochs"] == len(cut.logs[1])
    assert Predictor(cut.run).predict(np.zeros((1, 28, 28), np.uint8)).shape == (1, 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(_HOPELESS))
def test_what_cannot_work_fails_in_words(hopeless, name):
    """A loss that is no number, another framework, no graphics card, no data."""
    status = hopeless[name].status()

    assert status.state == "failed"
    assert _HOPELESS[name][1] in status.reason
    assert "no words for" not in status.reason
    assert hopeless[name].card() is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("The data are gone."), "The data are gone."),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "The disk is full"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "not enough memory"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM when allocating"), "not enough memory"),
        (ModuleNotFoundError("No module named 'torch'"), "No module named 'torch'. Install it"),
        (PermissionError(errno.EACCES, "Permission denied"), "PermissionError: [Errno 13] Permission denied"),
        (ValueError("first\nsecond"), "ValueError: first. The whole of it is in worker.log"),
        (KeyError(), "KeyError: no message"),
    ],
)
def test_errors_become_words(error, words):
    """Every failure is told in a sentence; only what nobody foresaw shows its own name."""
    assert words in worker.explain(error)


def test_the_status_is_a_heartbeat_until_the_end(monkeypatch):
    """It is written while nothing happens, and never after the last word."""
    monkeypatch.setattr(worker, "STATUS_INTERVAL_SECONDS", 0.01)
    run = runs.create(TINY)
    reporter = worker.Reporter(run)
    first = run.status().heartbeat
    _wait_until(lambda: run.status().heartbeat > first)

    reporter.end(state="finished")
    (run.folder / "status.json").unlink()
    time.sleep(0.05)

    assert not (run.folder / "status.json").exists()


def test_a_signal_is_a_request_to_stop():
    """From the queue it comes with a reason in the folder; from elsewhere without."""
    run = runs.create(TINY)
    reporter = worker.Reporter(run)
    assert reporter.stop_reason() is None

    reporter.signalled = True
    assert reporter.stop_reason() == "Stopped by a signal from the system."
    runs.request_stop(run, "Stopped at the time limit.")
    assert reporter.stop_reason() == "Stopped at the time limit."
    reporter.end(state="stopped")


@pytest.mark.slow
def test_a_group_goes_on_after_a_run_that_failed_or_was_stopped(group):
    """Each run has an end of its own, told in words, and none of the others' files."""
    assert [run.status().state for run in group] == ["failed", "stopped", "finished"]
    assert "The loss must stay a number" in group[0].status().reason
    assert "It had not begun" in group[1].status().reason
    assert not (group[1].folder / "log.csv").exists()


@pytest.mark.slow
def test_a_run_of_a_group_is_the_same_as_one_of_its_own(group, whole):
    """Random numbers and settings of the runs before it in the process leave no trace."""
    pd.testing.assert_frame_equal(
        group[2].log()[["loss", "val_loss", "val_accuracy"]],
        whole.log()[["loss", "val_loss", "val_accuracy"]],
    )
    ours, theirs = group[2].card()["metrics"]["test"], whole.card()["metrics"]["test"]
    assert ours["correct"] == theirs["correct"]


@pytest.mark.slow
def test_a_run_of_a_group_is_tested_but_exported_only_on_request(continued):
    """The card said why it cannot predict; asking for it makes the file, and the run stays finished."""
    run = continued.exported
    status = run.status()

    assert "Export it if you wish" in continued.before_export["no_export"]
    assert status.state == "finished", status.reason
    assert run.can_predict
    assert "no_export" not in run.card()
