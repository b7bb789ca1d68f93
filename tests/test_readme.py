"""The README says what is there: models with their figures, files, commands and settings."""

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


TRAINED = [run for run in runs.shipped() if not run.settings.mean_of]
MEANS = [run for run in runs.shipped() if run.settings.mean_of]


def settings_of(options: str) -> runs.RunSettings:
    """The settings that these options of `train` give; teachers, which have other names here, are left out."""
    given = {name.replace("-", "_"): text for name, text in re.findall(r"--([a-z-]+) ([^\s\\]+)", options)}
    given.pop("teachers", None)
    return runs.RunSettings.from_text(given)


@pytest.mark.parametrize("run", MEANS, ids=lambda run: run.id)
def test_the_commands_that_made_a_mean_name_the_settings_of_its_networks(run):
    """Each network's command gives the settings that the card holds of it, and the last one names their epochs."""
    common = re.search(r'COMMON="([^"]*)"', README)[1]
    found = re.findall(r"python -m fashion train \$COMMON ((?:.|\n)*?) +# ([A-Z])\n", README)
    given = {letter: settings_of(f"{common} {options}") for options, letter in found}
    mean, side = re.search(r"train --mean-of (\S+) --predict-size (\d+) --mirror true", README).groups()
    letters = [name.partition("_")[0] for name in mean.split(",")]
    members = run.card()["mean_of"]

    assert [name.partition("_")[2] for name in mean.split(",")] == [
        name.partition("_")[2] for name in run.settings.mean_names
    ]
    for letter, member in zip(letters, members, strict=True):
        assert given[letter] == runs.RunSettings.from_json(member["settings"]).replace(teachers="")
    assert run.settings == given[letters[0]].replace(
        mean_of=run.settings.mean_of, snapshots=False, predict_size=int(side)
    )


@pytest.mark.parametrize("run", TRAINED, ids=lambda run: run.id)
def test_the_command_that_made_a_shipped_model_names_its_settings(run):
    """Every setting that differs from the default stands in the README's command, with its value."""
    commands = re.findall(r"```\n(python -m fashion train (?:.|\n)*?)\npython.* --name (\S+)", README)
    command = {name: text for text, name in commands}[run.id]
    options = dict(re.findall(r"--([a-z-]+) (\S+)", command))

    given = runs.RunSettings.from_text({name.replace("-", "_"): text for name, text in options.items()})

    assert given == run.settings


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
