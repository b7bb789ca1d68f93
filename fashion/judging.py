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


def predict(model: keras.Model, inputs, mirror: bool = False) -> np.ndarray:
    """Probabilities float32 (n, classes) for raw pictures uint8 (n, h, w) or (n, h, w, 3), `Photos`, or vectors (n, size).

    mirror: the mean of the answers to each photo and to its mirror image.
    """
    if (
        not isinstance(inputs, Photos) and inputs.ndim == 2
    ):  # all vectors at once: `predict` takes a tenth of a second
        return np.asarray(model.predict_on_batch(inputs.astype(np.float32)), dtype=np.float32)
    if not isinstance(inputs, Photos) and inputs.ndim == 3:
        return np.asarray(model.predict(inputs, batch_size=_EVALUATION_BATCH, verbose=0), dtype=np.float32)
    return look(model, inputs, mirror)[0]


def look(
    model: keras.Model, photos, mirror: bool = False, tell: Callable[[int], None] | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """What `predict` gives for photos, and beside it the vectors float32 (n, size) of the photos as they are, from a network
    that has these as its second output (`networks.with_vector`). tell: called with the number of each portion."""
    answers, vectors = [], []
    for start in range(0, len(photos), _PHOTO_BATCH):
        images = photos[start : start + _PHOTO_BATCH]
        answer, *vector = _outputs(model, images)
        if mirror:
            answer = (answer + _outputs(model, images[:, :, ::-1])[0]) / 2
        answers.append(answer)
        vectors += vector
        if tell:
            tell(len(answer))
    return (
        np.concatenate(answers).astype(np.float32),
        np.concatenate(vectors).astype(np.float32) if vectors else None,
    )


def _outputs(model: keras.Model, images: np.ndarray) -> list[np.ndarray]:
    # A portion of another size would build the network's program once more, which takes as long as a hundred photos.
    count, missing = len(images), max(0, _PHOTO_BATCH - len(images))
    if missing:
        images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
    given = model.predict_on_batch(images)
    return [np.asarray(one)[:count] for one in (given if isinstance(given, list) else [given])]


def loss_and_accuracy(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean crossentropy, and the share of right answers."""
    picked = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1.0)
    return float(-np.log(picked).mean()), float((probabilities.argmax(axis=1) == labels).mean())
