from pathlib import Path

import cv2
import numpy as np
import pytest

from matcurate.bench.novelty import (
    NoveltyAnswers,
    NoveltyBenchmark,
    NoveltyDraws,
    bench_novelty,
    head_learning,
)
from matcurate.config import Settings
from matcurate.errors import ConfigError, DatasetError
from matcurate.imaging.synth.textures import texture
from matcurate.learned.embedders import EncoderStatistics, embedder_of
from matcurate.learned.texture_crops import learned_crops, measured_crops
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.registry import load_backbone
from matcurate.uncertainty.dirichlet import vacuity
from matcurate.uncertainty.head import HeadSettings, begin_head
from matcurate.uncertainty.trainer import HeadTraining, train_head

CROP = 32


@pytest.fixture(scope="module")
def textures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("textures")
    for seed in range(6):
        cv2.imwrite(str(folder / f"t{seed}.png"), texture((80, 128), np.random.default_rng(seed)))
    return folder


def measured(
    folder: Path, home: Path, crop: int = CROP, backbone: str | None = None, **draws: int
) -> tuple[NoveltyBenchmark, list[NoveltyAnswers]]:
    kept: list[NoveltyAnswers] = []
    learning = head_learning(Settings(home=home), backbone)
    report = bench_novelty(folder, NoveltyDraws(crop=crop, **draws), learning, max_megapixels=1, keep=kept.append)
    return report, kept


def test_learned_and_measured_crops_share_no_pixel() -> None:
    numbers = np.arange(60 * 97).reshape(60, 97)  # every pixel has a name
    learned = learned_crops(numbers, 32, 300, np.random.default_rng(0))
    looked = measured_crops(numbers, 32)
    assert learned.shape == (300, 32, 32)
    assert looked.shape == (13, 32, 32)
    assert not np.intersect1d(learned, looked).size
    columns = np.unique(learned % 97)
    assert (columns.min(), columns.max()) == (0, 96)  # both sides, up to the borders
    assert np.array_equal(np.unique(looked % 97), np.arange(32, 64))


def test_few_rows_give_each_crop_once() -> None:
    assert measured_crops(np.zeros((34, 97)), 32).shape == (3, 32, 32)


def test_novel_textures_are_told_from_known_ones(textures: Path, tmp_path: Path) -> None:
    report, kept = measured(textures, tmp_path, known=4, novel=2, choices=2)
    again, _ = measured(textures, tmp_path, known=4, novel=2, choices=2)
    assert report.per_choice == again.per_choice
    assert (report.known, report.novel, len(report.per_choice), len(kept)) == (4, 2, 2, 2)
    assert kept[0].known.shape == (4 * 13, 4)
    assert kept[0].novel.shape == (2 * 13, 4)
    first = report.per_choice[0]
    assert first.accuracy == pytest.approx(kept[0].correct.mean())
    assert first.u_known == pytest.approx(vacuity(kept[0].known).mean())
    assert report.accuracy == pytest.approx((first.accuracy + report.per_choice[1].accuracy) / 2)
    assert report.accuracy > 0.85
    assert report.u_novel > report.u_known + 0.3
    assert report.auroc > 0.8


def test_what_cannot_be_measured_is_refused(textures: Path, tmp_path: Path, threshold: str) -> None:
    with pytest.raises(ConfigError, match="6 classes cannot be 5 known and 4 novel"):
        measured(textures, tmp_path, known=5, novel=4)
    with pytest.raises(ConfigError, match="no features"):
        measured(textures, tmp_path, novel=2, backbone=threshold)
    with pytest.raises(DatasetError, match="smaller --crop"):
        measured(textures, tmp_path, crop=64)


def test_brightness_contrast_and_quarter_turns_do_not_change_an_embedding() -> None:
    crops = np.stack([texture((64, 64), np.random.default_rng(seed)) for seed in range(2)]).astype(np.float32)
    embed = EncoderStatistics(shipped("cpu"))
    found = embed(crops)
    assert found.shape == (2, 1422)
    np.testing.assert_allclose(embed(0.3 * crops + 40), found, atol=2e-3)
    np.testing.assert_allclose(embed(np.rot90(crops, 1, (1, 2)).copy()), found, atol=2e-3)
    assert np.abs(found[0] - found[1]).max() > 0.5


def test_sams_feature_map_is_pooled_too(tmp_path: Path) -> None:
    from matcurate.promptable.protocol import Traits
    from matcurate.segmentation.boost.textures import FilterBank

    class Shown:
        """A backbone whose images show a feature map."""

        digest = "0" * 64
        name = "shown"
        traits = Traits("sam", embeds=True)

        def open(self, pixels):
            class Image:
                def features(self):
                    return FilterBank()(pixels)

            return Image()

    crops = np.stack([texture((48, 64), np.random.default_rng(seed)) for seed in range(2)])
    found = embedder_of(Shown())(crops)
    assert found.shape == (2, 2 + 2 * FilterBank()(crops[0]).shape[2])
    assert np.isfinite(found).all()
    assert embedder_of(Shown()).digest != embedder_of(load_backbone("builtin", tmp_path)).digest


def test_64_classes_are_learned_without_nan() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (64, 320)).astype(np.float32)  # as far apart as textures are in an encoder's features
    labels, truth = np.repeat(np.arange(64), 12), np.repeat(np.arange(64), 3)
    samples, looked = (
        centres[each] + rng.normal(0, 0.5, (len(each), 320)).astype(np.float32) for each in (labels, truth)
    )
    head = begin_head([f"{k}" for k in range(64)], samples, labels, HeadSettings())
    train_head(head, samples, labels, HeadTraining(), rng=rng)
    assert all(np.isfinite(value.detach().numpy()).all() for value in head.parameters())
    alpha = head.parameters_of(looked)
    assert (alpha.argmax(axis=1) == truth).mean() > 0.8
    assert (head.parameters_of(samples).argmax(axis=1) == labels).mean() > 0.99
