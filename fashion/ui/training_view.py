"""A training run on the page: starting it, choosing which one to watch, and its live view.

Everything shown is read from the run folder, so it is the same after a reload, and for every visitor.
"""

import functools
import time

import altair as alt
import pandas as pd
import streamlit as st

from fashion import (
    datasets,
    estimate,
    evaluation,
    feature_store,
    jobs,
    made_here,
    model_card,
    runs,
    summary,
    sweep_results,
)
from fashion.errors import FashionError
from fashion.settings import PHOTO_DEFAULTS, PHOTOS, RunSettings
from fashion.ui import (
    cache,
    charts,
    components,
    evaluation_view,
    outlook_view,
    run_line,
    settings_view,
    state,
    sweep_results_view,
    ticking,
)


def start_button(settings: RunSettings) -> None:
    """Start a run with these settings and watch it; where something is in its way, what, and a way round."""
    obstacle = outlook_view.obstacle(settings)
    status = datasets.status(settings.dataset)
    if obstacle and not status.present:
        components.missing_dataset(status)
        _offer_vectors(settings)
    elif obstacle:
        st.error(components.harmless(obstacle), icon=":material/block:")
        if feature_store.obstacle(settings):
            _offer_vectors(settings)
    elif st.button("Start", type="primary", icon=":material/play_arrow:"):
        try:
            run = cache.queue().submit(settings, state.visitor())
        except FashionError as error:
            st.error(str(error), icon=":material/block:")
        else:
            watch(run.id)


def made_before(settings: RunSettings) -> None:
    """A button to the run with just these settings, where somebody has had it made here, or has it made now; one's own that is
    under way stands among the unfinished ones anyway."""
    made = made_here.run(settings)
    if made is None or (made.finished is None and made.visitor == state.visitor()):
        return
    if st.button(
        run_line.made_here_label(made, "run"),
        icon=":material/group:",
        key="_made_before",
        type="tertiary",
        help="It has just these settings, seed included, so yours would come out alike.",
    ):
        watch(made.name)


def _offer_vectors(settings: RunSettings) -> None:
    """Where something is missing for photos, what can be done without: a head on the vectors that come with the app."""
    if settings.dataset in PHOTOS and outlook_view.obstacle(PHOTO_DEFAULTS) is None:
        st.button(
            "Train a head on stored vectors",
            icon=":material/bolt:",
            on_click=settings_view.fill_in,
            args=(PHOTO_DEFAULTS,),
            help="The vectors that a pretrained network made of these photos are here. They are all that a new head needs.",
        )


def watch(name: str | None) -> None:
    """Show this run on the Train page, or the form again; and put it into the link."""
    if name is None:
        st.query_params.pop(state.RUN, None)
    else:
        st.query_params[state.RUN] = name
    st.rerun()


def watched_run() -> runs.Run | None:
    """The run that the link asks to watch, or None; a name that is none, or a damaged run, is told."""
    name = st.query_params.get(state.RUN)
    if name is None:
        return None
    try:
        run = runs.find(name)
        summary.summarise(run)  # for its errors
        return run
    except FashionError as error:
        st.warning(components.harmless(str(error)), icon=":material/link_off:")
        return None


def unfinished() -> None:
    """Buttons to the runs that are waiting or running now, so that nobody loses sight of one."""
    everything = jobs.active_runs()
    active = {run: status for run, status in everything if run.kind == "training"}
    groups = [status.group for status in active.values()]
    for group in dict.fromkeys(filter(sweep_results.is_sweep, groups)):
        sweep_results_view.watch_button(group, groups.count(group))
    single = runs.readable(
        [run for run, status in active.items() if not sweep_results.is_sweep(status.group)]
    )[0]
    mine = [run for run in single if active[run].visitor == state.visitor()]
    for run in mine:
        _watch_button(run, active[run], everything)
    if others := [run for run in single if run not in mine]:
        with st.popover(f"{components.counted(len(others), 'other unfinished run')} on this machine"):
            for run in others:
                _watch_button(run, active[run], everything)


