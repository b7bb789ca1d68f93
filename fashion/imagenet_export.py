"""Gets a pretrained network with its 1,000 classes ready for the server: `python -m fashion.imagenet_export NAME`.

A short process of its own, since Keras and TensorFlow take 1.3 GB for a moment. What it leaves, and how far it is, is in
the folder of `imagenet.py`.
"""

import json
import os
import socket
import sys
import time
import traceback
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pooch
import requests

from fashion import disk, imagenet
from fashion.errors import DataError, FashionError, ModelError
from fashion.pretrained import BASES, find

CLASSES_FILE = "imagenet_class_index.json"
CLASSES_URL = f"https://storage.googleapis.com/download.tensorflow.org/data/{CLASSES_FILE}"
CLASSES_MD5 = "c2c37ea517e94d9795004a39431a14cb"  # as in Keras' own imagenet_utils
# Of the exported and the original probabilities: float16 weights move them by less (0.004 was the most seen).
TOLERANCE = 0.02
SILENT_SECONDS = 30  # without a byte from the other side, a download has failed


def class_names() -> list[str]:
    """The 1,000 names in the order of a network's answers: from Keras' own file, which is fetched if need be.

    Raises DataError where it is neither here nor to be had, or damaged.
    """
    path = find(CLASSES_FILE) or _fetched_classes()
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return [str(index[str(label)][1]).replace("_", " ") for label in range(imagenet.NUM_CLASSES)]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{CLASSES_FILE} must name the {imagenet.NUM_CLASSES:,} classes of ImageNet. Received: "
            f"{type(error).__name__}: {error}. Delete {path}, and try again."
        ) from None


def _fetched_classes() -> Path:
    try:
        found = pooch.retrieve(
            CLASSES_URL,
            f"md5:{CLASSES_MD5}",
            fname=CLASSES_FILE,
            path=imagenet.folder(),
            downloader=pooch.HTTPDownloader(timeout=SILENT_SECONDS),
        )
    except requests.HTTPError as error:
        received = f"HTTP {error.response.status_code} from {CLASSES_URL}"
    except requests.RequestException:
        received = f"no answer from {urlsplit(CLASSES_URL).netloc}"
    except (OSError, ValueError) as error:  # a full disk; other bytes, perhaps a log-in page of the network
        received = str(error)
    else:
        return Path(found)
    raise _not_fetched("The names of ImageNet's classes", CLASSES_FILE, received)


def _not_fetched(what: str, file_name: str, received: str) -> DataError:
    first = (received.strip().splitlines() or ["nothing"])[0][:200]
    return DataError(
        f"{what} must be downloaded once. Received: {first}. Check the internet connection and try again, or put "
        f"{file_name} into a folder and name it by FASHION_WEIGHTS."
    )


def build(name: str, weights: str | None):
    """The network with its 1,000 classes as a `keras.Model`: raw pixels 0 to 255 in, probabilities out.

    Raises DataError where the weights cannot be downloaded.
    """
    import keras

    base = BASES[name]
    values = pixels = keras.Input((base.size, base.size, 3), name="pixels")
    if base.scaling == "-1 to 1":
        values = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(pixels)
    make = getattr(keras.applications, base.keras_name)
    try:
        return make(include_top=True, weights=weights, input_tensor=values, **dict(base.arguments))
    except Exception as error:
        # Keras raises a bare Exception for an address that cannot be reached, ValueError for other bytes.
        unreachable = "URL fetch failure" in str(error) or isinstance(error, OSError | ValueError)
        if weights == "imagenet" and unreachable:
            raise _not_fetched(f"The weights of {base.title}", base.weights[1], str(error)) from None
        raise


def convert(name: str, report) -> None:
    """Leave the LiteRT file and the names of the classes in the folder; report(phase) is told what comes next.

    Raises FashionError in words for what a user can mend, OSError where the disk is full.
    """
    title = BASES[name].title
    report("looking for its weights")
    weights = imagenet.weights(name)
    classes = class_names()
    disk.write_json(imagenet.classes_file(), classes)
    report("starting TensorFlow")
    import keras

    from fashion import export
    from fashion.predictor import Interpreter

    megabytes = imagenet.download_bytes(name) / 1e6
    report(f"fetching its weights, about {megabytes:.0f} MB" if megabytes else "reading its weights")
    model = build(name, weights)
    report("converting it to LiteRT")
    data = export.to_litert(imagenet.folder(), model)
    report("checking the result")
    path = imagenet.model_file(name)
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    size = BASES[name].size
    noise = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(noise))
    difference = float(np.abs(Interpreter(beside).predict(noise) - expected).max())
    if not difference <= TOLERANCE:
        beside.unlink()
        raise ModelError(
            f"{title} must answer as in Keras, to {TOLERANCE:g}. Received a difference of {difference:.3g}. Take another "
            "network, or install the versions of requirements.txt."
        )
    os.replace(beside, path)


def main(arguments: list[str] | None = None) -> int:
    (name,) = arguments if arguments is not None else sys.argv[1:]
    began = time.time()
    socket.setdefaulttimeout(SILENT_SECONDS)  # Keras' downloads have none of their own
    imagenet.folder().mkdir(parents=True, exist_ok=True)

    def report(phase: str, problem: str = "") -> None:
        imagenet.report(name, phase, began=began, problem=problem, process_id=os.getpid())

    try:
        convert(name, report)
    except FashionError as error:
        report("", str(error))
        return 1
    except BaseException as error:
        traceback.print_exc()
        received = f"{type(error).__name__}: {error}"[:300]
        report(
            "",
            f"It could not be made ready. Received: {received}. The whole of it is in {name}.log; try again.",
        )
        return 1
    imagenet.forget(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
