"""Fetching the clothing photos from a server on this machine; archives that are damaged or mean harm are refused.

Run: pytest tests/test_clothing_archive.py
"""

import io
import os
import stat
import struct
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import clothing_folder
import pytest

from fashion import clothing, clothing_archive, clothing_files, datasets, downloads
from fashion.errors import DataError

PHOTO = f"{clothing_folder.TOP}/train/hat/evil.jpg"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """One photo per class and split counts as what was published; the data folder does not exist yet."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for split in clothing_files.SPLIT_SIZES:
        monkeypatch.setitem(clothing_files.SPLIT_SIZES, split, 10)
    content = clothing_folder.files(per_class=1)
    published = clothing_folder.write(tmp_path / "published", content)
    monkeypatch.setattr(clothing_files, "DIGEST", clothing_files.survey(published).digest)
    return content


class Server:
    """Sends `content` for any path, in chunks of unknown total as the real one does; `cut` breaks off half way."""

    def __init__(self, content: bytes):
        self.content, self.cut, self.requests = content, False, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.requests.append(self.path)
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                content = server.content[: len(server.content) // 2] if server.cut else server.content
                for start in range(0, len(content), 1000):
                    part = content[start : start + 1000]
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                if not server.cut:
                    self.wfile.write(b"0\r\n\r\n")
                self.close_connection = True

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/photos.zip"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(toy, monkeypatch):
    running = Server(clothing_folder.packed(toy))
    monkeypatch.setenv("FASHION_CLOTHING_URL", running.url)
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / clothing.FOLDER


def stored(folder) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_fetching_stores_the_photos_and_nothing_else(server, toy, folder):
    """Byte for byte the photos of the archive, without its other files, and nothing left beside them."""
    datasets.fetch("clothing")

    assert stored(folder) == toy
    assert list(folder.parent.iterdir()) == [folder]
    assert datasets.status("clothing") == datasets.DataStatus("clothing", True, folder, ())


def test_photos_can_be_read_by_other_accounts(server, folder):
    """A folder shared by a class is of use to everyone."""
    datasets.fetch("clothing")

    for path in [folder, *folder.rglob("*")]:
        assert path.stat().st_mode & 0o444 == 0o444


def test_progress_counts_bytes_and_ends_at_the_total(server, monkeypatch):
    """Of an archive whose length the server does not tell, small parts count as what they are."""
    monkeypatch.setattr(clothing_archive, "ARCHIVE_BYTES", len(server.content) + 5000)
    calls = []

    datasets.fetch("clothing", lambda done, total: calls.append((done, total)))

    done = [call[0] for call in calls]
    assert {call[1] for call in calls} == {len(server.content) + 5000}
    assert done == sorted(done)
    assert done[-1] == len(server.content) + 5000
    assert len(server.content) in done


def test_photos_that_are_complete_are_not_fetched_again(server, folder):
    """A second fetch asks nobody and writes nothing."""
    datasets.fetch("clothing")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    calls = []

    datasets.fetch("clothing", lambda done, total: calls.append((done, total)))

    assert len(server.requests) == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert calls[-1][0] == calls[-1][1]


def test_an_incomplete_folder_is_replaced_and_kept_under_another_name(server, toy, folder):
    """What a user had there, photos or notes, is never deleted."""
    clothing_folder.write(folder, {"train/hat/mine.jpg": b"mine", "notes.txt": b"mine"})

    datasets.fetch("clothing")
    (folder / "test" / "hat" / "test-1-0.jpg").unlink()
    datasets.fetch("clothing")

    assert stored(folder) == toy
    assert stored(folder.with_name(f"{folder.name}-before")) == {
        "train/hat/mine.jpg": b"mine",
        "notes.txt": b"mine",
    }
    assert len(stored(folder.with_name(f"{folder.name}-before-2"))) == len(toy) - 1


def test_an_archive_with_another_top_folder_is_as_good(server, toy, folder):
    """A renamed branch, or a school's own copy, may call it otherwise."""
    server.content = clothing_folder.packed(toy, top="clothing-dataset-small-main")

    datasets.fetch("clothing")

    assert stored(folder) == toy


def test_another_version_of_the_photos_is_taken_with_a_note(server, toy, folder):
    """The branch may change: more photos are no fault."""
    server.content = clothing_folder.packed({**toy, "train/hat/new.jpg": clothing_folder.jpeg(9)})

    datasets.fetch("clothing")

    status = datasets.status("clothing")
    assert status.present
    assert "Another version of the photos: 11 for train" in status.notes[0]


def test_an_unreadable_photo_among_good_ones_is_named(server, toy, folder):
    """The others are there; the note names it."""
    toy["train/hat/train-1-9.jpg"] = clothing_folder.jpeg(9)[:300]
    server.content = clothing_folder.packed(toy)

    datasets.fetch("clothing")

    assert datasets.status("clothing").notes == (
        "1 photo cannot be read and is left out: train/hat/train-1-9.jpg.",
    )
    assert len(datasets.load("clothing").train) == 10


