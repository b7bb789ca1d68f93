"""Settings for a time: what fits is chosen, what does not is cut, and the limit leaves room for what comes around."""

import pytest

from fashion import estimate, time_budget
from fashion.estimate import _Measured
from fashion.recipes import Recipe
from fashion.settings import PHOTO_DEFAULTS, RunSettings

BASE = RunSettings(dataset="sketches", architecture="cnn", epochs=5)
SPEED = 1000.0
START = 6.0


def measured(settings: RunSettings, images_per_second: float = SPEED) -> list[_Measured]:
    return [_Measured(settings, images_per_second, startup_seconds=START)]


def fit(seconds: float, base: RunSettings = BASE, speed: float = SPEED, **options) -> time_budget.Fitted:
    return time_budget.fit(seconds, base, measured(base, speed), among=(), **options)


@pytest.mark.parametrize("seconds", time_budget.BUDGETS)
def test_what_is_chosen_fits_and_one_epoch_more_would_not(seconds):
    """The expected time is within the budget; the limit, with what comes before and after, is the budget."""
    fitted = fit(seconds, speed=100.0)
    settings, expected = fitted.settings, fitted.expected

    assert fitted.enough
    assert expected.seconds <= seconds
    around = expected.startup_seconds + expected.finishing_seconds
    assert seconds - 1 < settings.seconds_limit + around <= seconds
    if settings.epochs < 200 and settings.num_train == BASE.num_train:
        more = settings.replace(epochs=settings.epochs + 1, seconds_limit=0)
        assert estimate.estimate(more, measured(BASE, 100.0)).seconds > seconds


def test_more_time_buys_more_epochs():
    """Twice the time is more than twice the epochs, since start and export are paid once."""
    once, twice = (fit(seconds, speed=300.0).settings.epochs for seconds in (60, 120))

    assert twice > 2 * once > 0


def test_where_one_epoch_is_too_long_it_sees_fewer_pictures():
    """At 50 pictures a second, 30 s are not enough for an epoch; the number stays a multiple of 100 and above a batch."""
    settings = fit(30, speed=50.0).settings

    assert settings.epochs == 1
    assert settings.num_train % 100 == 0
    assert settings.batch_size <= settings.num_train < 2000


def test_a_rate_that_never_falls_gets_a_schedule_and_others_keep_theirs():
    """A constant rate, or a range test, becomes a cosine; a one-cycle stays."""
    kept = {
        name: fit(60, BASE.replace(schedule=name)).settings.schedule
        for name in ("constant", "range-test", "one-cycle", "step")
    }

    assert kept == {"constant": "cosine", "range-test": "cosine", "one-cycle": "one-cycle", "step": "step"}


def test_too_little_time_is_said_and_still_gives_a_run():
    """Start and export alone take 10 s: 8 are not enough."""
    fitted = fit(8)

    assert not fitted.enough
    assert fitted.settings.seconds_limit == 5
    assert fitted.settings.epochs == 1


def test_a_limit_that_was_there_does_not_count():
    """A second budget begins anew."""
    assert fit(120, fit(30).settings.replace(epochs=5)) == fit(120, BASE.replace(schedule="cosine"))


# Recipes of the project

SHORT = RunSettings(architecture="mlp", epochs=2, schedule="one-cycle")
LONG = SHORT.replace(epochs=8)
PUBLISHED = Recipe(name="p", title="Published", about="", family="p", peer="p", epochs=3)
OURS = (
    PUBLISHED,
    Recipe(name="l", title="Long", about="", family="ours", settings=LONG),
    Recipe(name="s", title="Short", about="", family="ours", settings=SHORT),
)
FASHION = RunSettings(seed=7)


def choose(seconds: float, base: RunSettings = FASHION, **options) -> time_budget.Fitted:
    """At 10,000 pictures a second an epoch of 55,000 takes 6 s: with start and export about 22 and 56 s."""
    return time_budget.fit(seconds, base, measured(SHORT, 10_000.0), among=OURS, **options)


def test_the_longest_recipe_that_fits_is_chosen():
    """25 s are for the short one, a minute for the long one; seed and device stay the visitor's."""
    assert [choose(seconds).recipe for seconds in (25, 60)] == ["Short", "Long"]
    settings = choose(60).settings
    assert settings.replace(seconds_limit=0) == LONG.replace(seed=7)


def test_time_that_is_left_goes_into_more_epochs_of_the_recipe():
    """Up to as many as the next longer recipe has, and of the longest up to twice its own; all within the time."""
    for seconds, recipe, most in ((40, "Short", 8), (80, "Long", 16)):
        fitted = choose(seconds)
        own = {"Short": SHORT, "Long": LONG}[recipe].epochs
        assert (fitted.recipe, own < fitted.settings.epochs < most) == (recipe, True)
        assert fitted.expected.seconds <= seconds
    assert choose(600).settings.epochs == 16


def test_where_no_recipe_fits_the_shortest_is_cut():
    """20 s do not allow its two epochs."""
    fitted = choose(20)

    assert fitted.recipe == "Short"
    assert fitted.settings.epochs == 1
    assert fitted.expected.seconds <= 20


def test_ones_own_network_is_kept_where_that_is_asked_or_there_is_no_recipe():
    """With `keep_network`, on other pictures, and where only published programs are known."""
    assert choose(120, keep_network=True).settings.architecture == "cnn"
    assert choose(120, FASHION.replace(dataset="sketches")).recipe == ""
    assert not time_budget.has_recipes(FASHION, (PUBLISHED,))


# Photos


@pytest.fixture
def stored(monkeypatch):
    """The vectors of all photos are there."""
    monkeypatch.setattr(estimate, "vectors_here", lambda settings: True)


def test_fine_tuning_is_given_up_where_not_one_epoch_of_it_fits(stored):
    """Half a minute is for a head; ten minutes are for a head and as many epochs of fine-tuning as fit."""
    tuned = PHOTO_DEFAULTS.replace(fine_tune="last", fine_tune_epochs=3)
    short, long = (time_budget.fit(seconds, tuned, []).settings for seconds in (30, 600))

    assert (short.fine_tune, short.epochs) == ("none", PHOTO_DEFAULTS.epochs)
    assert long.fine_tune == "last"
    assert long.fine_tune_epochs > 3


def test_a_head_is_not_trained_longer_because_there_is_time(stored):
    """It has converged; the limit is there all the same."""
    settings = time_budget.fit(600, PHOTO_DEFAULTS, []).settings

    assert settings.epochs == PHOTO_DEFAULTS.epochs
    assert settings.seconds_limit > 500


def test_where_the_time_goes_is_said_in_words():
    """Start-up, training, and what comes after are told apart; fewer pictures are named."""
    settings = BASE.replace(num_train=500, epochs=1)
    expected = estimate.Estimate(20, 15, 25, "", startup_seconds=4, training_seconds=10, finishing_seconds=6)

    assert time_budget.in_words(settings, expected) == (
        "about 4 s to start, 10 s to train (1 epoch of 500 pictures), 6 s to test and export"
    )
