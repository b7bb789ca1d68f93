"""The dataset page: the pictures a network learns from, one by one, on average, and where they come from."""

import streamlit as st

from fashion import datasets, pictures
from fashion.ui import cache, charts, components, frame, photo_dataset_view, state

frame.page(
    "Dataset",
    "Look at the pictures before a network does: what they show, how many there are, and how alike.",
)

SECTIONS = ("Pictures", "One picture", "Averages", "Source")
PHOTO_SECTIONS = ("Pictures", "One picture", "Augmentation", "Doubtful labels", "Averages", "Source")

with st.container(horizontal=True):
    name = components.dataset_input()
    split = st.segmented_control(
        "Split",
        datasets.SPLIT_NAMES,
        default="train",
        required=True,
        help=components.TERMS["split"],
        on_change=state.first_page,
        **state.in_url(state.SPLIT),
    )
dataset = components.dataset_or_stop(name)
part = dataset.split(split)
classes = dataset.info.classes
photos = name == "clothing"
sections = PHOTO_SECTIONS if photos else SECTIONS

state.one_of(state.SECTION, sections)
section = st.segmented_control(
    "Section",
    sections,
    default="Pictures",
    required=True,
    label_visibility="collapsed",
    **state.in_url(state.SECTION),
)

if section == "Pictures":
    components.picture_browser(part, classes)
    st.subheader("How many there are", anchor=False)
    counts = cache.class_counts(name)
    charts.place(
        charts.class_counts(counts, classes),
        alt_text=f"Bars: number of pictures per class and split in {dataset.info.title}.",
        table=counts,
        name=f"{name}-pictures-per-class",
    )
    if photos:
        photo_dataset_view.mix(dataset)
        photo_dataset_view.sizes(split)

elif photos and section in ("One picture", "Augmentation"):
    position = components.picture_number(part)
    draw = photo_dataset_view.one_photo if section == "One picture" else photo_dataset_view.augmentation
    draw(part, position, classes[part.labels[position]])

elif section == "Doubtful labels":
    photo_dataset_view.doubtful(dataset)

elif section == "One picture":
    position = components.picture_number(part)
    image, label = part.images[position], classes[part.labels[position]]
    large, received = st.columns([2, 3], gap="medium")
    with large:
        components.picture(
            image,
            f"{label}, number {position:,} of {split}",
            alt=f"A picture labelled {label}, enlarged ten times",
        )
    with received:
        st.subheader("What the network receives", anchor=False, help=components.TERMS["uint8"])
        st.markdown(
            f"The picture's **label** is {part.labels[position]}, which stands for **{label}**. The network is given "
            "only the numbers, moved to a range around zero, where it learns more easily.",
            help=components.TERMS["label"],
        )
        st.table(pictures.describe_arrays(image), hide_index=True, border="horizontal")
    st.subheader("The picture as numbers", anchor=False, help=components.TERMS["pixel"])
    with components.scrolling("pixels"):
        charts.place(
            charts.pixel_numbers(image),
            alt_text=f"A grid of 28 by 28 squares with the pixel values of a picture labelled {label}.",
            table=charts.pixel_table(image),
            name=f"{name}-{split}-{position}",
            stretch=False,
        )

elif section == "Averages":
    means, spread = cache.averages(name, split)
    st.subheader("The mean picture of each class", anchor=False)
    st.markdown(
        "All pictures of a class laid over each other. Where the mean is sharp, the pictures agree; where it is blurred, "
        "they differ. Classes with similar means are easily mixed up."
    )
    components.picture_grid(
        means,
        classes,
        key="_means",
        alts=[f"Mean picture of {label}" for label in classes],
        size=150,
    )
    st.subheader("How bright the pictures are", anchor=False, help=components.TERMS["brightness"])
    st.markdown(
        "The box holds the middle half of a class, the grey mark and the number its median, the line 5 % to 95 %."
    )
    charts.place(
        charts.brightness(spread, classes),
        alt_text=f"Boxes: spread of the mean pixel value per class in the {split} split of {dataset.info.title}.",
        table=spread.round(1),
        name=f"{name}-{split}-brightness",
    )

else:
    components.dataset_source(dataset)
