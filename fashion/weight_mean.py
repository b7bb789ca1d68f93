"""One network whose weights are the mean of those of several that were fine-tuned from the same pretrained network.

Networks that began from the same place stay near each other, so the mean of their weights is a good network, too, and mostly
errs less than each of them; it costs no more than one, unlike asking all of them (a "model soup": Wortsman et al. 2022, "Model
soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time"). Here are the
rules and the record of what was put together; computing it is in `transfer.py`. Imports nothing of Keras.
"""

import json
from pathlib import Path
from typing import Any

from fashion import runs, snapshots, summary
from fashion.errors import FashionError, SettingsError
from fashion.runs import EPOCH, Run
from fashion.settings import MAX_MEAN, RunSettings

RECORD = "mean.json"
"""In the run's folder: what was put together, as from `record`."""
_SAME = ("dataset", "classes", "architecture", "inner_width", "framework", "fine_tune")


def settings_of(names: list[str]) -> RunSettings:
    """The settings of a run that makes the mean of these runs, or epochs of runs: those of the first, without what only
    concerns its training.

    Raises:
        RunError: There is no such run, or it is damaged.
        SettingsError: There are too few or too many, or they do not fit together.
    """
    first = _run(names[0]).settings if names else RunSettings()
    settings = first.replace(mean_of=",".join(names), teachers="", snapshots=False, watch_test=False)
    if words := problem(settings):
        raise SettingsError(words)
    return settings


def problem(settings: RunSettings) -> str | None:
    """Why these networks cannot be put together here, in words; None if they can, or if no mean is asked for."""
    for name in settings.mean_names:
        try:
            run = _run(name)
            if not weights(name).exists():
                return f"The weights of {name} must be kept. Received: they are gone. Choose another run, or another of its epochs."
            other = run.settings
        except FashionError as error:
            return f"A network whose weights should count is not here. {error}"
        if not other.pretrained or other.fine_tune == "none":
            return (
                f"A mean of weights is for fine-tuned pretrained networks. Received: {name}, which is none: networks that began "
                "from different random numbers have nothing in common, weight by weight. Choose another one."
            )
        if not other.mean_of and not _tuned(run, snapshots.epoch_of(name)):
            return (
                f"A mean of weights is for networks whose pretrained layers have learned, too. Received: {name}, in which only the "
                "head had. Choose another run, or a later one of its epochs."
            )
        for field in _SAME:
            if getattr(other, field) != getattr(settings, field):
                return (
                    f"Networks must be alike for the mean of their weights. Received: {name} with {field} "
                    f"{getattr(other, field)}, beside {getattr(settings, field)}. Choose another one."
                )
    return None


def weights(name: str) -> Path:
    """The file with the weights of a run's best epoch, or of the epoch that is named; it need not be there."""
    run, epoch = _run(name), snapshots.epoch_of(name)
    return run.folder / "model.keras" if epoch is None else snapshots.weights(run, epoch)


def record(settings: RunSettings) -> list[dict[str, Any]]:
    """What is put together: for each network its name, epoch (None where not told), validation accuracy after it, seconds of
    training and settings. Raises RunError where one is damaged."""
    made = []
    for name in settings.mean_names:
        run = _run(name)
        card, log = run.card() or {}, run.log()
        epoch = snapshots.epoch_of(name) or card.get("best_epoch")
        after = log.val_accuracy[log.epoch == epoch]
        made.append(
            {
                "name": name,
                "epoch": epoch,
                "validation_accuracy": float(after.iloc[0]) if len(after) else None,
                "train_seconds": float(log.seconds.sum()),
                "settings": run.settings.to_json(),
            }
        )
    return made


def recorded(run: Run) -> list[dict[str, Any]]:
    """The record in a run's folder, for its card. Raises OSError or ValueError where it is gone or damaged."""
    return json.loads((run.folder / RECORD).read_text(encoding="utf-8"))


def _tuned(run: Run, epoch: int | None) -> bool:
    """Whether fine-tuning had begun when this epoch ended; None is the best one."""
    head = summary.head_epochs(run)
    if epoch is None:
        epoch = (run.card() or {}).get("best_epoch") or run.stored_status().best_epoch
    return head is not None and epoch is not None and epoch > head


def _run(name: str) -> Run:
    """The run of this name, or of the epoch of this name, which need not have been tested."""
    return runs.find(name.partition(EPOCH)[0])


def fits(several: list[Run]) -> bool:
    """Whether the mean of these finished runs could be made; for offering it at all."""
    if not 2 <= len(several) <= MAX_MEAN:
        return False
    try:
        settings_of([run.id for run in several])
    except FashionError:
        return False
    return True
