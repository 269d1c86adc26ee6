import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.measure import label

from matcurate.bench.segment import METHODS, SegmentBenchmark, bench_segment
from matcurate.config import Settings, load_settings
from matcurate.errors import ConfigError, CurateError, DatasetError
from matcurate.imaging.dataset import write_sample
from matcurate.imaging.labels import read_labels
from matcurate.imaging.synth.registry import generate
from matcurate.plain.label_files import load_labels
from matcurate.plain.measure import measure_labels
from matcurate.plain.segment import OutputNames, segment_files
from matcurate.segmentation.build import build_segmenter
from matcurate.types import Calibration

SHAPE = (96, 160)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", backbone="builtin")


def truth() -> np.ndarray:
    """Eight discs, at the centres of a 2 x 4 board."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows % 48 - 24, columns % 40 - 20) < 12


def micrograph(dark: bool = False) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 3, SHAPE)
    return (np.where(truth() != dark, 180.0, 70.0) + noise).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_writes_the_four_results_and_reports_them(tmp_path: Path, settings: Settings) -> None:
    path = save(tmp_path / "in" / "a.png", micrograph())
    report = segment_files([path], tmp_path / "out", settings=settings, calibration=Calibration(20.0))
    (image,) = report.images
    assert report.problems == ()
    assert report.version.startswith("matsam-builtin-phases-")
    assert (image.path, image.name, image.page, image.polarity, image.instances) == (str(path), "a", 0, "bright", 8)
    assert image.phase_fraction == pytest.approx(truth().mean(), abs=0.01)
    assert sum(image.phase_fractions.values()) == pytest.approx(1.0)
    assert image.nm_per_px == 20.0
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert written == {"a.instances.tif", "a.phases.png", "a.overlay.png", "a.objects.csv"}
    phases = read_labels(tmp_path / "out" / "a.phases.png")
    assert np.count_nonzero((phases > 0) != truth()) < 0.02 * truth().size
    with tifffile.TiffFile(tmp_path / "out" / "a.instances.tif") as file:
        assert file.asarray().dtype == np.uint16
    assert len(np.unique(read_labels(tmp_path / "out" / "a.instances.tif"))) == 9
    rows = list(csv.DictReader((tmp_path / "out" / "a.objects.csv").read_text().splitlines()))
    assert sorted((round(float(r["x_px"])), round(float(r["y_px"]))) for r in rows) == [
        (x, y) for x in (20, 60, 100, 140) for y in (24, 72)
    ]
    assert {r["phase"] for r in rows} == {"1"}
    assert float(rows[0]["area_um2"]) == pytest.approx(float(rows[0]["area_px"]) * 0.02**2, rel=1e-4)
    with Image.open(tmp_path / "out" / "a.overlay.png") as overlay:
        assert overlay.size == (160, 96)


def test_grains_come_with_their_boundaries(tmp_path: Path, settings: Settings) -> None:
    drawn = generate("grains", (160, 224), np.random.default_rng(3))
    path = save(tmp_path / "g.png", drawn.pixels)
    report = segment_files([path], tmp_path / "out", settings=settings, preset="grains")
    found = read_labels(tmp_path / "out" / "g.instances.tif")
    assert report.images[0].instances == len(np.unique(found)) > 10
    assert found.min() == 1  # grains fill the image
    network = read_labels(tmp_path / "out" / "g.boundaries.png") > 0
    assert label(~network, connectivity=1).max() >= 0.9 * found.max()  # it closes around each of them


def test_pages_and_equal_names_do_not_overwrite_each_other(tmp_path: Path, settings: Settings) -> None:
    stack = tmp_path / "in" / "stack.tif"
    save(tmp_path / "in" / "lab1" / "a.png", micrograph())
    save(tmp_path / "in" / "lab2" / "a.png", micrograph(dark=True))
    tifffile.imwrite(stack, np.stack([micrograph(), micrograph(dark=True)]), photometric="minisblack")
    report = segment_files([tmp_path / "in"], tmp_path / "out", settings=settings)
    assert {(i.name, i.page, i.polarity) for i in report.images} == {
        ("lab1_a", 0, "bright"),
        ("lab2_a", 0, "dark"),
        ("stack_p000", 0, "bright"),
        ("stack_p001", 1, "dark"),
    }
    assert len(list((tmp_path / "out").glob("*.objects.csv"))) == 4


def test_names_are_unique_whatever_the_inputs() -> None:
    files = [Path("x/a.png"), Path("x/A.tif"), Path("y/x/a.png"), Path("b.tif"), Path("b_p001.png")]
    names = OutputNames(files)
    claimed = [names.claim(path, None) for path in files[:3]]
    claimed += [names.claim(files[3], 0), names.claim(files[3], 1), names.claim(files[4], None)]
    assert claimed == ["x_a", "x_A-2", "x_a-3", "b_p000", "b_p001", "b_p001-2"]


def test_bad_files_are_one_line_each_and_the_rest_goes_on(tmp_path: Path, settings: Settings) -> None:
    good = save(tmp_path / "good.png", micrograph())
    whole = good.read_bytes()
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "note.png").write_text("not an image")
    tifffile.imwrite(tmp_path / "nan.tif", np.full(SHAPE, np.nan, dtype=np.float32))
    bad = [tmp_path / name for name in ("empty.png", "cut.png", "note.png", "nan.tif", "missing.png")]
    seen: list[tuple[int, int]] = []
    report = segment_files(
        [*bad, good],
        tmp_path / "out",
        settings=settings,
        progress=lambda done, total, note="": seen.append((done, total)),
    )
    assert [i.name for i in report.images] == ["good"]
    assert len(report.problems) == 5
    assert all("\n" not in problem for problem in report.problems)
    assert {Path(problem.split(":")[0]).name for problem in report.problems} == {path.name for path in bad}
    assert seen[-1] == (5, 5)  # the missing file is not among those opened


def test_polarity_can_be_told(tmp_path: Path, settings: Settings) -> None:
    path = save(tmp_path / "a.png", micrograph())
    report = segment_files([path], tmp_path / "out", settings=settings, polarity="dark")
    assert report.images[0].polarity == "dark"
    assert report.images[0].phase_fraction > 0.5


def test_an_output_folder_that_cannot_be(tmp_path: Path, settings: Settings) -> None:
    path = save(tmp_path / "a.png", micrograph())
    with pytest.raises(ConfigError, match="cannot be made"):
        segment_files([path], path / "out", settings=settings)
    (tmp_path / "out" / "a.objects.csv").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be written"):
        segment_files([path], tmp_path / "out", settings=settings)


def test_the_settings_name_preset_and_backbone(settings: Settings) -> None:
    assert build_segmenter(settings).version == build_segmenter(settings, "phases", "builtin").version
    assert build_segmenter(settings, "layers").preset.smallest == 256
    with pytest.raises(ConfigError, match="no preset"):
        build_segmenter(settings, "nonsense")
    with pytest.raises(ConfigError, match="no backbone"):
        build_segmenter(settings, backbone="nonsense")


def test_settings_of_an_earlier_version_name_a_backbone_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("backbone: tree\n")
    with pytest.raises(ConfigError, match=r"^the backbone 'tree' is gone; use 'builtin' instead$"):
        build_segmenter(load_settings(tmp_path))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name, dark in (("a", False), ("b", True)):
        write_sample(folder, name, micrograph(dark), truth().astype(np.uint8))
    return folder


@pytest.mark.parametrize("method", [method for method in METHODS if method != "amg"])
def test_bench_means_are_over_the_images(method: str, dataset: Path, settings: Settings) -> None:
    report = bench_segment(dataset, method, settings=settings)
    assert (report.dataset, report.method, report.images) == (str(dataset), method, 2)
    assert report.backbone == ("builtin" if method == "matsam" else None)
    assert [s.name for s in report.per_image] == ["a", "b"]
    assert [s.polarity for s in report.per_image] == ["bright", "dark"]
    for field in ("iou", "iou_foreground", "f1", "recall", "ari"):
        values = [getattr(s, field) for s in report.per_image]
        assert getattr(report, field) == pytest.approx(sum(values) / 2)
    assert report.seconds_per_image > 0
    if method in ("matsam", "otsu", "watershed"):
        assert report.iou > 0.95
        assert report.ari > 0.95


def test_bench_takes_the_side_it_is_told_not_the_masks(dataset: Path, settings: Settings) -> None:
    wrong = bench_segment(dataset, "otsu", settings=settings, polarity="bright")
    assert [s.polarity for s in wrong.per_image] == ["bright", "bright"]
    assert wrong.per_image[0].iou > 0.95
    assert wrong.per_image[1].iou < 0.05


def test_bench_compares_instances_when_there_are_some(dataset: Path, settings: Settings) -> None:
    halves = truth().astype(np.uint32)
    halves[48:] *= 2
    write_sample(dataset, "b", micrograph(), truth().astype(np.uint8), halves)
    plain, labelled = bench_segment(dataset, "otsu", settings=settings).per_image
    assert plain.ari > 0.95
    assert labelled.ari < plain.ari


BOUNDARIES = ("boundary_f1_2px", "boundary_recall_2px", "boundary_f1_3px", "boundary_recall_3px")


def test_boundaries_are_measured_where_there_are_instances(dataset: Path, settings: Settings) -> None:
    assert all(getattr(bench_segment(dataset, "otsu", settings=settings), name) is None for name in BOUNDARIES)
    halves = truth().astype(np.uint32)
    halves[:, 80:] *= 2
    write_sample(dataset, "b", micrograph(), truth().astype(np.uint8), halves)
    report = bench_segment(dataset, "otsu", settings=settings)
    plain, labelled = report.per_image
    assert all(getattr(plain, name) is None for name in BOUNDARIES)
    assert all(getattr(report, name) == getattr(labelled, name) > 0.95 for name in BOUNDARIES)


def test_post_processing_can_be_left_out_and_asked_for(tmp_path: Path, settings: Settings) -> None:
    # Two bright grains and, between them, a dark band of 10 columns without a grain.
    labels = np.ones(SHAPE, dtype=np.uint32)
    labels[:, 80:] = 2
    pixels = np.full(SHAPE, 180, dtype=np.uint8)
    pixels[:, 75:85] = 60
    write_sample(tmp_path / "grains", "a", pixels, np.ones(SHAPE, dtype=np.uint8), labels)

    def otsu(asked: bool | None) -> SegmentBenchmark:
        return bench_segment(tmp_path / "grains", "otsu", settings=settings, preset="grains", post_processing=asked)

    plain, without, filled = (otsu(asked) for asked in (None, False, True))
    assert (plain.post_processing, without.post_processing, filled.post_processing) == (None, False, True)
    assert plain.ari == without.ari < filled.ari and filled.ari > 0.95
    assert plain.boundary_f1_3px == 0.0  # both edges of the band lie 5 pixels off
    assert filled.boundary_f1_2px == filled.boundary_recall_2px == 1.0
    with pytest.raises(ConfigError, match="'phases' looks for phases; use a preset of grains"):
        bench_segment(tmp_path / "grains", "otsu", settings=settings, preset="phases", post_processing=True)
    matsam = {
        asked: bench_segment(tmp_path / "grains", "matsam", settings=settings, preset="phases", post_processing=asked)
        for asked in (None, True, False)
    }
    assert matsam[None].version == matsam[True].version != matsam[False].version


def test_bench_goes_on_after_a_bad_image(dataset: Path, settings: Settings) -> None:
    (dataset / "images" / "b.png").write_bytes(b"")
    report = bench_segment(dataset, "otsu", settings=settings)
    assert [s.name for s in report.per_image] == ["a"]
    assert len(report.problems) == 1
    (dataset / "images" / "a.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="no image could be measured"):
        bench_segment(dataset, "otsu", settings=settings)


def test_bench_refuses_an_unknown_method(dataset: Path, settings: Settings) -> None:
    with pytest.raises(CurateError, match="no segmentation method 'nonsense'"):
        bench_segment(dataset, "nonsense", settings=settings)


def test_amg_needs_a_backbone_of_sams_architecture(dataset: Path, settings: Settings) -> None:
    with pytest.raises(CurateError, match="does not run on 'builtin'; use --backbone vit_b, vit_l or vit_h"):
        bench_segment(dataset, "amg", settings=settings, backbone="builtin")


def test_opened_filters_carry_every_mask(dataset: Path, settings: Settings, tiny_vit_b: None) -> None:
    strict, opened = (
        bench_segment(dataset, "amg", settings=settings, backbone="vit_b", random_weights=True, open_filters=each)
        for each in (False, True)
    )
    assert [s.masks for s in strict.per_image] == [0, 0]  # random weights are sure of nothing
    assert all(s.masks and s.masks > 0 for s in opened.per_image)
    assert strict.version != opened.version and strict.version.startswith("amg-vit_b-")
    assert (strict.backbone, strict.preset, strict.method) == ("vit_b", "phases", "amg")
    matsam = bench_segment(dataset, "matsam", settings=settings, open_filters=True)
    assert matsam.version != bench_segment(dataset, "matsam", settings=settings).version
    assert bench_segment(dataset, "otsu", settings=settings).per_image[0].masks is None


@pytest.mark.parametrize("nm_per_px", [0.137, 20.0, 12_500.0])
def test_measure_reads_the_pixel_size_that_segment_wrote(nm_per_px: float, tmp_path: Path, settings: Settings) -> None:
    path = save(tmp_path / "a.png", micrograph())
    for folder, scale in (("one", Calibration(nm_per_px)), ("same", Calibration(nm_per_px)), ("none", None)):
        segment_files([path], tmp_path / folder, settings=settings, calibration=scale)
    stated, again, plain = (tmp_path / folder / "a.instances.tif" for folder in ("one", "same", "none"))
    assert stated.read_bytes() == again.read_bytes()
    assert load_labels(stated).calibration == load_labels(stated.with_name("a.phases.png")).calibration
    assert load_labels(stated).calibration == Calibration(nm_per_px)
    assert load_labels(plain).calibration is None
    first = measure_labels(stated).objects[0]
    assert first["area_um2"] == pytest.approx(float(first["area_px"]) * (nm_per_px / 1000) ** 2)
    assert np.array_equal(read_labels(stated), read_labels(plain))
    with tifffile.TiffFile(stated) as file:
        per_cm = [file.pages.first.tags[f"{axis}Resolution"].value for axis in "XY"]
    assert [top / bottom for top, bottom in per_cm] == pytest.approx([1e7 / nm_per_px] * 2, rel=1e-6)
