"""What a benchmark plans, how it measures in processes that may fail, and what it makes of the numbers.

The measuring process is played by a stub, except in the slow test. Run: python -m pytest tests/test_benchmark.py
"""

import json
import math
import sys
import time

import pytest

from fashion import benchmark, benchmark_child, benchmark_results, datasets, disk, machine, runs
from fashion.benchmark_plan import FULL, QUICK, Plan, plan_for
from fashion.benchmark_results import Measurement
from fashion.errors import JobError, RunError, SettingsError
from fashion.worker import Reporter, StopRequested

TINY = Plan(
    architectures=(("softmax", 1.0), ("mlp", 0.25)),
    batch_sizes=(128, 32),
    dataset="sketches",
    num_images=1_000,
    num_epochs=2,
)


def results(**changes):
    """A measurement of two networks on CPU and GPU, with numbers that can be checked in the head."""
    common = {
        "framework": "tensorflow",
        "width": 1.0,
        "batch_size": 128,
        "num_images": 6_000,
        "problem": None,
    }
    small = {
        **common,
        "architecture": "softmax",
        "num_parameters": 7_850,
        "num_multiply_adds": 7_840,
        "correct": 80,
        "n": 100,
    }
    large = {
        **common,
        "architecture": "cnn",
        "num_parameters": 220_522,
        "num_multiply_adds": 4_000_000,
        "correct": 90,
        "n": 100,
    }
    cells = [
        {**small, "device": "cpu", "epoch_seconds": [3.0, 1.0, 0.9, 1.1], "images_per_second": 6_000},
        {**large, "device": "cpu", "epoch_seconds": [9.0, 6.0, 6.0, 6.0], "images_per_second": 1_000},
        {**small, "device": "gpu:0", "epoch_seconds": [3.0, 2.0, 2.0, 2.0], "images_per_second": 3_000},
        {**large, "device": "gpu:0", "epoch_seconds": [3.0, 0.5, 0.5, 0.5], "images_per_second": 12_000},
    ]
    process = {"framework": "tensorflow", "startup_seconds": 4.0, "peak_memory_bytes": 700_000_000}
    return {
        "format": 1,
        "recorded": "2026-03-01",
        "command": "python -m fashion benchmark --quick",
        "machine": {
            "processor": "AMD Example(R) CPU @ 3.00GHz",
            "num_cores": 4,
            "memory_bytes": 8_000_000_000,
            "system": "Linux",
            "python": "3.11.7",
            "versions": {"tensorflow": "2.21.0", "keras": "3.15.1"},
        },
        "busy_fraction": 0.05,
        "plan": QUICK.replace(devices=("cpu", "gpu:0")).to_json(),
        "processes": [
            {**process, "device": "cpu", "device_name": None, "peak_gflops": 100.0},
            {**process, "device": "gpu:0", "device_name": "Example GPU 7", "peak_gflops": 20_000.0},
        ],
        "cells": cells,
        "live_progress": [],
        "live_progress_ratio": None,
        "server": None,
        **changes,
    }


# The plan


@pytest.mark.parametrize("plan", [QUICK, FULL, TINY, QUICK.replace(devices=("cpu", "gpu:1"), server=True)])
def test_a_plan_survives_a_round_trip_through_json(plan):
    """What is stored beside results can be measured again."""
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_other_batch_sizes_are_measured_with_the_small_cnn_only():
    """Four networks with batch 128 and two more batch sizes are six measurements, not twelve."""
    cells = QUICK.cells()

    assert [(cell.architecture, cell.batch_size) for cell in cells] == [
        ("softmax", 128),
        ("mlp", 128),
        ("cnn", 128),
        ("cnn", 32),
        ("cnn", 512),
        ("resnet", 128),
    ]


