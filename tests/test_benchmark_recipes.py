"""What a measurement of recipes plans, how it is measured, stopped and resumed, and the published programs themselves.

The measuring process is played by a stub, except in the tests of the programs. Run: python -m pytest
tests/test_benchmark_recipes.py
"""

import argparse
import contextlib
import importlib.util
import json
import os
import re
import sys
import time

import numpy as np
import pytest

from fashion import (
    benchmark_accuracy,
    benchmark_child,
    benchmark_cli,
    benchmark_peers,
    benchmark_recipe_cell,
    benchmark_recipes,
    benchmark_results,
    benchmark_trials,
    datasets,
    disk,
    machine,
    recipes,
    runs,
)
from fashion.benchmark_plan import kind_of
from fashion.benchmark_trials import PEERS, RecipePlan, plan_for
from fashion.errors import JobError, RunError, SettingsError
from fashion.recipes import Recipe
from fashion.settings import RunSettings
from fashion.worker import Reporter, StopRequested

OURS = Recipe(
    name="tiny",
    title="Tiny",
    about="For the tests.",
    family="Tiny",
    settings=RunSettings(architecture="softmax", epochs=2, schedule="one-cycle", averaging=True, patience=3),
)


def two_by_two():
    """Two recipes with two seeds."""
    return RecipePlan(recipes=("keras-convnet", "tiny"), seeds=2, dataset="sketches", num_images=500)


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    """One recipe of our own beside the published ones, and TensorFlow by default."""
    monkeypatch.setattr(recipes, "RECIPES", (*recipes.RECIPES[:2], OURS))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


# The plan


def test_every_recipe_has_its_turn_before_the_next_seed():
    """A slow minute of the machine hits all recipes alike."""
    assert [(trial.recipe.name, trial.seed) for trial in two_by_two().trials()] == [
        ("keras-convnet", 1),
        ("tiny", 1),
        ("keras-convnet", 2),
        ("tiny", 2),
    ]


def test_plain_pytorch_is_trained_in_pytorch_only():
    """The other programs are trained in both frameworks."""
    plan = plan_for("frameworks", ("tensorflow", "torch"))

    assert [(trial.recipe.name, trial.framework) for trial in plan.trials()] == [
        ("keras-convnet", "tensorflow"),
        ("keras-convnet", "torch"),
        ("default", "tensorflow"),
        ("default", "torch"),
        ("plain-torch", "torch"),
    ]
    assert plan.num_epochs(plan.trials()[0]) == 3


def test_our_recipes_learn_from_all_pictures_with_the_seed_of_the_trial():
    """Validation's 5,000 included, without early stopping, which would look at the test."""
    plan = RecipePlan(recipes=("tiny",), seeds=2, frameworks=("jax",))
    settings = plan.settings(plan.trials()[1])

    assert (settings.num_train, settings.seed, settings.framework) == (60_000, 2, "jax")
    assert (settings.patience, settings.epochs, settings.schedule) == (0, 2, "one-cycle")


def test_a_plan_survives_a_round_trip_through_json():
    """What is stored in the folder can be resumed."""
    for plan in (two_by_two(), plan_for("frameworks", ("torch",), epochs=2)):
        assert RecipePlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "speed"}, "`kind` must be one of accuracy, frameworks"),
        ({"recipes": ()}, "`recipes` must name at least one"),
        ({"recipes": ("tiny", "tiny")}, "each once"),
        ({"recipes": ([1],)}, "each once"),
        ({"recipes": ("magic",)}, "A recipe must be one of .*keras-convnet.* Received: 'magic'"),
        ({"recipes": ("plain-torch",)}, "Plain PyTorch needs PyTorch"),
        ({"seeds": 0}, "`seeds` must be a whole number between 1 and 20. Received: seeds=0"),
        ({"seeds": True}, "seeds=True"),
        ({"num_images": 10}, "num_images=10"),
        ({"epochs": -1}, "epochs=-1"),
        ({"frameworks": ("caffe",)}, "framework='caffe'"),
        ({"device": "tpu"}, "`device` must be cpu or gpu:N"),
        ({"dataset": "clothing"}, "`dataset` must be fashion-mnist or sketches"),
        ({"num_images": 100, "recipes": ("tiny",)}, "`batch_size` must not exceed"),
    ],
)
def test_an_impossible_plan_is_refused_in_words(changes, complaint):
    """Each message names the value and what would be allowed."""
    with pytest.raises(SettingsError, match=complaint):
        RecipePlan(**({"recipes": ("tiny",)} | changes))


