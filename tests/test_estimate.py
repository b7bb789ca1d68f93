"""The expected time follows from what was measured, and says on what it rests."""

import dataclasses
import json
from pathlib import Path

import clothing_folder
import numpy as np
import pytest
from benchmark_page import record, training
from run_folders import change_card, make_run

from fashion import datasets, estimate, feature_store, machine, runs, summary
from fashion.settings import HOMEWORK_DEFAULTS, PHOTO_DEFAULTS, RunSettings

CNN = RunSettings(architecture="cnn", epochs=1, num_train=60_000)


def measured(settings: RunSettings, images_per_second: float) -> estimate._Measured:
    return estimate._Measured(settings, images_per_second, startup_seconds=6.0)


def test_an_equal_run_is_expected_to_take_its_time():
    """55,000 pictures at 1,000 a second, two validations and a test at three times that, and 10 s around it."""
    expected = estimate.estimate(CNN, [measured(CNN, 1000.0)])

    assert expected.seconds == pytest.approx(55.0 + (2 * 5000 + 10_000) / 3000 + 10.0, rel=0.01)
    assert "1 earlier run of this kind" in expected.basis


def test_the_range_widens_as_the_basis_weakens():
    """The same kind of run is a better guide than another network, and that better than nothing."""
    resnet = CNN.replace(architecture="resnet")

    alike = estimate.estimate(CNN, [measured(CNN, 1000.0)])
    other = estimate.estimate(CNN, [measured(resnet, 1000.0)])
    nothing = estimate.estimate(CNN, [])

    spread = [one.high / one.low for one in (alike, other, nothing)]
    assert spread == sorted(spread)
    assert "rough guess" in nothing.basis


def test_twice_the_epochs_take_nearly_twice_the_time():
    """Only start-up and export are paid once."""
    once = estimate.estimate(CNN, [measured(CNN, 1000.0)]).seconds
    twice = estimate.estimate(CNN.replace(epochs=2), [measured(CNN, 1000.0)]).seconds

    assert 1.7 < twice / once < 2.0


def test_a_speed_measured_on_a_gpu_says_nothing_about_the_cpu():
    """Runs of another device are left out."""
    fast = measured(CNN.replace(device="gpu:0"), 1e6)

    assert "rough guess" in estimate.estimate(CNN, [fast]).basis


def recorded_training(settings, seed, seconds, **changes):
    return training("default", seed, [(seconds, 9_000)], settings=settings.to_json()) | changes


def recorded_here(tmp_path, monkeypatch, **changes):
    """A record of two trainings of the CNN, of 60,000 pictures in 50 and 70 s, on this machine's processor."""
    here = machine.describe()
    runs_of_it = [recorded_training(CNN, 1, 50.0), recorded_training(CNN, 2, 70.0)]
    its = {"processor": here.processor, "num_cores": here.num_cores, "versions": {}}
    folder = tmp_path / "benchmarks" / "accuracy"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text(json.dumps(record(runs=runs_of_it, **{"machine": its} | changes)))
    monkeypatch.setattr(estimate, "RECORDED", tmp_path / "benchmarks")


def test_recorded_trainings_of_the_benchmark_are_a_basis_until_a_run_was_made_here(tmp_path, monkeypatch):
    """60,000 pictures in 50 s and in 70 s: the median speed is 1,029 a second; start-up took 4 s. A run here counts more."""
    recorded_here(tmp_path, monkeypatch)

    found = estimate.measured_here([])
    guess = estimate.estimate(CNN, found)

    assert guess.basis == "2 trainings of this kind recorded on a processor of this name"
    assert guess.startup_seconds == 4.0
    assert guess.training_seconds == pytest.approx((55_000 + 5_000 / 3) / ((1200 + 60_000 / 70) / 2))
    assert guess.high / guess.low > 2
    assert "1 earlier run" in estimate.estimate(CNN, [measured(CNN, 1000.0), *found]).basis
    assert "rough guess" in estimate.estimate(CNN.replace(architecture="resnet"), found).basis


def test_a_run_that_mostly_built_its_program_says_nothing_about_longer_ones(monkeypatch):
    """One epoch of 6,000 drawn garments, 5 s of which 4 are building; ten such epochs are a measure."""
    drawn = CNN.replace(dataset="sketches").to_json()
    short = make_run("20260102-030405-cnn-0001", **drawn)
    long = make_run("20260102-030405-cnn-0002", **drawn)
    change_card(short, num_epochs=1)
    change_card(long, num_epochs=10)
    found = [summary.summarise(run) for run in (short, long)]
    its = machine.describe()
    here = dataclasses.replace(its, processor=found[0].processor, num_cores=found[0].num_cores)
    monkeypatch.setattr(machine, "describe", lambda: here)
    monkeypatch.setattr(estimate, "RECORDED", Path("none"))

    assert [one.settings for one in estimate.measured_here(found[1:])] == [found[1].settings]
    assert estimate.measured_here(found[:1]) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": {"processor": "AMD Example", "num_cores": 400, "versions": {}}},
        {"num_train": 1_000},
        {"format": 2},
    ],
    ids=["another machine", "few pictures", "newer"],
)
def test_records_that_say_nothing_about_this_machine_are_left_out(tmp_path, monkeypatch, changes):
    """The guess stays a rough one."""
    recorded_here(tmp_path, monkeypatch, **changes)

    assert estimate.measured_here([]) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89, "89 s"), (90, "1 min 30 s"), (700, "11 min"), (7500, "2 h 5 min")],
)
def test_times_are_said_as_people_say_them(seconds, words):
    """Seconds up to a minute and a half, then minutes, then hours."""
    assert estimate.in_words(seconds) == words


