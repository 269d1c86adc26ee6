"""What a change is, and the parts that most of them share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcurate.imaging.dataset import LabelledMicrograph
from matcurate.imaging.proxy import to_float
from matcurate.types import BoolMask, LabelMap, Pixels

Shades: TypeAlias = NDArray[np.float32]
"""Grey values (H, W) in [0, 1], as :func:`matcurate.imaging.proxy.to_float` gives them."""
Apply: TypeAlias = Callable[[LabelledMicrograph, np.random.Generator], LabelledMicrograph]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A change of a micrograph and its label images, by its key in the registry; ``inverts``: bright becomes dark."""

    name: str
    description: str
    apply: Apply
    inverts: bool = False

    @classmethod
    def of_shades(
        cls, name: str, description: str, alter: Callable[..., Shades], *strength: float, inverts: bool = False
    ) -> "Change":
        """Change of grey values in [0, 1] by ``alter(shades, rng, *strength)``; the depth is kept."""

        def apply(labelled: LabelledMicrograph, rng: np.random.Generator) -> LabelledMicrograph:
            pixels = labelled.micrograph.pixels
            return with_pixels(labelled, as_depth(alter(to_float(pixels), rng, *strength), pixels.dtype))

        return cls(name, description, apply, inverts)


def as_depth(shades: Shades, depth: np.dtype[Any]) -> Pixels:
    """Grey values, cut off at 0 and 1, over the full range of uint8 or uint16; float32 stays in [0, 1]."""
    cut = np.clip(shades, 0, 1)
    if depth == np.float32:
        return np.asarray(cut, dtype=np.float32)
    return np.asarray(np.rint(cut.astype(np.float64) * np.iinfo(depth).max)).astype(depth)


def with_pixels(labelled: LabelledMicrograph, pixels: Pixels) -> LabelledMicrograph:
    """Other pixels of the same place: the label images stay."""
    return replace(labelled, micrograph=replace(labelled.micrograph, pixels=pixels))


def with_labels(labelled: LabelledMicrograph, alter: Callable[[LabelMap], LabelMap]) -> LabelledMicrograph:
    """Alter phases and instances alike."""
    instances = None if labelled.instances is None else alter(labelled.instances)
    return replace(labelled, phases=alter(labelled.phases), instances=instances)


def covered(labelled: LabelledMicrograph, shades: Shades, mask: BoolMask) -> LabelledMicrograph:
    """Show other shades (H, W) where a mask is set; the truth there is background.

    An instance that is covered in part keeps its id on every side of the cover: it is still one object.
    """
    depth = labelled.micrograph.pixels.dtype
    pixels = np.where(mask, as_depth(shades, depth), as_depth(to_float(labelled.micrograph.pixels), depth))
    return with_labels(with_pixels(labelled, pixels), lambda labels: np.where(mask, 0, labels).astype(labels.dtype))
