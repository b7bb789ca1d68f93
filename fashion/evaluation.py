"""How good a model is, and how sure one can be of that: probabilities and labels in, plain numbers out.

Accuracy with its interval, the confusion matrix, mistakes, and calibration. Nothing here runs a model, reads
a file or draws a chart. A prediction is the class of the highest probability, the first of equals; arguments
called `probabilities` are float (n, k) with rows summing to 1 within 0.01 (room for float16), those called
`labels` are whole numbers (n,) from 0 to k - 1, and ValueError says which of this does not hold.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

SMALLEST_PROBABILITY = 1e-7
"""Probabilities are raised to this before a logarithm; float16 stores anything below 3e-8 as 0."""
LOG_TEMPERATURE_RANGE = (-3.0, 3.0)
"""Where `fit_temperature` looks: temperatures from 0.05 to 20."""
T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
T_QUANTILES += (2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093)
"""Of Student's t, the value that 97.5 % lie below, with 1, 2, ... degrees of freedom: W. S. Gosset ("Student"), "The probable
error of a mean", Biometrika 6 (1908), 1-25, in the form that every table of it has."""


@dataclass(frozen=True)
class Accuracy:
    """The share of right predictions, and the range that the true share lies in."""

    value: float
    """correct / n, 0 to 1."""
    correct: int
    """Number of right predictions."""
    n: int
    """Number of predictions."""
    low: float
    """Lower end of the 95 % Wilson interval."""
    high: float
    """Upper end of the 95 % Wilson interval."""


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The range (low, high) of true accuracies that `correct` out of `n` is no surprise for.

    Unlike value plus or minus two standard errors, it stays within 0 and 1 and has a width even when all or
    none are correct. With n = 0 nothing is known: (0.0, 1.0). It covers chance in drawing the `n` pictures
    only, not the chance in training.

    Raises ValueError unless 0 <= correct <= n and 0 < confidence < 1. Source: E. B. Wilson, "Probable
    inference, the law of succession, and statistical inference", Journal of the American Statistical
    Association 22 (1927), 209-212.

    >>> low, high = wilson_interval(92, 100)
    >>> f"{low:.3f} to {high:.3f}"
    '0.850 to 0.959'
    """
    if not 0 <= correct <= n:
        raise ValueError(
            f"`correct` must be from 0 to n. Received: correct={correct}, n={n}."
            " Count the right ones, then all of them."
        )
    z = _normal_quantile(confidence)
    if n == 0:
        return 0.0, 1.0
    share = correct / n
    centre = share + z**2 / (2 * n)
    half_width = z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = ((centre + side * half_width) / (1 + z**2 / n) for side in (-1, 1))
    # The ends are exactly 0 and 1 there; rounding would leave 1e-17.
    return 0.0 if correct == 0 else float(low), 1.0 if correct == n else float(high)


def paired_difference(
    correct_a: np.ndarray, correct_b: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """How much more accurate model b is than model a on the same pictures: (difference, low, high).

    correct_a, correct_b: bool (n,), whether each picture was right, in the same order. The difference is that
    of the two accuracies, -1 to 1; if the interval holds 0, these pictures do not tell which model is better.
    Far narrower than comparing two Wilson intervals, as the models find the same pictures hard.

    Raises ValueError if the two are not bool, of one length and not empty.
    Source: A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 24 (2005), 729-740: the Wald interval after adding 1/2 to each cell of the table of
    right and wrong.
    """
    correct_a, correct_b = np.asarray(correct_a), np.asarray(correct_b)
    if not (
        correct_a.dtype == correct_b.dtype == bool and correct_a.shape == correct_b.shape == (correct_a.size,)
    ):
        raise ValueError(
            "`correct_a` and `correct_b` must be bool of the same shape (n,). Received:"
            f" {correct_a.dtype} {correct_a.shape} and {correct_b.dtype} {correct_b.shape}."
            " Compare predictions on the same pictures."
        )
    n = correct_a.size
    if n == 0:
        raise ValueError(
            "`correct_a` must hold at least one picture. Received: none. Evaluate the models first."
        )
    z = _normal_quantile(confidence)
    only_a = int((correct_a & ~correct_b).sum())
    only_b = int((correct_b & ~correct_a).sum())
    centre = (only_b - only_a) / (n + 2)
    half_width = z * ((only_a + only_b + 1) / (n + 2) - centre**2) ** 0.5 / (n + 2) ** 0.5
    return (only_b - only_a) / n, max(-1.0, centre - half_width), min(1.0, centre + half_width)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval (low, high) of a mean by Student's t, of values that are about normal; without end for a single one.

    values: 1 or more; from the 21st on, the interval is a little wider than it need be.
    """
    if len(values) < 2:
        return -math.inf, math.inf
    quantile = T_QUANTILES[min(len(values) - 1, len(T_QUANTILES)) - 1]
    half = quantile * statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.fmean(values)
    return mean - half, mean + half


