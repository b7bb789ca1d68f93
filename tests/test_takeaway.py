"""A finished run as a zip: what is in it, that it is proved by a process without the app, and what is said if not."""

import ast
import io
import json
import shutil
import sys
import time
import zipfile

import numpy as np
import photo_models
import pytest
from PIL import Image
from run_folders import change_card, make_run
from runs_page import labels, open_page, toy_machine, words

from fashion import disk, evaluation, jobs, runs, squares, takeaway, takeaway_proof
from fashion.errors import ModelError, RunError
from fashion.takeaway_files import prediction_program, preprocessing

NAME = "20260102-120000-softmax-0001"


def queue() -> jobs.LocalQueue:
    """One that starts nothing by itself."""
    return jobs.LocalQueue(jobs.Limits())


def worked(run: runs.Run) -> runs.Run:
    """The job of this run's proof, done by a real worker."""
    job = takeaway.ask_for_proof(queue(), run)
    jobs.start_worker(job).wait(timeout=300)
    return job


def names(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [name.partition("/")[2] for name in archive.namelist()]


def test_the_zip_holds_all_that_one_needs_and_is_always_the_same(tiny_run):
    """Model in both forms, labels, preprocessing, card, settings, programs and a text that says what is what."""
    first, second = takeaway.packed(tiny_run), takeaway.packed(tiny_run)

    assert first == second
    wanted = {
        "README.txt", "labels.txt", "preprocessing.json", "predict.py", "settings.json", "card.json", "train.py",
        "model.keras", "model.tflite",
    }  # fmt: skip
    assert wanted <= set(names(first)) <= wanted | {"sketches.npz"}
    readme = takeaway.contents(tiny_run)["README.txt"].decode()
    assert "python predict.py photo.jpg" in readme
    assert "95 % interval" in readme


def test_a_fresh_process_without_the_app_agrees_with_ours(tiny_run):
    """A real worker proves it; the result is kept, told, and outdated as soon as the run is another."""
    assert takeaway.proof(tiny_run).state == "none"

    job = worked(tiny_run)

    found = takeaway.proof(tiny_run)
    assert found.state == "proved", (found.reason, (job.folder / "worker.log").read_text()[-2000:])
    assert found.result["differences"]["model.keras"] <= takeaway.KERAS_TOLERANCE
    assert found.result["differences"]["model.tflite"] <= takeaway.LITERT_TOLERANCE
    assert found.result["bytes"] == len(takeaway.packed(tiny_run))
    assert runs.list_runs() == [tiny_run]  # the job is no training run
    change_card(tiny_run, temperature=3.0)
    assert takeaway.proof(tiny_run).state == "outdated"


def test_a_damaged_model_is_not_offered_and_the_run_stays_as_it_was(tiny_run):
    """The reason names the file; the run itself is still finished."""
    path = tiny_run.folder / "model.keras"
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    worked(tiny_run)

    found = takeaway.proof(tiny_run)
    assert found.state == "failed"
    assert "model.keras of" in found.reason
    assert "SHA-256" in found.reason
    assert tiny_run.status().state == "finished"


class Quiet:
    """A reporter that nobody listens to."""

    def update(self, **changes) -> None:
        pass

    def stop_reason(self) -> None:
        return None


def test_the_fresh_process_cannot_import_our_package(tmp_path):
    """Even from the folder of the project: else its answers would prove nothing."""
    (tmp_path / "fresh.py").write_text(takeaway_proof._FRESH)
    (tmp_path / "predict.py").write_text("def pixels(path): return 0")

    probe = [
        sys.executable,
        "-I",
        "-c",
        "import importlib.util; print('[%d]' % bool(importlib.util.find_spec('fashion')))",
    ]

    assert takeaway_proof._answers(probe, Quiet(), cwd=runs.ROOT, env={}) == [0]


def test_a_process_that_fails_is_told_with_its_last_words(tmp_path):
    """As when a package is missing."""
    with pytest.raises(ModelError, match="Received: ModuleNotFoundError: No module named 'nosuch'"):
        takeaway_proof._answers([sys.executable, "-I", "-c", "import nosuch"], Quiet(), cwd=tmp_path, env={})


def test_answers_that_differ_are_refused():
    """Keras to 1e-4, LiteRT to 1e-2; not a number is no agreement."""
    ours = {"keras": [[0.5, 0.5]]}

    assert takeaway_proof.compare(ours, {"keras": [[0.50005, 0.5]], "litert": [[0.509, 0.5]]}) == {
        "model.keras": pytest.approx(5e-5),
        "model.tflite": pytest.approx(0.009),
    }
    with pytest.raises(ModelError, match="model.keras must agree with our own answers to 0.0001"):
        takeaway_proof.compare(ours, {"keras": [[0.5002, 0.5]], "litert": [[0.5, 0.5]]})
    with pytest.raises(ModelError, match="model.tflite must agree with our own answers to 0.01"):
        takeaway_proof.compare(ours, {"keras": [[0.5, 0.5]], "litert": [[0.511, 0.5]]})
    with pytest.raises(ModelError, match="model.tflite"):
        takeaway_proof.compare(ours, {"keras": [[0.5, 0.5]], "litert": [[float("nan"), 0.5]]})
    with pytest.raises(ModelError, match="another form"):
        takeaway_proof.compare(ours, {"keras": [[0.5, 0.5]]})


def test_without_a_keras_file_only_the_other_is_packed_and_compared(tiny_run):
    """And the text says so."""
    (tiny_run.folder / "model.keras").unlink()

    files = takeaway.contents(tiny_run)

    assert "model.keras" not in files
    assert "no model.keras" in files["README.txt"].decode()
    assert takeaway_proof.compare({"litert": [[1.0]]}, {"litert": [[1.0]]}) == {"model.tflite": 0.0}


@pytest.mark.parametrize(
    ("state", "tested", "why"), [("running", True, "not finished"), ("finished", False, "not exported")]
)
def test_what_cannot_be_taken_along_says_why(state, tested, why):
    """A run under way, and one without an exported model."""
    run = make_run(NAME, state=state, tested=tested)
    if state == "running":
        runs.set_status(run, heartbeat=time.time())

    assert why in takeaway.obstacle(run)
    with pytest.raises(RunError, match=why):
        takeaway.ask_for_proof(queue(), run)


def test_a_new_proof_takes_the_place_of_the_old_one():
    """And of those whose runs are gone."""
    run, gone = make_run(NAME), make_run("20260102-130000-softmax-0002")
    for one in (run, gone):
        runs.set_status(takeaway.ask_for_proof(queue(), one), state="finished")
    shutil.rmtree(gone.folder)

    job = takeaway.ask_for_proof(queue(), run)

    assert runs.list_runs(kind="takeaway") == [job]
    assert takeaway.proof(run).state == "under way"


def test_a_proof_that_was_stopped_is_as_if_it_had_not_been_asked_for():
    """Nothing failed."""
    run = make_run(NAME)
    job = takeaway.ask_for_proof(queue(), run)
    runs.request_stop(job)

    queue().tick()

    assert job.status().state == "stopped"
    assert takeaway.proof(run).state == "none"


def test_a_run_deleted_meanwhile_fails_in_words():
    """The job ends with a reason, not with a crash."""
    run = make_run(NAME)
    job = takeaway.ask_for_proof(queue(), run)
    shutil.rmtree(run.folder)

    with pytest.raises(RunError, match="There must be a run"):
        takeaway_proof.prove(job, Quiet())


# The small programs


def function_of(card: dict, name: str, how: dict) -> object:
    """One function of `predict.py`, without the model that the rest of it opens."""
    from PIL import ImageOps

    tree = ast.parse(prediction_program(card))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    space = {"np": np, "Image": Image, "ImageOps": ImageOps, "how": how}
    exec(compile(tree, "predict", "exec"), space)
    return space[name]


@pytest.mark.parametrize("fit", squares.FITS)
@pytest.mark.parametrize("size", [(90, 120), (640, 200)])
def test_predict_py_makes_of_a_photo_the_very_pixels_of_the_app(tmp_path, fit, size):
    """Upright, cut or squashed, resized: to the last bit."""
    card = {"image_shape": [64, 64, 3], "fit": fit, "temperature": 1.0, "mirror": True}
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = 6  # lies on its side
    Image.fromarray(pixels).save(tmp_path / "photo.png", exif=exif)

    received = function_of(card, "pixels", preprocessing(card))(tmp_path / "photo.png")

    upright = Image.fromarray(np.rot90(pixels, -1))
    np.testing.assert_array_equal(received, squares.square(upright, 64, fit))


def test_predict_py_finds_a_garment_on_a_plain_background(tmp_path):
    """A dark square on white becomes a bright one on black that fills the picture; a 28x28 picture stays as it is."""
    card = {"image_shape": [28, 28], "temperature": 1.0}
    make = function_of(card, "pixels", preprocessing(card))
    photo = np.full((200, 300), 250, np.uint8)
    photo[60:140, 100:140] = 20
    Image.fromarray(photo).save(tmp_path / "photo.png")
    small = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)
    Image.fromarray(small).save(tmp_path / "small.png")

    made = make(tmp_path / "photo.png")

    assert made.shape == (28, 28)
    assert made[:, 9:18].min() == 255  # twice as tall as wide
    assert made[:, :6].max() == made[:, 22:].max() == 0
    np.testing.assert_array_equal(make(tmp_path / "small.png"), small)


