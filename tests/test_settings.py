"""One table of settings decides what is allowed, for forms, links, files and the command line alike."""

import dataclasses
import json

import pytest

from fashion import settings
from fashion.errors import SettingsError
from fashion.setting_fields import applies
from fashion.settings import FIELDS, RunSettings, learning_rate_at


def test_every_setting_has_a_field_and_every_field_a_setting():
    """The table and the dataclass name the same things in the same order."""
    assert list(FIELDS) == [field.name for field in dataclasses.fields(RunSettings)]


def test_every_number_may_take_its_limits():
    """Both ends of each range are allowed, so that a slider's ends work."""
    for name, field in FIELDS.items():
        if field.low is not None:
            field.check(name, field.kind(field.low))
            field.check(name, field.kind(field.high))


def test_settings_survive_json():
    """`from_json` is the exact inverse of `to_json`, through real JSON text."""
    chosen = RunSettings(dataset="sketches", learning_rate=0.003, flip=True, device="gpu:1", seed=2**31 - 1)

    assert RunSettings.from_json(json.loads(json.dumps(chosen.to_json()))) == chosen


def test_what_is_absent_takes_its_default():
    """A link may name a single setting."""
    assert RunSettings.from_json({"epochs": 3}) == RunSettings(epochs=3)


def test_a_whole_number_becomes_a_float_where_one_is_meant():
    """1 and 1.0 are the same width, so that two runs with it compare equal."""
    assert repr(RunSettings(width=1).width) == "1.0"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 0}, "`epochs` must be between 1 and 200. Received: epochs=0"),
        ({"epochs": 2.0}, "`epochs` must be a whole number"),
        ({"epochs": True}, "`epochs` must be a whole number"),
        ({"epochs": "5"}, "`epochs` must be a whole number"),
        ({"epochs": None}, "`epochs` must be a whole number"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be between"),
        ({"learning_rate": 10**400}, "`learning_rate` must be between"),
        ({"flip": 1}, "`flip` must be true or false"),
        ({"architecture": "transformer"}, "`architecture` must be one of softmax, mlp, strided, cnn, resnet"),
        ({"dataset": ["sketches"]}, "`dataset` must be one of"),
        ({"device": 0}, "`device` must be a text"),
        ({"device": "gpu"}, "`device` must be cpu or gpu:N"),
        ({"device": "gpu:-1"}, "`device` must be cpu or gpu:N"),
        ({"device": "gpu:0,1"}, "`device` must be cpu or gpu:N"),
        ({"batch_size": 512, "num_train": 200}, "`batch_size` must not exceed `num_train`"),
        (
            {"weight_decay": 0.01, "optimizer": "adam"},
            "`weight_decay` works with the optimizers sgd and adamw",
        ),
        ({"hue": "red"}, "Received: 'hue'. Remove them"),
        ([1, 2], "Settings must be a JSON object. Received: list"),
    ],
)
def test_what_is_not_allowed_is_refused_in_words(values, words):
    """The message names the setting, what it may be, and what came."""
    with pytest.raises(SettingsError) as caught:
        RunSettings.from_json(values)

    assert words in str(caught.value)


def test_texts_become_values():
    """From the command line and from links everything comes as text."""
    chosen = RunSettings.from_text(
        {"epochs": "7", "learning_rate": "1e-2", "flip": "Yes", "dataset": "sketches"}
    )

    assert chosen == settings.DEFAULTS.replace(epochs=7, learning_rate=0.01, flip=True, dataset="sketches")


@pytest.mark.parametrize(
    ("name", "text"),
    [("epochs", "7.5"), ("width", "wide"), ("flip", "maybe"), ("x", "1"), ("seed", "9" * 5000)],
)
def test_a_text_of_the_wrong_kind_is_refused(name, text):
    """A mistyped link says so instead of being ignored."""
    with pytest.raises(SettingsError, match=f"`{name}` must be|'{name}'"):
        RunSettings.from_text({name: text})


def test_differing_names_only_what_differs():
    """The table of a comparison needs no column for what is the same everywhere."""
    first = RunSettings(epochs=3, seed=1)

    assert settings.differing([first, first.replace(seed=2), first.replace(epochs=4)]) == ["epochs", "seed"]
    assert settings.differing([first]) == []


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("step", [1.0, 1.0, 0.1, 0.1, 0.01]),
        ("cosine", [1.0, 0.853553, 0.5, 0.146447, 0.0]),
        ("one-cycle", [0.1, 1.0, 0.67, 0.34, 0.01]),
    ],
)
def test_schedules_follow_their_definition(schedule, rates):
    """At 0, 25, 50, 75 and 100 % of the run, worked out by hand for a peak of 1."""
    chosen = RunSettings(learning_rate=1.0, schedule=schedule)

    assert [learning_rate_at(chosen, step, 100) for step in (0, 25, 50, 75, 100)] == pytest.approx(
        rates, abs=1e-6
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"dataset": "clothing"},
            "Clothing photos need `image_size` of at least 64. Received: image_size=28",
        ),
        ({"dataset": "clothing", "image_size": 224, "predict_size": 30}, "Received: predict_size=30"),
        ({"dataset": "clothing", "image_size": 224, "shift": 2}, "photos have `crop`. Received: shift=2"),
        ({"image_size": 224}, "The pictures of fashion-mnist are 28x28. Received: image_size=224"),
        ({"architecture": "efficientnetv2-b0"}, "EfficientNetV2-B0 needs colour photos"),
        ({"colour": 0.2}, "`colour` is for photos. Received: colour=0.2"),
        ({"predict_fit": "between"}, "`predict_fit` is for photos. Received: predict_fit=between"),
    ],
)
def test_photos_and_small_pictures_have_settings_of_their_own(values, words):
    """What fits only one of them is refused for the other, with what came and what to do."""
    with pytest.raises(SettingsError) as caught:
        RunSettings.from_json(values)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"flip": True}, {"rotate": 5}, {"erase": 0.1}, {"crop": 0.1}, {"colour": 0.1}]
)
def test_several_views_of_a_photo_need_a_random_change(change):
    """Else each view would cost a pass through the pretrained network and be the same photo."""
    values = settings.PHOTO_DEFAULTS.to_json() | {"views": 4}

    with pytest.raises(SettingsError, match=r"Received: views=4, and none of flip, .* views to 1"):
        RunSettings.from_json(values)
    assert RunSettings.from_json(values | change).views == 4