def independent_difference(a: Accuracy, b: Accuracy) -> tuple[float, float, float]:
    """How much higher accuracy b is than accuracy a, measured on other pictures: (difference, low, high).

    If the 95 % interval holds 0, chance in drawing the pictures may explain the difference. For the same pictures,
    `paired_difference` is far narrower.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in
    Medicine 17 (1998), 873-890, method 10: made of the two Wilson intervals.
    """
    difference = b.value - a.value
    low = ((b.value - b.low) ** 2 + (a.high - a.value) ** 2) ** 0.5
    high = ((b.high - b.value) ** 2 + (a.value - a.low) ** 2) ** 0.5
    return difference, max(-1.0, difference - low), min(1.0, difference + high)


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> Accuracy:
    """The share of pictures whose highest probability is the right class's. ValueError if there are none."""
    probabilities, labels = _checked(probabilities, labels)
    n = len(labels)
    if n == 0:
        raise ValueError(
            "An accuracy needs at least one picture. Received: n=0. Choose a split with pictures."
        )
    correct = int((probabilities.argmax(axis=1) == labels).sum())
    return Accuracy(correct / n, correct, n, *wilson_interval(correct, n))


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """How often each class was taken for each: int64 (k, k), row the true class, column the predicted one.

    labels, predicted: whole numbers (n,), 0 to num_classes - 1.

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    labels = _checked_classes("labels", labels, num_classes)
    predicted = _checked_classes("predicted", predicted, num_classes)
    if len(labels) != len(predicted):
        raise ValueError(
            "`labels` and `predicted` must have the same length."
            f" Received: {len(labels)} and {len(predicted)}. Pass both for the same pictures."
        )
    counts = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def confusion_pairs(matrix: np.ndarray, classes: Sequence[str], count: int) -> pd.DataFrame:
    """The most frequent mistakes: columns true, predicted (class names), count; the most frequent first.

    matrix: (k, k) from `confusion_matrix`. At most `count` rows, fewer if fewer kinds of mistakes were made;
    equals stay in the order of the classes.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(
            "`matrix` must have a row and a column for each class."
            f" Received: shape={matrix.shape} for {len(classes)} classes. Pass the classes of the same model."
        )
    mistakes = matrix * (1 - np.eye(len(classes), dtype=matrix.dtype))
    order = np.argsort(-mistakes, axis=None, kind="stable")[: _checked_count(count)]
    true, predicted = np.unravel_index(order[mistakes.ravel()[order] > 0], matrix.shape)
    return pd.DataFrame(
        {
            "true": [classes[index] for index in true],
            "predicted": [classes[index] for index in predicted],
            "count": mistakes[true, predicted],
        }
    )


def per_class(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """How well each class is found: a row per class, in the order of `classes`.

    Columns: class (name), n (pictures of it), correct, accuracy (correct / n; the recall), low and high (95 %
    Wilson interval), precision (of the pictures called this class, the share that are). All shares 0 to 1;
    accuracy is NaN for a class without pictures, precision for one that was never predicted.
    """
    probabilities, labels = _checked(probabilities, labels)
    if len(classes) != probabilities.shape[1]:
        raise ValueError(
            "`classes` must name each column of `probabilities`."
            f" Received: {len(classes)} names for {probabilities.shape[1]} columns."
            " Pass the classes of the same model."
        )
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), len(classes))
    n, correct, called = matrix.sum(axis=1), matrix.diagonal(), matrix.sum(axis=0)
    return pd.DataFrame(
        {
            "class": list(classes),
            "n": n,
            "correct": correct,
            **_share_columns(correct, n, names=("accuracy", "low", "high")),
            "precision": np.divide(correct, called, out=np.full(len(classes), np.nan), where=called > 0),
        }
    )


