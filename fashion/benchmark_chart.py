"""The chart of how much accuracy a minute buys: from `benchmark_accuracy.table` to Altair, for the page and the picture.

It computes nothing but names. Mean test accuracy over the seconds of training, a line per family of recipes with its
band; published programs in grey; the front of the best as a broad step line behind.
"""

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd

from fashion import benchmark_accuracy, benchmark_records
from fashion.benchmark_records import Record
from fashion.benchmark_results import machine_name
from fashion.palette import CLASS_COLOURS

GREYS = ("#8a8f91", "#b3a89c", "#6f7f8f")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "stroke")
DASHES = ([1, 0], [6, 4], [2, 3], [9, 3, 2, 3], [4, 2, 4, 6])
HERE = "this machine"
# Accuracies further below the best are cut off: the first epochs would press all lines together.
_SHOWN_BELOW_BEST = 0.12
_TICKS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200, 18000)


def named(records: Sequence[Record]) -> pd.DataFrame:
    """The rows of `benchmark_accuracy.table` that count, with what the chart calls them.

    place: "this machine" or the hardware's name, with the date, then the key, where two share it. line: a line of the chart,
    which is a family, or a recipe all of whose epochs count. ends: what stands beside a recipe's last point, else "". Every line in the order of its seconds.
    """
    rows = benchmark_accuracy.counting(benchmark_accuracy.table(records))
    names = places(records)
    rows = rows.assign(place=rows.key.map(names))
    rows["ends"] = [_end(row) if row.last else "" for row in rows.itertuples()]
    several = [name for name in ("framework", "device") if rows[name].nunique() > 1]
    rows["line"] = rows.family.where(rows.only_last, rows.recipe) + "|" + rows.place
    for name in several:
        rows["line"] += "|" + rows[name]
    return rows.sort_values(["line", "seconds"])


def _end(row) -> str:
    """What stands beside the last point of a recipe: "2 epochs", or "16 epochs, 2 of 5 seeds"."""
    words = f"{row.epoch} epoch{'' if row.epoch == 1 else 's'}"
    return words if row.n_seeds >= row.n_planned else f"{words}, {row.n_seeds} of {row.n_planned} seeds"


def seeds(records: Sequence[Record]) -> str:
    """How many seeds a point is the mean of: "5 seeds", or "5 seeds (Quick CNN, 16 epochs: 2 of 5 seeds)"."""
    counts = sorted({one.num_seeds for one in records})
    words = f"{' or '.join(map(str, counts))} seed{'' if counts == [1] else 's'}"
    missing = benchmark_records.partial(records)
    return f"{words} ({'; '.join(missing)})" if missing else words


def places(records: Sequence[Record]) -> dict[str, str]:
    """Key of a record -> a name for where it was measured that no other of them has."""
    names = {}
    for one in records:
        gpus = dict.fromkeys(run["device_name"] for run in one.measured_runs if run.get("device_name"))
        names[one.key] = ", ".join([machine_name(one.results["machine"]), *gpus]) if one.recorded else HERE
    for more in ({one.key: one.when for one in records}, {one.key: one.key for one in records}):
        shared = [name for name in names.values() if list(names.values()).count(name) > 1]
        names = {key: f"{name}, {more[key]}" if name in shared else name for key, name in names.items()}
    return names


def lowest(rows: pd.DataFrame) -> float:
    """The accuracy at which the chart begins, 0 to 1, in whole hundredths: what is below is only in the table."""
    return math.floor(100 * max(rows.accuracy_low.min(), rows.accuracy.max() - _SHOWN_BELOW_BEST)) / 100


def accuracy_over_time(records: Sequence[Record]) -> alt.LayerChart:
    """Mean test accuracy over seconds of training (logarithmic); see the module's words."""
    rows = named(records)
    # On a page the legend's lines are taken from it.
    height = 360 + 32 * rows.family.nunique()
    if rows.place.nunique() > 1:
        height += 26 * (rows.place.nunique() + 1)
    low = lowest(rows)
    # A hundredth higher than the highest mark, so that there is room for the words above the highest mark.
    y_scale = alt.Scale(domain=[low, math.ceil(200 * rows.accuracy_high.max() + 2) / 200], nice=False, clamp=True)  # fmt: skip
    y = alt.Y("accuracy:Q", title="test accuracy", scale=y_scale, axis=alt.Axis(format=".0%", tickCount=8))
    x = alt.X(
        "seconds:Q",
        title="training time (logarithmic)",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(
            values=[tick for tick in _TICKS if rows.seconds.min() / 2 < tick < rows.seconds.max() * 2],
            labelExpr="datum.value < 60 ? datum.value + ' s' : datum.value < 3600 ? datum.value / 60 + ' min' "
            ": datum.value / 3600 + ' h'",
            labelOverlap=True,
        ),
    )
    shown = rows[rows.accuracy >= low]
    base = alt.Chart(shown).encode(x=x, color=_colour(rows), tooltip=_tooltip())
    places_shown = sorted(set(rows.place), key=lambda name: (name != HERE, name))
    dash = alt.StrokeDash(
        "place:N",
        scale=alt.Scale(domain=places_shown, range=list(DASHES[: len(places_shown)])),
        legend=_legend("measured on") if len(places_shown) > 1 else None,
    )
    band = base.transform_filter("!datum.only_last").mark_area(opacity=0.18, clip=True)
    band = band.encode(
        y=alt.Y("accuracy_low:Q", scale=y_scale), y2="accuracy_high:Q", detail=["line:N"], tooltip=alt.Undefined
    )  # fmt: skip
    interval = base.transform_filter("datum.only_last").mark_rule(strokeWidth=2, clip=True)
    interval = interval.encode(y=alt.Y("accuracy_low:Q", scale=y_scale), y2="accuracy_high:Q")
    line = base.mark_line(strokeWidth=2, clip=True).encode(y=y, detail=["line:N"], strokeDash=dash)
    families = _families(rows)
    points = base.mark_point(size=55, strokeWidth=1.5, opacity=1, clip=True).encode(
        y=y,
        shape=alt.Shape(
            "family:N",
            scale=alt.Scale(domain=families, range=[SHAPES[i % len(SHAPES)] for i in range(len(families))]),
            legend=_legend(),
        ),
        fill=alt.Fill("family:N", scale=_scale(rows), legend=None),
        fillOpacity=alt.condition(alt.datum.measured == "measured here", alt.value(1.0), alt.value(0.0)),
    )
    # Beside several machines' lines they would stand on one another.
    ends = (
        [_ends(base, rows, y, at_the_edge) for at_the_edge in (False, True)] if len(places_shown) <= 2 else []
    )
    return alt.layer(_front(records, rows, low, x, y), band, interval, line, points, *ends).properties(
        height=height
    )


