"""Thin films in cross-section at atomic resolution, as a scanning transmission electron microscope shows them.

Stacked layers of 2 to 4 materials, each recognised by its texture: crystals (columns of atoms) and amorphous
layers (speckle), of little contrast between them. A material may come back in a later layer, an antiphase boundary may
part a layer, and a dark gap may open between two layers. Not a kind of the registry: its classes vary from picture to
picture, and nothing trains on it. Abebe et al. 2024 (SAM-I-Am), section 4.1, describe the pictures that this imitates.

Raw masks as an ambiguous proposer leaves them are made from the truth, with what their section 3.1 and figure 1 name: a
layer in two halves, a region and its parent, children inside a homogeneous layer, the same region twice, islands.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas, smooth_field
from matcurate.imaging.synth.nuisances import Nuisances, expose
from matcurate.imaging.synth.registry import SyntheticMicrograph
from matcurate.imaging.synth.scene import Scene, pieces
from matcurate.types import BoolMask, Calibration, Candidate

NM_PER_PX = 0.05
MATERIALS = (2, 4)
"""Fewest and most materials of a picture."""
DISTURBANCES = Nuisances(scratches=(0, 0), edge_brightening=(0, 0), blur=(0.6, 1.0), charging=0, curtaining=0)
"""What disturbs these pictures: noise, blur, shading; nobody polishes a lamella of 50 nm."""


def stem_layers(size: tuple[int, int], materials: int, rng: np.random.Generator) -> SyntheticMicrograph:
    """Draw stacked layers of 2 to 4 materials, (H, W) at least 16 each; class 0 is gaps and vacuum.

    Raises ValueError for another number of materials, or a smaller size.
    """
    if not MATERIALS[0] <= materials <= MATERIALS[1]:
        raise ValueError(f"materials must be {MATERIALS[0]} to {MATERIALS[1]}, got {materials}")
    canvas = Canvas.of(size, rng)
    with torch.inference_mode():
        scene, classes = _scene(canvas, materials)
        image = expose(canvas, scene.grey, scene.edges, DISTURBANCES)
        pixels = np.rint(image.double().numpy() * 255).astype(np.uint8)
    phases, instances = scene.phases.numpy().astype(np.uint8), scene.instances.numpy().astype(np.uint32)
    return SyntheticMicrograph(pixels, phases, instances, Calibration(NM_PER_PX), classes)


@dataclass(frozen=True, slots=True)
class _Lattice:
    """A projected crystal: lattice vectors in pixels, a second column in the cell, grey of columns and ground."""

    spacing: tuple[float, float]
    turn: float
    second: float
    width: float
    ground: float
    height: float


def _scene(canvas: Canvas, materials: int) -> tuple[Scene, tuple[str, ...]]:
    """Layers, and the names of their classes."""
    order = _order(canvas, materials)
    depth = canvas.coordinates()[0]
    layer = torch.zeros_like(depth, dtype=torch.long)
    gap = torch.zeros_like(depth, dtype=torch.bool)
    shares = np.cumsum(canvas.rng.dirichlet(np.full(len(order), 6.0)))
    for top in shares[:-1]:
        face = float(top) * canvas.height + _roughness(canvas)
        layer += depth >= face
        if canvas.chance(0.3):  # the two layers do not quite meet
            gap |= (depth - face).abs() < canvas.uniform(0.004, 0.012) * canvas.height
    phases = torch.as_tensor(order, dtype=torch.long)[layer]
    textures = torch.stack(_textures(canvas, materials))
    grey = torch.gather(textures, 0, phases[None] - 1)[0]
    phases = torch.where(gap, 0, phases)
    instances = pieces(torch.where(gap, 0, layer + 1), smallest=1)
    classes = ("gap", *(f"material {number}" for number in range(1, materials + 1)))
    return Scene(torch.where(gap, 0.08, grey), phases, instances, torch.zeros_like(grey)), classes


def _order(canvas: Canvas, materials: int) -> list[int]:
    """Material of every layer from the top down: each at least once, at most one again, no two alike in a row."""
    order = [int(number) + 1 for number in canvas.rng.permutation(materials)]
    if canvas.chance(0.5):
        again = int(canvas.rng.integers(materials - 1))  # any but the last, which would lie beside itself
        order.append(order[again])
    return order


def _roughness(canvas: Canvas) -> Tensor:
    """Height of an interface over its mean in pixels, (1, W)."""
    along = canvas.coordinates()[1][:1] / canvas.width
    waves = torch.zeros_like(along)
    for number in range(1, 7):
        phase = canvas.uniform(0, 2 * math.pi)
        waves = waves + canvas.uniform(0.2, 1.0) / number * torch.cos(2 * math.pi * number * along + phase)
    return canvas.uniform(0.004, 0.02) * canvas.height * waves + canvas.uniform(-0.06, 0.06) * canvas.width * along


def _textures(canvas: Canvas, materials: int) -> list[Tensor]:
    """One texture (H, W) for each material; at most one of them is amorphous."""
    spacings = canvas.rng.permutation(np.geomspace(7.0, 16.0, materials)) * canvas.uniform(0.9, 1.1)
    amorphous = int(canvas.rng.integers(materials)) if canvas.chance(0.6) else -1
    grounds = canvas.rng.permutation(np.linspace(0.3, 0.42, materials))
    textures = []
    for number in range(materials):
        if number == amorphous:
            level = float(grounds[number]) + canvas.uniform(0.05, 0.25)
            textures.append(level + canvas.uniform(0.02, 0.05) * smooth_field(canvas, canvas.uniform(1.5, 3.5)))
            continue
        step = float(spacings[number])
        lattice = _Lattice(
            spacing=(step, step * canvas.uniform(0.9, 1.5)),
            turn=canvas.uniform(-0.15, 0.15) + (math.pi / 4 if canvas.chance(0.3) else 0),
            second=canvas.uniform(0, 0.7),
            width=canvas.uniform(0.16, 0.22) * step,
            ground=float(grounds[number]),
            height=canvas.uniform(0.25, 0.45),
        )
        textures.append(_columns(canvas, lattice))
    return textures


def _columns(canvas: Canvas, lattice: _Lattice) -> Tensor:
    """Atomic columns on their ground (H, W); half of the crystals have an antiphase boundary."""
    rows, columns = canvas.coordinates()
    cosine, sine = math.cos(lattice.turn), math.sin(lattice.turn)
    along = (columns * cosine + rows * sine) / lattice.spacing[0]
    down = (rows * cosine - columns * sine) / lattice.spacing[1]
    if canvas.chance(0.5):
        wall = canvas.uniform(0.3, 0.7) * canvas.width
        along = along + 0.5 * (columns > wall)
    atoms = _atoms(along, down, lattice) + lattice.second * _atoms(along + 0.5, down + 0.5, lattice)
    return lattice.ground + lattice.height * atoms


def _atoms(along: Tensor, down: Tensor, lattice: _Lattice) -> Tensor:
    """Gaussian columns at whole coordinates, in [0, 1]; coordinates (H, W) in cells."""
    distance = ((along - along.round()) * lattice.spacing[0]) ** 2 + ((down - down.round()) * lattice.spacing[1]) ** 2
    return torch.exp(-distance / (2 * lattice.width**2))


SMALLEST = 16
"""Pixels; smaller masks are not proposed."""


def ambiguous_masks(instances: NDArray[np.uint32], rng: np.random.Generator) -> tuple[Candidate, ...]:
    """Raw masks of an image whose layers are ``instances`` (H, W), 0 being none, in random order.

    Every layer once, with an uneven outline; and besides, by chance: halves of it instead, a nearly equal mask, one to
    three large children, two to eight tiny ones, and its union with the layer that follows. Some layers are missed, but
    for a few islands.
    """
    proposals: list[BoolMask] = []
    layers = [instances == number for number in np.unique(instances) if number]
    for number, layer in enumerate(layers):
        if rng.random() < 0.1:  # missed
            proposals += _blobs(layer, rng, int(rng.integers(2, 6)), 0.01)
            continue
        proposals += _halves(layer, rng) if rng.random() < 0.35 else [_uneven(layer, rng)]
        if rng.random() < 0.5:
            proposals.append(_uneven(layer, rng))
        proposals += _blobs(layer, rng, int(rng.integers(1, 4)), 0.25)
        proposals += _blobs(layer, rng, int(rng.integers(2, 9)), 0.01)
        if number + 1 < len(layers) and rng.random() < 0.5:
            proposals.append(_uneven(layer | layers[number + 1], rng))
    masks = [_candidate(mask, rng) for mask in proposals if np.count_nonzero(mask) >= SMALLEST]
    return tuple(masks[index] for index in rng.permutation(len(masks)))


def _uneven(mask: BoolMask, rng: np.random.Generator) -> BoolMask:
    """The mask with an outline off by a few pixels."""
    noise = cv2.GaussianBlur(rng.normal(0, 1, mask.shape), (0, 0), 6)
    smooth = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 2)
    return np.asarray(smooth + 0.12 * noise / noise.std() > 0.5 + rng.uniform(-0.05, 0.05))


def _halves(layer: BoolMask, rng: np.random.Generator) -> list[BoolMask]:
    """Parts of a layer left and right of a wall, as an antiphase boundary makes them."""
    columns = np.flatnonzero(layer.any(axis=0))
    wall = columns[0] + rng.uniform(0.3, 0.7) * (columns[-1] - columns[0])
    left = np.arange(layer.shape[1]) < wall
    return [_uneven(layer & left, rng), _uneven(layer & ~left, rng)]


def _blobs(layer: BoolMask, rng: np.random.Generator, count: int, share: float) -> list[BoolMask]:
    """Discs inside a layer, each of about ``share`` of its area."""
    rows, columns = np.nonzero(layer)
    radius = np.sqrt(share * len(rows) / np.pi)
    down, across = np.ogrid[: layer.shape[0], : layer.shape[1]]
    centres = rng.integers(len(rows), size=count)
    sizes = radius * rng.uniform(0.7, 1.2, count)
    return [
        layer & ((down - rows[at]) ** 2 + (across - columns[at]) ** 2 < size**2)
        for at, size in zip(centres, sizes, strict=True)
    ]


def _candidate(mask: BoolMask, rng: np.random.Generator) -> Candidate:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Candidate(int(rows[0]), int(columns[0]), np.ascontiguousarray(box), float(rng.uniform(0.7, 1)))
