"""Dataset folders: written, listed, loaded, and refused when they do not hold together."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from matcurate.errors import DatasetError, UnreadableImageError
from matcurate.imaging.dataset import DatasetInfo, open_dataset, write_info, write_sample
from matcurate.types import Calibration

PIXELS = np.add.outer(np.arange(96), np.arange(160)).astype(np.uint8)
PHASES = (PIXELS > 100).astype(np.uint8)
INSTANCES = PHASES.astype(np.uint32) * 70_000
INFO = DatasetInfo(classes=("matrix", "γ'"), nm_per_px=12.5, licence="CC0-1.0", source="tests")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_info(tmp_path, INFO)
    write_sample(tmp_path, "b", PIXELS, PHASES, INSTANCES)
    write_sample(tmp_path, "a.1", PIXELS.astype(np.uint16) * 9, PHASES)
    return tmp_path


def test_what_is_written_is_read(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert dataset.info == INFO and len(dataset) == 2
    first, second = dataset
    assert (first.name, second.name, first.instances_path) == ("a.1", "b", None)
    loaded = second.load()
    np.testing.assert_array_equal(loaded.micrograph.pixels, PIXELS)
    np.testing.assert_array_equal(loaded.phases, PHASES)
    assert loaded.instances is not None
    np.testing.assert_array_equal(loaded.instances, INSTANCES)
    assert loaded.micrograph.calibration == Calibration(12.5)
    deep = first.load()
    assert deep.micrograph.pixels.dtype == np.uint16 and deep.instances is None


def test_the_first_samples(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert [sample.name for sample in dataset.first(1)] == ["a.1"]
    assert dataset.first(5) == dataset.first(None) == dataset


def test_the_image_files_own_calibration_wins(folder: Path) -> None:
    (folder / "images" / "b.png").unlink()
    options = {"imagej": True, "resolution": (0.5, 0.5), "metadata": {"unit": "nm"}}
    tifffile.imwrite(folder / "images" / "b.tif", PIXELS, **options)
    assert list(open_dataset(folder))[1].load().micrograph.calibration == Calibration(2.0)


def test_writing_again_replaces_every_file_of_that_name(folder: Path) -> None:
    write_sample(folder, "b", PIXELS.astype(np.float32), PHASES)
    sample = list(open_dataset(folder))[1]
    assert sample.image_path.name == "b.tif" and sample.instances_path is None
    assert sample.load().micrograph.pixels.dtype == np.float32
    assert sorted(path.name for path in (folder / "images").iterdir()) == ["a.1.png", "b.tif"]


def test_without_metadata_there_are_defaults(folder: Path) -> None:
    (folder / "dataset.yaml").unlink()
    dataset = open_dataset(folder)
    assert dataset.info == DatasetInfo()
    assert next(iter(dataset)).load().micrograph.calibration is None


def test_instances_may_be_png(folder: Path) -> None:
    (folder / "instances" / "a.1.png").write_bytes((folder / "masks" / "a.1.png").read_bytes())
    loaded = next(iter(open_dataset(folder))).load()
    assert loaded.instances is not None and loaded.instances.max() == 1


def test_a_missing_mask_names_the_image(folder: Path) -> None:
    (folder / "masks" / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"images/b\.png: no mask .*masks/b\.png"):
        open_dataset(folder)


def test_other_files_are_not_images(folder: Path) -> None:
    for name in ("notes.txt", ".DS_Store.png"):
        (folder / "images" / name).touch()
    assert [sample.name for sample in open_dataset(folder)] == ["a.1", "b"]


def test_two_images_for_one_mask_are_refused(folder: Path) -> None:
    (folder / "images" / "b.tif").touch()
    with pytest.raises(DatasetError, match=r"b\.png and b\.tif share one mask"):
        open_dataset(folder)


def test_no_dataset_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no 'images' folder"):
        open_dataset(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match="no images"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("part", ["masks", "instances"])
def test_sizes_must_agree(folder: Path, part: str) -> None:
    other = write_sample(folder / "other", "b", PIXELS.T, PHASES.T, INSTANCES.T)
    source = {"masks": other.mask_path, "instances": other.instances_path}[part]
    assert source is not None
    (folder / part / source.name).write_bytes(source.read_bytes())
    with pytest.raises(DatasetError, match=rf"{part}/b.*96 x 160 pixels, but its image has 160 x 96"):
        list(open_dataset(folder))[1].load()


def test_sizes_must_agree_when_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="b: labels"):
        write_sample(tmp_path, "b", PIXELS, PHASES.T)
    assert not (tmp_path / "images").exists()


def test_a_class_without_a_name_is_refused(folder: Path) -> None:
    write_sample(folder, "b", PIXELS, PHASES * 2)
    with pytest.raises(DatasetError, match=r"class id 2, but dataset\.yaml names 2 classes"):
        list(open_dataset(folder))[1].load()


def test_an_unreadable_image_says_so(folder: Path) -> None:
    (folder / "images" / "b.png").write_bytes(b"")
    with pytest.raises(UnreadableImageError, match="empty"):
        list(open_dataset(folder))[1].load()
    with pytest.raises(UnreadableImageError, match="megapixels"):
        next(iter(open_dataset(folder))).load(max_megapixels=0.01)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clases: [a]\n", "clases"),
        ("nm_per_px: -3\n", "nm_per_px"),
        ("nm_per_px: .inf\n", "nm_per_px"),
        ("classes: [a\n", "not valid YAML"),
        ("- a\n- b\n", "dataset.yaml"),
    ],
)
def test_malformed_metadata_is_refused(folder: Path, text: str, says: str) -> None:
    (folder / "dataset.yaml").write_text(text)
    with pytest.raises(DatasetError, match=says) as caught:
        open_dataset(folder)
    assert "dataset.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_unnamed_fields_are_not_written(tmp_path: Path) -> None:
    write_info(tmp_path, DatasetInfo(classes=("a",)))
    assert (tmp_path / "dataset.yaml").read_text() == "classes:\n- a\n"
