"""Features of a phase model at single pixels, to train a pixel head on and to measure one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.phase.inference import WINDOW, model_input, windows
from matcurate.phase.model import SegmentationModel
from matcurate.phase.ratios import no_ratio
from matcurate.uncertainty.pixels import features_at


@dataclass(frozen=True, slots=True, eq=False)
class Hypercolumns:
    """Features (N, D) of N pixels, in float16, and the channels of the maps that they are of, with sum D."""

    features: NDArray[np.float16]
    widths: tuple[int, ...]


def hypercolumns(
    model: SegmentationModel, grey: NDArray[np.float32], rows: NDArray[np.integer], columns: NDArray[np.integer]
) -> Hypercolumns:
    """Features of pixels of a micrograph, as the model sees it without a ratio.

    ``model``: put into evaluation mode, on any device; ``grey``: float32 array (H, W), in [0, 1], of any size; ``rows``
    and ``columns``: int arrays (N,), of the pixels; N is at least 1. Raises ValueError when a pixel lies outside.
    """
    if not len(rows) or min(rows.min(), columns.min()) < 0 or rows.max() >= len(grey) or columns.max() >= grey.shape[1]:
        raise ValueError(f"needs pixels within {grey.shape}")
    model.eval()
    image, device = model_input(model, grey), next(model.parameters()).device
    ratio = torch.from_numpy(no_ratio(model.phases)).float()[None].to(device)
    # Middles of pixels, in pixels of the magnified picture.
    down, right = ((np.asarray(at) + 0.5) * model.scale - 0.5 for at in (rows, columns))
    edge, waiting = model.window or WINDOW, np.ones(len(rows), dtype=np.bool_)
    parts: list[NDArray[np.float16]] = []
    order: list[NDArray[np.int64]] = []
    with torch.inference_mode():
        for top, left in windows(image.shape, edge):
            inside = np.flatnonzero(waiting & (down < top + edge - 0.5) & (right < left + edge - 0.5))
            if not len(inside):
                continue
            waiting[inside] = False
            description = model.described(image[top : top + edge, left : left + edge][None, None].to(device), ratio)
            positions = (torch.from_numpy(at[inside] - start).to(device) for at, start in ((down, top), (right, left)))
            parts.append(features_at(description.maps, description.span, *positions).half().cpu().numpy())
            order.append(inside)
            widths = tuple(level.shape[1] for level in description.maps)
    return Hypercolumns(np.concatenate(parts)[np.argsort(np.concatenate(order))], widths)
