"""A run is a folder that may be half written, foreign or damaged, and is never mistaken for what it is not."""

import dataclasses
import json
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from fashion import disk, runs
from fashion.errors import RunError
from fashion.settings import RunSettings

SETTINGS = RunSettings(dataset="sketches", architecture="softmax", epochs=4)


@pytest.fixture
def run() -> runs.Run:
    return runs.create(SETTINGS, visitor="ann")


@pytest.fixture
def ended_process_id() -> int:
    """The number of a process that has just ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def _rows(num_epochs: int) -> str:
    lines = [",".join(runs.LOG_COLUMNS)]
    lines += [f"{epoch},0.5,0.8,0.6,0.7,0.001,2.5,4000" for epoch in range(1, num_epochs + 1)]
    return "\n".join(lines) + "\n"


def test_a_new_run_is_found_again_with_its_settings(run):
    """Created, listed, found by its id, and waiting."""
    assert [found.id for found in runs.list_runs()] == [run.id]
    assert runs.find(run.id).settings == SETTINGS
    status = run.status()
    assert (status.state, status.num_epochs, status.visitor) == ("queued", 4, "ann")
    assert run.log().empty
    assert run.steps().empty
    assert run.probes() is None
    assert run.evaluation() is None
    assert run.card() is None


def test_runs_are_listed_newest_first():
    """The id begins with the time; equal seconds are told apart by chance."""
    for stamp in ("20250101-120000-cnn-0001", "20260101-120000-cnn-0002", "20250601-120000-cnn-0003"):
        folder = runs.runs_folder() / stamp
        folder.mkdir(parents=True)
        disk.write_json(folder / "status.json", {"state": "finished"})

    assert [found.id[:8] for found in runs.list_runs()] == ["20260101", "20250601", "20250101"]


def test_foreign_and_half_made_folders_are_passed_over(run):
    """No status means no run yet; a name that is not ours is not ours, whatever it holds."""
    (runs.runs_folder() / "20260101-120000-cnn-0001").mkdir()
    foreign = runs.runs_folder() / "holiday pictures"
    foreign.mkdir()
    (foreign / "status.json").write_text('{"state": "finished"}')
    (runs.runs_folder() / "20260101-120000-cnn-0002").write_text("a file, not a folder")

    assert [found.id for found in runs.list_runs(kind=None)] == [run.id]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../secret",
        "../../etc/passwd",
        "/etc",
        "20260101-120000-cnn-0001/../../secret",
        "20260101-120000-../secret-0001",
        "20260101-120000-cnn-0001\n",
        "20260101-120000-cnn-0001\x00",
        "fashion-mnist/../../secret",
        "C:\\Windows",
        "%2e%2e%2fsecret",
        "~",
        "a" * 10_000,
    ],
)
def test_hostile_names_are_refused_before_any_path_is_made(name, tmp_path, monkeypatch):
    """Names come from links: even a folder that would fit is not reached through `..`."""
    for folder in (tmp_path / "secret", tmp_path / "runs"):
        folder.mkdir()
        (folder / "status.json").write_text('{"state": "finished"}')
        (folder / "card.json").write_text('{"format": 1}')
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")

    with pytest.raises(RunError, match="a run or a shipped model of that name"):
        runs.find(name)


def test_damaged_settings_are_told_in_words(run):
    """Half a file, and settings of a newer version."""
    (run.folder / "settings.json").write_text('{"epochs": 3')
    with pytest.raises(RunError, match="readable settings.json"):
        _ = runs.find(run.id).settings

    disk.write_json(run.folder / "settings.json", {"epochs": 3, "attention_heads": 8})
    with pytest.raises(RunError, match="attention_heads"):
        _ = runs.find(run.id).settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "must be JSON"),
        ("[]", "must have format 1. Received: 'list'"),
        ('{"format": 99}', "Received: 99"),
        ("{}", "Received: None"),
    ],
)
def test_a_card_of_another_form_is_told_in_words(run, text, words):
    """A damaged card, or one of another version of the app."""
    (run.folder / "card.json").write_text(text)

    with pytest.raises(RunError, match="card.json") as caught:
        run.card()
    assert words in str(caught.value)
    assert len(runs.readable([run])[1]) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"state": "dancing"}', "\x00\x00"])
def test_an_unreadable_status_is_a_failed_run(run, text):
    """A damaged status never stops the list of runs from showing."""
    (run.folder / "status.json").write_text(text)

    status = run.status()

    assert status.state == "failed"
    assert "Delete this run" in status.reason


def test_a_status_that_could_not_be_read_for_a_moment_is_read_again(run, monkeypatch):
    """Too many open files, say; one that was read is not read again, until it changes."""
    path = run.folder / "status.json"
    os.utime(path, (time.time() - 60,) * 2)
    read_text, asked = type(path).read_text, []

    def reading(self, *arguments, **options):
        asked.append(self.name)
        if len(asked) == 1:
            raise OSError(24, "Too many open files")
        return read_text(self, *arguments, **options)

    monkeypatch.setattr(type(path), "read_text", reading)

    assert [run.status().state for _ in range(4)] == ["failed", "queued", "queued", "queued"]
    assert asked == ["status.json"] * 2
    runs.set_status(run, state="stopped")
    assert run.status().state == "stopped"


def test_unknown_entries_of_a_status_are_ignored(run):
    """A status of a newer version still says how the run stands."""
    values = {**dataclasses.asdict(run.status()), "state": "finished", "mood": "good"}
    disk.write_json(run.folder / "status.json", values)

    assert run.status().state == "finished"


def test_the_last_line_counts_only_when_it_is_whole(run):
    """A row is appended while others read: what has no line break yet may end in the middle of a number."""
    (run.folder / "log.csv").write_text(_rows(2) + "3,0.5,0.8,0.6,0.7,0.001,2.5,40")

    assert run.log().epoch.tolist() == [1, 2]


def test_a_damaged_line_is_left_out(run):
    """A line cut off by a full disk, with the next one behind it, spoils only itself."""
    damaged = _rows(3).replace("2,0.5,0.8,0.6", "2,0.5,0.")
    (run.folder / "log.csv").write_text(damaged + "\x00\x00,,,\nnot,a,row\n")

    assert run.log().epoch.tolist() == [1, 3]
    assert run.log().index.tolist() == [0, 1]


@pytest.mark.parametrize("name", ["probes.npz", "evaluation.npz"])
def test_damaged_arrays_are_told_in_words(run, name):
    """Cut off, overwritten in the middle, of other contents, or holding Python objects: never a bare exception."""
    read = run.probes if name == "probes.npz" else run.evaluation
    path = run.folder / name
    names = ["indices", "probabilities"]
    if name == "evaluation.npz":
        names = [
            f"{split}_{kind}" for split in ("validation", "test") for kind in ("probabilities", "labels")
        ]
    np.savez_compressed(path, **{one: np.arange(5000) for one in names})
    whole = path.read_bytes()
    assert sorted(read()) == sorted(names)

    overwritten = whole[:100] + b"\x07" * 200 + whole[300:]
    for damaged in (whole[: len(whole) // 2], overwritten, b"", b"no zip"):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=name):
            read()
    np.savez(path, **{one: np.array([{}], dtype=object) for one in names})
    with pytest.raises(RunError, match=name):
        read()


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path, monkeypatch):
    """A full disk leaves the old file, and nothing beside it."""
    path = tmp_path / "status.json"
    path.write_text("old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        disk.write_text(path, "new")

    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


def test_a_run_folder_that_cannot_be_made_is_told_in_words(monkeypatch, tmp_path):
    """FASHION_RUNS names a file."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASHION_RUNS", str(tmp_path / "file"))

    with pytest.raises(RunError, match="set FASHION_RUNS"):
        runs.create(SETTINGS)


