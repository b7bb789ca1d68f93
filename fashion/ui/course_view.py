"""A lesson on the Course page, section by section: idea, expectation, experiment, conclusion, question, progress.

What the lessons say is `fashion.lessons`; what a lesson does beyond experiments is in the `lesson_*` modules beside.
"""

import streamlit as st

from fashion import lessons, lessons_diagrams, lessons_results
from fashion.errors import FashionError
from fashion.lessons_form import COURSE, Lesson
from fashion.lessons_results import Outcome
from fashion.ui import (
    charts,
    components,
    frame,
    lesson_convolution,
    lesson_desk,
    lesson_experiment,
    lesson_homework,
    lesson_picture,
    state,
)
from fashion.ui.lesson_answer import Ask

_BROUGHT = "_progress_file"
_DESKS = {
    "tensorflow": lesson_picture.arrays,
    "pretrained": lesson_picture.pretrained,
    "convolution": lesson_convolution.convolve,
    "using-the-model": lesson_desk.using,
    "summary": lesson_desk.overview,
}
"""What a lesson has instead of runs; each returns the question that it can now be asked."""


def lesson_input() -> Lesson:
    """The lesson to read: chosen here, or named by the link as ?lesson=."""
    linked = state.linked_ids(state.LESSON)[:1]
    for slug in linked:
        if lessons.find(slug) is None:
            st.warning(
                f"The link names a lesson that there is not: {components.literal(slug[:60])}. The first is shown.",
                icon=":material/link_off:",
            )
    lesson = next((found for slug in linked if (found := lessons.find(slug))), lessons.LESSONS[0])
    state.choose("_lesson", lesson.slug)
    number = lessons.LESSONS.index(lesson)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Lesson",
            [one.slug for one in lessons.LESSONS],
            format_func=_option,
            key="_lesson",
            on_change=lambda: _open(st.session_state["_lesson"]),
            width=340,
        )
        for label, icon, other in (
            ("Back", ":material/arrow_back:", number - 1),
            ("Next", ":material/arrow_forward:", number + 1),
        ):
            inside = 0 <= other < len(lessons.LESSONS)
            slug = lessons.LESSONS[other].slug if inside else ""
            st.button(label, icon=icon, key=f"_{label}", disabled=not inside, on_click=_open, args=(slug,))
    return lesson


def _option(slug: str) -> str:
    lesson = lessons.find(slug)
    return f"{lesson.name} ✓" if state.progress().get(slug, {}).get("right") else lesson.name


def _open(slug: str) -> None:
    state.link_ids(state.LESSON, [slug])
    state.link_groups(slug)


def idea(lesson: Lesson) -> None:
    """The idea in words, and its drawing."""
    st.header(lesson.name, anchor=False)
    left, right = st.columns([5, 4], gap="medium", vertical_alignment="center")
    left.markdown(lesson.idea)
    with right:
        components.drawing(lessons_diagrams.diagram(lesson.slug, lesson.picture), key="_diagram")


def expectation(lesson: Lesson) -> None:
    """What do you expect? Kept for the visit, never judged."""
    st.subheader("What do you expect?", anchor=False)
    key = f"expected_{lesson.slug}"
    state.one_of(key, lesson.expect.options)
    choice = st.radio(
        lesson.expect.text, lesson.expect.options, index=None, horizontal=True, **state.kept(key)
    )
    if choice is not None:
        state.note_progress(lesson.slug, expected=choice)


def work(lesson: Lesson) -> tuple[list[list[Outcome]], Ask | None]:
    """The lesson's experiments, or what it has instead; returns the outcomes of each, and the question there is now."""
    st.subheader("Try it", anchor=False)
    if lesson.slug in _DESKS:
        return [], _DESKS[lesson.slug]()
    if lesson.slug == "homework":
        return [], lesson_homework.desk(lesson)
    done = [lesson_experiment.experiment(lesson, one) for one in lesson.experiments]
    own = done[0]  # the question is about the first
    if not own:
        return done, None
    labels = tuple(outcome.label for outcome in own)
    numeric = lesson.judge in ("best epoch", "speed")
    return done, Ask(
        judge=lambda answer: lessons_results.judge(lesson, own, answer),
        options=() if numeric else labels,
        whole=lesson.judge == "best epoch",
    )


