"""Whether one network is better than another is told with its chance, and agrees with other ways to compute it."""

import math

import numpy as np
import pytest
from run_folders import change_card, make_run

from fashion import comparison, summary
from fashion.errors import RunError

A, B = "20260102-030405-softmax-aaaa", "20260103-030405-cnn-bbbb"


def right(both: int, only_a: int, only_b: int, none: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pictures a and b had right, with these many of each kind."""
    a = [True] * both + [True] * only_a + [False] * only_b + [False] * none
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * none
    return np.array(a), np.array(b)


def test_the_pictures_that_only_one_had_right_are_counted():
    """By hand: 9 against 3 of 100 is 6 points, and half a picture in each cell gives -1.0 to 12.8 points."""
    said = comparison.compare(*right(80, 3, 9, 8))

    assert (said.n, said.only_a, said.only_b) == (100, 3, 9)
    assert said.difference == pytest.approx(0.06)
    # 6 / 102 plus or minus 1.96 * sqrt((13 / 102 - (6 / 102) ** 2) / 102)
    assert (said.low, said.high) == pytest.approx((-0.00951, 0.12716), abs=1e-5)
    assert not said.sure


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 6), (1, 5), (4, 4), (7, 3), (0, 1)])
def test_the_exact_test_agrees_with_tossing_all_coins(only_a, only_b):
    """All 2^m ways in which m coins can fall, counted one by one."""
    tosses = only_a + only_b
    heads = [bin(way).count("1") for way in range(2**tosses)]
    least = min(only_a, only_b)
    counted = sum(min(count, tosses - count) <= least for count in heads) / 2**tosses

    assert comparison.mcnemar(only_a, only_b) == pytest.approx(counted)


def test_the_exact_test_stands_large_counts():
    """4,900 against 5,100 of 10,000 coins: two standard deviations off, by the normal curve with a half taken off 0.0466."""
    expected = math.erfc((100 - 0.5) / (10_000 * 0.25) ** 0.5 / 2**0.5)

    assert comparison.mcnemar(4_900, 5_100) == pytest.approx(expected, abs=2e-4)


def test_negative_counts_are_refused():
    """They would be a mistake in counting."""
    with pytest.raises(ValueError, match="only_a=-1, only_b=3"):
        comparison.mcnemar(-1, 3)


def test_the_pictures_needed_show_the_difference_in_four_of_five_tests():
    """4,000 tests drawn with the rates found, judged by McNemar's chi-square: 80 % show it, with a half as many 53 %."""
    needed = comparison.pictures_needed(100, 200, 1000)  # differ on 30 %, by 10 points
    rng = np.random.default_rng(0)

    def shown(n: int) -> float:
        only_a, only_b, _ = rng.multinomial(n, [0.1, 0.2, 0.7], size=4000).T
        return np.mean((only_b - only_a) ** 2 > 3.841 * (only_a + only_b))

    assert shown(needed) == pytest.approx(0.8, abs=0.03)
    assert shown(needed // 2) < 0.6


def test_no_number_of_pictures_shows_no_difference():
    """As often right: there is nothing to look for."""
    assert comparison.compare(*right(90, 4, 4, 2)).needed is None


def test_what_is_not_paired_is_refused():
    """Other lengths are no comparison."""
    with pytest.raises(ValueError, match=r"same shape \(n,\)"):
        comparison.compare(np.array([True]), np.array([True, False]))


def test_the_sentence_names_the_better_one_whichever_is_asked_first():
    """20 pictures of 300 that only b has right: no accident."""
    a, b = right(268, 0, 20, 12)
    sentence = comparison.in_words(comparison.compare(a, b), "old", "new")

    assert sentence.startswith(
        "new is better than old: by 6.67 percentage points on the same 300 test pictures"
    )
    assert sentence.endswith("20 of them only new had right, 0 only old.")
    assert comparison.in_words(comparison.compare(b, a), "new", "old") == sentence


def test_the_sentence_says_when_it_cannot_be_told_and_what_it_would_take():
    """9 against 3 of 100: by Connor's formula 255 pictures, told as 260, which is no exact number."""
    sentence = comparison.in_words(comparison.compare(*right(80, 3, 9, 8)), "old", "new")

    assert sentence.startswith(
        "It cannot be told which is better: on the same 100 test pictures new is 6.00 percentage"
    )
    assert "9 pictures only new had right, 3 only old." in sentence
    assert "about 260 test pictures to know" in sentence


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ((90, 4, 4, 2), "each has 4 right that the other has wrong"),
        ((90, 0, 0, 10), "they are right on the same ones"),
    ],
)
def test_the_sentence_of_two_equally_good_ones_promises_nothing(cells, words):
    """As often right: it cannot be told, and no number of pictures is named."""
    sentence = comparison.in_words(comparison.compare(*right(*cells)), "old", "new")

    assert sentence.startswith("It cannot be told")
    assert words in sentence
    assert "would take" not in sentence


