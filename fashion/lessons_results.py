"""What came out of the runs of a lesson: tables for charts, a sentence that says how sure it is, answers to the questions.

Pure: it reads run folders through `summary.py` and draws nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fashion import evaluation, range_test, runs, summary
from fashion.errors import FashionError, RunError, SettingsError
from fashion.lessons_form import Experiment, Lesson, Published
from fashion.runs import Run
from fashion.setting_fields import applies
from fashion.settings import RunSettings, differing, load_json
from fashion.summary import RunSummary

YOURS, COURSE, RECORDED = "your run", "the course", "recorded"
_EDITABLE = ("epochs", "batch_size", "learning_rate", "inner_width", "dropout", "seed")

EXAMS = ("its own curve", "validation as it is", "test")


@dataclass(frozen=True, eq=False)
class Outcome:
    """A run of an experiment that has at least one epoch: its label there, and what is known of it."""

    label: str
    one: RunSummary
    log: pd.DataFrame

    @property
    def gap(self) -> float:
        """Training minus validation accuracy in the last epoch."""
        return float(self.log.accuracy.iloc[-1] - self.log.val_accuracy.iloc[-1])


def label_of(experiment: Experiment, settings: RunSettings) -> str | None:
    """The label of the experiment's run with these settings; a device that the experiment does not name is its own.

    Whether every epoch was kept makes no difference.
    """
    settings = settings.replace(snapshots=any(known.snapshots for _, known in experiment.runs))
    for label, known in experiment.runs:
        if known == settings:
            return label
    for _, known in experiment.runs:
        if known.replace(device=settings.device) == settings:
            return settings.device.upper().replace(":", " ")
    return None


def with_settings(experiment: Experiment, **changes) -> Experiment:
    """The same experiment with some settings of all its runs changed."""
    return replace(
        experiment, runs=tuple((label, settings.replace(**changes)) for label, settings in experiment.runs)
    )


def editable(experiment: Experiment) -> list[str]:
    """The settings that a student may change: all its runs share them and have a use for them.

    A range test ends where its learning rate does, so that stays.
    """
    several = [settings for _, settings in experiment.runs]
    varied = differing(several) + (["learning_rate"] if experiment.measure == "range" else [])
    return [name for name in _EDITABLE if name not in varied and applies(name, several[0].to_json())]


def as_made(experiment: Experiment, found: Sequence[Run]) -> Experiment:
    """The experiment with what a student changed before these runs were made; as it is where none can be read."""
    for run in found:
        try:
            settings = run.settings
            names = [*editable(experiment), "classes"]
            return with_settings(experiment, **{name: getattr(settings, name) for name in names})
        except FashionError:  # damaged, or of another experiment, whose settings contradict this one
            continue
    return experiment


def changes(experiment: Experiment, made: Experiment) -> list[str]:
    """The settings that a student changed, by name: those in which what was made differs from the lesson."""
    return differing([experiment.runs[0][1], made.runs[0][1]])


def in_order(experiment: Experiment, found: Sequence[Run]) -> list[Run]:
    """The runs in the order of the experiment; those that do not belong to it, or are damaged, come last."""
    order = [label for label, _ in experiment.runs]

    def place(run: Run) -> int:
        try:
            label = label_of(experiment, run.settings)
        except FashionError:
            label = None
        return order.index(label) if label in order else len(order)

    return sorted(found, key=place)


def outcomes(experiment: Experiment, found: Sequence[Run]) -> list[Outcome]:
    """Those of the runs that belong to the experiment and have an epoch, in its order; damaged ones are left out.

    A range test may explode within its first epoch: it is told by its steps.
    """
    by_label = {}
    for run in found:
        try:
            label = label_of(experiment, run.settings)
            log = run.log()
            steps = experiment.measure == "range" and len(range_test.read(run))
            if label is not None and (len(log) or steps):
                by_label[label] = Outcome(label, summary.summarise(run), log)
        except FashionError:
            continue
    order = [label for label, _ in experiment.runs]
    return sorted(
        by_label.values(), key=lambda one: order.index(one.label) if one.label in order else len(order)
    )


def accuracies(
    own: Sequence[Outcome], recorded: Sequence[Outcome], published: Sequence[Published]
) -> pd.DataFrame:
    """Best validation accuracies side by side: columns label, source, accuracy, low, high, correct, n, note."""
    rows = []
    for source, several in ((YOURS, own), (RECORDED, recorded)):
        for outcome in several:
            if outcome.one.validation is None or outcome.log.empty:
                continue
            accuracy = outcome.one.validation
            note = f"epoch {outcome.one.best_epoch}; training {outcome.log.accuracy.iloc[-1]:.4f} in the last"
            rows.append(
                (
                    outcome.label, source, accuracy.value, accuracy.low, accuracy.high, accuracy.correct,
                    accuracy.n, note,
                )
            )  # fmt: skip
    for one in published:
        interval = evaluation.wilson_interval(one.correct, one.n)
        rows.append((one.label, COURSE, one.accuracy, *interval, one.correct, one.n, one.note))
    columns = ["label", "source", "accuracy", "low", "high", "correct", "n", "note"]
    return pd.DataFrame(rows, columns=columns)


def curves(own: Sequence[Outcome]) -> pd.DataFrame:
    """The curves of the runs as `summary.curves` has them, named by their labels."""
    parts = [summary.curves([outcome.one]).assign(run=outcome.label) for outcome in own]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@dataclass(frozen=True)
class Lead:
    """How far the best run is ahead of the next: in accuracy (0 to 1), with its 95 % interval."""

    best: str
    next: str
    difference: float
    low: float
    high: float
    paired: bool

    @property
    def sure(self) -> bool:
        """Whether the lead is larger than chance."""
        return self.low > 0


def lead(own: Sequence[Outcome]) -> Lead | None:
    """The best run against the next, by validation; picture by picture where both have been tested. None with one run."""
    judged = [outcome for outcome in own if outcome.one.validation]
    if len(judged) < 2:
        return None
    best, second = sorted(judged, key=lambda outcome: -outcome.one.validation.value)[:2]
    try:
        said = [summary.predictions(outcome.one, "validation") for outcome in (second, best)]
        values = evaluation.paired_difference(said[0].correct, said[1].correct)
        return Lead(best.label, second.label, *values, paired=True)
    except (FashionError, ValueError):  # one is not tested yet, or the pictures were others
        values = evaluation.independent_difference(second.one.validation, best.one.validation)
        return Lead(best.label, second.label, *values, paired=False)


def verdict(experiment: Experiment, own: Sequence[Outcome]) -> str:
    """What the student's runs say, with the interval, in one or two sentences; empty without a run."""
    if not own:
        return ""
    if experiment.measure == "range":
        return range_test.in_words(range_test.suggest(range_test.read(own[0].one.run)))
    if experiment.measure == "mistake":
        return _mistake(own)
    if experiment.measure == "speed":
        speeds = [f"{one.label} {_speed(one):,.0f} pictures a second" for one in own]
        return f"Your machine: {'; '.join(speeds)}. The median of {len(own[0].log)} epochs, small CNN, 28x28 pixels."
    ahead = lead(own)
    if ahead is None:
        one = own[0]
        accuracy = one.one.validation
        last = one.log.val_accuracy.iloc[-1]
        return (
            f"Your run: best in epoch {one.one.best_epoch} of {len(one.log)} with {accuracy.value:.1%} "
            f"({accuracy.correct} of {summary.basis_in_words(accuracy)}); the last epoch had {last:.1%}, training "
            f"{one.log.accuracy.iloc[-1]:.1%}."
        )
    how = "on the same photos, picture by picture" if ahead.paired else "as if measured on different photos"
    interval = f"95 % interval {100 * ahead.low:.1f} to {100 * ahead.high:.1f}"
    if not ahead.difference:
        most = max(outcome.one.validation.value for outcome in own)
        several = [f"**{outcome.label}**" for outcome in own if outcome.one.validation.value == most]
        return (
            f"Your runs: {experiment.varies} {', '.join(several[:-1])} and {several[-1]} were best, equally often right: a difference of "
            f"0 points, {interval} ({how}). So these photos do not tell which of them is better."
        )
    points = f"{100 * ahead.difference:.1f} points, {interval}"
    start = f"Your runs: {experiment.varies} **{ahead.best}** was best, ahead of **{ahead.next}** by {points} ({how})."
    if ahead.sure:
        return f"{start} That is more than chance."
    return f"{start} The interval holds zero, so these photos do not tell which of the two is better."