@pytest.mark.parametrize("values", [[], {}, {"recipes": ["tiny"], "colour": 1}, "x"])
def test_json_that_is_no_plan_is_refused_in_words(values):
    """A damaged plan.json never ends in a bare TypeError."""
    with pytest.raises(SettingsError, match="must be a JSON object of"):
        RecipePlan.from_json(values)


def test_a_plan_names_the_command_that_measures_it(monkeypatch):
    """Whoever reads a record can repeat it."""
    monkeypatch.setattr(datasets, "usable", lambda: ["fashion-mnist", "sketches"])
    command = "python -m fashion benchmark"

    assert plan_for("accuracy", ("tensorflow",), seeds=5).command() == f"{command} --accuracy --seeds 5"
    assert plan_for("accuracy", ("torch",), "gpu:0", recipes=("tiny",), num_images=500).command() == (
        f"{command} --accuracy --recipes tiny --frameworks torch --devices gpu:0 --images 500"
    )
    assert plan_for("frameworks", ("jax",)).command() == f"{command} --compare-frameworks --frameworks jax"


def test_what_would_not_fit_into_memory_is_refused_before_it_starts():
    """The recipe and both numbers are named."""
    with pytest.raises(JobError, match="Keras' convnet example must fit into 500 MB .* needs about 1,800 MB"):
        benchmark_trials.check(two_by_two(), 500e6)
    benchmark_trials.check(two_by_two(), 8e9)


# Measuring

# Plays the measuring process: "die" kills it in the second seed of ours, "wait" never ends it, "fail" tells a problem.
STUB = """
import json, os, sys, time
request = json.loads(sys.stdin.readline())
def tell(kind, **values):
    print(json.dumps({"kind": kind, "peak_memory_bytes": 1000, **values}), flush=True)
epochs = []
for number in range(1, request["epochs"] + 1):
    epochs.append({"epoch": number, "seconds": 2.0 * number, "test_correct": 10 * request["seed"]})
    tell("epoch", epoch=number)
if request["settings"] and request["seed"] == 2:
    if MODE == "die":
        os.kill(os.getpid(), 9)
    if MODE == "wait":
        time.sleep(60)
    if MODE == "fail":
        tell("problem", problem="There is not enough memory.")
        sys.exit()
tell("measured", startup_seconds=1.5, images_per_epoch=500, epochs=epochs, peak_gflops=50.0 * request["seed"])
"""


@pytest.fixture
def stub(monkeypatch):
    """Call it with a mode to play the measuring process."""
    monkeypatch.setattr(benchmark_child, "busy_fraction", lambda: 0.0)

    def play(mode):
        monkeypatch.setattr(benchmark_recipes, "_MEASURING_PROCESS", ("-c", f"MODE = {mode!r}\n{STUB}"))

    return play


def measure(run, stop_when=None):
    """Measure in this process; returns the record. `stop_when` asks for a stop once it says so."""
    reporter = Reporter(run)
    if stop_when:
        reporter.stop_reason = lambda: "Stopped by hand." if stop_when() else None
    try:
        benchmark_recipes.measure(run, reporter)
    finally:
        reporter.end(state="finished")
    return benchmark_recipes.record(run)


def test_a_measurement_of_recipes_is_a_benchmark_of_its_own_kind(stub):
    """The grid's results do not know it, and a record appears under its question."""
    stub("well")
    run = benchmark_recipes.create(two_by_two(), visitor="someone")
    assert (run.kind, kind_of(run), run.status().num_epochs) == ("benchmark", "accuracy", 4)

    measure(run)

    assert benchmark_results.measured_here() == ([], [])
    assert benchmark_accuracy.measured_here("frameworks") == ([], [])
    (one,) = benchmark_accuracy.measured_here("accuracy")[0]
    assert (one.key, one.recorded) == (run.id, False)


