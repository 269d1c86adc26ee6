"""The whole pipeline with the real component tree, on generated micrographs."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from matcurate.config import configs_root, load_preset
from matcurate.errors import ConfigError
from matcurate.imaging.synth.registry import generate
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.tree import TreeBackbone, TreeSettings
from matcurate.segmentation.baselines import otsu, watershed
from matcurate.segmentation.matsam import pipeline
from matcurate.segmentation.matsam.generate import decode, unprompted
from matcurate.segmentation.matsam.pipeline import MatSam, MatSamPreset
from matcurate.segmentation.metrics import adjusted_rand_index, class_mean_iou
from matcurate.types import Candidate, intersection

SIZE = (192, 256)
PRESETS = sorted((configs_root() / "presets").glob("*.yaml"))


def matsam(preset: str = "phases") -> MatSam:
    return MatSam(TreeBackbone(), load_preset(preset, MatSamPreset, "presets"))


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
    assert one.version.startswith("matsam-tree-phases-")
    assert len(one.version.rsplit("-", 1)[1]) == 8
    assert one.version == matsam().version
    stricter = one.preset.model_copy(update={"contrast": 0.3})
    other_tree = TreeBackbone(TreeSettings(min_area=40))
    versions = {one.version, MatSam(one.backbone, stricter).version, MatSam(other_tree, one.preset).version}
    assert len(versions) == 3


@pytest.mark.parametrize("kind", ["phases", "precipitates", "particles"])
def test_phases_are_found_without_being_told_the_side(kind: str) -> None:
    scores = []
    for seed in range(3):
        micrograph = generate(kind, SIZE, np.random.default_rng(seed))
        found = matsam().segment(micrograph.pixels)
        truth = micrograph.phases > 0
        scores.append(
            (class_mean_iou(found.phases > 0, truth), class_mean_iou(otsu(micrograph.pixels).phases > 0, truth))
        )
    ours, theirs = np.mean(scores, axis=0)
    assert ours > 0.85
    assert ours > theirs - 0.01


def test_grains_fill_the_image_and_are_better_than_the_plain_watershed() -> None:
    ours, theirs = [], []
    for seed in range(3):
        micrograph = generate("grains", SIZE, np.random.default_rng(seed))
        found = matsam("grains").segment(micrograph.pixels)
        assert found.instances.min() == 1
        assert (found.phases == 1).all()
        ours.append(adjusted_rand_index(found.instances, micrograph.instances))
        theirs.append(adjusted_rand_index(watershed(micrograph.pixels).instances, micrograph.instances))
    assert np.mean(ours) > 0.4
    assert np.mean(ours) > np.mean(theirs) + 0.2


def test_the_side_can_be_told() -> None:
    micrograph = generate("precipitates", SIZE, np.random.default_rng(1))
    bright, dark = (matsam().segment(micrograph.pixels, side).phases > 0 for side in ("bright", "dark"))
    assert np.mean(bright & dark) < 0.05
    auto = matsam().segment(micrograph.pixels).phases > 0
    assert np.array_equal(auto, bright) or np.array_equal(auto, dark)


def test_proposals_are_of_both_grey_sides_and_none_comes_twice() -> None:
    rows, columns = np.mgrid[:96, :160]
    bright, dark = np.hypot(rows - 48, columns - 40) < 25, np.hypot(rows - 48, columns - 115) < 25
    noise = np.random.default_rng(0).normal(0, 2, bright.shape)
    masks = matsam().propose((120 + 70 * bright - 70 * dark + noise).astype(np.uint8))
    for wanted in (bright, dark):
        found = [mask.paint(wanted.shape) for mask in masks]
        assert max(np.sum(one & wanted) / np.sum(one | wanted) for one in found) > 0.95
    overlaps = [
        intersection(one, other) / (one.area + other.area - intersection(one, other))
        for one, other in combinations(masks, 2)
    ]
    assert overlaps and max(overlaps) <= 0.7


def test_proposals_are_of_any_quality() -> None:
    pixels = generate("layers", (96, 160), np.random.default_rng(4)).pixels
    masks = MatSam(shipped("cpu"), load_preset("layers", MatSamPreset, "presets")).propose(pixels)
    assert min(mask.quality for mask in masks) < 0.5


def test_the_transposed_image_gives_the_transposed_result() -> None:
    pixels = generate("phases", SIZE, np.random.default_rng(2)).pixels
    found = matsam().segment(pixels).phases
    turned = matsam().segment(np.ascontiguousarray(pixels.T)).phases.T
    assert np.mean(found != turned) < 0.01


def test_16_bit_gives_what_8_bit_gives() -> None:
    pixels = generate("phases", SIZE, np.random.default_rng(2)).pixels
    found = matsam().segment(pixels).phases
    assert np.mean(found != matsam().segment(pixels.astype(np.uint16) * 257).phases) < 0.01


@pytest.mark.parametrize("preset", ["phases", "grains", "layers"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_constant_image_is_no_error(preset: str, dtype: type) -> None:
    found = matsam(preset).segment(np.full((48, 80), 5, dtype=dtype))
    assert found.count == (1 if preset == "grains" else 0)
    assert found.score == 0.0


def test_prompts_are_decoded_in_batches_and_reported() -> None:
    micrograph = generate("particles", SIZE, np.random.default_rng(3))
    predictor = TreeBackbone().open(micrograph.pixels)
    points = np.stack([np.arange(10.0) * 20 + 5, np.arange(10.0) * 15 + 5], axis=1)
    calls: list[tuple[int, int]] = []
    found = decode(predictor, points, 4, lambda done, total, note="": calls.append((done, total)))
    assert calls == [(4, 10), (8, 10), (10, 10)]
    together = predictor.predict(points[:, None, :], np.ones((10, 1), dtype=np.int64))
    assert [c.box for c in found] == [c.box for answer in together for c in answer]
    for point, answer in zip(points, together, strict=True):
        assert all(candidate.paint(SIZE)[int(point[1]), int(point[0])] for candidate in answer)


class Prompted:
    """The tree without its unprompted regions, as a network that only answers prompts."""

    def __init__(self, tree: TreeBackbone) -> None:
        self.name, self.digest, self._tree = "prompted", tree.digest, tree

    def open(self, pixels: np.ndarray) -> object:
        inner = self._tree.open(pixels)

        class Predictor:
            shape = inner.shape
            predict = staticmethod(inner.predict)

        return Predictor()


def test_a_backbone_that_only_answers_prompts_sees_the_original_and_finds_the_phases() -> None:
    micrograph = generate("particles", SIZE, np.random.default_rng(3))
    preset = load_preset("phases", MatSamPreset, "presets").model_copy(update={"rough_regions": False})
    backbone = Prompted(TreeBackbone())
    assert unprompted(backbone.open(micrograph.pixels), "bright") == ()
    found = MatSam(backbone, preset).segment(micrograph.pixels)  # type: ignore[arg-type]
    assert class_mean_iou(found.phases > 0, micrograph.phases > 0) > 0.75


@pytest.mark.parametrize("preset", ["phases", "grains", "layers"])
@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1)])
def test_one_pixel_high_or_wide_is_no_error(preset: str, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    found = matsam(preset).segment(pixels)
    assert found.phases.shape == found.instances.shape == shape
    assert 0.0 <= found.score <= 1.0


class Tiles:
    """A backbone that parts every image into a left half of quality .2 and a right half of quality .6."""

    name = "tiles"
    digest = "0" * 64

    def open(self, pixels: np.ndarray) -> object:
        height, width = pixels.shape
        half = width // 2

        class Predictor:
            shape = pixels.shape

            def tiles(self, smallest: int) -> tuple[Candidate, ...]:
                assert smallest == 60  # the preset's
                left, right = np.ones((height, half), dtype=bool), np.ones((height, width - half), dtype=bool)
                return Candidate(0, 0, left, 0.2), Candidate(0, half, right, 0.6)

        return Predictor()


def test_a_backbone_that_parts_images_itself_gives_the_grains() -> None:
    found = MatSam(Tiles(), load_preset("grains", MatSamPreset, "presets")).segment(np.arange(800).reshape(20, 40))
    assert (found.instances[:, :20] == 1).all() and (found.instances[:, 20:] == 2).all()
    assert found.instances.dtype == np.uint32 and (found.phases == 1).all() and found.score == pytest.approx(0.4)


def bars() -> np.ndarray:
    """96 x 1200 pixels, noisy; a bright bar over the middle, where two crops meet, and one on each side."""
    pixels = np.random.default_rng(0).normal(80, 4, (96, 1200))
    pixels[30:60, 400:800] += 90
    pixels[10:80, 100:160] += 90
    pixels[20:50, 1000:1100] += 90
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("backbone", [TreeBackbone(), None], ids=["tree", "builtin"])
def test_an_object_over_the_border_of_two_crops_comes_out_whole(
    backbone: TreeBackbone | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = MatSam(backbone or shipped("cpu"), load_preset("phases", MatSamPreset, "presets"))
    told: list[tuple[int, int, str]] = []
    monkeypatch.setattr(pipeline, "LARGEST_WHOLE", 512)
    found = segmenter.segment(bars(), progress=lambda *stand: told.append(stand))
    assert told == [(1, 2, "crops"), (2, 2, "crops")]
    assert found.count == 3
    (across,) = np.unique(found.instances[45, 420:780])
    assert across > 0 and np.count_nonzero(found.instances == across) == pytest.approx(30 * 400, rel=0.03)


def test_soft_suppression_between_crops_finds_the_same_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "LARGEST_WHOLE", 512)
    soft = matsam().preset.model_copy(update={"between_crops": "soft"})
    hard, found = (MatSam(TreeBackbone(), preset).segment(bars()) for preset in (matsam().preset, soft))
    assert found.count == hard.count == 3
    assert np.mean(found.phases != hard.phases) < 0.005
    assert found.masks is not None and hard.masks is not None and found.masks >= hard.masks


def test_tiles_of_crops_fill_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "LARGEST_WHOLE", 512)
    pixels = bars()
    found = MatSam(shipped("cpu"), load_preset("grains", MatSamPreset, "presets")).segment(pixels)
    assert found.instances.min() > 0 and found.masks == found.count
    assert len(np.unique(found.instances[40:50, 420:780])) == 1
