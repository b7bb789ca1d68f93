"""The benchmark page: what training costs in time and what it buys, measured on this machine or recorded on others."""

import streamlit as st

from fashion.ui import (
    benchmark_framework,
    benchmark_growth,
    benchmark_measure,
    benchmark_minute,
    benchmark_view,
    frame,
)

frame.page(
    "Benchmark",
    "What does a model cost in time, and what does one get for it? Measure this machine, and compare it with recorded ones.",
)

ANSWERS = {
    "grid": benchmark_growth.answer,
    "accuracy": benchmark_minute.answer,
    "frameworks": benchmark_framework.answer,
}

kind = benchmark_view.question()
# Asking which devices there are may take seconds: the results are drawn first, below.
measuring = st.container()
found = benchmark_view.found(kind)
if found:
    shown = benchmark_view.choice(kind, found)
    if shown:
        benchmark_view.problems(shown)
        ANSWERS[kind](shown)
        benchmark_view.files(shown)
else:
    benchmark_view.nothing_yet(kind)
with measuring:
    benchmark_measure.measure(kind)
