"""What results files say as text: after measuring, and again from files with `--show`, which measures nothing.

Run: python -m pytest tests/test_benchmark_words.py
"""

import json
import math

import pytest
from benchmark_page import record, training

from fashion import benchmark_accuracy, benchmark_cli, benchmark_words, runs
from fashion.__main__ import main
from fashion.benchmark_records import Record

HALF = [
    training("keras-convnet", 1, [(10.0, 8_600), (20.0, 9_010)]),
    training("keras-convnet", 2, [(10.0, 8_640), (22.0, 9_030)]),
    training("short", 1, [(1.0, 8_000), (2.0, 9_020)], share_of_peak=0.5),
    training("short", 2, [(1.0, 8_000), (3.0, 9_040)], share_of_peak=0.6),
    training("half", 1, [(4.0, 9_250)], share_of_peak=0.8, settings={"precision": "mixed_bfloat16"}),
]


def said(**changes):
    return benchmark_words.of_record(Record("x", record(**changes)))


def test_the_ratios_come_with_both_times_spread_and_number_of_seeds():
    """0.90 after 21 s for the example and 2.5 s for ours: 8.4 times; seed by seed 20/2 and 22/3, whose sd is 1.886."""
    words = said(runs=HALF)

    assert "short): 0.9 against when the example reaches 0.9: 2.5 s against 21.0 s, 8.4 times sooner" in words
    assert (
        "seed by seed 8.7, sd 1.9, 95 % interval -8.3 to 25.6, n = 2. Reached on average, but the interval holds the aim."
        in words
    )


def test_what_is_never_reached_says_how_far_it_came():
    """0.935 is not; the best mean is that of the long recipe."""
    assert "0.935 against when the example ends: not reached, the best mean is 92.50% (half)." in said(
        runs=HALF
    )


def test_a_recipe_with_fewer_seeds_than_planned_is_marked_wherever_it_counts():
    """In its row, in a sentence of its own, and in the verdict that rests on it."""
    words = said(runs=HALF)

    assert "Not complete: half: 1 of 2 seeds." in words
    assert (
        "(half): 0.92 against when the example reaches 0.9: 4.0 s against 21.0 s, 5.2 times sooner (wanted: 1)"
        in words
    )
    assert "Reached so far: 1 of 2 seeds." in words
    (row,) = [line for line in words.splitlines() if line.strip().startswith("half TensorFlow 1 of 2")][:1]
    assert "92.50%" in row


def test_the_share_of_the_peak_is_judged_in_the_precision_it_was_measured_in():
    """Mean of 0.5 and 0.6 with sd 0.071; another precision gets no verdict."""
    words = said(runs=HALF)

    assert (
        "short: 55% of the float32 peak, sd 7%, 95 % interval 0% to 100%, n = 2 (wanted: 50%). Reached"
        in words
    )
    assert "half: 80% of the float32 peak, computed in mixed_bfloat16, which has a peak of its own." in words


def test_a_share_of_more_than_the_whole_is_no_result():
    """It says that the peak was measured while other programs ran."""
    busy = [HALF[0], training("short", 1, [(2.0, 9_020)], share_of_peak=1.4)]

    assert "short: 140% of the float32 peak, which cannot be: other programs ran" in said(runs=busy)


def test_shares_are_none_where_the_peak_is_of_another_precision():
    """So that no program takes it for reached."""
    shares = benchmark_accuracy.peak_shares([Record("x", record(runs=HALF))]).set_index("recipe")

    assert shares.reached.to_dict() == {"short": True, "half": None}
    assert math.isnan(shares.sd["half"])
    assert "keras-convnet" not in shares.index


def test_a_family_s_seeds_are_those_of_its_soonest_recipes():
    """Neither time of the family is that of the incomplete recipe of its own."""
    slow = [*HALF[:4], training("half", 1, [(90.0, 9_100)])]
    times = benchmark_accuracy.times_to([Record("x", record(runs=slow))], (0.90,))
    (family,) = times[times.what == "family"].to_dict("records")

    assert (family["0.9"], family["n_seeds"], family["n_planned"]) == (2.5, 2, 2)


def test_recorded_files_are_shown_without_measuring(capsys):
    """The project's own: the words, then a line of JSON per file; no run is made."""
    assert main(["benchmark", "--show"]) == 0

    out = capsys.readouterr().out
    lines = [json.loads(line) for line in out.splitlines() if line.startswith('{"file"')]
    assert {line["kind"] for line in lines} == {"accuracy", "frameworks", "grid", "transfer", "visitors"}
    (accuracy,) = [line for line in lines if line["kind"] == "accuracy"][:1]
    assert {ratio["claim"] for ratio in accuracy["ratios"]} == {
        claim.words for claim in benchmark_accuracy.CLAIMS
    }
    assert runs.list_runs(kind=None) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "must be a readable results file"),
        ("[]", "must be a benchmark of format 1"),
        ('{"format": 1, "kind": "accuracy"}', "must be a whole benchmark"),
        ('{"format": 1, "course": {}}', "must be a whole benchmark"),
        ('{"format": 1, "watching": {}}', "must be a whole benchmark"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_shown(tmp_path, capsys, text, complaint):
    """The exit status tells it, too."""
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(record()))
    bad.write_text(text)

    assert main(["benchmark", "--show", str(bad), str(good), "--json"]) == 1

    said = capsys.readouterr()
    first, second = map(json.loads, said.out.splitlines())
    assert complaint in first["error"]
    assert second["kind"] == "accuracy"
    assert "times sooner" in said.err


def test_show_is_an_option_of_the_benchmark_command():
    """Beside the others, of which one may be chosen."""
    with pytest.raises(SystemExit):
        main(["benchmark", "--show", "--quick"])
    assert benchmark_cli.benchmark_words is benchmark_words
