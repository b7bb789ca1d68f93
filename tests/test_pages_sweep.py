"""Several values at once on the Train page: chosen or from a link, refused in words, started as one group, and watched."""

import time

import pandas as pd
import pytest
from run_folders import make_run
from runs_page import toy_machine, words
from streamlit.testing.v1 import AppTest
from test_pages_train import ENTRY, press

from fashion import estimate, runs, sweep_results
from fashion.settings import RunSettings
from fashion.ui import charts, sweep_results_view

GROUP = "sweep-0123abcd"


@pytest.fixture(autouse=True)
def _machine(monkeypatch, tmp_path):
    """A toy dataset, no GPU question, and queued runs stay queued."""
    toy_machine(monkeypatch, tmp_path)


def open_train(**url: str) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=30)
    for key, value in url.items():
        at.query_params[key] = value
    return at.switch_page("pages/train.py").run()


def starts(at: AppTest) -> list[str]:
    return [button.label for button in at.button if button.label.startswith("Start ")]


def test_values_and_seeds_from_a_link_start_as_one_group():
    """Two rates with two seeds: four runs of one group, which the link then names."""
    at = open_train(vary="learning_rate:0.1,0.01", seeds="2", architecture="softmax")
    assert "**4 runs (2 x 2 seeds)**" in words(at)

    press(at, "Start 4 runs")

    found = sweep_results.of_group(at.query_params["sweep"])
    assert [(run.settings.learning_rate, run.settings.seed) for run in found] == [
        (0.1, 1), (0.01, 1), (0.1, 2), (0.01, 2),
    ]  # fmt: skip
    assert "4 runs, one after another" in words(at)
    assert not at.exception


def test_values_written_into_the_form_stand_in_the_link():
    """One text box for each setting chosen; what is written is what is planned, and what the link restores."""
    at = open_train()
    at.multiselect(key="_varied").set_value(["epochs"]).run()

    at.text_input(key="_values_epochs").set_value("1, 2, 3").run()

    assert starts(at) == ["Start 3 runs"]
    assert at.query_params["vary"] == "epochs:1,2,3"


def test_a_bad_value_is_named_and_nothing_can_be_started():
    """The single run can still be."""
    at = open_train()
    at.multiselect(key="_varied").set_value(["epochs"]).run()

    at.text_input(key="_values_epochs").set_value("1, many").run()

    assert "Received: epochs='many'" in words(at)
    assert starts(at) == []
    assert "Start" in [button.label for button in at.button]


def test_too_many_runs_are_refused_with_their_number():
    """Five rates with ten seeds are fifty."""
    at = open_train(vary="learning_rate:0.1,0.2,0.3,0.4,0.5", seeds="10")

    assert "At most 24 runs can be made at once. Received: 50, which would take about" in words(at)
    assert starts(at) == []


def test_a_hostile_link_is_told_and_harms_nothing():
    """Names and numbers that are none; what is left is an ordinary page."""
    at = open_train(vary="<b>:1;seed:1,2;momentum:0.1,0.2", seeds="1e9", sweep="../../etc")

    assert not at.exception
    told = words(at)
    assert "The link names a sweep that is not here" in told
    assert "`seeds` must be a whole number from 1 to 10" in told
    (sweep,) = [one for one in at.expander if one.label == "Several values at once"]
    assert sweep.proto.expanded, "what is wrong with the link would stand in a closed section"
    assert told.count("From the link") >= 3
    assert starts(at) == []


def sweep_folder(**status) -> None:
    """Two rates, the second with 20 more mistakes."""
    for number, (rate, wrong) in enumerate(
        [(0.1, {}), (0.01, {"wrong": {(4, 2): 5, (6, 0): 7, (1, 3): 20}})]
    ):
        run = make_run(f"20260102-030405-softmax-{number}aaa", learning_rate=rate, **wrong)
        runs.set_status(run, group=GROUP, created=float(number), **status)


def test_a_finished_sweep_says_which_is_best_and_hands_its_settings_back():
    """The sentence, the caveat, and the form with the best rate."""
    sweep_folder()
    at = open_train(sweep=GROUP)
    assert not at.exception
    assert "learning rate 0.1 is better than learning rate 0.01: by 6.67 percentage points" in words(at)
    assert "The best of 2 was chosen" in words(at)

    press(at, "Use the best settings")

    assert at.number_input(key="learning_rate").value == 0.1
    assert at.selectbox(key="architecture").value == "softmax"
    assert "sweep" not in at.query_params


