"""A sweep: several values of some settings, a run for each combination and each seed, as a plan that is checked before it starts.

What came of the runs is in `sweep_results.py`. Nothing is started here; what comes from a link or a text box is a stranger's
and is only parsed.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fashion import estimate, lessons, summary
from fashion.comparison import MAX_SEEDS
from fashion.errors import SettingsError
from fashion.pretrained import BASES
from fashion.setting_fields import applies
from fashion.settings import FIELDS, HOMEWORK, PHOTOS, SCRATCH, RunSettings, defaults_for, parse_value

MAX_RUNS = 24
MAX_VARIED, MAX_VALUES = 3, 8
# Building, testing and storing each further run: 1.5 to 2.2 s with softmax regression on two quiet cores.
_EACH_SECONDS = 2.0
_MAX_LENGTH = 400  # characters of a text

# What would change the pictures that judge, so that accuracies could not be compared, or what is no setting of learning.
_NOT_VARIED = (
    "dataset", "classes", "seed", "device", "framework", "watch_test", "augment_validation", "snapshots", "seconds_limit",
    "teachers", "mean_of",
)  # fmt: skip
VARIABLE: tuple[str, ...] = tuple(name for name in FIELDS if name not in _NOT_VARIED)
"""The settings that can have several values, in the order of `FIELDS`."""

Varied = Mapping[str, Sequence[Any]]
"""The values of each varied setting, checked one by one."""


def choices(name: str, dataset: str) -> dict[Any, str]:
    """The values that a setting can have with this dataset, and their words; empty for numbers."""
    if name == "architecture":
        networks = [*BASES, *SCRATCH, HOMEWORK] if dataset in PHOTOS else list(SCRATCH)
        return {key: FIELDS[name].choices[key] for key in networks}
    if name == "schedule":  # what a range test comes to means nothing
        return {key: words for key, words in FIELDS[name].choices.items() if key != "range-test"}
    if FIELDS[name].kind is bool:
        return {False: "no", True: "yes"}
    return dict(FIELDS[name].choices or {})


def parse_values(name: str, text: str) -> tuple[Any, ...]:
    """The values in a text, in its order and each once: numbers or names with commas, semicolons or spaces between.

    Raises SettingsError, naming the value, where one cannot be read or is out of its limits, where the setting cannot be
    varied, or where there is none or more than `MAX_VALUES`.

    >>> parse_values("learning_rate", "0.1, 0.01 1e-3, 0.10")
    (0.1, 0.01, 0.001)
    """
    if name not in VARIABLE:
        raise SettingsError(
            "Several values can be given for settings of the network, of learning and of the pictures, such as "
            f"learning_rate. Received: {name[:40]!r}. Leave it out."
        )
    if len(text) > _MAX_LENGTH:  # cut, its last number would be another
        raise SettingsError(
            f"The values of `{name}` must be at most {_MAX_LENGTH} characters. Received: {len(text):,}. Leave some out."
        )
    found: dict[Any, None] = {}
    for part in re.split(r"[,;\s]+", text.strip()):
        if not part:
            continue
        value = parse_value(name, part)
        FIELDS[name].check(name, value)
        if name == "schedule" and value not in choices(name, ""):
            raise SettingsError(
                "A range test is no way to learn and cannot be compared. Received: schedule='range-test'. Leave it out."
            )
        found[value] = None
    if not 1 <= len(found) <= MAX_VALUES:
        raise SettingsError(
            f"`{name}` must have 1 to {MAX_VALUES} different values, such as 0.1, 0.01. Received: {len(found)}. "
            f"{'Leave some out.' if found else 'Write at least one.'}"
        )
    return tuple(found)


def read(text: str) -> tuple[dict[str, tuple[Any, ...]], list[str]]:
    """What a link asks for, as `write` has it, "learning_rate:0.1,0.01;optimizer:adam,sgd"; and what of it cannot be used."""
    varied: dict[str, tuple[Any, ...]] = {}
    problems = []
    if len(text) > _MAX_LENGTH:
        return {}, [
            f"From the link: `vary` must be at most {_MAX_LENGTH} characters. Received: {len(text):,}. It is left out."
        ]
    for part in filter(None, text.split(";")):
        name, _, values = part.partition(":")
        try:
            varied[name.strip()] = parse_values(name.strip(), values)
        except SettingsError as error:
            problems.append(f"From the link: {error}")
    if len(varied) > MAX_VARIED:
        left_out = list(varied)[MAX_VARIED:]
        problems.append(
            f"From the link: at most {MAX_VARIED} settings can have several values. Received: {len(varied)}. "
            f"{', '.join(left_out)} left out."
        )
        varied = {name: varied[name] for name in list(varied)[:MAX_VARIED]}
    return varied, problems


def read_seeds(text: str) -> tuple[int, list[str]]:
    """The number of seeds that a link asks for, and what is wrong with it; 1 where it cannot be used."""
    if text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MAX_SEEDS:
        return int(text), []
    return 1, [
        f"From the link: `seeds` must be a whole number from 1 to {MAX_SEEDS}. Received: {text[:40]!r}. One is used."
    ]


def write(varied: Varied) -> str:
    """The text for a link from which `read` makes the same values."""
    return ";".join(
        f"{name}:{','.join(_plain(value) for value in values)}" for name, values in varied.items()
    )


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def combinations(base: RunSettings, varied: Varied) -> list[RunSettings]:
    """All combinations of the values, the last setting fastest, everything else as in `base`.

    A setting that a combination has no use for (momentum with Adam) goes back to its default, and what is then the same
    twice is kept once. Raises SettingsError, naming the combination, where one contradicts itself.
    """
    found: dict[RunSettings, None] = {}
    begins = defaults_for(base.dataset).to_json()
    for values in itertools.product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        wanted = base.to_json() | chosen
        used = {
            name: value if name not in VARIABLE or applies(name, wanted) else begins[name]
            for name, value in wanted.items()
        }
        try:
            found[RunSettings(**used)] = None
        except SettingsError as error:
            named = ", ".join(
                f"{FIELDS[name].label.lower()} {summary.setting_in_words(name, value)}"
                for name, value in chosen.items()
            )
            raise SettingsError(f"This combination is not possible: {named}. {error}") from None
    return list(found)


def plan(base: RunSettings, varied: Varied, num_seeds: int = 1) -> list[RunSettings]:
    """The runs in the order in which they are made: all combinations with the first seed, then with the next.

    So there is something to compare after the first round. The seeds count up from that of `base`. Raises SettingsError
    where a combination contradicts itself, a number is out of its limits, or the seeds would pass the largest.
    """
    if len(varied) > MAX_VARIED or not 1 <= num_seeds <= MAX_SEEDS:
        raise SettingsError(
            f"A sweep has several values for up to {MAX_VARIED} settings and 1 to {MAX_SEEDS} seeds. Received: {len(varied)} "
            f"settings, {num_seeds} seeds. Leave some out."
        )
    each = combinations(base, varied)
    if base.schedule == "range-test" and "schedule" not in varied:
        raise SettingsError(
            "A range test is no way to learn and cannot be compared. Received: schedule='range-test'. Choose another schedule."
        )
    return [one.replace(seed=base.seed + number) for number in range(num_seeds) for one in each]


def refusal(planned: Sequence[RunSettings], guess: estimate.Estimate) -> str | None:
    """Why so many runs are not made, with how many there would be and their time; None where there are few enough."""
    if len(planned) <= MAX_RUNS:
        return None
    return (
        f"At most {MAX_RUNS} runs can be made at once. Received: {len(planned)}, which would take about "
        f"{estimate.in_words(guess.seconds)}. Leave out some values or seeds."
    )


def expected(planned: Sequence[RunSettings]) -> estimate.Estimate:
    """How long these runs take one after another in one process, from what was measured here."""
    guess, more = lessons.expected(planned), _EACH_SECONDS * (len(planned) - 1)
    return replace(guess, seconds=guess.seconds + more, low=guess.low + more / 2, high=guess.high + 2 * more)
