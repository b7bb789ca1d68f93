"""How long does training take on CPU and on GPU as the model grows? Measures it, as a job of the queue like a run.

A measurement trains the project's own networks on the path of real runs, one after the other, each framework and
device in a process of its own (`benchmark_cell.py`). The first epoch, which includes building the network's
program, is told apart from the steady ones, whose median counts; loading the data and testing are not in it.
The share of the machine's own matrix multiplication says how good a number is: a third is good on a processor.

    python -m fashion benchmark --quick                    under three minutes on two processor cores
    python -m fashion benchmark --full --devices cpu gpu:0
    python -m fashion benchmark --quick --server --output models/benchmarks

What there is to measure is in `benchmark_plan.py`, what came out in `benchmark_results.py`. No Keras here.
"""

import argparse
import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import psutil

from fashion import benchmark_results as results_form
from fashion import benchmark_server, benchmark_transfer, estimate, jobs, machine, runs
from fashion.benchmark_plan import FULL, QUICK, STARTUP_SECONDS, Cell, Plan, plan_for
from fashion.errors import JobError, RunError, SettingsError
from fashion.runs import Run
from fashion.settings import FRAMEWORKS, load_json
from fashion.worker import Reporter, StopRequested

PLAN_FILE = "plan.json"
_MEASURING_PROCESS = ("-m", "fashion.benchmark_cell")
_LOOK_SECONDS = 0.2
_BUSY_SECONDS = 1.0


def create(plan: Plan, visitor: str = "") -> Run:
    """A new benchmark, queued. Raises RunError if the disk refuses."""
    num_cells = len(plan.cells()) + plan.server
    return runs.create_job("benchmark", PLAN_FILE, plan.to_json(), num_epochs=num_cells, visitor=visitor)


def plan_of(run: Run) -> Plan:
    """The plan of a benchmark's folder. Raises RunError where it cannot be read."""
    try:
        text = (run.folder / PLAN_FILE).read_text(encoding="utf-8")
        return Plan.from_json(load_json(text, PLAN_FILE))
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        raise RunError(f"{run.id} must have a readable {PLAN_FILE}. {error} Measure again.") from None


def record(run: Run) -> dict[str, Any]:
    """The results of a benchmark's folder, in the form of models/benchmarks/*.json. Raises RunError without any."""
    return results_form.read(run.folder / results_form.FILE)


# Measuring, in the worker


def measure(run: Run, reporter: Reporter) -> None:
    """Measure the plan of this folder, and write `results.json` anew after every measurement.

    A measurement that fails is noted with its reason, and the next one goes on.

    Raises:
        StopRequested: A stop was asked for; what was measured is in the folder.
        JobError: Nothing could be measured.
        RunError: The plan cannot be read.
    """
    plan = plan_of(run)
    results = results_form.begun(plan, _busy_fraction())
    work = _Work(run, reporter, plan, results)
    work.save()
    for framework, device in plan.processes():
        work.measure_on(framework, device)
    if plan.server:
        work.measure_server()
    if results["cells"] and all(cell["problem"] for cell in results["cells"]):
        raise JobError(f"Nothing could be measured. {results['cells'][0]['problem']}")


def _busy_fraction() -> float:
    """How much of the processor other programs take now, 0 to 1."""
    return psutil.cpu_percent(interval=_BUSY_SECONDS) / 100


