"""How long a run will probably take on this machine, from what was measured here before.

How accurate it will be is in `expected_accuracy.py`. The guess scales measured speed with the network's multiply-adds: of
finished runs here, else of the benchmark's trainings here or recorded on such a processor. It is told with its range and
its basis, and is no more than that: other work on the machine changes it. Runs with a pretrained network consist of parts that differ a
hundredfold in speed, so each part is guessed on its own.
"""

import contextlib
import math
import os
import statistics
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fashion import (
    architectures,
    benchmark_accuracy,
    datasets,
    feature_store,
    machine,
    pretrained,
    runs,
    summary,
)
from fashion.benchmark_results import FILE, RECORDED
from fashion.errors import DataError, FashionError
from fashion.settings import PHOTOS, RunSettings

# Where nothing was measured: two cores of a server did 3 to 6e10 multiply-adds of training a second on convolutions;
# the range covers slower and faster machines.
# The shipped clothing model through LiteRT on two cores: 1.4e9 in 25 ms; photos must be read, too.
_ASKED_MULTIPLY_ADDS_PER_SECOND = 5e10
_UNMEASURED_MULTIPLY_ADDS_PER_SECOND = 2.5e10
_UNMEASURED_FACTOR = 3.0
_STARTUP_SECONDS = 8.0
# Fewer pictures than this, and building the network's program counts for more than learning.
_LEAST_IMAGES = 10_000
_EXPORT_SECONDS = 4.0
# A forward pass costs about a third of a training step.
_FORWARD_SHARE = 1 / 3

# Pretrained networks, measured on two cores with EfficientNetV2-B0 at 224 pixels (7.2e8 multiply-adds): 18 ms to turn a
# photo into a vector, 62 ms to fine-tune all layers with it; the others in proportion to their multiply-adds.
_SECONDS_PER_VECTOR, _SECONDS_PER_TUNED_PHOTO = 0.018, 0.062
_MEASURED_MULTIPLY_ADDS = 716_806_176
_READING_SECONDS, _CHANGING_SECONDS = 0.003, 0.008  # of a photo from its file, and with random changes
_COMPARABLE = 4.0
# Below the blocks that learn, only the forward pass is computed.
_LAST_BLOCKS_SHARE = 0.5
# The rest of such a run, measured on the same cores: 3 s until the first step, 20 epochs of the head 4 s, and after them
# building the whole network 2 s, converting it 4 to 5 s, comparing the two 1 s.
_PRETRAINED_STARTUP_SECONDS = 4.0
_HEAD_PHOTOS_PER_SECOND, _FIRST_EPOCH_SECONDS = 16_000.0, 1.0
_PRETRAINED_EXPORT_SECONDS = 8.0


@dataclass(frozen=True)
class Estimate:
    """Seconds from pressing Start to a tested model: the guess, its range, and what it rests on, in words.

    parts: what most of the time goes to, in words, where a run has parts of different kinds. The last three add up to
    the seconds: until the first step, which for photos includes their vectors; training with its validations; test and
    export.
    """

    seconds: float
    low: float
    high: float
    basis: str
    parts: tuple[str, ...] = ()
    startup_seconds: float = 0.0
    training_seconds: float = 0.0
    finishing_seconds: float = 0.0


@dataclass(frozen=True)
class _Measured:
    """The speed of a finished run, or of a training of the benchmark: `benchmark` says then where that was, in words.

    `seconds_per_...` only of runs with a pretrained network that did this.
    """

    settings: RunSettings
    images_per_second: float
    startup_seconds: float | None
    seconds_per_vector: float | None = None
    seconds_per_tuned_photo: float | None = None
    benchmark: str = ""


def measured_here(found: list[summary.RunSummary] | None = None) -> list[_Measured]:
    """The speeds of finished runs and then of the benchmark's trainings, all on a machine like this one.

    found: all runs, if they are at hand.
    """
    if found is None:
        found = summary.summarise_all(runs.list_runs())[0]
    here = machine.describe()
    own = [
        _Measured(one.settings, one.images_per_second, one.startup_seconds, *_speeds_of_parts(one))
        for one in found
        if one.test
        and one.images_per_second
        and not one.settings.mean_of
        and (one.processor, one.num_cores) == (here.processor, here.num_cores)
        and _long_enough(one)
    ]
    files = [(run.folder / FILE, "of the benchmark here") for run in runs.list_runs(kind="benchmark")]
    recorded = sorted((RECORDED / "accuracy").glob("*.json"))
    files += [(path, "recorded on a processor of this name") for path in recorded]
    for path, where in files:
        if path.exists():
            own += _of_benchmark(path, path.stat().st_mtime_ns, where, here.processor, here.num_cores)
    return own


