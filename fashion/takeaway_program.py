"""The settings of a run -> a plain Keras program, one file that a student can read and run: text only.

It does what the worker does (`training.py`, `fitting.py`, `transfer.py`) without anything of ours: the same layers,
pictures, order, seeds, optimizer, schedule and split. The network is written by `takeaway_network.py`, the pictures by
`takeaway_pictures.py`, the training by `takeaway_texts.py`. Nothing is run here, and no Keras is loaded.
"""

from fashion import architectures, clothing, datasets, teachers
from fashion.setting_fields import applies
from fashion.settings import ARCHITECTURES, FIELDS, PHOTOS, RunSettings
from fashion.takeaway_network import build, build_pretrained, impossible, optimizer, schedule
from fashion.takeaway_pictures import PHOTO_DATA, SMALL_DATA, batches, changes, chosen
from fashion.takeaway_texts import END, KEEPER, MAIN, MAIN_PRETRAINED, PREDICT, TRAIN

SKETCHES_FILE = "sketches.npz"
"""What the program of a run on drawn garments reads, which no one else offers: the zip has it."""
_WRITTEN = {
    "dataset", "classes", "architecture", "image_size", "width", "inner_width", "dropout", "epochs", "batch_size",
    "learning_rate", "optimizer", "momentum", "nesterov", "weight_decay", "schedule", "label_smoothing", "averaging",
    "fine_tune", "fine_tune_epochs", "fine_tune_rate", "views", "flip", "shift", "rotate", "zoom", "erase", "crop",
    "colour", "mixing", "augment_from", "augment_validation", "balance", "clean_labels", "num_train", "patience",
    "watch_test", "seed", "seconds_limit", "framework", "device", "precision", "predict_size", "predict_fit", "mirror", "teachers",
}  # fmt: skip
# They change what a run leaves behind, not what it learns.
_WITHOUT_EFFECT = {"snapshots"}


def program(settings: RunSettings) -> str:
    """The program that trains as these settings say, as text.

    Raises:
        SettingsError: It cannot be written as a plain program, and why.
    """
    values, usual = settings.to_json(), RunSettings().to_json()
    for name in values:
        if name not in _WRITTEN | _WITHOUT_EFFECT and values[name] != usual[name]:
            raise impossible(f"it uses the setting {FIELDS[name].label!r} ({name}={values[name]!r})")
    flags = _flags(settings)
    classes = settings.class_names or datasets.DATASETS[settings.dataset].classes
    mixed = "mixed" in flags
    pretrained = settings.pretrained
    rate = schedule(settings)
    network = (build_pretrained if pretrained else build)(settings, len(classes), mixed)
    parts = [
        f"{_head(settings, flags)}\n\n{_constants(settings, flags, classes)}",
        chosen(PHOTO_DATA if "photos" in flags else SMALL_DATA, flags),
        *changes(flags),
        *batches(flags),
        network,
        *([rate] if rate else []),
        _predict(flags),
        chosen(KEEPER, flags),
        _train(settings),
        chosen((MAIN_PRETRAINED if pretrained else MAIN) + END.lstrip("\n"), flags),
        'if __name__ == "__main__":\n    main()',
    ]
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def _flags(settings: RunSettings) -> set[str]:
    """What the texts of the program may depend on."""
    values = settings.to_json()
    used = {
        name
        for name in (
            "flip",
            "shift",
            "rotate",
            "zoom",
            "erase",
            "crop",
            "colour",
            "mixing",
            "balance",
            "averaging",
            "mirror",
        )
        if values[name] and applies(name, values)
    }
    layers = architectures.layers_of(settings, architectures.num_classes(settings))
    is_photos = settings.dataset in PHOTOS
    tuned = settings.pretrained and settings.fine_tune != "none"
    changing = bool(used & {"flip", "shift", "rotate", "zoom", "erase", "crop", "colour"})
    facts = {
        "photos": is_photos,
        "small": not is_photos,
        "sketches": settings.dataset == "sketches",
        "pretrained": settings.pretrained,
        "tuned": tuned,
        "last": settings.fine_tune == "last",
        "views": settings.pretrained and settings.views > 1,
        "changes": changing and (tuned or not settings.pretrained),
        "later": settings.augment_from > 0,
        "exam": settings.augment_validation and changing,
        "clean": settings.clean_labels,
        "dropout": any(layer.kind == "dropout" and layer.rate for layer in layers),
        "schedule": settings.schedule != "constant",
        "jax": settings.framework == "jax",
        "patience": settings.patience > 0,
        "watch": settings.watch_test,
        "mixed": settings.precision != "float32",
        "taught": bool(settings.teachers),
        "own_fit": settings.predict_fit != "crop",  # it judges another part of a photo than it learned from
        "between": settings.predict_fit == "between",
        "squash": settings.predict_fit == "squash",
    }
    return used | {name for name, holds in facts.items() if holds}


