"""The answer to the third question: the same network in TensorFlow, PyTorch and JAX, as bars.

The numbers are put together in `fashion.benchmark_accuracy`.
"""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from fashion import benchmark_accuracy, benchmark_chart, benchmark_records, machine
from fashion.benchmark_accuracy import BASELINE
from fashion.benchmark_records import Record
from fashion.benchmark_results import EPOCH_IMAGES
from fashion.settings import FRAMEWORKS
from fashion.ui import charts, state
from fashion.ui.benchmark_view import method, not_measured

_PLAIN = "plain-torch"
"""Keras' convnet example written in PyTorch itself: the same network, so it stands beside it."""


def answer(shown: Sequence[Record]) -> None:
    """Bars of the seconds per epoch and of start-up, and the accuracies with their intervals, for one network."""
    shown = [one for one in shown if one.measured_runs]
    if not shown:
        not_measured("No training of these results was measured.")
        return
    rows = compared(shown)
    networks = list(dict.fromkeys(rows.network))
    network = networks[0]
    if len(networks) > 1:
        network = st.segmented_control(
            "Network", networks, default=network, required=True, **state.kept("_framework_network")
        )
    rows = rows[rows.network == network]
    left, right = st.columns(2)
    with left:
        charts.draw(
            _bars(rows, "seconds_per_60000", "seconds per later epoch"),
            width="stretch",
            theme="streamlit",
            alt="Bars: seconds per epoch after the first, by framework.",
        )
    with right:
        charts.draw(
            _bars(rows, "startup_seconds", "start-up: seconds to the first step"),
            width="stretch",
            theme="streamlit",
            alt="Bars: seconds from the start of the process to its first training step, by framework.",
        )
    charts.place(
        _accuracies(rows),
        alt_text="Test accuracy with its 95 % interval, by framework.",
        table=_in_words(rows),
        name="benchmark-frameworks",
    )
    epochs = " or ".join(str(count) for count in sorted(set(rows.num_epochs)))
    sizes = " or ".join(f"{one:,}" for one in sorted(set(rows.n)))
    seeds = " or ".join(str(count) for count in sorted(set(rows.n_seeds)))
    seeds = "seed" if seeds == "1" else f"{seeds} seeds"
    interval = (
        "95 % t interval of the mean over seeds"
        if rows.n_seeds.max() > 1
        else "95 % interval of the one test"
    )
    method(
        f"The same network, data, batch size and {seeds}, {epochs} epochs; later epochs as their median, per 60,000 pictures; lines: "
        f"{interval}, n = {sizes} test pictures. Plain PyTorch is written as PyTorch's own tutorial writes it",
        shown,
        benchmark_records.method,
    )
    measured = set(rows.framework)
    missing = [name for name in FRAMEWORKS if name not in measured]
    here = machine.installed_frameworks()
    words = [
        "It is installed here: press Start to measure it."
        if name in here
        else f"{machine.not_installed(name)}."
        for name in missing
    ]
    for name, what in zip(missing, words, strict=True):
        st.caption(f":material/deployed_code: Not in these results: {FRAMEWORKS[name]}. {what}")


def compared(shown: Sequence[Record]) -> pd.DataFrame:
    """The rows of `benchmark_accuracy.speeds` with network, label (how the framework is used) and place named."""
    rows = benchmark_accuracy.speeds(shown)
    titles = dict(zip(rows.recipe, rows.title, strict=True))
    convnet = titles.get(BASELINE, "Keras' convnet example")
    plain = rows.recipe == _PLAIN
    labels = rows.framework.map(lambda name: FRAMEWORKS.get(name, name))
    return rows.assign(
        network=rows.title.mask(plain, convnet),
        label=("Keras on " + labels).mask(plain, "Plain PyTorch"),
        place=rows.key.map(benchmark_chart.places(shown)),
        seconds_per_60000=EPOCH_IMAGES / rows.images_per_second,
    )


def _y(rows: pd.DataFrame) -> alt.Y:
    order = list(dict.fromkeys(rows.sort_values("seconds_per_60000").label))
    axis = alt.Axis(ticks=False, domain=False, labelOverlap=False, labelLimit=140)
    return alt.Y("label:N", sort=order, title=None, axis=axis)


def _places(rows: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(rows.sort_values("measured").place))


