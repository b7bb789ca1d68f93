"""What a visitor shows to a network: photos, a picture from the camera, a test picture, or a drawn garment.

A photo is reduced to a small picture in its visitor's own session as soon as it arrives, and the file that was sent
is emptied: no photo is cached for others or written to disk.
"""

import ipaddress
import random
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import streamlit as st
from PIL import Image
from starlette.formparsers import MultiPartParser
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from fashion import answers, datasets, memory, photo_file, photos, pictures
from fashion.errors import DataError, PhotoError
from fashion.photo_file import PhotoFile
from fashion.photos import PrepareOptions
from fashion.predictor import Predictor
from fashion.ui import cache, components, frame, state

MAX_PHOTOS = 50
MAX_UPLOAD_MB = 15
# With "image/*" a phone offers its camera too; the extensions are for browsers that do not know HEIC and AVIF.
FILE_TYPES = ["image/*", "jpg", "jpeg", "png", "webp", "heic", "heif", "avif", "gif", "bmp", "tif", "tiff"]
_THUMBNAIL_SIDE = 56  # sent to the browser for each photo of a table
_DRAWING_SIDE = 400
_PREVIEW_SIDE = 112
_MOST_SEEDS = 999_999
_MOST_NAMED = 3  # of the files that share a problem
_CLEARED = "_cleared"
_CAMERA = "_camera"
UPLOADED, CAMERA, TEST_PICTURE, DRAWING = "Photos", "Camera", "Test picture", "Drawing"

PRIVACY = "Photos stay in memory and are never written to disk; metadata such as where one was taken is dropped at once."
_PRIVACY_IN_FULL = (
    "A photo is reduced to a small picture in this server's memory as soon as it arrives, and the file itself is dropped. "
    "The picture stays while you look at other pages; it is gone when you clear it, and soon after you close or reload the app. "
    "Nobody else can see it."
)


@dataclass(eq=False)
class Picture:
    """What one visitor shows to a network: a photo that must be prepared first, or pixels that are ready.

    key: its own name in this visit; `name` is what the visitor calls it.
    image: RGB, as from `answers.kept`, or None. pixels: uint8 (28, 28), or None. file: what the photo's file said.
    truth: the class it shows, where that is known; judged: what the visitor says that it is. answered: the last answer,
    with the version of the model and the options it belongs to. problem: why there is neither image nor pixels, in words.
    """

    key: str
    name: str
    image: Image.Image | None = None
    pixels: np.ndarray | None = None
    file: PhotoFile | None = None
    truth: str | None = None
    judged: str | None = None
    problem: str = ""
    read_seconds: float = 0.0
    options: PrepareOptions = PrepareOptions()
    answered: tuple[str, PrepareOptions, Any] | None = None

    @cached_property
    def uri(self) -> str:
        """The picture as text for the browser."""
        return (
            pictures.data_uri(self.pixels)
            if self.image is None
            else pictures.photo_uri(np.asarray(self.image))
        )

    @cached_property
    def thumbnail(self) -> str:
        """A very small one."""
        return pictures.photo_uri(np.asarray(reduced(self.image, _THUMBNAIL_SIDE)))

    def forget(self) -> None:
        """Let go of all that shows the picture."""
        self.image = self.pixels = self.answered = None
        for name in ("uri", "thumbnail"):
            self.__dict__.pop(name, None)


def reduced(image: Image.Image, side: int) -> Image.Image:
    """A copy whose longest side is at most `side` pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BOX)
    return small


def source_input(model: Predictor) -> str:
    """Where the picture comes from: a key of `SOURCES`. Drawings are made like 28x28 pictures, so only for such models."""
    offered = [name for name in SOURCES if not (model.sees_photos and name == DRAWING)]
    state.limit_choice(state.SOURCE, offered)
    return st.segmented_control(
        "Source", offered, default=offered[0], required=True, wrap=True, **state.in_url(state.SOURCE)
    )


def taken_from(source: str, model: Predictor) -> list[Picture]:
    """What the visitor shows from that source; draws its input."""
    return SOURCES[source](model)


def uploaded(model: Predictor) -> list[Picture]:
    """The visitor's photos, in the order of the files; files that are no photos are named here with the reason."""
    _keep_uploads_in_memory()
    key = f"_uploads_{state.count(_CLEARED)}"
    anew = not state.drawn_before(key)
    files = st.file_uploader(
        "Photos of one garment each",
        type=FILE_TYPES,
        accept_multiple_files=True,
        max_upload_size=MAX_UPLOAD_MB,
        key=key,
    )
    below = st.container(horizontal=True, vertical_alignment="center")
    st.caption(PRIVACY, help=_PRIVACY_IN_FULL)
    taken = _usable(_taken_in(UPLOADED, files, anew))
    if state.photos(UPLOADED):
        below.button("Clear all", icon=":material/delete:", on_click=_clear)
    if before := len(state.photos(UPLOADED).keys() - {file.file_id for file in files}):
        below.caption(
            f"{before} {'photo' if before == 1 else 'photos'} from before {'is' if before == 1 else 'are'} still here."
        )
    return taken


