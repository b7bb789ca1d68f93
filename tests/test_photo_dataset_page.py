"""The dataset page on tiny clothing photos. Run: pytest tests/test_photo_dataset_page.py"""

from pathlib import Path

import clothing_folder
import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from fashion import clothing, clothing_files, datasets, pictures, squares
from fashion.ui import charts, components, photo_dataset_view, state

ROOT = Path(__file__).resolve().parents[1]
DOUBTFUL = "46e4c390-2154-4f6f-8c6f-e7805564d929"  # filed as a dress; its other label is skirt


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Two photos per class and split, and one dress more in validation whose label is doubtful."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    content = clothing_folder.files()
    content[f"validation/dress/{DOUBTFUL}.jpg"] = clothing_folder.jpeg(100, size=(60, 40))
    folder = clothing_folder.write(tmp_path / "data" / clothing.FOLDER, content)
    for split, number in {"train": 20, "validation": 21, "test": 20}.items():
        monkeypatch.setitem(clothing_files.SPLIT_SIZES, split, number)
    monkeypatch.setattr(clothing_files, "DIGEST", clothing_files.survey(folder).digest)
    clothing_files._survey.cache_clear()
    return folder


@pytest.fixture
def shown(monkeypatch):
    """Every grid of pictures that is drawn, by its key: captions, alts, pictures and what a click calls."""
    grids = {}

    def picture_grid(images, captions, *, key, alts=None, on_click=None, chosen=None, size=88):
        grids[key] = {"images": list(images), "captions": captions, "alts": alts, "on_click": on_click}

    monkeypatch.setattr(components, "picture_grid", picture_grid)
    return grids


def open_page(**url: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30)
    at.query_params["dataset"] = "clothing"
    for key, value in url.items():
        at.query_params[key] = value
    at = at.switch_page("pages/dataset.py").run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    """Everything a visitor can read, in one text."""
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error, at.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def test_the_photos_are_shown_page_by_page(photos, shown):
    """All twenty of train, the classes taking turns, as JPEG text with class below; the counts have a row per class."""
    at = open_page()

    assert "1 to 20 of 20 pictures" in words(at)
    assert shown["_browser"]["captions"] == [*datasets.CLASSES_CLOTHING] * 2
    assert shown["_browser"]["alts"][:2] == ["dress, number 0", "hat, number 2"]
    assert all(image.startswith("data:image/jpeg;base64,") for image in shown["_browser"]["images"])
    assert at.dataframe[0].value["train"].tolist() == [2] * 10


def test_a_class_of_photos_can_be_chosen(photos, shown):
    """Two of twenty are shoes."""
    at = open_page()

    at.selectbox(key=state.CLASS).set_value("shoes").run()

    assert "1 to 2 of 2 pictures" in words(at)
    assert shown["_browser"]["alts"] == ["shoes, number 12", "shoes, number 13"]


def test_the_mix_of_the_splits_is_told(photos, shown):
    """The class whose share differs most between train and test is named with both shares."""
    for number in range(8):
        (photos / "test" / "shoes" / f"more-{number}.jpg").write_bytes(clothing_folder.jpeg(number))

    text = words(open_page())

    # 2 of 20, and 10 of 28.
    assert "the class *shoes* is 10 % of train and 36 % of test" in text


def test_who_sent_the_photos_is_told_of_the_published_ones_only(photos, shown):
    """298 people sent those of train; of another version nobody knows."""
    assert "298 people sent the photos of train" in words(open_page())

    (photos / "train" / "hat" / "new.jpg").write_bytes(clothing_folder.jpeg(7))
    at = open_page()

    assert "298 people" not in words(at)
    assert "Another version of the photos: 21 for train" in at.warning[0].value


def test_the_sizes_of_a_split_are_counted(photos, shown):
    """Of 21 validation photos, 20 are 40 x 60 and upright; one is wide."""
    at = open_page(split="validation")

    assert "20 of the 21 photos of validation have 40 x 60 pixels, the others 1 more sizes" in words(at)
    assert "95 % are upright and 5 % wide" in words(at)
    assert at.dataframe[2].value.to_numpy().tolist() == [[40, 60, 20], [60, 40, 1]]


