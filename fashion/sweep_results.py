"""What came of a sweep: its combinations with their seeds, curves with a band, a table, and which is best, with how sure that is.

Pure: it reads run folders through `summary.py` and draws nothing.
"""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from fashion import architectures, comparison, evaluation, runs, summary
from fashion.errors import FashionError, RunError
from fashion.runs import Run
from fashion.settings import FIELDS, RunSettings, differing
from fashion.summary import RunSummary

PREFIX = "sweep-"
"""How the names of groups begin that are sweeps."""
# Below some 50,000 multiply-adds a step's fixed cost rules, not its arithmetic.
_LEAST_COST = 50_000


@dataclass(frozen=True, eq=False)
class Combination:
    """One combination of values: its label, short for a legend and whole for a sentence, and its runs, a seed each."""

    label: str
    name: str
    several: tuple[RunSummary, ...]

    @property
    def settings(self) -> RunSettings:
        """Those of its first seed."""
        return self.several[0].settings

    def accuracies(self, split: str) -> dict[int, float]:
        """Seed -> accuracy of the best epoch on "validation" or "test", of the runs that have one."""
        measured = {one.settings.seed: getattr(one, split) for one in self.several}
        return {seed: accuracy.value for seed, accuracy in measured.items() if accuracy is not None}

    def mean(self, split: str = "validation") -> float | None:
        """The mean of these over its seeds, 0 to 1; None without one."""
        values = self.accuracies(split).values()
        return statistics.fmean(values) if values else None

    def spread(self, split: str = "validation") -> float | None:
        """Their standard deviation over seeds (with n - 1), 0 to 1; None with fewer than two."""
        values = list(self.accuracies(split).values())
        return statistics.stdev(values) if len(values) > 1 else None

    def num_pictures(self, split: str) -> int:
        """How many pictures each accuracy rests on; 0 without one."""
        return next((getattr(one, split).n for one in self.several if getattr(one, split)), 0)


def is_sweep(group: str) -> bool:
    """Whether this is the name of a sweep's group."""
    return group.startswith(PREFIX)


def of_group(group: str) -> list[Run]:
    """The runs of a sweep, in the order in which they are made; none where the name is no sweep's."""
    if not is_sweep(group):
        return []
    return sorted(runs.of_group(group), key=lambda run: run.stored_status().created)


def combinations(found: Sequence[Run]) -> list[Combination]:
    """The combinations of a sweep in the order of its runs; runs that cannot be read are left out."""
    return _grouped(summary.summarise_all(list(found))[0])


def _grouped(readable: Sequence[RunSummary]) -> list[Combination]:
    grouped: dict[RunSettings, list[RunSummary]] = {}
    for one in readable:
        grouped.setdefault(one.settings.replace(seed=0), []).append(one)
    names = varied(readable)
    return [Combination(*_labels(several[0].settings, names), tuple(several)) for several in grouped.values()]


def varied(several: Sequence[RunSummary]) -> list[str]:
    """The settings in which the runs differ, but for the seed."""
    return [name for name in differing([one.settings for one in several]) if name != "seed"]


def _labels(settings: RunSettings, names: Sequence[str]) -> tuple[str, str]:
    words = {name: summary.setting_in_words(name, getattr(settings, name)) for name in names}
    if not words:
        return "these settings", "these settings"
    whole = ", ".join(f"{FIELDS[name].label.lower()} {value}" for name, value in words.items())
    return ", ".join(words.values()), whole


def ranked(several: Sequence[Combination]) -> list[Combination]:
    """Those with a result, the highest mean validation accuracy first."""
    return sorted(
        (one for one in several if one.mean() is not None), key=lambda one: one.mean() or 0.0, reverse=True
    )


