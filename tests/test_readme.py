"""The README says what is there: models with their figures, files, commands and settings."""

import json
import re
from pathlib import Path

import pytest

from fashion import architectures, runs

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def row_of(run: runs.Run) -> str:
    """The README's row of a shipped model, made from its card."""
    card = run.card()
    test = card["metrics"]["test"]
    low, high = test["interval"]
    megabytes = card["files"]["model.tflite"]["bytes"] / 1e6
    parameters, _ = architectures.cost_of(run.settings)
    return (
        f"| {run.id} | {test['accuracy']:.4f} | {low:.4f} to {high:.4f} | {test['n']:,} | {parameters:,} "
        f"| {megabytes:.1f} MB |"
    )


@pytest.mark.parametrize("run", runs.shipped(), ids=lambda run: run.id)
def test_the_results_table_agrees_with_the_card(run):
    """Accuracy, interval, n, parameters and size of each shipped model stand in the README as in its card."""
    assert row_of(run) in README


def settings_of(options: str) -> runs.RunSettings:
    """The settings that these options of `train` give; teachers, which have other names here, are left out."""
    given = {name.replace("-", "_"): text for name, text in re.findall(r"--([a-z-]+) ([^\s\\]+)", options)}
    given.pop("teachers", None)
    return runs.RunSettings.from_text(given)


@pytest.mark.parametrize("run", runs.shipped(), ids=lambda run: run.id)
def test_the_command_that_made_a_shipped_model_names_its_settings(run):
    """Every setting that differs from the default stands in the last command before the one that ships it, with its value."""
    common = re.search(r'COMMON="([^"]*)"', README)[1]
    commands = re.findall(
        rf"\npython -m fashion train ((?:(?!\npython).|\n(?!python))*)\npython -m fashion models --ship RUN --name {run.id}\n",
        README,
    )

    assert len(commands) == 1
    assert settings_of(commands[0].replace("$COMMON", common)) == run.settings.replace(teachers="")


def test_every_module_stands_in_the_file_tree():
    """A reader who looks for a file finds its purpose."""
    modules = {path.name for path in (ROOT / "fashion").glob("*.py")} - {"__init__.py", "__main__.py"}

    assert sorted(name for name in modules if name not in README) == []


def test_every_environment_variable_is_explained():
    """What the code reads from the environment stands in the table of settings, and nothing else does."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "fashion").rglob("*.py"))

    read = set(re.findall(r'"(FASHION_[A-Z_]+)"', sources))
    explained = set(re.findall(r"^\| `(FASHION_[A-Z_]+)` \|", README, flags=re.MULTILINE))

    assert read == explained


def test_what_a_class_costs_is_what_was_recorded():
    """Waiting for a photo, watching, and memory stand in the README as in the newest record."""
    record = json.loads(max((runs.SHIPPED / "benchmarks" / "visitors").glob("*.json")).read_text())
    watching, photo = record["watching"], record["photo"]
    ratio = watching["together"]["images_per_second"] / watching["nobody"]["images_per_second"]
    told = " ".join(README.split())

    assert record["command"] in told
    assert f"new curves every {watching['together']['seconds_between']:.0f} s" in told
    assert f"leave it {ratio:.2f} of its speed" in told
    assert f"within {photo['together']['longest_seconds']:.0f} s, one alone in" in told
    assert f"one alone in {photo['alone']['median_seconds']:.2f} s" in told
    assert f"the server then has {record['memory_bytes']['after'] / 1e6:.0f} MB" in told
