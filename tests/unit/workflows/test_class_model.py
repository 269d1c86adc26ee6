import numpy as np
import pytest

from matcurate.config import ClassSettings
from matcurate.uncertainty.dirichlet import vacuity
from matcurate.workflows.class_model import NOTHING_HELD_OUT, HeldOut, Shown, balanced, hold_out, teach

AFRESH, APPEND = ClassSettings(), ClassSettings(growth="append")
DIMENSIONS = 10


def shown(name: str, micrographs: int, crops: int = 6, seed: int = 0) -> list[Shown]:
    """Micrographs around the centre of their class, crops around their micrograph."""
    centre = np.random.default_rng(sum(map(ord, name))).normal(0, 6, DIMENSIONS)
    rng = np.random.default_rng(seed)
    return [
        Shown(
            name, (centre + rng.normal(0, 0.5, DIMENSIONS) + rng.normal(0, 1, (crops, DIMENSIONS))).astype(np.float32)
        )
        for _ in range(micrographs)
    ]


def test_every_class_comes_as_often_as_the_largest_and_nothing_is_left_out() -> None:
    labels = np.array([0] * 7 + [1] * 3 + [2] * 1)
    chosen = balanced(labels, np.random.default_rng(0))
    assert np.bincount(labels[chosen]).tolist() == [7, 7, 7]
    assert set(chosen) == set(range(11))
    assert max(np.bincount(chosen)[7:10]) - min(np.bincount(chosen)[7:10]) <= 1


def test_the_threshold_and_accuracy_by_hand() -> None:
    found = HeldOut(
        ("a", "a", "a", "b", "b"), np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([True, False, True, True, True])
    )
    assert found.threshold(0.5) == pytest.approx(0.3)
    assert found.accuracy(["a"]) == pytest.approx(2 / 3)
    assert found.accuracy(["a", "b"]) == pytest.approx(4 / 5)
    assert found.accuracy(["c"]) is None
    assert HeldOut((), np.zeros(0), np.zeros(0, dtype=bool)).threshold(0.8) == NOTHING_HELD_OUT


@pytest.mark.parametrize("settings", [AFRESH, APPEND], ids=lambda each: each.growth)
def test_class_after_class_is_learned_and_the_next_is_unknown(settings: ClassSettings) -> None:
    names, learned, head = ["ferrite", "pearlite", "bainite"], [], None
    for number, name in enumerate(names):
        if head is not None:
            assert np.median(vacuity(head.parameters_of(shown(name, 1, seed=9)[0].embeddings))) > 0.8
        learned += shown(name, 4)
        head = teach(head, names[: number + 1], learned, settings, np.random.default_rng(0))
        assert head.classes == tuple(names[: number + 1])
    for number, name in enumerate(names):
        alpha = head.parameters_of(np.concatenate([each.embeddings for each in shown(name, 3, seed=5)]))
        assert (alpha.argmax(axis=1) == number).mean() > 0.95
        assert np.median(vacuity(alpha)) < 0.5


def test_appending_stands_on_the_whitening_of_the_first_class_and_afresh_does_not() -> None:
    first = teach(None, ["a"], shown("a", 3), APPEND, np.random.default_rng(0))
    both = shown("a", 3) + shown("b", 3)
    grown = teach(first, ["a", "b"], both, APPEND, np.random.default_rng(0))
    anew = teach(first, ["a", "b"], both, AFRESH, np.random.default_rng(0))
    assert np.array_equal(grown.get_buffer("projection"), first.get_buffer("projection"))
    assert not np.array_equal(anew.get_buffer("centre"), first.get_buffer("centre"))
    shorter = teach(grown, ["b"], shown("b", 3), APPEND, np.random.default_rng(0))
    assert shorter.classes == ("b",)
    assert np.array_equal(shorter.prototypes.detach().numpy(), grown.prototypes[1:].detach().numpy())  # K = 1 rests


def test_held_out_micrographs_are_whole_and_the_only_one_of_a_class_is_parted() -> None:
    found = hold_out(["many", "one"], shown("many", 5) + shown("one", 1, crops=8), AFRESH, 0)
    assert [found.names.count(name) for name in ("many", "one")] == [30, 8]
    assert found.accuracy(["many", "one"]) > 0.9
    again = hold_out(["many", "one"], shown("many", 5) + shown("one", 1, crops=8), AFRESH, 0)
    assert np.array_equal(found.vacuity, again.vacuity)


def test_a_single_crop_is_learned_but_never_held_out() -> None:
    found = hold_out(["many", "single"], shown("many", 3) + shown("single", 1, crops=1), AFRESH, 0)
    assert set(found.names) == {"many"}
    assert not hold_out(["single"], shown("single", 1, crops=1), AFRESH, 0).names
