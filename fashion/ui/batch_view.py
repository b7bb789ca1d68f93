"""Several photos at once on the Predict page: the table of answers, the file to take away, and the visitor's own score."""

import pandas as pd
import streamlit as st

from fashion import evaluation, predictor
from fashion.answers import Answer
from fashion.errors import PhotoError
from fashion.evaluation import Accuracy
from fashion.predictor import Predictor
from fashion.ui import components, prediction_view, state
from fashion.ui.picture_input import Picture
from fashion.ui.prediction_view import NONE_OF_THEM

_COLUMNS = ["Photo", "File", "Answer", "Confidence", "Verdict", "Really", "ms", "Problem"]
_SHOWN = ["Photo", "Answer", "Confidence", "Verdict", "Really", "Problem", "File", "ms"]
"""The same on the page, where a phone shows only the first ones; the photo itself tells which it is."""


def chosen_of(model: Predictor, taken: list[Picture]) -> Picture:
    """All photos with their answers in a table; returns the one whose row is chosen, the first to begin with."""
    rows = table(model, taken)
    st.subheader(f"{len(taken)} photos", anchor=False)
    empty = [name for name in ("Problem", "Really") if not rows[name].any()]
    event = st.dataframe(
        rows[_SHOWN].drop(columns=empty),
        hide_index=True,
        height=min(38 + 44 * len(rows), 400),
        row_height=44,
        column_config={
            "Photo": st.column_config.ImageColumn(width=60, pinned=True),
            "Answer": st.column_config.TextColumn(width=80),
            "Confidence": st.column_config.NumberColumn(
                width=84, format="percent", help="What the network claims, not how often it is right."
            ),
            "Verdict": st.column_config.TextColumn(
                width=124,
                help=f"Likely: the confidence is {predictor.UNSURE_BELOW:.0%} or more. Unsure: it is below. None of the ten: the "
                "photo is too unlike those that the model learned from.",
            ),
            "Really": st.column_config.TextColumn(help="What you said that it is."),
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


def table(model: Predictor, taken: list[Picture]) -> pd.DataFrame:
    """A row per photo, in order: Photo (a small picture as text), File, Answer, Confidence, Verdict, Really (what the
    visitor says), ms, Problem."""
    rows = []
    bar = st.progress(0.0) if len(taken) > 3 else None
    for position, picture in enumerate(taken):
        if bar:
            bar.progress(position / len(taken), f"Photo {position + 1} of {len(taken)} …")
        row = {"Photo": picture.thumbnail, "File": picture.name, "Really": _judged(model, picture)}
        try:
            said = prediction_view.ask(model, picture)
        except PhotoError as error:
            rows.append({**row, "Problem": str(error)})
            continue
        first = said.prediction
        row |= {"Answer": first.label, "Confidence": first.probability, "Verdict": verdict(said)}
        rows.append({**row, "ms": 1000 * said.predict_seconds})
    if bar:
        bar.empty()
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"Confidence": "float64", "ms": "float64"})


def verdict(said: Answer) -> str:
    """How far the answer may be taken, in a word; not "sure", which a confidence of 66 % is not."""
    if said.refused:
        return "none of the ten"
    return "unsure" if said.prediction.unsure else "likely"


def _judged(model: Predictor, picture: Picture) -> str | None:
    """What the visitor says that it is, where this model could have said so too, or nothing could."""
    return picture.judged if picture.judged in (*model.classes, NONE_OF_THEM) else None


# The visitor's own score


def label_all(model: Predictor, taken: list[Picture]) -> None:
    """A table in which each photo gets its true class; what is chosen is kept with the photo."""
    key = f"_label_{model.name}_{hash(tuple(picture.key for picture in taken))}"
    rows = pd.DataFrame(
        {
            "Photo": [picture.thumbnail for picture in taken],
            "Answer": [_label(model, picture) for picture in taken],
            "Really": [_judged(model, picture) for picture in taken],
        }
    )

    photos = [picture.key for picture in taken]

    def keep() -> None:
        for position, changes in st.session_state[key]["edited_rows"].items():
            if "Really" in changes:
                state.photo(photos[int(position)]).judged = changes["Really"]

    with st.expander("Say of all of them what they really are", icon=":material/edit:"):
        st.data_editor(
            rows,
            key=key,
            on_change=keep,
            hide_index=True,
            disabled=["Photo", "Answer"],
            row_height=44,
            column_config={
                "Photo": st.column_config.ImageColumn(width=80),
                "Really": st.column_config.SelectboxColumn(options=[*model.classes, NONE_OF_THEM]),
            },
            placeholder="choose",
            alt="The photos with their answers, and a column for what each really is",
        )


def own_score(model: Predictor, taken: list[Picture]) -> None:
    """How often the model was right on the photos that the visitor gave a class, and what it took for what."""
    judged = [
        (picture.judged, _label(model, picture))
        for picture in taken
        if _judged(model, picture) not in (None, NONE_OF_THEM) and _label(model, picture)
    ]
    others = [picture for picture in taken if _judged(model, picture) == NONE_OF_THEM]
    if not judged and not others:
        return
    st.subheader("On your own photos", anchor=False)
    if judged:
        score = accuracy(judged)
        st.markdown(
            f"**{score.correct} of {score.n} right, {score.value:.0%}** (95 % interval {score.low:.0%} to {score.high:.0%}"
            f"{', so wide because the photos are few' if score.n < 30 else ''})."
        )
        mistakes = pd.Series([pair for pair in judged if pair[0] != pair[1]], dtype=object).value_counts()
        if len(mistakes):
            st.markdown(
                "\n".join(
                    f"- {components.literal(true)} taken for {components.literal(said)}"
                    + (f": {count} times" if count > 1 else "")
                    for (true, said), count in mistakes.items()
                )
            )
    if "refusal" not in model.card:
        if others:
            st.markdown(f"{len(others)} showed none of the classes.")
        return
    refused = [picture for picture in taken if picture.answered and picture.answered[2].refused]
    if others:
        found = sum(picture in refused for picture in others)
        st.markdown(f"Refused as none of the ten: {found} of {len(others)} that showed none.")
    wrongly = sum(_judged(model, picture) in model.classes for picture in refused)
    if judged:
        st.markdown(f"Refused although they showed one: {wrongly} of {len(judged)}.")


def accuracy(judged: list[tuple[str, str]]) -> Accuracy:
    """Of pairs (true class, answer), the share that agree."""
    correct = sum(true == said for true, said in judged)
    return Accuracy(
        correct / len(judged), correct, len(judged), *evaluation.wilson_interval(correct, len(judged))
    )


def _label(model: Predictor, picture: Picture) -> str | None:
    try:
        return prediction_view.ask(model, picture).prediction.label
    except PhotoError:
        return None
