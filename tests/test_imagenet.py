"""A pretrained network as it comes: got ready once in a process of its own, then asked about photos by the server."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import photo_models
import psutil
import pytest
import requests
from PIL import Image
from streamlit.testing.v1 import AppTest

from fashion import imagenet, imagenet_export, jobs, pretrained, runs, sketches
from fashion.errors import DataError, JobError, ModelError
from fashion.settings import RunSettings

NAME = "mobilenetv2"
PLENTY = 64e9
CLASSES = [f"thing {label}" for label in range(1000)]
RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    """No test reads or writes the networks, weights and downloads of the person who runs it."""
    monkeypatch.setattr(imagenet, "folder", lambda: tmp_path / "imagenet")
    (tmp_path / "imagenet").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder with the weights of `NAME`, which nobody reads here."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / pretrained.BASES[NAME].weights[1]).write_bytes(b"weights")
    monkeypatch.setenv("FASHION_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def started(monkeypatch):
    """The processes that were started, as (command, environment); none is."""
    found = []

    def start(command, **options):
        found.append((command, options["env"]))

    monkeypatch.setattr(subprocess, "Popen", start)
    return found


class ColourInterpreter:
    """Stands in for LiteRT: takes a red photo for thing 7, a green one for thing 8, a blue one for thing 9."""

    image_shape = (8, 8, 3)

    def __init__(self, path):
        pass

    def predict(self, images):
        red, green, blue = images[0].reshape(-1, 3).mean(axis=0) / 255
        probabilities = np.full((1, 1000), 1e-5)
        probabilities[0, [7, 8, 9]] = red, green, blue
        return (probabilities / probabilities.sum()).astype(np.float32)


@pytest.fixture
def ready(monkeypatch):
    """`NAME` is ready, with a stand-in for LiteRT."""
    imagenet.model_file(NAME).write_bytes(b"a network")
    imagenet.classes_file().write_text(json.dumps(CLASSES))
    monkeypatch.setattr(imagenet, "Interpreter", ColourInterpreter)


# Asking


def test_the_five_most_probable_of_1000_classes_come_first_to_last(ready):
    """A photo two parts red, one part blue: red's class, then blue's, then others of equal rank by number."""
    said = imagenet.Network(NAME).ask(Image.new("RGB", (30, 40), (200, 0, 100)))

    assert [label for label, _ in said.top] == ["thing 7", "thing 9", "thing 0", "thing 1", "thing 2"]
    assert said.top[0][1] == pytest.approx(2 * said.top[1][1], rel=0.01)
    assert said.seconds >= 0


def test_only_the_middle_square_of_a_photo_is_asked_about(ready):
    """As for our own networks: what lies left and right of it does not count."""
    photo = Image.new("RGB", (90, 30), BLUE)
    photo.paste(GREEN, (30, 0, 60, 30))

    said = imagenet.Network(NAME).ask(photo)

    assert said.top[0][0] == "thing 8"
    assert said.top[1][1] < 0.05


def test_a_file_that_is_no_network_is_refused_in_words():
    """LiteRT's own words name neither the network nor what to do."""
    imagenet.model_file(NAME).write_bytes(b"garbage")
    imagenet.classes_file().write_text(json.dumps(CLASSES))

    with pytest.raises(ModelError, match=r"MobileNetV2 must be a LiteRT file.*Get it ready again"):
        imagenet.Network(NAME)


@pytest.mark.parametrize("text", ["[]", "not JSON", '["one", "two"]', "7"])
def test_damaged_names_of_classes_are_refused_in_words(ready, text):
    """A name too few, and every answer would be another one's."""
    imagenet.classes_file().write_text(text)

    with pytest.raises(ModelError, match="1,000 classes"):
        imagenet.Network(NAME)


# How far it is


def test_a_network_is_ready_once_both_its_files_are_there(ready):
    """Without the names of the classes, or without the network, it is not."""
    assert imagenet.state(NAME).kind == "ready"
    assert imagenet.state("xception").kind == "absent"
    imagenet.classes_file().unlink()
    assert imagenet.state(NAME).kind == "absent"


