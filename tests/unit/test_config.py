from collections.abc import Iterator
from inspect import isclass
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel, Field

from matcurate.config import Settings, Strict, _warn_of_old_value, load_preset, load_settings, save_settings
from matcurate.errors import ConfigError
from matcurate.learned.regions import RegionSettings
from matcurate.phase.build import PhaseSettings
from matcurate.uncertainty.head import HeadSettings
from matcurate.uncertainty.pixels import PixelSettings
from matcurate.uncertainty.trainer import HeadTraining


class Preset(Strict):
    depth: int = Field(default=1, ge=1)


def test_home_comes_from_the_argument_then_the_environment_then_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CURATE_HOME", raising=False)
    assert load_settings().home == Path(".curate")
    monkeypatch.setenv("CURATE_HOME", str(tmp_path / "env"))
    assert load_settings().home == tmp_path / "env"
    assert load_settings(tmp_path / "arg").home == tmp_path / "arg"


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_settings(tmp_path, {"project": "steel", "label_studio": {"url": "http://a", "project_id": 3}})
    monkeypatch.setenv("CURATE_PROJECT", "superalloy")
    monkeypatch.setenv("CURATE_LABEL_STUDIO__URL", "http://b")
    settings = load_settings(tmp_path)
    assert settings.project == "superalloy"
    assert (settings.label_studio.url, settings.label_studio.project_id) == ("http://b", 3)


def test_defaults_live_in_the_home(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings.resolved_database_url == f"sqlite:///{tmp_path}/catalog.db"
    assert settings.resolved_objects_url == f"{tmp_path}/objects"
    assert settings.resolved_cache_dir == tmp_path / "cache"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("projct: x\n", "projct: Extra inputs are not permitted"),
        ("backend: {port: 70000}\n", "backend.port"),
        ("project: [1\n", "not valid YAML"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_it(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)
    assert str(tmp_path / "config.yaml") in str(caught.value)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_saving_merges_and_keeps_secrets_private(tmp_path: Path) -> None:
    save_settings(tmp_path, {"project": "a", "backend": {"username": "u", "port": 1}})
    save_settings(tmp_path, {"backend": {"port": 2}})
    file = tmp_path / "config.yaml"
    assert yaml.safe_load(file.read_text()) == {"project": "a", "backend": {"username": "u", "port": 2}}
    assert file.stat().st_mode & 0o777 == 0o600


def test_preset_from_a_file_and_its_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("depth: 3\n")
    assert load_preset(str(file), Preset, "presets").depth == 3
    file.write_text("depth: 0\nwidth: 1\n")
    with pytest.raises(ConfigError, match=r"mine.yaml: .*\(and 1 more\)"):
        load_preset(str(file), Preset, "presets")
    with pytest.raises(ConfigError, match=r"no preset 'phasez' in presets; use one of: .*phases"):
        load_preset("phasez", Preset, "presets")


@pytest.mark.parametrize(
    ("text", "now"),
    [("afresh", "refit"), ("onward", "finetune"), ("off", "new_output_only"), ("'off'", "new_output_only")],
)
def test_old_values_of_retraining_are_taken_with_one_warning_that_names_the_new(
    text: str, now: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _warn_of_old_value.cache_clear()
    (tmp_path / "config.yaml").write_text(f"classes: {{retraining: {text}}}\n")
    assert [load_settings(tmp_path).classes.retraining for _ in range(2)] == [now, now]
    (message,) = caplog.messages
    assert "classes.retraining" in message and f"{now!r}" in message
    monkeypatch.setenv("CURATE_CLASSES__RETRAINING", text.strip("'"))
    assert load_settings(tmp_path / "elsewhere").classes.retraining == now


def test_other_values_of_retraining_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("classes: {retraining: true}\n")
    with pytest.raises(ConfigError, match=r"classes.retraining"):
        load_settings(tmp_path)


@pytest.mark.parametrize("model", [Settings, PhaseSettings, RegionSettings, HeadTraining, HeadSettings, PixelSettings])
def test_every_setting_is_described(model: type[BaseModel]) -> None:
    assert not list(undescribed(model))


def undescribed(model: type[BaseModel]) -> Iterator[str]:
    """Settings without a sentence for the user, those in nested groups included."""
    for name, field in model.model_fields.items():
        groups = [part for part in (field.annotation, *get_args(field.annotation)) if isclass(part)]
        nested = [part for part in groups if issubclass(part, BaseModel)]
        if not nested and not (field.description or "").endswith("."):
            yield f"{model.__name__}.{name}"
        for group in nested:
            yield from undescribed(group)
