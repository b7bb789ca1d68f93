"""Who runs when: a first-come-first-served queue of runs on this machine, one worker process at a time.

The runs of a group, which is the experiment of a lesson, share a worker and count as one. The queue is the run folders themselves: a run whose status says "queued" waits, the oldest goes first. Nothing is
kept in memory that a restarted server would miss: workers live on without it, and it finds them again.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from fashion import memory_need, runs, snapshots, warm_worker
from fashion.errors import JobError, RunError
from fashion.runs import Run
from fashion.settings import DEFAULTS, RunSettings
from fashion.warm_worker import Spare

STOP_SIGNAL_SECONDS = 2.0
STOP_KILL_SECONDS = 20.0
_TICK_SECONDS = 0.25
_CLAIM_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the queue allows, from the environment. A class on one laptop is what the defaults are for.

    - num_workers (FASHION_WORKERS): runs at the same time.
    - per_visitor (FASHION_RUNS_PER_VISITOR): unfinished runs one visitor may have.
    - queue_length (FASHION_QUEUE): runs that may wait in all.
    - deadline_seconds (FASHION_DEADLINE_SECONDS): after this long a run is stopped, keeping its best epoch.
    - memory_megabytes (FASHION_MEMORY_MB): what the server and one worker may take together; Streamlit's Community
      Cloud ends an app at 2,700.
    - warm (FASHION_WARM, 0 or 1): whether a spare worker waits while nothing runs; unset, where the host has room.
    """

    num_workers: int = 1
    per_visitor: int = 3
    queue_length: int = 60
    deadline_seconds: int = 7200
    memory_megabytes: int = 2200
    warm: bool = False

    @property
    def memory_bytes(self) -> float:
        """`memory_megabytes` in bytes."""
        return self.memory_megabytes * 1e6

    @classmethod
    def from_environment(cls) -> "Limits":
        """Raises JobError where a variable is not a whole number of at least one, or FASHION_WARM is neither 0 nor 1."""
        names = {
            "num_workers": "FASHION_WORKERS",
            "per_visitor": "FASHION_RUNS_PER_VISITOR",
            "queue_length": "FASHION_QUEUE",
            "deadline_seconds": "FASHION_DEADLINE_SECONDS",
            "memory_megabytes": "FASHION_MEMORY_MB",
        }
        values = {}
        for field, name in names.items():
            text = os.environ.get(name)
            if text is None:
                continue
            if not text.isdecimal() or int(text) < 1:
                raise JobError(
                    f"{name} must be a whole number of at least 1. Received: {text!r}. Correct or unset it."
                )
            values[field] = int(text)
        warm = os.environ.get("FASHION_WARM")
        if warm not in (None, "0", "1"):
            raise JobError(f"FASHION_WARM must be 0 or 1. Received: {warm!r}. Correct or unset it.")
        return cls(warm=warm_worker.sensible() if warm is None else warm == "1", **values)


