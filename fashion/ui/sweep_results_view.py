"""A sweep on the Train page while it runs and afterwards: how far it is, one chart of all combinations, and which is best.

Everything shown is read from the run folders by `fashion.sweep_results`, so it is the same after a reload.
"""

import altair as alt
import pandas as pd
import streamlit as st

from fashion import estimate, runs, summary, sweep_results
from fashion.errors import FashionError
from fashion.settings import FIELDS
from fashion.sweep_results import Combination
from fashion.ui import cache, charts, components, run_line, settings_view, state, ticking

# More lines than this cannot be told apart, however coloured; the others are grey.
_COLOURED = 8
_OTHERS = "others"


def watched() -> bool:
    """Draw the sweep that the link names; False where it names none, or one that is no longer here, which is told."""
    group = st.query_params.get(state.SWEEP, "")[:60]
    if not group:
        return False
    found = sweep_results.of_group(group)
    if not found:
        st.warning(
            f"The link names a sweep that is not here: {components.harmless(repr(group))}. It was deleted, or belongs to "
            "another machine.",
            icon=":material/link_off:",
        )
        return False
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{len(found)} runs, one after another", anchor=False)
        if st.button("New run", icon=":material/add:", key="_sweep_new"):
            _leave()
            st.rerun()
    active = any(run.status().active for run in found)
    cache.queue()  # a server that was restarted goes on serving its queue as soon as anyone looks
    names = [run.id for run in found]
    ticking.part(_live, names, active, seconds=2.0 if active else None, key=f"sweep-{group}-{active}")
    return True


def watch_button(group: str, count: int) -> None:
    """A button that leads to this sweep."""
    if st.button(f"Watch: {count} unfinished runs of a sweep", key=f"_watch_{group}", type="tertiary"):
        st.query_params[state.SWEEP] = group
        st.rerun()


def _leave() -> None:
    st.query_params.pop(state.SWEEP, None)


def _live(names: list[str], was_active: bool) -> None:
    found = [run for run in map(_run, names) if run is not None]
    statuses = {run: run.status() for run in found}
    if was_active and not any(status.active for status in statuses.values()):
        st.rerun()  # the whole page: it has ended, so its buttons change and the ticking stops
    if was_active:
        _progress(statuses)
    _ends(statuses)
    several = sweep_results.combinations(found)
    if not sweep_results.ranked(several):
        st.caption("The first curve appears a few seconds after the start.")
        return
    if not was_active:
        _conclusion(several)
    heading = _heading(several)
    values = sweep_results.curves(several)
    seeds = max(len(one.several) for one in several)
    n = max(one.num_pictures("validation") for one in several)
    band = (
        " The line is the mean over seeds, the band goes from the lowest to the highest." if seeds > 1 else ""
    )
    st.caption(f"Accuracy on {n:,} validation pictures.{band}")
    order = [one.label for one in several]
    # Where all can have a colour each has its own from the start, before its first curve.
    best = (
        [one.label for one in sweep_results.ranked(several)][:_COLOURED] if len(order) > _COLOURED else order
    )
    charts.place(
        curve_chart(values, order, best, heading),
        alt_text=f"Validation accuracy over the epochs for each combination of {heading.lower()}.",
        table=values,
        name=f"sweep-{names[0]}",
    )
    st.table(sweep_results.table(several, heading), hide_index=True, border="horizontal")
    if was_active:
        return
    st.caption(f"{sweep_results.caveat(several)} {_machine(several)}".strip())


def _run(name: str) -> runs.Run | None:
    try:
        return runs.find(name)
    except FashionError:
        return None  # deleted meanwhile


def _progress(statuses: dict[runs.Run, runs.Status]) -> None:
    fraction, seconds = sweep_results.progress(statuses)
    ended = sum(not status.active for status in statuses.values())
    left = [f"about {estimate.in_words(seconds)} left"] if seconds is not None else []
    stopping = all(runs.stop_request(run) for run, status in statuses.items() if status.active)
    parts = ["Stopping …"] if stopping else [f"{ended} of {len(statuses)} runs done", *_now(statuses), *left]
    st.progress(min(fraction, 1.0), " · ".join(parts))
    st.button(
        "Stop all",
        icon=":material/stop:",
        key="_sweep_stop",
        on_click=_stop,
        args=(list(statuses),),
        disabled=stopping,
        help="The one that runs ends at its next step and keeps its best epoch; the others do not begin.",
    )


def _now(statuses: dict[runs.Run, runs.Status]) -> list[str]:
    """What the run under way does, in a few words."""
    for status in statuses.values():
        if status.state == "running" and status.phase != "waiting":
            words = {
                "starting": "starting",
                "teachers": "asking the teacher",
                "features": f"photos become vectors, {status.step:,} of {status.num_steps:,}",
                "training": f"epoch {min(status.epoch + 1, status.num_epochs)} of {status.num_epochs}",
            }
            return [words.get(status.phase, "testing")]
    waiting = [run for run, status in statuses.items() if status.state == "queued"]
    return [run_line.place(waiting[0], "the next").rstrip(".")] if waiting else ["waiting for other runs"]


