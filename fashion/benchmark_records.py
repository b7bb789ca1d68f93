"""The form of a record of the benchmark's second and third question: how much accuracy a minute buys, and which framework.

It measures nothing (see `benchmark_recipes.py`); files and tables are in `benchmark_accuracy.py`. A record is JSON:
{"format", "kind": "accuracy" or "frameworks", "created": date, "command", "machine", "busy_fraction", "dataset",
 "num_train", "num_test", "seeds": [...], "peak_gflops", "complete", "plan",
 "runs": [{"recipe", "title", "family", "about", "source", "seed", "framework", "device", "device_name", "batch_size",
           "num_parameters", "num_multiply_adds", "images_per_epoch", "share_of_peak", "startup_seconds",
           "peak_memory_bytes", "only_last", "settings", "problem",
           "epochs": [{"epoch", "seconds", "step_seconds", "test_correct"}]}]}
Of an epoch, `step_seconds` are those of all steps so far, testing excluded; `seconds` adds what makes the network fit for use
then, which is averaging its weights where a recipe does. `only_last` marks a run whose earlier epochs are no results, since
its learning rate falls towards the end; `settings` are those of our own runs, null for published programs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fashion.benchmark_results import Results, machine_name
from fashion.settings import FRAMEWORKS

FORMAT = 1
KINDS = ("accuracy", "frameworks")


@dataclass(frozen=True)
class Record(Results):
    """The results of recipes or frameworks."""

    @property
    def kind(self) -> str:
        return self.results["kind"]

    @property
    def measured_runs(self) -> list[dict[str, Any]]:
        """The runs that were measured, without those that ended in a problem."""
        return [one for one in self.results["runs"] if not one["problem"]]

    @property
    def num_seeds(self) -> int:
        """With how many seeds each recipe was to be trained."""
        return len(self.results["seeds"])


@dataclass(frozen=True)
class Claim:
    """What a recipe should do: reach `target` `goal` times sooner than the baseline does `against`."""

    target: float
    against: float | None
    """A test accuracy that the baseline reaches; None for the end of its epochs."""
    goal: float

    @property
    def words(self) -> str:
        then = "ends" if self.against is None else f"reaches {self.against:g}"
        return f"{self.target:g} against when the example {then}"


CLAIMS = (Claim(0.90, 0.90, 6.0), Claim(0.92, 0.90, 1.0), Claim(0.935, None, 0.5))

PEAK_GOAL = 0.5
"""The share of the machine's own float32 matrix multiplication that training should reach, loading and all."""


def problems(records: Sequence[Record]) -> list[str]:
    """What could not be measured, in words; the same reason once."""
    found: dict[str, list[str]] = {}
    for one in records:
        for run in one.results["runs"]:
            if run["problem"]:
                words = (
                    f"{run['title']} ({FRAMEWORKS.get(run['framework'], run['framework'])}, {run['device']})"
                )
                found.setdefault(run["problem"], []).append(words)
    return [f"Not measured: {', '.join(dict.fromkeys(names))}. {why}" for why, names in found.items()]


def partial(records: Sequence[Record]) -> list[str]:
    """What has fewer seeds than were planned, in words: "Quick CNN, 16 epochs: 2 of 5 seeds"."""
    found = []
    for one in records:
        measured: dict[tuple[str, str, str], int] = {}
        for run in one.measured_runs:
            where = (
                ""
                if run["framework"] == "tensorflow"
                else f" ({FRAMEWORKS.get(run['framework'], run['framework'])})"
            )
            key = run["recipe"], run["framework"], f"{run['title']}{where}"
            measured[key] = measured.get(key, 0) + 1
        found += [
            f"{title}: {count} of {one.num_seeds} seeds"
            for (_, _, title), count in measured.items()
            if count < one.num_seeds
        ]
    return found


def method(one: Record) -> str:
    """With what it was measured, in a sentence part: machine, versions, batch sizes, date and command."""
    results = one.results
    versions = results["machine"]["versions"]
    measured = one.measured_runs
    packages = {run["framework"]: FRAMEWORKS.get(run["framework"], run["framework"]) for run in measured}
    software = [f"{title} {versions.get(name, '?')}" for name, title in packages.items()]
    software.append(f"Keras {versions.get('keras', '?')}")
    devices = dict.fromkeys(run["device_name"] for run in measured if run.get("device_name"))
    sizes = ", ".join(f"{size}" for size in sorted({run["batch_size"] for run in measured}))
    return (
        f"{', '.join([machine_name(results['machine']), *devices])}; {', '.join(software)}; batch size {sizes or '-'}; "
        f"{results['created']}; `{results['command']}`"
    )
