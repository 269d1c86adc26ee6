"""Units of what is reported: nanometres or micrometres when the image is calibrated, else pixels."""

from dataclasses import dataclass
from typing import Literal

from matcurate.types import Calibration

NM_BELOW = 1.0
"""Below this pixel size in nm lengths are reported in nm, from it in µm.

It depends on the pixel size alone, so that all images of a series have one unit.
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of length: px (the width of a pixel), nm or um.

    ``per_px`` is the width of a pixel in it, ``mm_per_px`` in mm, None when it is not known; ``aspect`` the height of a
    pixel over its width.
    """

    name: Literal["px", "nm", "um"]
    per_px: float
    mm_per_px: float | None
    aspect: float = 1.0

    @classmethod
    def of(cls, calibration: Calibration | None) -> "Unit":
        """Choose by the pixel size: px when there is none, nm below :data:`NM_BELOW`, else µm."""
        if calibration is None:
            return cls("px", 1.0, None)
        nm = calibration.nm_per_px
        if nm < NM_BELOW:
            return cls("nm", nm, nm * 1e-6, calibration.aspect)
        return cls("um", nm / 1000.0, nm * 1e-6, calibration.aspect)

    @property
    def label(self) -> str:
        """Name for people: px, nm, µm."""
        return "µm" if self.name == "um" else self.name
