"""MatSAM: zero-shot segmentation of micrographs by prompts that fit their structures.

References
----------
Li, Han, Yao, Ban, "MatSAM: Efficient Materials Microstructure Extraction via Visual Large Model", arXiv:2401.05638.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field
from skimage.measure import label

from matcurate.config import Polarity, Strict
from matcurate.promptable.protocol import Backbone, Contrasting, PromptPredictor, Tiling
from matcurate.segmentation.baselines import otsu_foreground
from matcurate.segmentation.field import field_of_view
from matcurate.segmentation.matsam.crops import Crop, by_core, crops, stitch
from matcurate.segmentation.matsam.evidence import rescored
from matcurate.segmentation.matsam.frugal import decode_frugally
from matcurate.segmentation.matsam.generate import rough_regions, unprompted
from matcurate.segmentation.matsam.lines import without_lines
from matcurate.segmentation.matsam.phases import MOST, count_phases, explained, objects_of, parted, phases_by_grey
from matcurate.segmentation.matsam.postprocess import area_weighted_quality, paint
from matcurate.segmentation.matsam.prompts import Points, RoiRule, prompt_points
from matcurate.segmentation.matsam.suppress import admissible, soft_suppress, suppress
from matcurate.segmentation.matsam.tiling import boundary_strength, tile
from matcurate.segmentation.polarity import side_of
from matcurate.segmentation.relief import Grey, calm, flatten
from matcurate.segmentation.result import Segmentation
from matcurate.types import SIDES, Candidate, Pixels, Progress, Side, silent

Relief: TypeAlias = Callable[[], Grey]
"""Gives the relief of an image, which is made once and when it is first asked for."""

VERSION = 6
"""Of the algorithm; part of every segmenter's version."""
LARGEST_WHOLE = 2048
"""Longest side in pixels of an image that is looked at as a whole, and not in crops."""


