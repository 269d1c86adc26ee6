from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from matcurate.catalog import (
    MicrographRecord,
    ModelVersionRecord,
    NewPrediction,
    PredictionRecord,
    ProjectRecord,
    TaskLink,
    add_micrograph,
    create_project,
    ensure_model_version,
    link_task,
    list_micrographs,
    list_model_versions,
    mark_gone,
    predictions,
    reading,
    version_named,
    writing,
)
from matcurate.catalog.tables import PredictionPush
from matcurate.errors import CatalogError
from tests.unit.catalog.catalog_samples import image, key_of

Ingest = Callable[..., MicrographRecord]
SETTINGS = {"threshold": 0.1, "sizes": (1, 2), "nested": {"polarity": "auto"}}


def version(engine: Engine, project_id: int, name: str = "tree-1", **changes: object) -> ModelVersionRecord:
    values: dict[str, object] = {
        "backbone": "builtin",
        "backbone_digest": "ab" * 32,
        "preset": "phases",
        "settings": SETTINGS,
    }
    with writing(engine) as session:
        return ensure_model_version(session, project_id, name, **(values | changes))  # type: ignore[arg-type]


def prediction(micrograph_id: int, model_version_id: int, **changes: object) -> NewPrediction:
    values: dict[str, object] = {
        "micrograph_id": micrograph_id,
        "model_version_id": model_version_id,
        "phases_key": key_of(10),
        "instances_key": key_of(11, ".tif"),
        "score": 0.25,
        "phase_fractions": {"matrix": 0.75, "gamma prime": 0.25},
    }
    return NewPrediction(**(values | changes))  # type: ignore[arg-type]


def store(engine: Engine, new: NewPrediction) -> PredictionRecord:
    with writing(engine) as session:
        return predictions.store_prediction(session, new)[0]


def test_a_version_is_added_once(engine: Engine, project: ProjectRecord) -> None:
    first = version(engine, project.id)
    assert version(engine, project.id) == first
    assert first.settings == {"threshold": 0.1, "sizes": [1, 2], "nested": {"polarity": "auto"}}
    assert (first.name, first.backbone, first.backbone_digest, first.preset) == (
        "tree-1",
        "builtin",
        "ab" * 32,
        "phases",
    )
    with reading(engine) as session:
        assert list_model_versions(session, project.id) == [first]
        assert version_named(session, project.id, "tree-1") == first
        assert version_named(session, project.id, "tree-2") is None


@pytest.mark.parametrize(
    "change",
    [{"backbone": "vit_b"}, {"backbone_digest": "cd" * 32}, {"preset": "grains"}, {"settings": {"threshold": 0.2}}],
)
def test_a_version_never_changes_its_meaning(engine: Engine, project: ProjectRecord, change: dict[str, object]) -> None:
    first = version(engine, project.id)
    with pytest.raises(CatalogError, match=f"'tree-1' exists with another {next(iter(change))}"):
        version(engine, project.id, **change)
    with reading(engine) as session:
        assert list_model_versions(session, project.id) == [first]


def test_a_prediction_is_stored_once_per_version(engine: Engine, project: ProjectRecord, ingest: Ingest) -> None:
    micrograph, made_by = ingest(1), version(engine, project.id)
    with writing(engine) as session:
        first, added = predictions.store_prediction(session, prediction(micrograph.id, made_by.id))
        again, added_again = predictions.store_prediction(
            session, prediction(micrograph.id, made_by.id, score=0.9, phases_key=key_of(12))
        )
        assert (added, added_again) == (True, False)
        assert again == first, "Label Studio may hold the first"
        assert predictions.get_prediction(session, first.id) == first
        assert predictions.list_predictions(session, made_by.id) == [first]
    assert (first.score, first.phase_fractions) == (0.25, {"matrix": 0.75, "gamma prime": 0.25})
    assert (first.phases_key, first.instances_key) == (key_of(10), key_of(11, ".tif"))


def test_predictions_are_found_by_version_and_by_project(
    engine: Engine, project: ProjectRecord, ingest: Ingest
) -> None:
    micrograph = ingest(1)
    with writing(engine) as session:
        other = create_project(session, "other", ["a"], "phases")
    versions = [version(engine, p, n) for p, n in ((project.id, "t1"), (project.id, "t2"), (other.id, "t3"))]
    first, second, third = (store(engine, prediction(micrograph.id, v.id)) for v in versions)
    with reading(engine) as session:
        assert predictions.prediction_for(session, micrograph.id, versions[0].id) == first
        assert predictions.prediction_for(session, 99, versions[0].id) is None
        assert predictions.latest_prediction(session, project.id, micrograph.id) == second
        assert predictions.latest_prediction(session, other.id, micrograph.id) == third
        assert predictions.latest_prediction(session, 99, micrograph.id) is None
        assert predictions.predicted_micrographs(session, project.id) == {micrograph.id}
        assert predictions.predicted_micrographs(session, 99) == set()
        with pytest.raises(CatalogError, match="no prediction 99 in the catalog; 'curate presegment'"):
            predictions.get_prediction(session, 99)


