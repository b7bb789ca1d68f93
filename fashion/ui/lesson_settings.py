"""The settings of a lesson's experiment: what a student may change before the button, and the way to the Train page."""

from collections.abc import Mapping, Sequence

import streamlit as st

from fashion import lessons, lessons_results, summary
from fashion.errors import SettingsError
from fashion.lessons_form import Experiment
from fashion.settings import FIELDS, RunSettings, differing
from fashion.ui import components, state

_SHARED = (
    "dataset",
    "architecture",
    "image_size",
    "inner_width",
    "dropout",
    "epochs",
    "batch_size",
    "learning_rate",
)


def edited(one: Experiment, frameworks: Sequence[str]) -> Experiment | None:
    """The experiment with what the student changes, for all of its runs alike; None, said on the page, if impossible."""
    with st.expander("Settings, and the same on the Train page", icon=":material/tune:"):
        names = lessons_results.editable(one)
        begins = one.runs[0][1]
        st.caption("For all runs of the experiment. The course's and the recorded runs keep theirs.")
        with st.container(horizontal=True):
            chosen = {name: _number(one, name, getattr(begins, name)) for name in names}
        try:
            found = lessons_results.with_settings(one, **chosen)
        except SettingsError as error:
            st.error(components.harmless(str(error)), icon=":material/error:")
            return None
        if lessons_results.changes(one, found):
            st.button(
                "Back to the lesson's settings",
                icon=":material/undo:",
                type="tertiary",
                key=f"_back_{one.key}",
                on_click=_back,
                args=(one, names),
            )
        _links(lessons.runs_of(found, frameworks))
    if changes := lessons_results.changes(one, found):
        st.caption(f"Changed by you: {_in_words(found.runs[0][1], changes)}.")
    return found


def on_train_page(planned: Mapping[str, RunSettings]) -> None:
    """What the runs have in common, and a link to the Train page for each."""
    with st.expander("Settings, and the same on the Train page", icon=":material/tune:"):
        _links(planned)


def changed(preset: Experiment, made: Experiment) -> str:
    """What the student changed, in a sentence for the chart beside others; empty if nothing."""
    names = lessons_results.changes(preset, made)
    if not names:
        return ""
    return (
        f"Your runs have {_in_words(made.runs[0][1], names)}; the recorded ones {_in_words(preset.runs[0][1], names)}. A "
        "difference between them may come from that."
    )


def _key(one: Experiment, name: str) -> str:
    return f"lesson_{one.key}_{name}"


def _number(one: Experiment, name: str, value: float) -> float:
    field = FIELDS[name]
    return st.number_input(
        field.label,
        field.kind(field.low),
        field.kind(field.high),
        value,
        value / 2 if name == "learning_rate" else field.kind(field.step),
        format="%g" if field.kind is float else None,
        help=field.help,
        width=150,
        **state.kept(_key(one, name)),
    )


def _back(one: Experiment, names: Sequence[str]) -> None:
    for name in names:
        state.choose(_key(one, name), getattr(one.runs[0][1], name))


def _in_words(settings: RunSettings, names: Sequence[str]) -> str:
    return "; ".join(
        f"{FIELDS[name].label.lower()} {summary.setting_in_words(name, getattr(settings, name))}"
        for name in names
    )


def _links(planned: Mapping[str, RunSettings]) -> None:
    """What the runs have in common, and a link for each to the Train page, where all can be changed."""
    if not planned:
        return
    varied = differing(list(planned.values()))
    first = next(iter(planned.values()))
    st.caption(f"In all runs: {_in_words(first, [name for name in _SHARED if name not in varied])}.")
    with st.container(horizontal=True):
        for label, settings in planned.items():
            st.page_link(
                "pages/train.py",
                label=f"Train: {label}",
                icon=":material/open_in_new:",
                query_params=lessons.link_values(settings),
            )
