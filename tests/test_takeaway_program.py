"""A run as a plain Keras program: every kind of run compiles, draws the same pictures, builds the same network, and
learns the same."""

import ast
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from clothing_folder import files, write
from PIL import Image

from fashion import architectures, clothing, datasets, photo_augmentation, squares
from fashion.architectures import Layer
from fashion.augmentation import Augmentation
from fashion.errors import SettingsError
from fashion.photo_augmentation import PhotoAugmentation
from fashion.runs import ROOT
from fashion.settings import ARCHITECTURES, HOMEWORK, PHOTO_DEFAULTS, SCHEDULES, SCRATCH, RunSettings
from fashion.takeaway_network import body
from fashion.takeaway_program import program

DEFAULTS = RunSettings()
SCRATCH_PHOTOS = PHOTO_DEFAULTS.replace(architecture="cnn", image_size=64, batch_size=8)
SETTINGS = {
    **{name: DEFAULTS.replace(architecture=name) for name in SCRATCH},
    **{
        f"rate {name}": DEFAULTS.replace(schedule=name, optimizer="rmsprop")
        for name in SCHEDULES
        if name != "range-test"
    },
    "everything": DEFAULTS.replace(
        architecture="resnet", optimizer="sgd", momentum=0.8, nesterov=False, weight_decay=0.005, schedule="one-cycle",
        averaging=True, flip=True, shift=2, rotate=10, zoom=0.1, erase=0.5, precision="mixed_bfloat16", label_smoothing=0.05,
        balance=0.5, augment_from=2, augment_validation=True, watch_test=True, patience=3,
    ),
    "only hidden rectangles": DEFAULTS.replace(erase=0.5, optimizer="adamw"),
    "taught": DEFAULTS.replace(teachers="fashion-mnist", flip=True, balance=0.2),
    "drawings": DEFAULTS.replace(dataset="sketches", zoom=0.2),
    "photos": SCRATCH_PHOTOS.replace(crop=0.3, mixing=0.5, augment_from=1, augment_validation=True, num_train=500),
    "mixed only": SCRATCH_PHOTOS.replace(mixing=0.5, augment_from=1, architecture="resnet", predict_fit="squash", mirror=True),
    "homework": SCRATCH_PHOTOS.replace(architecture=HOMEWORK, classes="pants,shirt", dropout=0.2),
    **{name: PHOTO_DEFAULTS.replace(architecture=name) for name in ARCHITECTURES if name not in SCRATCH and name != HOMEWORK},
    "views": PHOTO_DEFAULTS.replace(views=3, flip=True, erase=0.2, inner_width=100, dropout=0.0),
    "tuned": PHOTO_DEFAULTS.replace(
        architecture="mobilenetv2-035", fine_tune="last", flip=True, crop=0.3, colour=0.2, rotate=10, mixing=0.5, erase=0.1,
        averaging=True, mirror=True, predict_size=256, predict_fit="between", balance=0.3, augment_validation=True, precision="mixed_bfloat16",
        watch_test=True, schedule="cosine", framework="jax", device="gpu:1",
    ),
    "tuned without changes": PHOTO_DEFAULTS.replace(fine_tune="all", framework="torch"),
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The programs of all these settings as files in one folder."""
    folder = tmp_path_factory.mktemp("programs")
    for name, settings in SETTINGS.items():
        (folder / f"{name.replace(' ', '_')}.py").write_text(program(settings), encoding="utf-8")
    return folder


def functions(text: str, *names: str, **constants) -> dict:
    """These functions of a program, without running the rest of it, which would load Keras."""
    tree = ast.parse(text)
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert {node.name for node in tree.body} >= set(names)
    space = {"np": np, "Image": Image, **constants}
    exec(compile(tree, "program", "exec"), space)
    return space


@pytest.mark.parametrize("name", SETTINGS)
def test_every_kind_of_run_is_a_program_of_its_own(name):
    """It compiles, imports nothing of ours, and every name in capitals that it reads is defined in it."""
    text = program(SETTINGS[name])

    tree = ast.parse(text)
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    constants = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.isupper()}
    defined = {
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }

    assert imported <= {"os", "sys", "math", "pathlib", "keras", "numpy", "PIL"}
    assert constants <= defined
    assert defined - constants <= {"PARTS"}


def test_a_reader_finds_nothing_to_tidy_up(written):
    """The project's own linter has no complaint about any of them."""
    pytest.importorskip("ruff")
    command = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(written)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("change", "tolerance"),
    [
        ({"flip": True}, 0),
        ({"shift": 3}, 0),
        ({"flip": True, "shift": 2, "erase": 0.5}, 0),
        ({"flip": True, "shift": 2, "rotate": 20.0, "zoom": 0.3, "erase": 0.5}, 1),
        ({"rotate": 30.0}, 1),
        ({"zoom": 0.4}, 1),
    ],
)
def test_small_pictures_are_changed_as_in_the_run(change, tolerance):
    """With the same random numbers, the same pixels; turned and scaled ones to one grey level."""
    images = np.random.default_rng(5).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    settings = DEFAULTS.replace(**change)
    made = functions(
        program(settings), "changed", **{name.upper(): getattr(settings, name) for name in change}
    )

    expected = Augmentation(**change)(images, np.random.default_rng(3)).astype(int)
    received = made["changed"](images, np.random.default_rng(3))

    assert received.dtype == np.uint8
    assert np.abs(received - expected).max() <= tolerance