def _head(settings: RunSettings, flags: set[str]) -> str:
    """Docstring and imports."""
    title = datasets.DATASETS[settings.dataset].title
    network = ARCHITECTURES[settings.architecture]
    needs = f"keras, {settings.framework}" + (", numpy and pillow" if "photos" in flags else " and numpy")
    if "photos" in flags:
        usage = (
            "    python train.py FOLDER\n\nFOLDER holds train, validation and test, in each a folder per class with photos (.jpg), as in\n"
            "https://github.com/alexeygrigorev/clothing-dataset-small"
        )
    elif "sketches" in flags:
        usage = f"    python train.py\n\nIt reads the drawn garments from {SKETCHES_FILE}, which is in the zip file of the run."
    else:
        usage = (
            "    python train.py             Keras downloads Fashion-MNIST (30 MB) the first time\n"
            "    python train.py my.npz      your own pictures, in six arrays: train_images uint8 (n, 28, 28), train_labels (n,),\n"
            "                                and the same of validation and test"
        )
    differences = [
        "- Sums are rounded in another order with each number of cores, graphics card and version of the packages."
    ]
    if "schedule" in flags and "photos" not in flags:
        differences.append(
            "- Fashion Lab sets the learning rate once for several steps of a small network; here it is set at each."
        )
    if {"rotate", "zoom"} & flags and "photos" not in flags:
        differences.append(
            "- Turned or scaled pictures may differ from Fashion Lab's by one grey level of 255."
        )
    if getattr(settings, "seconds_limit", 0):
        differences.append(
            f"- The run had a limit of {settings.seconds_limit:,} s, which this program does not have: all epochs are done, and the "
            "learning rate goes by steps alone."
        )
    if settings.pretrained:
        differences.append("- Fashion Lab may take stored vectors of the photos, made on another machine.")
    lines = "\n".join(differences)
    needed = [*(["math"] if settings.schedule == "cosine" else []), "os", "sys"]
    imports = "\n".join(f"import {name}" for name in needed)
    imports += "\nfrom pathlib import Path" if {"photos", "sketches"} & flags else ""
    pillow = "\nfrom PIL import Image, ImageOps" if "photos" in flags else ""
    device = "" if settings.device == "cpu" else settings.device.partition(":")[2]
    return f'''"""{network} on {title}: one run of Fashion Lab as a plain Keras program.

{usage}

It needs {needs}. It leaves trained.keras in the current folder.

Layers, pictures, their order, their random changes, seeds, optimizer and epochs are those of the run. What may still
differ, in the last digits, and after many steps in the result:
{lines}
"""

{imports}

os.environ["KERAS_BACKEND"] = "{settings.framework}"
os.environ["CUDA_VISIBLE_DEVICES"] = "{device}"  # "": the processor; "0": the first graphics card
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np
from keras import layers{pillow}'''


def _constants(settings: RunSettings, flags: set[str], classes: tuple[str, ...]) -> str:
    """The settings, as constants: only those that the program reads."""
    values = settings.to_json()
    listing = "\n".join(f'    "{name}",' for name in classes)
    lines = [f"CLASSES = (\n{listing}\n)", 'PARTS = ("train", "validation", "test")']
    named = ["epochs", "batch_size", "learning_rate", "label_smoothing", "num_train", "seed"]
    named += [name for name in ("shift", "rotate", "zoom", "erase", "crop", "colour") if name in flags]
    named += [name for name in ("mixing", "balance", "patience") if name in flags]
    named += ["image_size"] if "photos" in flags else []
    named += ["views"] if settings.pretrained else []
    named += ["fine_tune_epochs", "fine_tune_rate"] if "tuned" in flags else []
    named += (
        ["augment_from"] if ("later" in flags and {"changes", "mixing"} & flags) or "exam" in flags else []
    )
    named += ["precision"] if "mixed" in flags else []
    lines += [f"{name.upper()} = {_written(values[name])}  # {_MEANING[name]}" for name in named]
    if settings.pretrained:
        lines.append('WEIGHTS = "imagenet"  # Keras downloads them once; or the path of the file')
    if "photos" in flags:
        lines.append(
            f"JUDGED_SIZE = {settings.judged_size}  # side in pixels at which the finished network judges photos"
        )
    if "taught" in flags:
        lines.append(
            f'TEACHERS = "{teachers.FILE}"  # what other models said of the training pictures, in the order of `data()`'
        )
    if "averaging" in flags:
        count = 512 if "photos" in flags else 4096
        lines.append(
            f"NUM_NORMALISATION = {count}  # pictures on which averaged networks measure their normalisations"
        )
    if "clean" in flags:
        ids = "\n".join(f'    "{name}",' for name in clothing.DOUBTFUL)
        lines.append(
            f"# Photos whose label is in doubt, which are left out of training.\nDOUBTFUL = {{\n{ids}\n}}"
        )
    return "\n".join(lines)


def _written(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


_MEANING = {
    "epochs": "how often all training pictures are seen",
    "batch_size": "pictures per step",
    "learning_rate": "length of a step",
    "label_smoothing": "how much less than certainty is asked for",
    "num_train": "training pictures, at most",
    "seed": "of all random choices",
    "shift": "pixels, at most",
    "rotate": "degrees, at most",
    "zoom": "change of size, at most",
    "erase": "the fraction of pictures in which something is hidden",
    "crop": "how much may be cut off a photo",
    "colour": "how much light and colours may change",
    "mixing": "the fraction of batches in which photos are mixed",
    "balance": "how far rare classes count more, 0 to 1",
    "patience": "stop after so many epochs without a better one",
    "image_size": "side in pixels of the photos that are learned from",
    "views": "vectors per training photo",
    "fine_tune_epochs": "epochs with the pretrained layers",
    "fine_tune_rate": "their learning rate",
    "augment_from": "epochs before pictures are changed",
    "precision": "number format while it trains",
}


def _predict(flags: set[str]) -> str:
    text = chosen(PREDICT, flags)
    # A docstring of one line ends on it.
    return text if "photos" in flags else text.replace('for pictures.\n    """', 'for pictures."""')


def _train(settings: RunSettings) -> str:
    """The function `train`, with the run's optimizer."""
    jit = "False" if settings.device == "cpu" and settings.framework == "tensorflow" else '"auto"'
    watch = settings.watch_test
    text = TRAIN.replace("OPTIMIZER", "\n".join(f"    {line}" for line in optimizer(settings)))
    text = text.replace("TEST_ARGUMENT", "test, " if watch else "").replace(
        "TEST_VALUE", "test, " if watch else ""
    )
    return text.replace("JIT", jit)
