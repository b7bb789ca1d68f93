"""Loss and accuracy on the test pictures after each epoch, of the runs that were told to watch them: `test_log.csv`.

Other runs look at the test once, at the end. Only reading; `fitting.py` writes the rows.
"""

import pandas as pd

from fashion import disk
from fashion.runs import Run

FILE = "test_log.csv"
COLUMNS = ("epoch", "test_loss", "test_accuracy")


def read(run: Run) -> pd.DataFrame:
    """A row per epoch: epoch (from 1), test_loss, test_accuracy (0 to 1). Empty where the run did not watch the test."""
    return disk.read_table(run.folder / FILE, COLUMNS)
