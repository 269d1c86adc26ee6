"""Several processes at once: none waits for ever, loses, doubles, or meets a locked database."""

import multiprocessing as mp
import random
from collections.abc import Callable
from multiprocessing.synchronize import Barrier

from sqlalchemy import Engine

from matcurate.catalog import (
    Outcome,
    TaskLink,
    add_micrograph,
    correction_of,
    create_project,
    list_corrections,
    list_micrographs,
    open_catalog,
    reading,
    record_correction,
    task_link,
    writing,
)
from matcurate.catalog.corrections import revisions
from tests.unit.catalog.catalog_samples import annotation, hash_of, image, key_of

SPAWN = mp.get_context("spawn")
IMAGES = 60
STATES = 12
WORKERS = 3


class Gate:
    """Holds the processes of a pool back until all of them have started."""

    barrier: Barrier

    @classmethod
    def install(cls, barrier: Barrier) -> None:
        cls.barrier = barrier


def ingest_all(url: str, seed: int) -> list[int]:
    """Open (perhaps create) the catalog and ingest every image in an order of its own; return those added."""
    Gate.barrier.wait(60)
    engine = open_catalog(url)
    with writing(engine) as session:
        project = create_project(session, "alloy", ["a", "b"], "phases")
    order = list(range(IMAGES))
    random.Random(seed).shuffle(order)
    added = []
    for number in order:
        with writing(engine) as session:
            if add_micrograph(session, image(number, specimen=f"S{number % 3}"), project.id)[1]:
                added.append(number)
    engine.dispose()
    return added


def correct(url: str, seed: int) -> list[str]:
    """Record every state of one annotation in an order of its own."""
    engine = open_catalog(url)
    Gate.barrier.wait(60)
    order = list(range(STATES))
    random.Random(seed).shuffle(order)
    outcomes = []
    for second in order:
        with writing(engine) as session:
            task = task_link(session, 1, 3, 50)
            assert task is not None
            outcomes.append(
                record_correction(session, task, annotation(seconds=second, phases_key=key_of(second))).value
            )
    engine.dispose()
    return outcomes


def in_processes(work: Callable[[str, int], list[object]], url: str) -> list[list[object]]:
    with SPAWN.Pool(WORKERS, Gate.install, [SPAWN.Barrier(WORKERS)]) as pool:
        return pool.starmap(work, [(url, seed) for seed in range(WORKERS)], chunksize=1)


def test_processes_create_one_catalog_and_ingest_each_image_once(catalog_url: str) -> None:
    added = in_processes(ingest_all, catalog_url)
    assert sorted(number for numbers in added for number in numbers) == list(range(IMAGES))
    engine = open_catalog(catalog_url)
    with reading(engine) as session:
        stored = list_micrographs(session, 1)
    engine.dispose()
    assert {m.content_hash: m.specimen for m in stored} == {hash_of(n): f"S{n % 3}" for n in range(IMAGES)}
    assert len(stored) == IMAGES


def test_webhooks_of_one_annotation_in_several_processes(engine: Engine, catalog_url: str, task: TaskLink) -> None:
    outcomes = [outcome for found in in_processes(correct, catalog_url) for outcome in found]
    with reading(engine) as session:
        (only,) = list_corrections(session, task.project_id)
        assert correction_of(session, task.project_id, 7) == only
        history = revisions(session, only.id)
    assert only.phases_key == key_of(STATES - 1)
    assert outcomes.count(Outcome.ADDED) == 1
    assert outcomes.count(Outcome.UPDATED) == only.revision - 1
    assert [r.revision for r in history] == list(range(1, only.revision + 1))
    assert [r.ls_updated_at for r in history] == sorted({r.ls_updated_at for r in history})
