"""Windows that are blended into each other."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from matcurate.promptable.builtin.inference import OVERLAP, _windows, output_maps
from matcurate.promptable.builtin.network import OUTPUTS
from matcurate.promptable.builtin.standard import standardised
from tests.unit.small_objects import tiny_network


class Pointwise(nn.Module):
    """Logits of a pixel from its own grey level alone: 0, 1, 2 and 3 times that."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.arange(4.0).reshape(1, 4, 1, 1))
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(tuple(images.shape[-2:]))
        return images * self.factors


@pytest.mark.parametrize("length", [1, 1024, 1025, 1800, 1921, 2000, 2048, 5000])
@pytest.mark.parametrize("window", [300, 1024])
def test_the_weights_of_a_pixel_sum_to_one(length: int, window: int) -> None:
    total, ends = np.zeros(length), []
    for part, weight in _windows(length, window):
        assert part.stop - part.start == len(weight) <= min(window, length) and part.stop <= length
        assert (weight >= -1e-6).all()
        total[part] += weight
        ends.append((part.start, part.stop))
    assert np.allclose(total, 1, atol=1e-5)
    assert ends[0][0] == 0 and ends[-1][1] == length
    assert all(before[1] - after[0] >= OVERLAP for before, after in pairwise(ends))


@pytest.mark.parametrize(("length", "sizes"), [(2048, [768] * 3), (1536, [832] * 2), (1030, [608] * 2)])
def test_windows_are_no_larger_than_the_overlap_asks(length: int, sizes: list[int]) -> None:
    assert [len(weight) for _, weight in _windows(length, 1024)] == sizes


def test_no_seam_where_windows_meet() -> None:
    pixels = np.random.default_rng(0).normal(0, 1, (310, 700)).astype(np.float32)
    network = Pointwise()
    maps = output_maps(network, pixels, window=300)  # type: ignore[arg-type]
    assert maps.shape == (len(OUTPUTS), 310, 700) and maps.dtype == np.float16
    assert set(network.sizes) == {(224, 288)} and len(network.sizes) == 2 * 4
    chance = 1 / (1 + np.exp(-np.arange(4.0)[:, None, None] * standardised(pixels)))
    assert np.abs(maps - chance).max() < 5e-3  # half precision, summed up to eight times


def test_small_windows_see_nearly_what_one_window_sees() -> None:
    rows, columns = np.mgrid[:64, :420]
    smooth = np.sin(columns / 25) + np.cos(rows / 20)
    network = tiny_network()
    one, several = (output_maps(network, smooth, window=window).astype(float) for window in (1024, 300))
    inside = np.abs(one - several)[:, 8:-8, 8:-8]
    assert np.median(inside) < 0.01 and inside.mean() < 0.03


def test_maps_are_chances_of_the_networks_outputs() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (40, 70)).astype(np.uint8)
    network = tiny_network()
    maps = output_maps(network, pixels)
    with torch.inference_mode():
        logits = network(torch.from_numpy(standardised(pixels))[None, None])[0]
    assert np.allclose(maps, logits.sigmoid().numpy(), atol=2e-3)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (4, 5, 3), (7,)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be a non-empty"):
        output_maps(tiny_network(), np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_grey_values_that_are_no_numbers_are_refused(value: float) -> None:
    pixels = np.zeros((4, 6), dtype=np.float32)
    pixels[2, 3] = value
    with pytest.raises(ValueError, match="must be finite"):
        output_maps(tiny_network(), pixels)
