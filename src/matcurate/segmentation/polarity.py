"""Side of the grey levels that is the foreground, decided without a mask.

The rule, in this order:

1. The matrix is connected; the phase lies in it in pieces. The image is freed of outliers and noise and split by Otsu's
   threshold. Each side gets its effective number of pieces n = (Σ a)² / Σ a² over the areas a of its connected
   components: 1 for one piece, N for N equal ones, and hardly changed by specks. Where one side's n is at least
   ``DECISIVE`` times the other's, that side is the foreground.
2. Otherwise both sides are connected (layers, dendrites, a network in a network). The matrix reaches the frame of the
   image: the side that covers less of the frame than of the image is the foreground, when the two differ by
   ``FRAME_MARGIN`` or more.
3. Otherwise the side with the smaller area is the foreground; the bright one of two equal halves.
"""

from __future__ import annotations

import cv2
import numpy as np

from matcurate.config import Polarity
from matcurate.segmentation.denoising import Grey, denoise, otsu_foreground
from matcurate.segmentation.field import field_of_view
from matcurate.types import BoolMask, Pixels, Side

DECISIVE = 1.5
FRAME_MARGIN = 0.1
SMALLEST_PIECE = 9
"""Pixels; smaller pieces are noise and are not counted."""


def decide_side(pixels: Pixels, polarity: Polarity = "auto") -> Side:
    """Return ``polarity``, or the side of the foreground of a micrograph (H, W) by the rule of this module."""
    if polarity != "auto":
        return polarity
    field = field_of_view(pixels)
    return side_of(denoise(pixels if field is None else field.filled(pixels)))


def foreground_side(pixels: Pixels, foreground: BoolMask) -> Side:
    """Whether a foreground (H, W) is brighter or darker than the rest on average; "bright" where there is no rest."""
    if foreground.all() or not foreground.any():
        return "bright"
    return "bright" if pixels[foreground].mean() >= pixels[~foreground].mean() else "dark"


def side_of(grey: Grey) -> Side:
    """Side of the foreground of a denoised image (H, W), by the rule of this module."""
    soft = cv2.GaussianBlur(grey, (5, 5), 0)
    bright = otsu_foreground(soft, "bright")
    pieces_bright, pieces_dark = effective_pieces(bright), effective_pieces(~bright)
    if pieces_bright >= DECISIVE * pieces_dark:
        return "bright"
    if pieces_dark >= DECISIVE * pieces_bright:
        return "dark"
    share, on_frame = float(bright.mean()), float(_frame(bright).mean())
    if abs(on_frame - share) >= FRAME_MARGIN:
        return "bright" if on_frame < share else "dark"
    return "bright" if share <= 0.5 else "dark"


def effective_pieces(mask: BoolMask) -> float:
    """Effective number (Σ a)² / Σ a² of the mask's connected components (4 neighbours); 0 for an empty mask."""
    labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1]
    areas = np.bincount(labels.ravel())[1:].astype(np.float64)
    areas = areas[areas >= SMALLEST_PIECE]
    return float(areas.sum() ** 2 / np.sum(areas**2)) if areas.size else 0.0


def _frame(mask: BoolMask) -> BoolMask:
    return np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
