"""The Predict page answers on photos, test pictures and drawings, shows what it did to them, and keeps none of them."""

import asyncio
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from fashion import datasets, photos, predictor, runs, sketches
from fashion.ui import picture_input, state

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch, tmp_path):
    """These tests know which models there are: those they ask for."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")


@pytest.fixture
def toy_data(monkeypatch):
    """Every dataset is present, with 30 drawn test pictures: picture i is of class i % 10."""
    labels = np.tile(np.arange(10, dtype=np.uint8), 3)
    images = np.stack([sketches.draw(int(label), seed) for seed, label in enumerate(labels)])

    def load(name):
        splits = {split: datasets.Split(split, images, labels) for split in datasets.SPLIT_NAMES}
        return datasets.Dataset(info=datasets.DATASETS[name], digest="0123456789abcdef", **splits)

    monkeypatch.setattr(datasets, "load", load)
    monkeypatch.setattr(datasets, "status", lambda name: datasets.DataStatus(name, True, Path("/data"), ()))


def open_page(**url: str) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=60)
    for key, value in url.items():
        at.query_params[key] = value
    return at.switch_page("pages/predict.py").run()


def photo(label: int, file_format: str = "PNG", seed: int = 1) -> bytes:
    """A drawn garment of this class as the bytes of a photo, 300 pixels wide."""
    buffer = io.BytesIO()
    sketches.draw_colour(label, seed, 300).save(buffer, format=file_format)
    return buffer.getvalue()


def upload(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    named = [(name, data, "application/octet-stream") for name, data in files]
    return at.file_uploader[0].set_value(named).run()


def pictures_of(at: AppTest) -> list[picture_input.Picture]:
    return [picture for held in at.session_state[state._PHOTOS].values() for picture in held.values()]


def words(at: AppTest) -> str:
    """Everything a visitor can read, in one text."""
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error, at.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def press(at: AppTest, label: str) -> AppTest:
    (button,) = [button for button in at.button if button.label == label]
    return button.click().run()


def bars(at: AppTest) -> list:
    return at.get("arrow_vega_lite_chart") or at.get("vega_lite_chart")


# Choosing a model


def test_without_any_model_the_page_says_to_train_one():
    """No uploader that leads nowhere: the reason, and the way out."""
    at = open_page()

    assert not at.exception
    assert "There is no trained network here yet" in at.info[0].value
    assert len(at.file_uploader) == 0


def test_an_unfinished_run_is_no_model(tiny_run):
    """A waiting run is newer, but has nothing to answer with."""
    runs.create(tiny_run.settings)

    at = open_page()

    (option,) = at.selectbox(key="_model").options
    assert option.startswith(tiny_run.id[16:])


def test_the_shipped_model_is_asked_by_default(tiny_run, monkeypatch, tmp_path):
    """A run of one's own is a choice, not a surprise."""
    shipped = tmp_path / "models" / "fashion-mnist"
    tiny_run.folder.rename(tmp_path / "kept")
    shipped.parent.mkdir()
    (tmp_path / "kept").rename(shipped)
    own = runs.create(runs.Run(shipped).settings)
    for name in ("card.json", "model.tflite"):
        (own.folder / name).write_bytes((shipped / name).read_bytes())

    at = open_page()

    assert not at.exception
    assert at.selectbox(key="_model").value == "fashion-mnist"
    assert len(at.selectbox(key="_model").options) == 2


@pytest.mark.parametrize("name", ["../../etc/passwd", "no-such-model", "[a](http://b)"])
def test_an_unknown_model_in_the_link_is_named_and_another_asked(tiny_run, name):
    """A link to a deleted run, or to a path, does no harm and is not silently ignored."""
    at = open_page(model=name)

    assert not at.exception
    assert "The link names a model that is not here" in at.warning[0].value
    assert name in at.warning[0].value.replace("\\", "")
    assert at.selectbox(key="_model").value == tiny_run.id


def test_a_model_in_the_link_is_chosen(tiny_run):
    """The Train page leads here with the run's id."""
    at = open_page(model=tiny_run.id)

    assert not at.warning
    assert at.selectbox(key="_model").value == tiny_run.id


def test_a_damaged_model_is_told_in_words(tiny_run):
    """The page names the file, and ends there."""
    (tiny_run.folder / "model.tflite").write_bytes(b"damaged")

    at = open_page()

    assert not at.exception
    assert "The file is damaged" in at.error[0].value


