"""What is said of the line in which all runs of this machine wait, and of those that others started: words for several pages."""

import time

from fashion import estimate, jobs, runs
from fashion.made_here import Made
from fashion.ui import cache, components, state


def goes_first() -> str:
    """How many unfinished runs are served before what one is about to start, and how long they will take, if known; "" for none."""
    before = jobs.active_runs()
    if not before:
        return ""
    num_runs, seconds = jobs.count(before), cache.waiting_seconds(before)
    long = "" if seconds is None else f", about {estimate.in_words(seconds)}"
    counted = components.counted(num_runs, "unfinished run")
    return f"{counted} on this machine {'goes' if num_runs == 1 else 'go'} first{long}."


def place(run: runs.Run, what: str = "this one") -> str:
    """How many runs a waiting one has before it, and how long they will take, if known."""
    before = jobs.ahead_of(run)
    num_runs, seconds = jobs.count(before), cache.waiting_seconds(before)
    if not num_runs:
        return "Next in line."
    long = "" if seconds is None else f"; about {estimate.in_words(seconds)} until it begins"
    return f"Waiting: {components.counted(num_runs, 'run')} before {what}{long}."


def stop_words(status: runs.Status, what_stays: str) -> dict[str, str]:
    """Label and help of a button that stops a run: of one that was not started in this visit, that others may be watching it."""
    if status.visitor == state.visitor():
        return {"label": "Stop", "help": what_stays}
    return {
        "label": "Stop for all",
        "help": f"It was not started in this visit, and others may be watching it. {what_stays}",
    }


def made_here_label(made: Made, what: str) -> str:
    """What a button to runs that were made on this machine says: how long ago, or on which day, or that they are under way."""
    if made.finished is None:
        return f"Watch the {what} under way here"
    seconds = time.time() - made.finished
    if seconds < 86_400:
        return f"Show the {what} made here {estimate.in_words(max(seconds, 1.0))} ago"
    return f"Show the {what} made here on {time.strftime('%Y-%m-%d', time.localtime(made.finished))}"
