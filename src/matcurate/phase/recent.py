"""Probabilities of the last few micrographs, so that another area fraction needs no other run of the model."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from matcurate.phase.inference import phase_shares
from matcurate.phase.model import SegmentationModel
from matcurate.phase.ratios import Ratio

ROOM = 256 * 2**20
"""Bytes that are kept: 21 micrographs of 1024 × 1024 pixels and three phases."""


class RecentShares:
    """Keeps probabilities of the micrographs used last, up to ``room`` bytes; for one thread."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()

    def shares(self, model: SegmentationModel, grey: NDArray[np.float32], ratio: Ratio) -> NDArray[np.float32]:
        """As :func:`~matcurate.phase.inference.phase_shares`, from memory where this was asked for lately."""
        key = hashlib.sha256(grey.tobytes() + ratio.tobytes() + repr(grey.shape).encode()).digest()
        kept = self._kept.pop(key, None)
        if kept is None:
            kept = phase_shares(model, grey, ratio)
        self._kept[key] = kept
        while sum(each.nbytes for each in self._kept.values()) > self._room:
            self._kept.popitem(last=False)
        return kept