# One photo


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_photo_is_answered_with_bars(tiny_run, file_format):
    """Ten probabilities that sum to one, the first of them in the heading, with the confidence's caveat."""
    at = upload(open_page(), (f"coat.{file_format}", photo(4, file_format)))

    assert not at.exception
    assert not at.error
    assert len(bars(at)) == 1
    table = at.dataframe[0].value
    assert table["probability"].sum() == pytest.approx(1, abs=1e-4)
    assert table["probability"].is_monotonic_decreasing
    assert table["class"][0] in at.subheader[0].value.lower()
    assert "not how often it is right" in words(at)
    assert "ms for the network" in words(at)


def test_an_answer_below_the_threshold_is_called_unsure(tiny_run, monkeypatch):
    """The threshold stands in the words."""
    monkeypatch.setattr("fashion.predictor.UNSURE_BELOW", 1.1)

    at = upload(open_page(), ("coat.png", photo(4)))

    assert "**Unsure.** No class reaches 110%" in at.warning[0].value


def test_an_answer_above_the_threshold_is_not_called_unsure(tiny_run, monkeypatch):
    """No warning without a cause."""
    monkeypatch.setattr("fashion.predictor.UNSURE_BELOW", 0.0)

    at = upload(open_page(), ("coat.png", photo(4)))

    assert not at.warning


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://lab.streamlit.app/predict", True),
        ("http://localhost:8501/predict", True),
        ("http://127.0.0.1:8501/predict", True),
        ("http://[::1]:8501/predict", True),
        ("http://192.168.1.20:8501/predict", False),
        ("http://teacher.local:8501/predict", False),
        ("http://[broken", True),
        (None, True),
    ],
)
def test_a_browser_gives_its_camera_to_https_and_to_the_machine_itself(address, allowed):
    """An address that is not known may be either."""
    assert picture_input.may_use_camera(address) is allowed


def test_a_phone_in_the_classroom_is_shown_another_way_to_its_camera(tiny_run, monkeypatch):
    """Over http there is no camera for the page; one press leads to the uploader, where a phone offers it."""
    monkeypatch.setattr(picture_input, "may_use_camera", lambda address: False)
    at = open_page(source="Camera")

    assert not at.camera_input
    assert "only to pages opened over https" in at.info[0].value
    next(button for button in at.button if button.label == "Take or choose a photo").click().run()

    assert not at.exception
    assert at.file_uploader[0].label == "Photos of one garment each"


def test_a_camera_photo_is_answered(tiny_run):
    """The camera is a source like any other."""
    at = open_page(source="Camera")

    at.camera_input[0].set_value(("shot.jpg", photo(1, "JPEG"), "image/jpeg")).run()

    assert not at.exception
    assert len(bars(at)) == 1


def test_the_reduced_photo_gives_the_very_pixels_of_the_whole_one():
    """Keeping 400 of 900 pixels changes nothing of the network's input."""
    whole = sketches.draw_colour(8, 5, 900)
    reduced = picture_input.reduced(whole, photos.WORK_SIDE)

    assert max(reduced.size) == 400
    assert np.array_equal(photos.prepare(reduced).result, photos.prepare(whole).result)


# Overruling


def pixels_of(at: AppTest) -> np.ndarray:
    (picture,) = pictures_of(at)
    return picture.answered[2].pixels


def toggle(at: AppTest, label: str):
    return next(toggle for toggle in at.toggle if toggle.label == label)


def test_swapping_light_and_dark_gives_the_other_pixels(tiny_run):
    """ "Garment is lighter" is what prepare does with invert=False."""
    at = upload(open_page(), ("coat.png", photo(4)))
    before = pixels_of(at)
    image = pictures_of(at)[0].image

    next(group for group in at.button_group if group.label == "Background").set_value(
        "garment is lighter"
    ).run()

    assert not at.exception
    assert not np.array_equal(pixels_of(at), before)
    expected = photos.prepare(image, photos.PrepareOptions(invert=False)).result
    assert np.array_equal(pixels_of(at), expected)


