"""The whole pipeline on generated micrographs: by maps with the built-in network, by prompts with a rule."""

from pathlib import Path

import numpy as np
import pytest

from matcurate.config import configs_root, load_preset
from matcurate.errors import ConfigError
from matcurate.imaging.synth.registry import generate
from matcurate.promptable.builtin.maps import ObjectMaps
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.protocol import Traits
from matcurate.segmentation.baselines import watershed
from matcurate.segmentation.matsam import masks as proposals
from matcurate.segmentation.matsam.generate import decode
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import adjusted_rand_index, class_mean_iou
from matcurate.types import Candidate
from tests.unit.threshold_backbone import ThresholdBackbone

SIZE = (192, 256)
PRESETS = sorted((configs_root() / "presets").glob("*.yaml"))


def matsam(preset: str = "phases", *, maps: bool = False) -> MatSam:
    """With a rule that answers prompts, or with the built-in network, which maps all objects."""
    return MatSam(shipped("cpu") if maps else ThresholdBackbone(), load_preset(preset, MatSamPreset, "presets"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_shipped_preset_loads_and_is_named_as_its_file(path: Path) -> None:
    assert load_preset(path.stem, MatSamPreset, "presets").name == path.stem


def test_there_are_the_three_presets_of_the_command_line() -> None:
    assert {path.stem for path in PRESETS} >= {"phases", "grains", "layers"}


def test_a_preset_refuses_typos(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nsmalest: 3\n")
    with pytest.raises(ConfigError, match="smalest"):
        load_preset(str(path), MatSamPreset, "presets")


def test_the_version_names_backbone_and_preset_and_follows_both() -> None:
    one = matsam()
    assert one.version.startswith("matsam-threshold-phases-")
    assert len(one.version.rsplit("-", 1)[1]) == 8
    assert one.version == matsam().version
    stricter = one.preset.model_copy(update={"contrast": 0.3})
    other = ThresholdBackbone(min_area=40)
    versions = {one.version, MatSam(one.backbone, stricter).version, MatSam(other, one.preset).version}
    assert len(versions) == 3


@pytest.mark.parametrize(
    ("kind", "maps"),
    [("phases", False), ("precipitates", False), ("particles", False), ("precipitates", True), ("particles", True)],
)
def test_phases_are_found_without_being_told_the_side(kind: str, maps: bool) -> None:
    scores = []
    for seed in range(2):
        micrograph = generate(kind, SIZE, np.random.default_rng(seed))
        result = matsam(maps=maps).segment(micrograph.pixels)
        truth = micrograph.phases > 0
        scores.append(class_mean_iou(result.phases > 0, truth))
        assert np.array_equal(result.instances > 0, result.phases > 0) and 0 < result.score <= 1
    assert np.mean(scores) > 0.8


def test_grains_fill_the_image_and_are_better_than_the_plain_watershed() -> None:
    ours, theirs = [], []
    for seed in range(2):
        micrograph = generate("grains", SIZE, np.random.default_rng(seed))
        result = matsam("grains", maps=True).segment(micrograph.pixels)
        assert result.instances.min() == 1
        assert (result.phases == 1).all()
        ours.append(adjusted_rand_index(result.instances, micrograph.instances))
        theirs.append(adjusted_rand_index(watershed(micrograph.pixels).instances, micrograph.instances))
    assert np.mean(ours) > 0.5
    assert np.mean(ours) > np.mean(theirs) + 0.2


def test_grains_from_boundaries_of_image_and_masks_fill_it_too() -> None:
    micrograph = generate("grains", SIZE, np.random.default_rng(0))
    result = matsam("grains").segment(micrograph.pixels)
    assert result.instances.min() == 1 and (result.phases == 1).all() and result.masks is not None
    theirs = adjusted_rand_index(watershed(micrograph.pixels).instances, micrograph.instances)
    assert adjusted_rand_index(result.instances, micrograph.instances) > theirs


@pytest.mark.parametrize("maps", [True, False], ids=["maps", "prompts"])
def test_the_side_can_be_told(maps: bool) -> None:
    micrograph = generate("precipitates", SIZE, np.random.default_rng(1))
    segmenter = matsam(maps=maps)
    bright, dark = (segmenter.segment(micrograph.pixels, side).phases > 0 for side in ("bright", "dark"))
    assert np.mean(bright & dark) < 0.05 and bright.any() and dark.any()
    auto = segmenter.segment(micrograph.pixels).phases > 0
    assert min(np.mean(auto != bright), np.mean(auto != dark)) < 0.001


def test_proposals_are_of_both_grey_sides_and_any_quality_and_none_comes_twice() -> None:
    rows, columns = np.mgrid[:96, :160]
    bright, dark = np.hypot(rows - 48, columns - 40) < 25, np.hypot(rows - 48, columns - 115) < 25
    pixels = (120 + 70 * bright - 70 * dark + np.random.default_rng(0).normal(0, 2, bright.shape)).astype(np.uint8)
    best, again = (Candidate(24, 16, np.ascontiguousarray(bright[24:73, 16:65]), quality) for quality in (0.9, 0.7))
    other = Candidate(24, 91, np.ascontiguousarray(dark[24:73, 91:140]), 0.1)
    segmenter = MatSam(Answers(again, best, other), matsam().preset)  # type: ignore[arg-type]
    result = segmenter.propose(pixels)
    assert [mask.quality for mask in result] == [0.9, 0.1]
    assert np.array_equal(result[0].paint(bright.shape), bright) and np.array_equal(result[1].paint(dark.shape), dark)


@pytest.mark.parametrize("maps", [True, False], ids=["maps", "prompts"])
def test_the_transposed_image_gives_the_transposed_result(maps: bool) -> None:
    pixels, segmenter = generate("particles", SIZE, np.random.default_rng(2)).pixels, matsam(maps=maps)
    result = segmenter.segment(pixels).phases
    turned = segmenter.segment(np.ascontiguousarray(pixels.T)).phases.T
    assert np.mean(result != turned) < (0.05 if maps else 0.01)


@pytest.mark.parametrize("maps", [True, False], ids=["maps", "prompts"])
def test_16_bit_gives_what_8_bit_gives(maps: bool) -> None:
    pixels, segmenter = generate("particles", SIZE, np.random.default_rng(2)).pixels, matsam(maps=maps)
    result = segmenter.segment(pixels).phases
    assert np.mean(result != segmenter.segment(pixels.astype(np.uint16) * 257).phases) < 0.01


@pytest.mark.parametrize("preset", ["phases", "grains", "layers"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_constant_image_is_no_error(preset: str, dtype: type) -> None:
    result = matsam(preset).segment(np.full((48, 80), 5, dtype=dtype))
    assert result.count == (1 if preset == "grains" else 0)
    assert result.score == 0.0


def test_prompts_are_decoded_in_batches_and_reported() -> None:
    micrograph = generate("particles", SIZE, np.random.default_rng(3))
    predictor = ThresholdBackbone().open(micrograph.pixels)
    points = np.stack([np.arange(10.0) * 20 + 5, np.arange(10.0) * 15 + 5], axis=1)
    calls: list[tuple[int, int]] = []
    result = decode(predictor, points, 4, lambda done, total, note="": calls.append((done, total)))
    assert calls == [(4, 10), (8, 10), (10, 10)]
    together = predictor.predict(points[:, None, :], np.ones((10, 1), dtype=np.int64))
    assert [c.box for c in result] == [c.box for answer in together for c in answer]
    for point, answer in zip(points, together, strict=True):
        assert all(candidate.paint(SIZE)[int(point[1]), int(point[0])] for candidate in answer)


def test_a_backbone_that_only_answers_prompts_finds_the_phases() -> None:
    micrograph = generate("particles", SIZE, np.random.default_rng(3))
    preset, asked = load_preset("phases", MatSamPreset, "presets"), []
    result = MatSam(ThresholdBackbone(), preset).segment(
        micrograph.pixels, progress=lambda *stand: asked.append(stand[:2])
    )
    assert class_mean_iou(result.phases > 0, micrograph.phases > 0) > 0.75
    assert len(asked) > 0 and asked[-1][0] == asked[-1][1] >= preset.grid_range[0]


class Mapped:
    """A backbone whose maps are written by hand: two halves that touch. It must not be asked anything."""

    name, digest, traits = "mapped", "1" * 64, Traits("builtin", maps_objects=True)

    def open(self, pixels: np.ndarray) -> object:
        raise AssertionError("a backbone that maps objects needs no prompts")

    def maps(self, pixels: np.ndarray) -> ObjectMaps:
        inside, border = np.zeros((2, *pixels.shape))
        inside[10:38, 10:70], border[:, 39:41] = 0.9, 0.9
        distance = inside * (np.abs(np.indices(pixels.shape)[1] - 39.5) / 30)
        return ObjectMaps(inside, border, border, distance)


@pytest.mark.parametrize("preset", ["phases", "particles", "grains"])
def test_a_backbone_that_maps_objects_is_not_prompted(preset: str) -> None:
    result = MatSam(Mapped(), load_preset(preset, MatSamPreset, "presets")).segment(np.full((48, 80), 7, np.uint8))
    assert result.count == 2 and result.masks is None
    assert result.instances[20, 20] != result.instances[20, 60]
    assert bool(result.phases[2, 2]) == (preset == "grains")


def test_several_phases_are_told_by_grey_level_whatever_the_backbone_maps() -> None:
    pixels = np.full((48, 80), 120, dtype=np.uint8)
    pixels[5:20, 5:30], pixels[25:40, 40:70] = 40, 220
    preset = load_preset("phases", MatSamPreset, "presets").model_copy(update={"phases": 2})
    result = MatSam(Mapped(), preset).segment(pixels)
    assert result.phases[10, 15] == 1 and result.phases[30, 50] == 2 and result.phases[2, 2] == 0


@pytest.mark.parametrize("preset", ["phases", "grains", "layers"])
@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1)])
def test_one_pixel_high_or_wide_is_no_error(preset: str, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    result = matsam(preset).segment(pixels)
    assert result.phases.shape == result.instances.shape == shape
    assert 0.0 <= result.score <= 1.0


class Answers:
    """A backbone that answers every prompt with the masks, of those it was made with, that hold the point."""

    name = "answers"
    digest = "0" * 64
    traits = Traits("rule")

    def __init__(self, *masks: Candidate) -> None:
        self.masks = masks

    def open(self, pixels: np.ndarray) -> object:
        masks = self.masks

        class Predictor:
            shape = pixels.shape

            def predict(self, points: np.ndarray, labels: np.ndarray) -> list[tuple[Candidate, ...]]:
                places = [(int(y), int(x)) for ((x, y),) in points]
                return [tuple(mask for mask in masks if mask.paint(pixels.shape)[place]) for place in places]

        return Predictor()


def three_columns() -> tuple[np.ndarray, tuple[Candidate, ...]]:
    """48 x 80 pixels without any contrast; masks of columns 0-29 (two of them), 36-79, and 40-79."""
    widths = ((0, 30, 0.9), (0, 20, 0.6), (36, 44, 0.7), (40, 40, 0.8))
    masks = (Candidate(0, left, np.ones((48, width), dtype=bool), quality) for left, width, quality in widths)
    return np.full((48, 80), 90, dtype=np.uint8), tuple(masks)


@pytest.mark.parametrize("preset", ["grains", "grains_paper"])
def test_surviving_masks_are_the_grains_ranked_by_the_backbones_quality(preset: str) -> None:
    pixels, masks = three_columns()
    chosen = load_preset(preset, MatSamPreset, "presets").model_copy(update={"grains_from": "masks"})
    result = MatSam(Answers(*masks), chosen).segment(pixels)  # type: ignore[arg-type]
    assert result.masks == result.count == 2 and result.score == pytest.approx((0.9 * 30 + 0.8 * 40) / 70)
    assert (result.phases == 1).all()
    left, right = result.instances[0, 0], result.instances[0, 79]
    assert (result.instances[:, :34] == left).all() and (result.instances[:, 36:] == right).all()  # the gap: 30 to 39
    bare = MatSam(Answers(*masks), chosen.without_post_processing()).segment(pixels)  # type: ignore[arg-type]
    assert (bare.instances[:, 30:40] == 0).all() and (bare.phases == (bare.instances > 0)).all()
    assert np.count_nonzero(bare.instances) == 48 * 70


def test_without_post_processing_masks_of_no_contrast_stay() -> None:
    pixels = np.full((48, 80), 60, dtype=np.uint8)
    pixels[:, :30] = 180
    _, masks = three_columns()
    preset = load_preset("phases_paper", MatSamPreset, "presets")
    kept = MatSam(Answers(*masks), preset).segment(pixels, "bright")  # type: ignore[arg-type]
    assert np.array_equal(kept.phases > 0, pixels > 100)
    bare = MatSam(Answers(*masks), preset.without_post_processing()).segment(pixels, "bright")  # type: ignore[arg-type]
    assert bare.phases[:, 45:].all()


def bars() -> np.ndarray:
    """96 x 1200 pixels, noisy; a bright bar over the middle, where two crops meet, and one on each side."""
    pixels = np.random.default_rng(0).normal(80, 4, (96, 1200))
    pixels[30:60, 400:800] += 90
    pixels[10:80, 100:160] += 90
    pixels[20:50, 1000:1100] += 90
    return pixels.clip(0, 255).astype(np.uint8)


def test_an_object_over_the_border_of_two_crops_comes_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[tuple[int, int, str]] = []
    monkeypatch.setattr(proposals, "LARGEST_WHOLE", 512)
    result = matsam().segment(bars(), progress=lambda *stand: reports.append(stand))
    assert reports == [(1, 2, "crops"), (2, 2, "crops")]
    assert result.count == 3
    (across,) = np.unique(result.instances[45, 420:780])
    assert across > 0 and np.count_nonzero(result.instances == across) == pytest.approx(30 * 400, rel=0.03)


def test_soft_suppression_between_crops_finds_the_same_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "LARGEST_WHOLE", 512)
    soft = matsam().preset.model_copy(update={"between_crops": "soft"})
    hard, result = (MatSam(ThresholdBackbone(), preset).segment(bars()) for preset in (matsam().preset, soft))
    assert result.count == hard.count == 3
    assert np.mean(result.phases != hard.phases) < 0.005
    assert result.masks is not None and hard.masks is not None and result.masks >= hard.masks
