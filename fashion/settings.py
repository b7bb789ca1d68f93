"""Every choice that defines a training run, with its limits, in one place.

The form on the Train page, the command line, links and the worker all read the table `FIELDS`, so they cannot
disagree about what is allowed. This module knows no Keras: it only says what was asked for.
"""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from fashion.errors import SettingsError

ARCHITECTURES = {
    "softmax": "Softmax regression",
    "mlp": "Multilayer perceptron",
    "cnn": "Small CNN",
    "resnet": "Deeper CNN with residual connections",
}
OPTIMIZERS = {"sgd": "SGD with momentum", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
SCHEDULES = {"constant": "Constant", "step": "Step", "cosine": "Cosine", "one-cycle": "One-cycle"}
FRAMEWORKS = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}


@dataclass(frozen=True)
class Field:
    """One setting as a person meets it: name, meaning, what usually goes wrong, and its limits.

    Numbers have `low`, `high` and `step`; choices have `choices`, a mapping from stored value to words.
    """

    label: str
    help: str
    kind: type
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: dict[str, str] | None = None

    def check(self, name: str, value: Any) -> None:
        """Raise SettingsError unless `value` has this field's type and lies within its limits."""
        if self.kind is bool:
            if not isinstance(value, bool):
                raise SettingsError(f"`{name}` must be true or false. Received: {name}={value!r}.")
            return
        if self.choices is not None:
            if not isinstance(value, str) or value not in self.choices:
                raise SettingsError(
                    f"`{name}` must be one of {', '.join(self.choices)}. Received: {name}={value!r}."
                )
            return
        if self.kind is str:
            if not isinstance(value, str):
                raise SettingsError(f"`{name}` must be a text. Received: {name}={value!r}.")
            return
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or (self.kind is int and not isinstance(value, int)):
            expected = "a whole number" if self.kind is int else "a number"
            raise SettingsError(f"`{name}` must be {expected}. Received: {name}={value!r}.")
        if not self.low <= value <= self.high:  # also refuses NaN
            raise SettingsError(
                f"`{name}` must be between {self.low:g} and {self.high:g}. Received: {name}={value!r}."
            )


def _number(label: str, help: str, kind: type, low: float, high: float, step: float) -> Field:
    return Field(label, help, kind, low=low, high=high, step=step)


