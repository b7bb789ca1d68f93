"""The experiment of a lesson on the page: starting its runs, watching them, and what came out beside the course's results.

The runs are ordinary run folders that share a group: one worker makes them one after another. What they mean is put into
words by `fashion.lessons_results`.
"""

import functools
import secrets

import altair as alt
import pandas as pd
import streamlit as st

from fashion import datasets, estimate, lessons, lessons_results, machine, made_here, runs, summary
from fashion.errors import FashionError
from fashion.lessons_form import COURSE as COURSE_NAME
from fashion.lessons_form import Experiment, Lesson, Published
from fashion.lessons_results import COURSE, RECORDED, YOURS, Outcome
from fashion.settings import RunSettings
from fashion.ui import (
    cache,
    charts,
    comparison_view,
    components,
    frame,
    lesson_measures,
    lesson_settings,
    outlook_view,
    run_line,
    snapshot_view,
    state,
    ticking,
)

_SOURCES = (YOURS, COURSE, RECORDED)
_SOURCE_COLOURS = (charts.SPLIT_COLOURS["training"], charts.SPLIT_COLOURS["validation"], "#058468")


def experiment(lesson: Lesson, one: Experiment) -> list[Outcome]:
    """The experiment as it stands: to be started, under way, or done; returns its outcomes once all runs have ended."""
    with st.container(border=True):
        st.markdown(f"**{one.title}**")
        group = state.experiment_group(lesson.slug, one.key)
        found = runs.of_group(group)
        if not found:
            _before(lesson, one, group)
            return []
        one = lessons_results.as_made(one, found)
        found = lessons_results.in_order(one, found)
        active = any(run.status().active for run in found)
        cache.queue()  # a server that was restarted goes on serving its queue as soon as anyone looks
        names = [run.id for run in found]
        seconds = 2.0 if active else None
        ticking.part(_live, lesson, one, names, active, seconds=seconds, key=f"lesson-{group}-{active}")
        if not active:
            lesson_settings.on_train_page(lessons.runs_of(one, machine.installed_frameworks()))
            st.button(
                "Run it again",
                icon=":material/replay:",
                key=f"_again_{one.key}",
                on_click=state.show_group,
                args=(lesson.slug, one.key, ""),
            )
        own = [] if active else lessons_results.outcomes(one, found)
        for outcome in own:
            if outcome.one.settings.snapshots:
                st.markdown("**Every epoch was kept: test any of them**")
                snapshot_view.epochs(outcome.one)
        return own


def _before(lesson: Lesson, one: Experiment, group: str) -> None:
    if group:
        st.warning(
            "The runs of this experiment are no longer here. Run it again.", icon=":material/link_off:"
        )
    frameworks = machine.installed_frameworks()
    missing = lessons.left_out(one, frameworks)
    if missing:
        st.info(missing, icon=":material/info:")
    if one.note:
        st.caption(one.note)
    edited = lesson_settings.edited(one, frameworks)
    planned = lessons.runs_of(edited, frameworks) if edited else {}
    limit = cache.queue().limits.memory_bytes
    problem = lessons.obstacle(list(planned.values()), limit)
    if problem:
        several = len(planned)
        planned = lessons.possible(planned, limit)
        _in_the_way(problem, list(planned), several, one)
    if planned:
        _offer(lesson, edited, planned, frameworks)
    _recorded(lesson, one, shown=not planned)


def _in_the_way(problem: str, left: list[str], several: int, one: Experiment) -> None:
    """Why the experiment, or a part of it, cannot be made here, and where to get what is missing."""
    if left:
        st.warning(
            components.harmless(
                f"Of the {several} runs, {len(left)} can be made here: {', '.join(left)}. {problem}"
            ),
            icon=":material/info:",
        )
    else:
        st.error(components.harmless(problem), icon=":material/block:")
    if not all(datasets.status(settings.dataset).present for _, settings in one.runs):
        frame.link("Dataset", "Get the photos")


def _offer(
    lesson: Lesson, one: Experiment, planned: dict[str, RunSettings], frameworks: tuple[str, ...]
) -> None:
    """What it will take, and the button."""
    count = f"{len(planned)} runs" if len(planned) > 1 else "One run"
    guess = lessons.expected(list(planned.values()))
    st.markdown(
        f"Expected time: **{estimate.in_words(guess.seconds)}** ({estimate.in_words(guess.low)} to "
        f"{estimate.in_words(guess.high)}; {guess.basis})."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Run the experiment", type="primary", icon=":material/science:", key=f"_start_{one.key}"
        )
        processes = len({(settings.framework, settings.device) for settings in planned.values()})
        where = "in one process" if processes == 1 else f"in {processes} processes"
        _made_here(lesson, one, planned)
        st.caption(f"{count} of {_epochs(planned)}, {where}", width="content")
    outlook_view.waiting_runs()
    if pressed:
        _start(lesson, one, frameworks)


