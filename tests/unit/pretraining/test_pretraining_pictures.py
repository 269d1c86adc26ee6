"""Pictures to learn from."""

from pathlib import Path

import numpy as np
import pytest

from matcurate.imaging.dataset import write_sample
from matcurate.pretraining.pictures import UNKNOWN, Folder, Mixture, Picture, Pool, outline, relative_depth
from tests.unit.pretraining.pretraining_samples import Written, discs


def test_the_outline_lies_on_both_sides() -> None:
    objects = np.zeros((5, 8), dtype=np.int32)
    objects[1:4, 1:4], objects[1:4, 4:7] = 3, 9
    expected = np.array(
        [
            [0, 1, 1, 1, 1, 1, 1, 0],
            [1, 1, 1, 1, 1, 1, 1, 1],
            [1, 1, 0, 1, 1, 0, 1, 1],
            [1, 1, 1, 1, 1, 1, 1, 1],
            [0, 1, 1, 1, 1, 1, 1, 0],
        ],
        dtype=bool,
    )
    np.testing.assert_array_equal(outline(objects), expected)
    assert not outline(np.full((3, 4), 7, dtype=np.int32)).any()


def test_depth_is_relative_to_the_middle_of_each_object() -> None:
    objects = np.zeros((9, 14), dtype=np.int32)
    objects[2:7, 1:6], objects[2:7, 6:9] = 5, 2  # 5 x 5 and, touching it, 5 x 3
    depth = relative_depth(objects)
    assert depth.dtype == np.float16
    # Distances to the nearest pixel of an outline, and half a pixel: 0.5, 1.5, 2.5 and 0.5, 1.5.
    assert depth[2:7, 1:6].tolist() == pytest.approx(
        np.array([[0.2] * 5, [0.2, 0.6, 0.6, 0.6, 0.2], [0.2, 0.6, 1, 0.6, 0.2], [0.2, 0.6, 0.6, 0.6, 0.2], [0.2] * 5]),
        abs=1e-3,
    )
    assert depth[4, 6:9] == pytest.approx([1 / 3, 1, 1 / 3], abs=1e-3)
    assert not depth[objects == 0].any()


def test_depth_of_an_object_that_fills_the_picture() -> None:
    assert (relative_depth(np.full((4, 7), 3, dtype=np.int32)) == 1).all()
    assert not relative_depth(np.zeros((4, 7), dtype=np.int32)).any()


def test_a_picture_is_stretched_and_its_objects_are_numbered() -> None:
    phases = np.array([[1, 1, 2, 0, 1]], dtype=np.uint8)
    pixels = np.array([[10, 15, 20, 10, 10]], dtype=np.uint16)
    picture = Picture.of(pixels, phases, None, "mine")
    assert picture.grey.tolist() == [[0, 128, 255, 0, 0]] and picture.grey.dtype == np.uint8
    assert picture.objects.tolist() == [[1, 1, 2, 0, 3]]
    assert picture.foreground.tolist() == [[1, 1, 1, 0, 1]] and picture.source == "mine"
    labelled = Picture.of(pixels, phases, np.array([[4, 4, 4, 0, 0]], dtype=np.uint32), "mine", known=False)
    assert labelled.objects.tolist() == [[4, 4, 4, 0, 0]]
    assert (labelled.foreground == UNKNOWN).all()
    assert not Picture.of(np.full((1, 5), 9, dtype=np.uint8), phases, None, "flat").grey.any()


def same(one: Picture, other: Picture) -> bool:
    return np.array_equal(one.grey, other.grey) and np.array_equal(one.objects, other.objects)


def test_a_pool_makes_each_picture_once_and_always_the_same(tmp_path: Path) -> None:
    pool = Pool("particles", 96, 3, 5, tmp_path / "pool", known=True)
    first = pool.picture(1)
    (path,) = (tmp_path / "pool").iterdir()
    assert path.name == "particles-96-5-1.npz"
    assert first.grey.shape == (96, 96) and first.source == "particles" and set(np.unique(first.foreground)) == {0, 1}
    written = path.stat().st_mtime_ns
    assert same(pool.picture(1), first) and path.stat().st_mtime_ns == written
    path.unlink()
    assert same(pool.picture(1), first)
    assert not same(pool.picture(2), first)
    assert not same(Pool("particles", 96, 3, 6, tmp_path, known=True).picture(1), first)
    assert (Pool("particles", 96, 3, 5, tmp_path / "pool", known=False).picture(1).foreground == UNKNOWN).all()


def test_a_pool_draws_from_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(Pool, "picture", lambda self, number: drawn.append(number))
    rng = np.random.default_rng(0)
    for _ in range(60):
        Pool("particles", 96, 3, 5, tmp_path, known=True).draw(rng)
    assert set(drawn) == {0, 1, 2}


def test_a_folder_is_named_by_its_last_two_parts(tmp_path: Path) -> None:
    folder, picture = tmp_path / "lab" / "train", discs()
    for name in ("a", "b"):
        write_sample(folder, name, picture.grey, (picture.objects > 0).astype(np.uint8))
    read = Folder(folder, ())
    assert read.name == "lab/train" and len(read.pictures) == 2
    assert (read.pictures[0].foreground == (picture.objects > 0)).all()
    assert read.pictures[0].source == "lab/train"
    assert (Folder(folder, ("lab/train",)).pictures[0].foreground == UNKNOWN).all()


def drawn(mixture: Mixture, count: int = 3000) -> dict[str, float]:
    rng = np.random.default_rng(0)
    names = [mixture.draw(rng).source for _ in range(count)]
    return {name: names.count(name) / count for name in mixture.names}


def source(name: str) -> Written:
    tiny = np.zeros((1, 1), dtype=np.uint8)
    picture = Picture.of(tiny, tiny, None, name)
    return Written(name, lambda: picture)


def test_a_mixture_draws_by_its_shares() -> None:
    real, pools = [source("a/train"), source("b/train")], [source("grains"), source("film")]
    shares = {"a/train": 3.0, "film": 0.5, "nobody": 9.0}
    mixture = Mixture(real, pools, shares, 0.4)  # type: ignore[arg-type]
    assert mixture.names == ("a/train", "b/train", "grains", "film")
    wanted = {"a/train": 0.3, "b/train": 0.1, "grains": 0.4, "film": 0.2}
    assert drawn(mixture) == pytest.approx(wanted, abs=0.03)


def test_a_mixture_of_one_sort_draws_from_that_alone() -> None:
    only = [source("a/train")]
    for mixture in (Mixture(only, [], {}, 0.2), Mixture([], only, {}, 0.9)):  # type: ignore[arg-type]
        assert drawn(mixture, 5) == {"a/train": 1.0}
    with pytest.raises(ValueError, match="at least one folder or generated kind"):
        Mixture([], [], {}, 0.5)
