"""Changes of labelled micrographs, against values worked out by hand on arrays that are not square."""

import re
from dataclasses import replace

import numpy as np
import pytest

from matcurate.errors import ConfigError
from matcurate.imaging.changes import CHANGES, apply_change, change_named, changes_named
from matcurate.imaging.dataset import LabelledMicrograph
from matcurate.imaging.micrograph import Micrograph
from matcurate.types import Calibration

SHAPE = (96, 160)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
RECTANGLE = (ROWS >= 24) & (ROWS < 72) & (COLUMNS >= 40) & (COLUMNS < 120)


def sample(dtype: type = np.uint8) -> LabelledMicrograph:
    """A bright rectangle in two halves, 150 on 100 of 255."""
    pixels = np.where(RECTANGLE, 150, 100).astype(dtype)
    instances = np.where(RECTANGLE, 1 + (COLUMNS >= 80), 0).astype(np.uint32)
    return LabelledMicrograph(Micrograph(pixels, Calibration(10.0), "a"), RECTANGLE.astype(np.uint8), instances)


def changed(name: str, labelled: LabelledMicrograph | None = None, image: str = "a") -> LabelledMicrograph:
    return apply_change(CHANGES[name], labelled or sample(), image)


def pixels(name: str) -> np.ndarray:
    return changed(name).micrograph.pixels


def painted(name: str) -> np.ndarray:
    """Where a change paints over a uniform grey image, all of it foreground."""
    grey = replace(sample(), phases=np.ones(SHAPE, np.uint8), instances=np.ones(SHAPE, np.uint32))
    return changed(name, replace(grey, micrograph=Micrograph(np.full(SHAPE, 100, np.uint8), None, "a"))).phases == 0


@pytest.mark.parametrize("name", sorted(CHANGES))
class TestEveryChange:
    def test_it_is_named_by_its_key(self, name: str) -> None:
        assert CHANGES[name].name == name and CHANGES[name].description
        assert re.fullmatch(r"[a-z0-9.-]+", name)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_pixels_and_labels_keep_one_shape_and_their_types(self, name: str, dtype: type) -> None:
        after = changed(name, sample(dtype))
        assert after.instances is not None
        assert after.micrograph.pixels.shape == after.phases.shape == after.instances.shape
        assert after.micrograph.pixels.dtype == (np.uint16 if name == "16-bit" else dtype)
        assert (after.phases.dtype, after.instances.dtype) == (np.uint8, np.uint32)
        assert set(np.unique(after.instances)) == {0, 1, 2}
        np.testing.assert_array_equal(after.instances > 0, after.phases > 0)

    def test_the_same_names_give_the_same_and_the_input_stays(self, name: str) -> None:
        before, first, again = sample(), changed(name), changed(name)
        np.testing.assert_array_equal(first.micrograph.pixels, again.micrograph.pixels)
        np.testing.assert_array_equal(first.phases, again.phases)
        changed(name, before)
        np.testing.assert_array_equal(before.micrograph.pixels, sample().micrograph.pixels)
        np.testing.assert_array_equal(before.phases, sample().phases)

    def test_labels_without_instances(self, name: str) -> None:
        assert changed(name, replace(sample(), instances=None)).instances is None

    def test_a_tiny_image(self, name: str) -> None:
        tiny = LabelledMicrograph(Micrograph(np.full((3, 5), 9, np.uint8), None, "a"), np.ones((3, 5), np.uint8), None)
        assert changed(name, tiny).phases.size > 0


@pytest.mark.parametrize("name", ["noise-10", "salt-pepper", "scratched", "letters", "scale-bar", "16-bit"])
def test_images_differ(name: str) -> None:
    assert not np.array_equal(pixels(name), changed(name, image="b").micrograph.pixels)
    other = apply_change(CHANGES[name], sample(), "a", seed=1)
    assert not np.array_equal(pixels(name), other.micrograph.pixels)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("inverted", 105, 155),
        ("faint", 122, 109),  # mean 100 + 50 / 4 = 112.5; a quarter of +37.5 and -12.5 from it: 121.9, 109.4
        ("gamma-2", 88, 39),  # 255 (150 / 255)^2 = 88.2, 255 (100 / 255)^2 = 39.2
        ("gamma-0.5", 196, 160),  # sqrt(150 · 255) = 195.6, sqrt(100 · 255) = 159.7
    ],
)
def test_grey_levels_by_hand(name: str, inside: int, outside: int) -> None:
    np.testing.assert_array_equal(pixels(name), np.where(RECTANGLE, inside, outside))
    np.testing.assert_array_equal(changed(name).phases, sample().phases)


@pytest.mark.parametrize("sigma", [1, 2, 4])
def test_blur_spreads_an_edge_as_the_normal_distribution(sigma: int) -> None:
    row = pixels(f"blur-{sigma}")[48].astype(float)
    # The edge lies between columns 39 and 40: one standard deviation inside 84.1 % of the step are reached.
    reached = np.interp(39.5 + sigma, np.arange(160), row)
    assert reached == pytest.approx(100 + 50 * 0.841, abs=1.2)


@pytest.mark.parametrize("levels", [10, 20, 40])
def test_noise_has_the_standard_deviation(levels: int) -> None:
    difference = pixels(f"noise-{levels}").astype(float) - sample().micrograph.pixels
    assert difference.std() == pytest.approx(levels, rel=0.06)


def test_noise_is_relative_to_the_range_of_16_bits() -> None:
    deep = Micrograph(np.where(RECTANGLE, 60_000, 5_000).astype(np.uint16), None, "a")
    noisy = changed("noise-20", replace(sample(), micrograph=deep)).micrograph.pixels
    assert noisy[:, :30].astype(float).std() == pytest.approx(0.58 * 20 * 257, rel=0.1)  # black: half is cut off


