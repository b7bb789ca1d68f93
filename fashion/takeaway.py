"""A finished run as a zip file to take along: the model, all that one needs to get its answers, and programs.

It says what is in the zip and asks for the proof that it works without this app. The proof itself is
`takeaway_proof.py`, the small files are written by `takeaway_files.py`, the training program by `takeaway_program.py`.
No Keras here.
"""

import hashlib
import io
import json
import shutil
import zipfile
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fashion import answers, clothing, datasets, disk, runs, sketches, summary, teachers
from fashion.errors import FashionError, ModelError, RunError, SettingsError
from fashion.jobs import LocalQueue
from fashion.runs import Run
from fashion.settings import PHOTOS
from fashion.takeaway_files import prediction_program, preprocessing, readme
from fashion.takeaway_program import SKETCHES_FILE, program

FORMAT = 1  # raise it when the same run would be packed otherwise
REQUEST = "takeaway.json"
"""The file of a proof's job: which run, and in the end the result."""
KERAS_TOLERANCE, LITERT_TOLERANCE = 1e-4, 1e-2
"""How far the probabilities of the exported files may be from ours."""
NUM_PICTURES = 8
_MODELS = ("model.keras", "model.tflite")
_DATE = (2026, 1, 1, 0, 0, 0)  # of all files in the zip, so that the same run gives the same bytes


@dataclass(frozen=True)
class Proof:
    """What came of the proof of a run's zip.

    state: "none", "under way", "proved", "failed" (it was tried and does not agree, or could not be tried) or "outdated"
    (the run, or what is packed, has changed since). job: where it is done. reason: why it failed. result: differences, pictures,
    versions and machine of a proof that succeeded.
    """

    state: str
    job: Run | None = None
    reason: str = ""
    result: dict | None = None


def obstacle(run: Run) -> str | None:
    """Why this run cannot be taken along, in words; None if it can."""
    if not run.has_model and not run.can_predict:
        return "It has no model: the runs that come with a lesson are recorded without weights."
    if run.status().active:
        return "It is not finished yet."
    if not run.can_predict:
        return "Its model was not exported for prediction. Export it on the Train page, then it can be taken along."
    return None


def training_program(run: Run) -> tuple[str | None, str]:
    """The text of `train.py`, or None and why there is none."""
    if runs.EPOCH in run.id:
        return (
            None,
            "There is no training program for a single epoch: it would keep the best one, as the whole run did.",
        )
    if run.settings.mean_of:
        return (
            None,
            "There is no training program: its weights are the mean of those of other runs, which have one each.",
        )
    if run.settings.teachers and not (run.folder / teachers.FILE).exists():
        return None, f"There is no training program: what its teachers said ({teachers.FILE}) is gone."
    try:
        return program(run.settings), ""
    except SettingsError as error:
        return None, str(error)


def contents(run: Run) -> dict[str, bytes]:
    """All files of the zip: name -> bytes, in the order of the zip.

    Raises:
        RunError: The run cannot be taken along, or is damaged.
        ModelError: A model file has other bytes than its card says.
    """
    why = obstacle(run)
    if why is not None:
        raise RunError(
            f"Only a finished run with an exported model can be taken along. Received: {run.id}. {why}"
        )
    card = run.card()
    files = {
        "README.txt": readme(run, card, *training_program(run)).encode(),
        "labels.txt": ("\n".join(card["classes"]) + "\n").encode(),
        "preprocessing.json": _json(preprocessing(card)),
        "predict.py": prediction_program(card).encode(),
        "settings.json": _json(run.settings.to_json()),
        "card.json": _json(card),
    }
    text, _ = training_program(run)
    if text is not None:
        files["train.py"] = text.encode()
        if run.settings.dataset == "sketches":
            files[SKETCHES_FILE] = _sketches()
        if run.settings.teachers:
            files[teachers.FILE] = (run.folder / teachers.FILE).read_bytes()
    for name in _MODELS:
        path = run.folder / name
        if not path.exists():
            continue
        data = path.read_bytes()
        expected = card["files"].get(name, {}).get("sha256")
        if hashlib.sha256(data).hexdigest() != expected:
            raise ModelError(
                f"{name} of {run.id} must have the SHA-256 of its card, {expected}. Received another: the file is damaged. "
                f"{'Restore it: git checkout models.' if run.shipped else 'Train the run again.'}"
            )
        files[name] = data
    return files


