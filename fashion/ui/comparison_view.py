"""Several runs side by side on the Runs page: which is better, in which settings they differ, and their curves.

What runs came to is put together in `fashion.summary`; the list of runs and one run alone are in `run_view.py`.
"""

import altair as alt
import pandas as pd
import streamlit as st

from fashion import summary, sweep_results, weight_mean
from fashion.comparison import in_words, of_runs
from fashion.errors import FashionError
from fashion.summary import RunSummary
from fashion.ui import cache, charts, components, state

# More lines than this cannot be told apart, however coloured.
MAX_COMPARED = 8
_SHORT_NAME = 15
# Pixels from a ring down to its number, highest accuracy first: 14 or more apart, however close the rings are.
_LABELS_AT = (-14, 16, 30)


def comparison(ticked: list[RunSummary]) -> None:
    """Two or more runs: which is better, in which settings they differ, and their curves over each other."""
    st.subheader(f"{len(ticked)} runs compared", anchor=False)
    _verdict(ticked)
    if len(ticked) > MAX_COMPARED:
        st.caption(f"The first {MAX_COMPARED} that were ticked are drawn.")
        ticked = ticked[:MAX_COMPARED]
    different = summary.settings_side_by_side(ticked)
    if len(different):
        st.table(different, hide_index=True, border="horizontal")
    else:
        st.caption("All settings are the same.")
    trained = [one for one in ticked if not one.settings.mean_of]
    if means := [
        name for name, one in zip(summary.unique_names(ticked), ticked, strict=True) if one.settings.mean_of
    ]:
        st.caption(
            f"Not drawn: {components.plain(', '.join(means))}. The weights are the mean of others', so there are no epochs."
        )
    if trained:
        curves(trained, axis_key=state.AXIS_COMPARED)
    _mean_offer(ticked)


def _mean_offer(ticked: list[RunSummary]) -> None:
    """A button that makes one network of those that are ticked, where that can be done."""
    several = [one.run for one in ticked]
    if any(one.status.active or one.run.shipped for one in ticked) or not weight_mean.fits(several):
        return
    st.markdown("**One network of them**")
    st.caption(
        "They were fine-tuned from the same pretrained network, so the mean of their weights is a network, too: it mostly errs "
        "less than each of them, and takes no longer to answer (a model soup: Wortsman et al. 2022). Nothing is trained; it is "
        "tested once, at the end."
    )
    if not st.button("Average their weights", icon=":material/merge:", key="_average"):
        return
    try:
        run = cache.queue().submit(weight_mean.settings_of([run.id for run in several]), state.visitor())
    except FashionError as error:
        st.error(components.harmless(str(error)), icon=":material/block:")
    else:
        state.link_ids(state.RUNS, [])
        state.link_ids(state.OPEN, [run.id])
        st.rerun()


_BY_PICTURES = (
    "The interval covers the chance of these test pictures, not the luck of one training: the same settings with another seed "
    "can differ by about as much. Train both with several seeds to be sure (Train page, Several values at once). How many "
    "pictures it would take is for a chance of 80 % to see a difference of the size seen."
)
_OF_MANY = (
    "The two with the highest validation accuracy, compared on the test pictures, which had no part in choosing them: over "
    "seeds, where the same settings were trained with several, otherwise picture by picture. "
)


def _verdict(ticked: list[RunSummary]) -> None:
    """Whether one of two is better, or the best of more, in a sentence."""
    try:
        if len(ticked) == 2:
            sentence = in_words(of_runs(*ticked), *summary.unique_names(ticked))
        else:
            sentence = sweep_results.verdict_of_runs(ticked)
    except FashionError as error:
        st.caption(components.plain(str(error)))
        return
    if not sentence:
        return
    picked = "Compared picture by picture. " if len(ticked) == 2 else _OF_MANY
    st.markdown(f"**{components.harmless(sentence)}**", help=picked + _BY_PICTURES)


