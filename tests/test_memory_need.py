"""What a run will take in memory is never guessed too low, and what would not fit is refused with a way out."""

import pytest

from fashion import memory_need
from fashion.errors import JobError
from fashion.settings import PHOTO_DEFAULTS, RunSettings

LIMIT = 2.2e9
ALL = PHOTO_DEFAULTS.replace(fine_tune="all")


def test_a_head_costs_what_its_base_does_whatever_the_batch():
    """Vectors are small: 32 or 2,048 at a time."""
    assert memory_need.worker_bytes(PHOTO_DEFAULTS) == memory_need.worker_bytes(
        PHOTO_DEFAULTS.replace(batch_size=2048)
    )


def test_fine_tuning_grows_with_the_batch_and_the_area_of_the_photos():
    """Twice the batch, or twice the area, adds the same; the last blocks add a fraction of it."""
    need = memory_need.worker_bytes
    once, twice, four = (need(ALL.replace(batch_size=size)) for size in (16, 32, 64))
    wide = need(ALL.replace(batch_size=16, image_size=317))  # 224 times the square root of 2

    assert four - twice == pytest.approx(2 * (twice - once))
    assert wide == pytest.approx(twice, rel=0.01)
    last = [need(ALL.replace(fine_tune="last", batch_size=size)) for size in (16, 32)]
    assert last[1] - last[0] < 0.3 * (twice - once)


def test_parameters_are_paid_for():
    """A small CNN with an inner layer on photos of 224 pixels has 56 x 56 x 64 weights per unit of it."""
    cnn = PHOTO_DEFAULTS.replace(architecture="cnn")

    difference = memory_need.worker_bytes(cnn.replace(inner_width=64)) - memory_need.worker_bytes(
        cnn.replace(inner_width=32)
    )

    assert (
        difference > 3 * 4 * 32 * 56 * 56 * 64
    )  # weights, gradients and averages at least, in four bytes each


@pytest.mark.parametrize(
    "settings",
    [
        PHOTO_DEFAULTS,
        PHOTO_DEFAULTS.replace(image_size=299),
        PHOTO_DEFAULTS.replace(fine_tune="last", batch_size=16),
        RunSettings(),
        RunSettings(architecture="resnet", width=1.5, batch_size=128),
    ],
)
def test_usual_settings_are_allowed(settings):
    """Heads at any size, the last blocks, and the networks for small pictures."""
    assert memory_need.refusal(settings, LIMIT) is None
    memory_need.check(settings, LIMIT)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        (ALL, "Choose smaller pictures or fine-tuning of the last blocks only;"),
        (ALL.replace(image_size=128), "Choose a batch size of"),
        (RunSettings(architecture="resnet", width=4, batch_size=1024), "or less width;"),
        (PHOTO_DEFAULTS.replace(architecture="cnn", inner_width=1024), "or a smaller inner layer;"),
    ],
)
def test_what_would_not_fit_is_refused_with_what_to_choose(settings, advice):
    """Both numbers, what would help, and how the limit is raised."""
    with pytest.raises(JobError, match="must fit into the 2,200 MB") as caught:
        memory_need.check(settings, LIMIT)

    assert advice in str(caught.value)
    assert "FASHION_MEMORY_MB" in str(caught.value)


def test_the_batch_size_that_is_advised_fits():
    """The largest power of two that does."""
    settings = ALL.replace(image_size=128)
    words = memory_need.refusal(settings, LIMIT)
    advised = int(words.partition("a batch size of ")[2].split()[0])

    assert memory_need.refusal(settings.replace(batch_size=advised), LIMIT) is None
    assert memory_need.refusal(settings.replace(batch_size=2 * advised), LIMIT) is not None


def test_a_graphics_card_has_memory_of_its_own():
    """What it holds is not the server's."""
    assert memory_need.refusal(ALL.replace(device="gpu:0"), LIMIT) is None


def test_more_memory_allows_more():
    """A laptop with 8 GB fine-tunes everything."""
    assert memory_need.refusal(ALL, 6e9) is None
