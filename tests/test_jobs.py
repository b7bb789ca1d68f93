"""The queue starts runs in order, one at a time, whoever else looks at the same folder; no worker is started here."""

import dataclasses
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from fashion import jobs, runs
from fashion.errors import JobError, RunError
from fashion.settings import RunSettings

SETTINGS = RunSettings(dataset="sketches", architecture="softmax")


@pytest.fixture
def started(monkeypatch) -> list[str]:
    """The ids of the runs whose worker was started; the workers are this process, and do nothing."""
    ids = []

    def start(run: runs.Run) -> SimpleNamespace:
        ids.append(run.id)
        now = time.time()
        runs.set_status(run, state="running", started=now, heartbeat=now, process_id=os.getpid())
        return SimpleNamespace(poll=lambda: None)

    monkeypatch.setattr(jobs, "start_worker", start)
    return ids


@pytest.fixture
def ended(monkeypatch) -> list[tuple[int, bool]]:
    """The processes that were asked to end: (id, killed)."""
    calls = []
    monkeypatch.setattr(jobs, "_end", lambda process_id, kill: calls.append((process_id, kill)))
    return calls


def _queue(**limits) -> jobs.LocalQueue:
    return jobs.LocalQueue(jobs.Limits(**limits))


def _new_run(second: int) -> runs.Run:
    """A waiting run made at that second, so that the order does not depend on the clock."""
    folder = runs.runs_folder() / f"20260101-1200{second:02d}-softmax-{second:04x}"
    folder.mkdir(parents=True)
    runs.write_json(folder / "settings.json", SETTINGS.to_json())
    runs.write_json(folder / "status.json", dataclasses.asdict(runs.Status(created=time.time())))
    return runs.Run(folder)


def _end(run: runs.Run) -> None:
    runs.set_status(run, state="finished", finished=time.time())


def test_first_come_first_served_one_at_a_time(started):
    """The oldest run starts; the others wait, and know how many are before them."""
    waiting = [_new_run(second) for second in (1, 2, 3)]
    queue = _queue()

    queue.tick()
    queue.tick()
    assert started == [waiting[0].id]
    assert [jobs.queue_position(run) for run in waiting] == [None, 1, 2]

    _end(waiting[0])
    assert jobs.queue_position(waiting[1]) == 0
    queue.tick()
    assert started == [waiting[0].id, waiting[1].id]


def test_two_workers_run_two_at_a_time(started):
    """The number of workers is a setting."""
    for second in (1, 2, 3):
        _new_run(second)

    _queue(num_workers=2).tick()

    assert len(started) == 2


def test_a_visitor_may_have_only_so_many(started):
    """One visitor's limit does not touch another's."""
    queue = _queue(per_visitor=2)
    queue.submit(SETTINGS, "ann")
    queue.submit(SETTINGS, "ann")

    with pytest.raises(JobError, match="Each visitor may have 2 unfinished runs"):
        queue.submit(SETTINGS, "ann")
    queue.submit(SETTINGS, "bob")

    assert len(runs.list_runs()) == 3


def test_the_queue_has_an_end(started):
    """A full queue refuses, and makes no folder."""
    queue = _queue(queue_length=1)
    queue.submit(SETTINGS, "ann")

    with pytest.raises(JobError, match="At most 1 runs may wait"):
        queue.submit(SETTINGS, "bob")

    assert len(runs.list_runs()) == 1


def test_a_waiting_run_is_stopped_without_being_started(started):
    """It never had a worker; the next in line is not held up."""
    first, second = _new_run(1), _new_run(2)
    queue = _queue()
    queue.stop(first)

    queue.tick()

    assert first.status().state == "stopped"
    assert "It had not begun" in first.status().reason
    assert started == [second.id]


def test_two_servers_start_a_run_once(started):
    """The second queue on the same folder sees the first one's claim, even before the status changes."""
    run = _new_run(1)
    one, other = _queue(), _queue()
    one.tick()
    runs.set_status(run, state="queued")  # as the other server may have read it just before

    other.tick()

    assert started == [run.id]


def test_a_restarted_server_finds_the_worker_that_lives_on(started):
    """A new queue starts nothing while the old server's worker runs."""
    _new_run(1)
    _queue().tick()
    waiting = _new_run(2)

    _queue().tick()

    assert len(started) == 1
    assert waiting.status().state == "queued"


def test_a_dead_worker_is_noted_and_the_next_run_starts(started):
    """The status on disk says so too, for whoever reads it later."""
    first, second = _new_run(1), _new_run(2)
    queue = _queue()
    queue.tick()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    runs.set_status(first, process_id=dead.pid)

    queue.tick()

    assert first.stored_status().state == "interrupted"
    assert started == [first.id, second.id]


