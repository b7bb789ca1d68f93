"""What a card says in words follows from the run's settings, card and answers."""

import numpy as np
import photo_models
import pytest
import run_folders
from run_folders import CLASSES, change_card, make_run

from fashion import clothing_files, disk, model_card, runs, summary
from fashion.errors import RunError
from fashion.settings import PHOTO_DEFAULTS, RunSettings

RUN = "20260102-030405-softmax-aaaa"
PHOTO_RUN = "20260102-120000-photo-0001"


def said_by(probabilities, labels):
    return summary.Predictions("test", np.array(probabilities, float), np.array(labels))


def photo_run(validation=(30, 40), test=(36, 40), **changes):
    """A run on photos that is right so often: labels 0, 1, 2, ... in validation, half of test are shoes (6)."""
    run = photo_models.make_run(PHOTO_RUN, **changes)
    arrays = {}
    for split, (correct, n) in {"validation": validation, "test": test}.items():
        labels = np.arange(n) % 10
        if split == "test":
            labels[: n // 2] = 6
        predicted = np.where(np.arange(n) < correct, labels, (labels + 1) % 10)
        arrays |= {f"{split}_probabilities": np.eye(10)[predicted], f"{split}_labels": labels}
    run_folders.write_arrays(run, "evaluation.npz", **arrays)
    return summary.summarise(run)


# What it learned from, and how


def test_a_network_from_scratch_says_that_it_began_from_nothing():
    """So all that it knows is in its pictures."""
    one = summary.summarise(make_run(RUN))

    words = model_card.origin(one, one.run.card())

    assert words[0].startswith("It learned from **300 pictures**, from a shop's catalogue")
    assert "28x28 grey pixels" in words[0]
    assert words[-1].startswith("It began from nothing")


def test_a_pretrained_network_names_what_it_began_from_and_its_licence():
    """As the card says, or, in older cards, as its architecture says."""
    one = photo_run()
    told = {"base": {"title": "MobileNetV2 (small)", "licence": "Apache"}}

    assert "**MobileNetV2, 0.35 wide**" in model_card.base(one, {})
    assert "Apache License 2.0" in model_card.base(one, {"base": None})
    assert "**MobileNetV2 (small)**" in model_card.base(one, told)
    assert "(Apache.)" in model_card.base(one, told)


def test_photos_left_out_for_their_doubtful_labels_are_counted():
    """Of 3,068 photos, 25."""
    one = photo_run()
    run = runs.Run(one.run.folder)
    disk.write_json(run.folder / "settings.json", one.settings.replace(clean_labels=True).to_json())
    change_card(run, num_train=3043)

    words = model_card.origin(summary.summarise(run), run.card())

    assert "**3,043 photos**" in words[0]
    assert "25 more were left out" in words[0]


def test_a_run_on_two_classes_speaks_of_two():
    """Of 923 photos of pants and long sleeves none was left out for its label but two; eight kinds of clothes were not shown."""
    one = photo_run(classes=["longsleeve", "pants"], num_train=921)
    settings = RunSettings(
        dataset="clothing", architecture="cnn", image_size=96, classes="longsleeve,pants", clean_labels=True
    )
    disk.write_json(one.run.folder / "settings.json", settings.to_json())
    one = summary.summarise(runs.Run(one.run.folder))

    origin, limits = model_card.origin(one, one.run.card()), model_card.limits(one, {})

    assert "2 more were left out, as their label is in doubt" in origin[0]
    assert limits[0].startswith(
        "**Things that are not among its two.** The other eight kinds of clothes, bags"
    )
    assert limits[0].endswith("It names one of the two all the same.")
    assert "two right answers" in limits[1]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (RUN, {}, "looked at once, at the end"),
        (RUN, {"watch_test": True}, "looked at after every epoch"),
        (f"{RUN}_epoch-002", {}, "looked at for each epoch that was tested"),
    ],
)
def test_the_card_says_how_often_the_test_was_looked_at(name, changes, words):
    """Only a network that was tested once, after all choices, may say so."""
    one = summary.summarise(make_run(name, **changes))

    assert words in model_card.origin(one, one.run.card())[1]


