"""What is read from files is remembered until they change, and files are replaced in one step."""

import os
import time

import pytest

from fashion import disk


@pytest.fixture
def old(tmp_path):
    """A function that writes a file as if a minute ago."""

    def write(name: str, text: str):
        path = tmp_path / name
        disk.write_text(path, text)
        os.utime(path, (time.time() - 60,) * 2)
        return path

    return write


class Reader:
    """Reads a file, and counts how often."""

    def __init__(self, path):
        self.path, self.times = path, 0

    def __call__(self) -> str:
        self.times += 1
        return self.path.read_text() if self.path.exists() else "nothing"


def test_a_file_that_stays_is_read_once(old):
    """Ten questions, one reading."""
    read = Reader(old("status.json", "queued"))
    remembered = disk.Remembered(most=10)

    assert {remembered.value((read.path,), read) for _ in range(10)} == {"queued"}
    assert read.times == 1


def test_a_change_is_seen_at_once(old, tmp_path):
    """Replaced by something as long, as old; appeared; gone."""
    path = old("status.json", "queued")
    read, remembered = Reader(path), disk.Remembered(most=10)
    assert remembered.value((path,), read) == "queued"

    old("status.json", "failed")
    assert remembered.value((path,), read) == "failed"
    path.unlink()
    assert remembered.value((path,), read) == "nothing"
    assert remembered.value((path,), read) == "nothing"
    assert read.times == 3
    old("status.json", "queued")
    assert remembered.value((path,), read) == "queued"


def test_each_of_several_files_counts(old):
    """A summary is made of settings, status, card and log."""
    first, second = old("settings.json", "a"), old("card.json", "b")
    read, remembered = Reader(second), disk.Remembered(most=10)
    remembered.value((first, second), read)

    old("settings.json", "other")
    remembered.value((first, second), read)

    assert read.times == 2


def test_what_was_written_just_now_is_read_each_time(tmp_path):
    """It may change again without looking changed from outside."""
    read, remembered = Reader(tmp_path / "status.json"), disk.Remembered(most=10)
    disk.write_text(read.path, "running")

    assert [remembered.value((read.path,), read) for _ in range(3)] == ["running"] * 3
    assert read.times == 3


def test_some_values_are_not_kept_and_the_oldest_give_way(old):
    """A running worker may fall silent; and a server may see a million runs."""
    read, remembered = Reader(old("a", "running")), disk.Remembered(most=2)
    for _ in range(2):
        remembered.value((read.path,), read, lambda value: value != "running")
    assert read.times == 2

    readers = [Reader(old(name, name)) for name in ("b", "c", "d")]
    for _ in range(2):
        for one in readers:
            remembered.value((one.path,), one)
    assert len(remembered._kept) == 2
