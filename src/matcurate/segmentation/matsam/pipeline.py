"""MatSAM: zero-shot segmentation of micrographs by prompts that fit their structures.

References
----------
Li, Han, Yao, Ban, "MatSAM: Efficient Materials Microstructure Extraction via Visual Large Model", arXiv:2401.05638.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from pydantic import Field
from skimage.measure import label

from matcurate.config import Polarity, Strict
from matcurate.imaging.proxy import to_uint8
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.matsam.generate import decode, unprompted
from matcurate.segmentation.matsam.postprocess import (
    area_weighted_quality,
    boundary_network,
    grey_filter,
    paint,
    tile,
)
from matcurate.segmentation.matsam.prompts import RoiRule, prompt_points
from matcurate.segmentation.matsam.suppress import admissible, suppress
from matcurate.segmentation.polarity import Side, decide_side
from matcurate.segmentation.result import Segmentation
from matcurate.types import Candidate, Pixels, Progress, silent


class MatSamPreset(Strict):
    """How MatSAM treats one kind of micrograph; files in ``configs/presets``."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="Part of the version string.")
    output: Literal["phases", "instances"] = "phases"
    polarity: Polarity = "auto"
    roi: RoiRule = "auto"
    prompts: bool = Field(default=True, description="Off: only the regions an exhaustive backbone proposes itself.")
    grid_per_object: float = Field(default=1.0, ge=0)
    grid_range: tuple[int, int] = (64, 1024)
    batch: int = Field(default=64, ge=1)
    quality: float = Field(default=0.0, ge=0, le=1, description="Least predicted quality.")
    smallest: int = Field(default=12, ge=1, description="Least area of an object in pixels.")
    largest: float = Field(default=0.6, gt=0, le=1, description="Largest share of the image in one mask.")
    nms: float = Field(default=0.7, gt=0, le=1, description="Intersection over union above which one mask goes.")
    grey_filter: bool = True


class MatSam:
    """A backbone and a preset, ready for any number of micrographs.

    Parameters
    ----------
    backbone : Backbone
        Answers the prompts.
    preset : MatSamPreset
        What to look for.
    """

    def __init__(self, backbone: Backbone, preset: MatSamPreset) -> None:
        self.backbone = backbone
        self.preset = preset

    @property
    def version(self) -> str:
        """``matsam-BACKBONE-PRESET-`` and 8 hex digits of SHA-256 over the backbone's digest and the preset."""
        text = f"{self.backbone.digest} {self.preset.model_dump_json()}"
        return f"matsam-{self.backbone.name}-{self.preset.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def segment(self, pixels: Pixels, polarity: Polarity | None = None, progress: Progress = silent) -> Segmentation:
        """Segment one micrograph.

        Parameters
        ----------
        pixels : uint8, uint16 or float array (H, W)
            The micrograph, finite.
        polarity : {"auto", "bright", "dark"}, optional
            Instead of the preset's.
        progress : Progress
            Told the number of prompts answered.
        """
        side = decide_side(pixels, polarity or self.preset.polarity)
        candidates = self.candidates(pixels, side, progress)
        if self.preset.output == "instances":
            return self._grains(pixels, candidates)
        return self._phases(pixels, candidates, side)

    def candidates(self, pixels: Pixels, side: Side, progress: Progress = silent) -> tuple[Candidate, ...]:
        """Masks that survive filtering and suppression, best first."""
        preset = self.preset
        predictor = self.backbone.open(pixels)
        found = unprompted(predictor, side)
        if preset.prompts or not found:
            points = prompt_points(
                pixels,
                side,
                roi=preset.roi,
                smallest=preset.smallest,
                grid_per_object=preset.grid_per_object,
                grid_range=preset.grid_range,
            )
            found += decode(predictor, points, preset.batch, progress)
        kept = admissible(found, quality=preset.quality, smallest=preset.smallest, largest=preset.largest * pixels.size)
        return suppress(kept, preset.nms)

    def _phases(self, pixels: Pixels, candidates: tuple[Candidate, ...], side: Side) -> Segmentation:
        kept = grey_filter(candidates, to_uint8(pixels), side) if self.preset.grey_filter else candidates
        height, width = pixels.shape
        foreground = paint(kept, (height, width)) > 0
        return Segmentation(
            phases=foreground.astype(np.uint8),
            instances=label(foreground, connectivity=1).astype(np.uint32),
            score=area_weighted_quality(kept),
        )

    def _grains(self, pixels: Pixels, candidates: tuple[Candidate, ...]) -> Segmentation:
        height, width = pixels.shape
        grains = tile(paint(candidates, (height, width)), to_uint8(pixels), self.preset.smallest)
        return Segmentation(
            phases=(~boundary_network(grains)).astype(np.uint8),
            instances=grains,
            score=area_weighted_quality(candidates),
        )
