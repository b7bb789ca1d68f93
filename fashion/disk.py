"""Files that others read while they are written: replaced in one step, and read though they may be cut off or damaged."""

import contextlib
import io
import json
import os
import secrets
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from fashion.errors import RunError

Value = TypeVar("Value")
# A file may be written twice within one tick of the clock that stamps it, and look the same from outside.
_SETTLED_SECONDS = 2.0


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: readers see the old or the new text, never a part."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file in one step."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file in one step. Raises OSError, and leaves the old file, if the disk is full."""
    with replacing(path, path.with_name(f".{path.name}.{secrets.token_hex(4)}")) as beside:
        beside.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path, beside: Path) -> Iterator[Path]:
    """Replace a file in one step by `beside`, which is written inside the block; if that fails, the old file stays."""
    try:
        yield beside
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none, or something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays as one .npz file, in one step."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray] | None:
    """What `write_arrays` wrote; None where there is no such file. Raises RunError for a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RunError(
            f"{path.name} must hold the arrays {', '.join(names)}. {error}. Delete the run."
        ) from None


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table of numbers that is still being written: its whole rows; empty where there is no such file."""
    try:
        # Rows are appended: what follows the last line break is half written ("12" may become "1234").
        whole_lines = path.read_bytes().rpartition(b"\n")[0].decode("utf-8", errors="replace")
        table = pd.read_csv(io.StringIO(whole_lines), on_bad_lines="skip")
    except (FileNotFoundError, pd.errors.EmptyDataError, pd.errors.ParserError):
        return pd.DataFrame(columns=list(columns), dtype=float)
    # A damaged file may hold anything; a row counts only if all of it is numbers.
    table = table.reindex(columns=list(columns)).apply(pd.to_numeric, errors="coerce")
    return table.dropna().reset_index(drop=True)


class Remembered(Generic[Value]):
    """Values that were read from files, for as long as the files stay as they are: a stat instead of reading and checking.

    What was written in the last two seconds is read each time. Values are shared, so nobody may change them.
    """

    def __init__(self, most: int):
        """most: how many values are kept; the oldest give way."""
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[tuple[Path, ...], tuple[tuple, Value]] = {}

    def value(
        self,
        files: tuple[Path, ...],
        read: Callable[[], Value],
        keep: Callable[[Value], bool] = lambda value: True,
    ) -> Value:
        """What `read` makes of these files, of which some may be missing; kept only if `keep` says so of it."""
        stamps = tuple(map(_stamp, files))
        known = self._kept.get(files)
        if known is not None and known[0] == stamps:
            return known[1]
        value = read()
        newest = max(stamp[0] for stamp in stamps)
        if time.time_ns() - newest > _SETTLED_SECONDS * 1e9 and keep(value):
            with self._lock:
                self._kept[files] = (stamps, value)
                while len(self._kept) > self._most:
                    del self._kept[next(iter(self._kept))]
        return value


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced or written: its time in nanoseconds, size and number; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
