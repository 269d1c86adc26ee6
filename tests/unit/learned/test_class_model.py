import numpy as np
import pytest

from matcurate.config import ClassSettings
from matcurate.learned.class_model import (
    NOTHING_HELD_OUT,
    Accuracy,
    HeldOutResult,
    HeldOutResults,
    LabelledCrops,
    balanced,
    grow,
    hold_out,
    retrain,
)
from matcurate.uncertainty.dirichlet import vacuity
from matcurate.uncertainty.head import EvidentialHead

REFIT, FINETUNE, NEW_OUTPUT_ONLY = (ClassSettings(retraining=each) for each in ("refit", "finetune", "new_output_only"))
DIMENSIONS = 10


def shown(name: str, micrographs: int, crops: int = 6, seed: int = 0) -> list[LabelledCrops]:
    """Micrographs around the centre of their class, crops around their micrograph."""
    centre = np.random.default_rng(sum(map(ord, name))).normal(0, 6, DIMENSIONS)
    rng = np.random.default_rng(seed)
    return [
        LabelledCrops(
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
    found = HeldOutResults(
        (
            HeldOutResult("a", np.array([0.1, 0.2, 0.3]), np.array([True, False, True]), True),
            HeldOutResult("a", np.array([0.4]), np.array([False]), False),
            HeldOutResult("b", np.array([0.5]), np.array([True]), True),
        )
    )
    assert found.threshold(0.5) == pytest.approx(0.3)
    assert found.accuracy(["a"]) == Accuracy(micrographs=1 / 2, crops=2 / 4)
    assert found.accuracy(["a", "b"]) == Accuracy(micrographs=2 / 3, crops=3 / 5)
    assert found.accuracy(["c"]) is None
    assert HeldOutResults(()).threshold(0.8) == NOTHING_HELD_OUT


def taught(
    head: EvidentialHead | None, names: list[str], learned: list[LabelledCrops], settings: ClassSettings
) -> EvidentialHead:
    """Grown by the last class, then trained as the settings say."""
    rng = np.random.default_rng(0)
    grown = None if head is None else grow(head, names[-1], names, learned, rng)
    return retrain(grown, names, learned, settings, rng)


@pytest.mark.parametrize("settings", [REFIT, FINETUNE, NEW_OUTPUT_ONLY], ids=lambda each: each.retraining)
def test_class_after_class_is_learned_and_the_next_is_unknown(settings: ClassSettings) -> None:
    names, learned, head = ["ferrite", "pearlite", "bainite"], [], None
    for number, name in enumerate(names):
        if head is not None:
            assert np.median(vacuity(head.parameters_of(shown(name, 1, seed=9)[0].embeddings))) > 0.8
        learned += shown(name, 4)
        head = taught(head, names[: number + 1], learned, settings)
        assert head.classes == tuple(names[: number + 1])
    for number, name in enumerate(names):
        alpha = head.parameters_of(np.concatenate([each.embeddings for each in shown(name, 3, seed=5)]))
        assert (alpha.argmax(axis=1) == number).mean() > 0.95
        assert np.median(vacuity(alpha)) < 0.5


def test_growing_keeps_every_weight_but_those_of_the_named_class_and_refitting_none() -> None:
    first = taught(None, ["a"], shown("a", 3), REFIT)
    both = shown("a", 3) + shown("b", 3)
    grown = grow(first, "b", ["a", "b"], both, np.random.default_rng(0))
    begun = first.extended("b", np.concatenate([each.embeddings for each in both if each.name == "b"]))
    for name in ("prototypes", "log_precision", "bias"):
        old, now, start = (each.get_parameter(name).detach().numpy() for each in (first, grown, begun))
        assert np.array_equal(now[:1], old)
        assert not np.array_equal(now[1:], start[1:])
    assert np.array_equal(grown.get_buffer("projection"), first.get_buffer("projection"))
    assert retrain(grown, ["a", "b"], both, NEW_OUTPUT_ONLY, np.random.default_rng(0)) is grown
    anew = retrain(grown, ["a", "b"], both, REFIT, np.random.default_rng(0))
    assert not np.array_equal(anew.get_buffer("centre"), first.get_buffer("centre"))


def test_a_class_that_is_gone_loses_its_output_and_more_micrographs_of_one_move_it_alone() -> None:
    known = shown("a", 3) + shown("b", 3) + shown("c", 3)
    head = taught(None, ["a", "b", "c"], known, REFIT)
    merged = [LabelledCrops("c", each.embeddings) if each.name == "b" else each for each in known]
    shorter = grow(head, "c", ["a", "c"], merged, np.random.default_rng(0))
    assert shorter.classes == ("a", "c")
    assert np.array_equal(shorter.prototypes[0].detach().numpy(), head.prototypes[0].detach().numpy())
    assert not np.array_equal(shorter.prototypes[1].detach().numpy(), head.prototypes[2].detach().numpy())


def test_held_out_micrographs_are_whole_and_the_only_one_of_a_class_is_parted() -> None:
    found = hold_out(["many", "one"], shown("many", 5) + shown("one", 1, crops=8), REFIT, 0)
    crops = {name: sum(len(each.right) for each in found.results if each.name == name) for name in ("many", "one")}
    assert crops == {"many": 30, "one": 8}
    assert [each.name for each in found.results].count("many") == 5
    accuracy = found.accuracy(["many", "one"])
    assert accuracy is not None
    assert min(accuracy.micrographs, accuracy.crops) > 0.9
    again = hold_out(["many", "one"], shown("many", 5) + shown("one", 1, crops=8), REFIT, 0)
    for each, other in zip(found.results, again.results, strict=True):
        assert np.array_equal(each.vacuity, other.vacuity)


def test_a_single_crop_is_learned_but_never_held_out() -> None:
    found = hold_out(["many", "single"], shown("many", 3) + shown("single", 1, crops=1), REFIT, 0)
    assert {each.name for each in found.results} == {"many"}
    assert not hold_out(["single"], shown("single", 1, crops=1), REFIT, 0).results
