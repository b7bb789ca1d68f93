"""A trained Keras model -> a LiteRT file for prediction in the server. For worker processes only.

LiteRT conversion is TensorFlow's. A worker with another framework asks a short-lived TensorFlow process for it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from fashion.errors import ModelError


def to_litert(saved: Path, model: keras.Model | None = None, half: bool = True) -> bytes:
    """The LiteRT file of the model saved at `saved`, for any batch size; weights in float16, or else in float32.

    A pretrained network has two outputs, told apart by their number of axes: probabilities (n, classes) and the last
    feature map (n, height, width, channels).

    `model` is the same model if this process has it already loaded.

    Raises:
        ModelError: TensorFlow is not installed, or cannot convert the model.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        model = model or keras.saving.load_model(saved, compile=False, safe_mode=True)
        if any(layer.name == "pool" for layer in model.layers):
            from fashion.networks import with_feature_map

            model = with_feature_map(model)
        # Traced here: by way of a SavedModel, as `from_keras_model` goes, it takes three times as long.
        pixels = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name=model.inputs[0].name)
        traced = tf.function(lambda pixels: model(pixels, training=False)).get_concrete_function(pixels)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.tflite"
        command = [
            sys.executable,
            "-m",
            "fashion.export",
            str(saved),
            str(target),
            *(["float32"] if not half else []),
        ]
        done = subprocess.run(
            command,
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not target.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelError(
                f"Export for prediction needs TensorFlow beside {keras.backend.backend()}. Received: {last[:300]}. "
                "Install requirements.txt; model.keras is kept."
            )
        return target.read_bytes()


def difference(path: Path, images: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference between the exported model's probabilities and `expected`, on these pictures."""
    from fashion.predictor import Interpreter

    return float(np.abs(Interpreter(path).predict(images) - expected).max())


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(to_litert(Path(sys.argv[1]), half="float32" not in sys.argv[3:]))
