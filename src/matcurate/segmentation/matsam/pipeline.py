"""MatSAM: zero-shot segmentation of micrographs by prompts that fit their structures.

References
----------
Li, Han, Yao, Ban, "MatSAM: Efficient Materials Microstructure Extraction via Visual Large Model", arXiv:2401.05638.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.ndimage import find_objects
from skimage.measure import label

from matcurate.config import Polarity, Strict
from matcurate.imaging.ignored import looked_at
from matcurate.promptable.protocol import Backbone, Exhaustive, ObjectMapper, PromptPredictor
from matcurate.segmentation.denoising import Grey, denoise
from matcurate.segmentation.field import field_of_view
from matcurate.segmentation.matsam.crops import Crop, by_core, crops, stitch
from matcurate.segmentation.matsam.evidence import rescored
from matcurate.segmentation.matsam.frugal import decode_frugally
from matcurate.segmentation.matsam.grain_masks import grains_from_masks
from matcurate.segmentation.matsam.phases import MOST, count_phases, explained, objects_of, parted, phases_by_grey
from matcurate.segmentation.matsam.postprocess import area_weighted_quality, paint
from matcurate.segmentation.matsam.prompts import EdgeRule, RoiRule, prompt_points
from matcurate.segmentation.matsam.suppress import admissible, soft_suppress, suppress
from matcurate.segmentation.matsam.thresholds import MOST_THRESHOLDS
from matcurate.segmentation.matsam.tiling import boundary_strength, tile
from matcurate.segmentation.objects.grains import grains
from matcurate.segmentation.objects.merging import Ids
from matcurate.segmentation.objects.segment import segment_grains, segment_phases
from matcurate.segmentation.polarity import side_of
from matcurate.segmentation.result import Segmentation
from matcurate.types import SIDES, BoolMask, Candidate, Pixels, Progress, Side, silent

VERSION = 8
"""Of the algorithm; part of every segmenter's version."""
LARGEST_WHOLE = 2048
"""Longest side in pixels of an image that is looked at as a whole, and not in crops."""
LEAST_PROPOSED = 0.4
"""Minimum quality of regions that a backbone proposes without prompts; that of the cells between contacts."""
LEAST_LEFT = 0.05
"""Least quality of a mask that is a grain, after soft suppression too: its default there."""


