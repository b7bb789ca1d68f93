"""The Course page shows every lesson, starts its runs, and checks answers; no worker runs here."""

import json
import re
import time
from pathlib import Path

import pytest
import streamlit
from run_folders import LOG, make_run
from streamlit.testing.v1 import AppTest

from fashion import datasets, estimate, feature_store, jobs, lessons, lessons_results, machine, runs, sketches
from fashion.settings import RunSettings

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")
EXPERIMENTS = [(lesson, number) for lesson in lessons.LESSONS for number in range(len(lesson.experiments))]


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No photos, no GPU, no worker, and every run counts as possible: what is in the way has tests of its own."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("tensorflow",))
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    monkeypatch.setattr(feature_store, "obstacle", lambda settings: None)
    monkeypatch.setattr(runs, "LESSONS", tmp_path / "no-recordings")
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "no-data"))


def open_lesson(slug: str | None = None, **parameters: str) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=60).switch_page("pages/course.py")
    if slug:
        at.query_params["lesson"] = slug
    for name, value in parameters.items():
        at.query_params[name] = value
    return at.run()


def words(elements) -> str:
    return " ".join(str(element.value) for element in elements)


def start(at: AppTest, number: int = 0) -> AppTest:
    buttons = [button for button in at.button if button.label == "Run the experiment"]
    return buttons[number].click().run()


def finish(run: runs.Run, log: str = LOG) -> None:
    """As a worker would leave it, without its test."""
    (run.folder / "log.csv").write_text(log)
    runs.set_status(run, state="finished", phase="", finished=time.time(), epoch=3, best_epoch=2)


@pytest.mark.parametrize("lesson", lessons.LESSONS, ids=lambda lesson: lesson.slug)
def test_every_lesson_is_complete_on_a_bare_machine(lesson):
    """Idea, expectation, something to try, conclusion and question stand there without data, and nothing fails."""
    at = open_lesson(lesson.slug)

    assert not at.exception
    assert not at.error
    assert [header.value for header in at.header] == [lesson.name]
    sections = [one.value for one in at.subheader]
    assert sections[:2] == ["What do you expect?", "Try it"]
    assert sections[-2:] == ["What to conclude", "One question"]
    assert lesson.idea in words(at.markdown)


@pytest.mark.parametrize(("lesson", "number"), EXPERIMENTS, ids=lambda value: getattr(value, "slug", value))
def test_every_experiment_starts_its_runs_from_its_button(lesson, number):
    """One press queues exactly the runs of the lesson, as one group; the link names it."""
    at = start(open_lesson(lesson.slug), number)

    assert not at.exception
    planned = lessons.runs_of(lesson.experiments[number])
    made = runs.list_runs()
    assert sorted(str(run.settings) for run in made) == sorted(map(str, planned.values()))
    (group,) = {run.status().group for run in made}
    assert at.query_params["experiment"] == [group] or at.query_params["experiment"] == group
    assert {run.status().task for run in made} == {"measure"}


def test_one_run_stands_beside_its_facts_and_many_runs_in_a_row_each():
    """So a phone shows all of lesson 8.1's answer; a table that is wider than a phone says so."""
    at = start(open_lesson("introduction"))
    finish(runs.list_runs()[0])
    table = at.run().table[0].value
    assert list(table.columns) == ["Device", "CPU"]
    assert "Pictures a second" in table.Device.tolist()
    assert not [one for one in at.get("html") if "swipe-hint" in one.proto.body]

    at = start(open_lesson("learning-rate"))
    for run in runs.list_runs():
        finish(run)
    assert at.run().table[0].value["Learning rate"].tolist() == ["0.0001", "0.001", "0.01", "0.1"]
    assert [one for one in at.get("html") if "swipe-hint" in one.proto.body]


