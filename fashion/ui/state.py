"""What the app remembers about one visitor: the only file that spells session keys and URL parameters.

It keeps no data but the photos a visitor is looking at: arrays live in cache.py, runs in their folders.

Three ways to keep a value:
- `st.selectbox(..., **state.in_url(state.SPLIT))`: a widget whose value stands in the URL (so a link restores it)
  and survives a change of page. For what is worth sharing. The key is the parameter's name.
- `st.slider(..., **state.kept("epochs"))`: survives a change of page, but stays out of the URL.
- neither: a widget that starts at its default each time its page is opened.
"""

import contextlib
import secrets
import time
from collections.abc import Collection, Mapping
from typing import Protocol

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from fashion.presets import Preset
from fashion.settings import RunSettings

# Widgets in the URL. A page that means the same thing uses the same key, so a choice follows the visitor.
DATASET = "dataset"
SECTION = "section"
SPLIT = "split"
CLASS = "class"
PER_PAGE = "per_page"
PAGE = "page"
PICTURE = "picture"
FIT = "fit"  # how a photo becomes a square
CHANNEL = "channel"
VARIANTS = "_variants_seen"  # counts how often others were asked for
RUN = "run"  # the run that the Train page shows
FIXED = "fixed"  # settings that a teacher's link fixes, and those that it hides
HIDDEN = "hidden"
RUNS = "runs"  # the runs compared on the Runs page, and the one opened there
OPEN = "open"
VIEW = "view"
TESTED_SPLIT = "tested_split"
EPOCH = "epoch"  # the epoch that the replay shows, from 1
AXIS = "axis"
AXIS_COMPARED = "axis_compared"
TRUE = "true"
PREDICTED = "predicted"
QUESTION = "question"  # the question that the Benchmark page answers, and the chart
CHART = "chart"

MODEL = "model"  # the run that the Predict page asks
SOURCE = "source"
TEST_PICTURE = "test_picture"
TEST_CLASS = "test_class"
DRAWN_CLASS = "drawn"
DRAWN_SEED = "drawn_seed"
LOOK = "look"  # the section of the Predict page
PRETRAINED = "pretrained"  # the network asked there as it is
BESIDE = "beside"  # the other models asked there

TIME_BUDGET = "_time_budget"  # the seconds that the visitor of the Train page has
KEEP_NETWORK = "_keep_network"  # whether these are for the network in the form

SWEEP = "sweep"  # the group of runs that the Train page shows
VARY = "vary"  # the values of a sweep in the link, and its number of seeds
SEEDS = "seeds"
VARIED = "_varied"  # the settings that have several values in the form
NUM_SEEDS = "_num_seeds"

LESSON = "lesson"
EXPERIMENT = "experiment"  # the groups of runs that a lesson shows

_VISITOR = "_visitor"
_PROGRESS = "_progress"
_PHOTOS = "_photos"
_UPLOADED = "_uploaded"
_LINK_PROBLEMS = "_link_problems"
_PAGE = "_page_shown"
_ARRIVED = "_arrived"
_SETTINGS_SHOWN = "_settings_shown"
_SETTINGS_OF = "_settings_of"
_ARCHITECTURE_SHOWN = "_architecture_shown"
_MOST_SHOWN = "_most_shown"
_PRESET = "_preset"
_SWEEP_LINK = "_sweep_link"
_SWEEP_PROBLEMS = "_sweep_problems"
_BUDGET = "_budget"
_PLAYING = "_playing"


def initialise() -> None:
    """Fill in what every page relies on; `frame.page` calls it first."""
    st.session_state.setdefault(_VISITOR, secrets.token_hex(8))


def visitor() -> str:
    """A random name for this browser tab, for limits per visitor; it says nothing about the person."""
    return st.session_state[_VISITOR]


def in_url(key: str) -> dict[str, str]:
    """Widget arguments: the value stands in the URL as ?key=value and survives a change of page."""
    return {"key": key, "bind": "query-params", "persist_state": "session"}


def kept(key: str) -> dict[str, str]:
    """Widget arguments: the value survives a change of page."""
    return {"key": key, "persist_state": "session"}


