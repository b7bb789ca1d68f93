"""How many times faster a graphics card is, with its interval, and from which network on it pays.

Run: python -m pytest tests/test_benchmark_devices.py
"""

import math

import pytest

from fashion import benchmark_devices
from fashion.benchmark_plan import QUICK
from fashion.benchmark_results import Measurement

NETWORKS = {"softmax": (7_840, "Softmax"), "cnn": (4_039_808, "CNN"), "resnet": (26_593_792, "ResNet")}


def cell(device, architecture, first, later, num_images=6_000):
    """One network on one device, with the seconds of its epochs."""
    middle = sorted(later)[len(later) // 2]
    return {
        "framework": "tensorflow",
        "device": device,
        "architecture": architecture,
        "width": 1.0,
        "batch_size": 128,
        "num_parameters": 1,
        "num_multiply_adds": NETWORKS[architecture][0],
        "num_images": num_images,
        "epoch_seconds": [first, *later],
        "images_per_second": num_images / middle,
        "correct": 80,
        "n": 100,
        "problem": None,
    }


def measurement(cells, startup=(4.0, 10.0)):
    process = {"framework": "tensorflow", "peak_gflops": 100.0, "peak_memory_bytes": 1}
    return Measurement(
        "x",
        {
            "format": 1,
            "recorded": "2026-03-01",
            "command": "",
            "machine": {"processor": "AMD Example", "num_cores": 4, "versions": {}},
            "plan": QUICK.replace(devices=("cpu", "gpu:0")).to_json(),
            "processes": [
                {**process, "device": "cpu", "device_name": None, "startup_seconds": startup[0]},
                {**process, "device": "gpu:0", "device_name": "Example GPU 7", "startup_seconds": startup[1]},
            ],
            "cells": cells,
        },
    )


# Per 60,000 pictures the small network takes 2 s on the CPU and 4 s on the GPU, the large one 60 s and 6 s.
CELLS = [
    cell("cpu", "softmax", 0.7, [0.2, 0.2, 0.2]),
    cell("cpu", "cnn", 8.0, [6.0, 6.0, 6.0]),
    cell("gpu:0", "softmax", 0.9, [0.4, 0.4, 0.4]),
    cell("gpu:0", "cnn", 3.6, [0.6, 0.6, 0.6]),
]


def test_the_ratio_is_that_of_the_steady_epochs():
    """Half as fast, and ten times as fast; epochs that all take the same leave no doubt."""
    rows = benchmark_devices.speed_up(measurement(CELLS))

    assert rows.network.tolist() == ["Softmax", "CNN"]
    assert rows.ratio.tolist() == pytest.approx([0.5, 10.0])
    assert (rows.low[1], rows.high[1]) == pytest.approx((10.0, 10.0))
    assert rows.num_gpu_epochs.tolist() == [3, 3]


def test_start_up_and_building_are_counted_in():
    """CNN, one epoch: 4 + 2 + 60 s against 10 + 3 + 6 s; ten epochs: 606 s against 73 s."""
    rows = benchmark_devices.speed_up(measurement(CELLS)).set_index("network")

    assert rows.ratio_1["CNN"] == pytest.approx(66 / 19)
    assert rows.ratio_10["CNN"] == pytest.approx(606 / 73)
    assert rows.pays_after_epochs["CNN"] == 1
    assert rows.pays_after_epochs["Softmax"] == math.inf


def test_a_slow_start_pays_off_after_some_epochs():
    """118 s more before the first step, 54 s less per epoch: sooner from the third epoch on."""
    rows = benchmark_devices.speed_up(measurement(CELLS, startup=(4.0, 4.0 + 117.0))).set_index("network")

    assert rows.pays_after_epochs["CNN"] == 3


def test_the_interval_is_welchs_on_logarithms():
    """By hand: the logarithms of 4, 4 e^0.1 and of 1, e^0.1 differ by log 4 with standard error 0.0707 and 2 degrees of
    freedom, whose quantile is 4.303."""
    step = math.exp(0.1)
    cells = [cell("cpu", "cnn", 9.0, [4.0, 4.0 * step]), cell("gpu:0", "cnn", 9.0, [1.0, step])]

    row = benchmark_devices.speed_up(measurement(cells)).iloc[0]

    half = 4.303 * math.sqrt(2 * 0.05**2)
    assert (row.low, row.high) == pytest.approx((4 * math.exp(-half), 4 * math.exp(half)))


def test_with_one_steady_epoch_nothing_is_known_of_the_interval():
    """Not a number, rather than a ratio that looks certain."""
    cells = [cell("cpu", "cnn", 9.0, [4.0]), cell("gpu:0", "cnn", 9.0, [1.0])]

    row = benchmark_devices.speed_up(measurement(cells)).iloc[0]

    assert math.isnan(row.low)
    assert row.ratio == 4.0


def test_an_unknown_start_up_leaves_unknown_when_it_pays():
    """A process that died before its first step told no start-up."""
    rows = benchmark_devices.speed_up(measurement(CELLS, startup=(None, 10.0)))

    assert rows.pays_after_epochs.isna().all()
    assert rows.ratio_1.isna().all()
    assert benchmark_devices.pays_from(rows, 10) is None


@pytest.mark.parametrize("kept", [CELLS[:2], CELLS[2:], []])
def test_one_device_alone_makes_an_empty_table(kept):
    """From which the page makes a sentence."""
    assert benchmark_devices.speed_up(measurement(kept)).empty


def test_it_pays_from_the_smallest_network_above_which_it_always_does():
    """Softmax never pays, the CNN after 3 epochs, the residual network after one."""
    cells = [*CELLS, cell("cpu", "resnet", 60.0, [60.0]), cell("gpu:0", "resnet", 3.0, [3.0])]
    rows = benchmark_devices.speed_up(measurement(cells, startup=(4.0, 121.0)))

    assert benchmark_devices.pays_from(rows, 1)["network"] == "ResNet"
    assert benchmark_devices.pays_from(rows, 10) == {"network": "CNN", "num_multiply_adds": 4_039_808}
