"""What the Benchmark page's three questions share: choosing one, choosing results, what is wrong with them, their files.

Measuring is in benchmark_measure.py, the answers in benchmark_growth.py, benchmark_minute.py and benchmark_framework.py.
"""

import json
from collections.abc import Callable

import streamlit as st

from fashion import benchmark_accuracy, benchmark_cli, benchmark_records, runs
from fashion import benchmark_results as results_form
from fashion.benchmark_plan import GRID
from fashion.benchmark_records import KINDS, Record
from fashion.benchmark_results import Measurement
from fashion.errors import FashionError
from fashion.ui import components, state

# More lines than this cannot be told apart.
MAX_SHOWN = 5
ACCURACY, FRAMEWORK = KINDS
QUESTIONS = {
    GRID: "How does time grow?",
    ACCURACY: "What does a minute buy?",
    FRAMEWORK: "Which framework?",
}
"""Kind of a measurement -> the question it answers."""
_IN_FULL = {
    GRID: "How does training time grow with the network, on the processor (CPU) and on a graphics card (GPU)?",
    ACCURACY: "How much test accuracy does a minute of training buy, and how does that compare with published examples?",
    FRAMEWORK: "How fast is the same network in TensorFlow, PyTorch and JAX?",
}
_PLAIN = {"time": GRID, "accuracy": ACCURACY, "framework": FRAMEWORK}
"""What a link may call them, as in ?question=accuracy."""

Shown = Measurement | Record


def question() -> str:
    """The question that the visitor asks, kept in the URL: its kind."""
    state.read_plain_names({state.QUESTION: {plain: QUESTIONS[kind] for plain, kind in _PLAIN.items()}})
    kind = st.segmented_control(
        "Question",
        list(QUESTIONS),
        default=GRID,
        required=True,
        format_func=QUESTIONS.get,
        label_visibility="collapsed",
        **state.in_url(state.QUESTION),
    )
    st.subheader(_IN_FULL[kind], anchor=False)
    return kind


def nothing_yet(kind: str) -> None:
    """What stands on the page before the first result."""
    st.info(
        "Nothing was measured or recorded for this question yet. Press Start: the first results appear after a minute "
        f"or so, and the quick measurement takes a few. In a terminal, `{_COMMANDS[kind]}` does the same.",
        icon=":material/info:",
    )


_COMMANDS = {
    GRID: "python -m fashion benchmark --quick",
    ACCURACY: "python -m fashion benchmark --accuracy",
    FRAMEWORK: "python -m fashion benchmark --compare-frameworks",
}


def found(kind: str) -> list[Shown]:
    """All results of this kind that can be read, measured here first; what is wrong with the others is said."""
    if kind == GRID:
        parts = results_form.measured_here(), results_form.load_recorded()
    else:
        parts = benchmark_accuracy.measured_here(kind), benchmark_accuracy.load_recorded(kind)
    unusable = [words for _, problems in parts for words in problems]
    if unusable:
        with st.expander(
            f"{components.counted(len(unusable), 'result file')} cannot be read", icon=":material/warning:"
        ):
            for words in unusable:
                st.caption(components.harmless(words))
    return [one for several, _ in parts for one in several]


def choice(kind: str, measurements: list[Shown]) -> list[Shown]:
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
        format_func=lambda key: _name(by_key[key]),
        placeholder="Choose what to show",
        key=f"_measurements_{kind}_{hash(tuple(by_key))}",
        help="Filled marks were measured on this machine; hollow ones were recorded on another one.",
    )
    return [by_key[key] for key in keys]


def _name(one: Shown) -> str:
    words = capital(components.plain(one.title))
    if isinstance(one, Record):
        if one.results["num_train"] < results_form.EPOCH_IMAGES:
            words += f", {one.results['num_train']:,} training pictures"
        if not one.results["complete"]:
            words += ", not complete"
    return words


def problems(shown: list[Shown]) -> None:
    """What could not be measured, and which times are not to be trusted."""
    grids = [one for one in shown if isinstance(one, Measurement)]
    records = [one for one in shown if isinstance(one, Record)]
    for words in results_form.problems(grids) + benchmark_records.problems(records):
        st.warning(components.harmless(words), icon=":material/warning:")
    if partial := benchmark_records.partial(records):
        st.info(
            f"Fewer seeds than planned, so less is known of chance: {components.harmless('; '.join(partial))}.",
            icon=":material/hourglass_bottom:",
        )
    for one in shown:
        if one.busy:
            st.warning(
                f"{capital(components.plain(one.title))}: other programs took {one.results['busy_fraction']:.0%} of the "
                "processor when it began, so its times are too long.",
                icon=":material/hourglass_top:",
            )


def not_measured(words: str) -> None:
    """What stands instead of a chart."""
    st.info(words, icon=":material/info:")


def method(how: str, shown: list[Shown], describe: Callable[[Shown], str]) -> None:
    """Under a chart: how it was measured in a sentence, then for each result where, with what, when, by which command."""
    st.caption(f"{how}. " + "  \n".join(f"{_harmless(describe(one))}." for one in shown))


def _harmless(words: str) -> str:
    """As `components.harmless`, but what is set as code, such as a command with gpu:0, stays as it is."""
    parts = words.split("`")
    return "`".join(part if place % 2 else components.harmless(part) for place, part in enumerate(parts))


def files(shown: list[Shown]) -> None:
    """The results as files fit for the project's collection, and a way to delete those made here."""
    with st.expander("Files of these results", icon=":material/folder_open:"):
        st.caption(
            "All that was measured, with machine, versions and plan. Sent to the project, a file can stand among the "
            "recorded results in `models/benchmarks`; the README says how."
        )
        for number, one in enumerate(shown):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(_name(one))
                st.download_button(
                    "JSON",
                    json.dumps(one.results, indent=2) + "\n",
                    file_name=_file_name(one),
                    mime="application/json",
                    icon=":material/download:",
                    key=f"_json_{number}",
                    on_click="ignore",
                )
                if one.run and not one.run.status().active:
                    _delete(one)


def _file_name(one: Shown) -> str:
    return (results_form if isinstance(one, Measurement) else benchmark_cli).file_name(one.results)


def _delete(one: Shown) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown("Delete this measurement? This cannot be undone.")
        if st.button("Delete it for good", type="primary", key=f"_delete_{one.key}"):
            try:
                runs.delete(one.run)
            except FashionError as error:
                st.error(str(error), icon=":material/error:")
                return
            st.rerun()


def capital(text: str) -> str:
    """With a capital at the beginning, the rest as it is."""
    return text[:1].upper() + text[1:]
