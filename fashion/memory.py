"""Keeping the server small: large arrays that the system may drop, and freed memory that goes back to it.

What needs a POSIX system, or Linux with glibc, does nothing elsewhere.
"""

import ctypes
import functools
import gc
import os
import sys
import tempfile
import threading
import time

import numpy as np

# Numbers of mallopt(3): how large a block must be to be given back as soon as it is freed, and how many heaps the
# threads may have. Left alone, glibc raises the first to 32 MB after the first large block, and allows eight heaps
# per core, each with holes of its own: measured here, 40 MB more after a tour of all pages.
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BLOCK_BYTES = 256 * 1024
_NUM_HEAPS = 2

_SETTLE_SECONDS = 600.0
_settling = threading.Lock()
_settled: tuple[int, float] = (
    0,
    float("-inf"),
)  # how many modules were loaded when it was last done, and when that was


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    """The C library, if it is glibc; told once how to behave."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        library.mallopt(_M_ARENA_MAX, _NUM_HEAPS)
        library.malloc_trim  # noqa: B018  (musl has none)
        return library
    except (OSError, AttributeError):
        return None


def stay_small() -> None:
    """Let the C library give large blocks back as soon as they are freed; costs nothing after the first call."""
    _glibc()


def settle() -> None:
    """Spare the garbage collector what is loaded for good: libraries, classes, functions, some 200,000 objects.

    Streamlit runs a full collection after each run of a page or a part of it, 30 to 50 ms on one core here, nearly all of
    which goes into walking through modules. They are set aside with whatever else lives at that moment; so every ten minutes,
    and when more was loaded, all is looked through once again: a visit that ended in between frees its memory then.
    """
    global _settled
    num_modules, now = len(sys.modules), time.monotonic()
    if num_modules == _settled[0] and now - _settled[1] < _SETTLE_SECONDS:
        return
    if _settling.acquire(blocking=False):  # else another visitor's page is doing it
        try:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            _settled = num_modules, now
        finally:
            _settling.release()


def give_back() -> None:
    """Return what is free now, in blocks of any size; a few milliseconds, for after something large."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def file_backed(array: np.ndarray) -> np.ndarray:
    """The same values, read-only, in a nameless temporary file: only the parts that are looked at are in memory.

    Of Fashion-MNIST's 55 MB a class looks at some hundred pictures. Where there is no room for the file, or on
    Windows, it is the array itself.
    """
    if os.name != "posix":
        return array
    try:
        with tempfile.TemporaryFile() as file:
            array.tofile(file)
            file.flush()
            mapped = np.memmap(file, dtype=array.dtype, mode="r", shape=array.shape)
    except OSError:
        return array
    return mapped.view(np.ndarray)
