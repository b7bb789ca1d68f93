"""Training recipes and published programs on all training pictures, measured beside each other, as a job of the queue.

The benchmark's second question, how much accuracy a minute buys, trains several recipes with several seeds; its third,
which framework, trains the same networks in each. All 60,000 training pictures of Fashion-MNIST are learned from, the
5,000 that runs of the app keep for validation included, as those who publish such times do. After each epoch the 10,000
test pictures are asked while the clock stands still; nothing is chosen by them, every epoch is recorded. Each training
has a process of its own (`benchmark_recipe_cell.py`), so that none starts warmer than another, and all recipes have their
turn with one seed before the next seed begins, so that a slow minute of the machine hits all of them.

    python -m fashion benchmark --accuracy --seeds 5 --output models/benchmarks
    python -m fashion benchmark --compare-frameworks --output models/benchmarks
    python -m fashion benchmark --resume FOLDER              after a stop

What there is to train is in `benchmark_trials.py`, the records' form and their tables in `benchmark_accuracy.py`. No
Keras here.
"""

import statistics
import time
from typing import Any

from fashion import benchmark_accuracy, benchmark_child, datasets, disk, jobs, machine, runs
from fashion.benchmark_plan import PLAN_FILE
from fashion.benchmark_results import FILE
from fashion.benchmark_trials import RecipePlan, Trial, seconds_per_image
from fashion.errors import JobError, RunError, SettingsError
from fashion.runs import Run
from fashion.settings import DEFAULTS, FRAMEWORKS, load_json
from fashion.worker import Reporter, StopRequested

_MEASURING_PROCESS = ("-m", "fashion.benchmark_recipe_cell")


def create(plan: RecipePlan, visitor: str = "") -> Run:
    """A new measurement, queued. Raises RunError if the disk refuses."""
    return runs.create_job(
        "benchmark", PLAN_FILE, plan.to_json(), num_epochs=len(plan.trials()), visitor=visitor
    )


def plan_of(run: Run) -> RecipePlan:
    """The plan of a measurement's folder. Raises RunError where it cannot be read."""
    try:
        text = (run.folder / PLAN_FILE).read_text(encoding="utf-8")
        return RecipePlan.from_json(load_json(text, PLAN_FILE))
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        raise RunError(f"{run.id} must have a readable {PLAN_FILE}. {error} Measure again.") from None


# Measuring, in the worker


def measure(run: Run, reporter: Reporter) -> None:
    """Measure the plan of this folder, and write `results.json` anew after every training.

    A training that fails is noted with its reason, and the next one goes on. What an earlier worker of this folder
    measured before it was stopped is kept.

    Raises:
        StopRequested: A stop was asked for; what was measured is in the folder.
        JobError: Nothing could be measured.
        RunError: The plan cannot be read.
    """
    work = _Work(run, reporter, plan_of(run))
    work.save()
    for trial in work.plan.trials():
        if trial not in work.measured:
            work.measure(trial)
    everything = work.results["runs"]
    if all(one["problem"] for one in everything):
        raise JobError(f"Nothing could be measured. {everything[0]['problem']}")


def begun(plan: RecipePlan, busy_fraction: float | None) -> dict[str, Any]:
    """The record of a plan before its first training. `busy_fraction`: what other programs took just before, 0 to 1."""
    return {
        "format": benchmark_accuracy.FORMAT,
        "kind": plan.kind,
        "created": time.strftime("%Y-%m-%d"),
        "command": plan.command(),
        "machine": machine.describe().to_dict(),
        "busy_fraction": busy_fraction,
        "dataset": plan.dataset,
        "num_train": plan.num_train,
        "num_test": datasets.DATASETS[plan.dataset].split_sizes["test"],
        "seeds": list(range(1, plan.seeds + 1)),
        "peak_gflops": None,
        "complete": False,
        "plan": plan.to_json(),
        "runs": [],
    }


