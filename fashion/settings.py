"""Every choice that defines a training run, checked, and in the forms it takes: JSON, texts, words.

What each setting means, and its limits, is in `setting_fields.py`. This module knows no Keras: it only says what was
asked for.
"""

import dataclasses
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from fashion.clothing_files import CLASSES_CLOTHING
from fashion.errors import SettingsError
from fashion.pretrained import BASES
from fashion.setting_fields import (
    ARCHITECTURES,
    FIELDS,
    FRAMEWORKS,
    HOMEWORK,
    OPTIMIZERS,
    PHOTOS,
    RANDOM_CHANGES,
    SCHEDULES,
    SCRATCH,
    Field,
)

__all__ = [
    "ARCHITECTURES",
    "FIELDS",
    "FRAMEWORKS",
    "HOMEWORK",
    "OPTIMIZERS",
    "PHOTOS",
    "RANDOM_CHANGES",
    "SCHEDULES",
    "SCRATCH",
    "Field",
]

MIN_IMAGE_SIZE = 64
MAX_TEACHERS = 3
MAX_MEAN = 5
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_OF_ONE_SIZE = ("softmax", "mlp", "strided", "cnn", HOMEWORK)
RANGE_TEST_BEGINS = 1e-6
"""The learning rate with which a range test begins; it ends with the run's own."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Everything that defines a training run. The defaults are plain; the Train page begins with `defaults_for`.

    Limits and meanings of the fields are in `FIELDS`. `device` is "cpu" or "gpu:N", `classes` two names of the photos'
    classes with a comma between, put into the dataset's order, or "" for all.

    Raises:
        SettingsError: A value is of the wrong type, out of its range, or contradicts another.
    """

    dataset: str = "fashion-mnist"
    classes: str = ""
    architecture: str = "cnn"
    image_size: int = 28
    width: float = 1.0
    inner_width: int = 64
    dropout: float = 0.2
    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 0.001
    optimizer: str = "adam"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    schedule: str = "constant"
    label_smoothing: float = 0.0
    averaging: bool = False
    fine_tune: str = "none"
    fine_tune_epochs: int = 3
    fine_tune_rate: float = 0.0001
    views: int = 1
    flip: bool = False
    shift: int = 0
    rotate: float = 0.0
    zoom: float = 0.0
    erase: float = 0.0
    crop: float = 0.0
    colour: float = 0.0
    mixing: float = 0.0
    augment_from: int = 0
    augment_validation: bool = False
    balance: float = 0.0
    clean_labels: bool = False
    num_train: int = 60_000
    patience: int = 0
    seconds_limit: int = 0
    snapshots: bool = False
    watch_test: bool = False
    seed: int = 1
    framework: str = "tensorflow"
    device: str = "cpu"
    precision: str = "float32"
    predict_size: int = 0
    predict_fit: str = "crop"
    mirror: bool = False
    teachers: str = ""
    mean_of: str = ""

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

        if self.schedule == "range-test" and (
            self.learning_rate <= RANGE_TEST_BEGINS or self.num_epochs > self.epochs
        ):
            raise SettingsError(
                f"A range test rises from {RANGE_TEST_BEGINS:g} to `learning_rate`, in one go, without fine-tuning. Received: "
                f"learning_rate={self.learning_rate:g}, fine_tune={self.fine_tune!r}. Choose e.g. 1 and none."
            )
        self._check_photos()
        self._check_classes()
        self._check_judged_size()
        self._check_validation()
        self._check_teachers()
        self._check_mean()

    def _check_photos(self) -> None:
        """What goes with photos only, and what photos need."""
        if self.dataset in PHOTOS:
            for name in ("image_size", "predict_size"):
                size = getattr(self, name)
                if size < MIN_IMAGE_SIZE and not (name == "predict_size" and size == 0):
                    raise SettingsError(
                        f"Clothing photos need `{name}` of at least {MIN_IMAGE_SIZE}. Received: {name}={size}. Choose "
                        "e.g. 224."
                    )
            if self.shift or self.zoom:
                raise SettingsError(
                    f"`shift` and `zoom` are for 28x28 pictures; photos have `crop`. Received: shift={self.shift}, "
                    f"zoom={self.zoom:g}. Set them to 0."
                )
            if self.pretrained and self.views > 1 and not self.changes_photos:
                raise SettingsError(
                    "Several stored views need a random change, or they would all be the same. Received: "
                    f"views={self.views}, and none of {', '.join(RANDOM_CHANGES)}. Set one of these, e.g. crop to 0.3, or "
                    "views to 1."
                )
            return
        if self.image_size != 28 or self.predict_size:
            raise SettingsError(
                f"The pictures of {self.dataset} are 28x28. Received: image_size={self.image_size}, "
                f"predict_size={self.predict_size}. Set them to 28 and 0, or choose the clothing photos."
            )
        if self.architecture in BASES:
            raise SettingsError(
                f"{BASES[self.architecture].title} needs colour photos. Received: dataset={self.dataset!r}. Choose the "
                "clothing photos, or another architecture."
            )
        for name in ("crop", "colour", "mixing", "predict_fit", "mirror", "clean_labels"):
            if getattr(self, name) != getattr(RunSettings, name):
                raise SettingsError(
                    f"`{name}` is for photos. Received: {name}={getattr(self, name)}, dataset={self.dataset!r}. Leave it out."
                )

    def _check_classes(self) -> None:
        """Two different classes of the photos or all, and two for a network that can tell only two apart."""
        names = self.class_names
        if names and (len(set(names)) != 2 or len(names) != 2 or not set(names) <= set(CLASSES_CLOTHING)):
            raise SettingsError(
                f"`classes` must be two of {', '.join(CLASSES_CLOTHING)}, e.g. pants,shirt, or nothing for all. Received: "
                f"classes={self.classes!r}."
            )
        object.__setattr__(self, "classes", ",".join(sorted(names, key=CLASSES_CLOTHING.index)))
        if names and (self.dataset not in PHOTOS or self.pretrained):
            raise SettingsError(
                "`classes` is for the clothing photos and networks from scratch. Received: "
                f"classes={self.classes!r}, dataset={self.dataset!r}, architecture={self.architecture!r}. Leave it out."
            )
        if self.architecture == HOMEWORK and not names:
            raise SettingsError(
                f"{ARCHITECTURES[HOMEWORK]} tells two classes of the clothing photos apart. Received: "
                f"dataset={self.dataset!r}, classes={self.classes!r}. Choose two, e.g. classes=longsleeve,pants."
            )

    def _check_judged_size(self) -> None:
        """A network that flattens its last map has a weight for each place of it: it sees pictures of one size only."""
        if self.architecture in _OF_ONE_SIZE and self.predict_size not in (0, self.image_size):
            raise SettingsError(
                f"{ARCHITECTURES[self.architecture]} judges pictures of the size that it learned from. Received: "
                f"image_size={self.image_size}, predict_size={self.predict_size}. Set predict_size to 0."
            )

    def _check_teachers(self) -> None:
        """Their names look like names of runs. Whether there are such runs is for `teachers.py`."""
        names = self.teacher_names
        if len(names) > MAX_TEACHERS or not all(_NAME.fullmatch(name) for name in names):
            raise SettingsError(
                f"`teachers` must be the names of up to {MAX_TEACHERS} runs or shipped models, with commas between. Received: "
                f"teachers={self.teachers[:200]!r}. See Runs for the names, or leave it out."
            )

    def _check_mean(self) -> None:
        """Names of two runs at least, and a network that can be fine-tuned. Whether they fit is for `weight_mean.py`."""
        names = self.mean_names
        if not names:
            return
        if (
            not 2 <= len(set(names)) == len(names) <= MAX_MEAN
            or not all(_NAME.fullmatch(name) for name in names)
            or not self.pretrained
            or self.fine_tune == "none"
            or self.teachers
        ):
            raise SettingsError(
                f"`mean_of` must be the names of 2 to {MAX_MEAN} different runs, or of their epochs, with commas between, for a "
                "pretrained network that is fine-tuned, without teachers of its own. Received: "
                f"mean_of={self.mean_of[:300]!r}, architecture={self.architecture!r}, fine_tune={self.fine_tune!r}, "
                f"teachers={self.teachers[:100]!r}. See Runs for the names, or leave it out."
            )

    def _check_validation(self) -> None:
        """Validation pictures can be changed at random only where pictures are looked at, and changed, at all."""
        if not self.augment_validation:
            return
        if self.pretrained and self.fine_tune == "none":
            raise SettingsError(
                "`augment_validation` needs a network that looks at the pictures in each epoch. Received: a head on stored "
                "vectors. Fine-tune it, choose a network from scratch, or leave it out."
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The two classes to be told apart, in the order of their labels; () for all of the dataset."""
        return tuple(name.strip() for name in self.classes.split(",")) if self.classes else ()

    @property
    def teacher_names(self) -> tuple[str, ...]:
        """The runs and shipped models whose answers the network learns from, beside the labels; mostly none."""
        return tuple(name.strip() for name in self.teachers.split(",")) if self.teachers else ()

    @property
    def mean_names(self) -> tuple[str, ...]:
        """The runs, or epochs of runs, whose weights' mean the network gets instead of training; mostly none."""
        return tuple(name.strip() for name in self.mean_of.split(",")) if self.mean_of else ()

    @property
    def pretrained(self) -> bool:
        """Whether the network begins from ImageNet weights."""
        return self.architecture in BASES

    @property
    def changes_photos(self) -> bool:
        """Whether photos are changed at random at all, be it in each epoch or once for each stored view."""
        return any(getattr(self, name) for name in RANDOM_CHANGES)

    @property
    def num_epochs(self) -> int:
        """All epochs of the run: of the head or the whole network, and of fine-tuning; a mean of weights counts as one."""
        if self.mean_of:
            return 1
        return self.epochs + (self.fine_tune_epochs if self.pretrained and self.fine_tune != "none" else 0)

    @property
    def judged_size(self) -> int:
        """The side in pixels at which the finished network judges pictures."""
        return self.predict_size or self.image_size

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
    def from_text(cls, texts: dict[str, str], begins: "RunSettings | None" = None) -> "RunSettings":
        """Settings from texts, as they come from the command line; what is absent is as in `begins`, or takes the default
        of the dataset and architecture.

        Raises:
            SettingsError: As for `from_json`, or a text is not a number where one is expected.
        """
        values = {name: parse_value(name, text) for name, text in texts.items()}
        begins = begins or defaults_for(values.get("dataset", cls.dataset), values.get("architecture", ""))
        return cls.from_json(begins.to_json() | values)

    def replace(self, **changes: Any) -> "RunSettings":
        """A copy with some values changed, checked anew."""
        return dataclasses.replace(self, **changes)

    def with_pictures(self, count: int) -> "RunSettings":
        """The same with as many training pictures as there really are, for what is counted in steps."""
        return self.replace(num_train=max(count, int(FIELDS["num_train"].low), self.batch_size))


DEFAULTS = RunSettings(
    architecture="strided",
    width=0.5,
    inner_width=0,
    dropout=0.0,
    epochs=2,
    batch_size=256,
    learning_rate=0.03,
    schedule="one-cycle",
    label_smoothing=0.05,
)
"""Where the Train page begins: a good network in seconds. How these were found is in docs/benchmark.md."""

PHOTO_DEFAULTS = RunSettings(
    dataset="clothing",
    architecture="efficientnetv2-b0",
    image_size=224,
    inner_width=0,
    dropout=0.5,
    epochs=20,
    batch_size=32,
    learning_rate=0.003,
    label_smoothing=0.1,
    clean_labels=True,
)
"""Where the Train page begins with the clothing photos: a new head on a pretrained network."""


FIRST_CHANGES = {"flip": True, "crop": 0.3, "colour": 0.2}
"""Random changes of photos to begin with, where there should be some."""

_PHOTOS_FROM_SCRATCH = PHOTO_DEFAULTS.replace(
    architecture="resnet", image_size=96, epochs=10, predict_fit="between", **FIRST_CHANGES
)

HOMEWORK_DEFAULTS = RunSettings(
    dataset="clothing",
    classes="longsleeve,pants",
    architecture=HOMEWORK,
    image_size=96,
    epochs=20,
    batch_size=20,
    optimizer="sgd",
    learning_rate=0.002,
    momentum=0.8,
    nesterov=False,
    flip=True,
    crop=0.1,
    rotate=50.0,
    augment_from=10,
    watch_test=True,
)
"""The course's homework: ten epochs on the photos as they are, then ten on photos changed at random. Its lesson has the
sizes of the homework, 150 and 200, since it exports no model; a run that does would take too much memory there."""


def defaults_for(dataset: str, architecture: str = "") -> RunSettings:
    """Where the Train page and the command line begin with this dataset, or with one of its kind.

    architecture: begin with settings that suit it; "", and one that this kind of dataset does not have, means the first.
    What suits one network ruins another: a perceptron without normalisation learns nothing at the quick network's rate.
    """
    first = PHOTO_DEFAULTS if dataset in PHOTOS else DEFAULTS
    if architecture == first.architecture or architecture not in ARCHITECTURES:
        return first
    if dataset not in PHOTOS:
        return RunSettings(architecture=architecture) if architecture in SCRATCH else first
    if architecture == HOMEWORK:
        return HOMEWORK_DEFAULTS
    return (PHOTO_DEFAULTS if architecture in BASES else _PHOTOS_FROM_SCRATCH).replace(
        architecture=architecture
    )


def named_in_link(settings: RunSettings) -> dict[str, Any]:
    """What a link or a command line must name for these settings; all others follow from dataset and architecture."""
    begins = defaults_for(settings.dataset, settings.architecture).to_json()
    begins |= {"dataset": DEFAULTS.dataset, "architecture": defaults_for(settings.dataset).architecture}
    return {name: value for name, value in settings.to_json().items() if value != begins[name]}


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
    except (ValueError, RecursionError) as error:
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
    - range-test: from `RANGE_TEST_BEGINS` up to it, by the same factor at each step (after Smith 2015).
    """
    peak = settings.learning_rate
    done = min(max(step / max(num_steps, 1), 0.0), 1.0)
    if settings.schedule == "step":
        return peak * (1.0 if done < 0.5 else 0.1 if done < 0.8 else 0.01)
    if settings.schedule == "cosine":
        return peak * 0.5 * (1.0 + math.cos(math.pi * done))
    if settings.schedule == "range-test":
        return RANGE_TEST_BEGINS * (peak / RANGE_TEST_BEGINS) ** done
    if settings.schedule == "one-cycle":
        rise = 0.25
        if done < rise:
            return peak * (0.1 + 0.9 * done / rise)
        return peak * (1.0 - 0.99 * (done - rise) / (1.0 - rise))
    return peak
