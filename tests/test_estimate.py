"""The expected time follows from what was measured, and says on what it rests."""

import pytest

from fashion import estimate
from fashion.settings import RunSettings

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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89, "89 s"), (90, "1 min 30 s"), (700, "11 min"), (7500, "2 h 5 min")],
)
def test_times_are_said_as_people_say_them(seconds, words):
    """Seconds up to a minute and a half, then minutes, then hours."""
    assert estimate.in_words(seconds) == words
