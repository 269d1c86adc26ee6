"""Image embeddings on disk, so that an image is encoded once for each backbone."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
import zlib
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load, save

from matcurate.types import Pixels

logger = logging.getLogger(__name__)

STALE_SECONDS = 3600.0
SUFFIX = ".safetensors"


def embedding_key(pixels: Pixels, digest: str) -> str:
    """Hex SHA-256 over what the encoder sees (shape, dtype, values) and over the backbone's digest."""
    content = hashlib.sha256(f"{digest} {pixels.shape} {pixels.dtype.str} ".encode())
    content.update(np.ascontiguousarray(pixels).data)
    return content.hexdigest()


class EmbeddingCache:
    """A bounded folder of tensors, least recently used out first; several processes may share it.

    Values are stored as they are, float32 for SAM (4 MiB an image): half precision would make the masks of a cached
    image differ from those of a fresh one. Each file carries a CRC-32; a damaged one counts as a miss and is removed.
    The cache never stops the work: where the folder cannot be written, nothing is kept and a warning is logged.
    ``max_bytes``, not negative, bounds the sum of the file sizes; what is larger by itself is not kept.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, got {max_bytes}")
        self.root = root
        self.max_bytes = max_bytes

    def get(self, key: str) -> torch.Tensor | None:
        """Tensor stored under ``key``, on the CPU, or None; a hit makes it the most recently used."""
        path = self._path(key)
        tensor = _read(path)
        if tensor is not None:
            with contextlib.suppress(OSError):  # evicted meanwhile, or a read-only folder
                os.utime(path)
        return tensor

    def put(self, key: str, tensor: torch.Tensor) -> bool:
        """Store a tensor; False when it is larger than the bound or the folder cannot be written."""
        value = tensor.detach().cpu().contiguous()
        content = save({"embedding": value, "crc32": torch.tensor([_crc32(value)], dtype=torch.int64)})
        if len(content) > self.max_bytes:
            return False
        try:
            self._write(self._path(key), content)
        except OSError as error:
            logger.warning("%s: an embedding is not kept (%s); check the folder's rights and room", self.root, error)
            return False
        return True

    def _path(self, key: str) -> Path:
        return self.root / f"{key}{SUFFIX}"

    def _write(self, path: Path, content: bytes) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
        try:
            partial.write_bytes(content)
            with FileLock(self.root / ".lock"):
                self._make_room(len(content), path)
                partial.replace(path)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def _entries(self) -> list[tuple[int, int, Path]]:
        """(time of last use in ns, bytes, path) of every entry, oldest first."""
        entries = []
        for path in self.root.glob(f"*{SUFFIX}"):
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            entries.append((state.st_mtime_ns, state.st_size, path))
        return sorted(entries)

    def _make_room(self, needed: int, replaced: Path) -> None:
        """Remove the least recently used until ``needed`` bytes fit; called with the lock held."""
        entries = [entry for entry in self._entries() if entry[2] != replaced]
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total + needed <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
        oldest = time.time() - STALE_SECONDS
        for orphan in self.root.glob("*.part"):
            try:
                if orphan.stat().st_mtime < oldest:
                    orphan.unlink()
            except FileNotFoundError:
                continue


def _crc32(tensor: torch.Tensor) -> int:
    return zlib.crc32(tensor.flatten().view(torch.uint8).numpy().data)


def _read(path: Path) -> torch.Tensor | None:
    """Tensor of a file, or None when it is not there or damaged; a damaged file is removed."""
    try:
        content = load(path.read_bytes())
        tensor, checksum = content["embedding"], content["crc32"]
        if checksum.numel() == 1 and _crc32(tensor) == int(checksum.item()):
            return tensor
        logger.warning("%s is damaged and was removed", path)
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("%s cannot be read: %s", path, error)
        return None
    except (SafetensorError, KeyError, ValueError) as error:
        logger.warning("%s is damaged and was removed: %s", path, error)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    return None
