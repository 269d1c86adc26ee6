"""Disturbances that change the masks with the picture: tiles that do not quite fit, the data bar."""

from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.scene import Scene, pieces

LENGTHS_NM = tuple(digit * 10**power for power in range(8) for digit in (1, 2, 5))
"""Round lengths for a scale bar."""
FONT = cv2.FONT_HERSHEY_SIMPLEX


def stitched(canvas: Canvas, scene: Scene, step: float) -> Scene:
    """Put the scene together from 2 to 4 tiles, each moved by up to three pixels and brighter or darker.

    Grey levels and masks move together, so the masks stay exact; an instance cut by a seam becomes two. ``step`` is the
    standard deviation of the tiles' grey offsets.
    """
    layout = canvas.rng.choice([(1, 2), (2, 1), (2, 2)])
    seams = [_seams(canvas, size, int(parts)) for size, parts in zip(scene.grey.shape, layout, strict=True)]
    tile = seams[0][:, None] * int(layout[1]) + seams[1]
    count = int(layout[0] * layout[1])
    moves = torch.as_tensor(canvas.rng.integers(-3, 4, (count, 2)), device=canvas.device)
    moves[0] = 0
    offsets = canvas.tensor(step * canvas.rng.normal(0, 1, count))
    at = canvas.coordinates().long() + moves[tile].permute(2, 0, 1)
    rows, columns = (mirrored(place, size) for place, size in zip(at, scene.grey.shape, strict=True))
    rise = (canvas.coordinates()[1] / canvas.width * layout[1]).remainder(1) - 0.5  # every tile has its own shading
    instances = pieces(scene.instances[rows, columns], smallest=1)
    return replace(
        scene,
        grey=scene.grey[rows, columns] + offsets[tile] + 0.5 * step * rise,
        edges=scene.edges[rows, columns],
        phases=scene.phases[rows, columns],
        instances=instances,
    )


def _seams(canvas: Canvas, size: int, parts: int) -> Tensor:
    """Tile number of every row or column, long (size,)."""
    cut = round(canvas.uniform(0.3, 0.7) * size) if parts == 2 else size
    return (torch.arange(size, device=canvas.device) >= cut).long()


def mirrored(place: Tensor, size: int) -> Tensor:
    """Places reflected at 0 and size - 1."""
    return (size - 1) - ((size - 1) - place.abs()).abs()


def with_data_bar(canvas: Canvas, image: Tensor, scene: Scene, nm_per_px: float) -> tuple[Tensor, Scene]:
    """Write a data bar with a scale bar over the foot of the picture (H, W) in [0, 1]; masks are 0 there.

    An instance that the bar cuts in pieces becomes several.
    """
    height = max(10, round(canvas.uniform(0.05, 0.1) * canvas.height))
    top = canvas.height - height
    bar = _bar(canvas, height, nm_per_px)
    image, phases, instances = image.clone(), scene.phases.clone(), scene.instances.clone()
    image[top:] = torch.as_tensor(bar, device=canvas.device)
    phases[top:], instances[top:] = 0, 0
    return image, replace(scene, phases=phases, instances=pieces(instances, smallest=1))


def _bar(canvas: Canvas, height: int, nm_per_px: float) -> NDArray[np.float32]:
    """The bar, dark with light marks or the reverse, in [0, 1]; float (height, W)."""
    rng, width = canvas.rng, canvas.width
    drawn = np.zeros((height, width), dtype=np.uint8)
    fitting = [length for length in LENGTHS_NM if length / nm_per_px <= 0.28 * width]
    length = max(fitting, default=LENGTHS_NM[0])
    pixels = max(2, round(length / nm_per_px))
    left, middle, size = round(0.97 * width) - pixels, round(0.72 * height), height / 52
    cv2.rectangle(drawn, (left, middle), (left + pixels - 1, middle + max(1, height // 14)), 255, -1)
    amount = f"{length // 1000} um" if length >= 1000 else f"{length} nm"
    cv2.putText(drawn, amount, (left, round(0.55 * height)), FONT, size, 255, 1, cv2.LINE_AA)
    words = [
        f"HV {rng.choice([5, 10, 15, 20])}.0 kV",
        f"WD {rng.uniform(4, 12):.1f} mm",
        f"{rng.choice(['BSE', 'SE2', 'ETD', 'InLens'])}",
        f"mag {rng.integers(1, 60) * 500} x",
        f"{rng.integers(10, 28)}.{rng.integers(1, 13):02d}.20{rng.integers(10, 27)}",
    ]
    place = 4
    for word in words:
        (length_px, _), _ = cv2.getTextSize(word, FONT, size, 1)
        if place + length_px > left - 8:
            break
        cv2.putText(drawn, word, (place, round(0.65 * height)), FONT, size, 255, 1, cv2.LINE_AA)
        place += length_px + max(4, height // 3)
    if canvas.chance(0.3):
        drawn = 255 - drawn
    if canvas.chance(0.5):
        drawn[0] = 255 - drawn[0]  # a line above the bar
    return drawn.astype(np.float32) / np.float32(255)
