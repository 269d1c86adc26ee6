"""What the catalog takes and hands out about scores, rankings and leases: frozen values, free of any session."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScore:
    """What a model version makes of a micrograph as a candidate.

    ``scorer`` is the digest of the way of scoring: scores of another one are replaced. ``scores`` by name (``entropy``,
    ``vacuity``, …) are finite and not negative; ``fractions`` are the area fractions of all class ids from 0, empty
    where only the embedding is known. ``embedding_key`` and ``vacuity_key`` name objects.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRecord(NewScore):
    """Stored scores."""

    scored_at: datetime


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A chosen micrograph: its place from 0 in its ranking, and until when nobody else is given it."""

    place: int
    micrograph_id: int
    leased_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingSettings:
    """How a ranking was made, by ``who``: by the scores of which version, and by which acquisition strategy.

    ``quota`` is the limit of micrographs per specimen, None for no limit; ``pool`` counts the micrographs that there
    were to choose from; ``ls_project_id`` is None where no Label Studio is connected.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRanking(RankingSettings):
    """A choice of what the experts see next: ids of micrographs, the first to be shown first, leased until then."""

    chosen: tuple[int, ...]
    leased_until: datetime

    def __post_init__(self) -> None:
        if len(set(self.chosen)) != len(self.chosen):
            raise ValueError(f"a micrograph is chosen once, got {self.chosen}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingRecord(RankingSettings):
    """A stored choice; ``written_at`` is when Label Studio had all of it."""

    id: int
    chosen: tuple[LeaseRecord, ...]
    created_at: datetime
    written_at: datetime | None