def _clear() -> None:
    """Forget all photos, and draw an uploader that knows none of them."""
    state.photos(UPLOADED, ())
    state.count(_CLEARED, 1)


def photographed(model: Predictor) -> list[Picture]:
    """The photo taken with this device's camera, if there is one; where the browser would not give it, another way."""
    if not may_use_camera(st.context.url):
        st.info(
            "Browsers give the camera only to pages opened over https, or on the machine that runs the app. This one was opened "
            "over http from another device. Under **Photos** a phone offers its camera, too.",
            icon=":material/no_photography:",
        )
        st.button(
            "Take or choose a photo",
            icon=":material/add_a_photo:",
            type="primary",
            on_click=state.choose,
            args=(state.SOURCE, UPLOADED),
        )
        return []
    _keep_uploads_in_memory()
    anew = not state.drawn_before(_CAMERA)
    file = st.camera_input(
        "A photo of one garment",
        key=_CAMERA,
        help="The browser asks whether the camera may be used. It allows that only over https, or on this machine itself.",
    )
    st.caption(PRIVACY, help=_PRIVACY_IN_FULL)
    if file:
        state.photos(CAMERA, {file.file_id})
    return _usable(_taken_in(CAMERA, [file] if file else [], anew))


def may_use_camera(address: str | None) -> bool:
    """Whether a browser gives the camera to a page at this address: https, or the machine itself; not known counts as yes.

    Source: https://developer.mozilla.org/docs/Web/Security/Secure_Contexts
    """
    try:
        parts = urlsplit(address or "")
        host = parts.hostname or "localhost"
    except ValueError:
        return True
    try:
        own = ipaddress.ip_address(host).is_loopback
    except ValueError:
        own = host == "localhost" or host.endswith(".localhost")
    return parts.scheme != "http" or own


def _keep_uploads_in_memory() -> None:
    """Raise the size above which the web server would park an upload in a temporary file while it arrives (1 MB)."""
    MultiPartParser.spool_max_size = (MAX_UPLOAD_MB + 1) * 1024**2


def _usable(taken: list[Picture]) -> list[Picture]:
    """Those that are photos, in order; the others are named on the page, each with what is wrong."""
    names: dict[str, list[str]] = {}
    for picture in taken:
        if picture.problem:
            names.setdefault(picture.problem, []).append(f"**{components.literal(picture.name[:60])}**")
    if names:
        problems = [f"{_listed(found)}: {components.literal(problem)}" for problem, found in names.items()]
        st.error("\n\n".join(problems), icon=":material/broken_image:")
    return [picture for picture in taken if not picture.problem]


def _listed(names: list[str]) -> str:
    """The names of files that share a problem; of many, the first ones and how many more there are."""
    if len(names) <= _MOST_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _MOST_NAMED - 1])} and {len(names) - _MOST_NAMED + 1} more"


def _taken_in(source: str, files: list[UploadedFile], anew: bool) -> list[Picture]:
    """The visitor's pictures from this source, in the order in which they came. New files are read and then emptied; those of
    removed files are dropped. An uploader that is drawn anew is empty: what it held before the visitor went elsewhere stays.
    """
    gone = state.taken_away(source, {file.file_id for file in files}, anew)
    if anew:  # what was wrong with a file was told then
        gone |= {name for name, picture in state.photos(source).items() if picture.problem}
    held = state.photos(source, state.photos(source).keys() - gone)
    new = [file for file in files if file.file_id not in held]
    room = MAX_PHOTOS - sum(not picture.problem for picture in held.values())
    bar = st.progress(0.0) if len(new) > 3 else None
    for position, file in enumerate(new):
        if bar:
            bar.progress(position / len(new), f"Reading photo {position + 1} of {len(new)} …")
        if room > 0:
            held[file.file_id] = _read(file)
            room -= not held[file.file_id].problem  # a file that is no photo takes none of the room
        else:
            problem = f"At most {MAX_PHOTOS} photos are taken at a time. Clear the others and choose again."
            held[file.file_id] = Picture(file.file_id, file.name, problem=problem)
    if bar:
        bar.empty()
    for file in files:  # not only new ones: the run that read a file may have been cut short here
        if file.size:
            _empty(file)
    if new:
        memory.give_back()  # what decoding and the files themselves took
    return list(held.values())


