"""What each of the kinds drawn after real micrographs promises, beyond the contract of every kind."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.figures import astigmatic_blur, figures
from matcurate.imaging.synth.nuisances import Nuisances
from matcurate.imaging.synth.registry import SyntheticMicrograph, generate
from matcurate.imaging.synth.scene import Overprint, Scene, overprinted

SIZE = (176, 224)


def drawn(kind: str, seed: int, clean: bool = True, size: tuple[int, int] = SIZE) -> SyntheticMicrograph:
    return generate(kind, size, np.random.default_rng(seed), Nuisances.none() if clean else None)


def share(got: SyntheticMicrograph) -> float:
    return float((got.phases > 0).mean())


def step(got: SyntheticMicrograph) -> float:
    """Median grey of the objects above that of the background."""
    return float(np.median(got.pixels[got.phases > 0]) - np.median(got.pixels[got.phases == 0]))


def touching(instances: np.ndarray) -> bool:
    ids = instances.astype(np.int64)
    pairs = ((ids[1:], ids[:-1]), (ids[:, 1:], ids[:, :-1]))
    return any(((a != b) & (a > 0) & (b > 0)).any() for a, b in pairs)


def test_carbides_are_small_bright_and_of_the_usual_share() -> None:
    got = [drawn("spheroidite", seed) for seed in range(10)]
    assert all(step(one) > 10 for one in got)
    shares = [share(one) for one in got]
    assert 0.05 < min(shares) and 0.15 < np.median(shares) < 0.3 and max(shares) < 0.5
    areas = [np.median(np.bincount(one.instances.ravel())[1:]) for one in got]
    assert 8 < min(areas) and max(areas) < 160  # 3 to 14 pixels across


def test_films_are_bright_field_or_dark_field_and_their_particles_touch() -> None:
    got = [drawn("film", seed) for seed in range(16)]
    steps = np.array([step(one) for one in got])
    assert (steps < -15).sum() >= 6 and (steps > 15).sum() >= 2
    assert sum(touching(one.instances) for one in got) >= 5
    shares = [share(one) for one in got]
    assert min(shares) > 0.003 and np.median(shares) < 0.4
    sizes = [np.median(np.bincount(one.instances.ravel())[1:]) for one in got]
    assert max(sizes) > 20 * min(sizes)


def test_films_and_powders_are_not_scratched() -> None:
    plain, scratched = (
        generate("film", SIZE, np.random.default_rng(3), Nuisances.none().model_copy(update=update))
        for update in ({}, {"scratches": (40.0, 40.0), "scratch_depth": (0.3, 0.3)})
    )
    np.testing.assert_array_equal(plain.pixels, scratched.pixels)


def test_powders_touch_and_cover_each_other_on_a_darker_or_brighter_ground() -> None:
    got = [drawn("powder", seed) for seed in range(16)]
    steps = np.array([step(one) for one in got])
    assert (steps > 15).sum() >= 9 and (np.abs(steps) > 8).sum() >= 14
    assert sum(touching(one.instances) for one in got) >= 8
    assert 0.1 < np.median([share(one) for one in got]) < 0.6


def test_powders_are_shaded() -> None:
    """The grey of the single particles varies: they are no flat discs."""
    flat = []
    for seed in range(8):
        got = drawn("powder", seed)
        largest = int(np.bincount(got.instances.ravel())[1:].argmax()) + 1
        flat.append(float(got.pixels[got.instances == largest].std()))
    assert np.median(flat) > 4


def test_tomograms_are_blank_outside_their_field_of_view_and_noisy_inside() -> None:
    blank = 0
    for seed in range(10):
        got = drawn("tomogram", seed)
        corner = (slice(None, 12), slice(None, 12))
        middle = got.pixels[70:106, 90:134]
        assert middle.std() > 1
        if got.pixels[corner].std() == 0:
            blank += 1
            assert not got.instances[corner].any()
    assert 4 <= blank < 10


def test_tomograms_show_dense_objects_and_pores() -> None:
    """Compared in a disc around the axis, away from the blank corners."""
    steps = []
    for seed in range(12):
        got = drawn("tomogram", seed)
        rows, columns = np.indices(SIZE)
        near = np.hypot(rows - SIZE[0] / 2, columns - SIZE[1] / 2) < 70
        inside, outside = (got.pixels[near & (got.phases == phase)].mean() for phase in (1, 0))
        steps.append(inside - outside)
    assert sum(value > 8 for value in steps) >= 5 and sum(value < -8 for value in steps) >= 2


def test_annotations_of_figures_are_background_and_cut_the_objects() -> None:
    """Without disturbances print is exact: pure black or white somewhere, and no object there."""
    for seed in range(8):
        canvas = Canvas.of(SIZE, np.random.default_rng(seed))
        scene = figures.draw(canvas)
        assert scene.printed is not None
        ink = ~torch.isnan(scene.printed.grey)
        assert 0.001 < float(ink.float().mean()) < 0.7
        _, truth = overprinted(scene.grey, scene)
        assert not truth.phases[ink].any() and torch.equal(truth.phases[~ink] > 0, scene.phases[~ink] > 0)
        assert torch.equal(truth.instances > 0, truth.phases > 0)


def test_figures_lose_resolution_and_show_the_blocks_of_jpeg() -> None:
    grey = torch.rand((64, 96), generator=torch.Generator().manual_seed(0))
    blank = torch.full((64, 96), torch.nan)
    nothing = torch.zeros((64, 96), dtype=torch.long)
    scene = Scene(grey, nothing, nothing, grey)
    for print_, floor in ((Overprint(blank, quality=30), 0.02), (Overprint(blank, scale=0.5), 0.1)):
        got, _ = overprinted(grey, replace(scene, printed=print_))
        assert got.shape == grey.shape and float((got - grey).abs().mean()) > floor
        assert float(got.mean()) == pytest.approx(float(grey.mean()), abs=0.02)
    assert torch.equal(overprinted(grey, replace(scene, printed=Overprint(blank)))[0], grey)


def test_an_astigmatic_blur_is_wider_along_its_angle() -> None:
    point = torch.zeros(81, 101)
    point[40, 50] = 1
    spread = astigmatic_blur(point, 4.0, 2.0, 0.0)
    assert float(spread.sum()) == pytest.approx(1, rel=1e-3)
    assert float(spread[40, 54] / spread[40, 50]) == pytest.approx(np.exp(-0.5), rel=0.02)
    assert float(spread[42, 50] / spread[40, 50]) == pytest.approx(np.exp(-0.5), rel=0.02)


def test_scans_are_softer_than_what_they_scan() -> None:
    """Grey changes over more pixels at the outlines than in powders."""

    def steepest(kind: str) -> float:
        slopes = []
        for seed in range(8):
            pixels = drawn(kind, seed, size=(96, 160)).pixels.astype(float)
            smooth = ndimage.gaussian_filter(pixels, 0.8)
            slopes.append(
                np.quantile(np.abs(np.diff(smooth, axis=1)), 0.995) / np.ptp(np.quantile(smooth, (0.02, 0.98)))
            )
        return float(np.median(slopes))

    assert steepest("scans") < 0.8 * steepest("powder")
