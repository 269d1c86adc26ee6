import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from matcurate.errors import CheckpointError
from matcurate.uncertainty.head import EvidentialHead, HeadSettings, begin_head
from matcurate.uncertainty.storage import HEAD, load_head, save_head

EMBEDDER = "a" * 64


@pytest.fixture
def head() -> EvidentialHead:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 3
    return begin_head(["ferrite", "pearlite", "γ'"], rng.normal(size=(40, 9)) + labels[:, None], labels, HeadSettings())


def test_what_is_written_is_read(tmp_path: Path, head: EvidentialHead) -> None:
    path = tmp_path / "head.safetensors"
    card = save_head(path, head, EMBEDDER, 128, {"lab": "a"})
    stored, restored = load_head(path)
    assert stored == card
    assert (card.classes, card.crop, card.notes) == (("ferrite", "pearlite", "γ'"), 128, {"lab": "a"})
    for name, value in head.state_dict().items():
        assert torch.equal(restored.state_dict()[name], value)
    samples = np.random.default_rng(1).normal(size=(5, 9))
    assert np.array_equal(restored.parameters_of(samples), head.parameters_of(samples))
    assert [each.name for each in tmp_path.iterdir()] == ["head.safetensors"]


def test_changed_tensors_are_noticed(tmp_path: Path, head: EvidentialHead) -> None:
    path = tmp_path / "h"
    save_head(path, head, EMBEDDER, 128)
    with safe_open(str(path), framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["bias"][0] += 1
    save_file(tensors, path, metadata)
    with pytest.raises(CheckpointError, match="digest differs"):
        load_head(path)


def test_a_damaged_header_is_one_line(tmp_path: Path, head: EvidentialHead) -> None:
    path = tmp_path / "h"
    card = save_head(path, head, EMBEDDER, 128).model_dump(mode="json")
    save_file(load_file(path), path, {HEAD.name: json.dumps({**card, "crop": 0})})
    with pytest.raises(CheckpointError, match="crop"):
        load_head(path)
    save_file(load_file(path), path, {HEAD.name: json.dumps({**card, "classes": ["a", "b"]})})
    with pytest.raises(CheckpointError, match="do not fit its card"):
        load_head(path)


def test_what_is_no_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_head(tmp_path / "none")
    (tmp_path / "text").write_text("a head")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_head(tmp_path / "text")
    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(CheckpointError, match="not a head"):
        load_head(tmp_path / "other")
