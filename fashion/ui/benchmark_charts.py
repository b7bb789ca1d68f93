"""The Benchmark page's charts: from `benchmark_results.table` to Altair, in the app's colours.

Measured here: solid lines, filled marks. Recorded on another machine: dashed lines, hollow marks. It computes
nothing but labels.
"""

import math

import altair as alt
import pandas as pd

from fashion.ui import charts

_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "stroke")
_DASH = alt.Scale(domain=["measured here", "recorded elsewhere"], range=[[1, 0], [6, 4]])
# Room for a network's name beside the outermost points.
_LOG = alt.Scale(type="log", nice=False, padding=38)


_COST_AXES = {
    "seconds_per_60000": ("seconds per epoch of 60,000 pictures", ",~g"),
    "images_per_second": ("pictures per second while training", "~s"),
    "share_of_peak": ("share of matrix multiplication", ".0%"),
}


def over_cost(rows: pd.DataFrame, field: str) -> alt.LayerChart:
    """One of `_COST_AXES` over multiply-adds, both logarithmic but for a share, a line per series.

    Where networks come in several widths, every kind of network has a line of its own.
    """
    kind = rows.network.str.partition(" ")[0]
    widths = rows.groupby(["series", kind])["network"].transform("nunique")
    rows = rows.assign(line=rows.series + (" " + kind).where(widths > 1, ""))
    x = alt.X(
        "num_multiply_adds:Q",
        title="multiply-adds per picture",
        scale=_LOG,
        axis=_log_axis(rows.num_multiply_adds, "~s", (1,)),
    )
    title, number_format = _COST_AXES[field]
    if field == "share_of_peak":
        # Below nought is room for the names of the smallest networks.
        highest = rows[field].max()
        scale = alt.Scale(domain=[-0.12 * highest, 1.1 * highest], nice=False)
        shares = alt.Axis(format=number_format, values=_steps(highest))
        y = alt.Y(f"{field}:Q", title=title, scale=scale, axis=shares)
    else:
        y = alt.Y(f"{field}:Q", title=title, scale=_LOG, axis=_log_axis(rows[field], number_format))
    base = _series(rows, x, y)
    # One name per network, at its uppermost point, is enough: the others stand below it.
    named = rows.loc[rows.groupby("network")[field].idxmax()]
    kinds = named.network.str.partition(" ")
    # Of several widths the ends are enough: the widest with its kind, the narrowest with its width alone.
    cost = named.groupby(kinds[0])["num_multiply_adds"]
    widest = named.num_multiply_adds == cost.transform("max")
    narrowest = named.num_multiply_adds == cost.transform("min")
    named = named.assign(network=named.network.where(widest, kinds[2].where(kinds[2] != "", named.network)))
    shown = widest | narrowest
    # With many networks every other kind has its names under its lowest point instead: that whose line is the lower one.
    lower = "CNN" if field == "seconds_per_60000" else "ResNet"
    below = kinds[0].isin(["MLP", lower]) & (len(named) > 6) & ~(narrowest & (kinds[0] == "CNN"))
    layers = [_line(base, "line"), _points(base, rows), _names(named[shown & ~below], x, y, dy=-15)]
    if below.any():
        lowest = rows.loc[rows.groupby("network")[field].idxmin(), field].to_numpy()
        layers.append(_names(named.assign(**{field: lowest})[shown & below], x, y, dy=17))
    return alt.layer(*layers).properties(height=_height(340, rows))


def batch_size(rows: pd.DataFrame) -> alt.LayerChart:
    """Pictures per second over the batch size, a line per series."""
    sizes = sorted(set(rows.batch_size))
    x = alt.X("batch_size:Q", title="batch size (logarithmic)", scale=_LOG, axis=alt.Axis(values=sizes))
    y = alt.Y("images_per_second:Q", title="pictures per second while training", axis=alt.Axis(format="~s"))
    base = _series(rows, x, y)
    numbers = base.mark_text(dy=-15).encode(
        text=alt.Text("images_per_second:Q", format=",.0f"), color=alt.value(charts.MIDDLE_GREY)
    )
    return (_line(base) + _points(base, rows) + numbers).properties(height=_height(280, rows))