class LocalQueue:
    """Starts waiting runs, enforces stops and the deadline, and marks runs whose worker is gone.

    One per server process; `start` it once. Two servers on one folder of runs do no harm: a run is claimed by
    creating a file that only one of them can create.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self._children: dict[str, subprocess.Popen] = {}
        self._stop_seen: dict[str, float] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._spare: Spare | None = None
        self._spare_for: RunSettings | None = DEFAULTS  # None: one was there since the last run, and is gone

    def start(self) -> "LocalQueue":
        """Begin to serve, in a thread that ends with the process."""
        threading.Thread(target=self._serve, name="fashion-queue", daemon=True).start()
        return self

    def submit(self, settings: RunSettings, visitor: str = "") -> Run:
        """Queue a new training run.

        Raises JobError if this visitor, or the queue, has too many already, or the run would not fit into memory, or its
        snapshots on the disk.
        """
        self.check_room(visitor)
        memory_need.check(settings, self.limits.memory_bytes)
        snapshots.check(settings, free_disk_bytes())
        return self.added(runs.create(settings, visitor))

    def submit_group(self, several: list[RunSettings], group: str, visitor: str = "") -> list[Run]:
        """Queue the runs of an experiment, to be trained and tested one after another in one worker, without export.

        group: a name that no other experiment has. Raises what `submit` raises; then none is queued.
        """
        self.check_room(visitor)
        for settings in several:
            memory_need.check(settings, self.limits.memory_bytes, export=False)
            snapshots.check(settings, free_disk_bytes() / len(several))
        made = []
        try:
            with self._lock:  # the worker starts when all are there
                for settings in several:
                    made.append(runs.create(settings, visitor, task="measure", group=group))
        except RunError:
            for run in made:
                shutil.rmtree(run.folder, ignore_errors=True)
            raise
        self._wake.set()
        return made

    def test_epochs(self, run: Run, epochs: list[int], export: bool, visitor: str = "") -> Run:
        """Queue the test of epochs that a run has kept, and if asked their export for prediction; returns the job.

        Raises what `submit` raises, and JobError where the run has not ended, or does not have these epochs.
        """
        self.check_room(visitor)
        if run.shipped or run.status().active:
            raise JobError(
                f"Only epochs of a run of yours that has ended can be tested. Received: {run.id}. Wait for its end."
            )
        memory_need.check(run.settings, self.limits.memory_bytes, export)
        return self.added(snapshots.create_job(run, epochs, export, visitor))

    def check_room(self, visitor: str = "") -> None:
        """Raise JobError if this visitor, or the queue, may not have one more run; a group counts as one."""
        active = {status.group or run.id: status for run, status in active_runs()}.values()
        mine = sum(status.visitor == visitor for status in active)
        if visitor and mine >= self.limits.per_visitor:
            raise JobError(
                f"Each visitor may have {self.limits.per_visitor} unfinished runs. Received one more. Wait for one to "
                "finish, or stop one."
            )
        if len(active) >= self.limits.queue_length:
            raise JobError(
                f"At most {self.limits.queue_length} runs may wait. Received one more. Try again in a few minutes."
            )

    def added(self, run: Run) -> Run:
        """Look at once for a run that was just created, instead of at the next beat."""
        self._wake.set()
        return run

    def resume(self, run: Run) -> None:
        """Queue a stopped, failed or interrupted run again; it goes on after its last finished epoch.

        Raises:
            JobError: The run is not of that kind, or would not fit into memory.
            RunError: Its settings cannot be read.
        """
        status = run.status()
        if run.shipped or status.active or status.state == "finished":
            raise JobError(f"Only a run that was cut off can be resumed. Received: {run.id}, {status.state}.")
        if run.kind == "training":
            memory_need.check(run.settings, self.limits.memory_bytes)
        (run.folder / "stop").unlink(missing_ok=True)
        self._queue_again(run, "train")

    def finish(self, run: Run) -> None:
        """Queue the testing and export of the best epoch of a run that was cut off, or that never exported it.

        Raises:
            JobError: The run is not of that kind, kept no epoch, or its export would not fit into memory.
            RunError: Its settings cannot be read.
        """
        status = run.status()
        if run.shipped or status.active or run.can_predict or not run.has_model:
            raise JobError(
                f"Only a cut-off run with a best epoch can be finished. Received: {run.id}, {status.state}."
            )
        if status.state == "finished":  # it was let in without export, which may take more than its training
            memory_need.check(run.settings, self.limits.memory_bytes)
        self._queue_again(run, "export" if status.state == "finished" else "finish")

    def _queue_again(self, run: Run, task: str) -> None:
        (run.folder / "claim").unlink(missing_ok=True)
        runs.set_status(run, state="queued", task=task, reason="", phase="", process_id=None, finished=None)
        self._wake.set()

    def stop(self, run: Run, reason: str = "Stopped by hand.") -> None:
        """Stop a run: a waiting one at once, a running one at its next step, keeping its best epoch."""
        runs.request_stop(run, reason)
        self._wake.set()

    def tick(self) -> None:
        """Look after every unfinished run once. The thread calls it four times a second."""
        with self._lock:
            for name, child in list(self._children.items()):
                if child.poll() is not None:
                    del self._children[name]
            waiting: list[tuple[Run, runs.Status]] = []
            running = set()
            for run in runs.list_runs(kind=None):
                status = run.stored_status()
                if status.state == "queued" and self._still_waiting(run, status):
                    waiting.append((run, status))
                elif status.state == "running" and self._still_running(run, status):
                    running.add(status.group or run.id)
            num_running = len(running)
            waiting.sort(key=_age)
            launched: set[str] = set()
            for run, status in waiting:
                if num_running >= self.limits.num_workers:
                    break
                if run.id not in launched:
                    together = _together(run, status, waiting)
                    launched |= {one.id for one in together}
                    num_running += self._launch(*together)
            if self.limits.warm and not num_running and not self._closed:
                self._keep_warm()

    def close(self) -> None:
        """Stop serving; workers that run go on, a spare one ends."""
        self._closed = True
        with self._lock:
            self._end_spare()
        self._wake.set()

    def _serve(self) -> None:
        while not self._closed:
            with contextlib.suppress(
                OSError, RunError
            ):  # a full disk or a folder deleted meanwhile: look again
                self.tick()
            self._wake.wait(_TICK_SECONDS)
            self._wake.clear()

    def _still_waiting(self, run: Run, status: runs.Status) -> bool:
        claimed = _written(run.folder / "claim")
        if status.state == "queued" and claimed is not None and time.time() - claimed > _CLAIM_SECONDS:
            (run.folder / "claim").unlink(
                missing_ok=True
            )  # of a server that ended before it could start the worker
        reason = runs.stop_request(run)
        if reason is None or status.task in ("finish", "export"):
            return True
        reason = f"{reason} It had not begun."
        runs.set_status(run, state="stopped", phase="", reason=reason, finished=time.time())
        return False

    def _still_running(self, run: Run, status: runs.Status) -> bool:
        seen = run.status()
        if status.phase == "waiting" and seen.state == "interrupted":
            self._queue_again(run, status.task)  # its worker ended within an earlier run of the group
            return False
        if status.phase == "waiting":
            return self._still_waiting(run, status)
        if seen.state == "interrupted":
            self._stop_seen.pop(run.id, None)
            if runs.stop_request(run) and run.has_model and status.task in ("train", "measure"):
                self._queue_again(run, "finish")  # it was killed because it did not obey: keep its best epoch
            else:
                runs.set_status(run, state="interrupted", phase="", reason=seen.reason, finished=time.time())
            return False
        reason = runs.stop_request(run)
        if reason is None:
            if status.started and time.time() - status.started > self.limits.deadline_seconds:
                self.stop(run, f"Stopped at the time limit of {self.limits.deadline_seconds} s per run.")
            return True
        if status.phase in runs.ENDING or status.task in ("finish", "export"):
            return True  # it has obeyed, or was not asked to train: it is finishing the folder
        waited = time.monotonic() - self._stop_seen.setdefault(run.id, time.monotonic())
        if waited > STOP_KILL_SECONDS:
            _end(status.process_id, kill=True)
        elif waited > STOP_SIGNAL_SECONDS and os.name == "posix":
            _end(status.process_id, kill=False)
        return True

    def _launch(self, *together: Run) -> bool:
        """Start one worker for these runs; False if another server took them, or it could not start."""
        together = [run for run in together if claim(run)]
        if not together:
            return False
        for run in together:
            self._stop_seen.pop(run.id, None)
        try:
            child = start_worker(*together, spare=self._spare)
        except (OSError, RunError) as error:
            reason = f"The worker could not start: {error}"
            for run in together:
                try:
                    runs.set_status(run, state="failed", reason=reason, finished=time.time())
                except (
                    OSError
                ):  # a disk so full that not even this can be told: the run waits until there is room
                    (run.folder / "claim").unlink(missing_ok=True)
            return False
        finally:
            # Taken or not: it never takes memory beside a worker.
            self._end_spare()
        self._children[together[0].id] = child
        self._spare_for = _settings_of(together[0]) or self._spare_for
        return True

    def _keep_warm(self) -> None:
        """Start a spare worker for a run like the last one, once after each; nothing runs now."""
        if self._spare is not None or self._spare_for is None or not warm_worker.room():
            return
        with contextlib.suppress(OSError):
            self._spare = Spare(worker_environment(self._spare_for))
        self._spare_for = None

    def _end_spare(self) -> None:
        if self._spare is not None:
            self._spare.close()
            self._spare = None


def _together(run: Run, status: runs.Status, waiting: list[tuple[Run, runs.Status]]) -> list[Run]:
    """This waiting run and those that one worker can do after it: of its group, its framework and its device."""
    if not status.group:
        return [run]

    def place(one: Run) -> tuple[str, str] | None:
        try:
            return one.settings.framework, one.settings.device
        except RunError:
            return None

    alike = [
        other
        for other, its in waiting
        if (its.group, its.task) == (status.group, status.task) and place(other)
    ]
    return [other for other in alike if place(other) == place(run)] or [run]


def _written(path: Path) -> float | None:
    """When the file was written, in Unix seconds; None if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def claim(run: Run) -> bool:
    """Take a waiting run for oneself; False if another process has it. Whoever claims it starts its worker."""
    try:
        os.close(os.open(run.folder / "claim", os.O_CREAT | os.O_EXCL))
    except OSError:
        return False
    return True


