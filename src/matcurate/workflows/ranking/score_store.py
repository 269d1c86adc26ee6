"""Scores, embeddings and vacuity maps of micrographs: kept in the catalog and the object store, and read again."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.catalog.ranking_records import NewScore, ScoreRecord
from matcurate.catalog.rankings import store_score
from matcurate.catalog.records import MicrographRecord, ModelVersionRecord
from matcurate.imaging.labels import decode_labels, encode_labels
from matcurate.types import FloatArray
from matcurate.workflows.home import Workspace

FULL = 65535
"""Vacuity 1 in the stored 16-bit image."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredImage:
    """A micrograph as a candidate.

    ``embedding`` (D,): its place among the others. ``fractions`` (n,): area fraction of every class id from 0, in [0,
    1]. ``scores``: by the names that strategies use ("entropy", "margin", "vacuity" …), as far as the model gives them.
    ``vacuity`` (H, W), in [0, 1]: where the model has seen too little.
    """

    embedding: NDArray[np.float32]
    fractions: FloatArray
    scores: Mapping[str, float]
    vacuity: NDArray[np.float32] | None = None


def store_scored(
    workspace: Workspace, scorer: str, version: ModelVersionRecord, micrograph: MicrographRecord, scored: ScoredImage
) -> ScoreRecord:
    """Store a version's scores of a micrograph; ``scorer`` is the digest of the way of scoring."""
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


def put_embedding(workspace: Workspace, embedding: NDArray[np.float32]) -> str:
    """Store one embedding (D,) or several (N, D); returns the key."""
    buffer = io.BytesIO()
    np.save(buffer, embedding.astype(np.float32), allow_pickle=False)
    return workspace.objects.put(buffer.getvalue(), ".npy")


def load_embedding(workspace: Workspace, key: str) -> NDArray[np.float32]:
    """Read what :func:`put_embedding` has stored under a key."""
    return np.asarray(np.load(io.BytesIO(workspace.objects.get(key)), allow_pickle=False), dtype=np.float32)


def load_vacuity(workspace: Workspace, score: ScoreRecord) -> NDArray[np.float32] | None:
    """Vacuity map (H, W) in [0, 1], in steps of 1/65535; None where the version has none."""
    if score.vacuity_key is None:
        return None
    return decode_labels(workspace.objects.get(score.vacuity_key)).astype(np.float32) / np.float32(FULL)
