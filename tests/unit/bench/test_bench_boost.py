"""The booster on dataset folders and files, and the numbers it is for."""

from pathlib import Path

import numpy as np
import pytest

from matcurate.bench.boost import bench_boost, parse_materials, score_boost
from matcurate.config import load_settings
from matcurate.errors import ConfigError, DatasetError
from matcurate.imaging.dataset import DatasetInfo, write_info, write_sample
from matcurate.imaging.labels import read_labels
from matcurate.imaging.synth.stem import ambiguous_masks, stem_layers
from matcurate.plain.segment import segment_files
from matcurate.segmentation.boost.booster import Booster
from matcurate.types import Candidate

SHAPE = (96, 160)


def write_stripes(folder: Path, name: str = "stripes", lowest: int = 0) -> Path:
    """Three flat materials side by side, with ids from ``lowest`` on."""
    truth = np.repeat([0, 1, 2], [50, 60, 50])[None].repeat(SHAPE[0], axis=0)
    noise = np.random.default_rng(0).normal(0, 3, SHAPE)
    pixels = (np.array([40, 120, 210])[truth] + noise).astype(np.uint8)
    write_sample(folder, name, pixels, (truth + lowest).astype(np.uint8))
    return folder


def bench(folder: Path, materials="auto", **options):
    settings = load_settings(folder / "no-home")
    return bench_boost(folder, materials, settings=settings, backbone="builtin", **options)


def test_flat_materials_are_found_whole(tmp_path: Path) -> None:
    report = bench(write_stripes(tmp_path), 3)
    assert (report.backbone, report.preset, report.materials, report.images) == ("builtin", "layers", 3, 1)
    assert report.after.mIoU > 0.97
    assert report.after.mFPR < 0.01
    assert report.after.boundary_mIoU > 0.8
    assert report.gain.mIoU == pytest.approx(report.after.mIoU - report.before.mIoU)
    (image,) = report.per_image
    assert (image.name, image.labels, image.materials) == ("stripes", 3, 3)
    assert image.masks > 0


@pytest.mark.parametrize(
    ("lowest", "materials", "background", "labels"),
    [(0, 3, None, 3), (0, 2, None, 2), (1, 3, None, 3), (0, 3, False, 2), (0, 2, True, 3), (0, "known", None, 3)],
)
def test_class_0_is_a_material_unless_there_are_enough_others(
    tmp_path: Path, lowest: int, materials: int, background: bool | None, labels: int
) -> None:
    (image,) = bench(write_stripes(tmp_path, lowest=lowest), materials, background=background).per_image
    assert image.labels == labels


def test_named_classes_say_how_many_others_there_are(tmp_path: Path) -> None:
    write_info(write_stripes(tmp_path), DatasetInfo(classes=("gap", "a", "b", "c")))
    (image,) = bench(tmp_path, 3).per_image
    assert image.labels == 2


def test_known_tells_the_number_of_each_mask(tmp_path: Path) -> None:
    assert bench(write_stripes(tmp_path), "known").per_image[0].materials == 3


def test_bad_images_are_named_and_the_others_measured(tmp_path: Path) -> None:
    write_stripes(tmp_path)
    write_sample(tmp_path, "empty", np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8))
    report = bench(tmp_path, 3, background=False)
    assert report.images == 1
    assert "empty.png: only class 0" in report.problems[0]


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    write_sample(tmp_path, "empty", np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8))
    with pytest.raises(DatasetError, match="only class 0"):
        bench(tmp_path, 3, background=False)


def test_an_unknown_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="inclusions, layers"):
        bench(write_stripes(tmp_path), 3, preset="layer")


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("known", "known"), ("4", 4), ("255", 255)])
def test_numbers_of_materials(text: str, value: object) -> None:
    assert parse_materials(text) == value


@pytest.mark.parametrize("text", ["0", "256", "-1", "two", "2.5", ""])
def test_other_numbers_of_materials_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 255, auto or known"):
        parse_materials(text)


@pytest.mark.parametrize(("preset", "instances"), [("layers", 3), ("phases", 3), ("grains", None)])
def test_segment_with_a_booster_has_phases_by_material(tmp_path: Path, preset: str, instances: int | None) -> None:
    write_stripes(tmp_path)
    settings = load_settings(tmp_path / "no-home")
    image = tmp_path / "images" / "stripes.png"
    report = segment_files([image], tmp_path / "out", settings=settings, preset=preset, backbone="builtin", boost=3)
    assert report.version.endswith("-boost3")
    found = read_labels(tmp_path / "out" / "stripes.phases.png")
    assert np.mean(found == np.repeat([1, 2, 3], [50, 60, 50])[None]) > 0.97
    if instances:
        assert report.images[0].instances == instances
    else:  # grains stay MatSAM's own, whose boundaries lie beside them
        assert (tmp_path / "out" / "stripes.boundaries.png").is_file()


def test_ambiguous_masks_of_layered_pictures_gain_what_is_asked() -> None:
    """mIoU up by at least 12 points and mFPR down by at least 10; 30 pictures are in docs/benchmarks.md."""
    gains = []
    for seed in range(3):
        materials = 2 + seed
        drawn = stem_layers((192, 256), materials, np.random.default_rng(seed))
        raw = ambiguous_masks(drawn.instances, np.random.default_rng(100 + seed))
        labels = [drawn.phases == number for number in range(1, materials + 1)]
        found = Booster().boost(drawn.pixels, raw, materials, rng=np.random.default_rng(0))
        before, after = score_boost(raw, labels), score_boost([_whole(mask) for mask in found.masks], labels)
        gains.append((after.mIoU - before.mIoU, after.mFPR - before.mFPR))
    miou, mfpr = np.mean(gains, axis=0)
    assert miou > 0.3
    assert mfpr < -0.1


def _whole(mask: np.ndarray) -> Candidate:
    return Candidate(0, 0, np.ascontiguousarray(mask), 1.0)
