"""Evidence of a phase model: a head fitted to what it makes of its training pictures, and what that says of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from matcurate.acquisition.scores import bald
from matcurate.learned.hypercolumns import hypercolumns
from matcurate.phase.inference import blended_maps, phase_probabilities
from matcurate.phase.model import Description, PhaseModel
from matcurate.phase.ratios import Ratio
from matcurate.phase.samples import Picture
from matcurate.types import UNKNOWN, Progress, silent
from matcurate.uncertainty.calibration import Reliability, reliability
from matcurate.uncertainty.pixels import PixelHead, PixelSettings, drawn_pixels, fit_pixel_head

EVIDENCE_FILE = "evidence.safetensors"
"""Of a model version, beside its adapter."""
COARSE = 4
"""BALD is computed of one pixel in a square of so many by so many: it is asked for as a mean."""
STRIDE = 5
"""Of a golden micrograph, every fifth row and column is looked at for calibration: neighbours say the same."""


def fit_evidence(
    model: PhaseModel,
    pictures: Sequence[Picture],
    classes: Sequence[str],
    seed: int,
    settings: PixelSettings = PixelSettings(),  # noqa: B008 - frozen
    progress: Progress = silent,
) -> PixelHead:
    """A pixel head for a trained model, learned from labelled pictures; the model itself is not changed.

    ``model``: trained, on any device; ``pictures``: at least one; ``seed``: of pixels and training, non-negative;
    ``settings``: shape and training of the head. Raises TrainingError when the loss is not finite.
    """
    rng = np.random.default_rng((seed, 2))
    features, labels = [], []
    widths: tuple[int, ...] = ()
    for done, each in enumerate(pictures):
        progress(done, len(pictures), f"evidence: {each.name}")
        known = np.flatnonzero(each.labels != UNKNOWN)
        drawn = known[drawn_pixels(each.labels.ravel()[known], settings.pixels, settings.balance, rng)]
        rows, columns = np.divmod(drawn, each.labels.shape[1])
        seen = hypercolumns(model, each.grey, rows, columns)
        features.append(seen.features.astype(np.float32))
        labels.append(each.labels.ravel()[drawn])
        widths = seen.widths
    progress(len(pictures), len(pictures))
    return fit_pixel_head(np.concatenate(features), np.concatenate(labels), widths, classes, settings, seed)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A micrograph's phases and how well they are known.

    ``shares``: float32 array (n, H, W), probabilities of the phases by the model; ``vacuity``: float32 array (H, W), in
    (0, 1], by the pixel head; ``disagreement``: float32 array (H, W), BALD of the pixel head's passes with dropout, in
    nats, the same for squares of :data:`COARSE` pixels; None where no passes were asked for, or the head has no
    dropout.
    """

    shares: NDArray[np.float32]
    vacuity: NDArray[np.float32]
    disagreement: NDArray[np.float32] | None = None


def judge(
    model: PhaseModel,
    head: PixelHead,
    grey: NDArray[np.float32],
    ratio: Ratio,
    progress: Progress = silent,
    draws: int = 0,
) -> Judged:
    """Phases and vacuity of a micrograph of any size, in one pass of the model.

    ``grey``: float32 array (H, W), in [0, 1], finite; ``ratio``: float array (n,), of the whole micrograph; zeros where
    the expert gave none; ``draws``: passes of the head with dropout, the same for every micrograph; 0 asks for none.
    Raises ValueError as :func:`matcurate.phase.inference.phase_shares`.
    """
    head = head.to(next(model.parameters()).device).eval()
    kept = head.dropout_masks(draws) if draws and head.settings.dropout else None

    def every(seen: Description) -> Tensor:
        height, width = seen.logits.shape[2:]
        hidden = head.hidden_of(seen.maps, seen.span, (height, width))
        alpha = head.parameters_from(hidden)
        parts = [phase_probabilities(seen), alpha.shape[1] / alpha.sum(dim=1, keepdim=True)]
        if kept is not None:
            parts.append(_disagreement(head, hidden, kept))
        return torch.cat(parts, dim=1)

    maps = blended_maps(model, grey, ratio, every, progress=progress)
    phases = model.phases
    return Judged(maps[:phases], maps[phases], None if kept is None else maps[phases + 1])


def _disagreement(head: PixelHead, hidden: Tensor, kept: Tensor) -> Tensor:
    """BALD (1, 1, H, W) of a window: of the pixel in the middle of every square, for all of it."""
    grid = (slice(None), slice(COARSE // 2, None, COARSE), slice(COARSE // 2, None, COARSE))
    coarse = hidden[grid] if min(hidden.shape[1:3]) > COARSE // 2 else hidden
    alpha = head.drawn_parameters(coarse, kept)
    draws = (alpha / alpha.sum(dim=-1, keepdim=True)).flatten(1, 3).cpu().numpy()
    found = torch.from_numpy(bald(draws).reshape(1, 1, *coarse.shape[1:3])).to(hidden)
    return functional.interpolate(found, tuple(hidden.shape[1:3]), mode="nearest")


class Calibration:
    """Collects pixels of micrographs whose phases are known, and says how far the uncertainty can be trusted."""

    def __init__(self) -> None:
        self._vacuity: list[NDArray[np.float32]] = []
        self._confidence: list[NDArray[np.float32]] = []
        self._correct: list[NDArray[np.bool_]] = []

    def add(self, judged: Judged, truth: NDArray[np.integer]) -> None:
        """Take in a micrograph and its true phase ids (H, W), where these are not ``UNKNOWN``."""
        grid = (slice(STRIDE // 2, None, STRIDE),) * 2
        known = truth[grid] != UNKNOWN
        self._vacuity.append(judged.vacuity[grid][known])
        self._confidence.append(judged.shares.max(axis=0)[grid][known])
        self._correct.append((judged.shares.argmax(axis=0) == truth)[grid][known])

    def result(self) -> Reliability:
        """Errors of the segmentation found by vacuity, and the calibration of its probabilities.

        Raises ValueError when nothing was added.
        """
        confidence = np.clip(np.concatenate(self._confidence), 0.0, 1.0)
        return reliability(np.concatenate(self._vacuity), confidence, np.concatenate(self._correct))
