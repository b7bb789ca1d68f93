"""What is drawn of a run is drawn anew when there is something new to see, and not before."""

import os

from fashion import runs
from fashion.settings import RunSettings
from fashion.ui import cache


def written(run: runs.Run, name: str, seconds: float) -> tuple:
    """The run's version after this file was written at that moment."""
    path = run.folder / name
    path.touch()
    os.utime(path, ns=(int(seconds * 1e9),) * 2)
    return cache.version_of(run)


def test_a_run_under_way_has_one_state_a_second():
    """Four rows a second are written; thirty who watch share one drawing."""
    run = runs.create(RunSettings())
    first = written(run, "steps.csv", 100.2)

    assert written(run, "steps.csv", 100.7) == first
    assert written(run, "steps.csv", 101.1) != first
    assert written(run, "log.csv", 101.2) != written(run, "log.csv", 102.3)


def test_of_a_run_that_has_ended_every_change_counts():
    """Its last rows must not be missing, and its card changes what is said of it."""
    run = runs.create(RunSettings())
    active = written(run, "steps.csv", 100.2)
    runs.set_status(run, state="stopped")
    first = written(run, "steps.csv", 100.7)

    assert len({active, first, written(run, "steps.csv", 100.8), written(run, "card.json", 100.9)}) == 4


def test_two_runs_never_share_a_state():
    """Also where both were written at the same moment."""
    one, other = runs.create(RunSettings()), runs.create(RunSettings())

    assert written(one, "steps.csv", 100.0) != written(other, "steps.csv", 100.0)


def test_log_and_steps_are_read_once_for_each_state(monkeypatch):
    """And again when there is more."""
    run, read = runs.create(RunSettings()), []
    monkeypatch.setattr(runs.Run, "log", lambda self: read.append("log"))
    monkeypatch.setattr(runs.Run, "steps", lambda self: read.append("steps"))
    written(run, "steps.csv", 100.0)

    for _ in range(3):
        cache.curves(run)
    assert read == ["log", "steps"]
    written(run, "steps.csv", 102.0)
    cache.curves(run)
    assert read == ["log", "steps"] * 2
