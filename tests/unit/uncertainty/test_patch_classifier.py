import numpy as np
import pytest

from matcurate.uncertainty.classifier import Gallery, PatchAnswer, PatchClassifier, most_unknown
from matcurate.uncertainty.head import HeadSettings, begin_head

NAMES = ("dark", "middle", "bright")


class MeanAndSpread:
    """An embedder one can calculate by hand."""

    digest = "0" * 64

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        return np.stack([crops.mean(axis=(1, 2)), crops.std(axis=(1, 2))], axis=1)


def crops(level: float, count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return level + rng.normal(0, 1, (count, 6, 9)) + rng.normal(0, 0.2, (count, 1, 1))


@pytest.fixture
def classifier() -> PatchClassifier:
    embed = MeanAndSpread()
    embeddings = embed(np.concatenate([crops(level, 20, seed) for seed, level in enumerate((0.0, 10.0, 14.0))]))
    labels = np.repeat([0, 1, 2], 20)
    return PatchClassifier(embed, begin_head(NAMES, embeddings, labels, HeadSettings()), Gallery(embeddings, labels))


def test_class_ranking_and_vacuity(classifier: PatchClassifier) -> None:
    (answer,) = classifier(crops(10.0, 1, seed=9), similar=2)
    assert answer.name == "middle"
    assert [each.name for each in answer.similar] == ["middle", "bright"]
    assert answer.similar[0].probability > 0.9
    assert answer.vacuity < 0.2
    assert not answer.is_new(0.5)


def test_examples_are_the_most_similar_crops_of_the_class_itself(classifier: PatchClassifier) -> None:
    asked = crops(10.0, 20, seed=1)[3:4]  # the fourth crop that "middle" was learned from
    (answer,) = classifier(asked, examples=4)
    assert answer.similar[0].examples[0] == 23
    ranges = {"dark": range(20), "middle": range(20, 40), "bright": range(40, 60)}
    for each in answer.similar:
        assert len(set(each.examples)) == 4
        assert set(each.examples) <= set(ranges[each.name])


def test_what_is_unlike_all_classes_may_be_new(classifier: PatchClassifier) -> None:
    asked = np.concatenate([crops(0.0, 1, 5), crops(60.0, 1, 5), crops(12.0, 1, 5)])
    answers = classifier(asked)
    assert answers[1].is_new(0.9)
    assert not answers[0].is_new(0.5)
    assert most_unknown(answers, 0.5)[0] == 1
    assert 0 not in most_unknown(answers, 0.5)


def test_crops_of_one_micrograph_answer_together(classifier: PatchClassifier) -> None:
    embed = MeanAndSpread()
    asked = embed(np.concatenate([crops(10.0, 2, 3), crops(14.0, 1, 4), crops(90.0, 1, 5)]))
    single = classifier(np.concatenate([crops(10.0, 2, 3), crops(14.0, 1, 4), crops(90.0, 1, 5)]))
    answer = classifier.together(asked, similar=3, examples=2)
    assert [each.name for each in answer.similar] == ["middle", "bright", "dark"]
    assert answer.vacuity == pytest.approx(np.median([each.vacuity for each in single]))
    shares = [next(one.probability for one in each.similar if one.name == "bright") for each in single]
    assert answer.similar[1].probability == pytest.approx(np.mean(shares))
    own = [next(one.examples[0] for one in each.similar if one.name == "middle") for each in single]
    assert answer.similar[0].examples[0] in own
    with pytest.raises(ValueError, match="at least one crop"):
        classifier.together(asked[:0])


def test_without_evidence_classes_are_ranked_as_for_single_crops(classifier: PatchClassifier) -> None:
    for level in (-300.0, 500.0):  # where every probability is 1/3
        answer = classifier.together(MeanAndSpread()(crops(level, 3)))
        assert answer.vacuity > 0.99
        assert [each.name for each in answer.similar] == [each.name for each in classifier(crops(level, 1))[0].similar]


def test_the_queue_begins_with_the_least_known() -> None:
    answers = [PatchAnswer((), vacuity) for vacuity in (0.6, 0.2, 0.9, 0.6)]
    assert most_unknown(answers, 0.5) == (2, 0, 3)


def test_wrong_numbers_are_refused(classifier: PatchClassifier) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        classifier(crops(0, 1), similar=0)
    with pytest.raises(ValueError, match="do not fit"):
        Gallery(np.zeros((3, 2)), np.zeros(2, dtype=int))
