"""Epochs that were kept: what they take, which there are, and that a worker tests and exports the very weights."""

import json

import numpy as np
import pytest
from run_folders import make_run

from fashion import answers as asking
from fashion import datasets, jobs, runs, snapshots, summary
from fashion.errors import JobError, RunError
from fashion.predictor import Predictor
from fashion.settings import DEFAULTS, PHOTO_DEFAULTS, RunSettings

A = "20260102-030405-softmax-aaaa"
WAIT_SECONDS = 120.0


def keep(run: runs.Run, *epochs: int) -> None:
    """Put weights there as a worker does, without a network in them."""
    snapshots.folder(run).mkdir(exist_ok=True)
    for epoch in epochs:
        snapshots.weights(run, epoch).write_bytes(b"weights")


def test_epoch(run: runs.Run, epoch: int, wrong: dict) -> runs.Run:
    """Put the folder of a tested epoch there, with these mistakes on test."""
    keep(run, epoch)
    return make_run(snapshots.tested_folder(run, epoch).name, folder=snapshots.folder(run), wrong=wrong)


test_epoch.__test__ = False


# What they take


def test_the_disk_that_snapshots_need_is_the_parameters_of_what_is_kept_times_the_epochs():
    """Softmax regression has 7,850 numbers of four bytes; of a head on stored vectors only the head is kept."""
    softmax = RunSettings(architecture="softmax", epochs=10, snapshots=True)
    head = PHOTO_DEFAULTS.replace(epochs=10, snapshots=True)

    assert snapshots.needed_bytes(softmax) == 10 * (7850 * 4 + 60_000)
    assert snapshots.needed_bytes(head) == 10 * ((1280 + 1) * 10 * 4 + 60_000)
    tuned = head.replace(fine_tune="last", fine_tune_epochs=2)
    assert 2 * 4 * 5.9e6 < snapshots.needed_bytes(tuned) - snapshots.needed_bytes(head) < 2 * 4 * 6.5e6


def test_snapshots_that_would_fill_the_disk_are_refused_with_what_to_do():
    """Two hundred epochs of a wide network, and a disk with 10 MB left; without snapshots neither is a problem."""
    large = DEFAULTS.replace(architecture="cnn", width=4.0, inner_width=512, epochs=200, snapshots=True)

    words = snapshots.refusal(large)

    assert words.startswith(
        "The snapshots of all epochs must fit into the 500 MB that are allowed for one run. Received"
    )
    assert "200 epochs need about" in words
    assert "fewer epochs" in words
    assert snapshots.refusal(large.replace(snapshots=False)) is None
    small = RunSettings(architecture="mlp", epochs=20, snapshots=True)
    assert snapshots.refusal(small) is None
    with pytest.raises(JobError, match="must fit into the 5 MB that are half of what the disk has left"):
        snapshots.check(small, free_bytes=10e6)


def test_the_queue_refuses_a_run_whose_snapshots_would_not_fit(monkeypatch):
    """Nothing is queued."""
    monkeypatch.setattr(jobs, "free_disk_bytes", lambda: 1e6)

    with pytest.raises(JobError, match="snapshots"):
        jobs.LocalQueue(jobs.Limits()).submit(RunSettings(architecture="cnn", snapshots=True))

    assert runs.list_runs() == []


# What is there


def test_kept_epochs_are_those_with_weights_and_forgetting_takes_the_later_ones():
    """Also the folder of a later tested epoch goes; a file of another name is none of them."""
    run = make_run(A)
    keep(run, 1, 2, 10, 123)
    (snapshots.folder(run) / ".epoch-004.keras.new.keras").write_bytes(b"half")
    test_epoch(run, 11, {})

    assert snapshots.kept(run) == [1, 2, 10, 11, 123]
    snapshots.forget_after(run, 2)

    assert snapshots.kept(run) == [1, 2]
    assert snapshots.tested(run) == {}


