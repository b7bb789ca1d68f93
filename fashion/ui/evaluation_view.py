"""How a tested run errs: classes, mistakes, calibration and probe pictures; `confusion_view.py` has the matrix.

What is counted comes from `evaluation.py`, the run's stored answers from `summary.py`; here it is only drawn.
"""

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from fashion import datasets, evaluation
from fashion.errors import DataError, RunError
from fashion.settings import PHOTOS
from fashion.summary import Predictions, RunSummary
from fashion.ui import cache, charts, components, frame, state

_PERCENT = st.column_config.NumberColumn(format="%.1f%%")
SAID_MEANS = "The percentage is what the network claimed for its answer, not how often it is right."


def split_input() -> str:
    """Which split to judge on, "test" or "validation"; kept in the URL."""
    return st.segmented_control(
        "Judged on",
        ["test", "validation"],
        default="test",
        required=True,
        help="**Test** pictures had no part in the training. The best epoch was chosen on the **validation** pictures, "
        "so the accuracy there is a little flattering.",
        **state.in_url(state.TESTED_SPLIT),
    )


def pictures(one: RunSummary, split: str) -> datasets.Split | None:
    """The pictures that the run was judged on, or None, with the reason on the page, where they are not here."""
    name = one.settings.dataset
    if not datasets.status(name).present:
        st.info(
            f"The pictures of {one.dataset_title} are not on this machine, so the numbers are shown without them.",
            icon=":material/hide_image:",
        )
        frame.link("Dataset", "Get the pictures")
        return None
    try:
        dataset = cache.dataset(name, one.classes)
    except DataError as error:
        st.warning(f"The numbers are shown without the pictures. {error}", icon=":material/hide_image:")
        return None
    if dataset.digest != one.data_digest:
        st.warning(
            f"The run was tested on other pictures than the {one.dataset_title} on this machine (fingerprint "
            f"{one.data_digest}, here {dataset.digest}), so the numbers are shown without pictures.",
            icon=":material/hide_image:",
        )
        return None
    return dataset.split(split)


def show_answers(
    said: Predictions,
    positions: np.ndarray,
    classes: tuple[str, ...],
    part: datasets.Split | None,
    *,
    key: str,
) -> None:
    """Pictures at these positions with their labels and the answers; without `part` a table, with both probabilities."""
    table = answers(said, positions, classes)
    if part is None:
        shares = ["for predicted", "for true"]
        st.dataframe(
            table.assign(**{name: 100 * table[name] for name in shares}),
            hide_index=True,
            column_config=dict.fromkeys(shares, _PERCENT),
            alt="Answers with their probabilities",
        )
        return
    captions, alts = [], []
    for number, predicted, true, claimed, for_true in table.itertuples(index=False, name=None):
        captions.append(answer_caption(predicted, true, f"{claimed:.1%}"))
        alts.append(
            f"Number {number}, labelled {true}, taken for {predicted} with {claimed:.1%}"
            + (f", {for_true:.1%} for the label" if predicted != true else "")
        )
    components.picture_grid(components.to_look_at(part, positions), captions, key=key, alts=alts, size=104)


def answer_caption(answer: str, label: str, claimed: str) -> str:
    """What stands below a picture whose label is known: the label once if the answer agrees, else which of both is which."""
    if answer == label:
        return f"✓ {_unbroken(f'{label} {claimed}')}"
    return f"✗ is {_unbroken(label)}, said {_unbroken(f'{answer} {claimed}')}"


def _unbroken(text: str) -> str:
    """The text with spaces and hyphens at which a narrow caption is not broken."""
    return text.replace(" ", "\u00a0").replace("-", "\u2011")


