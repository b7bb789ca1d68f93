"""How long does training take on CPU and on GPU as the model grows? Measures it, as a job of the queue like a run.

A measurement trains the project's own networks on the path of real runs, one after the other, each framework and
device in a process of its own (`benchmark_cell.py`). The first epoch, which includes building the network's
program, is told apart from the steady ones, whose median counts; loading the data and testing are not in it.
The share of the machine's own matrix multiplication says how good a number is: a third is good on a processor.

    python -m fashion benchmark --quick                    under three minutes on two processor cores
    python -m fashion benchmark --full --devices cpu gpu:0
    python -m fashion benchmark --quick --server --output models/benchmarks

What there is to measure is in `benchmark_plan.py`, what came out in `benchmark_results.py`, the command line in
`benchmark_cli.py`. What accuracy the time buys is measured by `benchmark_recipes.py`. No Keras here.
"""

import time
from dataclasses import asdict
from typing import Any

from fashion import benchmark_child, benchmark_server, disk, jobs, machine, runs
from fashion import benchmark_results as results_form
from fashion.benchmark_plan import PLAN_FILE, STARTUP_SECONDS, Cell, Plan
from fashion.errors import JobError, RunError, SettingsError
from fashion.runs import Run
from fashion.settings import FRAMEWORKS, load_json
from fashion.worker import Reporter, StopRequested

_MEASURING_PROCESS = ("-m", "fashion.benchmark_cell")


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

    A measurement that fails is noted with its reason, and the next one goes on. What an earlier worker of this folder
    measured before it was stopped is kept.

    Raises:
        StopRequested: A stop was asked for; what was measured is in the folder.
        JobError: Nothing could be measured.
        RunError: The plan cannot be read.
    """
    plan = plan_of(run)
    results = _begun_before(run, plan) or results_form.begun(plan, benchmark_child.busy_fraction())
    work = _Work(run, reporter, plan, results)
    work.save()
    for framework, device in plan.processes():
        work.measure_on(framework, device)
    if plan.server and results["server"] is None:
        work.measure_server()
    if results["cells"] and all(cell["problem"] for cell in results["cells"]):
        raise JobError(f"Nothing could be measured. {results['cells'][0]['problem']}")


def _begun_before(run: Run, plan: Plan) -> dict[str, Any] | None:
    """What this folder holds of the plan already, without what failed; None where there is nothing of use."""
    try:
        results = record(run)
    except RunError:
        return None
    if results["plan"] != plan.to_json() or results["machine"] != machine.describe().to_dict():
        return None
    results["cells"] = [cell for cell in results["cells"] if not cell["problem"]]
    return results


class _Work:
    """The progress of one benchmark: results so far, and the time left."""

    def __init__(self, run: Run, reporter: Reporter, plan: Plan, results: dict[str, Any]):
        self.run, self.reporter, self.plan, self.results = run, reporter, plan, results
        self.earlier_speeds = speeds_here()
        self.started = time.monotonic()
        self.planned_seconds_done = 0.0
        names = Cell.__dataclass_fields__
        self.measured = {Cell(*(cell[name] for name in names)) for cell in results["cells"]}
        before = sum(plan.cell_seconds(cell, self.earlier_speeds) for cell in self.measured)
        self.planned_seconds = plan.estimate_seconds(self.earlier_speeds) - before
        reporter.update(
            phase="measuring",
            training_started=time.time(),
            epoch=len(self.measured),
            num_epochs=len(plan.cells()) + plan.server,
            num_steps=plan.num_epochs,
            seconds_left=self.planned_seconds,
        )

    def save(self) -> None:
        disk.write_json(self.run.folder / results_form.FILE, self.results)

    def measure_on(self, framework: str, device: str) -> None:
        """All cells of one framework on one device that are not measured yet."""
        here = (framework, device)
        cells = [cell for cell in self.plan.cells() if (cell.framework, cell.device) == here]
        cells = [cell for cell in cells if cell not in self.measured]
        if not cells:
            return
        process = self._process(framework, device)
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
        if any((one.get("framework"), one.get("device")) == here for one in self.results["live_progress"]):
            live = None
        while cells:
            # A process that dies takes only its current cell along: the others get a new one.
            num_ended = self._measure_in_process(process, cells, live)
            cells, live = cells[num_ended:], None

    def _process(self, framework: str, device: str) -> dict[str, Any]:
        """The entry of the results for this framework and device, made if it is not there yet."""
        for process in self.results["processes"]:
            if (process["framework"], process["device"]) == (framework, device):
                return process
        names = ("device_name", "startup_seconds", "peak_gflops", "peak_memory_bytes")
        process = {"framework": framework, "device": device, **dict.fromkeys(names)}
        self.results["processes"].append(process)
        return process

    def _measure_in_process(self, process: dict[str, Any], cells: list[Cell], live: Cell | None) -> int:
        """Start one measuring process for these cells; returns how many of them it ended, well or not: at least one."""
        num_ended = 0
        device = process["device"]
        environment = jobs.worker_environment(self.plan.settings(cells[0]))
        with benchmark_child.measuring(_MEASURING_PROCESS, environment) as child:
            request = {
                "plan": self.plan.to_json(),
                "cells": [asdict(cell) for cell in cells],
                "live": asdict(live) if live else None,
                "started": time.time(),
            }
            benchmark_child.ask(child, request)
            for answer in benchmark_child.answers(child, self._look):
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
                self._failed(cells[num_ended], benchmark_child.why_it_ended(child.returncode))
                num_ended += 1
        return num_ended

    def measure_server(self) -> None:
        self.reporter.update(phase="measuring the server")
        self.results["server"] = benchmark_server.measure(self.plan.dataset, self._look)
        self.reporter.update(epoch=self.reporter.status.epoch + 1, step=0)
        self.save()

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


def speeds_here() -> dict[str, float]:
    """Device -> multiply-adds per second of the newest benchmark on this machine; empty before the first."""
    found, _ = results_form.measured_here()
    speeds: dict[str, float] = {}
    for one in reversed(found):
        speeds |= results_form.speeds(one.results)
    return speeds