def start_worker(run: Run, *others: Run, spare: Spare | None = None) -> subprocess.Popen:
    """Start a worker for this run in a session of its own, so that it outlives the server; it does others after it.

    spare: a process that waits for work, taken if it was started as this worker would be.

    Raises:
        RunError: The settings cannot be read.
        OSError: The process cannot be started, or the log cannot be written.
    """
    # A benchmark's worker starts a process for each framework and device itself.
    settings = _settings_of(run)
    environment = worker_environment(settings) if settings else dict(os.environ)
    # Written before the worker exists: from its first breath on, the status is the worker's to write.
    now = time.time()
    for one in (run, *others):
        phase = "starting" if one is run else "waiting"
        runs.set_status(one, state="running", phase=phase, started=now, heartbeat=now, process_id=None)
    folders = [str(one.folder) for one in (run, *others)]
    taken = spare.take(folders, environment) if spare and settings else None
    if taken is not None:
        return taken
    with open(run.folder / "worker.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "fashion.worker", *folders],
            cwd=runs.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _settings_of(run: Run) -> RunSettings | None:
    """The settings that say in which environment a worker does this job; None where any will do.

    Raises RunError where they cannot be read.
    """
    if run.kind == "snapshot":
        run, _, _ = snapshots.asked(run)
    return run.settings if run.kind == "training" else None


def worker_environment(settings: RunSettings) -> dict[str, str]:
    """The environment of a worker: the chosen framework, and only the chosen device visible."""
    environment = dict(os.environ)
    environment["KERAS_BACKEND"] = settings.framework
    environment["CUDA_VISIBLE_DEVICES"] = (
        settings.device.partition(":")[2] if settings.device != "cpu" else ""
    )
    if settings.device == "cpu":
        environment["JAX_PLATFORMS"] = "cpu"
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # glibc keeps a heap per thread, up to eight per core, each with holes: fine-tuning EfficientNetV2-B0 in batches of 8
    # took 2,240 MB with them and 2,110 MB with two.
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def active_runs() -> list[tuple[Run, runs.Status]]:
    """Runs that wait or run, oldest first."""
    pairs = [(run, run.status()) for run in runs.list_runs(kind=None)]
    return sorted((pair for pair in pairs if pair[1].active), key=_age)


def _age(pair: tuple[Run, runs.Status]) -> tuple[str, float]:
    """What a run and its status are sorted by, oldest first: several may have the same second in their names."""
    return pair[0].id[:15], pair[1].created


def ahead_of(run: Run, active: list[tuple[Run, runs.Status]] | None = None) -> list[tuple[Run, runs.Status]]:
    """The unfinished runs that are served before this waiting one, oldest first; none where it is next, or does not wait.

    active: as from `active_runs`, if it is at hand.
    """
    active = active_runs() if active is None else active
    waiting = [pair for pair in active if pair[1].state == "queued"]
    place = next((number for number, (other, _) in enumerate(waiting) if other.id == run.id), None)
    if place is None:
        return []
    return [pair for pair in active if pair[1].state == "running"] + waiting[:place]


def count(several: list[tuple[Run, runs.Status]]) -> int:
    """How many runs these are; those of a group that one worker has begun are one."""
    return len({status.group or run.id if status.state == "running" else run.id for run, status in several})


def free_disk_bytes() -> int:
    """Space left where runs are written."""
    folder = runs.runs_folder()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _end(process_id: int | None, kill: bool) -> None:
    if process_id is None:
        return
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(process_id)
        if kill:
            process.kill()
        else:
            process.terminate()
