"""The form that all lessons have, as plain values; the lessons themselves are `lessons.py`. It runs and draws nothing."""

from dataclasses import dataclass

from fashion.settings import RunSettings

MAX_IDEA_WORDS = 120
COURSE = "ML Zoomcamp, week 8"
COURSE_URL = (
    "https://github.com/DataTalksClub/machine-learning-zoomcamp/blob/master/08-deep-learning/notebook.ipynb"
)
BOOK_URL = (
    "https://github.com/alexeygrigorev/mlbookcamp-code/blob/master/chapter-07-neural-nets/"
    "07-neural-nets-train.ipynb"
)
COURSE_VALIDATION = 341
"""Validation photos of the course: what all its accuracies were measured on, where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A choice; which answer is right, if any is, is found out by running."""

    text: str
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Real runs that differ in one thing.

    - title: what is done, in words. varies: what differs, the title of an axis.
    - runs: a label each, and the settings. note: what one should know before pressing the button.
    - measure: what the result is about: "validation" accuracy, the "speed" of training, the "range" of learning rates,
      the "mistake" of judging on changed pictures, or the "homework".
    """

    key: str
    title: str
    varies: str
    runs: tuple[tuple[str, RunSettings], ...]
    note: str = ""
    measure: str = "validation"

    def __post_init__(self) -> None:
        labels = [label for label, _ in self.runs]
        if len(set(labels)) != len(labels):
            raise ValueError(f"The runs of {self.key} must have labels of their own. Received: {labels}.")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A result of the course: best validation accuracy (0 to 1), measured on n photos; `note` has the rest in words."""

    label: str
    accuracy: float
    note: str = ""
    n: int = COURSE_VALIDATION

    @property
    def correct(self) -> int:
        """How many photos were right."""
        return round(self.accuracy * self.n)


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One step of the course.

    - slug: its name in links. number: the course's. idea: at most 120 words of Markdown.
    - picture: what the diagram of this slug shows, for those who do not see it.
    - expect: what the student is asked before. experiments: started by a button; a lesson may do something else.
    - published, source, about: the course's own results, where they stand, and how they were made.
    - conclusion: what is known of it in general; the student's own numbers are added to it.
    - check: the question at the end, and judge: how its answer is found, a key of `lessons_results.JUDGES`, or "desk"
      where the page itself computes it from what the student did.
    """

    slug: str
    number: str
    title: str
    idea: str
    picture: str
    expect: Question
    conclusion: str
    check: str
    judge: str = "desk"
    experiments: tuple[Experiment, ...] = ()
    published: tuple[Published, ...] = ()
    source: str = ""
    about: str = ""

    @property
    def name(self) -> str:
        """Number and title."""
        return f"{self.number} {self.title}"
