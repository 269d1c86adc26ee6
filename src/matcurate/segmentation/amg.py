"""SAM's own automatic mask generator, unchanged, as the baseline beside MatSAM.

``segment_anything.SamAutomaticMaskGenerator`` makes the masks, with its own settings. To compare masks alone,
everything after it is MatSAM's: the filter by the step of grey level towards the foreground's side, and the painting.

References
----------
A. Kirillov et al., "Segment Anything", ICCV 2023, appendix B (automatic mask generation).
"""

from __future__ import annotations

import hashlib

import numpy as np
from pydantic import Field
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam
from skimage.measure import label

from matcurate.config import Polarity, Strict
from matcurate.errors import ConfigError
from matcurate.imaging.proxy import to_uint8
from matcurate.promptable.protocol import Backbone
from matcurate.promptable.sam import is_sam
from matcurate.segmentation.denoising import denoise
from matcurate.segmentation.matsam.evidence import rescored
from matcurate.segmentation.matsam.grain_masks import grains_from_masks
from matcurate.segmentation.matsam.pipeline import MatSamPreset
from matcurate.segmentation.matsam.postprocess import area_weighted_quality, paint
from matcurate.segmentation.polarity import side_of
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask, Candidate, Pixels

VERSION = 1
"""Of the processing of the generator's masks."""


class AmgSettings(Strict):
    """Arguments of segment_anything's generator by their names there; its defaults."""

    points_per_side: int = Field(default=32, ge=1)
    points_per_batch: int = Field(default=64, ge=1)
    pred_iou_thresh: float = Field(default=0.88, ge=0, le=1)
    stability_score_thresh: float = Field(default=0.95, ge=0, le=1)
    stability_score_offset: float = Field(default=1.0, ge=0)
    box_nms_thresh: float = Field(default=0.7, gt=0, le=1)
    crop_n_layers: int = Field(default=0, ge=0)
    crop_nms_thresh: float = Field(default=0.7, gt=0, le=1)
    crop_overlap_ratio: float = Field(default=512 / 1500, ge=0, lt=1)
    crop_n_points_downscale_factor: int = Field(default=1, ge=1)
    min_mask_region_area: int = Field(default=0, ge=0)

    def without_filters(self) -> AmgSettings:
        """The same without the filters of quality and stability: every mask goes into the suppression."""
        return self.model_copy(update={"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0})


class Amg:
    """SAM's generator on one backbone, ready for any number of micrographs.

    The preset's output, polarity and contrast hold as they do for MatSAM. Raises ConfigError when the backbone is not
    of SAM's architecture.
    """

    def __init__(self, backbone: Backbone, preset: MatSamPreset, settings: AmgSettings | None = None) -> None:
        if not is_sam(backbone):
            raise ConfigError(
                f"amg is segment_anything's own generator and does not run on {backbone.name!r}; "
                "use --backbone vit_b, vit_l or vit_h ('curate checkpoints pull vit_b', or --random-weights for timing)"
            )
        self.backbone: Backbone = backbone
        self._model = backbone.model
        self.preset = preset
        self.settings = settings or AmgSettings()

    @property
    def version(self) -> str:
        """``amg-BACKBONE-`` and 8 hex digits of SHA-256 over algorithm, backbone, settings and preset."""
        settings = f"{self.settings.model_dump_json()} {self.preset.recorded()}"
        text = f"{VERSION} {self.backbone.digest} {settings}"
        return f"amg-{self.backbone.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def segment(self, pixels: Pixels, polarity: Polarity | None = None) -> Segmentation:
        """Segment a finite micrograph (H, W) of uint8, uint16 or float.

        ``polarity`` replaces the preset's, and has no effect on grains. Raises CheckpointError when the backbone's
        weights cannot be read.
        """
        masks = generated(self._model(), pixels, self.settings)
        size = (pixels.shape[0], pixels.shape[1])
        if self.preset.output == "instances":
            ids = paint(masks, size)
            if self.preset.masks_are_grains:
                ids = grains_from_masks(masks, size, self.preset.smallest, filled=self.preset.fill_gaps)
            return Segmentation((ids > 0).astype(np.uint8), ids, area_weighted_quality(masks), masks=len(masks))
        grey = denoise(pixels)
        stated = polarity or self.preset.polarity
        side = side_of(grey) if stated == "auto" else stated
        rated = rescored(masks, grey, side)
        kept = [mask for mask in rated if mask.quality >= self.preset.contrast]
        foreground = paint(kept, size) > 0
        return Segmentation(
            phases=foreground.astype(np.uint8),
            instances=label(foreground, connectivity=1).astype(np.uint32),
            score=area_weighted_quality(kept),
            masks=len(masks),
        )


def generated(model: Sam, pixels: Pixels, settings: AmgSettings) -> tuple[Candidate, ...]:
    """Masks of the generator for an image (H, W); the quality is SAM's predicted IoU, cut to [0, 1]."""
    generator = SamAutomaticMaskGenerator(model, **settings.model_dump())
    records = generator.generate(np.repeat(to_uint8(pixels)[..., None], 3, axis=2))
    masks = ((record["segmentation"], float(np.clip(record["predicted_iou"], 0, 1))) for record in records)
    return tuple(_boxed(mask, quality) for mask, quality in masks if mask.any())


def _boxed(mask: BoolMask, quality: float) -> Candidate:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Candidate(int(rows[0]), int(columns[0]), np.ascontiguousarray(window), quality)
