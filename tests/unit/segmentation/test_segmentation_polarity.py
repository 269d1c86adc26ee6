import numpy as np
import pytest

from matcurate.segmentation.polarity import decide_side, effective_pieces

SHAPE = (96, 160)


def discs(radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows % 32 - 16, columns % 32 - 16) < radius


def grey(foreground: np.ndarray, side: str) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 5, foreground.shape)
    return (np.where(foreground == (side == "bright"), 170.0, 80.0) + noise).astype(np.uint8)


def test_effective_pieces_by_hand() -> None:
    mask = np.zeros((20, 40), dtype=bool)
    assert effective_pieces(mask) == 0.0
    mask[:10, :10] = mask[:10, 20:30] = True
    assert effective_pieces(mask) == 2.0
    mask[12:15, :3] = True  # 9 pixels count: 209^2 / (2 * 100^2 + 81)
    assert effective_pieces(mask) == pytest.approx(209**2 / 20081)
    mask[14, 2] = False  # 8 do not
    assert effective_pieces(mask) == 2.0


@pytest.mark.parametrize("side", ["bright", "dark"])
@pytest.mark.parametrize("radius", [6, 14])
def test_the_scattered_side_is_foreground_even_when_it_covers_more(side: str, radius: float) -> None:
    assert decide_side(grey(discs(radius), side)) == side


@pytest.mark.parametrize("side", ["bright", "dark"])
def test_a_connected_phase_in_the_middle_is_foreground(side: str) -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    blob = np.hypot(rows - 48, columns - 80) < 40
    assert decide_side(grey(blob, side)) == side


@pytest.mark.parametrize("side", ["bright", "dark"])
def test_of_two_layers_the_thinner_is_foreground(side: str) -> None:
    layer = np.zeros(SHAPE, dtype=bool)
    layer[:, :70] = True
    assert decide_side(grey(layer, side)) == side


def test_a_speck_of_dirt_does_not_decide() -> None:
    pixels = grey(discs(10), "dark").astype(np.uint16) * 10
    pixels[40:44, 60:64] = 65535
    assert decide_side(pixels) == "dark"


def test_what_the_user_says_counts() -> None:
    pixels = grey(discs(10), "dark")
    assert decide_side(pixels, "bright") == "bright"
    assert decide_side(np.full(SHAPE, 3, dtype=np.uint8)) in ("bright", "dark")


def test_does_not_depend_on_orientation_nor_depth() -> None:
    pixels = grey(discs(10), "dark")
    variants = (pixels.T, pixels[::-1, ::-1], pixels.astype(np.float32) / 255, pixels.astype(np.uint16) * 257)
    assert {decide_side(np.ascontiguousarray(v)) for v in variants} == {"dark"}
