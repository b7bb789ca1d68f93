"""The Benchmark page's first question: empty, with recorded results, with results from here, and while it measures.

Run: python -m pytest tests/test_pages_benchmark.py
"""

import ast
import json

import pandas as pd
import pytest
from benchmark_page import ROOT, open_page, press, words

from fashion import benchmark, benchmark_accuracy, benchmark_results, datasets, disk, jobs, machine, runs
from fashion.benchmark_plan import FULL, QUICK
from fashion.ui import benchmark_charts, state

PAGE = ROOT / "pages" / "benchmark.py"
CHARTS = (
    "Time and cost",
    "Pictures per second",
    "Share of peak",
    "First epoch",
    "Batch size",
    "CPU and GPU",
    "All numbers",
)


def results(device="cpu", device_name=None, **changes):
    """Two networks and two batch sizes on one device."""
    cell = {
        "framework": "tensorflow",
        "device": device,
        "architecture": "cnn",
        "width": 1.0,
        "batch_size": 128,
        "num_parameters": 220_522,
        "num_multiply_adds": 4_039_808,
        "num_images": 9_984,
        "epoch_seconds": [5.0, 4.0, 4.2],
        "images_per_second": 2_435.0,
        "correct": 8_600,
        "n": 10_000,
        "problem": None,
    }
    softmax = {"architecture": "softmax", "num_multiply_adds": 7_840, "images_per_second": 40_000.0}
    process = {
        "framework": "tensorflow",
        "device": device,
        "device_name": device_name,
        "startup_seconds": 4.0,
        "peak_gflops": 120.0,
        "peak_memory_bytes": 700_000_000,
    }
    live = {**cell, "live_seconds": [1.02, 1.04], "bare_seconds": [1.0, 1.0], "ratio": 1.03}
    return {
        "format": 1,
        "recorded": "2026-03-01",
        "command": "python -m fashion benchmark --quick",
        "machine": {
            "processor": "AMD Example",
            "num_cores": 4,
            "versions": {"tensorflow": "2.21.0", "keras": "3.15.1"},
        },
        "busy_fraction": 0.05,
        "plan": QUICK.replace(devices=(device,)).to_json(),
        "processes": [process],
        "cells": [{**cell, **softmax}, cell, {**cell, "batch_size": 32, "images_per_second": 1_500.0}],
        "live_progress": [live],
        "live_progress_ratio": 1.03,
        "server": {
            "server": {"healthy_seconds": 1.2, "memory_bytes": 60_000_000},
            "page": {"first_page_seconds": 2.5, "memory_bytes": 155_000_000, "training_libraries": []},
            "prediction": None,
            "worker": {"first_step_seconds": 5.5, "peak_memory_bytes": 800_000_000},
        },
        **changes,
    }


@pytest.fixture(autouse=True)
def _no_gpu_and_no_worker(monkeypatch):
    """No test asks a framework for devices, and queued jobs stay queued."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("tensorflow",))
    monkeypatch.setattr(datasets, "usable", lambda: ["fashion-mnist", "sketches"])
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)


@pytest.fixture(autouse=True)
def recorded(tmp_path, monkeypatch):
    """The folder of recorded results, empty at first."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    monkeypatch.setattr(benchmark_results, "RECORDED", folder)
    monkeypatch.setattr(benchmark_accuracy, "RECORDED", folder)
    return folder


@pytest.fixture
def recorded_gpu(recorded):
    both = results()
    gpu = results("gpu:0", "Example GPU 7")
    for cell in gpu["cells"]:
        cell["images_per_second"] *= 10
    both["cells"] += gpu["cells"]
    both["processes"] += gpu["processes"]
    (recorded / "amd.json").write_text(json.dumps(both))


def measured_here(state_word="finished", **changes):
    """A benchmark's folder as a worker leaves it."""
    run = benchmark.create(QUICK)
    disk.write_json(run.folder / "results.json", results(**changes))
    runs.set_status(run, state=state_word)
    return run


def test_a_new_visitor_reads_the_question_and_what_it_will_take():
    """Before the first result: the question, the number of measurements, the expected time, and Start."""
    at = open_page()

    assert not at.exception
    assert "How does training time grow with the network" in words(at)
    assert "Nothing was measured or recorded for this question yet. Press Start" in words(at)
    assert "6 measurements on Fashion-MNIST: about **2 min" in words(at)
    assert "No graphics card is seen here" in words(at)
    assert "Start" in [button.label for button in at.button]


def test_the_full_plan_announces_its_own_time():
    """Choosing Full changes the number of measurements before anything is started."""
    at = open_page()

    at.button_group(key="_benchmark_size_grid").set_value("Full").run()

    assert "20 measurements on Fashion-MNIST" in words(at)


