"""The micrographs that the experts could see next, as strategies know them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcurate.acquisition.pool import Pool
from matcurate.acquisition.strategies import choose_batch
from matcurate.catalog.micrographs import list_for_project
from matcurate.catalog.predictions import list_predictions
from matcurate.catalog.ranking_records import ScoreRecord
from matcurate.catalog.records import MicrographRecord, ModelVersionRecord
from matcurate.errors import ConfigError
from matcurate.types import FloatArray, Progress
from matcurate.workflows.home import Workspace
from matcurate.workflows.ranking.score_store import load_embedding
from matcurate.workflows.ranking.scorer import Scorer
from matcurate.workflows.ranking.scoring import embeddings_of, score_pool

BY_EVIDENCE, BY_DISTANCE = "evidential-diverse", "kcenter"
"""The strategies where the model has evidence, and where it has none: that needs embeddings only."""
PLAIN = {
    "kcenter": "random",
    "margin-diverse": "margin",
    "evidential-diverse": "evidential",
    "evidential-clusters": "evidential",
}
"""The score by itself of strategies that also look at the batch: it orders what is not in the batch."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Scored micrographs that are neither annotated nor golden, leased or not.

    ``micrographs``, ``scores`` and ``embeddings`` (D,) are by micrograph id. ``labelled`` (M, D): embeddings of
    annotated micrographs. ``failed``: one line for each that could not be scored, and is left out.
    """

    micrographs: Mapping[int, MicrographRecord]
    scores: Mapping[int, ScoreRecord]
    embeddings: Mapping[int, NDArray[np.float32]]
    labelled: FloatArray
    failed: tuple[str, ...]

    @property
    def default_strategy(self) -> str:
        """By evidence where every candidate has a vacuity, else by distance."""
        evidence = bool(self.scores) and all("vacuity" in score.scores for score in self.scores.values())
        return BY_EVIDENCE if evidence else BY_DISTANCE

    def of(self, micrograph_id: int) -> tuple[MicrographRecord, ScoreRecord]:
        """A candidate and its scores."""
        return self.micrographs[micrograph_id], self.scores[micrograph_id]

    def batch(self, ids: Sequence[int], strategy: str, count: int, *, seed: int, quota: int | None) -> tuple[int, ...]:
        """Choose ``count`` of ``ids``, the first to be shown first; errors as of choose_batch."""
        if not ids:
            return ()
        rng = np.random.default_rng(seed)
        return tuple(ids[place] for place in choose_batch(strategy, self._pool(ids), count, rng=rng, quota=quota))

    def by_score(self, ids: Sequence[int], strategy: str, *, seed: int) -> tuple[int, ...]:
        """Order all of ``ids`` by the score that a strategy is founded on."""
        return self.batch(ids, PLAIN.get(strategy, strategy), len(ids), seed=seed, quota=None)

    def _pool(self, ids: Sequence[int]) -> Pool:
        scores = [self.scores[id_] for id_ in ids]
        names = set.intersection(*(set(score.scores) for score in scores))
        return Pool(
            embeddings=np.stack([self.embeddings[id_] for id_ in ids]),
            scores={name: np.array([score.scores[name] for score in scores]) for name in sorted(names)},
            fractions=np.array([score.fractions for score in scores]),
            specimens=_specimens([self.micrographs[id_] for id_ in ids]),
            labelled=self.labelled if len(self.labelled) else None,
        )


def gather(
    workspace: Workspace,
    scorer: Scorer,
    version: ModelVersionRecord,
    annotated: Collection[int],
    strategy: str | None,
    progress: Progress,
) -> Candidates:
    """Score what can be chosen, and embed what is ``annotated``.

    What the version has not predicted is left out. A ``strategy`` requested by name is tried on the first scores,
    before the long work begins: raises ConfigError when there is none of that name, or it needs scores that the model
    does not give.
    """
    with workspace.reading() as session:
        present = [m for m in list_for_project(session, workspace.project().id) if not m.golden]
        predictions = {p.micrograph_id: p for p in list_predictions(session, version.id)}
    unseen = {m.id: m for m in present if m.id not in annotated and m.id in predictions}

    def check(first: ScoreRecord) -> None:
        if strategy == "bald" and "bald" not in first.scores:
            raise ConfigError(
                f"strategy 'bald' needs a head of evidence that was trained with dropout, and {version.name} has none; "
                "'curate retrain' makes a version that has one, or use 'kcenter', which needs none"
            )
        if strategy is not None:
            only = _assembled(workspace, unseen, {first.micrograph_id: first}, np.empty((0, 0)), ())
            only.batch(list(only.micrographs), strategy, 1, seed=0, quota=None)

    pairs = [(micrograph, predictions[micrograph.id]) for micrograph in unseen.values()]
    scores, unscored = score_pool(workspace, scorer, version, pairs, check, progress)
    seen = [m for m in present if m.id in annotated]
    labelled, unembedded = embeddings_of(workspace, scorer, version, seen, progress)
    return _assembled(workspace, unseen, scores, labelled, (*unscored, *unembedded))


def _assembled(
    workspace: Workspace,
    micrographs: Mapping[int, MicrographRecord],
    scores: Mapping[int, ScoreRecord],
    labelled: FloatArray,
    failed: tuple[str, ...],
) -> Candidates:
    embeddings = {id_: load_embedding(workspace, score.embedding_key) for id_, score in scores.items()}
    return Candidates({id_: micrographs[id_] for id_ in scores}, scores, embeddings, labelled, failed)


def _specimens(micrographs: Sequence[MicrographRecord]) -> NDArray[np.int64]:
    """A number for each specimen of each lab; a micrograph of an unknown one is a specimen of its own."""
    names = [m.id if m.specimen is None else (m.lab, m.specimen) for m in micrographs]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)