def test_another_version_of_keras_needs_another_file(ready, monkeypatch):
    """The file is named for what made it."""
    monkeypatch.setattr(imagenet, "_version", lambda package: "99.0")

    assert imagenet.state(NAME).kind == "absent"


def test_a_living_process_is_under_way():
    """Its phase is told in words."""
    began = psutil.Process().create_time()  # of this process, which stands for one that was just started
    imagenet.report(NAME, "converting", began=began, process_id=os.getpid())

    found = imagenet.state(NAME)

    assert (found.kind, found.phase) == ("under way", "converting")


def test_a_process_that_is_gone_without_a_word_has_failed():
    """As when the system took its memory away."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    imagenet.report(NAME, "converting", began=time.time(), process_id=gone.pid)

    found = imagenet.state(NAME)

    assert found.kind == "failed"
    assert "ended without a word" in found.problem


def test_a_process_number_from_before_a_restart_is_not_taken_for_the_process():
    """This very process has begun long after what was written down... in an hour."""
    imagenet.report(NAME, "converting", began=time.time() + 3600, process_id=os.getpid())

    assert imagenet.state(NAME).kind == "failed"


def test_what_went_wrong_is_told():
    """In the words of the process."""
    imagenet.report(NAME, "", began=time.time(), problem="No internet.", process_id=os.getpid())

    assert imagenet.state(NAME) == imagenet.State("failed", problem="No internet.")


@pytest.mark.parametrize("text", ["", "[]", '{"phase": 1}', '{"phase": "", "began": null, "problem": ""}'])
def test_a_damaged_status_counts_as_none(text):
    """The network can then be got ready as if nothing had been."""
    (imagenet.folder() / f"{NAME}.json").write_text(text)

    assert imagenet.state(NAME).kind == "absent"


# Getting ready


def test_getting_ready_starts_one_process_with_tensorflow(weights, started):
    """A second visitor who presses the button meanwhile waits for the same one."""
    imagenet.prepare(NAME, PLENTY)
    imagenet.prepare(NAME, PLENTY)

    ((command, environment),) = started
    assert command[1:] == ["-m", "fashion.imagenet_export", NAME]
    assert environment["KERAS_BACKEND"] == "tensorflow"
    assert imagenet.state(NAME).kind == "under way"


def test_files_of_other_versions_are_removed(weights, started):
    """Each takes up to 50 MB."""
    old = imagenet.folder() / f"{NAME}-224-keras1-tensorflow1.tflite"
    other = imagenet.folder() / "xception-299-keras1-tensorflow1.tflite"
    for path in (old, other):
        path.write_bytes(b"old")

    imagenet.prepare(NAME, PLENTY)

    assert not old.exists()
    assert other.exists()


def test_without_its_weights_it_is_refused_before_a_process_starts(weights, started):
    """Whoever names a folder of weights has no internet: the missing file is named."""
    with pytest.raises(DataError, match=r"Xception.*xception_weights_tf_dim_ordering_tf_kernels\.h5"):
        imagenet.prepare("xception", PLENTY)

    assert not started


def test_a_training_that_has_the_memory_goes_first(weights, started):
    """1.3 GB for each and the server's do not fit into 2.2 GB; they do into 4 GB."""
    run = runs.create(RunSettings(dataset="sketches", architecture="softmax"))
    runs.set_status(run, state="running", heartbeat=time.time(), process_id=os.getpid())

    with pytest.raises(JobError, match="a run that is training"):
        imagenet.prepare(NAME, 2.2e9)
    assert not started
    imagenet.prepare(NAME, 4e9)
    assert started


