"""One contract for every kind of microstructure, then what each kind promises."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from matcurate.errors import ConfigError
from matcurate.imaging.synth.nuisances import Nuisances
from matcurate.imaging.synth.registry import KINDS, SyntheticMicrograph, generate

SIZE = (96, 160)
every_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(kind: str, seed: int = 0, **options: object) -> SyntheticMicrograph:
    return generate(kind, options.pop("size", SIZE), np.random.default_rng(seed), **options)  # type: ignore[arg-type]


def touching(instances: np.ndarray) -> bool:
    """Whether two different instances have neighbouring pixels."""
    ids = instances.astype(np.int64)
    pairs = ((ids[1:], ids[:-1]), (ids[:, 1:], ids[:, :-1]))
    return any(((a != b) & (a > 0) & (b > 0)).any() for a, b in pairs)


@every_kind
@pytest.mark.parametrize("seed", range(4))
def test_masks_and_instances_hold_together(kind: str, seed: int) -> None:
    got = drawn(kind, seed)
    assert got.pixels.shape == got.phases.shape == got.instances.shape == SIZE
    assert (got.pixels.dtype, got.phases.dtype, got.instances.dtype) == (np.uint8, np.uint8, np.uint32)
    np.testing.assert_array_equal(got.instances > 0, got.phases > 0)
    present = np.unique(got.instances[got.instances > 0])
    np.testing.assert_array_equal(present, np.arange(1, len(present) + 1))
    low = ndimage.minimum(got.phases, got.instances, present)
    np.testing.assert_array_equal(low, ndimage.maximum(got.phases, got.instances, present))
    assert len(present) >= 2 and got.phases.max() < len(got.classes)
    assert got.calibration.nm_per_px == KINDS[kind].nm_per_px and got.classes == KINDS[kind].classes


@every_kind
def test_every_instance_is_one_piece(kind: str) -> None:
    instances = drawn(kind, 1).instances
    boxes = ndimage.find_objects(instances.astype(np.int32))
    pieces = [ndimage.label(instances[box] == index)[1] for index, box in enumerate(boxes, 1)]
    broken = sum(count > 1 for count in pieces)
    assert broken == 0 if kind != "grains" else broken <= 0.02 * len(pieces)  # cut by the border and come back


@every_kind
def test_the_seed_decides(kind: str) -> None:
    first, again, other = drawn(kind, 3), drawn(kind, 3), drawn(kind, 4)
    for name in ("pixels", "phases", "instances"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.pixels != other.pixels).mean() > 0.5
    assert (first.instances != other.instances).any()


@every_kind
def test_sixteen_bits_are_the_same_picture_more_finely(kind: str) -> None:
    coarse, fine = drawn(kind, 5), drawn(kind, 5, bits=16)
    assert fine.pixels.dtype == np.uint16
    assert np.abs(fine.pixels / 257 - coarse.pixels).max() <= 0.51
    assert len(np.unique(fine.pixels)) > 2 * len(np.unique(coarse.pixels))


@every_kind
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_draws_exact_masks_too(kind: str) -> None:
    every = Nuisances(charging=1, curtaining=1, stitching=1, data_bar=1)
    first, again = (drawn(kind, 3, device="cuda", options=every) for _ in range(2))
    np.testing.assert_array_equal(first.instances, again.instances)
    np.testing.assert_array_equal(first.instances > 0, first.phases > 0)
    assert first.instances.max() >= 2 and first.pixels.std() > 3


@every_kind
@pytest.mark.parametrize("size", [(16, 23), (70, 300)])
def test_small_and_long_pictures(kind: str, size: tuple[int, int]) -> None:
    got = drawn(kind, 2, size=size)
    assert got.pixels.shape == size and got.pixels.std() > 0


@every_kind
def test_phases_can_be_seen(kind: str) -> None:
    """Without disturbances, neighbouring classes differ in grey level, in most pictures clearly."""
    contrasts = []
    for seed in range(5):
        got = drawn(kind, seed, size=(160, 200), options=Nuisances.none())
        if kind in ("grains", "etched"):
            contrasts.append(float(got.pixels.std()))
        else:
            first = got.pixels[got.phases == 1].astype(float)
            matrix = got.pixels[got.phases == 0].astype(float)
            contrasts.append(abs(first.mean() - matrix.mean()))
    assert min(contrasts) > 3 and np.median(contrasts) > 10


def test_grains_tile_the_picture_and_have_class_one() -> None:
    got = drawn("grains", 7)
    assert (got.phases == 1).all() and (got.instances > 0).all()


@pytest.mark.parametrize("kind", ["precipitates", "particles"])
def test_objects_never_touch(kind: str) -> None:
    for seed in range(6):
        assert not touching(drawn(kind, seed, size=(160, 200)).instances)


def test_tertiary_precipitates_are_smaller_and_away_from_secondary_ones() -> None:
    found = 0
    for seed in range(6):
        got = drawn("precipitates", seed, size=(256, 300))
        if not (got.phases == 2).any():
            continue
        found += 1
        areas = np.bincount(got.instances.ravel())
        secondary = np.unique(got.instances[got.phases == 1])
        tertiary = np.unique(got.instances[got.phases == 2])
        assert np.median(areas[tertiary]) < 0.2 * np.median(areas[secondary])
        assert not (ndimage.binary_dilation(got.phases == 1, np.ones((3, 3)), 2) & (got.phases == 2)).any()
    assert found >= 4


def test_particle_sizes_spread() -> None:
    areas = np.bincount(drawn("particles", 0, size=(256, 300)).instances.ravel())[1:]
    assert len(areas) > 30 and areas.max() > 4 * np.median(areas)


def test_all_three_morphologies_and_a_third_phase_occur() -> None:
    classes = [drawn("phases", seed, size=(128, 160)).phases.max() for seed in range(8)]
    assert {1, 2} == set(classes)


def test_unknown_kinds_and_tiny_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="'foam'; use one of: grains, etched, phases, precipitates, particles"):
        drawn("foam")
    with pytest.raises(ValueError, match="at least 16"):
        drawn("grains", size=(15, 40))
