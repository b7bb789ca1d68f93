"""The Train page offers every setting, refuses bad ones in words, queues runs, and shows how they stand."""

import dataclasses
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fashion import datasets, disk, estimate, jobs, machine, runs
from fashion.settings import DEFAULTS, FIELDS, RunSettings, defaults_for
from fashion.ui import settings_view

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")


@pytest.fixture(autouse=True)
def _no_gpu_and_no_worker(monkeypatch):
    """No test asks a framework for devices, and queued runs stay queued."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)


_STATUS = datasets.status


@pytest.fixture(autouse=True)
def _data_is_here(monkeypatch, tmp_path):
    """Fashion-MNIST counts as present, also on a machine that lacks it: no test here looks at a picture."""
    monkeypatch.setattr(datasets, "status", lambda name: datasets.DataStatus(name, True, tmp_path, ()))


@pytest.fixture
def page():
    return AppTest.from_file(ENTRY, default_timeout=30).switch_page("pages/train.py")


def press(at: AppTest, label: str) -> AppTest:
    (button,) = [button for button in at.button if button.label == label]
    return button.click().run()


def words(elements) -> str:
    return " ".join(element.value for element in elements)


def test_every_setting_stands_in_exactly_one_tab():
    """Nothing that defines a training is out of a visitor's reach; a mean of weights is made on the Runs page."""
    placed = [*settings_view.FIRST, *(name for names in settings_view.TABS.values() for name in names)]

    assert sorted(placed) == sorted(set(FIELDS) - {"mean_of"})


def test_the_page_opens_with_the_defaults_and_their_cost(page):
    """A new visitor sees the number of parameters of the default network, and no complaint."""
    page.run()

    assert not page.exception
    assert not page.error
    assert {metric.label: metric.value for metric in page.metric}["Parameters"] == "29,658"


def test_what_the_expected_time_rests_on_stands_below_start(page):
    """Above it, a phone would cut off the button on arrival; the numbers themselves stand above."""
    page.run()

    told = [element for element in page.main if element.type in ("button", "caption", "metric")]
    names = [element.value if element.type == "caption" else element.label for element in told]
    basis = next(place for place, name in enumerate(names) if name.startswith("Time: "))
    assert names.index("Expected time") < names.index("Start") < basis


def test_a_press_fills_in_settings_that_belong_together(page):
    """A perceptron without normalisation gets a rate it can bear, instead of the quick network's; the dataset stays."""
    page.query_params["dataset"] = "sketches"
    page.run()

    press(page, "Multilayer perceptron")
    press(page, "Start")

    (run,) = runs.list_runs()
    assert (run.settings.architecture, run.settings.learning_rate) == ("mlp", 0.001)
    assert run.settings.dataset == "sketches"


def test_start_queues_a_run_with_the_chosen_settings_and_shows_it(page):
    """The run folder holds what the form said, and the link names the run."""
    page.run()
    page.number_input(key="epochs").set_value(3)
    page.selectbox(key="architecture").set_value("mlp")

    press(page.run(), "Start")

    (run,) = runs.list_runs()
    assert run.settings == defaults_for("fashion-mnist", "mlp").replace(epochs=3)
    assert page.query_params["run"] == run.id
    assert not page.exception


def test_what_was_left_alone_follows_the_network_and_what_was_set_stays(page):
    """The quick network's learning rate would ruin a perceptron; the visitor's own batch size and seed are kept."""
    page.run()
    page.number_input(key="batch_size").set_value(64)
    page.number_input(key="seed").set_value(5).run()

    page.selectbox(key="architecture").set_value("mlp").run()
    assert page.number_input(key="learning_rate").value == 0.001
    assert page.number_input(key="batch_size").value == 64
    page.number_input(key="epochs").set_value(9)
    page.selectbox(key="architecture").set_value("strided").run()

    press(page, "Start")
    (run,) = runs.list_runs()
    assert run.settings == DEFAULTS.replace(batch_size=64, seed=5, epochs=9)