def _long_enough(one: summary.RunSummary) -> bool:
    """Whether the speed of a run tells more of learning than of building the network's program in its first epoch."""
    if one.settings.pretrained:  # the speeds of its parts are kept apart
        return True
    sizes = datasets.split_sizes(one.settings.dataset, one.settings.class_names)
    return one.num_epochs * min(one.settings.num_train, sizes["train"]) >= _LEAST_IMAGES


@lru_cache(maxsize=32)
def _of_benchmark(path: Path, _: int, where: str, processor: str, num_cores: int) -> tuple[_Measured, ...]:
    """The trainings in a benchmark's file; none where it is of another kind, damaged, or of another machine.

    The second argument is the file's time, so that one that has grown is read again.
    """
    try:
        results = benchmark_accuracy.read(path, "accuracy")
        its, num_train = results["machine"], results["num_train"]
        if (its["processor"], its["num_cores"]) != (processor, num_cores) or num_train < _LEAST_IMAGES:
            return ()
        return tuple(
            _Measured(
                RunSettings.from_json(run["settings"]),
                num_train * len(run["epochs"]) / run["epochs"][-1]["seconds"],
                run["startup_seconds"],
                benchmark=where,
            )
            for run in results["runs"]
            if not run["problem"] and run.get("settings")
        )
    except (FashionError, KeyError, ZeroDivisionError):  # the Benchmark page says what is wrong with it
        return ()


def estimate(settings: RunSettings, measured: list[_Measured]) -> Estimate:
    """The expected time of a run with these settings, given what was measured (newest first)."""
    same_device = [
        one
        for one in measured
        if (one.settings.device, one.settings.framework) == (settings.device, settings.framework)
        and one.settings.pretrained == settings.pretrained
    ]
    if settings.pretrained:
        return _of_parts(settings, same_device)
    sizes = datasets.split_sizes(settings.dataset, settings.class_names)
    alike = [one for one in same_device if _kind(one.settings) == _kind(settings)]
    # A run says more of runs than a training of the benchmark, and that more than other networks.
    alike = [one for one in alike if not one.benchmark] or alike
    if alike and alike[0].benchmark:
        same_device = [one for one in alike if one.benchmark == alike[0].benchmark]
        speeds = [_images_per_second(settings, one) for one in same_device]
        factor = 2.0
        basis = f"{len(speeds)} {_plural(len(speeds), 'training')} of this kind {alike[0].benchmark}"
    elif alike:
        speeds = [_images_per_second(settings, one) for one in alike[:5]]
        factor, basis = 1.3, f"{len(speeds)} earlier {_plural(len(speeds), 'run')} of this kind here"
    elif same_device := [one for one in same_device if not one.benchmark]:
        speeds = [_images_per_second(settings, one) for one in same_device[:5]]
        factor, basis = 2.0, "earlier runs here of other networks"
    else:
        _, cost = architectures.cost_of(settings)
        speeds = [_UNMEASURED_MULTIPLY_ADDS_PER_SECOND / (3 * max(cost, 50_000))]
        factor, basis = _UNMEASURED_FACTOR, "a rough guess: nothing was measured here yet"
    rate = statistics.median(speeds)
    # That of a run with teachers includes their answers, which are counted apart.
    startups = [
        one.startup_seconds for one in same_device if one.startup_seconds and not one.settings.teachers
    ]
    startup = statistics.median(startups) if startups else _STARTUP_SECONDS
    num_train = min(settings.num_train, sizes["train"])
    epoch_seconds = (num_train + sizes["validation"] * _FORWARD_SHARE) / rate
    judging = (sizes["validation"] + sizes["test"]) * _FORWARD_SHARE / rate
    return _together(
        settings, startup, settings.epochs * epoch_seconds, judging, _EXPORT_SECONDS, factor, basis
    )


