"""The registry of backbones: the one place that turns a name into a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matcurate.errors import ConfigError
from matcurate.promptable.catalogue import IMAGENET, OFFICIAL
from matcurate.promptable.checkpoints import CheckpointStore
from matcurate.promptable.protocol import Backbone

AUTO = "auto"
OFFLINE = "builtin"
REMOVED = {"tree": OFFLINE}
"""Backbones of earlier versions, and what to use instead: homes may still name them in their settings."""
OFFICIAL_BY_PREFERENCE = ("vit_h", "vit_l", "vit_b")


@dataclass(frozen=True, slots=True)
class BackboneRequest:
    """What a factory may need to build a backbone.

    ``name`` is never ``auto``; ``cache_dir`` holds ``checkpoints`` and ``embeddings``, the latter bounded by
    ``cache_gib``. ``random_weights`` come from a fixed seed: for timing and tests, useless on images. ``device`` is
    ``cpu``, ``cuda``, ``cuda:1`` …; None takes a GPU when there is one.
    """

    name: str
    cache_dir: Path
    cache_gib: float = 10.0
    random_weights: bool = False
    device: str | None = None


def _builtin(request: BackboneRequest) -> Backbone:
    from matcurate.promptable.builtin.shipped import shipped

    if request.random_weights:
        raise ConfigError("'builtin' comes with its weights and draws none at random; leave out the random weights")
    return shipped(request.device)


def _official(request: BackboneRequest) -> Backbone:
    # torch takes seconds to import, which a run without a network need not pay.
    from matcurate.promptable.embeddings import EmbeddingCache
    from matcurate.promptable.sam import SamBackbone

    cache = EmbeddingCache(request.cache_dir / "embeddings", int(request.cache_gib * 2**30))
    if request.random_weights:
        return SamBackbone(request.name, None, cache, device=request.device)
    weights = checkpoint_store(request.cache_dir).verified(request.name)
    return SamBackbone(request.name, weights, cache, device=request.device)


BACKBONES: dict[str, Callable[[BackboneRequest], Backbone]] = {
    "builtin": _builtin,
    "vit_b": _official,
    "vit_l": _official,
    "vit_h": _official,
}


def checkpoint_store(cache_dir: Path) -> CheckpointStore:
    """Store below ``cache_dir`` of the official checkpoints, and of torchvision's for classes of microstructure."""
    return CheckpointStore(cache_dir / "checkpoints", {**OFFICIAL, **IMAGENET})


def resolve_name(name: str, cache_dir: Path) -> str:
    """Registry name that ``name`` stands for; ConfigError when no backbone has it, or none has it any more.

    ``auto`` is the largest official SAM whose checkpoint is in the store (``vit_h``, ``vit_l``, ``vit_b`` in this
    order), and ``builtin`` when none is. Every other name stands for itself.
    """
    if name == AUTO:
        store = checkpoint_store(cache_dir)
        return next((official for official in OFFICIAL_BY_PREFERENCE if store.has(official)), OFFLINE)
    if name in REMOVED:
        raise ConfigError(f"the backbone {name!r} is gone; use {REMOVED[name]!r} instead")
    if name not in BACKBONES:
        raise ConfigError(f"no backbone {name!r}; use one of: {', '.join((AUTO, *BACKBONES))}")
    return name


def load_backbone(
    name: str,
    cache_dir: Path,
    *,
    cache_gib: float = 10.0,
    random_weights: bool = False,
    device: str | None = None,
) -> Backbone:
    """Backbone of a name; ``auto`` follows the rule of :func:`resolve_name`.

    The other arguments are those of :class:`BackboneRequest`. Raises ConfigError when no backbone has this name, it has
    no weights to draw, or the device does not exist, CheckpointError when the checkpoint is not in the store, or is
    damaged.
    """
    if name == AUTO and random_weights:
        named = ", ".join(reversed(OFFICIAL_BY_PREFERENCE))
        raise ConfigError(f"random weights need a backbone by name; use one of: {named}")
    resolved = resolve_name(name, cache_dir)
    return BACKBONES[resolved](BackboneRequest(resolved, cache_dir, cache_gib, random_weights, device))
