"""Segmentation over the micrograph, for the eye: a tint per phase and one-pixel outlines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcurate.files import replace_file
from matcurate.imaging.proxy import encode_png, to_uint8
from matcurate.types import BoolMask, LabelMap, Pixels

PHASE_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Colours of class ids 1, 2, …, safe for colour-blind readers (Okabe and Ito 2008), repeated when they run out."""
TINT = 0.3
"""Share of the phase's colour inside a region; low enough for the grain's own contrast to stay visible."""


def overlay(
    pixels: Pixels,
    phases: LabelMap,
    instances: LabelMap | None = None,
    colours: Sequence[str] = PHASE_COLOURS,
    tint: float = TINT,
) -> NDArray[np.uint8]:
    """Tint every phase and outline every instance (without instances, every phase) in the phase's full colour.

    All arrays are (H, W); grey values are shown as :func:`~matcurate.imaging.proxy.to_uint8` shows them. Class 0 stays
    grey, id i has ``colours[(i - 1) % len(colours)]`` (``#RRGGBB``) with the share ``tint`` in [0, 1]. Returns uint8
    (H, W, 3). Raises ValueError when the arrays differ in size.
    """
    outlined = phases if instances is None else instances
    if not pixels.shape == phases.shape == outlined.shape:
        raise ValueError(f"pixels {pixels.shape}, phases {phases.shape}, instances {outlined.shape} differ in size")
    palette = np.array([list(bytes.fromhex(colour.removeprefix("#"))) for colour in colours], dtype=np.float32)
    colour = palette[(phases.astype(np.int64) - 1) % len(palette)]
    share = np.where(phases > 0, np.float32(tint), np.float32(0))
    share[outlines(outlined) & (phases > 0)] = 1
    grey = to_uint8(pixels).astype(np.float32)
    mixed = grey[..., None] * (1 - share[..., None]) + colour * share[..., None]
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def outlines(labels: LabelMap) -> BoolMask:
    """One-pixel outlines inside the regions: pixels whose id is larger than that of a 4-neighbour.

    Two touching regions share one line. labels (H, W), 0 is background. Returns bool (H, W).
    """
    edge = np.zeros(labels.shape, dtype=np.bool_)
    edge[1:] |= labels[1:] > labels[:-1]
    edge[:-1] |= labels[:-1] > labels[1:]
    edge[:, 1:] |= labels[:, 1:] > labels[:, :-1]
    edge[:, :-1] |= labels[:, :-1] > labels[:, 1:]
    return edge


def write_overlay(path: Path, pixels: Pixels, phases: LabelMap, instances: LabelMap | None = None) -> None:
    """Write :func:`overlay` in its default colours as PNG."""
    replace_file(path, encode_png(overlay(pixels, phases, instances)))
