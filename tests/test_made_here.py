"""The very runs that are about to start are found on this machine, and no others."""

import time

import pytest

from fashion import made_here, runs
from fashion.settings import RunSettings

PLANNED = [RunSettings(dataset="sketches", dropout=rate) for rate in (0.0, 0.2)]


def make(group: str = "dropout-0a1b2c", state: str = "finished", finished: float = 1000.0) -> list[runs.Run]:
    made = [runs.create(settings, group=group) for settings in PLANNED]
    for number, run in enumerate(made):
        runs.set_status(run, state=state, finished=finished + number if state == "finished" else None)
    return made


def test_a_group_with_just_these_settings_is_found_with_the_end_of_its_last_run():
    """Whoever made it; their order makes no difference."""
    assert made_here.group("dropout", PLANNED) is None
    make()

    assert made_here.group("dropout", PLANNED[::-1]) == made_here.Made("dropout-0a1b2c", 1001.0)


@pytest.mark.parametrize(
    ("key", "planned"),
    [
        ("inner-layer", PLANNED),
        ("dropout", PLANNED[:1]),
        ("dropout", [settings.replace(seed=5) for settings in PLANNED]),
        ("dropout", [*PLANNED, PLANNED[0].replace(dropout=0.5)]),
    ],
)
def test_other_experiments_seeds_and_sizes_are_not_the_same(key, planned):
    """A part of them, one more, or another seed."""
    make()

    assert made_here.group(key, planned) is None


def test_a_stopped_deleted_or_damaged_run_makes_its_group_incomplete():
    """What is left of it would not be what the button promises."""
    stopped = make("dropout-111111")
    runs.set_status(stopped[0], state="stopped")
    runs.delete(make("dropout-222222")[1])
    (make("dropout-333333")[0].folder / "settings.json").write_text("{")

    assert made_here.group("dropout", PLANNED) is None


def test_what_has_finished_comes_before_what_is_under_way():
    """A result at once is better than waiting; without one, waiting for another's is better than one's own."""
    make("dropout-999999", state="queued")
    assert made_here.group("dropout", PLANNED) == made_here.Made("dropout-999999", None)
    make("dropout-111111")
    make("dropout-888888", state="running")

    assert made_here.group("dropout", PLANNED) == made_here.Made("dropout-111111", 1001.0)


def test_a_run_alone_is_found_too():
    """Of the Train page's form; the newest that has finished."""
    settings = PLANNED[0]
    assert made_here.run(settings) is None
    older = runs.create(settings)
    runs.set_status(older, state="finished", finished=time.time())
    runs.set_status(runs.create(settings), state="failed")
    runs.create(settings)

    assert made_here.run(settings).name == older.id
    assert made_here.run(settings.replace(epochs=3)) is None
