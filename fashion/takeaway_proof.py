"""The proof that a zip file works without this app: its files, unpacked and loaded by a fresh process, answer as ours do.

Two processes are asked one after another, so that TensorFlow is in memory once: ours, which reads pictures and runs the
model as the rest of the app does, and a bare one, `python -I`, for which our package does not exist. The second runs the
very predict.py of the zip. This module loads Keras only in the first of them.
"""

import contextlib
import importlib.metadata
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from fashion import machine, photos, runs, squares, takeaway
from fashion.errors import FashionError, ModelError
from fashion.predictor import Predictor
from fashion.runs import Run
from fashion.worker import Reporter, StopRequested

TIME_LIMIT_SECONDS = 300.0
_NUM_STEPS = 4
_LOOK_SECONDS = 0.2
# What a program needs of its surroundings to start at all; nothing that could lead it to our package or settings.
_SURROUNDINGS = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")

_FRESH = '''
"""Runs apart from the app, in the unpacked zip: what the exported files answer, as JSON."""
import importlib, importlib.util, json, pathlib, sys
import numpy as np

folder, has_keras = pathlib.Path(sys.argv[1]), sys.argv[2] == "keras"
strange = [name for name in ("fashion", "streamlit_app") if importlib.util.find_spec(name)]
if strange:
    sys.exit("The app's own package can be imported here: " + ", ".join(strange) + ". So nothing would be proved.")
spec = importlib.util.spec_from_file_location("predict", folder / "predict.py")
predict = importlib.util.module_from_spec(spec)
spec.loader.exec_module(predict)
images = [predict.pixels(path) for path in sys.argv[3:]]
found = {"litert": [predict.probabilities(image).tolist() for image in images], "files": {}}
if has_keras:
    import keras
    model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    def ask(image):
        return np.asarray(model.predict_on_batch(np.ascontiguousarray(image[None])))[0]
    if predict.how["mirror"]:
        found["keras"] = [((ask(image) + ask(image[:, ::-1])) / 2).tolist() for image in images]
    else:
        found["keras"] = [ask(image).tolist() for image in images]
    found["versions"] = {"keras": keras.__version__}
print(json.dumps(found))
'''


def prove(job: Run, reporter: Reporter) -> None:
    """Pack the run's zip, unpack it, ask both processes about eight pictures, and keep how far they are apart.

    Raises:
        ModelError: The answers do not agree, or a file does not work: the zip is not to be offered.
        StopRequested: A stop was asked for.
        FashionError: The run is gone or damaged.
    """
    run = takeaway.asked_run(job)
    _tell(reporter, 0, "packing")
    started = time.perf_counter()
    data = takeaway.packed(run)
    encoded, what = takeaway.pictures(run)
    has_keras = (run.folder / "model.keras").exists()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder / "zip")
            (top,) = (folder / "zip").iterdir()
        files = []
        for number, picture in enumerate(encoded):
            files.append(str(folder / f"picture{number}.png"))
            Path(files[-1]).write_bytes(picture)
        _tell(reporter, 1, "asking our own model")
        framework = run.settings.framework
        ours = _answers(
            [sys.executable, "-m", "fashion.takeaway_proof", str(run.folder), *files],
            reporter,
            cwd=runs.ROOT,
            env={**os.environ, **_keras_environment(framework)},
        )
        _tell(reporter, 2, "asking the unpacked files in a fresh process")
        (folder / "fresh.py").write_text(_FRESH, encoding="utf-8")
        kept = {name: os.environ[name] for name in _SURROUNDINGS if name in os.environ}
        theirs = _answers(
            # -I: no folder of ours on the path, no variable that could put it there.
            [sys.executable, "-I", "fresh.py", str(top), "keras" if has_keras else "litert", *files],
            reporter,
            cwd=folder,
            env={
                **kept,
                "HOME": str(folder),
                "KERAS_HOME": str(folder / "keras"),
                **_keras_environment(framework),
            },
        )
    _tell(reporter, 3, "comparing")
    differences = compare(ours, theirs)
    takeaway.write_result(
        job,
        {
            "when": time.strftime("%Y-%m-%d"),
            "pictures": what,
            "differences": differences,
            "seconds": time.perf_counter() - started,
            "bytes": len(data),
            "versions": theirs.get("versions", {})
            | {"ai-edge-litert": importlib.metadata.version("ai-edge-litert")},
            "processor": machine.describe().processor,
        },
    )


