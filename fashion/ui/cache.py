"""What is computed once and shared by all visitors: the only file with cache decorators.

Big arrays are held as resources (shared, read-only); small results are keyed by names, never by arrays, because
Streamlit only samples large arrays when it compares them. Nothing here may be changed by its caller.
"""

import dataclasses

import numpy as np
import pandas as pd
import streamlit as st

from fashion import datasets, evaluation, jobs, machine, memory, pictures, predictor, runs, sketches, summary


@st.cache_resource(max_entries=len(datasets.DATASETS), show_spinner="Loading the pictures …")
def dataset(name: str) -> datasets.Dataset:
    """The dataset in memory, its arrays read-only. Raises DataError if it is missing or damaged (not cached)."""
    loaded = datasets.load(name)
    splits = {}
    for split_name in datasets.SPLIT_NAMES:
        part = loaded.split(split_name)
        splits[split_name] = dataclasses.replace(part, images=memory.file_backed(part.images))
    del part
    loaded = dataclasses.replace(loaded, **splits)
    memory.give_back()  # what unpacking took
    return loaded


@st.cache_data(max_entries=8, show_spinner="Counting the pictures …")
def class_counts(name: str) -> pd.DataFrame:
    """Number of pictures: a row per class, columns class, train, validation, test."""
    loaded = dataset(name)
    classes = loaded.info.classes
    counts = {
        split: np.bincount(loaded.split(split).labels, minlength=len(classes))
        for split in datasets.SPLIT_NAMES
    }
    return pd.DataFrame({"class": classes, **counts})


@st.cache_data(max_entries=16, show_spinner="Averaging the pictures …")
def mean_pictures(name: str, split: str) -> np.ndarray:
    """The average picture of each class: uint8 (number of classes, 28, 28)."""
    loaded = dataset(name)
    part = loaded.split(split)
    return pictures.mean_pictures(part.images, part.labels, len(loaded.info.classes))


@st.cache_data(max_entries=16, show_spinner="Measuring the brightness …")
def brightness_per_class(name: str, split: str) -> pd.DataFrame:
    """Quantiles of brightness per class: see `pictures.brightness_per_class`."""
    loaded = dataset(name)
    part = loaded.split(split)
    return pictures.brightness_per_class(part.images, part.labels, loaded.info.classes)


@st.cache_data(max_entries=64, show_spinner=False)
def garment(label: int, seed: int, size: int) -> np.ndarray:
    """A drawn garment in colour on a light ground: uint8 (size, size, 3)."""
    return np.asarray(sketches.draw_colour(label, seed, size))


@st.cache_resource(show_spinner="Looking at this machine …")
def this_machine() -> machine.Machine:
    """The processor, memory and library versions of this machine."""
    return machine.describe()


# Two seconds after the first answer a minute's delay is pointless, but a driver installed later should be found.
@st.cache_resource(
    ttl="1h", show_spinner="Asking TensorFlow which devices it sees; this takes a few seconds …"
)
def devices(framework: str = "tensorflow") -> machine.Devices:
    """The graphics cards that a framework sees, asked in a process of its own."""
    return machine.devices(framework)


@st.cache_resource(show_spinner=False, on_release=jobs.LocalQueue.close)
def queue() -> jobs.LocalQueue:
    """The queue of this server; the first page that asks starts it."""
    return jobs.LocalQueue(jobs.Limits.from_environment()).start()


def model(name: str) -> predictor.Predictor:
    """The predictor of a finished run or a shipped model, shared by all visitors.

    Raises:
        RunError: There is no such run.
        ModelError: It has no exported model, or the file is damaged.
    """
    run = runs.find(name)
    path = run.folder / "model.tflite"
    # A resumed run writes a new model under the same name.
    return _model(name, path.stat().st_mtime_ns if path.exists() else 0)


@st.cache_resource(max_entries=8, show_spinner="Loading the model …")
def _model(name: str, modified_ns: int) -> predictor.Predictor:
    return predictor.Predictor(runs.find(name))


def reliability(name: str) -> pd.DataFrame | None:
    """How often answers of each confidence were right on the model's test pictures: see `evaluation.reliability`.

    None where the run has kept no answers. Raises RunError if what it kept is damaged, or there is no such run.
    """
    run = runs.find(name)
    path = run.folder / "evaluation.npz"
    return _reliability(name, path.stat().st_mtime_ns) if path.exists() else None


@st.cache_data(max_entries=32, show_spinner=False)
def _reliability(name: str, modified_ns: int) -> pd.DataFrame:
    said = summary.predictions(summary.summarise(runs.find(name)))
    return evaluation.reliability(said.probabilities, said.labels)
