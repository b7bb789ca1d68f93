"""From small tables to Altair charts, with the app's colours; `place` puts one on a page.

It computes nothing but labels. Charts take plain tables, so they can be tested without Streamlit; colours,
fonts and grid lines that depend on light or dark come from the theme.
"""

from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from fashion import datasets
from fashion.palette import CLASS_COLOURS
from fashion.ui import cache

SPLIT_COLOURS = {"training": "#3b7dd8", "validation": "#d9730d"}
"""Curves: blue and orange, which all readers tell apart; validation is dashed as well."""

MIDDLE_GREY = "#8a8f91"
"""For lines and labels that must show on light and dark without a meaning of their own."""


# For each clothing class the Fashion-MNIST class whose colour it has: the same garment or the next of kin, then what is
# left over for hat, shorts and skirt.
_CLOTHING_COLOURS = (3, 8, 2, 4, 1, 6, 7, 9, 5, 0)


def class_colours(classes: tuple[str, ...]) -> tuple[str, ...]:
    """The colour of each class, in the order of their label numbers; a dress has the same in every dataset."""
    if set(classes) <= set(datasets.CLASSES_CLOTHING):
        places = [datasets.CLASSES_CLOTHING.index(name) for name in classes]
        return tuple(CLASS_COLOURS[_CLOTHING_COLOURS[place]] for place in places)
    return tuple(CLASS_COLOURS[number % len(CLASS_COLOURS)] for number in range(len(classes)))


def class_scale(classes: tuple[str, ...]) -> alt.Scale:
    """The colour scale of classes, the same on every chart: `alt.Color("class:N", scale=class_scale(classes))`."""
    return alt.Scale(domain=list(classes), range=list(class_colours(classes)))


def curve_scale() -> alt.Scale:
    """The colour scale of curves: a nominal field with the values "training" and "validation"."""
    return alt.Scale(domain=list(SPLIT_COLOURS), range=list(SPLIT_COLOURS.values()))


def curve_dash() -> alt.Scale:
    """The dash pattern that goes with `curve_scale`: training solid, validation dashed."""
    return alt.Scale(domain=list(SPLIT_COLOURS), range=[[1, 0], [5, 3]])


def share_scale(kind: str = "linear") -> alt.Scale:
    """The colour scale of squares, for shares from 0 to 1: from nearly the page's colour to the strongest, in both themes.

    Its colours are the theme's own (chartSequentialColors), which is why it names none.
    """
    return alt.Scale(type=kind, domain=[0, 1])


def ink_on(field: str, empty: str = "false") -> alt.Color:
    """The colour of a number on a square whose colour is this field's on `share_scale`: black or white, whichever is plainer.

    The browser asks the scale, as only it knows the theme; at a luminance of 0.18 both stand out alike. `empty`: an expression
    that is true where there is no square, so that the number stands on the page itself.
    """
    return (
        alt.when(empty)
        .then(alt.value(MIDDLE_GREY))
        .when(f"luminance(scale('color', datum.{field})) > 0.18")
        .then(alt.value("#14181a"))
        .otherwise(alt.value("white"))
    )


def beginning(x: float, words: str, field: str = "epoch") -> tuple[alt.Chart, alt.Chart]:
    """Layers that mark where a part of a run begins: a thin line at x, and the words beside it."""
    base = alt.Chart(pd.DataFrame({field: [x], "words": [words]})).encode(x=f"{field}:Q")
    line = base.mark_rule(color=MIDDLE_GREY, strokeDash=[2, 3])
    return line, base.mark_text(color=MIDDLE_GREY, align="left", baseline="top", dx=4, fontSize=11).encode(
        y=alt.value(2), text="words:N"
    )


CHECK_CHARTS = False
"""Whether each chart that is drawn is compared with Vega-Lite's schema, which takes nearly half of its time: in tests."""


class _Chart:
    """What `st.altair_chart` asks of a chart, its specification, without the comparison with the schema."""

    def __init__(self, chart: alt.TopLevelMixin):
        self._chart = chart

    def to_dict(self) -> dict:
        return self._chart.to_dict(validate=CHECK_CHARTS)


def draw(chart: alt.TopLevelMixin, **options: Any) -> Any:
    """`st.altair_chart`, with its options and what it returns, in little more than half the time."""
    return st.altair_chart(_Chart(chart), **options)


