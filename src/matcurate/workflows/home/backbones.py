"""Backbones by their name in the settings, with the installation's cache."""

from __future__ import annotations

from matcurate.config import Settings
from matcurate.promptable.protocol import Backbone
from matcurate.promptable.registry import AUTO, OFFLINE, load_backbone
from matcurate.workflows.home.workspace import Workspace


def backbone_of(workspace: Workspace, name: str) -> Backbone:
    """A backbone by its name, with the installation's cache."""
    settings = workspace.settings
    return load_backbone(name, settings.resolved_cache_dir, cache_gib=settings.cache_gib)


def learning_backbone(name: str | None, settings: Settings, random_weights: bool = False) -> Backbone:
    """A backbone by its name, or that of the settings, where ``auto`` stands for the built-in network.

    Raises ConfigError for an unknown one, CheckpointError when its checkpoint is not at hand.
    """
    chosen = name or settings.backbone
    return load_backbone(
        OFFLINE if chosen == AUTO else chosen,
        settings.resolved_cache_dir,
        cache_gib=settings.cache_gib,
        random_weights=random_weights,
    )
