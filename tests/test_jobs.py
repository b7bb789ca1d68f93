"""The queue starts runs in order, one at a time, whoever else looks at the same folder; no worker is started here."""

import dataclasses
import errno
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from fashion import disk, jobs, memory_need, runs
from fashion.errors import JobError, RunError
from fashion.settings import HOMEWORK_DEFAULTS, PHOTO_DEFAULTS, RunSettings

SETTINGS = RunSettings(dataset="sketches", architecture="softmax")


@pytest.fixture
def started(monkeypatch) -> list[str]:
    """The ids of the runs whose worker was started; the workers are this process, and do nothing."""
    ids = []

    def start(run: runs.Run, *others: runs.Run, spare=None) -> SimpleNamespace:
        ids.append(run.id)
        now = time.time()
        for one in (run, *others):
            phase = "starting" if one is run else "waiting"
            runs.set_status(
                one, state="running", phase=phase, started=now, heartbeat=now, process_id=os.getpid()
            )
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
    disk.write_json(folder / "settings.json", SETTINGS.to_json())
    disk.write_json(folder / "status.json", dataclasses.asdict(runs.Status(created=time.time())))
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
    assert [jobs.count(jobs.ahead_of(run)) for run in waiting] == [0, 1, 2]

    _end(waiting[0])
    assert jobs.ahead_of(waiting[1]) == []
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


