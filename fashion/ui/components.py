"""Pieces of a page that several pages share: pictures to look at and click, choices, empty states, facts.

Charts are in charts.py, and what is computed once in cache.py. A component draws, and returns a plain value.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from fashion import datasets, pictures
from fashion.errors import DataError
from fashion.ui import cache, state

TERMS = {
    "class": "A class is one of the kinds of garment that a network can answer with.",
    "split": (
        "The pictures are divided into three parts. A network learns from **train**. **Validation** is used to "
        "choose settings and to see when to stop. **Test** is kept aside and used once, at the end, so that the "
        "result is honest."
    ),
    "label": "The label of a picture is its right answer: the number of its class, given by people.",
    "pixel": "A pixel is one square of the picture: a number from 0 (black) to 255 (white).",
    "brightness": "The brightness of a picture is the mean of all its pixel values.",
    "uint8": (
        "uint8 is a whole number from 0 to 255 in one byte; float32 a number with decimals in four bytes, "
        "which is what a network computes with."
    ),
}
"""Terms of the field in plain words, for `help=`; a page explains a term where it first uses it."""


# Pictures


_GRID_HTML = "<ul></ul>"

_GRID_CSS = """
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 0.5rem;
     grid-template-columns: repeat(auto-fill, minmax(var(--size), 1fr)); }
li { min-width: 0; }
button, figure { font: inherit; color: inherit; background: none; border: 0; margin: 0; padding: 0; width: 100%;
     display: block; text-align: center; border-radius: var(--st-base-radius); }
button { cursor: pointer; }
img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: var(--st-base-radius);
     outline: 1px solid var(--st-border-color); }
img.small { image-rendering: pixelated; }
button:hover img, button[aria-pressed=true] img { outline: 3px solid var(--st-primary-color); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 3px; }
.caption { display: block; font-size: 0.78rem; line-height: 1.25; padding: 0.2rem 0 0.1rem;
     color: var(--st-text-color); opacity: 0.85; overflow-wrap: anywhere; }
"""

# The list is rebuilt only when its pictures change, so that the keyboard's focus stays where it was.
_GRID_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector("ul");
  list.style.setProperty("--size", data.size);
  const content = JSON.stringify(data.pictures);
  if (list.content !== content) {
    list.content = content;
    list.replaceChildren(...data.pictures.map((picture) => {
      const frame = document.createElement(data.clickable ? "button" : "figure");
      const image = document.createElement("img");
      image.src = picture.src;
      image.alt = picture.alt;
      image.onload = () => image.classList.toggle("small", image.naturalWidth <= 64);
      const caption = document.createElement("span");
      caption.className = "caption";
      caption.textContent = picture.caption;
      caption.ariaHidden = picture.alt !== "";
      frame.append(image, caption);
      const item = document.createElement("li");
      item.append(frame);
      return item;
    }));
  }
  list.querySelectorAll("button").forEach((button, position) => {
    button.type = "button";
    button.ariaPressed = position === data.chosen;
    button.onclick = () => setTriggerValue("clicked", position);
  });
}
"""


def picture_grid(
    images: Sequence[np.ndarray | Image.Image | str],
    captions: Sequence[str],
    *,
    key: str,
    alts: Sequence[str] | None = None,
    on_click: Callable[[int], None] | None = None,
    chosen: int | None = None,
    size: int | str = 88,
) -> None:
    """Pictures side by side, as many to a row as fit, each with a caption; small ones enlarged without blur.

    `images`: uint8 (h, w) or (h, w, 3), or Pillow images, or what `pictures.photo_uri` makes; all are sent as
    text, so keep them small (28x28 is 0.8 kB).
    `alts`: a description each for screen readers (default: the captions). `size`: least width of one, in
    pixels, or as a length of CSS: "30%" makes rows of three on any screen.
    `on_click`: called with the position of a clicked picture, before the page runs again; without it, the pictures
    are not clickable. `chosen`: the position to mark.
    """
    # Registered at each call, which costs nothing when unchanged: every app under test has its own registry.
    grid = st.components.v2.component("picture_grid", html=_GRID_HTML, css=_GRID_CSS, js=_GRID_JS)
    shown = [
        {
            "src": image if isinstance(image, str) else pictures.data_uri(image),
            "caption": caption,
            "alt": alt,
        }
        for image, caption, alt in zip(images, captions, alts or captions, strict=True)
    ]

    def clicked() -> None:
        position = st.session_state[key].clicked
        if on_click and isinstance(position, int) and 0 <= position < len(shown):
            on_click(position)

    grid(
        key=key,
        data={
            "pictures": shown,
            "size": size if isinstance(size, str) else f"{size}px",
            "clickable": on_click is not None,
            "chosen": chosen,
        },
        on_clicked_change=clicked,
    )


