"""The fused batch normalization computes and learns what Keras' own does, and leaves the saved network as it was."""

import json
import os
import subprocess
import sys

import pytest

from fashion.runs import ROOT

# Keras stays out of this process: the networks are trained in another, which says how they differ.
_COMPARE = """
import json, sys
import keras
import numpy as np
from fashion import fused

def network():
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 8, 3))
    values = keras.layers.Conv2D(6, 3, use_bias=False)(pixels)
    values = keras.layers.BatchNormalization(momentum=0.8)(values)
    values = keras.layers.Conv2D(5, 3, activation="relu")(values)
    values = keras.layers.BatchNormalization(momentum=0.8, epsilon=0.01)(values)
    values = keras.layers.GlobalAveragePooling2D()(values)
    values = keras.layers.BatchNormalization()(values)
    return keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(values))

rng = np.random.default_rng(0)
images = rng.normal(2, 3, (24, 8, 8, 3)).astype(np.float32)
labels = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 24)]

def trained(model):
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="categorical_crossentropy", jit_compile=False)
    model.fit(images, labels, batch_size=8, epochs=3, shuffle=False, verbose=0)
    return model

def apart(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))

seen = {}
plain, fast, untrained = network(), network(), network()
seen["fused"] = fused.fuse_normalization(fast)
trained(plain), trained(fast)
seen["apart"], seen["learned"] = apart(plain, fast), apart(plain, untrained)

frozen = network()
fused.fuse_normalization(frozen)
for layer in frozen.layers:
    layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
trained(frozen)
seen["frozen_mean"] = float(np.abs(frozen.layers[2].moving_mean).max())

fast.save(sys.argv[1])
opened = keras.saving.load_model(sys.argv[1], safe_mode=True)
seen["saved_as"] = f"{type(opened.layers[2]).__module__}.{type(opened.layers[2]).__name__}"
seen["opened_is_plain"] = "call" not in vars(opened.layers[2])
seen["opened_apart"] = float(np.abs(opened.predict(images, verbose=0) - fast.predict(images, verbose=0)).max())

keras.mixed_precision.set_global_policy("mixed_bfloat16")
seen["fused_bfloat16"] = fused.fuse_normalization(network())
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", _COMPARE, str(tmp_path_factory.mktemp("fused") / "model.keras")],
        cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_learns_the_same_weights_and_statistics(seen):
    """After nine steps all weights agree, moving means and variances included, although all have changed."""
    assert seen["fused"] == 2  # not the one of vectors
    assert seen["learned"] > 0.1
    assert seen["apart"] < 1e-3


@pytest.mark.slow
def test_a_frozen_layer_keeps_its_statistics(seen):
    """Where Keras would not measure the batch, the fused step does not either."""
    assert seen["frozen_mean"] == 0


@pytest.mark.slow
def test_what_is_saved_is_an_ordinary_network(seen):
    """The file holds Keras' own layers and answers alike without the fused step."""
    assert "keras" in seen["saved_as"]
    assert seen["saved_as"].endswith("BatchNormalization")
    assert seen["opened_is_plain"]
    assert seen["opened_apart"] < 1e-5


@pytest.mark.slow
def test_other_number_formats_are_left_alone(seen):
    """The fused step is for float32 only."""
    assert seen["fused_bfloat16"] == 0
