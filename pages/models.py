"""The models page: for each trained network its card, in words: what it is good for, what not, and how that is known."""

import streamlit as st

from fashion import answers
from fashion.ui import frame, model_choice, model_view

frame.page(
    "Models",
    "Read what a trained network learned from, how often it is right and where it fails, before you trust an answer.",
)

found = answers.models()
if not found:
    model_choice.no_model()
    st.stop()

one = model_choice.model_input(found)
model_view.at_a_glance(one)
model_view.origin(one)
said = model_view.answers_or_none(one)
if said is not None:
    model_view.accuracy(one, said)
    model_view.confusions(one, said)
    model_view.strangers(one)
    model_view.calibration(one, said)
model_view.refusal(one)
model_view.limits(one)
model_view.size_and_speed(one)
model_view.downloads(one)
