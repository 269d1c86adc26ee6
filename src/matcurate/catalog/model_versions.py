"""Versions of the pre-segmentation: what must be known to make a prediction again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlmodel import Session, col, select

from matcurate.catalog.insertion import insert_if_absent
from matcurate.catalog.records import ModelVersionRecord
from matcurate.catalog.tables import ModelVersion
from matcurate.errors import CatalogError


def ensure_model_version(
    session: Session,
    project_id: int,
    name: str,
    *,
    backbone: str,
    backbone_digest: str,
    preset: str,
    settings: Mapping[str, object],
) -> ModelVersionRecord:
    """Return the version of that name, adding it when it is new.

    Parameters
    ----------
    session : Session
        A writing one.
    project_id : int
        Of which project.
    name : str
        The one version string, also shown by Label Studio; unique in the project.
    backbone, backbone_digest : str
        Registry name, and hex SHA-256 over weights or algorithm.
    preset : str
        Name of the preset.
    settings : mapping
        Every setting that decides about the result; values that JSON can hold.

    Raises
    ------
    CatalogError
        When the name stands for something else already: a version never changes its meaning.
    """
    wanted = ModelVersion(
        project_id=project_id,
        name=name,
        backbone=backbone,
        backbone_digest=backbone_digest,
        preset=preset,
        settings=json.loads(json.dumps(dict(settings))),  # as it will be read back: tuples are lists
    )
    insert_if_absent(session, wanted, ["project_id", "name"])
    query = select(ModelVersion).where(ModelVersion.project_id == project_id, ModelVersion.name == name)
    stored = session.exec(query).one()
    for field in ("backbone", "backbone_digest", "preset", "settings"):
        if getattr(stored, field) != getattr(wanted, field):
            raise CatalogError(f"model version {name!r} exists with another {field}; give the new one another name")
    return _record(stored)


def version_named(session: Session, project_id: int, name: str) -> ModelVersionRecord | None:
    """Return the version of that name, None when the project has none."""
    query = select(ModelVersion).where(ModelVersion.project_id == project_id, ModelVersion.name == name)
    row = session.exec(query).one_or_none()
    return None if row is None else _record(row)


def list_model_versions(session: Session, project_id: int) -> list[ModelVersionRecord]:
    """Versions of a project, oldest first."""
    query = select(ModelVersion).where(ModelVersion.project_id == project_id).order_by(col(ModelVersion.id))
    return [_record(row) for row in session.exec(query)]


def _record(row: ModelVersion) -> ModelVersionRecord:
    return ModelVersionRecord(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        backbone=row.backbone,
        backbone_digest=row.backbone_digest,
        preset=row.preset,
        settings=row.settings,
        created_at=row.created_at,
    )
