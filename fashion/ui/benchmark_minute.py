"""The answer to the second question: what accuracy a minute of training buys, and how that compares with examples.

The numbers are put together in `fashion.benchmark_accuracy`, the chart in `fashion.benchmark_chart`.
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from fashion import benchmark_accuracy, benchmark_chart, benchmark_records, benchmark_trials
from fashion.benchmark_accuracy import BASELINE
from fashion.benchmark_records import Record
from fashion.errors import SettingsError
from fashion.settings import FRAMEWORKS
from fashion.ui import charts, components
from fashion.ui.benchmark_view import method, not_measured

TARGETS = (0.90, 0.92, 0.935)
_NEVER = "–"


def answer(shown: Sequence[Record]) -> None:
    """The chart, the times to three accuracies, and the comparison with Keras' example."""
    shown = [one for one in shown if one.measured_runs]
    if not shown:
        not_measured("No training of these results was measured.")
        return
    _chart(shown)
    _times(shown)
    _comparison(shown)
    _recipes(shown)


def _chart(shown: list[Record]) -> None:
    rows = benchmark_chart.named(shown)
    charts.place(
        benchmark_chart.accuracy_over_time(shown),
        alt_text="Mean test accuracy over seconds of training, on a logarithmic axis: a line per family of recipes, "
        "published examples in grey, and the front of the best.",
        table=_in_words(rows),
        name="benchmark-accuracy",
    )
    seeds = components.harmless(benchmark_chart.seeds(shown))
    sizes = " or ".join(f"{one:,}" for one in sorted(set(rows.n)))
    pictures = " or ".join(f"{one:,}" for one in sorted({one.results["num_train"] for one in shown}))
    band = (
        "95 % t interval of the mean over seeds"
        if rows.n_seeds.max() > 1
        else "95 % interval of the one test"
    )
    method(
        f"Trained on {pictures} pictures with {seeds}, tested on {sizes} while the clock stood still; bands and bars: "
        f"{band}. Of a recipe whose learning rate falls to the end only the end counts. Start-up is not in the seconds",
        shown,
        benchmark_records.method,
    )
    low = benchmark_chart.lowest(rows)
    below = " Epochs below the chart are in its table." if rows.accuracy.min() < low else ""
    st.markdown(
        "The broad grey steps are the front: the best that any recipe had reached by then. Lines in grey are published "
        f"examples, measured in the same run.{below}"
    )


_WORDS = {
    "title": "recipe",
    "place": "measured on",
    "framework": "framework",
    "device": "device",
    "epoch": "after epoch",
    "seconds": "seconds of training",
    "accuracy": "mean test accuracy",
    "accuracy_low": "95 % interval from",
    "accuracy_high": "95 % interval to",
    "n_seeds": "seeds",
    "n_planned": "seeds planned",
    "n": "test pictures",
    "batch_size": "batch size",
    "num_parameters": "parameters",
    "num_multiply_adds": "multiply-adds per picture",
    "share_of_peak": "share of float32 matrix peak",
}


