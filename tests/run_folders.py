"""Run folders made by hand for tests: what a worker would leave, with answers that are known beforehand."""

import io
import json

import numpy as np

from fashion import datasets, disk, runs
from fashion.settings import RunSettings

CLASSES = datasets.CLASSES_FASHION
DIGEST = "0123456789abcdef"
NUM_IMAGES = 300
# (true, predicted) -> how many; all other pictures are right. 12 of 300 are wrong.
WRONG = {(4, 2): 5, (6, 0): 7}
LABELS = np.tile(np.arange(10, dtype=np.uint8), NUM_IMAGES // 10)


def toy_split(name: str = "test") -> datasets.Split:
    """300 grey pictures, picture i of class i % 10 and brightness i % 256."""
    images = np.repeat(np.arange(NUM_IMAGES) % 256, 28 * 28).reshape(NUM_IMAGES, 28, 28).astype(np.uint8)
    return datasets.Split(name, images, LABELS)


def toy_dataset(name: str = "fashion-mnist", digest: str = DIGEST) -> datasets.Dataset:
    """A dataset whose three splits are `toy_split`."""
    splits = {split: toy_split(split) for split in datasets.SPLIT_NAMES}
    return datasets.Dataset(info=datasets.DATASETS[name], digest=digest, **splits)


def answers(wrong: dict[tuple[int, int], int] = WRONG) -> np.ndarray:
    """Probabilities float16 (300, 10): the k-th mistake of a pair claims (90 - k) %, and leaves 5 % to the truth."""
    probabilities = np.full((NUM_IMAGES, 10), 0.1 / 9)
    probabilities[np.arange(NUM_IMAGES), LABELS] = 0.9
    for (true, predicted), count in wrong.items():
        for k, index in enumerate(np.flatnonzero(true == LABELS)[:count]):
            probabilities[index] = (0.05 + 0.01 * k) / 8
            probabilities[index, [predicted, true]] = 0.9 - 0.01 * k, 0.05
    return probabilities.astype(np.float16)


def card(name: str, settings: RunSettings, wrong: dict[tuple[int, int], int] = WRONG) -> dict:
    """The card that goes with `answers`."""
    correct = NUM_IMAGES - sum(wrong.values())
    metric = {
        "accuracy": correct / NUM_IMAGES,
        "correct": correct,
        "n": NUM_IMAGES,
        "interval": [0, 1],
        "loss": 0.4,
    }
    return {
        "format": runs.CARD_FORMAT,
        "name": name,
        "created": "2026-01-02",
        "dataset": settings.dataset,
        "data_digest": DIGEST,
        "num_train": 300,
        "classes": list(CLASSES),
        "image_shape": [28, 28],
        "num_parameters": 7850,
        "num_multiply_adds": 7840,
        "best_epoch": 2,
        "num_epochs": 3,
        "metrics": {"validation": metric, "test": metric},
        "temperature": 1.25,
        "startup_seconds": 3.5,
        "train_seconds": 7.0,
        "first_epoch_seconds": 4.0,
        "steady_epoch_seconds": 1.5,
        "images_per_second": 2000.0,
        "seconds_to": {"0.8": 4.0},
        "batch_size": settings.batch_size,
        "seed": settings.seed,
        "framework": "tensorflow",
        "device": "cpu",
        "versions": {"keras": "3.15.1", "tensorflow": "2.21.0"},
        "machine": {"processor": "Toy Processor", "num_cores": 2},
        "files": {name: {"bytes": 3, "sha256": "00"} for name in ("model.keras", "model.tflite")},
    }


LOG = """epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second
1,1.0,0.5,0.9,0.6,0.001,4.0,1000
2,0.8,0.7,0.7,0.8,0.001,1.5,2000
3,0.6,0.9,0.8,0.75,0.001,1.5,3000
"""


def make_run(
    name: str,
    *,
    state: str = "finished",
    wrong: dict[tuple[int, int], int] = WRONG,
    tested: bool = True,
    folder=None,
    **settings,
) -> runs.Run:
    """A run of three epochs, the second the best. `tested=False`: cut off before its test."""
    chosen = RunSettings(**{"architecture": "softmax", "epochs": 3, **settings})
    run = runs.Run((folder or runs.runs_folder()) / name)
    run.folder.mkdir(parents=True)
    disk.write_json(run.folder / "settings.json", chosen.to_json())
    status = {"state": state, "reason": "Stopped by hand." if state == "stopped" else "", "best_epoch": 2}
    disk.write_json(run.folder / "status.json", status | {"num_epochs": 3, "epoch": 3})
    (run.folder / "log.csv").write_text(LOG)
    (run.folder / "model.keras").write_bytes(b"abc")
    write_arrays(run, "probes.npz", indices=np.arange(12), probabilities=np.stack([answers(wrong)[:12]] * 3))
    if tested:
        (run.folder / "model.tflite").write_bytes(b"abc")
        disk.write_json(run.folder / "card.json", card(name, chosen, wrong))
        both = {f"{split}_probabilities": answers(wrong) for split in ("validation", "test")}
        write_arrays(
            run, "evaluation.npz", **both, **{f"{split}_labels": LABELS for split in ("validation", "test")}
        )
    return run


def write_arrays(run: runs.Run, name: str, **arrays: np.ndarray) -> None:
    """Store arrays in the run's folder as a worker does."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    (run.folder / name).write_bytes(buffer.getvalue())


def change_card(run: runs.Run, **changes) -> None:
    """Overwrite values of a run's card."""
    path = run.folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
