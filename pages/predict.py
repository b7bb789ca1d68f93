"""The prediction page: a photo, a test picture or a drawing, what a trained network answers, and from which pixels."""

import streamlit as st

from fashion import answers
from fashion.ui import (
    batch_view,
    compare_view,
    frame,
    imagenet_view,
    model_choice,
    picture_input,
    prediction_view,
    preparation_view,
)

frame.page(
    "Predict",
    "Show a garment to a trained network, and see what it answers, how sure it is, and where it looked.",
)

found = answers.models()
if not found:
    model_choice.no_model()
    st.stop()

with st.container(horizontal=True):
    one = model_choice.model_input(found)
    model = model_choice.loaded_or_stop(one)
    source = picture_input.source_input(model)

words = st.container()
shown, result = st.columns([2, 3], gap="medium")
with shown:
    above = st.container()
    taken = picture_input.taken_from(source, model)
    large = above if source in picture_input.OWN else st.container()
if not taken:
    with result:
        prediction_view.nothing_yet(model)
    st.stop()

picture = taken[0]
if len(taken) > 1:
    with result:
        picture = batch_view.chosen_of(model, taken)
    batch_view.label_all(model, taken)
    words = st.container()
    large, result = st.columns([2, 3], gap="medium")
with words:
    said = prediction_view.headline(model, picture)
if said is not None:
    with large:
        prediction_view.photo(model, picture, said)
    with result:
        prediction_view.details(one, model, picture, said)

batch_view.own_score(model, taken)
look = compare_view.section_input(model)
if look == compare_view.SIMILAR:
    compare_view.similar(model, said)
elif look == compare_view.SEVERAL:
    compare_view.several(found, one, picture)
elif look == compare_view.PRETRAINED:
    imagenet_view.section(picture.image, said.prediction.top if said else (), one.settings.architecture)
else:
    preparation_view.show(model, picture, said)
