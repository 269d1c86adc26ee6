"""What MatSAM makes of a prepared micrograph: phases, grains, or several phases."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from skimage.measure import label

from matcurate.promptable.protocol import Backbone, maps_objects
from matcurate.segmentation.matsam.grain_masks import grains_from_masks
from matcurate.segmentation.matsam.masks import proposed_masks, surviving_masks
from matcurate.segmentation.matsam.phases import count_phases, explained, phases_by_grey, split_at_necks
from matcurate.segmentation.matsam.postprocess import area_weighted_quality, paint
from matcurate.segmentation.matsam.prepared import Prepared
from matcurate.segmentation.matsam.preset import MatSamPreset
from matcurate.segmentation.matsam.tiling import boundary_strength, tile
from matcurate.segmentation.objects.instances import pieces
from matcurate.segmentation.objects.segment import segment_grains, segment_phases
from matcurate.segmentation.result import Segmentation
from matcurate.types import Candidate, Progress

Strategy: TypeAlias = Callable[[Backbone, MatSamPreset, Prepared, Progress], Segmentation]


def strategy_for(preset: MatSamPreset, image: Prepared) -> Strategy:
    """Choose the strategy; this is the one place that does."""
    if preset.output == "instances":
        return grains
    count = preset.phases if preset.phases != "auto" else count_phases(image.grey)
    return phases if count == 1 else partial(several_phases, count=count)


def phases(backbone: Backbone, preset: MatSamPreset, image: Prepared, progress: Progress) -> Segmentation:
    """One phase against the matrix, and its objects."""
    if maps_objects(backbone):
        maps = backbone.maps(image.pixels)
        return segment_phases(maps, image.pixels, image.stated, preset.smallest, preset.split_touching)
    masks = _masks(backbone, preset, image, progress)
    foreground = paint(masks, image.shape) > 0
    objects = split_at_necks(foreground) if preset.split_touching else label(foreground, connectivity=1)
    return Segmentation(
        phases=foreground.astype(np.uint8),
        instances=objects.astype(np.uint32),
        score=area_weighted_quality(masks),
        masks=len(masks),
    )


def grains(backbone: Backbone, preset: MatSamPreset, image: Prepared, progress: Progress) -> Segmentation:
    """Grains that fill the image."""
    if maps_objects(backbone):
        return segment_grains(backbone.maps(image.pixels), preset.smallest)
    masks = _masks(backbone, preset, image, progress)
    if preset.masks_are_grains:
        ids = grains_from_masks(masks, image.shape, preset.smallest, filled=preset.fill_gaps)
    else:
        ids = tile(boundary_strength(image.grey, masks, preset.outline_vote), preset.smallest)
    return Segmentation((ids > 0).astype(np.uint8), ids, area_weighted_quality(masks), masks=len(masks))


def several_phases(
    backbone: Backbone, preset: MatSamPreset, image: Prepared, progress: Progress, *, count: int
) -> Segmentation:
    """``count`` phases beside the matrix by grey level, whatever the backbone."""
    classes = phases_by_grey(image.grey, image.stated, count)
    instances = pieces(classes, preset.smallest)
    kept = np.where(instances > 0, classes, 0).astype(np.uint8)
    return Segmentation(kept, instances, explained(image.grey, kept))


def _masks(backbone: Backbone, preset: MatSamPreset, image: Prepared, progress: Progress) -> tuple[Candidate, ...]:
    return surviving_masks(proposed_masks(backbone, preset, image, (image.side,), progress), preset, image)
