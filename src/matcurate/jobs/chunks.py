"""Large pre-segmentations and rankings in chunks, which several workers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matcurate.catalog import (
    JobRecord,
    MicrographRecord,
    annotated_micrographs,
    list_micrographs,
    list_predictions,
    predicted_micrographs,
    scores_of,
)
from matcurate.errors import CurateError
from matcurate.types import Progress
from matcurate.workflows.home import PROMOTION, Workspace
from matcurate.workflows.presegment import (
    Learned,
    PreSegmenter,
    choose_presegmenter,
    presegment_micrographs,
    register_version,
)
from matcurate.workflows.ranking import open_scorer, score_pool

CHUNK = 64
"""Micrographs in a chunk; a job with no more of them is not split."""


@dataclass(slots=True)
class ChunkWorker:
    """Predicts, and scores for a ranking, chunk after chunk; the model stays loaded."""

    segmenter: PreSegmenter | None = None

    def split(self, workspace: Workspace, job: JobRecord) -> list[list[int]]:
        """Micrographs (catalog ids) that a job has to look at, in chunks; none where they are few."""
        if job.kind not in ("presegment", "rank"):
            return []
        project = workspace.project()
        with workspace.reading() as session:
            present = list_micrographs(session, project.id)
        try:
            todo = self._todo(workspace, job, present) if len(present) > CHUNK else []
        except CurateError:  # the job says it
            return []
        if len(todo) <= CHUNK:
            return []
        return [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]

    def _todo(self, workspace: Workspace, job: JobRecord, present: Sequence[MicrographRecord]) -> list[int]:
        """Those that have no prediction yet, or no scores where the job needs them."""
        project = workspace.project()
        self.segmenter = choose_presegmenter(workspace, self.segmenter)
        version = register_version(workspace, project, self.segmenter)
        with workspace.reading() as session:
            done = {prediction.micrograph_id for prediction in list_predictions(session, version.id)}
            if scores(job):
                scorer = open_scorer(workspace, self.segmenter)
                scored = {m for m, score in scores_of(session, version.id, scorer.digest).items() if score.fractions}
                golden = {micrograph.id for micrograph in present if micrograph.golden}
                done &= scored | golden | annotated_micrographs(session, project.id)
            elif not isinstance(self.segmenter, Learned):  # what any version has predicted is not new
                done |= predicted_micrographs(session, project.id)
        return [micrograph.id for micrograph in present if micrograph.id not in done]

    def do(self, workspace: Workspace, ids: Sequence[int], scored: bool, progress: Progress) -> int:
        """Predict micrographs, and score them; returns how many were predicted.

        What fails is left to the job, which tries again and says why.
        """
        self.segmenter = choose_presegmenter(workspace, self.segmenter)
        scorer = open_scorer(workspace, self.segmenter) if scored else None
        predicted = len(presegment_micrographs(workspace, self.segmenter, "all", ids, progress, scorer).done)
        if scorer is None:
            return predicted
        project = workspace.project()
        version = register_version(workspace, project, self.segmenter)
        with workspace.reading() as session:
            ranked = [m for m in list_micrographs(session, project.id, ids=ids) if not m.golden]
            predictions = {p.micrograph_id: p for p in list_predictions(session, version.id)}
        pairs = [(micrograph, predictions[micrograph.id]) for micrograph in ranked if micrograph.id in predictions]
        score_pool(workspace, scorer, version, pairs, progress=progress)
        return predicted


def scores(job: JobRecord) -> bool:
    """Whether a job needs scores of the micrographs: a ranking, and a pre-segmentation that a ranking follows."""
    return job.kind == "rank" or job.trigger == PROMOTION
