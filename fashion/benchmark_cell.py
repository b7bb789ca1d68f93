"""The measuring process of a benchmark: trains the networks of a plan one after the other and tells the times.

`python -m fashion.benchmark_cell` reads one line of JSON from standard input (see `main`) and writes a JSON object
per line to standard output. It is the only part of the benchmark that imports Keras, it stores nothing, and it
ends when its standard input is closed, so it cannot outlive the process that started it.
"""

import json
import os
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from fashion.benchmark_plan import Cell, Plan

MATRIX_SIZE = 2048
_PEAK_ROUNDS = 5
_PEAK_ROUND_SECONDS = 0.2


def main() -> None:
    """Measure what one line of standard input asks for.

    It is {"plan", "cells": [...], "live": whether to measure the cost of live progress, "started": Unix seconds at
    which this process was started}. The answers have a "kind": "ready" with what belongs to the process, "epoch"
    after every epoch, then "cell" with the measurement or "problem" with the reason in words, and "live".
    """
    request, tell = asked()
    from fashion.worker import explain

    plan = Plan.from_json(request["plan"])
    cells = [Cell(**values) for values in request["cells"]]
    try:
        bench = Bench(plan, cells[0])
        tell(
            "ready",
            startup_seconds=time.time() - request["started"],
            peak_gflops=peak_gflops(bench.keras.ops),
        )
    except Exception as error:  # told in words; the whole of it is in the log
        traceback.print_exc()
        tell("problem", index=None, problem=explain(error))
        return
    for index, cell in enumerate(cells):
        try:
            measured = bench.measure(cell, lambda epoch, index=index: tell("epoch", index=index, epoch=epoch))
            tell("cell", index=index, cell=measured)
        except Exception as error:  # the next cell may be smaller
            traceback.print_exc()
            tell("problem", index=index, problem=explain(error))
    if request["live"]:
        try:
            tell("live", live=bench.live_progress(Cell(**request["live"])))
        except Exception as error:
            traceback.print_exc()
            tell("live", live={"problem": explain(error)})


