"""The object store: images and results as files named by their content, on any fsspec file system."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from matcurate.errors import CatalogError

_KEY = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})((?:\.[a-z0-9]{1,16}){0,3})")
_SUFFIX = re.compile(r"(?:\.[a-z0-9]{1,16}){0,3}")


class ObjectStore:
    """Content-addressed bytes in a folder or at any fsspec URL: what is stored under a key never changes.

    Raises CatalogError when no file system speaks the URL's protocol, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            self._files, self._root = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise CatalogError(f"objects_url {url!r} cannot be used: {error}") from error
        self._local = isinstance(self._files, LocalFileSystem)

    def put(self, data: bytes, suffix: str) -> str:
        """Store ``data`` and return its key; storing it again changes nothing.

        ``suffix`` is lower case, with its dot: ``.png``, ``.json.gz``. The key ``ab/abcdef….png`` is the hex SHA-256 of
        the content, and the suffix.
        """
        if not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"an object's suffix looks like '.png' or '.json.gz', got {suffix!r}")
        digest = hashlib.sha256(data).hexdigest()
        key = f"{digest[:2]}/{digest}{suffix}"
        try:
            if self._size(key) != len(data):  # absent, or cut off by a crash
                self._write(self._path(key), data)
        except OSError as error:
            raise CatalogError(
                f"cannot write object {key} to {self._root}: {error.strerror or error}; "
                "check the rights and the free space there"
            ) from error
        return key

    def get(self, key: str) -> bytes:
        """Return the content of ``key``, checked against its digest; CatalogError when it is missing or damaged."""
        path = self._path(key)
        try:
            data: bytes = self._files.cat_file(path)
        except FileNotFoundError as error:
            raise CatalogError(f"object {key} is not in {self._root}; restore it from a backup") from error
        except OSError as error:
            raise CatalogError(
                f"cannot read object {key} from {self._root}: {error.strerror or error}; check the rights there"
            ) from error
        if hashlib.sha256(data).hexdigest() != key[3:67]:
            raise CatalogError(f"object {key} in {self._root} is damaged; restore it from a backup")
        return data

    def exists(self, key: str) -> bool:
        """Whether the store has ``key``; says nothing about damage."""
        return self._size(key) is not None

    def local_path(self, key: str) -> Path | None:
        """Path of an object, for programs that want a file; None when the store is not on this machine's disk."""
        return Path(self._path(key)) if self._local else None

    def _path(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise CatalogError(f"{key!r} is no key of the object store")
        return f"{self._root.rstrip('/')}/{key}"

    def _size(self, key: str) -> int | None:
        try:
            return int(self._files.info(self._path(key))["size"])
        except FileNotFoundError:
            return None

    def _write(self, path: str, data: bytes) -> None:
        """Write all or nothing; with several writers the last one wins, with the same content."""
        if not self._local:
            self._files.pipe_file(path, data)
            return
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as partial:
            try:
                partial.write(data)
                partial.flush()
                os.fsync(partial.fileno())
                os.chmod(partial.name, 0o644)
                os.replace(partial.name, path)
            except OSError:
                Path(partial.name).unlink(missing_ok=True)
                raise
