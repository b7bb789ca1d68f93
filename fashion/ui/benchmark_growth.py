"""The answer to the first question: how training time grows with the network, as one chart at a time.

The numbers are put together in `fashion.benchmark_results` and `fashion.benchmark_devices`.
"""

import pandas as pd
import streamlit as st

from fashion import benchmark_devices
from fashion import benchmark_results as results_form
from fashion.benchmark_results import Measurement
from fashion.ui import benchmark_charts, charts, components, state
from fashion.ui.benchmark_view import capital, method, not_measured


def answer(shown: list[Measurement]) -> None:
    """The chart that the visitor chose, with its table, method and machine."""
    name = st.segmented_control(
        "Chart",
        list(_CHARTS),
        default="Time and cost",
        required=True,
        label_visibility="collapsed",
        **state.in_url(state.CHART),
    )
    _CHARTS[name](shown)


def _time_and_cost(shown: list[Measurement]) -> None:
    rows = _main_rows(shown)
    if not _over_cost(
        rows,
        "seconds_per_60000",
        "Seconds per epoch over multiply-adds per picture, both on logarithmic axes, a line per device.",
        "benchmark-time-and-cost",
    ):
        return
    _method("Median of the epochs after the first, scaled to 60,000 pictures", shown, rows)
    st.markdown(
        "Both axes are logarithmic: each grid step multiplies. Where a line is flat, handing over the pictures and "
        "starting each step takes the time; where it rises, the arithmetic does. A graphics card pays where its line is "
        "lower. x0.25 to x4 is the network's width, from point to point twice as wide, which is about four times the arithmetic."
    )


def _throughput(shown: list[Measurement]) -> None:
    rows = _main_rows(shown)
    if _over_cost(
        rows,
        "images_per_second",
        "Pictures per second while training over multiply-adds per picture, both logarithmic, a line per device.",
        "benchmark-pictures-per-second",
    ):
        _method("Training pictures per second, median of the epochs after the first", shown, rows)


def _share_of_peak(shown: list[Measurement]) -> None:
    rows = _main_rows(shown).dropna(subset=["share_of_peak"])
    if not _over_cost(
        rows,
        "share_of_peak",
        "Share of the machine's own matrix multiplication that training reaches, over multiply-adds per picture.",
        "benchmark-share-of-peak",
    ):
        return
    peaks = [
        f"{results_form.device_name(one.results, process)} {process['peak_gflops']:,.0f} GFLOPS"
        for one in shown
        for process in one.results["processes"]
        if process["peak_gflops"]
    ]
    _method(
        "Arithmetic of training (three forward passes, two operations per multiply-add) over the best matrix "
        f"multiplication in float32, measured in the same run: {', '.join(peaks)}",
        shown,
        rows,
    )


def _over_cost(rows: pd.DataFrame, field: str, alt_text: str, name: str) -> bool:
    if rows.empty:
        not_measured("No network was measured in these results.")
        return False
    charts.place(
        benchmark_charts.over_cost(rows, field),
        alt_text=alt_text,
        table=benchmark_charts.in_words(rows),
        name=name,
    )
    return True


def _first_and_later(shown: list[Measurement]) -> None:
    rows = _main_rows(shown)
    if rows.empty:
        not_measured("No network was measured in these results.")
        return
    charts.place(
        benchmark_charts.first_epoch(rows),
        alt_text="For each network, the seconds of the first epoch and of the later ones.",
        table=benchmark_charts.in_words(rows),
        name="benchmark-first-epoch",
    )
    low, high = rows.num_images.min(), rows.num_images.max()
    sizes = f"{low:,}" if low == high else f"{low:,} to {high:,} pictures, the costlier the network the fewer"
    _method(
        "Dots: the later epochs, their median scaled to 60,000 pictures. Bars across: the first epoch, which also builds the "
        f"network and its program; what it took longer was measured on epochs of {sizes}{' pictures' if low == high else ''}",
        shown,
        rows,
    )


