"""Where a network looked, and what it would take to change its mind: arrays in, arrays out, without a training framework.

Two ways. A network that ends in a mean over its last feature map and dense layers (every pretrained one here) tells it
exactly, from that map and those layers: `activation_maps`. Any other is asked again with parts of the picture
covered: `occlusion_maps`. Neither says why; both say where in the picture the evidence lay. Drawing is not done here.
"""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fashion.errors import ModelError


@dataclass(frozen=True, eq=False)
class Head:
    """The dense layers after the mean over the feature map, ReLU between them, softmax after the last.

    layers: pairs of kernel float32 (in, out) and bias float32 (out,), one or two of them.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    @classmethod
    def load(cls, path: Path) -> "Head":
        """The head in `head.npz` of a run: arrays kernel0, bias0 and so on. Raises ModelError if it is damaged."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                count = sum(name.startswith("kernel") for name in arrays)
                layers = [(arrays[f"kernel{number}"], arrays[f"bias{number}"]) for number in range(count)]
            if not layers:
                raise ValueError("no layers")
            for (kernel, bias), following in zip(layers, [*layers[1:], None], strict=True):
                if kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
                    raise ValueError(f"kernel {kernel.shape} with bias {bias.shape}")
                if following is not None and following[0].shape[:1] != bias.shape:
                    raise ValueError(f"{bias.shape[0]} units before kernel {following[0].shape}")
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ModelError(
                f"{path.name} must hold the dense layers of the model. Received: {error}. Restore it from the project, "
                "or train the run again."
            ) from None
        return cls(tuple(layers))

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """The scores before the softmax: float (n, classes) for vectors (n, in)."""
        for number, (kernel, bias) in enumerate(self.layers):
            vectors = (np.maximum(vectors, 0) if number else vectors) @ kernel + bias
        return vectors

    def gradient(self, vector: np.ndarray) -> np.ndarray:
        """How much each number of the vector (in,) moves each class' score: float (in, classes), exact.

        With one layer its kernel, whatever the vector; with more, the layers multiplied without the units that ReLU
        holds at zero.
        """
        product, value = None, vector
        for number, (kernel, bias) in enumerate(self.layers):
            if number:
                product = product * (value > 0)
                value = np.maximum(value, 0)
            product = kernel if product is None else product @ kernel
            value = value @ kernel + bias
        return product


def activation_maps(feature_map: np.ndarray, head: Head) -> np.ndarray:
    """How much each place of the feature map (h, w, c) spoke for each class: float32 (classes, h, w), any sign.

    A place's value is what it adds to the class' score, times the number of places: their mean is the score, up to a
    number that does not depend on the place. Behind one dense layer that is the class activation map of B. Zhou et
    al., "Learning Deep Features for Discriminative Localization" (CVPR 2016, arXiv:1512.04150); behind two, Grad-CAM
    of R. Selvaraju et al. (ICCV 2017, arXiv:1610.02391, section 3.1), which is exact here as ReLU layers are linear
    around the vector. About 0.1 ms.
    """
    weights = head.gradient(feature_map.mean(axis=(0, 1)))
    return np.moveaxis(feature_map @ weights, -1, 0).astype(np.float32)


def occlusion_maps(
    predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray, places: int = 7, patch: float = 0.3
) -> np.ndarray:
    """How much of each class' probability is lost when a patch of the picture is covered: float32 (classes, h, w).

    predict: pictures uint8 (n, *image.shape) -> probabilities (n, classes). image: uint8 (h, w) or (h, w, 3).
    The patch, `patch` of the side, stands at places x places positions; it is black on 28x28 pictures, whose
    background is black, else the picture's mean colour. So the network is asked places^2 + 1 times. Below zero:
    covered, the class becomes more probable.

    Source: M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014,
    arXiv:1311.2901), section 4.2.
    """
    height, width = image.shape[:2]
    size = [max(1, round(patch * length)) for length in (height, width)]
    tops = np.linspace(0, height - size[0], places).round().astype(int)
    lefts = np.linspace(0, width - size[1], places).round().astype(int)
    colour = image.mean(axis=(0, 1)).round() if image.ndim == 3 else 0
    covered = np.repeat(image[None], places * places + 1, axis=0)
    for number, (top, left) in enumerate((top, left) for top in tops for left in lefts):
        covered[number, top : top + size[0], left : left + size[1]] = colour
    answers = predict(covered)
    lost = answers[-1] - answers[:-1]
    return lost.T.reshape(-1, places, places).astype(np.float32)


def heat(evidence: np.ndarray) -> np.ndarray:
    """What speaks for a class, (h, w), as float32 from 0 to 1: against it counts as none, the most is 1."""
    positive = np.maximum(evidence, 0).astype(np.float32)
    most = positive.max()
    return positive / most if most > 0 else positive


def enlarged(warmth: np.ndarray, height: int, width: int) -> np.ndarray:
    """A small map of heat, float (h, w) from 0 to 1, smoothly enlarged: float32 (height, width), 0 to 1."""
    image = Image.fromarray(warmth.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)


# From little to much, dark violet to light yellow: the order shows in grey too, and to colour-blind readers.
_COLOURS = (
    (20, 11, 52),
    (87, 16, 110),
    (153, 37, 92),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)


def coloured(warmth: np.ndarray) -> np.ndarray:
    """Heat from 0 to 1, float (h, w), in colours: uint8 (h, w, 3), dark violet for none to light yellow for the most."""
    stops = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(warmth, stops, values) for values in zip(*_COLOURS, strict=True)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


@dataclass(frozen=True)
class ChangeOfMind:
    """How many places of the feature map must be left out until the answer changes, of how many, and to which class.

    None need be left out where a network that judges the mirror image, too, says something else of the photo alone.
    """

    num_left_out: int
    num_places: int
    label: int


def change_of_mind(feature_map: np.ndarray, head: Head, label: int | None = None) -> ChangeOfMind | None:
    """What it takes to change the answer: its strongest places are left out one after the other, the mean is over the
    rest. None where the answer stays until a single place is left.

    feature_map: float (h, w, c). A place is no patch of the photo alone: deep layers see beyond their place. label: the answer
    that was told, where not this map alone decided it.
    """
    places = feature_map.reshape(-1, feature_map.shape[-1])
    if label is None:
        label = int(head.logits(places.mean(axis=0)[None])[0].argmax())
    evidence = activation_maps(feature_map, head)[label].ravel()
    weakest_first = places[np.argsort(evidence, kind="stable")]
    num_left = np.arange(1, len(places) + 1)
    means = np.cumsum(weakest_first, axis=0, dtype=np.float64) / num_left[:, None]
    answers = head.logits(means).argmax(axis=1)[
        ::-1
    ]  # first all places, then without the strongest, and so on
    others = np.flatnonzero(answers != label)
    if not len(others):
        return None
    return ChangeOfMind(int(others[0]), len(places), int(answers[others[0]]))
