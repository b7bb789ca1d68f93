"""A benchmark that would not fit into memory or time is cut before the start, with a note, or refused.

Run: python -m pytest tests/test_benchmark_fit.py
"""

import math

import pytest

from fashion import benchmark_accuracy, benchmark_fit, datasets
from fashion.benchmark_plan import FULL, MIN_STEPS, QUICK, Cell
from fashion.benchmark_trials import plan_for
from fashion.errors import JobError

PLENTY = 100e9


@pytest.fixture(autouse=True)
def _fashion_mnist_is_here_and_nothing_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "usable", lambda: ["fashion-mnist", "sketches"])
    monkeypatch.setattr(benchmark_accuracy, "RECORDED", tmp_path)


def test_what_fits_stays_as_it_is():
    """No note without a reason."""
    assert benchmark_fit.grid(FULL, PLENTY, math.inf, {}) == (FULL, [])


def test_the_widest_network_goes_where_memory_is_short():
    """It needs 1,782 MB beside the server's 400; the others need 1,520 at most."""
    plan, notes = benchmark_fit.grid(FULL, 2_000e6, math.inf, {})

    assert set(FULL.architectures) - set(plan.architectures) == {("resnet", 4.0)}
    assert plan.batch_sizes == FULL.batch_sizes
    assert notes == ["Left out for memory: ResNet x4. 1,600 MB may be taken beside the server."]


def test_a_batch_size_goes_where_memory_is_short():
    """1,024 pictures at a time through the small CNN need 1,520 MB; 512 need less."""
    plan, notes = benchmark_fit.grid(QUICK.replace(batch_sizes=(128, 512, 1024)), 1_850e6, math.inf, {})

    assert plan.batch_sizes == (128, 512)
    assert "batch size 1024" in notes[0]


def test_a_graphics_card_has_memory_of_its_own():
    """What the processor's memory holds says nothing about it."""
    plan = FULL.replace(devices=("gpu:0",))

    assert benchmark_fit.grid(plan, 1_000e6, math.inf, {}) == (plan, [])


def test_the_costliest_networks_go_where_time_is_short():
    """Until it fits; the network of the batch sizes stays."""
    limit = 0.7 * FULL.estimate_seconds()

    plan, notes = benchmark_fit.grid(FULL, PLENTY, limit, {})

    assert plan.estimate_seconds() <= limit
    assert ("resnet", 4.0) not in plan.architectures
    assert plan.batch_network == ("cnn", 1.0)
    assert notes[0].startswith("Left out for time: ResNet x4")


@pytest.mark.parametrize(
    ("memory_bytes", "seconds", "complaint"),
    [(1_000e6, math.inf, "must fit into 600 MB"), (PLENTY, 5.0, "must fit into 5 s. It would take")],
)
def test_where_nothing_fits_it_is_refused(memory_bytes, seconds, complaint):
    """In words, before anything is queued."""
    with pytest.raises(JobError, match=complaint):
        benchmark_fit.grid(QUICK, memory_bytes, seconds, {})


def test_seeds_go_where_time_is_short():
    """Time for two and a half seeds is time for two."""
    plan = plan_for("accuracy", ("tensorflow",), seeds=5)
    one = plan_for("accuracy", ("tensorflow",)).estimate_seconds()

    cut, notes = benchmark_fit.recipes(plan, PLENTY, 2.5 * one)

    assert (plan.seeds, cut.seeds) == (5, 2)
    assert notes[0].startswith("2 instead of 5 seeds")
    assert benchmark_fit.recipes(plan, PLENTY, math.inf) == (plan, [])


def test_a_seed_that_takes_too_long_is_refused():
    """With what may be done about it."""
    with pytest.raises(JobError, match="must fit into 10 s. One seed would take"):
        benchmark_fit.recipes(plan_for("accuracy", ("tensorflow",)), PLENTY, 10.0)


def test_the_full_grid_takes_a_quarter_of_an_hour_at_most():
    """What the page and the README promise for two cores, by the guess that errs upwards."""
    assert FULL.estimate_seconds() < 15 * 60


def test_the_full_grid_has_widths_from_a_quarter_to_four():
    """For both kinds of convolutional networks, and batch sizes from 32 to 1,024 for one."""
    for kind in ("cnn", "resnet"):
        assert {width for name, width in FULL.architectures if name == kind} == {0.25, 0.5, 1.0, 2.0, 4.0}
    assert sorted(FULL.batch_sizes) == [32, 64, 128, 256, 512, 1024]


def test_costly_networks_see_fewer_pictures_but_enough_batches():
    """Softmax regression learns from all 55,000, the widest residual network from ten batches, tested on 1,000."""
    cheap = Cell("tensorflow", "cpu", "softmax", 1.0, 128)
    costly = Cell("tensorflow", "cpu", "resnet", 4.0, 128)

    assert FULL.settings(cheap).num_train == 55_000
    assert FULL.settings(costly).num_train == MIN_STEPS * 128
    assert (FULL.num_tested(cheap), FULL.num_tested(costly)) == (10_000, 1_000)


def test_a_graphics_card_gets_more_pictures():
    """Ten batches would be over in a blink."""
    cpu, gpu = (Cell("tensorflow", device, "resnet", 4.0, 128) for device in ("cpu", "gpu:0"))

    assert FULL.settings(gpu).num_train > 5 * FULL.settings(cpu).num_train
