"""What the booster removes, how it looks at textures, and what becomes of pixels that no mask covers."""

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
    duplicate_iou: float = Field(default=0.8, gt=0, le=1, description="Masks that overlap so far are one; the larger.")
    containment: float = Field(default=0.9, gt=0.5, le=1, description="A child has this share of itself in its parent.")
    child_share: float = Field(default=0.05, ge=0, lt=1, description="A child below this share of its parent goes.")
    compound_share: float = Field(default=0.7, gt=0, le=1, description="A parent goes when its children cover more.")
    island_share: float = Field(default=0.05, ge=0, lt=1, description="As child_share, of an unmasked surrounding.")
    crop: int = Field(default=60, ge=8, description="Edge in pixels of the crops that textures are looked at in.")
    crops: int = Field(default=24, ge=1, description="Crops of the largest region; a region has at least a third.")
    filters: FilterBankSettings = FilterBankSettings()
    gaps: Literal["nearest", "keep"] = Field(
        default="nearest", description="Narrow gaps between masks: to the nearest material, or class 0."
    )
    agreement: float = Field(
        default=0.7, ge=0, le=1, description="A mask goes when a smaller share of its crops votes alike: composite."
    )
    largest_count: int = Field(
        default=6, ge=2, description="Most materials that are tried when their number is not told."
    )
