"""Divide an image into regions of one texture, and say how many there are and why.

References
----------
K. Zhang et al., "A framework for supervised and unsupervised segmentation and classification of materials
microstructure images" (2025), section 2.1: the method ``paper``. The others share its steps (a vector at each place,
its moving average, clusters, their number) and differ in what a place is described by and how the number is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from matcurate.errors import ConfigError
from matcurate.promptable.builtin.standard import standardised
from matcurate.segmentation.discovery.encoder import STRIDE
from matcurate.segmentation.discovery.engines import LearnedEngine, shipped_engine
from matcurate.segmentation.discovery.paths import LARGEST, split_path
from matcurate.segmentation.discovery.refinement import refined
from matcurate.segmentation.fisher import MixturePath, PaperSettings, averaged_scores, bayesian_mixture, mixture_path
from matcurate.types import FloatArray, Pixels, Progress, silent

Method = Literal["network", "fisher", "paper"]
METHODS: tuple[Method, ...] = get_args(Method)
SMALLEST = 64
"""Least edge of an image in pixels: about a window."""
MOST_REGIONS = 20
"""Largest number of regions that may be asked for."""
SAMPLED = 2000
"""Places that the mixture of the plot is fitted to."""
MENTIONED = 0.01
"""Least probability of another number that is named."""
PAPER_LARGEST = 10
"""Clusters of the paper's BIC plot."""


@dataclass(frozen=True, slots=True, eq=False)
class Discovery:
    """Ids (H, W) of the regions, 1 … ``count``, the largest first; ``reason`` explains their number in a line.

    ``probabilities`` are those of 1, 2, … regions, empty where the method has none; ``places`` (n, d) are averaged
    features of some places.
    """

    labels: NDArray[np.uint8]
    count: int
    reason: str
    probabilities: tuple[float, ...]
    places: FloatArray

    def mixture(self, seed: int = 0) -> MixturePath:
        """The paper's posterior weights and BIC, for the eye."""
        return mixture_path(self.places, PAPER_LARGEST, seed)


def discover(
    pixels: Pixels,
    method: Method = "network",
    regions: int | None = None,
    *,
    seed: int = 0,
    engine: LearnedEngine | None = None,
    paper: PaperSettings | None = None,
    progress: Progress = silent,
) -> Discovery:
    """Divide an image (H, W) into regions of one texture; ``regions`` is their number, None: what the image shows.

    ``engine`` replaces the shipped metric and selector; ``paper`` are settings of the method ``paper``. Raises
    ConfigError, without the name of the file, for an image without texture, of less than 64 pixels along an edge or not
    finite, and for a number of regions that is not 1 to 20; CheckpointError when the shipped files are damaged.
    """
    _check(pixels, regions)
    image, rng = standardised(pixels), np.random.default_rng(seed)
    if method == "paper":
        return _by_paper(image, paper or PaperSettings(), regions, seed, rng, progress)
    engine = engine or shipped_engine(method)
    views = engine.views(image, rng, progress)
    splits = split_path(views.broad, rng, max(LARGEST, regions or 1))
    probabilities = engine.selector.probabilities(splits[:LARGEST])
    count = min(regions or engine.selector.count(splits[:LARGEST]), len(splits))
    labels = _at_pixels(refined(views.fine, splits[count - 1].labels, count), image.shape)
    places = views.broad.reshape(-1, views.broad.shape[2])[:, :8]
    places = places[rng.permutation(len(places))[:SAMPLED]]
    reason = _reason(count, regions, [float(value) for value in probabilities])
    return _discovery(labels, reason, tuple(float(value) for value in probabilities), places)


def _check(pixels: Pixels, regions: int | None) -> None:
    if pixels.ndim != 2 or min(pixels.shape) < SMALLEST:
        size = " x ".join(str(length) for length in pixels.shape[::-1])
        raise ConfigError(f"{size} pixels; discovery compares windows, give at least {SMALLEST} along each edge")
    if not np.isfinite(pixels).all():
        raise ConfigError("some pixels are not finite; replace NaN and infinity by numbers first")
    if np.ptp(pixels) == 0:
        raise ConfigError("all pixels are equal; there is no texture to divide")
    if regions is not None and not 1 <= regions <= MOST_REGIONS:
        raise ConfigError(f"{regions} regions cannot be asked for; give 1 to {MOST_REGIONS}, or auto")


