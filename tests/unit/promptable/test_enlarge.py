"""Enlarging only where a region can be gives what enlarging everything gives."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from matcurate.promptable.enlarge import Axis, Enlargement

CPU = torch.device("cpu")


def enlargement(shape, logits=16, padded=64, threshold=0.0):
    longest = max(shape)
    used = [round(side * padded / longest) for side in shape]
    rows, columns = (Axis(logits, padded, taken, side, CPU) for taken, side in zip(used, shape, strict=True))
    return Enlargement(rows, columns, threshold), used


def whole(logit, used, shape, padded=64):
    """SAM's own post-processing of one mask: enlarge, cut the padding, resize."""
    large = functional.interpolate(logit[None, None], (padded, padded), mode="bilinear", align_corners=False)
    cut = large[..., : used[0], : used[1]]
    return functional.interpolate(cut, shape, mode="bilinear", align_corners=False)[0, 0].numpy()


@pytest.mark.parametrize("shape", [(96, 160), (160, 96), (30, 41), (64, 64), (1, 7)])
def test_every_candidate_is_the_mask_of_the_whole_image(shape):
    generator = torch.Generator().manual_seed(sum(shape))
    smooth = functional.interpolate(torch.randn(1, 20, 5, 5, generator=generator) - 0.7, 16, mode="bicubic")[0]
    made, used = enlargement(shape)
    result = made.candidates(smooth, np.linspace(0, 1, 20))
    expected = {}
    for logit, quality in zip(smooth, np.linspace(0, 1, 20), strict=True):
        values = whole(logit, used, shape)
        if (values > 0).any():
            expected[float(quality)] = values
    assert {candidate.quality for candidate in result} == set(expected)
    for candidate in result:
        values = expected[candidate.quality]
        differs = candidate.paint(shape) != (values > 0)
        assert not differs[np.abs(values) > 1e-5].any()
    areas = [candidate.area for candidate in result]
    assert areas == sorted(areas)


def test_a_region_in_the_padding_or_nowhere_is_left_out():
    made, _ = enlargement((96, 160))  # the image takes 38 of 64 rows: logits from row 10 on are padding
    nowhere = torch.full((16, 16), -1.0)
    padding = nowhere.clone()
    padding[13:, :] = 50.0
    drowned = torch.full((16, 16), -1000.0)
    drowned[3, 3] = 1e-3  # positive as a logit, but the nearest pixels lie between it and its neighbours
    assert made.candidates(torch.stack([nowhere, padding, drowned]), np.ones(3)) == ()


def test_two_logits_make_a_ramp():
    # 2 logits, no padding, 8 pixels: centres of the logits at 1.5 and 5.5, linear between, constant outside.
    axis = Axis(2, 8, 8, 8, CPU)
    second = [0, 0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 1, 1]
    assert axis.weights[:, 1].tolist() == second
    assert axis.weights.sum(dim=1).tolist() == [1.0] * 8
    assert axis.reach((1, 2)) == (2, 8) and axis.reach((0, 1)) == (0, 6)
    assert axis.support((0, 2)) == (0, 1) and axis.support((2, 3)) == (0, 2)


def test_the_threshold_is_where_the_region_ends():
    axes = Axis(2, 8, 8, 8, CPU), Axis(2, 8, 8, 8, CPU)
    (candidate,) = Enlargement(*axes, threshold=0.5).candidates(
        torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), np.array([0.25])
    )
    assert candidate.box == (0, 4, 8, 8) and candidate.area == 32 and candidate.quality == 0.25