def test_a_process_that_cannot_start_is_told_in_words(weights, monkeypatch):
    """As when there are too many processes already."""

    def refuse(*_, **__):
        raise OSError("Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)

    with pytest.raises(JobError, match="Resource temporarily unavailable"):
        imagenet.prepare(NAME, PLENTY)


def test_the_download_is_announced_with_its_size(weights, monkeypatch):
    """Four bytes for each of the 7,200,312 parameters that its authors count; nothing where the weights are here."""
    assert imagenet.download_bytes(NAME) == 0
    monkeypatch.delenv("FASHION_WEIGHTS")

    assert imagenet.download_bytes("efficientnetv2-b0") == 4 * 7_200_312


# The process


def write_index(path, names):
    index = {str(label): [f"n{label:08}", name] for label, name in enumerate(names)}
    path.write_text(json.dumps(index))


def test_the_names_of_the_classes_are_readable_and_in_order(weights):
    """Keras' file writes an underscore for a space."""
    write_index(weights / "imagenet_class_index.json", [f"odd_thing_{label}" for label in range(1000)])

    names = imagenet_export.class_names()

    assert len(names) == 1000
    assert names[610] == "odd thing 610"


def test_too_few_names_of_classes_are_refused(weights):
    """999 names do not fit 1,000 answers."""
    write_index(weights / "imagenet_class_index.json", [f"thing {label}" for label in range(999)])

    with pytest.raises(DataError, match="must name the 1,000 classes"):
        imagenet_export.class_names()


def test_without_internet_the_names_are_asked_for_in_words(weights, monkeypatch):
    """What is needed, from where, and the way round it."""

    def refuse(*_, **__):
        raise requests.ConnectionError("Max retries exceeded")

    monkeypatch.setattr(imagenet_export.pooch, "retrieve", refuse)

    with pytest.raises(
        DataError, match=r"no answer from storage\.googleapis\.com.*put imagenet_class_index\.json into"
    ):
        imagenet_export.class_names()


def test_what_fails_in_the_process_stands_in_its_status(weights, monkeypatch):
    """The page shows it; the exit status is 1."""

    def fail(name, report):
        raise DataError("No weights. Received: none. Fetch them.")

    monkeypatch.setattr(imagenet_export, "convert", fail)

    assert imagenet_export.main([NAME]) == 1
    assert imagenet.state(NAME).problem == "No weights. Received: none. Fetch them."


def test_an_error_without_words_of_its_own_names_the_log(weights, monkeypatch):
    """A fault of ours stays findable."""

    def fail(name, report):
        raise RuntimeError("the unforeseen")

    monkeypatch.setattr(imagenet_export, "convert", fail)

    assert imagenet_export.main([NAME]) == 1
    assert (
        "RuntimeError: the unforeseen. The whole of it is in mobilenetv2.log" in imagenet.state(NAME).problem
    )


# Converts as the command does, and then asks Keras in the same process, which spares loading it again.
_CONVERT_AND_ASK_KERAS = """
import json, runpy, sys
try:
    runpy.run_module("fashion.imagenet_export", run_name="__main__", alter_sys=True)
except SystemExit as ended:
    if ended.code:
        raise
import keras, numpy as np
from fashion import pretrained, sketches, squares
model = keras.applications.MobileNetV2(weights=pretrained.weights_argument("mobilenetv2", top=True))
pixels = squares.square(sketches.draw_colour(0, 3, 300), 224)[None].astype("float32")
probabilities = model(keras.applications.mobilenet_v2.preprocess_input(pixels))[0]
print(json.dumps(np.asarray(probabilities).tolist()))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    pretrained.weights_file(NAME, top=True) is None or pretrained.find(imagenet_export.CLASSES_FILE) is None,
    reason="the weights of MobileNetV2 with its 1,000 classes are not here",
)
def test_a_converted_network_answers_as_keras_does(tmp_path, monkeypatch):
    """The same class first and the same probability for a drawn t-shirt, with Keras' own preprocessing."""
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(imagenet, "folder", lambda: tmp_path / "fashion-lab" / "imagenet")
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}

    done = subprocess.run(
        [sys.executable, "-c", _CONVERT_AND_ASK_KERAS, NAME],
        cwd=runs.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, (imagenet.state(NAME), done.stderr[-2000:])
    expected = np.array(json.loads(done.stdout.strip().splitlines()[-1]))
    network = imagenet.Network(NAME)
    label, probability = network.ask(sketches.draw_colour(0, 3, 300)).top[0]
    assert label == network.classes[expected.argmax()]
    assert probability == pytest.approx(expected.max(), abs=0.02)


# On the page


OURS = [
    ("t-shirt", 0.93),
    ("shirt", 0.03),
    ("hat", 0.02),
    ("dress", 0.01),
    ("pants", 0.006),
    ("skirt", 0.004),
]


def section(colour=None, ours=OURS):
    """The section for a photo of one colour."""

    def script(colour, ours):
        from PIL import Image

        from fashion.ui import imagenet_view, state

        state.initialise()
        image = Image.new("RGB", (40, 30), colour) if colour else None
        imagenet_view.section(image, ours, "mobilenetv2")

    return AppTest.from_function(script, default_timeout=30, args=(colour, ours)).run()


def bars(at):
    return [bar.proto.text for bar in at.get("progress")]


def test_five_answers_stand_beside_ours(ready):
    """Their labels and confidences, and the caveat."""
    at = section(BLUE)

    assert not at.exception
    assert bars(at)[0].startswith("thing 9 · 9")
    assert len(bars(at)) == 5 + 5
    assert bars(at)[5] == "t-shirt · 93.0%"
    assert "not how often it is right" in at.caption[-1].value


def test_a_photo_without_our_answer_still_gets_theirs(ready):
    """A model for 28x28 pictures may find no garment."""
    at = section(RED, ours=())

    assert not at.exception
    assert len(bars(at)) == 5
    assert "It found no garment" in at.markdown[-1].value


def test_without_a_photo_the_section_says_what_it_needs(ready):
    """A grey test picture of 28x28 pixels is none."""
    assert "needs a photo in colour" in section().info[0].value


def test_a_network_that_is_not_ready_is_offered_with_its_time(weights, started):
    """One press starts the process."""
    at = section(RED)

    assert "about 20 seconds, once" in at.markdown[1].value
    at.button[0].click().run()
    assert len(started) == 1
    assert not at.button
    assert "starting" in bars(at)[0]


def test_a_failure_is_shown_with_another_try(weights, started):
    """The reason stands above the button."""
    imagenet.report(NAME, "", began=time.time(), problem="No internet.", process_id=1)

    at = section(RED)

    assert "No internet" in at.error[0].value
    at.button[0].click().run()
    assert len(started) == 1


def test_without_weights_the_section_says_which_file_is_missing(monkeypatch, tmp_path):
    """And offers no button that leads nowhere."""
    monkeypatch.setenv("FASHION_WEIGHTS", str(tmp_path))

    at = section(RED)

    assert pretrained.BASES[NAME].weights[1] in at.info[0].value.replace("\\", "")
    assert not at.button


def test_a_training_that_goes_first_is_named(weights, started, monkeypatch):
    """The button's press is answered in words."""
    run = runs.create(RunSettings(dataset="sketches", architecture="softmax"))
    runs.set_status(run, state="running", heartbeat=time.time(), process_id=os.getpid())
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)

    at = section(RED)
    at.button[0].click().run()

    assert "Try again when it has ended" in at.error[0].value
    assert not started


def test_the_predict_page_has_the_section(ready, monkeypatch, tmp_path):
    """For a photo, in the link as ?look=, beside the answer of the model that is asked."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")
    photo_models.install(monkeypatch)
    photo_models.make_run()
    at = AppTest.from_file(str(runs.ROOT / "streamlit_app.py"), default_timeout=60)
    at.query_params["look"] = "Pretrained network"
    at.switch_page("pages/predict.py").run()

    at.file_uploader[0].set_value([("red.jpg", photo_models.photo(RED), "image/jpeg")]).run()
    at.selectbox(key="pretrained").set_value(NAME).run()

    assert not at.exception
    assert "What the pretrained network says, as it is" in [heading.value for heading in at.subheader]
    assert bars(at)[0].startswith("thing 7 · ")
    assert bars(at)[5].startswith("dress · ")  # after five of the pretrained network, the first of ours
