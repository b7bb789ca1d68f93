"""The small files that go along with a model: how to feed it, a program that predicts a photo, and what is what."""

from fashion import datasets, feature_store, summary
from fashion.runs import Run
from fashion.takeaway_program import SKETCHES_FILE
from fashion.teachers import FILE as TEACHERS_FILE


def sees_photos(card: dict) -> bool:
    """Whether the model takes colour photos, and not 28x28 grey pictures."""
    return len(card["image_shape"]) == 3


def preprocessing(card: dict) -> dict:
    """All that one must know to feed the model and to read its answers as this app does."""
    side = card["image_shape"][0]
    if sees_photos(card):
        return {
            "input": f"float32 (n, {side}, {side}, 3), red, green, blue, 0 to 255; scaling is inside the model",
            "size": side,
            "colour": "rgb",
            "fit": card.get("fit", feature_store.FIT),
            "resampling": "bicubic over all pixels, as Pillow does",
            "mirror": bool(card.get("mirror", False)),
            "temperature": card["temperature"],
            "temperature_used": True,
            "about": "Turn the photo upright (EXIF), make it RGB, keep the middle square (crop), all of it (squash), or a middle part as long "
            "as the square root of width times height (between), resize it. "
            "With mirror, the probabilities of the photo and of its mirror image are averaged. Then the logarithms of the "
            "probabilities, each raised to 1e-7 where it is less, are divided by the temperature and made probabilities again.",
        }
    return {
        "input": "float32 (n, 28, 28), grey, 0 (the background, black) to 255; scaling is inside the model",
        "size": side,
        "colour": "grey",
        "fit": "garment on black, longest side fills the square",
        "resampling": "mean of all pixels",
        "mirror": False,
        "temperature": card["temperature"],
        "temperature_used": False,
        "about": "The model knows pictures like those of Fashion-MNIST. The temperature was fitted on such pictures; for a photo it "
        "means nothing, so it is not used.",
    }


_PIXELS_OF_PHOTO = """def pixels(file):
    photo = ImageOps.exif_transpose(Image.open(file)).convert("RGB")  # upright
    width, height = photo.size
    PART
    left, top = (width - wide) / 2, (height - high) / 2
    size = how["size"], how["size"]
    box = (left, top, left + wide, top + high)
    return np.asarray(photo.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=3.0), np.float32)
"""
_PARTS = {
    "crop": "wide = high = min(photo.size)  # the middle square",
    "between": "longer = (width * height) ** 0.5  # less than all, more than the middle square\n"
    "    wide, high = min(width, longer), min(height, longer)",
    "squash": "wide, high = photo.size  # all of it, squashed",
}
_PIXELS_28 = """def pixels(file):
    photo = ImageOps.exif_transpose(Image.open(file)).convert("L")  # upright and grey
    if photo.size == (28, 28):  # a picture of Fashion-MNIST itself
        return np.asarray(photo, np.float32)
    # The simplest way to such a picture: what differs from the border counts as garment, and is cut out. The app looks at
    # colours and shapes, so its answers to a photo differ from these; a plain background makes them alike.
    grey = np.asarray(photo, np.float32)
    border = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    difference = np.abs(grey - border)
    difference[difference < 30] = 0
    garment = Image.fromarray((difference / max(difference.max(), 1) * 255).astype(np.uint8))
    garment = ImageOps.pad(garment.crop(garment.getbbox()), (28, 28), Image.Resampling.BOX)
    return np.asarray(garment, np.float32)
"""


def prediction_program(card: dict) -> str:
    """The text of `predict.py`: a photo's file in, the classes with their probabilities out."""
    photos = bool(card) and sees_photos(card)
    way = _PIXELS_28
    if photos:
        way = _PIXELS_OF_PHOTO.replace("PART", _PARTS[card.get("fit", feature_store.FIT)])
    mirrored = photos and card.get("mirror", False)
    answer = "(ask(image) + ask(image[:, ::-1])) / 2" if mirrored else "ask(image)"
    told = (
        '\n    answer = np.maximum(answer, 1e-7) ** (1 / how["temperature"])  # as sure as it is often right\n    answer /= answer.sum()'
        if photos
        else ""
    )
    return f'''"""What is on a photo? python predict.py photo.jpg

It needs: pip install numpy pillow ai-edge-litert
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

here = Path(__file__).resolve().parent
how = json.loads((here / "preprocessing.json").read_text())
labels = (here / "labels.txt").read_text().splitlines()
model = Interpreter(model_path=str(here / "model.tflite"))
model.allocate_tensors()


{way}

def ask(image):
    model.set_tensor(model.get_input_details()[0]["index"], np.ascontiguousarray(image[None]))
    model.invoke()
    (output,) = [one["index"] for one in model.get_output_details() if len(one["shape"]) == 2]
    return model.get_tensor(output)[0]


def probabilities(image):
    return {answer}


if __name__ == "__main__":
    answer = probabilities(pixels(sys.argv[1])){told}
    for number in np.argsort(-answer)[:3]:
        print(f"{{labels[number]:12}} {{answer[number]:.1%}}")
'''


def readme(run: Run, card: dict, text: str | None, why: str) -> str:
    """What `README.txt` says. text: that of train.py, or None and why there is none."""
    one = summary.summarise(run)
    info = datasets.DATASETS[run.settings.dataset]
    accuracy = f"{one.test.value:.1%} of {summary.basis_in_words(one.test)}" if one.test else "not tested"
    keras = (run.folder / "model.keras").exists()
    base = card.get("base")
    way = "" if sees_photos(card) else (
        "\nThe model knows only small grey pictures like those of Fashion-MNIST. predict.py makes one of your photo in the simplest\n"
        "way; use a plain background. The app separates the garment with more care, so its answers may differ.\n"
    )  # fmt: skip
    train = (
        f"train.py            trains the same network anew: {_first_line(text)}\n"
        if text is not None
        else f"(no train.py: {why})\n"
    )
    drawn = (
        f"{SKETCHES_FILE}        the drawn garments that it learns from\n"
        if text and run.settings.dataset == "sketches"
        else ""
    )
    taught = (
        f"{TEACHERS_FILE}        what the teachers said of the training pictures\n"
        if text and run.settings.teachers
        else ""
    )
    weights = f"\nIt began from {base['title']}: {base['licence']}." if isinstance(base, dict) else ""
    missing = "" if keras else "(no model.keras: the run has none)\n"
    return f"""{one.title}
Made with Fashion Lab. Right on test: {accuracy}.

    pip install numpy pillow ai-edge-litert
    python predict.py photo.jpg
{way}
model.tflite        the network for prediction (LiteRT), weights in float16, or float32 where rounding would change answers
{'model.keras         the network with its weights: keras.saving.load_model("model.keras")' + chr(10) if keras else missing}labels.txt          the classes, in the order of the answers
preprocessing.json  what must be done with a photo to get the app's numbers
predict.py          predicts one photo
settings.json       all settings of the run
card.json           what it was trained on, with which result, versions and machine
{train}{drawn}{taught}
Learned from: {info.citation}
Licence of the pictures: {info.licence}.{weights}
An answer is always one of the classes, also where the photo shows none of them.
"""


def _first_line(text: str) -> str:
    return next(line.strip() for line in text.split("\n")[1:] if line.strip().startswith("python")).split(
        "  "
    )[0]