def test_the_size_that_is_judged_is_told_where_it_differs_from_training():
    """Trained at 64 pixels, judged at 96."""
    one = photo_run(image_shape=[96, 96, 3])

    (words, *_) = model_card.origin(one, one.run.card())

    assert "It learned from squares of 64x64 pixels of three colours, and judges 96x96." in words


def test_training_is_told_setting_by_setting():
    """Epochs, batch, augmentation, smoothing, averaging and time, and nothing that was not used."""
    one = summary.summarise(
        make_run(RUN, flip=True, shift=2, erase=0.5, label_smoothing=0.05, averaging=True, batch_size=64)
    )

    words = " ".join(model_card.training(one))

    assert (
        "It went through the pictures 3 times (epochs), 64 at a time. Its state after epoch 2 was kept"
        in words
    )
    assert "mirrored, moved by up to 2 pixels, a patch of it blanked out (50% of them)." in words
    assert "asked for 95.5% certainty" in words  # the label's own share of the 5 % comes back to it
    assert "average of the last steps" in words
    assert "That took 7 s (CPU, Toy Processor, 2 cores; keras 3.15.1, tensorflow 2.21.0)." in words
    assert "mirror image" not in words
    assert "Rare classes" not in words
    assert "half what" not in words


def test_a_model_taught_by_the_one_whose_name_it_took_says_so():
    """A shipped model that was replaced is not its own teacher."""
    one = summary.summarise(make_run(RUN, teachers=f"{RUN},a,b"))

    assert f"half what an earlier version of {RUN}, a and b said" in " ".join(model_card.training(one))


def test_teachers_and_the_way_a_photo_is_made_square_are_told():
    """What a model learned from beside the labels, and which part of a photo it gets."""
    one = summary.summarise(
        make_run(
            RUN,
            dataset="clothing",
            architecture="cnn",
            image_size=64,
            teachers="clothing,fashion",
            predict_fit="between",
        )
    )

    words = " ".join(model_card.training(one))

    assert "half what clothing and fashion said of the same photos" in words
    assert "half cropped, half squashed to a square" in words
    assert "does not see the ends" in " ".join(model_card.limits(one, {"fit": "between"}))
    assert "middle square only" in " ".join(model_card.limits(one, {"fit": "crop"}))


def test_a_head_alone_and_fine_tuning_are_told_apart():
    """Three epochs in all, of which fine-tuning began after the first."""
    head = make_run(RUN, dataset="clothing", architecture="mobilenetv2-035", image_size=64)
    tuned = make_run(
        RUN.replace("aaaa", "bbbb"),
        dataset="clothing",
        architecture="mobilenetv2-035",
        image_size=64,
        fine_tune="all",
    )
    disk.write_json(tuned.folder / "head.json", {"epochs": 1})

    head_words, tuned_words = (model_card.training(summary.summarise(run))[0] for run in (head, tuned))

    assert head_words.startswith("Only new last layers learned; those that came with it stayed as they were.")
    assert tuned_words.startswith(
        "At first, for one epoch only new last layers learned; then all layers, in small steps, for 2 epochs"
    )


@pytest.mark.parametrize("head_epochs", [None, 3, 15])
def test_a_run_that_ended_before_fine_tuning_is_not_said_to_have_tuned(head_epochs):
    """Stopped while its head learned, or at its end; or one of the head's epochs, which was tested on its own."""
    run = make_run(
        RUN, dataset="clothing", architecture="mobilenetv2-035", image_size=64, fine_tune="all", crop=0.3
    )
    if head_epochs:
        disk.write_json(run.folder / "head.json", {"epochs": head_epochs})

    words = model_card.training(summary.summarise(run))

    assert words[0].startswith("Only new last layers learned")
    assert "3 times (epochs)" in words[0]
    assert "at random" not in " ".join(words)  # its vectors are those of the photos as they are