def test_one_photo_is_shown_as_sent_and_as_networks_get_it(photos, shown):
    """Photo 19 of train is a t-shirt of 181; its squares have four sizes, and cropping loses a third at two ends."""
    at = open_page(section="One picture", picture="19")

    text = words(at)
    assert "60 x 40 x 3 = 7,200 numbers" in text
    assert "stands for **t-shirt**" in text
    assert shown["_sides"]["captions"] == [
        "96 px: 27,648 numbers",
        "150 px: 67,500 numbers",
        "224 px: 150,528 numbers",
        "299 px: 268,203 numbers",
    ]
    assert "loses 33 % of this photo at top and bottom" in text
    assert len(shown["_fits"]["images"]) == 4
    channels = at.table[0].value.set_index("Channel")
    assert channels.loc["red", "Lowest"] == 0
    assert abs(channels.loc["red", "Highest"] - 181) <= 2


def test_a_square_photo_needs_no_choice(photos, shown):
    """Where nothing is lost, the page says so."""
    path = photos / "train" / "dress" / "train-0-0.jpg"
    path.unlink()
    path.write_bytes(clothing_folder.jpeg(50, size=(40, 40)))

    assert "a square already" in words(open_page(section="One picture"))
    assert "_fits" not in shown


def test_the_numbers_of_a_channel_can_be_chosen(photos, shown):
    """The table behind the squares has 28 x 28 rows for the chosen colour."""
    at = open_page(section="One picture", channel="blue")

    assert len(at.dataframe[0].value) == 28 * 28
    assert at.button_group(key=state.CHANNEL).value == "blue"


def test_augmentation_shows_nine_variants_and_nine_others(photos, shown):
    """The same nine come again after a click elsewhere, and others at the press of the button."""
    at = open_page(section="Augmentation", picture="19")
    first = shown["_variants"]["images"]
    assert len(first) == 9
    assert len(set(first)) > 1

    at.run()
    assert shown["_variants"]["images"] == first

    at.button[0].click().run()

    assert at.button[0].label == "Nine others"
    assert shown["_variants"]["images"] != first


def test_without_any_change_all_variants_are_the_cropped_photo(photos, shown):
    """Sliders at their left end, no flip: nine times the same."""
    at = open_page(section="Augmentation", picture="19")

    at.toggle[0].set_value(False)
    for slider in at.slider:
        slider.set_value(0.0)
    at.run()

    assert not at.exception
    assert len(set(shown["_variants"]["images"])) == 1


def test_doubtful_labels_are_shown_with_both(photos, shown):
    """The one of validation: filed as dress, or skirt; none in train and test here."""
    at = open_page(section="Doubtful labels")

    assert shown["_doubtful_validation"]["captions"] == ["dress, or skirt?"]
    assert "validation: 1 of 21 photos" in words(at)
    assert at.dataframe[0].value.to_numpy().tolist() == [[DOUBTFUL, 0, "dress", "skirt"]]


def test_a_doubtful_photo_says_so_where_it_is_looked_at(photos, shown):
    """The other label stands beside the photo."""
    at = open_page(section="One picture", split="validation", picture="0")

    assert "filed as dress; it also has the label skirt" in at.warning[0].value


def test_averages_of_photos_are_small_and_in_colour(photos, shown):
    """Ten mean pictures of 48 x 48, bright above and black below; brightness of hats is about half of 20.5."""
    at = open_page(section="Averages")

    means = shown["_means"]["images"]
    assert [mean.shape for mean in means] == [(48, 48, 3)] * 10
    assert means[9][:20].mean() > 170
    assert means[9][30:].mean() < 5
    table = at.dataframe[0].value.set_index("class")
    assert abs(table.loc["hat", "median"] - 10.25) < 2


def test_the_source_names_licence_and_size(photos, shown):
    """CC0, and that the photos have no common size."""
    at = open_page(section="Source")

    assert "CC0" in words(at)
    assert "photo in colour, of any size" in words(at)


