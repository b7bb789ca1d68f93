"""Photos -> vectors through a pretrained network that does not change: computed once, kept, used by every later run.

Where they are kept is `feature_store.py`. For worker processes only.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fashion import datasets, feature_store, pretrained
from fashion.batches import of_settings
from fashion.clothing import Photos
from fashion.feature_store import Vectors
from fashion.pretrained import BASES
from fashion.settings import RunSettings
from fashion.worker import Reporter, StopRequested

# Measured on two cores, float32, EfficientNetV2-B0 at 224 pixels, milliseconds of processor time a photo: Keras in
# batches of 32 15.5, LiteRT 17, Keras in bfloat16 15, each and reading a photo 3.
_BATCH = 32


def vectors(settings: RunSettings, data: datasets.Dataset, reporter: Reporter) -> Vectors:
    """The vectors of all these photos: kept or shipped ones, or computed now and kept.

    After a stop, what was computed so far is kept for the next run.

    Raises:
        StopRequested: A stop was asked for.
        DataError: The weights of the pretrained network cannot be had, or a photo cannot be read.
    """
    known = feature_store.at_hand(settings, data)
    if known is not None:
        return known
    reporter.update(phase="features", step=0, num_steps=0)
    return _Computation(settings, data, reporter).vectors()


class _Computation:
    """The network, and how far it got with how many photos."""

    def __init__(self, settings: RunSettings, data: datasets.Dataset, reporter: Reporter):
        import keras

        from fashion import networks

        self.settings, self.data, self.reporter = settings, data, reporter
        policy = keras.mixed_precision.global_policy()
        keras.mixed_precision.set_global_policy("float32")  # kept for runs of any precision
        self.base = networks.build_base(
            settings.architecture, pretrained.weights_argument(settings.architecture)
        )
        keras.mixed_precision.set_global_policy(policy)
        self.weights = pretrained.weights_file(settings.architecture)  # now here, if it was downloaded
        splits = [data.split(name).images for name in datasets.SPLIT_NAMES]
        everything = Photos(tuple(path for images in splits for path in images.paths), data.train.images.side)
        self.passes = [(everything, 0)] + [(data.train.images, view) for view in range(1, settings.views)]

    def vectors(self) -> Vectors:
        size = BASES[self.settings.architecture].vector_size
        kept = [feature_store.read(self._path(view), size) for _, view in self.passes]
        kept = [one[: len(images)] for one, (images, _) in zip(kept, self.passes, strict=True)]
        total = sum(len(images) for images, _ in self.passes)
        self.num_done = sum(len(one) for one in kept)
        self.timed_from: tuple[float, int] | None = None
        self.reporter.update(step=self.num_done, num_steps=total)
        plain, *views = [
            one if len(one) == len(images) else self._passed(images, view, one)
            for one, (images, view) in zip(kept, self.passes, strict=True)
        ]
        return Vectors.split(plain, views, self.data, "computed")

    def _path(self, view: int):
        return feature_store.path_of(self.settings, self.data.digest, self.weights, view)

    def _passed(self, images: Photos, view: int, kept: np.ndarray) -> np.ndarray:
        """One pass through the network, after the photos whose vectors are kept. Photos are read beside it."""
        read = self._reading(images, view)
        starts = range(len(kept), len(images), _BATCH)
        parts = [kept]
        try:
            with ThreadPoolExecutor(max_workers=1) as reader:
                coming = reader.submit(read, starts[0])
                for start in starts:
                    pixels = coming.result()
                    if start != starts[-1]:
                        coming = reader.submit(read, start + _BATCH)
                    self._look()
                    count = min(_BATCH, len(images) - start)
                    parts.append(np.asarray(self.base.predict_on_batch(pixels)).astype(np.float16)[:count])
                    self._tell(count)
        except StopRequested:
            feature_store.write(self._path(view), np.concatenate(parts))
            raise
        made = np.concatenate(parts)
        feature_store.write(self._path(view), made)
        return made

    def _reading(self, images: Photos, view: int) -> Callable[[int], np.ndarray]:
        """A function from the number of a batch's first photo to its pixels. All batches are of one size: another one
        would cost a new program."""
        augmentation, side, seed = of_settings(self.settings), images.side, self.settings.seed

        def one(number: int) -> np.ndarray:
            if view == 0:
                return images[number]
            rng = np.random.default_rng((seed, view, number))
            return augmentation(images.original(number, side), side, rng)

        last = len(images) - 1
        return lambda start: np.stack([one(min(start + offset, last)) for offset in range(_BATCH)])

    def _look(self) -> None:
        reason = self.reporter.stop_reason()
        if reason is not None:
            raise StopRequested(reason)

    def _tell(self, count: int) -> None:
        """Progress; the first batch is left out of the speed, since it builds the network's program."""
        self.num_done += count
        if self.timed_from is None:
            self.timed_from = (time.perf_counter(), self.num_done)
            self.reporter.update(step=self.num_done)
            return
        started, num_before = self.timed_from
        rate = (self.num_done - num_before) / (time.perf_counter() - started)
        left = (self.reporter.status.num_steps - self.num_done) / rate
        self.reporter.update(step=self.num_done, images_per_second=rate, seconds_left=left)
