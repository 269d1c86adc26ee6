from datetime import timedelta

from sqlalchemy import Engine

from matcurate.catalog import events
from matcurate.catalog.engine import reading, writing
from matcurate.catalog.events import EventRecord

GONE = timedelta(seconds=-1)


def fill(engine: Engine, n: int) -> list[EventRecord]:
    with writing(engine) as session:
        return [events.enqueue(session, "ANNOTATION_CREATED", {"n": i}, ls_annotation_id=i) for i in range(n)]


def claim(engine: Engine, limit: int = 20, lease: timedelta = events.LEASE) -> list[EventRecord]:
    with writing(engine) as session:
        return events.claim(session, limit, lease)


def pending(engine: Engine) -> list[int]:
    with reading(engine) as session:
        waiting = events.pending(session)
        assert events.count_pending(session) == len(waiting)
    return [event.id for event in waiting]


def test_an_event_is_stored_as_given(engine: Engine) -> None:
    with writing(engine) as session:
        stored = events.enqueue(
            session, "ANNOTATION_UPDATED", {"deep": [1, {"x": None}]}, ls_project_id=3, ls_task_id=50
        )
    with reading(engine) as session:
        (found,) = events.pending(session)
    assert found == stored
    assert (found.action, found.payload) == ("ANNOTATION_UPDATED", {"deep": [1, {"x": None}]})
    assert (found.ls_project_id, found.ls_task_id, found.ls_annotation_id) == (3, 50, None)
    assert (found.handled_at, found.attempts, found.error) == (None, 0, None)


def test_events_are_claimed_once_oldest_first(engine: Engine) -> None:
    ids = [event.id for event in fill(engine, 5)]
    first, second, third = claim(engine, 3), claim(engine, 3), claim(engine, 3)
    assert [[event.id for event in claimed] for claimed in (first, second, third)] == [ids[:3], ids[3:], []]
    assert {event.attempts for event in first + second} == {1}
    assert pending(engine) == ids, "claimed is not handled"


def test_a_handled_event_is_kept_but_never_claimed_again(engine: Engine) -> None:
    fill(engine, 1)
    (event,) = claim(engine, lease=GONE)
    with writing(engine) as session:
        events.mark_handled(session, event.id)
    assert claim(engine) == []
    assert pending(engine) == []


def test_an_event_whose_handler_died_is_claimed_again_after_its_lease(engine: Engine) -> None:
    fill(engine, 1)
    (first,) = claim(engine, lease=GONE)
    (again,) = claim(engine)
    assert (again.id, again.attempts) == (first.id, 2)
    assert claim(engine) == []


def test_a_failed_event_waits_and_says_why(engine: Engine) -> None:
    fill(engine, 1)
    (event,) = claim(engine)
    with writing(engine) as session:
        events.mark_failed(session, event, "Label Studio is down", retry_after=timedelta(hours=1))
    assert claim(engine) == []
    with reading(engine) as session:
        (waiting,) = events.pending(session)
    assert (waiting.error, waiting.attempts) == ("Label Studio is down", 1)


def test_a_failed_event_can_be_retried_at_once_and_forgets_its_error_when_handled(engine: Engine) -> None:
    fill(engine, 1)
    (event,) = claim(engine)
    with writing(engine) as session:
        events.mark_failed(session, event, "no answer")
    (again,) = claim(engine)
    assert again.error == "no answer"
    with writing(engine) as session:
        events.mark_handled(session, again.id)
    assert pending(engine) == []


def test_a_late_failure_does_not_free_what_another_has_claimed(engine: Engine) -> None:
    fill(engine, 1)
    (slow,) = claim(engine, lease=GONE)
    (other,) = claim(engine)
    with writing(engine) as session:
        events.mark_failed(session, slow, "too slow")
    assert claim(engine) == []
    with writing(engine) as session:
        events.mark_handled(session, other.id)
        events.mark_failed(session, other, "after all")
    assert pending(engine) == []


def test_after_too_many_failures_an_event_is_left_for_a_person(engine: Engine) -> None:
    poison, healthy = fill(engine, 2)
    for _ in range(events.MAX_ATTEMPTS):
        claimed = claim(engine, limit=1)
        assert [event.id for event in claimed] == [poison.id]
        with writing(engine) as session:
            events.mark_failed(session, claimed[0], "unknown label")
    assert [event.id for event in claim(engine)] == [healthy.id]
    with reading(engine) as session:
        assert [(e.id, e.error, e.attempts) for e in events.given_up(session)] == [
            (poison.id, "unknown label", events.MAX_ATTEMPTS)
        ]
    assert pending(engine) == [healthy.id]


def test_an_outage_of_label_studio_uses_up_no_attempts(engine: Engine) -> None:
    (stored,) = fill(engine, 1)
    for _ in range(events.MAX_ATTEMPTS + 2):
        (event,) = claim(engine)
        assert event.attempts == 1
        with writing(engine) as session:
            events.mark_failed(session, event, "Label Studio does not answer", counted=False)
    assert pending(engine) == [stored.id]