def test_a_section_that_another_dataset_lacks_falls_back(photos, shown):
    """From the augmentation of photos to the drawn garments: their pictures, no error."""
    at = open_page(section="Augmentation")

    at.button_group(key=state.DATASET).set_value("sketches").run()

    assert not at.exception
    assert at.button_group(key=state.SECTION).value == "Pictures"
    assert "of 6,000 pictures" in words(at)


def test_a_class_that_another_dataset_lacks_falls_back(photos, shown):
    """There are no shoes among the drawn garments, so all are shown."""
    at = open_page()
    at.selectbox(key=state.CLASS).set_value("shoes").run()

    at.button_group(key=state.DATASET).set_value("sketches").run()

    assert not at.exception
    assert "1 to 24 of 6,000 pictures" in words(at)


def test_missing_photos_can_be_downloaded(tmp_path, monkeypatch, shown):
    """The panel names the size of the download; after it, the photos are shown."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))

    def fetch(name, progress):
        progress(53_000_000, 106_000_000)
        progress(106_000_000, 106_000_000)
        clothing_folder.write(tmp_path / "data" / clothing.FOLDER, clothing_folder.files())

    monkeypatch.setattr(datasets, "fetch", fetch)
    at = open_page()
    assert "Not on this machine yet: Clothing photos" in words(at)
    assert "about 106 MB" in words(at)

    next(button for button in at.button if button.label == "Download").click().run()

    assert not at.exception
    assert "1 to 20 of 20 pictures" in words(at)


def test_an_unreadable_photo_is_named_on_the_page(photos, shown):
    """The note stands above the pictures."""
    (photos / "train" / "hat" / "broken.jpg").write_bytes(b"no photo")

    at = open_page()

    assert "1 photo cannot be read and is left out: train/hat/broken.jpg." in at.warning[0].value


def test_nothing_of_the_photos_stays_in_memory(photos):
    """What the pages share are paths, not pixels."""
    images = datasets.load("clothing").train.images

    assert isinstance(images, datasets.Photos)
    assert set(vars(images)) == {"paths", "side", "fit"}


def test_shares_are_fractions_of_their_split():
    """Of two splits with 3 + 1 and 1 + 1 pictures: three quarters and a half."""
    counts = photo_dataset_view.pd.DataFrame({"class": ["hat", "coat"], "train": [3, 1], "test": [1, 1]})

    chart = charts.class_shares(counts, ("hat", "coat")).to_dict()

    rows = next(iter(chart["datasets"].values()))
    assert [row["share"] for row in rows] == [0.75, 0.25, 0.5, 0.5]


def test_the_chart_of_sizes_is_as_high_as_wide():
    """Both axes end at the same number, so that the square's line is where it belongs."""
    table = photo_dataset_view.pd.DataFrame({"width": [400, 300], "height": [500, 300], "photos": [2, 1]})

    chart = charts.photo_sizes(table).to_dict()

    circles = chart["layer"][1]["encoding"]
    assert circles["x"]["scale"]["domain"] == circles["y"]["scale"]["domain"] == [0, 540]


def test_a_photo_as_text_is_a_jpeg_of_the_same_size():
    """Decoded again, a one-coloured photo is what it was."""
    import base64
    from io import BytesIO

    head, text = photo_dataset_view.pictures.photo_uri(np.full((20, 30, 3), 90, np.uint8)).split(",")

    decoded = Image.open(BytesIO(base64.b64decode(text)))
    assert head == "data:image/jpeg;base64"
    assert decoded.size == (30, 20)
    assert abs(np.asarray(decoded).astype(int) - 90).max() <= 1


def test_what_cropping_loses_is_pale():
    """Of a black photo of 4 x 10 pixels, three rows at each end become grey; the middle stays."""
    marked = np.asarray(pictures.part_marked(Image.new("RGB", (4, 10)), squares.part((4, 10))))

    assert marked[3:7].max() == 0
    assert marked[:3].min() == marked[7:].min() == 150
