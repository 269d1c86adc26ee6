"""Answers at low resolution, from which only the chosen ones are made in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.protocol import Backbone, PointLabels, PromptPredictor
from matcurate.types import BoolMask, Candidate, FloatArray, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Drafts:
    """M masks seen at sample points, enough to compare and to rank them.

    ``masks`` (M, h, w) is inside or outside on a regular lattice over the image; ``prompts`` (M,), ascending, the
    prompt that each answers; ``quality`` (M,) the predicted IoU in [0, 1]; ``stability`` (M,) the IoU in [0, 1] of the
    masks cut one logit higher and one lower, 0 where the lower one has no sample.
    """

    masks: BoolMask
    prompts: NDArray[np.int64]
    quality: NDArray[np.float64]
    stability: NDArray[np.float64]


class Drafted(Protocol):
    """A batch of answered prompts whose masks are not made yet."""

    @property
    def drafts(self) -> Drafts:
        """All masks of the batch, empty ones too."""
        ...

    def enlarge(self, chosen: NDArray[np.int64]) -> list[Candidate | None]:
        """Make the drafts of indices ``chosen`` (K,) in full, as ``predict`` does; None where nothing is inside."""
        ...


class DraftingPredictor(PromptPredictor, Protocol):
    """A predictor that can answer with drafts."""

    def draft(self, points: FloatArray, labels: PointLabels) -> Drafted:
        """Answer B prompts (B, N, 2) as ``predict`` does, without making the masks; keeps some 4 MiB a prompt."""
        ...


class Drafter(Backbone, Protocol):
    """A backbone whose predictors can answer with drafts."""

    def open(self, pixels: Pixels) -> DraftingPredictor:
        """Encode an image (H, W)."""
        ...


def drafts(backbone: Backbone) -> TypeGuard[Drafter]:
    """Whether a backbone is a :class:`Drafter`, by its traits."""
    return backbone.traits.drafts
