"""Published weights of backbones and classifiers: which are there, and how they get there."""

from __future__ import annotations

from pathlib import Path

from matcurate.config import Settings
from matcurate.promptable.checkpoints import CheckpointStatus as CheckpointStatus  # entry points name the type
from matcurate.promptable.checkpoints import Pulled
from matcurate.promptable.registry import checkpoint_store
from matcurate.types import Progress, silent

MEGABYTE = 1_000_000


def list_checkpoints(settings: Settings) -> tuple[CheckpointStatus, ...]:
    """State of every published checkpoint in the store of this installation."""
    return checkpoint_store(settings.resolved_cache_dir).list()


def pull_checkpoint(
    settings: Settings,
    name: str,
    *,
    url: str | None = None,
    file: Path | None = None,
    progress: Progress = silent,
) -> Pulled:
    """Bring a checkpoint into the store: from its authors, from the mirror ``url``, or from a ``file``.

    ``name`` is ``vit_b``, ``vit_l``, ``vit_h`` or a torchvision classifier's; ``progress`` receives megabytes. Raises
    CheckpointError when the name is unknown, the download or copy fails, or the SHA-256 is not the published one.
    """
    store = checkpoint_store(settings.resolved_cache_dir)
    if file is not None:
        return store.install(name, file)

    def megabytes(done: int, total: int, note: str = "") -> None:
        progress(done // MEGABYTE, total // MEGABYTE, f"MB {note}".rstrip())

    return store.pull(name, url, megabytes)