def _made_here(lesson: Lesson, one: Experiment, planned: dict[str, RunSettings]) -> None:
    """A button to the same runs, where somebody has had them made here, or has them made now."""
    made = made_here.group(one.key, planned.values())
    if made is not None:
        st.button(
            run_line.made_here_label(made, "runs"),
            icon=":material/group:",
            key=f"_made_{one.key}",
            on_click=state.show_group,
            args=(lesson.slug, one.key, made.name),
            help="They have just these settings, seed included, so yours would come out alike.",
        )


def _epochs(planned: dict[str, RunSettings]) -> str:
    return f"{' or '.join(str(count) for count in sorted({one.epochs for one in planned.values()}))} epochs"


def _start(lesson: Lesson, one: Experiment, frameworks: tuple[str, ...]) -> None:
    gpus = cache.devices().gpus if one.measure == "speed" else ()
    planned = lessons.possible(lessons.runs_of(one, frameworks, gpus), cache.queue().limits.memory_bytes)
    group = f"{one.key}-{secrets.token_hex(3)}"
    try:
        cache.queue().submit_group(list(planned.values()), group, state.visitor())
    except FashionError as error:
        st.error(components.harmless(str(error)), icon=":material/block:")
        return
    state.show_group(lesson.slug, one.key, group)
    st.rerun()


# While it runs, and afterwards


def _live(lesson: Lesson, one: Experiment, names: list[str], was_active: bool) -> None:
    found = [run for run in map(_run, names) if run is not None]
    statuses = {run.id: run.status() for run in found}
    if was_active and not any(status.active for status in statuses.values()):
        st.rerun()  # the whole page: now there is something to conclude
    if was_active:
        if found and all(status.state == "queued" for status in statuses.values()):
            first = min(found, key=lambda run: statuses[run.id].created)
            st.caption(f":material/hourglass_top: {run_line.place(first, 'this experiment')}")
        for run in found:
            st.progress(*_standing(one, run, statuses[run.id]))
        stopping = all(runs.stop_request(run) for run in found if statuses[run.id].active)
        st.button(
            **run_line.stop_words(statuses[found[0].id], "Ends at the next step; what has run is kept."),
            icon=":material/stop:",
            key=f"_stop_{one.key}",
            on_click=_stop,
            args=(found,),
            disabled=stopping,
        )
    for run in found:
        status = statuses[run.id]
        if status.state in ("failed", "stopped", "interrupted"):
            words = f"{_label(one, run)}: {status.reason}"
            (st.error if status.state == "failed" else st.warning)(
                components.harmless(words), icon=":material/error:"
            )
    labels = {_label(one, run) for run in found}
    absent = [label for label, _ in one.runs if label not in labels]
    if absent and not was_active:
        st.caption(f"Without {', '.join(absent)}: not made here, or deleted since.")
    if one.measure == "range" and found:
        lesson_measures.range_of_rates(found[0])  # from its first steps, before there is an epoch
    own = lessons_results.outcomes(one, found)
    if own:
        results(lesson, one, own, finished=not was_active)


def _run(name: str) -> runs.Run | None:
    try:
        return runs.find(name)
    except FashionError:
        return None  # deleted meanwhile


def _label(one: Experiment, run: runs.Run) -> str:
    try:
        return lessons_results.label_of(one, run.settings) or run.id
    except FashionError:
        return run.id


def _standing(one: Experiment, run: runs.Run, status: runs.Status) -> tuple[float, str]:
    label = f"{one.varies} {_label(one, run)}" if one.varies not in ("run", "head") else _label(one, run)
    if not status.active:
        return 1.0, f"{label}: {summary.STATE_WORDS[status.state]}"
    if status.state == "queued" or status.phase == "waiting":
        return 0.0, f"{label}: waiting"
    words = {
        "starting": "starting",
        "teachers": "asking the teacher",
        "features": f"photos become vectors, {status.step:,} of {status.num_steps:,}",
        "training": f"epoch {min(status.epoch + 1, status.num_epochs)} of {status.num_epochs}",
    }.get(status.phase, "testing")
    return status.fraction if status.phase in ("features", "training") else 0.0, f"{label}: {words}"


