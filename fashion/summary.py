"""What runs came to, as plain values and pandas tables: one run in short, and several side by side.

It reads run folders through `runs.py` and judges with `evaluation.py`; it changes no folder, runs no model and
draws nothing.
"""

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from fashion import datasets, disk, evaluation
from fashion.errors import FashionError, RunError
from fashion.evaluation import Accuracy
from fashion.pretrained import BASES
from fashion.runs import EPOCH, Run, Status
from fashion.setting_fields import applies
from fashion.settings import ARCHITECTURES, FIELDS, RunSettings, differing

STATE_WORDS = {
    "queued": "waiting",
    "running": "running",
    "finished": "finished",
    "stopped": "stopped",
    "failed": "failed",
    "interrupted": "cut off",
}
"""The state of a run as a reader meets it."""
_SAYS_ITSELF = re.compile(r"\b(stopped|cut off)\b", re.IGNORECASE)

# Shown for every run anyway, so they need no column of their own when they differ.
_ALWAYS_SHOWN = ("dataset", "architecture", "device")
# What wrong JSON values of a damaged card end in when they are converted.
_WRONG_VALUE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What is known of one run. Numbers are None where the run did not get that far.

    Before the end they come from its log, afterwards from its card. `best_epoch` counts from 1, and is 0 where a
    run was stopped within its first epoch. All times are in seconds; training time excludes start-up and test.
    `processor` and `versions` (package -> version) are of the machine that trained.
    """

    run: Run
    name: str
    settings: RunSettings
    status: Status
    when: datetime | None
    validation: Accuracy | None
    test: Accuracy | None
    best_epoch: int | None
    num_epochs: int
    train_seconds: float | None
    startup_seconds: float | None
    first_epoch_seconds: float | None
    steady_epoch_seconds: float | None
    images_per_second: float | None
    processor: str
    num_cores: int | None
    versions: dict[str, str]
    num_parameters: int | None
    temperature: float | None
    data_digest: str | None
    classes: tuple[str, ...]

    @property
    def title(self) -> str:
        """The run in a few words: its network, its data and its short name."""
        return f"{network_name(self.settings)} on {self.dataset_title} · {self.name}"

    @property
    def dataset_title(self) -> str:
        """The dataset's name on screen."""
        return datasets.DATASETS[self.settings.dataset].title


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the best epoch of a run said about one split.

    probabilities: float (n, number of classes); labels: integers (n,), the right answers.
    """

    split: str
    probabilities: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> np.ndarray:
        """bool (n,): whether each picture was right."""
        return self.probabilities.argmax(axis=1) == self.labels


# What each summary is made of. That of a running one changes by itself: its worker may fall silent; and a failed one may only
# have been unreadable for a moment.
_FILES = ("settings.json", "status.json", "card.json", "log.csv")
_STANDING: disk.Remembered[RunSummary] = disk.Remembered(most=1_000)


def summarise(run: Run) -> RunSummary:
    """The run in short. Raises RunError where its settings, card or log are damaged or of another version."""
    files = tuple(run.folder / name for name in _FILES)
    return _STANDING.value(
        files, lambda: _summarised(run), lambda _: run.stored_status().state not in ("running", "failed")
    )


def _summarised(run: Run) -> RunSummary:
    card = run.card()
    try:
        return _from_log(run) if card is None else _from_card(run, card)
    except FashionError:
        raise
    except _WRONG_VALUE as error:
        raise RunError(
            f"The run {run.id} must have complete files. Received a value that does not fit: "
            f"{type(error).__name__}: {error}. Delete the run, or open it with the version of the app that made it."
        ) from None


def summarise_all(found: list[Run]) -> tuple[list[RunSummary], list[tuple[Run, str]]]:
    """The runs that can be read, in the order given, and each of the others with what is wrong, in words."""
    good, damaged = [], []
    for run in found:
        try:
            good.append(summarise(run))
        except FashionError as error:
            damaged.append((run, str(error)))
    return good, damaged


def short_name(run: Run) -> str:
    """The name of a run in legends: its id without the date, e.g. "cnn-1603", and of a tested epoch which one; a shipped
    model's own name."""
    name, _, epoch = run.id.partition(EPOCH)
    return run.id if run.shipped else f"{name[16:]}, epoch {int(epoch)}" if epoch.isdecimal() else run.id[16:]