def _watch_button(run: runs.Run, status: runs.Status, active: list[tuple[runs.Run, runs.Status]]) -> None:
    before = jobs.count(jobs.ahead_of(run, active))
    stands = f"number {before} in line" if before else "next in line"
    if status.state == "running":
        stands = "running" if status.phase != "waiting" else "waiting for its experiment"
    if st.button(f"Watch: {title(run)}, {stands}", key=f"_watch_{run.id}", type="tertiary"):
        watch(run.id)


def title(run: runs.Run) -> str:
    """A run in a few words: what is trained, and on what."""
    name = estimate.describe(run.settings)
    return f"{name} on {datasets.DATASETS[run.settings.dataset].title}"


def live(run: runs.Run) -> None:
    """The run as it is now, refreshed every second while it is unfinished."""
    cache.queue()  # a server that was restarted goes on serving its queue as soon as anyone looks
    active = run.status().active
    ticking.part(_live, run, active, seconds=1.0 if active else None, key=f"live-{run.id}-{active}")


def _live(run: runs.Run, was_active: bool) -> None:
    status = run.status()
    if was_active and not status.active:
        st.rerun()  # the whole page: the run has ended, so its buttons change and the ticking stops
    _progress(run, status)
    version, log, steps = cache.curves(run)
    if steps.empty and log.empty:
        if status.active:
            st.caption(
                "The first curve appears when all photos have become vectors. They are kept: the next run on them starts at "
                "once."
                if status.phase == "features"
                else "The first curve appears a few seconds after the start."
            )
        return
    _numbers(run, status, log)
    if run.settings.mean_of:
        components.no_epochs()
        return
    left, right = st.columns(2, gap="medium")
    head_epochs = summary.head_epochs(run)
    num_epochs = _epochs_shown(run, head_epochs)
    if status.state == "finished" and status.reason:  # its time limit ended it before its last epoch
        num_epochs = max(len(log), 1)
    for column, measure in ((left, "loss"), (right, "accuracy")):
        with column:
            charts.place(
                functools.partial(curve, steps, log, measure, num_epochs, head_epochs),
                alt_text=f"{measure.capitalize()} of training and validation over the epochs so far.",
                table=log[["epoch", measure, f"val_{measure}"]],
                name=f"{run.id}-{measure}",
                version=(*version, num_epochs, head_epochs),
            )
    _probes(run)
    for column, field, title, number_format in (
        (left, "learning_rate", "learning rate", "~g"),
        (right, "images_per_second", "images per second", ",.0f"),
    ):
        with column:
            charts.place(
                functools.partial(_small_curve, run.settings, steps, field, title, number_format, num_epochs),
                alt_text=f"The {title} over the run.",
                table=steps[["step", "epoch", field]],
                name=f"{run.id}-{field}",
                version=(*version, num_epochs),
            )


def _epochs_shown(run: runs.Run, head_epochs: int | None) -> int:
    """How far the axis goes: early stopping may have ended the head before its last epoch."""
    settings = run.settings
    if head_epochs is not None:
        return head_epochs + settings.fine_tune_epochs
    # While the head is trained, its fast epochs have the whole width.
    return min(settings.epochs, settings.num_epochs)


_PHASE_WORDS = {
    "waiting": "Waiting for the runs of its experiment that come before it …",
    "starting": "Starting the worker and loading the framework …",
    "teachers": "Asking the teacher …",
    "features": "Loading the pretrained network …",
    "averaging": "Averaging the weights …",
    "training": "Training",
    "testing": "Testing the network …",
    "exporting": "Exporting the model for prediction …",
    "comparing": "Looking at the training photos …",
}


