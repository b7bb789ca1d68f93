"""What a worker does with Keras: fit, keep the best, then test and export it. For worker processes only.

Augmentation and batching happen in NumPy on uint8 arrays; scaling happens inside the network. So the same code
serves TensorFlow, PyTorch and JAX, and what is saved is the network alone, made of Keras' own layers.
"""

import contextlib
import csv
import hashlib
import importlib.metadata
import io
import os
import time

import keras
import numpy as np

from fashion import architectures, datasets, evaluation, machine, networks, runs
from fashion.augmentation import Augmentation
from fashion.errors import JobError, ModelError
from fashion.settings import FRAMEWORKS, RunSettings, learning_rate_at
from fashion.worker import Diverged, Reporter, StopRequested

NUM_PROBES = 12
TARGETS = (0.8, 0.85, 0.9, 0.92, 0.93, 0.935, 0.94, 0.95)
# Of exported and original probabilities, on eight pictures: float16 weights move them by less than this.
EXPORT_TOLERANCE = 0.01
_EVALUATION_BATCH = 500
# Some four thousand pictures at the usual batch size: enough for means and variances over many positions each.
_NORMALISATION_BATCHES = 32
# A rough speed, only to decide how many steps run between two looks at the stop file.
_ASSUMED_MULTIPLY_ADDS_PER_SECOND = 3e10
_SECONDS_PER_CALL = 0.2


class Batches(keras.utils.PyDataset):
    """The training pictures, shuffled anew for each epoch from (seed, epoch), so that a resumed run sees the same.

    A batch is (uint8 pictures, float32 one-hot labels); the incomplete last batch of an epoch is left out.
    """

    def __init__(self, split: datasets.Split, settings: RunSettings, num_classes: int):
        super().__init__(workers=1, max_queue_size=8)
        self.images = split.images
        self.targets = np.eye(num_classes, dtype=np.float32)[split.labels]
        self.settings = settings
        self.augmentation = Augmentation(
            flip=settings.flip,
            shift=settings.shift,
            rotate=settings.rotate,
            zoom=settings.zoom,
            erase=settings.erase,
        )
        self.shuffle(epoch=0)

    def shuffle(self, epoch: int) -> None:
        """Put the pictures into the order of this epoch, counted from 0."""
        self.epoch = epoch
        self._order = np.random.default_rng((self.settings.seed, epoch)).permutation(len(self.images))

    def __len__(self) -> int:
        return len(self.images) // self.settings.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.settings.batch_size
        chosen = self._order[index * size : (index + 1) * size]
        images = self.images[chosen]
        if not self.augmentation.none:
            images = self.augmentation(images, np.random.default_rng((self.settings.seed, self.epoch, index)))
        return images, self.targets[chosen]

    def sample(self, count: int) -> list[np.ndarray]:
        """The pictures of this epoch's first batches, augmented as in training."""
        return [self[index][0] for index in range(min(count, len(self)))]


