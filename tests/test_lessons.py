"""Lessons have one form, their numbers are the course's, and answers are checked against a student's own runs."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from run_folders import LABELS, make_run, write_arrays

from fashion import lessons, lessons_diagrams, lessons_homework, lessons_results, runs
from fashion.lessons_form import MAX_IDEA_WORDS, Experiment, Published
from fashion.lessons_results import JUDGES, Lead
from fashion.settings import PHOTO_DEFAULTS, RunSettings

RATES = lessons.find("learning-rate")


def tiny_experiment(measure: str = "validation") -> Experiment:
    """Two runs on small pictures that differ in their learning rate."""
    base = RunSettings(architecture="softmax", epochs=3)
    several = tuple((f"{rate:g}", base.replace(learning_rate=rate)) for rate in (0.001, 0.01))
    return Experiment(key="tiny", title="Two rates", varies="learning rate", runs=several, measure=measure)


def log_of(val: list[float], train: list[float]) -> str:
    """A log.csv with these accuracies."""
    rows = [
        f"{n},0.5,{t},0.6,{v},0.001,1.0,{1000 + n}"
        for n, (v, t) in enumerate(zip(val, train, strict=True), 1)
    ]
    return "\n".join(
        ["epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second", *rows, ""]
    )


@pytest.fixture
def two_runs() -> list[runs.Run]:
    """The runs of `tiny_experiment`, the second better in its second epoch; neither has been tested."""
    one = make_run("20260101-120000-softmax-0001", tested=False, learning_rate=0.001)
    (one.folder / "log.csv").write_text(log_of([0.5, 0.6, 0.6], [0.5, 0.6, 0.95]))
    other = make_run("20260101-120001-softmax-0002", tested=False, learning_rate=0.01)
    (other.folder / "log.csv").write_text(log_of([0.5, 0.8, 0.7], [0.5, 0.6, 0.75]))
    return [other, one]


# The form


def test_the_lessons_are_the_fifteen_steps_of_the_course():
    """In order, each with a name of its own for links."""
    assert [lesson.number for lesson in lessons.LESSONS] == [f"8.{number}" for number in range(1, 16)]
    assert len({lesson.slug for lesson in lessons.LESSONS}) == 15


@pytest.mark.parametrize("lesson", lessons.LESSONS, ids=lambda lesson: lesson.slug)
def test_every_lesson_has_the_whole_form(lesson):
    """A short idea, a choice to expect, a conclusion, a question that something can answer."""
    assert 60 <= len(lesson.idea.split()) <= MAX_IDEA_WORDS
    assert len(lesson.expect.options) >= 2
    assert lesson.conclusion
    assert lesson.check.endswith("?")
    assert lesson.judge in (*JUDGES, "desk")
    assert lesson.experiments or lesson.judge == "desk"
    assert not lesson.published or lesson.source.startswith("https://github.com/")


@pytest.mark.parametrize("lesson", lessons.LESSONS, ids=lambda lesson: lesson.slug)
def test_every_drawing_is_well_formed_and_within_its_frame(lesson):
    """It parses as XML, says what it shows, and no word begins outside."""
    root = ElementTree.fromstring(lessons_diagrams.diagram(lesson.slug, lesson.picture))

    height = float(root.get("viewBox").split()[3])
    assert root.get("aria-label") == lesson.picture
    for text in root.iter("text"):
        assert 0 <= float(text.get("x")) <= lessons_diagrams.WIDTH, text.text
        assert 0 <= float(text.get("y")) <= height, text.text


def test_the_published_learning_rates_are_those_of_the_course():
    """As counted from its notebook: 0.8299 of 341 photos are 283."""
    assert {one.label: one.accuracy for one in RATES.published} == {
        "0.0001": 0.7889, "0.001": 0.8299, "0.01": 0.8211, "0.1": 0.7889,
    }  # fmt: skip
    assert [one.correct for one in RATES.published] == [269, 283, 280, 269]


@pytest.mark.parametrize(
    "lesson", [one for one in lessons.LESSONS if one.published], ids=lambda one: one.slug
)
def test_a_published_accuracy_is_a_share_of_its_photos(lesson):
    """Four digits of correct / n: a slip in a digit would not be one."""
    for one in lesson.published:
        assert abs(one.correct / one.n - one.accuracy) <= 0.0006, one


def test_labels_of_an_experiment_are_its_own():
    """Two runs of one label could not be told apart."""
    settings = RunSettings()
    with pytest.raises(ValueError, match="labels of their own"):
        Experiment(key="x", title="x", varies="x", runs=(("a", settings), ("a", settings)))


# What runs here


def test_runs_in_frameworks_that_are_not_installed_are_left_out_and_named():
    """The button makes the others; how to get the rest is said."""
    frameworks = lessons.find("explore-more").experiments[1]

    assert list(lessons.runs_of(frameworks, ("tensorflow",))) == ["TensorFlow"]
    assert "PyTorch and JAX" in lessons.left_out(frameworks, ("tensorflow",))
    assert "pip install torch jax" in lessons.left_out(frameworks, ("tensorflow",))
    assert lessons.left_out(frameworks, ("tensorflow", "torch", "jax")) == ""


def test_an_experiment_about_speed_is_repeated_on_each_gpu():
    """A graphics card that is seen gets a run of its own; others are not about devices."""
    speed = lessons.find("introduction").experiments[0]

    found = lessons.runs_of(speed, gpus=("NVIDIA H200",))

    assert [settings.device for settings in found.values()] == ["cpu", "gpu:0"]
    assert list(found) == ["CPU", "GPU 0: NVIDIA H200"]
    assert len(lessons.runs_of(RATES.experiments[0], gpus=("NVIDIA H200",))) == 4


def test_a_run_that_would_not_fit_is_an_obstacle():
    """It is told before the button, in the words of the queue."""
    several = list(lessons.runs_of(RATES.experiments[0]).values())

    assert "must fit into the 100 MB" in lessons.obstacle(several, 100e6)


def test_a_link_to_the_train_page_holds_what_differs_from_its_defaults():
    """The texts are those that the command line and the form read."""
    settings = PHOTO_DEFAULTS.replace(learning_rate=0.0001, views=4, flip=True)

    values = lessons.link_values(settings)

    assert values == {"dataset": "clothing", "learning_rate": "0.0001", "views": "4", "flip": "true"}
    assert RunSettings.from_text(values) == settings


# What came out


def test_runs_are_known_by_their_settings_and_put_in_order(two_runs):
    """Whatever order the folders have; a run of other settings is not one of them."""
    stranger = make_run("20260101-120002-softmax-0003", tested=False, learning_rate=0.5)

    found = lessons_results.outcomes(tiny_experiment(), [*two_runs, stranger])

    assert [outcome.label for outcome in found] == ["0.001", "0.01"]
    assert lessons_results.in_order(tiny_experiment(), [stranger, *two_runs])[-1] == stranger


def test_a_damaged_run_does_not_spoil_the_others(two_runs):
    """Its settings cannot be read; the other's result is shown."""
    (two_runs[1].folder / "settings.json").write_text("{")

    found = lessons_results.outcomes(tiny_experiment(), two_runs)

    assert [outcome.label for outcome in found] == ["0.01"]


