"""A teacher's preset link fixes some settings and hides others; what it says wrongly is named and passed over."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from fashion import datasets, jobs, machine, presets, runs
from fashion.presets import Preset
from fashion.settings import DEFAULTS, PHOTO_DEFAULTS

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")


def test_a_link_says_what_is_fixed_and_what_is_hidden():
    """Values that the link gives count; a fixed setting without one is fixed at its default."""
    preset, problems = presets.read("epochs, batch_size", "optimizer", {"epochs": 3, "width": 2.0})

    assert problems == []
    assert preset.pinned == {"epochs": 3, "batch_size": DEFAULTS.batch_size, "optimizer": DEFAULTS.optimizer}
    assert preset.settings.width == 2.0


def test_a_link_without_lists_is_no_preset():
    """An ordinary link leaves everything free."""
    assert presets.read("", " , ", {"epochs": 3}) == (None, [])


def test_unknown_names_are_told_and_passed_over():
    """However many and however long they are; the others hold."""
    hostile = ",".join(["epochs", "__class__", "a" * 300, *(f"x{number}" for number in range(9))])

    preset, (problem,) = presets.read(hostile, "", {})

    assert preset.fixed == ("epochs",)
    assert "'__class__'" in problem
    assert "and 6 more" in problem
    assert "a" * 41 not in problem


def test_a_setting_both_fixed_and_hidden_is_shown():
    """The milder of the two holds, and it is said."""
    preset, (problem,) = presets.read("epochs", "epochs,seed", {})

    assert (preset.fixed, preset.hidden) == (("epochs",), ("seed",))
    assert "Received both of `epochs`" in problem


def test_settings_that_contradict_each_other_fix_nothing():
    """A student could not mend them."""
    preset, (problem,) = presets.read(
        "weight_decay,optimizer", "", {"weight_decay": 0.01, "optimizer": "adam"}
    )

    assert preset is None
    assert "`weight_decay` works with the optimizers sgd and adamw" in problem


def test_the_link_of_a_preset_reads_back_as_the_same_preset():
    """What is fixed or hidden is written out, also at its default."""
    settings = PHOTO_DEFAULTS.replace(epochs=7, flip=True)
    preset = Preset(settings, ("dataset", "epochs", "clean_labels"), ("dropout",))

    link = presets.parameters(preset, {"epochs": "7", "flip": "true"})

    assert link == {
        "dataset": "clothing", "epochs": "7", "clean_labels": "true", "dropout": "0.5", "flip": "true",
        "fixed": "dataset,epochs,clean_labels", "hidden": "dropout",
    }  # fmt: skip
    linked = {"dataset": "clothing", "epochs": 7, "clean_labels": True, "dropout": 0.5, "flip": True}
    again, problems = presets.read(link["fixed"], link["hidden"], linked)
    assert (again, problems) == (preset, [])


def test_the_notice_names_what_is_fixed_and_counts_what_is_hidden():
    """Few names are read, many are not."""
    some = presets.in_words(Preset(DEFAULTS, ("epochs", "batch_size"), ("seed",)))
    many = presets.in_words(Preset(DEFAULTS, (), ("seed", "width", "flip", "shift", "zoom", "erase")))

    assert some == "Your teacher's link fixes **Epochs** and **Batch size** and hides **Seed**."
    assert many == "Your teacher's link hides 6 settings."


# On the page


@pytest.fixture(autouse=True)
def _no_gpu_no_worker_no_data(monkeypatch, tmp_path):
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    monkeypatch.setattr(datasets, "status", lambda name: datasets.DataStatus(name, True, tmp_path, ()))


def train_page(**url: str) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=30)
    for key, value in url.items():
        at.query_params[key] = value
    at.switch_page("pages/train.py").run()
    assert not at.exception
    return at


def control(at: AppTest, label: str) -> list:
    kinds = (at.number_input, at.selectbox, at.toggle, at.slider)
    return [one for kind in kinds for one in kind if one.label == label]


def press(at: AppTest, label: str) -> AppTest:
    (button,) = [button for button in at.button if button.label == label]
    at = button.click().run()
    assert not at.exception
    return at


def captions(at: AppTest) -> str:
    return " ".join(one.value for one in at.caption)


def test_a_student_sees_fixed_settings_locked_and_hidden_ones_not_at_all():
    """And the run is started with all of them."""
    at = train_page(epochs="3", optimizer="sgd", fixed="epochs", hidden="optimizer,seed", width="0.5")

    (epochs,) = control(at, "Epochs")
    assert (epochs.value, epochs.disabled) == (3, True)
    assert control(at, "Optimizer") == control(at, "Seed") == []
    assert not control(at, "Width")[0].disabled
    assert "Your teacher's link fixes **Epochs** and hides **Optimizer** and **Seed**." in captions(at)
    press(at, "Start")
    (run,) = runs.list_runs()
    assert (run.settings.epochs, run.settings.optimizer, run.settings.width) == (3, "sgd", 0.5)


def test_the_preset_is_still_there_after_a_visit_to_another_page():
    """And its values stand in the link again, for who copies it."""
    at = train_page(epochs="3", optimizer="sgd", fixed="epochs", hidden="optimizer")

    at.switch_page("pages/dataset.py").run()
    at.query_params.clear()
    at.switch_page("pages/train.py").run()

    assert not at.exception
    (epochs,) = control(at, "Epochs")
    assert (epochs.value, epochs.disabled) == (3, True)
    written = {key: "".join(value) for key, value in at.query_params.items()}
    assert (written["epochs"], written["fixed"], written["hidden"]) == ("3", "epochs", "optimizer")


def test_a_student_can_leave_the_preset():
    """All controls come back, with the values of the link."""
    at = press(train_page(epochs="3", fixed="epochs", hidden="seed"), "Show all settings")

    (epochs,) = control(at, "Epochs")
    assert (epochs.value, epochs.disabled) == (3, False)
    assert len(control(at, "Seed")) == 1
    assert "Your teacher's link" not in captions(at)


def test_defaults_are_those_of_the_preset():
    """The button does not free what the link fixed."""
    at = train_page(epochs="3", width="0.5", fixed="epochs")
    control(at, "Width")[0].set_value(2.0).run()

    press(at, "Defaults")

    assert control(at, "Width")[0].value == 0.5
    assert control(at, "Epochs")[0].disabled


def test_a_fixed_dataset_is_named_and_cannot_be_changed():
    """Its settings follow, as those of any link."""
    at = train_page(dataset="sketches", fixed="dataset")

    assert any("Dataset: **Drawn garments**" in one.value for one in at.markdown)
    press(at, "Start")
    assert runs.list_runs()[0].settings.dataset == "sketches"


def test_a_bad_link_is_told_on_the_page_and_the_rest_of_it_holds():
    """Nothing of it becomes a link or a picture."""
    at = train_page(fixed="epochs,![x](http://evil.example/a.png)", epochs="100000")

    told = " ".join(one.value for one in at.warning)
    assert "`epochs` must be between 1 and 200" in told
    assert "must name settings" in told
    assert "![x]" not in told
    (epochs,) = control(at, "Epochs")
    assert (epochs.value, epochs.disabled) == (DEFAULTS.epochs, True)


def test_everything_can_be_hidden():
    """Then there is a Start button and nothing to set."""
    at = train_page(hidden=",".join(name for name in presets.FIELDS))

    assert control(at, "Epochs") == []
    press(at, "Start")
    assert runs.list_runs()[0].settings == DEFAULTS


def test_a_teacher_copies_a_link_that_does_what_was_chosen():
    """The link in the box, opened, fixes and hides just that."""
    at = AppTest.from_file(ENTRY, default_timeout=30).switch_page("pages/train.py")
    at.query_params["width"] = "2.0"
    at.session_state["_link_fixed"] = ["epochs"]
    at.session_state["_link_hidden"] = ["seed", "no-such-setting"]
    at.session_state["_preset_maker"] = True
    at.run()
    assert not at.exception

    (link,) = [one.value for one in at.code if "fixed=" in one.value]
    url = {key: values[0] for key, values in parse_qs(urlsplit(link).query).items()}

    assert url["fixed"] == "epochs"
    assert url["hidden"] == "seed"
    assert (url["epochs"], url["width"]) == (str(DEFAULTS.epochs), "2.0")
    again = train_page(**url)
    assert control(again, "Epochs")[0].disabled
    assert control(again, "Seed") == []
