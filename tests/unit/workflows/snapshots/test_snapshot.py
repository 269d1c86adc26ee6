"""Snapshots: which corrections are in, on which side, under which name; and what golden images keep out."""

import hashlib
import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from matcurate.catalog import (
    Part,
    last_trained,
    list_snapshots,
    mark_trained,
    retract_correction,
    snapshot_items,
    snapshot_named,
)
from matcurate.errors import CatalogError
from matcurate.workflows.ingest import Provenance, ingest_files
from matcurate.workflows.snapshots import golden_set, take_snapshot
from matcurate.workflows.snapshots.snapshot import group_of, split
from tests.unit.learning_samples import add_disc, correct, half, predicted
from tests.unit.loop_samples import disc, make_workspace, png


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", ("precipitate",))


@pytest.fixture
def three(workspace, tmp_path):
    """Micrographs of specimens A, B and C, each corrected once."""
    found = [add_disc(workspace, tmp_path / "in", specimen=name, lab="north", nm_per_px=4.0) for name in "ABC"]
    for index, micrograph in enumerate(found):
        correct(workspace, micrograph, half(10 * (index + 1)), ratios={"precipitate": 0.25})
    return found


def test_a_snapshot_holds_what_was_known(workspace, three):
    report = take_snapshot(workspace, validation_share=0.0)
    assert report.added and report.refused == () and report.count(Part.TRAIN) == 3
    by_id = {item.micrograph_id: item for item in report.items}
    for index, micrograph in enumerate(three):
        item = by_id[micrograph.id]
        assert (item.content_hash, item.lab, item.nm_per_px) == (micrograph.content_hash, "north", 4.0)
        assert (item.specimen, item.ratios, item.part) == ("ABC"[index], {"precipitate": 0.25}, Part.TRAIN)
    with workspace.reading() as session:
        assert tuple(snapshot_items(session, report.snapshot.id)) == report.items
        assert snapshot_named(session, workspace.project().id, report.snapshot.name) == report.snapshot
    assert [i.content_hash for i in report.items] == sorted(m.content_hash for m in three)


def test_the_same_corrections_are_the_same_snapshot(workspace, three):
    first = take_snapshot(workspace, seed=3)
    again = take_snapshot(workspace, seed=3)
    assert first.added and not again.added and again.snapshot == first.snapshot and again.items == first.items
    with workspace.reading() as session:
        assert [s.digest for s in list_snapshots(session, 1)] == [first.snapshot.digest]


@pytest.mark.parametrize("change", ["mask", "ratios", "seed", "share"])
def test_another_content_is_another_snapshot(workspace, three, change):
    before = take_snapshot(workspace).snapshot
    if change == "mask":
        correct(workspace, three[0], half(11), minutes=5, ratios={"precipitate": 0.25})
    if change == "ratios":
        correct(workspace, three[0], half(10), minutes=5, ratios={"precipitate": 0.5})
    options = {"seed": {"seed": 1}, "share": {"validation_share": 0.3}}.get(change, {})
    after = take_snapshot(workspace, **options)
    assert after.added and after.snapshot.digest != before.digest
    with workspace.reading() as session:  # the older one is as it was
        assert snapshot_items(session, before.id) != []


def test_a_later_save_of_the_same_mask_changes_nothing(workspace, three):
    before = take_snapshot(workspace).snapshot
    correct(workspace, three[0], half(10), minutes=9, ratios={"precipitate": 0.25}, annotator="another")
    assert take_snapshot(workspace).snapshot == before


def test_the_annotation_changed_last_counts_and_skips_and_retractions_do_not(workspace, three):
    late = correct(workspace, three[0], half(50), minutes=8, annotator="1")
    correct(workspace, three[0], half(60), minutes=4, annotator="2")
    correct(workspace, three[0], half(0), minutes=9, skipped=True)
    gone = correct(workspace, three[0], half(70), minutes=10)
    with workspace.writing() as session:
        retract_correction(session, 1, gone.ls_annotation_id)
    item = next(i for i in take_snapshot(workspace).items if i.micrograph_id == three[0].id)
    assert item.correction_id == late.id and item.phases_key == late.phases_key