def place(
    chart: alt.TopLevelMixin | Callable[[], alt.TopLevelMixin],
    *,
    alt_text: str,
    table: pd.DataFrame,
    name: str,
    stretch: bool = True,
    version: tuple | None = None,
) -> None:
    """Draw a chart with its description for screen readers and, under it, the numbers to read or download.

    `alt_text`: what the chart shows, in a sentence. `table`: the data as a reader wants it, columns named in words.
    `name`: of the CSV file, unique on the page. `stretch`: as wide as the page, or the chart's own width.
    `version`: for a chart that a class may watch while it grows: plain values that say what it is drawn from, with `name`. It is
    made and drawn once for all who look at this version; `chart` is then a function that makes it.
    """
    options = {"width": "stretch" if stretch else "content", "theme": "streamlit", "alt": alt_text}
    if version is None:
        draw(chart, **options)
    else:
        cache.drawn(lambda: draw(chart(), **options), ("chart", name, *version))
    table_behind(table, alt_text=alt_text, name=name, version=version)


def table_behind(table: pd.DataFrame, *, alt_text: str, name: str, version: tuple | None = None) -> None:
    """A small button that opens the numbers behind a chart, to read or to download as `name`.csv; see `place`."""

    def show() -> None:
        st.dataframe(table, hide_index=True, width="content", alt=alt_text)

    with st.popover("Table", icon=":material/table:", type="tertiary"):
        if version is None:
            show()
        else:
            cache.drawn(show, ("table", name, *version))
        st.download_button(
            "Download as CSV",
            table.to_csv(index=False) if version is None else cache.csv(table, (name, *version)),
            file_name=f"{name}.csv",
            mime="text/csv",
            icon=":material/download:",
            key=f"_csv_{name}",
            on_click="ignore",
        )


def class_counts(counts: pd.DataFrame, classes: tuple[str, ...]) -> alt.Chart:
    """Pictures per class as stacked bars, a shade per split, the total written beside.

    `counts`: columns class and one per split.
    """
    order = [column for column in counts.columns if column != "class"]
    long = counts.melt("class", var_name="split", value_name="n")
    bars = (
        alt.Chart(long.assign(order=long["split"].map(order.index)))
        .mark_bar(size=16)
        .encode(
            x=alt.X("n:Q", title="pictures", axis=alt.Axis(format=",d", tickCount=4)),
            y=_class_axis(classes),
            color=alt.Color("class:N", scale=class_scale(classes), legend=None),
            opacity=alt.Opacity(
                "split:N",
                scale=alt.Scale(domain=order, range=[1.0, 0.6, 0.3]),
                legend=alt.Legend(title=None, orient="top", symbolType="square", symbolFillColor=MIDDLE_GREY),
            ),
            order="order:Q",
            tooltip=[
                alt.Tooltip("class:N"),
                alt.Tooltip("split:N"),
                alt.Tooltip("n:Q", title="pictures", format=","),
            ],
        )
    )
    totals = long.groupby("class", as_index=False)["n"].sum()
    return bars + _bar_end_labels(totals, "n", ",", classes)


def class_shares(counts: pd.DataFrame, classes: tuple[str, ...]) -> alt.LayerChart:
    """The share of each class in each split: a group of bars per class, a shade per split, the share beside.

    `counts`: columns class and one per split.
    """
    order = [column for column in counts.columns if column != "class"]
    long = counts.melt("class", var_name="split", value_name="n")
    long["share"] = long["n"] / long.groupby("split")["n"].transform("sum")
    base = alt.Chart(long).encode(
        x=alt.X("share:Q", title="share of the split", axis=alt.Axis(format="%", tickCount=4)),
        y=_class_axis(classes),
        yOffset=alt.YOffset("split:N", sort=order),
        tooltip=[
            alt.Tooltip("class:N"),
            alt.Tooltip("split:N"),
            alt.Tooltip("n:Q", title="pictures", format=","),
            alt.Tooltip("share:Q", format=".1%"),
        ],
    )
    bars = base.mark_bar().encode(
        color=alt.Color("class:N", scale=class_scale(classes), legend=None),
        opacity=alt.Opacity(
            "split:N",
            scale=alt.Scale(domain=order, range=[1.0, 0.65, 0.4]),
            legend=alt.Legend(title=None, orient="top", symbolType="square", symbolFillColor=MIDDLE_GREY),
        ),
    )
    labels = base.mark_text(align="left", dx=4, fontSize=10, color=MIDDLE_GREY).encode(
        text=alt.Text("share:Q", format=".0%")
    )
    return (bars + labels).properties(height=alt.Step(11))


