"""The Benchmark page's second and third question: what accuracy a minute buys, and which framework.

Run: python -m pytest tests/test_pages_benchmark_recipes.py
"""

import json

import pytest
from benchmark_page import ACCURACY_RUNS, FRAMEWORK_RUNS, open_page, press, record, training, words

from fashion import (
    benchmark_accuracy,
    benchmark_chart,
    benchmark_recipes,
    benchmark_results,
    benchmark_trials,
    datasets,
    disk,
    jobs,
    machine,
    runs,
)
from fashion.benchmark_records import Record
from fashion.ui import benchmark_framework, benchmark_minute, state


@pytest.fixture(autouse=True)
def _no_gpu_and_no_worker(monkeypatch):
    """No test asks a framework for devices, and queued jobs stay queued."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("tensorflow",))
    monkeypatch.setattr(datasets, "usable", lambda: ["fashion-mnist", "sketches"])
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)


@pytest.fixture(autouse=True)
def recorded(tmp_path, monkeypatch):
    """The folder of recorded results, empty at first."""
    folder = tmp_path / "benchmarks"
    for kind in ("accuracy", "frameworks"):
        (folder / kind).mkdir(parents=True)
    monkeypatch.setattr(benchmark_results, "RECORDED", folder)
    monkeypatch.setattr(benchmark_accuracy, "RECORDED", folder)
    return folder


def put(folder, name="amd", **changes):
    values = record(**changes)
    (folder / values["kind"] / f"{name}.json").write_text(json.dumps(values))


def measured_here(kind="accuracy", state_word="finished", **changes):
    """A measurement's folder as a worker leaves it."""
    run = benchmark_recipes.create(benchmark_trials.plan_for(kind, ("tensorflow",)))
    disk.write_json(run.folder / "results.json", record(kind, **changes))
    runs.set_status(run, state=state_word)
    return run


@pytest.mark.parametrize(
    ("plain", "heading", "start"),
    [
        ("accuracy", "How much test accuracy does a minute", "--accuracy"),
        ("framework", "How fast is the same network", "--compare-frameworks"),
    ],
)
def test_a_link_opens_the_question_and_says_what_to_do_first(plain, heading, start):
    """With nothing measured: the question, Start with its time, and the command that does the same."""
    at = open_page(question=plain)

    assert not at.exception
    assert heading in words(at)
    assert "Press Start" in words(at)
    assert f"python -m fashion benchmark {start}" in words(at)
    assert "pictures of Fashion-MNIST: about **" in words(at)


def test_the_times_and_ratios_stand_in_a_table(recorded):
    """By hand: the example reaches 0.90 after 60 s, the short recipe after 10 s, which is 6 times sooner."""
    put(recorded)

    at = open_page(question="accuracy")

    assert not at.exception
    times = next(table.value for table in at.dataframe if "93.5%" in table.value).set_index("recipe")
    assert times.loc["Keras' convnet example"].tolist()[:3] == ["60.0 s", "–", "–"]
    assert times.loc["short"].tolist()[:3] == ["10.0 s (6.0x)", "–", "–"]
    assert times.loc["long"].tolist()[:3] == ["25.0 s (2.4x)", "25.0 s", "–"]
    assert times.loc["Small network: soonest"].tolist()[:3] == ["10.0 s (6.0x)", "25.0 s", "–"]
    against = next(table.value for table in at.dataframe if "seed by seed" in table.value)
    assert against["times sooner"].tolist() == ["6.00", "2.40", "not reached"]
    assert against["seed by seed"].tolist()[2] == "best mean 92.60%"


def test_a_recipe_with_fewer_seeds_than_planned_is_marked_wherever_it_is_drawn(recorded):
    """In a sentence above the chart, beside its point, in the method under it and in its row of the table."""
    put(
        recorded,
        runs=[run for run in ACCURACY_RUNS if (run["recipe"], run["seed"]) != ("long", 2)],
        complete=False,
    )

    at = open_page(question="accuracy")

    assert not at.exception
    assert "less is known of chance: long: 1 of 2 seeds" in words(at)
    assert "with 2 seeds (long: 1 of 2 seeds), tested on" in words(at)
    times = next(table.value for table in at.dataframe if "93.5%" in table.value).set_index("recipe")
    assert times.seeds.to_dict() == {
        "Small network: soonest": "1 of 2",  # its 0.92 is that of the long one
        "short": "2",
        "long": "1 of 2",
        "Keras' convnet example": "2",
    }
    rows = benchmark_chart.named(benchmark_accuracy.load_recorded("accuracy")[0])
    assert set(rows.ends) == {"", "3 epochs", "2 epochs", "2 epochs, 1 of 2 seeds"}


