"""Disturbances of some pictures only: what they do to the picture, and that the masks stay exact."""

from itertools import groupby

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import ndimage

from matcurate.imaging.synth.assembly import stitched, with_data_bar
from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.nuisances import Nuisances, charged, curtains
from matcurate.imaging.synth.registry import SyntheticMicrograph, generate
from matcurate.imaging.synth.scene import Scene

SIZE = (96, 160)


def canvas(seed: int = 0, size: tuple[int, int] = SIZE) -> Canvas:
    return Canvas.of(size, np.random.default_rng(seed))


def ramp(size: tuple[int, int] = SIZE) -> Scene:
    """Grey level, edges, class and instance all tell the place: row, column, and stripes of 8 columns."""
    rows, columns = torch.meshgrid(*(torch.arange(length) for length in size), indexing="ij")
    stripes = columns // 8
    return Scene(rows.float(), stripes % 3, (stripes + 1) * (stripes % 3 > 0), columns.float())


def drawn(kind: str, seed: int, **options: float) -> SyntheticMicrograph:
    wanted = Nuisances(**{"charging": 0, "curtaining": 0, "stitching": 0, "data_bar": 0, **options})
    return generate(kind, SIZE, np.random.default_rng(seed), wanted)


def test_bright_features_charge_along_the_scan_and_flat_ones_do_not() -> None:
    grey = torch.full(SIZE, 0.3)
    grey[40:56, 60:76] = 0.8
    steps = torch.stack([charged(canvas(seed), grey) for seed in range(12)])
    assert steps.min() >= -0.5 and steps.max() <= 1.5
    hit = steps[:, 44:52, 64:72].mean(dim=(1, 2)) > 0.5
    assert 2 <= int(hit.sum()) < 12  # not every feature is insulated
    mean = steps[hit].mean(dim=0)
    assert float(mean[44:52, 77:80].mean()) > float(mean[44:52, 56:59].mean()) + 0.05  # to the right
    assert float(mean[44:52, 66].mean()) > 3 * float(mean[20:24, 66].mean())
    assert float(mean[44:52, 140:].mean()) < -0.05  # the dark trail
    assert (charged(canvas(), torch.full(SIZE, 0.6)) == 0).all()


def test_curtains_hang_down_with_unit_variance() -> None:
    stripes = curtains(canvas(size=(200, 300)))
    assert float(stripes.mean()) == pytest.approx(0, abs=1e-4) and float(stripes.std()) == pytest.approx(1, abs=1e-3)
    assert float(torch.diff(stripes, dim=0).std()) < 0.2 * float(torch.diff(stripes, dim=1).std())


@pytest.mark.parametrize("seed", range(6))
def test_tiles_move_picture_and_masks_together(seed: int) -> None:
    scene = ramp()
    moved = stitched(canvas(seed), scene, step=0.0)
    rows, columns = moved.grey.long(), moved.edges.long()
    assert torch.equal(moved.phases, scene.phases[rows, columns])
    assert torch.equal(moved.instances > 0, moved.phases > 0)
    shift = torch.stack([rows - scene.grey, columns - scene.edges])
    inner = shift[:, 3:-3, 3:-3]
    assert inner.abs().max() <= 3 and shift.abs().max() <= 6
    assert (inner[:, 0, 0] == 0).all()  # the first tile stays
    assert 2 <= len(torch.unique(inner.flatten(1), dim=1).T) <= 4
    ids = torch.unique(moved.instances)
    assert torch.equal(ids, torch.arange(len(ids)))


def test_tiles_differ_in_grey() -> None:
    flat = Scene(torch.full(SIZE, 0.5), *ramp().__getstate__()[1:])
    plain, stepped = stitched(canvas(3), flat, 0.0), stitched(canvas(3), flat, 0.05)
    assert float(plain.grey.std()) == pytest.approx(0, abs=1e-6) and 0.005 < float(stepped.grey.std()) < 0.2
    assert torch.equal(plain.phases, stepped.phases)