def test_results_conclusion_and_question_come_from_the_own_runs():
    """The visitor's best learning rate, judged by the logs, whatever the course found."""
    at = start(open_lesson("learning-rate"))
    for run in runs.list_runs():
        better = run.settings.learning_rate == 0.1
        finish(run, LOG.replace("0.7,0.8,", "0.7,0.85,") if better else LOG)
    at.run()

    assert not at.exception
    assert "learning rate **0.1** was best" in words(at.markdown)
    answer = at.radio(key="answer_learning-rate")
    answer.set_value("0.01").run()
    assert "Not so. Your log says 0.0001: 80.00%" in words(at.warning)
    at.radio(key="answer_learning-rate").set_value("0.1").run()
    assert "Right." in words(at.success)
    assert "**1 of 15**" in words(at.markdown)


def test_the_settings_of_an_experiment_can_be_changed_before_it_is_run():
    """For all its runs alike, and the results know them again; what differs between the runs cannot be changed."""
    at = open_lesson("learning-rate")
    assert "lesson_learning-rate_learning_rate" not in [box.key for box in at.number_input]
    at.number_input(key="lesson_learning-rate_epochs").set_value(2)
    at.number_input(key="lesson_learning-rate_inner_width").set_value(32).run()
    assert "Changed by you: inner layer 32; epochs 2." in words(at.caption)
    start(at)

    made = runs.list_runs()
    assert {(run.settings.epochs, run.settings.inner_width) for run in made} == {(2, 32)}
    assert {run.settings.learning_rate for run in made} == {0.0001, 0.001, 0.01, 0.1}
    for run in made:
        finish(run)
    at.run()
    assert not at.exception
    assert "answer_learning-rate" in [radio.key for radio in at.radio]
    assert "Your runs have inner layer 32; epochs 2; the recorded ones" in words(at.caption)


def test_settings_that_were_changed_go_back_to_those_of_the_lesson():
    """By a button that is there only then."""
    at = open_lesson("checkpoints")
    assert "_back_checkpoints" not in [button.key for button in at.button]
    at.number_input(key="lesson_checkpoints_epochs").set_value(1).run()

    at.button(key="_back_checkpoints").click().run()

    assert at.number_input(key="lesson_checkpoints_epochs").value == 30
    assert "Changed by you" not in words(at.caption)


def test_the_conclusion_is_folded_until_the_lesson_was_tried():
    """It would give away what is to be found out: of an experiment until its runs have ended, else until the question is answered."""
    at = open_lesson("tensorflow")
    folded = [one.label for one in at.expander]
    assert "What is known of it; better try first" in folded

    at.radio(key="expected_tensorflow").set_value("224").run()
    at.number_input(key="answer_tensorflow").set_value(1).run()

    assert "What is known of it; better try first" not in [one.label for one in at.expander]
    assert "150,528 numbers" in words(at.markdown)


def test_the_question_waits_for_the_experiment():
    """Before there is a run, it is shown but cannot be answered."""
    at = open_lesson("learning-rate")

    assert "answer_learning-rate" not in [radio.key for radio in at.radio]
    assert lessons.find("learning-rate").check in words(at.markdown)


def test_an_expectation_is_kept_and_shown_with_the_result():
    """It is never judged."""
    at = open_lesson("checkpoints")
    at.radio(key="expected_checkpoints").set_value("in the middle").run()
    start(at)
    finish(runs.list_runs()[0])
    at.run()

    assert "You expected: in the middle." in words(at.markdown)


def test_running_runs_are_shown_with_their_epoch_and_can_be_stopped():
    """One after another: the first trains, the others wait; Stop asks all of them."""
    at = start(open_lesson("inner-layer"))
    made = {run.settings.inner_width: run for run in runs.list_runs()}
    now = time.time()
    for width, run in made.items():
        phase = "training" if width == 10 else "waiting"
        runs.set_status(run, state="running", phase=phase, started=now, heartbeat=now, epoch=2, num_steps=10)
    at.run()

    assert not at.exception
    (stop,) = [button for button in at.button if button.label == "Stop"]
    stop.click().run()
    assert all(runs.stop_request(run) == "Stopped by hand." for run in made.values())


