"""A whole network on generated textures: small crops, few epochs, weights drawn at random."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torchvision.models import get_model

from matcurate.config import NetworkName
from matcurate.errors import CheckpointError
from matcurate.imaging.synth.textures import texture
from matcurate.uncertainty.classifier import Gallery, PatchClassifier
from matcurate.uncertainty.dirichlet import vacuity
from matcurate.uncertainty.learners import NetworkLearner
from matcurate.uncertainty.network import ARCHITECTURES, GreyBody, PatchNetwork, begin_network
from matcurate.uncertainty.storage import NETWORK, load_head, load_network, save_network
from matcurate.uncertainty.trainer import HeadTraining

NAME: NetworkName = "resnet18"
EDGE = 32
NAMES = ["cells", "weave", "leaves"]
SEEDS = (0, 3, 5)
QUICK = HeadTraining(epochs=12, batch=8, learning_rate=0.001)
LEARNER = NetworkLearner(NAME, None, QUICK)


def crops(count: int, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Crops (classes * count, 32, 32) of generated textures, in [0, 1]."""
    rng, found = np.random.default_rng(seed), []
    for each in SEEDS[:classes]:
        sheet = texture((128, 160), np.random.default_rng(each)).astype(np.float32) / 255
        places = [(int(rng.integers(128 - EDGE)), int(rng.integers(160 - EDGE))) for _ in range(count)]
        found += [sheet[top : top + EDGE, left : left + EDGE] for top, left in places]
    return np.stack(found), np.repeat(np.arange(classes), count)


def taught(classes: int = 2, seed: int = 0) -> PatchNetwork:
    samples, labels = crops(12, classes)
    rng = np.random.default_rng(seed)
    network = LEARNER.begin(NAMES[:classes], samples, labels, rng)
    LEARNER.train(network, samples, labels, rng)
    return network


@pytest.fixture(scope="module")
def network() -> PatchNetwork:
    return taught()


def test_two_textures_are_told_apart_and_a_third_is_less_known(network: PatchNetwork) -> None:
    samples, labels = crops(10, 3, seed=9)
    alpha = network.parameters_of(samples)
    known, unknown = alpha[labels < 2], vacuity(alpha)
    assert (known.argmax(axis=1) == labels[labels < 2]).mean() > 0.9
    assert np.median(unknown[labels == 2]) > 2 * max(np.median(unknown[labels == k]) for k in (0, 1))
    classifier = PatchClassifier(lambda asked: asked, network, Gallery(*crops(12, 2)))
    answer = classifier.together(samples[labels == 1])
    assert (answer.name, [each.name for each in answer.similar]) == ("weave", ["weave", "cells"])
    assert set(answer.similar[0].examples) <= set(range(12, 24))  # places of crops of that class
    assert classifier(samples[:1])[0].vacuity == pytest.approx(unknown[0], rel=1e-5)


def test_all_weights_learn_and_the_statistics_are_those_of_all_crops(network: PatchNetwork) -> None:
    samples, labels = crops(12, 2)
    begun = LEARNER.begin(NAMES[:2], samples, labels, np.random.default_rng(0))
    assert np.array_equal(begun.parameters_of(samples), np.full((24, 2), 2.0))  # evidence 1, u = 1/2
    learned = {name for name, _ in network.named_parameters()}
    same = {name for name, value in network.state_dict().items() if torch.equal(value, begun.state_dict()[name])}
    assert not same & learned
    assert not network.training
    settled = copy.deepcopy(network)
    settled.body.settle(samples)
    assert all(torch.equal(value, settled.state_dict()[name]) for name, value in network.state_dict().items())


def test_where_the_outputs_alone_learn_the_body_keeps_its_statistics_too(network: PatchNetwork) -> None:
    samples, labels = crops(6)
    longer = network.extended("leaves", samples[labels == 2])
    longer.body.requires_grad_(False)
    LEARNER.train(longer, samples, labels, np.random.default_rng(0))
    for name, value in longer.body.state_dict().items():
        assert torch.equal(value, network.body.state_dict()[name]), name
    assert all((each[2] != 0).any() for each in longer.outputs())


def test_the_same_generator_gives_the_same_network_and_another_another() -> None:
    samples, labels = crops(4, 2)
    brief, states = NetworkLearner(NAME, None, HeadTraining(epochs=2, batch=4)), []
    held = torch.random.get_rng_state()
    for seed in (0, 0, 1):
        rng = np.random.default_rng(seed)
        own = brief.begin(NAMES[:2], samples, labels, rng)
        brief.train(own, samples, labels, rng)
        states.append(own.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not torch.equal(states[0]["last.weight"], states[2]["last.weight"])
    assert torch.equal(held, torch.random.get_rng_state())  # torch's own generator is left alone


def test_a_new_class_appends_an_output_and_keeps_every_other_weight(network: PatchNetwork) -> None:
    samples, labels = crops(12)
    longer = network.extended("leaves", samples[labels == 2])
    assert longer.classes == ("cells", "weave", "leaves")
    own = network.state_dict()
    for name, value in longer.state_dict().items():
        assert torch.equal(value[:2] if name.startswith("last.") else value, own[name]), name
    assert longer.last.bias.tolist()[2:] == [0.0]
    looked, before = longer.infer(samples).logits, network.infer(samples).logits
    np.testing.assert_allclose(looked[:, :2], before, rtol=1e-4, atol=1e-4)  # a product of another shape
    further = NetworkLearner(NAME, None, HeadTraining(epochs=5, batch=8, learning_rate=0.001))
    further.train(longer, samples, labels, np.random.default_rng(2))  # goes on with old and new crops
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in own.items())  # the shorter is its own
    fresh, truth = crops(10, 3, seed=9)
    assert (longer.parameters_of(fresh).argmax(axis=1) == truth).mean() > 0.85
    back = longer.without("leaves")
    assert torch.equal(back.last.weight, longer.last.weight[:2]) and torch.equal(back.last.bias, longer.last.bias[:2])
    np.testing.assert_allclose(back.infer(samples).logits, longer.infer(samples).logits[:, :2], rtol=1e-4, atol=1e-4)


