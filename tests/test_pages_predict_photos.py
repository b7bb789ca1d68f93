"""The Predict page with a model for photos: phone photos, many at once, the visitor's own score, and other models beside."""

import re
from pathlib import Path

import clothing_folder
import numpy as np
import photo_models
import pytest
from photo_models import BLUE, GREEN, RED, encoded, photo
from PIL import Image
from run_folders import change_card, write_arrays
from streamlit.testing.v1 import AppTest

from fashion import answers, clothing, neighbours, photo_file, photos, runs, sketches
from fashion.predictor import Predictor
from fashion.ui import components, photo_viewer, picture_input, prediction_view, state

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")
_ORIENTATION, _PLACE = 0x0112, 0x8825


@pytest.fixture(autouse=True)
def _no_clothes_here(monkeypatch, tmp_path):
    """Nothing shipped and no data but what a test asks for."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    photo_models.install(monkeypatch)


@pytest.fixture
def run() -> runs.Run:
    return photo_models.make_run()


def open_page(**url: str) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=60)
    for key, value in url.items():
        at.query_params[key] = value
    return at.switch_page("pages/predict.py").run()


def upload(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    named = [(name, data, "application/octet-stream") for name, data in files]
    at.file_uploader[0].set_value(named).run()
    assert not at.exception
    return at


def pictures_of(at: AppTest) -> list[picture_input.Picture]:
    return [picture for held in at.session_state[state._PHOTOS].values() for picture in held.values()]


def words(at: AppTest) -> str:
    """Everything a visitor can read, in one text."""
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error, at.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def judge(at: AppTest, label: str) -> AppTest:
    (choice,) = [one for one in at.selectbox if one.label == "What is it really?"]
    return choice.set_value(label).run()


def choose_row(at: AppTest, row: int) -> AppTest:
    at.session_state[at.dataframe[0].key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return at.run()


def phone_photo() -> bytes:
    """A photo 120 wide and 160 high, red above and blue below its middle, as a phone stores it: on its side, with the
    place where it was taken."""
    upright = Image.new("RGB", (120, 160), RED)
    upright.paste(BLUE, (0, 80, 120, 160))
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    exif.get_ifd(_PLACE)[1] = "N"
    return encoded(upright.rotate(90, expand=True), format="JPEG", quality=95, exif=exif)


# Models and sources


def test_the_photos_to_try_are_the_middle_ones_of_their_classes(run, tmp_path, monkeypatch):
    """Three of each class: the second one. The first of them is also where the test pictures begin; a link counts more."""
    clothing_folder.write(tmp_path / "data" / clothing.FOLDER, clothing_folder.files(per_class=3))
    seen = {}
    monkeypatch.setattr(
        components, "picture_grid", lambda images, captions, **how: seen.update(how, captions=captions)
    )

    at = open_page()
    assert not at.exception
    assert list(seen["captions"]) == list(photo_models.CLASSES)
    at = open_page(source="Test picture")
    assert at.number_input(key=state.TEST_PICTURE).value == 1
    assert [
        position.value for position in open_page(source="Test picture", test_picture="0").number_input
    ] == [0]


def test_the_shipped_model_for_photos_is_asked_by_default(tiny_run, tmp_path):
    """Before every run, and before the model for 28x28 pictures."""
    photo_models.make_run()
    photo_models.make_run("clothing", folder=tmp_path / "models")

    at = open_page()

    assert not at.exception
    assert at.selectbox(key="_model").value == "clothing"
    assert len(at.selectbox(key="_model").options) == 3


def test_before_a_photo_the_classes_and_what_was_learned_stand_there(run):
    """Without the clothing photos there are no examples, but still what it can answer."""
    at = open_page()

    assert not at.exception
    for name in photo_models.CLASSES:
        assert name in words(at)
    assert "laid out or hung up at home" in words(at)


def test_drawings_are_not_offered_to_a_model_for_photos(run):
    """An old link to one opens the photos instead."""
    at = open_page(source="Drawing")

    assert not at.exception
    assert [group.value for group in at.button_group if group.label == "Source"] == ["Photos"]
    assert len(at.file_uploader) == 1


def test_changing_to_a_model_without_that_source_does_no_harm(run, tiny_run):
    """A drawing was shown to a 28x28 model; then a model for photos is chosen."""
    at = open_page(source="Drawing", model=tiny_run.id)
    assert "drawn" in pictures_of(at)[0].name

    at.selectbox(key="_model").set_value(run.id).run()

    assert not at.exception
    assert len(at.file_uploader) == 1


# One photo


def test_a_photo_is_answered_with_bars_and_its_caveat(run):
    """The heading names the class, and the confidence is told with what it is worth."""
    at = upload(open_page(), ("red.jpg", photo(RED)))

    assert at.subheader[0].value.startswith("Dress, ")
    table = at.dataframe[0].value
    assert table["probability"].sum() == pytest.approx(1, abs=1e-4)
    assert table["class"][0] == "dress"
    assert "calibrated on validation photos" in words(at)
    assert "not how often it is right" in words(at)
    assert "Whatever part of the photo is left out, the answer stays" in words(at)


def test_two_thirds_red_would_turn_at_the_loss_of_some_places(run):
    """What it would take to change its mind is told in places."""
    image = Image.new("RGB", (160, 160), BLUE)
    image.paste(RED, (0, 0, 120, 160))

    at = upload(open_page(), ("both.png", encoded(image, format="PNG")))

    assert at.subheader[0].value.startswith("Dress")
    # 12 of 16 places are red, 4 blue: with 8 red ones gone it is a tie, with 9 blue wins.
    found = re.search(r"Without the (\d+) of its 16 places .* the answer would be: (\S+)\.", words(at))
    assert int(found[1]) in (8, 9)
    assert found[2] == "shoes"


def test_where_the_mirror_image_decided_the_answer_that_is_told(run):
    """The photo alone, by its map, would be a hat: no places are said to change a dress into a hat, or into itself."""
    change_card(run, mirror=True)
    write_arrays(
        run, "head.npz", kernel0=photo_models.kernel(), bias0=9.0 * (np.array(photo_models.CLASSES) == "hat")
    )

    at = upload(open_page(), ("red.png", encoded(Image.new("RGB", (160, 160), RED), format="PNG")))

    assert at.subheader[0].value.startswith("Dress")
    assert "Of the photo alone, without its mirror image, the answer would be: hat." in words(at)
    assert "that spoke most" not in words(at)


def test_a_phone_photo_is_turned_upright_and_that_is_told(run):
    """Stored on its side with a place: the network sees red above blue, and the page says what it did."""
    at = upload(open_page(), ("IMG_1.jpg", phone_photo()))

    (picture,) = pictures_of(at)
    pixels = picture.answered[2].pixels
    assert picture.image.size == (120, 160)
    assert pixels[5].mean(axis=0) == pytest.approx(RED, abs=12)
    assert pixels[-5].mean(axis=0) == pytest.approx(BLUE, abs=12)
    assert picture.answered[2].box == (0, 20, 120, 140)
    assert picture.file == photo_file.PhotoFile("JPEG", 160, 120, "turned by 90° to the right", True)


def test_a_small_photo_is_not_said_to_be_reduced(run, monkeypatch):
    """160 by 120 pixels on its side are turned; a photo that needed neither came as it was."""
    steps = []
    monkeypatch.setattr(components, "picture_grid", lambda images, captions, **_: steps.append(captions[0]))

    upload(open_page(), ("IMG_1.jpg", phone_photo()))
    upload(open_page(), ("red.jpg", photo(RED)))

    assert "160 by 120 pixels, turned by 90° to the right, as it asked for; its metadata, with" in steps[0]
    assert "pixels; its metadata dropped." in steps[1]


def test_what_the_network_received_is_shown_as_numbers(run):
    """Shape and range of the very array, as stored and as given."""
    at = upload(open_page(), ("red.jpg", photo(RED)))

    table = at.table[0].value.set_index("Property")
    assert list(table.loc["Shape"]) == ["64 x 64 x 3", "1 x 64 x 64 x 3"]
    assert list(table.loc["Number type"]) == ["uint8", "float32"]
    pixels = pictures_of(at)[0].answered[2].pixels
    assert table.loc["Lowest", "As stored"] == str(pixels.min())


@pytest.mark.parametrize("file_format", ["HEIF", "AVIF", "WEBP", "TIFF", "GIF"])
def test_other_formats_are_answered_too(run, file_format):
    """As phones and browsers save them."""
    at = upload(open_page(), (f"hat.{file_format.lower()}", photo(GREEN, format=file_format)))

    assert not at.error
    assert at.subheader[0].value.startswith("Hat")
    assert pictures_of(at)[0].file.format == {"HEIF": "HEIC"}.get(file_format, file_format)


def test_a_large_photo_is_reduced_as_soon_as_it_arrives(run):
    """Of four million pixels 300,000 are kept, and of the file only some words."""
    at = upload(open_page(), ("large.jpg", photo(RED, (2000, 2000))))

    (picture,) = pictures_of(at)
    assert picture.image.size == (480, 480)
    assert (picture.file.width, picture.file.height) == (2000, 2000)
    assert at.file_uploader[0].value[0].size in (0, len(photo(RED, (2000, 2000))))


# The map


def test_the_map_of_each_class_goes_to_the_browser(run):
    """The most probable first, each with its own picture; half red and half green, they differ."""
    image = Image.new("RGB", (160, 160), RED)
    image.paste(GREEN, (80, 0, 160, 160))
    model = Predictor(run)

    maps = photo_viewer.maps(answers.of_photo(model, image), model.classes)

    assert [one["label"] for one in maps[:2]] in (["dress", "hat"], ["hat", "dress"])
    assert len(maps) == 10
    assert maps[0]["src"] != maps[1]["src"]
    assert maps[0]["share"].endswith("%")
    assert maps[-1]["share"] == ""


def test_a_network_without_a_map_is_asked_again_when_it_is_wanted(tiny_run):
    """Nothing is covered before the visitor asks; then the answer has its evidence, and stays the same."""
    at = upload(open_page(), ("bag.png", encoded(sketches.draw_colour(8, 5, 300), format="PNG")))
    (picture,) = pictures_of(at)
    version, _, before = picture.answered
    model = Predictor(tiny_run)
    assert (
        version == model.version
    )  # not the network itself, which would stay in memory for as long as the photo
    assert photo_viewer.maps(before, model.classes) == []

    def asked(name: str) -> None:
        from unittest.mock import patch

        with patch.object(state, "photo", lambda key: picture if key == picture.key else None):
            prediction_view.look_closer(name, picture.key)

    asked("another model")
    assert picture.answered[2].evidence is None
    asked(model.name)

    after = picture.answered[2]
    assert after.evidence.shape == (10, 9, 9)
    assert after.prediction == before.prediction
    assert len(photo_viewer.maps(after, model.classes)) == 10


# Several photos


FOUR = (
    ("red.jpg", photo(RED)),
    ("green.webp", photo(GREEN, format="WEBP")),
    ("notes.jpg", b"milk, bread"),
    ("blue.heic", photo(BLUE, format="HEIF")),
)


def test_many_photos_make_a_table_and_a_broken_one_is_named(run):
    """Three answers in the order of the files; the fourth does not stop them."""
    at = upload(open_page(), *FOUR)

    table = at.dataframe[0].value
    assert table["File"].tolist() == ["red.jpg", "green.webp", "blue.heic"]
    assert table["Answer"].tolist() == ["dress", "hat", "shoes"]
    assert set(table["Verdict"]) == {"likely"}
    assert all(uri.startswith("data:image/jpeg") for uri in table["Photo"])
    assert "notes.jpg" in at.error[0].value.replace("\\", "")


def test_an_answer_without_a_strong_class_is_unsure(run, monkeypatch):
    """In the table and beside the photo."""
    monkeypatch.setattr("fashion.predictor.UNSURE_BELOW", 1.1)

    at = upload(open_page(), *FOUR[:2])

    assert set(at.dataframe[0].value["Verdict"]) == {"unsure"}
    assert "**Unsure.**" in at.warning[0].value


def test_fifty_photos_are_read_answered_and_forgotten(run):
    """All of them get their row; after "Clear all" not one picture is left, whoever still holds its object."""
    files = [(f"{number}.jpg", photo((RED, GREEN, BLUE)[number % 3], (40, 60))) for number in range(50)]
    at = upload(open_page(), *files)
    held = pictures_of(at)
    assert at.dataframe[0].value["Answer"].tolist() == (["dress", "hat", "shoes"] * 17)[:50]

    next(button for button in at.button if button.label == "Clear all").click().run()

    assert pictures_of(at) == []
    assert all(picture.image is None and picture.answered is None for picture in held)
    assert not any({"uri", "thumbnail"} & set(vars(picture)) for picture in held)


# The visitor's own score


def test_a_corrected_answer_counts(run):
    """One of two right: 50 %, with its interval, and what was taken for what."""
    at = upload(open_page(), *FOUR[:2])
    assert "On your own photos" not in words(at)

    judge(at, "dress")
    assert "**1 of 1 right, 100%** (95 % interval 21% to 100%" in words(at)
    choose_row(at, 1)
    judge(at, "shirt")

    assert not at.exception
    assert "**1 of 2 right, 50%** (95 % interval 9% to 91%" in words(at)
    assert "shirt taken for hat" in words(at)
    assert at.dataframe[0].value["Really"].tolist() == ["dress", "shirt"]


def test_a_photo_of_none_of_the_classes_is_no_mistake(run):
    """It is counted for itself."""
    at = upload(open_page(), ("red.jpg", photo(RED)))

    judge(at, prediction_view.NONE_OF_THEM)

    assert "1 showed none of the classes" in words(at)
    assert "right," not in words(at)


def test_what_another_model_cannot_say_is_not_held_against_it(run, tiny_run):
    """ "longsleeve" is no class of the 28x28 model, so the photo does not count there."""
    garment = encoded(sketches.draw_colour(2, 5, 300), format="PNG")
    at = upload(open_page(), ("pullover.png", garment))
    judge(at, "longsleeve")
    assert "1 right" in words(at)

    at.selectbox(key="_model").set_value(tiny_run.id).run()

    assert not at.exception
    assert "On your own photos" not in words(at)


# Photos of something else


@pytest.fixture
def strict_run() -> runs.Run:
    """A model that refuses what is not red."""
    run = photo_models.make_run(refusal=photo_models.REFUSAL)
    photo_models.knows_red_only(run)
    return run


def test_a_photo_unlike_all_it_learned_from_is_refused(strict_run):
    """The heading says so, the answer stands behind a condition, and the rule's rates are there to read."""
    at = upload(open_page(), ("green.jpg", photo(GREEN)))

    assert at.subheader[0].value == "Probably not one of the ten"
    assert "If it is one of the ten after all, then: hat" in at.warning[0].value
    assert "3 of 100 test photos" in words(at)
    assert "60 of 80 pictures that show no clothes" in words(at)