def curves(several: Sequence[Combination]) -> pd.DataFrame:
    """Validation accuracy over epochs: columns combination, epoch, accuracy (mean over seeds), lowest, highest, seeds.

    An epoch's mean is of the seeds that have come so far; with early stopping the later ones have fewer.
    """
    parts = []
    for one in several:
        logs = [single.run.log()[["epoch", "val_accuracy"]] for single in one.several]
        logs = [log for log in logs if len(log)]
        if logs:
            over = pd.concat(logs).groupby("epoch").val_accuracy
            table = over.agg(accuracy="mean", lowest="min", highest="max", seeds="count").reset_index()
            parts.append(table.assign(combination=one.label))
    columns = ["combination", "epoch", "accuracy", "lowest", "highest", "seeds"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def table(several: Sequence[Combination], heading: str) -> pd.DataFrame:
    """A row per combination in words, the best first, or the several that are best; heading: of the column that names them."""
    rows, judged = [], ranked(several)
    for one in judged:
        best = len(judged) > 1 and math.isclose(one.mean() or 0.0, judged[0].mean() or 0.0)
        rows.append(
            {
                heading: f"{one.label} (best)" if best else one.label,
                "Validation accuracy": _in_words(one, "validation"),
                "Spread over seeds": _spread(one),
                "Test accuracy": _in_words(one, "test") or "not yet",
                "Seeds": f"{len(one.accuracies('validation'))} of {len(one.several)}",
            }
        )
    return pd.DataFrame(rows)


def _in_words(one: Combination, split: str) -> str:
    mean, n = one.mean(split), one.num_pictures(split)
    if mean is None:
        return ""
    low, high = evaluation.wilson_interval(round(mean * n), n)
    return f"{mean:.1%} ({low:.1%} to {high:.1%}, n = {n:,})"


def _spread(one: Combination) -> str:
    deviation = one.spread()
    if deviation is None:
        return "one seed"
    values = one.accuracies("validation").values()
    return f"{100 * deviation:.2f} points ({min(values):.1%} to {max(values):.1%})"


def verdict(several: Sequence[Combination]) -> str:
    """Whether the best two by validation differ by more than chance; empty with fewer than two.

    Over seeds where both have two or more, otherwise picture by picture. On test pictures once there are results: they
    had no part in choosing the two.
    """
    if len(ranked(several)) < 2:
        return ""
    best, second = ranked(several)[:2]
    for split in ("test", "validation"):
        ours, theirs = best.accuracies(split), second.accuracies(split)
        seeds = sorted(set(ours) & set(theirs))[: comparison.MAX_SEEDS]
        if len(seeds) > 1:
            said = comparison.compare_seeds([theirs[seed] for seed in seeds], [ours[seed] for seed in seeds])
            return comparison.seeds_in_words(said, second.name, best.name, f"{split} accuracy")
    return _by_pictures(second, best)


def verdict_of_one_seed(several: Sequence[Combination]) -> str:
    """The same picture by picture, for one of several seeds; empty where `verdict` is already by pictures."""
    if len(ranked(several)) < 2:
        return ""
    best, second = ranked(several)[:2]
    if len(best.several) < 2 or len(second.several) < 2:
        return ""
    words = _by_pictures(second, best)
    if not words:
        return ""
    return (
        f"With seed {min(_common_seeds(second, best))} alone: {words[0].lower()}{words[1:]} That is said of these two trained networks; with "
        "another seed it may be the other way round."
    )


def _by_pictures(a: Combination, b: Combination) -> str:
    """Which is better on the test pictures with the first seed that both have, in words; empty where there is none."""
    seeds = _common_seeds(a, b)
    if not seeds:
        return ""
    ours, theirs = (
        next(run for run in one.several if run.settings.seed == min(seeds) and run.test) for one in (a, b)
    )
    try:
        said = comparison.of_runs(ours, theirs)
    except FashionError:  # tested on other pictures, or its answers were deleted
        return ""
    return comparison.in_words(said, a.name, b.name)


def _common_seeds(a: Combination, b: Combination) -> set[int]:
    """The seeds with which both were tested."""
    return set(a.accuracies("test")) & set(b.accuracies("test"))


def _datasets(tested: Sequence[RunSummary]) -> str:
    """What runs that cannot be compared were tested on: different datasets, or different pictures of one."""
    titles = sorted({one.dataset_title for one in tested})
    return " and ".join(titles) if titles[1:] else f"{titles[0]} with different test pictures"


def verdict_of_runs(several: Sequence[RunSummary]) -> str:
    """Whether the best two of any runs, by validation, differ by more than chance.

    Settings against settings, as in `verdict`, where some came with several seeds; otherwise run against run, picture by
    picture. Empty where all have the same settings but for the seed: there is nothing to choose. Raises RunError where
    fewer than two were tested, or not all on the same pictures.
    """
    tested = [one for one in several if one.test and one.validation]
    if len(tested) < 2:
        raise RunError(
            f"Two runs must have been tested to be compared. Received: {len(tested)} tested of {len(several)}. Wait for their "
            "end, or finish them."
        )
    if len({(one.data_digest, one.test.n) for one in tested}) > 1:
        raise RunError(
            "Runs must have been tested on the same pictures to be compared. Received: runs on "
            f"{_datasets(tested)}. Choose runs with the same data."
        )
    grouped = _grouped(tested)
    # Two epochs of one run have one seed: then they are networks, and no repetition.
    repeated = any(len(one.several) > 1 for one in grouped)
    if repeated and all(len(one.accuracies("test")) == len(one.several) for one in grouped):
        words = verdict(grouped)
    else:
        names = dict(zip([one.run for one in tested], summary.unique_names(tested), strict=True))
        best, second = sorted(tested, key=lambda one: one.validation.value, reverse=True)[:2]
        words = comparison.in_words(comparison.of_runs(second, best), names[second.run], names[best.run])
    return f"Of the best two by validation, {words[0].lower()}{words[1:]}" if words else ""


def caveat(several: Sequence[Combination]) -> str:
    """What to keep in mind of the best of so many; empty where nothing was chosen."""
    judged = ranked(several)
    if len(judged) < 2:
        return ""
    n = judged[0].num_pictures("validation")
    return (
        f"The best of {len(judged)} was chosen by the same {n:,} validation pictures that it is judged by: the highest of many is partly "
        "lucky, so its validation accuracy is too good, the more so the more there are. The test pictures had no part in "
        "the choice. The interval in brackets is of chance in the pictures, the spread of luck in training."
    )


def progress(statuses: Mapping[Run, runs.Status], now: float | None = None) -> tuple[float, float | None]:
    """How much of all runs is done, 0 to 1, and about how many seconds are left (None before it can be told).

    A run counts with the arithmetic of its training; what is left takes as long, for its share, as what is done took.
    """
    done = total = 0.0
    for run, status in statuses.items():
        weight = _weight(run)
        total += weight
        if not status.active:
            done += weight
        elif status.phase == "training":
            done += weight * status.fraction
        elif status.phase in runs.ENDING:
            done += weight
    fraction = done / total if total else 1.0
    starts = [status.started for status in statuses.values() if status.started]
    if not starts or fraction < 0.03:
        return fraction, None
    elapsed = (time.time() if now is None else now) - min(starts)
    return fraction, max(elapsed, 0.0) * (1 - fraction) / fraction


def _weight(run: Run) -> float:
    try:
        settings = run.settings
        return float(
            settings.num_epochs * settings.num_train * max(architectures.cost_of(settings)[1], _LEAST_COST)
        )
    except FashionError:
        return 0.0
