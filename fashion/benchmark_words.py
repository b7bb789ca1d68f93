"""What results files say, as text for a terminal: after measuring, and again from files with `benchmark --show`.

    python -m fashion benchmark --show                       all recorded results
    python -m fashion benchmark --show results.json

It measures nothing. The numbers are those of `benchmark_results.py` and `benchmark_accuracy.py`.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from fashion import (
    benchmark_accuracy,
    benchmark_records,
    benchmark_results,
    benchmark_transfer,
    benchmark_visitors,
)
from fashion.benchmark_accuracy import Record
from fashion.benchmark_records import KINDS
from fashion.benchmark_results import RECORDED, Measurement
from fashion.errors import RunError
from fashion.runs import ROOT
from fashion.settings import FRAMEWORKS

# Questions that are answered without a worker: what only their files have, who words them, and their main values.
_ALONE = (("course", benchmark_transfer, "ratios"), ("watching", benchmark_visitors, "watching"))


def show(paths: Sequence[str], words: TextIO) -> int:
    """Print what these files say, all recorded ones where none is named, and last, a line of JSON per file.

    A file that cannot be read is named, and the others are shown; returns 1 then.
    """
    lines, failed = [], False
    for path in map(Path, paths or sorted(RECORDED.glob("**/*.json"))):
        try:
            text, values = _said(path)
        except RunError as error:
            failed = True
            text, values = str(error), {"error": str(error)}
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        print(f"== {name}\n{text}\n", file=words)
        lines.append(json.dumps({"file": str(name), **values}, allow_nan=False))
    print("\n".join(lines), flush=True)
    return int(failed)


def _said(path: Path) -> tuple[str, dict[str, Any]]:
    """What one file says as text, and its main values for JSON. Raises RunError where it cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} must be a readable results file. Received: {error}.") from None
    kind = values.get("kind") if isinstance(values, dict) else None
    if kind in KINDS:
        one = Record(path.stem, benchmark_accuracy.read(path))
        said = {"kind": kind, "complete": one.results["complete"]}
        if kind == "accuracy":
            said["ratios"] = _plain(benchmark_accuracy.ratios([one]))
            said["shares_of_peak"] = _plain(benchmark_accuracy.peak_shares([one]))
        return f"{benchmark_records.method(one)}\n{of_record(one)}", said
    for name, module, key in _ALONE:
        if isinstance(values, dict) and name in values:
            try:
                return module.in_words(values), {"kind": module.KIND, key: values[key]}
            except (KeyError, TypeError, ValueError) as error:
                raise RunError(
                    f"{path.name} must be a whole benchmark. Received: {error!r}. Measure again."
                ) from None
    grid = Measurement(path.stem, benchmark_results.read(path))
    figures = benchmark_results.figures(grid.results)
    return f"{benchmark_results.method(grid)}\n{of_grid(grid)}", {"kind": "grid", "figures": figures}


def _plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows without key and record; what is not known is None."""
    rows = rows.drop(columns=["key", "record"])
    return [
        {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in row.items()
        }
        for row in rows.to_dict("records")
    ]


def of_grid(one: Measurement) -> str:
    """The main columns of a grid's table, and under it what belongs to no network."""
    rows = benchmark_results.table([one])
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
    table = shown.to_string(index=False) if len(rows) else "No network was measured."
    figures = [f"{name}: {value}" for name, value in benchmark_results.figures(one.results).items()]
    return "\n".join(
        [table, *(["", *figures] if figures else []), *benchmark_results.busy_words(one.results)]
    )