def first_epoch(rows: pd.DataFrame) -> alt.LayerChart:
    """Per network and series a line from the later epochs (a dot) to the first (a bar across), for 60,000 pictures."""
    # Costly networks saw few pictures: there the first epoch may even be the faster one, by chance.
    rows = rows.assign(
        first_per_60000=rows.first_per_60000.clip(lower=rows.seconds_per_60000 / 2),
        order=(rows.first_per_60000 >= rows.seconds_per_60000).map({True: 1, False: -1}),
    )
    base = alt.Chart(rows).encode(y=_networks(rows), color=_colour(rows, "stroke"), tooltip=_tooltip())
    if rows.series.nunique() > 1:
        base = base.encode(yOffset=alt.YOffset("series:N", scale=alt.Scale(paddingInner=0.3)))
    both = pd.concat([rows.seconds_per_60000, rows.first_per_60000])
    x = alt.X(
        "seconds_per_60000:Q",
        title="seconds per epoch of 60,000 pictures (logarithmic)",
        scale=_LOG,
        axis=_log_axis(both, ",~g"),
    )
    first = alt.X("first_per_60000:Q", scale=_LOG)
    rule = base.mark_rule(strokeWidth=2).encode(
        x=x, x2="first_per_60000:Q", strokeDash=alt.StrokeDash("measured:N", scale=_DASH, legend=None)
    )
    later = base.mark_point(size=80, strokeWidth=2, opacity=1).encode(x=x, **_filled_if_here(rows))
    begun = base.mark_tick(thickness=3, size=16, opacity=1).encode(x=first)
    numbers = []
    for order, later_side, first_side in ((1, "right", "left"), (-1, "left", "right")):
        some = base.transform_filter(alt.datum.order == order)
        for place, text, side in ((x, "later:N", later_side), (first, "first:N", first_side)):
            mark = some.mark_text(align=side, dx=9 if side == "left" else -9)
            numbers.append(mark.encode(x=place, text=text, color=alt.value(charts.MIDDLE_GREY)))
    chart = alt.layer(rule, later, begun, *numbers).transform_calculate(
        later="format(datum.seconds_per_60000, '.2~r')",
        first="format(datum.first_per_60000, '.2~r')",
    )
    return chart.properties(height=max(220, 34 * len(rows) + 60))


def speed_up(rows: pd.DataFrame) -> alt.LayerChart:
    """Bars per network: how many times faster the GPU was, with its interval; the line at 1 is the CPU.

    `rows`: as from `benchmark_devices.speed_up`.
    """
    base = alt.Chart(rows).encode(y=_networks(rows))
    if rows.series.nunique() > 1:
        base = base.encode(yOffset="series:N")
    x = alt.X("ratio:Q", title="times as fast as the CPU", axis=alt.Axis(tickCount=5))
    tooltip = [
        alt.Tooltip("network:N"),
        alt.Tooltip("series:N"),
        alt.Tooltip("ratio:Q", title="times as fast", format=".2f"),
        alt.Tooltip("low:Q", title="95 % from", format=".2f"),
        alt.Tooltip("high:Q", title="95 % to", format=".2f"),
        alt.Tooltip("ratio_1:Q", title="with start-up, one epoch", format=".2f"),
        alt.Tooltip("ratio_10:Q", title="with start-up, 10 epochs", format=".2f"),
    ]
    bars = base.mark_bar(size=14, opacity=0.75).encode(x=x, color=_colour(rows, "square"), tooltip=tooltip)
    # With two epochs an interval may be far longer than any bar.
    interval = base.mark_rule(strokeWidth=2, color=charts.MIDDLE_GREY, clip=True).encode(
        x=alt.X("low:Q", scale=alt.Scale(domainMin=0, domainMax=1.25 * rows.ratio.max())), x2="high:Q"
    )
    labels = base.mark_text(align="left", dx=4, dy=-11).encode(
        x=alt.X("ratio:Q"), text=alt.Text("ratio:Q", format=".1f"), color=alt.value(charts.MIDDLE_GREY)
    )
    one = alt.Chart(pd.DataFrame({"ratio": [1.0], "words": ["as fast as the CPU"]}))
    line = one.mark_rule(color=charts.MIDDLE_GREY).encode(x="ratio:Q")
    words = one.mark_text(align="left", dx=4, y=-8, fontSize=11, color=charts.MIDDLE_GREY)
    return (bars + interval + labels + line + words.encode(x="ratio:Q", text="words:N")).properties(
        height=max(200, 40 * len(rows) + 60)
    )


