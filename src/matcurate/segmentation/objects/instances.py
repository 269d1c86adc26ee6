"""Single objects from a foreground: touching ones are split where the network sees a contact.

References
----------
F. Meyer, "Topographic distance and watershed lines", Signal Processing 38 (1994).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from skimage.measure import label
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.segmentation.objects.merging import Ids, merged
from matcurate.types import BoolMask, LabelMap

PROMINENCE = 0.2
"""A maximum of depth is an object of its own where every path to a deeper one crosses a depth lower by this much."""
CONTACT = 0.35
"""Mean probability of contact along the border of two parts from which they are two objects."""


def pieces(classes: LabelMap | BoolMask, smallest: int = 4) -> Ids:
    """Connected pieces (4 neighbours) 1 … N of every class but 0 (H, W) with at least ``smallest`` pixels."""
    numbers = label(classes, background=0, connectivity=1)
    kept = np.bincount(numbers.ravel()) >= smallest
    kept[0] = False
    return np.asarray((np.cumsum(kept) * kept)[numbers], dtype=np.uint32)


def split(foreground: BoolMask, maps: ObjectMaps, smallest: int = 4) -> Ids:
    """Objects 1 … N of a foreground (H, W); pieces below ``smallest`` pixels are left out."""
    whole = pieces(foreground, smallest)
    objects = np.zeros(foreground.shape, dtype=np.uint32)
    count = 0
    for number, place in enumerate(find_objects(whole.astype(np.int32)), start=1):
        here = whole[place] == number
        parts = _parts(here, maps.contact[place].astype(np.float32), maps.distance[place].astype(np.float32))
        objects[place][here] = parts[here] + count
        count += int(parts.max())
    return objects


def _parts(here: BoolMask, contact: NDArray[np.float32], distance: NDArray[np.float32]) -> Ids:
    """Numbers 1 … n (h, w) of the parts of one connected piece; 0 outside it."""
    if contact[here].max() < CONTACT:
        return here.astype(np.uint32)
    depth = cv2.GaussianBlur(distance * (1 - contact), (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE) * here
    lowered = np.maximum(depth - PROMINENCE, 0)
    seeds = label(local_maxima(reconstruction(lowered, depth, method="dilation")) & here, connectivity=2)
    if int(seeds.max()) < 2:
        return here.astype(np.uint32)
    parts = watershed(-depth, seeds, mask=here)
    return merged(parts, contact, CONTACT)
