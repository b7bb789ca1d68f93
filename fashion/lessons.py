"""The course's fifteen steps as lessons, what their experiments are on this machine, and links to the same settings.

The words are in `lessons_first.py` and `lessons_second.py`, their form in `lessons_form.py`, what came out of a
student's runs in `lessons_results.py`, drawings in `lessons_diagrams.py`. Nothing is started here.
"""

from collections.abc import Mapping, Sequence

from fashion import estimate, feature_store, memory_need
from fashion.lessons_first import FIRST
from fashion.lessons_form import Experiment, Lesson
from fashion.lessons_second import SECOND
from fashion.settings import FRAMEWORKS, RunSettings, named_in_link

_STARTUP_SECONDS, _LOADING_SECONDS = (
    8.0,
    2.0,
)  # of a worker, where none was measured; the least that loading Keras takes
LESSONS: tuple[Lesson, ...] = FIRST + SECOND
"""In the order of the course."""


def find(slug: str) -> Lesson | None:
    """The lesson with this name in a link, or None."""
    return next((lesson for lesson in LESSONS if lesson.slug == slug), None)


def runs_of(
    experiment: Experiment, frameworks: Sequence[str] = ("tensorflow",), gpus: Sequence[str] = ()
) -> dict[str, RunSettings]:
    """The runs of an experiment that this machine can make, by label.

    frameworks: those installed; runs in others are left out. gpus: names of the graphics cards seen, on each of which
    an experiment about speed is repeated.
    """
    found = {label: settings for label, settings in experiment.runs if settings.framework in frameworks}
    if experiment.measure == "speed":
        for number, name in enumerate(gpus):
            for settings in [settings for _, settings in experiment.runs]:
                found[f"GPU {number}: {name}"] = settings.replace(device=f"gpu:{number}")
    return found


def left_out(experiment: Experiment, frameworks: Sequence[str]) -> str:
    """Why some runs of the experiment are not made here, in words; empty if all are."""
    missing = {settings.framework for _, settings in experiment.runs} - set(frameworks)
    if not missing:
        return ""
    names = " and ".join(FRAMEWORKS[name] for name in FRAMEWORKS if name in missing)
    packages = " ".join(name for name in FRAMEWORKS if name in missing)
    return (
        f"Not installed here: {names}. To compare them, stop the app, run `pip install {packages}`, and start it again; "
        "until then the others are run."
    )


def obstacle(several: Sequence[RunSettings], limit_bytes: float) -> str | None:
    """Why these runs cannot be made here, in words; None if they can. limit_bytes: of memory for app and worker."""
    for settings in several:
        words = memory_need.refusal(settings, limit_bytes, export=False) or feature_store.obstacle(settings)
        if words:
            return words
    return None


def possible(planned: Mapping[str, RunSettings], limit_bytes: float) -> dict[str, RunSettings]:
    """Those of the runs that can be made here, by label."""
    return {
        label: settings for label, settings in planned.items() if obstacle([settings], limit_bytes) is None
    }


def expected(several: Sequence[RunSettings]) -> estimate.Estimate:
    """How long these runs take one after another in one process: it starts once, and exports nothing.

    Measured here where runs of their kind were, otherwise a rough guess, and the basis says which.
    """
    measured = estimate.measured_here()
    guesses = [estimate.estimate(settings, measured) for settings in several]
    totals = {"seconds": 0.0, "low": 0.0, "high": 0.0}
    for guess in guesses:
        factor = (guess.high - guess.seconds) / max(guess.seconds - guess.low, 1e-9)
        computing = (guess.high - guess.seconds) / max(factor - 1, 1e-9)  # the rest is start-up and export
        totals["seconds"] += computing
        totals["low"] += computing / factor
        totals["high"] += computing * factor
    # Later runs of a group begin at once: only those that loaded Keras tell how long a process takes to start.
    startups = [one.startup_seconds for one in measured if (one.startup_seconds or 0) >= _LOADING_SECONDS]
    startup = min([*startups, _STARTUP_SECONDS])
    basis = max((guess.basis for guess in guesses), key=lambda words: "rough guess" in words)
    return estimate.Estimate(**{name: startup + value for name, value in totals.items()}, basis=basis)


def link_values(settings: RunSettings) -> dict[str, str]:
    """The parameters of a link to the Train page that fills in these settings: the dataset, and what does not follow from it."""
    named = {"dataset": settings.dataset} | named_in_link(settings)
    return {
        name: str(value).lower() if isinstance(value, bool) else f"{value}" for name, value in named.items()
    }
