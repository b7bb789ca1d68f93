"""What a network is fed while it trains: batches of pictures, photos or stored vectors. For worker processes only.

All shuffle anew for each epoch from (seed, epoch), so that a resumed run sees what the uninterrupted one would have.
A batch is (inputs, targets): targets are float32 one-hot labels, or what teachers make of them. Where classes are weighted,
float32 weights of the pictures are a third. The incomplete last batch of an epoch is left out.
Augmentation happens here, in NumPy and Pillow on uint8 values, so that one code serves all frameworks.
"""

import keras
import numpy as np

from fashion import photo_augmentation, teachers
from fashion.augmentation import Augmentation
from fashion.clothing import Photos
from fashion.errors import SettingsError
from fashion.photo_augmentation import PhotoAugmentation
from fashion.settings import RunSettings


class Batches(keras.utils.PyDataset):
    """The 28x28 pictures, uint8 (n, 28, 28)."""

    def __init__(
        self,
        inputs,
        labels: np.ndarray,
        settings: RunSettings,
        num_classes: int,
        said: np.ndarray | None = None,
    ):
        """said: what teachers say of these pictures, float32 (n, classes), where there are any."""
        super().__init__(workers=1, max_queue_size=8)
        if len(labels) < settings.batch_size:
            raise SettingsError(
                f"`batch_size` must be at most the number of training pictures, {len(labels):,}. Received: "
                f"batch_size={settings.batch_size}. Choose a smaller batch size, or more training pictures."
            )
        self.inputs = inputs
        self.targets = teachers.targets(labels, num_classes, said)
        self.class_weights = class_weights(labels, num_classes, settings.balance)
        self.settings = settings
        self.shuffle(epoch=0)

    def shuffle(self, epoch: int) -> None:
        """Put the pictures into the order of this epoch, counted from 0."""
        self.epoch = epoch
        self._order = np.random.default_rng((self.settings.seed, epoch)).permutation(len(self.targets))

    def __len__(self) -> int:
        return len(self.targets) // self.settings.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        size = self.settings.batch_size
        chosen = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self.settings.seed, self.epoch, index))
        inputs, targets = self._changed(self._read(chosen, rng), self.targets[chosen], rng)
        return (inputs, targets, targets @ self.class_weights) if self.settings.balance else (inputs, targets)

    def sample(self, count: int) -> list[np.ndarray]:
        """The inputs of this epoch's first batches, augmented as in training."""
        return [self[index][0] for index in range(min(count, len(self)))]

    @property
    def changing(self) -> bool:
        """Whether random changes have begun in this epoch."""
        return self.epoch >= self.settings.augment_from

    def _read(self, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return changed(self.inputs, chosen, self.settings, rng) if self.changing else self.inputs[chosen]

    def _changed(self, inputs: np.ndarray, targets: np.ndarray, rng: np.random.Generator):
        """What happens to a batch as a whole: nothing, unless a kind of batches says otherwise."""
        return inputs, targets


class PhotoBatches(Batches):
    """Photos, read from their files at each use; `inputs` is a `clothing.Photos` of the size to train at."""

    def _changed(self, inputs: np.ndarray, targets: np.ndarray, rng: np.random.Generator):
        if not self.changing:
            return inputs, targets
        return photo_augmentation.mix(inputs, targets, self.settings.mixing, rng)


class VectorBatches(Batches):
    """Stored vectors float16 (views, n, size): of each photo, one of its views at random."""

    def _read(self, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        views = rng.integers(len(self.inputs), size=len(chosen))
        return self.inputs[views, chosen].astype(np.float32)


def changed(inputs, chosen: np.ndarray, settings: RunSettings, rng: np.random.Generator) -> np.ndarray:
    """The pictures with these numbers, changed at random as the settings say: uint8 (k, h, w) or, of photos, (k, h, w, 3).

    inputs: uint8 (n, 28, 28), or `Photos`.
    """
    if isinstance(inputs, Photos):
        augmentation, side = of_settings(settings), inputs.side
        if augmentation.none:
            return inputs[chosen]
        return np.stack([augmentation(inputs.original(int(number), side), side, rng) for number in chosen])
    augmentation = Augmentation(
        flip=settings.flip,
        shift=settings.shift,
        rotate=settings.rotate,
        zoom=settings.zoom,
        erase=settings.erase,
    )
    return inputs[chosen] if augmentation.none else augmentation(inputs[chosen], rng)


def of_settings(settings: RunSettings) -> PhotoAugmentation:
    """The random changes that the settings ask for."""
    return PhotoAugmentation(
        flip=settings.flip,
        crop=settings.crop,
        rotate=settings.rotate,
        colour=settings.colour,
        erase=settings.erase,
    )


def class_weights(labels: np.ndarray, num_classes: int, balance: float) -> np.ndarray:
    """What a picture of each class counts, float32 (classes,), 1 on average over the pictures.

    balance: 0 for equal pictures, 1 for equal classes, in between as a power of their share.
    """
    counts = np.maximum(np.bincount(labels, minlength=num_classes), 1)
    weights = (counts.sum() / (num_classes * counts)) ** balance
    return (weights / (weights[labels].mean())).astype(np.float32)
