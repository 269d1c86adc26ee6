"""Correction effort: pixels and seconds, for the version whose prediction was corrected."""

import numpy as np
import pytest

from matcurate.catalog import retract_correction
from matcurate.errors import CatalogError
from matcurate.workflows.labelling import measure_effort
from matcurate.workflows.labelling.effort import share_changed
from tests.unit.learning_samples import add_disc, correct, half, predicted
from tests.unit.loop_samples import make_workspace


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "home", ("a", "b"))


def test_the_share_of_changed_pixels():
    assert share_changed(half(80), half(80)) == 0.0
    assert share_changed(half(80), half(64)) == 0.1  # 16 of 160 columns
    assert share_changed(half(160), half(160) * 2) == 1.0  # another phase is a change
    with pytest.raises(ValueError, match="cannot be compared"):
        share_changed(half(), half().T)


def test_effort_by_model_version(workspace, tmp_path):
    images = [add_disc(workspace, tmp_path / "in") for _ in range(4)]
    old = [predicted(workspace, image, half(80), "old") for image in images[:3]]
    new = predicted(workspace, images[3], half(80), "new")
    correct(workspace, images[0], half(64), parent_prediction_id=old[0], lead_time=10.0, minutes=3)
    correct(workspace, images[1], half(48), parent_prediction_id=old[1], lead_time=40.0, minutes=1)
    correct(workspace, images[2], half(80), parent_prediction_id=old[2], minutes=2)
    correct(workspace, images[3], half(84), parent_prediction_id=new, minutes=4)
    correct(workspace, images[3], half(10), minutes=5)  # began from nothing
    report = measure_effort(workspace)
    assert [e.changed for e in report.efforts] == [0.2, 0.0, 0.1, 0.025]  # in the order of time
    assert [(v.model_version, v.corrections, v.lead_time) for v in report.versions] == [
        ("old", 3, 25.0),
        ("new", 1, None),
    ]
    assert [v.changed for v in report.versions] == pytest.approx([0.1, 0.025])
    assert report.from_nothing == 1


def test_skipped_and_retracted_corrections_cost_nothing(workspace, tmp_path):
    image = add_disc(workspace, tmp_path / "in")
    prediction = predicted(workspace, image, half())
    correct(workspace, image, half(), skipped=True, parent_prediction_id=prediction)
    gone = correct(workspace, image, half(3), parent_prediction_id=prediction)
    with workspace.writing() as session:
        retract_correction(session, 1, gone.ls_annotation_id)
    assert measure_effort(workspace).efforts == ()


def test_progress_and_a_mask_of_another_size(workspace, tmp_path):
    image = add_disc(workspace, tmp_path / "in")
    prediction = predicted(workspace, image, half())
    correct(workspace, image, half(), parent_prediction_id=prediction)
    told = []
    measure_effort(workspace, lambda done, total, note="": told.append((done, total)))
    assert told == [(0, 1), (1, 1)]
    correct(workspace, image, np.zeros((160, 96), dtype=np.uint8), parent_prediction_id=prediction)
    with pytest.raises(CatalogError, match="is 96 x 160 pixels, its prediction 1 160 x 96"):
        measure_effort(workspace)
