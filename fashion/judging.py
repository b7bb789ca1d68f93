"""What a network says of pictures, and how good that is. For worker processes only."""

from collections.abc import Callable

import keras
import numpy as np

from fashion import datasets
from fashion.clothing import Photos
from fashion.settings import RunSettings

_EVALUATION_BATCH = 500
_PHOTO_BATCH = 32


def to_judge(split: datasets.Split, settings: RunSettings, side: int) -> tuple:
    """Pictures and labels of a split; photos as squares of `side` pixels, made as the finished network will get them."""
    images = split.images.at(side, settings.predict_fit) if isinstance(split.images, Photos) else split.images
    return images, split.labels


def predict(
    model: keras.Model, inputs, mirror: bool = False, tell: Callable[[int], None] | None = None
) -> np.ndarray:
    """Probabilities float32 (n, classes) for raw pictures uint8 (n, h, w) or (n, h, w, 3), `Photos`, or vectors (n, size).

    mirror: the mean of the answers to each photo and to its mirror image.
    tell: called with the number of each portion of photos; 28x28 pictures and vectors take too little time to count.
    """
    if (
        not isinstance(inputs, Photos) and inputs.ndim == 2
    ):  # all vectors at once: `predict` takes a tenth of a second
        return np.asarray(model.predict_on_batch(inputs.astype(np.float32)), dtype=np.float32)
    if not isinstance(inputs, Photos) and inputs.ndim == 3:
        return np.asarray(model.predict(inputs, batch_size=_EVALUATION_BATCH, verbose=0), dtype=np.float32)
    answers = []
    for start in range(0, len(inputs), _PHOTO_BATCH):
        images = inputs[start : start + _PHOTO_BATCH]
        answer = np.asarray(model.predict_on_batch(images))
        if mirror:
            answer = (answer + np.asarray(model.predict_on_batch(images[:, :, ::-1]))) / 2
        answers.append(answer)
        if tell:
            tell(len(answer))
    return np.concatenate(answers).astype(np.float32)


def loss_and_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean crossentropy, and the share of right answers."""
    picked = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1.0)
    return float(-np.log(picked).mean()), float((probabilities.argmax(axis=1) == labels).mean())