def waiting_seconds(
    ahead: list[tuple[runs.Run, runs.Status]], measured: list[_Measured], num_workers: int
) -> float | None:
    """Seconds until these runs have ended, shared by so many workers; None where one of them cannot be foreseen."""
    total = 0.0
    guesses: dict[RunSettings, Estimate] = {}  # what a class has queued is often the same
    for run, status in ahead:
        try:
            # A benchmark, the proof of a zip file, tested epochs; and a mean of weights has only its networks' settings.
            if run.kind != "training" or run.settings.mean_of:
                return None
            settings = run.settings.replace(seed=0)
            guess = guesses.get(settings) or estimate(settings, measured)
        except FashionError:
            return None
        guesses[settings] = guess
        left = guess.seconds
        if status.state == "running" and status.phase != "waiting":
            left = max(left - (time.time() - (status.started or time.time())), 0.0)
            if status.phase == "training" and status.seconds_left is not None:
                left = status.seconds_left + guess.finishing_seconds
        total += left
    return total / num_workers


def _together(
    settings: RunSettings,
    startup: float,
    training: float,
    judging: float,
    export: float,
    factor: float,
    basis: str,
    parts: tuple[str, ...] = (),
    preparing: float = 0.0,
) -> Estimate:
    """The estimate from its parts; start-up and export are fixed, the others may take `factor` times as long or less."""
    asking = _asking(settings)
    preparing += asking
    parts = (*parts, f"the teachers' answers {in_words(asking)}") if asking >= 1 and parts else parts

    def total(factor: float) -> float:
        trained = min(training * factor, settings.seconds_limit or math.inf)
        return startup + preparing * factor + trained + judging * factor + export

    return Estimate(
        total(1.0),
        total(1 / factor),
        total(factor),
        basis,
        parts,
        startup_seconds=startup + preparing,
        training_seconds=min(training, settings.seconds_limit or math.inf),
        finishing_seconds=judging + export,
    )


def _asking(settings: RunSettings) -> float:
    """Seconds until the teachers have answered; one that is not here is refused elsewhere."""
    count = min(settings.num_train, datasets.split_sizes(settings.dataset, settings.class_names)["train"])
    seconds = 0.0
    for name in settings.teacher_names:
        with contextlib.suppress(FashionError):
            card = runs.find(name).card() or {}
            views = 2 if card.get("mirror") else 1
            cost = views * card.get("num_multiply_adds", 0) / _ASKED_MULTIPLY_ADDS_PER_SECOND
            seconds += count * cost
    return seconds


def in_words(seconds: float) -> str:
    """A length of time as people say it: "8 s", "1 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest} min"


def describe(settings: RunSettings) -> str:
    """A network's name on screen, with its width where that is not one."""
    name = summary.network_name(settings)
    return name if settings.width == 1.0 else f"{name}, width {settings.width:g}"


def _kind(settings: RunSettings) -> tuple:
    return settings.architecture, settings.width, settings.precision, settings.dataset in PHOTOS


def _images_per_second(settings: RunSettings, one: _Measured) -> float:
    """The speed that `one` suggests: by cost, and small batches are slower than their cost says."""
    _, cost = architectures.cost_of(settings)
    _, measured_cost = architectures.cost_of(one.settings)
    # Below some 50,000 multiply-adds a step's fixed cost rules, not its arithmetic.
    by_cost = max(measured_cost, 50_000) / max(cost, 50_000)
    by_batch = min(settings.batch_size / one.settings.batch_size, 1.0) ** 0.5
    return one.images_per_second * by_cost * by_batch


# Pretrained networks: vectors, then a head, then perhaps fine-tuning