def test_an_epoch_that_was_tested_by_hand_is_not_said_to_be_the_best():
    """Nothing chose it by the validation pictures."""
    one = summary.summarise(make_run(f"{RUN}_epoch-003"))

    words = " ".join([*model_card.origin(one, one.run.card()), *model_card.training(one)])

    assert "This is its state after epoch 3, chosen by hand" in words
    assert "the validation part, were looked at after every epoch" in words
    assert "did best" not in words
    assert "which of its states to keep" not in words


def test_changes_that_a_run_has_no_use_for_are_not_told():
    """Stored vectors of a head are those of the photos as they are, unless there are several views."""
    plain = PHOTO_DEFAULTS.replace(flip=True, crop=0.3)

    assert model_card.random_changes(plain) == ""
    assert model_card.random_changes(plain.replace(views=3)) == "mirrored, cropped by up to 30%"
    assert model_card.random_changes(RunSettings()) == ""


# What it confuses


def test_confusions_come_with_their_rate_and_interval():
    """Seven of 30 shirts, five of 30 coats; Wilson intervals from a statistics table."""
    one = summary.summarise(make_run(RUN))

    table = model_card.confusions(summary.predictions(one), CLASSES)

    assert table[["true", "predicted", "count", "n"]].values.tolist() == [
        ["shirt", "t-shirt/top", 7, 30],
        ["coat", "pullover", 5, 30],
    ]
    assert table.share.tolist() == pytest.approx([7 / 30, 5 / 30])
    assert table.low.tolist() == pytest.approx([0.118, 0.073], abs=5e-4)
    assert table.high.tolist() == pytest.approx([0.409, 0.336], abs=5e-4)


def test_the_weakest_class_is_named_with_those_it_cannot_be_told_from():
    """23 of 30 shirts; with 25 of 30, a coat may be as weak, and classes that are always right are not."""
    one = summary.summarise(make_run(RUN))

    words = model_card.weakest(summary.predictions(one), CLASSES)

    assert words.startswith("Weakest is **shirt**: 76.7% of 30 recognised (95 % interval 59.1% to 88.2%).")
    assert words.endswith("it might as well be coat.")


def test_a_class_without_pictures_is_not_the_weakest():
    """Nothing is known of it."""
    said = said_by([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]], [0, 1])

    assert "**b**: 0.0% of 1" in model_card.weakest(said, ("a", "b", "c"))


# People it has never seen


def test_strangers_are_compared_on_the_published_photos_only():
    """Only of these it is known who sent them."""
    assert model_card.strangers(photo_run()) is None
    (one,) = summary.summarise_all([runs.Run(runs.runs_folder() / PHOTO_RUN)])[0]
    change_card(one.run, data_digest=clothing_files.DIGEST)

    found = model_card.strangers(summary.summarise(one.run))

    assert (found.known.correct, found.known.n) == (30, 40)
    assert (found.unknown.correct, found.unknown.n) == (36, 40)
    assert found.difference == pytest.approx(0.15)
    assert found.mix == "shoes are 10% of validation and 55% of test"


@pytest.mark.parametrize(
    ("validation", "test", "words"),
    [
        ((30, 40), (36, 40), "it is 15.0 percentage points higher, which may be chance"),
        ((36, 40), (30, 40), "it is 15.0 percentage points lower, which may be chance"),
        ((40, 40), (20, 40), "Photos from strangers are harder for it, by 50.0 percentage points"),
        ((20, 40), (40, 40), "Photos from strangers were even easier for it, by 50.0 percentage points"),
        ((30, 40), (30, 40), "There is no difference"),
    ],
)
def test_the_verdict_on_strangers_follows_from_the_interval(validation, test, words):
    """Chance is named where it may be the reason."""
    found = model_card.strangers(photo_run(validation, test, data_digest=clothing_files.DIGEST))

    assert words in model_card.strangers_verdict(found)
    assert "95 % interval of the difference" in model_card.strangers_verdict(found)


# How sure it is


