import numpy as np
import pytest

from matcurate.acquisition.diversity import near_duplicates, typical_distance
from matcurate.acquisition.scores import bald, entropy, expected_gradient, margin, rarity


def test_entropy_and_margin_by_hand() -> None:
    shares = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.5, 0.3, 0.2]])
    assert entropy(shares)[:2] == pytest.approx([np.log(2), 0.0])
    assert margin(shares) == pytest.approx([1.0, 0.0, 0.8])


def test_bald_is_what_the_passes_disagree_about() -> None:
    sure = np.array([[1.0, 0.0], [0.5, 0.5]])
    torn = np.array([[0.0, 1.0], [0.5, 0.5]])
    # the first: mean entropy log 2, entropies 0; the second is unsure in every pass
    assert bald(np.stack([sure, torn])) == pytest.approx([np.log(2), 0.0])


def test_expected_gradient_by_hand() -> None:
    # p = (1/2, 1/2): both labels give length √(1/4 + 1/4); x = (2, 2) and the bias give √9.
    found = expected_gradient(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[2.0, 2.0], [2.0, 2.0]]))
    assert found == pytest.approx([3 * np.sqrt(0.5), 0.0])


def test_the_expected_gradient_is_that_of_a_softmax_layer() -> None:
    import torch

    rng = np.random.default_rng(0)
    layer = torch.nn.Linear(4, 3)
    place = torch.from_numpy(rng.normal(size=(1, 4))).float()
    shares = layer(place).softmax(1).detach()
    expected = 0.0
    for label in range(3):
        layer.zero_grad()
        torch.nn.functional.cross_entropy(layer(place), torch.tensor([label])).backward()
        length = torch.cat([each.grad.flatten() for each in layer.parameters()]).norm()
        expected += float(shares[0, label] * length)
    assert expected_gradient(shares.numpy(), place.numpy())[0] == pytest.approx(expected, rel=1e-5)


def test_rarity_by_hand() -> None:
    fractions = np.array([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0]])
    # means .6 and .4; the third phase is never there
    assert rarity(fractions) == pytest.approx([(0.8 / 0.6 + 0.2 / 0.4) / 2, (0.4 / 0.6 + 0.6 / 0.4) / 2])
    assert rarity(np.zeros((2, 3))).tolist() == [1.0, 1.0]


def test_typical_distance_is_that_of_pairs() -> None:
    points = np.random.default_rng(0).normal(size=(300, 5))
    pairs = points[:, None] - points[None]
    assert typical_distance(points) == pytest.approx(np.sqrt((pairs**2).sum(axis=2).mean()))


def test_near_duplicates_do_not_chain() -> None:
    # Reach is .1 · √2 · std = .1 · √2 · 46.9…: 6.6.
    places = np.array([[0.0], [5.0], [10.0], [100.0], [101.0]])
    assert near_duplicates(places, near=0.1).tolist() == [0, 0, 2, 3, 3]