def test_what_is_in_the_way_is_told_instead_of_a_button(monkeypatch):
    """Neither photos nor vectors: the words of the store, and where to get the photos."""
    monkeypatch.setattr(
        feature_store, "obstacle", lambda settings: "Clothing photos must be on this machine."
    )

    at = open_lesson("learning-rate")

    assert "Clothing photos must be on this machine." in words(at.error)
    assert "Run the experiment" not in [button.label for button in at.button]


def test_what_can_be_run_without_the_photos_is_offered_and_the_rest_named(monkeypatch):
    """One of three pretrained networks has its vectors here; the button makes that one."""
    monkeypatch.setattr(
        feature_store,
        "obstacle",
        lambda settings: None if settings.architecture == "efficientnetv2-b0" else "No photos here.",
    )

    at = open_lesson("explore-more")
    assert "Of the 3 runs, 1 can be made here: EfficientNetV2-B0. No photos here." in words(at.warning)
    start(at)

    assert not at.exception
    assert [run.settings.architecture for run in runs.list_runs()] == ["efficientnetv2-b0"]


@pytest.mark.parametrize("slug", ["no-such-lesson", "../../etc", "![](https://example.org/a.png)"])
def test_a_link_to_no_lesson_is_named_and_the_first_is_shown(slug):
    """What a stranger's link says is shown as text, never acted upon."""
    at = open_lesson(slug)

    assert "names a lesson that there is not" in words(at.warning)
    assert "![" not in words(at.warning)
    assert at.header[0].value == "8.1 Fashion classification"


def test_a_link_restores_an_experiment_and_a_lost_one_is_told():
    """Another visitor sees the same runs; where they were deleted, the button is offered again."""
    start(open_lesson("checkpoints"))
    (run,) = runs.list_runs()
    finish(run)
    group = run.status().group

    at = open_lesson("checkpoints", experiment=group)
    assert "Your run: best in epoch 2 of 3" in words(at.markdown)

    runs.delete(run)
    at = open_lesson("checkpoints", experiment=group)
    assert "no longer here" in words(at.warning)
    assert "Run the experiment" in [button.label for button in at.button]


def test_where_an_experiment_stands_in_the_line_is_told_before_and_after_its_start(monkeypatch):
    """Two other visitors came first; when they are done, it is next."""
    monkeypatch.setattr(estimate, "waiting_seconds", lambda ahead, *_: 40.0 * len(ahead))
    others = [runs.create(RunSettings()) for _ in range(2)]
    for run in others:
        runs.set_status(run, created=time.time() - 60)

    at = open_lesson("dropout")
    assert "2 unfinished runs on this machine go first, about 80 s." in words(at.caption)
    start(at)
    assert "Waiting: 2 runs before this experiment; about 80 s until it begins." in words(at.caption)

    for run in others:
        finish(run)
    at.run()
    assert "Next in line." in words(at.caption)


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def test_runs_that_somebody_made_with_the_same_settings_are_offered():
    """In a class all press the same button: the second visitor may watch, the third sees what came out; no run is added."""
    start(open_lesson("dropout"))
    second = open_lesson("dropout")
    assert "Run the experiment" in labels(second)
    second.button(key="_made_dropout").click().run()
    assert "Run the experiment" not in labels(second)

    for run in runs.list_runs():
        finish(run)
    third = open_lesson("dropout")
    assert re.search(r"Show the runs made here \d+ s ago", " ".join(labels(third)))
    third.button(key="_made_dropout").click().run()

    assert not third.exception
    assert third.radio(key="answer_dropout").options == ["0", "0.2", "0.5", "0.8"]
    assert len(runs.list_runs()) == 4


def test_the_rest_of_an_experiment_is_shown_when_one_of_its_runs_was_deleted():
    """By name what is missing; the question is about what is left."""
    at = start(open_lesson("inner-layer"))
    for run in runs.list_runs():
        finish(run)
    at.run()
    assert "not made here, or deleted since" not in words(at.caption)

    runs.delete(next(run for run in runs.list_runs() if run.settings.inner_width == 100))
    at.run()

    assert not at.exception
    assert "Without 100: not made here, or deleted since." in words(at.caption)
    assert at.radio(key="answer_inner-layer").options == ["10", "1000"]