def test_only_new_images_are_left_to_presegment(engine: Engine, project: ProjectRecord, ingest: Ingest) -> None:
    first, second = ingest(1), ingest(2)
    old, new = version(engine, project.id, "old"), version(engine, project.id, "new")
    store(engine, prediction(first.id, old.id))
    with reading(engine) as session:
        assert list_micrographs(session, project.id, without_prediction_of=old.id) == [second]
        assert list_micrographs(session, project.id, without_prediction_of=new.id) == [first, second]
        assert list_micrographs(session, project.id, without_prediction_of=old.id, ids=[first.id]) == []


@pytest.mark.parametrize(
    "change", [{"score": 1.1}, {"score": float("nan")}, {"phase_fractions": {"matrix": -0.1}}], ids=str
)
def test_a_prediction_checks_itself(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        prediction(1, 1, **change)


def test_pushing_is_noted_and_the_label_studio_id_filled_in_later(
    engine: Engine, project: ProjectRecord, task: TaskLink
) -> None:
    made_by = version(engine, project.id)
    stored = store(engine, prediction(task.micrograph_id, made_by.id))
    with writing(engine) as session:
        (waiting,) = predictions.unpushed_predictions(session, 3, made_by.id)
        assert (waiting.prediction, waiting.task) == (stored, task)
        predictions.mark_pushed(session, stored, task, None)
        assert predictions.unpushed_predictions(session, 3, made_by.id) == []
        assert predictions.pushed_as(session, task, 900) is None
        predictions.mark_pushed(session, stored, task, 900)
        assert predictions.pushed_as(session, task, 900) == stored
        predictions.mark_pushed(session, stored, task, None)
        assert predictions.pushed_as(session, task, 900) == stored
        predictions.mark_pushed(session, stored, task, 901)
        predictions.mark_pushed(session, stored, task, 901)
        assert predictions.pushed_as(session, task, 900) is None
        assert predictions.pushed_as(session, task, 901) == stored


def test_a_push_that_label_studio_lost_can_be_repeated(
    engine: Engine, project: ProjectRecord, task: TaskLink, ingest: Ingest
) -> None:
    made_by = version(engine, project.id)
    stored = store(engine, prediction(task.micrograph_id, made_by.id))
    never_pushed = store(engine, prediction(ingest(2).id, made_by.id))
    with writing(engine) as session:
        predictions.mark_pushed(session, stored, task, 900)
        predictions.forget_pushes(session, [stored, never_pushed], task)
        assert [w.prediction for w in predictions.unpushed_predictions(session, 3, made_by.id)] == [stored]


def test_predictions_wait_only_for_living_tasks_of_their_project(
    engine: Engine, project: ProjectRecord, task: TaskLink, ingest: Ingest
) -> None:
    made_by = version(engine, project.id)
    second = ingest(2)
    for micrograph_id in (task.micrograph_id, second.id):
        store(engine, prediction(micrograph_id, made_by.id))
    with writing(engine) as session:
        assert [w.task for w in predictions.unpushed_predictions(session, 3, made_by.id)] == [task]
        assert predictions.unpushed_predictions(session, 4, made_by.id) == []
        later = link_task(session, project.id, second.id, 3, 49)
        assert [w.task for w in predictions.unpushed_predictions(session, 3, made_by.id)] == [later, task]
        mark_gone(session, project.id, 3, 50)
        assert [w.task for w in predictions.unpushed_predictions(session, 3, made_by.id)] == [later]


def test_projects_that_share_an_image_do_not_get_each_others_predictions(
    engine: Engine, project: ProjectRecord, task: TaskLink
) -> None:
    ours = store(engine, prediction(task.micrograph_id, version(engine, project.id).id))
    with writing(engine) as session:
        other = create_project(session, "other", ["a"], "phases")
        add_micrograph(session, image(1), other.id)
        theirs = link_task(session, other.id, task.micrograph_id, 3, 60)
    with reading(engine) as session:
        waiting = predictions.unpushed_predictions(session, 3, ours.model_version_id)
    assert [w.task for w in waiting] == [task]
    assert theirs.id != task.id


def test_a_prediction_never_gets_onto_another_image(
    engine: Engine, project: ProjectRecord, task: TaskLink, ingest: Ingest
) -> None:
    made_by = version(engine, project.id)
    foreign = store(engine, prediction(ingest(2).id, made_by.id))
    with pytest.raises(CatalogError, match="of micrograph 2, but task 50 shows micrograph 1"):
        with writing(engine) as session:
            predictions.mark_pushed(session, foreign, task, 900)
    forged = PredictionPush(prediction_id=foreign.id, task_id=task.id, micrograph_id=task.micrograph_id)
    with pytest.raises(CatalogError, match="inconsistent row"), writing(engine) as session:
        session.add(forged)


def test_one_label_studio_prediction_is_one_of_ours(engine: Engine, project: ProjectRecord, task: TaskLink) -> None:
    first, second = (
        store(engine, prediction(task.micrograph_id, version(engine, project.id, name).id)) for name in ("a", "b")
    )
    with pytest.raises(CatalogError, match="inconsistent row"), writing(engine) as session:
        predictions.mark_pushed(session, first, task, 900)
        predictions.mark_pushed(session, second, task, 900)
