"""One file from the internet into a folder, whole or not at all, with progress and reasons in words.

What the files are, and whether they are the right ones, is known by the modules of the datasets.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pooch
import requests
import urllib3

from fashion.errors import DataError

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0  # without a single byte; a slow download that keeps moving may take any time
DOWNLOAD_CHUNK_BYTES = 256 * 1024  # about 120 progress calls for all of Fashion-MNIST


class Progress:
    """Adds up the bytes of several files and tells callback(done_bytes, total_bytes), never more than the total."""

    def __init__(self, callback: Callable[[int, int], None] | None, total_bytes: int):
        self._callback = callback or (lambda done_bytes, total_bytes: None)
        self._total_bytes = total_bytes
        self._earlier_bytes = 0
        self._file_bytes = 0

    def begin(self, file_bytes: int) -> None:
        """The next file has so many bytes, exactly or about."""
        self._earlier_bytes += self._file_bytes
        self._file_bytes = file_bytes

    def received(self, num_bytes: int) -> None:
        """So much of the file is here."""
        self._callback(self._earlier_bytes + min(num_bytes, self._file_bytes), self._total_bytes)

    def finish(self) -> None:
        """The file is here."""
        self.received(self._file_bytes)


class _CountingFile:
    """A file for writing that tells how much it has received, and takes no more than it may."""

    def __init__(self, file: BinaryIO, report: Progress, max_bytes: int):
        self._file, self._report, self._max_bytes = file, report, max_bytes
        self._num_bytes = 0

    def write(self, content: bytes) -> None:
        self._num_bytes += len(content)
        if self._num_bytes > self._max_bytes:
            raise _TooLong(f"more than {self._max_bytes / 1e6:,.0f} MB, which is too much")
        self._file.write(content)
        self._report.received(self._num_bytes)

    def flush(self) -> None:
        self._file.flush()


class _TooLong(Exception):
    pass


def download(
    urls: Sequence[str],
    path: Path,
    report: Progress,
    *,
    num_bytes: int,
    max_bytes: int,
    sha256: str | None,
    by_hand: str,
) -> None:
    """Fetch the file from the first of the addresses that delivers it; it takes its name only when it is whole.

    `num_bytes`: what is expected, for the messages, about where the file is not known exactly; `max_bytes`: where a file without end is cut off; `sha256`: what
    the file must have, if that is known; `by_hand`: the last sentence of the message, for those without internet.

    Raises DataError, in words, if no address delivers the file (not found, refused, no internet, nothing received
    for READ_TIMEOUT_SECONDS, broken off, other bytes) or if the folder cannot be written. What the progress callback
    raises passes through.
    """
    expected = f"{num_bytes:,} bytes" if sha256 else f"about {num_bytes / 1e6:.0f} MB"
    failures = []
    for url in urls:
        report.received(0)
        try:
            _retrieve(url, path, report, max_bytes, sha256)
        except (requests.RequestException, _TooLong) as error:  # before OSError, of which the first is a kind
            failures.append(f"{_public_address(url)}: {_reason(error)}")
        except ValueError as error:
            if "known hash" not in str(error):  # not pooch's verdict on the bytes
                raise
            failures.append(
                f"{_public_address(url)}: other bytes, by their SHA-256 (perhaps a log-in page of the network)"
            )
        except OSError as error:
            raise cannot_store(path, num_bytes, error) from error
        else:
            # pooch's temporary files are private; a folder shared by a class must be readable by others.
            with contextlib.suppress(OSError):
                path.chmod(0o644)
            return
    raise DataError(
        f"{path.name} could not be downloaded. Expected: {expected}. Received from "
        f"{'; '.join(failures)}. Check the internet connection and try again. {by_hand}"
    )


def cannot_store(path: Path, num_bytes: int, error: OSError) -> DataError:
    """The error for a folder that cannot be written."""
    return DataError(
        f"{path.name} could not be stored. Expected: a folder that can be written, with "
        f"{num_bytes / 1e6:.1f} MB free. Received: {error.strerror or error} ({path.parent}). "
        "Free some space or set FASHION_DATA to another folder, and try again."
    )


def _retrieve(url: str, path: Path, report: Progress, max_bytes: int, sha256: str | None) -> None:
    http = pooch.HTTPDownloader(
        progressbar=False,  # it counts each chunk as a full one, and chunks may be small
        chunk_size=DOWNLOAD_CHUNK_BYTES,
        timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
    )

    def downloader(url: str, temporary: str, pooch: None) -> None:
        with open(temporary, "wb") as file:
            http(url, _CountingFile(file, report, max_bytes), pooch)

    pooch.get_logger().setLevel("WARNING")  # its notes would land between the lines of our own progress
    pooch.retrieve(
        url, sha256 and f"sha256:{sha256}", fname=path.name, path=path.parent, downloader=downloader
    )


def _public_address(url: str) -> str:
    """The address without user name and password, which the one of a private mirror may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _reason(error: requests.RequestException | _TooLong) -> str:
    cause = error.args[0] if error.args else None
    if isinstance(error, _TooLong):
        return str(error)
    if isinstance(error, requests.HTTPError):
        code = error.response.status_code
        return f"no such file there (HTTP {code})" if code == 404 else f"the server refused (HTTP {code})"
    if isinstance(error, requests.ConnectTimeout):
        return f"no answer within {CONNECT_TIMEOUT_SECONDS:g} seconds"
    # While the body is read, requests reports a time-out as a ConnectionError.
    if isinstance(error, requests.ReadTimeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return f"nothing received for {READ_TIMEOUT_SECONDS:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was not accepted, so the connection is not secure"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy server did not answer"
    if isinstance(cause, urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection (no internet, or the server refused)"
    if isinstance(error, ValueError):  # MissingSchema, InvalidURL and the like
        return "this is not a web address (http:// or https://)"
    return f"the download failed ({type(error).__name__})"
