"""Beside one answer on the Predict page: training photos that look alike to the network, and what other models say."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from fashion import answers, datasets
from fashion.answers import Answer
from fashion.errors import FashionError
from fashion.predictor import Predictor
from fashion.settings import ARCHITECTURES, PHOTOS
from fashion.summary import RunSummary
from fashion.ui import cache, components, frame, model_choice, photo_viewer, prediction_view, state
from fashion.ui.picture_input import Picture

PREPARATION, SIMILAR, SEVERAL = "What was done to it", "Similar photos", "Several models"
PRETRAINED = "Pretrained network"
"""The sections below an answer; the first is `preparation_view.py`, the last `imagenet_view.py`."""
MAX_MODELS = 4
_NUM_SIMILAR = 6
_SIMILAR_SIDE = 160  # of a photo sent to the browser, in pixels


def section_input(model: Predictor) -> str:
    """Which of the sections below the answer is shown."""
    sections = [PREPARATION, *([SIMILAR] if model.sees_photos else []), SEVERAL, PRETRAINED]
    state.limit_choice(state.LOOK, sections)
    return st.segmented_control(
        "Look closer", sections, default=PREPARATION, required=True, wrap=True, **state.in_url(state.LOOK)
    )


# Similar photos


def similar(model: Predictor, said: Answer) -> None:
    """The training photos whose vectors lie nearest to the photo's, with their labels; or why there are none."""
    st.subheader("Photos it learned from that look alike to it", anchor=False)
    if model.neighbours is None or said.vector is None:
        st.info(
            "This model has kept no memory of its training photos to compare with.", icon=":material/info:"
        )
        return
    found = model.neighbours.nearest(said.vector, _NUM_SIMILAR)
    labels = [model.classes[one.label] for one in found]
    pictures = cache.photos_by_name(model.card["dataset"], tuple(one.photo for one in found), _SIMILAR_SIDE)
    captions = [f"{label}, {one.similarity:.2f}" for label, one in zip(labels, found, strict=True)]
    agreeing = labels.count(said.prediction.label)
    st.markdown(f"{agreeing} of these {len(found)} are labelled {components.literal(said.prediction.label)}.")
    st.caption(
        "Nearest by the angle between their vectors, the numbers from which the last layers decide: 1.00 is the same "
        "direction, 0 has nothing in common."
    )
    if pictures is None:
        st.markdown(" ".join(f":gray-badge[{components.literal(caption)}]" for caption in captions))
        title = datasets.DATASETS[model.card["dataset"]].title
        st.info(f"Not on this machine: {title}. So only their labels can be shown.", icon=":material/info:")
        frame.link("Dataset", "Get the photos")
        return
    here = [number for number, picture in enumerate(pictures) if picture is not None]
    components.picture_grid(
        [photo_viewer.photo_uri(pictures[number]) for number in here],
        [captions[number] for number in here],
        key="_similar",
        alts=[f"Training photo labelled {labels[number]}" for number in here],
        size=130,
    )


# Several models


@dataclass(frozen=True, eq=False)
class Said:
    """What one of several models said, or why it could not."""

    one: RunSummary
    answer: Answer | None
    problem: str = ""


def several(found: list[RunSummary], one: RunSummary, picture: Picture) -> None:
    """The same picture through up to four models side by side, each with its own preparation."""
    st.subheader("The same picture through several models", anchor=False)
    by_name = {other.run.id: other for other in found if other.run.id != one.run.id}
    if picture.image is None:
        by_name = {name: other for name, other in by_name.items() if other.settings.dataset not in PHOTOS}
    if not by_name:
        st.info("There is no other model here that could be asked.", icon=":material/info:")
        frame.link("Train", "Train another network")
        return
    names = st.multiselect(
        f"Other models, up to {MAX_MODELS - 1}",
        list(by_name),
        default=[next(iter(by_name))],
        format_func=lambda name: model_choice.option(by_name[name]),
        max_selections=MAX_MODELS - 1,
        placeholder="Choose a model",
        **state.kept(state.BESIDE),
    )
    said = [_said(other, picture) for other in (one, *(by_name[name] for name in names))]
    # They share the row, two to a row on a phone; more than this wide, a 28x28 picture is only large.
    st.html(
        "<style>.st-key-_several { display: grid; gap: 1rem; "
        "grid-template-columns: repeat(auto-fit, minmax(min(150px, 45%), 1fr)); }"
        ".st-key-_several > * { width: 100%; max-width: 400px; min-width: 0; }</style>"
    )
    with st.container(key="_several"):
        for entry in said:
            _card(entry)
    st.caption(
        "Confidences of different models are not comparable: each claims in its own way. A model for 28x28 grey pictures "
        "knows other classes and prepares the photo itself."
    )


def _said(one: RunSummary, picture: Picture) -> Said:
    try:
        model = cache.model(one.run.id)
        if picture.answered is not None and picture.answered[0] == model.version:
            return Said(one, prediction_view.ask(model, picture))
        if picture.image is None:
            return Said(one, answers.of_pixels(model, picture.pixels))
        return Said(one, answers.of_photo(model, picture.image))
    except FashionError as error:
        return Said(one, None, str(error))


def _card(entry: Said) -> None:
    with st.container(border=True):
        st.markdown(f"**{components.literal(entry.one.name)}**")
        st.caption(f"{ARCHITECTURES[entry.one.settings.architecture]}, {entry.one.dataset_title}")
        if entry.answer is None:
            st.error(components.literal(entry.problem), icon=":material/broken_image:")
            return
        answer = entry.answer
        height, width = answer.pixels.shape[:2]
        colours = "colours" if answer.pixels.ndim == 3 else "grey"
        st.html(
            f'<img src="{photo_viewer.photo_uri(answer.pixels)}" alt="What {entry.one.name} saw" '
            'style="width: 100%; aspect-ratio: 1; border-radius: var(--st-base-radius);'
            f'{" image-rendering: pixelated;" if width <= 64 else ""}">'
        )
        for label, probability in answer.prediction.top[:3]:
            st.progress(
                float(np.clip(probability, 0, 1)),
                f"{components.literal(label)} · {prediction_view.percent(probability)}",
            )
        st.caption(
            f"{width}x{height} pixels, {colours} · {1000 * answer.predict_seconds:.1f} ms, "
            f"{1000 * answer.prepare_seconds:.0f} ms to prepare"
        )
