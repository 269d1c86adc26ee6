"""Scores of a phase model over labelled pictures, given a ratio or none, and the sizes of its parts."""

import resource
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from matcurate.phase.inference import segment_phases
from matcurate.phase.model import PhaseModel
from matcurate.phase.ratios import exact_ratio, guessed_ratio, no_ratio
from matcurate.phase.samples import Picture
from matcurate.phase.scores import mean_of, phase_dice
from matcurate.types import UNKNOWN, LabelMap

EXACT, NONE, ALPHA = "exact", "none", "alpha="
COMPARED = (NONE, "alpha=0.9", EXACT)
"""Ratios that every run with the module is measured at, beside the one that was chosen."""


def parse_ratio(text: str) -> float | None:
    """Accuracy of a ``--ratio``: ``exact`` is 1, ``alpha=0.9`` is 0.9, ``none`` is None; ValueError outside [0, 1]."""
    if text in (EXACT, NONE):
        return 1.0 if text == EXACT else None
    try:
        accuracy = float(text.removeprefix(ALPHA)) if text.startswith(ALPHA) else -1.0
    except ValueError:
        accuracy = -1.0
    if not 0 <= accuracy <= 1:
        raise ValueError(f"{text!r} is not exact, none or alpha=X with X in [0, 1]")
    return accuracy


def segmented(model: PhaseModel, pictures: Sequence[Picture], ratio: str) -> list[NDArray[np.uint8]]:
    """Phases that a model finds on every picture, given a ratio as :func:`parse_ratio` reads it."""
    accuracy, phases = parse_ratio(ratio), model.phases
    if accuracy is None:
        return [segment_phases(model, picture.grey, no_ratio(phases)) for picture in pictures]
    ratios = (guessed_ratio(exact_ratio(picture.labels, phases), accuracy) for picture in pictures)
    return [segment_phases(model, picture.grey, given) for picture, given in zip(pictures, ratios, strict=True)]


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
