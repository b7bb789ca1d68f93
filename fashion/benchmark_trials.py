"""What a measurement of recipes trains: which recipes and published programs, seeds and frameworks, and for how long.

It measures nothing (see `benchmark_recipes.py`) and knows no Keras.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fashion import architectures, benchmark_accuracy, datasets, machine, memory_need, recipes
from fashion.benchmark_accuracy import KINDS, MAX_SEEDS
from fashion.benchmark_plan import GUESSED_SPEEDS
from fashion.errors import JobError, SettingsError
from fashion.recipes import Recipe
from fashion.settings import DEFAULTS, RunSettings

COMPARED = (
    Recipe(
        name="default",
        title="Default settings",
        about="What the Train page begins with.",
        family="Default settings",
        settings=DEFAULTS,
    ),
    Recipe(
        name="plain-torch",
        title="Plain PyTorch",
        about="The network of Keras' convnet example as PyTorch's first tutorial writes one, with batches of 128.",
        family="Plain PyTorch",
        peer="plain-torch",
        epochs=15,
        source="https://docs.pytorch.org/tutorials/beginner/basics/quickstart_tutorial.html",
    ),
)
"""What else may be asked for, beside `recipes.RECIPES`."""


@dataclass(frozen=True)
class Peer:
    """A published program before it is run. `num_multiply_adds` is of one picture's forward pass."""

    num_parameters: int
    num_multiply_adds: int
    batch_size: int


_CONVNET = Peer(34_826, 26 * 26 * 9 * 32 + 11 * 11 * 9 * 32 * 64 + 1600 * 10, 128)
PEERS = {
    "keras-convnet": _CONVNET,
    "tensorflow-tutorial": Peer(101_770, 784 * 128 + 128 * 10, 32),
    "plain-torch": _CONVNET,
}
# With TensorFlow on two cores, 1,720 MB were measured for its tutorial, whose pictures are float64, and 1,330 MB for
# Keras' example.
_PEER_BYTES = 1_800e6

_COMPARED_EPOCHS = 3
_ALL_IMAGES = 60_000
_MAX_EPOCHS = 200
# To announce a time where nothing was measured, as in `benchmark_plan.py`.
_SECONDS_PER_IMAGE, _STARTUP_SECONDS = 4e-5, 8.0
_ENOUGH_IMAGES = (
    10_000  # of a record from which times are foretold: on fewer, building the network's program counts
)


