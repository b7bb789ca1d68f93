"""The command line: JSON alone on standard output, words on standard error, and an exit status that can be trusted."""

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from fashion import cli, datasets, runs, sketches
from fashion.__main__ import main
from fashion.errors import DataError
from fashion.settings import DEFAULTS, FIELDS, defaults_for

TINY = [
    "--dataset",
    "sketches",
    "--architecture",
    "softmax",
    "--num-train",
    "1000",
    "--learning_rate",
    "0.01",
    "--schedule",
    "constant",
]


@pytest.fixture(scope="module")
def stopped_training(tmp_path_factory) -> tuple[dict, str, str, runs.Run]:
    """A training of 200 epochs, interrupted as by Ctrl-C after its first: last line, both outputs, the run."""
    folder = tmp_path_factory.mktemp("runs")
    datasets.load("sketches")
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion", "train", *TINY, "--epochs", "200", "--json"],
        cwd=runs.ROOT,
        env={**os.environ, "FASHION_RUNS": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background may ignore Ctrl-C for all its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not list(folder.glob("*/last.keras")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, progress = process.communicate(timeout=120)
    assert process.returncode == 0, progress
    record = json.loads(output.splitlines()[-1])
    return record, output, progress, runs.Run(folder / record["run"])


@pytest.fixture
def model(stopped_training) -> runs.Run:
    """The trained run, in this test's own folder of runs."""
    run = stopped_training[3]
    shutil.copytree(run.folder, runs.runs_folder() / run.id)
    return runs.find(run.id)


def _lines(capsys) -> list[dict]:
    """Standard output so far, every line of it JSON."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_ctrl_c_stops_a_training_and_keeps_its_best_epoch(stopped_training):
    """The last line says what came out, from the card; progress went to standard error."""
    record, output, progress, run = stopped_training
    card = run.card()

    assert list(record) == [
        "run", "status", "reason", "test_accuracy", "test_n", "test_interval", "validation_accuracy", "best_epoch",
        "train_seconds", "startup_seconds", "seconds_to", "images_per_second",
    ]  # fmt: skip
    assert (record["status"], record["reason"]) == ("stopped", "Stopped by hand.")
    assert record["test_accuracy"] == card["metrics"]["test"]["accuracy"] > 0.5
    assert record["test_n"] == 1000
    assert record["best_epoch"] == card["best_epoch"] >= 1
    assert record["train_seconds"] > 0
    assert len(output.splitlines()) == 1
    assert "Epoch 1 of 200" in progress
    assert "Stopping" in progress


@pytest.mark.slow
def test_the_settings_reach_the_run(stopped_training):
    """Underscores and hyphens mean the same."""
    assert stopped_training[3].settings == defaults_for("sketches", "softmax").replace(
        dataset="sketches", num_train=1000, learning_rate=0.01, epochs=200
    )


@pytest.mark.slow
def test_evaluate_counts_what_the_card_counted(model, capsys):
    """On the test pictures, through the exported file; the classes add up to the whole."""
    assert main(["evaluate", model.id, "--json"]) == 0
    (record,) = _lines(capsys)

    assert (record["model"], record["dataset"], record["split"], record["n"]) == (
        model.id,
        "sketches",
        "test",
        1000,
    )
    assert record["accuracy"] == pytest.approx(model.card()["metrics"]["test"]["accuracy"], abs=0.002)
    assert record["interval"][0] < record["accuracy"] < record["interval"][1]
    assert sum(row["correct"] for row in record["per_class"]) == record["correct"]
    assert [row["class"] for row in record["per_class"]] == list(datasets.CLASSES_FASHION)
    assert record["same_data"] is True

    assert main(["evaluate", model.id, "--split", "validation"]) == 0
    assert "validation" in capsys.readouterr().out


@pytest.mark.slow
def test_evaluate_refuses_a_damaged_model(model, capsys):
    """The file is checked before anything is counted."""
    path = model.folder / "model.tflite"
    path.write_bytes(path.read_bytes() + b"\x00")

    assert main(["evaluate", model.id, "--json"]) == 1
    (record,) = _lines(capsys)
    assert "SHA-256" in record["error"]


@pytest.mark.slow
def test_predict_answers_each_file_in_order(model, capsys, tmp_path):
    """A file that is no photo, and one that is not there, do not stop the others; the exit status tells of them."""
    for name, label in (("bag.png", 8), ("boot.png", 9)):
        sketches.draw_colour(label, seed=5, size=300).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("milk, bread")
    files = [str(tmp_path / name) for name in ("boot.png", "notes.txt", "gone.jpg", "bag.png")]

    assert main(["predict", "--model", model.id, *files, "--json"]) == 1
    records = _lines(capsys)

    assert [record["file"] for record in records] == files
    assert [sorted(record) == ["error", "file"] for record in records] == [False, True, True, False]
    for record in (records[0], records[3]):
        assert list(record) == ["file", "model", "label", "probability", "unsure", "top", "seconds"]
        assert record["top"][0] == {"label": record["label"], "probability": record["probability"]}
        assert sum(one["probability"] for one in record["top"]) == pytest.approx(1.0, abs=1e-3)

    assert main(["predict", "--model", model.id, files[0]]) == 0
    assert capsys.readouterr().out.startswith(f"{files[0]}: ")


@pytest.mark.slow
def test_predict_takes_the_newest_run_where_no_model_is_shipped(model, capsys, tmp_path, monkeypatch):
    """A shipped model comes first; a run that only waits has no model to offer."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "nothing")
    runs.create(DEFAULTS)
    sketches.draw_colour(8, seed=5, size=300).save(tmp_path / "bag.png")

    assert main(["predict", str(tmp_path / "bag.png"), "--json"]) == 0
    assert _lines(capsys)[0]["model"] == model.id

    runs.ship(model, "fashion-mnist")
    assert cli._default_model().shipped


@pytest.mark.slow
def test_runs_lists_what_is_there_and_what_is_damaged(model, capsys):
    """Newest first; a damaged run has a line of its own, with the reason."""
    damaged = runs.create(DEFAULTS)
    (damaged.folder / "settings.json").write_text("{")

    assert main(["runs", "--json"]) == 0
    records = {record["run"]: record for record in _lines(capsys)}

    assert set(records) == {model.id, damaged.id}
    assert records[model.id]["status"] == "stopped"
    assert records[model.id]["test_n"] == 1000
    assert "readable settings.json" in records[damaged.id]["error"]


def test_without_any_model_predict_says_how_to_get_one(capsys, tmp_path, monkeypatch):
    """Exit status 1, and the reason both as JSON and in words."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "nothing")

    assert main(["predict", "photo.jpg", "--json"]) == 1
    captured = capsys.readouterr()
    assert "python -m fashion train" in json.loads(captured.out)["error"]
    assert "python -m fashion train" in captured.err


def test_data_says_what_is_missing(capsys, tmp_path, monkeypatch):
    """An empty folder: drawn garments are there, Fashion-MNIST is told file by file."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "empty"))

    assert main(["data", "--json"]) == 0
    real, drawn, photos = _lines(capsys)

    assert (real["dataset"], real["present"], len(real["problems"])) == ("fashion-mnist", False, 4)
    assert (drawn["dataset"], drawn["present"]) == ("sketches", True)
    assert (photos["dataset"], photos["present"]) == ("clothing", False)
    assert real["images"] == {"train": 55_000, "validation": 5_000, "test": 10_000}


def test_fetch_tells_of_its_progress_on_standard_error(capsys, monkeypatch):
    """Ten lines at most where nobody watches, and none of it in the JSON."""

    def fetch(name, progress):
        for done in range(0, 30_000_001, 100_000):
            progress(done, 30_000_000)

    monkeypatch.setattr(datasets, "fetch", fetch)

    assert main(["data", "--fetch", "fashion-mnist", "--json"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 3
    assert captured.err.splitlines()[-1] == "Fashion-MNIST: 30 of 30 MB"
    assert len(captured.err.splitlines()) <= 11


def test_a_fetch_that_fails_is_exit_status_one(capsys, monkeypatch):
    """The reason is passed on as it is."""

    def fetch(name, progress):
        raise DataError("There is no internet here.")

    monkeypatch.setattr(datasets, "fetch", fetch)

    assert main(["data", "--fetch", "fashion-mnist"]) == 1
    assert "There is no internet here." in capsys.readouterr().err


def test_training_without_its_data_makes_no_run(capsys, tmp_path, monkeypatch):
    """It would only fail a few seconds later, and leave a folder."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "empty"))

    assert main(["train", "--dataset", "fashion-mnist"]) == 1
    assert "python -m fashion data --fetch fashion-mnist" in capsys.readouterr().err
    assert runs.list_runs() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["dance"], "dance"),
        (["train", "--epochs", "0"], "`epochs` must be between 1 and 200"),
        (["train", "--epochs", "many"], "`epochs` must be a whole number"),
        (["train", "--epoch", "3"], "--epoch"),
        (["train", "--flip", "perhaps"], "`flip` must be true or false"),
        (["train", "--optimizer", "adam", "--weight-decay", "0.1"], "`weight_decay` works with"),
        (["evaluate"], "MODEL"),
        (["evaluate", "x", "--split", "secret"], "--split"),
        (["predict"], "FILE"),
        (["data", "--fetch", "imagenet"], "--fetch"),
    ],
)
def test_wrong_usage_is_exit_status_two(arguments, words, capsys):
    """The message names what was wrong; nothing is printed that a script might take for a result."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    captured = capsys.readouterr()
    assert caught.value.code == 2
    assert words in captured.err
    assert captured.out == ""
    assert runs.list_runs() == []


@pytest.mark.parametrize("name", ["nope", "../../etc/passwd", "20260101-120000-cnn-0001", ""])
def test_an_unknown_model_is_exit_status_one(name, capsys):
    """It was asked for correctly; it is not there."""
    assert main(["evaluate", name, "--json"]) == 1
    assert "a run or a shipped model of that name" in _lines(capsys)[0]["error"]


def test_every_setting_is_an_option_with_its_help(capsys):
    """Generated from the same table as the form."""
    with pytest.raises(SystemExit) as caught:
        main(["train", "--help"])
    words = " ".join(capsys.readouterr().out.split())

    assert caught.value.code == 0
    for name, field in FIELDS.items():
        assert f"--{name.replace('_', '-')}" in words
        assert f"{field.label}. {field.help.split()[0]}" in words


def test_a_switch_needs_no_value(monkeypatch):
    """--flip means --flip true; --averaging false is possible too."""
    seen = []
    monkeypatch.setattr(cli, "_check_data", lambda name: None)
    monkeypatch.setattr(runs, "create", lambda settings: seen.append(settings) or _give_up())

    assert main(["train", "--flip", "--averaging", "false"]) == 1
    assert seen == [DEFAULTS.replace(flip=True, averaging=False)]


def _give_up():
    raise DataError("Far enough.")


def test_progress_on_a_terminal_rewrites_its_line(monkeypatch):
    """What is left of a longer line is cleared; a file gets plain lines."""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)

    cli._note("a long line of progress", end="")
    cli._note("done")

    assert terminal.getvalue() == "\r\033[Ka long line of progress\r\033[Kdone\n"


def test_json_never_holds_nan(capsys):
    """NaN is no JSON: a program of ours that made one must be told, not its reader."""
    with pytest.raises(ValueError, match="JSON"):
        cli._print(argparse.Namespace(json=True), {"accuracy": float("nan")}, "")