def test_every_framework_and_device_measures_every_cell():
    """Two devices double the measurements, a process for each."""
    plan = QUICK.replace(devices=("cpu", "gpu:0"))

    assert plan.processes() == [("tensorflow", "cpu"), ("tensorflow", "gpu:0")]
    assert len(plan.cells()) == 12


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"architectures": ()}, "at least one architecture"),
        ({"architectures": (("vgg", 1.0),)}, "`architecture` must be one of .* Received: architecture='vgg'"),
        ({"architectures": ("cnn",)}, "pairs of name and width"),
        ({"architectures": [("cnn", 1.0)]}, "`architectures` must name each value once"),
        ({"architectures": (("cnn", 9.0),)}, "`width` must be between 0.25 and 4. Received: width=9.0"),
        ({"batch_sizes": (128, 128)}, "`batch_sizes` must name each value once"),
        ({"batch_sizes": ()}, "`batch_sizes` must not be empty"),
        ({"batch_sizes": (4,)}, "batch_size=4"),
        ({"devices": ("tpu",)}, "`device` must be cpu or gpu:N"),
        ({"frameworks": ("caffe",)}, "framework='caffe'"),
        ({"num_images": 10}, "num_train=10"),
        ({"num_epochs": 1}, "`num_epochs` must be a whole number between 2 and 20. Received: num_epochs=1"),
        ({"num_epochs": 2.5}, "num_epochs=2.5"),
        ({"seed": -1}, "`seed` must be between 0"),
        ({"server": "yes"}, "`server` must be true or false"),
        ({"batch_sizes": tuple(range(8, 8 + 300))}, "at most 200 measurements"),
    ],
)
def test_an_impossible_plan_is_refused_in_words(changes, complaint):
    """Each message names the value and what would be allowed."""
    with pytest.raises(SettingsError, match=complaint):
        QUICK.replace(**changes)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([], "must be a JSON object. Received: list"),
        ({"architectures": [["cnn", 1.0]], "colour": 1}, "Received: 'colour'"),
        ({}, "at least one architecture"),
        ({"architectures": [["cnn"]]}, "pairs of name and width"),
        ({"architectures": [["cnn", [1]]]}, "`architectures` must name each value once"),
        ({"architectures": "cnn"}, "`architectures` must name each value once"),
    ],
)
def test_json_that_is_no_plan_is_refused_in_words(values, complaint):
    """A damaged plan.json never ends in a bare TypeError."""
    with pytest.raises(SettingsError, match=complaint):
        Plan.from_json(values)


def test_the_expected_time_grows_with_the_network_and_falls_with_the_speed():
    """Twice the width is about four times the arithmetic; a faster machine needs less."""
    narrow, wide = (
        FULL.replace(architectures=(("resnet", width),), epoch_work=0, server=False) for width in (1.0, 2.0)
    )

    assert 3 < wide.estimate_seconds() / narrow.estimate_seconds() < 4.5
    assert wide.estimate_seconds({"cpu": 1e12}) < wide.estimate_seconds({"cpu": 1e11})


def test_the_quick_plan_is_expected_to_take_less_than_three_minutes():
    """That is what the page and the command line promise for two processor cores."""
    assert QUICK.estimate_seconds() < 180


def test_the_best_dataset_that_is_here_is_planned(monkeypatch):
    """Without Fashion-MNIST, drawn garments are measured rather than nothing."""
    monkeypatch.setattr(datasets, "usable", lambda: ["sketches"])

    assert plan_for(QUICK, ("cpu",), ("tensorflow",)).dataset == "sketches"


@pytest.mark.parametrize(
    ("plan", "command"),
    [
        (QUICK, "python -m fashion benchmark --quick"),
        (QUICK.replace(dataset="sketches"), "python -m fashion benchmark --quick"),
        (FULL.replace(devices=("cpu", "gpu:0")), "python -m fashion benchmark --full --devices cpu gpu:0"),
        (QUICK.replace(server=True), "python -m fashion benchmark --quick --server"),
        (QUICK.replace(architectures=(), server=True), "python -m fashion benchmark --server"),
        (QUICK.replace(num_images=2_000), "python -m fashion benchmark --plan plan.json"),
    ],
)
def test_a_plan_names_the_command_that_measures_it(plan, command):
    """Whoever reads a result can repeat it."""
    assert plan.command() == command


# Measuring

