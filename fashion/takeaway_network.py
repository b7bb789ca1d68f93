"""A network and its optimizer as lines of a plain Keras program. Text only: it builds nothing and knows no Keras.

The lines say what `networks.py` does; a test builds both and compares them layer by layer.
"""

import dataclasses

from fashion import architectures
from fashion.architectures import Layer
from fashion.errors import SettingsError
from fashion.pretrained import BASES
from fashion.settings import RunSettings

_KNOWN_FIELDS = {"kind", "size", "rate", "inner", "name"}
_LINES = {
    "conv": 'layers.Conv2D({size}, 3, padding="same", use_bias=False, kernel_initializer="he_normal")',
    "conv-strided": "layers.Conv2D("
    '{size}, 5, strides=2, padding="same", use_bias=False, kernel_initializer="he_normal")',
    "conv-valid": "layers.Conv2D({size}, 3)",
    "pool": "layers.MaxPooling2D({size})",
    "norm": "layers.BatchNormalization(momentum=0.9)",
    "relu": "layers.ReLU({named})",
    "global-pool": "layers.GlobalAveragePooling2D()",
    "flatten": "layers.Flatten()",
    "dense": "layers.Dense({size}{also})",
    "dropout": "layers.Dropout({rate!r}{also})",
    "softmax": "layers.Softmax({named})",
}


def impossible(what: str) -> SettingsError:
    """The error for a run that no plain program can repeat, with what is in the way."""
    return SettingsError(
        f"This run cannot be written as a plain program: {what}. A program is written for runs made of settings and layers "
        "that this version knows how to write. Its model can be taken along all the same."
    )


def body(layers: list[Layer], name: str = "x", prefix: str = "", mixed: bool = False) -> list[str]:
    """The lines that apply these layers, one after another, to the value `name`.

    prefix: what the layers' names begin with; "" leaves naming them to Keras. mixed: whether the program computes in
    lower precision, so that the answer must be asked for in float32.

    Raises SettingsError for a layer that this module does not know.
    """
    lines: list[str] = []
    for number, layer in enumerate(layers):
        unknown = {field.name for field in dataclasses.fields(layer)} - _KNOWN_FIELDS
        for field in sorted(unknown):
            if getattr(layer, field) != Layer(layer.kind).__getattribute__(field):
                raise impossible(f"its layer {layer.kind!r} has {field}={getattr(layer, field)!r}")
        arguments = [f'name="{prefix}{layer.kind}{number}"'] if prefix else []
        if mixed and (prefix or layer.kind == "softmax"):
            arguments.append('dtype="float32"')
        if layer.kind == "residual":
            lines += ["shortcut = x", *body(list(layer.inner), name, mixed=mixed)]
            lines.append("x = layers.Add()([shortcut, x])")
        elif layer.kind == "sigmoid":
            kind = 'dtype="float32"' if mixed else ""
            lines += [
                "# The sigmoid of x is the second of softmax(0, x), whose first is the other class's probability.",
                f"nothing = layers.Rescaling(0.0{', ' if kind else ''}{kind})(x)",
                f"x = layers.Softmax({kind})(layers.Concatenate({kind})([nothing, x]))",
            ]
        elif layer.kind in _LINES:
            named = ", ".join(arguments)
            also = f", {named}" if named else ""
            made = _LINES[layer.kind].format(size=layer.size, rate=layer.rate, named=named, also=also)
            lines.append(f"{name} = {made}({name})")
        else:
            raise impossible(f"it has a layer of the kind {layer.kind!r}")
    return lines


def build(settings: RunSettings, num_classes: int, mixed: bool) -> str:
    """The function `build` of a network from scratch."""
    grey = len(architectures.input_shape(settings)) == 3 and architectures.input_shape(settings)[2] == 1
    scale, offset = architectures.scaling(settings)
    lines = ["pixels = keras.Input((28, 28))" if grey else "pixels = keras.Input((side, side, 3))"]
    lines += ["x = layers.Reshape((28, 28, 1))(pixels)"] if grey else []
    number = f"1 / {1 / scale:g}"
    lines.append(f"x = layers.Rescaling({number}, offset={offset!r})({'x' if grey else 'pixels'})")
    lines += body(architectures.layers_of(settings, num_classes), mixed=mixed)
    lines.append("return keras.Model(pixels, x)")
    head = "def build():" if grey else "def build(side):"
    what = "raw pixels 0 to 255 in, probabilities of the classes out"
    return "\n    ".join([head, f'"""The network: {what}."""', *lines])


