"""What a benchmark measures: networks, batch sizes, devices and frameworks, and how long that will probably take.

It measures nothing (see `benchmark.py`) and knows no Keras.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fashion import architectures, datasets
from fashion.errors import SettingsError
from fashion.runs import Run
from fashion.settings import RunSettings

PLAN_FILE = "plan.json"
GRID = "grid"
MAX_CELLS = 200
MIN_EPOCHS, MAX_EPOCHS = 2, 20
MAX_EPOCH_WORK = 10**15
MIN_STEPS = 10
MIN_TESTED = 1_000

# Rough guesses for a machine on which nothing was measured, only to announce a time: two cores of a Xeon train at
# about 5e10 multiply-adds a second; a graphics card is some forty times faster.
GUESSED_SPEEDS = {"cpu": 5e10, "gpu": 2e12}
# Shuffling and handing over a picture, and a picture's share of a step's fixed cost.
_SECONDS_PER_IMAGE = 4e-5
# Building a network and its program, on the processor.
_BUILD_SECONDS = 1.5
# Loading a framework and the data, and measuring matrix multiplication.
STARTUP_SECONDS = 12.0
_SERVER_SECONDS = 60.0


@dataclass(frozen=True)
class Cell:
    """One measurement: a network with a batch size, on a device, with a framework."""

    framework: str
    device: str
    architecture: str
    width: float
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that defines a benchmark.

    - architectures: (name, width) pairs, each measured with the first batch size.
    - batch_sizes: the others are measured with one network only, `batch_network`.
    - devices: "cpu" or "gpu:N". frameworks: names in `settings.FRAMEWORKS`.
    - num_images: training pictures per epoch; at most what the dataset has.
    - epoch_work: multiply-adds of forward passes that an epoch may have on a processor, forty times as many on a graphics
      card; 0 for any number. Costlier networks get fewer pictures, but at least `MIN_STEPS` batches: pictures per second
      need no more. They are tested on fewer as well.
    - num_epochs: the first, which includes building the network's program, and the others, which are steady.
    - server: whether to measure the app's server too.

    Raises:
        SettingsError: A value is of the wrong type, out of its range, or there is nothing to measure.
    """

    architectures: tuple[tuple[str, float], ...]
    batch_sizes: tuple[int, ...] = (128,)
    devices: tuple[str, ...] = ("cpu",)
    frameworks: tuple[str, ...] = ("tensorflow",)
    dataset: str = "fashion-mnist"
    num_images: int = 10_000
    epoch_work: int = 0
    num_epochs: int = 3
    seed: int = 1
    server: bool = False

    def __post_init__(self) -> None:
        for name in ("architectures", "batch_sizes", "devices", "frameworks"):
            values = getattr(self, name)
            try:
                valid = isinstance(values, tuple) and len(set(values)) == len(values)
            except TypeError:  # a list within the tuple
                valid = False
            if not valid:
                raise SettingsError(f"`{name}` must name each value once. Received: {name}={values!r}.")
            if not values and name != "architectures":
                raise SettingsError(f"`{name}` must not be empty. Received: {name}={values!r}.")
        for pair in self.architectures:
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise SettingsError(
                    f'`architectures` must be pairs of name and width, e.g. ["cnn", 1.0]. Received: {pair!r}.'
                )
        if not isinstance(self.server, bool):
            raise SettingsError(f"`server` must be true or false. Received: server={self.server!r}.")
        if not (self.architectures or self.server):
            raise SettingsError("A benchmark needs at least one architecture. Received none.")
        _check_whole("num_epochs", self.num_epochs, MIN_EPOCHS, MAX_EPOCHS)
        _check_whole("epoch_work", self.epoch_work, 0, MAX_EPOCH_WORK)
        cells = self.cells()
        if len(cells) > MAX_CELLS:
            raise SettingsError(
                f"A benchmark may have at most {MAX_CELLS} measurements. Received: {len(cells)}. Leave some out."
            )
        for cell in cells:
            self.settings(cell)  # its errors are in words

    @property
    def batch_network(self) -> tuple[str, float]:
        """The network that is measured with every batch size: the small CNN if listed, else the last one."""
        return ("cnn", 1.0) if ("cnn", 1.0) in self.architectures else self.architectures[-1]

    def processes(self) -> list[tuple[str, str]]:
        """(framework, device) of the measuring processes, one after the other; none where only the server is asked."""
        if not self.architectures:
            return []
        return [(framework, device) for framework in self.frameworks for device in self.devices]

    def cells(self) -> list[Cell]:
        """All measurements in their order."""
        return [
            Cell(framework, device, *network, batch_size)
            for framework, device in self.processes()
            for network in self.architectures
            for batch_size in (self.batch_sizes if network == self.batch_network else self.batch_sizes[:1])
        ]

    def settings(self, cell: Cell) -> RunSettings:
        """The training run that a cell stands for. Raises SettingsError where it is impossible."""
        settings = RunSettings(
            dataset=self.dataset,
            architecture=cell.architecture,
            width=cell.width,
            batch_size=cell.batch_size,
            epochs=self.num_epochs,
            num_train=self.num_images,
            seed=self.seed,
            framework=cell.framework,
            device=cell.device,
        )
        allowed = max(MIN_STEPS * cell.batch_size, self._images_of_work(settings))
        return settings.replace(num_train=min(self.num_images, allowed)) if self.epoch_work else settings

    def num_tested(self, cell: Cell) -> int:
        """How many test pictures a cell is tested on: all of the dataset, or fewer by `epoch_work`."""
        size = datasets.DATASETS[self.dataset].split_sizes["test"]
        if not self.epoch_work:
            return size
        return min(size, max(MIN_TESTED, self._images_of_work(self.settings(cell))))

    def _images_of_work(self, settings: RunSettings) -> int:
        _, cost = architectures.cost_of(settings)
        # The same time, about: a few milliseconds on a graphics card would say nothing.
        faster = GUESSED_SPEEDS[settings.device.partition(":")[0]] / GUESSED_SPEEDS["cpu"]
        return int(self.epoch_work * faster) // cost

    def cell_seconds(self, cell: Cell, speeds: Mapping[str, float]) -> float:
        """The expected time of one measurement; `speeds` as for `estimate_seconds`."""
        _, cost = architectures.cost_of(self.settings(cell))
        num_images = self._images_per_epoch(cell) * self.num_epochs
        # A forward pass costs about a third of a training step.
        num_tested = self.num_tested(cell) / 3
        return _BUILD_SECONDS + (num_images + num_tested) * _image_seconds(cost, _speed(cell.device, speeds))

    def live_seconds(self, device: str, speeds: Mapping[str, float]) -> float:
        """The expected time of measuring what live progress costs, once per process."""
        cell = Cell(self.frameworks[0], device, *self.batch_network, self.batch_sizes[0])
        _, cost = architectures.cost_of(self.settings(cell))
        # One epoch to build, then num_epochs pairs with and without progress.
        num_images = self._images_per_epoch(cell) * (1 + 2 * self.num_epochs)
        return num_images * _image_seconds(cost, _speed(device, speeds))

    def estimate_seconds(self, speeds: Mapping[str, float] | None = None) -> float:
        """The expected time of the whole benchmark.

        `speeds`: device ("cpu", "gpu:0", ...) -> multiply-adds per second of training measured on this machine (see
        `benchmark_results.speeds`); a device that is not listed gets a rough guess.
        """
        speeds = speeds or {}
        seconds = sum(self.cell_seconds(cell, speeds) for cell in self.cells())
        seconds += sum(STARTUP_SECONDS + self.live_seconds(device, speeds) for _, device in self.processes())
        return seconds + (_SERVER_SECONDS if self.server else 0.0)

    def _images_per_epoch(self, cell: Cell) -> int:
        return min(self.settings(cell).num_train, datasets.DATASETS[self.dataset].split_sizes["train"])

    def command(self) -> str:
        """The command line that measures this plan."""
        shape = _shape(self)
        named = {"--quick": QUICK, "--full": FULL}
        options = [option for option, plan in named.items() if shape == _shape(plan)]
        if options and self.devices != ("cpu",):
            options.append(f"--devices {' '.join(self.devices)}")
        if options and self.frameworks != ("tensorflow",):
            options.append(f"--frameworks {' '.join(self.frameworks)}")
        if self.architectures and not options:
            options = ["--plan plan.json"]
        elif self.server and "--full" not in options:
            options.append("--server")
        return " ".join(["python -m fashion benchmark", *options])

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values for JSON; `from_json` is its exact inverse."""
        values = dataclasses.asdict(self)
        values["architectures"] = [list(pair) for pair in self.architectures]
        for name in ("batch_sizes", "devices", "frameworks"):
            values[name] = list(values[name])
        return values

    @classmethod
    def from_json(cls, values: Any) -> "Plan":
        """A plan from a dictionary; what is absent takes its default.

        Raises:
            SettingsError: `values` is no dictionary, holds an unknown name, or a value is not allowed.
        """
        if not isinstance(values, dict):
            raise SettingsError(f"A plan must be a JSON object. Received: {type(values).__name__}.")
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise SettingsError(
                f"A plan must have only {', '.join(names)}. Received: {', '.join(map(repr, unknown))}. "
                "Remove them, or update the app if they come from a newer version."
            )
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        pairs = values.get("architectures", ())
        if isinstance(pairs, tuple):
            pairs = tuple(tuple(pair) if isinstance(pair, list) else pair for pair in pairs)
        return cls(**{**values, "architectures": pairs})

    def replace(self, **changes: Any) -> "Plan":
        """A copy with some values changed, checked anew."""
        return dataclasses.replace(self, **changes)


def _shape(plan: Plan) -> tuple:
    return plan.architectures, plan.batch_sizes, plan.num_images, plan.epoch_work, plan.num_epochs, plan.seed


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SettingsError(
            f"`{name}` must be a whole number between {low} and {high}. Received: {name}={value!r}."
        )


def _image_seconds(num_multiply_adds: int, speed: float) -> float:
    """Training on one picture: forward, and backward at about twice the cost."""
    return _SECONDS_PER_IMAGE + 3 * num_multiply_adds / speed


def _speed(device: str, speeds: Mapping[str, float]) -> float:
    return speeds.get(device) or GUESSED_SPEEDS[device.partition(":")[0]]


QUICK = Plan(
    architectures=(("softmax", 1.0), ("mlp", 1.0), ("cnn", 1.0), ("resnet", 1.0)),
    batch_sizes=(128, 32, 512),
)
"""The shape of the answer: under three minutes on two processor cores."""

FULL = Plan(
    architectures=(
        ("softmax", 1.0),
        ("mlp", 0.25),
        ("mlp", 1.0),
        ("mlp", 4.0),
        *(("cnn", width) for width in (0.25, 0.5, 1.0, 2.0, 4.0)),
        *(("resnet", width) for width in (0.25, 0.5, 1.0, 2.0, 4.0)),
    ),
    batch_sizes=(128, 32, 64, 256, 512, 1024),
    num_images=55_000,
    epoch_work=100_000_000_000,
    num_epochs=4,
    server=True,
)
"""From softmax regression to a residual network four times as wide, more batch sizes, and the app's server: about a
quarter of an hour on two processor cores."""


def plan_for(base: Plan, devices: tuple[str, ...], frameworks: tuple[str, ...]) -> Plan:
    """`base` on these devices and frameworks, with the best dataset that is on this machine."""
    return base.replace(devices=devices, frameworks=frameworks, dataset=datasets.usable()[0])


def kind_of(run: Run) -> str:
    """What a benchmark's folder measures: "grid", which is this module's plan, or one of `benchmark_accuracy.KINDS`."""
    try:
        values = json.loads((run.folder / PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return GRID  # its reader says what is wrong with it
    return str(values.get("kind", GRID)) if isinstance(values, dict) else GRID


def short_name(architecture: str, width: float) -> str:
    """A network's name beside a point of a chart: "CNN", "ResNet x2"."""
    name = {"softmax": "Softmax", "mlp": "MLP", "strided": "Quick CNN", "cnn": "CNN", "resnet": "ResNet"}[
        architecture
    ]
    return name if width == 1.0 else f"{name} x{width:g}"
