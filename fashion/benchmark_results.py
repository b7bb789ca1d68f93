"""The results of a benchmark: their one form in files, those measured here, those recorded elsewhere, and as tables.

It measures nothing (see `benchmark.py`). A results file is JSON:
{"format", "recorded": date, "command", "machine", "busy_fraction", "plan", "data_digest",
 "processes": [{"framework", "device", "device_name", "startup_seconds", "peak_gflops", "peak_memory_bytes"}],
 "cells": [see `benchmark_cell.Bench.measure`, or the plan's cell with a "problem" in words],
 "live_progress": [see `Bench.live_progress`], "live_progress_ratio", "server": see `benchmark_server.py`, or null}.
"""

import json
import math
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fashion import evaluation, machine, runs
from fashion.benchmark_plan import GRID, Plan, kind_of, short_name
from fashion.errors import RunError, SettingsError
from fashion.settings import FRAMEWORKS

FORMAT = 1
FILE = "results.json"
RECORDED = runs.SHIPPED / "benchmarks"
# All times are shown for this many training pictures: Fashion-MNIST as it is published.
EPOCH_IMAGES = 60_000
# Above this, other programs took enough of the processor to lengthen the times.
BUSY_FRACTION = 0.2
_LARGER_MULTIPLY_ADDS = 1_000_000

COLUMNS = {
    "series": "object",
    "measured": "object",
    "framework": "object",
    "device": "object",
    "network": "object",
    "batch_size": "int64",
    "num_parameters": "int64",
    "num_multiply_adds": "int64",
    "num_images": "int64",
    "first_epoch_seconds": "float64",
    "steady_epoch_seconds": "float64",
    "steady_min_seconds": "float64",
    "steady_max_seconds": "float64",
    "seconds_per_60000": "float64",
    "first_per_60000": "float64",
    "images_per_second": "float64",
    "share_of_peak": "float64",
    "train_seconds": "float64",
    "accuracy": "float64",
    "n": "int64",
    "accuracy_low": "float64",
    "accuracy_high": "float64",
    "main_batch": "bool",
}


@dataclass(frozen=True)
class Results:
    """One results file that was read and found whole. `key` names it in links; `run` is its folder if made here."""

    key: str
    results: dict[str, Any]
    run: runs.Run | None = None

    @property
    def recorded(self) -> bool:
        """Whether it comes with the project, rather than being measured on this machine."""
        return self.run is None

    @property
    def date(self) -> str:
        """YYYY-MM-DD."""
        return str(self.results["created" if "created" in self.results else "recorded"])

    @property
    def when(self) -> str:
        """The date; with the time of day if measured here, where there may be several on a day."""
        if self.recorded:
            return self.date
        stamp = self.run.id  # begins with YYYYMMDD-HHMMSS
        return f"{self.date} {stamp[9:11]}:{stamp[11:13]}"

    @property
    def title(self) -> str:
        """ "this machine, 2026-11-21 14:05", or "recorded on Intel Xeon, 2 cores, 2026-11-21"."""
        if self.recorded:
            return f"recorded on {machine_name(self.results['machine'])}, {self.when}"
        return f"this machine, {self.when}"

    @property
    def busy(self) -> bool:
        """Whether other programs took the processor when it began."""
        return (self.results.get("busy_fraction") or 0.0) > BUSY_FRACTION


@dataclass(frozen=True)
class Measurement(Results):
    """The results of a grid of networks, batch sizes, devices and frameworks."""

    @property
    def plan(self) -> Plan:
        return Plan.from_json(self.results["plan"])


def busy_words(results: dict[str, Any]) -> list[str]:
    """A sentence where other programs took so much of the processor that no time can be trusted; else nothing."""
    share = results.get("busy_fraction") or 0.0
    if share <= BUSY_FRACTION:
        return []
    return [f"Other programs took {share:.0%} of the processor when it began: all times are too long."]


