""" "Probably not one of the ten": when a photo is too unlike all training photos for any answer to be worth giving.

A network that knows ten classes names one of them for a teapot too, and often with high probability. What betrays the
teapot is its vector: photos of clothes differ from their mean along few directions (the principal components in
`neighbours.py`), and a photo of something else leaves much of its vector outside of them. After H. Wang et al., "ViM:
Out-Of-Distribution with Virtual-logit Matching" (CVPR 2022, arXiv:2203.10807), without its logit part. NumPy only.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion.evaluation import wilson_interval
from fashion.neighbours import NUM_COMPONENTS, Neighbours

ALLOWED = 0.01
"""Share of validation photos that the rule may refuse. Of photos by strangers it refuses more: at 3 % here, the shipped
model refused 7 % of the test photos; at 1 %, 2 %, and hardly fewer pictures of other things."""


@dataclass(frozen=True)
class Verdict:
    """Whether a photo is refused: its novelty, 0 to 1, is above the threshold."""

    refused: bool
    novelty: float
    threshold: float


def novelty(neighbours: Neighbours, vectors: np.ndarray) -> np.ndarray:
    """How much of each vector, float (n, size), lies outside what training photos have in common: float (n,), 0 to 1.

    The length of the part outside the principal components, over the length of the whole, after taking off the mean.
    """
    centred = vectors.astype(np.float32) - neighbours.mean
    components = neighbours.components.astype(np.float32)
    outside = centred - (centred @ components.T) @ components
    whole = np.maximum(np.linalg.norm(centred, axis=1), 1e-9)
    return np.clip(np.linalg.norm(outside, axis=1) / whole, 0, 1)


def fit(neighbours: Neighbours, validation: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """The rule for the card, from the vectors of validation photos, and how often it refuses test photos.

    The threshold is chosen on validation, so the rate there is no measurement; the one on test is.
    """
    threshold = float(np.quantile(novelty(neighbours, validation), 1 - ALLOWED))
    rule = (
        f"A photo is refused when more than {threshold:.0%} of its vector lies outside the {NUM_COMPONENTS} directions in "
        "which the training photos differ."
    )
    return {"rule": rule, "threshold": threshold, "false_alarms": rate(neighbours, threshold, test)}


def rate(neighbours: Neighbours, threshold: float, vectors: np.ndarray) -> dict[str, Any]:
    """Of these photos, how many are refused: refused, n, and the 95 % interval of the share."""
    refused = int((novelty(neighbours, vectors) > threshold).sum())
    return {"refused": refused, "n": len(vectors), "interval": list(wilson_interval(refused, len(vectors)))}


def judge(card: dict[str, Any], neighbours: Neighbours | None, vector: np.ndarray | None) -> Verdict | None:
    """The verdict on one photo's vector, float (size,); None for a model that has no such rule."""
    rule = card.get("refusal")
    if rule is None or neighbours is None or vector is None:
        return None
    value = float(novelty(neighbours, vector[None])[0])
    return Verdict(value > rule["threshold"], value, rule["threshold"])


def in_words(card: dict[str, Any]) -> str:
    """The rule and its measured rates, for people."""
    rule = card["refusal"]
    alarms = rule["false_alarms"]
    told = (
        f"{rule['rule']} Wrongly refused: {alarms['refused']} of {alarms['n']} test photos of clothes "
        f"({alarms['refused'] / alarms['n']:.1%}, 95 % interval {alarms['interval'][0]:.1%} to {alarms['interval'][1]:.1%})."
    )
    others = rule.get("others", [])
    if others:
        refused, count = sum(kind["refused"] for kind in others), sum(kind["n"] for kind in others)
        told += (
            f" Rightly refused: {refused} of {count} pictures that show no clothes ({refused / count:.0%})."
        )
    return told
