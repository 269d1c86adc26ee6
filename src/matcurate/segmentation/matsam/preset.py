"""How MatSAM treats one kind of micrograph: the settings in ``configs/presets``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, model_validator

from matcurate.config import Polarity, Strict
from matcurate.segmentation.matsam.phases import MOST
from matcurate.segmentation.matsam.thresholds import MOST_THRESHOLDS

log = logging.getLogger(__name__)

RoiRule = Literal["auto", "otsu", "canny"]
EdgeRule = Literal["uniform", "cut_objects"]
TOUCHING = {"parted": True, "kept": False}
"""Values of ``touching``, which ``split_touching`` was called before 0.1."""


@cache  # one warning in a process, however often the preset is read
def warn_of_touching(value: str, split: bool) -> None:
    """Name the setting that has replaced ``touching``."""
    log.warning(
        "'touching: %s' is now 'split_touching: %s'; the next version reads only that", value, str(split).lower()
    )


class MatSamPreset(Strict):
    """How MatSAM treats one kind of micrograph."""

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="Part of the version string.")
    output: Literal["phases", "instances"] = "phases"
    polarity: Polarity = "auto"
    phases: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST)] = Field(
        default=1,
        description="Number of phases beside the matrix. Several are separated by grey level, from dark to bright.",
    )
    split_touching: bool = Field(default=True, description="Split touching objects at their necks.")
    roi: RoiRule = Field(default="auto", description="Pre-segmentation that gives the key points.")
    roi_thresholds: int = Field(
        default=1,
        ge=1,
        le=MOST_THRESHOLDS,
        description="Number of multi-level Otsu thresholds whose regions also get key points; 1: those of roi only.",
    )
    grid_per_object: float = Field(default=1.0, ge=0, description="Grid points for each pre-segmented object.")
    grid_range: tuple[int, int] = Field(
        default=(64, 1024), description="Minimum and maximum number of points of the regular grid."
    )
    prompts: int = Field(
        default=1024,
        ge=1,
        description="Maximum number of points, about: the smallest regions get no key point, and the grid is coarser.",
    )
    grid_edges: EdgeRule = Field(
        default="uniform",
        description="Density of the grid near the edges: doubled at all four, or by the objects that each edge cuts.",
    )
    batch: int = Field(default=64, ge=1, description="Prompts that a mask decoder answers together.")
    quality: float = Field(default=0.0, ge=0, le=1, description="Minimum quality that the backbone predicts.")
    contrast: float = Field(default=0.1, ge=0, le=1, description="Minimum grey step along the outline of SAM's masks.")
    smallest: int = Field(default=4, ge=1, description="Minimum area of an object in pixels.")
    largest: float = Field(default=0.8, gt=0, le=1, description="Maximum share of the image in one mask of SAM's.")
    grains_from: Literal["boundaries", "masks"] = Field(
        default="boundaries",
        description="Grains: cut along the boundaries that image and masks show, or the masks themselves.",
    )
    fill_gaps: bool = Field(
        default=True, description="Grains from masks: fill the gaps between the masks; else a gap is background."
    )
    outline_vote: float = Field(default=0.25, ge=0, description="Grains: weight of mask outlines among boundaries.")
    nms: float = Field(
        default=0.3, gt=0, le=1, description="Intersection over union above which the worse of two masks is removed."
    )
    between_crops: Literal["hard", "soft"] = Field(
        default="hard", description="Suppression between the crops of a large image: by nms, too, or Gaussian."
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_touching(cls, content: object) -> object:
        """Read ``touching: kept`` or ``parted`` of an earlier version, with a warning that names the new setting."""
        if not isinstance(content, Mapping) or "split_touching" in content:
            return content
        value = content.get("touching")
        if not isinstance(value, str) or value not in TOUCHING:
            return content
        split = TOUCHING[value]
        warn_of_touching(value, split)
        return {key: old for key, old in content.items() if key != "touching"} | {"split_touching": split}

    def recorded(self) -> str:
        """JSON in the first version's spelling, which names predictions and is compared with the catalog's rows."""
        text = self.model_dump_json()
        for word, split in TOUCHING.items():
            text = text.replace(f'"split_touching":{str(split).lower()}', f'"touching":"{word}"')
        return text

    def without_filters(self) -> MatSamPreset:
        """The same, keeping masks of any quality and contrast."""
        return self.model_copy(update={"quality": 0.0, "contrast": 0.0})

    def without_post_processing(self) -> MatSamPreset:
        """The same, keeping masks of any contrast, touching objects as one, and the gaps between masks of grains."""
        return self.model_copy(update={"contrast": 0.0, "split_touching": False, "fill_gaps": False})

    @property
    def masks_are_grains(self) -> bool:
        """Whether each surviving mask is a grain."""
        return self.output == "instances" and self.grains_from == "masks"