def begun(plan: Plan, busy_fraction: float | None) -> dict[str, Any]:
    """The results of a plan before its first measurement.

    `busy_fraction`: how much of the processor other programs took just before, 0 to 1.
    """
    return {
        "format": FORMAT,
        "recorded": time.strftime("%Y-%m-%d"),
        "command": plan.command(),
        "machine": machine.describe().to_dict(),
        "busy_fraction": busy_fraction,
        "plan": plan.to_json(),
        "processes": [],
        "cells": [],
        "live_progress": [],
        "live_progress_ratio": None,
        "server": None,
    }


def read(path: Path) -> dict[str, Any]:
    """A results file, checked so far that `table` can show it.

    Raises:
        RunError: It cannot be read, is of another format, or a value is missing or of the wrong type.
    """
    advice = "Measure again, or restore the file."
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name} must be readable JSON. Received: {error}. {advice}") from None
    received = results.get("format") if isinstance(results, dict) else None
    if received != FORMAT:
        raise RunError(
            f"{path.name} must be a benchmark of format {FORMAT}. Received: {received!r}. Update the app if it comes "
            "from a newer version."
        )
    whole = Measurement("", results)
    try:
        # All that is ever shown of it.
        _ = (whole.plan, whole.title, whole.busy, method(whole), figures(results), speeds(results))
        _ = (table([whole]), problems([whole]))
    except SettingsError as error:
        raise RunError(f"{path.name} must hold the plan of a benchmark. {error} {advice}") from None
    # What wrong JSON values end in when they are used.
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ArithmeticError) as e:
        raise RunError(
            f"{path.name} must be a whole benchmark. Received: {type(e).__name__} {e}. {advice}"
        ) from None
    return results


def load_recorded() -> tuple[list[Measurement], list[str]]:
    """The measurements that come with the project, and for each file that cannot be used, why."""
    found, unusable = [], []
    for path in sorted(RECORDED.glob("*.json")):
        try:
            found.append(Measurement(path.stem, read(path)))
        except RunError as error:
            unusable.append(str(error))
    return found, unusable


def measured_here() -> tuple[list[Measurement], list[str]]:
    """What was measured on this machine, newest first, also while it goes on; and unusable files as for `load_recorded`."""
    found, unusable = [], []
    for run in runs.list_runs(kind="benchmark"):
        if kind_of(run) != GRID or not (run.folder / FILE).exists():
            continue
        try:
            results = read(run.folder / FILE)
        except RunError as error:
            unusable.append(f"{run.id}: {error}")
            continue
        if results["cells"] or results["server"]:
            found.append(Measurement(run.id, results, run))
    return found, unusable


def speeds(results: dict[str, Any]) -> dict[str, float]:
    """Device -> multiply-adds per second of training, over the larger networks measured there; to announce times."""
    found = {}
    measured = [cell for cell in results["cells"] if not cell["problem"]]
    # In small networks, handing over the pictures takes the time, not the arithmetic.
    measured = [cell for cell in measured if cell["num_multiply_adds"] >= _LARGER_MULTIPLY_ADDS]
    for device in {cell["device"] for cell in measured}:
        cells = [cell for cell in measured if cell["device"] == device]
        work = sum(3 * cell["num_multiply_adds"] for cell in cells)
        seconds = sum(1 / cell["images_per_second"] for cell in cells)
        found[device] = work / seconds
    return found


