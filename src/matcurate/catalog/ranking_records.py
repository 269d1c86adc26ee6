"""What the catalog takes and hands out about scores, rankings and leases: frozen values, free of any session."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from matcurate.catalog.records import PredictionRecord, TaskLink


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScore:
    """What a model version makes of a micrograph as a candidate.

    Parameters
    ----------
    micrograph_id, model_version_id : int
        Of which image, by which version.
    scorer : str
        Digest of the way of scoring; scores of another one are replaced.
    scores : mapping of str to float
        By name (``entropy``, ``vacuity`` …), each finite and not negative.
    fractions : tuple of float
        Area fraction of every class id from 0; none where only the embedding is known.
    embedding_key : str
        Object of the embedding.
    vacuity_key : str, optional
        Object of the vacuity map.
    """

    micrograph_id: int
    model_version_id: int
    scorer: str
    scores: Mapping[str, float]
    fractions: tuple[float, ...]
    embedding_key: str
    vacuity_key: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.scores.items():
            if not 0.0 <= value < math.inf:  # also refuses NaN
                raise ValueError(f"score {name!r} must be finite and not negative, got {value}")
        if not all(0.0 <= fraction <= 1.0 for fraction in self.fractions):
            raise ValueError(f"fractions must lie in [0, 1], got {self.fractions}")


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """Stored scores; the fields are those of :class:`NewScore`."""

    micrograph_id: int
    model_version_id: int
    scorer: str
    scores: Mapping[str, float]
    fractions: tuple[float, ...]
    embedding_key: str
    vacuity_key: str | None
    scored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRanking:
    """A choice of what the experts see next.

    Parameters
    ----------
    project_id, model_version_id : int
        Of which project, by the scores of which version.
    strategy : str
        Of the registry in ``acquisition``.
    count, quota, seed : int
        What was asked for; ``quota`` None: no limit of one specimen.
    pool : int
        Micrographs that there were to choose from.
    who : str
        A person, or what else asked for it.
    ls_project_id : int, optional
        Label Studio's project that is to follow; None where none is connected.
    chosen : tuple of int
        Catalog ids of the micrographs, the first to be shown first.
    leased_until : datetime
        Nobody else is given them until then.
    """

    project_id: int
    model_version_id: int
    strategy: str
    count: int
    quota: int | None
    seed: int
    pool: int
    who: str
    ls_project_id: int | None
    chosen: tuple[int, ...]
    leased_until: datetime

    def __post_init__(self) -> None:
        if len(set(self.chosen)) != len(self.chosen):
            raise ValueError(f"a micrograph is chosen once, got {self.chosen}")


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A chosen micrograph: its place from 0 in its ranking, and until when it is given to nobody else."""

    place: int
    micrograph_id: int
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class RankingRecord:
    """A stored choice; the fields are those of :class:`NewRanking`. ``written_at``: Label Studio has all of it."""

    id: int
    project_id: int
    model_version_id: int
    strategy: str
    count: int
    quota: int | None
    seed: int
    pool: int
    who: str
    ls_project_id: int | None
    chosen: tuple[LeaseRecord, ...]
    created_at: datetime
    written_at: datetime | None


@dataclass(frozen=True, slots=True)
class PushedPrediction:
    """A prediction that Label Studio holds on a task, and its id there where that is known."""

    prediction: PredictionRecord
    task: TaskLink
    ls_prediction_id: int | None
