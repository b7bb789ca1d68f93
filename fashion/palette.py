"""Colours that all charts take, on the pages and in pictures drawn without them."""

CLASS_COLOURS = (
    "#5e92fa",
    "#e1af0a",
    "#058468",
    "#d066b8",
    "#7353c3",
    "#45cdac",
    "#903818",
    "#bbaffb",
    "#8e8d10",
    "#33567a",
)
"""The colour of a Fashion-MNIST class is the one at its label number. Searched numerically: also for red-, green- and blue-blind
readers (Machado et al. 2009, full strength) any two are at least 0.1 apart in OKLab, and each stands out from a
white and from a dark page. Still never the only sign: marks carry their name."""
