import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from roifile import ROI_TYPE, ImagejRoi, roiwrite
from skimage.measure import label

from matcurate.errors import ConfigError, DatasetError, UnreadableImageError
from matcurate.imaging.dataset import DatasetInfo, open_dataset, write_info, write_sample
from matcurate.imaging.labels import write_labels
from matcurate.plain.label_files import load_labels, pieces
from matcurate.plain.measure import MeasureReport, measure_labels
from matcurate.types import Calibration

SHAPE = (96, 160)
NUMBERS = np.arange(8).reshape(2, 4) + 1


def objects() -> np.ndarray:
    """Eight squares of 12 px, at the centres of a 2 x 4 board."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = (abs(rows % 48 - 23.5) < 6) & (abs(columns % 40 - 19.5) < 6)
    return np.where(inside, NUMBERS[rows // 48, columns // 40], 0).astype(np.uint16)


def classes() -> np.ndarray:
    return np.where(objects() > 0, 1 + (objects() > 4), 0).astype(np.uint8)


@pytest.fixture
def segmented(tmp_path: Path) -> Path:
    """What ``curate segment`` leaves."""
    write_labels(tmp_path / "a.instances.tif", objects())
    write_labels(tmp_path / "a.phases.png", classes())
    return tmp_path


@pytest.mark.parametrize("given", ["a.instances.tif", "a.phases.png"])
def test_the_results_of_segment_belong_together(given: str, segmented: Path) -> None:
    report = measure_labels(segmented / given)
    assert (report.name, report.path) == ("a", str(segmented / given))
    assert report.instances_path == str(segmented / "a.instances.tif")
    assert report.phases_path == str(segmented / "a.phases.png")
    assert [row["phase"] for row in report.objects] == [1] * 4 + [2] * 4
    assert [row["area_px"] for row in report.objects] == [144.0] * 8
    assert report.phase_fractions == {0: 1 - 8 * 144 / 15360, 1: 4 * 144 / 15360, 2: 4 * 144 / 15360}
    assert (report.summary.count, report.summary.unit, report.files) == (8, "px", ())


def test_phases_alone_are_parted_into_pieces(segmented: Path) -> None:
    (segmented / "a.instances.tif").unlink()
    report = measure_labels(segmented / "a.phases.png")
    assert (report.instances_path, report.phases_path) == (None, str(segmented / "a.phases.png"))
    assert [row["phase"] for row in report.objects] == [1] * 4 + [2] * 4
    assert report.summary.count == 8


def test_instances_alone_have_no_classes(segmented: Path) -> None:
    (segmented / "a.phases.png").unlink()
    report = measure_labels(segmented / "a.instances.tif")
    assert (report.instances_path, report.phases_path) == (str(segmented / "a.instances.tif"), None)
    assert report.phase_fractions == {0: 1 - 8 * 144 / 15360, 1: 8 * 144 / 15360}


def test_pieces_of_two_classes_stay_apart_and_corners_join() -> None:
    ids = np.array([[1, 1, 2], [0, 0, 2], [3, 3, 0], [0, 0, 3]], dtype=np.uint8)
    assert pieces(ids).tolist() == [[1, 1, 2], [0, 0, 2], [3, 3, 0], [0, 0, 3]]


@pytest.mark.parametrize("folder", ["instances", "masks"])
def test_a_dataset_folder_knows_its_names_and_pixel_size(folder: str, tmp_path: Path) -> None:
    sample = write_sample(tmp_path, "s", np.zeros(SHAPE, np.uint8), classes(), objects())
    write_info(tmp_path, DatasetInfo(classes=("matrix", "γ'", "carbide"), nm_per_px=20.0))
    path = sample.instances_path if folder == "instances" else sample.mask_path
    assert path is not None
    report = measure_labels(path)
    assert (report.instances_path, report.phases_path) == (str(sample.instances_path), str(sample.mask_path))
    assert [phase.name for phase in report.summary.phases] == ["matrix", "γ'", "carbide"]
    assert report.summary.nm_per_px == 20.0
    assert report.objects[0]["area_um2"] == pytest.approx(144 * 0.02**2)
    assert measure_labels(path, calibration=Calibration(40.0)).summary.nm_per_px == 40.0


def test_a_folder_called_masks_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    write_labels(tmp_path / "masks" / "s.png", classes())
    report = measure_labels(tmp_path / "masks" / "s.png")
    assert (report.instances_path, report.summary.count) == (None, 8)


def test_a_file_of_another_name_is_judged_by_what_it_holds(tmp_path: Path) -> None:
    write_labels(tmp_path / "ids.png", objects())
    write_labels(tmp_path / "classes.png", classes())
    assert load_labels(tmp_path / "ids.png").phases is None
    found = load_labels(tmp_path / "classes.png")
    assert found.phases is not None
    assert found.instances.max() == 8
    said = load_labels(tmp_path / "classes.png", content="instances")
    assert (said.phases, int(said.instances.max())) == (None, 2)
    said = load_labels(tmp_path / "ids.png", content="phases")
    assert said.phases is not None
    assert said.phases.tolist() == objects().tolist()


def test_what_is_said_stands_over_the_name(segmented: Path) -> None:
    found = load_labels(segmented / "a.phases.png", content="instances")
    assert (found.instances_path, found.phases_path, int(found.instances.max())) == (
        segmented / "a.phases.png",
        None,
        2,
    )


def test_classes_from_another_file(segmented: Path, tmp_path: Path) -> None:
    write_labels(tmp_path / "other.png", np.where(objects() > 0, 3, 0))
    report = measure_labels(segmented / "a.instances.tif", phases=tmp_path / "other.png")
    assert report.phases_path == str(tmp_path / "other.png")
    assert [row["phase"] for row in report.objects] == [3] * 8


def test_the_pixel_size_of_a_tiff_counts(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", objects(), imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    assert measure_labels(tmp_path / "a.tif").summary.nm_per_px == 500.0


def test_what_is_written(segmented: Path) -> None:
    out = segmented / "new" / "out"
    report = measure_labels(segmented / "a.instances.tif", calibration=Calibration(100.0), out=out)
    names = ["a.objects.csv", "a.morphology.json", "a.morphology.png"]
    assert report.files == tuple(str(out / name) for name in names)
    rows = list(csv.DictReader((out / names[0]).read_text().splitlines()))
    assert list(rows[0]) == list(report.objects[0])
    assert float(rows[0]["area_um2"]) == pytest.approx(1.44)
    summary = json.loads((out / names[1]).read_text())
    assert (summary["count"], summary["unit"], summary["structure"]) == (8, "um", "objects")
    assert summary["phases"][1]["area_fraction"]["fraction"] == 4 * 144 / 15360
    with Image.open(out / names[2]) as picture:
        assert picture.format == "PNG"


def test_grains_are_grains_unless_said_otherwise(tmp_path: Path) -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    write_labels(tmp_path / "g.instances.tif", NUMBERS[rows // 48, columns // 40])
    scale = Calibration(1000.0)
    found = measure_labels(tmp_path / "g.instances.tif", calibration=scale).summary
    assert found.structure == "grains"
    assert found.grain_size.planimetric is not None
    found = measure_labels(tmp_path / "g.instances.tif", calibration=scale, structure="objects").summary
    assert (found.structure, found.grain_size.planimetric) == ("objects", None)


def test_files_that_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"none\.png: no such file"):
        measure_labels(tmp_path / "none.png")
    Image.new("RGB", (160, 96)).save(tmp_path / "colour.png")
    with pytest.raises(DatasetError, match=r"colour\.png.*grey PNG"):
        measure_labels(tmp_path / "colour.png")
    grey = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    write_labels(tmp_path / "grey.png", grey)
    with pytest.raises(DatasetError, match=r"grey\.png: 256 different ids.*--as instances"):
        measure_labels(tmp_path / "grey.png")
    write_labels(tmp_path / "thin.png", np.ones((15, 160), dtype=np.uint8))
    with pytest.raises(DatasetError, match=r"thin\.png: 160 x 15 pixels, too few.*16"):
        measure_labels(tmp_path / "thin.png")
    write_labels(tmp_path / "large.png", np.ones((1000, 1001), dtype=np.uint8))
    with pytest.raises(UnreadableImageError, match=r"large\.png.*CURATE_MAX_MEGAPIXELS"):
        measure_labels(tmp_path / "large.png", max_megapixels=1.0)


def test_two_sizes_are_one_error_that_names_both(segmented: Path) -> None:
    write_labels(segmented / "a.phases.png", classes()[:, :150])
    with pytest.raises(DatasetError, match=r"a\.instances\.tif has 160 x 96.*a\.phases\.png 150 x 96.*one size"):
        measure_labels(segmented / "a.instances.tif")


def test_a_folder_that_cannot_be_made(segmented: Path) -> None:
    (segmented / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written to.*another folder"):
        measure_labels(segmented / "a.instances.tif", out=segmented / "file")


def diamonds(shape: tuple[int, int] = (160, 224)) -> np.ndarray:
    """False on lines one pixel wide along both diagonals; what they part has 113 pixels."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return ((rows + columns) % 16 != 0) & ((rows - columns) % 16 != 0)