def table(measurements: list[Measurement]) -> pd.DataFrame:
    """A row per cell that was measured; see `COLUMNS`.

    Times are in seconds, shares and accuracies 0 to 1. `seconds_per_60000` is a steady epoch scaled to 60,000
    pictures, `first_per_60000` that and what the first epoch took longer, which is building the network and does not grow
    with the pictures. `share_of_peak` takes three forward passes for a training step, two operations for a multiply-add,
    and the matrix multiplication measured in the same process for the peak. `main_batch` marks the batch size that
    every network was measured with. `accuracy_low` and `accuracy_high`: 95 % Wilson interval.
    """
    rows = []
    names = _series_names(measurements)
    for one in measurements:
        results = one.results
        peaks = {(p["framework"], p["device"]): p["peak_gflops"] for p in results["processes"]}
        main_batch = one.plan.batch_sizes[0]
        for cell in results["cells"]:
            if cell["problem"]:
                continue
            first, *steady = cell["epoch_seconds"]
            rate = cell["images_per_second"]
            peak = peaks.get((cell["framework"], cell["device"]))
            low, high = evaluation.wilson_interval(cell["correct"], cell["n"])
            rows.append(
                {
                    "series": names[one.key, _series(one, cell)],
                    "measured": "recorded elsewhere" if one.recorded else "measured here",
                    "framework": FRAMEWORKS.get(cell["framework"], cell["framework"]),
                    "device": device_name(results, cell),
                    "network": short_name(cell["architecture"], cell["width"]),
                    **{
                        name: cell[name]
                        for name in ("batch_size", "num_parameters", "num_multiply_adds", "num_images")
                    },
                    "first_epoch_seconds": first,
                    "steady_epoch_seconds": statistics.median(steady),
                    "steady_min_seconds": min(steady),
                    "steady_max_seconds": max(steady),
                    "seconds_per_60000": EPOCH_IMAGES / rate,
                    "first_per_60000": EPOCH_IMAGES / rate + first - statistics.median(steady),
                    "images_per_second": rate,
                    "share_of_peak": 6 * cell["num_multiply_adds"] * rate / (peak * 1e9)
                    if peak
                    else math.nan,
                    "train_seconds": sum(cell["epoch_seconds"]),
                    "accuracy": cell["correct"] / cell["n"],
                    "n": cell["n"],
                    "accuracy_low": low,
                    "accuracy_high": high,
                    "main_batch": cell["batch_size"] == main_batch,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def problems(measurements: list[Measurement]) -> list[str]:
    """What could not be measured, in words; the same reason once."""
    found: dict[str, list[str]] = {}
    for one in measurements:
        for cell in one.results["cells"]:
            if cell["problem"]:
                words = f"{short_name(cell['architecture'], cell['width'])} ({cell['device']}, batch size {cell['batch_size']})"
                found.setdefault(cell["problem"], []).append(words)
    return [f"Not measured: {', '.join(cells)}. {reason}" for reason, cells in found.items()]


def _series(one: Measurement, cell: dict[str, Any]) -> str:
    """What a line of a chart is called, in short: "CPU Intel Xeon, 2 cores, here"."""
    words = device_name(one.results, cell)
    if cell["device"] == "cpu":
        words += f" {machine_name(one.results['machine'])}"
    if cell["framework"] != "tensorflow":
        words += f", {FRAMEWORKS.get(cell['framework'], cell['framework'])}"
    return f"{words}, {'recorded' if one.recorded else 'here'}"


def _series_names(measurements: list[Measurement]) -> dict[tuple[str, str], str]:
    """(key, short name) -> a name that no other measurement has: with the date, or the key, where it must."""
    names = {
        (one.key, _series(one, cell)): _series(one, cell)
        for one in measurements
        for cell in one.results["cells"]
    }
    for more in ({one.key: one.when for one in measurements}, {one.key: one.key for one in measurements}):
        shared = [name for name, count in Counter(names.values()).items() if count > 1]
        names = {
            (key, short): f"{name} {more[key]}" if name in shared else name
            for (key, short), name in names.items()
        }
    return names


def device_name(results: dict[str, Any], cell: dict[str, Any]) -> str:
    """ "CPU", or the name of the graphics card."""
    if cell["device"] == "cpu":
        return "CPU"
    for process in results["processes"]:
        if process["device"] == cell["device"] and process["device_name"]:
            return process["device_name"]
    return cell["device"].upper().replace(":", " ")


def machine_name(described: dict[str, Any]) -> str:
    """A machine in short: "Intel Xeon, 2 cores"."""
    processor = re.sub(r"\((R|TM|r|tm)\)|\bCPU\b|\bProcessor\b|@.*", "", described["processor"])
    cores = described["num_cores"]
    return f"{' '.join(processor.split())}, {cores} {'core' if cores == 1 else 'cores'}"


def method(one: Measurement) -> str:
    """With what it was measured, in a sentence part: machine, versions, date and command."""
    results = one.results
    versions = results["machine"]["versions"]
    frameworks = dict.fromkeys(process["framework"] for process in results["processes"])
    packages = [FRAMEWORKS.get(name, name) + f" {versions.get(name, '?')}" for name in frameworks]
    devices = dict.fromkeys(
        process["device_name"] for process in results["processes"] if process["device_name"]
    )
    machine_words = ", ".join([machine_name(results["machine"]), *devices])
    software = ", ".join([*packages, f"Keras {versions.get('keras', '?')}"])
    return f"{machine_words}; {software}; {results['recorded']}; `{results['command']}`"


def figures(results: dict) -> dict[str, str]:
    """The figures of a measurement that belong to no network, in words; those that were not measured are left out."""
    values = {}
    for process in results["processes"]:
        name = device_name(results, process)
        if process["startup_seconds"] is not None:
            values[f"{name}: start to first step"] = f"{process['startup_seconds']:.1f} s"
            values[f"{name}: matrix multiplication"] = f"{process['peak_gflops']:,.0f} GFLOPS"
            values[f"{name}: most memory"] = _megabytes(process["peak_memory_bytes"])
    for live in results["live_progress"]:
        if live.get("ratio"):
            name = device_name(results, live)
            pairs = [a / b for a, b in zip(live["live_seconds"], live["bare_seconds"], strict=True)]
            values[f"{name}: epoch with live progress"] = (
                f"{live['ratio']:.2f} times one without ({min(pairs):.2f} to {max(pairs):.2f})"
            )
    server = results["server"] or {}
    if server.get("server"):
        values["Server start"] = f"{server['server']['healthy_seconds']:.1f} s"
    if server.get("page"):
        page = server["page"]
        values["First page, server included"] = (
            f"{page['first_page_seconds']:.1f} s, {_megabytes(page['memory_bytes'])}"
        )
    if server.get("prediction"):
        prediction = server["prediction"]
        memory = f", {_megabytes(prediction['memory_bytes'])}" if "memory_bytes" in prediction else ""
        values["First prediction"] = f"{prediction['first_seconds']:.1f} s{memory}"
        values["Later predictions"] = f"{prediction['later_milliseconds']:.1f} ms"
    if photo := server.get("photo"):
        values["First photo on the Predict page, server started cold"] = (
            f"{photo['first_seconds']:.1f} s, {_megabytes(photo['memory_bytes'])}"
        )
        values["Next photo"] = f"{photo['later_seconds']:.2f} s"
    if tour := server.get("tour"):
        times = tour["page_seconds"]
        slowest = max(times, key=times.get)
        values["Page change while training"] = (
            f"{statistics.median(times.values()):.2f} s, at most {times[slowest]:.2f} s ({slowest})"
        )
        values["Page opened for the first time"] = f"at most {tour['first_round_longest_seconds']:.2f} s"
        values["Server after all pages"] = _megabytes(tour["memory_bytes"])
    if server.get("worker"):
        worker = server["worker"]
        values["Worker: first step"] = f"{worker['first_step_seconds']:.1f} s"
        values["Worker: most memory"] = _megabytes(worker["peak_memory_bytes"])
        if "export_seconds" in worker:
            values["Worker: export to LiteRT"] = f"{worker['export_seconds']:.1f} s"
    if warm := server.get("warm_worker"):
        values["Spare worker: first step"] = f"{warm['first_step_seconds']:.1f} s"
        values["Spare worker: memory while it waits"] = _megabytes(warm["waiting_memory_bytes"])
    return values


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.0f} MB"


def file_name(results: dict[str, Any]) -> str:
    """A file name for the project's collection, from the hardware and the framework's version."""
    devices = [process["device_name"] for process in results["processes"] if process["device_name"]]
    frameworks = dict.fromkeys(process["framework"] for process in results["processes"])
    versions = results["machine"]["versions"]
    parts = [machine_name(results["machine"]), *dict.fromkeys(devices)]
    parts += [f"{name}-{'.'.join(versions.get(name, '').split('.')[:2])}" for name in frameworks]
    slug = re.sub(r"[^a-z0-9.]+", "-", " ".join(parts).lower()).strip("-.")
    return f"{slug}.json"
