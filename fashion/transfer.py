"""Transfer learning: a new head on the vectors of a pretrained network, then, if asked, the pretrained layers too.

The head needs each photo's vector only, and the vectors are stored: its epochs take a fraction of a second. Once
it has converged, fine-tuning lets the pretrained layers learn with it, photo by photo. For worker processes only.
"""

import json
import time

import keras
import numpy as np
import pandas as pd

from fashion import disk, feature_store, features, neighbours, networks, refusal, runs, teachers, weight_mean
from fashion.batches import PhotoBatches, VectorBatches
from fashion.datasets import Dataset, Split
from fashion.errors import ModelError, SettingsError
from fashion.fitting import chosen, fit, normalisation_batches, save
from fashion.judging import look, loss_and_accuracy, predict, to_judge
from fashion.neighbours import Neighbours
from fashion.pretrained import weights_argument
from fashion.settings import RunSettings
from fashion.worker import Reporter, StopRequested, counting

_FEATURES_RECORD = "features.json"


def train(run: runs.Run, settings: RunSettings, reporter: Reporter) -> None:
    """Train the head, then fine-tune, from where the run stands.

    While the head is trained, `model.keras` holds the best head alone, whose input is a vector; `whole` joins it to
    its base.

    Raises: what `training.train` raises.
    """
    data = feature_store.load(settings, settings.image_size)
    split = chosen(data.train, settings)
    num_classes = len(data.info.classes)
    if settings.mean_of:
        _average(run, settings, reporter, data, split)
        return
    said = teachers.answers(run, settings, split, reporter)
    tuning = settings.fine_tune != "none"
    head_is_done = (
        run.folder / "head.json"
    )  # and how many epochs it took, since early stopping may have ended it
    if not (tuning and head_is_done.exists()):
        _train_head(run, settings, reporter, data, said)
        disk.write_json(head_is_done, {"epochs": len(run.log())})
    if not tuning:
        return
    head_epochs = json.loads(head_is_done.read_text(encoding="utf-8"))["epochs"]

    def build() -> keras.Model:
        weights = weights_argument(settings.architecture)
        model = networks.build_pretrained(settings, num_classes, weights)
        head = keras.saving.load_model(run.folder / "model.keras", compile=False, safe_mode=True)
        networks.copy_head(head, model)
        networks.set_trainable(model, settings.fine_tune)
        return model

    fit(
        run,
        settings.with_pictures(len(split)).replace(
            epochs=settings.fine_tune_epochs, learning_rate=settings.fine_tune_rate
        ),
        reporter,
        build=build,
        batches=PhotoBatches(split.images, split.labels, settings, num_classes, said),
        validation=to_judge(data.validation, settings, settings.judged_size),
        test=to_judge(data.test, settings, settings.judged_size),
        first_epoch=head_epochs,
    )


def _average(run: runs.Run, settings: RunSettings, reporter: Reporter, data: Dataset, split: Split) -> None:
    """Give the network the mean of other networks' weights, with normalisations to match, and log it as one epoch."""
    if words := weight_mean.problem(settings):
        raise SettingsError(words)
    started, names = time.perf_counter(), settings.mean_names
    disk.write_json(run.folder / weight_mean.RECORD, weight_mean.record(settings))
    reporter.update(phase="averaging", training_started=time.time(), num_epochs=1, num_steps=len(names))
    model = networks.build_pretrained(settings, len(data.info.classes))
    networks.set_trainable(model, settings.fine_tune)  # the others' normalisations stay as they are
    shapes = [weight.shape for weight in model.get_weights()]
    sums = [np.zeros(shape, np.float64) for shape in shapes]
    for number, name in enumerate(names):
        if (reason := reporter.stop_reason()) is not None:
            raise StopRequested(reason)
        one = keras.saving.load_model(weight_mean.weights(name), compile=False, safe_mode=True).get_weights()
        if [weight.shape for weight in one] != shapes:
            raise ModelError(
                f"All networks must have the same layers for the mean of their weights. Received: {name} with others. Choose "
                "another one."
            )
        for total, weight in zip(sums, one, strict=True):
            total += weight
        reporter.update(step=number + 1)
    model.set_weights([(total / len(names)).astype(np.float32) for total in sums])
    batches = PhotoBatches(split.images, split.labels, settings, len(data.info.classes))
    batches.shuffle(settings.augment_from)  # from then on photos are changed at random
    sample = batches.sample(normalisation_batches(batches, settings))
    networks.remeasure_normalisation(model, sample)
    if (reason := reporter.stop_reason()) is not None:
        raise StopRequested(reason)
    reporter.update(phase="testing", step=0, num_steps=0)  # from here on a stop is not waited for
    save(model, run.folder / "model.keras")
    seen = min(len(split), settings.batch_size * len(sample))
    learned = loss_and_accuracy(predict(model, split.images[:seen]), split.labels[:seen])
    images, labels = to_judge(data.validation, settings, settings.judged_size)
    judged = loss_and_accuracy(predict(model, images), labels)
    seconds = time.perf_counter() - started
    row = (1, *learned, *judged, 0.0, seconds, (2 * seen + len(labels)) / seconds)
    disk.write_text(run.folder / "log.csv", pd.DataFrame([row], columns=runs.LOG_COLUMNS).to_csv(index=False))
    reporter.update(epoch=1, step=0)  # none was chosen


