"""Step 1 as the paper takes it: score vectors, their Gaussian moving average, and their principal components."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from matcurate.config import NonNegative, Strict
from matcurate.segmentation.fisher.neighbours import Grey
from matcurate.segmentation.fisher.regressors import Regressor, fit_linear, fit_neural
from matcurate.types import FloatArray, Progress, silent

SAMPLED = 4096
"""Places of which the covariance of the averaged scores is taken."""


class PaperSettings(Strict):
    """Scores as in the evidential framework, section 2.1."""

    regressor: Literal["linear", "neural"] = Field(default="linear", description="Model that predicts a pixel.")
    half: int = Field(default=5, ge=1, description="Half-length l_s of the neighbourhood in pixels.")
    window: int = Field(default=20, ge=1, description="Half-length l_w of the moving average in pixels.")
    neurons: int = Field(default=10, ge=1, description="Hidden neurons of the neural regressor.")
    pixels: int = Field(default=40_000, ge=100, description="Pixels that the regressor is fitted on.")
    ridge: NonNegative = Field(default=1e-3, description="Penalty on the weights of the linear regressor.")
    components: int = Field(default=8, ge=1, description="Principal components that are clustered.")
    whitened: bool = Field(default=False, description="Components in units of their deviation.")

    rule: Literal["weights", "elbow"] = Field(default="weights", description="What decides on the number of regions.")

    @property
    def margin(self) -> int:
        """Pixels at the frame where no averaged score is known: l_s + l_w."""
        return self.half + self.window


def fitted(image: Grey, settings: PaperSettings, rng: np.random.Generator) -> Regressor:
    """Fit the regressor of the settings to a standardised image (H, W)."""
    if settings.regressor == "linear":
        return fit_linear(image, settings.half, settings.pixels, settings.ridge, rng)
    return fit_neural(image, settings.half, settings.pixels, settings.neurons, rng)


def averaged_scores(
    image: Grey, settings: PaperSettings, stride: int, rng: np.random.Generator, progress: Progress = silent
) -> FloatArray:
    """Principal components (h, w, d) of the averaged scores of a standardised image (H, W), every ``stride`` pixels.

    Of the pixels that lie further than :attr:`PaperSettings.margin` from the frame, the first at that distance. The
    Gaussian has a deviation of l_w / 2 and is cut off at l_w. The maps are made twice, once for the covariance at some
    places, once for the components: all of them at once would need m times the image.
    """
    model = fitted(image, settings, rng)
    places: NDArray[np.int64] | None = None
    columns: list[Grey] = []
    for done, values in enumerate(model.score_maps(image)):
        smooth = _averaged(values, settings.window, stride)
        if places is None:
            places = rng.permutation(smooth.size)[:SAMPLED]
        columns.append(smooth.ravel()[places])
        progress(done, 0, "scores")
    sample = np.stack(columns, axis=1).astype(np.float64)
    centre = sample.mean(axis=0)
    spread, axes = np.linalg.svd(sample - centre, full_matrices=False)[1:]
    kept = min(settings.components, int((spread > 1e-9 * spread[0]).sum())) or 1
    basis = axes[:kept]
    if settings.whitened:
        basis = basis * (np.sqrt(len(sample)) / np.maximum(spread[:kept, None], 1e-12))
    total = np.zeros((*smooth.shape, kept), np.float32)
    for weights, middle, values in zip(basis.T, centre, model.score_maps(image), strict=True):
        smooth = _averaged(values, settings.window, stride) - np.float32(middle)
        total += smooth[..., None] * weights.astype(np.float32)
    return total


def _averaged(values: Grey, window: int, stride: int) -> Grey:
    smooth = gaussian_filter(values, window / 2, radius=window)
    return np.asarray(smooth[window:-window:stride, window:-window:stride], dtype=np.float32)