def summary_of(path: Path, **options: object) -> MeasureReport:
    return measure_labels(path, calibration=Calibration(1000.0), **options)


def grain_numbers(report: MeasureReport) -> tuple[float | None, float | None]:
    sizes = report.summary.grain_size
    assert sizes.planimetric is not None and sizes.intercept is not None
    return sizes.planimetric.grain_size_number, sizes.intercept.grain_size_number


def test_a_drawing_of_boundaries_measures_as_its_label_image(tmp_path: Path) -> None:
    white = diamonds()
    ids = label(white, connectivity=1)
    write_labels(tmp_path / "ids.tif", ids)
    Image.fromarray(white).save(tmp_path / "one_bit.png")
    Image.fromarray(np.where(white, 255, 0).astype(np.uint8)).save(tmp_path / "black_lines.png")
    tifffile.imwrite(tmp_path / "white_lines.tif", np.where(white, 0, 255).astype(np.uint8))
    tifffile.imwrite(tmp_path / "minus.tif", np.where(white, 1, -1).astype(np.int32))
    whole = summary_of(tmp_path / "ids.tif")
    assert whole.boundaries is None and whole.summary.count == ids.max()
    exact = 3.321928 * np.log10(1e6 / 128) - 2.954  # a diamond with its share of the lines: 16 x 16 / 2
    assert grain_numbers(whole)[0] == pytest.approx(exact, abs=0.1)
    for name in ("one_bit.png", "black_lines.png", "white_lines.tif", "minus.tif"):
        report = summary_of(tmp_path / name)
        assert report.boundaries is not None
        assert report.boundaries.lines == ("white" if name == "white_lines.tif" else "black")
        assert (report.summary.structure, report.summary.count) == ("grains", whole.summary.count)
        assert grain_numbers(report) == grain_numbers(whole)
        assert (report.phases_path, report.phase_fractions) == (None, whole.phase_fractions)