class MatSamPreset(Strict):
    """How MatSAM treats one kind of micrograph; files in ``configs/presets``."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="Part of the version string.")
    output: Literal["phases", "instances"] = "phases"
    polarity: Polarity = "auto"
    phases: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST)] = Field(
        default=1,
        description="Phases beside the matrix; more than one are told by grey level, ids 1 … from dark to bright.",
    )
    touching: Literal["kept", "parted"] = Field(default="kept", description="Part touching objects at their necks.")
    roi: RoiRule = "auto"
    straight_lines: Literal["kept", "removed"] = Field(
        default="kept", description="Take scratches and the seams of stitched images out before boundaries are sought."
    )
    flatten: bool = Field(default=True, description="Remove shading and halos before objects are looked for.")
    flattened_for: tuple[str, ...] = Field(
        default=("tree",), description="Backbones that see the flattened image; those trained on others do not."
    )
    rough_regions: bool = Field(default=True, description="Otsu's regions compete with the backbone's masks.")
    grid_per_object: float = Field(default=1.0, ge=0)
    grid_range: tuple[int, int] = (64, 1024)
    batch: int = Field(default=64, ge=1, description="Prompts that a mask decoder answers together.")
    quality: float = Field(default=0.0, ge=0, le=1, description="Least quality that the backbone predicts.")
    quality_for: Mapping[str, float] = Field(
        default={"builtin": 0.5}, description="Instead of quality, for backbones whose quality is a calibrated IoU."
    )
    contrast: float = Field(default=0.25, ge=0, le=1, description="Least grey step along the outline of a mask.")
    smallest: int = Field(default=4, ge=1, description="Least area of an object in pixels.")
    largest: float = Field(default=0.8, gt=0, le=1, description="Largest share of the image in one mask.")
    outline_vote: float = Field(default=0.25, ge=0, description="Grains: weight of mask outlines among boundaries.")
    nms: float = Field(default=0.3, gt=0, le=1, description="Intersection over union above which one mask goes.")
    between_crops: Literal["hard", "soft"] = Field(
        default="hard", description="Suppression between the crops of a large image: by nms, too, or Gaussian."
    )

    def opened(self) -> MatSamPreset:
        """The same, keeping masks of any quality and contrast."""
        return self.model_copy(update={"quality": 0.0, "quality_for": {}, "contrast": 0.0})


@dataclass(frozen=True, slots=True)
class Proposed:
    """Masks of a backbone, and whether they part the image into grains, each pixel in one."""

    candidates: tuple[Candidate, ...]
    tiles: bool


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

    def segment(self, pixels: Pixels, polarity: Polarity | None = None, progress: Progress = silent) -> Segmentation:
        """Segment one micrograph.

        Parameters
        ----------
        pixels : uint8, uint16 or float array (H, W)
            The micrograph, finite.
        polarity : {"auto", "bright", "dark"}, optional
            Instead of the preset's.
        progress : Progress
            Told the number of prompts answered; of crops for a large image.
        """
        field = field_of_view(pixels)
        if field is not None:
            found = self._segment(field.filled(pixels), polarity, progress)
            return found.within(field.mask(_size(pixels)))
        return self._segment(pixels, polarity, progress)

    def _segment(self, pixels: Pixels, polarity: Polarity | None, progress: Progress) -> Segmentation:
        pixels, grey = without_lines(pixels) if self.preset.straight_lines == "removed" else (pixels, calm(pixels))
        asked = polarity or self.preset.polarity
        count = count_phases(grey) if self.preset.phases == "auto" else self.preset.phases
        if count > 1 and self.preset.output == "phases":
            return self._several(grey, None if asked == "auto" else asked, count)
        side = side_of(grey) if asked == "auto" else asked
        sees_relief = self.preset.flatten and self.backbone.name in self.preset.flattened_for
        relief: Relief = cache(partial(flatten, grey)) if self.preset.flatten else lambda: grey
        proposed = self._proposed(relief() if sees_relief else pixels, relief, (side,), progress)
        if proposed.tiles:
            return _tiled(proposed.candidates, pixels)
        candidates = self._survivors(proposed.candidates, relief(), side)
        made = self._grains if self.preset.output == "instances" else self._phases
        return made(relief(), candidates)

    def propose(self, pixels: Pixels, *, overlap: float = 0.7, progress: Progress = silent) -> tuple[Candidate, ...]:
        """Raw masks of both grey sides, of any quality and contrast; where one mask holds others, all of them.

        For what decides by texture (:mod:`matcurate.segmentation.boost`): the backbone sees the micrograph as it is,
        since flattening would take textures away.

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
        return suppress(opened._proposed(pixels, cache(partial(calm, pixels)), SIDES, progress).candidates, overlap)

    def _proposed(self, seen: Pixels, relief: Relief, sides: tuple[Side, ...], progress: Progress) -> Proposed:
        """What the backbone proposes for an image.

        A large one is looked at crop by crop, so that the backbone's memory does not grow with it, and objects over the
        borders are made whole.
        """
        if max(seen.shape) <= LARGEST_WHOLE:
            return self._proposed_in(seen, relief, sides, progress)
        parts, tiles, whole = list(crops(_size(seen))), [], relief()

        def placed() -> Iterator[tuple[Crop, tuple[Candidate, ...]]]:
            for number, crop in enumerate(parts, start=1):
                found = self._proposed_in(crop.cut(seen), partial(crop.cut, whole), sides, silent)
                tiles.append(found.tiles)
                progress(number, len(parts), "crops")
                yield crop, crop.place(found.candidates)

        return Proposed(stitch(placed()), all(tiles))

    def _proposed_in(self, seen: Pixels, relief: Relief, sides: tuple[Side, ...], progress: Progress) -> Proposed:
        """What the backbone proposes for an image, or for one crop."""
        preset, predictor = self.preset, self.backbone.open(seen)
        least = preset.quality_for.get(self.backbone.name, preset.quality)
        if preset.output == "instances" and isinstance(predictor, Tiling):
            return Proposed(predictor.tiles(preset.smallest), tiles=True)
        if preset.output == "phases" and isinstance(predictor, Contrasting):
            predictor = predictor.contrasting(sides, least)
        found = [c for side in sides for c in self._answers(predictor, relief, side, progress)]
        largest = preset.largest * seen.size
        kept = admissible(found, quality=least, smallest=preset.smallest, largest=largest)
        return Proposed(tuple(kept), tiles=False)

    def _answers(
        self, predictor: PromptPredictor, relief: Relief, side: Side, progress: Progress
    ) -> tuple[Candidate, ...]:
        """Regions proposed without prompts, and the answers to key and grid points."""
        preset = self.preset

        def pointed() -> tuple[Points, int]:
            return prompt_points(
                relief(),
                side,
                roi=preset.roi,
                smallest=preset.smallest,
                grid_per_object=preset.grid_per_object,
                grid_range=preset.grid_range,
            )

        with ThreadPoolExecutor(1) as beside:  # where to point is found while the predictor looks for regions
            coming = beside.submit(pointed)
            regions = unprompted(predictor, side)
            points, keys = coming.result()
        asked = decode_frugally(predictor, points, always=keys, batch=preset.batch, progress=progress)
        return regions + asked.candidates

    def _survivors(self, proposals: tuple[Candidate, ...], relief: Grey, side: Side) -> tuple[Candidate, ...]:
        """Masks that survive filtering and suppression, those with the clearest outline first."""
        preset, kept = self.preset, proposals
        if preset.rough_regions:
            kept += rough_regions(otsu_foreground(relief, side), preset.smallest)
        judged = [c for c in rescored(kept, relief, side) if c.quality >= preset.contrast]
        if preset.between_crops == "hard" or max(relief.shape) <= LARGEST_WHOLE:
            return suppress(judged, preset.nms)
        within = [suppress(part, preset.nms) for part in by_core(judged, list(crops(_size(relief))))]
        regions = [number for number, part in enumerate(within) for _ in part]
        return soft_suppress([c for part in within for c in part], floor=preset.contrast, regions=regions)

    def _grains(self, relief: Grey, candidates: tuple[Candidate, ...]) -> Segmentation:
        grains = tile(boundary_strength(relief, candidates, self.preset.outline_vote), self.preset.smallest)
        return Segmentation(
            phases=np.ones(relief.shape, dtype=np.uint8),
            instances=grains,
            score=area_weighted_quality(candidates),
            masks=len(candidates),
        )

    def _phases(self, relief: Grey, candidates: tuple[Candidate, ...]) -> Segmentation:
        foreground = paint(candidates, _size(relief)) > 0
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


def _tiled(tiles: tuple[Candidate, ...], pixels: Pixels) -> Segmentation:
    """Grains of a backbone that parts images itself."""
    grains = paint(tiles, _size(pixels))
    return Segmentation(
        phases=np.ones(pixels.shape, dtype=np.uint8),
        instances=grains.astype(np.uint32),
        score=area_weighted_quality(tiles),
        masks=len(tiles),
    )


def _size(grey: Pixels) -> tuple[int, int]:
    height, width = grey.shape
    return height, width
