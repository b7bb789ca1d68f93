"""The training page: choose settings, start a run, and watch it learn; it goes on without the page."""

import streamlit as st

from fashion.ui import (
    frame,
    outlook_view,
    preset_view,
    settings_view,
    sweep_results_view,
    sweep_view,
    time_budget_view,
    training_view,
)

frame.page(
    "Train",
    "Choose the settings, press Start, and watch a network learn. A run goes on if you close this page.",
)

run = training_view.watched_run()
if run is not None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(training_view.title(run), anchor=False, help=f"Its name on this machine: {run.id}")
        if st.button("New run", icon=":material/add:"):
            training_view.watch(None)
    training_view.live(run)
    st.stop()

if sweep_results_view.watched():
    st.stop()

settings_view.dataset_input()
preset_view.notice()
top = st.container()
settings = settings_view.settings_form()
if settings is None:
    st.stop()
with top:
    time_budget_view.control(settings)
    basis = outlook_view.outlook(settings)
    with st.container(horizontal=True):
        training_view.start_button(settings)
        st.button("Defaults", icon=":material/undo:", on_click=settings_view.reset_settings)
        training_view.made_before(settings)
        training_view.unfinished()
    outlook_view.waiting_runs()
    # Below the button, which a phone would not show at once otherwise.
    st.caption(basis)
    sweep_view.control(settings)
outlook_view.previews(settings)
preset_view.link_maker(settings)
