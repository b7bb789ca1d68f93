"""What is unlike all training photos is refused, and how often that goes wrong is counted."""

import numpy as np
import pytest

from fashion import refusal
from fashion.neighbours import Neighbours


@pytest.fixture(scope="module")
def flat() -> np.random.Generator:
    return np.random.default_rng(3)


def _clothes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Vectors of 100 numbers that differ in the first sixty only, around a mean of two; a little noise elsewhere."""
    vectors = np.full((count, 100), 2.0) + rng.normal(size=(count, 100)) * 0.05
    vectors[:, :60] += rng.normal(size=(count, 60))
    return vectors


@pytest.fixture(scope="module")
def neighbours(flat) -> Neighbours:
    return Neighbours.fit(_clothes(flat, 600), [str(number) for number in range(600)], np.zeros(600))


def test_novelty_is_the_share_outside_the_directions_of_training(neighbours):
    """Nothing for a step along the first sixty numbers, nearly all for a step along the others."""
    inside, outside = neighbours.mean.copy(), neighbours.mean.copy()
    inside[:60] += 3
    outside[70:90] += 3

    low, high = refusal.novelty(neighbours, np.stack([inside, outside]))

    assert low < 0.1
    assert high > 0.8


def test_the_rule_refuses_few_clothes_and_most_other_things(neighbours, flat):
    """Three per cent of validation, about as many of test, and nearly all vectors of another kind."""
    rule = refusal.fit(neighbours, _clothes(flat, 400), _clothes(flat, 400))
    others = refusal.rate(neighbours, rule["threshold"], flat.normal(size=(200, 100)) + 2)

    assert rule["false_alarms"]["n"] == 400
    assert rule["false_alarms"]["refused"] <= 28
    assert others["refused"] >= 190
    low, high = rule["false_alarms"]["interval"]
    assert low <= rule["false_alarms"]["refused"] / 400 <= high


def test_a_verdict_says_by_how_much(neighbours):
    """Above the threshold a photo is refused; a model without the rule refuses nothing."""
    card = {"refusal": {"threshold": 0.5}}
    strange = neighbours.mean.copy()
    strange[70:90] += 3

    verdict = refusal.judge(card, neighbours, strange)

    assert verdict.refused
    assert verdict.novelty > verdict.threshold == 0.5
    assert not refusal.judge({"refusal": {"threshold": 0.99}}, neighbours, strange).refused
    assert refusal.judge({}, neighbours, strange) is None
    assert refusal.judge(card, None, strange) is None
    assert refusal.judge(card, neighbours, None) is None


def test_the_rule_is_told_with_its_rates():
    """Both rates with their counts; the second only where it was measured."""
    rule = {
        "rule": "Refused above 41%.",
        "false_alarms": {"refused": 11, "n": 372, "interval": [0.0166, 0.052]},
    }

    alone = refusal.in_words({"refusal": rule})
    whole = refusal.in_words(
        {"refusal": rule | {"others": [{"refused": 50, "n": 60}, {"refused": 40, "n": 40}]}}
    )

    assert alone.startswith("Refused above 41%. Wrongly refused: ")
    assert "11 of 372 test photos of clothes (3.0%, 95 % interval 1.7% to 5.2%)" in alone
    assert "no clothes" not in alone
    assert "90 of 100 pictures that show no clothes (90%)" in whole
