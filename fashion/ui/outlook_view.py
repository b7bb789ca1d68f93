"""What is known of a run before Start: its expected time and accuracy, size and memory, what is in its way, and its plan."""

import altair as alt
import pandas as pd
import streamlit as st

from fashion import (
    architectures,
    estimate,
    expected_accuracy,
    feature_store,
    jobs,
    memory_need,
    runs,
    snapshots,
    summary,
)
from fashion.settings import RunSettings, learning_rate_at
from fashion.ui import cache, charts, run_line


def outlook(settings: RunSettings) -> str:
    """What is known before Start: time, accuracy, size and memory; returns what time and accuracy rest on, in words."""
    num_parameters, num_multiply_adds = architectures.cost_of(settings)
    found = summary.summarise_all(runs.list_runs())[0]
    measured = estimate.measured_here(found)
    guess = estimate.estimate(settings, measured)
    in_full = estimate.estimate(settings.replace(seconds_limit=0), measured)
    whole = not settings.seconds_limit or in_full.training_seconds <= settings.seconds_limit
    hoped = expected_accuracy.expected(settings, expected_accuracy.known(found), whole)
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Expected time",
            estimate.in_words(guess.seconds),
            help=f"Between {estimate.in_words(guess.low)} and {estimate.in_words(guess.high)}, from {guess.basis}. "
            "It includes start-up and the final test.",
            width="content",
        )
        if hoped:
            st.metric(
                "Expected test accuracy",
                f"{'at least ' if hoped.fewer_epochs else ''}about {hoped.value:.1%}",
                help="What runs with the same settings came to. Seeds differ by chance, and so will yours.",
                width="content",
            )
        st.metric(
            "Parameters",
            f"{num_parameters:,}",
            help="The numbers that the network adjusts while it learns."
            if not settings.pretrained or settings.fine_tune == "all"
            else "All numbers of the network. Most were learned from ImageNet and stay as they are.",
            width="content",
        )
        st.metric(
            "Multiply-adds",
            f"{num_multiply_adds / 1e6:,.2f} M",
            help="Multiplications, each with an addition, to judge one picture. Training costs about three times "
            "as much.",
            width="content",
        )
        if settings.device == "cpu":
            st.metric(
                "Memory",
                f"{memory_need.worker_bytes(settings) / 1e9:.1f} GB",
                help="The most that the process which trains is expected to take, rounded up. It grows with the batch size "
                "and with the area of the pictures.",
                width="content",
            )
    parts = f" ({'; '.join(guess.parts)})" if guess.parts else ""
    words = f"Time: {estimate.in_words(guess.low)} to {estimate.in_words(guess.high)}; {guess.basis}{parts}."
    return f"{words} Accuracy: {hoped.basis}." if hoped else words


def waiting_runs() -> None:
    """How many unfinished runs are served before the one that is about to be started."""
    if words := run_line.goes_first():
        st.caption(f":material/hourglass_top: {words}")


def obstacle(settings: RunSettings) -> str | None:
    """Why this run cannot be started now, in words; None if it can."""
    refused = memory_need.refusal(settings, cache.queue().limits.memory_bytes)
    refused = refused or snapshots.refusal(settings, jobs.free_disk_bytes())
    return refused or feature_store.obstacle(settings)


def previews(settings: RunSettings) -> None:
    """The layer table, and the learning rate over the run as it is planned."""
    shown = st.segmented_control(
        "Look before you start",
        ["Layers", "Planned learning rate"],
        default="Layers",
        key="_preview",
        label_visibility="collapsed",
    )
    if shown == "Layers":
        layers = architectures.layers_of(settings, architectures.num_classes(settings))
        rows = architectures.table(layers, architectures.input_shape(settings))
        table = pd.DataFrame(
            {
                "Layer": [row.name for row in rows],
                "Output": [" x ".join(map(str, row.output_shape)) for row in rows],
                "Parameters": [row.num_parameters for row in rows],
                "Multiply-adds": [row.num_multiply_adds for row in rows],
            }
        )
        st.dataframe(
            table,
            hide_index=True,
            column_config=dict.fromkeys(
                ("Parameters", "Multiply-adds"), st.column_config.NumberColumn(format="localized")
            ),
            alt="The layers of the network, first to last",
        )
    elif shown == "Planned learning rate":
        table = schedule_table(settings)
        charts.place(
            _schedule_chart(table, settings),
            alt_text=f"The planned learning rate over {settings.num_epochs} epochs: {settings.schedule}.",
            table=table,
            name="learning-rate",
        )


def schedule_table(settings: RunSettings) -> pd.DataFrame:
    """The planned learning rate along the run: columns epoch and learning rate; fine-tuning has a schedule of its own."""
    parts = [(0, settings.epochs, settings)]
    if settings.num_epochs > settings.epochs:
        tuning = settings.replace(learning_rate=settings.fine_tune_rate)
        parts.append((settings.epochs, settings.fine_tune_epochs, tuning))
    points = 200
    rows = [
        (first + count * point / points, learning_rate_at(part, point, points))
        for first, count, part in parts
        for point in range(points + 1)
    ]
    return pd.DataFrame(rows, columns=["epoch", "learning rate"])


def _schedule_chart(table: pd.DataFrame, settings: RunSettings) -> alt.LayerChart:
    tuned = settings.num_epochs > settings.epochs
    lines = (
        alt.Chart(table)
        .mark_line(interpolate="step-after" if settings.schedule == "step" else "linear")
        .encode(
            x=alt.X("epoch:Q", title="epoch"),
            y=alt.Y("learning rate:Q", title="learning rate", axis=alt.Axis(format="~g")),
            tooltip=[
                alt.Tooltip("epoch:Q", format=".2f"),
                alt.Tooltip("learning rate:Q", format=".3~g"),
            ],
        )
    )
    layers = [lines, *(charts.beginning(settings.epochs, "fine-tuning") if tuned else [])]
    return alt.layer(*layers).properties(height=220)
