"""Regions of generated textures: their number, their borders, and what must not change them."""

import numpy as np
import pytest
import torch

from matcurate.errors import CheckpointError, ConfigError
from matcurate.imaging import texture
from matcurate.promptable.builtin.network import NetworkSettings, ObjectNet
from matcurate.segmentation.discovery import (
    METHODS,
    LearnedEngine,
    Metric,
    discover,
    load_engine,
    save_engine,
    shipped_engine,
)
from matcurate.segmentation.discovery.encoder import CORE, block_features, encoded
from matcurate.segmentation.fisher import PaperSettings

SHAPE = (192, 256)


def picture(seeds: tuple[int, ...] = (1, 2), shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Textures side by side, as wide as each other, and which is where."""
    width = shape[1] // len(seeds)
    parts = [texture((shape[0], width), np.random.default_rng(seed)) for seed in seeds]
    return np.hstack(parts), np.repeat(np.arange(1, len(seeds) + 1), width)[None].repeat(shape[0], axis=0)


def agreement(labels: np.ndarray, truth: np.ndarray) -> float:
    """Share of the pixels that are right when regions 1 and 2 may be exchanged."""
    same = float((labels == truth).mean())
    return max(same, float((3 - labels == truth).mean()))


@pytest.mark.parametrize("method", METHODS)
def test_two_textures_are_told_apart(method: str) -> None:
    pixels, truth = picture()
    discovery = discover(pixels, method, 2, paper=PaperSettings(window=10))
    assert discovery.count == 2 and set(np.unique(discovery.labels)) == {1, 2}
    assert agreement(discovery.labels, truth) > (0.8 if method == "paper" else 0.95)
    assert discovery.reason == "2 regions, as asked"


def test_the_network_counts_two_textures_and_one() -> None:
    pixels, truth = picture()
    two = discover(pixels)
    assert two.count == 2 and agreement(two.labels, truth) > 0.95
    assert two.reason.startswith(f"2 regions: probability {two.probabilities[1]:.2f}")
    assert sum(two.probabilities) == pytest.approx(1)
    one = discover(picture((1,))[0])
    assert one.count == 1 and np.all(one.labels == 1) and one.reason.startswith("one texture: probability")


def test_the_largest_region_has_number_1() -> None:
    pixels = np.hstack([picture((1,), (192, 96))[0], picture((2,), (192, 160))[0]])
    labels = discover(pixels, regions=2).labels
    assert np.all(labels[20:-20, 130:-20] == 1) and np.all(labels[20:-20, 20:60] == 2)


@pytest.mark.parametrize("change", ["turned", "mirrored", "brighter", "faint", "16 bit"])
def test_the_regions_do_not_change_with_the_picture(change: str) -> None:
    pixels, truth = picture()
    grey = pixels.astype(np.float32)
    changed = {
        "turned": np.rot90(pixels),
        "mirrored": pixels[:, ::-1],
        "brighter": (grey / 2 + 100).astype(np.float32),
        "faint": (grey / 10).astype(np.float32),
        "16 bit": pixels.astype(np.uint16) * 257,
    }[change]
    discovery = discover(np.ascontiguousarray(changed))
    back = {"turned": np.rot90(discovery.labels, -1), "mirrored": discovery.labels[:, ::-1]}
    assert discovery.count == 2
    assert agreement(back.get(change, discovery.labels), truth) > 0.95


def test_the_same_seed_repeats_exactly() -> None:
    pixels, _ = picture((3, 4, 5))
    first, second = (discover(pixels, "fisher", seed=3) for _ in range(2))
    assert np.array_equal(first.labels, second.labels) and first.reason == second.reason


def test_the_paper_says_what_both_of_its_rules_say() -> None:
    discovery = discover(picture()[0], "paper", paper=PaperSettings(window=10, components=3, rule="elbow"))
    count = "one texture" if discovery.count == 1 else f"{discovery.count} regions"
    assert discovery.reason.startswith(f"{count}: posterior weights say ")
    assert discovery.probabilities == ()
    assert sum(discovery.mixture().weights) == pytest.approx(1)


@pytest.mark.parametrize(
    ("pixels", "regions", "message"),
    [
        (np.full((96, 160), 7, np.uint8), None, "all pixels are equal"),
        (picture()[0][:40], None, "256 x 40 pixels; discovery compares windows, give at least 64"),
        (picture()[0][:1], None, "256 x 1 pixels"),
        (np.where(picture()[0] == picture()[0].max(), np.nan, 0.5), None, "not finite"),
        (picture()[0], 50, "50 regions cannot be asked for; give 1 to 20"),
        (picture()[0], 0, "0 regions cannot be asked for"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_one_line(pixels: np.ndarray, regions: int | None, message: str) -> None:
    for method in METHODS:
        with pytest.raises(ConfigError) as refusal:
            discover(pixels, method, regions)
        assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_the_paper_needs_more_than_its_window() -> None:
    with pytest.raises(ConfigError, match="256 x 80 pixels are smaller than the paper's window; give more than 84"):
        discover(picture()[0][:80], "paper", paper=PaperSettings(half=5, window=35))


def test_windows_of_a_large_image_give_the_features_of_the_whole() -> None:
    network = ObjectNet(NetworkSettings()).eval()
    image = np.random.default_rng(0).normal(size=(64, CORE + 96)).astype(np.float32)
    seen: list[int] = []
    field = encoded(network, image, lambda features: features[:, :40], lambda done, total, note="": seen.append(total))
    assert field.shape == (16, (CORE + 96) // 4, 40) and seen == [2, 2]
    # blocks that see few pixels do not notice where a window ends
    shifted = encoded(network, np.ascontiguousarray(image[:, 32:]), lambda features: features[:, :16])
    assert field[:, 40:-40, :16] == pytest.approx(shifted[:, 32:-40], abs=1e-3)


def test_features_are_positive_and_negative_parts() -> None:
    features = block_features(ObjectNet(NetworkSettings()).eval(), torch.randn(1, 1, 64, 96))
    assert features.shape == (1, 928, 16, 24) and bool((features >= 0).all())
    positive, negative = features[:, 32:56], features[:, 56:80]  # of block 2, which has the stride of the field
    assert bool((positive * negative == 0).all()) and bool((positive + negative > 0).any())


def test_an_engine_is_the_same_when_read_again(tmp_path) -> None:
    shipped = shipped_engine("fisher")
    engine = LearnedEngine("fisher", Metric(shipped.metric.centre, shipped.metric.projection * 2), shipped.selector)
    save_engine(tmp_path / "own.safetensors", engine, {"recipe": "a test"})
    read = load_engine(tmp_path / "own.safetensors")
    assert np.array_equal(read.metric.projection, shipped.metric.projection * 2)
    assert np.array_equal(read.selector.inner, shipped.selector.inner) and read.name == "fisher"
    with pytest.raises(CheckpointError, match="no such file"):
        load_engine(tmp_path / "none.safetensors")
