"""The Train page for photos: its settings, what is known before Start, what is refused, and a run with its two parts."""

import dataclasses
from pathlib import Path

import numpy as np
import photo_models
import pytest
from run_folders import LOG, make_run, write_arrays
from streamlit.testing.v1 import AppTest

from fashion import datasets, disk, feature_store, jobs, machine, pretrained, recipes, runs
from fashion.settings import DEFAULTS, FIELDS, HOMEWORK_DEFAULTS, PHOTO_DEFAULTS, RunSettings, defaults_for
from fashion.ui import components, outlook_view, training_view

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")


@pytest.fixture(autouse=True)
def _photos_and_weights_are_here(monkeypatch, tmp_path):
    """No framework is asked, no worker started, and data and weights count as present: nothing here reads them."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    monkeypatch.setattr(datasets, "status", lambda name: datasets.DataStatus(name, True, tmp_path, ()))
    monkeypatch.setattr(pretrained, "obtainable", lambda name: True)
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FASHION_FEATURES", str(tmp_path / "features"))


def opened(**url: str) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=30)
    for key, value in url.items():
        at.query_params[key] = value
    return at.switch_page("pages/train.py").run()


def press(at: AppTest, label: str) -> AppTest:
    (button,) = [button for button in at.button if button.label == label]
    return button.click().run()


def choose_dataset(at: AppTest, name: str) -> AppTest:
    return at.button_group(key="dataset").set_value(name).run()


def words(elements) -> str:
    return " ".join(element.value for element in elements)


def controls(at: AppTest) -> set[str]:
    """The settings that have a control on the page."""
    kinds = (at.selectbox, at.number_input, at.slider, at.toggle, at.button_group)
    return {element.key for kind in kinds for element in kind} & set(FIELDS)


def started(at: AppTest) -> RunSettings:
    press(at, "Start")
    assert not at.exception
    (run,) = runs.list_runs()
    return run.settings


def test_a_link_to_the_photos_alone_gives_a_form_that_can_be_started():
    """?dataset=clothing, as a teacher would write it: a new head on EfficientNetV2-B0."""
    at = opened(dataset="clothing")

    assert not at.exception
    assert started(at) == PHOTO_DEFAULTS


def test_the_form_shows_how_many_training_pictures_there_are():
    """All 3,068 to begin with, and no more can be asked for; a run is told "all", so it equals one from elsewhere."""
    at = opened(dataset="clothing")
    pictures = at.number_input(key="num_train")
    assert (pictures.value, pictures.max) == (3068, 3068)
    assert "All that this dataset has." in words(at.caption)

    pictures.set_value(1000).run()
    assert "that this dataset has" not in words(at.caption)
    at.number_input(key="num_train").set_value(3068).run()
    assert started(at) == PHOTO_DEFAULTS

    pants_and_shirts = datasets.split_sizes("clothing", ("pants", "shirt"))["train"]
    homework = opened(dataset="clothing", architecture="homework", classes="pants,shirt")
    assert homework.number_input(key="num_train").value == pants_and_shirts


def test_all_training_pictures_remain_all_with_another_dataset():
    """All 6,000 drawings become all 55,000 of Fashion-MNIST, and come back after a visit to the photos; 6,000 chosen stay so."""

    def shown(dataset):
        at.button_group(key="dataset").set_value(dataset).run()
        assert not at.exception
        return at.number_input(key="num_train").value

    at = opened(dataset="sketches")
    assert at.number_input(key="num_train").value == 6000
    assert [shown(name) for name in ("fashion-mnist", "clothing", "sketches")] == [55_000, 3068, 6000]

    shown("fashion-mnist")
    at.number_input(key="num_train").set_value(6000).run()
    assert [shown(name) for name in ("clothing", "fashion-mnist")] == [3068, 6000]


@pytest.mark.parametrize(("asked", "shown"), [("2000", 2000), ("55000", 3068), ("60000", 3068)])
def test_a_link_may_ask_for_more_training_pictures_than_there_are(asked, shown):
    """A link made for another dataset, or by an earlier version: it means all."""
    at = opened(dataset="clothing", num_train=asked)

    assert not at.exception
    assert at.number_input(key="num_train").value == shown


def test_each_kind_of_pictures_has_its_own_settings():
    """Shift and width for small pictures; size, views and fine-tuning for photos, whose head alone changes no picture."""
    small, photos = controls(opened()), controls(opened(dataset="clothing"))

    assert {"shift", "zoom", "width", "flip"} <= small
    assert not {"image_size", "fine_tune", "crop", "mirror", "mixing", "views"} & small
    assert {"image_size", "fine_tune", "views", "mirror", "predict_size", "clean_labels"} <= photos
    assert not {"shift", "zoom", "width", "flip", "crop", "mixing", "fine_tune_rate"} & photos


def test_fine_tuning_brings_its_settings_and_the_random_changes():
    """They are of use as soon as photos themselves are looked at."""
    at = opened(dataset="clothing")
    at.selectbox(key="fine_tune").set_value("last").run()

    assert {"fine_tune_epochs", "fine_tune_rate", "flip", "crop", "colour", "erase", "mixing"} <= controls(at)


def test_several_views_bring_the_random_changes_but_no_mixing():
    """Views are changed photos; batches of vectors are not mixed."""
    at = opened(dataset="clothing")
    at.slider(key="views").set_value(3).run()

    assert {"flip", "crop", "colour"} <= controls(at)
    assert "mixing" not in controls(at)
    assert started(at) == PHOTO_DEFAULTS.replace(views=3, flip=True, crop=0.3, colour=0.2)


def test_several_views_keep_the_random_changes_that_were_set_and_need_one():
    """Another number of views changes nothing else; all changes taken back, the page says what to do."""
    at = opened(dataset="clothing")
    at.slider(key="views").set_value(3).run()
    at.slider(key="crop").set_value(0.0)
    at.slider(key="colour").set_value(0.0)
    at.slider(key="views").set_value(4).run()
    assert (at.toggle(key="flip").value, at.slider(key="crop").value) == (True, 0.0)

    at.toggle(key="flip").set_value(False).run()

    assert "Several stored views need a random change" in words(at.error)


def test_a_change_of_dataset_keeps_what_was_set_for_each():
    """There and back again: seven epochs for small pictures, 96 pixels for photos, and the seed for both."""
    at = opened()
    at.number_input(key="epochs").set_value(7)
    at.number_input(key="seed").set_value(5).run()

    choose_dataset(at, "clothing")
    assert (at.number_input(key="epochs").value, at.number_input(key="seed").value) == (20, 5)
    at.selectbox(key="image_size").set_value(96).run()
    choose_dataset(at, "sketches")
    assert at.number_input(key="epochs").value == 7
    assert at.selectbox(key="architecture").value == "strided"
    choose_dataset(at, "clothing")

    assert started(at) == PHOTO_DEFAULTS.replace(image_size=96, seed=5)


def test_what_is_hidden_is_left_at_its_default():
    """Fine-tuning was chosen, then a network from scratch: nothing of it is in the run."""
    at = opened(dataset="clothing", fine_tune="all", fine_tune_epochs="9", image_size="96")
    at.selectbox(key="architecture").set_value("resnet").run()

    assert "fine_tune_epochs" not in controls(at)
    assert started(at) == defaults_for("clothing", "resnet")


def test_the_homework_network_comes_with_the_homework_settings():
    """It tells two classes apart; choosing it alone would be a contradiction."""
    at = opened(dataset="clothing")
    at.selectbox(key="architecture").set_value("homework").run()

    assert not at.error, words(at.error)
    assert started(at) == HOMEWORK_DEFAULTS


def test_a_link_with_all_settings_restores_them():
    """Every setting that a fine-tuned run has, in the plain names of a link."""
    settings = PHOTO_DEFAULTS.replace(
        architecture="mobilenetv2-035", image_size=200, predict_size=224, mirror=True, fine_tune="last",
        fine_tune_epochs=4, fine_tune_rate=0.0002, flip=True, crop=0.3, colour=0.2, rotate=10.0, erase=0.1, mixing=0.5,
        balance=0.5, clean_labels=True, views=2, epochs=7, batch_size=16, learning_rate=0.002, inner_width=96, seed=3,
        predict_fit="between",
    )  # fmt: skip

    at = opened(**{name: str(value) for name, value in settings.to_json().items()})

    assert not at.exception
    assert not at.warning
    assert started(at) == settings


TEACHER, OTHER = "20260102-120000-photo-0001", "20260102-120000-photo-0002"


def test_a_teacher_is_chosen_among_the_models_that_know_the_same_classes():
    """Not among those for 28x28 pictures; the run remembers it."""
    photo_models.make_run(TEACHER)
    other = make_run("20260102-120000-small-0001")

    at = opened(dataset="clothing")
    choice = at.selectbox(key="teachers")

    assert choice.value == ""
    assert any("photo-0001" in option for option in choice.options)
    assert not any(other.id in option for option in choice.options)
    choice.set_value(TEACHER).run()
    press(at, "Start")
    assert not at.exception
    assert [run.settings.teachers for run in runs.list_runs()][:1] == [TEACHER]


def test_a_link_may_name_several_teachers():
    """They stay together; one that is not here is told, and none is used."""
    photo_models.make_run(TEACHER)
    photo_models.make_run(OTHER)

    at = opened(dataset="clothing", teachers=f"{TEACHER},{OTHER}")
    assert at.selectbox(key="teachers").value == f"{TEACHER},{OTHER}"

    at = opened(dataset="clothing", teachers="20260102-120000-gone-0009")
    assert at.selectbox(key="teachers").value == ""
    assert "teachers" in words(at.warning)


def test_a_link_to_the_photos_counts_more_than_what_was_set_before():
    """A visitor who has trained on small pictures follows a link of the course."""
    at = opened()
    at.number_input(key="epochs").set_value(7).run()
    at.switch_page("streamlit_app.py").run()

    at.query_params["dataset"] = "clothing"
    at.query_params["epochs"] = "11"
    at.switch_page("pages/train.py").run()

    assert started(at) == PHOTO_DEFAULTS.replace(epochs=11)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (
            {"architecture": "efficientnetv2-b0"},
            "`architecture` must be one of softmax, mlp, strided, cnn, resnet.",
        ),
        ({"dataset": "clothing", "image_size": "20"}, "`image_size` must be between 28 and 320."),
        ({"dataset": "clothing", "fine_tune": "some"}, "`fine_tune` must be one of none, last, all."),
    ],
)
def test_a_setting_that_does_not_go_with_the_dataset_is_named(url, complaint):
    """Or that no run can have; the default is used."""
    at = opened(**url)

    assert not at.exception
    assert complaint in words(at.warning)


def test_presets_fill_in_the_form():
    """One press from the head to a network from scratch."""
    at = opened(dataset="clothing")

    press(at, "CNN from scratch, for contrast")

    assert started(at) == recipes.beginnings("clothing")["CNN from scratch, for contrast"]


def test_the_link_says_what_a_preset_filled_in():
    """Also of settings that had no control before, so that whoever opens it gets the same run."""
    preset = "Fine-tune the last blocks"
    at = press(opened(dataset="clothing"), preset)
    link = {name: at.query_params[name] for name in FIELDS if name in at.query_params}

    assert {"fine_tune", "crop", "flip", "colour", "batch_size"} <= set(link)
    assert started(opened(**link)) == recipes.beginnings("clothing")[preset]


def test_every_preset_can_be_started_within_the_default_memory():
    """What the page itself offers, it does not refuse."""
    for settings in recipes.beginnings("clothing").values():
        assert outlook_view.memory_need.refusal(settings, jobs.Limits().memory_bytes) is None


def test_defaults_stay_with_the_photos():
    """The button puts the settings back, not the dataset."""
    at = opened(dataset="clothing", epochs="3")

    press(at, "Defaults")

    assert at.button_group(key="dataset").value == "clothing"
    assert started(at) == PHOTO_DEFAULTS


def test_what_would_not_fit_into_memory_is_refused_before_the_start():
    """Fine-tuning all layers in batches of 32: both numbers, what to choose, and how to raise the limit."""
    at = opened(dataset="clothing", fine_tune="all")

    said = words(at.error)
    assert "must fit into the 2,200 MB" in said
    assert "FASHION_MEMORY_MB" in said
    assert "Start" not in [button.label for button in at.button]


def test_without_weights_the_way_to_stored_vectors_is_offered(monkeypatch):
    """No internet, no weights, but the vectors of one network come with the app: a press leads to a run that works."""
    missing = "MobileNetV2 needs the weights file."
    monkeypatch.setattr(
        feature_store, "obstacle", lambda settings: missing if settings != PHOTO_DEFAULTS else None
    )
    at = opened(dataset="clothing", architecture="mobilenetv2")
    assert missing in words(at.error)
    assert "Start" not in [button.label for button in at.button]

    press(at, "Train a head on stored vectors")

    assert started(at) == PHOTO_DEFAULTS


def test_the_expected_time_names_its_parts():
    """68 s for the vectors of 3,781 photos at 18 ms each, on which nothing was measured here."""
    at = opened(dataset="clothing")

    assert "vectors of the photos 68 s" in words(at.caption)
    assert "nothing was measured here yet" in words(at.caption)


# A run as it goes on

TUNED = PHOTO_DEFAULTS.replace(fine_tune="last", fine_tune_epochs=3, image_size=96)


def running(**status) -> tuple[runs.Run, AppTest]:
    run = runs.create(TUNED)
    fields = {"state": "running", "phase": "training", "heartbeat": 4e9, "num_epochs": 23, "num_steps": 95}
    disk.write_json(run.folder / "status.json", dataclasses.asdict(runs.Status(**(fields | status))))
    at = AppTest.from_file(ENTRY, default_timeout=30)
    at.query_params["run"] = run.id
    return run, at.switch_page("pages/train.py")


@pytest.fixture
def bars(monkeypatch):
    """The progress bars that were drawn: fraction and words."""
    drawn = []
    monkeypatch.setattr(
        training_view.st, "progress", lambda fraction, words="": drawn.append((fraction, words))
    )
    return drawn


def test_photos_that_become_vectors_are_counted(bars):
    """How many of how many, and the time left."""
    _, at = running(phase="features", step=1200, num_steps=3781, seconds_left=46.0)

    at.run()

    assert not at.exception
    assert bars[-1] == (1200 / 3781, "Turning photos into vectors, 1,200 of 3,781 · 46 s left")
    assert "when all photos have become vectors" in words(at.caption)


def test_photos_that_pass_through_the_finished_network_are_counted(bars):
    """Of a network that was fine-tuned all 3,068, which takes minutes; what cannot be counted is said without numbers."""
    _, at = running(phase="comparing", epoch=23, step=320, num_steps=3068, seconds_left=100.0)
    at.run()
    assert bars[-1] == (320 / 3068, "Looking at the training photos, 320 of 3,068 · 1 min 40 s left")

    _, at = running(phase="exporting", epoch=23, num_steps=0)
    at.run()
    assert bars[-1] == (1.0, "Exporting the model for prediction …")


def test_a_mean_of_weights_has_no_curves():
    """It says why; its accuracies and the way to a photo are there."""
    run = make_run("20260102-120000-mean-0001", **TUNED.replace(mean_of="a,b").to_json())
    at = AppTest.from_file(ENTRY, default_timeout=30)
    at.query_params["run"] = run.id

    at.switch_page("pages/train.py").run()

    assert not at.exception
    assert "Nothing was trained here" in at.info[0].value
    assert "Time for the mean" in [one.label for one in at.metric]
    assert "Images per second" not in [one.label for one in at.metric]


def test_the_head_is_only_the_first_part(bars):
    """Its fast epochs do not promise an early end: fine-tuning follows."""
    _, at = running(epoch=4, step=0, seconds_left=3.0, images_per_second=7000.0)

    at.run()

    assert bars[-1] == (4 / 20, "The new head: epoch 5 of 20 · 7,000 images/s · then fine-tuning")


def test_fine_tuning_counts_its_own_epochs(bars):
    """The head stopped early after 2 of its 20; a third of the first of three epochs is done."""
    run, at = running(
        epoch=2, step=30, num_steps=90, num_epochs=5, seconds_left=200.0, images_per_second=14.0
    )
    (run.folder / "head.json").write_text('{"epochs": 2}')
    (run.folder / "log.csv").write_text("\n".join(LOG.splitlines()[:3]) + "\n")

    at.run()

    assert not at.exception
    fraction, said = bars[-1]
    assert fraction == pytest.approx(1 / 9)
    assert said == "Fine-tuning: epoch 1 of 3 · 14 images/s · 3 min 20 s left"


def test_the_speed_of_the_head_is_no_promise_for_fine_tuning(bars):
    """Before the first slow step, what is known of speed and time is the head's."""
    run, at = running(epoch=2, step=0, num_epochs=5, seconds_left=0.2, images_per_second=7000.0)
    (run.folder / "head.json").write_text('{"epochs": 2}')

    at.run()

    assert bars[-1] == (0.0, "Fine-tuning: the first step, which builds the network's program …")


