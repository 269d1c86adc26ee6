"""The network, its file and its tiles."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from matcurate.errors import CheckpointError
from matcurate.promptable.builtin.inference import Merged, folded, probabilities
from matcurate.promptable.builtin.network import NetworkSettings, Rising, UNet, standardised
from matcurate.promptable.builtin.weights import load_weights, save_weights
from matcurate.promptable.digests import sha256_of

TINY = NetworkSettings(widths=(4, 6, 8))


def network(settings: NetworkSettings = TINY) -> UNet:
    """A network whose batch statistics are no longer those of a new one."""
    torch.manual_seed(3)
    made = UNet(settings)
    made(torch.randn(2, 1, 24, 40))
    return made.eval()


def image(shape: tuple[int, int] = (96, 160)) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)


def test_the_default_has_the_parameters_of_its_layers() -> None:
    pairs = [(1, 16), (16, 32), (32, 64), (64, 96), (96, 128)]  # down
    pairs += [(128 + 96, 96), (96 + 64, 64), (64 + 32, 32), (32 + 16, 16)]  # up
    expected = sum(9 * a * b + 9 * b * b + 4 * b for a, b in pairs) + 4 * 16 + 4
    assert sum(p.numel() for p in UNet(NetworkSettings()).parameters()) == expected == 921_684


def test_stride_and_reach_of_three_levels() -> None:
    # Convolutions: 2 (1 + 2 + 4) down and 2 (1 + 2) up; 4 pixels of alignment.
    assert (TINY.stride, TINY.reach) == (4, 14 + 6 + 4)


def test_nothing_beyond_the_reach_matters() -> None:
    net = network()
    pixels = torch.randn(1, 1, 96, 160)
    other = pixels.clone()
    other[..., 80:] += 1
    with torch.no_grad():
        same = torch.isclose(net(pixels), net(other), atol=1e-6).all(dim=2).all(dim=1)[0]
    assert same[: 80 - TINY.reach].all() and not same[79]


def test_group_norm_does_not_look_at_the_other_images() -> None:
    net = UNet(TINY.model_copy(update={"norm": "group"})).train()
    pair = torch.randn(2, 1, 24, 40)
    assert torch.allclose(net(pair)[:1], net(pair[:1]), atol=1e-5)
    assert not torch.allclose(network().train()(pair)[:1], network().train()(pair[:1]), atol=1e-3)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_a_folded_network_says_the_same(norm: str) -> None:
    net, pixels = network(TINY.model_copy(update={"norm": norm})), torch.randn(1, 1, 24, 40)
    copy, before = folded(net), {name: value.clone() for name, value in net.state_dict().items()}
    norms = [module for module in copy.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        assert torch.allclose(copy(pixels), net(pixels), atol=1e-5) and not norms
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_coarse_map_is_convolved_as_if_it_were_enlarged() -> None:
    rising = Rising([torch.nn.Conv2d(1 + 1, 1, 3, padding=1)])
    weights = torch.zeros(1, 2, 3, 3)
    weights[0, 0, 1, 2], weights[0, 1, 1, 1] = 1.0, 10.0  # the coarse pixel on the right, ten times that of the skip
    rising[0].weight.data, rising[0].bias.data = weights, torch.tensor([100.0])
    coarse, skip = torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.ones(1, 1, 2, 6)
    expected = torch.tensor([[111.0, 112.0, 112.0, 113.0, 113.0, 110.0]]).expand(2, 6)
    with torch.no_grad():
        assert torch.equal(Merged(rising)(coarse, skip)[0, 0], expected)
        assert torch.equal(rising(coarse, skip)[0, 0], expected)


def test_any_size_is_answered_at_its_size() -> None:
    with torch.no_grad():
        assert network()(torch.randn(2, 1, 13, 31)).shape == (2, 4, 13, 31)


def test_standardised_pixels_have_no_mean_and_unit_variance() -> None:
    stack = torch.tensor([[[0.0, 2.0], [4.0, 6.0]], [[5.0, 5.0], [5.0, 5.0]]])
    root = 5**0.5
    assert torch.allclose(standardised(stack)[0], torch.tensor([[-3 / root, -1 / root], [1 / root, 3 / root]]))
    assert (standardised(stack)[1] == 0).all()


def test_adapters_go_on_every_spatial_convolution() -> None:
    from peft import LoraConfig, get_peft_model

    net = network()
    assert len(net.lora_targets) == 2 * (3 + 2) and "heads" not in net.lora_targets
    pixels = torch.randn(1, 1, 24, 40)
    before = net(pixels)
    adapted = get_peft_model(net, LoraConfig(r=2, target_modules=list(net.lora_targets))).eval()
    assert torch.equal(adapted(pixels), before)  # an untrained adapter changes nothing
    trainable = [name for name, value in adapted.named_parameters() if value.requires_grad]
    assert len(trainable) == 2 * 10 and all("lora" in name for name in trainable)


@pytest.mark.parametrize("core", [16, 30, 64])
def test_tiles_leave_no_seams(core: int) -> None:
    net = network()
    whole = probabilities(net, image(), core=1024)
    assert whole.shape == (4, 96, 160) and whole.dtype == np.float32
    assert 0 <= whole.min() < whole.max() <= 1
    np.testing.assert_allclose(probabilities(net, image(), core=core), whole, atol=1e-5)


def test_depth_and_offset_of_the_pixels_do_not_matter() -> None:
    net = network()
    found = probabilities(net, image())
    deep = probabilities(net, (image().astype(np.uint16) * 257))
    np.testing.assert_allclose(deep, found, atol=1e-5)
    np.testing.assert_allclose(probabilities(net, image().astype(np.float32) / 1e4 - 7), found, atol=1e-3)


@pytest.mark.parametrize("wrong", [np.zeros((2, 3, 3)), np.zeros((0, 3)), np.array([[0.0, np.nan]])])
def test_what_is_no_image_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        probabilities(network(), wrong)


def test_weights_come_back_in_half_precision_with_their_card(tmp_path) -> None:
    net, path = network(), tmp_path / "w.safetensors"
    save_weights(path, net, None, {"recipe": "r", "minutes": "3"})
    loaded = load_weights(path)
    assert loaded.card == {"recipe": "r", "minutes": "3"} and loaded.digest == sha256_of(path)
    assert loaded.network.settings == TINY and not loaded.network.training
    for name, value in net.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], value.half().float().to(value.dtype))
    size = sum(value.numel() for value in net.state_dict().values())
    assert path.stat().st_size < 2 * size + 8000
    np.testing.assert_allclose(probabilities(loaded.network, image()), probabilities(net, image()), atol=0.02)


def test_a_file_that_is_not_ours_is_refused(tmp_path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(CheckpointError, match="no such file"):
        load_weights(path)
    save_weights(path, network(), None, {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_weights(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not weights of the built-in network"):
        load_weights(path)


def test_tensors_of_another_shape_are_refused(tmp_path) -> None:
    net, path = network(), tmp_path / "w.safetensors"
    net.settings = NetworkSettings(widths=(4, 6))
    save_weights(path, net, None, {})
    with pytest.raises(CheckpointError, match="do not fit its settings") as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


def test_settings_are_checked() -> None:
    for wrong in ({"widths": (4,)}, {"heads": ()}, {"heads": ("edge",)}, {"depth": 2}):
        with pytest.raises(ValidationError):
            NetworkSettings.model_validate(wrong)