def packed(run: Run) -> bytes:
    """The zip file; the same run gives the same bytes. Raises what `contents` raises."""
    folder = f"fashion-lab-{summary.short_name(run)}"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in contents(run).items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", _DATE)
            entry.external_attr = 0o644 << 16
            # Weights are as good as random: compressing them takes a second and saves a tenth.
            entry.compress_type = (
                zipfile.ZIP_STORED
                if name in (*_MODELS, SKETCHES_FILE, teachers.FILE)
                else zipfile.ZIP_DEFLATED
            )
            archive.writestr(entry, data)
    return buffer.getvalue()


def fingerprint(run: Run) -> str:
    """A short text that changes when anything in the zip changes; of the model files, by what the card says of them."""
    card = run.card() or {}
    text, why = training_program(run)
    parts = [
        FORMAT,
        card,
        run.settings.to_json(),
        text or why,
        prediction_program(card),
        preprocessing(card),
        readme(run, card, *training_program(run)),
    ]
    parts += [[name, (run.folder / name).exists()] for name in _MODELS]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _sketches() -> bytes:
    data = datasets.load("sketches")
    arrays = {}
    for name in datasets.SPLIT_NAMES:
        split = data.split(name)
        arrays |= {f"{name}_images": split.images, f"{name}_labels": split.labels}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


# The proof


def proof(run: Run) -> Proof:
    """What is known of this run's zip: the newest proof of it on this machine."""
    for job in runs.list_runs(kind="takeaway"):
        asked = _request(job)
        if asked.get("run") != run.id:
            continue
        status = job.status()
        if status.active:
            return Proof("under way", job)
        if status.state == "stopped":
            return Proof("none")
        result = asked.get("result")
        if status.state != "finished" or not isinstance(result, dict):
            return Proof("failed", job, reason=status.reason or "It ended without a result. Try again.")
        if asked.get("fingerprint") != fingerprint(run):
            return Proof("outdated", job)
        return Proof("proved", job, result=result)
    return Proof("none")


def ask_for_proof(queue: LocalQueue, run: Run, visitor: str = "") -> Run:
    """Queue the proof of a run's zip, a job of its own, so that the run itself is not touched; returns the job.

    Raises JobError if the queue is full, RunError if the run cannot be taken along or the disk refuses.
    """
    queue.check_room(visitor)
    why = obstacle(run)
    if why is not None:
        raise RunError(
            f"Only a finished run with an exported model can be taken along. Received: {run.id}. {why}"
        )
    for job in runs.list_runs(kind="takeaway"):  # earlier ones, and those of runs that are gone
        if not job.status().active and (_request(job).get("run") == run.id or not _is_here(job)):
            shutil.rmtree(job.folder, ignore_errors=True)
    content = {"run": run.id, "fingerprint": fingerprint(run)}
    return queue.added(runs.create_job("takeaway", REQUEST, content, visitor=visitor, task="prove"))


def _request(job: Run) -> dict:
    return disk.read_object(job.folder / REQUEST)


def _is_here(job: Run) -> bool:
    try:
        runs.find(str(_request(job).get("run", "")))
    except FashionError:
        return False
    return True


def asked_run(job: Run) -> Run:
    """The run whose zip this job proves. Raises RunError where it is gone."""
    return runs.find(str(_request(job).get("run", "")))


def write_result(job: Run, result: dict) -> None:
    """Keep what the proof found."""
    disk.write_json(job.folder / REQUEST, _request(job) | {"result": result})


def pictures(run: Run) -> tuple[list[bytes], str]:
    """Eight pictures for the proof, as PNG files, and what they are: test pictures, or drawn garments without the data."""
    settings = run.settings
    photos = settings.dataset in PHOTOS
    if datasets.status(settings.dataset).present:
        data = clothing.load(clothing.SIDE) if photos else datasets.load(settings.dataset)
        split = datasets.of_classes(data, settings.class_names).test
        places = np.linspace(0, len(split) - 1, NUM_PICTURES).astype(int)
        if photos:
            # The copy that the Predict page judges, so that large files do not make the proof slow.
            images = [answers.kept(split.images.original(int(place))) for place in places]
        else:
            images = [Image.fromarray(split.images[place]) for place in places]
        what = f"{NUM_PICTURES} test {'photos' if photos else 'pictures'}"
    elif photos:
        images = [sketches.draw_colour(label, 7, 320) for label in range(NUM_PICTURES)]
        what = f"{NUM_PICTURES} drawn garments, as the photos are not here"
    else:
        images = [Image.fromarray(sketches.draw(label, 7)) for label in range(NUM_PICTURES)]
        what = f"{NUM_PICTURES} drawn garments, as the pictures are not here"
    encoded = []
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        encoded.append(buffer.getvalue())
    return encoded, what