def conclusion(lesson: Lesson, done: list[list[Outcome]]) -> None:
    """What the student's runs say, what is known in general, and the course's own results with their source."""
    st.subheader("What to conclude", anchor=False)
    for experiment, own in zip(lesson.experiments, done, strict=False):
        if own:
            st.markdown(lessons_results.verdict(experiment, own))
    before = state.progress().get(lesson.slug, {})
    expected = before.get("expected")
    tried = any(done) or state.chosen(f"answer_{lesson.slug}", before.get("answer")) is not None
    if expected and tried:
        st.markdown(f"You expected: {components.literal(expected)}.")
    if tried:
        st.markdown(lesson.conclusion)
    else:  # whoever wants to find out for themselves does not read the answer by accident
        with st.expander("What is known of it; better try first", icon=":material/lightbulb:"):
            st.markdown(lesson.conclusion)
    if not lesson.about:
        return
    with st.expander("The course's own results", icon=":material/menu_book:"):
        st.markdown(f"{lesson.about} Source: [{COURSE}]({lesson.source}).")
        if lesson.published:
            table = lessons_results.accuracies([], [], lesson.published)
            charts.place(
                lesson_experiment.accuracy_chart(table),
                alt_text="The course's accuracies with their 95 % intervals.",
                table=table,
                name=f"{lesson.slug}-published",
            )
            st.caption("The intervals are ours, from the number of photos; the course gives none.")


def question(lesson: Lesson, ask: Ask | None) -> None:
    """The question that is checked against what the student did."""
    st.subheader("One question", anchor=False)
    if ask is None:
        st.markdown(lesson.check)
        st.caption("It is checked against what you try above; do that first.")
        return
    answer = _answer(lesson, ask)
    if answer is None:
        before = state.progress().get(lesson.slug, {})
        if before.get("answer") is not None:  # brought back from an earlier visit
            stood = "right" if before.get("right") else "not right"
            st.caption(f"Your answer before: {components.literal(str(before['answer']))}, which was {stood}.")
        return
    judged = ask.judge(answer)
    state.note_progress(lesson.slug, answer=answer, right=judged.right)
    if judged.right:
        st.success(f"Right. {judged.words}", icon=":material/check_circle:")
    else:
        st.warning(f"Not so. {judged.words}", icon=":material/cancel:")


def _answer(lesson: Lesson, ask: Ask) -> object | None:
    key = f"answer_{lesson.slug}"
    if ask.options:
        state.one_of(key, ask.options)
        return st.radio(lesson.check, ask.options, index=None, horizontal=True, **state.kept(key))
    return st.number_input(
        lesson.check,
        value=None,
        step=1 if ask.whole else None,
        format=None if ask.whole else "%g",
        width=320,
        placeholder="A number, then Enter",
        **state.kept(key),
    )


def _bring_back() -> None:
    file = st.session_state[_BROUGHT]
    if file is None:
        return
    try:
        found = lessons_results.progress_from(file.getvalue().decode("utf-8"), lessons.LESSONS)
    except UnicodeDecodeError:
        st.toast(
            f"{file.name} must be a text file. Received: other bytes. Choose another one.",
            icon=":material/error:",
        )
        return
    except FashionError as error:
        st.toast(components.harmless(str(error)), icon=":material/error:")
        return
    for slug, one in found.items():
        state.note_progress(slug, **one)
        if "expected" in one:
            state.choose(f"expected_{slug}", one["expected"])
    st.toast(f"Back: what was done in {components.counted(len(found), 'lesson')}.", icon=":material/check:")


def progress() -> None:
    """How far the visitor is, and a file to keep; nothing is stored here beyond the visit."""
    made = state.progress()  # fetched here: what writes the file knows no visitor
    done = sum(bool(one.get("right")) for one in made.values())
    st.divider()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{done} of {len(lessons.LESSONS)}** questions answered rightly in this visit.", width="content"
        )
        st.download_button(
            "Download my progress",
            lambda: lessons_results.progress_json(lessons.LESSONS, made),
            file_name="fashion-lab-course.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
        with st.popover("Bring it back", icon=":material/upload:"):
            st.file_uploader(
                "The file of an earlier visit, fashion-lab-course.json",
                type="json",
                max_upload_size=1,
                key=_BROUGHT,
                on_change=_bring_back,
            )
            st.caption(
                "Reloading the page ends a visit. What was answered comes back, and runs that are still here."
            )
        frame.link("Benchmark", "CPU or GPU? Measure it")
