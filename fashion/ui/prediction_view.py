"""The answer to a picture on the Predict page: in words and bars, how far to trust it, and what it really was.

Where the picture comes from is `picture_input.py`, the model `model_choice.py`; what was done to the picture is
`preparation_view.py`.
"""

import dataclasses
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from fashion import answers, datasets, model_card, pictures, predictor, refusal
from fashion.answers import Answer
from fashion.errors import FashionError, PhotoError, RunError
from fashion.predictor import Predictor
from fashion.summary import RunSummary
from fashion.ui import cache, charts, components, frame, model_choice, photo_viewer, state
from fashion.ui.picture_input import Picture, reduced

NONE_OF_THEM = "none of these"
"""What a visitor says of a photo that shows none of the classes."""
_STEP_SIDE = 240  # of what is sent to the browser, in pixels
_EXAMPLE_SIDE = 120

_WHAT_HELPS = {
    True: (
        "One garment, whole, from the front, laid flat or hung up, in the middle of the photo: the ends of a long photo "
        "are not seen. Nobody wearing it, and no other clothes beside it."
    ),
    False: (
        "One garment, whole, from the front, laid flat or hung up, upright. An even background that differs from it. No "
        "shadow, hand or person in the picture. Or overrule a step below: another threshold, or whether light and dark are "
        "swapped."
    ),
}


def ask(model: Predictor, picture: Picture) -> Answer:
    """The model's answer, computed once for each change of model or options.

    Raises PhotoError if no garment is found in the photo with its options.
    """
    if picture.answered is not None and picture.answered[:2] == (model.version, picture.options):
        return picture.answered[2]
    if picture.image is None:
        answer = answers.of_pixels(model, picture.pixels)
    else:
        answer = answers.of_photo(model, picture.image, picture.options)
        steps = [dataclasses.replace(step, image=reduced(step.image, _STEP_SIDE)) for step in answer.steps]
        answer = dataclasses.replace(answer, steps=tuple(steps))
    picture.answered = (model.version, picture.options, answer)
    return answer


def look_closer(model: str, photo: str) -> None:
    """Find where a network without a feature map looked, and keep it with its answer; for callbacks, hence by name."""
    picture = state.photo(photo)
    try:
        asked = cache.model(model)
    except FashionError:  # gone meanwhile; the page says so
        return
    if picture is None or picture.answered is None or picture.answered[0] != asked.version:
        return
    version, options, answer = picture.answered
    if answer.evidence is None:
        answer = dataclasses.replace(answer, evidence=answers.occluded(asked, answer))
        picture.answered = (version, options, answer)


# Before there is a picture


def nothing_yet(model: Predictor) -> None:
    """What stands in the place of the answer before there is a picture."""
    count = model_card.class_count(model.classes)
    otherwise = (
        "unless the model finds the photo too strange"
        if "refusal" in model.card
        else "whatever the picture shows"
    )
    st.info(
        f"The answer appears here. It is always one of these {count}, {otherwise}.",
        icon=":material/photo_camera:",
    )
    if not model.sees_photos:
        components.garment_strip(model.classes)
    elif not _examples(model):
        st.markdown(" ".join(f":gray-badge[{components.literal(name)}]" for name in model.classes))
    st.caption(model_choice.learned_from(model))


def _examples(model: Predictor) -> bool:
    """A test photo of each class to try, where the photos are here; returns whether they are."""
    name = model.card["dataset"]
    if not datasets.status(name).present:
        return False
    test = cache.dataset(name, model.classes).test
    positions = pictures.middle_of_each(test.labels)
    shown = [model.classes[label] for label in test.labels[positions]]

    state.offer_test_picture(positions[0])
    st.caption(
        "No photo at hand? Try one of these test photos, which no network here has learned from. Nobody picked them: each is the "
        "middle one of its class."
    )
    components.picture_grid(
        [
            photo_viewer.photo_uri(image)
            for image in cache.test_photos(name, tuple(positions), _EXAMPLE_SIDE, model.classes)
        ],
        shown,
        key="_examples",
        alts=[f"Try this test photo: {label}" for label in shown],
        on_click=lambda place: state.choose_test_picture(positions[place]),
        size=84,
    )
    return True


# The answer


def headline(model: Predictor, picture: Picture) -> Answer | None:
    """The answer in words and how far it may be taken; None, with the reason, if there is none."""
    try:
        said = ask(model, picture)
    except PhotoError as error:
        st.error(components.literal(str(error)), icon=":material/broken_image:")
        return None
    first, second = said.prediction.top[:2]
    answer = f"{_capitalised(first[0])}, {percent(first[1])}"
    st.subheader(
        "Probably not one of the ten" if said.refused else answer,
        anchor=False,
        help=components.TERMS["class"],
    )
    if said.refused:
        st.warning(
            "**The photo is too unlike all that it learned from** for an answer to be worth much. If it is one of the ten "
            f"after all, then: {first[0]}, {percent(first[1])}.",
            icon=":material/block:",
        )
    elif said.prediction.unsure:
        st.warning(
            f"**Unsure.** No class reaches {predictor.UNSURE_BELOW:.0%}; below that, this app calls an answer unsure. "
            f"It may as well be: {second[0]}.",
            icon=":material/help:",
        )
    if picture.truth is not None and said.refused:
        behind = (
            "" if picture.truth == first[0] else " And the answer that it would have given is wrong, too."
        )
        st.error(
            f"**Wrongly refused.** The picture's label is {picture.truth}, one of the ten: this is a false alarm.{behind}",
            icon=":material/close:",
        )
    elif picture.truth == first[0]:
        st.success(f"**Right.** The picture's label is {picture.truth}.", icon=":material/check:")
    elif picture.truth is not None:
        st.error(f"**Wrong.** The picture's label is {picture.truth}.", icon=":material/close:")
    return said


