"""The Runs page lists, compares and opens runs, survives damaged folders and hostile links, and shows each mistake."""

from pathlib import Path

import numpy as np
import pytest
import runs_page
from run_folders import CLASSES, change_card, make_run
from runs_page import button, labels, open_page, words

from fashion import datasets, evaluation, jobs, runs, summary
from fashion.errors import JobError
from fashion.settings import RunSettings
from fashion.ui import comparison_view, confusion_view, evaluation_view, state

A, B, C = "20260102-030405-softmax-aaaa", "20260103-030405-cnn-bbbb", "20260104-030405-mlp-cccc"
REAL_DATA = {"load": datasets.load, "status": datasets.status}
VIEWS = (
    "Summary",
    "Curves",
    "Replay",
    "Epochs",
    "Confusion matrix",
    "Classes",
    "Mistakes",
    "Calibration",
    "Probe pictures",
)


@pytest.fixture(autouse=True)
def _toy_machine(monkeypatch, tmp_path):
    """A toy dataset, no shipped models, no GPU question, and queued runs stay queued."""
    runs_page.toy_machine(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    """A real run, trained by a worker: softmax regression on 1,000 drawn garments. About 8 seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_RUNS", str(tmp_path_factory.mktemp("tiny") / "runs"))
        run = runs.create(RunSettings(dataset="sketches", architecture="softmax", epochs=2, num_train=1000))
        jobs.start_worker(run).wait(timeout=120)
    assert run.status().state == "finished", (run.folder / "worker.log").read_text()
    return run


@pytest.fixture
def shown(monkeypatch):
    """What picture grids show: key -> (captions, mean pixel values) of the last drawing."""
    return runs_page.recorded_grids(monkeypatch)


# The list


def test_without_runs_the_page_says_to_train_one():
    """A new visitor is sent to the Train page."""
    at = open_page()

    assert not at.exception
    assert "There are no runs yet" in at.info[0].value
    assert any(
        link.proto.page == "train" for link in at.get("page_link") if "Train the first" in link.proto.label
    )


def test_runs_stand_in_a_table_newest_first_with_their_results():
    """Two runs, the later one first, each with test accuracy, n and interval."""
    make_run(A)
    make_run(B, learning_rate=0.01)

    at = open_page()

    table = at.dataframe[0].value
    assert not at.exception
    assert table["Run"].tolist() == ["cnn-bbbb", "softmax-aaaa"]
    assert table["Test accuracy"].tolist() == [96.0, 96.0]
    assert table["Test pictures"].tolist() == [300, 300]
    assert table["Learning rate"].tolist() == [0.01, 0.001]


def test_a_shipped_model_is_listed_and_cannot_be_deleted(monkeypatch):
    """It looks like any run, without the button."""
    make_run("fashion-mnist", folder=runs.SHIPPED)
    make_run(A)

    at = open_page(open="fashion-mnist")

    assert not at.exception
    assert at.dataframe[0].value["Run"].tolist() == ["softmax-aaaa", "fashion-mnist"]
    assert "**Finished.**" in words(at)
    assert not [label for label in labels(at) if label.startswith("Delete")]


def damage_settings(run):
    (run.folder / "settings.json").write_text("this is not JSON")


def damage_card(run):
    change_card(run, format=99)


def damage_metrics(run):
    change_card(run, metrics={"test": "good"})


def half_write(run):
    for path in run.folder.iterdir():
        if path.name != "status.json":
            path.unlink()


@pytest.mark.parametrize("damage", [damage_settings, damage_card, damage_metrics, half_write])
def test_a_damaged_run_is_named_and_the_others_are_shown(damage):
    """One bad folder never takes the page away."""
    make_run(A)
    damage(make_run(B))

    at = open_page(open=B, runs=f"{A},{B}")

    assert not at.exception
    assert "One run cannot be read" in [expander.label for expander in at.expander]
    assert B in words(at)
    assert at.dataframe[0].value["Run"].tolist() == ["softmax-aaaa"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"state": "dancing"}', '{"state": 7}'])
def test_a_run_with_a_damaged_status_is_listed_as_failed(text):
    """What is wrong stands in its summary, and it can be deleted."""
    run = make_run(A, tested=False)
    (run.folder / "status.json").write_text(text)

    at = open_page(open=A)

    assert not at.exception
    assert at.dataframe[0].value["State"].tolist() == ["failed"]
    assert "Delete this run" in words(at)
    assert "Delete this run for good" in labels(at)


def test_folders_that_are_no_runs_are_passed_over():
    """A stranger's folder, a file, and a run folder without a status are not ours to show."""
    make_run(A)
    (runs.runs_folder() / "holiday pictures").mkdir()
    (runs.runs_folder() / "20260105-030405-cnn-dddd").mkdir()
    (runs.runs_folder() / "20260106-030405-cnn-eeee").write_text("a file")

    at = open_page()

    assert not at.exception
    assert not at.expander
    assert len(at.dataframe[0].value) == 1


@pytest.mark.parametrize(
    ("name", "view"),
    [
        *(("evaluation.npz", view) for view in ("Replay", *VIEWS[4:])),
        *(("log.csv", view) for view in VIEWS[:4]),
    ]
    + [("probes.npz", "Probe pictures"), ("probes.npz", "Replay"), ("model.tflite", "Summary")],
)
def test_a_damaged_file_of_an_opened_run_ends_in_words(name, view):
    """Bytes that are no table and no array: the section still draws, or says which file is wrong."""
    (make_run(A).folder / name).write_bytes(b"\x00PK\x03\x04 rubbish \xff\n\n,,,")

    at = open_page(open=A, view=view)

    assert not at.exception
    if name.endswith(".npz"):
        assert f"{name} must hold" in words(at)


def test_a_damaged_run_can_be_deleted_from_the_page():
    """The press removes its folder and leaves the others."""
    make_run(A)
    bad = make_run(B)
    damage_settings(bad)

    at = button(open_page(), "Delete this run for good").click().run()

    assert not at.exception
    assert not bad.folder.exists()
    assert not at.expander
    assert [run.id for run in runs.list_runs()] == [A]


# Links


def test_a_link_restores_the_selection():
    """?runs=id,id compares these two."""
    make_run(A)
    make_run(B, wrong={(4, 2): 5, (6, 0): 7, (1, 3): 20}, learning_rate=0.01)
    make_run(C)

    at = open_page(runs=f"{A},{B}")

    assert not at.exception
    assert "2 runs compared" in words(at)
    assert "softmax-aaaa is better than cnn-bbbb: by 6.67 percentage points" in words(at)
    assert at.table[0].value["Setting"].tolist() == ["Learning rate"]


HOSTILE = [
    "../../../../etc/passwd",
    "/etc/passwd",
    f"{A}/../{A}",
    "<script>alert(1)</script>",
    "![x](http://evil.example/x.png)",
    "`code` **bold** $x$",
    ",,,,",
    ",".join(f"run{number}" for number in range(5000)),
    "x" * 100_000,
    "\x00\n\r\t",
    "🙂" * 50,
    "%2e%2e%2f",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_links_are_named_and_ignored(value):
    """Whatever stands there, known runs are shown, and nothing of it is followed, run or drawn as a link."""
    make_run(A)

    at = open_page(runs=f"{value},{A}", open=value, view=value, axis=value, true=value, predicted=value)

    assert not at.exception
    assert at.dataframe[0].value["Run"].tolist() == ["softmax-aaaa"]
    said = words(at)
    assert "<script>" not in said
    assert "](http" not in said
    assert len(said) < 3000


def test_an_unknown_run_of_a_link_is_named():
    """A reader learns which one is missing."""
    make_run(A)

    at = open_page(open="20200101-000000-cnn-0000")

    assert "20200101-000000-cnn-0000" in at.warning[0].value


def test_a_selection_survives_leaving_the_page():
    """Another page and back: still compared."""
    make_run(A)
    make_run(B)
    at = open_page(runs=f"{A},{B}", open=A)

    at.switch_page("streamlit_app.py").run()
    at.query_params.clear()
    at.switch_page("pages/runs.py").run()

    assert "2 runs compared" in words(at)
    assert at.selectbox[0].value == A


def test_ticking_one_run_opens_it():
    """The row's number is turned into the run's id, which stands in the link."""
    make_run(A)
    make_run(B)
    at = open_page()

    at.session_state[f"_runs_{hash((B, A))}"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    at.run()

    assert at.query_params["runs"] == A
    assert at.query_params["open"] == A
    assert "**Finished.**" in words(at)


# One run


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("tested", [True, False], ids=["tested", "cut off"])
def test_every_section_renders(view, tested):
    """With all files, and for a run that was cut off before its test."""
    make_run(A, state="finished" if tested else "interrupted", tested=tested)

    at = open_page(open=A, view=view)

    assert not at.exception
    assert at.button_group(key=state.VIEW).value == view


def test_the_summary_states_results_with_n_and_interval_and_times_with_their_circumstances():
    """No accuracy without n and interval; no time without machine, versions and batch size."""
    make_run(A, state="stopped")

    at = open_page(open=A)

    said = words(at)
    assert {metric.label: metric.value for metric in at.metric}["Test accuracy"] == "96.0%"
    assert "300 pictures; 95 % interval 93.1% to 97.7%" in said
    for fact in ("4.0 s", "1.5 s", "Toy Processor", "keras 3.15.1", "batch size 128", "Stopped by hand."):
        assert fact in said
    files = [one.proto.label for one in at.get("download_button")]
    assert [name.partition(",")[0] for name in files] == [
        "Keras model",
        "LiteRT model",
        "Settings",
        "Card",
        "Labels",
        "Training program",
    ]


def test_a_closed_section_costs_nothing(monkeypatch):
    """The summary reads no stored answers and no model file."""
    make_run(A)
    monkeypatch.setattr(runs.Run, "evaluation", lambda self: pytest.fail("read without need"))
    monkeypatch.setattr(Path, "read_bytes", _refuse_models(Path.read_bytes))

    assert not open_page(open=A).exception


def _refuse_models(read):
    def checked(path):
        assert not path.name.startswith("model."), "a model file was read without need"
        return read(path)

    return checked


def test_deleting_asks_first():
    """The page only offers; the folder goes when the question is answered."""
    run = make_run(A)
    make_run(B)
    at = open_page(open=A)

    assert "This cannot be undone." in words(at)
    assert run.folder.exists()
    button(at, "Delete this run for good").click().run()

    assert not at.exception
    assert not run.folder.exists()
    assert at.dataframe[0].value["Run"].tolist() == ["cnn-bbbb"]
    assert not at.warning
    assert "open" not in at.query_params


def test_several_ticked_runs_are_deleted_together():
    """Two of three go."""
    for name in (A, B, C):
        make_run(name)

    button(open_page(runs=f"{A},{C}"), "Delete these 2 runs for good").click().run()

    assert [run.id for run in runs.list_runs()] == [B]


@pytest.fixture
def asked(monkeypatch):
    """What was asked of the queue: (action, run id)."""
    done = []
    for action in ("resume", "finish", "stop"):
        monkeypatch.setattr(
            jobs.LocalQueue, action, lambda self, run, action=action: done.append((action, run.id))
        )
    return done


def test_an_interrupted_run_can_go_on_or_keep_its_best_epoch(asked):
    """With a checkpoint to go on from, and a best epoch that was not tested."""
    run = make_run(A, state="interrupted", tested=False)
    (run.folder / "last.keras").write_bytes(b"abc")
    at = open_page(open=A)

    button(at, "Resume").click().run()
    button(at, "Keep the best epoch").click().run()

    assert asked == [("resume", A), ("finish", A)]


def test_a_finished_run_offers_neither_resume_nor_finish():
    """Nothing is left to do."""
    make_run(A)

    assert not {"Resume", "Start again", "Keep the best epoch", "Stop"} & set(labels(open_page(open=A)))


def test_an_unfinished_run_is_shown_under_way_and_cannot_be_deleted(asked):
    """Its place in the training, a way to stop it, and no Delete."""
    make_run(A, state="queued", tested=False)

    at = open_page(open=A)

    assert not at.exception
    assert not [label for label in labels(at) if label.startswith("Delete")]
    button(at, "Stop").click().run()
    assert asked == [("stop", A)]


def test_a_refused_action_is_told(monkeypatch):
    """What the queue says stands on the page."""
    make_run(A, state="interrupted", tested=False)

    def refuse(self, run):
        raise JobError("Only a run that was cut off can be resumed.")

    monkeypatch.setattr(jobs.LocalQueue, "resume", refuse)

    at = button(open_page(open=A), "Start again").click().run()

    assert not at.exception
    assert "Only a run that was cut off" in at.toast[0].value


def test_the_same_settings_can_be_trained_again():
    """The Train page opens with them."""
    make_run(A, epochs=7, learning_rate=0.02, batch_size=64, flip=True)

    at = button(open_page(open=A), "Use these settings again").click().run()

    assert not at.exception
    assert at.title[0].value == "Train"
    for name, value in {"epochs": 7, "learning_rate": 0.02, "batch_size": 64, "flip": True}.items():
        assert at.session_state[name] == value


# The other sections


def test_mistakes_are_those_the_network_was_most_sure_of(shown):
    """Six at most when six are asked for, the surest with 90 %."""
    make_run(A)
    at = open_page(open=A, view="Mistakes")

    at.slider(key="_mistakes").set_value(6).run()

    captions, _ = shown["_mistakes_grid"]
    assert [caption[-5:] for caption in captions] == [
        "90.0%",
        "90.0%",
        "89.0%",
        "89.0%",
        "88.0%",
        "88.0%",
    ]
    assert "of 12 mistakes on 300 test pictures" in words(at)


def test_a_run_without_mistakes_says_so():
    """Drawn garments are easy enough for that."""
    make_run(A, wrong={})

    at = open_page(open=A, view="Mistakes")

    assert not at.exception
    assert "Not one of 300 test pictures" in at.success[0].value


def test_classes_are_listed_with_n_interval_and_precision():
    """25 of 30 coats were recognised; of 35 called pullover, 30 are."""
    make_run(A)

    at = open_page(open=A, view="Classes")

    table = at.dataframe[-1].value.set_index("Class")
    assert table.loc["coat", "Pictures"] == 30
    assert table.loc["coat", "Accuracy"] == pytest.approx(100 * 25 / 30)
    assert table.loc["pullover", "Precision"] == pytest.approx(100 * 30 / 35)


@pytest.mark.parametrize(
    ("temperature", "said"), [(1.25, "too sure of itself"), (0.8, "too modest"), (1.0, "about right")]
)
def test_the_temperature_is_told_in_a_sentence(temperature, said):
    """Above 1 too sure, below 1 too modest."""
    assert said in evaluation_view.temperature_in_words(temperature)


def test_calibration_can_be_looked_at_with_the_temperature():
    """The switch draws the same answers with the other confidence."""
    make_run(A)
    at = open_page(open=A, view="Calibration")
    before = at.dataframe[-1].value.confidence.max()

    at.toggle(key="_temperature").set_value(True).run()

    assert not at.exception
    assert at.dataframe[-1].value.confidence.max() < before


def test_probe_pictures_follow_the_right_answer(shown):
    """Twelve pictures; the fifth is a coat that was taken for a pullover, with 5 % for coat in every epoch."""
    make_run(A)

    at = open_page(open=A, view="Probe pictures")

    captions, _ = shown["_probe_grid"]
    assert len(captions) == 12
    assert captions[4] == "5 coat: 5% → 5%"
    assert len(at.dataframe[-1].value) == 36


@pytest.mark.slow
def test_a_run_as_a_worker_leaves_it_is_shown_whole(tiny_run, shown, monkeypatch):
    """Every section of a real run, with its real pictures: each cell of the matrix that holds some opens as many."""
    monkeypatch.setenv("FASHION_RUNS", str(tiny_run.folder.parent))
    for name, real in REAL_DATA.items():
        monkeypatch.setattr(datasets, name, real)
    said = summary.predictions(summary.summarise(tiny_run))
    matrix = evaluation.confusion_matrix(said.labels, said.probabilities.argmax(axis=1), 10)

    for view in VIEWS:
        at = open_page(open=tiny_run.id, view=view)
        assert not at.exception
        assert not at.warning
    for true, predicted in np.argwhere(np.triu(matrix, 1) + np.tril(matrix, -1))[:4].tolist():
        at = open_page(
            open=tiny_run.id, view="Confusion matrix", true=CLASSES[true], predicted=CLASSES[predicted]
        )
        pages = -(-matrix[true, predicted] // confusion_view.PER_PAGE)
        last = matrix[true, predicted] - (pages - 1) * confusion_view.PER_PAGE
        at.session_state["_cell_page"] = int(pages)
        at.run()
        assert len(shown["_cell_grid"][0]) == last
        assert f": {matrix[true, predicted]:,} picture" in words(at)


# Charts


def test_one_run_is_coloured_by_curve_and_several_by_run():
    """Training and validation keep their colours where there is no need for others."""
    one, other = summary.summarise(make_run(A)), summary.summarise(make_run(B))

    single = comparison_view.curve_chart(summary.curves([one]), "loss", "epoch").to_dict()
    several = comparison_view.curve_chart(summary.curves([one, other]), "loss", "seconds").to_dict()

    labels = comparison_view.curve_chart(summary.curves([one, other]), "accuracy", "epoch").to_dict()[
        "layer"
    ][3:]
    assert [layer["mark"]["dy"] for layer in labels] == [-14, 16]  # equal accuracies do not cover each other
    assert {layer["transform"][0]["filter"]["equal"] for layer in labels} == set(
        summary.curves([one, other]).run
    )
    assert single["layer"][0]["encoding"]["color"]["field"] == "curve"
    assert several["layer"][0]["encoding"]["color"]["field"] == "run"
    assert several["layer"][0]["encoding"]["strokeDash"]["field"] == "curve"
    assert several["layer"][0]["encoding"]["x"]["title"] == "training time in seconds"
