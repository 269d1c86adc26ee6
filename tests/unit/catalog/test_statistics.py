"""Aggregates of a project against the same values computed row by row."""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from matcurate.catalog import (
    MicrographCounts,
    MicrographRecord,
    NewPrediction,
    NewRanking,
    NewSnapshot,
    Part,
    ProjectRecord,
    SnapshotItemRecord,
    add_micrograph,
    corrected_predictions,
    count_from_nothing,
    count_micrographs,
    create_project,
    ensure_model_version,
    get_prediction,
    latest_prediction,
    link_task,
    list_corrections,
    list_micrographs,
    list_snapshots,
    newest_ranking,
    predicted_fractions,
    reading,
    record_correction,
    retract_correction,
    snapshot_items,
    snapshot_sizes,
    store_prediction,
    store_ranking,
    store_snapshot,
    waiting_names,
    writing,
)
from tests.unit.catalog.catalog_samples import T0, annotation, hash_of, image, key_of


def fill(session: Session, project: ProjectRecord, rng: random.Random, first: int = 1) -> list[MicrographRecord]:
    """Forty micrographs with none, some or all of: predictions of two versions, corrections, skips, retractions."""
    versions = [
        ensure_model_version(
            session, project.id, name, backbone="b", backbone_digest="d", preset="phases", settings={}
        ).id
        for name in ("old", "new")
    ]
    micrographs = []
    for number in range(first, first + 40):
        micrograph, _ = add_micrograph(session, image(number, golden=rng.random() < 0.2), project.id)
        micrographs.append(micrograph)
        link = link_task(session, project.id, micrograph.id, project.id, number)
        predicted = [
            store_prediction(
                session,
                NewPrediction(
                    micrograph_id=micrograph.id,
                    model_version_id=version,
                    phases_key=key_of(number),
                    instances_key=None,
                    score=0.5,
                    phase_fractions={"a": rng.randint(0, 100) / 100},
                ),
            )[0]
            for version in rng.sample(versions, rng.randint(0, 2))
        ]
        for one in range(rng.choice([0, 0, 1, 2])):
            skipped, outlined = rng.random() < 0.2, rng.random() < 0.3
            new = annotation(
                1000 * number + one,
                rng.randint(0, 50),
                skipped=skipped,
                phases_key=None if skipped or outlined else key_of(number),
                instances_key=key_of(number) if outlined else None,
                parent_prediction_id=rng.choice(predicted).id if predicted and rng.random() < 0.8 else None,
            )
            record_correction(session, link, new)
            if rng.random() < 0.2:
                retract_correction(session, project.id, new.ls_annotation_id, T0)
    return micrographs


@pytest.fixture
def filled(engine: Engine, project: ProjectRecord) -> ProjectRecord:
    """A project beside another one that shares half of its micrographs."""
    with writing(engine) as session:
        fill(session, project, random.Random(5))
        fill(session, create_project(session, "other", ["a"], "phases"), random.Random(6), first=21)
    return project


def test_counts_and_fractions_are_those_of_the_rows(engine: Engine, filled: ProjectRecord) -> None:
    with reading(engine) as session:
        micrographs = list_micrographs(session, filled.id)
        usable = [c for c in list_corrections(session, filled.id) if c.phases_key is not None]
        corrected = {c.micrograph_id for c in usable}
        newest = {m.id: latest_prediction(session, filled.id, m.id) for m in micrographs}
        fractions = {
            key: each.phase_fractions for key, each in newest.items() if each is not None and key not in corrected
        }
        golden = [m for m in micrographs if m.golden]
        assert count_micrographs(session, filled.id) == MicrographCounts(
            len(micrographs), len(golden), len(corrected), len(fractions)
        )
        assert min(len(golden), len(corrected), len(fractions)) > 3
        assert list(predicted_fractions(session, filled.id).items()) == list(fractions.items())
        assert list_micrographs(session, filled.id, golden=True) == golden
        assert list_micrographs(session, filled.id, corrected=True) == [m for m in micrographs if m.id in corrected]


