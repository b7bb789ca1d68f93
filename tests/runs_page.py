"""The Runs page in tests: a toy machine for it, and what stands on it."""

from pathlib import Path

import numpy as np
from run_folders import toy_dataset
from streamlit.testing.v1 import AppTest

from fashion import datasets, jobs, machine, runs
from fashion.ui import components

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")


def toy_machine(monkeypatch, tmp_path) -> None:
    """A toy dataset, no shipped models, no GPU question, and queued runs stay queued."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")
    monkeypatch.setattr(datasets, "load", toy_dataset)
    monkeypatch.setattr(
        datasets, "status", lambda name: datasets.DataStatus(name, True, Path("/data") / name, ())
    )


def recorded_grids(monkeypatch) -> dict:
    """What picture grids show: key -> (captions, mean pixel values) of the last drawing."""
    grids = {}

    def record(images, captions, *, key, **_):
        grids[key] = (list(captions), [int(np.mean(image)) for image in images])

    monkeypatch.setattr(components, "picture_grid", record)
    return grids


def open_page(**url: str) -> AppTest:
    """The page under a link with these parameters."""
    at = AppTest.from_file(ENTRY, default_timeout=30)
    for key, value in url.items():
        at.query_params[key] = value
    return at.switch_page("pages/runs.py").run()


def words(at: AppTest) -> str:
    """All that is written on the page, apart from tables and charts."""
    kinds = (at.subheader, at.markdown, at.caption, at.info, at.warning, at.error, at.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def labels(at: AppTest) -> list[str]:
    """What stands on the buttons."""
    return [button.label for button in at.button]


def button(at: AppTest, label: str):
    """The one button with this label."""
    (found,) = [one for one in at.button if one.label == label]
    return found
