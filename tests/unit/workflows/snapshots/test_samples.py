"""What a trainer is handed: pixels and masks that belong together."""

import numpy as np
import pytest

from matcurate.catalog import Part
from matcurate.errors import CatalogError
from matcurate.types import Calibration
from matcurate.workflows.home import load_original
from matcurate.workflows.ingest import Provenance, ingest_files
from matcurate.workflows.snapshots import exact_ratios, golden_samples, golden_set, snapshot_samples, take_snapshot
from tests.unit.learning_samples import add_disc, correct, half
from tests.unit.loop_samples import make_workspace


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", ("a", "b"))


def test_exact_ratios_are_area_fractions():
    mask = np.zeros((4, 10), dtype=np.uint8)
    mask[:, 0] = 1
    mask[0, 1:3] = 3
    assert exact_ratios(mask, 3).tolist() == pytest.approx([34 / 40, 4 / 40, 0, 2 / 40])


def test_samples_are_pixels_with_their_own_mask(workspace, tmp_path):
    found = {}
    for columns in (10, 40):
        micrograph = add_disc(workspace, tmp_path / "in", nm_per_px=8.0, specimen=str(columns), lab="north")
        correct(workspace, micrograph, half(columns), ratios={"a": 0.5, "b": 0.25})
        found[micrograph.content_hash] = (micrograph, half(columns))
    snapshot = take_snapshot(workspace, validation_share=0.0).snapshot
    samples = list(snapshot_samples(workspace, snapshot, Part.TRAIN))
    assert [s.content_hash for s in samples] == sorted(found)
    for sample in samples:
        micrograph, mask = found[sample.content_hash]
        np.testing.assert_array_equal(sample.phases, mask)
        np.testing.assert_array_equal(sample.pixels, load_original(workspace, micrograph).pixels)
        assert sample.specimen == micrograph.specimen
    assert list(snapshot_samples(workspace, snapshot, Part.VALIDATION)) == []


def test_a_snapshot_keeps_the_calibration_it_was_made_with(workspace, tmp_path):
    micrograph = add_disc(workspace, tmp_path / "in")
    correct(workspace, micrograph, half())
    before = take_snapshot(workspace, validation_share=0.0)
    ingest_files(workspace, sorted((tmp_path / "in").iterdir()), Provenance(calibration=Calibration(3.0)))
    after = take_snapshot(workspace, validation_share=0.0)
    assert [[item.calibration for item in each.items] for each in (before, after)] == [[None], [Calibration(3.0)]]


def test_golden_samples_are_golden_micrographs_with_their_masks(workspace, tmp_path):
    golden = add_disc(workspace, tmp_path / "in", golden=True, nm_per_px=2.0)
    correct(workspace, golden, half(33), ratios={"a": 0.5, "b": 0.5})
    (sample,) = golden_samples(workspace, golden_set(workspace))
    np.testing.assert_array_equal(sample.phases, half(33))
    assert sample.name == golden.name


@pytest.mark.parametrize(
    ("mask", "message"),
    [(np.ones((160, 96), dtype=np.uint8), "is 96 x 160, the image 160 x 96"), (half() * 3, "class id 3")],
)
def test_a_mask_that_does_not_fit_is_refused(workspace, tmp_path, mask, message):
    correct(workspace, add_disc(workspace, tmp_path / "in"), mask)
    snapshot = take_snapshot(workspace, validation_share=0.0).snapshot
    with pytest.raises(CatalogError, match=message):
        list(snapshot_samples(workspace, snapshot, Part.TRAIN))
