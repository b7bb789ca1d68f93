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

from fashion import runs
from fashion.benchmark_results import BUSY_FRACTION, machine_name
from fashion.settings import FRAMEWORKS

FORMAT = 1
KINDS = ("accuracy", "frameworks")


@dataclass(frozen=True)
class Record:
    """One record that was read and found whole. `key` names it in links; `run` is its folder if made here."""

    key: str
    results: dict[str, Any]
    run: runs.Run | None = None

    @property
    def kind(self) -> str:
        return self.results["kind"]

    @property
    def recorded(self) -> bool:
        """Whether it comes with the project, rather than being measured on this machine."""
        return self.run is None

    @property
    def when(self) -> str:
        """The date; with the time of day if measured here, where there may be several on a day."""
        if self.recorded:
            return str(self.results["created"])
        stamp = self.run.id  # begins with YYYYMMDD-HHMMSS
        return f"{self.results['created']} {stamp[9:11]}:{stamp[11:13]}"

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

    @property
    def measured_runs(self) -> list[dict[str, Any]]:
        """The runs that were measured, without those that ended in a problem."""
        return [one for one in self.results["runs"] if not one["problem"]]


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
