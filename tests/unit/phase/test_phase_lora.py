import pytest
import torch
from torch import nn

from matcurate.errors import ConfigError
from matcurate.phase.lora import LoraSettings, SplitQkv, add_lora, fuse_qkv, merge_lora, split_qkv
from tests.unit.small_network import small_network
from tests.unit.tiny_sam import tiny_sam


def test_split_takes_q_k_v_in_sams_order():
    fused = nn.Linear(1, 3)
    with torch.no_grad():
        fused.weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        fused.bias.copy_(torch.tensor([10.0, 20.0, 30.0]))
    split = SplitQkv(fused)
    assert (split.q.weight.item(), split.k.weight.item(), split.v.weight.item()) == (1, 2, 3)
    assert (split.q.bias.item(), split.k.bias.item(), split.v.bias.item()) == (10, 20, 30)
    assert split(torch.tensor([[2.0]])).tolist() == [[12, 24, 36]]
    assert torch.equal(split.fused().weight, fused.weight) and torch.equal(split.fused().bias, fused.bias)


def test_split_without_bias():
    fused = nn.Linear(4, 12, bias=False)
    tokens = torch.randn(2, 5, 4)
    split = SplitQkv(fused)
    assert torch.allclose(split(tokens), fused(tokens), atol=1e-6)
    assert split.fused().bias is None


def test_split_and_untrained_adapters_change_no_output_of_sams_encoder():
    encoder = tiny_sam().image_encoder
    image = torch.randn(1, 3, 256, 256)
    with torch.inference_mode():
        before = encoder(image)
        assert split_qkv(encoder) == 1
        split = encoder(image)
        assert add_lora(encoder, ("q", "v"), LoraSettings(rank=4)) == 2
        adapted = encoder(image)
    assert torch.allclose(split, before, atol=1e-5)
    assert torch.equal(adapted, split)


def test_only_q_and_v_can_learn():
    encoder = tiny_sam().image_encoder
    split_qkv(encoder)
    add_lora(encoder, ("q", "v"), LoraSettings(rank=4))
    learning = {name for name, value in encoder.named_parameters() if value.requires_grad}
    assert {name.split("lora_")[0] for name in learning} == {"blocks.0.attn.qkv.q.", "blocks.0.attn.qkv.v."}
    assert sum(value.numel() for value in encoder.parameters() if value.requires_grad) == 2 * 4 * (32 + 32)


def test_merged_and_fused_is_the_adapted_encoder_in_sams_own_form():
    encoder = tiny_sam().image_encoder
    names = list(encoder.state_dict())
    keys = encoder.blocks[0].attn.qkv.weight[32:64].clone()
    split_qkv(encoder)
    add_lora(encoder, ("q", "v"), LoraSettings(rank=4, alpha=8))
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            if "lora_B" in name:
                value.normal_()
    image = torch.randn(1, 3, 256, 256)
    with torch.inference_mode():
        adapted = encoder(image)
        assert merge_lora(encoder) == 2
        assert fuse_qkv(encoder) == 1
        merged = encoder(image)
    assert torch.allclose(merged, adapted, atol=1e-4)
    assert list(encoder.state_dict()) == names
    assert torch.equal(encoder.blocks[0].attn.qkv.weight[32:64], keys)


def test_alpha_over_rank_scales_what_an_adapter_adds():
    layer = nn.Sequential(nn.Linear(1, 1, bias=False))
    add_lora(layer, ("0",), LoraSettings(rank=2, alpha=6))
    with torch.no_grad():
        for name, value in layer.named_parameters():
            value.fill_(0.0 if "base" in name else 1.0)
    # B A = 1·1 + 1·1 = 2, times 6 / 2.
    assert layer(torch.ones(1, 1)).item() == pytest.approx(6)


def test_convolutions_of_the_builtin_network():
    network = small_network()
    image = torch.randn(1, 1, 96, 160)
    with torch.inference_mode():
        before = network(image)
        assert add_lora(network, network.lora_targets, LoraSettings(rank=2)) == 6
        assert torch.equal(network(image), before)
        assert merge_lora(network) == 6
        assert torch.allclose(network(image), before, atol=1e-5)


def test_targets_that_are_not_there_are_refused():
    with pytest.raises(ConfigError, match="set other targets"):
        add_lora(nn.Sequential(nn.Linear(2, 2)), ("q",), LoraSettings())
