from itertools import pairwise

import numpy as np
import pytest

from matcurate.phase.inference import phase_shares, segment_phases, starts
from matcurate.phase.ratios import no_ratio
from tests.unit.phase.phase_samples import small_model

GREY = np.random.default_rng(0).random((96, 160), dtype=np.float32)


@pytest.mark.parametrize(("side", "edge"), [(1, 64), (64, 64), (65, 64), (160, 64), (1000, 256)])
def test_windows_cover_the_side_and_overlap_by_a_quarter(side, edge):
    found = starts(side, edge)
    assert found[0] == 0 and found[-1] == max(0, side - edge)
    assert all(after - before <= edge * 3 / 4 + 1 for before, after in pairwise(found))


def test_windows_by_hand():
    assert starts(160, 64) == [0, 48, 96]
    assert starts(65, 64) == [0, 1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (31, 18), (96, 160)])
def test_shares_at_any_size_sum_to_one(shape):
    shares = phase_shares(small_model(), GREY[: shape[0], : shape[1]], np.array([0.2, 0.3, 0.5]), window=48)
    assert shares.shape == (3, *shape)
    assert shares.sum(axis=0) == pytest.approx(np.ones(shape), abs=1e-5)


def test_blended_windows_are_close_to_one_look_away_from_the_borders():
    model = small_model(plm=False)
    whole = phase_shares(model, GREY, no_ratio(3), window=256)
    parts = phase_shares(model, GREY, no_ratio(3), window=64)
    assert np.abs(parts - whole).mean() < 0.05  # the network sees further than a window is wide


def test_a_model_at_half_the_size_answers_at_the_whole():
    model = small_model()
    smooth = np.repeat(np.repeat(GREY[::2, ::2], 2, axis=0), 2, axis=1)
    ratio = np.array([0.2, 0.3, 0.5])
    half = phase_shares(model, smooth[::2, ::2].copy(), ratio)
    model.scale = 0.5
    shares = phase_shares(model, smooth, ratio)
    assert shares.shape == (3, 96, 160) and shares.sum(axis=0) == pytest.approx(np.ones((96, 160)), abs=1e-5)
    # The mean of four pixels that lie between the centres of the small ones is near theirs.
    assert np.abs(shares.reshape(3, 48, 2, 80, 2).mean(axis=(2, 4)) - half).mean() < 0.1


def test_brightness_and_contrast_of_a_micrograph_do_not_matter_to_the_builtin_network():
    model = small_model()
    first = segment_phases(model, GREY, no_ratio(3))
    assert (segment_phases(model, 0.25 + 0.5 * GREY, no_ratio(3)) == first).mean() > 0.999


def test_what_cannot_be_segmented_is_refused():
    model = small_model()
    for grey in (np.zeros((0, 4), np.float32), np.full((4, 4), np.nan, np.float32), np.zeros((2, 4, 4), np.float32)):
        with pytest.raises(ValueError, match="finite, non-empty"):
            phase_shares(model, grey, no_ratio(3))
    with pytest.raises(ValueError, match="3 values"):
        phase_shares(model, GREY, no_ratio(2))