def test_without_the_crop_the_garment_is_smaller(tiny_run):
    """The drawing has a margin of 9 % on each side, which the crop removes."""
    at = upload(open_page(), ("trouser.png", photo(1)))
    rows_before = int(pixels_of(at).any(axis=1).sum())

    toggle(at, "Crop to the garment").set_value(False).run()

    assert rows_before == 28
    assert int(pixels_of(at).any(axis=1).sum()) < 26


def test_a_threshold_of_ones_own_is_used(tiny_run):
    """At 0 everything is kept, so no pixel of the frame stays black by painting."""
    at = upload(open_page(), ("coat.png", photo(4)))
    image = pictures_of(at)[0].image
    assert len(at.slider) == 0

    toggle(at, "Find the threshold automatically").set_value(False).run()
    at.slider[0].set_value(0.0).run()

    assert np.array_equal(pixels_of(at), photos.prepare(image, photos.PrepareOptions(threshold=0.0)).result)


def test_a_photo_without_a_garment_says_so_and_can_still_be_overruled(tiny_run):
    """A plain wall has no answer; with a threshold of 0 the whole of it is taken."""
    buffer = io.BytesIO()
    Image.new("RGB", (300, 300), "beige").save(buffer, format="PNG")

    at = upload(open_page(), ("wall.png", buffer.getvalue()))
    assert "nearly one colour" in at.error[0].value
    assert len(bars(at)) == 0
    toggle(at, "Find the threshold automatically").set_value(False).run()

    assert not at.error
    assert len(bars(at)) == 1


def test_a_photo_is_decoded_once(tiny_run, monkeypatch):
    """Moving a control does not read the file again."""
    calls = []
    read = photos.read
    monkeypatch.setattr(photos, "read", lambda data, name: calls.append(name) or read(data, name))
    at = upload(open_page(), ("coat.png", photo(4)))

    toggle(at, "Crop to the garment").set_value(False).run()
    at.run()

    assert calls == ["coat.png"]


# Several photos


def test_several_photos_make_a_table_in_the_order_of_the_files(tiny_run):
    """Two photos are two rows, and the text file between them is named with what is wrong."""
    at = upload(
        open_page(),
        ("trouser_*1*.png", photo(1)),
        ("notes.jpg", b"milk, bread"),
        ("bag.jpg", photo(8, "JPEG")),
    )

    assert not at.exception
    table = at.dataframe[0].value
    assert table["File"].tolist() == ["trouser_*1*.png", "bag.jpg"]
    assert table["Confidence"].between(0, 1).all()
    assert "notes.jpg" in at.error[0].value.replace("\\", "")
    assert "a text file" in at.error[0].value


def test_each_row_holds_the_answer_of_its_own_photo(tiny_run):
    """In any order of upload, a file has the answer that the model gives on that file alone."""
    model = predictor.Predictor(tiny_run)
    files = [(f"{label}.png", photo(label)) for label in (0, 1, 8, 9, 5)]
    alone = {}
    for name, data in files:
        (row,) = model.predict(photos.prepare(photos.read(data)).result[None])
        alone[name] = (model.classes[row.argmax()], round(float(row.max()), 4))
    assert len(set(alone.values())) == 5

    for order in (files, files[::-1]):
        table = upload(open_page(), *order).dataframe[0].value
        rows = zip(table["Answer"], table["Confidence"].astype(float).round(4), strict=True)
        assert table["File"].tolist() == [name for name, _ in order]
        assert list(rows) == [alone[name] for name, _ in order]


def test_a_chosen_row_is_shown_in_detail(tiny_run):
    """The second row opens the second photo."""
    at = upload(open_page(), ("trouser.png", photo(1)), ("bag.png", photo(8)))
    answers = at.dataframe[0].value["Answer"].tolist()
    assert at.subheader[1].value.lower().startswith(answers[0])

    at.session_state[at.dataframe[0].key] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    at.run()

    assert at.subheader[1].value.lower().startswith(answers[1])


def test_an_overruled_photo_leaves_the_others_as_they_are(tiny_run):
    """Options belong to one photo."""
    at = upload(open_page(), ("trouser.png", photo(1)), ("bag.png", photo(8)))

    toggle(at, "Crop to the garment").set_value(False).run()

    assert [picture.options.crop for picture in pictures_of(at)] == [False, True]


def test_clear_all_leaves_nothing(tiny_run):
    """Neither in the list nor in this visitor's memory."""
    at = upload(open_page(), ("trouser.png", photo(1)), ("bag.png", photo(8)))
    assert len(pictures_of(at)) == 2

    press(at, "Clear all")

    assert pictures_of(at) == []
    assert at.file_uploader[0].value == []
    assert "The answer appears here" in words(at)


