"""The bias field of a micrograph: uneven illumination, parted from the contrast between two phases.

The model is grey = quadratic surface + step × class. The surface and the step are fitted by least squares to given
classes, the classes are those of Otsu's threshold on the image without the surface, and both alternate until the
classes no longer change. A surface fitted without the step would follow the phases where they are unevenly spread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matcurate.segmentation.denoising import otsu_foreground

Values = NDArray[np.float64]

ROUNDS = 10
"""Maximum number of alternations; micrographs need three to six."""
FITTED = 100_000
"""Maximum number of pixels that the model is fitted to; larger images are sampled on a grid."""


def bias_field(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Quadratic surface (H, W) of the uneven illumination, in grey levels to subtract.

    Its mean over the fitted pixels is 0; it is 0 for a constant image. Blur ``grey`` first, if it is noisy.
    """
    height, width = grey.shape
    if np.ptp(grey) == 0:
        return np.zeros((height, width), dtype=np.float32)
    step = max(1, int(np.ceil(np.sqrt(grey.size / FITTED))))
    rows, columns = _places(height), _places(width)
    terms = _terms(rows[::step], columns[::step])
    weights = _fitted(grey[::step, ::step].astype(np.float64), terms)
    constant, down, right, down_twice, both, right_twice = weights
    along = constant + down * rows + down_twice * rows**2
    across = right * columns + right_twice * columns**2
    return np.asarray(along[:, None] + across + both * rows[:, None] * columns, dtype=np.float32)


def _places(size: int) -> Values:
    """Coordinates from -1 to 1, so that the terms of the surface are of one size."""
    return np.asarray(np.linspace(-1.0, 1.0, size) if size > 1 else np.zeros(1), dtype=np.float64)


def _terms(rows: Values, columns: Values) -> Values:
    """Values of 1, y, x, y², xy, x² at each pixel; (pixels, 6)."""
    y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    return np.stack([np.ones_like(y), y, x, y**2, x * y, x**2], axis=1)


def _fitted(grey: Values, terms: Values) -> Values:
    """Weights of the six terms of the surface with zero mean."""
    levels = grey.ravel()
    bright = otsu_foreground(levels, "bright")
    weights: Values = np.zeros(terms.shape[1])
    for _ in range(ROUNDS):
        model: Values = np.column_stack([terms, bright.astype(np.float64)])
        # The normal equations: seven unknowns, so that the pixels are gone through once. A class that covers all pixels
        # is the constant term again; the pseudo-inverse shares the two.
        weights = (np.linalg.pinv(model.T @ model, rcond=1e-10, hermitian=True) @ (model.T @ levels))[:-1]
        weights[0] -= float(np.mean(terms @ weights))
        previous, bright = bright, otsu_foreground(levels - terms @ weights, "bright")
        if np.array_equal(previous, bright):
            break
    return weights
