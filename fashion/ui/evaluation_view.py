"""How a tested run errs: its confusion matrix with the pictures behind it, classes, mistakes, and calibration.

What is counted comes from `evaluation.py`, the run's stored answers from `summary.py`; here it is only drawn.
"""

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from fashion import datasets, evaluation
from fashion.errors import DataError, RunError
from fashion.summary import Predictions, RunSummary
from fashion.ui import cache, charts, components, frame, state

PER_PAGE = 24
# Light cells on either theme, since a chart cannot know which one it stands on; the dark end carries white text.
_SHADES = ("#e3eeed", "#0b6e72")
_WHITE_TEXT_ABOVE = 0.6
_CELL = "cell"
_BY_HAND = "_cells_chosen_by_hand"
_PERCENT = st.column_config.NumberColumn(format="%.1f%%")
_SAID_MEANS = "A percentage is what the network claimed for that class, not how often it is right."


def split_input() -> str:
    """Which split to judge on, "test" or "validation"; kept in the URL."""
    return st.segmented_control(
        "Judged on",
        ["test", "validation"],
        default="test",
        required=True,
        help="**Test** pictures were used once, at the end. The best epoch was chosen on the **validation** pictures, "
        "so the accuracy there is a little flattering.",
        **state.in_url(state.TESTED_SPLIT),
    )


def pictures(one: RunSummary, split: str) -> datasets.Split | None:
    """The pictures that the run was judged on, or None, with the reason on the page, where they are not here."""
    name = one.settings.dataset
    if not datasets.status(name).present:
        st.info(
            f"{one.dataset_title} is not on this machine, so the numbers are shown without the pictures.",
            icon=":material/hide_image:",
        )
        frame.link("Dataset", "Get the pictures")
        return None
    try:
        dataset = cache.dataset(name)
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


# Confusion matrix


def confusion(one: RunSummary, said: Predictions) -> None:
    """The confusion matrix; a click on a cell, or two choices, show the pictures that were counted in it."""
    classes = one.classes
    matrix = evaluation.confusion_matrix(said.labels, said.probabilities.argmax(axis=1), len(classes))
    cells = confusion_cells(matrix, classes)
    right = evaluation.accuracy(said.probabilities, said.labels)
    st.markdown(
        f"How often each class was taken for each: {right.correct:,} of {right.n:,} {said.split} pictures are right, on the "
        f"diagonal ({right.value:.1%}, 95 % interval {right.low:.1%} to {right.high:.1%}). A darker cell is a larger share "
        "of its row. Click a cell to see its pictures."
    )
    key = confusion_key(one, said)
    _follow_click(key, classes)
    above = st.container()
    true, predicted = _cell_input(matrix, classes)
    with above:
        chosen = cells[(cells.true == true) & (cells.predicted == predicted)]
        st.altair_chart(
            confusion_chart(cells, chosen, classes),
            width="stretch",
            key=key,
            on_select="rerun",
            alt=f"Confusion matrix of {one.name}: counts per true class (rows) and predicted class (columns).",
        )
        _confusion_table(matrix, classes, f"{one.run.id}-{said.split}-confusion")
    _cell_pictures(one, said, classes.index(true), classes.index(predicted))


def confusion_key(one: RunSummary, said: Predictions) -> str:
    """The widget key of the matrix: another one after each choice by hand, which lets go of the cell clicked before."""
    return f"_confusion_{one.run.id}_{said.split}_{state.count(_BY_HAND)}"


def confusion_cells(matrix: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """The confusion matrix, int (k, k), as a row per cell: true, predicted (names), count, n and share of that row."""
    n = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, n, out=np.zeros(matrix.shape), where=n > 0)
    true, predicted = np.indices(matrix.shape)
    return pd.DataFrame(
        {
            "true": np.array(classes)[true.ravel()],
            "predicted": np.array(classes)[predicted.ravel()],
            "count": matrix.ravel(),
            "n": np.broadcast_to(n, matrix.shape).ravel(),
            "share": share.ravel(),
        }
    )


def confusion_chart(cells: pd.DataFrame, chosen: pd.DataFrame, classes: tuple[str, ...]) -> alt.LayerChart:
    """Squares with their counts; a click selects one. `cells`: as from `confusion_cells`; `chosen`: the row to outline."""
    axis = {"labelLimit": 90, "labelOverlap": False}
    order = list(classes)
    axes = {
        "x": alt.X("predicted:N", sort=order, title="predicted class", axis=alt.Axis(labelAngle=-60, **axis)),
        "y": alt.Y("true:N", sort=order, title="true class", axis=alt.Axis(**axis)),
    }
    outline = (
        alt.Chart(chosen)
        .mark_rect(cornerRadius=2, filled=False, strokeWidth=3, stroke=charts.SPLIT_COLOURS["validation"])
        .encode(**axes)
    )
    layers = _confusion_squares(cells).encode(**axes), outline, _confusion_counts(cells).encode(**axes)
    return alt.layer(*layers).properties(height=440)


def _confusion_squares(cells: pd.DataFrame) -> alt.Chart:
    clicked = alt.selection_point(name=_CELL, fields=["true", "predicted"], toggle=False)
    return (
        # Cells without pictures stay empty: a dark page would be mostly bright squares otherwise.
        alt.Chart(cells[cells["count"] > 0])
        .mark_rect(cornerRadius=2, cursor="pointer")
        .encode(
            # The square root sets 1 % apart from 3 %, which is where the mistakes are.
            color=alt.Color(
                "share:Q",
                scale=alt.Scale(type="sqrt", domain=[0, 1], range=list(_SHADES)),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("true:N", title="true class"),
                alt.Tooltip("predicted:N", title="predicted class"),
                alt.Tooltip("count:Q", title="pictures", format=","),
                alt.Tooltip("n:Q", title="of this true class", format=","),
                alt.Tooltip("share:Q", title="share", format=".1%"),
            ],
        )
        .add_params(clicked)
    )


