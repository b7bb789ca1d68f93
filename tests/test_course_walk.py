"""A walk through all fifteen lessons: each experiment started from its button in its smallest form, made by a real worker, and
shown with its conclusion and a question that can be answered. Pretrained weights are random; pytest itself imports no Keras.
"""

import os
import shutil
import subprocess
import sys

import clothing_folder
import pooch
import pytest
from streamlit.testing.v1 import AppTest

from fashion import (
    clothing,
    datasets,
    feature_store,
    jobs,
    lessons,
    lessons_results,
    machine,
    pretrained,
    runs,
)
from fashion.lessons_form import Experiment, Lesson

ENTRY = str(runs.ROOT / "streamlit_app.py")
WAIT_SECONDS = 1500.0  # these machines may be busy
ALL = [(lesson, one) for lesson in lessons.LESSONS for one in lesson.experiments]
NEEDS_PHOTOS = ("augmentation", "larger-input", "bases", "homework-150", "homework-200")
WITHOUT_RUNS = ("tensorflow", "pretrained", "convolution", "using-the-model", "summary")
_SAVE_RANDOM_WEIGHTS = """
import sys
import h5py, keras
from keras.src.legacy.saving import legacy_h5_format
for path, name, more in zip(sys.argv[1:], ("MobileNetV2", "MobileNetV2", "EfficientNetV2B0"), ({"alpha": 0.35}, {}, {})):
    keras.utils.set_random_seed(1)
    model = getattr(keras.applications, name)(input_shape=(64, 64, 3), include_top=False, weights=None, **more)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    """Neither photos, weights nor stored vectors of this machine; no GPU, TensorFlow only; pytest starts the worker."""
    nothing = machine.Devices("tensorflow", (), None, "2026-01-01T00:00:00+00:00")
    monkeypatch.setattr(machine, "devices", lambda framework="tensorflow", **_: nothing)
    monkeypatch.setattr(machine, "installed_frameworks", lambda: ("tensorflow",))
    monkeypatch.setattr(jobs.LocalQueue, "start", lambda self: self)
    drawn = pooch.os_cache("fashion-lab") / "sketches"  # drawing them anew would take 5 s
    for name in ("DATA", "WEIGHTS"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"FASHION_{name}", str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if drawn.exists():
        shutil.copytree(drawn, pooch.os_cache("fashion-lab") / "sketches")
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.delenv("FASHION_FEATURES", raising=False)


def opened(at: AppTest, slug: str, groups: list[str] | None = None) -> AppTest:
    """The lesson by its link, with these groups of runs."""
    at.query_params["lesson"] = slug
    at.query_params.pop("experiment", None)
    if groups:
        at.query_params["experiment"] = ",".join(groups)
    return at.run()


def new_visitor() -> AppTest:
    return AppTest.from_file(ENTRY, default_timeout=120).switch_page("pages/course.py")


def started(lesson: Lesson, one: Experiment, **changes: int) -> list[runs.Run]:
    """Change the settings on the page, press the button, and return the runs that were queued."""
    at = opened(new_visitor(), lesson.slug)
    for name, value in changes.items():
        at.number_input(key=f"lesson_{one.key}_{name}").set_value(value)
    at.run()
    at.button(key=f"_start_{one.key}").click().run()
    assert not at.exception, one.key
    made = [run for run in runs.list_runs() if run.status().group.rpartition("-")[0] == one.key]
    assert len(made) == len(lessons.runs_of(one)), one.key
    return made


def worked(chosen: list[tuple[Lesson, Experiment]], **changes: int) -> dict[str, list[str]]:
    """Start these experiments and let one worker make all of their runs; returns the groups of each lesson."""
    made = [run for lesson, one in chosen for run in started(lesson, one, **changes)]
    jobs.start_worker(*made).wait(timeout=WAIT_SECONDS)
    for run in made:
        status = run.status()
        assert status.state == "finished", (status.group, status.reason)
    return {
        lesson.slug: list(dict.fromkeys(
            run.status().group for run in made if run.status().group.rpartition("-")[0] in {one.key for one in lesson.experiments}
        ))
        for lesson, _ in chosen
    }  # fmt: skip


def concluded(at: AppTest, lesson: Lesson, chosen: list[tuple[Lesson, Experiment]]) -> None:
    """The page says what came of the runs, in the words of the library, and its question can be answered."""
    assert not at.exception, lesson.slug
    if {one.key for one in lesson.experiments} <= {one.key for _, one in chosen}:
        assert not at.error, lesson.slug
    shown = " ".join(str(element.value) for element in at.markdown)
    for _, one in [pair for pair in chosen if pair[0] is lesson]:
        assert f"_again_{one.key}" in [button.key for button in at.button]
        groups = {run.status().group for run in runs.list_runs()}
        (group,) = [name for name in groups if name.rpartition("-")[0] == one.key]
        found = runs.of_group(group)
        own = lessons_results.outcomes(lessons_results.as_made(one, found), found)
        assert [outcome.label for outcome in own] == list(lessons.runs_of(one))
        if lesson.slug != "homework":  # it has questions instead
            assert lessons_results.verdict(one, own) in shown, one.key
    if lesson.experiments[0].key in {one.key for _, one in chosen}:
        keys = [element.key for element in (*at.radio, *at.number_input)]
        assert f"answer_{lesson.slug}" in keys, lesson.slug


def test_lessons_that_need_no_photos_run_on_a_bare_machine():
    """Drawn garments and the stored vectors that come with the project: nine experiments, and the summary of the visit."""
    if not feature_store.shipped_path("efficientnetv2-b0", 224).exists():
        pytest.skip("no vectors come with this copy")
    datasets.load("sketches")
    chosen = [(lesson, one) for lesson, one in ALL if one.key not in NEEDS_PHOTOS]
    assert len(chosen) == 9

    groups = worked(chosen, epochs=1)

    at = new_visitor()
    for lesson in dict.fromkeys(lesson for lesson, _ in chosen):
        concluded(opened(at, lesson.slug, groups[lesson.slug]), lesson, chosen)
    opened(at, "summary")
    assert not at.exception
    assert at.table[0].value.Lesson.tolist() == [
        "8.6 The learning rate", "8.8 Adding more layers", "8.9 Regularisation and dropout",
    ]  # fmt: skip
    assert "answer_summary" in [box.key for box in at.number_input]


def test_lessons_that_need_photos_run_with_them(monkeypatch, tmp_path):
    """Tiny photos and random weights: views are drawn, four sizes and three networks computed, the homework trained."""
    files = clothing_folder.files(per_class=4)
    clothing_folder.write(tmp_path / "DATA" / clothing.FOLDER, files)
    names = ("mobilenetv2-035", "mobilenetv2", "efficientnetv2-b0")
    paths = [str(tmp_path / "WEIGHTS" / pretrained.BASES[name].weights[0]) for name in names]
    subprocess.run(
        [sys.executable, "-c", _SAVE_RANDOM_WEIGHTS, *paths],
        cwd=runs.ROOT, check=True, capture_output=True, env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )  # fmt: skip
    monkeypatch.setenv("FASHION_FEATURES", str(tmp_path / "vectors"))
    chosen = [(lesson, one) for lesson, one in ALL if one.key in NEEDS_PHOTOS]
    assert len(chosen) == len(NEEDS_PHOTOS)

    groups = worked(chosen, epochs=1, batch_size=8)

    at = new_visitor()
    for lesson in dict.fromkeys(lesson for lesson, _ in chosen):
        concluded(opened(at, lesson.slug, groups[lesson.slug]), lesson, chosen)


@pytest.mark.parametrize("slug", WITHOUT_RUNS)
def test_lessons_without_runs_can_be_tried_on_a_bare_machine(slug):
    """With a drawing, or a shipped model; what is not here is told in words, and nothing fails."""
    at = opened(new_visitor(), slug)

    assert not at.exception
    assert not at.error
    headings = [one.value for one in at.subheader]
    assert headings[1] == "Try it"
    if slug in ("tensorflow", "convolution", "using-the-model"):
        assert f"answer_{slug}" in [element.key for element in (*at.radio, *at.number_input)]


def test_the_walk_leaves_out_no_lesson():
    """Each of the fifteen has an experiment that is started here, or is tried without."""
    walked = {lesson.slug for lesson, _ in ALL} | set(WITHOUT_RUNS)

    assert walked == {lesson.slug for lesson in lessons.LESSONS}
    assert set(NEEDS_PHOTOS) <= {one.key for _, one in ALL}
