"""The homework's small network in numbers, and its questions answered from the log of a run. Arithmetic only."""

import statistics
from dataclasses import dataclass

import pandas as pd

FILTERS, KERNEL, POOL, UNITS = 32, 3, 2, 64
SIZES = (150, 200)


@dataclass(frozen=True)
class Row:
    """A layer: its output's shape, its parameters, and how they are counted, in words."""

    layer: str
    output: tuple[int, ...]
    num_parameters: int
    count: str


def layers(side: int) -> list[Row]:
    """The homework's network on colour photos of this side.

    >>> sum(row.num_parameters for row in layers(150))
    11215873
    """
    inside = side - KERNEL + 1  # without padding the window cannot hang over the edge
    pooled = inside // POOL
    flat = pooled * pooled * FILTERS
    kernel = KERNEL * KERNEL * 3
    return [
        Row("Photo", (side, side, 3), 0, ""),
        Row(
            "Convolution 3x3, 32 filters",
            (inside, inside, FILTERS),
            (kernel + 1) * FILTERS,
            f"({KERNEL} x {KERNEL} x 3 weights + 1 bias) x {FILTERS}",
        ),
        Row("Max pooling 2x2", (pooled, pooled, FILTERS), 0, "it only chooses"),
        Row("Flatten", (flat,), 0, f"{pooled} x {pooled} x {FILTERS} numbers in a row"),
        Row("Dense, 64 units", (UNITS,), (flat + 1) * UNITS, f"({flat:,} weights + 1 bias) x {UNITS}"),
        Row("Dense, 1 unit, sigmoid", (1,), UNITS + 1, f"{UNITS} weights + 1 bias"),
    ]


def num_parameters(side: int) -> int:
    """All parameters of the network: 11,215,873 at 150 pixels, 20,073,473 at 200."""
    return sum(row.num_parameters for row in layers(side))


def table(side: int) -> pd.DataFrame:
    """The layers with running totals, columns named for the screen."""
    rows = layers(side)
    return pd.DataFrame(
        {
            "Layer": [row.layer for row in rows],
            "Output": [" x ".join(f"{size:,}" for size in row.output) for row in rows],
            "Parameters": [row.num_parameters for row in rows],
            "How they are counted": [row.count for row in rows],
            "Sum so far": pd.Series([row.num_parameters for row in rows]).cumsum(),
        }
    )


@dataclass(frozen=True)
class Asked:
    """A question of the homework and the answer that a log gives."""

    text: str
    answer: float


def questions(log: pd.DataFrame) -> list[Asked]:
    """The homework's questions, from a run's log with a row per epoch (columns loss, accuracy, val_loss, val_accuracy).

    As in the course, the standard deviation is that of all epochs, not of a sample. ValueError without an epoch.
    """
    if log.empty:
        raise ValueError("The questions need a log with at least one epoch. Received none. Train first.")
    last = log.tail(5)
    return [
        Asked("Median of training accuracy over all epochs", statistics.median(log.accuracy)),
        Asked("Standard deviation of training loss over all epochs", statistics.pstdev(log.loss)),
        Asked("Mean of validation loss over all epochs", statistics.fmean(log.val_loss)),
        Asked(
            f"Mean validation accuracy of the last {len(last)} epochs", statistics.fmean(last.val_accuracy)
        ),
    ]


def is_close(answer: float, right: float) -> bool:
    """Whether an answer, rounded as a person would, is the right one: to half a hundredth."""
    return abs(answer - right) <= 0.005 + 1e-9