def test_a_photo_like_those_it_learned_from_is_not_refused(strict_run):
    """The rule is told all the same."""
    at = upload(open_page(), ("red.jpg", photo(RED)))

    assert at.subheader[0].value.startswith("Dress")
    assert not at.warning
    assert "not refused" in words(at)


def test_a_test_photo_that_is_refused_is_called_wrongly_refused(strict_run, tmp_path):
    """Its label is one of the ten, so the refusal is a false alarm, whatever the answer behind it is."""
    clothing_folder.write(tmp_path / "data" / clothing.FOLDER, clothing_folder.files(per_class=3))

    at = open_page(source="Test picture", test_picture="7")

    assert not at.exception
    assert at.subheader[0].value == "Probably not one of the ten"
    assert "**Wrongly refused.** The picture's label is longsleeve, one of the ten" in words(at)
    assert not at.success


def test_refusals_stand_in_the_table_and_in_the_score(strict_run):
    """Of two garments one is wrongly refused; of one other thing, one rightly."""
    at = upload(open_page(), *FOUR)
    assert at.dataframe[0].value["Verdict"].tolist() == ["likely", "none of the ten", "none of the ten"]

    judge(at, "dress")
    choose_row(at, 1)
    judge(at, "hat")
    choose_row(at, 2)
    judge(at, prediction_view.NONE_OF_THEM)

    assert "**2 of 2 right" in words(at)
    assert "Refused although they showed one: 1 of 2." in words(at)
    assert "Refused as none of the ten: 1 of 1 that showed none." in words(at)


