"""Labelled pictures cut into crops, with all that an experiment on active learning needs of each, computed once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.acquisition.pool import Pool
from matcurate.acquisition.scores import bald, entropy, margin
from matcurate.learned.hypercolumns import hypercolumns
from matcurate.phase.model import PhaseModel
from matcurate.phase.samples import Picture
from matcurate.types import UNKNOWN, Progress
from matcurate.uncertainty.dirichlet import class_means, vacuity
from matcurate.uncertainty.embedding import Embedder
from matcurate.uncertainty.loss import dirichlet_parameters
from matcurate.uncertainty.pixels import PixelHead, PixelSettings, drawn_pixels, fit_pixel_head
from matcurate.uncertainty.regions import region_scores

STRIDE = 4
"""Of every picture, each fourth row and column is looked at."""
DRAWS = 8
"""Passes with dropout for BALD."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelGrid:
    """A grid of pixels of one picture or crop: hypercolumns (h * w, D), row by row, and phase ids (h, w)."""

    features: NDArray[np.float16]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class CropPool:
    """Crops to choose from, pictures to measure on, and where the crops lie among each other.

    ``embeddings`` (N, D') and ``specimens`` (N,), the number of the picture that each was cut from, are those of the
    crops; ``widths`` are the channels of the maps that hypercolumns are of.
    """

    crops: Sequence[PixelGrid]
    measured: Sequence[PixelGrid]
    embeddings: NDArray[np.float32]
    specimens: NDArray[np.int64]
    widths: tuple[int, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.crops)

    def learn(self, chosen: Sequence[int], settings: PixelSettings, seed: int) -> PixelHead:
        """A head that has learned these crops and nothing else, in as many steps however many there are."""
        rng = np.random.default_rng((seed, len(chosen)))
        features, labels = [], []
        for place in sorted(chosen):
            crop = self.crops[place]
            known = np.flatnonzero(crop.labels != UNKNOWN)
            drawn = known[drawn_pixels(crop.labels.ravel()[known], settings.pixels, settings.balance, rng)]
            features.append(crop.features[drawn].astype(np.float32))
            labels.append(crop.labels.ravel()[drawn])
        return fit_pixel_head(
            np.concatenate(features), np.concatenate(labels), self.widths, self.classes, settings, seed
        )

    def predict(self, head: PixelHead) -> list[NDArray[np.uint8]]:
        """Phases that a head predicts on the grids of the measured pictures."""
        return [
            _logits(head, grid).argmax(axis=1).astype(np.uint8).reshape(grid.labels.shape) for grid in self.measured
        ]

    def arrays(self, head: PixelHead, labelled: Sequence[int], left: Sequence[int], scores: Sequence[str]) -> Pool:
        """The crops that are left, as a strategy sees them; with fractions where it asks for scores at all."""
        scored = [_scored(head, self.crops[place], scores) for place in left] if scores else []
        return Pool(
            self.embeddings[list(left)],
            scores={name: np.array([values[name] for values, _ in scored]) for name in scores},
            fractions=np.stack([fractions for _, fractions in scored]) if scored else None,
            specimens=self.specimens[list(left)],
            labelled=self.embeddings[list(labelled)],
        )


def build_pool(
    model: PhaseModel,
    embed: Embedder,
    pictures: tuple[Sequence[Picture], Sequence[Picture]],
    classes: tuple[str, ...],
    crop: int,
    progress: Progress,
) -> CropPool:
    """Cut the first pictures into crops, and look at these and at the others; ``progress`` gets pictures done.

    Crops have ``crop`` pixels along an edge; what is left at the right and at the bottom is left out, and a picture
    that is smaller is one crop. ``embed`` looks at whole crops.
    """
    total = len(pictures[0]) + len(pictures[1])
    crops: list[PixelGrid] = []
    embeddings, specimens = [], []
    widths: tuple[int, ...] = ()
    for done, picture in enumerate(pictures[0]):
        progress(done, total, picture.name)
        grid, widths = _grid_of(model, picture)
        for area in areas(picture.labels.shape, crop):
            crops.append(_part(grid, area))
            embeddings.append(embed(picture.grey[area][None])[0])
            specimens.append(done)
    measured = []
    for done, picture in enumerate(pictures[1], start=len(pictures[0])):
        progress(done, total, picture.name)
        measured.append(_grid_of(model, picture)[0])
    progress(total, total)
    return CropPool(crops, measured, np.stack(embeddings), np.array(specimens), widths, classes)


def areas(shape: tuple[int, ...], edge: int) -> list[tuple[slice, slice]]:
    """Crops (edge, edge) of an image (H, W), row by row; along a side that is shorter they are as long as it is."""
    tall, wide = min(edge, shape[0]), min(edge, shape[1])
    return [
        (slice(top, top + tall), slice(left, left + wide))
        for top in range(0, shape[0] - tall + 1, tall)
        for left in range(0, shape[1] - wide + 1, wide)
    ]


def _grid_of(model: PhaseModel, picture: Picture) -> tuple[PixelGrid, tuple[int, ...]]:
    """The grid of a whole picture, which a crop is a part of: the model sees it in its surroundings."""
    labels = picture.labels[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    rows, columns = (STRIDE // 2 + STRIDE * at.ravel() for at in np.indices(labels.shape))
    seen = hypercolumns(model, picture.grey, rows, columns)
    return PixelGrid(seen.features, labels), seen.widths


def _part(grid: PixelGrid, area: tuple[slice, slice]) -> PixelGrid:
    """What of a picture's grid lies in an area of its pixels."""
    part = tuple(
        slice(-(-(side.start - STRIDE // 2) // STRIDE), -(-(side.stop - STRIDE // 2) // STRIDE)) for side in area
    )
    features = grid.features.reshape(*grid.labels.shape, -1)[part]
    return PixelGrid(features.reshape(-1, features.shape[-1]), grid.labels[part])


def _logits(head: PixelHead, grid: PixelGrid) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.asarray(head(torch.from_numpy(grid.features.astype(np.float32))).numpy())


def _scored(head: PixelHead, grid: PixelGrid, names: Sequence[str]) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Scores as means over the grid, vacuity over what lies away from boundaries; mean probabilities (K,) of phases."""
    scores: dict[str, float] = {}
    with torch.inference_mode():
        whitened = head.whitened(torch.from_numpy(grid.features.astype(np.float32)))
        bound = head.settings.evidence.bound
        alpha = dirichlet_parameters(head.logits(whitened), bound).numpy()
        if "bald" in names:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)  # all crops are asked of the same draws
                head.train()
                draws = [class_means(dirichlet_parameters(head.logits(whitened), bound).numpy()) for _ in range(DRAWS)]
                head.eval()
            scores["bald"] = float(bald(np.stack(draws)).mean())
    shares = class_means(alpha)
    scores |= {"entropy": float(entropy(shares).mean()), "margin": float(margin(shares).mean())}
    phases = shares.argmax(axis=1).reshape(grid.labels.shape)
    unknown = vacuity(alpha).reshape(grid.labels.shape)
    scores["vacuity"] = region_scores(unknown, phases, shares.shape[1], margin=1).mean
    return scores, shares.mean(axis=0)
