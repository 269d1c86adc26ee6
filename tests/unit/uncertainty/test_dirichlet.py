import numpy as np
import pytest

from matcurate.uncertainty.dirichlet import (
    class_means,
    dissonance,
    entropy_of_mean,
    expected_entropy,
    mutual_information,
    vacuity,
)

MEASURES = (vacuity, dissonance, entropy_of_mean, expected_entropy, mutual_information)


def drawn(alpha: np.ndarray) -> np.ndarray:
    return np.random.default_rng(3).dirichlet(alpha, size=400_000)


def entropies(shares: np.ndarray) -> np.ndarray:
    return -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=-1)


def test_vacuity_is_classes_over_strength() -> None:
    alpha = np.array([[1.0, 1.0, 1.0], [4.0, 1.0, 1.0], [28.0, 1.0, 1.0]])
    assert vacuity(alpha) == pytest.approx([1.0, 0.5, 0.1])


def test_dissonance_by_hand() -> None:
    # b = (4, 4, 0) / 11: both conflicting beliefs are fully balanced, so 8/11.
    # b = (6, 2, 0) / 11: Bal = 1 - 4/8 = 1/2, so (6 + 2) / 11 / 2.
    # b = (2, 2, 4) / 11 in subjective logic: 2/11 (2 + 4·2/3)/6 twice, 4/11 · 2/3.
    alpha = np.array([[5.0, 5.0, 1.0], [7.0, 3.0, 1.0], [3.0, 3.0, 5.0]])
    third = 2 * (2 / 11) * (2 + 4 * 2 / 3) / 6 + (4 / 11) * (2 / 3)
    assert dissonance(alpha) == pytest.approx([8 / 11, 4 / 11, third])


def test_without_evidence_or_with_evidence_for_one_class_nothing_conflicts() -> None:
    assert dissonance(np.array([[1.0, 1.0, 1.0], [9.0, 1.0, 1.0]])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("alpha", [(1.0, 1.0), (3.0, 1.2, 7.0), (20.0, 1.0, 1.0, 2.0), (150.0, 90.0, 1.0)])
def test_entropies_are_what_monte_carlo_integration_finds(alpha: tuple[float, ...]) -> None:
    row = np.array([alpha])
    shares = drawn(row[0])
    assert class_means(row)[0] == pytest.approx(shares.mean(axis=0), abs=2e-3)
    assert entropy_of_mean(row)[0] == pytest.approx(entropies(shares.mean(axis=0)), abs=2e-3)
    assert expected_entropy(row)[0] == pytest.approx(entropies(shares).mean(), abs=2e-3)
    assert mutual_information(row)[0] == pytest.approx(
        entropies(shares.mean(axis=0)) - entropies(shares).mean(), abs=2e-3
    )


def test_expected_entropy_of_a_uniform_pair_by_hand() -> None:
    # ∫ H(p) dp over [0, 1] = 1/2
    assert expected_entropy(np.ones((1, 2)))[0] == pytest.approx(0.5)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_map_is_as_many_samples(measure) -> None:
    alpha = 1 + np.random.default_rng(0).gamma(0.7, 5, (6, 4, 7))
    flat = alpha.reshape(6, -1).T
    assert measure(alpha).shape == (4, 7)
    np.testing.assert_allclose(measure(alpha).ravel(), measure(flat), rtol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_order_of_the_classes_does_not_matter(measure) -> None:
    rng = np.random.default_rng(1)
    alpha = 1 + rng.gamma(0.7, 5, (30, 9))
    np.testing.assert_allclose(measure(alpha), measure(alpha[:, rng.permutation(9)]), rtol=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_single_precision_is_widened(measure) -> None:
    assert measure(np.full((2, 3), 2, dtype=np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    ("alpha", "problem"),
    [
        (np.ones(3), "shape"),
        (np.ones((3, 0)), "one class"),
        (np.array([[1.0, np.nan]]), "finite"),
        (np.array([[1.0, 0.5]]), "at least 1"),
    ],
)
def test_what_is_no_evidence_is_refused(alpha: np.ndarray, problem: str) -> None:
    for measure in MEASURES:
        with pytest.raises(ValueError, match=problem):
            measure(alpha)


def test_one_class_alone_has_vacuity_and_nothing_else() -> None:
    alpha = np.array([[1.0], [4.0]])  # evidence 0 and 3
    np.testing.assert_allclose(vacuity(alpha), [1, 1 / 4])
    np.testing.assert_allclose(class_means(alpha), 1)
    for measure in (dissonance, entropy_of_mean, expected_entropy, mutual_information):
        np.testing.assert_allclose(measure(alpha), 0, atol=1e-15)
