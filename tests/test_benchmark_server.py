"""What the app itself costs is measured in processes of its own, and told in words.

Run: python -m pytest tests/test_benchmark_server.py
"""

import json

import pytest

from fashion import benchmark_results, benchmark_server
from fashion.ui import frame
from fashion.worker import StopRequested


def nothing() -> None:
    """Nobody asks to stop."""


def test_what_people_wait_for_is_told_in_words():
    """Pages, photos, export and the memory of each process; older files, which lack some, still have the others."""
    measured = {
        "prediction": {"first_seconds": 1.25, "later_milliseconds": 22.2, "memory_bytes": 200_000_000},
        "photo": {"first_seconds": 2.5, "later_seconds": 0.125, "memory_bytes": 240_000_000},
        "worker": {"first_step_seconds": 6.5, "peak_memory_bytes": 842_000_000, "export_seconds": 2.5},
        "tour": {
            "page_seconds": {"Home": 0.1, "Dataset": 0.4, "Train": 0.2},
            "first_round_longest_seconds": 1.5,
            "memory_bytes": 250_000_000,
        },
    }
    results = {"processes": [], "live_progress": [], "server": measured}

    figures = benchmark_results.figures(results)

    assert figures["First prediction"] == "1.2 s, 200 MB"
    assert figures["First photo on the Predict page, server started cold"] == "2.5 s, 240 MB"
    assert figures["Next photo"] == "0.12 s"
    assert figures["Page change while training"] == "0.20 s, at most 0.40 s (Dataset)"
    assert figures["Worker: export to LiteRT"] == "2.5 s"
    assert figures["Server after all pages"] == "250 MB"
    older = {"worker": {"first_step_seconds": 6.5, "peak_memory_bytes": 842_000_000}, "prediction": None}
    assert list(benchmark_results.figures({**results, "server": older})) == [
        "Worker: first step",
        "Worker: most memory",
    ]


def test_a_stop_ends_the_processes_that_measure():
    """It is asked several times a second."""

    def stop() -> None:
        raise StopRequested("enough")

    with pytest.raises(StopRequested):
        benchmark_server._while_training("sketches", stop)


@pytest.mark.slow
def test_pages_and_photos_are_measured_without_a_training_library():
    """Every page of the menu has its time, and nothing but JSON is told."""
    photo = benchmark_server._ask("photo", [], nothing)
    assert 0 < photo["later_seconds"] < photo["first_seconds"]
    assert photo["training_libraries"] == []

    tour = benchmark_server._while_training("sketches", nothing)
    assert list(tour["page_seconds"]) == [page.title for page in frame.PAGES]
    assert 5e7 < tour["memory_bytes"] < 2e9
    assert tour["training_libraries"] == []
    assert json.loads(json.dumps(tour)) == tour
