"""The run folder: creating, reading, listing, stopping and deleting runs.

A run is a folder of small files, described in the README; this module knows their names and forms. It never
computes anything and knows no Keras. Each file has one writer at a time (the queue until the worker starts, then
the worker) and is replaced atomically, so a reader never sees half a file.
"""

import dataclasses
import json
import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from fashion import disk
from fashion.errors import FashionError, RunError, SettingsError
from fashion.settings import RunSettings, load_json

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "models"
CARD_FORMAT = 1
# The worker writes its status twice a second; a machine under load may be slower, a sleeping laptop much slower.
HEARTBEAT_LIMIT_SECONDS = 30.0
ACTIVE = ("queued", "running")
STATES = (*ACTIVE, "finished", "stopped", "failed", "interrupted")
# All of it; without export; test and export a run that was cut off; export a finished one; prove its zip file; test epochs.
TASKS = ("train", "measure", "finish", "export", "prove", "snapshot")
# Phases of a worker that has trained, or has obeyed a stop, and is finishing the folder.
ENDING = ("testing", "exporting", "comparing")
LESSONS = SHIPPED / "lessons"
# What a shipped model needs of its run; the rest is for resuming and for a live view.
_SHIPPED_FILES = ("settings.json", "log.csv", "evaluation.npz", "model.keras", "model.tflite")
# What only runs that trained have, and only runs on photos.
_SHIPPED_IF_THERE = (
    "steps.csv", "probes.npz", "head.json", "head.npz", "neighbours.npz", "refusal.npz", "teachers.npz",
)  # fmt: skip
_RUN_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9-]{1,24}-[0-9a-f]{4}")
_SHIPPED_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
EPOCH = "_epoch-"
"""Between the id of a run and the number in the name of one of its epochs: `<run>/snapshots/<run>_epoch-007`."""
_EPOCH_ID = re.compile(f"({_RUN_ID.pattern}){EPOCH}[0-9]{{3,4}}")

