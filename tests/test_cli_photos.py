"""The command line with a model for photos: one line per file, folders, and the test photos counted again."""

import json

import clothing_folder
import photo_models
import pytest
from photo_models import BLUE, GREEN, RED, photo

from fashion import clothing, evaluation, runs
from fashion.__main__ import main
from fashion.predictor import Predictor


@pytest.fixture(autouse=True)
def _only_a_photo_model(monkeypatch, tmp_path):
    """A shipped model for photos, and nothing else."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    photo_models.install(monkeypatch)
    photo_models.make_run("clothing", folder=tmp_path / "models")


def _lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def folder(tmp_path):
    """Three photos, and a text that is none."""
    inside = tmp_path / "photos"
    inside.mkdir()
    (inside / "b.JPG").write_bytes(photo(GREEN))
    (inside / "a.heic").write_bytes(photo(RED, format="HEIF"))
    (inside / "c.webp").write_bytes(photo(BLUE, format="WEBP"))
    (inside / "notes.txt").write_text("milk, bread")
    return inside


def test_the_shipped_model_for_photos_answers(folder, capsys):
    """Without --model, in the order of the files, as the design of the output says."""
    files = [str(folder / name) for name in ("c.webp", "a.heic", "b.JPG")]

    assert main(["predict", *files, "--json"]) == 0
    records = _lines(capsys)

    assert [record["file"] for record in records] == files
    assert [record["label"] for record in records] == ["shoes", "dress", "hat"]
    for record in records:
        assert list(record)[:7] == ["file", "model", "label", "probability", "unsure", "top", "seconds"]
        assert record["model"] == "clothing"
        assert len(record["top"]) == 10


def test_a_folder_means_its_photos(folder, capsys):
    """By name; what is no photo by its name is passed over."""
    assert main(["predict", str(folder), "--json"]) == 0

    assert [record["label"] for record in _lines(capsys)] == ["dress", "hat", "shoes"]


def test_an_empty_folder_is_told(tmp_path, capsys):
    """It is no photo."""
    (tmp_path / "empty").mkdir()

    assert main(["predict", str(tmp_path / "empty"), "--json"]) == 1
    assert "The file must be a photo" in _lines(capsys)[0]["error"]


def test_a_refused_photo_is_told(folder, tmp_path, capsys):
    """With --json as a key of its own, and as unsure for whoever does not know that key; else in words."""
    run = photo_models.make_run("strict", folder=tmp_path / "models", refusal=photo_models.REFUSAL)
    photo_models.knows_red_only(run)

    assert main(["predict", "--model", "strict", str(folder), "--json"]) == 0
    records = _lines(capsys)
    assert [(record["refused"], record["unsure"]) for record in records] == [
        (False, False),
        (True, True),
        (True, True),
    ]

    assert main(["predict", "--model", "strict", str(folder / "c.webp")]) == 0
    assert "probably not one of the ten" in capsys.readouterr().out


def test_the_test_photos_are_counted_at_the_size_of_the_model(tmp_path, capsys):
    """One grey photo per class, which a network for colours gives all the same answer; its confidences are judged as
    they are told, calibrated."""
    clothing_folder.write(tmp_path / "data" / clothing.FOLDER, clothing_folder.files(per_class=1))
    modest = photo_models.make_run("modest", folder=tmp_path / "models", temperature=3.0)

    assert main(["evaluate", "modest", "--json"]) == 0
    (record,) = _lines(capsys)

    assert (record["dataset"], record["split"], record["n"], record["correct"]) == ("clothing", "test", 10, 1)
    test = clothing.load(photo_models.SIDE).test
    told = evaluation.apply_temperature(Predictor(modest).predict(test.images), 3.0)
    expected = evaluation.expected_calibration_error(told, test.labels, 15)
    assert record["calibration_error"] == pytest.approx(expected, abs=1e-6)
    assert expected < evaluation.expected_calibration_error(
        Predictor(modest).predict(test.images), test.labels
    )


def test_without_the_photos_there_is_nothing_to_count(capsys):
    """The command that fetches them is named."""
    assert main(["evaluate", "clothing", "--json"]) == 1

    assert "--fetch clothing" in _lines(capsys)[0]["error"]