def test_a_removed_file_is_forgotten(tiny_run):
    """What is no longer in the list is no longer in memory."""
    at = upload(open_page(), ("trouser.png", photo(1)))

    upload(at, ("bag.png", photo(8)))

    assert [picture.name for picture in pictures_of(at)] == ["bag.png"]


def test_photos_stay_while_the_visitor_is_elsewhere(tiny_run, toy_data):
    """With what was said of them; files that were no photos are not told again, others can be added, and all be cleared."""
    at = upload(open_page(), ("trouser.png", photo(1)), ("notes.txt", b"no photo"))
    pictures_of(at)[0].judged = "trouser"

    at.switch_page("pages/models.py").run()
    at.switch_page("pages/predict.py").run()

    assert not at.exception
    assert [(picture.name, picture.judged) for picture in pictures_of(at)] == [("trouser.png", "trouser")]
    assert at.file_uploader[0].value == []
    assert "1 photo from before is still here." in words(at)
    assert not at.error

    upload(at, ("bag.png", photo(8)))
    assert at.dataframe[0].value["File"].tolist() == ["trouser.png", "bag.png"]
    at.segmented_control(key=state.SOURCE).set_value("Test picture").run()
    at.segmented_control(key=state.SOURCE).set_value("Photos").run()
    assert at.dataframe[0].value["File"].tolist() == ["trouser.png", "bag.png"]

    held = pictures_of(at)
    press(at, "Clear all")
    assert all(picture.image is None for picture in held if picture.name.endswith("png"))
    assert "The answer appears here" in words(at)


def test_more_photos_than_allowed_are_refused_by_name(tiny_run, monkeypatch):
    """The first ones work; the one too many is named."""
    monkeypatch.setattr(picture_input, "MAX_PHOTOS", 2)

    at = upload(open_page(), *[(f"{label}.png", photo(label)) for label in (1, 8, 9)])

    assert at.dataframe[0].value["File"].tolist() == ["1.png", "8.png"]
    assert "9.png" in at.error[0].value.replace("\\", "")
    assert "At most 2 photos" in at.error[0].value


def test_the_choices_of_the_background_wrap_on_a_phone(tiny_run):
    """Otherwise the last of the three is cut off at the edge."""
    at = upload(open_page(), ("1.png", photo(1)))

    background = next(one for one in at.segmented_control if one.label == "Background")

    assert background.proto.wrap


def test_files_that_are_no_photos_take_no_room(tiny_run, monkeypatch):
    """Two texts before two photos, where two are allowed: both photos are answered."""
    monkeypatch.setattr(picture_input, "MAX_PHOTOS", 2)
    texts = [(f"{number}.jpg", b"milk, bread") for number in range(2)]

    at = upload(open_page(), *texts, ("1.png", photo(1)), ("8.png", photo(8)))

    assert at.dataframe[0].value["File"].tolist() == ["1.png", "8.png"]
    assert "At most" not in at.error[0].value


def test_ten_photos_too_many_are_told_in_one_sentence(tiny_run, monkeypatch):
    """The first of them by name, the others by their number: the answers stay in sight."""
    monkeypatch.setattr(picture_input, "MAX_PHOTOS", 1)

    at = upload(open_page(), *[(f"{number}.png", photo(1)) for number in range(11)])

    assert at.error[0].value.replace("\\", "") == (
        "**1.png**, **2.png** and 8 more: At most 1 photos are taken at a time. Clear the others and choose again."
    )


# What is kept


def test_the_page_says_what_happens_to_a_photo(tiny_run):
    """Before anything is uploaded, next to the place for it."""
    at = open_page()

    assert "never written to disk" in words(at)
    assert "metadata such as where one was taken is dropped" in words(at)
    assert "may well be wrong" in words(at)


def test_an_upload_writes_no_file(tiny_run):
    """Runs and the folder of temporary files hold the same files before and after."""
    at = open_page()

    def files():
        folders = (runs.runs_folder(), Path(tempfile.gettempdir()))
        return [
            sorted(folder.rglob("*")) if folder == folders[0] else sorted(folder.glob("*"))
            for folder in folders
        ]

    before = files()
    upload(at, ("trouser.png", photo(1)), ("bag.png", photo(8)))

    assert len(pictures_of(at)) == 2
    assert files() == before