# What each kind of field may hold; JSON does not tell 1 from 1.0.
_STATUS_TYPES = {
    str: str,
    int: int,
    float: int | float,
    float | None: int | float | None,
    int | None: int | None,
}


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a run stands. Times are Unix seconds; None where that has not happened.

    `phase` says in a word what a running worker does: waiting (it has other runs of the same group to do first),
    starting, teachers (other models are asked), features (photos pass through a pretrained network), averaging (weights of
    other runs), training, testing, exporting, comparing (the training photos pass through the
    finished network).
    `task` is what the worker is to do: one of TASKS. One worker does the runs of a `group` one after another.
    `epoch` counts finished epochs; `step` counts within the current one, and pictures before the first and after the last.
    """

    state: str = "queued"
    task: str = "train"
    phase: str = ""
    reason: str = ""
    created: float = 0.0
    started: float | None = None
    training_started: float | None = None
    finished: float | None = None
    heartbeat: float | None = None
    process_id: int | None = None
    epoch: int = 0
    num_epochs: int = 0
    step: int = 0
    num_steps: int = 0
    best_epoch: int | None = None
    images_per_second: float | None = None
    seconds_left: float | None = None
    visitor: str = ""
    group: str = ""

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def fraction(self) -> float:
        """How much of the training is done, 0 to 1; before and after it, how many of the pictures that pass through a network."""
        if self.phase in ("teachers", "features", *ENDING):
            uncounted = 1.0 if self.phase in ENDING else 0.0
            return min(self.step / self.num_steps, 1.0) if self.num_steps else uncounted
        if not self.num_epochs:
            return 0.0
        within = self.step / self.num_steps if self.num_steps else 0.0
        return min((self.epoch + within) / self.num_epochs, 1.0)


# A class leaves hundreds of runs, and each page that lists them asks for all.
_STATUSES: disk.Remembered[Status] = disk.Remembered(most=2_000)
_SETTINGS: disk.Remembered[RunSettings] = disk.Remembered(most=2_000)


@dataclass(frozen=True)
class Run:
    """One run folder. Files are read when asked for; a file that is not there yet reads as empty."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def shipped(self) -> bool:
        return self.folder.parent == SHIPPED or LESSONS in self.folder.parents

    @property
    def kind(self) -> str:
        """ "training", "benchmark", "takeaway" (see takeaway.py) or "snapshot" (snapshots.py): what this folder's job does."""
        kinds = {"plan.json": "benchmark", "takeaway.json": "takeaway", "snapshot.json": "snapshot"}
        return next((kind for name, kind in kinds.items() if (self.folder / name).exists()), "training")

    @cached_property
    def settings(self) -> RunSettings:
        """The settings. Raises RunError where they are missing, damaged, or from another version."""
        return _SETTINGS.value((self.folder / "settings.json",), self._read_settings)

    def _read_settings(self) -> RunSettings:
        try:
            text = (self.folder / "settings.json").read_text(encoding="utf-8")
            return RunSettings.from_json(load_json(text, "settings.json"))
        except (OSError, UnicodeDecodeError, SettingsError) as error:
            raise RunError(
                f"The run {self.id} must have a readable settings.json. {error} Delete the run, or open it with the "
                "version of the app that made it."
            ) from None

    def status(self) -> Status:
        """The status as it stands now: a running worker that is gone reads as interrupted."""
        status = self.stored_status()
        if status.state != "running":
            return status
        silent = time.time() - (status.heartbeat or status.started or 0.0)
        gone = status.process_id is not None and not _is_worker(status.process_id)
        if gone:
            status = self.stored_status()  # it may have written its last word just before it went
            if status.state != "running":
                return status
        if gone or silent > HEARTBEAT_LIMIT_SECONDS:
            why = "its process ended without a word" if gone else f"it gave no sign for {silent:.0f} s"
            advice = "Resume it to go on from there." if self.can_resume else "Start it again."
            kept = "Its best epoch is kept." if self.has_model else "No epoch was finished."
            reason = (
                f"This run was cut off: {why} (memory full, or the machine was restarted). {kept} {advice}"
            )
            return dataclasses.replace(
                status, state="interrupted", phase="", reason=reason, seconds_left=None
            )
        return status

    def stored_status(self) -> Status:
        """The status as it was last written; for its writers. Readers want `status`, which sees a worker that is gone."""
        # "failed" may also mean that it could not be read just now.
        return _STATUSES.value(
            (self.folder / "status.json",), self._read_status, lambda status: status.state != "failed"
        )

    def _read_status(self) -> Status:
        if self.shipped and not (self.folder / "status.json").exists():
            return Status(state="finished")
        try:
            values = json.loads((self.folder / "status.json").read_text(encoding="utf-8"))
            known = {field.name for field in dataclasses.fields(Status)}
            status = Status(**{name: value for name, value in values.items() if name in known})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            return Status(state="failed", reason=f"status.json cannot be read ({error}). Delete this run.")
        if status.state not in STATES:
            return Status(state="failed", reason=f"Unknown state {status.state!r}. Delete this run.")
        for field in dataclasses.fields(Status):
            value = getattr(status, field.name)
            if not isinstance(value, _STATUS_TYPES[field.type]) or isinstance(value, bool):
                reason = f"status.json cannot be read ({field.name}={value!r}). Delete this run."
                return Status(state="failed", reason=reason)
        return status

    def card(self) -> dict[str, Any] | None:
        """The card of a finished run, or None. Raises RunError where it is damaged or of another format."""
        path = self.folder / "card.json"
        if not path.exists():
            return None
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"card.json of {self.id} must be JSON. {error}. Delete the run.") from None
        if not isinstance(card, dict) or card.get("format") != CARD_FORMAT:
            received = card.get("format") if isinstance(card, dict) else type(card).__name__
            raise RunError(
                f"card.json of {self.id} must have format {CARD_FORMAT}. Received: {received!r}. Open it with the "
                "version of the app that made it, or delete the run."
            )
        return card

    def log(self) -> pd.DataFrame:
        """A row per epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds, images_per_second."""
        return disk.read_table(self.folder / "log.csv", LOG_COLUMNS)

    def steps(self) -> pd.DataFrame:
        """A row per few steps: step, epoch, seconds, loss, accuracy, learning_rate, images_per_second."""
        return disk.read_table(self.folder / "steps.csv", STEP_COLUMNS)

    def probes(self) -> dict[str, np.ndarray] | None:
        """The probe pictures: indices (p,) into validation, probabilities float32 (epochs, p, classes)."""
        return disk.read_arrays(self.folder / "probes.npz", ("indices", "probabilities"))

    def evaluation(self) -> dict[str, np.ndarray] | None:
        """Class probabilities (n, classes) and labels (n,) of validation and test, of the best epoch."""
        names = ("validation_probabilities", "validation_labels", "test_probabilities", "test_labels")
        return disk.read_arrays(self.folder / "evaluation.npz", names)

    @property
    def has_model(self) -> bool:
        return (self.folder / "model.keras").exists()

    @property
    def can_predict(self) -> bool:
        return (self.folder / "model.tflite").exists() and (self.folder / "card.json").exists()

    @property
    def can_resume(self) -> bool:
        return not self.shipped and (self.folder / "last.keras").exists()


