"""Download a checkpoint over HTTP: resume what an earlier attempt left, and try again when the network fails."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from matcurate.errors import CheckpointError
from matcurate.promptable.catalogue import Checkpoint
from matcurate.types import Progress

BUSY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Patience:
    """When to try again, and when to give up.

    It ends after ``attempts`` in a row without a byte beyond the furthest reached. ``backoff`` are the seconds before
    the second attempt; each later wait is twice as long, at most 20 times this. ``timeout`` seconds of silence fail an
    attempt.
    """

    attempts: int = 5
    backoff: float = 0.5
    timeout: float = 30.0


class _TryAgain(Exception):
    """An attempt failed, and another may succeed."""


class _Transfer:
    """One download over several attempts; what has arrived is the file ``part``."""

    def __init__(self, checkpoint: Checkpoint, url: str, part: Path, progress: Progress) -> None:
        self.checkpoint = checkpoint
        self.url = url
        self.part = part
        self.progress = progress
        self.furthest = self.held()
        self.fruitless = 0

    def held(self) -> int:
        """Bytes that have arrived."""
        return size_of(self.part)

    def attempt(self, client: httpx.Client) -> None:
        """Request the missing bytes and append them, or start over where the server cannot resume."""
        self.fruitless += 1
        start = self.held()
        if start > self.checkpoint.size:
            self.part.unlink()
            start = 0
        if start == self.checkpoint.size:
            return
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with client.stream("GET", self.url, headers=headers) as response:
            resumed = self._accepted(response, start)
            self._receive(response, start if resumed else 0)

    def _accepted(self, response: httpx.Response, start: int) -> bool:
        """Return whether the answer resumes at ``start``; raise when it is another file."""
        status = response.status_code
        if status in BUSY:
            raise _TryAgain(f"the server answered {status}")
        if status == 416:
            self.part.unlink(missing_ok=True)
            raise _TryAgain("the server holds less than was fetched before")
        if status not in (200, 206):
            raise CheckpointError(
                f"{self.url} answered {status} {response.reason_phrase}; check the address (--url), "
                f"or {self.checkpoint.by_hand}"
            )
        if status == 200:
            self._expect_size(response.headers.get("Content-Length"))
            return False
        span, _, total = response.headers.get("Content-Range", "").partition("/")
        if not span.startswith(f"bytes {start}-"):
            self.part.unlink(missing_ok=True)
            raise _TryAgain(f"the server sent {span or 'an unnamed part'} instead of bytes {start}-")
        self._expect_size(total)
        return True

    def _expect_size(self, stated: str | None) -> None:
        if stated and stated.isdecimal() and int(stated) != self.checkpoint.size:
            raise CheckpointError(
                f"{self.url} offers {stated} bytes, {self.checkpoint.name} has {self.checkpoint.size}: not the "
                f"official file; check the address (--url)"
            )

    def _receive(self, response: httpx.Response, start: int) -> None:
        held, size = start, self.checkpoint.size
        self.progress(held, size, self.checkpoint.name)
        with self.part.open("ab" if start else "wb") as sink:
            for chunk in response.iter_bytes():
                sink.write(chunk)
                held += len(chunk)
                if held > self.furthest:
                    self.furthest, self.fruitless = held, 0
                if held > size:
                    break
                self.progress(held, size, self.checkpoint.name)
        if held > size:
            self.part.unlink()
            self._expect_size(str(held))
        if held < size:
            raise _TryAgain(f"the connection ended after {held} of {size} bytes")


def fetch(checkpoint: Checkpoint, url: str, part: Path, progress: Progress, patience: Patience) -> None:
    """Download ``checkpoint`` from an http or https ``url`` into ``part``, resuming what ``part`` already holds.

    Redirects are followed; of the file only the size is checked here. ``part`` stays when the network fails.
    ``progress`` receives bytes done and in all. Raises CheckpointError when the address is wrong, does not answer,
    answers with something else, or the disk is full.
    """
    transfer = _Transfer(checkpoint, checked_url(url), part, progress)
    ensure_room(part.parent, checkpoint.size - transfer.held(), checkpoint)

    def out_of_patience(_: RetryCallState) -> bool:
        return transfer.fruitless >= patience.attempts

    retrying = Retrying(
        retry=retry_if_exception_type((_TryAgain, httpx.TransportError)),
        wait=wait_exponential(multiplier=patience.backoff, max=20 * patience.backoff),
        stop=out_of_patience,
        reraise=True,
    )
    try:
        with httpx.Client(follow_redirects=True, timeout=patience.timeout) as client:
            retrying(transfer.attempt, client)
    except (_TryAgain, httpx.RequestError) as error:
        reason, held = str(error) or type(error).__name__, transfer.held()
        again = f"run the command again to go on from byte {held}" if held else "run the command again"
        raise CheckpointError(f"could not fetch {url} ({reason}); {again}, or, {checkpoint.by_hand}") from error
    except OSError as error:
        raise write_problem(part, error, checkpoint) from error


def size_of(part: Path) -> int:
    """Bytes of a file that may not be there."""
    return part.stat().st_size if part.is_file() else 0


def checked_url(url: str) -> str:
    """Return ``url`` when it is an http or https address."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CheckpointError(f"{url!r} is not an address ({error}); give an http or https URL") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise CheckpointError(f"{url!r} is not an http or https URL; for a file use --from FILE")
    return url


def ensure_room(folder: Path, needed: int, checkpoint: Checkpoint) -> None:
    """Raise CheckpointError when the disk has no room for a download."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"{folder}: {checkpoint.name} needs {needed / 1e6:.0f} MB more and the disk has {free / 1e6:.0f} MB; "
            f"make room, or set cache_dir to another disk"
        )


def write_problem(path: Path, error: OSError, checkpoint: Checkpoint) -> CheckpointError:
    """One line for a file that could not be written."""
    if error.errno == errno.ENOSPC:
        return CheckpointError(
            f"{path}: the disk is full; make room for {checkpoint.size / 1e6:.0f} MB and run the command again, "
            f"or set cache_dir to another disk"
        )
    return CheckpointError(f"{path}: {error.strerror or error}; check the folder's rights, or set cache_dir")