def test_a_link_that_names_only_a_network_gets_what_suits_it(page):
    """As the one who sends the link sees it, too: nothing else is in it."""
    page.query_params["architecture"] = "mlp"
    page.run()
    press(page, "Start")

    (run,) = runs.list_runs()
    assert run.settings == defaults_for("fashion-mnist", "mlp")
    assert settings_view.link_to(run.settings) == {"architecture": "Multilayer perceptron"}


def test_without_the_dataset_there_is_a_way_to_get_it_or_to_do_without(page, monkeypatch, tmp_path):
    """On a machine with neither file nor internet, one click leads to training on drawn garments."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    monkeypatch.setattr(datasets, "status", _STATUS)
    page.run()
    assert {"Download", "Use drawn garments meanwhile"} <= {button.label for button in page.button}

    press(page, "Use drawn garments meanwhile")

    press(page, "Start")
    (run,) = runs.list_runs()
    assert run.settings.dataset == "sketches"


def test_a_contradiction_is_told_and_start_is_not_offered(page):
    """Weight decay without an optimizer that knows it: both values and the way out are named."""
    page.run()
    page.number_input(key="weight_decay").set_value(0.01).run()

    assert "weight_decay=0.01, optimizer='adam'" in words(page.error)
    assert "Start" not in [button.label for button in page.button]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("epochs", "0", "`epochs` must be between 1 and 200. Received: epochs=0."),
        ("epochs", "many", "`epochs` must be a whole number. Received: epochs='many'."),
        ("learning_rate", "nan", "Received: learning_rate=nan."),
        ("architecture", "../../etc", "`architecture` must be one of softmax, mlp, strided, cnn, resnet."),
        ("device", "gpu:7", "must be one of those on this machine: cpu. Received: device='gpu"),
    ],
)
def test_an_impossible_setting_in_a_link_is_named_and_the_default_used(page, name, value, complaint):
    """A mistyped or hostile link harms nothing and is not silently ignored."""
    page.query_params[name] = value

    page.run()

    assert not page.exception
    assert complaint in words(page.warning)
    assert getattr(DEFAULTS, name) == page.session_state[name]


def test_a_link_names_choices_plainly(page):
    """?architecture=resnet&epochs=3, as a teacher would write it, fills in the form."""
    page.query_params["architecture"] = "resnet"
    page.query_params["epochs"] = "3"

    page.run()

    assert page.selectbox(key="architecture").value == "resnet"
    assert page.number_input(key="epochs").value == 3


def test_a_run_that_is_not_there_is_named_and_the_form_shown(page):
    """A link to a deleted run, or to a path, leads to the form."""
    page.query_params["run"] = "../../etc/passwd"

    page.run()

    assert "Received: '../../etc/passwd'" in words(page.warning)
    assert "Start" in [button.label for button in page.button]


def test_a_damaged_run_is_named_and_the_form_shown(page):
    """Settings that cannot be read do not break the page."""
    run = runs.create(RunSettings())
    (run.folder / "settings.json").write_text("{")
    page.query_params["run"] = run.id

    page.run()

    assert not page.exception
    assert "must have a readable settings.json" in words(page.warning)


def test_a_visitor_may_not_fill_the_queue(page):
    """The fourth unfinished run of one visitor is refused, with the limit."""
    page.run()
    for _ in range(3):
        press(page, "Start")
        page = press(page, "New run")

    press(page, "Start")

    assert "may have 3 unfinished runs" in words(page.error)
    assert len(runs.list_runs()) == 3


def test_stop_asks_the_worker_to_stop(page):
    """The button leaves the file that the worker looks for at each step."""
    run = runs.create(RunSettings(), visitor=page.run().session_state["_visitor"])
    page.query_params["run"] = run.id

    press(page.run(), "Stop")

    assert runs.stop_request(run) == "Stopped by hand."


def test_the_very_run_that_somebody_had_made_is_offered_beside_start(page):
    """With the form's settings, seed included; a change in the form takes the offer away."""
    settings = DEFAULTS
    own = runs.create(settings, visitor=page.run().session_state["_visitor"])
    assert "_made_before" not in [
        button.key for button in page.run().button
    ]  # it is among the unfinished ones
    runs.set_status(own, state="stopped")
    run = runs.create(settings, visitor="somebody else")
    assert "Watch the run under way here" in [button.label for button in page.run().button]
    runs.set_status(run, state="finished", finished=time.time() - 300)
    (offer,) = [button for button in page.run().button if button.key == "_made_before"]
    assert offer.label == "Show the run made here 5 min ago"

    page.number_input(key="epochs").set_value(settings.epochs + 1).run()
    assert "_made_before" not in [button.key for button in page.button]
    page.number_input(key="epochs").set_value(settings.epochs).run()
    page.button(key="_made_before").click().run()

    assert not page.exception
    assert page.query_params["run"] in (run.id, [run.id])