def photo_sizes(table: pd.DataFrame) -> alt.LayerChart:
    """How wide and how high photos are: a circle per size, its area the number of photos; the line is the square.

    `table`: columns width, height, photos.
    """
    largest = int(table[["width", "height"]].to_numpy().max())
    scale = alt.Scale(domain=[0, largest * 1.08], nice=False)
    circles = (
        alt.Chart(table)
        .mark_circle(opacity=0.55, color=SPLIT_COLOURS["training"])
        .encode(
            x=alt.X("width:Q", title="width in pixels", scale=scale, axis=alt.Axis(tickCount=5)),
            y=alt.Y("height:Q", title="height in pixels", scale=scale),
            size=alt.Size("photos:Q", scale=alt.Scale(range=[12, 1200]), legend=None),
            tooltip=["width:Q", "height:Q", alt.Tooltip("photos:Q", format=",")],
        )
    )
    diagonal = (
        alt.Chart(pd.DataFrame({"width": [0, largest], "height": [0, largest]}))
        .mark_line(color=MIDDLE_GREY, strokeDash=[4, 4], strokeWidth=1)
        .encode(x="width:Q", y="height:Q")
    )
    return diagonal + circles


def brightness(table: pd.DataFrame, classes: tuple[str, ...]) -> alt.LayerChart:
    """The spread of brightness per class: a box for the middle half, a line for the median, thin 5 % to 95 %.

    `table`: as from `pictures.brightness_per_class`.
    """
    tooltip = [
        alt.Tooltip("class:N"),
        alt.Tooltip("n:Q", title="pictures", format=","),
        *(alt.Tooltip(f"{name}:Q", title=title, format=".1f") for name, title in _QUANTILE_TITLES.items()),
    ]
    base = alt.Chart(table).encode(
        y=_class_axis(classes),
        color=alt.Color("class:N", scale=class_scale(classes), legend=None),
        tooltip=tooltip,
    )
    scale = alt.Scale(domain=[0, 255])
    values = alt.Axis(values=[0, 50, 100, 150, 200, 255])
    whiskers = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("p5:Q", title="mean pixel value, 0 black to 255 white", scale=scale, axis=values), x2="p95:Q"
    )
    boxes = base.mark_bar(size=14).encode(x=alt.X("p25:Q", scale=scale), x2="p75:Q")
    medians = base.mark_tick(size=20, thickness=3).encode(
        x=alt.X("median:Q", scale=scale), color=alt.value(MIDDLE_GREY)
    )
    return whiskers + boxes + medians + _bar_end_labels(table, "p95", ".0f", classes, shown="median")


_QUANTILE_TITLES = {
    "p5": "5 % are darker than",
    "p25": "25 % are darker than",
    "median": "median",
    "p75": "75 % are darker than",
    "p95": "95 % are darker than",
}


def pixel_table(image: np.ndarray) -> pd.DataFrame:
    """A picture, uint8 (h, w), as a row per pixel: row, column (counted from 0, top left), value."""
    rows, columns = np.indices(image.shape)
    return pd.DataFrame({"row": rows.ravel(), "column": columns.ravel(), "value": image.ravel()})


def pixel_numbers(image: np.ndarray, cell_pixels: int = 21) -> alt.LayerChart:
    """A picture, uint8 (h, w), with the number of every pixel written in its square."""
    base = alt.Chart(pixel_table(image)).encode(
        x=alt.X("column:O", axis=None),
        y=alt.Y("row:O", axis=None),
        tooltip=["row:Q", "column:Q", "value:Q"],
    )
    squares = base.mark_rect().encode(
        color=alt.Color("value:Q", legend=None, scale=alt.Scale(domain=[0, 255], range=["black", "white"]))
    )
    numbers = base.mark_text(fontSize=9).encode(
        text="value:Q",
        color=alt.when(alt.datum.value > 100).then(alt.value("black")).otherwise(alt.value("#c8c8c8")),
    )
    return (squares + numbers).properties(width=alt.Step(cell_pixels), height=alt.Step(cell_pixels))


def _class_axis(classes: tuple[str, ...]) -> alt.Y:
    """Class names down the side, in the order of their label numbers."""
    return alt.Y(
        "class:N", sort=list(classes), title=None, axis=alt.Axis(ticks=False, domain=False, labelFlush=False)
    )


def _bar_end_labels(
    table: pd.DataFrame, field: str, number_format: str, classes: tuple[str, ...], shown: str | None = None
) -> alt.Chart:
    """The number itself, written right of where its bar ends."""
    return (
        alt.Chart(table)
        .mark_text(align="left", dx=6, color=MIDDLE_GREY)
        .encode(
            x=f"{field}:Q",
            y=_class_axis(classes),
            text=alt.Text(f"{shown or field}:Q", format=number_format),
        )
    )