def _of_parts(settings: RunSettings, measured: list[_Measured]) -> Estimate:
    sizes = datasets.DATASETS[settings.dataset].split_sizes
    num_train, num_validation = min(settings.num_train, sizes["train"]), sizes["validation"]
    tuning = settings.fine_tune != "none"
    per_vector, vector_basis = _per_photo(settings, measured, "seconds_per_vector")
    per_tuned, tuned_basis = _per_photo(settings, measured, "seconds_per_tuned_photo")
    here = vectors_here(settings)
    num_vectors = 0 if here else sum(sizes.values()) + (settings.views - 1) * sizes["train"]
    judging = per_vector * (settings.judged_size / settings.image_size) ** 2
    judged_at_end, compared = num_validation + sizes["test"], num_train
    if feature_store.vectors_suffice(settings.replace(views=1)):
        judged_at_end = compared = 0  # the head judges the vectors that are there, and they are compared
    seconds = {
        "vectors of the photos": num_vectors * per_vector,
        "the head": _FIRST_EPOCH_SECONDS
        + settings.epochs * (num_train + num_validation) / _HEAD_PHOTOS_PER_SECOND,
        "fine-tuning": settings.fine_tune_epochs * (num_train * per_tuned + num_validation * judging)
        if tuning
        else 0.0,
        "the test": judged_at_end * judging * (2 if settings.mirror else 1),
        "comparing the training photos": compared * judging,
    }
    # Start-up includes the vectors where they had to be computed; the shortest is the one without.
    startups = [one.startup_seconds for one in measured if one.startup_seconds and not one.settings.teachers]
    startup = min([*startups, _PRETRAINED_STARTUP_SECONDS])
    vectors, head, fine_tuning, judged, comparing = seconds.values()
    basis = tuned_basis if tuning else vector_basis
    factor = 1.4 if basis else 2.5
    words = [f"{name} {in_words(value)}" for name, value in seconds.items() if value >= 1]
    parts = tuple(["vectors already stored", *words] if here else words)
    basis = basis or "a rough guess from another machine, two cores: nothing was measured here yet"
    return _together(
        settings,
        startup,
        head + fine_tuning,
        judged + comparing,
        _PRETRAINED_EXPORT_SECONDS,
        factor,
        basis,
        parts,
        preparing=vectors,
    )


def vectors_here(settings: RunSettings) -> bool:
    """Whether the vectors that the run needs were stored by an earlier one, or come with the project."""
    size = pretrained.BASES[settings.architecture].vector_size
    weights = pretrained.weights_file(settings.architecture)
    shipped = feature_store.shipped_path(settings.architecture, settings.image_size)
    if settings.views == 1 and shipped.exists() and not os.environ.get("FASHION_FEATURES"):
        return True
    try:
        data = datasets.load(settings.dataset)
    except DataError:
        return False
    if weights is None:
        return False
    total = len(data.train) + len(data.validation) + len(data.test)
    for view in range(settings.views):
        path = feature_store.path_of(settings, data.digest, weights, view)
        num_bytes = 2 * size * (len(data.train) if view else total)
        if not path.exists() or path.stat().st_size < num_bytes:  # a stop leaves a shorter one
            return False
    return True


def _per_photo(settings: RunSettings, measured: list[_Measured], what: str) -> tuple[float, str]:
    """Seconds for one photo, for its vector or to be learned from, and what that rests on ("" for another machine)."""
    tuned = what == "seconds_per_tuned_photo"
    ratios = [
        (getattr(one, what), _work(settings, tuned) / _work(one.settings, tuned))
        for one in measured
        if getattr(one, what)
    ]
    # A network ten times smaller spends its time otherwise, and says nothing about this one.
    found = [seconds * ratio for seconds, ratio in ratios if 1 / _COMPARABLE <= ratio <= _COMPARABLE][:5]
    if found:
        count = len(found)
        return statistics.median(
            found
        ), f"{count} earlier {_plural(count, 'run')} here with a pretrained network"
    return _work(settings, tuned), ""


def _work(settings: RunSettings, tuned: bool) -> float:
    """The seconds for one photo on the two cores where it was measured."""
    _, cost = architectures.cost_of(settings)
    seconds = _SECONDS_PER_TUNED_PHOTO if tuned else _SECONDS_PER_VECTOR
    if tuned and settings.fine_tune == "last":
        seconds *= _LAST_BLOCKS_SHARE
    reading = _CHANGING_SECONDS if tuned else _READING_SECONDS
    return reading + (seconds - reading) * cost / _MEASURED_MULTIPLY_ADDS


def _speeds_of_parts(one: summary.RunSummary) -> tuple[float | None, float | None]:
    """Seconds per vector and per fine-tuned photo of a finished run; None where it has not done that."""
    if not one.settings.pretrained:
        return None, None
    made = (one.run.card() or {}).get("features")
    sizes = datasets.DATASETS[one.settings.dataset].split_sizes
    count = sum(sizes.values()) + (one.settings.views - 1) * sizes["train"]
    per_vector = None
    if isinstance(made, dict) and made.get("source") == "computed" and isinstance(made.get("seconds"), float):
        per_vector = made["seconds"] / count
    head_epochs = summary.head_epochs(one.run)
    log = one.run.log()
    tuned = log[log.epoch > head_epochs] if head_epochs is not None else log.iloc[:0]
    return per_vector, 1 / float(runs.steady(tuned).images_per_second.median()) if len(tuned) else None


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
