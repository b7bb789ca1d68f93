"""A measuring process, seen from the worker that starts it: asking it, reading its answers, and its end.

The process itself is `benchmark_cell.py` or `benchmark_recipe_cell.py`. It gets one line of JSON and answers with a JSON
object per line, each with a "kind". No Keras here.
"""

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from fashion import runs
from fashion.errors import JobError

_LOOK_SECONDS = 0.2
_BUSY_SECONDS = 1.0


def busy_fraction() -> float:
    """How much of the processor other programs take now, 0 to 1."""
    return psutil.cpu_percent(interval=_BUSY_SECONDS) / 100


def ask_once(module: str, request: dict[str, Any], environment: dict[str, str]) -> Any:
    """The answer of a module, run in a process of its own, to one request: the last line that it prints, read as JSON.

    Raises JobError, with the last line of its errors, where it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=runs.ROOT, env=environment, input=json.dumps(request), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise JobError(f"The measuring process {module} must end well. Received: {last[:300]}.")
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def measuring(arguments: tuple[str, ...], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A Python process with these arguments that is gone when the block is left, within a second of it."""
    child = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=runs.ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        yield child
    finally:
        child.kill()  # it stores nothing, so there is nothing to tidy
        child.wait()
        child.stdout.close()
        with contextlib.suppress(OSError):
            child.stdin.close()


def ask(child: subprocess.Popen, request: dict[str, Any]) -> None:
    """Tell the process what to measure; its standard input stays open, since it ends when that is closed."""
    with contextlib.suppress(OSError):  # it ended at once: told by its exit status
        child.stdin.write(json.dumps(request) + "\n")
        child.stdin.flush()


def answers(child: subprocess.Popen, look: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """What the process tells, until it ends. `look` is called several times a second and may raise to end it."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in child.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        look()
        try:
            line = lines.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            continue
        if line is None or not line.endswith("\n"):  # a process that was killed may leave half a line
            return
        yield json.loads(line)


def why_it_ended(status: int) -> str:
    """The exit status of a process that ended early, in words."""
    if status < 0:
        name = signal.Signals(-status).name if -status in signal.Signals.__members__.values() else -status
        return (
            f"The measuring process was ended by the system (signal {name}): most likely the memory was full. Choose "
            "smaller networks or batch sizes."
        )
    return f"The measuring process ended early (exit status {status}). The reason is in worker.log."
