"""The prediction page: a photo, a test picture or a drawing, what a trained network answers, and from which pixels."""

import streamlit as st

from fashion.ui import frame, picture_input, prediction_view, state

frame.page(
    "Predict",
    "Show a garment to a trained network, and see what it answers, how sure it is, and what it really saw.",
)

SOURCES = {
    "Photos": lambda model: picture_input.uploaded(),
    "Camera": lambda model: picture_input.photographed(),
    "Test picture": picture_input.test_picture,
    "Drawing": picture_input.drawn_garment,
}

found = prediction_view.models()
if not found:
    prediction_view.no_model()
    st.stop()

with st.container(horizontal=True):
    one = prediction_view.model_input(found)
    source = st.segmented_control(
        "Source", list(SOURCES), default="Photos", required=True, wrap=True, **state.in_url(state.SOURCE)
    )
model = prediction_view.loaded_or_stop(one)

choice, result = st.columns([2, 3], gap="medium")
with choice:
    taken = SOURCES[source](model)
with result:
    if not taken:
        prediction_view.nothing_yet(model)
        st.stop()
    picture = taken[0] if len(taken) == 1 else prediction_view.chosen_of(model, taken)
    said = prediction_view.answer(one, model, picture)

if picture.image is not None:
    prediction_view.preparation(picture, said)
if said is not None:
    prediction_view.received(picture, said)
