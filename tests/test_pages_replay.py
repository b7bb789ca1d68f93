"""The Runs page's sections Replay and Epochs: a run once more epoch by epoch, and its epochs tested, used and deleted."""

import altair as alt
import numpy as np
import pytest
import runs_page
from run_folders import CLASSES, LABELS, answers, change_card, make_run, write_arrays
from runs_page import button, labels, open_page, words

from fashion import datasets, jobs, runs, snapshots, summary
from fashion.errors import JobError
from fashion.lessons_results import label_of
from fashion.ui import replay_view, state

A = "20260102-030405-softmax-aaaa"


@pytest.fixture(autouse=True)
def _toy_machine(monkeypatch, tmp_path):
    """A toy dataset, no shipped models, no GPU question, and queued runs stay queued."""
    runs_page.toy_machine(monkeypatch, tmp_path)
    monkeypatch.setattr(runs, "LESSONS", tmp_path / "lessons")


@pytest.fixture
def shown(monkeypatch):
    """What picture grids show: key -> (captions, mean pixel values) of the last drawing."""
    return runs_page.recorded_grids(monkeypatch)


def growing_run(name: str = A, **where) -> runs.Run:
    """Probe pictures 0 to 11 of which none, six, then all are right after epochs 1, 2 and 3."""
    run = make_run(name, **where)
    right = answers({})[:12]
    wrong = np.roll(right, 1, axis=1)
    half = np.concatenate([right[:6], wrong[6:]])
    write_arrays(run, "probes.npz", indices=np.arange(12), probabilities=np.stack([wrong, half, right]))
    return run


# Replay


def test_a_link_opens_the_replay_at_an_epoch(shown):
    """Epoch 2 of the log: 80 % of 300 right; the best so far; half of the probe pictures."""
    growing_run()

    at = open_page(open=A, view="Replay", epoch="2")

    assert not at.exception
    assert at.slider(key=state.EPOCH).value == 2
    assert (
        "**After epoch 2 of 3:** validation accuracy 80.0% (240 of 300, 95 % interval 75.1% to 84.1%)"
        in words(at)
    )
    assert "training 70.0%. Best so far: epoch 2." in words(at)
    assert "6 of 12 right" in words(at)
    captions, means = shown["_replay_grid"]
    captions = [caption.replace("\u00a0", " ").replace("\u2011", "-") for caption in captions]
    assert captions[0] == f"✓ {CLASSES[0]} 90%"
    assert captions[6] == f"✗ is {CLASSES[6]}, said {CLASSES[7]} 90%"
    assert means == list(range(12))


def test_the_slider_moves_through_the_run(shown):
    """The first epoch: its own numbers, and no picture right."""
    growing_run()

    at = open_page(open=A, view="Replay").slider(key=state.EPOCH).set_value(1).run()

    assert "**After epoch 1 of 3:** validation accuracy 60.0%" in words(at)
    assert "0 of 12 right" in words(at)


@pytest.mark.parametrize("epoch", ["99", "0", "-3", "x", ""])
def test_an_epoch_that_there_is_not_shows_the_last(epoch):
    """Links may hold anything."""
    growing_run()

    at = open_page(open=A, view="Replay", epoch=epoch)

    assert not at.exception
    assert "After epoch 3 of 3" in words(at)


def test_play_begins_at_the_first_epoch_moves_on_and_stops_at_the_end(monkeypatch):
    """A clock by hand: an epoch for each tick, none for other drawings, and Play again at the end."""
    clock = [1000.0]
    monkeypatch.setattr(state.time, "monotonic", lambda: clock[0])
    growing_run()

    at = button(open_page(open=A, view="Replay"), "Play").click().run()
    seen = [at.slider(key=state.EPOCH).value]
    assert "Pause" in labels(at)
    at.run()
    seen.append(at.slider(key=state.EPOCH).value)
    for _ in range(2):
        clock[0] += replay_view.SECONDS_PER_EPOCH
        at.run()
        seen.append(at.slider(key=state.EPOCH).value)

    assert seen == [1, 1, 2, 3]
    assert not at.exception
    assert "Play" in labels(at)


def test_taking_the_slider_pauses():
    """Whoever takes it wants to look."""
    growing_run()
    at = button(open_page(open=A, view="Replay"), "Play").click().run()

    at = at.slider(key=state.EPOCH).set_value(2).run()

    assert "Play" in labels(at)
    assert "After epoch 2 of 3" in words(at)


def test_a_recorded_run_of_a_lesson_is_replayed_without_its_dataset(monkeypatch):
    """Where the pictures are not here, a table says what was answered."""
    make_run(A)
    growing_run("dropout-0-5", folder=runs.LESSONS / "dropout")
    monkeypatch.setattr(
        datasets, "status", lambda name: datasets.DataStatus(name, False, runs.ROOT, ("missing",))
    )

    at = open_page(open="dropout-0-5", view="Replay", epoch="2")

    assert not at.exception
    assert "are not on this machine" in words(at)
    table = at.dataframe[1].value
    assert table["label"].tolist() == [CLASSES[label] for label in LABELS[:12]]
    assert (table["answer"] == table["label"]).tolist() == [True] * 6 + [False] * 6


def test_a_run_without_an_epoch_cannot_be_replayed():
    """It says so."""
    (make_run(A, tested=False, state="failed").folder / "log.csv").unlink()

    at = open_page(open=A, view="Replay")

    assert not at.exception
    assert "nothing to replay" in words(at)


