"""How much each micrograph would teach a model version, and where it lies among the others: stored for ranking."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcurate.acquisition.scores import entropy, margin
from matcurate.catalog.ranking_records import NewScore, ScoreRecord
from matcurate.catalog.rankings import embedding_keys, scores_of, store_score
from matcurate.catalog.records import MicrographRecord, ModelVersionRecord, PredictionRecord
from matcurate.errors import CurateError
from matcurate.imaging.labels import decode_labels, encode_labels
from matcurate.phase.inference import phase_shares
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import grey_levels
from matcurate.promptable.registry import OFFLINE
from matcurate.types import FloatArray, Pixels, Progress, silent
from matcurate.uncertainty.embedding import Embedder
from matcurate.uncertainty.regions import region_scores
from matcurate.workflows.embedders import embedder_of
from matcurate.workflows.evidence import judge
from matcurate.workflows.presegment import load_original
from matcurate.workflows.presegmenter import Learned, PreSegmenter, ZeroShot
from matcurate.workflows.training import backbone_of
from matcurate.workflows.workspace import Workspace

VERSION = 2
"""Of the way of scoring: another one scores everything again."""
CROP, CROPS_PER_AXIS = 192, 3
"""Edge of the crops that are embedded, in pixels, and how many of them along a side at most."""
SMALLEST = 32
"""Edge that encoders need; smaller crops are mirrored at their borders."""
ROWS = 256
"""Rows scored at once, so that large micrographs need little memory."""
FULL = 65535
"""Vacuity 1 in the stored 16-bit image."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredImage:
    """What a model makes of a micrograph as a candidate.

    Parameters
    ----------
    embedding : float32 array (D,)
        Where it lies among the others.
    fractions : float array (n,)
        Area fraction of every class id from 0, in [0, 1].
    scores : mapping of str to float
        By the names that strategies know ("entropy", "margin", "vacuity" …): what the model does not say is absent.
    vacuity : float32 array (H, W), optional
        In [0, 1]: where the model has seen too little.
    """

    embedding: NDArray[np.float32]
    fractions: FloatArray
    scores: Mapping[str, float]
    vacuity: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores micrographs by a pre-segmenter.

    Parameters
    ----------
    segmenter : PreSegmenter
        The version whose scores they are.
    embed : Embedder
        Of crops.
    """

    segmenter: PreSegmenter
    embed: Embedder

    @property
    def digest(self) -> str:
        """Hex SHA-256 over all that decides about an embedding, and the way of scoring."""
        return hashlib.sha256(f"scoring {VERSION} {CROP} {CROPS_PER_AXIS} {self.embed.digest}".encode()).hexdigest()

    def embedding(self, pixels: Pixels) -> NDArray[np.float32]:
        """Embedding (D,) of a micrograph (H, W): the mean of those of its :func:`crops_of`."""
        return np.asarray(self.embed(crops_of(grey_levels(pixels))).mean(axis=0), dtype=np.float32)

    def score(self, pixels: Pixels, found: Sequence[float]) -> ScoredImage:
        """Score a micrograph (H, W).

        Parameters
        ----------
        pixels : uint8, uint16 or float32 array (H, W)
            At full depth.
        found : sequence of float (n,)
            Area fractions in its pre-segmentation, for a model that says no more than that.
        """
        embedding = self.embedding(pixels)
        if isinstance(self.segmenter, Learned):
            return replace(scored_by_model(self.segmenter, pixels), embedding=embedding)
        return ScoredImage(embedding, np.asarray(found, dtype=np.float64), {})


def scored_by_model(learned: Learned, pixels: Pixels) -> ScoredImage:
    """Means over the pixels of what a phase model says of a micrograph (H, W); the embedding is left empty.

    With a head of evidence also "vacuity" away from boundaries, "unknown", the share of pixels there that are not
    known, and "vacuity NAME" of every phase that was found.
    """
    grey, told = grey_levels(pixels), no_ratio(learned.model.phases)
    vacuity, scores = None, {}
    if learned.evidence is None:
        shares = phase_shares(learned.model, grey, told)
    else:
        judged = judge(learned.model, learned.evidence, grey, told)
        shares, vacuity = judged.shares, judged.vacuity
        regions = region_scores(vacuity, shares.argmax(axis=0), len(shares))
        named = zip(learned.evidence.classes, regions.per_phase, strict=True)
        scores = {"vacuity": regions.mean, "unknown": regions.unknown}
        scores |= {f"vacuity {name}": value for name, value in named if value is not None}
    scores |= {"entropy": _pixel_mean(entropy, shares), "margin": _pixel_mean(margin, shares)}
    return ScoredImage(np.empty(0, dtype=np.float32), np.clip(shares.mean(axis=(1, 2)), 0.0, 1.0), scores, vacuity)


def _pixel_mean(score: Callable[[FloatArray], FloatArray], shares: NDArray[np.float32]) -> float:
    """Mean over the pixels of a score of probabilities (n, H, W)."""
    bands = (shares[:, top : top + ROWS] for top in range(0, shares.shape[1], ROWS))
    return float(sum(score(np.moveaxis(band, 0, -1)).sum() for band in bands) / shares[0].size)


def crops_of(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Crops (N, h, w) of an image (H, W): at most 3 x 3 of 192 pixels, evenly from border to border.

    Along a side that is shorter, crops are as long as it is.
    """
    height, width = grey.shape
    tall, wide = min(CROP, height), min(CROP, width)
    crops = np.stack(
        [grey[top : top + tall, left : left + wide] for top in _starts(height, tall) for left in _starts(width, wide)]
    )
    missing = [(0, 0), (0, max(0, SMALLEST - tall)), (0, max(0, SMALLEST - wide))]
    return np.pad(crops, missing, mode="symmetric")