def read_plain_names(choices: Mapping[str, Mapping[str, str]]) -> None:
    """Let a link name choices plainly, ?architecture=cnn, where Streamlit's own links hold the words on screen.

    `choices`: for each key, plain name -> words. Call it before the widgets of these keys are drawn: it rewrites
    the URL and runs the page again.
    """
    named = {key: st.query_params.get(key) for key in choices}
    plain = {key: name for key, name in named.items() if name in choices[key] and name != choices[key][name]}
    for key, name in plain.items():
        st.query_params[key] = choices[key][name]
    if plain:
        st.rerun()


def choose(key: str, value: object) -> None:
    """Set a widget's value from a callback, or before the widget is drawn in this run."""
    st.session_state[key] = value


def chosen(key: str, otherwise: object) -> object:
    """What a widget was set to before, also in another run of the page."""
    return st.session_state.get(key, otherwise)


def limit(key: str, low: int, high: int) -> None:
    """Move a number that is no longer possible (after a filter, or from an old link) back into low..high.

    Call it before the widget of this key is drawn.
    """
    value = st.session_state.get(key)
    if isinstance(value, int) and not low <= value <= high:
        st.session_state[key] = min(max(value, low), high)


def one_of(key: str, options: Collection[str]) -> None:
    """Forget a choice that is none any more; the widget then starts at its default. Call it before that is drawn."""
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]


def limit_choice(key: str, options: Collection[str]) -> None:
    """Give up a choice that is no longer offered (with another model, or from an old link) for the first that is.

    Call it before the widget of this key is drawn.
    """
    if st.session_state.get(key) is not None and st.session_state[key] not in options:
        st.session_state[key] = next(iter(options))


def offer_test_picture(position: int) -> None:
    """Let `choose_test_picture` reach the URL, as `offer_picture` does for `choose_picture`; this one stands there first."""
    st.session_state.setdefault(TEST_PICTURE, position)


def choose_test_picture(position: int) -> None:
    """Ask the Predict page's model about this picture of the test part; for callbacks."""
    choose(SOURCE, "Test picture")
    choose(TEST_PICTURE, position)


def offer_picture() -> None:
    """Let `choose_picture` reach the URL, which Streamlit allows only for a key that an earlier run knew."""
    st.session_state.setdefault(PICTURE, 0)


def choose_picture(position: int) -> None:
    """Open one picture of the chosen split on the dataset page; for callbacks."""
    choose(PICTURE, position)
    choose(SECTION, "One picture")


def linked_ids(key: str) -> list[str]:
    """The ids that the link gives as ?key=id,id, else those chosen earlier: at most 20 texts, to be looked up only."""
    if key in st.query_params:
        parts = (part.strip() for part in st.query_params[key][:1000].split(","))
        st.session_state[f"_{key}_ids"] = list(dict.fromkeys(part for part in parts if part))[:20]
    else:
        link_ids(key, st.session_state.get(f"_{key}_ids", []))
    return st.session_state[f"_{key}_ids"]


def link_ids(key: str, ids: list[str]) -> None:
    """Put ids into the link as ?key=id,id and remember them across pages; none takes the parameter away."""
    st.session_state[f"_{key}_ids"] = ids
    if ids:
        st.query_params[key] = ",".join(ids)
    else:
        st.query_params.pop(key, None)


class Photo(Protocol):
    """What can be forgotten."""

    def forget(self) -> None: ...


def photos(source: str, ids: Collection[str] | None = None) -> dict[str, Photo]:
    """This visitor's photos from one source by id, to read and to add to. Given ids, those of all others are dropped for good.

    They stay while the visitor is elsewhere. What is dropped is told to `forget`: Streamlit and Python may hold on to the
    object itself for a while.
    """
    held = st.session_state.setdefault(_PHOTOS, {}).setdefault(source, {})
    for name in [name for name in held if ids is not None and name not in ids]:
        held.pop(name).forget()
    return held


def photo(name: str) -> Photo | None:
    """One of them by its id, or None; for callbacks, which Streamlit keeps for longer than a visitor keeps a photo, so
    that they may name one but not hold it."""
    sources = st.session_state.get(_PHOTOS, {}).values()
    return next((held[name] for held in sources if name in held), None)


def drawn_before(key: str) -> bool:
    """Whether the widget of this key was there in the last run of the page; before it is drawn in this one."""
    return key in st.session_state