class MatSamPreset(Strict):
    """How MatSAM treats one kind of micrograph; files in ``configs/presets``."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="Part of the version string.")
    output: Literal["phases", "instances"] = "phases"
    polarity: Polarity = "auto"
    phases: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST)] = Field(
        default=1,
        description="Phases beside the matrix; more than one are told by grey level, ids 1 … from dark to bright.",
    )
    touching: Literal["kept", "parted"] = Field(
        default="parted", description="Touching objects: one, or parted where they meet."
    )
    roi: RoiRule = "auto"
    roi_thresholds: int = Field(
        default=1,
        ge=1,
        le=MOST_THRESHOLDS,
        description="Thresholds of multi-level Otsu whose regions get key points, beside those of roi; 1: roi alone.",
    )
    grid_per_object: float = Field(default=1.0, ge=0)
    grid_range: tuple[int, int] = (64, 1024)
    prompts: int = Field(
        default=1024,
        ge=1,
        description="Points asked at most, about: small regions get no key point, and the grid is made coarser.",
    )
    grid_edges: EdgeRule = Field(
        default="uniform",
        description="Density of the grid near the edges: twice as dense at all four, or by the objects each edge cuts.",
    )
    batch: int = Field(default=64, ge=1, description="Prompts that a mask decoder answers together.")
    quality: float = Field(default=0.0, ge=0, le=1, description="Minimum quality that the backbone predicts.")
    contrast: float = Field(default=0.1, ge=0, le=1, description="Minimum grey step along the outline of SAM's masks.")
    smallest: int = Field(default=4, ge=1, description="Least area of an object in pixels.")
    largest: float = Field(default=0.8, gt=0, le=1, description="Largest share of the image in one mask of SAM's.")
    grains_from: Literal["boundaries", "masks"] = Field(
        default="boundaries",
        description="Grains: cut along the boundaries that image and masks show, or the masks themselves.",
    )
    fill_gaps: bool = Field(
        default=True, description="Grains from masks: fill the gaps between the masks; else a gap is background."
    )
    outline_vote: float = Field(default=0.25, ge=0, description="Grains: weight of mask outlines among boundaries.")
    nms: float = Field(default=0.3, gt=0, le=1, description="Intersection over union above which one mask goes.")
    between_crops: Literal["hard", "soft"] = Field(
        default="hard", description="Suppression between the crops of a large image: by nms, too, or Gaussian."
    )

    def opened(self) -> MatSamPreset:
        """The same, keeping masks of any quality and contrast."""
        return self.model_copy(update={"quality": 0.0, "contrast": 0.0})

    def without_post_processing(self) -> MatSamPreset:
        """The same, keeping masks of any contrast, touching objects as one, and the gaps between masks of grains."""
        return self.model_copy(update={"contrast": 0.0, "touching": "kept", "fill_gaps": False})

    @property
    def masks_are_grains(self) -> bool:
        """Whether each surviving mask is a grain."""
        return self.output == "instances" and self.grains_from == "masks"


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
        """``matsam-BACKBONE-PRESET-`` and 8 hex digits of SHA-256 over algorithm, backbone and preset."""
        text = f"{VERSION} {self.backbone.digest} {self.preset.model_dump_json()}"
        return f"matsam-{self.backbone.name}-{self.preset.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def segment(
        self,
        pixels: Pixels,
        polarity: Polarity | None = None,
        progress: Progress = silent,
        ignored: BoolMask | None = None,
    ) -> Segmentation:
        """Segment one micrograph.

        Parameters
        ----------
        pixels : uint8, uint16 or float array (H, W)
            The micrograph, finite.
        polarity : {"auto", "bright", "dark"}, optional
            Instead of the preset's.
        progress : Progress
            Told the number of prompts answered; of crops for a large image.
        ignored : bool array (H, W), optional
            What is no micrograph (:func:`~matcurate.imaging.ignored.find_ignored`): it is not looked at.
        """
        return self._segment_picture(looked_at(pixels, ignored), polarity, progress).without(ignored)

    def _segment_picture(self, pixels: Pixels, polarity: Polarity | None, progress: Progress) -> Segmentation:
        field = field_of_view(pixels)
        if field is not None:
            found = self._segment(field.filled(pixels), polarity, progress)
            return found.within(field.mask(_size(pixels)))
        return self._segment(pixels, polarity, progress)

    def _segment(self, pixels: Pixels, polarity: Polarity | None, progress: Progress) -> Segmentation:
        preset, asked = self.preset, polarity or self.preset.polarity
        if preset.output == "phases" and preset.phases != 1:
            grey = denoise(pixels)
            count = count_phases(grey) if preset.phases == "auto" else preset.phases
            if count > 1:
                return self._several(grey, None if asked == "auto" else asked, count)
        if isinstance(self.backbone, ObjectMapper):
            maps = self.backbone.maps(pixels)
            if preset.output == "instances":
                return segment_grains(maps, preset.smallest)
            side = None if asked == "auto" else asked
            return segment_phases(maps, pixels, side, preset.smallest, preset.touching == "parted")
        grey = denoise(pixels)
        chosen = side_of(grey) if asked == "auto" else asked
        candidates = self._survivors(self._proposed(pixels, grey, (chosen,), progress), grey, chosen)
        return self._grains(grey, candidates) if preset.output == "instances" else self._phases(grey, candidates)

    def propose(self, pixels: Pixels, *, overlap: float = 0.7, progress: Progress = silent) -> tuple[Candidate, ...]:
        """Raw masks of both grey sides, of any contrast; where one mask holds others, all of them.

        For what decides by texture (:mod:`matcurate.segmentation.boost`).

        Parameters
        ----------
        pixels : uint8, uint16 or float array (H, W)
            The micrograph, finite.
        overlap : float
            Intersection over union in (0, 1] above which the mask of lower quality goes; .7 as in SAM's own generator.
        progress : Progress
            As for :meth:`segment`, once for each side.

        Returns
        -------
        tuple of Candidate
            Best quality first; they overlap, hold each other, and leave gaps.
        """
        opened = MatSam(self.backbone, self.preset.opened())
        return suppress(opened._proposed(pixels, denoise(pixels), SIDES, progress), overlap)

    def _proposed(
        self, pixels: Pixels, grey: Grey, sides: tuple[Side, ...], progress: Progress
    ) -> tuple[Candidate, ...]:
        """What the backbone proposes for an image.

        A large one is looked at crop by crop, so that the backbone's memory does not grow with it, and objects over the
        borders are made whole.
        """
        if max(pixels.shape) <= LARGEST_WHOLE:
            return self._proposed_in(pixels, grey, sides, progress)
        parts = list(crops(_size(pixels)))

        def placed() -> Iterator[tuple[Crop, tuple[Candidate, ...]]]:
            for number, crop in enumerate(parts, start=1):
                found = self._proposed_in(crop.cut(pixels), crop.cut(grey), sides, silent)
                progress(number, len(parts), "crops")
                yield crop, crop.place(found)

        return stitch(placed())

    def _proposed_in(
        self, pixels: Pixels, grey: Grey, sides: tuple[Side, ...], progress: Progress
    ) -> tuple[Candidate, ...]:
        """What the backbone proposes for an image, or for one crop."""
        preset, predictor = self.preset, self.backbone.open(pixels)
        if isinstance(predictor, Exhaustive):
            cells = candidates_of(grains(predictor.maps, preset.smallest), LEAST_PROPOSED)
            found = [*predictor.regions(max(preset.quality, LEAST_PROPOSED)), *cells]
        else:
            found = [c for side in sides for c in self._answers(predictor, grey, side, progress)]
        largest = preset.largest * pixels.size
        return tuple(admissible(found, quality=preset.quality, smallest=preset.smallest, largest=largest))

    def _answers(self, predictor: PromptPredictor, grey: Grey, side: Side, progress: Progress) -> tuple[Candidate, ...]:
        """The answers to key and grid points."""
        preset = self.preset
        points, keys = prompt_points(
            grey,
            side,
            roi=preset.roi,
            smallest=preset.smallest,
            grid_per_object=preset.grid_per_object,
            grid_range=preset.grid_range,
            prompts=preset.prompts,
            roi_thresholds=preset.roi_thresholds,
            grid_edges=preset.grid_edges,
        )
        return decode_frugally(predictor, points, always=keys, batch=preset.batch, progress=progress).candidates

    def _survivors(self, proposals: tuple[Candidate, ...], grey: Grey, side: Side) -> tuple[Candidate, ...]:
        """Masks that survive filtering and suppression, those with the clearest outline first."""
        preset = self.preset
        rated, least = (
            (proposals, LEAST_LEFT) if preset.masks_are_grains else (rescored(proposals, grey, side), preset.contrast)
        )
        judged = [c for c in rated if c.quality >= least]
        if preset.between_crops == "hard" or max(grey.shape) <= LARGEST_WHOLE:
            return suppress(judged, preset.nms)
        within = [suppress(part, preset.nms) for part in by_core(judged, list(crops(_size(grey))))]
        regions = [number for number, part in enumerate(within) for _ in part]
        return soft_suppress([c for part in within for c in part], floor=least, regions=regions)

    def _grains(self, grey: Grey, candidates: tuple[Candidate, ...]) -> Segmentation:
        preset = self.preset
        if preset.masks_are_grains:
            parts = grains_from_masks(candidates, _size(grey), preset.smallest, filled=preset.fill_gaps)
        else:
            parts = tile(boundary_strength(grey, candidates, preset.outline_vote), preset.smallest)
        return Segmentation(
            phases=(parts > 0).astype(np.uint8),
            instances=parts,
            score=area_weighted_quality(candidates),
            masks=len(candidates),
        )

    def _phases(self, grey: Grey, candidates: tuple[Candidate, ...]) -> Segmentation:
        foreground = paint(candidates, _size(grey)) > 0
        objects = parted(foreground) if self.preset.touching == "parted" else label(foreground, connectivity=1)
        return Segmentation(
            phases=foreground.astype(np.uint8),
            instances=objects.astype(np.uint32),
            score=area_weighted_quality(candidates),
            masks=len(candidates),
        )

    def _several(self, grey: Grey, side: Side | None, count: int) -> Segmentation:
        phases = phases_by_grey(grey, side, count)
        instances = objects_of(phases, self.preset.smallest)
        phases = np.where(instances > 0, phases, 0).astype(np.uint8)
        return Segmentation(phases=phases, instances=instances, score=explained(grey, phases))


def candidates_of(ids: Ids, quality: float) -> list[Candidate]:
    """Regions of an id image (H, W), each of one quality."""
    places = enumerate(find_objects(ids.astype(np.int32)), start=1)
    return [
        Candidate(rows.start, columns.start, ids[rows, columns] == number, quality)
        for number, (rows, columns) in places
    ]


def _size(grey: Pixels) -> tuple[int, int]:
    height, width = grey.shape
    return height, width
