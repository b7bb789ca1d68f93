"""What was done to a picture before the network saw it, step by step, and the very array that it received."""

import dataclasses
import io
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from PIL import ImageDraw

from fashion import pictures
from fashion.answers import Answer
from fashion.predictor import Predictor
from fashion.ui import components, photo_viewer, prediction_view, state
from fashion.ui.picture_input import Picture, reduced

_BACKGROUNDS = {"automatic": None, "garment is darker": True, "garment is lighter": False}
_STEP_SIDE = 320  # of a step of a colour photo, as it is sent to the browser


def show(model: Predictor, picture: Picture, said: Answer | None) -> None:
    """All of it, for either kind of model; without an answer only what can be overruled."""
    if model.sees_photos:
        _colour_steps(model, picture, said)
        _colour_array(picture, said)
        return
    if picture.image is not None:
        _grey_steps(picture, said)
    if said is not None:
        _grey_array(model, picture, said)


# Colour photos


def _colour_steps(model: Predictor, picture: Picture, said: Answer) -> None:
    side = model.image_shape[0]
    st.subheader("What was done to the photo", anchor=False)
    image = picture.image
    steps = [("Upright", _came_as(picture), reduced(image, _STEP_SIDE))]
    left, top, right, bottom = (round(edge) for edge in said.box)
    if (right - left, bottom - top) != image.size:
        marked = pictures.part_marked(image, said.box)
        ImageDraw.Draw(marked).rectangle((left, top, right - 1, bottom - 1), outline="white", width=3)
        share = 1 - (right - left) * (bottom - top) / (image.width * image.height)
        kept = "The middle square" if right - left == bottom - top else "The middle"
        words = f"{kept} stays; the pale {share:.0%} of the photo is not seen."
        steps.append(("Cropped", words, reduced(marked, _STEP_SIDE)))
    if right - left != bottom - top:
        width, height = right - left, bottom - top
        what = "The whole photo" if (width, height) == image.size else "What is left"
        less = (
            f"{1 - min(width, height) / max(width, height):.0%} {'lower' if height > width else 'narrower'}"
        )
        steps.append(("Squashed", f"{what} is squeezed to a square and gets {less}.", said.pixels))
    across, down = (right - left) / side, (bottom - top) / side
    words = f"{side} by {side} pixels of three colours: what the network sees. " + (
        f"Each averages about {across:.1f} by {down:.1f} of the photo." if across > 1 and down > 1 else ""
    )
    steps.append(("Resized", words, said.pixels))
    if model.mirror:
        words = "The network judges the mirror image too, and the mean of both answers counts."
        steps.append(("Mirrored", words, said.pixels[:, ::-1]))
    components.picture_grid(
        [photo_viewer.photo_uri(shown) for _, _, shown in steps],
        [f"{title}. {words}" for title, words, _ in steps],
        key="_steps",
        alts=[f"Step {number}: {title}" for number, (title, _, _) in enumerate(steps, start=1)],
        size=165,
    )


def _came_as(picture: Picture) -> str:
    """How the file was when it came, and what was done to it at once."""
    file, image = picture.file, picture.image
    if file is None:
        return f"The photo, {image.width} by {image.height} pixels."
    dropped = "its metadata, with the place where it was taken," if file.has_place else "its metadata"
    done = [f"{file.turn}, as it asked for"] if file.turn else []
    if sorted((file.width, file.height)) != sorted(image.size):
        done.append(f"reduced to {image.width} by {image.height}")
    size = ", ".join([f"{file.width:,} by {file.height:,} pixels", *done])
    return f"A {file.format} file of {size}; {dropped} dropped."


def _colour_array(picture: Picture, said: Answer) -> None:
    st.subheader("What the network received", anchor=False)
    large, numbers = st.columns([2, 3], gap="medium")
    height, width = said.pixels.shape[:2]
    with large:
        st.image(
            said.pixels,
            caption=f"{width}x{height} pixels, values {said.pixels.min()} to {said.pixels.max()} of 255",
            alt=f"The {width} by {height} pixels made of {picture.name}",
            width=280,
        )
    with numbers:
        st.table(_described(said.pixels), hide_index=True, border="horizontal")
        red, green, blue = said.pixels.mean(axis=(0, 1))
        st.caption(
            f"Mean colour: red {red:.0f}, green {green:.0f}, blue {blue:.0f}. The array goes in as raw numbers from 0 to 255; "
            "the scaling that its pretrained layers expect is part of the network."
        )
        stored = io.BytesIO()
        np.save(stored, said.pixels)
        with st.container(horizontal=True):
            st.download_button(
                "As PNG",
                pictures.png(said.pixels),
                file_name="network-input.png",
                mime="image/png",
                icon=":material/download:",
                on_click="ignore",
            )
            st.download_button(
                "As NumPy array",
                stored.getvalue(),
                file_name="network-input.npy",
                mime="application/octet-stream",
                icon=":material/download:",
                on_click="ignore",
            )


