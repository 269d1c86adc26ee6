import numpy as np
import pytest

from matcurate.uncertainty.regions import away_from_boundaries, region_scores


def picture() -> tuple[np.ndarray, np.ndarray]:
    """Phase 0 left, 1 right of column 6; unsure at the boundary, and in the last two columns."""
    phases = np.zeros((5, 12), dtype=np.uint8)
    phases[:, 6:] = 1
    vacuity = np.full((5, 12), 0.2)
    vacuity[:, 5:7] = 1.0
    vacuity[:, 10:] = 0.8
    return vacuity, phases


def test_boundaries_do_not_count() -> None:
    vacuity, phases = picture()
    found = region_scores(vacuity, phases, 3, margin=2)
    # Columns 4 to 7 lie within two of the boundary: 0-3 have .2, 8-9 .2, 10-11 .8.
    assert found.mean == pytest.approx((6 * 0.2 + 2 * 0.8) / 8)
    assert found.unknown == pytest.approx(2 / 8)
    assert found.per_phase[:2] == pytest.approx((0.2, 0.5))
    assert found.per_phase[2] is None


def test_away_means_in_rows_and_columns() -> None:
    phases = np.zeros((7, 9), dtype=np.uint8)
    phases[3, 4] = 1
    inner = away_from_boundaries(phases, 1)
    assert not inner[2:5, 3:6].any()
    assert inner.sum() == 63 - 9


def test_where_all_is_boundary_all_counts() -> None:
    phases = np.indices((4, 6)).sum(axis=0) % 2
    vacuity = np.full((4, 6), 0.3)
    vacuity[0, 0] = 0.9
    found = region_scores(vacuity, phases.astype(np.uint8), 2)
    assert found.mean == pytest.approx((23 * 0.3 + 0.9) / 24)
    assert found.unknown == pytest.approx(1 / 24)


def test_what_does_not_fit_is_refused() -> None:
    vacuity, phases = picture()
    with pytest.raises(ValueError, match="must be one"):
        region_scores(vacuity[:, 1:], phases, 2)
    with pytest.raises(ValueError, match="phase id 1, but there are 1"):
        region_scores(vacuity, phases, 1)
    vacuity[1, 3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        region_scores(vacuity, phases, 2)
