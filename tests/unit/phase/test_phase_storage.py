import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from matcurate.errors import CheckpointError, ConfigError
from matcurate.phase.build import ModelSettings, base_of, build_model
from matcurate.phase.inference import phase_shares
from matcurate.phase.lora import LoraSettings
from matcurate.phase.plm import PlmSettings
from matcurate.phase.ratios import no_ratio
from matcurate.phase.storage import FORMAT, load_adapter, save_adapter
from matcurate.promptable.builtin.network import NetworkSettings, UNet
from matcurate.promptable.builtin.predictor import BuiltinBackbone
from matcurate.promptable.builtin.quality import Judge
from matcurate.promptable.builtin.weights import Weights
from matcurate.promptable.tree import TreeBackbone

NAMES = ("matrix", "γ'", "carbide")
SETTINGS = ModelSettings(lora=LoraSettings(rank=2), plm=PlmSettings(hidden=8))
GREY = np.random.default_rng(0).random((40, 70), dtype=np.float32)


def backbone(seed=0):
    torch.manual_seed(seed)
    network = UNet(NetworkSettings(widths=(4, 8))).eval()
    torch.seed()  # what judges regions is another one each time
    return BuiltinBackbone(Weights(network, Judge(), "a" * 64, {}))


@pytest.fixture
def saved(tmp_path):
    model = build_model(backbone(), 3, SETTINGS, seed=0)
    with torch.no_grad():
        for value in model.learned_state().values():
            value.add_(1 if value.dtype == torch.int64 else torch.rand_like(value))
    path = tmp_path / "adapter.safetensors"
    save_adapter(path, model, base_of(backbone()), NAMES, SETTINGS, {"lab": "north"})
    return path, model


def test_what_is_written_comes_back(saved):
    path, model = saved
    adapter = load_adapter(path)
    assert adapter.card.phases == NAMES and adapter.card.notes == {"lab": "north"}
    assert adapter.card.settings == SETTINGS and adapter.card.backbone == "builtin"
    again = adapter.model(backbone())
    assert np.array_equal(phase_shares(again, GREY, no_ratio(3)), phase_shares(model, GREY, no_ratio(3)))


def test_frozen_weights_are_not_in_the_file(saved):
    path, _ = saved
    names = load_adapter(path).tensors.keys()
    assert not any("base_layer" in name for name in names)
    assert any("running_mean" in name for name in names if name.startswith("segmenter.decoder"))
    assert not any("running_mean" in name for name in names if name.startswith("segmenter.encoder"))


def test_another_base_is_refused(saved):
    mine, other = (base_of(backbone(seed)).sha256[:12] for seed in (0, 1))
    with pytest.raises(CheckpointError, match=f"{mine}…, but builtin has {other}…; fetch"):
        load_adapter(saved[0]).model(backbone(1))


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
        header = json.loads(file.metadata()[FORMAT])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    del header["settings"]["scale"], header["settings"]["plm"]["skips"], header["settings"]["plm"]["decoded"]
    save_file(tensors, tmp_path / "old.safetensors", {FORMAT: json.dumps(header)})
    adapter = load_adapter(tmp_path / "old.safetensors")
    assert adapter.card.settings == SETTINGS
    assert len(adapter.model(backbone()).modules_of_ratio()) == 1


def test_half_a_file_another_file_and_no_file_are_refused(saved, tmp_path):
    data = saved[0].read_bytes()
    (tmp_path / "half").write_bytes(data[: len(data) // 2])
    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    save_file({"a": torch.zeros(1)}, tmp_path / "header", {FORMAT: "{}"})
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
        build_model(TreeBackbone(), 3, SETTINGS, seed=0)
    with pytest.raises(ConfigError, match="two or more"):
        build_model(backbone(), 1, SETTINGS, seed=0)


def test_the_backbone_itself_is_not_changed():
    base = backbone()
    before = {name: value.clone() for name, value in base.weights.network.state_dict().items()}
    model = build_model(base, 3, SETTINGS, seed=0)
    with torch.no_grad():
        for value in model.parameters():
            value.fill_(1)
    after = base.weights.network.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(after[name], value) for name, value in before.items())
    assert all(value.requires_grad for value in base.weights.network.parameters())