def answers(said: Predictions, positions: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """A row per position: picture, predicted, true, and the probabilities (0 to 1) given to these two classes."""
    probabilities, labels = said.probabilities[positions], said.labels[positions]
    predicted = probabilities.argmax(axis=1)
    rows = np.arange(len(positions))
    return pd.DataFrame(
        {
            "picture": positions,
            "predicted": [classes[label] for label in predicted],
            "true": [classes[label] for label in labels],
            "for predicted": probabilities[rows, predicted],
            "for true": probabilities[rows, labels],
        }
    )


def label_note() -> None:
    """That it may be the label that is wrong."""
    st.info(
        "**The label may be what is wrong.** Labels were given by people. Among the mistakes that a network was most sure "
        "of, many show a garment that you would call what the network called it.",
        icon=":material/help:",
    )


# Classes


def per_class(one: RunSummary, said: Predictions) -> None:
    """Accuracy per class with its interval, as bars and as a table with the precision."""
    table = evaluation.per_class(said.probabilities, said.labels, one.classes)
    st.markdown(
        f"Of the {said.split} pictures of a class, the share that was recognised. The line is the 95 % interval: the "
        "fewer pictures, the longer."
    )
    charts.place(
        per_class_chart(table, one.classes),
        alt_text=f"Bars: share of each class that {one.name} recognised, with 95 % intervals.",
        table=table,
        name=f"{one.run.id}-{said.split}-classes",
    )
    shares = {"accuracy": "Accuracy", "low": "95 % from", "high": "to", "precision": "Precision"}
    percent = {title: 100 * table[name] for name, title in shares.items()}
    st.dataframe(
        pd.DataFrame({"Class": table["class"], "Pictures": table.n, "Right": table.correct, **percent}),
        hide_index=True,
        height="content",
        column_config=dict.fromkeys(shares.values(), _PERCENT),
        alt="Accuracy, interval and precision of each class",
    )
    st.caption("Precision: of the pictures called this class, the share that belong to it.")


def per_class_chart(table: pd.DataFrame, classes: tuple[str, ...]) -> alt.LayerChart:
    """Bars of accuracy per class with the 95 % interval; `table` as from `evaluation.per_class`."""
    y = alt.Y("class:N", sort=list(classes), title=None, axis=alt.Axis(labelLimit=110, labelOverlap=False))
    scale = alt.Scale(domain=[0, 1.14])
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    base = alt.Chart(table).encode(
        y=y,
        tooltip=[
            alt.Tooltip("class:N"),
            alt.Tooltip("n:Q", title="pictures", format=","),
            alt.Tooltip("correct:Q", title="right", format=","),
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("low:Q", title="95 % from", format=".2%"),
            alt.Tooltip("high:Q", title="to", format=".2%"),
            alt.Tooltip("precision:Q", format=".2%"),
        ],
    )
    bars = base.mark_bar(size=16).encode(
        x=alt.X("accuracy:Q", title="recognised", scale=scale, axis=axis),
        color=alt.Color("class:N", scale=charts.class_scale(classes), legend=None),
    )
    intervals = base.mark_rule(strokeWidth=2, color=charts.MIDDLE_GREY).encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q"
    )
    ends = [
        base.mark_tick(size=10, thickness=2, color=charts.MIDDLE_GREY).encode(
            x=alt.X(f"{field}:Q", scale=scale)
        )
        for field in ("low", "high")
    ]
    numbers = base.mark_text(align="left", dx=6, color=charts.MIDDLE_GREY).encode(
        x=alt.X("high:Q", scale=scale), text=alt.Text("accuracy:Q", format=".1%")
    )
    return alt.layer(bars, intervals, *ends, numbers).properties(height=alt.Step(30))


# Mistakes


def mistakes(one: RunSummary, said: Predictions) -> None:
    """The wrong answers that the network was most sure of."""
    num_wrong = int((~said.correct).sum())
    if not num_wrong:
        st.success(f"Not one of {len(said):,} {said.split} pictures was mistaken.", icon=":material/check:")
        return
    count = st.slider("How many", 6, 60, 18, 6, key="_mistakes")
    worst = evaluation.most_confident_mistakes(said.probabilities, said.labels, count)
    st.caption(
        f"The {len(worst)} of {num_wrong:,} mistakes on {len(said):,} {said.split} pictures that the network was most sure "
        f"of. {SAID_MEANS}"
    )
    show_answers(
        said, worst["index"].to_numpy(), one.classes, pictures(one, said.split), key="_mistakes_grid"
    )
    label_note()


