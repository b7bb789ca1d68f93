"""The Benchmark page's pieces: starting and watching a measurement, choosing results, and one chart per question.

What is measured is decided in `fashion.benchmark_plan`; the numbers are put together in `fashion.benchmark_results`.
"""

import json

import pandas as pd
import streamlit as st

from fashion import benchmark, datasets, estimate, jobs, machine, runs
from fashion import benchmark_results as results_form
from fashion.benchmark_plan import FULL, QUICK, Plan, plan_for
from fashion.benchmark_results import Measurement
from fashion.errors import FashionError
from fashion.settings import FRAMEWORKS
from fashion.ui import benchmark_charts, cache, charts, components, state

# More lines than this cannot be told apart.
MAX_SHOWN = 5

_PLANS = {"Quick": QUICK, "Full": FULL}


# Measuring


def measure() -> None:
    """Start a measurement, or watch the one that is waiting or running."""
    cache.queue()  # a server that was restarted goes on serving its queue as soon as anyone looks
    active = [run for run, _ in jobs.active_runs() if run.kind == "benchmark"]
    if active:
        num_measured = len(_cells(active[0]))
        with st.container(border=True):
            st.fragment(_progress, run_every=1.0, key=f"measuring-{active[0].id}")(active[0], num_measured)
        return
    _last_word()
    gpus = cache.devices("tensorflow").gpus
    with st.container(border=True):
        _form(gpus)


def _form(gpus: tuple[str, ...]) -> None:
    here = cache.this_machine()
    names = {"cpu": f"CPU: {here.processor}"}
    names |= {f"gpu:{number}": f"GPU {number}: {name}" for number, name in enumerate(gpus)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = st.segmented_control(
            "Measure this machine",
            list(_PLANS),
            default="Quick",
            required=True,
            help="Quick: four networks, three batch sizes, a part of the pictures. Full: eight networks, six batch sizes, "
            "all pictures, and what the app's own server costs.",
            **state.kept("_benchmark_size"),
        )
        devices, frameworks = tuple(names), ("tensorflow",)
        if gpus:
            devices = tuple(
                st.pills(
                    "Devices",
                    list(names),
                    selection_mode="multi",
                    default=list(names),
                    format_func=names.get,
                    key="_devices",
                )
            )
        installed = machine.installed_frameworks()
        if len(installed) > 1:
            frameworks = tuple(
                st.pills(
                    "Frameworks",
                    list(installed),
                    selection_mode="multi",
                    default=[installed[0]],
                    format_func=FRAMEWORKS.get,
                    key="_frameworks",
                )
            )
        if not devices or not frameworks:
            st.info("Choose at least one device and one framework.", icon=":material/info:")
            return
        plan = plan_for(_PLANS[size], devices, frameworks)
        if st.button("Start", type="primary", icon=":material/play_arrow:", key="_start_benchmark"):
            _start(plan)
    _outlook(plan)
    if not gpus:
        st.caption("No graphics card is seen here; the start page says what one needs.")


def _outlook(plan: Plan) -> None:
    """What is known before Start: the time, what it rests on, and who is before."""
    speeds = benchmark.speeds_here()
    basis = "from an earlier measurement here" if speeds else "a rough guess until this machine is measured"
    title = datasets.DATASETS[plan.dataset].title
    words = (
        f"{len(plan.cells())} measurements on {title}: about **{estimate.in_words(plan.estimate_seconds(speeds))}** "
        f"({basis}). Anything else that this machine does meanwhile makes the times longer."
    )
    num_before = len(jobs.active_runs())
    if num_before:
        words += f" {num_before} unfinished run(s) on this machine go first."
    st.caption(words)


def _start(plan: Plan) -> None:
    queue = cache.queue()
    try:
        queue.check_room(state.visitor())
        queue.added(benchmark.create(plan, state.visitor()))
    except FashionError as error:
        st.error(str(error), icon=":material/block:")
        return
    st.rerun()


def _progress(run: runs.Run, num_shown: int) -> None:
    """How far it is; the whole page is drawn again when there is a new result, or the end."""
    status = run.status()
    if not status.active or len(_cells(run)) != num_shown:
        st.rerun()
    if status.state == "queued":
        before = jobs.queue_position(run) or 0
        words = f"Waiting: {before} run(s) before this measurement." if before else "Next in line."
    elif runs.stop_request(run):
        words = "Stopping …"
    elif not status.phase.startswith("measuring"):
        words = "Starting …"
    else:
        words = f"Measuring {status.epoch + 1} of {status.num_epochs}"
        if status.epoch == status.num_epochs:
            words = "Measuring what live progress costs"
        if status.seconds_left is not None:
            words += f" · about {estimate.in_words(status.seconds_left)} left"
    st.progress(status.fraction, words)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Stop",
            icon=":material/stop:",
            on_click=cache.queue().stop,
            args=(run,),
            disabled=runs.stop_request(run) is not None,
            key="_stop_benchmark",
        )
        st.caption("Results appear below as they come. It goes on if you close this page.")