def _discovery(
    labels: NDArray[np.uint8], reason: str, probabilities: tuple[float, ...], places: FloatArray
) -> Discovery:
    """Number the regions by their area, the largest first; those without a pixel are left out."""
    areas = np.bincount(labels.ravel())
    order = [number for number in np.argsort(-areas, kind="stable") if areas[number]]
    numbers = np.zeros(len(areas), np.uint8)
    numbers[order] = np.arange(1, len(order) + 1)
    return Discovery(numbers[labels], len(order), reason, probabilities, places)


def _reason(count: int, asked: int | None, probabilities: list[float]) -> str:
    if asked is not None:
        return f"{_regions(count)}, as asked"
    others = sorted(range(1, len(probabilities) + 1), key=lambda number: -probabilities[number - 1])
    likely = [number for number in others if number != count and probabilities[number - 1] >= MENTIONED]
    rest = ", ".join(f"{number}: {probabilities[number - 1]:.2f}" for number in likely)
    return f"{_regions(count)}: probability {probabilities[count - 1]:.2f}" + (f" ({rest})" if rest else "")


def _regions(count: int) -> str:
    return "one texture" if count == 1 else f"{count} regions"


def _at_pixels(probabilities: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Most probable cluster at each pixel (H, W), for probabilities (K, h, w) of places; one cluster at a time."""
    size = (probabilities.shape[2] * STRIDE, probabilities.shape[1] * STRIDE)
    best = np.full(shape, -1, np.float32)
    labels = np.zeros(shape, np.uint8)
    for number, layer in enumerate(probabilities):
        enlarged = cv2.resize(layer, size, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
        closer = enlarged > best
        best[closer], labels[closer] = enlarged[closer], number
    return labels


def _by_paper(
    image: NDArray[np.float32],
    settings: PaperSettings,
    regions: int | None,
    seed: int,
    rng: np.random.Generator,
    progress: Progress,
) -> Discovery:
    """Regions by the paper's own steps; places near the frame take over what is known next to them."""
    if min(image.shape) <= 2 * settings.margin + STRIDE:
        raise ConfigError(
            f"{image.shape[1]} x {image.shape[0]} pixels are smaller than the paper's window; give more than "
            f"{2 * settings.margin + STRIDE} along each edge"
        )
    field = averaged_scores(image, settings, STRIDE, rng, progress)
    points = field.reshape(-1, field.shape[2])
    sample = points[rng.permutation(len(points))[:SAMPLED]]
    reason, count = f"{_regions(regions or 0)}, as asked", regions
    if count is None:
        path = mixture_path(sample, PAPER_LARGEST, seed)
        count = path.by_weights if settings.rule == "weights" else path.by_elbow
        reason = f"{_regions(count)}: posterior weights say {path.by_weights}, the elbow of BIC {path.by_elbow}"
    inner = bayesian_mixture(sample, count, seed).predict(points).reshape(field.shape[:2]).astype(np.uint8)
    coarse = cv2.resize(inner, (inner.shape[1] * STRIDE, inner.shape[0] * STRIDE), interpolation=cv2.INTER_NEAREST)
    labels = np.zeros(image.shape, np.uint8)
    outside = np.ones(image.shape, dtype=np.bool_)
    first = settings.margin
    rows, columns = (min(length, whole - first) for length, whole in zip(coarse.shape, image.shape, strict=True))
    labels[first : first + rows, first : first + columns] = coarse[:rows, :columns]
    outside[first : first + rows, first : first + columns] = False
    nearest = distance_transform_edt(outside, return_distances=False, return_indices=True)
    return _discovery(labels[tuple(nearest)], reason, (), sample)
