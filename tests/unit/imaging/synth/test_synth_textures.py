import numpy as np
import pytest

from matcurate.imaging.synth.textures import PATTERNS, texture

SIZE = (64, 96)


@pytest.mark.parametrize("draw", PATTERNS, ids=lambda draw: draw.__name__)
def test_every_pattern_fills_the_image_and_varies(draw) -> None:
    for seed in range(6):
        field = draw(SIZE, np.random.default_rng(seed))
        assert field.shape == SIZE
        assert np.isfinite(field).all()
        assert field.std() > 0


def test_a_texture_repeats_under_its_generator_and_differs_under_another() -> None:
    first, again, other = (texture(SIZE, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_halves_of_a_texture_are_more_alike_than_different_textures() -> None:
    def looks(pixels: np.ndarray) -> np.ndarray:
        grey = pixels.astype(float)
        steps = [np.abs(grey[:, step:] - grey[:, :-step]).mean() for step in (1, 3, 9)]
        return np.array([grey.mean(), grey.std(), *steps])

    halves = []
    for seed in range(12):
        drawn = texture((96, 256), np.random.default_rng(seed))
        halves.append((looks(drawn[:, :128]), looks(drawn[:, 128:])))
    own = np.mean([np.abs(a - b).mean() for a, b in halves])
    others = np.mean([np.abs(halves[i][0] - halves[i - 1][1]).mean() for i in range(12)])
    assert own < 0.5 * others


def test_too_small_a_texture_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 48"):
        texture((64, 40), np.random.default_rng(0))