def _progress(run: runs.Run, status: runs.Status) -> None:
    """State in words, a bar with the time left, and what can be done now."""
    if status.state == "queued":
        st.progress(0.0, run_line.place(run))
    elif status.state == "running":
        fraction, words = _phase(run, status)
        st.progress(fraction, words)
    elif status.state == "failed":
        st.error(components.harmless(status.reason), icon=":material/error:")
    elif status.state in ("stopped", "interrupted"):
        words = components.first_in_bold(components.harmless(summary.ending(status)))
        st.warning(words, icon=":material/pause_circle:")
    elif status.reason:
        st.info(components.harmless(status.reason), icon=":material/timer:")
    _actions(run, status)


def _phase(run: runs.Run, status: runs.Status) -> tuple[float, str]:
    """How much of what a running worker does now is done, 0 to 1, and that in words."""
    left = [f"{estimate.in_words(status.seconds_left)} left"] if status.seconds_left is not None else []
    speed = [f"{status.images_per_second:,.0f} images/s"] if status.images_per_second else []
    fraction, parts = status.fraction, [_PHASE_WORDS.get(status.phase, "Running")]
    if status.phase == "features" and status.num_steps:
        parts = [f"Turning photos into vectors, {status.step:,} of {status.num_steps:,}", *left]
    elif status.phase == "teachers":
        parts = [f"Asking the teacher, {status.step:,} of {status.num_steps:,} pictures", *left]
    elif status.phase in runs.ENDING and status.num_steps:
        parts[0] = f"{parts[0].removesuffix(' …')}, {status.step:,} of {status.num_steps:,}"
        parts += left
    elif status.phase == "training":
        parts = [f"Epoch {min(status.epoch + 1, status.num_epochs)} of {status.num_epochs}", *speed, *left]
        limit = run.settings.seconds_limit
        if limit and status.training_started:  # it may end before its last epoch
            fraction = min(max(fraction, (time.time() - status.training_started) / limit), 1.0)
        if _has_parts(run.settings):
            fraction, parts = _part(run, status, speed, left)
    if runs.stop_request(run) and status.phase in ("teachers", "features", "training"):
        parts = ["Stopping …"]
    return fraction, " · ".join(parts)


def _has_parts(settings: RunSettings) -> bool:
    """Whether a head is trained first and fine-tuning follows, with epochs a hundred times as long."""
    return settings.num_epochs > settings.epochs


def _part(run: runs.Run, status: runs.Status, speed: list[str], left: list[str]) -> tuple[float, list[str]]:
    """How much of the head, or of fine-tuning, is done, and that in words."""
    settings, head_epochs = run.settings, summary.head_epochs(run)
    within = status.step / status.num_steps if status.num_steps else 0.0
    if head_epochs is None or status.epoch < head_epochs:
        fraction, number = (status.epoch + within) / settings.epochs, status.epoch + 1
        words = f"The new head: epoch {min(number, settings.epochs)} of {settings.epochs}"
        return min(fraction, 1.0), [words, *speed, "then fine-tuning"]
    done, count = status.epoch - head_epochs, settings.fine_tune_epochs
    if not done and not status.step:
        return 0.0, ["Fine-tuning: the first step, which builds the network's program …"]
    words = f"Fine-tuning: epoch {min(done + 1, count)} of {count}"
    return min((done + within) / count, 1.0), [words, *speed, *left]


def _actions(run: runs.Run, status: runs.Status) -> None:
    queue = cache.queue()
    with st.container(horizontal=True):
        if status.active:
            st.button(
                **run_line.stop_words(status, "Ends at the next step and keeps the best epoch."),
                icon=":material/stop:",
                on_click=queue.stop,
                args=(run,),
                disabled=runs.stop_request(run) is not None,
                key="_stop",
            )
            return
        if run.can_predict and st.button(
            "Try it on a photo", icon=":material/photo_camera:", type="primary", key="_try"
        ):
            st.switch_page("pages/predict.py", query_params={"model": run.id})
        # Also of a head on stored vectors, which cannot predict.
        tested = (run.folder / "card.json").exists()
        if tested and st.button("Look at its mistakes", icon=":material/search:", key="_open"):
            st.switch_page("pages/runs.py", query_params={"open": run.id})
        if run.can_predict and st.button("Take it along", icon=":material/luggage:", key="_take"):
            st.switch_page("pages/runs.py", query_params={"open": run.id})
        if status.state in ("stopped", "interrupted", "failed") and (run.can_resume or not run.has_model):
            label = "Resume" if run.can_resume else "Start again"
            st.button(
                label,
                icon=":material/play_arrow:",
                on_click=_queue_again,
                args=(queue.resume, run),
                key="_resume",
                help="Goes on after the last finished epoch." if run.can_resume else None,
            )
        if (
            status.state in ("interrupted", "failed", "finished")
            and run.has_model
            and not (run.shipped or run.can_predict)
        ):
            st.button(
                "Export it" if status.state == "finished" else "Keep the best epoch",
                icon=":material/save:",
                on_click=_queue_again,
                args=(queue.finish, run),
                key="_finish",
                help="Makes the file that predicts."
                if status.state == "finished"
                else "Tests and exports it without training on.",
            )


