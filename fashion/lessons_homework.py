"""The homework's small network in numbers, its settings, and its questions answered from the log of a run."""

import statistics
from dataclasses import dataclass

import pandas as pd

from fashion.settings import HOMEWORK_DEFAULTS, RunSettings

FILTERS, KERNEL, POOL, UNITS = 32, 3, 2, 64
SIZES = (150, 200)
PAIR = HOMEWORK_DEFAULTS.classes
"""About as many photos as the homework of 2024 had, and about as many of either class."""
NOTE = (
    "It needs the photos, reads them in every epoch, and measures the **test** photos after each one, since the homework asks for "
    "that. Do so for its questions only: whoever chooses by the test has no honest test left."
)
DIFFERENCES = (
    "As in the homework: layers, optimizer, batch size, pixels divided by 255, epochs. Otherwise than there: the photos, the middle "
    "square of each instead of the whole photo squeezed, turns of up to 50° and mirroring as there but a random cut of 90 % "
    "instead of its shifts and zoom, and an epoch leaves out its last, incomplete batch."
)


def settings(side: int, pair: str = PAIR) -> RunSettings:
    """The homework's run on photos of this side: ten epochs as they are, then ten with augmentation.

    pair: two class names with a comma between.
    """
    return HOMEWORK_DEFAULTS.replace(classes=pair, image_size=side)


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
            "Sum so far": pd.Series([row.num_parameters for row in rows]).cumsum(),
            "How they are counted": [row.count for row in rows],
        }
    )


@dataclass(frozen=True)
class Asked:
    """A question of the homework and the answer that a log gives."""

    text: str
    answer: float


def questions(log: pd.DataFrame, test: pd.DataFrame | None = None, augment_from: int = 0) -> list[Asked]:
    """The homework's questions, from a run's log with a row per epoch (columns loss, accuracy, val_loss, val_accuracy).

    test: a row per epoch with test_loss and test_accuracy, where the run measured them; otherwise the validation is asked
    about. augment_from: so many epochs were without augmentation; the others are asked about on their own.
    As in the course, the standard deviation is that of all epochs, not of a sample. ValueError without an epoch.
    """
    if log.empty:
        raise ValueError("The questions need a log with at least one epoch. Received none. Train first.")
    judged = log.rename(columns={"val_loss": "judged_loss", "val_accuracy": "judged_accuracy"})
    what = "validation"
    if test is not None and len(test) == len(log):
        what = "test"
        judged = log.assign(judged_loss=test.test_loss, judged_accuracy=test.test_accuracy)
    plain, augmented = judged[judged.epoch <= augment_from], judged[judged.epoch > augment_from]
    parts = [(part, words) for part, words in ((plain, "without"), (augmented, "with")) if len(part)]
    found = []
    for part, words in parts:
        over = _over(part, words, augment_from)
        found += [
            Asked(f"Median of training accuracy {over}", statistics.median(part.accuracy)),
            Asked(f"Standard deviation of training loss {over}", statistics.pstdev(part.loss)),
        ]
    part, words = parts[-1]
    over = _over(part, words, augment_from)
    last = part.tail(5)
    ending = "last epoch" if len(last) == 1 else f"last {len(last)} epochs"
    return [
        *found,
        Asked(f"Mean of {what} loss {over}", statistics.fmean(part.judged_loss)),
        Asked(f"Mean {what} accuracy of the {ending}", statistics.fmean(last.judged_accuracy)),
    ]


def _over(part: pd.DataFrame, words: str, augment_from: int) -> str:
    """Which epochs a question is about; words: "with" or "without"."""
    if not augment_from:
        return "over all epochs"
    return f"over {len(part)} {'epoch' if len(part) == 1 else 'epochs'} {words} augmentation"


def is_close(answer: float, right: float) -> bool:
    """Whether an answer, rounded as a person would, is the right one: to half a hundredth."""
    return abs(answer - right) <= 0.005 + 1e-9
