from sqlalchemy import Engine

from matcurate.catalog import events, reading, writing


def fill(engine: Engine, *annotation_ids: int) -> list[int]:
    with writing(engine) as session:
        events.add_events(session, "ANNOTATION_CREATED", 3, annotation_ids)
    return pending(engine)


def pending(engine: Engine) -> list[int]:
    with reading(engine) as session:
        waiting = events.pending(session)
        assert events.count_pending(session) == len(waiting)
    return [event.id for event in waiting]


def test_a_webhook_is_stored_for_each_annotation_oldest_first(engine: Engine) -> None:
    assert len(fill(engine, 50, 51)) == 2 and len(fill(engine, 50)) == 3 and len(fill(engine)) == 3
    with reading(engine) as session:
        found = events.pending(session)
        assert [event.id for event in events.pending(session, 2)] == [event.id for event in found[:2]]
    assert [(e.action, e.ls_project_id, e.ls_annotation_id) for e in found] == [
        ("ANNOTATION_CREATED", 3, annotation_id) for annotation_id in (50, 51, 50)
    ]
    assert all((e.handled_at, e.error) == (None, None) and e.received_at is not None for e in found)


def test_what_is_handled_waits_no_longer_and_says_why_it_failed(engine: Engine) -> None:
    first, second, third = fill(engine, 50, 51, 52)
    with writing(engine) as session:
        events.mark_handled(session, [first, third], "unknown label")
    assert pending(engine) == [second]
    with reading(engine) as session:
        row = session.get(events.Event, third)
        assert row is not None and row.error == "unknown label" and row.handled_at is not None