def test_the_curve_marks_where_fine_tuning_begins():
    """A line at the last epoch of the head; none where there is only one part."""
    log, steps = runs.Run(Path("none")).log(), runs.Run(Path("none")).steps()

    marked = training_view.curve(steps, log, "loss", 5, head_epochs=2).to_dict()
    plain = training_view.curve(steps, log, "loss", 5).to_dict()

    kinds = [layer["mark"]["type"] for layer in marked["layer"]]
    assert kinds[-2:] == ["rule", "text"]
    assert "rule" not in [layer["mark"]["type"] for layer in plain["layer"]]
    assert [{"epoch": 2, "words": "fine-tuning"}] in marked["datasets"].values()


def test_the_planned_learning_rate_has_both_parts():
    """20 epochs at 0.001, then three at a tenth of it."""
    table = outlook_view.schedule_table(TUNED.replace(epochs=20, learning_rate=0.001, schedule="constant"))

    assert table.epoch.max() == 23
    assert set(table["learning rate"][table.epoch < 20]) == {0.001}
    assert set(table["learning rate"][table.epoch > 20]) == {0.0001}
    assert outlook_view.schedule_table(DEFAULTS.replace(epochs=5)).epoch.max() == 5


def test_probe_pictures_are_shown_in_colour(monkeypatch, bars):
    """Of the photos, not of small grey pictures; answers are read as for any run."""
    run, at = running(epoch=1)
    (run.folder / "log.csv").write_text("\n".join(LOG.splitlines()[:2]) + "\n")
    probabilities = np.full((1, 3, 10), 0.1)
    write_arrays(run, "probes.npz", indices=np.array([0, 2, 5]), probabilities=probabilities)
    images = np.random.default_rng(0).integers(0, 255, (6, 16, 16, 3), dtype=np.uint8)
    splits = {name: datasets.Split(name, images, np.zeros(6, np.uint8)) for name in datasets.SPLIT_NAMES}
    dataset = datasets.Dataset(info=datasets.DATASETS["clothing"], digest="0", **splits)
    monkeypatch.setattr(datasets, "load", lambda name: dataset)
    shown = []
    monkeypatch.setattr(
        components, "picture_grid", lambda images, captions, **_: shown.append((images, captions))
    )

    at.run()

    assert not at.exception
    pictures, captions = shown[-1]
    assert [np.asarray(picture).shape for picture in pictures] == [(16, 16, 3)] * 3
    assert captions[0] == "✓ dress\u00a010%"
