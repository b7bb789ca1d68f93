"""How much accuracy does a minute buy, and which framework? The records of both questions, read and made into tables.

A record's form is in `benchmark_records.py`. It measures nothing (see `benchmark_recipes.py`) and knows no Keras.
"""

import json
import math
import statistics
from collections.abc import Sequence
from typing import Any

import pandas as pd

from fashion import evaluation, runs
from fashion.benchmark_plan import kind_of
from fashion.benchmark_records import (
    CLAIMS,
    FORMAT,
    KINDS,
    PEAK_GOAL,
    Claim,
    Record,
    method,
    partial,
    problems,
)
from fashion.benchmark_results import FILE, RECORDED
from fashion.errors import RunError

TARGETS = (0.90, 0.92, 0.93, 0.935, 0.94)
BASELINE = "keras-convnet"

MAX_SEEDS = len(evaluation.T_QUANTILES) + 1

COLUMNS = {
    "key": "object",
    "record": "object",
    "measured": "object",
    "recipe": "object",
    "title": "object",
    "family": "object",
    "framework": "object",
    "device": "object",
    "peer": "bool",
    "only_last": "bool",
    "epoch": "int64",
    "last": "bool",
    "seconds": "float64",
    "accuracy": "float64",
    "accuracy_low": "float64",
    "accuracy_high": "float64",
    "n_seeds": "int64",
    "n_planned": "int64",
    "n": "int64",
    "batch_size": "int64",
    "num_parameters": "int64",
    "num_multiply_adds": "int64",
    "share_of_peak": "float64",
}


def read(path, kind: str | None = None) -> dict[str, Any]:
    """A record, checked so far that the tables can show it; of this kind, or of any.

    Raises:
        RunError: It cannot be read, is of another kind or format, or a value is missing or of the wrong type.
    """
    advice = "Measure again, or restore the file."
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name} must be readable JSON. Received: {error}. {advice}") from None
    named = results if isinstance(results, dict) else {}
    kinds = (kind,) if kind else KINDS
    if named.get("format") != FORMAT or named.get("kind") not in kinds:
        raise RunError(
            f"{path.name} must be a benchmark of format {FORMAT} and kind {' or '.join(kinds)}. Received: format "
            f"{named.get('format')!r}, kind {named.get('kind')!r}. Update the app if it comes from a newer version."
        )
    try:
        _check([Record("", results)])
    # What wrong JSON values end in when they are used.
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ArithmeticError) as e:
        raise RunError(
            f"{path.name} must be a whole benchmark. Received: {type(e).__name__} {e}. {advice}"
        ) from None
    return results


def _check(records: list[Record]) -> None:
    """Make all that is ever shown of them; raises what wrong values end in."""
    (one,) = records
    if not isinstance(one.results["complete"], bool):
        raise TypeError(f"complete={one.results['complete']!r}")
    for run in one.measured_runs:
        counts = [epoch["test_correct"] for epoch in run["epochs"]]
        if not counts or not all(isinstance(count, int) for count in counts):
            raise ValueError(f"epochs of {run['recipe']!r}")
    _ = (one.title, one.busy, method(one), problems(records), partial(records))
    _ = (times_to(records), front(table(records)), ratios(records), speeds(records), peak_shares(records))


def load_recorded(kind: str) -> tuple[list[Record], list[str]]:
    """The records of a kind that come with the project, and for each file that cannot be used, why."""
    found, unusable = [], []
    for path in sorted((RECORDED / kind).glob("*.json")):
        try:
            found.append(Record(path.stem, read(path, kind)))
        except RunError as error:
            unusable.append(str(error))
    return found, unusable


def measured_here(kind: str) -> tuple[list[Record], list[str]]:
    """What was measured on this machine, newest first, also while it goes on; and unusable files as `load_recorded`."""
    found, unusable = [], []
    for run in runs.list_runs(kind="benchmark"):
        if kind_of(run) != kind or not (run.folder / FILE).exists():
            continue
        try:
            one = Record(run.id, read(run.folder / FILE, kind), run)
        except RunError as error:
            unusable.append(f"{run.id}: {error}")
            continue
        if one.results["runs"]:
            found.append(one)
    return found, unusable


# Tables