def test_a_tested_epoch_is_found_by_its_name_and_can_be_asked():
    """It reads as a run, is listed after its run among the models, and is no run in the list of runs."""
    run = make_run(A)
    made = test_epoch(run, 1, {(4, 2): 30})

    found = runs.find(f"{A}_epoch-001")

    assert found == made
    assert summary.short_name(found) == "softmax-aaaa, epoch 1"
    assert [one.run.id for one in asking.models() if not one.run.shipped] == [A, f"{A}_epoch-001"]
    assert [one.id for one in runs.list_runs()] == [A]


@pytest.mark.parametrize(
    "name",
    [
        f"{A}_epoch-1",
        f"{A}_epoch-002",
        f"{A}_epoch-../..",
        f"../{A}_epoch-001",
        f"{A}_epoch-001/",
        "_epoch-001",
    ],
)
def test_other_names_are_no_epoch(name):
    """Names come from links: those of another form, and of epochs that were not tested, are refused."""
    test_epoch(make_run(A), 1, {})

    with pytest.raises(RunError, match="There must be a run"):
        runs.find(name)


def test_a_recorded_run_of_a_lesson_is_found_by_its_name(tmp_path, monkeypatch):
    """Without weights, so that a link can replay it."""
    monkeypatch.setattr(runs, "LESSONS", tmp_path / "lessons")
    make_run("dropout-0-5", folder=runs.LESSONS / "dropout")

    assert runs.find("dropout-0-5").folder == runs.LESSONS / "dropout" / "dropout-0-5"
    assert runs.find("dropout-0-5").shipped


# What they came to


def test_the_table_has_a_row_per_epoch_with_the_test_where_there_was_one():
    """The best epoch, 2, was tested by the run: 288 of 300. Epoch 3 was tested later, with 30 mistakes."""
    run = make_run(A)
    test_epoch(run, 3, {(4, 2): 30})
    keep(run, 1)

    table = snapshots.table(summary.summarise(run))

    assert table["Epoch"].tolist() == [1, 2, 3]
    assert table[""].tolist() == ["", "best", "last"]
    assert table["Validation"].tolist() == pytest.approx([60, 80, 75])
    assert table["Test"].tolist() == pytest.approx([np.nan, 96, 90], nan_ok=True)
    assert table["Kept"].tolist() == [True, True, True]
    assert table["Test, 95 %"].tolist()[2] == "86.1% to 92.9%"


def test_best_and_last_epoch_are_compared_on_the_same_pictures():
    """The last one has 18 mistakes more of 300, all where the best one is right."""
    run = make_run(A)
    one = summary.summarise(run)

    assert snapshots.best_against_last(one).startswith("Best against last: test epoch 3")
    test_epoch(run, 3, {(4, 2): 23, (6, 0): 7})

    words = snapshots.best_against_last(one)
    assert words.startswith("The best epoch (2) is better than the last epoch (3): by 6.00 percentage points")
    assert "300 test pictures" in words


def test_a_run_whose_last_epoch_was_best_has_nothing_to_compare():
    """Then keeping the best one changed nothing."""
    run = make_run(A)
    path = run.folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"best_epoch": 3}))

    assert "nothing to compare it with" in snapshots.best_against_last(summary.summarise(run))


# The job


def test_only_kept_epochs_of_an_ended_run_can_be_tested_and_one_job_at_a_time():
    """Each refusal says why; a job is a folder of its own."""
    run, queue = make_run(A), jobs.LocalQueue(jobs.Limits())
    keep(run, 1, 3)

    with pytest.raises(JobError, match="Received: 2"):
        queue.test_epochs(run, [1, 2], export=False)
    with pytest.raises(JobError, match="Received: none"):
        queue.test_epochs(run, [], export=False)
    job = queue.test_epochs(run, [3, 1], export=False)
    assert snapshots.asked(job) == (run, [1, 3], False)
    assert snapshots.job_of(run) == job
    with pytest.raises(JobError, match="one job at a time"):
        queue.test_epochs(run, [1], export=False)
    with pytest.raises(RunError, match="at work"):
        snapshots.delete(run)
    running = make_run("20260103-030405-softmax-bbbb", state="queued")
    with pytest.raises(JobError, match="that has ended"):
        queue.test_epochs(running, [1], export=False)