def cell_members(probabilities: np.ndarray, labels: np.ndarray, true: int, predicted: int) -> np.ndarray:
    """The pictures in one cell of the confusion matrix: indices int64, the most confident prediction first.

    Equal confidences stay in the order of the pictures.
    """
    probabilities, labels = _checked(probabilities, labels)
    _checked_classes("true", [true], probabilities.shape[1])
    _checked_classes("predicted", [predicted], probabilities.shape[1])
    members = np.flatnonzero((labels == true) & (probabilities.argmax(axis=1) == predicted))
    return members[np.argsort(-probabilities[members, predicted], kind="stable")]


def most_confident_mistakes(probabilities: np.ndarray, labels: np.ndarray, count: int) -> pd.DataFrame:
    """Where the model was wrong and sure of it: at most `count` rows, the surest first.

    Columns: index (of the picture), true and predicted (label numbers), probability (given to the predicted
    class) and true_probability (given to the true one). In practice many of these carry a wrong or doubtful
    label.
    """
    probabilities, labels = _checked(probabilities, labels)
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    mistakes = np.flatnonzero(predicted != labels)
    index = mistakes[np.argsort(-confidence[mistakes], kind="stable")][: _checked_count(count)]
    return pd.DataFrame(
        {
            "index": index,
            "true": labels[index],
            "predicted": predicted[index],
            "probability": confidence[index],
            "true_probability": probabilities[index, labels[index]],
        }
    )


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Whether predictions of 80 % confidence are right 80 % of the time: a row per range of confidence.

    The confidence is the highest probability of a picture. Columns: low and high (ends of the range; a
    confidence equal to an end belongs to the range below), n (pictures in it), confidence (their mean),
    accuracy, accuracy_low and accuracy_high (95 % Wilson interval). All `bins` ranges are listed, from 0 to
    1; those without pictures have n = 0 and NaN, the lowest ones always, as the highest of k probabilities is
    at least 1 / k.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks" (2017), arXiv:1706.04599, section 2.
    """
    probabilities, labels = _checked(probabilities, labels)
    if bins != int(bins) or bins < 1:
        raise ValueError(f"`bins` must be a whole number of 1 or more. Received: bins={bins!r}. 10 is usual.")
    # A float16 row may add up to a little over 1; its confidence belongs to the highest range.
    confidence = probabilities.max(axis=1).clip(max=1.0)
    right = probabilities.argmax(axis=1) == labels
    edges = np.arange(bins + 1) / bins
    which = np.searchsorted(edges[1:], confidence, side="left")
    n = np.bincount(which, minlength=bins)
    correct = np.bincount(which[right], minlength=bins)
    total_confidence = np.bincount(which, weights=confidence, minlength=bins)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n": n,
            "confidence": np.divide(total_confidence, n, out=np.full(bins, np.nan), where=n > 0),
            **_share_columns(correct, n, names=("accuracy", "accuracy_low", "accuracy_high")),
        }
    )


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """How far confidence and accuracy lie apart, 0 to 1: the mean over rows of `reliability`, weighted by n.

    0.03 reads: a confidence is off by three percentage points on average. It depends on `bins` and is above 0
    by chance alone for few pictures, so compare only values for the same n and bins.

    Raises ValueError if there are no pictures. Source: as `reliability`, equation 3.
    """
    table = reliability(probabilities, labels, bins)
    n = table["n"].sum()
    if n == 0:
        raise ValueError(
            "A calibration error needs at least one picture. Received: n=0. Choose a split with pictures."
        )
    gap = (table["accuracy"] - table["confidence"]).abs()
    return float((gap * table["n"]).sum() / n)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with which `apply_temperature` makes these probabilities most truthful.

    It minimises the mean negative log likelihood of the labels; fit on validation data and apply to the rest.
    Above 1: the model was too sure of itself. Accurate to 0.01 %, within 0.05 and 20; at 0.05 if not one
    prediction is wrong, as more confidence is then always better, and 1.0 if no temperature changes anything.

    Raises ValueError if there are no pictures. Source: C. Guo et al. (2017), arXiv:1706.04599, section 4.2.
    """
    probabilities, labels = _checked(probabilities, labels)
    if len(labels) == 0:
        raise ValueError(
            "A temperature needs at least one picture. Received: n=0. Fit it on the validation split."
        )
    scores = np.log(probabilities.clip(min=SMALLEST_PROBABILITY))
    # Relative to the true class, whose score is then 0: the loss is the log of the sum over classes.
    scores -= scores[np.arange(len(labels)), labels][:, None]

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        highest = scaled.max(axis=1)
        return float((highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))).mean())

    # The loss is convex in 1 / T, so it has a single valley in log T too, and golden section cannot miss it.
    # Each step keeps the 0.618 of the range that holds the minimum, and one of its two inner points.
    golden = (5**0.5 - 1) / 2
    left, right = LOG_TEMPERATURE_RANGE
    inner_left, inner_right = right - golden * (right - left), left + golden * (right - left)
    loss_left, loss_right = loss(inner_left), loss(inner_right)
    while right - left > 1e-4:
        if loss_left <= loss_right:
            right, inner_right, loss_right = inner_right, inner_left, loss_left
            inner_left = right - golden * (right - left)
            loss_left = loss(inner_left)
        else:
            left, inner_left, loss_left = inner_left, inner_right, loss_right
            inner_right = left + golden * (right - left)
            loss_right = loss(inner_right)
    best = (left + right) / 2
    return float(np.exp(best)) if loss(best) < loss(0.0) else 1.0


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log(probabilities) / temperature): float64 (n, k), rows summing to 1.

    The most probable class, and with it the accuracy, stays. Above 1 the probabilities move together, at 1
    they stay, below 1 they move apart. Raises ValueError unless the temperature is above 0.
    """
    probabilities = _checked_probabilities(probabilities)
    if not 0 < temperature < np.inf:
        raise ValueError(
            f"`temperature` must be a number above 0. Received: temperature={temperature!r}."
            " 1 leaves the probabilities as they are."
        )
    scores = np.log(probabilities.clip(min=SMALLEST_PROBABILITY)) / temperature
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _normal_quantile(confidence: float) -> float:
    """How many standard deviations either side of the mean hold this share of a normal distribution."""
    if not 0 < confidence < 1:
        raise ValueError(
            f"`confidence` must be between 0 and 1. Received: confidence={confidence!r}. 0.95 is usual."
        )
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _share_columns(correct: np.ndarray, n: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of correct / n and its Wilson interval, float64, NaN where n is 0."""
    rows = [
        (count / total, *wilson_interval(count, total)) if total else (np.nan,) * 3
        for count, total in zip(correct.tolist(), n.tolist(), strict=True)
    ]
    return dict(zip(names, np.array(rows, dtype=np.float64).reshape(-1, 3).T, strict=True))


