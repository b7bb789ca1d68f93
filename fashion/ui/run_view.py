"""The Runs page's pieces: the table of runs, and one run's facts, files and actions.

What runs came to is put together in `fashion.summary`; several side by side are in `comparison_view.py`, how a run errs
in `confusion_view.py` and `evaluation_view.py`.
"""

import streamlit as st

from fashion import estimate, runs, summary, sweep_results
from fashion.errors import FashionError
from fashion.runs import Run
from fashion.summary import RunSummary, basis_in_words
from fashion.ui import cache, components, frame, settings_view, state, takeaway_view, ticking

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
                st.caption(components.plain(problem))
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
        ticking.part(_under_way, active, seconds=2.0, key=key)


def _under_way(active: list[RunSummary]) -> None:
    statuses = {one.run.id: one.run.status() for one in active}
    if any(statuses[one.run.id].state != one.status.state for one in active):
        st.rerun()
    groups = [status.group for status in statuses.values() if sweep_results.is_sweep(status.group)]
    for group in dict.fromkeys(groups):
        _link("Train", f"Watch: {groups.count(group)} unfinished runs of a sweep", {state.SWEEP: group})
    for one in active:
        status = statuses[one.run.id]
        if status.group in groups:
            continue
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
        format="%.2f%%", help="On the test pictures, which had no part in the training."
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
        listing = ", ".join(f"`{components.plain(name)[:60]}`" for name in names)
        st.warning(
            f"The link names runs that are not here: {listing}. They were deleted, or belong to another machine.",
            icon=":material/link_off:",
        )


# One run


def overview(one: RunSummary) -> None:
    """State, results, times, machine, actions, files and settings of one run."""
    words = components.first_in_bold(components.plain(summary.ending(one.status)))
    st.markdown(f"{_STATE_ICONS[one.status.state]} {words}")
    _results(one)
    _actions(one)
    _times(one)
    st.subheader("Take it along", anchor=False)
    files(one)
    takeaway_view.section(one)
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
                "Epoch" if runs.EPOCH in one.run.id else "Best epoch",
                f"{one.best_epoch} of {one.num_epochs}" if one.best_epoch else "none whole",
                help="The epoch with the highest validation accuracy; its weights are the ones kept.",
                width="content",
            )
        if one.num_parameters is not None:
            st.metric("Parameters", f"{one.num_parameters:,}", width="content")
    if one.test is None:
        st.caption("It has not been tested; only a finished or stopped run is.")
    no_export = (one.run.card() or {}).get("no_export")
    if no_export and not one.run.shipped:  # those come without weights
        st.info(
            f"It cannot be tried on photos yet. {components.plain(str(no_export))}", icon=":material/info:"
        )


def _times(one: RunSummary) -> None:
    """Seconds and what they depend on: machine, versions, batch size; the first epoch apart from the others."""
    if one.train_seconds is None:
        return
    st.subheader("Time", anchor=False)
    made = "Averaging the weights" if one.settings.mean_of else "Training"
    values = {made: estimate.in_words(one.train_seconds)}
    if one.settings.pretrained:
        values |= summary.times_of_parts(one)
    else:
        values |= _times_of_epochs(one)
    components.facts(values)
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    parts = [
        summary.machine_in_words(one),
        f"batch size {one.settings.batch_size}",
        one.settings.precision,
        versions,
    ]
    counted = (
        "Nothing was trained, so there are no epochs; the test is not counted."
        if one.settings.mean_of
        else "The first epoch includes building the network's program; validation and test are not counted."
    )
    st.caption(f"{components.plain(', '.join(part for part in parts if part))}. {counted}")


def _times_of_epochs(one: RunSummary) -> dict[str, str]:
    values = {}
    for name, seconds in (
        ("Start-up before it", one.startup_seconds),
        ("First epoch", one.first_epoch_seconds),
        ("Each further epoch", one.steady_epoch_seconds if one.num_epochs > 1 else None),
    ):
        if seconds is not None:
            values[name] = f"{seconds:,.1f} s"
    if one.images_per_second is not None:
        values["Speed"] = f"{one.images_per_second:,.0f} pictures/s"
    return values


def _actions(one: RunSummary) -> None:
    """What can be done with this run now."""
    run, status = one.run, one.status
    queue = cache.queue()
    with st.container(horizontal=True):
        if run.can_predict:
            _link("Predict", "Try it on a photo", {"model": run.id})
            _link("Models", "Its card in words", {"model": run.id})
        if status.active:
            _link("Train", "Watch it", {state.RUN: run.id})
            st.button("Stop", icon=":material/stop:", key="_stop", on_click=_do, args=(queue.stop, run))
        if sweep_results.is_sweep(status.group):
            _link("Train", "All runs of its sweep", {state.SWEEP: status.group})
        # The Train page trains; what is put together is chosen in the table.
        if not one.settings.mean_of and st.button(
            "Use these settings again", icon=":material/replay:", key="_again"
        ):
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
    settings_view.fill_in(one.settings)
    st.switch_page("pages/train.py", query_params=settings_view.link_to(one.settings))


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


def files(one: RunSummary) -> None:
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
