"""Drafts of official SAM: masks at every fourth logit, and the chosen ones in full."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from matcurate.promptable.decoder import GROWTH, MASKS, Answers, LeanDecoder
from matcurate.promptable.drafts import Drafts
from matcurate.promptable.enlarge import Enlargement
from matcurate.types import Candidate

STABILITY_OFFSET = 1.0
"""In logits, as in segment_anything's own generator."""


class SamDrafted:
    """Answered prompts of one image whose masks are made when needed.

    ``parts`` are the numbers of the prompts, ascending over all parts, and what the decoder computes of them.
    """

    def __init__(
        self, decoder: LeanDecoder, enlargement: Enlargement, parts: list[tuple[NDArray[np.int64], Answers]]
    ) -> None:
        self._decoder = decoder
        self._enlargement = enlargement
        self._parts = parts
        self._numbers = [
            (part, row, mask)
            for part, (chosen, _) in enumerate(parts)
            for row in range(len(chosen))
            for mask in range(3)
        ]

    @cached_property
    @torch.inference_mode()
    def drafts(self) -> Drafts:
        """All masks of the batch at every fourth logit, three a prompt in the decoder's order."""
        rows, columns = (axis.samples(GROWTH) for axis in (self._enlargement.rows, self._enlargement.columns))
        cut, low, high = (self._enlargement.threshold + step * STABILITY_OFFSET for step in (0, -1, 1))
        masks, stability = [np.empty((0, rows, columns), dtype=np.bool_)], [np.empty(0)]
        for _, part in self._parts:
            logits = self._decoder.logits(part, GROWTH).flatten(0, 1)[:, :rows, :columns]
            masks.append((logits > cut).cpu().numpy())
            wide = (logits > low).sum(dim=(1, 2)).clamp(min=1)
            stability.append(((logits > high).sum(dim=(1, 2)) / wide).double().cpu().numpy())
        return Drafts(
            masks=np.concatenate(masks),
            prompts=np.repeat(
                np.concatenate([np.empty(0, dtype=np.int64), *(chosen for chosen, _ in self._parts)]), MASKS
            ),
            quality=np.concatenate([np.empty(0), *(part.qualities().ravel() for _, part in self._parts)]),
            stability=np.concatenate(stability),
        )

    @torch.inference_mode()
    def enlarge(self, chosen: NDArray[np.int64]) -> list[Candidate | None]:
        """Make the drafts of indices ``chosen`` (K,) in full; None where nothing is inside."""
        made: dict[int, Candidate | None] = {}
        by_prompt: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for index in map(int, chosen):
            part, row, mask = self._numbers[index]
            by_prompt.setdefault((part, row), []).append((index, mask))
        for (part, row), masks in by_prompt.items():
            answers = self._parts[part][1]
            rows = [mask for _, mask in masks]
            few = Answers(
                answers.tokens[row : row + 1], answers.weights[row : row + 1, rows], answers.quality[row : row + 1]
            )
            for (index, mask), logit in zip(masks, self._decoder.logits(few)[0], strict=True):
                made[index] = self._enlargement.candidate(logit, float(answers.quality[row, mask].clamp(0.0, 1.0)))
        return [made[int(index)] for index in chosen]