# Plays the measuring process: "die" kills it in the second cell, "wait" never finishes it, "refuse" cannot start.
STUB = """
import json, os, sys, time
request = json.loads(sys.stdin.readline())
def tell(kind, **values):
    print(json.dumps({"kind": kind, "peak_memory_bytes": 1000, **values}), flush=True)
if MODE == "refuse":
    tell("problem", index=None, problem="No such framework.")
    sys.exit()
tell("ready", startup_seconds=1.5, peak_gflops=50.0)
for index, cell in enumerate(request["cells"]):
    if cell["architecture"] == "mlp" and cell["batch_size"] == 128:
        if MODE == "die":
            os.kill(os.getpid(), 9)
        if MODE == "wait":
            time.sleep(60)
        if MODE == "fail":
            tell("problem", index=index, problem="There is not enough memory.")
            continue
    tell("epoch", index=index, epoch=1)
    tell("cell", index=index, cell={**cell, "num_parameters": 1, "num_multiply_adds": 1, "num_images": 896,
         "epoch_seconds": [2.0, 1.0], "images_per_second": 896.0, "correct": 8, "n": 10, "problem": None})
if request["live"]:
    tell("live", live={**request["live"], "bare_seconds": [1.0], "live_seconds": [1.1], "ratio": 1.1})
"""


@pytest.fixture
def stub(monkeypatch):
    """Call it with a mode to play the measuring process."""
    monkeypatch.setattr(benchmark_child, "busy_fraction", lambda: 0.0)

    def play(mode):
        monkeypatch.setattr(benchmark, "_MEASURING_PROCESS", ("-c", f"MODE = {mode!r}\n{STUB}"))

    return play


def measure(plan=TINY, stop_when=None):
    """Measure in this process; returns the results. `stop_when` asks for a stop once it says so."""
    run = benchmark.create(plan)
    reporter = Reporter(run)
    if stop_when:
        reporter.stop_reason = lambda: "Stopped by hand." if stop_when(run) else None
    try:
        benchmark.measure(run, reporter)
    finally:
        reporter.end(state="finished")
    return benchmark.record(run)


def test_a_benchmark_is_a_job_of_its_own_kind():
    """It waits in the queue like a run, and says what it is."""
    run = benchmark.create(TINY, visitor="someone")

    assert run.kind == "benchmark"
    assert (run.status().state, run.status().num_epochs, run.status().visitor) == ("queued", 3, "someone")
    assert benchmark.plan_of(run) == TINY


def test_all_cells_are_measured_in_order(stub):
    """Three cells, what belongs to the process, and the cost of live progress."""
    stub("well")

    measured = measure()

    assert [cell["batch_size"] for cell in measured["cells"]] == [128, 128, 32]
    assert measured["processes"][0]["peak_gflops"] == 50.0
    assert measured["processes"][0]["peak_memory_bytes"] == 1000
    assert measured["live_progress_ratio"] == 1.1


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("fail", "not enough memory"), pytest.param("die", "signal SIGKILL", marks=pytest.mark.skipif(
        sys.platform == "win32", reason="Windows has no signals"))],
)  # fmt: skip
def test_a_cell_that_fails_is_noted_and_the_next_one_goes_on(stub, mode, reason):
    """Whether the process told of it or was killed by the system, the other two cells are measured."""
    stub(mode)

    cells = measure()["cells"]

    assert [bool(cell["problem"]) for cell in cells] == [False, True, False]
    assert reason in cells[1]["problem"]


def test_when_nothing_can_be_measured_the_benchmark_fails_with_the_reason(stub):
    """A missing framework is no finished measurement; every cell says why."""
    stub("refuse")

    with pytest.raises(JobError, match="Nothing could be measured. No such framework."):
        measure()

    (run,) = runs.list_runs(kind="benchmark")
    assert len(benchmark_results.problems([Measurement("x", benchmark.record(run))])) == 1


def test_a_device_that_is_not_here_is_told_in_words(stub, monkeypatch):
    """Nothing is made up for a GPU that the framework does not see; the CPU is measured all the same."""
    stub("well")
    nothing = machine.Devices("tensorflow", (), None, "")
    monkeypatch.setattr(machine, "devices", lambda framework: nothing)

    cells = measure(TINY.replace(devices=("gpu:0", "cpu")))["cells"]

    assert "TensorFlow must see gpu:0. It sees no graphics card." in cells[0]["problem"]
    assert [cell["problem"] for cell in cells[3:]] == [None, None, None]


