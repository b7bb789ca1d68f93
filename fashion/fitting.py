"""Fitting a model in a run folder: Keras trains, and steps, epochs, probe pictures and checkpoints are written as they
happen. It stops when asked and goes on where it was cut off. For worker processes only.
"""

import contextlib
import csv
import io
import time
from collections.abc import Callable

import keras
import numpy as np

from fashion import architectures, clothing, datasets, disk, networks, range_test, runs, snapshots, watched
from fashion.batches import Batches, PhotoBatches, VectorBatches, changed
from fashion.judging import loss_and_accuracy, predict
from fashion.settings import PHOTOS, RunSettings, learning_rate_at
from fashion.time_limit import TimeLimit
from fashion.worker import Diverged, Reporter, StopRequested

NUM_PROBES = 12
_ROUNDING = 1e-6  # a resumed run reads its best accuracy from the log, which has six digits
# A rough speed, only to decide how many steps run between two looks at the stop file.
_ASSUMED_MULTIPLY_ADDS_PER_SECOND = 3e10
_SECONDS_PER_CALL = 0.2
_FORWARD_SHARE = 1 / 3  # of the time of a training step
# Enough for means and variances over many positions each; photos have more of those, and cost more.
_NORMALISATION_BATCHES, _NORMALISATION_PICTURES, _NORMALISATION_PHOTOS = 32, 4096, 512