@pytest.mark.parametrize("missing", ["test/hat/", "validation/"])
def test_an_archive_without_a_class_or_split_is_refused_by_name(server, toy, folder, missing):
    """Such photos cannot be trained on; the message names what is missing and nothing is stored."""
    server.content = clothing_folder.packed(
        {name: data for name, data in toy.items() if not name.startswith(missing)}
    )

    with pytest.raises(DataError, match=f"{missing.rstrip('/')}.*has no photo"):
        datasets.fetch("clothing")

    assert list(folder.parent.iterdir()) == []


# Archives that mean harm


def entry(name: str = PHOTO, mode: int = 0, compression: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = compression
    return info


def with_entry(toy, info: zipfile.ZipInfo, data: bytes = b"x") -> bytes:
    """The good archive with one entry more."""
    buffer = io.BytesIO(clothing_folder.packed(toy))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(info, data)
    return buffer.getvalue()


def with_altered_photo(toy) -> bytes:
    """One byte of a stored photo differs from its checksum."""
    buffer = io.BytesIO(clothing_folder.packed(toy))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(entry(compression=zipfile.ZIP_STORED), b"UNIQUE CONTENT")
    return buffer.getvalue().replace(b"UNIQUE CONTENT", b"UNIQUE CONTENS")


def bomb(toy) -> bytes:
    """A photo that claims 1,000 bytes and unpacks to 3,456,789."""
    content = with_entry(toy, entry(), bytes(3_456_789))
    return content.replace(struct.pack("<I", 3_456_789), struct.pack("<I", 1000))


def before_its_beginning(toy) -> bytes:
    """An archive that says that its list of entries lies two gigabytes further on than it does."""
    content = bytearray(clothing_folder.packed(toy))
    place = content.rindex(b"PK\5\6") + 16
    content[place : place + 4] = struct.pack("<I", 2**31)
    return bytes(content)


HOSTILE = {
    "lies before its beginning": (before_its_beginning, "whole zip archive.*before its beginning"),
    "climbs out": (lambda toy: with_entry(toy, entry("../../evil.jpg")), "own folder.*evil"),
    "climbs out later": (
        lambda toy: with_entry(toy, entry(f"{clothing_folder.TOP}/train/../../../evil.jpg")),
        "own folder",
    ),
    "absolute": (lambda toy: with_entry(toy, entry("/evil.jpg")), "own folder"),
    "backslash": (
        lambda toy: with_entry(toy, entry(f"{clothing_folder.TOP}\\..\\evil.jpg")),
        "own folder",
    ),
    "drive": (lambda toy: with_entry(toy, entry("C:/evil.jpg")), "own folder"),
    "link": (
        lambda toy: with_entry(toy, entry(mode=stat.S_IFLNK | 0o777), b"/etc/passwd"),
        "plain files.*link",
    ),
    "folder that is a link": (
        lambda toy: with_entry(toy, entry(f"{clothing_folder.TOP}/train", stat.S_IFLNK | 0o777), b"/etc"),
        "plain files.*link",
    ),
    "device": (lambda toy: with_entry(toy, entry(mode=stat.S_IFCHR | 0o666)), "plain files.*device"),
    "large photo": (lambda toy: with_entry(toy, entry(), bytes(5_000_001)), "at most 5 MB.*evil.jpg"),
    "bomb": (bomb, "whole zip archive"),
    "twice": (
        lambda toy: with_entry(toy, entry("other-top/train/hat/train-1-0.jpg")),
        "each photo once.*train/hat/train-1-0.jpg",
    ),
    "rare compression": (
        lambda toy: with_entry(toy, entry(compression=zipfile.ZIP_LZMA)),
        "stored or deflated",
    ),
    "altered photo": (with_altered_photo, "whole zip archive.*CRC"),
    "cut off": (lambda toy: clothing_folder.packed(toy)[:9000], "whole zip archive"),
    "no archive": (lambda toy: b"<html>Please log in</html>", "whole zip archive"),
    "empty": (lambda toy: b"", "whole zip archive"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("before", [False, True], ids=["empty folder", "photos there"])
def test_a_harmful_or_damaged_archive_is_refused_whole(server, toy, folder, tmp_path, kind, before):
    """Words say why; what was there stays as it was, and nothing is written elsewhere or left beside."""
    make, words = HOSTILE[kind]
    server.content = make(dict(toy))
    mine = {"train/hat/mine.jpg": clothing_folder.jpeg(3)} if before else {}
    clothing_folder.write(folder, mine)
    elsewhere = {path for path in tmp_path.rglob("*") if folder not in (path, *path.parents)}

    with pytest.raises(DataError, match=f"(?s)refused.*{words}.*unchanged"):
        datasets.fetch("clothing")

    assert (stored(folder) if folder.exists() else {}) == mine
    now = {path for path in tmp_path.rglob("*") if folder not in (path, *path.parents)}
    assert now - elsewhere <= {folder.parent}


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("MAX_ENTRIES", 20, "at most 20 entries. Received: 33"),
        ("MAX_PHOTOS_BYTES", 5_000, "MB of photos"),
        ("_MAX_READ_BYTES", 2_000, "list of entries is too long"),
    ],
)
def test_an_archive_beyond_a_limit_is_refused(server, folder, monkeypatch, limit, value, words):
    """Too many entries, too much in all, or a list that would fill the memory before it could be counted."""
    monkeypatch.setattr(clothing_archive, limit, value)

    with pytest.raises(DataError, match=words):
        datasets.fetch("clothing")

    assert list(folder.parent.iterdir()) == []


def test_an_encrypted_photo_is_refused(server, toy, folder):
    """A password nobody knows is a damaged archive, too."""
    content = bytearray(with_entry(toy, entry()))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + offset] |= 1
    server.content = bytes(content)

    with pytest.raises(DataError, match="whole zip archive.*encrypted"):
        datasets.fetch("clothing")

    assert not folder.exists()


