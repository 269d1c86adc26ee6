"""A data bar counts for nothing: in fractions, measurements, training, scores; and its switch."""

from pathlib import Path

import numpy as np
import pytest

from matcurate.catalog import Part, get_micrograph, list_task_links
from matcurate.config import Settings
from matcurate.imaging.labels import read_labels
from matcurate.imaging.read import decode_micrograph
from matcurate.imaging.synth.databars import LAYOUTS, with_databar
from matcurate.labelstudio import bars_count
from matcurate.labelstudio.bars import BARS_COUNT, BARS_NAME
from matcurate.plain.measure import measure_labels
from matcurate.plain.segment import segment_files
from matcurate.types import Calibration
from matcurate.workflows.home import load_counted
from matcurate.workflows.ingest import bars_of, ingest_files, switch_bars
from matcurate.workflows.ingest.databars import Bars
from matcurate.workflows.labelling import pull_corrections, push_project
from matcurate.workflows.presegment import presegment_micrographs
from matcurate.workflows.snapshots import snapshot_samples, take_snapshot
from tests.unit.learning_samples import correct
from tests.unit.loop_samples import LS_PROJECT, disc, make_workspace, png

BELOW, ABOVE = LAYOUTS[5], LAYOUTS[9]
"""Black bars."""
TICKED = {
    "id": "b1",
    "type": "choices",
    "from_name": BARS_NAME,
    "to_name": "image",
    "value": {"choices": [BARS_COUNT]},
}


def discs() -> np.ndarray:
    """A bright disc on a dark ground, (288, 480), with a little noise."""
    noise = np.random.default_rng(0).integers(-4, 5, (288, 480))
    return (np.kron(disc(40, 60, 24), np.ones((3, 3), dtype=np.uint8)) + noise).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(pixels))
    return path


@pytest.fixture
def barred(tmp_path):
    """A home with one micrograph that has a bar below it."""
    workspace = make_workspace(tmp_path / "home")
    file = save(tmp_path / "in" / "a.png", with_databar(discs(), BELOW, 10.0).pixels)
    (micrograph,) = ingest_files(workspace, [file]).added
    return workspace, micrograph


@pytest.mark.parametrize("layout", [BELOW, ABOVE], ids=["below", "above"])
def test_fractions_and_objects_are_those_of_the_micrograph_alone(tmp_path, layout) -> None:
    settings = Settings(home=tmp_path / "home", backbone="builtin")
    pixels, bar = discs(), with_databar(discs(), layout, 10.0)
    paths = [save(tmp_path / "in" / "plain.png", pixels), save(tmp_path / "in" / "barred.png", bar.pixels)]
    plain, found = segment_files(paths, tmp_path / "out", settings=settings).images
    assert plain.ignored == 0 and found.ignored == pytest.approx(1 - 288 / len(bar.pixels), abs=0.01)
    assert found.phase_fraction == pytest.approx(plain.phase_fraction, rel=0.01)
    assert sum(found.phase_fractions.values()) == pytest.approx(1)
    assert found.instances == plain.instances == 1
    ignored = read_labels(tmp_path / "out" / "barred.ignored.png")
    assert not ignored[bar.top + 2 : bar.bottom - 2].any() and not (tmp_path / "out" / "plain.ignored.png").exists()
    measured, alone = (
        measure_labels(tmp_path / "out" / f"{name}.instances.tif", calibration=Calibration(10.0))
        for name in ("barred", "plain")
    )
    assert measured.phase_fractions[1] == pytest.approx(alone.phase_fractions[1], rel=0.01)
    assert measured.objects[0]["y_px"] == pytest.approx(alone.objects[0]["y_px"] + bar.top, abs=0.5)
    counted = measure_labels(tmp_path / "out" / "barred.instances.tif", ignore_bars=False)
    assert counted.phase_fractions[1] < 0.98 * alone.phase_fractions[1]
    (all_pixels,) = segment_files([paths[1]], tmp_path / "all", settings=settings, ignore_bars=False).images
    assert all_pixels.ignored == 0 and not (tmp_path / "all" / "barred.ignored.png").exists()