FIELDS: dict[str, Field] = {
    "dataset": Field(
        "Dataset",
        "The pictures to learn from. A network knows only what its pictures show: it will name anything "
        "you give it as one of these ten classes.",
        str,
        choices={"fashion-mnist": "Fashion-MNIST", "sketches": "Drawn garments"},
    ),
    "architecture": Field(
        "Architecture",
        "The shape of the network. Larger ones can learn more and take longer; on few pictures they mostly "
        "learn them by heart.",
        str,
        choices=ARCHITECTURES,
    ),
    "width": _number(
        "Width",
        "Multiplies the number of filters (or units) of every layer. Twice the width costs about four times "
        "the time, for a small gain.",
        float, 0.25, 4.0, 0.25,
    ),
    "inner_width": _number(
        "Inner layer",
        "Units of the fully connected layer before the answer; 0 leaves it out. A wide one holds most of the "
        "parameters and overfits first. Softmax regression has none.",
        int, 0, 1024, 16,
    ),
    "dropout": _number(
        "Dropout",
        "The fraction of values set to zero at random while training, so that the network cannot lean on a "
        "few. Too much, and it never fits even the training pictures.",
        float, 0.0, 0.9, 0.05,
    ),
    "epochs": _number(
        "Epochs",
        "How many times the network sees all training pictures. Too few: still improving. Too many: training "
        "accuracy rises while validation falls (overfitting).",
        int, 1, 200, 1,
    ),
    "batch_size": _number(
        "Batch size",
        "Pictures per step. Larger batches use the processor better but take fewer steps per epoch; raise the "
        "learning rate with them, or learning slows down.",
        int, 8, 2048, 8,
    ),
    "learning_rate": _number(
        "Learning rate",
        "The length of each step; the most important setting. Too small: the curve crawls. Too large: it "
        "jumps about, or the loss becomes NaN. Usual: 0.001 for Adam, 0.05 for SGD.",
        float, 1e-6, 10.0, 1e-6,
    ),
    "optimizer": Field(
        "Optimizer",
        "How a gradient becomes a step. Adam works with little tuning; SGD with momentum often ends a little "
        "better but needs a learning rate some fifty times larger.",
        str,
        choices=OPTIMIZERS,
    ),
    "weight_decay": _number(
        "Weight decay",
        "Pulls all weights towards zero a little at each step (SGD and AdamW only). Too much, and the network "
        "cannot fit.",
        float, 0.0, 0.1, 0.0001,
    ),
    "schedule": Field(
        "Schedule",
        "How the learning rate changes during the run. One-cycle and cosine end near zero, so a run that is "
        "stopped early misses its best part.",
        str,
        choices=SCHEDULES,
    ),
    "label_smoothing": _number(
        "Label smoothing",
        "Asks for a little less than full certainty. Helps accuracy slightly, and makes the probabilities too "
        "modest.",
        float, 0.0, 0.3, 0.05,
    ),
    "averaging": Field(
        "Average the weights",
        "Uses a moving average of the recent weights for validation and for the finished model. Steadier, but "
        "it lags behind in the first epochs.",
        bool,
    ),
    "flip": Field(
        "Flip",
        "Mirrors half of the pictures. Fine for shirts; shoes in Fashion-MNIST all point left, so there it only "
        "costs.",
        bool,
    ),
    "shift": _number(
        "Shift",
        "Moves each picture by up to so many pixels. Much of it pushes the garment out of the frame.",
        int, 0, 8, 1,
    ),
    "rotate": _number(
        "Rotate",
        "Turns each picture by up to so many degrees. Large angles show what never occurs in the test pictures.",
        float, 0.0, 45.0, 1.0,
    ),
    "zoom": _number(
        "Zoom",
        "Scales each picture by up to this fraction. Large values make a shirt as small as a bag.",
        float, 0.0, 0.5, 0.05,
    ),
    "erase": _number(
        "Random erasing",
        "The fraction of pictures in which a rectangle is blanked out. It slows learning at first and pays only "
        "in long runs.",
        float, 0.0, 1.0, 0.05,
    ),
    "num_train": _number(
        "Training images",
        "How many training pictures to use (at most what the dataset has). Fewer is faster, and the gap between "
        "training and validation grows.",
        int, 100, 60_000, 100,
    ),
    "patience": _number(
        "Early stopping",
        "Stop after so many epochs without a better validation accuracy; 0 never stops early. Too small a number "
        "takes a chance dip for the end.",
        int, 0, 50, 1,
    ),
    "seed": _number(
        "Seed",
        "Fixes every random choice, so that a run can be repeated. Another seed gives another result: one lucky "
        "seed is no proof.",
        int, 0, 2**31 - 1, 1,
    ),
    "framework": Field(
        "Framework",
        "The library that computes. Results agree up to chance; speed differs.",
        str,
        choices=FRAMEWORKS,
    ),
    "device": Field(
        "Device",
        "What computes: the processor (CPU) or a graphics card (GPU). Small networks can be faster on the CPU, "
        "since a GPU spends their time waiting.",
        str,
    ),
    "precision": Field(
        "Precision",
        "The number format inside the network. bfloat16 is faster on recent processors and graphics cards and "
        "slower on others; the finished model is float32 either way.",
        str,
        choices={"float32": "float32", "mixed_bfloat16": "mixed bfloat16"},
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Everything that defines a training run. The defaults are the Train page's.

    Limits and meanings of the fields are in `FIELDS`. `device` is "cpu" or "gpu:N".

    Raises:
        SettingsError: A value is of the wrong type, out of its range, or contradicts another.
    """

    dataset: str = "fashion-mnist"
    architecture: str = "cnn"
    width: float = 1.0
    inner_width: int = 64
    dropout: float = 0.2
    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 0.001
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "constant"
    label_smoothing: float = 0.0
    averaging: bool = False
    flip: bool = False
    shift: int = 0
    rotate: float = 0.0
    zoom: float = 0.0
    erase: float = 0.0
    num_train: int = 60_000
    patience: int = 0
    seed: int = 1
    framework: str = "tensorflow"
    device: str = "cpu"
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name, field in FIELDS.items():
            value = getattr(self, name)
            field.check(name, value)
            if field.kind is float:
                object.__setattr__(self, name, float(value))
        device, _, index = self.device.partition(":")
        if self.device != "cpu" and not (device == "gpu" and index.isdecimal() and len(index) <= 3):
            raise SettingsError(
                f"`device` must be cpu or gpu:N, e.g. gpu:0. Received: device={self.device!r}."
            )
        if self.batch_size > self.num_train:
            raise SettingsError(
                "`batch_size` must not exceed `num_train`, or there is not one full step. Received: "
                f"batch_size={self.batch_size}, num_train={self.num_train}. Lower the batch size."
            )
        if self.weight_decay and self.optimizer not in ("sgd", "adamw"):
            raise SettingsError(
                "`weight_decay` works with the optimizers sgd and adamw. Received: "
                f"weight_decay={self.weight_decay:g}, optimizer={self.optimizer!r}. Set it to 0, or choose adamw."
            )

    def to_json(self) -> dict[str, Any]:
        """The settings as a plain dictionary; `from_json` is its exact inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunSettings":
        """Settings from a dictionary; what is absent takes its default.

        Raises:
            SettingsError: `values` is no dictionary, holds an unknown name, or a value is not allowed.
        """
        if not isinstance(values, dict):
            raise SettingsError(f"Settings must be a JSON object. Received: {type(values).__name__}.")
        unknown = sorted(set(values) - set(FIELDS))
        if unknown:
            raise SettingsError(
                f"Settings must be among {', '.join(FIELDS)}. Received: {', '.join(map(repr, unknown))}. "
                "Remove them, or update the app if they come from a newer version."
            )
        return cls(**values)

    @classmethod
    def from_text(cls, texts: dict[str, str]) -> "RunSettings":
        """Settings from texts, as they come from the command line or from a link.

        Raises:
            SettingsError: As for `from_json`, or a text is not a number where one is expected.
        """
        values: dict[str, Any] = {}
        for name, text in texts.items():
            values[name] = parse_value(name, text)
        return cls.from_json(values)

    def replace(self, **changes: Any) -> "RunSettings":
        """A copy with some values changed, checked anew."""
        return dataclasses.replace(self, **changes)


DEFAULTS = RunSettings()


def parse_value(name: str, text: str) -> Any:
    """The value that `text` means for the setting `name`.

    Raises:
        SettingsError: The setting is unknown or the text cannot be read as its type.
    """
    field = FIELDS.get(name)
    if field is None:
        raise SettingsError(f"Settings must be among {', '.join(FIELDS)}. Received: {name!r}.")
    if field.kind is bool:
        words = {"true": True, "1": True, "yes": True, "on": True}
        words |= {"false": False, "0": False, "no": False, "off": False}
        if text.strip().lower() not in words:
            raise SettingsError(f"`{name}` must be true or false. Received: {name}={text!r}.")
        return words[text.strip().lower()]
    if field.kind in (int, float):
        try:
            return field.kind(text)
        except ValueError:
            expected = "a whole number" if field.kind is int else "a number"
            raise SettingsError(f"`{name}` must be {expected}. Received: {name}={text!r}.") from None
    return text


def load_json(text: str, what: str) -> Any:
    """Parse JSON that a visitor or a disk may have damaged.

    Raises:
        SettingsError: The text is not JSON; the message names `what` it was.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{what} must be JSON. Received text that is not: {error}.") from None


def differing(settings: list[RunSettings]) -> list[str]:
    """The names of the fields in which the given settings are not all equal, in the order of `FIELDS`."""
    return [name for name in FIELDS if len({getattr(one, name) for one in settings}) > 1]


def learning_rate_at(settings: RunSettings, step: int, num_steps: int) -> float:
    """The learning rate of step `step` (from 0) out of `num_steps`.

    - constant: always `learning_rate`.
    - step: a tenth of it after half of the run, a hundredth after four fifths.
    - cosine: half a cosine down to zero (Loshchilov and Hutter 2017, without restarts).
    - one-cycle: a straight rise from a tenth during the first quarter, then a straight fall to a
      hundredth (after Smith and Topin 2018).
    """
    peak = settings.learning_rate
    done = min(max(step / max(num_steps, 1), 0.0), 1.0)
    if settings.schedule == "step":
        return peak * (1.0 if done < 0.5 else 0.1 if done < 0.8 else 0.01)
    if settings.schedule == "cosine":
        return peak * 0.5 * (1.0 + math.cos(math.pi * done))
    if settings.schedule == "one-cycle":
        rise = 0.25
        if done < rise:
            return peak * (0.1 + 0.9 * done / rise)
        return peak * (1.0 - 0.99 * (done - rise) / (1.0 - rise))
    return peak
