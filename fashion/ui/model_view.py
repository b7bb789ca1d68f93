"""The Models page's pieces: a model's card section by section, with the charts behind its words.

The words and numbers come from `model_card.py`; charts that the Runs page has as well from `evaluation_view.py`.
"""

from collections.abc import Iterable

import pandas as pd
import streamlit as st

from fashion import datasets, evaluation, model_card, summary
from fashion.errors import FashionError, RunError
from fashion.evaluation import Accuracy
from fashion.model_card import CALIBRATION_BINS
from fashion.predictor import UNSURE_BELOW
from fashion.summary import Predictions, RunSummary
from fashion.ui import cache, charts, components, evaluation_view, frame, run_view, state, takeaway_view

_PERCENT = st.column_config.NumberColumn(format="%.1f%%")


def at_a_glance(one: RunSummary) -> None:
    """Its accuracy, size and what it tells apart, and where to try it."""
    card = one.run.card()
    with st.container(horizontal=True, gap="medium"):
        if one.test:
            with st.container(width="content", gap=None):
                st.metric("Right on test", f"{one.test.value:.1%}", width="content")
                st.caption(summary.basis_in_words(one.test))
        st.metric("File", megabytes(card), help=_FILE_HELP, width="content")
        if one.num_parameters is not None:
            st.metric("Parameters", f"{one.num_parameters:,}", help=_PARAMETERS_HELP, width="content")
    st.markdown(" ".join(f":gray-badge[{components.literal(name)}]" for name in one.classes))
    with st.container(horizontal=True):
        frame.link("Predict", "Try it on a photo", parameters={state.MODEL: one.run.id})
        frame.link("Runs", "Its curves and mistakes", parameters={state.OPEN: one.run.id})


_FILE_HELP = "The size of model.tflite, the network as this app uses it: its numbers in float16, two bytes each (four where rounding would change its answers)."
_PARAMETERS_HELP = "The numbers that training has set. More of them can hold more, and take longer."


def megabytes(card: dict) -> str:
    """The size of the file that predicts, in words."""
    return f"{card['files']['model.tflite']['bytes'] / 1e6:.1f} MB"


def origin(one: RunSummary) -> None:
    """What it learned from, what it began from, and how it was trained."""
    st.subheader("What it learned from", anchor="learned")
    st.markdown(_listed(model_card.origin(one, one.run.card())))
    with st.container(horizontal=True):
        frame.link("Dataset", "See the pictures", parameters={state.DATASET: one.settings.dataset})
    st.markdown("**How it was trained**")
    st.markdown(_listed(components.harmless(words) for words in model_card.training(one)))
    with st.expander("All settings"):
        st.table(summary.settings_table(one.settings), hide_index=True, border="horizontal")


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {words}" for words in sentences)


def answers_or_none(one: RunSummary) -> Predictions | None:
    """What it said about the test pictures; None, with the reason on the page, where that was not kept."""
    try:
        return summary.predictions(one)
    except RunError as error:
        st.info(components.literal(str(error)), icon=":material/info:")
        return None


def accuracy(one: RunSummary, said: Predictions) -> None:
    """How often it is right on test, and class by class."""
    st.subheader("How often it is right", anchor="right", help=components.TERMS["split"])
    right = evaluation.accuracy(said.probabilities, said.labels)
    st.markdown(
        f"On {right.n:,} test {model_card.pictures_word(one.settings)}, which it had not seen before: **{right.value:.1%}** "
        f"(95 % interval {right.low:.1%} to {right.high:.1%}). {model_card.weakest(said, one.classes)}"
    )
    evaluation_view.per_class(one, said)