def test_a_silent_worker_reads_as_interrupted(run):
    """Its process lives, but its heartbeat is older than the limit."""
    old = time.time() - runs.HEARTBEAT_LIMIT_SECONDS - 5
    runs.set_status(run, state="running", process_id=os.getpid(), started=old, heartbeat=old)

    status = run.status()

    assert status.state == "interrupted"
    assert "gave no sign for 35 s" in status.reason
    assert "No epoch was finished. Start it again." in status.reason


def test_a_dead_worker_reads_as_interrupted_at_once(run, ended_process_id):
    """Its process is gone, however fresh the heartbeat; what it left decides the advice."""
    now = time.time()
    runs.set_status(run, state="running", process_id=ended_process_id, started=now, heartbeat=now)
    for name in ("model.keras", "last.keras"):
        (run.folder / name).write_bytes(b"")

    status = run.status()

    assert status.state == "interrupted"
    assert "Its best epoch is kept. Resume it" in status.reason


def test_a_worker_that_ends_while_we_look_is_not_called_interrupted(run, ended_process_id, monkeypatch):
    """It wrote its last status between our reading and our looking for its process."""
    now = time.time()
    running = {"process_id": ended_process_id, "started": now, "heartbeat": now}
    runs.set_status(run, state="running", **running)
    looked = runs._is_worker

    def end_meanwhile(process_id: int) -> bool:
        runs.set_status(run, state="finished", **running)
        return looked(process_id)

    monkeypatch.setattr(runs, "_is_worker", end_meanwhile)

    assert run.status().state == "finished"


