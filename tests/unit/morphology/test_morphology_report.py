"""What is said of a whole image, and its picture."""

import io

import numpy as np
import pytest
from PIL import Image

from matcurate.morphology.grain_size import number_from_density
from matcurate.morphology.plot import draw_morphology
from matcurate.morphology.report import measure_image
from matcurate.types import Calibration
from tests.unit.morphology.morphology_samples import disc, hexagons

SHAPE = (96, 160)


def particles():
    ids, phases = np.zeros(SHAPE, dtype=np.uint16), np.zeros(SHAPE, dtype=np.uint8)
    for number, (y, x) in enumerate([(24, 30), (24, 80), (70, 30), (70, 80), (48, 130)], start=1):
        inside = disc(SHAPE, (y, x), 8)
        ids[inside], phases[inside] = number, 1 + number % 2
    return ids, phases


def test_separate_objects():
    ids, phases = particles()
    report = measure_image(ids, phases, Calibration(250.0), names=("matrix", "a", "b")).report
    assert (report.height, report.width, report.nm_per_px, report.unit, report.px_size) == (96, 160, 250.0, "um", 0.25)
    assert (report.structure, report.count) == ("objects", 5)
    assert [phase.name for phase in report.phases] == ["matrix", "a", "b"]
    assert sum(phase.area_fraction.fraction for phase in report.phases) == pytest.approx(1.0)
    assert (report.grain_size.intercept, report.grain_size.planimetric) == (None, None)
    assert "do not fill the image" in report.grain_size.note
    assert [size.phase for size in report.sizes] == [None, 1, 2]
    assert [size.whole for size in report.sizes] == [5, 2, 3]
    assert [spacing.phase for spacing in report.spacing] == [None, 1, 2]
    assert report.sizes[0].mean_diameter == pytest.approx(4.0, rel=0.02)
    assert report.shape.circularity == pytest.approx(1.0, abs=0.07)
    assert report.shape.aspect_ratio == pytest.approx(1.0, abs=0.01)
    assert report.shape.neighbours == 0.0


def test_without_classes_objects_are_class_1():
    ids, _ = particles()
    found = measure_image(ids)
    assert found.table.phase.tolist() == [1] * 5
    assert [phase.id for phase in found.report.phases] == [0, 1]
    assert found.report.phases[1].area_fraction.fraction == np.count_nonzero(ids) / ids.size
    assert (found.report.unit, found.report.px_size, len(found.report.sizes)) == ("px", 1.0, 1)


def test_grains_with_lines_between_them_have_the_size_of_those_without():
    whole = hexagons((192, 320), 14.0)
    edge = np.zeros(whole.shape, dtype=bool)
    edge[:, 1:] = whole[:, 1:] != whole[:, :-1]
    lined = np.where(edge, 0, whole).astype(whole.dtype)
    scale = Calibration(1000.0)
    plain, closed = (measure_image(ids, None, scale).report for ids in (whole, lined))
    assert (plain.structure, closed.structure) == ("grains", "grains")
    number = number_from_density(1e6 / (1.5 * np.sqrt(3) * 14**2))
    for report in (plain, closed):
        assert report.grain_size.planimetric.grain_size_number == pytest.approx(number, abs=0.1)
        assert report.grain_size.note is None
        assert report.shape.neighbours == pytest.approx(6.0, abs=0.1)
    intercepts = [report.grain_size.intercept.mean_intercept for report in (plain, closed)]
    assert intercepts[1] == pytest.approx(intercepts[0], rel=0.03)


def test_why_there_is_no_grain_size_number():
    assert "--nm-per-px" in measure_image(hexagons(SHAPE, 14.0)).report.grain_size.note
    one = measure_image(np.ones(SHAPE, dtype=np.uint8), None, Calibration(10.0)).report
    assert "too few grains" in one.grain_size.note
    assert one.shape.circularity is None
    assert measure_image(hexagons(SHAPE, 14.0), structure="objects").report.grain_size.intercept is None


def test_an_empty_image_has_a_report():
    report = measure_image(np.zeros(SHAPE, dtype=np.uint8), None, Calibration(10.0)).report
    assert (report.count, report.structure) == (0, "objects")
    assert (report.sizes[0].whole, report.spacing[0].mean) == (0, None)
    assert report.phases[0].area_fraction.fraction == 1.0


def drawn(found, title="a"):
    with Image.open(io.BytesIO(draw_morphology(found, title))) as image:
        return np.asarray(image.convert("RGB"))


def test_the_plot_shows_every_phase_in_its_colour():
    ids, phases = particles()
    picture = drawn(measure_image(ids, phases, Calibration(250.0)))
    for colour in ((0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9), (0x00, 0x9E, 0x73), (0xBB, 0xBB, 0xBB)):
        assert np.count_nonzero((picture == colour).all(axis=2)) > 50, colour
    assert (drawn(measure_image(ids, phases, Calibration(250.0))) == picture).all()
    assert (drawn(measure_image(ids, phases)) != picture).any()  # other units


@pytest.mark.parametrize("ids", [np.zeros(SHAPE, np.uint8), np.ones(SHAPE, np.uint8), hexagons(SHAPE, 14.0)])
def test_the_plot_of_nothing_of_one_grain_and_of_grains(ids):
    picture = drawn(measure_image(ids, None, Calibration(10.0)), "cost $5 or $6")
    assert picture.shape[0] < picture.shape[1]
    blue = np.count_nonzero((picture == (0x56, 0xB4, 0xE9)).all(axis=2))
    assert (blue > 1000) == (ids.max() > 1)  # sizes are only drawn of objects that lie whole in the image
