"""What is said about runs agrees with their files, and damaged files are told apart from good ones."""

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from run_folders import LABELS, answers, change_card, make_run, write_arrays

from fashion import disk, runs, summary
from fashion.errors import RunError
from fashion.runs import Status
from fashion.settings import PHOTO_DEFAULTS, RunSettings

A, B = "20260102-030405-softmax-aaaa", "20260103-030405-cnn-bbbb"


def test_a_finished_run_is_summed_up_from_its_card():
    """288 of 300 right; the interval is Wilson's (by hand: 0.9314 to 0.9769), not the card's."""
    one = summary.summarise(make_run(A))

    assert (one.name, one.when) == ("softmax-aaaa", datetime(2026, 1, 2, 3, 4, 5))
    assert (one.test.correct, one.test.n) == (288, 300)
    assert one.test.value == 0.96
    assert (one.test.low, one.test.high) == pytest.approx((0.9314, 0.9769), abs=1e-4)
    assert (one.best_epoch, one.num_epochs, one.temperature) == (2, 3, 1.25)
    assert (one.train_seconds, one.first_epoch_seconds, one.steady_epoch_seconds) == (7.0, 4.0, 1.5)


def test_an_unfinished_run_is_summed_up_from_its_log():
    """The best epoch is the one with the highest validation accuracy, not the last; nothing is claimed about the test."""
    one = summary.summarise(make_run(A, state="stopped", tested=False))

    assert (one.best_epoch, one.num_epochs) == (2, 3)
    assert one.validation.value == 0.8
    assert one.validation.n == 5000
    assert one.test is None
    assert (one.train_seconds, one.images_per_second) == (7.0, 2000.0)


def test_a_run_that_ended_is_summed_up_once_until_it_changes(monkeypatch):
    """A page that lists three hundred runs reads only what is new; deleting and resuming are seen."""
    run = make_run("20260102-090000-softmax-0001")
    for path in run.folder.iterdir():
        os.utime(path, (time.time() - 60,) * 2)
    once = summary.summarise(run)
    monkeypatch.setattr(summary, "_from_card", None)  # it would fail if it were asked

    assert summary.summarise(runs.Run(run.folder)) is once
    disk.write_json(run.folder / "status.json", {"state": "queued"})
    (run.folder / "card.json").unlink()
    assert summary.summarise(run).status.state == "queued"
    assert summary.summarise(run).test is None


def test_a_run_without_a_single_epoch_has_no_numbers():
    """Waiting runs are listed too."""
    run = make_run(A, state="queued", tested=False)
    (run.folder / "log.csv").unlink()

    one = summary.summarise(run)

    assert (one.validation, one.best_epoch, one.train_seconds, one.num_epochs) == (None, None, None, 0)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"metrics": {}}, id="no metrics"),
        pytest.param({"metrics": {"test": {"correct": 9, "n": 5}}}, id="more right than there are"),
        pytest.param({"metrics": [1, 2]}, id="a list"),
        pytest.param({"classes": 7}, id="classes no list"),
        pytest.param({"classes": ["coat", "coat"]}, id="classes twice"),
        pytest.param({"train_seconds": "long"}, id="words for a number"),
        pytest.param({"machine": None}, id="no machine"),
        pytest.param({"num_epochs": 1e400}, id="infinity"),
    ],
)
def test_a_card_with_values_that_do_not_fit_is_damaged(changes):
    """Whatever JSON a card holds, the answer is a RunError that names the run."""
    run = make_run(A)
    change_card(run, **changes)

    with pytest.raises(RunError, match=A):
        summary.summarise(run)


def test_good_and_damaged_runs_are_told_apart():
    """One bad folder does not hide the others, and keeps its place in the list of problems."""
    good, bad = make_run(A), make_run(B)
    (bad.folder / "settings.json").write_text("{")

    found, damaged = summary.summarise_all([bad, good])

    assert [one.run for one in found] == [good]
    assert [run for run, _ in damaged] == [bad]
    assert "settings.json" in damaged[0][1]


def test_the_table_has_a_column_for_a_setting_only_if_runs_differ_in_it():
    """Same seed, other learning rate: one of the two is a column. Dataset and architecture always are."""
    runs_found = [make_run(A), make_run(B, learning_rate=0.01)]

    table = summary.table([summary.summarise(run) for run in runs_found])

    assert table["Learning rate"].tolist() == [0.001, 0.01]
    assert {"Dataset", "Architecture", "Machine"} <= set(table.columns)
    assert not {"Seed", "Epochs", "Batch size"} & set(table.columns)
    assert table["Test accuracy"].tolist() == [96.0, 96.0]
    assert table["95 % interval"][0] == "93.1% to 97.7%"
    assert table["Machine"][0] == "CPU, Toy Processor, 2 cores"