def _stop(found: list[runs.Run]) -> None:
    # The last first: else the worker would begin the next before it, too, is told.
    for run in reversed(found):
        if run.status().active:
            cache.queue().stop(run)


def _ends(statuses: dict[runs.Run, runs.Status]) -> None:
    """Why runs ended early: each reason once, with how many."""
    reasons: dict[tuple[str, str], int] = {}
    for status in statuses.values():
        if status.state in ("failed", "stopped", "interrupted"):
            reasons[status.state, status.reason] = reasons.get((status.state, status.reason), 0) + 1
    for (name, reason), count in reasons.items():
        words = f"{count} of {len(statuses)} runs: {summary.ending(runs.Status(state=name, reason=reason))}"
        (st.error if name == "failed" else st.warning)(components.harmless(words), icon=":material/error:")


def _conclusion(several: list[Combination]) -> None:
    """Which is best, how sure that is, and what can be done with it."""
    best = sweep_results.ranked(several)[0]
    sentence = sweep_results.verdict(several)
    if sentence:
        st.markdown(f"**{components.harmless(sentence)}**")
        st.caption(components.harmless(sweep_results.verdict_of_one_seed(several)))
    with st.container(horizontal=True):
        if st.button(
            "Use the best settings" if len(sweep_results.ranked(several)) > 1 else "Use these settings",
            icon=":material/replay:",
            type="primary",
            key="_sweep_use",
            help="Fills them in, to train a model that can be tried on photos: the runs of a sweep are not exported.",
        ):
            _leave()
            settings_view.fill_in(best.settings)
            st.rerun(scope="app")
        ids = [one.run.id for one in best.several] + [
            one.run.id for other in several if other is not best for one in other.several
        ]
        st.page_link(
            "pages/runs.py",
            label="On the Runs page",
            icon=":material/stacked_line_chart:",
            query_params={state.RUNS: ",".join(ids[:20])},
        )


def _heading(several: list[Combination]) -> str:
    names = sweep_results.varied([one for each in several for one in each.several])
    return ", ".join(FIELDS[name].label for name in names) or "Settings"


def _machine(several: list[Combination]) -> str:
    one = several[0].several[0]
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    seconds = sum(single.train_seconds or 0.0 for each in several for single in each.several)
    where = ", ".join(part for part in (summary.machine_in_words(one), versions) if part)
    sizes = sorted({each.settings.batch_size for each in several})
    batches = " or ".join(map(str, sizes))
    return components.harmless(
        f"Training took {estimate.in_words(seconds)} in all ({where}; batch size {batches})."
    )


def curve_chart(values: pd.DataFrame, order: list[str], coloured: list[str], heading: str) -> alt.LayerChart:
    """Validation accuracy over epochs, a line per combination with a band from its lowest to its highest seed.

    `values`: as from `sweep_results.curves`. `order`: all labels; those in `coloured` have a colour and a place in the
    legend, the others are grey.
    """
    shown = [label for label in order if label in coloured]
    values = values.assign(
        line=values.combination.where(values.combination.isin(shown), _OTHERS) if len(values) else []
    )
    domain = [*shown, *([_OTHERS] if len(shown) < len(order) else [])]
    colours = [*charts.CLASS_COLOURS[: len(shown)], charts.MIDDLE_GREY][: len(domain)]
    short = max(map(len, domain), default=0) < 9  # three fit on a phone
    base = alt.Chart(values).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            scale=alt.Scale(zero=False, nice=False, padding=10),
            axis=alt.Axis(tickMinStep=1, format="d", tickCount=6),
        ),
        color=alt.Color(
            "line:N",
            scale=alt.Scale(domain=domain, range=colours),
            legend=alt.Legend(
                title=heading,
                values=[label for label in domain if label in set(values.line)],
                orient="top",
                symbolType="stroke",
                symbolOpacity=1,
                columns=3 if short else 2,
                labelLimit=170,
            ),
        ),
        detail="combination:N",
        tooltip=[
            alt.Tooltip("combination:N", title=heading),
            "epoch:Q",
            alt.Tooltip("accuracy:Q", title="validation accuracy", format=".2%"),
            alt.Tooltip("lowest:Q", format=".2%"),
            alt.Tooltip("highest:Q", format=".2%"),
            alt.Tooltip("seeds:Q"),
        ],
    )
    y = alt.Y(
        "accuracy:Q",
        title="validation accuracy",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(format="~%"),
    )
    lines = base.mark_line(strokeWidth=2).encode(y=y)
    points = base.mark_point(filled=True, size=30, opacity=1).encode(y=y)
    bands = (
        base.transform_filter("datum.seeds > 1")
        .mark_area(opacity=0.18)
        .encode(y=alt.Y("lowest:Q", title="validation accuracy", scale=alt.Scale(zero=False)), y2="highest:Q")
    )
    return alt.layer(bands, lines, points).properties(height=320)
