"""The settings of a run as a visitor meets them: the form, what is known before pressing Start, and the plan.

Settings, their limits and their sentences come from `fashion.settings`; this module only draws them.
"""

import altair as alt
import pandas as pd
import streamlit as st

from fashion import architectures, datasets, estimate, jobs, machine
from fashion.errors import SettingsError
from fashion.settings import DEFAULTS, FIELDS, FRAMEWORKS, RunSettings, learning_rate_at, parse_value
from fashion.ui import cache, charts, components, state

TABS = {
    "Network": ("architecture", "width", "inner_width", "dropout"),
    "Learning": (
        "epochs",
        "batch_size",
        "learning_rate",
        "optimizer",
        "schedule",
        "weight_decay",
        "label_smoothing",
        "averaging",
        "patience",
        "seed",
    ),
    "Pictures": ("dataset", "num_train", "flip", "shift", "rotate", "zoom", "erase"),
    "Machine": ("device", "precision", "framework"),
}
"""Which settings stand together. Every field of RunSettings is in exactly one (a test looks)."""

_SLIDERS = ("dropout", "label_smoothing", "zoom", "erase", "shift", "rotate")


def settings_form() -> RunSettings | None:
    """The settings as the visitor has them now, or None (said on the page) where they contradict each other."""
    _read_link()
    for tab, names in zip(st.tabs(list(TABS), key="_tabs"), TABS.values(), strict=True):
        with tab:
            columns = st.columns(2, gap="medium")
            for position, name in enumerate(names):
                if name != "framework" or len(_frameworks()) > 1:
                    with columns[position % 2]:
                        _setting(name)
    values = {name: st.session_state.get(name, getattr(DEFAULTS, name)) for name in FIELDS}
    try:
        return RunSettings(**values)
    except SettingsError as error:
        st.error(components.harmless(str(error)), icon=":material/error:")
        return None


def _read_link() -> None:
    """Take the settings from the link, and say what of it cannot be used: Streamlit drops that without a word."""
    choices = {name: _choices(name) for name in FIELDS if FIELDS[name].choices or name == "device"}
    problems = []
    for name in FIELDS:
        text = st.query_params.get(name)
        if text is None or text in choices.get(name, {}).values():
            continue
        try:
            value = parse_value(name, text)
            FIELDS[name].check(name, value)
            if name in choices and value not in choices[name]:
                known = ", ".join(choices[name])
                raise SettingsError(
                    f"`{name}` must be one of those on this machine: {known}. Received: {text!r}."
                )
        except SettingsError as error:
            problems.append(f"From the link: {error} The default is used.")
            del st.query_params[name]
    for problem in state.add_link_problems(problems):
        st.warning(components.harmless(problem), icon=":material/link_off:")
    state.read_plain_names(choices)


def _setting(name: str) -> None:
    """One control, made from its field; its value is in the session state under the field's name."""
    field = FIELDS[name]
    bound = state.in_url(name)
    default = getattr(DEFAULTS, name)
    if field.choices is not None or name == "device":
        choices = _choices(name)
        st.selectbox(
            field.label,
            list(choices),
            index=list(choices).index(default),
            format_func=choices.get,
            help=field.help,
            **bound,
        )
        if name == "device" and len(choices) == 1:
            st.caption("No graphics card is seen here; the start page says what one needs.")
    elif field.kind is bool:
        st.toggle(field.label, value=default, help=field.help, **bound)
    elif name in _SLIDERS:
        kind = field.kind
        st.slider(
            field.label,
            kind(field.low),
            kind(field.high),
            default,
            kind(field.step),
            help=field.help,
            **bound,
        )
    else:
        kind = field.kind
        step = 0.0005 if name == "learning_rate" else kind(field.step)
        st.number_input(
            field.label,
            kind(field.low),
            kind(field.high),
            default,
            step,
            format="%g" if kind is float else None,
            help=field.help,
            **bound,
        )


