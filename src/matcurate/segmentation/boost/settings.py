"""Settings of the booster: which masks it removes, its texture features, and what happens to pixels without a mask."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from matcurate.config import Strict
from matcurate.segmentation.boost.textures import FilterBankSettings


class BoostSettings(Strict):
    """Thresholds of the removal rules and of the merging; those the paper gives are its own.

    ``child_share`` (5 %), ``compound_share`` (70 %) and ``crop`` (60 px) are the paper's; it names the other rules
    without a number. Where small inclusions are a material of their own, and no nuisance, ``child_share`` and
    ``island_share`` are 0 (``configs/boost/inclusions.yaml``).
    """

    name: str = Field(default="layers", pattern=r"^[a-z0-9_]+$")
    duplicate_iou: float = Field(
        default=0.8, gt=0, le=1, description="Intersection over union from which two masks are one."
    )
    containment: float = Field(default=0.9, gt=0.5, le=1, description="Minimum share of a child inside its parent.")
    child_share: float = Field(
        default=0.05, ge=0, lt=1, description="A child below this share of its parent is removed."
    )
    compound_share: float = Field(
        default=0.7, gt=0, le=1, description="A parent is removed when its children cover more."
    )
    island_share: float = Field(default=0.05, ge=0, lt=1, description="As child_share, of an unmasked surrounding.")
    crop: int = Field(default=60, ge=8, description="Edge in pixels of the crops that show textures.")
    crops: int = Field(default=24, ge=1, description="Crops of the largest region; a region has at least a third.")
    filters: FilterBankSettings = FilterBankSettings()
    gaps: Literal["nearest", "keep"] = Field(
        default="nearest", description="Narrow gaps between masks: join the nearest material, or class 0."
    )
    agreement: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="Minimum share of a mask's crops that vote alike; else it is composite and removed.",
    )
    largest_count: int = Field(
        default=6, ge=2, description="Maximum number of materials tried when their number is not given."
    )