def ending(status: Status) -> str:
    """How a run ended and why, to stand after a colon: "stopped by hand." says both, so no "stopped." stands before it."""
    if status.state in ("stopped", "interrupted") and _SAYS_ITSELF.search(status.reason):
        return status.reason[0].lower() + status.reason[1:]
    return f"{STATE_WORDS[status.state]}. {status.reason}".rstrip()


def _when(run: Run) -> datetime | None:
    """When the run was made: its id begins with the local time. None for a shipped one, or an impossible date."""
    try:
        return datetime.strptime(run.id[:15], "%Y%m%d-%H%M%S")
    except ValueError:
        return None


def _from_log(run: Run) -> RunSummary:
    log = run.log().dropna(subset=["val_accuracy", "seconds"])
    started = len(log) > 0
    best = log.loc[log.val_accuracy.idxmax()] if started else None
    n = datasets.split_sizes(run.settings.dataset, run.settings.class_names)["validation"]
    return RunSummary(
        run=run,
        name=short_name(run),
        settings=run.settings,
        status=run.status(),
        when=_when(run),
        validation=_accuracy(round(best.val_accuracy * n), n) if started else None,
        test=None,
        best_epoch=int(best.epoch) if started else None,
        num_epochs=len(log),
        train_seconds=float(log.seconds.sum()) if started else None,
        startup_seconds=None,
        first_epoch_seconds=float(log.seconds.iloc[0]) if started else None,
        steady_epoch_seconds=float(log.seconds.iloc[1:].median()) if len(log) > 1 else None,
        images_per_second=_number(log.images_per_second.median()) if started else None,
        processor="",
        num_cores=None,
        versions={},
        num_parameters=None,
        temperature=None,
        data_digest=None,
        classes=run.settings.class_names or datasets.DATASETS[run.settings.dataset].classes,
    )


def _from_card(run: Run, card: dict) -> RunSummary:
    made_on = card["machine"]
    metrics = card["metrics"]
    classes = tuple(str(name) for name in card["classes"])
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"classes={classes!r}")
    return RunSummary(
        run=run,
        name=short_name(run),
        settings=run.settings,
        status=run.status(),
        when=_when(run),
        # The intervals are computed, not read, so that all runs have the same kind.
        validation=_accuracy(int(metrics["validation"]["correct"]), int(metrics["validation"]["n"])),
        test=_accuracy(int(metrics["test"]["correct"]), int(metrics["test"]["n"])),
        best_epoch=None if card["best_epoch"] is None else int(card["best_epoch"]),
        num_epochs=int(card["num_epochs"]),
        train_seconds=_number(card["train_seconds"]),
        startup_seconds=_number(card["startup_seconds"]),
        first_epoch_seconds=_number(card["first_epoch_seconds"]),
        steady_epoch_seconds=_number(card["steady_epoch_seconds"]),
        images_per_second=_number(card["images_per_second"]),
        processor=str(made_on.get("processor", "")),
        num_cores=int(made_on["num_cores"]) if "num_cores" in made_on else None,
        versions={str(name): str(version) for name, version in card["versions"].items()},
        num_parameters=int(card["num_parameters"]),
        temperature=_number(card["temperature"]),
        data_digest=str(card["data_digest"]),
        classes=classes,
    )


def _accuracy(correct: int, n: int) -> Accuracy:
    return Accuracy(correct / max(n, 1), correct, n, *evaluation.wilson_interval(correct, n))