# Pretrained networks

HEAD = PHOTO_DEFAULTS
TUNED = PHOTO_DEFAULTS.replace(fine_tune="all", fine_tune_epochs=2)


@pytest.fixture
def no_vectors(monkeypatch):
    """Nothing is stored, and nothing comes with the project."""
    monkeypatch.setattr(estimate, "vectors_here", lambda settings: False)


def test_a_head_on_stored_vectors_is_expected_to_take_what_it_took(monkeypatch):
    """Two quiet Xeon cores needed 15.6 s from start to card, export included."""
    monkeypatch.setattr(estimate, "vectors_here", lambda settings: True)

    expected = estimate.estimate(HEAD, [])

    assert expected.low < 15.6 < expected.high
    assert expected.seconds == pytest.approx(15.6, rel=0.2)


def test_vectors_are_made_once_for_every_photo(no_vectors, monkeypatch):
    """3,781 photos at 18 ms; with four views 3 x 3,068 more; and none at all where they are stored."""
    plain = estimate.estimate(HEAD, []).seconds
    viewed = estimate.estimate(HEAD.replace(views=4, flip=True), []).seconds
    monkeypatch.setattr(estimate, "vectors_here", lambda settings: True)
    stored = estimate.estimate(HEAD, [])

    assert viewed - plain == pytest.approx(3 * 3068 * 0.018, rel=0.01)
    assert plain - stored.seconds == pytest.approx(3781 * 0.018, rel=0.01)
    assert "vectors already stored" in stored.parts


def test_the_time_for_vectors_grows_with_the_area_of_the_photos(no_vectors):
    """Half the side, a quarter of the arithmetic; reading a photo, 3 ms, stays."""
    large = estimate.estimate(HEAD, []).seconds
    small = estimate.estimate(HEAD.replace(image_size=112), []).seconds

    assert large - small == pytest.approx(3781 * 0.75 * (0.018 - 0.003), rel=0.01)


def test_fine_tuning_is_counted_by_photo_and_the_last_blocks_at_half(no_vectors):
    """Each epoch more: 3,068 photos at 62 ms and 341 judged at 18; for the last blocks 31 and 18."""
    epochs = [estimate.estimate(TUNED.replace(fine_tune_epochs=count), []).seconds for count in (2, 3)]
    last = TUNED.replace(fine_tune="last")
    epochs_of_last = [estimate.estimate(last.replace(fine_tune_epochs=count), []).seconds for count in (2, 3)]

    assert epochs[1] - epochs[0] == pytest.approx(3068 * 0.062 + 341 * 0.018, rel=0.01)
    assert epochs_of_last[1] - epochs_of_last[0] == pytest.approx(3068 * 0.031 + 341 * 0.018, rel=0.01)


def test_a_network_that_judges_in_its_own_way_passes_over_all_photos_once_more(monkeypatch):
    """Its vectors are not those that are stored: test and validation are judged, then 3,068 photos compared, at 18 ms each."""
    monkeypatch.setattr(estimate, "vectors_here", lambda settings: True)

    plain, between = (estimate.estimate(HEAD.replace(predict_fit=fit), []) for fit in ("crop", "between"))

    assert between.seconds - plain.seconds == pytest.approx((341 + 372 + 3068) * 0.018, rel=0.01)
    assert any(part.startswith("comparing the training photos") for part in between.parts)


def test_what_a_teacher_took_is_no_start_up():
    """A run that was taught says nothing of how long one without a teacher needs to begin."""
    taught = estimate._Measured(CNN.replace(teachers="fashion-mnist"), 1000.0, startup_seconds=70.0)

    expected = estimate.estimate(CNN, [taught])

    assert expected.seconds == pytest.approx(estimate.estimate(CNN, [measured(CNN, 1000.0)]).seconds, abs=5)


def test_a_teacher_of_two_classes_is_asked_about_their_photos_only():
    """923 training photos of long sleeves and pants, at a hundredth of a second each, and not all 3,068."""
    teacher = make_run("20260102-030405-homework-0003")
    change_card(teacher, num_multiply_adds=5e8)
    taught = HOMEWORK_DEFAULTS.replace(teachers=teacher.id)

    longer = estimate.estimate(taught, []).seconds - estimate.estimate(HOMEWORK_DEFAULTS, []).seconds

    assert longer == pytest.approx(9.23)


