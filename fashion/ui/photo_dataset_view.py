"""The clothing photos on the dataset page: how the splits differ, one photo as a network gets it, variants, doubts.

What holds for every dataset (the pictures page by page, counts, averages, source) is in components.py and charts.py.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from fashion import clothing, datasets, pictures, squares
from fashion.photo_augmentation import PhotoAugmentation
from fashion.setting_fields import FIELDS
from fashion.ui import cache, charts, components, state

SIDES = (96, 150, 224, 299)
"""Sides in pixels at which pretrained networks are usually given photos."""

_CHANNELS = ("red", "green", "blue")

_LOOK = {"crop": 0.3, "rotate": 10.0, "colour": 0.3, "erase": 0.25}
"""Augmentations with a slider and where it starts: enough of each to be seen."""

TERMS = {
    "channel": (
        "A colour photo is three pictures laid over each other: how much red, how much green, how much blue. Each is "
        "called a channel."
    ),
    "augmentation": (
        "Augmentation changes a training photo a little, differently at each look. What the photo shows stays the "
        "same, so the network learns what does not matter: light, place, angle."
    ),
    "contributor": "A person who photographed clothes of their own and gave the photos away.",
}


def mix(dataset: datasets.Dataset) -> None:
    """How the classes are mixed in each split, and who sent the photos."""
    classes, name = dataset.info.classes, dataset.info.name
    counts = cache.class_counts(name)
    shares = counts.set_index("class") / counts.set_index("class").sum()
    difference = shares["test"] - shares["train"]
    most = difference.abs().idxmax()
    st.subheader("How they are mixed", anchor=False)
    st.markdown(
        f"The splits are mixed differently: the class *{most}* is {100 * shares.loc[most, 'train']:.0f} % of train and "
        f"{100 * shares.loc[most, 'test']:.0f} % of test. A network learns how frequent a class is, too, and meets another "
        "mix in the test; so look at the accuracy of each class, not only at the one of all photos."
    )
    charts.place(
        charts.class_shares(counts, classes),
        alt_text=f"Bars: share of each class in train, validation and test of {dataset.info.title}.",
        table=shares.round(3).reset_index(),
        name=f"{name}-shares",
    )
    if not dataset.notes:  # of another version nobody has counted them
        people = clothing.CONTRIBUTORS
        again = clothing.VALIDATION_PHOTOS_OF_TRAIN_CONTRIBUTORS / len(dataset.validation)
        st.markdown(
            f"**Who sent them.** {people['train']} people sent the photos of train, {people['validation']} those of "
            f"validation: {100 * again:.0f} % of these are from people who also sent training photos. The photos of test are "
            f"from {people['test']} people who sent no others. So validation tells how a network does with homes and "
            "cameras that it knows, and test with new ones, though only with those of five people.",
            help=TERMS["contributor"],
        )


def sizes(split: str) -> None:
    """How wide and high the photos of a split are."""
    table = cache.photo_sizes(split)
    number = table["photos"].sum()
    upright = table.loc[table["height"] > table["width"], "photos"].sum() / number
    wide = table.loc[table["height"] < table["width"], "photos"].sum() / number
    width, height, photos = table.iloc[0]
    st.subheader("How large they are", anchor=False)
    st.markdown(
        f"{photos:,} of the {number:,} photos of {split} have {width} x {height} pixels, the others {len(table) - 1:,} "
        f"more sizes; {100 * upright:.0f} % are upright and {100 * wide:.0f} % wide. A network takes one size only, and usually a "
        "square (the dashed line): see *One picture* for the two ways to get there."
    )
    charts.place(
        charts.photo_sizes(table).properties(height=360),
        alt_text=f"Circles: width and height of the photos of {split}, larger where more photos have that size.",
        table=table,
        name=f"clothing-{split}-sizes",
    )


def one_photo(part: datasets.Split, position: int, label: str) -> None:
    """One photo as it was sent, its three channels, what a network gets of it, and the two ways to a square."""
    photo = part.images.original(position)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        st.image(
            photo,
            caption=f"{label}, number {position:,} of {part.name}: {photo.width} x {photo.height} pixels",
            alt=f"The whole photo, labelled {label}",
            output_format="JPEG",
            width=min(320, photo.width),
        )
    with right:
        st.markdown(
            f"The photo's **label** is {part.labels[position]}, which stands for **{label}**. To a network it is "
            f"{photo.height} x {photo.width} x 3 = {photo.width * photo.height * 3:,} numbers from 0 to 255, three for each pixel.",
            help=components.TERMS["label"],
        )
        st.table(pictures.describe_channels(photo), hide_index=True, border="horizontal")
        small = np.asarray(photo.resize((max(1, photo.width * 150 // photo.height), 150)))
        components.picture_grid(
            [small[:, :, channel] for channel in range(3)],
            _CHANNELS,
            key="_channels",
            alts=[f"How much {colour} the photo holds, as a grey picture" for colour in _CHANNELS],
            size="30%",
        )
        _doubt(part, position, label)
    st.subheader("What a network receives", anchor=False)
    fit = st.segmented_control(
        "How the photo becomes a square",
        list(squares.FITS),
        default="crop",
        required=True,
        format_func=squares.FITS.get,
        **state.in_url(state.FIT),
    )
    _received(photo, fit, label)
    _cropped_and_squashed(photo, label)
    _numbers(photo, label, f"clothing-{part.name}-{position}")


def _received(photo, fit: str, label: str) -> None:
    st.markdown(
        "Larger squares show more, and cost with their area: stitches and buttons can be seen at 299 pixels, and "
        "take ten times as much computing as a blurred shape at 96."
    )
    components.picture_grid(
        [pictures.photo_uri(squares.square(photo, side, fit)) for side in SIDES],
        [f"{side} px: {3 * side * side:,} numbers" for side in SIDES],
        key="_sides",
        alts=[
            f"The {label} as a square of {side} by {side} pixels: {3 * side * side:,} numbers"
            for side in SIDES
        ],
        size="max(9.5rem, 22%)",
    )


def _cropped_and_squashed(photo, label: str) -> None:
    st.subheader("Cropped or squashed", anchor=False)
    lost = 1 - min(photo.size) / max(photo.size)
    ends = "top and bottom" if photo.height > photo.width else "left and right"
    if lost == 0:
        st.markdown("This photo is a square already: both ways give the same.")
        return
    st.markdown(
        f"Cropping keeps the proportions and loses {100 * lost:.0f} % of this photo at {ends} (pale below). Squashing keeps "
        f"everything and makes it {100 * lost:.0f} % {'lower' if photo.height > photo.width else 'narrower'}. The course "
        "squashes; this app crops for training, and judges photos half cropped and half squashed with a network that learned "
        "from random crops."
    )
    side = 224
    marked = pictures.part_marked(photo, squares.part(photo.size))
    marked.thumbnail((300, 300))
    components.picture_grid(
        [
            pictures.photo_uri(np.asarray(marked)),
            *(pictures.photo_uri(squares.square(photo, side, fit)) for fit in squares.FITS),
        ],
        ["What cropping loses", *squares.FITS.values()],
        key="_fits",
        alts=[
            f"The whole photo of the {label}, its {ends} pale",
            f"The {label}, cropped to the middle square",
            f"The {label}, half cropped, half squashed",
            f"The {label}, squashed to a square",
        ],
        size="max(9.5rem, 30%)",
    )


def _numbers(photo, label: str, name: str) -> None:
    st.subheader("The photo as numbers", anchor=False, help=TERMS["channel"])
    channel = st.segmented_control(
        "Channel", _CHANNELS, default="red", required=True, **state.in_url(state.CHANNEL)
    )
    st.caption("The photo shrunk to 28 by 28 pixels, so that the numbers of one channel can be read.")
    values = squares.square(photo, 28)[:, :, _CHANNELS.index(channel)]
    with components.scrolling("pixels"):
        charts.place(
            charts.pixel_numbers(values),
            alt_text=f"A grid of 28 by 28 squares: how much {channel} each part of the photo of a {label} holds.",
            table=charts.pixel_table(values),
            name=f"{name}-{channel}",
            stretch=False,
        )


def augmentation(part: datasets.Split, position: int, label: str) -> None:
    """Nine random variants of one photo, with sliders for what may happen to it."""
    st.markdown(
        "In training, a network need never see the same photo twice. Move a slider to its left end to switch a change "
        "off; what is too much, you see when you can no longer tell what it is.",
        help=TERMS["augmentation"],
    )
    controls, shown = st.columns([2, 3], gap="medium")
    with controls:
        flip = st.toggle(FIELDS["flip"].label, value=True, **state.kept("look_flip"))
        chosen = {
            name: st.slider(
                FIELDS[name].label,
                FIELDS[name].low,
                FIELDS[name].high,
                start,
                FIELDS[name].step,
                help=FIELDS[name].help,
                **state.kept(f"look_{name}"),
            )
            for name, start in _LOOK.items()
        }
        st.button(
            "Nine others",
            icon=":material/casino:",
            on_click=state.count,
            args=(state.VARIANTS, 1),
            type="primary",
        )
    change = PhotoAugmentation(flip=flip, **chosen)
    photo = part.images.original(position)
    rng = np.random.default_rng(state.count(state.VARIANTS))
    with shown:
        components.picture_grid(
            [pictures.photo_uri(change(photo, 192, rng)) for _ in range(9)],
            [""] * 9,
            key="_variants",
            alts=[f"Variant {number} of the {label}" for number in range(1, 10)],
            size="30%",
        )
        st.caption(f"Nine variants of {label}, number {position:,} of {part.name}.")


def _doubt(part: datasets.Split, position: int, label: str) -> None:
    other = clothing.DOUBTFUL.get(part.images.photo_id(position))
    if other:
        st.warning(
            f"Here the photo is filed as {label}; it also has the label {other}. See *Doubtful labels*.",
            icon=":material/help:",
        )


def doubtful(dataset: datasets.Dataset) -> None:
    """All photos that have a second label, with both."""
    state.offer_picture()
    st.markdown(
        f"{len(clothing.DOUBTFUL) - 2} photos lie in a folder that differs from the label they have in the full "
        "dataset from which this one was chosen, and one photo is in train twice, as shorts and as skirt. Which of "
        "the labels is right? Often the folder: several jackets were once called longsleeves. Elsewhere the line is "
        "thin, and people disagree. A network cannot do better than its labels; the Train page can leave these "
        "photos out."
    )
    for name in datasets.SPLIT_NAMES:
        part = dataset.split(name)
        positions = clothing.doubtful_positions(part)
        st.subheader(f"{name}: {len(positions)} of {len(part):,} photos", anchor=False)
        if len(positions):
            _with_both_labels(part, positions, dataset.info.classes)


def _with_both_labels(part: datasets.Split, positions: Sequence[int], classes: tuple[str, ...]) -> None:
    ids = [part.images.photo_id(position) for position in positions]
    here = [classes[part.labels[position]] for position in positions]
    there = [clothing.DOUBTFUL[name] for name in ids]
    components.picture_grid(
        components.to_look_at(part, positions),
        [f"{first}, or {second}?" for first, second in zip(here, there, strict=True)],
        key=f"_doubtful_{part.name}",
        alts=[
            f"Filed as {first}; the other label is {second}"
            for first, second in zip(here, there, strict=True)
        ],
        on_click=lambda place: _open(part.name, int(positions[place])),
        size=104,
    )
    table = pd.DataFrame({"photo": ids, "number": positions, "folder": here, "other label": there})
    charts.table_behind(
        table, alt_text=f"Photos of {part.name} with two labels.", name=f"clothing-{part.name}-doubtful"
    )


def _open(split: str, position: int) -> None:
    state.choose(state.SPLIT, split)
    state.choose_picture(position)
