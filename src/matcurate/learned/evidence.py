"""Evidence of a phase model: a head fitted to its features of training pictures, and the vacuity it predicts."""

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
from matcurate.phase.model import Description, SegmentationModel
from matcurate.phase.ratios import Ratio
from matcurate.phase.samples import Picture
from matcurate.types import UNKNOWN, Progress, silent
from matcurate.uncertainty.calibration import Reliability, reliability
from matcurate.uncertainty.pixels import PixelHead, PixelSettings, drawn_pixels, fit_pixel_head

EVIDENCE_FILE = "evidence.safetensors"
"""File of a model version's pixel head, beside its adapter."""
COARSE = 4
"""Edge of a square in pixels, for one of which BALD is computed: only its mean is used."""
STRIDE = 5
"""Step between the rows and columns of a golden micrograph that count for calibration: neighbours are alike."""


def fit_evidence(
    model: SegmentationModel,
    pictures: Sequence[Picture],
    classes: Sequence[str],
    seed: int,
    settings: PixelSettings = PixelSettings(),  # noqa: B008 - frozen
    progress: Progress = silent,
) -> PixelHead:
    """Fit a pixel head to a trained model, from labelled pictures, at least one; the model itself is not changed.

    ``classes`` are the names of the model's phases. Raises TrainingError when the loss is not finite.
    """
    rng = np.random.default_rng((seed, 2))
    features, labels = [], []
    widths: tuple[int, ...] = ()
    for done, picture in enumerate(pictures):
        progress(done, len(pictures), f"evidence: {picture.name}")
        known = np.flatnonzero(picture.labels != UNKNOWN)
        drawn = known[drawn_pixels(picture.labels.ravel()[known], settings.pixels, settings.balance, rng)]
        rows, columns = np.divmod(drawn, picture.labels.shape[1])
        pixels = hypercolumns(model, picture.grey, rows, columns)
        features.append(pixels.features.astype(np.float32))
        labels.append(picture.labels.ravel()[drawn])
        widths = pixels.widths
    progress(len(pictures), len(pictures))
    return fit_pixel_head(np.concatenate(features), np.concatenate(labels), widths, classes, settings, seed)


@dataclass(frozen=True, slots=True, eq=False)
class PredictionWithVacuity:
    """Probabilities ``shares`` (n, H, W) of a micrograph's phases, and their ``vacuity`` (H, W) in (0, 1], float32.

    ``disagreement`` (H, W) is BALD of the pixel head's passes with dropout, in nats, constant in squares of
    :data:`COARSE` pixels; None where ``draws`` is 0, or the head has no dropout.
    """

    shares: NDArray[np.float32]
    vacuity: NDArray[np.float32]
    disagreement: NDArray[np.float32] | None = None


def predict_with_vacuity(
    model: SegmentationModel,
    head: PixelHead,
    grey: NDArray[np.float32],
    ratio: Ratio,
    progress: Progress = silent,
    draws: int = 0,
) -> PredictionWithVacuity:
    """Predict phases and vacuity of a micrograph of any size, in one pass of the model.

    ``grey`` (H, W), float32 in [0, 1]; ``ratio`` (n,) of the whole micrograph, zeros where the expert gave none;
    ``draws`` passes of the head with dropout, the same for every micrograph. Raises ValueError as
    :func:`matcurate.phase.inference.phase_shares`.
    """
    head = head.to(next(model.parameters()).device).eval()
    kept = head.dropout_masks(draws) if draws and head.settings.dropout else None

    def maps_of(description: Description) -> Tensor:
        height, width = description.logits.shape[2:]
        hidden = head.hidden_of(description.maps, description.span, (height, width))
        alpha = head.parameters_from(hidden)
        parts = [phase_probabilities(description), alpha.shape[1] / alpha.sum(dim=1, keepdim=True)]
        if kept is not None:
            parts.append(_disagreement(head, hidden, kept))
        return torch.cat(parts, dim=1)

    maps = blended_maps(model, grey, ratio, maps_of, progress=progress)
    phases = model.phases
    return PredictionWithVacuity(maps[:phases], maps[phases], None if kept is None else maps[phases + 1])


def _disagreement(head: PixelHead, hidden: Tensor, kept: Tensor) -> Tensor:
    """BALD (1, 1, H, W) of a window: of the pixel in the middle of every square, for all of it."""
    grid = (slice(None), slice(COARSE // 2, None, COARSE), slice(COARSE // 2, None, COARSE))
    coarse = hidden[grid] if min(hidden.shape[1:3]) > COARSE // 2 else hidden
    alpha = head.drawn_parameters(coarse, kept)
    draws = (alpha / alpha.sum(dim=-1, keepdim=True)).flatten(1, 3).cpu().numpy()
    disagreement = torch.from_numpy(bald(draws).reshape(1, 1, *coarse.shape[1:3])).to(hidden)
    return functional.interpolate(disagreement, tuple(hidden.shape[1:3]), mode="nearest")


class Calibration:
    """Collects pixels of micrographs whose phases are known, and says how far the uncertainty can be trusted."""

    def __init__(self) -> None:
        self._vacuity: list[NDArray[np.float32]] = []
        self._confidence: list[NDArray[np.float32]] = []
        self._correct: list[NDArray[np.bool_]] = []

    def add(self, prediction: PredictionWithVacuity, truth: NDArray[np.integer]) -> None:
        """Take in a micrograph and its true phase ids (H, W), where these are not ``UNKNOWN``."""
        grid = (slice(STRIDE // 2, None, STRIDE),) * 2
        known = truth[grid] != UNKNOWN
        self._vacuity.append(prediction.vacuity[grid][known])
        self._confidence.append(prediction.shares.max(axis=0)[grid][known])
        self._correct.append((prediction.shares.argmax(axis=0) == truth)[grid][known])

    def result(self) -> Reliability:
        """Measure detection of errors by vacuity, and calibration of probabilities; raises ValueError of nothing."""
        confidence = np.clip(np.concatenate(self._confidence), 0.0, 1.0)
        return reliability(np.concatenate(self._vacuity), confidence, np.concatenate(self._correct))
