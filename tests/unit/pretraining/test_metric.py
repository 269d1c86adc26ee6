"""A metric and a selector learned from a few generated textures tell others apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from matcurate.cli.app import run
from matcurate.config import load_preset
from matcurate.errors import ConfigError
from matcurate.imaging import texture
from matcurate.pretraining.metric import MetricRecipe, at_places, is_metric, pretrain_metric, toned
from matcurate.segmentation.discovery import discover, load_engine

RECIPE = {
    "trains": "metric",
    "name": "tiny",
    "engines": ["fisher"],
    "textures": 12,
    "edge": 224,
    "collages": 6,
    "size": 192,
    "regions": [2, 3],
    "choices": 12,
    "sizes": [192],
    "most": 3,
}


def test_the_shipped_recipe_is_one_of_a_metric_and_that_of_the_network_is_not() -> None:
    assert is_metric("metric") and not is_metric("objects")
    assert load_preset("metric", MetricRecipe, "pretrain").engines == ("network", "fisher")


def test_tones_keep_the_texture_and_change_grey_level_and_contrast() -> None:
    image = np.random.default_rng(0).normal(0, 3, (40, 56)).astype(np.float32)
    first, *others = toned(image, 4, (1, 2))
    assert first is image and len(others) == 3
    for other in others:
        assert np.corrcoef(other.ravel(), image.ravel())[0, 1] == pytest.approx(1, abs=1e-5)
        assert 0.39 * image.std() < other.std() < 1.01 * image.std()
        assert abs(other.mean() - image.mean()) < 2.1 * image.std()
    assert len({round(float(other.mean()), 3) for other in others}) == 3


def test_labels_at_places_are_those_in_their_middle() -> None:
    labels = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12)
    assert at_places(labels).tolist() == [[26, 30, 34], [74, 78, 82]]


def test_a_metric_from_the_command_line_divides_textures_that_it_has_not_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(RECIPE))
    assert run(["pretrain", "--config", str(config), "--out", str(tmp_path / "run"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    engine = load_engine(Path(report["weights"]["fisher"]))
    assert report["textures"] == 12 and engine.metric.projection.shape == (150, 24)
    pixels = np.hstack([texture((192, 128), np.random.default_rng(seed)) for seed in (1, 2)])
    labels = discover(pixels, "fisher", 2, engine=engine).labels
    left = float((labels[:, :128] == labels[96, 40]).mean())
    assert left > 0.9 and float((labels[:, 128:] == labels[96, 210]).mean()) > 0.9
    again = pretrain_metric(str(config), tmp_path / "again")
    assert again.sha256["fisher"] == report["sha256"]["fisher"]


def test_a_metric_takes_no_options_of_the_network_and_no_unknown_kinds(tmp_path: Path) -> None:
    assert run(["pretrain", "--config", "metric", "--out", str(tmp_path), "--minutes", "1"]) == 2
    config = tmp_path / "odd.yaml"
    config.write_text(yaml.safe_dump({**RECIPE, "kinds": ["cheese"]}))
    with pytest.raises(ConfigError, match="cheese"):
        pretrain_metric(str(config), tmp_path / "out")
    config.write_text(yaml.safe_dump({**RECIPE, "micrographs": 3}))
    with pytest.raises(ConfigError, match="micrographs of no kind"):
        pretrain_metric(str(config), tmp_path / "out")
