"""The Runs page's pieces: the table of runs, several side by side, and one run's facts, files and actions.

What runs came to is put together in `fashion.summary`; how a run errs is drawn in `evaluation_view.py`.
"""

import altair as alt
import pandas as pd
import streamlit as st

from fashion import estimate, runs, summary
from fashion.errors import FashionError
from fashion.runs import Run
from fashion.settings import FIELDS
from fashion.summary import RunSummary, basis_in_words
from fashion.ui import cache, charts, components, frame, state

# More lines than this cannot be told apart, however coloured.
MAX_COMPARED = 8

_STATE_ICONS = {
    "queued": ":material/hourglass_top:",
    "running": ":material/progress_activity:",
    "finished": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "failed": ":material/error:",
    "interrupted": ":material/bolt:",
}
_FILES = {
    "model.keras": ("Keras model", "The network with its weights, for `keras.saving.load_model`."),
    "model.tflite": (
        "LiteRT model",
        "The same network for phones and small computers; what this app predicts with.",
    ),
    "settings.json": ("Settings", "All settings of this run."),
    "card.json": ("Card", "What it was trained on, with which result, versions and machine."),
}


# All runs


def listed() -> list[RunSummary]:
    """All runs that can be read, newest first, then the shipped models; the others are named with a way to delete."""
    found, damaged = summary.summarise_all(runs.list_runs() + runs.shipped())
    if damaged:
        count = "One run" if len(damaged) == 1 else f"{len(damaged)} runs"
        with st.expander(f"{count} cannot be read", icon=":material/warning:"):
            for run, problem in damaged:
                st.markdown(f"**{run.id}**")
                st.caption(_plain(problem))
                if not run.shipped:
                    _delete_button([run], key=f"_delete_damaged_{run.id}")
    return found


def nothing_yet() -> None:
    """What stands on the page before the first run."""
    st.info(
        "There are no runs yet. Train a network, and it is listed here with its result.",
        icon=":material/info:",
    )
    frame.link("Train", "**Train the first one**")


def under_way(found: list[RunSummary]) -> None:
    """How far unfinished runs are; when one begins or ends, the whole page is drawn again."""
    active = [one for one in found if one.status.active]
    if active:
        cache.queue()  # a server that was restarted goes on serving its queue as soon as anyone looks
        key = "under-way-" + "-".join(one.run.id for one in active)
        st.fragment(_under_way, run_every=2.0, key=key)(active)


def _under_way(active: list[RunSummary]) -> None:
    for one in active:
        status = one.run.status()
        if status.state != one.status.state:
            st.rerun()
        words = f"{one.title}: {status.phase or summary.STATE_WORDS[status.state]}"
        if status.phase == "training":
            words += f", epoch {min(status.epoch + 1, status.num_epochs)} of {status.num_epochs}"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(status.fraction, words, width="stretch")
            _link("Train", "Watch", {state.RUN: one.run.id})


def table(found: list[RunSummary]) -> list[RunSummary]:
    """All runs as a sortable table; returns those that are ticked. The ticks stand in the link."""
    by_id = {one.run.id: one for one in found}
    linked = state.linked_ids(state.RUNS)
    _name_unknown([name for name in linked if name not in by_id])
    ids = list(by_id)
    event = st.dataframe(
        summary.table(found),
        hide_index=True,
        column_config=_COLUMNS,
        # Ticks are row numbers, so another list of runs needs another widget.
        key=f"_runs_{hash(tuple(ids))}",
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(name) for name in linked if name in by_id]}},
        placeholder="–",
        alt="All runs with their results; tick rows to compare them",
    )
    ticked = [ids[row] for row in event.selection.rows if row < len(ids)]
    if set(ticked) != {name for name in linked if name in by_id}:
        state.link_ids(state.RUNS, ticked)
        if len(ticked) == 1:
            state.link_ids(state.OPEN, ticked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Tick one run to open it, or several to compare them. Click a column's name to sort. Of the settings, only "
            "those that differ are shown."
        )
        own = [by_id[name].run for name in ticked if not by_id[name].run.shipped]
        if len(own) > 1:
            _delete_button(own, key="_delete_ticked")
    return [by_id[name] for name in ticked]


