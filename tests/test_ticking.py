"""What a page draws again by itself, and how often."""

import pytest

from fashion.ui import cache, ticking


@pytest.fixture
def fragments(monkeypatch):
    """The options of each `st.fragment` that is asked for; the part itself is drawn."""
    asked = []

    def fragment(draw, **options):
        asked.append(options)
        return draw

    monkeypatch.setattr(ticking.st, "fragment", fragment)
    monkeypatch.setattr(ticking.state, "visitor", lambda: "me")
    return asked


def test_a_part_is_drawn_with_its_arguments_and_again_as_asked(fragments):
    """Nothing ticks where nothing goes on."""
    drawn = []

    ticking.part(lambda *all: drawn.append(all), 1, 2, seconds=2.0, key="run-active")
    ticking.part(lambda *all: drawn.append(all), 3, seconds=None, key="run-ended")

    assert drawn == [(1, 2), (3,)]
    assert fragments == [{"run_every": 2.0, "key": "run-active"}, {"key": "run-ended"}]


def test_when_many_come_to_watch_the_page_is_drawn_anew_with_a_slower_tick(fragments, monkeypatch):
    """The ticking belongs to the part as it was first called."""
    reruns = []
    monkeypatch.setattr(ticking.st, "rerun", lambda: reruns.append(True))

    def crowd():
        for _ in range(10):
            cache.pace().drawn(0.02)
        for number in range(29):
            cache.pace().interval(f"other {number}", 1.0)

    ticking.part(crowd, seconds=1.0, key="run")
    assert len(reruns) == 1
    ticking.part(lambda: None, seconds=1.0, key="run")

    assert [one["run_every"] for one in fragments] == [1.0, 5.0]
    assert len(reruns) == 1