def test_own_and_published_accuracies_stand_side_by_side(two_runs):
    """Each with its n and a Wilson interval: 80 % of 5,000, and 283 of 341."""
    own = lessons_results.outcomes(tiny_experiment(), two_runs)

    table = lessons_results.accuracies(own, [], [Published(label="0.001", accuracy=0.8299)])

    assert table.source.tolist() == ["your run", "your run", "the course"]
    assert table.n.tolist() == [5000, 5000, 341]
    assert table.high.iloc[2] == pytest.approx(0.8661, abs=0.001)
    assert table.low.iloc[2] == pytest.approx(0.7864, abs=0.001)


def test_a_range_test_without_an_epoch_is_an_outcome_and_no_accuracy():
    """It exploded in its first epoch, and was tested all the same: only its steps tell anything."""
    run = make_run("20260101-120000-softmax-0001", learning_rate=0.001)
    (run.folder / "log.csv").write_text(log_of([], []))
    assert lessons_results.outcomes(tiny_experiment("range"), [run]) == []
    (run.folder / "range.csv").write_text("step,learning_rate,loss\n1,0.000001,2.3\n2,0.00001,2.2\n")

    own = lessons_results.outcomes(tiny_experiment("range"), [run])

    assert [outcome.label for outcome in own] == ["0.001"]
    assert lessons_results.accuracies(own, [], []).empty