def _choices(name: str) -> dict[str, str]:
    if name == "device":
        gpus = cache.devices(st.session_state.get("framework", DEFAULTS.framework)).gpus
        names = {"cpu": f"CPU: {cache.this_machine().processor}"}
        return names | {f"gpu:{number}": f"GPU {number}: {gpu}" for number, gpu in enumerate(gpus)}
    if name == "framework":
        return {key: FRAMEWORKS[key] for key in _frameworks()}
    if name == "dataset":
        return {key: info.title for key, info in datasets.DATASETS.items()}
    return FIELDS[name].choices


def _frameworks() -> list[str]:
    return [name for name in FRAMEWORKS if name in machine.installed_frameworks()]


def reset_settings() -> None:
    """Put every setting back to its default; a callback."""
    for name in FIELDS:
        state.choose(name, getattr(DEFAULTS, name))
    state.forget_link_problems()


def outlook(settings: RunSettings) -> None:
    """What is known before Start: size, time and its basis, waiting runs."""
    num_parameters, num_multiply_adds = architectures.cost_of(settings)
    guess = estimate.estimate(settings, estimate.measured_here())
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Expected time",
            estimate.in_words(guess.seconds),
            help=f"Between {estimate.in_words(guess.low)} and {estimate.in_words(guess.high)}, from {guess.basis}. "
            "It includes start-up and the final test.",
            width="content",
        )
        st.metric(
            "Parameters",
            f"{num_parameters:,}",
            help="The numbers that the network adjusts while it learns.",
            width="content",
        )
        st.metric(
            "Multiply-adds",
            f"{num_multiply_adds / 1e6:,.2f} M",
            help="Multiplications, each with an addition, to judge one picture. Training costs about three times "
            "as much.",
            width="content",
        )
    st.caption(f"{estimate.in_words(guess.low)} to {estimate.in_words(guess.high)}: {guess.basis}.")
    before = len(jobs.active_runs())
    if before:
        st.caption(f":material/hourglass_top: {before} unfinished run(s) on this machine go first.")


def previews(settings: RunSettings) -> None:
    """The layer table, and the learning rate over the run as it is planned."""
    shown = st.segmented_control(
        "Look before you start",
        ["Layers", "Planned learning rate"],
        default="Layers",
        key="_preview",
        label_visibility="collapsed",
    )
    if shown == "Layers":
        rows = architectures.table(architectures.layers_of(settings), (28, 28, 1))
        table = pd.DataFrame(
            {
                "Layer": [row.name for row in rows],
                "Output": [" x ".join(map(str, row.output_shape)) for row in rows],
                "Parameters": [row.num_parameters for row in rows],
                "Multiply-adds": [row.num_multiply_adds for row in rows],
            }
        )
        st.dataframe(table, hide_index=True, alt="The layers of the network, first to last")
    elif shown == "Planned learning rate":
        charts.place(
            _schedule_chart(settings),
            alt_text=f"The planned learning rate over {settings.epochs} epochs: {settings.schedule}.",
            table=_schedule_table(settings),
            name="learning-rate",
        )


def _schedule_table(settings: RunSettings) -> pd.DataFrame:
    points = 200
    return pd.DataFrame(
        {
            "epoch": [settings.epochs * point / points for point in range(points + 1)],
            "learning rate": [learning_rate_at(settings, point, points) for point in range(points + 1)],
        }
    )


def _schedule_chart(settings: RunSettings) -> alt.Chart:
    return (
        alt.Chart(_schedule_table(settings))
        .mark_line(interpolate="step-after" if settings.schedule == "step" else "linear")
        .encode(
            x=alt.X("epoch:Q", title="epoch"),
            y=alt.Y("learning rate:Q", title="learning rate", axis=alt.Axis(format="~g")),
            tooltip=[
                alt.Tooltip("epoch:Q", format=".2f"),
                alt.Tooltip("learning rate:Q", format=".3~g"),
            ],
        )
        .properties(height=220)
    )
