"""The measuring process of `benchmark_recipes.py`: trains one recipe once and tells its times and test answers.

`python -m fashion.benchmark_recipe_cell` reads one line of JSON from standard input (see `main`) and writes a JSON object
per line to standard output. It stores nothing, and ends when its standard input is closed. Ours are trained on the path of
the app's runs, `fitting.Recorder` included, which writes its rows meanwhile; nothing here imports TensorFlow where another
framework was asked for.
"""

import contextlib
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from fashion import benchmark_peers, datasets, disk, runs
from fashion.benchmark_cell import asked, keep_tensorflow_out, peak_gflops
from fashion.benchmark_peers import Task
from fashion.settings import RunSettings


def main() -> None:
    """Measure what one line of standard input asks for.

    It is {"peer": name of a published program, or "", "settings": of ours, or null, "dataset", "num_images", "epochs",
    "batch_size", "seed", "device", "started": Unix seconds at which this process was started}. The answers have a
    "kind": "epoch" after every epoch, then "measured" with what belongs into the record, or "problem" with the
    reason in words.
    """
    request, tell = asked()
    from fashion.worker import explain

    clock = Clock(request["started"], lambda epoch: tell("epoch", epoch=epoch))
    try:
        if request["peer"] != "plain-torch":
            keep_tensorflow_out()
        task = _task(request)
        if request["peer"]:
            images_per_epoch = len(task.train_images)
            _check_device(request["peer"], request["device"])
            benchmark_peers.PROGRAMS[request["peer"]](task, clock)
        else:
            images_per_epoch = _train_ours(task, RunSettings.from_json(request["settings"]), clock)
        tell(
            "measured",
            startup_seconds=clock.startup_seconds,
            images_per_epoch=images_per_epoch,
            epochs=clock.epochs,
            peak_gflops=peak_gflops(_operations(request["peer"], request["device"])),
        )
    except Exception as error:  # told in words; the whole of it is in the log
        traceback.print_exc()
        tell("problem", problem=explain(error))


class Clock:
    """Counts the seconds of training: it runs from the beginning of an epoch to its end, and stands still in the tests.

    The first epoch includes what a framework does at the first step: building and compiling the network's program.
    """

    def __init__(self, started: float, on_epoch: Callable[[int], None]):
        """started: Unix seconds at which the process was started. on_epoch: told the number of epochs so far."""
        self._process_started, self._on_epoch = started, on_epoch
        self.startup_seconds: float | None = None
        self.epochs: list[dict[str, Any]] = []
        self._seconds = 0.0

    def epoch_begins(self) -> None:
        """The clock goes on; at its first time, start-up is over."""
        if self.startup_seconds is None:
            self.startup_seconds = time.time() - self._process_started
        self._since = time.perf_counter()

    def epoch_ends(self, count_correct: Callable[[], int], ready=contextlib.nullcontext) -> None:
        """The clock stops, and the test pictures are asked: `count_correct` returns how many are answered rightly.

        ready: makes a context in which the network is as it would be handed out. Making it counts for this epoch, but not
        for those after it, since a training needs it once, at its end.
        """
        ended = time.perf_counter()
        self._seconds += ended - self._since
        with ready():
            seconds = self._seconds + time.perf_counter() - ended
            correct = count_correct()
        number = len(self.epochs) + 1
        self.epochs.append(
            {"epoch": number, "seconds": seconds, "step_seconds": self._seconds, "test_correct": correct}
        )
        self._on_epoch(number)


def _task(request: dict[str, Any]) -> Task:
    """The pictures, those for validation included among what is learned from."""
    data = datasets.load(request["dataset"])
    images = np.concatenate([data.train.images, data.validation.images])
    labels = np.concatenate([data.train.labels, data.validation.labels])
    count = request["num_images"]
    return Task(
        images[:count],
        labels[:count],
        data.test.images,
        data.test.labels,
        request["epochs"],
        request["batch_size"],
        request["seed"],
        request["device"],
    )


def _check_device(peer: str, device: str) -> None:
    """Raise JobError where a program written for Keras would quietly compute on the processor."""
    if peer == "plain-torch":
        return
    import keras

    from fashion import training

    training.check_framework(RunSettings(framework=keras.backend.backend(), device=device))


def _operations(peer: str, device: str):
    """What multiplies matrices in this process: Keras, or PyTorch where Keras was not loaded."""
    if peer != "plain-torch":
        import keras

        return keras.ops
    import torch

    place = benchmark_peers.torch_device(device)
    return SimpleNamespace(
        convert_to_tensor=lambda values: torch.from_numpy(values).to(place),
        matmul=torch.matmul,
        convert_to_numpy=lambda value: value.cpu().numpy(),
    )


def _train_ours(task: Task, settings: RunSettings, clock: Clock) -> int:
    """Train as the app's worker does, on all the pictures of the task; returns the pictures of an epoch."""
    import keras

    from fashion import fitting, judging, networks, training
    from fashion.batches import Batches

    training.check_framework(settings)
    keras.utils.set_random_seed(settings.seed)
    keras.mixed_precision.set_global_policy(settings.precision)
    num_classes = len(datasets.DATASETS[settings.dataset].classes)
    batches = Batches(task.train_images, task.train_labels, settings, num_classes)
    model = networks.build(settings, task.train_images.shape[1:], num_classes)
    steps_per_call = fitting.choose_steps_per_call(settings, batches)
    networks.compile_for_training(model, settings, num_classes, steps_per_call)

    class Timed(fitting.Recorder):
        """Tells the clock of each epoch, and tests instead of validating."""

        def on_epoch_begin(self, epoch, logs=None):
            clock.epoch_begins()
            super().on_epoch_begin(epoch, logs)

        def on_epoch_end(self, epoch, logs=None):
            float(logs["loss"])  # waits until a graphics card has really done the work
            clock.epoch_ends(self._count_correct, self._averaged)
            self.epoch += 1

        def _count_correct(self) -> int:
            answers = judging.predict(self.model, self.inputs)
            return int((answers.argmax(axis=1) == self.labels).sum())

    with tempfile.TemporaryDirectory() as folder:
        run = runs.Run(Path(folder))
        disk.write_json(run.folder / "settings.json", settings.to_json())
        # Nobody looks at this run: it is stopped by ending its process.
        nobody = SimpleNamespace(update=lambda **changes: None, stop_reason=lambda: None)
        recorder = Timed(run, settings, nobody, batches, (task.test_images, task.test_labels))
        model.fit(batches, epochs=settings.epochs, callbacks=[recorder], shuffle=False, verbose=0)
    return len(batches) * settings.batch_size


if __name__ == "__main__":
    main()
    os._exit(0)  # some frameworks take seconds to leave
