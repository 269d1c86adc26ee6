"""How well the raw outputs of a network find objects in pictures that it does not learn from."""

from collections.abc import Mapping, Sequence

import numpy as np

from matcurate.pretraining.pictures import Folder, Picture, Pool, outline
from matcurate.promptable.builtin.inference import output_maps
from matcurate.promptable.builtin.network import ObjectNet
from matcurate.segmentation.metrics import class_mean_iou

GENERATED = 4
"""Pictures of each generated kind."""


def validation_pictures(folders: Sequence[Folder], pools: Sequence[Pool]) -> tuple[Picture, ...]:
    """All pictures of the folders, and the first of each pool."""
    return (
        *(picture for folder in folders for picture in folder.pictures),
        *(pool.picture(number) for pool in pools for number in range(GENERATED)),
    )


def validate(network: ObjectNet, pictures: Sequence[Picture]) -> Mapping[str, float]:
    """Mean score by source: class-mean IoU of the foreground, or Dice of the boundary where the foreground is unknown.

    The network is in evaluation mode; the pictures are not among those learned from.
    """
    scores: dict[str, list[float]] = {}
    for picture in pictures:
        foreground, _, boundary, _ = output_maps(network, picture.grey)
        if (picture.foreground >= 0).all():
            score = class_mean_iou(foreground > 0.5, picture.foreground > 0)
        else:
            predicted, true = boundary > 0.5, outline(picture.objects)
            pixels = np.count_nonzero(predicted) + np.count_nonzero(true)
            score = 2 * np.count_nonzero(predicted & true) / max(1, pixels)
        scores.setdefault(picture.source, []).append(score)
    return {source: float(np.mean(values)) for source, values in scores.items()}
