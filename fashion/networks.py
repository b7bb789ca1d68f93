"""Settings -> a `keras.Model`, uncompiled and compiled. For worker processes only: this module imports Keras.

Which layers a network has is decided in `architectures.py`.
"""

import keras
import numpy as np

from fashion import architectures, pretrained
from fashion.errors import DataError
from fashion.pretrained import BASES
from fashion.settings import RunSettings

# How many of a base's layers "the last blocks" are: its last quarter, about two of seven blocks.
_LAST_BLOCKS = 0.25


def build(settings: RunSettings, image_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """The network of `settings`, with fresh weights drawn from `keras.utils.set_random_seed`'s generator.

    Input: float32 or uint8 (batch, *image_shape), raw pixels 0 to 255; a grey picture may lack its channel axis.
    Output: float32 (batch, num_classes), softmax probabilities. Preprocessing is inside, so that a saved
    model cannot be separated from it. Only layers that come with Keras are used: the file opens anywhere.
    """
    pixels = keras.Input(shape=image_shape, name="pixels")
    values = pixels
    if len(image_shape) == 2:
        values = keras.layers.Reshape((*image_shape, 1), name="add_channel")(values)
    scale, offset = architectures.scaling(settings)
    values = keras.layers.Rescaling(scale, offset=offset, name="scale")(values)
    for layer in architectures.layers_of(settings, num_classes):
        values = _apply(layer, values)
    return keras.Model(pixels, values, name=settings.architecture)


def build_pretrained(
    settings: RunSettings, num_classes: int, weights: str | None = None, side: int | None = None
) -> keras.Model:
    """A pretrained base with a new head. Input: raw pixels 0 to 255 (batch, side, side, 3), of any side if None.

    weights: what `keras.applications` takes; None leaves the base with random weights, to be set by the caller.
    The layer "pool" turns the last feature map into one vector per photo; the layers after it are the head. All
    layers stand in one flat model: a nested one hides its feature map from whoever wants to look at it.
    """
    pixels = keras.Input(shape=(side, side, 3), name="pixels")
    features = _base(settings.architecture, pixels, weights).output
    vector = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(features)
    return keras.Model(pixels, _head(settings, num_classes, vector), name=settings.architecture)


def build_base(name: str, weights: str, side: int | None = None) -> keras.Model:
    """A pretrained network without its classes: raw pixels (batch, side, side, 3) -> float32 (batch, vector_size)."""
    base = _base(name, keras.Input(shape=(side, side, 3), name="pixels"), weights)
    vector = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(base.output)
    return keras.Model(base.input, vector, name=name)


def build_head(settings: RunSettings, num_classes: int) -> keras.Model:
    """The head alone: float32 vectors (batch, vector_size) -> probabilities."""
    vector = keras.Input(shape=(BASES[settings.architecture].vector_size,), name="vector")
    return keras.Model(vector, _head(settings, num_classes, vector), name=f"{settings.architecture}-head")


def copy_head(source: keras.Model, target: keras.Model) -> None:
    """Give the head of `target` the weights of that of `source`."""
    for layer in source.layers:
        if layer.weights and layer.name.startswith("head_"):
            target.get_layer(layer.name).set_weights(layer.get_weights())


def head_arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """The dense layers of the head, first to last: kernel0 (vector_size, units), bias0 (units), kernel1, ..."""
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    arrays = {}
    for number, layer in enumerate(dense):
        kernel, bias = layer.get_weights()
        arrays |= {f"kernel{number}": kernel, f"bias{number}": bias}
    return arrays


def set_trainable(model: keras.Model, fine_tune: str) -> None:
    """Let the base's last blocks ("last") or all layers ("all") of a pretrained network learn."""
    body = [layer for layer in model.layers if not layer.name.startswith("head_")]
    first = len(body) - round(len(body) * _LAST_BLOCKS) if fine_tune == "last" else 0
    for number, layer in enumerate(body):
        layer.trainable = number >= first


def with_feature_map(model: keras.Model) -> keras.Model:
    """The same network with two answers: probabilities, and the feature map before "pool"."""
    return keras.Model(model.inputs, [model.output, model.get_layer("pool").input], name=model.name)


def with_vector(model: keras.Model) -> keras.Model:
    """The same network with two answers: probabilities, and the vector that the head sees."""
    return keras.Model(model.inputs, [model.output, model.get_layer("pool").output], name=model.name)


def _base(name: str, pixels, weights: str | None) -> keras.Model:
    base = BASES[name]
    values = pixels
    if base.scaling == "-1 to 1":
        values = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(pixels)
    make = getattr(keras.applications, base.keras_name)
    try:
        return make(include_top=False, weights=weights, input_tensor=values, **dict(base.arguments))
    except Exception as error:  # what Keras raises without internet is no more special
        if "URL fetch failure" not in str(error):
            raise
        raise DataError(pretrained.missing(name)) from error


def _head(settings: RunSettings, num_classes: int, vector):
    values = vector
    for number, layer in enumerate(architectures.head(settings, num_classes)):
        values = _apply(layer, values, name=f"head_{layer.kind}{number}", dtype="float32")
    return values


def _apply(layer: architectures.Layer, values, **named):
    layers = keras.layers
    if layer.kind == "residual":
        inner = values
        for step in layer.inner:
            inner = _apply(step, inner)
        return layers.Add()([values, inner])
    if layer.kind == "sigmoid":
        # The sigmoid of z is the second of softmax(0, z), whose first is the other class's probability: so every run has
        # a column per class, and crossentropy over both is binary crossentropy, computed from z itself.
        nothing = layers.Rescaling(0.0, dtype="float32")(values)
        return layers.Softmax(dtype="float32")(layers.Concatenate(dtype="float32")([nothing, values]))
    made = {
        "conv-strided": lambda: layers.Conv2D(
            layer.size, 5, strides=2, padding="same", use_bias=False, kernel_initializer="he_normal"
        ),
        "conv-valid": lambda: layers.Conv2D(layer.size, 3),
        "conv": lambda: layers.Conv2D(
            layer.size, 3, padding="same", use_bias=False, kernel_initializer="he_normal"
        ),
        "pool": lambda: layers.MaxPooling2D(layer.size),
        # Keras' default momentum of 0.99 needs hundreds of steps to settle: a one-epoch run would be tested
        # with wrong statistics.
        "norm": lambda: layers.BatchNormalization(momentum=0.9),
        "relu": lambda: layers.ReLU(**named),
        "global-pool": layers.GlobalAveragePooling2D,
        "flatten": layers.Flatten,
        "dense": lambda: layers.Dense(layer.size, **named),
        "dropout": lambda: layers.Dropout(layer.rate, **named),
        # Probabilities in float32 whatever the precision: bfloat16 has two to three digits.
        "softmax": lambda: layers.Softmax(**{"dtype": "float32"} | named),
    }
    return made[layer.kind]()(values)


def optimizer(settings: RunSettings) -> keras.optimizers.Optimizer:
    """The optimizer of `settings` at its initial learning rate; the schedule is applied by the worker.

    It is one that comes with Keras, with a plain number as its rate, so that a checkpoint opens anywhere.
    """
    # Over the last tenth of the run, a thousand steps at most: a longer memory would keep a short run's beginning.
    num_steps = settings.epochs * (settings.num_train // settings.batch_size)
    memory = min(max(num_steps / 10, 2), 1000)
    average = {"use_ema": True, "ema_momentum": 1 - 1 / memory} if settings.averaging else {}
    rate = settings.learning_rate
    if settings.optimizer == "sgd":
        made = keras.optimizers.SGD(
            rate,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
            weight_decay=settings.weight_decay or None,
            **average,
        )
    elif settings.optimizer == "adamw":
        made = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **average)
    else:
        made = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[settings.optimizer](
            rate, **average
        )
    # Biases and normalisations set levels, not complexity: decaying them only costs accuracy.
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def compile_for_training(
    model: keras.Model, settings: RunSettings, num_classes: int, steps_per_call: int
) -> None:
    """Compile for one-hot float32 labels (batch, num_classes), so that labels can be smoothed."""
    model.compile(
        optimizer=optimizer(settings),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        # XLA is five times slower for convolutions on the CPU; graphics cards decide for themselves.
        jit_compile=False if settings.device == "cpu" and settings.framework == "tensorflow" else "auto",
        steps_per_execution=steps_per_call,
    )


def remeasure_normalisation(model: keras.Model, batches: list) -> list[tuple[keras.layers.Layer, list]]:
    """Measure the means and variances of all batch normalisations anew on these batches of pictures.

    Averaged weights never computed anything while training, so the statistics at hand are those of other weights.
    Measured here on the shipped model's run: 0.936 on validation without this, 0.941 with it (Izmailov et al.
    2018, "Averaging Weights Leads to Wider Optima", section 3.2). Returns what `restore_normalisation` needs.
    """
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [
        (
            layer,
            [
                keras.ops.convert_to_numpy(layer.moving_mean),
                keras.ops.convert_to_numpy(layer.moving_variance),
            ],
        )
        for layer in layers
    ]
    usual = [layer.momentum for layer in layers]
    for count, images in enumerate(batches):
        for layer in layers:
            layer.momentum = count / (count + 1)  # the plain mean of all batches so far
        if layers:
            model(images, training=True)
    for layer, momentum in zip(layers, usual, strict=True):
        layer.momentum = momentum
    return before


def restore_normalisation(before: list[tuple[keras.layers.Layer, list]]) -> None:
    """Put back the means and variances that `remeasure_normalisation` replaced."""
    for layer, (mean, variance) in before:
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