class Recorder(keras.callbacks.Callback):
    """Writes what happens into the run folder: steps, epochs, probe pictures, checkpoints. Stops when asked.

    Validation is done here rather than by `fit`, since its probabilities also give the probe pictures, and since
    averaged weights are swapped in for it and for the best checkpoint.
    """

    def __init__(
        self,
        run: runs.Run,
        settings: RunSettings,
        reporter: Reporter,
        batches: Batches,
        data: datasets.Dataset,
    ):
        super().__init__()
        self.run, self.settings, self.reporter = run, settings, reporter
        self.batches = batches
        self.steps_per_epoch = len(batches)
        self.num_steps = self.steps_per_epoch * settings.epochs
        self.validation = data.validation
        self.probe_indices = probe_indices(data.validation.labels)
        self.averaging = keras.callbacks.SwapEMAWeights() if settings.averaging else None
        log = run.log()
        self.epoch = len(log)
        self.best_accuracy = float(log.val_accuracy.max()) if len(log) else -1.0
        self.best_epoch = int(log.epoch[log.val_accuracy.idxmax()]) if len(log) else None
        self.stop_reason: str | None = None
        self._elapsed_before = float(log.seconds.sum()) if len(log) else 0.0
        self._validation_seconds = 0.0

    @property
    def complete(self) -> bool:
        """Whether all epochs are done, or so many without a better one that the settings say to stop."""
        patience = self.settings.patience
        waited = self.epoch - (self.best_epoch or 0)
        return self.epoch >= self.settings.epochs or (patience > 0 and waited >= patience)

    def on_train_begin(self, logs=None) -> None:
        if self.averaging:
            self.averaging.set_model(self.model)
        self._train_started = time.perf_counter()
        self._last_written = (0.0, 0, 0.0, 0.0)
        self.reporter.update(
            phase="training",
            training_started=time.time(),
            epoch=self.epoch,
            num_epochs=self.settings.epochs,
            num_steps=self.steps_per_epoch,
            best_epoch=self.best_epoch,
        )

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.batches.shuffle(self.epoch)
        # Keras' checkpoints do not hold how far dropout's random numbers got: begun anew from (seed, layer, epoch),
        # a resumed run drops what the uninterrupted one would have dropped.
        for number, layer in enumerate(self.model.layers):
            if isinstance(layer, keras.layers.Dropout) and layer.rate:
                layer.seed_generator.state.assign([self.settings.seed + number, self.epoch * 2**20])
        self._epoch_started = time.perf_counter()
        # (seconds into the epoch, steps, loss sum, accuracy sum) at the last written row
        self._last_written = (0.0, 0, 0.0, 0.0)

    def on_train_batch_begin(self, batch, logs=None) -> None:
        if self.settings.schedule != "constant":
            step = self.epoch * self.steps_per_epoch + batch
            if self.settings.framework == "jax":
                self.model.jax_state_sync()  # within an epoch JAX computes on a copy of the optimizer's variables
            self.model.optimizer.learning_rate = learning_rate_at(self.settings, step, self.num_steps)

    def on_train_batch_end(self, batch, logs=None) -> None:
        # Keras counts whole calls: the last of an epoch may hold fewer steps than the number says.
        steps = min(batch + 1, self.steps_per_epoch)
        if not np.isfinite(logs["loss"]):
            raise self._diverged(f"step {steps}", float(logs["loss"]))
        self._write_step(steps, logs)
        self.stop_reason = self.reporter.stop_reason()
        if self.stop_reason is not None:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None) -> None:
        seconds = time.perf_counter() - self._epoch_started
        if self.stop_reason is not None:
            # An unfinished epoch counts only when there is nothing else to keep.
            if self.best_epoch is None:
                self._validate_and_keep(best_epoch=0)
            return
        started = time.perf_counter()
        with self._averaged():
            loss, accuracy = self._validate_and_keep(best_epoch=self.epoch + 1)
        self._validation_seconds = time.perf_counter() - started
        self.epoch += 1
        num_images = self.steps_per_epoch * self.settings.batch_size
        row = {
            "epoch": self.epoch,
            "loss": float(logs["loss"]),
            "accuracy": float(logs["accuracy"]),
            "val_loss": loss,
            "val_accuracy": accuracy,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": seconds,
            "images_per_second": num_images / seconds,
        }
        _append(self.run.folder / "log.csv", runs.LOG_COLUMNS, row)
        save(self.model, self.run.folder / "last.keras")
        self.reporter.update(epoch=self.epoch, step=0, best_epoch=self.best_epoch)
        self.model.stop_training = self.complete

    @contextlib.contextmanager
    def _averaged(self):
        """Inside, the model has its averaged weights (if the settings ask for them), with normalisations to match."""
        if self.averaging is None:
            yield
            return
        self.averaging.on_test_begin()
        before = networks.remeasure_normalisation(self.model, self.batches.sample(_NORMALISATION_BATCHES))
        yield
        networks.restore_normalisation(before)
        self.averaging.on_test_end()

    def _validate_and_keep(self, best_epoch: int) -> tuple[float, float]:
        """Validation loss and accuracy; saves the model if it is the best so far."""
        probabilities = predict(self.model, self.validation.images)
        if not np.isfinite(probabilities).all():  # the loss is taken before the step that spoils the weights
            raise self._diverged("validation", float("nan"))
        labels = self.validation.labels
        picked = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1.0)
        accuracy = float((probabilities.argmax(axis=1) == labels).mean())
        self._write_probes(probabilities[self.probe_indices])
        if accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch = accuracy, best_epoch
            save(self.model, self.run.folder / "model.keras")
        return float(-np.log(picked).mean()), accuracy

    def _diverged(self, place: str, loss: float) -> Diverged:
        kept = "The best epoch so far is kept." if self.best_epoch is not None else "No epoch was finished."
        return Diverged(
            f"The loss must stay a number. It became {loss} in epoch {self.epoch + 1}, {place}: the steps are too "
            f"large. Use a smaller learning rate than {self.settings.learning_rate:g}, e.g. a tenth of it. {kept}"
        )

    def _write_probes(self, probabilities: np.ndarray) -> None:
        before = self.run.probes()
        kept = before["probabilities"][: self.epoch] if before else probabilities[None][:0]
        together = np.concatenate([kept, probabilities[None]]).astype(np.float16)
        _save_arrays(self.run.folder / "probes.npz", indices=self.probe_indices, probabilities=together)

    def _write_step(self, steps: int, logs: dict) -> None:
        """Progress, and a row of the live curve: means since the last row, since Keras' are means since the epoch began."""
        seconds = time.perf_counter() - self._epoch_started
        last_seconds, last_steps, last_loss, last_accuracy = self._last_written
        elapsed = self._elapsed_before + time.perf_counter() - self._train_started
        # At most four rows a second, and some five hundred in a long run.
        if seconds - last_seconds < max(0.25, elapsed / 500) and steps < self.steps_per_epoch:
            return
        loss_sum, accuracy_sum = float(logs["loss"]) * steps, float(logs["accuracy"]) * steps
        count = steps - last_steps
        rate = count * self.settings.batch_size / (seconds - last_seconds)
        row = {
            "step": self.epoch * self.steps_per_epoch + steps,
            "epoch": self.epoch + steps / self.steps_per_epoch,
            "seconds": elapsed,
            "loss": (loss_sum - last_loss) / count,
            "accuracy": (accuracy_sum - last_accuracy) / count,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "images_per_second": rate,
        }
        _append(self.run.folder / "steps.csv", runs.STEP_COLUMNS, row)
        self._last_written = (seconds, steps, loss_sum, accuracy_sum)
        epochs_left = self.settings.epochs - self.epoch - steps / self.steps_per_epoch
        left = epochs_left * self.steps_per_epoch * self.settings.batch_size / rate
        left += np.ceil(epochs_left) * self._validation_seconds
        self.reporter.update(step=steps, images_per_second=rate, seconds_left=float(left))


