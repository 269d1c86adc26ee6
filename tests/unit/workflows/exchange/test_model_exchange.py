"""From lab to lab: what goes out comes in as it was, and nothing else comes in."""

import json
import zipfile
from datetime import UTC, datetime

import pytest
import torch

from matcurate.errors import CatalogError, CheckpointError
from matcurate.phase import storage
from matcurate.phase.build import Base
from matcurate.phase.storage import load_adapter
from matcurate.workflows.evaluation import Measurement, as_tags
from matcurate.workflows.evaluation.measurements import measurements
from matcurate.workflows.exchange import export_model, import_model, take_measurements
from matcurate.workflows.exchange.export_file import ADAPTER, CARD, MANIFEST, TrainingData, read_export, write_export
from matcurate.workflows.snapshots import golden_set, take_snapshot
from matcurate.workflows.training.training import load_champion, make_plan
from matcurate.workflows.versions import load_adapter_of, load_files_of, open_registry, promote
from tests.unit.lab_samples import add_version, make_lab, teach_disc

THERE = Measurement(
    lab="north", golden="d" * 64, images=3, dice=0.75, fraction_error=0.125, at=datetime(2026, 11, 21, tzinfo=UTC)
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def north(tmp_path_factory, store):
    """Version 1, measured at home, champion."""
    folder = tmp_path_factory.mktemp("north")
    made = make_lab(folder, "north", store)
    add_version(made, folder / "files", tags=as_tags([THERE]))
    registry = open_registry(made)
    promote(made, registry, "1", why="the | first", who="ann")
    return made


@pytest.fixture(scope="module")
def file(north, tmp_path_factory):
    path = tmp_path_factory.mktemp("post") / "north.matcurate"
    export_model(north, open_registry(north), "champion", path)
    return path


@pytest.fixture(scope="module")
def south(tmp_path_factory, store):
    """A lab that never gets a version."""
    return make_lab(tmp_path_factory.mktemp("south"), "south", store, golden=1)


def test_a_version_arrives_as_it_left(north, file, store, tmp_path):
    west = make_lab(tmp_path / "west", "west", store, golden=1)
    registry = open_registry(west)
    report = import_model(west, registry, file)
    assert report.version.name == "west-v1" and report.version.aliases == () and registry.history() == []
    tags, (original,) = report.version.tags, open_registry(north).versions()
    said = {
        "lab": "north", "imported_from": "north", "original_name": "north-v1", "original_run": original.run_id,
        "snapshot": "a" * 64, "base_sha256": original.tags.base_sha256, "export_sha256": read_export(file).sha256,
    }  # fmt: skip
    assert said.items() <= tags.stored().items() and tags.imported_by and tags.imported_at
    assert measurements(report.version) == {THERE.golden: THERE}
    here, there = load_adapter_of(registry, report.version), load_adapter_of(open_registry(north), original)
    assert here.card == there.card
    again = tmp_path / "again.matcurate"
    export_model(west, registry, "1", again)
    manifest, first = read_export(again).manifest, read_export(file).manifest
    assert (manifest.exported_by, manifest.lab, manifest.run_id) == ("west", "north", original.run_id)
    assert manifest.history == first.history and manifest.history[0].why == "the | first"
    with pytest.raises(CatalogError, match=r"north-v1 of north is west-v1 here already; 'curate models show 1'"):
        import_model(west, registry, again)
    with pytest.raises(CatalogError, match="north-v1 of north is north-v1 here already"):  # its own version comes home
        import_model(north, open_registry(north), again)
    assert len(registry.versions()) == len(open_registry(north).versions()) == 1
    promote(west, registry, "1", why="to go on from", who="bob")
    assert make_plan(west, load_champion(registry), 0).start == "from west-v1 (north-v1 of north)"


def test_the_file_is_the_same_whenever_it_is_written_and_holds_no_pickle(north, file, tmp_path):
    report = export_model(north, open_registry(north), "1", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == file.read_bytes() and report.bytes == file.stat().st_size
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == ["adapter.safetensors", "card.md", "manifest.json", "settings.json"]
        (tmp_path / "a.safetensors").write_bytes(archive.read(ADAPTER))
        card = archive.read(CARD).decode()
    assert load_adapter(tmp_path / "a.safetensors").card.phases == ("matrix", "precipitate")
    for text in (
        "trained by | north",
        "north dddddddddddd | 3 | 0.7500 | 0.1250",
        "the \\| first",
        '"rank": 2',
        "aaaa",
    ):
        assert text in card
    with pytest.raises(CatalogError, match="is there already"):
        export_model(north, open_registry(north), "1", tmp_path / "b")
    export_model(north, open_registry(north), "1", tmp_path / "b", force=True)
    with pytest.raises(CatalogError, match="not a file in a folder that exists"):
        export_model(north, open_registry(north), "1", tmp_path / "no" / "b")


def test_evidence_travels_with_the_model_it_belongs_to(north, file, store, tmp_path):
    harbour = make_lab(tmp_path / "harbour", "harbour", store)
    registry = open_registry(harbour)
    version = add_version(harbour, tmp_path / "files", seed=3, evidence=True)
    sent = tmp_path / "sent.matcurate"
    export_model(harbour, registry, version.name, sent)
    home = make_lab(tmp_path / "port", "port", store)
    arrived = import_model(home, open_registry(home), sent).version
    here, there = load_files_of(open_registry(home), arrived), load_files_of(registry, version)
    assert torch.equal(here.evidence.first.weight, there.evidence.first.weight)
    with zipfile.ZipFile(file) as archive:
        other = archive.read(ADAPTER)
    manifest = read_export(sent).manifest.model_copy(update={"run_id": "other"})
    mixed = {**read_export(sent).members, ADAPTER: other}
    write_export(tmp_path / "mixed", manifest, mixed)
    with pytest.raises(CheckpointError, match=r"mixed: the pixel head belongs to the model"):
        import_model(home, open_registry(home), tmp_path / "mixed")
    # A file of before there was evidence is still read.
    import_model(home, open_registry(home), rewritten(file, tmp_path / "old", format=1))


def test_what_was_measured_since_is_taken_over_but_not_of_our_own_golden_set(file, store, tmp_path):
    lab = make_lab(tmp_path / "home", "home", store, golden=1)
    ours = THERE.model_copy(update={"lab": "home", "golden": golden_set(lab).digest, "dice": 1.0})
    theirs = THERE.model_copy(update={"lab": "east", "golden": "e" * 64})
    changed = THERE.model_copy(update={"dice": 0.99})
    with pytest.raises(CatalogError, match="is not here; import it first"):
        take_measurements(lab, open_registry(lab), file)
    newer = rewritten(file, tmp_path / "newer", measured=[m.model_dump(mode="json") for m in (ours, theirs, changed)])
    import_model(lab, open_registry(lab), file)
    taken = take_measurements(lab, open_registry(lab), newer)
    assert taken.measured == (theirs,)
    assert measurements(open_registry(lab).version(1)) == {THERE.golden: THERE, theirs.golden: theirs}


def rewritten(file, path, *, drop=(), add=(), store=zipfile.ZIP_STORED, **manifest):
    """The same export with another manifest, fewer or more members; digests as before."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name not in drop}
    if MANIFEST in members:
        members[MANIFEST] = json.dumps({**json.loads(members[MANIFEST]), **manifest}).encode()
    with zipfile.ZipFile(path, "w", store) as archive:
        for name, data in [*members.items(), *add]:
            archive.writestr(name, data)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 3}, "written in format 3, this version of matcurate reads up to 2; update it"),
        ({"kind": "other"}, "no export of a model version"),
        ({"drop": (MANIFEST,)}, "no export of a model version"),
        ({"drop": (CARD,)}, "lacks card.md"),
        ({"add": [("../evil.py", b"x")]}, "holds '../evil.py', which no export does"),
        ({"add": [("/etc/passwd", b"x")]}, "holds '/etc/passwd'"),
        ({"add": [(CARD, b"twice")]}, "holds 'card.md', which no export does"),
        ({"store": zipfile.ZIP_DEFLATED}, "is packed or claims"),
        ({"drop": (CARD,), "add": [(CARD, b"other")]}, "card.md is not what the export was written with"),
        ({"drop": (CARD,), "add": [(CARD, b"0" * (4 * 2**20 + 1))]}, "claims 4194305 bytes"),
        ({"phases": ["matrix", "carbide"]}, "name another base or other phases"),
        ({"base_sha256": "0" * 64}, "name another base or other phases"),
        ({"lab": "no\x1b[2Jrth"}, "manifest.json is damaged (lab"),
        ({"unknown": 1}, "manifest.json is damaged (unknown"),
        ({"un\x1b[2Jknown": 1}, "manifest.json is damaged (un?[2Jknown"),
    ],
)
def test_what_is_no_whole_export_is_refused_and_named(south, file, tmp_path, change, said):
    path = rewritten(file, tmp_path / "changed", **change)
    with pytest.raises(CheckpointError) as refused:
        import_model(south, open_registry(south), path)
    assert str(refused.value).startswith(f"{path}: ") and said in str(refused.value)
    assert "\n" not in str(refused.value) and open_registry(south).versions() == []


def test_files_that_are_something_else(south, file, tmp_path):
    registry = open_registry(south)
    (tmp_path / "text").write_text("no zip")
    (tmp_path / "part").write_bytes(file.read_bytes()[:-200])
    broken = bytearray(file.read_bytes())
    broken[len(broken) // 2] ^= 1  # within the adapter
    (tmp_path / "bit").write_bytes(broken)
    for name in ("text", "part", "bit"):
        with pytest.raises(CheckpointError, match=f"{name}: no whole export of a model version"):
            import_model(south, registry, tmp_path / name)
    with pytest.raises(CheckpointError, match="no such file"):
        import_model(south, registry, tmp_path / "none")
    with pytest.raises(CheckpointError, match="cannot be read"):
        import_model(south, registry, tmp_path)


def test_other_phases_and_another_base_say_how_to_go_on(file, south, store, tmp_path, monkeypatch):
    other = make_lab(tmp_path / "other", "other", store, phases=("ferrite", "pearlite"))
    with pytest.raises(CatalogError, match=r"those of project 'other' are .*'curate init --project NAME --phases 'p"):
        import_model(other, open_registry(other), file)
    monkeypatch.setattr(storage, "base_of", lambda backbone: Base("builtin", "0" * 64))  # another release's weights
    with pytest.raises(CheckpointError, match=r"trained on builtin with sha256 .*, but builtin has 000000000000…"):
        import_model(south, open_registry(south), file)


def test_the_snapshot_is_told_where_the_catalog_has_it(store, tmp_path):
    east = make_lab(tmp_path / "east", "east", store)
    for index in range(3):
        teach_disc(east, tmp_path / "in", specimen=f"s{index % 2}", nm_per_px=2.0 + index % 2)
    snapshot = take_snapshot(east, validation_share=0.0).snapshot
    add_version(east, tmp_path / "files", snapshot=snapshot.digest)
    export_model(east, open_registry(east), "1", tmp_path / "v1")
    manifest = read_export(tmp_path / "v1").manifest
    assert manifest.training == TrainingData(micrographs=3, validation=0, specimens=2, nm_per_px=(2.0, 3.0))
    with zipfile.ZipFile(tmp_path / "v1") as archive:
        card = archive.read(CARD).decode()
    assert "3 corrected micrographs of 2 named specimens, 2 to 3 nm per pixel; another 0" in card
    assert "Nobody has measured it" in card and manifest.measured == ()
