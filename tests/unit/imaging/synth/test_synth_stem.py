"""Layered pictures of several materials, and the ambiguous masks made for them."""

import numpy as np
import pytest

from matcurate.imaging.synth.stem import ambiguous_masks, stem_layers

SIZE = (96, 160)


@pytest.mark.parametrize("materials", [2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_material_occurs_and_the_layers_lie_on_each_other(materials: int, seed: int) -> None:
    drawn = stem_layers(SIZE, materials, np.random.default_rng(seed))
    assert set(np.unique(drawn.phases)) - {0} == set(range(1, materials + 1))
    assert len(drawn.classes) == materials + 1
    assert ((drawn.instances == 0) == (drawn.phases == 0)).all()
    assert np.mean(drawn.phases == 0) < 0.2
    for number in np.unique(drawn.instances[drawn.instances > 0]):
        assert len(np.unique(drawn.phases[drawn.instances == number])) == 1


def test_the_same_generator_draws_the_same_picture() -> None:
    one, other = (stem_layers(SIZE, 3, np.random.default_rng(7)) for _ in range(2))
    assert (one.pixels == other.pixels).all()
    assert (one.pixels != stem_layers(SIZE, 3, np.random.default_rng(8)).pixels).any()


def test_a_material_comes_back_in_some_pictures() -> None:
    repeated = 0
    for seed in range(6):
        drawn = stem_layers((48, 48), 3, np.random.default_rng(seed))
        middle = drawn.phases[:, 24][drawn.phases[:, 24] > 0].astype(int)
        repeated += np.count_nonzero(np.diff(middle)) > 2
    assert 0 < repeated < 6


@pytest.mark.parametrize("materials", [1, 5])
def test_other_numbers_are_refused(materials: int) -> None:
    with pytest.raises(ValueError, match=str(materials)):
        stem_layers(SIZE, materials, np.random.default_rng(0))


def test_ambiguous_masks_repeat_split_and_join_the_layers() -> None:
    layers = np.repeat(np.arange(1, 5, dtype=np.uint32), 24)[:, None].repeat(160, axis=1)
    masks = [m for seed in range(5) for m in ambiguous_masks(layers, np.random.default_rng(seed))]
    shares = np.array([m.area for m in masks]) / (24 * 160)
    assert np.count_nonzero(np.abs(shares - 1) < 0.1) > 10  # a layer
    assert np.count_nonzero((shares > 0.25) & (shares < 0.75)) > 5  # a half
    assert np.count_nonzero(np.abs(shares - 2) < 0.2) > 3  # a parent of two
    assert np.count_nonzero(shares < 0.05) > 20  # tiny
    assert min(m.area for m in masks) >= 16
    for mask in masks:
        assert mask.mask[0].any() and mask.mask[-1].any() and mask.mask[:, 0].any() and mask.mask[:, -1].any()
        assert mask.box[2] <= 96 and mask.box[3] <= 160