def _queue_again(action, run: runs.Run) -> None:
    try:
        action(run)
    except FashionError as error:
        st.toast(str(error), icon=":material/error:")


def _numbers(run: runs.Run, status: runs.Status, log: pd.DataFrame) -> None:
    """The best epoch with its interval, and after the end the test."""
    card = run.card()
    with st.container(horizontal=True, gap="medium"):
        if card:
            _accuracy_metric("Test accuracy", card["metrics"]["test"])
            _accuracy_metric("Validation accuracy", card["metrics"]["validation"])
            st.metric(
                "Time for the mean" if run.settings.mean_of else "Training time",
                estimate.in_words(card["train_seconds"]),
                help=f"{card['machine'].get('processor', 'unknown processor')}, {card['device']}, batch size "
                f"{card['batch_size']}, Keras {card['versions'].get('keras')}; start-up and test not counted.",
                width="content",
            )
        elif len(log):
            st.metric("Best validation accuracy", f"{log.val_accuracy.max():.1%}", width="content")
        if status.best_epoch:
            st.metric("Best epoch", f"{status.best_epoch} of {status.num_epochs}", width="content")
        if len(log) and not run.settings.mean_of:
            st.metric("Images per second", f"{log.images_per_second.iloc[-1]:,.0f}", width="content")
    if card:
        st.caption(
            f"{_in_words('Test', card['metrics']['test'])} {_in_words('Validation', card['metrics']['validation'])} "
            f"The test {model_card.pictures_word(run.settings)} {model_card.looked_at(run)}."
        )
        if card.get("no_export"):
            st.info(
                f"It cannot be tried on photos yet. {components.harmless(str(card['no_export']))}",
                icon=":material/info:",
            )
    elif len(log):
        n = datasets.split_sizes(run.settings.dataset, run.settings.class_names)["validation"]
        correct = round(log.val_accuracy.max() * n)
        interval = evaluation.wilson_interval(correct, n)
        st.caption(_in_words("Validation", {"correct": correct, "n": n, "interval": interval}))


def _in_words(split: str, metric: dict) -> str:
    low, high = metric["interval"]
    return f"{split}: {metric['correct']:,} of {metric['n']:,} pictures right, 95 % interval {low:.1%} to {high:.1%}."


def _accuracy_metric(label: str, metric: dict) -> None:
    low, high = metric["interval"]
    st.metric(
        label,
        f"{metric['accuracy']:.1%}",
        help=f"{low:.1%} to {high:.1%} with 95 % confidence, on {metric['n']:,} pictures.",
        width="content",
    )


