"""Scores of micrographs, the rankings that follow from them, and what these have leased."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists
from sqlmodel import Session, col, select

from matcurate.catalog.columns import utc_now
from matcurate.catalog.conversion import all_values, to_row, to_value
from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.ranking_records import LeaseRecord, NewRanking, NewScore, RankingRecord, ScoreRecord
from matcurate.catalog.ranking_tables import MicrographScore, Ranking, RankingItem
from matcurate.catalog.tables import Correction, Project
from matcurate.errors import CatalogError


def store_score(session: Session, new: NewScore) -> ScoreRecord:
    """Store the scores of a micrograph by a model version.

    Scores of another way of scoring are replaced, and an embedding without scores.
    """
    row = to_row(MicrographScore, new)
    added = insert_if_absent(session, row, ["micrograph_id", "model_version_id"])
    stored = session.exec(
        select(MicrographScore)
        .where(
            MicrographScore.micrograph_id == new.micrograph_id, MicrographScore.model_version_id == new.model_version_id
        )
        .with_for_update()
    ).one()
    if not added and (stored.scorer != new.scorer or (new.fractions and not stored.fractions)):
        for field in ("scorer", "scores", "fractions", "embedding_key", "vacuity_key", "scored_at"):
            setattr(stored, field, getattr(row, field))
        session.flush()
    return to_value(ScoreRecord, stored)


def scores_of(session: Session, model_version_id: int, scorer: str) -> dict[int, ScoreRecord]:
    """Scores by a version in one way of scoring, by micrograph."""
    query = select(MicrographScore).where(
        MicrographScore.model_version_id == model_version_id, MicrographScore.scorer == scorer
    )
    rows = session.exec(query.order_by(col(MicrographScore.micrograph_id)))
    return {row.micrograph_id: to_value(ScoreRecord, row) for row in rows}


def embedding_keys(session: Session, scorer: str) -> dict[int, str]:
    """Keys of embeddings made in one way of scoring, for whatever version, by micrograph."""
    query = select(MicrographScore.micrograph_id, MicrographScore.embedding_key).where(MicrographScore.scorer == scorer)
    return dict(session.exec(query.order_by(col(MicrographScore.id))).all())


def annotated_micrographs(session: Session, project_id: int) -> set[int]:
    """Micrographs of a project that have an annotation, usable, unusable or skipped; retracted ones do not count."""
    query = select(Correction.micrograph_id).where(
        Correction.project_id == project_id, col(Correction.retracted_at).is_(None)
    )
    return set(session.exec(query.distinct()))


def store_ranking(session: Session, new: NewRanking, now: datetime | None = None) -> RankingRecord | None:
    """Store a choice and lease its micrographs, unless one of them is no longer free: then nothing is stored.

    Of two who choose at once, the second gets None and has to choose again. Leases that have ended by ``now`` are free.
    """
    moment = now or utc_now()
    # rankings of a project wait for each other: SQLite's writers do, PostgreSQL's do here
    session.exec(select(Project).where(Project.id == new.project_id).with_for_update()).one()
    taken = {lease.micrograph_id for lease in leases(session, new.project_id, moment)}
    if (taken | annotated_micrographs(session, new.project_id)) & set(new.chosen):
        return None
    row = to_row(Ranking, new, created_at=moment)
    session.add(row)
    session.flush()
    session.add_all(
        RankingItem(ranking_id=row.id, place=place, micrograph_id=micrograph_id, leased_until=new.leased_until)
        for place, micrograph_id in enumerate(new.chosen)
    )
    session.flush()
    return _ranking(session, row)


def leases(session: Session, project_id: int, now: datetime | None = None) -> list[LeaseRecord]:
    """What is leased at a moment: the newest ranking first, each in its order.

    A micrograph that has an annotation is leased no longer, nor one whose lease has ended.
    """
    annotated = exists().where(
        col(Correction.micrograph_id) == RankingItem.micrograph_id,
        col(Correction.project_id) == project_id,
        col(Correction.retracted_at).is_(None),
    )
    query = (
        select(RankingItem)
        .join(Ranking, col(Ranking.id) == RankingItem.ranking_id)
        .where(Ranking.project_id == project_id, col(RankingItem.leased_until) > (now or utc_now()), ~annotated)
        .order_by(col(Ranking.id).desc(), col(RankingItem.place))
    )
    return all_values(session, LeaseRecord, query)


def newest_ranking(session: Session, project_id: int) -> RankingRecord | None:
    """Return a project's newest ranking, None when it has none."""
    query = select(Ranking).where(Ranking.project_id == project_id).order_by(col(Ranking.id).desc()).limit(1)
    row = session.exec(query).one_or_none()
    return None if row is None else _ranking(session, row)


def mark_written(session: Session, ranking_id: int, at: datetime | None = None) -> RankingRecord:
    """Note that Label Studio has a ranking's whole order."""
    row = session.get(Ranking, ranking_id)
    if row is None:
        raise CatalogError(f"no ranking {ranking_id} in the catalog; 'curate rank' makes one")
    row.written_at = at or utc_now()
    session.flush()
    return _ranking(session, row)


def _ranking(session: Session, row: Ranking) -> RankingRecord:
    query = select(RankingItem).where(RankingItem.ranking_id == row.id).order_by(col(RankingItem.place))
    return to_value(RankingRecord, row, chosen=tuple(all_values(session, LeaseRecord, query)))
