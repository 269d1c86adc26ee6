"""Per-pixel answers about nearby seeds, in blocks so that memory stays bounded: tessellations, rounded objects."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import pad

from matcurate.imaging.synth.canvas import BLOCK, Canvas

BUDGET = 2**23
"""Numbers per intermediate array; bounds memory."""

Answer = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
"""(coordinates (B, P, 2), candidate seeds (B, k)) to per-pixel answers, each (B, P)."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A Laguerre tessellation seen per pixel, each (H, W).

    ``owner`` is the seed whose cell the pixel lies in, ``rival`` the seed behind the nearest boundary, ``depth`` the
    distance to that boundary in pixels, >= 0.
    """

    owner: Tensor
    rival: Tensor
    depth: Tensor


def laguerre(
    coordinates: Tensor,
    seeds: Tensor,
    weights: Tensor,
    groups: Tensor | None = None,
    softness: float = 0.0,
    candidates: int = 24,
) -> Cells:
    """Laguerre tessellation: a pixel belongs to the seed of least power |x - s|² - w (Aurenhammer 1987).

    ``coordinates`` (2, H, W) are (row, column) of every pixel, warped where boundaries should bend; ``seeds`` (S, 2);
    ``weights`` (S,) squared radii: equal ones give a Voronoi tessellation. There is no boundary between seeds of one of
    the ``groups`` (S,). ``softness`` above 0 makes the depth a smooth minimum over the boundaries (in pixels), which
    rounds its contours. ``candidates`` seeds near a block of pixels are looked at. Power diagrams: SIAM J. Comput. 16,
    78-96.
    """
    families = torch.arange(len(seeds), device=seeds.device) if groups is None else groups

    def answer(at: Tensor, near: Tensor) -> tuple[Tensor, ...]:
        places, family = seeds[near], families[near]
        power = _distance(at, places) ** 2 - weights[near][:, None]
        least, own = power.min(dim=2)
        mine = torch.gather(near, 1, own)
        apart = _distance(places, places).clamp_min(1e-6)
        spacing = torch.gather(apart, 1, own[..., None].expand(-1, -1, near.shape[1]))
        walls = (power - least[..., None]) / (2 * spacing)
        same = family[:, None] == torch.gather(family, 1, own)[..., None]
        walls = walls.masked_fill(same, torch.inf)
        depth, other = walls.min(dim=2)
        if softness > 0:
            depth = -softness * torch.logsumexp(-walls / softness, dim=2)
        return mine, torch.gather(near, 1, other), depth

    owner, rival, depth = over_blocks(coordinates, seeds, weights, answer, candidates)
    return Cells(owner, rival, depth)


def over_blocks(
    coordinates: Tensor, seeds: Tensor, weights: Tensor, answer: Answer, candidates: int
) -> tuple[Tensor, ...]:
    """Ask ``answer`` for every pixel (H, W), giving it only the seeds of least power at the middle of its block."""
    _, height, width = coordinates.shape
    blocks = _to_blocks(coordinates)
    middles = blocks.mean(dim=1)
    count = min(candidates, len(seeds))
    near = _nearest(middles, seeds, weights, count)
    step = max(1, BUDGET // (BLOCK * BLOCK * count))
    parts = [answer(blocks[at : at + step], near[at : at + step]) for at in range(0, len(blocks), step)]
    return tuple(_from_blocks(torch.cat(part), height, width) for part in zip(*parts, strict=True))


def _nearest(places: Tensor, seeds: Tensor, weights: Tensor, count: int) -> Tensor:
    """Seeds of least power for every place: long (places, count).

    Lifted to (s, sqrt(w_max - w)), the power is a Euclidean distance, so that a k-d tree finds them; places are few
    (one per block), and the tree lives on the CPU.
    """
    lift = torch.sqrt(weights.max() - weights)
    tree = cKDTree(torch.cat([seeds, lift[:, None]], dim=1).cpu().double().numpy())
    queries = torch.cat([places, torch.zeros_like(places[:, :1])], dim=1).cpu().double().numpy()
    _, indices = tree.query(queries, k=np.arange(1, count + 1))
    return torch.as_tensor(indices.astype(np.int64), device=seeds.device)


def _to_blocks(coordinates: Tensor) -> Tensor:
    """(2, H, W) to (blocks, BLOCK², 2), the last rows and columns repeated to fill the blocks."""
    _, height, width = coordinates.shape
    filled = pad(coordinates, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    rows, columns = filled.shape[1] // BLOCK, filled.shape[2] // BLOCK
    tiles = filled.view(2, rows, BLOCK, columns, BLOCK).permute(1, 3, 2, 4, 0)
    return tiles.reshape(rows * columns, BLOCK * BLOCK, 2)


def _from_blocks(values: Tensor, height: int, width: int) -> Tensor:
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    image = values.view(rows, columns, BLOCK, BLOCK).permute(0, 2, 1, 3).reshape(rows * BLOCK, columns * BLOCK)
    return image[:height, :width].contiguous()


def _distance(first: Tensor, second: Tensor) -> Tensor:
    # The matrix-product form loses the digits that matter near a boundary of a large image.
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")


HARMONICS = (2, 3, 4, 5)


@dataclass(frozen=True, slots=True, eq=False)
class Blobs:
    """Objects, each inside the disc of its radius.

    ``centres`` (N, 2) as (row, column) and ``radii`` (N,) are in pixels, ``aspect`` (N,) is long over short axis, >= 1,
    ``angles`` (N,) are directions of the long axes in radians, ``wobble`` is the outline's relative roughness, in [0,
    0.3].
    """

    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    aspect: NDArray[np.float64]
    angles: NDArray[np.float64]
    wobble: float


def paint(canvas: Canvas, blobs: Blobs) -> tuple[Tensor, Tensor]:
    """Number of the object at every pixel (H, W), -1 outside, and the depth below its outline in pixels."""
    count = len(blobs.radii)
    if count == 0:
        outside = torch.full((canvas.height, canvas.width), -1, device=canvas.device)
        return outside, torch.full((canvas.height, canvas.width), -torch.inf, device=canvas.device)
    centres, radii = canvas.tensor(blobs.centres), canvas.tensor(blobs.radii)
    aspect, angles = canvas.tensor(blobs.aspect), canvas.tensor(blobs.angles)
    orders = np.array(HARMONICS, dtype=np.float64)
    phases = canvas.tensor(canvas.rng.uniform(0, 2 * np.pi, (count, len(orders))))
    heights = canvas.tensor(blobs.wobble * canvas.rng.random((count, len(orders))) / orders)
    largest = 1 + heights.sum(dim=1)  # keeps the object inside its disc

    def answer(at: Tensor, near: Tensor) -> tuple[Tensor, ...]:
        offset = at[:, :, None] - centres[near][:, None]
        turn = angles[near][:, None]
        along = offset[..., 0] * torch.sin(turn) + offset[..., 1] * torch.cos(turn)
        across = (offset[..., 0] * torch.cos(turn) - offset[..., 1] * torch.sin(turn)) * aspect[near][:, None]
        distance = torch.hypot(along, across)
        theta = torch.atan2(across, along)
        outline = torch.ones_like(distance)
        for column, order in enumerate(HARMONICS):
            wave = torch.cos(order * theta + phases[near][:, None, :, column])
            outline = outline + heights[near][:, None, :, column] * wave
        limit = radii[near][:, None] * outline / largest[near][:, None]
        depth, best = (limit - distance).max(dim=2)
        return torch.gather(near, 1, best), depth

    owner, depth = over_blocks(canvas.coordinates(), centres, radii**2, answer, candidates=10)
    return torch.where(depth > 0, owner, -1), depth
