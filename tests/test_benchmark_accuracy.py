"""What the tables make of recorded trainings: means, bands, times to an accuracy, the front and the ratios.

Run: python -m pytest tests/test_benchmark_accuracy.py
"""

import json
import math

import pytest

from fashion import benchmark_accuracy as form
from fashion.benchmark_accuracy import Claim, Record
from fashion.errors import RunError


def training(recipe, seed, epochs, **changes):
    """A run with these (seconds, right answers of 1,000) after each epoch."""
    return {
        "recipe": recipe,
        "title": recipe.capitalize(),
        "family": "Ours" if recipe.startswith("our") else recipe,
        "about": "",
        "source": "" if recipe.startswith("our") else "https://example.org/",
        "seed": seed,
        "framework": "tensorflow",
        "device": "cpu",
        "device_name": None,
        "batch_size": 128,
        "num_parameters": 34_826,
        "num_multiply_adds": 2_440_960,
        "only_last": recipe.startswith("our"),
        "share_of_peak": 0.4,
        "startup_seconds": 4.0 + seed,
        "peak_memory_bytes": 900_000_000 + seed,
        "epochs": [
            {"epoch": number, "seconds": seconds, "test_correct": correct}
            for number, (seconds, correct) in enumerate(epochs, 1)
        ],
        "problem": None,
        **changes,
    }


RUNS = [
    training("keras-convnet", 1, [(10.0, 880), (20.0, 899), (30.0, 903)]),
    training("our-short", 1, [(1.0, 930), (2.5, 902)]),
    training("our-long", 1, [(4.0, 910), (8.0, 940)]),
    training("keras-convnet", 2, [(12.0, 884), (22.0, 905), (32.0, 907)]),
    training("our-short", 2, [(1.0, 930), (3.5, 904)]),
    training("our-long", 2, [(4.0, 915), (10.0, 930)]),
]


def results(runs=RUNS, **changes):
    return {
        "format": 1,
        "kind": "accuracy",
        "created": "2026-03-01",
        "command": "python -m fashion benchmark --accuracy --seeds 2",
        "machine": {
            "processor": "AMD Example(R) CPU @ 3.00GHz",
            "num_cores": 4,
            "memory_bytes": 8_000_000_000,
            "system": "Linux",
            "python": "3.11.7",
            "versions": {"tensorflow": "2.21.0", "keras": "3.15.1"},
        },
        "busy_fraction": 0.02,
        "dataset": "fashion-mnist",
        "num_train": 60_000,
        "num_test": 1_000,
        "seeds": [1, 2],
        "peak_gflops": 331.0,
        "complete": True,
        "runs": runs,
        **changes,
    }


RECORD = Record("amd", results())


def test_a_row_is_the_mean_over_the_seeds_with_its_t_interval():
    """Seconds 20 and 22, accuracies 0.899 and 0.905: mean 0.902, half width 12.706 x 0.003."""
    rows = form.table([RECORD])

    assert list(rows.columns) == list(form.COLUMNS)
    row = rows[(rows.recipe == "keras-convnet") & (rows.epoch == 2)].iloc[0]
    assert (row.seconds, row.accuracy, row.n_seeds, row.n) == (21.0, pytest.approx(0.902), 2, 1000)
    assert row.accuracy_low == pytest.approx(0.902 - 12.706 * 0.003)
    assert row.accuracy_high == pytest.approx(0.902 + 12.706 * 0.003)
    assert (row.peer, row["last"]) == (True, False)


def test_with_one_seed_the_band_is_that_of_the_test():
    """Wilson's interval of 902 out of 1,000, by hand: z = 1.96."""
    rows = form.table([Record("x", results(RUNS[:3]))])

    row = rows[rows.recipe == "our-short"].iloc[-1]
    assert row.n_seeds == 1
    assert (row.accuracy_low, row.accuracy_high) == pytest.approx((0.8820, 0.9189), abs=1e-4)


