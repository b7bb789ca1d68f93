"""The picture that a lesson works on, and what is done with it in 8.2 and 8.3: numbers, channels, ImageNet's words."""

import numpy as np
import streamlit as st
from PIL import Image

from fashion import answers, datasets, imagenet
from fashion.errors import DataError, FashionError
from fashion.lessons_results import Judged
from fashion.pretrained import BASES
from fashion.ui import cache, components, imagenet_view, picture_input, state
from fashion.ui.lesson_answer import Ask

_DRAWING, _DATASET, _OWN = "Drawing", "Clothing photo", "Your photo"
_SIDE = 320  # of a drawing, in pixels
_CHANNELS = ("red", "green", "blue")


def picture(key: str) -> Image.Image | None:
    """A picture in colour, RGB: drawn by this app, from the clothing photos where they are here, or the visitor's own."""
    offered = [_DRAWING, *([_DATASET] if datasets.status("clothing").present else []), _OWN]
    state.one_of("lesson_picture", offered)
    source = st.segmented_control(
        "Picture",
        offered,
        default=_DATASET if _DATASET in offered else _DRAWING,
        required=True,
        **state.kept("lesson_picture"),
    )
    if source == _OWN:
        taken = picture_input.uploaded(None)
        return taken[0].image if taken else None
    if source == _DRAWING:
        classes = datasets.CLASSES_FASHION
        label = st.selectbox("Garment", classes, width=220, **state.kept("lesson_garment"))
        return Image.fromarray(cache.garment(classes.index(label), 3, _SIDE))
    try:
        test = cache.dataset("clothing").test
        number = st.number_input(
            f"Test photo, 0 to {len(test) - 1}",
            0,
            len(test) - 1,
            100,
            width=220,
            **state.kept("lesson_photo"),
        )
        return answers.kept(test.images.original(int(number)))
    except DataError as error:
        st.error(components.harmless(str(error)), icon=":material/error:")
        return None


def arrays() -> Ask | None:
    """8.2: the picture as an array, its channels, and the device that computes."""
    image = picture("arrays")
    if image is None:
        st.caption("Choose a picture to go on.")
        return None
    pixels = np.asarray(image)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        st.image(image, alt="The picture", width=240)
    with right:
        scaled = pixels.astype(np.float32) / 127.5 - 1
        st.table(
            {
                "": ["Shape", "Type", "Lowest", "Highest", "Mean", "Memory"],
                "As loaded": _facts(pixels),
                "As a network wants it": _facts(scaled),
            },
            hide_index=True,
            border="horizontal",
        )
        corner = " ".join(str(value) for value in pixels[pixels.shape[0] // 2, pixels.shape[1] // 2])
        st.caption(f"The pixel in the middle: {corner} (red green blue).")
    st.markdown("**Its three channels**, each a sheet of numbers:")
    tinted = []
    for channel in range(3):
        sheet = np.zeros_like(pixels)
        sheet[:, :, channel] = pixels[:, :, channel]
        tinted.append(np.asarray(picture_input.reduced(Image.fromarray(sheet), 160)))
    components.picture_grid(
        tinted,
        [f"{name}, mean {pixels[:, :, channel].mean():.0f}" for channel, name in enumerate(_CHANNELS)],
        key="_channels",
        alts=[f"The {name} channel of the picture" for name in _CHANNELS],
        size=100,
    )
    st.markdown("**What computes here**")
    components.machine_facts()
    components.gpu_facts()
    height, width = pixels.shape[:2]
    return Ask(
        judge=lambda answer: Judged(
            int(answer) == pixels.size, f"It is {height} x {width} x 3 = {pixels.size:,} numbers."
        ),
        whole=True,
    )


def _facts(array: np.ndarray) -> list[str]:
    return [
        " x ".join(str(size) for size in array.shape),
        str(array.dtype),
        f"{array.min():.3g}",
        f"{array.max():.3g}",
        f"{array.mean():.3g}",
        f"{array.nbytes:,} bytes",
    ]


_SUMS = ("less than 50 %", "50 % to 90 %", "more than 90 %")


def pretrained() -> Ask | None:
    """8.3: the picture through ImageNet's 1,000 classes, beside the model that answers on the Predict page."""
    image = picture("pretrained")
    if image is None:
        st.caption("Choose a picture to go on.")
        return None
    st.image(image, alt="The picture", width=200)
    imagenet_view.section(image, _our_answer(image))
    ready = [name for name in BASES if imagenet.state(name).kind == "ready"]
    chosen = st.session_state.get(state.PRETRAINED)
    if chosen not in ready:
        return None
    try:
        total = sum(probability for _, probability in cache.imagenet_network(chosen).ask(image).top)
    except (FashionError, OSError):
        return None
    right = _SUMS[0] if total < 0.5 else _SUMS[1] if total <= 0.9 else _SUMS[2]
    return Ask(judge=lambda answer: Judged(answer == right, f"They add up to {total:.1%}."), options=_SUMS)


def _our_answer(image: Image.Image) -> tuple[tuple[str, float], ...]:
    for one in answers.models()[:1]:
        try:
            return answers.of_photo(cache.model(one.run.id), image).prediction.top
        except FashionError:
            return ()
    return ()