def test_annotations_changed_at_the_same_moment_are_told_apart_by_their_ids(workspace, three):
    high = correct(workspace, three[1], half(50), minutes=8, annotation=90_002)
    correct(workspace, three[1], half(60), minutes=8, annotation=90_001)
    item = next(i for i in take_snapshot(workspace).items if i.micrograph_id == three[1].id)
    assert item.correction_id == high.id


def test_golden_micrographs_and_their_specimens_stay_out(workspace, three, tmp_path):
    golden = add_disc(workspace, tmp_path / "in", specimen="B", lab="north", golden=True)
    elsewhere = add_disc(workspace, tmp_path / "in", specimen="B", lab="south")
    for micrograph in (golden, elsewhere):
        correct(workspace, micrograph, half(5))
    report = take_snapshot(workspace)
    assert {i.micrograph_id for i in report.items} == {three[0].id, three[2].id, elsewhere.id}
    (refused,) = report.refused
    assert refused.micrograph == three[1].name
    assert refused.reason == f"specimen B of north is also that of the golden micrograph {golden.name}"
    with workspace.reading() as session:
        assert list_snapshots(session, 1)[0].refused == report.refused


def test_the_same_pixels_in_another_file_are_refused(workspace, three, tmp_path):
    picture = disc(77, 13, 5)
    (tmp_path / "a.png").write_bytes(png(picture))
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "TIFF")
    (tmp_path / "b.tif").write_bytes(buffer.getvalue())
    ingest_files(workspace, [tmp_path / "a.png"], Provenance(golden=True))
    copy = ingest_files(workspace, [tmp_path / "b.tif"]).added[0]
    correct(workspace, copy, half(5))
    report = take_snapshot(workspace)
    assert [r.micrograph for r in report.refused] == ["b"] and "same pixels" in report.refused[0].reason
    assert copy.id not in {i.micrograph_id for i in report.items}


def test_without_anything_to_train_on_the_reason_is_said(workspace, tmp_path):
    with pytest.raises(CatalogError, match=r"no usable correction .* 'curate sync'"):
        take_snapshot(workspace)
    golden = add_disc(workspace, tmp_path / "in", specimen="A", golden=True)
    other = add_disc(workspace, tmp_path / "in", specimen="A")
    correct(workspace, golden, half())
    correct(workspace, other, half())
    with pytest.raises(CatalogError, match=f"refused: {other.name}: specimen A of local is also"):
        take_snapshot(workspace)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"precipitate": 0.125}, None),  # the field still says what the prediction had put there: 0.1250004
        ({"precipitate": 0.126}, {"precipitate": 0.126}),
        (None, None),
    ],
)
def test_ratios_that_the_prediction_gave_are_not_the_experts(workspace, tmp_path, given, kept):
    micrograph = add_disc(workspace, tmp_path / "in")
    parent = predicted(workspace, micrograph, half(20), phase_fractions={"precipitate": 0.1250004})
    correct(workspace, micrograph, half(20), ratios=given, parent_prediction_id=parent)
    assert take_snapshot(workspace).items[0].ratios == kept


def test_a_specimen_is_never_split(workspace, tmp_path):
    for specimen in ("A", "A", "A", "B", "B", "C", None, None):
        correct(workspace, add_disc(workspace, tmp_path / "in", specimen=specimen, lab="north"), half())
    report = take_snapshot(workspace, seed=1, validation_share=0.4)
    sides = {}
    for item in report.items:
        if item.specimen:
            sides.setdefault(item.specimen, set()).add(item.part)
    assert all(len(parts) == 1 for parts in sides.values()) and len(sides) == 3
    assert report.count(Part.TRAIN) > 0 and report.count(Part.VALIDATION) > 0


