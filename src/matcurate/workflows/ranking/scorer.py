"""How much a micrograph would teach a model version, and where it lies among the others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcurate.acquisition.scores import entropy, margin
from matcurate.catalog.ranking_records import ScoreRecord
from matcurate.catalog.records import MicrographRecord, ModelVersionRecord
from matcurate.imaging.crops import padded, spread
from matcurate.imaging.ignored import frame_within, looked_at, spread_out
from matcurate.learned.embedders import embedder_of
from matcurate.learned.evidence import judge
from matcurate.learned.segmentation import segmentation_of
from matcurate.phase.inference import phase_shares
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import grey_levels
from matcurate.segmentation.result import Segmentation
from matcurate.types import BoolMask, FloatArray, Pixels
from matcurate.uncertainty.embedding import Embedder
from matcurate.uncertainty.regions import region_scores
from matcurate.workflows.home import Workspace, backbone_of
from matcurate.workflows.presegment import Learned, PreSegmenter, ZeroShot
from matcurate.workflows.ranking.score_store import ScoredImage, store_scored

VERSION = 4
"""Of the way of scoring: another one scores everything again."""
CROP, CROPS_PER_AXIS = 192, 3
"""Edge of the crops that are embedded, in pixels, and how many of them along a side at most."""
SMALLEST = 32
"""Edge that encoders need; smaller crops are mirrored at their borders."""
ROWS = 256
"""Rows scored at once, so that large micrographs need little memory."""
DRAWS = 8
"""Passes with dropout for BALD."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores micrographs by a pre-segmenter, and embeds them by their crops."""

    segmenter: PreSegmenter
    embed: Embedder

    @property
    def digest(self) -> str:
        """Hex SHA-256 over all that decides about an embedding, and the way of scoring."""
        return hashlib.sha256(f"scoring {VERSION} {CROP} {CROPS_PER_AXIS} {self.embed.digest}".encode()).hexdigest()

    def embedding(self, pixels: Pixels) -> NDArray[np.float32]:
        """Embedding (D,) of a micrograph (H, W): the mean of those of its :func:`crops_of`."""
        return np.asarray(self.embed(crops_of(grey_levels(pixels))).mean(axis=0), dtype=np.float32)

    def score(self, pixels: Pixels, fractions: Sequence[float], ignored: BoolMask | None = None) -> ScoredImage:
        """Score a micrograph (H, W) at full depth, without what is ignored (H, W).

        ``fractions`` (n,) are the area fractions of its pre-segmentation, for a segmenter that gives no scores.
        """
        embedding = self.embedding(looked_at(pixels, ignored))
        if isinstance(self.segmenter, Learned):
            return replace(scored_by_model(self.segmenter, pixels, ignored), embedding=embedding)
        return ScoredImage(embedding, np.asarray(fractions, dtype=np.float64), {})

    def segmented(self, pixels: Pixels, ignored: BoolMask | None = None) -> tuple[Segmentation, ScoredImage | None]:
        """Segment a micrograph (H, W), and score it in the same pass where a phase model segments.

        For others the scores are None here: they follow from the segmentation, see :meth:`score`.
        """
        if not isinstance(self.segmenter, Learned):
            return self.segmenter.segment(pixels, ignored=ignored), None
        seen = looked_at(pixels, ignored)
        judged = _judged(self.segmenter, seen)
        scored = replace(_scored(self.segmenter, judged, ignored), embedding=self.embedding(seen))
        return segmentation_of(judged.shares, ignored), scored

    def store(
        self, workspace: Workspace, version: ModelVersionRecord, micrograph: MicrographRecord, scored: ScoredImage
    ) -> ScoreRecord:
        """Store a version's scores of a micrograph in the catalog and the object store."""
        return store_scored(workspace, self.digest, version, micrograph, scored)


def scored_by_model(learned: Learned, pixels: Pixels, ignored: BoolMask | None = None) -> ScoredImage:
    """Mean scores over the pixels of a micrograph (H, W) that are not ignored (H, W); the embedding is left empty.

    With a head of evidence also "vacuity" away from boundaries, "unknown", the share of pixels there that are not
    known, "vacuity NAME" of every phase that was found, and, where the head was trained with dropout, "bald".
    """
    return _scored(learned, _judged(learned, looked_at(pixels, ignored)), ignored)