def test_a_link_restores_all_experiments_of_a_lesson():
    """Four learning rates and the range test: both are in the link, also after a look at another lesson."""
    at = open_lesson("learning-rate")
    for button in ("_start_learning-rate", "_start_range-test"):
        at.button(key=button).click().run()
    at.button(key="_Next").click().run()
    assert "experiment" not in at.query_params
    at.button(key="_Back").click().run()
    groups = {run.status().group for run in runs.list_runs()}
    assert len(groups) == 2

    link = at.query_params["experiment"]
    other = open_lesson("learning-rate", experiment=link)

    assert set(link.split(",")) == groups
    assert "Run the experiment" not in [button.label for button in other.button]
    assert (other.session_state["_progress"]["learning-rate"]["groups"].keys()) == {
        "learning-rate",
        "range-test",
    }


def test_one_visitor_may_not_fill_the_queue(monkeypatch):
    """A group counts as one run of the visitor's three; the fourth is refused in words."""
    at = open_lesson("learning-rate")
    for _ in range(3):
        start(at)
        at.button(key="_Next").click().run()
        at.button(key="_Back").click().run()
        for group in {run.status().group for run in runs.list_runs()}:
            assert len(runs.of_group(group)) == 4
        at.session_state["_progress"]["learning-rate"].pop("groups")
        at.query_params.pop("experiment", None)
        at.run()

    start(at)

    assert "may have 3 unfinished runs" in words(at.error)
    assert len(runs.list_runs()) == 12


def test_the_array_question_is_about_the_picture_shown():
    """A drawing of 320 x 320 in three colours holds 307,200 numbers."""
    at = open_lesson("tensorflow")

    at.number_input(key="answer_tensorflow").set_value(307_200).run()

    assert "320 x 320 x 3 = 307,200" in words(at.success)


def test_the_convolution_question_is_the_sum_at_the_chosen_position():
    """With a kernel that blurs, the middle of an even ground gives the ground itself."""
    at = open_lesson("convolution")
    at.selectbox(key="lesson_kernel").set_value("Blur").run()
    at.slider(key="lesson_row").set_value(0).run()
    at.slider(key="lesson_column").set_value(0).run()
    at.number_input(key="answer_convolution").set_value(0.0).run()
    assert not at.exception
    right = float(words(at.warning).split("add up to ")[1].rstrip("."))
    corner = sketches.draw_colour(0, 3, 320).convert("L").getpixel((2, 2))
    assert right == pytest.approx(corner, abs=12)

    at.number_input(key="answer_convolution").set_value(right).run()
    assert "Right." in words(at.success)


def test_the_filters_and_maps_of_the_shipped_network_are_drawn(tiny_run):
    """Opened by a switch; on a machine without the model it says so instead."""
    at = open_lesson("convolution")

    at.toggle(key="lesson_maps").set_value(True).run()

    assert not at.exception
    if (runs.SHIPPED / "fashion-mnist" / "model.keras").exists():
        assert "36 filters" in words(at.markdown)
    if (runs.SHIPPED / "clothing" / "model.tflite").exists():
        assert at.selectbox(key="lesson_block").options[0] == "Block 1 of 6"
        at.selectbox(key="lesson_block").set_value("Block 6 of 6").run()
        assert "4 x 4 positions, 192 maps" in words(at.caption)


def a_recorded_run(monkeypatch, folder, slug: str, number: int, label: str) -> runs.Run:
    """A run of a lesson as it comes with the project, put into a folder of the test's own."""
    monkeypatch.setattr(runs, "LESSONS", folder)
    settings = dict(lessons.find(slug).experiments[number].runs)[label].to_json()
    made = make_run("recorded-run", folder=folder / slug, **settings)
    for name in ("status.json", "model.keras", "model.tflite"):
        (made.folder / name).unlink()
    return made


def test_the_expected_time_is_told_before_the_runs_are_started():
    """With its range and what it rests on; nothing was measured here."""
    assert "Expected time: **" in words(open_lesson("dropout").markdown)
    assert "a rough guess" in words(open_lesson("dropout").markdown)


