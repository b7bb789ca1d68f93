"""Small pure functions on stacks of pictures: enlarging, encoding for the browser, averages, brightness.

It does not load datasets, draw charts or prepare photos; arrays come in, arrays, bytes and tables go out.
"""

import base64
from io import BytesIO

import numpy as np
import pandas as pd
from PIL import Image

from fashion import architectures

BRIGHTNESS_QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


def png(image: np.ndarray | Image.Image, scale: int = 1) -> bytes:
    """A picture as a PNG file, each pixel enlarged to a square of scale x scale.

    `image`: uint8 (h, w) grey or (h, w, 3) colour, 0 black to 255 white, or a Pillow image.
    Raises ValueError for any other array, or a scale below 1.
    """
    if scale < 1:
        raise ValueError(f"`scale` must be >= 1. Received: scale={scale}.")
    if not isinstance(image, Image.Image):
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
            raise ValueError(
                f"`image` must be uint8 (h, w) or (h, w, 3). Received: {image.dtype} {image.shape}."
            )
        image = Image.fromarray(image)
    if scale > 1:
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def data_uri(image: np.ndarray | Image.Image) -> str:
    """A picture as text that an <img> shows without a further request: a 28x28 garment is about 0.8 kB."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode("ascii")


def photo_uri(image: np.ndarray) -> str:
    """A photo, uint8 (h, w, 3), as text that an <img> shows: JPEG, 7 kB at 160x160, a sixth of what PNG takes."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def middle_of_each(labels: np.ndarray) -> list[int]:
    """The position of one picture of each class, in the order of their labels: the middle one of its class.

    A rule without a look at any model's answers, so the pictures flatter none. labels: int (n,).

    >>> middle_of_each(np.array([0, 0, 0, 2, 1, 2]))
    [1, 4, 5]
    """
    several = (np.flatnonzero(labels == label) for label in np.unique(labels))
    return [int(members[len(members) // 2]) for members in several]


def taking_turns(labels: np.ndarray) -> np.ndarray:
    """An order in which one picture of each class comes after the other, each class in its own order, until it ends.

    labels: int (n,). Returns the positions in that order, int (n,).

    >>> taking_turns(np.array([0, 0, 0, 1, 2, 2])).tolist()
    [0, 3, 4, 1, 5, 2]
    """
    turn = np.empty(len(labels), int)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        turn[members] = np.arange(len(members))
    return np.lexsort((labels, turn))


def part_marked(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """A photo, RGB, in which all but one part is pale: what cropping leaves out. box: as from `squares.part`."""
    pixels = np.asarray(image)
    left, top, right, bottom = (int(edge) for edge in box)
    marked = (pixels * 0.25 + 0.75 * 200).astype(np.uint8)
    marked[top:bottom, left:right] = pixels[top:bottom, left:right]
    return Image.fromarray(marked)


def mean_pictures(images: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The average picture of each class.

    `images`: uint8 (n, h, w) or (n, h, w, 3); `labels`: integers (n,), 0 to num_classes - 1.
    Returns uint8 (num_classes, h, w) or (num_classes, h, w, 3), rounded; a class without pictures is black.
    """
    means = np.zeros((num_classes, *images.shape[1:]), dtype=np.uint8)
    for label in range(num_classes):
        members = images[labels == label]
        if len(members):
            means[label] = np.rint(members.mean(axis=0))
    return means


def brightness(images: np.ndarray) -> np.ndarray:
    """The mean pixel value of each picture: uint8 (n, h, w) or (n, h, w, 3) -> float64 (n,), 0 black to 255 white."""
    return images.mean(axis=tuple(range(1, images.ndim)), dtype=np.float64)


def brightness_per_class(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """How brightness spreads within each class.

    `images`: uint8 (n, h, w) or (n, h, w, 3); `labels`: integers (n,), the position in `classes`.
    Returns a row per class that has pictures: class, n, p5, p25, median, p75, p95 (mean pixel value, 0 to 255).
    """
    values = brightness(images)
    rows = []
    for label, name in enumerate(classes):
        members = values[labels == label]
        if len(members):
            quantiles = np.quantile(members, list(BRIGHTNESS_QUANTILES.values()))
            rows.append(
                {"class": name, "n": len(members), **dict(zip(BRIGHTNESS_QUANTILES, quantiles, strict=True))}
            )
    return pd.DataFrame(rows, columns=["class", "n", *BRIGHTNESS_QUANTILES])


def describe_channels(image: Image.Image) -> pd.DataFrame:
    """A photo's three colours as numbers: lowest, highest and mean value of each channel."""
    pixels = np.asarray(image)
    return pd.DataFrame(
        {
            "Channel": ["red", "green", "blue"],
            "Lowest": pixels.min(axis=(0, 1)),
            "Highest": pixels.max(axis=(0, 1)),
            "Mean": pixels.mean(axis=(0, 1)).round().astype(int),
        }
    )


def network_input(image: np.ndarray) -> np.ndarray:
    """One picture in the form in which it reaches the first layer of a network that can learn.

    `image`: uint8 (h, w), 0 to 255. Returns float32 (1, h, w, 1), a batch of one picture with one colour channel,
    from -0.5 for black to 1.5 for white: what the "scale" layer inside every network of `networks.py` makes of it.
    """
    return (image.astype(np.float32) / architectures.PIXEL_SCALE + architectures.PIXEL_OFFSET)[
        None, :, :, None
    ]


def describe_arrays(image: np.ndarray) -> pd.DataFrame:
    """The same picture, uint8 (h, w), as stored and as the network receives it: shape, type, range and mean."""
    columns = {"As stored": image, "As the network receives it": network_input(image)}
    facts = {
        name: {
            "Shape": " x ".join(str(size) for size in array.shape),
            "Number type": str(array.dtype),
            "Lowest": f"{array.min():g}",
            "Highest": f"{array.max():.4g}",
            "Mean": f"{array.mean():.3g}",
            "Memory": f"{array.nbytes:,} bytes",
        }
        for name, array in columns.items()
    }
    return pd.DataFrame(facts).rename_axis("Property").reset_index()