def test_files_that_are_no_photos_of_the_ten_classes_are_left_out(server, toy, folder):
    """Other folders, other kinds of file and odd names do not hurt, and are not written."""
    others = {
        "train/socks/a.jpg": b"a sock",
        "train/hat/run.sh": b"#!/bin/sh",
        "train/hat/deeper/a.jpg": b"x",
        "train/hat/.hidden.jpg": b"x",
        "extra/hat/a.jpg": b"x",
    }
    server.content = clothing_folder.packed({**toy, **others})

    datasets.fetch("clothing")

    assert stored(folder) == toy


# Downloads that end early


def test_a_download_that_breaks_off_leaves_what_was_there(server, folder):
    """The message says so; the old photos keep their place."""
    clothing_folder.write(folder, {"train/hat/mine.jpg": b"mine"})
    server.cut = True

    with pytest.raises(
        DataError, match="clothing-dataset-small.zip could not be downloaded.*broke off.*try again"
    ):
        datasets.fetch("clothing")

    assert stored(folder.parent) == {f"{clothing.FOLDER}/train/hat/mine.jpg": b"mine"}


def test_a_download_without_end_is_cut_off(server, folder, monkeypatch):
    """A server that sends more than any archive has is not listened to."""
    monkeypatch.setattr(clothing_archive, "MAX_ARCHIVE_BYTES", 5_000)

    with pytest.raises(DataError, match="more than 0 MB, which is too much"):
        datasets.fetch("clothing")

    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize("when", ["at the start", "while unpacking"])
def test_a_visitor_who_leaves_ends_the_work(server, folder, monkeypatch, when):
    """An exception of the callback passes through, whatever its kind, and nothing half is left."""
    monkeypatch.setattr(clothing_archive, "ARCHIVE_BYTES", 10_000_000)

    def leave(done_bytes, total_bytes):
        if when == "at the start" or done_bytes == total_bytes:
            raise ValueError("gone")

    with pytest.raises(ValueError, match="^gone$"):
        datasets.fetch("clothing", leave)

    assert list(folder.parent.iterdir()) == []


def test_what_a_killed_download_left_is_removed_a_day_later(server, folder):
    """An old half folder goes, a young one may belong to a download that runs."""
    old, young = (folder.parent / f".clothing-partial-{name}" for name in ("old", "young"))
    for path in (old, young):
        path.mkdir(parents=True)
        (path / "half.zip").write_bytes(b"half")
    os.utime(old, (time.time() - 100_000, time.time() - 100_000))

    datasets.fetch("clothing")

    assert not old.exists()
    assert young.exists()


def test_a_folder_that_cannot_be_written_is_told(server, tmp_path, monkeypatch):
    """The message names FASHION_DATA as the remedy."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "file"))

    with pytest.raises(DataError, match="could not be stored.*FASHION_DATA"):
        datasets.fetch("clothing")


def test_a_full_disk_is_told(server, folder, monkeypatch):
    """No space left while unpacking: in words, with the space needed, and nothing half is left."""

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(clothing_archive.shutil, "copyfileobj", full)

    with pytest.raises(DataError, match="212.0 MB free. Received: No space left on device"):
        datasets.fetch("clothing")

    assert list(folder.parent.iterdir()) == []


def test_a_folder_that_cannot_take_its_name_gets_the_old_one_back(server, folder, monkeypatch):
    """If the last step fails, the photos from before are in their place."""
    clothing_folder.write(folder, {"train/hat/mine.jpg": b"mine"})
    rename = type(folder).rename

    def refuse(self, target):
        if ".clothing-partial" in str(self):
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(type(folder), "rename", refuse)

    with pytest.raises(DataError, match="could not be stored.*Permission denied"):
        datasets.fetch("clothing")

    assert stored(folder.parent) == {f"{clothing.FOLDER}/train/hat/mine.jpg": b"mine"}


def test_the_second_address_is_tried_when_the_first_fails(server, toy, folder, monkeypatch):
    """Without FASHION_CLOTHING_URL, the archive is asked for at both addresses of its repository."""
    monkeypatch.delenv("FASHION_CLOTHING_URL")
    monkeypatch.setattr(clothing_archive, "CLOTHING_URLS", ("http://127.0.0.1:9/a.zip", server.url))
    monkeypatch.setattr(downloads, "CONNECT_TIMEOUT_SECONDS", 2.0)

    datasets.fetch("clothing")

    assert stored(folder) == toy
