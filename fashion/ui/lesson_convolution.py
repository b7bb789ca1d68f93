"""8.4 on the page: a kernel slides over the visitor's picture; pooling; what a trained network's filters make of it."""

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from fashion import answers, convolution, photos, runs, squares
from fashion.convolution import KERNELS
from fashion.errors import FashionError, PhotoError
from fashion.lessons_results import Judged
from fashion.ui import cache, components, lesson_picture, state
from fashion.ui.lesson_answer import Ask

_OWN_KERNEL = "My own numbers"
_SIDE = 64  # of the picture under the kernel, in pixels: few enough to see single ones
_SHOWN = 280  # as wide as it is drawn
_MAX_MAPS = 24
_BLOCK_SIDE = 128  # of the photo that goes through the large network block by block: 220 MB for a moment
_SMALL_MODEL, _PHOTO_MODEL = "fashion-mnist", "clothing"


def convolve() -> Ask | None:
    """All of it; the question is about the number at the chosen position."""
    image = lesson_picture.picture("convolution")
    if image is None:
        st.caption("Choose a picture to go on.")
        return None
    grey = np.asarray(Image.fromarray(squares.square(image, _SIDE)).convert("L"))
    name = st.selectbox("Kernel", [*KERNELS, _OWN_KERNEL], width=260, **state.kept("lesson_kernel"))
    kernel = _own_kernel() if name == _OWN_KERNEL else np.array(KERNELS[name])
    output = convolution.convolve(grey, kernel)
    with st.container(horizontal=True):
        row = st.slider(
            "Row of the window", 0, output.shape[0] - 1, 20, width=260, **state.kept("lesson_row")
        )
        column = st.slider("Column", 0, output.shape[1] - 1, 30, width=260, **state.kept("lesson_column"))
    one = convolution.step(grey, kernel, row, column)
    with st.container(horizontal=True, gap="medium"):
        _shown(_marked(grey, row, column, 3), f"The picture, {_SIDE} x {_SIDE}, window marked")
        _shown(
            _marked(convolution.as_grey(output), row, column, 1),
            f"The output, {output.shape[0]} x {output.shape[1]}, its number marked",
        )
        pooled = convolution.as_grey(convolution.pool(output))
        _shown(pooled, f"After max pooling 2x2: {pooled.shape[0]} x {pooled.shape[1]}")
    st.caption(
        f"Output numbers run from {output.min():.0f} to {output.max():.0f}; black is the lowest, white the highest."
    )
    st.markdown(
        "**The arithmetic at this position**: nine pixels, nine numbers of the kernel, nine products, one sum."
    )
    with st.container(horizontal=True, gap="medium"):
        for title, values in (("Pixels", one.pixels), ("Kernel", kernel), ("Products", one.products)):
            with st.container(width=200):
                st.caption(title)
                st.table(
                    pd.DataFrame([[f"{value:.3g}" for value in line] for line in values]),
                    hide_index=True,
                    hide_header=True,
                )
    with st.expander("The sum, written out"):
        st.code(convolution.in_words(one, kernel), language=None, wrap_lines=True)
    st.subheader("What a trained network looks for", anchor=False)
    if st.toggle("Show filters and feature maps", **state.kept("lesson_maps")):
        _trained(image)
    return Ask(
        judge=lambda answer: Judged(
            abs(float(answer) - one.total) <= max(0.5, 0.01 * abs(one.total)),
            f"The nine products add up to {one.total:.4g}.",
        )
    )


def _own_kernel() -> np.ndarray:
    start = pd.DataFrame(
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], columns=["left", "middle", "right"]
    )
    limits = {name: st.column_config.NumberColumn(min_value=-10, max_value=10) for name in start.columns}
    st.caption("Nine numbers from -10 to 10. As they stand they change nothing; make one side negative.")
    edited = st.data_editor(start, column_config=limits, hide_index=True, width=260, key="_own_kernel")
    return np.nan_to_num(edited.to_numpy(dtype=np.float64))