def table(records: Sequence[Record]) -> pd.DataFrame:
    """A row per record, recipe, framework and epoch; see `COLUMNS`. Accuracies and shares are 0 to 1.

    `seconds` and `accuracy` are means over the seeds. The band from `accuracy_low` to `accuracy_high` is the 95 % t
    interval of that mean, which tells how much training differs from seed to seed; with one seed nothing is known of
    that, and it is the Wilson interval of the one test. `n_seeds`: of `n_planned` seeds. `n`: test pictures.
    """
    rows = []
    for one in records:
        for runs_of_recipe in _by_recipe(one):
            rows += _epoch_rows(one, runs_of_recipe)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _by_recipe(one: Record) -> list[list[dict[str, Any]]]:
    """The measured runs in groups of a recipe and framework, in their order."""
    groups: dict[tuple[str, str, str], list] = {}
    for run in one.measured_runs:
        groups.setdefault((run["recipe"], run["framework"], run["device"]), []).append(run)
    return list(groups.values())


def _epoch_rows(one: Record, group: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first, n = group[0], one.results["num_test"]
    shares = [run["share_of_peak"] for run in group if run["share_of_peak"] is not None]
    named = {name: first[name] for name in ("recipe", "title", "family", "framework", "device", "batch_size")}
    named |= {name: first[name] for name in ("num_parameters", "num_multiply_adds")}
    rows = []
    num_epochs = min(len(run["epochs"]) for run in group)
    for number in range(num_epochs):
        epochs = [run["epochs"][number] for run in group]
        accuracies = [epoch["test_correct"] / n for epoch in epochs]
        low, high = evaluation.mean_interval(accuracies)
        if len(group) == 1:
            low, high = evaluation.wilson_interval(epochs[0]["test_correct"], n)
        rows.append(
            {
                **named,
                "key": one.key,
                "record": one.title,
                "measured": "recorded elsewhere" if one.recorded else "measured here",
                "peer": _is_peer(first),
                "only_last": bool(first.get("only_last", False)),
                "epoch": epochs[0]["epoch"],
                "last": number == num_epochs - 1,
                "seconds": statistics.fmean(epoch["seconds"] for epoch in epochs),
                "accuracy": statistics.fmean(accuracies),
                "accuracy_low": max(low, 0.0),
                "accuracy_high": min(high, 1.0),
                "n_seeds": len(group),
                "n_planned": one.num_seeds,
                "n": n,
                "share_of_peak": statistics.fmean(shares) if shares else math.nan,
            }
        )
    return rows


def _is_peer(run: dict[str, Any]) -> bool:
    """Whether it is a published program: those have a page that they come from."""
    return bool(run["source"])


def counting(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `table` that are results: all epochs of a recipe, but only the last of one with `only_last`."""
    return rows[rows["last"] | ~rows["only_last"]]


def times_to(records: Sequence[Record], targets: Sequence[float] = TARGETS) -> pd.DataFrame:
    """The training seconds after which the mean test accuracy over the seeds first reaches each target.

    A row per recipe (`what` is "recipe"), and for each family of several recipes one more ("family"): the soonest of
    them. Columns: key, record, what, recipe ("" for a family), title, family, framework, device, only_last, n_seeds (for a
    family the fewest of those that are the soonest), n_planned, and per target, named f"{target:g}", the seconds or None where it is never reached.
    """
    rows = []
    names = [f"{target:g}" for target in targets]
    shared = ["key", "record", "family", "framework", "device"]
    for group, of_recipe in table(records).groupby([*shared, "recipe"], sort=False):
        good = counting(of_recipe)
        first = of_recipe.iloc[0]
        row = dict(zip([*shared, "recipe"], group, strict=True))
        row |= {
            "what": "recipe",
            "title": first.title,
            "only_last": bool(first.only_last),
            "n_seeds": int(first.n_seeds),
            "n_planned": int(first.n_planned),
        }
        rows.append(row | {name: _first(good, target) for name, target in zip(names, targets, strict=True)})
    for group in dict.fromkeys(tuple(row[name] for name in shared) for row in rows):
        several = [row for row in rows if tuple(row[name] for name in shared) == group]
        if len(several) > 1:
            soonest = {name: min((row[name] for row in several if row[name]), default=None) for name in names}
            first_there = [
                row for row in several if any(row[name] and row[name] == soonest[name] for name in names)
            ]
            least = {
                "only_last": any(row["only_last"] for row in several),
                "n_seeds": min(row["n_seeds"] for row in first_there or several),
                "n_planned": several[0]["n_planned"],
            }
            family = {"what": "family", "recipe": "", "title": several[0]["family"]}
            rows.append(dict(zip(shared, group, strict=True)) | family | least | soonest)
    columns = [
        "key",
        "record",
        "what",
        "recipe",
        "title",
        *shared[2:],
        "only_last",
        "n_seeds",
        "n_planned",
        *names,
    ]
    return _frame(rows, columns, names)


def _frame(rows: list[dict[str, Any]], columns: list[str], with_none: list[str]) -> pd.DataFrame:
    """A table in some of whose columns None stays None; pandas would make NaN of it."""
    kept = {name: pd.Series([row[name] for row in rows], dtype="object") for name in with_none}
    return pd.DataFrame(rows, columns=columns).assign(**kept)


def _first(rows: pd.DataFrame, target: float) -> float | None:
    """The seconds of the first row whose accuracy reaches the target (counted in whole pictures, so without rounding)."""
    good = rows[rows.accuracy >= target - 1e-9]
    return float(good.seconds.iloc[0]) if len(good) else None


def front(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `table` that no other of the same record beats in both time and accuracy, by time: the Pareto front."""
    kept = []
    for _, of_record in counting(rows).groupby("key", sort=False):
        best = -1.0
        for row in of_record.sort_values(["seconds", "accuracy"], ascending=[True, False]).itertuples():
            if row.accuracy > best:
                best = row.accuracy
                kept.append(row.Index)
    return rows.loc[kept]


def ratios(records: Sequence[Record], claims: Sequence[Claim] = CLAIMS) -> pd.DataFrame:
    """How many times sooner our families reach an accuracy than Keras' convnet example, measured beside them.

    A row per record, family and claim: key, record, family, recipe (of the family, the one that gets there soonest by
    the mean over the seeds), claim (words), seconds and baseline_seconds (the times at which the means get there), ratio
    (of these two), then of the ratios seed by seed: mean, sd, low and high (95 % t interval), n (seeds in which both got
    there); n_seeds (the fewer that were measured of recipe and example) of n_planned; best (the family's highest mean
    accuracy) and best_recipe; goal, reached. The times and `ratio` are None where it is never reached; sd, low and high are
    NaN for want of a second seed.
    """
    rows = []
    for one in records:
        groups = _by_recipe(one)
        based = {(g[0]["framework"], g[0]["device"]): g for g in groups if g[0]["recipe"] == BASELINE}
        families = dict.fromkeys(
            (g[0]["family"], g[0]["framework"], g[0]["device"]) for g in groups if not _is_peer(g[0])
        )
        for family, *place in families:
            baseline = based.get(tuple(place))
            ours = [
                g for g in groups if (g[0]["family"], g[0]["framework"], g[0]["device"]) == (family, *place)
            ]
            if baseline:
                rows += [{"key": one.key, "record": one.title, "family": family}
                         | _ratio(one, claim, baseline, ours) for claim in claims]  # fmt: skip
    names = (
        "mean",
        "sd",
        "low",
        "high",
        "n",
        "n_seeds",
        "n_planned",
        "best",
        "best_recipe",
        "goal",
        "reached",
    )
    none = ["seconds", "baseline_seconds", "ratio"]
    return _frame(rows, ["key", "record", "family", "recipe", "claim", *none, *names], none)


def _ratio(one: Record, claim: Claim, baseline: list, ours: list[list]) -> dict[str, Any]:
    times = {group[0]["recipe"]: _reached(one, group, claim.target) for group in ours}
    times = {name: seconds for name, seconds in times.items() if seconds}
    recipe = min(times, key=times.get, default="")
    theirs = _reached(one, baseline, claim.against)
    ratio = theirs / times[recipe] if recipe and theirs else None
    chosen = {run["seed"]: run for group in ours for run in group if run["recipe"] == recipe}
    pairs = []
    for run in baseline:
        if run["seed"] in chosen:
            both = _reached(one, [run], claim.against), _reached(one, [chosen[run["seed"]]], claim.target)
            pairs += [both[0] / both[1]] if all(both) else []
    low, high = evaluation.mean_interval(pairs) if len(pairs) > 1 else (math.nan, math.nan)
    ends = {group[0]["recipe"]: _epoch_rows(one, group)[-1]["accuracy"] for group in ours}
    best = max(ends, key=ends.get)
    return {
        "recipe": recipe,
        "claim": claim.words,
        "seconds": times.get(recipe),
        "baseline_seconds": theirs,
        "ratio": ratio,
        "mean": statistics.fmean(pairs) if pairs else math.nan,
        "sd": statistics.stdev(pairs) if len(pairs) > 1 else math.nan,
        "low": low,
        "high": high,
        "n": len(pairs),
        "n_seeds": min(len(baseline), len(chosen) or len(baseline)),
        "n_planned": one.num_seeds,
        "best": ends[best],
        "best_recipe": best,
        "goal": claim.goal,
        "reached": ratio is not None and ratio >= claim.goal,
    }


def peak_shares(records: Sequence[Record]) -> pd.DataFrame:
    """The share of the float32 peak that each of our recipes reached: mean, sd and 95 % t interval over n seeds.

    Columns: key, record, recipe, framework, precision, mean, sd, low, high, n, n_planned, goal, reached. `reached` is None
    where the network computes in another precision than the peak was measured in, and where the mean is more than the whole,
    which says that other programs ran when the peak was measured.
    """
    rows = []
    for one in records:
        for group in _by_recipe(one):
            shares = [run["share_of_peak"] for run in group if run["share_of_peak"] is not None]
            if _is_peer(group[0]) or not shares:
                continue
            precision = (group[0].get("settings") or {}).get("precision", "float32")
            low, high = evaluation.mean_interval(shares) if len(shares) > 1 else (math.nan, math.nan)
            mean = statistics.fmean(shares)
            rows.append(
                {
                    "key": one.key,
                    "record": one.title,
                    "recipe": group[0]["recipe"],
                    "framework": group[0]["framework"],
                    "precision": precision,
                    "mean": mean,
                    "sd": statistics.stdev(shares) if len(shares) > 1 else math.nan,
                    "low": max(low, 0.0),  # of nan it stays nan
                    "high": min(high, 1.0),
                    "n": len(shares),
                    "n_planned": one.num_seeds,
                    "goal": PEAK_GOAL,
                    "reached": mean >= PEAK_GOAL if precision == "float32" and mean <= 1 else None,
                }
            )
    names = (
        "key",
        "record",
        "recipe",
        "framework",
        "precision",
        "mean",
        "sd",
        "low",
        "high",
        "n",
        "n_planned",
        "goal",
    )
    return _frame(rows, [*names, "reached"], ["reached"])


def _reached(one: Record, group: list[dict[str, Any]], target: float | None) -> float | None:
    """When the mean over these runs of a recipe reaches the target, or ends for None; None if never."""
    rows = pd.DataFrame(_epoch_rows(one, group))
    return _first(rows[rows["last"]] if target is None else counting(rows), target or 0.0)


def speeds(records: Sequence[Record]) -> pd.DataFrame:
    """A row per record, recipe and framework: what an epoch takes, and what else it costs.

    first_epoch_seconds and steady_epoch_seconds (of the later ones, or NaN without any) are medians over the seeds;
    images_per_second (training pictures) follows from the latter; startup_seconds is the median from the
    process's start to its first step; peak_memory_bytes is the most of any; accuracy with its band is the last epoch's.
    """
    rows = []
    for one in records:
        for group in _by_recipe(one):
            last = _epoch_rows(one, group)[-1]
            steps = [epoch_seconds(run) for run in group]
            steady = [seconds for first, *later in steps for seconds in later]
            seconds = statistics.median(steady) if steady else math.nan
            rows.append(
                last
                | {
                    "num_epochs": len(group[0]["epochs"]),
                    "first_epoch_seconds": statistics.median(first for first, *_ in steps),
                    "steady_epoch_seconds": seconds,
                    "images_per_second": one.results["num_train"] / seconds,
                    "startup_seconds": statistics.median(run["startup_seconds"] for run in group),
                    "peak_memory_bytes": max(run["peak_memory_bytes"] for run in group),
                }
            )
    dropped = ("epoch", "last", "only_last")
    columns = [name for name in COLUMNS if name not in dropped]
    more = (
        "num_epochs",
        "first_epoch_seconds",
        "steady_epoch_seconds",
        "images_per_second",
        "startup_seconds",
    )
    return pd.DataFrame(rows, columns=[*columns, *more, "peak_memory_bytes"])


def epoch_seconds(run: dict[str, Any]) -> list[float]:
    """The seconds that each epoch's steps took."""
    ends = [0.0, *(epoch.get("step_seconds", epoch["seconds"]) for epoch in run["epochs"])]
    return [after - before for before, after in zip(ends, ends[1:], strict=False)]