def test_a_last_batch_of_one_crop_is_no_trouble() -> None:
    samples, labels = crops(1, 3)
    network = LEARNER.begin(NAMES, samples, labels, np.random.default_rng(0))
    pairs = NetworkLearner(NAME, None, HeadTraining(epochs=1, batch=2))
    pairs.train(network, samples, labels, np.random.default_rng(0))
    assert np.isfinite(network.infer(samples).logits).all()


def test_orientations_are_the_eight_of_a_square(network: PatchNetwork) -> None:
    one = torch.arange(9.0).reshape(1, 3, 3)
    shown = {tuple(map(tuple, network.augment(one, np.random.default_rng(k))[0].int().tolist())) for k in range(100)}
    wanted = {
        tuple(map(tuple, np.rot90(each, k).tolist())) for k in range(4) for each in (one[0].int(), one[0].int().T)
    }
    assert shown == wanted


def test_grey_goes_into_three_channels_normalised_as_on_imagenet(network: PatchNetwork) -> None:
    seen = []
    handle = network.body.layers.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    network.infer(np.full((1, EDGE, EDGE), 0.485, dtype=np.float32))
    handle.remove()
    assert seen[0].shape == (1, 3, EDGE, EDGE)
    by_hand = [0.0, (0.485 - 0.456) / 0.224, (0.485 - 0.406) / 0.225]
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_weights_to_begin_with_are_taken_over_but_the_last_layer(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        start = get_model(NAME, weights=None).state_dict()
    start["bn1.running_mean"] += 1
    samples, _ = crops(4, 2)
    begun = begin_network(NAME, NAMES[:2], samples, start, rng=np.random.default_rng(0))
    body = begun.body.layers.state_dict()
    assert all(torch.equal(body[name], value) for name, value in start.items() if not name.startswith("fc."))
    assert "fc.weight" not in body
    del start["conv1.weight"]
    with pytest.raises(CheckpointError, match=f"not those of {NAME}; set classes.network.weights"):
        begin_network(NAME, NAMES[:2], samples, start, rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_last_layer_of_every_architecture_is_known(name: NetworkName) -> None:
    with torch.device("meta"):
        last = get_model(name, weights=None).get_submodule(ARCHITECTURES[name].last)
        body = GreyBody(name)
    assert isinstance(last, torch.nn.Linear) and last.out_features == 1000
    edge = ARCHITECTURES[name].least
    with torch.device("meta"):
        assert body.train(False)(torch.zeros(2, edge, edge)).shape == (2, last.in_features)


def test_what_cannot_be_learned_is_refused() -> None:
    samples, labels = crops(3, 2)
    rng = np.random.default_rng(0)
    for asked, problem in (
        (samples[:, :20, :20], "32 pixels at least"),
        (samples[0], "pixels at least"),
        (samples * np.nan, "finite"),
    ):
        with pytest.raises(ValueError, match=problem):
            LEARNER.begin(NAMES[:2], asked, labels, rng)
    with pytest.raises(ValueError, match="none twice"):
        LEARNER.begin(["cells", "cells"], samples, labels, rng)


def test_a_file_gives_the_same_network_and_refuses_what_was_changed(tmp_path: Path, network: PatchNetwork) -> None:
    path = tmp_path / "network.safetensors"
    made = save_network(path, network, "a" * 64, EDGE, {"start": "none"})
    card, stored = load_network(path)
    assert card == made
    assert (card.classes, card.network, card.crop, card.notes) == (("cells", "weave"), NAME, EDGE, {"start": "none"})
    samples, _ = crops(4, 2)
    assert np.array_equal(stored.infer(samples).logits, network.infer(samples).logits)
    save_network(tmp_path / "again", network, "a" * 64, EDGE, {"start": "none"})
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    with safe_open(str(path), framework="pt") as file:
        tensors, header = {each: file.get_tensor(each) for each in file.keys()}, file.metadata()
    changed = {**tensors, "last.bias": tensors["last.bias"] + 1}
    save_file(changed, path, header)
    with pytest.raises(CheckpointError, match="digest differs"):
        load_network(path)
    with pytest.raises(CheckpointError, match="not a head of this project"):
        load_head(tmp_path / "again")
    card_of_another = json.loads(header[NETWORK.name]) | {"network": "resnet34"}
    save_file(tensors, path, {NETWORK.name: json.dumps(card_of_another)})
    with pytest.raises(CheckpointError, match="do not fit its card"):
        load_network(path)