def test_an_object_that_the_bar_cuts_touches_the_border(tmp_path) -> None:
    rows, columns = np.mgrid[:288, :480]
    cut = np.where((rows - 287) ** 2 + (columns - 200) ** 2 < 40**2, 200, 60).astype(np.uint8)
    file = save(tmp_path / "in" / "a.png", with_databar(cut, BELOW, 10.0).pixels)
    segment_files([file], tmp_path / "out", settings=Settings(home=tmp_path / "home", backbone="builtin"))
    lines = (tmp_path / "out" / "a.objects.csv").read_text().splitlines()
    column = lines[0].split(",").index("touches_border")
    assert [line.split(",")[column].lower() for line in lines[1:]] in (["true"], ["1"])


def test_a_bar_is_in_no_prediction_and_no_training_sample_and_stays_on_the_page(barred, segmenter) -> None:
    workspace, micrograph = barred
    (prediction,) = presegment_micrographs(workspace, segmenter).done
    assert prediction.phase_fractions["precipitate"] == pytest.approx((discs() > 130).mean(), rel=0.05)
    proxy = decode_micrograph(workspace.objects.get(micrograph.proxy_key), "proxy").pixels
    assert proxy.shape == micrograph.shape  # the expert sees the bar
    correct(workspace, micrograph, np.ones(micrograph.shape, dtype=np.uint8))
    (sample,) = snapshot_samples(workspace, take_snapshot(workspace, validation_share=0.0).snapshot, Part.TRAIN)
    assert abs(sample.pixels.shape[0] - 288) <= 2 and sample.phases.shape == sample.pixels.shape
    assert sample.ignored is None


def test_the_switch_counts_all_pixels_and_makes_another_snapshot(barred) -> None:
    workspace, micrograph = barred
    (bars,) = bars_of(workspace)
    assert (bars.id, bars.name, bars.top, bars.ignored) == (micrograph.id, "a", 0, True)
    assert abs(bars.bottom - (micrograph.height - 288)) <= 2
    assert bars.share == pytest.approx(bars.bottom / micrograph.height)
    correct(workspace, micrograph, np.ones(micrograph.shape, dtype=np.uint8))
    before = take_snapshot(workspace, validation_share=0.0)
    assert switch_bars(workspace, [micrograph.id], ignored=False) == 1
    assert switch_bars(workspace, [micrograph.id], ignored=False) == 0
    assert bars_of(workspace) == (Bars(bars.id, "a", 0, bars.bottom, bars.share, False),)
    after = take_snapshot(workspace, validation_share=0.0)
    assert after.added and after.snapshot.digest != before.snapshot.digest
    rows = [
        next(iter(snapshot_samples(workspace, each.snapshot, Part.TRAIN))).pixels.shape[0] for each in (before, after)
    ]
    assert rows[1] == micrograph.height > rows[0]  # an old snapshot keeps what it was made with
    switch_bars(workspace, [micrograph.id], ignored=True)
    assert take_snapshot(workspace, validation_share=0.0).snapshot == before.snapshot


def test_a_box_on_the_page_switches_off(barred, studio, segmenter) -> None:
    workspace, micrograph = barred
    presegment_micrographs(workspace, segmenter)
    push_project(workspace, studio, segmenter.version)
    with workspace.reading() as session:
        (link,) = list_task_links(session, workspace.project().id, LS_PROJECT)
    studio.annotate(link.ls_task_id, [])
    pull_corrections(workspace, studio)
    with workspace.reading() as session:
        assert get_micrograph(session, micrograph.id).ignores_bars
    studio.annotate(link.ls_task_id, [TICKED])
    pull_corrections(workspace, studio)
    with workspace.reading() as session:
        record = get_micrograph(session, micrograph.id)
    assert not record.ignores_bars and load_counted(workspace, record)[1] is None


def test_only_the_tick_of_that_field_counts() -> None:
    assert bars_count([TICKED])
    assert not bars_count([{**TICKED, "from_name": "other"}])
    assert not bars_count([{**TICKED, "value": {"choices": ["something"]}}])
    assert not bars_count([{"type": "number", "from_name": BARS_NAME, "value": {"number": 1}}])
