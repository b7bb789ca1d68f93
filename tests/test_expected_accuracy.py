"""The accuracy a run may expect is that of runs with the same settings; without one, nothing is said."""

import json

import pytest
from run_folders import change_card, make_run

from fashion import benchmark_accuracy, evaluation, expected_accuracy, machine, runs, summary
from fashion.evaluation import Accuracy
from fashion.expected_accuracy import Known, expected
from fashion.settings import RunSettings

SETTINGS = RunSettings(architecture="mlp", epochs=3)
N = 10_000


def known(correct: int, settings: RunSettings = SETTINGS, n: int = N, **values) -> Known:
    low, high = evaluation.wilson_interval(correct, n)
    return Known(settings, Accuracy(correct / n, correct, n, low, high), **values)


def test_several_runs_give_their_mean_and_range():
    """90.5, 91.0 and 91.5 %, of three seeds, two of them on a graphics card and in bfloat16."""
    others = [
        known(9050, SETTINGS.replace(seed=1)),
        known(9100, SETTINGS.replace(seed=2, device="gpu:0", framework="jax")),
        known(9150, SETTINGS.replace(seed=3, precision="mixed_bfloat16"), here=False),
    ]

    found = expected(SETTINGS.replace(seed=9), others)

    assert (found.value, found.low, found.high) == pytest.approx((0.91, 0.905, 0.915))
    assert (
        found.basis
        == "2 like runs here and 1 like run recorded elsewhere: 90.5% to 91.5%, on 10,000 test pictures each"
    )


def test_one_run_gives_its_interval():
    """9,100 of 10,000 right: by Wilson's formula 90.4 to 91.5 %."""
    found = expected(SETTINGS, [known(9100)])

    assert (found.low, found.high) == pytest.approx((0.9042, 0.9155), abs=1e-4)
    assert found.basis == "1 like run here: 95 % interval 90.4% to 91.5% on 10,000 test pictures"


@pytest.mark.parametrize(
    "other",
    [
        known(9100, SETTINGS.replace(epochs=4)),
        known(9100, SETTINGS.replace(learning_rate=0.002)),
        known(9100, SETTINGS.replace(num_train=10_000)),
        known(400, SETTINGS.replace(dataset="sketches"), n=500),
        known(250, n=300),
    ],
)
def test_other_settings_or_other_pictures_say_nothing(other):
    """No accuracy is guessed."""
    assert expected(SETTINGS, [other]) is None


def test_where_only_runs_with_fewer_epochs_are_known_theirs_is_the_least_to_expect():
    """The most epochs that are known; nothing where the rate never falls, or where the run will be cut."""
    falling = SETTINGS.replace(schedule="one-cycle", epochs=5)
    others = [
        known(9000, falling.replace(epochs=1)),
        known(9100, falling.replace(epochs=2)),
        known(9300, SETTINGS),
    ]

    found = expected(falling, others)

    assert (found.value, found.fewer_epochs) == (0.91, 2)
    assert found.basis.startswith("at least that of 2 epochs, 1 like run here: 95 % interval 90.4% to 91.5%")
    assert expected(falling, others, whole=False) is None
    assert expected(falling.replace(schedule="constant"), others) is None
    assert expected(falling.replace(epochs=2), others).fewer_epochs == 0


def test_a_setting_without_effect_does_not_matter():
    """Momentum is SGD's alone, and all 55,000 pictures are as many as 60,000 asked for."""
    other = known(9100, SETTINGS.replace(momentum=0.5, num_train=55_000))

    assert expected(SETTINGS, [other]) is not None


def test_runs_cut_by_a_time_limit_say_something_only_where_the_same_limit_cuts_here():
    """A whole run is no example for one that will be cut, nor the other way round."""
    limited = SETTINGS.replace(seconds_limit=20)
    cut, elsewhere, whole = (
        known(8800, limited, cut=True),
        known(8900, limited, cut=True, here=False),
        known(9100),
    )

    assert expected(limited, [cut, elsewhere, whole], whole=False).value == 0.88
    assert expected(SETTINGS, [cut, elsewhere, whole]).value == 0.91
    assert expected(SETTINGS.replace(seconds_limit=600), [cut, whole]).value == 0.91
    assert expected(limited, [whole], whole=False) is None


@pytest.fixture
def nothing_recorded(monkeypatch):
    """As if nothing came with the project."""
    monkeypatch.setattr(expected_accuracy, "_recorded", lambda: ())


def test_only_finished_runs_count_and_each_says_where_it_was_made(nothing_recorded):
    """A stopped run was tested too, but it is no example; another processor's is not from here."""
    here = machine.describe()
    folders = {name: make_run(f"20260102-03040{number}-softmax-aaaa", state=state) for number, (name, state) in enumerate(
        [("mine", "finished"), ("theirs", "finished"), ("stopped", "stopped"), ("untested", "finished")]
    )}  # fmt: skip
    (folders["untested"].folder / "card.json").unlink()
    change_card(folders["mine"], machine={"processor": here.processor, "num_cores": here.num_cores})

    found = expected_accuracy.known(summary.summarise_all(runs.list_runs())[0])

    assert sorted((one.here, one.cut) for one in found) == [(False, False), (True, False)]


def test_recorded_models_and_trainings_of_the_benchmark_count(monkeypatch, tmp_path):
    """A shipped model, and of a benchmark's record our own trainings after their last epoch."""
    make_run("toy", folder=tmp_path)
    (tmp_path / "toy" / "status.json").unlink()
    monkeypatch.setattr(runs, "SHIPPED", tmp_path)
    monkeypatch.setattr(runs, "LESSONS", tmp_path / "lessons")
    epochs = [
        {"epoch": 1, "seconds": 5.0, "test_correct": 8000},
        {"epoch": 2, "seconds": 9.0, "test_correct": 9000},
    ]
    trained = [
        {"settings": SETTINGS.to_json(), "epochs": epochs, "problem": None},
        {"settings": None, "epochs": epochs, "problem": None},
        {"settings": {"no": "setting"}, "epochs": epochs, "problem": None},
    ]
    record = benchmark_accuracy.Record("toy", {"num_test": N, "runs": json.loads(json.dumps(trained))})
    monkeypatch.setattr(benchmark_accuracy, "load_recorded", lambda kind: ([record], []))
    expected_accuracy._recorded.cache_clear()
    try:
        found = expected_accuracy.known([])
    finally:
        expected_accuracy._recorded.cache_clear()

    assert [(one.test.n, one.here) for one in found] == [(300, False), (N, False)]
    assert found[1].test.value == 0.9