class _Work:
    """The progress of one benchmark: results so far, and the time left."""

    def __init__(self, run: Run, reporter: Reporter, plan: Plan, results: dict[str, Any]):
        self.run, self.reporter, self.plan, self.results = run, reporter, plan, results
        self.earlier_speeds = speeds_here()
        self.started = time.monotonic()
        self.planned_seconds_done = 0.0
        self.planned_seconds = plan.estimate_seconds(self.earlier_speeds)
        reporter.update(
            phase="measuring",
            training_started=time.time(),
            epoch=0,
            num_epochs=len(plan.cells()) + plan.server,
            num_steps=plan.num_epochs,
            seconds_left=self.planned_seconds,
        )

    def save(self) -> None:
        runs.write_json(self.run.folder / results_form.FILE, self.results)

    def measure_on(self, framework: str, device: str) -> None:
        """All cells of one framework on one device."""
        cells = [cell for cell in self.plan.cells() if (cell.framework, cell.device) == (framework, device)]
        process = {
            "framework": framework,
            "device": device,
            "device_name": None,
            "startup_seconds": None,
            "peak_gflops": None,
            "peak_memory_bytes": None,
        }
        self.results["processes"].append(process)
        if device != "cpu":
            found = machine.devices(framework)
            number = int(device.partition(":")[2])
            if number >= len(found.gpus):
                known = ", ".join(found.gpus) or "no graphics card"
                for cell in cells:
                    self._failed(
                        cell,
                        f"{FRAMEWORKS[framework]} must see {device}. It sees {known}. {found.problem or ''}",
                    )
                return
            process["device_name"] = found.gpus[number]
        live = Cell(framework, device, *self.plan.batch_network, self.plan.batch_sizes[0])
        while cells:
            # A process that dies takes only its current cell along: the others get a new one.
            num_ended = self._measure_in_process(process, cells, live)
            cells, live = cells[num_ended:], None

    def _measure_in_process(self, process: dict[str, Any], cells: list[Cell], live: Cell | None) -> int:
        """Start one measuring process for these cells; returns how many of them it ended, well or not: at least one."""
        num_ended = 0
        device = process["device"]
        with _child(jobs.worker_environment(self.plan.settings(cells[0]))) as child:
            request = {
                "plan": self.plan.to_json(),
                "cells": [asdict(cell) for cell in cells],
                "live": asdict(live) if live else None,
                "started": time.time(),
            }
            with contextlib.suppress(OSError):  # it ended at once: told below, by its exit status
                child.stdin.write(json.dumps(request) + "\n")
                child.stdin.flush()
            for answer in self._answers(child.stdout):
                if "peak_memory_bytes" in answer:
                    process["peak_memory_bytes"] = max(
                        process["peak_memory_bytes"] or 0, answer["peak_memory_bytes"]
                    )
                kind = answer["kind"]
                if kind == "ready" and process["startup_seconds"] is None:
                    process |= {name: answer[name] for name in ("startup_seconds", "peak_gflops")}
                    self.planned_seconds_done += STARTUP_SECONDS
                elif kind == "epoch":
                    self.reporter.update(step=answer["epoch"])
                elif kind == "cell":
                    self._measured(cells[num_ended], answer["cell"])
                    num_ended += 1
                elif kind == "problem" and answer["index"] is None:
                    for cell in cells:
                        self._failed(cell, answer["problem"])
                    return len(cells)
                elif kind == "problem":
                    self._failed(cells[num_ended], answer["problem"])
                    num_ended += 1
                elif kind == "live":
                    self._live(answer["live"])
                    self.planned_seconds_done += self.plan.live_seconds(device, self.earlier_speeds)
            child.wait()
            if num_ended < len(cells):
                self._failed(cells[num_ended], _why_it_ended(child.returncode))
                num_ended += 1
        return num_ended

    def measure_server(self) -> None:
        self.reporter.update(phase="measuring the server")
        self.results["server"] = benchmark_server.measure(self.plan.dataset, self._look)
        self.reporter.update(epoch=self.reporter.status.epoch + 1, step=0)
        self.save()

    def _answers(self, stream: TextIO) -> Iterator[dict[str, Any]]:
        """What the measuring process tells, until it ends. Looks for a stop meanwhile."""
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def read() -> None:
            for line in stream:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        while True:
            self._look()
            try:
                line = lines.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if line is None or not line.endswith("\n"):  # a process that was killed may leave half a line
                return
            yield json.loads(line)

    def _look(self) -> None:
        """Tell the time left, and raise StopRequested if somebody asked."""
        reason = self.reporter.stop_reason()
        if reason is not None:
            raise StopRequested(reason)
        elapsed = time.monotonic() - self.started
        # The plan's pace until something is measured, then the pace so far.
        pace = elapsed / self.planned_seconds_done if self.planned_seconds_done else 1.0
        expected = (
            self.planned_seconds_done * pace + (self.planned_seconds - self.planned_seconds_done) * pace
        )
        self.reporter.update(seconds_left=max(expected - elapsed, 0.0))

    def _measured(self, cell: Cell, values: dict[str, Any]) -> None:
        self.results["cells"].append(values)
        self._ended(cell)

    def _failed(self, cell: Cell, problem: str) -> None:
        self.results["cells"].append({**asdict(cell), "problem": problem.strip()})
        self._ended(cell)

    def _live(self, live: dict[str, Any]) -> None:
        self.results["live_progress"].append(live)
        if self.results["live_progress_ratio"] is None:
            self.results["live_progress_ratio"] = live.get("ratio")
        self.save()

    def _ended(self, cell: Cell) -> None:
        self.planned_seconds_done += self.plan.cell_seconds(cell, self.earlier_speeds)
        self.reporter.update(epoch=self.reporter.status.epoch + 1, step=0)
        self.save()