_SPEED_UP_WORDS = {
    "network": "network",
    "series": "graphics card and result",
    "batch_size": "batch size",
    "num_multiply_adds": "multiply-adds per picture",
    "ratio": "times as fast as the CPU",
    "low": "95 % interval from",
    "high": "95 % interval to",
    "num_cpu_epochs": "CPU epochs",
    "num_gpu_epochs": "GPU epochs",
    "ratio_1": "with start-up, one epoch",
    "ratio_10": "with start-up, 10 epochs",
    "pays_after_epochs": "pays from epochs",
}


def speed_up_in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """The table of `benchmark_devices.speed_up` with columns named in words; "never" where the GPU is always later."""
    pays = ["never" if value == math.inf else f"{value:.0f}" for value in rows.pays_after_epochs]
    digits = dict.fromkeys(("ratio", "low", "high", "ratio_1", "ratio_10"), 3)
    rows = rows.round(digits).assign(pays_after_epochs=pays)
    return rows[list(_SPEED_UP_WORDS)].rename(columns=_SPEED_UP_WORDS)


_WORDS = {
    "network": "network",
    "batch_size": "batch size",
    "series": "device and result",
    "num_parameters": "parameters",
    "num_multiply_adds": "multiply-adds per picture",
    "num_images": "pictures per epoch",
    "first_epoch_seconds": "first epoch (s)",
    "steady_epoch_seconds": "later epochs, median (s)",
    "steady_min_seconds": "fastest later epoch (s)",
    "steady_max_seconds": "slowest later epoch (s)",
    "seconds_per_60000": "seconds per 60,000 pictures",
    "first_per_60000": "first epoch of 60,000 pictures (s)",
    "images_per_second": "pictures per second",
    "share_of_peak": "share of float32 matrix peak",
    "train_seconds": "training, all epochs (s)",
    "accuracy": "test accuracy",
    "n": "test pictures",
    "accuracy_low": "95 % interval from",
    "accuracy_high": "95 % interval to",
    "framework": "framework",
    "measured": "where",
}


def in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """The table with columns named in words, numbers rounded to what they can tell."""
    digits = dict.fromkeys(rows.columns[rows.dtypes == "float64"], 4) | {
        "images_per_second": 0,
        "seconds_per_60000": 2,
        "first_per_60000": 2,
    }
    return rows.round(digits)[list(_WORDS)].rename(columns=_WORDS)


def _steps(highest: float) -> list[float]:
    """Tenths from nought to `highest`; hundredths where that is less than two tenths."""
    step = 0.1 if highest >= 0.2 else 0.01
    return [round(number * step, 2) for number in range(int(highest * 1.1 / step) + 1)]


def _log_axis(values: pd.Series, number_format: str, steps: tuple[int, ...] = (1, 2, 5)) -> alt.Axis:
    """An axis with grid lines at few round numbers: by itself, a logarithmic one has nine per power of ten."""
    low, high = math.floor(math.log10(values.min())), math.ceil(math.log10(values.max()))
    decades = range(low - 1, high + 1)
    ticks = [step * 10.0**power for power in decades for step in steps]
    return alt.Axis(values=ticks, format=number_format, labelOverlap=True)


