"""Fetching the clothing photos: the archive of their repository -> a checked folder of photos, or nothing at all.

An archive from the internet is not trusted: of its entries only photos in the folders of the ten classes are
written, each limited in size, and one that tries to write elsewhere is refused as a whole.
"""

import contextlib
import io
import os
import re
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from fashion import downloads
from fashion.clothing_files import CLASSES_CLOTHING, SPLIT_SIZES, survey
from fashion.errors import DataError

CLOTHING_URLS = (
    "https://github.com/alexeygrigorev/clothing-dataset-small/archive/refs/heads/master.zip",
    "https://github.com/alexeygrigorev/clothing-dataset-small/archive/HEAD.zip",  # should the branch be renamed
)
"""Addresses of the archive, tried in this order. The environment variable FASHION_CLOTHING_URL replaces them."""

ARCHIVE_BYTES = 106_000_000  # about: the server does not tell, and packs anew now and then
MAX_ARCHIVE_BYTES = 250_000_000
MAX_ENTRIES = 20_000
MAX_PHOTO_BYTES = 5_000_000  # the largest published photo has 88 kB
MAX_PHOTOS_BYTES = 400_000_000
_MAX_READ_BYTES = 4_000_000  # at once; an archive's list of entries is read at once, and 3,800 take 0.6 MB

_PARTIAL = ".clothing-partial-"
_ABANDONED_SECONDS = 24 * 3600