def train(run: runs.Run, settings: RunSettings, reporter: Reporter) -> None:
    """Train from scratch, or from `last.keras` where the run was cut off or stopped.

    Raises:
        StopRequested: A stop was asked for; the best checkpoint is in the folder.
        Diverged: The loss is no longer a number.
        FashionError: The data, the device or the framework is not there.
    """
    check_framework(settings)
    keras.utils.set_random_seed(settings.seed)
    if settings.precision != "float32":
        keras.mixed_precision.set_global_policy(settings.precision)
    data = datasets.load(settings.dataset)
    num_classes = len(data.info.classes)
    split = first_images(data.train, settings.num_train)
    batches = Batches(split, settings, num_classes)
    steps_per_call = choose_steps_per_call(settings, data, len(batches))
    checkpoint = run.folder / "last.keras"
    if checkpoint.exists():
        model = keras.saving.load_model(checkpoint, safe_mode=True)
        model.steps_per_execution = steps_per_call
        _forget_after(run, int(model.optimizer.iterations) // len(batches))
    else:
        for name in ("log.csv", "steps.csv", "probes.npz", "model.keras"):
            (run.folder / name).unlink(missing_ok=True)
        model = networks.build(settings, data.info.image_shape, num_classes)
        networks.compile_for_training(model, settings, num_classes, steps_per_call)
    recorder = Recorder(run, settings, reporter, batches, data)
    if recorder.complete:
        return
    (run.folder / "card.json").unlink(missing_ok=True)  # of an earlier stop; it speaks of another best epoch
    model.fit(
        batches,
        epochs=settings.epochs,
        initial_epoch=recorder.epoch,
        callbacks=[recorder],
        shuffle=False,  # the batches are shuffled already; Keras would draw their order from a generator of its own
        verbose=0,
    )
    if recorder.stop_reason is not None:
        raise StopRequested(recorder.stop_reason)


def finish(run: runs.Run, settings: RunSettings, reporter: Reporter) -> None:
    """Test the best checkpoint once, export it for prediction, and write the card.

    Leaves `model.keras` (float32, uncompiled), `model.tflite`, `evaluation.npz` and `card.json`.

    Raises:
        ModelError: There is no checkpoint, or the exported model disagrees with it.
    """
    if not run.has_model:
        raise ModelError("A run needs a checkpoint before it can be tested. Received none. Start it again.")
    reporter.update(phase="testing", seconds_left=None)
    data = datasets.load(settings.dataset)
    keras.mixed_precision.set_global_policy("float32")
    best = keras.saving.load_model(run.folder / "model.keras", compile=False, safe_mode=True)
    model = networks.build(settings, data.info.image_shape, len(data.info.classes))
    model.set_weights(best.get_weights())
    save(model, run.folder / "model.keras")
    validation, test = predict(model, data.validation.images), predict(model, data.test.images)
    _save_arrays(
        run.folder / "evaluation.npz",
        validation_probabilities=validation.astype(np.float16),
        validation_labels=data.validation.labels,
        test_probabilities=test.astype(np.float16),
        test_labels=data.test.labels,
    )
    reporter.update(phase="exporting")
    from fashion import export

    runs.write_bytes(run.folder / "model.tflite", export.to_litert(run.folder / "model.keras", model))
    difference = export.difference(run.folder / "model.tflite", data.test.images[:8], test[:8])
    if not difference <= EXPORT_TOLERANCE:
        (run.folder / "model.tflite").unlink()
        raise ModelError(
            f"The exported model must agree with the trained one to {EXPORT_TOLERANCE:g} on eight pictures. "
            f"Received a difference of {difference:.3g}. It is not offered; model.keras is."
        )
    card = _card(run, settings, data, reporter, validation, test)
    card["export_difference"] = difference
    runs.write_json(run.folder / "card.json", card)


def _card(
    run, settings: RunSettings, data, reporter: Reporter, validation: np.ndarray, test: np.ndarray
) -> dict:
    log = run.log()
    num_parameters, num_multiply_adds = architectures.cost_of(settings, (*data.info.image_shape[:2], 1))
    steady = log.seconds[1:] if len(log) > 1 else log.seconds
    status = reporter.status
    startup = (status.training_started or 0.0) - (status.started or 0.0)
    return {
        "format": runs.CARD_FORMAT,
        "name": run.id,
        "created": time.strftime("%Y-%m-%d"),
        "dataset": settings.dataset,
        "data_digest": data.digest,
        "num_train": min(settings.num_train, len(data.train)),
        "classes": list(data.info.classes),
        "image_shape": list(data.info.image_shape),
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
        "steady_epoch_seconds": float(steady.median()) if len(log) else None,
        "images_per_second": float(log.images_per_second.median()) if len(log) else None,
        "seconds_to": seconds_to(log),
        "batch_size": settings.batch_size,
        "seed": settings.seed,
        "framework": settings.framework,
        "device": settings.device,
        "versions": {
            name: importlib.metadata.version(name) for name in ("keras", settings.framework, "numpy")
        },
        "machine": machine.describe().to_dict(),
        "files": {name: file_record(run.folder / name) for name in ("model.keras", "model.tflite")},
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


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Probabilities float32 (n, classes) for raw pictures uint8 (n, h, w)."""
    return np.asarray(model.predict(images, batch_size=_EVALUATION_BATCH, verbose=0), dtype=np.float32)


def save(model: keras.Model, path) -> None:
    """Save in one step: the old checkpoint stays until the new one is whole on disk."""
    beside = path.with_name(f".{path.name}.new.keras")
    try:
        model.save(beside)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def probe_indices(labels: np.ndarray) -> np.ndarray:
    """A dozen validation pictures to watch: the first of each class, then of the classes again."""
    first = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
    second = [int(np.flatnonzero(labels == label)[1]) for label in np.unique(labels)]
    return np.array((first + second)[:NUM_PROBES])


def _forget_after(run: runs.Run, epoch: int) -> None:
    """Take from the tables what the checkpoint of this epoch does not know: it will be trained again."""
    for name, table in (("log.csv", run.log()), ("steps.csv", run.steps())):
        runs.write_text(run.folder / name, table[table.epoch <= epoch].to_csv(index=False))


def first_images(split: datasets.Split, count: int) -> datasets.Split:
    """The first `count` pictures of a split, or all of it where it has no more."""
    return (
        split
        if count >= len(split)
        else datasets.Split(split.name, split.images[:count], split.labels[:count])
    )


def choose_steps_per_call(settings: RunSettings, data: datasets.Dataset, num_steps: int) -> int:
    """Steps between two looks at Python: many for tiny networks, whose steps cost less than the look itself."""
    if settings.framework == "torch":
        return 1  # Keras offers no more with PyTorch
    _, cost = architectures.cost_of(settings, (*data.info.image_shape[:2], 1))
    seconds = 3 * cost * settings.batch_size / _ASSUMED_MULTIPLY_ADDS_PER_SECOND
    return int(min(max(_SECONDS_PER_CALL / max(seconds, 1e-9), 1), 32, num_steps))


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


def _append(path, columns: tuple[str, ...], row: dict) -> None:
    """Add a line in a single write, with the header if the file is new."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if not path.exists():
        writer.writeheader()
    writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    with open(path, "a", encoding="utf-8") as file:
        file.write(text.getvalue())


def _save_arrays(path, **arrays: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    runs.write_bytes(path, buffer.getvalue())