def _height(plot: int, rows: pd.DataFrame) -> int:
    """The height of a chart whose legend has a line per series: on a page it is taken from the chart's."""
    return plot + 32 * rows.series.nunique()


def _series(rows: pd.DataFrame, x: alt.X, y: alt.Y) -> alt.Chart:
    return alt.Chart(rows).encode(x=x, y=y, color=_colour(rows), tooltip=_tooltip())


def _colour(rows: pd.DataFrame, symbol: str | None = None) -> alt.Color:
    """A colour per series, with the legend above; shapes and dashes say it too."""
    legend = {"symbolType": symbol} if symbol else {}
    return alt.Color("series:N", scale=_colour_scale(rows), legend=_legend(**legend))


def _colour_scale(rows: pd.DataFrame) -> alt.Scale:
    names = _names_of_series(rows)
    colours = [charts.CLASS_COLOURS[place % len(charts.CLASS_COLOURS)] for place in range(len(names))]
    return alt.Scale(domain=names, range=colours)


def _names_of_series(rows: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(rows.series))


def _legend(**options) -> alt.Legend:
    return alt.Legend(title=None, orient="top", columns=1, labelLimit=300, **options)


def _line(base: alt.Chart, detail: str = "series") -> alt.Chart:
    return base.mark_line(strokeWidth=2).encode(
        detail=[f"{detail}:N"], strokeDash=alt.StrokeDash("measured:N", scale=_DASH, legend=None)
    )


def _points(base: alt.Chart, rows: pd.DataFrame) -> alt.Chart:
    names = _names_of_series(rows)
    shapes = [_SHAPES[place % len(_SHAPES)] for place in range(len(names))]
    return base.mark_point(size=90, strokeWidth=2, opacity=1).encode(
        shape=alt.Shape("series:N", scale=alt.Scale(domain=names, range=shapes), legend=_legend()),
        **_filled_if_here(rows),
    )


def _filled_if_here(rows: pd.DataFrame) -> dict:
    here = alt.datum.measured == "measured here"
    return {
        "fill": alt.Fill("series:N", scale=_colour_scale(rows), legend=None),
        "fillOpacity": alt.condition(here, alt.value(1.0), alt.value(0.0)),
    }


def _names(rows: pd.DataFrame, x: alt.X, y: alt.Y, **place) -> alt.Chart:
    return (
        alt.Chart(rows)
        .mark_text(fontSize=12, color=charts.MIDDLE_GREY, **place)
        .encode(x=x, y=y, text="network:N")
    )


def _networks(rows: pd.DataFrame) -> alt.Y:
    """Networks down the side, the cheapest first."""
    order = list(rows.sort_values("num_multiply_adds").network.drop_duplicates())
    return alt.Y(
        "network:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelOverlap=False)
    )


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("network:N"),
        alt.Tooltip("series:N", title="device"),
        alt.Tooltip("batch_size:Q", title="batch size"),
        alt.Tooltip("num_multiply_adds:Q", title="multiply-adds", format=","),
        alt.Tooltip("num_parameters:Q", title="parameters", format=","),
        alt.Tooltip("first_epoch_seconds:Q", title="first epoch, s", format=".3~g"),
        alt.Tooltip("steady_epoch_seconds:Q", title="later epochs, s", format=".3~g"),
        alt.Tooltip("images_per_second:Q", title="pictures/s", format=",.0f"),
        alt.Tooltip("share_of_peak:Q", title="of matrix peak", format=".1%"),
        alt.Tooltip("accuracy:Q", title="test accuracy", format=".1%"),
        alt.Tooltip("accuracy_low:Q", title="95 % from", format=".1%"),
        alt.Tooltip("accuracy_high:Q", title="95 % to", format=".1%"),
        alt.Tooltip("n:Q", title="test pictures", format=","),
    ]
