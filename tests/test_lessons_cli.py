"""Recording the lessons' runs: small files only, nothing twice, failures told; no worker runs here."""

import json
import shutil

import pytest
from run_folders import make_run

from fashion import feature_store, jobs, lessons, lessons_cli, runs
from fashion.__main__ import main

RATES = lessons.find("learning-rate")


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """Recordings go into a folder of the test's own, and every run counts as possible."""
    monkeypatch.setattr(runs, "LESSONS", tmp_path / "lessons")
    monkeypatch.setattr(feature_store, "obstacle", lambda settings: None)


@pytest.fixture
def worked(monkeypatch) -> list[runs.Run]:
    """The runs that were given to a worker, each of which it finished at once, but for a learning rate of 0.1."""
    seen = []

    def start_worker(*several: runs.Run) -> None:
        for run in several:
            seen.append(run)
            settings = run.settings
            if settings.learning_rate == 0.1:
                runs.set_status(run, state="failed", reason="No luck.")
                continue
            made = make_run("made", folder=run.folder.parent.parent / run.id, **settings.to_json())
            shutil.copytree(made.folder, run.folder, dirs_exist_ok=True)

    monkeypatch.setattr(jobs, "start_worker", start_worker)
    return seen


def test_a_recorded_run_keeps_its_small_files_and_no_weights(worked):
    """Settings, logs, answers and card; it belongs to its lesson's experiment, and the run itself is gone."""
    assert (
        lessons_cli.record(
            lessons.find("transfer-learning"), lessons.find("transfer-learning").experiments[0]
        )
        == 0
    )

    (run,) = runs.recorded("transfer-learning")
    assert {path.name for path in run.folder.iterdir()} == {
        "settings.json", "log.csv", "probes.npz", "evaluation.npz", "card.json",
    }  # fmt: skip
    assert run.id == "transfer-learning-new-head"
    assert (run.card()["name"], run.card()["files"]) == (run.id, {})
    assert run.settings == lessons.find("transfer-learning").experiments[0].runs[0][1]
    assert runs.list_runs() == []


def test_what_failed_is_told_and_made_the_next_time(worked, capsys):
    """Three of four are recorded; a second recording makes only the fourth."""
    assert lessons_cli.record(RATES, RATES.experiments[0]) == 1
    assert "0.1: failed. No luck." in capsys.readouterr().err
    assert len(runs.recorded("learning-rate")) == 3
    worked.clear()

    lessons_cli.record(RATES, RATES.experiments[0])

    assert [run.settings.learning_rate for run in worked] == [0.1]


def test_recording_anew_forgets_what_was_recorded(worked, capsys):
    """Without --fresh nothing is made twice; with it everything is."""
    assert main(["lessons", "--record", "8.8"]) == 0
    assert main(["lessons", "--record", "inner-layer"]) == 0
    assert len(worked) == 3
    assert "recorded already" in capsys.readouterr().err

    assert main(["lessons", "--record", "inner-layer", "--fresh"]) == 0

    assert len(worked) == 6
    assert len(runs.recorded("inner-layer")) == 3


def test_a_lesson_that_cannot_be_made_here_is_named(monkeypatch, worked, capsys):
    """The others are recorded, and the exit status says that something is missing."""
    monkeypatch.setattr(
        feature_store, "obstacle", lambda settings: "No photos." if settings.image_size == 150 else None
    )

    assert main(["lessons", "--record", "larger-input", "transfer-learning"]) == 1

    assert "larger-input cannot be recorded here. No photos." in capsys.readouterr().err
    assert runs.recorded("larger-input") == []
    assert len(runs.recorded("transfer-learning")) == 1


@pytest.mark.parametrize("name", ["summary", "no-such", "../models"])
def test_a_name_without_an_experiment_is_wrong_usage(name, capsys):
    """The message lists those that have one."""
    with pytest.raises(SystemExit) as caught:
        main(["lessons", "--record", name])

    assert caught.value.code == 2
    assert "transfer-learning" in capsys.readouterr().err


def test_all_means_every_lesson_with_an_experiment():
    """In the order of the course."""
    chosen = lessons_cli._chosen(["all"])

    assert [lesson.number for lesson in chosen] == [
        "8.1", "8.5", "8.6", "8.7", "8.8", "8.9", "8.10", "8.11", "8.14", "8.15",
    ]  # fmt: skip


def test_the_list_says_what_is_recorded_where_and_when(worked, capsys):
    """A line of JSON for each of the fifteen lessons."""
    main(["lessons", "--record", "transfer-learning"])
    capsys.readouterr()

    assert main(["lessons", "--json"]) == 0

    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["lesson"] for row in rows] == [f"8.{number}" for number in range(1, 16)]
    assert (rows[4]["runs"], rows[4]["recorded"], rows[4]["date"]) == (1, 1, "2026-01-02")
    assert "Toy Processor" in rows[4]["machine"]


def test_vectors_are_computed_anew_for_a_record_of_their_cost(monkeypatch):
    """Larger input: in a folder of its own, whatever was computed before; the stored vectors that ship do for the others."""
    monkeypatch.delenv("FASHION_FEATURES", raising=False)
    monkeypatch.setattr(feature_store, "shipped_path", lambda name, size: runs.ROOT / "README.md")
    with lessons_cli._own_vectors([RATES.experiments[0].runs[0][1]]):
        assert "FASHION_FEATURES" not in lessons_cli.os.environ
    several = [
        settings.replace(views=2, flip=True)
        for _, settings in lessons.find("larger-input").experiments[0].runs
    ]
    with lessons_cli._own_vectors(several):
        assert "FASHION_FEATURES" in lessons_cli.os.environ
    assert "FASHION_FEATURES" not in lessons_cli.os.environ


@pytest.mark.parametrize(
    "lesson", [one for one in lessons.LESSONS if one.experiments], ids=lambda one: one.slug
)
def test_recorded_runs_that_come_with_the_project_belong_to_their_lesson(lesson, monkeypatch):
    """A lesson whose settings change must be recorded again: a stranger in its folder would never be shown."""
    monkeypatch.undo()
    planned = {settings for experiment in lesson.experiments for _, settings in experiment.runs}

    for run in runs.recorded(lesson.slug):
        assert run.settings in planned, run.id
        assert run.card()["files"] == {}
        assert not run.has_model
        assert sum(path.stat().st_size for path in run.folder.iterdir()) < 300_000
