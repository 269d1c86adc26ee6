"""SAM's own generator is asked as it is, and its masks are painted as MatSAM's are."""

import numpy as np
import pytest
from segment_anything import SamAutomaticMaskGenerator

from matcurate.config import load_preset
from matcurate.errors import ConfigError
from matcurate.imaging.proxy import to_uint8
from matcurate.promptable.embeddings import EmbeddingCache
from matcurate.promptable.sam import SamBackbone
from matcurate.segmentation import amg
from matcurate.segmentation.amg import Amg, AmgSettings, generated
from matcurate.segmentation.matsam.pipeline import MatSamPreset
from matcurate.types import Candidate
from tests.unit.threshold_backbone import ThresholdBackbone
from tests.unit.tiny_sam import tiny_sam

SHAPE = (96, 160)


def preset(name: str = "phases") -> MatSamPreset:
    return load_preset(name, MatSamPreset, "presets")


@pytest.fixture
def backbone(tmp_path, tiny_vit_b) -> SamBackbone:
    return SamBackbone("vit_b", None, EmbeddingCache(tmp_path, 0), device="cpu")


def picture() -> np.ndarray:
    """Two bright discs, the right one with a dark hole."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = (np.hypot(rows - 48, columns - 40) < 20) | (np.hypot(rows - 48, columns - 110) < 25)
    truth &= np.hypot(rows - 48, columns - 110) >= 8
    return np.where(truth, 180, 60).astype(np.uint8)


def disc(row: int, column: int, radius: float, quality: float) -> Candidate:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    mask = np.hypot(rows - row, columns - column) < radius
    return amg._boxed(mask, quality)


def test_the_defaults_are_those_of_segment_anything() -> None:
    plain, ours = (SamAutomaticMaskGenerator(tiny_sam(), **arguments) for arguments in ({}, AmgSettings().model_dump()))
    kept = vars(plain).keys() - {"predictor", "point_grids"}
    assert {name: vars(ours)[name] for name in kept} == {name: vars(plain)[name] for name in kept}
    assert np.array_equal(ours.point_grids[0], plain.point_grids[0])
    opened = AmgSettings(points_per_side=5).without_filters()
    assert (opened.pred_iou_thresh, opened.stability_score_thresh, opened.points_per_side) == (0, 0, 5)


def test_candidates_are_the_records_of_the_generator() -> None:
    model = tiny_sam()
    settings = AmgSettings(points_per_side=3, points_per_batch=4, box_nms_thresh=1.0).without_filters()
    pixels = picture().astype(np.uint16) * 257
    result = generated(model, pixels, settings)
    records = SamAutomaticMaskGenerator(model, **settings.model_dump()).generate(np.dstack([to_uint8(pixels)] * 3))
    records = [record for record in records if record["area"]]
    assert len(result) == len(records) > 3
    for candidate, record in zip(result, records, strict=True):
        assert np.array_equal(candidate.paint(SHAPE), record["segmentation"])
        assert candidate.quality == pytest.approx(np.clip(record["predicted_iou"], 0, 1))


def test_masks_on_the_wrong_side_are_not_painted(backbone, monkeypatch) -> None:
    around = amg._boxed(picture() < 100, 0.99)
    masks = (disc(48, 40, 20, 0.9), disc(48, 110, 25, 0.8), disc(48, 110, 8, 0.7), around)
    monkeypatch.setattr(amg, "generated", lambda model, pixels, settings: masks)
    result = Amg(backbone, preset()).segment(picture())
    assert result.masks == 4
    assert np.array_equal(result.phases, masks[0].paint(SHAPE) | masks[1].paint(SHAPE))  # not the hole's
    assert result.count == 2
    assert 0.5 < result.score <= 1.0
    dark = Amg(backbone, preset()).segment(picture(), "dark")
    assert np.array_equal(dark.phases, (picture() < 100))


def test_grains_are_the_masks_as_they_are(backbone, monkeypatch) -> None:
    masks = (disc(48, 110, 8, 0.7), disc(48, 110, 25, 0.1))
    monkeypatch.setattr(amg, "generated", lambda model, pixels, settings: masks)
    result = Amg(backbone, preset("grains")).segment(picture())
    assert result.instances[48, 110] == 1 and result.instances[48, 125] == 2 and result.instances[0, 0] == 0
    assert np.array_equal(result.phases, result.instances > 0)
    assert result.masks == 2


def test_no_mask_is_an_empty_segmentation(backbone) -> None:
    result = Amg(backbone, preset(), AmgSettings(points_per_side=2)).segment(picture())
    assert (result.masks, result.count, result.score) == (0, 0, 0.0)


def test_the_version_names_the_backbone_and_follows_settings_and_preset(backbone) -> None:
    one = Amg(backbone, preset())
    others = Amg(backbone, preset("layers")), Amg(backbone, preset(), AmgSettings().without_filters())
    assert one.version.startswith("amg-vit_b-") and one.version == Amg(backbone, preset()).version
    assert len({one.version, *(other.version for other in others)}) == 3


def test_other_backbones_are_refused_with_the_remedy() -> None:
    with pytest.raises(
        ConfigError, match=r"run on 'threshold'; use --backbone vit_b, vit_l or vit_h .*--random-weights"
    ):
        Amg(ThresholdBackbone(), preset())