def test_a_grid_that_would_not_fit_is_cut_with_a_note(monkeypatch):
    """With 2,000 MB in all, the widest residual network is left out before anything is started, and named."""
    monkeypatch.setenv("FASHION_MEMORY_MB", "2000")
    at = open_page()

    at.button_group(key="_benchmark_size_grid").set_value("Full").run()

    assert "Left out for memory: ResNet x4. 1,600 MB may be taken beside the server." in words(at)
    press(at, "Start")
    (run,) = runs.list_runs(kind="benchmark")
    assert ("resnet", 4.0) not in benchmark.plan_of(run).architectures


def test_a_machine_on_which_nothing_fits_is_refused_in_words(monkeypatch):
    """The reason stands where Start would be."""
    monkeypatch.setenv("FASHION_MEMORY_MB", "1000")

    at = open_page()

    assert "A benchmark must fit into 600 MB beside the server" in at.error[0].value
    assert "Start" not in [button.label for button in at.button]


def test_start_queues_a_benchmark_and_shows_its_place():
    """One job with the quick plan, drawn as waiting, with Stop instead of Start."""
    at = press(open_page(), "Start")

    assert not at.exception
    (run,) = runs.list_runs(kind="benchmark")
    assert benchmark.plan_of(run) == QUICK
    assert {"Stop"} == {button.label for button in at.button if button.label in ("Start", "Stop")}


def test_with_a_gpu_both_devices_are_measured(monkeypatch):
    """Nobody has to ask for the comparison that the page is about."""
    found = machine.Devices("tensorflow", ("Example GPU 7",), None, "")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: found)

    press(open_page(), "Start")

    (run,) = runs.list_runs(kind="benchmark")
    assert benchmark.plan_of(run).devices == ("cpu", "gpu:0")


def test_a_full_queue_is_told_in_words(monkeypatch):
    """The reason stands on the page and nothing is queued."""
    monkeypatch.setenv("FASHION_QUEUE", "1")
    runs.create_job("cnn", "settings.json", {})

    at = press(open_page(), "Start")

    assert "At most 1 runs may wait" in at.error[0].value
    assert runs.list_runs(kind="benchmark") == []


def test_stop_asks_the_measurement_to_stop():
    """The button writes the request that the worker looks for; what was measured so far is on the page."""
    run = measured_here("running")
    runs.set_status(run, heartbeat=2e10, phase="measuring", epoch=3, num_epochs=6, seconds_left=70.0)
    at = open_page()
    assert set(at.dataframe[0].value["device and result"]) == {"CPU AMD Example, 4 cores, here"}

    press(at, "Stop")

    assert runs.stop_request(run) == "Stopped by hand."


@pytest.mark.parametrize("chart", CHARTS)
def test_every_chart_is_drawn_from_results_here_and_recorded(recorded_gpu, chart):
    """Seven sections, none of which fails, each with its machine, versions, date and command."""
    measured_here()

    at = open_page(chart=chart)

    assert not at.exception
    assert at.button_group(key=state.CHART).value == chart
    assert "AMD Example, 4 cores, Example GPU 7; TensorFlow 2.21.0, Keras 3.15.1; 2026-03-01" in words(at)
    assert "`python -m fashion benchmark --quick`" in words(at)


def test_recorded_results_are_named_as_such(recorded_gpu):
    """Nobody takes another machine's numbers for their own."""
    at = open_page()

    assert at.multiselect[0].options == ["Recorded on AMD Example, 4 cores, 2026-03-01"]
    assert set(at.dataframe[0].value["where"]) == {"recorded elsewhere"}


def test_without_a_gpu_nothing_is_compared(recorded):
    """A sentence says that none was measured, and what one needs; no number is made up."""
    measured_here()

    at = open_page(chart="CPU and GPU")

    assert "None of these results has a CPU and a graphics card" in words(at)
    assert "requirements-gpu.txt" in words(at)
    assert not at.dataframe


def test_the_speed_up_stands_in_its_table(recorded_gpu):
    """Ten times the pictures per second are a ratio of ten."""
    at = open_page(chart="CPU and GPU")

    table = at.dataframe[0].value
    assert table["times as fast as the CPU"].tolist() == [10.0, 10.0]
    assert table["95 % interval from"].notna().all()
    assert "with start-up and building included, the graphics card pays for one epoch from" in words(at)


def test_all_numbers_hold_the_figures_that_are_no_chart():
    """Live progress, memory, and the app's own processes, in words; what was not measured is left out."""
    measured_here()

    at = open_page(chart="All numbers")

    assert "1.03 times one without (1.02 to 1.04)" in words(at)
    assert "2.5 s, 155 MB" in words(at)
    assert "First prediction" not in words(at)
    assert at.dataframe[0].value["test accuracy"].tolist() == [0.86, 0.86, 0.86]


