"""The settings of a run as a visitor meets them: the form, its presets, and settings that come with a link.

Settings, their limits and their sentences come from `fashion.settings`; this module only draws them. What is known
before Start is drawn in `outlook_view.py`.
"""

import streamlit as st

from fashion import datasets, presets
from fashion.errors import SettingsError
from fashion.recipes import beginnings
from fashion.setting_fields import applies
from fashion.settings import (
    DEFAULTS,
    FIELDS,
    FIRST_CHANGES,
    PHOTOS,
    RANDOM_CHANGES,
    RunSettings,
    defaults_for,
    named_in_link,
    parse_value,
)
from fashion.ui import components, setting_choices, state

FIRST = ("dataset",)
"""What is chosen before everything else, since it decides which settings there are."""

TABS = {
    "Network": (
        "classes",
        "architecture",
        "image_size",
        "width",
        "inner_width",
        "dropout",
        "predict_size",
        "predict_fit",
        "mirror",
    ),
    "Learning": (
        "epochs",
        "batch_size",
        "learning_rate",
        "optimizer",
        "momentum",
        "nesterov",
        "schedule",
        "weight_decay",
        "label_smoothing",
        "averaging",
        "patience",
        "seconds_limit",
        "teachers",
        "snapshots",
        "seed",
    ),
    "Fine-tuning": ("fine_tune", "fine_tune_epochs", "fine_tune_rate"),
    "Pictures": (
        "num_train",
        "balance",
        "clean_labels",
        "views",
        "flip",
        "shift",
        "crop",
        "rotate",
        "zoom",
        "colour",
        "erase",
        "mixing",
        "augment_from",
        "augment_validation",
        "watch_test",
    ),
    "Machine": ("device", "precision", "framework"),
}
"""Which settings stand together. Every field of RunSettings is in exactly one, or in FIRST (a test looks)."""

_SLIDERS = (
    "dropout",
    "label_smoothing",
    "zoom",
    "erase",
    "shift",
    "rotate",
    "crop",
    "colour",
    "mixing",
    "balance",
    "views",
)
# They mean the same whatever the pictures, so a change of dataset leaves them.
_SHARED = ("dataset", "seed", "device", "precision", "framework")
_ALL = int(FIELDS["num_train"].high)
"""So many training pictures mean all: no dataset has more, and a run with fewer takes what there is."""
_RATE_STEPS = {"learning_rate": 0.0005, "fine_tune_rate": 0.00005}


def dataset_input() -> str:
    """What to learn from, which decides about the settings; and for photos, settings to begin with."""
    arrived = state.just_arrived()
    _read_link(arrived)
    preset = state.preset()
    if preset is not None and "dataset" in preset.pinned:
        dataset = preset.settings.dataset
        if "dataset" in preset.fixed:
            st.markdown(f"Dataset: **{datasets.DATASETS[dataset].title}**")
    else:
        dataset = components.dataset_input(on_change=_change_dataset)
    _follow_dataset(dataset, arrived)
    if preset is None:
        _presets(dataset)
    return dataset


def settings_form() -> RunSettings | None:
    """The settings as the visitor has them now, or None (said on the page) where they contradict each other.

    Call `dataset_input` before.
    """
    tabs = {tab: names for tab, names in TABS.items() if any(map(_drawn, names))}
    drawn = st.tabs(list(tabs), key=f"_tabs_{len(tabs)}") if tabs else []
    for tab, names in zip(drawn, tabs.values(), strict=True):
        with tab:
            _tab(names)
            if tab == "Pictures" and not _shown("flip"):
                st.caption(
                    "Random changes (flip, crop, colour …) need more than one stored view, or fine-tuning: the head alone "
                    "learns from one vector per photo."
                )
    state.settle()
    state.show_architecture(_value("architecture"))
    try:
        return RunSettings(**{name: _value(name) if _shown(name) else _default(name) for name in FIELDS})
    except SettingsError as error:
        st.error(components.harmless(str(error)), icon=":material/error:")
        return None


def _tab(names: tuple[str, ...]) -> None:
    columns = st.columns(2, gap="medium")
    position = 0
    for name in names:
        if _drawn(name):  # asked one by one: a control may decide about those after it
            with columns[position % 2]:
                _setting(name)
            position += 1


def fill_in(settings: RunSettings) -> None:
    """Put these settings into the form, also before it is drawn; for callbacks and other pages.

    A preset that would not have them is given up.
    """
    if state.preset() is not None and not state.preset().agrees_with(settings):
        state.keep_preset(None)
    for name in FIELDS:
        _choose(name, getattr(settings, name))
    for name, text in link_to(settings).items():
        state.put_into_link(name, text)
    state.show_settings_of(_kind(settings.dataset))


def link_to(settings: RunSettings) -> dict[str, str]:
    """The parameters of a link to the form with these settings: those that differ from where it begins, in its words."""
    values, named = settings.to_json(), named_in_link(settings)
    return {
        name: _in_link(name, value, settings.dataset)
        for name, value in named.items()
        if applies(name, values)
    }


