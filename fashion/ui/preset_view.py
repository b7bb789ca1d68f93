"""A teacher's preset link on the Train page: making one, and what a student sees who opened one.

What a preset is, is `fashion.presets`; the form that obeys it is `settings_view.py`.
"""

from urllib.parse import urlencode

import streamlit as st

from fashion import presets
from fashion.presets import Preset
from fashion.settings import FIELDS, RunSettings
from fashion.ui import components, settings_view, state

_FIXED, _HIDDEN = "_link_fixed", "_link_hidden"


def notice() -> None:
    """Who fixed and hid what, and a way out; nothing where no link did."""
    preset = state.preset()
    if preset is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/school: {components.harmless(presets.in_words(preset))}", width="content")
        st.button(
            "Show all settings",
            type="tertiary",
            icon=":material/lock_open:",
            key="_preset_leave",
            on_click=settings_view.leave_preset,
            help="Everything can be changed then, beginning with the settings of the link.",
        )


def link_maker(settings: RunSettings) -> None:
    """For a teacher: choose what is fixed and what is hidden, and copy the link. Not where a preset is in force."""
    if state.preset() is not None:
        return
    with st.expander(
        "Make a preset link for a class", icon=":material/share:", key="_preset_maker", on_change="rerun"
    ) as maker:
        if maker.open:
            _maker(settings)


def _maker(settings: RunSettings) -> None:
    names = settings_view.used_settings()
    for key in (_FIXED, _HIDDEN):
        state.choose(key, [name for name in st.session_state.get(key, []) if name in names])
    st.markdown(
        "A link that opens this page with the settings as they are above. What is neither fixed nor hidden stays free."
    )
    fixed = st.multiselect(
        "Fixed",
        names,
        format_func=_label,
        key=_FIXED,
        placeholder="Shown, but not to be changed",
        help="Students see its value.",
    )
    st.multiselect(
        "Hidden",
        names,
        format_func=_label,
        key=_HIDDEN,
        placeholder="Not shown at all",
        help="It has the value that it has here.",
    )
    hidden = [name for name in st.session_state[_HIDDEN] if name not in fixed]
    with st.container(horizontal=True):
        others = [name for name in names if name not in fixed]
        st.button(
            "Hide all others",
            key="_link_hide",
            type="tertiary",
            on_click=state.choose,
            args=(_HIDDEN, others),
        )
        st.button("Free all", key="_link_free", type="tertiary", on_click=_free)
    st.caption(_free_in_words(names, fixed, hidden))
    preset = Preset(settings, tuple(fixed), tuple(hidden))
    parameters = presets.parameters(preset, settings_view.link_to(settings))
    st.code(
        f"{(st.context.url or '/train').rstrip('/')}?{urlencode(parameters)}", language=None, wrap_lines=True
    )


def _free() -> None:
    for key in (_FIXED, _HIDDEN):
        state.choose(key, [])


def _free_in_words(names: list[str], fixed: list[str], hidden: list[str]) -> str:
    free = [_label(name) for name in names if name not in (*fixed, *hidden)]
    if not free:
        return "Students can change nothing: they press Start."
    if len(free) > 6:
        return f"Students can change {len(free)} settings."
    return f"Students can change: {', '.join(free)}."


def _label(name: str) -> str:
    return FIELDS[name].label
