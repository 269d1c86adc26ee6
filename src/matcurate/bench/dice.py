"""Scores of a phase model over labelled pictures, given a ratio or none, and the sizes of its parts."""

import resource
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matcurate.bench.ratio_kinds import EXACT, NONE
from matcurate.phase.constrained import AreaPrior, follow
from matcurate.phase.inference import phase_shares
from matcurate.phase.model import PhaseModel
from matcurate.phase.ratios import Ratio
from matcurate.phase.samples import Picture
from matcurate.phase.scores import mean_of, phase_dice
from matcurate.types import UNKNOWN, LabelMap, Trust

COMPARED = (NONE, "alpha=0.9", EXACT)
"""Ratios that every run is measured at, beside the one that was chosen."""


def segmented(
    model: PhaseModel,
    pictures: Sequence[Picture],
    ratios: Sequence[Ratio],
    trust: Trust | None = None,
    prior: AreaPrior | None = None,
) -> list[NDArray[np.uint8]]:
    """Phases that a model finds on every picture, given its ratio, zeros for none.

    Without ``trust`` the Phase Learning Module alone gets the ratio; with it the areas are met as in prediction.
    """
    labels = []
    for picture, ratio in zip(pictures, ratios, strict=True):
        shares = phase_shares(model, picture.grey, ratio)
        if trust is not None and ratio.any():
            shares = follow(shares, ratio, trust, prior, picture.labels != UNKNOWN)
        labels.append(shares.argmax(axis=0).astype(np.uint8))
    return labels


def per_class(values: Sequence[tuple[float | None, ...]]) -> tuple[float | None, ...]:
    """Means over the pictures, of what each of them gives for every phase."""
    return tuple(mean_of(column) for column in zip(*values, strict=True))


def dice_of_classes(predicted: Sequence[LabelMap], truth: Sequence[LabelMap], phases: int) -> tuple[float | None, ...]:
    """Dice of every class, background included: means over the pictures; None where it never occurs."""
    return per_class([phase_dice(labels, true, phases) for labels, true in zip(predicted, truth, strict=True)])


def foreground_dice(predicted: Sequence[LabelMap], truth: Sequence[LabelMap]) -> float:
    """Mean Dice of two classes: background, and all phases as one."""
    first, second = (
        [np.where(labels == UNKNOWN, UNKNOWN, labels > 0).astype(np.uint8) for labels in maps]
        for maps in (predicted, truth)
    )
    return mean_dice(dice_of_classes(first, second, 2))


def mean_dice(per_class: tuple[float | None, ...]) -> float:
    """Mean over the classes that occur; 0 where none does."""
    return mean_of(per_class) or 0.0


def part_parameters(model: PhaseModel) -> dict[str, int]:
    """Numbers of parameters of the parts, under the names of the paper's table 6."""

    def count(part: nn.Module, learning: bool) -> int:
        return sum(value.numel() for value in part.parameters() if value.requires_grad or not learning)

    encoder = model.segmenter.encoder
    parts = {
        "encoder": count(encoder, False) - count(encoder, True),
        "lora": count(encoder, True),
        "decoder": count(model.segmenter, True) - count(encoder, True),
    }
    if model.plm is not None:
        modules = nn.ModuleList(model.modules_of_ratio())
        names = {"fe": "extractor", "re": "ratio_encoder", "sa": "awareness", "fa": "aggregator"}
        parts |= {
            name: sum(count(module.get_submodule(part), True) for module in modules) for name, part in names.items()
        }
        parts["plm"] = count(modules, True)
    return parts


def peak_mb(model: PhaseModel) -> float:
    """Largest memory so far in MiB: the GPU's, or the process's on a CPU."""
    device = next(model.parameters()).device
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