# Calibration


def calibration(one: RunSummary, said: Predictions) -> None:
    """Whether 80 % confidence is right 80 % of the time, before and after the run's temperature."""
    temperature = one.temperature or 1.0
    adjusted = st.toggle(
        f"With temperature {temperature:.2f}",
        key="_temperature",
        help="The logarithms of the probabilities are divided by the temperature and made into probabilities again. The "
        "answer stays; only its confidence changes. The value was fitted on the validation pictures.",
    )
    probabilities = (
        evaluation.apply_temperature(said.probabilities, temperature) if adjusted else said.probabilities
    )
    before = evaluation.expected_calibration_error(said.probabilities, said.labels)
    after = evaluation.expected_calibration_error(
        evaluation.apply_temperature(said.probabilities, temperature), said.labels
    )
    st.markdown(
        f"{temperature_in_words(temperature)} On {len(said):,} {said.split} pictures, confidence and accuracy lie "
        f"{100 * before:.1f} percentage points apart on average (expected calibration error), with the temperature "
        f"{100 * after:.1f}."
    )
    table = evaluation.reliability(probabilities, said.labels)
    charts.place(
        reliability_chart(table),
        alt_text="Reliability diagram: how often answers of each confidence were right, with 95 % intervals.",
        table=table,
        name=f"{one.run.id}-{said.split}-calibration",
    )
    st.caption(
        "Each point gathers the answers of one range of confidence; the number below is how many. On the dashed line, "
        "confidence is truthful; below it, the network claims too much. The lines are 95 % intervals."
    )


def temperature_in_words(temperature: float) -> str:
    """What a calibration temperature says about a network, in a sentence."""
    if temperature > 1.02:
        return f"The network is **too sure of itself**: its temperature is {temperature:.2f}, above 1."
    if temperature < 0.98:
        return f"The network is **too modest**: its temperature is {temperature:.2f}, below 1."
    return f"The network's confidence is **about right**: its temperature is {temperature:.2f}, close to 1."


def reliability_chart(table: pd.DataFrame) -> alt.LayerChart:
    """Accuracy over confidence per range, with intervals and the number of answers; as from `evaluation.reliability`."""
    filled = table[table.n > 0]
    share, below = alt.Scale(domain=[0, 1]), alt.Scale(domain=[-0.08, 1])  # the counts stand under 0 %
    axis = alt.Axis(format="%", values=[0, 0.2, 0.4, 0.6, 0.8, 1])
    x = alt.X("confidence:Q", title="confidence: what the network claims", scale=share, axis=axis)
    truthful = (
        alt.Chart(pd.DataFrame({"confidence": [0, 1], "accuracy": [0, 1]}))
        .mark_line(strokeDash=[4, 4], strokeWidth=1.5, color=charts.MIDDLE_GREY)
        .encode(x=x, y=alt.Y("accuracy:Q", scale=below))
    )
    base = alt.Chart(filled).encode(
        x=x,
        tooltip=[
            alt.Tooltip("low:Q", title="confidence from", format=".0%"),
            alt.Tooltip("high:Q", title="to", format=".0%"),
            alt.Tooltip("confidence:Q", title="mean confidence", format=".1%"),
            alt.Tooltip("accuracy:Q", title="right", format=".1%"),
            alt.Tooltip("accuracy_low:Q", title="95 % from", format=".1%"),
            alt.Tooltip("accuracy_high:Q", title="to", format=".1%"),
            alt.Tooltip("n:Q", title="pictures", format=","),
        ],
    )
    colour = charts.SPLIT_COLOURS["training"]
    intervals = base.mark_rule(strokeWidth=2, color=colour).encode(
        y=alt.Y("accuracy_low:Q", title="how often it is right", scale=below, axis=axis),
        y2="accuracy_high:Q",
    )
    points = base.mark_point(filled=True, size=80, color=colour, opacity=1).encode(
        y=alt.Y("accuracy:Q", scale=below)
    )
    counts = base.mark_text(color=charts.MIDDLE_GREY, fontSize=10).encode(
        y=alt.datum(-0.04, scale=below), text=alt.Text("n:Q", format=",")
    )
    return (truthful + intervals + points + counts).properties(height=380)