def of_record(record: Record) -> str:
    """A record: a line per recipe, when it reaches each accuracy, how many times sooner than the example, of which peak."""
    rows = benchmark_accuracy.speeds([record])
    if rows.empty:
        return "Nothing was measured."
    shown = pd.DataFrame(
        {
            "recipe": rows.recipe,
            "framework": rows.framework.map(FRAMEWORKS.get),
            "seeds": _seeds(rows),
            "batch": rows.batch_size,
            "epochs": rows.num_epochs,
            "seconds": rows.seconds.map("{:.1f}".format),
            "later epochs s": rows.steady_epoch_seconds.map(_seconds),
            "of peak": rows.share_of_peak.map(lambda share: "-" if pd.isna(share) else f"{share:.0%}"),
            "start-up s": rows.startup_seconds.map("{:.1f}".format),
            "memory MB": (rows.peak_memory_bytes / 1e6).map("{:,.0f}".format),
            "test accuracy at the end": [
                f"{row.accuracy:.2%} ({row.accuracy_low:.2%} to {row.accuracy_high:.2%})" for row in rows.itertuples()
            ],
        }
    )  # fmt: skip
    lines = [
        f"{record.results['num_train']:,} training pictures, {record.results['num_test']:,} test pictures; interval 95 %, of "
        "the mean over seeds or, with one seed, of the test; the peak is that of float32.",
        shown.to_string(index=False),
    ]
    if missing := benchmark_records.partial([record]):
        lines.append(f"Not complete: {'; '.join(missing)}.")
    if record.kind == "accuracy":
        lines += ["", *_times(benchmark_accuracy.times_to([record]))]
        lines += ["", *_ratios(benchmark_accuracy.ratios([record]))]
        lines += _shares(benchmark_accuracy.peak_shares([record]))
    return "\n".join([*lines, *benchmark_results.busy_words(record.results)])


def _times(times: pd.DataFrame) -> list[str]:
    shown = pd.DataFrame(
        {
            "recipe": times.recipe.where(times.what == "recipe", "soonest of " + times.title),
            "framework": times.framework.map(FRAMEWORKS.get),
            "seeds": _seeds(times),
        }
    )
    for target in benchmark_accuracy.TARGETS:
        shown[f"{target:g}"] = times[f"{target:g}"].map(_seconds)
    return [
        "Seconds of training until the mean test accuracy reaches (of a schedule only its end counts)",
        shown.to_string(index=False),
    ]


def _ratios(ratios: pd.DataFrame) -> list[str]:
    lines = []
    for row in ratios.itertuples():
        if pd.isna(row.ratio):
            why = (
                f"the best mean is {row.best:.2%} ({row.best_recipe})"
                if pd.isna(row.seconds)
                else "by the example"
            )
            lines.append(f"{row.family}: {row.claim}: not reached, {why}.")
            continue
        words = (
            f"{row.family} ({row.recipe}): {row.claim}: {row.seconds:.1f} s against {row.baseline_seconds:.1f} s, "
            f"{row.ratio:.1f} times sooner (wanted: {row.goal:g})"
        )
        if row.n > 1:
            words += f"; seed by seed {row.mean:.1f}, {_spread(row, '.1f')}"
        lines.append(f"{words}. {_verdict(row)}")
    return lines


def _shares(shares: pd.DataFrame) -> list[str]:
    lines = []
    for row in shares.itertuples():
        words = f"{row.recipe}: {row.mean:.0%} of the float32 peak"
        if row.n > 1:
            words += f", {_spread(row, '.0%')}"
        if row.mean > 1 and row.precision == "float32":
            lines.append(f"{words}, which cannot be: other programs ran when the peak was measured.")
        elif row.reached is None:
            lines.append(f"{words}, computed in {row.precision}, which has a peak of its own.")
        else:
            lines.append(f"{words} (wanted: {row.goal:.0%}). {_verdict(row, row.n)}")
    return lines


def _spread(row: Any, form: str) -> str:
    return f"sd {row.sd:{form}}, 95 % interval {row.low:{form}} to {row.high:{form}}, n = {row.n}"


def _verdict(row: Any, n_seeds: int | None = None) -> str:
    """ "Reached.", or "Not reached so far: 2 of 5 seeds." """
    n_seeds = row.n_seeds if n_seeds is None else n_seeds
    words = "Reached" if row.reached else "Not reached"
    if row.low <= row.goal <= row.high:
        words += " on average, but the interval holds the aim"
    return f"{words}." if n_seeds >= row.n_planned else f"{words} so far: {n_seeds} of {row.n_planned} seeds."


def _seeds(rows: pd.DataFrame) -> list[str]:
    """ "5", or "2 of 5" where some are missing."""
    return [
        f"{row.n_seeds}" if row.n_seeds >= row.n_planned else f"{row.n_seeds} of {row.n_planned}"
        for row in rows.itertuples()
    ]


def _seconds(value: float | None) -> str:
    return "-" if pd.isna(value) else f"{value:.1f}"
