import numpy as np
import pytest

from matcurate.errors import ConfigError
from matcurate.promptable.protocol import Traits
from matcurate.segmentation.boost.textures import BackboneFeatures, FilterBank, FilterBankSettings
from tests.unit.segmentation.boost.boost_samples import SHAPE, stripes
from tests.unit.threshold_backbone import ThresholdBackbone

GABOR = FilterBankSettings(patterns=False, grey=False, octaves=2, frequencies=(0.25,))


def middle(features: np.ndarray) -> np.ndarray:
    return features[4:-4, 4:-4].mean(axis=(0, 1))


def test_the_wavelet_of_the_right_scale_and_direction_answers_most() -> None:
    upright = middle(FilterBank(GABOR)(stripes(4)))  # .25 cycles for each pixel along the rows
    level = middle(FilterBank(GABOR)(stripes(4, across=True)))
    coarse = middle(FilterBank(GABOR)(stripes(8)))
    assert [int(np.argmax(each)) for each in (upright, level, coarse)] == [0, 2, 4]


def test_wavelets_are_blind_to_the_grey_level() -> None:
    bank = FilterBank(FilterBankSettings(patterns=False, octaves=2))
    features = bank(np.where(np.arange(160)[None] < 80, 60, 180).repeat(96, axis=0).astype(np.uint8))
    left, right = features[4:-4, 2:5].mean(axis=(0, 1)), features[4:-4, -5:-2].mean(axis=(0, 1))
    assert left[:-1] == pytest.approx(right[:-1], abs=0.05)
    assert (left[-1], right[-1]) == (0, 1)


def test_patterns_of_a_cell_sum_to_one() -> None:
    noise = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    settings = FilterBankSettings(grey=False, octaves=1)
    patterns = FilterBank(settings)(noise)[..., -10:]
    assert patterns.sum(axis=-1) == pytest.approx(1, abs=1e-5)


def test_cells_cover_images_that_they_do_not_divide() -> None:
    features = FilterBank(FilterBankSettings(cell=8))(np.zeros((50, 90), np.uint8))
    assert features.shape[:2] == (7, 12)
    assert np.isfinite(features).all()


def test_small_images_have_fewer_octaves() -> None:
    bank = FilterBank(FilterBankSettings(patterns=False, grey=False, octaves=4))
    assert bank(np.zeros((20, 90), np.uint8)).shape[-1] == 2 * 2 * 4  # 20 rows, then 10: two octaves


def test_depth_does_not_matter() -> None:
    grey = np.random.default_rng(0).integers(0, 255, SHAPE)
    deep = FilterBank()(grey.astype(np.uint16) * 257)
    assert FilterBank()(grey.astype(np.uint8)) == pytest.approx(deep, abs=1e-4)


def test_a_backbone_without_an_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="'threshold' has no features"):
        BackboneFeatures(ThresholdBackbone())(np.zeros(SHAPE, np.uint8))


class Encoder:
    """Stands for a network: what it shows are the pixels."""

    name = "encoder"
    traits = Traits("sam", embeds=True)
    digest = "0"

    def open(self, pixels):
        self.pixels = pixels
        return self

    def features(self):
        return self.pixels[::16, ::16, None].astype(np.float32)


def test_an_encoders_features_pass_through() -> None:
    grey = np.arange(96 * 160, dtype=np.float32).reshape(SHAPE)
    assert (BackboneFeatures(Encoder())(grey)[..., 0] == grey[::16, ::16]).all()
