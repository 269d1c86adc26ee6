"""Official SAM behind our interface answers as segment_anything's own predictor does."""

import hashlib
import pickle
import threading

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry

from matcurate.errors import CheckpointError, ConfigError
from matcurate.imaging.proxy import to_uint8
from matcurate.promptable import sam
from matcurate.promptable.devices import resolve_device
from matcurate.promptable.embeddings import EmbeddingCache, embedding_key
from matcurate.promptable.sam import ENCODING, SamBackbone, SamImage

POINTS = np.array([[[110.0, 40.0], [10.0, 90.0]], [[30.5, 20.25], [0.0, 0.0]], [[159.0, 95.0], [80.0, 50.0]]])
LABELS = np.array([[1, 0], [1, -1], [1, 1]])


@pytest.fixture(scope="module")
def official(vit_b):
    """segment_anything's own predictor on the same weights and image."""
    predictor = SamPredictor(vit_b.model)
    predictor.set_image(np.dstack([vit_b.image] * 3))
    return predictor


@pytest.fixture(scope="module")
def opened(vit_b):
    return vit_b.backbone.open(vit_b.image)


def full_masks(candidates, shape):
    return [candidate.paint(shape) for candidate in candidates]


def test_the_embedding_is_the_official_one(vit_b, opened, official):
    stored = vit_b.cache.get(embedding_key(vit_b.image, f"{vit_b.backbone.digest} {ENCODING}"))
    assert torch.equal(stored, official.get_image_embedding())


def test_masks_and_scores_are_the_official_ones(vit_b, opened, official):
    answers = opened.predict(POINTS, LABELS)
    assert opened.shape == (96, 160) and len(answers) == 3
    for points, labels, candidates in zip(POINTS, LABELS, answers, strict=True):
        logits, scores, _ = official.predict(points, labels, return_logits=True)
        order = sorted((index for index in range(3) if (logits[index] > 0).any()), key=lambda i: (logits[i] > 0).sum())
        assert len(candidates) == len(order) > 0
        for candidate, index in zip(candidates, order, strict=True):
            differs = candidate.paint((96, 160)) != (logits[index] > 0)
            assert not differs[np.abs(logits[index]) > 1e-4].any()
            assert candidate.area == pytest.approx((logits[index] > 0).sum(), abs=5)
            assert candidate.quality == pytest.approx(np.clip(scores[index], 0, 1), abs=1e-6)
            top, left, bottom, right = candidate.box
            assert candidate.mask[0].any() and candidate.mask[-1].any()
            assert candidate.mask[:, 0].any() and candidate.mask[:, -1].any()
            assert 0 <= top < bottom <= 96 and 0 <= left < right <= 160


def test_more_prompts_than_fit_at_once_get_the_same_answers_in_order(vit_b, opened, monkeypatch):
    monkeypatch.setattr(sam, "PROMPTS_AT_ONCE", 2)
    apart = opened.predict(POINTS, LABELS)
    for one, other in zip(apart, opened.predict(POINTS[::-1], LABELS[::-1])[::-1], strict=True):
        assert [each.area for each in one] == [each.area for each in other]
        assert [each.quality for each in one] == pytest.approx([each.quality for each in other], abs=1e-5)


def test_padding_asks_nothing_and_changes_nothing(opened):
    alone, nothing = opened.predict(np.array([[[-9.0, 999.0]], [[5.0, 5.0]]]), np.array([[-1], [1]]))[::-1]
    assert nothing == ()
    assert len(alone) > 0
    assert opened.predict(np.zeros((0, 1, 2)), np.zeros((0, 1), dtype=int)) == []


def test_a_known_image_needs_no_model(tmp_path, monkeypatch):
    def fail(name, seed):
        raise AssertionError("the model was built")

    monkeypatch.setattr(sam, "_random", fail)
    cache = EmbeddingCache(tmp_path, 10**8)
    backbone = SamBackbone("vit_b", None, cache, device="cpu")
    pixels = np.linspace(0, 4000, 96 * 160).reshape(96, 160).astype(np.uint16)
    known = torch.full((1, 256, 64, 64), 0.5)
    cache.put(embedding_key(to_uint8(pixels), f"{backbone.digest} {ENCODING}"), known)
    image = backbone.open(pixels)
    assert isinstance(image, SamImage) and image.shape == (96, 160)