def _train_head(
    run: runs.Run, settings: RunSettings, reporter: Reporter, data: Dataset, said: np.ndarray | None
) -> None:
    started = time.perf_counter()
    vectors = features.vectors(settings, data, reporter)
    seconds = time.perf_counter() - started
    disk.write_json(run.folder / _FEATURES_RECORD, {"source": vectors.source, "seconds": seconds})
    split = chosen(data.train, settings)
    rows = _rows(split, data)
    num_classes = len(data.info.classes)

    def build() -> keras.Model:
        # Computing vectors draws random numbers, too: so the head begins alike whether they were stored or not.
        keras.utils.set_random_seed(settings.seed)
        return networks.build_head(settings, num_classes)

    fit(
        run,
        settings.with_pictures(len(split)),
        reporter,
        build=build,
        batches=VectorBatches(vectors.train[:, rows], split.labels, settings, num_classes, said),
        validation=(vectors.validation, data.validation.labels),
        test=(vectors.test, data.test.labels),
        keep_last=False,
    )


def features_record(run: runs.Run) -> dict | None:
    """Where the vectors of a run came from ("computed", "stored" or "shipped"), and after how many seconds."""
    path = run.folder / _FEATURES_RECORD
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def known_answers(
    settings: RunSettings, best: keras.Model, data: Dataset
) -> tuple[np.ndarray, np.ndarray] | None:
    """Probabilities on validation and test from stored vectors, where these are all that the answer depends on.

    best: the head alone, or the complete network. None where a base was fine-tuned or judges otherwise than it was
    trained, or the vectors are not at hand.
    """
    if not feature_store.vectors_suffice(settings.replace(views=1)):
        return None
    vectors = feature_store.at_hand(settings.replace(views=1), data)
    if vectors is None:
        return None
    head = best
    if len(best.input_shape) == 4:
        head = networks.build_head(settings, len(data.info.classes))
        networks.copy_head(best, head)
    return predict(head, vectors.validation), predict(head, vectors.test)


def write_neighbours(
    run: runs.Run,
    settings: RunSettings,
    data: Dataset,
    reporter: Reporter,
    seen: tuple[keras.Model, np.ndarray, np.ndarray] | None,
) -> dict:
    """Keep what the finished network made of the training photos, in `neighbours.npz`, and the rule that refuses photos
    unlike all of them, which is returned for the card.

    seen: the network with its vectors, and those of validation and test; takes a pass over the training photos. None where
    the answers were told from stored vectors (`known_answers`), which will do here, too.
    """
    split = chosen(data.train, settings)
    if seen is not None:
        model, validation, test = seen
        train = look(model, split.images, tell=counting(reporter, "comparing", len(split)))[1]
    else:
        reporter.update(phase="comparing")
        vectors = feature_store.at_hand(settings.replace(views=1), data)
        train, validation, test = vectors.train[0][_rows(split, data)], vectors.validation, vectors.test
    photos = [path.stem for path in split.images.paths]
    found = Neighbours.fit(train, photos, split.labels)
    disk.write_arrays(run.folder / neighbours.FILE, **found.arrays())
    return refusal.fit(found, validation, test)


def _rows(split: Split, data: Dataset) -> np.ndarray:
    """Where the photos of `split` stand among all training photos."""
    row_of = {path: row for row, path in enumerate(data.train.images.paths)}
    return np.array([row_of[path] for path in split.images.paths])


def whole(settings: RunSettings, best: keras.Model, num_classes: int) -> keras.Model:
    """The complete network, at the size for prediction, with the weights of the best epoch.

    best: the complete network, or the head alone, which gets the pretrained base that it was trained on.

    Raises DataError if the pretrained weights are needed and not here.
    """
    side = settings.judged_size
    if len(best.input_shape) == 4:
        model = networks.build_pretrained(settings, num_classes, side=side)
        model.set_weights(best.get_weights())
    else:
        weights = weights_argument(settings.architecture)
        model = networks.build_pretrained(settings, num_classes, weights, side=side)
        networks.copy_head(best, model)
    return model
