"""The network's shapes, size and layers."""

import pytest
import torch
from torch import nn

from matcurate.promptable.builtin.network import OUTPUTS, NetworkSettings, ObjectNet, fused
from tests.unit.small_objects import TINY, tiny_network


@pytest.fixture(scope="module")
def default() -> ObjectNet:
    return ObjectNet(NetworkSettings())


@pytest.mark.parametrize("shape", [(50, 83), (1, 40), (64, 96)])
def test_each_pixel_gets_four_logits_whatever_the_size(shape: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits = tiny_network()(torch.randn(2, 1, *shape))
    assert logits.shape == (2, len(OUTPUTS), *shape)
    assert torch.isfinite(logits).all()


def test_images_are_continued_by_their_last_rows_and_columns() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = tiny_network().padded(image)
    assert padded.shape == (1, 1, 32, 32)
    assert torch.equal(padded[0, 0, :2, :3], image[0, 0])
    assert (padded[0, 0, 2:, 0] == 3).all() and (padded[0, 0, 0, 3:] == 2).all() and padded[0, 0, -1, -1] == 5
    whole = torch.zeros(1, 1, 64, 32)
    assert torch.equal(tiny_network().padded(whole), whole)


def test_a_size_that_is_no_multiple_is_padded_and_cut() -> None:
    network, image = tiny_network(), torch.randn(1, 1, 50, 83)
    with torch.inference_mode():
        direct = network(image)
        padded = network(network.padded(image))[..., :50, :83]
    assert torch.allclose(direct, padded, atol=1e-5)


def test_the_encoders_maps_halve_at_each_level() -> None:
    network = tiny_network()
    with torch.inference_mode():
        maps = network.features(torch.randn(1, 1, 60, 96))
        under_the_heads = network.decoded(torch.randn(1, 1, 60, 96))
    assert [tuple(each.shape[1:]) for each in maps] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(network.encoder_channels, (2, 4, 8, 16, 32), strict=True)
    ]
    assert under_the_heads.shape == (1, TINY.detail, 60, 96)


def test_images_of_a_batch_do_not_see_each_other() -> None:
    images = torch.randn(3, 1, 40, 70)
    with torch.inference_mode():
        together, alone = tiny_network()(images), tiny_network()(images[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-4)


def test_the_default_is_small(default: ObjectNet) -> None:
    assert sum(parameter.numel() for parameter in default.parameters()) < 4_000_000


def test_low_rank_adapters_find_1x1_convolutions_in_every_stage(default: ObjectNet) -> None:
    result = {
        name: layer for name, layer in default.encoder.named_modules() if name.split(".")[-1] in default.lora_targets
    }
    assert all(isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) for layer in result.values())
    assert {name.split(".")[-1] for name in result} == set(default.lora_targets)
    assert {name.split(".")[1] for name in result if name.startswith("blocks.")} == set("0123456")


@pytest.mark.parametrize("settings", [NetworkSettings(), TINY])
def test_without_batch_norms_the_outputs_are_the_same(settings: NetworkSettings) -> None:
    torch.manual_seed(3)
    network = ObjectNet(settings).train()
    images = torch.randn(2, 1, 64, 96)
    with torch.inference_mode():
        network(images)  # moves the norms' means and variances away from 0 and 1
        folded, whole = fused(network.eval()), network(images)
        assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
        assert torch.allclose(folded(images), whole, rtol=1e-3, atol=1e-3 * float(whole.abs().max()))
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.modules())