def test_salt_and_pepper() -> None:
    after = pixels("salt-pepper")
    assert np.mean(after == 0) == pytest.approx(0.01, abs=0.004)
    assert np.mean(after == 255) == pytest.approx(0.01, abs=0.004)
    assert np.mean(after == sample().micrograph.pixels) > 0.97


def test_shading_adds_a_smooth_field() -> None:
    flat = replace(sample(), micrograph=Micrograph(np.full(SHAPE, 100, np.uint8), None, "a"))
    after = changed("shaded", flat).micrograph.pixels.astype(float)
    assert (after.min(), after.max()) == (70, 146)  # .7 · 100, and .3 · 255 more at the lit corner
    corners = sorted(after[row, column] for row in (0, -1) for column in (0, -1))
    assert corners[0] == 70 and corners[-1] == 146
    assert max(np.abs(np.diff(after, axis=0)).max(), np.abs(np.diff(after, axis=1)).max()) <= 2


def test_jpeg_leaves_blocks() -> None:
    noisy = replace(sample(), micrograph=Micrograph(pixels("noise-40"), None, "a"))
    after = changed("jpeg-20", noisy).micrograph.pixels.astype(float)
    steps = np.abs(np.diff(after, axis=1)).mean(axis=0)
    assert steps[7::8].mean() > 1.3 * np.delete(steps, np.s_[7::8]).mean()


def test_enlarged_and_reduced() -> None:
    larger, half, quarter = (changed(name) for name in ("enlarged-2", "reduced-2", "reduced-4"))
    assert larger.instances is not None and quarter.instances is not None
    np.testing.assert_array_equal(larger.phases, np.kron(sample().phases, np.ones((2, 2), np.uint8)))
    np.testing.assert_array_equal(larger.micrograph.pixels[96, 82:158], np.full(76, 150))
    np.testing.assert_array_equal(half.phases, sample().phases[::2, ::2])
    np.testing.assert_array_equal(quarter.micrograph.pixels, np.where(RECTANGLE, 150, 100)[::4, ::4])
    np.testing.assert_array_equal(quarter.instances[12], np.repeat([0, 1, 2, 0], 10))
    sizes = [each.micrograph.calibration for each in (larger, half, quarter)]
    assert sizes == [Calibration(5.0), Calibration(20.0), Calibration(40.0)]


def test_turned() -> None:
    after = changed("turned")
    assert after.micrograph.shape == (160, 96)
    assert after.instances is not None
    np.testing.assert_array_equal(after.instances[[41, 119], 48], [2, 1])  # the right half comes to the top


def test_padded() -> None:
    after = changed("padded")
    assert after.micrograph.shape == (96 + 16, 160 + 16)  # 8 % of 96 rows are 8 pixels
    np.testing.assert_array_equal(after.micrograph.pixels[8:-8, 8:-8], sample().micrograph.pixels)
    border = np.ones(after.micrograph.shape, np.bool_)
    border[8:-8, 8:-8] = False
    assert set(np.unique(after.micrograph.pixels[border])) in ({0}, {255})
    assert not after.phases[border].any() and after.phases.sum() == RECTANGLE.sum()


def test_data_bar() -> None:
    after = changed("data-bar")
    rows = after.micrograph.shape[0] - 96
    assert 5 <= rows <= 10
    np.testing.assert_array_equal(after.micrograph.pixels[:96], sample().micrograph.pixels)
    np.testing.assert_array_equal(after.phases[:96], sample().phases)
    assert not after.phases[96:].any()
    bar = after.micrograph.pixels[96:]
    assert 0.5 < np.mean(bar == 0) < 0.98 and bar.max() == 255


@pytest.mark.parametrize(
    ("name", "share"), [("scratched", (0.01, 0.1)), ("letters", (0.005, 0.1)), ("scale-bar", (0.004, 0.1))]
)
def test_marks_are_background(name: str, share: tuple[float, float]) -> None:
    mask = painted(name)
    assert share[0] < mask.mean() < share[1]
    after, before = changed(name), sample()
    assert after.instances is not None and before.instances is not None
    np.testing.assert_array_equal(after.micrograph.pixels[~mask], before.micrograph.pixels[~mask])
    np.testing.assert_array_equal(after.phases, np.where(mask, 0, before.phases))
    np.testing.assert_array_equal(after.instances, np.where(mask, 0, before.instances))


def test_scratches_are_two_pixels_wide() -> None:
    mask = painted("scratched")
    # Three lines of 2 pixels through 96 x 160 pixels, and a dot of 1.92² π = 12 pixels; lines are up to 187 long.
    assert mask.sum() < 3 * 2 * 187 + 12
    dark_and_light = changed("scratched").micrograph.pixels[mask]
    assert set(np.unique(dark_and_light)) <= {0, 255}


def test_16_bit_uses_part_of_the_range() -> None:
    after = pixels("16-bit")
    # 600 + 2800 · 100 / 255 = 1698 and 2247, each ± 5.5
    np.testing.assert_allclose(after, np.where(RECTANGLE, 2247, 1698), atol=6)
    assert len(np.unique(after)) > 10


def test_names_are_looked_up() -> None:
    assert change_named("faint") is CHANGES["faint"]
    assert changes_named(None) == tuple(CHANGES.values())
    assert [change.name for change in changes_named(["turned", "faint", "turned"])] == ["turned", "faint"]
    assert [name for name, change in CHANGES.items() if change.inverts] == ["inverted"]
    with pytest.raises(ConfigError, match="no change 'blury' of micrographs; use some of: blur-1, blur-2"):
        change_named("blury")
