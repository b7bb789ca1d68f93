"""The mean of the weights of several fine-tuned networks: which fit together, and what the worker makes of them."""

import io
import json
import re
import subprocess
import sys
import zipfile
from argparse import Namespace
from pathlib import Path

import clothing_folder
import h5py
import numpy as np
import pytest
from run_folders import make_run

from fashion import clothing, jobs, memory_need, model_card, runs, summary, weight_mean
from fashion.cli import train
from fashion.errors import FashionError, SettingsError
from fashion.runs import ROOT
from fashion.settings import PHOTO_DEFAULTS

A, B, C = (f"20260102-030405-photo-{number:04d}" for number in range(3))
TUNED = PHOTO_DEFAULTS.replace(
    architecture="mobilenetv2-035",
    image_size=64,
    batch_size=8,
    fine_tune="all",
    fine_tune_epochs=2,
    num_train=100,
)


@pytest.fixture(autouse=True)
def _folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FASHION_RUNS", str(tmp_path / "runs"))


def _kept(name: str, settings=TUNED, epochs: tuple[int, ...] = ()) -> runs.Run:
    """A finished run that kept these epochs."""
    run = make_run(name, **settings.to_json())
    (run.folder / "head.json").write_text('{"epochs": 1}')
    (run.folder / "snapshots").mkdir(exist_ok=True)
    for epoch in epochs:
        (run.folder / "snapshots" / f"epoch-{epoch:03d}.keras").write_bytes(b"weights")
    return run


# Which fit together


def test_the_settings_are_those_of_the_first_without_its_teachers_and_snapshots():
    """Epochs can be named, too, whether they were tested or not; and nothing is left to train."""
    _kept(A, TUNED.replace(teachers="clothing", snapshots=True, seed=7), epochs=(2,))
    _kept(B, TUNED.replace(seed=8, image_size=96))

    settings = weight_mean.settings_of([f"{A}_epoch-002", B])

    assert settings.mean_names == (f"{A}_epoch-002", B)
    assert (settings.seed, settings.image_size, settings.teachers, settings.snapshots) == (7, 64, "", False)
    assert settings.num_epochs == 1
    assert weight_mean.weights(f"{A}_epoch-002").read_bytes() == b"weights"
    assert weight_mean.weights(B) == runs.find(B).folder / "model.keras"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"fine_tune": "none"}, "which is none"),
        ({"architecture": "mobilenetv2"}, "with architecture mobilenetv2, beside mobilenetv2-035"),
        ({"inner_width": 50}, "with inner_width 50, beside 0"),
        ({"fine_tune": "last"}, "with fine_tune last, beside all"),
    ],
)
def test_networks_that_have_nothing_in_common_are_refused(other, said):
    """Their mean would be noise, or cannot be computed."""
    first, second = _kept(A), _kept(B, TUNED.replace(**other))

    with pytest.raises(SettingsError, match=said):
        weight_mean.settings_of([A, B])
    assert not weight_mean.fits([first, second])
    assert weight_mean.fits([first, _kept(C)])


def test_what_is_gone_is_named():
    """A run that was deleted, and an epoch that was not kept."""
    _kept(A, epochs=(2,))

    with pytest.raises(FashionError, match=B):
        weight_mean.settings_of([A, B])
    with pytest.raises(SettingsError, match=f"{A}_epoch-003.* gone"):
        weight_mean.settings_of([f"{A}_epoch-002", f"{A}_epoch-003"])


def test_a_network_in_which_only_the_head_has_learned_is_refused():
    """An epoch before the fine-tuning holds the head alone, and so does a run that was cut off then; a mean has no such epochs."""
    _kept(A, epochs=(1, 2))
    cut_off = _kept(B)
    _kept(C, TUNED.replace(mean_of=f"{A},{A}_epoch-002"))

    with pytest.raises(SettingsError, match=f"{A}_epoch-001, in which only the head"):
        weight_mean.settings_of([f"{A}_epoch-001", B])
    (cut_off.folder / "head.json").unlink()
    with pytest.raises(SettingsError, match=f"{B}, in which only the head"):
        weight_mean.settings_of([A, B])
    assert weight_mean.settings_of([A, C]).mean_names == (A, C)


@pytest.mark.parametrize("names", ["one", "same,same", "a,b,c,d,e,f", "../up,b"])
def test_a_mean_of_too_few_too_many_or_strange_names_is_no_setting(names):
    """Whatever comes from a link or a file is checked before it is looked up."""
    with pytest.raises(SettingsError, match="mean_of"):
        TUNED.replace(mean_of=names)