def exams(own: Sequence[Outcome]) -> pd.DataFrame:
    """What the curve of each run showed, and what its best epoch is worth: columns label, exam, accuracy, low, high, n.

    The exams: the best of its own validation curve, and that epoch on validation and on test pictures as they are; the last
    two of tested runs only.
    """
    rows = []
    for outcome in own:
        one = outcome.one
        if one.validation is None:
            continue
        seen = float(outcome.log.val_accuracy.max())
        interval = evaluation.wilson_interval(round(seen * one.validation.n), one.validation.n)
        rows.append((outcome.label, EXAMS[0], seen, *interval, one.validation.n))
        if one.test:
            rows += [
                (outcome.label, exam, of.value, of.low, of.high, of.n)
                for exam, of in zip(EXAMS[1:], (one.validation, one.test), strict=True)
            ]
    return pd.DataFrame(rows, columns=["label", "exam", "accuracy", "low", "high", "n"])


def _mistake(own: Sequence[Outcome]) -> str:
    if len(own) < 2:
        return f"Only the run with validation pictures {own[0].label} is here; it takes both to compare."
    plain, changed = own
    told = [float(outcome.log.val_accuracy.max()) for outcome in own]
    n = plain.one.validation.n
    counts = [len(outcome.log) for outcome in own]
    alike = "Both runs learned the same: training" if counts[0] == counts[1] else "Training"
    words = f"{alike} accuracy in the last epoch {plain.log.accuracy.iloc[-1]:.1%} and {changed.log.accuracy.iloc[-1]:.1%}"
    words += "." if counts[0] == counts[1] else f", after {counts[0]} and {counts[1]} epochs."
    fooled = told[1] < told[0] and counts[0] == counts[1]
    if fooled:
        words += (
            f" But the curve of the second one stops at {told[1]:.1%} where the first reaches {told[0]:.1%} (n = {n:,}): it was judged "
            "on harder pictures, other ones in each epoch."
        )
    else:
        words += (
            f" The curve of the first one reaches {told[0]:.1%}, that of the second {told[1]:.1%} (n = {n:,}), which was judged on other "
            "pictures, new ones in each epoch: the two cannot be compared."
        )
    if plain.one.test and changed.one.test:
        words += (
            f" On test pictures as they are, the kept epochs have {plain.one.test.value:.1%} and {changed.one.test.value:.1%} "
            f"(n = {plain.one.test.n:,}; 95 % intervals {plain.one.test.low:.1%} to {plain.one.test.high:.1%} and "
            f"{changed.one.test.low:.1%} to {changed.one.test.high:.1%})."
        )
        if fooled:
            words += " Who believes the second curve throws a good network away, and can compare it with nobody else's."
    return words


