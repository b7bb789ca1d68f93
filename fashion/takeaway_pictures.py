"""Reading, changing and batching pictures as text of a plain Keras program: only what a run uses of it.

A line that ends in `#? names` stands in a program only where all of these hold (`!name`: does not hold). The random
numbers are drawn in the order of `augmentation.py`, `photo_augmentation.py` and `batches.py`, so the same seed gives the
same pictures; a test compares them.
"""

import inspect
import re
from collections.abc import Collection

from fashion import photo_augmentation


def chosen(text: str, flags: Collection[str]) -> str:
    """The text without the lines whose condition does not hold, and without the conditions."""
    lines = []
    for line in text.strip("\n").split("\n"):
        kept, _, condition = line.partition("#? ")
        if all((name.lstrip("!") in flags) != name.startswith("!") for name in condition.split()):
            lines.append(kept.rstrip())
    return "\n".join(lines)


SMALL_DATA = '''
def data():
    """Pictures uint8 (n, 28, 28), 0 black to 255 white, and labels (n,) of train, validation and test."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "sketches.npz")  #? sketches
    with np.load(path) as file:  #? sketches
        parts = {part: (file[f"{part}_images"], file[f"{part}_labels"]) for part in PARTS}  #? sketches
    if len(sys.argv) > 1:  # pictures of your own  #? !sketches
        with np.load(sys.argv[1]) as file:  #? !sketches
            parts = {part: (file[f"{part}_images"], file[f"{part}_labels"]) for part in PARTS}  #? !sketches
    else:  #? !sketches
        (images, labels), test = keras.datasets.fashion_mnist.load_data()  #? !sketches
        # Fashion-MNIST has no validation part: 500 pictures of each class are kept aside, always the same.  #? !sketches
        rng = np.random.default_rng(2017)  #? !sketches
        aside = np.zeros(len(labels), bool)  #? !sketches
        for label in range(10):  #? !sketches
            aside[rng.choice(np.flatnonzero(labels == label), 500, replace=False)] = True  #? !sketches
        parts = {"train": (images[~aside], labels[~aside]), "test": test}  #? !sketches
        parts["validation"] = (images[aside], labels[aside])  #? !sketches
    images, labels = parts["train"]
    return parts | {"train": (images[:NUM_TRAIN], labels[:NUM_TRAIN])}
'''

PHOTO_DATA = '''
def data():
    """Paths (n) of the photos and labels (n,) of train, validation and test, by class, then by name."""
    if len(sys.argv) < 2:
        sys.exit("Give the folder that holds train, validation and test: python train.py FOLDER")
    parts = {}
    for part in PARTS:
        photos = [
            (path, label)
            for label, name in enumerate(CLASSES)
            for path in sorted((Path(sys.argv[1]) / part / name).glob("*.jpg"))
            if part != "train" or path.stem not in DOUBTFUL  #? clean
        ]
        if not photos:
            sys.exit(f"There are no photos in {Path(sys.argv[1]) / part / CLASSES[0]}, and so on.")
        parts[part] = ([path for path, _ in photos], np.array([label for _, label in photos]))
    paths, labels = parts["train"]
    if len(paths) > NUM_TRAIN:
        numbers = np.sort(np.random.default_rng(SEED).permutation(len(paths))[:NUM_TRAIN])
        parts["train"] = ([paths[number] for number in numbers], labels[numbers])
    return parts


def photo(path, side=None):
    """A photo, upright. With a side, the decoder may leave out what is finer than such a picture can show."""
    with Image.open(path) as image:
        if side is not None:
            image.draft("RGB", (side, side))
        return ImageOps.exif_transpose(image).convert("RGB")


def square(image, side):  #? !own_fit
    """The middle square of a photo: uint8 (side, side, 3)."""  #? !own_fit
def square(image, side, judged):  #? own_fit
    """A photo as uint8 (side, side, 3): its middle square.  #? own_fit
  #? own_fit
    To be judged, it is as long as the mean, in proportions, of that square and the photo, and squashed.  #? between
    To be judged, all of it is squashed.  #? squash
    """  #? own_fit
    width, height = image.size
    shorter = min(width, height)
    wide, high = shorter, shorter
    if judged:  #? own_fit
        longer = (width * height) ** 0.5  #? between
        wide, high = min(width, longer), min(height, longer)  #? between
        wide, high = width, height  #? squash
    left, top = (width - wide) / 2, (height - high) / 2
    box = (left, top, left + wide, top + high)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0))


def squares(paths, side):  #? !own_fit
def squares(paths, side, judged=False):  #? own_fit
    """Several photos: uint8 (n, side, side, 3)."""
    return np.stack([square(photo(path), side) for path in paths])  #? !own_fit
    return np.stack([square(photo(path), side, judged) for path in paths])  #? own_fit
'''

