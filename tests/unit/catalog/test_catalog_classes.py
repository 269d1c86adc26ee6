import pytest
from sqlalchemy import Engine

from matcurate.catalog import (
    Box,
    NewClassHead,
    RegionRecord,
    append_head,
    embedding_key,
    list_classes,
    list_members,
    merge_classes,
    name_class,
    newest_head,
    reading,
    store_embedding,
    store_regions,
    stored_regions,
    writing,
)
from matcurate.errors import CatalogError

WHOLE, CORNER = Box(0, 0, 96, 160), Box(8, 16, 40, 50)


@pytest.fixture
def named(engine: Engine, project, ingest):
    """Name boxes of micrographs in a transaction of its own."""
    for number in (1, 2, 3, 4):
        ingest(number)

    def name(name: str, *boxes: tuple[int, Box], who: str = "ann"):
        with writing(engine) as session:
            return name_class(session, project.id, name, boxes, who)

    return name


def head(**changes: object) -> NewClassHead:
    values = {
        "object_key": "ab/" + "ab" * 32,
        "model": "embedding",
        "embedder_sha256": "0" * 64,
        "crop": 128,
        "classes": ("a",),
        "threshold": 0.5,
        "seed": 0,
        "why": "named a",
        "made_by": "ann",
    }
    return NewClassHead(**values | changes)


def test_classes_have_channels_in_the_order_they_were_named(engine, project, named) -> None:
    first, added = named("pearlite", (1, WHOLE), (2, WHOLE))
    assert (first.channel, added, first.named_by) == (0, True, "ann")
    second, _ = named("bainite", (3, WHOLE))
    assert second.channel == 1
    again, added = named("pearlite", (4, CORNER), who="bob")
    assert (again.channel, added, again.named_by) == (0, False, "ann")
    with reading(engine) as session:
        members = list_members(session, project.id)
    assert [(m.micrograph_id, m.box, m.class_name, m.named_by) for m in members] == [
        (1, WHOLE, "pearlite", "ann"),
        (2, WHOLE, "pearlite", "ann"),
        (3, WHOLE, "bainite", "ann"),
        (4, CORNER, "pearlite", "bob"),
    ]


def test_a_merged_class_loses_its_channel_and_its_micrographs_but_not_what_was_said(engine, project, named) -> None:
    for number, name in enumerate(("a", "b", "c"), start=1):
        named(name, (number, WHOLE))
    with writing(engine) as session:
        merge_classes(session, project.id, "a", "b", "bob")
    with writing(engine) as session:
        assert merge_classes(session, project.id, "b", "c", "bob").channel == 0
    with reading(engine) as session:
        classes = {each.name: each for each in list_classes(session, project.id)}
        members = list_members(session, project.id)
    assert {name: (each.channel, each.merged_into) for name, each in classes.items()} == {
        "a": (None, "c"),
        "b": (None, "c"),
        "c": (0, None),
    }
    assert [(member.class_name, member.named_as) for member in members] == [("c", "a"), ("c", "b"), ("c", "c")]
    with pytest.raises(CatalogError, match="'a' was merged into 'c'"):
        named("a", (4, WHOLE))
    for pair, problem in ((("c", "c"), "itself"), (("b", "c"), "merged into"), (("c", "x"), "no class 'x'")):
        with writing(engine) as session, pytest.raises(CatalogError, match=problem):
            merge_classes(session, project.id, *pair, "bob")


def test_a_box_is_named_anew_but_no_class_is_left_without_micrographs(engine, project, named) -> None:
    named("a", (1, WHOLE), (2, WHOLE))
    named("b", (1, WHOLE))
    with reading(engine) as session:
        assert [member.class_name for member in list_members(session, project.id)] == ["b", "a"]
    with pytest.raises(CatalogError, match=r"'a' would have no micrograph left; run 'curate classes merge'"):
        named("b", (2, WHOLE))
    with reading(engine) as session:  # nothing of it stayed
        assert [member.class_name for member in list_members(session, project.id)] == ["b", "a"]


def test_a_micrograph_of_another_project_is_refused(named) -> None:
    with pytest.raises(CatalogError, match="inconsistent"):
        named("a", (99, WHOLE))


def test_the_newest_head_counts_and_two_at_once_are_noticed(engine, project) -> None:
    with reading(engine) as session:
        assert newest_head(session, project.id) is None
    with writing(engine) as session:
        assert append_head(session, project.id, head(), after=0).number == 1
    with writing(engine) as session:
        append_head(session, project.id, head(classes=("a", "b"), threshold=0.25), after=1)
    with writing(engine) as session, pytest.raises(CatalogError, match="in the meantime"):
        append_head(session, project.id, head(), after=1)
    with reading(engine) as session:
        found = newest_head(session, project.id)
    assert (found.number, found.classes, found.threshold) == (2, ("a", "b"), 0.25)
    with pytest.raises(ValueError, match="threshold"):
        head(threshold=0.0)


def test_embeddings_are_found_by_box_embedder_and_crop(engine, ingest) -> None:
    ingest(1)
    with writing(engine) as session:
        store_embedding(session, 1, "0" * 64, 128, WHOLE, "key")
        store_embedding(session, 1, "0" * 64, 128, WHOLE, "later")
        assert embedding_key(session, 1, "0" * 64, 128, WHOLE) == "key"
        assert embedding_key(session, 1, "0" * 64, 64, WHOLE) is None
        assert embedding_key(session, 1, "1" * 64, 128, WHOLE) is None
        assert embedding_key(session, 1, "0" * 64, 128, CORNER) is None


def test_regions_are_found_by_method_and_crop_and_the_first_stay(engine, ingest) -> None:
    ingest(1)
    found = (RegionRecord(WHOLE, 0.75), RegionRecord(CORNER, 0.25))
    with writing(engine) as session:
        assert stored_regions(session, 1, "texture 1", 128) is None
        store_regions(session, 1, "texture 1", 128, found)
        store_regions(session, 1, "texture 1", 128, found[:1])
    with reading(engine) as session:
        assert stored_regions(session, 1, "texture 1", 128) == found
        assert stored_regions(session, 1, "texture 1", 64) is None
        assert stored_regions(session, 1, "texture 2", 128) is None


def test_a_box_knows_its_image() -> None:
    assert Box(10, 20, 30, 40).within((40, 60))
    assert not Box(10, 20, 31, 40).within((40, 60))
    with pytest.raises(ValueError, match="extent"):
        Box(0, 0, 0, 5)
