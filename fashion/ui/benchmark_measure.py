"""Measuring on this machine from the Benchmark page: what it will take, Start, progress, Stop, and going on afterwards.

What is measured is decided in `benchmark_plan.py` and `benchmark_trials.py`, and cut to this machine in `benchmark_fit.py`.
"""

import json
from collections.abc import Callable

import streamlit as st

from fashion import (
    benchmark,
    benchmark_fit,
    benchmark_recipes,
    benchmark_trials,
    datasets,
    estimate,
    jobs,
    machine,
    runs,
)
from fashion import benchmark_results as results_form
from fashion.benchmark_plan import FULL, GRID, QUICK, kind_of, plan_for
from fashion.benchmark_trials import RecipePlan
from fashion.errors import FashionError
from fashion.settings import FRAMEWORKS
from fashion.ui import cache, components, run_line, state, ticking
from fashion.ui.benchmark_view import ACCURACY, FRAMEWORK

_QUICK_IMAGES = 10_000
_GRIDS = {"Quick": QUICK, "Full": FULL}
_RECIPES = {
    ACCURACY: {"Quick": {"num_images": _QUICK_IMAGES}, "One seed": {}, "Five seeds": {"seeds": 5}},
    FRAMEWORK: {"Quick": {"num_images": _QUICK_IMAGES}, "Full": {}},
}
_HELP = {
    GRID: "Quick: four networks, three batch sizes, a part of the pictures. Full: fourteen networks of different widths, "
    "six batch sizes, and what the app's own server costs.",
    ACCURACY: f"Quick: each recipe once on {_QUICK_IMAGES:,} of the 60,000 training pictures, which shows the shape but not the "
    "accuracy. Five seeds: each recipe five times, which tells how much is chance.",
    FRAMEWORK: f"Quick: {_QUICK_IMAGES:,} training pictures. Full: all 60,000.",
}


def measure(kind: str) -> None:
    """Start a measurement for this question, or watch the one that is waiting or running."""
    cache.queue()  # a server that was restarted goes on serving its queue as soon as anyone looks
    active = [run for run, _ in jobs.active_runs() if run.kind == "benchmark" and kind_of(run) == kind]
    if active:
        with st.container(border=True):
            ticking.part(
                _progress, active[0], _num_results(active[0]), seconds=1.0, key=f"measuring-{active[0].id}"
            )
        return
    _last_word(kind)
    with st.container(border=True):
        (_grid_form if kind == GRID else _recipe_form)(kind)


# Before the start


