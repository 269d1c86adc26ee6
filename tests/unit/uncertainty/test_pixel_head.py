import numpy as np
import pytest
import torch

from matcurate.uncertainty.loss import dirichlet_parameters
from matcurate.uncertainty.pixels import PixelHead, PixelSettings, drawn_pixels, features_at, fit_pixel_head

SPAN, SHAPE = (32, 48), (30, 41)
NAMES = ("matrix", "phase 1", "phase 2")


def maps_of_one_image() -> list[torch.Tensor]:
    """Three levels that span 32 x 48 pixels, of which the image fills 30 x 41."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, width, 32 // by, 48 // by, generator=generator) for width, by in ((2, 1), (3, 4), (5, 16))]


def head_for(widths: tuple[int, ...] = (2, 3, 5)) -> PixelHead:
    head = PixelHead(widths, NAMES, PixelSettings(hidden=7), torch.Generator().manual_seed(1)).eval()
    head.standardise(torch.randn(50, sum(widths), generator=torch.Generator().manual_seed(2)) * 3 + 1)
    return head


def test_a_picture_gets_the_logits_of_its_pixels() -> None:
    maps, head = maps_of_one_image(), head_for()
    rows, columns = (place.ravel() for place in torch.meshgrid(torch.arange(30), torch.arange(41), indexing="ij"))
    with torch.inference_mode():
        one_by_one = head(features_at(maps, SPAN, rows, columns))
        alpha = head.parameters_from(head.hidden_of(maps, SPAN, SHAPE))
        wanted = dirichlet_parameters(one_by_one, head.settings.evidence.bound)
        assert torch.allclose(alpha[0].flatten(1).T, wanted, rtol=1e-3, atol=1e-4)
    assert alpha.shape == (1, 3, *SHAPE) and float(alpha.min()) >= 1


def test_passes_with_dropout_leave_hidden_units_out() -> None:
    maps, head = maps_of_one_image(), head_for()
    with torch.inference_mode():
        hidden = head.hidden_of(maps, SPAN, SHAPE)
        whole = head.drawn_parameters(hidden, torch.ones(1, 7))[0]
        assert torch.allclose(whole.movedim(-1, 1), head.parameters_from(hidden), rtol=1e-4)
        silent = head.drawn_parameters(hidden, torch.zeros(2, 7))  # only the last bias, 0, answers
        assert torch.allclose(silent, torch.full_like(silent, 2.0))  # exp(0) + 1
    masks = head.dropout_masks(4000)
    assert torch.equal(masks, head.dropout_masks(4000))
    assert masks.unique().tolist() == pytest.approx([0.0, 1.25])
    assert float(masks.mean()) == pytest.approx(1, abs=0.02)


def test_features_lie_at_their_pixels() -> None:
    # A level of half the size: pixel (0, 2) lies between cells 0 and 1, at 0.75 of the way.
    coarse = torch.tensor([[[[0.0, 4.0], [8.0, 8.0]]]])
    found = features_at([coarse], (4, 4), torch.tensor([0, 0, 3]), torch.tensor([0, 2, 1]))
    assert found[:, 0].tolist() == pytest.approx([0.0, 3.0, 8.0])


def test_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"maps have \(2, 3, 5\) channels, the head was made for \(2, 5, 3\)"):
        head_for((2, 5, 3)).hidden_of(maps_of_one_image(), SPAN, SHAPE)


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.01), (0.5, 0.0913), (1.0, 0.5)])
def test_pixels_are_drawn_by_the_rarity_of_their_phase(balance: float, share: float) -> None:
    # 1 % and 99 %: to the power 1 - balance, √.01 / (√.01 + √.99) = .0913.
    labels = np.zeros((10, 40), dtype=np.uint8)
    labels[3, 7:11] = 2
    drawn = drawn_pixels(labels, 20_000, balance, np.random.default_rng(0))
    assert (labels.ravel()[drawn] == 2).mean() == pytest.approx(share, abs=0.01)
    assert len(np.unique(drawn[labels.ravel()[drawn] == 2])) == 4


def toy(count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers that tell three phases apart, one that says nothing, one that never varies."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    middles = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    told = middles[labels] + rng.normal(size=(count, 2))
    return np.column_stack([told, rng.normal(size=count), np.full(count, 7.0)]).astype(np.float32), labels


def fitted(seed: int = 0, classes: tuple[str, ...] = NAMES) -> PixelHead:
    settings = PixelSettings(hidden=16, steps=300, batch=64, learning_rate=0.01)
    return fit_pixel_head(*toy(), (3, 1), classes, settings, seed)


def test_it_learns_and_is_least_sure_between_phases() -> None:
    head, (features, labels) = fitted(), toy()
    with torch.inference_mode():
        assert (head(torch.from_numpy(features)).argmax(1).numpy() == labels).mean() > 0.94
        clear, between = head(torch.tensor([[4.0, 0.0, 0.0, 7.0], [1.3, 1.3, 0.0, 7.0]])).exp().sum(1).tolist()
        other = head(torch.tensor([[4.0, 0.0, 0.0, 9.0]])).exp().sum(1).item()
    assert clear > 4 * between
    assert other == pytest.approx(clear)  # what never varied counts nothing


def test_it_repeats_and_a_phase_without_pixels_is_no_trouble() -> None:
    first, second, other = fitted(), fitted(), fitted(seed=1)
    assert torch.equal(first.last.weight, second.last.weight)
    assert not torch.equal(first.last.weight, other.last.weight)
    head = fitted(classes=(*NAMES, "rare"))
    with torch.inference_mode():
        assert set(head(torch.from_numpy(toy()[0])).argmax(1).tolist()) == {0, 1, 2}


def test_only_draws_differ() -> None:
    head, sample = fitted(), torch.from_numpy(toy()[0][:50])
    with torch.inference_mode():
        assert torch.equal(head(sample), head(sample))
        head.train()
        assert not torch.equal(head(sample), head(sample))
