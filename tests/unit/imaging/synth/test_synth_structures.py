"""What dendrites, lamellae, layers and pores promise; cracks by hand."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.measure import regionprops

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.cracks import STEP, THINNEST, Stroke, branched, crack, stroked
from matcurate.imaging.synth.nuisances import Nuisances
from matcurate.imaging.synth.registry import SyntheticMicrograph, generate
from matcurate.imaging.synth.scene import pieces


def canvas(height: int = 96, width: int = 160, seed: int = 0) -> Canvas:
    return Canvas.of((height, width), np.random.default_rng(seed))


def clean(kind: str, seed: int, size: tuple[int, int] = (160, 220)) -> SyntheticMicrograph:
    return generate(kind, size, np.random.default_rng(seed), Nuisances.none())


def test_pieces_of_different_labels_stay_apart_and_small_ones_go() -> None:
    labels = torch.tensor([[5, 5, 2, 2, 0], [5, 0, 2, 0, 5], [0, 0, 0, 5, 0]])
    assert pieces(labels, smallest=1).tolist() == [[1, 1, 2, 2, 0], [1, 0, 2, 0, 3], [0, 0, 0, 4, 0]]
    assert pieces(labels, smallest=2).tolist() == [[1, 1, 2, 2, 0], [1, 0, 2, 0, 0], [0, 0, 0, 0, 0]]


def test_a_straight_stroke_has_its_width_and_is_cut_by_the_border() -> None:
    columns = np.arange(30.0, 200.0, STEP)
    line = Stroke(np.stack([np.full_like(columns, 20.0), columns], axis=1), np.full(len(columns), 2.5))
    depth = stroked(canvas(), [line])
    assert (depth[:, 100] > 0).nonzero().flatten().tolist() == [18, 19, 20, 21, 22]
    assert float(depth[20, 100]) == pytest.approx(2.5, abs=STEP / 2)  # half a step from the next point
    assert float(depth[18, 100]) == pytest.approx(0.5, abs=STEP / 2)
    assert (depth[20, 30:] > 0).all() and not (depth[:, :27] > 0).any()
    assert float(depth[60, 60]) == -1
    assert (stroked(canvas(), []) == -1).all()


def test_cracks_run_where_they_are_sent_and_taper() -> None:
    for seed, angle in enumerate((0.0, math.pi / 2, 2.5)):
        place = canvas(seed=seed)
        stem = crack(place, (48.0, 80.0), angle, 60.0, 3.0)
        assert len(stem.points) == len(stem.halves) == 100
        np.testing.assert_allclose(np.linalg.norm(np.diff(stem.points, axis=0), axis=1), STEP)
        down, right = stem.points[-1] - (48.0, 80.0)
        assert abs(math.remainder(math.atan2(down, right) - angle, 2 * math.pi)) < 0.7
        assert stem.halves[-20:].mean() < 0.6 * stem.halves[:20].mean() and stem.halves.min() >= THINNEST
        strokes = branched(place, stem, 3)
        assert strokes[0] is stem and len(strokes) == 4
        for branch in strokes[1:]:
            assert np.linalg.norm(stem.points - branch.points[0], axis=1).min() <= STEP + 1e-6
            assert len(branch.points) < len(stem.points)
        assert int(pieces((stroked(place, strokes) > 0).long(), smallest=1).max()) == 1  # in one piece


def test_layers_span_the_picture_and_cracks_stay_in_the_oxide() -> None:
    complete = 0
    for seed in range(8):
        got = clean("layers", seed)
        layer = got.phases > 0
        spans = [layer.any(axis=axis).mean() for axis in (0, 1)]
        assert max(spans) == 1 and 0.06 < layer.mean() < 0.5
        cracks, oxide = got.phases == 2, got.phases == 1
        assert cracks.any() and cracks.sum() < 0.15 * oxide.sum()
        beside = ndimage.binary_dilation(cracks, iterations=2) & ~cracks
        assert oxide[beside].mean() > 0.5
        assert np.median(got.pixels[cracks]) < np.median(got.pixels[oxide]) - 20
        complete += len(np.unique(got.instances[oxide])) > 1
    assert complete >= 4  # a crack right through separates two pieces of oxide


def test_pores_are_dark_and_cracks_long_and_thin() -> None:
    cracked = 0
    for seed in range(10):
        got = clean("pores", seed)
        assert np.median(got.pixels[got.phases > 0]) < np.median(got.pixels[got.phases == 0]) - 50
        assert np.bincount(got.instances.ravel())[1:].min() >= 4
        lengths = [r for r in regionprops(got.instances * (got.phases == 2).astype(np.uint32)) if r.area > 60]
        cracked += bool(lengths)
        assert all(r.axis_major_length > 2.5 * r.area / r.axis_major_length for r in lengths)
    assert 2 <= cracked <= 9


def test_plates_are_thin_and_apart_and_follow_their_colony() -> None:
    shares = []
    for seed in range(6):
        got = clean("lamellae", seed, (200, 260))
        found = [r for r in regionprops(got.instances) if r.area > 30]
        thickness = [2 * ndimage.distance_transform_edt(np.pad(r.image, 1)).max() for r in found]
        assert np.median(thickness) < 13 and len(found) > 10
        ratio = np.median([r.axis_major_length / max(r.axis_minor_length, 1) for r in found])
        shares.append(float(ratio))
    assert np.median(shares) > 3


def test_dendrites_branch() -> None:
    hollow = []
    for seed in range(6):
        got = clean("dendrites", seed, (200, 260))
        largest = max(regionprops(got.instances), key=lambda region: region.area)
        hollow.append(largest.solidity)
        assert 0.1 < (got.phases == 1).mean() < 0.8
    assert np.median(hollow) < 0.8


def test_some_dendrites_are_seen_in_a_round_field_of_view() -> None:
    size = (160, 220)
    rows, columns = np.mgrid[: size[0], : size[1]]
    far = np.hypot(rows - 80, columns - 110) > 0.62 * 160
    tomograms = 0
    for seed in range(16):
        got = clean("dendrites", seed, size)
        blank = np.ptp(got.pixels[far]) <= 1
        tomograms += bool(blank)
        assert (got.phases[far] == 0).all() == blank
    assert 1 <= tomograms <= 8
