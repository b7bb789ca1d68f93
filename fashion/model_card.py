"""A model's card in plain words: what it learned from and how, what it mixes up, people it never saw, its limits, its speed.

Sentences and small tables from a run's card, settings and stored answers. Judging is `evaluation.py`; nothing is drawn.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion import clothing, clothing_files, datasets, estimate, evaluation, summary
from fashion.errors import RunError
from fashion.evaluation import Accuracy
from fashion.predictor import UNSURE_BELOW, Predictor
from fashion.pretrained import BASES, LICENCE
from fashion.runs import EPOCH, Run
from fashion.setting_fields import applies
from fashion.settings import FIELDS, PHOTOS, RunSettings, differing
from fashion.summary import Predictions, RunSummary

CALIBRATION_BINS = 15
TEST_PHOTOS_OF_ONE = 235
"""So many of the 372 clothing test photos were sent by the same person.

Source: images.csv of https://github.com/alexeygrigorev/clothing-dataset (CC0).
"""
_NUM_PEOPLE = 312  # who sent the clothing photos, all splits together; same source
_SPEED_SECONDS = 0.5
_SPEED_MOST = 50


def pictures_word(settings: RunSettings) -> str:
    """What the pictures of this dataset are called."""
    return "photos" if settings.dataset in PHOTOS else "pictures"


# What it learned from, and how


def origin(one: RunSummary, card: dict) -> list[str]:
    """What it learned from, and what it began from: some sentences each, for Markdown."""
    settings, info = one.settings, datasets.DATASETS[one.settings.dataset]
    what = pictures_word(settings)
    num_train = int(card["num_train"])
    words = [
        f"It learned from **{num_train:,} {what}**, {_SOURCES[settings.dataset]} (dataset: {info.title}). {_shape(one, card)}"
    ]
    published = datasets.split_sizes(settings.dataset, settings.class_names)["train"]
    left_out = min(settings.num_train, published) - num_train
    if settings.clean_labels and left_out > 0:
        words[0] += f" {left_out} more were left out, as their label is in doubt."
    if one.validation and one.test:
        told = (
            "were looked at after every epoch" if EPOCH in one.run.id else "told which of its states to keep"
        )
        words.append(
            f"{one.validation.n:,} others, the validation part, {told}. {one.test.n:,} more, the test part, {looked_at(one.run)}."
        )
    return [*words, base(one, card)]


def looked_at(run: Run) -> str:
    """How often the test pictures were looked at for this network, with the verb. Raises RunError where its settings are damaged."""
    if run.settings.mean_of:  # each of its networks had a look of its own, and perhaps other means
        return "counted the answers of each finished network, and had no part in its training"
    if EPOCH in run.id:
        return "were looked at for each epoch that was tested, this one among them"
    if run.settings.watch_test:
        return "were looked at after every epoch, though nothing was chosen by them"
    return "were looked at once, at the end"


_SOURCES = {
    "fashion-mnist": "from a shop's catalogue",
    "clothing": "sent by volunteers, taken with phones at home",
    "sketches": "drawn by this app",
}


def _shape(one: RunSummary, card: dict) -> str:
    side = int(card["image_shape"][0])
    if len(card["image_shape"]) == 2:
        return f"Each is {side}x{side} grey pixels."
    learned = one.settings.image_size
    if learned == side and one.settings.predict_fit == "crop":
        return f"It sees the middle square of each in {side}x{side} pixels of three colours."
    return (
        f"It learned from squares of {learned}x{learned} pixels of three colours, and judges {side}x{side}."
    )


def base(one: RunSummary, card: dict) -> str:
    """What the network was before it saw any of the pictures."""
    if not one.settings.pretrained:
        return "It began from nothing: with random numbers, so all that it knows comes from these pictures."
    told = card.get("base") or {}
    title = str(told.get("title", BASES[one.settings.architecture].title))
    licence = str(told.get("licence", LICENCE))
    return (
        f"It did not begin from nothing: it began from **{title}**, which had learned to tell 1,000 kinds of things apart on "
        f"1.28 million photos of ImageNet. ({licence}.)"
    )


def training(one: RunSummary) -> list[str]:
    """How it was trained, setting by setting, in sentences."""
    settings = one.settings
    if settings.mean_of:
        return _averaged(one)
    if settings.fine_tune != "none" and not _tuned_epochs(one):  # what it was to bring did not happen
        settings = settings.replace(fine_tune="none", augment_validation=False)
    words = [_rounds(one)]
    changes = random_changes(settings)
    if changes:
        words.append(
            f"{_each_time(settings)} was changed at random, so that it never looked quite the same: {changes}."
        )
    if settings.label_smoothing:
        # What is taken from the label is shared by all classes, its own among them.
        asked = 1 - settings.label_smoothing * (1 - 1 / len(one.classes))
        words.append(f"It was asked for {100 * asked:.3g}% certainty, not for all of it.")
    if settings.teachers:
        # A shipped model may have been taught by the one whose name and place it took.
        taught = [
            f"an earlier version of {name}" if name == one.run.id else name for name in settings.teacher_names
        ]
        names = " and ".join([", ".join(taught[:-1]), taught[-1]] if taught[1:] else taught)
        words.append(
            f"Half of what it was asked for is the label, half what {names} said of the same {pictures_word(settings)}."
        )
    if settings.balance:
        words.append("Rare classes counted more while it learned.")
    if settings.averaging:
        words.append("Its numbers are the average of the last steps, which is steadier than any one of them.")
    words += _judging(settings)
    if one.train_seconds is not None:
        versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
        words.append(
            f"That took {estimate.in_words(one.train_seconds)} ({summary.machine_in_words(one)}; {versions})."
        )
    return words


def _judging(settings: RunSettings) -> list[str]:
    words = []
    if settings.predict_fit == "between":
        words.append(
            "It gets photos half cropped, half squashed to a square, as in the mean of the random crops that it learned from."
        )
    if settings.mirror:
        words.append("It judges each photo and its mirror image, and the mean counts.")
    return words


# Settings that change what is kept, or how a network judges, but not its weights.
_NOT_OF_WEIGHTS = ("snapshots", "watch_test", "predict_size", "predict_fit", "mirror")


def _averaged(one: RunSummary) -> list[str]:
    """How a mean of weights was made: what it is, what went into it, and in what those networks differ."""
    parts = [part for part in (one.run.card() or {}).get("mean_of", []) if isinstance(part, dict)]
    words = [
        f"It was not trained itself: each of its numbers is the mean of those of {len(one.settings.mean_names)} networks that were "
        "fine-tuned from the same beginning (a model soup: Wortsman et al. 2022). Such a mean mostly errs less than each of them, "
        "and takes no longer to answer."
    ]
    several = [RunSettings.from_json(part["settings"]) for part in parts]
    names = [
        name
        for name in differing(several)
        if name not in _NOT_OF_WEIGHTS and applies(name, several[0].to_json())
    ]
    for number, (part, settings) in enumerate(zip(parts, several, strict=True), 1):
        own = "; ".join(
            f"{FIELDS[name].label.lower()}: {summary.setting_in_words(name, getattr(settings, name)).lower()}"
            for name in names
        )
        run = str(part["name"]).partition(EPOCH)[0]
        epoch = f" after epoch {part['epoch']}" if part.get("epoch") else ""
        accuracy = part.get("validation_accuracy")
        right = f", {accuracy:.1%} right on validation" if accuracy is not None else ""
        took = (
            f", {estimate.in_words(part['train_seconds'])} of training" if part.get("train_seconds") else ""
        )
        words.append(f"Network {number} is {run}{epoch}{right}{took}{f' ({own})' if own else ''}.")
    return [*words, *_judging(one.settings)]


def _tuned_epochs(one: RunSummary) -> int:
    """Epochs of fine-tuning; 0 also where a run ended before it, or one of the epochs before it was tested."""
    head = summary.head_epochs(one.run)
    return 0 if head is None else max(0, one.num_epochs - head)


def _rounds(one: RunSummary) -> str:
    settings, what = one.settings, pictures_word(one.settings)
    head, rest = summary.head_epochs(one.run), _tuned_epochs(one)
    if not rest:
        learner = (
            "Only new last layers learned; those that came with it stayed as they were. They"
            if settings.pretrained
            else "It"
        )
        words = f"{learner} went through the {what} {_times(one.num_epochs)}, {settings.batch_size} at a time"
    else:
        first = f"for {_epochs(head)} " if head else ""
        layers = "all layers" if settings.fine_tune == "all" else "its last blocks as well"
        words = (
            f"At first, {first}only new last layers learned; then {layers}, in small steps, for {_epochs(rest)}, "
            f"{settings.batch_size} {what} at a time"
        )
    if EPOCH in one.run.id:
        words += f". This is its state after epoch {one.num_epochs}, chosen by hand, be it the best or not"
    elif one.best_epoch:
        words += f". Its state after epoch {one.best_epoch} was kept, as it did best on the validation {what}"
    return f"{words}."


def _times(count: int) -> str:
    return "once (one epoch)" if count == 1 else f"{count} times (epochs)"


def _epochs(count: int) -> str:
    return "one epoch" if count == 1 else f"{count} epochs"


def _each_time(settings: RunSettings) -> str:
    if settings.pretrained and settings.fine_tune == "none":
        return f"In {settings.views - 1} of {settings.views} stored views, each photo"
    return f"Each time, a {'photo' if settings.dataset in PHOTOS else 'picture'}"


def random_changes(settings: RunSettings) -> str:
    """How training pictures were changed at random, in words; empty if they were not."""
    values = settings.to_json()

    def used(name: str) -> bool:
        return bool(values[name]) and applies(name, values)

    changes = {
        "flip": "mirrored",
        "shift": f"moved by up to {settings.shift} {'pixel' if settings.shift == 1 else 'pixels'}",
        "rotate": f"turned by up to {settings.rotate:g}°",
        "zoom": f"scaled by up to {settings.zoom:.0%}",
        "crop": f"cropped by up to {settings.crop:.0%}",
        "colour": f"its colours shifted by up to {settings.colour:.0%}",
        "erase": f"a patch of it blanked out ({settings.erase:.0%} of them)",
        "mixing": f"blended with another one ({settings.mixing:.0%} of the batches)",
    }
    return ", ".join(words for name, words in changes.items() if used(name))


# What it confuses


def confusions(said: Predictions, classes: tuple[str, ...], count: int = 5) -> pd.DataFrame:
    """The most frequent mistakes: a row each with true, predicted, count, n (pictures of the true class), share, low and
    high (95 % Wilson interval of count / n)."""
    matrix = evaluation.confusion_matrix(said.labels, said.probabilities.argmax(axis=1), len(classes))
    pairs = evaluation.confusion_pairs(matrix, classes, count)
    n = [int(matrix[classes.index(name)].sum()) for name in pairs.true]
    ends = [evaluation.wilson_interval(int(wrong), of) for wrong, of in zip(pairs["count"], n, strict=True)]
    return pairs.assign(
        n=n, share=pairs["count"] / n, low=[low for low, _ in ends], high=[high for _, high in ends]
    )


def weakest(said: Predictions, classes: tuple[str, ...]) -> str:
    """Its weakest class in a sentence, and how sure that is."""
    table = evaluation.per_class(said.probabilities, said.labels, classes)
    table = table[table.n > 0]
    worst = table.loc[table.accuracy.idxmin()]
    words = (
        f"Weakest is **{worst['class']}**: {worst.accuracy:.1%} of {worst.n:,} recognised (95 % interval {worst.low:.1%} to "
        f"{worst.high:.1%})."
    )
    rivals = table[(table["class"] != worst["class"]) & (table.low <= worst.high)]
    if len(rivals):
        words += f" By the luck of these pictures, it might as well be {_listed(list(rivals['class']))}."
    return words


def _listed(names: list[str]) -> str:
    if len(names) > 3:
        return f"one of {len(names)} others"
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# People it has never seen


@dataclass(frozen=True)
class Strangers:
    """Accuracy on validation (people it mostly knows photos of) and test (people it knows none of), and b minus a."""

    known: Accuracy
    unknown: Accuracy
    difference: float
    low: float
    high: float
    mix: str


def strangers(one: RunSummary) -> Strangers | None:
    """How it does on photos from people it has never seen; None where the contributors are not known.

    Raises RunError where its answers were not kept.
    """
    if one.settings.dataset != "clothing" or one.data_digest != clothing_files.DIGEST:
        return None
    known, unknown = (summary.predictions(one, split) for split in ("validation", "test"))
    accuracies = [evaluation.accuracy(said.probabilities, said.labels) for said in (known, unknown)]
    shares = [np.bincount(said.labels, minlength=len(one.classes)) / len(said) for said in (known, unknown)]
    most = int(np.abs(shares[1] - shares[0]).argmax())
    mix = f"{one.classes[most]} are {shares[0][most]:.0%} of validation and {shares[1][most]:.0%} of test"
    return Strangers(*accuracies, *evaluation.independent_difference(*accuracies), mix)


def strangers_verdict(found: Strangers) -> str:
    """What the two accuracies say and what not, in a sentence."""
    points = f"{abs(100 * found.difference):.1f} percentage points"
    interval = f"95 % interval of the difference {100 * found.low:+.1f} to {100 * found.high:+.1f}"
    if found.low > 0:
        return f"Photos from strangers were even easier for it, by {points} ({interval})."
    if found.high < 0:
        return f"Photos from strangers are harder for it, by {points} ({interval})."
    if found.difference == 0:
        return f"There is no difference ({interval})."
    side = "higher" if found.difference > 0 else "lower"
    return (
        f"On strangers' photos it is {points} {side}, which may be chance ({interval}): these photos do not show that "
        "strangers make a difference."
    )


def strangers_caveats(found: Strangers) -> list[str]:
    """What keeps that comparison from being a proof."""
    return [
        f"Five people are few, and one of them sent {TEST_PHOTOS_OF_ONE} of these photos. Photos of one person resemble each "
        "other, so what the next stranger may expect is less certain than the interval says.",
        "The validation photos helped to choose what was kept, which flatters the number on them a little.",
        f"The two show different things: {found.mix}.",
    ]


def people() -> dict[str, str]:
    """Who sent the photos of validation and test, as far as training knows them."""
    own = clothing.SPLIT_SIZES["validation"]
    shared = clothing.VALIDATION_PHOTOS_OF_TRAIN_CONTRIBUTORS
    return {
        "validation": f"{shared} of {own} photos are by people who sent training photos, too",
        "test": f"all by {clothing.CONTRIBUTORS['test']} people of whom it saw no photo while it learned",
    }


# How sure it is


@dataclass(frozen=True)
class Unsure:
    """Answers below and from `UNSURE_BELOW`, and how often either kind is right; None where there are none."""

    below: Accuracy | None
    above: Accuracy | None


def unsure(probabilities: np.ndarray, labels: np.ndarray) -> Unsure:
    """How good the line is below which the app calls an answer unsure. `probabilities` as they are told."""
    below = probabilities.max(axis=1) < UNSURE_BELOW
    parts = [
        evaluation.accuracy(probabilities[which], labels[which]) if which.any() else None
        for which in (below, ~below)
    ]
    return Unsure(*parts)


def told(one: RunSummary, said: Predictions) -> np.ndarray:
    """The probabilities as the app tells them: calibrated for photos, else as they are."""
    if one.settings.dataset not in PHOTOS:
        return said.probabilities
    return evaluation.apply_temperature(said.probabilities, one.temperature or 1.0)


# Not one of the ten


@dataclass(frozen=True)
class Rate:
    """Of `n` pictures of a kind, `refused` were refused; with the ends of the 95 % Wilson interval."""

    kind: str
    refused: int
    n: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Refusal:
    """The rule by which a photo counts as none of the classes, in words, and what it does, measured.

    false_alarms: of photos that do show one of them. others: of pictures that do not.
    """

    rule: str
    false_alarms: Rate
    others: tuple[Rate, ...]

    @property
    def all_others(self) -> Rate:
        """The others of all kinds together."""
        counted = {name: sum(getattr(rate, name) for rate in self.others) for name in ("refused", "n")}
        return _rate("all together", counted)


def refusal(card: dict) -> Refusal | None:
    """What the card says about refusing; None if the model has no such rule. Raises RunError where that is damaged."""
    said = card.get("refusal")
    if said is None:
        return None
    try:
        others = tuple(_rate(str(other["kind"]), other) for other in said.get("others", ()))
        return Refusal(str(said["rule"]), _rate("test photos", said["false_alarms"]), others)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            "`refusal` in card.json must hold a rule, false_alarms and others, each with refused and n. Received: "
            f"{type(error).__name__}: {error}. Restore the card, or train the run again."
        ) from None


def _rate(kind: str, counted: dict) -> Rate:
    refused, n = int(counted["refused"]), int(counted["n"])
    # Computed, not read, so that all intervals are of one kind.
    return Rate(kind, refused, n, refused / max(n, 1), *evaluation.wilson_interval(refused, n))


# Limits


def limits(one: RunSummary, card: dict) -> list[str]:
    """Whom and what it will fail on, a sentence or two each."""
    if one.settings.dataset == "fashion-mnist":
        return [
            "**Photos of your own.** It knows pictures of one shop's catalogue: one garment, cut out, upright, in the middle, "
            "28x28 grey pixels. On a photo it is often wrong, and sure of itself all the same.",
            "**Colour and cloth.** It sees no colour, and at 28x28 pixels hardly any buttons or patterns.",
            "**Everything else.** It knows ten kinds of things. Whatever you show it, it names one of them.",
            "**Worn clothes, several garments, a busy background.** It has never seen any.",
        ]
    if one.settings.dataset == "sketches":
        return [
            "**Real photos.** It knows simple drawings only. It is for learning how learning works.",
            "**Everything else.** Whatever you show it, it names one of ten kinds.",
        ]
    seen = {
        "crop": "It sees the middle square only.",
        "between": "Of a long photo it does not see the ends.",
        "squash": "It sees a long photo squashed.",
    }[card.get("fit", "crop")]
    others, worn = "Bags", "a shirt, trousers and shoes is three"
    if one.settings.class_names:
        others, worn = "The other eight kinds of clothes, bags", "both of its kinds is two"
    return [
        f"**Things that are not among its {class_count(one.classes)}.** {others}, underwear, socks, jewellery, belts, jumpsuits: none "
        f"were shown to it. {_other_things(one, card)}",
        f"**More than one garment.** It gives one answer for one photo. Somebody wearing {worn} right answers at once.",
        "**Children's clothes.** Not one training photo is marked as showing them.",
        f"**Other people's clothes.** All photos come from {_NUM_PEOPLE} volunteers, who mostly photographed what they had at "
        "home, laid out or hung up. From which countries, of which age or taste, nobody wrote down. What none of them owned, "
        "it does not know.",
        "**Photos of another kind.** Worn clothes, shop windows, drawings, details and dark photos are strange to it. "
        f"{seen}",
        "**Borders between the kinds.** Where a shirt ends and outerwear begins, the people who gave the labels did not always "
        f"agree: {len(clothing.DOUBTFUL) - len(clothing.TWICE)} of all {sum(clothing.SPLIT_SIZES.values()):,} photos have another "
        "label in another list.",
    ]


def class_count(classes: Sequence[str]) -> str:
    """How many classes a model tells apart, in words: "ten", of a run on two classes "two"."""
    return {2: "two", 10: "ten"}.get(len(classes), str(len(classes)))


def _other_things(one: RunSummary, card: dict) -> str:
    """What becomes of pictures of other things: no more than was measured."""
    if "refusal" not in card:
        return f"It names one of the {class_count(one.classes)} all the same."
    try:
        measured = bool(refusal(card).others)
    except RunError:  # said where the rates would stand
        measured = False
    if not measured:
        return (
            "It may refuse them, or a picture without any clothes, as not one of the ten; how often it does was not measured for "
            "this model."
        )
    return (
        "Pictures without any clothes are refused at the rates above. How often it refuses such bags, socks or belts, nobody has "
        "counted."
    )


# Speed


@dataclass(frozen=True)
class Speed:
    """How long one picture takes in the network, in seconds: median and least of n measurements."""

    median: float
    fastest: float
    n: int


def speed(model: Predictor) -> Speed:
    """Measured here and now, one picture at a time, for half a second; preparing a photo is not counted."""
    noise = np.random.default_rng(0).integers(0, 256, (1, *model.image_shape)).astype(np.uint8)
    model.predict(noise)
    seconds = []
    began = time.perf_counter()
    while len(seconds) < 3 or (len(seconds) < _SPEED_MOST and time.perf_counter() - began < _SPEED_SECONDS):
        start = time.perf_counter()
        model.predict(noise)
        seconds.append(time.perf_counter() - start)
    return Speed(float(np.median(seconds)), min(seconds), len(seconds))
