"""A pretrained network as it comes, with the 1,000 classes of ImageNet: getting it ready, and asking it about a photo.

Asking is LiteRT's, in the server. Getting ready takes TensorFlow, once: a short process of its own, `imagenet_export.py`.
"""

import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
import psutil
from PIL import Image

from fashion import disk, jobs, memory_need, runs, squares
from fashion.errors import DataError, JobError, ModelError
from fashion.predictor import Interpreter
from fashion.pretrained import BASES, weights_argument

NUM_CLASSES = 1000
USUAL_SECONDS = 20
"""What getting ready takes on two free cores, the download not counted."""
# What the process takes at its highest (EfficientNetV2-B0); a training takes about as much, or more.
_PROCESS_BYTES = 1_300e6
_STARTING_SECONDS = 60  # until a process has said its first word
_CLASSES_FILE = "classes.json"


@dataclass(frozen=True)
class State:
    """How far a network is: kind is "absent", "under way", "ready" or "failed".

    phase: what is being done, in words; began: Unix seconds; problem: why it failed, in words.
    """

    kind: str
    phase: str = ""
    began: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Answer:
    """The most probable classes with their probabilities (0 to 1), the highest first, and the time for the network."""

    top: tuple[tuple[str, float], ...]
    seconds: float


class Network:
    """A network that is ready, with the names of its classes. Raises ModelError where its files are damaged."""

    def __init__(self, name: str):
        self.name = name
        try:
            self.classes = tuple(json.loads(classes_file().read_text(encoding="utf-8")))
            self._interpreter = Interpreter(model_file(name))
            # The first photo takes ten times as long as any other.
            self._interpreter.predict(np.zeros((1, *self._interpreter.image_shape), np.uint8))
        except (OSError, ValueError, TypeError, ModelError) as error:
            raise _damaged(name, str(error)) from None
        if len(self.classes) != NUM_CLASSES:
            raise _damaged(name, f"{len(self.classes)} names of classes")

    def ask(self, image: Image.Image, count: int = 5) -> Answer:
        """What it takes a photo, RGB and upright, for: its middle square, as for every network here."""
        pixels = squares.square(image, self._interpreter.image_shape[0])
        began = time.perf_counter()
        probabilities = self._interpreter.predict(pixels[None])[0]
        seconds = time.perf_counter() - began
        if probabilities.shape != (NUM_CLASSES,):
            raise _damaged(self.name, f"{len(probabilities)} probabilities")
        best = np.argsort(-probabilities, kind="stable")[:count]
        return Answer(tuple((self.classes[index], float(probabilities[index])) for index in best), seconds)


def _damaged(name: str, received: str) -> ModelError:
    return ModelError(
        f"{BASES[name].title} must be a LiteRT file with {NUM_CLASSES:,} classes. Received: {received}. Get it ready again."
    )


# Files


def folder() -> Path:
    """Where networks that are ready are kept: the user's cache folder."""
    return Path(pooch.os_cache("fashion-lab")) / "imagenet"


def model_file(name: str) -> Path:
    """The network as a LiteRT file; other versions of Keras or TensorFlow make another one."""
    versions = "-".join(f"{package}{_version(package)}" for package in ("keras", "tensorflow"))
    return folder() / f"{name}-{BASES[name].size}-{versions}.tflite"


def classes_file() -> Path:
    """The names of the 1,000 classes, in the order of a network's answers."""
    return folder() / _CLASSES_FILE


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # such as tensorflow-cpu
        return ""


# Getting ready


def state(name: str) -> State:
    """How far the network is."""
    if model_file(name).exists() and classes_file().exists():
        return State("ready")
    try:
        said = json.loads(_status_file(name).read_text(encoding="utf-8"))
        phase, began, problem = str(said["phase"]), float(said["began"]), str(said["problem"])
        process_id = None if said["process_id"] is None else int(said["process_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return State("absent")
    if problem:
        return State("failed", problem=problem)
    if _is_alive(process_id, began):
        return State("under way", phase, began)
    return State(
        "failed",
        problem="Its process ended without a word, perhaps because memory was full. Try again when less is running.",
    )


def _is_alive(process_id: int | None, began: float) -> bool:
    if process_id is None:
        return time.time() - began < _STARTING_SECONDS
    try:
        process = psutil.Process(process_id)
        # After a restart of the machine, another process may have the number; clocks differ by less than this.
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() > began - _STARTING_SECONDS
    except psutil.Error:
        return False


def report(name: str, phase: str, *, began: float, problem: str = "", process_id: int | None = None) -> None:
    """Write down how far it is; for whoever gets the network ready."""
    said = {"phase": phase, "began": began, "problem": problem, "process_id": process_id}
    with contextlib.suppress(OSError):  # a full disk is told when the network itself cannot be written
        disk.write_json(_status_file(name), said)


def forget(name: str) -> None:
    """Drop what was written down about getting the network ready: it is."""
    _status_file(name).unlink(missing_ok=True)


def _status_file(name: str) -> Path:
    return folder() / f"{name}.json"


def weights(name: str) -> str:
    """What Keras takes as the weights with the 1,000 classes: a path, or "imagenet", which downloads them.

    Raises DataError where a folder of weights was named, for want of internet, and lacks them.
    """
    try:
        return weights_argument(name, top=True)
    except DataError:
        raise DataError(
            f"{BASES[name].title} with its 1,000 classes needs the file {BASES[name].weights[1]}. Received a folder "
            "FASHION_WEIGHTS without it. Put it there, or take another network; with internet, unset FASHION_WEIGHTS."
        ) from None


def download_bytes(name: str) -> int:
    """About how much is downloaded to get the network ready here; 0 where its weights are on this machine."""
    if weights(name) != "imagenet":
        return 0
    base = BASES[name]
    return 4 * (base.num_parameters + (base.vector_size + 1) * NUM_CLASSES)


def prepare(name: str, memory_bytes: float) -> None:
    """Start getting the network ready, unless that is under way; `state` tells how far it is.

    memory_bytes: what the app may take, as in `jobs.Limits`.

    Raises:
        DataError: Its weights are not here.
        JobError: Runs that are training have the memory, or no process can be started.
    """
    if state(name).kind == "under way":
        return
    weights(name)
    num_running = sum(status.state == "running" for _, status in jobs.active_runs())
    if num_running and (num_running + 1) * _PROCESS_BYTES + memory_need.SERVER_BYTES > memory_bytes:
        raise JobError(
            f"Getting {BASES[name].title} ready takes {_PROCESS_BYTES / 1e6:,.0f} MB for a moment, of the "
            f"{memory_bytes / 1e6:,.0f} MB that are set for this app. Received: a run that is training has them. Try again "
            "when it has ended."
        )
    try:
        folder().mkdir(parents=True, exist_ok=True)
        for path in folder().glob(f"{name}-{BASES[name].size}-*.tflite"):
            path.unlink()  # of other versions, or damaged
        report(name, "starting", began=time.time())
        with open(folder() / f"{name}.log", "wb") as log:
            subprocess.Popen(
                [sys.executable, "-m", "fashion.imagenet_export", name],
                cwd=runs.ROOT,
                env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
    except OSError as error:
        raise JobError(
            f"{BASES[name].title} needs a process, and a cache folder that can be written. Received: {error}. Free some "
            "space or memory, and try again."
        ) from None