@pytest.mark.parametrize(
    ("judge", "right"),
    [("best", {"0.01"}), ("most training", {"0.001"}), ("smallest gap", {"0.01"}), ("best epoch", {2, 3})],
)
def test_answers_come_from_the_logs(two_runs, judge, right):
    """Best by the best epoch, training and gap by the last one; ties all count."""
    own = lessons_results.outcomes(tiny_experiment(), two_runs)

    assert JUDGES[judge](own) == right


def test_an_answer_is_judged_with_the_numbers_of_the_log(two_runs):
    """Right or not, the student reads what the log says."""
    own = lessons_results.outcomes(tiny_experiment(), two_runs)

    assert lessons_results.judge(RATES, own, "0.01").right
    wrong = lessons_results.judge(RATES, own, "0.001")
    assert not wrong.right
    assert "0.01: 80.00%" in wrong.words


def test_a_speed_within_fifteen_percent_counts(two_runs):
    """Nobody remembers the last digit; the median of 1001 to 1003 is 1002."""
    own = lessons_results.outcomes(tiny_experiment(), two_runs)[:1]
    introduction = lessons.find("introduction")

    assert lessons_results.judge(introduction, own, 1100).right
    assert not lessons_results.judge(introduction, own, 1200).right


def test_without_a_run_nothing_is_judged():
    """The page asks only afterwards."""
    with pytest.raises(ValueError, match="needs a run"):
        lessons_results.judge(RATES, [], "0.01")


def test_untested_runs_are_compared_as_on_different_pictures(two_runs):
    """Twenty points on 5,000 pictures each are no chance, even so."""
    own = lessons_results.outcomes(tiny_experiment(), two_runs)

    ahead = lessons_results.lead(own)

    assert (ahead.best, ahead.next, ahead.paired) == ("0.01", "0.001", False)
    assert ahead.difference == pytest.approx(0.2)
    assert "more than chance" in lessons_results.verdict(tiny_experiment(), own)


def test_tested_runs_are_compared_picture_by_picture():
    """One more picture right of 300: the interval holds zero, and the sentence says so."""
    several = [
        make_run("20260101-120000-softmax-0001", learning_rate=0.001, wrong={(4, 2): 6, (6, 0): 7}),
        make_run("20260101-120001-softmax-0002", learning_rate=0.01, wrong={(4, 2): 5, (6, 0): 7}),
    ]
    own = lessons_results.outcomes(tiny_experiment(), several)

    ahead = lessons_results.lead(own)

    assert ahead.paired
    assert ahead.difference == pytest.approx(1 / 300)
    assert not ahead.sure
    assert "holds zero" in lessons_results.verdict(tiny_experiment(), own)


def test_of_runs_that_are_equally_often_right_none_is_called_ahead(two_runs):
    """Untested, both had 80 % in their best epoch; tested, the same number of pictures right."""
    (two_runs[1].folder / "log.csv").write_text(log_of([0.5, 0.6, 0.8], [0.5, 0.6, 0.95]))
    tested = [
        make_run("20260101-120002-softmax-0003", learning_rate=0.001, wrong={(4, 2): 5, (6, 0): 7}),
        make_run("20260101-120003-softmax-0004", learning_rate=0.01, wrong={(4, 3): 5, (6, 0): 7}),
    ]

    for several in (two_runs, tested):
        words = lessons_results.verdict(
            tiny_experiment(), lessons_results.outcomes(tiny_experiment(), several)
        )

        assert "**0.001** and **0.01** were best, equally often right" in words
        assert "do not tell" in words
        assert "ahead" not in words


@pytest.mark.parametrize(
    ("curves", "said", "unsaid"),
    [
        (([0.5, 0.7], [0.4, 0.6]), ["learned the same", "stops at 60.0% where the first reaches 70.0%"], []),
        (
            ([0.3], [0.4]),
            ["learned the same", "reaches 30.0%, that of the second 40.0%"],
            ["harder", "stops"],
        ),
        (([0.5, 0.7], [0.4]), ["after 2 and 1 epochs"], ["learned the same", "harder"]),
    ],
)
def test_the_mistake_is_told_as_the_curves_show_it(curves, said, unsaid):
    """After one epoch the changed exam may have come out better; and a run that was stopped has not learned the same."""
    several = []
    for number, (rate, curve) in enumerate(zip((0.001, 0.01), curves, strict=True)):
        run = make_run(f"20260101-12000{number}-softmax-000{number}", tested=False, learning_rate=rate)
        (run.folder / "log.csv").write_text(log_of(curve, curve))
        several.append(run)
    one = tiny_experiment("mistake")

    words = lessons_results.verdict(one, lessons_results.outcomes(one, several))

    assert all(part in words for part in said)
    assert not any(part in words for part in unsaid)


