"""What a worker does with a run: train, then test the best epoch, export it and write its card. For worker processes only.

Fitting itself is in `fitting.py`, what pretrained networks need beside it in `transfer.py`.
"""

import dataclasses
import functools
import gc
import hashlib
import importlib.metadata
import os
import shutil
import time

import keras
import numpy as np

from fashion import (
    architectures,
    clothing,
    datasets,
    disk,
    evaluation,
    feature_store,
    machine,
    networks,
    runs,
    snapshots,
    teachers,
    transfer,
    weight_mean,
)
from fashion.batches import Batches, PhotoBatches
from fashion.errors import DataError, JobError, ModelError
from fashion.fitting import chosen, fit, save
from fashion.judging import look, predict, to_judge
from fashion.pretrained import BASES, LICENCE
from fashion.settings import FRAMEWORKS, HOMEWORK, PHOTOS, RunSettings
from fashion.worker import Reporter, StopRequested, counting

TARGETS = (0.8, 0.85, 0.9, 0.92, 0.93, 0.935, 0.94, 0.95)
# Of exported and original probabilities, on eight pictures: float16 weights move them by less than this (0.011 was the
# most seen, by a narrow MobileNetV2).
EXPORT_TOLERANCE = 0.02
_NUM_COMPARED = 8
_EXPORTED = ".model.tflite"  # until all else is done, and the card can name it
NOT_EXPORTED = "As part of an experiment it was trained and tested only, which saves most of the time. Export it if you wish."


def train(run: runs.Run, settings: RunSettings, reporter: Reporter) -> None:
    """Train from the beginning, or from `last.keras` where the run was cut off or stopped.

    Raises:
        StopRequested: A stop was asked for; the best checkpoint is in the folder.
        Diverged: The loss is no longer a number.
        FashionError: The data, the weights, the device or the framework is not there.
    """
    check_framework(settings)
    keras.backend.clear_session()  # of the run before, where one worker does several
    keras.utils.set_random_seed(settings.seed)
    keras.mixed_precision.set_global_policy(settings.precision)
    if settings.pretrained:
        transfer.train(run, settings, reporter)
        return
    data = load(settings, settings.image_size)
    split = chosen(data.train, settings)
    num_classes = len(data.info.classes)
    said = teachers.answers(run, settings, split, reporter)
    kind = PhotoBatches if settings.dataset in PHOTOS else Batches
    fit(
        run,
        settings.with_pictures(len(split)),
        reporter,
        build=lambda: networks.build(settings, data.info.image_shape, num_classes),
        batches=kind(split.images, split.labels, settings, num_classes, said),
        validation=to_judge(data.validation, settings, settings.image_size),
        test=to_judge(data.test, settings, settings.image_size),
        # Its 160 MB after each of twenty short epochs would take longer than to begin anew.
        keep_last=settings.architecture != HOMEWORK,
    )


def finish(run: runs.Run, settings: RunSettings, reporter: Reporter, export: bool = True) -> None:
    """Test the best checkpoint once, export it for prediction, and write the card.

    export: without it there is no `model.tflite`, and of a head on stored vectors `model.keras` holds the head alone:
    building a pretrained network and converting it takes ten times as long as training its head. Leaves `model.keras` (float32, uncompiled), `model.tflite`, `evaluation.npz` and `card.json`.

    Raises:
        ModelError: There is no checkpoint, or the exported model disagrees with it.
    """
    if not run.has_model:
        raise ModelError("A run needs a checkpoint before it can be tested. Received none. Start it again.")
    reporter.update(phase="testing", step=0, num_steps=0, seconds_left=None)
    gc.collect()  # the network that was trained, and its optimizer, go before the best one comes
    keras.mixed_precision.set_global_policy("float32")
    best = keras.saving.load_model(run.folder / "model.keras", compile=False, safe_mode=True)
    data = load(settings, settings.judged_size, settings.predict_fit)
    num_classes = len(data.info.classes)
    known, no_export = None, "" if export else NOT_EXPORTED
    if settings.pretrained:
        known = transfer.known_answers(settings, best, data)
        try:
            model = best if no_export and known else transfer.whole(settings, best, num_classes)
        except DataError as error:  # without the pretrained weights, a head on stored vectors is all there is
            if known is None:
                raise
            model, no_export = best, str(error)
    else:
        model = networks.build(settings, data.info.image_shape, num_classes)
        model.set_weights(best.get_weights())
    save(model, run.folder / "model.keras")
    seen = None  # the network with its vectors, and those of validation and test
    if known is not None:
        validation, test = known
    elif settings.dataset in PHOTOS:
        tell = counting(reporter, "testing", len(data.validation) + len(data.test))
        # One network for answers and vectors: two would be built, and would pass over these photos twice.
        asked = networks.with_vector(model) if settings.pretrained and not no_export else model
        validation, of_validation = look(asked, data.validation.images, settings.mirror, tell)
        test, of_test = look(asked, data.test.images, settings.mirror, tell)
        seen = asked, of_validation, of_test
    else:
        validation, test = (predict(model, split.images) for split in (data.validation, data.test))
    disk.write_arrays(
        run.folder / "evaluation.npz",
        validation_probabilities=validation.astype(np.float16),
        validation_labels=data.validation.labels,
        test_probabilities=test.astype(np.float16),
        test_labels=data.test.labels,
    )
    if not no_export:
        reporter.update(phase="exporting", step=0, num_steps=0, seconds_left=None)
    difference = None if no_export else _export(run, model, data, known and known[1][:_NUM_COMPARED])
    if settings.pretrained:
        disk.write_arrays(run.folder / "head.npz", **networks.head_arrays(model))
    rule = None
    if settings.pretrained and not no_export:
        rule = transfer.write_neighbours(run, settings, data, reporter, seen)
    if not no_export:  # not before: a run with a card of its test alone can predict from here on
        os.replace(run.folder / _EXPORTED, run.folder / "model.tflite")
    card = _card(run, settings, data, reporter, validation, test)
    card["export_difference"] = difference
    if no_export or settings.pretrained:
        card["no_export"] = no_export
    if settings.pretrained:
        card |= {"features": transfer.features_record(run)}
    if settings.mean_of:
        card["mean_of"] = weight_mean.recorded(run)
    if settings.dataset in PHOTOS:
        card["fit"] = settings.predict_fit
    if rule is not None:
        card["refusal"] = rule
    disk.write_json(run.folder / "card.json", card)


