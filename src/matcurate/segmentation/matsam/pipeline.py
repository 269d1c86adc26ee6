"""MatSAM: zero-shot segmentation of micrographs by prompts that fit their structures.

References
----------
Li, Han, Yao, Ban, "MatSAM: Efficient Materials Microstructure Extraction via Visual Large Model", arXiv:2401.05638.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from matcurate.config import Polarity
from matcurate.imaging.ignored import looked_at
from matcurate.promptable.protocol import Backbone
from matcurate.segmentation.matsam.masks import proposed_masks
from matcurate.segmentation.matsam.prepared import Prepared, prepare
from matcurate.segmentation.matsam.preset import MatSamPreset
from matcurate.segmentation.matsam.strategies import strategy_for
from matcurate.segmentation.matsam.suppress import suppress
from matcurate.segmentation.result import Segmentation
from matcurate.types import SIDES, BoolMask, Candidate, Pixels, Progress, silent

__all__ = ["MatSam", "MatSamPreset"]

VERSION = 8
"""Of the algorithm; part of every segmenter's version."""


@dataclass(eq=False, slots=True)
class MatSam:
    """A backbone and a preset, ready for any number of micrographs."""

    backbone: Backbone
    preset: MatSamPreset

    @property
    def version(self) -> str:
        """``matsam-BACKBONE-PRESET-`` and 8 hex digits of SHA-256 over algorithm, backbone and preset."""
        text = f"{VERSION} {self.backbone.digest} {self.preset.recorded()}"
        return f"matsam-{self.backbone.name}-{self.preset.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def segment(
        self,
        pixels: Pixels,
        polarity: Polarity | None = None,
        progress: Progress = silent,
        ignored: BoolMask | None = None,
    ) -> Segmentation:
        """Segment a finite micrograph (H, W) of uint8, uint16 or float.

        ``polarity`` replaces the preset's. ``progress`` receives the prompts answered, or the crops of a large image.
        ``ignored`` (H, W) is what is no micrograph (:func:`~matcurate.imaging.ignored.find_ignored`).
        """
        image = prepare(looked_at(pixels, ignored), polarity or self.preset.polarity)
        segment = strategy_for(self.preset, image)
        return image.inside_field(segment(self.backbone, self.preset, image, progress)).without(ignored)

    def propose(self, pixels: Pixels, *, overlap: float = 0.7, progress: Progress = silent) -> tuple[Candidate, ...]:
        """Raw masks of both grey sides, of any contrast, for what decides by texture (:mod:`..boost`).

        They overlap, hold each other, and leave gaps; best quality first. ``overlap`` in (0, 1] is the intersection
        over union above which the mask of lower quality is removed, .7 as in SAM's own generator. ``progress`` as for
        :meth:`segment`, once for each side.
        """
        preset = self.preset.without_filters()
        return suppress(proposed_masks(self.backbone, preset, Prepared(pixels), SIDES, progress), overlap)