def test_a_time_is_that_of_the_mean_over_the_seeds():
    """0.90 after the second epoch on average, although the first seed needs a third; 0.91 is never reached."""
    times = form.times_to([RECORD], (0.90, 0.91))
    row = times[times.recipe == "keras-convnet"].iloc[0]

    assert row["0.9"] == 21.0
    assert row["0.91"] is None


def test_of_a_schedule_only_its_end_counts():
    """Ours has 0.93 after a second, but with the learning rates of a longer run: its 0.903 comes after 3 s."""
    times = form.times_to([RECORD], (0.90, 0.92))
    short = times[times.recipe == "our-short"].iloc[0]

    assert bool(short.only_last)
    assert (short["0.9"], short["0.92"]) == (3.0, None)


def test_a_family_gets_there_with_its_soonest_member():
    """0.90 with the short recipe, 0.92 with the long one."""
    times = form.times_to([RECORD], (0.90, 0.92))
    (family,) = times[times.what == "family"].to_dict("records")

    assert (family["title"], family["0.9"], family["0.92"]) == ("Ours", 3.0, 9.0)


def test_the_front_holds_what_nothing_beats_in_both_time_and_accuracy():
    """The short recipe is sooner than any epoch of the example that is not worse; the long one is better than all."""
    rows = form.front(form.table([RECORD]))

    assert list(zip(rows.recipe, rows.epoch, rows.seconds, strict=True)) == [
        ("our-short", 2, 3.0),
        ("our-long", 2, 9.0),
    ]


def test_ratios_are_of_the_means_and_seed_by_seed():
    """Means: 21 s over 3 s. Seeds: 30 / 2.5 and 22 / 3.5, as the first seed of the example needs its third epoch."""
    (row,) = form.ratios([RECORD], (Claim(0.90, 0.90, 6.0),)).to_dict("records")

    assert (row["family"], row["recipe"], row["ratio"]) == ("Ours", "our-short", 7.0)
    assert row["mean"] == pytest.approx((12.0 + 22 / 3.5) / 2)
    assert (row["n"], row["n_seeds"], row["reached"]) == (2, 2, True)
    assert row["low"] < row["mean"] < row["high"]


def test_the_end_of_the_example_can_be_the_measure():
    """0.935 on average after 9 s; the example's last epoch ends after 31 s on average. Only one seed reaches it."""
    (row,) = form.ratios([RECORD], (Claim(0.935, None, 0.5),)).to_dict("records")

    assert row["ratio"] == pytest.approx(31 / 9)
    assert (row["n"], row["mean"]) == (1, 30 / 8)
    assert math.isnan(row["low"])


def test_what_is_not_reached_has_no_ratio():
    """Neither a zero nor an infinity."""
    (row,) = form.ratios([RECORD], (Claim(0.99, 0.90, 1.0),)).to_dict("records")

    assert (row["ratio"], row["recipe"], row["reached"], row["n"]) == (None, "", False, 0)


def test_without_the_example_there_are_no_ratios():
    """They compare what was measured in one run only."""
    assert form.ratios([Record("x", results(RUNS[1:3]))]).empty


def test_an_epoch_s_time_is_the_difference_of_the_clock():
    """The example: 10 and 12 s, then 10 each time; 60,000 pictures in 10 s."""
    row = form.speeds([RECORD]).iloc[0]

    assert (row.first_epoch_seconds, row.steady_epoch_seconds, row.images_per_second) == (11.0, 10.0, 6000.0)
    assert (row.startup_seconds, row.peak_memory_bytes) == (5.5, 900_000_002)
    assert row.accuracy == pytest.approx(0.905)


def test_a_single_epoch_has_no_later_ones():
    """NaN rather than the first epoch's time, which includes building the program."""
    row = form.speeds([Record("x", results([training("our-one", 1, [(5.0, 800)])]))]).iloc[0]

    assert row.first_epoch_seconds == 5.0
    assert math.isnan(row.steady_epoch_seconds)


