"""`python -m fashion benchmark`: the options of all its questions, and what is printed of the answers.

The machine comes first, then what is missing in words, a table, and last, alone on its line, the results as JSON. What
is measured is done by a worker, as on the Benchmark page: see `benchmark.py` and `benchmark_recipes.py`.
"""

import argparse
import json
import math
import re
import sys
import time
from pathlib import Path
from typing import Any

from fashion import (
    benchmark,
    benchmark_accuracy,
    benchmark_fit,
    benchmark_fused,
    benchmark_picture,
    benchmark_recipes,
    benchmark_transfer,
    benchmark_trials,
    benchmark_visitors,
    benchmark_words,
    disk,
    estimate,
    jobs,
    machine,
    runs,
)
from fashion import benchmark_results as results_form
from fashion.benchmark_plan import FULL, GRID, PLAN_FILE, QUICK, Plan, kind_of, plan_for
from fashion.errors import JobError, RunError, SettingsError
from fashion.runs import Run
from fashion.settings import FRAMEWORKS, load_json

_LOOK_SECONDS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m fashion benchmark`; `--json` is every command's."""
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="four networks, under three minutes (default)")
    size.add_argument(
        "--full", action="store_true", help="larger networks, more batch sizes, and the app's server"
    )
    size.add_argument(
        "--accuracy",
        action="store_true",
        help="instead: how much accuracy a minute buys, for several recipes",
    )
    size.add_argument(
        "--compare-frameworks",
        action="store_true",
        help="instead: the same networks in every framework that is installed",
    )
    size.add_argument(
        "--transfer", action="store_true", help="instead: how long transfer learning takes on clothing photos"
    )
    size.add_argument(
        "--fused",
        action="store_true",
        help="instead: what the fused batch normalization saves in fine-tuning",
    )
    size.add_argument(
        "--visitors",
        type=int,
        metavar="N",
        help="instead: how long so many visitors wait who do the same at once, and what watching costs",
    )
    size.add_argument(
        "--plan", type=Path, metavar="FILE", help="a plan of your own: JSON as under `plan` in a results file"
    )
    size.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="instead: draw the recorded accuracies over time into this .svg or .png file",
    )
    size.add_argument(
        "--show",
        nargs="*",
        metavar="FILE",
        help="instead: print again what these results files say, all recorded ones where none is named; measures nothing",
    )
    size.add_argument(
        "--resume", type=Path, metavar="FOLDER", help="go on with a measurement that was stopped or cut off"
    )
    parser.add_argument(
        "--server", action="store_true", help="measure the app's server too; alone, only that"
    )
    parser.add_argument(
        "--devices", nargs="+", metavar="DEVICE", help="cpu, gpu:0, ...; default: all there are"
    )
    parser.add_argument(
        "--frameworks", nargs="+", choices=list(FRAMEWORKS), help="default: KERAS_BACKEND's, or TensorFlow"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="train each recipe so many times; default: 1")
    parser.add_argument("--recipes", nargs="+", metavar="NAME", help="only these recipes; default: all")
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="of each recipe, instead of its own number of epochs"
    )
    parser.add_argument("--images", type=int, metavar="N", help="only so many training pictures, for a trial")
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="also write the results to this file, or into this folder"
    )


def command_line(options: argparse.Namespace) -> int:
    """Measure, telling progress on standard error; then a table and, last, one line of JSON on standard output.

    With `--json`, standard output holds that line alone. Returns 1 where nothing was measured.
    """
    if options.show is not None:
        return benchmark_words.show(options.show, sys.stderr if options.json else sys.stdout)
    if options.picture:
        drawn = benchmark_picture.write(options.picture)
        print(json.dumps({"picture": str(options.picture), "record": drawn.key}))
        return 0
    words = sys.stderr if options.json else sys.stdout
    here = machine.describe()
    versions = ", ".join(f"{name} {version}" for name, version in here.versions.items())
    print(f"{results_form.machine_name(here.to_dict())}; {here.system}; {versions}", file=words)
    if options.transfer or options.fused:
        question = benchmark_transfer if options.transfer else benchmark_fused
        return _alone(question, question.measure(), options, words)
    if options.visitors is not None:
        return _alone(benchmark_visitors, benchmark_visitors.measure(options.visitors), options, words)
    run = _found(options.resume) if options.resume else None
    recipes = options.accuracy or options.compare_frameworks or (run and kind_of(run) != GRID)
    given = [name for name in ("seeds", "recipes", "epochs", "images") if getattr(options, name) is not None]
    if given and (run or not recipes):
        raise SettingsError(
            f"`--{given[0]}` goes with --accuracy or --compare-frameworks. Received neither. Add one, or leave it out."
        )
    return _recipes(options, run, words) if recipes else _grid(options, run, words)


def _alone(question, results: dict[str, Any], options: argparse.Namespace, words) -> int:
    """A question that is answered here and not by a worker. question: the module that measured these results."""
    print(question.in_words(results), file=words)
    _write(options.output, results, question.file_name(results))
    print(json.dumps(results, allow_nan=False), flush=True)
    return 0


def _found(folder: Path) -> Run:
    """The measurement of this folder, to be resumed."""
    run = Run(folder.resolve())
    if not (run.folder / PLAN_FILE).exists():
        raise RunError(
            f"A folder of a measurement has a {PLAN_FILE}. Received: {folder}. Name one of {runs.runs_folder()}."
        )
    return run


def _queued(run: Run) -> Run:
    """The same measurement, queued again; it goes on with what is missing."""
    jobs.LocalQueue(jobs.Limits.from_environment()).resume(run)
    return run


# Question 1: how time grows with the network


def _grid(options: argparse.Namespace, run: Run | None, words) -> int:
    speeds = benchmark.speeds_here()
    if run:
        plan = benchmark.plan_of(run)
    else:
        plan, notes = benchmark_fit.grid(
            _asked_plan(options), machine.describe().memory_bytes, math.inf, speeds
        )
        for note in notes:
            _note(note)
    run = _queued(run) if run else benchmark.create(plan)
    seconds = estimate.in_words(plan.estimate_seconds(speeds))
    _note(
        f"{len(plan.cells()) + plan.server} to measure, about {seconds}. Results: {run.folder / results_form.FILE}"
    )
    status = run_here(run)
    if status.reason:
        _note(status.reason)
    results = benchmark.record(run)
    measurement = results_form.Measurement(run.id, results, run)
    for problem in results_form.problems([measurement]):
        _note(problem)
    rows = results_form.table([measurement])
    print(benchmark_words.of_grid(measurement), file=words)
    _write(options.output, results, results_form.file_name(results))
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
    frameworks = tuple(options.frameworks or [machine.default_framework()])
    gpus: list[str] = []
    if base.architectures:
        frameworks = _installed(frameworks)
        gpus = _gpus(frameworks, asked=options.devices)
    devices = tuple(options.devices or ["cpu", *gpus])
    return plan_for(base.replace(server=base.server or options.server), devices, frameworks)


def _installed(frameworks: tuple[str, ...]) -> tuple[str, ...]:
    """Those of them that are installed; the others are named, with the command that installs them."""
    missing = [name for name in frameworks if name not in machine.installed_frameworks()]
    found = tuple(name for name in frameworks if name not in missing)
    for name in missing if found else ():
        _note(machine.not_installed(name))
    if not found:
        raise JobError(
            f"A framework must be installed. {' '.join(map(machine.not_installed, missing))} Installed here: "
            f"{', '.join(machine.installed_frameworks()) or 'none'}; choose one of them with --frameworks."
        )
    return found


def _gpus(frameworks: tuple[str, ...], asked: list[str] | None = None) -> list[str]:
    """The graphics cards that the first framework can use; where there are none, this is said."""
    if asked and all(device == "cpu" for device in asked):
        return []
    found = machine.devices(frameworks[0])
    if found.problem:
        _note(found.problem)
    elif not found.gpus:
        _note(f"{FRAMEWORKS[frameworks[0]]} sees no graphics card: the processor is measured.")
    return [f"gpu:{number}" for number, _ in enumerate(found.gpus)]


# Questions 2 and 3: what accuracy a minute buys, and which framework


def _recipes(options: argparse.Namespace, run: Run | None, words) -> int:
    plan = benchmark_recipes.plan_of(run) if run else _asked_recipes(options)
    benchmark_trials.check(plan, machine.describe().memory_bytes)
    run = _queued(run) if run else benchmark_recipes.create(plan)
    seconds = estimate.in_words(plan.estimate_seconds(benchmark_trials.seconds_per_image()))
    _note(
        f"{len(plan.trials())} trainings on {plan.num_train:,} pictures ({plan.dataset}), about {seconds} in all. "
        f"Results: {run.folder / results_form.FILE}"
    )
    status = run_here(run)
    if status.reason:
        _note(status.reason)
    if status.state != "finished" and not status.active:
        _note(f"Go on with: python -m fashion benchmark --resume {run.folder}")
    results = benchmark_recipes.record(run)
    record = benchmark_accuracy.Record(run.id, results, run)
    for problem in benchmark_accuracy.problems([record]):
        _note(problem)
    print(benchmark_words.of_record(record), file=words)
    folder = (
        options.output / results["kind"] if options.output and not options.output.suffix else options.output
    )
    _write(folder, results, file_name(results))
    print(json.dumps(results, allow_nan=False), flush=True)
    return 0 if record.measured_runs else 1


def _asked_recipes(options: argparse.Namespace) -> benchmark_trials.RecipePlan:
    kind = "accuracy" if options.accuracy else "frameworks"
    if options.frameworks:
        frameworks = _installed(tuple(options.frameworks))
    elif kind == "accuracy":
        frameworks = _installed((machine.default_framework(),))
    else:
        frameworks = tuple(name for name in FRAMEWORKS if name in machine.installed_frameworks())
        for name in [name for name in FRAMEWORKS if name not in frameworks]:
            _note(machine.not_installed(name))
        frameworks = frameworks or _installed((machine.default_framework(),))
    devices = options.devices or (_gpus(frameworks) or ["cpu"])[:1]
    if len(devices) != 1:
        raise SettingsError(
            f"`--devices` must name one device, as each record is of one. Received: {' '.join(devices)}. Measure one "
            "after the other."
        )
    given = {"seeds": options.seeds, "epochs": options.epochs, "num_images": options.images}
    given["recipes"] = tuple(options.recipes) if options.recipes else None
    changes = {name: value for name, value in given.items() if value is not None}
    return benchmark_trials.plan_for(kind, frameworks, devices[0], **changes)


def file_name(results: dict[str, Any]) -> str:
    """A file name for the project's collection, from the hardware and the frameworks' versions."""
    measured = [run for run in results["runs"] if not run["problem"]]
    versions = results["machine"]["versions"]
    parts = [results_form.machine_name(results["machine"])]
    parts += dict.fromkeys(run["device_name"] for run in measured if run["device_name"])
    frameworks = dict.fromkeys(run["framework"] for run in measured)
    parts += [f"{name}-{'.'.join(versions.get(name, '').split('.')[:2])}" for name in frameworks]
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(parts).lower()).strip("-.") + ".json"


# Both


def run_here(run: Run) -> runs.Status:
    """Start the worker of a queued benchmark and follow it to its end on standard error. Ctrl-C stops it."""
    if jobs.claim(run):  # else a server on the same folder of runs has taken it, and its worker is followed
        jobs.start_worker(run)
    others = [
        other for other, status in jobs.active_runs() if other.id != run.id and status.state == "running"
    ]
    if others:
        _note(
            f"{'Another run is' if len(others) == 1 else f'{len(others)} other runs are'} going on: the times will be too long."
        )
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


def _write(path: Path | None, results: dict[str, Any], name: str) -> None:
    """Write the results to this file, or under this name into this folder, where one is given."""
    if path is None:
        return
    if path.is_dir() or not path.suffix:
        path.mkdir(parents=True, exist_ok=True)
        path = path / name
    disk.write_json(path, results)
    _note(f"Written: {path}")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
