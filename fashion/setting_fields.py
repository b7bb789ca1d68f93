"""What each setting of a run means, and its limits: the table `FIELDS`, and which settings a run uses at all.

The form on the Train page, the command line, links and `settings.RunSettings` read this one table, so they cannot
disagree. Sentences, limits and choices only: whether values go together is decided in `settings.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fashion.errors import SettingsError
from fashion.pretrained import BASES
from fashion.squares import FITS

SCRATCH = {
    "softmax": "Softmax regression",
    "mlp": "Multilayer perceptron",
    "strided": "Quick CNN, strided",
    "cnn": "Small CNN",
    "resnet": "Deeper CNN with residual connections",
}
"""Networks that learn everything from the pictures of the run."""
HOMEWORK = "homework"
"""The course's small network from scratch: two classes of the photos, one last unit with a sigmoid."""
ARCHITECTURES = (
    SCRATCH
    | {HOMEWORK: "The homework's network"}
    | {name: f"{base.title}, pretrained" for name, base in BASES.items()}
)
PHOTOS = ("clothing",)
"""Datasets of colour photos, which networks see at `image_size`; all others are 28x28 grey pictures."""
OPTIMIZERS = {"sgd": "SGD with momentum", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
SCHEDULES = {
    "constant": "Constant",
    "step": "Step",
    "cosine": "Cosine",
    "one-cycle": "One-cycle",
    "range-test": "Range test",
}
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
            low, high = (
                f"{limit:g}" if self.kind is float else str(limit) for limit in (self.low, self.high)
            )
            raise SettingsError(f"`{name}` must be between {low} and {high}. Received: {name}={value!r}.")


def _number(label: str, help: str, kind: type, low: float, high: float, step: float) -> Field:
    return Field(label, help, kind, low=low, high=high, step=step)


FIELDS: dict[str, Field] = {
    "dataset": Field(
        "Dataset",
        "The pictures to learn from. A network knows only what its pictures show: it will name anything "
        "you give it as one of these ten classes.",
        str,
        choices={
            "fashion-mnist": "Fashion-MNIST",
            "clothing": "Clothing photos",
            "sketches": "Drawn garments",
        },
    ),
    "classes": Field(
        "Classes",
        "Two classes of the photos, to learn only these, or all ten. For networks from scratch. Fewer classes are easier "
        "to tell apart, so an accuracy on two is no match for one on ten.",
        str,
    ),
    "architecture": Field(
        "Architecture",
        "The shape of the network. Larger ones can learn more and take longer; on few pictures they mostly "
        "learn them by heart. Settings that you leave alone follow it: each begins with what suits it.",
        str,
        choices=ARCHITECTURES,
    ),
    "image_size": _number(
        "Image size",
        "The side in pixels of the square that the network sees. Larger ones show more and cost with their area: 299 "
        "takes four times as long as 150. The small grey pictures are always 28.",
        int, 28, 320, 1,
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
    "momentum": _number(
        "Momentum",
        "How much of the last step is added to the next one (SGD only). 0 goes straight down each batch's slope; near 1 "
        "steps run on like a heavy ball and may overshoot.",
        float, 0.0, 0.99, 0.05,
    ),
    "nesterov": Field(
        "Nesterov's momentum",
        "Looks ahead: the slope counts where the momentum leads, not where one stands (SGD only). Mostly a little "
        "better than plain momentum.",
        bool,
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
        "stopped early misses its best part. The range test rises from 0.000001 to the learning rate and ends when the "
        "loss explodes: it finds a rate, not a model.",
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
    "fine_tune": Field(
        "Fine-tune",
        "Whether the pretrained layers learn on too, once the new head has converged: none of them, the last "
        "blocks, or all. It is what reaches the best accuracy, and takes minutes instead of seconds.",
        str,
        choices={"none": "No: train the head only", "last": "The last blocks", "all": "All layers"},
    ),
    "fine_tune_epochs": _number(
        "Fine-tuning epochs",
        "Epochs with the pretrained layers, after those of the head. Few photos are soon learned by heart without "
        "augmentation.",
        int, 1, 60, 1,
    ),
    "fine_tune_rate": _number(
        "Fine-tuning rate",
        "The learning rate while the pretrained layers learn. Ten times below the head's or less: large steps wipe "
        "out what the network knew.",
        float, 1e-6, 1.0, 1e-6,
    ),
    "views": _number(
        "Stored views",
        "How many changed versions of each training photo are turned into vectors and stored. More views help the "
        "head a little, and each costs a pass through the pretrained network the first time.",
        int, 1, 8, 1,
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
        float, 0.0, 50.0, 1.0,
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
    "crop": _number(
        "Random crop",
        "Cuts a random part out of each photo, up to this fraction smaller on each side, and a little wider or taller. Too much "
        "leaves only cloth, without the garment's shape.",
        float, 0.0, 0.7, 0.05,
    ),
    "colour": _number(
        "Colour",
        "Changes brightness, contrast, saturation and warmth of each photo by up to this fraction: phones and lamps "
        "differ more than one thinks.",
        float, 0.0, 0.8, 0.05,
    ),
    "mixing": _number(
        "Mixing",
        "The fraction of batches in which photos are blended or pasted together, and their labels with them. It slows "
        "learning and pays only when fine-tuning for long.",
        float, 0.0, 1.0, 0.05,
    ),
    "augment_from": _number(
        "Random changes from epoch",
        "The first epochs see the pictures as they are: so many before the random changes begin. 0 begins with them.",
        int, 0, 200, 1,
    ),
    "augment_validation": Field(
        "Change validation too",
        "A well-known mistake, to be seen once: the validation pictures are changed at random as well, so the curve "
        "shows another, harder exam than the real pictures. The final test is not touched.",
        bool,
    ),
    "balance": _number(
        "Class weights",
        "How far rare classes count more: 0 counts every picture alike, 1 every class. Full weights help rare classes "
        "and cost the frequent ones.",
        float, 0.0, 1.0, 0.1,
    ),
    "clean_labels": Field(
        "Leave out doubtful labels",
        "Trains without the 25 clothing photos whose label is in doubt: the full dataset calls them otherwise, or they are there twice.",
        bool,
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
    "seconds_limit": _number(
        "Time limit in seconds",
        "Ends the training after so many seconds, validation included, and keeps the best epoch; 0 sets no limit. The "
        "schedule brings the learning rate down in time, so two runs with a limit are never exactly alike.",
        int, 0, 36_000, 5,
    ),
    "snapshots": Field(
        "Keep every epoch",
        "Keeps the weights after each epoch, not only the best ones, so that any epoch can be tested and used to predict. It "
        "takes disk space: the size of the network times the epochs.",
        bool,
    ),
    "watch_test": Field(
        "Watch the test pictures",
        "Measures the test pictures after every epoch. Only for questions that ask for it: whoever chooses by these "
        "numbers has no honest test left.",
        bool,
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
    "predict_size": _number(
        "Image size for prediction",
        "The side in pixels at which the finished network judges photos; 0 is that of training. Somewhat larger often "
        "helps, since random crops show garments larger in training (Touvron et al. 2019).",
        int, 0, 320, 1,
    ),
    "predict_fit": Field(
        "Photo made square for prediction",
        "How the finished network gets a photo that is not square. After random crops, which in training have all "
        "proportions between the square's and the photo's, half cropped and half squashed is usually best.",
        str,
        choices=FITS,
    ),
    "mirror": Field(
        "Judge mirrored too",
        "The finished network judges each photo and its mirror image, and the mean counts. Twice the time, and a "
        "little more accurate.",
        bool,
    ),
    "teachers": Field(
        "Learn from a teacher",
        "Another finished model, whose answers count as much as the labels: it says what else a garment might be, which a "
        "label does not. So a small network comes nearer to a large one (distillation: Hinton et al. 2015). A teacher with "
        "habits of its own passes them on, too.",
        str,
    ),
    "mean_of": Field(
        "Mean of the weights of",
        "Runs, or epochs of runs, that fine-tuned the same pretrained network: nothing is trained, the new network gets the mean "
        "of their weights. It mostly errs less than each of them and costs no more than one (a model soup: Wortsman et al. 2022). "
        "All other settings are then those of the first, where you do not say otherwise.",
        str,
    ),
}  # fmt: skip

_OF_PHOTOS = (
    "classes",
    "image_size",
    "crop",
    "colour",
    "mixing",
    "clean_labels",
    "predict_size",
    "predict_fit",
    "mirror",
)
_OF_SMALL_PICTURES = ("shift", "zoom")
_OF_PRETRAINED = ("fine_tune", "views")
RANDOM_CHANGES = ("flip", "rotate", "erase", "crop", "colour")
"""What may change a photo at random before a stored view is made of it."""
# They speak of pictures that are changed anew in each epoch, not of stored vectors.
_OF_EPOCHS_WITH_PICTURES = ("mixing", "augment_from", "augment_validation")
_OF_SGD = ("momentum", "nesterov")
_NOT_OF_HOMEWORK = ("width", "inner_width", "dropout")


def applies(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a run with these values has any use for the setting; one it has none for is left at its default.

    values: at least dataset, architecture, fine_tune and views; where optimizer is missing, it is not SGD.
    """
    photos = values["dataset"] in PHOTOS
    pretrained = values["architecture"] in BASES
    tuned = pretrained and values["fine_tune"] != "none"
    if name in _OF_PHOTOS and not photos or name in _OF_SMALL_PICTURES and photos:
        return False
    if name in _OF_SGD and values.get("optimizer") != "sgd" or name == "classes" and pretrained:
        return False
    if name in _NOT_OF_HOMEWORK and values["architecture"] == HOMEWORK:
        return False
    if (
        pretrained
        and not tuned
        and (name in _OF_EPOCHS_WITH_PICTURES or (name in RANDOM_CHANGES and values["views"] == 1))
    ):
        return False  # the stored vectors are those of the photos as they are
    if name in ("fine_tune_epochs", "fine_tune_rate"):
        return tuned
    if name == "mean_of":
        return bool(values.get("mean_of"))
    if name in _OF_PRETRAINED:
        return pretrained
    return not (name == "width" and pretrained)