_DRAWING_JS = """
export default function ({ data, parentElement }) {
  const place = parentElement.querySelector("div");
  if (place.drawn !== data) {
    place.drawn = data;
    place.innerHTML = data;
  }
}
"""


def drawing(svg: str, *, key: str) -> None:
    """A drawing of our own as SVG text, in the colour of the page's words; `st.html` would take it away as unsafe."""
    place = st.components.v2.component(
        "drawing",
        html="<div></div>",
        css="div { color: var(--st-text-color); font-family: var(--st-font); }",
        js=_DRAWING_JS,
    )
    place(key=key, data=svg)


def picture(image: np.ndarray, caption: str, *, alt: str, size: int = 280) -> None:
    """One small picture, uint8 (h, w), enlarged to about `size` pixels with its pixels as squares."""
    scale = max(1, round(size / max(image.shape[:2])))
    st.image(pictures.png(image, scale), caption=caption, alt=alt, width=scale * image.shape[1])


def garment_strip(classes: Sequence[str]) -> None:
    """One drawn garment per class, in colour, with its name."""
    images = [cache.garment(label, seed=3, size=160) for label in range(len(classes))]
    picture_grid(
        images, classes, key="_garment_strip", alts=[f"Drawing: {name}" for name in classes], size=72
    )


# Choosing a dataset


def dataset_input(on_change: Callable[[], None] = state.first_page) -> str:
    """The dataset to work with, chosen by the visitor, kept in the URL and across pages; returns its name."""
    names = list(datasets.DATASETS)
    state.read_plain_names({state.DATASET: {name: info.title for name, info in datasets.DATASETS.items()}})
    return st.segmented_control(
        "Dataset",
        names,
        default=names[0],
        required=True,
        format_func=lambda name: datasets.DATASETS[name].title,
        on_change=on_change,
        wrap=True,
        **state.in_url(state.DATASET),
    )


def dataset_or_stop(name: str) -> datasets.Dataset:
    """The dataset, with what one should know of it; where it is missing or damaged, a way to get it, and the page ends."""
    status = datasets.status(name)
    if status.present:
        try:
            dataset = cache.dataset(name)
            for note in dataset.notes:
                st.warning(harmless(note), icon=":material/info:")
            return dataset
        except DataError as error:  # damaged in a way that only reading shows
            st.error(str(error), icon=":material/error:")
    missing_dataset(status)
    return st.stop()


def missing_dataset(status: datasets.DataStatus) -> None:
    """What is missing, a button that downloads it, and one that goes on without it."""
    info = datasets.DATASETS[status.name]
    title = info.title
    with st.container(border=True):
        st.subheader(f"Not on this machine yet: {title}", anchor=False)
        st.markdown(
            f"The pictures are downloaded once, about {info.download_bytes / 1e6:.0f} MB, checked, and kept in "
            f"`{status.folder}`. Everything also works without them, on garments drawn by this app."
        )
        with st.container(horizontal=True):
            wanted = st.button("Download", type="primary", icon=":material/download:")
            st.button(
                "Use drawn garments meanwhile",
                icon=":material/draw:",
                on_click=state.choose,
                args=(state.DATASET, "sketches"),
            )
        if wanted:
            _download(status.name, title)
        if status.problems:
            with st.expander("What is missing"):
                st.markdown("\n".join(f"- {problem}" for problem in status.problems))


def _download(name: str, title: str) -> None:
    bar = st.progress(0.0, "Connecting …")

    def show(done_bytes: int, total_bytes: int) -> None:
        words = f"{done_bytes / 1e6:.1f} of {total_bytes / 1e6:.1f} MB"
        done = done_bytes / total_bytes
        bar.progress(min(done, 1.0), words if done < 1 else "All here, checking …")

    try:
        datasets.fetch(name, progress=show)
    except DataError as error:
        bar.empty()
        st.error(str(error), icon=":material/cloud_off:")
        return
    st.toast(f"On this machine now: {title}.", icon=":material/check:")
    st.rerun()