@pytest.mark.parametrize("seed", range(4))
def test_data_bar_covers_the_foot_and_its_scale_is_right(seed: int) -> None:
    image, scene = torch.full(SIZE, 0.4), ramp()
    shown, truth = with_data_bar(canvas(seed), image, scene, 50.0)
    top = int((truth.phases > 0).any(dim=1).nonzero().max()) + 1
    assert 10 <= SIZE[0] - top <= 11 and (truth.instances[top:] == 0).all()
    assert torch.equal(truth.phases[:top], scene.phases[:top]) and (shown[:top] == 0.4).all()
    bar = shown[top + 1 :, 90:]
    paper = bar.median()
    assert float(paper) in (0.0, 1.0) and (bar == 1 - paper).any()
    runs = [len(list(run)) for row in bar for mark, run in groupby((row == 1 - paper).tolist()) if mark]
    assert max(runs) == 40  # 2000 nm is the longest round length up to 0.28 * 160 px * 50 nm
    assert scene.phases[top:].any() and (image == 0.4).all()  # the originals are left alone


def test_a_picture_too_small_for_any_round_length_still_gets_its_bar() -> None:
    scene = ramp((20, 24))
    shown, truth = with_data_bar(canvas(0, (20, 24)), torch.full((20, 24), 0.4), scene, 50.0)
    assert (truth.phases[10:] == 0).all() and (shown[:10] == 0.4).all() and (shown[10:] != 0.4).any()


@pytest.mark.parametrize("kind", ["particles", "layers", "lamellae"])
def test_charging_and_curtains_leave_the_masks_alone(kind: str) -> None:
    for seed in range(3):
        plain = drawn(kind, seed)
        for name in ("charging", "curtaining"):
            hit = drawn(kind, seed, **{name: 1})
            np.testing.assert_array_equal(hit.phases, plain.phases)
            np.testing.assert_array_equal(hit.instances, plain.instances)
        assert (hit.pixels != plain.pixels).mean() > 0.5


@pytest.mark.parametrize("kind", ["grains", "pores", "lamellae"])
def test_above_the_data_bar_nothing_changes(kind: str) -> None:
    plain, barred = drawn(kind, 1), drawn(kind, 1, data_bar=1)
    top = int(np.flatnonzero((barred.phases > 0).any(axis=1)).max()) + 1
    top = min(top, SIZE[0] - 10)
    np.testing.assert_array_equal(barred.pixels[:top], plain.pixels[:top])
    np.testing.assert_array_equal(barred.phases[:top], plain.phases[:top])
    np.testing.assert_array_equal(barred.instances > 0, barred.phases > 0)
    boxes = ndimage.find_objects(barred.instances.astype(np.int32))
    assert all(ndimage.label(barred.instances[box] == index)[1] == 1 for index, box in enumerate(boxes, 1))


def test_stitching_changes_masks_and_keeps_them_exact() -> None:
    plain, tiled = drawn("particles", 2), drawn("particles", 2, stitching=1)
    assert (plain.phases != tiled.phases).any()
    np.testing.assert_array_equal(tiled.instances > 0, tiled.phases > 0)
    inside, outside = tiled.pixels[tiled.phases == 1].mean(), tiled.pixels[tiled.phases == 0].mean()
    before = plain.pixels[plain.phases == 1].mean() - plain.pixels[plain.phases == 0].mean()
    assert inside - outside == pytest.approx(before, rel=0.15)


def test_chances_are_shares() -> None:
    assert Nuisances().data_bar == 0 and Nuisances.none().charging == Nuisances.none().stitching == 0
    for bad in ({"charging": 1.2}, {"stitching": -0.1}, {"curtaining": float("nan")}):
        with pytest.raises(ValidationError):
            Nuisances.model_validate(bad)
    assert not np.array_equal(drawn("particles", 3).pixels, drawn("particles", 3, curtaining=1).pixels)