def test_a_stop_keeps_what_was_measured_and_ends_the_process(stub):
    """The second cell would take a minute; the stop comes after the first and is obeyed within two seconds."""
    stub("wait")
    asked = []

    def one_cell_is_measured(run):
        path = run.folder / "results.json"
        if path.exists() and len(json.loads(path.read_text())["cells"]) == 1:
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(StopRequested, match="Stopped by hand."):
        measure(stop_when=one_cell_is_measured)

    (run,) = runs.list_runs(kind="benchmark")
    assert len(benchmark.record(run)["cells"]) == 1
    assert time.monotonic() - asked[0] < 2


def test_a_stopped_benchmark_goes_on_where_it_was(stub):
    """The first cell is kept as it was measured; only the other two are measured, and no second process is listed."""
    stub("wait")
    run = benchmark.create(TINY)
    reporter = Reporter(run)
    reporter.stop_reason = lambda: (
        "Stopped." if (run.folder / "results.json").exists() and benchmark.record(run)["cells"] else None
    )
    with pytest.raises(StopRequested):
        benchmark.measure(run, reporter)
    before = benchmark.record(run)
    before["cells"][0]["correct"] = 7  # to know it again
    disk.write_json(run.folder / "results.json", before)
    reporter.stop_reason = lambda: None
    stub("well")

    benchmark.measure(run, reporter)
    reporter.end(state="finished")

    after = benchmark.record(run)
    assert [(cell["architecture"], cell["correct"]) for cell in after["cells"]] == [
        ("softmax", 7),
        ("mlp", 8),
        ("mlp", 8),
    ]
    assert len(after["processes"]) == 1
    assert len(after["live_progress"]) == 1


def test_a_damaged_plan_file_is_told_in_words():
    """The folder is named, and what to do."""
    run = benchmark.create(TINY)
    (run.folder / "plan.json").write_text("{")

    with pytest.raises(RunError, match="readable plan.json. .* Measure again."):
        benchmark.plan_of(run)


# Results