def test_the_curve_until_an_epoch_holds_no_later_one_on_the_axes_of_the_whole_run():
    """What is drawn ends at the epoch; only the invisible frame knows the rest. The ring is on the best so far."""
    values = summary.curves([summary.summarise(make_run(A))])

    chart = replay_view.curve_until(values, "accuracy", 1)

    assert isinstance(chart, alt.LayerChart)
    drawn = chart.to_dict()
    *layers, frame = drawn["layer"]
    rows = drawn["datasets"]
    assert {row["epoch"] for row in rows[frame["data"]["name"]]} == {1, 2, 3}
    assert frame["mark"]["opacity"] == 0
    for layer in layers:
        assert {row["epoch"] for row in rows[layer.get("data", drawn.get("data"))["name"]]} == {1}
    assert replay_view.best_so_far(values, 1) == 1
    assert replay_view.best_so_far(values, 3) == 2


# Epochs


def keep(run: runs.Run, *epochs: int) -> None:
    """Put weights there as a worker does, without a network in them."""
    snapshots.folder(run).mkdir(exist_ok=True)
    for epoch in epochs:
        snapshots.weights(run, epoch).write_bytes(b"weights")


def test_a_run_that_kept_its_best_epoch_only_says_how_to_keep_all():
    """The table is there all the same."""
    make_run(A)

    at = open_page(open=A, view="Epochs")

    assert not at.exception
    assert at.dataframe[1].value["Epoch"].tolist() == [1, 2, 3]
    assert "train it again with “Keep every epoch”" in words(at)
    assert not {"Test this epoch", "Use it to predict"} & set(labels(at))


@pytest.mark.parametrize(("label", "export"), [("Test this epoch", False), ("Use it to predict", True)])
def test_a_press_queues_the_test_of_the_chosen_epoch(label, export):
    """The last one is chosen to begin with; while the job waits, no other can be asked for."""
    run = make_run(A)
    keep(run, 1, 3)

    at = button(open_page(open=A, view="Epochs"), label).click().run()

    assert not at.exception
    assert snapshots.asked(snapshots.job_of(run)) == (run, [3], export)
    assert not {"Test this epoch", "Use it to predict"} & set(labels(at))
    assert "Stop" in labels(at)
    assert run.status().state == "finished"


def test_a_tested_epoch_is_compared_and_the_page_warns_of_choosing_by_the_test():
    """Thirty mistakes in the last epoch, twelve in the best; it can be opened like a run, and asked."""
    run = make_run(A)
    keep(run, 3)
    made = make_run(f"{A}_epoch-003", folder=snapshots.folder(run), wrong={(4, 2): 30})

    at = open_page(open=A, view="Epochs")

    assert "The best epoch (2) is" in words(at)
    assert "needs new pictures" in words(at)
    assert any("Predict with epoch 3" in link.proto.label for link in at.get("page_link"))
    assert at.dataframe[1].value["Test"].tolist()[2] == pytest.approx(90)
    at = open_page(open=made.id)
    assert not at.exception
    assert at.selectbox(key="_opened").value == made.id
    assert "softmax-aaaa, epoch 3" in at.selectbox(key="_opened").options[-1]
    assert {metric.label: metric.value for metric in at.metric}["Epoch"] == "2 of 3"
    assert "This is one epoch of a run" in words(open_page(open=made.id, view="Epochs"))


def test_snapshots_are_deleted_after_a_question():
    """The run stays."""
    run = make_run(A)
    keep(run, 1, 3)

    at = button(open_page(open=A, view="Epochs"), "Delete them for good").click().run()

    assert not at.exception
    assert snapshots.kept(run) == []
    assert run.has_model


def test_a_refusal_of_the_queue_is_said(monkeypatch):
    """In its own words."""
    keep(make_run(A), 1)

    def full(self, visitor=""):
        raise JobError("At most 0 runs may wait.")

    monkeypatch.setattr(jobs.LocalQueue, "check_room", full)

    at = button(open_page(open=A, view="Epochs"), "Test this epoch").click().run()

    assert not at.exception
    assert "At most 0 runs may wait." in words(at)


def test_a_failed_test_of_an_epoch_says_why():
    """What the worker left in its status."""
    run = make_run(A)
    keep(run, 1)
    job = snapshots.create_job(run, [1], export=False)
    runs.set_status(job, state="failed", reason="The disk is full.")

    assert "The disk is full." in words(open_page(open=A, view="Epochs"))


def test_a_run_that_kept_every_epoch_is_still_that_of_its_lesson():
    """Lesson 8.7 keeps all; runs of it that were recorded without them count, too."""
    from fashion import lessons

    experiment = lessons.find("checkpoints").experiments[0]
    (_, settings), *_ = experiment.runs

    assert settings.snapshots
    assert (
        label_of(experiment, settings)
        == label_of(experiment, settings.replace(snapshots=False))
        == "30 epochs"
    )
    assert label_of(experiment, settings.replace(epochs=29)) is None


def test_a_run_without_validation_answers_names_none_of_them():
    """A card whose fingerprint is of other pictures: the probe pictures are told in words."""
    change_card(growing_run(), data_digest="another")

    at = open_page(open=A, view="Replay", epoch="3")

    assert not at.exception
    assert "12 of 12 right" in words(at)
    assert at.dataframe[1].value["answer"].tolist() == [CLASSES[label] for label in LABELS[:12]]
