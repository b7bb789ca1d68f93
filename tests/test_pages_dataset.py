"""The frame, the landing page and the dataset page, on a toy dataset of 300 pictures. Run: pytest tests/test_pages_dataset.py"""

import ast
import itertools
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fashion import datasets, machine
from fashion.errors import DataError
from fashion.ui import charts, frame, state

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def toy_data(monkeypatch):
    """Both datasets are present: 300 pictures per split, or 100 drawn ones; picture i is of class i % 10."""
    labels = np.tile(np.arange(10, dtype=np.uint8), 30)
    images = np.repeat(np.arange(300) % 256, 28 * 28).reshape(300, 28, 28).astype(np.uint8)

    def load(name):
        n = 100 if name == "sketches" else 300
        parts = {split: datasets.Split(split, images[:n], labels[:n]) for split in datasets.SPLIT_NAMES}
        return datasets.Dataset(info=datasets.DATASETS[name], digest="0123456789abcdef", **parts)

    monkeypatch.setattr(datasets, "load", load)
    monkeypatch.setattr(
        datasets, "status", lambda name: datasets.DataStatus(name, True, Path("/data") / name, ())
    )


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    """No framework is asked: this machine has no GPU, unless a test says otherwise."""
    answer = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow": answer)


def open_app() -> AppTest:
    return AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30).run()


def open_dataset_page(**url: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30)
    for key, value in url.items():
        at.query_params[key] = value
    return at.switch_page("pages/dataset.py").run()


def words(at: AppTest) -> str:
    """Everything a visitor can read, in one text."""
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error, at.success)
    return "\n".join(element.value for kind in kinds for element in kind)


# The landing page


def test_the_landing_page_opens_with_three_doors_and_this_machine():
    """A new visitor reads what can be done here and what the machine is."""
    at = open_app()

    assert not at.exception
    assert at.title[0].value == "Fashion Lab"
    for heading in ("Look at the data", "Train a network", "Try a photo", "This machine"):
        assert heading in words(at)
    assert machine.describe().python in words(at)


def test_without_a_gpu_the_landing_page_says_so_and_how_to_get_one():
    """The guide names free GPUs, what an own one needs, and the line that shows whether it is seen."""
    at = open_app()

    assert "No graphics card" in at.info[0].value
    for hint in ("Colab", "Kaggle", "requirements-gpu.txt", 'tf.config.list_physical_devices("GPU")'):
        assert hint in words(at)


def test_with_a_gpu_the_landing_page_names_it_and_has_no_guide(monkeypatch):
    """Nobody with a GPU is told where to borrow one."""
    found = machine.Devices("tensorflow", ("NVIDIA H200",), None, "")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow": found)

    at = open_app()

    assert "NVIDIA H200" in at.success[0].value
    assert "Colab" not in words(at)


def test_a_gpu_problem_is_told_and_can_be_checked_again(monkeypatch):
    """After a repair, "Check again" asks once more instead of repeating the kept answer."""
    answers = [
        machine.Devices("tensorflow", (), "The driver lists a card, but TensorFlow sees none.", ""),
        machine.Devices("tensorflow", ("NVIDIA H200",), None, ""),
    ]
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow": answers.pop(0))
    at = open_app()
    assert "TensorFlow sees none" in at.warning[0].value

    next(button for button in at.button if button.label == "Check again").click().run()

    assert not at.warning
    assert "NVIDIA H200" in at.success[0].value


# The frame


def test_the_menu_links_every_page_that_exists_and_no_other(toy_data):
    """Each file in pages/ is in the menu, and each is listed once."""
    listed = [entry.file for entry in frame.PAGES]

    assert len(set(listed)) == len(listed)
    assert {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")} <= set(listed)
    for entry in frame.PAGES:
        assert entry.icon.startswith(":material/")


def test_an_unknown_page_is_refused_with_the_list_of_pages():
    """A wrong title is a programmer's mistake and names what there is."""
    with pytest.raises(ValueError, match="Home, Dataset, .* Received: 'Shop'"):
        frame.link("Shop")


def test_every_visitor_has_a_name_of_their_own():
    """Two visitors differ, and one keeps the name while clicking."""
    first, second = open_app(), open_app()
    name = first.session_state[state._VISITOR]

    first.run()

    assert len(name) == 16
    assert first.session_state[state._VISITOR] == name
    assert second.session_state[state._VISITOR] != name


# The dataset page


def test_the_dataset_page_shows_the_first_pictures_and_the_counts(toy_data):
    """Without any choice: 24 pictures of the training split, and the table of counts with a CSV."""
    at = open_dataset_page()

    assert not at.exception
    assert "1 to 24 of 300 pictures" in words(at)
    assert at.dataframe[0].value.columns.tolist() == ["class", "train", "validation", "test"]
    assert at.dataframe[0].value["train"].tolist() == [30] * 10


def test_a_class_filter_leaves_the_pictures_of_that_class(toy_data):
    """Of 300 pictures, 30 are sandals, on two pages of 24."""
    at = open_dataset_page()

    at.selectbox(key=state.CLASS).set_value("sandal").run()

    assert "1 to 24 of 30 pictures" in words(at)


def test_a_filter_goes_back_to_the_first_page(toy_data):
    """Page 13 of all pictures does not exist for one class, so the visitor stands on page 1 again."""
    at = open_dataset_page(page="13")
    assert "289 to 300 of 300" in words(at)

    at.selectbox(key=state.CLASS).set_value("bag").run()

    assert "1 to 24 of 30 pictures" in words(at)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param({"class": "coat", "page": "2"}, "25 to 30 of 30 pictures", id="class and page"),
        pytest.param({"per_page": "96"}, "1 to 96 of 300 pictures", id="pictures per page"),
        pytest.param({"page": "9999"}, "1 to 24 of 300 pictures", id="a page that does not exist"),
        pytest.param({"split": "nonsense"}, "1 to 24 of 300 pictures", id="a split that does not exist"),
        pytest.param({"section": "One picture", "picture": "25"}, "**sandal**", id="one picture"),
        pytest.param({"section": "One picture", "picture": "99999"}, "**t-shirt/top**", id="no such picture"),
    ],
)
def test_a_link_restores_what_was_on_screen(toy_data, url, expected):
    """The address holds the choices; one that is impossible is mended, not an error."""
    at = open_dataset_page(**url)

    assert not at.exception
    assert expected in words(at)


