"""The region segmenter: its outputs, how it learns from collages, grows, and is kept in a file."""

import numpy as np
import pytest
import torch

from matcurate.config import configs_root, load_preset
from matcurate.errors import CheckpointError, ConfigError
from matcurate.learned.families import FAMILIES, read_weights
from matcurate.learned.regions import (
    CollageBatches,
    MixedBatches,
    NetworkSettings,
    RegionModel,
    RegionSettings,
    build_region_model,
    grown_state,
    load_regions,
    region_crops,
    save_regions,
)
from matcurate.learned.regions.settings import EQUATION_8
from matcurate.phase.augment import Augmentation
from matcurate.phase.build import Base
from matcurate.phase.inference import phase_shares
from matcurate.phase.losses import LossSettings
from matcurate.phase.ratios import no_ratio
from matcurate.phase.samples import Picture, Sampler, SamplingSettings
from matcurate.phase.trainer import TrainSettings, train
from matcurate.promptable.builtin.shipped import shipped
from matcurate.segmentation.collage import Collages, CollageSettings
from matcurate.uncertainty.dirichlet import vacuity
from matcurate.uncertainty.loss import EvidenceSettings, evidential_loss

SMALL = NetworkSettings(width=8)
STILL = Augmentation(scale=(1, 1), intensity=(1, 1), gamma=(1, 1), contrast=(1, 1))


def stripes(period, shape=(90, 120)):
    """A texture of stripes along the columns, each ``period`` pixels wide."""
    row = (np.arange(shape[1]) // period % 2).astype(np.float32)
    return np.broadcast_to(0.2 + 0.6 * row, shape).copy()


def source(model, classes=2, batch=4):
    collages = Collages([[stripes(2 * k + 1)] for k in range(classes)], CollageSettings(size=(48, 64), regions=(2, 2)))
    return CollageBatches(collages, model, batch, STILL)


@pytest.mark.parametrize("encoder", ["efficientnet", "xception"])
def test_any_size_gives_logits_of_every_pixel_and_maps_that_span_it(encoder):
    model = RegionModel(3, NetworkSettings(encoder=encoder)).eval()
    made = model.described(torch.rand(1, 1, 50, 70), torch.zeros(1, 3))
    assert made.logits.shape == (1, 3, 50, 70) and made.span == (64, 80)
    assert [tuple(level.shape[2:]) for level in made.maps] == [(16, 20), (4, 5), (16, 20)]
    count = model.parameter_counts()[0]
    assert (0.7e6 if encoder == "efficientnet" else 1.3e6) < count < (1e6 if encoder == "efficientnet" else 1.6e6)


def test_the_encoder_begins_with_the_shipped_weights_and_the_backbone_stays():
    backbone = shipped("cpu")
    before = backbone.weights.network.encoder.state_dict()["conv_stem.weight"].clone()
    model = build_region_model(backbone, 2, SMALL, seed=0)
    torch.testing.assert_close(model.encoder.network.conv_stem.weight.detach(), before)
    with torch.no_grad():
        model.encoder.network.conv_stem.weight.zero_()
    torch.testing.assert_close(backbone.weights.network.encoder.state_dict()["conv_stem.weight"], before)
    again = build_region_model(backbone, 2, SMALL, seed=0)
    torch.testing.assert_close(again.head.weight, build_region_model(backbone, 2, SMALL, seed=0).head.weight)
    with pytest.raises(ConfigError, match="1 phase"):
        build_region_model(backbone, 1, SMALL, seed=0)


@pytest.mark.parametrize("evidence", [None, EvidenceSettings(penalty=0.1)])
def test_collages_teach_it_to_tell_textures_apart(evidence):
    model = build_region_model(shipped("cpu"), 2, SMALL.model_copy(update={"evidence": evidence}), seed=0)
    loss = LossSettings(dice=0, ratio=0)
    settings = TrainSettings(steps=30, learning_rate=0.003, warmup=2, validate_every=30, loss=loss, head_rate=3)
    train(model, source(model), settings, seed=0)
    made = Collages([[stripes(1)], [stripes(3)]], CollageSettings(size=(48, 64), regions=(2, 2))).collage(9, 0)
    shares = phase_shares(model, made.grey, no_ratio(2))
    assert (shares.argmax(axis=0) == made.labels).mean() > 0.85


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    settings = TrainSettings(steps=6, validate_every=3, checkpoint_every=2)
    unbroken, broken, resumed = (build_region_model(shipped("cpu"), 2, SMALL, seed=0) for _ in range(3))
    train(unbroken, source(unbroken), settings, seed=1)
    train(broken, source(broken), settings, seed=1, folder=tmp_path, stop_after=3)
    train(resumed, source(resumed), settings, seed=1, folder=tmp_path)
    state = resumed.learned_state()
    assert any("running_mean" in name for name in state)
    for name, value in unbroken.learned_state().items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-5)


def test_logits_of_evidence_are_those_of_the_mean_of_a_dirichlet_distribution():
    model = RegionModel(3, SMALL.model_copy(update={"evidence": EvidenceSettings()})).eval()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor([0.0, -20.0, -20.0]))  # evidence 1, and next to none
        logits = model(torch.rand(1, 1, 32, 48), torch.zeros(1, 3))
    np.testing.assert_allclose(logits.softmax(1)[0, :, 5, 7], [0.5, 0.25, 0.25], atol=1e-3)
    np.testing.assert_allclose(vacuity(logits.exp()[0].numpy()), 0.75, atol=1e-3)  # K / S = 3 / 4
    labels = torch.full((1, 32, 48), 255)
    labels[0, 0, 0] = 0
    weights = torch.tensor([2.0, 1.0, 1.0])
    loss = model.loss(logits, labels, weights, LossSettings(), share=0.0)
    # (1 - 1/2)² + 1/4 · 2 · 1/4 … Σ (y - p)² + p (1 - p) / (S + 1), S = 4
    expected = 0.25 + 2 * 0.0625 + (0.25 + 2 * 0.1875) / 5
    assert float(loss) == pytest.approx(expected, abs=1e-3)