def test_frameworks_are_told_apart():
    """The same recipe in two frameworks is two rows, not one mean."""
    other = training("keras-convnet", 1, [(5.0, 880)], framework="torch")

    rows = form.speeds([Record("x", results([RUNS[0], other], kind="frameworks"))])

    assert list(rows.framework) == ["tensorflow", "torch"]


def test_what_failed_is_in_the_problems_and_not_in_the_tables():
    """The same reason is said once."""
    failed = [
        training("our-big", seed, [], problem="Memory full.", share_of_peak=None, startup_seconds=None)
        for seed in (1, 2)
    ]
    one = Record("x", results([*RUNS, *failed]))

    assert "our-big" not in set(form.table([one]).recipe)
    assert form.problems([one]) == ["Not measured: Our-big (TensorFlow, cpu). Memory full."]


def test_a_record_says_where_and_how_it_was_made():
    """Machine, versions, batch size, date and command."""
    assert RECORD.title == "recorded on AMD Example, 4 cores, 2026-03-01"
    assert form.method(RECORD) == (
        "AMD Example, 4 cores; TensorFlow 2.21.0, Keras 3.15.1; batch size 128; 2026-03-01; "
        "`python -m fashion benchmark --accuracy --seeds 2`"
    )


def test_an_empty_record_makes_empty_tables():
    """A measurement that has just begun is shown without an error."""
    one = Record("x", results([]))

    assert form.table([one]).empty
    assert form.times_to([one]).empty
    assert form.front(form.table([one])).empty
    assert form.ratios([one]).empty
    assert form.speeds([one]).empty
    assert form.times_to([]).empty


def damaged():
    """(what is wrong, text of the file, words of the complaint)."""
    half = results([{name: value for name, value in RUNS[0].items() if name != "epochs"}])
    text = results([training("ours", 1, [(1.0, "many")])])
    return [
        ("no JSON", "{", "readable JSON"),
        ("a list", "[]", "format None, kind None"),
        ("newer", json.dumps(results(format=2)), "Received: format 2, kind 'accuracy'. Update the app"),
        ("other kind", json.dumps(results(kind="frameworks")), "kind accuracy. Received: .* 'frameworks'"),
        ("half a run", json.dumps(half), "whole benchmark. Received: KeyError 'epochs'"),
        ("text for a number", json.dumps(text), "whole benchmark"),
        ("no epochs", json.dumps(results([training("ours", 1, [])])), "epochs of 'ours'"),
        ("runs of text", json.dumps(results(["x"])), "whole benchmark"),
        ("no machine", json.dumps(results(machine=None)), "whole benchmark"),
        ("no pictures", json.dumps(results(num_test=0)), "whole benchmark"),
    ]


@pytest.mark.parametrize(("wrong", "text", "complaint"), damaged(), ids=[case[0] for case in damaged()])
def test_a_recorded_file_that_cannot_be_used_is_named_and_the_others_are_shown(
    tmp_path, monkeypatch, wrong, text, complaint
):
    """One damaged file never hides the good ones."""
    monkeypatch.setattr(form, "RECORDED", tmp_path)
    (tmp_path / "accuracy").mkdir()
    (tmp_path / "accuracy" / "a-good.json").write_text(json.dumps(results()))
    (tmp_path / "accuracy" / "b-bad.json").write_text(text)

    found, unusable = form.load_recorded("accuracy")

    assert [one.key for one in found] == ["a-good"]
    assert len(unusable) == 1
    with pytest.raises(RunError, match=complaint):
        form.read(tmp_path / "accuracy" / "b-bad.json", "accuracy")


def test_the_recorded_files_of_the_project_can_be_read():
    """What ships is whole."""
    for kind in form.KINDS:
        _, unusable = form.load_recorded(kind)
        assert unusable == []