def test_a_large_upload_stays_in_memory_while_it_arrives(tiny_run):
    """The web server's form parser would put what exceeds 1 MB into a temporary file."""
    open_page()
    body = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="photo.jpg"\r\n\r\n'
        + bytes(14_000_000)
        + b"\r\n--x--\r\n"
    )

    async def stream():
        yield body

    headers = Headers({"content-type": "multipart/form-data; boundary=x"})
    form = asyncio.run(MultiPartParser(headers, stream()).parse())

    assert form["f"].size == 14_000_000
    assert not form["f"].file._rolled


def test_the_file_itself_is_dropped_once_it_is_read(tiny_run, monkeypatch):
    """With it go the place and the time in its metadata; the list of files still names it."""
    held_bytes = []
    add_file = MemoryUploadedFileManager.add_file

    def spy(self, session_id, file):
        held_bytes.append((file.name, len(file.data)))
        add_file(self, session_id, file)

    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", spy)
    data = photo(1)

    at = upload(open_page(), ("trouser.png", data))

    assert held_bytes == [("trouser.png", len(data)), ("trouser.png", 0)]
    assert [file.name for file in at.file_uploader[0].value] == ["trouser.png"]


# Test pictures and drawings


def test_a_test_picture_shows_its_label_and_whether_the_model_is_right(tiny_run, toy_data):
    """Picture 13 is a dress."""
    at = open_page(source="Test picture", test_picture="13")

    assert not at.exception
    verdict = [element.value for element in (*at.success, *at.error)]
    assert verdict[0].endswith("The picture's label is dress.")
    answer = at.dataframe[0].value["class"][0]
    assert verdict[0].startswith("**Right.**" if answer == "dress" else "**Wrong.**")
    assert at.table[0].value["As stored"][0] == "28 x 28"


def test_another_test_picture_is_of_the_wanted_class(tiny_run, toy_data):
    """With "bag" chosen, every press shows a bag: pictures 8, 18 and 28."""
    at = open_page(source="Test picture")
    at.selectbox(key=state.TEST_CLASS).set_value("bag").run()

    for _ in range(3):
        press(at, "Another one")
        assert at.number_input(key=state.TEST_PICTURE).value in (8, 18, 28)


def test_a_model_for_some_classes_gets_its_own_test_pictures(toy_data):
    """Their numbers count the pictures of its classes alone: number 3 of all is outwear, of two classes a hat."""

    def page():
        from types import SimpleNamespace

        import streamlit as st

        from fashion import datasets
        from fashion.ui import picture_input, state

        state.initialise()
        every = datasets.CLASSES_CLOTHING
        classes = every[:2] if st.toggle("two") else every
        model = SimpleNamespace(card={"dataset": "clothing"}, classes=classes, sees_photos=False, name="m")
        (taken,) = picture_input.test_picture(model)
        st.text(taken.truth)

    at = AppTest.from_function(page, default_timeout=30)
    at.query_params["test_picture"] = "3"
    assert at.run().text[0].value == "outwear"

    at.toggle[0].set_value(True).run()

    assert not at.exception
    assert at.text[0].value == "hat"


def test_without_its_dataset_there_are_no_test_pictures(tiny_run, monkeypatch):
    """The page says so instead of failing."""
    monkeypatch.setattr(
        datasets, "status", lambda name: datasets.DataStatus(name, False, Path("/data"), ("missing",))
    )

    at = open_page(source="Test picture")

    assert not at.exception
    assert "there are no test pictures" in at.info[0].value


def test_a_drawing_is_answered_like_a_photo(tiny_run):
    """Class and seed come from the link, the label is known, and the steps can be overruled."""
    at = open_page(source="Drawing", drawn="bag", drawn_seed="7")

    assert not at.exception
    assert "The picture's label is bag" in words(at)
    assert "What was done to the photo" in words(at)
    (picture,) = pictures_of(at)
    assert picture.name == "drawn bag 7"


def test_another_drawing_has_another_seed(tiny_run):
    """One press, one new garment."""
    at = open_page(source="Drawing")
    before = pixels_of(at)

    press(at, "Another one")

    assert not np.array_equal(pixels_of(at), before)