def test_recorded_runs_are_shown_where_nothing_was_run(monkeypatch, tmp_path):
    """By a switch, with machine and date, and never as the visitor's own; without a recording there is no switch."""
    assert "Show the recorded runs" not in [one.label for one in open_lesson("dropout").toggle]
    a_recorded_run(monkeypatch, tmp_path / "lessons", "learning-rate", 0, "0.001")

    at = open_lesson("learning-rate")
    at.toggle(key="_recorded_learning-rate").set_value(True).run()

    assert not at.exception
    assert "Recorded with this app, not yours: 2026-01-02, CPU, Toy Processor, 2 cores" in words(at.caption)
    assert "Your runs" not in words(at.markdown)
    assert "answer_learning-rate" not in [radio.key for radio in at.radio]


def test_recorded_runs_are_offered_where_nothing_can_be_run(monkeypatch, tmp_path):
    """A lesson without its data says so, and shows what is here."""
    a_recorded_run(monkeypatch, tmp_path / "lessons", "homework", 0, "150 pixels")
    monkeypatch.setattr(
        feature_store, "obstacle", lambda settings: "Clothing photos must be on this machine."
    )

    at = open_lesson("homework")

    assert "Clothing photos must be on this machine." in words(at.error)
    assert at.toggle(key="_recorded_homework-150").value
    assert not at.exception
    assert "Recorded with this app, not yours" in words(at.caption)
    assert "recorded" in at.selectbox(key="lesson_homework").options[0]


@pytest.mark.parametrize("log", [LOG, LOG.splitlines()[0] + "\n"], ids=["three epochs", "none"])
def test_a_range_test_draws_its_steps_and_suggests_a_rate(log):
    """Even while it has not finished an epoch, or has exploded before; the conclusion names the rate."""
    at = start(open_lesson("learning-rate"), 1)
    (run,) = runs.list_runs()
    rates = [1e-6 * 10 ** (step / 20) for step in range(120)]
    losses = [2 / (1 + (rate / 1e-3) ** 1.7) for rate in rates]
    rows = [f"{n},{rate:.6g},{loss:.6g}" for n, (rate, loss) in enumerate(zip(rates, losses, strict=True), 1)]
    (run.folder / "range.csv").write_text("\n".join(["step,learning_rate,loss", *rows, ""]))
    at.run()
    assert not at.exception
    finish(run, log)
    at.run()

    assert not at.exception
    assert "The loss falls fastest at a learning rate of **0.00" in words(at.markdown)


def test_the_mistake_is_told_from_both_runs():
    """What its curve showed, beside the other's; neither has been tested here."""
    at = start(open_lesson("augmentation"), 1)
    for run in runs.list_runs():
        finish(run, LOG.replace("0.7,0.8,", "0.7,0.7,") if run.settings.augment_validation else LOG)
    at.run()

    assert not at.exception
    assert "the second one stops at 75.0% where the first reaches 80.0% (n = 1,000)" in words(at.markdown)


def test_the_homework_is_run_on_the_chosen_classes_and_its_questions_answered():
    """The pair goes into the run; the test after each epoch is asked about."""
    at = open_lesson("homework")
    at.selectbox(key="lesson_pair").set_value("dress,hat").run()
    start(at)
    (run,) = runs.list_runs()
    assert (run.settings.classes, run.settings.image_size, run.settings.epochs) == ("dress,hat", 150, 20)
    finish(run)
    (run.folder / "test_log.csv").write_text(
        "epoch,test_loss,test_accuracy\n1,0.9,0.5\n2,0.6,0.6\n3,0.3,0.7\n"
    )
    at.run()

    assert not at.exception
    at.number_input(key=f"_hw_{run.id}_0").set_value(0.7)
    at.number_input(key=f"_hw_{run.id}_2").set_value(0.5)
    [button for button in at.button if button.label == "Check"][0].click().run()
    assert (
        ":material/check_circle: Median of training accuracy over 3 epochs without augmentation: 0.700"
        in words(at.markdown)
    )
    assert "Mean of test loss over 3 epochs without augmentation: 0.600, not 0.500" in words(at.markdown)


