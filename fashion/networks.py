"""Settings -> a `keras.Model`, uncompiled and compiled. For worker processes only: this module imports Keras.

Which layers a network has is decided in `architectures.py`.
"""

import keras

from fashion import architectures
from fashion.settings import RunSettings


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
    values = keras.layers.Rescaling(
        1.0 / architectures.PIXEL_SCALE, offset=architectures.PIXEL_OFFSET, name="scale"
    )(values)
    for layer in architectures.layers_of(settings, num_classes):
        values = _apply(layer, values)
    return keras.Model(pixels, values, name=settings.architecture)


def _apply(layer: architectures.Layer, values):
    layers = keras.layers
    if layer.kind == "residual":
        inner = values
        for step in layer.inner:
            inner = _apply(step, inner)
        return layers.Add()([values, inner])
    made = {
        "conv": lambda: layers.Conv2D(
            layer.size, 3, padding="same", use_bias=False, kernel_initializer="he_normal"
        ),
        "pool": lambda: layers.MaxPooling2D(layer.size),
        # Keras' default momentum of 0.99 needs hundreds of steps to settle: a one-epoch run would be tested
        # with wrong statistics.
        "norm": lambda: layers.BatchNormalization(momentum=0.9),
        "relu": layers.ReLU,
        "global-pool": layers.GlobalAveragePooling2D,
        "flatten": layers.Flatten,
        "dense": lambda: layers.Dense(layer.size),
        "dropout": lambda: layers.Dropout(layer.rate),
        # Probabilities in float32 whatever the precision: bfloat16 has two to three digits.
        "softmax": lambda: layers.Softmax(dtype="float32"),
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
            rate, momentum=0.9, nesterov=True, weight_decay=settings.weight_decay or None, **average
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