def test_a_run_that_has_not_been_tested_has_gaps_in_the_table():
    """A gap sorts apart from a number; it is not a 0."""
    table = summary.table([summary.summarise(make_run(A, state="stopped", tested=False))])

    assert table["State"][0] == "stopped"
    assert table["Test accuracy"].isna()[0]
    assert table["Validation accuracy"][0] == pytest.approx(80.0)


def test_a_setting_that_a_run_has_no_use_for_is_not_told_of_it_beside_others():
    """A network for small pictures has no fine-tuning to be compared with 5 epochs of it."""
    photos = PHOTO_DEFAULTS.replace(fine_tune="all", fine_tune_epochs=5)
    found = [
        summary.summarise(make_run("20260102-030405-a", **photos.to_json())),
        summary.summarise(make_run("20260102-030405-b", architecture="mlp")),
    ]

    table = summary.settings_side_by_side(found).set_index("Setting")

    assert list(table.loc["Fine-tuning epochs"]) == ["5", "–"]
    assert list(table.loc["Fine-tune"]) == ["All layers", "–"]


def test_settings_side_by_side_are_in_words_and_only_those_that_differ():
    """A row per setting in which the runs differ."""
    found = [summary.summarise(make_run(A)), summary.summarise(make_run(B, architecture="cnn", flip=True))]

    table = summary.settings_side_by_side(found)

    assert table.to_dict("list") == {
        "Setting": ["Architecture", "Flip"],
        "softmax-aaaa": ["Softmax regression", "no"],
        "cnn-bbbb": ["Small CNN", "yes"],
    }


def test_two_runs_of_the_same_short_name_keep_their_whole_ids():
    """Their curves would otherwise be one."""
    other = "20270102-030405-softmax-aaaa"
    found = [summary.summarise(make_run(name)) for name in (A, other, B)]

    assert summary.unique_names(found) == [A, other, "cnn-bbbb"]


def test_curves_count_seconds_from_the_start_and_mark_the_best_epoch():
    """4 + 1.5 + 1.5 seconds; epoch 2 is the best, and only its validation value is marked."""
    values = summary.curves([summary.summarise(make_run(A))])

    validation = values[values.curve == "validation"]
    assert validation.seconds.tolist() == [4.0, 5.5, 7.0]
    assert validation.accuracy.tolist() == [0.6, 0.8, 0.75]
    assert validation.best.tolist() == [False, True, False]
    assert not values[values.curve == "training"].best.any()


def test_curves_of_runs_without_an_epoch_are_empty():
    """A run that has only begun draws nothing."""
    run = make_run(A, state="running", tested=False)
    (run.folder / "log.csv").unlink()

    assert summary.curves([summary.summarise(run)]).empty


def test_stored_answers_come_back_with_their_labels():
    """300 rows of ten probabilities, 288 of them right."""
    said = summary.predictions(summary.summarise(make_run(A)), "validation")

    assert said.probabilities.shape == (300, 10)
    assert said.correct.sum() == 288
    assert said.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        pytest.param(answers()[:, :9], LABELS, id="a class is missing"),
        pytest.param(answers()[:-1], LABELS, id="a picture is missing"),
        pytest.param(answers() * 3, LABELS, id="no probabilities"),
        pytest.param(answers(), LABELS + 5, id="labels of other classes"),
        pytest.param(np.array(1.0), LABELS, id="a single number"),
    ],
)
def test_stored_answers_that_do_not_fit_are_refused(probabilities, labels):
    """A damaged file ends in words, not in a wrong matrix."""
    run = make_run(A)
    arrays = {"test_probabilities": probabilities, "test_labels": labels}
    write_arrays(
        run, "evaluation.npz", validation_probabilities=answers(), validation_labels=LABELS, **arrays
    )

    with pytest.raises(RunError, match="evaluation.npz"):
        summary.predictions(summary.summarise(run))


def test_a_run_that_was_not_tested_has_no_answers():
    """The message says what is missing."""
    with pytest.raises(RunError, match="without stored answers"):
        summary.predictions(summary.summarise(make_run(A, state="stopped", tested=False)))


