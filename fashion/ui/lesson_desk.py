"""The lessons that ask finished runs: using a model (8.12), and the summary of all experiments (8.13)."""

import time

import pandas as pd
import streamlit as st

from fashion import answers, datasets, lessons, lessons_results, runs, summary
from fashion.errors import FashionError
from fashion.lessons_results import Judged
from fashion.ui import cache, components, model_choice, state
from fashion.ui.lesson_answer import Ask

_NUM_ASKED = 64


def using() -> Ask | None:
    """8.12: load a finished model, ask it some test pictures, and see its one exam."""
    found = answers.models()
    if not found:
        model_choice.no_model()
        return None
    by_name = {one.run.id: one for one in found}
    state.one_of("lesson_model", list(by_name))
    name = st.selectbox(
        "Model",
        list(by_name),
        format_func=lambda key: model_choice.option(by_name[key]),
        **state.kept("lesson_model"),
    )
    one = by_name[name]
    if one.test is None or one.validation is None:
        st.info("This model was never tested.", icon=":material/info:")
        return None
    components.facts(
        {
            "Test accuracy": f"**{one.test.value:.1%}** ({summary.basis_in_words(one.test)})",
            "Validation accuracy": f"**{one.validation.value:.1%}** ({summary.basis_in_words(one.validation)})",
        }
    )
    if st.button(
        f"Load it and ask it {_NUM_ASKED} test pictures now", icon=":material/science:", type="primary"
    ):
        _ask(one)
    with st.container(horizontal=True):
        st.page_link(
            "pages/predict.py",
            label="Predict a photo with it",
            icon=":material/photo_camera:",
            query_params={"model": name},
        )
        st.page_link(
            "pages/runs.py",
            label="Its mistakes on the Runs page",
            icon=":material/search:",
            query_params={"open": name},
        )
    inside = one.test.low <= one.validation.value <= one.test.high
    words = (
        f"The interval is {one.test.low:.1%} to {one.test.high:.1%}, validation {one.validation.value:.1%}."
    )
    return Ask(judge=lambda answer: Judged((answer == "yes") == inside, words), options=("yes", "no"))


def _ask(one: summary.RunSummary) -> None:
    dataset = one.settings.dataset
    if not datasets.status(dataset).present:
        st.info(
            f"Not on this machine: {one.dataset_title}. So there are no test pictures.",
            icon=":material/info:",
        )
        return
    try:
        began = time.perf_counter()
        model = cache.model(one.run.id)
        loaded = time.perf_counter() - began
        test = cache.dataset(dataset, one.classes).test
        images, labels = test.images, test.labels[:: max(1, len(test) // _NUM_ASKED)][:_NUM_ASKED]
        if isinstance(images, datasets.Photos):
            images = images.at(model.image_shape[0])
        chosen = images[:: max(1, len(test) // _NUM_ASKED)][:_NUM_ASKED]
        began = time.perf_counter()
        right = int((model.predict(chosen).argmax(axis=1) == labels).sum())
        seconds = time.perf_counter() - began
    except FashionError as error:
        st.error(components.harmless(str(error)), icon=":material/error:")
        return
    st.success(
        f"{right} of {len(labels)} right. Loading took {1000 * loaded:.0f} ms, predicting {1000 * seconds / len(labels):.1f} ms a "
        f"picture (LiteRT, {cache.this_machine().processor}). So few pictures prove little; the test above used all.",
        icon=":material/check:",
    )


def overview() -> Ask | None:
    """8.13: every experiment of this visit with the lead of its best run."""
    rows, num_sure = [], 0
    for lesson in lessons.LESSONS:
        for experiment in lesson.experiments:
            group = state.experiment_group(lesson.slug, experiment.key)
            found = runs.of_group(group)
            own = lessons_results.outcomes(lessons_results.as_made(experiment, found), found)
            ahead = lessons_results.lead(own) if experiment.measure == "validation" else None
            if ahead is None:
                continue
            num_sure += ahead.sure
            rows.append(
                {
                    "Lesson": lesson.name,
                    "Best": ahead.best,
                    "Ahead of": ahead.next,
                    "By, in points": f"{100 * ahead.difference:.1f} ({100 * ahead.low:.1f} to {100 * ahead.high:.1f})",
                    "More than chance": "yes" if ahead.sure else "no",
                }
            )
    if not rows:
        st.info(
            "You have not run an experiment with several runs in this visit. Try lesson 8.6 first.",
            icon=":material/info:",
        )
        return None
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal")
    st.caption("95 % intervals of the difference on the same validation photos.")
    words = f"Of {len(rows)} experiments, {num_sure}."
    return Ask(judge=lambda answer: Judged(int(answer) == num_sure, words), whole=True)