_COLUMNS = {
    "Run": st.column_config.TextColumn(pinned=True),
    "When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
    "Best epoch": st.column_config.NumberColumn(
        help="The epoch with the highest validation accuracy, counted from 1. Its weights are the ones kept."
    ),
    "Validation accuracy": st.column_config.NumberColumn(
        format="%.2f%%",
        help="Of the best epoch. Since that epoch was chosen by this very number, it flatters a little.",
    ),
    "Test accuracy": st.column_config.NumberColumn(
        format="%.2f%%", help="On pictures that were used once, after training."
    ),
    "95 % interval": st.column_config.TextColumn(
        help="Where the true accuracy probably lies, as the test pictures are only a sample."
    ),
    "Test pictures": st.column_config.NumberColumn(format="localized"),
    "Training seconds": st.column_config.NumberColumn(
        format="%.1f",
        help="Epochs with their validation not counted: steps only. On the machine named at the end.",
    ),
    "Pictures per second": st.column_config.NumberColumn(
        format="%.0f", help="While training, median over epochs."
    ),
}


def opened(found: list[RunSummary]) -> RunSummary | None:
    """The one run that is open, chosen here, by a tick in the table or by a link; None if none is."""
    by_id = {one.run.id: one for one in found}
    linked = state.linked_ids(state.OPEN)[:1]
    _name_unknown([name for name in linked if name not in by_id])
    known = [name for name in linked if name in by_id]
    state.choose("_opened", known[0] if known else None)
    chosen = st.selectbox(
        "Open a run",
        list(by_id),
        index=None,
        format_func=lambda name: _option(by_id[name]),
        placeholder="Choose a run",
        key="_opened",
        on_change=_open,
    )
    return by_id.get(chosen)


def _open() -> None:
    chosen = st.session_state["_opened"]
    state.link_ids(state.OPEN, [chosen] if chosen else [])


def _option(one: RunSummary) -> str:
    result = f" · {one.test.value:.1%}" if one.test else f" · {summary.STATE_WORDS[one.status.state]}"
    return one.title + result


def _name_unknown(names: list[str]) -> None:
    """Say which runs of a link are not here; the text comes from a stranger."""
    if names:
        listing = ", ".join(f"`{_plain(name)[:60]}`" for name in names)
        st.warning(
            f"The link names runs that are not here: {listing}. They were deleted, or belong to another machine.",
            icon=":material/link_off:",
        )


def _plain(text: str) -> str:
    """Text from a file or a link without what Markdown would act upon."""
    return " ".join(text.translate(str.maketrans("", "", "`[]<>*_$\\")).split())


# Several runs


def comparison(ticked: list[RunSummary]) -> None:
    """Two or more runs: which is better, in which settings they differ, and their curves over each other."""
    st.subheader(f"{len(ticked)} runs compared", anchor=False)
    if len(ticked) > MAX_COMPARED:
        st.caption(f"The first {MAX_COMPARED} that were ticked are drawn.")
        ticked = ticked[:MAX_COMPARED]
    if len(ticked) == 2:
        _verdict(*ticked)
    different = summary.settings_side_by_side(ticked)
    if len(different):
        st.table(different, hide_index=True, border="horizontal")
    else:
        st.caption("All settings are the same.")
    curves(ticked, axis_key=state.AXIS_COMPARED)


def _verdict(a: RunSummary, b: RunSummary) -> None:
    try:
        sentence = summary.is_better(a, b)
    except FashionError as error:
        st.caption(_plain(str(error)))
        return
    st.markdown(
        f"**{sentence}**",
        help="Compared picture by picture. The interval covers the chance of these test pictures, not the luck of one "
        "training: the same settings with another seed can differ by about as much. Train both again with other seeds "
        "to be sure.",
    )


def curves(shown: list[RunSummary], axis_key: str = state.AXIS) -> None:
    """Loss and accuracy of training and validation, of one run or several, over epochs or seconds."""
    values = summary.curves(shown)
    if values.empty:
        st.info("No epoch is finished yet, so there is no curve.", icon=":material/info:")
        return
    axis = st.segmented_control(
        "Drawn over",
        ["epochs", "training seconds"],
        default="epochs",
        required=True,
        help="Over seconds, a run that learns more per epoch but needs longer for it loses its advantage. Compare "
        "seconds only of runs on the same machine.",
        **state.in_url(axis_key),
    )
    sizes = {one.validation.n for one in shown if one.validation}
    st.caption(
        f"Solid: training pictures. Dashed: {' or '.join(f'{size:,}' for size in sorted(sizes))} validation pictures. The "
        "ring marks the best epoch, which was kept."
    )
    names = "-".join(summary.unique_names(shown))
    for column, measure in zip(st.columns(2, gap="medium"), ("accuracy", "loss"), strict=True):
        with column:
            charts.place(
                curve_chart(values, measure, "seconds" if axis == "training seconds" else "epoch"),
                alt_text=f"{measure.capitalize()} of training and validation over {axis} for {names}.",
                table=values[["run", "curve", "epoch", "seconds", measure]],
                name=f"{names}-{measure}",
            )