def test_deleting_snapshots_leaves_the_best_epoch():
    """The folder goes, and with it the ended jobs; the run's own model stays."""
    run = make_run(A)
    test_epoch(run, 1, {})
    job = jobs.LocalQueue(jobs.Limits()).test_epochs(run, [1], export=False)
    runs.set_status(job, state="finished")

    snapshots.delete(run)

    assert not snapshots.folder(run).exists()
    assert not job.folder.exists()
    assert run.has_model


def test_a_damaged_tested_epoch_is_left_out():
    """A card of rubbish, and a request of rubbish, break nothing."""
    run = make_run(A)
    (test_epoch(run, 1, {}).folder / "card.json").write_text("{")
    job = runs.create_job("snapshot", snapshots.REQUEST, ["rubbish"], task="snapshot")

    assert snapshots.summaries(run) == {}
    assert snapshots.job_of(run) is None
    with pytest.raises(RunError):
        snapshots.asked(job)


# A real worker


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A run of three epochs with averaged weights, then its epochs 1 and 3 tested and exported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_RUNS", str(tmp_path_factory.mktemp("snapshots")))
        settings = RunSettings(
            dataset="sketches", architecture="softmax", num_train=1000, batch_size=50, epochs=3, averaging=True,
            learning_rate=0.002, snapshots=True,
        )  # fmt: skip
        run = runs.create(settings)
        jobs.start_worker(run).wait(WAIT_SECONDS)
        assert run.status().state == "finished", run.status().reason
        before = (run.folder / "card.json").read_bytes(), (run.folder / "status.json").read_bytes()
        job = snapshots.create_job(run, [1, 3], export=True)
        jobs.start_worker(job).wait(WAIT_SECONDS)
        assert job.status().state == "finished", job.status().reason
        assert before == ((run.folder / "card.json").read_bytes(), (run.folder / "status.json").read_bytes())
        yield run


def test_a_snapshot_is_what_was_validated_after_its_epoch(real):
    """Tested again, each kept epoch has as many validation pictures right as the log says; averaged weights included."""
    accuracy = dict(zip(real.log().epoch, real.log().val_accuracy, strict=True))
    n = datasets.split_sizes("sketches")["validation"]

    assert snapshots.kept(real) == [1, 2, 3]
    for epoch, one in snapshots.summaries(real).items():
        assert one.validation.n == n
        assert one.validation.correct == round(accuracy[epoch] * n)
        assert one.best_epoch == one.num_epochs == epoch
        assert one.data_digest == real.card()["data_digest"]
    assert sorted(snapshots.tested(real)) == [1, 3]


def test_an_exported_epoch_predicts_what_it_said_in_the_test(real):
    """The file for prediction agrees with the stored answers of its own epoch, and not with those of the other."""
    pictures = datasets.load("sketches").test.images[:50]
    first, last = snapshots.tested(real)[1], snapshots.tested(real)[3]

    said = Predictor(first).predict(pictures)

    assert np.abs(said - first.evaluation()["test_probabilities"][:50]).max() < 0.02
    assert np.abs(said - last.evaluation()["test_probabilities"][:50]).max() > 0.05


def test_a_snapshot_is_smaller_than_the_checkpoint_of_the_same_network(real):
    """It holds 7,850 numbers, without the two more for each that Adam keeps; the estimate is not far off."""
    size = snapshots.weights(real, 2).stat().st_size

    assert size < (real.folder / "last.keras").stat().st_size - 2 * 7850 * 4
    assert 0.3 < size * 3 / snapshots.needed_bytes(real.settings) < 1.1