def test_answers_below_the_line_are_judged_apart():
    """Two unsure answers, one right; two sure ones, both right."""
    probabilities = np.array([[0.55, 0.45], [0.55, 0.45], [0.9, 0.1], [0.2, 0.8]])

    found = model_card.unsure(probabilities, np.array([0, 1, 0, 1]))

    assert (found.below.correct, found.below.n) == (1, 2)
    assert (found.above.correct, found.above.n) == (2, 2)
    assert model_card.unsure(probabilities[2:], np.array([0, 1])).below is None


def test_confidences_are_calibrated_for_photos_only():
    """At temperature 2, 0.9 to 0.1 become 3 to 1."""
    said = said_by([[0.9, 0.1]], [0])

    photos = photo_run(temperature=2.0)
    small = summary.summarise(make_run(RUN))

    assert model_card.told(photos, said)[0] == pytest.approx([0.75, 0.25])
    assert model_card.told(small, said)[0] == pytest.approx([0.9, 0.1])


# Not one of the ten


def test_refusals_are_read_from_the_card_with_intervals_of_our_own():
    """17 of 372 test photos; 66 of 90 animals."""
    card = {
        "refusal": {
            "rule": "Too far from all of them.",
            "false_alarms": {"refused": 17, "n": 372, "low": 0, "high": 1},
            "others": [
                {"kind": "animals", "refused": 66, "n": 90},
                {"kind": "rooms", "refused": 4, "n": 10},
            ],
        }
    }

    found = model_card.refusal(card)

    assert found.rule == "Too far from all of them."
    assert found.false_alarms.share == pytest.approx(0.0457, abs=1e-4)
    assert (found.false_alarms.low, found.false_alarms.high) == pytest.approx((0.0287, 0.0719), abs=1e-4)
    assert [(rate.kind, rate.refused, rate.n) for rate in found.others] == [
        ("animals", 66, 90),
        ("rooms", 4, 10),
    ]
    assert (found.all_others.refused, found.all_others.n) == (70, 100)
    assert found.all_others.share == pytest.approx(0.7)


def test_a_model_without_such_a_rule_has_none():
    """Older cards, and those for 28x28 pictures."""
    assert model_card.refusal({}) is None
    assert model_card.refusal({"refusal": None}) is None


@pytest.mark.parametrize(
    "refusal",
    [
        "often",
        {"rule": "r"},
        {"rule": "r", "false_alarms": {"refused": 3, "n": 2}},
        {"rule": "r", "false_alarms": 7},
    ],
)
def test_a_damaged_refusal_is_told_in_words(refusal):
    """More refused than there were, or no numbers at all."""
    with pytest.raises(RunError, match="`refusal` in card.json must hold a rule"):
        model_card.refusal({"refusal": refusal})


# Limits and speed


def test_limits_say_whether_other_things_are_refused():
    """Without a rule, a bag is called one of the ten; with one, no more is said than was measured."""
    one = photo_run()
    alarms = {"refused": 1, "n": 9}
    tried = {"rule": "r", "false_alarms": alarms, "others": [{"kind": "food", "refused": 3, "n": 4}]}

    assert "names one of the ten all the same" in model_card.limits(one, {})[0]
    assert "refused at the rates above" in model_card.limits(one, {"refusal": tried})[0]
    assert "was not measured" in model_card.limits(one, {"refusal": tried | {"others": []}})[0]
    assert "was not measured" in model_card.limits(one, {"refusal": {}})[0]


@pytest.mark.parametrize("dataset", ["fashion-mnist", "sketches"])
def test_models_for_small_pictures_warn_of_photos_first(dataset):
    """That is what visitors try."""
    one = summary.summarise(make_run(RUN, dataset=dataset))

    assert "photo" in model_card.limits(one, one.run.card())[0].lower()


def test_the_speed_is_measured_on_pictures_of_the_models_shape():
    """At least three times, one picture at a time, and the fastest is no slower than the median."""
    shapes = []

    class Slow:
        image_shape = (8, 8, 3)

        def predict(self, images):
            shapes.append((images.shape, images.dtype))

    speed = model_card.speed(Slow())

    assert set(shapes) == {((1, 8, 8, 3), np.dtype(np.uint8))}
    assert speed.n == len(shapes) - 1 >= 3
    assert 0 < speed.fastest <= speed.median
