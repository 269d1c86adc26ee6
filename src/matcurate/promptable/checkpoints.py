"""The store of official checkpoints: what is there, whether it is intact, and how files get in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from matcurate.errors import CheckpointError
from matcurate.promptable.catalogue import OFFICIAL, Checkpoint
from matcurate.promptable.digests import remember_sha256, remembered_sha256, sha256_of
from matcurate.promptable.download import Patience, ensure_room, fetch, size_of, write_problem
from matcurate.types import Progress, silent


@dataclass(frozen=True, slots=True)
class CheckpointStatus:
    """State of one checkpoint in the store.

    A file that is ``present`` may be damaged, see :meth:`CheckpointStore.verified`. ``partial_bytes`` have arrived in
    an interrupted download, which the next one resumes.
    """

    checkpoint: Checkpoint
    path: Path
    present: bool
    partial_bytes: int


@dataclass(frozen=True, slots=True)
class Pulled:
    """A checkpoint that is in the store, intact; ``added`` is False when it was there before."""

    checkpoint: Checkpoint
    path: Path
    added: bool


class CheckpointStore:
    """A folder of checkpoints, made when needed; only files with the published SHA-256 get in or out."""

    def __init__(
        self, root: Path, catalogue: Mapping[str, Checkpoint] = OFFICIAL, patience: Patience | None = None
    ) -> None:
        self.root = root
        self.catalogue = catalogue
        self.patience = patience or Patience()

    def list(self) -> tuple[CheckpointStatus, ...]:
        """State of every known checkpoint."""
        return tuple(
            CheckpointStatus(checkpoint, self.path(name), self.has(name), size_of(_part(self.root, checkpoint)))
            for name, checkpoint in self.catalogue.items()
        )

    def path(self, name: str) -> Path:
        """Where the checkpoint lies or would lie; :class:`CheckpointError` for an unknown name."""
        return self.root / self._checkpoint(name).filename

    def has(self, name: str) -> bool:
        """Whether a file for this name is there."""
        return self.path(name).is_file()

    def verified(self, name: str) -> Path:
        """Path of a checkpoint that is there and intact; else :class:`CheckpointError`."""
        checkpoint, path = self._checkpoint(name), self.path(name)
        if not path.is_file():
            raise CheckpointError(f"{name!r} is not in the checkpoint store; run 'curate checkpoints pull {name}'")
        if not self._intact(checkpoint):
            raise CheckpointError(
                f"{path} is not the official {name} (damaged or another file); "
                f"run 'curate checkpoints pull {name}' to replace it"
            )
        return path

    def pull(self, name: str, url: str | None = None, progress: Progress = silent) -> Pulled:
        """Download a checkpoint unless it is there; two processes may do so at once.

        ``url`` is a mirror; the file must have the published SHA-256 wherever it comes from. ``progress`` receives
        bytes done and in all. Raises CheckpointError when the name is unknown, the download fails (what has arrived is
        kept for the next attempt), the SHA-256 is wrong (what has arrived is removed), or the disk is full.
        """
        checkpoint = self._checkpoint(name)
        with _locked(self.root, checkpoint, progress):
            if self._intact(checkpoint):
                return Pulled(checkpoint, self.path(name), added=False)
            source = url or checkpoint.url
            part = _part(self.root, checkpoint)
            fetch(checkpoint, source, part, progress, self.patience)
            return self._admit(checkpoint, part, source)

    def install(self, name: str, file: Path) -> Pulled:
        """Copy a checkpoint in from a file, for machines without a network.

        Raises CheckpointError when the name is unknown, the file cannot be read or its SHA-256 is wrong, or the disk is
        full.
        """
        checkpoint = self._checkpoint(name)
        if not file.is_file():
            raise CheckpointError(f"{file} is no file; give the downloaded {checkpoint.filename}")
        with _locked(self.root, checkpoint, silent):
            if self._intact(checkpoint):
                return Pulled(checkpoint, self.path(name), added=False)
            ensure_room(self.root, file.stat().st_size, checkpoint)
            copy = self.root / f"{checkpoint.filename}.copy"
            try:
                shutil.copyfile(file, copy)
            except OSError as error:
                copy.unlink(missing_ok=True)
                raise write_problem(Path(error.filename or copy), error, checkpoint) from error
            return self._admit(checkpoint, copy, str(file))

    def _checkpoint(self, name: str) -> Checkpoint:
        if name not in self.catalogue:
            raise CheckpointError(f"no checkpoint {name!r}; use one of: {', '.join(self.catalogue)}")
        return self.catalogue[name]

    def _intact(self, checkpoint: Checkpoint) -> bool:
        path = self.root / checkpoint.filename
        return (
            path.is_file() and path.stat().st_size == checkpoint.size and remembered_sha256(path) == checkpoint.sha256
        )

    def _admit(self, checkpoint: Checkpoint, arrived: Path, source: str) -> Pulled:
        digest = sha256_of(arrived)
        if digest != checkpoint.sha256:
            arrived.unlink()
            raise CheckpointError(
                f"{source}: sha256 {digest[:12]}… is not the official {checkpoint.name} ({checkpoint.sha256[:12]}…); "
                f"it was not kept: pull again, or use another --url"
            )
        path = self.root / checkpoint.filename
        arrived.replace(path)
        remember_sha256(path, digest)
        return Pulled(checkpoint, path, added=True)


def _part(folder: Path, checkpoint: Checkpoint) -> Path:
    return folder / f"{checkpoint.filename}.part"


@contextmanager
def _locked(folder: Path, checkpoint: Checkpoint, progress: Progress) -> Iterator[None]:
    """Hold the lock of one checkpoint, waiting for another process that has it."""
    lock = FileLock(folder / f".{checkpoint.filename}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(0, checkpoint.size, f"{checkpoint.name}: waiting for another process that fetches it")
            lock.acquire()
    except OSError as error:
        raise write_problem(folder, error, checkpoint) from error
    try:
        yield
    finally:
        lock.release()
