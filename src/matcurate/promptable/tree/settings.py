"""Settings of the component-tree predictor."""

from __future__ import annotations

from pydantic import Field

from matcurate.config import Strict


class TreeSettings(Strict):
    """How a micrograph becomes a component tree, and which of its regions are proposed.

    Lengths are pixels. Clarity is the mean steepness along a region's outline, as a multiple of that of the
    image's typical region.
    """

    denoise: float = Field(
        default=1.4, ge=0, description="Strength of non-local means, in standard deviations of the noise; 0: off."
    )
    blur: float = Field(default=0.8, ge=0, description="Sigma of the Gaussian after it; 0: off.")
    levels: int = Field(default=512, ge=2, le=65536, description="Grey levels of the tree.")
    min_area: int = Field(default=8, ge=1, description="Smallest region.")
    max_share: float = Field(default=0.7, gt=0, le=1, description="Largest region, as part of the image.")
    min_clarity: float = Field(default=0.45, ge=0, description="Regions of the exhaustive set are clearer than this.")
    min_answer: float = Field(default=0.3, ge=0, description="Answers to prompts are clearer than this.")
    nesting: float = Field(default=0.7, gt=0, lt=1, description="Largest IoU of two nested answers to one prompt.")