def test_settings_read_as_words():
    """Choices by their names, switches as yes and no, large numbers with separators, a seed without."""
    assert summary.setting_in_words("architecture", "cnn") == "Small CNN"
    assert summary.setting_in_words("averaging", True) == "yes"
    assert summary.setting_in_words("num_train", 60_000) == "60,000"
    assert summary.setting_in_words("seed", 12345) == "12345"
    assert summary.setting_in_words("predict_size", 0) == "as in training"


def test_the_table_of_settings_has_only_those_that_the_run_uses():
    """A network on small pictures has no image size; one for photos no shift, and without fine-tuning no rate for it."""
    small = summary.settings_table(make_run(A).settings)
    head = summary.settings_table(PHOTO_DEFAULTS)
    tuned = summary.settings_table(PHOTO_DEFAULTS.replace(fine_tune="last"))

    assert {"Shift", "Width"} <= set(small["Setting"])
    assert not {"Image size", "Fine-tune", "Mixing"} & set(small["Setting"])
    assert "Image size" in set(head["Setting"])
    assert not {"Shift", "Width", "Fine-tuning rate", "Flip"} & set(head["Setting"])
    assert {"Fine-tuning rate", "Flip", "Mixing"} <= set(tuned["Setting"])


@pytest.mark.parametrize(
    ("content", "epochs"), [('{"epochs": 7}', 7), (None, None), ("[]", None), ('{"epochs": "x"}', None)]
)
def test_fine_tuning_begins_after_the_epochs_that_the_head_took(content, epochs):
    """Early stopping may have ended the head before its last epoch; before that, and in a damaged file, nothing is known."""
    run = make_run(A, **(PHOTO_DEFAULTS.to_json() | {"fine_tune": "last"}))
    if content:
        (run.folder / "head.json").write_text(content)

    assert summary.head_epochs(run) == epochs


def test_the_time_of_a_pretrained_network_is_told_by_parts():
    """25 s of vectors; 4 s for the one epoch of the head at 1,000 a second; 3 s for two of fine-tuning at 2,500."""
    run = make_run(A, **(PHOTO_DEFAULTS.to_json() | {"fine_tune": "last"}))
    (run.folder / "head.json").write_text('{"epochs": 1}')
    change_card(run, features={"source": "computed", "seconds": 25.04})

    assert summary.times_of_parts(summary.summarise(run)) == {
        "Vectors of the photos": "25.0 s, computed",
        "The head": "4.0 s, 1 epoch, 1,000 photos/s",
        "Fine-tuning": "3.0 s, 2 epochs, 2,500 photos/s",
    }


def test_a_pretrained_network_is_named_by_what_the_run_did_with_it():
    """It was not pretrained on the run's photos, so that word does not stand before them."""
    head = summary.network_name(PHOTO_DEFAULTS)
    tuned = summary.network_name(PHOTO_DEFAULTS.replace(fine_tune="all"))

    assert (head, tuned) == ("EfficientNetV2-B0, new head", "EfficientNetV2-B0, fine-tuned")
    assert summary.network_name(RunSettings()) == "Small CNN"


def test_a_run_without_fine_tuning_has_no_epoch_where_it_begins():
    """Also a head that was trained alone leaves the note of how long it took."""
    run = make_run(A, **PHOTO_DEFAULTS.to_json())
    (run.folder / "head.json").write_text('{"epochs": 7}')

    assert summary.head_epochs(run) is None


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("stopped", "Stopped by hand. It had not begun.", "stopped by hand. It had not begun."),
        ("stopped", "Stopped at the time limit of 9 s per run.", "stopped at the time limit of 9 s per run."),
        ("stopped", "Stopped by a signal from the system.", "stopped by a signal from the system."),
        ("stopped", "The recording was interrupted.", "stopped. The recording was interrupted."),
        ("interrupted", "This run was cut off: no word.", "this run was cut off: no word."),
        ("failed", "The worker stopped.", "failed. The worker stopped."),
        ("finished", "", "finished."),
    ],
)
def test_how_a_run_ended_is_said_once(state, reason, words):
    """A reason that says itself that the run was stopped or cut off stands alone."""
    assert summary.ending(Status(state=state, reason=reason)) == words


def test_summaries_load_no_streamlit_and_no_keras():
    """The command line uses them too."""
    command = "import fashion.summary, sys; print(' '.join(sys.modules))"
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=root, capture_output=True, text=True, check=True
    )

    assert not set(done.stdout.split()) & {"streamlit", "altair", "keras", "tensorflow"}