def _described(pixels: np.ndarray) -> pd.DataFrame:
    """The array as stored and as the network receives it: a batch of one, as float32."""
    columns = {"As stored": pixels, "As the network receives it": pixels[None].astype(np.float32)}
    facts = {
        name: {
            "Shape": " x ".join(str(size) for size in array.shape),
            "Number type": str(array.dtype),
            "Lowest": f"{array.min():g}",
            "Highest": f"{array.max():g}",
            "Mean": f"{array.mean():.4g}",
            "Memory": f"{array.nbytes:,} bytes",
        }
        for name, array in columns.items()
    }
    return pd.DataFrame(facts).rename_axis("Property").reset_index()


# 28x28 grey pictures


def _grey_steps(picture: Picture, said: Answer | None) -> None:
    """The steps from the photo to the network's input, and a way to overrule each; without an answer only the latter."""
    st.subheader("What was done to the photo", anchor=False)
    st.caption("The network sees only the last picture. Overrule a step, and the answer follows.")
    _overrules(picture, said)
    if said is None:
        return
    components.picture_grid(
        [step.image for step in said.steps],
        [f"{step.title}. {step.caption}" for step in said.steps],
        key="_steps",
        alts=[f"Step {number}: {step.title}" for number, step in enumerate(said.steps, start=1)],
        size=165,
    )


def _overrules(picture: Picture, said: Answer | None) -> None:
    """Controls that change `picture.options` before the page is drawn again."""
    options = picture.options
    own = picture.key  # each photo has widgets of its own
    begin = round(said.threshold, 2) if said is not None else 0.0

    def crop() -> None:
        change(crop=st.session_state[f"_crop_{own}"])

    def background() -> None:
        change(invert=_BACKGROUNDS[st.session_state[f"_background_{own}"]])

    def automatic() -> None:
        change(threshold=None if st.session_state[f"_automatic_{own}"] else begin)

    def threshold() -> None:
        change(threshold=st.session_state[f"_threshold_{own}"])

    def change(**changes) -> None:
        photo = state.photo(own)
        photo.options = dataclasses.replace(photo.options, **changes)

    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.segmented_control(
            "Background",
            list(_BACKGROUNDS),
            wrap=True,
            default=next(words for words, invert in _BACKGROUNDS.items() if invert is options.invert),
            required=True,
            key=f"_background_{own}",
            on_change=background,
            help="The network learned from light garments on black. A garment that is darker than its background has its "
            "light and dark swapped.",
        )
        with st.container(width="content"):
            st.toggle("Crop to the garment", value=options.crop, key=f"_crop_{own}", on_change=crop)
            st.toggle(
                "Find the threshold automatically",
                value=options.threshold is None,
                key=f"_automatic_{own}",
                on_change=automatic,
                help="How much a pixel must look like the garment to be kept: 0 keeps all, 1 nothing.",
            )
        if options.threshold is not None:
            st.slider(
                "Threshold",
                0.0,
                1.0,
                value=options.threshold,
                step=0.01,
                key=f"_threshold_{own}",
                on_change=threshold,
                width=260,
            )


def _grey_array(model: Predictor, picture: Picture, said: Answer) -> None:
    """The very pixels that the network was given: enlarged, in numbers, and as files."""
    st.subheader("What the network received", anchor=False)
    large, numbers = st.columns([2, 3], gap="medium")
    with large:
        photo_viewer.show(
            said.pixels,
            id=f"{model.name} {picture.key} {hash(picture.options)}",
            uri=photo_viewer.photo_uri(said.pixels),
            alt=f"The 28 by 28 pixels made of {picture.name}, enlarged ten times",
            answer=said,
            classes=model.classes,
            on_wanted=partial(prediction_view.look_closer, model.name, picture.key),
            key="_viewer",
        )
        st.caption(
            f"28x28 pixels, values {said.pixels.min()} to {said.pixels.max()} of 255",
            help=photo_viewer.COVERED,
        )
    with numbers:
        st.table(pictures.describe_arrays(said.pixels), hide_index=True, border="horizontal")
        with st.container(horizontal=True):
            st.download_button(
                "28x28 as PNG",
                pictures.png(said.pixels),
                file_name="network-input.png",
                mime="image/png",
                icon=":material/download:",
                on_click="ignore",
            )
            st.download_button(
                "28x28 as CSV",
                pd.DataFrame(said.pixels).to_csv(header=False, index=False),
                file_name="network-input.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
