"""The label images that an annotation's regions are painted on, one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from matcurate.errors import AnnotationError
from matcurate.labelstudio.config import INSTANCE_LABEL, LabellingConfig
from matcurate.labelstudio.regions import StoredRegion, fill_region
from matcurate.types import LabelMap

INSTANCE_ID = re.compile(r"instance-([1-9]\d{0,8})-\d+")
PHASE_ID = re.compile(r"phase-\d+(-\d+)?")
"""Ids of the regions that :func:`matcurate.labelstudio.annotations.encode_prediction` writes."""


@dataclass(slots=True)
class Canvas:
    """What has been painted so far."""

    phases: LabelMap
    owners: LabelMap
    """Numbers of shapes, in the order they were painted."""
    names: list[int | None]
    """Instance id each shape asks for; None: a new one."""
    claimed: LabelMap
    """Pixels claimed by more than one phase."""

    @classmethod
    def blank(cls, shape: tuple[int, int]) -> Canvas:
        """Nothing painted."""
        zero = np.zeros(shape, dtype=np.uint8)
        return cls(zero, np.zeros(shape, dtype=np.uint32), [], zero.copy())

    def paint(self, region: StoredRegion, config: LabellingConfig) -> int:
        """Paint one drawn region; returns the number of its pixels."""
        label = region.label()
        outline = label == INSTANCE_LABEL and region.type == "polygonlabels"
        if not outline and label not in config.phases:
            raise AnnotationError(
                f"label {label!r} is no phase of this project (phases: {', '.join(config.phases)}); "
                "rename the label in Label Studio or label the region again"
            )
        window, mask = fill_region(region, (self.phases.shape[0], self.phases.shape[1]))
        if not outline:
            class_id = config.phases.index(label) + 1
            part = self.phases[window]
            self.claimed[window] |= mask & (part != 0) & (part != class_id)
            part[mask] = class_id
        if region.type not in ("brushlabels", "bitmasklabels") and not PHASE_ID.fullmatch(region.id):
            match = INSTANCE_ID.fullmatch(region.id)
            self.names.append(int(match[1]) if match else None)
            self.owners[window][mask] = len(self.names)
        return int(np.count_nonzero(mask))

    @property
    def contested(self) -> int:
        """Number of pixels claimed by more than one phase."""
        return int(np.count_nonzero(self.claimed))

    def numbered(self) -> LabelMap | None:
        """Instances with the ids of the prediction kept, new ones numbered after them."""
        if not self.names:
            return None
        largest = max((name for name in self.names if name is not None), default=0)
        ids = [0]
        for name in self.names:
            largest += name is None
            ids.append(largest if name is None else name)
        return np.array(ids, dtype=np.uint32)[self.owners]