@pytest.mark.parametrize(
    ("temperature", "probabilities"), [(0.64, [0.7, 0.2, 0.1]), (4.0, [1.0 - 2e-12, 1e-12, 1e-12])]
)
def test_predict_py_tells_the_confidence_of_the_app(temperature, probabilities):
    """The powers of the probabilities are what the temperature means, also of those that are all but 0."""
    card = {"image_shape": [64, 64, 3], "temperature": temperature, "mirror": False}
    told = [line for line in prediction_program(card).split("\n") if line.startswith("    answer ")][1:]
    space = {"np": np, "how": preprocessing(card), "answer": np.array(probabilities)}

    exec("\n".join(line.strip() for line in told), space)

    expected = evaluation.apply_temperature(np.array([probabilities]), temperature)[0]
    np.testing.assert_allclose(space["answer"], expected, rtol=1e-6)
    assert "temperature" not in prediction_program({"image_shape": [28, 28], "temperature": 2.0})


def test_what_must_be_done_with_a_photo_is_written_down(monkeypatch):
    """Size, fit, colours, mirror image and temperature, from the card."""
    photo_models.install(monkeypatch)
    run = photo_models.make_run(mirror=True, temperature=0.8, fit="squash")

    how = json.loads(takeaway.contents(run)["preprocessing.json"])

    assert {key: how[key] for key in ("size", "colour", "fit", "mirror", "temperature", "temperature_used")} == {
        "size": 64, "colour": "rgb", "fit": "squash", "mirror": True, "temperature": 0.8, "temperature_used": True,
    }  # fmt: skip