def test_epochs(job: runs.Run, reporter: Reporter) -> None:
    """Do to epochs that a run has kept what `finish` does to its best one; the run itself is not touched.

    job: as from `snapshots.create_job`. Each epoch gets a folder of its own, in the form of a run that ended with it; it is
    put in its place when it is whole.

    Raises:
        StopRequested: A stop was asked for; the epochs before are done.
        FashionError: The run or its weights are gone, or what `finish` raises.
    """
    run, epochs, export = snapshots.asked(job)
    check_framework(run.settings)
    reporter.update(num_epochs=len(epochs), num_steps=1)
    for number, epoch in enumerate(epochs):
        reason = reporter.stop_reason()
        if reason is not None:
            raise StopRequested(reason)
        keras.backend.clear_session()
        reporter.update(epoch=number, best_epoch=epoch)
        _test_epoch(job, run, epoch, reporter, export)
    reporter.update(epoch=len(epochs))


def _test_epoch(job: runs.Run, run: runs.Run, epoch: int, reporter: Reporter, export: bool) -> None:
    target = snapshots.tested_folder(run, epoch)
    if runs.Run(target).can_predict or (not export and (target / "card.json").exists()):
        return  # it would come to the same
    made = runs.Run(job.folder / target.name)
    shutil.rmtree(made.folder, ignore_errors=True)
    made.folder.mkdir()
    try:
        shutil.copyfile(snapshots.weights(run, epoch), made.folder / "model.keras")
    except FileNotFoundError:
        raise ModelError(
            f"Epoch {epoch} of {run.id} must be kept to be tested. Received: its weights are gone. Train the run again."
        ) from None
    for name in ("settings.json", "features.json", "head.json"):
        if (run.folder / name).exists():
            shutil.copyfile(run.folder / name, made.folder / name)
    log = run.log()
    disk.write_text(made.folder / "log.csv", log[log.epoch <= epoch].to_csv(index=False))
    finish(made, run.settings, reporter, export)
    if not made.can_predict:
        (made.folder / "model.keras").unlink()  # the same weights are kept beside
        words = {} if export else {"no_export": snapshots.TESTED_ONLY}
        disk.write_json(made.folder / "card.json", made.card() | {"files": {}} | words)
    status = runs.Status(state="finished", best_epoch=epoch, num_epochs=epoch, epoch=epoch)
    disk.write_json(made.folder / "status.json", dataclasses.asdict(status))
    shutil.rmtree(target, ignore_errors=True)
    os.replace(made.folder, target)


def load(settings: RunSettings, side: int, fit: str = feature_store.FIT) -> datasets.Dataset:
    """The dataset of a run; photos as squares of `side` pixels."""
    if settings.pretrained:
        return feature_store.load(settings, side, fit)
    data = clothing.load(side, fit) if settings.dataset in PHOTOS else _small_pictures(settings.dataset)
    return datasets.of_classes(data, settings.class_names)


# Unpacking and checking them takes 0.35 s; they are needed again for the test, and by the next run of a group.
_small_pictures = functools.lru_cache(maxsize=1)(datasets.load)