def curves(shown: list[RunSummary], axis_key: str = state.AXIS) -> None:
    """Loss and accuracy of training and validation, of one run or several, over epochs or seconds."""
    values = summary.curves(shown)
    if values.empty:
        st.info("No epoch is finished yet, so there is no curve.", icon=":material/info:")
        return
    axis = st.segmented_control(
        "Drawn over",
        ["epochs", "training seconds"],
        default="epochs",
        required=True,
        help="Over seconds, a run that learns more per epoch but needs longer for it loses its advantage. Compare "
        "seconds only of runs on the same machine.",
        **state.in_url(axis_key),
    )
    sizes = {one.validation.n for one in shown if one.validation}
    st.caption(
        f"Solid: training pictures. Dashed: {' or '.join(f'{size:,}' for size in sorted(sizes))} validation pictures. The "
        f"ring marks the best epoch, which was kept.{_judged_otherwise(shown)}"
    )
    names = "-".join(summary.unique_names(shown))
    head_epochs = summary.head_epochs(shown[0].run) if len(shown) == 1 else None
    for column, measure in zip(st.columns(2, gap="medium"), ("accuracy", "loss"), strict=True):
        with column:
            charts.place(
                curve_chart(
                    values, measure, "seconds" if axis == "training seconds" else "epoch", head_epochs
                ),
                alt_text=f"{measure.capitalize()} of training and validation over {axis} for {names}.",
                table=values[["run", "curve", "epoch", "seconds", measure]],
                name=f"{names}-{measure}",
            )


def _judged_otherwise(shown: list[RunSummary]) -> str:
    """Why a ring's accuracy is not quite that of the finished network, where that judges mirror images too; or nothing."""
    if not any(one.settings.mirror for one in shown):
        return ""
    return (
        " Here each validation photo was judged once; a finished network that judges its mirror image, too, may get a few "
        "more or fewer right than its ring says."
    )


def curve_chart(values: pd.DataFrame, measure: str, x: str, head_epochs: int | None = None) -> alt.LayerChart:
    """One measure over epochs or seconds: a colour per run (or per curve, for one run), dashes for validation.

    `values`: as from `summary.curves`. `measure`: "accuracy" or "loss". `x`: "epoch" or "seconds". `head_epochs`: after
    how many epochs fine-tuning began, which is marked.
    """
    names = list(dict.fromkeys(values.run))
    if len(names) == 1:
        colour = alt.Color("curve:N", scale=charts.curve_scale(), legend=_legend())
    else:
        scale = alt.Scale(domain=names, range=list(charts.CLASS_COLOURS[: len(names)]))
        colour = alt.Color("run:N", scale=scale, legend=_legend(max(map(len, names))))
    base = alt.Chart(values).encode(
        x=alt.X(
            f"{x}:Q",
            title="epoch" if x == "epoch" else "training time in seconds",
            scale=alt.Scale(zero=x == "seconds", nice=False, padding=14),  # room for the ring's label
            axis=alt.Axis(tickMinStep=1, format="d" if x == "epoch" else ",~f", tickCount=6),
        ),
        y=alt.Y(
            f"{measure}:Q",
            title=measure,
            scale=alt.Scale(zero=False),
            axis=alt.Axis(format="~%" if measure == "accuracy" else "~f"),
        ),
        color=colour,
        tooltip=[
            "run:N",
            "curve:N",
            "epoch:Q",
            alt.Tooltip("seconds:Q", title="seconds of training", format=",.1f"),
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("loss:Q", format=".4f"),
        ],
    )
    lines = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("curve:N", scale=charts.curve_dash(), legend=None),
        detail=["run:N", "curve:N"],
    )
    points = base.mark_point(filled=True, size=30, opacity=1)
    best = base.transform_filter("datum.best").mark_point(size=160, strokeWidth=2, filled=False, opacity=1)
    layers = [lines, points, best]
    if measure == "accuracy" and len(names) <= len(_LABELS_AT):  # more labels would cover each other
        layers += _best_labels(base, values)
    ends_of_head = values[x][values.epoch == head_epochs]
    if len(ends_of_head):
        layers += charts.beginning(float(ends_of_head.iloc[0]), "fine-tuning", x)
    return alt.layer(*layers).properties(height=300)


def _best_labels(base: alt.Chart, values: pd.DataFrame) -> list[alt.Chart]:
    """The accuracy at each run's ring: of the highest above its ring, of the others below."""
    ranked = values[values.best].sort_values("accuracy", ascending=False, kind="stable").run
    return [
        base.transform_filter(alt.FieldEqualPredicate(field="run", equal=name))
        .transform_filter("datum.best")
        .mark_text(dy=down)
        .encode(text=alt.Text("accuracy:Q", format=".1%"), color=alt.value(charts.MIDDLE_GREY))
        for name, down in zip(ranked, _LABELS_AT, strict=False)
    ]


def _legend(length: int = 0) -> alt.Legend:
    """length: of the longest name; two long ones beside each other would be cut off on a phone."""
    columns = 2 if length <= _SHORT_NAME else 1
    return alt.Legend(title=None, orient="top", symbolType="stroke", columns=columns, labelLimit=220)