class _Work:
    """The progress of one measurement: the record so far, and the time left."""

    def __init__(self, run: Run, reporter: Reporter, plan: RecipePlan):
        self.run, self.reporter, self.plan = run, reporter, plan
        self.results = self._begun_before() or begun(plan, benchmark_child.busy_fraction())
        kept = {(one["recipe"], one["framework"], one["seed"]) for one in self.results["runs"]}
        self.measured = [t for t in plan.trials() if (t.recipe.name, t.framework, t.seed) in kept]
        self._per_image = seconds_per_image()
        self._expected_done, self._seconds_done = 0.0, 0.0
        reporter.update(phase="measuring", training_started=time.time(), epoch=len(self.measured))

    def _begun_before(self) -> dict[str, Any] | None:
        """What this folder holds already, without what failed; None where there is nothing of use."""
        try:
            results = benchmark_accuracy.read(self.run.folder / FILE, self.plan.kind)
        except RunError:
            return None
        if results["plan"] != self.plan.to_json() or results["machine"] != machine.describe().to_dict():
            return None
        results["runs"] = [one for one in results["runs"] if not one["problem"]]
        return results

    def save(self) -> None:
        """Write the record, with the shares of the best matrix multiplication that was seen so far."""
        results, peak = self.results, self.results["peak_gflops"]
        results["complete"] = len(results["runs"]) == len(self.plan.trials())
        for one in results["runs"]:
            _, *steady = benchmark_accuracy.epoch_seconds(one) or [0.0]
            if steady and peak:  # a training step takes three forward passes, a multiply-add two operations
                operations = 6 * one["num_multiply_adds"] * one["images_per_epoch"]
                one["share_of_peak"] = operations / statistics.median(steady) / (peak * 1e9)
        disk.write_json(self.run.folder / FILE, results)

    def measure(self, trial: Trial) -> None:
        """One training in a process of its own, with its entry in the record whatever becomes of it."""
        entry = self.plan.entry(trial)
        self._trial, self._started, self._num_epochs_done = trial, time.monotonic(), 0
        self._epochs_done_seconds = 0.0
        self.reporter.update(step=0, num_steps=self.plan.num_epochs(trial))
        entry["problem"] = self._not_here(trial.framework, entry)
        if entry["problem"] is None:
            self._measure_in_process(trial, entry)
        self.results["runs"].append(entry)
        self.measured.append(trial)
        self._expected_done += self.plan.trial_seconds(trial, self._per_image)
        self._seconds_done += time.monotonic() - self._started
        self.reporter.update(epoch=len(self.measured), step=0)
        self.save()

    def _not_here(self, framework: str, entry: dict[str, Any]) -> str | None:
        """Why this framework cannot compute on the plan's device, in words; the device's name goes into the entry."""
        device = self.plan.device
        if framework in machine.installed_frameworks() and device == "cpu":
            return None
        found = machine.devices(framework)
        if framework not in machine.installed_frameworks():
            return found.problem
        number = int(device.partition(":")[2])
        if number < len(found.gpus):
            entry["device_name"] = found.gpus[number]
            return None
        known = ", ".join(found.gpus) or "no graphics card"
        return f"{FRAMEWORKS[framework]} must see {device}. It sees {known}. {found.problem or ''}".strip()

    def _measure_in_process(self, trial: Trial, entry: dict[str, Any]) -> None:
        settings = self.plan.settings(trial)
        place = settings or DEFAULTS.replace(framework=trial.framework, device=self.plan.device)
        request = {
            "peer": trial.recipe.peer,
            "settings": settings.to_json() if settings else None,
            "dataset": self.plan.dataset,
            "num_images": self.plan.num_train,
            "epochs": self.plan.num_epochs(trial),
            "batch_size": entry["batch_size"],
            "seed": trial.seed,
            "device": self.plan.device,
            "started": time.time(),
        }
        measured = False
        with benchmark_child.measuring(_MEASURING_PROCESS, jobs.worker_environment(place)) as child:
            benchmark_child.ask(child, request)
            for answer in benchmark_child.answers(child, self._look):
                kind = answer.pop("kind")
                if kind == "epoch":
                    self._num_epochs_done = answer["epoch"]
                    self._epochs_done_seconds = time.monotonic() - self._started
                    self.reporter.update(step=answer["epoch"])
                elif kind == "measured":
                    self.results["peak_gflops"] = max(
                        self.results["peak_gflops"] or 0.0, answer.pop("peak_gflops")
                    )
                    entry |= answer
                    measured = True
                elif kind == "problem":
                    entry["problem"] = answer["problem"]
            child.wait()
            if not measured and entry["problem"] is None:
                entry["problem"] = benchmark_child.why_it_ended(child.returncode)

    def _look(self) -> None:
        """Tell the time left, and raise StopRequested if somebody asked."""
        reason = self.reporter.stop_reason()
        if reason is not None:
            raise StopRequested(reason)
        # Until a training has ended, the plan's pace; then the pace so far.
        pace = self._seconds_done / self._expected_done if self._expected_done else 1.0
        waiting = [
            trial for trial in self.plan.trials() if trial not in self.measured and trial != self._trial
        ]
        left = pace * sum(self.plan.trial_seconds(trial, self._per_image) for trial in waiting)
        this = pace * self.plan.trial_seconds(self._trial, self._per_image)
        if self._num_epochs_done:
            this = self._epochs_done_seconds / self._num_epochs_done * self.plan.num_epochs(self._trial)
        elapsed = time.monotonic() - self._started
        self.reporter.update(seconds_left=left + max(this - elapsed, 0.0))


def record(run: Run) -> dict[str, Any]:
    """The record of a measurement's folder, in the form of models/benchmarks/*/*.json. Raises RunError without any."""
    return benchmark_accuracy.read(run.folder / FILE)
