"""What is computed once and shared by all visitors: the only file with cache decorators.

Big arrays are held as resources (shared, read-only); small results are keyed by names, never by arrays, because
Streamlit only samples large arrays when it compares them. Nothing here may be changed by its caller.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from fashion import block_maps as blocks
from fashion import (
    clothing_files,
    convolution,
    datasets,
    estimate,
    evaluation,
    imagenet,
    jobs,
    machine,
    memory,
    model_card,
    pictures,
    predictor,
    runs,
    sketches,
    summary,
)
from fashion.pace import Pace
from fashion.settings import PHOTOS

# How long a run under way counts as unchanged for those who watch it, in nanoseconds.
_STATE_NS = 1_000_000_000


def dataset(name: str, classes: tuple[str, ...] = ()) -> datasets.Dataset:
    """The dataset in memory, its arrays read-only; photos stay in their files, and `datasets` remembers which.

    classes: only the photos of these, for a run that knows no others.

    Raises DataError if it is missing or damaged (not cached).
    """
    if name != "clothing":
        return _arrays(name)
    known = set(classes) <= set(datasets.CLASSES_CLOTHING)  # a card may hold anything
    return datasets.of_classes(datasets.load(name), classes if known else ())


@st.cache_resource(max_entries=len(datasets.DATASETS), show_spinner="Loading the pictures …")
def _arrays(name: str) -> datasets.Dataset:
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
def averages(name: str, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    """The average picture of each class, uint8 (number of classes, 28, 28) or of photos (…, 48, 48, 3), and
    quantiles of brightness per class: see `pictures.brightness_per_class`.
    """
    loaded = dataset(name)
    part = loaded.split(split)
    # 3,000 photos: about 3 s, and 21 MB for that time.
    images = part.images.thumbnails(48) if isinstance(part.images, datasets.Photos) else part.images
    means = pictures.mean_pictures(images, part.labels, len(loaded.info.classes))
    spread = pictures.brightness_per_class(images, part.labels, loaded.info.classes)
    del images
    memory.give_back()
    return means, spread


@st.cache_data(max_entries=8, show_spinner=False)
def photo_sizes(split: str) -> pd.DataFrame:
    """How many clothing photos of a split have which size: columns width, height, photos; the most frequent first."""
    found = clothing_files.survey(datasets.status("clothing").folder)
    table = pd.DataFrame(found.sizes[split], columns=["width", "height"])
    return table.value_counts().rename("photos").reset_index()


def curves(run: runs.Run) -> tuple[tuple, pd.DataFrame, pd.DataFrame]:
    """The log and the steps of a run as they stand now, read once for all who watch it; first a name for just this state.

    Raises what reading them raises.
    """
    version = version_of(run)
    return version, *_curves(version, run)


def version_of(run: runs.Run) -> tuple:
    """A name for a run with the log, the steps and the card that it has now, for what is drawn of them: see `drawn`.

    Of a run under way, what it writes within the same second counts as one state, which all who watch it then share.
    """
    files = (run.folder / "log.csv", run.folder / "steps.csv", run.folder / "card.json")
    written = [path.stat().st_mtime_ns if path.exists() else 0 for path in files]
    if run.stored_status().active:
        written = [moment // _STATE_NS for moment in written]
    return str(run.folder), *written


@st.cache_resource(max_entries=16, show_spinner=False)
def _curves(version: tuple, _run: runs.Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    return _run.log(), _run.steps()


@st.cache_data(max_entries=128, show_spinner=False)
def drawn(_draw: Callable[[], object], version: tuple) -> None:
    """What this function draws, without widgets; for the same version it is not called again, but shown as it was drawn."""
    _draw()


@st.cache_data(max_entries=128, show_spinner=False)
def csv(_table: pd.DataFrame, version: tuple) -> str:
    """This table as a file's text, written once for the same version."""
    return _table.to_csv(index=False)


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


@st.cache_resource(show_spinner=False)
def pace() -> Pace:
    """How often what visitors watch is drawn again."""
    return Pace()


def waiting_seconds(ahead: list[tuple[runs.Run, runs.Status]]) -> float | None:
    """Seconds until these unfinished runs have ended; None where one of them cannot be foreseen, or there is none."""
    return estimate.waiting_seconds(ahead, _speeds(), queue().limits.num_workers) if ahead else None


