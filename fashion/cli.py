"""The commands of the command line: each takes the parsed options, prints its results and returns the exit status.

They call the same functions as the pages and never load a training framework: `train` starts a worker process and
follows its folder. The options are declared in `__main__.py`.
"""

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from fashion import (
    answers,
    clothing,
    datasets,
    disk,
    estimate,
    evaluation,
    feature_store,
    jobs,
    photos,
    runs,
    snapshots,
    summary,
    weight_mean,
)
from fashion.errors import DataError, FashionError, ModelError, SettingsError
from fashion.predictor import Predictor
from fashion.pretrained import BASES
from fashion.settings import FIELDS, RunSettings

_PHOTO_ENDINGS = {
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".heic",
    ".heif",
    ".avif",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
}
_LOOK_SECONDS = 0.25
_CALIBRATION_BINS = 15


def _print(options: argparse.Namespace, record: dict[str, Any], words: str) -> None:
    """One result on standard output: the record as JSON, or the words for people."""
    print(json.dumps(record, allow_nan=False) if options.json else words, flush=True)


def _note(text: str, end: str = "\n") -> None:
    # On a terminal, what is left of a longer line of progress is cleared.
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, end=end, file=sys.stderr, flush=True)


def fail(options: argparse.Namespace, text: str) -> None:
    """Say what went wrong on standard error, and with --json as an object too."""
    _note(text)
    if options.json:
        print(json.dumps({"error": text}), flush=True)


def _in_words(accuracy: evaluation.Accuracy) -> str:
    return f"{accuracy.value:.1%} of {accuracy.n:,} pictures (95 % interval {accuracy.low:.1%} to {accuracy.high:.1%})"


def _accuracy_record(split: str, accuracy: evaluation.Accuracy | None) -> dict[str, Any]:
    return {
        f"{split}_accuracy": accuracy and accuracy.value,
        f"{split}_n": accuracy and accuracy.n,
        f"{split}_interval": accuracy and [accuracy.low, accuracy.high],
    }


def show_data(options: argparse.Namespace) -> int:
    """`data`: fetch a dataset if asked to, then say of each whether it is here."""
    if options.fetch:
        title = datasets.DATASETS[options.fetch].title
        shown = -1

        def show(done_bytes: int, total_bytes: int) -> None:
            nonlocal shown
            percent = 100 * done_bytes // total_bytes
            if percent // 10 != shown // 10 or (sys.stderr.isatty() and percent != shown):
                shown = percent
                megabytes = f"{done_bytes / 1e6:.0f} of {total_bytes / 1e6:.0f} MB"
                _note(f"{title}: {megabytes}", end="" if sys.stderr.isatty() and percent < 100 else "\n")

        datasets.fetch(options.fetch, show)
    for name, info in datasets.DATASETS.items():
        status = datasets.status(name)
        sizes = ", ".join(f"{size:,} {split}" for split, size in info.split_sizes.items())
        advice = f"{' '.join(status.problems)} Fetch it with: python -m fashion data --fetch {name}"
        ready = " ".join([f"ready ({sizes}).", *status.notes])
        words = f"{name}: {ready if status.present else f'not ready. {advice}'}"
        record = {"dataset": name, "present": status.present, "folder": str(status.folder)}
        _print(
            options,
            {
                **record,
                "problems": list(status.problems),
                "notes": list(status.notes),
                "images": info.split_sizes,
            },
            words,
        )
    return 0