def _batch_size(shown: list[Measurement]) -> None:
    rows = results_form.table(shown)
    several = rows.groupby(["series", "network"])["batch_size"].transform("nunique") > 1
    rows = rows[several]
    if rows.empty:
        not_measured("These results hold one batch size only.")
        return
    charts.place(
        benchmark_charts.batch_size(rows),
        alt_text="Pictures per second over the batch size, a line per device.",
        table=benchmark_charts.in_words(rows),
        name="benchmark-batch-size",
    )
    _method(
        f"{', '.join(sorted(set(rows.network)))}, median of the epochs after the first",
        shown,
        rows,
        batch=False,
    )


def _speed_up(shown: list[Measurement]) -> None:
    """How much faster a graphics card is, where one machine has both, and from which size on it pays."""
    parts = {one.key: benchmark_devices.speed_up(one) for one in shown}
    with_both = [one for one in shown if len(parts[one.key])]
    if not with_both:
        not_measured(
            "None of these results has a CPU and a graphics card (GPU) on one machine, so nothing is compared. What a GPU "
            "needs:"
        )
        with st.expander("How to train on a GPU"):
            st.markdown(components.GPU_GUIDE)
        return
    rows = pd.concat([parts[one.key] for one in with_both])
    charts.place(
        benchmark_charts.speed_up(rows),
        alt_text="Bars: how many times as fast as the processor the graphics card trains each network.",
        table=benchmark_charts.speed_up_in_words(rows),
        name="benchmark-speed-up",
    )
    for one in with_both:
        st.markdown("  \n".join(_pays(parts[one.key])))
    _method(
        "Pictures per second of the epochs after the first, on the graphics card over on the processor of the same "
        "machine; lines: 95 % t interval from the epochs' times",
        with_both,
        rows,
    )


def _pays(rows: pd.DataFrame) -> list[str]:
    """From which network on the graphics card is done sooner, its start included, in a sentence per series."""
    sentences = []
    for series, its in rows.groupby("series", sort=False):
        parts = []
        for count in benchmark_devices.EPOCHS:
            found = benchmark_devices.pays_from(its, count)
            epochs = "one epoch" if count == 1 else f"{count} epochs"
            parts.append(
                f"for {epochs} from **{found['network']}** on ({found['num_multiply_adds'] / 1e6:,.3g} million multiply-adds)"
                if found
                else f"for {epochs} with none of these networks"
            )
        sentences.append(
            f"{series}: with start-up and building included, the graphics card pays {' and '.join(parts)}."
        )
    return sentences


def _everything(shown: list[Measurement]) -> None:
    """All numbers as a table and as a file, and the figures that are no chart."""
    table = benchmark_charts.in_words(results_form.table(shown))
    counts = (
        "parameters",
        "multiply-adds per picture",
        "pictures per epoch",
        "pictures per second",
        "test pictures",
    )
    st.dataframe(
        table,
        hide_index=True,
        alt="All measurements of the chosen results",
        column_config={name: st.column_config.NumberColumn(format="localized") for name in counts},
    )
    st.download_button(
        "All numbers as CSV",
        table.to_csv(index=False),
        file_name="benchmark.csv",
        mime="text/csv",
        icon=":material/download:",
        key="_csv_benchmark",
        on_click="ignore",
    )
    for one in shown:
        st.subheader(capital(components.plain(one.title)), anchor=False)
        components.facts(results_form.figures(one.results))
        st.caption(f"{components.harmless(results_form.method(one))}.")


_CHARTS = {
    "Time and cost": _time_and_cost,
    "Pictures per second": _throughput,
    "Share of peak": _share_of_peak,
    "First epoch": _first_and_later,
    "Batch size": _batch_size,
    "CPU and GPU": _speed_up,
    "All numbers": _everything,
}


def _main_rows(shown: list[Measurement]) -> pd.DataFrame:
    """The rows of the batch size that every network was measured with."""
    rows = results_form.table(shown)
    return rows[rows.main_batch]


def _method(how: str, shown: list[Measurement], rows: pd.DataFrame, batch: bool = True) -> None:
    sizes = " or ".join(str(size) for size in sorted(set(rows.batch_size)))
    with_networks = [one for one in shown if one.results["cells"]]
    method(f"{how}; batch size {sizes}" if batch else how, with_networks, results_form.method)
