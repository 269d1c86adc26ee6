"""γ' precipitates of a nickel-base superalloy: large secondary ones, between them small tertiary ones."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, dilated, gaussian_blur, smooth_field
from matcurate.imaging.synth.cells import Blobs, laguerre, paint
from matcurate.imaging.synth.placement import FloatPoints, hard_core, jittered_lattice, scattered
from matcurate.imaging.synth.scene import Scene, components, kind


@kind(("matrix", "secondary", "tertiary"), 10.0)
def precipitates(canvas: Canvas) -> Scene:
    """Secondary γ' (class 1) as rounded cuboids, some grown together into lobed ones, and tertiary γ' (class 2).

    Secondary precipitates are cells of a jittered cube lattice, drawn back from each other by channels of matrix, their
    corners rounded; they never touch. Tertiary ones are small spheroids in the wide channels, away from the secondary
    ones that drained the matrix around them. Instances are the single precipitates.
    """
    spacing = canvas.uniform(0.085, 0.17) * canvas.unit
    secondary = _secondary(canvas, max(spacing, 16.0))
    instances = components(secondary, smallest=20)
    secondary = instances > 0
    tertiary = _tertiary(canvas, secondary, spacing)
    instances = torch.where(tertiary > 0, tertiary + instances.max(), instances)
    phases = torch.where(tertiary > 0, 2, secondary.long())
    bright = canvas.chance(0.35)
    step = canvas.uniform(0.08, 0.22) * (1 if bright else -1)
    small_step = step * canvas.uniform(0.6, 1.0)
    grey = 0.5 + step * secondary + small_step * (tertiary > 0)
    grey = grey + canvas.uniform(0.0, 0.01) * smooth_field(canvas, spacing / 3)
    edges = _rim(canvas, secondary, bright, spacing)
    return Scene(grey, phases, instances, edges)


def _secondary(canvas: Canvas, spacing: float) -> Tensor:
    """Bool mask (H, W)."""
    rng = canvas.rng
    irregular = canvas.uniform(0, 1)
    seeds = jittered_lattice(canvas, spacing, 0.08 + 0.22 * irregular, canvas.uniform(0, np.pi / 2))
    seeds = seeds[hard_core(seeds, np.full(len(seeds), 0.3 * spacing), 0.0)]
    count = len(seeds)
    radii = spacing * rng.uniform(0.0, 0.25 + 0.35 * irregular, count)
    channel = canvas.uniform(0.05, 0.12) * spacing
    draw_back = channel * rng.lognormal(0, 0.35, count)
    small = rng.random(count) < 0.25 * irregular
    draw_back = np.where(small, spacing * rng.uniform(0.14, 0.26, count), draw_back)
    draw_back = np.where(rng.random(count) < canvas.uniform(0.04, 0.22), np.inf, draw_back)  # dissolved
    coordinates = canvas.coordinates()
    for length, share in ((0.3 * spacing, 0.22), (0.12 * spacing, 0.18)):
        warp = torch.stack([smooth_field(canvas, length) for _ in range(2)])
        coordinates = coordinates + share * length * (0.4 + 0.6 * irregular) * warp
    groups = _grown_together(canvas, seeds, spacing, share=0.55 * irregular)
    cells = laguerre(
        coordinates,
        canvas.tensor(seeds),
        canvas.tensor(radii**2),
        torch.as_tensor(groups, device=canvas.device),
        softness=spacing * canvas.uniform(0.035, 0.08),
    )
    joined = draw_back[groups]  # one draw-back for all members of a group
    return cells.depth > canvas.tensor(joined)[cells.owner].clamp_min(1.2)


def _grown_together(canvas: Canvas, seeds: FloatPoints, spacing: float, share: float) -> NDArray[np.int64]:
    """Group number of every seed (int64, N): a share of the seeds joins a neighbour's group."""
    distance = np.linalg.norm(seeds[:, None] - seeds[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)
    joins = (canvas.rng.random(len(seeds)) < share) & (distance.min(axis=1) < 1.2 * spacing)
    groups = np.where(joins, nearest, np.arange(len(seeds)))
    for _ in range(4):  # follow the chain of neighbours to one representative
        groups = np.minimum(groups, groups[groups])
    return groups


def _tertiary(canvas: Canvas, secondary: Tensor, spacing: float) -> Tensor:
    """Instance ids (H, W) of small spheroids."""
    radius = max(canvas.uniform(0.035, 0.07) * spacing, 2.2)
    margin = int(np.ceil(canvas.uniform(1.6, 3.2) * radius)) + 1
    free = ~dilated(secondary, margin)
    crowd = smooth_field(canvas, canvas.uniform(0.4, 1.0) * spacing) > canvas.uniform(-1.2, 0.0)
    allowed = (free & crowd).cpu().numpy()
    tries = int(canvas.uniform(0.15, 0.7) * canvas.height * canvas.width / (np.pi * radius**2))
    points = scattered(canvas, tries, 0.0)
    points = points[allowed[points[:, 0].astype(np.int64), points[:, 1].astype(np.int64)]]
    radii = radius * canvas.rng.uniform(0.55, 1.45, len(points))
    keep = hard_core(points, radii, max(1.5, 0.5 * radius))
    points, radii = points[keep], radii[keep]
    aspect, angles = canvas.rng.uniform(1, 1.35, len(radii)), canvas.rng.uniform(0, np.pi, len(radii))
    owner, _ = paint(canvas, Blobs(points, radii, aspect, angles, wobble=0.15))
    return components(owner >= 0, smallest=3)


def _rim(canvas: Canvas, secondary: Tensor, bright: bool, spacing: float) -> Tensor:
    """Edge effect in [0, 1], on the brighter side, which stands proud after etching."""
    proud = secondary.float() if bright else 1 - secondary.float()
    reach = canvas.uniform(0.03, 0.08) * spacing
    return (2 * gaussian_blur(1 - proud, reach) * proud).clamp(0, 1)
