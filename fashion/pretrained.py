"""The pretrained networks that a run can begin from: what they are, and where their weights lie.

All were trained on ImageNet (1.28 million photos of 1,000 classes) and come with Keras. This module knows facts
only; `networks.py` builds them.
"""

import os
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import requests

from fashion.errors import DataError

_WEIGHTS_URL = "https://storage.googleapis.com/tensorflow/keras-applications/"
_INTERNET_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class Base:
    """One of `keras.applications`.

    keras_name: the function there; arguments: what it is given beside the input. size: side in pixels of its own
    training. vector_size: numbers per photo after pooling. num_parameters and num_multiply_adds (one photo at `size`):
    of the part before the head. scaling: what its pixels must be, "none" where that is inside of it.
    weights: names of the weights files, without and with the 1,000 classes.
    """

    title: str
    keras_name: str
    size: int
    vector_size: int
    num_parameters: int
    num_multiply_adds: int
    scaling: str
    weights: tuple[str, str]
    arguments: tuple[tuple[str, float], ...] = ()


BASES = {
    "efficientnetv2-b0": Base(
        "EfficientNetV2-B0", "EfficientNetV2B0", 224, 1280, 5_919_312, 716_806_176, "none",
        ("efficientnetv2-b0_notop.h5", "efficientnetv2-b0.h5"),
    ),
    "mobilenetv2": Base(
        "MobileNetV2", "MobileNetV2", 224, 1280, 2_257_984, 299_494_272, "-1 to 1",
        (
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
        ),
    ),
    "mobilenetv2-035": Base(
        "MobileNetV2, 0.35 wide", "MobileNetV2", 224, 1280, 410_208, 58_005_808, "-1 to 1",
        (
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224.h5",
        ),
        (("alpha", 0.35),),
    ),
    "xception": Base(
        "Xception", "Xception", 299, 2048, 20_861_480, 8_355_355_496, "-1 to 1",
        (
            "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "xception_weights_tf_dim_ordering_tf_kernels.h5",
        ),
    ),
    "efficientnetv2-b1": Base(
        "EfficientNetV2-B1", "EfficientNetV2B1", 240, 1280, 6_931_124, 1_195_539_360, "none",
        ("efficientnetv2-b1_notop.h5", "efficientnetv2-b1.h5"),
    ),
    "resnet50v2": Base(
        "ResNet-50 V2", "ResNet50V2", 224, 2048, 23_564_800, 3_480_207_360, "-1 to 1",
        (
            "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "resnet50v2_weights_tf_dim_ordering_tf_kernels.h5",
        ),
    ),
}  # fmt: skip
"""By the name that settings use, best start first."""

LICENCE = "ImageNet weights of Keras, Apache License 2.0"


def weights_file(name: str, top: bool = False) -> Path | None:
    """The weights file of a base: in FASHION_WEIGHTS, else in Keras' own cache; None where it is in neither.

    top: with the layer for the 1,000 classes of ImageNet.
    """
    return find(BASES[name].weights[int(top)])


def find(file_name: str) -> Path | None:
    """A file of Keras' downloads: in FASHION_WEIGHTS, else in Keras' own cache; None where it is in neither."""
    folders = [Path.home() / ".keras" / "models"]
    if os.environ.get("KERAS_HOME"):
        folders.insert(0, Path(os.environ["KERAS_HOME"]).expanduser() / "models")
    if os.environ.get("FASHION_WEIGHTS"):
        folders.insert(0, Path(os.environ["FASHION_WEIGHTS"]).expanduser())
    return next((folder / file_name for folder in folders if (folder / file_name).is_file()), None)


def weights_argument(name: str, top: bool = False) -> str:
    """What `keras.applications` takes as `weights`: a path, or "imagenet", which downloads.

    Raises DataError where FASHION_WEIGHTS is set and lacks the file: whoever sets it has no internet.
    """
    found = weights_file(name, top)
    if found is not None:
        return str(found)
    if os.environ.get("FASHION_WEIGHTS"):
        raise DataError(missing(name, top))
    return "imagenet"


def obtainable(name: str) -> bool:
    """Whether the weights of a base are here, or Keras could download them now."""
    if weights_file(name) is not None:
        return True
    return not os.environ.get("FASHION_WEIGHTS") and _internet(int(time.time() // 60))


@lru_cache(maxsize=1)
def _internet(minute: int) -> bool:
    """Whether the server of the weights answers, with whatever; asked at most once a minute."""
    try:
        requests.head(_WEIGHTS_URL, timeout=_INTERNET_TIMEOUT_SECONDS)
    except requests.RequestException:
        return False
    return True


def missing(name: str, top: bool = False) -> str:
    """What to say where the weights of a base can be had neither from a folder nor from the internet."""
    received, advice = "neither the file nor the internet to download it", "Connect to the internet"
    if os.environ.get("FASHION_WEIGHTS"):
        received, advice = "a folder FASHION_WEIGHTS without it", "Put it there"
    return (
        f"{BASES[name].title} needs the weights file {BASES[name].weights[int(top)]}. Received {received}. {advice}, or "
        f"choose {', '.join(_here()) or 'a network from scratch'}."
    )


def _here() -> list[str]:
    return [base.title for name, base in BASES.items() if weights_file(name)]