# Beside the answer


def test_the_same_photo_through_another_model(run, tiny_run):
    """Each says its three best with its own way of preparing; the photo need not be uploaded again."""
    garment = encoded(sketches.draw_colour(8, 5, 300), format="PNG")

    at = upload(open_page(look="Several models"), ("bag.png", garment))

    model = Predictor(tiny_run)
    expected = answers.of_photo(model, photos.read(garment)).prediction
    said = [element.proto.text for element in at.get("progress")]
    assert len(said) == 6
    assert said[3].startswith(f"{expected.label} · ".replace("/", "/"))
    assert "64x64 pixels, colours" in words(at)
    assert "28x28 pixels, grey" in words(at)


def test_a_model_that_finds_no_garment_says_so_beside_the_others(run, tiny_run):
    """A plain wall: the 28x28 model has no answer, the model for photos has."""
    at = upload(open_page(look="Several models"), ("wall.jpg", photo(RED)))

    assert "nearly one colour" in at.error[0].value
    assert at.subheader[0].value.startswith("Dress")


def test_without_another_model_there_is_a_way_to_one(run):
    """Not an empty list."""
    at = upload(open_page(look="Several models"), ("red.jpg", photo(RED)))

    assert "no other model here" in at.info[0].value


def _remember(run: runs.Run, labels: list[int]) -> None:
    """Training photos of these labels, the i-th with a vector near red, green or blue."""
    corners = np.eye(3)[np.arange(len(labels)) % 3]
    vectors = corners + np.random.default_rng(0).normal(0, 0.05, corners.shape)
    points = neighbours.Neighbours.fit(vectors, [f"photo-{i}" for i in range(len(labels))], np.array(labels))
    with open(run.folder / neighbours.FILE, "wb") as file:
        np.savez(file, **points.arrays())


