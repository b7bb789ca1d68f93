"""The time that a run may train: how much of it is gone, how far the schedule must be, and whether another step fits.

Only arithmetic on a clock. What counts is the training with its validations and checkpoints; start-up, the vectors of
photos, the final test and the export do not.
"""

import time
from collections.abc import Callable

from fashion.runs import Run


class TimeLimit:
    """The clock of one part of a run: of all of it, or of the head, or of fine-tuning.

    seconds: the limit of the run; 0 for none. before: seconds trained before this process. part_began: how many of these
    belong to earlier parts, which have a schedule of their own. clock: seconds that only grow.
    """

    def __init__(
        self,
        seconds: float,
        before: float = 0.0,
        part_began: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.seconds = seconds
        self._before, self._part_began = before, part_began
        self._clock = clock
        self._started: float | None = None

    @classmethod
    def of_run(cls, run: Run, part_began: int = 0) -> "TimeLimit":
        """The clock of a run that goes on where its tables end; part_began: how many epochs belong to earlier parts."""
        log, steps = run.log(), run.steps()
        # The table of steps counts the validations between the epochs, too.
        before = max(float(log.seconds.sum()), float(steps.seconds.max()) if len(steps) else 0.0)
        return cls(run.settings.seconds_limit, before, float(log.seconds[log.epoch <= part_began].sum()))

    def begin(self) -> None:
        """Count from now on."""
        self._started = self._clock()

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, those before this process included."""
        return self._before + (0.0 if self._started is None else self._clock() - self._started)

    @property
    def left(self) -> float:
        """Seconds until the limit, at least 0; infinite without one."""
        return max(self.seconds - self.elapsed, 0.0) if self.seconds else float("inf")

    def over(self, needed: float = 0.0) -> bool:
        """Whether what takes `needed` seconds would not end within the limit."""
        return self.left <= needed

    def progress(self, step: int, num_steps: int, reserve: float = 0.0) -> float:
        """How far the schedule should be, 0 to 1: by steps, or by time where the machine is slower than was thought.

        reserve: seconds before the limit at which the steps end, for the validation after them.
        """
        by_steps = step / max(num_steps, 1)
        if not self.seconds:
            return by_steps
        whole = max(self.seconds - reserve - self._part_began, 1e-9)
        return max(by_steps, min((self.elapsed - self._part_began) / whole, 1.0))

    def in_words(self, epoch: int, num_epochs: int) -> str:
        """Why the training ended here, for a run that did not get through all of its epochs."""
        return (
            f"The time limit of {self.seconds:g} s of training was reached in epoch {epoch} of {num_epochs}. The best "
            "epoch was kept."
        )