def build_pretrained(settings: RunSettings, num_classes: int, mixed: bool) -> str:
    """The functions `body`, `head`, `build` and `copy_head` of a network that begins from a pretrained one."""
    base = BASES[settings.architecture]
    extra = "".join(f", {name}={value!r}" for name, value in base.arguments)
    scaled = (
        "    x = layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)"
        if base.scaling == "-1 to 1"
        else "    x = pixels"
    )
    kind = '(dtype="float32")' if mixed else "()"
    *before, last = body(architectures.head(settings, num_classes), "x", "head_", mixed)
    head = "\n    ".join([*before, last.replace("x = ", "return ", 1)])
    return f'''def body(side=None):
    """The pretrained network without its classes: pixels 0 to 255 in, one vector per photo out."""
    pixels = keras.Input((side, side, 3))
{scaled}
    make = keras.applications.{base.keras_name}
    base = make(include_top=False, weights=WEIGHTS, input_tensor=x{extra})
    return keras.Model(pixels, layers.GlobalAveragePooling2D{kind}(base.output))


def head(x):
    """The new layers: from a vector to the probabilities of the classes."""
    {head}


def build_head():
    """The new layers alone: their input is a vector of {base.vector_size:,} numbers."""
    vector = keras.Input(({base.vector_size},))
    return keras.Model(vector, head(vector))


def build(side=None):
    """Both together."""
    whole = body(side)
    return keras.Model(whole.input, head(whole.output))


def copy_head(source, target):
    """Give the new layers of `target` the weights of those of `source`."""
    for layer in source.layers:
        if layer.weights and layer.name.startswith("head_"):
            target.get_layer(layer.name).set_weights(layer.get_weights())'''


def optimizer(settings: RunSettings) -> list[str]:
    """The lines that make the optimizer, at the learning rate `rate`."""
    average = ", use_ema=True, ema_momentum=1 - 1 / memory" if settings.averaging else ""
    lines = []
    if settings.averaging:
        lines += [
            "# The average reaches back over a tenth of the steps.",
            "memory = min(max(epochs * (max(len(batches.targets), 100, BATCH_SIZE) // BATCH_SIZE) / 10, 2), 1000)",
        ]
    decay = settings.weight_decay
    made = {
        "sgd": f"SGD(rate, momentum={settings.momentum!r}, nesterov={settings.nesterov!r}"
        f"{f', weight_decay={decay!r}' if decay else ''}{average})",
        "adam": f"Adam(rate{average})",
        "adamw": f"AdamW(rate, weight_decay={decay!r}{average})",
        "rmsprop": f"RMSprop(rate{average})",
    }
    if settings.optimizer not in made:
        raise impossible(f"it uses the optimizer {settings.optimizer!r}")
    kind, _, arguments = made[settings.optimizer].partition("(")
    if len(arguments) > 70:
        arguments = f"\n        {arguments[:-1]}\n    )"
    lines.append(f"optimizer = keras.optimizers.{kind}({arguments}")
    if settings.optimizer in ("sgd", "adamw") and (decay or settings.optimizer == "adamw"):
        lines.append('optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])')
    return lines


def schedule(settings: RunSettings) -> str:
    """The function `learning_rate`; "" where the rate never changes."""
    ways = {
        "constant": "",
        "step": "    return peak * (1.0 if done < 0.5 else 0.1 if done < 0.8 else 0.01)",
        "cosine": "    return peak * 0.5 * (1.0 + math.cos(math.pi * done))",
        "one-cycle": """    if done < 0.25:
        return peak * (0.1 + 0.9 * done / 0.25)
    return peak * (1.0 - 0.99 * (done - 0.25) / 0.75)""",
    }
    if settings.schedule == "range-test":
        raise impossible("a range test looks for a learning rate and ends when the loss explodes")
    if settings.schedule not in ways:
        raise impossible(f"it has the schedule {settings.schedule!r}")
    if settings.schedule == "constant":
        return ""
    words = {
        "step": "a tenth of it after half of the steps, a hundredth after four fifths",
        "cosine": "half a cosine, down to zero",
        "one-cycle": "a rise from a tenth during the first quarter, then a fall to a hundredth",
    }
    return f'''def learning_rate(peak, step, num_steps):
    """The rate of a step: {words[settings.schedule]}."""
    done = step / num_steps
{ways[settings.schedule]}'''
