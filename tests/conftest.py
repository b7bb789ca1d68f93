"""What every test starts from: empty Streamlit caches, runs in a folder of their own, data only where it lies."""

import os
import shutil
import time
from pathlib import Path

import pytest

from fashion import estimate, jobs, runs
from fashion.settings import RunSettings

_LOCAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if "FASHION_DATA" not in os.environ and _LOCAL_DATA.is_dir():
    os.environ["FASHION_DATA"] = str(_LOCAL_DATA)


# The files that take longest. Two processes share the files: one that began last would keep one of them waiting. The option
# --no-loadscope-reorder of `make test` keeps this order; without it, files with the most tests begin.
_FIRST = (
    "test_course_walk.py",
    "test_transfer.py",
    "test_worker.py",
    "test_browser.py",
    "test_predictor.py",
    "test_weight_mean.py",
    "test_takeaway_program.py",
    "test_benchmark_server.py",
)


def pytest_collection_modifyitems(items):
    """Long files first; the others as they were."""
    place = {name: number for number, name in enumerate(_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(_FIRST)))


@pytest.fixture(autouse=True)
def _runs_folder(tmp_path, monkeypatch):
    """No test reads or writes the runs of the person who runs it."""
    monkeypatch.setenv("FASHION_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("FASHION_WARM", "0")  # no test leaves a process waiting


@pytest.fixture(autouse=True)
def _no_recorded_times(tmp_path, monkeypatch):
    """An expected time does not depend on what was recorded, nor on the machine that runs the test."""
    monkeypatch.setattr(estimate, "RECORDED", tmp_path / "recorded")


@pytest.fixture(autouse=True)
def _charts_are_checked(monkeypatch):
    """A chart that Vega-Lite would not understand fails the test that draws it."""
    from fashion.ui import charts

    monkeypatch.setattr(charts, "CHECK_CHARTS", True)


@pytest.fixture(autouse=True)
def _empty_streamlit_caches():
    """A patched dataset or model must not leak into the next test through Streamlit's caches."""
    import streamlit as st

    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(scope="session")
def _finished_folder(tmp_path_factory):
    """A finished run with a model, made once: of the shipped model where there is one, else trained in some seconds."""
    shipped = runs.SHIPPED / "fashion-mnist"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_RUNS", str(tmp_path_factory.mktemp("finished")))
        settings = RunSettings(dataset="sketches", architecture="softmax", num_train=1000, epochs=1)
        run = runs.create(settings)
        if (shipped / "model.tflite").exists():
            shutil.copytree(shipped, run.folder, dirs_exist_ok=True)
            runs.set_status(run, state="finished", finished=time.time())
        else:
            jobs.start_worker(run).wait(timeout=300)
        assert run.can_predict, (run.status(), (run.folder / "worker.log").read_text())
    return run.folder


@pytest.fixture
def tiny_run(_finished_folder, _runs_folder):
    """A finished run that can predict, the only one there is; each test has a copy of its own to spoil."""
    return runs.Run(shutil.copytree(_finished_folder, runs.runs_folder() / _finished_folder.name))
