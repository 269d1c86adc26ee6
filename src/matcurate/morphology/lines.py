"""Images of grain boundaries: which of two colours is the line, and the grains that the lines part.

Other tools draw boundaries in black or in white, one pixel wide or several. A mask of particles has two colours too, so
measurements distinguish lines from a matrix:

- they cover at most :data:`MOST_COVERED` of the image, and so much less than the grains between them;
- nearly all of them hang together (8 neighbours), as a network does and scattered objects do not;
- they part the image into several regions (4 neighbours, because a line one pixel wide may run along diagonals), none
  of which is most of the image, as a matrix would be;
- they are hardly anywhere much wider than in the mean, as the gaps between packed particles are;
- the regions have corners, as grains that meet have, and particles packed closely have not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from matcurate.morphology.numbering import Integers, LabelIds
from matcurate.morphology.outlines import measure_outlines
from matcurate.types import BoolMask, LabelMap

Colour = Literal["white", "black"]

MOST_COVERED = 0.30
"""Largest share of the image that lines cover; a test line then meets 0.43 times as much line as grain."""
LEAST_CONNECTED = 0.80
"""Smallest share of the line pixels that are in one piece."""
FEWEST_REGIONS = 5
"""A line or two part an image too: layers, and cracks."""
LARGEST_REGION = 0.50
"""Largest share of the area between lines that one region has; a matrix has more."""
MOST_WIDE = 0.10
"""Largest share of the line pixels that are further from the nearest grain than the mean width of the lines."""
ROUND = 0.95
"""Mean circularity, by area, from which regions are particles; a regular hexagon has 0.91."""
_NARROWEST = 1.5
"""Half a pixel more than the distance from the middle of a line one pixel wide to its side, which a corner reaches."""
_ISOTROPIC = np.pi / 4
"""Length of a boundary over the number of pixel edges along it, mean over all directions (Cauchy)."""


@dataclass(frozen=True, slots=True)
class LineNetwork:
    """What is measured on pixels that may be boundary lines.

    They cover the share ``covered`` of the image and have a mean ``width`` in pixels: twice the area over the length of
    the sides. ``connected`` of them are in the largest piece (8 neighbours), ``wide`` of them further from the nearest
    region than ``width``. Between them lie ``regions`` (4 neighbours), of which the largest has the share ``largest``;
    ``circularity`` is 4π area / perimeter² of those that lie whole in the image, weighted by area.
    """

    covered: float
    width: float
    connected: float
    regions: int
    largest: float
    wide: float
    circularity: float

    @property
    def objection(self) -> str | None:
        """Why these pixels are no boundary lines; None when they are."""
        return next((text for holds, text in self._objections() if holds), None)

    def _objections(self) -> Iterator[tuple[bool, str]]:
        yield self.covered > MOST_COVERED, f"cover {self.covered:.0%} of the image, more than {MOST_COVERED:.0%}"
        yield self.regions < FEWEST_REGIONS, f"part it into {self.regions} regions, fewer than {FEWEST_REGIONS}"
        pieces = f"are in pieces, the largest has {self.connected:.0%} of them, less than {LEAST_CONNECTED:.0%}"
        yield self.connected < LEAST_CONNECTED, pieces
        matrix = f"leave one region with {self.largest:.0%} of the rest, more than {LARGEST_REGION:.0%}"
        yield self.largest > LARGEST_REGION, matrix
        wide = f"are twice as wide as in the mean at {self.wide:.0%} of them, more than {MOST_WIDE:.0%}"
        yield self.wide > MOST_WIDE, wide
        yield self.circularity > ROUND, f"lie between round regions (circularity {self.circularity:.2f})"


@dataclass(frozen=True, slots=True)
class BoundaryReading:
    """How an image of two colours was read: the colour of the boundary lines, none when it shows objects apart.

    Without lines, their mean width and the share of the image that they cover are None; ``reason`` is one line.
    """

    lines: Colour | Literal["none"]
    width_px: float | None
    covered: float | None
    reason: str


def read_boundaries(white: BoolMask, stated: Colour | Literal["none", "auto"] = "auto") -> BoundaryReading:
    """Decide which colour of an image of two colours is the boundary line between grains, if any.

    ``white`` (H, W) are the pixels of the higher value; ``auto`` examines the colour that covers less.
    """
    if stated == "none":
        return BoundaryReading("none", None, None, "objects apart, as --boundaries none says")
    colour = stated if stated != "auto" else "white" if np.count_nonzero(white) * 2 < white.size else "black"
    lines = white if colour == "white" else ~white
    if stated == "auto" and np.count_nonzero(lines) > MOST_COVERED * lines.size:
        return _objects_apart(colour, f"cover {lines.mean():.0%} of the image, more than {MOST_COVERED:.0%}")
    network = measure_lines(lines)
    if stated == "auto" and network.objection is not None:
        return _objects_apart(colour, network.objection)
    why = "" if stated == "auto" else f", as --boundaries {stated} says"
    text = f"{colour} boundary lines, {network.width:.1f} px wide and {network.covered:.1%} of the image{why}"
    return BoundaryReading(colour, network.width, network.covered, text)


def _objects_apart(colour: Colour, objection: str) -> BoundaryReading:
    text = f"objects apart: the {colour} pixels {objection}; if they are boundary lines, give --boundaries {colour}"
    return BoundaryReading("none", None, None, text)


def measure_lines(lines: BoolMask) -> LineNetwork:
    """Measure pixels (H, W) that may be the boundary lines between grains."""
    count = int(np.count_nonzero(lines))
    grains = part_grains(lines)
    areas = _areas(grains)
    if count == 0 or len(areas) == 0:
        return LineNetwork(count / lines.size, 0.0, 0.0, len(areas), 1.0, 0.0, 0.0)
    sides = np.count_nonzero(lines[:, 1:] != lines[:, :-1]) + np.count_nonzero(lines[1:] != lines[:-1])
    width = 2 * count / (_ISOTROPIC * sides)
    distance = cv2.distanceTransform(lines.view(np.uint8), cv2.DIST_L2, 5)
    return LineNetwork(
        covered=count / lines.size,
        width=width,
        connected=float(_areas(_components(lines, 8)).max()) / count,
        regions=len(areas),
        largest=float(areas.max() / areas.sum()),
        wide=int(np.count_nonzero(distance > max(width, _NARROWEST))) / count,
        circularity=_circularity(grains, areas),
    )


def part_grains(lines: BoolMask) -> LabelMap:
    """Ids 1…N of the regions (4 neighbours) between lines (H, W), 0 on the lines; uint32 (H, W)."""
    return _components(~lines, 4).astype(np.uint32)


def _components(mask: BoolMask, neighbours: Literal[4, 8]) -> LabelIds:
    contiguous = np.ascontiguousarray(mask).view(np.uint8)
    return np.asarray(cv2.connectedComponents(contiguous, connectivity=neighbours)[1], dtype=np.int32)


def _areas(components: NDArray[np.integer]) -> Integers:
    """Pixels of the components 1…N: (N,)."""
    return np.bincount(components.ravel())[1:].astype(np.int64)


def _circularity(grains: LabelMap, areas: Integers) -> float:
    """Mean by area over the regions that the edge of the image does not cut; over all where it cuts every one."""
    compact = grains.astype(np.int32)
    perimeter = measure_outlines(compact, find_objects(compact)).perimeter
    circularity = np.minimum(4 * np.pi * areas / perimeter**2, 1.0)
    whole = np.ones(len(areas), dtype=np.bool_)
    rim = np.concatenate([compact[0], compact[-1], compact[:, 0], compact[:, -1]])
    whole[rim[rim > 0] - 1] = False
    weights = areas * whole if whole.any() else areas
    return float(weights @ circularity / weights.sum())
