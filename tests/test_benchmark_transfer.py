"""The transfer benchmark's arithmetic, and its timing of the course's way on a tiny network."""

import json
import os
import subprocess
import sys

import clothing_folder
import pytest

from fashion import benchmark_transfer, clothing
from fashion.errors import DataError
from fashion.runs import ROOT
from fashion.settings import PHOTO_DEFAULTS

OURS = {
    "seconds": 50.0,
    "seconds_to_head": 40.0,
    "phases": {"starting": 4.0, "features": 34.0, "training": 2.0, "testing": 1.0, "exporting": 9.0},
    "test_accuracy": 0.93,
    "test_n": 372,
    "test_interval": [0.899, 0.952],
}
RESULTS = {
    "busy_fraction": 0.01,
    "photos": OURS,
    "stored": OURS | {"seconds": 16.0, "seconds_to_head": 6.0},
    "course": {
        "seconds": 600.0,
        "num_epochs": 10,
        "timed_batches": {"train": 20, "validation": 8},
        "seconds_per_batch": {"train": 0.55, "validation": 0.5},
        "settings": {"architecture": "xception", "image_size": 150, "batch_size": 32},
        "weights": "random: the time is the same",
    },
}


def test_phases_last_until_the_next_begins():
    """The last one lasts until the end."""
    began = {"starting": 0.0, "features": 4.5, "training": 40.0, "testing": 42.0}
    assert benchmark_transfer.phases(began, 50.0) == {
        "starting": 4.5,
        "features": 35.5,
        "training": 2.0,
        "testing": 8.0,
    }


def test_ratios_are_of_the_time_to_a_trained_head():
    """600 s against 40 and 6; ten heads take 6,000 s against 40 and nine times 6."""
    found = benchmark_transfer.ratios(RESULTS)
    assert found == {"photos": 15.0, "stored": 100.0, "series": pytest.approx(6000 / 94)}


def test_the_words_hold_what_the_numbers_say():
    """Accuracy with n and interval, the extrapolation named as one, and a busy machine told."""
    results = RESULTS | {"ratios": benchmark_transfer.ratios(RESULTS)}
    words = benchmark_transfer.in_words(results)
    assert "93.0% of 372 photos (95 % interval 89.9% to 95.2%)" in words
    assert "extrapolated from 20 batches of 32 at 550 ms" in words
    assert "15 times as long as ours from photos, 100 times" in words
    assert "Other programs" not in words
    assert "Other programs took 50%" in benchmark_transfer.in_words(results | {"busy_fraction": 0.5})


def test_without_photos_nothing_is_measured(tmp_path, monkeypatch):
    """The message says how to get them."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    monkeypatch.setenv("FASHION_WEIGHTS", str(tmp_path))
    with pytest.raises(DataError, match="data --fetch clothing"):
        benchmark_transfer.measure(PHOTO_DEFAULTS.replace(fine_tune="all"))


@pytest.mark.slow
def test_the_course_s_way_is_extrapolated_from_its_batches(tmp_path):
    """40 photos in batches of 8 are five steps an epoch, of which three are timed; so are five of validation."""
    clothing_folder.write(tmp_path / clothing.FOLDER, clothing_folder.files(per_class=4))
    settings = benchmark_transfer.COURSE.replace(
        architecture="mobilenetv2-035", image_size=64, batch_size=8, epochs=3
    )
    request = json.dumps({"settings": settings.to_json(), "num_batches": 3, "started": 0.0})
    environment = os.environ | {
        "FASHION_DATA": str(tmp_path),
        "FASHION_WEIGHTS": str(tmp_path),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    done = subprocess.run(
        [sys.executable, "-m", "fashion.benchmark_transfer"],
        cwd=ROOT, env=environment, input=request, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    course = json.loads(done.stdout.splitlines()[-1])
    assert course["timed_batches"] == {"train": 3, "validation": 3}
    assert course["weights"].startswith("random")
    per_batch = course["seconds_per_batch"]
    assert course["epoch_seconds"] == pytest.approx(5 * per_batch["train"] + 5 * per_batch["validation"])
    assert course["seconds"] == pytest.approx(course["startup_seconds"] + 3 * course["epoch_seconds"])