def _starts(side: int, edge: int) -> list[int]:
    count = min(CROPS_PER_AXIS, -(-side // edge))
    return [(side - edge) // 2] if count == 1 else [round(i * (side - edge) / (count - 1)) for i in range(count)]


def open_scorer(workspace: Workspace, segmenter: PreSegmenter) -> Scorer:
    """A scorer whose embeddings are the segmenter's backbone's; the built-in network's where that has no encoder.

    Raises
    ------
    CheckpointError
        When the backbone's checkpoint is not at hand.
    """
    name = segmenter.facts.backbone
    if name == "tree":
        return Scorer(segmenter, embedder_of(backbone_of(workspace, OFFLINE)))
    if isinstance(segmenter, ZeroShot):
        return Scorer(segmenter, embedder_of(segmenter.matsam.backbone))
    return Scorer(segmenter, embedder_of(backbone_of(workspace, name)))


def score_pool(
    workspace: Workspace,
    scorer: Scorer,
    version: ModelVersionRecord,
    predictions: Sequence[tuple[MicrographRecord, PredictionRecord]],
    check: Callable[[ScoreRecord], None] = lambda _: None,
    progress: Progress = silent,
) -> tuple[dict[int, ScoreRecord], list[str]]:
    """Score the micrographs that have no scores of this version; each is stored at once, so that it can be stopped.

    Parameters
    ----------
    workspace, scorer, version
        The open installation; what scores, and its row in the catalog.
    predictions : sequence of pairs
        Micrographs and what the version has predicted for them.
    check : callable
        Told the first scores, before the long work begins; what it raises passes.
    progress : Progress
        Called once a micrograph.

    Returns
    -------
    scores : dict
        Of all that could be scored, by micrograph.
    failed : list of str
        One line for each that could not.
    """
    with workspace.reading() as session:
        stored = scores_of(session, version.id, scorer.digest)
    known = {micrograph_id: score for micrograph_id, score in stored.items() if score.fractions}
    scores: dict[int, ScoreRecord] = {}
    failed, classes = [], workspace.project().classes
    for index, (micrograph, prediction) in enumerate(predictions):
        progress(index, len(predictions), micrograph.name)
        try:
            found = known.get(micrograph.id) or _score(workspace, scorer, version, micrograph, prediction, classes)
        except CurateError as error:
            failed.append(f"{micrograph.name}: {error}")
            continue
        if not scores:
            check(found)
        scores[micrograph.id] = found
    progress(len(predictions), len(predictions))
    return scores, failed


def _score(
    workspace: Workspace,
    scorer: Scorer,
    version: ModelVersionRecord,
    micrograph: MicrographRecord,
    prediction: PredictionRecord,
    classes: Sequence[str],
) -> ScoreRecord:
    phases = [prediction.phase_fractions.get(name, 0.0) for name in classes[1:]]
    scored = scorer.score(load_original(workspace, micrograph).pixels, [max(0.0, 1.0 - sum(phases)), *phases])
    return store_scored(workspace, scorer.digest, version, micrograph, scored)


def store_scored(
    workspace: Workspace, scorer: str, version: ModelVersionRecord, micrograph: MicrographRecord, scored: ScoredImage
) -> ScoreRecord:
    """Keep what a version makes of a micrograph; ``scorer`` is the digest of the way of scoring."""
    vacuity_key = None
    if scored.vacuity is not None:
        levels = np.rint(np.clip(scored.vacuity, 0.0, 1.0) * FULL).astype(np.uint16)
        vacuity_key = workspace.objects.put(encode_labels(levels), ".png")
    new = NewScore(
        micrograph_id=micrograph.id,
        model_version_id=version.id,
        scorer=scorer,
        scores=dict(scored.scores),
        fractions=tuple(float(fraction) for fraction in scored.fractions),
        embedding_key=put_embedding(workspace, scored.embedding),
        vacuity_key=vacuity_key,
    )
    with workspace.writing() as session:
        return store_score(session, new)


def embeddings_of(
    workspace: Workspace,
    scorer: Scorer,
    version: ModelVersionRecord,
    micrographs: Sequence[MicrographRecord],
    progress: Progress = silent,
) -> tuple[NDArray[np.float32], list[str]]:
    """Embeddings (M, D) of micrographs that are only to be kept away from, as those the experts have seen.

    Embeddings do not depend on what a version has learned: those of earlier versions are used. New ones are stored.

    Returns
    -------
    embeddings : float32 array (M', D)
        Without those that could not be read.
    failed : list of str
        One line for each of these.
    """
    with workspace.reading() as session:
        known = embedding_keys(session, scorer.digest)
    found, failed = [], []
    for index, micrograph in enumerate(micrographs):
        progress(index, len(micrographs), micrograph.name)
        try:
            if micrograph.id in known:
                found.append(load_embedding(workspace, known[micrograph.id]))
                continue
            embedding = scorer.embedding(load_original(workspace, micrograph).pixels)
        except CurateError as error:
            failed.append(f"{micrograph.name}: {error}")
            continue
        store_scored(workspace, scorer.digest, version, micrograph, ScoredImage(embedding, np.empty(0), {}))
        found.append(embedding)
    return np.stack(found) if found else np.empty((0, 0), dtype=np.float32), failed


def put_embedding(workspace: Workspace, embedding: NDArray[np.float32]) -> str:
    """Store one embedding (D,) or several (N, D); returns the key."""
    buffer = io.BytesIO()
    np.save(buffer, embedding.astype(np.float32), allow_pickle=False)
    return workspace.objects.put(buffer.getvalue(), ".npy")


def load_embedding(workspace: Workspace, key: str) -> NDArray[np.float32]:
    """What :func:`put_embedding` has stored under a key."""
    return np.asarray(np.load(io.BytesIO(workspace.objects.get(key)), allow_pickle=False), dtype=np.float32)


def load_vacuity(workspace: Workspace, score: ScoreRecord) -> NDArray[np.float32] | None:
    """Vacuity map (H, W) in [0, 1], in steps of 1/65535; None where the version has none."""
    if score.vacuity_key is None:
        return None
    return decode_labels(workspace.objects.get(score.vacuity_key)).astype(np.float32) / np.float32(FULL)
