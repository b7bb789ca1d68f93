"""What measures in PyTorch or JAX runs on a machine without TensorFlow: nothing in its way may even ask for it.

PyTorch and JAX themselves are tried in `test_benchmark_recipes.py`, where they are installed. Here no framework is to be
found, Keras is a stand-in, and every import of TensorFlow is noted.

Run: python -m pytest tests/test_benchmark_without_tensorflow.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

NOT_HERE = """
import builtins, importlib.machinery, json, sys

FRAMEWORKS = ("tensorflow", "torch", "jax")
asked = []

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in FRAMEWORKS else super().find_spec(name, path, target)

def noted(name, *arguments, real=builtins.__import__, **named):
    if name.partition(".")[0] == "tensorflow":
        asked.append(name)
    return real(name, *arguments, **named)

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
builtins.__import__ = noted
"""

MODULES = """
from unittest.mock import MagicMock

for name in ("", ".callbacks", ".layers", ".ops", ".saving"):
    sys.modules["keras" + name] = MagicMock()
from fashion import batches, benchmark_cell, benchmark_peers, benchmark_recipe_cell, fitting, networks, training

try:
    import tensorflow
except ImportError:
    print(json.dumps({"asked": asked}))
"""

COMMAND = """
from fashion.__main__ import main

status = main(["benchmark", *sys.argv[1:], "--json"])
print(json.dumps({"asked": asked, "status": status}))
"""


def run_without(code: str, *arguments: str, **environment: str) -> tuple[dict, str]:
    """What the code prints last, as JSON, where no framework can be found; and what it says on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", NOT_HERE + code, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_measuring_processes_modules_never_ask_for_tensorflow():
    """All that they load at once; the only one who asks is this test, so that it would be seen."""
    told, _ = run_without(MODULES, KERAS_BACKEND="torch")

    assert told == {"asked": ["tensorflow"]}


def test_a_framework_that_is_not_installed_is_told_before_anything_begins():
    """With the command that installs it; KERAS_BACKEND says which one is meant, and nobody asks for TensorFlow."""
    for arguments in (("--quick",), ("--accuracy",), ("--compare-frameworks",)):
        told, said = run_without(COMMAND, *arguments, KERAS_BACKEND="torch")

        assert told == {"asked": [], "status": 1}, arguments
        assert "PyTorch is not installed. Install it with: pip install torch" in said, arguments