def _stop(found: list[runs.Run]) -> None:
    for run in found:
        if run.status().active:
            cache.queue().stop(run)


def results(lesson: Lesson, one: Experiment, own: list[Outcome], finished: bool) -> None:
    """Best validation accuracies beside the course's and recorded ones, the curves, and what each run cost."""
    preset = next(known for known in lesson.experiments if known.key == one.key)
    recorded = lessons_results.outcomes(preset, runs.recorded(lesson.slug)) if finished else []
    published = _published(lesson, one)
    table = lessons_results.accuracies(own, recorded, published if finished else ())
    if one.measure == "validation" and len(table):
        charts.place(
            functools.partial(accuracy_chart, table),
            alt_text="Best validation accuracy of each run, with its 95 % interval, beside the course's results.",
            table=table.rename(columns={"low": "95 % from", "high": "95 % to"}),
            name=f"{one.key}-results",
            version=(*_version(own), finished),
        )
        if published and finished:
            st.caption(
                f"The course: {lesson.about} Where base and size differ from yours, compare the pattern, not the height. "
                f"Source: [{COURSE_NAME}]({lesson.source})."
            )
    changed = lesson_settings.changed(preset, one)
    if changed and finished:
        st.caption(changed)
    _specials(one, own, finished)
    if one.measure != "range":
        _curves(one, own)
    if finished:
        _costs(one, own)
        if one.measure == "validation" and recorded:
            st.caption(f"Recorded with this app: {_recorded_where(recorded)}.")
        st.page_link(
            "pages/runs.py",
            label="These runs on the Runs page",
            icon=":material/stacked_line_chart:",
            query_params={"runs": ",".join(outcome.one.run.id for outcome in own)},
        )
        _replays(own)


def _published(lesson: Lesson, one: Experiment) -> tuple[Published, ...]:
    """The course's results, which belong to a lesson's first experiment."""
    return lesson.published if one.key == lesson.experiments[0].key else ()


def _specials(one: Experiment, own: list[Outcome], finished: bool) -> None:
    if one.measure == "mistake" and finished:
        lesson_measures.exams(own)
    if one.measure == "homework":
        for outcome in own:
            lesson_measures.epochs_with_test(outcome.one.run)


def _version(several: list[Outcome]) -> tuple:
    """What charts of these runs are drawn from."""
    return tuple((outcome.label, *cache.version_of(outcome.one.run)) for outcome in several)


def _curves(one: Experiment, own: list[Outcome]) -> None:
    values = lessons_results.curves(own)
    st.caption("Solid: training. Dashed: validation. The ring marks the best epoch.")
    for column, measure in zip(st.columns(2, gap="medium"), ("accuracy", "loss"), strict=True):
        with column:
            charts.place(
                functools.partial(comparison_view.curve_chart, values, measure, "epoch"),
                alt_text=f"{measure.capitalize()} of training and validation over the epochs, for each run.",
                table=values[["run", "curve", "epoch", "seconds", measure]],
                name=f"{one.key}-{measure}",
                version=_version(own),
            )


def _recorded(lesson: Lesson, one: Experiment, shown: bool) -> None:
    """The runs that come with the project, for those who do not want to wait; shown at once to those who cannot run them."""
    recorded = lessons_results.outcomes(one, runs.recorded(lesson.slug))
    if not recorded:
        return
    if not st.toggle("Show the recorded runs", value=shown, key=f"_recorded_{one.key}"):
        return
    st.caption(f"Recorded with this app, not yours: {_recorded_where(recorded)}.")
    if one.measure == "validation":
        table = lessons_results.accuracies([], recorded, _published(lesson, one))
        charts.place(
            functools.partial(accuracy_chart, table),
            alt_text="Best validation accuracy of each recorded run with its 95 % interval, beside the course's results.",
            table=table.rename(columns={"low": "95 % from", "high": "95 % to"}),
            name=f"{one.key}-recorded",
            version=_version(recorded),
        )
    if one.measure == "range":
        lesson_measures.range_of_rates(recorded[0].one.run)
        st.markdown(lessons_results.verdict(one, recorded))
    else:
        _specials(one, recorded, finished=True)
        _curves(one, recorded)
    _costs(one, recorded)
    _replays(recorded)


def _replays(several: list[Outcome]) -> None:
    """Links that show each run once more, epoch by epoch."""
    with st.container(horizontal=True):
        for outcome in several:
            if len(outcome.log) > 1:
                st.page_link(
                    "pages/runs.py",
                    label=f"Replay: {outcome.label}",
                    icon=":material/slow_motion_video:",
                    query_params={state.OPEN: outcome.one.run.id, state.VIEW: "Replay"},
                )


