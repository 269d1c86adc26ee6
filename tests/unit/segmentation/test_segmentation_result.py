import numpy as np
import pytest

from matcurate.segmentation.result import Segmentation


def test_count_and_fractions() -> None:
    phases = np.zeros((4, 5), dtype=np.uint8)
    phases[0, :] = 1
    phases[1, :2] = 3
    instances = np.zeros((4, 5), dtype=np.uint32)
    instances[0, :2], instances[0, 2:], instances[1, :2] = 7, 9, 2
    found = Segmentation(phases, instances, 0.5)
    assert found.count == 3
    assert found.phase_fractions == {0: 0.65, 1: 0.25, 3: 0.1}


@pytest.mark.parametrize(
    ("phases", "instances", "score", "words"),
    [
        (np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint32), 0.5, "share one"),
        (np.zeros(4, np.uint8), np.zeros(4, np.uint32), 0.5, "2-D"),
        (np.zeros((4, 5), np.int64), np.zeros((4, 5), np.uint32), 0.5, "uint8 phases"),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.int32), 0.5, "uint32 instances"),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint32), float("nan"), "score"),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint32), 1.1, "score"),
    ],
)
def test_refuses_what_does_not_fit(phases, instances, score, words) -> None:
    with pytest.raises(ValueError, match=words):
        Segmentation(phases, instances, score)