def test_what_teachers_said_goes_along_with_the_program_that_needs_it(monkeypatch):
    """Without it there is no such program, and the reason is told."""
    photo_models.install(monkeypatch)
    made = photo_models.make_run()
    disk.write_json(made.folder / "settings.json", made.settings.replace(teachers="clothing").to_json())
    run = runs.Run(made.folder)  # settings are read once

    without = takeaway.contents(run)
    disk.write_arrays(run.folder / "teachers.npz", answers=np.full((3, 10), 0.1, np.float16))
    complete = takeaway.contents(run)

    assert "train.py" not in without
    assert b"what its teachers said (teachers.npz) is gone" in without["README.txt"]
    assert complete["teachers.npz"] == (run.folder / "teachers.npz").read_bytes()
    assert b'TEACHERS = "teachers.npz"' in complete["train.py"]
    assert b"teachers.npz" in complete["README.txt"]


# On the page


@pytest.fixture
def run_here(monkeypatch, tmp_path):
    """The Runs page with one finished run; queued jobs stay queued."""
    toy_machine(monkeypatch, tmp_path)
    return make_run(NAME)


def test_the_page_offers_the_zip_only_after_its_proof(run_here):
    """First a button that packs and checks; then, while that is waiting, how it stands; at last the download with the proof."""
    at = open_page(open=NAME)
    assert "Pack a zip and check it" in labels(at)
    assert "All of it as a zip" not in str(at.get("download_button"))

    (button,) = [one for one in at.button if one.label == "Pack a zip and check it"]
    button.click().run()
    (job,) = runs.list_runs(kind="takeaway")
    assert "Pack a zip and check it" not in labels(at)

    result = {
        "when": "2026-01-02", "pictures": "8 test pictures", "differences": {"model.keras": 2e-7, "model.tflite": 0.0005},
        "bytes": 3_700_000, "versions": {"keras": "3.15.1"},
    }  # fmt: skip
    takeaway.write_result(job, result)
    runs.set_status(job, state="finished")
    at = open_page(open=NAME)

    assert not at.exception
    assert "`model.keras` to a millionth and `model.tflite` to 0.0005" in words(at)
    assert "All of it as a zip, 3.7 MB" in str(at.get("download_button"))


def test_the_page_says_why_a_zip_is_not_offered(run_here):
    """The reason of the failed check, and another try."""
    job = takeaway.ask_for_proof(queue(), run_here)
    runs.set_status(job, state="failed", reason="model.tflite must agree with our own answers to 0.01.")

    at = open_page(open=NAME)

    assert "its check failed" in words(at)
    assert "must agree with our own answers to 0.01" in words(at)
    assert "Try again" in labels(at)
    assert "All of it as a zip" not in str(at.get("download_button"))


def test_the_training_program_is_shown_and_where_there_is_none_why(monkeypatch, tmp_path):
    """A program to read for most runs; for a range test, a sentence."""
    toy_machine(monkeypatch, tmp_path)
    make_run(NAME)
    make_run("20260102-130000-softmax-0002", schedule="range-test", learning_rate=1.0)

    at = open_page(open=NAME)
    assert any("def build():" in code.value for code in at.code)
    other = open_page(open="20260102-130000-softmax-0002")

    assert not other.exception
    assert "cannot be written as a plain program" in words(other)
