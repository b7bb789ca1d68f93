"""A spare worker: a process that has loaded the framework already and waits for the next run, which starts 2 s sooner.

`Spare` is the server's side; `python -m fashion.warm_worker` is the process. It waits on its standard input for one line of
JSON with the run folders, and from then on is a worker like any other, on its own. It ends by itself when the server does,
since its standard input is closed then, and when nothing came for a quarter of an hour. The framework is imported late:
the server loads this module, too.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from fashion import machine, runs

IDLE_SECONDS = 900.0
# Measured with TensorFlow 2.21 on Linux: 650 MB, of which 240 MB are its own and the others mapped from files.
SPARE_BYTES = 700e6
# A worker takes the spare's place, so both are never there at once. But an idle app should stay small on a small host:
# Streamlit's Community Cloud gives 2.7 GB at most and guarantees a quarter of it.
_HOST_BYTES = 4e9
_READY = b"ready\n"


class Spare:
    """One waiting process, with the environment in which its run must be. Raises OSError where none can be started."""

    def __init__(self, environment: dict[str, str]):
        self._environment = environment
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fashion.warm_worker"],
            cwd=runs.ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still waits, or has been given a run and is at it."""
        return self._process.poll() is None

    def wait_until_ready(self) -> bool:
        """Wait until it has loaded everything; False if it ended instead."""
        return self._process.stdout.readline() == _READY

    def take(self, folders: list[str], environment: dict[str, str]) -> subprocess.Popen | None:
        """Let it do these runs, one after another; None if it is gone, or was started for another environment."""
        if environment != self._environment or not self.alive:
            return None
        try:
            self._process.stdin.write(json.dumps(folders).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self._process

    def close(self) -> None:
        """End it, if it still waits; a process with a run goes on. Call it in either case."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0)


def sensible() -> bool:
    """Whether this machine has room for a process that only waits."""
    return machine.describe().memory_bytes >= _HOST_BYTES


def room() -> bool:
    """Whether there is room now: as much again must stay free for everything else."""
    return psutil.virtual_memory().available >= 2 * SPARE_BYTES


def main() -> int:
    """Load what a worker needs, wait for the folders, and work."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    told: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(told,), daemon=True).start()
    from fashion import training, worker  # noqa: F401  (training: for its imports)

    with contextlib.suppress(OSError):
        os.write(1, _READY)
    try:
        folders = told.get(timeout=IDLE_SECONDS)
    except queue.Empty:
        os._exit(0)  # an orderly end would wait for the thread that still listens
    _leave_the_server(Path(folders[0]) / "worker.log")
    return worker.work_through([runs.Run(Path(folder).resolve()) for folder in folders])


def _listen(told: "queue.SimpleQueue[list[str]]") -> None:
    """Pass on what the server says; a server that is gone, or wants no spare any more, closes the pipe."""
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        os._exit(0)
    told.put(json.loads(line))


def _leave_the_server(log: Path) -> None:
    """Exchange the pipes to the server for the run's log, so that its end does not matter any more."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    into_log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, replacement in ((0, nothing), (1, into_log), (2, into_log)):
        os.dup2(replacement, number)


if __name__ == "__main__":
    sys.exit(main())
