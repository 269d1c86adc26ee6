"""Grains taken from the masks themselves, and the network of their boundaries.

MatSAM (Li et al. 2024), section 2.3: the boundaries "are extracted from the boundaries of each grain object
segmentation mask". Post-processing (section 4.3: dilation, erosion, skeletonisation) makes them a closed network, one
pixel wide: the gaps between the masks and the lines where two masks touch are dilated, skeletonised, and freed of
branches that end inside the image. A gap as wide as a grain is a grain that no mask shows; the outlines of the masks
around it bound it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import label
from skimage.morphology import skeletonize

from matcurate.segmentation.boundaries import nearest_id
from matcurate.segmentation.matsam.postprocess import paint
from matcurate.segmentation.objects.instances import pieces
from matcurate.types import BoolMask, Candidate

Ids = NDArray[np.uint32]

WIDE = 11
"""Diameter in pixels of the disc that fits into a gap that is a grain."""
BORDER = 32
"""Pixels by which the image is continued before thinning: boundaries of up to twice this width reach its frame."""


def grains_from_masks(
    candidates: Sequence[Candidate], shape: tuple[int, int], smallest: int, *, filled: bool = True
) -> Ids:
    """Grains (H, W) of the masks, the smaller mask on top where two overlap.

    Connected pieces of a mask below ``smallest`` pixels are left out. The gaps between the masks are ``filled`` as
    :func:`filled_grains` does; else they have id 0.
    """
    ids = pieces(paint(candidates, shape), smallest)
    return filled_grains(ids, smallest) if filled else ids


def filled_grains(ids: Ids, smallest: int) -> Ids:
    """Grains 1 … N that fill the image (H, W); id 0 is a gap.

    Parts of gaps that are wider than ``WIDE`` and have at least ``smallest`` pixels are grains; all other pixels go to
    the nearest grain. Without any grain the image is one grain.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (WIDE, WIDE))
    wide = pieces(cv2.morphologyEx((ids == 0).astype(np.uint8), cv2.MORPH_OPEN, disc).astype(np.uint8), smallest)
    network = grain_network(np.where(wide > 0, wide + ids.max(), ids))
    cells = np.asarray(label(~network, background=0, connectivity=1), dtype=np.uint32)
    if not ids.any() or not cells.any():
        return np.ones(ids.shape, dtype=np.uint32)
    return nearest_id(cells, network)


def grain_network(ids: Ids) -> BoolMask:
    """Boundaries (H, W) between grains with gaps (id 0), one pixel wide: dilated, skeletonised, pruned."""
    walls = ids == 0
    for one, other, wall in (
        (ids[:, :-1], ids[:, 1:], walls[:, :-1]),
        (ids[:-1], ids[1:], walls[:-1]),
    ):
        wall |= (one != other) & (one > 0) & (other > 0)
    wide = cv2.dilate(walls.astype(np.uint8), np.ones((3, 3), np.uint8))
    thin = skeletonize(np.pad(wide > 0, BORDER, mode="edge"))
    return pruned(thin[BORDER:-BORDER, BORDER:-BORDER])


def pruned(network: BoolMask) -> BoolMask:
    """Lines (H, W) without the branches that end inside the image; ends on its frame stay."""
    around = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
    frame = np.ones(network.shape, dtype=np.bool_)
    frame[1:-1, 1:-1] = False
    kept = network.copy()
    while True:
        neighbours = cv2.filter2D(kept.astype(np.uint8), -1, around, borderType=cv2.BORDER_CONSTANT)
        tips = kept & (neighbours <= 1) & ~frame
        if not tips.any():
            break
        kept &= ~tips
    return np.asarray(skeletonize(kept), dtype=np.bool_)  # takes the foot of each branch off the line it stood on
