"""What the app itself costs: starting its server, showing pages, predicting, starting a worker, exporting a network.

Each is measured in processes of their own, started cold; none of them is kept. `python -m fashion.benchmark_server
page|predict|photo|tour` is one of these processes. Pages are drawn by Streamlit without a browser: the time is the
server's part.
"""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from fashion import disk, jobs, runs
from fashion.settings import RunSettings
from fashion.warm_worker import Spare

TRAINING_LIBRARIES = ("tensorflow", "keras", "torch", "jax")
_LIMIT_SECONDS = 120.0
_NUM_PREDICTIONS = 200


def measure(dataset: str, check_stop: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Seconds and bytes of memory of the app's own processes; None where something cannot be measured.

    - server: `healthy_seconds` from the start of `streamlit run` until it answers, and its memory then.
    - page: the landing page drawn in a fresh process, its memory then, and which training libraries it loaded.
    - prediction: in a fresh process, importing and loading a model until the first answer, then the median.
    - photo: in a fresh process, from its start until the Predict page shows its answer about a photo, and about a second
      one; its memory then.
    - worker: from starting a worker until its first point of the curve is written, its largest memory, and
      `export_seconds`, of its network to LiteRT (known to half a second).
    - warm_worker: the same for a spare one that had loaded everything, and its memory while it waited.
    - tour: every page drawn twice in one process while a worker trains: the seconds of each page the second time, the
      longest of the first time, and the memory after it.

    How long photos take to become stored vectors is measured by `benchmark_transfer.py`.

    `check_stop` is called several times a second and may raise to end it.
    """
    model = _any_model()
    return {
        "server": _server(check_stop),
        "page": _ask("page", [], check_stop),
        "prediction": _ask("predict", [str(model.folder)], check_stop) if model else None,
        "photo": _ask("photo", [], check_stop) if model else None,
        "worker": _worker(dataset, check_stop),
        "warm_worker": _worker(dataset, check_stop, warm=True),
        "tour": _while_training(dataset, check_stop),
    }


def _any_model() -> runs.Run | None:
    """A shipped model, else the newest run that can predict."""
    return next((run for run in [*runs.shipped(), *runs.list_runs()] if run.can_predict), None)


def _server(check_stop: Callable[[], None]) -> dict[str, Any] | None:
    with serving({}, check_stop) as server:
        if server:
            return {
                "healthy_seconds": server.healthy_seconds,
                "memory_bytes": memory_bytes(server.process_id),
            }
    return None


@dataclass(frozen=True)
class Server:
    """A server of the app that was started to be measured."""

    port: int
    process_id: int
    healthy_seconds: float


@contextlib.contextmanager
def serving(
    environment: Mapping[str, str], check_stop: Callable[[], None] = lambda: None
) -> Iterator[Server | None]:
    """A fresh server on this machine alone, ready to answer, and ended afterwards; None where it did not get ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", f"--server.port={port}"]
    # A token against forged requests is for browsers.
    command += ["--server.address=127.0.0.1", "--server.headless=true", "--server.enableXsrfProtection=false"]
    started = time.perf_counter()
    with _process(command, environment, stdout=subprocess.DEVNULL) as child:
        ready = None
        while ready is None and time.perf_counter() - started < _LIMIT_SECONDS and child.poll() is None:
            check_stop()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
                    if answer.status == 200:
                        ready = Server(port, child.pid, time.perf_counter() - started)
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        yield ready


def _worker(dataset: str, check_stop: Callable[[], None], warm: bool = False) -> dict[str, Any] | None:
    """One epoch of the smallest network, in a folder that is thrown away."""
    settings = RunSettings(dataset=dataset, architecture="softmax", epochs=1, num_train=5_000)
    with tempfile.TemporaryDirectory() as folder:
        run = runs.Run(Path(folder))
        disk.write_json(run.folder / "settings.json", settings.to_json())
        disk.write_json(run.folder / "status.json", {"state": "queued"})
        first_step, memory, spare, idle = None, 0, None, None
        export = []
        if warm:
            spare = Spare(jobs.worker_environment(settings))
            if not spare.wait_until_ready():
                return None
            idle = memory_bytes(spare.process_id)
        started = time.perf_counter()
        child = jobs.start_worker(run, spare=spare)
        try:
            while child.poll() is None and time.perf_counter() - started < _LIMIT_SECONDS:
                check_stop()
                memory = max(memory, memory_bytes(child.pid))
                if first_step is None and (run.folder / "steps.csv").exists():
                    first_step = time.perf_counter() - started
                if run.stored_status().phase == "exporting":
                    export.append(time.perf_counter())
                time.sleep(0.02)
        finally:
            end(child)
            if spare:
                spare.close()
        if first_step is None:
            return None
        more = {"waiting_memory_bytes": idle} if warm else {}
        if export:
            more["export_seconds"] = export[-1] - export[0]
        return {"first_step_seconds": first_step, "peak_memory_bytes": memory, **more}


@contextlib.contextmanager
def training(
    folder: Path, dataset: str = "sketches", check_stop: Callable[[], None] = lambda: None
) -> Iterator[runs.Run | None]:
    """A small CNN that a worker trains in this folder of runs, once its curve has begun; ended afterwards. None where it did not
    get so far.
    """
    run = runs.Run(folder / "20000101-000000-cnn-0000")
    run.folder.mkdir()
    settings = RunSettings(dataset=dataset, architecture="cnn", epochs=100)
    disk.write_json(run.folder / "settings.json", settings.to_json())
    disk.write_json(run.folder / "status.json", {"state": "queued"})
    child = jobs.start_worker(run)
    try:
        started = time.perf_counter()
        begun = False
        while not begun and child.poll() is None and time.perf_counter() - started < _LIMIT_SECONDS:
            check_stop()
            begun = (run.folder / "steps.csv").exists()
            time.sleep(0.02)
        yield run if begun else None
    finally:
        end(child)


def _while_training(dataset: str, check_stop: Callable[[], None]) -> dict[str, Any] | None:
    """What a process of its own tells of the pages while a worker trains; both see only a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder, training(Path(folder), dataset, check_stop) as run:
        if run is None:
            return None
        told = _ask("tour", [], check_stop, {"FASHION_RUNS": folder, "FASHION_WARM": "0"})
        return told if run.status().active else None  # else nothing was trained meanwhile


def _ask(
    question: str, arguments: list[str], check_stop: Callable[[], None], environment: Mapping[str, str] = {}
) -> dict[str, Any] | None:
    """The answer of a fresh process of this module, with the seconds since it was started."""
    command = [sys.executable, "-m", "fashion.benchmark_server", question, *arguments, repr(time.time())]
    started = time.perf_counter()
    with _process(command, environment) as child:
        while time.perf_counter() - started < _LIMIT_SECONDS:
            check_stop()
            with contextlib.suppress(subprocess.TimeoutExpired):
                output, _ = child.communicate(timeout=0.2)
                last = (output.strip().splitlines() or [""])[-1]
                return json.loads(last) if child.returncode == 0 and last.startswith("{") else None
    return None


@contextlib.contextmanager
def _process(command: list[str], environment: Mapping[str, str] = {}, stdout: int = subprocess.PIPE):
    child = subprocess.Popen(
        command,
        cwd=runs.ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        text=True,
    )
    try:
        yield child
    finally:
        end(child)
        if child.stdout:
            child.stdout.close()


def end(child: subprocess.Popen) -> None:
    """End a process that was started to be measured, at the latest after a second."""
    child.terminate()
    try:
        child.wait(timeout=1)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def memory_bytes(process_id: int) -> int:
    """The memory that a process has now, in bytes; 0 where it is gone."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(process_id).memory_info().rss
    return 0


def _drawn(at):
    """A page that was just drawn; raises RuntimeError with what it failed of."""
    if at.exception:
        raise RuntimeError(f"A page failed: {at.exception[0].message}")
    return at


def _entry():
    from streamlit.testing.v1 import AppTest

    return AppTest.from_file(str(runs.ROOT / "streamlit_app.py"), default_timeout=_LIMIT_SECONDS)


def _here() -> dict[str, Any]:
    """What each of these processes tells of itself."""
    return {
        "memory_bytes": memory_bytes(os.getpid()),
        "training_libraries": [name for name in TRAINING_LIBRARIES if name in sys.modules],
    }


def _page(started: float) -> dict[str, Any]:
    _drawn(_entry().run())
    return {"first_page_seconds": time.time() - started, **_here()}


def _photo(started: float) -> dict[str, Any]:
    import io

    from fashion import sketches

    def photo(label: int) -> tuple[str, bytes, str]:
        buffer = io.BytesIO()
        sketches.draw_colour(label, 1, 600).save(buffer, "JPEG")
        return f"{label}.jpg", buffer.getvalue(), "image/jpeg"

    at = _entry().switch_page("pages/predict.py").run()
    _drawn(at.file_uploader[0].set_value([photo(0)]).run())
    first = time.time() - started
    after = time.perf_counter()
    _drawn(at.file_uploader[0].set_value([photo(1)]).run())
    return {"first_seconds": first, "later_seconds": time.perf_counter() - after, **_here()}


def _tour(_: float) -> dict[str, Any]:
    from fashion.ui import frame

    at = _drawn(_entry().run())
    rounds: list[dict[str, float]] = []
    for _round in range(2):
        seconds = {}
        for page in frame.PAGES:
            before = time.perf_counter()
            _drawn(at.switch_page(page.file).run())
            seconds[page.title] = time.perf_counter() - before
        rounds.append(seconds)
    return {"first_round_longest_seconds": max(rounds[0].values()), "page_seconds": rounds[1], **_here()}


def _predict(folder: str, started: float) -> dict[str, Any]:
    import numpy as np

    from fashion.predictor import Predictor

    model = Predictor(runs.Run(Path(folder)))
    image = np.zeros((1, *model.card["image_shape"]), dtype=np.uint8)
    model.predict(image)
    first = time.time() - started
    seconds = []
    for _ in range(_NUM_PREDICTIONS):
        before = time.perf_counter()
        model.predict(image)
        seconds.append(time.perf_counter() - before)
    return {
        "model": model.name,
        "first_seconds": first,
        "later_milliseconds": 1e3 * statistics.median(seconds),
        **_here(),
    }


_QUESTIONS = {"page": _page, "predict": _predict, "photo": _photo, "tour": _tour}


if __name__ == "__main__":
    question, *folder, start = sys.argv[1:]
    print(json.dumps(_QUESTIONS[question](*folder, float(start))))