def compare(ours: dict, theirs: dict) -> dict[str, float]:
    """The largest differences between the probabilities: "model.keras" (if there is one) and "model.tflite".

    ours: "keras" (or, of a model without it, "litert"); theirs: "litert" and perhaps "keras"; each (n, classes).

    Raises ModelError where one is larger than allowed, or an answer is missing or no number.
    """
    expected = ours.get("keras", ours.get("litert"))
    found = {}
    for name, key, tolerance in (
        ("model.keras", "keras", takeaway.KERAS_TOLERANCE),
        ("model.tflite", "litert", takeaway.LITERT_TOLERANCE),
    ):
        if key == "keras" and key not in ours:
            continue
        try:
            found[name] = float(np.abs(np.array(theirs[key], float) - np.array(expected, float)).max())
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(
                f"{name} must answer as the run's own model does. Received answers of another form from the fresh process: "
                f"{error}. The zip is not offered."
            ) from None
        if not found[name] <= tolerance:
            raise ModelError(
                f"{name} must agree with our own answers to {tolerance:g} on {takeaway.NUM_PICTURES} pictures. Received a "
                f"difference of {found[name]:.3g} from a fresh process. The zip is not offered."
            )
    return found


def _tell(reporter: Reporter, step: int, phase: str) -> None:
    reporter.update(phase=phase, step=step, num_steps=_NUM_STEPS, num_epochs=1)
    reason = reporter.stop_reason()
    if reason is not None:
        raise StopRequested(reason)


def _keras_environment(framework: str) -> dict[str, str]:
    """Eight pictures need no graphics card; and the framework is the one that the run was trained with."""
    return {
        "KERAS_BACKEND": framework,
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _answers(command: list[str], reporter: Reporter, cwd: Path, env: dict[str, str]) -> dict:
    """What a process prints as its last line, JSON; it is ended when a stop is asked for."""
    deadline = time.monotonic() + TIME_LIMIT_SECONDS
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=errors
        )
        try:
            while child.poll() is None:
                reason = reporter.stop_reason()
                if reason is not None:
                    raise StopRequested(reason)
                if time.monotonic() > deadline:
                    raise ModelError(
                        f"The check must end within {TIME_LIMIT_SECONDS:g} s. Received a process that did not. Try again when "
                        "this machine has less to do."
                    )
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_LOOK_SECONDS)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        said.seek(0)
        errors.seek(0)
        lines, problems = said.read().strip().splitlines(), errors.read()
    print(problems, file=sys.stderr)  # into the worker's log
    try:
        if child.returncode:
            raise ValueError
        return json.loads(lines[-1])
    except (ValueError, IndexError):
        last = (problems.strip().splitlines() or ["no message"])[-1][:300]
        raise ModelError(
            f"The exported files must load and answer in a process of their own. Received: {last}. The zip is not offered."
        ) from None


def _ours(folder: Path, files: list[str]) -> dict:
    """What the run's own model says, by the app's own way from a picture to an answer."""
    run = Run(folder)
    model = Predictor(run)
    images = []
    for name in files:
        data = Path(name).read_bytes()
        if model.sees_photos:
            images.append(
                squares.square(photos.read(data), model.image_shape[0], model.card.get("fit", "crop"))
            )
        else:
            images.append(np.asarray(Image.open(io.BytesIO(data))))
    pixels = np.stack(images)
    if not run.has_model:
        return {"litert": model.predict(pixels).tolist()}
    import keras

    from fashion.judging import predict

    network = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    return {"keras": predict(network, pixels, model.mirror).tolist()}


if __name__ == "__main__":
    try:
        print(json.dumps(_ours(Path(sys.argv[1]), sys.argv[2:])))
    except FashionError as problem:
        sys.exit(str(problem))
