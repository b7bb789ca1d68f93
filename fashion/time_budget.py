"""A run that fits the time somebody has: which recipe, how many epochs, how many pictures, and a limit that holds.

The time runs from Start to a tested model. It rests on the same guess as the expected time (`estimate.py`), so the run also
gets a limit for its training, which the worker keeps where the machine is slower (`time_limit.py`). Nothing is measured
or trained here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fashion import datasets, estimate, recipes
from fashion.estimate import Estimate
from fashion.recipes import Recipe
from fashion.setting_fields import FIELDS
from fashion.settings import PHOTOS, RunSettings

BUDGETS = (30, 60, 120, 300, 600)
"""Seconds that are offered."""

# A rate that never falls wastes the end of a short run; and a range test is no training.
_FALLING = "cosine"
_LEAST_TRAINING_SECONDS = 5
# What does not belong to a recipe but to whoever uses it.
_OWN = ("dataset", "seed", "device", "framework")

CHANGES = ("epochs", "schedule", "num_train", "seconds_limit", "fine_tune", "fine_tune_epochs")
"""The settings that are fitted, where the network is kept."""


@dataclass(frozen=True)
class Fitted:
    """Settings for a time, and what is expected of them. recipe: its name on screen, or "" for one's own network."""

    settings: RunSettings
    expected: Estimate
    recipe: str = ""
    enough: bool = True
    """Whether the time is enough for start-up, a little training, test and export."""


def has_recipes(settings: RunSettings, among: Sequence[Recipe] = recipes.RECIPES) -> bool:
    """Whether recipes of the project are for these pictures."""
    return settings.dataset == "fashion-mnist" and any(one.settings for one in among)


def fit(
    seconds: float,
    base: RunSettings,
    measured: list,
    keep_network: bool = False,
    among: Sequence[Recipe] = recipes.RECIPES,
) -> Fitted:
    """The settings that make the most of so many seconds.

    On Fashion-MNIST the longest recipe that fits, with more epochs than its own where there is time; otherwise, or with
    `keep_network`, the base settings with as many epochs as fit and a learning rate that falls. Where one epoch is too
    long, it sees fewer pictures; where fine-tuning is, only the head is trained. measured: from `estimate.measured_here`.
    """
    base = base.replace(seconds_limit=0)

    def time_of(settings: RunSettings) -> Estimate:
        return estimate.estimate(settings, measured)

    recipe = ""
    if has_recipes(base, among) and not keep_network:
        own = {name: getattr(base, name) for name in _OWN}
        ours = [(one.title, one.settings.replace(**own)) for one in among if one.settings]
        ours.sort(key=lambda pair: time_of(pair[1]).seconds)
        fitting = [pair for pair in ours if time_of(pair[1]).seconds <= seconds]
        recipe, base = (fitting or ours[:1])[-1]
        if not fitting:
            base = _shortened(seconds, base, time_of)
        else:
            # What time is left goes into more epochs, up to those of the next longer recipe.
            longer = ours[len(fitting) :]
            most = longer[0][1].epochs if longer else 2 * base.epochs
            base = _most(base, "epochs", 1, base.epochs, most, seconds, time_of)
    else:
        base = _shortened(seconds, base, time_of)
    expected = time_of(base)
    around = expected.startup_seconds + expected.finishing_seconds
    left = math.floor(seconds - around)
    limited = base.replace(seconds_limit=max(left, _LEAST_TRAINING_SECONDS))
    return Fitted(limited, time_of(limited), recipe, enough=left >= _LEAST_TRAINING_SECONDS)


def _shortened(
    seconds: float, settings: RunSettings, time_of: Callable[[RunSettings], Estimate]
) -> RunSettings:
    """These settings with the most epochs that fit, and fewer pictures where one is too long."""
    if settings.schedule in ("constant", "range-test"):
        settings = settings.replace(schedule=_FALLING)
    tuned = settings.num_epochs > settings.epochs
    if tuned:
        least = settings.replace(fine_tune_epochs=1)
        if time_of(least).seconds <= seconds:
            return _most(
                settings, "fine_tune_epochs", 1, 1, int(FIELDS["fine_tune_epochs"].high), seconds, time_of
            )
        settings = settings.replace(fine_tune="none")
    # The head of a pretrained network has converged when its epochs are done: more would only take time.
    high = settings.epochs if settings.pretrained else int(FIELDS["epochs"].high)
    if time_of(settings.replace(epochs=1)).seconds <= seconds:
        return _most(settings, "epochs", 1, 1, high, seconds, time_of)
    settings = settings.replace(epochs=1)
    sizes = datasets.split_sizes(settings.dataset, settings.class_names)
    least = max(int(FIELDS["num_train"].low), math.ceil(settings.batch_size / 100) * 100)
    high = max(min(settings.num_train, sizes["train"]), least)
    return _most(settings, "num_train", 100, least, high, seconds, time_of)


def _most(
    settings: RunSettings,
    name: str,
    step: int,
    low: int,
    high: int,
    seconds: float,
    time_of: Callable[[RunSettings], Estimate],
) -> RunSettings:
    """The settings with the largest `low`, `low + step`, ... up to `high` that fits, or with `low`, found by halving."""
    least, most = 0, max((high - low) // step, 0)
    while least < most:
        middle = (least + most + 1) // 2
        if time_of(settings.replace(**{name: low + middle * step})).seconds <= seconds:
            least = middle
        else:
            most = middle - 1
    return settings.replace(**{name: low + least * step})


def in_words(settings: RunSettings, expected: Estimate) -> str:
    """Where the time goes: "about 4 s to start, 49 s to train (9 epochs), 7 s to test and export"."""
    count = settings.num_epochs
    epochs = "1 epoch" if count == 1 else f"{count} epochs"
    available = datasets.split_sizes(settings.dataset, settings.class_names)["train"]
    if settings.num_train < available:
        pictures = "photos" if settings.dataset in PHOTOS else "pictures"
        epochs += f" of {settings.num_train:,} {pictures}"
    return (
        f"about {estimate.in_words(expected.startup_seconds)} to start, "
        f"{estimate.in_words(expected.training_seconds)} to train ({epochs}), "
        f"{estimate.in_words(expected.finishing_seconds)} to test and export"
    )
