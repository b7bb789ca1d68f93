"""What the app remembers about one visitor: the only file that spells session keys and URL parameters.

It keeps no data but the photos a visitor is looking at: arrays live in cache.py, runs in their folders.

Three ways to keep a value:
- `st.selectbox(..., **state.in_url(state.SPLIT))`: a widget whose value stands in the URL (so a link restores it)
  and survives a change of page. For what is worth sharing. The key is the parameter's name.
- `st.slider(..., **state.kept("epochs"))`: survives a change of page, but stays out of the URL.
- neither: a widget that starts at its default each time its page is opened.
"""

import secrets
from collections.abc import Collection, Mapping

import streamlit as st

# Widgets in the URL. A page that means the same thing uses the same key, so a choice follows the visitor.
DATASET = "dataset"
SECTION = "section"
SPLIT = "split"
CLASS = "class"
PER_PAGE = "per_page"
PAGE = "page"
PICTURE = "picture"
RUN = "run"  # the run that the Train page shows
RUNS = "runs"  # the runs compared on the Runs page, and the one opened there
OPEN = "open"
VIEW = "view"
TESTED_SPLIT = "tested_split"
AXIS = "axis"
AXIS_COMPARED = "axis_compared"
TRUE = "true"
PREDICTED = "predicted"
CHART = "chart"  # the chart that the Benchmark page shows

MODEL = "model"  # the run that the Predict page asks
SOURCE = "source"
TEST_PICTURE = "test_picture"
TEST_CLASS = "test_class"
DRAWN_CLASS = "drawn"
DRAWN_SEED = "drawn_seed"

_VISITOR = "_visitor"
_PHOTOS = "_photos"
_LINK_PROBLEMS = "_link_problems"


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


def limit(key: str, low: int, high: int) -> None:
    """Move a number that is no longer possible (after a filter, or from an old link) back into low..high.

    Call it before the widget of this key is drawn.
    """
    value = st.session_state.get(key)
    if isinstance(value, int) and not low <= value <= high:
        st.session_state[key] = min(max(value, low), high)


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


def photos(ids: Collection[str]) -> dict[str, object]:
    """This visitor's photos by id, to read and to add to; those of all other ids are dropped for good."""
    held = st.session_state.get(_PHOTOS, {})
    st.session_state[_PHOTOS] = {name: photo for name, photo in held.items() if name in ids}
    return st.session_state[_PHOTOS]


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


def add_link_problems(problems: list[str]) -> list[str]:
    """Remember what was wrong with a link and return all there is; the page runs again before anyone could read it."""
    known = st.session_state.setdefault(_LINK_PROBLEMS, [])
    known += problems
    return known


def forget_link_problems() -> None:
    """After they were read; for callbacks."""
    st.session_state.pop(_LINK_PROBLEMS, None)