def test_an_image_is_encoded_once(vit_b, opened, monkeypatch):
    monkeypatch.delattr(SamBackbone, "_encode")
    again = SamBackbone("vit_b", vit_b.path, vit_b.cache, device="cpu").open(vit_b.image)
    (one,), (other,) = opened.predict(POINTS[:1], LABELS[:1]), again.predict(POINTS[:1], LABELS[:1])
    assert all((a.mask == b.mask).all() and a.quality == b.quality for a, b in zip(one, other, strict=True))


def test_the_model_is_read_once_by_many_threads(monkeypatch):
    built = []
    monkeypatch.setattr(sam, "_random", lambda name, seed: built.append(name) or torch.nn.Linear(2, 2))
    backbone = SamBackbone("vit_b", None, EmbeddingCache("unused", 0), device="cpu")
    threads = [threading.Thread(target=backbone._model) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == ["vit_b"]


def test_digests_tell_weights_apart(vit_b, tmp_path):
    cache = EmbeddingCache(tmp_path, 0)
    assert vit_b.backbone.digest == hashlib.sha256(vit_b.path.read_bytes()).hexdigest()
    drawn = [
        SamBackbone(name, None, cache, seed=seed).digest for name, seed in (("vit_b", 0), ("vit_b", 1), ("vit_l", 0))
    ]
    assert len({*drawn, vit_b.backbone.digest}) == 4
    assert drawn[0] == SamBackbone("vit_b", None, cache).digest


def test_random_weights_repeat_and_leave_the_generator_alone():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    one, other = sam._random("vit_b", 0), sam._random("vit_b", 0)
    assert torch.equal(torch.rand(3), expected)
    weight = "image_encoder.blocks.0.attn.qkv.weight"
    assert torch.equal(one.state_dict()[weight], other.state_dict()[weight])
    assert not torch.equal(one.state_dict()[weight], sam._random("vit_b", 1).state_dict()[weight])


class Payload:
    def __reduce__(self):
        return (exec, ("import builtins; builtins.payload_ran = True",))


def _damaged(path, vit_b):
    with vit_b.path.open("rb") as source:
        path.write_bytes(source.read(10_000))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path, _: path.write_bytes(b""), "damaged"),
        (lambda path, _: path.write_bytes(b"<html>not found</html>"), "damaged"),
        (_damaged, "damaged"),
        (lambda path, _: path.write_bytes(pickle.dumps(Payload(), protocol=2)), "damaged"),
        (lambda path, _: torch.save({"model": Payload()}, path), "damaged"),
        (lambda path, _: torch.save([torch.zeros(2)], path), "does not hold a table of tensors"),
        (lambda path, _: torch.save({"epoch": 3}, path), "does not hold a table of tensors"),
        (lambda path, _: torch.save(torch.nn.Linear(2, 2).state_dict(), path), "those of another model"),
    ],
    ids=["empty", "page", "cut", "pickle", "code", "list", "no tensors", "another model"],
)
def test_what_is_no_checkpoint_is_refused_and_runs_no_code(write, reason, vit_b, tmp_path):
    import builtins

    path = tmp_path / "weights.pth"
    write(path, vit_b)
    backbone = SamBackbone("vit_b", path, EmbeddingCache(tmp_path / "cache", 0), device="cpu")
    with pytest.raises(CheckpointError, match=reason) as caught:
        backbone.open(np.zeros((96, 160), dtype=np.uint8))
    assert str(path) in str(caught.value) and "curate checkpoints pull vit_b" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not hasattr(builtins, "payload_ran")


def test_weights_of_another_size_are_refused(vit_b, tmp_path):
    state = {name: value for name, value in vit_b.model.state_dict().items() if "blocks.0." not in name}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match="those of another model"):
        sam._read("vit_b", tmp_path / "weights.pth")


def test_a_read_model_has_the_weights_of_the_file(vit_b):
    read = sam._read("vit_b", vit_b.path)
    expected = vit_b.model.state_dict()
    assert read.state_dict().keys() == expected.keys() == sam_model_registry["vit_b"]().state_dict().keys()
    assert all(torch.equal(value, expected[name]) for name, value in read.state_dict().items())
    assert torch.equal(read.pixel_mean, vit_b.model.pixel_mean)


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ConfigError, match=f"device '{device}'"):
        resolve_device(device)


def test_the_device_is_the_cpu_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device(None) == torch.device("cpu")
