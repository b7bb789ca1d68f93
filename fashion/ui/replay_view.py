"""A run once more, epoch by epoch, as if it were live: its curves and its probe pictures as they stood after each epoch.

It draws only what the run wrote while it was trained, so it costs nothing, and works for runs that come without weights.
"""

from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from fashion import evaluation, lessons, runs, summary
from fashion.settings import PHOTOS
from fashion.summary import RunSummary
from fashion.ui import charts, comparison_view, components, evaluation_view, state

SECONDS_PER_EPOCH = 0.7
_TICK_TOLERANCE = 0.6  # a tick may come a little early


@dataclass(frozen=True, eq=False)
class Scene:
    """All that the replay of a run draws, read once.

    values: as from `summary.curves`. probes: float (epochs, p, classes), and labels (p,), or None where they are not stored.
    images: the probe pictures ready for `components.picture_grid`, or None where they are not on this machine.
    """

    one: RunSummary
    values: pd.DataFrame
    probes: np.ndarray | None
    labels: np.ndarray | None
    images: list | None

    @property
    def num_epochs(self) -> int:
        return int(self.values.epoch.max())


def recorded() -> list[RunSummary]:
    """The runs that come with the lessons, without weights: they can be looked at and replayed like any other."""
    found = [run for lesson in lessons.LESSONS for run in runs.recorded(lesson.slug)]
    return summary.summarise_all(found)[0]


def replay(one: RunSummary) -> None:
    """A slider over the epochs, a button that plays them, and what was known after the epoch it stands on."""
    values = summary.curves([one])
    if values.empty:
        st.info("No epoch is finished yet, so there is nothing to replay.", icon=":material/info:")
        return
    scene = _scene(one, values)
    playing = state.playing() == one.run.id
    # Another key when it plays: the ticking belongs to the fragment as it was first called.
    st.fragment(
        _player, run_every=SECONDS_PER_EPOCH if playing else None, key=f"replay-{one.run.id}-{playing}"
    )(scene, playing)


def _scene(one: RunSummary, values: pd.DataFrame) -> Scene:
    stored, arrays = one.run.probes(), one.run.evaluation()
    part = evaluation_view.pictures(one, "validation") if one.data_digest and stored is not None else None
    labels = arrays["validation_labels"] if arrays else part.labels if part is not None else None
    if stored is None or labels is None or not len(stored["probabilities"]):
        return Scene(one, values, None, None, None)
    evaluation_view.probe_table(stored, labels, one.classes)  # for its errors
    positions = stored["indices"]
    images = None if part is None else list(components.to_look_at(part, positions))
    return Scene(
        one, values, stored["probabilities"].astype(np.float64), labels[positions].astype(int), images
    )


def _player(scene: Scene, was_playing: bool) -> None:
    num_epochs, name = scene.num_epochs, scene.one.run.id
    playing = state.playing() == name
    if playing != was_playing:
        st.rerun()  # the whole page: the ticking begins or ends
    epoch = _controls(name, num_epochs, playing)
    _standing(scene, epoch)
    _curves(scene, epoch)
    _probes(scene, epoch)
    if playing and epoch == num_epochs:
        state.play("")
        st.rerun()


def _controls(name: str, num_epochs: int, playing: bool) -> int:
    """Slider and button; returns the epoch to show, which moves on while it plays."""
    if num_epochs == 1:
        st.caption("The run has only one epoch.")
        return 1
    state.limit(state.EPOCH, 1, num_epochs)
    if playing and state.next_due(_TICK_TOLERANCE * SECONDS_PER_EPOCH):
        state.choose(state.EPOCH, min(int(state.chosen(state.EPOCH, 0)) + 1, num_epochs))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Pause" if playing else "Play",
            icon=":material/pause:" if playing else ":material/play_arrow:",
            key="_play",
            on_click=_toggle,
            args=(name, num_epochs),
            help=None
            if playing
            else f"About {SECONDS_PER_EPOCH:g} s an epoch; from the first one when the last is shown.",
        )
        return st.slider(
            "Epoch",
            1,
            num_epochs,
            num_epochs,
            on_change=state.play,
            args=("",),  # whoever takes the slider wants to look
            **state.in_url(state.EPOCH),
        )


def _toggle(name: str, num_epochs: int) -> None:
    if state.playing() == name:
        state.play("")
        return
    if state.chosen(state.EPOCH, num_epochs) == num_epochs:
        state.choose(state.EPOCH, 1)
    state.play(name)