def _grid_form(kind: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = _size(kind, list(_GRIDS))
        installed = machine.installed_frameworks()
        frameworks = installed[:1]
        if len(installed) > 1:
            frameworks = _several("Frameworks", dict.fromkeys(installed), [machine.default_framework()])
        gpus = cache.devices(frameworks[0]).gpus if frameworks else ()
        names = _device_names(gpus)
        devices = _several("Devices", names, list(names)) if gpus else tuple(names)
        button = st.container(width="content")
    if not frameworks or not devices:
        _choose_something()
        return
    limits = cache.queue().limits
    speeds = benchmark.speeds_here()
    try:
        asked = plan_for(_GRIDS[size], devices, frameworks)
        plan, notes = benchmark_fit.grid(asked, limits.memory_bytes, limits.deadline_seconds, speeds)
    except FashionError as error:
        st.error(str(error), icon=":material/block:")
        return
    with button:
        _start_button(lambda: benchmark.create(plan, state.visitor()))
    basis = "from an earlier measurement here" if speeds else "a rough guess until this machine is measured"
    _outlook(
        f"{len(plan.cells()) + plan.server} measurements on {datasets.DATASETS[plan.dataset].title}",
        plan.estimate_seconds(speeds),
        basis,
        notes,
    )
    if not gpus:
        _no_gpu(frameworks[0])


def _recipe_form(kind: str) -> None:
    installed = machine.installed_frameworks()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = _size(kind, list(_RECIPES[kind]))
        frameworks = installed
        if len(installed) > 1 and kind == FRAMEWORK:
            frameworks = _several("Frameworks", dict.fromkeys(installed), list(installed))
        elif len(installed) > 1:
            frameworks = (
                _one(
                    "Framework", {name: FRAMEWORKS[name] for name in installed}, machine.default_framework()
                ),
            )
        gpus = cache.devices(frameworks[0]).gpus if frameworks else ()
        device = "cpu"
        if gpus:
            device = _one("Device", _device_names(gpus), "gpu:0")
        button = st.container(width="content")
    if not frameworks:
        _choose_something()
        return
    limits = cache.queue().limits
    try:
        asked = benchmark_trials.plan_for(kind, frameworks, device, **_RECIPES[kind][size])
        plan, notes = benchmark_fit.recipes(asked, limits.memory_bytes, limits.deadline_seconds)
    except FashionError as error:
        st.error(str(error), icon=":material/block:")
        return
    with button:
        _start_button(lambda: benchmark_recipes.create(plan, state.visitor()))
    per_image = benchmark_trials.seconds_per_image()
    known = all((t.recipe.name, t.framework, device) in per_image for t in plan.trials())
    basis = (
        "from measurements on a machine like this"
        if known
        else "a rough guess until this machine is measured"
    )
    _outlook(_trainings(plan), plan.estimate_seconds(per_image), basis, notes)
    if not gpus:
        _no_gpu(frameworks[0])
    if kind == FRAMEWORK:
        missing = [machine.not_installed(name) for name in FRAMEWORKS if name not in installed]
        if missing:
            st.caption("  \n".join(f":material/deployed_code: {words}." for words in missing))


def _trainings(plan: RecipePlan) -> str:
    seeds = f", {plan.seeds} seeds" if plan.seeds > 1 else ""
    title = datasets.DATASETS[plan.dataset].title
    return f"{len(plan.trials())} trainings on {plan.num_train:,} pictures of {title}{seeds}"


def _size(kind: str, options: list[str]) -> str:
    return st.segmented_control(
        "Measure this machine",
        options,
        default="Quick",
        required=True,
        help=_HELP[kind],
        **state.kept(f"_benchmark_size_{kind}"),
    )


def _several(label: str, names: dict[str, str | None], default: list[str]) -> tuple[str, ...]:
    return tuple(
        st.pills(
            label,
            list(names),
            selection_mode="multi",
            default=default,
            format_func=lambda name: names[name] or FRAMEWORKS[name],
            key=f"_{label.lower()}",
        )
    )


def _one(label: str, names: dict[str, str], default: str) -> str:
    return st.segmented_control(
        label, list(names), default=default, required=True, format_func=names.get, key=f"_{label.lower()}"
    )


def _device_names(gpus: tuple[str, ...]) -> dict[str, str]:
    names = {"cpu": f"CPU: {cache.this_machine().processor}"}
    return names | {f"gpu:{number}": f"GPU {number}: {name}" for number, name in enumerate(gpus)}


def _choose_something() -> None:
    st.info("Choose at least one device and one framework.", icon=":material/info:")


def _no_gpu(framework: str) -> None:
    problem = cache.devices(framework).problem
    st.caption(
        components.harmless(problem)
        if problem
        else "No graphics card is seen here; the start page says what one needs."
    )


def _outlook(what: str, seconds: float, basis: str, notes: list[str]) -> None:
    """What is known before Start: the time, what it rests on, what was left out, and who is before."""
    words = (
        f"{what}: about **{estimate.in_words(seconds)}** ({basis}). Anything else that this machine does meanwhile makes "
        "the times longer."
    )
    st.caption(f"{words} {run_line.goes_first()}".rstrip())
    for note in notes:
        st.caption(f":material/content_cut: {note}")


def _start_button(create: Callable[[], runs.Run]) -> None:
    if not st.button("Start", type="primary", icon=":material/play_arrow:", key="_start_benchmark"):
        return
    queue = cache.queue()
    try:
        queue.check_room(state.visitor())
        queue.added(create())
    except FashionError as error:
        st.error(str(error), icon=":material/block:")
        return
    st.rerun()


# Meanwhile


def _progress(run: runs.Run, num_shown: int) -> None:
    """How far it is; the whole page is drawn again when there is a new result, or the end."""
    status = run.status()
    if not status.active or _num_results(run) != num_shown:
        st.rerun()
    if status.state == "queued":
        words = run_line.place(run, "this measurement")
    elif runs.stop_request(run):
        words = "Stopping …"
    elif not status.phase.startswith("measuring"):
        words = "Starting …"
    else:
        words = f"Measuring {status.epoch + 1} of {status.num_epochs}"
        if status.epoch == status.num_epochs:
            words = "Measuring what live progress costs"
        elif status.num_steps:
            words += f", {min(status.step, status.num_steps)} of {status.num_steps} epochs"
        if status.seconds_left is not None:
            words += f" · about {estimate.in_words(status.seconds_left)} left"
    st.progress(status.fraction, words)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Stop",
            icon=":material/stop:",
            on_click=cache.queue().stop,
            args=(run,),
            disabled=runs.stop_request(run) is not None,
            key="_stop_benchmark",
        )
        st.caption("Results appear below as they come. It goes on if you close this page.")


def _num_results(run: runs.Run) -> int:
    try:
        results = json.loads((run.folder / results_form.FILE).read_text(encoding="utf-8"))
        return len(results["cells"] if "cells" in results else results["runs"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # not begun yet


# Afterwards


def _last_word(kind: str) -> None:
    """Why the newest measurement ended early, if it did, and a way to go on with it."""
    newest = [run for run in runs.list_runs(kind="benchmark") if kind_of(run) == kind][:1]
    for run in newest:
        status = run.status()
        reason = components.harmless(status.reason)
        if status.state == "failed":
            st.error(f"The last measurement failed. {reason}", icon=":material/error:")
        elif status.state == "stopped":
            st.info(
                f"The last measurement was ended early. {reason} What was measured is kept.",
                icon=":material/stop_circle:",
            )
        elif status.state == "interrupted":
            st.warning(
                "The last measurement was cut off (memory full, or the machine was restarted). What was measured is kept.",
                icon=":material/bolt:",
            )
        else:
            return
        if st.button(
            "Resume",
            icon=":material/resume:",
            key="_resume_benchmark",
            help=f"Measures what is missing: {_num_results(run)} of {status.num_epochs} are there.",
        ):
            try:
                cache.queue().check_room(state.visitor())
                cache.queue().resume(run)
            except FashionError as error:
                st.error(str(error), icon=":material/block:")
                return
            st.rerun()
