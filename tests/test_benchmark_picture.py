"""The chart of accuracy over time, and the project's picture of it.

Run: python -m pytest tests/test_benchmark_picture.py
"""

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from benchmark_page import ACCURACY_RUNS, ROOT, record, training

from fashion import benchmark_accuracy, benchmark_chart, benchmark_picture
from fashion.benchmark_records import Record
from fashion.errors import JobError, SettingsError


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A folder with a small and a larger record."""
    folder = tmp_path / "benchmarks" / "accuracy"
    folder.mkdir(parents=True)
    monkeypatch.setattr(benchmark_accuracy, "RECORDED", folder.parent)
    (folder / "a-small.json").write_text(json.dumps(record(runs=ACCURACY_RUNS[:3])))
    (folder / "b-large.json").write_text(json.dumps(record()))
    return folder


def test_a_schedule_gives_a_line_per_family_and_a_plain_recipe_one_of_its_own():
    """Three epochs of the example on its line; the ends of short and long on that of their family, by time."""
    rows = benchmark_chart.named([Record("x", record())])

    lines = {line.partition("|")[0]: its.seconds.tolist() for line, its in rows.groupby("line")}
    assert lines == {"keras-convnet": [10.0, 20.0, 60.0], "Small network": [10.0, 25.0]}


def test_frameworks_of_one_family_are_different_lines():
    """They would be joined to a zigzag."""
    other = [training("short", 1, [(1.0, 8_000), (30.0, 9_020)], framework="jax")]

    rows = benchmark_chart.named([Record("x", record(runs=[*ACCURACY_RUNS, *other]))])

    assert rows[rows.family == "Small network"].line.nunique() == 2


def test_epochs_far_below_the_best_are_not_on_the_chart():
    """The best is 0.926, so that 0.80 and less is only in the table; the axis begins at a whole hundredth."""
    early = training("plain", 1, [(1.0, 3_000), (2.0, 9_000)], only_last=False, family="plain")
    rows = benchmark_chart.named([Record("x", record(runs=[*ACCURACY_RUNS, early]))])

    assert benchmark_chart.lowest(rows) == 0.80


def test_the_front_goes_on_until_the_last_recipe_has_ended():
    """By hand: 0.862 at 10 s is beaten at once by short's 0.903; long's 0.926 from 25 s until the example ends at 60 s."""
    one = Record("x", record())
    chart = benchmark_chart.accuracy_over_time([one]).to_dict()

    steps = chart["datasets"][chart["layer"][0]["data"]["name"]]
    assert [(step["seconds"], round(step["accuracy"], 4)) for step in steps] == [
        (10.0, 0.903),
        (25.0, 0.926),
        (60.0, 0.926),
    ]


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_picture_is_drawn_from_the_largest_record(recorded, tmp_path, form):
    """A file of its kind, with the recipes' names and the method in it."""
    pytest.importorskip("vl_convert", reason="only for drawing the README's picture")
    path = tmp_path / "new" / f"chart.{form}"

    drawn = benchmark_picture.write(path)

    assert drawn.key == "b-large"
    if form == "png":
        assert path.read_bytes().startswith(b"\x89PNG")
        return
    texts = " ".join(ElementTree.parse(path).getroot().itertext())
    assert "keras-convnet" in texts
    assert "Small network" in texts
    assert "2 seeds" in texts
    assert re.search("AMD Example, 4 cores; TensorFlow 2.21.0", texts)


def test_another_record_can_be_asked_for(recorded, tmp_path):
    """By its file's name; an unknown one is refused with those that there are."""
    with pytest.raises(SettingsError, match="one of a-small, b-large. Received: 'c'"):
        benchmark_picture.write(tmp_path / "chart.svg", "c")


def test_a_picture_of_another_kind_is_refused(recorded, tmp_path):
    """Before anything is drawn."""
    with pytest.raises(SettingsError, match="must end in .svg or .png. Received: chart.gif"):
        benchmark_picture.write(tmp_path / "chart.gif")


def test_without_a_record_it_says_how_to_make_one(tmp_path, monkeypatch):
    """A fresh copy of the project."""
    monkeypatch.setattr(benchmark_accuracy, "RECORDED", tmp_path)

    with pytest.raises(JobError, match="--accuracy --seeds 5 --output models/benchmarks"):
        benchmark_picture.write(tmp_path / "chart.svg")


def test_without_the_writer_it_says_what_to_install(recorded, tmp_path, monkeypatch):
    """Whoever only uses the app never has it."""
    monkeypatch.setattr(benchmark_picture.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(JobError, match="pip install -r requirements-dev.txt"):
        benchmark_picture.write(tmp_path / "chart.svg")


def test_the_command_says_what_is_missing(tmp_path):
    """Through the command line, with exit status 1 or 2 and no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "fashion", "benchmark", "--picture", str(tmp_path / "chart.gif")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode in (1, 2)
    assert "must end in .svg or .png" in done.stderr
    assert "Traceback" not in done.stderr