def test_the_homework_is_checked():
    """20,073,473 at 200 pixels; the answer to 150 is shown, so it does not count."""
    at = open_lesson("homework")

    at.number_input(key="answer_homework").set_value(11_215_873).run()
    assert "Not so." in words(at.warning)
    at.number_input(key="answer_homework").set_value(20_073_473).run()
    assert "Right." in words(at.success)


def test_a_model_takes_its_exam(tiny_run):
    """Whether the test interval holds the validation accuracy is read from its card."""
    at = open_lesson("using-the-model")
    at.selectbox(key="lesson_model").set_value(tiny_run.id).run()
    test, validation = (tiny_run.card()["metrics"][name] for name in ("test", "validation"))
    inside = test["interval"][0] <= validation["accuracy"] <= test["interval"][1]

    at.radio(key="answer_using-the-model").set_value("yes" if inside else "no").run()

    assert not at.exception
    assert "Right." in words(at.success)


def test_the_summary_collects_the_experiments_of_the_visit():
    """Four runs that are equally good: no lead is more than chance, so the answer is none."""
    at = start(open_lesson("learning-rate"))
    for run in runs.list_runs():
        finish(run)
    at.run()
    at.selectbox(key="_lesson").set_value("summary").run()

    at.number_input(key="answer_summary").set_value(0).run()

    assert not at.exception
    assert "Of 1 experiments, 0." in words(at.success)


def test_progress_can_be_downloaded(monkeypatch):
    """The file names all fifteen lessons and what was answered; Streamlit writes it later, without the visitor's session."""
    offered = {}
    monkeypatch.setattr(streamlit, "download_button", lambda label, data, **_: offered.update({label: data}))
    at = open_lesson("tensorflow")
    at.number_input(key="answer_tensorflow").set_value(307_200).run()

    content = json.loads(offered["Download my progress"]())

    assert len(content["lessons"]) == 15
    assert content["lessons_done"] == 1
    assert content["lessons"][1]["answer"] == 307_200


def test_progress_can_be_brought_back():
    """After a reload: what was expected, answered, and the runs that are still here; nothing else that a file may say."""
    start(open_lesson("learning-rate"))
    made = runs.list_runs()
    group = made[0].status().group
    done = {
        "tensorflow": {"answer": 307_200, "right": True},
        "learning-rate": {
            "expected": lessons.find("learning-rate").expect.options[1],
            "groups": {"learning-rate": group},
        },
    }
    content = json.loads(lessons_results.progress_json(lessons.LESSONS, done))
    content["lessons"][0] |= {"expected": "what is no option", "answer": ["a list"], "runs": ["../../etc", 7]}
    at = open_lesson("tensorflow")
    assert "0 of 15" in words(at.markdown)

    at.file_uploader[0].upload(
        "fashion-lab-course.json", json.dumps(content).encode(), "application/json"
    ).run()

    assert not at.exception
    assert at.session_state["_progress"] == done
    assert "1 of 15" in words(at.markdown)
    assert "Your answer before: 307200, which was right." in words(at.caption)


@pytest.mark.parametrize(
    "content", [b"", b"no JSON", b"[1]", b'{"lessons": [1]}', b"\xff\xfe", b"[" * 100_000]
)
def test_another_file_brings_nothing_back(content):
    """It is told what was expected, and nothing is lost."""
    at = open_lesson("tensorflow")
    at.number_input(key="answer_tensorflow").set_value(307_200).run()

    at.file_uploader[0].upload("other.json", content, "application/json").run()

    assert not at.exception
    assert " must be " in at.toast[0].value
    assert "1 of 15" in words(at.markdown)


def test_a_photo_is_offered_only_where_photos_are():
    """Without them: a drawing, or one's own."""
    assert not datasets.status("clothing").present
    at = open_lesson("tensorflow")

    assert "Garment" in [box.label for box in at.selectbox]
