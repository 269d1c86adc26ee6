"""Micrographs → scores in the catalog, for ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from matcurate.catalog.ranking_records import ScoreRecord
from matcurate.catalog.rankings import embedding_keys, scores_of
from matcurate.catalog.records import MicrographRecord, ModelVersionRecord, PredictionRecord
from matcurate.errors import CurateError
from matcurate.imaging.ignored import looked_at
from matcurate.types import Progress, silent
from matcurate.workflows.home import Workspace, load_counted
from matcurate.workflows.ranking.score_store import ScoredImage, load_embedding
from matcurate.workflows.ranking.scorer import Scorer


def score_pool(
    workspace: Workspace,
    scorer: Scorer,
    version: ModelVersionRecord,
    predictions: Sequence[tuple[MicrographRecord, PredictionRecord]],
    check: Callable[[ScoreRecord], None] = lambda _: None,
    progress: Progress = silent,
) -> tuple[dict[int, ScoreRecord], list[str]]:
    """Score the micrographs that have no scores of this version; each is stored at once, so that it can be stopped.

    ``check`` gets the first scores, before the long work begins; what it raises passes. Returns the scores by
    micrograph id, and one line for each that could not be scored.
    """
    with workspace.reading() as session:
        stored = scores_of(session, version.id, scorer.digest)
    complete = {micrograph_id: score for micrograph_id, score in stored.items() if score.fractions}
    scores: dict[int, ScoreRecord] = {}
    failed, classes = [], workspace.project().classes
    for index, (micrograph, prediction) in enumerate(predictions):
        progress(index, len(predictions), micrograph.name)
        try:
            score = complete.get(micrograph.id) or _score(workspace, scorer, version, micrograph, prediction, classes)
        except CurateError as error:
            failed.append(f"{micrograph.name}: {error}")
            continue
        if not scores:
            check(score)
        scores[micrograph.id] = score
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
    pixels, ignored = load_counted(workspace, micrograph)
    scored = scorer.score(pixels, [max(0.0, 1.0 - sum(phases)), *phases], ignored)
    return scorer.store(workspace, version, micrograph, scored)


def embeddings_of(
    workspace: Workspace,
    scorer: Scorer,
    version: ModelVersionRecord,
    micrographs: Sequence[MicrographRecord],
    progress: Progress = silent,
) -> tuple[NDArray[np.float32], list[str]]:
    """Embeddings (M, D) of annotated micrographs, which the choice keeps away from; and one line for each failure.

    Embeddings do not depend on what a version has learned: those of earlier versions are used. New ones are stored.
    """
    with workspace.reading() as session:
        stored = embedding_keys(session, scorer.digest)
    embeddings, failed = [], []
    for index, micrograph in enumerate(micrographs):
        progress(index, len(micrographs), micrograph.name)
        try:
            if micrograph.id in stored:
                embeddings.append(load_embedding(workspace, stored[micrograph.id]))
                continue
            embedding = scorer.embedding(looked_at(*load_counted(workspace, micrograph)))
        except CurateError as error:
            failed.append(f"{micrograph.name}: {error}")
            continue
        scorer.store(workspace, version, micrograph, ScoredImage(embedding, np.empty(0), {}))
        embeddings.append(embedding)
    return np.stack(embeddings) if embeddings else np.empty((0, 0), dtype=np.float32), failed
