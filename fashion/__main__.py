"""The command line, `python -m fashion COMMAND`: what the pages do, for scripts and for machines without a screen.

This module reads the options; the commands themselves are in `cli.py` and `benchmark_cli.py`. Standard output holds
results only, with `--json` one JSON object per line; progress goes to standard error. Exit status: 0 done, 1 failed,
2 wrong usage.
"""

import argparse
import sys
from typing import Any

from fashion import answers, benchmark_cli, cli, datasets, lessons_cli
from fashion.errors import FashionError, SettingsError
from fashion.settings import DEFAULTS, FIELDS


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status. Wrong usage leaves through SystemExit(2), as argparse does."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except SettingsError as error:
        options.parser.error(str(error))
    except FashionError as error:
        cli.fail(options, str(error))
        return 1
    except KeyboardInterrupt:
        cli.fail(options, "Interrupted by hand.")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fashion", description="Fashion Lab without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command, help: str) -> argparse.ArgumentParser:
        # No abbreviations: an option added later must not change what a script means.
        added = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        added.add_argument("--json", action="store_true", help="print JSON, one object per line")
        added.set_defaults(command=command, parser=added)
        return added

    one = add("data", cli.show_data, "Show which datasets are here, and download one that is not.")
    one.add_argument("--fetch", choices=list(datasets.DATASETS), help="download this dataset, or complete it")

    one = add("train", cli.train, "Train a network; Ctrl-C stops it and keeps its best epoch.")
    for name in FIELDS:
        _add_setting(one, name)

    one = add("evaluate", cli.evaluate, "Measure a model's accuracy anew, with its exported file.")
    one.add_argument("model", metavar="MODEL", help="name of a shipped model, or id of a run")
    one.add_argument("--split", choices=datasets.SPLIT_NAMES, default="test", help="default: test")

    one = add("predict", cli.predict, "Name the garment on each photo.")
    one.add_argument(
        "--model",
        help=f"shipped model or run; default: {' or '.join(answers.SHIPPED_FIRST)}, else the newest run",
    )
    one.add_argument(
        "files", metavar="FILE", nargs="+", help="a photo (JPEG, PNG, WebP, HEIC, ...), or a folder of photos"
    )

    one = add("benchmark", benchmark_cli.command_line, "Measure what training costs on this machine.")
    benchmark_cli.add_arguments(one)

    one = add("models", cli.list_models, "List the models that come with the project, or add one.")
    one.add_argument("--ship", metavar="RUN", help="copy this finished run to models/NAME")
    one.add_argument("--name", help="the shipped model's name, with --ship")
    one = add(
        "features", cli.show_features, "List the stored vectors of the clothing photos, or delete them."
    )
    one.add_argument("--ship", metavar="NETWORK-SIZE", help="copy those kept here to models/features")
    one.add_argument("--clear", action="store_true", help="delete all that are kept here")
    one = add("refusal", cli.measure_refusal, "Count how many pictures of other things a model refuses.")
    one.add_argument("model", metavar="MODEL", help="name of a shipped model, or id of a run")
    one.add_argument("folder", metavar="FOLDER", help="holds a folder of pictures for each kind of thing")
    one.add_argument("--write", action="store_true", help="put the counts into the model's card")
    one = add("lessons", lessons_cli.command_line, "List the course's lessons, or record their runs anew.")
    one.add_argument(
        "--record",
        metavar="LESSON",
        nargs="+",
        help="make the runs that are not recorded: names, numbers, or all",
    )
    one.add_argument(
        "--fresh", action="store_true", help="with --record: forget what these lessons have recorded"
    )
    add("runs", cli.list_runs, "List the runs on this machine, newest first.")
    return parser


def _add_setting(parser: argparse.ArgumentParser, name: str) -> None:
    """An option for one field of the settings, as --batch-size or --batch_size; its text is checked later."""
    field = FIELDS[name]
    default = str(getattr(DEFAULTS, name)).lower()
    about = f"{field.label}. {field.help}"
    if field.low is not None:
        about += f" From {field.low:g} to {field.high:g}."
    word = (
        "|".join(field.choices) if field.choices else {bool: "true|false", str: "TEXT"}.get(field.kind, "N")
    )
    kinds: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "metavar": word}
    if field.kind is bool:
        kinds |= {"nargs": "?", "const": "true"}
    hyphens = f"--{name.replace('_', '-')}"
    parser.add_argument(hyphens, **kinds, help=f"{about} Default: {default}.".replace("%", "%%"))
    if "_" in name:
        parser.add_argument(f"--{name}", **kinds, help=argparse.SUPPRESS)


if __name__ == "__main__":
    sys.exit(main())
