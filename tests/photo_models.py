"""A photo model without a framework, for tests: a LiteRT stand-in that knows three colours, and its run folder."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from PIL import Image
from run_folders import card, write_arrays

from fashion import datasets, disk, neighbours, runs
from fashion.settings import RunSettings

SIDE = 64
PLACES = 4
CLASSES = datasets.CLASSES_CLOTHING
FILE = b"a photo model"
RED, GREEN, BLUE = (220, 30, 30), (30, 200, 30), (30, 30, 220)
MEANS = {RED: "dress", GREEN: "hat", BLUE: "shoes"}
_SHARPNESS = 9.0


def kernel() -> np.ndarray:
    """Red speaks for dress, green for hat, blue for shoes: (3, 10)."""
    weights = np.full((3, 10), -1.0, np.float32)
    for channel, label in enumerate(MEANS.values()):
        weights[channel, CLASSES.index(label)] = _SHARPNESS
    return weights


class ColourNetwork:
    """What `ai_edge_litert.interpreter.Interpreter` offers, for a network whose map is the mean colour of 4 x 4 places.

    The map is the first output, as a converter may order them.
    """

    largest_batch = 0

    def __init__(self, model_path: str, num_threads: int):
        self.images = np.zeros((1, SIDE, SIDE, 3), np.float32)

    def allocate_tensors(self) -> None:
        pass

    def get_input_details(self) -> list[dict]:
        return [{"index": 0, "shape": np.array([1, SIDE, SIDE, 3]), "dtype": np.float32}]

    def get_output_details(self) -> list[dict]:
        return [
            {"index": 7, "shape": np.array([1, PLACES, PLACES, 3])},
            {"index": 5, "shape": np.array([1, 10])},
        ]

    def resize_tensor_input(self, index: int, shape: tuple[int, ...]) -> None:
        self.images = np.zeros(shape, np.float32)

    def set_tensor(self, index: int, images: np.ndarray) -> None:
        assert images.shape == self.images.shape
        assert images.dtype == np.float32
        self.images = images

    def invoke(self) -> None:
        ColourNetwork.largest_batch = max(ColourNetwork.largest_batch, len(self.images))
        part = SIDE // PLACES
        cut = self.images.reshape(len(self.images), PLACES, part, PLACES, part, 3)
        self.map = (cut.mean(axis=(2, 4)) / 255).astype(np.float32)

    def get_tensor(self, index: int) -> np.ndarray:
        if index == 7:
            return self.map
        # Not the head alone: something between left and right, so that mirroring matters.
        tilt = self.map[:, :, 0, 0].mean(axis=1) - self.map[:, :, -1, 0].mean(axis=1)
        scores = self.map.mean(axis=(1, 2)) @ kernel()
        scores[:, CLASSES.index("hat")] += tilt
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that hold `FILE` are run by `ColourNetwork`, all others by LiteRT as ever."""
    real = litert.Interpreter

    def make(model_path: str, num_threads: int):
        known = Path(model_path).read_bytes() == FILE
        return (ColourNetwork if known else real)(model_path=model_path, num_threads=num_threads)

    monkeypatch.setattr(litert, "Interpreter", make)


def make_run(name: str = "20260102-120000-photo-0001", folder: Path | None = None, **changes) -> runs.Run:
    """A finished photo run; `changes` are of its card."""
    settings = RunSettings(dataset="clothing", architecture="mobilenetv2-035", image_size=SIDE)
    run = runs.Run((folder or runs.runs_folder()) / name)
    run.folder.mkdir(parents=True)
    disk.write_json(run.folder / "settings.json", settings.to_json())
    disk.write_json(run.folder / "status.json", {"state": "finished"})
    (run.folder / "model.tflite").write_bytes(FILE)
    digest = {"bytes": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest()}
    values = card(name, settings) | {
        "classes": list(CLASSES),
        "image_shape": [SIDE, SIDE, 3],
        "mirror": False,
        "temperature": 1.0,
        "files": {"model.tflite": digest},
    }
    (run.folder / "card.json").write_text(json.dumps(values | changes))
    write_arrays(run, "head.npz", kernel0=kernel(), bias0=np.zeros(10, np.float32))
    return run


REFUSAL = {
    "rule": "Whatever is not red is refused.",
    "threshold": 0.5,
    "false_alarms": {"refused": 3, "n": 100, "interval": [0.01, 0.08]},
    "others": [{"kind": "drawings", "refused": 60, "n": 80}],
}
"""What the card of a model says that refuses; `knows_red_only` makes it one."""


def knows_red_only(run: runs.Run) -> None:
    """Let the model refuse what is not red: its training photos differed in their red alone."""
    components, points = np.array([[1.0, 0.0, 0.0]]), np.array([[1.0], [-1.0]])
    points = neighbours.Neighbours(np.zeros(3), components, points, np.array(["a", "b"]), np.array([0, 0]))
    write_arrays(run, neighbours.FILE, **points.arrays())


def photo(colour: tuple[int, int, int], size: tuple[int, int] = (120, 160), **saved) -> bytes:
    """A photo of one colour as the bytes of a JPEG file; `saved` as for `Image.save`."""
    return encoded(Image.new("RGB", size, colour), **{"format": "JPEG", "quality": 95} | saved)


def encoded(image: Image.Image, **saved) -> bytes:
    """An image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, **saved)
    return buffer.getvalue()
