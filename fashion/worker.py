"""One worker process: takes a run folder from its settings to its finished state, `python -m fashion.worker FOLDER`.

Given the folders of a group, it does one after another, which spares each but the first the loading of Keras. This module is the process: heartbeat, signals, and words for what can go wrong. The learning itself is in
`training.py`, imported late, so that the status says "starting" while Keras loads and a failed import is told too.
"""

import argparse
import contextlib
import dataclasses
import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from fashion import disk, runs
from fashion.errors import FashionError

STATUS_INTERVAL_SECONDS = 0.5
WAITING_INTERVAL_SECONDS = 5.0


class StopRequested(Exception):
    """Somebody asked this worker to stop; the text says who or why."""


class Diverged(FashionError):
    """The loss is no longer a finite number."""


class Reporter:
    """Owns `status.json` while the worker lives and writes it twice a second: progress and heartbeat in one."""

    def __init__(self, run: runs.Run):
        self.run = run
        self.signalled = False
        self._lock = threading.Lock()
        self._status = dataclasses.replace(
            run.stored_status(),
            state="running",
            phase="starting",
            reason="",
            process_id=os.getpid(),
            started=time.time(),
            training_started=None,
            finished=None,
        )
        self._ended = threading.Event()
        self._write()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    @property
    def status(self) -> runs.Status:
        return self._status

    def update(self, **changes) -> None:
        """Change the status; the next beat writes it."""
        with self._lock:
            self._status = dataclasses.replace(self._status, **changes)

    def end(self, **changes) -> None:
        """Write the last status; nothing is written after it."""
        self._ended.set()
        self._thread.join()
        self.update(phase="", seconds_left=None, finished=time.time(), **changes)
        self._write()

    def stop_reason(self) -> str | None:
        """Why to stop now, or None. Cheap enough to ask at every step."""
        if self.signalled:
            return runs.stop_request(self.run) or "Stopped by a signal from the system."
        return runs.stop_request(self.run)

    def _beat(self) -> None:
        while not self._ended.wait(STATUS_INTERVAL_SECONDS):
            # A full disk must not end the heartbeat: space may come back, and the training itself says what failed.
            with contextlib.suppress(OSError):
                self._write()

    def _write(self) -> None:
        with self._lock:
            self._status = dataclasses.replace(self._status, heartbeat=time.time())
            status = self._status
        disk.write_json(self.run.folder / "status.json", dataclasses.asdict(status))


def counting(reporter: Reporter, phase: str, total: int) -> Callable[[int], None]:
    """Begin a phase in which `total` pictures pass through a network; returns what to call with the number of each portion."""
    reporter.update(phase=phase, step=0, num_steps=total, seconds_left=None)
    began, done = time.perf_counter(), 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        reporter.update(step=done, seconds_left=(time.perf_counter() - began) / done * (total - done))

    return tell


def explain(error: BaseException) -> str:
    """What went wrong, in words a visitor can act on."""
    if isinstance(error, FashionError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"The disk is full: a file of this run could not be written ({error.strerror}). The last complete "
            "checkpoint is kept. Free some space (delete runs you no longer need), then resume."
        )
    name = type(error).__name__
    text = str(error)
    if isinstance(error, MemoryError) or "ResourceExhausted" in name or "out of memory" in text.lower():
        return (
            "There is not enough memory for this network with this batch size. Choose a smaller batch size or "
            "width, or the CPU if a graphics card ran out."
        )
    if isinstance(error, ImportError):
        return f"A package that this run needs could not be loaded: {text}. Install it, or choose another framework."
    first = text.strip().splitlines()[0][:300] if text.strip() else "no message"
    return f"The worker met an error it has no words for: {name}: {first}. The whole of it is in worker.log."


