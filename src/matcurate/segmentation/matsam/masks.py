"""Masks of a micrograph: what a backbone proposes for it, and what survives filtering and suppression."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import find_objects

from matcurate.promptable.drafts import drafts
from matcurate.promptable.protocol import Backbone, maps_objects
from matcurate.segmentation.denoising import Grey
from matcurate.segmentation.matsam.crops import Crop, by_core, crops, stitch
from matcurate.segmentation.matsam.evidence import rescored
from matcurate.segmentation.matsam.frugal import decode_frugally
from matcurate.segmentation.matsam.generate import decode
from matcurate.segmentation.matsam.prepared import Prepared
from matcurate.segmentation.matsam.preset import MatSamPreset
from matcurate.segmentation.matsam.prompts import prompt_points
from matcurate.segmentation.matsam.suppress import admissible, soft_suppress, suppress
from matcurate.segmentation.objects.grains import grains
from matcurate.segmentation.objects.merging import Ids
from matcurate.types import Candidate, Pixels, Progress, Side, silent

LARGEST_WHOLE = 2048
"""Longest side in pixels of an image that is segmented as a whole, and not in crops."""
LEAST_PROPOSED = 0.4
"""Minimum quality of regions that a backbone proposes without prompts; that of the cells between contacts."""
LEAST_LEFT = 0.05
"""Minimum quality of a mask that is a grain, after soft suppression too: its default there."""
REGIONS_AT_ONCE = 1024
"""Prompts answered together by predictors that do not draft: their regions are there already and take no memory."""


def proposed_masks(
    backbone: Backbone, preset: MatSamPreset, image: Prepared, sides: tuple[Side, ...], progress: Progress
) -> tuple[Candidate, ...]:
    """What a backbone proposes for an image, on these sides of the grey level.

    A large image is segmented crop by crop, so that the backbone's memory does not grow with it, and objects over the
    borders are made whole. ``progress`` receives prompts answered, or crops.
    """
    if max(image.shape) <= LARGEST_WHOLE:
        return _proposed(backbone, preset, image.pixels, image.grey, sides, progress)
    parts = list(crops(image.shape))

    def placed() -> Iterator[tuple[Crop, tuple[Candidate, ...]]]:
        for number, crop in enumerate(parts, start=1):
            masks = _proposed(backbone, preset, crop.cut(image.pixels), crop.cut(image.grey), sides, silent)
            progress(number, len(parts), "crops")
            yield crop, crop.place(masks)

    return stitch(placed())


def surviving_masks(masks: tuple[Candidate, ...], preset: MatSamPreset, image: Prepared) -> tuple[Candidate, ...]:
    """Masks that survive filtering and suppression, those with the clearest outline first."""
    if preset.masks_are_grains:
        rated, least = masks, LEAST_LEFT
    else:
        rated, least = rescored(masks, image.grey, image.side), preset.contrast
    kept = [mask for mask in rated if mask.quality >= least]
    if preset.between_crops == "hard" or max(image.shape) <= LARGEST_WHOLE:
        return suppress(kept, preset.nms)
    within = [suppress(part, preset.nms) for part in by_core(kept, list(crops(image.shape)))]
    regions = [number for number, part in enumerate(within) for _ in part]
    return soft_suppress([mask for part in within for mask in part], floor=least, regions=regions)


def _proposed(
    backbone: Backbone, preset: MatSamPreset, pixels: Pixels, grey: Grey, sides: tuple[Side, ...], progress: Progress
) -> tuple[Candidate, ...]:
    """What a backbone proposes for an image (h, w), or for one crop."""
    if maps_objects(backbone):
        predictor = backbone.open(pixels)
        cells = _candidates(grains(predictor.maps, preset.smallest), LEAST_PROPOSED)
        masks = [*predictor.regions(max(preset.quality, LEAST_PROPOSED)), *cells]
    else:
        masks = _answers(backbone, preset, pixels, grey, sides, progress)
    largest = preset.largest * pixels.size
    return tuple(admissible(masks, quality=preset.quality, smallest=preset.smallest, largest=largest))


def _answers(
    backbone: Backbone, preset: MatSamPreset, pixels: Pixels, grey: Grey, sides: tuple[Side, ...], progress: Progress
) -> list[Candidate]:
    """The answers to key points and grid points of each side."""
    masks: list[Candidate] = []
    prompts = [prompt_points(grey, side, preset) for side in sides]
    if drafts(backbone):
        drafting = backbone.open(pixels)
        for points, keys in prompts:
            decoded = decode_frugally(drafting, points, always=keys, batch=preset.batch, progress=progress)
            masks += decoded.candidates
    else:
        predictor = backbone.open(pixels)
        for points, _ in prompts:
            masks += decode(predictor, points, REGIONS_AT_ONCE, progress)
    return masks


def _candidates(ids: Ids, quality: float) -> list[Candidate]:
    """Regions of an id image (H, W), each of one quality."""
    boxes = enumerate(find_objects(ids.astype(np.int32)), start=1)
    return [
        Candidate(rows.start, columns.start, ids[rows, columns] == number, quality) for number, (rows, columns) in boxes
    ]