def confusions(one: RunSummary, said: Predictions) -> None:
    """Its most frequent mistakes in words, and the way to the pictures behind them."""
    st.subheader("What it confuses", anchor="confuses")
    pairs = model_card.confusions(said, one.classes)
    if pairs.empty:
        st.markdown(
            f"Nothing: not one of {len(said):,} test {model_card.pictures_word(one.settings)} was mistaken."
        )
        return
    st.markdown(
        "\n".join(
            f"- **{pair.true}** taken for **{pair.predicted}**: {pair.wrong} of {pair.n:,} ({pair.share:.1%}; 95 % interval "
            f"{pair.low:.1%} to {pair.high:.1%})"
            for pair in pairs.rename(columns={"count": "wrong"}).itertuples()
        )
    )
    frame.link(
        "Runs",
        "All confusions, with the pictures",
        parameters={state.OPEN: one.run.id, state.VIEW: "Confusion matrix"},
    )


def strangers(one: RunSummary) -> None:
    """How it does on photos from people it has never seen; nothing where the contributors are not known."""
    found = model_card.strangers(one)
    if found is None:
        return
    st.subheader("Photos from people it has never seen", anchor="strangers")
    st.markdown(
        "Photos of one person resemble each other: the same floor, the same light, the same taste. So what counts is how it does "
        "on photos of people who sent none to learn from. Test has only such; validation hardly any."
    )
    people = model_card.people()
    rows = {"validation": found.known, "test": found.unknown}
    st.table(
        pd.DataFrame([_row(split, people[split], right) for split, right in rows.items()]),
        hide_index=True,
        border="horizontal",
    )
    st.markdown(f"**{model_card.strangers_verdict(found)}** Yet:")
    st.markdown(_listed(model_card.strangers_caveats(found)))


def _row(split: str, who: str, right: Accuracy) -> dict[str, str]:
    return {
        "Photos": f"{split}: {who}",
        "Right": f"{right.value:.1%} of {right.n:,}",
        "95 % interval": f"{right.low:.1%} to {right.high:.1%}",
    }


_TOLD = {
    True: "This app tells its confidence with the temperature.",
    False: "This app tells its confidence as it is: the temperature is for pictures like these, not for a photo of yours.",
}
_TEMPERATURE_HELP = (
    "The logarithms of the probabilities are divided by the temperature and made into probabilities again: the answer stays, "
    "only its confidence changes. The value was fitted on the validation pictures, not on these."
)


def calibration(one: RunSummary, said: Predictions) -> None:
    """Whether its confidence is truthful, before and after its temperature, and what "unsure" is worth."""
    st.subheader("Whether its confidence can be believed", anchor="confidence")
    temperature, what = one.temperature or 1.0, model_card.pictures_word(one.settings)
    photos = what == "photos"
    versions = {
        "As the network says it": said.probabilities,
        f"With temperature {temperature:.2f}": evaluation.apply_temperature(said.probabilities, temperature),
    }
    before, after = (
        100 * evaluation.expected_calibration_error(claimed, said.labels, CALIBRATION_BINS)
        for claimed in versions.values()
    )
    st.markdown(
        f"{evaluation_view.temperature_in_words(temperature)} {_TOLD[photos]} On {len(said):,} test {what}, confidence and accuracy lie "
        f"**{before:.1f}** percentage points apart on average; with the temperature, **{after:.1f}**.",
        help=f"{_TEMPERATURE_HELP} Expected calibration error in {CALIBRATION_BINS} ranges of confidence; the charts have ten. With few pictures it is above 0 by chance "
        "alone.",
    )
    for column, (title, claimed) in zip(st.columns(2, gap="medium"), versions.items(), strict=True):
        table = evaluation.reliability(claimed, said.labels)
        with column:
            st.caption(title)
            charts.place(
                evaluation_view.reliability_chart(table),
                alt_text=f"Reliability diagram, {title.lower()}: how often answers of each confidence were right, with 95 % intervals.",
                table=table,
                name=f"{one.run.id}-reliability-{'after' if 'temperature' in title else 'before'}",
            )
    st.caption(
        "Each point gathers the answers of one range of confidence; the number below is how many. On the dashed line, "
        "confidence is truthful; below it, the network claims too much."
    )
    st.markdown(_unsure_in_words(one, said))


