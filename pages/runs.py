"""The runs page: every run with its result, several side by side, and one in detail down to each mistake."""

import streamlit as st

from fashion import summary
from fashion.errors import RunError
from fashion.ui import (
    comparison_view,
    components,
    confusion_view,
    evaluation_view,
    frame,
    replay_view,
    run_view,
    snapshot_view,
    state,
)

frame.page(
    "Runs",
    "Compare what was trained: which settings helped, how sure that is, and where a network errs.",
)

SECTIONS = (
    "Summary",
    "Curves",
    "Replay",
    "Epochs",
    "Confusion matrix",
    "Classes",
    "Mistakes",
    "Calibration",
    "Probe pictures",
)
OF_EPOCHS = ("Curves", "Replay", "Epochs", "Probe pictures")

found = run_view.listed()
if not found:
    run_view.nothing_yet()
    st.stop()

run_view.under_way(found)
ticked = run_view.table(found)
if len(ticked) > 1:
    comparison_view.comparison(ticked)

st.subheader("One run", anchor=False)
one = run_view.opened([*found, *snapshot_view.tested(found), *replay_view.recorded()])
if one is None:
    st.stop()

section = st.segmented_control(
    "View",
    SECTIONS,
    default="Summary",
    required=True,
    label_visibility="collapsed",
    **state.in_url(state.VIEW),
)

try:
    if section == "Summary":
        run_view.overview(one)
    elif one.settings.mean_of and section in OF_EPOCHS:
        components.no_epochs()
    elif section == "Curves":
        comparison_view.curves([one])
    elif section == "Replay":
        replay_view.replay(one)
    elif section == "Epochs":
        snapshot_view.epochs(one)
    elif section == "Probe pictures":
        evaluation_view.probes(one)
    else:
        said = summary.predictions(one, evaluation_view.split_input())
        if section == "Confusion matrix":
            confusion_view.confusion(one, said)
        elif section == "Classes":
            evaluation_view.per_class(one, said)
        elif section == "Mistakes":
            evaluation_view.mistakes(one, said)
        else:
            evaluation_view.calibration(one, said)
except RunError as error:
    st.info(str(error), icon=":material/info:")
