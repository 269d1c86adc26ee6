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
from matcurate.workflows.home.pixels import load_counted
from matcurate.workflows.home.workspace import Workspace
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
            embedding = scorer.embedding(looked_at(*load_counted(workspace, micrograph)))
        except CurateError as error:
            failed.append(f"{micrograph.name}: {error}")
            continue
        scorer.store(workspace, version, micrograph, ScoredImage(embedding, np.empty(0), {}))
        found.append(embedding)
    return np.stack(found) if found else np.empty((0, 0), dtype=np.float32), failed
