"""From the names of a preset and a backbone to a segmenter."""

from __future__ import annotations

from matcurate.config import Settings, load_preset
from matcurate.promptable.registry import load_backbone
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset

PRESETS = "presets"
"""Folder of the presets within ``configs/``."""


def build_segmenter(
    settings: Settings, preset: str | None = None, backbone: str | None = None, *, random_weights: bool = False
) -> MatSam:
    """MatSAM with a preset (shipped, or a YAML file) and a backbone, those of the settings where none is named.

    ``random_weights`` draws the weights from a fixed seed, for timing. Raises ConfigError when there is no such preset
    or backbone, CheckpointError when the backbone's checkpoint is missing.
    """
    chosen = load_preset(preset or settings.preset, MatSamPreset, PRESETS)
    model = load_backbone(
        backbone or settings.backbone,
        settings.resolved_cache_dir,
        cache_gib=settings.cache_gib,
        random_weights=random_weights,
    )
    return MatSam(model, chosen)
