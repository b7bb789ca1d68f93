"""What a class costs the server: how long visitors wait who all do the same at once, and what watching takes from a training.

    python -m fashion benchmark --visitors 30

A server and a worker of their own are started, with a folder of runs that is thrown away; the visitors are `visitor.py`'s, in a
process of their own, so on a small machine they take a part of the time that is measured. Each is measured with one visitor and
with all of them, in the same minutes.
"""

import asyncio
import contextlib
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from fashion import benchmark_child, benchmark_transfer, machine, sketches
from fashion.benchmark_results import busy_words
from fashion.benchmark_server import Server, memory_bytes, serving, training
from fashion.errors import JobError, SettingsError
from fashion.visitor import Visitor

KIND = "visitors"
MAX_VISITORS = 100
# The addresses of the pages, "" that of the start page.
PAGES = {
    "Home": "", "Dataset": "dataset", "Course": "course", "Train": "train", "Runs": "runs", "Models": "models",
    "Benchmark": "benchmark", "Predict": "predict",
}  # fmt: skip
_WATCH_SECONDS = 15.0


def measure(num_visitors: int, watch_seconds: float = _WATCH_SECONDS) -> dict[str, Any]:
    """Seconds that visitors wait, alone and together, as in a results file.

    - pages, by title, and photo: for `alone` and `together` the median and the longest wait, and the server's processor time for
      each visitor. Every page was drawn once before.
    - watching: for `nobody`, `alone` and `together` the pictures per second of a training that is watched, the share of one core
      that the server takes, and the drawings per visitor and second.
    - memory_bytes: of the server, before and after the crowd.

    Raises:
        SettingsError: Not so many visitors.
        JobError: The server, the worker or a page failed.
    """
    if not 2 <= num_visitors <= MAX_VISITORS:
        raise SettingsError(f"`visitors` must be from 2 to {MAX_VISITORS}. Received: {num_visitors}.")
    results = {
        "format": 1,
        "recorded": time.strftime("%Y-%m-%d"),
        "command": f"python -m fashion benchmark --visitors {num_visitors}",
        "machine": machine.describe().to_dict(),
        "busy_fraction": benchmark_child.busy_fraction(),
        "visitors": num_visitors,
    }
    with tempfile.TemporaryDirectory() as folder:
        environment = {"FASHION_RUNS": folder, "FASHION_WARM": "0"}
        with serving(environment) as server:
            if server is None:
                raise JobError("The app's server must get ready. It did not. Start it by hand: make run.")
            measured = asyncio.run(_crowd(server, num_visitors, Path(folder), watch_seconds))
    return results | measured


def in_words(results: dict[str, Any]) -> str:
    """A line for each thing that visitors did, and two on watching."""
    num_visitors = results["visitors"]
    lines = [f"{num_visitors} visitors at once on one server; median wait, the longest in brackets"]
    for title, one in [*results["pages"].items(), ("a photo dropped", results["photo"])]:
        alone, together = one["alone"], one["together"]
        lines.append(
            f"{title:16} alone {alone['median_seconds']:5.2f} s, together {together['median_seconds']:5.2f} s "
            f"({together['longest_seconds']:.2f} s), {1000 * together['processor_seconds_each']:.0f} ms of processor time each"
        )
    for name, words in (("alone", "one visitor"), ("together", f"{num_visitors} visitors")):
        one = results["watching"][name]
        ratio = one["images_per_second"] / results["watching"]["nobody"]["images_per_second"]
        lines.append(
            f"{words} watching a training: new curves every {one['seconds_between']:.1f} s, "
            f"{one['server_cores']:.2f} of a core for the server, {ratio:.2f} times the speed of an unwatched training"
        )
    memory = results["memory_bytes"]
    lines.append(f"server: {memory['before'] / 1e6:.0f} MB before, {memory['after'] / 1e6:.0f} MB after")
    return "\n".join([*lines, *busy_words(results)])


def file_name(results: dict[str, Any]) -> str:
    """A file name for the project's collection, from the hardware and the versions."""
    return f"visitors-{benchmark_transfer.file_name(results)}"


async def _crowd(server: Server, num_visitors: int, folder: Path, watch_seconds: float) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        visitors = [await stack.enter_async_context(Visitor(server.port)) for _ in range(num_visitors)]
        groups = {"alone": visitors[:1], "together": visitors}
        for page in PAGES.values():  # what is loaded once and kept
            await visitors[0].show(page)
        before = memory_bytes(server.process_id)
        pages = {}
        for title, page in PAGES.items():
            _note(f"Measuring: {title} ...")
            pages[title] = {
                name: await _waits(server, [one.show(page) for one in group])
                for name, group in groups.items()
            }
        _note("Measuring: photos ...")
        photo = _photo()
        await visitors[0].drop("garment.jpg", photo)  # loads the model
        dropped = {
            name: await _waits(server, [one.drop("garment.jpg", photo) for one in group])
            for name, group in groups.items()
        }
        watching = await _watching(server, groups, folder, watch_seconds)
        if problems := [problem for one in visitors for problem in one.problems]:
            raise JobError(f"Every page must be drawn. One failed: {problems[0]}")
        memory = {"before": before, "after": memory_bytes(server.process_id)}
    return {"pages": pages, "photo": dropped, "watching": watching, "memory_bytes": memory}


async def _waits(server: Server, asked: list) -> dict[str, float]:
    """How long these wait who ask at the same moment."""
    used = _processor_seconds(server)
    waits = await asyncio.gather(*asked)
    return {
        "median_seconds": statistics.median(waits),
        "longest_seconds": max(waits),
        "processor_seconds_each": (_processor_seconds(server) - used) / len(waits),
    }


async def _watching(
    server: Server, groups: dict[str, list[Visitor]], folder: Path, seconds: float
) -> dict[str, Any]:
    watching = {}
    with training(folder) as run:
        if run is None:
            raise JobError(
                "The watched run must train. It did not begin. Start one by hand: python -m fashion train."
            )
        for name, group in {"nobody": [], **groups}.items():
            _note(f"Measuring: a training watched, {name} ...")
            await asyncio.gather(*(one.show("train", f"run={run.id}") for one in group))
            used, started, num_steps = _processor_seconds(server), time.perf_counter(), len(run.steps())
            drawn = await asyncio.gather(*(one.watch(seconds) for one in group), asyncio.sleep(seconds))
            passed = time.perf_counter() - started
            speeds = run.steps().images_per_second[num_steps:]
            if not len(speeds) or not run.status().active:
                raise JobError(f"The watched run must train all the time. {run.status().reason}")
            num_drawings = sum(len(one) for one in drawn[:-1])
            watching[name] = {
                "images_per_second": float(speeds.median()),
                "server_cores": (_processor_seconds(server) - used) / passed,
                "seconds_between": passed * len(group) / num_drawings if num_drawings else None,
            }
    return watching


def _photo() -> bytes:
    """A drawn t-shirt as a JPEG of 900 pixels."""
    file = io.BytesIO()
    sketches.draw_colour(0, 1, 900).save(file, "JPEG")
    return file.getvalue()


def _processor_seconds(server: Server) -> float:
    times = psutil.Process(server.process_id).cpu_times()
    return times.user + times.system


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
