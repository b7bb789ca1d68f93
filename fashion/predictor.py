"""A finished run -> predictions through LiteRT, in the server, without TensorFlow.

It knows pixels and probabilities; turning a photo into pixels is `photos.py`, judging is `evaluation.py`.
"""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion.errors import ModelError
from fashion.runs import Run

# Below this top probability an answer is called "unsure": on Fashion-MNIST's validation pictures the shipped
# model's answers below it are wrong about as often as right.
UNSURE_BELOW = 0.6
_CHUNK = 16  # LiteRT keeps the memory of the largest batch it ever saw


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
        self._output = self._litert.get_output_details()[0]
        self._lock = threading.Lock()
        self._size = int(self._input["shape"][0])

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, classes) for pictures (n, *image_shape), values 0 to 255.

        Raises:
            ModelError: The pictures do not have the shape this model was trained on.
        """
        expected = tuple(int(size) for size in self._input["shape"][1:])
        if images.shape[1:] != expected:
            raise ModelError(
                f"This model needs pictures of shape {expected}. Received: {images.shape[1:]}. Choose another model."
            )
        parts = [self._invoke(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, int(self._output["shape"][-1])), np.float32)

    def _invoke(self, images: np.ndarray) -> np.ndarray:
        with self._lock:
            if len(images) != self._size:
                self._litert.resize_tensor_input(self._input["index"], images.shape)
                self._litert.allocate_tensors()
                self._size = len(images)
            self._litert.set_tensor(self._input["index"], images.astype(self._input["dtype"]))
            self._litert.invoke()
            return self._litert.get_tensor(self._output["index"]).copy()


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
        expected = card["files"]["model.tflite"]["sha256"]
        received = hashlib.sha256(path.read_bytes()).hexdigest()
        if received != expected:
            raise ModelError(
                f"model.tflite of {run.id} must have SHA-256 {expected}. Received: {received}. The file is damaged: "
                f"restore it ({'git checkout models' if run.shipped else 'train the run again'})."
            )
        self.card: dict[str, Any] = card
        self.name = run.id
        self.classes: tuple[str, ...] = tuple(card["classes"])
        self._interpreter = Interpreter(path)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, classes), each row summing to 1, for pictures uint8 (n, h, w)."""
        return self._interpreter.predict(images)

    def describe(self, probabilities: np.ndarray) -> Prediction:
        """One row of probabilities, in words. Ties go to the class with the lower number."""
        order = np.argsort(-probabilities, kind="stable")
        top = tuple((self.classes[index], float(probabilities[index])) for index in order)
        return Prediction(top[0][0], top[0][1], top[0][1] < UNSURE_BELOW, top)
