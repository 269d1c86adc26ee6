import cv2
import numpy as np
import pytest
from skimage.measure import label
from sklearn.metrics import adjusted_rand_score

from matcurate.segmentation.matsam.tiling import boundary_network, boundary_strength, tile
from matcurate.types import Candidate

SHAPE = (96, 160)


def cells() -> np.ndarray:
    """Voronoi cells of twelve seeds."""
    rng = np.random.default_rng(4)
    seeds = np.stack([(np.arange(12) // 4) * 32 + 16, (np.arange(12) % 4) * 40 + 20], axis=1) + rng.normal(
        0, 4, (12, 2)
    )
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = (rows[..., None] - seeds[:, 0]) ** 2 + (columns[..., None] - seeds[:, 1]) ** 2
    return (np.argmin(distance, axis=-1) + 1).astype(np.uint32)


def pictures() -> dict[str, np.ndarray]:
    grains = cells()
    number = np.arange(12)
    levels = np.array([60.0, 110.0, 160.0, 210.0])[(number // 4) % 2 * 2 + number % 2]  # no two neighbours alike
    lines = np.where(boundary_network(grains), 60.0, 160.0)
    return {
        "unequal grey": cv2.GaussianBlur(levels[grains - 1], (0, 0), 1.0),
        "dark lines": cv2.GaussianBlur(lines, (0, 0), 1.0),
    }


@pytest.mark.parametrize("picture", ["unequal grey", "dark lines"])
def test_grains_are_found_and_fill_the_image(picture: str) -> None:
    grey = (pictures()[picture] + np.random.default_rng(6).normal(0, 1, SHAPE)).astype(np.uint8)
    result = tile(boundary_strength(grey), 60)
    assert result.min() == 1
    assert result.max() == len(np.unique(result))
    assert 11 <= result.max() <= 14
    assert adjusted_rand_score(cells().ravel(), result.ravel()) > 0.85


def test_every_grain_is_connected_and_not_tiny() -> None:
    noise = np.random.default_rng(7).integers(0, 255, SHAPE).astype(np.uint8)
    result = tile(boundary_strength(noise), 60)
    assert label(result, connectivity=1).max() == result.max()
    assert np.bincount(result.ravel())[1:].min() >= 60


def test_no_boundary_is_one_grain() -> None:
    assert (tile(boundary_strength(np.full(SHAPE, 9, dtype=np.uint8)), 60) == 1).all()
    hill = np.zeros(SHAPE, dtype=np.float32)
    hill[0, 0] = 1.0  # one basin only
    assert (tile(hill, 60) == 1).all()


def test_outlines_of_masks_vote_for_boundaries() -> None:
    grey = (pictures()["dark lines"]).astype(np.uint8)
    mask = Candidate(20, 30, np.ones((30, 50), dtype=bool), 0.5)
    plain, voted = boundary_strength(grey), boundary_strength(grey, [mask], 0.4)
    added = voted - plain
    on_a_side = added[35, 30]  # a straight line keeps its quality when it is widened
    assert on_a_side == pytest.approx(0.4 * 0.5 * np.percentile(plain, 98), rel=0.02)
    assert added[35, 55] == added[70, 120] == 0.0
    assert np.argmax(added[35, 20:40]) == 10


def test_the_network_is_one_pixel_wide_and_parts_all_grains() -> None:
    grains = cells()
    network = boundary_network(grains)
    rest = label(~network, connectivity=1)
    pairs = np.unique(np.stack([rest[~network], grains[~network]]), axis=1)
    assert np.unique(pairs[0], return_counts=True)[1].max() == 1  # no component reaches into two grains
    assert not boundary_network(np.ones(SHAPE, dtype=np.uint32)).any()
    halves = np.ones((4, 6), dtype=np.uint32)
    halves[:, 3:] = 2
    assert np.array_equal(np.nonzero(boundary_network(halves))[1], [2, 2, 2, 2])
