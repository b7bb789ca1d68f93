"""The project's main chart as a picture file, drawn from the recorded results: `python -m fashion benchmark --picture PATH`.

It shows what accuracy the seconds of training buy on one machine, as the Benchmark page does. Writing SVG or PNG takes
`vl-convert-python` from requirements-dev.txt; the app itself never needs it.
"""

import importlib.util
from pathlib import Path

from fashion import benchmark_accuracy
from fashion.benchmark_records import Record, method
from fashion.errors import JobError, SettingsError

FORMATS = (".svg", ".png")
# What README shows it at; a PNG has twice as many pixels.
_WIDTH, _SCALE = 760, 2
_CAPTION_LETTERS = 140
_CONFIG = {
    "background": "#ffffff",  # README may stand on a dark page
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {"gridColor": "#e4e8e7", "domain": False, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
    "legend": {"labelFontSize": 13, "orient": "top"},
    "title": {"anchor": "start", "fontSize": 16, "subtitleFontSize": 11, "subtitleColor": "#5a6366", "offset": 12},
    "padding": 14,
}  # fmt: skip


def write(path: Path, key: str = "") -> Record:
    """Draw the recorded result of this key, or the one with most trainings; returns which it was.

    Raises:
        SettingsError: The file's name ends in none of `FORMATS`, or there is no result of this key.
        JobError: Nothing is recorded, or what writes pictures is not installed.
        OSError: The file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise SettingsError(f"A picture's name must end in {' or '.join(FORMATS)}. Received: {path.name}.")
    records, unusable = benchmark_accuracy.load_recorded("accuracy")
    records = [one for one in records if one.measured_runs]
    if not records:
        raise JobError(
            f"A picture needs a record in models/benchmarks/accuracy. {' '.join(unusable) or 'Received none.'} "
            "Measure one: python -m fashion benchmark --accuracy --seeds 5 --output models/benchmarks"
        )
    if key and key not in {one.key for one in records}:
        raise SettingsError(
            f"A record must be one of {', '.join(one.key for one in records)}. Received: {key!r}."
        )
    if importlib.util.find_spec("vl_convert") is None:
        raise JobError(
            "Writing a picture needs vl-convert-python. It is not installed. Install it with: pip install -r "
            "requirements-dev.txt"
        )
    chosen = [one for one in records if one.key == key] or sorted(
        records, key=lambda one: -len(one.measured_runs)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _chart(chosen[0]).save(str(path), scale_factor=_SCALE if path.suffix.lower() == ".png" else 1)
    return chosen[0]


def _chart(one: Record):
    import altair as alt  # half a second that no other command should wait

    from fashion import benchmark_chart

    what = (
        f"Fashion-MNIST, {one.results['num_train']:,} training pictures, {one.results['num_test']:,} test pictures, "
        f"{benchmark_chart.seeds([one])}; bands and bars: 95 % interval of the mean."
    )
    chart = benchmark_chart.accuracy_over_time([one]).properties(
        width=_WIDTH,
        height=380,
        title=alt.TitleParams(
            "What accuracy does a minute of training buy?",
            subtitle=_lines(f"{what} {method(one).replace('`', '')}"),
        ),
    )
    return chart.configure(**_CONFIG)


def _lines(text: str) -> list[str]:
    """The words in lines of at most `_CAPTION_LETTERS`."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) > _CAPTION_LETTERS:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