def _colours(rows: pd.DataFrame) -> alt.Scale:
    places = _places(rows)
    return alt.Scale(domain=places, range=list(charts.CLASS_COLOURS[: len(places)]))


def _base(rows: pd.DataFrame) -> alt.Chart:
    places = _places(rows)
    legend = alt.Legend(title=None, orient="top", columns=1, labelLimit=220, symbolOpacity=1)
    base = alt.Chart(rows).encode(
        y=_y(rows),
        color=alt.Color("place:N", scale=_colours(rows), legend=legend if len(places) > 1 else None),
        tooltip=_tooltip(),
    )
    return base.encode(yOffset=alt.YOffset("place:N", sort=places)) if len(places) > 1 else base


def _bars(rows: pd.DataFrame, field: str, title: str) -> alt.LayerChart:
    # Room at the end of the longest bar for its number.
    scale = alt.Scale(domain=[0, 1.18 * rows[field].max()], nice=False)
    x = alt.X(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=4))
    here = alt.datum.measured == "measured here"
    bars = (
        _base(rows)
        .mark_bar(strokeWidth=1.5)
        .encode(
            x=x,
            fillOpacity=alt.condition(here, alt.value(0.9), alt.value(0.25)),
            stroke=alt.Stroke("place:N", scale=_colours(rows), legend=None),
        )
    )
    numbers = (
        _base(rows)
        .mark_text(align="left", dx=5)
        .encode(x=x, text=alt.Text(f"{field}:Q", format=".1f"), color=alt.value(charts.MIDDLE_GREY))
    )
    return (bars + numbers).properties(height=_height(rows))


def _accuracies(rows: pd.DataFrame) -> alt.LayerChart:
    scale = alt.Scale(zero=False, padding=12)
    x = alt.X("accuracy:Q", title="test accuracy", scale=scale, axis=alt.Axis(format=".1%", tickCount=5))
    interval = (
        _base(rows)
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X("accuracy_low:Q", scale=scale), x2="accuracy_high:Q")
    )
    points = _base(rows).mark_point(filled=True, size=80, opacity=1).encode(x=x)
    numbers = (
        _base(rows)
        .mark_text(dy=-11)
        .encode(x=x, text=alt.Text("accuracy:Q", format=".1%"), color=alt.value(charts.MIDDLE_GREY))
    )
    return (interval + points + numbers).properties(height=_height(rows))


def _height(rows: pd.DataFrame) -> int:
    return 34 * len(rows) + 70 + (26 * rows.place.nunique() if rows.place.nunique() > 1 else 0)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="framework"),
        alt.Tooltip("place:N", title="measured on"),
        alt.Tooltip("seconds_per_60000:Q", title="later epochs, s", format=",.1f"),
        alt.Tooltip("startup_seconds:Q", title="start-up, s", format=".1f"),
        alt.Tooltip("images_per_second:Q", title="pictures/s", format=",.0f"),
        alt.Tooltip("accuracy:Q", title="test accuracy", format=".2%"),
        alt.Tooltip("accuracy_low:Q", title="95 % from", format=".2%"),
        alt.Tooltip("accuracy_high:Q", title="95 % to", format=".2%"),
        alt.Tooltip("n:Q", title="test pictures", format=","),
        alt.Tooltip("n_seeds:Q", title="seeds"),
    ]


_WORDS = {
    "label": "framework",
    "network": "network",
    "place": "measured on",
    "device": "device",
    "batch_size": "batch size",
    "num_epochs": "epochs",
    "startup_seconds": "start-up (s)",
    "first_epoch_seconds": "first epoch (s)",
    "steady_epoch_seconds": "later epochs, median (s)",
    "images_per_second": "pictures per second",
    "share_of_peak": "share of float32 matrix peak",
    "peak_memory_bytes": "most memory (MB)",
    "accuracy": "test accuracy",
    "accuracy_low": "95 % interval from",
    "accuracy_high": "95 % interval to",
    "n": "test pictures",
    "n_seeds": "seeds",
}


def _in_words(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(peak_memory_bytes=rows.peak_memory_bytes / 1e6)
    digits = dict.fromkeys(("startup_seconds", "first_epoch_seconds", "steady_epoch_seconds"), 2)
    digits |= dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high"), 4)
    return rows.round(digits | {"images_per_second": 0, "peak_memory_bytes": 0, "share_of_peak": 3})[
        list(_WORDS)
    ].rename(columns=_WORDS)