def _unsure_in_words(one: RunSummary, said: Predictions) -> str:
    what = model_card.pictures_word(one.settings)
    found = model_card.unsure(model_card.told(one, said), said.labels)
    words = f"Below {UNSURE_BELOW:.0%}, this app calls an answer **unsure**. "
    if found.below is None:
        return words + f"None of {len(said):,} test {what} got such an answer."
    words += f"Of {len(said):,} test {what}, {found.below.n:,} got such an answer, and {_share(found.below)} of those were right"
    return words + (f"; of the other {found.above.n:,}, {_share(found.above)}." if found.above else ".")


def _share(right: Accuracy) -> str:
    return f"{right.value:.0%} (95 % interval {right.low:.0%} to {right.high:.0%})"


def refusal(one: RunSummary) -> None:
    """The rule by which it calls a photo none of its classes, and what that rule does; nothing without one."""
    try:
        found = model_card.refusal(one.run.card())
    except RunError as error:
        st.error(components.literal(str(error)), icon=":material/error:")
        return
    if found is None:
        return
    st.subheader("When it says “not one of the ten”", anchor="refusal")
    st.markdown(components.harmless(found.rule))
    st.caption(
        "The vector of a photo is what the network makes of it before it decides: a list of numbers. Photos of clothes differ in "
        "some directions only, so to speak; a photo that differs in others is strange to it."
    )
    false = found.false_alarms
    st.markdown(
        f"**False alarms:** {false.refused:,} of {false.n:,} test photos, which do show one of the ten, were refused: "
        f"{false.share:.1%} (95 % interval {false.low:.1%} to {false.high:.1%})."
    )
    if not found.others:
        return
    all_of_them = found.all_others
    st.markdown(
        f"**Pictures that show none of them:** {all_of_them.refused:,} of {all_of_them.n:,} were refused: {all_of_them.share:.1%} "
        f"(95 % interval {all_of_them.low:.1%} to {all_of_them.high:.1%}). By kind:"
    )
    table = pd.DataFrame(
        {
            "What they show": [rate.kind for rate in found.others],
            "Pictures": [rate.n for rate in found.others],
            "Refused": [100 * rate.share for rate in found.others],
            "95 % from": [100 * rate.low for rate in found.others],
            "to": [100 * rate.high for rate in found.others],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config=dict.fromkeys(("Refused", "95 % from", "to"), _PERCENT),
        alt="Share of pictures of other things that were refused, by kind",
    )


def limits(one: RunSummary) -> None:
    """On what it will fail."""
    st.subheader("Where it fails", anchor="limits")
    st.markdown(_listed(model_card.limits(one, one.run.card())))


def size_and_speed(one: RunSummary) -> None:
    """How large it is, and how long one picture takes on this machine, measured."""
    card = one.run.card()
    st.subheader("Size and speed", anchor="speed")
    facts = {"File for prediction": megabytes(card)}
    if one.num_parameters is not None:
        facts["Parameters"] = f"{one.num_parameters:,}"
    try:
        speed = cache.speed(one.run.id)
    except FashionError as error:
        components.facts(facts)
        st.error(components.literal(str(error)), icon=":material/error:")
        return
    facts["One picture takes"] = f"{1000 * speed.median:.1f} ms"
    components.facts(facts)
    here = cache.this_machine()
    cores = f"{here.num_cores} cores" if here.num_cores != 1 else "1 core"
    st.caption(
        f"Measured on this machine: {components.literal(here.processor)}, {cores}, LiteRT "
        f"{here.versions.get('ai-edge-litert', 'unknown')}, two threads; median of {speed.n}, one picture at a time; the fastest took "
        f"{1000 * speed.fastest:.1f} ms. Preparing a photo comes on top. Whatever else this machine does meanwhile makes it slower."
    )
    st.button("Measure again", icon=":material/timer:", on_click=cache.forget_speed, args=(one.run.id,))


def downloads(one: RunSummary) -> None:
    """The model's files, to take along."""
    st.subheader("Take it along", anchor="files")
    run_view.files(one)
    takeaway_view.section(one)
    info = datasets.DATASETS[one.settings.dataset]
    st.caption(f"Learned from: {info.citation} Licence of the pictures: {info.licence}.")
