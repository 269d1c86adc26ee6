"""Versions of the pre-segmentation: what must be known to make a prediction again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlmodel import Session, col, select

from matcurate.catalog.conversion import all_values, one_value, to_value
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

    ``name`` is unique in the project and also shown by Label Studio; ``backbone_digest`` is the hex SHA-256 over
    weights or algorithm; ``settings`` are all that decide about the result, as JSON can hold them. Raises CatalogError
    when the name stands for something else already: a version never changes its meaning.
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
    return to_value(ModelVersionRecord, stored)


def version_named(session: Session, project_id: int, name: str) -> ModelVersionRecord | None:
    """Return the version of that name, None when the project has none."""
    query = select(ModelVersion).where(ModelVersion.project_id == project_id, ModelVersion.name == name)
    return one_value(session, ModelVersionRecord, query)


def list_model_versions(session: Session, project_id: int) -> list[ModelVersionRecord]:
    """Versions of a project, oldest first."""
    query = select(ModelVersion).where(ModelVersion.project_id == project_id).order_by(col(ModelVersion.id))
    return all_values(session, ModelVersionRecord, query)