def _checked(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """probabilities as float64 (n, k) and labels as int64 (n,), or ValueError."""
    probabilities = _checked_probabilities(probabilities)
    labels = _checked_classes("labels", labels, probabilities.shape[1])
    if len(labels) != len(probabilities):
        raise ValueError(
            "`labels` must have one number for each row of `probabilities`."
            f" Received: {len(labels)} labels for {len(probabilities)} rows. Pass both for the same split."
        )
    return probabilities, labels


def _checked_probabilities(probabilities: np.ndarray) -> np.ndarray:
    probabilities = np.asarray(probabilities)
    if probabilities.ndim != 2 or probabilities.shape[1] < 1 or probabilities.dtype.kind != "f":
        raise ValueError(
            "`probabilities` must be floating-point of shape (n, k), a row per picture."
            f" Received: {probabilities.dtype} {probabilities.shape}. Pass the output of the softmax."
        )
    probabilities = probabilities.astype(np.float64)
    sums = probabilities.sum(axis=1)
    # Written so that NaN, which compares as False, is caught too.
    wrong = np.flatnonzero(~((np.abs(sums - 1) <= 0.01) & (probabilities.min(axis=1) >= 0)))
    if len(wrong):
        first = wrong[0]
        raise ValueError(
            "`probabilities` must be 0 or more and sum to 1 in each row."
            f" Received: row {first} with sum {sums[first]:.4g} and lowest {probabilities[first].min():.4g},"
            f" {len(wrong)} such rows of {len(sums)}. Pass the output of the softmax, not logits."
        )
    return probabilities


def _checked_classes(name: str, numbers: np.ndarray, num_classes: int) -> np.ndarray:
    """Class numbers as int64 (n,), or ValueError."""
    numbers = np.asarray(numbers)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError(
            f"`{name}` must be whole numbers of shape (n,). Received: {numbers.dtype} {numbers.shape}."
            " Pass class numbers, not names or one-hot rows."
        )
    numbers = numbers.astype(np.int64)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < num_classes:
        raise ValueError(
            f"`{name}` must be from 0 to {num_classes - 1}."
            f" Received: {numbers.min()} to {numbers.max()}. Pass the labels of the same dataset."
        )
    return numbers


def _checked_count(count: int) -> int:
    if count < 0:
        raise ValueError(
            f"`count` must be 0 or more. Received: count={count}. It is the largest number of rows."
        )
    return count
