"""The epochs of one run: which were kept, what each came to on validation and test, and using one of them to predict.

What is kept and what it came to is `fashion.snapshots`; this module only draws it, and asks the queue.
"""

import streamlit as st

from fashion import snapshots
from fashion.errors import FashionError
from fashion.runs import EPOCH, Run
from fashion.summary import RunSummary
from fashion.ui import cache, components, state, ticking

_PERCENT = st.column_config.NumberColumn(format="%.2f%%")
_PHASES = {"testing": "testing", "exporting": "exporting", "comparing": "comparing photos"}
_LOOKED = (
    "**Each look at the test pictures uses them up a little.** Whoever picks the epoch with the best number here has chosen by the "
    "test, and that number flatters: to know how good the chosen one is, it needs new pictures. This table is for learning; "
    "the choice was made on validation."
)


def tested(found: list[RunSummary]) -> list[RunSummary]:
    """The tested epochs of these runs, each of which can be opened like a run."""
    return [epoch for one in found if not one.run.shipped for epoch in snapshots.summaries(one.run).values()]


def epochs(one: RunSummary) -> None:
    """The table of epochs, best against last, and for those that were kept: test, use, delete."""
    if EPOCH in one.run.id:
        st.info("This is one epoch of a run. The others stand with the run itself.", icon=":material/info:")
        st.page_link(
            "pages/runs.py",
            label="Open the run",
            icon=":material/stacked_line_chart:",
            query_params={state.OPEN: one.run.id.partition(EPOCH)[0], state.VIEW: "Epochs"},
        )
        return
    table = snapshots.table(one)
    if table.empty:
        st.info("No epoch is finished yet.", icon=":material/info:")
        return
    kept = snapshots.kept(one.run)
    n = f"{one.validation.n:,} validation" if one.validation else "validation"
    n += f" and {one.test.n:,} test pictures" if one.test else " pictures"
    st.caption(f"A row per epoch, in percent of {n} that are right, with 95 % intervals.")
    st.dataframe(
        table,
        hide_index=True,
        height=min(36 * (len(table) + 1) + 2, 400),
        column_config={
            "Epoch": st.column_config.NumberColumn(pinned=True, width="small"),
            "": st.column_config.TextColumn(width="small"),
            "Validation": _PERCENT,
            "Test": _PERCENT,
            "Kept": st.column_config.CheckboxColumn(help="Whether the weights of this epoch are still here."),
        },
        placeholder="–",
        alt=f"Validation accuracy of each epoch, and test accuracy of those that were tested, of {one.name}",
    )
    if not kept:
        st.info(
            "Only the best epoch of this run was kept. To test any epoch, train it again with “Keep every epoch” (Train page, "
            "under Learning)."
            if not one.run.shipped
            else "Only the best epoch comes with the project.",
            icon=":material/info:",
        )
        return
    st.markdown(components.harmless(snapshots.best_against_last(one)))
    if len(snapshots.tested(one.run)):
        st.warning(_LOOKED, icon=":material/visibility:")
    if one.status.active:
        st.info("When the run has ended, each of its epochs can be tested here.", icon=":material/info:")
        return
    job = snapshots.job_of(one.run)
    active = job is not None and job.status().active
    if active:
        cache.queue()  # a server that was restarted goes on serving its queue as soon as anyone looks
        ticking.part(_under_way, job, seconds=1.0, key=f"epochs-{job.id}")
    else:
        if job is not None and job.status().state == "failed":
            st.error(components.harmless(job.status().reason), icon=":material/error:")
        _ask(one, kept)
    _ready(one)
    _delete(one, kept, active)


def _ask(one: RunSummary, kept: list[int]) -> None:
    """Which epochs, and what to do with them."""
    here = snapshots.tested(one.run)
    chosen = st.multiselect(
        "Epochs",
        kept,
        default=kept[-1:],
        format_func=lambda epoch: f"epoch {epoch}, tested" if epoch in here else f"epoch {epoch}",
        placeholder="Choose one or several",
        key=f"_epochs_{one.run.id}",
    )
    words = "this epoch" if len(chosen) == 1 else "these epochs"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            f"Test {words}",
            icon=":material/science:",
            disabled=not chosen,
            help="Asks the network as it was after this epoch about all test pictures.",
            key=f"_test_{one.run.id}",
        ):
            _start(one.run, chosen, export=False)
        if st.button(
            "Use it to predict" if len(chosen) < 2 else "Use them to predict",
            icon=":material/photo_camera:",
            disabled=not chosen,
            help="Also makes the file that predicts, so that the Predict page can ask this epoch. Of a "
            "pretrained network that takes up to a minute.",
            key=f"_use_{one.run.id}",
        ):
            _start(one.run, chosen, export=True)


def _start(run: Run, chosen: list[int], export: bool) -> None:
    try:
        cache.queue().test_epochs(run, chosen, export, state.visitor())
    except FashionError as error:
        st.error(components.harmless(str(error)), icon=":material/block:")
    else:
        st.rerun()


def _under_way(job: Run) -> None:
    status = job.status()
    if not status.active:
        st.rerun()  # the whole page: the table has news
    words = "Waiting for its turn …" if status.state == "queued" else "Starting …"
    if status.phase in _PHASES:
        words = f"Epoch {status.best_epoch}: {_PHASES[status.phase]} …"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(status.epoch / max(status.num_epochs, 1), words, width="stretch")
        st.button(
            "Stop", icon=":material/stop:", key="_stop_epochs", on_click=cache.queue().stop, args=(job,)
        )


def _ready(one: RunSummary) -> None:
    """Where the exported epochs lead to, and why others could not be exported."""
    made = snapshots.summaries(one.run)
    with st.container(horizontal=True):
        for epoch, tested_one in made.items():
            if tested_one.run.can_predict:
                st.page_link(
                    "pages/predict.py",
                    label=f"Predict with epoch {epoch}",
                    icon=":material/photo_camera:",
                    query_params={"model": tested_one.run.id},
                )
    problems = {str((tested_one.run.card() or {}).get("no_export") or "") for tested_one in made.values()}
    for why in sorted(problems - {"", snapshots.TESTED_ONLY}):
        st.info(f"It cannot be asked about photos yet. {components.harmless(why)}", icon=":material/info:")


def _delete(one: RunSummary, kept: list[int], active: bool) -> None:
    size = snapshots.used_bytes(one.run) / 1e6
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{len(kept)} epochs are kept, {size:,.1f} MB.", width="content")
        with st.popover("Keep only the best", icon=":material/delete:", disabled=active):
            st.markdown(
                "Delete the weights of all epochs, and what was tested and exported of them? The run keeps its best epoch. "
                "This cannot be undone."
            )
            if st.button(
                "Delete them for good",
                type="primary",
                icon=":material/delete_forever:",
                key=f"_forget_{one.run.id}",
            ):
                try:
                    snapshots.delete(one.run)
                except FashionError as error:
                    st.error(components.harmless(str(error)), icon=":material/error:")
                else:
                    st.rerun()