_SMALL_CHANGES = '''
def changed(images, rng):
    """Another view of each picture, drawn at random; images: uint8 (n, 28, 28)."""
    uniform = rng.random((10, len(images)))  # ten numbers per picture, used or not
    flips = uniform[0] < 0.5  #? flip
    moves = np.floor(uniform[1:3] * (2 * SHIFT + 1)).astype(int) - SHIFT  # right, down  #? shift
    angles = np.deg2rad(ROTATE * (2 * uniform[3] - 1))  #? rotate
    scales = 1 + ZOOM * (2 * uniform[4] - 1)  #? zoom
    views = np.empty_like(images)
    for number, picture in enumerate(images):
        if flips[number]:  #? flip
            picture = picture[:, ::-1]  #? flip
        right, down = moves[:, number]  #? shift !warp
        picture = np.pad(picture, SHIFT)[SHIFT - down :, SHIFT - right :][:28, :28]  #? shift !warp
        picture = warped(picture, #? warp rotate zoom shift
        views[number] = picture
    return views
'''

_WARP = '''
def warped(picture, angle, scale, right, down):
    """A picture turned counter-clockwise, scaled and moved; each pixel mixes the four around the place it comes from."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    rows, columns = rows - down, columns - right
    y = (np.sin(angle) * columns + np.cos(angle) * rows) / scale + 13.5
    x = (np.cos(angle) * columns - np.sin(angle) * rows) / scale + 13.5
    y, x = np.clip(y, -1, 28), np.clip(x, -1, 28)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    below, beside = y - top, x - left
    framed = np.pad(picture.astype(float), 2)[1:, 1:]  # framed[1, 1] is the first pixel
    above = framed[top + 1, left + 1] * (1 - beside) + framed[top + 1, left + 2] * beside
    under = framed[top + 2, left + 1] * (1 - beside) + framed[top + 2, left + 2] * beside
    return np.rint(above * (1 - below) + under * below).astype(np.uint8)
'''

_ERASE = '''
def erase(views, uniform, rng):
    """Hide a rectangle, a fiftieth to a fifth of the picture, behind noise in some of them, in place."""
    boxes = []
    for number in np.flatnonzero(uniform[5] < ERASE):
        area, aspect, along, down = uniform[6:, number]
        area, ratio = 0.02 + 0.18 * area, 0.3 * (1 / 0.09) ** aspect
        height = int(np.clip(np.rint(28 * np.sqrt(area * ratio)), 1, 28))
        width = int(np.clip(np.rint(28 * np.sqrt(area / ratio)), 1, 28))
        boxes.append((number, int(down * (28 - height + 1)), int(along * (28 - width + 1)), height, width))
    noise = rng.integers(0, 256, size=sum(box[3] * box[4] for box in boxes), dtype=np.uint8)
    for number, top, left, height, width in boxes:
        patch, noise = noise[: height * width], noise[height * width :]
        views[number, top : top + height, left : left + width] = patch.reshape(height, width)
'''

_PHOTO_CHANGES = '''
def changed(image, side, rng):
    """Another view of a photo, drawn at random: uint8 (side, side, 3)."""
    width, height = image.size
    shorter = min(width, height)
    scale = 1 - CROP * rng.random()  #? crop
    rng.random()  # would decide how much is cut off  #? !crop
    # The part that is kept: between a square and the proportions of the photo, and a little beside.  #? crop
    towards, stretch = rng.random(), np.exp(rng.uniform(-1, 1) * 0.15)  #? crop
    part_width = min(width, shorter * scale * (width / shorter) ** towards * stretch)  #? crop
    part_height = min(height, shorter * scale * (height / shorter) ** towards / stretch)  #? crop
    part_width = part_height = shorter  #? !crop
    centre_x, centre_y = width / 2, height / 2
    spare_x, spare_y = (width - part_width) / 2, (height - part_height) / 2  #? crop
    centre_x += rng.uniform(-spare_x, spare_x)  #? crop
    centre_y += rng.uniform(-spare_y, spare_y)  #? crop
    # First reduced with all pixels taken into account, then cut: else fine patterns glitter.
    reduce = min(1.0, side / min(part_width, part_height))
    size = max(1, round(width * reduce)), max(1, round(height * reduce))
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    ratio_x, ratio_y = small.width / width, small.height / height
    angle = np.deg2rad(rng.uniform(-ROTATE, ROTATE))  #? rotate
    angle = 0.0  #? !rotate
    mirrored = -1.0 if rng.random() < 0.5 else 1.0  #? flip
    mirrored = 1.0  #? !flip
    # From a pixel of the result to a place in the reduced photo.
    step_x, step_y = part_width / side * mirrored, part_height / side
    a, b = np.cos(angle) * step_x * ratio_x, -np.sin(angle) * step_y * ratio_x
    d, e = np.sin(angle) * step_x * ratio_y, np.cos(angle) * step_y * ratio_y
    c = centre_x * ratio_x - a * side / 2 - b * side / 2
    f = centre_y * ratio_y - d * side / 2 - e * side / 2
    mean = tuple(int(value) for value in np.asarray(small.resize((1, 1), Image.Resampling.BOX))[0, 0])
    places, kind = (a, b, c, d, e, f), Image.Transform.AFFINE
    view = small.transform((side, side), kind, places, Image.Resampling.BICUBIC, fillcolor=mean)
    pixels = np.asarray(view)
    pixels = other_light(pixels, COLOUR, rng)  #? colour
    if rng.random() < ERASE:  #? erase
        pixels = hide(pixels, rng)  #? erase
    return pixels
'''

