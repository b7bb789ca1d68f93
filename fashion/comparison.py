"""Is one network better than another? Two of them on the same pictures, or two settings over the same seeds, with how
sure that is and how much more it would take to know.

Two kinds of chance: which pictures happened to be in the test (`compare`), and how a training happened to go
(`compare_seeds`). Neither interval covers the other kind. Pure: it knows arrays and finished runs, and draws nothing.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fashion import evaluation, summary
from fashion.errors import RunError
from fashion.summary import RunSummary

MAX_SEEDS = 10
_LEVEL, _POWER = 0.05, 0.8
_ROUNDING = 1e-9  # of sums of accuracies; a picture of ten thousand counts 1e-4


@dataclass(frozen=True)
class Comparison:
    """How two networks, a and b, did on the same n pictures.

    difference: accuracy of b minus that of a, -1 to 1, with its 95 % interval, low to high. only_a, only_b: pictures that
    only one of them had right. p_value: of the exact McNemar test. needed: about how many pictures would show a difference
    of this size in four of five tests; None where both are right equally often.
    """

    difference: float
    low: float
    high: float
    n: int
    only_a: int
    only_b: int
    p_value: float
    needed: int | None

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero, so that chance in drawing the pictures does not explain the difference."""
        return not self.low <= 0 <= self.high


