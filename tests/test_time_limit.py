"""A run's time limit: how far the schedule is, whether another step fits, and a real run that keeps it."""

from types import SimpleNamespace

import pytest

from fashion import jobs, runs
from fashion.settings import RunSettings, learning_rate_at
from fashion.time_limit import TimeLimit

WAIT_SECONDS = 120.0


def _limit(seconds: float, **values) -> tuple[TimeLimit, SimpleNamespace]:
    """A time limit that has begun, and the clock by which it goes."""
    clock = SimpleNamespace(now=1000.0)
    limit = TimeLimit(seconds, clock=lambda: clock.now, **values)
    limit.begin()
    return limit, clock


def test_without_a_limit_steps_alone_count():
    """A thousand seconds change nothing, and anything fits."""
    limit, clock = _limit(0)
    clock.now += 1000

    assert limit.elapsed == 1000
    assert limit.progress(5, 20) == 0.25
    assert not limit.over(1e9)


def test_a_slow_machine_is_as_far_as_its_time_and_a_fast_one_as_its_steps():
    """After 30 of 60 s the schedule is half way with 10 % of the steps done, and at 80 % with 80 % of them."""
    limit, clock = _limit(60)
    clock.now += 30

    assert limit.progress(10, 100) == 0.5
    assert limit.progress(80, 100) == 0.8


def test_the_schedule_ends_where_the_validation_must_begin():
    """With 10 s kept for it, the learning rate is zero after 50 of 60 s, and stays there."""
    limit, clock = _limit(60)
    settings = RunSettings(schedule="cosine", learning_rate=0.01)
    rates = []
    for seconds in (0, 25, 50, 55):
        clock.now = 1000.0 + seconds
        rates.append(learning_rate_at(settings, limit.progress(1, 1000, reserve=10), 1))

    assert rates == pytest.approx([0.01, 0.005, 0.0, 0.0], abs=1e-4)


def test_seconds_before_the_process_count_too():
    """40 of 60 s were trained before a stop: 20 are left, and what needs as many does not fit."""
    limit, clock = _limit(60, before=40)
    assert (limit.left, limit.progress(0, 10)) == (20, pytest.approx(2 / 3))

    clock.now += 15
    assert limit.left == 5
    assert not limit.over(4.9)
    assert limit.over(5)


def test_each_part_of_a_run_has_a_schedule_of_its_own():
    """The head took 20 of 60 s; after 20 s of fine-tuning that part is half way."""
    limit, clock = _limit(60, before=20, part_began=20)
    assert limit.progress(0, 10) == 0.0

    clock.now += 20
    assert limit.progress(0, 10) == 0.5


@pytest.fixture(scope="module")
def limited(tmp_path_factory) -> runs.Run:
    """A real run that would take minutes, with two seconds to train."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_RUNS", str(tmp_path_factory.mktemp("runs")))
        settings = RunSettings(
            dataset="sketches", architecture="mlp", inner_width=512, batch_size=16, epochs=200, schedule="cosine",
            seconds_limit=2, num_train=1000,
        )  # fmt: skip
        run = runs.create(settings)
        jobs.start_worker(run).wait(WAIT_SECONDS)
        yield run


def test_a_run_ends_at_its_limit_with_its_best_epoch_and_says_so(limited):
    """It counts as finished: tested, exported, with the reason; and its learning rate came down in time."""
    status, log = limited.status(), limited.log()

    assert status.state == "finished", status.reason
    assert status.reason.startswith("The time limit of 2 s of training was reached in epoch ")
    assert 1 <= len(log) < 200
    assert limited.can_predict
    by_epochs = learning_rate_at(limited.settings, len(log), limited.settings.epochs)
    assert log.learning_rate.iloc[-1] < by_epochs
    assert limited.card()["num_epochs"] == len(log)


def test_what_was_trained_before_a_cut_counts_when_the_run_goes_on(limited):
    """A clock made from the run's tables begins where they end."""
    limit = TimeLimit.of_run(limited)

    assert limit.seconds == 2
    assert limit.elapsed == pytest.approx(max(limited.log().seconds.sum(), limited.steps().seconds.max()))
