"""Learning from the answers of other models, not from the labels alone (Hinton, Vinyals and Dean 2015, "Distilling the
Knowledge in a Neural Network").

A label says "shirt" and nothing else; a teacher says "shirt, but it might be a jacket", and is less troubled by a wrong
label. So a small network learns more from both than from labels, and one that learns from several teachers can come close to all
of them together. The teachers are asked through LiteRT, once per picture; imports nothing of Keras.
"""

import numpy as np

from fashion import disk, runs, snapshots
from fashion.datasets import Split
from fashion.errors import FashionError, ModelError, SettingsError
from fashion.predictor import Predictor
from fashion.settings import PHOTOS, RunSettings
from fashion.worker import Reporter, StopRequested, counting

SHARE = 0.5
"""How much the teachers' answers count in what the network is asked for; the rest is the label."""
FILE = "teachers.npz"
_PORTION = 32


def possible(dataset: str, classes: str) -> list[runs.Run]:
    """The shipped models, finished runs and tested epochs that can teach a network for this dataset, or two classes of it."""
    own = [one for run in runs.list_runs() for one in (run, *snapshots.tested(run).values())]
    good, _ = runs.readable([run for run in (*runs.shipped(), *own) if run.can_predict])
    return [run for run in good if _knows(run, dataset, classes)]


def problem(settings: RunSettings) -> str | None:
    """Why these settings' teachers cannot be asked here, in words; None if they can, or if there are none."""
    for name in settings.teacher_names:
        try:
            run = runs.find(name)
            if not run.can_predict:
                return f"A teacher must be a finished run with an exported model. Received: {name}. Choose another one."
            if not _knows(run, settings.dataset, settings.classes):
                return (
                    f"A teacher must know the same classes of the same dataset, {settings.dataset}. Received: {name}, which "
                    f"knows those of {run.settings.dataset}. Choose another one."
                )
        except FashionError as error:
            return f"The teacher is not here. {error}"
    return None


def _knows(run: runs.Run, dataset: str, classes: str) -> bool:
    return (run.settings.dataset, run.settings.classes) == (dataset, classes)


def answers(run: runs.Run, settings: RunSettings, split: Split, reporter: Reporter) -> np.ndarray | None:
    """What the teachers say of the pictures of `split`: the mean of their probabilities, float32 (n, classes).

    They are asked at the size and in the way in which each judges. None if there is no teacher. Their answers are kept in
    the run's folder, so that a run that goes on need not ask again.

    Raises:
        SettingsError: a teacher is gone, or does not know these classes.
        ModelError: its file is damaged.
        StopRequested: a stop was asked for.
    """
    if not settings.teacher_names:
        return None
    path = run.folder / FILE
    kept = disk.read_arrays(path, ("answers",))
    if kept is not None and len(kept["answers"]) == len(split):
        return kept["answers"].astype(np.float32)
    if words := problem(settings):
        raise SettingsError(words)
    names = settings.teacher_names
    for name in names:
        Predictor(runs.find(name))  # a damaged one is told before the others are asked
    tell, said = counting(reporter, "teachers", len(names) * len(split)), []
    for name in names:
        model = Predictor(runs.find(name))  # one at a time: each takes 100 MB
        pictures = split.images
        if settings.dataset in PHOTOS:
            pictures = pictures.at(model.image_shape[0], model.card.get("fit", "crop"))
        parts = []
        for start in range(0, len(split), _PORTION):
            if (reason := reporter.stop_reason()) is not None:
                raise StopRequested(reason)
            parts.append(model.predict(pictures[start : start + _PORTION]))
            tell(len(parts[-1]))
        said.append(np.concatenate(parts))
    mean = np.mean(said, axis=0, dtype=np.float32)
    if not np.isfinite(mean).all():
        raise ModelError("A teacher must answer with numbers. Received something else. Choose another one.")
    disk.write_arrays(path, answers=mean.astype(np.float16))
    return mean.astype(np.float16).astype(np.float32)


def targets(labels: np.ndarray, num_classes: int, said: np.ndarray | None) -> np.ndarray:
    """What the network is asked for, float32 (n, classes), each row summing to 1: labels, and what the teachers say."""
    one_hot = np.eye(num_classes, dtype=np.float32)[labels]
    return one_hot if said is None else (1 - SHARE) * one_hot + SHARE * said
