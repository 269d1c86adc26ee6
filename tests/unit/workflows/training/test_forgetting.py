"""Versions × golden sets: who was measured where, what was lost, and nothing is computed twice."""

from datetime import UTC, datetime

import pytest

from matcurate.errors import CatalogError
from matcurate.tracking.registry import Origin
from matcurate.tracking.runs import RunReport, live_run
from matcurate.tracking.version_tags import VersionTags
from matcurate.workflows.evaluation import Measurement, as_tags
from matcurate.workflows.evaluation.evaluate import evaluate
from matcurate.workflows.evaluation.measurements import measurements
from matcurate.workflows.home import backbone_of
from matcurate.workflows.snapshots import golden_set
from matcurate.workflows.training import forgetting_matrix
from matcurate.workflows.versions import load_adapter_of, open_registry
from tests.unit.lab_samples import add_version, make_lab, teach_disc

AT = datetime(2026, 11, 21, tzinfo=UTC)


def scored(dice: float, golden: str = "d" * 64, lab: str = "south") -> Measurement:
    return Measurement(lab=lab, golden=golden, images=3, dice=dice, fraction_error=0.125, at=AT)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


def test_losses_are_against_the_best_of_each_golden_set(store, tmp_path):
    """Three versions, of which south measured two and east one; nobody has a golden set here."""
    lab = make_lab(tmp_path / "home", "a", store)
    registry = open_registry(lab)
    for seed, measured in enumerate([[scored(0.75)], [scored(0.5), scored(0.25, "e" * 64, "east")], []]):
        add_version(lab, tmp_path / "files", seed, as_tags(measured))
    matrix = forgetting_matrix(lab, registry)
    assert [(c.lab, c.golden[0], c.images, c.here, c.best, c.best_dice) for c in matrix.columns] == [
        ("east", "e", 3, False, "a-v2", 0.25), ("south", "d", 3, False, "a-v1", 0.75),
    ]  # fmt: skip
    lost = [[matrix.lost(row, column) for column in matrix.columns] for row in matrix.rows]
    assert lost == [[None, None], [0.0, 0.25], [None, 0.0]] and matrix.computed == 0  # newest first
    few = forgetting_matrix(lab, registry, ["a-v2"])
    assert len(few.rows) == 1 and few.lost(few.rows[0], few.columns[1]) == 0.25  # the best need not be shown
    with pytest.raises(CatalogError, match="no model version '7'"):
        forgetting_matrix(lab, registry, ["7"])


def test_what_is_missing_is_measured_once_and_kept(store, tmp_path):
    lab = make_lab(tmp_path / "home", "b", store, golden=2)
    registry = open_registry(lab)
    versions = [add_version(lab, tmp_path / "files", seed) for seed in range(2)]
    golden = golden_set(lab).digest
    assert forgetting_matrix(lab, registry, measure=False).columns == ()
    told = []
    matrix = forgetting_matrix(lab, registry, progress=lambda done, total, note="": told.append((done, total)))
    assert (matrix.computed, told[0], told[-1]) == (2, (0, 4), (4, 4))
    (column,) = matrix.columns
    assert (column.lab, column.golden, column.images, column.here) == ("b", golden, 2, True)
    for row, version in zip(matrix.rows, versions[::-1], strict=True):
        adapter = load_adapter_of(registry, version)
        found = evaluate(lab, adapter.model(backbone_of(lab, "builtin")), golden_set(lab))
        assert row.measured[golden].dice == found.overall.dice
        assert row.measured[golden].fraction_error == found.overall.fraction_error
    again = forgetting_matrix(lab, registry)
    assert again.computed == 0 and [row.measured for row in again.rows] == [row.measured for row in matrix.rows]
    teach_disc(lab, tmp_path / "more", golden=True)  # another golden set: measured anew, the old numbers stay
    more = forgetting_matrix(lab, registry, ["1"])
    assert more.computed == 1 and [c.here for c in more.columns] == [True, False]
    assert set(measurements(registry.version(1))) == {golden, golden_set(lab).digest}


def test_a_version_that_cannot_be_loaded_does_not_stop_the_others(store, tmp_path):
    lab = make_lab(tmp_path / "home", "c", store, golden=1)
    registry = open_registry(lab)
    add_version(lab, tmp_path / "files")
    (tmp_path / "weights.txt").write_text("w")
    with live_run(registry.uri, "c", RunReport("train")) as live:
        live.files(tmp_path / "weights.txt", "model")
    registry.register(live.id, "model", Origin("a" * 64, "builtin", "b" * 64, "c" * 64, "c"))
    matrix = forgetting_matrix(lab, registry)
    newest, oldest = matrix.rows
    assert newest.measured == {} and "keeps no adapter.safetensors" in newest.problem
    assert len(oldest.measured) == 1 and oldest.problem is None and matrix.computed == 1


def test_versions_from_before_say_what_they_scored(store, tmp_path):
    tags = {"golden": "f" * 64, "golden_images": "2", "golden_dice": "0.8751", "golden_fraction_error": "0.01"}
    lab = make_lab(tmp_path / "home", "d", store)
    version = add_version(lab, tmp_path / "files", tags=VersionTags.read(tags))
    (known,) = measurements(version).values()
    assert (known.lab, known.golden, known.images, known.dice, known.at) == (
        "d",
        "f" * 64,
        2,
        0.8751,
        version.created_at,
    )
