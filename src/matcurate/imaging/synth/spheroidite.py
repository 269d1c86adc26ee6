"""Spheroidite of an ultrahigh-carbon steel in the SEM: small bright carbides between dark boundaries."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, gaussian_blur, smooth_field
from matcurate.imaging.synth.cells import Cells, laguerre
from matcurate.imaging.synth.nuisances import scratches
from matcurate.imaging.synth.outlines import Shape, stamped
from matcurate.imaging.synth.placement import FloatPoints, hard_core, jittered_lattice, lognormal_radii, packed_discs
from matcurate.imaging.synth.scene import Scene, kind, pieces


@kind(("matrix", "carbide"), 50.0)
def spheroidite(canvas: Canvas) -> Scene:
    """Carbides (class 1), mostly 2 to 12 pixels across, on a darker matrix.

    Larger ones sit along the former grain boundaries, which are open as dark cracks in some pictures; elongated ones of
    one grain share a direction. Carbides stand in relief, some are dim because little of them is left, and a few touch.
    Instances are the single carbides of at least three pixels.
    """
    cells = _former_grains(canvas)
    owner, depth = _stamped(canvas, _carbides(canvas, cells))
    instances = pieces(owner + 1, smallest=3)
    mask = instances > 0
    faint = canvas.chance(0.2)
    step = canvas.uniform(0.09, 0.2) if faint else canvas.uniform(0.25, 0.62)
    grey = _matrix(canvas, cells, mask, step)
    grey = torch.where(mask, 0.3 + step * _brightness(canvas, owner, depth), grey)
    grey = grey + canvas.uniform(0.0, 0.5) * step * _relief(canvas, mask)
    if canvas.chance(0.4):
        grey = gaussian_blur(grey, canvas.uniform(0.4, 1.6))
    edges = (torch.exp(-0.5 * ((depth - 1) / 0.8) ** 2) * mask).clamp(0, 1)
    return Scene(grey, mask.long(), instances, edges)


@dataclass(frozen=True, slots=True, eq=False)
class _Carbides:
    """Centres (N, 2) and radii (N,) in pixels, directions (N,) in radians, and whether each lies on a boundary (N,)."""

    centres: FloatPoints
    radii: NDArray[np.float64]
    angles: NDArray[np.float64]
    bound: NDArray[np.bool_]


def _former_grains(canvas: Canvas) -> Cells:
    """Grains before spheroidisation; their boundaries wander and jag."""
    spacing = canvas.uniform(80, 240)
    seeds = canvas.tensor(jittered_lattice(canvas, spacing, 0.28, canvas.uniform(0, np.pi)))
    at = canvas.coordinates()
    for length, share in ((0.3 * spacing, 0.25), (canvas.uniform(7, 16), 0.28), (3.0, canvas.uniform(0.1, 0.35))):
        at = at + share * length * torch.stack([smooth_field(canvas, length) for _ in range(2)])
    return laguerre(at, seeds, torch.zeros_like(seeds[:, 0]), candidates=9)


def _carbides(canvas: Canvas, cells: Cells) -> _Carbides:
    rng = canvas.rng
    median = canvas.uniform(2.0, 3.8) if canvas.chance(0.7) else canvas.uniform(3.8, 7.0)
    gap = canvas.uniform(-0.45, 0.15) * median  # between the discs around them: elongated ones have room in theirs
    points, radii = packed_discs(canvas, median, canvas.uniform(0.2, 0.45), canvas.uniform(0.35, 2.2), gap)
    depth, owner = cells.depth.cpu().numpy(), cells.owner.cpu().numpy()
    here = canvas.pixels_at(points)
    density = smooth_field(canvas, canvas.uniform(15, 60)).cpu().numpy()[here]
    bare = canvas.uniform(0.0, 3.0) * median  # the boundary drained the matrix beside it
    keep = (rng.random(len(points)) < 0.85 + canvas.uniform(0, 0.4) * density) & (depth[here] > bare)
    points, radii, grain = points[keep], radii[keep], owner[here][keep]
    main = rng.uniform(0, np.pi, int(owner.max()) + 1)
    angles = main[grain] + rng.choice([0, np.pi / 2], len(radii)) + rng.normal(0, 0.3, len(radii))
    on, widths, along = _on_boundaries(canvas, depth, median)
    centres, sizes = np.concatenate([on, points]), np.concatenate([widths, radii])
    bound = np.arange(len(sizes)) < len(on)
    apart = hard_core(centres, sizes, gap)
    return _Carbides(centres[apart], sizes[apart], np.concatenate([along, angles])[apart], bound[apart])


def _on_boundaries(
    canvas: Canvas, depth: NDArray[np.float32], median: float
) -> tuple[FloatPoints, NDArray[np.float64], NDArray[np.float64]]:
    """Carbides on boundaries: centres (N, 2), radii (N,), directions of the boundary (N,)."""
    rng = canvas.rng
    places = np.argwhere(depth < 1.0)
    wanted = int(canvas.uniform(0, 0.9) * len(places) / (2 * median) / 3)
    chosen = places[rng.permutation(len(places))[:wanted]]
    down, right = (np.gradient(depth, axis=axis) for axis in (0, 1))
    spread = int(np.ceil(median)) + 1
    corner = np.clip(chosen + spread, 0, np.array(depth.shape) - 1)  # beside the ridge, where the slope is defined
    slope = down[corner[:, 0], corner[:, 1]], right[corner[:, 0], corner[:, 1]]
    along = np.arctan2(slope[0], slope[1]) + np.pi / 2
    radii = lognormal_radii(rng, median * canvas.uniform(1.2, 2.1), 0.35, len(chosen))
    return chosen.astype(np.float64), radii, along


def _stamped(canvas: Canvas, carbides: _Carbides) -> tuple[Tensor, Tensor]:
    """Owner (-1 outside) and depth below the outline in pixels (0 outside), both (H, W)."""
    rng, count = canvas.rng, len(carbides.radii)
    wobble, long = canvas.uniform(0.02, 0.15), canvas.uniform(1.3, 2.6)
    shapes = (
        Shape(0, (1.0, long), wobble=wobble),
        Shape(4, (1.0, long), irregular=0.2, rounding=0.04, wobble=0.02),
        Shape(6, (1.0, 1.4), irregular=0.3, rounding=0.03, wobble=0.02),
        Shape(3, (1.0, 1.8), irregular=0.2, rounding=0.03, wobble=0.02),
    )
    shares = np.array([canvas.uniform(0.2, 1), canvas.uniform(0.1, 1), canvas.uniform(0, 0.5), 0.08])
    which = rng.choice(len(shapes), count, p=shares / shares.sum())
    outlines: list[FloatPoints] = [np.zeros((0, 2))] * count
    for number, shape in enumerate(shapes):
        places = np.flatnonzero(which == number)
        drawn = shape.outlines(rng, carbides.radii[places], carbides.angles[places])
        for place, outline in zip(places, drawn, strict=True):
            outlines[place] = outline
    owner, depth = stamped(canvas, carbides.centres, outlines)
    return torch.as_tensor(owner, device=canvas.device), torch.as_tensor(depth, device=canvas.device)


def _brightness(canvas: Canvas, owner: Tensor, depth: Tensor) -> Tensor:
    """Grey of the carbides in steps above the matrix: some are dim, large ones are duller inside; float (H, W)."""
    rng, count = canvas.rng, int(owner.max()) + 2
    level = 1 + canvas.uniform(0.03, 0.15) * rng.standard_normal(count)
    dim = rng.random(count) < canvas.uniform(0.0, 0.25)
    level = np.where(dim, rng.uniform(0.35, 0.8, count), level)
    dull = canvas.uniform(0.0, 0.35) * (1 - torch.exp(-(((depth - 1).clamp_min(0) / 2.0) ** 2)))
    return canvas.tensor(level)[owner] * (1 - dull) + canvas.uniform(0.0, 0.06) * smooth_field(canvas, 1.5)


def _matrix(canvas: Canvas, cells: Cells, mask: Tensor, step: float) -> Tensor:
    """Polished and etched matrix with dark boundaries; float (H, W)."""
    count = int(cells.owner.max()) + 1
    level = canvas.tensor(canvas.rng.normal(0, 1, count)).clamp(-2, 2)[cells.owner]
    streaks = (1.0, canvas.uniform(2, 12)) if canvas.chance(0.6) else (canvas.uniform(2, 12), 1.0)
    grey = 0.3 + canvas.uniform(0.0, 0.08) * step * level
    grey = grey + canvas.uniform(0.03, 0.12) * step * smooth_field(canvas, 0.7, streaks)
    grey = grey + canvas.uniform(0.0, 0.1) * step * smooth_field(canvas, canvas.uniform(1.2, 4.0))
    grey = grey + canvas.uniform(0.0, 0.12) * step * smooth_field(canvas, canvas.uniform(15, 50))
    lines = int(canvas.uniform(0, 35) * canvas.height * canvas.width / 512**2)
    grey = grey + scratches(canvas, lines, canvas.uniform(0.1, 0.5) * step)
    if canvas.chance(0.75):
        grey = grey - canvas.uniform(0.5, 1.2) * min(1.3 * step, 0.3) * _cracks(canvas, cells)
    pit = gaussian_blur(mask.float(), canvas.uniform(1.2, 3.0))
    return (grey - canvas.uniform(0.0, 0.3) * step * pit).clamp_min(0.02)


def _cracks(canvas: Canvas, cells: Cells) -> Tensor:
    """Open boundaries in [0, 1], some of them closed, of varying width; float (H, W)."""
    low, high = torch.minimum(cells.owner, cells.rival), torch.maximum(cells.owner, cells.rival)
    table = canvas.tensor(canvas.rng.random(4096))
    opened = table[(low * 613 + high) % len(table)] + 0.25 * smooth_field(canvas, 14.0)
    width = canvas.uniform(1.0, 2.2) * (0.4 + 0.8 * torch.sigmoid(6 * (opened - canvas.uniform(0.1, 0.7))))
    width = width * (1 + 0.3 * smooth_field(canvas, 3.0)).clamp(0.3, 2)
    strength = torch.sigmoid(10 * (opened - canvas.uniform(0.0, 0.5)))
    return strength * torch.exp(-((cells.depth / width) ** 2))


def _relief(canvas: Canvas, mask: Tensor) -> Tensor:
    """Light from one side: bright on the side of the carbides that faces it, dark behind them; float (H, W)."""
    angle = canvas.uniform(0, 2 * np.pi)
    height = gaussian_blur(mask.float(), canvas.uniform(0.7, 1.4))
    down, right = torch.gradient(height)
    slope: Tensor = np.sin(angle) * down + np.cos(angle) * right
    return (4 * slope).clamp(-1, 1)
