import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from matcurate.errors import CheckpointError, ConfigError
from matcurate.phase.area_prior import AreaStatistics
from matcurate.phase.build import ModelSettings, base_of, build_model
from matcurate.phase.constrained import OWN_SD
from matcurate.phase.inference import phase_shares
from matcurate.phase.lora import LoraSettings
from matcurate.phase.plm import PlmSettings
from matcurate.phase.ratios import no_ratio
from matcurate.phase.storage import FORMAT, load_adapter, save_adapter
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.builtin.quality import RegionQuality
from matcurate.promptable.sam import SamBackbone
from tests.unit.small_network import small_backbone
from tests.unit.threshold_backbone import ThresholdBackbone

NAMES = ("matrix", "γ'", "carbide")
SETTINGS = ModelSettings(lora=LoraSettings(rank=2), plm=PlmSettings(hidden=8))
GREY = np.random.default_rng(0).random((40, 70), dtype=np.float32)


@pytest.fixture
def saved(tmp_path):
    model = build_model(small_backbone(), 3, SETTINGS, seed=0)
    with torch.no_grad():
        for value in model.learned_state().values():
            value.add_(1 if value.dtype == torch.int64 else torch.rand_like(value))
    path = tmp_path / "adapter.safetensors"
    save_adapter(path, model, base_of(small_backbone()), NAMES, SETTINGS, {"lab": "north"})
    return path, model


def test_what_is_written_comes_back(saved):
    path, model = saved
    adapter = load_adapter(path)
    assert adapter.card.phases == NAMES and adapter.card.notes == {"lab": "north"}
    assert adapter.card.settings == SETTINGS and adapter.card.backbone == "builtin"
    again = adapter.model(small_backbone())
    assert np.array_equal(phase_shares(again, GREY, no_ratio(3)), phase_shares(model, GREY, no_ratio(3)))


def test_frozen_weights_are_not_in_the_file(saved):
    path, _ = saved
    names = load_adapter(path).tensors.keys()
    assert not any("base_layer" in name for name in names)
    assert any("running_mean" in name for name in names if name.startswith("segmenter.decoder"))
    assert not any("running_mean" in name for name in names if name.startswith("segmenter.encoder"))


def test_an_adapter_of_an_earlier_built_in_network_is_refused_with_the_remedy(saved):
    """As every adapter that was trained before this version's network: the tensors would not even fit."""
    adapter = load_adapter(saved[0])
    assert adapter.fits(small_backbone(0)) and not adapter.fits(small_backbone(1))
    mine, other = (base_of(small_backbone(seed)).sha256[:12] for seed in (0, 1))
    with pytest.raises(CheckpointError) as refused:
        adapter.model(small_backbone(1))
    assert str(refused.value) == (
        f"the adapter was trained on builtin with sha256 {mine}…, but builtin has {other}… now; "
        "train again with 'curate retrain'"
    )


def test_the_network_is_the_base_and_what_rates_its_regions_is_not(saved):
    """Regions can be rated better without a training of every adapter."""
    base = small_backbone()
    torch.manual_seed(5)
    other = BuiltinBackbone(replace(base.weights, quality=RegionQuality(), digest="b" * 64))
    assert other.digest != base.digest and load_adapter(saved[0]).fits(other)


def test_another_official_checkpoint_can_be_fetched(saved):
    with pytest.raises(CheckpointError, match=r"but vit_b has .*; fetch that checkpoint, or train again with"):
        load_adapter(saved[0]).model(SamBackbone("vit_b", None, None))


