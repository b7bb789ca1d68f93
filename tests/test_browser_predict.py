"""The Predict page in a real browser with the shipped model for photos: phone photos, the map, and the file to keep.

As `test_browser.py`, it needs Chromium, and is skipped without the shipped model.
"""

import base64
import csv
import io
import re

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from test_browser import browser, expect, pytestmark, serving, settled, tab  # noqa: F401  (fixtures and marks)

from fashion import answers, photos, runs, sketches
from fashion.predictor import Predictor

pillow_heif.register_heif_opener()

MODEL = "clothing"


@pytest.fixture(autouse=True)
def _shipped():
    if not any(run.id == MODEL for run in runs.shipped()):
        pytest.skip(f"the model {MODEL} does not come with this copy of the project")


def phone_photo(label: int, file_format: str, side: int = 1100, place: tuple[int, int] = (50, 250)) -> dict:
    """A drawn garment on a portrait photo of 2 million pixels; as JPEG stored on its side, as phones do, with a place."""
    upright = Image.new("RGB", (1200, 1600), (205, 200, 190))
    upright.paste(sketches.draw_colour(label, 5, side), place)
    exif = Image.Exif()
    if file_format == "JPEG":
        exif[0x0112] = 6
        exif.get_ifd(0x8825)[1] = "N"
        upright = upright.transpose(Image.Transpose.ROTATE_90)
    buffer = io.BytesIO()
    upright.save(buffer, file_format, quality=90, exif=exif)
    name = f"IMG_{label}.{'jpg' if file_format == 'JPEG' else 'heic'}"
    return {"name": name, "mimeType": f"image/{file_format.lower()}", "buffer": buffer.getvalue()}


def expected(file: dict) -> tuple[str, float]:
    """The answer to a file without any page."""
    model = Predictor(runs.find(MODEL))
    said = answers.of_photo(model, answers.kept(photos.read(file["buffer"]))).prediction
    return said.label, said.probability


def warmest_place(src: str) -> tuple[float, float]:
    """Where a map, as the page holds it, is lightest: from the left and from the top, 0 to 1."""
    colours = np.asarray(Image.open(io.BytesIO(base64.b64decode(src.partition(",")[2]))).convert("L"))
    row, column = np.unravel_index(colours.argmax(), colours.shape)
    return column / colours.shape[1], row / colours.shape[0]


@pytest.mark.parametrize(
    ("file_format", "came"), [("JPEG", "turned by 90° to the right"), ("HEIF", "A HEIC file of")]
)
def test_a_phone_photo_is_answered_and_shows_where_the_network_looked(tab, tmp_path, file_format, came):  # noqa: F811
    """A JPEG on its side or a HEIC: the answer is that of the upright photo; the map is warmest on the garment, and follows
    the class and the strength."""
    file = phone_photo(0, file_format, side=650, place=(60, 760))  # at the lower left
    label, _ = expected(file)
    with serving(tmp_path) as address:
        tab.goto(f"{address}/predict")
        tab.locator("input[type=file]").set_input_files(file)
        expect(tab.get_by_text("What is it really?")).to_be_visible()
        settled(tab)

        expect(tab.get_by_text(came).first).to_be_visible()
        bars = tab.locator("[aria-label^='Bars: the probability']").first
        assert f"the highest is {label}," in bars.get_attribute("aria-label")
        photo = tab.get_by_alt_text(re.compile("with the part that the network saw"))
        assert photo.evaluate("image => image.naturalHeight > image.naturalWidth")

        heat = tab.locator("img.heat")
        assert heat.evaluate("image => getComputedStyle(image).opacity") == "0"
        look = tab.get_by_role("button", name="Where it looked")
        look.click()
        expect(look).to_have_attribute("aria-pressed", "true")
        expect(heat).to_have_css("opacity", "0.65")
        first = heat.get_attribute("src")
        across, down = warmest_place(first)
        # The garment ends at 0.59 and begins at 0.47; a place of the map is an eighth of the square.
        assert across < 0.59 + 0.13, "right of the garment"
        assert down > 0.47 - 0.13, "above the garment"
        classes = tab.get_by_role("radiogroup", name="Class whose evidence is shown")
        classes.get_by_role("radio").nth(1).check(force=True)
        expect(heat).not_to_have_attribute("src", first)
        tab.get_by_role("slider", name="Strength").fill("20")
        expect(heat).to_have_css("opacity", "0.2")


def test_two_phone_photos_become_a_table_to_keep(tab, tmp_path):  # noqa: F811
    """A rotated JPEG, a HEIC and a text: the CSV holds both answers as the model gives them, the text is named."""
    files = [phone_photo(1, "JPEG"), phone_photo(7, "HEIF")]
    broken = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"milk, bread"}
    with serving(tmp_path) as address:
        tab.goto(f"{address}/predict")
        tab.locator("input[type=file]").set_input_files([files[0], broken, files[1]])
        expect(tab.get_by_text("2 photos", exact=True)).to_be_visible()
        expect(tab.get_by_text("What is it really?")).to_be_visible()
        settled(tab)

        expect(tab.get_by_text(re.compile("notes.jpg.*a text file"))).to_be_visible()
        button = tab.get_by_test_id("stDownloadButton").filter(has_text="Download as CSV").first
        with tab.expect_download() as download:
            button.get_by_role("button").click()
        with open(download.value.path(), newline="") as file:
            rows = list(csv.DictReader(file))

    assert [row["File"] for row in rows] == [file["name"] for file in files]
    for row, file in zip(rows, files, strict=True):
        label, probability = expected(file)
        assert row["Answer"] == label
        assert float(row["Confidence"]) == pytest.approx(probability, abs=0.005)
