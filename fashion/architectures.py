"""Settings -> the layers of a network, with shapes, parameters and cost, before anything is built.

Plain Python, so that the server can show a layer table without loading Keras; `networks.py` turns the same
list into a `keras.Model`. The list is the only place where an architecture is written down.
"""

import functools
import math
from dataclasses import dataclass

from fashion.pretrained import BASES
from fashion.settings import HOMEWORK, PHOTOS, RunSettings

# The first thing a network does: pixel / PIXEL_SCALE + PIXEL_OFFSET. Grey pictures of garments are mostly black, so
# this centres them near zero without numbers taken from the data.
PIXEL_SCALE, PIXEL_OFFSET = 127.5, -0.5


@dataclass(frozen=True)
class Layer:
    """One step of a network. `kind` says which, `size` is its filters, units or pool size, `rate` a dropout rate.

    Kinds: conv (3x3, same padding, no bias, since a normalisation always follows), pool (max, size x size),
    norm (batch normalisation), relu, global-pool (mean over all positions), flatten, dense (with bias),
    dropout, softmax, conv-strided (5x5 at every second place of each side, no bias), conv-valid (3x3, no padding, with bias), sigmoid (of one number, the probability of the second
    class; that of the first comes along), residual (adds what `inner` computes to its input; shapes must agree), pretrained (all
    convolutions of the base called `name`).
    """

    kind: str
    size: int = 0
    rate: float = 0.0
    inner: tuple["Layer", ...] = ()
    name: str = ""


@dataclass(frozen=True)
class LayerRow:
    """A row of the layer table: output shape without the batch axis, trainable and fixed numbers, and cost.

    `num_multiply_adds` counts the multiplications of one picture's forward pass in convolutions and dense
    layers; training costs about three times as much.
    """

    name: str
    output_shape: tuple[int, ...]
    num_parameters: int
    num_multiply_adds: int


def _scaled(base: int, width: float) -> int:
    """`base` filters times the width, rounded to a multiple of four, at least four."""
    return max(4, round(base * width / 4) * 4)


def head(settings: RunSettings, num_classes: int) -> list[Layer]:
    """The last layers: from what the network found in the picture to class probabilities."""
    layers = []
    if settings.inner_width:
        layers += [
            Layer("dropout", rate=settings.dropout),
            Layer("dense", settings.inner_width),
            Layer("relu"),
        ]
    return [*layers, Layer("dropout", rate=settings.dropout), Layer("dense", num_classes), Layer("softmax")]


def _conv(filters: int, pool: bool = False) -> list[Layer]:
    # Pooling before normalisation: measured on two cores, the other order costs up to 2.5 times the time.
    shrink = [Layer("pool", 2)] if pool else []
    return [Layer("conv", filters), *shrink, Layer("norm"), Layer("relu")]


def layers_of(settings: RunSettings, num_classes: int = 10) -> list[Layer]:
    """The layers of the network that `settings` describe, from scaled pixels to class probabilities."""
    width = settings.width
    if settings.pretrained:
        base = Layer("pretrained", name=settings.architecture)
        return [base, Layer("global-pool"), *head(settings, num_classes)]
    if settings.architecture == HOMEWORK:
        return [
            Layer("conv-valid", 32),
            Layer("relu"),
            Layer("pool", 2),
            Layer("flatten"),
            Layer("dense", 64),
            Layer("relu"),
            Layer("dense", 1),
            Layer("sigmoid"),
        ]
    if settings.architecture == "softmax":
        return [Layer("flatten"), Layer("dense", num_classes), Layer("softmax")]
    if settings.architecture == "mlp":
        hidden = _scaled(256, width)
        return [Layer("flatten"), Layer("dense", hidden), Layer("relu"), *head(settings, num_classes)]
    if settings.architecture == "strided":
        # A first layer that looks at every second place costs a quarter, and so do all after it (docs/benchmark.md).
        first, second, third = _scaled(32, width), _scaled(64, width), _scaled(128, width)
        body = [Layer("conv-strided", first), Layer("norm"), Layer("relu")]
        body += [*_conv(second, pool=True), *_conv(third, pool=True), Layer("flatten")]
        return [*body, *head(settings, num_classes)]
    if settings.architecture == "cnn":
        first, second = _scaled(32, width), _scaled(64, width)
        body = [*_conv(first, pool=True), *_conv(second, pool=True), Layer("flatten")]
        return [*body, *head(settings, num_classes)]
    first, second, third = _scaled(24, width), _scaled(48, width), _scaled(96, width)
    body = [
        *_conv(first, pool=True),
        *_conv(second),
        Layer("residual", inner=(*_conv(second), *_conv(second))),
        *_conv(third, pool=True),
        Layer("residual", inner=(*_conv(third), *_conv(third))),
        Layer("global-pool"),
    ]
    return [*body, *head(settings, num_classes)]


