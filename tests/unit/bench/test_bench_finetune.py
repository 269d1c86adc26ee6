import json

import numpy as np
import pytest
from typer.testing import CliRunner

from matcurate.bench.finetune import PRESETS, FinetuneChoice, bench_finetune
from matcurate.bench.ratio_kinds import check_kind, ratios_of_kind
from matcurate.cli.app import app
from matcurate.config import configs_root, load_preset, load_settings
from matcurate.errors import ConfigError, DatasetError
from matcurate.imaging.dataset import DatasetInfo, write_info, write_sample
from matcurate.phase.build import PhaseSettings

PRESET = """
name: small
model: {lora: {rank: 2}, plm: {hidden: 8}}
train: {steps: 2, validate_every: 1, sampling: {crop: 32, batch: 1}}
validation_share: 0.3
"""


def dataset(folder, count, top=2):
    rng = np.random.default_rng(0)
    for index in range(count):
        labels = np.zeros((48, 80), np.uint8)
        labels[:, 30:], labels[10:20, 50:60] = 1, top
        pixels = (60 * labels + rng.integers(0, 20, labels.shape)).astype(np.uint8)
        write_sample(folder, f"image{index}", pixels, labels)
    return folder


@pytest.fixture
def folders(tmp_path):
    preset = tmp_path / "small.yaml"
    preset.write_text(PRESET)
    return dataset(tmp_path / "train", 3), dataset(tmp_path / "val", 1), str(preset)


def run(folders, **options):
    train, val, preset = folders
    choice = FinetuneChoice(preset=preset, **options)
    return bench_finetune(train, val, choice, settings=load_settings(train / "home"))


def test_the_same_seed_repeats_and_the_module_is_measured_at_every_ratio(folders):
    first, again = run(folders, ratio="alpha=0.5"), run(folders, ratio="alpha=0.5")
    assert first.dice_by_ratio == again.dice_by_ratio
    assert set(first.dice_by_ratio) == {"alpha=0.5", "alpha=0.9", "none", "exact"}
    assert first.dice == first.dice_by_ratio["alpha=0.5"] == pytest.approx(np.mean(first.dice_per_class))
    assert [each.step for each in first.history] == [1, 2]


def test_counts_add_up_with_and_without_the_module(folders):
    with_module, without = run(folders), run(folders, plm=False)
    for report in (with_module, without):
        parts = report.parameters
        assert report.total_parameters == parts["encoder"] + parts["lora"] + parts["decoder"] + parts.get("plm", 0)
        assert report.trainable_parameters == report.total_parameters - parts["encoder"]
    plm = with_module.parameters
    assert plm["plm"] == plm["fe"] + plm["re"] + plm["sa"] + plm["fa"]
    assert with_module.trainable_parameters - without.trainable_parameters == plm["plm"]
    assert set(without.dice_by_ratio) == {"alpha=0.9", "none", "exact"}
    assert set(run(folders, plm=False, trust=None).dice_by_ratio) == {"alpha=0.9"}  # nothing hears a ratio


def test_a_larger_rank_trains_more(folders):
    assert run(folders, rank=4, plm=False).parameters["lora"] == 2 * run(folders, plm=False).parameters["lora"]


def test_names_of_the_phases_and_one_that_is_not_learned(folders, tmp_path):
    train, _, preset = folders
    with pytest.raises(DatasetError, match="phase id 3, but 3 are learned"):
        run((train, dataset(tmp_path / "other", 1, top=3), preset))
    write_info(train, DatasetInfo(classes=("matrix", "grain", "carbide")))
    assert run(folders, plm=False).phases == ("matrix", "grain", "carbide")


def test_a_backbone_without_weights_is_refused(folders, threshold):
    with pytest.raises(ConfigError, match="no weights to adapt"):
        run(folders, backbone=threshold)


def test_ratios_as_they_are_written():
    for text in ("alpha=1.5", "alpha=", "alpha=nan", "0.9", "Exact", "", "noise=0.5", "noise=inf", "noise="):
        with pytest.raises(ValueError, match="is not exact, none, mean, other"):
            check_kind(text)


def test_kinds_of_ratios():
    exact, mean = [np.array([0.6, 0.4]), np.array([0.9, 0.1])], np.array([0.7, 0.3])

    def given(kind, exact=exact):
        return np.array(ratios_of_kind(kind, exact, mean, np.random.default_rng(0))).tolist()

    assert given("none") == [[0, 0], [0, 0]] and given("exact") == [[0.6, 0.4], [0.9, 0.1]]
    assert given("mean") == [[0.7, 0.3]] * 2 and given("other") == [[0.9, 0.1], [0.6, 0.4]]
    assert given("other", exact[:1]) == [[0.7, 0.3]]
    np.testing.assert_allclose(given("alpha=0.5"), [[0.5, 0.5]] * 2)
    np.testing.assert_allclose(given("noise=1"), exact)
    many = np.array(given("noise=1.3", [exact[0]] * 2000))
    np.testing.assert_allclose(many.sum(axis=1), 1)
    odds = np.log(many[:, 0] / many[:, 1])  # of two log-normal factors
    assert odds.mean() == pytest.approx(np.log(1.5), abs=0.03) and odds.std() == pytest.approx(
        np.sqrt(2) * np.log(1.3), abs=0.03
    )


def test_without_module_the_areas_alone_follow_a_ratio(folders):
    followed, module_alone = run(folders, plm=False, ratio="exact", trust="measured"), run(folders, trust=None)
    assert followed.fraction_error < 0.02 and (followed.trust, module_alone.trust) == ("measured", None)
    assert run(folders, plm=False, ratio="none").dice_by_ratio["none"] == followed.dice_by_ratio["none"]


def test_the_shipped_presets_are_read():
    names = [path.stem for path in (configs_root() / PRESETS).glob("*.yaml")]
    assert {load_preset(name, PhaseSettings, PRESETS).name for name in names} == set(names) >= {"builtin", "sam"}


def test_official_sam_in_small_on_the_command_line(folders, tmp_path, tiny_vit_b):
    train, val, _ = folders
    preset = tmp_path / "sam.yaml"
    preset.write_text(PRESET.replace("model: {", "model: {image_size: 64, "))
    options = ["--backbone", "vit_b", "--random-weights", "--preset", str(preset), "--ratio", "none", "--json"]
    result = CliRunner().invoke(app, ["--home", str(tmp_path), "bench", "finetune", str(train), str(val), *options])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    wanted = {"dice", "dice_per_class", "trainable_parameters", "total_parameters", "seconds_per_step", "peak_mb"}
    assert wanted <= report.keys() and report["backbone"] == "vit_b" and report["ratio"] == "none"
    # Rank 2 on q and v of 32 channels.
    assert report["parameters"]["lora"] == 2 * 2 * (32 + 32)


def test_a_wrong_ratio_is_a_wrong_command_line(folders, tmp_path):
    train, val, _ = folders
    result = CliRunner().invoke(
        app, ["--home", str(tmp_path), "bench", "finetune", str(train), str(val), "--ratio", "2"]
    )
    assert result.exit_code == 2 and "--ratio" in result.output
