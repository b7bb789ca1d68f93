"""The time budget on the Train page: the visitor says how long there is, and the form is fitted to it.

What fits is decided in `fashion.time_budget`.
"""

import streamlit as st

from fashion import estimate, time_budget
from fashion.settings import RunSettings
from fashion.ui import settings_view, state


def control(settings: RunSettings) -> None:
    """How long there is; choosing fills in the form, and choosing it again brings back what stood there before.

    Not offered where a preset holds what would have to be changed.
    """
    preset = state.preset()
    if preset is not None and set(preset.pinned) & set(time_budget.CHANGES):
        return
    if not settings.seconds_limit:
        state.choose(state.TIME_BUDGET, None)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        seconds = st.segmented_control(
            "Time budget",
            time_budget.BUDGETS,
            format_func=_label,
            **state.kept(state.TIME_BUDGET),
            on_change=_fit,
            args=(settings,),
            help="From Start to a tested model. Fits the epochs, the schedule and a time limit to it; choose it again to "
            "undo that.",
        )
        if time_budget.has_recipes(settings) and preset is None:
            st.toggle(
                "Keep my network",
                **state.kept(state.KEEP_NETWORK),
                on_change=_fit,
                args=(settings,),
                help="Fits the epochs of the settings below. Otherwise the best recipe for the time replaces them.",
            )
    if settings.seconds_limit:
        _words(settings, seconds)


def _words(settings: RunSettings, seconds: int | None) -> None:
    """Where the time goes, that the limit holds, and whether there is too little of it."""
    measured = estimate.measured_here()
    guess = estimate.estimate(settings, measured)
    limit = estimate.in_words(settings.seconds_limit)
    st.caption(
        f":material/timer: {time_budget.in_words(settings, guess).capitalize()}. Training ends after {limit} in any case, "
        "and the best epoch is kept."
    )
    if seconds is not None and guess.seconds > 1.1 * seconds:
        st.warning(
            f"{_label(seconds)} are too short: start, test and export alone take "
            f"{estimate.in_words(guess.startup_seconds + guess.finishing_seconds)}.",
            icon=":material/timer_off:",
        )


def _label(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"


def _fit(settings: RunSettings) -> None:
    """Fit the form to the time just chosen; a callback, which gets the settings as they were before."""
    seconds = st.session_state.get(state.TIME_BUDGET)
    base = state.before_budget(settings)
    if seconds is None:
        settings_view.fill_in(base.replace(seconds_limit=0))
        return
    keep = state.preset() is not None or bool(st.session_state.get(state.KEEP_NETWORK))
    fitted = time_budget.fit(seconds, base, estimate.measured_here(), keep_network=keep)
    settings_view.fill_in(fitted.settings)
    state.keep_budget(base, fitted.settings)