def test_the_table_holds_what_follows_from_the_epochs():
    """By hand: median of 1.0, 0.9, 1.1; 60,000 pictures at 1,000 a second; 6 x 4e6 x 1,000 of 1e11 operations."""
    rows = benchmark_results.table([Measurement("x", results())])

    assert list(rows.columns) == list(benchmark_results.COLUMNS)
    small, large = rows.iloc[0], rows.iloc[1]
    assert (small.first_epoch_seconds, small.steady_epoch_seconds) == (3.0, 1.0)
    assert (small.steady_min_seconds, small.steady_max_seconds) == (0.9, 1.1)
    assert large.seconds_per_60000 == 60.0
    assert large.share_of_peak == pytest.approx(0.24)
    assert large.train_seconds == 27.0
    assert (large.accuracy, large.n) == (0.9, 100)
    assert (large.accuracy_low, large.accuracy_high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert list(rows.network) == ["Softmax", "CNN", "Softmax", "CNN"]
    assert list(rows.device) == ["CPU", "CPU", "Example GPU 7", "Example GPU 7"]


def test_an_unknown_peak_leaves_the_share_unknown():
    """A process that died before it measured matrix multiplication has no share, not a wrong one."""
    values = results()
    values["processes"][0]["peak_gflops"] = None

    assert math.isnan(benchmark_results.table([Measurement("x", values)]).share_of_peak[0])


def test_failed_cells_are_in_the_problems_and_not_in_the_table():
    """The same reason is said once, for all its cells."""
    values = results()
    for cell in values["cells"][:2]:
        cell["problem"] = "There is not enough memory."
    one = Measurement("x", values)

    assert len(benchmark_results.table([one])) == 2
    assert benchmark_results.problems([one]) == [
        "Not measured: Softmax (cpu, batch size 128), CNN (cpu, batch size 128). There is not enough memory."
    ]


def test_two_measurements_of_one_machine_have_different_names_on_charts():
    """First by date, then by file name; a single one needs neither."""
    one = Measurement("a", results())
    later = Measurement("b", results(recorded="2026-04-01"))
    same_day = Measurement("c", results())

    def names(*measurements):
        return sorted(set(benchmark_results.table(list(measurements)).series))

    assert names(one) == ["CPU AMD Example, 4 cores, recorded", "Example GPU 7, recorded"]
    assert names(one, later)[:2] == [
        "CPU AMD Example, 4 cores, recorded 2026-03-01",
        "CPU AMD Example, 4 cores, recorded 2026-04-01",
    ]
    assert names(one, same_day)[0] == "CPU AMD Example, 4 cores, recorded 2026-03-01 a"


def test_measured_speed_is_that_of_the_larger_networks():
    """Softmax regression says nothing about arithmetic: 3 x 4e6 multiply-adds, 1,000 pictures a second."""
    assert benchmark_results.speeds(results()) == {
        "cpu": pytest.approx(1.2e10),
        "gpu:0": pytest.approx(1.44e11),
    }


def test_a_measurement_says_where_and_how_it_was_made():
    """Machine, versions, date and command; the file is named for hardware and version."""
    one = Measurement("x", results())

    assert one.title == "recorded on AMD Example, 4 cores, 2026-03-01"
    assert benchmark_results.method(one) == (
        "AMD Example, 4 cores, Example GPU 7; TensorFlow 2.21.0, Keras 3.15.1; 2026-03-01; "
        "`python -m fashion benchmark --quick`"
    )
    assert (
        benchmark_results.file_name(one.results) == "amd-example-4-cores-example-gpu-7-tensorflow-2.21.json"
    )


@pytest.mark.parametrize(("fraction", "busy"), [(0.05, False), (0.5, True), (None, False)])
def test_a_busy_machine_is_remembered(fraction, busy):
    """Times measured beside other work are marked as too long."""
    assert Measurement("x", results(busy_fraction=fraction)).busy is busy


def damaged():
    """(what is wrong, text of the file, words of the complaint)."""
    without_plan = {name: value for name, value in results().items() if name != "plan"}
    bad_cell = results()
    del bad_cell["cells"][0]["images_per_second"]
    return [
        ("no JSON", "{", "readable JSON"),
        ("a list", "[]", "format 1. Received: None"),
        ("newer", json.dumps(results(format=2)), "format 1. Received: 2. Update the app"),
        ("no plan", json.dumps(without_plan), "whole benchmark. Received: KeyError 'plan'"),
        ("wrong plan", json.dumps(results(plan={"architectures": []})), "must hold the plan"),
        ("half a cell", json.dumps(bad_cell), "KeyError 'images_per_second'"),
        ("cells of text", json.dumps(results(cells=["x"])), "whole benchmark"),
        ("no machine", json.dumps(results(machine=None)), "whole benchmark"),
    ]


@pytest.mark.parametrize(("wrong", "text", "complaint"), damaged(), ids=[case[0] for case in damaged()])
def test_a_recorded_file_that_cannot_be_used_is_named_and_the_others_are_shown(
    tmp_path, monkeypatch, wrong, text, complaint
):
    """One damaged file never hides the good ones."""
    monkeypatch.setattr(benchmark_results, "RECORDED", tmp_path)
    (tmp_path / "a-good.json").write_text(json.dumps(results()))
    (tmp_path / "b-bad.json").write_text(text)

    found, unusable = benchmark_results.load_recorded()

    assert [one.key for one in found] == ["a-good"]
    assert len(unusable) == 1
    assert "b-bad.json" in unusable[0]
    assert complaint in unusable[0]


def test_the_recorded_files_of_the_project_can_be_read():
    """What ships is whole, and named for its hardware and version."""
    found, unusable = benchmark_results.load_recorded()

    assert unusable == []
    for one in found:
        assert benchmark_results.file_name(one.results) == f"{one.key}.json"


def test_a_measurement_shows_once_it_has_a_result():
    """A folder whose job has just begun has nothing to show, and is no problem either."""
    run = benchmark.create(TINY)
    disk.write_json(run.folder / "results.json", benchmark_results.begun(TINY, 0.0))
    assert benchmark_results.measured_here() == ([], [])

    disk.write_json(run.folder / "results.json", results())

    (one,) = benchmark_results.measured_here()[0]
    assert one.title.startswith("this machine, 2026-03-01 ")
    assert not one.recorded
