"""Freed memory goes back to the system, on Linux with glibc; elsewhere nothing happens."""

import subprocess
import sys

import numpy as np
import pytest

from fashion import memory, runs

# Blocks too small to be given back one by one, all freed but the last, which keeps the heap from shrinking.
_FILL_AND_FREE = """
import psutil
from fashion import memory
def resident(): return psutil.Process().memory_info().rss
before = resident()
blocks = [b"x" * 100_000 for _ in range(2_000)]
full = resident() - before
pin = blocks.pop()
del blocks
memory.give_back()
print(full, resident() - before)
"""


@pytest.mark.skipif(memory._glibc() is None, reason="only Linux with glibc can be asked to")
def test_freed_memory_is_given_back():
    """Of 200 MB that were used and freed, not a quarter stays with the process."""
    done = subprocess.run(
        [sys.executable, "-c", _FILL_AND_FREE], cwd=runs.ROOT, capture_output=True, text=True, check=True
    )
    full, left = map(int, done.stdout.split())

    assert full > 150e6
    assert left < full / 4


# A visit: objects that point at each other, which only the collector can free.
_VISITS = """
import gc, sys, types, weakref
from fashion import memory
class Visit: pass
def visit():
    one = Visit(); one.itself = one
    return one
memory.settle()
print(gc.get_freeze_count() > 10_000)
before = gc.get_freeze_count()
later = visit()
memory.settle()
print(gc.get_freeze_count() == before)
sys.modules["loaded_later"] = types.ModuleType("loaded_later")
memory.settle()
seen = weakref.ref(later)
del later
gc.collect()
print(seen() is not None)
memory._SETTLE_SECONDS = 0
memory.settle()
print(seen() is None)
"""


def test_what_is_loaded_is_set_aside_and_visits_are_freed_all_the_same():
    """Modules are spared the collector; a second call does nothing until more is loaded; a visit that ended is freed later."""
    done = subprocess.run(
        [sys.executable, "-c", _VISITS], cwd=runs.ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True"] * 4


def test_elsewhere_nothing_happens(monkeypatch):
    """On another system both calls do nothing, without an error."""
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    memory._glibc.cache_clear()

    memory.stay_small()
    memory.give_back()

    assert memory._glibc() is None
    memory._glibc.cache_clear()


def test_a_file_backed_array_has_the_same_values_and_cannot_be_changed():
    """Shape, type and every value survive; writing is refused, since all visitors share it."""
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)

    mapped = memory.file_backed(array)

    np.testing.assert_array_equal(mapped, array)
    assert mapped.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        mapped[0, 0, 0] = 1


def test_without_room_for_a_file_the_array_itself_is_used(monkeypatch):
    """A full disk costs memory, not the page."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory.tempfile, "TemporaryFile", full)
    array = np.zeros((2, 3), np.uint8)

    assert memory.file_backed(array) is array