@contextlib.contextmanager
def _child(environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A measuring process that is gone when the block is left, within a second of it."""
    child = subprocess.Popen(
        [sys.executable, *_MEASURING_PROCESS],
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


def _why_it_ended(status: int) -> str:
    if status < 0:
        name = signal.Signals(-status).name if -status in signal.Signals.__members__.values() else -status
        return (
            f"The measuring process was ended by the system (signal {name}): most likely the memory was full. Choose "
            "smaller networks or batch sizes."
        )
    return f"The measuring process ended early (exit status {status}). The reason is in worker.log."


def speeds_here() -> dict[str, float]:
    """Device -> multiply-adds per second of the newest benchmark on this machine; empty before the first."""
    found, _ = results_form.measured_here()
    speeds: dict[str, float] = {}
    for one in reversed(found):
        speeds |= results_form.speeds(one.results)
    return speeds


# The command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m fashion benchmark`; `--json` is every command's."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="four networks, under three minutes (default)")
    size.add_argument(
        "--full", action="store_true", help="larger networks, more batch sizes, and the app's server"
    )
    size.add_argument(
        "--transfer", action="store_true", help="instead: how long transfer learning takes on clothing photos"
    )
    size.add_argument(
        "--plan", type=Path, metavar="FILE", help="a plan of your own: JSON as under `plan` in a results file"
    )
    parser.add_argument(
        "--server", action="store_true", help="measure the app's server too; alone, only that"
    )
    parser.add_argument(
        "--devices", nargs="+", metavar="DEVICE", help="cpu, gpu:0, ...; default: all there are"
    )
    parser.add_argument("--frameworks", nargs="+", choices=list(FRAMEWORKS), default=["tensorflow"])
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="also write the results to this file, or into this folder"
    )


def command_line(options: argparse.Namespace) -> int:
    """Measure, telling progress on standard error; then a table and, last, one line of JSON on standard output.

    With `--json`, standard output holds that line alone. Returns 1 where nothing was measured.
    """
    if options.transfer:
        return benchmark_transfer.command_line(options)
    plan = _asked_plan(options)
    words = sys.stderr if options.json else sys.stdout
    here = machine.describe()
    versions = ", ".join(f"{name} {version}" for name, version in here.versions.items())
    print(f"{results_form.machine_name(here.to_dict())}; {here.system}; {versions}", file=words)
    run = create(plan)
    seconds = estimate.in_words(plan.estimate_seconds(speeds_here()))
    _note(
        f"{len(plan.cells()) + plan.server} to measure, about {seconds}. Results: {run.folder / results_form.FILE}"
    )
    status = run_here(run)
    if status.reason:
        _note(status.reason)
    results = record(run)
    measurement = results_form.Measurement(run.id, results, run)
    for problem in results_form.problems([measurement]):
        _note(problem)
    rows = results_form.table([measurement])
    print(_printable(rows), file=words)
    if options.output:
        path = options.output
        if path.is_dir() or not path.suffix:
            path.mkdir(parents=True, exist_ok=True)
            path = path / results_form.file_name(results)
        runs.write_json(path, results)
        _note(f"Written: {path}")
    print(json.dumps(results, allow_nan=False), flush=True)
    return 0 if len(rows) or results["server"] else 1


def _asked_plan(options: argparse.Namespace) -> Plan:
    if options.plan:
        try:
            text = options.plan.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--plan must be a file that can be read. Received: {error}.") from None
        return Plan.from_json(load_json(text, str(options.plan)))
    base = FULL if options.full else QUICK
    if options.server and not (options.quick or options.full):
        base = base.replace(architectures=(), server=True)
    devices = tuple(options.devices or ["cpu", *_gpus(options.frameworks[0], base)])
    return plan_for(base.replace(server=base.server or options.server), devices, tuple(options.frameworks))


def _gpus(framework: str, base: Plan) -> list[str]:
    if not base.architectures:
        return []
    return [f"gpu:{number}" for number, _ in enumerate(machine.devices(framework).gpus)]


def run_here(run: Run) -> runs.Status:
    """Start the worker of a queued benchmark and follow it to its end on standard error. Ctrl-C stops it."""
    if jobs.claim(run):  # else a server on the same folder of runs has taken it, and its worker is followed
        jobs.start_worker(run)
    others = [
        other for other, status in jobs.active_runs() if other.id != run.id and status.state == "running"
    ]
    if others:
        _note(f"{len(others)} other run(s) are going on: the times will be too long.")
    told = -1
    while True:
        try:
            status = run.status()
            if not status.active:
                return status
            if status.epoch != told and status.phase.startswith("measuring"):
                told = status.epoch
                left = f", about {estimate.in_words(status.seconds_left)} left" if status.seconds_left else ""
                _note(f"{status.epoch} of {status.num_epochs} measured{left}")
            time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            if runs.stop_request(run) is not None:
                raise
            runs.request_stop(run)
            _note("Stopping; what was measured is kept.")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _printable(rows: pd.DataFrame) -> str:
    """The main columns of the table, as text."""
    shown = pd.DataFrame(
        {
            "device": rows.device,
            "network": rows.network,
            "batch": rows.batch_size,
            "multiply-adds": rows.num_multiply_adds.map("{:,}".format),
            "first epoch s": rows.first_epoch_seconds.map("{:.2f}".format),
            "later epochs s": rows.steady_epoch_seconds.map("{:.2f}".format),
            "images/s": rows.images_per_second.map("{:,.0f}".format),
            "of peak": rows.share_of_peak.map("{:.1%}".format),
            "test accuracy": [
                f"{row.accuracy:.1%} ({row.accuracy_low:.1%} to {row.accuracy_high:.1%}, n = {row.n:,})"
                for row in rows.itertuples()
            ],
        }
    )
    return shown.to_string(index=False) if len(rows) else "No network was measured."