# The questions


def _speed(outcome: Outcome) -> float:
    return float(runs.steady(outcome.log).images_per_second.median())


def _ends(own: Sequence[Outcome], value, largest: bool) -> set[str]:
    """The labels at which a value is largest or smallest; several where they tie."""
    values = {one.label: value(one) for one in own}
    end = (max if largest else min)(values.values())
    return {label for label, number in values.items() if number == end}


JUDGES = {
    "best": lambda own: _ends(own, lambda one: one.log.val_accuracy.max(), largest=True),
    "most training": lambda own: _ends(own, lambda one: one.log.accuracy.iloc[-1], largest=True),
    "smallest gap": lambda own: _ends(own, lambda one: abs(one.gap), largest=False),
    "best epoch": lambda own: {
        int(epoch) for epoch in own[0].log.epoch[own[0].log.val_accuracy == own[0].log.val_accuracy.max()]
    },
    "speed": lambda own: {_speed(own[0])},
}
"""From a student's runs to the right answers: labels, or numbers for "best epoch" and "speed"."""


@dataclass(frozen=True)
class Judged:
    """Whether an answer was right, and why, in words."""

    right: bool
    words: str


def judge(lesson: Lesson, own: Sequence[Outcome], answer: object) -> Judged:
    """Check an answer against the student's own runs. ValueError where there is none."""
    if not own:
        raise ValueError(f"An answer to {lesson.slug} needs a run. Received none. Run the experiment first.")
    right = JUDGES[lesson.judge](own)
    if lesson.judge == "speed":
        (speed,) = right
        return Judged(
            abs(float(answer) - speed) <= 0.15 * speed,
            f"Your log says {speed:,.0f} pictures a second (within 15 % counts as right).",
        )
    values = {
        "best": lambda one: f"{one.label}: {one.log.val_accuracy.max():.2%}",
        "most training": lambda one: f"{one.label}: {one.log.accuracy.iloc[-1]:.2%}",
        "smallest gap": lambda one: f"{one.label}: {100 * one.gap:+.1f} points",
        "best epoch": lambda one: (
            f"{one.log.val_accuracy.max():.2%} in epoch {' and '.join(map(str, sorted(right)))}"
        ),
    }[lesson.judge]
    return Judged(answer in right, f"Your log says {'; '.join(values(one) for one in own)}.")


