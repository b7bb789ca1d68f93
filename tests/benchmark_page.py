"""The Benchmark page under test: opening it, reading its words, pressing its buttons; and records to show on it."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[1]


def open_page(**url):
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30)
    for key, value in url.items():
        at.query_params[key] = value
    return at.switch_page("pages/benchmark.py").run()


def words(at):
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error, at.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def press(at, label):
    (button,) = [button for button in at.button if button.label == label]
    return button.click().run()


def training(recipe, seed, epochs, **changes):
    """A run of a record with these (seconds, right answers of 10,000) after each epoch."""
    peer = recipe in ("keras-convnet", "plain-torch")
    return {
        "recipe": recipe,
        "title": {"keras-convnet": "Keras' convnet example", "plain-torch": "Plain PyTorch"}.get(recipe, recipe),
        "family": recipe if peer else "Small network",
        "about": f"What {recipe} is.",
        "source": "https://keras.io/examples/vision/mnist_convnet/" if peer else "",
        "seed": seed,
        "framework": "tensorflow",
        "device": "cpu",
        "device_name": None,
        "batch_size": 128,
        "num_parameters": 34_826,
        "num_multiply_adds": 2_440_960,
        "only_last": not peer,
        "share_of_peak": 0.4,
        "startup_seconds": 4.0,
        "peak_memory_bytes": 900_000_000,
        "epochs": [
            {"epoch": number, "seconds": seconds, "test_correct": correct}
            for number, (seconds, correct) in enumerate(epochs, 1)
        ],
        "problem": None,
        **changes,
    }  # fmt: skip


ACCURACY_RUNS = [
    training("keras-convnet", 1, [(10.0, 8_600), (20.0, 8_990), (60.0, 9_010)]),
    training("short", 1, [(1.0, 8_000), (10.0, 9_020)]),
    training("long", 1, [(8.0, 8_500), (24.0, 9_250)]),
    training("keras-convnet", 2, [(10.0, 8_640), (20.0, 8_990), (60.0, 9_030)]),
    training("short", 2, [(1.0, 8_000), (10.0, 9_040)]),
    training("long", 2, [(8.0, 8_500), (26.0, 9_270)]),
]
FRAMEWORK_RUNS = [
    training("keras-convnet", 1, [(14.0, 8_000), (24.0, 8_500)]),
    training("keras-convnet", 1, [(30.0, 8_010), (50.0, 8_510)], framework="torch", startup_seconds=6.0),
    training("plain-torch", 1, [(20.0, 8_020), (35.0, 8_520)], framework="torch", startup_seconds=2.0),
    training("default", 1, [(9.0, 8_700), (15.0, 8_900)]),
]


def record(kind="accuracy", runs=None, **changes):
    """A record as a file holds it."""
    return {
        "format": 1,
        "kind": kind,
        "created": "2026-03-01",
        "command": f"python -m fashion benchmark --{kind}",
        "machine": {
            "processor": "AMD Example",
            "num_cores": 4,
            "memory_bytes": 8_000_000_000,
            "system": "Linux",
            "python": "3.11.7",
            "versions": {"tensorflow": "2.21.0", "keras": "3.15.1", "torch": "2.9.0"},
        },
        "busy_fraction": 0.02,
        "dataset": "fashion-mnist",
        "num_train": 60_000,
        "num_test": 10_000,
        "seeds": [1, 2],
        "peak_gflops": 331.0,
        "complete": True,
        "plan": {},
        "runs": runs or (ACCURACY_RUNS if kind == "accuracy" else FRAMEWORK_RUNS),
        **changes,
    }
