"""What of an image is no micrograph: data bars, flat borders, scale bars. It counts for nothing, not as background.

Everything that turns pixels into numbers takes the mask of :func:`find_ignored`: None where all of the image counts.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from matcurate.imaging.databar import without_databars
from matcurate.imaging.frame import Frame, frame_of
from matcurate.imaging.micrograph import Micrograph
from matcurate.imaging.scalebar import find_scale_bars
from matcurate.types import UNKNOWN, BoolMask, LabelMap, Pixels

IGNORED = ".ignored.png"
"""End of the name of a mask beside results: 1 on what is ignored."""


def find_ignored(pixels: Pixels, image_rows: int | None = None) -> BoolMask | None:
    """Mask (H, W) of data bars, flat borders and scale bars in a finite image; None where there is none.

    ``image_rows`` are the rows of the micrograph where the file states that these are fewer than H.

    >>> pixels = np.random.default_rng(0).integers(40, 216, (96, 160)).astype(np.uint8)
    >>> find_ignored(pixels) is None
    True
    >>> int(find_ignored(pixels, image_rows=90).sum())
    960
    """
    bars = without_databars(pixels, image_rows)
    borders = frame_of(pixels[bars.inside])
    frame = bars if borders is None else borders.moved(bars.top, bars.left)
    picture = pixels[frame.inside]
    scale_bars = find_scale_bars(picture)
    if frame == Frame(0, 0, *pixels.shape) and not scale_bars:
        return None
    ignored = np.ones(pixels.shape, dtype=np.bool_)
    ignored[frame.inside] = False
    for scale_bar in scale_bars:
        ignored[frame.inside] |= scale_bar.mask((picture.shape[0], picture.shape[1]))
    return ignored


def ignored_of(micrograph: Micrograph) -> BoolMask | None:
    """What of a micrograph (H, W) as read from its file is ignored; None where all of it counts."""
    return find_ignored(micrograph.pixels, micrograph.acquisition.image_rows)


def frame_within(ignored: BoolMask | None, shape: tuple[int, ...]) -> Frame:
    """Smallest frame that holds all pixels (H, W) that count: where models look, and where crops lie."""
    height, width = shape
    if ignored is None or ignored.all():
        return Frame(0, 0, height, width)
    rows, columns = (np.flatnonzero(~ignored.all(axis=axis)) for axis in (1, 0))
    return Frame(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def looked_at(pixels: Pixels, ignored: BoolMask | None) -> Pixels:
    """What models see of an image (H, W): its frame, the nearest pixel that counts standing for one that does not.

    Same type; the size (h, w) is that of :func:`frame_within`.
    """
    if ignored is None:
        return pixels
    inside = frame_within(ignored, pixels.shape).inside
    seen, hidden = pixels[inside], ignored[inside]
    if not hidden.any():
        return seen
    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return np.asarray(seen[tuple(nearest)])


def spread_out(seen: NDArray[np.float32], ignored: BoolMask | None) -> NDArray[np.float32]:
    """Values (H, W) of an image from those of what was looked at of it (h, w): 0 on what is ignored."""
    if ignored is None:
        return seen
    whole = np.zeros(ignored.shape, dtype=np.float32)
    whole[frame_within(ignored, ignored.shape).inside] = seen
    whole[ignored] = 0
    return whole


def counted(values: NDArray[Any], ignored: BoolMask | None) -> NDArray[Any]:
    """Those of the values (H, W) of pixels that count: as they are where all do, else (N,)."""
    return values if ignored is None else values[~ignored]


def with_unknown(labels: LabelMap, ignored: BoolMask | None) -> LabelMap:
    """Phase ids below :data:`UNKNOWN` (H, W) as they are learned from and compared: that id on what is ignored."""
    return labels if ignored is None else np.where(ignored, UNKNOWN, labels).astype(np.uint8)