def _confusion_counts(cells: pd.DataFrame) -> alt.Chart:
    shade = (
        alt.when(alt.datum["count"] == 0)
        .then(alt.value(charts.MIDDLE_GREY))
        .when(alt.datum.share > _WHITE_TEXT_ABOVE)
        .then(alt.value("white"))
        .otherwise(alt.value("#14181a"))
    )
    return alt.Chart(cells).mark_text(fontSize=11, cursor="pointer").encode(text="count:Q", color=shade)


def _confusion_table(matrix: np.ndarray, classes: tuple[str, ...], name: str) -> None:
    """The same counts to read and download: a row per true class, a column per predicted one."""
    table = pd.DataFrame(matrix, columns=list(classes))
    table.insert(0, "true class", list(classes))
    charts.table_behind(
        table, alt_text="Counts per true class (rows) and predicted class (columns)", name=name
    )


def _follow_click(key: str, classes: tuple[str, ...]) -> None:
    """Move the two choices to a newly clicked cell; what comes from the browser is checked."""
    clicked = state.selected(key).get(_CELL)
    pair = (clicked[0].get("true"), clicked[0].get("predicted")) if clicked else None
    if state.is_new(f"{key}_seen", pair) and pair and set(pair) <= set(classes):
        state.choose(state.TRUE, pair[0])
        state.choose(state.PREDICTED, pair[1])
        _first_page()


def _cell_input(matrix: np.ndarray, classes: tuple[str, ...]) -> tuple[str, str]:
    """The cell to look into, as class names: by default the most frequent mistake. Works without a mouse."""
    pairs = evaluation.confusion_pairs(matrix, classes, 1)
    worst = (pairs.true[0], pairs.predicted[0]) if len(pairs) else (classes[0], classes[0])
    chosen = []
    with st.container(horizontal=True):
        for label, key, default in zip(
            ("True class", "Predicted class"), (state.TRUE, state.PREDICTED), worst, strict=True
        ):
            chosen.append(
                st.selectbox(
                    label,
                    classes,
                    index=classes.index(default),
                    width=200,
                    on_change=_choose_by_hand,
                    **state.in_url(key),
                )
            )
    return chosen[0], chosen[1]


def _choose_by_hand() -> None:
    state.count(_BY_HAND, 1)
    _first_page()


def _first_page() -> None:
    state.choose("_cell_page", 1)


def _cell_pictures(one: RunSummary, said: Predictions, true: int, predicted: int) -> None:
    """The pictures counted in one cell, the most confident first, page by page."""
    classes = one.classes
    members = evaluation.cell_members(said.probabilities, said.labels, true, predicted)
    right = true == predicted
    what = f"{classes[true]}, recognised" if right else f"{classes[true]} taken for {classes[predicted]}"
    count = f"{len(members):,} {'picture' if len(members) == 1 else 'pictures'}"
    st.subheader(f"{what}: {count}", anchor=False)
    if not len(members):
        st.caption("Choose another cell.")
        return
    part = pictures(one, said.split)
    num_pages = -(-len(members) // PER_PAGE)
    state.limit("_cell_page", 1, num_pages)
    grid = st.container()
    page = st.pagination(num_pages, key="_cell_page") if num_pages > 1 else 1
    first = (page - 1) * PER_PAGE
    shown = members[first : first + PER_PAGE]
    with grid:
        st.caption(f"{first + 1:,} to {first + len(shown):,}, the most confident first. {_SAID_MEANS}")
        show_answers(said, shown, classes, part, key="_cell_grid")
    if not right:
        _label_note()


def show_answers(
    said: Predictions,
    positions: np.ndarray,
    classes: tuple[str, ...],
    part: datasets.Split | None,
    *,
    key: str,
) -> None:
    """Pictures at these positions with the probability of the predicted and of the true class; a table without `part`."""
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
        claims = {predicted: claimed, true: for_true}
        captions.append(", ".join(_unbroken(f"{name} {share:.1%}") for name, share in claims.items()))
        alts.append(f"Number {number}, labelled {true}, taken for {predicted} with {claimed:.1%}")
    components.picture_grid(part.images[positions], captions, key=key, alts=alts, size=104)


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


def _label_note() -> None:
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
        f"of. {_SAID_MEANS}"
    )
    show_answers(
        said, worst["index"].to_numpy(), one.classes, pictures(one, said.split), key="_mistakes_grid"
    )
    _label_note()


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
        f"after each of {num_epochs} {'epoch' if num_epochs == 1 else 'epochs'}. The darker, the likelier. A dozen pictures are an "
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
        components.picture_grid(part.images[stored["indices"]], captions, key="_probe_grid", size=88)
    charts.place(
        probe_chart(table),
        alt_text="A square per probe picture and epoch: the darker, the likelier the right answer.",
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
        color=alt.Color("probability:Q", scale=alt.Scale(domain=[0, 1], range=list(_SHADES)), legend=None),
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
        color=alt.when(alt.datum.probability > _WHITE_TEXT_ABOVE)
        .then(alt.value("white"))
        .otherwise(alt.value("#14181a")),
    )
    return (squares + numbers).properties(height=alt.Step(26))
