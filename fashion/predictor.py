"""A finished run -> predictions through LiteRT, in the server, without TensorFlow.

It knows pixels and probabilities. Turning a photo into pixels is `photos.py` and `squares.py`, a photo's whole answer
`answers.py`, where the network looked `explain.py`, judging `evaluation.py`.
"""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion import evaluation, neighbours
from fashion.errors import ModelError
from fashion.explain import Head
from fashion.runs import Run

# Below this top probability an answer is called "unsure": on Fashion-MNIST's validation pictures the shipped
# model's answers below it are wrong about as often as right.
UNSURE_BELOW = 0.6
# LiteRT keeps the memory of the largest batch it ever saw: of photos 6 MB each, and a batch is no faster than one
# by one (EfficientNetV2-B0 at 192 pixels, two cores).
_CHUNK = 16
_CHUNK_PIXELS = 28 * 28 * _CHUNK


class Interpreter:
    """A LiteRT file and the lock it needs: one interpreter serves one caller at a time."""

    def __init__(self, path: Path, num_threads: int = 2):
        from ai_edge_litert.interpreter import Interpreter as LiteRT

        try:
            self._litert = LiteRT(model_path=str(path), num_threads=num_threads)
            self._litert.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(
                f"{path.name} must be a LiteRT model. Received a file that is not: {error}. Restore it from the "
                "project, or train the run again."
            ) from None
        self._input = self._litert.get_input_details()[0]
        outputs = sorted(self._litert.get_output_details(), key=lambda one: len(one["shape"]))
        # A second output with more axes is the feature map.
        self._output, self._map = outputs[0], outputs[1] if len(outputs) > 1 else None
        self._lock = threading.Lock()
        self._size = int(self._input["shape"][0])
        self.image_shape = tuple(int(size) for size in self._input["shape"][1:])

    @property
    def has_map(self) -> bool:
        """Whether the file also gives the last feature map."""
        return self._map is not None

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, classes) for pictures (n, *image_shape), values 0 to 255; few at a time in memory.

        Raises:
            ModelError: The pictures do not have the shape this model was trained on.
        """
        if images.shape[1:] != self.image_shape:
            raise ModelError(
                f"This model needs pictures of shape {self.image_shape}. Received: {images.shape[1:]}. Choose another "
                "model."
            )
        chunk = min(_CHUNK, max(1, _CHUNK_PIXELS // (self.image_shape[0] * self.image_shape[1])))
        parts = [self._invoke(images[start : start + chunk])[0] for start in range(0, len(images), chunk)]
        return np.concatenate(parts) if parts else np.empty((0, int(self._output["shape"][-1])), np.float32)

    def look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """For one picture: probabilities float32 (classes,), and the feature map float32 (h, w, c), or None.

        Raises what `predict` raises.
        """
        if not self.has_map:
            return self.predict(image[None])[0], None
        if image.shape != self.image_shape:
            self.predict(image[None])  # tells what is wrong
        probabilities, maps = self._invoke(image[None])
        return probabilities[0], maps[0]

    def _invoke(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        with self._lock:
            if len(images) != self._size:
                self._litert.resize_tensor_input(self._input["index"], images.shape)
                self._litert.allocate_tensors()
                self._size = len(images)
            self._litert.set_tensor(self._input["index"], images.astype(self._input["dtype"]))
            self._litert.invoke()
            probabilities = self._litert.get_tensor(self._output["index"]).copy()
            return probabilities, self._litert.get_tensor(self._map["index"]).copy() if self._map else None


@dataclass(frozen=True, eq=False)
class Look:
    """What a network made of one photo, before anyone judged it.

    probabilities: float32 (classes,), the network's own, not calibrated; with the mirrored photo where the model was
    made so. feature_map: float32 (h, w, c) of the photo as it is, or None; vector: its mean over h and w, float32 (c,),
    which is what the head sees.
    """

    probabilities: np.ndarray
    feature_map: np.ndarray | None
    vector: np.ndarray | None


@dataclass(frozen=True)
class Prediction:
    """One picture's answer: classes by falling probability (0 to 1), and whether the first one is too weak."""

    label: str
    probability: float
    unsure: bool
    top: tuple[tuple[str, float], ...]


class Predictor:
    """A run's exported model with its classes and card. Read-only: many visitors share one."""

    def __init__(self, run: Run):
        card = run.card()
        if card is None or not run.can_predict:
            raise ModelError(f"{run.id} must be a finished run with an exported model. Received one without.")
        path = run.folder / "model.tflite"
        expected = card["files"].get("model.tflite", {}).get("sha256", "in its card")
        received = hashlib.sha256(path.read_bytes()).hexdigest()
        if received != expected:
            raise ModelError(
                f"model.tflite of {run.id} must have SHA-256 {expected}. Received: {received}. The file is damaged: "
                f"restore it ({'git checkout models' if run.shipped else 'train the run again'})."
            )
        self.card: dict[str, Any] = card
        self.name = run.id
        self.version = (
            f"{run.id} {received}"  # who gave an answer, for those who keep answers but not networks
        )
        self.classes: tuple[str, ...] = tuple(card["classes"])
        self.image_shape: tuple[int, ...] = tuple(card["image_shape"])
        self.mirror = bool(card.get("mirror", False))
        self._interpreter = Interpreter(path)
        self.head: Head | None = None
        if self._interpreter.has_map and (run.folder / "head.npz").exists():
            self.head = Head.load(run.folder / "head.npz")
        self.neighbours = neighbours.read(run.folder) if self._interpreter.has_map else None

    @property
    def sees_photos(self) -> bool:
        """Whether the network takes colour photos; else 28x28 grey pictures."""
        return len(self.image_shape) == 3

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, classes), each row summing to 1, for pictures uint8 (n, *image_shape).

        The network's own, not calibrated; the mean with those of the mirrored photos where the model was made so.
        """
        # Portion by portion, since `images` may be a whole split that is read from disk when asked for.
        starts = range(0, max(len(images), 1), _CHUNK)
        return np.concatenate([self._judged(images[start : start + _CHUNK]) for start in starts])

    def _judged(self, images: np.ndarray) -> np.ndarray:
        answers = self._interpreter.predict(images)
        return (answers + self._interpreter.predict(images[:, :, ::-1])) / 2 if self.mirror else answers

    def look(self, image: np.ndarray) -> Look:
        """All that the network gives for one picture uint8 (*image_shape)."""
        probabilities, feature_map = self._interpreter.look(image)
        if self.mirror:
            probabilities = (probabilities + self._interpreter.look(image[:, ::-1])[0]) / 2
        vector = None if feature_map is None else feature_map.mean(axis=(0, 1))
        return Look(probabilities, feature_map, vector)

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes) as they are told to people.

        For photos with the card's temperature: on photos like those of validation, as often right as they say. For
        28x28 pictures as they are: a photo squeezed to 28x28 is nothing like what the temperature was fitted on.
        """
        if not self.sees_photos:
            return probabilities
        return evaluation.apply_temperature(probabilities, self.card["temperature"])

    def describe(self, probabilities: np.ndarray) -> Prediction:
        """One row of probabilities, in words. Ties go to the class with the lower number."""
        order = np.argsort(-probabilities, kind="stable")
        top = tuple((self.classes[index], float(probabilities[index])) for index in order)
        return Prediction(top[0][0], top[0][1], top[0][1] < UNSURE_BELOW, top)