@dataclass(frozen=True)
class Trial:
    """One training: a recipe with a seed, in a framework."""

    recipe: Recipe
    framework: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class RecipePlan:
    """Everything that defines a measurement of recipes.

    - kind: "accuracy" or "frameworks". recipes: names, see `recipe_named`.
    - seeds: how many, 1 to `MAX_SEEDS`; they are 1, 2, ...
    - frameworks: each recipe is trained in each, plain PyTorch in its own only. device: "cpu" or "gpu:N".
    - num_images: training pictures per epoch; at most what the dataset has. epochs: 0 for each recipe's own.

    Raises:
        SettingsError: A value is not of its kind or range, or there is nothing to measure.
    """

    kind: str = "accuracy"
    recipes: tuple[str, ...]
    seeds: int = 1
    frameworks: tuple[str, ...] = ("tensorflow",)
    device: str = "cpu"
    dataset: str = "fashion-mnist"
    num_images: int = _ALL_IMAGES
    epochs: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(f"`kind` must be one of {', '.join(KINDS)}. Received: kind={self.kind!r}.")
        for name in ("recipes", "frameworks"):
            values = getattr(self, name)
            texts = isinstance(values, tuple) and all(isinstance(value, str) for value in values)
            if not texts or not values or len(set(values)) < len(values):
                raise SettingsError(
                    f"`{name}` must name at least one, each once. Received: {name}={values!r}."
                )
        for name, low, high in (("seeds", 1, MAX_SEEDS), ("num_images", 100, _ALL_IMAGES), ("epochs", 0, _MAX_EPOCHS)):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise SettingsError(
                    f"`{name}` must be a whole number between {low} and {high:,}. Received: {name}={value!r}."
                )
        DEFAULTS.replace(device=self.device)
        for framework in self.frameworks:
            DEFAULTS.replace(framework=framework)  # its errors are in words
        if self.dataset not in ("fashion-mnist", "sketches"):
            raise SettingsError(
                f"`dataset` must be fashion-mnist or sketches. Received: dataset={self.dataset!r}."
            )
        for trial in self.trials():
            self.settings(trial)
        if not self.trials():
            raise SettingsError(
                f"Plain PyTorch needs PyTorch. Received: frameworks={', '.join(self.frameworks)}. Add torch."
            )

    def trials(self) -> list[Trial]:
        """All trainings in their order: every recipe with the first seed, then every one with the second, ..."""
        return [
            Trial(recipe, framework, seed)
            for seed in range(1, self.seeds + 1)
            for recipe in map(recipe_named, self.recipes)
            for framework in self.frameworks
            if recipe.peer != "plain-torch" or framework == "torch"
        ]

    @property
    def num_train(self) -> int:
        """Training pictures per epoch: the dataset's, those for validation included, or fewer where asked for."""
        sizes = datasets.DATASETS[self.dataset].split_sizes
        return min(self.num_images, sizes["train"] + sizes["validation"])

    def settings(self, trial: Trial) -> RunSettings | None:
        """The training run that a trial of ours stands for, None for a published program's."""
        if trial.recipe.settings is None:
            return None
        return trial.recipe.settings.replace(
            dataset=self.dataset,
            num_train=self.num_train,
            epochs=self.num_epochs(trial),
            seed=trial.seed,
            framework=trial.framework,
            device=self.device,
            patience=0,
        )

    def num_epochs(self, trial: Trial) -> int:
        """How often it sees all training pictures."""
        own = trial.recipe.settings.epochs if trial.recipe.settings else trial.recipe.epochs
        return self.epochs or own

    def entry(self, trial: Trial) -> dict[str, Any]:
        """What a record says of a trial before it was measured."""
        recipe, settings = trial.recipe, self.settings(trial)
        peer = _cost(recipe, settings)
        return {
            "recipe": recipe.name,
            "title": recipe.title,
            "family": recipe.family,
            "about": recipe.about,
            "source": recipe.source,
            "seed": trial.seed,
            "framework": trial.framework,
            "device": self.device,
            "device_name": None,
            **asdict(peer),
            # Stopped earlier it would not have had its small learning rates.
            "only_last": settings is not None and settings.schedule != "constant",
            "settings": settings.to_json() if settings else None,
            "share_of_peak": None,
            "startup_seconds": None,
            "peak_memory_bytes": None,
            "images_per_epoch": None,
            "epochs": [],
            "problem": None,
        }

    def trial_seconds(self, trial: Trial, per_image: Mapping[tuple[str, str, str], float]) -> float:
        """The expected time of one training with its tests; `per_image` as from `seconds_per_image`."""
        seconds = per_image.get((trial.recipe.name, trial.framework, self.device))
        if seconds is None:
            cost = _cost(trial.recipe, self.settings(trial)).num_multiply_adds
            seconds = _SECONDS_PER_IMAGE + 3 * cost / GUESSED_SPEEDS[self.device.partition(":")[0]]
        # A forward pass costs about a third of a training step.
        num_images = self.num_train + datasets.DATASETS[self.dataset].split_sizes["test"] / 3
        return _STARTUP_SECONDS + self.num_epochs(trial) * num_images * seconds

    def estimate_seconds(self, per_image: Mapping[tuple[str, str, str], float] | None = None) -> float:
        """The expected time of the whole measurement."""
        return sum(self.trial_seconds(trial, per_image or {}) for trial in self.trials())

    def command(self) -> str:
        """The command line that measures this plan."""
        asked = plan_for(self.kind, self.frameworks, self.device)
        words = ["python -m fashion benchmark"]
        words += ["--accuracy" if self.kind == "accuracy" else "--compare-frameworks"]
        words += [f"--seeds {self.seeds}"] if self.seeds != 1 else []
        words += [f"--recipes {' '.join(self.recipes)}"] if self.recipes != asked.recipes else []
        if self.kind == "frameworks" or self.frameworks != ("tensorflow",):
            words += [f"--frameworks {' '.join(self.frameworks)}"]
        words += [f"--devices {self.device}"] if self.device != "cpu" else []
        words += [f"--epochs {self.epochs}"] if self.epochs != asked.epochs else []
        words += [f"--images {self.num_images}"] if self.num_images != asked.num_images else []
        return " ".join(words)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values for JSON; `from_json` is its exact inverse."""
        return asdict(self) | {"recipes": list(self.recipes), "frameworks": list(self.frameworks)}

    @classmethod
    def from_json(cls, values: Any) -> "RecipePlan":
        """A plan from a dictionary; what is absent takes its default. Raises SettingsError where it is none."""
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) - names or "recipes" not in values:
            raise SettingsError(
                f"A plan of recipes must be a JSON object of {', '.join(sorted(names))}. Received: {str(values)[:200]!r}."
            )
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def recipe_named(name: str) -> Recipe:
    """The recipe of this name. Raises SettingsError where there is none."""
    found = {recipe.name: recipe for recipe in (*COMPARED, *recipes.RECIPES)}
    if name not in found:
        raise SettingsError(f"A recipe must be one of {', '.join(found)}. Received: {name!r}.")
    return found[name]


def _cost(recipe: Recipe, settings: RunSettings | None) -> Peer:
    return (
        PEERS[recipe.peer]
        if settings is None
        else Peer(*architectures.cost_of(settings), settings.batch_size)
    )


def plan_for(kind: str, frameworks: tuple[str, ...], device: str = "cpu", **changes: Any) -> RecipePlan:
    """The usual plan of a kind, with the best dataset of grey pictures that is on this machine."""
    names = tuple(recipe.name for recipe in recipes.RECIPES)
    if kind == "frameworks":
        names = (benchmark_accuracy.BASELINE, "default", *(["plain-torch"] if "torch" in frameworks else []))
        changes = {"epochs": _COMPARED_EPOCHS} | changes
    usual = {"recipes": names, "dataset": datasets.usable()[0]}
    return RecipePlan(kind=kind, frameworks=frameworks, device=device, **(usual | changes))


def check(plan: RecipePlan, limit_bytes: float) -> None:
    """Raise JobError where a training would need more memory than this on the processor."""
    if plan.device != "cpu":
        return
    for trial in plan.trials():
        settings = plan.settings(trial)
        need = memory_need.worker_bytes(settings) if settings else _PEER_BYTES
        if need > limit_bytes:
            raise JobError(
                f"{trial.recipe.title} must fit into {limit_bytes / 1e6:,.0f} MB of memory. It needs about "
                f"{need / 1e6:,.0f} MB. Leave it out, or measure on a machine with more."
            )


def seconds_per_image() -> dict[tuple[str, str, str], float]:
    """(recipe, framework, device) -> seconds of training per picture, from records of this machine or one like it."""
    here = machine.describe()
    found: dict[tuple[str, str, str], float] = {}
    for kind in KINDS:
        known = benchmark_accuracy.load_recorded(kind)[0] + benchmark_accuracy.measured_here(kind)[0][::-1]
        for one in known:
            its = one.results["machine"]
            alike = (its["processor"], its["num_cores"]) == (here.processor, here.num_cores)
            if not alike or one.results["num_train"] < _ENOUGH_IMAGES:
                continue
            for run in one.measured_runs:
                images = len(run["epochs"]) * one.results["num_train"]
                place = (run["recipe"], run["framework"], run["device"])
                found[place] = run["epochs"][-1]["seconds"] / images
    return found
