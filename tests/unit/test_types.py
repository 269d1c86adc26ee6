import math

import numpy as np
import pytest

from matcurate.types import Calibration, Candidate


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_calibration_refuses_what_is_no_length(bad: float) -> None:
    with pytest.raises(ValueError, match="nm_per_px must be positive"):
        Calibration(bad)


def test_calibration_keeps_both_edges_of_a_pixel() -> None:
    assert Calibration(10.0).nm_per_px_y == 10.0
    assert Calibration(10.0, aspect=1.5).nm_per_px_y == 15.0
    assert Calibration(10.0, source="one tag") == Calibration(10.0, source="another")
    with pytest.raises(ValueError, match="aspect must be positive"):
        Calibration(10.0, aspect=0.0)


def test_candidate_paints_itself_at_its_place() -> None:
    candidate = Candidate(top=2, left=5, mask=np.array([[True, False, True]]), quality=0.5)
    full = candidate.paint((4, 9))
    assert candidate.box == (2, 5, 3, 8)
    assert candidate.area == 2
    assert np.argwhere(full).tolist() == [[2, 5], [2, 7]]


@pytest.mark.parametrize(
    ("mask", "quality"), [(np.ones((2, 2), np.uint8), 0.5), (np.ones(3, bool), 0.5), (np.ones((2, 2), bool), 1.5)]
)
def test_candidate_checks_itself(mask: np.ndarray, quality: float) -> None:
    with pytest.raises(ValueError, match=r"mask must be|quality must lie"):
        Candidate(0, 0, mask, quality)
