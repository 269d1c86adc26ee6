"""A micrograph prepared for segmentation, once for all steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from matcurate.config import Polarity
from matcurate.segmentation.denoising import Grey, denoise
from matcurate.segmentation.field import Disc, field_of_view
from matcurate.segmentation.polarity import side_of
from matcurate.segmentation.result import Segmentation
from matcurate.types import Pixels, Side


@dataclass(frozen=True, eq=False)
class Prepared:
    """A micrograph, and what follows from it, computed when first needed.

    ``pixels`` (H, W) mirror the inside of the round ``field`` of view outside it, if there is one; ``stated`` is the
    foreground's side where the user knows it.
    """

    pixels: Pixels
    stated: Side | None = None
    field: Disc | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        height, width = self.pixels.shape
        return height, width

    @cached_property
    def grey(self) -> Grey:
        """Denoised 8-bit grey levels (H, W)."""
        return denoise(self.pixels)

    @cached_property
    def side(self) -> Side:
        """Side of the foreground: as stated, else by the rule of :mod:`matcurate.segmentation.polarity`."""
        return self.stated or side_of(self.grey)

    def inside_field(self, segmentation: Segmentation) -> Segmentation:
        """A segmentation without what lies outside the field of view."""
        return segmentation if self.field is None else segmentation.within(self.field.mask(self.shape))


def prepare(pixels: Pixels, polarity: Polarity = "auto") -> Prepared:
    """Prepare a finite micrograph (H, W) of uint8, uint16 or float."""
    field = field_of_view(pixels)
    seen = pixels if field is None else field.filled(pixels)
    return Prepared(seen, None if polarity == "auto" else polarity, field)