@pytest.mark.parametrize("chart", CHARTS)
def test_a_measurement_of_the_server_alone_has_figures_but_no_charts(chart):
    """Every section stays whole: a sentence instead of an empty chart."""
    plan = QUICK.replace(architectures=(), server=True).to_json()
    measured_here(cells=[], processes=[], live_progress=[], live_progress_ratio=None, plan=plan)

    at = open_page(chart=chart)

    assert not at.exception
    assert "1.2 s" in words(at) if chart == "All numbers" else at.info


def test_every_accuracy_comes_with_its_number_of_pictures_and_interval():
    """The table behind each chart has them."""
    measured_here()

    row = open_page().dataframe[0].value.iloc[0]

    assert (row["95 % interval from"], row["95 % interval to"]) == pytest.approx((0.8531, 0.8667), abs=1e-4)
    assert row["test pictures"] == 10_000


def test_the_share_of_peak_is_told_with_the_peak():
    """A share says little without what it is of, which was measured in the same run."""
    measured_here()

    assert "measured in the same run: CPU 120 GFLOPS; batch size 128" in words(
        open_page(chart="Share of peak")
    )


def test_times_from_a_busy_machine_carry_a_warning():
    """A reader is told not to trust them."""
    measured_here(busy_fraction=0.6)

    assert "other programs took 60% of the processor" in words(open_page())


def test_what_could_not_be_measured_is_said():
    """The reason of a failed cell stands above the charts, and the others are drawn."""
    values = results()
    values["cells"].append({**values["cells"][0], "width": 4.0, "problem": "There is not enough memory."})
    measured_here(cells=values["cells"])

    at = open_page()

    assert (
        "Not measured: Softmax x4 (cpu, batch size 128). There is not enough memory." in at.warning[0].value
    )
    assert len(at.dataframe[0].value) == 2


def test_a_file_that_cannot_be_read_is_named(recorded, recorded_gpu):
    """The good one is shown all the same."""
    (recorded / "newer.json").write_text('{"format": 2}')

    at = open_page()

    assert not at.exception
    assert "newer.json must be a benchmark of format 1" in words(at)
    assert len(at.multiselect[0].options) == 1


@pytest.mark.parametrize(
    ("state_word", "said"),
    [
        ("failed", "The last measurement failed. The disk is full."),
        ("stopped", "ended early. The disk is full. What was measured is kept."),
        ("interrupted", "was cut off"),
    ],
)
def test_a_measurement_that_ended_early_says_why(state_word, said):
    """And Start is offered again, and Resume."""
    run = measured_here(state_word)
    runs.set_status(run, reason="The disk is full.")

    at = open_page()

    assert said in words(at)
    assert {"Start", "Resume"} <= {button.label for button in at.button}


def test_a_measurement_that_was_cut_off_can_be_resumed():
    """The same folder is queued again, with what was measured, and Stop takes the place of Start."""
    run = measured_here("stopped")

    at = press(open_page(), "Resume")

    assert not at.exception
    assert run.status().state == "queued"
    assert len(benchmark.record(run)["cells"]) == 3
    assert "Stop" in [button.label for button in at.button]


def test_a_measurement_can_be_deleted():
    """One made on a busy machine need not stay."""
    measured_here()

    press(open_page(), "Delete it for good")

    assert runs.list_runs(kind="benchmark") == []


def test_the_first_epoch_is_shown_for_as_many_pictures_as_the_others():
    """9,984 pictures at 2,435 a second: 24.6 s for 60,000; the first took 0.9 s longer than the median of 4.0 and 4.2."""
    table = benchmark_results.table([benchmark_results.Measurement("x", results())])

    row = table[(table.network == "CNN") & (table.batch_size == 128)].iloc[0]
    assert row.seconds_per_60000 == pytest.approx(24.64, abs=0.01)
    assert row.first_per_60000 == pytest.approx(24.64 + 0.9, abs=0.01)


def test_axes_have_few_round_numbers():
    """A logarithmic axis from 3 to 40 has lines at 1, 2 and 5 times powers of ten."""
    axis = benchmark_charts._log_axis(pd.Series([3.0, 40.0]), "~g").to_dict()

    assert axis["values"] == pytest.approx([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500])


def test_the_page_imports_no_numpy_and_is_short():
    """It reads as a script; what computes lives in a module with tests."""
    source = PAGE.read_text()
    imported = [node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]

    assert imported == ["fashion.ui"]
    assert len(source.splitlines()) <= 110


def test_the_full_plan_needs_no_more_time_than_a_run_may_take():
    """The queue stops a job after two hours by default."""
    assert FULL.estimate_seconds() < jobs.Limits().deadline_seconds
