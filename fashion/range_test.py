"""The learning-rate range test: what a run recorded whose rate rose step by step, and the rate that it suggests.

After Smith 2015, "Cyclical Learning Rates for Training Neural Networks" (section 3.3). Tables and arithmetic only.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion import disk
from fashion.runs import Run

FILE = "range.csv"
COLUMNS = ("step", "learning_rate", "loss")
EXPLODED = 4.0
"""The test ends when the smoothed loss is so many times its least value."""
_MEMORY = 0.9  # of the moving average: about ten batches
_WRITE_EVERY = 10  # steps
_FIRST_STEPS = 5  # too few for an average
_LEAST_FALL = 0.95  # to so much of where it began, or it is chance


def read(run: Run) -> pd.DataFrame:
    """A row per step: step (from 1), learning_rate, loss (mean of that batch), smoothed (moving average of the loss).

    Empty where the run is no range test, or has not begun.
    """
    table = disk.read_table(run.folder / FILE, COLUMNS)
    return table.assign(smoothed=smoothed(table.loss.to_numpy(float)))


def smoothed(losses: np.ndarray) -> np.ndarray:
    """The moving average of the losses (n,), corrected for its beginning, as in Adam."""
    average, values = 0.0, []
    for number, loss in enumerate(losses, 1):
        average = _MEMORY * average + (1 - _MEMORY) * loss
        values.append(average / (1 - _MEMORY**number))
    return np.array(values)


class Recording:
    """The steps of a range test under way, written as they come; for the worker."""

    def __init__(self, run: Run):
        self.run = run
        self._rows: list[tuple[int, float, float]] = []
        self._average, self._least = 0.0, np.inf

    def add(self, rate: float, loss: float) -> bool:
        """Take down a step, its learning rate and the loss of its batch; whether the loss has exploded."""
        if not np.isfinite(loss):
            return True
        self._rows.append((len(self._rows) + 1, rate, loss))
        number = len(self._rows)
        self._average = _MEMORY * self._average + (1 - _MEMORY) * loss
        now = self._average / (1 - _MEMORY**number)
        if number >= _FIRST_STEPS:
            self._least = min(self._least, now)
        if number % _WRITE_EVERY == 0:
            self.write()
        return now > EXPLODED * self._least

    def write(self) -> None:
        """Replace the file with what there is."""
        lines = [f"{step},{rate:.6g},{loss:.6g}" for step, rate, loss in self._rows]
        disk.write_text(self.run.folder / FILE, "\n".join([",".join(COLUMNS), *lines, ""]))


@dataclass(frozen=True)
class Suggestion:
    """What a range test says about the learning rate.

    steepest: where the smoothed loss falls fastest per tenfold of the rate; least: where it is lowest. exploded: whether
    it rose to `EXPLODED` times its least value before the rate's end, `last`.
    """

    steepest: float
    least: float
    last: float
    exploded: bool

    @property
    def rate(self) -> float:
        """The suggested rate: that of the steepest place, to one digit."""
        return float(f"{self.steepest:.0e}")


def suggest(table: pd.DataFrame) -> Suggestion | None:
    """The suggestion of a test, `table` as from `read`; None where the loss never fell, or there are too few steps."""
    if len(table) < 2 * _FIRST_STEPS:
        return None
    rates, losses = table.learning_rate.to_numpy(), table.smoothed.to_numpy()
    least = int(losses[_FIRST_STEPS:].argmin()) + _FIRST_STEPS
    if least < 2 * _FIRST_STEPS or losses[least] > _LEAST_FALL * losses[_FIRST_STEPS - 1]:
        return None
    slope = np.gradient(losses[: least + 1], np.log10(rates[: least + 1]))
    steepest = int(slope[_FIRST_STEPS:].argmin()) + _FIRST_STEPS
    if slope[steepest] >= 0:
        return None
    exploded = bool(losses[-1] > 0.9 * EXPLODED * losses[least])
    return Suggestion(float(rates[steepest]), float(rates[least]), float(rates[-1]), exploded)


def in_words(found: Suggestion | None) -> str:
    """The suggestion in two or three sentences."""
    if found is None:
        return (
            "The loss did not fall clearly in this test, or it had too few steps to tell, so it suggests no rate. Try more epochs, "
            "or another network."
        )
    end = (
        f"at {found.last:.2g} it had exploded, and the test ended"
        if found.exploded
        else f"up to {found.last:.2g}, the last rate with a loss in numbers, it had not exploded"
    )
    return (
        f"The loss falls fastest at a learning rate of **{found.steepest:.1g}** and is lowest at {found.least:.1g}; {end}. So "
        f"{found.rate:g} is a good first try. The test finds the right power of ten, no more: its losses are those of single "
        "batches, and each step begins where the last one ended."
    )
