"""Results of experiments that compare no accuracies: a range test, changed validation pictures, the homework's test."""

import altair as alt
import pandas as pd
import streamlit as st

from fashion import lessons_results, range_test, watched
from fashion.lessons_results import Outcome
from fashion.range_test import Suggestion
from fashion.runs import Run
from fashion.ui import charts


def range_of_rates(run: Run) -> None:
    """The loss against the learning rate of a range test, with the steepest place, and what it suggests."""
    table = range_test.read(run)
    if table.empty:
        return
    found = range_test.suggest(table)
    charts.place(
        range_chart(table, found),
        alt_text="Loss against the learning rate, which rises at each step: "
        + range_test.in_words(found).replace("*", ""),
        table=table,
        name=f"{run.id}-range",
    )
    st.caption("Points: the loss of each batch. Line: their moving average over about ten batches.")


def range_chart(table: pd.DataFrame, found: Suggestion | None) -> alt.LayerChart:
    """`table`: as from `range_test.read`; the steepest place is marked and named."""
    top = float(table.smoothed.max()) * 1.15
    base = alt.Chart(table[table.loss <= top]).encode(
        x=alt.X(
            "learning_rate:Q",
            title="learning rate",
            scale=alt.Scale(type="log", nice=False),
            axis=alt.Axis(format="~r", values=[10.0**power for power in range(-6, 2)], labelOverlap="greedy"),
        ),
        tooltip=[
            alt.Tooltip("step:Q"),
            alt.Tooltip("learning_rate:Q", title="learning rate", format=".2~g"),
            alt.Tooltip("loss:Q", title="loss of the batch", format=".3f"),
            alt.Tooltip("smoothed:Q", title="moving average", format=".3f"),
        ],
    )
    y = alt.Scale(domain=[0, top], clamp=True)
    layers = [
        base.mark_point(filled=True, size=14, opacity=0.5, color=charts.MIDDLE_GREY).encode(
            y=alt.Y("loss:Q", title="training loss", scale=y)
        ),
        base.mark_line(strokeWidth=2, color=charts.SPLIT_COLOURS["training"]).encode(
            y=alt.Y("smoothed:Q", scale=y)
        ),
    ]
    if found is not None:
        place = table[table.learning_rate == found.steepest].assign(bottom=0.0)
        marked = alt.Chart(place).encode(x="learning_rate:Q")
        layers += [
            marked.mark_rule(strokeDash=[4, 4], color=charts.SPLIT_COLOURS["validation"]),
            marked.mark_point(
                size=140, filled=True, shape="diamond", opacity=1, color=charts.SPLIT_COLOURS["validation"]
            ).encode(y="smoothed:Q"),
            # At the bottom left of the line, where no loss is.
            marked.mark_text(
                align="right", baseline="bottom", dx=-6, dy=-4, fontSize=12, color=charts.MIDDLE_GREY
            ).encode(y="bottom:Q", text=alt.value(f"steepest at {found.steepest:.1g}")),
        ]
    return alt.layer(*layers).properties(height=280)


def exams(own: list[Outcome]) -> None:
    """What the validation curves showed, and what the kept epochs are worth on pictures as they are."""
    table = lessons_results.exams(own)
    if table.empty:
        return
    charts.place(
        exams_chart(table),
        alt_text="Accuracy of both runs in three exams with 95 % intervals: on their validation curve, on validation pictures as "
        "they are, on test pictures.",
        table=table.rename(columns={"low": "95 % from", "high": "95 % to"}),
        name="augmented-validation",
    )


def exams_chart(table: pd.DataFrame) -> alt.FacetChart:
    """A point with its interval for each run in each exam. `table`: as from `lessons_results.exams`."""
    labels = list(dict.fromkeys(table.label))
    colour = alt.Color(
        "label:N",
        scale=alt.Scale(domain=labels, range=list(charts.CLASS_COLOURS[: len(labels)])),
        legend=alt.Legend(title="validation pictures", orient="top"),
    )
    base = alt.Chart(table).encode(
        y=alt.Y(
            "exam:N", sort=list(lessons_results.EXAMS), title=None, axis=alt.Axis(labelLimit=130, ticks=False)
        ),
        yOffset=alt.YOffset("label:N", sort=labels),
        color=colour,
        tooltip=[
            alt.Tooltip("label:N", title="validation pictures"),
            "exam:N",
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("low:Q", title="95 % from", format=".1%"),
            alt.Tooltip("high:Q", title="95 % to", format=".1%"),
            "n:Q",
        ],
    )
    x = alt.X(
        "low:Q",
        title="accuracy, 95 % interval",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    rules = base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q")
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x="accuracy:Q", shape=alt.Shape("label:N", sort=labels, legend=None)
    )
    return alt.layer(rules, points).properties(height=alt.Step(22))


def epochs_with_test(run: Run) -> None:
    """Training and test epoch by epoch, and where the random changes began, of a run that watched the test."""
    tested, log, begins = watched.read(run), run.log(), run.settings.augment_from
    if tested.empty:
        return
    table = pd.concat(
        [
            pd.DataFrame(
                {"curve": "training", "epoch": log.epoch, "loss": log.loss, "accuracy": log.accuracy}
            ),
            pd.DataFrame(
                {
                    "curve": "test",
                    "epoch": tested.epoch,
                    "loss": tested.test_loss,
                    "accuracy": tested.test_accuracy,
                }
            ),
        ],
        ignore_index=True,
    )
    st.caption(
        f"Solid: training. Dashed: **test**. After epoch {begins} the training photos are changed at random."
    )
    for column, measure in zip(st.columns(2, gap="medium"), ("accuracy", "loss"), strict=True):
        with column:
            charts.place(
                epochs_chart(table, measure, begins if begins < len(log) else 0),
                alt_text=f"{measure.capitalize()} of training and test over the epochs; the random changes begin after {begins}.",
                table=table[["curve", "epoch", measure]],
                name=f"{run.id}-test-{measure}",
            )


def epochs_chart(table: pd.DataFrame, measure: str, begins: int) -> alt.LayerChart:
    """`table`: columns curve ("training" or "test"), epoch and the measure. begins: the last epoch without changes, or 0."""
    curves = ["training", "test"]
    base = alt.Chart(table).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            scale=alt.Scale(zero=False, nice=False, padding=10),
            axis=alt.Axis(tickMinStep=1, format="d", tickCount=6),
        ),
        y=alt.Y(
            f"{measure}:Q",
            title=measure,
            scale=alt.Scale(zero=False),
            axis=alt.Axis(format="~%" if measure == "accuracy" else "~f"),
        ),
        color=alt.Color(
            "curve:N",
            scale=alt.Scale(domain=curves, range=list(charts.SPLIT_COLOURS.values())),
            legend=alt.Legend(title=None, orient="top", symbolType="stroke"),
        ),
        strokeDash=alt.StrokeDash(
            "curve:N", scale=alt.Scale(domain=curves, range=[[1, 0], [5, 3]]), legend=None
        ),
        tooltip=["curve:N", "epoch:Q", alt.Tooltip(f"{measure}:Q", format=".4f")],
    )
    layers = [base.mark_line(strokeWidth=2), base.mark_point(filled=True, size=30, opacity=1)]
    if begins:
        layers += charts.beginning(begins, "augmentation")
    return alt.layer(*layers).properties(height=280)
