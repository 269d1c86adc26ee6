from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from matcurate.catalog import (
    DEFAULT_LAB,
    MicrographRecord,
    ProjectRecord,
    TaskLink,
    add_micrograph,
    create_project,
    get_micrograph,
    get_project,
    link_task,
    list_micrographs,
    list_projects,
    list_task_links,
    mark_gone,
    micrograph_of_hash,
    reading,
    task_link,
    unpushed_micrographs,
    writing,
)
from matcurate.errors import CatalogError
from tests.unit.catalog.catalog_samples import hash_of, image, key_of

Ingest = Callable[..., MicrographRecord]


def test_a_project_is_created_once(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        again = create_project(session, "alloy", ["matrix", " gamma prime "], "phases")
        create_project(session, "aluminium", ["a"], "grains")
        assert [p.name for p in list_projects(session)] == ["alloy", "aluminium"]
    assert again == project
    assert project.phases == ("matrix", "gamma prime")


@pytest.mark.parametrize(
    ("phases", "preset"), [(["gamma prime", "matrix"], "phases"), (["matrix", "gamma prime"], "grains")]
)
def test_a_project_does_not_change_its_question(
    engine: Engine, project: ProjectRecord, phases: list[str], preset: str
) -> None:
    with (
        pytest.raises(CatalogError, match=r"exists with phases matrix,gamma prime and preset 'phases'; leave out"),
        writing(engine) as session,
    ):
        create_project(session, "alloy", phases, preset)


@pytest.mark.parametrize("phases", [[], ["a", "a"], ["a", " "]])
def test_phases_have_different_names(engine: Engine, phases: list[str]) -> None:
    with pytest.raises(CatalogError, match="needs phases with different names"), writing(engine) as session:
        create_project(session, "p", phases, "phases")


def test_a_missing_project_names_the_remedy(engine: Engine) -> None:
    with pytest.raises(CatalogError, match="no project 'x' in the catalog; run 'curate init --project x'"):
        with reading(engine) as session:
            get_project(session, "x")


def test_an_image_is_stored_as_given(engine: Engine, ingest: Ingest) -> None:
    record = ingest(5, nm_per_px=2.5, lab="Delft", specimen="S1", golden=True, page=3)
    assert record.content_hash == hash_of(5)
    assert record.shape == (96, 160)
    assert (record.width, record.height, record.dtype, record.page) == (160, 96, "uint16", 3)
    assert (record.object_key, record.proxy_key) == (key_of(5, ".tif"), key_of(5))
    assert (record.nm_per_px, record.lab, record.specimen, record.golden) == (2.5, "Delft", "S1", True)
    with reading(engine) as session:
        assert get_micrograph(session, record.id) == micrograph_of_hash(session, hash_of(5)) == record
        assert micrograph_of_hash(session, hash_of(6)) is None


def test_ingest_is_idempotent(engine: Engine, project: ProjectRecord) -> None:
    with writing(engine) as session:
        first, added = add_micrograph(session, image(1), project.id)
        again, added_again = add_micrograph(session, image(1, name="copy.tif"), project.id)
        assert (added, added_again) == (True, False)
        assert first == again
        assert list_micrographs(session, project.id) == [first]


def test_an_image_in_two_projects_is_one_micrograph(engine: Engine, ingest: Ingest, project: ProjectRecord) -> None:
    known = ingest(1)
    ingest(2)
    with writing(engine) as session:
        other = create_project(session, "other", ["a"], "phases")
        record, added = add_micrograph(session, image(1), other.id)
        assert (record, added) == (known, True)
        assert [m.id for m in list_micrographs(session, other.id)] == [known.id]
        assert len(list_micrographs(session, project.id)) == 2


def test_an_image_cannot_join_a_project_that_does_not_exist(engine: Engine) -> None:
    with pytest.raises(CatalogError, match="inconsistent row"), writing(engine) as session:
        add_micrograph(session, image(1), 99)
    with reading(engine) as session:
        assert micrograph_of_hash(session, hash_of(1)) is None


def test_what_is_said_later_fills_what_was_not_known(ingest: Ingest) -> None:
    blank = ingest(1)
    assert (blank.nm_per_px, blank.lab, blank.specimen, blank.golden) == (None, None, None, False)
    filled = ingest(1, nm_per_px=2.0, lab="Delft", specimen="S1", golden=True)
    assert (filled.nm_per_px, filled.lab, filled.specimen, filled.golden) == (2.0, "Delft", "S1", True)
    assert ingest(1) == filled, "saying nothing takes nothing away"
    assert ingest(1, nm_per_px=2.0 * (1 + 1e-8), specimen="S1") == filled


def test_a_specimen_without_a_lab_is_of_the_local_one(ingest: Ingest) -> None:
    record = ingest(1, specimen="S1")
    assert (record.lab, record.specimen) == (DEFAULT_LAB, "S1")


def test_a_specimen_belongs_to_the_lab_the_image_has(ingest: Ingest) -> None:
    ingest(1, lab="Delft")
    assert (ingest(1, specimen="S1").lab, ingest(2, lab="Oslo", specimen="S1").lab) == ("Delft", "Oslo")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nm_per_px": 2.1}, r"m1.tif: .* 2 nm per px, not 2.1; correct --nm-per-px"),
        ({"lab": "Oslo"}, r"m1.tif: .* lab 'Delft', not 'Oslo'; correct --lab"),
        ({"specimen": "S2"}, r"m1.tif: .* specimen 'S1', not 'S2'; correct --specimen"),
    ],
)
def test_contradictions_change_nothing(
    engine: Engine, project: ProjectRecord, ingest: Ingest, change: dict[str, object], message: str
) -> None:
    before = ingest(1, nm_per_px=2.0, lab="Delft", specimen="S1")
    with writing(engine) as session:
        with pytest.raises(CatalogError, match=message):
            add_micrograph(session, image(1, **({"golden": True} | change)), project.id)
        assert get_micrograph(session, before.id) == before
    assert ingest(1) == before