def test_a_network_from_scratch_has_no_use_for_views():
    """So it is not refused for having none to change."""
    assert settings.defaults_for("clothing", "cnn").replace(views=4, flip=False, crop=0, colour=0).views == 4


def test_all_epochs_are_those_of_the_head_and_of_fine_tuning():
    """Fine-tuning adds its epochs only where it is asked for, and only to a pretrained network."""
    head = RunSettings(
        dataset="clothing", architecture="mobilenetv2", image_size=96, epochs=10, fine_tune_epochs=4
    )

    assert head.num_epochs == 10
    assert head.replace(fine_tune="all").num_epochs == 14
    assert head.replace(fine_tune="all", architecture="cnn").num_epochs == 10


def test_a_network_judges_at_the_size_of_its_training_unless_told_otherwise():
    """0 stands for the image size."""
    settings = RunSettings(dataset="clothing", architecture="mobilenetv2", image_size=96)

    assert settings.judged_size == 96
    assert settings.replace(predict_size=128).judged_size == 128


def test_texts_for_the_photos_begin_at_a_new_head_on_a_pretrained_network():
    """`--dataset clothing` alone is a run; what is given counts more; the small pictures begin at the quick network."""
    chosen = RunSettings.from_text({"dataset": "clothing", "architecture": "mobilenetv2", "image_size": "96"})

    assert chosen == settings.PHOTO_DEFAULTS.replace(architecture="mobilenetv2", image_size=96)
    assert RunSettings.from_text({"dataset": "sketches"}) == settings.DEFAULTS.replace(dataset="sketches")
    assert settings.DEFAULTS.architecture == "strided"


@pytest.mark.parametrize(
    ("dataset", "architecture"),
    [
        *(("fashion-mnist", name) for name in settings.SCRATCH),
        *(("clothing", name) for name in settings.ARCHITECTURES),
    ],
)
def test_every_network_begins_with_settings_of_its_own_that_a_short_link_names(dataset, architecture):
    """Dataset and network are enough, on the command line as in a link."""
    begins = settings.defaults_for(dataset, architecture)

    assert begins.architecture == architecture
    assert set(settings.named_in_link(begins)) <= {"dataset", "architecture"}
    assert RunSettings.from_text(
        settings.named_in_link(begins.replace(seed=7)) | {"seed": "7"}
    ) == begins.replace(seed=7)


def test_a_network_that_this_dataset_has_not_is_no_reason_to_begin_elsewhere():
    """A link may name anything; what is wrong with it is said where it is read."""
    assert settings.defaults_for("fashion-mnist", "mobilenetv2") == settings.DEFAULTS
    assert settings.defaults_for("clothing", "no such network") == settings.PHOTO_DEFAULTS


@pytest.mark.parametrize(
    ("changes", "used", "unused"),
    [
        ({"dataset": "sketches"}, {"shift", "zoom", "flip", "width"}, {"crop", "image_size", "fine_tune"}),
        ({}, {"image_size", "views", "fine_tune"}, {"shift", "width", "flip", "mixing", "fine_tune_rate"}),
        ({"views": 2}, {"flip", "crop", "colour"}, {"mixing", "fine_tune_rate"}),
        ({"fine_tune": "all"}, {"flip", "crop", "mixing", "fine_tune_rate"}, {"shift", "width"}),
        ({"architecture": "cnn"}, {"flip", "crop", "mixing", "width"}, {"views", "fine_tune", "zoom"}),
    ],
)
def test_a_setting_applies_only_where_a_run_has_a_use_for_it(changes, used, unused):
    """The head alone changes no photo, only the pretrained can be tuned, and the small pictures have ways of their own."""
    values = settings.PHOTO_DEFAULTS.to_json() | changes
    if values["dataset"] == "sketches":
        values["architecture"] = "cnn"
    found = {name for name in FIELDS if applies(name, values)}

    assert used <= found
    assert not unused & found


def test_a_seed_that_is_too_large_is_told_the_limit_to_the_last_digit():
    """Not as 2.14748e+09."""
    with pytest.raises(
        SettingsError, match="`seed` must be between 0 and 2147483647. Received: seed=9999999999"
    ):
        RunSettings(seed=9_999_999_999)