def test_the_chart_comes_with_table_method_and_machine(recorded):
    """Seeds, test pictures, interval, machine, versions, batch size, date and command, all in sight."""
    put(recorded)

    at = open_page(question="accuracy")

    said = words(at)
    assert "Trained on 60,000 pictures with 2 seeds, tested on 10,000" in said
    assert "95 % t interval of the mean over seeds" in said
    assert "AMD Example, 4 cores; TensorFlow 2.21.0, Keras 3.15.1; batch size 128; 2026-03-01" in said
    assert "`python -m fashion benchmark --accuracy`" in said
    table = at.dataframe[0].value
    # Of ours only the ends count: 3 epochs of the example and 2 ends.
    assert len(table) == 5
    row = table[table.recipe == "long"].iloc[0]
    assert (row["seconds of training"], row["mean test accuracy"], row["seeds"]) == (25.0, 0.926, 2)


def test_a_link_in_a_file_is_shown_only_where_the_app_knows_it(recorded):
    """A record that was sent in cannot lead a visitor anywhere."""
    strange = training("short", 3, [(1.0, 9_000)], source="https://bad.example/", title="[click](x)")
    put(recorded, runs=[*ACCURACY_RUNS, strange])

    said = words(open_page(question="accuracy"))

    assert "[Source](https://keras.io/examples/vision/mnist_convnet/)" in said
    assert "bad.example" not in said


def test_what_was_measured_here_stands_beside_the_recorded(recorded):
    """Both are named, and the machines told apart in the table."""
    put(recorded)
    measured_here()

    at = open_page(question="accuracy")

    assert not at.exception
    assert len(at.multiselect[0].value) == 2
    assert set(at.dataframe[0].value["measured on"]) == {"this machine", "AMD Example, 4 cores"}


@pytest.mark.parametrize("kind", ["accuracy", "frameworks"])
def test_damaged_and_newer_files_are_skipped_and_named(recorded, kind):
    """The good one is shown all the same."""
    put(recorded, kind=kind)
    (recorded / kind / "newer.json").write_text(json.dumps(record(kind, format=2)))
    (recorded / kind / "torn.json").write_text('{"format": 1')

    at = open_page(question={"accuracy": "accuracy", "frameworks": "framework"}[kind])

    assert not at.exception
    assert "newer.json must be a benchmark of format 1" in words(at)
    assert "torn.json must be readable JSON" in words(at)
    assert len(at.multiselect[0].options) == 1


def test_a_training_that_failed_is_said_and_the_others_are_shown(recorded):
    """One framework without its library hides nothing."""
    failed = training("long", 3, [], problem="There is not enough memory.")
    put(recorded, runs=[*ACCURACY_RUNS, failed])

    at = open_page(question="accuracy")

    assert "Not measured: long (TensorFlow, cpu). There is not enough memory." in at.warning[0].value
    assert len(at.dataframe[0].value) == 5


@pytest.mark.parametrize("plain", ["accuracy", "framework"])
def test_a_record_in_which_nothing_was_measured_has_words_instead_of_charts(plain):
    """A job whose first training failed."""
    kind = {"accuracy": "accuracy", "framework": "frameworks"}[plain]
    failed = training("keras-convnet", 1, [], problem="There is not enough memory.")
    measured_here(kind, runs=[failed])

    at = open_page(question=plain)

    assert not at.exception
    assert "No training of these results was measured." in words(at)


