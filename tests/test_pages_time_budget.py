"""The Train page fits its form to the time that a visitor has, and tells what accuracy may be expected."""

import dataclasses
from pathlib import Path

import pytest
from run_folders import change_card, make_run
from streamlit.testing.v1 import AppTest

from fashion import datasets, disk, expected_accuracy, jobs, machine, recipes, runs, time_budget
from fashion.recipes import Recipe
from fashion.settings import DEFAULTS, RunSettings

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")
SHORT = RunSettings(architecture="softmax", epochs=1, schedule="one-cycle", learning_rate=0.005)


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    """No test asks a framework for devices; queued runs stay queued; the data counts as present."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    monkeypatch.setattr(datasets, "status", lambda name: datasets.DataStatus(name, True, tmp_path, ()))


@pytest.fixture
def no_recipes(monkeypatch):
    """As if the project had published programs only."""
    monkeypatch.setattr(time_budget, "has_recipes", lambda settings, among=(): False)


@pytest.fixture
def one_recipe(monkeypatch):
    """As if the project had a single recipe."""
    ours = (Recipe(name="s", title="Short", about="", family="ours", settings=SHORT),)
    monkeypatch.setattr(recipes, "RECIPES", ours)
    monkeypatch.setattr(time_budget.has_recipes, "__defaults__", (ours,))
    monkeypatch.setattr(time_budget.fit, "__defaults__", (False, ours))


@pytest.fixture
def page():
    return AppTest.from_file(ENTRY, default_timeout=30).switch_page("pages/train.py")


def budget(at: AppTest):
    (found,) = [group for group in at.button_group if group.label == "Time budget"]
    return found


def started(at: AppTest) -> RunSettings:
    """The settings of the run that Start makes."""
    (button,) = [button for button in at.button if button.label == "Start"]
    button.click().run()
    return runs.list_runs()[0].settings


def words(elements) -> str:
    return " ".join(element.value for element in elements)


def test_a_time_budget_fits_epochs_schedule_and_limit(page, no_recipes):
    """What is chosen is what runs, and where the time goes is said; a constant rate becomes one that falls."""
    page.query_params["schedule"] = "constant"
    page.run()
    budget(page).set_value(120).run()

    assert not page.exception
    assert "to start" in words(page.caption)
    assert "Training ends after" in words(page.caption)
    settings = started(page)
    assert settings.schedule == "cosine"
    assert 0 < settings.seconds_limit < 120
    plain = DEFAULTS.replace(schedule="constant")
    assert settings == time_budget.fit(120, plain, [], keep_network=True).settings


def test_choosing_the_budget_again_brings_back_what_was_there(page, no_recipes):
    """Also after a second budget: both were fitted to what the visitor had set."""
    page.query_params["epochs"] = "7"
    page.run()
    budget(page).set_value(30).run()
    budget(page).set_value(600).run()
    budget(page).set_value(None).run()

    assert started(page) == DEFAULTS.replace(epochs=7)


def test_the_defaults_end_the_budget(page, no_recipes):
    """Without a limit no budget stays marked."""
    page.run()
    budget(page).set_value(60).run()
    (button,) = [button for button in page.button if button.label == "Defaults"]
    button.click().run()

    assert budget(page).value is None
    assert page.session_state["seconds_limit"] == 0


def test_a_recipe_replaces_the_network_unless_that_is_kept(page, one_recipe):
    """The visitor's own network comes back with the switch."""
    page.query_params["architecture"] = "mlp"
    page.run()
    budget(page).set_value(600).run()
    assert page.session_state["architecture"] == "softmax"

    (toggle,) = [toggle for toggle in page.toggle if toggle.label == "Keep my network"]
    toggle.set_value(True).run()

    assert not page.exception
    assert page.session_state["architecture"] == "mlp"
    assert page.session_state["seconds_limit"] > 0


def test_a_link_that_fixes_the_epochs_leaves_no_budget_to_choose(page):
    """A budget would change what the teacher has settled."""
    page.query_params["epochs"] = "3"
    page.query_params["fixed"] = "epochs"
    page.run()

    assert "Time budget" not in [group.label for group in page.button_group]


def test_too_little_time_is_told(page, no_recipes):
    """With an hour for start-up here, half a minute is too short, and why is said."""
    here = machine.describe()
    run = make_run("20260102-030405-cnn-aaaa", architecture="cnn")
    change_card(
        run, machine={"processor": here.processor, "num_cores": here.num_cores}, startup_seconds=3600.0
    )
    page.run()
    budget(page).set_value(30).run()

    assert "30 s are too short: start, test and export alone take 1 h 0 min" in words(page.warning)


def test_the_expected_accuracy_is_that_of_like_runs(page, monkeypatch):
    """300 test pictures are not the 10,000 of this dataset; with as many, a run with these settings is an example."""
    monkeypatch.setattr(expected_accuracy, "_recorded", lambda: ())
    run = make_run("20260102-030405-cnn-aaaa", **DEFAULTS.to_json())
    labels = "Expected test accuracy"
    assert labels not in [metric.label for metric in page.run().metric]

    metric = {"accuracy": 0.91, "correct": 9100, "n": 10_000, "interval": [0, 1], "loss": 0.3}
    change_card(run, metrics={"validation": metric, "test": metric})

    page.run()
    assert {metric.label: metric.value for metric in page.metric}[labels] == "about 91.0%"
    assert "95 % interval 90.4% to 91.5% on 10,000 test pictures" in words(page.caption)


def test_a_run_that_its_limit_ended_says_so(page):
    """It is finished, and not stopped or failed."""
    run = make_run("20260102-030405-softmax-aaaa")
    reason = "The time limit of 20 s of training was reached in epoch 2 of 9. The best epoch was kept."
    status = dataclasses.replace(run.stored_status(), reason=reason)
    disk.write_json(run.folder / "status.json", dataclasses.asdict(status))
    page.query_params["run"] = run.id
    page.run()

    assert reason in words(page.info)
    assert not page.warning
