"""The clothing photos as a dataset: at any size, with what is known about their labels and their contributors.

clothing-dataset-small: 3,781 photos of ten kinds of clothes, sent by volunteers; CC0.
Source: https://github.com/alexeygrigorev/clothing-dataset-small
"""

import dataclasses

import numpy as np

from fashion import datasets
from fashion.clothing_files import CLASSES_CLOTHING, FOLDER, SIDE, SPLIT_SIZES, Photos

__all__ = ["CLASSES_CLOTHING", "FOLDER", "SIDE", "SPLIT_SIZES", "Photos"]

CONTRIBUTORS = {"train": 298, "validation": 122, "test": 5}
"""How many people sent the photos of each split."""
VALIDATION_PHOTOS_OF_TRAIN_CONTRIBUTORS = 332
"""So many of the 341 validation photos come from 113 people who sent training photos, too; of test: none."""

DOUBTFUL = {
    # train/dress
    "dacfc786-5205-4cb2-8691-d73eefb7b15e": "longsleeve",
    # train/longsleeve
    "390960ff-3a5f-4e8b-a025-f967aa2a435b": "pants",
    "edcc8286-9218-4d5a-8ab1-d2649d23355e": "t-shirt",
    # train/outwear
    "0976f46d-d278-4f99-9929-418e60d42d3d": "shirt",
    "1604e827-c957-4677-a63f-180f3279d766": "longsleeve",
    "4997d170-1266-4b3b-9a16-37322c9fb2ba": "longsleeve",
    "87b0d648-c2d0-4eaa-bc9c-cdbb0ec9823f": "shirt",
    "95b40e4e-6a2d-4645-aaee-5683635ff94f": "longsleeve",
    "c6b31432-bb06-4800-b9d6-76c411c38447": "longsleeve",
    "c7fed2fc-5dd4-4e43-a210-fce6c7e5c5eb": "longsleeve",
    "d827bf33-e405-4a04-a401-a2fef1bd75f1": "longsleeve",
    "df545cf1-5461-4745-8e32-c7e6e1247d2e": "longsleeve",
    # train/shirt
    "89728778-d8b4-4c0a-a408-6a953cdf6e34": "longsleeve",
    "d26d25be-5143-449b-84f8-a4c493001790": "t-shirt",
    "edd62840-19a2-45f2-a5f4-662c6746fd0f": "longsleeve",
    # train/shoes
    "79ff13ef-0cee-4ad9-928a-70a8aacd5704": "shorts",
    # train/shorts
    "6075b4a5-5b1a-4ce0-aea0-9dbfbca7c35c": "skirt",  # the same photo as the next but two
    "809a0878-3aa0-4364-94d8-d4db70a4ec67": "pants",
    "ac07a0bf-533e-4e22-9b8d-35cec894b207": "shoes",
    "c84dd86a-66fb-400f-a8fd-efb6a9a3ee85": "pants",
    "c9adb406-d68e-413a-b182-e9c0f0570388": "shoes",
    # train/skirt
    "637a56e4-7fa6-4f75-8859-0f8902461554": "shorts",
    "abc109d6-6bb8-4772-8258-6dd92d9d86c1": "dress",
    # train/t-shirt
    "2b2a6d39-1667-4d65-8847-c09cc0c2d1f6": "dress",
    "55bb3f19-0621-4638-9c2a-3a22ae816524": "dress",
    # validation/dress
    "46e4c390-2154-4f6f-8c6f-e7805564d929": "skirt",
    "475d03c5-3317-4877-b13d-e2142b33bb70": "t-shirt",
    # validation/outwear
    "349cf35c-eaad-49af-b0c9-3c88b8d0afc1": "longsleeve",
}
"""Photo id -> the other label it has: of 26 photos the one in the full dataset, which differs from their folder here;
of the two of `TWICE`, the one of the other copy. Which of the two is right, the photo shows: often the folder.

Source, also of the numbers above: images.csv of https://github.com/alexeygrigorev/clothing-dataset (CC0).
"""

TWICE = ("6075b4a5-5b1a-4ce0-aea0-9dbfbca7c35c", "637a56e4-7fa6-4f75-8859-0f8902461554")
"""One photo that is in train twice, packed differently, once as shorts and once as skirt. It shows shorts."""


def load(side: int = SIDE, fit: str = "crop") -> datasets.Dataset:
    """The photos as splits whose `images` are `Photos` of this size; else as from `datasets.load`."""
    loaded = datasets.load("clothing")
    splits = {
        name: dataclasses.replace(loaded.split(name), images=loaded.split(name).images.at(side, fit))
        for name in datasets.SPLIT_NAMES
    }
    info = dataclasses.replace(loaded.info, image_shape=(side, side, 3))
    return dataclasses.replace(loaded, info=info, **splits)


def doubtful_positions(split: datasets.Split) -> np.ndarray:
    """The positions of the photos with a doubtful label in a split of photos, in its order."""
    ids = (split.images.photo_id(position) for position in range(len(split)))
    return np.array([position for position, name in enumerate(ids) if name in DOUBTFUL], dtype=int)


def without_doubtful(split: datasets.Split) -> datasets.Split:
    """The split without the photos of `DOUBTFUL`; the others keep their order."""
    kept = np.delete(np.arange(len(split)), doubtful_positions(split))
    labels = split.labels[kept]
    labels.flags.writeable = False
    return datasets.Split(split.name, split.images.take(kept), labels)
