"""The result of every segmentation method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from matcurate.imaging.ignored import counted, frame_within
from matcurate.types import BoolMask


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Classes and instances of one micrograph.

    ``phases`` (H, W), uint8, are class ids, 0 the background (matrix, or grain boundary); ``instances`` (H, W), uint32,
    are object ids, 0 the background. ``score`` is the predicted quality in [0, 1], the mean over the objects weighted
    by their areas, 0 without objects. ``masks`` counts the separate masks left after suppression, None for methods that
    make none. ``alternative`` (H, W) is another foreground, where the grey levels indicate one. ``ignored`` (H, W) is
    what is no micrograph, as a data bar: background in the arrays, and left out of every fraction.

    Raises ValueError when the arrays are not of these types and one shape, or the score is outside [0, 1].
    """

    phases: NDArray[np.uint8]
    instances: NDArray[np.uint32]
    score: float
    masks: int | None = None
    alternative: BoolMask | None = None
    ignored: BoolMask | None = None

    def __post_init__(self) -> None:
        if self.phases.ndim != 2 or self.phases.shape != self.instances.shape:
            raise ValueError(
                f"phases {self.phases.shape} and instances {self.instances.shape} must share one 2-D shape"
            )
        if self.phases.dtype != np.uint8 or self.instances.dtype != np.uint32:
            raise ValueError(f"need uint8 phases and uint32 instances, got {self.phases.dtype}, {self.instances.dtype}")
        if not 0.0 <= self.score <= 1.0:  # also refuses NaN
            raise ValueError(f"score must lie in [0, 1], got {self.score}")

    def within(self, field: BoolMask) -> Segmentation:
        """The part inside a field (H, W); the rest is background, and an instance cut in pieces becomes several."""
        pieces = label(np.where(field, self.instances, 0), background=0, connectivity=1)
        other = None if self.alternative is None else self.alternative & field
        return replace(self, phases=self.phases * field, instances=pieces.astype(np.uint32), alternative=other)

    def placed(self, shape: tuple[int, int], inside: tuple[slice, slice]) -> Segmentation:
        """The same as part of a larger image of ``shape`` (H, W), the rest of which is background."""

        def wide(part: NDArray[Any]) -> NDArray[Any]:
            whole = np.zeros(shape, dtype=part.dtype)
            whole[inside] = part
            return whole

        other = None if self.alternative is None else wide(self.alternative)
        return replace(self, phases=wide(self.phases), instances=wide(self.instances), alternative=other)

    def without(self, ignored: BoolMask | None) -> Segmentation:
        """The segmentation of a whole image (H, W), from that of the part that :func:`looked_at` leaves of it."""
        if ignored is None:
            return self
        frame = frame_within(ignored, ignored.shape)
        inner = ignored[frame.inside]
        kept = self.within(~inner) if inner.any() else self
        return replace(kept.placed((ignored.shape[0], ignored.shape[1]), frame.inside), ignored=ignored)

    @property
    def count(self) -> int:
        """Number of objects."""
        return int(np.count_nonzero(np.bincount(self.instances.ravel())[1:]))

    @property
    def phase_fractions(self) -> dict[int, float]:
        """Area fraction of every class that occurs, background included, of what counts; they sum to 1."""
        counts = np.bincount(counted(self.phases, self.ignored).ravel())
        return {int(phase): float(counts[phase] / counts.sum()) for phase in np.flatnonzero(counts)}
