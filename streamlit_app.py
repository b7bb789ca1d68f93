"""The landing page: what this is, where to start, and what this machine can do."""

import streamlit as st

from fashion import datasets
from fashion.ui import components, frame

frame.page(
    "Home",
    "Teach a small neural network to tell ten kinds of clothes apart, watch it learn, and find out where it errs. "
    "You need no programming, no account and no special hardware.",
    heading="Fashion Lab",
)

DOORS = (
    (
        "Dataset",
        ":material/grid_view:",
        "Look at the data",
        "See the pictures a network learns from, down to the single number.",
        "Open the dataset",
    ),
    (
        "Train",
        ":material/model_training:",
        "Train a network",
        "Choose a network, press Start, and watch its accuracy grow.",
        "Start training",
    ),
    (
        "Predict",
        ":material/photo_camera:",
        "Try a photo",
        "Photograph a garment, and see what a trained network makes of it.",
        "Choose a photo",
    ),
)

for column, (page, icon, title, sentence, label) in zip(st.columns(len(DOORS)), DOORS, strict=True):
    with column.container(border=True, height="stretch"):
        st.subheader(f"{icon} {title}", anchor=False)
        st.markdown(sentence)
        frame.link(page, f"**{label}**", icon=":material/arrow_forward:")

with st.container(horizontal=True):
    frame.link("Course", "Follow the course, lesson by lesson")
    frame.link("Runs", "Compare your runs")
    frame.link("Benchmark", "Measure what training costs")

st.subheader("The ten kinds", anchor=False, help=components.TERMS["class"])
components.garment_strip(datasets.CLASSES_FASHION)

st.subheader("This machine", anchor=False)
components.machine_facts()
components.gpu_facts()