# Probe pictures


def probes(one: RunSummary) -> None:
    """The dozen pictures that were watched while training: how likely the right answer became, epoch by epoch."""
    stored = one.run.probes()
    if stored is None or not len(stored["probabilities"]):
        st.info("No epoch of this run was recorded with its probe pictures.", icon=":material/info:")
        return
    arrays = one.run.evaluation()
    labels = arrays["validation_labels"] if arrays else None
    part = pictures(one, "validation") if one.data_digest else None
    if labels is None and part is not None:
        labels = part.labels
    if labels is None:
        st.info(
            "The run has not been tested yet, so the right answers are not stored.", icon=":material/info:"
        )
        return
    table = probe_table(stored, labels, one.classes)
    num_epochs = int(table.epoch.max())
    st.markdown(
        "Validation pictures, which the network does not learn from, and the probability it gave to the **right** answer "
        f"after each of {num_epochs} {'epoch' if num_epochs == 1 else 'epochs'}. The stronger the colour, the likelier. A dozen pictures are an "
        "illustration, no measurement."
    )
    if part is not None:
        at_end = table[table.epoch == num_epochs]
        at_start = table[table.epoch == 1]
        captions = [
            f"{name}: {first:.0%} → {last:.0%}"
            for name, first, last in zip(
                at_end.picture, at_start.probability, at_end.probability, strict=True
            )
        ]
        images = components.to_look_at(part, stored["indices"])
        size = 104 if one.settings.dataset in PHOTOS else 88
        components.picture_grid(images, captions, key="_probe_grid", size=size)
    charts.place(
        probe_chart(table),
        alt_text="A square per probe picture and epoch: the stronger the colour, the likelier the right answer.",
        table=table,
        name=f"{one.run.id}-probes",
    )


def probe_table(stored: dict[str, np.ndarray], labels: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """A row per probe picture and epoch: picture (number and class), epoch from 1, probability of the right class.

    `stored`: as from `Run.probes`. `labels`: of the whole validation split. Raises RunError where they do not fit.
    """
    indices, probabilities = stored["indices"], stored["probabilities"].astype(np.float64)
    if (
        indices.ndim != 1
        or probabilities.shape[1:] != (len(indices), len(classes))
        or indices.min() < 0
        or indices.max() >= len(labels)
    ):
        raise RunError(
            f"probes.npz must hold {len(classes)} probabilities for each of its pictures. Received: indices "
            f"{indices.shape}, probabilities {probabilities.shape}. Train the run again."
        )
    right = labels[indices].astype(int)
    names = [f"{position + 1} {classes[label]}" for position, label in enumerate(right)]
    rows = [
        {"picture": name, "epoch": epoch + 1, "probability": float(of_epoch[position, label])}
        for epoch, of_epoch in enumerate(probabilities)
        for position, (name, label) in enumerate(zip(names, right, strict=True))
    ]
    return pd.DataFrame(rows)


def probe_chart(table: pd.DataFrame) -> alt.LayerChart:
    """A strip per probe picture, a square per epoch; `table` as from `probe_table`."""
    num_epochs = int(table.epoch.max())
    base = alt.Chart(table).encode(
        x=alt.X("epoch:O", title="epoch", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        y=alt.Y(
            "picture:N",
            sort=list(dict.fromkeys(table.picture)),
            title=None,
            axis=alt.Axis(labelLimit=110, labelOverlap=False),
        ),
    )
    squares = base.mark_rect().encode(
        color=alt.Color("probability:Q", scale=charts.share_scale(), legend=None),
        tooltip=[
            "picture:N",
            "epoch:Q",
            alt.Tooltip("probability:Q", title="for the right answer", format=".1%"),
        ],
    )
    if num_epochs > 8:  # more numbers than that do not fit a phone
        return alt.layer(squares).properties(height=alt.Step(26))
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.Text("probability:Q", format=".0%"),
        color=charts.ink_on("probability"),
    )
    return (squares + numbers).properties(height=alt.Step(26))
