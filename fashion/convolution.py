"""Convolution and pooling in NumPy, as the lesson shows them: on one picture, with the arithmetic of one position.

What layers do here is what Keras does in `networks.py`; a test compares the two. Small pictures only: it is written to
be read, not to be fast.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fashion import architectures
from fashion.architectures import Layer
from fashion.errors import ModelError
from fashion.runs import Run

KERNELS: dict[str, tuple[tuple[float, ...], ...]] = {
    "Vertical edges": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "Horizontal edges": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "All edges": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "Blur": ((1 / 9,) * 3,) * 3,
    "Sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
}
"""Kernels that people designed, by name; the first two are Sobel's."""
_EPSILON = 1e-3  # of Keras' batch normalisation


def convolve(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Slide a kernel (k, k) over an image (h, w): float64 (h - k + 1, w - k + 1).

    As in all networks, the kernel is not mirrored (mathematicians call that correlation), and there is no padding.
    """
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(image, np.float64), kernel.shape)
    return np.einsum("ijkl,kl->ij", windows, np.asarray(kernel, np.float64))


@dataclass(frozen=True, eq=False)
class Step:
    """One position: the pixels under the window, their products with the kernel, and the sum, all float64."""

    pixels: np.ndarray
    products: np.ndarray
    total: float


def step(image: np.ndarray, kernel: np.ndarray, row: int, column: int) -> Step:
    """The arithmetic at one position of the output; row and column are the window's top left. ValueError outside."""
    size = kernel.shape[0]
    pixels = np.asarray(image, np.float64)[row : row + size, column : column + size]
    if row < 0 or column < 0 or pixels.shape != kernel.shape:
        raise ValueError(
            f"The window must lie within the picture {image.shape}. Received: row={row}, column={column}. Choose less."
        )
    products = pixels * kernel
    return Step(pixels, products, float(products.sum()))


def in_words(one: Step, kernel: np.ndarray) -> str:
    """The nine products as one line of text, to be added up: "10 x 1 + 20 x 0 + ..."."""
    terms = [
        f"{pixel:g} x {_short(weight)}" for pixel, weight in zip(one.pixels.flat, kernel.flat, strict=True)
    ]
    return " + ".join(terms)


def _short(number: float) -> str:
    text = f"{number:.3g}" if abs(number) < 100 else f"{number:.1f}".rstrip("0").rstrip(".")
    return f"({text})" if number < 0 else text


def pool(image: np.ndarray, size: int = 2) -> np.ndarray:
    """The largest number of each size x size square; what is left over at the right and below is dropped.

    Takes (h, w) or (h, w, channels).
    """
    height, width = (side // size * size for side in image.shape[:2])
    cut = image[:height, :width]
    return cut.reshape(height // size, size, width // size, size, *image.shape[2:]).max(axis=(1, 3))


def as_grey(values: np.ndarray) -> np.ndarray:
    """Numbers of any range as uint8 for the eye: the lowest black, the highest white; all equal become middle grey."""
    low, high = float(values.min()), float(values.max())
    if high == low:
        return np.full(values.shape, 128, np.uint8)
    return np.round((values - low) * (255 / (high - low))).astype(np.uint8)


# A trained network, layer by layer


@dataclass(frozen=True, eq=False)
class Maps:
    """What a network has computed after a layer: its name, and float32 (h, w, channels) or (n,)."""

    name: str
    values: np.ndarray


class SmallNetwork:
    """A finished run on 28x28 pictures, computed in NumPy from its weights. Raises ModelError where these do not fit."""

    def __init__(self, run: Run):
        self.layers = architectures.layers_of(run.settings)
        shape = architectures.input_shape(run.settings)
        if run.settings.pretrained or shape[0] > 64:
            raise ModelError(
                f"Feature maps are computed here for small pictures only. Received: {run.id}. Choose a network for 28x28 pixels."
            )
        self._weights = _read_weights(run)
        self.forward(np.zeros(shape[:2], np.uint8))  # tells whether they fit

    @property
    def filters(self) -> np.ndarray:
        """The kernels of the first convolution: float32 (filters, side, side)."""
        return np.moveaxis(self._weights["conv2d"][0][:, :, 0, :], -1, 0)

    def forward(self, image: np.ndarray) -> list[Maps]:
        """Every layer's output for one picture, uint8 (28, 28), first to last; the last are the probabilities."""
        values = image.astype(np.float32)[:, :, None] / architectures.PIXEL_SCALE + architectures.PIXEL_OFFSET
        counts: dict[str, int] = {}
        found: list[Maps] = []
        try:
            for layer in self.layers:
                values = self._apply(layer, values, counts)
                row = architectures.table([layer], values.shape if values.ndim == 3 else (1, 1, 1))[-1]
                found.append(Maps(row.name, values))
        except (KeyError, ValueError, IndexError) as error:
            raise ModelError(
                f"The weights must fit the network's layers. Received: {type(error).__name__} {error}. Train the run again."
            ) from None
        return found

    def _next(self, kind: str, counts: dict[str, int]) -> list[np.ndarray]:
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        return self._weights[f"{kind}_{number}" if number else kind]

    def _apply(self, layer: Layer, values: np.ndarray, counts: dict[str, int]) -> np.ndarray:
        if layer.kind == "residual":
            inner = values
            for one in layer.inner:
                inner = self._apply(one, inner, counts)
            return values + inner
        if layer.kind in ("conv", "conv-strided"):
            (kernel,) = self._next("conv2d", counts)
            return convolve_channels(values, kernel, stride=1 if layer.kind == "conv" else 2)
        if layer.kind == "norm":
            gamma, beta, mean, variance = self._next("batch_normalization", counts)
            return (values - mean) / np.sqrt(variance + _EPSILON) * gamma + beta
        if layer.kind == "dense":
            kernel, bias = self._next("dense", counts)
            return values @ kernel + bias
        if layer.kind == "softmax":
            powers = np.exp(values - values.max())
            return powers / powers.sum()
        return {
            "pool": lambda: pool(values, layer.size),
            "relu": lambda: np.maximum(values, 0),
            "global-pool": lambda: values.mean(axis=(0, 1)),
            "flatten": values.ravel,
            "dropout": lambda: values,
        }[layer.kind]()


def convolve_channels(values: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """What Keras' Conv2D with padding "same" and no bias computes: values (h, w, c), kernel (k, k, c, f) -> (h/s, w/s, f)."""
    size = kernel.shape[0]
    edges = []
    for side in values.shape[:2]:
        missing = max((-(-side // stride) - 1) * stride + size - side, 0)
        edges.append((missing // 2, missing - missing // 2))
    padded = np.pad(values, (*edges, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))[::stride, ::stride]
    return np.einsum("ijcxy,xycf->ijf", windows, kernel, optimize=True)


def _read_weights(run: Run) -> dict[str, list[np.ndarray]]:
    """The arrays of each layer by its name in `model.keras`, which is a zip with an HDF5 file: no Keras needed."""
    import h5py

    try:
        with zipfile.ZipFile(run.folder / "model.keras") as archive:
            data = archive.read("model.weights.h5")
        with h5py.File(io.BytesIO(data)) as file:
            return {name: list(_arrays(group)) for name, group in file["layers"].items()}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"model.keras of {run.id} must hold its weights. Received: {error}. Restore it, or train the run again."
        ) from None


def _arrays(group) -> Iterator[np.ndarray]:
    stored = group.get("vars", {})
    for name in sorted(stored, key=int):
        yield np.asarray(stored[name], np.float32)