def test_missing_micrographs_name_the_remedy(engine: Engine, project: ProjectRecord, ingest: Ingest) -> None:
    record = ingest(1)
    with reading(engine) as session:
        with pytest.raises(CatalogError, match="no micrograph 99 in the catalog; 'curate ingest PATH'"):
            get_micrograph(session, 99)
        with pytest.raises(CatalogError, match="micrograph 98, 99 is not in this project"):
            list_micrographs(session, project.id, ids=[99, record.id, 98])
        assert list_micrographs(session, project.id, ids=[record.id]) == [record]
        assert list_micrographs(session, project.id, ids=[]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"content_hash": "abc"},
        {"content_hash": "G" * 64},
        {"width": 0},
        {"page": -1},
        {"nm_per_px": float("nan")},
        {"nm_per_px": float("inf")},
        {"nm_per_px": 2.0, "nm_per_px_y": 0.0},
        {"nm_per_px_y": 2.0},
        {"lab": ""},
    ],
)
def test_an_image_checks_itself(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|>= 1|needs"):
        image(1, **change)


def test_a_task_is_linked_once(engine: Engine, task: TaskLink) -> None:
    with writing(engine) as session:
        assert link_task(session, task.project_id, task.micrograph_id, 3, 50) == task
        assert task_link(session, task.project_id, 3, 50) == task
        assert task_link(session, task.project_id, 3, 51) is None
        assert task_link(session, task.project_id, 4, 50) is None
        assert list_task_links(session, task.project_id) == [task]


def test_a_task_never_changes_its_image(engine: Engine, task: TaskLink, ingest: Ingest) -> None:
    other = ingest(2)
    with writing(engine) as session:
        with pytest.raises(
            CatalogError, match=rf"task 50 of Label Studio project 3 shows micrograph 1, not {other.id}"
        ):
            link_task(session, task.project_id, other.id, 3, 50)
        assert task_link(session, task.project_id, 3, 50) == task


def test_two_projects_may_use_label_studios_with_the_same_ids(engine: Engine, task: TaskLink) -> None:
    with writing(engine) as session:
        other = create_project(session, "other", ["a"], "phases")
        micrograph, _ = add_micrograph(session, image(2), other.id)
        link_task(session, other.id, micrograph.id, 3, 50)
        found = task_link(session, task.project_id, 3, 50), task_link(session, other.id, 3, 50)
    assert [link.micrograph_id for link in found if link] == [task.micrograph_id, micrograph.id]


def test_an_image_outside_the_project_gets_no_task(engine: Engine, project: ProjectRecord, ingest: Ingest) -> None:
    record = ingest(1)
    with pytest.raises(CatalogError, match="which is not in this project; add it"), writing(engine) as session:
        other = create_project(session, "other", ["a"], "phases")
        link_task(session, other.id, record.id, 3, 50)


def test_unpushed_are_those_without_a_task_there(engine: Engine, task: TaskLink, ingest: Ingest) -> None:
    second, third = ingest(2), ingest(3)
    with writing(engine) as session:
        assert [m.id for m in unpushed_micrographs(session, task.project_id, 3)] == [second.id, third.id]
        assert len(unpushed_micrographs(session, task.project_id, 4)) == 3, "another Label Studio project has none"
        link_task(session, task.project_id, second.id, 3, 51)
        assert [m.id for m in unpushed_micrographs(session, task.project_id, 3)] == [third.id]


def test_a_task_deleted_in_label_studio_can_be_pushed_again(engine: Engine, task: TaskLink) -> None:
    with writing(engine) as session:
        assert mark_gone(session, task.project_id, 3, 50) is True
        assert mark_gone(session, task.project_id, 3, 50) is False
        assert mark_gone(session, task.project_id, 3, 99) is False
        assert [m.id for m in unpushed_micrographs(session, task.project_id, 3)] == [task.micrograph_id]
        assert list_task_links(session, task.project_id) == []
        (gone,) = list_task_links(session, task.project_id, 3, include_gone=True)
        assert gone.id == task.id and gone.gone_at is not None
        assert link_task(session, task.project_id, task.micrograph_id, 3, 50) == task
        assert unpushed_micrographs(session, task.project_id, 3) == []
        assert list_task_links(session, task.project_id, 4) == []