def compare(a_correct: np.ndarray, b_correct: np.ndarray) -> Comparison:
    """How much better b is than a on the same pictures.

    a_correct, b_correct: bool (n,), whether each picture was right, in the same order. Raises ValueError if they are not
    bool, of one length and not empty. Source of the interval: Agresti and Min 2005 (`evaluation.paired_difference`).

    >>> both, only_b, only_a, none = [True] * 80, [False] * 9, [True] * 3, [False] * 8
    >>> said = compare(np.array(both + only_b + only_a + none), np.array(both + [True] * 9 + [False] * 3 + none))
    >>> said.only_a, said.only_b, round(said.difference, 2), said.sure
    (3, 9, 0.06, False)
    """
    difference, low, high = evaluation.paired_difference(a_correct, b_correct)
    a_correct, b_correct = np.asarray(a_correct), np.asarray(b_correct)
    only_a = int((a_correct & ~b_correct).sum())
    only_b = int((b_correct & ~a_correct).sum())
    n = int(a_correct.size)
    return Comparison(
        difference, low, high, n, only_a, only_b, mcnemar(only_a, only_b), pictures_needed(only_a, only_b, n)
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """How often two equally good networks would differ at least as lopsidedly: the exact two-sided p value.

    Where both are equally good, each of the pictures that only one has right is a coin toss. 1.0 where there is none.
    Raises ValueError for a negative count. Source: Q. McNemar, "Note on the sampling error of the difference between
    correlated proportions or percentages", Psychometrika 12 (1947), 153-157, with the binomial instead of its approximation.

    >>> mcnemar(1, 5)  # 2 * (1 + 6) / 64
    0.21875
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(
            f"Counts of pictures must not be negative. Received: only_a={only_a}, only_b={only_b}. Count them again."
        )
    tosses = only_a + only_b
    term = total = 1
    for heads in range(min(only_a, only_b)):
        term = term * (tosses - heads) // (heads + 1)
        total += term
    return min(1.0, 2 * total / 2**tosses)


def pictures_needed(only_a: int, only_b: int, n: int) -> int | None:
    """How many pictures would show a difference as large as this one in 80 % of tests, at the 5 % level.

    It takes the difference seen, and the share of pictures on which the two differ, as the true ones, which they are only
    roughly. None where the difference is zero: no number of pictures would show it. Source: R. J. Connor, "Sample size for
    testing differences in proportions for the paired-sample design", Biometrics 43 (1987), 207-211.

    >>> pictures_needed(5, 15, 100)  # the two differ on 20 %, by 10 points
    155
    """
    if only_a == only_b:
        return None
    normal = statistics.NormalDist()
    differ, difference = (only_a + only_b) / n, abs(only_b - only_a) / n
    reach = (
        normal.inv_cdf(1 - _LEVEL / 2) * differ**0.5
        + normal.inv_cdf(_POWER) * (differ - difference**2) ** 0.5
    )
    return max(math.ceil((reach / difference) ** 2), 1)


def in_words(comparison: Comparison, name_a: str, name_b: str) -> str:
    """The answer for people, in two or three sentences: which is better, or that it cannot be told, and what it would take."""
    one = comparison
    ahead, behind = (name_b, name_a) if one.difference >= 0 else (name_a, name_b)
    low, high = (one.low, one.high) if one.difference >= 0 else (-one.high, -one.low)
    more, fewer = max(one.only_a, one.only_b), min(one.only_a, one.only_b)
    interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}".replace("-", "\N{MINUS SIGN}")
    if one.sure:
        return (
            f"{ahead} is better than {behind}: by {100 * abs(one.difference):.2f} percentage points on the same {one.n:,} "
            f"test pictures ({interval}). {more:,} of them only {ahead} had right, {fewer:,} only {behind}."
        )
    if not one.difference:
        seen = (
            f"each has {more:,} right that the other has wrong" if more else "they are right on the same ones"
        )
        return (
            f"It cannot be told which is better: on the same {one.n:,} test pictures both are right equally often "
            f"({interval} percentage points), and {seen}."
        )
    return (
        f"It cannot be told which is better: on the same {one.n:,} test pictures {ahead} is "
        f"{100 * abs(one.difference):.2f} percentage points ahead, but the {interval} holds zero. {more:,} pictures only "
        f"{ahead} had right, {fewer:,} only {behind}. If the difference is really this large, it would take about "
        f"{_rounded(one.needed):,} test pictures to know."
    )


def _rounded(number: int) -> int:
    """To two digits: it is a rough number."""
    digits = max(len(str(number)) - 2, 0)
    return -(-number // 10**digits) * 10**digits


@dataclass(frozen=True)
class SeedComparison:
    """How two settings did over the same n seeds: the mean of b minus a, and its 95 % interval (infinite for one seed)."""

    difference: float
    low: float
    high: float
    n: int

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero. One without width does not count: a few accuracies, which are counts of pictures,
        may differ alike by chance, and then the luck of a training cannot be seen from them."""
        return self.spread and not self.low <= 0 <= self.high

    @property
    def spread(self) -> bool:
        """Whether the seeds differ in how much better b is."""
        return self.high - self.low > _ROUNDING


def compare_seeds(a: Sequence[float], b: Sequence[float]) -> SeedComparison:
    """How much better setting b is than setting a, each trained with the same seeds, in the same order.

    a, b: an accuracy per seed, 0 to 1, of 1 to `MAX_SEEDS` seeds. The interval is Student's, for the mean of the differences
    seed by seed; it takes them as about normal, and covers the luck of a training, not that of the pictures. Raises
    ValueError for other lengths.

    >>> said = compare_seeds([0.80, 0.82, 0.81], [0.83, 0.84, 0.85])
    >>> round(said.difference, 3), round(said.low, 3), round(said.high, 3)
    (0.03, 0.005, 0.055)
    """
    if len(a) != len(b) or not 1 <= len(a) <= MAX_SEEDS:
        raise ValueError(
            f"Both settings must have the same 1 to {MAX_SEEDS} seeds. Received: {len(a)} and {len(b)} results. Compare the "
            "seeds that both have."
        )
    differences = [two - one for one, two in zip(a, b, strict=True)]
    low, high = evaluation.mean_interval(differences)
    return SeedComparison(statistics.fmean(differences), low, high, len(differences))


def seeds_in_words(
    comparison: SeedComparison, name_a: str, name_b: str, what: str = "validation accuracy"
) -> str:
    """The same for two settings over seeds, in one or two sentences."""
    one = comparison
    ahead, behind = (name_b, name_a) if one.difference >= 0 else (name_a, name_b)
    points = f"{100 * abs(one.difference):.2f} percentage points of {what}"
    if abs(one.difference) <= _ROUNDING:
        seeds = "with one seed" if one.n == 1 else f"on average over {one.n} seeds"
        return f"It cannot be told which is better: {name_a} and {name_b} have the same {what} {seeds}."
    if one.n == 1:
        return (
            f"It cannot be told which is better: {ahead} is {points} ahead of {behind} with one seed. Train both with more "
            "seeds to see how much of that is luck."
        )
    if not one.spread:
        return (
            f"It cannot be told which is better: {ahead} is {points} ahead of {behind} with each of {one.n} seeds, by as many "
            "pictures each time, so they do not show how much of that is luck. Train both with more seeds."
        )
    low, high = (one.low, one.high) if one.difference >= 0 else (-one.high, -one.low)
    interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}".replace("-", "\N{MINUS SIGN}")
    if one.sure:
        return f"{ahead} is better than {behind}: by {points} on average over {one.n} seeds ({interval})."
    return (
        f"It cannot be told which is better: {ahead} is {points} ahead of {behind} on average over {one.n} seeds, but the "
        f"{interval} holds zero. More seeds would narrow it."
    )


def of_runs(a: RunSummary, b: RunSummary, split: str = "test") -> Comparison:
    """Two runs on the same pictures of `split`, "test" or "validation".

    Raises RunError where one has not been tested, or they were tested on different pictures.
    """
    said_a, said_b = summary.predictions(a, split), summary.predictions(b, split)
    if a.data_digest != b.data_digest or not np.array_equal(said_a.labels, said_b.labels):
        raise RunError(
            f"Two runs must be tested on the same pictures to be compared. Received: {a.name} on {a.dataset_title}, "
            f"{b.name} on {b.dataset_title}. Choose two runs on the same data."
        )
    return compare(said_a.correct, said_b.correct)
