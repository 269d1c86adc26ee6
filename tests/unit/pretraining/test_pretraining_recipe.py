"""Recipes."""

from math import cos, pi
from pathlib import Path

import pytest
from pydantic import ValidationError

from matcurate.config import configs_root, load_preset
from matcurate.errors import ConfigError
from matcurate.pretraining.metric import MetricRecipe, is_metric
from matcurate.pretraining.recipe import Augmentation, Recipe
from matcurate.promptable.builtin.network import NetworkSettings
from tests.unit.pretraining.pretraining_samples import recipe

FILES = sorted((configs_root() / "pretrain").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_recipe_loads_and_is_named_as_its_file(path: Path) -> None:
    loaded = load_preset(path.stem, MetricRecipe if is_metric(path.stem) else Recipe, "pretrain")
    assert loaded.name == path.stem
    if isinstance(loaded, Recipe):
        loaded.check_kinds()


def test_there_is_the_recipe_of_the_shipped_weights() -> None:
    assert "objects" in {path.stem for path in FILES}


@pytest.mark.parametrize("line", ["stps: 3", "augmentation: {blurr: [1, 2]}", "quality: {epoch: 3}", "network: {x: 1}"])
def test_a_typo_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\n{line}\n")
    with pytest.raises(ConfigError, match="Extra inputs are not permitted"):
        load_preset(str(path), Recipe, "pretrain")


def test_a_kind_that_nobody_draws_is_refused() -> None:
    recipe(kinds={"particles": 1.0}).check_kinds()
    with pytest.raises(ConfigError, match="unicorns"):
        recipe(kinds={"unicorns": 1.0}).check_kinds()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 100}, "crop must be a multiple of 32, got 100"),
        ({"report_steps": 3, "validation_steps": 10}, "validation_steps must be a multiple of report_steps"),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"averaging": 1.0}, "less than 1"),
        ({"name": "No Name"}, "match pattern"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(**changes)


@pytest.mark.parametrize("name", ["scale", "blur", "noise", "gamma"])
def test_what_is_drawn_logarithmically_is_positive(name: str) -> None:
    with pytest.raises(ValidationError, match="must be positive"):
        Augmentation.model_validate({name: (0.0, 1.0)})
    with pytest.raises(ValidationError, match="low <= high"):
        Augmentation.model_validate({name: (2.0, 1.0)})


def test_the_learning_rate_rises_stays_and_falls() -> None:
    rates = recipe(steps=10, learning_rate=2.0, warmup=4, falling=0.5).learning_rate_at
    assert [rates(step) for step in (0, 1, 3, 4)] == pytest.approx([0.5, 1.0, 2.0, 2.0])
    assert [rates(step) for step in (5, 7, 10, 12)] == pytest.approx([2.0, 1 + cos(0.4 * pi), 0.0, 0.0])


def test_the_learning_rate_may_never_rise_or_fall() -> None:
    constant = recipe(steps=10, learning_rate=2.0, warmup=0, falling=0)
    assert [constant.learning_rate_at(step) for step in (0, 5, 9, 20)] == [2.0] * 4
    falling = recipe(steps=10, learning_rate=2.0, warmup=0, falling=1)
    assert [falling.learning_rate_at(step) for step in (0, 5, 10)] == pytest.approx([2.0, 1.0, 0.0])


def test_runs_of_one_network_may_be_continued_with_other_settings() -> None:
    assert recipe().fingerprint() == recipe(learning_rate=0.5, steps=99).fingerprint()
    assert recipe().fingerprint() != recipe(network=NetworkSettings()).fingerprint()
