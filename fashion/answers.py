"""One photo and one model -> the whole answer, by whichever way that model needs: for the page and the command line.

It keeps nothing and draws nothing. The ways themselves are `photos.prepare` (28x28 grey pictures) and
`squares.square` (colour photos); the network is asked through `predictor.py`, and what it looked at is `explain.py`.
"""

import time
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fashion import explain, photos, refusal, runs, snapshots, squares, summary
from fashion.explain import ChangeOfMind
from fashion.photos import PrepareOptions, Step
from fashion.predictor import Prediction, Predictor
from fashion.refusal import Verdict
from fashion.settings import PHOTOS
from fashion.summary import RunSummary

SHIPPED_FIRST = ("clothing", "fashion-mnist")
"""Shipped models that answer unless another is chosen: for photos, and where that is not here, for 28x28 pictures."""
KEPT_SIDE = 480
"""Shorter side of the copy that is kept of a photo, in pixels: half as much again as the largest input of a network."""
_OCCLUSION_PLACES = 9  # per side of a 28x28 picture; larger ones cost more, and get explain's own number


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network said about a picture, and from which pixels.

    prediction: calibrated where the model is for photos. pixels: uint8 (28, 28) or (s, s, 3), the very array.
    box: the part of the photo that they show (left, top, right, bottom in its pixels); None for 28x28 pictures.
    steps and threshold: how a photo became 28x28. evidence: as from `explain.activation_maps`, or None where the
    network gives no feature map; `occluded` finds it then. vector: what the head saw, or None. verdict: None for a model that has
    no rule to refuse photos.
    """

    prediction: Prediction
    pixels: np.ndarray
    prepare_seconds: float
    predict_seconds: float
    box: tuple[float, float, float, float] | None = None
    steps: tuple[Step, ...] = ()
    threshold: float | None = None
    evidence: np.ndarray | None = None
    vector: np.ndarray | None = None
    change: ChangeOfMind | None = None
    verdict: Verdict | None = None

    @property
    def refused(self) -> bool:
        """Whether the photo is probably none of the classes, by the model's own rule."""
        return self.verdict is not None and self.verdict.refused


def models() -> list[RunSummary]:
    """The models that can answer, best first: the shipped one for photos, runs on photos, the shipped one for 28x28
    pictures, other runs, newest first, each with its exported epochs, then other shipped ones. Damaged ones are left out."""
    own = [one for run in runs.list_runs() for one in (run, *snapshots.tested(run).values())]
    exported = [run for run in (*runs.shipped(), *own) if run.can_predict]
    readable, _ = summary.summarise_all(exported)

    def place(one: RunSummary) -> int:
        if one.run.shipped:
            return {SHIPPED_FIRST[0]: 0, SHIPPED_FIRST[1]: 2}.get(one.run.id, 4)
        return 1 if one.settings.dataset in PHOTOS else 3

    return sorted(readable, key=place)


def kept(image: Image.Image) -> Image.Image:
    """The copy of a photo that is kept and judged: its shorter side at most `KEPT_SIDE`."""
    scale = KEPT_SIDE / min(image.size)
    if scale >= 1:
        return image
    size = tuple(max(1, round(length * scale)) for length in image.size)
    # Of Pillow's filters the one after which the 28x28 pixels change least: 0.3 to 2 levels of 255 on drawn garments.
    return image.resize(size, Image.Resampling.HAMMING, reducing_gap=3.0)


def of_photo(model: Predictor, image: Image.Image, options: PrepareOptions = PrepareOptions()) -> Answer:
    """The answer to a photo, RGB and upright as from `kept`; `options` count for 28x28 models only.

    Raises PhotoError where a 28x28 model finds no garment.
    """
    began = time.perf_counter()
    if not model.sees_photos:
        prepared = photos.prepare(image, options)
        seconds = time.perf_counter() - began
        return _asked(model, prepared.result, seconds, steps=prepared.steps, threshold=prepared.threshold)
    fit = model.card.get("fit", "crop")
    pixels = squares.square(image, model.image_shape[0], fit)
    return _asked(model, pixels, time.perf_counter() - began, box=squares.part(image.size, fit))


def of_pixels(model: Predictor, pixels: np.ndarray) -> Answer:
    """The answer to pixels that need no preparation, such as a test picture of 28x28: uint8 (*image_shape)."""
    return _asked(model, pixels, 0.0)


def _asked(model: Predictor, pixels: np.ndarray, prepare_seconds: float, **ways) -> Answer:
    began = time.perf_counter()
    look = model.look(pixels)
    seconds = time.perf_counter() - began
    probabilities = model.calibrated(look.probabilities[None])[0]
    evidence = change = None
    if model.head is not None and look.feature_map is not None:
        evidence = explain.activation_maps(look.feature_map, model.head)
        told = int(probabilities.argmax()) if model.mirror else None
        change = explain.change_of_mind(look.feature_map, model.head, told)
    return Answer(
        model.describe(probabilities),
        pixels,
        prepare_seconds,
        seconds,
        evidence=evidence,
        vector=look.vector,
        change=change,
        verdict=refusal.judge(model.card, model.neighbours, look.vector),
        **ways,
    )


def occluded(model: Predictor, answer: Answer) -> np.ndarray:
    """Where a network without a feature map looked: see `explain.occlusion_maps`."""
    if model.sees_photos:
        return explain.occlusion_maps(model.predict, answer.pixels)
    return explain.occlusion_maps(model.predict, answer.pixels, places=_OCCLUSION_PLACES)