def test_the_wait_is_what_the_runs_ahead_will_still_take():
    """The rest of the one that runs, all of those that wait, shared by the workers; of a benchmark nobody can say."""
    speeds = [measured(CNN, 1000.0)]
    run = make_run("20260102-030405-cnn-0001", **CNN.to_json())
    whole = estimate.estimate(CNN, speeds)
    begun = runs.Status(state="running", phase="training", started=1.0, seconds_left=20.0)
    ahead = [(run, begun), (run, runs.Status())]

    seconds = estimate.waiting_seconds(ahead, speeds, 1)

    assert seconds == pytest.approx(20.0 + whole.finishing_seconds + whole.seconds)
    assert estimate.waiting_seconds(ahead, speeds, 2) == pytest.approx(seconds / 2)
    mean = make_run("20260102-030405-mean-0002", **TUNED.replace(mean_of="a,b").to_json())
    assert estimate.waiting_seconds([(mean, runs.Status())], speeds, 1) is None
    (run.folder / "plan.json").write_text("{}")
    assert estimate.waiting_seconds(ahead, speeds, 1) is None


def test_what_was_measured_here_replaces_the_numbers_of_another_machine(no_vectors):
    """A machine that took twice as long per photo, with another base: everything is scaled by that."""
    slow = estimate._Measured(TUNED, 7000.0, 90.0, seconds_per_vector=0.036, seconds_per_tuned_photo=0.124)

    guessed, known = estimate.estimate(TUNED, []), estimate.estimate(TUNED, [slow])
    other = estimate.estimate(TUNED.replace(architecture="mobilenetv2"), [slow])

    assert known.seconds / guessed.seconds == pytest.approx(2.0, rel=0.1)
    assert known.high / known.low < guessed.high / guessed.low
    assert "1 earlier run here with a pretrained network" in known.basis
    assert other.seconds < known.seconds


def test_a_much_smaller_network_is_no_measure_for_a_large_one(no_vectors):
    """MobileNetV2 of 0.35 width at 96 pixels does a hundredth of the arithmetic: its overhead is not scaled up."""
    tiny = TUNED.replace(architecture="mobilenetv2-035", image_size=96)
    slow = estimate._Measured(tiny, 7000.0, 8.0, seconds_per_vector=0.03, seconds_per_tuned_photo=0.03)

    assert estimate.estimate(TUNED, [slow]) == estimate.estimate(TUNED, [])


def test_the_speed_of_a_head_says_nothing_about_other_networks(no_vectors):
    """7,000 photos a second are vectors, not pictures."""
    head = measured(HEAD, 7000.0)

    assert "rough guess" in estimate.estimate(CNN, [head]).basis
    assert "rough guess" in estimate.estimate(HEAD, [measured(CNN, 1000.0)]).basis


def test_small_pictures_say_nothing_exact_about_photos():
    """A residual CNN on 28x28 pictures is only another network to the same on photos."""
    photos = RunSettings(dataset="clothing", architecture="resnet", image_size=96)

    assert (
        "other networks"
        in estimate.estimate(photos, [measured(CNN.replace(architecture="resnet"), 900.0)]).basis
    )


def test_the_speeds_of_the_parts_are_read_from_a_finished_run():
    """378.1 s for 3,781 vectors; then 3,000 photos a second in the last epoch: the first one of
    fine-tuning builds its program."""
    run = make_run("20260102-030405-mobilenetv2-aaaa", **TUNED.to_json())
    change_card(run, features={"source": "computed", "seconds": 378.1})
    (run.folder / "head.json").write_text('{"epochs": 1}')

    per_vector, per_tuned = estimate._speeds_of_parts(summary.summarise(run))

    assert per_vector == pytest.approx(0.1)
    assert per_tuned == pytest.approx(1 / 3000)


def test_vectors_that_were_already_there_measure_nothing():
    """Nor does a card whose record is damaged, or a run whose fine-tuning has not begun."""
    run = make_run("20260102-030405-mobilenetv2-aaaa", **TUNED.to_json())
    for features in ({"source": "stored", "seconds": 0.1}, "damaged", None):
        change_card(run, features=features)
        assert estimate._speeds_of_parts(summary.summarise(run)) == (None, None)


def test_stored_vectors_are_found_by_their_file(monkeypatch, tmp_path):
    """Whole, for these photos, weights and size; a file that a stop cut short does not count."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FASHION_FEATURES", str(tmp_path / "features"))
    clothing_folder.write(tmp_path / "data" / "clothing-dataset-small", clothing_folder.files())
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"weights")
    monkeypatch.setattr(estimate.pretrained, "weights_file", lambda name: weights)
    digest = datasets.load("clothing").digest
    path = feature_store.path_of(HEAD, digest, weights)

    assert not estimate.vectors_here(HEAD)
    feature_store.write(path, np.zeros((59, 1280), np.float16))
    assert not estimate.vectors_here(HEAD)
    feature_store.write(path, np.zeros((60, 1280), np.float16))
    assert estimate.vectors_here(HEAD)
    assert not estimate.vectors_here(HEAD.replace(image_size=96))
    assert not estimate.vectors_here(HEAD.replace(views=2, flip=True))
