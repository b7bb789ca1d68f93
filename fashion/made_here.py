"""Whether just the runs that somebody is about to start were made on this machine before, or are under way.

In a class all press the same button; runs that would come out alike need to be made but once.
"""

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from fashion import runs
from fashion.errors import RunError
from fashion.runs import ACTIVE, Run, Status
from fashion.settings import RunSettings


@dataclass(frozen=True)
class Made:
    """Runs on this machine, no matter whose. name: that of their group, or of the run; finished: when the last of them ended,
    in Unix seconds; None: not yet; visitor: who started them."""

    name: str
    finished: float | None
    visitor: str = ""


def run(settings: RunSettings) -> Made | None:
    """The newest run with just these settings, seed included: of those that have finished, else of those under way."""
    return _newest((one.id, [one.status()]) for one in _with_settings([settings]))


def group(key: str, planned: Collection[RunSettings]) -> Made | None:
    """The newest group of runs of the experiment of this key that has just these settings: finished, else under way."""
    groups: dict[str, list[Run]] = {}
    for one in _with_settings(planned):
        name = one.stored_status().group
        if name.rpartition("-")[0] == key:
            groups.setdefault(name, []).append(one)
    return _newest(
        (name, [one.status() for one in several])
        for name, several in groups.items()
        if Counter(one.settings for one in several) == Counter(planned)
        and len(runs.of_group(name)) == len(several)
    )


def _with_settings(planned: Collection[RunSettings]) -> Iterable[Run]:
    """The runs that have settings among these, newest first; damaged ones are passed over."""
    for one in runs.list_runs():
        with contextlib.suppress(RunError):
            if one.settings in planned:
                yield one


def _newest(candidates: Iterable[tuple[str, list[Status]]]) -> Made | None:
    under_way = None
    for name, statuses in candidates:
        states = {status.state for status in statuses}
        if states == {"finished"}:
            return Made(name, max(status.finished or 0.0 for status in statuses), statuses[0].visitor)
        if states <= {"finished", *ACTIVE}:
            under_way = under_way or Made(name, None, statuses[0].visitor)
    return under_way
