"""Every epoch of a run, kept on request: which weights there are, what they take on disk, and which epochs were tested.

`<run>/snapshots/epoch-007.keras` is what was validated after epoch 7, averaged weights included, written by `fitting.py`.
A tested epoch has a folder beside it, in the form of a run (card, answers, exported model), written by a job of its own:
see `training.test_epochs`. No Keras here.
"""

import re
import shutil
from pathlib import Path

import pandas as pd

from fashion import architectures, comparison, disk, evaluation, runs, summary
from fashion.errors import FashionError, JobError, RunError
from fashion.runs import EPOCH, Run
from fashion.settings import RunSettings
from fashion.summary import RunSummary

REQUEST = "snapshot.json"
"""The file of a job that tests epochs: which run, which epochs, and whether to export them."""
LIMIT_BYTES = 500e6
"""What the snapshots of one run may take."""
# Measured: the description of a small network's layers, and of a pretrained one's.
_FILE_BYTES, _PRETRAINED_FILE_BYTES = 60e3, 1.5e6
_NUMBER_BYTES = 4
TESTED_ONLY = "This epoch was tested only. Export it from the epochs of its run."
_WEIGHTS = re.compile(r"epoch-([0-9]{3,4})\.keras")


# What is on disk


def folder(run: Run) -> Path:
    """Where the epochs of a run are kept; it need not be there."""
    return run.folder / "snapshots"


def weights(run: Run, epoch: int) -> Path:
    """Where the weights after an epoch, counted from 1, are kept; they need not be there."""
    return folder(run) / f"epoch-{epoch:03d}.keras"


def tested_folder(run: Run, epoch: int) -> Path:
    """The folder of a tested epoch; its name is unique among all runs, so that links can name it."""
    return folder(run) / f"{run.id}{EPOCH}{epoch:03d}"


def kept(run: Run) -> list[int]:
    """The epochs whose weights are kept, in order."""
    found = (_WEIGHTS.fullmatch(path.name) for path in folder(run).glob("epoch-*.keras"))
    return sorted(int(match[1]) for match in found if match)


def tested(run: Run) -> dict[int, Run]:
    """The epochs that were tested, in order, each as a run of its own."""
    found = {
        epoch_of(path.parent.name): Run(path.parent)
        for path in folder(run).glob(f"{run.id}{EPOCH}*/card.json")
    }
    return {epoch: found[epoch] for epoch in sorted(filter(None, found))}


def epoch_of(name: str) -> int | None:
    """The epoch that this id names, or None where it is that of a whole run."""
    _, _, epoch = name.partition(EPOCH)
    return int(epoch) if epoch.isdecimal() else None


def used_bytes(run: Run) -> int:
    """What the snapshots of a run take on disk, tested epochs included."""
    return sum(path.stat().st_size for path in folder(run).rglob("*") if path.is_file())


def forget_after(run: Run, epoch: int) -> None:
    """Delete the later epochs, since they are trained again; 0: all of them."""
    for other in {*kept(run), *tested(run)}:
        if other > epoch:
            weights(run, other).unlink(missing_ok=True)
            shutil.rmtree(tested_folder(run, other), ignore_errors=True)


def delete(run: Run) -> None:
    """Delete all snapshots; the run keeps its best epoch. Raises RunError while they are being written or tested."""
    job = job_of(run)
    if run.shipped or run.status().active or (job is not None and job.status().active):
        raise RunError(
            f"Only the snapshots of a run of yours that has ended can be deleted. Received: {run.id}, at work. Wait, or stop it."
        )
    shutil.rmtree(folder(run), ignore_errors=True)
    _forget_jobs(run)


# What they will take


def needed_bytes(settings: RunSettings) -> float:
    """What the snapshots of all epochs will take; of a new head on stored vectors, only the head is kept."""
    rows = architectures.table(
        architectures.layers_of(settings, architectures.num_classes(settings)),
        architectures.input_shape(settings),
    )
    whole = sum(row.num_parameters for row in rows)
    if not settings.pretrained:
        return settings.epochs * (whole * _NUMBER_BYTES + _FILE_BYTES)
    head = whole - rows[0].num_parameters  # the first row is the pretrained base
    tuning = settings.num_epochs - settings.epochs
    return settings.epochs * (head * _NUMBER_BYTES + _FILE_BYTES) + tuning * (
        whole * _NUMBER_BYTES + _PRETRAINED_FILE_BYTES
    )


def refusal(settings: RunSettings, free_bytes: float | None = None) -> str | None:
    """Why every epoch of this run cannot be kept, and what to do; None if they can, or need not be.

    free_bytes: space on the disk; half of it must be left.
    """
    if not settings.snapshots:
        return None
    need = needed_bytes(settings)
    limit = min(LIMIT_BYTES, LIMIT_BYTES if free_bytes is None else free_bytes / 2)
    if need <= limit:
        return None
    why = "are allowed for one run" if limit == LIMIT_BYTES else "are half of what the disk has left"
    return (
        f"The snapshots of all epochs must fit into the {limit / 1e6:,.0f} MB that {why}. Received settings whose "
        f"{settings.num_epochs} epochs need about {need / 1e6:,.0f} MB. Switch off “keep every epoch”, or choose fewer epochs "
        "or a smaller network."
    )


