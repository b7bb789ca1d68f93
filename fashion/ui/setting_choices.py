"""What can be chosen for a setting of the form, in words: it depends on the dataset, the machine, and the models that are here."""

import itertools

import streamlit as st

from fashion import datasets, machine, summary, teachers
from fashion.pretrained import BASES
from fashion.settings import (
    ARCHITECTURES,
    DEFAULTS,
    FIELDS,
    FRAMEWORKS,
    HOMEWORK,
    MIN_IMAGE_SIZE,
    PHOTOS,
    SCRATCH,
)
from fashion.ui import cache

# Sides in pixels that the usual networks were made for; a link may bring another one.
_SIZES = (96, 128, 150, 192, 224, 256, 299)
OPEN = ("image_size", "predict_size")
"""Settings of which a link may bring a value that is not offered."""


def choices(name: str, dataset: str, classes: str = "") -> dict[object, str]:
    """The values of a setting with this dataset (of it, these two classes, or all), in words; empty for switches and numbers."""
    if name == "device":
        gpus = cache.devices(st.session_state.get("framework", DEFAULTS.framework)).gpus
        names = {"cpu": f"CPU: {cache.this_machine().processor}"}
        return names | {f"gpu:{number}": f"GPU {number}: {gpu}" for number, gpu in enumerate(gpus)}
    if name == "framework":
        return {key: FRAMEWORKS[key] for key in frameworks()}
    if name == "classes":
        return {pair: summary.setting_in_words("classes", pair) for pair in ["", *pairs_of_classes()]}
    if name == "teachers":
        return _teachers(dataset, classes)
    if name == "dataset":
        return {key: info.title for key, info in datasets.DATASETS.items()}
    if name == "architecture":
        names = [*BASES, *reversed(SCRATCH), HOMEWORK] if dataset in PHOTOS else SCRATCH
        return {key: ARCHITECTURES[key] for key in names}
    if name in OPEN:
        return _sizes(name) if dataset in PHOTOS else {}
    return FIELDS[name].choices or {}


def pairs_of_classes() -> list[str]:
    """All pairs of the photos' classes, as the setting `classes` has them."""
    return [f"{one},{other}" for one, other in itertools.combinations(datasets.CLASSES_CLOTHING, 2)]


def frameworks() -> list[str]:
    """Those that are installed."""
    return [name for name in FRAMEWORKS if name in machine.installed_frameworks()]


def _teachers(dataset: str, classes: str) -> dict[str, str]:
    """None first; several that a link names stay together."""
    found = {
        run.id: f"{summary.short_name(run)} · {ARCHITECTURES[run.settings.architecture]}"
        for run in teachers.possible(dataset, classes)
    }
    chosen = _chosen("teachers")
    several = {chosen: chosen} if "," in chosen and set(chosen.split(",")) <= set(found) else {}
    return {"": "none"} | several | found


def _sizes(name: str) -> dict[int, str]:
    chosen = _chosen(name)
    own = {int(chosen)} if chosen.isdecimal() and len(chosen) < 4 else set()
    sizes = sorted({*_SIZES, *(size for size in own if MIN_IMAGE_SIZE <= size <= FIELDS[name].high)})
    as_in_training = {0: "as in training"} if name == "predict_size" else {}
    return as_in_training | {size: f"{size}" for size in sizes}


def _chosen(name: str) -> str:
    """What the form or the link says now."""
    return str(st.session_state.get(name, st.query_params.get(name, "")))