def test_evidential_loss_weighs_classes():
    alpha = torch.tensor([[4.0, 1.0], [2.0, 3.0]])
    labels = torch.tensor([0, 1])
    one, other = (float(evidential_loss(alpha[i : i + 1], labels[i : i + 1], 0.5)) for i in (0, 1))
    weighted = float(evidential_loss(alpha, labels, 0.5, torch.tensor([3.0, 1.0])))
    assert weighted == pytest.approx((3 * one + other) / 4)


def test_growing_keeps_every_weight_and_the_answers_for_old_classes():
    model = RegionModel(3, SMALL).eval()
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([0.5, -0.25, 1.0]))
    state = grown_state(model.learned_state(), 5, torch.Generator().manual_seed(1))
    for name, value in model.learned_state().items():
        torch.testing.assert_close(state[name][: len(value)] if name.startswith("head") else state[name], value)
    assert state["head.bias"].tolist() == [0.5, -0.25, 1.0, -0.25, -0.25]
    assert float(state["head.weight"][3:].std()) == pytest.approx(float(model.head.weight.detach().std()), rel=0.5)
    grown = RegionModel(5, SMALL).eval()
    grown.load_learned_state(state)
    image = torch.rand(1, 1, 32, 48)
    torch.testing.assert_close(grown(image, torch.zeros(1, 5))[:, :3], model(image, torch.zeros(1, 3)))
    with pytest.raises(ValueError, match="3 outputs cannot become 2"):
        grown_state(model.learned_state(), 2, torch.Generator())


def test_the_new_head_learns_faster():
    model = RegionModel(2, SMALL)
    (others, one), (head, faster) = model.rated_parameters(plm_rate=9, head_rate=5)
    assert (one, faster) == (1, 5) and {id(value) for value in head} == {id(value) for value in model.head.parameters()}
    assert len(others) + len(head) == len(list(model.parameters()))


def test_a_file_gives_the_same_model_back_and_grows_for_new_classes(tmp_path):
    model, path = RegionModel(2, SMALL).eval(), tmp_path / "weights.safetensors"
    save_regions(path, model, Base("builtin", "a" * 64), ("ferrite", "pearlite"), SMALL, {"lab": "north"})
    weights = load_regions(path)
    assert weights.card.phases == ("ferrite", "pearlite") and weights.card.notes == {"lab": "north"}
    image = torch.rand(1, 1, 40, 64)
    torch.testing.assert_close(weights.model()(image, torch.zeros(1, 2)), model(image, torch.zeros(1, 2)))
    assert read_weights(path).family == "regions"
    same = weights.start_for(("ferrite", "pearlite"), 0)
    assert torch.equal(same["head.weight"], model.head.weight)
    assert len(weights.start_for(("ferrite", "pearlite", "bainite"), 0)["head.bias"]) == 3
    assert weights.start_for(("pearlite", "ferrite"), 0) is None and weights.start_for(("ferrite",), 0) is None
    with pytest.raises(CheckpointError, match="no such file"):
        read_weights(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="3 names for 2 phases"):
        save_regions(path, model, Base("builtin", "a" * 64), ("a", "b", "c"), SMALL)


def test_batches_repeat_and_mix():
    model = RegionModel(2, SMALL)
    collages = source(model)
    one, again, next_one = collages.batch(0, 3), collages.batch(0, 3), collages.batch(0, 4)
    assert torch.equal(one.images, again.images) and not torch.equal(one.images, next_one.images)
    assert one.images.shape == (4, 1, 48, 64) and set(one.labels.unique().tolist()) == {0, 1}
    torch.testing.assert_close(one.images.mean(dim=(1, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    labels = np.zeros((60, 80), np.uint8)
    sampler = Sampler([Picture("p", stripes(2, (60, 80)), labels)], 2, SamplingSettings(crop=32, batch=4), model)
    mixed = MixedBatches(sampler, collages, 0.25)
    shares = np.mean([mixed.batch(0, step).images.shape[-1] == 64 for step in range(80)])
    assert 0.1 < shares < 0.4 and mixed.frequencies.tolist() == [0.875, 0.125]


def test_textures_are_the_largest_squares_of_one_phase():
    labels = np.zeros((70, 100), np.uint8)
    labels[20:60, 40:] = 1
    grey = np.random.default_rng(0).random((70, 100)).astype(np.float32)
    first, second = region_crops([Picture("p", grey, labels)], 2)
    np.testing.assert_array_equal(second[0], grey[20:60, 40:80])
    np.testing.assert_array_equal(first[0], grey[:40, :40])
    labels[::10] = 0
    assert region_crops([Picture("p", grey, labels)], 2) is None


@pytest.mark.parametrize("name", [path.stem for path in (configs_root() / "regions").glob("*.yaml")])
def test_presets_of_the_package_have_the_loss_of_the_paper(name):
    preset = load_preset(name, RegionSettings, "regions")
    assert preset.name == name and preset.train.loss == EQUATION_8


def test_presets_need_two_crops_for_each_step():
    with pytest.raises(ValueError, match="batch must be 2 or more"):
        RegionSettings(name="one", train=TrainSettings(sampling=SamplingSettings(batch=1)))
    assert FAMILIES["regions"].preset is RegionSettings
