import cv2
import numpy as np
import pytest

from matcurate.imaging.synth.textures import texture
from matcurate.segmentation.homogeneous import TextureRegion, largest_rectangle, texture_labels, texture_regions

SHAPE = (192, 288)
CROP = 64


def drawn(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return texture(shape, np.random.default_rng(seed))


def parted(pixels: np.ndarray, crop: int = CROP) -> tuple[TextureRegion, ...]:
    return texture_regions(pixels, crop, np.random.default_rng(0))


def side_by_side(left: int, right: int) -> np.ndarray:
    return np.hstack([drawn(left)[:, :120], drawn(right)[:, 120:]])


@pytest.mark.parametrize("seed", range(6))
def test_one_texture_is_one_region_which_is_the_whole_image(seed: int) -> None:
    assert parted(drawn(seed)) == (TextureRegion(0, 0, 192, 288, 1.0),)


@pytest.mark.parametrize(("left", "right"), [(0, 3), (3, 5), (5, 0), (1, 4)])
def test_two_textures_are_parted_where_they_meet(left: int, right: int) -> None:
    larger, smaller = parted(side_by_side(left, right))
    assert larger.share == pytest.approx(168 / 288, abs=0.08)
    assert larger.left >= 120 - 12
    assert smaller.left + smaller.width <= 120 + 12
    for each in (larger, smaller):
        assert min(each.height, each.width) >= CROP


def test_turned_images_are_parted_alike() -> None:
    pixels = side_by_side(0, 3)
    as_it_is = texture_labels(pixels, CROP, np.random.default_rng(0))
    turned = texture_labels(np.ascontiguousarray(pixels.T), CROP, np.random.default_rng(0)).T
    assert as_it_is.max() == turned.max() == 2
    same = (as_it_is == turned).mean()
    assert max(same, 1 - same) > 0.98


def test_brightness_and_contrast_make_no_difference() -> None:
    pixels = side_by_side(0, 3)
    darker = (pixels.astype(np.float32) * 0.4 + 7).astype(np.float32)
    first, second = (texture_labels(each, CROP, np.random.default_rng(0)) for each in (pixels, darker))
    assert (first == second).mean() > 0.98


def test_light_that_drifts_is_no_border() -> None:
    ramp = np.linspace(-60, 60, SHAPE[1])[None]
    assert len(parted(np.clip(drawn(1) * 0.5 + 64 + ramp, 0, 255).astype(np.uint8))) == 1


def test_a_flat_mount_is_a_region_of_its_own_and_a_flat_image_is_one() -> None:
    pixels = drawn(3)
    pixels[:80] = 12
    below, mount = parted(pixels)
    assert mount.top == 0
    assert mount.top + mount.height <= 80 + 12 <= below.top + 12 + 12
    assert len(parted(np.full(SHAPE, 90, dtype=np.uint8))) == 1


@pytest.mark.parametrize("shape", [(60, 200), (100, 127), (40, 40)])
def test_without_room_for_two_crops_there_is_one_region(shape: tuple[int, int]) -> None:
    pixels = cv2.resize(side_by_side(0, 3), shape[::-1])
    assert parted(pixels) == (TextureRegion(0, 0, *shape, 1.0),)


def test_a_strip_too_narrow_for_a_crop_belongs_to_a_neighbour() -> None:
    pixels = drawn(0)
    pixels[:, 250:] = drawn(3)[:, 250:]
    assert len(parted(pixels)) == 1


def test_the_largest_rectangle_by_hand() -> None:
    mask = np.array(
        [
            [1, 1, 1, 0, 0],
            [1, 1, 1, 0, 0],
            [1, 1, 1, 1, 1],
            [0, 0, 1, 1, 1],
        ],
        dtype=np.bool_,
    )
    assert largest_rectangle(mask, 1) == (0, 0, 3, 3)
    assert largest_rectangle(mask[2:], 2) == (0, 2, 2, 3)
    assert largest_rectangle(mask[2:], 1) == (0, 2, 2, 3)
    assert largest_rectangle(np.array([[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0]], dtype=np.bool_), 2) == (0, 0, 2, 2)
    assert largest_rectangle(np.array([[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0]], dtype=np.bool_), 1) == (0, 0, 1, 5)
    assert largest_rectangle(np.ones((4, 7), dtype=np.bool_), 3) == (0, 0, 4, 7)


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_rectangle_is_that_of_all_rectangles(seed: int) -> None:
    mask = np.random.default_rng(seed).random((6, 8)) < 0.8
    mask[0, 0] = True
    top, left, height, width = largest_rectangle(mask, 1)
    assert mask[top : top + height, left : left + width].all()
    every = (
        (bottom - top) * (right - left)
        for top in range(6)
        for bottom in range(top + 1, 7)
        for left in range(8)
        for right in range(left + 1, 9)
        if mask[top:bottom, left:right].all()
    )
    assert height * width == max(every)