def taken_away(source: str, ids: Collection[str], anew: bool) -> set[str]:
    """Which files the visitor took out of the uploader of this source, which now holds `ids`.

    anew: it was not there in the last run, so that it begins empty whatever it held before.
    """
    seen = st.session_state.setdefault(_UPLOADED, {})
    before = set() if anew else seen.get(source, set())
    seen[source] = set(ids)
    return before - seen[source]


def selected(key: str) -> Mapping[str, object]:
    """What is selected on the chart of this key: parameter name -> value; known before it is drawn in this run."""
    return st.session_state.get(key, {}).get("selection", {})


def is_new(key: str, value: object) -> bool:
    """Whether this value differs from the one at the last call; for a click that stays selected on its chart."""
    changed = st.session_state.get(key) != value
    st.session_state[key] = value
    return changed


def count(key: str, more: int = 0) -> int:
    """A number that counts what happened under this key in this visit, from 0."""
    st.session_state[key] = st.session_state.get(key, 0) + more
    return st.session_state[key]


def first_page() -> None:
    """Go back to the first page of pictures; the callback of every filter."""
    choose(PAGE, 1)


def put_into_link(key: str, text: str) -> None:
    """Write ?key=text for a widget that is not drawn yet; Streamlit itself writes the link of those that are."""
    with contextlib.suppress(StreamlitAPIException):
        st.query_params[key] = text


def add_link_problems(problems: list[str]) -> list[str]:
    """Remember what was wrong with a link and return all there is; the page runs again before anyone could read it."""
    known = st.session_state.setdefault(_LINK_PROBLEMS, [])
    known += problems
    return known


def forget_link_problems() -> None:
    """After they were read; for callbacks."""
    st.session_state.pop(_LINK_PROBLEMS, None)


def playing() -> str:
    """The id of the run whose replay plays in this visit, or ""."""
    return st.session_state.get(_PLAYING, ("", 0.0))[0]


def play(name: str) -> None:
    """Let the replay of this run play, and no other, from what it shows now; "" stops it."""
    st.session_state[_PLAYING] = (name, time.monotonic())


def next_due(seconds: float) -> bool:
    """Whether what plays has stood for so long; if so, it counts from now again. A page is drawn for other reasons, too."""
    name, since = st.session_state.get(_PLAYING, ("", 0.0))
    if time.monotonic() - since < seconds:
        return False
    play(name)
    return True


def progress() -> dict[str, dict[str, object]]:
    """What this visitor did in the course: for each lesson expected, answer, right, and groups (experiment -> group)."""
    return st.session_state.setdefault(_PROGRESS, {})


def note_progress(lesson: str, **changes: object) -> None:
    """Keep what the visitor did in a lesson, for this visit."""
    progress().setdefault(lesson, {}).update(changes)


def experiment_group(lesson: str, experiment: str) -> str:
    """The group of runs that this lesson's experiment shows: the visitor's own, or the link's; "" if there is none."""
    own = progress().get(lesson, {}).get("groups", {})
    linked = st.query_params.get(EXPERIMENT, "")[:300].split(",")
    named = next((group for group in linked if group.rpartition("-")[0] == experiment), "")
    if experiment not in own and named:  # the link itself stays: it may name those of other experiments, too
        own = own | {experiment: named[:60]}
        note_progress(lesson, groups=own)
    return own.get(experiment, "")


def show_group(lesson: str, experiment: str, group: str) -> None:
    """Show this group of runs in the lesson, and name it in the link; "" shows none."""
    groups = progress().get(lesson, {}).get("groups", {}) | {experiment: group}
    note_progress(lesson, groups={name: value for name, value in groups.items() if value})
    link_groups(lesson)


def link_groups(lesson: str) -> None:
    """Let the link name all groups of runs that this lesson shows, so that whoever opens it sees the same."""
    groups = progress().get(lesson, {}).get("groups", {})
    if groups:
        st.query_params[EXPERIMENT] = ",".join(groups.values())
    else:
        st.query_params.pop(EXPERIMENT, None)


