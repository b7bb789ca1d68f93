"""What `python -m fashion benchmark` makes of its options, what it says is missing, and what it prints.

Run: python -m pytest tests/test_benchmark_cli.py
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fashion import benchmark_cli, benchmark_results, datasets, machine
from fashion.benchmark_plan import FULL, QUICK, Cell, Plan
from fashion.errors import JobError, SettingsError

ROOT = Path(__file__).resolve().parents[1]
TINY = Plan(
    architectures=(("softmax", 1.0),), batch_sizes=(64,), dataset="sketches", num_images=1_000, num_epochs=2
)


def options(*arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    benchmark_cli.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def one_gpu(monkeypatch):
    found = machine.Devices("tensorflow", ("Example GPU 7",), None, "")
    monkeypatch.setattr(machine, "devices", lambda framework: found)


@pytest.fixture(autouse=True)
def _tensorflow_by_default(monkeypatch):
    """Whatever KERAS_BACKEND the tests are run with."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], QUICK.replace(devices=("cpu", "gpu:0"))),
        (["--quick", "--devices", "cpu"], QUICK),
        (["--full"], FULL.replace(devices=("cpu", "gpu:0"))),
        (["--quick", "--server", "--devices", "cpu"], QUICK.replace(server=True)),
        (["--server"], QUICK.replace(architectures=(), server=True)),
    ],
)
def test_options_become_a_plan(one_gpu, monkeypatch, arguments, expected):
    """Without --devices, everything that is here is measured; --server alone measures only the server."""
    monkeypatch.setattr(datasets, "usable", lambda: ["fashion-mnist", "sketches"])

    assert benchmark_cli._asked_plan(options(*arguments)) == expected


def test_what_is_not_here_is_named_in_words(monkeypatch, capsys):
    """A machine without a graphics card, and with a framework less than was asked for, measures what it has."""
    nothing = machine.Devices("tensorflow", (), None, "")
    monkeypatch.setattr(machine, "devices", lambda framework: nothing)
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("tensorflow",))

    plan = benchmark_cli._asked_plan(options("--frameworks", "tensorflow", "jax"))

    assert (plan.frameworks, plan.devices) == (("tensorflow",), ("cpu",))
    said = capsys.readouterr().err
    assert "JAX is not installed. Install it with: pip install jax" in said
    assert "TensorFlow sees no graphics card: the processor is measured." in said


def test_a_graphics_card_without_its_libraries_is_named_with_the_cure(monkeypatch, capsys):
    """The words are those of the start page."""
    problem = "The NVIDIA driver lists Example GPU 7, but TensorFlow sees no GPU."
    monkeypatch.setattr(machine, "devices", lambda framework: machine.Devices(framework, (), problem, ""))

    benchmark_cli._asked_plan(options("--quick"))

    assert problem in capsys.readouterr().err


def test_without_any_of_the_frameworks_nothing_begins(monkeypatch):
    """The message names the one that is here."""
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("jax",))

    with pytest.raises(JobError, match="TensorFlow is not installed. .* Installed here: jax; choose one"):
        benchmark_cli._asked_plan(options("--frameworks", "tensorflow"))


def test_the_framework_of_the_environment_is_the_default(monkeypatch, one_gpu):
    """KERAS_BACKEND=torch measures PyTorch, and says so in the command."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("torch",))

    plan = benchmark_cli._asked_plan(options("--quick", "--devices", "cpu"))

    assert plan.frameworks == ("torch",)
    assert plan.command() == "python -m fashion benchmark --quick --frameworks torch"


def test_a_plan_file_that_is_not_there_is_told_in_words(tmp_path):
    """No traceback for a mistyped name."""
    with pytest.raises(SettingsError, match="--plan must be a file that can be read"):
        benchmark_cli._asked_plan(options("--plan", str(tmp_path / "none.json")))


def test_the_benchmark_loads_no_training_library():
    """The server imports it; half a gigabyte and four seconds stay in the measuring process."""
    statement = (
        "from fashion import benchmark_cell, benchmark_cli, benchmark_server; import sys; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", statement], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert not {"tensorflow", "keras", "torch", "jax", "streamlit"} & set(done.stdout.split())


@pytest.mark.slow
def test_a_tiny_plan_is_measured_from_the_command_line(tmp_path, capsys):
    """The last line is one JSON document, which can be recorded and read again, with believable numbers."""
    (tmp_path / "plan.json").write_text(json.dumps(TINY.to_json()))

    status = benchmark_cli.command_line(
        options("--plan", str(tmp_path / "plan.json"), "--output", str(tmp_path / "out"))
    )

    assert status == 0
    measured = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    (written,) = (tmp_path / "out").glob("*.json")
    assert benchmark_results.read(written) == measured
    (cell,) = measured["cells"]
    assert Cell("tensorflow", "cpu", "softmax", 1.0, 64) == Cell(
        *(cell[name] for name in ("framework", "device", "architecture", "width", "batch_size"))
    )
    assert (cell["num_images"], cell["num_parameters"], cell["n"]) == (960, 7_850, 1_000)
    assert len(cell["epoch_seconds"]) == 2
    assert cell["epoch_seconds"][0] > cell["epoch_seconds"][1] > 0
    assert cell["correct"] > 500
    assert measured["live_progress_ratio"] > 0
    assert measured["processes"][0]["peak_gflops"] > 1
    assert 2e8 < measured["processes"][0]["peak_memory_bytes"] < 1e10
