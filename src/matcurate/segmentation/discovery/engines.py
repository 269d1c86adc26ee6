"""The engines: what of an image is clustered, and the metric and selector that were learned for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from pydantic import Field
from scipy.ndimage import gaussian_filter

from matcurate.promptable.builtin.network import ObjectNet, fused
from matcurate.promptable.builtin.shipped import shipped
from matcurate.segmentation.discovery.encoder import STRIDE, encoded
from matcurate.segmentation.discovery.metric import MODES, Metric, smoothed
from matcurate.segmentation.discovery.selector import Selector
from matcurate.segmentation.fisher import pyramid_scores
from matcurate.segmentation.fisher.neighbours import Grey
from matcurate.tensorfile import TensorCard, TensorFormat, fitting_card
from matcurate.types import FloatArray, Progress, silent

EngineName = Literal["network", "fisher"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
BROAD, FINE = 20.0, 8.0
"""Deviations of the Gaussians in pixels: for clusters and their number, and for borders."""


class DiscoveryCard(TensorCard):
    """Header of the learned part of an engine."""

    engine: EngineName = Field(description="Engine whose features are projected.")


SELECTOR = ("centre", "scale", "inner", "offset", "outer", "bias")
FORMAT = TensorFormat("matcurate-discovery", DiscoveryCard, "a metric and selector of 'curate discover'")


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Features (h, w, d) at stride 4, averaged over a broad window for clusters, and a fine one for borders."""

    broad: FloatArray
    fine: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class LearnedEngine:
    """An engine with its metric and selector."""

    name: EngineName
    metric: Metric
    selector: Selector

    def views(self, image: Grey, rng: np.random.Generator, progress: Progress = silent) -> Views:
        """Projected features of a standardised image (H, W)."""
        return projected_views(self.name, image, self.metric, rng, progress)


def projected_views(
    engine: EngineName, image: Grey, metric: Metric, rng: np.random.Generator, progress: Progress = silent
) -> Views:
    """Features of a standardised image (H, W) in a metric."""
    if engine == "network":
        field = encoded(encoder(), image, metric, progress)
        return Views(smoothed(field, BROAD / STRIDE), smoothed(field, FINE / STRIDE))
    total: list[FloatArray] = []
    for done, values in enumerate(pyramid_scores(image, STRIDE, rng)):
        progress(done, len(metric.centre), "scores")
        weights, centre = metric.projection[done], metric.centre[done]
        parts = [(rooted(values, sigma) - centre)[..., None] * weights for sigma in (BROAD, FINE)]
        total = [before + part for before, part in zip(total, parts, strict=True)] if total else parts
    return Views(*total)


def raw_features(engine: EngineName, image: Grey, rng: np.random.Generator) -> FloatArray:
    """All features (h, w, D) of a standardised image over the broad window: what a metric is learned from."""
    if engine == "network":
        return smoothed(encoded(encoder(), image, _same), BROAD / STRIDE)
    return np.stack([rooted(values, BROAD) for values in pyramid_scores(image, STRIDE, rng)], axis=-1)


def rooted(values: Grey, sigma: float) -> Grey:
    """Signed square root of the Gaussian mean of a map of scores; ``sigma`` in pixels of the image."""
    mean = gaussian_filter(values, sigma / STRIDE, mode=MODES)
    return np.asarray(np.sign(mean) * np.sqrt(np.abs(mean)), dtype=np.float32)


@cache
def encoder() -> ObjectNet:
    """The shipped network in evaluation mode; one for the process."""
    return fused(shipped().weights.network)


@cache
def shipped_engine(name: EngineName) -> LearnedEngine:
    """An engine as it comes with the package; raises CheckpointError when its file is missing or damaged."""
    return load_engine(Path(__file__).with_name(f"{name}.safetensors"))


def load_engine(path: Path) -> LearnedEngine:
    """Read what :func:`save_engine` wrote; raises CheckpointError when it is missing, damaged or something else."""
    card, tensors = FORMAT.read(path)
    with fitting_card(path):
        arrays = {name: value.numpy() for name, value in tensors.items()}
        metric = Metric(arrays["metric.centre"], arrays["metric.projection"])
        parts = (arrays[f"selector.{part}"] for part in SELECTOR)
        return LearnedEngine(card.engine, metric, Selector(*parts))


def save_engine(path: Path, engine: LearnedEngine, notes: dict[str, str]) -> None:
    """Write metric and selector as one safetensors file; ``notes`` are its card."""
    metric, selector = engine.metric, engine.selector
    arrays = {"metric.centre": metric.centre, "metric.projection": metric.projection}
    for part in SELECTOR:
        arrays[f"selector.{part}"] = getattr(selector, part)
    FORMAT.write(path, {name: torch.from_numpy(value) for name, value in arrays.items()}, notes, engine=engine.name)


_same: Callable[[FloatArray], FloatArray] = np.asarray