def arrive(page: str) -> None:
    """Note which page is drawn; `frame.page` calls it before any widget."""
    if is_new(_PAGE, page):
        st.session_state[_ARRIVED] = True
        context = get_script_run_ctx()
        if context is not None and context.is_history_navigation and not st.query_params:
            # On the browser's way back Streamlit comes past a link without parameters, and would set every widget to its
            # default. Run again, the page finds the values that it was left with.
            st.rerun()


def just_arrived() -> bool:
    """Whether this page was opened just now, until `settle` is called: its link may say something new."""
    return st.session_state.get(_ARRIVED, True)


def settle() -> None:
    """The page's widgets are drawn: from now on its link is what they write there."""
    st.session_state[_ARRIVED] = False


def settings_shown() -> str | None:
    """The kind of pictures whose settings stand in the form of the Train page, or None before it was drawn."""
    return st.session_state.get(_SETTINGS_SHOWN)


def show_settings_of(kind: str) -> None:
    """Note that the settings in the form are those for this kind of pictures."""
    st.session_state[_SETTINGS_SHOWN] = kind


def architecture_shown() -> str:
    """The network whose settings the form of the Train page last showed, or "" before it was drawn."""
    return st.session_state.get(_ARCHITECTURE_SHOWN, "")


def show_architecture(name: str) -> None:
    """Note that the form shows settings for this network."""
    st.session_state[_ARCHITECTURE_SHOWN] = name


def most_shown(otherwise: int) -> int:
    """The number of training pictures that stands for all of them in the form as it was drawn last; `otherwise` where the
    number there was put in from elsewhere."""
    most = st.session_state.get(_MOST_SHOWN)
    return otherwise if most is None else most


def show_most(most: int | None) -> None:
    """Note how many training pictures the form offers."""
    st.session_state[_MOST_SHOWN] = most


def before_budget(settings: RunSettings) -> RunSettings:
    """What stood in the form before it was fitted to a time; the settings themselves where they were changed since."""
    base, fitted = st.session_state.get(_BUDGET, (settings, settings))
    return base if fitted == settings else settings


def keep_budget(base: RunSettings, fitted: RunSettings) -> None:
    """Remember from which settings these were fitted to a time."""
    st.session_state[_BUDGET] = (base, fitted)


def values_key(name: str) -> str:
    """The key of the widget that holds several values of this setting."""
    return f"_values_{name}"


def new_sweep_link() -> tuple[str, str] | None:
    """The values and seeds in the link, if they are not those that this visit wrote there; None where it says nothing new."""
    found = (st.query_params.get(VARY, ""), st.query_params.get(SEEDS, ""))
    return None if not any(found) or found == st.session_state.get(_SWEEP_LINK) else found


def keep_sweep_link(vary: str, seeds: str) -> None:
    """Write the values and seeds of the form into the link; "" takes a parameter away."""
    st.session_state[_SWEEP_LINK] = (vary, seeds)
    for key, text in ((VARY, vary), (SEEDS, seeds)):
        if text:
            st.query_params[key] = text
        else:
            st.query_params.pop(key, None)


def sweep_problems(problems: list[str] | None = None) -> list[str]:
    """What was wrong with the values in the link, kept until a link says something new."""
    if problems is not None:
        st.session_state[_SWEEP_PROBLEMS] = problems
    return st.session_state.get(_SWEEP_PROBLEMS, [])


def preset() -> Preset | None:
    """What a teacher's link fixed and hid for this visit, or None."""
    return st.session_state.get(_PRESET)


def keep_preset(found: Preset | None) -> None:
    """Let this preset rule the form, and put its names into the link; None frees all settings."""
    st.session_state[_PRESET] = found
    for key, names in ((FIXED, found.fixed if found else ()), (HIDDEN, found.hidden if found else ())):
        with contextlib.suppress(StreamlitAPIException):
            if names:
                st.query_params[key] = ",".join(names)
            else:
                st.query_params.pop(key, None)


def exchange_settings(names: Collection[str], before: str, now: str) -> dict[str, object]:
    """Keep the values of these widgets under the kind `before`; returns those kept under `now`, perhaps none."""
    kept_values = st.session_state.setdefault(_SETTINGS_OF, {})
    kept_values[before] = {name: st.session_state[name] for name in names if name in st.session_state}
    return kept_values.get(now, {})