def _cells(run: runs.Run) -> list[dict]:
    try:
        return benchmark.record(run)["cells"]
    except FashionError:
        return []  # not begun yet


def _last_word() -> None:
    """Why the newest measurement ended early, if it did."""
    newest = runs.list_runs(kind="benchmark")[:1]
    for run in newest:
        status = run.status()
        if status.state == "failed":
            st.error(f"The last measurement failed. {status.reason}", icon=":material/error:")
        elif status.state == "stopped":
            st.info(
                f"The last measurement was ended early. {status.reason} What was measured is kept.",
                icon=":material/stop_circle:",
            )
        elif status.state == "interrupted":
            st.warning(
                "The last measurement was cut off (memory full, or the machine was restarted). What was measured is kept.",
                icon=":material/bolt:",
            )


# Choosing results


def nothing_yet() -> None:
    """What stands on the page before the first result."""
    st.info(
        "Nothing was measured yet. Press Start: the first results appear after some seconds, and the quick "
        "measurement takes a few minutes.",
        icon=":material/info:",
    )


def found() -> list[Measurement]:
    """All results that can be read, measured here first; what is wrong with the others is said."""
    here, problems_here = results_form.measured_here()
    recorded, problems_recorded = results_form.load_recorded()
    problems = problems_here + problems_recorded
    if problems:
        with st.expander(f"{len(problems)} result file(s) cannot be read", icon=":material/warning:"):
            for problem in problems:
                st.caption(problem)
    return here + recorded


def choice(measurements: list[Measurement]) -> list[Measurement]:
    """Which results to show: at first the newest from here and the recorded ones."""
    by_key = {one.key: one for one in measurements}
    recorded = [one.key for one in measurements if one.recorded]
    here = [one.key for one in measurements if not one.recorded][:1]
    # A new measurement joins what is shown, so the widget of an older list must not remember.
    keys = st.multiselect(
        "Results",
        list(by_key),
        default=(here + recorded)[:MAX_SHOWN],
        max_selections=MAX_SHOWN,
        format_func=lambda key: _capital(by_key[key].title),
        placeholder="Choose what to show",
        key=f"_measurements_{hash(tuple(by_key))}",
        help="Filled marks and solid lines were measured on this machine; hollow marks and dashed lines were recorded "
        "on another one.",
    )
    return [by_key[key] for key in keys]


# Charts


def time_and_cost(shown: list[Measurement]) -> None:
    """Seconds per epoch against multiply-adds: the answer to the page's question."""
    rows = _main_rows(shown)
    if rows.empty:
        _not_measured("No network was measured in these results.")
        return
    charts.place(
        benchmark_charts.time_and_cost(rows),
        alt_text="Seconds per epoch over multiply-adds per picture, both on logarithmic axes, a line per device.",
        table=benchmark_charts.in_words(rows),
        name="benchmark-time-and-cost",
    )
    _method("Median of the epochs after the first, scaled to 60,000 pictures", shown, rows)
    st.markdown(
        "Both axes are logarithmic: each grid step multiplies. Where a line is flat, handing over the pictures and "
        "starting each step takes the time; where it rises, the arithmetic does. A graphics card pays where its line is "
        "lower."
    )


def first_and_later(shown: list[Measurement]) -> None:
    """What the first epoch costs more."""
    rows = _main_rows(shown)
    if rows.empty:
        _not_measured("No network was measured in these results.")
        return
    charts.place(
        benchmark_charts.first_epoch(rows),
        alt_text="For each network, the seconds of the first epoch and of the later ones.",
        table=benchmark_charts.in_words(rows),
        name="benchmark-first-epoch",
    )
    sizes = " or ".join(f"{size:,}" for size in sorted(set(rows.num_images)))
    _method(
        f"Epochs of {sizes} pictures; the later ones as their median. The first includes building the network and its "
        "program",
        shown,
        rows,
    )


def batch_size(shown: list[Measurement]) -> None:
    """Pictures per second over the batch size."""
    rows = results_form.table(shown)
    several = rows.groupby(["series", "network"])["batch_size"].transform("nunique") > 1
    rows = rows[several]
    if rows.empty:
        _not_measured("These results hold one batch size only.")
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


