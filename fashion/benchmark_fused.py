"""What the fused batch normalization of `fused.py` saves: training steps of EfficientNetV2-B0 with it and without it.

Both networks are trained in one process, in turns of a few steps, so that whatever else the machine does falls on both.

    python -m fashion benchmark --fused
"""

import json
import statistics
import sys
import time
from typing import Any

from fashion import benchmark_child, benchmark_transfer, jobs, machine
from fashion.benchmark_results import busy_words
from fashion.evaluation import mean_interval
from fashion.settings import PHOTO_DEFAULTS, RunSettings

SETTINGS = PHOTO_DEFAULTS.replace(fine_tune="all", batch_size=32)
TURNS, STEPS = 6, 2


def measure(settings: RunSettings = SETTINGS, turns: int = TURNS, steps: int = STEPS) -> dict[str, Any]:
    """Seconds per step of each turn, and the ratios turn by turn; both networks in a process that ends with it.

    Raises JobError if that process fails.
    """
    results = {
        "recorded": time.strftime("%Y-%m-%d"),
        "command": "python -m fashion benchmark --fused",
        "machine": machine.describe().to_dict(),
        "busy_fraction": benchmark_child.busy_fraction(),
        "settings": settings.to_json(),
        "turns": turns,
        "steps": steps,
    }
    seconds = benchmark_child.ask_once("fashion.benchmark_fused", results, jobs.worker_environment(settings))
    ratios = [plain / fused for plain, fused in zip(seconds["plain"], seconds["fused"], strict=True)]
    low, high = mean_interval(ratios)
    ratio = {"mean": statistics.mean(ratios), "low": low, "high": high, "n": turns}
    return results | {"seconds_per_step": seconds, "ratio": ratio}


def in_words(results: dict[str, Any]) -> str:
    """The result in two lines, and a third where the machine was busy."""
    seconds, ratio, settings = results["seconds_per_step"], results["ratio"], results["settings"]
    plain, fused = (1000 * statistics.median(seconds[name]) for name in ("plain", "fused"))
    layers = "all layers" if settings["fine_tune"] == "all" else "the last blocks"
    lines = [
        f"{settings['architecture']}, {settings['image_size']} pixels, batches of {settings['batch_size']}, {layers} learn: "
        f"{plain:,.0f} ms a step as Keras computes it, {fused:,.0f} ms with fused normalization",
        f"{ratio['mean']:.2f} times as fast (95 % {ratio['low']:.2f} to {ratio['high']:.2f}, {ratio['n']} turns)",
    ]
    return "\n".join([*lines, *busy_words(results)])


def file_name(results: dict[str, Any]) -> str:
    """A file name for the project's collection, from the hardware and TensorFlow's version."""
    return f"fused-{benchmark_transfer.file_name(results)}"


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
        networks.set_trainable(model, settings.fine_tune)
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