_BATCHES = '''
class Batches(keras.utils.PyDataset):
    """Batches of pictures in an order that is new for each epoch; what is left over at its end is not used."""

    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels
        self.targets = np.eye(len(CLASSES), dtype=np.float32)[labels]
        with np.load(TEACHERS) as said:  # label and teachers count alike  #? taught
            self.targets = (self.targets + said["answers"].astype(np.float32)) / 2  #? taught
        counts = np.maximum(np.bincount(labels, minlength=len(CLASSES)), 1)  #? balance
        weights = (counts.sum() / (len(CLASSES) * counts)) ** BALANCE  # a rare class counts more  #? balance
        self.weights = (weights / weights[labels].mean()).astype(np.float32)  #? balance
        self.shuffle(0)

    def shuffle(self, epoch):
        self.epoch = epoch
        self.order = np.random.default_rng((SEED, epoch)).permutation(len(self.targets))

    def __len__(self):
        return len(self.targets) // BATCH_SIZE

    def __getitem__(self, index):
        chosen = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        rng = np.random.default_rng((SEED, self.epoch, index))
        images, targets = self.read(chosen, rng)
        return images, targets, targets @ self.weights  #? balance
        return images, targets  #? !balance

    def read(self, chosen, rng):
        images, targets = self.images[chosen], self.targets[chosen]  #? small
        if self.epoch >= AUGMENT_FROM:  #? small changes later
            images = changed(images, rng)  #? small changes later
        images = changed(images, rng)  #? small changes !later
        paths, targets = [self.images[number] for number in chosen], self.targets[chosen]  #? photos
        if self.epoch < AUGMENT_FROM:  #? photos changes later
            return squares(paths, IMAGE_SIZE), targets  #? photos changes later
        if self.epoch < AUGMENT_FROM:  #? photos !changes mixing later
            return squares(paths, IMAGE_SIZE), targets  #? photos !changes mixing later
        images = np.stack([changed(photo(path, IMAGE_SIZE), IMAGE_SIZE, rng) for path in paths])  #? photos changes
        images = squares(paths, IMAGE_SIZE)  #? photos !changes
        images, targets = mix(images, targets, MIXING, rng)  #? photos mixing
        return images, targets
'''

_VECTOR_BATCHES = '''
class VectorBatches(Batches):
    """The same of stored vectors float16 (views, n, size): of each photo, one of its views at random."""

    def read(self, chosen, rng):
        views = rng.integers(len(self.images), size=len(chosen))
        return self.images[views, chosen].astype(np.float32), self.targets[chosen]
'''


def changes(flags: Collection[str]) -> list[str]:
    """The functions that change pictures at random; none where the run changes none."""
    if "photos" in flags:
        parts = [chosen(_PHOTO_CHANGES, flags)] if {"changes", "views"} & set(flags) else []
        parts = [
            re.sub(r"(?m)^    pixels = (.*)\n    return pixels", r"    return \1", text) for text in parts
        ]
        library = {"colour": "_other_light", "erase": "_hide", "mixing": "mix"}
        made = [
            inspect.getsource(getattr(photo_augmentation, name))
            for flag, name in library.items()
            if flag in flags
        ]
        return parts + [text.strip().replace("def _", "def ", 1) for text in made]
    if "changes" not in flags:
        return []
    warp = {"rotate", "zoom"} & set(flags)
    text = chosen(
        _SMALL_CHANGES.replace(_WARP_LINE, _warp_call(flags) if warp else ""),
        {*flags, *(["warp"] if warp else [])},
    )
    if "erase" in flags:
        text = text.replace("    return views", "    erase(views, uniform, rng)\n    return views")
    text = "\n".join(line for line in text.split("\n") if line.strip())
    return [text, *([_WARP.strip()] if warp else []), *([_ERASE.strip()] if "erase" in flags else [])]


_WARP_LINE = "        picture = warped(picture, #? warp rotate zoom shift"


def _warp_call(flags: Collection[str]) -> str:
    angle = "angles[number]" if "rotate" in flags else "0.0"
    scale = "scales[number]" if "zoom" in flags else "1.0"
    move = "*moves[:, number]" if "shift" in flags else "0, 0"
    return f"        picture = warped(picture, {angle}, {scale}, {move})"


def batches(flags: Collection[str]) -> list[str]:
    """The classes that give the network its batches."""
    if "pretrained" in flags and "tuned" not in flags:  # it never sees the pictures themselves again
        text = _BATCHES.split("    def read")[0]
        return [chosen(text, flags).rstrip(), chosen(_VECTOR_BATCHES, flags)]
    return [chosen(_BATCHES, flags), *([chosen(_VECTOR_BATCHES, flags)] if "pretrained" in flags else [])]