def picture_browser(part: datasets.Split, classes: Sequence[str]) -> None:
    """A split's pictures page by page, all or of one class; a click opens a picture on the dataset page."""
    state.offer_picture()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown_class = st.selectbox(
            "Class",
            ["all", *classes],
            help=TERMS["class"],
            width=200,
            on_change=state.first_page,
            **state.in_url(state.CLASS),
        )
        per_page = st.segmented_control(
            "Pictures per page",
            [24, 48, 96],
            default=24,
            required=True,
            on_change=state.first_page,
            **state.in_url(state.PER_PAGE),
        )
    if shown_class == "all":
        positions = np.arange(len(part))
        if isinstance(part.images, datasets.Photos):  # they lie in a folder per class
            positions = pictures.taking_turns(part.labels)
    else:
        positions = np.flatnonzero(part.labels == classes.index(shown_class))
    num_pages = max(1, -(-len(positions) // per_page))
    state.limit(state.PAGE, 1, num_pages)
    # The pages stand below the pictures, but the number is needed first.
    grid = st.container()
    page = st.pagination(num_pages, **state.in_url(state.PAGE))
    on_page = positions[(page - 1) * per_page : page * per_page]
    names = [classes[part.labels[position]] for position in on_page]
    first = (page - 1) * per_page + 1
    with grid:
        st.caption(
            f"{first:,} to {first + len(on_page) - 1:,} of {len(positions):,} pictures. Click one to look closer."
        )
        picture_grid(
            to_look_at(part, on_page),
            names,
            key="_browser",
            alts=[f"{label}, number {position}" for label, position in zip(names, on_page, strict=True)],
            on_click=lambda place: state.choose_picture(int(on_page[place])),
            size=104 if isinstance(part.images, datasets.Photos) else 88,
        )


def to_look_at(part: datasets.Split, positions: Sequence[int], side: int = 160) -> Sequence[np.ndarray | str]:
    """Some pictures of a split for `picture_grid`; photos as squares of `side` pixels, encoded for the browser."""
    if isinstance(part.images, datasets.Photos):
        return [pictures.photo_uri(image) for image in part.images.thumbnails(side, positions)]
    return part.images[positions]


def picture_number(part: datasets.Split) -> int:
    """The position of one picture in a split, chosen by number."""
    state.limit(state.PICTURE, 0, len(part) - 1)
    return st.number_input(
        f"Picture number, 0 to {len(part) - 1:,}",
        min_value=0,
        max_value=len(part) - 1,
        width=240,
        **state.in_url(state.PICTURE),
    )


def dataset_source(dataset: datasets.Dataset) -> None:
    """Where a dataset comes from, under which licence, how to cite it, and how it is divided."""
    info = dataset.info
    st.markdown(info.description)
    facts({f"{split} pictures": f"{len(dataset.split(split)):,}" for split in datasets.SPLIT_NAMES})
    facts(
        {
            "Picture": "photo in colour, of any size"
            if len(info.image_shape) == 3
            else f"{info.image_shape[0]} x {info.image_shape[1]} pixels, grey",
            "Licence": info.licence,
            "Source": f"[{info.source_url}]({info.source_url})" if info.source_url else "made by this app",
            "Fingerprint": f"`{dataset.digest}`",
        }
    )
    st.caption("Cite it as")
    st.code(info.citation, language=None, wrap_lines=True)


def scrolling(key: str) -> DeltaGenerator:
    """A container for something wider than a phone: it scrolls sideways instead of making the page wider, and says so there."""
    swipe_hint()
    st.html(f"<style>.st-key-{key} {{ overflow-x: auto; }}</style>")
    return st.container(key=key)


def swipe_hint() -> None:
    """On a screen too narrow for what follows, that it goes on to the right: phones draw no scroll bar.

    The browser decides whether it is shown; the server does not know how wide the screen is.
    """
    st.html(
        "<style>@media (min-width: 700px) { [data-testid=stElementContainer]:has(.swipe-hint) { display: none; } }</style>"
        '<div class="swipe-hint" style="font-size: 0.875rem; opacity: 0.7;">'
        "Wider than this screen: swipe it sideways for the rest. \N{RIGHTWARDS ARROW}</div>"
    )


def facts_table(table: pd.DataFrame) -> None:
    """A table with a row per run. One or two runs stand side by side instead, a row per fact, which suits a phone as well."""
    name, *_ = table.columns
    if len(table) <= 2 and table[name].is_unique:
        table = table.set_index(name).T.rename_axis(name).reset_index()
        table.columns.name = None
    else:
        swipe_hint()
    st.table(table, hide_index=True, border="horizontal")


# Words that hold a stranger's words


def literal(text: str) -> str:
    """Text of a stranger, such as a file's name, exactly as it is, without what Markdown would make of it."""
    return re.sub(r"([\\`*_{}\[\]<>()#+|~$:!])", r"\\\1", " ".join(text.split()))


def harmless(text: str) -> str:
    """A message of ours that quotes a stranger, as from a link: our `names` stay set as code, but nothing in it
    becomes a link, a picture fetched from elsewhere, or a formula."""
    return re.sub(r"([\\\[\]<>!$]|:(?=\S))", r"\\\1", text)


def counted(count: int, noun: str) -> str:
    """ "1 run", "3 runs"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def no_epochs() -> None:
    """Why a mean of weights has no curves."""
    st.info(
        "Nothing was trained here: the weights are the mean of those of other networks, so there are no epochs. Its card in "
        "words, on the Runs page under Summary, says which networks they are.",
        icon=":material/merge:",
    )


def first_in_bold(text: str) -> str:
    """The text with a capital, and what it says first, up to a full stop or colon, in bold."""
    return re.sub(r"^[^.:;]+[.:;]", r"**\g<0>**", text[:1].upper() + text[1:])


def plain(text: str) -> str:
    """Text from a file or a link without what Markdown would act upon."""
    return " ".join(text.translate(str.maketrans("", "", "`[]<>*_$\\")).split())


# Facts and this machine


def facts(values: Mapping[str, str]) -> None:
    """Names and values side by side, wrapping on a narrow screen: for a handful of facts that are no chart."""
    with st.container(horizontal=True, gap="medium"):
        for name, value in values.items():
            with st.container(width="content", gap=None):
                st.caption(name)
                st.markdown(value)


def machine_facts() -> None:
    """Processor, cores, memory and versions of this machine."""
    here = cache.this_machine()
    versions = here.versions
    facts(
        {
            "Processor": here.processor,
            "Cores": str(here.num_cores),
            "Memory": f"{here.memory_bytes / 1e9:.0f} GB",
            "TensorFlow": versions.get("tensorflow", "not installed"),
            "Keras": versions.get("keras", "not installed"),
            "Python": here.python,
        }
    )


@st.fragment(parallel=True)
def gpu_facts() -> None:
    """Whether there is a graphics card that TensorFlow can use, and what to do if not.

    It runs beside the rest of the page, which is complete at once: the answer may take seconds the first time.
    """
    found = cache.devices("tensorflow")
    if found.gpus:
        st.success(f"Graphics card: {', '.join(found.gpus)}. Training will use it.", icon=":material/bolt:")
        return
    if found.problem:
        st.warning(found.problem, icon=":material/warning:")
        st.button("Check again", icon=":material/refresh:", on_click=cache.devices.clear)
    else:
        st.info(
            "No graphics card (GPU) was found, so networks train on the processor. Everything works, only slower.",
            icon=":material/info:",
        )
    with st.expander("How to train on a GPU"):
        st.markdown(GPU_GUIDE)


GPU_GUIDE = """
**Borrow one, free of charge.** [Google Colab](https://colab.research.google.com) (Runtime → Change runtime type → GPU)
and [Kaggle notebooks](https://www.kaggle.com/code) (Settings → Accelerator) lend a GPU for some hours.

**Use your own.** TensorFlow needs an NVIDIA card with its driver, on Linux, or on Windows inside
[WSL 2](https://learn.microsoft.com/windows/wsl/install). Then, in this app's folder:
```
pip install -r requirements-gpu.txt
```

**Check that it is seen.** One line per GPU should appear; an empty list `[]` means that there is none.
```python
import tensorflow as tf
print(tf.config.list_physical_devices("GPU"))
```
"""
