"""The benchmark page: how long training takes on CPU and on GPU as the network grows, measured here or recorded."""

import streamlit as st

from fashion.ui import benchmark_view, frame, state

frame.page(
    "Benchmark",
    "How long does training take on the processor (CPU) and on a graphics card (GPU) as the network grows?",
)

CHARTS = {
    "Time and cost": benchmark_view.time_and_cost,
    "First epoch": benchmark_view.first_and_later,
    "Batch size": benchmark_view.batch_size,
    "Accuracy": benchmark_view.accuracy,
    "CPU and GPU": benchmark_view.speed_up,
    "All numbers": benchmark_view.everything,
}

# Asking which devices there are may take seconds: the results are drawn first, below.
measuring = st.container()
found = benchmark_view.found()
if found:
    shown = benchmark_view.choice(found)
    name = st.segmented_control(
        "Chart",
        list(CHARTS),
        default="Time and cost",
        required=True,
        label_visibility="collapsed",
        **state.in_url(state.CHART),
    )
    if shown:
        benchmark_view.problems(shown)
        CHARTS[name](shown)
else:
    benchmark_view.nothing_yet()
with measuring:
    benchmark_view.measure()