def _read(file: UploadedFile) -> Picture:
    began = time.perf_counter()
    try:
        data = file.getvalue()
        image = answers.kept(photos.read(data, file.name))  # 50 photos take 50 MB instead of 300
    except PhotoError as error:
        return Picture(file.file_id, file.name, problem=str(error))
    seconds = time.perf_counter() - began
    return Picture(file.file_id, file.name, image, file=photo_file.describe(data), read_seconds=seconds)


def _empty(file: UploadedFile) -> None:
    """Replace Streamlit's own copy of an upload by an empty one; the file stays in the list of the uploader."""
    context = get_script_run_ctx()
    record = UploadedFileRec(file.file_id, file.name, file.type, b"")
    context.uploaded_file_mgr.add_file(context.session_id, record)


def test_picture(model: Predictor) -> list[Picture]:
    """One picture of the test split of the model's dataset, by number or at random; none where the data is missing."""
    name = model.card["dataset"]
    title = datasets.DATASETS[name].title
    if not datasets.status(name).present:
        st.info(f"Not on this machine: {title}. So there are no test pictures.", icon=":material/info:")
        frame.link("Dataset", "Get the pictures")
        return []
    try:
        test = cache.dataset(name, model.classes).test
    except DataError as error:
        st.error(components.literal(str(error)), icon=":material/error:")
        return []
    state.limit(state.TEST_PICTURE, 0, len(test) - 1)
    wanted = st.selectbox(
        "Class", ["any", *model.classes], help=components.TERMS["class"], **state.kept(state.TEST_CLASS)
    )
    members = np.arange(len(test))
    if wanted != "any":
        members = np.flatnonzero(test.labels == model.classes.index(wanted))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        position = st.number_input(
            f"Picture, 0 to {len(test) - 1:,}",
            min_value=0,
            max_value=len(test) - 1,
            value=pictures.middle_of_each(test.labels)[0],
            **state.in_url(state.TEST_PICTURE),
        )
        st.button(
            "Another one",
            icon=":material/casino:",
            type="primary",
            disabled=not len(members),
            on_click=lambda: state.choose(state.TEST_PICTURE, int(random.choice(members))),
        )
    st.caption(f"From the test part of: {title}. It was kept aside: no network here has learned from it.")
    # Of a network for some classes, positions count the pictures of those alone.
    key = f"test-{name}-{'-'.join(model.classes)}-{position}"
    held = state.photos(TEST_PICTURE, {key})
    if key not in held:
        truth = model.classes[test.labels[position]]
        if model.sees_photos:
            try:
                image = answers.kept(test.images.original(int(position)))
            except DataError as error:
                st.error(components.literal(str(error)), icon=":material/error:")
                return []
            held[key] = Picture(key, f"test photo {position:,}", image, truth=truth)
        else:
            pixels = test.images[position]
            held[key] = Picture(key, f"test picture {position:,}", pixels=pixels, truth=truth)
    if not model.sees_photos:
        components.picture(
            test.images[position], "", alt=f"Picture {position} of {title}", size=_PREVIEW_SIDE
        )
    return [held[key]]


def drawn_garment(model: Predictor) -> list[Picture]:
    """A garment drawn in colour by this app, treated like a photo; class and seed stand in the link."""
    kind = st.selectbox("Class", model.classes, **state.in_url(state.DRAWN_CLASS))
    state.limit(state.DRAWN_SEED, 0, _MOST_SEEDS)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = st.number_input(
            "Seed",
            min_value=0,
            max_value=_MOST_SEEDS,
            help="The same number draws the same garment.",
            **state.in_url(state.DRAWN_SEED),
        )
        st.button(
            "Another one",
            icon=":material/casino:",
            type="primary",
            on_click=lambda: state.choose(state.DRAWN_SEED, random.randint(0, _MOST_SEEDS)),
        )
    label = model.classes.index(kind)
    drawing = cache.garment(label, seed, _DRAWING_SIDE)
    st.image(drawing, alt=f"Drawing of a garment: {kind}", width=_PREVIEW_SIDE)
    key = f"drawn-{label}-{seed}"
    picture = Picture(key, f"drawn {kind} {seed}", Image.fromarray(drawing), truth=kind)
    return [state.photos(DRAWING, {key}).setdefault(key, picture)]


SOURCES = {UPLOADED: uploaded, CAMERA: photographed, TEST_PICTURE: test_picture, DRAWING: drawn_garment}
"""The sources by the name on screen, in order."""
OWN = (UPLOADED, CAMERA)
"""Those of the visitor's own photos: once there is one, it stands above the way to others."""
