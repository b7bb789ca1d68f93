"""How long a run will probably take on this machine, from what was measured here before.

The guess scales measured speed with the network's multiply-adds. It is told with its range and its basis, and is
no more than that: other work on the machine changes it.
"""

import statistics
from dataclasses import dataclass

from fashion import architectures, datasets, machine, runs, summary
from fashion.settings import ARCHITECTURES, RunSettings

# Where nothing was measured: a laptop core does a few billion multiply-adds of training a second. Two cores here
# did 1 to 2.5e10 on convolutions; the range covers slower and faster machines.
_UNMEASURED_MULTIPLY_ADDS_PER_SECOND = 1e10
_UNMEASURED_FACTOR = 3.0
_STARTUP_SECONDS = 8.0
_EXPORT_SECONDS = 4.0
# A forward pass costs about a third of a training step.
_FORWARD_SHARE = 1 / 3


@dataclass(frozen=True)
class Estimate:
    """Seconds from pressing Start to a tested model: the guess, its range, and what it rests on, in words."""

    seconds: float
    low: float
    high: float
    basis: str


@dataclass(frozen=True)
class _Measured:
    settings: RunSettings
    images_per_second: float
    startup_seconds: float | None


def measured_here() -> list[_Measured]:
    """The speeds of finished runs that were made on a machine like this one."""
    here = machine.describe()
    return [
        _Measured(one.settings, one.images_per_second, one.startup_seconds)
        for one in summary.summarise_all(runs.list_runs())[0]
        if one.test
        and one.images_per_second
        and (one.processor, one.num_cores) == (here.processor, here.num_cores)
    ]


def estimate(settings: RunSettings, measured: list[_Measured]) -> Estimate:
    """The expected time of a run with these settings, given what was measured (newest first)."""
    sizes = datasets.DATASETS[settings.dataset].split_sizes
    same_device = [
        one
        for one in measured
        if (one.settings.device, one.settings.framework) == (settings.device, settings.framework)
    ]
    alike = [one for one in same_device if _kind(one.settings) == _kind(settings)]
    if alike:
        speeds = [_images_per_second(settings, one) for one in alike[:5]]
        factor, basis = 1.3, f"{len(speeds)} earlier {_plural(len(speeds), 'run')} of this kind here"
    elif same_device:
        speeds = [_images_per_second(settings, one) for one in same_device[:5]]
        factor, basis = 2.0, "earlier runs here of other networks"
    else:
        _, cost = architectures.cost_of(settings)
        speeds = [_UNMEASURED_MULTIPLY_ADDS_PER_SECOND / (3 * max(cost, 50_000))]
        factor, basis = _UNMEASURED_FACTOR, "a rough guess: nothing was measured here yet"
    rate = statistics.median(speeds)
    startups = [one.startup_seconds for one in same_device if one.startup_seconds]
    fixed = (statistics.median(startups) if startups else _STARTUP_SECONDS) + _EXPORT_SECONDS
    num_train = min(settings.num_train, sizes["train"])
    trained = settings.epochs * num_train
    judged = (settings.epochs + 1) * sizes["validation"] + sizes["test"]
    computing = (trained + judged * _FORWARD_SHARE) / rate
    return Estimate(fixed + computing, fixed + computing / factor, fixed + computing * factor, basis)


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
    name = ARCHITECTURES[settings.architecture]
    return name if settings.width == 1.0 else f"{name}, width {settings.width:g}"


def _kind(settings: RunSettings) -> tuple:
    return settings.architecture, settings.width, settings.precision


def _images_per_second(settings: RunSettings, one: _Measured) -> float:
    """The speed that `one` suggests: by cost, and small batches are slower than their cost says."""
    _, cost = architectures.cost_of(settings)
    _, measured_cost = architectures.cost_of(one.settings)
    # Below some 50,000 multiply-adds a step's fixed cost rules, not its arithmetic.
    by_cost = max(measured_cost, 50_000) / max(cost, 50_000)
    by_batch = min(settings.batch_size / one.settings.batch_size, 1.0) ** 0.5
    return one.images_per_second * by_cost * by_batch


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
