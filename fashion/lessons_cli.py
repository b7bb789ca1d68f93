"""The command `lessons`: the course's lessons with their recorded runs, and recording these runs anew.

A recorded run is made by our own worker, like any other; its small files (settings, logs, answers, card; no weights) are
copied to `models/lessons/<lesson>/<run>/`, to be shown beside a student's own. What is recorded already is passed over, so a
recording that was interrupted goes on where it was.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fashion import (
    disk,
    estimate,
    feature_store,
    jobs,
    lessons,
    lessons_results,
    machine,
    range_test,
    runs,
    summary,
    watched,
)
from fashion.errors import SettingsError
from fashion.lessons_form import Experiment, Lesson
from fashion.runs import Run
from fashion.settings import RunSettings

FILES = (
    "settings.json",
    "log.csv",
    "steps.csv",
    "probes.npz",
    "evaluation.npz",
    "head.json",
    range_test.FILE,
    watched.FILE,
)
"""What is kept of a run, where it has it; the card is written last."""
_LOOK_SECONDS = 0.5


def command_line(options: argparse.Namespace) -> int:
    """`lessons`: record the lessons that were named, then list all. 1 if a run could not be recorded."""
    failed = 0
    for lesson in _chosen(options.record or []):
        if options.fresh:
            shutil.rmtree(runs.LESSONS / lesson.slug, ignore_errors=True)
    for lesson in _chosen(options.record or []):
        for experiment in lesson.experiments:
            failed += record(lesson, experiment)
    for lesson in lessons.LESSONS:
        _tell(lesson, options.json)
    return 1 if failed else 0


def _chosen(names: Sequence[str]) -> list[Lesson]:
    """The lessons of these names or numbers; "all" for those with an experiment.

    Raises SettingsError for a name that there is not, or a lesson without an experiment.
    """
    with_runs = [lesson for lesson in lessons.LESSONS if lesson.experiments]
    if "all" in names:
        return with_runs
    found = [lesson for lesson in with_runs if names and {lesson.slug, lesson.number} & set(names)]
    unknown = set(names) - {name for lesson in found for name in (lesson.slug, lesson.number)}
    if unknown:
        raise SettingsError(
            f"`--record` takes lessons with an experiment: {', '.join(lesson.slug for lesson in with_runs)}, or all. Received: "
            f"{', '.join(sorted(unknown))}."
        )
    return found


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# Recording


def record(lesson: Lesson, experiment: Experiment) -> int:
    """Make the runs of the experiment that are not recorded yet, and keep their small files; returns how many failed."""
    planned = lessons.runs_of(experiment, machine.installed_frameworks())
    there = {outcome.label for outcome in lessons_results.outcomes(experiment, runs.recorded(lesson.slug))}
    missing = {label: settings for label, settings in planned.items() if label not in there}
    if not missing:
        _note(f"{lesson.name}: {experiment.key}: recorded already.")
        return 0
    with _own_vectors(list(missing.values())):
        problem = lessons.obstacle(list(missing.values()), float("inf"))
        if problem:
            _note(f"{lesson.name}: {experiment.key} cannot be recorded here. {problem}")
            return len(missing)
        guess = lessons.expected(list(missing.values()))
        _note(
            f"{lesson.name}: {experiment.key}: {len(missing)} to record, about {estimate.in_words(guess.seconds)}."
        )
        return sum(_record_together(lesson, experiment, several) for several in _alike(missing))


@contextlib.contextmanager
def _own_vectors(several: list[RunSettings]) -> Iterator[None]:
    """Inside, vectors are computed anew unless those that come with the project do for all: what they cost belongs to the
    record, whatever ran on this machine before."""

    def shipped(settings: RunSettings) -> bool:
        path = feature_store.shipped_path(settings.architecture, settings.image_size)
        return feature_store.vectors_suffice(settings) and path.exists()

    if not any(settings.pretrained for settings in several) or all(map(shipped, several)):
        yield
        return
    before = os.environ.get("FASHION_FEATURES")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FASHION_FEATURES"] = folder
        try:
            yield
        finally:
            os.environ.pop("FASHION_FEATURES")
            if before is not None:
                os.environ["FASHION_FEATURES"] = before


def _alike(missing: dict[str, RunSettings]) -> list[dict[str, RunSettings]]:
    """The runs in groups that one worker can make."""
    groups: dict[tuple[str, str], dict[str, RunSettings]] = {}
    for label, settings in missing.items():
        groups.setdefault((settings.framework, settings.device), {})[label] = settings
    return list(groups.values())


def _record_together(lesson: Lesson, experiment: Experiment, several: dict[str, RunSettings]) -> int:
    group = f"record-{experiment.key}-{int(time.time())}"
    made = {label: runs.create(settings, task="measure", group=group) for label, settings in several.items()}
    claimed = [run for run in made.values() if jobs.claim(run)]  # a server on this folder may have taken them
    if claimed:
        jobs.start_worker(*claimed)
    failed = 0
    try:
        for label, run in made.items():
            status = _wait(run)
            if status.state != "finished" or run.card() is None:
                failed += 1
                _note(f"  {label}: {summary.ending(status)}")
                continue
            kept = keep(run, lesson, experiment, label)
            accuracy = summary.summarise(kept).validation
            _note(
                f"  {label}: validation {accuracy.value:.1%} of {accuracy.n:,}, {estimate.in_words(kept.log().seconds.sum())}"
            )
            runs.delete(run)
    except KeyboardInterrupt:
        for run in made.values():
            if (run.folder / "status.json").exists():
                runs.request_stop(run, "The recording was interrupted.")
        raise
    return failed


def _wait(run: Run) -> runs.Status:
    while True:
        status = run.status()
        if not status.active:
            return status
        time.sleep(_LOOK_SECONDS)


def keep(run: Run, lesson: Lesson, experiment: Experiment, label: str) -> Run:
    """Copy the small files of a finished run to `models/lessons`; the card comes last and makes the folder count."""
    folder = runs.LESSONS / lesson.slug / name_of(experiment, label)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in FILES:
        if (run.folder / name).exists():
            shutil.copyfile(run.folder / name, folder / name)
    disk.write_json(folder / "card.json", {**run.card(), "name": folder.name, "files": {}})
    return Run(folder)


def name_of(experiment: Experiment, label: str) -> str:
    """The folder of a recorded run: "learning-rate-0-001"."""
    return re.sub(r"[^a-z0-9]+", "-", f"{experiment.key} {label}".lower()).strip("-")


# Listing


@dataclass(frozen=True)
class _Standing:
    planned: int
    recorded: int
    when: str
    where: str


def _standing(lesson: Lesson) -> _Standing:
    found = [
        outcome
        for experiment in lesson.experiments
        for outcome in lessons_results.outcomes(experiment, runs.recorded(lesson.slug))
    ]
    dates = sorted(str(outcome.one.run.card()["created"]) for outcome in found)
    where = sorted({summary.machine_in_words(outcome.one) for outcome in found})
    return _Standing(
        planned=sum(len(experiment.runs) for experiment in lesson.experiments),
        recorded=len(found),
        when=" to ".join(dict.fromkeys(dates[:1] + dates[-1:])),
        where="; ".join(where),
    )


def _tell(lesson: Lesson, as_json: bool) -> None:
    standing = _standing(lesson)
    if as_json:
        record = {
            "lesson": lesson.number,
            "slug": lesson.slug,
            "title": lesson.title,
            "runs": standing.planned,
        }
        record |= {"recorded": standing.recorded, "date": standing.when, "machine": standing.where}
        print(json.dumps(record), flush=True)
        return
    words = f"{lesson.number:5} {lesson.slug:18} {lesson.title}"
    if standing.planned:
        words += f": {standing.recorded} of {standing.planned} runs recorded"
    if standing.recorded:
        words += f" ({standing.when}; {standing.where})"
    print(words, flush=True)
