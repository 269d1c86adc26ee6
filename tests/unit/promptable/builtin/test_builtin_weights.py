"""The file of the network's weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from matcurate.errors import CheckpointError
from matcurate.promptable.builtin.quality import RegionQuality
from matcurate.promptable.builtin.shipped import shipped
from matcurate.promptable.builtin.weights import FORMAT, load_weights, save_weights
from matcurate.promptable.digests import sha256_of
from matcurate.tensorfile import read_header, write_header
from tests.unit.small_objects import TINY, tiny_network

CARD = {"recipe": "tiny", "scores": "{}"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


def test_what_is_written_is_read_in_half_precision(path: Path) -> None:
    network, quality = tiny_network(), RegionQuality()
    save_weights(path, network, quality, CARD)
    read = load_weights(path)
    assert read.card == CARD and read.network.settings == TINY and read.digest == sha256_of(path)
    assert not read.network.training and not read.quality.training
    for part, other in ((network, read.network), (quality, read.quality)):
        for name, value in part.state_dict().items():
            wanted = value.half().float() if value.is_floating_point() else value
            assert torch.equal(other.state_dict()[name], wanted)
    images = torch.randn(1, 1, 40, 70)
    with torch.inference_mode():
        assert torch.allclose(read.network(images), network(images), atol=0.05)


def test_read_and_written_again_the_file_is_the_same(path: Path) -> None:
    save_weights(path, tiny_network(), RegionQuality(), CARD)
    read = load_weights(path)
    again = path.with_name("again.safetensors")
    save_weights(again, read.network, read.quality, read.card)
    assert again.read_bytes() == path.read_bytes()


def test_the_networks_digest_is_of_the_network_alone(path: Path) -> None:
    digests = []
    for network, card in ((tiny_network(), CARD), (tiny_network(), {"recipe": "other"}), (tiny_network(1), CARD)):
        save_weights(path, network, RegionQuality(), card)
        digests.append((load_weights(path).network_digest, load_weights(path).digest))
    assert digests[0][0] == digests[1][0] != digests[2][0]
    assert len({file for _, file in digests}) == 3


def test_a_damaged_or_missing_file_is_refused_with_the_remedy(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such file; .*train again with 'curate pretrain'"):
        load_weights(path)
    save_weights(path, tiny_network(), RegionQuality(), CARD)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"not a whole safetensors file .*install the package again"):
        load_weights(path)
    path.write_text("no weights")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_weights(path)


def test_another_file_is_refused(path: Path) -> None:
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not weights of the built-in network"):
        load_weights(path)


@pytest.mark.parametrize(
    "about",
    [
        {"network": {**TINY.model_dump(mode="json"), "detail": 12}, "card": {}},
        {"network": {**TINY.model_dump(mode="json"), "encoder": "no_such_encoder"}, "card": {}},
        {"network": {**TINY.model_dump(mode="json"), "depth": 3}, "card": {}},
        {"network": TINY.model_dump(mode="json")},
        {"card": {}},
        [],
    ],
)
def test_tensors_that_do_not_fit_their_settings_are_refused(path: Path, about: object) -> None:
    save_weights(path, tiny_network(), RegionQuality(), CARD)
    _, tensors = read_header(path, FORMAT, "weights")
    write_header(path, tensors, FORMAT, json.dumps(about))
    with pytest.raises(CheckpointError, match="its tensors do not fit its settings"):
        load_weights(path)


def test_only_the_shipped_weights_are_the_built_in_backbone(path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        shipped("cpu", path)
    save_weights(path, tiny_network(), RegionQuality(), CARD)
    with pytest.raises(CheckpointError, match="not the weights that this version was shipped with"):
        shipped("cpu", path)


def test_the_shipped_weights_are_read_once() -> None:
    backbone = shipped("cpu")
    assert shipped("cpu") is backbone
    assert all(np.isfinite(value.float().numpy()).all() for value in backbone.weights.network.state_dict().values())