def test_a_running_run_is_not_deleted(run):
    """Stop it first; afterwards its folder goes, and nothing else."""
    other = runs.create(SETTINGS)
    runs.set_status(run, state="running", process_id=os.getpid(), started=time.time(), heartbeat=time.time())
    with pytest.raises(RunError, match="running. Stop it first"):
        runs.delete(run)

    runs.set_status(run, state="finished")
    runs.delete(run)

    assert [found.id for found in runs.list_runs()] == [other.id]


def test_shipped_models_are_found_by_name_and_never_deleted(tmp_path, monkeypatch):
    """A shipped model needs no status: it is finished."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")
    folder = tmp_path / "models" / "toy"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({"format": 1}))
    (folder / "settings.json").write_text(json.dumps(SETTINGS.to_json()))

    toy = runs.find("toy")

    assert toy.shipped
    assert toy.status().state == "finished"
    assert not toy.can_resume
    assert [one.id for one in runs.shipped()] == ["toy"]
    with pytest.raises(RunError, match="comes with the project"):
        runs.delete(toy)
    assert folder.is_dir()


@pytest.mark.parametrize(
    ("epoch", "step", "fraction"), [(0, 0, 0.0), (1, 0, 0.25), (3, 5, 0.875), (4, 0, 1.0), (4, 9, 1.0)]
)
def test_the_fraction_done(epoch, step, fraction):
    """Of four epochs of ten steps; never over one."""
    assert runs.Status(epoch=epoch, step=step, num_epochs=4, num_steps=10).fraction == fraction


@pytest.mark.parametrize(
    "changes",
    [{"heartbeat": "noon"}, {"state": "stopped", "reason": 7}, {"epoch": "third"}, {"num_steps": [1]}],
)
def test_a_status_with_values_of_another_type_reads_as_failed(changes):
    """It is told in words, and breaks neither a page nor the queue."""
    run = runs.create(RunSettings())
    disk.write_json(run.folder / "status.json", {"state": "running", **changes})

    assert run.status().state == "failed"
    assert "status.json cannot be read" in run.status().reason


def test_a_speed_is_told_without_the_first_epoch_where_there_are_others():
    """In it the network's program is built; a single epoch is all there is."""
    log = pd.DataFrame({"epoch": [1, 2, 3], "images_per_second": [100.0, 900.0, 800.0]})

    assert runs.steady(log).epoch.tolist() == [2, 3]
    assert runs.steady(log[:1]).epoch.tolist() == [1]
    assert runs.steady(log[:0]).empty
