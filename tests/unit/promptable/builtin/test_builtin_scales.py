"""Which sizes a micrograph is looked at, and how the views are joined."""

import numpy as np
import pytest

from matcurate.promptable.builtin import scales
from matcurate.promptable.builtin.network import NetworkSettings, ObjectNet

NETWORK = ObjectNet(NetworkSettings()).eval()


class Views:
    """Stands for the network: a chance of .9 above a grey level of 100 and .2 below, and it remembers what it saw."""

    def __init__(self, high: float = 0.9, low: float = 0.2) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.high, self.low = high, low

    def __call__(self, network: ObjectNet, pixels: np.ndarray) -> np.ndarray:
        self.shapes.append(pixels.shape)
        chance = np.where(pixels > 100, self.high, self.low).astype(np.float16)
        return np.stack([chance] * 4)


def squares(edge: int, shape: tuple[int, int] = (256, 320)) -> np.ndarray:
    pixels = np.zeros(shape, dtype=np.uint8)
    for row in range(4, shape[0] - edge, 2 * edge):
        pixels[row : row + edge, 8 : 8 + edge] = 200
    return pixels


def test_the_median_diameter_is_that_of_the_object_of_the_median_pixel() -> None:
    foreground = np.zeros((40, 60), dtype=bool)
    foreground[2:4, 2:4] = True  # 4 pixels
    foreground[10:20, 10:20] = True  # 100 pixels: holds the median of all 104
    assert scales.median_diameter(foreground) == pytest.approx(2 * np.sqrt(100 / np.pi))
    assert scales.median_diameter(np.zeros((5, 7), dtype=bool)) == 0


@pytest.mark.parametrize(
    ("edge", "seen"),
    [(8, [(256, 320), (512, 640)]), (30, [(256, 320)]), (100, [(256, 320), (128, 160), (64, 80)])],
)
def test_small_objects_are_seen_enlarged_and_large_ones_reduced(
    edge: int, seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    views = Views()
    monkeypatch.setattr(scales, "output_maps", views)
    maps = scales.joined_maps(NETWORK, squares(edge))
    assert views.shapes == seen
    assert maps.shape == (4, 256, 320)
    assert ((maps > 0.5) == (squares(edge) > 100)).mean() > 0.99  # views that agree change no side


def test_reduced_views_count_nothing_where_the_first_look_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    views = Views(high=0.999, low=0.001)
    monkeypatch.setattr(scales, "output_maps", views)
    pixels = squares(100)
    assert np.array_equal(scales.joined_maps(NETWORK, pixels), Views(0.999, 0.001)(NETWORK, pixels))
    assert len(views.shapes) == 1


def test_an_image_without_objects_is_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    views = Views()
    monkeypatch.setattr(scales, "output_maps", views)
    scales.joined_maps(NETWORK, np.zeros((128, 200), dtype=np.uint8))
    assert views.shapes == [(128, 200)]