def _number(value: float | None) -> float | None:
    """A finite number, or None for null and NaN."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def head_epochs(run: Run) -> int | None:
    """After how many epochs the pretrained layers began to learn too; None where they never do, or have not yet.

    Raises RunError where the settings cannot be read.
    """
    if not run.settings.pretrained or run.settings.fine_tune == "none":
        return None
    try:
        epochs = json.loads((run.folder / "head.json").read_text(encoding="utf-8"))["epochs"]
        return epochs if isinstance(epochs, int) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def times_of_parts(one: RunSummary) -> dict[str, str]:
    """Where the time of a run with a pretrained network went, in words: vectors, head, fine-tuning; empty parts left out."""
    values = {}
    record = (one.run.card() or {}).get("features")
    if isinstance(record, dict) and isinstance(record.get("seconds"), int | float):
        how = {"computed": "computed", "stored": "stored before", "shipped": "came with the app"}
        values["Vectors of the photos"] = (
            f"{record['seconds']:,.1f} s, {how.get(str(record.get('source')), 'here')}"
        )
    if one.settings.mean_of:
        return {}
    log, begun = one.run.log(), head_epochs(one.run)
    tuning = log.epoch > (math.inf if begun is None else begun)
    for name, part in (("The head", log[~tuning]), ("Fine-tuning", log[tuning])):
        if len(part):
            count = "1 epoch" if len(part) == 1 else f"{len(part)} epochs"
            speed = float(part.images_per_second.median())
            values[name] = f"{part.seconds.sum():,.1f} s, {count}, {speed:,.0f} photos/s"
    return values


def network_name(settings: RunSettings) -> str:
    """The network in a few words, to stand before "on" and a dataset; of a pretrained one, what the run did with it."""
    if not settings.pretrained:
        return ARCHITECTURES[settings.architecture]
    done = "new head" if settings.fine_tune == "none" else "fine-tuned"
    if settings.mean_of:
        done = f"mean of {len(settings.mean_names)} fine-tuned"
    return f"{BASES[settings.architecture].title}, {done}"


def basis_in_words(accuracy: Accuracy) -> str:
    """What an accuracy rests on: "10,000 pictures; 95 % interval 83.5% to 85.0%"."""
    return f"{accuracy.n:,} pictures; 95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}"


def setting_in_words(name: str, value: object) -> str:
    """The value of a setting as it stands on screen: the words of a choice, "yes", a number without noise."""
    field = FIELDS[name]
    if name == "predict_size" and not value:
        return "as in training"
    if name == "seconds_limit" and not value:
        return "none"
    if name in ("teachers", "mean_of"):
        return str(value).replace(",", ", ") or "none"
    if name == "classes":
        return str(value).replace(",", " and ") or "all"
    if field.choices is not None:
        return field.choices[value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if field.kind is int and name != "seed" else f"{value}"


def settings_table(settings: RunSettings) -> pd.DataFrame:
    """All settings that a run has a use for: columns Setting and Value, both in words."""
    values = settings.to_json()
    rows = [
        (field.label, setting_in_words(name, values[name]))
        for name, field in FIELDS.items()
        if applies(name, values)
    ]
    return pd.DataFrame(rows, columns=["Setting", "Value"])


# Several runs


def table(summaries: list[RunSummary]) -> pd.DataFrame:
    """A row per run, in the order given, with columns named for the screen.

    Accuracies are in percent, 0 to 100. Of the settings only those in which the runs differ have a column, under the
    setting's label; dataset, architecture and device are always there.
    """
    varied = [name for name in differing([one.settings for one in summaries]) if name not in _ALWAYS_SHOWN]
    rows = [
        {
            "Run": one.name,
            "State": STATE_WORDS[one.status.state],
            "Test accuracy": 100 * one.test.value if one.test else None,
            "95 % interval": f"{one.test.low:.1%} to {one.test.high:.1%}" if one.test else None,
            "Test pictures": one.test.n if one.test else None,
            "Validation accuracy": 100 * one.validation.value if one.validation else None,
            "Best epoch": one.best_epoch,
            "Dataset": one.dataset_title,
            "Architecture": ARCHITECTURES[one.settings.architecture],
            **{FIELDS[name].label: _cell(name, getattr(one.settings, name)) for name in varied},
            "Training seconds": one.train_seconds,
            "Pictures per second": one.images_per_second,
            "Machine": machine_in_words(one),
            "When": one.when,
        }
        for one in summaries
    ]
    fractions = ("Test accuracy", "Validation accuracy", "Training seconds", "Pictures per second")
    types = {"Test pictures": "Int64", "Best epoch": "Int64", "When": "datetime64[s]"}
    types |= dict.fromkeys(fractions, "float64")
    return pd.DataFrame(rows).astype(types) if rows else pd.DataFrame()


def _cell(name: str, value: object) -> object:
    """A setting in the table of runs: numbers stay numbers, so that the column sorts."""
    return value if FIELDS[name].kind in (int, float) else setting_in_words(name, value)


def machine_in_words(one: RunSummary) -> str:
    """What computed: "CPU, Intel Xeon, 2 cores"; for an unfinished run only the device."""
    parts = ["CPU" if one.settings.device == "cpu" else one.settings.device.upper().replace(":", " ")]
    if one.processor:
        parts.append(one.processor)
    if one.num_cores:
        parts.append(f"{one.num_cores} cores" if one.num_cores != 1 else "1 core")
    return ", ".join(parts)


def unique_names(summaries: list[RunSummary]) -> list[str]:
    """A name per run for legends and columns: the short one, or the whole id where two share it."""
    short = [one.name for one in summaries]
    return [one.name if short.count(one.name) == 1 else one.run.id for one in summaries]


def settings_side_by_side(summaries: list[RunSummary]) -> pd.DataFrame:
    """The settings in which the runs differ: a row per setting, a column per run, values in words; "–" where a run has no
    use for the setting, and no row where none has."""
    given = [one.settings.to_json() for one in summaries]
    names = [
        name
        for name in differing([one.settings for one in summaries])
        if any(applies(name, values) for values in given)
    ]
    columns = {
        name: [setting_in_words(one, values[one]) if applies(one, values) else "–" for one in names]
        for name, values in zip(unique_names(summaries), given, strict=True)
    }
    return pd.DataFrame({"Setting": [FIELDS[name].label for name in names], **columns})


def curves(summaries: list[RunSummary]) -> pd.DataFrame:
    """The curves of several runs, long: a row per run, curve ("training" or "validation") and epoch.

    Columns: run (name), curve, epoch (from 1), seconds (of training, until the end of that epoch), loss,
    accuracy (0 to 1), best (whether this is the validation value of the run's best epoch).
    """
    parts = []
    for name, one in zip(unique_names(summaries), summaries, strict=True):
        log = one.run.log()
        shared = {"run": name, "epoch": log.epoch.astype(int), "seconds": log.seconds.cumsum()}
        for curve, prefix in (("training", ""), ("validation", "val_")):
            values = {measure: log[f"{prefix}{measure}"] for measure in ("loss", "accuracy")}
            best = (log.epoch == (one.best_epoch or -1)) & (curve == "validation")
            parts.append(pd.DataFrame({**shared, "curve": curve, **values, "best": best}))
    columns = ["run", "curve", "epoch", "seconds", "loss", "accuracy", "best"]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)


def predictions(one: RunSummary, split: str = "test") -> Predictions:
    """What the best epoch said about the split "test" or "validation".

    Raises RunError where nothing is stored, or what is stored does not fit the run's classes.
    """
    arrays = one.run.evaluation()
    if arrays is None:
        raise RunError(
            f"The run {one.name} must have been tested to be judged. Received one without stored answers. Let it "
            "finish, or choose another run."
        )
    probabilities, labels = arrays[f"{split}_probabilities"], arrays[f"{split}_labels"]
    try:
        if probabilities.shape != (len(labels), len(one.classes)):
            raise ValueError(f"shape {probabilities.shape} for {len(labels)} labels.")
        evaluation.accuracy(probabilities, labels)
    except (ValueError, TypeError) as error:
        raise RunError(
            f"evaluation.npz of {one.run.id} must hold {len(one.classes)} probabilities per picture. {error} Delete "
            "the run, or train it again."
        ) from None
    return Predictions(split, probabilities.astype(np.float64), labels.astype(np.int64))