def curve_chart(values: pd.DataFrame, measure: str, x: str) -> alt.LayerChart:
    """One measure over epochs or seconds: a colour per run (or per curve, for one run), dashes for validation.

    `values`: as from `summary.curves`. `measure`: "accuracy" or "loss". `x`: "epoch" or "seconds".
    """
    names = list(dict.fromkeys(values.run))
    if len(names) == 1:
        colour = alt.Color("curve:N", scale=charts.curve_scale(), legend=_legend())
    else:
        scale = alt.Scale(domain=names, range=list(charts.CLASS_COLOURS[: len(names)]))
        colour = alt.Color("run:N", scale=scale, legend=_legend())
    base = alt.Chart(values).encode(
        x=alt.X(
            f"{x}:Q",
            title="epoch" if x == "epoch" else "training time in seconds",
            scale=alt.Scale(zero=x == "seconds", nice=False, padding=14),  # room for the ring's label
            axis=alt.Axis(tickMinStep=1, format="d" if x == "epoch" else ",~f", tickCount=6),
        ),
        y=alt.Y(
            f"{measure}:Q",
            title=measure,
            scale=alt.Scale(zero=False),
            axis=alt.Axis(format="~%" if measure == "accuracy" else "~f"),
        ),
        color=colour,
        tooltip=[
            "run:N",
            "curve:N",
            "epoch:Q",
            alt.Tooltip("seconds:Q", title="seconds of training", format=",.1f"),
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("loss:Q", format=".4f"),
        ],
    )
    lines = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("curve:N", scale=charts.curve_dash(), legend=None),
        detail=["run:N", "curve:N"],
    )
    points = base.mark_point(filled=True, size=30, opacity=1)
    best = base.transform_filter("datum.best").mark_point(size=160, strokeWidth=2, filled=False, opacity=1)
    layers = [lines, points, best]
    if measure == "accuracy" and len(names) <= 3:  # more labels would cover each other
        layers.append(
            base.transform_filter("datum.best")
            .mark_text(dy=-14, color=charts.MIDDLE_GREY)
            .encode(text=alt.Text("accuracy:Q", format=".1%"), color=alt.value(charts.MIDDLE_GREY))
        )
    return alt.layer(*layers).properties(height=300)


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", symbolType="stroke", columns=2, labelLimit=160)


# One run


def overview(one: RunSummary) -> None:
    """State, results, times, machine, actions, files and settings of one run."""
    st.markdown(f"{_STATE_ICONS[one.status.state]} **{summary.STATE_WORDS[one.status.state].capitalize()}.**")
    if one.status.reason:
        st.markdown(_plain(one.status.reason))
    _results(one)
    _actions(one)
    _times(one)
    _files(one)
    with st.expander("All settings"):
        st.table(summary.settings_table(one.settings), hide_index=True, border="horizontal")


def _results(one: RunSummary) -> None:
    with st.container(horizontal=True, gap="medium"):
        for label, accuracy in (("Test accuracy", one.test), ("Validation accuracy", one.validation)):
            if accuracy:
                with st.container(width="content", gap=None):
                    st.metric(label, f"{accuracy.value:.1%}", width="content")
                    st.caption(basis_in_words(accuracy))
        if one.best_epoch is not None:
            st.metric(
                "Best epoch",
                f"{one.best_epoch} of {one.num_epochs}" if one.best_epoch else "none whole",
                help="The epoch with the highest validation accuracy; its weights are the ones kept.",
                width="content",
            )
        if one.num_parameters is not None:
            st.metric("Parameters", f"{one.num_parameters:,}", width="content")
    if one.test is None:
        st.caption("It has not been tested; only a finished or stopped run is.")