def test_wide_lines_measure_as_the_grains_do(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:320, :448]
    whole = rows // 32 * 14 + columns // 32 + 1
    lines = ((rows + 2) % 32 < 5) | ((columns + 2) % 32 < 5)
    write_labels(tmp_path / "whole.tif", whole)
    write_labels(tmp_path / "lined.tif", np.where(lines, 0, whole))
    write_labels(tmp_path / "lines.png", np.where(lines, 0, 255))
    numbers = [grain_numbers(summary_of(tmp_path / name)) for name in ("whole.tif", "lined.tif", "lines.png")]
    assert numbers[1] == pytest.approx(numbers[0], abs=0.1)
    assert numbers[2] == pytest.approx(numbers[0], abs=0.1)


def test_a_mask_of_particles_is_no_drawing_of_boundaries(tmp_path: Path) -> None:
    Image.fromarray(objects() > 0).save(tmp_path / "particles.png")
    report = measure_labels(tmp_path / "particles.png")
    assert report.boundaries is not None
    assert (report.boundaries.lines, report.summary.structure, report.summary.count) == ("none", "objects", 8)
    assert "give --boundaries white" in report.boundaries.reason


def test_boundaries_as_a_person_states_them(tmp_path: Path) -> None:
    Image.fromarray(diamonds()).save(tmp_path / "lines.png")
    apart = measure_labels(tmp_path / "lines.png", boundaries="none")
    assert apart.summary.count == 1  # 8 neighbours go through a line along a diagonal
    assert measure_labels(tmp_path / "lines.png", content="instances").boundaries is None
    Image.fromarray(objects() > 0).save(tmp_path / "particles.png")
    forced = measure_labels(tmp_path / "particles.png", boundaries="black")
    assert (forced.summary.structure, forced.summary.count) == ("grains", 8)
    write_labels(tmp_path / "ids.png", objects())
    with pytest.raises(DatasetError, match=r"ids\.png: 9 different values; --boundaries black needs an image of two"):
        measure_labels(tmp_path / "ids.png", boundaries="black")


