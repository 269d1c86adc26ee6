import numpy as np
import pytest

from matcurate.config import configs_root, load_preset
from matcurate.segmentation.boost.booster import Booster
from matcurate.segmentation.boost.settings import BoostSettings
from tests.unit.segmentation.boost.boost_samples import SHAPE, box, two_textures

SMALL = BoostSettings(crop=24)
MASKS = [box(0, 0, 96, 68), box(0, 72, 96, 160)]


def boost(masks, materials=None, pixels=None, **options):
    booster = Booster(options.pop("settings", SMALL), **options)
    return booster.boost(
        two_textures()[0] if pixels is None else pixels, masks, materials, rng=np.random.default_rng(0)
    )


def agreement(phases: np.ndarray) -> float:
    """Share of pixels that agree with the two textures, under the better of both numberings."""
    same = float(np.mean(phases == two_textures()[1]))
    return max(same, 1 - same)


def test_textures_of_one_grey_level_are_two_materials() -> None:
    result = boost(MASKS, 2)
    assert agreement(result.phases) > 0.97
    assert sorted(result.voted) == [1, 2]
    assert result.phases.dtype == np.uint8


def test_their_number_is_estimated() -> None:
    assert boost(MASKS).materials == 2


def test_parts_of_one_material_are_merged() -> None:
    parts = [box(0, 0, 40, 68), box(44, 0, 96, 68), box(0, 72, 50, 160), box(54, 72, 96, 160)]
    result = boost(parts, 2)
    assert agreement(result.phases) > 0.97
    assert len(result.masks) == 2
    assert (result.masks[0] ^ result.masks[1]).all()


def test_pixels_that_no_mask_covers_are_looked_at_place_by_place() -> None:
    assert agreement(boost([], 2).phases) > 0.9
    assert agreement(boost(MASKS[:1], 2).phases) > 0.9


def test_narrow_gaps_go_to_the_nearest_material_or_stay() -> None:
    assert (boost(MASKS, 2).phases > 0).all()
    kept = boost(MASKS, 2, settings=BoostSettings(crop=64, gaps="keep"))
    assert (kept.phases[:, 68:72] == 0).all()
    assert (kept.phases[:, :68] > 0).all()


def test_a_mask_of_two_textures_is_composite_and_goes() -> None:
    both = box(0, 0, 96, 140)
    result = boost([both], 2)
    assert [(each.candidate, each.rule) for each in result.removed] == [(both, "composite")]
    assert result.kept == ()
    assert agreement(result.phases) > 0.9


def test_materials_are_numbered_from_dark_to_bright() -> None:
    bright = np.arange(160) < 60
    pixels = np.where(bright, 200, 50)[None].repeat(96, axis=0).astype(np.uint8)
    result = boost([box(0, 0, 96, 60), box(0, 60, 96, 160)], 2, pixels)
    assert (result.phases == np.where(bright, 2, 1)).all()
    assert result.voted == (1, 2)  # the larger mask, which is the dark one, comes first


def test_a_mask_under_others_has_no_vote() -> None:
    spare = BoostSettings(crop=24, compound_share=1, child_share=0)
    hidden = box(0, 0, 96, 60)
    result = boost([hidden, box(0, 0, 50, 60), box(50, 0, 96, 60), box(0, 72, 96, 160)], 2, settings=spare)
    assert result.voted[result.kept.index(hidden)] == 0
    assert agreement(result.phases) > 0.97


def test_one_material_is_everywhere() -> None:
    assert (boost(MASKS, 1).phases == 1).all()


def test_a_flat_image_is_one_material_whatever_is_asked() -> None:
    result = boost(MASKS, 3, np.full(SHAPE, 9, np.uint8))
    assert result.materials == 1
    assert (result.phases == 1).all()


def test_the_same_seed_repeats_exactly() -> None:
    assert (boost([], 2).phases == boost([], 2).phases).all()


def test_the_order_of_masks_is_of_no_account() -> None:
    masks = [*MASKS, box(0, 0, 96, 66), box(5, 5, 9, 9)]
    assert (boost(masks, 2).phases == boost(masks[::-1], 2).phases).all()


@pytest.mark.parametrize("materials", [0, 256])
def test_impossible_numbers_are_refused(materials: int) -> None:
    with pytest.raises(ValueError, match=str(materials)):
        boost(MASKS, materials)


@pytest.mark.parametrize("probable", [False, True], ids=["ids", "probabilities"])
def test_a_classifier_takes_the_place_of_k_means(probable: bool) -> None:
    seen = []

    def classify(crops: np.ndarray) -> np.ndarray:
        seen.append(crops.shape[1:])
        upright = np.abs(np.diff(crops.astype(float), axis=2)).mean(axis=(1, 2))
        level = np.abs(np.diff(crops.astype(float), axis=1)).mean(axis=(1, 2))
        ids = np.where(upright > level, 3, 1)
        return np.eye(5)[ids] if probable else ids

    result = boost(MASKS, classifier=classify)
    truth = two_textures()[1]
    assert set(seen) == {(24, 24)}
    assert result.materials == (5 if probable else 4)
    assert np.mean(result.phases == np.where(truth == 1, 4, 2)) > 0.97  # class c is phase c + 1
    assert set(result.voted) == {4, 2}


@pytest.mark.parametrize("answer", [np.zeros(3), np.zeros((1, 2)), -1, 0.5])
def test_what_is_no_class_is_refused(answer: object) -> None:
    def classify(crops: np.ndarray) -> np.ndarray:
        return answer if isinstance(answer, np.ndarray) else np.full(len(crops), answer)

    with pytest.raises(ValueError, match="ids"):
        boost(MASKS, classifier=classify)


def test_features_of_any_kind_do() -> None:
    def left_or_right(pixels: np.ndarray) -> np.ndarray:
        return np.where(np.arange(16) < 7, 0.0, 1.0)[None, :, None].repeat(9, axis=0).astype(np.float32)

    assert agreement(boost(MASKS, 2, features=left_or_right).phases) > 0.97


@pytest.mark.parametrize("path", sorted((configs_root() / "boost").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_loads_and_is_named_as_its_file(path) -> None:
    assert load_preset(path.stem, BoostSettings, "boost").name == path.stem


def test_layers_are_the_papers_thresholds() -> None:
    settings = load_preset("layers", BoostSettings, "boost")
    assert settings == BoostSettings()
    assert (settings.child_share, settings.compound_share, settings.crop) == (0.05, 0.7, 60)