def _in_words(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.sort_values(["place", "title", "seconds"]).round({"seconds": 2, "share_of_peak": 3})
    rows = rows.round(dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high"), 4))
    rows["framework"] = rows.framework.map(lambda name: FRAMEWORKS.get(name, name))
    return rows[list(_WORDS)].rename(columns=_WORDS)


def _times(shown: list[Record]) -> None:
    st.subheader("Seconds until the mean test accuracy is reached", anchor=False, divider=False)
    table = times_table(shown)
    st.dataframe(
        table, hide_index=True, alt="Seconds of training until three test accuracies are reached, by recipe"
    )
    st.download_button(
        "Times as CSV",
        table.to_csv(index=False),
        file_name="benchmark-times.csv",
        mime="text/csv",
        icon=":material/download:",
        key="_csv_times",
        on_click="ignore",
    )
    st.caption(
        f'In brackets: how many times sooner than Keras\' convnet example on the same machine. "{_NEVER}": never reached.'
    )


def times_table(shown: Sequence[Record]) -> pd.DataFrame:
    """A row per recipe with the seconds to each of `TARGETS` as text, in brackets the ratio to Keras' example beside it.

    A family of recipes has a row of its own, its soonest, before them; recipes stand in the order of their time, published
    ones after ours.
    """
    times = benchmark_accuracy.times_to(shown, TARGETS)
    places = benchmark_chart.places(shown)
    names = [f"{target:g}" for target in TARGETS]
    same = ["key", "framework", "device"]
    based = times[times.recipe == BASELINE].set_index(same)
    ends = benchmark_accuracy.table(shown)
    ends = ends[ends["last"]].set_index([*same, "recipe"])
    places_of = times[[*same, "recipe"]].itertuples(index=False, name=None)
    order = [(ends.peer.get(one, False), ends.seconds.get(one, 0.0)) for one in places_of]
    times = times.assign(peer=[peer for peer, _ in order], end=[end for _, end in order])
    rows = []
    for row in times.sort_values(["key", "peer", "what", "end"], kind="stable").to_dict("records"):
        place = tuple(row[name] for name in same)
        title = row["title"] if row["what"] == "recipe" else f"{row['title']}: soonest"
        values = {"recipe": title}
        for name, target in zip(names, TARGETS, strict=True):
            theirs = based.loc[place, name] if place in based.index else None
            own = row["recipe"] == BASELINE
            values[f"{target:.1%}".replace(".0%", "%")] = _with_ratio(row[name], None if own else theirs)
        enough = row["n_seeds"] >= row["n_planned"]
        values["seeds"] = f"{row['n_seeds']}" if enough else f"{row['n_seeds']} of {row['n_planned']}"
        if times.framework.nunique() > 1:
            values["framework"] = FRAMEWORKS.get(row["framework"], row["framework"])
        if len(places) > 1 or times.device.nunique() > 1:
            values["measured on"] = (
                f"{places[row['key']]}{'' if row['device'] == 'cpu' else ', ' + row['device']}"
            )
        rows.append(values)
    return pd.DataFrame(rows)


def _with_ratio(seconds: float | None, theirs: float | None) -> str:
    if pd.isna(seconds):
        return _NEVER
    words = f"{seconds:,.1f} s" if seconds < 100 else f"{seconds:,.0f} s"
    return words if pd.isna(theirs) else f"{words} ({theirs / seconds:.1f}x)"


def _claim(words: str) -> str:
    """The claim as it stands in a narrow table."""
    return words.replace(" against when the example ", ", example ")


def _comparison(shown: list[Record]) -> None:
    ratios = benchmark_accuracy.ratios(shown)
    if ratios.ratio.isna().all():
        return
    places = benchmark_chart.places(shown)
    table = pd.DataFrame(
        {
            "recipes": ratios.family,
            "test accuracy": ratios.claim.map(_claim),
            "times sooner": ["not reached" if pd.isna(ratio) else f"{ratio:.2f}" for ratio in ratios.ratio],
            "seed by seed": [_seed_by_seed(row) for row in ratios.itertuples()],
            "measured on": ratios.key.map(places),
        }
    )
    if len(places) == 1:
        table = table.drop(columns="measured on")
    st.subheader("Against Keras' convnet example", anchor=False)
    st.dataframe(
        table, hide_index=True, alt="How many times sooner families of recipes are than Keras' example"
    )
    st.caption(
        "Seed by seed: mean of the ratios, its 95 % t interval, and n, the seeds in which both get there."
    )


def _seed_by_seed(row) -> str:
    if pd.isna(row.ratio):
        return f"best mean {row.best:.2%}" if pd.isna(row.seconds) else _NEVER
    if row.n < 2:
        return f"n = {row.n}"
    return f"{row.mean:.2f} ({row.low:.2f} to {row.high:.2f}), n = {row.n} of {row.n_seeds}"


def _recipes(shown: list[Record]) -> None:
    """What each recipe is, and where the published ones come from."""
    runs = {run["recipe"]: run for one in shown for run in one.measured_runs}
    with st.expander("What these recipes are", icon=":material/menu_book:"):
        for name, run in runs.items():
            words = f"**{components.literal(run['title'])}**: {components.literal(run['about'])}"
            # A link only where this version of the app knows the recipe: a file's own address may lead anywhere.
            if run["source"] and run["source"] == _known_source(name):
                words += f" [Source]({run['source']})"
            st.markdown(words)


def _known_source(name: str) -> str:
    try:
        return benchmark_trials.recipe_named(name).source
    except SettingsError:
        return ""
