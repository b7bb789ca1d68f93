"""The frame of every page: menu, title, width. Every page calls `frame.page(...)` before anything else.

It draws nothing of a page's content. The menu is a literal list, drawn by hand: the pages are discovered from
the folder pages/, so that each is whole on its own when opened by its address.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from fashion import __version__, memory
from fashion.ui import state

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Page:
    """An entry of the menu; `file` is relative to the entrypoint."""

    file: str
    title: str
    icon: str


PAGES = (
    Page("streamlit_app.py", "Home", ":material/home:"),
    Page("pages/dataset.py", "Dataset", ":material/grid_view:"),
    Page("pages/course.py", "Course", ":material/school:"),
    Page("pages/train.py", "Train", ":material/model_training:"),
    Page("pages/runs.py", "Runs", ":material/stacked_line_chart:"),
    Page("pages/models.py", "Models", ":material/assignment:"),
    Page("pages/benchmark.py", "Benchmark", ":material/speed:"),
    Page("pages/predict.py", "Predict", ":material/photo_camera:"),
)

# Lines of text stay readable on a wide screen, and the keyboard's focus is seen on links, on the small buttons above tables
# and charts, and on the uploader's, which otherwise look as under the mouse or stay unseen. The ring's colour stands out 3 to 1
# in light and dark. The rest is in .streamlit/config.toml.
STYLE = """<style>
[data-testid='stMainBlockContainer'] { max-width: 72rem; }
[data-testid='stApp'] :is(a, [data-testid='stElementToolbar'] button, [data-testid='stFileUploader'] button):focus-visible {
    outline: 2px solid #278586; outline-offset: 1px; }
[data-testid='stApp'] [data-testid='stElementToolbar']:focus-within { opacity: 1; }
</style>"""


def page(title: str, lead: str, *, heading: str | None = None) -> None:
    """Start a page: browser tab, state, menu, heading and one sentence on what one can do here.

    `title`: the page's title in PAGES. `heading`: what stands on the page where it differs from the menu.
    """
    entry = _entry(title)
    st.set_page_config(
        page_title="Fashion Lab" if entry.title == "Home" else f"{entry.title} · Fashion Lab",
        page_icon="👕",  # an emoji is drawn by the browser; a Material icon would be fetched from the internet
        layout="wide",
    )
    memory.stay_small()
    memory.settle()
    state.initialise()
    state.arrive(entry.title)
    st.html(STYLE)
    _menu()
    st.title(heading or entry.title, anchor=False)
    st.markdown(lead)


def link(
    title: str, label: str | None = None, icon: str | None = None, parameters: dict[str, str] | None = None
) -> None:
    """A link to a page of the menu by its title, with URL parameters; a page that this installation lacks draws nothing."""
    entry = _entry(title)
    if (ROOT / entry.file).exists():
        st.page_link(entry.file, label=label or entry.title, icon=icon or entry.icon, query_params=parameters)


def _entry(title: str) -> Page:
    for entry in PAGES:
        if entry.title == title:
            return entry
    raise ValueError(
        f"The page must be one of {', '.join(entry.title for entry in PAGES)}. Received: {title!r}."
    )


def _menu() -> None:
    with st.sidebar:
        st.markdown("### Fashion Lab")
        for entry in PAGES:
            link(entry.title)
        with st.popover(
            "Link to this page", icon=":material/link:", type="tertiary", on_change="rerun"
        ) as link_here:
            if link_here.open:
                address = (st.context.url or "").rstrip("/")
                st.caption("It opens the page as it is now: what is chosen here stands in the link.")
                query = urlencode(st.query_params.to_dict())
                st.code(f"{address}?{query}" if query else address or "/", language=None, wrap_lines=True)
        st.space("small")
        st.caption(f"Version {__version__}")
