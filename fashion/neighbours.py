"""Which training photos look most alike to a network: the vectors of all of them, made small enough to ship.

Written by the worker when it finishes a photo run, read by the server. NumPy only; the photos themselves are not
here, only their names.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion.errors import ModelError

FILE = "neighbours.npz"
NUM_COMPONENTS = 64
"""Principal components kept of each vector: of 1,280 numbers, 64 hold what tells clothes apart."""


@dataclass(frozen=True)
class Neighbour:
    """A training photo: its file name without ".jpg", its label number, and the cosine of the angle, -1 to 1."""

    photo: str
    label: int
    similarity: float


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Training photos as points: mean (size,), components (64, size), points (n, 64) of length one."""

    mean: np.ndarray
    components: np.ndarray
    points: np.ndarray
    photos: np.ndarray
    labels: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, photos: list[str], labels: np.ndarray) -> "Neighbours":
        """From the vectors of the training photos, float (n, size), in the order of their names and labels."""
        vectors = vectors.astype(np.float32)
        mean = vectors.mean(axis=0)
        # The eigenvectors of the covariance: the directions in which the photos differ most (principal components).
        _, directions = np.linalg.eigh(np.cov(vectors, rowvar=False))
        components = directions[:, ::-1][:, :NUM_COMPONENTS].T
        points = _unit((vectors - mean) @ components.T)
        return cls(
            mean.astype(np.float32),
            components.astype(np.float16),
            points.astype(np.float16),
            np.array(photos),
            np.asarray(labels, np.uint8),
        )

    def nearest(self, vector: np.ndarray, count: int = 5) -> list[Neighbour]:
        """The `count` training photos most alike to a photo whose vector is float (size,), most alike first."""
        point = _unit((vector.astype(np.float32) - self.mean) @ self.components.astype(np.float32).T)
        similarity = self.points.astype(np.float32) @ point
        order = np.argsort(-similarity, kind="stable")[:count]
        return [Neighbour(str(self.photos[i]), int(self.labels[i]), float(similarity[i])) for i in order]

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file of them holds; `read` is the inverse."""
        return {name: getattr(self, name) for name in ("mean", "components", "points", "photos", "labels")}


def read(folder: Path) -> Neighbours | None:
    """The neighbours in a run folder; None where it has none.

    Raises ModelError if the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Neighbours(**{name: stored[name] for name in stored.files})
    except (OSError, ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(
            f"{FILE} of {folder.name} must be a file written by the worker. Received one that is not: {error}. Train "
            "the run again, or restore the file from the project."
        ) from None


def _unit(points: np.ndarray) -> np.ndarray:
    return points / np.maximum(np.linalg.norm(points, axis=-1, keepdims=True), 1e-9)
