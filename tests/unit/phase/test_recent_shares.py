"""The probabilities of the last micrographs are computed once, and memory is bounded."""

import numpy as np

from matcurate.phase import recent
from matcurate.phase.inference import phase_shares
from matcurate.phase.recent import RecentShares
from tests.unit.phase.phase_samples import small_model, striped


def test_only_what_is_new_is_computed_and_the_oldest_goes_first(monkeypatch):
    model, calls = small_model(), []
    first, second = (striped(seed=seed).grey for seed in (0, 1))

    def counted(*arguments):
        calls.append(1)
        return phase_shares(*arguments)

    monkeypatch.setattr(recent, "phase_shares", counted)
    none, given = np.zeros(3), np.array([0.2, 0.3, 0.5])
    kept = RecentShares(room=2 * 3 * first.size * 4)  # of two pictures
    np.testing.assert_array_equal(kept.shares(model, first, none), kept.shares(model, first, none))
    np.testing.assert_array_equal(kept.shares(model, first, none), phase_shares(model, first, none))
    assert len(calls) == 1
    kept.shares(model, first, given)
    kept.shares(model, first, none)  # used last, so that the one with a ratio goes
    kept.shares(model, second, none)
    kept.shares(model, first, none)
    assert len(calls) == 3
    kept.shares(model, first, given)
    assert len(calls) == 4
