"""Which backbone a name stands for."""

import pytest

from matcurate.errors import CheckpointError, ConfigError
from matcurate.promptable import catalogue
from matcurate.promptable.catalogue import Checkpoint
from matcurate.promptable.registry import BACKBONES, checkpoint_store, load_backbone, resolve_name


def put(tmp_path, name):
    path = checkpoint_store(tmp_path).path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"not the weights")


def test_auto_is_the_largest_official_model_in_the_store_else_the_built_in_network(tmp_path):
    assert resolve_name("auto", tmp_path) == "builtin"
    assert load_backbone("auto", tmp_path).name == "builtin"
    for name in ("vit_b", "vit_l", "vit_h"):
        put(tmp_path, name)
        assert resolve_name("auto", tmp_path) == name
    assert resolve_name("vit_b", tmp_path) == "vit_b"


def test_an_unknown_name_is_answered_with_the_known(tmp_path):
    with pytest.raises(ConfigError, match="no backbone 'vit_x'; use one of: auto, builtin, vit_b, vit_l, vit_h"):
        load_backbone("vit_x", tmp_path)


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_a_missing_checkpoint_names_the_command(name, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load_backbone(name, tmp_path)
    assert str(caught.value) == f"'{name}' is not in the checkpoint store; run 'curate checkpoints pull {name}'"


@pytest.mark.parametrize("name", ["vit_l", "auto"])
def test_a_file_that_is_not_the_published_one_is_refused(name, tmp_path):
    put(tmp_path, "vit_l")
    with pytest.raises(CheckpointError, match=r"sam_vit_l_0b3195\.pth is not the official vit_l"):
        load_backbone(name, tmp_path)


def test_random_weights_need_no_checkpoint(tmp_path):
    backbone = load_backbone("vit_b", tmp_path, random_weights=True, device="cpu")
    assert backbone.name == "vit_b"
    assert backbone.digest == load_backbone("vit_b", tmp_path, random_weights=True, device="cpu").digest
    assert backbone.digest != load_backbone("vit_h", tmp_path, random_weights=True, device="cpu").digest


def test_a_verified_checkpoint_is_the_one_that_is_read(vit_b, tmp_path, monkeypatch):
    published = Checkpoint("vit_b", "sam_vit_b.pth", "", vit_b.path.stat().st_size, vit_b.backbone.digest)
    monkeypatch.setitem(catalogue.OFFICIAL, "vit_b", published)
    path = checkpoint_store(tmp_path).path("vit_b")
    path.parent.mkdir()
    path.symlink_to(vit_b.path)
    backbone = load_backbone("auto", tmp_path, device="cpu")
    assert (backbone.name, backbone.digest) == ("vit_b", vit_b.backbone.digest)
    with pytest.raises(ConfigError, match="device 'cuda:99' is not there"):
        load_backbone("vit_b", tmp_path, device="cuda:99")


def test_random_weights_need_a_backbone_that_can_draw_them(tmp_path):
    with pytest.raises(ConfigError, match="use one of: vit_b, vit_l, vit_h"):
        load_backbone("auto", tmp_path, random_weights=True)
    with pytest.raises(ConfigError, match="'builtin' comes with its weights and draws none at random"):
        load_backbone("builtin", tmp_path, random_weights=True)


def test_every_name_has_a_factory():
    assert list(BACKBONES) == ["builtin", "vit_b", "vit_l", "vit_h"]