def test_a_changed_tensor_is_refused(saved, tmp_path):
    with safe_open(str(saved[0]), framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    tensors["segmenter.head.bias"][0] += 1
    save_file(tensors, tmp_path / "changed.safetensors", metadata)
    with pytest.raises(CheckpointError, match="digest differs"):
        load_adapter(tmp_path / "changed.safetensors")


def test_a_file_from_before_modules_elsewhere_and_magnification_is_read(saved, tmp_path):
    with safe_open(str(saved[0]), framework="pt") as file:
        header = json.loads(file.metadata()[FORMAT.name])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    del header["settings"]["scale"], header["settings"]["plm"]["skips"], header["settings"]["plm"]["decoded"]
    save_file(tensors, tmp_path / "old.safetensors", {FORMAT.name: json.dumps(header)})
    adapter = load_adapter(tmp_path / "old.safetensors")
    assert adapter.card.settings == SETTINGS
    assert len(adapter.model(small_backbone()).modules_of_ratio()) == 1


def test_half_a_file_another_file_and_no_file_are_refused(saved, tmp_path):
    data = saved[0].read_bytes()
    (tmp_path / "half").write_bytes(data[: len(data) // 2])
    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    save_file({"a": torch.zeros(1)}, tmp_path / "header", {FORMAT.name: "{}"})
    for name, reason in (
        ("half", "not a whole"),
        ("other", "not an adapter"),
        ("header", "damaged"),
        ("none", "no such"),
    ):
        with pytest.raises(CheckpointError, match=reason):
            load_adapter(tmp_path / name)


def test_a_backbone_without_weights_is_refused():
    with pytest.raises(ConfigError, match="no weights to adapt"):
        build_model(ThresholdBackbone(), 3, SETTINGS, seed=0)
    with pytest.raises(ConfigError, match="two or more"):
        build_model(small_backbone(), 1, SETTINGS, seed=0)


def test_the_backbone_itself_is_not_changed():
    base = small_backbone()
    before = {name: value.clone() for name, value in base.weights.network.state_dict().items()}
    model = build_model(base, 3, SETTINGS, seed=0)
    with torch.no_grad():
        for value in model.parameters():
            value.fill_(1)
    after = base.weights.network.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(after[name], value) for name, value in before.items())
    assert all(value.requires_grad for value in base.weights.network.parameters())


def test_the_spread_of_the_areas_is_kept_and_older_files_without_it_load(saved, tmp_path):
    path, model = saved
    areas = AreaStatistics(spread=(0.1, 0.2, 0.3), mean=(0.5, -1.0, -2.0), sd=(1.0, 1.0, 1.0))
    newer = tmp_path / "newer.safetensors"
    save_adapter(newer, model, base_of(small_backbone()), NAMES, SETTINGS, areas=areas)
    assert load_adapter(newer).card.areas == areas
    assert load_adapter(newer).card.prior.spread.tolist() == [0.1, 0.2, 0.3]
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[FORMAT.name])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    del header["areas"], header["settings"]["plm"]["per_phase"]
    save_file(tensors, path, {FORMAT.name: json.dumps(header)})
    adapter = load_adapter(path)
    assert adapter.card.prior.spread.tolist() == [OWN_SD] * 3 and adapter.card.settings == SETTINGS
    adapter.model(small_backbone())


def test_the_module_by_the_text_comes_back_with_its_standardisation(tmp_path):
    settings = SETTINGS.model_copy(update={"plm": PlmSettings(hidden=8, per_phase=True)})
    model = build_model(small_backbone(), 3, settings, seed=0)
    with torch.no_grad():
        for value in model.learned_state().values():
            value.add_(1 if value.dtype == torch.int64 else torch.rand_like(value))
    save_adapter(tmp_path / "a.safetensors", model, base_of(small_backbone()), NAMES, settings)
    again = load_adapter(tmp_path / "a.safetensors").model(small_backbone())
    assert torch.equal(again.plm.ratio_encoder.spread, model.plm.ratio_encoder.spread)
    features, ratio = torch.randn(1, model.segmenter.channels, 4, 6), torch.tensor([[0.2, 0.2, 0.6]])
    assert torch.equal(again.plm(features, ratio), model.plm(features, ratio))
    assert torch.equal(again.plm(features, torch.zeros(1, 3)), features)