def test_a_mean_takes_less_memory_than_the_training_of_its_networks():
    """Nothing learns, so no gradients are held."""
    full = PHOTO_DEFAULTS.replace(fine_tune="all", image_size=256)
    mean = full.replace(mean_of=f"{A},{B}", predict_size=288)

    assert memory_need.refusal(full, 2200e6) is not None
    assert memory_need.refusal(mean, 2200e6) is None


def test_the_card_says_what_was_put_together_and_in_what_it_differs():
    """With the epoch, the validation accuracy and the time of each, from its own log."""
    _kept(A, TUNED.replace(seed=7))
    _kept(B, TUNED.replace(seed=8))
    run = make_run(C, **weight_mean.settings_of([A, B]).to_json())
    card = run.card() | {"mean_of": weight_mean.record(run.settings)}
    (run.folder / "card.json").write_text(json.dumps(card))

    one = summary.summarise(run)
    words = model_card.training(one)

    assert "the mean of those of 2 networks" in words[0]
    assert (
        words[1] == f"Network 1 is {A} after epoch 2, 80.0% right on validation, 7 s of training (seed: 7)."
    )
    assert words[2].endswith("(seed: 8).")
    assert "counted the answers of each" in model_card.origin(one, card)[1]


# What the worker makes of them

# Saves the networks, and goes on as the worker: so Keras is loaded once.
_SAVE_AND_WORK = """
import sys
import keras
from fashion import networks, runs, worker
mean, *names = sys.argv[1:]
for number, name in enumerate(names):
    keras.utils.set_random_seed(number)
    run = runs.find(name)
    networks.build_pretrained(run.settings, 10).save(run.folder / "model.keras")
sys.exit(worker.main([mean]))
"""


def _weights(path: Path) -> dict[str, np.ndarray]:
    """What a Keras file holds, by the names within it."""
    found = {}
    with zipfile.ZipFile(path) as file, h5py.File(io.BytesIO(file.read("model.weights.h5"))) as stored:
        stored.visititems(lambda name, one: found.update({name: one[()]}) if hasattr(one, "shape") else None)
    return found


def _number(name: str) -> int:
    """Which of the normalisations this is, from the first on."""
    return int((re.search(r"batch_normalization_(\d+)", name) or [0, 0])[1])


@pytest.mark.slow
def test_a_worker_averages_measures_and_tests(monkeypatch, tmp_path):
    """Every weight is the mean of the two, but for the statistics of the normalisations that learned, which are measured on
    photos; those of the layers below stay what they were."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    clothing_folder.write(tmp_path / "data" / clothing.FOLDER, clothing_folder.files(per_class=4))
    for name in (A, B):
        _kept(name, TUNED.replace(fine_tune="last"))
    run = runs.create(weight_mean.settings_of([A, B]), task="measure")

    done = subprocess.run(
        [sys.executable, "-c", _SAVE_AND_WORK, str(run.folder), A, B],
        cwd=ROOT, check=False, capture_output=True, text=True, env=jobs.worker_environment(run.settings),
    )  # fmt: skip

    assert run.status().state == "finished", done.stderr[-3000:]
    a, b, mean = (_weights(runs.find(name).folder / "model.keras") for name in (A, B, run.id))
    assert a.keys() == b.keys() == mean.keys()
    statistics = {name for name in mean if re.search(r"batch_normalization(_\d+)?/vars/[23]$", name)}
    for name in mean.keys() - statistics:
        np.testing.assert_allclose(mean[name], (a[name] + b[name]) / 2, atol=1e-6, err_msg=name)
    first, *_, last = sorted((name for name in statistics if name.endswith("/3")), key=_number)
    assert np.abs(mean[last] - 1).max() > 0.1  # variances: a network that saw nothing has ones here
    assert (mean[first] == 1).all()
    card = run.card()
    assert [part["name"] for part in card["mean_of"]] == [A, B]
    assert card["metrics"]["test"]["n"] == 40
    log = run.log()
    assert list(log.epoch) == [1]
    assert log.notna().all().all()
    assert summary.summarise(run).best_epoch is None
    assert run.status().best_epoch is None


def test_the_command_line_takes_the_other_settings_from_the_first(monkeypatch):
    """Unless one is given: here the size at which it judges."""
    _kept(A, TUNED.replace(seed=7))
    _kept(B)
    asked = []
    monkeypatch.setattr(runs, "create", lambda settings, *_, **__: asked.append(settings) or runs.Run(ROOT))
    monkeypatch.setattr("fashion.feature_store.obstacle", lambda settings: None)

    def stop_here(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "claim", stop_here)
    with pytest.raises(KeyboardInterrupt):
        train(Namespace(mean_of=f"{A}, {B}", predict_size="96", json=True))

    assert (asked[0].seed, asked[0].predict_size, asked[0].mean_of) == (7, 96, f"{A},{B}")