def test_a_choice_survives_a_visit_to_another_page(toy_data):
    """Back from the landing page, the test split is still chosen."""
    at = open_dataset_page(split="test")

    at.switch_page("streamlit_app.py").run()
    at.switch_page("pages/dataset.py").run()

    assert at.button_group(key=state.SPLIT).value == "test"


def test_one_picture_shows_what_the_network_receives(toy_data):
    """Picture 25 is class 5 with every pixel 25: stored as uint8 28 x 28, received as float32 1 x 28 x 28 x 1."""
    at = open_dataset_page(section="One picture", picture="25")

    assert at.table[0].value.iloc[0].tolist() == ["Shape", "28 x 28", "1 x 28 x 28 x 1"]
    assert at.table[0].value.iloc[1].tolist() == ["Number type", "uint8", "float32"]
    assert "label** is 5, which stands for **sandal**" in words(at)


def test_a_picture_number_that_a_smaller_dataset_lacks_becomes_its_last(toy_data):
    """Picture 299 of Fashion-MNIST is followed by picture 99 of the 100 drawn ones."""
    at = open_dataset_page(section="One picture", picture="299")

    at.button_group(key=state.DATASET).set_value("sketches").run()

    assert not at.exception
    assert at.number_input[0].value == 99


def test_a_page_number_that_a_smaller_dataset_lacks_becomes_its_last(toy_data):
    """Where another page of the app changes the dataset, page 13 is followed by page 5 of the 100 drawn ones."""
    at = open_dataset_page(page="13")

    at.session_state[state.DATASET] = "sketches"
    at.run()

    assert not at.exception
    assert "97 to 100 of 100 pictures" in words(at)


def test_averages_show_the_brightness_of_each_class(toy_data):
    """The table behind the boxes has a row per class."""
    at = open_dataset_page(section="Averages")

    assert not at.exception
    assert at.dataframe[0].value["class"].tolist() == list(datasets.CLASSES_FASHION)


def test_the_source_names_licence_and_citation(toy_data):
    """Whoever uses the pictures reads under which terms, and whom to cite."""
    at = open_dataset_page(section="Source")

    assert "MIT" in words(at)
    assert "1708.07747" in at.code[0].value


def test_choosing_a_picture_opens_it(toy_data):
    """What a click on a picture does: its number is set and its section opens."""
    at = open_dataset_page()

    at.session_state[state.PICTURE] = 25
    at.session_state[state.SECTION] = "One picture"
    at.run()

    assert not at.exception
    assert at.number_input[0].value == 25
    assert "**sandal**" in words(at)


# Missing data


@pytest.fixture
def missing_data(toy_data, monkeypatch):
    """Fashion-MNIST is not here until the set holds its name; drawn garments are."""
    here = {"sketches"}

    def status(name):
        problems = () if name in here else ("train-images-idx3-ubyte.gz is missing.",)
        return datasets.DataStatus(name, name in here, Path("/data") / name, problems)

    monkeypatch.setattr(datasets, "status", status)
    return here