# Progress


def progress_json(lessons: Sequence[Lesson], progress: Mapping[str, Mapping[str, object]]) -> str:
    """What a student did, to be kept: for each lesson the expectation, the answer, whether it was right, the runs."""
    rows = [
        {
            "lesson": lesson.number,
            "title": lesson.title,
            "expected": progress.get(lesson.slug, {}).get("expected"),
            "answer": progress.get(lesson.slug, {}).get("answer"),
            "right": progress.get(lesson.slug, {}).get("right"),
            "runs": [
                run.id
                for group in progress.get(lesson.slug, {}).get("groups", {}).values()
                for run in runs.of_group(group)
            ],
        }
        for lesson in lessons
    ]
    done = sum(bool(row["right"]) for row in rows)
    return json.dumps(
        {"course": "Fashion Lab", "lessons_done": done, "of": len(rows), "lessons": rows}, indent=2
    )


def progress_from(text: str, lessons: Sequence[Lesson]) -> dict[str, dict[str, object]]:
    """What `progress_json` wrote, as the visit keeps it: by lesson expected, answer, right, and those groups of runs that are
    still here. Parts that fit nothing are left out.

    Raises SettingsError where it is no such file.
    """
    content = load_json(text, "The file")
    rows = content.get("lessons") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(
            "A file of progress must be one that this course wrote, fashion-lab-course.json. Received: other JSON. Choose another one."
        )
    by_number = {row.get("lesson"): row for row in rows if isinstance(row.get("lesson"), str)}
    found = {}
    for lesson in lessons:
        row = by_number.get(lesson.number, {})
        one: dict[str, object] = {}
        if row.get("expected") in lesson.expect.options:
            one["expected"] = row["expected"]
        answer = row.get("answer")
        if isinstance(answer, str | int | float) and not isinstance(answer, bool):
            one |= {
                "answer": answer[:100] if isinstance(answer, str) else answer,
                "right": row.get("right") is True,
            }
        if groups := _groups(row.get("runs"), {experiment.key for experiment in lesson.experiments}):
            one["groups"] = groups
        if one:
            found[lesson.slug] = one
    return found


def _groups(names: object, experiments: set[str]) -> dict[str, str]:
    """Experiment -> group of those of these runs that are here."""
    found = {}
    for name in names[:200] if isinstance(names, list) else []:
        try:
            group = runs.find(str(name)).stored_status().group
        except RunError:
            continue
        if group.rpartition("-")[0] in experiments:
            found[group.rpartition("-")[0]] = group
    return found
