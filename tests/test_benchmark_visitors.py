"""What a class costs the server is measured with real visitors on a real server, and told in words."""

import contextlib
import dataclasses
import itertools
import json
import threading
from pathlib import Path

import pytest
from run_folders import make_run

from fashion import benchmark_visitors, disk, runs
from fashion.errors import SettingsError
from fashion.ui import frame


@contextlib.contextmanager
def training(folder: Path):
    """A run whose curve grows by ten points a second, as if a worker wrote them: starting one is measured elsewhere."""
    run = make_run("20000101-000000-cnn-0000", state="running", tested=False, folder=folder)
    status = runs.Status(state="running", phase="training", heartbeat=4e9, epoch=3, num_epochs=100)
    disk.write_json(run.folder / "status.json", dataclasses.asdict(status))
    ended = threading.Event()

    def write() -> None:
        with open(run.folder / "steps.csv", "w") as file:
            file.write(",".join(runs.STEP_COLUMNS) + "\n")
            for step in itertools.count():
                file.write(f"{step},{step / 100},{step / 10},1.0,0.5,0.001,2000\n")
                file.flush()
                if ended.wait(0.1):
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield run
    finally:
        ended.set()
        writer.join()


@pytest.fixture(scope="module")
def results():
    """Two visitors, who watch for two seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark_visitors, "training", training)
        return benchmark_visitors.measure(2, watch_seconds=2.0)


@pytest.mark.slow
def test_every_page_a_photo_and_watching_are_measured(results):
    """Alone and together; the longest wait is no shorter than the median."""
    assert list(results["pages"]) == [page.title for page in frame.PAGES]
    for one in [*results["pages"].values(), results["photo"]]:
        for waits in (one["alone"], one["together"]):
            assert 0 < waits["median_seconds"] <= waits["longest_seconds"] < 60
            assert 0 <= waits["processor_seconds_each"] < 60  # known to a hundredth of a second
    watching = results["watching"]
    assert list(watching) == ["nobody", "alone", "together"]
    assert watching["nobody"]["seconds_between"] is None
    assert 1 <= watching["together"]["seconds_between"] < 10
    assert all(one["images_per_second"] == 2000 for one in watching.values())
    assert 5e7 < results["memory_bytes"]["after"] < 2e9
    assert json.loads(json.dumps(results, allow_nan=False)) == results


@pytest.mark.slow
def test_the_results_are_told_in_words(results):
    """A line for each page, the photo, both ways of watching and the memory."""
    lines = benchmark_visitors.in_words(results).splitlines()

    assert lines[0].startswith("2 visitors at once")
    assert [line.split()[0] for line in lines[1:9]] == [page.title for page in frame.PAGES]
    assert "times the speed of an unwatched training" in lines[11]
    assert lines[12].startswith("server: ")
    assert benchmark_visitors.file_name(results).startswith("visitors-")


@pytest.mark.parametrize("number", [1, 101])
def test_a_crowd_is_two_to_a_hundred(number):
    """One alone is measured anyway; more are a load for other tools."""
    with pytest.raises(SettingsError, match=f"from 2 to 100. Received: {number}"):
        benchmark_visitors.measure(number)