def test_a_run_past_its_deadline_is_asked_to_stop(started):
    """It keeps its best epoch, as with any stop; a run within its time is left alone."""
    run = _new_run(1)
    queue = _queue(deadline_seconds=60)
    queue.tick()
    queue.tick()
    assert runs.stop_request(run) is None

    runs.set_status(run, started=time.time() - 61)
    queue.tick()

    assert "time limit of 60 s" in runs.stop_request(run)


def test_a_worker_that_does_not_stop_is_signalled_and_then_killed(started, ended, monkeypatch):
    """A stop is a file first, a signal after two seconds, a kill after twenty."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(jobs.time, "monotonic", lambda: clock.now)
    run = _new_run(1)
    queue = _queue()
    queue.tick()
    queue.stop(run)

    for seconds in (0.0, 1.0):
        clock.now = 1000.0 + seconds
        queue.tick()
    assert ended == []
    clock.now = 1003.0
    queue.tick()
    clock.now = 1021.0
    queue.tick()

    assert ended == [(os.getpid(), False), (os.getpid(), True)]


def test_a_worker_that_obeys_is_left_to_finish(started, ended, monkeypatch):
    """Testing and exporting after a stop may take longer than twenty seconds."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(jobs.time, "monotonic", lambda: clock.now)
    run = _new_run(1)
    queue = _queue()
    queue.tick()
    queue.stop(run)
    queue.tick()
    runs.set_status(run, phase="testing")

    clock.now = 1100.0
    queue.tick()

    assert ended == []


def test_a_killed_run_with_an_epoch_is_finished_by_another_worker(started):
    """It was stopped and did not obey: its best epoch is tested and exported all the same."""
    run = _new_run(1)
    queue = _queue()
    queue.tick()
    (run.folder / "model.keras").write_bytes(b"")
    queue.stop(run)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    runs.set_status(run, process_id=dead.pid)

    queue.tick()
    queue.tick()

    assert started == [run.id, run.id]
    assert run.status().task == "finish"


def test_only_what_was_cut_off_is_resumed(started):
    """A finished run cannot be resumed, an interrupted one is queued again without its old stop request."""
    run = _new_run(1)
    queue = _queue()
    queue.tick()
    with pytest.raises(JobError, match="Only a run that was cut off"):
        queue.resume(run)
    _end(run)
    with pytest.raises(JobError, match="finished"):
        queue.resume(run)

    runs.set_status(run, state="interrupted")
    runs.request_stop(run)
    queue.resume(run)
    queue.tick()

    assert started == [run.id, run.id]
    assert runs.stop_request(run) is None


def test_only_a_run_with_a_best_epoch_is_finished(started):
    """Without a checkpoint there is nothing to test."""
    run = _new_run(1)
    runs.set_status(run, state="failed")

    with pytest.raises(JobError, match="with a best epoch"):
        _queue().finish(run)


def test_a_worker_that_cannot_start_is_a_failed_run(monkeypatch):
    """The reason is told, and the queue goes on with the next."""
    tried = []

    def refuse(run: runs.Run):
        tried.append(run.id)
        raise RunError("settings.json is damaged.")

    monkeypatch.setattr(jobs, "start_worker", refuse)
    first, second = _new_run(1), _new_run(2)

    _queue().tick()

    assert tried == [first.id, second.id]
    assert first.status().state == "failed"
    assert "settings.json is damaged" in first.status().reason


def test_limits_come_from_the_environment(monkeypatch):
    """A wrong value is told instead of being ignored."""
    monkeypatch.setenv("FASHION_WORKERS", "4")
    assert jobs.Limits.from_environment() == jobs.Limits(num_workers=4)

    for text in ("0", "-1", "many", "1.5", ""):
        monkeypatch.setenv("FASHION_WORKERS", text)
        with pytest.raises(JobError, match="FASHION_WORKERS must be a whole number"):
            jobs.Limits.from_environment()


@pytest.mark.parametrize(("device", "visible"), [("cpu", ""), ("gpu:0", "0"), ("gpu:12", "12")])
def test_a_worker_sees_only_its_device(device, visible):
    """Framework and device are chosen before the worker imports anything."""
    environment = jobs.worker_environment(SETTINGS.replace(device=device, framework="torch"))

    assert environment["CUDA_VISIBLE_DEVICES"] == visible
    assert environment["KERAS_BACKEND"] == "torch"


def test_free_space_is_told_before_the_folder_of_runs_exists():
    """The first visitor of a new installation has made no run yet."""
    assert not runs.runs_folder().exists()
    assert jobs.free_disk_bytes() > 0
