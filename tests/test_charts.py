"""What all charts have in common, and what is drawn but once for all who watch it."""

import altair as alt
import pandas as pd
import pytest
from altair.utils.schemapi import SchemaValidationError
from streamlit.testing.v1 import AppTest

from fashion.ui import charts

TABLE = pd.DataFrame({"epoch": [1, 2], "loss": [0.5, 0.4]})


def shown(version: int) -> AppTest:
    """A visitor's page with one chart of this version; how often it was made stands in the shared list `MADE`."""

    def page(version):
        import test_charts

        from fashion.ui import charts

        def chart():
            test_charts.MADE.append(version)
            return test_charts.alt.Chart(test_charts.TABLE).mark_line().encode(x="epoch:Q", y="loss:Q")

        charts.place(chart, alt_text="Loss.", table=test_charts.TABLE, name="loss", version=("run", version))

    return AppTest.from_function(page, args=(version,)).run()


MADE: list[int] = []


def test_a_chart_that_many_watch_is_made_once_for_each_version():
    """Two visitors see the same chart, its table and its file; what came since is drawn anew."""
    MADE.clear()
    pages = [shown(1), shown(1), shown(2)]

    assert MADE == [1, 2]
    for at in pages:
        assert not at.exception
        assert len(at.get("vega_lite_chart")) == 1
        assert at.dataframe[0].value.loss.tolist() == [0.5, 0.4]
    first, second = (at.get("vega_lite_chart")[0].proto for at in pages[:2])
    assert first.spec == second.spec
    assert first.datasets[0].data == second.datasets[0].data


def test_tests_check_charts_and_the_app_does_not(monkeypatch):
    """The comparison with Vega-Lite's schema takes half of a chart's time, so it is made here."""
    wrong = alt.Chart(TABLE).mark_line().encode(x=alt.X("epoch:Q", axis={"tickKount": 4}))

    with pytest.raises(SchemaValidationError, match="tickKount"):
        charts._Chart(wrong).to_dict()
    monkeypatch.setattr(charts, "CHECK_CHARTS", False)
    assert charts._Chart(wrong).to_dict()["encoding"]["x"]["axis"] == {"tickKount": 4}
