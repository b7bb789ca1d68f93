"""Choosing the model that answers, and what each learned from, in words. Which ones there are is `answers.models`."""

import streamlit as st

from fashion.errors import FashionError
from fashion.predictor import Predictor
from fashion.settings import ARCHITECTURES
from fashion.summary import RunSummary
from fashion.ui import cache, components, frame, state

_LEARNED_FROM = {
    "clothing": (
        "photos of single clothes, laid out or hung up at home by volunteers; worn clothes, several at once, or other "
        "things are strange to it"
    ),
    "fashion-mnist": (
        "catalogue pictures of 28x28 grey pixels on a plain background, so on a street photo it may well be wrong"
    ),
    "sketches": "simple drawings of 28x28 grey pixels, so on any real photo it may well be wrong",
}


def no_model() -> None:
    """What stands on the page before there is any model."""
    st.info(
        "There is no trained network here yet. Train one, which takes about a minute, and come back with a photo.",
        icon=":material/info:",
    )
    frame.link("Train", "**Train a network**")


def model_input(found: list[RunSummary]) -> RunSummary:
    """The model to ask, chosen here or named by the link as ?model=."""
    by_name = {one.run.id: one for one in found}
    linked = state.linked_ids(state.MODEL)[:1]
    known = [name for name in linked if name in by_name]
    for name in linked:
        if name not in by_name:
            st.warning(
                f"The link names a model that is not here: {components.literal(name[:60])}. {option(found[0])} is asked instead.",
                icon=":material/link_off:",
            )
    state.choose("_model", known[0] if known else found[0].run.id)
    chosen = st.selectbox(
        "Model",
        list(by_name),
        format_func=lambda name: option(by_name[name]),
        key="_model",
        on_change=_link_model,
        help="The network that answers: one that comes with this app, or any run that has finished. The Runs page tells "
        "how good each is.",
    )
    return by_name[chosen]


def _link_model() -> None:
    state.link_ids(state.MODEL, [st.session_state["_model"]])


def option(one: RunSummary) -> str:
    """The model in a line: its name first, as the rest is cut off on a phone."""
    return f"{one.name} · {ARCHITECTURES[one.settings.architecture]} · {one.dataset_title}"


def loaded_or_stop(one: RunSummary) -> Predictor:
    """The model in memory; where it is damaged, the reason, and the page ends there."""
    try:
        return cache.model(one.run.id)
    except FashionError as error:
        st.error(components.literal(str(error)), icon=":material/error:")
        return st.stop()


def learned_from(model: Predictor) -> str:
    """What the model knows the world from, in a sentence."""
    return f"It learned from {_LEARNED_FROM[model.card['dataset']]}."