def curve(
    steps: pd.DataFrame, log: pd.DataFrame, measure: str, num_epochs: int, head_epochs: int | None = None
) -> alt.LayerChart:
    """Training per few steps (thin) and per epoch, validation per epoch, with exact values on hover.

    head_epochs: after how many epochs fine-tuning began, which is marked; None where there is none.
    """
    epochs = pd.concat(
        [
            pd.DataFrame({"epoch": log.epoch, "value": log[measure], "curve": "training"}),
            pd.DataFrame({"epoch": log.epoch, "value": log[f"val_{measure}"], "curve": "validation"}),
        ]
    )
    x = alt.X("epoch:Q", title="epoch", scale=alt.Scale(domain=[0, num_epochs]), axis=alt.Axis(tickMinStep=1))
    percent = ".1%" if measure == "accuracy" else ".3f"
    y = alt.Y(
        "value:Q",
        title=measure,
        scale=alt.Scale(zero=False),
        axis=alt.Axis(format="%" if measure == "accuracy" else "~g"),
    )
    colour = alt.Color(
        "curve:N",
        scale=charts.curve_scale(),
        legend=alt.Legend(title=None, orient="top", symbolType="stroke"),
    )
    tooltip = [
        "curve:N",
        alt.Tooltip("epoch:Q", format=".2f"),
        alt.Tooltip("value:Q", title=measure, format=percent),
    ]
    thin = (
        alt.Chart(steps.assign(value=steps[measure], curve="training")[["epoch", "value", "curve"]])
        .mark_line(strokeWidth=1, opacity=0.45)
        .encode(x=x, y=y, color=colour, tooltip=tooltip)
    )
    lines = (
        alt.Chart(epochs)
        .mark_line(strokeWidth=2.5)
        .encode(
            x=x,
            y=y,
            color=colour,
            strokeDash=alt.StrokeDash("curve:N", scale=charts.curve_dash(), legend=None),
        )
    )
    points = (
        alt.Chart(epochs).mark_point(filled=True, size=60).encode(x=x, y=y, color=colour, tooltip=tooltip)
    )
    marks = charts.beginning(head_epochs, "fine-tuning") if head_epochs is not None else ()
    return alt.layer(thin, lines, points, *marks).properties(height=280)


def _small_curve(
    settings: RunSettings, steps: pd.DataFrame, field: str, title: str, number_format: str, num_epochs: int
) -> alt.Chart:
    """One column of the steps over the epochs."""
    return (
        alt.Chart(steps[["epoch", field]])
        .mark_line(strokeWidth=1.5, color=charts.MIDDLE_GREY)
        .encode(
            x=alt.X("epoch:Q", title="epoch", scale=alt.Scale(domain=[0, num_epochs])),
            y=alt.Y(
                f"{field}:Q",
                title=None,
                axis=alt.Axis(format=number_format, tickCount=4),
                scale=alt.Scale(type="log") if _has_parts(settings) else alt.Undefined,
            ),
            tooltip=[
                alt.Tooltip("epoch:Q", format=".2f"),
                alt.Tooltip(f"{field}:Q", title=title, format=number_format),
            ],
        )
        .properties(height=180, title=alt.Title(title, fontSize=13, fontWeight="normal", anchor="start"))
    )


def _probes(run: runs.Run) -> None:
    """The same dozen validation pictures as the network sees them after the latest epoch."""
    probes = run.probes()
    if probes is None or not len(probes["probabilities"]):
        return
    settings = run.settings
    if not datasets.status(settings.dataset).present:
        return
    dataset = cache.dataset(settings.dataset, settings.class_names)
    classes = dataset.info.classes
    if probes["indices"].max() >= len(dataset.validation):
        return  # other photos than those that the run was watched on
    images = components.to_look_at(dataset.validation, probes["indices"])
    labels = dataset.validation.labels[probes["indices"]]
    latest = probes["probabilities"][-1].astype(float)
    captions = []
    for label, row in zip(labels, latest, strict=True):
        answer = int(row.argmax())
        captions.append(evaluation_view.answer_caption(classes[answer], classes[label], f"{row[answer]:.0%}"))
    st.subheader("The same dozen pictures after each epoch", anchor=False)
    st.caption(
        f"Validation pictures, which the network does not learn from; answers after epoch {len(probes['probabilities'])}. "
        f"{evaluation_view.SAID_MEANS}"
    )
    size = 104 if settings.dataset in PHOTOS else 88
    components.picture_grid(images, captions, key=f"_probes_{run.id}", size=size)
