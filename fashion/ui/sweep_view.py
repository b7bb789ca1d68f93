"""Several values at once on the Train page: choosing them and seeds, and what stands in the way of starting.

What is planned comes from `fashion.sweeps`; the runs under way and their results are in `sweep_results_view.py`.
"""

import secrets
from typing import Any

import streamlit as st

from fashion import estimate, lessons, sweep_results, sweeps
from fashion.errors import FashionError, SettingsError
from fashion.settings import FIELDS, RunSettings
from fashion.ui import cache, components, settings_view, state


def control(settings: RunSettings) -> None:
    """Values for some of the settings and a number of seeds, and the button that starts a run for each combination."""
    preset = state.preset()
    pinned = preset.pinned if preset else {}
    names = [name for name in settings_view.used_settings() if name in sweeps.VARIABLE and name not in pinned]
    seeds_free = "seed" not in pinned
    if not names and not seeds_free:
        return
    _read_link(names, settings)
    state.choose(state.VARIED, [name for name in st.session_state.get(state.VARIED, []) if name in names])
    if not seeds_free:
        state.choose(state.NUM_SEEDS, 1)
    asked = bool(
        st.session_state[state.VARIED]
        or st.session_state.get(state.NUM_SEEDS, 1) > 1
        or state.sweep_problems()  # what is wrong with a link stands inside
    )
    with st.expander(
        "Several values at once",
        icon=":material/stacked_line_chart:",
        expanded=asked,
        key="_sweep_open",
        on_change="rerun",
    ):
        _form(settings, names, seeds_free)


def _form(settings: RunSettings, names: list[str], seeds_free: bool) -> None:
    for problem in state.sweep_problems():
        st.warning(components.harmless(problem), icon=":material/link_off:")
    st.markdown(
        "One run for each combination, one after another, in one chart. All other settings are those below."
    )
    left, right = st.columns([3, 1], gap="medium")
    with left:
        chosen = st.multiselect(
            "Settings with several values",
            names,
            format_func=lambda name: FIELDS[name].label,
            max_selections=sweeps.MAX_VARIED,
            placeholder=f"Choose up to {sweeps.MAX_VARIED}",
            **state.kept(state.VARIED),
        )
    with right:
        num_seeds = st.number_input(
            "Seeds",
            1,
            sweeps.MAX_SEEDS if seeds_free else 1,
            1,
            disabled=not seeds_free,
            help="Each combination is trained this many times, from other first weights and in another order of pictures: "
            "how far they differ is luck.",
            **state.kept(state.NUM_SEEDS),
        )
    varied: dict[str, tuple[Any, ...]] = {}
    problems = []
    for name in chosen:
        try:
            varied[name] = _values(name, settings)
        except SettingsError as error:
            problems.append(str(error))
    for problem in problems:
        st.error(components.harmless(problem), icon=":material/error:")
    if problems:
        return
    state.keep_sweep_link(sweeps.write(varied), str(num_seeds) if num_seeds > 1 else "")
    if varied or num_seeds > 1:
        _offer(settings, varied, num_seeds)


def _values(name: str, settings: RunSettings) -> tuple[Any, ...]:
    """The control for the values of one setting. Raises SettingsError where they cannot be used."""
    field, key = FIELDS[name], state.values_key(name)
    options = sweeps.choices(name, settings.dataset)
    if options:
        state.choose(key, [value for value in st.session_state.get(key, options) if value in options])
        found = st.multiselect(
            field.label, list(options), format_func=options.get, help=field.help, **state.kept(key)
        )
        return sweeps.parse_values(name, ",".join(str(value) for value in found))
    if key not in st.session_state:
        state.choose(key, f"{getattr(settings, name):g}")
    text = st.text_input(
        f"{field.label}: values",
        max_chars=120,
        placeholder="such as 0.1, 0.01, 0.001" if field.kind is float else "such as 1, 2, 4",
        help=f"With commas between, {field.low:g} to {field.high:g}. {field.help}",
        **state.kept(key),
    )
    return sweeps.parse_values(name, text)


def _offer(settings: RunSettings, varied: dict[str, tuple[Any, ...]], num_seeds: int) -> None:
    """How many runs and how long, what is in the way, and the button."""
    try:
        planned = sweeps.plan(settings, varied, num_seeds)
    except SettingsError as error:
        st.error(components.harmless(str(error)), icon=":material/error:")
        return
    guess = sweeps.expected(planned)
    refused = sweeps.refusal(planned, guess)
    if refused:
        st.error(refused, icon=":material/block:")
        return
    seeds = f" ({len(planned) // num_seeds} x {num_seeds} seeds)" if num_seeds > 1 and varied else ""
    count = f"{len(planned)} runs{seeds}" if len(planned) > 1 else "One run"
    st.markdown(
        f"**{count}**, expected time **{estimate.in_words(guess.seconds)}** ({estimate.in_words(guess.low)} to "
        f"{estimate.in_words(guess.high)}; {guess.basis})."
    )
    problem = lessons.obstacle(planned, cache.queue().limits.memory_bytes)
    if problem:
        st.error(components.harmless(problem), icon=":material/block:")
    elif len(planned) < 2:
        st.caption("Write a second value, or ask for more seeds.")
    elif st.button(f"Start {len(planned)} runs", icon=":material/playlist_play:", key="_sweep_start"):
        _start(planned)


def _start(planned: list[RunSettings]) -> None:
    group = f"{sweep_results.PREFIX}{secrets.token_hex(4)}"
    try:
        cache.queue().submit_group(planned, group, state.visitor())
    except FashionError as error:
        st.error(components.harmless(str(error)), icon=":material/block:")
        return
    st.query_params[state.SWEEP] = group
    st.rerun()


def _read_link(names: list[str], settings: RunSettings) -> None:
    """Fill the form from the link where that is new, and keep what of it cannot be used."""
    linked = state.new_sweep_link()
    if linked is None:
        return
    vary, seeds = linked
    varied, problems = sweeps.read(vary)
    for name in [name for name in varied if name not in names]:
        problems.append(
            f"From the link: {FIELDS[name].label} cannot have several values with these settings. It is left out."
        )
        del varied[name]
    num_seeds, wrong = sweeps.read_seeds(seeds) if seeds else (1, [])
    state.sweep_problems([*problems, *wrong])
    state.choose(state.VARIED, list(varied))
    state.choose(state.NUM_SEEDS, num_seeds)
    for name, values in varied.items():
        listed = sweeps.choices(name, settings.dataset)
        state.choose(
            state.values_key(name), list(values) if listed else ", ".join(f"{value:g}" for value in values)
        )
    state.keep_sweep_link(sweeps.write(varied), str(num_seeds) if num_seeds > 1 else "")
