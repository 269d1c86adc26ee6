"""A grid whose density near each edge follows the objects that this edge cuts.

MatSAM (Li et al. 2024), section 4.2: the grid is regular in the centre; near the edges "the grid point generation
strategy is dynamically adjusted to provide more dense points, avoiding the segmentation of incomplete objects".
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from matcurate.types import BoolMask

DENSEST = 4.0
"""Largest ratio of the regular spacing to the spacing near an edge."""


@dataclass(frozen=True, slots=True)
class CutObjects:
    """Number of objects that each edge of the image cuts."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


def cut_objects(foreground: BoolMask, smallest: int) -> CutObjects:
    """Count the connected regions of at least ``smallest`` pixels that touch each edge of a mask (H, W)."""
    regions = label(foreground, connectivity=1)
    large = np.bincount(regions.ravel()) >= smallest
    large[0] = False
    lines = regions[0], regions[-1], regions[:, 0], regions[:, -1]
    return CutObjects(*(int(large[np.unique(line)].sum()) for line in lines))


def edge_grid(shape: tuple[int, int], count: int, cut: CutObjects, band: float) -> NDArray[np.float64]:
    """Regular grid of about ``count`` points (x, y) over (H, W), denser in the band along each edge that cuts objects.

    The regular spacing is divided by 1 + n / c, at most ``DENSEST``, in the band of an edge that cuts n objects and
    along which c regular points lie. Where two bands meet, the denser one counts. ``band`` is the depth of the bands as
    a share of the height or width; at least one regular spacing is taken.
    """
    height, width = shape
    step = max(2.0, float(np.sqrt(height * width / count)))
    sides = zip(astuple(cut), (width, width, height, height), strict=True)
    density = np.array([1.0, *(min(DENSEST, 1 + n / max(1, round(length / step))) for n, length in sides)])
    points = []
    for factor in np.unique(density):
        grid = _lattice(shape, step / float(factor))
        points.append(
            grid[_density_at(grid, shape, density, (max(band * height, step), max(band * width, step))) == factor]
        )
    return np.concatenate(points)


def _lattice(shape: tuple[int, int], step: float) -> NDArray[np.float64]:
    """Points (x, y) of a regular grid, in the middles of its cells."""
    rows, columns = ((np.arange(n) + 0.5) * length / n for length in shape if (n := max(1, round(length / step))))
    return np.stack(np.meshgrid(np.floor(columns), np.floor(rows)), axis=-1).reshape(-1, 2)


def _density_at(
    points: NDArray[np.float64], shape: tuple[int, int], density: NDArray[np.float64], depth: tuple[float, float]
) -> NDArray[np.float64]:
    """Largest density (N,) of the centre and of the bands (top, bottom, left, right) that hold each point (x, y)."""
    x, y = points.T
    inside = [y < depth[0], y >= shape[0] - depth[0], x < depth[1], x >= shape[1] - depth[1]]
    everywhere = np.ones(len(points), dtype=np.bool_)
    return np.asarray((np.stack([everywhere, *inside]) * density[:, None]).max(axis=0))
