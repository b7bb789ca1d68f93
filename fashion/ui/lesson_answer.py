"""How the question at the end of a lesson is asked."""

from collections.abc import Callable
from dataclasses import dataclass

from fashion.lessons_results import Judged


@dataclass(frozen=True)
class Ask:
    """What answers there are, and how one is judged.

    options: what can be chosen; without them a number is asked for. whole: a whole number.
    """

    judge: Callable[[object], Judged]
    options: tuple[str, ...] = ()
    whole: bool = False
