"""The Models page tells of each model what it learned from, how often it is right and where it fails, and stays up with bad files."""

import json
from pathlib import Path

import photo_models
import pytest
from run_folders import DIGEST, LABELS, answers, change_card, make_run, write_arrays
from streamlit.testing.v1 import AppTest

from fashion import clothing_files, model_card, runs
from fashion.ui import cache

ENTRY = str(Path(__file__).resolve().parents[1] / "streamlit_app.py")
A, B = "20260102-030405-softmax-aaaa", "20260103-030405-cnn-bbbb"
PHOTO_RUN = "20260102-120000-photo-0001"
SHIPPED = [run.id for run in runs.shipped()]
REAL_MODELS, REAL_SPEED = runs.SHIPPED, cache.speed
REFUSAL = {
    "rule": "Refused when it is too far from all of them.",
    "threshold": 0.7,
    "false_alarms": {"refused": 17, "n": 372},
    "others": [{"kind": "animals", "refused": 66, "n": 90}],
}


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch, tmp_path):
    """These tests know which models there are, and their toys answer at once."""
    monkeypatch.setattr(runs, "SHIPPED", tmp_path / "models")
    monkeypatch.setattr(cache, "speed", lambda name: model_card.Speed(0.0123, 0.011, 20))


def open_page(**url: str) -> AppTest:
    at = AppTest.from_file(ENTRY, default_timeout=60)
    for key, value in url.items():
        at.query_params[key] = value
    return at.switch_page("pages/models.py").run()


def words(at: AppTest) -> str:
    """Everything a visitor can read, in one text."""
    kinds = (at.subheader, at.markdown, at.caption, at.info, at.warning, at.error)
    return "\n".join(element.value for kind in kinds for element in kind)


def headings(at: AppTest) -> list[str]:
    return [heading.value for heading in at.subheader]


def links(at: AppTest) -> dict[str, tuple[str, str]]:
    """Label -> page and query of each link."""
    found = (link.proto for link in at.get("page_link"))
    return {link.label: (link.page, link.query_string) for link in found}


def photo_run(**changes) -> runs.Run:
    """A model for photos whose answers are those of the toys: 12 of 300 wrong."""
    run = photo_models.make_run(PHOTO_RUN, **{"temperature": 1.0, **changes})
    both = {f"{split}_probabilities": answers() for split in ("validation", "test")}
    write_arrays(run, "evaluation.npz", **both, validation_labels=LABELS, test_labels=LABELS)
    return run


# Which model


def test_without_a_model_the_page_says_to_train_one():
    """A new visitor is sent to the Train page."""
    at = open_page()

    assert not at.exception
    assert "There is no trained network here yet" in at.info[0].value


def test_a_model_in_the_link_is_shown():
    """Not the newest, which comes first."""
    make_run(A)
    make_run(B)

    assert open_page().selectbox(key="_model").value == B
    assert open_page(model=A).selectbox(key="_model").value == A


@pytest.mark.parametrize("name", ["../../etc/passwd", "no-such-model", "[a](http://b)"])
def test_an_unknown_model_in_the_link_is_named_and_another_shown(name):
    """A link to a deleted run, or to a path, does no harm."""
    make_run(A)

    at = open_page(model=name)

    assert not at.exception
    assert name in at.warning[0].value.replace("\\", "")
    assert at.selectbox(key="_model").value == A


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_has_its_card(name, monkeypatch):
    """With the accuracy that its card states, and no section in an error."""
    monkeypatch.setattr(runs, "SHIPPED", REAL_MODELS)
    test = json.loads((REAL_MODELS / name / "card.json").read_text())["metrics"]["test"]

    at = open_page(model=name)

    assert not at.exception
    assert not at.error
    assert not at.warning
    assert f"**{test['accuracy']:.1%}** (95 % interval" in words(at)
    assert {"What it learned from", "What it confuses", "Where it fails", "Size and speed"} <= set(
        headings(at)
    )


# What stands there


def test_the_accuracy_comes_with_its_pictures_and_interval():
    """288 of 300 right: Wilson's interval from a statistics table."""
    make_run(A)

    at = open_page()

    assert at.metric[0].value == "96.0%"
    assert "300 pictures; 95 % interval 93.1% to 97.7%" in words(at)
    assert "**96.0%** (95 % interval 93.1% to 97.7%)" in words(at)


def test_confusions_are_told_in_words_the_most_frequent_first():
    """Seven shirts and five coats of 30 each."""
    make_run(A)

    told = words(open_page())

    shirts = "**shirt** taken for **t-shirt/top**: 7 of 30 (23.3%; 95 % interval 11.8% to 40.9%)"
    coats = "**coat** taken for **pullover**: 5 of 30 (16.7%; 95 % interval 7.3% to 33.6%)"
    assert told.index(shirts) < told.index(coats)


def test_without_mistakes_nothing_is_confused():
    """No empty list."""
    make_run(A, wrong={})

    at = open_page()

    assert not at.exception
    assert "Nothing: not one of 300 test pictures was mistaken." in words(at)


def test_links_lead_on_with_this_model():
    """To a photo, to the matrix with its pictures, and to the dataset."""
    make_run(A)

    found = links(open_page())

    assert found["Try it on a photo"] == ("predict", f"model={A}")
    assert found["All confusions, with the pictures"] == ("runs", f"open={A}&view=Confusion+matrix")
    assert found["See the pictures"] == ("dataset", "dataset=fashion-mnist")


