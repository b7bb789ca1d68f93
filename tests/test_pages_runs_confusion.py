"""The confusion matrix on the Runs page: each cell opens the pictures that were counted in it, and no others."""

from pathlib import Path

import numpy as np
import pytest
import runs_page
from run_folders import CLASSES, DIGEST, WRONG, make_run, toy_dataset
from runs_page import open_page, words
from streamlit.testing.v1 import AppTest

from fashion import datasets, evaluation, summary
from fashion.errors import DataError
from fashion.ui import charts, confusion_view, state

A = "20260102-030405-softmax-aaaa"


@pytest.fixture(autouse=True)
def _toy_machine(monkeypatch, tmp_path):
    """A toy dataset, no shipped models, no GPU question, and queued runs stay queued."""
    runs_page.toy_machine(monkeypatch, tmp_path)


@pytest.fixture
def shown(monkeypatch):
    """What picture grids show: key -> (captions, mean pixel values) of the last drawing."""
    return runs_page.recorded_grids(monkeypatch)


def click_cell(at: AppTest, true: str, predicted: str) -> AppTest:
    """What the browser sends when a square is clicked."""
    count = at.session_state["_cells_chosen_by_hand"]
    selection = {"cell": [{"true": true, "predicted": predicted}]}
    at.session_state[f"_confusion_{A}_test_{count}"] = {"selection": selection}
    return at.run()


def test_every_cell_opens_exactly_the_pictures_that_were_counted_in_it(shown):
    """All cells that hold pictures: as many captions, over all pages, as the matrix counts."""
    one = summary.summarise(make_run(A))
    said = summary.predictions(one)
    matrix = evaluation.confusion_matrix(said.labels, said.probabilities.argmax(axis=1), 10)
    at = open_page(open=A, view="Confusion matrix")

    for true, predicted in np.argwhere(matrix).tolist():
        at = click_cell(at, CLASSES[true], CLASSES[predicted])
        assert not at.exception
        seen = len(shown["_cell_grid"][0])
        if matrix[true, predicted] > confusion_view.PER_PAGE:
            at.session_state["_cell_page"] = 2
            seen += len(at.run() and shown["_cell_grid"][0])
        assert seen == matrix[true, predicted], (CLASSES[true], CLASSES[predicted])
    assert {pair: int(matrix[pair]) for pair in WRONG} == WRONG


def test_the_matrix_takes_its_colours_from_the_theme_and_its_numbers_theirs_from_the_square():
    """No colour of its own, which would be wrong in one of both themes; white or black by what the square is like."""
    cells = confusion_view.confusion_cells(np.array([[3, 1], [0, 2]]), ("coat", "shirt"))

    layers = confusion_view.confusion_chart(cells, cells[:1], ("coat", "shirt")).to_dict()["layer"]

    squares, _, numbers = (layer["encoding"] for layer in layers)
    assert squares["color"]["scale"] == {"domain": [0, 1], "type": "sqrt"}
    assert numbers["color"]["condition"] == [
        {"test": "datum['count'] == 0", "value": charts.MIDDLE_GREY},
        {"test": "luminance(scale('color', datum.share)) > 0.18", "value": "#14181a"},
    ]
    assert numbers["color"]["value"] == "white"


def test_a_clicked_cell_shows_label_and_answer_the_most_confident_first(shown):
    """Five coats were taken for pullovers, with 90, 89, 88, 87 and 86 %."""
    make_run(A)

    at = click_cell(open_page(open=A, view="Confusion matrix"), "coat", "pullover")

    captions, brightness = shown["_cell_grid"]
    assert [caption.replace("\u00a0", " ") for caption in captions] == [
        f"✗ is coat, said pullover {claimed}.0%" for claimed in (90, 89, 88, 87, 86)
    ]
    assert brightness == [4, 14, 24, 34, 44]
    assert "coat taken for pullover: 5 pictures" in words(at)
    assert "The label may be what is wrong" in words(at)