def press(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def test_without_data_the_page_says_what_is_missing_and_offers_it(missing_data):
    """No exception and no empty page: what is missing, a download, and drawn garments meanwhile."""
    at = open_dataset_page()

    assert not at.exception
    assert "Not on this machine yet: Fashion-MNIST" in words(at)
    assert "train-images-idx3-ubyte.gz is missing." in words(at)
    assert {"Download", "Use drawn garments meanwhile"} <= {button.label for button in at.button}


def test_drawn_garments_stand_in_for_missing_data(missing_data):
    """One press, and there are pictures."""
    at = press(open_dataset_page(), "Use drawn garments meanwhile")

    assert at.button_group(key=state.DATASET).value == "sketches"
    assert "1 to 24 of 100 pictures" in words(at)


def test_a_download_reports_progress_and_then_shows_the_pictures(missing_data, monkeypatch):
    """Half way is half a bar; at the end the page draws itself with the data."""

    def fetch(name, progress):
        progress(15_000_000, 30_000_000)
        missing_data.add(name)

    monkeypatch.setattr(datasets, "fetch", fetch)

    at = press(open_dataset_page(), "Download")

    assert not at.exception
    assert "1 to 24 of 300 pictures" in words(at)


def test_a_failed_download_is_told_in_words_and_can_be_tried_again(missing_data, monkeypatch):
    """The reason stands on the page, and the button is still there."""

    def fetch(name, progress):
        raise DataError("The file could not be downloaded. Received: no connection. Try again.")

    monkeypatch.setattr(datasets, "fetch", fetch)

    at = press(open_dataset_page(), "Download")

    assert not at.exception
    assert "no connection" in at.error[0].value
    assert "Download" in {button.label for button in at.button}


def test_damaged_data_found_while_loading_is_told_in_words(toy_data, monkeypatch):
    """A file that looks right but cannot be read ends in a message and a way to fetch it again."""

    def load(name):
        raise DataError("train-labels-idx1-ubyte.gz is not a Fashion-MNIST file.")

    monkeypatch.setattr(datasets, "load", load)

    at = open_dataset_page()

    assert not at.exception
    assert "not a Fashion-MNIST file" in at.error[0].value
    assert "Download" in {button.label for button in at.button}


# Colours


def test_the_theme_has_the_class_colours():
    """A chart that leaves colours to the theme shows the same ones, in the same order."""
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]

    assert theme["chartCategoricalColors"] == list(charts.CLASS_COLOURS)


# Machado, Oliveira, Fernandes (2009), severity 1.0, on linear RGB.
SEEN_BY = {
    "all receptors": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(light: np.ndarray) -> np.ndarray:
    """Ottosson (2020): linear RGB to a space where distances are about what the eye sees."""
    cones = np.cbrt(
        np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        )
        @ light
    )
    return (
        np.array(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ]
        )
        @ cones
    )


@pytest.mark.parametrize("eye", SEEN_BY)
def test_any_two_class_colours_differ_for_colour_blind_readers(eye):
    """Ten colours, 45 pairs, each at least 0.09 apart in OKLab (the usual ten of Tableau: 0.01)."""
    seen = {
        colour: oklab(np.clip(SEEN_BY[eye] @ linear(colour), 0, 1))
        for colour in (*charts.CLASS_COLOURS, *charts.SPLIT_COLOURS.values())
    }

    for first, second in (
        *itertools.combinations(charts.CLASS_COLOURS, 2),
        tuple(charts.SPLIT_COLOURS.values()),
    ):
        assert np.linalg.norm(seen[first] - seen[second]) > 0.09, (first, second)


def test_class_colours_show_on_a_light_and_on_a_dark_page():
    """Contrast against both backgrounds of the theme is at least 1.9 to 1; names and numbers stand beside the marks."""
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    weights = np.array([0.2126, 0.7152, 0.0722])

    for mode in ("light", "dark"):
        page = linear(theme[mode]["backgroundColor"]) @ weights + 0.05
        for colour in charts.CLASS_COLOURS:
            mark = linear(colour) @ weights + 0.05
            assert max(mark, page) / min(mark, page) > 1.9, (mode, colour)


def test_a_class_scale_gives_a_class_the_colour_of_its_label_number():
    """The second class has the second colour, whatever a chart shows."""
    scale = charts.class_scale(("hat", "coat")).to_dict()

    assert scale == {"domain": ["hat", "coat"], "range": ["#5e92fa", "#e1af0a"]}


def test_the_number_of_every_pixel_stands_in_its_square():
    """Row 1, column 0 of the picture is the third row of the table."""
    table = charts.pixel_table(np.array([[1, 2], [3, 4]], dtype=np.uint8))

    assert table.to_numpy().tolist() == [[0, 0, 1], [0, 1, 2], [1, 0, 3], [1, 1, 4]]


# What is loaded


def loaded_modules(statement: str) -> set[str]:
    command = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_server_side_loads_no_tensorflow_and_no_keras():
    """Half a gigabyte and four seconds stay in the worker."""
    modules = loaded_modules("from fashion.ui import cache, charts, components, frame, state")

    assert "streamlit" in modules
    assert not modules & {"tensorflow", "keras", "torch", "jax"}


def test_pictures_load_no_streamlit():
    """Arrows point down only: the library knows nothing of the pages."""
    assert "streamlit" not in loaded_modules("import fashion.pictures")


@pytest.mark.parametrize("page", ["streamlit_app.py", "pages/dataset.py"])
def test_a_page_imports_no_numpy_and_is_short(page):
    """A page reads as a script; what computes lives in a module with tests."""
    source = (ROOT / page).read_text()
    imported = {
        name
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert not {name.partition(".")[0] for name in imported} & {"numpy", "pandas", "altair", "PIL", "keras"}
    assert len(source.splitlines()) <= 120