def _times(one: RunSummary) -> None:
    """Seconds and what they depend on: machine, versions, batch size; the first epoch apart from the others."""
    if one.train_seconds is None:
        return
    st.subheader("Time", anchor=False)
    values = {"Training": estimate.in_words(one.train_seconds)}
    for name, seconds in (
        ("Start-up before it", one.startup_seconds),
        ("First epoch", one.first_epoch_seconds),
        ("Each further epoch", one.steady_epoch_seconds if one.num_epochs > 1 else None),
    ):
        if seconds is not None:
            values[name] = f"{seconds:,.1f} s"
    if one.images_per_second is not None:
        values["Speed"] = f"{one.images_per_second:,.0f} pictures/s"
    components.facts(values)
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    parts = [
        summary.machine_in_words(one),
        f"batch size {one.settings.batch_size}",
        one.settings.precision,
        versions,
    ]
    st.caption(
        f"{_plain(', '.join(part for part in parts if part))}. The first epoch includes building the network's "
        "program; validation and test are not counted."
    )


def _actions(one: RunSummary) -> None:
    """What can be done with this run now."""
    run, status = one.run, one.status
    queue = cache.queue()
    with st.container(horizontal=True):
        if run.can_predict:
            _link("Predict", "Try it on a photo", {"model": run.id})
        if status.active:
            _link("Train", "Watch it", {state.RUN: run.id})
            st.button("Stop", icon=":material/stop:", key="_stop", on_click=_do, args=(queue.stop, run))
        if st.button("Use these settings again", icon=":material/replay:", key="_again"):
            _train_again(one)
        if not status.active and status.state != "finished" and not run.shipped:
            st.button(
                "Resume" if run.can_resume else "Start again",
                icon=":material/play_arrow:",
                key="_resume",
                help="Goes on after the last finished epoch."
                if run.can_resume
                else "From the first epoch, as there is no checkpoint to go on from.",
                on_click=_do,
                args=(queue.resume, run),
            )
            if run.has_model and not run.can_predict:
                st.button(
                    "Keep the best epoch",
                    icon=":material/save:",
                    key="_finish",
                    help="Tests and exports it without training on.",
                    on_click=_do,
                    args=(queue.finish, run),
                )
        if not status.active and not run.shipped:
            _delete_button([run], key="_delete_opened")


def _do(action, run: Run) -> None:
    """Carry out a button's action; a refusal is said and changes nothing."""
    try:
        action(run)
    except FashionError as error:
        st.toast(str(error), icon=":material/error:")


def _train_again(one: RunSummary) -> None:
    """Open the Train page with all settings of this run."""
    for name in FIELDS:
        state.choose(name, getattr(one.settings, name))
    st.switch_page("pages/train.py")


def _delete_button(doomed: list[Run], *, key: str) -> None:
    """Asks before it deletes; the page is then drawn without these runs."""
    what = "this run" if len(doomed) == 1 else f"these {len(doomed)} runs"
    with st.popover("Delete" if len(doomed) == 1 else f"Delete {len(doomed)}", icon=":material/delete:"):
        st.markdown(f"Delete {what} with model and results? This cannot be undone.")
        if st.button(f"Delete {what} for good", type="primary", icon=":material/delete_forever:", key=key):
            for run in doomed:
                try:
                    runs.delete(run)
                except FashionError as error:
                    st.error(str(error), icon=":material/error:")
                    return
            gone = {run.id for run in doomed}
            for link in (state.RUNS, state.OPEN):
                state.link_ids(link, [name for name in state.linked_ids(link) if name not in gone])
            st.rerun()


def _files(one: RunSummary) -> None:
    """Downloads of what the run left; a file is read when it is asked for, not when the page is drawn."""
    with st.container(horizontal=True):
        for name, (label, help) in _FILES.items():
            path = one.run.folder / name
            if path.exists():
                st.download_button(
                    f"{label}, {_size(path.stat().st_size)}",
                    path.read_bytes,
                    file_name=f"{one.name}-{name}",
                    icon=":material/download:",
                    help=help,
                    key=f"_file_{name}",
                    on_click="ignore",
                )
        if one.run.can_predict:
            st.download_button(
                "Labels",
                "\n".join(one.classes) + "\n",
                file_name=f"{one.name}-labels.txt",
                icon=":material/download:",
                help="The class names, a line each, in the order of the network's answers.",
                key="_file_labels",
                on_click="ignore",
            )


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 100_000 else f"{num_bytes / 1e3:.1f} kB"


def _link(page: str, label: str, parameters: dict[str, str]) -> None:
    """A link to a page of the menu with parameters; a page that this installation lacks draws nothing."""
    for entry in frame.PAGES:
        if entry.title == page and (frame.ROOT / entry.file).exists():
            st.page_link(entry.file, label=label, icon=entry.icon, query_params=parameters)