def test_who_stops_another_s_run_is_told_that_others_may_watch(page):
    """In a class that watches one run, "Stop" alone would sound as if it ended only one's own looking."""
    run = runs.create(RunSettings(), visitor="somebody else")
    page.query_params["run"] = run.id

    button = page.run().button(key="_stop")

    assert button.label == "Stop for all"
    assert "others may be watching" in button.help


def test_waiting_runs_are_counted_in_words(page, monkeypatch):
    """One run goes first, two runs go; never "run(s)", neither before Start nor after."""
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    monkeypatch.setattr(estimate, "waiting_seconds", lambda ahead, *_: 40.0 * len(ahead))
    for _ in range(3):
        runs.create(RunSettings())
        time.sleep(0.01)  # the oldest is served first
        page.run()
    assert "3 unfinished runs on this machine go first, about 2 min." in words(page.caption)

    for (waiting, _), told in zip(
        jobs.active_runs(),
        (
            "Next in line.",
            "Waiting: 1 run before this one; about 40 s until it begins.",
            "Waiting: 2 runs before this one; about 80 s until it begins.",
        ),
        strict=True,
    ):
        page.query_params["run"] = waiting.id
        page.run()
        assert page.get("progress")[0].proto.text == told


def test_own_runs_are_told_from_those_of_others(page, monkeypatch):
    """One's own can be watched at once, with their place in line; a class's others are folded away."""
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    page.run()
    runs.create(RunSettings(), visitor="somebody else")
    time.sleep(0.01)
    runs.create(RunSettings(), visitor=page.session_state["_visitor"])

    page.run()

    assert [
        button.label.rpartition(", ")[2] for button in page.button if button.label.startswith("Watch")
    ] == [
        "number 1 in line",
        "next in line",
    ]
    assert page.get("popover")[0].proto.popover.label == "1 other unfinished run on this machine"


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("failed", "The loss must stay a number."),
        ("stopped", "Stopped by hand."),
        ("interrupted", "This run was cut off."),
    ],
)
def test_an_ended_run_says_why_in_words(page, state, shown):
    """The reason that the worker wrote is what the visitor reads."""
    run = runs.create(RunSettings())
    status = runs.Status(state=state, reason=shown, num_epochs=5)
    disk.write_json(run.folder / "status.json", dataclasses.asdict(status))
    page.query_params["run"] = run.id

    page.run()

    assert shown in words(page.error) + words(page.warning)
    assert "Start again" in [button.label for button in page.button]
    assert not page.exception


def test_a_running_run_shows_progress_and_curves(page):
    """Epoch, speed and time left stand on the bar, and the curve is drawn from the log."""
    run = runs.create(RunSettings(epochs=5))
    (run.folder / "log.csv").write_text(
        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n"
        "1,0.5,0.8,0.4,0.85,0.001,20,2750\n"
    )
    status = runs.Status(
        state="running", phase="training", heartbeat=4e9, epoch=1, num_epochs=5, step=10, num_steps=100,
        images_per_second=2750.0, seconds_left=75.0, best_epoch=1,
    )  # fmt: skip
    disk.write_json(run.folder / "status.json", dataclasses.asdict(status))
    page.query_params["run"] = run.id

    page.run()

    assert not page.exception
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics["Best validation accuracy"] == "85.0%"
    assert metrics["Images per second"] == "2,750"


def test_a_link_cannot_smuggle_a_picture_into_the_page(page):
    """What a link says is quoted as text: a Markdown picture would make every visitor's browser fetch it."""
    page.query_params["run"] = "![](https://example.org/seen.png)"

    page.run()

    (warning,) = page.warning
    assert "![" not in warning.value
    assert "https:" not in warning.value
