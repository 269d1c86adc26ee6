"""From a micrograph to the grey relief that objects are looked for in: calm, and free of shading and halos.

Electron micrographs carry topographic contrast: one flank of an object is lit, the other in shadow, and a halo
surrounds it, so that matrix and object far from any edge have the same grey. Flattening keeps the gradient where it is
strong, sets it to nought elsewhere, and integrates it again (Horn's lightness, in the screened form of Bhat et al.):
what is left are plateaus between edges.

References
----------
B. K. P. Horn, "Determining lightness from an image", Computer Graphics and Image Processing 3 (1974).
P. Bhat et al., "Fourier analysis of the 2D screened Poisson equation for gradient domain problems", ECCV 2008.
A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from skimage.filters import threshold_otsu

from matcurate.imaging.stretch import stretched
from matcurate.types import Pixels

Grey = NDArray[np.uint8]
Field = NDArray[np.float32]

DENOISING = 8.0
"""Strength of the non-local means, in grey levels of the stretched 8-bit image."""
NEAR, FAR = 9, 15
"""Edges in pixels of windows whose patches are averaged; the far one shows faint lines at 2.5 times the cost."""
SMOOTHING = 0.6
"""Standard deviation in pixels of the Gaussian before gradients are taken."""
EDGE = 0.9
"""Gradients above this share of their Otsu threshold are edges and are kept."""
REACHES = (100.0, 50.0, 25.0)
"""Pixels over which grey levels may drift from the original; the reach that parts the classes best is taken."""


def calm(pixels: Pixels, search: int = NEAR) -> Grey:
    """Stretch to the outlier percentiles and denoise by non-local means.

    Parameters
    ----------
    pixels : uint8, uint16 or float array (H, W)
        Finite.
    search : int
        Edge in pixels, odd, of the window in which like patches are looked for.

    Returns
    -------
    uint8 array (H, W)
        All zero for a constant image.
    """
    grey = to_levels(pixels.astype(np.float32))
    return np.asarray(cv2.fastNlMeansDenoising(grey, None, DENOISING, 7, search), dtype=np.uint8)


def flatten(grey: Grey) -> Grey:
    """Remove shading and halos, keep edges.

    Parameters
    ----------
    grey : uint8 array (H, W)
        As :func:`calm` returns it.

    Returns
    -------
    uint8 array (H, W)
        The relief whose two Otsu classes are most separable among those of ``REACHES``; the input when it has no edge.
    """
    if np.ptp(grey) == 0 or min(grey.shape) < 2:
        return grey
    smooth = _blurred(grey.astype(np.float32), SMOOTHING)
    across, down = _edges_only(smooth)
    sources, anchor = (dctn(field, norm="ortho") for field in (_divergence(across, down), smooth))
    reliefs = [to_levels(_integrate(sources, anchor, 1.0 / reach**2)) for reach in REACHES]
    return max(reliefs, key=class_separability)


def to_levels(values: Field) -> Grey:
    """Stretch from the outlier percentiles to 0…255; from the extremes when these coincide; constant gives 0."""
    return np.asarray(np.rint(stretched(values) * np.float32(255)), dtype=np.uint8)


def class_separability(grey: Grey) -> float:
    """Otsu's η of his own threshold: variance between the classes over the whole variance, in [0, 1]."""
    if np.ptp(grey) == 0:
        return 0.0
    bright = grey > threshold_otsu(grey)
    share = float(bright.mean())
    gap = float(grey[bright].mean()) - float(grey[~bright].mean())
    return min(1.0, share * (1 - share) * gap**2 / float(np.var(grey)))


def gradient_magnitude(smooth: Field) -> Field:
    """Magnitude of the Sobel gradient, in grey levels for each pixel."""
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(cv2.magnitude(across, down), dtype=np.float32)


def _blurred(values: Field, sigma: float) -> Field:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), dtype=np.float32)


def _edges_only(smooth: Field) -> tuple[Field, Field]:
    """Forward differences where the gradient is that of an edge, 0 elsewhere."""
    magnitude = gradient_magnitude(_blurred(smooth, 0.7))
    edge = magnitude > EDGE * threshold_otsu(magnitude) if np.ptp(magnitude) > 0 else np.zeros(smooth.shape, np.bool_)
    across = np.diff(smooth, axis=1, append=smooth[:, -1:]) * edge
    down = np.diff(smooth, axis=0, append=smooth[-1:]) * edge
    return across, down


def _divergence(across: Field, down: Field) -> Field:
    return np.asarray(
        np.diff(across, axis=1, prepend=np.float32(0)) + np.diff(down, axis=0, prepend=np.float32(0)), dtype=np.float32
    )


def _integrate(sources: Field, anchor: Field, screening: float) -> Field:
    """Solve Δu − λ u = div − λ anchor with no flow through the frame, from the cosine transforms of div and anchor."""
    height, width = anchor.shape
    rows = 2 * np.cos(np.pi * np.arange(height) / height) - 2
    columns = 2 * np.cos(np.pi * np.arange(width) / width) - 2
    symbol = (rows[:, None] + columns - screening).astype(np.float32)
    return np.asarray(idctn((sources - np.float32(screening) * anchor) / symbol, norm="ortho"), dtype=np.float32)