def test_similar_photos_are_told_by_label_where_the_photos_are_not_here(run):
    """The six nearest to a red photo are the red ones."""
    _remember(run, [0, 1, 6] * 12)

    at = upload(open_page(look="Similar photos"), ("red.jpg", photo(RED)))

    assert "6 of these 6 are labelled dress" in words(at)
    assert "only their labels" in at.info[0].value


def test_a_run_without_memory_of_its_photos_says_so(run):
    """Runs of an older version have none."""
    at = upload(open_page(look="Similar photos"), ("red.jpg", photo(RED)))

    assert "kept no memory" in at.info[0].value


# What a file says about itself


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(1, ""), (2, "mirrored"), (3, "turned by 180°"), (6, "turned by 90° to the right"), (9, "")],
)
def test_the_turn_is_read_from_the_file(orientation, turn):
    """Tag 274 of EXIF; what is no orientation is none."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation

    facts = photo_file.describe(photo(RED, (30, 40), exif=exif))

    assert facts == photo_file.PhotoFile("JPEG", 30, 40, turn, False)


@pytest.mark.parametrize("data", [b"", b"milk, bread", photo(RED)[:40]])
def test_bytes_that_are_no_photo_say_nothing(data):
    """None, not an error: the reader has said what is wrong."""
    assert photo_file.describe(data) is None
