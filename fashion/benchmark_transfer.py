"""How long until a network knows clothes? A new head on stored vectors, against the pretrained network in the training graph.

Three measurements on the clothing photos, one after the other, each in a process of its own:
- photos: our worker from its start to a trained, tested and exported network; no vector is stored yet.
- stored: the same again; now the vectors are there.
- course: Xception at 150 pixels frozen inside the network that is trained, batch 32, as in the course; some batches
  are timed after a warm-up, photos read from disk with them, and extrapolated to ten epochs with validation.

    python -m fashion benchmark --transfer --output models/benchmarks/transfer

Good: 75 s for `photos`, all included, 8 s for `stored` until the head is trained, on two cores; `course` 30 times that.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fashion import benchmark_child, disk, estimate, feature_store, jobs, machine, pretrained, runs
from fashion.benchmark_results import busy_words, machine_name
from fashion.errors import DataError, JobError
from fashion.settings import PHOTO_DEFAULTS, RunSettings

KIND = "transfer"
FORMAT = 1
# The course's: https://github.com/DataTalksClub/machine-learning-zoomcamp, week 8.
COURSE = RunSettings(
    dataset="clothing",
    architecture="xception",
    image_size=150,
    inner_width=0,
    dropout=0.0,
    epochs=10,
    batch_size=32,
    learning_rate=0.005,
)
COURSE_BATCHES = 20
_WARM_UP_BATCHES = 2
_SERIES = 10  # the course compares learning rates, inner layers and dropouts: about so many heads
_LOOK_SECONDS = 0.02


def measure(
    ours: RunSettings = PHOTO_DEFAULTS, course: RunSettings = COURSE, course_batches: int = COURSE_BATCHES
) -> dict[str, Any]:
    """All three measurements, as in a results file.

    Raises:
        DataError: The photos or the weights are not here.
        JobError: A worker failed; its reason is in the message.
    """
    if problem := feature_store.obstacle(ours):
        raise DataError(problem)
    if not pretrained.weights_file(ours.architecture):
        raise DataError(pretrained.missing(ours.architecture))  # a download is not what is measured
    data = feature_store.load(ours, ours.image_size)
    results = {
        "format": FORMAT,
        "recorded": time.strftime("%Y-%m-%d"),
        "command": "python -m fashion benchmark --transfer",
        "machine": machine.describe().to_dict(),
        "busy_fraction": benchmark_child.busy_fraction(),
        "data_digest": data.digest,
        "num_photos": data.info.split_sizes,
        "settings": ours.to_json(),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in ("photos", "stored"):
            _note(f"Measuring: {name} ...")
            results[name] = _our_run(Path(folder), name, ours)
            _note(f"{name}: {_run_in_words(results[name])}")
    _note("Measuring: course ...")
    results["course"] = _course_run(course, course_batches)
    results["ratios"] = ratios(results)
    return results


def _our_run(folder: Path, name: str, settings: RunSettings) -> dict[str, Any]:
    """A worker's run, from starting the process to its end, with the seconds of each phase."""
    run = runs.Run(folder / name)
    run.folder.mkdir()
    disk.write_json(run.folder / "settings.json", settings.to_json())
    disk.write_json(run.folder / "status.json", asdict(runs.Status(created=time.time())))
    environment = jobs.worker_environment(settings) | {"FASHION_FEATURES": str(folder / "vectors")}
    command = [sys.executable, "-m", "fashion.worker", str(run.folder)]
    began: dict[str, float] = {"starting": 0.0}
    started = time.perf_counter()
    with open(run.folder / "worker.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=runs.ROOT, env=environment, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                phase = run.stored_status().phase
                if phase:
                    began.setdefault(phase, time.perf_counter() - started)
                time.sleep(_LOOK_SECONDS)
        finally:
            process.kill()
            process.wait()
    seconds = time.perf_counter() - started
    status, card = run.status(), run.card()
    if status.state != "finished" or card is None:
        raise JobError(f"The measured run must finish. Received: {status.state}. {status.reason}")
    test = card["metrics"]["test"]
    return {
        "seconds": seconds,
        # The status is written twice a second, so a phase's beginning is known to half a second.
        "seconds_to_head": began.get("testing", seconds),
        "phases": phases(began, seconds),
        "features": card["features"],
        "train_seconds": card["train_seconds"],
        "num_epochs": card["num_epochs"],
        "validation_accuracy": card["metrics"]["validation"]["accuracy"],
        "test_accuracy": test["accuracy"],
        "test_n": test["n"],
        "test_interval": test["interval"],
    }


def phases(began: dict[str, float], seconds: float) -> dict[str, float]:
    """Phase -> its length, from the seconds at which each began and the end of all."""
    ends = [*list(began.values())[1:], seconds]
    return {phase: round(end - start, 2) for (phase, start), end in zip(began.items(), ends, strict=True)}


def _course_run(settings: RunSettings, num_batches: int) -> dict[str, Any]:
    request = {"settings": settings.to_json(), "num_batches": num_batches, "started": time.time()}
    return benchmark_child.ask_once("fashion.benchmark_transfer", request, jobs.worker_environment(settings))


def _course(request: dict[str, Any]) -> dict[str, Any]:
    """Train some batches with the frozen base inside the network, in this process."""
    import keras

    from fashion import clothing, networks
    from fashion.batches import PhotoBatches

    settings, num_batches = RunSettings.from_json(request["settings"]), request["num_batches"]
    data = clothing.load(settings.image_size, "squash")
    num_classes = len(data.info.classes)
    weights = pretrained.weights_file(settings.architecture)
    # Random weights take the same time.
    model = networks.build_pretrained(
        settings, num_classes, weights and str(weights), side=settings.image_size
    )
    for layer in model.layers:
        layer.trainable = layer.name.startswith("head_")
    networks.compile_for_training(model, settings, num_classes, steps_per_call=1)

    class Clock(keras.callbacks.Callback):
        """When each batch ended."""

        def __init__(self):
            super().__init__()
            self.ends: list[float] = []

        def on_train_batch_end(self, batch, logs=None):
            self.ends.append(time.perf_counter())

        on_test_batch_end = on_train_batch_end

        def seconds_per_batch(self) -> float:
            return (self.ends[-1] - self.ends[_WARM_UP_BATCHES - 1]) / (len(self.ends) - _WARM_UP_BATCHES)

    clocks = {}
    for name, split in (("train", data.train), ("validation", data.validation)):
        count = min((num_batches + _WARM_UP_BATCHES) * settings.batch_size, len(split))
        # Spread over all classes: their photos differ in size, and so in the time to read one.
        rows = [position * len(split) // count for position in range(count)]
        batches = PhotoBatches(split.images.take(rows), split.labels[rows], settings, num_classes)
        clocks[name] = Clock()
        if name == "train":
            model.fit(batches, callbacks=[clocks[name]], shuffle=False, verbose=0)
            startup = time.time() - request["started"] - (clocks[name].ends[-1] - clocks[name].ends[0])
        else:
            model.evaluate(batches, callbacks=[clocks[name]], verbose=0)
    per_batch = {name: clock.seconds_per_batch() for name, clock in clocks.items()}
    batches_per_epoch = {
        name: len(split) / settings.batch_size
        for name, split in (("train", data.train), ("validation", data.validation))
    }
    epoch = sum(per_batch[name] * batches_per_epoch[name] for name in per_batch)
    return {
        "settings": settings.to_json(),
        "weights": "ImageNet" if weights else "random: the time is the same",
        "timed_batches": {name: len(clock.ends) - _WARM_UP_BATCHES for name, clock in clocks.items()},
        "seconds_per_batch": per_batch,
        "startup_seconds": startup,
        "epoch_seconds": epoch,
        "num_epochs": settings.epochs,
        "seconds": startup + settings.epochs * epoch,
    }


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """How many times longer the course's way takes than ours, from the start of the process to a trained head.

    - photos: ours begins with photos on disk; stored: with vectors.
    - series: for ten heads one after the other, as when settings are compared; ours computes vectors once.
    """
    course = results["course"]["seconds"]
    photos, stored = (results[name]["seconds_to_head"] for name in ("photos", "stored"))
    return {
        "photos": course / photos,
        "stored": course / stored,
        "series": _SERIES * course / (photos + (_SERIES - 1) * stored),
    }


# In words


def in_words(results: dict[str, Any]) -> str:
    """The results, a line for each measurement and one for the ratios."""
    course, many = results["course"], results["ratios"]
    settings = course["settings"]
    lines = [
        f"photos  {_run_in_words(results['photos'])}",
        f"stored  {_run_in_words(results['stored'])}",
        f"course  {estimate.in_words(course['seconds'])} for {course['num_epochs']} epochs, extrapolated from "
        f"{course['timed_batches']['train']} batches of {settings['batch_size']} at "
        f"{1000 * course['seconds_per_batch']['train']:.0f} ms ({settings['architecture']}, {settings['image_size']} "
        f"pixels, weights {course['weights']})",
        f"The course's way takes {many['photos']:.0f} times as long as ours from photos, {many['stored']:.0f} times as "
        f"long as with stored vectors, and {many['series']:.0f} times for a series of {_SERIES} heads.",
    ]
    return "\n".join([*lines, *busy_words(results)])


def _run_in_words(one: dict[str, Any]) -> str:
    low, high = one["test_interval"]
    parts = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in one["phases"].items())
    return (
        f"{one['seconds_to_head']:.1f} s to a trained head, {one['seconds']:.1f} s with test and export ({parts}); test "
        f"accuracy {one['test_accuracy']:.1%} of {one['test_n']} photos (95 % interval {low:.1%} to {high:.1%})"
    )


def file_name(results: dict[str, Any]) -> str:
    """A file name for the project's collection, from the hardware and TensorFlow's version."""
    version = ".".join(results["machine"]["versions"].get("tensorflow", "").split(".")[:2])
    words = f"{machine_name(results['machine'])} tensorflow {version}".lower()
    return re.sub(r"[^a-z0-9.]+", "-", words).strip("-.") + ".json"


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(_course(json.loads(sys.stdin.readline()))), flush=True)
