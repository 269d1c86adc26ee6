"""What a trainer is handed: pixels, masks and ratios that belong together, at one pixel size."""

import numpy as np
import pytest
from learning_samples import add_disc, correct, half
from loop_samples import make_workspace

from matcurate.catalog.learning_records import Part
from matcurate.errors import CatalogError
from matcurate.types import Calibration
from matcurate.workflows.home import load_original
from matcurate.workflows.snapshots import exact_ratios, golden_samples, golden_set, snapshot_samples, take_snapshot
from matcurate.workflows.snapshots.samples import ratio_vector


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", ("a", "b"))


def test_ratios_are_given_whole_or_not_at_all():
    assert ratio_vector({"a": 0.25, "b": 0.5}, ("a", "b")).tolist() == [0.25, 0.25, 0.5]
    assert ratio_vector({"b": 0.5, "a": 0.25}, ("b", "a")).tolist() == [0.25, 0.5, 0.25]
    assert ratio_vector({"a": 0.25}, ("a", "b")).tolist() == [0, 0, 0]
    assert ratio_vector(None, ("a",)).tolist() == [0, 0]
    assert ratio_vector({"a": 0.75, "b": 0.75}, ("a", "b")).tolist() == [0, 0.5, 0.5]
    assert ratio_vector({"a": 0.0}, ("a",)).tolist() == [1, 0]


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
        assert sample.ratios.tolist() == [0.25, 0.5, 0.25] and sample.calibration == Calibration(8.0)
        assert (sample.specimen, sample.lab) == (micrograph.specimen, "north")
    assert list(snapshot_samples(workspace, snapshot, Part.VALIDATION)) == []


def test_calibrated_micrographs_come_at_the_wished_pixel_size_and_others_as_they_are(workspace, tmp_path):
    fine = add_disc(workspace, tmp_path / "in", nm_per_px=4.0)
    unknown = add_disc(workspace, tmp_path / "in")
    for micrograph in (fine, unknown):
        correct(workspace, micrograph, half(40))
    snapshot = take_snapshot(workspace, validation_share=0.0).snapshot
    samples = {s.name: s for s in snapshot_samples(workspace, snapshot, Part.TRAIN, Calibration(8.0))}
    assert samples[fine.name].pixels.shape == samples[fine.name].phases.shape == (48, 80)
    assert samples[fine.name].calibration == Calibration(8.0)
    np.testing.assert_array_equal(samples[fine.name].phases, half(40)[::2, ::2])
    assert samples[unknown.name].pixels.shape == (96, 160) and samples[unknown.name].calibration is None


def test_pixels_that_are_not_square_become_square_at_the_wished_size(workspace, tmp_path):
    micrograph = add_disc(workspace, tmp_path / "in", nm_per_px=4.0, nm_per_px_y=8.0)
    correct(workspace, micrograph, half(40))
    snapshot = take_snapshot(workspace, validation_share=0.0).snapshot
    (plain,) = snapshot_samples(workspace, snapshot, Part.TRAIN)
    assert (plain.pixels.shape, plain.calibration) == ((96, 160), Calibration(4.0, aspect=2.0))
    (square,) = snapshot_samples(workspace, snapshot, Part.TRAIN, Calibration(8.0))
    assert (square.pixels.shape, square.calibration) == ((96, 80), Calibration(8.0))
    np.testing.assert_array_equal(square.phases, half(40)[:, ::2])


def test_a_snapshot_keeps_the_calibration_it_was_made_with(workspace, tmp_path):
    micrograph = add_disc(workspace, tmp_path / "in")
    correct(workspace, micrograph, half())
    before = take_snapshot(workspace, validation_share=0.0).snapshot
    from matcurate.workflows.ingest import Provenance, ingest_files

    ingest_files(workspace, sorted((tmp_path / "in").iterdir()), Provenance(calibration=Calibration(3.0)))
    after = take_snapshot(workspace, validation_share=0.0).snapshot
    assert [s.calibration for s in snapshot_samples(workspace, before, Part.TRAIN)] == [None]
    assert [s.calibration for s in snapshot_samples(workspace, after, Part.TRAIN)] == [Calibration(3.0)]


def test_golden_samples_are_golden_micrographs_with_their_masks(workspace, tmp_path):
    golden = add_disc(workspace, tmp_path / "in", golden=True, nm_per_px=2.0)
    correct(workspace, golden, half(33), ratios={"a": 0.5, "b": 0.5})
    (sample,) = golden_samples(workspace, golden_set(workspace))
    np.testing.assert_array_equal(sample.phases, half(33))
    assert sample.name == golden.name and sample.ratios.tolist() == [0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("mask", "message"),
    [(np.ones((160, 96), dtype=np.uint8), "is 96 x 160, the image 160 x 96"), (half() * 3, "class id 3")],
)
def test_a_mask_that_does_not_fit_is_refused(workspace, tmp_path, mask, message):
    correct(workspace, add_disc(workspace, tmp_path / "in"), mask)
    snapshot = take_snapshot(workspace, validation_share=0.0).snapshot
    with pytest.raises(CatalogError, match=message):
        list(snapshot_samples(workspace, snapshot, Part.TRAIN))
