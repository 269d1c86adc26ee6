"""The semantic booster on top of a segmenter: phases become K materials."""

from __future__ import annotations

import numpy as np
from skimage.measure import label

from matcurate.config import load_preset
from matcurate.segmentation.boost.booster import Booster
from matcurate.segmentation.boost.settings import BoostSettings
from matcurate.segmentation.matsam.pipeline import MatSam
from matcurate.segmentation.matsam.postprocess import area_weighted_quality
from matcurate.segmentation.result import Segmentation
from matcurate.types import Pixels

PRESETS = "boost"
"""Folder of the booster's presets within ``configs/``."""
LAYERS, INCLUSIONS = "layers", "inclusions"
PHASES = "phases"
"""MatSAM's preset for raw masks where inclusions are searched; its preset for layers has the booster's name."""


def build_booster(preset: str = LAYERS) -> Booster:
    """Booster with a shipped preset, or that of a YAML file, and its filter bank; ConfigError when there is none."""
    return Booster(load_preset(preset, BoostSettings, PRESETS))


def boosted_segmentation(pixels: Pixels, segmenter: MatSam, materials: int, seed: int = 0) -> Segmentation:
    """Segment a micrograph (H, W) into ``materials`` in [1, 255]; instances are connected regions (4 neighbours).

    The segmenter proposes the raw masks. With its preset ``layers`` the booster has the paper's thresholds; with every
    other one small masks inside large ones stay, as phases of their own. ``seed`` is that of the crops and of k-means.
    """
    booster = build_booster(LAYERS if segmenter.preset.name == LAYERS else INCLUSIONS)
    boosted = booster.boost(pixels, segmenter.propose(pixels), materials, rng=np.random.default_rng(seed))
    return Segmentation(
        phases=boosted.phases,
        instances=label(boosted.phases, background=0, connectivity=1).astype(np.uint32),
        score=area_weighted_quality(boosted.kept),
    )