def train(options: argparse.Namespace) -> int:
    """`train`: start a worker, follow it to its end, and print what came out."""
    given = {name: value for name, value in vars(options).items() if name in FIELDS}
    names = [name.strip() for name in given.pop("mean_of", "").split(",") if name.strip()]
    settings = RunSettings.from_text(given, weight_mean.settings_of(names) if names else None)
    if not settings.pretrained:
        _check_data(settings.dataset)
    elif problem := feature_store.obstacle(settings):
        raise DataError(problem)
    snapshots.check(settings, jobs.free_disk_bytes())
    run = runs.create(settings)
    if jobs.claim(run):  # else a server on the same folder of runs has taken it: its worker is followed
        jobs.start_worker(run)
    _note(f"Run {run.id}")
    status = _follow(run)
    card = run.card() if status.state in ("finished", "stopped") else None
    metrics = card["metrics"] if card else {}
    test = metrics.get("test", {})
    record = {
        "run": run.id,
        "status": status.state,
        "reason": status.reason,
        "test_accuracy": test.get("accuracy"),
        "test_n": test.get("n"),
        "test_interval": test.get("interval"),
        "validation_accuracy": metrics.get("validation", {}).get("accuracy"),
    }
    names = ("best_epoch", "train_seconds", "startup_seconds", "seconds_to", "images_per_second")
    record |= {name: card[name] if card else None for name in names}
    words = f"{run.id}: {summary.ending(status)}"
    if card:
        words += f" Test accuracy {_in_words(summary.summarise(run).test)}."
    _print(options, record, words)
    return 0 if card else 1


