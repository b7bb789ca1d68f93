"""Taking a run along: the zip file, which is offered once its proof succeeded, and its training program.

What is in the zip is `fashion.takeaway`; the single files of a run are in `run_view.py`.
"""

import numpy as np
import streamlit as st

from fashion import runs, takeaway
from fashion.errors import FashionError
from fashion.summary import RunSummary
from fashion.ui import cache, components, state, ticking

_HELP = (
    "The zip holds the model in both forms, its labels, what must be done with a photo, a short program that predicts a photo, "
    "and one that trains the network anew. Nothing of this app is needed to use it."
)
_WORDS = {
    "packing": "Packing the zip …",
    "asking our own model": "Asking our own model about eight pictures …",
    "asking the unpacked files in a fresh process": "Asking the unpacked files in a fresh process …",
    "comparing": "Comparing the answers …",
}


def section(one: RunSummary) -> None:
    """The zip with its proof, and the training program; for a run that cannot be taken along, why."""
    run = one.run
    why = takeaway.obstacle(run)
    if why is not None:
        if run.has_model and not run.status().active:
            st.caption(f":material/luggage: {components.harmless(why)}")
        return
    # A fragment: the page asks a proof that is under way for news without drawing itself anew.
    active = takeaway.proof(run).state == "under way"
    ticking.part(_section, one, active, seconds=1.0 if active else None, key=f"takeaway-{run.id}-{active}")


def _section(one: RunSummary, was_active: bool) -> None:
    run = one.run
    try:
        found = takeaway.proof(run)
    except FashionError as error:  # deleted or changed meanwhile
        st.info(components.harmless(str(error)), icon=":material/info:")
        return
    if was_active and found.state != "under way":
        st.rerun()
    if found.state == "under way":
        status = found.job.status()
        waiting = status.state == "queued"
        words = "Waiting for its turn …" if waiting else _WORDS.get(status.phase, "Starting …")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(status.step / max(status.num_steps, 1), words, width="stretch")
            st.button("Stop", icon=":material/stop:", key="_takeaway_stop", on_click=_stop, args=(found.job,))
        return
    if found.state == "failed":
        st.error(
            f"**The zip is not offered: its check failed.** {components.harmless(found.reason)}",
            icon=":material/error:",
        )
    with st.container(horizontal=True):
        if found.state == "proved":
            st.download_button(
                f"All of it as a zip, {found.result['bytes'] / 1e6:.1f} MB",
                lambda: takeaway.packed(run),
                file_name=f"fashion-lab-{one.name}.zip",
                mime="application/zip",
                icon=":material/luggage:",
                help=_HELP,
                key="_takeaway_zip",
                on_click="ignore",
            )
        else:
            label = {"failed": "Try again", "outdated": "Pack and check it anew"}.get(
                found.state, "Pack a zip and check it"
            )
            if st.button(label, icon=":material/luggage:", help=_HELP, key="_takeaway"):
                _ask(run)
        text, why = takeaway.training_program(run)
        if text is not None:
            st.download_button(
                "Training program",
                text,
                file_name="train.py",
                mime="text/x-python",
                icon=":material/code:",
                help="This run as one file of plain Keras, to read and to run: the same layers, pictures, order, seeds, optimizer "
                "and epochs.",
                key="_takeaway_program",
                on_click="ignore",
            )
    if found.state == "proved":
        st.caption(_proved(found.result))
    elif found.state != "failed":
        st.caption(
            "Before the zip is offered, it is unpacked and asked about eight pictures by a process that knows nothing of this "
            "app; its answers must agree with ours. That takes about ten seconds."
        )
    if text is None:
        st.caption(components.harmless(why))
    else:
        with st.expander("Read the training program", icon=":material/code:"):
            st.code(text, height=420)


def _proved(result: dict) -> str:
    """What the proof found, in words."""
    parts = [
        f"`{components.plain(str(name))}` {_closeness(float(value))}"
        for name, value in result["differences"].items()
    ]
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    return (
        f":material/verified: Checked on this machine on {components.plain(str(result['when']))}: the zip was unpacked and loaded by "
        f"a fresh process, without this app. Its probabilities agree with ours on {components.plain(str(result['pictures']))}: "
        f"{' and '.join(parts)} ({components.plain(versions)})."
    )


def _closeness(difference: float) -> str:
    """How close, e.g. "to 0.0005"; a difference of single bits is of no interest."""
    return (
        f"to {np.format_float_positional(difference, 1, fractional=False)}"
        if difference >= 1e-6
        else "to a millionth"
    )


def _ask(run: runs.Run) -> None:
    try:
        takeaway.ask_for_proof(cache.queue(), run, state.visitor())
    except FashionError as error:
        st.error(components.harmless(str(error)), icon=":material/block:")
    else:
        st.rerun()


def _stop(job: runs.Run) -> None:
    cache.queue().stop(job)
