"""What the fused normalization saves: both ways are really trained, and the words say how sure one may be."""

import pytest

from fashion import benchmark_fused
from fashion.settings import PHOTO_DEFAULTS


@pytest.mark.slow
def test_both_ways_are_timed_in_turns():
    """A tiny input: each turn has a time for either way, and the ratio is that of these times."""
    settings = PHOTO_DEFAULTS.replace(
        architecture="mobilenetv2-035", image_size=64, fine_tune="last", batch_size=8
    )

    found = benchmark_fused.measure(settings, turns=2, steps=1)

    plain, fused = found["seconds_per_step"]["plain"], found["seconds_per_step"]["fused"]
    assert [len(plain), len(fused), found["ratio"]["n"]] == [2, 2, 2]
    assert min(plain + fused) > 0
    assert found["ratio"]["mean"] == pytest.approx((plain[0] / fused[0] + plain[1] / fused[1]) / 2)


def test_the_result_is_told_with_its_interval_and_a_busy_machine():
    """Median times, the mean ratio, and what makes it doubtful."""
    results = {
        "settings": PHOTO_DEFAULTS.replace(fine_tune="all").to_json(),
        "seconds_per_step": {"plain": [1.7, 1.8, 1.9], "fused": [1.2, 1.25, 1.3]},
        "ratio": {"mean": 1.44, "low": 1.41, "high": 1.47, "n": 3},
        "busy_fraction": 0.5,
    }

    first, second, third = benchmark_fused.in_words(results).split("\n")

    assert "batches of 32, all layers learn" in first
    assert "1,800 ms a step as Keras computes it, 1,250 ms with fused normalization" in first
    assert second == "1.44 times as fast (95 % 1.41 to 1.47, 3 turns)"
    assert third.startswith("Other programs took 50%")
