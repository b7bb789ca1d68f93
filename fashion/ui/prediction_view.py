"""The Predict page's pieces: choosing a model, its answer to a picture, and what was done to a photo before it.

Where the picture comes from is `picture_input.py`; how a photo becomes the network's input is decided in `photos.py`,
the answer in `predictor.py`.
"""

import dataclasses
import time
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from fashion import photos, pictures, predictor, runs, summary
from fashion.errors import FashionError, PhotoError, RunError
from fashion.photos import Step
from fashion.predictor import Prediction, Predictor
from fashion.settings import ARCHITECTURES
from fashion.summary import RunSummary
from fashion.ui import cache, charts, components, frame, state
from fashion.ui.picture_input import Picture, reduced

IMAGE_SHAPE = [28, 28]
DEFAULT_MODEL = "fashion-mnist"
# Sides of what is sent to the browser, in pixels.
_STEP_SIDE = 240
_THUMBNAIL_SIDE = 48

_LEARNED_FROM = {
    "fashion-mnist": (
        "catalogue pictures of 28x28 grey pixels on a plain background, so on a street photo it may well be wrong"
    ),
    "sketches": "simple drawings of 28x28 grey pixels, so on any real photo it may well be wrong",
}
_BACKGROUNDS = {"automatic": None, "garment is darker": True, "garment is lighter": False}
_WHAT_HELPS = (
    "One garment, whole, from the front, laid flat or hung up, upright. An even background that differs from it. No shadow, "
    "hand or person in the picture. Or overrule a step below: another threshold, or whether light and dark are swapped."
)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network said about a picture, from which pixels, uint8 (28, 28), and how long that took.

    steps: how a photo became the pixels, in small pictures for display. threshold: the one used for it, 0 to 1.
    """

    prediction: Prediction
    pixels: np.ndarray
    steps: tuple[Step, ...]
    threshold: float | None
    prepare_seconds: float
    predict_seconds: float


def ask(model: Predictor, picture: Picture) -> Answer:
    """The model's answer, computed once for each change of model or options.

    Raises PhotoError if no garment is found in the photo with its options.
    """
    if picture.answered is not None and picture.answered[:2] == (model, picture.options):
        return picture.answered[2]
    began = time.perf_counter()
    pixels, steps, threshold = picture.pixels, (), None
    if picture.image is not None:
        prepared = photos.prepare(picture.image, picture.options)
        pixels, threshold = prepared.result, prepared.threshold
        steps = tuple(
            dataclasses.replace(step, image=reduced(step.image, _STEP_SIDE)) for step in prepared.steps
        )
    ready = time.perf_counter()
    (probabilities,) = model.predict(pixels[None])
    done = time.perf_counter()
    answer = Answer(model.describe(probabilities), pixels, steps, threshold, ready - began, done - ready)
    picture.answered = (model, picture.options, answer)
    return answer


# Choosing a model


def models() -> list[RunSummary]:
    """The models that can answer on 28x28 pictures: the shipped default, then runs, newest first, then other shipped ones."""
    shipped = runs.shipped()
    default = [run for run in shipped if run.id == DEFAULT_MODEL]
    others = [run for run in shipped if run.id != DEFAULT_MODEL]
    exported = [run for run in default + runs.list_runs() + others if run.can_predict]
    readable, _ = summary.summarise_all(exported)  # the Runs page names the others
    return [one for one in readable if one.run.card()["image_shape"] == IMAGE_SHAPE]


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
                f"The link names a model that is not here: {components.literal(name[:60])}. {_option(found[0])} is asked instead.",
                icon=":material/link_off:",
            )
    state.choose("_model", known[0] if known else found[0].run.id)
    chosen = st.selectbox(
        "Model",
        list(by_name),
        format_func=lambda name: _option(by_name[name]),
        key="_model",
        on_change=_link_model,
        help="The network that answers: one that comes with this app, or any run that has finished. The Runs page tells "
        "how good each is.",
    )
    return by_name[chosen]


def _link_model() -> None:
    state.link_ids(state.MODEL, [st.session_state["_model"]])


def _option(one: RunSummary) -> str:
    """The model's name first, as the rest is cut off on a phone."""
    return f"{one.name} · {ARCHITECTURES[one.settings.architecture]} · {one.dataset_title}"


def loaded_or_stop(one: RunSummary) -> Predictor:
    """The model in memory; where it is damaged, the reason, and the page ends there."""
    try:
        return cache.model(one.run.id)
    except FashionError as error:
        st.error(components.literal(str(error)), icon=":material/error:")
        return st.stop()