def test_palettes_and_whole_floats_are_label_images(tmp_path: Path) -> None:
    picture = Image.fromarray(classes(), mode="P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    picture.save(tmp_path / "voc.png")
    picture.save(tmp_path / "voc.tif")
    tifffile.imwrite(tmp_path / "float.tif", objects().astype(np.float32))
    for name in ("voc.png", "voc.tif"):
        report = measure_labels(tmp_path / name)
        assert (report.summary.count, sorted(report.phase_fractions)) == (8, [0, 1, 2])
    assert measure_labels(tmp_path / "float.tif").summary.count == 8


def test_regions_of_imagej_are_objects_of_their_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", objects(), imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    boxes = [(10, 20, 30, 60), (40, 20, 60, 60)]
    rois = [
        ImagejRoi(roitype=ROI_TYPE.RECT, top=top, left=left, bottom=bottom, right=right, name=f"{top}")
        for top, left, bottom, right in boxes
    ]
    roiwrite(tmp_path / "RoiSet.zip", rois)
    report = measure_labels(tmp_path / "RoiSet.zip", image=tmp_path / "a.tif")
    assert [row["area_px"] for row in report.objects] == [800.0, 800.0]
    assert report.summary.nm_per_px == 500.0
    with pytest.raises(DatasetError, match=r"RoiSet\.zip: .* no image size; give --image"):
        measure_labels(tmp_path / "RoiSet.zip")
    with pytest.raises(DatasetError, match=r"a\.tif: --image goes with"):
        measure_labels(tmp_path / "a.tif", image=tmp_path / "a.tif")


def test_a_dataset_folder_states_the_height_of_a_pixel(tmp_path: Path) -> None:
    sample = write_sample(tmp_path, "s", np.zeros(SHAPE, np.uint8), classes(), objects())
    write_info(tmp_path, DatasetInfo(nm_per_px=20.0, nm_per_px_y=32.0))
    report = measure_labels(sample.mask_path)
    assert (report.summary.nm_per_px, report.summary.nm_per_px_y) == (20.0, 32.0)
    assert report.objects[0]["area_um2"] == pytest.approx(144 * 0.02 * 0.032)
    assert sample.load().micrograph.calibration is None
    assert open_dataset(tmp_path).samples[0].load().micrograph.calibration == Calibration(20.0, 1.6)
    (tmp_path / "dataset.yaml").write_text("nm_per_px_y: 32.0")
    with pytest.raises(DatasetError, match="needs nm_per_px, its width"):
        measure_labels(sample.mask_path)
