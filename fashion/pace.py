"""How often what many people watch is drawn again, so that watching leaves the processor to what is watched."""

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

# Of one core, for everybody's redrawing together, measured without what sending it takes, which is as much again.
SHARE = 0.15
_STEPS = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
# The median of the latest drawings counts: the first of a server loads libraries, and one of each version, which is then shown
# to all others, takes ten times as long as theirs.
_NUM_DRAWINGS, _FEW_DRAWINGS = 50, 5
_GONE_AFTER_ROUNDS = 3


@dataclass
class _Watcher:
    seen: float
    interval: float


class Pace:
    """Seconds between two drawings for each watcher: as asked, and more while all of them together would take too much.

    now: a clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now = now
        self._lock = threading.Lock()
        self._watchers: dict[str, _Watcher] = {}
        self._costs: deque[float] = deque(maxlen=_NUM_DRAWINGS)

    def interval(self, watcher: str, asked: float) -> float:
        """Seconds until this watcher's next drawing: `asked` or more. It grows at once, and shrinks when half is enough."""
        with self._lock:
            self._forget_the_gone()
            one = self._watchers.setdefault(watcher, _Watcher(self._now(), asked))
            one.seen = self._now()
            cost = statistics.median(self._costs) if len(self._costs) >= _FEW_DRAWINGS else 0.0
            wanted = max(asked, len(self._watchers) * cost / SHARE)
            if not one.interval / 2 < wanted <= one.interval:
                one.interval = next((step for step in (asked, *_STEPS) if step >= wanted), _STEPS[-1])
            return one.interval

    def drawn(self, seconds: float) -> None:
        """Note that a part was drawn, and the seconds of processor time that it took."""
        with self._lock:
            self._costs.append(seconds)

    def _forget_the_gone(self) -> None:
        now = self._now()
        for name, one in list(self._watchers.items()):
            if now - one.seen > _GONE_AFTER_ROUNDS * one.interval:
                del self._watchers[name]
