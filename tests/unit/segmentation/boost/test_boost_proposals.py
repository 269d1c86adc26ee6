import numpy as np

from matcurate.promptable.tree import TreeBackbone
from matcurate.segmentation.boost.proposals import propose
from matcurate.segmentation.boost.removal import shared_areas

SHAPE = (96, 160)


def test_both_grey_sides_are_proposed_and_no_mask_twice() -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    bright, dark = np.hypot(rows - 48, columns - 40) < 25, np.hypot(rows - 48, columns - 115) < 25
    noise = np.random.default_rng(0).normal(0, 2, SHAPE)
    pixels = (120 + 70 * bright - 70 * dark + noise).astype(np.uint8)
    masks = propose(TreeBackbone(), pixels)
    for wanted in (bright, dark):
        best = max(np.sum(m.paint(SHAPE) & wanted) / np.sum(m.paint(SHAPE) | wanted) for m in masks)
        assert best > 0.95
    areas = np.array([m.area for m in masks])
    shared = shared_areas(masks)
    overlap = shared / (areas[:, None] + areas - shared)
    assert np.triu(overlap, k=1).max() <= 0.7