def _marked(grey: np.ndarray, row: int, column: int, size: int) -> np.ndarray:
    """The picture in colour with an orange frame around the window; enlarged, so that the frame hides no pixel."""
    scale = max(1, _SHOWN // grey.shape[1])
    large = np.repeat(np.repeat(grey, scale, axis=0), scale, axis=1)
    colour = np.stack([large] * 3, axis=-1)
    top, left, side = row * scale, column * scale, size * scale
    edge = np.zeros(large.shape, bool)
    edge[max(0, top - 2) : top + side + 2, max(0, left - 2) : left + side + 2] = True
    edge[top : top + side, left : left + side] = False
    colour[edge] = (217, 115, 13)
    return colour


def _shown(image: np.ndarray, words: str) -> None:
    if image.ndim == 2:
        components.picture(image, words, alt=words, size=_SHOWN - 30)
    else:
        st.image(image, caption=words, alt=words, width=image.shape[1])


def _trained(image: Image.Image) -> None:
    """The filters of the shipped small network, and its maps of this picture after each layer."""
    try:
        network = cache.small_network(_SMALL_MODEL)
        prepared = photos.prepare(image).result
    except PhotoError as error:
        st.warning(components.harmless(str(error)), icon=":material/info:")
        return
    except FashionError as error:
        st.info(components.harmless(str(error)), icon=":material/info:")
        return
    filters = network.filters
    st.markdown(
        f"The {len(filters)} filters of its first layer, learned from 55,000 small grey pictures; nobody designed them:"
    )
    components.picture_grid(
        [np.kron(convolution.as_grey(one), np.ones((6, 6), np.uint8)) for one in filters],
        [""] * len(filters),
        key="_filters",
        alts=[f"Filter {number} of 3 by 3" for number in range(len(filters))],
        size=40,
    )
    steps = {
        f"{number}. {maps.name}": maps.values for number, maps in enumerate(network.forward(prepared), 1)
    }
    maps = {name: values for name, values in steps.items() if values.ndim == 3}
    chosen = st.selectbox("After the layer", list(maps), index=3, width=320, **state.kept("lesson_layer"))
    values = maps[chosen]
    components.picture(
        prepared, "Its input: the picture as 28x28", alt="The picture as 28x28 grey pixels", size=112
    )
    _maps(values, "_small_maps")
    _photo_maps(image)


def _maps(values: np.ndarray, key: str, num_maps: int | None = None) -> None:
    height, width, channels = values.shape
    count = min(channels, _MAX_MAPS)
    st.caption(
        f"{height} x {width} positions, {num_maps or channels:,} maps, of which {count} are shown; white is most."
    )
    shown = [convolution.as_grey(values[:, :, number]) for number in range(count)]
    components.picture_grid(
        shown, [""] * count, key=key, alts=[f"Map {number}" for number in range(count)], size=64
    )


def _photo_maps(image: Image.Image) -> None:
    """The maps of the shipped network for photos, after each of its blocks, where there is one."""
    try:
        run = runs.find(_PHOTO_MODEL)
        found = cache.block_maps(run.id, squares.square(image, _BLOCK_SIDE))
        look = cache.model(run.id).look(answers.of_photo(cache.model(run.id), image).pixels)
    except FashionError as error:
        st.info(components.harmless(str(error)), icon=":material/info:")
        return
    steps = {f"Block {one.block} of {len(found)}": (one.maps, one.num_maps) for one in found}
    if look.feature_map is not None:
        order = np.argsort(-look.feature_map.max(axis=(0, 1)))[:_MAX_MAPS]
        steps["All blocks, and the last convolution"] = (
            look.feature_map[:, :, order],
            look.feature_map.shape[2],
        )
    if not steps:
        return
    st.markdown(
        "**The same in the large network**, pretrained on ImageNet and fine-tuned on clothes: after each block fewer positions, "
        "and more maps. The ones that answer most strongly to this picture come first."
    )
    state.one_of("lesson_block", list(steps))
    chosen = st.selectbox("After", list(steps), width=320, **state.kept("lesson_block"))
    _maps(steps[chosen][0], "_photo_maps", steps[chosen][1])
    if found and chosen in list(steps)[: len(found)]:
        st.caption(f"The picture as {_BLOCK_SIDE} x {_BLOCK_SIDE} colour pixels, to save memory.")