def nothing_yet(model: Predictor) -> None:
    """What stands in the place of the answer before there is a picture."""
    st.info(
        "The answer appears here. It is always one of these ten, whatever the picture shows.",
        icon=":material/photo_camera:",
    )
    components.garment_strip(model.classes)
    st.caption(_learned_from(model))


def _learned_from(model: Predictor) -> str:
    return f"It learned from {_LEARNED_FROM[model.card['dataset']]}."


# The answer


def answer(one: RunSummary, model: Predictor, picture: Picture) -> Answer | None:
    """The answer in words and bars, how far to trust it, and what it took; None, with the reason, if there is none."""
    try:
        said = ask(model, picture)
    except PhotoError as error:
        st.error(components.literal(str(error)), icon=":material/broken_image:")
        return None
    first, second = said.prediction.top[:2]
    st.subheader(
        f"{_capitalised(first[0])}, {_percent(first[1])}", anchor=False, help=components.TERMS["class"]
    )
    if said.prediction.unsure:
        st.warning(
            f"**Unsure.** No class reaches {predictor.UNSURE_BELOW:.0%}; below that, this app takes no answer for sure. "
            f"It may as well be: {second[0]}.",
            icon=":material/help:",
        )
    if picture.truth == first[0]:
        st.success(f"**Right.** The picture's label is {picture.truth}.", icon=":material/check:")
    elif picture.truth is not None:
        st.error(f"**Wrong.** The picture's label is {picture.truth}.", icon=":material/close:")
    table = pd.DataFrame(said.prediction.top, columns=["class", "probability"])
    charts.place(
        bars(table, model.classes),
        alt_text=f"Bars: the probability of each class for {picture.name}; the highest is {first[0]}, {_percent(first[1])}.",
        table=table,
        name="answer",
    )
    st.caption(_trust(one, first[1]))
    if picture.image is not None:
        st.caption(_learned_from(model))
    st.caption(_times(picture, said))
    if picture.image is not None:
        with st.popover("What helps if it is wrong", icon=":material/tips_and_updates:", type="tertiary"):
            st.markdown(_WHAT_HELPS)
    return said


def bars(table: pd.DataFrame, classes: tuple[str, ...]) -> alt.LayerChart:
    """The probability of each class as a bar with its number, in the order of the table; a line where "sure" begins.

    `table`: columns class and probability (0 to 1).
    """
    base = alt.Chart(table).encode(
        x=alt.X(
            "probability:Q",
            title="confidence: what the network claims",
            scale=alt.Scale(domain=[0, 1.13]),  # room for the number right of a full bar
            axis=alt.Axis(format="%", values=[0, 0.2, 0.4, 0.6, 0.8, 1], grid=False),
        ),
        y=alt.Y(
            "class:N",
            sort=list(table["class"]),
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelFlush=False),
        ),
        tooltip=["class:N", alt.Tooltip("probability:Q", format=".3%")],
    )
    filled = base.mark_bar(size=14).encode(
        color=alt.Color("class:N", scale=charts.class_scale(classes), legend=None)
    )
    numbers = base.mark_text(align="left", dx=6, color=charts.MIDDLE_GREY).encode(
        text=alt.Text("probability:Q", format=".1%")
    )
    limit = pd.DataFrame({"probability": [predictor.UNSURE_BELOW], "words": ["sure from here"]})
    line = alt.Chart(limit).mark_rule(strokeDash=[4, 4], color=charts.MIDDLE_GREY).encode(x="probability:Q")
    words = (
        alt.Chart(limit)
        .mark_text(align="left", dx=5, fontSize=10, color=charts.MIDDLE_GREY)
        .encode(x="probability:Q", y=alt.value(alt.expr("height - 8")), text="words:N")
    )
    return (filled + numbers + line + words).properties(height=alt.Step(22))


def _trust(one: RunSummary, probability: float) -> str:
    """How often answers of this confidence were right on the model's own test pictures, in words."""
    meaning = "A confidence is what the network claims, not how often it is right."
    try:
        table = cache.reliability(one.run.id)
    except RunError as error:
        return f"{meaning} {components.literal(str(error))}"
    if table is None:
        return meaning
    # An end of a range belongs to the range below; a rounded sum may lie a little above 1.
    row = table[table.high >= min(probability, 1.0)].iloc[0]
    n, total = int(row.n), int(table.n.sum())
    claimed = f"claimed between {row.low:.0%} and {row.high:.0%}"
    if n == 0:
        return f"{meaning} None of its answers on {total:,} test pictures {claimed}."
    return (
        f"{meaning} Of its answers on {total:,} test pictures, {n:,} {claimed}, and of those {row.accuracy:.0%} were right "
        f"(95 % interval {row.accuracy_low:.0%} to {row.accuracy_high:.0%})."
    )