def test_all_trainings_are_recorded_in_order(stub):
    """Two recipes, two seeds; the share is of the best multiplication seen: 6 x 7,840 x 500 in 2 s of 1e11."""
    stub("well")

    record = measure(benchmark_recipes.create(two_by_two()))

    assert [(one["recipe"], one["seed"]) for one in record["runs"]] == [
        ("keras-convnet", 1),
        ("tiny", 1),
        ("keras-convnet", 2),
        ("tiny", 2),
    ]
    assert (record["complete"], record["peak_gflops"], record["num_train"]) == (True, 100.0, 500)
    assert record["runs"][1]["share_of_peak"] == pytest.approx(6 * 7_840 * 500 / 2.0 / 1e11)
    assert [len(one["epochs"]) for one in record["runs"]] == [15, 2, 15, 2]
    assert [one["only_last"] for one in record["runs"]] == [False, True, False, True]
    assert record["runs"][0]["settings"] is None
    assert record["runs"][1]["settings"]["architecture"] == "softmax"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("fail", "not enough memory"), pytest.param("die", "signal SIGKILL", marks=pytest.mark.skipif(
        sys.platform == "win32", reason="Windows has no signals"))],
)  # fmt: skip
def test_a_training_that_fails_is_noted_and_the_others_stand(stub, mode, reason):
    """Only ours with the second seed fails."""
    stub(mode)

    record = measure(benchmark_recipes.create(two_by_two()))

    assert [bool(one["problem"]) for one in record["runs"]] == [False, False, False, True]
    assert reason in record["runs"][3]["problem"]
    assert record["complete"]


def test_a_stopped_measurement_keeps_what_it_has_and_goes_on_where_it_was(stub):
    """The third training is under way when the stop comes: two are kept, and only the other two are measured after it."""
    stub("wait")
    run = benchmark_recipes.create(two_by_two())
    asked = []

    def the_last_one_runs():
        path = run.folder / "results.json"
        if path.exists() and len(json.loads(path.read_text())["runs"]) == 3:
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(StopRequested, match="Stopped by hand."):
        measure(run, the_last_one_runs)
    assert time.monotonic() - asked[0] < 5
    before = benchmark_recipes.record(run)
    assert (len(before["runs"]), before["complete"]) == (3, False)
    before["runs"][0]["startup_seconds"] = 77.0  # to know it again
    disk.write_json(run.folder / "results.json", before)
    stub("well")

    after = measure(run)

    assert [one["startup_seconds"] for one in after["runs"]] == [77.0, 1.5, 1.5, 1.5]
    assert after["complete"]
    assert run.status().epoch == 4


def test_what_failed_is_tried_again_when_it_is_resumed(stub):
    """A memory that was full may have room now."""
    run = benchmark_recipes.create(two_by_two())
    stub("fail")
    measure(run)
    stub("well")

    record = measure(run)

    assert [one["problem"] for one in record["runs"]] == [None] * 4


def test_a_framework_that_is_not_here_is_told_in_words(stub, monkeypatch):
    """With the command that installs it; where nothing else is asked for, the measurement fails."""
    stub("well")
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("tensorflow",))
    run = benchmark_recipes.create(RecipePlan(recipes=("tiny",), frameworks=("jax",), dataset="sketches"))
    missing = machine.Devices("jax", (), machine.not_installed("jax"), "")
    monkeypatch.setattr(machine, "devices", lambda framework: missing)

    with pytest.raises(JobError, match="Nothing could be measured. JAX is not installed. .* pip install jax"):
        measure(run)


def test_a_graphics_card_that_is_not_here_is_told_in_words(stub, monkeypatch):
    """Nothing is measured on the processor instead."""
    stub("well")
    nothing = machine.Devices("tensorflow", (), None, "")
    monkeypatch.setattr(machine, "devices", lambda framework: nothing)
    run = benchmark_recipes.create(RecipePlan(recipes=("tiny",), device="gpu:0", dataset="sketches"))

    with pytest.raises(JobError, match="TensorFlow must see gpu:0. It sees no graphics card."):
        measure(run)


def test_a_damaged_plan_file_is_told_in_words():
    """The folder is named, and what to do."""
    run = benchmark_recipes.create(two_by_two())
    (run.folder / "plan.json").write_text('{"kind": "accuracy"}')

    with pytest.raises(RunError, match="readable plan.json. .* Measure again."):
        benchmark_recipes.plan_of(run)