def test_the_most_frequent_mistake_is_open_at_first(shown):
    """Seven shirts taken for t-shirts: the visitor need not search."""
    make_run(A)

    at = open_page(open=A, view="Confusion matrix")

    assert "shirt taken for t-shirt/top: 7 pictures" in words(at)
    assert len(shown["_cell_grid"][0]) == 7


def test_a_cell_can_be_chosen_without_a_mouse(shown):
    """Two choices do what a click does, and a later click is followed again."""
    make_run(A)
    at = click_cell(open_page(open=A, view="Confusion matrix"), "coat", "pullover")

    at.selectbox(key=state.TRUE).set_value("bag").run()
    at.selectbox(key=state.PREDICTED).set_value("bag").run()
    by_hand = words(at)
    at = click_cell(at, "coat", "pullover")

    assert "bag, recognised: 30 pictures" in by_hand
    assert "coat taken for pullover: 5 pictures" in words(at)


def test_an_empty_cell_says_so(shown):
    """No bag was taken for a sandal."""
    make_run(A)

    at = open_page(open=A, view="Confusion matrix", true="bag", predicted="sandal")

    assert not at.exception
    assert "bag taken for sandal: 0 pictures" in words(at)
    assert "_cell_grid" not in shown


def test_a_forged_click_is_ignored(shown):
    """Names that are no classes change nothing."""
    make_run(A)

    at = click_cell(open_page(open=A, view="Confusion matrix"), "../etc", "passwd")

    assert not at.exception
    assert "shirt taken for t-shirt/top: 7 pictures" in words(at)


def test_pictures_of_other_data_are_not_shown_as_if_they_were_the_tested_ones(shown, monkeypatch):
    """Another fingerprint: the numbers stand, the pictures do not."""
    make_run(A)
    monkeypatch.setattr(datasets, "load", lambda name: toy_dataset(name, digest="fedcba9876543210"))

    at = open_page(open=A, view="Confusion matrix")

    assert not at.exception
    assert "other pictures" in at.warning[0].value
    assert DIGEST in at.warning[0].value
    assert "_cell_grid" not in shown
    assert "shirt taken for t-shirt/top: 7 pictures" in words(at)


@pytest.mark.parametrize("view", ["Confusion matrix", "Mistakes", "Probe pictures"])
def test_without_the_dataset_the_numbers_are_shown(shown, monkeypatch, view):
    """A run may come from another machine."""
    make_run(A)
    monkeypatch.setattr(datasets, "status", lambda name: datasets.DataStatus(name, False, Path("/data"), ()))

    at = open_page(open=A, view=view)

    assert not at.exception
    assert "are not on this machine" in words(at)
    assert not {"_cell_grid", "_mistakes_grid", "_probe_grid"} & set(shown)


def test_a_dataset_that_cannot_be_read_is_told(monkeypatch):
    """Damaged data ends in words beside the numbers."""
    make_run(A)

    def load(name):
        raise DataError("train-labels-idx1-ubyte.gz is damaged.")

    monkeypatch.setattr(datasets, "load", load)

    at = open_page(open=A, view="Mistakes")

    assert not at.exception
    assert "is damaged" in at.warning[0].value


def test_a_confusion_chart_selects_by_class_names_and_leaves_empty_cells_empty():
    """The click carries the two names; a cell without pictures has a 0 and no square."""
    cells = confusion_view.confusion_cells(np.array([[3, 1], [0, 4]]), ("hat", "coat"))

    chart = confusion_view.confusion_chart(cells, cells[:1], ("hat", "coat")).to_dict()

    assert cells.share.tolist() == [0.75, 0.25, 0.0, 1.0]
    (parameter,) = [one for one in chart["params"] if one["name"] == "cell"]
    assert parameter["select"]["fields"] == ["true", "predicted"]
    squares, _, counts = (chart["datasets"][layer["data"]["name"]] for layer in chart["layer"])
    assert (len(squares), len(counts)) == (3, 4)