def test_start_queues_the_chosen_measurement(monkeypatch):
    """Five seeds of all recipes on all training pictures."""
    monkeypatch.setenv("FASHION_DEADLINE_SECONDS", "1000000")
    at = open_page(question="accuracy")
    at.button_group(key="_benchmark_size_accuracy").set_value("Five seeds").run()
    assert "5 seeds: about **" in words(at)

    at = press(at, "Start")

    (run,) = runs.list_runs(kind="benchmark")
    plan = benchmark_recipes.plan_of(run)
    assert (plan.kind, plan.seeds, plan.num_train) == ("accuracy", 5, 60_000)
    assert "Stop" in [button.label for button in at.button]


def test_seeds_for_which_there_is_no_time_are_cut_with_a_note(monkeypatch):
    """Before the start, with the variable that allows more."""
    one = benchmark_trials.plan_for("accuracy", ("tensorflow",)).estimate_seconds()
    monkeypatch.setenv("FASHION_DEADLINE_SECONDS", str(int(2.5 * one)))
    at = open_page(question="accuracy")

    at.button_group(key="_benchmark_size_accuracy").set_value("Five seeds").run()

    assert "2 instead of 5 seeds" in words(at)
    assert "FASHION_DEADLINE_SECONDS" in words(at)


def test_a_measurement_of_one_question_does_not_show_under_another():
    """Each has its own progress, and the queue is told of the other."""
    run = measured_here("accuracy", "running")
    runs.set_status(run, heartbeat=2e10, phase="measuring", epoch=3, num_epochs=6, num_steps=15, step=4)

    assert "Stop" in [button.label for button in open_page(question="accuracy").button]
    at = open_page(question="framework")
    assert "Start" in [button.label for button in at.button]
    assert "1 unfinished run on this machine goes first" in words(at)


def test_a_measurement_that_was_stopped_can_be_resumed():
    """What was measured stays in its folder."""
    run = measured_here("accuracy", "stopped", complete=False)

    at = press(open_page(question="accuracy"), "Resume")

    assert not at.exception
    assert run.status().state == "queued"
    assert len(benchmark_recipes.record(run)["runs"]) == len(ACCURACY_RUNS)


def test_the_same_network_stands_together_whoever_wrote_it():
    """Plain PyTorch is beside Keras' example, whose network it is; per 60,000 pictures, epochs of 10, 20 and 15 s."""
    rows = benchmark_framework.compared([Record("x", record("frameworks"))])

    convnet = rows[rows.network == "Keras' convnet example"]
    assert convnet.label.tolist() == ["Keras on TensorFlow", "Keras on PyTorch", "Plain PyTorch"]
    assert convnet.seconds_per_60000.tolist() == [10.0, 20.0, 15.0]
    assert convnet.startup_seconds.tolist() == [4.0, 6.0, 2.0]
    assert rows.network.tolist()[-1] == "default"


def test_missing_frameworks_are_named_with_how_to_install_them(recorded):
    """The results have PyTorch, this machine has not, and neither has JAX."""
    put(recorded, kind="frameworks")

    at = open_page(question="framework")

    assert not at.exception
    said = words(at)
    assert "PyTorch is not installed. Install it with: pip install torch" in said
    assert "Not in these results: JAX. JAX is not installed. Install it with: pip install jax" in said
    table = at.dataframe[0].value
    assert table["framework"].tolist() == ["Keras on TensorFlow", "Keras on PyTorch", "Plain PyTorch"]
    assert table["95 % interval from"].notna().all()
    assert "n = 10,000 test pictures" in said


def test_another_network_can_be_chosen(recorded):
    """Its bars and its table take the place of the first one's."""
    put(recorded, kind="frameworks", runs=FRAMEWORK_RUNS)
    at = open_page(question="framework")

    at.button_group(key="_framework_network").set_value("default").run()

    assert at.dataframe[0].value["later epochs, median (s)"].tolist() == [6.0]


def test_the_question_stands_in_the_url(recorded):
    """A link to what one sees can be passed on."""
    at = open_page(question="accuracy")

    assert at.button_group(key=state.QUESTION).value == "accuracy"


def test_with_several_machines_the_times_say_where():
    """Two records of one machine are told apart by their date."""
    table = benchmark_minute.times_table([Record("a", record()), Record("b", record(created="2026-04-01"))])

    assert set(table["measured on"]) == {
        "AMD Example, 4 cores, 2026-03-01",
        "AMD Example, 4 cores, 2026-04-01",
    }