def test_the_time_is_foretold_from_this_machine_s_own_records(stub, monkeypatch, tmp_path):
    """The stub's softmax takes 2 s for an epoch of 60,000 pictures; a trial on 500 says nothing."""
    monkeypatch.setattr(
        benchmark_accuracy, "RECORDED", tmp_path
    )  # of a machine like this one there may be some
    stub("well")
    measure(benchmark_recipes.create(two_by_two()))
    assert benchmark_trials.seconds_per_image() == {}
    run = benchmark_recipes.create(RecipePlan(recipes=("tiny",), dataset="sketches"))
    record = measure(run)
    assert record["num_train"] < 10_000
    disk.write_json(run.folder / "results.json", record | {"num_train": 60_000})

    assert benchmark_trials.seconds_per_image() == {
        ("tiny", "tensorflow", "cpu"): pytest.approx(4 / 2 / 60_000)
    }


# The command line


def options(*arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    benchmark_cli.add_arguments(parser)
    return parser.parse_args(arguments)


def test_options_become_a_plan_of_recipes(monkeypatch):
    """All recipes with one seed unless told otherwise; a graphics card is used where there is one."""
    monkeypatch.setattr(machine, "devices", lambda name: machine.Devices(name, ("Example GPU 7",), None, ""))
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("tensorflow", "torch"))

    plan = benchmark_cli._asked_recipes(options("--accuracy"))
    assert (plan.recipes, plan.seeds) == (("keras-convnet", "tensorflow-tutorial", "tiny"), 1)
    assert (plan.frameworks, plan.device) == (("tensorflow",), "gpu:0")

    plan = benchmark_cli._asked_recipes(options("--compare-frameworks", "--devices", "cpu", "--epochs", "2"))
    assert (plan.kind, plan.frameworks, plan.device, plan.epochs) == (
        "frameworks",
        ("tensorflow", "torch"),
        "cpu",
        2,
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--quick", "--seeds", "5"], "`--seeds` goes with --accuracy"),
        (["--accuracy", "--devices", "cpu", "gpu:0"], "`--devices` must name one device"),
        (["--accuracy", "--devices", "cpu", "--recipes", "magic"], "A recipe must be one of"),
        (["--resume", "nowhere"], "A folder of a measurement has a plan.json. Received: nowhere"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(arguments, complaint):
    """Before anything is started."""
    with pytest.raises((SettingsError, RunError), match=complaint):
        benchmark_cli.command_line(options(*arguments))
    assert runs.list_runs(kind=None) == []


@pytest.mark.slow
def test_two_recipes_are_measured_from_the_command_line(tmp_path, monkeypatch, capsys):
    """Ours and the published example really learn; the last line is one JSON document, which can be recorded and resumed."""
    monkeypatch.setattr(datasets, "usable", lambda: ["sketches"])
    few = ("--images", "600", "--epochs", "2", "--devices", "cpu", "--output", str(tmp_path))

    status = benchmark_cli.command_line(
        options("--accuracy", "--recipes", "default", "tensorflow-tutorial", *few)
    )

    assert status == 0
    said = capsys.readouterr().out.strip().splitlines()
    record = json.loads(said[-1])
    assert "seconds" in said[2]
    (written,) = (tmp_path / "accuracy").glob("*.json")
    assert benchmark_accuracy.read(written, "accuracy") == record
    assert record["complete"]
    for one in record["runs"]:
        first, second = one["epochs"]
        assert 0 < first["seconds"] < second["seconds"] < 100
        assert second["test_correct"] > 300  # of 1,000; chance is 100
        assert 0 < one["share_of_peak"] < 1
        assert 2e8 < one["peak_memory_bytes"] < 1e10
    (run,) = runs.list_runs(kind="benchmark")
    with pytest.raises(JobError, match="Only a run that was cut off can be resumed"):
        benchmark_cli.command_line(options("--resume", str(run.folder)))


# The programs


def test_the_clock_stands_still_while_the_network_is_tested(monkeypatch):
    """Epochs of 10 s; making the averaged weights takes 2 s and counts once, testing 100 s, which do not count at all."""
    now = [1000.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = benchmark_recipe_cell.Clock(time.time() - 5, lambda epoch: None)

    def passes(seconds, answer=None):
        now[0] += seconds
        return answer

    @contextlib.contextmanager
    def averaged():
        passes(2.0)
        yield
        passes(3.0)

    for _ in range(2):
        clock.epoch_begins()
        passes(10.0)
        clock.epoch_ends(lambda: passes(100.0, 42), averaged)

    assert clock.epochs == [
        {"epoch": 1, "seconds": 12.0, "step_seconds": 10.0, "test_correct": 42},
        {"epoch": 2, "seconds": 22.0, "step_seconds": 20.0, "test_correct": 42},
    ]
    assert clock.startup_seconds == pytest.approx(5, abs=2)


class Counting:
    """A clock that only counts."""

    def __init__(self):
        self.began, self.correct = 0, []

    def epoch_begins(self):
        self.began += 1

    def epoch_ends(self, count_correct):
        self.correct.append(count_correct())


def task(epochs=3):
    """Pictures whose class is where they are white: anybody can learn that."""
    labels = (np.arange(400) % 10).astype(np.uint8)
    images = np.zeros((400, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 4] = 255
    return benchmark_peers.Task(images, labels, images[:100], labels[:100], epochs, 20, 1, "cpu")


def multiply_adds(model):
    """Counted from the shapes of a Keras model's kernels and outputs."""
    total = 0
    for layer in model.layers:
        if layer.weights:
            positions = int(np.prod(layer.output.shape[1:-1])) if layer.kernel.shape.rank > 2 else 1
            total += positions * int(np.prod(layer.kernel.shape))
    return total


@pytest.mark.parametrize("name", ["keras-convnet", "tensorflow-tutorial"])
def test_a_published_program_learns_and_costs_what_is_said(name):
    """Every epoch is told to the clock; parameters and multiply-adds are those announced before it is built."""
    clock = Counting()

    model = benchmark_peers.PROGRAMS[name](task(), clock)

    assert (clock.began, len(clock.correct)) == (3, 3)
    assert clock.correct[-1] > 50  # of 100; chance is 10
    assert model.count_params() == PEERS[name].num_parameters
    assert multiply_adds(model) == PEERS[name].num_multiply_adds


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
def test_plain_pytorch_learns_with_the_same_network():
    """As many parameters as the example in Keras."""
    clock = Counting()

    model = benchmark_peers.plain_torch(task(), clock)

    assert (clock.began, len(clock.correct)) == (3, 3)
    assert clock.correct[-1] > 50
    assert sum(weights.numel() for weights in model.parameters()) == PEERS["plain-torch"].num_parameters


def test_only_the_export_asks_for_tensorflow_by_name():
    """Everything else that a measurement loads goes through Keras, on whichever framework it computes; `fused.py` is loaded
    only where that is TensorFlow."""
    found = {
        path.name
        for path in (runs.ROOT / "fashion").glob("*.py")
        if re.search(r"^ *(import|from) tensorflow", path.read_text(), re.MULTILINE)
    }

    assert found <= {"export.py", "fused.py", "imagenet_export.py", "machine.py"}, found


@pytest.mark.parametrize("framework", ["torch", "jax"])
@pytest.mark.parametrize("recipe", ["keras-convnet", "tiny"])
def test_a_recipe_is_measured_without_tensorflow(framework, recipe):
    """The whole path of ours and of a published program in another framework does not load it, even where it is there."""
    if not importlib.util.find_spec(framework):
        pytest.skip(f"{framework} is not installed")
    plan = RecipePlan(
        recipes=(recipe,), frameworks=(framework,), dataset="sketches", num_images=300, epochs=1
    )
    (trial,) = plan.trials()
    settings = plan.settings(trial)
    request = {
        "peer": trial.recipe.peer,
        "settings": settings.to_json() if settings else None,
        "dataset": "sketches",
        "num_images": 300,
        "epochs": 1,
        "batch_size": 128,
        "seed": 1,
        "device": "cpu",
        "started": time.time(),
    }

    code = "from fashion import benchmark_recipe_cell as cell; import sys; cell.main(); sys.exit('tensorflow' in sys.modules)"
    environment = {**os.environ, "KERAS_BACKEND": framework, "JAX_PLATFORMS": "cpu"}
    with benchmark_child.measuring(("-c", code), environment) as child:
        benchmark_child.ask(child, request)
        answers = list(benchmark_child.answers(child, lambda: None))
        assert child.wait() == 0

    assert [answer["kind"] for answer in answers] == ["epoch", "measured"], answers
    assert len(answers[1]["epochs"]) == 1
