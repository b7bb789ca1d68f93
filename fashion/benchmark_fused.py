"""What the fused batch normalization of `fused.py` saves: training steps of EfficientNetV2-B0 with it and without it.

Both networks are trained in one process, in turns of a few steps, so that whatever else the machine does falls on both.

    python -m fashion benchmark --fused
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import psutil

from fashion import jobs, machine, runs
from fashion.benchmark_accuracy import mean_interval
from fashion.benchmark_results import machine_name
from fashion.errors import JobError
from fashion.settings import PHOTO_DEFAULTS, RunSettings

SETTINGS = PHOTO_DEFAULTS.replace(fine_tune="all", batch_size=32)
TURNS, STEPS = 6, 2


def command_line(options: argparse.Namespace) -> int:
    """`benchmark --fused`: measure, with the result in words and, last, one line of JSON on standard output."""
    here = machine.describe()
    results = {
        "recorded": time.strftime("%Y-%m-%d"),
        "command": "python -m fashion benchmark --fused",
        "machine": here.to_dict(),
        "busy_fraction": psutil.cpu_percent(interval=1.0) / 100,
        **measure(),
    }
    words = sys.stderr if options.json else sys.stdout
    print(f"{machine_name(here.to_dict())}; {here.system}\n{in_words(results)}", file=words)
    if options.output:
        runs.write_json(options.output, results)
    print(json.dumps(results, allow_nan=False), flush=True)
    return 0


def measure(settings: RunSettings = SETTINGS, turns: int = TURNS, steps: int = STEPS) -> dict[str, Any]:
    """Seconds per step of each turn, and the ratios turn by turn, in a process that ends with it.

    Raises JobError if that process fails.
    """
    request = {"settings": settings.to_json(), "turns": turns, "steps": steps}
    done = subprocess.run(
        [sys.executable, "-m", "fashion.benchmark_fused"],
        cwd=runs.ROOT, env=jobs.worker_environment(settings), input=json.dumps(request), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise JobError(f"The two networks must train. Received: {last[:300]}.")
    seconds = json.loads(done.stdout.splitlines()[-1])
    ratios = [plain / fused for plain, fused in zip(seconds["plain"], seconds["fused"], strict=True)]
    low, high = mean_interval(ratios)
    return request | {
        "seconds_per_step": seconds,
        "ratio": {"mean": statistics.mean(ratios), "low": low, "high": high, "n": turns},
    }


def in_words(results: dict[str, Any]) -> str:
    """The result in two lines, and a third where the machine was busy."""
    seconds, ratio, settings = results["seconds_per_step"], results["ratio"], results["settings"]
    plain, fused = (1000 * statistics.median(seconds[name]) for name in ("plain", "fused"))
    lines = [
        f"{settings['architecture']}, {settings['image_size']} pixels, batches of {settings['batch_size']}, all layers learn: "
        f"{plain:,.0f} ms a step as Keras computes it, {fused:,.0f} ms with fused normalization",
        f"{ratio['mean']:.2f} times as fast (95 % {ratio['low']:.2f} to {ratio['high']:.2f}, {ratio['n']} turns)",
    ]
    busy = results.get("busy_fraction", 0.0)
    if busy > 0.2:
        lines.append(
            f"Other programs took {busy:.0%} of the processor when it began: all times are too long."
        )
    return "\n".join(lines)


def _train(request: dict[str, Any]) -> dict[str, list[float]]:
    """Seconds per step of each turn, in this process. Random pictures and weights take the same time as real ones."""
    import numpy as np

    from fashion import fused, networks

    settings = RunSettings.from_json(request["settings"])
    num_classes, side = 10, settings.image_size
    rng = np.random.default_rng(settings.seed)
    images = rng.integers(0, 256, (settings.batch_size, side, side, 3), dtype=np.uint8).astype(np.float32)
    targets = np.eye(num_classes, dtype=np.float32)[rng.integers(0, num_classes, settings.batch_size)]
    models = {}
    for name in ("plain", "fused"):
        model = networks.build_pretrained(settings, num_classes, side=side)
        networks.compile_for_training(model, settings, num_classes, steps_per_call=1)
        if name == "fused":
            fused.fuse_normalization(model)
        model.train_on_batch(images, targets)  # builds its program
        models[name] = model
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(request["turns"]):
        for name, model in models.items():
            began = time.perf_counter()
            for _ in range(request["steps"]):
                model.train_on_batch(images, targets)
            seconds[name].append((time.perf_counter() - began) / request["steps"])
    return seconds


if __name__ == "__main__":
    print(json.dumps(_train(json.loads(sys.stdin.readline()))), flush=True)
