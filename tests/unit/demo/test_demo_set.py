"""What a demo works on: generated or given micrographs, and the masks that are known."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from matcurate.demo import pictures as module
from matcurate.demo.pictures import generated_set, given_set, labelled_set
from matcurate.errors import DatasetError
from matcurate.imaging.dataset import DatasetInfo, write_info, write_sample
from matcurate.imaging.labels import read_labels
from tests.unit.loop_samples import disc, write_discs


def dataset(folder, *highest, classes=()):
    for index, value in enumerate(highest):
        mask = np.where(disc(40, 60 + index) > 100, value, 0).astype(np.uint8)
        write_sample(folder, f"m{index}", disc(40, 60 + index), mask)
    write_info(folder, DatasetInfo(classes=classes))
    return folder


@pytest.mark.parametrize(
    ("highest", "classes", "phases"),
    [
        ((1,), (), ("phase 1",)),
        ((0,), (), ("phase 1",)),
        ((1, 2), ("matrix", "gamma prime"), ("gamma prime", "phase 2")),
        ((1,), ("matrix", "gamma prime", "carbide"), ("gamma prime", "carbide")),
    ],
)
def test_phases_are_named_by_the_dataset(tmp_path, highest, classes, phases):
    assert labelled_set(dataset(tmp_path, *highest, classes=classes), "set").phases == phases


def test_masks_are_known_by_the_content_of_their_images(tmp_path):
    data = given_set(dataset(tmp_path, 1, 1))
    images = sorted((tmp_path / "images").iterdir())
    assert data.images == tmp_path / "images"
    assert data.name == f"{tmp_path.parent.name}-{tmp_path.name}"
    assert data.masks == {
        hashlib.sha256(path.read_bytes()).hexdigest(): tmp_path / "masks" / f"{path.stem}.png" for path in images
    }


@pytest.mark.parametrize(("count", "golden", "untouched"), [(5, [], []), (6, [5], [4]), (12, [9, 10, 11], [7, 8])])
def test_larger_sets_are_parted(tmp_path, count, golden, untouched):
    data = given_set(dataset(tmp_path, *[1] * count))
    images = sorted((tmp_path / "images").iterdir(), key=lambda path: int(path.stem[1:]))
    assert data.learned_from == count - len(golden) - len(untouched)
    if count < 11:  # m10 comes before m2 in the order of names
        assert data.golden == tuple(images[index] for index in golden)
        hashes = {hashlib.sha256(images[index].read_bytes()).hexdigest() for index in untouched}
        assert data.untouched == hashes
    assert (len(data.golden), len(data.untouched)) == (len(golden), len(untouched))


def test_a_folder_without_masks_is_one_phase_and_no_folder_is_told(tmp_path):
    write_discs(tmp_path / "plain", 1)
    data = given_set(tmp_path / "plain")
    assert (data.images, data.phases, dict(data.masks)) == (tmp_path / "plain", ("phase",), {})
    with pytest.raises(DatasetError, match="is no folder"):
        given_set(tmp_path / "none")


def test_an_image_without_rights_is_one_line(tmp_path, monkeypatch):
    folder = dataset(tmp_path, 1)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DatasetError, match=r"m0\.png: Permission denied"):
        labelled_set(folder, "set")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "GENERATED_SIZE", (48, 80))
    monkeypatch.setattr(module, "FIELDS", (1, 2))


def test_generated_fields_are_cut_from_one_micrograph(tmp_path, small):
    data = generated_set(tmp_path, 2, seed=0)
    assert data.phases == ("secondary", "tertiary") and len(data.masks) == 2
    name = "precipitates-0"
    for part in ("images", "masks"):
        sheet = read_labels(tmp_path / "sheets" / part / f"{name}-0000.png")
        fields = [read_labels(tmp_path / part / f"{name}-field-{index:04d}.png") for index in range(2)]
        assert sheet.shape == (48, 160)
        np.testing.assert_array_equal(np.hstack(fields), sheet)


def test_generated_fields_stay_and_more_may_follow(tmp_path, small, monkeypatch):
    first = generated_set(tmp_path, 1, seed=0)
    assert len(first.masks) == 1
    more = generated_set(tmp_path, 3, seed=0)
    assert len(more.masks) == 3 and first.masks.items() <= more.masks.items()
    assert len(list((tmp_path / "sheets" / "images").iterdir())) == 2
    monkeypatch.setattr(module, "synthesise", lambda *_, **__: pytest.fail("generated again"))
    assert generated_set(tmp_path, 3, seed=0) == more and generated_set(tmp_path, 2, seed=0) == more
