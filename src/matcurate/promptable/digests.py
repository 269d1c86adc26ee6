"""SHA-256 of large files, stored beside them until they change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read through once."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def remembered_sha256(path: Path) -> str:
    """Hex SHA-256 of a file; read through only when its size or time of change is not the stored one.

    It is stored in ``NAME.sha256.json`` beside the file, unless the folder cannot be written.
    """
    remembered = _read(_sidecar(path))
    digest = remembered.pop("sha256", None)
    if isinstance(digest, str) and remembered == _stamp(path):
        return digest
    return remember_sha256(path, sha256_of(path))


def remember_sha256(path: Path, digest: str) -> str:
    """Store the digest of a file as it is now, and return it."""
    sidecar = _sidecar(path)
    partial = sidecar.with_name(f"{sidecar.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        partial.write_text(json.dumps({"sha256": digest, **_stamp(path)}))
        partial.replace(sidecar)
    return digest


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256.json")


def _stamp(path: Path) -> dict[str, object]:
    state = path.stat()
    return {"size": state.st_size, "mtime_ns": state.st_mtime_ns}


def _read(sidecar: Path) -> dict[str, object]:
    try:
        content = json.loads(sidecar.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