def _times(picture: Picture, said: Answer) -> str:
    here = cache.this_machine()
    parts = [f"{1000 * said.predict_seconds:.1f} ms for the network"]
    if picture.image is not None:
        parts.append(f"{1000 * said.prepare_seconds:.0f} ms to prepare the photo")
    if picture.read_seconds:
        parts.append(f"{1000 * picture.read_seconds:.0f} ms to read the file")
    cores = f"{here.num_cores} cores" if here.num_cores != 1 else "1 core"
    return (
        f"Time: {', '.join(parts)}. Measured on {components.literal(here.processor)}, {cores}, LiteRT "
        f"{here.versions.get('ai-edge-litert', 'unknown')}, one picture at a time."
    )


def _percent(probability: float) -> str:
    """A confidence; never rounded up to certainty."""
    return "over 99.9%" if probability > 0.9995 else f"{probability:.1%}"


def _capitalised(label: str) -> str:
    return label[0].upper() + label[1:]


# Several photos


def chosen_of(model: Predictor, taken: list[Picture]) -> Picture:
    """All photos with their answers in a table; returns the one whose row is chosen, the first to begin with."""
    rows = _answers(model, taken)
    st.subheader(f"{len(taken)} photos", anchor=False)
    event = st.dataframe(
        rows.drop(columns=["Problem"] if not rows["Problem"].any() else []),
        hide_index=True,
        column_config={
            "Photo": st.column_config.ImageColumn(width="small", pinned=True),
            "Confidence": st.column_config.NumberColumn(
                format="percent", help="What the network claims, not how often it is right."
            ),
            "Unsure": st.column_config.CheckboxColumn(help=f"Confidence below {predictor.UNSURE_BELOW:.0%}."),
            "ms": st.column_config.NumberColumn(
                format="%.1f", help="Milliseconds of the network, one picture at a time."
            ),
        },
        placeholder="–",
        # A choice is a row number, so other photos need another widget.
        key=f"_answers_{hash(tuple(picture.key for picture in taken))}",
        on_select="rerun",
        selection_mode="single-row-required",
        alt="The photos with their answers; choose a row to see one in detail",
    )
    st.download_button(
        "Download as CSV",
        rows.drop(columns="Photo").to_csv(index=False),
        file_name="answers.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    position = next(iter(event.selection.rows), 0)
    return taken[position] if position < len(taken) else taken[0]


def _answers(model: Predictor, taken: list[Picture]) -> pd.DataFrame:
    """A row per photo, in order: Photo (a small picture as text), File, Answer, Confidence, Unsure, ms, Problem."""
    rows = []
    bar = st.progress(0.0) if len(taken) > 3 else None
    for position, picture in enumerate(taken):
        if bar:
            bar.progress(position / len(taken), f"Photo {position + 1} of {len(taken)} …")
        row = {"Photo": pictures.data_uri(reduced(picture.image, _THUMBNAIL_SIDE)), "File": picture.name}
        try:
            said = ask(model, picture)
        except PhotoError as error:
            rows.append({**row, "Problem": str(error)})
            continue
        first = said.prediction
        row |= {"Answer": first.label, "Confidence": first.probability, "Unsure": first.unsure}
        rows.append({**row, "ms": 1000 * said.predict_seconds})
    if bar:
        bar.empty()
    columns = ["Photo", "File", "Answer", "Confidence", "Unsure", "ms", "Problem"]
    types = {"Confidence": "float64", "ms": "float64", "Unsure": "boolean"}
    return pd.DataFrame(rows, columns=columns).astype(types)


# What was done to it


def preparation(picture: Picture, said: Answer | None) -> None:
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

    def crop() -> None:
        change(crop=st.session_state[f"_crop_{own}"])

    def background() -> None:
        change(invert=_BACKGROUNDS[st.session_state[f"_background_{own}"]])

    def automatic() -> None:
        begin = round(said.threshold, 2) if said is not None else 0.0
        change(threshold=None if st.session_state[f"_automatic_{own}"] else begin)

    def threshold() -> None:
        change(threshold=st.session_state[f"_threshold_{own}"])

    def change(**changes) -> None:
        picture.options = dataclasses.replace(picture.options, **changes)

    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.segmented_control(
            "Background",
            list(_BACKGROUNDS),
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


def received(picture: Picture, said: Answer) -> None:
    """The very pixels that the network was given: enlarged, in numbers, and as files."""
    st.subheader("What the network received", anchor=False)
    large, numbers = st.columns([2, 3], gap="medium")
    with large:
        components.picture(
            said.pixels,
            f"28x28 pixels, values {said.pixels.min()} to {said.pixels.max()} of 255",
            alt=f"The 28 by 28 pixels made of {picture.name}, enlarged ten times",
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