@pytest.mark.parametrize(
    "doing", [{"phase": phase} for phase in runs.ENDING] + [{"phase": "starting", "task": "finish"}], ids=str
)
def test_a_worker_that_obeys_is_left_to_finish(started, ended, monkeypatch, doing):
    """What comes after the training may take longer than twenty seconds, and so may the start of a worker that only finishes."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(jobs.time, "monotonic", lambda: clock.now)
    run = _new_run(1)
    queue = _queue()
    queue.tick()
    queue.stop(run)
    queue.tick()
    runs.set_status(run, **doing)

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

    def refuse(run: runs.Run, *others: runs.Run, spare=None):
        tried.append(run.id)
        raise RunError("settings.json is damaged.")

    monkeypatch.setattr(jobs, "start_worker", refuse)
    first, second = _new_run(1), _new_run(2)

    _queue().tick()

    assert tried == [first.id, second.id]
    assert first.status().state == "failed"
    assert "settings.json is damaged" in first.status().reason


def test_a_disk_that_was_full_at_the_start_delays_a_run_only(started, monkeypatch):
    """Nothing could be written, not even that it failed; when there is room again, it starts."""
    start, write = jobs.start_worker, disk.write_bytes

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    run = _new_run(1)
    queue = _queue()
    monkeypatch.setattr(jobs, "start_worker", full)
    monkeypatch.setattr(disk, "write_bytes", full)
    queue.tick()
    assert run.status().state == "queued"

    monkeypatch.setattr(jobs, "start_worker", start)
    monkeypatch.setattr(disk, "write_bytes", write)
    queue.tick()

    assert started == [run.id]


def test_runs_that_have_ended_are_not_read_again_and_again(started, monkeypatch):
    """A class leaves hundreds of them; one that is queued again is seen."""
    run = _new_run(1)
    runs.set_status(run, state="interrupted", finished=time.time())
    os.utime(run.folder / "status.json", (time.time() - 60,) * 2)
    queue, read = _queue(), []
    read_status = runs.Run._read_status
    monkeypatch.setattr(runs.Run, "_read_status", lambda self: read.append(self.id) or read_status(self))

    for _ in range(3):
        queue.tick()
    assert read == [run.id]
    queue.resume(run)
    queue.tick()

    assert started == [run.id]


def test_a_run_claimed_by_a_server_that_is_gone_is_started_by_another(started):
    """Its claim is a minute old, and nothing came of it; a fresh one is respected."""
    run = _new_run(1)
    assert jobs.claim(run)
    _queue().tick()
    assert started == []

    os.utime(run.folder / "claim", (time.time() - 61, time.time() - 61))
    _queue().tick()

    assert started == [run.id]


def test_limits_come_from_the_environment(monkeypatch):
    """A wrong value is told instead of being ignored."""
    monkeypatch.setenv("FASHION_WORKERS", "4")
    assert jobs.Limits.from_environment() == jobs.Limits(num_workers=4)

    for text in ("0", "-1", "many", "1.5", ""):
        monkeypatch.setenv("FASHION_WORKERS", text)
        with pytest.raises(JobError, match="FASHION_WORKERS must be a whole number"):
            jobs.Limits.from_environment()


def test_a_run_that_would_not_fit_into_memory_is_not_queued():
    """Nor resumed: fine-tuning all layers in batches of 32 needs more than the server allows, a larger machine does not mind."""
    heavy = PHOTO_DEFAULTS.replace(fine_tune="all")
    with pytest.raises(JobError, match="must fit into the 2,200 MB"):
        _queue().submit(heavy)
    assert runs.list_runs() == []

    run = _queue(memory_megabytes=8000).submit(heavy)
    runs.set_status(run, state="interrupted")
    with pytest.raises(JobError, match="must fit into the 2,200 MB"):
        _queue().resume(run)
    assert run.status().state == "interrupted"


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


# Groups: the runs of an experiment share a worker


def _group(queue: jobs.LocalQueue, name: str = "g-1", **changes) -> list[runs.Run]:
    several = [SETTINGS.replace(epochs=epochs, **changes) for epochs in (1, 2, 3)]
    return queue.submit_group(several, name, "ann")


def _died() -> int:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    return dead.pid


def test_a_group_is_started_together_in_its_order_and_counts_as_one(started):
    """One worker gets all three; with room for two workers, another run starts beside it, and no third."""
    queue = _queue(num_workers=2)
    made = _group(queue)
    _new_run(1), _new_run(2)  # older

    queue.tick()
    assert len(started) == 2
    for run in runs.list_runs():
        if run.id in started:
            _end(run)
    queue.tick()
    queue.tick()

    assert started[2:] == [made[0].id]
    assert [run.status().phase for run in made] == ["starting", "waiting", "waiting"]
    assert {run.status().task for run in made} == {"measure"}


def test_a_group_counts_as_one_of_a_visitors_runs(started):
    """Three runs at a time are allowed; a group of three leaves room for two more."""
    queue = _queue(per_visitor=2)
    _group(queue)
    queue.submit(SETTINGS, "ann")

    with pytest.raises(JobError, match="may have 2 unfinished runs"):
        _group(queue, "g-2")

    assert len(runs.list_runs()) == 4


def test_a_group_with_a_run_that_does_not_fit_queues_nothing(started):
    """It is refused before the first folder is made."""
    with pytest.raises(JobError, match="must fit into the 100 MB"):
        _group(_queue(memory_megabytes=100))

    assert runs.list_runs() == []


def test_runs_of_another_framework_get_a_worker_of_their_own(started):
    """The framework is chosen before anything is imported, so one process has one."""
    queue = _queue(num_workers=2)
    queue.submit_group([SETTINGS, SETTINGS.replace(framework="torch"), SETTINGS.replace(epochs=2)], "g-1")

    queue.tick()

    (waiting,) = [run for run in runs.list_runs() if run.status().phase == "waiting"]
    (torch,) = [run for run in runs.list_runs() if run.settings.framework == "torch"]
    assert waiting.settings.framework == "tensorflow"
    assert len(started) == 2
    assert torch.id in started


def test_a_crash_ends_one_run_of_a_group_and_the_others_get_a_new_worker(started):
    """The process is gone: the run it was at is cut off, the waiting ones are queued and started again."""
    queue = _queue()
    made = _group(queue)
    queue.tick()
    pid = _died()
    for run in made:
        runs.set_status(run, process_id=pid)

    queue.tick()
    queue.tick()

    assert made[0].status().state == "interrupted"
    assert started == [made[0].id, made[1].id]
    assert [run.status().phase for run in made[1:]] == ["starting", "waiting"]
    assert made[2].status().task == "measure"


def test_a_waiting_run_of_a_group_is_stopped_at_once_and_nobody_is_killed(started, ended, monkeypatch):
    """The worker is busy with another run, which goes on."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(jobs.time, "monotonic", lambda: clock.now)
    queue = _queue()
    made = _group(queue)
    queue.tick()
    queue.stop(made[1])

    queue.tick()
    clock.now = 1100.0
    queue.tick()

    assert made[1].status().state == "stopped"
    assert "It had not begun" in made[1].status().reason
    assert made[0].status().state == "running"
    assert ended == []


def test_waiting_for_its_turn_is_no_time_limit(started):
    """A run's time counts from its own beginning."""
    queue = _queue(deadline_seconds=60)
    made = _group(queue)
    queue.tick()
    runs.set_status(made[2], started=time.time() - 100)

    queue.tick()

    assert runs.stop_request(made[2]) is None


def test_a_finished_run_without_export_can_be_exported(started):
    """Its best epoch is there; the task says that it was not cut off."""
    run = _new_run(1)
    (run.folder / "model.keras").write_bytes(b"")
    runs.set_status(run, state="finished", task="measure")

    _queue().finish(run)

    assert (run.status().state, run.status().task) == ("queued", "export")


def test_an_export_that_would_not_fit_into_memory_is_refused(started):
    """The homework's network at 200 pixels may be trained in an experiment; converting it takes twice as much."""
    large = HOMEWORK_DEFAULTS.replace(image_size=200)
    memory_need.check(large, 2200e6, export=False)
    run = _new_run(1)
    disk.write_json(run.folder / "settings.json", large.to_json())
    (run.folder / "model.keras").write_bytes(b"")
    runs.set_status(run, state="finished", task="measure")

    with pytest.raises(JobError, match="must fit into the 2,200 MB"):
        _queue().finish(run)
    assert run.status().state == "finished"
