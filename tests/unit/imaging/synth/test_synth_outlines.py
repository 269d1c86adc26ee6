"""Outlines and stamps against areas and depths worked out by hand."""

import math

import numpy as np
import pytest

from matcurate.imaging.synth.canvas import Canvas
from matcurate.imaging.synth.outlines import Shape, stamps


def canvas(height: int = 96, width: int = 160) -> Canvas:
    return Canvas.of((height, width), np.random.default_rng(0))


def area(outline: np.ndarray) -> float:
    rows, columns = outline.T
    return abs(float(rows @ np.roll(columns, -1) - columns @ np.roll(rows, -1))) / 2


def one(shape: Shape, radius: float = 20.0, angle: float = 0.0) -> np.ndarray:
    return shape.outlines(np.random.default_rng(0), np.array([radius]), np.array([angle]))[0]


def test_areas_are_those_of_geometry() -> None:
    exact = {"rounding": 0.0, "wobble": 0.0}
    assert area(one(Shape(0, (1.0, 1.0), **exact))) == pytest.approx(math.pi * 400, rel=0.005)
    assert area(one(Shape(0, (2.0, 2.0), **exact))) == pytest.approx(math.pi * 200, rel=0.005)
    assert area(one(Shape(4, (1.0, 1.0), **exact))) == pytest.approx(2 * 400, rel=0.005)
    assert area(one(Shape(6, (1.0, 1.0), **exact))) == pytest.approx(1.5 * math.sqrt(3) * 400, rel=0.005)
    rod = one(Shape(0, (4.0, 4.0), capped=True, **exact))  # 40 long, 10 wide: a shank of 30 and two half discs
    assert area(rod) == pytest.approx(30 * 10 + math.pi * 25, rel=0.01)


@pytest.mark.parametrize("angle", [0.0, math.pi / 2])
def test_the_angle_is_that_of_the_long_axis(angle: float) -> None:
    spread = np.ptp(one(Shape(0, (3.0, 3.0), wobble=0.0), angle=angle), axis=0)
    long = 1 if angle == 0 else 0
    assert spread[long] == pytest.approx(40, rel=0.01) and spread[1 - long] == pytest.approx(40 / 3, rel=0.01)


def test_rounding_takes_corners_away_and_roughness_stays_near_the_outline() -> None:
    sharp, soft = (one(Shape(4, (1.0, 1.0), rounding=share, wobble=0.0)) for share in (0.0, 0.05))
    assert np.hypot(*sharp.T).max() == pytest.approx(20) and np.hypot(*soft.T).max() < 18
    rough = np.hypot(*one(Shape(0, (1.0, 1.0), wobble=0.1, waves=9)).T)
    assert 0.2 < rough.std() < 4


def test_a_stamp_knows_depth_inside_and_outside_and_is_cut_by_the_canvas() -> None:
    disc = one(Shape(0, (1.0, 1.0), wobble=0.0), radius=12)
    whole, cut = stamps(canvas(), np.array([[40.0, 60.0], [0.0, 60.0]]), [disc, disc], reach=0.5)
    assert (whole.index, cut.index) == (0, 1) and whole.size == cut.size == pytest.approx(12, abs=1)
    assert whole.inside.sum() == pytest.approx(math.pi * 144, rel=0.1)
    rows, columns = np.mgrid[whole.window]
    np.testing.assert_allclose(whole.depth, 12.5 - np.hypot(rows - 40, columns - 60), atol=1.3)
    assert cut.window[0].start == 0 and cut.inside.sum() < 0.6 * whole.inside.sum()


def test_outlines_beside_the_canvas_are_skipped() -> None:
    disc = one(Shape(), radius=5)
    assert [stamp.index for stamp in stamps(canvas(), np.array([[-20.0, 5.0], [5.0, 5.0]]), [disc, disc])] == [1]