def accuracy(shown: list[Measurement]) -> None:
    """What the time buys."""
    rows = _main_rows(shown)
    if rows.empty:
        _not_measured("No network was measured in these results.")
        return
    charts.place(
        benchmark_charts.accuracy(rows),
        alt_text="Test accuracy with its interval over the seconds of training, a point per network.",
        table=benchmark_charts.in_words(rows),
        name="benchmark-accuracy",
    )
    sizes = " or ".join(f"{size:,}" for size in sorted(set(rows.n)))
    epochs = " or ".join(sorted({f"{one.plan.num_epochs} epochs" for one in shown}))
    _method(
        f"After {epochs}, one seed; bars: 95 % interval on {sizes} test pictures. A full training reaches more",
        shown,
        rows,
    )


def speed_up(shown: list[Measurement]) -> None:
    """How much faster a graphics card is, where one machine has both."""
    parts = {one.key: results_form.speed_up(results_form.table([one]), one) for one in shown}
    with_both = [one for one in shown if len(parts[one.key])]
    if not with_both:
        _not_measured(
            "None of these results has a CPU and a graphics card (GPU) on one machine, so nothing is compared. What a GPU "
            "needs:"
        )
        with st.expander("How to train on a GPU"):
            st.markdown(components.GPU_GUIDE)
        return
    rows = pd.concat([parts[one.key] for one in with_both])
    charts.place(
        benchmark_charts.speed_up(rows),
        alt_text="Bars: how many times faster the graphics card trains each network than the processor.",
        table=rows,
        name="benchmark-speed-up",
    )
    _method(
        "Pictures per second on the graphics card divided by those on the processor of the same machine",
        with_both,
        rows,
    )


def everything(shown: list[Measurement]) -> None:
    """All numbers as a table and as files, and the figures that are no chart."""
    rows = results_form.table(shown)
    table = benchmark_charts.in_words(rows)
    st.dataframe(table, hide_index=True, alt="All measurements of the chosen results")
    with st.container(horizontal=True):
        st.download_button(
            "All numbers as CSV",
            table.to_csv(index=False),
            file_name="benchmark.csv",
            mime="text/csv",
            icon=":material/download:",
            key="_csv_benchmark",
            on_click="ignore",
        )
        for number, one in enumerate(shown):
            st.download_button(
                f"JSON: {one.title}",
                json.dumps(one.results, indent=2) + "\n",
                file_name=results_form.file_name(one.results),
                mime="application/json",
                icon=":material/download:",
                key=f"_json_{number}",
                on_click="ignore",
                help="All that was measured, with machine, versions and plan. Sent to the project, it can stand among "
                "the recorded results, in models/benchmarks.",
            )
    for one in shown:
        st.subheader(_capital(one.title), anchor=False)
        components.facts(results_form.figures(one.results))
        st.caption(f"{results_form.method(one)}.")
        if one.run and not one.run.status().active:
            _delete(one)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _delete(one: Measurement) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown("Delete this measurement? This cannot be undone.")
        if st.button("Delete it for good", type="primary", key=f"_delete_{one.key}"):
            try:
                runs.delete(one.run)
            except FashionError as error:
                st.error(str(error), icon=":material/error:")
                return
            st.rerun()


def problems(shown: list[Measurement]) -> None:
    """What could not be measured, and which times are not to be trusted."""
    for problem in results_form.problems(shown):
        st.warning(problem, icon=":material/warning:")
    for one in shown:
        if one.busy:
            st.warning(
                f"{_capital(one.title)}: other programs took {one.results['busy_fraction']:.0%} of the processor when it "
                "began, so its times are too long.",
                icon=":material/hourglass_top:",
            )


def _not_measured(words: str) -> None:
    st.info(words, icon=":material/info:")


def _main_rows(shown: list[Measurement]) -> pd.DataFrame:
    """The rows of the batch size that every network was measured with."""
    rows = results_form.table(shown)
    return rows[rows.main_batch]


def _method(how: str, shown: list[Measurement], rows: pd.DataFrame, batch: bool = True) -> None:
    """One sentence under a chart: how, with which batch size, on which machine, with what, when, by which command."""
    sizes = " or ".join(str(size) for size in sorted(set(rows.batch_size)))
    words = f"{how}; batch size {sizes}" if batch else how
    st.caption(f"{words}. " + "  \n".join(f"{results_form.method(one)}." for one in shown))