LOG_COLUMNS = (
    "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second",
)  # fmt: skip
STEP_COLUMNS = ("step", "epoch", "seconds", "loss", "accuracy", "learning_rate", "images_per_second")


def steady(log: pd.DataFrame) -> pd.DataFrame:
    """The epochs of a log that tell how fast a network learns: where there are others, not the first, in which its program
    is built."""
    return log.iloc[1:] if len(log) > 1 else log


def runs_folder() -> Path:
    """Where runs live: `FASHION_RUNS`, or `runs` in the project."""
    return Path(os.environ.get("FASHION_RUNS") or ROOT / "runs").expanduser().resolve()


def create(settings: RunSettings, visitor: str = "", task: str = "train", group: str = "") -> Run:
    """A new training run, queued. Raises RunError if the disk refuses."""
    return create_job(
        settings.architecture,
        "settings.json",
        settings.to_json(),
        num_epochs=settings.num_epochs,
        visitor=visitor,
        task=task,
        group=group,
    )


def create_job(label: str, file_name: str, content: Any, **status: Any) -> Run:
    """A new queued folder holding one description of its job, as JSON. Raises RunError if the disk refuses."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = runs_folder() / f"{stamp}-{label}-{secrets.token_hex(2)}"
    try:
        folder.mkdir(parents=True)
        disk.write_json(folder / file_name, content)
        # Written last: a folder without a status is not a job yet, so the queue never sees half of one.
        disk.write_json(folder / "status.json", dataclasses.asdict(Status(created=time.time(), **status)))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise RunError(
            f"A run needs a folder that can be written. Received: {error}. Free some space, or set FASHION_RUNS."
        ) from None
    return Run(folder)


def find(name: str) -> Run:
    """The run with this id, a tested epoch of one, or the shipped model or recorded run of this name.

    The name comes from links and command lines: only names of the right form are ever joined to a path.

    Raises:
        RunError: There is none.
    """
    epoch = _EPOCH_ID.fullmatch(name)
    home = runs_folder() / epoch[1] / "snapshots" if epoch else runs_folder()
    if (epoch or _RUN_ID.fullmatch(name)) and (home / name / "status.json").is_file():
        return Run(home / name)
    for home in (SHIPPED, *sorted(LESSONS.glob("*"))) if _SHIPPED_NAME.fullmatch(name) else ():
        if (home / name / "card.json").is_file():
            return Run(home / name)
    raise RunError(
        f"There must be a run or a shipped model of that name. Received: {name!r}. See Runs for the list."
    )


def of_group(group: str) -> list[Run]:
    """The runs of a group, newest first; none for ""."""
    return [run for run in list_runs() if run.stored_status().group == group] if group else []


def recorded(lesson: str) -> list[Run]:
    """The runs that come with the project for a lesson, without weights: `models/lessons/<lesson>/<name>`."""
    return [Run(path.parent) for path in sorted((LESSONS / lesson).glob("*/card.json"))]


def list_runs(kind: str | None = "training") -> list[Run]:
    """All runs of this kind that are ours, newest first; None: of all kinds. Other folders are passed over."""
    folder = runs_folder()
    if not folder.is_dir():
        return []
    ours = (
        path for path in folder.iterdir() if _RUN_ID.fullmatch(path.name) and (path / "status.json").is_file()
    )
    found = [Run(path) for path in sorted(ours, key=lambda path: path.name, reverse=True)]
    return [run for run in found if kind is None or run.kind == kind]


def shipped() -> list[Run]:
    """The models that come with the project."""
    return [
        Run(path.parent)
        for path in sorted(SHIPPED.glob("*/card.json"))
        if (path.parent / "settings.json").exists()
    ]


def ship(run: Run, name: str) -> Run:
    """Copy a finished run to `models/<name>`, to come with the project: its model, card, logs and predictions.

    Raises:
        RunError: The run is not finished, or the name is not made of small letters, digits and hyphens.
    """
    card = run.card()
    if card is None or not run.can_predict:
        raise RunError(
            f"Only a finished run with a card can be shipped. Received: {run.id}, {run.status().state}."
        )
    if not _SHIPPED_NAME.fullmatch(name):
        raise RunError(f"A model's name must be small letters, digits and hyphens. Received: {name!r}.")
    folder = SHIPPED / name
    folder.mkdir(parents=True, exist_ok=True)
    for file_name in _SHIPPED_FILES:
        shutil.copyfile(run.folder / file_name, folder / file_name)
    for file_name in _SHIPPED_IF_THERE:
        (folder / file_name).unlink(missing_ok=True)
        if (run.folder / file_name).exists():
            shutil.copyfile(run.folder / file_name, folder / file_name)
    disk.write_json(folder / "card.json", {**card, "name": name})
    return Run(folder)


def readable(runs: list[Run]) -> tuple[list[Run], list[FashionError]]:
    """The runs whose settings and card can be read, and what is wrong with the others."""
    good, problems = [], []
    for run in runs:
        try:
            run.settings  # noqa: B018  (read for its errors)
            run.card()
            good.append(run)
        except FashionError as error:
            problems.append(error)
    return good, problems


def request_stop(run: Run, reason: str = "Stopped by hand.") -> None:
    """Ask the worker to stop at its next step; it keeps the best epoch and finishes the folder."""
    disk.write_text(run.folder / "stop", reason)


def stop_request(run: Run) -> str | None:
    """Why the run should stop, or None if nobody asked."""
    try:
        return (run.folder / "stop").read_text(encoding="utf-8") or "Stopped."
    except FileNotFoundError:
        return None


def delete(run: Run) -> None:
    """Remove a run's folder. Raises RunError while it is running, and for shipped models."""
    if run.shipped:
        raise RunError(
            f"Only your own runs can be deleted. Received: {run.id}, which comes with the project."
        )
    if run.status().state == "running":
        raise RunError(
            f"Only a run that has ended can be deleted. Received: {run.id}, running. Stop it first."
        )
    shutil.rmtree(run.folder)


def set_status(run: Run, **changes: Any) -> Status:
    """Change the stored status; for whoever is its writer now: the queue, or the worker."""
    status = dataclasses.replace(run.stored_status(), **changes)
    disk.write_json(run.folder / "status.json", dataclasses.asdict(status))
    return status


def _is_worker(process_id: int) -> bool:
    """Whether that process lives and is no zombie; another user's process counts as living."""
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
