"""Those who watch are drawn as often as they ask, unless there are too many of them."""

import pytest

from fashion.pace import SHARE, Pace


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pace(clock):
    return Pace(clock)


def draw(pace: Pace, seconds: float, times: int = 10) -> None:
    for _ in range(times):
        pace.drawn(seconds)


def test_one_watcher_is_drawn_as_often_as_asked(pace):
    """Also where a drawing takes a tenth of a second."""
    draw(pace, 0.1)

    assert pace.interval("a", 1.0) == 1.0
    assert pace.interval("a", 2.0) == 2.0


def test_a_class_together_takes_no_more_than_its_share(pace):
    """Thirty at 20 ms each: every five seconds, the first as well as the last."""
    draw(pace, 0.02)
    names = [f"visitor {number}" for number in range(30)]
    for name in names:
        pace.interval(name, 1.0)

    intervals = {pace.interval(name, 1.0) for name in names}

    assert intervals == {5.0}
    assert sum(0.02 / seconds for seconds in 30 * list(intervals)) <= SHARE


def test_nobody_waits_longer_than_twenty_seconds(pace):
    """However many there are."""
    draw(pace, 1.0)
    for number in range(60):
        pace.interval(str(number), 1.0)

    assert pace.interval("0", 1.0) == 20.0


def test_who_has_gone_no_longer_counts(pace, clock):
    """After three rounds without a word."""
    draw(pace, 0.02)
    for number in range(30):
        pace.interval(str(number), 1.0)
    clock.now += 3 * 5.0 + 1

    assert pace.interval("0", 1.0) == 1.0


def test_a_small_change_of_cost_changes_nothing(pace):
    """Each change draws the whole page: it must be worth it."""
    draw(pace, 0.05, times=50)
    for number in range(10):
        pace.interval(str(number), 1.0)
    assert pace.interval("0", 1.0) == 5.0  # 3.3 seconds are wanted

    draw(pace, 0.07, times=50)
    assert pace.interval("0", 1.0) == 5.0
    draw(pace, 0.04, times=50)
    assert pace.interval("0", 1.0) == 5.0
    draw(pace, 0.03, times=50)
    assert pace.interval("0", 1.0) == 2.0
    draw(pace, 0.1, times=50)
    assert pace.interval("0", 1.0) == 8.0


def test_one_slow_drawing_is_no_reason(pace):
    """The first loads libraries for a second."""
    pace.drawn(1.0)
    assert pace.interval("a", 1.0) == 1.0
    draw(pace, 0.02, times=5)

    assert pace.interval("a", 1.0) == 1.0