def asked() -> tuple[dict[str, Any], Callable[..., None]]:
    """What the one line of standard input asks for, and a function (kind, **values) that tells an answer."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(kind: str, **values: Any) -> None:
        answers.write(json.dumps({"kind": kind, "peak_memory_bytes": peak_memory_bytes(), **values}) + "\n")
        answers.flush()

    return request, tell


def keep_tensorflow_out() -> None:
    """Where Keras computes on another framework, let it find once that TensorFlow is not to be had; it remembers that.

    `keras.utils.set_random_seed` would load it beside any framework, only to seed it: seconds of start-up and 400 MB that
    are not that framework's.
    """
    import keras

    if keras.backend.backend() != "tensorflow" and "tensorflow" not in sys.modules:
        sys.modules["tensorflow"] = None  # so Python says that it is not there
        try:
            keras.utils.set_random_seed(0)
        finally:
            del sys.modules["tensorflow"]


def _end_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far."""
    try:
        import resource
    except ImportError:  # Windows
        return psutil.Process().memory_info().peak_wset
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Bench:
    """Keras with one framework on one device, warmed up by one training step, and the pictures to train on.

    Raises:
        FashionError: The framework or the device is not there, or the data is missing.
        ImportError: Keras or the framework is not installed.
    """

    def __init__(self, plan: Plan, first: Cell):
        import keras

        from fashion import batches, datasets, fitting, judging, networks, training

        self.keras, self.networks, self.batches = keras, networks, batches
        self.fitting, self.judging = fitting, judging
        self.plan = plan
        keep_tensorflow_out()
        settings = plan.settings(first)
        training.check_framework(settings)
        self.data = datasets.load(plan.dataset)
        self.num_classes = len(self.data.info.classes)
        # A step of the smallest network, so that the first cell does not pay for what loads at first use.
        warm_up = settings.replace(architecture="softmax", width=1.0, num_train=max(settings.batch_size, 100))
        model, batches = self._build(warm_up)
        model.fit(batches, verbose=0)

    def _build(self, settings) -> tuple[Any, Any]:
        """The compiled network and its batches, as a training run makes them."""
        fitting = self.fitting
        split = fitting.chosen(self.data.train, settings)
        batches = self.batches.Batches(split.images, split.labels, settings, self.num_classes)
        model = self.networks.build(settings, self.data.info.image_shape, self.num_classes)
        steps = fitting.choose_steps_per_call(settings, batches)
        self.networks.compile_for_training(model, settings, self.num_classes, steps)
        return model, batches

    def _fresh(self, settings) -> None:
        self.keras.utils.clear_session()
        self.keras.utils.set_random_seed(settings.seed)

    def measure(self, cell: Cell, on_epoch) -> dict[str, Any]:
        """Train one network and test it. The first epoch's time includes building the network and its program."""
        from fashion import architectures, evaluation

        settings = self.plan.settings(cell)
        self._fresh(settings)
        started = time.perf_counter()
        model, batches = self._build(settings)
        clock = self._clock(started, on_epoch)
        model.fit(batches, epochs=settings.epochs, callbacks=[clock], verbose=0)
        num_tested = self.plan.num_tested(cell)
        accuracy = evaluation.accuracy(
            self.judging.predict(model, self.data.test.images[:num_tested]),
            self.data.test.labels[:num_tested],
        )
        num_parameters, num_multiply_adds = architectures.cost_of(settings)
        num_images = len(batches) * settings.batch_size
        return {
            **asdict(cell),
            "num_parameters": num_parameters,
            "num_multiply_adds": num_multiply_adds,
            "num_images": num_images,
            "epoch_seconds": clock.seconds,
            "images_per_second": num_images / statistics.median(clock.seconds[1:]),
            "correct": accuracy.correct,
            "n": accuracy.n,
            "accuracy": accuracy.value,
            "interval": [accuracy.low, accuracy.high],
            "problem": None,
        }

    def live_progress(self, cell: Cell) -> dict[str, Any]:
        """What writing progress costs: epochs with and without `fitting.Recorder`, in turn, on one network.

        Both are the training steps of an epoch alone. What a real run does after each epoch (validation, saving
        the checkpoint) is a time of its own, `after_epoch_seconds`.
        """
        from fashion import disk, runs
        from fashion.worker import Reporter

        settings = self.plan.settings(cell)
        self._fresh(settings)
        model, batches = self._build(settings)
        clock = self._clock(time.perf_counter(), lambda epoch: None)
        model.fit(batches, callbacks=[clock], verbose=0)
        bare, live, after = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            run = runs.Run(Path(folder))
            disk.write_json(run.folder / "status.json", asdict(runs.Status()))
            disk.write_json(run.folder / "settings.json", settings.to_json())
            reporter = Reporter(run)
            validation = (self.data.validation.images, self.data.validation.labels)
            recorder = self.fitting.Recorder(run, settings, reporter, batches, validation)
            for pair in range(settings.epochs):
                # The order alternates, so that a machine that slows down does not favour one of them.
                for with_progress in (False, True) if pair % 2 == 0 else (True, False):
                    if with_progress:
                        started = time.perf_counter()
                        model.fit(
                            batches, initial_epoch=pair, epochs=pair + 1, callbacks=[recorder], verbose=0
                        )
                        live.append(float(run.log().seconds.iloc[-1]))
                        after.append(time.perf_counter() - started - live[-1])
                    else:
                        model.fit(batches, callbacks=[clock], verbose=0)
                        bare.append(clock.seconds[-1])
            reporter.end(state="finished")
        return {
            **asdict(cell),
            "num_images": len(batches) * settings.batch_size,
            "bare_seconds": bare,
            "live_seconds": live,
            "after_epoch_seconds": statistics.median(after),
            "ratio": statistics.median(
                [with_it / without for with_it, without in zip(live, bare, strict=True)]
            ),
        }

    def _clock(self, started: float, on_epoch):
        """A callback that keeps the seconds of every epoch; the first is counted from `started`."""

        class Clock(self.keras.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.seconds: list[float] = []
                self._started: float | None = started

            def on_epoch_begin(self, epoch, logs=None):
                if self.seconds:
                    self._started = time.perf_counter()

            def on_epoch_end(self, epoch, logs=None):
                float(logs["loss"])  # waits until a graphics card has really done the work
                self.seconds.append(time.perf_counter() - self._started)
                on_epoch(len(self.seconds))

        return Clock()


def peak_gflops(ops) -> float:
    """The speed of float32 matrix multiplication here, best of several rounds, in 1e9 operations per second.

    ops: `keras.ops`, or what has its convert_to_tensor, matmul and convert_to_numpy. Square matrices of `MATRIX_SIZE`; a
    multiplication with its addition counts as two operations. Graphics cards may round the factors to fewer digits where
    the framework allows that by default.
    """
    import numpy as np

    values = np.random.default_rng(0).standard_normal((MATRIX_SIZE, MATRIX_SIZE), dtype=np.float32)
    factor = ops.convert_to_tensor(values / MATRIX_SIZE**0.5)  # products stay of the same size

    def seconds(count: int) -> float:
        started = time.perf_counter()
        product = factor
        for _ in range(count):
            product = ops.matmul(product, factor)
        float(ops.convert_to_numpy(product[0, 0]))  # waits for the device
        return time.perf_counter() - started

    seconds(1)
    count = max(1, round(_PEAK_ROUND_SECONDS / seconds(1)))
    best = min(seconds(count) for _ in range(_PEAK_ROUNDS)) / count
    return 2 * MATRIX_SIZE**3 / best / 1e9


if __name__ == "__main__":
    main()