def test_a_sweep_under_way_is_stopped_as_a_whole():
    """Waiting runs end at once, and the form names the sweep once, not each of its runs."""
    at = open_train(vary="learning_rate:0.1,0.01,0.001", architecture="softmax")
    press(at, "Start 3 runs")
    group = at.query_params["sweep"]
    press(at, "New run")
    assert [button.label for button in at.button if button.label.startswith("Watch")] == [
        "Watch: 3 unfinished runs of a sweep"
    ]
    press(at, "Watch: 3 unfinished runs of a sweep")

    press(at, "Stop all")

    assert all(runs.stop_request(run) for run in sweep_results.of_group(group))


def test_where_a_sweep_stands_in_the_line_is_told(monkeypatch):
    """One run of another visitor goes first."""
    other = runs.create(RunSettings())
    runs.set_status(other, created=time.time() - 60)
    monkeypatch.setattr(estimate, "waiting_seconds", lambda ahead, *_: 40.0 * len(ahead))
    at = open_train(vary="learning_rate:0.1,0.01", architecture="softmax")

    press(at, "Start 2 runs")

    (bar,) = at.get("progress")
    assert bar.proto.text.startswith(
        "0 of 2 runs done · Waiting: 1 run before the next; about 40 s until it begins"
    )


def test_the_runs_page_leads_back_to_the_sweep():
    """A run of a sweep, opened alone."""
    sweep_folder()
    at = AppTest.from_file(ENTRY, default_timeout=30)
    at.query_params["open"] = "20260102-030405-softmax-0aaa"

    at.switch_page("pages/runs.py").run()

    assert not at.exception
    assert "All runs of its sweep" in [link.proto.label for link in at.get("page_link")]


def test_several_ticked_runs_are_answered_in_a_sentence():
    """Three rates on the Runs page: the best two by validation, on the test pictures."""
    sweep_folder()
    make_run("20260102-030405-softmax-2aaa", learning_rate=0.001, wrong={(1, 3): 30, (2, 4): 30})
    at = AppTest.from_file(ENTRY, default_timeout=30)
    at.query_params["runs"] = ",".join(f"20260102-030405-softmax-{number}aaa" for number in (2, 1, 0))

    at.switch_page("pages/runs.py").run()

    assert not at.exception
    assert "Of the best two by validation, softmax-0aaa is better than softmax-1aaa: by 6.67" in words(at)


def test_a_combination_has_its_colour_before_its_first_curve():
    """Of three, only the second has begun: it has the second colour, and the legend names it alone."""
    values = pd.DataFrame(
        {
            "combination": ["b"],
            "epoch": [1],
            "accuracy": [0.5],
            "lowest": [0.5],
            "highest": [0.5],
            "seeds": [1],
        }
    )

    chart = sweep_results_view.curve_chart(values, ["a", "b", "c"], ["a", "b", "c"], "Rate").to_dict()

    colour = chart["layer"][1]["encoding"]["color"]
    assert colour["scale"] == {"domain": ["a", "b", "c"], "range": list(charts.CLASS_COLOURS[:3])}
    assert colour["legend"]["values"] == ["b"]


def test_more_combinations_than_colours_leave_the_others_grey():
    """Only "b" is among the coloured; "a" is drawn under the name of all others."""
    row = {"epoch": 1, "accuracy": 0.5, "lowest": 0.5, "highest": 0.5, "seeds": 1}
    values = pd.DataFrame([{"combination": label} | row for label in ("a", "b")])

    chart = sweep_results_view.curve_chart(values, ["a", "b"], ["b"], "Rate").to_dict()

    colour = chart["layer"][1]["encoding"]["color"]
    assert colour["scale"]["domain"] == ["b", "others"]
    assert colour["scale"]["range"][1] == charts.MIDDLE_GREY
    assert colour["legend"]["values"] == ["b", "others"]


def test_one_result_alone_is_not_called_the_best():
    """The other run was stopped before its first epoch: nothing was chosen among."""
    sweep_folder()
    other = runs.find("20260102-030405-softmax-1aaa")
    (other.folder / "card.json").unlink()
    (other.folder / "log.csv").write_text("")
    runs.set_status(other, state="stopped", reason="Stopped by hand.")

    at = open_train(sweep=GROUP)

    assert not at.exception
    assert "Use these settings" in [button.label for button in at.button]
    assert "(best)" not in " ".join(at.table[0].value.iloc[:, 0])
