import numpy as np
import pytest

from matcurate.acquisition.diversity import near_duplicates, typical_distance
from matcurate.acquisition.scores import bald, entropy, margin, rarity


def test_entropy_and_margin_by_hand() -> None:
    shares = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.5, 0.3, 0.2]])
    assert entropy(shares)[:2] == pytest.approx([np.log(2), 0.0])
    assert margin(shares) == pytest.approx([1.0, 0.0, 0.8])


def test_bald_is_what_the_passes_disagree_about() -> None:
    sure = np.array([[1.0, 0.0], [0.5, 0.5]])
    torn = np.array([[0.0, 1.0], [0.5, 0.5]])
    # the first: mean entropy log 2, entropies 0; the second is unsure in every pass
    assert bald(np.stack([sure, torn])) == pytest.approx([np.log(2), 0.0])


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
