"""The homework desk (8.15): parameters layer by layer, the homework's own run, and its questions answered from a log."""

import streamlit as st

from fashion import lessons_homework, lessons_results, runs, summary, watched
from fashion.lessons_form import Lesson
from fashion.lessons_results import Judged
from fashion.settings import HOMEWORK
from fashion.ui import lesson_experiment, setting_choices, state
from fashion.ui.lesson_answer import Ask


def desk(lesson: Lesson) -> Ask:
    """The table of layers, the runs, and the questions; returns the lesson's own question, which is arithmetic."""
    side = lessons_homework.SIZES[0]
    st.markdown(f"**On photos of {side} x {side} pixels**")
    table = lessons_homework.table(side)
    counted = table.pop("How they are counted")  # told below: with it the table is too wide for a phone
    st.table(
        table.style.format({"Parameters": "{:,}", "Sum so far": "{:,}"}), hide_index=True, border="horizontal"
    )
    st.caption("How they are counted")
    ways = zip(table.Layer, counted, strict=True)
    st.markdown("\n".join(f"- {layer}: {way}" for layer, way in ways if way))
    st.markdown("**Train it**")
    pair = _pair_input()
    found = []
    for one in lesson.experiments:
        shown = lessons_results.with_settings(one, classes=pair)
        found += [outcome.one.run for outcome in lesson_experiment.experiment(lesson, shown)]
    st.caption(lessons_homework.DIFFERENCES)
    st.markdown("**The homework's questions**")
    _questions(found + runs.recorded(lesson.slug))
    other = lessons_homework.num_parameters(lessons_homework.SIZES[1])
    words = f"99 x 99 x 32 numbers after pooling, so 896 + 20,072,512 + 65 = {other:,}."
    return Ask(judge=lambda answer: Judged(int(answer) == other, words), whole=True)


def _pair_input() -> str:
    pairs = setting_choices.pairs_of_classes()
    state.one_of("lesson_pair", pairs)
    return st.selectbox(
        "Two classes",
        pairs,
        index=pairs.index(lessons_homework.PAIR),
        format_func=lambda pair: summary.setting_in_words("classes", pair),
        help="What is to be told apart. Trousers and long sleeves are easy; try two that you would mix up yourself.",
        width=320,
        **state.kept("lesson_pair"),
    )


def _questions(found: list[runs.Run]) -> None:
    found = runs.readable(found)[0] + [
        run for run in runs.readable(runs.list_runs())[0] if run not in found and len(run.log())
    ]
    by_name = {f"{run.folder.parent.name}/{run.id}" if run.shipped else run.id: run for run in found}
    if not by_name:
        st.caption("They are asked about a run. There is none yet: start one above, or in another lesson.")
        return
    state.one_of("lesson_homework", list(by_name))
    name = st.selectbox(
        "Run", list(by_name), format_func=lambda key: _option(by_name[key]), **state.kept("lesson_homework")
    )
    run = by_name[name]
    log, tested = run.log(), watched.read(run)
    if run.settings.architecture != HOMEWORK:
        st.caption(
            "Not the homework's network, but its questions can be asked of any run; the way to the answers is the same."
        )
    with st.expander("Its log, to compute from"):
        table = log[["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]]
        if len(tested) == len(log):
            table = table.assign(test_loss=tested.test_loss, test_accuracy=tested.test_accuracy)
        st.dataframe(table, hide_index=True, alt="Log of the run")
    with st.form(f"homework-{name}", border=False):
        asked = lessons_homework.questions(log, tested, run.settings.augment_from)
        given = [
            st.number_input(one.text, value=None, format="%.3f", width=420, key=f"_hw_{name}_{number}")
            for number, one in enumerate(asked)
        ]
        if not st.form_submit_button("Check"):
            return
    for one, answer in zip(asked, given, strict=True):
        if answer is None:
            continue
        good = lessons_homework.is_close(answer, one.answer)
        sign = ":material/check_circle:" if good else ":material/cancel:"
        st.markdown(f"{sign} {one.text}: {one.answer:.3f}{'' if good else f', not {answer:.3f}'}")


def _option(run: runs.Run) -> str:
    settings = run.settings
    what = summary.network_name(settings)
    if settings.classes:
        what += f", {summary.setting_in_words('classes', settings.classes)}, {settings.image_size} pixels"
    count = len(run.log())
    return f"{what}, {count} {'epoch' if count == 1 else 'epochs'} · {'recorded' if run.shipped else run.id[16:]}"
