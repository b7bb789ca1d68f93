"""Export for prediction: weights in float16, and in float32 where rounding would change the answers."""

import json
import os
import subprocess
import sys

import pytest

from fashion.runs import ROOT

# Keras stays out of this process: the networks are exported in another.
_EXPORT = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
import keras
import numpy as np
from fashion import runs, training

folder = Path(sys.argv[1])
pictures = np.random.default_rng(0).integers(0, 256, (8, 4, 4), dtype=np.uint8)
data = SimpleNamespace(test=SimpleNamespace(images=pictures))

def exported(name, shift):
    # Twice nearly the same sum of all pixels, one subtracted from the other.
    pixels = keras.Input((4, 4))
    flat = keras.layers.Flatten()(pixels)
    both = keras.layers.Dense(2, use_bias=False, name="sums")(flat)
    scores = keras.layers.Dense(2, use_bias=False, name="difference")(both)
    model = keras.Model(pixels, keras.layers.Softmax()(scores))
    model.get_layer("sums").set_weights([np.tile(np.float32([1 + shift, 1.0]), (16, 1))])
    model.get_layer("difference").set_weights([np.float32([[3, 0], [-3, 0]])])
    run = runs.Run(folder / name)
    run.folder.mkdir()
    model.save(run.folder / "model.keras")
    difference = training._export(run, model, data, None)
    return {"difference": difference, "bytes": (run.folder / training._EXPORTED).stat().st_size}

# 1.0002 becomes 1 in float16, 1.5 stays.
print(json.dumps({"rounded": exported("rounded", 0.0002), "exact": exported("exact", 0.5)}))
"""


@pytest.mark.slow
def test_a_network_that_rounding_would_change_is_exported_in_float32(tmp_path):
    """It agrees with the trained one all the same; another one is exported in float16, and its file is smaller."""
    done = subprocess.run(
        [sys.executable, "-c", _EXPORT, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])

    assert found["rounded"]["difference"] < 1e-3
    assert found["exact"]["difference"] < 1e-3
    assert found["rounded"]["bytes"] != found["exact"]["bytes"]
