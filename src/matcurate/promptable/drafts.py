"""Answers at low resolution, from which only those that are wanted are made in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from matcurate.promptable.protocol import PointLabels
from matcurate.types import BoolMask, Candidate, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Drafts:
    """M masks seen at sample points, enough to compare and to rank them.

    Parameters
    ----------
    masks : bool array (M, h, w)
        Inside or outside, at the sample points of a regular lattice over the image.
    prompts : int array (M,)
        Which prompt each answers; ascending.
    quality : float array (M,)
        Predicted IoU in [0, 1].
    stability : float array (M,)
        IoU in [0, 1] of the masks cut one logit higher and one lower; 0 where the lower one has no sample.
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
        """Masks in full, in the order asked, the same that ``predict`` gives; None where nothing is inside.

        Parameters
        ----------
        chosen : int array (K,)
            Indices into ``drafts``.
        """
        ...


@runtime_checkable
class Drafting(Protocol):
    """A predictor that can answer with drafts."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        ...

    def draft(self, points: FloatArray, labels: PointLabels) -> Drafted:
        """Answer B prompts (B, N, 2) as ``predict`` does, without making the masks; keeps some 4 MiB a prompt."""
        ...
