"""CPU against GPU: how many times faster a graphics card is, how sure that is, and from which size on it pays.

It computes from results files (`benchmark_results.py`) and measures nothing.
"""

import math
import statistics
from typing import Any

import pandas as pd

from fashion.benchmark_results import EPOCH_IMAGES, Measurement, table
from fashion.evaluation import T_QUANTILES

EPOCHS = (1, 10)
"""For so many epochs of `EPOCH_IMAGES` pictures the start-up is counted in."""

_COLUMNS = ["series", "framework", "device", "network", "num_multiply_adds", "batch_size"]
_NUMBERS = ["ratio", "low", "high", "num_cpu_epochs", "num_gpu_epochs", "pays_after_epochs"]


def speed_up(one: Measurement) -> pd.DataFrame:
    """How many times faster a GPU was than the CPU of the same measurement, a row per network and GPU.

    ratio: pictures per second of the steady epochs, GPU over CPU. low, high: 95 % t interval of it (Welch's, on the
    logarithms of the epochs' times); NaN where either has one steady epoch only. ratio_1, ratio_10: the time of 1 and 10
    epochs of 60,000 pictures, CPU over GPU, from the start of the process on: loading the framework and building
    the network included. pays_after_epochs: from so many such epochs on the GPU is done sooner, start included; infinite
    where never. Unknown start-ups make NaN. Empty where the measurement has not both devices.
    """
    cells = [cell for cell in one.results["cells"] if not cell["problem"]]
    rows = table([one]).to_dict("records")
    main = one.plan.batch_sizes[0]
    known = {
        (cell["framework"], cell["architecture"], cell["width"]): cell
        for cell in cells
        if cell["device"] == "cpu" and cell["batch_size"] == main
    }
    found = []
    for row, cell in zip(rows, cells, strict=True):
        cpu = known.get((cell["framework"], cell["architecture"], cell["width"]))
        if cell["device"] == "cpu" or cell["batch_size"] != main or cpu is None:
            continue
        times = [_Times(one, cpu), _Times(one, cell)]
        low, high = _interval(*(each.steady for each in times))
        values = {
            "ratio": cell["images_per_second"] / cpu["images_per_second"],
            "low": low,
            "high": high,
            "num_cpu_epochs": len(times[0].steady),
            "num_gpu_epochs": len(times[1].steady),
            "pays_after_epochs": _pays_after(*times),
        }
        values |= {f"ratio_{count}": times[0].seconds(count) / times[1].seconds(count) for count in EPOCHS}
        found.append({name: row[name] for name in _COLUMNS} | values)
    columns = [*_COLUMNS, *_NUMBERS, *(f"ratio_{count}" for count in EPOCHS)]
    return pd.DataFrame(found, columns=columns)


class _Times:
    """What a cell takes: `start` seconds before the first step and for building, `epoch` per 60,000 pictures."""

    def __init__(self, one: Measurement, cell: dict[str, Any]):
        first, *later = cell["epoch_seconds"]
        self.steady = [seconds / cell["num_images"] for seconds in later]
        self.epoch = EPOCH_IMAGES / cell["images_per_second"]
        self.start = math.nan
        for process in one.results["processes"]:
            if (process["framework"], process["device"]) == (cell["framework"], cell["device"]):
                if process["startup_seconds"] is not None:
                    building = max(first - cell["num_images"] / cell["images_per_second"], 0.0)
                    self.start = process["startup_seconds"] + building
                break

    def seconds(self, num_epochs: int) -> float:
        return self.start + num_epochs * self.epoch


def _pays_after(cpu: _Times, gpu: _Times) -> float:
    """From how many epochs on the GPU is done sooner; at least one, infinite where never."""
    if math.isnan(cpu.start + gpu.start):
        return math.nan
    if gpu.epoch >= cpu.epoch:
        return math.inf
    return float(max(1, math.floor((gpu.start - cpu.start) / (cpu.epoch - gpu.epoch)) + 1))


def _interval(cpu: list[float], gpu: list[float]) -> tuple[float, float]:
    """The 95 % interval of how many times longer the CPU takes, from the seconds per picture of single epochs."""
    if min(len(cpu), len(gpu)) < 2 or min(*cpu, *gpu) <= 0:
        return math.nan, math.nan
    logs = [[math.log(value) for value in values] for values in (cpu, gpu)]
    shares = [statistics.variance(values) / len(values) for values in logs]
    middle = statistics.fmean(logs[0]) - statistics.fmean(logs[1])
    half = 0.0
    if sum(shares) > 0:
        freedom = sum(shares) ** 2 / sum(
            share**2 / (len(values) - 1) for share, values in zip(shares, logs, strict=True)
        )
        place = min(max(1, math.floor(freedom)), len(T_QUANTILES))  # rounded down: a wider interval
        half = T_QUANTILES[place - 1] * sum(shares) ** 0.5
    return math.exp(middle - half), math.exp(middle + half)


def pays_from(rows: pd.DataFrame, num_epochs: int) -> dict[str, Any] | None:
    """The smallest network from which on, start-up included, the GPU is done sooner with `num_epochs`; None if none.

    rows: those of one series of `speed_up`. "From which on" means: this one and all that have more multiply-adds.
    Returns network and num_multiply_adds.
    """
    found = None
    for row in rows.sort_values("num_multiply_adds", ascending=False).itertuples():
        if not row.pays_after_epochs <= num_epochs:
            break
        found = {"network": row.network, "num_multiply_adds": row.num_multiply_adds}
    return found