def test_a_lead_whose_interval_holds_zero_is_not_sure():
    """Only one that lies above zero is."""
    assert Lead("a", "b", 0.02, 0.001, 0.04, True).sure
    assert not Lead("a", "b", 0.02, 0.0, 0.04, True).sure


def test_answers_of_another_number_of_pictures_are_not_paired():
    """A run that was judged on other photos is compared by its interval instead."""
    several = [
        make_run("20260101-120000-softmax-0001", learning_rate=0.001),
        make_run("20260101-120001-softmax-0002", learning_rate=0.01, wrong={(4, 2): 9}),
    ]
    few = np.full((20, 10), 0.1, np.float16)
    names = ("validation", "test")
    write_arrays(
        several[0], "evaluation.npz", **{f"{name}_probabilities": few for name in names},
        **{f"{name}_labels": LABELS[:20] for name in names},
    )  # fmt: skip

    assert not lessons_results.lead(lessons_results.outcomes(tiny_experiment(), several)).paired


def test_recorded_runs_are_read_from_the_lessons_folder(tmp_path, monkeypatch):
    """Finished without a status of their own; they count as shipped, so nobody can delete or resume them."""
    monkeypatch.setattr(runs, "LESSONS", tmp_path)
    made = make_run("rate-0.001", folder=tmp_path / "learning-rate", learning_rate=0.001)
    (made.folder / "status.json").unlink()

    (run,) = runs.recorded("learning-rate")

    assert run.shipped
    assert run.status().state == "finished"
    assert runs.recorded("dropout") == []
    recorded = lessons_results.outcomes(tiny_experiment(), [run])
    assert lessons_results.accuracies([], recorded, []).source.tolist() == ["recorded"]


def test_progress_is_a_readable_file(two_runs):
    """What was expected, answered and run, for all fifteen lessons."""
    runs.set_status(two_runs[0], group="learning-rate-0a1b2c")
    done = {
        "learning-rate": {
            "expected": "0.1",
            "answer": "0.01",
            "right": True,
            "groups": {"learning-rate": "learning-rate-0a1b2c"},
        }
    }

    content = json.loads(lessons_results.progress_json(lessons.LESSONS, done))

    assert (content["lessons_done"], content["of"]) == (1, 15)
    assert content["lessons"][5] == {
        "lesson": "8.6", "title": "The learning rate", "expected": "0.1", "answer": "0.01", "right": True,
        "runs": [two_runs[0].id],
    }  # fmt: skip


# The homework


@pytest.mark.parametrize(
    ("side", "total", "dense"), [(150, 11_215_873, 11_214_912), (200, 20_073_473, 20_072_512)]
)
def test_the_homework_network_has_the_parameters_of_the_course(side, total, dense):
    """As its solutions print them, and the convolution's 896."""
    counts = [row.num_parameters for row in lessons_homework.layers(side)]

    assert lessons_homework.num_parameters(side) == total
    assert counts == [0, 896, 0, 0, dense, 65]
    assert lessons_homework.table(side)["Sum so far"].iloc[-1] == total


def test_the_homework_questions_are_answered_from_the_log():
    """Median, standard deviation of all epochs, and means, by hand."""
    log = pd.DataFrame(
        {
            "epoch": range(1, 7),
            "loss": [1.0, 3.0, 1.0, 3.0, 1.0, 3.0],
            "accuracy": [0.1, 0.2, 0.3, 0.5, 0.6, 0.7],
            "val_loss": [2.0, 2.0, 2.0, 2.0, 2.0, 8.0],
            "val_accuracy": [0.0, 0.5, 0.5, 0.5, 0.5, 1.0],
        }
    )

    answers = [one.answer for one in lessons_homework.questions(log)]

    assert answers == pytest.approx([0.4, 1.0, 3.0, 0.6])
    assert lessons_homework.is_close(0.4, 0.404)
    assert not lessons_homework.is_close(0.4, 0.41)


def test_an_empty_log_answers_nothing():
    """The page offers only runs with an epoch."""
    with pytest.raises(ValueError, match="at least one epoch"):
        lessons_homework.questions(pd.DataFrame({"loss": []}))
