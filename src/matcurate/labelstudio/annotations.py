"""From masks to Label Studio's regions (predictions) and back (corrections)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import ValidationError

from matcurate.config import first_problem
from matcurate.errors import AnnotationError, ConfigError
from matcurate.labelstudio.bitmask import encode_bitmask
from matcurate.labelstudio.canvas import Canvas
from matcurate.labelstudio.config import INSTANCE_LABEL, LabelControl, LabellingConfig
from matcurate.labelstudio.polygons import Outline, to_percent, trace_outlines
from matcurate.labelstudio.ratios import DECIMALS, ratio_of
from matcurate.labelstudio.regions import FILLERS, UNLABELLED, Region, StoredRegion
from matcurate.labelstudio.rle import encode_rle
from matcurate.types import BoolMask, LabelMap

Mode = Literal["brush", "polygon"]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedAnnotation:
    """The label images that the regions of an annotation or prediction give.

    ``phases`` (H, W) uint8 holds class ids, 0 where no region lies; ``instances`` (H, W) uint32 is None without any
    polygon, rectangle or ellipse; ``ratios`` are the expert's area fractions of class id 1, 2, …, None where not given.
    ``contested`` counts pixels that regions of different phases claim (the later one has them), ``drawn`` the painted
    regions; ``empty`` numbers, from 1, those that cover no pixel.
    """

    phases: LabelMap
    instances: LabelMap | None
    ratios: tuple[float | None, ...] | None
    contested: int = 0
    drawn: int = 0
    empty: tuple[int, ...] = ()

    @property
    def objection(self) -> str | None:
        """Why this must not be taken for "no phase anywhere"; None when it may be used."""
        if self.phases.any() or (self.instances is not None and self.instances.any()):
            return None
        if self.empty:
            numbers = ", ".join(map(str, self.empty))
            return f"region {numbers}: covers no pixel, and nothing else is drawn; draw it again or delete it"
        if self.drawn == 0 and any(self.ratios or ()):
            return "states a phase ratio and has no region; draw the phases, or set the ratios to 0"
        return None


def encode_prediction(
    phases: LabelMap,
    config: LabellingConfig,
    *,
    instances: LabelMap | None = None,
    ratios: Sequence[float] | None = None,
    score: float | None = None,
    mode: Mode = "brush",
    tolerance: float = 0.0,
) -> list[Region]:
    """Code a segmentation as the ``result`` of a prediction, with ids that depend on the masks only.

    ``phases`` (H, W) holds class ids, 0 (no region) to the number of phases, ``instances`` (H, W) instance ids, 0 for
    none; ``ratios`` are area fractions of class id 1, 2, … in [0, 1], stored with three decimals; ``score`` is stored
    with every region. Mode ``brush``: one brush (or bitmask) region for each phase, exact to the pixel, and instances
    as polygons that only outline. Mode ``polygon``: every instance a polygon labelled with the phase most of it has,
    and what no instance covers as polygons of its phase. ``tolerance`` simplifies polygons, in pixels; 0 is exact.
    Raises ConfigError when the project has no control for the mode, ValueError when arguments do not fit together.
    """
    _check_masks(phases, instances, ratios, len(config.phases))
    if mode == "brush":
        drawn = [*_outlines(instances, config, tolerance), *_painted(phases, config)]
    else:
        drawn = list(_polygons(phases, instances, config, tolerance))
    height, width = phases.shape
    for region in drawn:
        region |= {"original_width": width, "original_height": height, "image_rotation": 0}
        if score is not None:
            region["score"] = score
    return [*drawn, *_numbers(ratios, config)]


def encode_object(
    mask: BoolMask, label: str, config: LabellingConfig, region_id: str, *, outlined: bool, tolerance: float = 0.0
) -> list[Region]:
    """Code one object (H, W) as a suggestion under the label that an expert has chosen.

    A brush (or bitmask) region, exact to the pixel; with ``outlined``, or the label ``instance``, polygons: one for
    each connected part, the largest first. Nothing for an empty mask. Raises ConfigError when the project has no
    control for the label.
    """
    if not mask.any():
        return []
    painted = None if outlined or label == INSTANCE_LABEL else config.phase_control("brushlabels", "bitmasklabels")
    height, width = mask.shape
    if painted is not None and label in painted.labels:
        regions = [_mask_region(region_id, painted, config, label, mask)]
    else:
        control = config.instance_control() if label == INSTANCE_LABEL else config.phase_control("polygonlabels")
        if control is None or label not in control.labels:
            raise ConfigError(f"the labelling configuration has no polygon label {label!r}; add it in Label Studio")
        outlines = trace_outlines(mask.astype(np.uint8), tolerance)
        outlines.sort(key=lambda outline: -outline.area)
        regions = [
            _region(f"{region_id}-{number}" if number else region_id, control, config, label,
                    points=to_percent(outline.points, mask.shape), closed=True)
            for number, outline in enumerate(outlines)
        ]  # fmt: skip
    for region in regions:
        region |= {"original_width": width, "original_height": height, "image_rotation": 0}
    return regions


def decode_annotation(
    result: Sequence[Mapping[str, object]],
    shape: tuple[int, int],
    config: LabellingConfig,
    *,
    where: str = "annotation",
) -> DecodedAnnotation:
    """Read the ``result`` of an annotation or prediction.

    Brush, bitmask, polygon, rectangle and ellipse regions are painted in their order, later ones over earlier
    ones; a polygon labelled ``instance`` gives only an object's outline. Smart points and boxes are questions to the
    backend, other results (choices, texts, relations, key points) are not about masks: both are left alone. ``shape``
    (H, W) is that of the task's micrograph; ``where`` names the annotation in messages. Raises AnnotationError when a
    region is damaged, has no label or an unknown one, reaches far beyond the image, or was drawn on an image that is
    turned or of another size.
    """
    canvas = Canvas.blank(shape)
    ratios: dict[str, float] = {}
    painted: dict[int, int] = {}  # pixels by number of the region
    for index, item in enumerate(result):
        try:
            region = StoredRegion.model_validate(item)
            if region.from_name in config.smart:
                continue
            if region.type in UNLABELLED:
                raise AnnotationError(f"a {region.type} without a label; label it in Label Studio or delete it")
            if region.type in FILLERS:
                painted[index + 1] = canvas.paint(region, config)
            elif region.type == "number" and region.from_name in config.ratios:
                ratios[region.from_name] = ratio_of(region)
        except ValidationError as error:
            raise AnnotationError(f"{where}, region {index + 1}: {first_problem(error)}") from error
        except AnnotationError as error:
            raise AnnotationError(f"{where}, region {index + 1} of {len(result)}: {error}") from error
    given = tuple(ratios.get(name) if name else None for name in config.ratios) if ratios else None
    empty = tuple(number for number, pixels in painted.items() if pixels == 0)
    return DecodedAnnotation(canvas.phases, canvas.numbered(), given, canvas.contested, len(painted), empty)


def _check_masks(phases: LabelMap, instances: LabelMap | None, ratios: Sequence[float] | None, count: int) -> None:
    if phases.ndim != 2 or phases.size == 0 or int(phases.max()) > count:
        raise ValueError(f"phases must be (H, W) with class ids 0..{count}, got {phases.shape}")
    if instances is not None and instances.shape != phases.shape:
        raise ValueError(f"instances {instances.shape} and phases {phases.shape} must have the same shape")
    if ratios is not None and (len(ratios) != count or not all(0 <= ratio <= 1 for ratio in ratios)):
        raise ValueError(f"ratios must be {count} numbers in [0, 1], got {list(ratios)}")


def _region(region_id: str, control: LabelControl, config: LabellingConfig, label: str, **value: object) -> Region:
    return Region(
        id=region_id,
        type=control.shape,
        from_name=control.name,
        to_name=config.image,
        value={**value, control.shape: [label]},
    )


def _painted(phases: LabelMap, config: LabellingConfig) -> Iterator[Region]:
    control = config.phase_control("brushlabels", "bitmasklabels")
    if control is None:
        raise ConfigError("the project has no brush or bitmask control with all phases; push polygons instead")
    for class_id in np.unique(phases[phases > 0]).tolist():
        mask = phases == class_id
        yield _mask_region(f"phase-{class_id}", control, config, config.phases[class_id - 1], mask)


def _mask_region(region_id: str, control: LabelControl, config: LabellingConfig, label: str, mask: BoolMask) -> Region:
    if control.shape == "bitmasklabels":
        return _region(region_id, control, config, label, imageDataURL=encode_bitmask(mask))
    return _region(region_id, control, config, label, format="rle", rle=encode_rle(mask))


def _outlines(instances: LabelMap | None, config: LabellingConfig, tolerance: float) -> Iterator[Region]:
    if instances is None or not instances.any():
        return
    control = config.instance_control()
    if control is None:
        raise ConfigError(
            f"the project has no polygon label {INSTANCE_LABEL!r}; add it in Label Studio or push phases only"
        )
    for region_id, outline in _numbered(trace_outlines(instances, tolerance), "instance"):
        points = to_percent(outline.points, instances.shape)
        yield _region(region_id, control, config, INSTANCE_LABEL, points=points, closed=True)


def _polygons(
    phases: LabelMap, instances: LabelMap | None, config: LabellingConfig, tolerance: float
) -> Iterator[Region]:
    control = config.phase_control("polygonlabels")
    if control is None:
        raise ConfigError("the project has no polygon control with all phases; push brush regions instead")
    ids = np.zeros_like(phases) if instances is None else instances
    rest = trace_outlines(np.where(ids == 0, phases, 0), tolerance)
    for region_id, outline in _numbered(rest, "phase"):
        points = to_percent(outline.points, phases.shape)
        yield _region(region_id, control, config, config.phases[outline.instance - 1], points=points, closed=True)
    phase_of = _most_frequent(ids, phases, len(config.phases))
    for region_id, outline in _numbered(trace_outlines(ids, tolerance), "instance"):
        class_id = phase_of[outline.instance]
        label = config.phases[class_id - 1] if class_id else INSTANCE_LABEL
        if label in control.labels:
            points = to_percent(outline.points, phases.shape)
            yield _region(region_id, control, config, label, points=points, closed=True)


def _most_frequent(instances: LabelMap, phases: LabelMap, count: int) -> dict[int, int]:
    """Class id that most pixels of each instance have."""
    ids, index = np.unique(instances, return_inverse=True)
    pairs = index.ravel() * (count + 1) + phases.ravel()
    counts = np.bincount(pairs, minlength=len(ids) * (count + 1)).reshape(len(ids), count + 1)
    return dict(zip(ids.tolist(), counts.argmax(axis=1).tolist(), strict=True))


def _numbered(outlines: Sequence[Outline], kind: str) -> Iterator[tuple[str, Outline]]:
    seen: Counter[int] = Counter()
    for outline in outlines:
        seen[outline.instance] += 1
        yield f"{kind}-{outline.instance}-{seen[outline.instance]}", outline


def _numbers(ratios: Sequence[float] | None, config: LabellingConfig) -> Iterator[Region]:
    for name, ratio in zip(config.ratios, ratios or (), strict=False):
        if name is not None:
            yield Region(
                id=name,
                type="number",
                from_name=name,
                to_name=config.image,
                value={"number": round(float(ratio), DECIMALS)},
            )