_PHOTO_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}\.jpg")
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def fetch(folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Download the photos and put them in this folder, if they are not there, whole and as published, already.

    Everything happens in a folder beside, which takes its name at the very end. What was there before is never
    deleted: it gets another name, ending in "-before". See `datasets.fetch` for progress and errors.
    """
    report = downloads.Progress(progress, ARCHIVE_BYTES)
    report.begin(ARCHIVE_BYTES)
    if _complete(folder):
        report.finish()
        return
    chosen_url = os.environ.get("FASHION_CLOTHING_URL")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent)
        with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder.parent) as beside:
            archive, unpacked = Path(beside) / f"{folder.name}.zip", Path(beside) / folder.name
            downloads.download(
                (chosen_url,) if chosen_url else CLOTHING_URLS,
                archive,
                report,
                num_bytes=ARCHIVE_BYTES,
                max_bytes=MAX_ARCHIVE_BYTES,
                sha256=None,
                by_hand=f"Or unpack the archive by hand and name its top folder {folder}.",
            )
            # The callback may end the work here, too.
            unpack(archive, unpacked, lambda: report.received(ARCHIVE_BYTES))
            problems = survey(unpacked).problems
            if problems:
                raise _refused("photos of ten classes in train, validation and test", " ".join(problems))
            if not _complete(folder):  # another visitor may have been faster
                _put_in_place(unpacked, folder)
    except OSError as error:
        raise downloads.cannot_store(folder, 2 * ARCHIVE_BYTES, error) from error
    report.finish()


def unpack(archive: Path, folder: Path, step: Callable[[], None] = lambda: None) -> None:
    """Write the photos of an archive into a new folder, as <split>/<class>/<name>.jpg; `step` is called now and then.

    The archive has them below one folder of any name; whatever else it holds is not written. Raises DataError for
    an archive that is damaged or larger than the limits, or has an entry that is no plain file, would be written
    outside, or stands in it twice. Then a part may have been written.
    """
    with _Cautious(archive) as file:
        with _in_words():
            opened = zipfile.ZipFile(file)
        for number, (target, member) in enumerate(_photos(opened.infolist()).items()):
            if number % 100 == 0:
                step()
            path = folder / target
            path.parent.mkdir(parents=True, exist_ok=True)
            # What an entry claims to have is at most what zipfile delivers.
            with _in_words(), opened.open(member) as source, path.open("xb") as photo:
                shutil.copyfileobj(source, photo)


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """What zipfile says of a damaged archive becomes a refusal."""
    try:
        yield
    # RuntimeError: encrypted, or (NotImplementedError) of a kind that zipfile does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise _refused("a whole zip archive", str(error) or type(error).__name__) from error


class _Cautious(io.FileIO):
    """A file of which no large part is read at once, and nothing before its beginning: zipfile believes what an archive says of
    itself."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and offset < 0:  # else an OSError, as of a disk
            raise zipfile.BadZipFile("something of it would lie before its beginning")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        everything = size is None or size < 0
        content = super().read(_MAX_READ_BYTES + 1 if everything else min(size, _MAX_READ_BYTES + 1))
        if len(content) > _MAX_READ_BYTES:
            raise zipfile.BadZipFile("its list of entries is too long")
        return content


def _photos(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The entries that are photos of the ten classes, by split/class/name; all entries are checked."""
    if len(entries) > MAX_ENTRIES:
        raise _refused(f"at most {MAX_ENTRIES:,} entries", f"{len(entries):,}")
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        # As it stands in the archive: ZipInfo.filename has lost what follows a zero byte, and backslashes on Windows.
        written = entry.orig_filename
        parts = written.rstrip("/").split("/")
        if (
            "" in parts
            or ".." in parts
            or "." in parts
            or "\\" in written
            or ":" in written
            or "\0" in written
        ):
            raise _refused("names inside the archive's own folder", repr(written[:100]))
        kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 where the archive was made without one
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused("plain files and folders only", f"{written[:100]!r}, a link or device")
        if entry.is_dir() or not _is_photo(parts):
            continue
        target = "/".join(parts[1:])
        if target in found:
            raise _refused("each photo once", f"{target!r} twice")
        if entry.file_size > MAX_PHOTO_BYTES:
            raise _refused(
                f"photos of at most {MAX_PHOTO_BYTES / 1e6:g} MB",
                f"{target!r} with {entry.file_size / 1e6:,.1f} MB",
            )
        if entry.compress_type not in _COMPRESSIONS:
            raise _refused("photos stored or deflated", f"{target!r} of another kind ({entry.compress_type})")
        found[target] = entry
    total_bytes = sum(entry.file_size for entry in found.values())
    if total_bytes > MAX_PHOTOS_BYTES:
        raise _refused(f"at most {MAX_PHOTOS_BYTES / 1e6:,.0f} MB of photos", f"{total_bytes / 1e6:,.0f} MB")
    return found


def _is_photo(parts: list[str]) -> bool:
    """Whether these are the folder of the archive, a split, a class, and a name that is one on every system."""
    return (
        len(parts) == 4
        and parts[1] in SPLIT_SIZES
        and parts[2] in CLASSES_CLOTHING
        and _PHOTO_NAME.fullmatch(parts[3]) is not None
    )


def _refused(expected: str, received: str) -> DataError:
    return DataError(
        f"The archive of the clothing photos is refused. Expected: {expected}. Received: {received}. What was here "
        "before is unchanged. Try again later, or set FASHION_CLOTHING_URL to another copy of the archive."
    )


def _complete(folder: Path) -> bool:
    found = survey(folder)
    return not found.problems and not found.notes


def _put_in_place(unpacked: Path, folder: Path) -> None:
    """Give the new folder its name; one that is there gets another name first, and its own back if that fails."""
    if not os.path.lexists(folder):
        unpacked.rename(folder)
        return
    number = 1
    before = folder.with_name(f"{folder.name}-before")
    while os.path.lexists(before):
        number += 1
        before = folder.with_name(f"{folder.name}-before-{number}")
    folder.rename(before)
    try:
        unpacked.rename(folder)
    except OSError:
        before.rename(folder)
        raise


def _remove_abandoned(parent: Path) -> None:
    """Remove what a download left that was killed a day ago or earlier."""
    for path in parent.glob(f"{_PARTIAL}*"):
        if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
