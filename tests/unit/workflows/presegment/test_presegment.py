"""Presegment: once for each version, which micrographs, and what one failure costs."""

from pathlib import Path

import numpy as np
import pytest

from matcurate.catalog import list_micrographs, list_predictions
from matcurate.errors import CatalogError
from matcurate.imaging.labels import decode_labels
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.workflows.ingest import ingest_files
from matcurate.workflows.presegment import ZeroShot, presegment_micrographs, register_version
from matcurate.workflows.presegment.presegment import stored_prediction
from matcurate.workflows.versions import model_version_names
from tests.unit.loop_samples import disc, make_workspace, write_discs


def micrographs(workspace):
    with workspace.reading() as session:
        return list_micrographs(session, workspace.project().id)


def labels(workspace, key):
    return decode_labels(workspace.objects.get(key))


def other_version(segmenter):
    return ZeroShot(MatSam(segmenter.matsam.backbone, MatSamPreset(name="phases", smallest=9)), "phases")


def test_masks_fractions_and_version_are_stored(loop_workspace, segmenter):
    report = presegment_micrographs(loop_workspace, segmenter)
    assert (report.model_version, report.skipped, report.failed) == (segmenter.version, 0, ())
    assert [p.micrograph_id for p in report.done] == [m.id for m in micrographs(loop_workspace)]
    first = report.done[0]
    phases = labels(loop_workspace, first.phases_key)
    truth = disc(30, 40) > 100
    assert phases.shape == (96, 160) and np.count_nonzero((phases == 1) != truth) < 0.1 * truth.sum()
    assert first.phase_fractions == {"precipitate": pytest.approx((phases == 1).mean())}
    assert labels(loop_workspace, first.instances_key).max() == 1 and 0 < first.score <= 1


def test_a_second_run_computes_nothing(loop_workspace, segmenter, monkeypatch):
    done = presegment_micrographs(loop_workspace, segmenter).done
    monkeypatch.setattr(MatSam, "segment", lambda *_: pytest.fail("segmented again"))
    again = presegment_micrographs(loop_workspace, segmenter)
    assert again.done == () and again.skipped == 3
    project = loop_workspace.project()
    version = register_version(loop_workspace, project, segmenter)
    assert [stored_prediction(loop_workspace, version, m) for m in micrographs(loop_workspace)] == list(done)


def test_new_leaves_out_what_an_earlier_version_predicted(loop_workspace, segmenter, tmp_path):
    presegment_micrographs(loop_workspace, segmenter, ids=[1])
    second = other_version(segmenter)
    report = presegment_micrographs(loop_workspace, second, "new")
    assert [p.micrograph_id for p in report.done] == [2, 3] and report.skipped == 1
    everything = presegment_micrographs(loop_workspace, second)
    assert [p.micrograph_id for p in everything.done] == [1] and everything.skipped == 2
    assert model_version_names(loop_workspace) == [second.version, segmenter.version]


def test_ids_choose_and_unknown_ones_are_refused(loop_workspace, segmenter):
    assert [p.micrograph_id for p in presegment_micrographs(loop_workspace, segmenter, ids=[3, 1]).done] == [1, 3]
    with pytest.raises(CatalogError, match="micrograph 99 is not in this project"):
        presegment_micrographs(loop_workspace, segmenter, ids=[2, 99])
    assert presegment_micrographs(loop_workspace, segmenter, ids=[1]).skipped == 1


def test_a_damaged_original_fails_alone(loop_workspace, segmenter):
    broken = micrographs(loop_workspace)[1]
    loop_workspace.objects.local_path(broken.object_key).write_bytes(b"rubbish")
    seen = []
    report = presegment_micrographs(
        loop_workspace, segmenter, progress=lambda done, total, note="": seen.append((done, note))
    )
    assert [p.micrograph_id for p in report.done] == [1, 3]
    assert len(report.failed) == 1 and report.failed[0].startswith("disc1: object ") and "damaged" in report.failed[0]
    assert seen == [(0, "disc0"), (1, "disc1"), (2, "disc2"), (3, "")]


def test_more_classes_than_phases_are_refused_and_nothing_is_stored(loop_workspace, segmenter, monkeypatch):
    real = MatSam.segment

    def two_classes(self, pixels, ignored=None):
        found = real(self, pixels, ignored=ignored)
        found.phases[:5, :5] = 2
        return found

    monkeypatch.setattr(MatSam, "segment", two_classes)
    objects = Path(loop_workspace.settings.resolved_objects_url)
    before = sorted(objects.rglob("*"))
    report = presegment_micrographs(loop_workspace, segmenter, ids=[1])
    assert report.done == () and sorted(objects.rglob("*")) == before
    assert "the segmentation has 2 phases" in report.failed[0] and "precipitate" in report.failed[0]
    with loop_workspace.reading() as session:
        assert list_predictions(session, 1) == []


def test_a_phase_that_is_not_found_has_fraction_zero(tmp_path, segmenter):
    workspace = make_workspace(tmp_path / "home", ("gamma prime", "carbide"))
    ingest_files(workspace, write_discs(tmp_path / "images", 1))
    (prediction,) = presegment_micrographs(workspace, segmenter).done
    assert prediction.phase_fractions["carbide"] == 0.0
    assert prediction.phase_fractions["gamma prime"] == pytest.approx((disc(30, 40) > 100).mean(), rel=0.1)