def normalisation_batches(batches: Batches, settings: RunSettings) -> int:
    """On how many batches the normalisations of averaged weights are measured."""
    pictures = _NORMALISATION_PHOTOS if isinstance(batches, PhotoBatches) else _NORMALISATION_PICTURES
    return min(_NORMALISATION_BATCHES, max(1, pictures // settings.batch_size))


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
        validation: tuple,
        first_epoch: int = 0,
        keep_last: bool = True,
        test: tuple | None = None,
    ):
        """settings: those of this part of the run, which is all of it unless a head is trained first.

        validation: inputs and labels. first_epoch: epochs of the parts before, which the log counts too.
        keep_last: whether to save after each epoch what resuming needs.
        test: inputs and labels to be measured after each epoch, where the settings ask for that.
        """
        super().__init__()
        self.run, self.settings, self.reporter = run, settings, reporter
        self.batches = batches
        self.steps_per_epoch = len(batches)
        self.num_steps = self.steps_per_epoch * settings.epochs
        self.inputs, self.labels = validation
        self.probe_indices = probe_indices(self.labels)
        self.averaging = keras.callbacks.SwapEMAWeights() if settings.averaging else None
        self.first_epoch, self.keep_last = first_epoch, keep_last
        # Early stopping may have ended the part before.
        self.num_epochs = first_epoch + settings.epochs if first_epoch else run.settings.num_epochs
        log = run.log()
        self.epoch = len(log)
        self.best_accuracy = float(log.val_accuracy.max()) if len(log) else -1.0
        self.best_epoch = int(log.epoch[log.val_accuracy.idxmax()]) if len(log) else None
        self.stop_reason: str | None = None
        self.test = test if settings.watch_test else None
        self.range_test = range_test.Recording(run) if settings.schedule == "range-test" else None
        self.exploded = False
        self.time = TimeLimit.of_run(run, first_epoch)
        self.out_of_time = False
        self._validation_seconds = self._call_seconds = 0.0
        self._steps_done, self._validated = 0, False
        self._second_call: tuple[float, int] | None = None  # when it began, and how many steps were done

    @property
    def complete(self) -> bool:
        """Whether all epochs are done, or so many without a better one that the settings say to stop."""
        patience = self.settings.patience
        waited = self.epoch - (self.best_epoch or 0)
        done = self.epoch >= self.first_epoch + self.settings.epochs
        if self.out_of_time or (self.epoch and self.time.over()):
            return True
        # An earlier part's best epoch is no reason to end this one at once.
        waited = min(waited, self.epoch - self.first_epoch)
        return done or (patience > 0 and waited >= patience)

    def on_train_begin(self, logs=None) -> None:
        if self.averaging:
            self.averaging.set_model(self.model)
        if self.range_test:
            self._first_weights = self.model.get_weights()
        self.time.begin()
        self._last_written = (0.0, 0, 0.0, 0.0)
        self.reporter.update(
            phase="training",
            training_started=time.time(),
            epoch=self.epoch,
            num_epochs=self.num_epochs,
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
        self._loss_sum = 0.0
        self._epoch_started = self._call_ended = time.perf_counter()
        # (seconds into the epoch, steps, loss sum, accuracy sum) at the last written row
        self._last_written = (0.0, 0, 0.0, 0.0)

    def on_train_batch_begin(self, batch, logs=None) -> None:
        if self.settings.schedule != "constant":
            step = (self.epoch - self.first_epoch) * self.steps_per_epoch + batch
            if self.settings.framework == "jax":
                self.model.jax_state_sync()  # within an epoch JAX computes on a copy of the optimizer's variables
            progress = self.time.progress(step, self.num_steps, self._validation_seconds)
            self.model.optimizer.learning_rate = learning_rate_at(self.settings, progress, 1)

    def on_train_batch_end(self, batch, logs=None) -> None:
        # Keras counts whole calls: the last of an epoch may hold fewer steps than the number says.
        steps = min(batch + 1, self.steps_per_epoch)
        if self.range_test:
            before, self._loss_sum = self._loss_sum, float(logs["loss"]) * steps
            self.exploded = self.range_test.add(
                float(self.model.optimizer.learning_rate), self._loss_sum - before
            )
            if self.exploded:  # what the test is looking for, so the end and no failure
                self.model.stop_training = True
                return
        if not np.isfinite(logs["loss"]):
            raise self._diverged(f"step {steps}", float(logs["loss"]))
        self._write_step(steps, logs)
        self.stop_reason = self.reporter.stop_reason()
        self._measure_call(steps)
        if steps < self.steps_per_epoch:
            self.out_of_time = self._no_more_fits()
        if self.stop_reason is not None or self.out_of_time:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None) -> None:
        seconds = time.perf_counter() - self._epoch_started
        if self.range_test:
            self.range_test.write()
        if self.exploded:
            if self.best_epoch is None:  # these weights are spoilt: those of the beginning are kept
                self.model.set_weights(self._first_weights)
                self._validate_and_keep(best_epoch=0)
            return
        if self.stop_reason is not None:
            # An unfinished epoch counts only when there is nothing else to keep.
            if self.best_epoch is None:
                self._validate_and_keep(best_epoch=0)
            return
        started = time.perf_counter()
        with self._averaged():
            loss, accuracy = self._validate_and_keep(best_epoch=self.epoch + 1)
            if self.settings.snapshots:
                self._keep_snapshot()
            if self.test:
                self._watch_test()
        self._validation_seconds, self._validated = time.perf_counter() - started, True
        self.epoch += 1
        whole = self._steps_done == self.steps_per_epoch
        num_images = self._steps_done * self.settings.batch_size
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
        if self.keep_last and whole:  # resuming begins with whole epochs
            save(self.model, self.run.folder / "last.keras")
        self.reporter.update(epoch=self.epoch, step=0, best_epoch=self.best_epoch)
        more = self.epoch < self.first_epoch + self.settings.epochs
        self.out_of_time = self.out_of_time or (more and self._no_more_fits())
        self.model.stop_training = self.complete

    def _measure_call(self, steps: int) -> None:
        """How long a call of Keras takes, and while there was none yet, how long a validation should."""
        now = time.perf_counter()
        # The first call builds the network's program, which may take ten times as long.
        if self._second_call is None:
            self._second_call = (now, steps)
        else:
            self._call_seconds = now - self._call_ended
            started, before = self._second_call
            if steps > before and not self._validated:
                per_picture = (now - started) / ((steps - before) * self.settings.batch_size)
                self._validation_seconds = len(self.labels) * per_picture * _FORWARD_SHARE
        self._call_ended, self._steps_done = now, steps

    def _no_more_fits(self) -> bool:
        """Whether the time that is left is too short for another call of Keras and the validation after it."""
        return self.time.over(self._call_seconds + self._validation_seconds)

    @contextlib.contextmanager
    def _averaged(self):
        """Inside, the model has its averaged weights (if the settings ask for them), with normalisations to match."""
        if self.averaging is None:
            yield
            return
        self.averaging.on_test_begin()
        sample = self.batches.sample(normalisation_batches(self.batches, self.settings))
        before = networks.remeasure_normalisation(self.model, sample)
        yield
        networks.restore_normalisation(before)
        self.averaging.on_test_end()

    def _validate_and_keep(self, best_epoch: int) -> tuple[float, float]:
        """Validation loss and accuracy; saves the model if it is the best so far."""
        inputs = self.inputs
        if self.settings.augment_validation and self.batches.changing and len(inputs.shape) > 2:
            rng = np.random.default_rng((self.settings.seed, self.epoch, len(self.batches)))
            inputs = changed(inputs, np.arange(len(inputs)), self.settings, rng)
        probabilities = predict(self.model, inputs)
        if not np.isfinite(probabilities).all():  # the loss is taken before the step that spoils the weights
            raise self._diverged("validation", float("nan"))
        loss, accuracy = loss_and_accuracy(probabilities, self.labels)
        self._write_probes(probabilities[self.probe_indices])
        if accuracy > self.best_accuracy + _ROUNDING:
            self.best_accuracy, self.best_epoch = accuracy, best_epoch
            save(self.model, self.run.folder / "model.keras")
        return loss, accuracy

    def _keep_snapshot(self) -> None:
        """Save what was just validated; without the optimizer's state, which takes twice as much as the weights."""
        path = snapshots.weights(self.run, self.epoch + 1)
        path.parent.mkdir(exist_ok=True)
        save(keras.Model(self.model.inputs, self.model.outputs, name=self.model.name), path)

    def _watch_test(self) -> None:
        inputs, labels = self.test
        loss, accuracy = loss_and_accuracy(predict(self.model, inputs), labels)
        row = {"epoch": self.epoch + 1, "test_loss": loss, "test_accuracy": accuracy}
        _append(self.run.folder / watched.FILE, watched.COLUMNS, row)

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
        disk.write_arrays(self.run.folder / "probes.npz", indices=self.probe_indices, probabilities=together)

    def _write_step(self, steps: int, logs: dict) -> None:
        """Progress, and a row of the live curve: means since the last row, since Keras' are means since the epoch began."""
        seconds = time.perf_counter() - self._epoch_started
        last_seconds, last_steps, last_loss, last_accuracy = self._last_written
        elapsed = self.time.elapsed
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
        epochs_left = self.num_epochs - self.epoch - steps / self.steps_per_epoch
        left = epochs_left * self.steps_per_epoch * self.settings.batch_size / rate
        left += np.ceil(epochs_left) * self._validation_seconds
        left = float(min(left, self.time.left))
        self.reporter.update(step=steps, images_per_second=rate, seconds_left=left)


def fit(
    run: runs.Run,
    settings: RunSettings,
    reporter: Reporter,
    build: Callable[[], keras.Model],
    batches: Batches,
    validation: tuple,
    first_epoch: int = 0,
    keep_last: bool = True,
    test: tuple | None = None,
) -> None:
    """Train a model until its epochs are done, or go on from `last.keras`; the arguments are those of `Recorder`.

    Raises:
        StopRequested: A stop was asked for; the best checkpoint is in the folder.
        Diverged: The loss is no longer a number.
    """
    checkpoint = run.folder / "last.keras"
    num_classes = batches.targets.shape[1]
    steps_per_call = choose_steps_per_call(settings, batches)
    if keep_last and checkpoint.exists():
        model = keras.saving.load_model(checkpoint, safe_mode=True)
        model.steps_per_execution = steps_per_call
        _forget_after(run, first_epoch + int(model.optimizer.iterations) // len(batches))
    else:
        if first_epoch == 0:
            for name in ("log.csv", "steps.csv", "probes.npz", "model.keras", range_test.FILE, watched.FILE):
                (run.folder / name).unlink(missing_ok=True)
            snapshots.forget_after(run, 0)
        else:
            _forget_after(run, first_epoch)  # an epoch may be in the log whose checkpoint was never written
        model = build()
        networks.compile_for_training(model, settings, num_classes, steps_per_call)
    if isinstance(batches, PhotoBatches) and settings.framework == "tensorflow" and settings.device == "cpu":
        from fashion import fused  # imports TensorFlow, which the other frameworks do without

        fused.fuse_normalization(model)
    recorder = Recorder(run, settings, reporter, batches, validation, first_epoch, keep_last, test)
    if recorder.complete:
        return
    (run.folder / "card.json").unlink(missing_ok=True)  # of an earlier stop; it speaks of another best epoch
    model.fit(
        batches,
        epochs=first_epoch + settings.epochs,
        initial_epoch=recorder.epoch,
        callbacks=[recorder],
        shuffle=False,  # the batches are shuffled already; Keras would draw their order from a generator of its own
        verbose=0,
    )
    if recorder.stop_reason is not None:
        raise StopRequested(recorder.stop_reason)
    if recorder.out_of_time:
        reporter.update(reason=recorder.time.in_words(recorder.epoch, recorder.num_epochs))


def chosen(split: datasets.Split, settings: RunSettings) -> datasets.Split:
    """The training pictures that the settings ask for: the first `num_train`, or all where there are no more.

    Clothing photos lie in the order of their classes; of them, a random choice that depends on the seed is taken.
    """
    if settings.clean_labels:
        split = clothing.without_doubtful(split)
    count = settings.num_train
    if count >= len(split):
        return split
    if settings.dataset in PHOTOS:
        numbers = np.sort(np.random.default_rng(settings.seed).permutation(len(split))[:count])
        return datasets.Split(split.name, split.images.take(numbers), split.labels[numbers])
    return datasets.Split(split.name, split.images[:count], split.labels[:count])


def save(model: keras.Model, path) -> None:
    """Save in one step: the old checkpoint stays until the new one is whole on disk."""
    # Always the same name: what a killed worker left half written is written over, and does not pile up.
    with disk.replacing(path, path.with_name(f".{path.name}.new.keras")) as beside:
        model.save(beside)


def probe_indices(labels: np.ndarray) -> np.ndarray:
    """A dozen validation pictures to watch: the first of each class, then of the classes again."""
    of_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    first, second = ([numbers[place : place + 1] for numbers in of_class] for place in (0, 1))
    return np.concatenate(first + second)[:NUM_PROBES]


def _append(path, columns: tuple[str, ...], row: dict) -> None:
    """Add a line in a single write, with the header if the file is new."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if not path.exists():
        writer.writeheader()
    writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    with open(path, "a", encoding="utf-8") as file:
        file.write(text.getvalue())


def choose_steps_per_call(settings: RunSettings, batches: Batches) -> int:
    """Steps between two looks at Python: many for tiny networks, whose steps cost less than the look itself."""
    if settings.framework == "torch":
        return 1  # Keras offers no more with PyTorch
    if settings.schedule == "range-test":
        return 1  # each step has a rate of its own
    if isinstance(batches, PhotoBatches):
        return 1  # reading photos takes its time, and a stop should not wait for many of them
    _, cost = architectures.cost_of(settings)
    if isinstance(batches, VectorBatches):
        cost = batches.inputs.shape[-1] * (settings.inner_width + batches.targets.shape[1])
    seconds = 3 * cost * settings.batch_size / _ASSUMED_MULTIPLY_ADDS_PER_SECOND
    return int(min(max(_SECONDS_PER_CALL / max(seconds, 1e-9), 1), 32, len(batches)))


def _forget_after(run: runs.Run, epoch: int) -> None:
    """Take from the tables what the checkpoint of this epoch does not know: it will be trained again."""
    snapshots.forget_after(run, epoch)
    tables = {"log.csv": run.log(), "steps.csv": run.steps(), watched.FILE: watched.read(run)}
    for name, table in tables.items():
        if not (run.folder / name).exists():
            continue
        disk.write_text(run.folder / name, table[table.epoch <= epoch].to_csv(index=False))
