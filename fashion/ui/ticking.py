"""A part of a page that is drawn again by itself, while something goes on that it tells of."""

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from fashion.ui import cache, state


def part(draw: Callable[..., Any], *arguments: Any, seconds: float | None, key: str) -> None:
    """Draw this part, and again every `seconds`, or only when something in it is used.

    While many watch, it is drawn more seldom: see `pace.Pace`. `key`: names the part; another one where it begins or ceases to
    be drawn again.
    """
    if seconds is None:
        st.fragment(draw, key=key)(*arguments)
        return
    interval = cache.pace().interval(_watcher(key), seconds)
    st.fragment(_watched, run_every=interval, key=key)(draw, arguments, seconds, interval, key)


def _watched(draw: Callable[..., Any], arguments: tuple, seconds: float, interval: float, key: str) -> None:
    started = time.thread_time()
    draw(*arguments)
    cache.pace().drawn(time.thread_time() - started)
    if cache.pace().interval(_watcher(key), seconds) != interval:
        st.rerun()  # the whole page: the ticking belongs to the part as it was first called


def _watcher(key: str) -> str:
    return f"{state.visitor()} {key}"
