"""The test accuracy that a run may expect: what runs with the same settings came to, here or as recorded.

Nothing is foretold from other settings: where no run alike is known, there is no expectation.
"""

import functools
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from fashion import benchmark_accuracy, datasets, evaluation, machine, runs, summary
from fashion.errors import FashionError
from fashion.evaluation import Accuracy
from fashion.setting_fields import applies
from fashion.settings import FIELDS, RunSettings
from fashion.summary import RunSummary

# They change a result by chance only, or not at all; of the time limit see `expected`.
_BY_CHANCE = ("seed", "framework", "device", "precision", "watch_test", "seconds_limit", "snapshots")


@dataclass(frozen=True)
class Known:
    """A finished run. cut: its time limit ended it. here: it was made on this machine, else it comes with the project."""

    settings: RunSettings
    test: Accuracy
    cut: bool = False
    here: bool = True


@dataclass(frozen=True)
class Expected:
    """A test accuracy, 0 to 1, with its range, and what it rests on in words.

    Of one run the range is its 95 % interval, of several that of their accuracies. fewer_epochs: where only runs with fewer
    epochs are known, that many, else 0; more epochs should come to more.
    """

    value: float
    low: float
    high: float
    basis: str
    fewer_epochs: int = 0


def known(summaries: Iterable[RunSummary]) -> list[Known]:
    """What is known from these runs of one's own, and from all that come with the project."""
    here = machine.describe()
    own = [
        _from_summary(one, here=(one.processor, one.num_cores) == (here.processor, here.num_cores))
        for one in summaries
        if one.test and one.status.state == "finished"
    ]
    return [*own, *_recorded()]


def expected(settings: RunSettings, others: list[Known], whole: bool = True) -> Expected | None:
    """The expected test accuracy of a run with these settings, from runs with the same ones, else with fewer epochs of a
    falling learning rate; None where none is known.

    whole: whether the run is expected to get through its epochs within its time limit; else it is only compared with runs
    that the same limit cut on this machine.
    """
    n = datasets.split_sizes(settings.dataset, settings.class_names)["test"]
    wanted = _what_counts(settings)
    alike = [
        one
        for one in others
        if one.test.n == n
        and (whole if not one.cut else one.here and one.settings.seconds_limit == settings.seconds_limit)
        and _what_counts(one.settings) == wanted
    ]
    if not alike:
        return _of_fewer_epochs(settings, others, whole)
    values = [one.test.value for one in alike]
    counts = {True: sum(one.here for one in alike), False: sum(not one.here for one in alike)}
    words = " and ".join(
        f"{count} like {'run' if count == 1 else 'runs'} {'here' if here else 'recorded elsewhere'}"
        for here, count in counts.items()
        if count
    )
    if len(alike) == 1:
        (one,) = alike
        return Expected(
            one.test.value,
            one.test.low,
            one.test.high,
            f"{words}: 95 % interval {one.test.low:.1%} to {one.test.high:.1%} on {n:,} test pictures",
        )
    low, high = min(values), max(values)
    return Expected(
        statistics.mean(values),
        low,
        high,
        f"{words}: {low:.1%} to {high:.1%}, on {n:,} test pictures each",
    )


def _of_fewer_epochs(settings: RunSettings, others: list[Known], whole: bool) -> Expected | None:
    """What runs came to that differ in nothing but their epochs, which were fewer; the most of them that are known."""
    if settings.schedule == "constant" or not whole:
        return None  # a rate that never falls may end worse, and a run that is cut too soon as well
    counts = {one.settings.epochs for one in others if one.settings.epochs < settings.epochs}
    for count in sorted(counts, reverse=True):
        found = [one for one in others if one.settings.epochs == count]
        if hoped := expected(settings.replace(epochs=count), found):
            basis = f"at least that of {count} epoch{'' if count == 1 else 's'}, {hoped.basis}"
            return replace(hoped, basis=basis, fewer_epochs=count)
    return None


def _what_counts(settings: RunSettings) -> dict[str, Any]:
    """The settings that decide about the accuracy."""
    values = settings.to_json()
    values["num_train"] = min(
        settings.num_train, datasets.split_sizes(settings.dataset, settings.class_names)["train"]
    )
    return {name: values[name] for name in FIELDS if name not in _BY_CHANCE and applies(name, values)}


def _from_summary(one: RunSummary, here: bool) -> Known:
    # A finished run has a reason only where its time limit ended it.
    return Known(one.settings, one.test, cut=bool(one.status.reason), here=here)


@functools.cache
def _recorded() -> tuple[Known, ...]:
    """The models, the runs of lessons and the benchmark's trainings that come with the project."""
    found = [*runs.shipped(), *(runs.Run(path.parent) for path in sorted(runs.LESSONS.glob("*/*/card.json")))]
    of_runs = [_from_summary(one, here=False) for one in summary.summarise_all(found)[0] if one.test]
    of_benchmark = []
    for record in benchmark_accuracy.load_recorded("accuracy")[0]:
        n = int(record.results["num_test"])
        for one in record.measured_runs:
            try:
                settings = RunSettings.from_json(one["settings"])
            except FashionError:  # a published program's, or of another version
                continue
            correct = int(one["epochs"][-1]["test_correct"])
            interval = evaluation.wilson_interval(correct, n)
            of_benchmark.append(Known(settings, Accuracy(correct / n, correct, n, *interval), here=False))
    return (*of_runs, *of_benchmark)
