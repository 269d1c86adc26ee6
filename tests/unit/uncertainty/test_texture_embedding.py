import numpy as np
import pytest
import torch

from matcurate.uncertainty.embedding import pooled_statistics


def log(value: float) -> float:
    return float(np.sign(value) * np.log1p(3 * abs(value)))


def test_statistics_by_hand() -> None:
    image = torch.tensor([[[1.0, -1.0, 1.0, -1.0]]])
    level = torch.tensor([[[[0.0, 2.0, 0.0, 2.0]], [[4.0, 0.0, 4.0, 0.0]]]])
    found = pooled_statistics(image, [level], correlated=1)[0].tolist()
    # third and fourth moment; means; deviations; the two channels are opposites
    assert found == pytest.approx([log(x) for x in (0, 1, 1, 2, 1, 2, -1)])


def test_a_channel_that_does_not_vary_correlates_with_none() -> None:
    level = torch.stack([torch.zeros(2, 3), torch.rand(2, 3)])[None]
    assert torch.isfinite(pooled_statistics(torch.rand(1, 2, 3), [level], 1)).all()
    assert pooled_statistics(torch.rand(1, 2, 3), [level], 1)[0, -1] == 0


def test_places_do_not_matter_and_only_the_asked_levels_are_correlated() -> None:
    rng = torch.Generator().manual_seed(0)
    image, level = torch.rand(2, 4, 6, generator=rng), torch.rand(2, 5, 4, 6, generator=rng)
    moved = pooled_statistics(image.roll(2, 2), [level.roll(2, 3), level], 1)
    torch.testing.assert_close(moved, pooled_statistics(image, [level, level], 1))
    assert moved.shape == (2, 2 + 2 * 10 + 10)