@st.cache_data(ttl="20s", max_entries=1, show_spinner=False)
def _speeds() -> list:
    return estimate.measured_here()


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


# A photo network takes about 60 MB: the model asked and four beside it.
@st.cache_resource(max_entries=5, show_spinner="Loading the model …")
def _model(name: str, modified_ns: int) -> predictor.Predictor:
    return predictor.Predictor(runs.find(name))


def speed(name: str) -> model_card.Speed:
    """How fast a model is on this machine: measured at the first call. Raises what `model` raises."""
    return _speed(name, model(name).card["files"]["model.tflite"]["sha256"])


@st.cache_data(max_entries=16, show_spinner="Measuring its speed …")
def _speed(name: str, sha256: str) -> model_card.Speed:
    return model_card.speed(model(name))


def forget_speed(name: str) -> None:
    """Let `speed` measure again; for callbacks."""
    _speed.clear()


def small_network(name: str) -> convolution.SmallNetwork:
    """A finished run on 28x28 pictures, to be computed layer by layer. Raises ModelError where it cannot be."""
    return _small_network(name, (runs.find(name).folder / "model.keras").stat().st_mtime_ns)


@st.cache_resource(max_entries=1, show_spinner=False)
def _small_network(name: str, modified_ns: int) -> convolution.SmallNetwork:
    return convolution.SmallNetwork(runs.find(name))


def block_maps(name: str, image: np.ndarray) -> list[blocks.BlockMaps]:
    """What each block of a run's network makes of a picture: see `block_maps.of_picture`, whose errors it raises."""
    modified_ns = (runs.find(name).folder / "model.tflite").stat().st_mtime_ns
    return _block_maps(name, modified_ns, image.tobytes(), image.shape)


# For one visitor: it may be a photo of theirs.
@st.cache_data(
    max_entries=1, ttl="10m", scope="session", show_spinner="Going through the network block by block …"
)
def _block_maps(name: str, modified_ns: int, pixels: bytes, shape: tuple[int, ...]) -> list[blocks.BlockMaps]:
    found = blocks.of_picture(runs.find(name), np.frombuffer(pixels, np.uint8).reshape(shape))
    memory.give_back()
    return found


def imagenet_network(name: str) -> imagenet.Network:
    """A pretrained network with its 1,000 classes that is ready. Raises ModelError where it is damaged."""
    return _imagenet_network(name, imagenet.model_file(name).stat().st_mtime_ns)


@st.cache_resource(max_entries=1, show_spinner=False)
def _imagenet_network(name: str, modified_ns: int) -> imagenet.Network:
    return imagenet.Network(name)


def reliability(name: str) -> pd.DataFrame | None:
    """How often answers of each confidence were right on the model's test pictures: see `evaluation.reliability`.
    Of confidences as the page tells them, so calibrated where the model is for photos.

    None where the run has kept no answers. Raises RunError if what it kept is damaged, or there is no such run.
    """
    run = runs.find(name)
    path = run.folder / "evaluation.npz"
    return _reliability(name, path.stat().st_mtime_ns) if path.exists() else None


@st.cache_data(max_entries=32, show_spinner=False)
def _reliability(name: str, modified_ns: int) -> pd.DataFrame:
    one = summary.summarise(runs.find(name))
    said = summary.predictions(one)
    probabilities = said.probabilities
    if one.settings.dataset in PHOTOS:
        probabilities = evaluation.apply_temperature(probabilities, one.temperature or 1.0)
    return evaluation.reliability(probabilities, said.labels)


@st.cache_data(max_entries=4, show_spinner=False)
def test_photos(name: str, positions: tuple[int, ...], side: int, classes: tuple[str, ...]) -> np.ndarray:
    """Test photos of a dataset, or of these classes of it, as small squares: uint8 (k, side, side, 3)."""
    return dataset(name, classes).test.images.at(side)[list(positions)]


def photos_by_name(name: str, photos: tuple[str, ...], side: int) -> list[np.ndarray | None] | None:
    """Training photos by their file names without ".jpg", uint8 (side, side, 3), None for one that is not here.

    None where the dataset is not here.
    """
    if not datasets.status(name).present:
        return None
    images = dataset(name).train.images
    places = {path.stem: place for place, path in enumerate(images.paths)}
    small = images.at(side)
    return [small[places[photo]] if photo in places else None for photo in photos]