@dataclass(frozen=True, slots=True, eq=False)
class PixelOutput:
    """Probabilities (n, h, w) of a phase model, and vacuity and disagreement (h, w) of its head of evidence, if any."""

    shares: NDArray[np.float32]
    vacuity: NDArray[np.float32] | None = None
    disagreement: NDArray[np.float32] | None = None


def _judged(learned: Learned, pixels: Pixels) -> PixelOutput:
    grey, told = grey_levels(pixels), no_ratio(learned.model.phases)
    if learned.evidence is None:
        return PixelOutput(phase_shares(learned.model, grey, told))
    judged = judge(learned.model, learned.evidence, grey, told, draws=DRAWS)
    return PixelOutput(judged.shares, judged.vacuity, judged.disagreement)


def _scored(learned: Learned, output: PixelOutput, ignored: BoolMask | None) -> ScoredImage:
    """Scores of the framed part (h, w) of an image (H, W), some of which may be ignored (H, W)."""
    shares, scores = output.shares, {}
    counts = _counts(ignored, shares.shape[1:])
    if learned.evidence is not None and output.vacuity is not None:
        regions = region_scores(output.vacuity, shares.argmax(axis=0), len(shares), counts=counts)
        named = zip(learned.evidence.classes, regions.per_phase, strict=True)
        scores = {"vacuity": regions.mean, "unknown": regions.unknown}
        scores |= {f"vacuity {name}": value for name, value in named if value is not None}
    if output.disagreement is not None:
        scores["bald"] = float(output.disagreement.mean(where=counts, dtype=np.float64))
    scores |= {"entropy": _pixel_mean(entropy, shares, counts), "margin": _pixel_mean(margin, shares, counts)}
    fractions = np.clip(shares.mean(axis=(1, 2), where=counts), 0.0, 1.0)
    vacuity = None if output.vacuity is None else spread_out(output.vacuity, ignored)
    return ScoredImage(np.empty(0, dtype=np.float32), fractions, scores, vacuity)


def _counts(ignored: BoolMask | None, shape: tuple[int, ...]) -> BoolMask:
    """Which pixels of the framed part (h, w) count."""
    if ignored is None:
        return np.ones(shape, dtype=np.bool_)
    return np.asarray(~ignored[frame_within(ignored, ignored.shape).inside])


def _pixel_mean(score: Callable[[FloatArray], FloatArray], shares: NDArray[np.float32], counts: BoolMask) -> float:
    """Mean over the pixels (H, W) that count of a score of probabilities (n, H, W)."""
    tops = range(0, shares.shape[1], ROWS)
    bands = ((shares[:, top : top + ROWS], counts[top : top + ROWS]) for top in tops)
    total = sum(score(np.moveaxis(band, 0, -1)).sum(where=where) for band, where in bands)
    return float(total / np.count_nonzero(counts))


def crops_of(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Crops (N, h, w) of an image (H, W): at most 3 x 3 of 192 pixels, evenly from border to border.

    Along a side that is shorter, crops are as long as it is.
    """
    height, width = grey.shape
    tall, wide = min(CROP, height), min(CROP, width)
    rows, columns = (
        spread(side, edge, min(CROPS_PER_AXIS, -(-side // edge))) for side, edge in ((height, tall), (width, wide))
    )
    return padded(np.stack([grey[top : top + tall, left : left + wide] for top in rows for left in columns]), SMALLEST)


def open_scorer(workspace: Workspace, segmenter: PreSegmenter) -> Scorer:
    """A scorer with the segmenter's backbone as embedder; raises CheckpointError when its checkpoint is not at hand."""
    if isinstance(segmenter, ZeroShot):
        return Scorer(segmenter, embedder_of(segmenter.matsam.backbone))
    return Scorer(segmenter, embedder_of(backbone_of(workspace, segmenter.facts.backbone)))
