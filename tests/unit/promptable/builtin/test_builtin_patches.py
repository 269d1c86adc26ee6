"""Patches and seams: sums worked out by hand, and the same sums whichever way patches came together."""

import math

import numpy as np
import pytest
from skimage.feature import peak_local_max

from matcurate.promptable.builtin import patches as p
from matcurate.promptable.builtin.edges import Between
from matcurate.promptable.builtin.patches import Patches, lowest, patches_of, summed

SHAPE = (4, 10)


def between(right: float, below: float = 0.0, shape: tuple[int, int] = SHAPE) -> Between:
    height, width = shape
    return Between(np.full((height, width - 1), right), np.full((height - 1, width), below))


def halves() -> Patches:
    """Columns 0 to 3 of grey -1, columns 4 to 9 of grey 2; every pair beside each other parted by .5."""
    labels = np.zeros(SHAPE, dtype=np.int64)
    labels[:, 4:] = 1
    return summed(labels, between(0.5), np.where(labels, 2.0, -1.0))


def test_sums_of_two_halves() -> None:
    found = halves()
    assert found.areas.tolist() == [16, 24]
    assert found.sums[:, p.GREY].tolist() == [-16, 48] and found.sums[:, p.GREY2].tolist() == [16, 96]
    assert found.sums[:, p.FRAME].tolist() == [4 + 4 + 4, 4 + 6 + 6]
    assert (found.sums[:, p.PLACE] / found.areas).tolist() == [1.5, 1.5]
    assert (found.sums[:, p.PLACE + 1] / found.areas).tolist() == [1.5, 6.5]
    assert found.ends.tolist() == [[0, 1]]
    (seam,) = found.seams
    assert seam[p.PAIRS] == 4 and seam[p.PARTED] == 2 and seam[p.CLOSED] == 4
    assert seam[p.LOGARITHM] == pytest.approx(4 * np.log(0.52))
    assert seam[p.ROW] / 4 == 1.5 and seam[p.COLUMN] / 4 == 3.5
    # Half a pixel from a step of 3 a Gaussian of 1 shows erf(.5 / sqrt 2) of it.
    assert seam[p.STEP] / 4 == pytest.approx(3 * math.erf(0.5 / math.sqrt(2)), rel=0.05)


def test_steps_change_their_sign_with_the_order_of_the_patches() -> None:
    found = halves()
    turned = summed(1 - found.labels, between(0.5), np.where(found.labels, 2.0, -1.0))
    np.testing.assert_allclose(turned.seams[0, p.STEP :], -found.seams[0, p.STEP :])
    np.testing.assert_allclose(turned.seams[0, : p.STEP], found.seams[0, : p.STEP])


def test_joined_patches_have_the_sums_of_their_pixels() -> None:
    rng = np.random.default_rng(4)
    shape = (24, 40)
    labels = (np.arange(24)[:, None] // 6 * 5 + np.arange(40) // 8).astype(np.int64)
    parted = Between(rng.random((24, 39)), rng.random((23, 40)))
    grey = rng.normal(0, 1, shape)
    together = rng.permutation(np.concatenate([np.arange(7), rng.integers(0, 7, 13)]))
    joined = summed(labels, parted, grey).joined(together)
    anew = summed(together[labels], parted, grey)
    np.testing.assert_array_equal(joined.map(), together[labels])
    np.testing.assert_array_equal(joined.ends, anew.ends)
    np.testing.assert_allclose(joined.sums, anew.sums, atol=1e-9)
    np.testing.assert_allclose(joined.seams, anew.seams, atol=1e-9)


def test_patches_follow_boundaries_that_only_the_network_or_only_the_image_shows() -> None:
    shape = (32, 60)
    parted = between(0.0, shape=shape)
    parted.right[:, 19] = 1  # learned; the image shows nothing
    grey = np.zeros(shape)
    grey[:, 40:] = 1  # shown; the network says nothing
    found = patches_of(parted, grey - grey.mean()).map()
    assert found.min() == 0 and found.max() >= 2
    for column in (20, 40):
        left, right = set(found[:, column - 2].tolist()), set(found[:, column + 1].tolist())
        assert not left & right


@pytest.mark.parametrize("shape", [(1, 7), (5, 1), (2, 2)])
def test_narrow_images_are_one_patch_or_more(shape: tuple[int, int]) -> None:
    height, width = shape
    nothing = Between(np.zeros((height, width - 1)), np.zeros((height - 1, width)))
    found = patches_of(nothing, np.zeros(shape))
    assert found.areas.sum() == height * width and found.map().shape == shape


@pytest.mark.parametrize("levels", [10_000_000, 9])
def test_thelowest_places_are_those_of_peak_local_max(levels: int) -> None:
    rng = np.random.default_rng(4)
    strength = rng.integers(0, levels, (31, 44)).astype(np.float64)  # nine levels: many equal neighbours
    expected = peak_local_max(-strength, min_distance=3, exclude_border=False)
    assert np.array_equal(lowest(strength), expected)
