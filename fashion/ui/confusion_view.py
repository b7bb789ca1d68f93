"""The confusion matrix of a tested run, and the pictures behind each of its cells.

What is counted comes from `evaluation.py`; pictures with their answers are drawn by `evaluation_view.py`.
"""

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from fashion import evaluation
from fashion.summary import Predictions, RunSummary
from fashion.ui import charts, evaluation_view, state

PER_PAGE = 24
_CELL = "cell"
_BY_HAND = "_cells_chosen_by_hand"


def confusion(one: RunSummary, said: Predictions) -> None:
    """The confusion matrix; a click on a cell, or two choices, show the pictures that were counted in it."""
    classes = one.classes
    matrix = evaluation.confusion_matrix(said.labels, said.probabilities.argmax(axis=1), len(classes))
    cells = confusion_cells(matrix, classes)
    right = evaluation.accuracy(said.probabilities, said.labels)
    st.markdown(
        f"How often each class was taken for each: {right.correct:,} of {right.n:,} {said.split} pictures are right, on the "
        f"diagonal ({right.value:.1%}, 95 % interval {right.low:.1%} to {right.high:.1%}). The stronger its colour, the larger is a "
        "cell's share of its row. Click a cell to see its pictures."
    )
    key = confusion_key(one, said)
    _follow_click(key, classes)
    above = st.container()
    true, predicted = _cell_input(matrix, classes)
    with above:
        chosen = cells[(cells.true == true) & (cells.predicted == predicted)]
        charts.draw(
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
        # Cells without pictures stay empty, so that a single picture shows.
        alt.Chart(cells[cells["count"] > 0])
        .mark_rect(cornerRadius=2, cursor="pointer")
        .encode(
            # The square root sets 1 % apart from 3 %, which is where the mistakes are.
            color=alt.Color(
                "share:Q",
                scale=charts.share_scale("sqrt"),
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
    ink = charts.ink_on("share", empty="datum['count'] == 0")
    return alt.Chart(cells).mark_text(fontSize=11, cursor="pointer").encode(text="count:Q", color=ink)


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
    part = evaluation_view.pictures(one, said.split)
    num_pages = -(-len(members) // PER_PAGE)
    state.limit("_cell_page", 1, num_pages)
    grid = st.container()
    page = st.pagination(num_pages, key="_cell_page") if num_pages > 1 else 1
    first = (page - 1) * PER_PAGE
    shown = members[first : first + PER_PAGE]
    with grid:
        st.caption(
            f"{first + 1:,} to {first + len(shown):,}, the most confident first. {evaluation_view.SAID_MEANS}"
        )
        evaluation_view.show_answers(said, shown, classes, part, key="_cell_grid")
    if not right:
        evaluation_view.label_note()