def _recorded_where(recorded: list[Outcome]) -> str:
    """When and on which machine, with which versions."""
    one = recorded[0].one
    dates = sorted({str((outcome.one.run.card() or {}).get("created", "")) for outcome in recorded})
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    return components.harmless(
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}, {summary.machine_in_words(one)}, {versions}"
    )


def _costs(one: Experiment, own: list[Outcome]) -> None:
    """What the runs came to and took; of a range test only the time, as its accuracy means nothing."""
    if one.measure != "range":
        components.facts_table(cost_table(one, own))
    st.caption(_machine(one, own))


def _machine(experiment: Experiment, own: list[Outcome]) -> str:
    one = own[0].one
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    if experiment.measure == "range":
        seconds = max(
            [own[0].log.seconds.sum(), *own[0].one.run.steps().seconds]
        )  # the last epoch may have no row
        return (
            f"{estimate.in_words(seconds)} without start-up: {summary.machine_in_words(one)}; {versions}; batches of "
            f"{one.settings.batch_size}."
        )
    return (
        f"Accuracies are of the best epoch, which was chosen on the same {one.validation.n:,} pictures, so they are a little too "
        f"good. Time without start-up and test: {summary.machine_in_words(one)}{', ' if versions else ''}{versions}."
    )


def cost_table(one: Experiment, own: list[Outcome]) -> pd.DataFrame:
    """A row per run: what differs, the best epoch with n and interval, the last epoch, and the time, in words."""
    rows = []
    for outcome in own:
        accuracy, log = outcome.one.validation, outcome.log
        row = {
            one.varies.capitalize(): outcome.label,
            "Best validation": f"{accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}, n = {accuracy.n:,})",
            "Best epoch": f"{outcome.one.best_epoch} of {len(log)}",
            "Last: validation, training": f"{log.val_accuracy.iloc[-1]:.1%}, {log.accuracy.iloc[-1]:.1%}",
            "Training": estimate.in_words(log.seconds.sum()),
            "Pictures a second": f"{runs.steady(log).images_per_second.median():,.0f}",
        }
        made = (outcome.one.run.card() or {}).get("features")
        if isinstance(made, dict) and made.get("source") == "computed":
            row["Vectors"] = estimate.in_words(float(made["seconds"]))
        rows.append(row)
    return pd.DataFrame(rows).fillna("stored")


def accuracy_chart(table: pd.DataFrame) -> alt.LayerChart:
    """A point with its interval for each result, labels down the side, a colour and a shape for each source.

    `table`: as from `lessons_results.accuracies`.
    """
    labels = list(dict.fromkeys(table.label))
    present = [source for source in _SOURCES if source in set(table.source)]
    colours = [_SOURCE_COLOURS[_SOURCES.index(source)] for source in present]
    tooltip = [
        "label:N",
        "source:N",
        alt.Tooltip("accuracy:Q", format=".2%"),
        alt.Tooltip("low:Q", title="95 % from", format=".1%"),
        alt.Tooltip("high:Q", title="95 % to", format=".1%"),
        alt.Tooltip("correct:Q", title="right"),
        alt.Tooltip("n:Q", title="photos"),
        "note:N",
    ]
    base = alt.Chart(table).encode(
        y=alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=130)),
        yOffset=alt.YOffset("source:N", sort=present),
        color=alt.Color(
            "source:N",
            scale=alt.Scale(domain=present, range=colours),
            legend=alt.Legend(title=None, orient="top", columns=2),
        ),
        tooltip=tooltip,
    )
    low, high = float(table.low.min()), float(table.high.max())
    room = 0.25 * (high - low)  # for the number right of the longest interval, on a telephone too
    x = alt.X(
        "low:Q",
        title="validation accuracy, 95 % interval",
        scale=alt.Scale(domain=[low - 0.1 * room, high + room], nice=False),
        axis=alt.Axis(labelExpr="datum.value > 1 ? '' : format(datum.value, '.0%')", tickCount=5),
    )
    rules = base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q")
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x="accuracy:Q",
        shape=alt.Shape(
            "source:N",
            scale=alt.Scale(domain=present, range=["circle", "square", "triangle-up"][: len(present)]),
        ),
    )
    words = base.mark_text(align="left", dx=6, fontSize=11).encode(
        x="high:Q", text=alt.Text("accuracy:Q", format=".1%"), color=alt.value(charts.MIDDLE_GREY)
    )
    return alt.layer(rules, points, words).properties(height=alt.Step(20))
