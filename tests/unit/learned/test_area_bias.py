"""Masks without probabilities follow area fractions: first where grey level and distance speak least against it."""

import numpy as np
import pytest

from matcurate.learned.area_bias import followed, pseudo_shares
from matcurate.phase.expert_ratio import ExpertRatio
from matcurate.segmentation.result import Segmentation


def slopes(shape=(60, 100)):
    """Two bright discs whose rims fade, cut at half their grey, and a third phase that nothing shows."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    grey = np.zeros(shape)
    for row, column in ((30, 25), (30, 75)):
        grey += 200 / (1 + np.exp(np.hypot(rows - row, columns - column) - 15))
    noise = np.random.default_rng(0).normal(0, 3, shape)
    phases = (grey > 100).astype(np.uint8)
    instances = np.where(phases, 1 + (columns >= 50), 0).astype(np.uint32)
    return (20 + grey + noise).clip(0, 255).astype(np.uint8), Segmentation(phases, instances, 0.5)


def test_its_own_phase_is_the_most_probable_one():
    grey, segmentation = slopes()
    shares = pseudo_shares(grey, segmentation.phases, 3)
    np.testing.assert_array_equal(shares.argmax(axis=0), segmentation.phases)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    assert not shares[2].any()


@pytest.mark.parametrize("area", [0.15, 0.3])
def test_discs_shrink_and_grow_at_their_rims(area):
    grey, segmentation = slopes()
    moved = followed(segmentation, grey, ExpertRatio.of_phases((area, None), "measured"), None)
    assert (moved.phases == 1).mean() == pytest.approx(area, abs=0.006) and moved.count == 2
    rows, columns = np.mgrid[:60, :100]
    distance = np.minimum(np.hypot(rows - 30, columns - 25), np.hypot(rows - 30, columns - 75))
    radius = np.sqrt(area * 6000 / 2 / np.pi)
    ideal = distance < radius
    assert 2 * (ideal & (moved.phases == 1)).sum() / (ideal.sum() + (moved.phases == 1).sum()) > 0.97
    assert set(np.unique(moved.instances[:, :50])) == {0, 1} and set(np.unique(moved.instances[:, 50:])) == {0, 2}


def test_a_phase_that_is_not_there_is_placed_nowhere_and_zero_means_absent():
    grey, segmentation = slopes()
    same = followed(segmentation, grey, ExpertRatio.of_phases((None, 0.4), "measured"), None)
    np.testing.assert_array_equal(same.phases, segmentation.phases)
    gone = followed(segmentation, grey, ExpertRatio.of_phases((0.0, None), "measured"), None)
    assert not gone.phases.any() and not gone.instances.any()


def test_pixels_that_do_not_count_are_not_looked_at():
    grey, segmentation = slopes()
    counted = np.zeros((60, 100), bool)
    counted[:, :50] = True
    moved = followed(segmentation, grey, ExpertRatio.of_phases((0.15,), "measured"), counted)
    assert (moved.phases[:, :50] == 1).mean() == pytest.approx(0.15, abs=0.006)