def test_seeds_are_compared_pair_by_pair():
    """Differences 3, 2 and 4 points: mean 3, deviation 1, and 4.303 / sqrt(3) of it on both sides."""
    said = comparison.compare_seeds([0.80, 0.82, 0.81], [0.83, 0.84, 0.85])

    assert (said.difference, said.n, said.sure) == (pytest.approx(0.03), 3, True)
    assert (said.low, said.high) == pytest.approx((0.03 - 0.02484, 0.03 + 0.02484), abs=1e-5)
    assert comparison.seeds_in_words(said, "a", "b").startswith(
        "b is better than a: by 3.00 percentage points"
    )


@pytest.mark.parametrize("n", range(2, comparison.MAX_SEEDS + 1))
def test_the_interval_over_seeds_holds_the_truth_as_often_as_it_says(n):
    """4,000 draws of n normal differences around zero: 95 % of the intervals hold zero."""
    draws = np.random.default_rng(n).normal(size=(4000, n))

    holds = [
        one.low <= 0 <= one.high
        for one in (comparison.compare_seeds([0.0] * n, draw.tolist()) for draw in draws)
    ]

    assert np.mean(holds) == pytest.approx(0.95, abs=0.012)


def test_one_seed_tells_nothing_about_luck():
    """Then the interval is infinite, and the sentence asks for more seeds."""
    said = comparison.compare_seeds([0.8], [0.9])

    assert (said.low, said.high, said.sure) == (-math.inf, math.inf, False)
    assert "more seeds" in comparison.seeds_in_words(said, "a", "b")


@pytest.mark.parametrize("several", [([0.8], [0.8]), ([0.8, 0.9], [0.9, 0.8])])
def test_settings_with_the_same_mean_are_called_the_same(several):
    """None of them is ahead by 0.00 points."""
    sentence = comparison.seeds_in_words(comparison.compare_seeds(*several), "a", "b")

    assert sentence.startswith("It cannot be told which is better: a and b have the same validation accuracy")
    assert "ahead" not in sentence


def test_two_seeds_that_differ_alike_by_chance_do_not_tell():
    """Two of 341 photos both times: an interval without width is no certainty, and rounding gives it none."""
    said = comparison.compare_seeds([300 / 341, 305 / 341], [302 / 341, 307 / 341])

    assert not said.sure
    sentence = comparison.seeds_in_words(said, "a", "b")
    assert sentence.startswith("It cannot be told which is better: b is 0.59 percentage points")
    assert "more seeds" in sentence


def test_seeds_that_differ_both_ways_do_not_tell():
    """One seed up, one down: named as such, with the one ahead first and its interval from low to high."""
    sentence = comparison.seeds_in_words(comparison.compare_seeds([0.85, 0.80], [0.80, 0.83]), "a", "b")

    assert sentence.startswith("It cannot be told which is better: a is 1.00 percentage points")
    assert (
        "95 % interval \N{MINUS SIGN}49.82 to 51.82" in sentence
    )  # 1 plus or minus 12.706 * 4 (deviation 5.657 / sqrt(2))


@pytest.mark.parametrize(("a", "b"), [([], []), ([0.1], [0.1, 0.2]), ([0.1] * 11, [0.1] * 11)])
def test_seeds_that_are_no_pairs_are_refused(a, b):
    """None, more of one, or more than the table of t has."""
    with pytest.raises(ValueError, match="same 1 to 10 seeds"):
        comparison.compare_seeds(a, b)


def test_runs_are_compared_by_their_stored_answers():
    """12 mistakes against 32 on the same 300 pictures: 20 / 300 is 6.67 points."""
    good = summary.summarise(make_run(A))
    bad = summary.summarise(make_run(B, wrong={(4, 2): 5, (6, 0): 7, (1, 3): 20}))

    said = comparison.of_runs(bad, good)

    assert (said.n, said.only_a, said.only_b) == (300, 0, 20)
    assert said.difference == pytest.approx(20 / 300)


def test_runs_tested_on_different_pictures_are_not_compared():
    """The fingerprint of the data decides, not its name."""
    other = make_run(B)
    change_card(other, data_digest="another")

    with pytest.raises(RunError, match="same pictures"):
        comparison.of_runs(summary.summarise(make_run(A)), summary.summarise(other))