def test_corrected_predictions_are_those_of_the_rows(engine: Engine, filled: ProjectRecord) -> None:
    with reading(engine) as session:
        usable = [c for c in list_corrections(session, filled.id) if c.phases_key is not None]
        begun = sorted((c for c in usable if c.parent_prediction_id is not None), key=lambda c: (c.ls_updated_at, c.id))
        found = corrected_predictions(session, filled.id)
        assert [each.correction for each in found] == begun
        assert [each.prediction for each in found] == [
            get_prediction(session, int(c.parent_prediction_id or 0)) for c in begun
        ]
        assert {(each.model_version, each.prediction.model_version_id) for each in found} == {("old", 1), ("new", 2)}
        assert count_from_nothing(session, filled.id) == len(usable) - len(begun) > 0


def test_an_empty_project(engine: Engine, project: ProjectRecord) -> None:
    with reading(engine) as session:
        assert count_micrographs(session, project.id) == MicrographCounts(0, 0, 0, 0)
        assert predicted_fractions(session, project.id) == {}
        assert corrected_predictions(session, project.id) == []
        assert count_from_nothing(session, project.id) == 0
        assert snapshot_sizes(session, project.id, Part.TRAIN) == {}
        assert waiting_names(session, project.id) == ()


def test_names_of_the_newest_ranking_that_wait(
    engine: Engine, project: ProjectRecord, ingest: Callable[..., MicrographRecord]
) -> None:
    images = [ingest(number) for number in range(1, 5)]
    with writing(engine) as session:
        version = ensure_model_version(
            session, project.id, "v", backbone="b", backbone_digest="d", preset="phases", settings={}
        )
        for chosen in ((4,), (3, 1, 2)):
            new = NewRanking(
                project_id=project.id,
                model_version_id=version.id,
                strategy="random",
                count=3,
                quota=None,
                seed=0,
                pool=4,
                who="ann",
                ls_project_id=None,
                chosen=tuple(images[number - 1].id for number in chosen),
                leased_until=T0 + timedelta(hours=1),
            )
            assert store_ranking(session, new, T0) is not None
        link = link_task(session, project.id, images[0].id, 3, 50)
        record_correction(session, link, annotation())
        ranking = newest_ranking(session, project.id)
        assert ranking is not None and [lease.micrograph_id for lease in ranking.chosen] == [3, 1, 2]
        assert waiting_names(session, project.id) == ("m3.tif", "m2.tif")


def test_sizes_of_snapshots(engine: Engine, project: ProjectRecord, ingest: Callable[..., MicrographRecord]) -> None:
    parts = [Part.TRAIN, Part.TRAIN, Part.VALIDATION]
    with writing(engine) as session:
        items = []
        for number, part in enumerate(parts, start=1):
            micrograph = add_micrograph(session, image(number), project.id)[0]
            record_correction(session, link_task(session, project.id, micrograph.id, 3, number), annotation(number))
            (correction,) = list_corrections(session, project.id, micrograph_id=micrograph.id)
            items.append(
                SnapshotItemRecord(
                    micrograph_id=micrograph.id,
                    correction_id=correction.id,
                    part=part,
                    content_hash=hash_of(number),
                    phases_key=key_of(1),
                )
            )
        for digest, content in (("aa", items), ("bb", items[2:])):
            new = NewSnapshot(
                project_id=project.id,
                digest=digest,
                phases=("a",),
                seed=0,
                validation_share=0.5,
                items=tuple(content),
            )
            store_snapshot(session, new)
        rows = {
            each.digest: len(snapshot_items(session, each.id, Part.TRAIN))
            for each in list_snapshots(session, project.id)
        }
        assert snapshot_sizes(session, project.id, Part.TRAIN) == rows == {"aa": 2, "bb": 0}
