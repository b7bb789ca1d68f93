"""Beside an answer on the Predict page: what a pretrained network says of the photo as it is, in ImageNet's 1,000 words.

The course's first experiment. Which networks there are is `pretrained.py`; getting one ready and asking it `imagenet.py`.
"""

import time
from collections.abc import Sequence

import numpy as np
import streamlit as st
from PIL import Image

from fashion import estimate, imagenet
from fashion.errors import FashionError
from fashion.pretrained import BASES, LICENCE
from fashion.ui import cache, components, prediction_view, state, ticking

_ONLY_PHOTOS = "A pretrained network needs a photo in colour. Show it one under Photos or Camera."


def section(
    image: Image.Image | None, ours: Sequence[tuple[str, float]], began_from: str | None = None
) -> None:
    """The five most probable of 1,000 classes for a photo (RGB, upright), beside our own answer.

    ours: that answer's classes and probabilities, the most probable first; empty if there is none. began_from: the pretrained network that our model began from, a key of BASES, which is then asked at first.
    """
    st.subheader("What the pretrained network says, as it is", anchor=False)
    st.markdown(
        "Before a network learns our ten kinds of clothes, it has often learned from ImageNet: 1.28 million photos of 1,000 kinds "
        "of things, from a goldfish to a volcano. Few of these are clothes, and their names are odd: a t-shirt is a *jersey*; there "
        "is no word for shirt, dress or shorts. Still, what it learned to see there is most of what our ten need."
    )
    if image is None:
        st.info(_ONLY_PHOTOS, icon=":material/info:")
        return
    name = _network_input(began_from)
    found = imagenet.state(name)
    if found.kind == "ready":
        _beside(name, image, ours)
    elif found.kind == "under way":
        ticking.part(_under_way, name, seconds=1.0, key=f"pretrained-{name}")
    else:
        _offer(name, found.problem)


def _network_input(began_from: str | None) -> str:
    names = list(BASES)
    default = began_from if began_from in BASES else names[0]
    return st.selectbox(
        "Network",
        names,
        index=names.index(default),
        format_func=lambda name: BASES[name].title,
        width=280,
        **state.kept(state.PRETRAINED),
    )


# Before it is ready


def _offer(name: str, problem: str) -> None:
    """What it takes to ask this network, and a button; or why that cannot be."""
    base = BASES[name]
    if problem:
        st.error(components.literal(problem), icon=":material/error:")
    try:
        num_bytes = imagenet.download_bytes(name)
    except FashionError as error:
        st.info(components.literal(str(error)), icon=":material/cloud_off:")
        return
    download = f"downloads its weights, about {num_bytes / 1e6:.0f} MB ({LICENCE}), and " if num_bytes else ""
    st.markdown(
        f"{base.title} is not ready yet. Getting it ready {download}takes about {imagenet.USUAL_SECONDS} seconds, once for this "
        "machine."
    )
    if st.button(
        "Get it ready", icon=":material/download:" if num_bytes else ":material/build:", type="primary"
    ):
        try:
            imagenet.prepare(name, cache.queue().limits.memory_bytes)
        except FashionError as error:
            st.error(components.literal(str(error)), icon=":material/error:")
            return
        st.rerun()


def _under_way(name: str) -> None:
    """How far it is, second by second; when it has ended, the page is drawn again."""
    found = imagenet.state(name)
    if found.kind != "under way":
        st.rerun()
    seconds = max(0.0, time.time() - found.began)
    # It never claims the end: on a busy machine it takes much longer.
    fraction = 0.95 * (1 - 0.5 ** (2 * seconds / imagenet.USUAL_SECONDS))
    words = f"{BASES[name].title}: {found.phase} … {estimate.in_words(seconds)} of about {imagenet.USUAL_SECONDS} s"
    if seconds > 1.5 * imagenet.USUAL_SECONDS:
        words = f"{BASES[name].title}: {found.phase} … {estimate.in_words(seconds)}; the machine or the network is busy"
    st.progress(fraction, words)


# The answer


def _beside(name: str, image: Image.Image, ours: Sequence[tuple[str, float]]) -> None:
    try:
        said = cache.imagenet_network(name).ask(image)
    except (FashionError, OSError) as error:
        _offer(name, str(error))
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**{BASES[name].title}**, one of 1,000 kinds of things")
        for label, probability in said.top:
            _bar(label, probability)
    with right:
        st.markdown("**Our model**, one of ten kinds of clothes")
        if not ours:
            st.markdown("It found no garment in this photo.")
        for label, probability in ours[: len(said.top)]:
            _bar(label, probability)
    here = cache.this_machine()
    st.caption(
        "A confidence is what a network claims, not how often it is right; with 1,000 kinds to choose from it is spread over more "
        f"of them. Time: {1000 * said.seconds:.0f} ms for the network ({components.literal(here.processor)}, {_cores(here.num_cores)}, "
        f"LiteRT {here.versions.get('ai-edge-litert', 'unknown')}). {LICENCE}."
    )


def _bar(label: str, probability: float) -> None:
    st.progress(
        float(np.clip(probability, 0, 1)),
        f"{components.literal(label)} · {prediction_view.percent(probability)}",
    )


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
