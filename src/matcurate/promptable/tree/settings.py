"""Settings of the component-tree predictor."""

from __future__ import annotations

from pydantic import Field

from matcurate.config import Strict


class TreeSettings(Strict):
    """How a micrograph becomes a component tree, and which of its regions are proposed.

    Grey levels are fractions of the image's own range (0.5 to 99.5 percentile), lengths are pixels.
    """

    denoise: float = Field(default=8.0, ge=0, description="Filter strength of non-local means, in 1/255; 0: off.")
    blur: float = Field(default=0.8, ge=0, description="Sigma of the Gaussian after it, in pixels; 0: off.")
    levels: int = Field(default=512, ge=2, le=65536, description="Grey levels of the tree.")
    drop: float = Field(
        default=0.16, gt=0, description="Drop of the level, as part of the distance of Otsu's two classes."
    )
    max_growth: float = Field(
        default=0.25, gt=0, description="Regions that grow more when the level drops are unstable."
    )
    min_area: int = Field(default=12, ge=1, description="Smallest region and smallest hole, in pixels.")
    max_share: float = Field(default=0.6, gt=0, le=1, description="Largest region, as part of the image.")
    nesting: float = Field(default=0.7, gt=0, lt=1, description="Largest IoU of two nested answers to one prompt.")