def _export(run: runs.Run, model: keras.Model, data, expected: np.ndarray | None) -> float:
    """Write what will be `model.tflite`; returns how far its probabilities are from `expected`, of the first test pictures."""
    from fashion import export

    path = run.folder / _EXPORTED
    try:
        pictures = data.test.images[:_NUM_COMPARED]
    except DataError:  # only the vectors of the photos are here: anything will do
        shape, expected = (_NUM_COMPARED, *data.info.image_shape), None
        pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = predict(model, pictures) if expected is None else expected
    # Few steps can leave a network in which rounding to float16 matters; in float32 the file is twice as large.
    for half in (True, False):
        disk.write_bytes(path, export.to_litert(run.folder / "model.keras", model, half))
        difference = export.difference(path, pictures, expected)
        if difference <= EXPORT_TOLERANCE:
            return difference
    path.unlink()
    raise ModelError(
        f"The exported model must agree with the trained one to {EXPORT_TOLERANCE:g} on {_NUM_COMPARED} pictures. "
        f"Received a difference of {difference:.3g}. It is not offered; model.keras is."
    )


def _card(
    run, settings: RunSettings, data, reporter: Reporter, validation: np.ndarray, test: np.ndarray
) -> dict:
    log = run.log()
    num_parameters, num_multiply_adds = architectures.cost_of(settings)
    steady = runs.steady(log)
    status = reporter.status
    startup = (status.training_started or 0.0) - (status.started or 0.0)
    return {
        "format": runs.CARD_FORMAT,
        "name": run.id,
        "created": time.strftime("%Y-%m-%d"),
        "dataset": settings.dataset,
        "data_digest": data.digest,
        "num_train": len(chosen(data.train, settings)),
        "classes": list(data.info.classes),
        "image_shape": list(data.info.image_shape),
        "mirror": settings.mirror,
        "base": _base(settings),
        "num_parameters": num_parameters,
        "num_multiply_adds": num_multiply_adds,
        "best_epoch": status.best_epoch,
        "num_epochs": len(log),
        "metrics": {
            "validation": _metrics(validation, data.validation.labels),
            "test": _metrics(test, data.test.labels),
        },
        "temperature": evaluation.fit_temperature(validation, data.validation.labels),
        "startup_seconds": startup if status.training_started else None,
        "train_seconds": float(log.seconds.sum()),
        "first_epoch_seconds": float(log.seconds.iloc[0]) if len(log) else None,
        "steady_epoch_seconds": float(steady.seconds.median()) if len(log) else None,
        "images_per_second": float(steady.images_per_second.median()) if len(log) else None,
        "seconds_to": seconds_to(
            log.iloc[:0] if settings.mean_of else log
        ),  # a mean took no training of its own
        "batch_size": settings.batch_size,
        "seed": settings.seed,
        "framework": settings.framework,
        "device": settings.device,
        "versions": {
            name: importlib.metadata.version(name) for name in ("keras", settings.framework, "numpy")
        },
        "machine": machine.describe().to_dict(),
        "files": {
            name: file_record(run.folder / name)
            for name in ("model.keras", "model.tflite")
            if (run.folder / name).exists()
        },
    }


def _base(settings: RunSettings) -> dict | None:
    """The pretrained network that the run began from, and its licence; None for a network from scratch."""
    if not settings.pretrained:
        return None
    base = BASES[settings.architecture]
    return {
        "name": settings.architecture,
        "title": base.title,
        "licence": LICENCE,
        "fine_tuned": settings.fine_tune,
    }


def _metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    result = evaluation.accuracy(probabilities, labels)
    picked = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1.0)
    return {
        "accuracy": result.value,
        "correct": result.correct,
        "n": result.n,
        "interval": [result.low, result.high],
        "loss": float(-np.log(picked).mean()),
    }


def seconds_to(log) -> dict[str, float | None]:
    """Training seconds until the end of the first epoch with at least this validation accuracy; None if never."""
    elapsed = log.seconds.cumsum()
    reached = {}
    for target in TARGETS:
        good = elapsed[log.val_accuracy >= target]
        reached[f"{target:g}"] = float(good.iloc[0]) if len(good) else None
    return reached


def file_record(path) -> dict:
    """Size and SHA-256 of a model file, for the card."""
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def check_framework(settings: RunSettings) -> None:
    """Raise JobError where this process has another framework than the run asks for, or sees no GPU for it."""
    loaded = keras.backend.backend()
    if loaded != settings.framework:
        raise JobError(
            f"This run needs the framework {FRAMEWORKS[settings.framework]}. Received a worker with {loaded}. Start it "
            "through the app or `python -m fashion train`, which set KERAS_BACKEND."
        )
    if settings.device != "cpu" and not keras.distribution.list_devices("gpu"):
        raise JobError(
            f"This run asks for {settings.device}. Received a machine on which {FRAMEWORKS[loaded]} sees no GPU. Choose the "
            "CPU, or install the GPU packages (requirements-gpu.txt)."
        )
