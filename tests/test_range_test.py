"""A range test ends when the loss explodes, and suggests the rate at which it fell fastest."""

import numpy as np
import pandas as pd
import pytest
from run_folders import make_run

from fashion import range_test
from fashion.range_test import Recording, read, smoothed, suggest


def recorded(losses: np.ndarray, begin: float = 1e-6, end: float = 1.0) -> pd.DataFrame:
    """A test with these losses, its rates rising by the same factor from `begin` to `end`."""
    rates = np.geomspace(begin, end, len(losses))
    table = pd.DataFrame({"step": np.arange(1, len(losses) + 1), "learning_rate": rates, "loss": losses})
    return table.assign(smoothed=smoothed(losses))


def a_fall(at: float = 1e-3, steps: int = 300) -> np.ndarray:
    """Losses that fall from 2 to 0, fastest at the learning rate `at`."""
    powers = np.linspace(-6, 0, steps)
    return 2 / (1 + np.exp(4 * (powers - np.log10(at))))


def test_the_average_is_corrected_for_its_beginning():
    """By hand, with a memory of 0.9: 1, then (0.09 + 0.3) / 0.19; a constant stays what it is."""
    assert smoothed(np.array([1.0, 3.0])) == pytest.approx([1.0, 0.39 / 0.19])
    assert smoothed(np.full(20, 2.5)) == pytest.approx(2.5)


def test_the_steepest_place_is_found():
    """The loss falls fastest at 0.001; the average lags a few steps behind."""
    found = suggest(recorded(a_fall(1e-3)))

    assert 1e-3 <= found.steepest <= 2e-3
    assert not found.exploded
    assert found.rate == pytest.approx(0.002) or found.rate == pytest.approx(0.001)


def test_what_comes_after_the_least_loss_does_not_count():
    """A rise and a second, steeper fall at a larger rate are not where one wants to train."""
    fall = a_fall(1e-4)
    table = recorded(np.concatenate([fall[:250], [1.0, 8.0, 8.0, 8.0, 0.5]]))

    found = suggest(table)

    assert found.steepest < 1e-3
    assert found.exploded


@pytest.mark.parametrize("losses", [np.full(100, 2.3), np.linspace(1.0, 9.0, 100), np.array([2.0, 1.0, 0.5])])
def test_without_a_fall_nothing_is_suggested(losses):
    """A loss that stays or only rises, or a test of three steps, and the words say so."""
    assert suggest(recorded(losses)) is None
    words = range_test.in_words(None)
    assert "suggests no rate" in words
    assert "too few steps" in words  # three of them did fall


def test_a_recording_ends_at_four_times_the_least_loss_or_at_no_number():
    """Not at the first noisy batch."""
    recording = Recording(make_run("20260101-120000-softmax-0001", tested=False))

    assert not any(recording.add(1e-6 * 2**step, 1.0) for step in range(10))
    assert not recording.add(0.01, 5.0)
    assert recording.add(0.1, 100.0)
    assert recording.add(0.2, float("nan"))


def test_a_recording_is_read_back():
    """Every step that was a number, in the order in which it came."""
    run = make_run("20260101-120000-softmax-0001", tested=False)
    recording = Recording(run)
    for step, loss in enumerate([2.0, 1.5, float("inf")]):
        recording.add(1e-6 * 10**step, loss)
    recording.write()

    table = read(run)

    assert table.step.tolist() == [1, 2]
    assert table.learning_rate.tolist() == pytest.approx([1e-6, 1e-5])
    assert table.loss.tolist() == [2.0, 1.5]


def test_a_run_that_is_no_range_test_has_no_steps_of_one():
    """An empty table, with the columns that charts ask for."""
    table = read(make_run("20260101-120000-softmax-0001"))

    assert table.empty
    assert list(table.columns) == ["step", "learning_rate", "loss", "smoothed"]


def test_the_suggestion_is_told_with_its_limits():
    """The rate to one digit, where it ended, and what the test cannot tell."""
    words = range_test.in_words(range_test.Suggestion(0.0017, 0.07, 0.48, exploded=True))

    assert "**0.002**" in words
    assert "at 0.48 it had exploded" in words
    assert "no more" in words


def test_a_test_that_ended_at_no_number_is_not_said_to_have_tried_no_higher_rate():
    """The step that ended it has no row: of the rates that have one, the loss had not exploded."""
    words = range_test.in_words(range_test.Suggestion(0.0017, 0.07, 0.48, exploded=False))

    assert "up to 0.48, the last rate with a loss in numbers, it had not exploded" in words