class Waiting:
    """The runs of a group that this worker has still to do: it keeps their heartbeat until each has its turn."""

    def __init__(self, others: list[runs.Run]):
        self._others = list(others)
        self._lock = threading.Lock()
        for run in others:
            self._change(run, process_id=os.getpid(), heartbeat=time.time())
        threading.Thread(target=self._beat, daemon=True).start()

    def next(self) -> runs.Run | None:
        """The next run that nobody has stopped meanwhile; None when all had their turn."""
        while self._others:
            with self._lock:
                run = self._others.pop(0)
            status = run.stored_status()
            if (status.state, status.phase, status.process_id) == ("running", "waiting", os.getpid()):
                reason = runs.stop_request(run)
                if reason is None:
                    return run
                self._change(run, state="stopped", phase="", reason=f"{reason} It had not begun.")
        return None

    def _beat(self) -> None:
        while self._others:
            time.sleep(WAITING_INTERVAL_SECONDS)
            with self._lock:
                for run in self._others:
                    self._change(run, heartbeat=time.time())

    def _change(self, run: runs.Run, **changes) -> None:
        """Change what the status says, unless the run was stopped, or deleted, meanwhile."""
        with contextlib.suppress(OSError):
            if run.stored_status().phase == "waiting":
                runs.set_status(run, **changes)


def work(run: runs.Run, task: str) -> int:
    """Do the run's task, one of `runs.TASKS`; returns the exit status. Always leaves an ended status."""
    reporter = Reporter(run)
    signal.signal(signal.SIGTERM, lambda *_: setattr(reporter, "signalled", True))
    try:
        others = {"benchmark": _benchmark, "takeaway": _prove, "snapshot": _test_epochs}
        stopped = others[run.kind](run, reporter) if run.kind in others else _train(run, task, reporter)
    except BaseException as error:
        traceback.print_exc()
        with contextlib.suppress(OSError):  # a disk so full that even the status cannot be told
            reporter.end(state="failed", reason=explain(error))
        return 1
    if stopped is None:
        reporter.end(state="finished")
    else:
        reporter.end(state="stopped", reason=stopped)
    return 0


def _train(run: runs.Run, task: str, reporter: Reporter) -> str | None:
    """Train (unless only to finish), test and export; returns why it was stopped early, or None."""
    from fashion import training

    stopped = None
    if task in ("train", "measure"):
        try:
            training.train(run, run.settings, reporter)
        except StopRequested as request:
            stopped = str(request)
            if not run.has_model:
                return f"{stopped} No epoch was finished."
    elif task == "finish":
        stopped = runs.stop_request(run) or "Cut off before its last epoch; the best one was kept."
    training.finish(run, run.settings, reporter, export=task != "measure")
    return stopped


def _benchmark(run: runs.Run, reporter: Reporter) -> str | None:
    """Measure what the plan asks for; returns why it was stopped early, or None."""
    from fashion import benchmark, benchmark_recipes
    from fashion.benchmark_plan import GRID, kind_of

    try:
        (benchmark if kind_of(run) == GRID else benchmark_recipes).measure(run, reporter)
    except StopRequested as request:
        return str(request)
    return None


def _prove(run: runs.Run, reporter: Reporter) -> str | None:
    """Prove that a run's zip file works without this app; returns why it was stopped early, or None."""
    from fashion import takeaway_proof

    try:
        takeaway_proof.prove(run, reporter)
    except StopRequested as request:
        return str(request)
    return None


def _test_epochs(run: runs.Run, reporter: Reporter) -> str | None:
    """Test the epochs of a run that were asked for; returns why it was stopped early, or None."""
    from fashion import training

    try:
        training.test_epochs(run, reporter)
    except StopRequested as request:
        return str(request)
    return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m fashion.worker", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="+", help="run folders, done in this order")
    options = parser.parse_args(arguments)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)  # pages stay quick while this trains: on two cores they share with it
    return work_through([runs.Run(folder.resolve()) for folder in options.folder])


def work_through(several: list[runs.Run]) -> int:
    """Do these runs one after another; returns the worst exit status."""
    run, *others = several
    waiting, worst = Waiting(others), 0
    while run is not None:
        worst = max(worst, work(run, run.stored_status().task))
        run = waiting.next()
    return worst


if __name__ == "__main__":
    # The module that `training` knows: run as a script this file would be a second one, with a StopRequested of its own.
    from fashion.worker import main as work_on

    sys.exit(work_on())
