"""Settings of MatSAM, and what earlier versions wrote of them."""

import json
import logging

import pytest

from matcurate.config import load_preset
from matcurate.errors import ConfigError
from matcurate.segmentation.matsam.pipeline import MatSam
from matcurate.segmentation.matsam.preset import MatSamPreset, warn_of_touching
from tests.unit.threshold_backbone import ThresholdBackbone


@pytest.mark.parametrize(("old", "split"), [("kept", False), ("parted", True)])
def test_an_old_value_is_read_with_a_warning_that_names_the_new_one(tmp_path, caplog, old: str, split: bool) -> None:
    warn_of_touching.cache_clear()
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\ntouching: {old}\n")
    with caplog.at_level(logging.WARNING):
        assert load_preset(str(path), MatSamPreset, "presets").split_touching is split
    assert f"'touching: {old}' is now 'split_touching: {str(split).lower()}'" in caplog.text


@pytest.mark.parametrize("content", ["touching: glued", "touching: [kept]", "touching: kept\nsplit_touching: true"])
def test_other_values_of_the_old_setting_are_refused(tmp_path, content: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\n{content}\n")
    with pytest.raises(ConfigError, match="touching"):
        load_preset(str(path), MatSamPreset, "presets")


@pytest.mark.parametrize(("split", "word"), [(True, "parted"), (False, "kept")])
def test_what_is_recorded_keeps_the_spelling_of_the_first_version(split: bool, word: str) -> None:
    preset = MatSamPreset(name="mine", split_touching=split)
    recorded = json.loads(preset.recorded())
    assert recorded["touching"] == word and list(recorded)[4:6] == ["touching", "roi"]
    assert MatSamPreset.model_validate(recorded) == preset


@pytest.mark.parametrize(
    ("preset", "version"),
    [("phases", "07e72d3b"), ("layers", "817b0f58"), ("grains_paper", "4943106b")],
)
def test_the_names_of_predictions_stay_those_of_earlier_versions(preset: str, version: str) -> None:
    segmenter = MatSam(ThresholdBackbone(), load_preset(preset, MatSamPreset, "presets"))
    assert segmenter.version == f"matsam-threshold-{preset}-{version}"
