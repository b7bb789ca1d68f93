"""A spare worker waits for a run, does it on its own, and never outlives what it waits for."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from fashion import jobs, runs, warm_worker
from fashion.errors import JobError
from fashion.settings import RunSettings
from fashion.warm_worker import Spare

SETTINGS = RunSettings(dataset="sketches", architecture="softmax", num_train=1000, epochs=1)
WAIT_SECONDS = 120.0
_IMPATIENT = (
    "from fashion import warm_worker; warm_worker.IDLE_SECONDS = 0.1; raise SystemExit(warm_worker.main())"
)


def test_a_spare_worker_does_a_run_after_the_server_has_let_go_of_it():
    """The pipes are closed as soon as it has the folder, as they are when a server ends; its words go to the run's log."""
    run = runs.create(SETTINGS)
    spare = Spare(jobs.worker_environment(SETTINGS))
    assert spare.wait_until_ready()

    child = jobs.start_worker(run, spare=spare)
    spare.close()

    assert child.pid == spare.process_id
    assert child.wait(WAIT_SECONDS) == 0
    assert (run.status().state, run.status().process_id) == ("finished", child.pid)
    assert run.can_predict
    assert (run.folder / "worker.log").stat().st_size > 0


def test_a_spare_worker_ends_when_the_server_closes_its_pipe():
    """So it does when the server dies, whose pipes the system closes."""
    spare = Spare(jobs.worker_environment(SETTINGS))
    assert spare.alive

    spare.close()

    spare._process.wait(WAIT_SECONDS)
    assert not spare.alive


def test_a_spare_worker_that_nobody_needs_ends_by_itself():
    """Its pipe stays open, and its time is up."""
    environment = jobs.worker_environment(SETTINGS)
    command = [sys.executable, "-c", _IMPATIENT]
    with subprocess.Popen(
        command, cwd=runs.ROOT, env=environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.wait(WAIT_SECONDS) == 0


def test_a_run_for_another_device_or_framework_is_refused():
    """What a process sees is settled before it imports anything; so is one that is gone."""
    environment = jobs.worker_environment(SETTINGS)
    spare = Spare(environment)
    try:
        other = jobs.worker_environment(SETTINGS.replace(device="gpu:0"))
        assert spare.take(["folder"], other) is None
        spare._process.kill()
        spare._process.wait(WAIT_SECONDS)
        assert spare.take(["folder"], environment) is None
    finally:
        spare.close()


# When the queue keeps one


@pytest.fixture
def spares(monkeypatch) -> list[SimpleNamespace]:
    """The spare workers that a queue started: no processes, with what became of them."""
    made = []

    def start(environment):
        one = SimpleNamespace(environment=environment, closed=False)
        one.close = lambda: setattr(one, "closed", True)
        made.append(one)
        return one

    def start_worker(run, *others, spare=None):
        now = time.time()
        runs.set_status(run, state="running", phase="training", started=now, heartbeat=now)
        return SimpleNamespace(poll=lambda: None)

    monkeypatch.setattr(jobs, "Spare", start)
    monkeypatch.setattr(jobs, "start_worker", start_worker)
    monkeypatch.setattr(warm_worker, "room", lambda: True)
    return made


def test_a_spare_worker_waits_only_while_nothing_runs(spares):
    """One when the server starts; none beside a run; the next after it, for a run like the last one."""
    queue = jobs.LocalQueue(jobs.Limits(warm=True))
    queue.tick()
    queue.tick()
    assert len(spares) == 1

    run = queue.submit(SETTINGS.replace(framework="jax"))
    queue.tick()
    queue.tick()
    assert [one.closed for one in spares] == [True]

    runs.set_status(run, state="finished")
    queue.tick()
    queue.tick()
    assert [one.closed for one in spares] == [True, False]
    assert [one.environment["KERAS_BACKEND"] for one in spares] == ["tensorflow", "jax"]

    queue.close()
    queue.tick()
    assert [one.closed for one in spares] == [True, True]


@pytest.mark.parametrize(("warm", "room"), [(False, True), (True, False)])
def test_no_spare_worker_where_it_is_switched_off_or_memory_is_short(spares, monkeypatch, warm, room):
    """A small host stays small."""
    monkeypatch.setattr(warm_worker, "room", lambda: room)

    jobs.LocalQueue(jobs.Limits(warm=warm)).tick()

    assert spares == []


def test_the_environment_decides_about_spare_workers_else_the_memory_of_the_machine(monkeypatch):
    """0 and 1 are obeyed, anything else is refused; 2.7 GB, as on Streamlit's Community Cloud, are too few."""
    for text, warm in (("0", False), ("1", True)):
        monkeypatch.setenv("FASHION_WARM", text)
        assert jobs.Limits.from_environment().warm is warm
    monkeypatch.setenv("FASHION_WARM", "yes")
    with pytest.raises(JobError, match="FASHION_WARM must be 0 or 1. Received: 'yes'"):
        jobs.Limits.from_environment()

    monkeypatch.delenv("FASHION_WARM")
    for num_bytes, warm in ((2.7e9, False), (8e9, True)):
        monkeypatch.setattr(
            warm_worker.machine, "describe", lambda size=num_bytes: SimpleNamespace(memory_bytes=size)
        )
        assert jobs.Limits.from_environment().warm is warm
