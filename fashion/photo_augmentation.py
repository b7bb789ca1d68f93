"""Random changes to photos while a network trains: another cut, a turn, other light, something hidden, two photos mixed.

Each photo is changed on its own, from its original pixels, so that nothing is resized twice. For the 28x28 pictures
there is `augmentation.py`, which works on whole batches.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

_ASPECT_FREEDOM = 0.15  # the part may be so much wider or taller than a square of its area


@dataclass(frozen=True)
class PhotoAugmentation:
    """What may happen to a photo; the least of each is nothing.

    - flip: half of the photos are mirrored.
    - crop: the part that is kept has at least the fraction 1 - crop of the shorter side, at a random place, and
      proportions between the square's and the photo's own (after Szegedy et al. 2015, "Going Deeper with Convolutions"),
      then up to 16 % more on one side and 14 % less on the other.
    - rotate: turned by up to so many degrees; what was outside has the photo's mean colour.
    - colour: brightness, contrast, saturation and warmth change by up to this fraction.
    - erase: the chance that a rectangle of a fiftieth to a third of the picture is hidden (Zhong et al. 2017).
    """

    flip: bool = False
    crop: float = 0.0
    rotate: float = 0.0
    colour: float = 0.0
    erase: float = 0.0

    @property
    def none(self) -> bool:
        """Whether every photo stays as it is."""
        return self == PhotoAugmentation()

    def __call__(self, image: Image.Image, side: int, rng: np.random.Generator) -> np.ndarray:
        """A random view of an upright RGB photo as uint8 (side, side, 3)."""
        pixels = self._cut(image, side, rng)
        if self.colour:
            pixels = _other_light(pixels, self.colour, rng)
        if self.erase and rng.random() < self.erase:
            pixels = _hide(pixels, rng)
        return pixels

    def _cut(self, image: Image.Image, side: int, rng: np.random.Generator) -> np.ndarray:
        width, height = image.size
        shorter = min(width, height)
        scale = 1 - self.crop * rng.random()
        # Between the square (0) and the whole photo's proportions (1), and a little beside.
        towards_photo = rng.random() if self.crop else 0.0
        stretch = np.exp(rng.uniform(-1, 1) * _ASPECT_FREEDOM) if self.crop else 1.0
        part_width = min(width, shorter * scale * (width / shorter) ** towards_photo * stretch)
        part_height = min(height, shorter * scale * (height / shorter) ** towards_photo / stretch)
        spare_x, spare_y = (width - part_width) / 2, (height - part_height) / 2
        centre_x, centre_y = width / 2, height / 2
        if self.crop:
            centre_x += rng.uniform(-spare_x, spare_x)
            centre_y += rng.uniform(-spare_y, spare_y)
        # First reduced with all pixels taken into account, then cut and turned: an affine resampling alone would
        # take only the nearest few and make patterns glitter.
        reduce = min(1.0, side / min(part_width, part_height))
        small = image.resize(
            (max(1, round(width * reduce)), max(1, round(height * reduce))),
            Image.Resampling.BILINEAR,
            reducing_gap=2.0,
        )
        ratio_x, ratio_y = small.width / width, small.height / height
        angle = np.deg2rad(rng.uniform(-self.rotate, self.rotate)) if self.rotate else 0.0
        mirrored = -1.0 if self.flip and rng.random() < 0.5 else 1.0
        cos, sin = np.cos(angle), np.sin(angle)
        step_x, step_y = part_width / side * mirrored, part_height / side
        # From a pixel of the result to a place in the photo, then in the reduced photo.
        a, b = cos * step_x * ratio_x, -sin * step_y * ratio_x
        d, e = sin * step_x * ratio_y, cos * step_y * ratio_y
        middle = side / 2
        c = centre_x * ratio_x - a * middle - b * middle
        f = centre_y * ratio_y - d * middle - e * middle
        mean = tuple(int(value) for value in np.asarray(small.resize((1, 1), Image.Resampling.BOX))[0, 0])
        view = small.transform(
            (side, side),
            Image.Transform.AFFINE,
            (a, b, c, d, e, f),
            resample=Image.Resampling.BICUBIC,
            fillcolor=mean,
        )
        return np.asarray(view)


def _other_light(pixels: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Other brightness, contrast, saturation and warmth."""
    values = pixels.astype(np.float32)
    brightness, contrast, saturation = rng.uniform(1 - amount, 1 + amount, 3).astype(np.float32)
    warmth = rng.uniform(1 - amount / 3, 1 + amount / 3, 3).astype(np.float32)
    grey = values @ np.float32([0.299, 0.587, 0.114])
    level = grey.mean()
    values = grey[..., None] + (values - grey[..., None]) * saturation
    values = level + (values - level) * contrast
    return np.clip(values * (brightness * warmth), 0, 255).astype(np.uint8)


def _hide(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rectangle at a random place is replaced with noise."""
    side = len(pixels)
    area, aspect = rng.uniform(0.02, 0.33), np.exp(rng.uniform(-1, 1))
    height = int(np.clip(side * np.sqrt(area * aspect), 1, side))
    width = int(np.clip(side * np.sqrt(area / aspect), 1, side))
    top, left = rng.integers(side - height + 1), rng.integers(side - width + 1)
    hidden = pixels.copy()
    hidden[top : top + height, left : left + width] = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return hidden


def mix(
    images: np.ndarray, targets: np.ndarray, chance: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """With the given chance, lay each photo of a batch over another one, or a rectangle of it; labels likewise.

    images: uint8 (n, side, side, 3); targets: float32 (n, classes), changed in proportion. Half of the time the
    photos are blended (mixup: Zhang et al. 2017), half of the time a rectangle is pasted (CutMix: Yun et al. 2019).
    """
    if rng.random() >= chance:
        return images, targets
    other = rng.permutation(len(images))
    side = images.shape[1]
    if rng.random() < 0.5:
        share = rng.beta(0.4, 0.4)
        mixed = images * np.float32(share) + images[other] * np.float32(1 - share)
        images = (mixed + 0.5).astype(np.uint8)
    else:
        part = np.sqrt(1 - rng.beta(1.0, 1.0))
        top, left = rng.integers(-side // 2, side, 2)
        size = max(1, int(side * part))
        rows, columns = slice(max(0, top), top + size), slice(max(0, left), left + size)
        if top + size <= 0 or left + size <= 0:
            return images, targets
        pasted = images.copy()
        pasted[:, rows, columns] = images[other][:, rows, columns]
        share = 1 - pasted[0, rows, columns, 0].size / (side * side)
        images = pasted
    return images, (targets * share + targets[other] * (1 - share)).astype(np.float32)