def _ends(base: alt.Chart, rows: pd.DataFrame, y: alt.Y, at_the_edge: bool) -> alt.Chart:
    """The epochs of each recipe above its last point; where it is near the right edge, to the left of it."""
    near = f"datum.seconds {'>' if at_the_edge else '<='} {0.6 * rows.seconds.max()}"
    place = {"align": "right", "dx": 8} if at_the_edge else {"align": "center"}
    return (
        base.transform_filter(f"datum.ends != '' && {near}")
        .mark_text(dy=-14, fontSize=11, **place)
        .encode(y=y, text="ends:N", color=alt.value(GREYS[0]), tooltip=alt.Undefined)
    )


def _front(records: Sequence[Record], rows: pd.DataFrame, low: float, x: alt.X, y: alt.Y) -> alt.Chart:
    """Broad steps: the best that any recipe of a record had reached by then, until its last recipe ended."""
    best = benchmark_accuracy.front(benchmark_accuracy.table(records))
    ends = best.loc[best.groupby("key").accuracy.idxmax()].assign(
        seconds=lambda ends: ends.key.map(rows.groupby("key").seconds.max())
    )
    steps = pd.concat([best, ends])[["key", "seconds", "accuracy"]]
    return (
        alt.Chart(steps[steps.accuracy >= low].sort_values(["key", "seconds"]))
        .mark_line(interpolate="step-after", strokeWidth=7, opacity=0.22, color=GREYS[0], clip=True)
        .encode(x=x, y=y, detail=["key:N"])
    )


def _families(rows: pd.DataFrame) -> list[str]:
    """Ours first, then the published programs."""
    return list(dict.fromkeys([*rows[~rows.peer].family, *rows[rows.peer].family]))


def _scale(rows: pd.DataFrame) -> alt.Scale:
    peers = set(rows[rows.peer].family)
    families = _families(rows)
    ours = [family for family in families if family not in peers]
    colours = {family: CLASS_COLOURS[place % len(CLASS_COLOURS)] for place, family in enumerate(ours)}
    colours |= {family: GREYS[place % len(GREYS)] for place, family in enumerate(f for f in families if f in peers)}  # fmt: skip
    return alt.Scale(domain=families, range=[colours[family] for family in families])


def _colour(rows: pd.DataFrame) -> alt.Color:
    return alt.Color("family:N", scale=_scale(rows), legend=_legend())


def _legend(title: str | None = None) -> alt.Legend:
    """Above the chart; with a title, which is the second one, below it."""
    legend = alt.Legend(title=title, orient="top", columns=1, labelLimit=250, symbolOpacity=1)
    if title:
        legend.orient, legend.symbolStrokeColor, legend.symbolSize = "bottom", GREYS[0], 400
    return legend


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("title:N", title="recipe"),
        alt.Tooltip("place:N", title="measured on"),
        alt.Tooltip("epoch:Q", title="after epoch"),
        alt.Tooltip("seconds:Q", title="seconds of training", format=",.1f"),
        alt.Tooltip("accuracy:Q", title="mean test accuracy", format=".2%"),
        alt.Tooltip("accuracy_low:Q", title="95 % from", format=".2%"),
        alt.Tooltip("accuracy_high:Q", title="95 % to", format=".2%"),
        alt.Tooltip("n_seeds:Q", title="seeds"),
        alt.Tooltip("n_planned:Q", title="seeds planned"),
        alt.Tooltip("n:Q", title="test pictures", format=","),
        alt.Tooltip("batch_size:Q", title="batch size"),
        alt.Tooltip("num_parameters:Q", title="parameters", format=","),
        alt.Tooltip("num_multiply_adds:Q", title="multiply-adds", format=","),
        alt.Tooltip("share_of_peak:Q", title="of float32 peak", format=".0%"),
    ]