def check(settings: RunSettings, free_bytes: float | None = None) -> None:
    """Raise JobError where `refusal` has something to say."""
    words = refusal(settings, free_bytes)
    if words:
        raise JobError(words)


# Testing them, as a job of its own, so that the run itself is not touched


def create_job(run: Run, epochs: list[int], export: bool, visitor: str = "") -> Run:
    """A new queued job that tests these epochs of a run, and exports them for prediction if asked; for the queue.

    Raises:
        JobError: There are none, the weights of one are not kept, or another such job of this run is not done yet.
        RunError: The disk refuses.
    """
    missing = sorted(set(epochs) - set(kept(run)))
    if missing or not epochs:
        raise JobError(
            f"Only epochs that were kept can be tested. Received: {', '.join(map(str, missing)) or 'none'}. Choose among those "
            "that are listed."
        )
    job = job_of(run)
    if job is not None and job.status().active:
        raise JobError(
            "Epochs of one run are tested one job at a time. Received another. Wait for it to finish."
        )
    _forget_jobs(run)
    content = {"run": run.id, "epochs": sorted(set(epochs)), "export": export}
    return runs.create_job("snapshot", REQUEST, content, visitor=visitor, task="snapshot")


def job_of(run: Run) -> Run | None:
    """The newest job that tests epochs of this run, or None."""
    return next((job for job in runs.list_runs(kind="snapshot") if _request(job).get("run") == run.id), None)


def _forget_jobs(run: Run) -> None:
    """Delete the ended jobs of this run, and of runs that are gone."""
    for job in runs.list_runs(kind="snapshot"):
        name = _request(job).get("run")
        if not job.status().active and (name == run.id or not (runs.runs_folder() / str(name)).is_dir()):
            shutil.rmtree(job.folder, ignore_errors=True)


def asked(job: Run) -> tuple[Run, list[int], bool]:
    """What a job is to do: the run, its epochs, and whether to export them. Raises RunError where the run is gone."""
    values = _request(job)
    epochs = [epoch for epoch in values.get("epochs", []) if isinstance(epoch, int)]
    return runs.find(str(values.get("run", ""))), epochs, values.get("export") is True


def _request(job: Run) -> dict:
    return disk.read_object(job.folder / REQUEST)


# What they came to


def summaries(run: Run) -> dict[int, RunSummary]:
    """The tested epochs in short; damaged ones are left out."""
    found = {}
    for epoch, one in tested(run).items():
        try:
            found[epoch] = summary.summarise(one)
        except FashionError:
            continue
    return found


def table(one: RunSummary) -> pd.DataFrame:
    """A row per epoch, with columns named for the screen; accuracies in percent, 0 to 100, missing where not tested.

    The best epoch was tested by the run itself.
    """
    found, here = summaries(one.run), set(kept(one.run))
    log = one.run.log()
    n = one.validation.n if one.validation else 0
    rows = []
    for epoch, accuracy in zip(log.epoch.astype(int), log.val_accuracy, strict=True):
        best = epoch == one.best_epoch
        judged = one if best else found.get(epoch)
        test = judged.test if judged else None
        low, high = evaluation.wilson_interval(round(accuracy * n), n)
        rows.append(
            {
                "Epoch": epoch,
                "": "best" if best else "last" if epoch == len(log) else "",
                "Validation": 100 * accuracy,
                "Test": 100 * test.value if test else None,
                "Validation, 95 %": f"{low:.1%} to {high:.1%}" if n else None,
                "Test, 95 %": f"{test.low:.1%} to {test.high:.1%}" if test else None,
                "Kept": best or epoch in here,
            }
        )
    return pd.DataFrame(rows).astype({"Validation": "float64", "Test": "float64"}) if rows else pd.DataFrame()


def best_against_last(one: RunSummary) -> str:
    """Whether keeping the best epoch paid, on the same test pictures, in words; or what is missing to tell."""
    last = len(one.run.log())
    if not one.best_epoch or one.test is None:
        return "The best epoch has not been tested yet."
    if one.best_epoch == last:
        return f"The last epoch, {last}, was the best on validation, so there is nothing to compare it with."
    other = summaries(one.run).get(last)
    if other is None:
        return f"Best against last: test epoch {last}, and it is compared with epoch {one.best_epoch} here."
    try:
        said = comparison.of_runs(other, one)
    except FashionError as error:
        return str(error)
    words = comparison.in_words(said, f"the last epoch ({last})", f"the best epoch ({one.best_epoch})")
    return words[0].upper() + words[1:]