def _follow(run: runs.Run) -> runs.Status:
    """Tell of the run's progress until it has ended. Ctrl-C, or a polite kill, asks it to stop and goes on waiting."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    told_epochs, told_phase = 0, ""
    while True:
        try:
            status = run.status()
            log = run.log()
            for row in log.iloc[told_epochs:].itertuples():
                _note(
                    f"Epoch {int(row.epoch)} of {status.num_epochs}: accuracy {row.accuracy:.1%} in training, "
                    f"{row.val_accuracy:.1%} in validation; {row.seconds:.1f} s{_time_left(status)}"
                )
            told_epochs = len(log)
            if not status.active:
                return status
            if status.phase == "features" and status.num_steps and sys.stderr.isatty():
                _note(f"Photos turned into vectors: {status.step:,} of {status.num_steps:,}", "")
            elif status.phase == "training" and sys.stderr.isatty():
                speed = (
                    f"{status.images_per_second:,.0f} images/s" if status.images_per_second else "first steps"
                )
                _note(f"Training: {status.fraction:.0%}, {speed}{_time_left(status)}", "")
            elif status.phase != told_phase:
                _note(f"{status.phase.capitalize() or 'Waiting'} ...")
            told_phase = status.phase
            time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            if runs.stop_request(run) is not None:
                _note("It goes on without you: it tests its best epoch and ends.")
                raise
            runs.request_stop(run)
            _note("Stopping after this step; the best epoch is kept, tested and exported.")


def _time_left(status: runs.Status) -> str:
    left = status.seconds_left
    return f", about {estimate.in_words(left)} left" if status.phase == "training" and left else ""


def _check_data(name: str) -> None:
    """Raise DataError where the dataset is not here, before a run is made that could only fail."""
    status = datasets.status(name)
    if not status.present:
        raise DataError(
            f"{datasets.DATASETS[name].title} must be on this machine. Received: {' '.join(status.problems)} Fetch it "
            f"with `python -m fashion data --fetch {name}`, or choose --dataset sketches."
        )


def evaluate(options: argparse.Namespace) -> int:
    """`evaluate`: predict a whole split with the exported model, and count."""
    predictor = Predictor(runs.find(options.model))
    name = predictor.card["dataset"]
    if name not in datasets.DATASETS:
        raise DataError(
            f"The model's dataset must be one of {', '.join(datasets.DATASETS)}. Received: {name!r}. Choose another "
            "model."
        )
    _check_data(name)
    data = (
        clothing.load(predictor.image_shape[0], predictor.card.get("fit", "crop"))
        if predictor.sees_photos
        else datasets.load(name)
    )
    known = set(predictor.classes) <= set(data.info.classes)
    data = datasets.of_classes(data, predictor.classes if known else ())
    split = data.split(options.split)
    started = time.perf_counter()
    probabilities = predictor.predict(split.images)
    seconds = time.perf_counter() - started
    accuracy = evaluation.accuracy(probabilities, split.labels)
    per_class = evaluation.per_class(probabilities, split.labels, predictor.classes)
    recorded = predictor.card["metrics"].get(options.split, {}).get("accuracy")
    record = {
        "model": predictor.name,
        "dataset": name,
        "split": options.split,
        "n": accuracy.n,
        "correct": accuracy.correct,
        "accuracy": accuracy.value,
        "interval": [accuracy.low, accuracy.high],
        # Of the confidences as they are told: calibrated ones where the model is for photos.
        "calibration_error": evaluation.expected_calibration_error(
            predictor.calibrated(probabilities), split.labels, _CALIBRATION_BINS
        ),
        "recorded_accuracy": recorded,
        "same_data": predictor.card["data_digest"] == data.digest,
        "per_class": json.loads(per_class.to_json(orient="records")),  # pandas writes NaN as null
        "seconds": seconds,
    }
    table = per_class[["class", "n", "accuracy", "precision"]].to_string(
        index=False, float_format="{:.1%}".format
    )
    words = f"{predictor.name} on {name}, {options.split}: {_in_words(accuracy)}\n{table}"
    _print(options, record, words)
    if not record["same_data"]:
        _note("Note: the data here differ from those that the model was made with.")
    return 0


def predict(options: argparse.Namespace) -> int:
    """`predict`: one line per photo, in the order given; 1 if any of them could not be read."""
    predictor = Predictor(runs.find(options.model) if options.model else _default_model())
    failed = False
    for file in _files(options.files):
        started = time.perf_counter()
        try:
            image = answers.kept(photos.read(Path(file).read_bytes(), name=Path(file).name))
            said = answers.of_photo(predictor, image)
        except (FashionError, OSError) as error:
            failed = True
            text = str(error)
            if isinstance(error, OSError):
                text = (
                    f"The file must be a photo that can be read. Received: {error.strerror}. Check its name."
                )
            _print(options, {"file": file, "error": text}, f"{file}: {text}")
            continue
        answer = said.prediction
        record = {
            "file": file,
            "model": predictor.name,
            "label": answer.label,
            "probability": answer.probability,
            "unsure": answer.unsure or said.refused,
            "top": [{"label": label, "probability": probability} for label, probability in answer.top],
            "seconds": time.perf_counter() - started,
        }
        if said.verdict is not None:
            record["refused"] = said.refused
        doubt = " (unsure: its first answers are close)" if answer.unsure else ""
        if said.refused:
            doubt = " (probably not one of the ten: too unlike what the model learned from)"
        best = ", ".join(f"{label} {probability:.0%}" for label, probability in answer.top[:3])
        _print(options, record, f"{file}: {best}{doubt}")
    return 1 if failed else 0


def _files(given: list[str]) -> list[str]:
    """The files given, in order; for a folder the photos in it, by name, or itself where it has none."""
    found = []
    for name in given:
        inside = sorted(Path(name).iterdir()) if Path(name).is_dir() else []
        photos_inside = [str(path) for path in inside if path.suffix.lower() in _PHOTO_ENDINGS]
        found += photos_inside or [name]
    return found


def _default_model() -> runs.Run:
    found = [one.run for one in answers.models() if not one.status.active]
    if not found:
        raise ModelError(
            "A prediction needs a trained model. Received: none, as no run is finished here. Train one with "
            "`python -m fashion train`."
        )
    return found[0]


def measure_refusal(options: argparse.Namespace) -> int:
    """Count how many pictures that show no clothes a model refuses, by kind: a folder of pictures for each."""
    run = runs.find(options.model)
    model = Predictor(run)
    if "refusal" not in model.card:
        raise ModelError(
            f"A model that can refuse photos is needed. Received: {run.id}, which has no such rule."
        )
    counted = []
    for folder in sorted(path for path in Path(options.folder).iterdir() if path.is_dir()):
        answered = []
        for path in sorted(folder.iterdir()):
            try:
                image = answers.kept(photos.read(path.read_bytes(), path.name))
                answered.append(answers.of_photo(model, image).verdict.refused)
            except FashionError as error:
                _note(f"{folder.name}: {error}")
        counted.append({"kind": folder.name, "refused": sum(answered), "n": len(answered)})
        _print(options, counted[-1], f"{folder.name}: {sum(answered)} of {len(answered)} refused")
    if not sum(kind["n"] for kind in counted):
        raise DataError(
            f"A folder with a folder of pictures for each kind is needed. Received: {options.folder}, without pictures."
        )
    if options.write:
        card = run.card()
        disk.write_json(run.folder / "card.json", {**card, "refusal": {**card["refusal"], "others": counted}})
    return 0


def show_features(options: argparse.Namespace) -> int:
    """`features`: the stored vectors of the clothing photos, after shipping or deleting some if asked to."""
    if options.ship is not None:
        name, _, size = options.ship.rpartition("-")
        if name not in BASES or not size.isdecimal():
            raise SettingsError(
                f"`--ship` must be a network and a size, e.g. efficientnetv2-b0-224. Received: {options.ship!r}."
            )
        path = feature_store.ship(name, int(size))
        _note(f"Written: {path}, {path.stat().st_size / 1e6:.1f} MB, and its card.")
    if options.clear:
        _note(f"Deleted {feature_store.clear() / 1e6:.1f} MB from {feature_store.folder()}.")
    found = feature_store.files()
    for path in found:
        num_bytes = path.stat().st_size
        _print(options, {"file": str(path), "bytes": num_bytes}, f"{path.name}: {num_bytes / 1e6:.1f} MB")
    shipped = ", ".join(feature_store.shipped_here()) or "none"
    total = sum(path.stat().st_size for path in found)
    _note(f"{len(found)} kept in {feature_store.folder()}, {total / 1e6:.1f} MB; shipped: {shipped}.")
    return 0


def list_models(options: argparse.Namespace) -> int:
    """`models`: the shipped models, after adding one if asked to."""
    if (options.ship is None) != (options.name is None):
        raise SettingsError("`--ship` and `--name` go together. Received one of them. Give both, or none.")
    if options.ship is not None:
        added = runs.ship(runs.find(options.ship), options.name)
        _note(f"Added {added.folder}.")
    return _list(options, "model", runs.shipped(), "No model comes with this copy of the project.")


def list_runs(options: argparse.Namespace) -> int:
    """`runs`: the runs of this machine, newest first."""
    return _list(options, "run", runs.list_runs(), "No runs yet. Start one with: python -m fashion train")


def _list(options: argparse.Namespace, kind: str, found: list[runs.Run], if_none: str) -> int:
    good, damaged = summary.summarise_all(found)
    for one in good:
        record = {
            kind: one.run.id,
            "status": one.status.state,
            "reason": one.status.reason,
            "dataset": one.settings.dataset,
            "architecture": one.settings.architecture,
            "num_parameters": one.num_parameters,
            "epochs": one.num_epochs,
            **_accuracy_record("validation", one.validation),
            **_accuracy_record("test", one.test),
        }
        result = "no result yet"
        if one.test:
            result = f"test accuracy {_in_words(one.test)}"
        elif one.validation:
            result = f"validation accuracy so far {_in_words(one.validation)}"
        about = f"{estimate.describe(one.settings)} on {one.dataset_title}"
        _print(options, record, f"{one.run.id}: {summary.STATE_WORDS[one.status.state]}; {about}; {result}")
    for run, problem in damaged:
        _print(options, {kind: run.id, "error": problem}, f"{run.id}: {problem}")
    if not found:
        _note(if_none)
    return 0