def test_pages_of_one_file_are_never_split(workspace, tmp_path):
    pages = np.stack([disc(20, 30 + 20 * n) for n in range(5)])
    tifffile.imwrite(tmp_path / "stack.tif", pages, photometric="minisblack")
    found = ingest_files(workspace, [tmp_path / "stack.tif"]).added
    for page in (*found, add_disc(workspace, tmp_path / "in")):
        correct(workspace, page, half())
    assert len(found) == 5 and len({group_of(page) for page in found}) == 1
    parts = {i.micrograph_id: i.part for i in take_snapshot(workspace, validation_share=0.5).items}
    assert len({parts[page.id] for page in found}) == 1 and len(set(parts.values())) == 2


def test_the_split_follows_the_hash_and_stays_when_groups_are_added():
    """The rule worked out: a group is for validation when its first 8 bytes lie below the share."""
    groups = [f"specimen {index} of north" for index in range(40)]
    parts = split(groups, 5, 0.25)
    for group in groups:
        first = int(hashlib.sha256(f"5:{group}".encode()).hexdigest()[:16], 16)
        assert (parts[group] is Part.VALIDATION) == (first / 2**64 < 0.25)
    more = split([*groups, "specimen 99 of south"], 5, 0.25)
    assert {g: more[g] for g in groups} == parts
    assert 0 < sum(p is Part.VALIDATION for p in parts.values()) < 25
    assert split(groups, 6, 0.25) != parts


@pytest.mark.parametrize(("share", "validation"), [(0.0, 0), (1e-12, 1), (1 - 1e-12, 3)])
def test_no_side_is_empty_unless_it_is_wished(share, validation):
    assert sum(p is Part.VALIDATION for p in split(list("abcd"), 0, share).values()) == validation


def test_a_single_group_is_for_training():
    assert split([], 0, 0.5) == {}
    assert all(split(["a"], seed, 0.9) == {"a": Part.TRAIN} for seed in range(20))
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        split(["a"], 0, float("nan"))


def test_the_golden_set_is_corrections_of_golden_micrographs(workspace, three, tmp_path):
    golden = [add_disc(workspace, tmp_path / "in", golden=True) for _ in range(2)]
    correct(workspace, golden[1], half(30))
    found = golden_set(workspace)
    assert [i.micrograph.id for i in found.items] == [golden[1].id]
    assert [m.id for m in found.missing] == [golden[0].id]
    newer = correct(workspace, golden[1], half(31), minutes=3)
    later = golden_set(workspace)
    assert later.digest != found.digest and later.items[0].correction == newer
    assert golden_set(workspace).digest == later.digest


def test_the_last_trained_snapshot_is_remembered(workspace, three):
    first = take_snapshot(workspace, seed=0).snapshot
    second = take_snapshot(workspace, seed=1).snapshot
    with workspace.writing() as session:
        assert last_trained(session, 1) is None
        mark_trained(session, first.id)
    with workspace.reading() as session:
        assert last_trained(session, 1).id == first.id
        with pytest.raises(CatalogError, match=f"newest: {second.name}"):
            snapshot_named(session, 1, "abc")
    assert take_snapshot(workspace, seed=0).snapshot.trained_at is not None


def test_masks_and_images_cannot_be_swapped_in_the_catalog(workspace, three):
    from sqlalchemy import text

    report = take_snapshot(workspace)
    with pytest.raises(CatalogError, match="inconsistent row"), workspace.writing() as session:
        change = text("UPDATE snapshot_item SET correction_id = :c WHERE micrograph_id = :m")
        values = {"c": report.items[0].correction_id, "m": report.items[1].micrograph_id}
        session.connection().execute(change, values)


def test_numbers_are_checked(workspace, three):
    with pytest.raises(ValueError, match="validation share"):
        take_snapshot(workspace, validation_share=1.0)