def test_the_calibration_error_is_told_before_and_after_the_temperature():
    """300 answers claim 90 % and are all right; at temperature 1.25 they claim 78.9 %.

    The others have 0.1 / 9 each: 0.9 ** 0.8 / (0.9 ** 0.8 + 9 * (0.1 / 9) ** 0.8) = 0.789.
    """
    make_run(A, wrong={})

    told = words(open_page())

    assert "confidence and accuracy lie **10.0** percentage points apart on average" in told
    assert "with the temperature, **21.1**" in told


def test_unsure_answers_are_counted():
    """All toys are surer than 60 %."""
    make_run(A)

    assert "None of 300 test pictures got such an answer." in words(open_page())


def test_the_speed_comes_with_its_machine():
    """Time, count, processor and version of what computed."""
    make_run(A)

    told = words(open_page())

    assert "12.3 ms" in told
    assert "median of 20, one picture at a time; the fastest took 11.0 ms" in told
    assert "LiteRT" in told


def test_the_files_can_be_taken_along():
    """The network, and the card."""
    make_run(A)

    labels = [button.proto.label for button in open_page().get("download_button")]

    assert {"LiteRT model, 0.0 kB", "Labels"} <= set(labels)
    assert any(label.startswith("Card, ") for label in labels)


# Photos


def test_people_it_has_never_seen_are_compared_for_the_published_photos():
    """Both accuracies with n and interval, and what keeps that from being a proof."""
    photo_run(data_digest=clothing_files.DIGEST)

    at = open_page()

    assert not at.exception
    assert "Photos from people it has never seen" in headings(at)
    (table,) = [table.value for table in at.table if "Right" in table.value]
    assert table["Right"].tolist() == ["96.0% of 300", "96.0% of 300"]
    assert table["95 % interval"].tolist() == ["93.1% to 97.7%"] * 2
    assert "There is no difference" in words(at)
    assert "Five people are few" in words(at)


def test_of_other_photos_nothing_is_said_about_people():
    """Nobody knows who sent them."""
    photo_run(data_digest=DIGEST)

    assert "Photos from people it has never seen" not in headings(open_page())


def test_refusals_are_shown_with_both_rates():
    """17 of 372 false alarms; 66 of 90 animals."""
    photo_run(refusal=REFUSAL)

    at = open_page()

    assert REFUSAL["rule"] in words(at)
    assert "17 of 372 test photos, which do show one of the ten, were refused: 4.6%" in words(at)
    assert "66 of 90 were refused: 73.3% (95 % interval 63.4% to 81.4%)" in words(at)
    (table,) = [frame.value for frame in at.dataframe if "What they show" in frame.value]
    assert table["What they show"].tolist() == ["animals"]
    assert "Pictures without any clothes are refused at the rates above." in words(at)


def test_a_rule_that_was_tried_on_clothes_only_shows_its_false_alarms():
    """A run of one's own has no other pictures."""
    photo_run(refusal={**REFUSAL, "others": []})

    at = open_page()

    assert not at.exception
    assert "False alarms" in words(at)
    assert "Pictures that show none of them" not in words(at)
    assert "rates above" not in words(at)
    assert "how often it does was not measured for this model" in words(at)


def test_without_a_rule_there_is_no_such_section():
    """Models for 28x28 pictures, and older runs."""
    photo_run()

    assert not [heading for heading in headings(open_page()) if "not one of the ten" in heading]


# Bad files


def test_a_damaged_refusal_is_told_and_the_rest_stands():
    """In words, with the sections after it."""
    photo_run(refusal={"rule": "r"})

    at = open_page()

    assert not at.exception
    assert "must hold a rule" in at.error[0].value
    assert "Where it fails" in headings(at)


def test_a_model_without_stored_answers_still_has_a_card():
    """What is known is shown, and what is not is named."""
    run = make_run(A)
    (run.folder / "evaluation.npz").unlink()

    at = open_page()

    assert not at.exception
    assert "without stored answers" in at.info[0].value
    assert "What it confuses" not in headings(at)
    assert "Where it fails" in headings(at)


def test_a_damaged_network_is_told_where_its_speed_would_stand(monkeypatch):
    """Its file is not what the card says."""
    monkeypatch.setattr(cache, "speed", REAL_SPEED)
    make_run(A)

    at = open_page()

    assert not at.exception
    assert "The file is damaged" in at.error[0].value
    assert "Take it along" in headings(at)


def test_a_card_with_words_of_a_stranger_stays_text():
    """A run folder may come from anywhere: nothing in it becomes a link."""
    run = make_run(A)
    change_card(run, machine={"processor": "[x](http://evil)", "num_cores": 2})

    assert "[x](http://evil)" not in words(open_page())


def test_the_speed_is_measured_once_and_again_when_asked(monkeypatch):
    """The first number of a busy moment need not stay."""
    times = iter((0.010, 0.020))
    monkeypatch.setattr(model_card, "speed", lambda model: model_card.Speed(next(times), 0.005, 7))
    network = type("Network", (), {"card": {"files": {"model.tflite": {"sha256": "00"}}}})()
    monkeypatch.setattr(cache, "model", lambda name: network)

    assert [REAL_SPEED("a").median, REAL_SPEED("a").median] == [0.010, 0.010]
    cache.forget_speed("a")
    assert REAL_SPEED("a").median == 0.020