_NAMES = {
    "conv": "Convolution 3x3, {size} filters",
    "conv-strided": "Convolution 5x5, {size} filters, every second place",
    "conv-valid": "Convolution 3x3, {size} filters, no padding",
    "pool": "Max pooling {size}x{size}",
    "norm": "Batch normalisation",
    "relu": "ReLU",
    "global-pool": "Mean over all positions",
    "flatten": "Flatten",
    "dense": "Dense, {size} units",
    "dropout": "Dropout {rate:g}",
    "softmax": "Softmax",
    "sigmoid": "Sigmoid, for both classes",
    "residual": "Add the shortcut",
    "pretrained": "{title}, pretrained",
}
# The pretrained networks here halve the picture five times.
_PRETRAINED_STRIDE = 32


def table(layers: list[Layer], input_shape: tuple[int, ...]) -> list[LayerRow]:
    """The layer table for pictures of `input_shape` (height, width, channels)."""
    rows: list[LayerRow] = []
    shape = input_shape
    for layer in layers:
        if layer.kind == "residual":
            rows += table(list(layer.inner), shape)
        rows.append(_row(layer, shape))
        shape = rows[-1].output_shape
    return rows


def _row(layer: Layer, shape: tuple[int, ...]) -> LayerRow:
    parameters = cost = 0
    output = shape
    if layer.kind == "conv":
        height, width, channels = shape
        output = (height, width, layer.size)
        parameters = 9 * channels * layer.size
        cost = height * width * parameters
    elif layer.kind == "conv-strided":
        height, width, channels = shape
        output = (-(-height // 2), -(-width // 2), layer.size)
        parameters = 25 * channels * layer.size
        cost = output[0] * output[1] * parameters
    elif layer.kind == "conv-valid":
        height, width, channels = shape
        output = (height - 2, width - 2, layer.size)
        parameters = (9 * channels + 1) * layer.size
        cost = (height - 2) * (width - 2) * 9 * channels * layer.size
    elif layer.kind == "sigmoid":
        output = (2,)
    elif layer.kind == "dense":
        output = (layer.size,)
        parameters = (shape[0] + 1) * layer.size
        cost = shape[0] * layer.size
    elif layer.kind == "norm":
        parameters = 4 * shape[-1]  # scale and shift are learned; mean and variance are measured
    elif layer.kind == "pretrained":
        base = BASES[layer.name]
        height, width = (math.ceil(size / _PRETRAINED_STRIDE) for size in shape[:2])
        output = (height, width, base.vector_size)
        parameters = base.num_parameters
        cost = round(base.num_multiply_adds * shape[0] * shape[1] / base.size**2)
    elif layer.kind == "pool":
        output = (shape[0] // layer.size, shape[1] // layer.size, shape[2])
    elif layer.kind == "global-pool":
        output = (shape[-1],)
    elif layer.kind == "flatten":
        output = (shape[0] * shape[1] * shape[2],)
    title = BASES[layer.name].title if layer.name else ""
    name = (
        _NAMES[layer.kind]
        .format(size=layer.size, rate=layer.rate, title=title)
        .replace(" 1 units", " 1 unit")
    )
    return LayerRow(name, output, parameters, cost)


def input_shape(settings: RunSettings) -> tuple[int, int, int]:
    """Height, width and channels of the pictures that the network learns from."""
    return settings.image_size, settings.image_size, 3 if settings.dataset in PHOTOS else 1


def num_classes(settings: RunSettings) -> int:
    """How many classes the network tells apart."""
    return len(settings.class_names) or 10


def scaling(settings: RunSettings) -> tuple[float, float]:
    """What the network makes of a pixel, 0 to 255, first: times the one, plus the other."""
    return (1 / 255, 0.0) if settings.architecture == HOMEWORK else (1 / PIXEL_SCALE, PIXEL_OFFSET)


@functools.lru_cache(maxsize=1_000)
def cost_of(settings: RunSettings) -> tuple[int, int]:
    """Number of parameters, and multiply-adds of one picture's forward pass."""
    rows = table(layers_of(settings, num_classes(settings)), input_shape(settings))
    return sum(row.num_parameters for row in rows), sum(row.num_multiply_adds for row in rows)