def _in_link(name: str, value: object, dataset: str) -> str:
    """A value as Streamlit's own links have it: the words of a choice, or the number."""
    return _choices(name, dataset).get(value, str(value).lower())


def reset_settings() -> None:
    """Put every setting but the dataset back to its default, or to that of the preset; a callback."""
    dataset = _value("dataset")
    preset = state.preset()
    fill_in(preset.settings if preset else defaults_for(dataset).replace(dataset=dataset))
    state.forget_link_problems()


def leave_preset() -> None:
    """Free all settings, which keep the values that the preset gave them; a callback."""
    preset = state.preset()
    state.keep_preset(None)
    for name, value in (preset.pinned if preset else {}).items():
        _choose(name, value)


def used_settings() -> list[str]:
    """The names of the settings that a run with those in the form has a use for, in the order of the form."""
    return [*FIRST, *(name for names in TABS.values() for name in names if _shown(name))]


def _presets(dataset: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Begin with", width="content")
        for name, settings in beginnings(dataset).items():
            begin = (settings.replace(dataset=dataset),)
            st.button(name, key=f"_preset_{name}", on_click=fill_in, args=begin, type="tertiary")


# Which dataset's and network's settings stand in the form


def _kind(dataset: str) -> str:
    return "photos" if dataset in PHOTOS else "small pictures"


def _change_dataset() -> None:
    """A visitor chose another dataset: keep what was set, and bring back what was set for that kind before."""
    state.first_page()
    _follow_dataset(_value("dataset"), arrived=False)


def _follow_dataset(dataset: str, arrived: bool) -> None:
    """Make the form that of this dataset's kind; called before its controls are drawn.

    arrived: whether the page was just opened, so that what its link says counts more than what was set before.
    """
    before, kind = state.settings_shown(), _kind(dataset)
    if before == kind:
        return
    if before is not None:
        if "num_train" in st.session_state:  # what is kept must not depend on the dataset that was shown
            _choose("num_train", _value("num_train"))
        names = [name for name in FIELDS if name not in _SHARED]
        set_before = state.exchange_settings(names, before, kind)
        for name in sorted(names, key="architecture".__ne__):  # it first: others follow it
            linked = st.query_params.get(name) if arrived else None
            value = set_before.get(name, _default(name))
            _choose(name, value if linked is None else _meant(name, linked, value))
    state.show_settings_of(kind)


def _change_architecture() -> None:
    """A visitor chose another network: what was left at the default of the one before goes to that of the new one."""
    dataset = _value("dataset")
    before = defaults_for(dataset, state.architecture_shown())
    now = defaults_for(dataset, _value("architecture"))
    for name in FIELDS:
        if name not in (*_SHARED, "architecture") and _value(name) == getattr(before, name):
            _choose(name, getattr(now, name))


def _change_views() -> None:
    """A visitor asked for several views of each photo: without random changes, whose controls come with them, all would
    be the same."""
    if _value("views") > 1 and not any(map(_value, RANDOM_CHANGES)):
        for name, value in FIRST_CHANGES.items():
            _choose(name, value)


def _read_link(arrived: bool) -> None:
    """Take the settings from the link, and say what of it cannot be used: Streamlit drops that without a word.

    arrived: whether the page was just opened; later, what stands in the link was written by this page.
    """
    problems, choices = [], {}
    if arrived:
        dataset = _value("dataset")
        choices = {name: _choices(name, dataset) for name in FIELDS}
        problems = [problem for name in FIELDS if (problem := _problem(name, choices[name]))]
        problems += _read_preset()
    for problem in state.add_link_problems(problems):
        st.warning(components.harmless(problem), icon=":material/link_off:")
    state.read_plain_names(
        {name: {str(value): words for value, words in of.items()} for name, of in choices.items() if of}
    )


def _read_preset() -> list[str]:
    """Keep what a teacher's link fixes and hides, for this visit; returns what of it cannot be used."""
    lists = [st.query_params.get(key, "") for key in (state.FIXED, state.HIDDEN)]
    if not any(lists):
        preset = state.preset()
        if preset is not None:  # back through the menu, whose link says nothing
            state.keep_preset(preset)
            for name, value in preset.pinned.items():
                state.put_into_link(name, _in_link(name, value, preset.settings.dataset))
        return []
    state.keep_preset(None)
    linked = {name: _meant(name, st.query_params[name], None) for name in FIELDS if name in st.query_params}
    preset, problems = presets.read(
        *lists, {name: value for name, value in linked.items() if value is not None}
    )
    state.keep_preset(preset)
    return [f"From the link: {problem}" for problem in problems]


def _problem(name: str, choices: dict[object, str]) -> str | None:
    """What is wrong with this setting in the link, which then loses it; None if nothing is."""
    text = st.query_params.get(name)
    if text is None or text in choices.values():
        return None
    try:
        if choices and name not in setting_choices.OPEN and text not in choices:
            where = "those on this machine: " if name == "device" else ""
            raise SettingsError(
                f"`{name}` must be one of {where}{', '.join(choices)}. Received: {name}={text!r}."
            )
        FIELDS[name].check(name, parse_value(name, text))
    except SettingsError as error:
        del st.query_params[name]
        return f"From the link: {error} The default is used."
    return None


# One setting


def _value(name: str) -> object:
    """What is set now; before its control is drawn, what the link or the default will make it."""
    preset = state.preset()
    if preset is not None and name in preset.pinned:
        return preset.pinned[name]
    if name in st.session_state:
        value = st.session_state[name]
        return _ALL if name == "num_train" and value >= state.most_shown(_ALL) else value
    linked = st.query_params.get(name)
    return _default(name) if linked is None else _meant(name, linked, _default(name))


def _choose(name: str, value: object) -> None:
    """Put a value into the form, as a run would have it."""
    state.choose(name, value)
    if name == "num_train":
        state.show_most(None)


def _default(name: str) -> object:
    """Where the chosen dataset's form begins; also what a setting is left at that this run has no use for."""
    if name == "dataset":
        return DEFAULTS.dataset
    return getattr(
        defaults_for(_value("dataset"), "" if name == "architecture" else _value("architecture")), name
    )


def _meant(name: str, text: str, otherwise: object) -> object:
    """The value that a link's text stands for: a plain name, the words of a choice, or a number."""
    choices = _choices(name, DEFAULTS.dataset if name == "dataset" else _value("dataset"))
    for value, words in choices.items():
        if text in (str(value), words):
            return value
    try:
        value = parse_value(name, text)
        FIELDS[name].check(name, value)
    except SettingsError:
        return otherwise
    return otherwise if choices and name not in setting_choices.OPEN else value


def _drawn(name: str) -> bool:
    """Whether the setting has a control: it is of use, and no preset hides it."""
    preset = state.preset()
    return _shown(name) and not (preset is not None and name in preset.hidden)


def _shown(name: str) -> bool:
    """Whether a run with the settings in the form has a use for this one."""
    if name == "framework" and len(setting_choices.frameworks()) < 2:
        return False
    return applies(
        name, {key: _value(key) for key in ("dataset", "architecture", "fine_tune", "views", "optimizer")}
    )


def _setting(name: str) -> None:
    """One control, made from its field; its value is in the session state under the field's name."""
    field = FIELDS[name]
    bound = state.in_url(name)
    default, kind = _default(name), field.kind
    choices = _choices(name, _value("dataset"))
    preset = state.preset()
    if preset is not None and name in preset.fixed:
        default = preset.pinned[name]
        # Another fixed value needs another control: this one would keep what it showed.
        bound = {"key": f"_fixed_{name}_{default}", "disabled": True}
        choices = {default: str(default)} | choices if choices else choices
    if choices:
        st.selectbox(
            field.label,
            list(choices),
            index=list(choices).index(default),
            format_func=choices.get,
            help=field.help,
            on_change=_change_architecture if name == "architecture" else None,
            **bound,
        )
        if name == "device" and len(choices) == 1:
            st.caption("No graphics card is seen here; the start page says what one needs.")
    elif kind is bool:
        st.toggle(field.label, value=default, help=field.help, **bound)
    elif name in _SLIDERS:
        st.slider(
            field.label,
            kind(field.low),
            kind(field.high),
            default,
            kind(field.step),
            help=field.help,
            on_change=_change_views if name == "views" else None,
            **bound,
        )
    else:
        step = _RATE_STEPS.get(name, kind(field.step))
        high = field.high
        if name == "num_train":
            high = _offer_pictures()
            default = min(default, high)
        st.number_input(
            field.label,
            kind(field.low),
            kind(high),
            default,
            step,
            format="%g" if kind is float else None,
            help=field.help,
            **bound,
        )
        if name == "num_train" and _value(name) == _ALL:
            st.caption("All that this dataset has.")


def _offer_pictures() -> int:
    """Make the number of training pictures one of this dataset's, where all of them are a number, too; returns that."""
    most = max(_num_train(), int(FIELDS["num_train"].low))
    if "num_train" in st.session_state:
        state.choose("num_train", min(_value("num_train"), most))
    state.show_most(most)
    return most


def _num_train() -> int:
    """How many training pictures there are to use."""
    pair = _pair()
    return datasets.split_sizes(_value("dataset"), tuple(pair.split(",")) if pair else ())["train"]


def _choices(name: str, dataset: str) -> dict[object, str]:
    """What can be chosen with this dataset on this machine, in words; empty for switches and numbers."""
    return setting_choices.choices(name, dataset, _pair() if name == "teachers" else "")


def _pair() -> str:
    """The two classes that are to be learned; "" for all."""
    return _value("classes") if _shown("classes") else ""