def details(one: RunSummary, model: Predictor, picture: Picture, said: Answer) -> None:
    """The probability of each class, how far to trust it, what it really is, and what it took."""
    first = said.prediction.top[0]
    table = pd.DataFrame(said.prediction.top, columns=["class", "probability"])
    charts.place(
        bars(table, model.classes),
        alt_text=f"Bars: the probability of each class for {picture.name}; the highest is {first[0]}, {percent(first[1])}.",
        table=table,
        name="answer",
    )
    st.caption(_trust(one, model, first[1]))
    frame.link("Models", "How good this model is, and where it fails", parameters={state.MODEL: one.run.id})
    if picture.image is not None:
        if picture.truth is None:
            _correction(model, picture)
        with st.container(horizontal=True):
            with st.popover("What helps if it is wrong", icon=":material/tips_and_updates:", type="tertiary"):
                st.markdown(_WHAT_HELPS[model.sees_photos])
                st.markdown(model_choice.learned_from(model))
            if said.verdict is not None:
                with st.popover("Is it one of the ten at all?", icon=":material/block:", type="tertiary"):
                    st.markdown(refusal.in_words(model.card))
                    st.markdown(
                        f"Of this photo's vector {said.verdict.novelty:.0%} lies outside: "
                        f"{'refused' if said.refused else 'not refused'}."
                    )
    st.caption(_times(picture, said))


def photo(model: Predictor, picture: Picture, said: Answer) -> None:
    """The visitor's photo in the viewer, with what the map means; nothing for 28x28 models, whose own is further down."""
    if not model.sees_photos:
        return
    photo_viewer.show(
        picture.image,
        id=f"{model.name} {picture.key}",
        uri=picture.uri,
        alt=f"{picture.name}, with the part that the network saw",
        answer=said,
        classes=model.classes,
        box=said.box,
        on_wanted=partial(look_closer, model.name, picture.key),
        key="_viewer",
    )
    if said.evidence is not None:
        st.caption(_change(model, said), help=photo_viewer.WHAT_IT_MEANS)


def _change(model: Predictor, said: Answer) -> str:
    if said.change is None:
        return "Whatever part of the photo is left out, the answer stays."
    change = said.change
    if not change.num_left_out:
        return f"Of the photo alone, without its mirror image, the answer would be: {components.literal(model.classes[change.label])}."
    return (
        f"Without the {change.num_left_out} of its {change.num_places} places that spoke most for "
        f"{components.literal(said.prediction.label)}, the answer would be: {components.literal(model.classes[change.label])}."
    )


def _correction(model: Predictor, picture: Picture) -> None:
    """What the garment really is, said by the visitor; `batch_view.own_score` counts."""
    photo = picture.key
    key = f"_judged_{model.name}_{photo}"
    options = [*model.classes, NONE_OF_THEM]

    def judge() -> None:
        state.photo(photo).judged = st.session_state[key]

    st.selectbox(
        "What is it really?",
        options,
        index=options.index(picture.judged) if picture.judged in options else None,
        placeholder="Say so, and the app keeps score",
        key=key,
        on_change=judge,
        width=320,
    )


def bars(table: pd.DataFrame, classes: tuple[str, ...]) -> alt.LayerChart:
    """The probability of each class as a bar with its number, in the order of the table; a line where "unsure" ends.

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
    limit = pd.DataFrame({"probability": [predictor.UNSURE_BELOW], "words": ["unsure up to here"]})
    line = alt.Chart(limit).mark_rule(strokeDash=[4, 4], color=charts.MIDDLE_GREY).encode(x="probability:Q")
    words = (
        alt.Chart(limit)
        .mark_text(align="right", dx=-5, fontSize=10, color=charts.MIDDLE_GREY)
        .encode(x="probability:Q", y=alt.value(alt.expr("height - 8")), text="words:N")
    )
    return (filled + numbers + line + words).properties(height=alt.Step(22))


def _trust(one: RunSummary, model: Predictor, probability: float) -> str:
    """How often answers of this confidence were right on the model's own test pictures, in words."""
    meaning = "A confidence is what the network claims, not how often it is right."
    if model.sees_photos:
        meaning += (
            " It is calibrated on validation photos; on photos unlike those it may be wrong more often."
        )
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


def percent(probability: float) -> str:
    """A confidence; never rounded up to certainty."""
    return "over 99.9%" if probability > 0.9995 else f"{probability:.1%}"


def _capitalised(label: str) -> str:
    return label[0].upper() + label[1:]
