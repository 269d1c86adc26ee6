"""What a kind draws, before the microscope: ideal grey levels with exact masks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from skimage.measure import label
from torch import Tensor

from matcurate.imaging.synth.canvas import Canvas


@dataclass(frozen=True, slots=True, eq=False)
class Overprint:
    """What happens to a picture after the microscope.

    ``grey`` (H, W) in [0, 1] is put over the photograph, NaN where there is nothing; no object is there. The picture is
    reduced by ``scale`` in (0, 1] and enlarged again, and compressed as JPEG of ``quality`` 1 to 99; 100 leaves it out.
    """

    grey: Tensor
    scale: float = 1.0
    quality: int = 100


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A specimen without noise: ideal grey levels, nominally in [0, 1], class and instance ids (H, W).

    ``edges`` in [0, 1] is where secondary electrons brighten an edge. A ``polished`` section may be scratched.
    ``printed`` is put over the photograph afterwards: annotations, the blank corners of a tomogram.
    """

    grey: Tensor
    phases: Tensor
    instances: Tensor
    edges: Tensor
    polished: bool = True
    printed: Overprint | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of microstructure: what draws it, the name of every class id, and the pixel size."""

    draw: Callable[[Canvas], Scene]
    classes: tuple[str, ...]
    nm_per_px: float

    @property
    def name(self) -> str:
        """Name in the registry: that of the function that draws it."""
        return self.draw.__name__


def kind(classes: tuple[str, ...], nm_per_px: float) -> Callable[[Callable[[Canvas], Scene]], Kind]:
    """Make a kind of a function that draws its scene."""
    return lambda draw: Kind(draw, classes, nm_per_px)


def _reproduced(image: Tensor, scale: float, quality: int) -> Tensor:
    """Reduce an image (H, W) by ``scale``, compress it and enlarge it again. Runs on the CPU."""
    if scale >= 1 and quality >= 100:
        return image
    pixels = image.cpu().numpy()
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if quality < 100:
        coarse = np.rint(np.clip(pixels, 0, 1) * 255)
        _, packed = cv2.imencode(".jpg", coarse.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
        read = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), dtype=np.float32)
        pixels = pixels + (read - coarse) / 255  # what lies below a grey level of 8 bits stays
    if scale < 1:
        pixels = cv2.resize(pixels, image.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return torch.as_tensor(np.clip(pixels, 0, 1).astype(np.float32), device=image.device)


def within_range(grey: Tensor, reach: float = 0.45) -> Tensor:
    """Compress grey levels (H, W) about their mean so that no more than one pixel in 200 lies further than ``reach``.

    A detector is set so that few pixels saturate.
    """
    apart = grey - grey.mean()
    ordered = apart.abs().flatten().sort().values
    furthest = ordered[int(0.995 * (len(ordered) - 1))].clamp_min(1e-6)
    return grey.mean() + apart * (reach / furthest).clamp_max(1.0)


def overprinted(image: Tensor, scene: Scene) -> tuple[Tensor, Scene]:
    """Put what the scene has printed over the photograph (H, W); classes and instances are 0 there.

    An instance that the print cuts in pieces becomes several.
    """
    if scene.printed is None:
        return image, scene
    free = torch.isnan(scene.printed.grey)
    instances = pieces(scene.instances * free, smallest=1)
    shown = torch.where(free, image, scene.printed.grey.nan_to_num())
    return _reproduced(shown, scene.printed.scale, scene.printed.quality), replace(
        scene, phases=scene.phases * free, instances=instances
    )


def numbered(labels: Tensor) -> Tensor:
    """Ids 1 … n in order of first use for the ids > 0 that occur; 0 stays 0. labels and result long (H, W)."""
    values, inverse = torch.unique(labels.clamp_min(0), return_inverse=True)
    ids: Tensor = inverse if int(values[0]) == 0 else inverse + 1
    return ids


def components(mask: Tensor, smallest: int) -> Tensor:
    """4-connected components of a bool mask (H, W) with at least ``smallest`` pixels, as long ids 1 … n.

    Runs on the CPU; everything else of the generator stays on its device.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.cpu().numpy().astype(np.uint8), connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= smallest
    large[0] = False
    ids = np.where(large, np.cumsum(large), 0)
    return torch.as_tensor(ids[labels].astype(np.int64), device=mask.device)


def pieces(labels: Tensor, smallest: int) -> Tensor:
    """4-connected pieces of equal label > 0 with at least ``smallest`` pixels, as long ids 1 … n; labels long (H, W).

    Unlike :func:`components`, pieces of different labels stay apart where they touch. Runs on the CPU.
    """
    numbers = label(labels.clamp_min(0).cpu().numpy(), background=0, connectivity=1)
    large = np.bincount(numbers.ravel()) >= smallest
    large[0] = False
    ids = np.where(large, np.cumsum(large), 0)
    return torch.as_tensor(ids[numbers].astype(np.int64), device=labels.device)