@pytest.mark.parametrize(
    "change",
    [
        {"flip": True},
        {"crop": 0.4},
        {"rotate": 20.0},
        {"colour": 0.3},
        {"erase": 0.7},
        {"flip": True, "crop": 0.3, "rotate": 10.0, "colour": 0.2, "erase": 0.5},
    ],
)
def test_photos_are_changed_as_in_the_run(change):
    """With the same random numbers, the same pixels."""
    image = Image.fromarray(np.random.default_rng(5).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    settings = SCRATCH_PHOTOS.replace(**change)
    made = functions(
        program(settings), "changed", **{name.upper(): getattr(settings, name) for name in change}
    )

    for seed in range(5):
        expected = PhotoAugmentation(**change)(image, 64, np.random.default_rng(seed))
        received = made["changed"](image, 64, np.random.default_rng(seed))
        # Sums in another order move a place by a rounding error, which may carry a pixel over.
        assert np.abs(received.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("fit", squares.FITS)
def test_photos_are_made_square_as_in_the_run(fit):
    """For training the middle, to be judged as the settings say."""
    image = Image.fromarray(np.random.default_rng(5).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    made = functions(program(SCRATCH_PHOTOS.replace(predict_fit=fit)), "square", "squares")

    judged = () if fit == "crop" else (True,)
    np.testing.assert_array_equal(made["square"](image, 64, *judged), squares.square(image, 64, fit))
    if judged:
        np.testing.assert_array_equal(made["square"](image, 64, False), squares.square(image, 64, "crop"))


def test_photos_are_mixed_as_in_the_run():
    """The very function of the run stands in the program."""
    images = np.random.default_rng(5).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    targets = np.eye(6, dtype=np.float32)
    made = functions(program(SETTINGS["mixed only"]), "mix")

    for seed in range(6):
        expected = photo_augmentation.mix(images, targets, 0.8, np.random.default_rng(seed))
        received = made["mix"](images, targets, 0.8, np.random.default_rng(seed))
        np.testing.assert_array_equal(received[0], expected[0])
        np.testing.assert_array_equal(received[1], expected[1])


def test_a_layer_that_nobody_taught_it_is_refused_in_words():
    """The page can say so; a program that leaves something out would be worse than none."""
    with pytest.raises(
        SettingsError, match=r"cannot be written as a plain program: it has a layer of the kind 'wavelet'"
    ):
        body([Layer("dense", 3), Layer("wavelet", 2)])


def test_a_range_test_is_refused_in_words():
    """It looks for a rate and trains no model."""
    with pytest.raises(
        SettingsError, match="cannot be written as a plain program: a range test looks for a learning rate"
    ):
        program(DEFAULTS.replace(schedule="range-test", learning_rate=1.0))


TRAINED = DEFAULTS.replace(
    dataset="sketches", architecture="cnn", width=0.25, inner_width=16, epochs=2, batch_size=250, num_train=60_000, seed=7,
    learning_rate=0.003, optimizer="adamw", weight_decay=0.01, averaging=True, label_smoothing=0.05, dropout=0.2, flip=True,
    shift=1, erase=0.3, balance=0.5,
)  # fmt: skip
BUILT = [*SCRATCH, "everything", "photos", "homework", "tuned", "views"]
# What the run learns, and then which networks it and the programs build: in one process, so that Keras is loaded once.
_OURS = """
import json, os, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
import importlib.util
from fashion import architectures, networks, runs, training
from fashion.worker import Reporter
from test_takeaway_program import BUILT, SETTINGS, TRAINED

run = runs.create(TRAINED)
reporter = Reporter(run)
training.train(run, TRAINED, reporter)
reporter.end(state="finished")

def load(name):
    spec = importlib.util.spec_from_file_location("program", f"{sys.argv[2]}/{name.replace(' ', '_')}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

def described(model):
    layers = []
    for layer in model.layers:
        config = layer.get_config()
        for key in ("name", "seed"):
            config.pop(key, None)
        if not layer.name.startswith("head_"):
            config.pop("dtype", None)
        layers.append([type(layer).__name__, layer.output.shape, json.loads(json.dumps(config, default=str))])
    text = json.dumps(layers, default=str)
    return text

found = {}
for name in BUILT:
    settings, module = SETTINGS[name], load(name)
    classes = architectures.num_classes(settings)
    if settings.pretrained:
        module.WEIGHTS = None
        ours, theirs = networks.build_pretrained(settings, classes, None, side=64), module.build(64)
    else:
        shape = architectures.input_shape(settings)
        grey = shape[2] == 1
        ours = networks.build(settings, shape[:2] if grey else shape, classes)
        theirs = module.build() if grey else module.build(settings.image_size)
    found[name] = {"alike": described(ours) == described(theirs), "parameters": theirs.count_params()}
print(json.dumps({"networks": found, "accuracies": run.log().val_accuracy.tolist()}))
"""


@pytest.fixture(scope="module")
def ours(written, tmp_path_factory) -> dict:
    """The validation accuracies of the run, and what was found of each network."""
    environment = {
        **os.environ,
        "FASHION_RUNS": str(tmp_path_factory.mktemp("runs")),
        "CUDA_VISIBLE_DEVICES": "",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    command = [sys.executable, "-c", _OURS, str(ROOT), str(written)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_program_builds_the_network_of_the_run(ours):
    """Layer by layer the same classes with the same options; and as many parameters as the layer table says."""
    expected = {
        name: {"alike": True, "parameters": architectures.cost_of(SETTINGS[name])[0]} for name in BUILT
    }
    assert ours["networks"] == expected


def test_the_program_learns_what_the_run_learned(ours, tmp_path):
    """Same weights to begin with, same pictures in the same order, same steps: validation agrees after every epoch. And an
    average over the last tenth of few steps has left the random beginning behind, however many pictures were allowed."""
    data = datasets.load("sketches")
    arrays = {}
    for name in datasets.SPLIT_NAMES:
        split = data.split(name)
        arrays |= {f"{name}_images": split.images, f"{name}_labels": split.labels}
    np.savez(tmp_path / "sketches.npz", **arrays)
    (tmp_path / "train.py").write_text(program(TRAINED))

    theirs = subprocess.run(
        [sys.executable, "-I", "train.py"], capture_output=True, text=True, cwd=tmp_path, check=False
    )

    assert theirs.returncode == 0, theirs.stderr[-2000:]
    received = [
        float(line.split("validation ")[1]) for line in theirs.stdout.splitlines() if line.startswith("epoch")
    ]
    assert len(received) == 2
    assert received == pytest.approx(ours["accuracies"], abs=0.0015)  # one of 1,000 pictures
    assert received[1] > 0.8  # 0.61 with an average as for 60,000 pictures
    assert (tmp_path / "trained.keras").exists()


def test_the_program_says_where_the_photos_must_be(tmp_path):
    """Its reading of a folder finds the photos of the two classes, in order, without the doubtful ones."""
    folder = write(tmp_path, files(per_class=2))
    settings = SETTINGS["homework"]
    made = functions(
        program(settings), "data",
        sys=type("sys", (), {"argv": ["train.py", str(folder)], "exit": sys.exit}),
        Path=type(folder), PARTS=datasets.SPLIT_NAMES, CLASSES=("pants", "shirt"), NUM_TRAIN=60_000, SEED=1, DOUBTFUL={"train-4-1"},
    )  # fmt: skip

    parts = made["data"]()

    assert [path.stem for path in parts["train"][0]] == ["train-4-0", "train-5-0", "train-5-1"]
    assert parts["test"][1].tolist() == [0, 0, 1, 1]


def test_the_views_of_a_photo_are_those_of_the_run(tmp_path, monkeypatch):
    """Their random changes depend on its number among all photos, which those that are left out have, too."""
    folder = write(tmp_path / clothing.FOLDER, files(per_class=2))
    monkeypatch.setenv("FASHION_DATA", str(tmp_path))
    photos = clothing.load(224)
    made = functions(
        program(SETTINGS["views"]), "places",
        sys=type("sys", (), {"argv": ["train.py", str(folder)]}), Path=type(folder), CLASSES=datasets.CLASSES_CLOTHING,
    )  # fmt: skip

    numbers = {path.stem: number for path, number in made["places"]().items()}

    assert numbers == {path.stem: number for number, path in enumerate(photos.train.images.paths)}