def _standing(scene: Scene, epoch: int) -> None:
    """What was known after this epoch, in words: this is also what a screen reader reads."""
    rows = scene.values[scene.values.epoch == epoch].set_index("curve")
    learned, checked = rows.accuracy["training"], rows.accuracy["validation"]
    n = scene.one.validation.n if scene.one.validation else 0
    correct = round(checked * n)
    low, high = evaluation.wilson_interval(correct, n)
    so_far = best_so_far(scene.values, epoch)
    st.markdown(
        f"**After epoch {epoch} of {scene.num_epochs}:** validation accuracy {checked:.1%} ({correct:,} of {n:,}, 95 % interval "
        f"{low:.1%} to {high:.1%}), training {learned:.1%}. Best so far: epoch {so_far}."
    )


def best_so_far(values: pd.DataFrame, epoch: int) -> int:
    """The epoch that was kept after this one: the first of those with the highest validation accuracy until then."""
    seen = values[(values.curve == "validation") & (values.epoch <= epoch)]
    return int(seen.epoch[seen.accuracy.idxmax()])


def _curves(scene: Scene, epoch: int) -> None:
    head_epochs = summary.head_epochs(scene.one.run)
    for column, measure in zip(st.columns(2, gap="medium"), ("accuracy", "loss"), strict=True):
        with column:
            charts.draw(
                curve_until(scene.values, measure, epoch, head_epochs),
                width="stretch",
                alt=f"{measure.capitalize()} of training and validation until epoch {epoch} of {scene.num_epochs}.",
            )
    st.caption(
        "Solid: training. Dashed: validation. The ring marks the best epoch so far. Axes as at the end of the run."
    )


def curve_until(
    values: pd.DataFrame, measure: str, epoch: int, head_epochs: int | None = None
) -> alt.LayerChart:
    """The curves until an epoch, on the axes of the whole run, so that they grow in a frame that stands still.

    `values`: as from `summary.curves`, of one run. `measure`: "accuracy" or "loss".
    """
    best = (values.curve == "validation") & (values.epoch == best_so_far(values, epoch))
    seen = values.assign(best=best)[values.epoch <= epoch]
    drawn = comparison_view.curve_chart(seen, measure, "epoch", head_epochs)
    frame = (
        alt.Chart(values[["epoch", measure]])
        .mark_point(opacity=0, tooltip=None)
        .encode(x="epoch:Q", y=f"{measure}:Q")
    )
    return drawn + frame


def _probes(scene: Scene, epoch: int) -> None:
    """The probe pictures with what the network said of them after this epoch; in words where they are not here."""
    if scene.probes is None or epoch > len(scene.probes):
        return
    table = answers(scene.probes[epoch - 1], scene.labels, scene.one.classes)
    st.markdown(
        f"**Probe pictures after epoch {epoch}:** {int((table.answer == table.label).sum())} of {len(table)} right. They are "
        "validation pictures, which the network does not learn from. A dozen are an illustration, no measurement."
    )
    if scene.images is None:
        shares = ["for the answer", "for the label"]
        st.dataframe(
            table.assign(**{name: 100 * table[name] for name in shares}),
            hide_index=True,
            column_config=dict.fromkeys(shares, st.column_config.NumberColumn(format="%.0f%%")),
            alt=f"Answers about the probe pictures after epoch {epoch}",
        )
        return
    captions, alts = [], []
    for answer, label, claimed, _ in table.itertuples(index=False, name=None):
        captions.append(evaluation_view.answer_caption(answer, label, f"{claimed:.0%}"))
        alts.append(
            f"{label}, {'rightly' if answer == label else 'wrongly'} called {answer} with {claimed:.0%} after epoch {epoch}"
        )
    size = 104 if scene.one.settings.dataset in PHOTOS else 88
    components.picture_grid(scene.images, captions, alts=alts, key="_replay_grid", size=size)


def answers(probabilities: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """What the network said of the probe pictures: columns answer, label (names), and the probability (0 to 1) for each.

    probabilities: (p, classes). labels: the right ones (p,).
    """
    said, rows = probabilities.argmax(axis=1), np.arange(len(labels))
    return pd.DataFrame(
        {
            "answer": [classes[number] for number in said],
            "label": [classes[number] for number in labels],
            "for the answer": probabilities[rows, said],
            "for the label": probabilities[rows, labels],
        }
    )
